/* Sockets: many, slow, cancelled, moved, closed. */
#include "runtime_fixture.h"

#include <unistd.h>

#include "base/base_memory.h"
#include "runtime/runtime_socket.h"
#include "runtime/runtime_sync.h"

enum { MS = 1000000 };
static const int64_t HOUR = 3600ll * 1000000000;

static enum status send_bytes(struct fiber *f, struct connection *connection, const void *bytes,
                              size_t size) {
    struct slice slice = slice_of(bytes, size);
    return connection_send(f, connection, &slice, 1);
}

static enum status receive_exactly(struct fiber *f, struct connection *connection, void *bytes,
                                   size_t size) {
    size_t done = 0, got;
    while (done < size) {
        TRY(connection_receive(f, connection, (char *)bytes + done, size - done, &got));
        CHECK(got > 0);
        done += got;
    }
    return STATUS_OK;
}

/* ---- an echo server --------------------------------------------------------------------- */

static enum status echo(struct fiber *f, void *argument) {
    struct connection *connection = argument;
    char bytes[700];
    size_t size;
    enum status status;
    while ((status = connection_receive(f, connection, bytes, sizeof bytes, &size)) == STATUS_OK &&
           size > 0) {
        status = send_bytes(f, connection, bytes, size);
        if (status != STATUS_OK)
            break;
    }
    connection_close(f, connection);
    return status == STATUS_CONNECTION_FAILURE ? STATUS_OK : status;
}

static enum status serve(struct fiber *f, void *argument) {
    struct task_group group;
    task_group_init(&group, f);
    enum status status;
    for (;;) {
        struct connection *connection;
        status = listener_accept(f, argument, &connection);
        if (status != STATUS_OK)
            break;
        status = task_group_spawn(f, &group, FIBER_NORMAL, echo, connection);
        if (status != STATUS_OK)
            break;
    }
    task_group_cancel(&group, STATUS_CANCELED);
    (void)!task_group_wait(f, &group);
    return status == STATUS_CANCELED ? STATUS_OK : status;
}

struct client {
    const char *address;
    int rounds, id;
};

static enum status talk(struct fiber *f, void *argument) {
    const struct client *client = argument;
    struct connection *connection;
    TRY(connection_open(f, client->address, &connection));
    for (int round = 0; round < client->rounds; round++) {
        char out[1500], in[1500];
        size_t size = 1 + random_below(fiber_random(f), sizeof out);
        memset(out, client->id + round, size);
        TRY(send_bytes(f, connection, out, size));
        TRY(receive_exactly(f, connection, in, size));
        CHECK(memcmp(in, out, size) == 0);
    }
    connection_close(f, connection);
    return STATUS_OK;
}

struct echo_world {
    const char *listen_on;
    int clients, rounds;
};

static enum status talk_to_server(struct fiber *f, void *argument) {
    const struct echo_world *world = argument;
    struct listener *listener;
    TRY(listener_open(f, world->listen_on, &listener));
    CHECK(listener_is_loopback(listener));
    struct task_group server, clients;
    task_group_init(&server, f);
    task_group_init(&clients, f);
    TRY(task_group_spawn(f, &server, FIBER_NORMAL, serve, listener));
    struct client *all = memory_alloc_zeroed((size_t)world->clients, sizeof *all);
    CHECK(all != NULL);
    for (int i = 0; i < world->clients; i++) {
        all[i] = (struct client){listener_address(listener), world->rounds, i};
        TRY(task_group_spawn(f, &clients, FIBER_NORMAL, talk, &all[i]));
    }
    TRY(task_group_wait(f, &clients));
    memory_free(all);
    task_group_cancel(&server, STATUS_CANCELED);
    TRY(task_group_wait(f, &server));
    listener_close(f, listener);
    return STATUS_OK;
}

static void many_clients_are_echoed(void **state) {
    struct echo_world world = {"127.0.0.1:0", 300, 10};
    run_on_cores(1, talk_to_server, &world);
}

static void unix_sockets_work_alike(void **state) {
    struct echo_world world = {"/tmp/satori_socket_test", 20, 10};
    run_on_cores(1, talk_to_server, &world);
    assert_int_not_equal(access("/tmp/satori_socket_test", F_OK), 0);
}

/* ---- pairs ------------------------------------------------------------------------------ */

struct pair {
    struct listener *listener;
    struct connection *client, *server;
};

static enum status accept_one(struct fiber *f, void *argument) {
    struct pair *pair = argument;
    return listener_accept(f, pair->listener, &pair->server);
}

static enum status pair_open(struct fiber *f, struct pair *pair) {
    TRY(listener_open(f, "127.0.0.1:0", &pair->listener));
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, accept_one, pair));
    TRY(connection_open(f, listener_address(pair->listener), &pair->client));
    TRY(task_group_wait(f, &group));
    CHECK(strncmp(connection_peer(pair->server), "127.0.0.1:", 10) == 0);
    CHECK(strcmp(connection_peer(pair->client), listener_address(pair->listener)) == 0);
    return STATUS_OK;
}

static void pair_close(struct fiber *f, struct pair *pair) {
    connection_close(f, pair->client);
    connection_close(f, pair->server);
    listener_close(f, pair->listener);
}

/* ---- slow peers and cancellation -------------------------------------------------------- */

enum { BULK = 8 * 1024 * 1024 };

static uint8_t *bulk(void) {
    static uint8_t bytes[BULK];
    for (size_t i = 0; i < BULK; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    return bytes;
}

static enum status send_bulk(struct fiber *f, void *argument) {
    const uint8_t *bytes = bulk();
    struct slice slices[200];
    for (size_t i = 0; i < 200; i++)
        slices[i] =
            slice_of(bytes + BULK / 200 * i, i == 199 ? BULK - BULK / 200 * 199 : BULK / 200);
    return connection_send(f, argument, slices, 200);
}

static enum status slow_reader(struct fiber *f, void *argument) {
    struct pair pair;
    TRY(pair_open(f, &pair));
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, send_bulk, pair.client));
    TRY(fiber_sleep(f, 5 * MS));
    CHECK(group.live_count == 1); /* the kernel's buffers are full */
    uint8_t *back = memory_alloc(BULK);
    CHECK(back != NULL);
    for (size_t done = 0; done < BULK;) {
        size_t got;
        size_t wish = 1 + random_below(fiber_random(f), 200000);
        TRY(connection_receive(f, pair.server, back + done, wish < BULK - done ? wish : BULK - done,
                               &got));
        CHECK(got > 0);
        done += got;
        if (done < BULK / 20)
            TRY(fiber_sleep(f, MS / 5));
    }
    TRY(task_group_wait(f, &group));
    CHECK(memcmp(back, bulk(), BULK) == 0);
    memory_free(back);
    pair_close(f, &pair);
    return STATUS_OK;
}

static void a_slow_peer_gets_everything(void **state) {
    run_on_cores(1, slow_reader, NULL);
}

/* Many of the latency class that are ready at once: what they send goes out by one call. */

enum { SENDERS = 6 };

struct crowd {
    struct pair pairs[SENDERS];
    struct event go;
    unsigned sent;
    uint8_t number;
    bool cancels;
    struct task_group group;
};
struct sender {
    struct crowd *crowd;
    struct connection *connection;
};

static enum status send_at_once(struct fiber *f, void *argument) {
    const struct sender *sender = argument;
    struct crowd *crowd = sender->crowd;
    TRY(event_wait(f, &crowd->go));
    if (crowd->number == SENDERS)
        return send_bulk(f, sender->connection);
    enum status status = send_bytes(f, sender->connection, &crowd->number, 1);
    crowd->sent += status == STATUS_OK;
    return status;
}

/* Runs behind the senders in the round in which all are ready. */
static enum status cancel_the_others(struct fiber *f, void *argument) {
    struct crowd *crowd = argument;
    TRY(event_wait(f, &crowd->go));
    if (crowd->cancels)
        task_group_cancel(&crowd->group, STATUS_CANCELED);
    return STATUS_OK;
}

static enum status crowd_sends(struct fiber *f, struct crowd *crowd, bool bulky, bool cancels) {
    struct sender senders[SENDERS];
    struct task_group steward;
    crowd->number = bulky ? SENDERS : (uint8_t)(crowd->number + 1) % SENDERS;
    crowd->cancels = cancels;
    crowd->sent = 0;
    crowd->go = (struct event){0};
    task_group_init(&crowd->group, f);
    task_group_init(&steward, f);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){crowd, crowd->pairs[i].client};
        TRY(task_group_spawn(f, &crowd->group, FIBER_LATENCY, send_at_once, &senders[i]));
    }
    TRY(task_group_spawn(f, &steward, FIBER_LATENCY, cancel_the_others, crowd));
    TRY(fiber_sleep(f, MS));
    event_set(&crowd->go);
    for (int i = 0; i < SENDERS && bulky; i++) {
        uint8_t *back = memory_alloc(BULK);
        CHECK(back != NULL);
        TRY(receive_exactly(f, crowd->pairs[i].server, back, BULK));
        CHECK(memcmp(back, bulk(), BULK) == 0);
        memory_free(back);
    }
    TRY(task_group_wait(f, &steward));
    return task_group_wait(f, &crowd->group);
}

static enum status many_send(struct fiber *f, void *argument) {
    struct crowd crowd = {0};
    for (int i = 0; i < SENDERS; i++)
        TRY(pair_open(f, &crowd.pairs[i]));
    TRY(crowd_sends(f, &crowd, true, false));
    for (int round = 0; round < 20; round++) {
        uint8_t byte;
        bool cancels = round % 2 == 1;
        enum status status = crowd_sends(f, &crowd, false, cancels);
        CHECK(status == STATUS_OK || (cancels && status == STATUS_CANCELED));
        unsigned received = 0; /* by whom it was sent, and by nobody else */
        for (int i = 0; i < SENDERS; i++) {
            if (!connection_readable(crowd.pairs[i].server))
                continue;
            TRY(receive_exactly(f, crowd.pairs[i].server, &byte, 1));
            CHECK(byte == crowd.number);
            received++;
        }
        CHECK(received == crowd.sent && (cancels || received == SENDERS));
    }
    /* One peer goes away: its sender is told, the others send. */
    for (int round = 0; round < 2; round++) {
        connection_shutdown(crowd.pairs[0].client);
        CHECK_STATUS(crowd_sends(f, &crowd, false, false), STATUS_CONNECTION_FAILURE);
    }
    for (int i = 0; i < SENDERS; i++)
        pair_close(f, &crowd.pairs[i]);
    return STATUS_OK;
}

static void what_many_send_at_once_arrives(void **state) {
    run_on_cores(1, many_send, NULL);
}

static enum status receive_into_frame(struct fiber *f, void *argument) {
    enum status status;
    {
        uint8_t frame[2000];
        size_t size;
        status = connection_receive(f, argument, frame, sizeof frame, &size);
        memset(frame, 0xEE, sizeof frame);
    }
    return status;
}

static enum status cancel_waits(struct fiber *f, void *argument) {
    struct pair pair;
    TRY(pair_open(f, &pair));
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < 100; i++) {
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, receive_into_frame, pair.server));
        if (i % 3 != 0)
            TRY(fiber_sleep(f, MS / 20));
        task_group_cancel(&group, STATUS_CANCELED);
        CHECK_STATUS(task_group_wait(f, &group), STATUS_CANCELED);
    }
    /* Nothing was lost on the way. */
    TRY(send_bytes(f, pair.client, "still here", 10));
    char bytes[10];
    TRY(receive_exactly(f, pair.server, bytes, 10));
    CHECK(memcmp(bytes, "still here", 10) == 0);
    /* A sender that is stuck. */
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, send_bulk, pair.client));
    TRY(fiber_sleep(f, 3 * MS));
    task_group_cancel(&group, STATUS_CANCELED);
    CHECK_STATUS(task_group_wait(f, &group), STATUS_CANCELED);
    /* An accept. */
    struct pair next = {.listener = pair.listener};
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, accept_one, &next));
    TRY(fiber_sleep(f, MS));
    task_group_cancel(&group, STATUS_CANCELED);
    CHECK_STATUS(task_group_wait(f, &group), STATUS_CANCELED);
    pair_close(f, &pair);
    return STATUS_OK;
}

static void waits_on_sockets_can_be_cancelled(void **state) {
    run_on_cores(1, cancel_waits, NULL);
}

static enum status receive_with_deadline(struct fiber *f, void *argument) {
    struct pair pair;
    TRY(pair_open(f, &pair));
    for (int i = 0; i < 50; i++) {
        struct deadline deadline = {clock_monotonic_ns() + MS / 2, STATUS_CONNECTION_FAILURE,
                                    "no handshake"};
        struct deadline before = fiber_deadline_set(f, deadline);
        char byte;
        size_t size;
        CHECK_STATUS(connection_receive(f, pair.server, &byte, 1, &size),
                     STATUS_CONNECTION_FAILURE);
        CHECK(strcmp(error_current()->message, "no handshake") == 0);
        fiber_deadline_set(f, before);
    }
    pair_close(f, &pair);
    return STATUS_OK;
}

static void a_receive_has_a_deadline(void **state) {
    run_on_cores(1, receive_with_deadline, NULL);
}

/* ---- ends ------------------------------------------------------------------------------- */

static enum status ends(struct fiber *f, void *argument) {
    struct pair pair;
    TRY(pair_open(f, &pair));
    char bytes[10];
    size_t size = 1;
    CHECK(!connection_readable(pair.server));
    TRY(send_bytes(f, pair.client, "last", 4));
    connection_close(f, pair.client);
    TRY(fiber_sleep(f, MS));
    CHECK(connection_readable(pair.server));
    /* The data, then the end, however often one asks. */
    TRY(receive_exactly(f, pair.server, bytes, 4));
    for (int i = 0; i < 3; i++) {
        TRY(connection_receive(f, pair.server, bytes, 10, &size));
        CHECK(size == 0);
    }
    CHECK(connection_readable(pair.server));
    /* Sending into the void fails in the end, and does not kill the process. */
    enum status status = STATUS_OK;
    for (int i = 0; i < 100 && status == STATUS_OK; i++) {
        status = send_bytes(f, pair.server, "x", 1);
        TRY(fiber_sleep(f, MS / 10));
    }
    CHECK(status == STATUS_CONNECTION_FAILURE);
    connection_close(f, pair.server);
    listener_close(f, pair.listener);
    return STATUS_OK;
}

static void the_end_follows_the_data(void **state) {
    run_on_cores(1, ends, NULL);
}

/* Data and end arrive while the receiver waits: both must be seen (an edge is one event). */
static enum status receive_to_end(struct fiber *f, void *argument) {
    struct connection *connection = argument;
    char bytes[100];
    size_t size, sum = 0;
    do {
        TRY(connection_receive(f, connection, bytes, sizeof bytes, &size));
        sum += size;
    } while (size > 0);
    CHECK(sum == 4);
    return STATUS_OK;
}

static enum status data_and_end_at_once(struct fiber *f, void *argument) {
    for (int i = 0; i < 20; i++) {
        struct pair pair;
        TRY(pair_open(f, &pair));
        struct task_group group;
        task_group_init(&group, f);
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, receive_to_end, pair.server));
        if (i % 2 == 0)
            TRY(fiber_sleep(f, MS / 5));
        TRY(send_bytes(f, pair.client, "last", 4));
        connection_close(f, pair.client);
        TRY(task_group_wait(f, &group));
        connection_close(f, pair.server);
        listener_close(f, pair.listener);
    }
    return STATUS_OK;
}

static void data_and_end_that_come_together_are_both_seen(void **state) {
    run_on_cores(1, data_and_end_at_once, NULL);
}

static enum status shutdown_wakes(struct fiber *f, void *argument) {
    struct pair pair;
    TRY(pair_open(f, &pair));
    struct task_group group;
    task_group_init(&group, f);
    TRY(task_group_spawn(f, &group, FIBER_NORMAL, receive_into_frame, pair.server));
    TRY(fiber_sleep(f, MS));
    connection_shutdown(pair.server);
    CHECK_STATUS(task_group_wait(f, &group), STATUS_CONNECTION_FAILURE);
    CHECK_STATUS(send_bytes(f, pair.server, "x", 1), STATUS_CONNECTION_FAILURE);
    char byte;
    size_t size;
    TRY(connection_receive(f, pair.client, &byte, 1, &size));
    CHECK(size == 0);
    pair_close(f, &pair);
    return STATUS_OK;
}

static void shutdown_wakes_who_waits(void **state) {
    run_on_cores(1, shutdown_wakes, NULL);
}

/* ---- moving ----------------------------------------------------------------------------- */

static enum status answer_there(struct fiber *f, void *argument) {
    struct connection *connection = argument;
    char bytes[100];
    size_t size;
    TRY(connection_receive(f, connection, bytes, sizeof bytes, &size));
    CHECK(size == 4);
    bytes[3] = (char)('0' + fiber_core(f));
    return send_bytes(f, connection, bytes, 4);
}

static enum status ask_there(struct fiber *f, void *argument) {
    return core_call(f, 1, answer_there, argument);
}

static enum status move(struct fiber *f, void *argument) {
    struct pair pair;
    TRY(pair_open(f, &pair));
    for (unsigned i = 0; i < 20; i++) {
        struct task_group group;
        task_group_init(&group, f);
        connection_move(pair.server, i % 2);
        TRY(task_group_spawn(f, &group, FIBER_NORMAL, i % 2 ? ask_there : answer_there,
                             pair.server));
        if (i % 3 == 0)
            TRY(fiber_sleep(f, MS));
        char bytes[4];
        TRY(send_bytes(f, pair.client, "core", 4));
        TRY(receive_exactly(f, pair.client, bytes, 4));
        CHECK(bytes[3] == (char)('0' + i % 2));
        TRY(task_group_wait(f, &group));
    }
    connection_move(pair.server, 0);
    pair_close(f, &pair);
    return STATUS_OK;
}

static void a_connection_moves_between_cores(void **state) {
    run_on_cores(2, move, NULL);
}

/* ---- addresses -------------------------------------------------------------------------- */

static enum status addresses(struct fiber *f, void *argument) {
    struct listener *listener, *second;
    struct connection *connection;
    static const char *const bad[] = {"",      "5433",      "localhost:", ":5433",    "127.0.0.1:x",
                                      "::1:5", "[::1]5433", "h:65536",    "[::1:5433"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_STATUS(listener_open(f, bad[i], &listener), STATUS_INVALID_PARAMETER_VALUE);
    TRY(listener_open(f, "localhost:0", &listener));
    CHECK(listener_port(listener) > 0 && listener_is_loopback(listener));
    char address[50];
    strcpy(address, listener_address(listener));
    CHECK_STATUS(listener_open(f, address, &second), STATUS_OBJECT_IN_USE);
    CHECK(error_current()->hint[0] != '\0');
    listener_close(f, listener);
    CHECK_STATUS(connection_open(f, address, &connection), STATUS_CONNECTION_FAILURE);
    CHECK_STATUS(connection_open(f, "/tmp/no such socket", &connection), STATUS_CONNECTION_FAILURE);
    TRY(listener_open(f, "0.0.0.0:0", &listener));
    CHECK(!listener_is_loopback(listener));
    listener_close(f, listener);
    return STATUS_OK;
}

static void addresses_are_checked(void **state) {
    run_on_cores(1, addresses, NULL);
}

static enum status connect_nowhere(struct fiber *f, void *argument) {
    /* An address that answers nothing (TEST-NET-1), if the machine lets us try. */
    struct connection *connection = NULL;
    fiber_deadline_set(f, (struct deadline){clock_monotonic_ns() + 5 * MS, STATUS_CANCELED, NULL});
    enum status status = connection_open(f, "192.0.2.1:9", &connection);
    CHECK(status == STATUS_CANCELED || status == STATUS_CONNECTION_FAILURE || status == STATUS_OK);
    fiber_deadline_set(f, (struct deadline){0});
    connection_close(f, connection);
    return fiber_sleep(f, HOUR / HOUR);
}

static void connecting_has_a_deadline(void **state) {
    run_on_cores(1, connect_nowhere, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(many_clients_are_echoed),
    cmocka_unit_test(unix_sockets_work_alike),
    cmocka_unit_test(a_slow_peer_gets_everything),
    cmocka_unit_test(what_many_send_at_once_arrives),
    cmocka_unit_test(waits_on_sockets_can_be_cancelled),
    cmocka_unit_test(a_receive_has_a_deadline),
    cmocka_unit_test(the_end_follows_the_data),
    cmocka_unit_test(data_and_end_that_come_together_are_both_seen),
    cmocka_unit_test(shutdown_wakes_who_waits),
    cmocka_unit_test(a_connection_moves_between_cores),
    cmocka_unit_test(addresses_are_checked),
    cmocka_unit_test(connecting_has_a_deadline),
};

RUN_ON_BOTH(tests)
