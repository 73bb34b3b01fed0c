/*
 * Attention of a few query heads over the tokens of a sequence: a tile of 64 cached tokens at a time, keys with tokens in
 * lanes, values with elements in lanes. All query heads of a key head, and several tokens of a prompt, use a tile while it
 * is in the nearest cache. What one query computes does not depend on the others.
 */
#include "lanes.h"

#if W == 16
#define SCORE_BLOCKS 4 /* of 16 tokens at once */
#define VALUE_VECTORS 4
#else
#define SCORE_BLOCKS 1
#define VALUE_VECTORS 2
#endif
#define QUERIES 4 /* at once in registers */

typedef struct {
    const float *query;
    float *partial; /* maximum, sum, .., elements */
    float *lanes;   /* 16 sums of weights */
    int first;      /* token that it sees */
    int tokens;     /* up to where it sees */
} query;

/* The tokens of a tile that a query sees: from (inclusive) to (exclusive). */
typedef struct {
    int from;
    int to;
} span;

typedef struct {
    const uint16_t *blocks[ATTENTION_TILE / CACHE_BLOCK];
    const uint16_t *next[ATTENTION_TILE / CACHE_BLOCK]; /* to be fetched meanwhile, or NULL */
    int head_size;
} tile;

INLINE void scores(const tile *tile, const query *queries, const int Q, const int fetch, int first, float scale,
                   float (*out)[ATTENTION_TILE]) {
    for (int part = 0; part < PARTS; part++) {
        vf sum[QUERIES][SCORE_BLOCKS];
#pragma GCC unroll 4
        for (int q = 0; q < Q; q++) {
#pragma GCC unroll 4
            for (int b = 0; b < SCORE_BLOCKS; b++) sum[q][b] = f_zero();
        }
        for (int i = 0; i < tile->head_size; i++) {
            for (int b = first; fetch && part == 0 && b < first + SCORE_BLOCKS; b++) {
                _mm_prefetch((const char *)tile->next[b] + i * 64, _MM_HINT_T0); /* a block is a line for each element */
            }
            vf key[SCORE_BLOCKS];
#pragma GCC unroll 4
            for (int b = 0; b < SCORE_BLOCKS; b++) key[b] = f_half(tile->blocks[first + b] + i * CACHE_BLOCK + part * W);
#pragma GCC unroll 4
            for (int q = 0; q < Q; q++) {
                vf value = f_all(queries[q].query[i]);
#pragma GCC unroll 4
                for (int b = 0; b < SCORE_BLOCKS; b++) sum[q][b] = f_fma(value, key[b], sum[q][b]);
            }
        }
#pragma GCC unroll 4
        for (int q = 0; q < Q; q++) {
#pragma GCC unroll 4
            for (int b = 0; b < SCORE_BLOCKS; b++) {
                f_store(out[q] + (first + b) * CACHE_BLOCK + part * W, f_mul(sum[q][b], f_all(scale)));
            }
        }
    }
}

/* Turns scores into weights and scales down what was before. Returns by how much. */
static float soften(query *query, float *scores, span seen) {
    vf least = f_all(-INFINITY);
    vf highest = least;
    for (int i = 0; i < seen.from; i++) scores[i] = -INFINITY;
    for (int i = 0; i < ATTENTION_TILE; i += W) {
        vf value = f_first(f_load(scores + i), seen.to - i, least);
        f_store(scores + i, value);
        highest = f_max(highest, value);
    }
    float lanes[W];
    f_store(lanes, highest);
    float before = query->partial[0];
    float maximum = before;
    for (int i = 0; i < W; i++) maximum = lanes[i] > maximum ? lanes[i] : maximum;
    float down = exp_one(before - maximum);
    query->partial[0] = maximum;
    for (int part = 0; part < PARTS; part++) {
        vf sum = f_mul(f_load(query->lanes + part * W), f_all(down));
        for (int i = part * W; i < ATTENTION_TILE; i += LANES) {
            vf weight = f_exp(f_sub(f_load(scores + i), f_all(maximum)));
            f_store(scores + i, weight);
            sum = f_add(sum, weight);
        }
        f_store(query->lanes + part * W, sum);
    }
    return down;
}

/* Values of a token for those queries that see it. */
INLINE void add_value(const uint16_t *values, const int Q, const int V, const span *seen, int token,
                      float (*weights)[ATTENTION_TILE], vf (*sum)[VALUE_VECTORS]) {
    for (int q = 0; q < Q; q++) {
        if (token < seen[q].from || token >= seen[q].to) continue;
        for (int v = 0; v < V; v++) sum[q][v] = f_fma(f_all(weights[q][token]), f_half(values + v * W), sum[q][v]);
    }
}

/* What all see of a tile is in the middle. */
INLINE void add_values(const tile *tile, const query *queries, const int Q, const int V, int from, const span *seen,
                       const float *down, float (*weights)[ATTENTION_TILE]) {
    vf sum[QUERIES][VALUE_VECTORS];
#pragma GCC unroll 4
    for (int q = 0; q < Q; q++) {
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            sum[q][v] = f_mul(f_load(queries[q].partial + PARTIAL_HEAD + from + v * W), f_all(down[q]));
        }
    }
    int start = seen[0].from;
    int end = seen[0].to;
    span all = seen[0];
    for (int q = 1; q < Q; q++) {
        start = seen[q].from < start ? seen[q].from : start;
        end = seen[q].to > end ? seen[q].to : end;
        all.from = seen[q].from > all.from ? seen[q].from : all.from;
        all.to = seen[q].to < all.to ? seen[q].to : all.to;
    }
    int size = tile->head_size;
    int token = start;
    for (; Q > 1 && token < all.from && token < end; token++) {
        const uint16_t *values = tile->blocks[token / CACHE_BLOCK] + (CACHE_BLOCK + token % CACHE_BLOCK) * size + from;
        add_value(values, Q, V, seen, token, weights, sum);
    }
    for (; token < all.to; token++) {
        const uint16_t *values = tile->blocks[token / CACHE_BLOCK] + (CACHE_BLOCK + token % CACHE_BLOCK) * size + from;
        vf value[VALUE_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) value[v] = f_half(values + v * W);
#pragma GCC unroll 4
        for (int q = 0; q < Q; q++) {
            vf weight = f_all(weights[q][token]);
#pragma GCC unroll 4
            for (int v = 0; v < V; v++) sum[q][v] = f_fma(weight, value[v], sum[q][v]);
        }
    }
    for (; Q > 1 && token < end; token++) {
        const uint16_t *values = tile->blocks[token / CACHE_BLOCK] + (CACHE_BLOCK + token % CACHE_BLOCK) * size + from;
        add_value(values, Q, V, seen, token, weights, sum);
    }
#pragma GCC unroll 4
    for (int q = 0; q < Q; q++) {
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) f_store(queries[q].partial + PARTIAL_HEAD + from + v * W, sum[q][v]);
    }
}

/* All of a tile for Q queries that see at least one of its tokens. */
INLINE void walk_tile(const tile *tile, query *queries, const int Q, const span *seen, float scale) {
    _Alignas(64) float weights[QUERIES][ATTENTION_TILE];
    float down[QUERIES];
    int most = 0;
    for (int q = 0; q < Q; q++) most = seen[q].to > most ? seen[q].to : most;
    for (int b = 0; b * CACHE_BLOCK < most; b += SCORE_BLOCKS) {
        if (tile->next[0]) {
            scores(tile, queries, Q, 1, b, scale, weights);
        } else {
            scores(tile, queries, Q, 0, b, scale, weights);
        }
    }
    for (int q = 0; q < Q; q++) down[q] = soften(queries + q, weights[q], seen[q]);
    int vectors = tile->head_size / W;
    int v = 0;
    for (; v + VALUE_VECTORS <= vectors; v += VALUE_VECTORS) {
        add_values(tile, queries, Q, VALUE_VECTORS, v * W, seen, down, weights);
    }
    for (; v < vectors; v++) add_values(tile, queries, Q, 1, v * W, seen, down, weights);
}

static void walk_tile_1(const tile *t, query *q, const span *n, float scale) { walk_tile(t, q, 1, n, scale); }
static void walk_tile_2(const tile *t, query *q, const span *n, float scale) { walk_tile(t, q, 2, n, scale); }
static void walk_tile_3(const tile *t, query *q, const span *n, float scale) { walk_tile(t, q, 3, n, scale); }
static void walk_tile_4(const tile *t, query *q, const span *n, float scale) { walk_tile(t, q, 4, n, scale); }

static void walk_queries(const tile *tile, query *queries, int count, int start, float scale) {
    for (int at = 0; at < count;) {
        span seen[QUERIES];
        int q = 0;
        while (at < count && queries[at].tokens <= start) at++;
        for (; q < QUERIES && at + q < count; q++) {
            int from = queries[at + q].first - start;
            int to = queries[at + q].tokens - start;
            if (to <= 0 || from >= ATTENTION_TILE) break;
            seen[q] = (span){from > 0 ? from : 0, to < ATTENTION_TILE ? to : ATTENTION_TILE};
        }
        switch (q) {
            case 4:
                walk_tile_4(tile, queries + at, seen, scale);
                break;
            case 3:
                walk_tile_3(tile, queries + at, seen, scale);
                break;
            case 2:
                walk_tile_2(tile, queries + at, seen, scale);
                break;
            case 1:
                walk_tile_1(tile, queries + at, seen, scale);
                break;
            default:
                return; /* later tokens' windows begin later */
        }
        at += q;
    }
}

void KERNEL(attention_merge)(const float *partials, int chunks, int head_size, float *out) {
    int64_t stride = partial_floats(head_size);
    float highest = -INFINITY;
    for (int c = 0; c < chunks; c++) highest = partials[c * stride] > highest ? partials[c * stride] : highest;
    float sum = 0;
    for (int i = 0; i < head_size; i += W) f_store(out + i, f_zero());
    for (int c = 0; c < chunks; c++) {
        const float *partial = partials + c * stride;
        float weight = exp_one(partial[0] - highest);
        sum = __builtin_fmaf(partial[1], weight, sum);
        for (int i = 0; i < head_size; i += W) {
            f_store(out + i, f_fma(f_load(partial + PARTIAL_HEAD + i), f_all(weight), f_load(out + i)));
        }
    }
    vf inverse = f_all(1.0f / sum);
    for (int i = 0; i < head_size; i += W) f_store(out + i, f_mul(f_load(out + i), inverse));
}

typedef struct {
    const skein_op *op;
    const skein_step *step;
    attention_unit unit;
    const int32_t *table; /* of the sequence */
    int kv_head;
    query queries[UNIT_QUERIES];
    int count;
    int least; /* first token that any query sees */
    int most;  /* tokens up to which any sees */
} walk;

static const uint16_t *cached_block(const walk *walk, int block) {
    const skein_cache *cache = walk->op->cache;
    int64_t at = ((int64_t)walk->op->layer * cache->blocks + walk->table[block]) * cache->heads + walk->kv_head;
    return cache->data + at * 2 * CACHE_BLOCK * cache->head_size;
}

/* Blocks from a token on; where the end comes before, any: their scores are not used. */
static void tile_blocks(const walk *walk, int start, int end, const uint16_t **blocks) {
    for (int b = 0; b < ATTENTION_TILE / CACHE_BLOCK; b++) {
        int there = start + b * CACHE_BLOCK < end;
        blocks[b] = cached_block(walk, start / CACHE_BLOCK + (there ? b : 0));
    }
}

/* One chunk of all queries; where their partials are has been set. */
static void walk_chunk(walk *walk, int chunk) {
    int size = walk->op->head_size;
    for (int q = 0; q < walk->count; q++) {
        query *query = walk->queries + q;
        memset(query->partial, 0, 4 * (size_t)partial_floats(size));
        memset(query->lanes, 0, 4 * LANES);
        query->partial[0] = -INFINITY;
    }
    int end = (chunk + 1) * ATTENTION_CHUNK < walk->most ? (chunk + 1) * ATTENTION_CHUNK : walk->most;
    int begin = walk->least / ATTENTION_TILE * ATTENTION_TILE;
    if (begin < chunk * ATTENTION_CHUNK) begin = chunk * ATTENTION_CHUNK;
    for (int start = begin; start < end; start += ATTENTION_TILE) {
        tile tile = {.head_size = size};
        tile_blocks(walk, start, end, tile.blocks);
        int more = start + ATTENTION_TILE;
        if (walk->count <= QUERIES && more < walk->most) tile_blocks(walk, more, walk->most, tile.next);
        walk_queries(&tile, walk->queries, walk->count, start, walk->op->number);
    }
    for (int q = 0; q < walk->count; q++) walk->queries[q].partial[1] = fold(walk->queries[q].lanes);
}

static void see(walk *walk) {
    walk->least = INT32_MAX;
    const skein_op *op = walk->op;
    attention_unit unit = walk->unit;
    walk->kv_head = kv_head_of(op, unit.head);
    walk->table = walk->step->block_table + walk->step->block_start[walk->step->sequence[unit.first]];
    for (int token = unit.first; token < unit.first + unit.count; token++) {
        for (int head = unit.head; head < unit.head + unit.heads; head++) {
            query *query = walk->queries + walk->count++;
            query->query = op->x + (size_t)token * op->columns + head * op->head_size;
            query->tokens = seen_until(op, walk->step, token);
            query->first = first_seen(op, walk->step->positions[token]);
            if (query->first < walk->least) walk->least = query->first;
            if (query->tokens > walk->most) walk->most = query->tokens;
        }
    }
}

/*
 * Scratch: 16 floats for each query of a unit, then, for a unit of all chunks, its partials. A unit of one chunk leaves
 * them in `partials`, [token of the step][query head][chunk], with room for as many chunks as the op's bound says.
 */
void KERNEL(attention)(const skein_op *op, const skein_step *step, attention_unit unit, float *scratch, float *partials) {
    walk walk = {.op = op, .step = step, .unit = unit};
    see(&walk);
    int64_t stride = partial_floats(op->head_size);
    int chunks = chunks_of(walk.most);
    float *own = scratch + UNIT_QUERIES * LANES;
    int begin = walk.least / ATTENTION_CHUNK;
    for (int c = unit.chunk < 0 ? begin : unit.chunk; c < (unit.chunk < 0 ? chunks : unit.chunk + 1); c++) {
        for (int q = 0; q < walk.count; q++) {
            int64_t at = (int64_t)(unit.first + q / unit.heads) * op->query_heads + unit.head + q % unit.heads;
            walk.queries[q].lanes = scratch + q * LANES;
            walk.queries[q].partial =
                unit.chunk < 0 ? own + ((int64_t)q * chunks + c) * stride : partials + (at * op->bound + c) * stride;
        }
        walk_chunk(&walk, c);
    }
    for (int q = 0; unit.chunk < 0 && q < walk.count; q++) {
        int64_t at = (int64_t)(unit.first + q / unit.heads) * op->query_heads + unit.head + q % unit.heads;
        KERNEL(attention_merge)(own + ((int64_t)q * chunks + begin) * stride, chunks_of(walk.queries[q].tokens) - begin,
                                op->head_size, op->out + at * op->head_size);
    }
}
