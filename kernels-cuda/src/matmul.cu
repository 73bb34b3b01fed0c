// out = W x for a step's rows: W in tiles (skein.cuh), x in rows of bf16, sums in 32-bit floats.
//
// Two kernels, one arithmetic. The columns of W are cut into SLICES; each is one chain of mma over its tiles in rising order,
// and the slices' sums are added in order. So an output has the same bits in a step of 1 row and in one of 8,192, whichever
// kernel computes it.
//   skein_matmul_*: up to 64 tokens. Bound by the reading of W: a block has all slices of its row tiles, a warp one slice;
//       W goes from memory to registers, double-buffered, the first of it before the grid before is done.
//   skein_matmul_many: more tokens. 128 rows x 128 tokens a block, both operands through shared memory.
#include "multiply.cuh"

__device__ inline int64_t same_row(int token) { return token; }

// rows: of out, and where a row of out ends; rowTiles and kTiles: of W, kTiles * 16 columns; mode: a Store.
// Grid: (tokens / TOKENS, rowTiles / ROW_TILES), rounded up; block: 256.
#define SKEIN_MATMUL(NAME, ROW_TILES, TOKENS)                                                                        \
    extern "C" __global__ void __launch_bounds__(256)                                                                \
        NAME(const uint4* __restrict__ weight, const bf16* x, void* out, int rows, int rowTiles, int kTiles,         \
             int tokens, int mode) {                                                                                 \
        Loads<ROW_TILES> loads(weight, rowTiles, kTiles);                                                            \
        dependency_wait();                                                                                           \
        dependents_start();                                                                                          \
        multiply<ROW_TILES, TOKENS / 8>(loads, x, out, rows, rowTiles, kTiles, tokens, mode, same_row, same_row);    \
    }                                                                                                                \
    SKEIN_KERNEL(NAME)

SKEIN_MATMUL(skein_matmul_8, 1, 8)
SKEIN_MATMUL(skein_matmul_16, 1, 16)
SKEIN_MATMUL(skein_matmul_32, 2, 32)
SKEIN_MATMUL(skein_matmul_64, 2, 64)
