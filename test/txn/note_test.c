/* Notes on parts of a tree: what drops them, and whom the tree tells the truth. */
#include "txn_fixture.h"

#include "base/base_bytes.h"

enum { TREE = 1 };

/* What is asked of partition 0. */
struct note_operation {
    struct transaction *transaction;
    uint64_t part, first, last;
    uint32_t size;
    const void *note;
    bool sees;
};

static enum status look_there(struct fiber *f, struct partition *partition, void *argument) {
    struct note_operation *o = argument;
    o->note = partition_note(partition, (struct tree_id){TREE}, o->part);
    return STATUS_OK;
}

static enum status make_there(struct fiber *f, struct partition *partition, void *argument) {
    struct note_operation *o = argument;
    void *note = partition_note_make(partition, (struct tree_id){TREE}, o->part, o->size);
    if (note != NULL)
        memset(note, 1, o->size);
    o->note = note;
    return STATUS_OK;
}

static enum status sees_there(struct fiber *f, struct partition *partition, void *argument) {
    struct note_operation *o = argument;
    o->sees = txn_sees_tree(o->transaction, partition, (struct tree_id){TREE}, o->first, o->last);
    return STATUS_OK;
}

static enum status purge_there(struct fiber *f, struct partition *partition, void *argument) {
    struct note_operation *o = argument;
    return partition_purge(f, partition, (struct tree_id){TREE}, o->first);
}

static bool has_note(struct fiber *f, struct store *store, uint64_t part) {
    struct note_operation o = {.part = part};
    assert_ok(partition_call(f, store, 0, look_there, &o));
    return o.note != NULL;
}

static void make_note(struct fiber *f, struct store *store, uint64_t part) {
    struct note_operation o = {.part = part, .size = 1000};
    assert_ok(partition_call(f, store, 0, make_there, &o));
    assert_non_null(o.note);
}

static bool sees(struct fiber *f, struct transaction *transaction, uint64_t first, uint64_t last) {
    struct note_operation o = {.transaction = transaction, .first = first, .last = last};
    assert_ok(partition_call(f, transaction_store(transaction), 0, sees_there, &o));
    return o.sees;
}

static void put_number(struct fiber *f, struct transaction *transaction, uint64_t number) {
    uint8_t key[8];
    put_be64(key, number);
    struct key_operation o = {.transaction = transaction,
                              .tree = {TREE},
                              .key = slice_of(key, sizeof key),
                              .value = slice_of_text("a value")};
    assert_ok(partition_call(f, transaction_store(transaction), 0, put_there, &o));
}

static void commit_number(struct fiber *f, struct store *store, uint64_t number) {
    struct transaction *transaction = begin(f, store, ISOLATION_READ_COMMITTED);
    put_number(f, transaction, number);
    commit(f, transaction);
}

static enum status life_body(struct fiber *f, void *argument) {
    static const uint64_t parts[] = {0, 1, 255, 256, 70000};
    enum { PARTS = sizeof parts / sizeof *parts };
    struct store *store = store_create(f);
    commit_number(f, store, 5);
    commit_number(f, store, 3 << TXN_PART_BITS);
    for (unsigned i = 0; i < PARTS; i++) {
        assert_false(has_note(f, store, parts[i]));
        make_note(f, store, parts[i]);
        make_note(f, store, parts[i]); /* instead of the one there was */
    }
    commit_number(f, store, 3 << TXN_PART_BITS);
    for (unsigned i = 0; i < PARTS; i++)
        assert_true(has_note(f, store, parts[i]));
    commit_number(f, store, (256ull << TXN_PART_BITS) + 7);
    assert_false(has_note(f, store, 256));
    commit_number(f, store, (256ull << TXN_PART_BITS) - 1);
    assert_false(has_note(f, store, 255));
    assert_true(has_note(f, store, 0) && has_note(f, store, 70000));
    struct note_operation purge = {.first = 5};
    assert_ok(partition_call(f, store, 0, purge_there, &purge));
    assert_false(has_note(f, store, 0));
    assert_true(has_note(f, store, 1));
    struct note_operation beyond = {.part = UINT64_MAX >> TXN_PART_BITS, .size = 10};
    assert_ok(partition_call(f, store, 0, make_there, &beyond));
    assert_null(beyond.note); /* so far away none is kept */
    struct transaction *rolled_back = begin(f, store, ISOLATION_READ_COMMITTED);
    put_number(f, rolled_back, 1 << TXN_PART_BITS);
    transaction_rollback(f, rolled_back);
    assert_true(has_note(f, store, 1)); /* nothing came to the tree */
    check(f, store);
    return store_close(f, store); /* with notes */
}

static void a_note_goes_with_a_change_of_its_part(void **state) {
    fixture_run(life_body, 1);
}

static enum status sight_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    for (uint64_t number = 10; number < 20; number++)
        commit_number(f, store, number);
    struct transaction *old = begin(f, store, ISOLATION_REPEATABLE_READ);
    assert_true(sees(f, old, 0, 100));
    commit_number(f, store, 15); /* replaced */
    commit_number(f, store, 30); /* new */
    assert_false(sees(f, old, 0, 100));
    assert_false(sees(f, old, 15, 15));
    assert_false(sees(f, old, 30, 30));
    assert_true(sees(f, old, 0, 14) && sees(f, old, 16, 29) && sees(f, old, 31, 100));
    struct transaction *now = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_true(sees(f, now, 0, 100));
    put_number(f, now, 12);
    assert_true(sees(f, now, 0, 100)); /* by the statement itself */
    next_statement(f, now);
    assert_false(sees(f, now, 12, 12));
    assert_true(sees(f, now, 13, 100) && sees(f, now, 0, 11));
    transaction_rollback(f, now);
    transaction_rollback(f, old);
    return store_close(f, store);
}

static void newer_commits_and_own_writes_are_not_in_the_tree_for_a_transaction(void **state) {
    fixture_run(sight_body, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_goes_with_a_change_of_its_part),
        cmocka_unit_test(newer_commits_and_own_writes_are_not_in_the_tree_for_a_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
