/* How many threads of a pool take part in its jobs. Not part of the interface. */
#ifndef SKEIN_TEAM_H
#define SKEIN_TEAM_H

#include <stdint.h>

/*
 * Threads wait for each other hundreds of times in a step, so one whose core another process uses holds up all: with one of
 * two cores taken, two threads together were a sixth as fast as one alone. So a team gives up a thread when one of them
 * wanted to run and could not for more of the time than a thread fewer costs, and tries again later, the longer after the more
 * often that failed. No clock: the caller brings the times.
 */
typedef struct team {
    int most;
    int active;
    int trying;        /* whether the last one came back for a trial */
    int64_t took;      /* nanoseconds of the jobs looked at together */
    int64_t lost;      /* of them, what the thread that lost most of each could not run */
    int64_t pause;     /* before the next trial */
    int64_t trial_at;
} team;

void team_open(team *team, int most);

/* Tells of a job that ended `now`, and returns how many threads are to take part in the next. */
int team_next(team *team, int64_t now, int64_t took, int64_t lost);

#endif
