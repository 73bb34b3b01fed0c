// Chooses an id from each output's logits, or scores a given one: the rules of JavaSampler, bit for bit (only a logprob may
// differ in its last bit). Probabilities are integers, rint(2^30 exp(logit - highest)), whose sums are exact in any order, so
// 1,024 threads of one block agree with a loop. Nothing is sorted: the few ids that can be chosen are brought together, by a
// threshold from the highest value of each thread, and each is compared with all others. Where they are not few, thresholds
// are found digit by digit from histograms.
#include "skein.cuh"

namespace {

constexpr int THREADS = 1024;
constexpr int WARPS = THREADS / WARP;
constexpr int COPIES = 8;
static_assert(WARPS == WARP, "a lane for each warp's part");
constexpr int FEW = THREADS;  // ids that are brought together: one a thread
// Of the threads' highest values the one of this rank is exceeded by fewer than FEW values, about 710 if they lie at random.
constexpr int MOST_OF_THREADS = 512;
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

// Ids that were brought together, in no order.
struct Few {
    int count;
    int id[FEW];
    float value[FEW];
    int weight[FEW];
};

struct Scratch {
    Few few;
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

// Calls visit(i, values[i]) for every index, each in one thread, with so many loads under way.
template <typename T, typename F>
__device__ inline void each(const T* values, int n, F visit) {
    constexpr int AT_ONCE = 8;
    int i = threadIdx.x;
    for (; i + (AT_ONCE - 1) * THREADS < n; i += AT_ONCE * THREADS) {
        T some[AT_ONCE];
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            some[j] = values[i + j * THREADS];
        }
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            visit(i + j * THREADS, some[j]);
        }
    }
    for (; i < n; i += THREADS) {
        visit(i, values[i]);
    }
}

// The highest of this thread's values, and of all.
struct Top {
    Best own;
    Best best;
};

template <typename F>
__device__ inline Top top_of(const float* values, int n, Scratch& scratch, F value) {
    Best own{-INFINITY, 0x7fffffff};
    each(values, n, [&](int i, float x) {
        float here = value(i, x);
        if (here > own.value) {
            own = Best{here, i};
        }
    });
    return Top{own, block_best(own, scratch)};
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

// The k-th highest of the keys that the threads have, one each.
__device__ inline uint32_t kth_of_threads(int k, uint32_t key) {
    uint32_t edge = 0;
    for (int bit = 31; bit >= 0; bit--) {
        uint32_t higher = edge | 1u << bit;
        if (__syncthreads_count(key >= higher) >= k) {
            edge = higher;
        }
    }
    return edge;
}

// Brings together the ids of the values that are wanted; false if they are more than FEW.
template <typename T, typename W>
__device__ inline bool gather(const T* values, int n, Few& few, W wanted) {
    __syncthreads();
    if (threadIdx.x == 0) {
        few.count = 0;
    }
    __syncthreads();
    each(values, n, [&](int i, T x) {
        if (wanted(x)) {
            int at = atomicAdd(&few.count, 1);
            if (at < FEW) {
                few.id[at] = i;
            }
        }
    });
    __syncthreads();
    return few.count <= FEW;
}

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

// An output's random number, as a share of a sum.
__device__ inline int64_t random_share(const int* slot, int64_t sum) {
    uint64_t seed = (uint64_t)(uint32_t)slot[SEED_HIGH] << 32 | (uint32_t)slot[SEED_LOW];
    uint64_t random = mix(mix(seed + GOLDEN) + (uint64_t)((int64_t)slot[POSITION] + 1) * GOLDEN);
    return (int64_t)__umul64hi(random, (uint64_t)sum);
}

// What may be dropped of a sum so that top_p stays; one id always stays, and it is the heaviest.
__device__ inline int64_t may_drop(float topP, int64_t sum) {
    return topP < 1.f ? min((int64_t)((1.0 - (double)topP) * (double)sum), sum - 1) : 0;
}

// Drops the lightest ids while what was dropped stays within the limit, of equals the higher ids first.
__device__ inline void keep_top_p(int n, float topP, int* weights, Scratch& scratch) {
    sum_ranges(n, scratch, [&](int i) { return (int64_t)weights[i]; });
    int64_t limit = may_drop(topP, total(scratch, WARPS));
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

// top_p and the draw among ids that were brought together, by a thread each. All ids that are not among them are lighter,
// and weigh `rest` together; -1 if not all of these are dropped.
__device__ inline int draw_of_few(const int* slot, int64_t rest, Scratch& scratch) {
    Few& few = scratch.few;
    int count = few.count;
    bool mine = (int)threadIdx.x < count;
    int id = mine ? few.id[threadIdx.x] : 0;
    int weight = mine ? few.weight[threadIdx.x] : 0;
    int64_t limit = may_drop(((const float*)slot)[TOP_P], block_sum((int64_t)weight, scratch.sums) + rest);
    if (rest > limit) {
        return -1;
    }
    int64_t dropped = rest + weight;
    for (int j = 0; j < (mine ? count : 0); j++) {
        int other = few.weight[j];
        dropped += other < weight || (other == weight && few.id[j] > id) ? other : 0;
    }
    weight = dropped > limit ? weight : 0;
    __syncthreads();
    few.weight[threadIdx.x] = weight;
    int64_t share = random_share(slot, block_sum((int64_t)weight, scratch.sums));
    int64_t below = 0;
    for (int j = 0; j < (mine ? count : 0); j++) {
        below += few.id[j] < id ? few.weight[j] : 0;
    }
    if (below <= share && share < below + weight) {
        scratch.found[2] = id;
    }
    __syncthreads();
    return (int)scratch.found[2];
}

// The same among those that top_k may keep: all with fewer than k above them. What else there is weighs nothing.
template <typename S, typename W>
__device__ inline int draw_of_top_k(const float* from, int k, const int* slot, Scratch& scratch, S scaled, W weigh) {
    Few& few = scratch.few;
    bool mine = (int)threadIdx.x < few.count;
    float value = mine ? scaled(from[few.id[threadIdx.x]]) : 0.f;
    few.value[threadIdx.x] = value;
    __syncthreads();
    int above = 0;
    for (int j = 0; j < (mine ? few.count : 0); j++) {
        above += few.value[j] > value ? 1 : 0;
    }
    few.weight[threadIdx.x] = mine && above < k ? weigh(value) : 0;
    __syncthreads();
    return draw_of_few(slot, 0, scratch);
}

// The same among the heaviest; `sum`: of all weights that this thread has seen.
__device__ inline int draw_of_heaviest(const int* weights, int64_t sum, const int* slot, Scratch& scratch) {
    Few& few = scratch.few;
    int weight = (int)threadIdx.x < few.count ? weights[few.id[threadIdx.x]] : 0;
    few.weight[threadIdx.x] = weight;
    return draw_of_few(slot, block_sum(sum - weight, scratch.sums), scratch);
}

// The first id at which the weights so far exceed a random share of their sum.
__device__ inline int draw(int n, const int* slot, const int* weights, Scratch& scratch) {
    sum_ranges(n, scratch, [&](int i) { return (int64_t)weights[i]; });
    int64_t share = random_share(slot, total(scratch, WARPS));
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

__device__ inline int choose(const float* raw, Top ofRaw, int n, const int* slot, const int* history, const int* bias,
                             const int* allowed, float* work, int* weights, Scratch& scratch) {
    const float* number = (const float*)slot;
    const float* from = raw;
    Top top = ofRaw;
    auto bounded = [](float x) { return x != x ? -INFINITY : fminf(x, LARGEST); };
    bool processed = (slot[ALLOWED_LENGTH] | slot[BIAS_LENGTH] | slot[HISTORY_LENGTH]) != 0;
    if (processed) {
        process(raw, n, slot, history, bias, allowed, work, weights, scratch);
        from = work;
    }
    if (processed || top.best.value > LARGEST) {
        top = top_of(from, n, scratch, [&](int, float x) { return bounded(x); });
    }
    if (top.best.value == -INFINITY) {
        return ofRaw.best.id;
    }
    float temperature = number[TEMPERATURE];
    if (!(temperature >= GREEDY_BELOW)) {
        return top.best.id;
    }
    auto scaled = [&](float x) { return __fdiv_rn(bounded(x), temperature); };
    float highest = __fdiv_rn(top.best.value, temperature);
    double lightest = fmin((double)number[MIN_P], 1.0) * (double)ONE;
    auto weigh = [&](float value) {
        int weight = weight_of(value, highest);
        return weight < lightest ? 0 : weight;
    };
    float lowest = -INFINITY;
    int k = slot[TOP_K];
    if (k > 0 && k < n) {
        if (k <= MOST_OF_THREADS && highest < INFINITY) {
            float edge = unordered(kth_of_threads(k, ordered(top.own.value)));
            // Different values may become equals when they are divided: those a little lower come along.
            edge -= fabsf(edge) * 0x1p-20f + 1e-30f;
            if (gather(from, n, scratch.few, [&](float x) { return x >= edge && x > -INFINITY; })) {
                return draw_of_top_k(from, k, slot, scratch, scaled, weigh);
            }
        }
        uint64_t above;
        lowest = unordered(key_beyond<true>(
            n, (uint64_t)k - 1, above, scratch, [&](int i) { return ordered(scaled(from[i])); },
            [](int) { return 1u; }));
    }
    int64_t sum = 0;
    int heaviest = 0;
    each(from, n, [&](int i, float x) {
        float value = scaled(x);
        int weight = value < lowest ? 0 : weigh(value);
        weights[i] = weight;
        sum += weight;
        heaviest = max(heaviest, weight);
    });
    __syncthreads();
    if (number[TOP_P] < 1.f) {
        int edge = max((int)kth_of_threads(MOST_OF_THREADS, (uint32_t)heaviest), 1);
        if (gather(weights, n, scratch.few, [&](int weight) { return weight >= edge; })) {
            int id = draw_of_heaviest(weights, sum, slot, scratch);
            if (id >= 0) {
                return id;
            }
        }
        keep_top_p(n, number[TOP_P], weights, scratch);
    }
    return draw(n, slot, weights, scratch);
}

// Puts the likeliest ids in order, each in the place of its rank; false if they are not few.
template <typename L>
__device__ inline bool rank_tops(const float* raw, Top top, int n, int count, int2* tops, Few& few, L logprob) {
    if (count > MOST_OF_THREADS) {
        return false;
    }
    float edge = unordered(kth_of_threads(count, ordered(top.own.value)));
    if (!gather(raw, n, few, [&](float x) { return x >= edge; })) {
        return false;
    }
    bool mine = (int)threadIdx.x < few.count;
    Best own{mine ? raw[few.id[threadIdx.x]] : 0.f, mine ? few.id[threadIdx.x] : 0};
    few.value[threadIdx.x] = own.value;
    __syncthreads();
    int rank = 0;
    for (int j = 0; j < (mine ? few.count : 0); j++) {
        rank += better(Best{few.value[j], few.id[j]}, own) ? 1 : 0;
    }
    if (mine && rank < count) {
        tops[rank] = make_int2(own.id, __float_as_int(logprob(own.value)));
    }
    return true;
}

// Logprob and rank of an id in the raw distribution, and the likeliest ids.
__device__ inline void score(const float* raw, Top top, int n, int id, int count, Result& result, int2* tops,
                             Scratch& scratch) {
    int64_t sum = 0;
    int64_t rank = 0;
    float chosen = raw[id];
    each(raw, n, [&](int, float x) {
        sum += weight_of(x, top.best.value);
        rank += x >= chosen ? 1 : 0;
    });
    sum = block_sum(sum, scratch.sums);
    rank = block_sum(rank, scratch.sums);
    double logSum = log((double)sum * 0x1p-30);
    double highest = top.best.value;
    auto logprob = [=](float value) { return (float)((double)value - highest - logSum); };
    if (threadIdx.x == 0) {
        result.logprob = logprob(chosen);
        result.rank = (int)rank;
    }
    if (count == 0 || rank_tops(raw, top, n, count, tops, scratch.few, logprob)) {
        return;
    }
    Best best = top.best;
    for (int k = 0; k < count; k++) {
        if (threadIdx.x == 0) {
            tops[k] = make_int2(best.id, __float_as_int(logprob(best.value)));
        }
        Best last = best;
        best = top_of(raw, n, scratch, [&](int i, float x) { return better(last, Best{x, i}) ? x : -INFINITY; }).best;
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
    Top top = top_of(raw, n, scratch, [&](int i, float x) {
        if (!(fabsf(x) < INFINITY)) {
            scratch.status = NOT_FINITE;
            scratch.bad = i;
        }
        return x;
    });
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
            id = choose(raw, top, n, slot, history, bias, allowed, work + (int64_t)blockIdx.x * n,
                        weights + (int64_t)blockIdx.x * n, scratch);
        }
        if (slot[LOGPROBS] >= 0) {
            score(raw, top, n, id, min(slot[LOGPROBS], n), result, tops + before, scratch);
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
