/*
 * A barrier is two stores and some loads: each thread counts the barriers it has reached on a cache line of its own, and
 * waits until all others' counts are as high. No line is written by two, so nothing is fought for. Who waits spins first;
 * a peer that has lost its core to another process gets it back the sooner the more of us yield, so after some tens of
 * microseconds we do, and later sleep for moments.
 *
 * Between jobs threads spin for a while, since the next step mostly follows at once, and then park on a futex.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <immintrin.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "skein_cpu.h"

#define LINE 128           /* two lines: the processor fetches pairs */
#define SPINS 600          /* pauses before the first yield: 10 to 30 us */
#define YIELDS 100         /* then yields before the first sleep */
#define SLEEP_NANOS 50000

typedef struct {
    _Alignas(LINE) _Atomic uint32_t reached; /* barriers */
} flag;

typedef struct {
    pool *pool;
    int index;
    int cpu; /* -1: any */
    pthread_t thread;
} worker;

struct pool {
    _Alignas(LINE) _Atomic uint32_t epoch; /* counts jobs; threads park on it */
    _Alignas(LINE) _Atomic int32_t parked;
    _Alignas(LINE) int threads;
    int spin_micros;
    int started;
    pool_job job;
    void *argument;
    _Atomic int closing;
    cpu_set_t cores;
    worker *workers;
    flag *flags;
};

static int64_t now_nanos(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void relax(int *waited) {
    int turn = (*waited)++;
    if (turn < SPINS) {
        _mm_pause();
    } else if (turn < SPINS + YIELDS) {
        sched_yield();
    } else {
        struct timespec moment = {0, SLEEP_NANOS};
        nanosleep(&moment, NULL);
    }
}

void pool_barrier(pool *pool, int thread) {
    if (pool->threads == 1) return;
    uint32_t mine = atomic_load_explicit(&pool->flags[thread].reached, memory_order_relaxed) + 1;
    atomic_store_explicit(&pool->flags[thread].reached, mine, memory_order_release);
    for (int other = 0; other < pool->threads; other++) {
        int waited = 0;
        while ((int32_t)(atomic_load_explicit(&pool->flags[other].reached, memory_order_acquire) - mine) < 0) relax(&waited);
    }
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void await_job(pool *pool, uint32_t before) {
    int64_t until = now_nanos() + (int64_t)pool->spin_micros * 1000;
    while (now_nanos() < until) {
        for (int i = 0; i < 50; i++) {
            if (atomic_load_explicit(&pool->epoch, memory_order_acquire) != before) return;
            _mm_pause();
        }
    }
    atomic_fetch_add(&pool->parked, 1); /* ordered against the caller's: epoch first, then parked */
    while (atomic_load(&pool->epoch) == before) futex_wait(&pool->epoch, before);
    atomic_fetch_sub(&pool->parked, 1);
}

static void stay(const worker *worker) {
    cpu_set_t set = worker->pool->cores; /* not what the creating thread happens to have */
    if (worker->cpu >= 0) {
        CPU_ZERO(&set);
        CPU_SET(worker->cpu, &set);
    }
    pthread_setaffinity_np(pthread_self(), sizeof set, &set); /* on failure it runs where it may */
}

static void *work(void *argument) {
    worker *self = argument;
    pool *pool = self->pool;
    stay(self);
    pthread_setname_np(pthread_self(), "skein-cpu");
    for (uint32_t epoch = 0;; epoch++) {
        await_job(pool, epoch);
        if (atomic_load(&pool->closing)) return NULL;
        pool->job(pool->argument, self->index);
        pool_barrier(pool, self->index);
    }
}

static void begin(pool *pool) {
    atomic_fetch_add(&pool->epoch, 1);
    if (atomic_load(&pool->parked) > 0) syscall(SYS_futex, &pool->epoch, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void pool_run(pool *pool, pool_job job, void *argument) {
    if (pool->threads > 1) {
        pool->job = job;
        pool->argument = argument;
        begin(pool);
    }
    job(argument, 0);
    pool_barrier(pool, 0);
}

static void cores_of_process(cpu_set_t *set) {
    CPU_ZERO(set);
    if (sched_getaffinity(getpid(), sizeof *set, set) != 0) CPU_SET(0, set);
}

int pool_cores(void) {
    cpu_set_t set;
    cores_of_process(&set);
    return CPU_COUNT(&set);
}

/* The i-th core of the set, in turn if there are fewer. */
static int core(const cpu_set_t *set, int i) {
    int left = i % CPU_COUNT(set);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, set) && left-- == 0) return cpu;
    }
    return -1;
}

int pool_open(int threads, int pin, int spin_micros, pool **out) {
    size_t bytes = (sizeof(pool) + LINE - 1) / LINE * LINE;
    pool *made = aligned_alloc(LINE, bytes);
    flag *flags = aligned_alloc(LINE, sizeof(flag) * (size_t)threads);
    worker *workers = calloc((size_t)threads, sizeof(worker));
    if (!made || !flags || !workers) {
        free(made);
        free(flags);
        free(workers);
        return SKEIN_NO_MEMORY;
    }
    memset(made, 0, bytes);
    memset(flags, 0, sizeof(flag) * (size_t)threads);
    made->threads = threads;
    made->spin_micros = spin_micros;
    made->flags = flags;
    made->workers = workers;
    cores_of_process(&made->cores);
    for (int i = 1; i < threads; i++) {
        workers[i] = (worker){.pool = made, .index = i, .cpu = pin ? core(&made->cores, i) : -1};
        if (pthread_create(&workers[i].thread, NULL, work, workers + i) != 0) {
            pool_close(made);
            return SKEIN_NO_THREAD;
        }
        made->started = i;
    }
    *out = made;
    return SKEIN_OK;
}

void pool_close(pool *pool) {
    atomic_store(&pool->closing, 1);
    begin(pool);
    for (int i = 1; i <= pool->started; i++) pthread_join(pool->workers[i].thread, NULL);
    free(pool->workers);
    free(pool->flags);
    free(pool);
}

int pool_threads(const pool *pool) { return pool->threads; }
