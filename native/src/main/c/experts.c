/* Stages of mixtures of experts: rows go to their experts and come back. */
#include <string.h>

#include "step.h"

/* Rows in order of their expert: `starts[e]` is the first of expert e, `places` where each row's chosen ones are. */
typedef struct {
    int32_t *order;  /* row * chosen + i */
    int32_t *places; /* the other way round */
    int32_t *starts;
} grouping;

static int32_t *chosen_ids(const skein_cpu *cpu) { return cpu->chosen.data; }

static float *chosen_weights(const skein_cpu *cpu, const skein_op *op) {
    return (float *)cpu->chosen.data + expert_rows(op);
}

static grouping grouping_of(const skein_cpu *cpu, const skein_op *op, int thread) {
    int32_t *data = cpu->own[thread].grouping.data;
    size_t rows = expert_rows(op);
    return (grouping){data, data + rows, data + 2 * rows};
}

void run_route(skein_cpu *cpu, const skein_op *op, int thread, int from, int to) {
    for (int row = from; row < to; row++) {
        size_t at = (size_t)row * (size_t)op->chosen;
        cpu->kernels->route((const float *)op->other + (size_t)row * op->bound, op->bound, op->chosen, op->normalised,
                            cpu->own[thread].grouping.data, chosen_ids(cpu) + at, chosen_weights(cpu, op) + at);
    }
}

static void sort_by_expert(const skein_cpu *cpu, const skein_op *op, grouping by) {
    int rows = (int)expert_rows(op);
    const int32_t *ids = chosen_ids(cpu);
    memset(by.starts, 0, 4 * (size_t)(op->bound + 1));
    for (int i = 0; i < rows; i++) by.starts[ids[i] + 1]++;
    for (int e = 0; e < op->bound; e++) by.starts[e + 1] += by.starts[e];
    for (int i = 0; i < rows; i++) {
        int place = by.starts[ids[i]]++;
        by.order[place] = i;
        by.places[i] = place;
    }
    for (int e = op->bound; e > 0; e--) by.starts[e] = by.starts[e - 1];
    by.starts[0] = 0;
}

void run_group(skein_cpu *cpu, const skein_op *op, int thread) {
    grouping by = grouping_of(cpu, op, thread);
    sort_by_expert(cpu, op, by);
    int uses = experts_use(op, 0);
    int from;
    int to;
    share((int64_t)expert_rows(op), pool_active(cpu->pool), thread, &from, &to);
    for (int i = from; i < to; i++) {
        const float *x = op->x + (size_t)(by.order[i] / op->chosen) * op->columns;
        if (uses & USES_FLOATS) memcpy((float *)cpu->expert_x.data + (size_t)i * op->columns, x, 4 * (size_t)op->columns);
        if (uses & USES_QUANTS) {
            quant_rows rows = rows_at(&cpu->v, &cpu->meta, i, op->columns);
            cpu->kernels->quantise(x, op->columns, rows.v, rows.meta);
        }
    }
}

void run_experts(skein_cpu *cpu, const skein_op *op, int back, int thread) {
    grouping by = grouping_of(cpu, op, thread);
    int inner = experts_inner(op);
    int columns = back ? inner : op->columns;
    const float *x = back ? cpu->expert_inner.data : cpu->expert_x.data;
    float *out = back ? cpu->expert_out.data : cpu->expert_inner.data;
    for (int e = 0; e < op->bound; e++) {
        int first = by.starts[e];
        int rows = by.starts[e + 1] - first;
        if (rows == 0) continue;
        multiply(cpu, back ? back_expert(op, e) : gated_expert(op, e), back ? SKEIN_OP_MATMUL : SKEIN_OP_GATED_MATMUL,
                 SKEIN_SILU, x + (size_t)first * columns, rows_at(&cpu->v, &cpu->meta, first, columns), rows, thread,
                 out + (size_t)first * (back ? op->columns : inner));
    }
}

void run_experts_rows(skein_cpu *cpu, const skein_op *op, int thread) {
    int inner = experts_inner(op);
    int from;
    int to;
    share((int64_t)expert_rows(op), pool_active(cpu->pool), thread, &from, &to);
    for (int i = from; i < to; i++) {
        quant_rows rows = rows_at(&cpu->v, &cpu->meta, i, inner);
        cpu->kernels->quantise((const float *)cpu->expert_inner.data + (size_t)i * inner, inner, rows.v, rows.meta);
    }
}

void run_combine(skein_cpu *cpu, const skein_op *op, int thread, int from, int to) {
    grouping by = grouping_of(cpu, op, thread);
    for (int row = from; row < to; row++) {
        size_t at = (size_t)row * (size_t)op->chosen;
        cpu->kernels->combine(cpu->expert_out.data, by.places + at, chosen_weights(cpu, op) + at, op->chosen, op->columns,
                              op->out + (size_t)row * op->columns);
    }
}
