/* The interface: handles, what they can do, and the run of a list of operations. */
#include "skein_cpu.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "step.h"
#include "team.h"

/* Status */

const char *skein_status_text(int status) {
    switch (status) {
        case SKEIN_OK: return "ok";
        case SKEIN_BAD_ARGUMENT: return "bad argument";
        case SKEIN_NO_MEMORY: return "no memory";
        case SKEIN_NO_THREAD: return "cannot start a thread";
        case SKEIN_NO_ISA: return "this processor lacks the instruction set";
        case SKEIN_BAD_ID: return "id out of range";
        case SKEIN_BAD_POSITION: return "position beyond the sequence's blocks";
        case SKEIN_BAD_SLOT: return "slot beyond the cache";
        case SKEIN_BAD_BLOCK: return "block beyond the cache";
        case SKEIN_BAD_ROW: return "row beyond the step";
        case SKEIN_BAD_BIAS: return "bias out of range";
        case SKEIN_NOT_FINITE: return "a logit is not finite";
        default: return "unknown status";
    }
}

int skein_abi(int32_t *number) {
    *number = SKEIN_ABI;
    return SKEIN_OK;
}

int skein_sizes(int32_t *sizes) {
    const int32_t all[] = {sizeof(skein_options), sizeof(skein_matrix), sizeof(skein_op),  sizeof(skein_step),
                           sizeof(skein_output),  sizeof(skein_result), sizeof(skein_top), sizeof(skein_failure)};
    memcpy(sizes, all, sizeof all);
    return SKEIN_OK;
}

/* Instruction sets */

int skein_cpu_isas(int32_t *isas) {
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    int vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    *isas = avx2 << SKEIN_ISA_AVX2 | avx512 << SKEIN_ISA_AVX512 | vnni << SKEIN_ISA_VNNI;
    return SKEIN_OK;
}

static const skein_kernels *kernels_of(int isa) {
    switch (isa) {
        case SKEIN_ISA_AVX2: return &kernels_avx2;
        case SKEIN_ISA_AVX512: return &kernels_avx512;
        case SKEIN_ISA_VNNI: return &kernels_vnni;
        default: return NULL;
    }
}

/* Opening */

int skein_open(const skein_options *options, skein_cpu **out) {
    int32_t isas;
    skein_cpu_isas(&isas);
    int isa = options->isa;
    if (isa == SKEIN_ISA_AUTO) {
        for (int best = SKEIN_ISA_AVX2; best <= SKEIN_ISA_VNNI; best++) isa = isas >> best & 1 ? best : isa;
    }
    if (isa < SKEIN_ISA_AVX2 || isa > SKEIN_ISA_VNNI || !(isas >> isa & 1)) return SKEIN_NO_ISA;
    if (options->threads < 1 || options->threads > MAX_THREADS || options->spin_micros < 0) return SKEIN_BAD_ARGUMENT;
    skein_cpu *cpu = calloc(1, sizeof *cpu);
    own_room *own = calloc((size_t)options->threads, sizeof *own);
    if (!cpu || !own) {
        free(cpu);
        free(own);
        return SKEIN_NO_MEMORY;
    }
    cpu->own = own;
    cpu->isa = isa;
    cpu->kernels = kernels_of(isa);
    int status = pool_open(options->threads, options->pin, options->spin_micros, &cpu->pool);
    if (status) {
        free(own);
        free(cpu);
        return status;
    }
    *out = cpu;
    return SKEIN_OK;
}

int skein_close(skein_cpu *cpu) {
    int threads = pool_threads(cpu->pool);
    pool_close(cpu->pool);
    for (int i = 0; i < threads; i++) {
        own_room *own = cpu->own + i;
        room *rooms[] = {&own->v, &own->meta, &own->norm, &own->attention, &own->sampling, &own->grouping};
        for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++) free(rooms[r]->data);
    }
    free(cpu->own);
    room *rooms[] = {&cpu->v,      &cpu->meta,     &cpu->partials,     &cpu->stages,    &cpu->units,
                     &cpu->chosen, &cpu->expert_x, &cpu->expert_inner, &cpu->expert_out};
    for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++) free(rooms[r]->data);
    free_weights(cpu);
    free(cpu);
    return SKEIN_OK;
}

int skein_take(skein_cpu *cpu, int32_t threads) {
    if (threads < 0 || threads > pool_threads(cpu->pool)) return SKEIN_BAD_ARGUMENT;
    pool_take(cpu->pool, threads);
    return SKEIN_OK;
}

int skein_team(int32_t threads, const int64_t *jobs, int32_t count, int32_t *active) {
    if (threads < 1 || threads > MAX_THREADS) return SKEIN_BAD_ARGUMENT;
    team made;
    team_open(&made, threads);
    for (int32_t i = 0; i < count; i++) active[i] = team_next(&made, jobs[3 * i], jobs[3 * i + 1], jobs[3 * i + 2]);
    return SKEIN_OK;
}

int skein_describe(const skein_cpu *cpu, int32_t *isa, int32_t *cores) {
    *isa = cpu->isa;
    *cores = pool_cores();
    return SKEIN_OK;
}

/* Cache */

int skein_cache_new(int32_t layers, int32_t heads, int32_t head_size, int32_t blocks, skein_cache **out) {
    if (layers < 1 || heads < 1 || blocks < 1 || head_size < LANES || head_size % LANES != 0) return SKEIN_BAD_ARGUMENT;
    skein_cache *cache = calloc(1, sizeof *cache);
    if (!cache) return SKEIN_NO_MEMORY;
    *cache = (skein_cache){layers, heads, head_size, blocks, NULL, 0};
    cache->bytes = (size_t)layers * (size_t)heads * (size_t)blocks * (size_t)head_size * CACHE_BLOCK * 4;
    cache->bytes = (cache->bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    cache->data = map_pages(cache->bytes);
    if (!cache->data) {
        free(cache);
        return SKEIN_NO_MEMORY;
    }
    *out = cache;
    return SKEIN_OK;
}

int skein_cache_free(skein_cache *cache) {
    munmap(cache->data, cache->bytes);
    free(cache);
    return SKEIN_OK;
}

int skein_run(skein_cpu *cpu, const skein_step *step, const skein_op *ops, int32_t count, skein_failure *failure) {
    memset(failure, 0, sizeof *failure);
    int status = check_step(step, ops, count, failure);
    if (status) return status;
    cpu->step = step;
    cpu->failure = failure;
    atomic_store(&cpu->status, SKEIN_OK);
    status = plan_stages(cpu, ops, count);
    if (status) return status;
    pool_run(cpu->pool, run_stages, cpu);
    return atomic_load(&cpu->status);
}

/* Fetches ahead, as another core may have written the part a moment ago: each of its lines is as far away as memory. */
int skein_add(float *restrict sum, const float *restrict part, int64_t count) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        __builtin_prefetch(part + i + 32 * LANES);
        for (int k = 0; k < LANES; k++) sum[i + k] += part[i + k];
    }
    for (; i < count; i++) sum[i] += part[i];
    return SKEIN_OK;
}
