#include "txn_fixture.h"

#include "txn/lock.h"
#include "txn/store.h"

/* ---- relation modes: the manual's table 13.2
 * ------------------------------------------------------ */

static void relation_modes_conflict_as_the_manual_says(void **state) {
    /* Row: requested, column: held; in the order of the enumeration. */
    static const char *const table[8] = {
        "-------X", /* ACCESS SHARE */
        "------XX", /* ROW SHARE */
        "----XXXX", /* ROW EXCLUSIVE */
        "---XXXXX", /* SHARE UPDATE EXCLUSIVE */
        "--XX-XXX", /* SHARE */
        "--XXXXXX", /* SHARE ROW EXCLUSIVE */
        "-XXXXXXX", /* EXCLUSIVE */
        "XXXXXXXX", /* ACCESS EXCLUSIVE */
    };
    for (unsigned a = 1; a <= 8; a++)
        for (unsigned b = 1; b <= 8; b++) {
            bool conflict = (lock_modes_relation.conflicts[a] & 1u << b) != 0;
            assert_int_equal(conflict, table[a - 1][b - 1] == 'X');
        }
}

static enum status relation_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    for (unsigned held = 1; held <= 8; held++)
        for (unsigned wanted = 1; wanted <= 8; wanted++) {
            struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
            struct transaction *b = begin(f, store, ISOLATION_READ_COMMITTED);
            bool locked;
            assert_ok(txn_lock_relation(f, a, 77, held, LOCK_WAIT, NULL));
            assert_ok(txn_lock_relation(f, b, 77, wanted, LOCK_SKIP, &locked));
            bool conflict = (lock_modes_relation.conflicts[wanted] & 1u << held) != 0;
            assert_int_equal(locked, !conflict);
            assert_ok(txn_lock_relation(f, b, 78, wanted, LOCK_SKIP, &locked));
            assert_true(locked);
            if (conflict)
                assert_status(txn_lock_relation(f, b, 77, wanted, LOCK_NO_WAIT, &locked),
                              STATUS_LOCK_NOT_AVAILABLE);
            transaction_rollback(f, a);
            assert_ok(txn_lock_relation(f, b, 77, wanted, LOCK_SKIP, &locked));
            assert_true(locked);
            transaction_rollback(f, b);
        }
    return store_close(f, store);
}

static void relation_locks_exclude_and_end_with_the_transaction(void **state) {
    fixture_run(relation_body, 1);
}

/* ---- queues
 * ----------------------------------------------------------------------------------------- */

/* What happened, in order: "a1 b2 ..." */
static char trace[256];

struct actor {
    struct store *store;
    const char *name;
    struct transaction *transaction;
    const char *keys[3]; /* locked one after the other, pausing between */
    enum key_lock_mode mode;
    int64_t pause_ns, lock_timeout_ms;
    bool rolls_back;
    enum status status;
    char message[200], detail[400];
};

static void note(const char *name, const char *what) {
    snprintf(trace + strlen(trace), sizeof trace - strlen(trace), "%s%s ", name, what);
}

static enum status actor_body(struct fiber *f, void *argument) {
    struct actor *actor = argument;
    struct transaction_options options = {.lock_timeout_ms = actor->lock_timeout_ms};
    if (actor->transaction == NULL)
        assert_ok(transaction_begin(f, actor->store, &options, &actor->transaction));
    for (int i = 0; i < 3 && actor->keys[i] != NULL && actor->status == STATUS_OK; i++) {
        if (i > 0)
            assert_ok(fiber_sleep(f, actor->pause_ns));
        unsigned partition = (unsigned)(actor->keys[i][0] % 4);
        actor->status =
            lock(f, actor->transaction, partition, actor->keys[i], actor->mode, LOCK_WAIT, NULL);
        if (actor->status == STATUS_OK) {
            note(actor->name, actor->keys[i]);
        } else {
            snprintf(actor->message, sizeof actor->message, "%.199s", error_current()->message);
            snprintf(actor->detail, sizeof actor->detail, "%.399s", error_current()->detail);
            note(actor->name, "!");
            error_clear();
        }
    }
    if (actor->rolls_back || actor->status != STATUS_OK) {
        transaction_rollback(f, actor->transaction);
        actor->transaction = NULL;
    }
    return STATUS_OK;
}

static enum status queue_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *holder = begin(f, store, ISOLATION_READ_COMMITTED);
    bool waited;
    assert_ok(lock(f, holder, 3, "k", KEY_LOCK_SHARE, LOCK_WAIT, &waited));
    assert_false(waited);
    assert_ok(lock(f, holder, 3, "k", KEY_LOCK_SHARE, LOCK_WAIT, NULL)); /* again: nothing new */
    struct actor actors[4] = {
        {store, "share1", NULL, {"k"}, KEY_LOCK_SHARE, .rolls_back = true},
        {store, "exclusive", NULL, {"k"}, KEY_LOCK_EXCLUSIVE, .rolls_back = true},
        {store, "share2", NULL, {"k"}, KEY_LOCK_SHARE, .rolls_back = true},
        {store, "share3", NULL, {"k"}, KEY_LOCK_SHARE, .rolls_back = true},
    };
    struct task_group group;
    task_group_init(&group, f);
    trace[0] = '\0';
    for (int i = 0; i < 4; i++) {
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, actor_body, &actors[i]));
        assert_ok(fiber_sleep(f, 1000000));
    }
    /* Sharing goes on at once, but not past one who waits to exclude. */
    assert_string_equal(trace, "share1k ");
    transaction_rollback(f, holder);
    assert_ok(task_group_wait(f, &group));
    assert_string_equal(trace, "share1k exclusivek share2k share3k ");
    return store_close(f, store);
}

static void waiters_are_served_in_order(void **state) {
    trace[0] = '\0';
    fixture_run(queue_body, 1);
}

static enum status upgrade_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
    struct transaction *b = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(lock(f, a, 3, "k", KEY_LOCK_SHARE, LOCK_WAIT, NULL));
    struct actor waiter = {store, "waiter", b, {"k"}, KEY_LOCK_EXCLUSIVE, .rolls_back = true};
    struct task_group group;
    task_group_init(&group, f);
    assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, actor_body, &waiter));
    assert_ok(fiber_sleep(f, 1000000));
    bool waited;
    /* The holder passes the one who waits for it, instead of a deadlock with it. */
    assert_ok(lock(f, a, 3, "k", KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &waited));
    assert_false(waited);
    struct key_operation skip = {.transaction = begin(f, store, ISOLATION_READ_COMMITTED),
                                 .tree = {1},
                                 .key = slice_of_text("k"),
                                 .mode = KEY_LOCK_SHARE,
                                 .wait = LOCK_SKIP};
    assert_ok(partition_call(f, store, 3, lock_there, &skip));
    assert_false(skip.locked);
    transaction_rollback(f, skip.transaction);
    transaction_rollback(f, a);
    assert_ok(task_group_wait(f, &group));
    assert_int_equal(waiter.status, STATUS_OK);
    return store_close(f, store);
}

static void holder_is_upgraded_before_waiters(void **state) {
    fixture_run(upgrade_body, 1);
}

static enum status timeout_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(lock(f, a, 3, "k", KEY_LOCK_EXCLUSIVE, LOCK_WAIT, NULL));
    struct actor waiter = {store, "w", NULL, {"k"}, KEY_LOCK_EXCLUSIVE, .lock_timeout_ms = 60};
    struct task_group group;
    task_group_init(&group, f);
    assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, actor_body, &waiter));
    assert_ok(task_group_wait(f, &group)); /* longer than deadlock_timeout: it went on waiting */
    assert_int_equal(waiter.status, STATUS_LOCK_NOT_AVAILABLE);
    assert_string_equal(waiter.message, "canceling statement due to lock timeout");
    /* A statement's own deadline ends the wait with its own words, and is still there. */
    struct transaction *b = begin(f, store, ISOLATION_READ_COMMITTED);
    fiber_deadline_set(f, (struct deadline){clock_monotonic_ns() + 5000000, STATUS_CANCELED,
                                            "canceling statement due to statement timeout"});
    assert_status(lock(f, b, 3, "k", KEY_LOCK_SHARE, LOCK_WAIT, NULL), STATUS_CANCELED);
    fiber_deadline_set(f, (struct deadline){0});
    transaction_rollback(f, b);
    transaction_rollback(f, a);
    return store_close(f, store);
}

static void waiting_ends_with_lock_timeout(void **state) {
    fixture_run(timeout_body, 1);
}

/* ---- deadlocks
 * ---------------------------------------------------------------------------------------- */

static void ring_run(struct fiber *f, struct store *store, unsigned count) {
    static const char *const keys[] = {"a", "b", "c", "d"};
    struct actor actors[4];
    struct task_group group;
    task_group_init(&group, f);
    for (unsigned i = 0; i < count; i++) {
        actors[i] = (struct actor){.store = store,
                                   .name = keys[i],
                                   .keys = {keys[i], keys[(i + 1) % count]},
                                   .mode = KEY_LOCK_EXCLUSIVE,
                                   .pause_ns = 5000000,
                                   .rolls_back = true};
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, actor_body, &actors[i]));
    }
    assert_ok(task_group_wait(f, &group));
    unsigned victims = 0;
    for (unsigned i = 0; i < count; i++) {
        if (actors[i].status == STATUS_OK)
            continue;
        victims++;
        assert_int_equal(actors[i].status, STATUS_DEADLOCK_DETECTED);
        assert_string_equal(actors[i].message, "deadlock detected");
        assert_non_null(strstr(actors[i].detail, " waits for ExclusiveLock on "));
        assert_non_null(strstr(actors[i].detail, "; blocked by process "));
    }
    assert_int_equal(victims, 1);
}

static enum status deadlock_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    for (unsigned count = 2; count <= 4; count++)
        ring_run(f, store, count);
    struct store_statistics statistics;
    store_statistics(store, &statistics);
    assert_int_equal(statistics.deadlocks, 3);
    return store_close(f, store);
}

static void deadlock_over_partitions_costs_one_victim(void **state) {
    fixture_run(deadlock_body, 1);
}

struct mixed {
    struct store *store;
    bool relation_first;
    enum status status;
};

static enum status mixed_body(struct fiber *f, void *argument) {
    struct mixed *mixed = argument;
    struct transaction *transaction = begin(f, mixed->store, ISOLATION_READ_COMMITTED);
    for (int i = 0; i < 2 && mixed->status == STATUS_OK; i++) {
        if ((i == 0) == mixed->relation_first)
            mixed->status = txn_lock_relation(f, transaction, 5, RELATION_LOCK_ACCESS_EXCLUSIVE,
                                              LOCK_WAIT, NULL);
        else
            mixed->status = lock(f, transaction, 2, "k", KEY_LOCK_EXCLUSIVE, LOCK_WAIT, NULL);
        if (i == 0)
            assert_ok(fiber_sleep(f, 3000000));
    }
    error_clear();
    transaction_rollback(f, transaction);
    return STATUS_OK;
}

static enum status mixed_deadlock_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct mixed mixed[2] = {{store, true, STATUS_OK}, {store, false, STATUS_OK}};
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < 2; i++)
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, mixed_body, &mixed[i]));
    assert_ok(task_group_wait(f, &group));
    assert_true((mixed[0].status == STATUS_DEADLOCK_DETECTED) !=
                (mixed[1].status == STATUS_DEADLOCK_DETECTED));
    return store_close(f, store);
}

static void deadlock_between_row_and_relation_is_found(void **state) {
    fixture_run(mixed_deadlock_body, 1);
}

/* ---- claims ---- */

struct claim {
    struct transaction *transaction;
    const struct slice *keys;
    size_t count;
};

static enum status claim_there(struct fiber *f, struct partition *partition, void *argument) {
    struct claim *claim = argument;
    return txn_lock_keys(f, claim->transaction, partition, (struct tree_id){1}, claim->keys,
                         claim->count);
}

static enum status claim_one(struct fiber *f, struct store *store, struct transaction *transaction,
                             const char *key) {
    struct slice slice = slice_of_text(key);
    struct claim claim = {transaction, &slice, 1};
    return partition_call(f, store, (unsigned)key[0] % 4, claim_there, &claim);
}

static bool lock_skips(struct fiber *f, struct store *store, struct transaction *transaction,
                       const char *key) {
    struct key_operation skip = {.transaction = transaction,
                                 .tree = {1},
                                 .key = slice_of_text(key),
                                 .mode = KEY_LOCK_SHARE,
                                 .wait = LOCK_SKIP};
    assert_ok(partition_call(f, store, (unsigned)key[0] % 4, lock_there, &skip));
    return !skip.locked;
}

static enum status claim_body(struct fiber *f, void *argument) {
    enum { KEYS = 5000 }; /* several segments */
    static char texts[KEYS][8];
    static struct slice keys[KEYS];
    struct store *store = store_create(f);
    for (int i = 0; i < KEYS; i++) {
        snprintf(texts[i], sizeof texts[i], "c%d", i);
        keys[i] = slice_of_text(texts[i]);
    }
    struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
    struct transaction *b = begin(f, store, ISOLATION_READ_COMMITTED);
    struct claim claim = {a, keys, KEYS};
    for (int i = 0; i < 2; i++) /* again: nothing new */
        assert_ok(partition_call(f, store, 'c' % 4, claim_there, &claim));
    for (int i = 0; i < KEYS; i += 7) {
        assert_true(lock_skips(f, store, b, texts[i]));
        assert_false(lock_skips(f, store, a, texts[i]));
    }
    assert_false(lock_skips(f, store, b, "c5000"));
    struct actor waiter = {store, "b", b, {"c1"}, KEY_LOCK_EXCLUSIVE, .rolls_back = true};
    struct task_group group;
    task_group_init(&group, f);
    trace[0] = '\0';
    assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, actor_body, &waiter));
    assert_ok(fiber_sleep(f, 1000000));
    assert_string_equal(trace, "");
    transaction_rollback(f, a);
    assert_ok(task_group_wait(f, &group));
    assert_string_equal(trace, "bc1 ");
    return store_close(f, store);
}

static void claimed_keys_exclude_and_are_waited_for(void **state) {
    fixture_run(claim_body, 1);
}

/* One transaction locks far more than is kept as ordinary locks. */
static enum status many_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
    struct transaction *b = begin(f, store, ISOLATION_READ_COMMITTED);
    char key[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "m%d", i);
        assert_ok(lock(f, a, 'm' % 4, key, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, NULL));
    }
    for (int i = 0; i < 3000; i += 11) {
        snprintf(key, sizeof key, "m%d", i);
        assert_true(lock_skips(f, store, b, key));
    }
    transaction_rollback(f, a);
    assert_false(lock_skips(f, store, b, "m2999"));
    transaction_rollback(f, b);
    return store_close(f, store);
}

static void many_locks_of_one_transaction_exclude(void **state) {
    fixture_run(many_body, 1);
}

/* ---- claims whose keys have been written ---- */

enum { WRITTEN_KEYS = 40000, WRITTEN_BATCH = 1000 }; /* more than are kept as hashes; spills */

static char written_texts[WRITTEN_KEYS][8];
static struct slice written_keys[WRITTEN_KEYS];

struct load {
    struct transaction *transaction;
    size_t first;
    bool parity; /* load every other key: odd ones or even ones */
    unsigned step;
};

/* Claim, then put, as a bulk insert does. */
static enum status load_there(struct fiber *f, struct partition *partition, void *argument) {
    struct load *load = argument;
    struct slice keys[WRITTEN_BATCH] = {{0}};
    size_t count = 0;
    for (size_t i = load->first + load->parity; i < load->first + WRITTEN_BATCH; i += load->step)
        keys[count++] = written_keys[i];
    TRY(txn_lock_keys(f, load->transaction, partition, (struct tree_id){1}, keys, count));
    for (size_t i = 0; i < count; i++)
        TRY(txn_put(f, load->transaction, partition, (struct tree_id){1}, keys[i],
                    slice_of_text("a value of some length, so that the write set spills"),
                    TXN_PUT_VERSIONED));
    txn_lock_keys_written(load->transaction, partition);
    return STATUS_OK;
}

static void load_all(struct fiber *f, struct store *store, struct load *load) {
    for (load->first = 0; load->first < WRITTEN_KEYS; load->first += WRITTEN_BATCH)
        assert_ok(partition_call(f, store, 'w' % 4, load_there, load));
}

static void written_texts_make(void) {
    for (int i = 0; i < WRITTEN_KEYS; i++) {
        snprintf(written_texts[i], sizeof written_texts[i], "w%05d", i);
        written_keys[i] = slice_of_text(written_texts[i]);
    }
}

static enum status claims_memory_there(struct fiber *f, struct partition *partition,
                                       void *argument) {
    struct transaction *transaction = argument;
    const struct transaction_part *part = transaction->parts[partition->number];
    assert_true(part->batch_claims.count < BATCH_CLAIMS_MAX);
    assert_true(part->batch_claims.written != NULL);
    assert_true(part->staged.spilled || part->own.spilled);
    return STATUS_OK;
}

static enum status written_body(struct fiber *f, void *argument) {
    written_texts_make();
    struct store *store = store_create(f);
    for (int commits = 0; commits < 2; commits++) {
        struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
        struct transaction *b = begin(f, store, ISOLATION_READ_COMMITTED);
        struct load load = {a, .step = 1};
        load_all(f, store, &load);
        assert_ok(partition_call(f, store, 'w' % 4, claims_memory_there, a));
        for (int statement = 0; statement < 2;
             statement++) { /* staged, then the transaction's own */
            for (int i = statement; i < WRITTEN_KEYS; i += 37) {
                assert_true(lock_skips(f, store, b, written_texts[i]));
                assert_false(lock_skips(f, store, a, written_texts[i]));
            }
            assert_false(lock_skips(f, store, b, "w9"));
            assert_ok(transaction_command_end(f, a));
        }
        struct actor waiter = {store, "b", b, {"w00001"}, KEY_LOCK_EXCLUSIVE, .rolls_back = true};
        struct task_group group;
        task_group_init(&group, f);
        trace[0] = '\0';
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, actor_body, &waiter));
        assert_ok(fiber_sleep(f, 1000000));
        assert_string_equal(trace, "");
        struct commit_number number;
        if (commits)
            assert_ok(transaction_commit(f, a, true, &number));
        else
            transaction_rollback(f, a);
        assert_ok(task_group_wait(f, &group));
        assert_string_equal(trace, "bw00001 ");
    }
    return store_close(f, store);
}

static void written_keys_exclude_without_memory_for_each(void **state) {
    fixture_run(written_body, 1);
}

struct loader {
    struct store *store;
    bool parity, rolls_back;
    unsigned conflicts; /* seen by the prober */
};

static enum status loader_body(struct fiber *f, void *argument) {
    struct loader *loader = argument;
    struct transaction *transaction = begin(f, loader->store, ISOLATION_READ_COMMITTED);
    struct load load = {transaction, .parity = loader->parity, .step = 2};
    load_all(f, loader->store, &load);
    assert_ok(transaction_command_end(f, transaction));
    load_all(f, loader->store, &load); /* over its own */
    assert_ok(transaction_command_end(f, transaction));
    struct commit_number number;
    if (loader->rolls_back)
        transaction_rollback(f, transaction);
    else
        assert_ok(transaction_commit(f, transaction, true, &number));
    return STATUS_OK;
}

static enum status prober_body(struct fiber *f, void *argument) {
    struct loader *loader = argument;
    struct random random;
    random_seed(&random, 5);
    for (int i = 0; i < 3000; i++) {
        struct transaction *transaction = begin(f, loader->store, ISOLATION_READ_COMMITTED);
        loader->conflicts += lock_skips(f, loader->store, transaction,
                                        written_texts[random_below(&random, WRITTEN_KEYS)]);
        transaction_rollback(f, transaction);
        if (i % 8 == 0)
            fiber_yield(f);
    }
    return STATUS_OK;
}

/* Two load different keys of one tree side by side, neither waits for the other; a third asks for
   keys all the while that layers spill, merge and vanish. */
static enum status side_by_side_body(struct fiber *f, void *argument) {
    written_texts_make();
    struct store *store = store_create(f);
    struct loader loaders[3] = {{store, false, true}, {store, true, false}, {store}};
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < 2; i++)
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, loader_body, &loaders[i]));
    assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, prober_body, &loaders[2]));
    assert_ok(task_group_wait(f, &group));
    assert_true(loaders[2].conflicts > 0);
    struct transaction *last = begin(f, store, ISOLATION_READ_COMMITTED);
    for (int i = 0; i < WRITTEN_KEYS; i += 101)
        assert_false(lock_skips(f, store, last, written_texts[i]));
    transaction_rollback(f, last);
    return store_close(f, store);
}

static void bulk_loads_of_different_keys_do_not_wait(void **state) {
    fixture_run(side_by_side_body, 1);
}

/* ---- random use against the invariants
 * ------------------------------------------------------------------ */

struct churn {
    struct store *store;
    unsigned seed;
    unsigned *holders; /* by key: exclusive holders, must be 0 or 1 */
    unsigned deadlocks, grants;
};

static enum status churn_body(struct fiber *f, void *argument) {
    struct churn *churn = argument;
    struct random random;
    random_seed(&random, churn->seed);
    for (int round = 0; round < 60; round++) {
        struct transaction *transaction = begin(f, churn->store, ISOLATION_READ_COMMITTED);
        unsigned mine[3], count = 0;
        enum status status = STATUS_OK;
        for (int i = 0; i < 3 && status == STATUS_OK; i++) {
            char key[2] = {(char)('a' + random_below(&random, 6)), 0};
            unsigned index = (unsigned)(key[0] - 'a');
            status = random_below(&random, 2) == 0 ? claim_one(f, churn->store, transaction, key)
                                                   : lock(f, transaction, (unsigned)key[0] % 4, key,
                                                          KEY_LOCK_EXCLUSIVE, LOCK_WAIT, NULL);
            bool again = false;
            for (unsigned j = 0; j < count; j++)
                again = again || mine[j] == index;
            if (status == STATUS_OK && !again) {
                mine[count++] = index;
                assert_int_equal(++churn->holders[index], 1);
                churn->grants++;
            }
            if (status == STATUS_OK && random_below(&random, 2) == 0)
                fiber_yield(f);
        }
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_DEADLOCK_DETECTED);
            churn->deadlocks++;
            error_clear();
        }
        for (unsigned i = 0; i < count; i++)
            churn->holders[mine[i]]--;
        transaction_rollback(f, transaction);
    }
    return STATUS_OK;
}

static void views_count(void *context, const struct lock_view *view) {
    *(unsigned *)context += 1;
}

static enum status churn_main(struct fiber *f, void *argument) {
    struct store *store;
    struct store_options options = store_options_at("data", true);
    options.deadlock_timeout_ms = 1;
    assert_ok(store_open(f, &options, &store));
    unsigned holders[6] = {0}, views = 0;
    struct churn churns[6];
    struct task_group group;
    task_group_init(&group, f);
    for (unsigned i = 0; i < 6; i++) {
        churns[i] = (struct churn){store, i + 1, holders, 0, 0};
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, churn_body, &churns[i]));
    }
    assert_ok(task_group_wait(f, &group));
    unsigned grants = 0;
    for (unsigned i = 0; i < 6; i++)
        grants += churns[i].grants;
    assert_true(grants > 300);
    assert_ok(store_locks_visit(f, store, views_count, &views));
    assert_int_equal(views, 0);
    check(f, store);
    return store_close(f, store);
}

static void exclusive_means_one_holder_and_nothing_leaks(void **state) {
    fixture_run(churn_main, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relation_modes_conflict_as_the_manual_says),
        cmocka_unit_test(relation_locks_exclude_and_end_with_the_transaction),
        cmocka_unit_test(waiters_are_served_in_order),
        cmocka_unit_test(holder_is_upgraded_before_waiters),
        cmocka_unit_test(waiting_ends_with_lock_timeout),
        cmocka_unit_test(claimed_keys_exclude_and_are_waited_for),
        cmocka_unit_test(many_locks_of_one_transaction_exclude),
        cmocka_unit_test(written_keys_exclude_without_memory_for_each),
        cmocka_unit_test(bulk_loads_of_different_keys_do_not_wait),
        cmocka_unit_test(deadlock_over_partitions_costs_one_victim),
        cmocka_unit_test(deadlock_between_row_and_relation_is_found),
        cmocka_unit_test(exclusive_means_one_holder_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
