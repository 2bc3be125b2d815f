/*
 * What can go wrong, one thing at a time, at every point of a scenario where it can:
 *
 *     crash       behind each change of the disk: the process ends; the power fails, and nothing
 * that was not synced is left, or some of it, torn and out of order; the power fails again in the
 * recovery from that allocation  each allocation of the server fails io          each operation on
 * files of the server fails rot         one bit of each 4 KiB of each file flips, after the server
 * was stopped or killed
 *
 * A run of the scenario without any of it tells what there is after each step. Then the process
 * plays the scenario once, and at each point a fork of it lives through what happens there. What
 * must hold: what was acknowledged is there, the step under way is there wholly or not at all, the
 * check of everything finds nothing, and the database is of use afterwards. For rot: answers are
 * right, or errors of damage, and the check has found what a query found.
 *
 *     points [--mode MODE] [--scenario NAME] [--stride N] [--offset N] [--only POINT] [--trace]
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base_hash.h"
#include "base/base_memory.h"
#include "coverage.h"
#include "runtime/backend.h"
#include "stage.h"

enum { PATIENCE_S = 60, SEED = 20260, SHOWN_MAX = 10, BLOCK = 4096 };
static const int64_t MS = 1000000, SECOND = 1000000000;

/* What came of a point. */
enum verdict {
    AS_BEFORE, /* the step under way is not there */
    AS_AFTER,  /* it is */
    ABSORBED,  /* nobody noticed */
    REFUSED,   /* an error; the step was repeated */
    LOST,      /* the connection was; the step is there or was repeated */
    ABSENT,    /* the server did not start, and did the next time (or never: rot) */
    STOPPED,   /* it stopped itself, and started again */
    HARMLESS,  /* every answer is right */
    DETECTED,  /* by the check; and perhaps an answer was an error */
    TOO_LATE,  /* the newest step rotted in the journal, as if half written */
    BROKEN,
    VERDICT_COUNT,
};
static const char *const verdict_names[] = {
    [AS_BEFORE] = "as before", [AS_AFTER] = "as after",    [ABSORBED] = "absorbed",
    [REFUSED] = "refused",     [LOST] = "connection lost", [ABSENT] = "did not start",
    [STOPPED] = "stopped",     [HARMLESS] = "harmless",    [DETECTED] = "detected",
    [TOO_LATE] = "tail lost",  [BROKEN] = "BROKEN",
};

/* Written by a fork for the process that waits for it. */
static struct {
    enum verdict verdict;
    char failure[700];
} * said;

static struct {
    const char *mode;
    const struct scenario *scenario;
    uint64_t stride, offset, only; /* only: 0 for all */
    void (*trace)(const char *line);
    uint64_t counts[VERDICT_COUNT], points, forks;
} run = {.mode = "crash", .stride = 1};

static struct stage the_stage;
static struct stage *const stage = &the_stage;

/* ---- the story: steps, on a fiber of the clients -------------------------------------------- */

static char states[SCENARIO_STEPS_MAX + 1][SCENARIO_STATE_SIZE];

static struct {
    unsigned done; /* steps acknowledged */
    bool recording, over, forked;
    enum verdict verdict;
} story;

static enum status connect(struct fiber *f, struct client *client) {
    for (int attempt = 0; client_open(f, stage_address, client) != CLIENT_DONE; attempt++) {
        if (attempt == 10000)
            return error_set(STATUS_CONNECTION_FAILURE, "no connection");
        TRY(fiber_sleep(f, 5 * MS));
    }
    return STATUS_OK;
}

/* Is what is there as after one of these two numbers of steps? Returns the number. */
static unsigned look(struct fiber *f, struct client *client, unsigned least, unsigned most) {
    char state[SCENARIO_STATE_SIZE];
    enum client_outcome outcome = scenario_look(f, stage->scenario, client, false, state);
    if (outcome != CLIENT_DONE) {
        stage_fail(stage, "a look failed: %s %s", client->sqlstate, client->message);
        return least;
    }
    for (unsigned count = least; count <= most; count++) {
        if (strcmp(state, states[count]) == 0)
            return count;
    }
    stage_fail(stage, "after %u..%u steps there is\n    %s\n  instead of\n    %s\n  or\n    %s",
               least, most, state, states[least], states[most]);
    return least;
}

/* Once more: what was refused, or is not there. */
static void repeat(struct fiber *f, struct client *client) {
    if (scenario_step(f, stage->scenario, story.done, client) != CLIENT_DONE)
        stage_fail(stage, "step %u, repeated: %s %s", story.done, client->sqlstate,
                   client->message);
    story.done++;
    look(f, client, story.done, story.done);
}

static bool is_expected(const char *sqlstate) {
    if (strcmp(run.mode, "allocation") == 0)
        return strcmp(sqlstate, "53200") == 0;
    return strcmp(sqlstate, "58030") == 0 || strcmp(sqlstate, "53100") == 0;
}

/* In a fork: something failed while this step was under way. */
static enum status settle(struct fiber *f, struct client *client, enum client_outcome outcome) {
    if (outcome == CLIENT_DONE) {
        story.verdict = ABSORBED;
        story.done++;
        look(f, client, story.done, story.done);
    } else if (outcome == CLIENT_REFUSED) {
        story.verdict = REFUSED;
        if (!is_expected(client->sqlstate))
            stage_fail(stage, "step %u refused with %s: %s", story.done, client->sqlstate,
                       client->message);
        if (client->transaction != 'I' && client_query(f, client, "rollback") != CLIENT_DONE)
            stage_fail(stage, "rollback: %s", client->message);
        look(f, client, story.done, story.done);
        repeat(f, client);
    } else {
        story.verdict = LOST;
        TRY(connect(f, client));
        bool tells = strcmp(states[story.done], states[story.done + 1]) != 0;
        unsigned there = look(f, client, story.done, story.done + 1);
        if (there > story.done || !tells)
            story.done++;
        else
            repeat(f, client);
    }
    client_close(f, client, true);
    return STATUS_OK;
}

static enum status tell(struct fiber *f, void *argument) {
    struct client client = {0};
    unsigned count = scenario_step_count(stage->scenario);
    story.done = 0;
    TRY(connect(f, &client));
    while (story.recording || story.done <= count) {
        if (story.recording) {
            if (scenario_look(f, stage->scenario, &client, false, states[story.done]) !=
                CLIENT_DONE)
                stage_fail(stage, "a look failed: %s %s", client.sqlstate, client.message);
        }
        if (story.done == count)
            break;
        enum client_outcome outcome = scenario_step(f, stage->scenario, story.done, &client);
        if (story.forked)
            return settle(f, &client, outcome);
        if (outcome != CLIENT_DONE) {
            stage_fail(stage, "step %u: %s %s", story.done, client.sqlstate, client.message);
            break;
        }
        story.done++;
    }
    client_close(f, &client, true);
    return STATUS_OK;
}

/* The second client. */
static enum status do_chores(struct fiber *f, void *argument) {
    struct client client = {0};
    const char *const *chores = stage->scenario->chores;
    for (unsigned i = 0; chores[0] != NULL && !story.over; i++) {
        if (!client_is_open(&client))
            TRY(connect(f, &client));
        if (chores[i] == NULL)
            i = 0;
        (void)!client_query(f, &client, chores[i]);
        TRY(fiber_sleep(f, MS / 2));
    }
    client_close(f, &client, true);
    return STATUS_OK;
}

static enum status play(struct fiber *f, void *argument) {
    struct task_group group;
    task_group_init(&group, f);
    story.over = false;
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, do_chores, NULL));
    enum status status = tell(f, NULL);
    story.over = true;
    enum status waited = task_group_wait(f, &group);
    return status != STATUS_OK ? status : waited;
}

/* After it all: what is there, and is it of use? */
static enum status look_at_the_end(struct fiber *f, void *argument) {
    const unsigned *range = argument;
    struct client client = {0};
    TRY(connect(f, &client));
    unsigned there = look(f, &client, range[0], range[1]);
    story.verdict = there == range[0] ? AS_BEFORE : AS_AFTER;
    if (client_query(f, &client,
                     "create table of_use (i int primary key); insert into of_use select i from "
                     "generate_series(1, 100) i; checkpoint; drop table of_use") != CLIENT_DONE)
        stage_fail(stage, "the database is of no use: %s %s", client.sqlstate, client.message);
    client_close(f, &client, true);
    return STATUS_OK;
}

/* Start the server, which must come up, and look. */
static void open_and_look(unsigned least, unsigned most) {
    unsigned range[] = {least, most};
    if (stage->server == NULL)
        stage_start(stage);
    if (!stage_wait_ready(stage))
        stage_fail(stage, "the server does not start: %s", stage->end);
    else if (!stage_run(stage, look_at_the_end, range))
        stage_fail(stage, "the server stopped itself");
}

/* ---- forks ---------------------------------------------------------------------------------- */

static void print_line(const char *line) {
    printf("%s\n", line);
}

static bool is_chosen(uint64_t point) {
    if (run.only > 0)
        return point == run.only;
    return point % run.stride == run.offset % run.stride;
}

/* True in the fork, which has to end with end_fork(). The other goes on when that has happened. */
static bool in_fork(uint64_t point, const char *what) {
    fflush(stdout);
    said->verdict = BROKEN;
    snprintf(said->failure, sizeof said->failure, "the process died");
    run.forks++;
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE_S);
        return true;
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (said->failure[0] != '\0')
        said->verdict = BROKEN;
    run.counts[said->verdict]++;
    bool broken = said->verdict == BROKEN && run.counts[BROKEN] <= SHOWN_MAX;
    if (broken || run.only > 0)
        printf("%s: %s (status %d)\n", what,
               said->verdict == BROKEN ? said->failure : verdict_names[said->verdict], status);
    if (broken)
        printf("  replay: build/test/points --mode %s --scenario %s --only %llu --trace\n",
               run.mode, run.scenario->name, (unsigned long long)point);
    return false;
}

static _Noreturn void end_fork(enum verdict verdict) {
    said->verdict = verdict;
    memcpy(said->failure, stage->failure, sizeof stage->failure);
    fflush(stdout);
    coverage_dump();
    _exit(0);
}

/* ---- crash ---------------------------------------------------------------------------------- */

static _Noreturn void crash_here(uint64_t point, unsigned way) {
    static const enum simulator_crash ways[] = {SIMULATOR_KILL, SIMULATOR_BARE, SIMULATOR_POWER,
                                                SIMULATOR_POWER};
    struct simulator *s = stage->simulator;
    unsigned done = story.done;
    unsigned most = done < scenario_step_count(stage->scenario) ? done + 1 : done;
    simulator_crash_seed(s, hash_combine(point, way));
    stage_crash(stage, ways[way]);
    if (way == 3) {
        stage_start(stage);
        simulator_run_until_change(s, simulator_counts(s)->changes + hash_combine(point, 99) % 24,
                                   SECOND);
        stage_crash(stage, SIMULATOR_POWER);
    }
    open_and_look(done, most);
    end_fork(story.verdict);
}

static enum status stop_service(struct fiber *f, void *argument) {
    service_stop(argument);
    return STATUS_OK;
}

static void run_crashes(void) {
    static const char *const ways[] = {"killed", "power failure, only what was synced",
                                       "power failure", "power failure, and one in recovery"};
    struct simulator *s = stage->simulator;
    struct future telling, told;
    enum status status;
    stage_start(stage);
    if (runtime_submit(stage->clients, 0, play, NULL, &telling) != STATUS_OK)
        stage_fail(stage, "cannot run a client");
    bool stopping = false;
    while (stage->failure[0] == '\0' && !future_wait(&stage->serving, 0, &status)) {
        uint64_t before = simulator_counts(s)->changes;
        simulator_run_until_change(s, before + 1, 100 * MS);
        if (!stopping && future_wait(&telling, 0, &status)) {
            stopping = true;
            if (runtime_submit(stage->server, 0, stop_service, &stage->service, &told) != STATUS_OK)
                stage_fail(stage, "cannot tell the server to stop");
        }
        if (simulator_counts(s)->changes == before)
            continue;
        run.points++;
        for (unsigned way = 0; way < 4 && is_chosen(run.points); way++) {
            if (in_fork(run.points, ways[way]))
                crash_here(run.points, way);
        }
    }
}

/* ---- allocations and operations that fail --------------------------------------------------- */

static bool counting; /* the server is on, and this is not a fork */

/* At a point: does it fail here? */
static bool strike(const char *what) {
    run.points++;
    if (!is_chosen(run.points) || !in_fork(run.points, what))
        return false;
    counting = false;
    story.forked = true;
    return true;
}

static bool fail_allocation(void) {
    return counting && simulator_runs_fiber_of(stage->simulator, stage->server) &&
           strike("no memory");
}

static int fail_operation(const struct operation *operation) {
    if (!counting || !simulator_runs_fiber_of(stage->simulator, stage->server) ||
        !strike("failed operation"))
        return 0;
    return run.points % 2 == 0 ? EIO : ENOSPC;
}

/* In a fork whose server stopped itself, or did not start. */
static _Noreturn void start_again(unsigned done, enum verdict verdict) {
    unsigned count = scenario_step_count(stage->scenario);
    if (stage->server != NULL)
        stage_crash(stage, SIMULATOR_KILL);
    open_and_look(done, done < count ? done + 1 : done);
    end_fork(verdict);
}

static _Noreturn void end_story(void) {
    enum verdict verdict = story.verdict;
    stage_stop(stage);
    open_and_look(story.done, story.done);
    end_fork(verdict);
}

static void run_failures(void) {
    static struct environment faulty;
    faulty = *environment__current;
    if (strcmp(run.mode, "allocation") == 0)
        memory_fault_set(fail_allocation);
    else
        faulty.file_fault = fail_operation;
    environment__current = &faulty;
    counting = true;
    story.verdict = ABSORBED;
    stage_start(stage);
    if (!stage_wait_ready(stage)) {
        bool fitting = strncmp(stage->end, "OUT_OF_MEMORY", 13) == 0 ||
                       strncmp(stage->end, "IO_ERROR", 8) == 0 ||
                       strncmp(stage->end, "DISK_FULL", 9) == 0 || stage->server != NULL;
        if (!story.forked || !fitting)
            stage_fail(stage, "the server does not start: %s", stage->end);
        if (story.forked)
            start_again(0, ABSENT);
        return;
    }
    if (story.forked) {
        story.done = 0;
        end_story();
    }
    bool ended = stage_run(stage, play, NULL);
    if (story.forked && !ended) {
        if (strcmp(run.mode, "allocation") == 0)
            stage_fail(stage, "the server stopped itself for want of memory");
        start_again(story.done, STOPPED);
    }
    if (story.forked)
        end_story();
    stage_stop(stage);
    if (story.forked) /* it failed while the server stopped */
        start_again(story.done, STOPPED);
    counting = false;
}

/* ---- rot ------------------------------------------------------------------------------------ */

/* Word by word: right, or an error of damage. */
static bool is_right(const char *state, const char *wanted, bool *refused) {
    while (*state != '\0' && *wanted != '\0') {
        size_t size = strcspn(state, " "), wanted_size = strcspn(wanted, " ");
        bool damage = size == 1 && state[0] == '!';
        *refused |= damage;
        if (!damage && (size != wanted_size || memcmp(state, wanted, size) != 0))
            return false;
        state += size + 1;
        wanted += wanted_size + 1;
    }
    return *state == *wanted;
}

static enum status look_through_rot(struct fiber *f, void *argument) {
    const bool *journal = argument;
    struct client client = {0};
    char state[SCENARIO_STATE_SIZE];
    bool refused = false;
    unsigned count = scenario_step_count(stage->scenario);
    TRY(connect(f, &client));
    if (scenario_look(f, stage->scenario, &client, true, state) != CLIENT_DONE) {
        stage_fail(stage, "a look failed: %s %s", client.sqlstate, client.message);
        return STATUS_OK;
    }
    story.verdict = stage->findings > 0 ? DETECTED : HARMLESS;
    if (!is_right(state, states[count], &refused)) {
        story.verdict = TOO_LATE;
        if (!*journal || !is_right(state, states[count - 1], &refused))
            stage_fail(stage, "a wrong answer:\n    %s\n  instead of\n    %s", state,
                       states[count]);
    }
    if (refused && stage->findings == 0)
        stage_fail(stage, "the check has found nothing, a query has: %s", state);
    (void)!client_query(f, &client, "create table of_use (i int); checkpoint");
    client_close(f, &client, true);
    return STATUS_OK;
}

static _Noreturn void rot_here(const char *path, uint64_t bit) {
    bool journal = strstr(path, "journal") != NULL;
    stage->findings_allowed = true;
    if (!simulator_file_flip(stage->simulator, path, bit))
        stage_fail(stage, "no such bit");
    stage_start(stage);
    if (!stage_wait_ready(stage)) {
        if (strncmp(stage->end, "DATA_CORRUPTED", 14) != 0 &&
            strncmp(stage->end, "FEATURE_NOT_SUPPORTED", 21) != 0)
            stage_fail(stage, "the server does not start: %s", stage->end);
        end_fork(ABSENT);
    }
    if (!stage_run(stage, look_through_rot, &journal))
        stage_fail(stage, "the server stopped itself");
    end_fork(story.verdict);
}

static void rot_everything(void) {
    const char *path;
    for (size_t file = 0; (path = simulator_file_at(stage->simulator, file)) != NULL; file++) {
        uint64_t size = simulator_file_size(stage->simulator, path);
        for (uint64_t at = 0; at < size; at += BLOCK) {
            uint64_t bits = (size - at < BLOCK ? size - at : BLOCK) * 8;
            uint64_t bit = at * 8 + hash_combine(at, file) % bits;
            char what[200];
            run.points++;
            snprintf(what, sizeof what, "bit %llu of %s", (unsigned long long)bit, path);
            if (is_chosen(run.points) && in_fork(run.points, what))
                rot_here(path, bit);
        }
    }
}

static void run_rot(bool killed) {
    stage_start(stage);
    if (!stage_wait_ready(stage) || !stage_run(stage, play, NULL))
        stage_fail(stage, "the scenario does not end: %s", stage->end);
    if (killed)
        stage_crash(stage, SIMULATOR_KILL);
    else
        stage_stop(stage);
    rot_everything();
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* What there is after each step. In a process of its own, which leaves nothing behind. */
static bool record_states(void) {
    void *shared =
        mmap(NULL, sizeof states, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    if (fork() == 0) {
        stage_create(stage, run.scenario, SEED, NULL);
        story.recording = true;
        stage_start(stage);
        if (!stage_wait_ready(stage) || !stage_run(stage, play, NULL))
            stage_fail(stage, "the server stopped itself: %s", stage->end);
        if (stage->failure[0] != '\0')
            printf("%s: %s\n", run.scenario->name, stage->failure);
        memcpy(shared, states, sizeof states);
        fflush(stdout);
        coverage_dump();
        _exit(stage->failure[0] != '\0');
    }
    int status = 0;
    wait(&status);
    memcpy(states, shared, sizeof states);
    munmap(shared, sizeof states);
    return status == 0;
}

static bool read_options(int argc, char **argv) {
    static const struct scenario *const scenarios[] = {&scenario_load, &scenario_mixed,
                                                       &scenario_ddl};
    static const struct option options[] = {
        {"mode", 1, NULL, 'm'}, {"scenario", 1, NULL, 's'}, {"stride", 1, NULL, 'n'},
        {"only", 1, NULL, 'o'}, {"offset", 1, NULL, 'k'},   {"trace", 0, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    run.scenario = &scenario_mixed;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'm':
            run.mode = optarg;
            break;
        case 's':
            run.scenario = NULL;
            for (unsigned i = 0; i < 3; i++) {
                if (strcmp(scenarios[i]->name, optarg) == 0)
                    run.scenario = scenarios[i];
            }
            break;
        case 'n':
            run.stride = strtoull(optarg, NULL, 10);
            break;
        case 'k':
            run.offset = strtoull(optarg, NULL, 10);
            break;
        case 'o':
            run.only = strtoull(optarg, NULL, 10);
            break;
        case 't':
            run.trace = print_line;
            break;
        default:
            return false;
        }
    }
    return optind == argc && run.scenario != NULL && run.stride > 0;
}

static void print_totals(double seconds) {
    printf("%s of %s: %llu points, %llu played in %.0f s:", run.mode, run.scenario->name,
           (unsigned long long)run.points, (unsigned long long)run.forks, seconds);
    for (unsigned i = 0; i < VERDICT_COUNT; i++) {
        if (run.counts[i] > 0 || i == BROKEN)
            printf(" %llu %s", (unsigned long long)run.counts[i], verdict_names[i]);
    }
    printf("\n");
}

int main(int argc, char **argv) {
    if (!read_options(argc, argv)) {
        fprintf(stderr, "usage: points [--mode crash|allocation|io|rot|rot-killed] "
                        "[--scenario load|mixed|ddl]\n              [--stride N] [--offset N] "
                        "[--only POINT] [--trace]\n");
        return 2;
    }
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    said = mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (said == MAP_FAILED || !record_states())
        return 2;
    stage_create(stage, run.scenario, SEED, run.trace);
    if (strcmp(run.mode, "crash") == 0)
        run_crashes();
    else if (strncmp(run.mode, "rot", 3) == 0)
        run_rot(strcmp(run.mode, "rot-killed") == 0);
    else
        run_failures();
    if (stage->failure[0] != '\0')
        printf("%s\n", stage->failure);
    clock_gettime(CLOCK_MONOTONIC, &end);
    print_totals((double)(end.tv_sec - begin.tv_sec));
    return run.counts[BROKEN] > 0 || run.points == 0 || stage->failure[0] != '\0';
}
