/* How outside threads come in: a future is a message to a core and a word to sleep on. */
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "runtime/core.h"

void futex__wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns) {
    if (environment__current->simulation != NULL) {
        environment__current->simulation->wait(word, expected, timeout_ns);
        return;
    }
    struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ns < 0 ? NULL : &timeout, NULL,
            0);
}

void futex__wake(_Atomic uint32_t *word) {
    if (environment__current->simulation == NULL)
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

enum { FUTURE_PENDING, FUTURE_DONE };

struct future_private {
    struct message message;
    struct core *core;
    fiber_function function;
    void *argument;
    enum status status;
    _Atomic uint32_t state;
    struct error error;
};

static void complete(struct future_private *future, enum status status, const struct error *error) {
    struct core *c = future->core;
    future->status = status;
    if (status != STATUS_OK)
        error__copy(&future->error, error);
    atomic_fetch_sub(&c->submitted, 1);
    atomic_fetch_add(&c->runtime->submit_finished, 1);
    /* The waiter may free it as soon as it sees DONE; a futex wake needs only the address. */
    atomic_store(&future->state, FUTURE_DONE);
    futex__wake(&future->state);
}

static void future_fiber_ended(struct fiber *f, enum status status, void *object) {
    complete(object, status, &f->error);
}

static void deliver_submit(struct core *c, struct message *message) {
    struct future_private *future = (struct future_private *)(void *)message;
    struct fiber *f = fiber__create(c, FIBER_NORMAL, future->function, future->argument);
    if (f == NULL) {
        complete(future, error_current()->status, error_current());
        return;
    }
    f->name = "submitted";
    f->on_end = future_fiber_ended;
    f->on_end_object = future;
    fiber__ready(f);
}

enum status runtime_submit(struct runtime *runtime, unsigned core, fiber_function function,
                           void *argument, struct future *future_out) {
    ASSERT(core < runtime->core_count);
    ASSERT(core__current() == NULL || core__current()->current == NULL);
    struct core *c = runtime->cores[core];
    if (atomic_fetch_add(&c->submitted, 1) >= SUBMIT_MAX) {
        atomic_fetch_sub(&c->submitted, 1);
        return error_set(STATUS_LIMIT_EXCEEDED, "too many submissions wait for core %u", core);
    }
    struct future_private *future = memory_alloc(sizeof *future);
    if (future == NULL) {
        atomic_fetch_sub(&c->submitted, 1);
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    future->message = (struct message){NULL, deliver_submit};
    future->core = c;
    future->function = function;
    future->argument = argument;
    atomic_init(&future->state, FUTURE_PENDING);
    atomic_fetch_add(&runtime->submitted, 1);
    future_out->private_part = future;
    core__post(c, &future->message);
    return STATUS_OK;
}

bool future_wait(struct future *handle, int64_t timeout_ns, enum status *status_out) {
    struct future_private *future = handle->private_part;
    ASSERT(future != NULL);
    int64_t until = timeout_ns < 0 ? 0 : clock_monotonic_ns() + timeout_ns;
    while (atomic_load(&future->state) != FUTURE_DONE) {
        int64_t left = timeout_ns < 0 ? -1 : until - clock_monotonic_ns();
        if (timeout_ns >= 0 && left <= 0)
            return false;
        futex__wait(&future->state, FUTURE_PENDING, left);
    }
    *status_out = future->status;
    if (future->status != STATUS_OK)
        error__copy(error_current(), &future->error);
    memory_free(future);
    handle->private_part = NULL;
    return true;
}

enum status runtime_run(struct runtime *runtime, unsigned core, fiber_function function,
                        void *argument) {
    struct future future;
    TRY(runtime_submit(runtime, core, function, argument, &future));
    enum status status;
    bool done = future_wait(&future, -1, &status);
    ASSERT(done);
    return status;
}
