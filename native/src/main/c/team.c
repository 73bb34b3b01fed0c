#include "team.h"

#define MILLISECOND 1000000
#define LOOKED_AT (30 * MILLISECOND)      /* some slices of a scheduler */
#define SHORTEST_PAUSE (250 * MILLISECOND)
#define LONGEST_PAUSE (4000 * (int64_t)MILLISECOND)

void team_open(team *team, int most) { *team = (struct team){.most = most, .active = most, .pause = SHORTEST_PAUSE}; }

/* One fewer costs 1 part in `active`. Less than that is what a server's own other threads take now and then. */
static int too_much(const team *team) { return team->active > 1 && team->lost * team->active > team->took; }

static void give_up(team *team, int64_t now) {
    team->pause = team->trying ? team->pause * 2 : SHORTEST_PAUSE;
    if (team->pause > LONGEST_PAUSE) team->pause = LONGEST_PAUSE;
    team->active--;
    team->trying = 0;
    team->trial_at = now + team->pause;
}

static void go_on(team *team, int64_t now) {
    if (team->trying) team->trial_at = now + SHORTEST_PAUSE;
    team->trying = team->active < team->most && now >= team->trial_at;
    team->active += team->trying;
}

int team_next(team *team, int64_t now, int64_t took, int64_t lost) {
    team->took += took;
    team->lost += lost;
    if (team->took < LOOKED_AT) return team->active;
    if (too_much(team)) {
        give_up(team, now);
    } else {
        go_on(team, now);
    }
    team->took = 0;
    team->lost = 0;
    return team->active;
}
