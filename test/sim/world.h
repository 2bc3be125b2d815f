/*
 * One simulated world: a server with its disk, clients, and the things that happen to them.
 *
 * Outside of all fibers, world_run() lets time pass, crashes the server and starts it again. On the
 * runtime of the clients, which never fails, workloads talk to the server and note what they were
 * told; what they see must fit to it. The first thing that does not fit is the failure of the seed.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/base_random.h"
#include "client.h"
#include "runtime/runtime_simulator.h"
#include "server/server_service.h"

enum world_mode {
    WORLD_BUDGET, /* faults that a sound database survives: everything must hold */
    WORLD_ROT,    /* bits change, writes go astray: whatever is answered must be right */
};

struct world_options {
    uint64_t seed;
    int seconds; /* virtual */
    enum world_mode mode;
    const char *workload; /* NULL: the seed chooses */
    bool gentle; /* the only accidents are stops: then all memory must have been given back */
    void (*trace)(const char *line);
};

struct world_report {
    uint64_t hash, transactions, refused, lost, crashes, starts, findings;
    int64_t virtual_ns;
    struct simulator_counts counts;
    struct simulator_chance chances[SIMULATOR_CHANCES_MAX];
    size_t chance_count;
    char workload[32];
    char failure[1000]; /* "" when everything held */
};

/* How fast clients work. */
struct pace {
    unsigned rush_pause_ms, ease_pause_ms; /* at most, between the steps of a client */
    unsigned rush_ms;                      /* at most, a rush lasts */
    unsigned steps_left;                   /* of all clients; then they are slow */
    bool rushing;
};

struct workload;
struct world {
    struct world_options options;
    struct simulator *simulator;
    struct random *random; /* the workload's */
    const struct workload *workload;
    struct runtime *clients, *server;
    struct runtime_options server_options;
    struct engine_options engine_options;
    struct setting_override overrides[8];
    char setting_texts[8][24];
    struct service service;
    struct future serving;
    bool ready, ever_ready;
    bool calm;   /* no new faults */
    bool healed; /* nor effects of old ones */
    struct pace pace;
    bool tables_made; /* by the workload */
    bool stopping;    /* clients shall come to an end */
    bool damaged;     /* rot mode: somebody was told so */
    struct world_report *report;
};

/* Why, once: the first one counts. From anywhere. */
void world_fail(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
bool world_failed(const struct world *world);
/* What a client did not get: in rot mode an answer of damage is as good as any. */
bool world_excuses(struct world *world, const struct client *client);
/* In rot mode the last frame of the journal may have rotted, which nobody can tell from one that
   was half written: the newest commits may be gone. */
bool world_excuses_tail(struct world *world);

enum { WORLD_CLIENTS_MAX = 12 };

struct workload {
    const char *name;
    /* Freed with memory_free after the run. */
    void *(*create)(struct world *world);
    void (*destroy)(void *state);
    /* The tables; repeated until it comes through, also when half of it is there. */
    enum client_outcome (*set_up)(struct fiber *f, struct world *world, void *state,
                                  struct client *client);
    /* One step of client `number`, connected. DONE and REFUSED: the connection is good (`client`
       decides itself what to do in a failed transaction); LOST: it is closed. */
    enum client_outcome (*step)(struct fiber *f, struct world *world, void *state, unsigned number,
                                struct client *client);
    /* After a connection was made, also the first: compare what is there with what was noted. */
    enum client_outcome (*compare)(struct fiber *f, struct world *world, void *state,
                                   unsigned number, struct client *client);
    /* After the last compare: what only the whole history shows. May be NULL. */
    void (*judge)(struct world *world, void *state);
};

extern const struct workload workload_append, workload_bank, workload_load, workload_model,
    workload_storm;
extern const struct workload *const workloads[];

/* Never fails itself: failures are in the report. */
void world_run(const struct world_options *options, struct world_report *report_out);

#endif
