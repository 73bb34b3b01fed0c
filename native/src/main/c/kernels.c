/* One instruction set's kernels, as a table. */
#include "lanes.h"

void KERNEL(embed)(int, const void *, int64_t, int, float, float *);
void KERNEL(rms_norm)(const float *, const float *, float, int, int, float *);
void KERNEL(bias)(const float *, int, float *);
void KERNEL(layer_norm)(const float *, const float *, const float *, float, int, float *);
void KERNEL(activate)(int, int, float *);
void KERNEL(route)(const float *, int, int, int, float *, int32_t *, float *);
void KERNEL(combine)(const float *, const int32_t *, const float *, int, int, float *);
void KERNEL(quantise)(const float *, int, int8_t *, quant_meta *);
void KERNEL(matmul)(const skein_weight *, int, int, const float *, quant_rows, int, int, int, float *);
void KERNEL(rope_store)(const skein_op *, const skein_step *, int, int);
void KERNEL(attention)(const skein_op *, const skein_step *, attention_unit, float *, float *);
void KERNEL(attention_merge)(const float *, int, int, float *);
int KERNEL(sample)(const skein_op *, const skein_step *, int, sample_scratch *, skein_failure *);

const skein_kernels KERNEL(kernels) = {
    KERNEL(embed),      KERNEL(rms_norm),  KERNEL(bias),            KERNEL(layer_norm), KERNEL(activate),
    KERNEL(route),      KERNEL(combine),   KERNEL(quantise),        KERNEL(matmul),     KERNEL(rope_store),
    KERNEL(attention),  KERNEL(attention_merge), KERNEL(sample),
};
