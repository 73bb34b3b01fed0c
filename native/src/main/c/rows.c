/* Operations on single rows: embeddings, norms, quantisation, rotation. */
#include "lanes.h"

static void embed_blocks(int type, const uint8_t *row, int columns, float *out) {
    quant_traits traits = traits_of(type);
    file_block block;
    for (int b = 0; b < columns / QUANT_BLOCK; b++, out += QUANT_BLOCK) {
        read_block(type, row, b, &block);
        for (int i = 0; i < QUANT_BLOCK; i++) {
            int part = traits.parts == 2 && i >= QUANT_BLOCK / 2;
            int q = traits.table ? NONLINEAR[block.q[i]] : block.q[i];
            float value = half_to_float(block.scale) * block.scales[part] * (float)(q - traits.zero);
            /* Subtracted, so that zeros have the sign that others give them. */
            out[i] = traits.minimum ? value - half_to_float(block.minimum) * (float)-block.minima[part] : value;
        }
    }
}

static void embed_row(int type, const void *table, int64_t id, int columns, float *out) {
    const uint8_t *p = table;
    switch (type) {
        case SKEIN_F32:
            memcpy(out, p + id * columns * 4, 4 * (size_t)columns);
            break;
        case SKEIN_F16:
            for (int i = 0; i < columns; i++) out[i] = half_to_float(bits16(p + (id * columns + i) * 2));
            break;
        case SKEIN_BF16:
            for (int i = 0; i < columns; i++) {
                uint32_t wide = (uint32_t)bits16(p + (id * columns + i) * 2) << 16;
                memcpy(out + i, &wide, 4);
            }
            break;
        default:
            embed_blocks(type, p + id * file_row_bytes(type, columns), columns, out);
    }
}

void KERNEL(embed)(int type, const void *table, int64_t id, int columns, float factor, float *out) {
    embed_row(type, table, id, columns, out);
    for (int i = 0; i < columns; i++) out[i] *= factor;
}

void KERNEL(bias)(const float *by, int columns, float *out) {
    for (int i = 0; i < columns; i++) out[i] += by[i];
}

void KERNEL(activate)(int activation, int columns, float *out) {
    int i = 0;
    for (; i + W <= columns; i += W) f_store(out + i, f_activate(activation, f_load(out + i)));
    if (i == columns) return;
    float rest[W];
    f_store(rest, f_activate(activation, f_load_some(out + i, columns - i)));
    memcpy(out + i, rest, 4 * (size_t)(columns - i));
}

/* Of differences from a mean, or of the numbers themselves where it is 0. */
INLINE float lane_sum(const float *x, int columns, float mean, const int squared) {
    float lanes[LANES];
    for (int part = 0; part < PARTS; part++) {
        vf sum = f_zero();
        for (int i = part * W; i < columns; i += LANES) {
            vf value = i + W <= columns ? f_load(x + i) : f_load_some(x + i, columns - i);
            vf apart = f_first(f_sub(value, f_all(mean)), columns - i, f_zero());
            sum = squared ? f_fma(apart, apart, sum) : f_add(sum, apart);
        }
        f_store(lanes + part * W, sum);
    }
    return fold(lanes);
}

void KERNEL(layer_norm)(const float *x, const float *weight, const float *bias, float epsilon, int columns, float *out) {
    float mean = lane_sum(x, columns, 0, 0) / (float)columns;
    float scale = 1.0f / sqrtf(lane_sum(x, columns, mean, 1) / (float)columns + epsilon);
    for (int i = 0; i < columns; i++) out[i] = __builtin_fmaf((x[i] - mean) * scale, weight[i], bias[i]);
}

void KERNEL(rms_norm)(const float *x, const float *weight, float epsilon, int columns, int add, float *out) {
    float lanes[LANES];
    for (int part = 0; part < PARTS; part++) {
        vf sum = f_zero();
        for (int i = part * W; i < columns; i += LANES) {
            vf value = i + W <= columns ? f_load(x + i) : f_load_some(x + i, columns - i);
            sum = f_fma(value, value, sum);
        }
        f_store(lanes + part * W, sum);
    }
    float scale = 1.0f / sqrtf(fold(lanes) / (float)columns + epsilon);
    int i = 0;
    for (; i + W <= columns; i += W) {
        vf normed = f_mul(f_mul(f_load(x + i), f_all(scale)), f_load(weight + i));
        f_store(out + i, add ? f_add(f_load(out + i), normed) : normed);
    }
    for (; i < columns; i++) {
        float normed = x[i] * scale * weight[i];
        out[i] = add ? out[i] + normed : normed;
    }
}

/* As QuantisedRow in Java, bit for bit. */
INLINE void quantise_block(const float *x, int8_t *v, quant_meta *meta) {
    vi largest = i_zero();
    for (int i = 0; i < QUANT_BLOCK; i += W) {
        largest = i_max(largest, i_and(f_bits(f_load(x + i)), i_all(0x7FFFFFFF)));
    }
    int bits = i_highest(largest); /* of magnitudes: they sort as integers, NaN above infinity above all */
    float magnitude;
    memcpy(&magnitude, &bits, 4);
    memset(v, 0, 64);
    memset(meta, 0, sizeof *meta);
    if (bits >= 0x7F800000) {
        meta->scale = NAN;
        meta->scaled_sum = NAN;
        return;
    }
    if (magnitude < 0x1p-100f) return;
    meta->scale = magnitude / 16256.0f;
    vf inverse = f_all(16256.0f / magnitude);
    vi sums[2] = {i_zero(), i_zero()};
    for (int i = 0; i < QUANT_BLOCK; i += W) {
        vi value = f_to_i(f_mul(f_load(x + i), inverse));
        vi low = i_sub(i_and(i_add(value, i_all(64)), i_all(127)), i_all(64));
        sums[i / 16] = i_add(sums[i / 16], value);
        i_store_bytes(v + i, i_shift_right(i_sub(value, low), 7));
        i_store_bytes(v + 32 + i, low);
    }
    int second = i_sum(sums[1]);
    int sum = i_sum(sums[0]) + second;
    meta->scaled_sum = meta->scale * (float)sum;
    meta->minus_8_sum = -8 * sum;
    meta->minus_8_second = -8 * second;
}

void KERNEL(quantise)(const float *x, int columns, int8_t *v, quant_meta *meta) {
    for (int b = 0; b < columns / QUANT_BLOCK; b++) quantise_block(x + b * QUANT_BLOCK, v + b * 64, meta + b);
}

static void rotate(float *head, const float *cosines, int pairs, int interleaved) {
    const float *sines = cosines + pairs;
    for (int i = 0; i < pairs; i++) {
        float *one = head + (interleaved ? 2 * i : i);
        float *other = interleaved ? one + 1 : one + pairs;
        float a = *one;
        float b = *other;
        *one = __builtin_fmaf(a, cosines[i], -(b * sines[i]));
        *other = __builtin_fmaf(b, cosines[i], a * sines[i]);
    }
}

/* The query heads of one key and value head, and that head itself. */
void KERNEL(rope_store)(const skein_op *op, const skein_step *step, int row, int head) {
    int size = op->head_size;
    const float *angles = (const float *)op->weight + (size_t)step->positions[row] * 2 * op->rope_pairs;
    float *all = op->out + (size_t)row * op->columns;
    float *key = all + (op->query_heads + head) * size;
    float *value = key + op->kv_heads * size;
    int end = end_query_of(op, head);
    for (int q = first_query_of(op, head); q < end; q++) rotate(all + q * size, angles, op->rope_pairs, op->rope_interleaved);
    rotate(key, angles, op->rope_pairs, op->rope_interleaved);
    const skein_cache *cache = op->cache;
    int slot = step->slots[row];
    int64_t block = ((int64_t)op->layer * cache->blocks + slot / CACHE_BLOCK) * cache->heads + head;
    uint16_t *keys = cache->data + block * 2 * CACHE_BLOCK * size;
    uint16_t *values = keys + CACHE_BLOCK * size + (slot % CACHE_BLOCK) * size;
    for (int i = 0; i < size; i++) {
        keys[i * CACHE_BLOCK + slot % CACHE_BLOCK] = float_to_half(key[i]);
        values[i] = float_to_half(value[i]);
    }
}

/* e to the logits less the highest, in scratch; their sum. */
static float soften(const float *logits, int experts, float *scratch) {
    float highest = -INFINITY;
    for (int e = 0; e < experts; e++) highest = logits[e] > highest ? logits[e] : highest;
    float lanes[LANES];
    for (int part = 0; part < PARTS; part++) {
        vf sum = f_zero();
        for (int e = part * W; e < experts; e += LANES) {
            vf weight = f_exp(f_sub(f_load_some(logits + e, experts - e), f_all(highest)));
            weight = f_first(weight, experts - e, f_zero());
            f_store(scratch + e, weight);
            sum = f_add(sum, weight);
        }
        f_store(lanes + part * W, sum);
    }
    return fold(lanes);
}

void KERNEL(route)(const float *logits, int experts, int chosen, int normalised, float *scratch, int32_t *ids, float *weights) {
    float all = soften(logits, experts, scratch);
    float *taken = scratch + (experts + LANES - 1) / LANES * LANES;
    memset(taken, 0, 4 * (size_t)experts);
    float sum = 0;
    for (int i = 0; i < chosen; i++) {
        int best = -1;
        for (int e = 0; e < experts; e++) {
            if (taken[e] == 0 && (best < 0 || logits[e] > logits[best])) best = e;
        }
        taken[best] = 1;
        ids[i] = best;
        weights[i] = scratch[best];
        sum += weights[i];
    }
    for (int i = 0; i < chosen; i++) weights[i] /= normalised ? sum : all;
}

void KERNEL(combine)(const float *rows, const int32_t *places, const float *weights, int chosen, int columns, float *out) {
    for (int i = 0; i < columns; i++) {
        float sum = 0;
        for (int c = 0; c < chosen; c++) sum = __builtin_fmaf(weights[c], rows[(size_t)places[c] * columns + i], sum);
        out[i] += sum;
    }
}
