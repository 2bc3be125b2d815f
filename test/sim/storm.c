/*
 * Everybody writes against constraints: a unique column with few values, a check, not null. What
 * breaks one is refused with its own SQLSTATE and leaves nothing; what is there never breaks any,
 * and the unique index and the rows tell the same.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "world.h"

enum { VALUES = 40 };

struct storm {
    int64_t next_id;
    bool freezes;
};

static void *storm_create(struct world *world) {
    struct storm *storm = memory_alloc_zeroed(1, sizeof *storm);
    storm->freezes = random_below(world->random, 2) == 0;
    return storm;
}

static enum client_outcome storm_set_up(struct fiber *f, struct world *world, void *state,
                                        struct client *client) {
    const struct storm *storm = state;
    enum client_outcome outcome = client_query_format(
        f, client,
        "create table storm (id bigint primary key, u int unique, c int check (c > 0), t text not "
        "null) %s",
        storm->freezes ? "with (freeze = eager)" : "");
    return outcome == CLIENT_REFUSED && strcmp(client->sqlstate, "42P07") == 0 ? CLIENT_DONE
                                                                               : outcome;
}

/* Duplicates, and whether index and rows agree about one value; all in one snapshot. */
static enum client_outcome storm_look(struct fiber *f, struct world *world, struct client *client) {
    int u = (int)random_below(world->random, VALUES);
    enum client_outcome outcome = client_query(f, client, "begin isolation level repeatable read");
    if (outcome == CLIENT_DONE)
        outcome = client_query(f, client,
                               "select u, count(*) from storm where u is not null group by u "
                               "having count(*) > 1");
    if (outcome == CLIENT_DONE && client->rows.row_count > 0)
        world_fail(world, "storm: unique value %s is there %s times", client->rows.cells[0][0],
                   client->rows.cells[0][1]);
    if (outcome == CLIENT_DONE)
        outcome = client_query(
            f, client, "select count(*) from storm where c <= 0 or t is null or id is null");
    if (outcome == CLIENT_DONE && client_number(client, 0, 0) != 0)
        world_fail(world, "storm: rows break a check or not null");
    int64_t by_index = 0;
    if (outcome == CLIENT_DONE)
        outcome = client_query_format(f, client, "select count(*) from storm where u = %d", u);
    if (outcome == CLIENT_DONE) {
        by_index = client_number(client, 0, 0);
        outcome = client_query_format(f, client, "select count(*) from storm where u + 0 = %d", u);
    }
    if (outcome == CLIENT_DONE && client_number(client, 0, 0) != by_index)
        world_fail(world, "storm: u = %d: the index has %lld rows, the table %lld", u,
                   (long long)by_index, (long long)client_number(client, 0, 0));
    if (outcome == CLIENT_LOST)
        return outcome;
    return client_query(f, client, "commit");
}

static bool is_expected(const char *sqlstate) {
    static const char *const expected[] = {"23505", "23514", "23502", "40001", "40P01",
                                           "58030", "53100", "53200", "57014", "55P03"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (strcmp(sqlstate, expected[i]) == 0)
            return true;
    }
    return false;
}

static enum client_outcome storm_change(struct fiber *f, struct world *world, struct storm *storm,
                                        struct client *client) {
    struct random *random = world->random;
    int u = (int)random_below(random, VALUES), c = (int)random_below(random, 20) - 1;
    const char *t = random_below(random, 20) == 0 ? "null" : "'text'";
    switch (random_below(random, 7)) {
    case 0:
    case 1:
        return client_query_format(f, client, "insert into storm values (%lld, %d, %d, %s)",
                                   (long long)storm->next_id++, u, c, t);
    case 2:
        return client_query_format(f, client,
                                   "insert into storm values (%lld, %d, %d, %s) on conflict (u) do "
                                   "update set c = excluded.c",
                                   (long long)storm->next_id++, u, c, t);
    case 3:
        return client_query_format(
            f, client, "update storm set u = u + 1 where u between %d and %d", u, u + 3);
    case 4:
        return client_query_format(f, client, "update storm set u = %d, c = %d where u = %d", u, c,
                                   (int)random_below(random, VALUES));
    case 5:
        return client_query_format(f, client, "delete from storm where u between %d and %d", u,
                                   u + 2);
    default: {
        int64_t id = storm->next_id;
        storm->next_id += 4;
        return client_query_format(f, client,
                                   "insert into storm select %lld + i, %d + i, %d, %s from "
                                   "generate_series(0, 3) i",
                                   (long long)id, u, c, t);
    }
    }
}

static enum client_outcome storm_step(struct fiber *f, struct world *world, void *state,
                                      unsigned number, struct client *client) {
    struct storm *storm = state;
    if (client->transaction != 'I') /* there was no memory for the ROLLBACK */
        return client_query(f, client, "rollback");
    uint64_t what = random_below(world->random, 30);
    if (what < 3)
        return storm_look(f, world, client);
    if (what == 3)
        return client_query(f, client, "vacuum (freeze) storm");
    enum client_outcome outcome = CLIENT_DONE;
    bool block = random_below(world->random, 2) == 0;
    if (block)
        outcome = client_query(f, client,
                               random_below(world->random, 2) == 0
                                   ? "begin"
                                   : "begin isolation level repeatable read");
    unsigned count = block ? 1 + (unsigned)random_below(world->random, 3) : 1;
    for (unsigned i = 0; i < count && outcome == CLIENT_DONE; i++)
        outcome = storm_change(f, world, storm, client);
    if (outcome == CLIENT_REFUSED && !is_expected(client->sqlstate) &&
        !world_excuses(world, client))
        world_fail(world, "storm: unexpected error %s: %s", client->sqlstate, client->message);
    simulator_note(world->simulator, "storm %u: %s %s %s", number, client->tag, client->sqlstate,
                   client->message);
    if (outcome == CLIENT_LOST || !block)
        return outcome;
    return client_query(f, client,
                        outcome == CLIENT_DONE && random_below(world->random, 8) != 0 ? "commit"
                                                                                      : "rollback");
}

static enum client_outcome storm_compare(struct fiber *f, struct world *world, void *state,
                                         unsigned number, struct client *client) {
    return storm_look(f, world, client);
}

const struct workload workload_storm = {
    .name = "storm",
    .create = storm_create,
    .destroy = memory_free,
    .set_up = storm_set_up,
    .step = storm_step,
    .compare = storm_compare,
};
