// One translation unit of all kernels, so that one fatbin holds them; a namespace each keeps their names apart.
#include "skein.cuh"
#include "four_bits.cuh"
#include "multiply.cuh"
#ifdef SKEIN_HOPPER
#include "hopper.cuh"
#endif

namespace embed {
#include "embed.cu"
}
namespace rms_norm {
#include "rms_norm.cu"
}
namespace rope {
#include "rope.cu"
}
namespace weight {
#include "weight.cu"
}
namespace matmul {
#include "matmul.cu"
}
namespace matmul_many {
#include "matmul_many.cu"
}
namespace quantised {
#include "quantised.cu"
}
namespace experts {
#include "experts.cu"
}
namespace attention {
#include "attention.cu"
}
namespace sample {
#include "sample.cu"
}
namespace ranks {
#include "ranks.cu"
}
#ifdef SKEIN_HOPPER
namespace matmul_hopper {
#include "matmul_hopper.cu"
#include "experts_hopper.cu"
}
namespace attention_hopper {
#include "attention_hopper.cu"
}
#endif
