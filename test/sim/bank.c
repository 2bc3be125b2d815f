/*
 * Transfers between accounts, each with a receipt. The sum never changes, at any snapshot; every
 * account is what its receipts say; a transfer that was acknowledged has its receipt for ever, one
 * that was refused never, any other wholly or not at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"
#include "world.h"

enum { ACCOUNTS = 12, BALANCE = 1000, TRANSFERS_MAX = 20000 };
enum fate { UNKNOWN, ACKNOWLEDGED, REFUSED };

struct bank {
    struct {
        uint8_t fates[TRANSFERS_MAX]; /* by number */
        bool seen[TRANSFERS_MAX];
        unsigned count;
    } clients[WORLD_CLIENTS_MAX];
    bool freezes;
};

static void *bank_create(struct world *world) {
    struct bank *bank = memory_alloc_zeroed(1, sizeof *bank);
    bank->freezes = random_below(world->random, 2) == 0;
    return bank;
}

static enum client_outcome bank_set_up(struct fiber *f, struct world *world, void *state,
                                       struct client *client) {
    const struct bank *bank = state;
    const char *how = bank->freezes ? "with (freeze = eager)" : "";
    enum client_outcome outcome = client_query_format(
        f, client,
        "begin; create table accounts (id int primary key, balance bigint not null) %s; "
        "create table receipts (client int, n int, source int, target int, amount int, "
        "primary key (client, n)) %s; insert into accounts select i, %d from "
        "generate_series(1, %d) i; commit",
        how, how, BALANCE, ACCOUNTS);
    /* An earlier attempt may have come through without our knowing. */
    if (outcome == CLIENT_REFUSED && strcmp(client->sqlstate, "42P07") == 0) {
        outcome = client_query(f, client, "rollback");
        if (outcome != CLIENT_LOST)
            outcome = client_query(f, client, "select count(*) from accounts");
        if (outcome == CLIENT_DONE && client_number(client, 0, 0) != ACCOUNTS)
            world_fail(world, "the tables are there without their rows");
    }
    return outcome;
}

/* ---- one transfer ------------------------------------------------------------------------- */

static enum client_outcome transfer(struct fiber *f, struct world *world, struct bank *bank,
                                    unsigned number, struct client *client) {
    unsigned n = bank->clients[number].count;
    if (n == TRANSFERS_MAX)
        return CLIENT_DONE;
    bank->clients[number].count++;
    int source = 1 + (int)random_below(world->random, ACCOUNTS);
    int target = 1 + (int)random_below(world->random, ACCOUNTS);
    int amount = 1 + (int)random_below(world->random, 50);
    static const char *const levels[] = {"", " isolation level repeatable read",
                                         " isolation level read committed"};
    enum client_outcome outcome =
        client_query_format(f, client, "begin%s", levels[random_below(world->random, 3)]);
    if (outcome == CLIENT_DONE)
        outcome = client_query_format(
            f, client, "update accounts set balance = balance - %d where id = %d", amount, source);
    if (outcome == CLIENT_DONE && random_below(world->random, 4) == 0)
        outcome = client_query_format(f, client, "select pg_sleep(0.0%u)",
                                      (unsigned)random_below(world->random, 10));
    if (outcome == CLIENT_DONE)
        outcome = client_query_format(
            f, client, "update accounts set balance = balance + %d where id = %d", amount, target);
    if (outcome == CLIENT_DONE)
        outcome = client_query_format(f, client, "insert into receipts values (%u, %u, %d, %d, %d)",
                                      number, n, source, target, amount);
    if (outcome == CLIENT_DONE && random_below(world->random, 10) == 0) {
        outcome = client_query(f, client, "rollback");
        bank->clients[number].fates[n] = REFUSED;
        return outcome;
    }
    bool committing = outcome == CLIENT_DONE;
    if (committing)
        outcome = client_query(f, client, "commit");
    if (outcome == CLIENT_DONE)
        bank->clients[number].fates[n] = ACKNOWLEDGED;
    if (outcome == CLIENT_REFUSED || (outcome == CLIENT_LOST && !committing))
        bank->clients[number].fates[n] = REFUSED;
    simulator_note(world->simulator, "bank %u: %u: %d -> %d: %d: %s %s", number, n, source, target,
                   amount,
                   outcome == CLIENT_DONE   ? "done"
                   : outcome == CLIENT_LOST ? "lost"
                                            : "no",
                   client->message);
    if (outcome == CLIENT_REFUSED && client_is_open(client) && client->transaction != 'I')
        return client_query(f, client, "rollback");
    return outcome;
}

/* ---- looking ------------------------------------------------------------------------------ */

static enum client_outcome look_at_sum(struct fiber *f, struct world *world,
                                       struct client *client) {
    enum client_outcome outcome =
        client_query(f, client, "select sum(balance), count(*) from accounts");
    if (outcome == CLIENT_DONE && (client_number(client, 0, 0) != ACCOUNTS * BALANCE ||
                                   client_number(client, 0, 1) != ACCOUNTS))
        world_fail(world, "bank: the sum is %lld over %lld accounts",
                   (long long)client_number(client, 0, 0), (long long)client_number(client, 0, 1));
    return outcome;
}

/* What every account has; 0 for one that is not there. */
static enum client_outcome read_balances(struct fiber *f, struct client *client,
                                         int64_t balances[ACCOUNTS + 1]) {
    enum client_outcome outcome = client_query(f, client, "select id, balance from accounts");
    memset(balances, 0, (ACCOUNTS + 1) * sizeof *balances);
    for (size_t i = 0; outcome == CLIENT_DONE && i < client->rows.row_count; i++)
        balances[client_number(client, i, 0)] = client_number(client, i, 1);
    return outcome;
}

/* Balances and receipts in one snapshot, which may be some seconds old when it is looked at again,
   while transfers, freezing and checkpoints went on. */
static enum client_outcome look_at_receipts(struct fiber *f, struct world *world,
                                            struct client *client) {
    int64_t balances[ACCOUNTS + 1], again[ACCOUNTS + 1];
    enum client_outcome outcome = client_query(f, client, "begin isolation level repeatable read");
    if (outcome == CLIENT_DONE)
        outcome = read_balances(f, client, balances);
    unsigned looks = (unsigned)random_below(world->random, 4);
    for (unsigned look = 0; look < looks && outcome == CLIENT_DONE; look++) {
        (void)!fiber_sleep(f, (int64_t)random_below(world->random, 1500) * 1000000);
        outcome = read_balances(f, client, again);
        if (outcome == CLIENT_DONE && memcmp(balances, again, sizeof balances) != 0)
            world_fail(world, "bank: a snapshot changed between two looks");
    }
    if (outcome == CLIENT_DONE)
        outcome = client_query(f, client, "select source, target, amount from receipts");
    for (size_t i = 0; outcome == CLIENT_DONE && i < client->rows.row_count; i++) {
        balances[client_number(client, i, 0)] += client_number(client, i, 2);
        balances[client_number(client, i, 1)] -= client_number(client, i, 2);
    }
    for (int i = 1; outcome == CLIENT_DONE && i <= ACCOUNTS; i++) {
        if (balances[i] != BALANCE)
            world_fail(world, "bank: account %d is off by %lld from its receipts", i,
                       (long long)balances[i] - BALANCE);
    }
    if (outcome == CLIENT_LOST)
        return outcome;
    return client_query(f, client, "commit");
}

static enum client_outcome freeze(struct fiber *f, struct world *world, struct client *client) {
    static const char *const statements[] = {"vacuum (freeze) receipts", "vacuum (freeze) accounts",
                                             "checkpoint", "vacuum", "analyze receipts"};
    return client_query(f, client, statements[random_below(world->random, 5)]);
}

static enum client_outcome bank_step(struct fiber *f, struct world *world, void *state,
                                     unsigned number, struct client *client) {
    uint64_t what = random_below(world->random, 100);
    if (what < 8)
        return look_at_sum(f, world, client);
    if (what < 11)
        return look_at_receipts(f, world, client);
    if (what < 12)
        return freeze(f, world, client);
    return transfer(f, world, state, number, client);
}

static enum client_outcome bank_compare(struct fiber *f, struct world *world, void *state,
                                        unsigned number, struct client *client) {
    struct bank *bank = state;
    unsigned count = bank->clients[number].count;
    bool *seen = bank->clients[number].seen;
    uint8_t *fates = bank->clients[number].fates;
    memset(seen, 0, sizeof bank->clients[number].seen);
    enum client_outcome outcome =
        client_query_format(f, client, "select n from receipts where client = %u", number);
    if (outcome != CLIENT_DONE)
        return outcome;
    for (size_t i = 0; i < client->rows.row_count; i++) {
        int64_t n = client_number(client, i, 0);
        if (n < 0 || n >= count || seen[n] || fates[n] == REFUSED) {
            world_fail(world, "bank: client %u has receipt %lld which is %s", number, (long long)n,
                       n < 0 || n >= count ? "of no transfer"
                       : seen[n]           ? "there twice"
                                           : "of a refused transfer");
            return outcome;
        }
        seen[n] = true;
    }
    unsigned last = count;
    while (last > 0 && !seen[last - 1])
        last--;
    for (unsigned n = 0; n < count; n++) {
        if (fates[n] == ACKNOWLEDGED && !seen[n] && (n < last || !world_excuses_tail(world)))
            world_fail(world, "bank: client %u lost its acknowledged transfer %u", number, n);
        if (seen[n])
            fates[n] = ACKNOWLEDGED; /* once seen, it stays */
    }
    return look_at_sum(f, world, client);
}

const struct workload workload_bank = {
    .name = "bank",
    .create = bank_create,
    .destroy = memory_free,
    .set_up = bank_set_up,
    .step = bank_step,
    .compare = bank_compare,
};
