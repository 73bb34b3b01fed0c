// What a kernel needs of CUDA C++, for g++: the kernels of ../src run on this machine's processor, thread by thread, so that
// their arithmetic, indices and barriers are tested where there is no GPU. Slow, and silent about speed.
//
// Every thread of a block is a fiber. A fiber runs until it needs others: at a barrier, a shuffle, an mma. Stricter than a
// GPU, on purpose: a barrier or a warp instruction that some of its threads left out ends the process with the kernel's name;
// the order in which threads run is shuffled (SKEIN_EMULATOR_SEED), so that a missing barrier shows; asynchronous copies
// arrive only when they are waited for; dynamic shared memory starts as NaN.
#pragma once
#include <math.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __restrict__
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

struct uint2 { uint32_t x, y; };
struct int2 { int x, y; };
struct float2 { float x, y; };
struct alignas(16) uint4 { uint32_t x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };
struct dim3 { unsigned x, y, z; };

inline uint2 make_uint2(uint32_t x, uint32_t y) { return {x, y}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
using std::max;
using std::min;

namespace emulator {

struct Fiber;
extern Fiber* current;
extern dim3 grid, block, index, thread;
extern uint8_t* dynamic_shared;

void barrier();
void warp_barrier();
// This lane's 32 bytes of the warp's exchange, and any lane's after the warp_barrier that follows.
void* give();
const void* given(int lane);
int lane();

struct Kernel {
    void (*run)(void** parameters);
    const int* sizes;  // of the parameters
    int parameters;
};
void enlist(const char* name, Kernel kernel);

template <typename... A, size_t... I>
void call(void (*kernel)(A...), void** parameters, std::index_sequence<I...>) {
    kernel(*(std::remove_const_t<A>*)parameters[I]...);
}

template <auto Function>
struct Entry;

template <typename... A, void (*Function)(A...)>
struct Entry<Function> {
    static void run(void** parameters) { call(Function, parameters, std::index_sequence_for<A...>()); }
    static emulator::Kernel kernel() {
        static const int sizes[] = {(int)sizeof(A)...};
        return {run, sizes, (int)sizeof...(A)};
    }
};

struct Enlisted {
    Enlisted(const char* name, Kernel kernel) { enlist(name, kernel); }
};

template <typename T>
T exchange(T x, int from) {
    static_assert(sizeof(T) <= 32);
    memcpy(give(), &x, sizeof(T));
    warp_barrier();
    memcpy(&x, given(from), sizeof(T));
    return x;
}

}  // namespace emulator

#define gridDim emulator::grid
#define blockDim emulator::block
#define blockIdx emulator::index
#define threadIdx emulator::thread
#define SKEIN_KERNEL(name) static emulator::Enlisted enlisted_##name(#name, emulator::Entry<&name>::kernel());
#define SKEIN_SHARED(type, name) type* name = (type*)emulator::dynamic_shared

inline void __syncthreads() { emulator::barrier(); }
inline int __syncthreads_count(int predicate) {
    static int count;
    emulator::barrier();
    count = 0;
    emulator::barrier();
    count += predicate != 0 ? 1 : 0;
    emulator::barrier();
    return count;
}
inline void __syncwarp() { emulator::warp_barrier(); }

template <typename T>
T __shfl_xor_sync(uint32_t, T x, int mask) { return emulator::exchange(x, emulator::lane() ^ mask); }
template <typename T>
T __shfl_sync(uint32_t, T x, int from) { return emulator::exchange(x, from & 31); }
template <typename T>
T __shfl_up_sync(uint32_t, T x, int by) {
    int lane = emulator::lane();
    return emulator::exchange(x, lane < by ? lane : lane - by);
}

inline uint32_t __ballot_sync(uint32_t, int predicate) {
    *(int*)emulator::give() = predicate;
    emulator::warp_barrier();
    uint32_t all = 0;
    for (int i = 0; i < 32; i++) {
        all |= (*(const int*)emulator::given(i) != 0 ? 1u : 0u) << i;
    }
    return all;
}

inline float __uint_as_float(uint32_t x) { float f; memcpy(&f, &x, 4); return f; }
inline float __int_as_float(int x) { float f; memcpy(&f, &x, 4); return f; }
inline uint32_t __float_as_uint(float x) { uint32_t u; memcpy(&u, &x, 4); return u; }
inline int __float_as_int(float x) { int i; memcpy(&i, &x, 4); return i; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __popc(uint32_t x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(x); }
inline uint64_t __umul64hi(uint64_t a, uint64_t b) { return (uint64_t)((unsigned __int128)a * b >> 64); }

template <typename T>
T atomicAdd(T* at, std::type_identity_t<T> x) { T was = *at; *at = was + x; return was; }
template <typename T>
T atomicExch(T* at, std::type_identity_t<T> x) { T was = *at; *at = x; return was; }
template <typename T>
T atomicMax(T* at, std::type_identity_t<T> x) { T was = *at; *at = max(was, x); return was; }
template <typename T>
T atomicOr(T* at, std::type_identity_t<T> x) { T was = *at; *at = was | x; return was; }

inline uint16_t emulated_bf16(float x) {
    uint32_t u = __float_as_uint(x);
    return (u & 0x7fffffffu) > 0x7f800000u ? 0x7fff : (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

inline uint32_t emulated_half(float x) {
    _Float16 h = (_Float16)x;
    uint16_t bits;
    memcpy(&bits, &h, 2);
    return bits;
}

void emulated_mma(float (&d)[4], const uint4& a, uint32_t b0, uint32_t b1);
uint32_t emulated_transpose(uint32_t pair);
void emulated_copy_async(void* shared, const void* global, bool there);
void emulated_copy_commit();
void emulated_copy_wait(int under_way);
