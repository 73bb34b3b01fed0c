/*
 * How near the kernels come to this machine's limits, all measured in one run: read bandwidth and 8-bit arithmetic first,
 * then products of one row (share of bandwidth) and of many (share of arithmetic), then whole steps of a model of
 * SmolLM2-135M's shape with random weights.
 *
 * usage: bench [THREADS [ISA]]     all cores and auto, if not given; ISA as in skein_cpu.h
 */
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "skein_cpu.h"

#define HIDDEN 576
#define INNER 1536
#define QUERY_HEADS 9
#define KV_HEADS 3
#define HEAD 64
#define LAYERS 30
#define VOCABULARY 49152
#define FUSED ((QUERY_HEADS + 2 * KV_HEADS) * HEAD)
#define MOST_TOKENS 2048
#define BLOCKS 512
#define LIMIT_BYTES ((size_t)128 << 20)

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(int status, const char *what) {
    if (status == SKEIN_OK) return;
    fprintf(stderr, "%s: %s\n", what, skein_status_text(status));
    exit(1);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The second best: what the machine can do, when others run on it at times. */
static double good(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[1];
}

/* The limits */

typedef struct {
    pthread_barrier_t *barrier;
    const uint8_t *data;
    size_t bytes;
    int arithmetic;
    double seconds;
    long keep;
} limit;

__attribute__((target("avx2"))) static long read_all(const uint8_t *p, size_t bytes) {
    __m256i a = _mm256_setzero_si256();
    __m256i b = a;
    __m256i c = a;
    __m256i d = a;
    for (size_t i = 0; i < bytes; i += 128) {
        _mm_prefetch((const char *)p + i + 4096, _MM_HINT_T0);
        _mm_prefetch((const char *)p + i + 4160, _MM_HINT_T0);
        a = _mm256_or_si256(a, _mm256_load_si256((const void *)(p + i)));
        b = _mm256_or_si256(b, _mm256_load_si256((const void *)(p + i + 32)));
        c = _mm256_or_si256(c, _mm256_load_si256((const void *)(p + i + 64)));
        d = _mm256_or_si256(d, _mm256_load_si256((const void *)(p + i + 96)));
    }
    a = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
    return _mm256_extract_epi64(a, 0);
}

#define ROUNDS 4000000

__attribute__((target("avx512f,avx512vnni,avx512bw"))) static long multiply_vnni(void) {
    __m512i sum[10];
    __m512i x = _mm512_set1_epi8(3);
    for (int i = 0; i < 10; i++) sum[i] = _mm512_set1_epi32(i);
    for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 10
        for (int i = 0; i < 10; i++) sum[i] = _mm512_dpbusd_epi32(sum[i], x, x);
        __asm__ volatile("" : "+v"(x));
    }
    long all = 0;
    for (int i = 0; i < 10; i++) all += _mm512_reduce_add_epi32(sum[i]);
    return all;
}

static void *limit_work(void *argument) {
    limit *self = argument;
    double times[9];
    for (int i = 0; i < 9; i++) {
        pthread_barrier_wait(self->barrier);
        double from = now();
        self->keep += self->arithmetic ? multiply_vnni() : read_all(self->data, self->bytes);
        pthread_barrier_wait(self->barrier);
        times[i] = now() - from;
    }
    self->seconds = good(times, 9);
    return NULL;
}

static double measure_limit(int threads, int arithmetic, const uint8_t *data) {
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    limit work[256];
    pthread_t ids[256];
    size_t part = LIMIT_BYTES / (size_t)threads / 4096 * 4096;
    for (int i = 0; i < threads; i++) {
        work[i] = (limit){&barrier, data + (size_t)i * part, part, arithmetic, 0, 0};
        if (i > 0) pthread_create(&ids[i], NULL, limit_work, &work[i]);
    }
    limit_work(&work[0]);
    for (int i = 1; i < threads; i++) pthread_join(ids[i], NULL);
    double amount = arithmetic ? 2.0 * 64 * 10 * ROUNDS * threads : (double)part * threads;
    return amount / work[0].seconds;
}

/* Random weights */

static uint32_t seed = 1;

static uint32_t next_random(void) { return seed = seed * 1664525u + 1013904223u; }

static int type_bytes(int type) { return type == SKEIN_F32 ? 4 : type <= SKEIN_BF16 ? 2 : type == SKEIN_Q8_0 ? 34 : type == SKEIN_Q4_0 ? 18 : 20; }

static skein_matrix matrix(int type, int rows, int columns) {
    size_t blocks = (size_t)rows * (size_t)columns / (type >= SKEIN_Q8_0 ? 32 : 1);
    size_t bytes = (size_t)type_bytes(type);
    uint8_t *data = malloc(blocks * bytes);
    for (size_t b = 0; b < blocks; b++) {
        uint8_t *p = data + b * bytes;
        for (size_t i = 0; i < bytes; i++) p[i] = (uint8_t)(next_random() >> 24);
        uint16_t small = 0x1800; /* 0.002 as a half, and nearly nothing as a bfloat */
        if (type == SKEIN_F32) {
            float value = (float)(int)(next_random() >> 16) * 1e-6f;
            memcpy(p, &value, 4);
        } else {
            memcpy(p, &small, 2);
        }
        if (type == SKEIN_Q4_1) memcpy(p + 2, (uint16_t[]){0x9c00}, 2);
    }
    return (skein_matrix){data, type, rows, columns, 0};
}

static skein_weight *weight(skein_cpu *cpu, int type, int rows, int columns, int gated) {
    skein_matrix parts[2] = {matrix(type, rows, columns), gated ? matrix(type, rows, columns) : (skein_matrix){0}};
    skein_weight *made;
    must(skein_weight_new(cpu, parts, gated ? 2 : 1, gated, &made), "skein_weight_new");
    free((void *)parts[0].data);
    free((void *)parts[1].data);
    return made;
}

static float *floats(size_t count) {
    float *made = aligned_alloc(64, (4 * count + 63) / 64 * 64);
    for (size_t i = 0; i < count; i++) made[i] = (float)((int)(next_random() >> 16) - 32768) / 32768;
    return made;
}

static double run(skein_cpu *cpu, const skein_step *step, const skein_op *ops, int count, int times) {
    double all[64];
    skein_failure failure;
    for (int i = 0; i < times; i++) {
        double from = now();
        must(skein_run(cpu, step, ops, count, &failure), "skein_run");
        all[i] = now() - from;
    }
    return good(all, times);
}

/* Products: enough matrices that caches do not hold them */

static void products(skein_cpu *cpu, double bandwidth, double arithmetic) {
    static const char *names[] = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"};
    const int shapes[][2] = {{1536, 576}, {576, 1536}, {4096, 4096}};
    printf("%-6s%14s%12s%12s%12s%12s%12s\n", "type", "rows x cols", "1 row GB/s", "of memory", "8 rows Gop/s", "512 rows", "of VNNI/2");
    for (int type = getenv("T") ? atoi(getenv("T")) : 0; type <= SKEIN_Q4_1; type++) {
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            int rows = shapes[s][0];
            int columns = shapes[s][1];
            skein_weight *first = weight(cpu, type, rows, columns, 0);
            int64_t bytes;
            skein_weight_bytes(first, &bytes);
            int count = (int)(100e6 / (double)bytes) + 1;
            skein_op *ops = calloc((size_t)count, sizeof *ops);
            float *x = floats((size_t)512 * (size_t)columns);
            float *out = floats((size_t)512 * (size_t)rows);
            for (int i = 0; i < count; i++) {
                ops[i] = (skein_op){.kind = SKEIN_OP_MATMUL, .rows = 1, .columns = columns, .x = x, .out = out};
                ops[i].weight = i ? weight(cpu, type, rows, columns, 0) : first;
            }
            skein_step step = {0};
            double one = run(cpu, &step, ops, count, 15) / count;
            for (int i = 0; i < count; i++) ops[i].rows = 8;
            double eight = run(cpu, &step, ops, count, 9) / count;
            int few = count < 4 ? count : 4;
            for (int i = 0; i < few; i++) ops[i].rows = 512;
            double many = run(cpu, &step, ops, few, 5) / few;
            double work = 2.0 * rows * columns;
            printf("%-6s%7d x %-5d%11.1f%11.0f%%%12.0f%12.0f%11.0f%%\n", names[type], rows, columns, (double)bytes / one / 1e9,
                   100 * (double)bytes / one / bandwidth, 8 * work / eight / 1e9, 512 * work / many / 1e9,
                   100 * 512 * work / many / (arithmetic / 2));
            fflush(stdout);
            free(ops);
            free(x);
            free(out);
        }
    }
}

/* The model */

typedef struct {
    skein_cpu *cpu;
    skein_cache *cache;
    skein_op ops[LAYERS * 8 + 5];
    int count;
    int32_t ids[MOST_TOKENS], positions[MOST_TOKENS], sequence[MOST_TOKENS], slots[MOST_TOKENS];
    int32_t starts[MOST_TOKENS + 1], table[MOST_TOKENS + BLOCKS];
    skein_output outputs[64];
    skein_result results[64];
    skein_step step;
    double bytes;
} model;

static skein_op *add(model *m, skein_op op) {
    m->ops[m->count] = op;
    return &m->ops[m->count++];
}

static const void *counted(model *m, skein_weight *w) {
    int64_t bytes;
    skein_weight_bytes(w, &bytes);
    m->bytes += (double)bytes;
    return w;
}

static void build(model *m, skein_cpu *cpu, int type) {
    m->cpu = cpu;
    must(skein_cache_new(LAYERS, KV_HEADS, HEAD, BLOCKS, &m->cache), "skein_cache_new");
    skein_matrix embeddings = matrix(SKEIN_Q8_0, VOCABULARY, HIDDEN);
    float *x = floats((size_t)MOST_TOKENS * HIDDEN);
    float *h = floats((size_t)MOST_TOKENS * HIDDEN);
    float *qkv = floats((size_t)MOST_TOKENS * FUSED);
    float *seen = floats((size_t)MOST_TOKENS * HIDDEN);
    float *inner = floats((size_t)MOST_TOKENS * INNER);
    float *last = floats((size_t)64 * HIDDEN);
    float *logits = floats((size_t)64 * VOCABULARY);
    float *norm = floats(HIDDEN);
    float *angles = floats((size_t)BLOCKS * 16 * HEAD);
    add(m, (skein_op){.kind = SKEIN_OP_EMBED, .number = 1, .columns = HIDDEN, .type = SKEIN_Q8_0, .bound = VOCABULARY, .weight = embeddings.data, .out = x});
    for (int layer = 0; layer < LAYERS; layer++) {
        skein_op heads = {.columns = FUSED, .query_heads = QUERY_HEADS, .kv_heads = KV_HEADS, .head_size = HEAD, .layer = layer,
                          .group = QUERY_HEADS / KV_HEADS, .cache = m->cache};
        add(m, (skein_op){.kind = SKEIN_OP_RMS_NORM, .columns = HIDDEN, .number = 1e-5f, .weight = norm, .x = x, .out = h});
        add(m, (skein_op){.kind = SKEIN_OP_MATMUL, .columns = HIDDEN, .weight = counted(m, weight(cpu, type, FUSED, HIDDEN, 0)), .x = h, .out = qkv});
        skein_op *rope = add(m, heads);
        rope->kind = SKEIN_OP_ROPE_STORE;
        rope->rope_pairs = HEAD / 2;
        rope->rope_interleaved = 1;
        rope->bound = BLOCKS * 16;
        rope->weight = angles;
        rope->out = qkv;
        skein_op *attention = add(m, heads);
        attention->kind = SKEIN_OP_ATTENTION;
        attention->number = 0.125f;
        attention->x = qkv;
        attention->out = seen;
        add(m, (skein_op){.kind = SKEIN_OP_MATMUL_ADD, .columns = HIDDEN, .weight = counted(m, weight(cpu, type, HIDDEN, HIDDEN, 0)), .x = seen, .out = x});
        add(m, (skein_op){.kind = SKEIN_OP_RMS_NORM, .columns = HIDDEN, .number = 1e-5f, .weight = norm, .x = x, .out = h});
        add(m, (skein_op){.kind = SKEIN_OP_GATED_MATMUL, .columns = HIDDEN, .weight = counted(m, weight(cpu, type, INNER, HIDDEN, 1)), .x = h, .out = inner});
        add(m, (skein_op){.kind = SKEIN_OP_MATMUL_ADD, .columns = INNER, .weight = counted(m, weight(cpu, type, HIDDEN, INNER, 0)), .x = inner, .out = x});
    }
    add(m, (skein_op){.kind = SKEIN_OP_GATHER, .columns = HIDDEN, .x = x, .out = last});
    add(m, (skein_op){.kind = SKEIN_OP_RMS_NORM, .columns = HIDDEN, .number = 1e-5f, .weight = norm, .x = last, .out = last});
    add(m, (skein_op){.kind = SKEIN_OP_MATMUL, .columns = HIDDEN, .weight = counted(m, weight(cpu, SKEIN_Q8_0, VOCABULARY, HIDDEN, 0)), .x = last, .out = logits});
    add(m, (skein_op){.kind = SKEIN_OP_SAMPLE, .columns = VOCABULARY, .x = logits, .results = m->results});
}

/* So many sequences of so many new tokens each, after a context; one output each. */
static void inputs(model *m, int sequences, int tokens, int context, float temperature) {
    int blocks_each = BLOCKS / sequences;
    int row = 0;
    for (int s = 0; s < sequences; s++) {
        m->starts[s] = s * blocks_each;
        for (int b = 0; b < blocks_each; b++) m->table[s * blocks_each + b] = s * blocks_each + b;
        for (int i = 0; i < tokens; i++, row++) {
            m->ids[row] = (int32_t)(next_random() % VOCABULARY);
            m->positions[row] = context + i;
            m->sequence[row] = s;
            m->slots[row] = s * blocks_each * 16 + context + i;
        }
        m->outputs[s] = (skein_output){.row = row - 1, .target = -1, .logprobs = -1, .temperature = temperature, .top_p = 0.95f,
                                       .repetition_penalty = 1, .position = context};
    }
    m->starts[sequences] = sequences * blocks_each;
    m->step = (skein_step){.tokens = row, .sequences = sequences, .outputs = sequences, .blocks = sequences * blocks_each,
                           .ids = m->ids, .positions = m->positions, .sequence = m->sequence, .slots = m->slots,
                           .block_start = m->starts, .block_table = m->table, .output = m->outputs};
    int gathered = 0;
    for (int i = 0; i < m->count; i++) {
        gathered |= m->ops[i].kind == SKEIN_OP_GATHER;
        m->ops[i].rows = gathered ? sequences : row;
    }
}

static void decode(model *m, int sequences, int context, float temperature, double bandwidth) {
    inputs(m, sequences, 1, context, temperature);
    double seconds = run(m->cpu, &m->step, m->ops, m->count, 25);
    double bytes = m->bytes + (double)sequences * context * LAYERS * KV_HEADS * HEAD * 4;
    printf("decode, batch %d, context %d%s: %.3f ms, %.0f tok/s, %.1f GB/s = %.0f%% of memory\n", sequences, context,
           temperature > 0 ? ", sampled" : "", 1e3 * seconds, sequences / seconds, bytes / seconds / 1e9,
           100 * bytes / seconds / bandwidth);
}

static void prefill(model *m, int tokens) {
    inputs(m, 1, tokens, 0, 0);
    double seconds = run(m->cpu, &m->step, m->ops, m->count, 5);
    printf("prefill of %d: %.1f ms, %.0f tok/s\n", tokens, 1e3 * seconds, tokens / seconds);
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    skein_options options = {threads, argc > 2 ? atoi(argv[2]) : SKEIN_ISA_AUTO, 1, 200};
    skein_cpu *cpu;
    must(skein_open(&options, &cpu), "skein_open");
    int32_t isa;
    int32_t cores;
    skein_describe(cpu, &isa, &cores);
    uint8_t *data = mmap(NULL, LIMIT_BYTES + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(data, LIMIT_BYTES, MADV_HUGEPAGE);
    memset(data, 1, LIMIT_BYTES + 8192);
    double bandwidth = measure_limit(threads, 0, data);
    double arithmetic = __builtin_cpu_supports("avx512vnni") ? measure_limit(threads, 1, data) : 1;
    printf("%d threads of %d, isa %d; memory reads at %.1f GB/s", threads, cores, isa, bandwidth / 1e9);
    if (arithmetic > 1) printf(", VNNI at %.0f Gop/s (half of it for 15-bit activations)", arithmetic / 1e9);
    printf("\n");
    if (argc <= 3) products(cpu, bandwidth, arithmetic);
    model *m = calloc(1, sizeof *m);
    double from = now();
    build(m, cpu, SKEIN_Q4_1);
    printf("model of %.1f MB packed, with its making, in %.2f s\n", m->bytes / 1e6, now() - from);
    prefill(m, 2048);
    prefill(m, 512);
    decode(m, 1, 0, 0, bandwidth);
    decode(m, 1, 500, 0, bandwidth);
    decode(m, 1, 500, 0.8f, bandwidth);
    decode(m, 1, 2000, 0, bandwidth);
    decode(m, 8, 500, 0, bandwidth);
    skein_close(cpu);
    return 0;
}
