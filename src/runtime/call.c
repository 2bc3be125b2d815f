/*
 * Calls between cores.
 *
 * A call's record lies in the caller's frame and travels as a message: request there, reply back.
 * So there is no queue that could be full, replies always have room, and what bounds the number
 * of calls is credit: CALL_CREDITS for each pair of cores and class, taken before a call that
 * comes from outside any call. Calls made by a handler (call_depth > 0) take none: they are
 * bounded by the credits of the calls they serve, and waiting for credit there is how two cores
 * that call each other would deadlock.
 *
 *      caller's core                          target core
 *      request  ------------------------->    handler fiber runs
 *      cancel   ------------------------->    fiber_cancel(handler), if it still lives
 *      (acknowledged)  <------------------
 *      replied  <-------------------------    handler ended
 *
 * The caller's frame stays until the reply and, if one was sent, the acknowledgement are there.
 */
#include "base/base_chance.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/core.h"

struct fork {
    struct fiber *caller;
    unsigned outstanding; /* messages that must come back */
    bool waiting;
    _Atomic bool failed; /* who sets it writes the next two */
    enum status status;
    struct error *detail; /* NULL when there was no memory for it */
    struct call *calls;
    unsigned call_count;
};

struct call {
    struct message request, cancel;
    struct fork *fork;
    struct core *from, *to;
    fiber_function function;
    void *argument;
    uint8_t class;
    bool shielded, metered, shares; /* as the caller's fiber */
    uint32_t depth;
    const char *name;
    struct deadline deadline;
    enum status cancel_reason;
    const char *cancel_message;
    bool credited, cancel_sent, replied; /* the caller's core's */
    /* The target's core's, until it replies. */
    struct fiber *handler; /* while it lives */
    enum status status;
    uint8_t charged; /* to the handler */
};

enum { CREDIT_LATE_NS = 100000 };

/* ---- credit ----------------------------------------------------------------------------- */

static struct credit *credit_of(struct core *from, unsigned to, unsigned class) {
    return &from->credits[to][class];
}

static enum status credit_take(struct fiber *f, unsigned to, unsigned class) {
    struct credit *credit = credit_of(f->core, to, class);
    if (by_chance("runtime: credit for a call comes late"))
        TRY(fiber_sleep(f, CREDIT_LATE_NS));
    while (credit->used >= CALL_CREDITS)
        TRY(condition_wait(f, &credit->returned));
    credit->used++;
    return STATUS_OK;
}

static void credit_return(struct core *from, unsigned to, unsigned class) {
    struct credit *credit = credit_of(from, to, class);
    ASSERT(credit->used > 0);
    credit->used--;
    condition_wake_one(&credit->returned);
}

/* ---- the target's side ------------------------------------------------------------------ */

static void deliver_reply(struct core *c, struct message *message);

static void fail_fork(struct call *call, enum status status, const struct error *error) {
    if (!atomic_exchange(&call->fork->failed, true)) {
        call->fork->status = status;
        call->fork->detail = memory_alloc(sizeof *error);
        if (call->fork->detail != NULL)
            error__copy(call->fork->detail, error);
    }
}

static void handler_ended(struct fiber *handler, enum status status, void *object) {
    struct call *call = object;
    core__charge(handler->core, handler, clock_ticks());
    call->charged = handler->charged;
    call->handler = NULL;
    call->status = status;
    if (status != STATUS_OK)
        fail_fork(call, status, &handler->error);
    call->request.deliver = deliver_reply;
    core__post(call->from, &call->request);
}

static void note_sharing(struct core *c, const struct call *call) {
    if (call->shares)
        core__expect(c, LINGER_CORE);
}

static void deliver_request(struct core *c, struct message *message) {
    struct call *call = CONTAINER_OF(message, struct call, request);
    note_sharing(c, call);
    struct fiber *handler =
        fiber__create(c, (enum fiber_class)call->class, call->function, call->argument);
    if (handler == NULL) {
        call->status = error_current()->status;
        fail_fork(call, call->status, error_current());
        call->request.deliver = deliver_reply;
        core__post(call->from, &call->request);
        return;
    }
    call->handler = handler;
    handler->name = call->name;
    handler->on_end = handler_ended;
    handler->on_end_object = call;
    handler->call_depth = call->depth;
    handler->face.shield_depth = call->shielded;
    handler->metered = call->metered;
    handler->shares = call->shares;
    fiber_deadline_set(handler, call->deadline);
    fiber__ready(handler);
}

static void deliver_cancel_acknowledged(struct core *c, struct message *message);

static void deliver_cancel(struct core *c, struct message *message) {
    struct call *call = CONTAINER_OF(message, struct call, cancel);
    if (call->handler != NULL)
        fiber_cancel(call->handler, call->cancel_reason, call->cancel_message);
    call->cancel.deliver = deliver_cancel_acknowledged;
    core__post(call->from, &call->cancel);
}

/* ---- the caller's side ------------------------------------------------------------------ */

static void fork_came_back(struct fork *fork) {
    ASSERT(fork->outstanding > 0);
    if (--fork->outstanding == 0 && fork->waiting) {
        fork->waiting = false;
        fiber__ready(fork->caller);
    }
}

static void send_cancel(struct call *call, enum status reason, const char *message) {
    if (call->cancel_sent || call->replied || call->function == NULL)
        return;
    call->cancel_sent = true;
    call->cancel_reason = reason;
    call->cancel_message = message;
    call->cancel.deliver = deliver_cancel;
    call->fork->outstanding++;
    core__post(call->to, &call->cancel);
}

static void cancel_fork(struct fork *fork, enum status reason, const char *message) {
    for (unsigned i = 0; i < fork->call_count; i++)
        send_cancel(&fork->calls[i], reason, message);
}

static void deliver_reply(struct core *c, struct message *message) {
    struct call *call = CONTAINER_OF(message, struct call, request);
    struct fork *fork = call->fork;
    note_sharing(c, call);
    call->replied = true;
    fiber__charge(fork->caller, call->charged);
    if (call->credited)
        credit_return(c, call->to->index, call->class);
    if (call->status != STATUS_OK)
        cancel_fork(fork, call->status, NULL);
    fork_came_back(fork);
}

static void deliver_cancel_acknowledged(struct core *c, struct message *message) {
    fork_came_back(CONTAINER_OF(message, struct call, cancel)->fork);
}

static void caller_interrupted(struct fiber *f, void *object) {
    struct fork *fork = object;
    if (f->cancel_reason != STATUS_OK)
        cancel_fork(fork, f->cancel_reason, f->cancel_message);
    else
        cancel_fork(fork, f->deadline.reason, f->deadline.message);
}

static enum status send_request(struct fiber *f, struct fork *fork, struct call *call,
                                unsigned core, fiber_function function, void *argument) {
    bool credited = f->call_depth == 0 && core != f->core->index;
    uint8_t class = f->class; /* may fall while it waits for credit */
    if (credited)
        TRY(credit_take(f, core, class));
    *call = (struct call){
        .request.deliver = deliver_request,
        .fork = fork,
        .from = f->core,
        .to = f->core->runtime->cores[core],
        .function = function,
        .argument = argument,
        .class = class,
        .shielded = f->face.shield_depth > 0,
        .metered = f->metered,
        .shares = f->shares,
        .credited = credited,
        .depth = f->call_depth + 1,
        .name = f->name,
        .deadline = f->deadline,
    };
    fork->outstanding++;
    core__post(call->to, &call->request);
    return STATUS_OK;
}

static enum status wait_for_fork(struct fiber *f, struct fork *fork) {
    bool interrupted = fiber__interruption_waits(f);
    if (interrupted)
        caller_interrupted(f, fork);
    if (fork->outstanding > 0) {
        fork->waiting = true;
        fiber__wait(f, interrupted ? NULL : caller_interrupted, fork);
        ASSERT(fork->outstanding == 0);
    }
    if (fork->status != STATUS_OK) {
        if (fork->detail != NULL)
            error__copy(error_current(), fork->detail);
        else
            (void)!error_set(fork->status, "%s", status_text(fork->status));
        memory_free(fork->detail);
    }
    return fork->status;
}

enum status core_call(struct fiber *f, unsigned core, fiber_function function, void *argument) {
    struct core *c = f->core;
    ASSERT(core < c->runtime->core_count);
    if (core == c->index) {
        if (by_chance("runtime: a call to the own core waits"))
            fiber_yield(f);
        enum status status = function(f, argument);
        if (by_chance("runtime: a call to the own core comes back late"))
            fiber_yield(f);
        return status;
    }
    TRY(fiber__interrupted(f));
    struct call call;
    struct fork fork = {.caller = f, .calls = &call, .call_count = 1};
    TRY(send_request(f, &fork, &call, core, function, argument));
    return wait_for_fork(f, &fork);
}

enum status core_call_all(struct fiber *f, uint64_t cores, fiber_function function,
                          void *arguments[]) {
    unsigned count = f->core->runtime->core_count;
    ASSERT(count == 64 || cores >> count == 0);
    TRY(fiber__interrupted(f));
    struct call calls[RUNTIME_CORES_MAX];
    struct fork fork = {.caller = f, .calls = calls};
    enum status status = STATUS_OK;
    for (unsigned core = 0; core < count && status == STATUS_OK; core++) {
        if ((cores >> core & 1) == 0)
            continue;
        /* Its own core is called like the others, so that a failure elsewhere can cancel it. */
        status = send_request(f, &fork, &calls[fork.call_count], core, function, arguments[core]);
        if (status == STATUS_OK)
            fork.call_count++;
    }
    if (status != STATUS_OK) {
        /* Cancelled while waiting for credit: that is the outcome, whatever the others say. */
        cancel_fork(&fork, status, NULL);
        (void)!wait_for_fork(f, &fork);
        enum status reason = fiber__interrupted(f);
        return reason != STATUS_OK ? reason : status;
    }
    return wait_for_fork(f, &fork);
}

/* ---- casts ------------------------------------------------------------------------------ */

struct cast {
    struct message message;
    struct core *from, *to;
    fiber_function function;
    void *argument;
    uint8_t class;
    bool credited;
    uint32_t depth;
    const char *name;
};

static void deliver_cast_back(struct core *c, struct message *message) {
    struct cast *cast = (struct cast *)(void *)message;
    if (cast->credited)
        credit_return(c, cast->to->index, cast->class);
    memory_free(cast);
    core__count_finished(c);
}

static void cast_ended(struct fiber *handler, enum status status, void *object) {
    struct cast *cast = object;
    if (status != STATUS_OK)
        LOG(LOG_DEBUG, "runtime", "cast by %s to core %u ended with %s: %s", cast->name,
            cast->to->index, status_name(status), handler->error.message);
    cast->message.deliver = deliver_cast_back;
    core__post(cast->from, &cast->message);
}

static void deliver_cast(struct core *c, struct message *message) {
    struct cast *cast = (struct cast *)(void *)message;
    struct fiber *handler =
        fiber__create(c, (enum fiber_class)cast->class, cast->function, cast->argument);
    if (handler == NULL) {
        LOG(LOG_WARNING, "runtime", "cast by %s to core %u was dropped: %s", cast->name, c->index,
            error_current()->message);
        cast->message.deliver = deliver_cast_back;
        core__post(cast->from, &cast->message);
        return;
    }
    handler->name = cast->name;
    handler->call_depth = cast->depth;
    handler->on_end = cast_ended;
    handler->on_end_object = cast;
    fiber__ready(handler);
}

enum status core_cast(struct fiber *f, unsigned core, fiber_function function, void *argument) {
    struct core *c = f->core;
    ASSERT(core < c->runtime->core_count);
    if (core == c->index)
        return fiber_spawn_detached(f, (enum fiber_class)f->class, f->name, function, argument);
    bool credited = f->call_depth == 0;
    uint8_t class = f->class; /* may fall while it waits for credit */
    if (credited)
        TRY(credit_take(f, core, class));
    struct cast *cast = memory_alloc(sizeof *cast);
    if (cast == NULL) {
        if (credited)
            credit_return(c, core, class);
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    *cast = (struct cast){
        .message.deliver = deliver_cast,
        .from = c,
        .to = c->runtime->cores[core],
        .function = function,
        .argument = argument,
        .class = class,
        .credited = credited,
        .depth = f->call_depth + 1,
        .name = f->name,
    };
    core__count_started(c);
    core__post(cast->to, &cast->message);
    return STATUS_OK;
}
