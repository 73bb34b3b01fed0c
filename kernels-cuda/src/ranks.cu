// Sums over the ranks that split a model's layers, each a process with a GPU, through memory that all of them reach.
//
// Each rank has a place: counts, words, and slots for what each rank brings. In a launch a block writes its share of this
// rank's numbers into the slots at the others' places, then its word there; when the same block's words of all others are here, so
// are their numbers: one way over the link, and nothing to ask for. A launch writes slots again two launches later. By then
// this rank has seen the others' words of the launch between, before which they were done with this one: each kernel of a rank
// waits for all before it.
#include "skein.cuh"

constexpr int MOST_RANKS = 8;
constexpr int MEETING_BLOCKS = 32;  // of each launch: block b of a rank meets block b of the others
constexpr int TRIES = 1024;         // between two looks at what takes longer than a look at a word
constexpr int SLOTS_AT = 4096;

struct Place {
    uint32_t launches[MEETING_BLOCKS];
    uint32_t came[MOST_RANKS][MEETING_BLOCKS];  // the last launch in which a rank's block has written here
};
static_assert(sizeof(Place) <= SLOTS_AT);

// What every launch of a rank is told: CudaRanks.java lays it out.
struct Ranks {
    uint8_t* places[MOST_RANKS];  // of all ranks, as seen from this one
    int* stopped;                 // on the host: 0, or why nobody waits any more: 1 + the rank that did not come, or a negative number
    int64_t limit;                // nanoseconds that a rank is waited for
    int64_t slotBytes;
    int rank;
    int size;
};

// Where each rank's columns begin among those of all, and how many these are.
struct Columns {
    int start[MOST_RANKS + 1];
};

__device__ inline void store_release(uint32_t* at, uint32_t value) {
#ifdef SKEIN_EMULATED
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
#else
    asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(at), "r"(value) : "memory");
#endif
}

__device__ inline uint32_t load_acquire(const uint32_t* at) {
#ifdef SKEIN_EMULATED
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
#else
    uint32_t value;
    asm volatile("ld.acquire.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(at) : "memory");
    return value;
#endif
}

__device__ inline int64_t nanoseconds() {
#ifdef SKEIN_EMULATED
    sched_yield();
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
#else
    int64_t now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
#endif
}

// Where rank `from` brings its numbers to rank `to`.
__device__ inline float* slot(const Ranks& ranks, int to, int from, uint32_t launch) {
    return (float*)(ranks.places[to] + SLOTS_AT + ((int)(launch & 1) * ranks.size + from) * ranks.slotBytes);
}

__device__ inline uint32_t next_launch(const Ranks& ranks) {
    return ((const Place*)ranks.places[ranks.rank])->launches[blockIdx.x] + 1;
}

__device__ inline void await(const Ranks& ranks, const uint32_t* word, int other, uint32_t launch) {
    int64_t begun = 0;
    for (uint32_t tries = 1; (int)(load_acquire(word) - launch) < 0; tries++) {
        if (tries % TRIES != 0) {
            continue;
        }
        int64_t now = nanoseconds();
        begun = begun == 0 ? now : begun;
        if (*(volatile int*)ranks.stopped != 0) {
            return;
        }
        if (now - begun > ranks.limit) {
            *(volatile int*)ranks.stopped = 1 + other;
            return;
        }
    }
}

// Says to the others that this block has brought its numbers, and waits for theirs.
__device__ inline void meet(const Ranks& ranks, uint32_t launch) {
    __syncthreads();
    int other = threadIdx.x;
    bool meets = other < ranks.size && other != ranks.rank;
    if (meets) {
        store_release(&((Place*)ranks.places[other])->came[ranks.rank][blockIdx.x], launch);
    }
    __syncwarp();  // all are told before anybody is waited for
    if (meets) {
        const Place* here = (const Place*)ranks.places[ranks.rank];
        await(ranks, &here->came[other][blockIdx.x], other, launch);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        ((Place*)ranks.places[ranks.rank])->launches[blockIdx.x] = launch;
    }
}

__device__ inline float4 add(float4 a, float4 b) {
    return make_float4(__fadd_rn(a.x, b.x), __fadd_rn(a.y, b.y), __fadd_rn(a.z, b.z), __fadd_rn(a.w, b.w));
}

// inOut[i] = the sum of inOut[i] over all ranks, rank 0's first: the same bits on all of them. Fours fit a slot. Grid:
// MEETING_BLOCKS; block: the same on all ranks.
extern "C" __global__ void __launch_bounds__(512, 1)
    skein_all_reduce(const __grid_constant__ Ranks ranks, float4* inOut, int64_t fours) {
    dependency_wait();
    dependents_start();
    uint32_t launch = next_launch(ranks);
    int64_t first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = first; i < fours; i += step) {
        float4 mine = inOut[i];
        for (int other = 0; other < ranks.size; other++) {
            if (other != ranks.rank) {
                ((float4*)slot(ranks, other, ranks.rank, launch))[i] = mine;
            }
        }
    }
    meet(ranks, launch);
    for (int64_t i = first; i < fours; i += step) {
        float4 mine = inOut[i];
        float4 sum = ranks.rank == 0 ? mine : ((const float4*)slot(ranks, ranks.rank, 0, launch))[i];
        for (int other = 1; other < ranks.size; other++) {
            sum = add(sum, other == ranks.rank ? mine : ((const float4*)slot(ranks, ranks.rank, other, launch))[i]);
        }
        inOut[i] = sum;
    }
}
SKEIN_KERNEL(skein_all_reduce)

// Puts the columns of all ranks side by side on rank 0, in `all`, which no other rank has. `part` has this rank's, and fits a
// slot. Grid and block as above.
extern "C" __global__ void __launch_bounds__(512, 1)
    skein_gather_columns(const __grid_constant__ Ranks ranks, const __grid_constant__ Columns columns, const float* part,
                         float* all, int rows) {
    dependency_wait();
    dependents_start();
    uint32_t launch = next_launch(ranks);
    int64_t first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t step = (int64_t)gridDim.x * blockDim.x;
    if (ranks.rank != 0) {
        int64_t count = (int64_t)rows * (columns.start[ranks.rank + 1] - columns.start[ranks.rank]);
        float* to = slot(ranks, 0, ranks.rank, launch);
        for (int64_t i = first; i < count; i += step) {
            to[i] = part[i];
        }
    }
    meet(ranks, launch);
    if (ranks.rank != 0) {
        return;
    }
    for (int other = 0; other < ranks.size; other++) {
        int width = columns.start[other + 1] - columns.start[other];
        const float* from = other == 0 ? part : slot(ranks, 0, other, launch);
        for (int64_t i = first; i < (int64_t)rows * width; i += step) {
            int64_t row = i / width;
            all[row * columns.start[ranks.size] + columns.start[other] + (i - row * width)] = from[i];
        }
    }
}
SKEIN_KERNEL(skein_gather_columns)
