/* Calls between cores, futures of outside threads, stopping. */
#include "runtime_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "runtime/runtime_file.h"
#include "runtime/runtime_sync.h"

enum { MS = 1000000 };
static const int64_t HOUR = 3600ll * 1000000000;

/* ---- storms ----------------------------------------------------------------------------- */

struct storm {
    _Atomic uint64_t handled;
    unsigned cores;
};

struct hop {
    struct storm *storm;
    int hops; /* still to go */
};

/* Each handler calls on, back and forth, before it answers. */
static enum status hop(struct fiber *f, void *argument) {
    const struct hop *this = argument;
    atomic_fetch_add(&this->storm->handled, 1);
    if (this->hops == 0)
        return STATUS_OK;
    if (random_below(fiber_random(f), 4) == 0)
        fiber_yield(f);
    struct hop next = {this->storm, this->hops - 1};
    return core_call(f, (fiber_core(f) + 1) % this->storm->cores, hop, &next);
}

#if defined(__SANITIZE_THREAD__)
enum { STORM_FIBERS = 100 }; /* fibers are dear to ThreadSanitizer */
#else
enum { STORM_FIBERS = 400 };
#endif
enum { STORM_CALLS = 10, STORM_HOPS = 4 };

static enum status storm_fiber(struct fiber *f, void *argument) {
    for (int i = 0; i < STORM_CALLS; i++) {
        struct hop first = {argument, STORM_HOPS};
        TRY(core_call(f, (fiber_core(f) + 1) % first.storm->cores, hop, &first));
    }
    return STATUS_OK;
}

static enum status storm_from_here(struct fiber *f, void *argument) {
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < STORM_FIBERS; i++)
        TRY(task_group_spawn(f, &group, (enum fiber_class)(i % 3), storm_fiber, argument));
    return task_group_wait(f, &group);
}

static enum status storm_everywhere(struct fiber *f, void *argument) {
    struct storm *storm = argument;
    void *arguments[RUNTIME_CORES_MAX];
    for (unsigned i = 0; i < storm->cores; i++)
        arguments[i] = storm;
    return core_call_all(f, ((uint64_t)1 << storm->cores) - 1, storm_from_here, arguments);
}

static void cores_that_call_each_other_do_not_deadlock(void **state) {
    for (unsigned cores = 2; cores <= 3; cores++) {
        struct storm storm = {.cores = cores};
        run_on_cores(cores, storm_everywhere, &storm);
        assert_int_equal(storm.handled, cores * STORM_FIBERS * STORM_CALLS * (STORM_HOPS + 1));
    }
}

/* The same from outside every call, where credit is needed and far too little is there. */
static enum status detached_storm_fiber(struct fiber *f, void *argument) {
    struct storm *storm = argument;
    for (int i = 0; i < STORM_CALLS; i++) {
        struct hop first = {storm, 1};
        TRY(core_call(f, (fiber_core(f) + 1) % storm->cores, hop, &first));
    }
    return STATUS_OK;
}

static enum status start_detached(struct fiber *f, void *argument) {
    for (int i = 0; i < 3 * STORM_FIBERS; i++)
        TRY(fiber_spawn_detached(f, FIBER_NORMAL, "storm", detached_storm_fiber, argument));
    return STATUS_OK;
}

static void calls_without_credit_wait_their_turn(void **state) {
    struct storm storm = {.cores = 2};
    struct runtime *runtime = start_runtime(2);
    assert_ok(runtime_run(runtime, 0, start_detached, &storm));
    assert_ok(runtime_run(runtime, 1, start_detached, &storm));
    uint64_t want = 2ull * 3 * STORM_FIBERS * STORM_CALLS * 2;
    for (int i = 0; i < 20000 && storm.handled < want; i++)
        usleep(1000);
    assert_int_equal(storm.handled, want);
    runtime_destroy(runtime);
}

/* ---- casts ------------------------------------------------------------------------------ */

static enum status add_one(struct fiber *f, void *argument) {
    atomic_fetch_add((_Atomic int *)argument, 1);
    return STATUS_OK;
}

static enum status cast_many(struct fiber *f, void *argument) {
    for (int i = 0; i < 5000; i++)
        TRY(core_cast(f, (unsigned)i % 2, add_one, argument));
    return STATUS_OK;
}

static void every_cast_runs_once(void **state) {
    _Atomic int count = 0;
    struct runtime *runtime = start_runtime(2);
    assert_ok(runtime_run(runtime, 0, cast_many, &count));
    runtime_destroy(runtime); /* waits for them */
    assert_int_equal(count, 5000);
}

/* ---- failure, cancellation, deadline across cores --------------------------------------- */

struct remote {
    _Atomic int started;
    enum status status[4];
};

static enum status fail_or_sleep(struct fiber *f, void *argument) {
    struct remote *remote = argument;
    atomic_fetch_add(&remote->started, 1);
    if (fiber_core(f) == 1) {
        TRY(fiber_sleep(f, 3 * MS));
        return error_set(STATUS_UNIQUE_VIOLATION, "from core 1");
    }
    return remote->status[fiber_core(f)] = fiber_sleep(f, HOUR);
}

static enum status one_fails_all_end(struct fiber *f, void *argument) {
    struct remote remote = {0};
    void *arguments[3] = {&remote, &remote, &remote};
    CHECK_STATUS(core_call_all(f, 7, fail_or_sleep, arguments), STATUS_UNIQUE_VIOLATION);
    CHECK(strcmp(error_current()->message, "from core 1") == 0);
    CHECK(remote.started == 3);
    CHECK(remote.status[0] == STATUS_UNIQUE_VIOLATION && remote.status[2] == remote.status[0]);
    return STATUS_OK;
}

static void the_first_failure_of_a_fork_cancels_the_others(void **state) {
    run_on_cores(3, one_fails_all_end, NULL);
}

static enum status sleep_there(struct fiber *f, void *argument) {
    atomic_fetch_add((_Atomic int *)argument, 1);
    return fiber_sleep(f, HOUR);
}

struct caller {
    struct fiber *fiber;
    _Atomic int started;
};

static enum status call_and_sleep(struct fiber *f, void *argument) {
    struct caller *caller = argument;
    caller->fiber = f;
    CHECK_STATUS(core_call(f, 1, sleep_there, &caller->started), STATUS_CANCELED);
    CHECK(strcmp(error_current()->message, "enough") == 0);
    return STATUS_OK;
}

static enum status cancel_remote_call(struct fiber *f, void *argument) {
    for (int i = 0; i < 200; i++) {
        struct caller caller = {0};
        struct task_group group;
        task_group_init(&group, f);
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, call_and_sleep, &caller));
        if (i % 2 == 0) {
            while (caller.started == 0) /* else the cancellation races with the request */
                TRY(fiber_sleep(f, MS / 10));
        } else {
            fiber_yield(f);
        }
        fiber_cancel(caller.fiber != NULL ? caller.fiber : group.children, STATUS_CANCELED,
                     "enough");
        TRY(task_group_wait(f, &group));
    }
    return STATUS_OK;
}

static void a_cancelled_caller_cancels_its_handler(void **state) {
    run_on_cores(2, cancel_remote_call, NULL);
}

static enum status look_at_deadline(struct fiber *f, void *argument) {
    CHECK(fiber_deadline(f).at_ns == *(int64_t *)argument);
    CHECK(fiber_class(f) == FIBER_LATENCY);
    return fiber_sleep(f, 10 * MS);
}

static enum status deadline_travels(struct fiber *f, void *argument) {
    fiber_class_set(f, FIBER_LATENCY);
    struct deadline deadline = {clock_monotonic_ns() + 3 * MS, STATUS_CANCELED, "late"};
    fiber_deadline_set(f, deadline);
    CHECK_STATUS(core_call(f, 1, look_at_deadline, &deadline.at_ns), STATUS_CANCELED);
    CHECK(strcmp(error_current()->message, "late") == 0);
    /* Shielded callers have shielded handlers. */
    deadline.at_ns = clock_monotonic_ns() + 3 * MS;
    fiber_deadline_set(f, deadline);
    fiber_shield(f);
    TRY(core_call(f, 1, look_at_deadline, &deadline.at_ns));
    fiber_unshield(f);
    return STATUS_OK;
}

static void deadline_class_and_shield_travel_with_a_call(void **state) {
    run_on_cores(2, deadline_travels, NULL);
}

/* ---- outside threads -------------------------------------------------------------------- */

struct outsider {
    struct runtime *runtime;
    pthread_t thread;
    int done;
};

static enum status twice(struct fiber *f, void *argument) {
    int *number = argument;
    if (*number < 0)
        return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "%d is negative", *number);
    *number *= 2;
    return STATUS_OK;
}

static void *submit_many(void *argument) {
    struct outsider *outsider = argument;
    for (int i = 0; i < 300; i++) {
        int numbers[4] = {i, i + 1, -1 - i, i + 3};
        struct future futures[4];
        for (unsigned k = 0; k < 4; k++) {
            if (runtime_submit(outsider->runtime, k % 2, twice, &numbers[k], &futures[k]) !=
                STATUS_OK)
                return NULL;
        }
        for (int k = 0; k < 4; k++) {
            enum status status;
            char want[50];
            snprintf(want, sizeof want, "%d is negative", -1 - i);
            if (!future_wait(&futures[k], -1, &status))
                return NULL;
            if (k == 2 ? status != STATUS_NUMERIC_VALUE_OUT_OF_RANGE ||
                             strcmp(error_current()->message, want) != 0
                       : numbers[k] != 2 * (i + k))
                return NULL;
            outsider->done++;
        }
    }
    return NULL;
}

static void futures_serve_many_threads(void **state) {
    struct runtime *runtime = start_runtime(2);
    struct outsider outsiders[4] = {0};
    for (int i = 0; i < 4; i++) {
        outsiders[i].runtime = runtime;
        pthread_create(&outsiders[i].thread, NULL, submit_many, &outsiders[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(outsiders[i].thread, NULL);
        assert_int_equal(outsiders[i].done, 1200);
    }
    runtime_destroy(runtime);
}

static enum status short_sleep(struct fiber *f, void *argument) {
    return fiber_sleep(f, 30 * MS);
}

static void a_future_can_be_waited_for_in_steps(void **state) {
    struct runtime *runtime = start_runtime(1);
    struct future future;
    enum status status;
    assert_ok(runtime_submit(runtime, 0, short_sleep, NULL, &future));
    assert_false(future_wait(&future, 0, &status));
    assert_false(future_wait(&future, MS, &status));
    while (!future_wait(&future, 5 * MS, &status)) {
    }
    assert_int_equal(status, STATUS_OK);
    runtime_destroy(runtime);
}

/* ---- stopping --------------------------------------------------------------------------- */

static enum status stubborn(struct fiber *f, void *argument) {
    /* What a session does: clears a cancellation and goes on. A shutdown cannot be cleared. */
    for (;;) {
        enum status status = fiber_sleep(f, HOUR);
        fiber_cancel_clear(f);
        status = fiber_sleep(f, MS);
        if (status == STATUS_SHUTDOWN) {
            atomic_fetch_add((_Atomic int *)argument, 1);
            return status;
        }
    }
}

static enum status start_stubborn(struct fiber *f, void *argument) {
    for (int i = 0; i < 100; i++)
        TRY(fiber_spawn_detached(f, FIBER_NORMAL, "stubborn", stubborn, argument));
    return STATUS_OK;
}

static void destroy_cancels_what_still_runs(void **state) {
    _Atomic int ended = 0;
    struct runtime *runtime = start_runtime(2);
    assert_ok(runtime_run(runtime, 0, start_stubborn, &ended));
    assert_ok(runtime_run(runtime, 1, start_stubborn, &ended));
    runtime_destroy(runtime);
    assert_int_equal(ended, 200);
}

static void starting_and_stopping_leaves_nothing_behind(void **state) {
    for (int i = 0; i < 20; i++) {
        struct runtime *runtime = start_runtime(1 + (unsigned)i % 3);
        if (i % 2 == 0)
            assert_ok(runtime_run(runtime, 0, short_sleep, NULL));
        assert_int_equal(runtime_core_count(runtime), 1 + i % 3);
        assert_int_equal(runtime_backend(runtime), tested_backend);
        runtime_destroy(runtime);
    }
}

static void an_idle_core_reports_no_work_and_a_busy_one_does(void **state) {
    struct runtime *runtime = start_runtime(1);
    usleep(250000);
    assert_true(runtime_core_busy_percent(runtime, 0) < 50);
    runtime_destroy(runtime);
}

static enum status note_signal(struct fiber *f, void *argument) {
    atomic_fetch_add((_Atomic int *)argument, 1);
    return STATUS_OK;
}

static void a_signal_becomes_a_fiber(void **state) {
    static _Atomic int seen;
    seen = 0;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    struct runtime_options options = {
        .core_count = 2, .on_signal = note_signal, .on_signal_argument = (void *)&seen};
    struct runtime *runtime;
    assert_ok(runtime_create(&options, &runtime));
    kill(getpid(), SIGTERM);
    for (int i = 0; i < 5000 && seen == 0; i++)
        usleep(1000);
    assert_int_equal(seen, 1);
    runtime_destroy(runtime);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    signal(SIGPIPE, SIG_DFL);
}

/* An application's handlers stay, and run on its own threads only. */
static _Atomic pid_t handled_by;

static void note_thread(int signal_number) {
    handled_by = gettid();
}

static enum status write_file(struct fiber *f, void *argument) {
    struct file *file; /* starts a file thread */
    TRY(file_open(f, argument, FILE_CREATE | FILE_TRUNCATE, &file));
    return file_close(f, file);
}

static void signals_of_an_application_are_left_alone(void **state) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGPIPE, SIGUSR1};
    struct sigaction action = {.sa_handler = note_thread}, before[4], now;
    sigset_t set, mask;
    sigemptyset(&set);
    for (int i = 0; i < 4; i++) {
        sigaction(numbers[i], &action, &before[i]);
        sigaddset(&set, numbers[i]);
    }
    struct runtime *runtime = start_runtime(2);
    char path[] = "/tmp/satori-core-XXXXXX";
    close(mkstemp(path));
    assert_ok(runtime_run(runtime, 1, write_file, path));
    unlink(path);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sigaction(numbers[i], NULL, &now), 0);
        assert_true(now.sa_handler == note_thread);
        /* Blocked here, any other thread that could take it would. */
        pthread_sigmask(SIG_BLOCK, &set, &mask);
        handled_by = 0;
        kill(getpid(), numbers[i]);
        usleep(10000);
        assert_int_equal(handled_by, 0);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
        assert_int_equal(handled_by, gettid());
    }
    runtime_destroy(runtime);
    for (int i = 0; i < 4; i++)
        sigaction(numbers[i], &before[i], NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(cores_that_call_each_other_do_not_deadlock),
    cmocka_unit_test(calls_without_credit_wait_their_turn),
    cmocka_unit_test(every_cast_runs_once),
    cmocka_unit_test(the_first_failure_of_a_fork_cancels_the_others),
    cmocka_unit_test(a_cancelled_caller_cancels_its_handler),
    cmocka_unit_test(deadline_class_and_shield_travel_with_a_call),
    cmocka_unit_test(futures_serve_many_threads),
    cmocka_unit_test(a_future_can_be_waited_for_in_steps),
    cmocka_unit_test(destroy_cancels_what_still_runs),
    cmocka_unit_test(starting_and_stopping_leaves_nothing_behind),
    cmocka_unit_test(an_idle_core_reports_no_work_and_a_busy_one_does),
    cmocka_unit_test(a_signal_becomes_a_fiber),
    cmocka_unit_test(signals_of_an_application_are_left_alone),
};

RUN_ON_BOTH(tests)
