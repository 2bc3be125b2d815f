/*
 * Everybody loads batches of rows, by COPY or INSERT ... SELECT, some small and some large enough
 * for write sets that spill and journal records of several frames, and deletes whole batches again.
 * A batch is there wholly or not at all; one that was acknowledged stays until its deletion, one
 * that was refused or whose deletion was acknowledged never comes (back).
 */
#include <stdio.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_memory.h"
#include "world.h"

enum { BATCHES_MAX = 400, LENGTHS = 61, ROWS_MAX = 1200 };
enum fate { NEVER, LOADING, THERE, DELETING, GONE }; /* LOADING, DELETING: nobody knows */

struct load {
    struct {
        struct {
            uint8_t fate;
            uint16_t rows;
        } batches[BATCHES_MAX];
        unsigned count;
    } clients[WORLD_CLIENTS_MAX];
    bool freezes, has_key;
};

static void *load_create(struct world *world) {
    struct load *load = memory_alloc_zeroed(1, sizeof *load);
    load->freezes = random_below(world->random, 2) == 0;
    load->has_key = random_below(world->random, 2) == 0;
    return load;
}

static enum client_outcome load_set_up(struct fiber *f, struct world *world, void *state,
                                       struct client *client) {
    const struct load *load = state;
    enum client_outcome outcome = client_query_format(
        f, client, "create table loads (client int, batch int, i int, v text%s) %s",
        load->has_key ? ", primary key (client, batch, i)" : "",
        load->freezes ? "with (freeze = eager)" : "");
    return outcome == CLIENT_REFUSED && strcmp(client->sqlstate, "42P07") == 0 ? CLIENT_DONE
                                                                               : outcome;
}

/* ---- a batch ------------------------------------------------------------------------------ */

static unsigned row_length(unsigned i) {
    return i * 7 % LENGTHS;
}

static enum client_outcome copy_batch(struct fiber *f, unsigned number, unsigned batch,
                                      unsigned rows, struct client *client) {
    static const char letters[LENGTHS + 1] =
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi";
    struct buffer text = {0};
    for (unsigned i = 0; i < rows; i++) {
        char line[64 + LENGTHS];
        int size = snprintf(line, sizeof line, "%u\t%u\t%u\t%.*s\n", number, batch, i,
                            (int)row_length(i), letters);
        buffer_append(&text, line, (size_t)size);
    }
    buffer_append_byte(&text, 0);
    client->copy = (const char *)text.data;
    enum client_outcome outcome = client_query(f, client, "copy loads from stdin");
    client->copy = NULL;
    buffer_release(&text);
    return outcome;
}

static enum client_outcome insert_batch(struct fiber *f, unsigned number, unsigned batch,
                                        unsigned rows, struct client *client) {
    return client_query_format(f, client,
                               "insert into loads select %u, %u, i, repeat('x', i * 7 %% %d) from "
                               "generate_series(0, %d) i",
                               number, batch, LENGTHS, (int)rows - 1);
}

static enum client_outcome load_batch(struct fiber *f, struct world *world, struct load *load,
                                      unsigned number, struct client *client) {
    unsigned batch = load->clients[number].count;
    if (batch == BATCHES_MAX)
        return CLIENT_DONE;
    load->clients[number].count++;
    bool large = random_below(world->random, 25) == 0;
    unsigned rows = 1 + (unsigned)random_below(world->random, large ? ROWS_MAX : 40);
    load->clients[number].batches[batch].rows = (uint16_t)rows;
    load->clients[number].batches[batch].fate = LOADING;
    enum client_outcome outcome = random_below(world->random, 2) == 0
                                      ? copy_batch(f, number, batch, rows, client)
                                      : insert_batch(f, number, batch, rows, client);
    if (outcome != CLIENT_LOST)
        load->clients[number].batches[batch].fate = outcome == CLIENT_DONE ? THERE : NEVER;
    simulator_note(world->simulator, "load %u: batch %u of %u rows: %s %s", number, batch, rows,
                   outcome == CLIENT_DONE   ? "done"
                   : outcome == CLIENT_LOST ? "lost"
                                            : "no",
                   client->message);
    return outcome;
}

static enum client_outcome delete_batch(struct fiber *f, struct world *world, struct load *load,
                                        unsigned number, struct client *client) {
    unsigned count = load->clients[number].count;
    unsigned batch = count > 0 ? (unsigned)random_below(world->random, count) : 0;
    uint8_t *fate = &load->clients[number].batches[batch].fate;
    if (count == 0 || *fate != THERE)
        return CLIENT_DONE;
    *fate = DELETING;
    enum client_outcome outcome = client_query_format(
        f, client, "delete from loads where client = %u and batch = %u", number, batch);
    if (outcome != CLIENT_LOST)
        *fate = outcome == CLIENT_DONE ? GONE : THERE;
    simulator_note(world->simulator, "load %u: delete batch %u: %s %s", number, batch, client->tag,
                   client->message);
    return outcome;
}

/* ---- looking ------------------------------------------------------------------------------ */

static void check_batch(struct world *world, unsigned number, unsigned batch, unsigned rows,
                        const struct client *client, size_t row) {
    int64_t sum = 0, length = 0;
    for (unsigned i = 0; i < rows; i++) {
        sum += i;
        length += row_length(i);
    }
    if (client_number(client, row, 1) != rows || client_number(client, row, 2) != sum ||
        client_number(client, row, 3) != length)
        world_fail(world, "load: batch %u of client %u has %lld rows of %u, sums %lld, %lld", batch,
                   number, (long long)client_number(client, row, 1), rows,
                   (long long)client_number(client, row, 2),
                   (long long)client_number(client, row, 3));
}

static enum client_outcome load_compare(struct fiber *f, struct world *world, void *state,
                                        unsigned number, struct client *client) {
    struct load *load = state;
    unsigned count = load->clients[number].count;
    bool seen[BATCHES_MAX] = {0};
    enum client_outcome outcome = client_query_format(
        f, client,
        "select batch, count(*), sum(i), sum(length(v)) from loads where client = %u group by "
        "batch",
        number);
    if (outcome != CLIENT_DONE)
        return outcome;
    for (size_t i = 0; i < client->rows.row_count && !world_failed(world); i++) {
        int64_t batch = client_number(client, i, 0);
        uint8_t fate = batch < 0 || batch >= count ? (uint8_t)NEVER
                                                   : load->clients[number].batches[batch].fate;
        if (fate == NEVER || fate == GONE) {
            world_fail(world, "load: client %u sees batch %lld, which %s", number, (long long)batch,
                       fate == GONE ? "was deleted" : "was refused");
            return outcome;
        }
        seen[batch] = true;
        check_batch(world, number, (unsigned)batch, load->clients[number].batches[batch].rows,
                    client, i);
    }
    unsigned last = count;
    while (last > 0 && !seen[last - 1])
        last--;
    for (unsigned batch = 0; batch < count; batch++) {
        uint8_t *fate = &load->clients[number].batches[batch].fate;
        if (*fate == THERE && !seen[batch] && (batch < last || !world_excuses_tail(world)))
            world_fail(world, "load: client %u lost its acknowledged batch %u", number, batch);
        if (*fate == LOADING && seen[batch])
            *fate = THERE;
        if (*fate == DELETING && !seen[batch])
            *fate = GONE;
    }
    return outcome;
}

static enum client_outcome load_step(struct fiber *f, struct world *world, void *state,
                                     unsigned number, struct client *client) {
    static const char *const chores[] = {
        "vacuum (freeze) loads",          "checkpoint",     "vacuum", "analyze loads",
        "create index by_v on loads (v)", "drop index by_v"};
    uint64_t what = random_below(world->random, 20);
    if (what < 2)
        return load_compare(f, world, state, number, client);
    if (what < 3)
        return client_query(f, client, chores[random_below(world->random, 6)]);
    if (what < 9)
        return delete_batch(f, world, state, number, client);
    return load_batch(f, world, state, number, client);
}

const struct workload workload_load = {
    .name = "load",
    .create = load_create,
    .destroy = memory_free,
    .set_up = load_set_up,
    .step = load_step,
    .compare = load_compare,
};
