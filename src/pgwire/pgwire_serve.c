#include "base/base_list.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "pgwire/pgwire.h"

/* The accept loop and the connections it has. All on one core. */
struct server {
    struct engine *engine;
    struct task_group group;
    struct list guests;
    uint64_t guest_count, guest_count_max;
};

struct guest {
    struct list link;
    struct server *server;
    struct connection *connection;
    struct transport transport;
};

static enum status guest_receive(struct fiber *f, struct transport *transport, void *buffer,
                                 size_t size, size_t *size_out) {
    return connection_receive(f, transport->data, buffer, size, size_out);
}

static enum status guest_send(struct fiber *f, struct transport *transport, struct slice bytes) {
    return connection_send(f, transport->data, &bytes, 1);
}

/* Body of a connection's fiber. */
static enum status guest_run(struct fiber *f, void *argument) {
    struct guest *guest = argument;
    pgwire_converse(f, guest->server->engine, &guest->transport);
    fiber_shield(f);
    connection_close(f, guest->connection);
    fiber_unshield(f);
    list_remove(&guest->link);
    guest->server->guest_count--;
    memory_free(guest);
    return STATUS_OK;
}

/* Takes the connection. Whoever cannot be given a fiber is hung up on. */
static void admit(struct fiber *f, struct server *server, struct connection *connection) {
    struct guest *guest = NULL;
    if (server->guest_count < server->guest_count_max)
        guest = memory_alloc_zeroed(1, sizeof *guest);
    if (guest == NULL) {
        LOG(LOG_WARNING, "pgwire", "connection refused: %llu are open",
            (unsigned long long)server->guest_count);
        connection_close(f, connection);
        return;
    }
    guest->server = server;
    guest->connection = connection;
    guest->transport = (struct transport){connection, guest_receive, guest_send};
    list_push_back(&server->guests, &guest->link);
    server->guest_count++;
    if (task_group_spawn(f, &server->group, FIBER_LATENCY, guest_run, guest) == STATUS_OK)
        return;
    LOG(LOG_WARNING, "pgwire", "connection refused: %s", error_current()->message);
    list_remove(&guest->link);
    server->guest_count--;
    memory_free(guest);
    connection_close(f, connection);
}

/* Clients that run something are cancelled by engine_shutdown; those that do not read what they
   are sent are cut off after a while. */
static void say_farewell(struct fiber *f, struct server *server) {
    fiber_shield(f);
    task_group_cancel(&server->group, STATUS_SHUTDOWN);
    int64_t until_ns = clock_monotonic_ns() + PGWIRE_FAREWELL_MS * INT64_C(1000000);
    while (!list_empty(&server->guests) && clock_monotonic_ns() < until_ns) {
        enum status status = fiber_sleep(f, 5000000);
        (void)status; /* shielded: it only sleeps */
    }
    LIST_FOR (&server->guests, node)
        connection_shutdown(((struct guest *)node)->connection);
    enum status status = task_group_wait(f, &server->group);
    (void)status; /* guests always end with OK */
    fiber_unshield(f);
    ASSERT(list_empty(&server->guests) && server->guest_count == 0);
}

enum status pgwire_serve(struct fiber *f, struct listener *listener, struct engine *engine) {
    if (!listener_is_loopback(listener)) {
        enum status status = error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                                       "refusing to listen on %s: there are no passwords yet",
                                       listener_address(listener));
        error_hint("Listen on 127.0.0.1, ::1 or a Unix socket.");
        return status;
    }
    struct server server = {
        .engine = engine,
        /* some more than sessions: those over the limit are told so */
        .guest_count_max = (uint64_t)engine_setting_number(engine, "max_connections") + 64,
    };
    list_init(&server.guests);
    task_group_init(&server.group, f);
    enum status status;
    for (;;) {
        struct connection *connection = NULL;
        status = listener_accept(f, listener, &connection);
        if (status != STATUS_OK)
            break;
        admit(f, &server, connection);
    }
    struct error error = *error_current();
    say_farewell(f, &server);
    if (status == STATUS_SHUTDOWN || status == STATUS_CANCELED)
        return STATUS_OK;
    *error_current() = error;
    return status;
}
