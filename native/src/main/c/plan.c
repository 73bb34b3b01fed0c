/* Makes operations into stages, which threads run with a barrier between two of them. */
#include <stdlib.h>
#include <string.h>

#include "step.h"

/* Elements of activations up to which each thread quantises all of them for itself rather than wait for others. */
#define ALONE 2400
#define UNITS_PER_THREAD 4

static int is_product(const skein_op *op) { return op->kind >= SKEIN_OP_MATMUL && op->kind <= SKEIN_OP_GATED_MATMUL; }

static const skein_weight *weight_of(const skein_op *op) { return op->weight; }

static int uses_quants(const skein_op *op) { return weight_of(op)->uses & USES_QUANTS; }

static stage *add_stage(skein_cpu *cpu, stage_kind kind, const skein_op *op, int index) {
    stage *made = (stage *)cpu->stages.data + cpu->stage_count++;
    memset(made, 0, sizeof *made);
    made->kind = kind;
    made->op = op;
    made->index = index;
    return made;
}

static size_t v_bytes(const skein_op *op) { return (size_t)op->rows * (size_t)op->columns * 2; }

static size_t meta_bytes(const skein_op *op) {
    return (size_t)op->rows * (size_t)(op->columns / QUANT_BLOCK) * sizeof(quant_meta);
}

static int reserve_rows(const skein_op *op, room *v, room *meta) {
    int status = reserve(v, v_bytes(op));
    return status ? status : reserve(meta, meta_bytes(op));
}

/* A product, with the norm before it if it has one. */
static int plan_product(skein_cpu *cpu, const skein_op *norm, const skein_op *op, int index) {
    if (!uses_quants(op)) {
        if (norm) add_stage(cpu, STAGE_ROWS, norm, index)->norm = norm;
        add_stage(cpu, STAGE_PRODUCT, op, index);
        return SKEIN_OK;
    }
    int threads = pool_active(cpu->pool);
    int alone = threads == 1 || (int64_t)op->rows * op->columns <= ALONE;
    if (weight_of(op)->uses & USES_FLOATS) alone = 0; /* others' norms must be there */
    if (!alone) {
        stage *rows = add_stage(cpu, STAGE_ROWS, op, index);
        rows->norm = norm;
        rows->prepared = 1;
        add_stage(cpu, STAGE_PRODUCT, op, index)->prepared = 1;
        return reserve_rows(op, &cpu->v, &cpu->meta);
    }
    stage *product = add_stage(cpu, STAGE_PRODUCT, op, index);
    product->alone = 1;
    product->norm = norm;
    for (int i = 0; i < threads; i++) {
        int status = reserve_rows(op, &cpu->own[i].v, &cpu->own[i].meta);
        if (!status) status = reserve(&cpu->own[i].norm, (size_t)op->columns * 4);
        if (status) return status;
    }
    return SKEIN_OK;
}

typedef struct {
    int from;
    int end;
} query_heads;

/* Those that share a key and value head, and are computed here for a position. */
static query_heads heads_at(const skein_op *op, int kv_head, int position) {
    query_heads heads = {first_query_of(op, kv_head), end_query_of(op, kv_head)};
    if (is_left(op, heads.from, position)) heads.from++;
    if (heads.from < heads.end && is_left(op, heads.end - 1, position)) heads.end--;
    return heads;
}

/* Tokens of one sequence from the first on, `most` at most, for which the same heads are computed. */
static int tokens_together(const skein_op *op, const skein_step *step, int kv_head, int first, int most) {
    query_heads heads = heads_at(op, kv_head, step->positions[first]);
    int next = first + 1;
    while (next < first + most && next < step->tokens && step->sequence[next] == step->sequence[first] &&
           step->positions[next] > step->positions[next - 1]) {
        query_heads here = heads_at(op, kv_head, step->positions[next]);
        if (here.from != heads.from || here.end != heads.end) break;
        next++;
    }
    return next - first;
}

/* Pieces of the attention of the query heads that share a key and value head, written where there is room. Returns how many. */
static int units_of(const skein_op *op, const skein_step *step, int by_chunk, int kv_head, attention_unit *units) {
    int count = 0;
    for (int first = 0, taken = 1; first < step->tokens; first += taken) {
        query_heads all = heads_at(op, kv_head, step->positions[first]);
        int heads = all.end - all.from < UNIT_QUERIES ? all.end - all.from : UNIT_QUERIES;
        taken = by_chunk || heads == 0 ? 1 : tokens_together(op, step, kv_head, first, UNIT_QUERIES / heads);
        int begin = by_chunk ? first_seen(op, step->positions[first]) / ATTENTION_CHUNK : 0;
        int chunks = by_chunk ? chunks_of(seen_until(op, step, first)) : 1;
        for (int head = all.from, here; head < all.end; head += here) {
            here = heads < all.end - head ? heads : all.end - head;
            for (int chunk = begin; chunk < chunks; chunk++, count++) {
                if (units) units[count] = (attention_unit){first, taken, head, here, by_chunk ? chunk : -1};
            }
        }
    }
    return count;
}

/* All pieces of a step's attention, which are the same in every layer with the same heads. */
static int plan_units(skein_cpu *cpu, const skein_op *op, int by_chunk) {
    size_t count = (size_t)cpu->unit_count;
    for (int head = 0; head < op->kv_heads; head++) count += (size_t)units_of(op, cpu->step, by_chunk, head, NULL);
    room old = cpu->units;
    size_t bytes = count * sizeof(attention_unit);
    if (old.bytes < bytes) {
        void *data = realloc(old.data, bytes * 2);
        if (!data) return SKEIN_NO_MEMORY;
        cpu->units = (room){data, bytes * 2};
    }
    for (int head = 0; head < op->kv_heads; head++) {
        attention_unit *units = (attention_unit *)cpu->units.data + cpu->unit_count;
        cpu->unit_count += units_of(op, cpu->step, by_chunk, head, units);
    }
    return SKEIN_OK;
}

static int plan_attention(skein_cpu *cpu, const skein_op *op, int index) {
    const skein_step *step = cpu->step;
    int threads = pool_active(cpu->pool);
    int chunks = 1;
    for (int i = 0; i < step->tokens; i++) {
        int here = chunks_of(step->positions[i] + 1);
        chunks = here > chunks ? here : chunks;
    }
    int together = op->group >= UNIT_QUERIES ? 1 : UNIT_QUERIES / op->group;
    int by_chunk = chunks > 1 && threads > 1 &&
                   (int64_t)(step->tokens + together - 1) / together * op->kv_heads < (int64_t)UNITS_PER_THREAD * threads;
    stage *before = NULL;
    for (int i = cpu->stage_count - 1; i >= 0 && !before; i--) {
        stage *each = (stage *)cpu->stages.data + i;
        if (each->kind == STAGE_ATTENTION && each->op->query_heads == op->query_heads && each->op->kv_heads == op->kv_heads &&
            each->op->group == op->group && each->op->skipped == op->skipped && each->op->shared == op->shared &&
            each->op->window == op->window) {
            before = each;
        }
    }
    stage *made = add_stage(cpu, STAGE_ATTENTION, op, index);
    made->attention = *op;
    made->attention.bound = chunks;
    if (before) {
        made->first_unit = before->first_unit;
        made->units = before->units;
    } else {
        made->first_unit = cpu->unit_count;
        int status = plan_units(cpu, op, by_chunk);
        if (status) return status;
        made->units = cpu->unit_count - made->first_unit;
    }
    size_t partial = (size_t)partial_floats(op->head_size) * 4;
    if (by_chunk) {
        stage *merge = add_stage(cpu, STAGE_MERGE, op, index);
        merge->attention = made->attention;
        int status = reserve(&cpu->partials, (size_t)step->tokens * (size_t)op->query_heads * (size_t)chunks * partial);
        if (status) return status;
    }
    size_t own = UNIT_QUERIES * (LANES * 4 + (by_chunk ? 0 : (size_t)chunks * partial));
    for (int i = 0; i < threads; i++) {
        int status = reserve(&cpu->own[i].attention, own);
        if (status) return status;
    }
    return SKEIN_OK;
}

/*
 * Each thread sorts the rows by expert for itself, which needs no barrier; then each expert's weights are read once, each
 * thread having its share of every expert's, and what comes out is added up row by row.
 */
static int plan_experts(skein_cpu *cpu, const skein_op *op, int index) {
    int inner = experts_inner(op);
    size_t rows = expert_rows(op);
    size_t widest = (size_t)(inner > op->columns ? inner : op->columns);
    add_stage(cpu, STAGE_ROUTE, op, index);
    add_stage(cpu, STAGE_GROUP, op, index);
    add_stage(cpu, STAGE_EXPERTS_IN, op, index);
    if (experts_use(op, 1) & USES_QUANTS) add_stage(cpu, STAGE_EXPERTS_ROWS, op, index);
    add_stage(cpu, STAGE_EXPERTS_OUT, op, index);
    add_stage(cpu, STAGE_COMBINE, op, index);
    int status = reserve(&cpu->chosen, rows * 8);
    if (!status) status = reserve(&cpu->v, rows * widest * 2);
    if (!status) status = reserve(&cpu->meta, rows * (widest / QUANT_BLOCK + 1) * sizeof(quant_meta));
    if (!status) status = reserve(&cpu->expert_x, rows * (size_t)op->columns * 4);
    if (!status) status = reserve(&cpu->expert_inner, rows * (size_t)inner * 4);
    if (!status) status = reserve(&cpu->expert_out, rows * (size_t)op->columns * 4);
    for (int i = 0; i < pool_threads(cpu->pool) && !status; i++) {
        status = reserve(&cpu->own[i].grouping, (2 * rows + 3 * (size_t)op->bound + 4 * LANES) * 4);
    }
    return status;
}

static int plan_sample(skein_cpu *cpu, const skein_op *op, int index) {
    add_stage(cpu, STAGE_SAMPLE, op, index);
    size_t ids = ((size_t)op->columns + 2 * LANES + 63) & ~(size_t)63;
    for (int i = 0; i < pool_threads(cpu->pool); i++) {
        own_room *own = cpu->own + i;
        if (own->sampling_ids >= op->columns) continue;
        int status = reserve(&own->sampling, ids * 20 + 2048 * 8);
        if (status) return status;
        memset(own->sampling.data, 0, own->sampling.bytes);
        own->sampling_ids = op->columns;
    }
    return SKEIN_OK;
}

static int plan_positions(skein_cpu *cpu, const skein_op *op, int index) {
    add_stage(cpu, STAGE_POSITIONS, op, index);
    int status = SKEIN_OK;
    for (int i = 0; i < pool_threads(cpu->pool) && !status; i++) status = reserve(&cpu->own[i].norm, (size_t)op->columns * 4);
    return status;
}

static int plan_op(skein_cpu *cpu, const skein_op *op, int index) {
    switch (op->kind) {
        case SKEIN_OP_EMBED:
            add_stage(cpu, STAGE_EMBED, op, index);
            return SKEIN_OK;
        case SKEIN_OP_RMS_NORM:
        case SKEIN_OP_RMS_NORM_ADD:
            add_stage(cpu, STAGE_ROWS, op, index)->norm = op;
            return SKEIN_OK;
        case SKEIN_OP_BIAS:
            add_stage(cpu, STAGE_BIAS, op, index);
            return SKEIN_OK;
        case SKEIN_OP_LAYER_NORM:
            add_stage(cpu, STAGE_LAYER_NORM, op, index);
            return SKEIN_OK;
        case SKEIN_OP_ADD_POSITIONS:
            return plan_positions(cpu, op, index);
        case SKEIN_OP_ACTIVATE:
            add_stage(cpu, STAGE_ACTIVATE, op, index);
            return SKEIN_OK;
        case SKEIN_OP_HEAD_NORM:
            add_stage(cpu, STAGE_HEADS, op, index)->norm = op;
            return SKEIN_OK;
        case SKEIN_OP_EXPERTS:
            return plan_experts(cpu, op, index);
        case SKEIN_OP_MATMUL:
        case SKEIN_OP_MATMUL_ADD:
        case SKEIN_OP_GATED_MATMUL:
            return plan_product(cpu, NULL, op, index);
        case SKEIN_OP_ROPE_STORE:
            add_stage(cpu, STAGE_HEADS, op, index)->rope = op;
            return SKEIN_OK;
        case SKEIN_OP_ATTENTION:
            return plan_attention(cpu, op, index);
        case SKEIN_OP_GATHER:
            add_stage(cpu, STAGE_GATHER, op, index);
            return SKEIN_OK;
        case SKEIN_OP_SAMPLE:
            return plan_sample(cpu, op, index);
        default:
            return SKEIN_BAD_ARGUMENT;
    }
}

/* A norm goes into the product that follows it, unless the product overwrites what others still read for the norm. */
static int joins(const skein_op *norm, const skein_op *product) {
    return norm->kind == SKEIN_OP_RMS_NORM && is_product(product) && product->x == norm->out && norm->x != norm->out &&
           product->out != norm->x && product->rows == norm->rows;
}

/* Bias, norm and rotation of the same heads are one stage. Returns how many of the operations. */
static int plan_heads(skein_cpu *cpu, const skein_op *ops, int count, int index) {
    const skein_op *bias = ops->kind == SKEIN_OP_BIAS ? ops : NULL;
    int taken = bias != NULL;
    const skein_op *norm = taken < count && ops[taken].kind == SKEIN_OP_HEAD_NORM ? ops + taken : NULL;
    taken += norm != NULL;
    const skein_op *rope = taken < count && ops[taken].kind == SKEIN_OP_ROPE_STORE ? ops + taken : NULL;
    taken += rope != NULL;
    const skein_op *last = ops + taken - 1;
    if (taken < 2 || last->kind == SKEIN_OP_BIAS) return 0;
    for (int i = 0; i < taken; i++) {
        if (ops[i].out != last->out || ops[i].rows != last->rows) return 0;
    }
    if (norm && rope && (norm->query_heads != rope->query_heads || norm->kv_heads != rope->kv_heads)) return 0;
    stage *made = add_stage(cpu, STAGE_HEADS, last, index + taken - 1);
    made->bias = bias;
    made->norm = norm;
    made->rope = rope;
    return taken;
}

int plan_stages(skein_cpu *cpu, const skein_op *ops, int count) {
    cpu->stage_count = 0;
    cpu->unit_count = 0;
    int status = reserve(&cpu->stages, (size_t)(6 * count + 2) * sizeof(stage));
    for (int i = 0; i < count && !status; i++) {
        if (ops[i].rows == 0) continue;
        int heads = plan_heads(cpu, ops + i, count - i, i);
        if (heads > 0) {
            i += heads - 1;
        } else if (i + 1 < count && joins(ops + i, ops + i + 1)) {
            status = plan_product(cpu, ops + i, ops + i + 1, i + 1);
            i++;
        } else {
            status = plan_op(cpu, ops + i, i);
        }
    }
    return status;
}
