// What only compute capability 9.0 has: products of a warpgroup (four warps) with one operand in shared memory, copies of
// whole pieces by the copy engine, barriers that count both, and blocks in clusters. Included by kernels for 9.0 alone.
#pragma once
#include "skein.cuh"

// A warpgroup's product: d += a b for 64 rows (16 a warp, each a tile in registers) and N columns; b lies in shared memory
// (see operand), 16 of its elements along the sum for each of the N columns. Sums lie as those of mma, tile by tile of 8
// columns. It runs on by itself: a and d must not be touched until product_wait. `add`: 0 begins at zero.
template <int N>
struct Product;

#define SKEIN_LIST_4 "%0,%1,%2,%3"
#define SKEIN_LIST_8 SKEIN_LIST_4 "," "%4,%5,%6,%7"
#define SKEIN_LIST_16 SKEIN_LIST_8 "," "%8,%9,%10,%11,%12,%13,%14,%15"
#define SKEIN_LIST_32 SKEIN_LIST_16 "," "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define SKEIN_LIST_64 SKEIN_LIST_32 "," "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define SKEIN_LIST_96 SKEIN_LIST_64 "," "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
#define SKEIN_LIST_128 SKEIN_LIST_96 "," "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define SKEIN_SUMS_4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define SKEIN_SUMS_8(d, i) SKEIN_SUMS_4(d, i), SKEIN_SUMS_4(d, i + 4)
#define SKEIN_SUMS_16(d, i) SKEIN_SUMS_8(d, i), SKEIN_SUMS_8(d, i + 8)
#define SKEIN_SUMS_32(d, i) SKEIN_SUMS_16(d, i), SKEIN_SUMS_16(d, i + 16)
#define SKEIN_SUMS_64(d, i) SKEIN_SUMS_32(d, i), SKEIN_SUMS_32(d, i + 32)
#define SKEIN_SUMS_128(d, i) SKEIN_SUMS_64(d, i), SKEIN_SUMS_64(d, i + 64)
#define SKEIN_SUMS_96(d, i) SKEIN_SUMS_64(d, i), SKEIN_SUMS_32(d, i + 64)
#define SKEIN_PRODUCT(N, SUMS, A0, A1, A2, A3, B, ADD)                                                                \
    template <>                                                                                                      \
    struct Product<N> {                                                                                              \
        __device__ static void add(float (&d)[SUMS], const uint4& a, uint64_t b, int add) {                          \
            asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #ADD ", 0;\n"                                          \
                         "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32.bf16.bf16 {" SKEIN_LIST_##SUMS "}, {%" #A0   \
                         ",%" #A1 ",%" #A2 ",%" #A3 "}, %" #B ", p, 1, 1, 0;\n}\n"                                  \
                         : SKEIN_SUMS_##SUMS(d, 0)                                                                   \
                         : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(b), "r"(add));                                \
        }                                                                                                            \
    };
SKEIN_PRODUCT(8, 4, 4, 5, 6, 7, 8, 9)
SKEIN_PRODUCT(16, 8, 8, 9, 10, 11, 12, 13)
SKEIN_PRODUCT(32, 16, 16, 17, 18, 19, 20, 21)
SKEIN_PRODUCT(64, 32, 32, 33, 34, 35, 36, 37)
SKEIN_PRODUCT(128, 64, 64, 65, 66, 67, 68, 69)
SKEIN_PRODUCT(192, 96, 96, 97, 98, 99, 100, 101)
SKEIN_PRODUCT(256, 128, 128, 129, 130, 131, 132, 133)

// Before the first product that reads registers or sums written by other instructions.
__device__ inline void product_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ inline void product_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Waits until at most N committed groups of products are under way.
template <int N>
__device__ inline void product_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

__device__ inline uint32_t shared_address(const void* at) { return (uint32_t)__cvta_generic_to_shared(at); }

// An operand of products in shared memory: rows of 128 bytes (64 elements along the sum) one after another from a place that
// is a multiple of 1024, the eight 16-byte pieces of row r in the order piece ^ (r % 8). The next 16 elements are 2 further.
__device__ inline uint64_t operand(uint32_t at) {
    return (uint64_t)(at >> 4 & 0x3fff) | (uint64_t)1 << 16 | (uint64_t)(1024 >> 4) << 32 | (uint64_t)1 << 62;
}

__device__ inline int swizzled(int row, int piece) { return row * 128 + ((piece ^ (row & 7)) << 4); }

// A barrier in shared memory that turns when `count` arrivals and all announced bytes have come.
__device__ inline void barrier_init(uint32_t at, int count) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(count) : "memory");
}

__device__ inline void barriers_ready() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

__device__ inline void barrier_arrive(uint32_t at) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at) : "memory");
}

__device__ inline void barrier_arrive_expecting(uint32_t at, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes) : "memory");
}

// Waits until the barrier has turned from `phase` (0, then 1, then 0 ...).
__device__ inline void barrier_wait(uint32_t at, int phase) {
    asm volatile(
        "{\n.reg .pred p;\n"
        "again:\nmbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n@p bra done;\nbra again;\ndone:\n}\n" ::"r"(at),
        "r"(phase)
        : "memory");
}

// Whole 16 bytes by the copy engine, counted by a barrier.
__device__ inline void copy_bulk(uint32_t to, const void* from, int bytes, uint32_t barrier) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
                 "l"(from), "r"(bytes), "r"(barrier)
                 : "memory");
}

// How a matrix lies in memory, and which part of it a copy takes: a CUtensorMap, made by cuTensorMapEncodeTiled.
struct alignas(64) Map {
    uint64_t opaque[16];
};

__device__ inline void prefetch(const Map& map) { asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory"); }

// A part of a matrix by the copy engine, counted by a barrier: in full, for it has zeros where the matrix ends.
__device__ inline void copy_part(uint32_t to, const Map& map, int column, int row, uint32_t barrier) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(to),
        "l"(&map), "r"(column), "r"(row), "r"(barrier)
        : "memory");
}

// The same of three dimensions, of what L2 should let go first if `policy` says so.
__device__ inline void copy_part(uint32_t to, const Map& map, int x, int y, int z, uint32_t barrier, uint64_t policy) {
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%2, %3, %4}], "
        "[%5], %6;" ::"r"(to),
        "l"(&map), "r"(x), "r"(y), "r"(z), "r"(barrier), "l"(policy)
        : "memory");
}

__device__ inline void cluster_sync() {
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// How many blocks the cluster has in a line, and which of them this is.
__device__ inline int cluster_blocks() {
    int n;
    asm volatile("mov.u32 %0, %%cluster_nctaid.x;" : "=r"(n));
    return n;
}

__device__ inline int cluster_rank() {
    int rank;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}

// 16 bytes of shared memory of another block of the cluster, at the place where they are here.
__device__ inline float4 load_remote(uint32_t at, int rank) {
    float4 v;
    asm volatile("{\n.reg .u32 a;\nmapa.shared::cluster.u32 a, %4, %5;\nld.shared::cluster.v4.f32 {%0,%1,%2,%3}, [a];\n}\n"
                 : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
                 : "r"(at), "r"(rank)
                 : "memory");
    return v;
}

// Gives registers back or takes them: what a warpgroup of a kernel with roles has from then on.
template <int N>
__device__ inline void fewer_registers() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}

template <int N>
__device__ inline void more_registers() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}
