/*
 * The network: stream sockets of one machine, by port.
 *
 * Bytes that are sent become a segment that arrives later, in order. Until the receiver has read
 * them they fill the sender's window; a sender with a full window waits. A close sends a good-bye
 * behind the last segment, or a reset when there were bytes it had not read (as TCP does).
 * `silent`: the other side is gone without a word. What is sent disappears; after some seconds
 * whoever still waits is told ETIMEDOUT, as keep-alive would.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/base_hash.h"
#include "base/base_memory.h"
#include "runtime/simulator.h"

enum { WINDOW_SIZE = 16 << 10, BACKLOG_MAX = 64 };
static const int64_t KEEP_ALIVE_NS = INT64_C(10000000000);

struct segment {
    struct endpoint *to;
    bool good_bye;
    int error;
    size_t size;
    uint8_t bytes[];
};

static struct endpoint *endpoint_of(struct simulator *s, int fd) {
    const struct descriptor *d = simulator__descriptor_of(s, fd);
    ASSERT(d != NULL && d->endpoint != NULL);
    return d->endpoint;
}

static struct endpoint *endpoint_create(struct simulator *s, struct runtime *runtime) {
    struct endpoint *e = simulator__alloc(sizeof *e);
    e->runtime = runtime;
    list_push_back(&s->endpoints, &e->link);
    e->fd = simulator__descriptor(s, (struct descriptor){.endpoint = e});
    return e;
}

static int64_t network_latency_ns(struct simulator *s) {
    uint64_t far = simulator__below(s, STREAM_LATENCY, 64) == 0 ? 20000000 : 200000;
    return 20000 + (int64_t)simulator__below(s, STREAM_LATENCY, far);
}

/* ---- waiting operations ------------------------------------------------------------------- */

static void try_again(struct simulator *s, struct operation **place) {
    struct operation *o = *place;
    if (o == NULL)
        return;
    int64_t result = simulator__socket_perform(s, o);
    if (result == -EAGAIN)
        return;
    *place = NULL;
    simulator__complete(s, o, result);
}

/* Both directions of a side that is told of an error. */
static void fail(struct simulator *s, struct endpoint *e, int error) {
    if (e->error == 0)
        e->error = error;
    if (e->closed)
        return;
    try_again(s, &e->reader);
    try_again(s, &e->writer);
}

static void time_out(struct simulator *s, struct simulator_event *event) {
    fail(s, event->object, ETIMEDOUT);
}

/* From now on nothing passes between the two. */
static void fall_silent(struct simulator *s, struct endpoint *e) {
    struct endpoint *sides[] = {e, e->peer};
    for (int i = 0; i < 2; i++) {
        if (sides[i]->silent)
            continue;
        sides[i]->silent = true;
        int64_t wait = KEEP_ALIVE_NS / 2 +
                       (int64_t)simulator__below(s, SIMULATOR_SILENT, (uint64_t)KEEP_ALIVE_NS / 2);
        simulator__schedule(s, s->now_ns + wait,
                            (struct simulator_event){.fire = time_out, .object = sides[i]});
    }
}

/* ---- segments ----------------------------------------------------------------------------- */

static void arrive(struct simulator *s, struct simulator_event *event) {
    struct segment *segment = event->object;
    struct endpoint *to = segment->to;
    to->under_way -= segment->size;
    if (!to->silent && to->error == 0) {
        if (segment->error != 0) {
            fail(s, to, segment->error);
        } else if (to->closed) {
            if (segment->size > 0)
                fail(s, to->peer, ECONNRESET); /* nobody lives here any more */
        } else {
            buffer_append(&to->arrived, segment->bytes, segment->size);
            ASSERT(!to->arrived.failed);
            to->ended |= segment->good_bye;
            s->counts.messages++;
            try_again(s, &to->reader);
        }
    }
    memory_free(segment);
}

/* In order behind what is under way. */
static void dispatch(struct simulator *s, struct endpoint *to, struct segment *segment) {
    int64_t at = s->now_ns + network_latency_ns(s);
    if (at <= to->last_arrival_ns)
        at = to->last_arrival_ns + 1;
    to->last_arrival_ns = at;
    to->under_way += segment->size;
    segment->to = to;
    simulator__schedule(s, at, (struct simulator_event){.fire = arrive, .object = segment});
}

static void dispatch_note(struct simulator *s, struct endpoint *to, int error) {
    struct segment *segment = simulator__alloc(sizeof *segment);
    segment->error = error;
    segment->good_bye = error == 0;
    dispatch(s, to, segment);
}

/* ---- operations --------------------------------------------------------------------------- */

static int64_t perform_receive(struct simulator *s, const struct operation *o) {
    struct endpoint *e = endpoint_of(s, o->fd);
    size_t there = e->arrived.size - e->arrived_at;
    if (there == 0)
        return e->error != 0 ? -e->error : e->ended ? 0 : -EAGAIN;
    size_t size = there < o->size ? there : o->size;
    bool peek = (o->flags & MSG_PEEK) != 0;
    if (!peek && size > 1 && simulator__fault(s, SIMULATOR_SHORT))
        size = 1 + simulator__below(s, SIMULATOR_SHORT, size);
    memcpy(o->buffer, e->arrived.data + e->arrived_at, size);
    if (peek)
        return (int64_t)size;
    e->arrived_at += size;
    if (e->arrived_at == e->arrived.size) {
        buffer_clear(&e->arrived);
        e->arrived_at = 0;
    }
    if (e->peer != NULL && !e->peer->closed)
        try_again(s, &e->peer->writer);
    return (int64_t)size;
}

static void gather(struct segment *segment, const struct operation *o) {
    size_t at = 0;
    for (unsigned i = 0; i < o->vector_count && at < segment->size; i++) {
        size_t size = o->vectors[i].iov_len;
        if (size > segment->size - at)
            size = segment->size - at;
        memcpy(segment->bytes + at, o->vectors[i].iov_base, size);
        at += size;
    }
}

static int64_t perform_send(struct simulator *s, const struct operation *o) {
    struct endpoint *e = endpoint_of(s, o->fd), *to = e->peer;
    if (e->error != 0)
        return -e->error;
    if (to == NULL)
        return -ENOTCONN;
    size_t size = 0;
    for (unsigned i = 0; i < o->vector_count; i++)
        size += o->vectors[i].iov_len;
    if (e->silent)
        return (int64_t)size;
    size_t taken = to->under_way + (to->arrived.size - to->arrived_at);
    if (!to->closed && taken >= WINDOW_SIZE)
        return -EAGAIN;
    if (!to->closed && size > WINDOW_SIZE - taken)
        size = WINDOW_SIZE - taken;
    if (size > 1 && simulator__fault(s, SIMULATOR_SHORT))
        size = 1 + simulator__below(s, SIMULATOR_SHORT, size);
    bool cut = simulator__fault(s, SIMULATOR_CUT);
    bool silent = !cut && simulator__fault(s, SIMULATOR_SILENT);
    if (cut || silent)
        size = simulator__below(s, SIMULATOR_CUT, size + 1);
    struct segment *segment = simulator__alloc(sizeof *segment + size);
    segment->size = size;
    gather(segment, o);
    simulator__mix(s, hash_bytes(segment->bytes, size));
    dispatch(s, to, segment);
    if (silent)
        fall_silent(s, e);
    if (cut) {
        dispatch_note(s, to, ECONNRESET);
        dispatch_note(s, e, ECONNRESET);
    }
    return size > 0 ? (int64_t)size : -ECONNRESET;
}

static int64_t perform_accept(struct simulator *s, const struct operation *o) {
    struct endpoint *e = endpoint_of(s, o->fd);
    if (e->backlog_count == 0)
        return -EAGAIN;
    struct endpoint *accepted = e->backlog[0];
    memmove(e->backlog, e->backlog + 1, --e->backlog_count * sizeof(struct endpoint *));
    return accepted->fd;
}

int64_t simulator__socket_perform(struct simulator *s, struct operation *o) {
    switch (o->kind) {
    case OPERATION_RECEIVE:
        return perform_receive(s, o);
    case OPERATION_SEND:
        return perform_send(s, o);
    case OPERATION_ACCEPT:
        return perform_accept(s, o);
    default:
        return -EINVAL;
    }
}

static struct endpoint *find_listener(struct simulator *s, unsigned port) {
    LIST_FOR (&s->endpoints, node) {
        struct endpoint *e = CONTAINER_OF(node, struct endpoint, link);
        if (e->listening && !e->closed && e->port == port)
            return e;
    }
    return NULL;
}

/* The listener answers; the connection waits in its backlog. */
static void connected(struct simulator *s, struct simulator_event *event) {
    struct operation *o = event->operation;
    struct endpoint *e = endpoint_of(s, o->fd);
    struct endpoint *listener = find_listener(s, e->peer_port);
    if (listener == NULL || listener->backlog_count == BACKLOG_MAX) {
        simulator__complete(s, o, -ECONNREFUSED);
        return;
    }
    struct endpoint *other = endpoint_create(s, listener->runtime);
    other->port = e->peer_port;
    other->peer_port = e->port = s->port_next++;
    other->peer = e;
    e->peer = other;
    listener->backlog[listener->backlog_count++] = other;
    simulator__complete(s, o, 0);
    try_again(s, &listener->reader);
}

void simulator__socket_start(struct simulator *s, struct operation *o) {
    struct endpoint *e = endpoint_of(s, o->fd);
    if (o->kind == OPERATION_CONNECT) {
        const struct sockaddr_in *address = o->address;
        e->runtime = o->core->runtime;
        e->peer_port = ntohs(address->sin_port);
        simulator__schedule(s, s->now_ns + network_latency_ns(s),
                            (struct simulator_event){.fire = connected, .operation = o});
        return;
    }
    int64_t result = simulator__socket_perform(s, o);
    if (result != -EAGAIN) {
        simulator__complete(s, o, result);
        return;
    }
    struct operation **place = o->kind == OPERATION_SEND ? &e->writer : &e->reader;
    ASSERT(*place == NULL); /* one receiver and one sender at a time */
    *place = o;
}

void simulator__socket_cancel(struct simulator *s, struct operation *o) {
    if (o->kind == OPERATION_CONNECT) {
        (void)simulator__take_back(s, o);
    } else {
        struct endpoint *e = endpoint_of(s, o->fd);
        if (e->reader == o)
            e->reader = NULL;
        if (e->writer == o)
            e->writer = NULL;
    }
    simulator__complete(s, o, -ECANCELED);
}

/* ---- calls that do not wait --------------------------------------------------------------- */

static int simulated_listen(const void *address, unsigned size, void *bound, unsigned *bound_size) {
    struct simulator *s = simulator__current;
    struct sockaddr_in wanted;
    if (size < sizeof wanted || ((const struct sockaddr *)address)->sa_family != AF_INET)
        return -EAFNOSUPPORT;
    memcpy(&wanted, address, sizeof wanted);
    unsigned port = ntohs(wanted.sin_port);
    if (port != 0 && find_listener(s, port) != NULL)
        return -EADDRINUSE;
    struct endpoint *e = endpoint_create(s, core__current()->runtime);
    e->listening = true;
    e->port = port != 0 ? port : s->port_next++;
    wanted.sin_port = htons((uint16_t)e->port);
    memcpy(bound, &wanted, sizeof wanted);
    *bound_size = sizeof wanted;
    return e->fd;
}

static int simulated_socket(int family) {
    if (family != AF_INET)
        return -EAFNOSUPPORT;
    return endpoint_create(simulator__current, core__current()->runtime)->fd;
}

static int simulated_peer(int fd, void *address, unsigned *size) {
    const struct endpoint *e = endpoint_of(simulator__current, fd);
    struct sockaddr_in peer = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)e->peer_port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memcpy(address, &peer, sizeof peer);
    *size = sizeof peer;
    return 0;
}

static void simulated_shutdown(int fd) {
    struct simulator *s = simulator__current;
    struct endpoint *e = endpoint_of(s, fd);
    if (e->peer != NULL && !e->silent)
        dispatch_note(s, e->peer, 0);
    e->ended = true;
    fail(s, e, EPIPE);
}

static void close_endpoint(struct simulator *s, struct endpoint *e, bool tells) {
    if (e->closed)
        return;
    for (unsigned i = 0; i < e->backlog_count; i++)
        close_endpoint(s, e->backlog[i], tells);
    e->closed = true;
    e->reader = e->writer = NULL;
    s->descriptors[e->fd].endpoint = NULL;
    if (e->peer == NULL || e->peer->closed || e->silent)
        return;
    if (tells)
        dispatch_note(s, e->peer, e->arrived.size > e->arrived_at ? ECONNRESET : 0);
    else
        fall_silent(s, e);
    try_again(s, &e->peer->writer);
}

static void simulated_close(int fd) {
    struct simulator *s = simulator__current;
    close_endpoint(s, endpoint_of(s, fd), true);
}

const struct socket_calls simulator__sockets = {
    .listen = simulated_listen,
    .create = simulated_socket,
    .peer = simulated_peer,
    .shutdown = simulated_shutdown,
    .close = simulated_close,
};

void simulator__sockets_close(struct simulator *s, const struct runtime *runtime, bool silently) {
    LIST_FOR (&s->endpoints, node) {
        struct endpoint *e = CONTAINER_OF(node, struct endpoint, link);
        if (e->runtime == runtime && !e->closed)
            close_endpoint(s, e, !silently || simulator__below(s, STREAM_CRASH, 2) == 0);
    }
}

void simulator__network_release(struct simulator *s) {
    for (size_t i = 0; i < s->event_count; i++) {
        if (s->events[i].fire == arrive)
            memory_free(s->events[i].object);
    }
    LIST_FOR_SAFE (&s->endpoints, node) {
        struct endpoint *e = CONTAINER_OF(node, struct endpoint, link);
        buffer_release(&e->arrived);
        memory_free(e);
    }
}
