/* Word of where a value went (txn_note_moved, txn_moved_to). */
#include "txn_fixture.h"

#include "txn/store.h"

enum { TREE = 7, PARTITION = 1, MOVED_KEYS = 200, FILLER_KEYS = 60000 };

struct moved_call {
    struct transaction *transaction;
    const char *key, *to;
    char found[TXN_MOVED_SIZE_MAX + 1];
};

static enum status delete_moved_there(struct fiber *f, struct partition *partition,
                                      void *argument) {
    struct moved_call *call = argument;
    struct slice key = slice_of_text(call->key);
    TRY(txn_delete(f, call->transaction, partition, (struct tree_id){TREE}, key));
    return txn_note_moved(f, call->transaction, partition, (struct tree_id){TREE}, key,
                          slice_of_text(call->to));
}

static enum status moved_to_there(struct fiber *f, struct partition *partition, void *argument) {
    struct moved_call *call = argument;
    uint8_t word[TXN_MOVED_SIZE_MAX];
    size_t size;
    TRY(txn_moved_to(f, call->transaction, partition, (struct tree_id){TREE},
                     slice_of_text(call->key), word, &size));
    memcpy(call->found, word, size);
    call->found[size] = '\0';
    return STATUS_OK;
}

static void move_key(struct fiber *f, struct transaction *transaction, const char *key,
                     const char *to) {
    struct moved_call call = {.transaction = transaction, .key = key, .to = to};
    assert_ok(
        partition_call(f, transaction_store(transaction), PARTITION, delete_moved_there, &call));
}

static void expect_moved(struct fiber *f, struct transaction *transaction, const char *key,
                         const char *to) {
    struct moved_call call = {.transaction = transaction, .key = key};
    assert_ok(partition_call(f, transaction_store(transaction), PARTITION, moved_to_there, &call));
    assert_string_equal(call.found, to);
}

static void put_keys(struct fiber *f, struct store *store, const char *prefix, unsigned count) {
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    char key[32];
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%s%u", prefix, i);
        put(f, t, PARTITION, TREE, key, "a value that is to be found in history later");
    }
    assert_ok(transaction_statement_end(f, t));
    commit(f, t);
}

static enum status word_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    put_keys(f, store, "k", 3);
    struct transaction *old = begin(f, store, ISOLATION_REPEATABLE_READ);
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    move_key(f, t, "k0", "there");
    move_key(f, t, "k1", "somewhere");
    next_statement(f, t);
    move_key(f, t, "k1", "elsewhere"); /* the last word counts */
    expect_moved(f, old, "k0", "");    /* not committed */
    assert_ok(transaction_statement_end(f, t));
    commit(f, t);
    t = begin(f, store, ISOLATION_READ_COMMITTED);
    move_key(f, t, "k2", "nowhere");
    transaction_rollback(f, t);
    expect_moved(f, old, "k0", "there");
    expect_moved(f, old, "k1", "elsewhere");
    expect_moved(f, old, "k2", "");
    expect_moved(f, old, "k", "");
    struct transaction *new = begin(f, store, ISOLATION_REPEATABLE_READ);
    expect_moved(f, new, "k0", ""); /* its snapshot does not see the value either */
    transaction_rollback(f, old);
    transaction_rollback(f, new);
    store_abandon(f, store);
    store = store_reopen(f); /* the journal knows of the deletions and nothing of the words */
    t = begin(f, store, ISOLATION_READ_COMMITTED);
    expect_moved(f, t, "k0", "");
    assert_string_equal(get(f, t, PARTITION, TREE, "k0"), "-");
    assert_string_not_equal(get(f, t, PARTITION, TREE, "k2"), "-");
    transaction_rollback(f, t);
    return store_close(f, store);
}

static void word_is_there_for_snapshots_before_the_commit(void **state) {
    fixture_run(word_body, 1);
}

/* While the snapshot is held, history grows until it spills, and nothing is forgotten; afterwards
   history, words included, goes. */
static enum status spilled_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct partition *partition = &store->partitions[PARTITION];
    put_keys(f, store, "k", MOVED_KEYS);
    put_keys(f, store, "filler", FILLER_KEYS);
    struct transaction *old = begin(f, store, ISOLATION_REPEATABLE_READ);
    for (int part = 0; part < 2; part++) {
        struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
        for (unsigned i = 0; i < MOVED_KEYS / 2; i++) {
            char key[32], to[TXN_MOVED_SIZE_MAX];
            snprintf(key, sizeof key, "k%u", part * MOVED_KEYS / 2 + i);
            snprintf(to, sizeof to, "to %u", part * MOVED_KEYS / 2 + i);
            move_key(f, t, key, to);
        }
        assert_ok(transaction_statement_end(f, t));
        commit(f, t);
        if (part == 0)
            put_keys(f, store, "filler", FILLER_KEYS);
    }
    assert_true(partition->generations[0].layer.spilled || partition->generations[1].layer.spilled);
    for (unsigned i = 0; i < MOVED_KEYS; i++) {
        char key[32], to[TXN_MOVED_SIZE_MAX];
        snprintf(key, sizeof key, "k%u", i);
        snprintf(to, sizeof to, "to %u", i);
        expect_moved(f, old, key, to);
    }
    transaction_rollback(f, old);
    for (int i = 0; i < 3; i++)
        history__rotate(f, partition, true);
    assert_int_equal(atomic_load(&partition->history_entries), 0);
    return store_close(f, store);
}

static void words_outlive_a_spill_and_go_with_history(void **state) {
    fixture_run(spilled_body, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(word_is_there_for_snapshots_before_the_commit),
        cmocka_unit_test(words_outlive_a_spill_and_go_with_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
