#include "txn_fixture.h"

#include <errno.h>

#include "base/base_hash.h"
#include "runtime/backend.h"
#include "txn/layer.h"
#include "txn/store.h"
#include "txn/txn_format.h"

enum { ROWS = 20000 };

/* ---- bulk
 * ---------------------------------------------------------------------------------------- */

struct bulk {
    struct transaction *transaction;
    uint64_t first, count;
    size_t value_size;
    uint64_t sum; /* of row numbers seen */
    uint64_t seen;
    bool backward;
};

static enum status bulk_put(struct fiber *f, struct partition *partition, void *argument) {
    struct bulk *bulk = argument;
    uint8_t key[8], value[2000] = {0};
    for (uint64_t i = 0; i < bulk->count; i++) {
        put_be64(key, bulk->first + i);
        put_le64(value, bulk->first + i);
        TRY(txn_put(f, bulk->transaction, partition, (struct tree_id){9}, slice_of(key, 8),
                    slice_of(value, bulk->value_size), 0));
    }
    return STATUS_OK;
}

static enum status bulk_delete(struct fiber *f, struct partition *partition, void *argument) {
    struct bulk *bulk = argument;
    uint8_t key[8];
    for (uint64_t i = 0; i < bulk->count; i++) {
        put_be64(key, bulk->first + i);
        TRY(txn_delete(f, bulk->transaction, partition, (struct tree_id){9}, slice_of(key, 8)));
    }
    return STATUS_OK;
}

static enum status bulk_scan(struct fiber *f, struct partition *partition, void *argument) {
    struct bulk *bulk = argument;
    struct txn_range range = {.key_stride = 8, .backward = bulk->backward};
    struct txn_cursor *cursor;
    struct txn_entry entries[64];
    size_t count;
    uint64_t previous = 0;
    bulk->sum = bulk->seen = 0;
    TRY(txn_cursor_open(f, bulk->transaction, partition, (struct tree_id){9}, &range, &cursor));
    do {
        TRY(txn_cursor_next(f, cursor, entries, 64, &count));
        for (size_t i = 0; i < count; i++) {
            uint64_t row = get_be64(entries[i].key.data);
            assert_int_equal(row, get_le64(entries[i].value.data));
            assert_true(previous == 0 || (bulk->backward ? row < previous : row > previous));
            previous = row;
            bulk->sum += row;
            bulk->seen++;
        }
    } while (count > 0);
    txn_cursor_close(f, cursor);
    return STATUS_OK;
}

static void scan_expect(struct fiber *f, struct transaction *transaction, uint64_t seen,
                        uint64_t sum) {
    struct bulk scan = {.transaction = transaction};
    for (int way = 0; way < 2; way++) {
        scan.backward = way == 1;
        assert_ok(partition_call(f, transaction_store(transaction), 1, bulk_scan, &scan));
        assert_int_equal(scan.seen, seen);
        assert_int_equal(scan.sum, sum);
    }
}

static uint64_t history_entries(struct store *store) {
    struct store_statistics statistics;
    store_statistics(store, &statistics);
    return statistics.history_entries;
}

/* A write set far beyond what it may keep in memory; snapshots before and after; crash. */
static enum status spill_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    const uint64_t all = (uint64_t)ROWS * (ROWS + 1) / 2;
    struct transaction *before = begin(f, store, ISOLATION_REPEATABLE_READ);
    struct transaction *load = begin(f, store, ISOLATION_READ_COMMITTED);
    struct bulk bulk = {.transaction = load, .first = 1, .count = ROWS, .value_size = 1500};
    assert_ok(partition_call(f, store, 1, bulk_put, &bulk));
    scan_expect(f, load, 0, 0);
    next_statement(f, load);
    scan_expect(f, load, ROWS, all); /* its own rows */
    bulk = (struct bulk){.transaction = load, .first = 1, .count = 100};
    assert_ok(partition_call(f, store, 1, bulk_delete, &bulk));
    next_statement(f, load);
    scan_expect(f, load, ROWS - 100, all - 5050);
    commit(f, load);
    assert_true(history_entries(store) < ROWS + 10);
    scan_expect(f, before, 0, 0);
    struct transaction *middle = begin(f, store, ISOLATION_REPEATABLE_READ);
    struct transaction *wipe = begin(f, store, ISOLATION_READ_COMMITTED);
    bulk = (struct bulk){.transaction = wipe, .first = 1, .count = ROWS};
    assert_ok(partition_call(f, store, 1, bulk_delete, &bulk));
    commit(f, wipe);
    scan_expect(f, before, 0, 0);
    scan_expect(f, middle, ROWS - 100, all - 5050);
    struct transaction *after = begin(f, store, ISOLATION_REPEATABLE_READ);
    scan_expect(f, after, 0, 0);
    /* Thrown away before it was anything. */
    struct transaction *undone = begin(f, store, ISOLATION_READ_COMMITTED);
    bulk = (struct bulk){.transaction = undone, .first = 1, .count = ROWS, .value_size = 700};
    assert_ok(partition_call(f, store, 1, bulk_put, &bulk));
    transaction_rollback(f, undone);
    scan_expect(f, after, 0, 0);
    commit(f, before);
    commit(f, middle);
    commit(f, after);
    check(f, store);
    store_abandon(f, store);
    store = store_reopen(f);
    after = begin(f, store, ISOLATION_READ_COMMITTED);
    scan_expect(f, after, 0, 0);
    commit(f, after);
    check(f, store);
    return store_close(f, store);
}

static void write_set_larger_than_memory_works(void **state) {
    fixture_run(spill_body, 1);
}

/* ---- the disk is full in the middle of a large record -----------------------------------------
 */

static _Atomic bool no_segments;

static int segment_fault(const struct operation *operation) {
    bool segment = operation->kind == OPERATION_ALLOCATE && operation->size == 1 << 20;
    return no_segments && segment ? ENOSPC : 0;
}

static enum status given_up_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    const uint64_t all = (uint64_t)ROWS * (ROWS + 1) / 2;
    struct commit_number number;
    struct transaction *load = begin(f, store, ISOLATION_READ_COMMITTED);
    struct bulk bulk = {.transaction = load, .first = 1, .count = ROWS, .value_size = 1500};
    assert_ok(partition_call(f, store, 1, bulk_put, &bulk));
    no_segments = true;
    assert_status(transaction_commit(f, load, true, &number), STATUS_DISK_FULL);
    no_segments = false;
    load = begin(f, store, ISOLATION_READ_COMMITTED);
    scan_expect(f, load, 0, 0);
    bulk.transaction = load;
    assert_ok(partition_call(f, store, 1, bulk_put, &bulk));
    commit(f, load);
    check(f, store);
    assert_ok(store_close(f, store)); /* no page is still in use */
    store = store_reopen(f);
    load = begin(f, store, ISOLATION_READ_COMMITTED);
    scan_expect(f, load, ROWS, all);
    commit(f, load);
    return store_close(f, store);
}

static void a_large_commit_that_finds_the_disk_full_leaves_nothing(void **state) {
    static struct environment environment;
    const struct environment *kept = environment__current;
    environment = *kept;
    environment.file_fault = segment_fault;
    environment__current = &environment; /* no runtime runs yet */
    fixture_run(given_up_body, 1);
    environment__current = kept;
}

/* ---- a large write set, applied while readers push pages out ----------------------------------
 */

enum { PRESSED_KEYS = 5000, PRESSED_SIZE = 300, PRESSED_READERS = 6, PRESSED_TREE = 21 };

struct pressure {
    struct store *store;
    bool over;
    uint64_t seed;
};

static struct slice pressed_value(uint32_t key, unsigned version, uint8_t bytes[PRESSED_SIZE]) {
    for (size_t i = 0; i < PRESSED_SIZE; i++)
        bytes[i] = (uint8_t)(hash_combine(key, version) >> (i % 57));
    return slice_of(bytes, PRESSED_SIZE);
}

struct pressed_put {
    struct transaction *transaction;
    unsigned version;
};

static enum status pressed_put_all(struct fiber *f, struct partition *partition, void *argument) {
    const struct pressed_put *put = argument;
    for (uint32_t key = 1; key <= PRESSED_KEYS; key++) {
        uint8_t text[4], bytes[PRESSED_SIZE];
        put_be32(text, key);
        TRY(txn_put(f, put->transaction, partition, (struct tree_id){PRESSED_TREE},
                    slice_of(text, sizeof text), pressed_value(key, put->version, bytes), 0));
    }
    return STATUS_OK;
}

static void pressed_write(struct fiber *f, struct store *store, unsigned version) {
    struct transaction *t = begin(f, store, ISOLATION_READ_COMMITTED);
    struct pressed_put put = {t, version};
    assert_ok(partition_call(f, store, 0, pressed_put_all, &put));
    commit(f, t);
}

static enum status pressed_get(struct fiber *f, struct store *store, struct transaction *t,
                               uint32_t key, struct arena *arena, struct slice *value_out) {
    uint8_t text[4];
    put_be32(text, key);
    struct key_operation get = {.transaction = t,
                                .tree = {PRESSED_TREE},
                                .key = slice_of(text, sizeof text),
                                .arena = arena};
    enum status status = partition_call(f, store, 0, get_there, &get);
    *value_out = get.found ? get.value : SLICE_EMPTY;
    return status;
}

/* Anywhere in the tree, so that pages come and go. */
static enum status press(struct fiber *f, void *argument) {
    struct pressure *pressure = argument;
    struct random random;
    random_seed(&random, pressure->seed++);
    while (!pressure->over) {
        struct transaction *t = begin(f, pressure->store, ISOLATION_READ_COMMITTED);
        struct arena arena = {0};
        for (int i = 0; i < 20; i++) {
            struct slice value;
            uint32_t key = 1 + (uint32_t)random_below(&random, PRESSED_KEYS);
            if (pressed_get(f, pressure->store, t, key, &arena, &value) != STATUS_OK)
                error_clear(); /* others have all pages */
        }
        arena_release(&arena);
        commit(f, t);
        fiber_yield(f);
    }
    return STATUS_OK;
}

static void pressed_expect(struct fiber *f, struct store *store, struct transaction *t,
                           unsigned version) {
    for (uint32_t key = 1; key <= PRESSED_KEYS; key++) {
        struct arena arena = {0};
        uint8_t bytes[PRESSED_SIZE];
        struct slice value;
        assert_ok(pressed_get(f, store, t, key, &arena, &value));
        assert_true(slice_equal(value, pressed_value(key, version, bytes)));
        arena_release(&arena);
    }
}

static enum status pressure_body(struct fiber *f, void *argument) {
    struct store_options options = store_options_at("data", true);
    options.partition_count = 1;
    options.memory_max = 256 << 10;
    struct pressure pressure = {.seed = 5};
    assert_ok(store_open(f, &options, &pressure.store));
    pressed_write(f, pressure.store, 0);
    for (unsigned version = 1; version <= 2; version++) {
        struct transaction *before = begin(f, pressure.store, ISOLATION_REPEATABLE_READ);
        struct task_group group;
        task_group_init(&group, f);
        pressure.over = false;
        for (int i = 0; i < PRESSED_READERS; i++)
            assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, press, &pressure));
        pressed_write(f, pressure.store, version);
        pressure.over = true;
        assert_ok(task_group_wait(f, &group));
        struct transaction *after = begin(f, pressure.store, ISOLATION_READ_COMMITTED);
        pressed_expect(f, pressure.store, after, version);
        commit(f, after);
        pressed_expect(f, pressure.store, before, version - 1);
        commit(f, before);
    }
    return store_close(f, pressure.store);
}

static void a_spilled_write_set_is_applied_while_its_pages_are_pushed_out(void **state) {
    fixture_run(pressure_body, 1);
}

static enum status runs_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *before = begin(f, store, ISOLATION_REPEATABLE_READ);
    struct transaction *load = begin(f, store, ISOLATION_READ_COMMITTED);
    struct bulk bulk = {.transaction = load, .first = 1, .count = 5000, .value_size = 20};
    assert_ok(partition_call(f, store, 1, bulk_put, &bulk));
    commit(f, load);
    struct transaction *middle = begin(f, store, ISOLATION_REPEATABLE_READ);
    load = begin(f, store, ISOLATION_READ_COMMITTED);
    bulk = (struct bulk){.transaction = load, .first = 10, .count = 2, .value_size = 20};
    assert_ok(partition_call(f, store, 1, bulk_delete, &bulk));
    bulk = (struct bulk){.transaction = load, .first = 5001, .count = 10, .value_size = 20};
    assert_ok(partition_call(f, store, 1, bulk_put, &bulk));
    commit(f, load);
    scan_expect(f, before, 0, 0);
    scan_expect(f, middle, 5000, 5000ull * 5001 / 2);
    struct transaction *after = begin(f, store, ISOLATION_READ_COMMITTED);
    scan_expect(f, after, 5008, 5010ull * 5011 / 2 - 21);
    commit(f, before);
    commit(f, middle);
    commit(f, after);
    for (int i = 0; i < 40 && history_entries(store) > 0; i++)
        assert_ok(fiber_sleep(f, 100000000));
    assert_int_equal(history_entries(store), 0); /* nobody needs it: it is gone */
    return store_close(f, store);
}

static void inserted_rows_take_runs_and_history_vanishes(void **state) {
    fixture_run(runs_body, 1);
}

/* ---- dropping trees
 * ---------------------------------------------------------------------------------- */

static enum status drop_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *load = begin(f, store, ISOLATION_READ_COMMITTED);
    struct bulk bulk = {.transaction = load, .first = 1, .count = 3000, .value_size = 200};
    assert_ok(partition_call(f, store, 1, bulk_put, &bulk));
    commit(f, load);
    struct transaction *old = begin(f, store, ISOLATION_REPEATABLE_READ);
    struct transaction *undone = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(txn_tree_drop(f, undone, (struct tree_id){9}));
    transaction_rollback(f, undone);
    struct transaction *drop = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_ok(txn_tree_drop(f, drop, (struct tree_id){9}));
    assert_true(transaction_has_writes(drop));
    assert_int_equal(commit(f, drop), 2);
    assert_ok(fiber_sleep(f, 600000000)); /* the background has had its chance */
    scan_expect(f, old, 3000, 3000ull * 3001 / 2);
    commit(f, old);
    store_abandon(f, store); /* the drop is in the journal only */
    store = store_reopen(f);
    uint64_t count = 1;
    for (int i = 0; i < 40 && count > 0; i++) {
        struct transaction *look = begin(f, store, ISOLATION_READ_COMMITTED);
        struct bulk scan = {.transaction = look};
        assert_ok(partition_call(f, store, 1, bulk_scan, &scan));
        count = scan.seen;
        commit(f, look);
        assert_ok(fiber_sleep(f, 100000000));
    }
    assert_int_equal(count, 0);
    check(f, store);
    return store_close(f, store);
}

static void dropped_tree_is_freed_when_nobody_sees_it(void **state) {
    fixture_run(drop_body, 1);
}

/* ---- row ids
 * --------------------------------------------------------------------------------------------- */

static enum status row_ids_there(struct fiber *f, struct partition *partition, void *argument) {
    return partition_row_ids(f, partition, (struct tree_id){9}, 10, argument);
}

static enum status row_ids_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct row_id first;
    assert_ok(partition_call(f, store, 1, row_ids_there, &first));
    assert_int_equal(first.value, 1);
    struct transaction *load = begin(f, store, ISOLATION_READ_COMMITTED);
    struct bulk bulk = {.transaction = load, .first = 1, .count = 7, .value_size = 20};
    assert_ok(partition_call(f, store, 1, bulk_put, &bulk));
    commit(f, load);
    assert_ok(partition_call(f, store, 1, row_ids_there, &first));
    assert_int_equal(first.value, 11);
    assert_ok(store_close(f, store));
    store = store_reopen(f);
    assert_ok(partition_call(f, store, 1, row_ids_there, &first));
    assert_int_equal(first.value, 8);
    return store_close(f, store);
}

static void row_ids_rise_behind_the_largest(void **state) {
    fixture_run(row_ids_body, 1);
}

/* ---- the directory
 * ------------------------------------------------------------------------------------- */

static enum status directory_body(struct fiber *f, void *argument) {
    struct store *store, *second;
    struct store_options options = store_options_at("data", false);
    assert_status(store_open(f, &options, &store), STATUS_UNDEFINED_FILE);
    store = store_create(f);
    options = store_options_at("data", true);
    assert_status(store_open(f, &options, &second), STATUS_DUPLICATE_FILE);
    options = store_options_at("data", false);
    options.partition_count = 5;
    assert_status(store_open(f, &options, &second), STATUS_INVALID_PARAMETER_VALUE);
    assert_ok(store_close(f, store));
    char path[128];
    snprintf(path, sizeof path, "%s/data/satori.id", fixture_root);
    uint8_t bytes[STORE_IDENTITY_SIZE], changed[STORE_IDENTITY_SIZE];
    FILE *file = fopen(path, "rb");
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), sizeof bytes);
    fclose(file);
    struct store_identity identity;
    assert_true(store_identity_decode(bytes, &identity));
    for (int i = 0; i < 3; i++) {
        identity.version = i == 0 ? STORE_FORMAT_VERSION + 1 : STORE_FORMAT_VERSION - 1;
        store_identity_encode(&identity, changed);
        if (i == 2) {
            memcpy(changed, bytes, sizeof bytes);
            changed[20] ^= 1;
        }
        file = fopen(path, "wb");
        fwrite(changed, 1, sizeof changed, file);
        fclose(file);
        options = store_options_at("data", false);
        assert_status(store_open(f, &options, &store),
                      i == 2 ? STATUS_DATA_CORRUPTED : STATUS_FEATURE_NOT_SUPPORTED);
    }
    return STATUS_OK;
}

static void directory_is_refused_when_it_does_not_fit(void **state) {
    fixture_run(directory_body, 1);
}

static enum status limits_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    static char text[6000];
    struct transaction *transaction = begin(f, store, ISOLATION_READ_COMMITTED);
    struct key_operation o = {.transaction = transaction, .tree = {1}};
    o.key = slice_of(text, TXN_KEY_SIZE_MAX + 1);
    assert_status(partition_call(f, store, 0, put_there, &o), STATUS_LIMIT_EXCEEDED);
    o.key = slice_of(text, 100);
    o.value = slice_of(text, TXN_ENTRY_SIZE_MAX - 99);
    assert_status(partition_call(f, store, 0, put_there, &o), STATUS_LIMIT_EXCEEDED);
    /* The largest that is allowed goes everywhere: spilled, history, journal. */
    o.key = slice_of(text, TXN_KEY_SIZE_MAX);
    o.value = slice_of(text, TXN_ENTRY_SIZE_MAX - TXN_KEY_SIZE_MAX);
    for (int i = 0; i < 400; i++) {
        put_be32(text, (uint32_t)i);
        assert_ok(partition_call(f, store, 0, put_there, &o));
    }
    commit(f, transaction);
    struct transaction *old = begin(f, store, ISOLATION_REPEATABLE_READ);
    for (int round = 0; round < 4; round++) {
        transaction = begin(f, store, ISOLATION_READ_COMMITTED);
        o.transaction = transaction;
        for (int i = 0; i < 400; i++) {
            put_be32(text, (uint32_t)i);
            text[TXN_KEY_SIZE_MAX - 1] = 0;
            o.value.data = (const uint8_t *)text + 1 + round;
            assert_ok(partition_call(f, store, 0, put_there, &o));
        }
        commit(f, transaction);
    }
    struct arena arena = {0};
    struct key_operation look = {.transaction = old, .tree = {1}, .key = o.key, .arena = &arena};
    assert_ok(partition_call(f, store, 0, get_there, &look));
    assert_true(look.found);
    arena_release(&arena);
    commit(f, old);
    struct transaction_options read_only = {.read_only = true};
    assert_ok(transaction_begin(f, store, &read_only, &transaction));
    o.transaction = transaction;
    assert_status(partition_call(f, store, 0, put_there, &o), STATUS_READ_ONLY_TRANSACTION);
    transaction_rollback(f, transaction);
    return store_close(f, store);
}

static void largest_entries_fit_everywhere(void **state) {
    fixture_run(limits_body, 1);
}

/* ---- formats
 * --------------------------------------------------------------------------------------------- */

static void identity_has_its_golden_bytes(void **state) {
    static const uint8_t golden[28] = {'S', 'A', 'T',  'O',  'R',  'I',  'D', 'B', 4, 0,
                                       0,   0,   0x94, 0x3e, 0x95, 0x9c, 8,   7,   6, 5,
                                       4,   3,   2,    1,    12,   0,    0,   0};
    uint8_t bytes[STORE_IDENTITY_SIZE];
    struct store_identity identity = {STORE_FORMAT_VERSION, 0x0102030405060708, 12}, decoded;
    store_identity_encode(&identity, bytes);
    if (memcmp(bytes, golden, sizeof golden) != 0)
        for (size_t i = 12; i < 16; i++)
            printf("0x%02x ", bytes[i]);
    assert_memory_equal(bytes, golden, sizeof golden);
    assert_true(store_identity_decode(bytes, &decoded));
    assert_int_equal(decoded.partition_count, 12);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 4;
        assert_false(store_identity_decode(bytes, &decoded));
        bytes[i] ^= 4;
    }
}

static void commit_record_has_its_golden_bytes(void **state) {
    static const uint8_t golden[] = {3,   9,   1,   2, 2, 0x80, 1, 4, 2,   'k', '1', 3,
                                     'v', 'a', 'l', 5, 1, 'x',  6, 1, 'L', 2,   'b', 'c'};
    const struct commit_item items[] = {
        {COMMIT_DROP, 9, {0}, {0}},
        {COMMIT_PARTITION, 2, {0}, {0}},
        {COMMIT_TREE, 128, {0}, {0}},
        {COMMIT_PUT, 0, slice_of_text("k1"), slice_of_text("val")},
        {COMMIT_DELETE, 0, slice_of_text("x"), {0}},
        {COMMIT_PUT_LARGE, 0, slice_of_text("L"), slice_of_text("bc")},
    };
    uint8_t bytes[64];
    size_t size = 0;
    for (size_t i = 0; i < 6; i++)
        size += commit_item_encode(&items[i], bytes + size);
    assert_int_equal(size, sizeof golden);
    assert_memory_equal(bytes, golden, size);
    struct slice rest = slice_of(golden, sizeof golden);
    for (size_t i = 0; i < 6; i++) {
        struct commit_item item;
        for (size_t cut = 0; cut < rest.size && i < 5; cut++) { /* any shorter prefix is cut off */
            struct slice part = slice_of(rest.data, cut);
            size_t whole = commit_item_encode(&items[i], NULL);
            if (cut < whole)
                assert_int_equal(commit_item_decode(&part, &item), COMMIT_CUT_OFF);
        }
        assert_int_equal(commit_item_decode(&rest, &item), COMMIT_DECODED);
        assert_int_equal(item.tag, items[i].tag);
        assert_int_equal(item.number, items[i].number);
        assert_true(slice_equal(item.key, items[i].key));
        assert_true(slice_equal(item.value, items[i].value));
    }
    assert_int_equal(rest.size, 0);
    static const uint8_t unknown[] = {9, 0, 0};
    struct commit_item item;
    rest = slice_of(unknown, sizeof unknown);
    assert_int_equal(commit_item_decode(&rest, &item), COMMIT_MALFORMED);
}

/* ---- large entries ------------------------------------------------------------------------- */

enum { LARGE_COUNT = 40 };

static size_t large_size(unsigned i) {
    return i == 0 ? TXN_LARGE_SIZE_MAX : 1 + (size_t)i * i * 500;
}

static enum status large_put_all(struct fiber *f, struct partition *partition, void *argument) {
    struct bulk *bulk = argument;
    uint8_t key[8], *value = malloc(TXN_LARGE_SIZE_MAX);
    for (unsigned i = 0; i < LARGE_COUNT; i++) {
        put_be64(key, i);
        memset(value, (int)(bulk->first + i), large_size(i));
        assert_ok(txn_put_large(f, bulk->transaction, partition, (struct tree_id){9 | TREE_LARGE},
                                slice_of(key, 8), slice_of(value, large_size(i))));
    }
    free(value);
    return STATUS_OK;
}

static enum status large_verify_all(struct fiber *f, struct partition *partition, void *argument) {
    struct bulk *bulk = argument;
    uint8_t key[8], *value = malloc(TXN_LARGE_SIZE_MAX);
    for (unsigned i = 0; i < LARGE_COUNT; i++) {
        struct arena arena = {0};
        struct txn_large large;
        bool found;
        put_be64(key, i);
        memset(value, (int)(bulk->first + i), large_size(i));
        assert_ok(txn_get_large(f, bulk->transaction, partition, (struct tree_id){9 | TREE_LARGE},
                                slice_of(key, 8), false, &arena, &found, &large));
        assert_int_equal(found, bulk->seen);
        if (found) {
            assert_true(slice_equal(large.bytes, slice_of(value, large_size(i))));
            txn_release_large(partition, &large);
        }
        arena_release(&arena);
    }
    free(value);
    return STATUS_OK;
}

static void large_verify(struct fiber *f, struct store *store, struct transaction *transaction,
                         uint64_t base, bool present) {
    struct bulk bulk = {.transaction = transaction, .first = base, .seen = present};
    assert_ok(partition_call(f, store, 2, large_verify_all, &bulk));
}

/* Pages that are not of trees, published or not. */
static void large_note(void *context, struct page_id id, uint32_t size) {
    ++*(uint64_t *)context;
}

static enum status large_count(struct fiber *f, struct partition *partition, void *argument) {
    pager_odd_pages_visit(partition->pager, large_note, argument);
    return STATUS_OK;
}

static uint64_t large_pages(struct fiber *f, struct store *store) {
    uint64_t count = 0;
    assert_ok(partition_call(f, store, 2, large_count, &count));
    return count;
}

static void large_load(struct fiber *f, struct store *store, uint64_t base, bool commits) {
    struct transaction *transaction = begin(f, store, ISOLATION_READ_COMMITTED);
    struct bulk bulk = {.transaction = transaction, .first = base};
    assert_ok(partition_call(f, store, 2, large_put_all, &bulk));
    next_statement(f, transaction);
    large_verify(f, store, transaction, base, true);
    if (commits)
        commit(f, transaction);
    else
        transaction_rollback(f, transaction);
}

/* A quarter of what a large server has, to all statements together; nothing of a small one. */
static enum status lending_body(struct fiber *f, void *argument) {
    struct store_options options = store_options_at("data", true);
    const uint64_t megabyte = 1 << 20;
    struct store *store;
    options.memory_max = 512 * megabyte;
    assert_ok(store_open(f, &options, &store));
    assert_true(store_memory_lend(store, 100 * megabyte));
    assert_false(store_memory_lend(store, 29 * megabyte));
    assert_true(store_memory_lend(store, 28 * megabyte));
    assert_false(store_memory_lend(store, 1));
    store_memory_return(store, 100 * megabyte);
    assert_false(store_memory_lend(store, UINT64_MAX));
    assert_true(store_memory_lend(store, 100 * megabyte));
    store_memory_return(store, 128 * megabyte);
    assert_ok(store_close(f, store));
    options.create = false;
    options.memory_max = 64 * megabyte;
    assert_ok(store_open(f, &options, &store));
    assert_false(store_memory_lend(store, 1));
    assert_ok(store_close(f, store));
    return STATUS_OK;
}

static void memory_is_lent_up_to_a_quarter(void **state) {
    fixture_run(lending_body, 1);
}

/* Old versions stay for their snapshot; their pages go with it; crashes leave no page behind. The
   pool holds a fraction of the values. */
static enum status large_body(struct fiber *f, void *argument) {
    struct store_options options = store_options_at("data", true);
    struct store *store;
    options.memory_max = 12 << 20;
    assert_ok(store_open(f, &options, &store));
    const uint64_t pages = LARGE_COUNT - 1; /* the shortest value lies in the tree */
    large_load(f, store, 1, false);
    assert_int_equal(large_pages(f, store), 0);
    large_load(f, store, 1, true);
    assert_int_equal(large_pages(f, store), pages);
    struct transaction *old = begin(f, store, ISOLATION_REPEATABLE_READ);
    large_load(f, store, 2, true);
    large_verify(f, store, old, 1, true);
    assert_int_equal(large_pages(f, store), 2 * pages);
    assert_ok(store_checkpoint(f, store)); /* publishes pages that only history knows */
    large_verify(f, store, old, 1, true);
    check(f, store);
    commit(f, old);
    store_abandon(f, store);
    store = store_reopen(f);
    assert_int_equal(large_pages(f, store), pages);
    check(f, store);
    struct transaction *now = begin(f, store, ISOLATION_READ_COMMITTED);
    large_verify(f, store, now, 2, true);
    commit(f, now);
    large_load(f, store, 3, true);
    assert_ok(fiber_sleep(f, 600000000)); /* two rounds of maintenance */
    assert_int_equal(large_pages(f, store), pages);
    store_abandon(f, store);
    store = store_reopen(f); /* from the journal alone */
    assert_int_equal(large_pages(f, store), pages);
    now = begin(f, store, ISOLATION_READ_COMMITTED);
    large_verify(f, store, now, 3, true);
    assert_ok(txn_tree_drop(f, now, (struct tree_id){9 | TREE_LARGE}));
    commit(f, now);
    assert_ok(fiber_sleep(f, 600000000));
    assert_int_equal(large_pages(f, store), 0);
    now = begin(f, store, ISOLATION_READ_COMMITTED);
    large_verify(f, store, now, 3, false);
    commit(f, now);
    check(f, store);
    return store_close(f, store);
}

static void large_entries_live_and_die_with_their_versions(void **state) {
    fixture_run(large_body, 1);
}

static void spilled_keys_keep_their_order(void **state) {
    struct random random;
    random_seed(&random, 3);
    for (int i = 0; i < 20000; i++) {
        uint8_t a[40], b[40], x[LAYER_KEY_SIZE_MAX], y[LAYER_KEY_SIZE_MAX];
        uint8_t decoded[LAYER_KEY_SIZE_MAX];
        size_t a_size = random_below(&random, 20), b_size = random_below(&random, 20);
        uint64_t a_commit = random_below(&random, 3), b_commit = random_below(&random, 3);
        for (size_t j = 0; j < sizeof a; j++) {
            a[j] = random_below(&random, 3) == 0 ? 0xFF : 0;
            b[j] = random_below(&random, 4) != 0 ? a[j] : 1;
        }
        size_t x_size = layer_key_encode((struct tree_id){5}, slice_of(a, a_size), a_commit, x);
        size_t y_size = layer_key_encode((struct tree_id){5}, slice_of(b, b_size), b_commit, y);
        int wanted = slice_compare(slice_of(a, a_size), slice_of(b, b_size));
        if (wanted == 0)
            wanted = a_commit < b_commit ? -1 : a_commit > b_commit;
        int order = slice_compare(slice_of(x, x_size), slice_of(y, y_size));
        assert_int_equal((order > 0) - (order < 0), (wanted > 0) - (wanted < 0));
        struct tree_id tree;
        size_t size;
        uint64_t commit;
        assert_true(layer_key_decode(slice_of(x, x_size), &tree, decoded, &size, &commit));
        assert_true(slice_equal(slice_of(decoded, size), slice_of(a, a_size)));
        assert_true(tree.value == 5 && commit == a_commit);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_has_its_golden_bytes),
        cmocka_unit_test(commit_record_has_its_golden_bytes),
        cmocka_unit_test(large_entries_live_and_die_with_their_versions),
        cmocka_unit_test(spilled_keys_keep_their_order),
        cmocka_unit_test(write_set_larger_than_memory_works),
        cmocka_unit_test(a_large_commit_that_finds_the_disk_full_leaves_nothing),
        cmocka_unit_test(a_spilled_write_set_is_applied_while_its_pages_are_pushed_out),
        cmocka_unit_test(inserted_rows_take_runs_and_history_vanishes),
        cmocka_unit_test(dropped_tree_is_freed_when_nobody_sees_it),
        cmocka_unit_test(row_ids_rise_behind_the_largest),
        cmocka_unit_test(directory_is_refused_when_it_does_not_fit),
        cmocka_unit_test(largest_entries_fit_everywhere),
        cmocka_unit_test(memory_is_lent_up_to_a_quarter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
