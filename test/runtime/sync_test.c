/* Locks, semaphores, conditions, events and channels under random use and random cancellation. */
#include "runtime_fixture.h"

#include "runtime/runtime_sync.h"

enum { FIBERS = 30, STEPS = 300, SEMAPHORE_TOTAL = 5 };

struct world {
    struct fiber_mutex mutex;
    struct fiber *holder; /* the model of the mutex */
    struct semaphore semaphore;
    uint64_t taken; /* the model of the semaphore */
    struct event event;
    struct condition condition;
    struct channel channel;
    uint64_t sent, received, sent_sum, received_sum;
    struct fiber *fibers[FIBERS];
    int running;
    bool closing;
};

struct worker {
    struct world *world;
    int id;
};

/* A random number of short waits. */
static enum status dawdle(struct fiber *f) {
    for (uint64_t i = random_below(fiber_random(f), 3); i > 0; i--) {
        if (random_below(fiber_random(f), 8) == 0)
            TRY(fiber_sleep(f, (int64_t)random_below(fiber_random(f), 20000)));
        else
            fiber_yield(f);
    }
    return STATUS_OK;
}

static enum status use_mutex(struct fiber *f, struct world *w) {
    TRY(fiber_mutex_lock(f, &w->mutex));
    CHECK(w->holder == NULL);
    w->holder = f;
    enum status status = dawdle(f);
    CHECK(w->holder == f);
    w->holder = NULL;
    fiber_mutex_unlock(f, &w->mutex);
    return status;
}

static enum status use_semaphore(struct fiber *f, struct world *w) {
    uint64_t count = 1 + random_below(fiber_random(f), SEMAPHORE_TOTAL);
    TRY(semaphore_acquire(f, &w->semaphore, count));
    w->taken += count;
    CHECK(w->taken <= SEMAPHORE_TOTAL);
    enum status status = dawdle(f);
    w->taken -= count;
    semaphore_post(&w->semaphore, count);
    return status;
}

static enum status use_channel(struct fiber *f, struct world *w) {
    if (random_below(fiber_random(f), 2) == 0) {
        uintptr_t item = 1 + random_below(fiber_random(f), 1000);
        bool accepted;
        TRY(channel_send(f, &w->channel, (void *)item, &accepted));
        if (accepted) {
            w->sent++;
            w->sent_sum += item;
        }
    } else {
        void *item;
        TRY(channel_receive(f, &w->channel, &item));
        if (item != NULL) {
            w->received++;
            w->received_sum += (uintptr_t)item;
        }
    }
    return STATUS_OK;
}

static enum status use_event(struct fiber *f, struct world *w) {
    switch (random_below(fiber_random(f), 3)) {
    case 0:
        event_set(&w->event);
        CHECK(w->event.waiters.first == NULL);
        return STATUS_OK;
    case 1:
        if (!w->closing)
            event_reset(&w->event);
        return STATUS_OK;
    default:
        return event_wait(f, &w->event);
    }
}

static enum status use_condition(struct fiber *f, struct world *w) {
    if (w->closing || random_below(fiber_random(f), 2) == 0) {
        condition_wake_one(&w->condition);
        return STATUS_OK;
    }
    return condition_wait(f, &w->condition);
}

static enum status step(struct fiber *f, struct world *w) {
    switch (random_below(fiber_random(f), 5)) {
    case 0:
        return use_mutex(f, w);
    case 1:
        return use_semaphore(f, w);
    case 2:
        return use_channel(f, w);
    case 3:
        return use_event(f, w);
    default:
        return use_condition(f, w);
    }
}

static enum status work(struct fiber *f, void *argument) {
    const struct worker *worker = argument;
    struct world *w = worker->world;
    w->fibers[worker->id] = f;
    w->running++;
    enum status status = STATUS_OK;
    for (int i = 0; i < STEPS && status == STATUS_OK; i++) {
        status = step(f, w);
        if (status == STATUS_CANCELED) {
            fiber_cancel_clear(f);
            status = STATUS_OK;
        }
        if (status == STATUS_OK && random_below(fiber_random(f), 4) == 0)
            fiber_yield(f);
    }
    w->fibers[worker->id] = NULL;
    w->running--;
    return status;
}

/* Cancels at random until everybody is through, so that nobody waits for ever. */
static enum status play(struct fiber *f, void *argument) {
    struct world w = {.semaphore.available = SEMAPHORE_TOTAL};
    TRY(channel_init(&w.channel, 3));
    struct worker workers[FIBERS];
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < FIBERS; i++) {
        workers[i] = (struct worker){&w, i};
        TRY(task_group_spawn(f, &group, (enum fiber_class)(i % 3), work, &workers[i]));
    }
    int rounds = 0;
    while (group.live_count > 0 && group.first_failure == STATUS_OK) {
        TRY(fiber_sleep(f, 10000));
        struct fiber *victim = w.fibers[random_below(fiber_random(f), FIBERS)];
        if (victim != NULL)
            fiber_cancel(victim, STATUS_CANCELED, NULL);
        if (++rounds == 3000) {
            w.closing = true;
            channel_close(&w.channel);
            event_set(&w.event);
        }
    }
    TRY(task_group_wait(f, &group));
    CHECK(w.holder == NULL && w.taken == 0 && w.running == 0);
    CHECK(w.semaphore.available == SEMAPHORE_TOTAL && w.semaphore.waiters.first == NULL);
    CHECK(fiber_mutex_try_lock(f, &w.mutex));
    channel_close(&w.channel);
    void *item;
    do {
        TRY(channel_receive(f, &w.channel, &item));
        w.received += item != NULL;
        w.received_sum += (uintptr_t)item;
    } while (item != NULL);
    CHECK(w.sent == w.received && w.sent_sum == w.received_sum);
    bool accepted = true;
    TRY(channel_send(f, &w.channel, &w, &accepted));
    CHECK(!accepted);
    channel_release(&w.channel);
    return STATUS_OK;
}

static void random_use_keeps_the_promises(void **state) {
    run_on_cores(1, play, NULL);
}

/* ---- order ------------------------------------------------------------------------------ */

struct queuer {
    struct fiber_mutex *mutex;
    int id, *order, *count;
};

static enum status queue_for_mutex(struct fiber *f, void *argument) {
    struct queuer *queuer = argument;
    TRY(fiber_mutex_lock(f, queuer->mutex));
    queuer->order[(*queuer->count)++] = queuer->id;
    fiber_mutex_unlock(f, queuer->mutex);
    return STATUS_OK;
}

static enum status serve_in_order(struct fiber *f, void *argument) {
    struct fiber_mutex mutex = {0};
    int order[20], count = 0;
    struct queuer queuers[20];
    struct task_group group;
    task_group_init(&group, f);
    TRY(fiber_mutex_lock(f, &mutex));
    for (int i = 0; i < 20; i++) {
        queuers[i] = (struct queuer){&mutex, i, order, &count};
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, queue_for_mutex, &queuers[i]));
    }
    fiber_yield(f);
    TRY(fiber_sleep(f, 1000000));
    fiber_mutex_unlock(f, &mutex);
    CHECK(!fiber_mutex_try_lock(f, &mutex)); /* handed over, not free */
    TRY(task_group_wait(f, &group));
    for (int i = 0; i < 20; i++)
        CHECK(order[i] == i);
    return STATUS_OK;
}

static void waiters_are_served_in_order(void **state) {
    if (tested_backend == RUNTIME_BACKEND_SIMULATOR)
        skip(); /* it shuffles who is ready */
    run_on_cores(1, serve_in_order, NULL);
}

/* A large wish in front holds small ones back; when it goes away, they are served. */
struct wisher {
    struct semaphore *semaphore;
    struct fiber *fiber;
    uint64_t count;
    bool got;
};

static enum status wish(struct fiber *f, void *argument) {
    struct wisher *wisher = argument;
    wisher->fiber = f;
    enum status status = semaphore_acquire(f, wisher->semaphore, wisher->count);
    wisher->got = status == STATUS_OK;
    return STATUS_OK;
}

static enum status large_wish_leaves(struct fiber *f, void *argument) {
    struct semaphore semaphore = {.available = 2};
    struct wisher large = {&semaphore, NULL, 10, false}, small = {&semaphore, NULL, 2, false};
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, wish, &large));
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, wish, &small));
    TRY(fiber_sleep(f, 1000000));
    CHECK(!large.got && !small.got);
    fiber_cancel(large.fiber, STATUS_CANCELED, NULL);
    TRY(task_group_wait(f, &group));
    CHECK(!large.got && small.got);
    return STATUS_OK;
}

static void a_cancelled_wish_makes_room_for_those_behind(void **state) {
    if (tested_backend == RUNTIME_BACKEND_SIMULATOR)
        skip(); /* it shuffles who is ready */
    run_on_cores(1, large_wish_leaves, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(random_use_keeps_the_promises),
    cmocka_unit_test(waiters_are_served_in_order),
    cmocka_unit_test(a_cancelled_wish_makes_room_for_those_behind),
};

RUN_ON_ALL(tests)
