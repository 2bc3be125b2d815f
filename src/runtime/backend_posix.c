/*
 * The back end of plain system calls: epoll for sockets, worker threads for files.
 *
 * Each socket is registered once, edge-triggered, when somebody first has to wait for it. Between
 * edges `readable` and `writable` remember what is known: a receive that came back short has
 * emptied the socket, so the next one waits for an edge without asking the kernel in vain. Data
 * that comes between such a receive and its note makes an edge, which is handled later and corrects
 * it.
 *
 * The bell (core_loop.c says what is asked of it) is an event descriptor, level-triggered: readable
 * from the ring until this core, and nobody else, reads it, and it does so only after a wait. So a
 * ring before the wait ends it, and of rings before one read no message is missed: each was in the
 * inbox before its ring, and the inbox is drained after the read.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "runtime/core.h"
#include "runtime/worker.h"

enum { EVENTS_MAX = 64 };

struct posix_state {
    int epoll_fd, event_fd;
};

static enum status posix_open(struct core *c) {
    struct posix_state *state = memory_alloc(sizeof *state);
    if (state == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    state->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    state->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (state->epoll_fd < 0 || state->event_fd < 0 ||
        epoll_ctl(state->epoll_fd, EPOLL_CTL_ADD, state->event_fd, &event) != 0) {
        enum status status =
            error_set(STATUS_IO_ERROR, "could not set up event polling: %s", strerror(errno));
        close(state->epoll_fd);
        close(state->event_fd);
        memory_free(state);
        return status;
    }
    c->backend_state = state;
    return STATUS_OK;
}

static void posix_close(struct core *c) {
    (void)c; /* the descriptors stay for whoever still rings */
}

static void posix_release(struct core *c) {
    struct posix_state *state = c->backend_state;
    if (state == NULL)
        return;
    close(state->epoll_fd);
    close(state->event_fd);
    memory_free(state);
    c->backend_state = NULL;
}

static void posix_wake(struct core *c) {
    const struct posix_state *state = c->backend_state;
    uint64_t one = 1;
    while (write(state->event_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static bool reads(const struct operation *o) {
    return o->kind != OPERATION_SEND && o->kind != OPERATION_CONNECT;
}

/* -EAGAIN: wait for an edge. */
static int64_t attempt(struct pollable *p, struct operation *o) {
    int64_t result = system__perform(o);
    bool emptied = result == -EAGAIN ||
                   (o->kind == OPERATION_RECEIVE && result > 0 && (uint64_t)result < o->size);
    if (reads(o))
        p->readable = !emptied;
    else
        p->writable = result != -EAGAIN;
    return result;
}

static int register_pollable(struct core *c, struct pollable *p) {
    const struct posix_state *state = c->backend_state;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = p};
    if (epoll_ctl(state->epoll_fd, EPOLL_CTL_ADD, p->fd, &event) != 0)
        return -errno;
    p->core = c;
    return 0;
}

static void start_socket(struct core *c, struct operation *o) {
    struct pollable *p = o->pollable;
    bool registered = p->core != NULL;
    ASSERT(!registered || p->core == c);
    bool known_useless =
        registered && !p->hung_up &&
        (o->kind == OPERATION_RECEIVE || o->kind == OPERATION_ACCEPT ? !p->readable : false);
    int64_t result = known_useless ? -EAGAIN : attempt(p, o);
    if (result == -EAGAIN && !registered) {
        int error = register_pollable(c, p);
        if (error != 0)
            result = error;
    }
    if (result != -EAGAIN) {
        operation__complete(o, result);
        return;
    }
    struct operation **place = reads(o) ? &p->reader : &p->writer;
    ASSERT(*place == NULL); /* one receiver and one sender at a time */
    *place = o;
}

/* What the page cache holds needs no thread. */
static bool read_from_cache(struct operation *o) {
    struct iovec vector = {o->buffer, o->size};
    ssize_t got = preadv2(o->fd, &vector, 1, (off_t)o->offset, RWF_NOWAIT);
    if (got <= 0)
        return false;
    operation__complete(o, got);
    return true;
}

static void posix_start(struct core *c, struct operation *o) {
    o->stage = 0;
    if (o->kind == OPERATION_READ && (o->flags & OPERATION_MAYBE_CACHED) && read_from_cache(o))
        return;
    if (operation_blocks(o))
        worker__start(c->runtime->workers, o);
    else
        start_socket(c, o);
}

static void posix_cancel(struct core *c, struct operation *o) {
    if (operation_blocks(o)) {
        worker__cancel(c->runtime->workers, o);
        return;
    }
    struct pollable *p = o->pollable;
    if (p->reader == o)
        p->reader = NULL;
    else
        p->writer = NULL;
    operation__complete(o, -ECANCELED);
}

static void try_again(struct pollable *p, struct operation **place) {
    struct operation *o = *place;
    if (o == NULL)
        return;
    int64_t result = attempt(p, o);
    if (result == -EAGAIN)
        return;
    *place = NULL;
    operation__complete(o, result);
}

static void handle_event(struct posix_state *state, const struct epoll_event *event) {
    struct pollable *p = event->data.ptr;
    if (p == NULL) {
        uint64_t count;
        (void)!read(state->event_fd, &count, sizeof count);
        return;
    }
    if (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        p->hung_up = true;
    if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        p->readable = true;
        try_again(p, &p->reader);
    }
    if (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        p->writable = true;
        try_again(p, &p->writer);
    }
}

static int wait_for_events(int epoll_fd, struct epoll_event *events, int64_t deadline_ns) {
    struct timespec timeout = {0};
    bool for_ever = deadline_ns == INT64_MAX;
    if (deadline_ns != 0 && !for_ever) {
        int64_t left = deadline_ns - clock_monotonic_ns();
        if (left > 0)
            timeout = (struct timespec){left / 1000000000, left % 1000000000};
    }
    static _Atomic bool unknown; /* to an old kernel, or to valgrind */
    if (!atomic_load_explicit(&unknown, memory_order_relaxed)) {
        long count = syscall(SYS_epoll_pwait2, epoll_fd, events, EVENTS_MAX,
                             for_ever ? NULL : &timeout, NULL, (size_t)0);
        if (count >= 0 || errno != ENOSYS)
            return (int)count;
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
    }
    int64_t ms = (int64_t)timeout.tv_sec * 1000 + (timeout.tv_nsec + 999999) / 1000000;
    return epoll_wait(epoll_fd, events, EVENTS_MAX,
                      for_ever       ? -1
                      : ms > 3600000 ? 3600000
                                     : (int)ms);
}

static void posix_poll(struct core *c, int64_t deadline_ns) {
    struct posix_state *state = c->backend_state;
    struct epoll_event events[EVENTS_MAX];
    int count = wait_for_events(state->epoll_fd, events, deadline_ns);
    ASSERT(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++)
        handle_event(state, &events[i]);
}

static void posix_forget(struct pollable *p) {
    ASSERT(p->reader == NULL && p->writer == NULL);
    if (p->core != NULL) {
        const struct posix_state *state = p->core->backend_state;
        (void)epoll_ctl(state->epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
    }
    p->core = NULL;
    p->readable = p->writable = p->hung_up = false;
}

const struct backend backend__posix = {
    .name = "posix",
    .sockets = &system__sockets,
    .open = posix_open,
    .close = posix_close,
    .release = posix_release,
    .start = posix_start,
    .cancel = posix_cancel,
    .poll = posix_poll,
    .wake = posix_wake,
    .perform = system__perform,
    .forget = posix_forget,
};
