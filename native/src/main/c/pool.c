/*
 * A barrier is two stores and some loads: each thread counts the barriers it has reached on a cache line of its own, and
 * waits until all others' counts are as high. No line is written by two, so nothing is fought for. Who waits spins first;
 * a peer that has lost its core to another process gets it back the sooner the more of us yield, so after some tens of
 * microseconds we do, and later sleep for moments.
 *
 * Between jobs threads spin for a while, since the next step mostly follows at once, and then park on a futex. Threads that
 * do not take part in a job (team.h) park on another one, so that no job wakes them. What a thread reads of a job's team must
 * belong to that job, so both are one word.
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
#include "team.h"

#define LINE 128           /* two lines: the processor fetches pairs */
#define SPINS 600          /* pauses before the first yield: 10 to 30 us */
#define YIELDS 100         /* then yields before the first sleep */
#define SLEEP_NANOS 50000

/* A word of a job: how many of the threads take part, below its number. */
#define TEAM_BITS 9
#define TEAM_MASK ((1u << TEAM_BITS) - 1)

typedef struct {
    _Alignas(LINE) _Atomic uint32_t reached; /* barriers */
    int64_t slept;                           /* nanoseconds of the job, and of them those that it could not run */
    int64_t lost;
} flag;

typedef struct {
    pool *pool;
    int index;
    int cpu; /* -1: any */
    pthread_t thread;
} worker;

struct pool {
    _Alignas(LINE) _Atomic uint32_t current; /* job; threads of its team park on it */
    _Alignas(LINE) _Atomic uint32_t recalls; /* counts teams that grew; threads of none park on it */
    _Alignas(LINE) _Atomic int32_t parked;
    _Alignas(LINE) int threads;
    int active;
    int fixed; /* by pool_take; 0: as the team says */
    team team;
    int spin_micros;
    int started;
    pool_job job;
    void *argument;
    _Atomic int closing;
    cpu_set_t cores;
    worker *workers;
    flag *flags;
};

static int64_t nanos(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now_nanos(void) { return nanos(CLOCK_MONOTONIC); }

static void relax(flag *own, int *waited) {
    int turn = (*waited)++;
    if (turn < SPINS) {
        _mm_pause();
    } else if (turn < SPINS + YIELDS) {
        sched_yield();
    } else {
        struct timespec moment = {0, SLEEP_NANOS};
        int64_t from = now_nanos();
        nanosleep(&moment, NULL);
        own->slept += now_nanos() - from;
    }
}

void pool_barrier(pool *pool, int thread) {
    int active = pool->active; /* may be another for the next job before this thread leaves the last barrier */
    if (active == 1) return;
    flag *own = pool->flags + thread;
    uint32_t mine = atomic_load_explicit(&own->reached, memory_order_relaxed) + 1;
    atomic_store_explicit(&own->reached, mine, memory_order_release);
    for (int other = 0; other < active; other++) {
        int waited = 0;
        while ((int32_t)(atomic_load_explicit(&pool->flags[other].reached, memory_order_acquire) - mine) < 0) relax(own, &waited);
    }
}

/* A thread's part of a job. What it did not run and did not sleep, another process had its core: also while it yielded. */
static void take_part(pool *pool, int thread) {
    flag *own = pool->flags + thread;
    int64_t from = now_nanos();
    int64_t ran = nanos(CLOCK_THREAD_CPUTIME_ID);
    own->slept = 0;
    pool->job(pool->argument, thread);
    own->lost = now_nanos() - from - (nanos(CLOCK_THREAD_CPUTIME_ID) - ran) - own->slept;
    pool_barrier(pool, thread);
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static uint32_t await_job(pool *pool, uint32_t before) {
    uint32_t job;
    int64_t until = now_nanos() + (int64_t)pool->spin_micros * 1000;
    while (now_nanos() < until) {
        for (int i = 0; i < 50; i++) {
            if ((job = atomic_load_explicit(&pool->current, memory_order_acquire)) != before) return job;
            _mm_pause();
        }
    }
    atomic_fetch_add(&pool->parked, 1); /* ordered against the caller's: the job first, then parked */
    while ((job = atomic_load(&pool->current)) == before) futex_wait(&pool->current, before);
    atomic_fetch_sub(&pool->parked, 1);
    return job;
}

/* Until a job's team is large enough to have this thread. */
static void await_recall(pool *pool, int thread) {
    for (;;) {
        uint32_t recalls = atomic_load(&pool->recalls);
        if ((int)(atomic_load(&pool->current) & TEAM_MASK) > thread) return;
        futex_wait(&pool->recalls, recalls);
    }
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
    for (uint32_t job = 0;;) {
        job = await_job(pool, job);
        if (atomic_load(&pool->closing)) return NULL;
        if ((int)(job & TEAM_MASK) > self->index) {
            take_part(pool, self->index);
        } else {
            await_recall(pool, self->index);
        }
    }
}

static void wake_all(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0); }

static void begin(pool *pool) {
    uint32_t before = atomic_load_explicit(&pool->current, memory_order_relaxed);
    uint32_t number = (before >> TEAM_BITS) + 1;
    atomic_store(&pool->current, number << TEAM_BITS | (uint32_t)pool->active);
    if (atomic_load(&pool->parked) > 0) wake_all(&pool->current);
    if (pool->active > (int)(before & TEAM_MASK)) {
        atomic_fetch_add(&pool->recalls, 1);
        wake_all(&pool->recalls);
    }
}

/* Who comes back has missed barriers. It is at rest: nobody else writes its count. */
static void set_active(pool *pool, int active) {
    uint32_t reached = atomic_load_explicit(&pool->flags[0].reached, memory_order_relaxed);
    for (int i = pool->active; i < active; i++) {
        atomic_store_explicit(&pool->flags[i].reached, reached, memory_order_relaxed);
    }
    pool->active = active;
}

static int64_t most_lost(const pool *pool) {
    int64_t most = 0;
    for (int i = 0; i < pool->active; i++) most = pool->flags[i].lost > most ? pool->flags[i].lost : most;
    return most;
}

void pool_run(pool *pool, pool_job job, void *argument) {
    if (pool->threads == 1) {
        job(argument, 0);
        return;
    }
    pool->job = job;
    pool->argument = argument;
    int64_t from = now_nanos();
    if (pool->active > 1) begin(pool);
    take_part(pool, 0);
    int64_t now = now_nanos();
    if (!pool->fixed) set_active(pool, team_next(&pool->team, now, now - from, most_lost(pool)));
}

void pool_take(pool *pool, int threads) {
    pool->fixed = threads;
    team_open(&pool->team, pool->threads);
    set_active(pool, threads ? threads : pool->threads);
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
    made->active = threads;
    team_open(&made->team, threads);
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
    set_active(pool, pool->threads);
    begin(pool);
    for (int i = 1; i <= pool->started; i++) pthread_join(pool->workers[i].thread, NULL);
    free(pool->workers);
    free(pool->flags);
    free(pool);
}

int pool_threads(const pool *pool) { return pool->threads; }

int pool_active(const pool *pool) { return pool->active; }
