// Weights on their way in, once: rows as they lie in the model's file become tiles of bf16 (skein.cuh), or rows of bf16.
#include "skein.cuh"

namespace {

enum Type { F32, F16, BF16, Q8_0, Q4_0, Q4_1 };  // ElementType of Java, in its order

__device__ inline float half_at(const uint8_t* at) {
    uint32_t h = at[0] | at[1] << 8;
    uint32_t sign = (h & 0x8000u) << 16;
    uint32_t rest = h & 0x7fffu;
    if (rest >= 0x7c00u) {
        return __uint_as_float(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    }
    // A half's exponent counts from -15; multiplying also makes subnormal halves right.
    float magnitude = __fmul_rn(__uint_as_float(rest << 13), 0x1p112f);
    return __uint_as_float(__float_as_uint(magnitude) | sign);
}

// Element i of a row; see ElementType for the layouts.
__device__ inline float element(const uint8_t* row, int i, int type) {
    if (type == F32) {
        const uint8_t* at = row + 4 * (int64_t)i;
        return __uint_as_float(at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24);
    }
    if (type == F16) {
        return half_at(row + 2 * (int64_t)i);
    }
    if (type == BF16) {
        const uint8_t* at = row + 2 * (int64_t)i;
        return __uint_as_float((uint32_t)(at[0] | at[1] << 8) << 16);
    }
    int in = i % 32;
    if (type == Q8_0) {
        const uint8_t* block = row + (int64_t)(i / 32) * 34;
        return __fmul_rn(half_at(block), (float)(int8_t)block[2 + in]);
    }
    int header = type == Q4_0 ? 2 : 4;
    const uint8_t* block = row + (int64_t)(i / 32) * (16 + header);
    int nibbles = block[header + in % 16];
    int q = in < 16 ? nibbles & 15 : nibbles >> 4;
    float d = half_at(block);
    return type == Q4_0 ? __fmul_rn(d, (float)(q - 8)) : __fmaf_rn(d, (float)q, half_at(block + 2));
}

}  // namespace

// Rows of `from`, rowBytes long each and aligned anyhow, become rows firstRow, firstRow + 1, ... of a weight in tiles. A gated
// weight has its gate's rows in the upper halves of row tiles (lower 0) and its up's in the lower ones (lower 8): its row r goes
// to row (r / 8) * 16 + r % 8 + lower. Grid: (any, y, z) with y * z >= rows; any block.
extern "C" __global__ void skein_tile_rows(const uint8_t* from, int64_t rowBytes, int type, uint16_t* tiles, int kTiles,
                                           int rows, int firstRow, int gated, int lower) {
    dependency_wait();
    dependents_start();
    int row = blockIdx.y * gridDim.z + blockIdx.z;
    if (row >= rows) {
        return;
    }
    int to = firstRow + row;
    to = gated ? to / 8 * TILE + to % 8 + lower : to;
    for (int column = blockIdx.x * blockDim.x + threadIdx.x; column < kTiles * TILE; column += gridDim.x * blockDim.x) {
        int64_t tile = (int64_t)(to / TILE) * kTiles + column / TILE;
        tiles[tile * TILE_ELEMENTS + tile_index(to % TILE, column % TILE)] =
            to_bf16(element(from + row * rowBytes, column, type)).bits;
    }
}
SKEIN_KERNEL(skein_tile_rows)

// Rows of bf16 from rows of any type: a table. Grid and block as above.
extern "C" __global__ void skein_plain_rows(const uint8_t* from, int64_t rowBytes, int type, uint16_t* out, int columns,
                                            int rows) {
    dependency_wait();
    dependents_start();
    int row = blockIdx.y * gridDim.z + blockIdx.z;
    if (row >= rows) {
        return;
    }
    for (int column = blockIdx.x * blockDim.x + threadIdx.x; column < columns; column += gridDim.x * blockDim.x) {
        out[(int64_t)row * columns + column] = to_bf16(element(from + row * rowBytes, column, type)).bits;
    }
}
SKEIN_KERNEL(skein_plain_rows)
