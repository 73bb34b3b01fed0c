/* Threads that run the same function together, thread 0 being the caller's. Not part of the interface. */
#ifndef SKEIN_POOL_H
#define SKEIN_POOL_H

#include <stdint.h>

typedef struct pool pool;
typedef void (*pool_job)(void *argument, int thread);

/* A status. */
int pool_open(int threads, int pin, int spin_micros, pool **out);

void pool_close(pool *pool);

int pool_threads(const pool *pool);

/* Threads that take part in this job, and between jobs in the next: numbers below it. */
int pool_active(const pool *pool);

/* Lets so many take part, whatever happens; 0: as many as have a core each, which is how a pool begins. */
void pool_take(pool *pool, int threads);

/* Cores that the process may use. */
int pool_cores(void);

/* Runs a job on all threads that take part and returns when all have ended. */
void pool_run(pool *pool, pool_job job, void *argument);

/* Within a job, called by every thread that takes part: nobody goes on before all are here, with all that they wrote to be seen. */
void pool_barrier(pool *pool, int thread);

#endif
