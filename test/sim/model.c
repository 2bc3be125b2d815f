/*
 * Every client owns a range of keys and knows what is in it: a model of small rows and large ones,
 * changed by transactions of several statements, read back by key, by index, by range and as sums.
 * Rows are frozen and thawed under it all the while. After a commit whose answer was lost the range
 * is wholly as before or wholly as wanted; a row that every transaction of a client changes first
 * tells when the lost one has ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"
#include "world.h"

enum { KEYS = 40, NUMBERS = 7, LARGE = 9000 };

struct row {
    bool present;
    int length, n;
    char letter;
};

struct range {
    struct row rows[KEYS];
    struct row wanted[KEYS]; /* what the open or lost transaction makes of it */
    bool unsure;             /* a commit's answer was lost */
};

struct model {
    struct range ranges[WORLD_CLIENTS_MAX];
    bool freezes;
};

static void *model_create(struct world *world) {
    struct model *model = memory_alloc_zeroed(1, sizeof *model);
    model->freezes = random_below(world->random, 3) != 0;
    return model;
}

static enum client_outcome model_set_up(struct fiber *f, struct world *world, void *state,
                                        struct client *client) {
    const struct model *model = state;
    enum client_outcome outcome = client_query_format(
        f, client,
        "begin; create table kv (k int primary key, v text, n int not null) %s; "
        "create index on kv (n); create table owners (client int primary key, n int); "
        "insert into owners select i, 0 from generate_series(0, %d) i; commit",
        model->freezes ? "with (freeze = eager)" : "", WORLD_CLIENTS_MAX);
    if (outcome == CLIENT_REFUSED && strcmp(client->sqlstate, "42P07") == 0)
        return client_query(f, client, "rollback");
    return outcome;
}

static int key_of(unsigned number, int i) {
    return (int)number * 1000 + i;
}

/* ---- reading ------------------------------------------------------------------------------ */

static bool cell_is(const char *cell, const struct row *row) {
    if (cell == NULL || strlen(cell) != (size_t)row->length)
        return false;
    for (int i = 0; i < row->length; i++) {
        if (cell[i] != row->letter)
            return false;
    }
    return true;
}

/* Is the last result exactly these rows? `why` says what is not. */
static bool result_is(const struct client *client, unsigned number, const struct row *rows,
                      char *why, size_t size) {
    bool seen[KEYS] = {0};
    for (size_t i = 0; i < client->rows.row_count; i++) {
        int64_t k = client_number(client, i, 0) - key_of(number, 0);
        const char *fault = k < 0 || k >= KEYS                             ? "is not ours"
                            : seen[k]                                      ? "is there twice"
                            : !rows[k].present                             ? "was deleted"
                            : client_number(client, i, 2) != rows[k].n     ? "has another n"
                            : !cell_is(client->rows.cells[i][1], &rows[k]) ? "has another v"
                                                                           : NULL;
        if (fault != NULL) {
            snprintf(why, size, "key %lld %s", (long long)client_number(client, i, 0), fault);
            return false;
        }
        seen[k] = true;
    }
    for (int k = 0; k < KEYS; k++) {
        if (rows[k].present && !seen[k]) {
            snprintf(why, size, "key %d is missing", key_of(number, k));
            return false;
        }
    }
    return true;
}

static enum client_outcome read_range(struct fiber *f, unsigned number, struct client *client) {
    return client_query_format(f, client, "select k, v, n from kv where k between %d and %d",
                               key_of(number, 0), key_of(number, KEYS - 1));
}

/* By the index on n, and as sums: other ways to the same rows. */
static enum client_outcome read_otherwise(struct fiber *f, struct world *world, unsigned number,
                                          const struct row *rows, struct client *client) {
    int n = (int)random_below(world->random, NUMBERS);
    int64_t count = 0, sum = 0, length = 0;
    for (int k = 0; k < KEYS; k++) {
        count += rows[k].present && rows[k].n == n;
        sum += rows[k].present ? rows[k].n : 0;
        length += rows[k].present ? rows[k].length : 0;
    }
    enum client_outcome outcome = client_query_format(
        f, client, "select count(*) from kv where n = %d and k / 1000 = %u", n, number);
    if (outcome != CLIENT_DONE)
        return outcome;
    if (client_number(client, 0, 0) != count)
        world_fail(world, "model: client %u sees %lld rows with n = %d instead of %lld", number,
                   (long long)client_number(client, 0, 0), n, (long long)count);
    outcome = client_query_format(f, client,
                                  "select sum(n), sum(length(v)) from kv where k >= %d and k < %d",
                                  key_of(number, 0), key_of(number, KEYS));
    if (outcome == CLIENT_DONE &&
        (client_number(client, 0, 0) != sum || client_number(client, 0, 1) != length))
        world_fail(world, "model: client %u sees sums %lld, %lld instead of %lld, %lld", number,
                   (long long)client_number(client, 0, 0), (long long)client_number(client, 0, 1),
                   (long long)sum, (long long)length);
    return outcome;
}

static enum client_outcome read_and_compare(struct fiber *f, struct world *world, unsigned number,
                                            const struct row *rows, struct client *client) {
    if (random_below(world->random, 2) == 0)
        return read_otherwise(f, world, number, rows, client);
    enum client_outcome outcome = read_range(f, number, client);
    char why[100];
    if (outcome == CLIENT_DONE && !result_is(client, number, rows, why, sizeof why))
        world_fail(world, "model: client %u: %s", number, why);
    return outcome;
}

/* ---- changing ----------------------------------------------------------------------------- */

static struct row random_row(struct world *world) {
    struct random *random = world->random;
    return (struct row){.present = true,
                        .length =
                            (int)random_below(random, random_below(random, 8) == 0 ? LARGE : 40),
                        .n = (int)random_below(random, NUMBERS),
                        .letter = (char)('a' + random_below(random, 26))};
}

static enum client_outcome change_one(struct fiber *f, struct world *world, unsigned number,
                                      struct row *rows, struct client *client) {
    int k = (int)random_below(world->random, KEYS);
    struct row row = random_row(world);
    uint64_t what = random_below(world->random, 4);
    if (what == 0 || !rows[k].present) {
        rows[k] = row;
        return client_query_format(
            f, client,
            "insert into kv (k, v, n) values (%d, repeat('%c', %d), %d) on conflict "
            "(k) do update set v = excluded.v, n = excluded.n",
            key_of(number, k), row.letter, row.length, row.n);
    }
    if (what == 1) {
        rows[k].present = false;
        return client_query_format(f, client, "delete from kv where k = %d", key_of(number, k));
    }
    if (what == 2) {
        rows[k].n = row.n;
        return client_query_format(f, client, "update kv set n = %d where k = %d", row.n,
                                   key_of(number, k));
    }
    rows[k].letter = row.letter;
    rows[k].length = row.length;
    return client_query_format(f, client, "update kv set v = repeat('%c', %d) where k = %d",
                               row.letter, row.length, key_of(number, k));
}

/* A statement over a stretch of keys. */
static enum client_outcome change_many(struct fiber *f, struct world *world, unsigned number,
                                       struct row *rows, struct client *client) {
    int from = (int)random_below(world->random, KEYS);
    int to = from + (int)random_below(world->random, (uint64_t)(KEYS - from));
    struct row row = random_row(world);
    uint64_t what = random_below(world->random, 3);
    for (int k = from; k <= to; k++) {
        if (what == 0)
            rows[k].present = false;
        else if (what == 1)
            rows[k].n = rows[k].present ? (rows[k].n + 1) % NUMBERS : rows[k].n;
        else if (!rows[k].present)
            rows[k] = row;
    }
    if (what == 0)
        return client_query_format(f, client, "delete from kv where k between %d and %d",
                                   key_of(number, from), key_of(number, to));
    if (what == 1)
        return client_query_format(f, client,
                                   "update kv set n = (n + 1) %% %d where k between %d and %d",
                                   NUMBERS, key_of(number, from), key_of(number, to));
    return client_query_format(f, client,
                               "insert into kv (k, v, n) select i, repeat('%c', %d), %d from "
                               "generate_series(%d, %d) i on conflict do nothing",
                               row.letter, row.length, row.n, key_of(number, from),
                               key_of(number, to));
}

static enum client_outcome begin(struct fiber *f, struct world *world, unsigned number,
                                 bool snapshot, struct client *client) {
    enum client_outcome outcome =
        client_query(f, client, snapshot ? "begin isolation level repeatable read" : "begin");
    if (outcome == CLIENT_DONE)
        outcome =
            client_query_format(f, client, "update owners set n = n + 1 where client = %u", number);
    return outcome;
}

static enum client_outcome end(struct fiber *f, struct client *client,
                               enum client_outcome outcome) {
    if (outcome == CLIENT_REFUSED && client->transaction != 'I')
        return client_query(f, client, "rollback");
    return outcome;
}

/* What changes nothing that a client knows. Two at once may refuse each other. */
static enum client_outcome do_chore(struct fiber *f, struct world *world, struct client *client) {
    static const char *const chores[] = {
        "vacuum (freeze) kv",
        "checkpoint",
        "vacuum",
        "vacuum full",
        "analyze kv",
        "create index kv_both on kv (n, k)",
        "create unique index kv_text on kv (n, k)",
        "drop index kv_both",
        "drop index kv_text",
        "create table scratch as select * from kv",
        "insert into scratch select i, repeat('s', i % 500), i from generate_series(1, 400) i",
        "update scratch set n = n + 1 where n % 3 = 0",
        "truncate scratch",
        "drop table scratch",
        "alter table kv add column spare int default 7",
        "alter table kv drop column spare",
    };
    const char *chore = chores[random_below(world->random, sizeof chores / sizeof chores[0])];
    enum client_outcome outcome = client_query(f, client, chore);
    simulator_note(world->simulator, "model: %s: %s %s", chore, client->sqlstate, client->message);
    return outcome;
}

static enum client_outcome model_step(struct fiber *f, struct world *world, void *state,
                                      unsigned number, struct client *client) {
    struct model *model = state;
    struct range *range = &model->ranges[number];
    uint64_t what = random_below(world->random, 40);
    if (what == 0)
        return do_chore(f, world, client);
    if (what < 10)
        return read_and_compare(f, world, number, range->rows, client);
    memcpy(range->wanted, range->rows, sizeof range->rows);
    enum client_outcome outcome =
        begin(f, world, number, random_below(world->random, 2) == 0, client);
    unsigned count = 1 + (unsigned)random_below(world->random, 5);
    for (unsigned i = 0; i < count && outcome == CLIENT_DONE; i++) {
        uint64_t kind = random_below(world->random, 6);
        outcome = kind == 0   ? change_many(f, world, number, range->wanted, client)
                  : kind == 1 ? read_and_compare(f, world, number, range->wanted, client)
                              : change_one(f, world, number, range->wanted, client);
    }
    if (outcome == CLIENT_DONE && random_below(world->random, 8) == 0)
        return client_query(f, client, "rollback");
    if (outcome != CLIENT_DONE)
        return end(f, client, outcome);
    outcome = client_query(f, client, "commit");
    if (outcome == CLIENT_DONE)
        memcpy(range->rows, range->wanted, sizeof range->rows);
    range->unsure = outcome == CLIENT_LOST;
    simulator_note(world->simulator, "model %u: commit: %s %s", number,
                   outcome == CLIENT_DONE   ? "done"
                   : outcome == CLIENT_LOST ? "lost"
                                            : "no",
                   client->message);
    return end(f, client, outcome);
}

static enum client_outcome model_compare(struct fiber *f, struct world *world, void *state,
                                         unsigned number, struct client *client) {
    struct model *model = state;
    struct range *range = &model->ranges[number];
    const struct row *found = range->rows;
    enum client_outcome outcome = begin(f, world, number, false, client);
    if (outcome == CLIENT_DONE)
        outcome = read_range(f, number, client);
    if (outcome == CLIENT_DONE) {
        char why[100], other[100] = "";
        if (!result_is(client, number, range->rows, why, sizeof why)) {
            if (range->unsure && result_is(client, number, range->wanted, other, sizeof other))
                found = range->wanted;
            else
                world_fail(world, "model: client %u: %s%s%s", number, why,
                           range->unsure ? "; were the lost commit there: " : "", other);
        }
        outcome = read_otherwise(f, world, number, found, client);
    }
    if (outcome == CLIENT_DONE)
        outcome = client_query(f, client, "commit");
    if (outcome == CLIENT_DONE) { /* before that, what was seen may not be durable */
        if (found != range->rows)
            memcpy(range->rows, range->wanted, sizeof range->rows);
        range->unsure = false;
    }
    return outcome; /* who was refused has seen nothing and comes again */
}

const struct workload workload_model = {
    .name = "model",
    .create = model_create,
    .destroy = memory_free,
    .set_up = model_set_up,
    .step = model_step,
    .compare = model_compare,
};
