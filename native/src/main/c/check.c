/* Finds what is wrong in a step's inputs, so that kernels need not look. */
#include "step.h"

static int wrong(skein_failure *failure, int status, int row, int64_t value, int64_t bound) {
    failure->row = row;
    failure->value = value;
    failure->bound = bound;
    return status;
}

static int check_ids(const skein_op *op, const skein_step *step, skein_failure *failure) {
    for (int i = 0; i < step->tokens; i++) {
        if (step->ids[i] < 0 || step->ids[i] >= op->bound) return wrong(failure, SKEIN_BAD_ID, i, step->ids[i], op->bound);
    }
    return SKEIN_OK;
}

static int check_table(const skein_op *op, const skein_step *step, skein_failure *failure) {
    for (int i = 0; i < step->tokens; i++) {
        int position = step->positions[i];
        if (position < 0 || position >= op->bound) return wrong(failure, SKEIN_BAD_POSITION, i, position, op->bound);
    }
    return SKEIN_OK;
}

static int check_positions(const skein_step *step, skein_failure *failure) {
    for (int i = 0; i < step->tokens; i++) {
        int sequence = step->sequence[i];
        if (sequence < 0 || sequence >= step->sequences) return wrong(failure, SKEIN_BAD_ROW, i, sequence, step->sequences);
        int64_t held = (int64_t)(step->block_start[sequence + 1] - step->block_start[sequence]) * CACHE_BLOCK;
        int position = step->positions[i];
        if (position < 0 || position >= held) return wrong(failure, SKEIN_BAD_POSITION, i, position, held);
    }
    return SKEIN_OK;
}

static int check_slots(const skein_op *op, const skein_step *step, skein_failure *failure) {
    int64_t slots = (int64_t)op->cache->blocks * CACHE_BLOCK;
    for (int i = 0; i < step->tokens; i++) {
        if (step->slots[i] < 0 || step->slots[i] >= slots) return wrong(failure, SKEIN_BAD_SLOT, i, step->slots[i], slots);
        if (step->positions[i] >= op->bound) return wrong(failure, SKEIN_BAD_POSITION, i, step->positions[i], op->bound);
    }
    return SKEIN_OK;
}

static int check_blocks(const skein_op *op, const skein_step *step, skein_failure *failure) {
    for (int i = 0; i < step->blocks; i++) {
        int block = step->block_table[i];
        if (block < 0 || block >= op->cache->blocks) return wrong(failure, SKEIN_BAD_BLOCK, i, block, op->cache->blocks);
    }
    return SKEIN_OK;
}

static int check_outputs(const skein_step *step, skein_failure *failure) {
    const skein_output *outputs = step->output;
    for (int i = 0; i < step->outputs; i++) {
        if (outputs[i].row < 0 || outputs[i].row >= step->tokens) {
            return wrong(failure, SKEIN_BAD_ROW, i, outputs[i].row, step->tokens);
        }
    }
    return SKEIN_OK;
}

/* Each kind of check once for each cache, not for each layer. */
int check_step(const skein_step *step, const skein_op *ops, int count, skein_failure *failure) {
    const skein_cache *stored = NULL;
    const skein_cache *read = NULL;
    int positions = 0;
    int status = SKEIN_OK;
    for (int i = 0; i < count && !status; i++) {
        const skein_op *op = ops + i;
        failure->op = i;
        if (op->kind == SKEIN_OP_EMBED) status = check_ids(op, step, failure);
        if (op->kind == SKEIN_OP_GATHER) status = check_outputs(step, failure);
        if (op->kind == SKEIN_OP_ADD_POSITIONS) status = check_table(op, step, failure);
        if (!positions && (op->kind == SKEIN_OP_ROPE_STORE || op->kind == SKEIN_OP_ATTENTION)) {
            positions = 1;
            status = check_positions(step, failure);
        }
        if (!status && op->kind == SKEIN_OP_ROPE_STORE && op->cache != stored) {
            stored = op->cache;
            status = check_slots(op, step, failure);
        }
        if (!status && op->kind == SKEIN_OP_ATTENTION && op->cache != read) {
            read = op->cache;
            status = check_blocks(op, step, failure);
        }
    }
    return status;
}
