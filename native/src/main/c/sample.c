/*
 * Choosing an id from a row of logits; what is computed is said in JavaSampler. Nothing is sorted but what is asked for:
 * the k-th highest logit is found among candidates that a rising threshold lets through, the edge of top_p by three
 * histograms of 11 bits of the candidates' weights. Weights are integers, so no sum depends on its order.
 */
#include "lanes.h"

#define ONE 0x1p30f
#define GREEDY_BELOW 1e-5f
#define LARGEST 1e38f
#define GOLDEN 0x9E3779B97F4A7C15ull
#define BUCKETS 2048

typedef struct {
    const skein_output *ask;
    const skein_step *step;
    const float *raw;
    int n;
    sample_scratch *scratch;
    skein_failure *failure;
} sampling;

static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

/* 64 bits from a counter: SplitMix64's mixing (Steele, Lea, Flood, OOPSLA 2014) over mixed seed and position. */
static uint64_t random64(uint64_t seed, int32_t position) {
    return mix(mix(seed + GOLDEN) + ((uint64_t)(int64_t)(int32_t)((uint32_t)position + 1)) * GOLDEN);
}

static int fail(const sampling *s, int status, int64_t value, int64_t bound) {
    s->failure->value = value;
    s->failure->bound = bound;
    return status;
}

/* n need not be whole vectors: what is missing is not there. */
#define FOR_VECTORS(i, n) for (int i = 0; i < (n); i += W)
INLINE vf load(const float *x, int i, int n) {
    return i + W <= n ? f_load(x + i) : f_first(f_load_some(x + i, n - i), n - i, f_all(-INFINITY));
}
INLINE vi load_weights(const int32_t *w, int i, int n) {
    if (i + W <= n) return i_load(w + i);
    int32_t some[W] = {0};
    memcpy(some, w + i, 4 * (size_t)(n - i));
    return i_load(some);
}
INLINE void store_weights(int32_t *w, int i, int n, vi x) {
    if (i + W <= n) {
        i_store(w + i, x);
    } else {
        int32_t some[W];
        i_store(some, x);
        memcpy(w + i, some, 4 * (size_t)(n - i));
    }
}

static float highest(const float *x, int n) {
    vf most = f_all(-INFINITY);
    FOR_VECTORS(i, n) most = f_max(most, load(x, i, n));
    float lanes[W];
    f_store(lanes, most);
    float one = lanes[0];
    for (int i = 1; i < W; i++) one = lanes[i] > one ? lanes[i] : one;
    return one;
}

static int first_of(const float *x, int n, float value) {
    FOR_VECTORS(i, n) {
        unsigned mask = f_equal(load(x, i, n), f_all(value));
        if (mask) return i + __builtin_ctz(mask);
    }
    return 0;
}

static int all_finite(const float *x, int n) {
    vi bad = i_zero();
    FOR_VECTORS(i, n) {
        vf value = i + W <= n ? f_load(x + i) : f_load_some(x + i, n - i);
        bad = i_max(bad, i_and(f_bits(value), i_all(0x7FFFFFFF)));
    }
    return i_highest(bad) < 0x7F800000;
}

/* rint(2^30 exp(logit - most)), and their sum. */
static uint64_t weigh(const float *x, int n, float most, int32_t *weights) {
    vsum sum = s_zero();
    FOR_VECTORS(i, n) {
        vi weight = f_to_i(f_mul(f_exp(f_sub(load(x, i, n), f_all(most))), f_all(ONE)));
        sum = s_add(sum, weight);
        if (weights) store_weights(weights, i, n, weight);
    }
    return s_total(sum);
}

static uint64_t total(const int32_t *weights, int n) {
    vsum sum = s_zero();
    FOR_VECTORS(i, n) sum = s_add(sum, load_weights(weights, i, n));
    return s_total(sum);
}

/* The k-th highest of n values, which are left in another order. */
static float select_highest(float *x, int n, int k) {
    int low = 0;
    int high = n - 1;
    int wanted = k - 1;
    while (low < high) {
        float pivot = x[low + (high - low) / 2];
        int i = low;
        int j = high;
        while (i <= j) {
            while (x[i] > pivot) i++;
            while (x[j] < pivot) j--;
            if (i <= j) {
                float t = x[i];
                x[i++] = x[j];
                x[j--] = t;
            }
        }
        if (wanted <= j) {
            high = j;
        } else if (wanted >= i) {
            low = i;
        } else {
            break;
        }
    }
    return x[wanted];
}

/* The k-th highest of n logits, 1 <= k <= n; candidates need room for n + W. */
static float kth_highest(const float *x, int n, int k, float *candidates) {
    float threshold = -INFINITY;
    int count = 0;
    int limit = 2 * k + 256;
    FOR_VECTORS(i, n) {
        vf value = load(x, i, n);
        unsigned mask = f_at_least(value, f_all(threshold));
        if (i + W > n) mask &= (1u << (n - i)) - 1;
        if (!mask) continue;
        float lanes[W];
        f_store(lanes, value);
        for (; mask; mask &= mask - 1) candidates[count++] = lanes[__builtin_ctz(mask)];
        if (count >= limit && count > k) {
            threshold = select_highest(candidates, count, k);
            count = k; /* those are the highest: the selection has put them first */
        }
    }
    return select_highest(candidates, count, k);
}

static void drop_below(int32_t *weights, int n, int32_t lowest) {
    FOR_VECTORS(i, n) store_weights(weights, i, n, i_keep_at_least(load_weights(weights, i, n), i_all(lowest)));
}

static void keep_min_p(const sampling *s) {
    double lowest = ceil((double)s->ask->min_p * ONE);
    if (lowest > ONE) lowest = ONE;
    if (lowest > 1) drop_below(s->scratch->weights, s->n, (int32_t)lowest);
}

static void keep_top_k(const sampling *s) {
    int k = s->ask->top_k;
    if (k <= 0 || k >= s->n) return;
    float lowest = kth_highest(s->scratch->logits, s->n, k, s->scratch->values);
    int32_t *weights = s->scratch->weights;
    FOR_VECTORS(i, s->n) {
        unsigned mask = f_at_least(load(s->scratch->logits, i, s->n), f_all(lowest));
        if (mask != EVERY_LANE) store_weights(weights, i, s->n, i_keep(mask, load_weights(weights, i, s->n)));
    }
}

/* Weights of at least a bound, as many as there are; sums up the rest. */
static int candidates_from(const sampling *s, int32_t bound, int32_t *out, uint64_t *below) {
    const int32_t *weights = s->scratch->weights;
    vsum rest = s_zero();
    int count = 0;
    FOR_VECTORS(i, s->n) {
        vi value = load_weights(weights, i, s->n);
        unsigned mask = i_at_least(value, i_all(bound));
        rest = s_add(rest, i_sub(value, i_keep_at_least(value, i_all(bound))));
        for (; mask; mask &= mask - 1) {
            int at = i + __builtin_ctz(mask);
            if (at < s->n) out[count++] = weights[at];
        }
    }
    *below = s_total(rest);
    return count;
}

/* The smallest candidate at which the sum of all up to it passes the limit; `below` becomes the sum of smaller ones. */
static int32_t edge(uint64_t *histogram, const int32_t *candidates, int count, uint64_t limit, uint64_t *below) {
    int32_t prefix = 0;
    for (int shift = 22; shift >= 0; shift -= 11) {
        memset(histogram, 0, BUCKETS * sizeof *histogram);
        for (int i = 0; i < count; i++) {
            if (shift == 22 || candidates[i] >> (shift + 11) == prefix) {
                histogram[(candidates[i] >> shift) & (BUCKETS - 1)] += (uint64_t)candidates[i];
            }
        }
        int bucket = 0;
        while (bucket < BUCKETS - 1 && *below + histogram[bucket] <= limit) *below += histogram[bucket++];
        prefix = (int32_t)((uint32_t)prefix << 11 | (uint32_t)bucket);
    }
    return prefix;
}

/* Only the likeliest, the lowest id of equals. */
static void keep_one(const sampling *s) {
    int32_t *weights = s->scratch->weights;
    int best = 0;
    for (int i = 1; i < s->n; i++) best = weights[i] > weights[best] ? i : best;
    int32_t weight = weights[best];
    memset(weights, 0, 4 * (size_t)s->n);
    weights[best] = weight;
}

static void keep_top_p(const sampling *s) {
    float top_p = s->ask->top_p;
    if (top_p >= 1) return;
    int32_t *weights = s->scratch->weights;
    uint64_t all = total(weights, s->n);
    uint64_t limit = (uint64_t)((1.0 - top_p) * (double)all);
    if (!(top_p > 0) || limit >= all) {
        keep_one(s);
        return;
    }
    uint64_t below = 0;
    int count = 0;
    for (int bits = 24; bits >= 0; bits -= 6) { /* as few candidates as will do: mostly the first guess is right */
        count = candidates_from(s, bits ? 1 << bits : 1, s->scratch->ids, &below);
        if (below <= limit) break;
    }
    int32_t lowest = edge(s->scratch->histogram, s->scratch->ids, count, limit, &below);
    int64_t drop = (int64_t)((limit - below) / (uint64_t)lowest); /* of those that weigh just as much as the edge */
    drop_below(weights, s->n, lowest);
    for (int i = s->n - 1; i >= 0 && drop > 0; i--) {
        if (weights[i] == lowest) {
            weights[i] = 0;
            drop--;
        }
    }
}

static int draw(const sampling *s) {
    const int32_t *weights = s->scratch->weights;
    uint64_t seed = (uint64_t)s->ask->seed_high << 32 | s->ask->seed_low;
    uint64_t random = random64(seed, s->ask->position);
    uint64_t target = (uint64_t)(((unsigned __int128)random * total(weights, s->n)) >> 64);
    uint64_t below = 0;
    int from = 0;
    for (; from + 256 < s->n; from += 256) {
        uint64_t more = total(weights + from, 256);
        if (below + more > target) break;
        below += more;
    }
    while (from < s->n - 1 && below + (uint64_t)weights[from] <= target) below += (uint64_t)weights[from++];
    return from;
}

static int bad_id(const sampling *s, int id, int lowest) {
    if (id >= lowest && id < s->n) return SKEIN_OK;
    return fail(s, SKEIN_BAD_ID, id, s->n);
}

static int restrict_ids(const sampling *s) {
    float *logits = s->scratch->logits;
    if (s->ask->allowed_length == 0) {
        memcpy(logits, s->raw, 4 * (size_t)s->n);
        return SKEIN_OK;
    }
    FOR_VECTORS(i, s->n) f_store(logits + i, f_all(-INFINITY)); /* has room for whole vectors */
    for (int i = 0; i < s->ask->allowed_length; i++) {
        int id = s->step->allowed_ids[s->ask->allowed_start + i];
        int status = bad_id(s, id, 0);
        if (status) return status;
        logits[id] = s->raw[id];
    }
    return SKEIN_OK;
}

static int add_bias(const sampling *s) {
    for (int i = 0; i < s->ask->bias_length; i++) {
        const int32_t *pair = s->step->bias_pairs + 2 * (s->ask->bias_start + i);
        int status = bad_id(s, pair[0], 0);
        if (status) return status;
        float bias;
        memcpy(&bias, pair + 1, 4);
        s->scratch->logits[pair[0]] += bias;
    }
    return SKEIN_OK;
}

static void penalise_one(const sampling *s, int id, int count) {
    float *logit = s->scratch->logits + id;
    float x = *logit > 0 ? *logit / s->ask->repetition_penalty : *logit * s->ask->repetition_penalty;
    x = x - s->ask->frequency_penalty * (float)count;
    *logit = count > 0 ? x - s->ask->presence_penalty : x;
}

static int penalise(const sampling *s) {
    const int32_t *history = s->step->history_ids + s->ask->history_start;
    int32_t *counts = s->scratch->counts;
    for (int i = 0; i < s->ask->history_length; i++) {
        int status = bad_id(s, history[i], 0);
        if (status) return status;
    }
    for (int i = 0; i < s->ask->history_length; i++) {
        counts[history[i]] = (counts[history[i]] ? counts[history[i]] : 1) + (i >= s->ask->history_prompt);
    }
    for (int i = 0; i < s->ask->history_length; i++) {
        if (!counts[history[i]]) continue;
        penalise_one(s, history[i], counts[history[i]] - 1);
        counts[history[i]] = 0;
    }
    return SKEIN_OK;
}

/* NaN becomes minus infinity, and nothing is so large that a difference of two would overflow. */
static void bound(float *x, int n) {
    FOR_VECTORS(i, n) {
        vf value = f_min(f_load(x + i), f_all(LARGEST)); /* NaN: LARGEST */
        unsigned number = f_equal(f_load(x + i), f_load(x + i));
        if (number != EVERY_LANE) {
            for (int j = i; j < i + W; j++) x[j] = x[j] != x[j] ? -INFINITY : x[j] < LARGEST ? x[j] : LARGEST;
        } else {
            f_store(x + i, value);
        }
    }
}

static int choose(const sampling *s, int *id) {
    float *logits = s->scratch->logits;
    float temperature = s->ask->temperature;
    int greedy = !(temperature >= GREEDY_BELOW);
    int plain = !s->ask->allowed_length && !s->ask->bias_length && !s->ask->history_length;
    if (greedy && plain) {
        *id = first_of(s->raw, s->n, highest(s->raw, s->n));
        return SKEIN_OK;
    }
    int status = restrict_ids(s);
    if (!status) status = add_bias(s);
    if (!status) status = penalise(s);
    if (status) return status;
    if (!plain) bound(logits, s->n);
    float most = highest(logits, s->n);
    if (most == -INFINITY) {
        *id = first_of(s->raw, s->n, highest(s->raw, s->n));
        return SKEIN_OK;
    }
    if (greedy) {
        *id = first_of(logits, s->n, most);
        return SKEIN_OK;
    }
    FOR_VECTORS(i, s->n) f_store(logits + i, f_div(f_load(logits + i), f_all(temperature)));
    weigh(logits, s->n, most / temperature, s->scratch->weights);
    keep_min_p(s);
    keep_top_k(s);
    keep_top_p(s);
    *id = draw(s);
    return SKEIN_OK;
}

/* The likeliest ids, in order. */
static void likeliest(const sampling *s, int count, skein_top *top) {
    float lowest = kth_highest(s->raw, s->n, count, s->scratch->values);
    int above = 0;
    int same = 0;
    int32_t *ids = s->scratch->ids;
    int32_t *equals = s->scratch->weights;
    FOR_VECTORS(i, s->n) {
        unsigned mask = f_at_least(load(s->raw, i, s->n), f_all(lowest));
        for (; mask; mask &= mask - 1) {
            int id = i + __builtin_ctz(mask);
            if (s->raw[id] > lowest) {
                ids[above++] = id;
            } else {
                equals[same++] = id;
            }
        }
    }
    for (int k = 0; k < count; k++) {
        top[k].id = k < above ? ids[k] : equals[k - above];
        top[k].logprob = s->raw[top[k].id];
    }
}

static int before(skein_top a, skein_top b) { return a.logprob != b.logprob ? a.logprob > b.logprob : a.id < b.id; }

static void sift(skein_top *heap, int at, int count) {
    for (int child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(heap[child], heap[child + 1])) child++;
        if (before(heap[child], heap[at])) return;
        skein_top t = heap[child];
        heap[child] = heap[at];
        heap[at] = t;
    }
}

/* Heap sort: any number may be asked for. */
static void sort(skein_top *top, int count) {
    for (int i = count / 2 - 1; i >= 0; i--) sift(top, i, count);
    for (int last = count - 1; last > 0; last--) {
        skein_top t = top[0];
        top[0] = top[last];
        top[last] = t;
        sift(top, 0, last);
    }
}

static void score(const sampling *s, skein_result *result, skein_top *tops) {
    float most = highest(s->raw, s->n);
    double log_sum = log((double)weigh(s->raw, s->n, most, NULL) * 0x1p-30);
    float own = s->raw[result->id];
    int rank = 0;
    FOR_VECTORS(i, s->n) rank += __builtin_popcount(f_at_least(load(s->raw, i, s->n), f_all(own)));
    result->rank = rank;
    result->logprob = (float)((double)own - most - log_sum);
    int count = result->top_count;
    if (count == 0) return;
    skein_top *top = tops + result->top_start;
    likeliest(s, count, top);
    sort(top, count);
    for (int k = 0; k < count; k++) top[k].logprob = (float)((double)top[k].logprob - most - log_sum);
}

static int in_range(int start, int length, int held) {
    return start >= 0 && length >= 0 && (int64_t)start + length <= held;
}

static int ranges(const sampling *s) {
    const skein_output *ask = s->ask;
    if (!in_range(ask->history_start, ask->history_length, s->step->history)) {
        return fail(s, SKEIN_BAD_ROW, ask->history_start, s->step->history);
    }
    if (!in_range(ask->bias_start, ask->bias_length, s->step->bias)) {
        return fail(s, SKEIN_BAD_BIAS, ask->bias_start, s->step->bias);
    }
    if (!in_range(ask->allowed_start, ask->allowed_length, s->step->allowed)) {
        return fail(s, SKEIN_BAD_ROW, ask->allowed_start, s->step->allowed);
    }
    return SKEIN_OK;
}

int KERNEL(sample)(const skein_op *op, const skein_step *step, int row, sample_scratch *scratch, skein_failure *failure) {
    sampling s = {(const skein_output *)step->output + row, step, op->x + (size_t)row * op->columns, op->columns, scratch,
                  failure};
    skein_result *result = (skein_result *)op->results + row;
    failure->row = row;
    if (!all_finite(s.raw, s.n)) return fail(&s, SKEIN_NOT_FINITE, 0, s.n);
    int id = s.ask->target;
    int status = bad_id(&s, id, -1);
    if (!status) status = ranges(&s);
    if (!status && id < 0) status = choose(&s, &id);
    if (status) return status;
    result->id = id;
    if (s.ask->logprobs >= 0) score(&s, result, op->tops);
    return SKEIN_OK;
}
