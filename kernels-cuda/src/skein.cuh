// What all kernels share. Compiled by nvcc for GPUs, and by g++ against ../emulator/emulator.h for tests without one:
// everything that is an instruction of its own (mma, cp.async, cache hints) is wrapped here once for both.
#pragma once
#include <stdint.h>

#ifdef SKEIN_EMULATED
#include "emulator.h"
#else
#define SKEIN_KERNEL(name)  // the emulator keeps a list of names
// The block's dynamic shared memory as an array.
#define SKEIN_SHARED(type, name)                          \
    extern __shared__ __align__(128) uint8_t dynamic_[]; \
    type* name = (type*)dynamic_
#endif

// A kernel's parameters: what no kernel of the step writes is __restrict__; activations are not, because the compiler may
// move reads of what it holds to be constant above dependency_wait.

// Whether this is compiled for compute capability 9.0, with what only that has.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL) && !defined(SKEIN_EMULATED)
#define SKEIN_HOPPER
#endif

// Plain 16-bit storage; arithmetic is always done in 32-bit floats.
struct bf16 {
    uint16_t bits;
};

constexpr int WARP = 32;
constexpr uint32_t FULL = 0xffffffffu;

// Tiles: every weight and both halves of the KV cache lie in memory as 16 x 16 tiles of bf16 in the order in which a warp
// holds them as the A operand of mma.m16n8k16, 16 bytes a lane: a tile is one coalesced 512-byte load straight to
// registers, without shared memory. Element (r, c) is in lane (r % 8) * 4 + (c % 8) / 2, and there at
// ((c / 8) * 2 + r / 8) * 2 + c % 2.
constexpr int TILE = 16;
constexpr int TILE_ELEMENTS = TILE * TILE;
constexpr int BLOCK_TOKENS = 16;  // tokens in a block of the KV cache: KvCache.BLOCK_SIZE

__host__ __device__ inline int tile_index(int r, int c) {
    int lane = (r & 7) * 4 + ((c & 7) >> 1);
    return lane * 8 + (((c >> 3) * 2 + (r >> 3)) * 2 + (c & 1));
}

__device__ inline float to_float(bf16 x) { return __uint_as_float((uint32_t)x.bits << 16); }

// Rounds to nearest, ties to even; the first argument is the low half.
__device__ inline uint32_t pack(float low, float high) {
#ifdef SKEIN_EMULATED
    return emulated_bf16(low) | (uint32_t)emulated_bf16(high) << 16;
#else
    uint32_t packed;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
#endif
}

__device__ inline bf16 to_bf16(float x) { return bf16{(uint16_t)pack(x, 0.f)}; }

__device__ inline uint32_t float_to_half(float x) {
#ifdef SKEIN_EMULATED
    return emulated_half(x);
#else
    uint16_t h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
    return h;
#endif
}

// d += a b for a 16 x 16 tile a in registers and 16 x 8 b; fp32 sums. Lane (g = lane / 4, t = lane % 4) holds rows g and
// g + 8 of d at columns 2t and 2t + 1, and of b column g at rows 2t, 2t + 1 (b0) and 2t + 8, 2t + 9 (b1).
__device__ inline void mma(float (&d)[4], const uint4& a, uint32_t b0, uint32_t b1) {
#ifdef SKEIN_EMULATED
    emulated_mma(d, a, b0, b1);
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
#endif
}

// Transposes an 8 x 8 matrix of 16-bit elements: lane (g, t) gives row g, columns 2t and 2t + 1, and gets the same of the
// transposed one.
__device__ inline uint32_t transpose(uint32_t pair) {
#ifdef SKEIN_EMULATED
    return emulated_transpose(pair);
#else
    uint32_t turned;
    asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(turned) : "r"(pair));
    return turned;
#endif
}

// How long L2 should hold what is read once a step: it is the first to leave. Or else as long as other things.
template <bool FIRST = true>
__device__ inline uint64_t first_to_leave() {
    uint64_t policy = 0;
#ifndef SKEIN_EMULATED
    if constexpr (FIRST) {
        asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
    } else {
        asm("createpolicy.fractional.L2::evict_normal.b64 %0, 1.0;" : "=l"(policy));
    }
#endif
    return policy;
}

// 16 bytes that no kernel of the step writes, past L1. Not ld.global.nc, though it would be true: ptxas moves those behind
// dependency_wait, and what should run ahead of the kernel before would wait for it (read in the SASS of matmul_8).
__device__ inline uint4 load_constant(const uint4* from, uint64_t policy) {
#ifdef SKEIN_EMULATED
    return *from;
#else
    uint4 v;
    asm volatile("ld.global.L1::no_allocate.L2::cache_hint.v4.u32 {%0,%1,%2,%3}, [%4], %5;"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(from), "l"(policy));
    return v;
#endif
}

// 16 bytes that an earlier kernel of the step may have written, past L1.
__device__ inline uint4 load_cached(const uint4* from, uint64_t policy) {
#ifdef SKEIN_EMULATED
    return *from;
#else
    uint4 v;
    asm volatile("ld.global.L1::no_allocate.L2::cache_hint.v4.u32 {%0,%1,%2,%3}, [%4], %5;"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(from), "l"(policy)
                 : "memory");
    return v;
#endif
}

// 16 bytes from global to shared memory, without passing registers; zeros where `there` is false.
__device__ inline void copy_async(void* shared, const void* global, bool there) {
#ifdef SKEIN_EMULATED
    emulated_copy_async(shared, global, there);
#else
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((uint32_t)__cvta_generic_to_shared(shared)),
                 "l"(global), "r"(there ? 16 : 0)
                 : "memory");
#endif
}

__device__ inline void copy_commit() {
#ifdef SKEIN_EMULATED
    emulated_copy_commit();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most N of this thread's committed groups are under way.
template <int N>
__device__ inline void copy_wait() {
#ifdef SKEIN_EMULATED
    emulated_copy_wait(N);
#else
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

// Programmatic dependent launch: what comes before dependency_wait may run while the grid before is still running, and
// must not touch what that grid writes. Every kernel waits, so that waiting for one means waiting for all before it.
__device__ inline void dependency_wait() {
#if !defined(SKEIN_EMULATED) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ inline void dependents_start() {
#if !defined(SKEIN_EMULATED) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// 2 to the x, within 2 units in the last place.
__device__ inline float exp2_fast(float x) {
#ifdef SKEIN_EMULATED
    return exp2f(x);
#else
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}

// 1 / x, within 1 unit in the last place; 0 where that would be subnormal.
__device__ inline float reciprocal_fast(float x) {
#ifdef SKEIN_EMULATED
    return 1.f / x;
#else
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
#endif
}

// a b + c for pairs of bf16, each rounded once.
__device__ inline uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c) {
#ifdef SKEIN_EMULATED
    auto low = [](uint32_t pair) { return __uint_as_float(pair << 16); };
    auto high = [](uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); };
    return pack(__fmaf_rn(low(a), low(b), low(c)), __fmaf_rn(high(a), high(b), high(c)));
#else
    uint32_t d;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
    return d;
#endif
}

// e to the x exactly as Arithmetic.exp of the CPU has it: results that must agree bit for bit use this one.
__device__ inline float exp_exact(float x) {
    if (x < -87.3f) {
        return 0.f;
    }
    float bounded = fminf(x, 88.3f);
    float n = rintf(__fmul_rn(bounded, 0x1.715476p0f));
    float r = __fmaf_rn(n, -0x1.62e4p-1f, bounded);
    r = __fmaf_rn(n, -0x1.7f7d1cp-20f, r);
    float p = 0x1.6a2430p-10f;
    p = __fmaf_rn(p, r, 0x1.1239e4p-7f);
    p = __fmaf_rn(p, r, 0x1.5558f2p-5f);
    p = __fmaf_rn(p, r, 0x1.555492p-3f);
    p = __fmaf_rn(p, r, 0x1.fffffcp-2f);
    p = __fmaf_rn(p, r, 1.f);
    p = __fmaf_rn(p, r, 1.f);
    return __fmul_rn(p, __int_as_float(((int)n + 127) << 23));
}

template <typename T>
__device__ inline T warp_sum(T x) {
#pragma unroll
    for (int step = WARP / 2; step > 0; step >>= 1) {
        x += __shfl_xor_sync(FULL, x, step);
    }
    return x;
}

// The sum over the block, in every thread, in an order that does not vary. `scratch` holds 32 values and is free again
// after the next barrier.
template <typename T>
__device__ inline T block_sum(T x, T* scratch) {
    x = warp_sum(x);
    __syncthreads();
    if (threadIdx.x % WARP == 0) {
        scratch[threadIdx.x / WARP] = x;
    }
    __syncthreads();
    int lane = threadIdx.x % WARP;
    return warp_sum(lane < (int)blockDim.x / WARP ? scratch[lane] : (T)0);
}
