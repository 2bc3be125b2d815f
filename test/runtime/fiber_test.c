/* Fibers on one core: classes, deadlines, cancellation, groups, stacks. */
#include "runtime_fixture.h"

#include <stdatomic.h>

#include "runtime/runtime_sync.h"

enum { MS = 1000000 };
static const int64_t HOUR = 3600ll * 1000000000;

/* ---- order and fairness ----------------------------------------------------------------- */

struct spinner {
    uint64_t turns;
    bool *stop;
};

static enum status spin(struct fiber *f, void *argument) {
    struct spinner *spinner = argument;
    while (!*spinner->stop) {
        spinner->turns++;
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

/* Three classes that never wait share the core (how: turn_test.c); a sleeper of the highest class
   gets through. */
static enum status share_the_core(struct fiber *f, void *argument) {
    bool stop = false;
    struct spinner spinners[3] = {{0, &stop}, {0, &stop}, {0, &stop}};
    fiber_class_set(f, FIBER_LATENCY);
    struct task_group group;
    task_group_init(&group, f);
    for (int class = 0; class < 3; class ++)
        TRY(task_group_spawn(f, &group, (enum fiber_class) class, spin, &spinners[class]));
    TRY(fiber_sleep(f, 100 * MS));
    stop = true;
    TRY(task_group_wait(f, &group));
    for (int class = 0; class < 3; class ++)
        CHECK(spinners[class].turns > 0);
    return STATUS_OK;
}

static void every_class_gets_a_share(void **state) {
    run_on_cores(1, share_the_core, NULL);
}

static enum status spin_until_normal(struct fiber *f, void *argument) {
    while (fiber_class(f) == FIBER_LATENCY)
        TRY(fiber_check(f));
    CHECK(fiber_class(f) == FIBER_NORMAL);
    return STATUS_OK;
}

static enum status serve_requests(struct fiber *f, void *argument) {
    for (int i = 0; i < 3; i++) {
        fiber_request_begin(f);
        CHECK(fiber_class(f) == FIBER_LATENCY);
        TRY(spin_until_normal(f, NULL));
        struct fiber_urgency before = fiber_urgent_begin(f);
        int64_t end = clock_monotonic_ns() + 5 * MS; /* many turns */
        while (clock_monotonic_ns() < end) {
            CHECK(fiber_class(f) == FIBER_LATENCY);
            TRY(fiber_check(f));
        }
        fiber_urgent_end(f, before);
        CHECK(fiber_class(f) == FIBER_NORMAL);
    }
    return STATUS_OK;
}

static void a_long_request_becomes_normal(void **state) {
    run_on_cores(1, serve_requests, NULL);
}

static enum status request_that_calls(struct fiber *f, void *argument) {
    fiber_request_begin(f);
    TRY(core_call(f, 1, spin_until_normal, NULL));
    CHECK(fiber_class(f) == FIBER_NORMAL);
    struct fiber_urgency before = fiber_urgent_begin(f);
    bool stop = true;
    struct spinner spinner = {0, &stop};
    TRY(core_call(f, 1, spin, &spinner));
    fiber_urgent_end(f, before);
    CHECK(fiber_class(f) == FIBER_NORMAL);
    return STATUS_OK;
}

static void a_request_is_charged_for_its_calls(void **state) {
    run_on_cores(2, request_that_calls, NULL);
}

struct recorder {
    int *places, *count;
    int id;
};

static enum status record(struct fiber *f, void *argument) {
    struct recorder *recorder = argument;
    recorder->places[(*recorder->count)++] = recorder->id;
    return STATUS_OK;
}

static enum status first_come_first_served(struct fiber *f, void *argument) {
    int places[6], count = 0;
    struct recorder recorders[6];
    struct task_group group;
    task_group_init(&group, f);
    static const enum fiber_class classes[] = {FIBER_BACKGROUND, FIBER_NORMAL, FIBER_LATENCY,
                                               FIBER_LATENCY,    FIBER_NORMAL, FIBER_BACKGROUND};
    for (int i = 0; i < 6; i++) {
        recorders[i] = (struct recorder){places, &count, i};
        TRY(task_group_spawn(f, &group, classes[i], record, &recorders[i]));
    }
    TRY(fiber_sleep(f, MS)); /* give the turn away */
    TRY(task_group_wait(f, &group));
    /* Which class comes first depends on what each is owed; inside a class the order is that of
       spawning. */
    int at[6];
    for (int i = 0; i < 6; i++)
        at[places[i]] = i;
    CHECK(at[2] < at[3] && at[1] < at[4] && at[0] < at[5]);
    return STATUS_OK;
}

static void a_class_runs_in_order(void **state) {
    if (tested_backend == RUNTIME_BACKEND_SIMULATOR)
        skip(); /* it shuffles who is ready */
    run_on_cores(1, first_come_first_served, NULL);
}

/* ---- time ------------------------------------------------------------------------------- */

struct sleeper {
    int64_t duration, woke;
};

static enum status sleep_some(struct fiber *f, void *argument) {
    struct sleeper *sleeper = argument;
    int64_t begin = clock_monotonic_ns();
    TRY(fiber_sleep(f, sleeper->duration));
    sleeper->woke = clock_monotonic_ns() - begin;
    return STATUS_OK;
}

static enum status sleep_randomly(struct fiber *f, void *argument) {
    struct sleeper sleepers[300];
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < 300; i++) {
        sleepers[i] = (struct sleeper){(int64_t)random_below(fiber_random(f), 20 * MS) - MS, 0};
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, sleep_some, &sleepers[i]));
    }
    TRY(task_group_wait(f, &group));
    for (int i = 0; i < 300; i++)
        CHECK(sleepers[i].woke >= sleepers[i].duration);
    return STATUS_OK;
}

static void sleepers_never_wake_early(void **state) {
    run_on_cores(1, sleep_randomly, NULL);
}

static enum status move_deadlines(struct fiber *f, void *argument) {
    /* A deadline replaced by a later one does not fire at the old time, one replaced by an
       earlier one does fire at the new. */
    struct deadline deadline = {clock_monotonic_ns() + 2 * MS, STATUS_CANCELED,
                                "statement timeout"};
    fiber_deadline_set(f, deadline);
    deadline.at_ns += 60000ll * MS;
    fiber_deadline_set(f, deadline);
    TRY(fiber_sleep(f, 5 * MS));
    deadline.at_ns = clock_monotonic_ns() + 2 * MS;
    struct deadline before = fiber_deadline_set(f, deadline);
    CHECK(before.at_ns > deadline.at_ns);
    CHECK_STATUS(fiber_sleep(f, HOUR), STATUS_CANCELED);
    CHECK(strcmp(error_current()->message, "statement timeout") == 0);
    /* It stays passed, and a long loop sees it too, until another is set. */
    CHECK_STATUS(fiber_sleep(f, 0), STATUS_CANCELED);
    CHECK_STATUS(fiber_check(f), STATUS_CANCELED);
    CHECK(fiber_cancelled(f));
    fiber_deadline_set(f, (struct deadline){0});
    TRY(fiber_sleep(f, 0));
    /* One that lies in the past fails at once. */
    deadline.at_ns = 1;
    fiber_deadline_set(f, deadline);
    CHECK_STATUS(fiber_sleep(f, HOUR), STATUS_CANCELED);
    fiber_cancel_clear(f);
    CHECK(fiber_deadline(f).at_ns == 0);
    return fiber_sleep(f, 0);
}

static void deadlines_move(void **state) {
    run_on_cores(1, move_deadlines, NULL);
}

static enum status run_into_deadline(struct fiber *f, void *argument) {
    struct deadline deadline = {clock_monotonic_ns() + 2 * MS, STATUS_CANCELED, NULL};
    fiber_deadline_set(f, deadline);
    for (;;) {
        enum status status = fiber_check(f);
        if (status != STATUS_OK)
            return status;
    }
}

static enum status a_loop_meets_its_deadline(struct fiber *f, void *argument) {
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, run_into_deadline, NULL));
    CHECK_STATUS(task_group_wait(f, &group), STATUS_CANCELED);
    return STATUS_OK;
}

static void a_long_loop_notices_its_deadline(void **state) {
    run_on_cores(1, a_loop_meets_its_deadline, NULL);
}

/* ---- cancellation ----------------------------------------------------------------------- */

struct victim {
    struct fiber *fiber;
    struct fiber_mutex mutex;
    struct event event;
    struct semaphore semaphore;
    struct condition condition;
    struct channel channel;
    int kind;
    bool started;
    enum status status;
};

enum { KIND_COUNT = 9 };

static enum status wait_forever(struct fiber *f, struct victim *victim) {
    void *item;
    bool accepted;
    struct task_group group;
    struct sleeper sleeper = {HOUR, 0};
    switch (victim->kind) {
    case 0:
        return fiber_sleep(f, HOUR);
    case 1:
        return event_wait(f, &victim->event);
    case 2:
        return fiber_mutex_lock(f, &victim->mutex);
    case 3:
        return semaphore_acquire(f, &victim->semaphore, 3);
    case 4:
        return condition_wait(f, &victim->condition);
    case 5:
        return channel_receive(f, &victim->channel, &item);
    case 6:
        TRY(channel_send(f, &victim->channel, victim, &accepted));
        return channel_send(f, &victim->channel, victim, &accepted);
    case 7:
        task_group_init(&group, f);
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, sleep_some, &sleeper));
        return task_group_wait(f, &group);
    default:
        for (;;)
            TRY(fiber_check(f));
    }
}

static enum status be_victim(struct fiber *f, void *argument) {
    struct victim *victim = argument;
    victim->fiber = f;
    victim->started = true;
    victim->status = wait_forever(f, victim);
    if (victim->status != STATUS_CANCELED)
        return error_set(STATUS_INTERNAL_ERROR, "kind %d ended with %s", victim->kind,
                         status_name(victim->status));
    CHECK(strcmp(error_current()->message, "because") == 0);
    /* It goes on after clearing, and the place it left is in order. */
    CHECK_STATUS(fiber_sleep(f, 1), STATUS_CANCELED);
    fiber_cancel_clear(f);
    return fiber_sleep(f, 1);
}

static enum status cancel_each(struct fiber *f, void *argument) {
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct victim victim = {.kind = kind};
        CHECK(fiber_mutex_try_lock(f, &victim.mutex));
        TRY(channel_init(&victim.channel, 1));
        struct task_group group;
        task_group_init(&group, f);
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, be_victim, &victim));
        TRY(fiber_sleep(f, MS));
        CHECK(victim.started);
        fiber_cancel(victim.fiber, STATUS_CANCELED, "because");
        fiber_cancel(victim.fiber, STATUS_SHUTDOWN, "the first reason wins");
        TRY(task_group_wait(f, &group));
        CHECK(victim.event.waiters.first == NULL && victim.mutex.waiters.first == NULL);
        CHECK(victim.semaphore.waiters.first == NULL);
        CHECK(victim.condition.waiters.first == NULL && !condition_wake_one(&victim.condition));
        fiber_mutex_unlock(f, &victim.mutex);
        CHECK(fiber_mutex_try_lock(f, &victim.mutex));
        channel_release(&victim.channel);
    }
    return STATUS_OK;
}

static void every_wait_can_be_cancelled(void **state) {
    run_on_cores(1, cancel_each, NULL);
}

static enum status shielded(struct fiber *f, void *argument) {
    struct fiber **self = argument;
    *self = f;
    fiber_shield(f);
    fiber_shield(f);
    TRY(fiber_sleep(f, 5 * MS));
    fiber_unshield(f);
    TRY(fiber_sleep(f, 1));
    TRY(fiber_check(f));
    fiber_unshield(f);
    CHECK_STATUS(fiber_check(f), STATUS_CANCELED);
    CHECK_STATUS(fiber_sleep(f, 1), STATUS_CANCELED);
    return STATUS_OK;
}

static enum status cancel_shielded(struct fiber *f, void *argument) {
    struct fiber *target = NULL;
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, shielded, &target));
    TRY(fiber_sleep(f, MS));
    fiber_cancel(target, STATUS_CANCELED, NULL);
    return task_group_wait(f, &group);
}

static void a_shield_postpones_cancellation(void **state) {
    run_on_cores(1, cancel_shielded, NULL);
}

static enum status report_handle(struct fiber *f, void *argument) {
    *(struct fiber_handle *)argument = fiber_handle(f);
    return fiber_sleep(f, HOUR);
}

static enum status cancel_by_handle(struct fiber *f, void *argument) {
    struct fiber_handle handle = {0};
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, report_handle, &handle));
    TRY(fiber_sleep(f, MS));
    runtime_cancel(fiber_runtime(f), handle, STATUS_CANCELED, NULL);
    CHECK_STATUS(task_group_wait(f, &group), STATUS_CANCELED);
    /* Its place is taken by another now: the old handle must not hit that one. */
    struct fiber_handle next = {0};
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, report_handle, &next));
    TRY(fiber_sleep(f, MS));
    CHECK(next.slot == handle.slot && next.generation != handle.generation);
    runtime_cancel(fiber_runtime(f), handle, STATUS_SHUTDOWN, NULL);
    TRY(fiber_sleep(f, MS));
    CHECK(group.live_count == 1);
    runtime_cancel(fiber_runtime(f), next, STATUS_CANCELED, NULL);
    CHECK_STATUS(task_group_wait(f, &group), STATUS_CANCELED);
    return STATUS_OK;
}

static void a_stale_handle_is_harmless(void **state) {
    run_on_cores(1, cancel_by_handle, NULL);
}

static enum status interrupted_owner(struct fiber *f, void *argument) {
    struct task_group group;
    task_group_init(&group, f);
    struct sleeper sleepers[20];
    for (int i = 0; i < 20; i++) {
        sleepers[i] = (struct sleeper){HOUR, 0};
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, sleep_some, &sleepers[i]));
    }
    fiber_deadline_set(f,
                       (struct deadline){clock_monotonic_ns() + 2 * MS, STATUS_CANCELED, "late"});
    CHECK_STATUS(task_group_wait(f, &group), STATUS_CANCELED);
    CHECK(strcmp(error_current()->message, "late") == 0 && group.live_count == 0);
    return STATUS_OK;
}

static void an_interrupted_owner_takes_its_children_along(void **state) {
    run_on_cores(1, interrupted_owner, NULL);
}

/* ---- limits and stacks ------------------------------------------------------------------ */

static enum status fill_up(struct fiber *f, void *argument) {
    struct task_group group;
    task_group_init(&group, f);
    struct sleeper sleeper = {HOUR, 0};
    int spawned = 0;
    enum status status;
    while ((status = task_group_spawn(f, &group, FIBER_NORMAL, sleep_some, &sleeper)) == STATUS_OK)
        spawned++;
    CHECK(status == STATUS_LIMIT_EXCEEDED);
    CHECK(spawned >= 90 && spawned < 100);
    fiber_yield(f);
    task_group_cancel(&group, STATUS_CANCELED);
    CHECK_STATUS(task_group_wait(f, &group), STATUS_CANCELED);
    sleeper.duration = 0;
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, sleep_some, &sleeper));
    return task_group_wait(f, &group);
}

static void beyond_the_cap_spawning_is_refused(void **state) {
    struct runtime_options options = {
        .core_count = 1, .backend = tested_backend, .fiber_count_max = 100};
    struct runtime *runtime;
    assert_ok(runtime_create(&options, &runtime));
    assert_ok(runtime_run(runtime, 0, fill_up, NULL));
    runtime_destroy(runtime);
}

/* 100 bytes and some at each level; returns how deep it came before `reserve` bytes were left. */
__attribute__((noinline)) static int descend(size_t reserve, int depth) {
    volatile char frame[100];
    frame[depth % 100] = (char)depth;
    if (fiber_stack_left() < reserve)
        return depth;
    int reached = descend(reserve, depth + 1);
    return reached + (frame[depth % 100] != (char)depth);
}

static enum status deep(void *argument) {
    *(int *)argument = descend(16384, 0);
    return error_set(STATUS_DIVISION_BY_ZERO, "deep");
}

static enum status use_stacks(struct fiber *f, void *argument) {
    CHECK(fiber_stack_left() > 100000 && fiber_stack_left() < 300000);
    int here = descend(16384, 0), there = 0;
    CHECK_STATUS(fiber_on_large_stack(f, deep, &there), STATUS_DIVISION_BY_ZERO);
    CHECK(strcmp(error_current()->message, "deep") == 0);
    CHECK(here > 100 && there > 10 * here);
    CHECK(fiber_stack_left() < 300000);
    return STATUS_OK;
}

static void the_large_stack_is_larger(void **state) {
    assert_true(fiber_stack_left() > 100000); /* of the thread */
    run_on_cores(1, use_stacks, NULL);
}

static enum status keep_errors_apart(struct fiber *f, void *argument) {
    char want[20];
    for (int i = 0; i < 50; i++) {
        snprintf(want, sizeof want, "%p %d", argument, i);
        (void)!error_set(STATUS_IO_ERROR, "%s", want);
        fiber_yield(f);
        CHECK(strcmp(error_current()->message, want) == 0);
    }
    return STATUS_OK;
}

static enum status many_errors(struct fiber *f, void *argument) {
    struct task_group group;
    task_group_init(&group, f);
    for (uintptr_t i = 1; i < 50; i++)
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, keep_errors_apart, (void *)i));
    return task_group_wait(f, &group);
}

static void each_fiber_has_its_error_slot(void **state) {
    run_on_cores(1, many_errors, NULL);
}

static enum status random_numbers(struct fiber *f, void *argument) {
    *(uint64_t *)argument = random_next(fiber_random(f));
    return STATUS_OK;
}

static void the_seed_decides_the_random_numbers(void **state) {
    uint64_t numbers[2];
    run_on_cores(1, random_numbers, &numbers[0]);
    run_on_cores(1, random_numbers, &numbers[1]);
    assert_int_equal(numbers[0], numbers[1]);
    uint8_t secret[32] = {0}, zero[32] = {0};
    assert_ok(secret_random(secret, sizeof secret));
    assert_memory_not_equal(secret, zero, sizeof secret);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_class_gets_a_share),
    cmocka_unit_test(a_long_request_becomes_normal),
    cmocka_unit_test(a_request_is_charged_for_its_calls),
    cmocka_unit_test(a_class_runs_in_order),
    cmocka_unit_test(sleepers_never_wake_early),
    cmocka_unit_test(deadlines_move),
    cmocka_unit_test(a_long_loop_notices_its_deadline),
    cmocka_unit_test(every_wait_can_be_cancelled),
    cmocka_unit_test(a_shield_postpones_cancellation),
    cmocka_unit_test(a_stale_handle_is_harmless),
    cmocka_unit_test(an_interrupted_owner_takes_its_children_along),
    cmocka_unit_test(beyond_the_cap_spawning_is_refused),
    cmocka_unit_test(the_large_stack_is_larger),
    cmocka_unit_test(each_fiber_has_its_error_slot),
    cmocka_unit_test(the_seed_decides_the_random_numbers),
};

RUN_ON_ALL(tests)
