/*
 * A stage: a simulated machine with a server and a place for clients, for running scenarios on. No
 * faults happen by themselves. Everything here is called from outside of fibers.
 */
#ifndef SIM_STAGE_H
#define SIM_STAGE_H

#include "runtime/runtime_simulator.h"
#include "scenario.h"
#include "server/server_service.h"

struct stage {
    struct simulator *simulator;
    const struct scenario *scenario;
    struct runtime *clients, *server;
    struct runtime_options server_options;
    struct engine_options engine_options;
    struct service service;
    struct future serving;
    bool ready, ever_ready;
    bool findings_allowed; /* the check after an opening may find something */
    uint64_t findings;
    char end[300];     /* why the server ended by itself */
    char failure[600]; /* "" while everything holds; the first one counts */
};

extern const char stage_address[];

void stage_fail(struct stage *stage, const char *format, ...) PRINTF_LIKE(2, 3);
/* A machine with an empty disk and a runtime for clients. */
void stage_create(struct stage *stage, const struct scenario *scenario, uint64_t seed,
                  void (*trace)(const char *line));
/* Every opening is followed by the check of everything. */
void stage_start(struct stage *stage);
/* Let the server come up; false when it ended instead (stage.end says why) or failed. */
bool stage_wait_ready(struct stage *stage);
/* Clients and the server are gone; clients may come again. */
void stage_crash(struct stage *stage, enum simulator_crash how);
/* In good order. */
void stage_stop(struct stage *stage);
/* Run a function of clients to its end while the server runs. False: the server stopped itself. */
bool stage_run(struct stage *stage, fiber_function function, void *argument);

#endif
