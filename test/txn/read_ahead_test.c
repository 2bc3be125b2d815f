/* Pages read before a cursor or a reader of large values comes to them. */
#include "txn/store.h"

#include "txn_fixture.h"

enum { TREE = 5, LARGES = 7 | TREE_LARGE, ENTRIES = 20000, LARGE_COUNT = 12 };

static uint64_t reads_ahead(const struct store *store, unsigned partition) {
    struct pager_statistics statistics;
    pager_statistics(store->partitions[partition].pager, &statistics);
    return statistics.reads_ahead;
}

/* Nothing is in memory, and no upkeep brings it there. */
static struct store *store_cold(struct fiber *f) {
    struct store *store;
    struct store_options options = store_options_at("data", false);
    options.untended = true;
    assert_ok(store_open(f, &options, &store));
    return store;
}

/* ---- leaves --------------------------------------------------------------------------------- */

static enum status fill_leaves(struct fiber *f, struct partition *partition, void *argument) {
    for (uint64_t i = 0; i < ENTRIES; i++) {
        uint8_t key[8], value[100];
        put_be64(key, i);
        memset(value, (int)i, sizeof value);
        TRY(txn_put(f, argument, partition, (struct tree_id){TREE}, slice_of(key, sizeof key),
                    slice_of(value, sizeof value), TXN_PUT_VERSIONED));
    }
    return STATUS_OK;
}

struct walk {
    struct transaction *transaction;
    uint64_t count_max, count;
};

static enum status walk_leaves(struct fiber *f, struct partition *partition, void *argument) {
    struct walk *walk = argument;
    struct txn_range range = {.key_stride = 8};
    struct txn_cursor *cursor;
    TRY(txn_cursor_open(f, walk->transaction, partition, (struct tree_id){TREE}, &range, &cursor));
    enum status status = STATUS_OK;
    for (size_t count = 1; count > 0 && status == STATUS_OK && walk->count < walk->count_max;) {
        struct txn_entry entries[64];
        status = txn_cursor_next(f, cursor, entries, 64, &count);
        for (size_t i = 0; i < count; i++, walk->count++) {
            assert_true(get_be64(entries[i].key.data) == walk->count);
            assert_true(entries[i].value.data[99] == (uint8_t)walk->count);
        }
        fiber_yield(f);
    }
    txn_cursor_close(f, cursor);
    return status;
}

static uint64_t walk(struct fiber *f, struct store *store, uint64_t count_max) {
    struct walk walk = {.transaction = begin(f, store, ISOLATION_READ_COMMITTED),
                        .count_max = count_max};
    assert_ok(partition_call(f, store, 1, walk_leaves, &walk));
    transaction_rollback(f, walk.transaction);
    return walk.count;
}

static enum status leaves_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *transaction = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(partition_call(f, store, 1, fill_leaves, transaction));
    assert_ok(transaction_statement_end(f, transaction));
    commit(f, transaction);
    assert_ok(store_close(f, store));

    store = store_cold(f);
    uint64_t before = reads_ahead(store, 1);
    walk(f, store, 1); /* within a leaf */
    assert_int_equal(reads_ahead(store, 1), before);
    assert_int_equal(walk(f, store, UINT64_MAX), ENTRIES);
    uint64_t cold = reads_ahead(store, 1);
    assert_true(cold > before + 100); /* of some 150 leaves */
    assert_int_equal(walk(f, store, UINT64_MAX), ENTRIES);
    assert_int_equal(reads_ahead(store, 1), cold);
    assert_ok(store_close(f, store));

    store = store_cold(f); /* left in the middle, and closed at once */
    walk(f, store, ENTRIES / 2);
    assert_ok(store_close(f, store));
    return STATUS_OK;
}

static void a_cold_cursor_asks_for_the_leaves_behind(void **state) {
    fixture_run(leaves_body, 1);
}

/* ---- large values --------------------------------------------------------------------------- */

static enum status fill_larges(struct fiber *f, struct partition *partition, void *argument) {
    static uint8_t value[100000];
    for (uint64_t i = 0; i < LARGE_COUNT; i++) {
        uint8_t key[8];
        put_be64(key, i);
        memset(value, (int)i + 1, sizeof value);
        TRY(txn_put_large(f, argument, partition, (struct tree_id){LARGES},
                          slice_of(key, sizeof key), slice_of(value, sizeof value)));
    }
    return STATUS_OK;
}

struct larges {
    struct transaction *transaction;
    bool asks;
    unsigned begun, opened;
};

static enum status visit_large(struct fiber *f, struct partition *partition,
                               const struct txn_entry *entry, void *context) {
    struct larges *larges = context;
    struct txn_large large;
    struct arena arena = {0};
    if (larges->asks) {
        larges->begun += txn_read_ahead(f, partition, entry->value) == TXN_AHEAD_BEGUN;
        return STATUS_OK;
    }
    uint8_t wanted = (uint8_t)(get_be64(entry->key.data) + 1);
    TRY(txn_open_large(f, partition, entry->value, &arena, &large));
    assert_true(large.bytes.size == 100000 && large.bytes.data[99999] == wanted);
    larges->opened++;
    txn_release_large(partition, &large);
    return STATUS_OK;
}

static enum status visit_larges(struct fiber *f, struct partition *partition, void *argument) {
    struct larges *larges = argument;
    struct txn_range range = {.key_stride = 8};
    return txn_visit(f, larges->transaction, partition, (struct tree_id){LARGES}, &range,
                     visit_large, larges);
}

/* The partition goes to another core as soon as nothing is read there, and the store may be closed
   at once. */
static enum status larges_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *transaction = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(partition_call(f, store, 1, fill_larges, transaction));
    assert_ok(transaction_statement_end(f, transaction));
    commit(f, transaction);
    for (unsigned round = 0; round < 12; round++) {
        assert_ok(store_close(f, store));
        store = store_cold(f);
        struct larges larges = {.transaction = begin(f, store, ISOLATION_READ_COMMITTED),
                                .asks = true};
        assert_ok(partition_call(f, store, 1, visit_larges, &larges));
        assert_true(larges.begun > 1);
        for (unsigned i = 0; i < round; i++)
            fiber_yield(f);
        if (round % 3 != 0)
            bring(f, store, 1, true);
        larges.asks = false;
        if (round % 2 != 0) {
            assert_ok(partition_call(f, store, 1, visit_larges, &larges));
            assert_int_equal(larges.opened, LARGE_COUNT);
        }
        transaction_rollback(f, larges.transaction);
    }
    return store_close(f, store);
}

static void a_partition_may_move_and_close_while_it_reads_ahead(void **state) {
    fixture_run(larges_body, 2);
}

int main(int argument_count, char **arguments) {
    if (argument_count > 1)
        cmocka_set_test_filter(arguments[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cold_cursor_asks_for_the_leaves_behind),
        cmocka_unit_test(a_partition_may_move_and_close_while_it_reads_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
