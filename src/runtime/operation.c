/* How a fiber waits for the machine. */
#include <errno.h>

#include "runtime/core.h"

static void operation_interrupted(struct fiber *f, void *object) {
    struct operation *operation = object;
    operation->cancelled = true;
    operation->core->backend->cancel(operation->core, operation);
}

/* A fault that the environment wants here. Descriptors are closed all the same. */
static bool fails_by_wish(struct operation *operation) {
    int (*file_fault)(const struct operation *) = environment__current->file_fault;
    if (__builtin_expect(file_fault == NULL, 1) || !operation_blocks(operation) ||
        operation->kind == OPERATION_CLOSE)
        return false;
    int error = file_fault(operation);
    operation->result = -error;
    operation->done = error != 0;
    return operation->done;
}

static bool asks_disk_for_latency(const struct operation *operation) {
    return operation->fiber->class == FIBER_LATENCY &&
           (operation->kind == OPERATION_READ || operation->kind == OPERATION_WRITE ||
            operation->kind == OPERATION_SYNC);
}

enum status operation__run(struct fiber *f, struct operation *operation) {
    TRY(fiber__interrupted(f));
    if (fails_by_wish(operation))
        return STATUS_OK;
    struct core *c = f->core;
    operation->fiber = f;
    operation->core = c;
    operation->done = operation->waiting = operation->cancelled = false;
    bool asks_disk = asks_disk_for_latency(operation);
    c->backend->start(c, operation);
    if (operation->kind == OPERATION_SEND)
        core__expect(c, LINGER_CLIENT);
    if (!operation->done) {
        if (asks_disk)
            core__expect(c, LINGER_DISK);
        operation->waiting = true;
        fiber__wait(f, operation_interrupted, operation);
        ASSERT(operation->done);
        if (asks_disk)
            core__expect_no_more(c, LINGER_DISK);
    } else if (clock_ticks() >= c->round_end) {
        c->round_break = true; /* who never has to wait must give way all the same */
        fiber_yield(f);
    }
    if (operation->result == -ECANCELED && operation->cancelled) {
        enum status reason = fiber__interrupted(f);
        if (reason != STATUS_OK)
            return reason;
    }
    return STATUS_OK;
}

void operation__complete(struct operation *operation, int64_t result) {
    ASSERT(!operation->done);
    operation->result = result;
    operation->done = true;
    if (operation->waiting) {
        operation->waiting = false;
        fiber__ready(operation->fiber);
    }
}
