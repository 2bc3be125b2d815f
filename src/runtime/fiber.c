/* One fiber's life: birth, waiting, interruption, end. */
#include <string.h>

#include "base/base_chance.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/core.h"
#include "runtime/sanitizer.h"
#include "runtime/switch.h"

void error__copy(struct error *to, const struct error *from) {
    *to = *from;
}

/* ---- birth and end ---------------------------------------------------------------------- */

/* Not part of fiber_main, at which ThreadSanitizer does not look. */
__attribute__((noinline)) static void fiber_end(struct fiber *f, enum status status) {
    struct core *c = f->core;
    ASSERT(f->children == 0); /* a group was left before its children */
    ASSERT(f->face.shield_depth == 0 || f->call_depth > 0 || f->group != NULL);
    if (status != STATUS_OK && f->error.status != status) {
        /* Nobody wrote a detail for this status. */
        (void)!error_set(status, "%s", status_text(status));
    }
    timer__clear(&c->timers, &f->deadline_timer);
    timer__clear(&c->timers, &f->sleep_timer);
    if (f->on_end != NULL)
        f->on_end(f, status, f->on_end_object);
    else if (status != STATUS_OK)
        LOG(LOG_DEBUG, "runtime", "fiber %s ended with %s: %s", f->name, status_name(status),
            f->error.message);
    if (f->error.status != STATUS_OK)
        error_clear();
    f->state = FIBER_FREE;
    c->fiber_count--;
    stack__put(c, f->slot);
    core__count_finished(c);
}

NO_TSAN_NOTES static void fiber_main(void *argument) {
    struct fiber *f = argument;
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
    enum status status = f->function(f, f->argument);
    fiber_end(f, status);
    core__switch_away_for_ever(f);
}

static void deadline_fired(struct timer *timer) {
    struct fiber *f = CONTAINER_OF(timer, struct fiber, deadline_timer);
    struct core *c = f->core;
    if (f->deadline.at_ns == 0)
        return;
    if (f->deadline.at_ns > c->now_ns &&
        !by_chance("runtime: a deadline passes early")) { /* moved since the timer was set */
        timer__set(&c->timers, timer, f->deadline.at_ns);
        return;
    }
    f->deadline_passed = true;
    fiber__interrupt(f);
}

static void sleep_fired(struct timer *timer) {
    fiber__ready(CONTAINER_OF(timer, struct fiber, sleep_timer));
}

struct fiber *fiber__create(struct core *c, enum fiber_class class, fiber_function function,
                            void *argument) {
    ASSERT((int)class < FIBER_CLASS_COUNT);
    int64_t taken = stack__take(c);
    if (taken < 0)
        return NULL;
    const struct fiber_slot *slot = &c->slots[taken];
    struct fiber *f = slot->fiber;
    void *stack_low = f->stack_low;
    memset(f, 0, offsetof(struct fiber, error));
    f->core = c;
    f->class = (uint8_t) class;
    f->state = FIBER_WAITING;
    f->function = function;
    f->argument = argument;
    f->name = "fiber";
    f->slot = (uint32_t)taken;
    f->generation = slot->generation;
    f->stack_low = stack_low;
    f->tsan_fiber = slot->tsan_fiber;
    f->deadline_timer.fire = deadline_fired;
    f->sleep_timer.fire = sleep_fired;
    f->stack_pointer = switch__prepare((void *)((uintptr_t)f & ~(uintptr_t)15), fiber_main, f);
    if (c->stopping) {
        f->cancel_reason = STATUS_SHUTDOWN;
        f->face.interrupted = 1;
    }
    c->fiber_count++;
    core__count_started(c);
    return f;
}

enum status fiber_spawn_detached(struct fiber *f, enum fiber_class class, const char *name,
                                 fiber_function function, void *argument) {
    struct fiber *child = fiber__create(f->core, class, function, argument);
    if (child == NULL)
        return error_current()->status;
    child->name = name;
    fiber__ready(child);
    return STATUS_OK;
}

/* ---- waiting ---------------------------------------------------------------------------- */

void fiber__ready(struct fiber *f) {
    struct core *c = f->core;
    DEBUG_ASSERT(c == core__current());
    ASSERT(f->state == FIBER_WAITING);
    f->state = FIBER_READY;
    f->interrupt = NULL;
    list_push_back(&c->ready[f->class], &f->ready_link);
    if (f->class < c->round_class)
        c->round_break = true;
}

void fiber__wait(struct fiber *f, void (*interrupt)(struct fiber *, void *), void *object) {
    ASSERT(f->core->current == f && !f->core->on_large_stack);
    f->interrupt = interrupt;
    f->interrupt_object = object;
    f->state = FIBER_WAITING;
    core__switch_away(f);
}

void fiber_yield(struct fiber *f) {
    struct core *c = f->core;
    ASSERT(c->current == f && !c->on_large_stack);
    f->state = FIBER_READY;
    list_push_back(&c->ready[f->class], &f->ready_link);
    core__switch_away(f);
}

/* To be the next of its class. */
static void give_way(struct fiber *f) {
    struct core *c = f->core;
    ASSERT(c->current == f && !c->on_large_stack);
    f->state = FIBER_READY;
    list_push_front(&c->ready[f->class], &f->ready_link);
    core__switch_away(f);
}

static void interrupt_sleep(struct fiber *f, void *object) {
    timer__clear(&f->core->timers, &f->sleep_timer);
    fiber__ready(f);
}

enum status fiber_sleep(struct fiber *f, int64_t duration_ns) {
    TRY(fiber__interrupted(f));
    if (duration_ns < 0 || by_chance("runtime: a sleep is over early"))
        duration_ns = 0;
    int64_t now = clock_monotonic_ns();
    int64_t until;
    if (__builtin_add_overflow(now, duration_ns, &until))
        until = INT64_MAX;
    timer__set(&f->core->timers, &f->sleep_timer, until);
    fiber__wait(f, interrupt_sleep, NULL);
    return fiber__interrupted(f);
}

enum status fiber_check_slow(struct fiber *f) {
    struct core *c = f->core;
    if (environment__current->checked != NULL)
        environment__current->checked(f);
    TRY(fiber__interrupted(f));
    const struct simulation *simulation = environment__current->simulation;
    if (simulation != NULL) {
        if (simulation->turn_is_over(c)) {
            fiber__charge(f, 1);
            c->round_break = true;
            fiber_yield(f);
        }
        return fiber__interrupted(f);
    }
    uint64_t now = clock_ticks();
    core__charge(c, f, now);
    bool over = now >= c->round_end || f->class != c->round_class;
    if (over) {
        c->round_break = true;
        fiber_yield(f);
    } else if (c->round_break || (f->class != FIBER_LATENCY && core__has_news(c))) {
        c->round_break = c->round_broken = true;
        give_way(f);
    } else {
        f->face.slice_end = c->look_end = core__look_end(c, now);
    }
    return fiber__interrupted(f);
}

void fiber_request_begin(struct fiber *f) {
    f->metered = true;
    f->charged = 0;
    f->class = FIBER_LATENCY;
}

struct fiber_urgency fiber_urgent_begin(struct fiber *f) {
    struct fiber_urgency before = {(enum fiber_class)f->class, f->metered};
    f->class = FIBER_LATENCY;
    f->metered = false;
    return before;
}

void fiber_urgent_end(struct fiber *f, struct fiber_urgency before) {
    f->metered = before.metered;
    fiber_class_set(f, before.class);
}

void fiber_share_set(struct fiber *f, bool shares) {
    f->shares = shares;
}

/* ---- interruption ----------------------------------------------------------------------- */

bool fiber__interruption_waits(const struct fiber *f) {
    return f->face.interrupted && f->face.shield_depth == 0;
}

enum status fiber__interrupted(struct fiber *f) {
    if (__builtin_expect(!fiber__interruption_waits(f), 1))
        return STATUS_OK;
    enum status reason = f->cancel_reason;
    const char *message = f->cancel_message;
    if (reason == STATUS_OK) {
        ASSERT(f->deadline_passed);
        reason = f->deadline.reason;
        message = f->deadline.message;
    }
    return error_set(reason, "%s", message != NULL ? message : status_text(reason));
}

void fiber__interrupt(struct fiber *f) {
    f->face.interrupted = 1;
    if (f->face.shield_depth > 0)
        return;
    f->face.slice_end = 0;
    if (f->state == FIBER_WAITING && f->interrupt != NULL) {
        void (*interrupt)(struct fiber *, void *) = f->interrupt;
        f->interrupt = NULL;
        interrupt(f, f->interrupt_object);
    }
}

void fiber_cancel(struct fiber *target, enum status reason, const char *message) {
    ASSERT(reason != STATUS_OK);
    DEBUG_ASSERT(target->core == core__current());
    if (target->cancel_reason != STATUS_OK)
        return;
    target->cancel_reason = reason;
    target->cancel_message = message;
    fiber__interrupt(target);
}

void fiber__cancel_all(struct core *c, enum status reason, const char *message) {
    for (size_t i = 0; i < c->slot_count; i++) {
        struct fiber *f = c->slots[i].fiber;
        if (!c->slots[i].cold && f->state != FIBER_FREE)
            fiber_cancel(f, reason, message);
    }
}

void fiber_cancel_clear(struct fiber *f) {
    if (f->core->stopping)
        return;
    f->cancel_reason = STATUS_OK;
    f->cancel_message = NULL;
    if (f->deadline_passed)
        f->deadline = (struct deadline){0};
    f->deadline_passed = false;
    f->face.interrupted = 0;
}

bool fiber_cancelled(const struct fiber *f) {
    return f->face.interrupted;
}

struct deadline fiber_deadline_set(struct fiber *f, struct deadline deadline) {
    struct core *c = f->core;
    struct deadline before = f->deadline;
    ASSERT(deadline.at_ns == 0 || deadline.reason != STATUS_OK);
    f->deadline = deadline;
    f->deadline_passed = deadline.at_ns != 0 && deadline.at_ns <= c->now_ns;
    /* A timer that is set for too early looks again when it fires: most deadlines are replaced
       by later ones long before that. */
    if (deadline.at_ns != 0 && !f->deadline_passed &&
        (f->deadline_timer.position == 0 || f->deadline_timer.at_ns > deadline.at_ns))
        timer__set(&c->timers, &f->deadline_timer, deadline.at_ns);
    f->face.interrupted = f->cancel_reason != STATUS_OK || f->deadline_passed;
    if (fiber__interruption_waits(f))
        f->face.slice_end = 0;
    return before;
}

struct deadline fiber_deadline(const struct fiber *f) {
    return f->deadline;
}

struct fiber_handle fiber_handle(const struct fiber *f) {
    return (struct fiber_handle){f->core->index, f->slot, f->generation};
}

struct cancel_message {
    struct message message;
    struct fiber_handle handle;
    enum status reason;
    const char *text;
};

static void deliver_cancel(struct core *c, struct message *message) {
    struct cancel_message *cancel = (struct cancel_message *)(void *)message;
    uint32_t slot = cancel->handle.slot;
    if (slot < c->slot_count && c->slots[slot].generation == cancel->handle.generation &&
        !c->slots[slot].cold && c->slots[slot].fiber->state != FIBER_FREE)
        fiber_cancel(c->slots[slot].fiber, cancel->reason, cancel->text);
    memory_free(cancel);
}

void runtime_cancel(struct runtime *runtime, struct fiber_handle handle, enum status reason,
                    const char *text) {
    ASSERT(handle.core < runtime->core_count && reason != STATUS_OK);
    struct cancel_message *cancel = memory_alloc(sizeof *cancel);
    if (cancel == NULL) {
        LOG(LOG_WARNING, "runtime", "a cancel request was lost: out of memory");
        return;
    }
    *cancel = (struct cancel_message){{NULL, deliver_cancel}, handle, reason, text};
    core__post(runtime->cores[handle.core], &cancel->message);
}

/* ---- properties ------------------------------------------------------------------------- */

void fiber_name_set(struct fiber *f, const char *name) {
    f->name = name;
}

enum fiber_class fiber_class(const struct fiber *f) {
    return (enum fiber_class)f->class;
}

void fiber_class_set(struct fiber *f, enum fiber_class class) {
    ASSERT((int)class < FIBER_CLASS_COUNT);
    f->class = (uint8_t) class;
    /* The turn belongs to the old class: give it back at the next opportunity. */
    if (f->core->current == f && class > f->core->round_class)
        f->core->round_break = true;
}

struct runtime *fiber_runtime(const struct fiber *f) {
    return f->core->runtime;
}

unsigned fiber_core(const struct fiber *f) {
    return f->core->index;
}

struct random *fiber_random(struct fiber *f) {
    return &f->core->random;
}
