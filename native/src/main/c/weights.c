/* Packs matrices of a model file as kernels read them: see skein_weight. */
#include <stdlib.h>
#include <string.h>

#include "step.h"

typedef struct {
    const skein_matrix *parts;
    int count;
    int threads;
    skein_weight *weight;
} packing;

/* A row of the result in the file, or NULL where the last group has no more. */
static const uint8_t *source_row(const packing *p, int group, int lane) {
    int64_t bytes = file_row_bytes(p->weight->type, p->weight->columns);
    int row = (p->weight->gated ? group / 2 : group) * LANES + lane;
    if (p->weight->gated) {
        return row < p->weight->rows ? (const uint8_t *)p->parts[group % 2].data + row * bytes : NULL;
    }
    for (int i = 0; i < p->count; i++) {
        if (row < p->parts[i].rows) return (const uint8_t *)p->parts[i].data + row * bytes;
        row -= p->parts[i].rows;
    }
    return NULL;
}

/*
 * One row's share of a block, four integers at a time: see skein_weight. `lines` of 64 bytes hold `bits` of each integer
 * from bit `from` on.
 */
static inline __attribute__((always_inline)) void pack_bits(const int lines, const int from, const int bits, const uint32_t fours[8],
                                                            uint8_t *out) {
    const uint32_t wanted = 0x01010101u * ((1u << bits) - 1);
#pragma GCC unroll 8
    for (int line = 0; line < lines; line++) {
        uint32_t bytes = 0;
#pragma GCC unroll 8
        for (int c = line; c < 8; c += lines) bytes |= (fours[c] >> from & wanted) << c / lines * bits;
        memcpy(out + 64 * line, &bytes, 4);
    }
}

static void pack_integers(const quant_traits *traits, const uint8_t *q, uint8_t *out) {
    uint32_t fours[8];
    memcpy(fours, q, sizeof fours);
    switch (traits->low) {
        case 8: pack_bits(8, 0, 8, fours, out); break;
        case 4: pack_bits(4, 0, 4, fours, out); break;
        default: pack_bits(2, 0, 2, fours, out);
    }
    if (traits->high == 1) pack_bits(1, traits->low, 1, fours, out + 64 * traits->low);
    if (traits->high == 2) pack_bits(2, traits->low, 2, fours, out + 64 * traits->low);
}

static void pack_scales(const quant_traits *traits, int b, int lane, uint16_t coarse, const int8_t *fine, uint8_t *at,
                        uint8_t *coarse_at) {
    if (!traits->fine) {
        memcpy(at + (b * LANES + lane) * 2, &coarse, 2);
        return;
    }
    memcpy(coarse_at + (b / 8 * LANES + lane) * 2, &coarse, 2);
    for (int part = 0; part < traits->parts; part++) at[(b * traits->parts + part) * LANES + lane] = (uint8_t)fine[part];
}

static void pack_quants(const packing *p, int lane, const uint8_t *row, uint8_t *out) {
    const skein_weight *w = p->weight;
    quant_traits traits = traits_of(w->type);
    int bytes = 64 * (traits.low + traits.high);
    file_block block;
    for (int b = 0; b < w->blocks; b++) {
        read_block(w->type, row, b, &block);
        pack_integers(&traits, block.q, out + (size_t)b * (size_t)bytes + lane * 4);
        pack_scales(&traits, b, lane, block.scale, block.scales, out + w->scales, out + w->coarse_scales);
        if (traits.minimum) {
            pack_scales(&traits, b, lane, block.minimum, block.minima, out + w->minima, out + w->coarse_minima);
        }
    }
}

static void pack_floats(const packing *p, int lane, const uint8_t *row, uint8_t *out) {
    const skein_weight *w = p->weight;
    if (w->type == SKEIN_F32) {
        for (int k = 0; k < w->columns; k++) memcpy(out + ((size_t)k * LANES + (size_t)lane) * 4, row + 4 * (size_t)k, 4);
    } else {
        for (int k = 0; k < w->columns; k++) memcpy(out + ((size_t)k * LANES + (size_t)lane) * 2, row + 2 * (size_t)k, 2);
    }
}

static void pack(void *argument, int thread) {
    const packing *p = argument;
    int64_t groups = p->weight->groups;
    for (int64_t group = groups * thread / p->threads; group < groups * (thread + 1) / p->threads; group++) {
        uint8_t *out = p->weight->data + group * p->weight->group_bytes; /* fresh memory: zero */
        for (int lane = 0; lane < LANES; lane++) {
            const uint8_t *row = source_row(p, (int)group, lane);
            if (!row) continue;
            if (is_quantised(p->weight->type)) {
                pack_quants(p, lane, row, out);
            } else {
                pack_floats(p, lane, row, out);
            }
        }
    }
}

static int64_t whole_lines(int64_t bytes) { return (bytes + 63) & ~(int64_t)63; }

static void lay_out(skein_weight *w) {
    quant_traits traits = traits_of(w->type);
    if (!is_quantised(w->type)) {
        w->group_bytes = (int64_t)w->columns * LANES * traits.bytes;
        return;
    }
    int64_t scale_bytes = whole_lines((int64_t)w->blocks * traits.parts * LANES * (traits.fine ? 1 : 2));
    int64_t coarse_bytes = traits.fine ? whole_lines((int64_t)w->blocks / 8 * LANES * 2) : 0;
    w->scales = (int64_t)w->blocks * 64 * (traits.low + traits.high);
    w->coarse_scales = w->scales + scale_bytes;
    w->minima = w->coarse_scales + coarse_bytes;
    w->coarse_minima = w->minima + scale_bytes;
    w->group_bytes = traits.minimum ? w->coarse_minima + coarse_bytes : w->minima;
}

static int check_parts(const skein_matrix *parts, int32_t count, int32_t gated) {
    if (count < 1 || (gated && count != 2)) return SKEIN_BAD_ARGUMENT;
    int64_t rows = 0;
    for (int i = 0; i < count; i++) {
        if (parts[i].type < SKEIN_F32 || parts[i].type > LAST_TYPE) return SKEIN_BAD_ARGUMENT;
        if (parts[i].rows < 1 || parts[i].columns < 1 || parts[i].columns != parts[0].columns) return SKEIN_BAD_ARGUMENT;
        if (parts[i].columns % traits_of(parts[i].type).elements != 0) return SKEIN_BAD_ARGUMENT;
        rows += parts[i].rows;
    }
    if (gated && parts[0].rows != parts[1].rows) return SKEIN_BAD_ARGUMENT;
    return rows > INT32_MAX - LANES ? SKEIN_BAD_ARGUMENT : SKEIN_OK;
}

/* Packs matrices of one type. Freed with the pool. */
static int segment(skein_cpu *cpu, const skein_matrix *parts, int count, int gated, skein_weight **out) {
    owned_weight *made = calloc(1, sizeof *made);
    if (!made) return SKEIN_NO_MEMORY;
    skein_weight *w = &made->weight;
    w->type = parts[0].type;
    for (int i = 0; i < (gated ? 1 : count); i++) w->rows += parts[i].rows;
    w->columns = parts[0].columns;
    w->gated = gated;
    w->groups = (w->rows + LANES - 1) / LANES * (gated ? 2 : 1);
    w->blocks = w->columns / QUANT_BLOCK;
    w->stride = w->rows;
    w->uses = is_quantised(w->type) ? USES_QUANTS : USES_FLOATS;
    lay_out(w);
    w->data = weight_memory(cpu, (size_t)(w->groups * w->group_bytes));
    if (!w->data) {
        free(made);
        return SKEIN_NO_MEMORY;
    }
    made->next = cpu->weights;
    cpu->weights = made;
    packing job = {parts, count, pool_active(cpu->pool), w};
    pool_run(cpu->pool, pack, &job);
    *out = w;
    return SKEIN_OK;
}

static int gate_and_up(skein_cpu *cpu, const skein_matrix *parts, skein_weight **out) {
    if (parts[0].type == parts[1].type) return segment(cpu, parts, 2, 1, out);
    int status = segment(cpu, parts, 1, 0, out);
    if (status) return status;
    status = segment(cpu, parts + 1, 1, 0, &(*out)->up);
    if (!status) (*out)->uses |= (*out)->up->uses;
    return status;
}

static int stacked(skein_cpu *cpu, const skein_matrix *parts, int count, skein_weight **out) {
    int stride = 0;
    for (int i = 0; i < count; i++) stride += parts[i].rows;
    int first = 0;
    int uses = 0;
    skein_weight **to = out;
    for (int i = 0, same; i < count; i += same) {
        for (same = 1; i + same < count && parts[i + same].type == parts[i].type;) same++;
        int status = segment(cpu, parts + i, same, 0, to);
        if (status) return status;
        (*to)->first = first;
        (*to)->stride = stride;
        first += (*to)->rows;
        uses |= (*to)->uses;
        to = &(*to)->next;
    }
    (*out)->uses = uses;
    return SKEIN_OK;
}

int skein_weight_new(skein_cpu *cpu, const skein_matrix *parts, int32_t count, int32_t gated, skein_weight **out) {
    int status = check_parts(parts, count, gated);
    if (status) return status;
    return gated ? gate_and_up(cpu, parts, out) : stacked(cpu, parts, count, out);
}

int skein_weight_bytes(const skein_weight *weight, int64_t *bytes) {
    *bytes = 0;
    for (const skein_weight *each = weight; each; each = each->next) {
        *bytes += each->groups * each->group_bytes;
        if (each->up) *bytes += each->up->groups * each->up->group_bytes;
    }
    return SKEIN_OK;
}
