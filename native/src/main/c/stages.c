/* What each thread does of each stage. */
#include <string.h>

#include "step.h"

static void norm_row(const skein_cpu *cpu, const skein_op *norm, int row, float *out) {
    cpu->kernels->rms_norm(norm->x + (size_t)row * norm->columns, norm->weight, norm->number, norm->columns,
                           norm->kind == SKEIN_OP_RMS_NORM_ADD, out);
}

static void run_rows(skein_cpu *cpu, const stage *stage, int from, int to) {
    const skein_op *op = stage->op;
    for (int row = from; row < to; row++) {
        if (stage->norm) norm_row(cpu, stage->norm, row, stage->norm->out + (size_t)row * stage->norm->columns);
        if (stage->prepared) {
            quant_rows rows = rows_at(&cpu->v, &cpu->meta, row, op->columns);
            cpu->kernels->quantise(op->x + (size_t)row * op->columns, op->columns, rows.v, rows.meta);
        }
    }
}

/* Each thread makes all quantised rows for itself; thread 0 also leaves the norm where it was asked for. */
static quant_rows run_alone(skein_cpu *cpu, const stage *stage, int thread) {
    own_room *own = cpu->own + thread;
    const skein_op *op = stage->op;
    for (int row = 0; row < op->rows; row++) {
        const float *x = op->x + (size_t)row * op->columns;
        if (stage->norm) {
            float *out = thread == 0 ? stage->norm->out + (size_t)row * op->columns : own->norm.data;
            norm_row(cpu, stage->norm, row, out);
            x = out;
        }
        quant_rows rows = rows_at(&own->v, &own->meta, row, op->columns);
        cpu->kernels->quantise(x, op->columns, rows.v, rows.meta);
    }
    return rows_at(&own->v, &own->meta, 0, op->columns);
}

/* A thread's share of a product. */
void multiply(skein_cpu *cpu, const skein_weight *weight, int kind, int activation, const float *x,
                     quant_rows quantised, int rows, int thread, float *out) {
    for (const skein_weight *each = weight; each; each = each->next) {
        int from;
        int to;
        share(each->gated ? each->groups / 2 : each->groups, pool_active(cpu->pool), thread, &from, &to);
        cpu->kernels->matmul(each, kind, activation, x, quantised, rows, from, to, out);
    }
}

static void run_product(skein_cpu *cpu, const stage *stage, int thread) {
    const skein_op *op = stage->op;
    const skein_weight *weight = op->weight;
    quant_rows rows = {0};
    if (stage->alone) rows = run_alone(cpu, stage, thread);
    if (stage->prepared) rows = rows_at(&cpu->v, &cpu->meta, 0, op->columns);
    multiply(cpu, weight, op->kind, op->activation, op->x, rows, op->rows, thread, op->out);
}

static void run_embed(skein_cpu *cpu, const skein_op *op, int from, int to) {
    for (int row = from; row < to; row++) {
        cpu->kernels->embed(op->type, op->weight, cpu->step->ids[row], op->columns, op->number,
                            op->out + (size_t)row * op->columns);
    }
}

/* A row of the table is made in room of the thread's own. */
static void run_positions(skein_cpu *cpu, const skein_op *op, int thread, int from, int to) {
    float *place = cpu->own[thread].norm.data;
    for (int row = from; row < to; row++) {
        cpu->kernels->embed(op->type, op->weight, cpu->step->positions[row], op->columns, 1, place);
        cpu->kernels->bias(place, op->columns, op->out + (size_t)row * op->columns);
    }
}

static void run_layer_norm(skein_cpu *cpu, const skein_op *op, int from, int to) {
    for (int row = from; row < to; row++) {
        size_t at = (size_t)row * op->columns;
        cpu->kernels->layer_norm(op->x + at, op->weight, op->other, op->number, op->columns, op->out + at);
    }
}

static void run_activate(skein_cpu *cpu, const skein_op *op, int from, int to) {
    for (int row = from; row < to; row++) {
        cpu->kernels->activate(op->activation, op->columns, op->out + (size_t)row * op->columns);
    }
}

static void run_bias(skein_cpu *cpu, const skein_op *op, int from, int to) {
    for (int row = from; row < to; row++) {
        cpu->kernels->bias(op->weight, op->columns, op->out + (size_t)row * op->columns);
    }
}

/* Part of a row that is a head; columns start at `at`. */
static void prepare_heads(skein_cpu *cpu, const stage *stage, const float *norm, int row, int at, int heads) {
    const skein_op *op = stage->op;
    float *here = op->out + (size_t)row * op->columns + at;
    if (stage->bias) cpu->kernels->bias((const float *)stage->bias->weight + at, heads * op->head_size, here);
    for (int i = 0; norm && i < heads; i++, here += op->head_size) {
        cpu->kernels->rms_norm(here, norm, stage->norm->number, op->head_size, 0, here);
    }
}

/* Units are key and value heads of rows, with their query heads. */
static void run_heads(skein_cpu *cpu, const stage *stage, int from, int to) {
    const skein_op *op = stage->op;
    const float *query_norm = stage->norm ? stage->norm->weight : NULL;
    const float *key_norm = stage->norm ? stage->norm->other : NULL;
    for (int unit = from; unit < to; unit++) {
        int row = unit / op->kv_heads;
        int head = unit % op->kv_heads;
        int first = first_query_of(op, head);
        prepare_heads(cpu, stage, query_norm, row, first * op->head_size, end_query_of(op, head) - first);
        prepare_heads(cpu, stage, key_norm, row, (op->query_heads + head) * op->head_size, 1);
        prepare_heads(cpu, stage, NULL, row, (op->query_heads + op->kv_heads + head) * op->head_size, 1);
        if (stage->rope) cpu->kernels->rope_store(stage->rope, cpu->step, row, head);
    }
}

/* What other ranks compute of a head that is shared is nothing here, so that the sum over ranks is right. */
static void leave_heads(const skein_op *op, const skein_step *step, int from, int to) {
    int head = op->shared == SKEIN_SHARED_FIRST ? 0 : op->query_heads - 1;
    for (int row = from; row < to; row++) {
        if (is_left(op, head, step->positions[row])) {
            memset(op->out + ((size_t)row * op->query_heads + head) * op->head_size, 0, 4 * (size_t)op->head_size);
        }
    }
}

static void run_attention(skein_cpu *cpu, const stage *stage, int thread, int from, int to) {
    int threads = pool_active(cpu->pool);
    if (stage->op->shared) leave_heads(stage->op, cpu->step, from, to);
    const attention_unit *units = (attention_unit *)cpu->units.data + stage->first_unit;
    for (int unit = thread; unit < stage->units; unit += threads) { /* dealt in turn: later ones of a prompt are longer */
        cpu->kernels->attention(&stage->attention, cpu->step, units[unit], cpu->own[thread].attention.data,
                                cpu->partials.data);
    }
}

static void run_merge(skein_cpu *cpu, const stage *stage, int from, int to) {
    const skein_op *op = &stage->attention;
    int64_t stride = partial_floats(op->head_size);
    for (int unit = from; unit < to; unit++) {
        if (is_left(op, unit % op->query_heads, cpu->step->positions[unit / op->query_heads])) continue;
        int chunks = chunks_of(seen_until(op, cpu->step, unit / op->query_heads));
        int begin = first_seen(op, cpu->step->positions[unit / op->query_heads]) / ATTENTION_CHUNK;
        cpu->kernels->attention_merge((const float *)cpu->partials.data + ((int64_t)unit * op->bound + begin) * stride,
                                      chunks - begin, op->head_size, op->out + (int64_t)unit * op->head_size);
    }
}

static void run_gather(skein_cpu *cpu, const skein_op *op, int from, int to) {
    const skein_output *outputs = cpu->step->output;
    for (int row = from; row < to; row++) {
        memcpy(op->out + (size_t)row * op->columns, op->x + (size_t)outputs[row].row * op->columns, 4 * (size_t)op->columns);
    }
}

static sample_scratch scratch_of(own_room *own, int columns) {
    size_t ids = ((size_t)columns + 2 * LANES + 63) & ~(size_t)63;
    float *base = own->sampling.data;
    return (sample_scratch){base,
                            (int32_t *)base + ids,
                            base + 2 * ids,
                            (int32_t *)base + 3 * ids,
                            (int32_t *)base + 4 * ids,
                            (uint64_t *)(base + 5 * ids)};
}

static void run_sample(skein_cpu *cpu, const stage *stage, int thread, int from, int to) {
    sample_scratch scratch = scratch_of(cpu->own + thread, cpu->own[thread].sampling_ids);
    for (int row = from; row < to; row++) {
        skein_failure failure = {.op = stage->index};
        int32_t none = SKEIN_OK;
        int status = cpu->kernels->sample(stage->op, cpu->step, row, &scratch, &failure);
        if (status && atomic_compare_exchange_strong(&cpu->status, &none, status)) *cpu->failure = failure;
    }
}

static void run_stage(skein_cpu *cpu, const stage *stage, int thread) {
    int from;
    int to;
    const skein_op *op = stage->op;
    int64_t units = op->rows;
    if (stage->kind == STAGE_HEADS) units *= op->kv_heads;
    if (stage->kind == STAGE_MERGE) units *= op->query_heads;
    share(units, pool_active(cpu->pool), thread, &from, &to);
    switch (stage->kind) {
        case STAGE_ROWS:
            run_rows(cpu, stage, from, to);
            break;
        case STAGE_PRODUCT:
            run_product(cpu, stage, thread);
            break;
        case STAGE_EMBED:
            run_embed(cpu, op, from, to);
            break;
        case STAGE_BIAS:
            run_bias(cpu, op, from, to);
            break;
        case STAGE_LAYER_NORM:
            run_layer_norm(cpu, op, from, to);
            break;
        case STAGE_POSITIONS:
            run_positions(cpu, op, thread, from, to);
            break;
        case STAGE_ACTIVATE:
            run_activate(cpu, op, from, to);
            break;
        case STAGE_HEADS:
            run_heads(cpu, stage, from, to);
            break;
        case STAGE_ATTENTION:
            run_attention(cpu, stage, thread, from, to);
            break;
        case STAGE_MERGE:
            run_merge(cpu, stage, from, to);
            break;
        case STAGE_GATHER:
            run_gather(cpu, op, from, to);
            break;
        case STAGE_SAMPLE:
            run_sample(cpu, stage, thread, from, to);
            break;
        case STAGE_ROUTE:
            run_route(cpu, op, thread, from, to);
            break;
        case STAGE_GROUP:
            run_group(cpu, op, thread);
            break;
        case STAGE_EXPERTS_IN:
            run_experts(cpu, op, 0, thread);
            break;
        case STAGE_EXPERTS_ROWS:
            run_experts_rows(cpu, op, thread);
            break;
        case STAGE_EXPERTS_OUT:
            run_experts(cpu, op, 1, thread);
            break;
        case STAGE_COMBINE:
            run_combine(cpu, op, thread, from, to);
            break;
    }
}

void run_stages(void *argument, int thread) {
    skein_cpu *cpu = argument;
    for (int i = 0; i < cpu->stage_count; i++) {
        if (i > 0) pool_barrier(cpu->pool, thread);
        run_stage(cpu, (const stage *)cpu->stages.data + i, thread);
    }
}
