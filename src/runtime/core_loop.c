/*
 * The loop of a core: choose whose turn it is, let fibers run, ask the machine, sleep.
 *
 * A round is one class's turn; whose it is says turn.h. A fiber of a lower class that runs long
 * looks now and then whether somebody has come for whom its turn should be broken off
 * (core__has_news): messages, completions.
 *
 * Requests of the latency class that run long become normal ones. Which do is found by sampling:
 * each time the class has run for a whole turn, by whomever, the fiber that runs in that moment is
 * charged with it (meter_end), and who has been charged CHARGE_MAX times is moved. So nothing has
 * to be measured at every switch. Charges go up from calls to their callers.
 *
 * Sleeping. A core that has just been asked or answered in a work of several (fiber_share_set), has
 * sent something to a client or asked the disk for something urgent lingers first: it looks for
 * news without saying that it sleeps, so that nobody has to wake it. Once it sleeps nobody may wait
 * for it in vain. Three things can want it:
 *
 *   a message   Before the core sleeps it sets `sleeping` and looks at its inbox once more; a
 *               sender first adds to the inbox and then looks at `sleeping` (all sequentially
 *               consistent, so one of the two sees the other). Only the sender that takes the flag
 *               down rings, so a burst of messages costs one ring, and a busy core none. That all
 *               hangs on one promise of the back end: a ring after `sleeping` was set ends the
 *               poll() that follows. It may never clear the bell before it listens
 *               (test/runtime/wake_test.c rings just there). A ring that comes late, when the core
 *               is awake again by other means, is harmless: its message lay in the inbox before,
 *               and the inbox is looked at between any two sleeps. So is `sleeping` put back to 0
 *               with relaxed order after the poll: a sender that reads this 0 comes, in the single
 *               order, before the core sets the flag again, and so its message is seen by the look
 *               that follows.
 *   a timer     Only this core sets its timers, and not between reading the first and sleeping.
 *   a fiber     made ready by a completion. Completions are handled in poll() only after the wait;
 *               or before it, when room has to be made for a submission, and then poll() must not
 *               wait (backend_uring.c, arm_wake).
 */
#include "runtime/core.h"
#include "runtime/sanitizer.h"
#include "runtime/switch.h"

_Thread_local struct core *core__current_slot;

/* Never inlined: the address of a thread-local must not be kept across a switch. */
__attribute__((noinline)) struct core *core__current(void) {
    return core__current_slot;
}

/* ---- switching -------------------------------------------------------------------------- */

/* The next fiber of this round; NULL when the round is over. The clock is read at every fourth
   switch: it costs as much as the switch, and who runs long without waiting meets fiber_check. */
static inline struct fiber *next_of_round(struct core *c) {
    struct list *queue = &c->ready[c->round_class];
    if (list_empty(queue) || c->round_break)
        return NULL;
    if ((++c->round_switches & 3) == 0 && clock_ticks() >= c->round_end)
        return NULL;
    return CONTAINER_OF(list_pop_front(queue), struct fiber, ready_link);
}

static inline void prepare_to_run(struct core *c, struct fiber *f) {
    c->current = f;
    f->state = FIBER_RUNNING;
    f->face.slice_end = fiber__interruption_waits(f) ? 0 : c->look_end;
    c->stack_low_now = f->stack_low;
    error_slot_set(&f->error);
}

static inline void prepare_loop(struct core *c) {
    c->current = NULL;
    c->stack_low_now = NULL;
    error_slot_set(NULL);
}

/* Continue `next`, or the loop if that is NULL. `fake_stack` is NULL when the running context
   ends. */
NO_TSAN_NOTES static void leave(struct core *c, void **save, struct fiber *next,
                                void **fake_stack) {
    void *load;
    if (next != NULL) {
        prepare_to_run(c, next);
        load = next->stack_pointer;
    } else {
        prepare_loop(c);
        load = c->loop_stack_pointer;
    }
#ifdef WITH_ASAN
    if (next != NULL)
        __sanitizer_start_switch_fiber(fake_stack, next->stack_low,
                                       (size_t)((char *)next - (char *)next->stack_low));
    else
        __sanitizer_start_switch_fiber(fake_stack, c->loop_stack_low, c->loop_stack_size);
#endif
#ifdef WITH_TSAN
    __tsan_switch_to_fiber(next != NULL ? next->tsan_fiber : c->loop_tsan_fiber, 0);
#endif
    switch__stack(save, load);
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake_stack != NULL ? *fake_stack : NULL, NULL, NULL);
#endif
}

NO_TSAN void core__switch_away(struct fiber *f) {
    struct core *c = f->core;
    struct fiber *next = next_of_round(c);
    if (next == f) {
        f->state = FIBER_RUNNING;
        return;
    }
    leave(c, &f->stack_pointer, next, &f->fake_stack);
}

NO_TSAN_NOTES _Noreturn void core__switch_away_for_ever(struct fiber *f) {
    struct core *c = f->core;
    leave(c, &f->stack_pointer, next_of_round(c), NULL);
    __builtin_unreachable();
}

/* ---- rounds ----------------------------------------------------------------------------- */

/* The classes that have ready fibers, as bits. */
static unsigned ready_classes(const struct core *c) {
    unsigned ready = 0;
    for (int class = 0; class < FIBER_CLASS_COUNT; class ++)
        ready |= (unsigned)!list_empty(&c->ready[class]) << class;
    return ready;
}

uint64_t core__look_end(const struct core *c, uint64_t now) {
    uint64_t end = now + c->runtime->poll_ticks;
    if (environment__current->checked != NULL)
        return 0;
    return end < c->round_end ? end : c->round_end;
}

NO_TSAN static void run_round(struct core *c, int class) {
    uint64_t begin = clock_ticks();
    c->round_class = (uint8_t) class;
    c->round_break = c->round_broken = false;
    c->round_end = begin + turn__length(&c->turns, class);
    c->look_end = core__look_end(c, begin);
    if (class == FIBER_LATENCY)
        c->meter_end = begin + c->turns.slice[class] - c->metered_ticks;
    struct fiber *first = CONTAINER_OF(list_pop_front(&c->ready[class]), struct fiber, ready_link);
    leave(c, &c->loop_stack_pointer, first, &c->loop_fake_stack);

    uint64_t end = clock_ticks();
    turn__used(&c->turns, class, end - begin, c->round_broken, ready_classes(c));
    if (class == FIBER_LATENCY)
        c->metered_ticks = end < c->meter_end ? c->turns.slice[class] - (c->meter_end - end) : 0;
    c->round_class = 0; /* nobody's turn: fiber__ready need not break it */
}

NO_TSAN void core__run_one(struct core *c, struct fiber *f) {
    list_remove(&f->ready_link);
    c->round_class = f->class;
    c->round_break = true;
    c->round_end = c->look_end = 0; /* every fiber_check asks whether the turn is over */
    leave(c, &c->loop_stack_pointer, f, &c->loop_fake_stack);
    c->round_class = 0;
}

bool core__has_news(struct core *c) {
    return atomic_load_explicit(&c->inbox, memory_order_relaxed) != NULL ||
           (c->backend->has_news != NULL && c->backend->has_news(c));
}

void fiber__charge(struct fiber *f, unsigned turns) {
    if (!f->metered)
        return;
    f->charged = (uint8_t)(f->charged + turns > CHARGE_MAX ? CHARGE_MAX : f->charged + turns);
    if (f->charged == CHARGE_MAX && f->class == FIBER_LATENCY)
        f->class = FIBER_NORMAL;
}

void core__charge(struct core *c, struct fiber *f, uint64_t now) {
    if (c->round_class != FIBER_LATENCY || now < c->meter_end ||
        environment__current->simulation != NULL)
        return; /* a simulator charges when it ends turns */
    c->meter_end = now + c->turns.slice[FIBER_LATENCY];
    fiber__charge(f, 1);
}

/* ---- inbox ------------------------------------------------------------------------------ */

void core__post(struct core *c, struct message *message) {
    struct message *first = atomic_load_explicit(&c->inbox, memory_order_relaxed);
    do {
        message->next = first;
    } while (!atomic_compare_exchange_weak(&c->inbox, &first, message));
    if (atomic_load(&c->sleeping) != 0 && atomic_exchange(&c->sleeping, 0) != 0)
        c->backend->wake(c);
}

void core__drain_inbox(struct core *c) {
    if (atomic_load_explicit(&c->inbox, memory_order_relaxed) == NULL)
        return;
    struct message *newest_first = atomic_exchange(&c->inbox, NULL);
    struct message *oldest_first = NULL;
    while (newest_first != NULL) {
        struct message *next = newest_first->next;
        newest_first->next = oldest_first;
        oldest_first = newest_first;
        newest_first = next;
    }
    while (oldest_first != NULL) {
        struct message *message = oldest_first;
        oldest_first = message->next; /* deliver() gives the message away */
        message->deliver(c, message);
    }
}

/* ---- counting --------------------------------------------------------------------------- */

/* Only the core itself writes these: no read-modify-write is needed. */
void core__count_started(struct core *c) {
    uint64_t count = atomic_load_explicit(&c->activity.started, memory_order_relaxed);
    atomic_store_explicit(&c->activity.started, count + 1, memory_order_release);
}

void core__count_finished(struct core *c) {
    uint64_t count = atomic_load_explicit(&c->activity.finished, memory_order_relaxed);
    atomic_store_explicit(&c->activity.finished, count + 1, memory_order_release);
}

_Static_assert((int)RUNTIME_TURN_LENGTHS == (int)TURN_LENGTH_COUNT, "one histogram");

void runtime_turns(const struct runtime *runtime, unsigned core, enum fiber_class class,
                   struct runtime_turns *turns_out) {
    ASSERT(core < runtime->core_count && (int)class < FIBER_CLASS_COUNT);
    const struct turn_figures *figures = &runtime->cores[core]->turns.figures[class];
    uint64_t rate = runtime->ticks_per_us;
    *turns_out = (struct runtime_turns){
        .all_us = atomic_load_explicit(&figures->ticks, memory_order_relaxed) / rate,
        .longest_us = atomic_load_explicit(&figures->longest, memory_order_relaxed) / rate,
    };
    for (int i = 0; i < RUNTIME_TURN_LENGTHS; i++) {
        turns_out->lengths[i] = atomic_load_explicit(&figures->lengths[i], memory_order_relaxed);
        turns_out->turns += turns_out->lengths[i];
    }
}

/* ---- sleeping --------------------------------------------------------------------------- */

enum { BUSY_WINDOW_NS = 100 * 1000 * 1000 };

static void close_window(struct core *c, int64_t now) {
    int64_t length = now - c->window_start_ns;
    if (length < BUSY_WINDOW_NS)
        return;
    c->busy_ns += now - c->busy_since_ns;
    c->busy_since_ns = now;
    atomic_store_explicit(&c->activity.busy_percent, (uint32_t)(c->busy_ns * 100 / length),
                          memory_order_relaxed);
    c->busy_ns = 0;
    c->window_start_ns = now;
}

unsigned runtime_core_busy_percent(const struct runtime *runtime, unsigned core) {
    ASSERT(core < runtime->core_count);
    const struct core_activity *activity = &runtime->cores[core]->activity;
    int64_t since = atomic_load_explicit(&activity->sleeping_since_ns, memory_order_relaxed);
    if (since != 0 && clock_monotonic_ns() - since > BUSY_WINDOW_NS)
        return 0;
    return atomic_load_explicit(&activity->busy_percent, memory_order_relaxed);
}

enum { LINGER_TRY = 32 };
static const struct {
    unsigned us;
    uint32_t vain_max;
} lingers[LINGER_CAUSE_COUNT] = {
    [LINGER_CORE] = {50, UINT32_MAX},
    [LINGER_CLIENT] = {50, 8},
    [LINGER_DISK] = {200, 8},
};

/* A client that works through its statements sends the next one soon, one that thinks does not;
   disks are quick or slow. After a few that were not quick, only now and then does one get the
   chance to show that it would be. */
void core__expect(struct core *c, enum linger_cause cause) {
    uint32_t *vain = &c->lingered_vain[cause];
    if (*vain >= lingers[cause].vain_max && ++*vain % LINGER_TRY != 0)
        return;
    uint64_t end = clock_ticks() + lingers[cause].us * c->runtime->ticks_per_us;
    if (end > c->linger_end) {
        c->linger_end = end;
        c->linger_cause = cause;
    }
}

void core__expect_no_more(struct core *c, enum linger_cause cause) {
    if (c->linger_cause == cause)
        c->linger_end = 0;
}

/* To fall asleep and be woken costs 10 to 50 us where processors are virtual, often more than what
   is waited for (decision 0006). Other threads may run meanwhile. False: nothing came. */
static bool linger(struct core *c) {
    uint64_t end = c->linger_end;
    if (c->backend->has_news == NULL || clock_ticks() >= end)
        return false;
    uint32_t *vain = &c->lingered_vain[c->linger_cause];
    c->backend->poll(c, 0); /* what was asked of the machine goes out first */
    while (ready_classes(c) == 0 && !core__has_news(c)) {
        if (clock_ticks() >= end) {
            ++*vain;
            return false;
        }
        environment__current->pause();
    }
    /* What came while others had the processor for long would have come to a sleeper, too. */
    *vain = clock_ticks() >= end ? *vain + 1 : 0;
    return true;
}

static void sleep_until_something(struct core *c) {
    int64_t until = timer__first(&c->timers);
    if (c->warm_count > WARM_STACKS_IDLE) {
        if (c->now_ns - c->trimmed_ns > 1000000000) {
            stack__trim(c, WARM_STACKS_IDLE);
            c->trimmed_ns = c->now_ns;
        } else if (until > c->now_ns + 1000000000) {
            until = c->now_ns + 1000000000;
        }
    }
    atomic_store(&c->sleeping, 1);
    if (atomic_load(&c->inbox) != NULL) {
        atomic_store(&c->sleeping, 0);
        return;
    }
    atomic_store_explicit(&c->activity.sleeping_since_ns, clock_monotonic_ns(),
                          memory_order_relaxed);
    c->backend->poll(c, until);
    atomic_store_explicit(&c->sleeping, 0, memory_order_relaxed);
    atomic_store_explicit(&c->activity.sleeping_since_ns, 0, memory_order_relaxed);
}

static void wait_for_something(struct core *c) {
    c->busy_ns += clock_monotonic_ns() - c->busy_since_ns;
    if (!linger(c))
        sleep_until_something(c);
    c->busy_since_ns = clock_monotonic_ns();
}

/* ---- the loop --------------------------------------------------------------------------- */

NO_TSAN void core__loop(struct core *c) {
    c->busy_since_ns = c->window_start_ns = c->trimmed_ns = clock_monotonic_ns();
    while (!c->stopped) {
        c->now_ns = clock_monotonic_ns();
        close_window(c, c->now_ns);
        timer__run(&c->timers, c->now_ns);
        core__drain_inbox(c);
        int class = turn__choose(&c->turns, ready_classes(c));
        if (class >= 0)
            run_round(c, class);
        if (c->stopping && c->fiber_count == 0) {
            atomic_fetch_add(&c->runtime->drained, 1);
            futex__wake(&c->runtime->drained);
        }
        if (c->stopped)
            break;
        /* What latency wants of the machine must not wait for a turn of somebody else. */
        bool latency_waits = class == FIBER_LATENCY && list_empty(&c->ready[FIBER_LATENCY]);
        if (ready_classes(c) == 0) {
            wait_for_something(c);
            c->polled_ticks = clock_ticks();
        } else if (latency_waits || clock_ticks() - c->polled_ticks >= c->runtime->poll_ticks) {
            if (c->warm_count > WARM_STACKS_MAX)
                stack__trim(c, WARM_STACKS_MAX);
            c->backend->poll(c, 0);
            c->polled_ticks = clock_ticks();
        }
    }
    core__drain_inbox(c);
}
