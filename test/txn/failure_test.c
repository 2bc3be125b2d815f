/*
 * What the storage rooms make of failures. A story of a store (story.h) is played in the simulator;
 * at each place of the program where something can fail, told apart by the calls that led there, a
 * fork lives through its failing:
 *
 *     an allocation, once or for half a minute; an operation on files, the same (EIO, ENOSPC);
 *     a cancellation of the story's fiber, where it looks for one, begins an operation, allocates
 *
 * The step under way succeeds, or fails with the status that belongs to the failure; what there is
 * is as before the step or as after it, and as after it if it succeeded. A step that failed
 * succeeds when it is repeated. The check finds nothing, then and after a restart. A store that
 * stopped itself (log_fatal) comes back so.
 */
#include "test.h"

#include <errno.h>
#include <execinfo.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base_log.h"
#include "coverage.h"
#include "runtime/backend.h"
#include "runtime/runtime_simulator.h"
#include "story.h"

enum { FRAMES = 24, FRAMES_NEAR = 11, PLACES_MAX = 1 << 14, PATIENCE_S = 60, SHOWN_MAX = 10 };
static const int64_t MS = 1000000, LASTING_NS = INT64_C(30000000000);

enum way { NO_MEMORY, NO_MEMORY_LASTING, FILE_FAILS, FILE_FAILS_LASTING, CANCELLED, WAY_COUNT };

static struct {
    enum way way;
    struct simulator *simulator;
    struct runtime *runtime;
    struct fiber *fiber; /* the story's */
    unsigned done;       /* steps */
    uint64_t states[STORY_STEPS + 1];
    bool recording, armed, forked;
    int64_t until_ns;            /* a lasting failure */
    uint64_t places[PLACES_MAX]; /* hashes of stacks, 0: free */
    unsigned points, broken, only;
} play;

static char *said; /* by a fork, shared: why it is broken */

/* ---- places --------------------------------------------------------------------------------- */

/* Are the same calls, from another step, another place? Not where coverage is measured: there a
   fork takes longer to write down its counts than to live. */
static bool tells_steps(void) {
#ifdef MEASURES_COVERAGE
    return false;
#else
    return play.way == NO_MEMORY || play.way == FILE_FAILS;
#endif
}

static void *frames[FRAMES];

/* Was nobody here before, by this way? */
static bool place_is_new(void) {
    int count = backtrace(frames, tells_steps() ? FRAMES : FRAMES_NEAR);
    uint64_t hash = hash_combine(tells_steps() ? play.done : 0, 1) | 1;
    for (int i = 0; i < count; i++)
        hash = hash_combine(hash, (uintptr_t)frames[i]);
    for (size_t at = hash % PLACES_MAX;; at = (at + 1) % PLACES_MAX) {
        if (play.places[at] == hash)
            return false;
        if (play.places[at] == 0) {
            play.places[at] = hash;
            return true;
        }
    }
}

/* True in the fork. The other one waits for it to end. */
static bool in_fork(void) {
    int status = 0;
    play.points++;
    if (play.only > 0 && play.points != play.only)
        return false;
    if (play.only > 0)
        backtrace_symbols_fd(frames, FRAMES, STDERR_FILENO);
    strcpy(said, "the process died");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct itimerval patience = {.it_value = {.tv_sec = PATIENCE_S}}; /* of its own work */
        setitimer(ITIMER_PROF, &patience, NULL);
        play.forked = true;
        play.until_ns = simulator_now_ns(play.simulator) + LASTING_NS;
        return true;
    }
    waitpid(child, &status, 0);
    if (said[0] == '\0')
        return false;
    if (play.broken++ < SHOWN_MAX)
        printf("# point %u, step \"%s\": %s (status %d)\n", play.points,
               story_steps[play.done].name, said, status);
    return false;
}

static bool strike(void) {
    if (!play.armed || story.spared || !simulator_runs_fiber_of(play.simulator, play.runtime))
        return false;
    if (play.forked)
        return (play.way == NO_MEMORY_LASTING || play.way == FILE_FAILS_LASTING) &&
               simulator_now_ns(play.simulator) < play.until_ns;
    return place_is_new() && in_fork();
}

/* A fiber lies above its stack (runtime/core.h). */
static bool is_story_fiber(void) {
    char here;
    uintptr_t distance = (uintptr_t)play.fiber - (uintptr_t)&here;
    return distance < 256 << 10;
}

static bool fail_allocation(void) {
    if (play.way == CANCELLED && is_story_fiber() && strike())
        fiber_cancel(play.fiber, STATUS_CANCELED, NULL);
    return (play.way == NO_MEMORY || play.way == NO_MEMORY_LASTING) && strike();
}

static int fail_operation(const struct operation *operation) {
    if (play.way == CANCELLED && operation->fiber == play.fiber && strike())
        fiber_cancel(play.fiber, STATUS_CANCELED, NULL);
    if (play.way != FILE_FAILS && play.way != FILE_FAILS_LASTING)
        return 0;
    return !strike() ? 0 : play.points % 2 == 0 ? EIO : ENOSPC;
}

static void cancel_at_check(struct fiber *f) {
    if (play.way == CANCELLED && f == play.fiber && strike())
        fiber_cancel(f, STATUS_CANCELED, NULL);
}

static bool is_fitting(enum status status) {
    switch (play.way) {
    case NO_MEMORY:
    case NO_MEMORY_LASTING:
        return status == STATUS_OUT_OF_MEMORY;
    case FILE_FAILS:
    case FILE_FAILS_LASTING:
        return status == STATUS_IO_ERROR || status == STATUS_DISK_FULL;
    default:
        return status == STATUS_CANCELED;
    }
}

/* ---- the story ------------------------------------------------------------------------------ */

/* Is what is there as before the step, or after it? */
static enum status look(struct fiber *f, bool *after_out) {
    uint64_t sum = 0;
    TRY(story_digest(f, &sum));
    TRY(story_check(f));
    *after_out = sum == play.states[play.done + 1];
    if (!*after_out && sum != play.states[play.done])
        story_fail("what is there is neither as before the step nor as after it");
    return STATUS_OK;
}

static enum status restart_and_look(struct fiber *f) {
    bool after;
    TRY(story_close(f));
    TRY(story_open(f));
    TRY(look(f, &after));
    if (!after)
        story_fail("after a restart it is as before the step");
    return story_close(f);
}

/* In a fork, after the step in which something failed. */
static enum status settle(struct fiber *f, enum status status) {
    bool after;
    story_give_up(f);
    fiber_cancel_clear(f);
    if (status != STATUS_OK && !is_fitting(status))
        story_fail("%s: %s", status_name(status), error_current()->message);
    if (story.store == NULL)
        TRY(story_open(f));
    TRY(look(f, &after));
    if (status == STATUS_OK && !after)
        story_fail("the step succeeded, and is not there");
    TRY(fiber_sleep(f, 3000 * MS)); /* a checkpoint that failed is tried again meanwhile */
    if (status != STATUS_OK && (!after || play.states[play.done] == play.states[play.done + 1])) {
        TRY(story_steps[play.done].run(f));
        TRY(look(f, &after));
        if (!after)
            story_fail("the step succeeded when repeated, and is not there");
    }
    return restart_and_look(f);
}

static enum status tell(struct fiber *f, void *argument) {
    play.fiber = f;
    for (play.done = 0; play.done < STORY_STEPS; play.done++) {
        story.before = play.states[play.done];
        play.armed = !play.recording;
        enum status status = story_steps[play.done].run(f);
        play.armed = false;
        if (play.forked)
            return settle(f, status);
        if (status == STATUS_OK && play.recording)
            status = story_digest(f, &play.states[play.done + 1]);
        if (status != STATUS_OK)
            story_fail("step \"%s\": %s", story_steps[play.done].name, error_current()->message);
        TRY(status);
    }
    return story_close(f);
}

/* In a fork whose store stopped itself. */
static enum status come_back(struct fiber *f, void *argument) {
    bool after;
    TRY(story_open(f));
    TRY(look(f, &after));
    return story_close(f);
}

/* False: it stopped itself. */
static bool run(fiber_function function) {
    struct future future;
    struct runtime_options options = {.core_count = 1, .random_seed = 5};
    enum status status;
    assert_ok(runtime_create(&options, &play.runtime));
    assert_ok(runtime_submit(play.runtime, 0, function, NULL, &future));
    int64_t until = simulator_now_ns(play.simulator) + 10 * LASTING_NS;
    while (!future_wait(&future, 0, &status)) {
        simulator_run_for(play.simulator, MS);
        if (simulator_failed(play.simulator, play.runtime)) {
            simulator_crash(play.simulator, play.runtime, SIMULATOR_KILL);
            return false;
        }
        if (simulator_now_ns(play.simulator) > until) {
            story_fail("it does not end");
            return true;
        }
    }
    if (status != STATUS_OK)
        story_fail("%s: %s", status_name(status), error_current()->message);
    if (story.failure[0] == '\0') /* else fibers of an open store may live */
        runtime_destroy(play.runtime);
    return true;
}

static void machine_make(void) {
    static struct environment faulty;
    struct simulator_options options = {.seed = 20261};
    assert_ok(simulator_create(&options, &play.simulator));
    faulty = *environment__current;
    faulty.file_fault = fail_operation;
    faulty.checked = cancel_at_check;
    environment__current = &faulty;
    memset(&story, 0, sizeof story);
}

static void play_story(enum way way) {
    memset(play.places, 0, sizeof play.places);
    play.way = way;
    play.points = play.broken = 0;
    machine_make();
    bool ended = run(tell);
    if (play.forked) {
        play.armed = false;
        if (!ended && play.way == CANCELLED)
            story_fail("it stopped itself");
        memset(story.open, 0, sizeof story.open);
        if (!ended)
            run(come_back);
        strcpy(said, story.failure);
        coverage_dump();
        _exit(0);
    }
    simulator_destroy(play.simulator);
    printf("# %u points\n", play.points);
    assert_true(ended);
    assert_string_equal(story.failure, "");
    assert_int_equal(play.broken, 0);
    assert_true(play.points > 100 || play.only > 0);
}

static int set_up(void **state) {
    log_level_set(LOG_FATAL);
    said =
        mmap(NULL, sizeof story.failure, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    play.recording = true;
    machine_make();
    bool ended = run(tell);
    simulator_destroy(play.simulator);
    play.recording = false;
    assert_true(ended);
    assert_string_equal(story.failure, "");
    memory_fault_set(fail_allocation);
    if (getenv("POINT") != NULL)
        play.only = (unsigned)atoi(getenv("POINT"));
    return 0;
}

static void every_allocation_fails(void **state) {
    play_story(NO_MEMORY);
}

static void every_allocation_fails_for_long(void **state) {
    play_story(NO_MEMORY_LASTING);
}

static void every_operation_on_files_fails(void **state) {
    play_story(FILE_FAILS);
}

static void every_operation_on_files_fails_for_long(void **state) {
    play_story(FILE_FAILS_LASTING);
}

static void it_is_cancelled_everywhere(void **state) {
    play_story(CANCELLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(every_allocation_fails_for_long),
        cmocka_unit_test(every_operation_on_files_fails),
        cmocka_unit_test(every_operation_on_files_fails_for_long),
        cmocka_unit_test(it_is_cancelled_everywhere),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
