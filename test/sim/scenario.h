/*
 * Scenarios: fixed stories of one client, step by step, for enumerating what can go wrong at each
 * point of them. A step is a statement, or a transaction sent as one text; it is there wholly or
 * not at all. Looks are queries over everything a scenario may have made: their answers, as one
 * line of counts and hashes, tell two states apart.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "client.h"

enum { SCENARIO_STEPS_MAX = 64, SCENARIO_LOOKS_MAX = 16, SCENARIO_STATE_SIZE = 480 };

struct scenario {
    const char *name;
    const char *steps[SCENARIO_STEPS_MAX]; /* up to the first NULL */
    const char *looks[SCENARIO_LOOKS_MAX];
    const char *chores[8]; /* of a second client, over and over; they change no answer */
};

extern const struct scenario scenario_load, scenario_mixed, scenario_ddl;

unsigned scenario_step_count(const struct scenario *scenario);
/* Run one step on an open connection. */
enum client_outcome scenario_step(struct fiber *f, const struct scenario *scenario, unsigned step,
                                  struct client *client);
/* What is there: a word for each look, "-" where there is no such table. REFUSED: a look was, for
   another reason; the client says why. With `damage`, one that was refused for damage is "!". */
enum client_outcome scenario_look(struct fiber *f, const struct scenario *scenario,
                                  struct client *client, bool damage,
                                  char state[SCENARIO_STATE_SIZE]);

#endif
