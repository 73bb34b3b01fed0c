// Chooses an id from each output's logits, or scores a given one: the rules of JavaSampler, bit for bit (only a logprob may
// differ in its last bit). Probabilities are integers, rint(2^30 exp(logit - highest)), whose sums are exact in any order, so
// 1,024 threads of one block agree with a loop: no sorting, thresholds are found digit by digit from histograms.
#include "skein.cuh"

namespace {

constexpr int THREADS = 1024;
constexpr int WARPS = THREADS / WARP;
constexpr int COPIES = 8;
static_assert(WARPS == WARP, "a lane for each warp's part");
constexpr float ONE = 0x1p30f;
constexpr float GREEDY_BELOW = 1e-5f;
constexpr float LARGEST = 1e38f;
constexpr uint64_t GOLDEN = 0x9E3779B97F4A7C15ull;

// StepInputs.Output, in its order.
enum Slot {
    ROW, TARGET, LOGPROBS, TOP_K, TEMPERATURE, TOP_P, MIN_P, REPETITION_PENALTY, FREQUENCY_PENALTY, PRESENCE_PENALTY,
    SEED_LOW, SEED_HIGH, POSITION, HISTORY_START, HISTORY_LENGTH, HISTORY_PROMPT, BIAS_START, BIAS_LENGTH, ALLOWED_START,
    ALLOWED_LENGTH, SLOTS
};

enum Status { OK = 0, NOT_FINITE = 1, NOT_AN_ID = 2 };

// What an output brings back; topStart is where its likeliest ids begin.
struct Result {
    int id;
    float logprob;
    int rank;
    int status;
    int bad;
    int topStart;
};

// A sum of masses in parts of 10, 10 and the other bits, because shared memory adds 32 bits at once; COPIES of each so that
// lanes that add to the same one wait less.
struct Bins {
    uint32_t part[3][256][COPIES];

    __device__ void clear() {
        for (int i = threadIdx.x; i < 3 * 256 * COPIES; i += THREADS) {
            ((uint32_t*)part)[i] = 0;
        }
    }

    __device__ void add(int digit, uint32_t mass) {
        int copy = threadIdx.x % COPIES;
        atomicAdd(&part[0][digit][copy], mass & 1023u);
        if (mass > 1023u) {
            atomicAdd(&part[1][digit][copy], mass >> 10 & 1023u);
            atomicAdd(&part[2][digit][copy], mass >> 20);
        }
    }

    __device__ uint64_t sum(int digit) const {
        uint64_t sum = 0;
#pragma unroll
        for (int i = 0; i < 3; i++) {
            uint64_t of_part = 0;
#pragma unroll
            for (int copy = 0; copy < COPIES; copy++) {
                of_part += part[i][digit][(copy + threadIdx.x) % COPIES];
            }
            sum += of_part << (10 * i);
        }
        return sum;
    }
};

struct Best {
    float value;
    int id;
};

struct Scratch {
    Best best[WARPS];
    int64_t sums[WARPS];
    Bins bins;
    int64_t found[3];
    int bad;
    int status;
};

__device__ inline bool better(Best a, Best b) { return a.value > b.value || (a.value == b.value && a.id < b.id); }

// The highest value with the lowest id, in every lane.
__device__ inline Best warp_best(Best best) {
#pragma unroll
    for (int step = WARP / 2; step > 0; step >>= 1) {
        Best other{__shfl_xor_sync(FULL, best.value, step), __shfl_xor_sync(FULL, best.id, step)};
        best = better(other, best) ? other : best;
    }
    return best;
}

// The same, in every thread.
__device__ inline Best block_best(Best best, Scratch& scratch) {
    best = warp_best(best);
    __syncthreads();
    if (threadIdx.x % WARP == 0) {
        scratch.best[threadIdx.x / WARP] = best;
    }
    __syncthreads();
    // Each warp for itself, by shuffles: ptxas of nvcc 13.0 reads behind the array in an unrolled loop over it.
    return warp_best(scratch.best[threadIdx.x % WARP]);
}

template <typename F>
__device__ inline Best highest(int n, Scratch& scratch, F value) {
    Best best{-INFINITY, 0x7fffffff};
    for (int i = threadIdx.x; i < n; i += THREADS) {
        Best here{value(i), i};
        best = better(here, best) ? here : best;
    }
    return block_best(best, scratch);
}

__device__ inline int weight_of(float value, float highest) {
    return (int)rintf(__fmul_rn(exp_exact(__fadd_rn(value, -highest)), ONE));
}

// Rises as the float does.
__device__ inline uint32_t ordered(float x) {
    uint32_t u = __float_as_uint(x);
    return u >> 31 ? ~u : u | 0x80000000u;
}

__device__ inline float unordered(uint32_t u) { return __uint_as_float(u >> 31 ? u & 0x7fffffffu : ~u); }

// Goes through keys from one end and adds up what each weighs; returns the key at which the sum first exceeds `limit`, and in
// `before` the sum before that key. The sum of all must exceed `limit`.
template <bool FALLING, typename K, typename M>
__device__ inline uint32_t key_beyond(int n, uint64_t limit, uint64_t& before, Scratch& scratch, K key, M mass) {
    constexpr int EACH = 256 / WARP;
    uint32_t prefix = 0;
    uint32_t known = 0;
    before = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        __syncthreads();
        scratch.bins.clear();
        __syncthreads();
        for (int i = threadIdx.x; i < n; i += THREADS) {
            uint32_t k = key(i);
            if ((k & known) == prefix) {
                uint32_t m = mass(i);
                if (m != 0) {
                    scratch.bins.add(k >> shift & 255, m);
                }
            }
        }
        __syncthreads();
        if (threadIdx.x < WARP) {
            uint64_t own[EACH];
            uint64_t sum = 0;
#pragma unroll
            for (int i = 0; i < EACH; i++) {
                int at = threadIdx.x * EACH + i;
                own[i] = scratch.bins.sum(FALLING ? 255 - at : at);
                sum += own[i];
            }
            uint64_t upTo = sum;
#pragma unroll
            for (int step = 1; step < WARP; step <<= 1) {
                uint64_t left = __shfl_up_sync(FULL, (unsigned long long)upTo, step);
                upTo += (int)threadIdx.x >= step ? left : 0;
            }
            uint64_t at = before + upTo - sum;
            if (at <= limit && limit < before + upTo) {
                int digit = threadIdx.x * EACH;
#pragma unroll
                for (int i = 0; i < EACH - 1; i++) {
                    if (digit == (int)threadIdx.x * EACH + i && at + own[i] <= limit) {
                        at += own[i];
                        digit++;
                    }
                }
                scratch.found[0] = FALLING ? 255 - digit : digit;
                scratch.found[1] = (int64_t)at;
            }
        }
        __syncthreads();
        prefix |= (uint32_t)scratch.found[0] << shift;
        known |= 255u << shift;
        before = (uint64_t)scratch.found[1];
    }
    return prefix;
}

// The ids that a warp goes through in rising order.
__device__ inline int range_begin(int n, int warp) {
    int each = ((n + WARPS - 1) / WARPS + WARP - 1) / WARP * WARP;
    return min(n, warp * each);
}

// Puts the sum of each warp's range into scratch.sums.
template <typename M>
__device__ inline void sum_ranges(int n, Scratch& scratch, M mass) {
    int warp = threadIdx.x / WARP;
    int end = range_begin(n, warp + 1);
    int64_t sum = 0;
    for (int i = range_begin(n, warp) + threadIdx.x % WARP; i < end; i += WARP) {
        sum += mass(i);
    }
    sum = warp_sum(sum);
    __syncthreads();
    if (threadIdx.x % WARP == 0) {
        scratch.sums[warp] = sum;
    }
    __syncthreads();
}

__device__ inline int64_t total(const Scratch& scratch, int warps) {
    int lane = threadIdx.x % WARP;
    return warp_sum(lane < warps ? scratch.sums[lane] : 0);
}

__device__ inline uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return z ^ z >> 31;
}

// Drops the lightest ids while what was dropped stays within the limit, of equals the higher ids first.
__device__ inline void keep_top_p(int n, float topP, int* weights, Scratch& scratch) {
    sum_ranges(n, scratch, [&](int i) { return (int64_t)weights[i]; });
    int64_t sum = total(scratch, WARPS);
    // One always stays, and it is the heaviest: a limit below the sum sees to that.
    int64_t limit = min((int64_t)((1.0 - (double)topP) * (double)sum), sum - 1);
    uint64_t lighter;
    uint32_t edge = key_beyond<false>(
        n, (uint64_t)limit, lighter, scratch, [&](int i) { return (uint32_t)weights[i]; },
        [&](int i) { return (uint32_t)weights[i]; });
    int64_t drop = (limit - (int64_t)lighter) / edge;
    sum_ranges(n, scratch, [&](int i) { return (int64_t)(weights[i] == (int)edge); });
    int64_t stay = total(scratch, WARPS) - drop;
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    int64_t seen = total(scratch, warp);
    for (int from = range_begin(n, warp), end = range_begin(n, warp + 1); from < end; from += WARP) {
        int i = from + lane;
        int w = i < end ? weights[i] : 0;
        uint32_t equals = __ballot_sync(FULL, w == (int)edge && i < end);
        int64_t rank = seen + __popc(equals & ((1u << lane) - 1));
        if (i < end && (w < (int)edge || (w == (int)edge && rank >= stay))) {
            weights[i] = 0;
        }
        seen += __popc(equals);
    }
    __syncthreads();
}

// The first id at which the weights so far exceed a random share of their sum.
__device__ inline int draw(int n, uint64_t seed, int position, const int* weights, Scratch& scratch) {
    sum_ranges(n, scratch, [&](int i) { return (int64_t)weights[i]; });
    uint64_t random = mix(mix(seed + GOLDEN) + (uint64_t)((int64_t)position + 1) * GOLDEN);
    int64_t share = (int64_t)__umul64hi(random, (uint64_t)total(scratch, WARPS));
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    int64_t below = total(scratch, warp);
    if (below <= share && share < below + scratch.sums[warp]) {
        for (int from = range_begin(n, warp), end = range_begin(n, warp + 1); from < end; from += WARP) {
            int64_t upTo = from + lane < end ? weights[from + lane] : 0;
#pragma unroll
            for (int step = 1; step < WARP; step <<= 1) {
                int64_t left = __shfl_up_sync(FULL, upTo, step);
                upTo += lane >= step ? left : 0;
            }
            uint32_t beyond = __ballot_sync(FULL, below + upTo > share);
            if (beyond != 0) {
                if (lane == 0) {
                    scratch.found[2] = from + __ffs((int)beyond) - 1;
                }
                break;
            }
            below += __shfl_sync(FULL, upTo, WARP - 1);
        }
    }
    __syncthreads();
    return (int)scratch.found[2];
}

// Allowed ids, bias and penalties: `logits` becomes what is chosen from. An id that is none is left out and noted.
__device__ inline void process(const float* raw, int n, const int* slot, const int* history, const int* bias,
                               const int* allowed, float* logits, int* counts, Scratch& scratch) {
    const float* number = (const float*)slot;
    auto is_id = [&](int id) {
        if (id < 0 || id >= n) {
            scratch.status = NOT_AN_ID;
            scratch.bad = id;
            return false;
        }
        return true;
    };
    int allowedIds = slot[ALLOWED_LENGTH];
    for (int i = threadIdx.x; i < n; i += THREADS) {
        logits[i] = allowedIds == 0 ? raw[i] : -INFINITY;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < allowedIds; i += THREADS) {
        int id = allowed[slot[ALLOWED_START] + i];
        if (is_id(id)) {
            logits[id] = raw[id];
        }
    }
    __syncthreads();
    // An id named twice gets both in order: the first thread that names it adds all.
    const int* pairs = bias + 2 * slot[BIAS_START];
    int biased = slot[BIAS_LENGTH];
    for (int i = threadIdx.x; i < biased; i += THREADS) {
        int id = pairs[2 * i];
        bool first = is_id(id);
        for (int j = 0; j < i && first; j++) {
            first = pairs[2 * j] != id;
        }
        for (int j = i; j < biased && first; j++) {
            if (pairs[2 * j] == id) {
                logits[id] = __fadd_rn(logits[id], __int_as_float(pairs[2 * j + 1]));
            }
        }
    }
    __syncthreads();
    const int* ids = history + slot[HISTORY_START];
    int length = slot[HISTORY_LENGTH];
    for (int i = threadIdx.x; i < length; i += THREADS) {
        if (is_id(ids[i])) {
            counts[ids[i]] = 0;
        }
    }
    __syncthreads();
    for (int i = slot[HISTORY_PROMPT] + (int)threadIdx.x; i < length; i += THREADS) {
        if (ids[i] >= 0 && ids[i] < n) {
            atomicAdd(&counts[ids[i]], 1);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < length; i += THREADS) {
        int id = ids[i];
        int count = id >= 0 && id < n ? atomicExch(&counts[id], -1) : -1;
        if (count >= 0) {
            float x = logits[id];
            x = x > 0.f ? __fdiv_rn(x, number[REPETITION_PENALTY]) : __fmul_rn(x, number[REPETITION_PENALTY]);
            x = __fadd_rn(x, -__fmul_rn(number[FREQUENCY_PENALTY], (float)count));
            logits[id] = count > 0 ? __fadd_rn(x, -number[PRESENCE_PENALTY]) : x;
        }
    }
    __syncthreads();
}

__device__ inline int choose(const float* raw, int n, const int* slot, const int* history, const int* bias,
                             const int* allowed, float* work, int* weights, Scratch& scratch) {
    const float* number = (const float*)slot;
    const float* from = raw;
    if ((slot[ALLOWED_LENGTH] | slot[BIAS_LENGTH] | slot[HISTORY_LENGTH]) != 0) {
        process(raw, n, slot, history, bias, allowed, work, weights, scratch);
        from = work;
    }
    auto bounded = [&](int i) { return from[i] != from[i] ? -INFINITY : fminf(from[i], LARGEST); };
    Best best = highest(n, scratch, bounded);
    if (best.value == -INFINITY) {
        return highest(n, scratch, [&](int i) { return raw[i]; }).id;
    }
    float temperature = number[TEMPERATURE];
    if (!(temperature >= GREEDY_BELOW)) {
        return best.id;
    }
    auto scaled = [&](int i) { return __fdiv_rn(bounded(i), temperature); };
    float top = __fdiv_rn(best.value, temperature);
    double lightest = fmin((double)number[MIN_P], 1.0) * (double)ONE;
    float lowest = -INFINITY;
    int k = slot[TOP_K];
    if (k > 0 && k < n) {
        uint64_t above;
        lowest = unordered(key_beyond<true>(
            n, (uint64_t)k - 1, above, scratch, [&](int i) { return ordered(scaled(i)); },
            [](int) { return 1u; }));
    }
    for (int i = threadIdx.x; i < n; i += THREADS) {
        float value = scaled(i);
        int weight = weight_of(value, top);
        weights[i] = weight < lightest || value < lowest ? 0 : weight;
    }
    __syncthreads();
    if (number[TOP_P] < 1.f) {
        keep_top_p(n, number[TOP_P], weights, scratch);
    }
    uint64_t seed = (uint64_t)(uint32_t)slot[SEED_HIGH] << 32 | (uint32_t)slot[SEED_LOW];
    return draw(n, seed, slot[POSITION], weights, scratch);
}

// Logprob and rank of an id in the raw distribution, and the likeliest ids.
__device__ inline void score(const float* raw, int n, int id, int count, Result& result, int2* tops, Scratch& scratch) {
    Best best = highest(n, scratch, [&](int i) { return raw[i]; });
    int64_t sum = 0;
    int64_t rank = 0;
    for (int i = threadIdx.x; i < n; i += THREADS) {
        sum += weight_of(raw[i], best.value);
        rank += raw[i] >= raw[id] ? 1 : 0;
    }
    sum = block_sum(sum, scratch.sums);
    rank = block_sum(rank, scratch.sums);
    double logSum = log((double)sum * 0x1p-30);
    double top = best.value;
    auto logprob = [=](float value) { return (float)((double)value - top - logSum); };
    if (threadIdx.x == 0) {
        result.logprob = logprob(raw[id]);
        result.rank = (int)rank;
    }
    for (int k = 0; k < count; k++) {
        if (threadIdx.x == 0) {
            tops[k] = make_int2(best.id, __float_as_int(logprob(raw[best.id])));
        }
        Best last = best;
        best = highest(n, scratch, [&](int i) { return better(last, Best{raw[i], i}) ? raw[i] : -INFINITY; });
    }
}

}  // namespace

// outputs: SLOTS values for each; history, bias, allowed: regions of the step's inputs; work and weights: n values for each
// output; tops: room for the likeliest ids of all. Grid: outputs; block: 1024.
extern "C" __global__ void __launch_bounds__(1024, 1)
    skein_sample(const float* logits, int n, const int* outputs, const int* history, const int* bias,
                 const int* allowed, float* work, int* weights, Result* results, int2* tops) {
    __shared__ Scratch scratch;
    dependency_wait();
    dependents_start();
    const int* slot = outputs + (int64_t)blockIdx.x * SLOTS;
    const float* raw = logits + (int64_t)blockIdx.x * n;
    Result& result = results[blockIdx.x];
    if (threadIdx.x == 0) {
        scratch.status = OK;
        scratch.bad = -1;
    }
    int64_t before = 0;
    for (int i = threadIdx.x; i < (int)blockIdx.x; i += THREADS) {
        before += max(0, min(outputs[(int64_t)i * SLOTS + LOGPROBS], n));
    }
    before = block_sum(before, scratch.sums);
    for (int i = threadIdx.x; i < n; i += THREADS) {
        if (!(fabsf(raw[i]) < INFINITY)) {
            scratch.status = NOT_FINITE;
            scratch.bad = i;
        }
    }
    __syncthreads();
    int id = slot[TARGET];
    if (scratch.status == OK && (id < -1 || id >= n)) {
        __syncthreads();
        scratch.status = NOT_AN_ID;
        scratch.bad = id;
    }
    __syncthreads();
    bool fine = scratch.status == OK;
    __syncthreads();
    if (fine) {
        if (id < 0) {
            id = choose(raw, n, slot, history, bias, allowed, work + (int64_t)blockIdx.x * n,
                        weights + (int64_t)blockIdx.x * n, scratch);
        }
        if (slot[LOGPROBS] >= 0) {
            score(raw, n, id, min(slot[LOGPROBS], n), result, tops + before, scratch);
        }
    }
    if (threadIdx.x == 0) {
        result.id = id;
        result.status = scratch.status;
        result.bad = scratch.bad;
        result.topStart = (int)before;
    }
}
SKEIN_KERNEL(skein_sample)
