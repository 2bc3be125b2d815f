#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base_hash.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "server/server_verify.h"

static const char ADDRESS[] = "127.0.0.1:5433", DIRECTORY[] = "/sim/data";
static const int64_t MS = 1000000, SECOND = 1000000000;
enum { SLEEP_MS_MAX = 50, SLOW_MS = 5000 };

void world_fail(struct world *world, const char *format, ...) {
    char *failure = world->report->failure;
    if (failure[0] != '\0')
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure, sizeof world->report->failure, format, arguments);
    va_end(arguments);
    simulator_note(world->simulator, "FAILURE: %.400s", failure);
}

bool world_failed(const struct world *world) {
    return world->report->failure[0] != '\0';
}

/* Has the disk changed anything by itself? */
static bool has_rotted(const struct world *world) {
    const struct simulator_counts *counts = simulator_counts(world->simulator);
    return counts->faults[SIMULATOR_BIT_ROT] + counts->faults[SIMULATOR_MISDIRECTED] > 0;
}

bool world_excuses(struct world *world, const struct client *client) {
    if (strncmp(client->sqlstate, "XX00", 4) != 0 || !has_rotted(world))
        return false;
    world->damaged = true;
    return true;
}

bool world_excuses_tail(struct world *world) {
    if (!has_rotted(world))
        return false;
    simulator_note(world->simulator, "the journal's end may have rotted");
    world->damaged = true;
    return true;
}

static uint64_t pick(struct world *world, uint64_t bound) {
    return random_below(world->random, bound);
}

/* ---- the server --------------------------------------------------------------------------- */

struct finding_count {
    struct world *world;
    uint64_t count;
};

static void take_finding(void *context, const char *line) {
    struct finding_count *found = context;
    simulator_note(found->world->simulator, "check: %s", line);
    if (found->count++ == 0 && found->world->options.mode == WORLD_BUDGET)
        world_fail(found->world, "check after recovery: %s", line);
}

/* After every recovery, before anybody comes in; without faults, for they are not what is asked. */
static enum status check_opened(struct fiber *f, struct service *service) {
    struct world *world = service->context;
    struct simulator *s = world->simulator;
    static const enum simulator_fault hushed[] = {SIMULATOR_READ_ERROR, SIMULATOR_STUCK,
                                                  SIMULATOR_NO_MEMORY};
    enum { HUSHED = sizeof hushed / sizeof hushed[0] };
    uint32_t rates[HUSHED];
    for (int i = 0; i < HUSHED; i++)
        rates[i] = simulator_rate_set(s, hushed[i], 0);
    struct finding_count found = {world, 0};
    struct verification verification;
    enum status status = engine_verify(f, service->engine, take_finding, &found, &verification);
    for (int i = 0; i < HUSHED; i++)
        (void)simulator_rate_set(s, hushed[i], world->calm ? 0 : rates[i]);
    world->report->findings += verification.findings;
    return status;
}

static void note_ready(struct service *service) {
    struct world *world = service->context;
    world->ready = world->ever_ready = true;
    world->report->starts++;
    simulator_note(world->simulator, "server: ready");
}

static enum status serve(struct fiber *f, void *argument) {
    struct world *world = argument;
    return service_run(f, &world->service);
}

static void start_server(struct world *world) {
    world->ready = false;
    world->service = (struct service){
        .engine_options = &world->engine_options,
        .address = ADDRESS,
        .opened = check_opened,
        .ready = note_ready,
        .context = world,
    };
    world->engine_options.create_if_missing = !world->ever_ready;
    simulator_note(world->simulator, "server: start");
    enum status status = runtime_create(&world->server_options, &world->server);
    simulator_starve(world->simulator, world->server);
    if (status == STATUS_OK)
        status = runtime_submit(world->server, 0, serve, world, &world->serving);
    if (status != STATUS_OK)
        world_fail(world, "cannot start a runtime: %s", error_current()->message);
}

static void crash_server(struct world *world, enum simulator_crash how) {
    simulator_crash(world->simulator, world->server, how);
    world->server = NULL;
    world->ready = false;
    world->report->crashes++;
}

/* A start or a run that ended by itself. Faults may cause it; damage they may not. */
static void server_ended(struct world *world, enum status status) {
    simulator_note(world->simulator, "server: ended: %s: %s", status_name(status),
                   error_current()->message);
    bool damage = status == STATUS_DATA_CORRUPTED || status == STATUS_INDEX_CORRUPTED;
    if (has_rotted(world))
        world->damaged = true;
    else if (damage || world->healed || status == STATUS_INTERNAL_ERROR ||
             (world->ever_ready && status == STATUS_UNDEFINED_FILE))
        world_fail(world, "server ended with %s: %s", status_name(status),
                   error_current()->message);
    runtime_destroy(world->server);
    world->server = NULL;
    world->ready = false;
}

/* Let time pass; see to it that a server runs. */
static void pass(struct world *world, int64_t duration_ns) {
    struct simulator *s = world->simulator;
    int64_t until = simulator_now_ns(s) + duration_ns;
    while (simulator_now_ns(s) < until && !world_failed(world)) {
        if (world->server == NULL)
            start_server(world);
        enum status status;
        simulator_run_for(s, 10 * MS < until - simulator_now_ns(s) ? 10 * MS
                                                                   : until - simulator_now_ns(s));
        if (future_wait(&world->serving, 0, &status)) {
            server_ended(world, status);
            simulator_run_for(s, (int64_t)pick(world, 300) * MS);
        } else if (simulator_failed(s, world->server)) {
            if (world->healed && !has_rotted(world))
                world_fail(world, "the server stopped itself without any fault");
            crash_server(world, pick(world, 2) == 0 ? SIMULATOR_POWER : SIMULATOR_KILL);
        }
    }
}

static enum status stop_service(struct fiber *f, void *argument) {
    service_stop(argument);
    return STATUS_OK;
}

static void stop_server(struct world *world) {
    if (world->server == NULL)
        return;
    struct future told;
    if (runtime_submit(world->server, 0, stop_service, &world->service, &told) != STATUS_OK)
        world_fail(world, "cannot tell the server to stop");
    enum status status = STATUS_OK;
    int64_t until = simulator_now_ns(world->simulator) + 120 * SECOND;
    while (!future_wait(&world->serving, 0, &status)) {
        simulator_run_for(world->simulator, 10 * MS);
        if (simulator_failed(world->simulator, world->server)) {
            if (world->healed && !has_rotted(world))
                world_fail(world, "the server stopped itself without any fault");
            crash_server(world, SIMULATOR_POWER);
            return;
        }
        if (simulator_now_ns(world->simulator) >= until) {
            world_fail(world, "the server does not stop when told to");
            crash_server(world, SIMULATOR_KILL);
            return;
        }
    }
    enum status ignored;
    (void)!future_wait(&told, 0, &ignored); /* it has come to its end, too: its memory comes back */
    if (status != STATUS_OK && status != STATUS_SHUTDOWN)
        server_ended(world, status);
    else
        runtime_destroy(world->server);
    world->server = NULL;
    world->ready = false;
}

/* ---- clients ------------------------------------------------------------------------------ */

struct client_seat {
    struct world *world;
    void *state;
    unsigned number;
};

/* Nonsense, internal errors and damage are nobody's fault but the server's. */
static void judge_outcome(struct world *world, const struct client *client,
                          enum client_outcome outcome) {
    if (client->nonsense)
        world_fail(world, "%s", client->message);
    if (outcome == CLIENT_REFUSED && strncmp(client->sqlstate, "XX00", 4) == 0 &&
        (client->sqlstate[4] == '0' || !world_excuses(world, client)))
        world_fail(world, "error %s: %s", client->sqlstate, client->message);
}

static void count_outcome(struct world *world, const struct client *client,
                          enum client_outcome outcome) {
    struct world_report *report = world->report;
    *(outcome == CLIENT_DONE      ? &report->transactions
      : outcome == CLIENT_REFUSED ? &report->refused
                                  : &report->lost) += 1;
    judge_outcome(world, client, outcome);
}

static enum client_outcome connect_seat(struct fiber *f, const struct client_seat *seat,
                                        struct client *client, char *why) {
    struct world *world = seat->world;
    enum client_outcome outcome = client_open(f, ADDRESS, client);
    if (outcome == CLIENT_DONE && !world->tables_made) {
        if (seat->number != 0) {
            client_close(f, client, true);
            return CLIENT_LOST;
        }
        outcome = world->workload->set_up(f, world, seat->state, client);
        if (outcome == CLIENT_DONE)
            world->tables_made = true;
        else
            client_close(f, client, true);
    }
    if (outcome == CLIENT_DONE)
        outcome = world->workload->compare(f, world, seat->state, seat->number, client);
    memcpy(why, client->message, sizeof client->message);
    judge_outcome(world, client, outcome);
    if (outcome != CLIENT_DONE)
        client_close(f, client, true);
    return outcome;
}

/* Between two steps, as long as the pace says; who rests at ease notices when a rush begins. */
static enum status rest(struct fiber *f, struct world *world) {
    struct pace *pace = &world->pace;
    if (pace->steps_left > 0 && --pace->steps_left == 0)
        *pace = (struct pace){.rush_pause_ms = SLOW_MS, .ease_pause_ms = SLOW_MS, .rush_ms = 1};
    bool rushing = pace->rushing;
    unsigned ms = (unsigned)pick(world, rushing ? pace->rush_pause_ms : pace->ease_pause_ms);
    while (ms > 0 && !world->stopping && (rushing || !pace->rushing)) {
        unsigned part = ms < SLEEP_MS_MAX ? ms : SLEEP_MS_MAX;
        TRY(fiber_sleep(f, (int64_t)part * MS));
        ms -= part;
    }
    return STATUS_OK;
}

/* From now on statements, commits too, are cancelled wherever they happen to be. */
static enum client_outcome be_in_a_hurry(struct fiber *f, struct world *world,
                                         struct client *client) {
    static const char *const patience[] = {"statement_timeout", "lock_timeout"};
    return client_query_format(f, client, "set %s = %u", patience[pick(world, 2)],
                               1 + (unsigned)pick(world, pick(world, 2) == 0 ? 20 : 300));
}

static enum status run_seat(struct fiber *f, void *argument) {
    const struct client_seat *seat = argument;
    struct world *world = seat->world;
    struct client client = {0};
    bool hurries = false;
    while (!world->stopping && !world_failed(world)) {
        enum client_outcome outcome;
        if (hurries && world->calm)
            client_close(f, &client, true);
        if (!client_is_open(&client)) {
            char why[sizeof client.message];
            outcome = connect_seat(f, seat, &client, why);
            hurries = outcome == CLIENT_DONE && !world->calm && pick(world, 3) == 0;
            if (hurries)
                outcome = be_in_a_hurry(f, world, &client);
            if (outcome != CLIENT_DONE)
                TRY(fiber_sleep(f, (int64_t)(1 + pick(world, 200)) * MS));
            continue;
        }
        outcome = world->workload->step(f, world, seat->state, seat->number, &client);
        count_outcome(world, &client, outcome);
        if (outcome == CLIENT_LOST || pick(world, 200) == 0)
            client_close(f, &client, pick(world, 2) == 0);
        TRY(rest(f, world));
    }
    client_close(f, &client, true);
    return STATUS_OK;
}

struct crowd {
    struct client_seat seats[WORLD_CLIENTS_MAX];
    unsigned count;
};

static enum status run_crowd(struct fiber *f, void *argument) {
    struct crowd *crowd = argument;
    struct task_group group;
    task_group_init(&group, f);
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < crowd->count && status == STATUS_OK; i++)
        status = task_group_spawn(f, &group, FIBER_NORMAL, run_seat, &crowd->seats[i]);
    enum status waited = task_group_wait(f, &group);
    return status != STATUS_OK ? status : waited;
}

/* Everybody looks once more, one after the other. */
static enum status compare_all(struct fiber *f, void *argument) {
    struct crowd *crowd = argument;
    for (unsigned i = 0; i < crowd->count; i++) {
        struct world *world = crowd->seats[i].world;
        struct client client = {0};
        char why[sizeof client.message] = "";
        enum client_outcome outcome = CLIENT_LOST;
        for (int attempt = 0; attempt < 20 && outcome == CLIENT_LOST; attempt++) {
            outcome = connect_seat(f, &crowd->seats[i], &client, why);
            if (outcome == CLIENT_LOST)
                TRY(fiber_sleep(f, 200 * MS));
        }
        if (outcome != CLIENT_DONE && !world->damaged)
            world_fail(world, "client %u cannot look at the end: %s", i, why);
        client_close(f, &client, true);
    }
    return STATUS_OK;
}

/* ---- what happens ------------------------------------------------------------------------- */

static const uint32_t budget_rates[SIMULATOR_FAULT_COUNT] = {
    [SIMULATOR_READ_ERROR] = 1500, [SIMULATOR_WRITE_ERROR] = 600, [SIMULATOR_SYNC_ERROR] = 2000,
    [SIMULATOR_DISK_FULL] = 6000,  [SIMULATOR_SHORT] = 20000,     [SIMULATOR_SLOW] = 6000,
    [SIMULATOR_STUCK] = 500,       [SIMULATOR_CUT] = 1500,        [SIMULATOR_SILENT] = 300,
    [SIMULATOR_NO_MEMORY] = 20,
};

/* Each kind of fault is on in about every third seed, at some share of its rate. */
static void choose_rates(struct world *world, struct simulator_options *options) {
    struct random random;
    random_seed(&random, hash_combine(world->options.seed, 0xfa17));
    for (int fault = 0; fault < SIMULATOR_FAULT_COUNT; fault++) {
        static const unsigned shares[] = {0, 0, 0, 10, 30, 100, 300};
        options->rates[fault] =
            (uint32_t)((uint64_t)budget_rates[fault] * shares[random_below(&random, 7)] / 100);
    }
    if (world->options.mode == WORLD_ROT) {
        options->rates[SIMULATOR_BIT_ROT] = (uint32_t)random_below(&random, 3000);
        options->rates[SIMULATOR_MISDIRECTED] = (uint32_t)random_below(&random, 1000);
    }
    static const uint32_t turns[] = {1000, 20000, 200000};
    options->turn_rate = turns[random_below(&random, 3)];
}

static void set(struct world *world, const char *name, const char *format, unsigned value) {
    size_t at = world->engine_options.override_count++;
    snprintf(world->setting_texts[at], sizeof world->setting_texts[at], format, value);
    world->overrides[at] = (struct setting_override){name, world->setting_texts[at]};
}

static void choose_server(struct world *world) {
    world->server_options = (struct runtime_options){.core_count = 1 + (unsigned)pick(world, 3),
                                                     .random_seed = world->options.seed + 1};
    world->engine_options = (struct engine_options){
        .directory = DIRECTORY,
        .partition_count = 1 + (unsigned)pick(world, 4),
        .memory_max = (uint64_t)(8 + pick(world, 60)) << (pick(world, 2) == 0 ? 17 : 20),
        .overrides = world->overrides,
    };
    set(world, "journal_sync", pick(world, 2) == 0 ? "dsync" : "fdatasync", 0);
    set(world, "checkpoint_interval", "%u", 1 + (unsigned)pick(world, 20));
    set(world, "journal_segment_size", "%u",
        64 + 4 * (unsigned)pick(world, pick(world, 4) == 0 ? 250 : 16));
    set(world, "journal_size", "%u", 1 + (unsigned)pick(world, 4));
    set(world, "deadlock_timeout", "%u", 1 + (unsigned)pick(world, 500));
}

/* Most of a seed's work is done in rushes, each of which ends in an accident: so a crash finds much
   under way, and more seeds come through than if everybody worked all the time. Some seeds are of
   the other kind: they work on and on, and their trees, journals and histories grow. */
static void choose_pace(struct world *world) {
    bool lasting = pick(world, 30) == 0;
    world->pace = (struct pace){
        .rush_pause_ms = 2u << pick(world, 6),
        .rush_ms = 20u << pick(world, 4),
        .ease_pause_ms = lasting ? 50u << pick(world, 4) : 2000 + (unsigned)pick(world, 3000),
        .steps_left = lasting ? 2000 : 80 + (unsigned)pick(world, 300),
    };
}

static void rush(struct world *world) {
    world->pace.rushing = true;
    pass(world, (int64_t)pick(world, world->pace.rush_ms) * MS);
}

/* What a killed server left unsynced, and its next run found all the same, may still be lost. */
static void kill_and_fail(struct world *world) {
    crash_server(world, SIMULATOR_KILL);
    if (pick(world, 2) == 0)
        return;
    pass(world, (int64_t)pick(world, 400) * MS);
    if (!world_failed(world) && world->server != NULL)
        crash_server(world, SIMULATOR_POWER);
}

static void have_accidents(struct world *world) {
    int64_t end = simulator_now_ns(world->simulator) + world->options.seconds * SECOND;
    while (simulator_now_ns(world->simulator) < end && !world_failed(world)) {
        world->pace.rushing = false;
        pass(world, (int64_t)pick(world, pick(world, 3) == 0 ? 300 : 10000) * MS);
        rush(world);
        if (world_failed(world) || world->server == NULL)
            continue;
        if (pick(world, 3) == 0)
            simulator_run_until_operation(
                world->simulator,
                simulator_counts(world->simulator)->file_operations + 1 + pick(world, 40), SECOND);
        uint64_t accident = pick(world, 10);
        if (world->options.gentle)
            accident = world->ready ? 7 : 9;
        if (accident < 5)
            crash_server(world, SIMULATOR_POWER);
        else if (accident < 7)
            kill_and_fail(world);
        else if (accident < 8 && world->ready)
            stop_server(world);
    }
    world->pace.rushing = false;
}

/* Faults have stopped: everybody gets on within half a minute, and what is there is right. */
static void calm_down(struct world *world, struct crowd *crowd, struct future *crowding) {
    simulator_heal(world->simulator);
    world->calm = true;
    simulator_note(world->simulator, "healed");
    pass(world, 12 * SECOND); /* what began before may still fail */
    world->healed = true;
    pass(world, 3 * SECOND);
    uint64_t before = world->report->transactions;
    pass(world, 10 * SECOND);
    if (world->report->transactions == before && !world_failed(world) && !world->damaged)
        world_fail(world, "no transaction came through in 10 s without faults");
    world->stopping = true;
    enum status status;
    bool done = false;
    for (int i = 0; i < 60 && !done && !world_failed(world); i++) {
        pass(world, SECOND);
        done = future_wait(crowding, 0, &status);
    }
    if (!done && !world_failed(world))
        world_fail(world, "clients still wait 60 s after the last fault");
    for (int round = 0; round < 2 && !world_failed(world) && !world->damaged; round++) {
        if (round == 1)
            stop_server(world);
        struct future comparing;
        if (runtime_submit(world->clients, 0, compare_all, crowd, &comparing) != STATUS_OK)
            world_fail(world, "cannot compare");
        done = false;
        for (int i = 0; i < 120 && !done && !world_failed(world); i++) {
            pass(world, SECOND);
            done = future_wait(&comparing, 0, &status);
        }
        if (!done && !world_failed(world))
            world_fail(world, "clients cannot look at the end");
    }
    stop_server(world);
}

static const struct workload *choose_workload(struct world *world) {
    unsigned count = 0;
    while (workloads[count] != NULL) {
        if (world->options.workload != NULL &&
            strcmp(workloads[count]->name, world->options.workload) == 0)
            return workloads[count];
        count++;
    }
    return workloads[pick(world, count)];
}

void world_run(const struct world_options *options, struct world_report *report_out) {
    static struct world the_world; /* outlives every fiber that knows it */
    struct world *world = &the_world;
    *report_out = (struct world_report){0};
    *world = (struct world){.options = *options, .report = report_out};
    struct simulator_options simulator_options = {
        .seed = options->seed, .trace = options->trace, .chances = true};
    choose_rates(world, &simulator_options);
    if (simulator_create(&simulator_options, &world->simulator) != STATUS_OK)
        return;
    world->random = simulator_random(world->simulator);
    choose_server(world);
    world->workload = choose_workload(world);
    snprintf(report_out->workload, sizeof report_out->workload, "%s", world->workload->name);
    struct runtime_options one_core = {.core_count = 1, .random_seed = 1};
    static struct crowd crowd;
    struct future crowding;
    void *state = world->workload->create(world);
    choose_pace(world);
    crowd.count = 2 + (unsigned)pick(world, WORLD_CLIENTS_MAX - 1);
    for (unsigned i = 0; i < crowd.count; i++)
        crowd.seats[i] = (struct client_seat){world, state, i};
    if (runtime_create(&one_core, &world->clients) != STATUS_OK ||
        runtime_submit(world->clients, 0, run_crowd, &crowd, &crowding) != STATUS_OK)
        world_fail(world, "cannot start the clients: %s", error_current()->message);
    have_accidents(world);
    if (!world_failed(world))
        calm_down(world, &crowd, &crowding);
    if (!world_failed(world) && world->workload->judge != NULL)
        world->workload->judge(world, state);
    if (world->server != NULL)
        simulator_crash(world->simulator, world->server, SIMULATOR_KILL);
    if (world->options.gentle && !world_failed(world))
        runtime_destroy(world->clients);
    else
        simulator_crash(world->simulator, world->clients, SIMULATOR_KILL);
    report_out->hash = simulator_hash(world->simulator);
    report_out->virtual_ns = simulator_now_ns(world->simulator);
    report_out->counts = *simulator_counts(world->simulator);
    const struct simulator_chance *chances =
        simulator_chances(world->simulator, &report_out->chance_count);
    memcpy(report_out->chances, chances, report_out->chance_count * sizeof *chances);
    world->workload->destroy(state);
    simulator_destroy(world->simulator);
}
