/*
 * The back end over io_uring: one ring per core, one system call per turn of the loop.
 *
 * Operations are queued in shared memory by start() and told to the kernel by poll(), in the same
 * call that waits. Completions name their operation by its address; the low bits of that number
 * tell the operation's own completion from its cancellation's:
 *
 *      0  operation     1  cancellation     TAG_WAKE alone: the event descriptor was rung
 *
 * Sockets: a receive goes to the ring at once unless the last one filled its buffer (then there is
 * likely more, and asking directly saves the wait). A send is made directly where it is the only
 * one; while others may follow (more of the latency class is ready) it goes to the ring, so that
 * all go out by one call, and a client with many connections is woken once for all of them
 * (decision 0006). Where the ring answers -EAGAIN (sockets are non-blocking), the operation waits
 * for readiness in the ring and is then performed directly.
 *
 * File calls that are rare and block (open, rename, truncate ...) go to the worker threads.
 *
 * The bell (core_loop.c says what is asked of it) is an event descriptor watched by a multishot
 * poll. Its counter is never read, so that once rung it stays readable. While the poll is armed
 * each ring makes a completion; rings that the kernel joins into one completion came before it was
 * reaped. When the poll has ended (its completion does not promise more), arming it anew completes
 * at once if there ever was a ring: a turn too many, never one too few. The completion stays in the
 * ring until reap(), which comes after the wait, so a ring between arming and waiting is seen too.
 * Submissions not accepted (EAGAIN, EBUSY) keep the kernel from waiting; the loop comes back.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/core.h"
#include "runtime/worker.h"

enum { RING_ENTRIES = 256, COMPLETION_ENTRIES = 1024, REAP_ROUNDS = 8 };
enum { TAG_OPERATION = 0, TAG_CANCEL = 1, TAG_WAKE = 2, TAG_MASK = 3 };
enum { STAGE_DIRECT, STAGE_READINESS };

struct uring_state {
    struct io_uring ring;
    unsigned setup_flags;
    int event_fd;
    bool wake_armed;
    bool reaped;    /* a completion was handled since somebody cleared this */
    bool has_sends; /* queued since the last poll */
    unsigned send_count;
    struct msghdr headers[RING_ENTRIES]; /* of queued sends; free again when they are submitted */
};

int backend__io_uring_refusal;

/* ---- opening and closing ---------------------------------------------------------------- */

/* Best first; a kernel that does not know a flag says EINVAL. */
static const unsigned flag_sets[] = {
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE |
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_COOP_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
};

static enum status set_up_failure(int error) {
    const char *hint = error == EPERM
                           ? "a container or the sysctl kernel.io_uring_disabled forbids it"
                       : error == ENOSYS ? "the kernel does not have it"
                       : error == ENOMEM ? "the limit on locked memory (ulimit -l) is too low"
                                         : strerror(error);
    return error_set(STATUS_FEATURE_NOT_SUPPORTED, "could not set up io_uring: %s", hint);
}

static int set_up_ring(struct uring_state *state) {
    int error = 0;
    for (size_t i = 0; i < sizeof flag_sets / sizeof flag_sets[0]; i++) {
        struct io_uring_params parameters = {.flags = flag_sets[i],
                                             .cq_entries = COMPLETION_ENTRIES};
        error = backend__io_uring_refusal != 0
                    ? backend__io_uring_refusal
                    : -io_uring_queue_init_params(RING_ENTRIES, &state->ring, &parameters);
        if (error == EINVAL)
            continue;
        if (error != 0)
            return error;
        state->setup_flags = flag_sets[i];
        /* 5.17: everything used here is there, and its early troubles are over. */
        if ((parameters.features & IORING_FEAT_CQE_SKIP) == 0) {
            io_uring_queue_exit(&state->ring);
            return ENOSYS;
        }
        return 0;
    }
    return error;
}

static enum status uring_open(struct core *c) {
    struct uring_state *state = memory_alloc_zeroed(1, sizeof *state);
    if (state == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    int error = set_up_ring(state);
    if (error != 0) {
        memory_free(state);
        return set_up_failure(error);
    }
    state->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (state->event_fd < 0) {
        error = errno;
        io_uring_queue_exit(&state->ring);
        memory_free(state);
        return set_up_failure(error);
    }
    (void)io_uring_register_ring_fd(&state->ring); /* saves a little on each call */
    c->backend_state = state;
    return STATUS_OK;
}

static void uring_close(struct core *c) {
    struct uring_state *state = c->backend_state;
    io_uring_queue_exit(&state->ring);
}

static void uring_release(struct core *c) {
    struct uring_state *state = c->backend_state;
    if (state == NULL)
        return;
    close(state->event_fd);
    memory_free(state);
    c->backend_state = NULL;
}

static void uring_wake(struct core *c) {
    const struct uring_state *state = c->backend_state;
    uint64_t one = 1;
    while (write(state->event_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

/* ---- submission ------------------------------------------------------------------------- */

static void reap(struct core *c);

static struct io_uring_sqe *next_entry(struct core *c) {
    struct uring_state *state = c->backend_state;
    struct io_uring_sqe *entry;
    while ((entry = io_uring_get_sqe(&state->ring)) == NULL) {
        /* Full of entries not yet submitted. EBUSY and EAGAIN: completions must go first. */
        if (io_uring_submit(&state->ring) < 0)
            reap(c);
    }
    return entry;
}

/* Completes one way or another by a completion with TAG_OPERATION. */
static void queue_readiness(struct core *c, struct operation *o) {
    struct io_uring_sqe *entry = next_entry(c);
    bool writes = o->kind == OPERATION_SEND || o->kind == OPERATION_CONNECT;
    io_uring_prep_poll_add(entry, o->fd, writes ? POLLOUT : POLLIN);
    io_uring_sqe_set_data(entry, o);
    o->stage = STAGE_READINESS;
    o->pending++;
}

static void prepare_send(struct uring_state *state, struct io_uring_sqe *entry,
                         const struct operation *o) {
    struct msghdr *header = &state->headers[state->send_count++ % RING_ENTRIES];
    *header = (struct msghdr){
        .msg_iov = (struct iovec *)(uintptr_t)o->vectors,
        .msg_iovlen = o->vector_count,
    };
    io_uring_prep_sendmsg(entry, o->fd, header, MSG_DONTWAIT | MSG_NOSIGNAL);
    state->has_sends = true;
}

static void queue_direct(struct core *c, struct operation *o) {
    struct uring_state *state = c->backend_state;
    struct io_uring_sqe *entry = next_entry(c);
    switch (o->kind) {
    case OPERATION_READ:
        io_uring_prep_read(entry, o->fd, o->buffer, (unsigned)o->size, o->offset);
        break;
    case OPERATION_WRITE:
        io_uring_prep_write(entry, o->fd, o->data, (unsigned)o->size, o->offset);
        entry->rw_flags = (int)o->flags;
        break;
    case OPERATION_SYNC:
        io_uring_prep_fsync(entry, o->fd, IORING_FSYNC_DATASYNC);
        break;
    case OPERATION_ACCEPT:
        io_uring_prep_accept(entry, o->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        break;
    case OPERATION_SEND:
        prepare_send(state, entry, o);
        break;
    default:
        ASSERT(o->kind == OPERATION_RECEIVE);
        io_uring_prep_recv(entry, o->fd, o->buffer, o->size, 0);
        /* Straight to waiting: a request rarely is there before its turn has begun. */
        if (state->setup_flags & IORING_SETUP_DEFER_TASKRUN)
            entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
        break;
    }
    io_uring_sqe_set_data(entry, o);
    o->stage = STAGE_DIRECT;
    o->pending++;
}

static int64_t perform(struct operation *o) {
    int64_t result = system__perform(o);
    if (o->kind == OPERATION_RECEIVE)
        o->pollable->readable = result > 0 && (uint64_t)result == o->size;
    return result;
}

static void uring_start(struct core *c, struct operation *o) {
    const struct uring_state *state = c->backend_state;
    o->pending = 0;
    o->stage = STAGE_DIRECT;
    switch (o->kind) {
    case OPERATION_READ:
    case OPERATION_WRITE:
    case OPERATION_SYNC:
    case OPERATION_ACCEPT:
        queue_direct(c, o);
        return;
    case OPERATION_RECEIVE:
        if (!o->pollable->readable) {
            queue_direct(c, o);
            return;
        }
        break;
    case OPERATION_SEND:
        if (state->has_sends || !list_empty(&c->ready[FIBER_LATENCY])) {
            queue_direct(c, o);
            return;
        }
        break;
    case OPERATION_WAIT_READABLE:
    case OPERATION_CONNECT:
        break;
    default:
        worker__start(c->runtime->workers, o);
        return;
    }
    int64_t result = perform(o);
    if (result != -EAGAIN)
        operation__complete(o, result);
    else if (o->kind == OPERATION_RECEIVE)
        queue_direct(c, o);
    else
        queue_readiness(c, o);
}

static bool in_ring(const struct operation *o) {
    return !operation_blocks(o) || o->kind == OPERATION_READ || o->kind == OPERATION_WRITE ||
           o->kind == OPERATION_SYNC;
}

static void uring_cancel(struct core *c, struct operation *o) {
    if (!in_ring(o)) {
        worker__cancel(c->runtime->workers, o);
        return;
    }
    struct io_uring_sqe *entry = next_entry(c);
    if (o->done) {
        /* It completed while room for the entry was made; the entry must be something. */
        io_uring_prep_nop(entry);
        io_uring_sqe_set_data64(entry, TAG_CANCEL);
        return;
    }
    io_uring_prep_cancel(entry, o, 0);
    io_uring_sqe_set_data64(entry, (uint64_t)(uintptr_t)o | TAG_CANCEL);
    o->pending++;
}

/* ---- completion ------------------------------------------------------------------------- */

/* The operation's own completion. */
static void handle_result(struct core *c, struct operation *o, int result) {
    o->result = result;
    if (o->stage == STAGE_READINESS && result >= 0) {
        o->result = perform(o);
        result = o->result == -EAGAIN ? -EAGAIN : 0;
    } else if (o->kind == OPERATION_RECEIVE) {
        o->pollable->readable = result > 0 && (uint64_t)result == o->size;
    }
    if (result == -EINTR || (result == -EAGAIN && in_ring(o) && !operation_blocks(o))) {
        if (o->cancelled)
            o->result = -ECANCELED;
        else if (result == -EAGAIN)
            queue_readiness(c, o);
        else
            queue_direct(c, o);
    } else if (result == -EAGAIN && !o->cancelled) {
        queue_direct(c, o); /* a file: the kernel was short of something */
    }
}

static void handle_completion(struct core *c, uint64_t data, int result, unsigned flags) {
    struct uring_state *state = c->backend_state;
    if (data == TAG_WAKE) {
        if ((flags & IORING_CQE_F_MORE) == 0)
            state->wake_armed = false;
        return;
    }
    struct operation *o = (struct operation *)(uintptr_t)(data & ~(uint64_t)TAG_MASK);
    if (o == NULL)
        return;
    ASSERT(o->pending > 0);
    o->pending--;
    if ((data & TAG_MASK) == TAG_OPERATION)
        handle_result(c, o, result);
    if (o->pending == 0)
        operation__complete(o, o->result);
}

static void reap(struct core *c) {
    struct uring_state *state = c->backend_state;
    struct io_uring_cqe *entry;
    while (io_uring_peek_cqe(&state->ring, &entry) == 0) {
        state->reaped = true;
        uint64_t data = entry->user_data;
        int result = entry->res;
        unsigned flags = entry->flags;
        io_uring_cqe_seen(&state->ring, entry);
        handle_completion(c, data, result, flags);
    }
}

static bool kernel_has_more(const struct uring_state *state) {
    return (IO_URING_READ_ONCE(*state->ring.sq.kflags) &
            (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* The counter is not read here, least of all: the core says already that it sleeps, and a bell rung
   since then would be lost. True when completions were handled to make room for the entry: fibers
   may be ready now, and nobody must sleep on them. */
static bool arm_wake(struct core *c) {
    struct uring_state *state = c->backend_state;
    state->reaped = false;
    struct io_uring_sqe *entry = next_entry(c);
    io_uring_prep_poll_multishot(entry, state->event_fd, POLLIN);
    io_uring_sqe_set_data64(entry, TAG_WAKE);
    state->wake_armed = true;
    return state->reaped;
}

static void enter_and_wait(struct uring_state *state, int64_t deadline_ns) {
    struct __kernel_timespec timeout = {0};
    if (deadline_ns != INT64_MAX) {
        int64_t left = deadline_ns - clock_monotonic_ns();
        if (left > 0)
            timeout = (struct __kernel_timespec){left / 1000000000, left % 1000000000};
    }
    struct io_uring_cqe *entry;
    (void)io_uring_submit_and_wait_timeout(&state->ring, &entry, 1,
                                           deadline_ns != INT64_MAX ? &timeout : NULL, NULL);
}

static void uring_poll(struct core *c, int64_t deadline_ns) {
    struct uring_state *state = c->backend_state;
    if (!state->wake_armed && arm_wake(c))
        deadline_ns = 0;
    state->has_sends = false;
    if (deadline_ns != 0)
        enter_and_wait(state, deadline_ns);
    else if (io_uring_sq_ready(&state->ring) > 0 || kernel_has_more(state))
        (void)io_uring_submit_and_get_events(&state->ring);
    reap(c);
    for (int i = 0; i < REAP_ROUNDS && kernel_has_more(state); i++) {
        (void)io_uring_get_events(&state->ring);
        reap(c);
    }
}

static bool uring_has_news(struct core *c) {
    const struct uring_state *state = c->backend_state;
    return io_uring_cq_ready(&state->ring) > 0 || kernel_has_more(state);
}

static void uring_forget(struct pollable *p) {
    p->readable = false;
}

const struct backend backend__io_uring = {
    .name = "io_uring",
    .sockets = &system__sockets,
    .open = uring_open,
    .close = uring_close,
    .release = uring_release,
    .start = uring_start,
    .cancel = uring_cancel,
    .poll = uring_poll,
    .has_news = uring_has_news,
    .wake = uring_wake,
    .perform = system__perform,
    .forget = uring_forget,
};
