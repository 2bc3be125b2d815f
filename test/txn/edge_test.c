/* A store at its edges: paths of all spellings, options that cannot be, checks beside held locks,
   partitions that go home, a journal that is gone with its directory. */
#include "txn_fixture.h"

#include <sys/stat.h>

#include "base/base_hash.h"
#include "txn/store.h"

enum { KEY_TREE = 3 };

/* ---- paths and options ---------------------------------------------------------------------- */

static enum status open_at(struct fiber *f, const char *path, bool create,
                           struct store **store_out) {
    struct store_options options = store_options_at("", create);
    options.directory = path;
    options.partition_count = create ? 2 : 0;
    return store_open(f, &options, store_out);
}

static enum status paths_body(struct fiber *f, void *argument) {
    static const char *const spellings[] = {"%s/plain", "%s/slashed///", "%s//twice",
                                            "relative", "./dotted",      "%s/deep/../up"};
    char path[200], deep[128];
    struct store *store;
    assert_int_equal(chdir(fixture_root), 0);
    snprintf(deep, sizeof deep, "%s/deep", fixture_root);
    assert_int_equal(mkdir(deep, 0700), 0);
    for (unsigned i = 0; i < sizeof spellings / sizeof *spellings; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(path, sizeof path, spellings[i], fixture_root);
#pragma GCC diagnostic pop
        assert_status(open_at(f, path, false, &store), STATUS_UNDEFINED_FILE);
        assert_ok(open_at(f, path, true, &store));
        assert_ok(store_close(f, store));
        assert_ok(open_at(f, path, false, &store));
        assert_string_equal(store_directory(store), path);
        assert_ok(store_close(f, store));
        assert_status(open_at(f, path, true, &store), STATUS_DUPLICATE_FILE);
    }
    assert_int_equal(chdir("/"), 0); /* this one goes */
    return STATUS_OK;
}

static void a_directory_may_be_spelt_in_any_way(void **state) {
    fixture_run(paths_body, 1);
}

static void identity_store(const struct store_identity *identity) {
    uint8_t bytes[STORE_IDENTITY_SIZE];
    char path[128];
    snprintf(path, sizeof path, "%s/data/satori.id", fixture_root);
    store_identity_encode(identity, bytes);
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
    fclose(file);
}

static enum status options_body(struct fiber *f, void *argument) {
    static char long_path[STORE_DIRECTORY_SIZE + 1];
    struct store *store;
    memset(long_path, 'x', sizeof long_path - 1);
    assert_status(open_at(f, long_path, true, &store), STATUS_NAME_TOO_LONG);
    struct store_options options = store_options_at("data", true);
    options.partition_count = PARTITIONS_MAX + 1;
    assert_status(store_open(f, &options, &store), STATUS_INVALID_PARAMETER_VALUE);
    options.partition_count = 0; /* as many as it likes */
    options.journal_size_target = 0;
    options.checkpoint_interval_ms = 60000;
    options.deadlock_timeout_ms = 0;
    assert_ok(store_open(f, &options, &store));
    assert_int_equal(store_partition_count(store), 8);
    uint64_t database_id = store->database_id;
    assert_ok(store_close(f, store));
    options.create = false;
    options.partition_count = 7;
    assert_status(store_open(f, &options, &store), STATUS_INVALID_PARAMETER_VALUE);
    struct store_identity identity = {STORE_FORMAT_VERSION, database_id, PARTITIONS_MAX + 1};
    options.partition_count = 0;
    identity_store(&identity);
    assert_status(store_open(f, &options, &store), STATUS_DATA_CORRUPTED);
    identity = (struct store_identity){STORE_FORMAT_VERSION, database_id, 8};
    identity_store(&identity);
    assert_ok(store_open(f, &options, &store));
    return store_close(f, store);
}

static void options_that_cannot_be_are_refused(void **state) {
    fixture_run(options_body, 1);
}

/* ---- locks ---------------------------------------------------------------------------------- */

static enum status wait_for_lock(struct fiber *f, void *argument) {
    struct transaction *t = argument;
    assert_ok(lock(f, t, 0, "b", KEY_LOCK_EXCLUSIVE, LOCK_WAIT, NULL));
    transaction_rollback(f, t);
    return STATUS_OK;
}

/* Held by one, shared by two, awaited: the check finds nothing wrong with any. */
static enum status locked_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
    struct transaction *b = begin(f, store, ISOLATION_READ_COMMITTED);
    struct transaction *c = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(lock(f, a, 0, "a", KEY_LOCK_SHARE, LOCK_WAIT, NULL));
    assert_ok(lock(f, b, 0, "a", KEY_LOCK_SHARE, LOCK_WAIT, NULL));
    assert_ok(lock(f, a, 0, "b", KEY_LOCK_EXCLUSIVE, LOCK_WAIT, NULL));
    bool locked;
    assert_ok(txn_lock_relation(f, a, 5, RELATION_LOCK_SHARE, LOCK_WAIT, &locked));
    struct task_group group;
    task_group_init(&group, f);
    assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, wait_for_lock, c));
    fiber_yield(f);
    check(f, store);
    transaction_rollback(f, a);
    assert_ok(task_group_wait(f, &group));
    check(f, store);
    transaction_rollback(f, b);
    return store_close(f, store);
}

static void held_locks_pass_the_check(void **state) {
    fixture_run(locked_body, 1);
}

/* ---- ranges --------------------------------------------------------------------------------- */

struct ranging {
    struct transaction *transaction;
    uint64_t first, last, numbers[4];
    size_t capacity, count;
};

static enum status range_there(struct fiber *f, struct partition *partition, void *argument) {
    struct ranging *r = argument;
    return txn_range_changes(f, r->transaction, partition, (struct tree_id){KEY_TREE}, r->first,
                             r->last, r->numbers, r->capacity, &r->count);
}

static bool range_changed(struct fiber *f, struct transaction *t, uint64_t first, uint64_t last) {
    struct ranging r = {.transaction = t, .first = first, .last = last};
    assert_ok(partition_call(f, transaction_store(t), 1, range_there, &r));
    return r.count > 0;
}

static void number_put(struct fiber *f, struct store *store, uint64_t number, const char *value) {
    uint8_t key[8];
    put_be64(key, number);
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    struct key_operation o = {.transaction = t,
                              .tree = {KEY_TREE},
                              .key = slice_of(key, 8),
                              .value = slice_of_text(value)};
    assert_ok(partition_call(f, store, 1, put_there, &o));
    commit(f, t);
}

static enum status ranges_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    for (uint64_t number = 10; number <= 50; number += 10)
        number_put(f, store, number, "old");
    struct transaction *t = begin(f, store, ISOLATION_REPEATABLE_READ);
    assert_false(range_changed(f, t, 0, 100));
    number_put(f, store, 30, "new");
    struct transaction *later = begin(f, store, ISOLATION_REPEATABLE_READ);
    number_put(f, store, 70, "inserted");
    static const struct {
        uint64_t first, last;
        bool changed, changed_later;
    } cases[] = {
        {0, 100, true, true},   {30, 30, true, false}, {0, 29, false, false},
        {31, 69, false, false}, {31, 70, true, true},  {71, 100, false, false},
        {20, 40, true, false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(range_changed(f, t, cases[i].first, cases[i].last), cases[i].changed);
        assert_int_equal(range_changed(f, later, cases[i].first, cases[i].last),
                         cases[i].changed_later);
    }
    /* Which ones; a number more than once is as good. */
    struct ranging r = {.transaction = t, .first = 0, .last = 100, .capacity = 4};
    assert_ok(partition_call(f, store, 1, range_there, &r));
    assert_in_range(r.count, 2, 4);
    for (size_t i = 0; i < r.count; i++)
        assert_true(r.numbers[i] == 30 || r.numbers[i] == 70);
    for (uint64_t number = 40; number <= 70; number += 10)
        number_put(f, store, number, "newer");
    r.capacity = 3;
    assert_ok(partition_call(f, store, 1, range_there, &r));
    assert_true(r.count > r.capacity);
    commit(f, t);
    commit(f, later);
    return store_close(f, store);
}

static void a_range_tells_what_changed_behind_a_snapshot(void **state) {
    fixture_run(ranges_body, 1);
}

/* ---- partitions ----------------------------------------------------------------------------- */

static unsigned away(const struct store *store) {
    unsigned count = 0;
    for (unsigned i = 0; i < store_partition_count(store); i++)
        count += partition_core(store, i) != 0;
    return count;
}

static void bring_until_away(struct fiber *f, struct store *store) {
    for (int i = 0; i < 1000 && away(store) == 0; i++) {
        bring(f, store, 1, true);
        assert_ok(fiber_sleep(f, 10000000));
    }
    assert_true(away(store) > 0);
}

static enum status spread_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    double rate = spread__busy_rate;
    number_put(f, store, 1, "one");
    spread__busy_rate = 1e9;
    bring_until_away(f, store);
    number_put(f, store, 2, "two");
    while (away(store) > 0) /* nobody asks any more */
        assert_ok(fiber_sleep(f, 50000000));
    number_put(f, store, 3, "three");
    bring_until_away(f, store);
    spread__busy_rate = 0.001; /* any commit is many */
    while (away(store) > 0) {
        number_put(f, store, 4, "four");
        bring(f, store, 1, true);
        assert_ok(fiber_sleep(f, 10000000));
    }
    bring(f, store, 1, true); /* it is not to move now */
    assert_int_equal(away(store), 0);
    spread__busy_rate = rate;
    check(f, store);
    return store_close(f, store);
}

static void partitions_go_home_when_they_are_not_scanned_or_much_written(void **state) {
    fixture_run(spread_body, 2);
}

/* ---- the journal's directory ---------------------------------------------------------------- */

static enum status gone_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    char command[200];
    number_put(f, store, 1, "one");
    assert_ok(store_close(f, store));
    snprintf(command, sizeof command, "rm -r %s/data/journal", fixture_root);
    assert_int_equal(system(command), 0);
    store = store_reopen(f); /* a clean stop needs nothing of it */
    number_put(f, store, 2, "two");
    check(f, store);
    store_abandon(f, store);
    assert_int_equal(system(command), 0);
    struct store_options options = store_options_at("data", false);
    assert_status(store_open(f, &options, &store), STATUS_UNDEFINED_FILE);
    return STATUS_OK;
}

static void a_journal_s_directory_may_be_gone_after_a_clean_stop(void **state) {
    fixture_run(gone_body, 1);
}

/* ---- formats -------------------------------------------------------------------------------- */

/* As a writer that does not know the format would leave it: the checksum is right. */
static bool identity_decodes(size_t at, uint8_t value) {
    struct store_identity identity = {STORE_FORMAT_VERSION, 77, 4}, decoded;
    static const uint8_t zero[4];
    uint8_t bytes[STORE_IDENTITY_SIZE];
    store_identity_encode(&identity, bytes);
    bytes[at] = value;
    uint32_t crc = crc32c(0, bytes, 12);
    crc = crc32c(crc, zero, sizeof zero);
    put_le32(bytes + 12, crc32c(crc, bytes + 16, sizeof bytes - 16));
    return store_identity_decode(bytes, &decoded);
}

static void an_identity_of_nothing_is_none(void **state) {
    assert_true(identity_decodes(16, 78));
    assert_false(identity_decodes(16, 0)); /* database 0 */
    assert_false(identity_decodes(24, 0)); /* of no partition */
    assert_false(identity_decodes(0, 'x'));
    assert_true(identity_decodes(8, STORE_FORMAT_VERSION + 1)); /* told by its reader */
    assert_false(identity_decodes(8, 0));
    for (size_t at = 28; at < STORE_IDENTITY_SIZE; at++)
        assert_false(identity_decodes(at, 1)); /* reserved */
}

static void a_stop_mark_of_another_version_is_none(void **state) {
    struct stop_mark mark = {77, {5}}, decoded;
    uint8_t bytes[STOP_MARK_SIZE];
    stop_mark_encode(&mark, bytes);
    assert_true(stop_mark_decode(bytes, &decoded));
    assert_true(decoded.database_id == 77 && decoded.last.value == 5);
    for (size_t at = 0; at < sizeof bytes; at++) {
        bytes[at] ^= 1;
        assert_false(stop_mark_decode(bytes, &decoded));
        bytes[at] ^= 1;
    }
    put_le32(bytes + 8, STOP_MARK_VERSION + 1);
    put_le32(bytes + 12, 0);
    put_le32(bytes + 12, crc32c(0, bytes, sizeof bytes));
    assert_false(stop_mark_decode(bytes, &decoded));
}

/* ---- broken tables of locks ----------------------------------------------------------------- */

static struct lock *first_lock(const struct lock_table *table) {
    for (size_t i = 0; i < table->bucket_count; i++)
        if (table->buckets[i] != NULL)
            return table->buckets[i];
    return NULL;
}

static enum status broken_locks_there(struct fiber *f, struct partition *partition,
                                      void *argument) {
    struct lock_table *table = &partition->locks;
    struct lock *lock = first_lock(table);
    assert_null(lock_table_check(table));
    table->lock_count++;
    assert_string_equal(lock_table_check(table), "the count of locks is wrong");
    table->lock_count--;
    struct lock_hold *holds = lock->holds;
    lock->holds = NULL;
    assert_string_equal(lock_table_check(table), "an unused lock is in the table");
    lock->holds = holds;
    assert_non_null(holds->next_of_lock); /* both hold it, shared */
    uint16_t modes = holds->modes;
    holds->modes |= 1u << (KEY_LOCK_EXCLUSIVE + 1); /* the table counts modes from 1 */
    assert_string_equal(lock_table_check(table), "two transactions hold conflicting modes");
    holds->modes = modes;
    assert_null(lock_table_check(table));
    return STATUS_OK;
}

static enum status broken_locks_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
    struct transaction *b = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(lock(f, a, 0, "a", KEY_LOCK_SHARE, LOCK_WAIT, NULL));
    assert_ok(lock(f, b, 0, "a", KEY_LOCK_SHARE, LOCK_WAIT, NULL));
    assert_ok(partition_call(f, store, 0, broken_locks_there, NULL));
    transaction_rollback(f, a);
    transaction_rollback(f, b);
    return store_close(f, store);
}

static void a_check_of_locks_finds_what_is_broken(void **state) {
    fixture_run(broken_locks_body, 1);
}

/* A ring of so many that not all of them fit the message. */
enum { RING = 14 };

struct ring_member {
    struct transaction *transaction;
    unsigned next;
    bool is_victim;
};

static enum status ring_wait(struct fiber *f, void *argument) {
    struct ring_member *member = argument;
    char key[8];
    snprintf(key, sizeof key, "%u", member->next);
    enum status status = lock(f, member->transaction, 0, key, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, NULL);
    member->is_victim = status == STATUS_DEADLOCK_DETECTED;
    if (member->is_victim) {
        const char *detail = error_current()->detail;
        assert_non_null(strstr(detail, "blocked by process"));
        assert_true(detail[strlen(detail) - 1] == '.'); /* no half of one */
        error_clear();
    } else {
        assert_ok(status);
    }
    transaction_rollback(f, member->transaction);
    return STATUS_OK;
}

static enum status ring_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct ring_member members[RING];
    struct task_group group;
    char key[8];
    for (unsigned i = 0; i < RING; i++) {
        members[i] =
            (struct ring_member){begin(f, store, ISOLATION_READ_COMMITTED), (i + 1) % RING, false};
        snprintf(key, sizeof key, "%u", i);
        assert_ok(lock(f, members[i].transaction, 0, key, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, NULL));
    }
    task_group_init(&group, f);
    for (unsigned i = 0; i < RING; i++)
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, ring_wait, &members[i]));
    assert_ok(task_group_wait(f, &group));
    unsigned victims = 0;
    for (unsigned i = 0; i < RING; i++)
        victims += members[i].is_victim;
    assert_int_equal(victims, 1);
    check(f, store);
    return store_close(f, store);
}

static void a_long_ring_of_waiters_has_one_victim(void **state) {
    fixture_run(ring_body, 1);
}

/* ---- limits, and results that nobody asks for ----------------------------------------------- */

static enum status limits_there(struct fiber *f, struct partition *partition, void *argument) {
    static uint8_t long_key[TXN_LARGE_KEY_SIZE_MAX + 1];
    static const uint8_t byte;
    struct tree_id tree = {5 | TREE_LARGE};
    struct slice key = slice_of(long_key, TXN_LARGE_KEY_SIZE_MAX), value;
    bool found;
    assert_status(txn_put_large(f, argument, partition, tree, slice_of(long_key, sizeof long_key),
                                slice_of(&byte, 1)),
                  STATUS_LIMIT_EXCEEDED);
    assert_status(
        txn_put_large(f, argument, partition, tree, key, slice_of(&byte, TXN_LARGE_SIZE_MAX + 1)),
        STATUS_LIMIT_EXCEEDED);
    assert_ok(txn_put_large(f, argument, partition, tree, key, SLICE_EMPTY));
    assert_ok(
        txn_put(f, argument, partition, (struct tree_id){KEY_TREE}, key, slice_of(&byte, 1), 0));
    assert_ok(txn_get(f, argument, partition, (struct tree_id){KEY_TREE}, key, NULL, &found, NULL));
    assert_false(found); /* what the statement itself has written it does not see */
    assert_ok(txn_get_newest(f, argument, partition, (struct tree_id){KEY_TREE}, key, NULL, &found,
                             NULL));
    assert_true(found);
    assert_ok(txn_get_newest(f, argument, partition, (struct tree_id){KEY_TREE + 1}, key, NULL,
                             &found, &value));
    assert_false(found);
    return partition_purge(f, partition, (struct tree_id){KEY_TREE}, 12345); /* not there */
}

static enum status empty_large_there(struct fiber *f, struct partition *partition, void *argument) {
    static const uint8_t long_key[TXN_LARGE_KEY_SIZE_MAX];
    struct arena arena = {0};
    struct txn_large large;
    bool found;
    TRY(txn_get_large(f, argument, partition, (struct tree_id){5 | TREE_LARGE},
                      slice_of(long_key, sizeof long_key), false, &arena, &found, &large));
    assert_true(found && large.bytes.size == 0);
    txn_release_large(partition, &large);
    arena_release(&arena);
    return STATUS_OK;
}

static enum status limits_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(partition_call(f, store, 0, limits_there, t));
    assert_ok(transaction_statement_end(f, t));
    assert_ok(transaction_commit(f, t, true, NULL));
    t = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(partition_call(f, store, 0, empty_large_there, t));
    transaction_rollback(f, t);
    store_abandon(f, store);
    store = store_reopen(f);
    t = begin(f, store, ISOLATION_REPEATABLE_READ);
    assert_ok(partition_call(f, store, 0, empty_large_there, t));
    assert_ok(transaction_statement_end(f, t));
    assert_ok(transaction_commit(f, t, true, NULL)); /* of nothing */
    check(f, store);
    return store_close(f, store);
}

static void limits_are_told_and_results_need_not_be_asked_for(void **state) {
    fixture_run(limits_body, 1);
}

/* ---- keys of spilled layers ----------------------------------------------------------------- */

static void malformed_keys_of_spilled_layers_are_told(void **state) {
    uint8_t encoded[LAYER_KEY_SIZE_MAX + 10], key[LAYER_KEY_SIZE_MAX];
    struct tree_id tree;
    size_t size;
    uint64_t commit_number;
    memset(encoded, 0, sizeof encoded);
    size_t whole =
        layer_key_encode((struct tree_id){5}, slice_of_text("a key of some size"), 77, encoded);
    assert_true(layer_key_decode(slice_of(encoded, whole), &tree, key, &size, &commit_number));
    assert_true(tree.value == 5 && commit_number == 77 && size == 18);
    assert_memory_equal(key, "a key of some size", size);
    for (size_t cut = 0; cut < whole; cut++)
        assert_false(layer_key_decode(slice_of(encoded, cut), &tree, key, &size, &commit_number));
    assert_false(layer_key_decode(slice_of(encoded, LAYER_KEY_SIZE_MAX + 1), &tree, key, &size,
                                  &commit_number));
    assert_int_equal(encoded[4 + 8], 9); /* more follows */
    encoded[4 + 8] = 10;
    assert_false(layer_key_decode(slice_of(encoded, whole), &tree, key, &size, &commit_number));
}

int main(void) {
    log_level_set(LOG_FATAL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_keys_of_spilled_layers_are_told),
        cmocka_unit_test(a_directory_may_be_spelt_in_any_way),
        cmocka_unit_test(options_that_cannot_be_are_refused),
        cmocka_unit_test(an_identity_of_nothing_is_none),
        cmocka_unit_test(a_stop_mark_of_another_version_is_none),
        cmocka_unit_test(a_check_of_locks_finds_what_is_broken),
        cmocka_unit_test(a_long_ring_of_waiters_has_one_victim),
        cmocka_unit_test(limits_are_told_and_results_need_not_be_asked_for),
        cmocka_unit_test(held_locks_pass_the_check),
        cmocka_unit_test(a_range_tells_what_changed_behind_a_snapshot),
        cmocka_unit_test(partitions_go_home_when_they_are_not_scanned_or_much_written),
        cmocka_unit_test(a_journal_s_directory_may_be_gone_after_a_clean_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
