#include "txn_fixture.h"

/* ---- what a transaction sees --------------------------------------------------------------- */

static enum status commit_and_see_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
    put(f, a, 0, 1, "k", "v1");
    put(f, a, 1, 1, "other", "w");
    assert_string_equal(get(f, a, 0, 1, "k"), "-"); /* staged: this statement does not see it */
    assert_string_equal(get_any(f, a, 0, 1, "k", true), "v1");
    next_statement(f, a);
    assert_string_equal(get(f, a, 0, 1, "k"), "v1");
    struct transaction *b = begin(f, store, ISOLATION_REPEATABLE_READ);
    assert_string_equal(get(f, b, 0, 1, "k"), "-");
    assert_int_equal(commit(f, a), 1);
    assert_string_equal(get(f, b, 0, 1, "k"), "-");
    assert_string_equal(get_any(f, b, 0, 1, "k", true), "v1");
    next_statement(f, b);
    assert_string_equal(get(f, b, 1, 1, "other"), "-");
    struct transaction *c = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_string_equal(get(f, c, 0, 1, "k"), "v1");
    put(f, c, 0, 1, "k", "v2");
    next_statement(f, c);
    delete (f, c, 1, 1, "other");
    assert_int_equal(commit(f, c), 2);
    assert_string_equal(get(f, b, 0, 1, "k"), "-");
    commit(f, b);
    struct transaction *d = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_string_equal(get(f, d, 0, 1, "k"), "v2");
    assert_string_equal(get(f, d, 1, 1, "other"), "-");
    put(f, d, 0, 1, "k", "gone");
    transaction_rollback(f, d);
    d = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_string_equal(get(f, d, 0, 1, "k"), "v2");
    assert_int_equal(commit(f, d), 0);
    check(f, store);
    assert_ok(store_close(f, store));
    store = store_reopen(f);
    d = begin(f, store, ISOLATION_READ_COMMITTED);
    assert_string_equal(get(f, d, 0, 1, "k"), "v2");
    assert_string_equal(get(f, d, 1, 1, "other"), "-");
    commit(f, d);
    return store_close(f, store);
}

static void commits_are_seen_by_later_snapshots_only(void **state) {
    fixture_run(commit_and_see_body, 1);
}

static void commits_are_seen_on_two_cores(void **state) {
    fixture_run(commit_and_see_body, 2);
}

static enum status key_state_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
    put(f, a, 0, 1, "k", "v1");
    commit(f, a);
    struct transaction *old = begin(f, store, ISOLATION_REPEATABLE_READ);
    struct key_operation o = {.transaction = old, .tree = {1}, .key = slice_of_text("k")};
    assert_ok(partition_call(f, store, 0, state_there, &o));
    assert_false(o.state.changed_since_snapshot);
    a = begin(f, store, ISOLATION_READ_COMMITTED);
    put(f, a, 0, 1, "k", "v2");
    put(f, a, 0, 1, "12345678", "inserted");
    commit(f, a);
    assert_ok(partition_call(f, store, 0, state_there, &o));
    assert_true(o.state.changed_since_snapshot && !o.state.own_write);
    o.key = slice_of_text("12345678");
    assert_ok(partition_call(f, store, 0, state_there, &o));
    assert_true(o.state.changed_since_snapshot);
    put(f, old, 0, 1, "mine", "x");
    o.key = slice_of_text("mine");
    assert_ok(partition_call(f, store, 0, state_there, &o));
    assert_true(o.state.own_write && o.state.staged_by_this_statement);
    next_statement(f, old);
    assert_ok(partition_call(f, store, 0, state_there, &o));
    assert_true(o.state.own_write && !o.state.staged_by_this_statement);
    transaction_rollback(f, old);
    return store_close(f, store);
}

static void key_state_tells_changes_since_the_snapshot(void **state) {
    fixture_run(key_state_body, 1);
}

static enum status count_there(struct fiber *f, struct partition *partition, void *argument) {
    struct key_operation *o = argument;
    for (int backward = 0; backward < 2; backward++) {
        struct txn_range range = {.backward = backward};
        struct txn_cursor *cursor;
        struct txn_entry entries[8];
        size_t count;
        TRY(txn_cursor_open(f, o->transaction, partition, o->tree, &range, &cursor));
        TRY(txn_cursor_next(f, cursor, entries, 8, &count));
        txn_cursor_close(f, cursor);
        assert_int_equal(count, 2);
    }
    return STATUS_OK;
}

/* An inserted key of 8 bytes is filed as a run; it is found among keys of other sizes, too. */
static enum status mixed_sizes_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
    put(f, a, 0, 1, "0", "first");
    put(f, a, 0, 1, "9", "last");
    commit(f, a);
    assert_ok(store_close(f, store));
    store = store_reopen(f); /* without history of these two */
    struct transaction *old = begin(f, store, ISOLATION_REPEATABLE_READ);
    a = begin(f, store, ISOLATION_READ_COMMITTED);
    put(f, a, 0, 1, "12345678", "not there yet");
    commit(f, a);
    struct key_operation o = {.transaction = old, .tree = {1}};
    assert_ok(partition_call(f, store, 0, count_there, &o));
    commit(f, old);
    return store_close(f, store);
}

static void keys_of_many_sizes_are_not_seen_too_early(void **state) {
    fixture_run(mixed_sizes_body, 1);
}

struct halted_scan {
    struct transaction *transaction;
    struct txn_cursor *cursor;
    struct txn_entry entry;
    size_t count;
};

static enum status scan_begin_there(struct fiber *f, struct partition *partition, void *argument) {
    struct halted_scan *scan = argument;
    struct txn_range range = {.key_stride = 8};
    TRY(txn_cursor_open(f, scan->transaction, partition, (struct tree_id){1}, &range,
                        &scan->cursor));
    return txn_cursor_next(f, scan->cursor, &scan->entry, 1, &scan->count);
}

static enum status scan_go_on_there(struct fiber *f, struct partition *partition, void *argument) {
    struct halted_scan *scan = argument;
    return txn_cursor_next(f, scan->cursor, &scan->entry, 1, &scan->count);
}

static enum status scan_end_there(struct fiber *f, struct partition *partition, void *argument) {
    txn_cursor_close(f, ((struct halted_scan *)argument)->cursor);
    return STATUS_OK;
}

/* The base has nothing behind where the scan stands any more, history has. */
static enum status rest_deleted_body(struct fiber *f, void *argument) {
    struct store *store = store_create(f);
    struct transaction *a = begin(f, store, ISOLATION_READ_COMMITTED);
    put(f, a, 0, 1, "00000001", "first");
    put(f, a, 0, 1, "00000002", "second");
    commit(f, a);
    struct halted_scan scan = {begin(f, store, ISOLATION_REPEATABLE_READ)};
    assert_ok(partition_call(f, store, 0, scan_begin_there, &scan));
    assert_int_equal(scan.count, 1);
    a = begin(f, store, ISOLATION_READ_COMMITTED);
    delete (f, a, 0, 1, "00000002");
    commit(f, a);
    assert_ok(partition_call(f, store, 0, scan_go_on_there, &scan));
    assert_int_equal(scan.count, 1);
    assert_true(slice_equal(scan.entry.value, slice_of_text("second")));
    assert_ok(partition_call(f, store, 0, scan_go_on_there, &scan));
    assert_int_equal(scan.count, 0);
    assert_ok(partition_call(f, store, 0, scan_end_there, &scan));
    commit(f, scan.transaction);
    return store_close(f, store);
}

static void a_scan_goes_on_when_the_rest_was_deleted(void **state) {
    fixture_run(rest_deleted_body, 1);
}

/* ---- the model: random transactions against naive versions --------------------------------- */

enum { KEYS = 120, PARTITIONS = 4, VERSIONS_MAX = 4000, FIBERS = 4 };

/* Every committed state of every key: value at commit. Value 0: absent. */
struct version {
    uint64_t commit;
    uint32_t value;
};
struct model_key {
    struct version versions[VERSIONS_MAX];
    unsigned count;
};
struct model {
    struct store *store;
    struct model_key *keys; /* PARTITIONS * KEYS */
    uint32_t next_value;
    bool spill;  /* write many entries, to leave memory */
    bool stride; /* 8-byte keys */
    bool large;  /* a tree of large entries */
    int rounds;
    uint64_t acknowledged, acknowledged_at_checkpoint;
    uint64_t reads, commits;
    unsigned writers_left, copies;
    uint64_t copy_acknowledged[8];
};

static struct slice model_key_bytes(const struct model *model, unsigned index, uint8_t *bytes) {
    if (model->stride) {
        put_be64(bytes, 1000 + index);
        return slice_of(bytes, 8);
    }
    /* Keys that are prefixes of each other, with zeros and 0xFF. */
    size_t size = 1 + index % 12;
    memset(bytes, index % 3 == 0 ? 0 : index % 3 == 1 ? 0xFF : 'a', size);
    bytes[0] = (uint8_t)(index / 36);
    return slice_of(bytes, size);
}

static struct slice model_value_bytes(uint32_t value, uint8_t *bytes) {
    size_t size = 4 + value % 50;
    if (value % 97 == 0)
        size = 4000;
    memset(bytes, (uint8_t)value, size);
    put_le32(bytes, value);
    return slice_of(bytes, size);
}

enum { LARGE_VALUE_MAX = 60000 };

/* Some fit into the tree, most have a page. */
static struct slice model_large_bytes(uint32_t value, uint8_t *bytes) {
    size_t size =
        value % 3 == 0 ? 4 + value % 1021 : 1025 + value * 7919ul % (LARGE_VALUE_MAX - 1025);
    memset(bytes, (uint8_t)value, size);
    put_le32(bytes, value);
    return slice_of(bytes, size);
}

static struct tree_id model_tree(const struct model *model) {
    return (struct tree_id){model->large ? 1 | TREE_LARGE : 1};
}

/* The number in a value; a large one is checked byte by byte. */
static uint32_t model_number(const struct model *model, struct slice value) {
    uint32_t number = get_le32(value.data);
    if (!model->large)
        return number;
    uint8_t *bytes = malloc(LARGE_VALUE_MAX);
    assert_true(slice_equal(value, model_large_bytes(number, bytes)));
    free(bytes);
    return number;
}

/* The number of an entry that a cursor handed out. May suspend. */
static uint32_t entry_number(struct fiber *f, const struct model *model,
                             struct partition *partition, struct slice value) {
    if (!model->large)
        return get_le32(value.data);
    struct arena arena = {0};
    struct txn_large large;
    txn_open_large_cached(partition, value, &arena, &large);
    bool cached = large.bytes.size > 0;
    if (!cached)
        assert_ok(txn_open_large(f, partition, value, &arena, &large));
    uint32_t number = model_number(model, large.bytes);
    assert_true(cached || number % 3 != 0); /* short ones always are */
    txn_release_large(partition, &large);
    arena_release(&arena);
    return number;
}

static uint32_t model_at(const struct model_key *key, uint64_t snapshot) {
    for (unsigned i = key->count; i-- > 0;)
        if (key->versions[i].commit <= snapshot)
            return key->versions[i].value;
    return 0;
}

struct model_session {
    struct model *model;
    unsigned seed;
};

struct seen;
struct scan {
    struct transaction *transaction;
    const uint32_t *expected; /* by rank, ascending; 0 absent */
    struct model *model;
    unsigned from, to; /* ranks, inclusive */
    bool backward;
    struct seen *out; /* or note what is read here */
};

static unsigned rank_to_index[KEYS];
static struct model *sort_model;

static int rank_compare(const void *a, const void *b) {
    uint8_t x[16], y[16];
    return slice_compare(model_key_bytes(sort_model, *(const unsigned *)a, x),
                         model_key_bytes(sort_model, *(const unsigned *)b, y));
}

/* Index keys may coincide; keep the first of equals. */
static unsigned ranks_make(struct model *model) {
    sort_model = model;
    for (unsigned i = 0; i < KEYS; i++)
        rank_to_index[i] = i;
    qsort(rank_to_index, KEYS, sizeof *rank_to_index, rank_compare);
    unsigned count = 0;
    for (unsigned i = 0; i < KEYS; i++)
        if (count == 0 || rank_compare(&rank_to_index[count - 1], &rank_to_index[i]) != 0)
            rank_to_index[count++] = rank_to_index[i];
    return count;
}

static unsigned rank_count;

static enum status scan_there(struct fiber *f, struct partition *partition, void *argument) {
    struct scan *scan = argument;
    uint8_t lower[16], upper[16];
    struct txn_range range = {.backward = scan->backward, .upper_inclusive = true};
    if (scan->from > 0)
        range.lower = model_key_bytes(scan->model, rank_to_index[scan->from], lower);
    if (scan->to + 1 < rank_count)
        range.upper = model_key_bytes(scan->model, rank_to_index[scan->to], upper);
    range.key_stride = scan->model->stride ? 8 : 0;
    struct txn_cursor *cursor;
    struct txn_entry entries[7];
    size_t count;
    TRY(txn_cursor_open(f, scan->transaction, partition, model_tree(scan->model), &range, &cursor));
    unsigned rank = scan->backward ? scan->to : scan->from;
    unsigned steps = scan->to - scan->from + 1;
    do {
        assert_ok(txn_cursor_next(f, cursor, entries, scan->model->large ? 1 : 7, &count));
        for (size_t i = 0; i < count; i++) {
            while (steps > 0 && scan->expected[rank] == 0) {
                rank += scan->backward ? -1u : 1u;
                steps--;
            }
            assert_true(steps > 0);
            uint8_t bytes[16];
            assert_true(slice_equal(entries[i].key,
                                    model_key_bytes(scan->model, rank_to_index[rank], bytes)));
            uint32_t number = entry_number(f, scan->model, partition, entries[i].value);
            if (number != scan->expected[rank])
                fail_msg("snapshot %lu, partition %u, rank %u: %u instead of %u",
                         transaction_snapshot(scan->transaction).value, partition_number(partition),
                         rank, number, scan->expected[rank]);
            rank += scan->backward ? -1u : 1u;
            steps--;
        }
        if (count > 0 && steps % 3 == 0)
            fiber_yield(f); /* others commit in the middle of the scan */
    } while (count > 0);
    while (steps > 0) {
        assert_int_equal(scan->expected[rank], 0);
        rank += scan->backward ? -1u : 1u;
        steps--;
    }
    txn_cursor_close(f, cursor);
    return STATUS_OK;
}

static void expected_fill(struct model *model, uint64_t snapshot, unsigned partition,
                          const uint32_t *own, uint32_t *expected) {
    for (unsigned rank = 0; rank < rank_count; rank++) {
        unsigned index = rank_to_index[rank];
        expected[rank] = model_at(&model->keys[partition * KEYS + index], snapshot);
        if (own != NULL && own[partition * KEYS + index] != 0)
            expected[rank] =
                own[partition * KEYS + index] == UINT32_MAX ? 0 : own[partition * KEYS + index];
    }
}

static void scan_verify(struct fiber *f, struct model *model, struct transaction *transaction,
                        const uint32_t *own, struct random *random) {
    uint32_t expected[KEYS];
    unsigned partition = (unsigned)random_below(random, PARTITIONS);
    expected_fill(model, transaction_snapshot(transaction).value, partition, own, expected);
    struct scan scan = {.transaction = transaction, .expected = expected, .model = model};
    scan.from = (unsigned)random_below(random, rank_count);
    scan.to = scan.from + (unsigned)random_below(random, rank_count - scan.from);
    if (random_below(random, 3) == 0) {
        scan.from = 0;
        scan.to = rank_count - 1;
    }
    scan.backward = random_below(random, 2) == 0;
    assert_ok(partition_call(f, model->store, partition, scan_there, &scan));
    model->reads++;
}

static void point_verify(struct fiber *f, struct model *model, struct transaction *transaction,
                         const uint32_t *own, struct random *random) {
    uint32_t expected[KEYS];
    unsigned partition = (unsigned)random_below(random, PARTITIONS);
    unsigned rank = (unsigned)random_below(random, rank_count);
    expected_fill(model, transaction_snapshot(transaction).value, partition, own, expected);
    uint8_t bytes[16];
    struct arena arena = {0};
    struct key_operation o = {.transaction = transaction,
                              .tree = model_tree(model),
                              .key = model_key_bytes(model, rank_to_index[rank], bytes),
                              .arena = &arena};
    assert_ok(
        partition_call(f, model->store, partition, model->large ? get_large_there : get_there, &o));
    uint32_t found = o.found ? model_number(model, o.value) : 0;
    if (found != expected[rank])
        fail_msg("snapshot %lu, partition %u, rank %u: %u instead of %u",
                 transaction_snapshot(transaction).value, partition, rank, found, expected[rank]);
    arena_release(&arena);
    model->reads++;
}

static void change_random(struct fiber *f, struct model *model, struct transaction *transaction,
                          uint32_t *own, struct random *random) {
    unsigned partition = (unsigned)random_below(random, PARTITIONS);
    unsigned index = rank_to_index[random_below(random, rank_count)];
    uint8_t key[16];
    struct key_operation o = {.transaction = transaction,
                              .tree = model_tree(model),
                              .key = model_key_bytes(model, index, key),
                              .mode = KEY_LOCK_EXCLUSIVE,
                              .wait = LOCK_SKIP};
    assert_ok(partition_call(f, model->store, partition, lock_there, &o));
    if (!o.locked)
        return;
    if (random_below(random, 4) == 0) {
        assert_ok(partition_call(f, model->store, partition, delete_there, &o));
        own[partition * KEYS + index] = UINT32_MAX;
        return;
    }
    uint32_t number = ++model->next_value;
    uint8_t *value = malloc(LARGE_VALUE_MAX);
    o.value = (model->large ? model_large_bytes : model_value_bytes)(number, value);
    assert_ok(
        partition_call(f, model->store, partition, model->large ? put_large_there : put_there, &o));
    free(value);
    own[partition * KEYS + index] = number;
}

/* Commits of several fibers return out of order. */
static void model_apply_any_order(struct model *model, const uint32_t *own, uint64_t number) {
    for (unsigned i = 0; i < PARTITIONS * KEYS; i++) {
        struct model_key *key = &model->keys[i];
        if (own[i] == 0)
            continue;
        assert_true(key->count < VERSIONS_MAX);
        unsigned at = key->count++;
        for (; at > 0 && key->versions[at - 1].commit > number; at--)
            key->versions[at] = key->versions[at - 1];
        key->versions[at] = (struct version){number, own[i] == UINT32_MAX ? 0 : own[i]};
    }
    model->commits++;
}

static void model_apply(struct model *model, const uint32_t *own, uint64_t number) {
    for (unsigned i = 0; i < PARTITIONS * KEYS; i++) {
        struct model_key *key = &model->keys[i];
        if (own[i] == 0)
            continue;
        assert_true(key->count < VERSIONS_MAX);
        assert_true(key->count == 0 || key->versions[key->count - 1].commit < number);
        key->versions[key->count++] = (struct version){number, own[i] == UINT32_MAX ? 0 : own[i]};
    }
    model->commits++;
}

/* One transaction: a few statements of changes, reads after each. */
static void model_transaction(struct fiber *f, struct model *model, struct random *random) {
    bool repeatable = random_below(random, 2) == 0;
    struct transaction *transaction =
        begin(f, model->store, repeatable ? ISOLATION_REPEATABLE_READ : ISOLATION_READ_COMMITTED);
    uint32_t *own = calloc(PARTITIONS * KEYS, sizeof *own);
    unsigned statements = (unsigned)random_below(random, 4);
    for (unsigned s = 0; s < statements; s++) {
        unsigned changes = (unsigned)random_below(random, model->spill ? 60 : 5);
        for (unsigned i = 0; i < changes; i++)
            change_random(f, model, transaction, own, random);
        next_statement(f, transaction);
        point_verify(f, model, transaction, own, random);
        scan_verify(f, model, transaction, own, random);
        if (random_below(random, 4) == 0)
            fiber_yield(f);
    }
    bool writes = transaction_has_writes(transaction);
    if (random_below(random, 8) == 0) {
        transaction_rollback(f, transaction);
    } else {
        struct commit_number number;
        bool synchronous = random_below(random, 3) != 0;
        /* Between the call and its return others may see the commit: enter it into the model in the
           moment it gets its number, which on one core is before the call first suspends. */
        assert_ok(transaction_commit(f, transaction, synchronous, &number));
        assert_int_equal(writes, number.value != 0);
        if (number.value != 0) {
            model_apply(model, own, number.value);
            if (synchronous && number.value > model->acknowledged)
                model->acknowledged = number.value;
        }
    }
    free(own);
}

static void model_open(struct model *model, bool stride, bool spill, int rounds) {
    *model = (struct model){.stride = stride, .spill = spill, .rounds = rounds};
    model->keys = calloc(PARTITIONS * KEYS, sizeof *model->keys);
    rank_count = ranks_make(model);
}

/* Everything, at what is visible now. */
static void model_verify_all(struct fiber *f, struct model *model) {
    struct transaction *transaction = begin(f, model->store, ISOLATION_READ_COMMITTED);
    for (unsigned partition = 0; partition < PARTITIONS; partition++) {
        uint32_t expected[KEYS];
        expected_fill(model, transaction_snapshot(transaction).value, partition, NULL, expected);
        struct scan scan = {
            .transaction = transaction, .expected = expected, .model = model, .to = rank_count - 1};
        assert_ok(partition_call(f, model->store, partition, scan_there, &scan));
    }
    commit(f, transaction);
}

struct alone {
    bool stride, spill, large;
    int rounds;
};

/* One writer at a time, old snapshots held open all the while and compared again and again. */
static enum status model_alone_body(struct fiber *f, void *argument) {
    const struct alone variants[] = {{false, false, false, 250},
                                     {true, false, false, 250},
                                     {true, true, false, 40},
                                     {true, false, true, 150},
                                     {false, true, true, 30}};
    for (unsigned v = 0; v < 5; v++) {
        struct model model;
        struct random random;
        struct transaction *old[6] = {0};
        random_seed(&random, 17 + v);
        model_open(&model, variants[v].stride, variants[v].spill, variants[v].rounds);
        model.large = variants[v].large;
        char command[128];
        snprintf(command, sizeof command, "rm -rf %s/data", fixture_root);
        assert_int_equal(system(command), 0);
        model.store = store_create(f);
        for (int round = 0; round < model.rounds; round++) {
            unsigned i = (unsigned)random_below(&random, 6);
            if (old[i] == NULL)
                old[i] = begin(f, model.store, ISOLATION_REPEATABLE_READ);
            model_transaction(f, &model, &random);
            for (unsigned j = 0; j < 6; j++)
                if (old[j] != NULL) {
                    point_verify(f, &model, old[j], NULL, &random);
                    scan_verify(f, &model, old[j], NULL, &random);
                }
            if (random_below(&random, 15) == 0) {
                commit(f, old[i]);
                old[i] = NULL;
            }
            if (random_below(&random, 40) == 0)
                assert_ok(store_checkpoint(f, model.store));
        }
        for (unsigned j = 0; j < 6; j++)
            if (old[j] != NULL)
                commit(f, old[j]);
        model_verify_all(f, &model);
        check(f, model.store);
        assert_ok(store_close(f, model.store));
        model.store = store_reopen(f);
        model_verify_all(f, &model);
        assert_ok(store_close(f, model.store));
        free(model.keys);
    }
    return STATUS_OK;
}

static void snapshots_read_what_the_model_says(void **state) {
    fixture_run(model_alone_body, 1);
}

/* ---- several fibers, and crashes
 * ----------------------------------------------------------------- */

/* What was read at a snapshot, to be compared when all commits are known. */
struct seen {
    uint64_t snapshot;
    unsigned partition;
    uint32_t values[KEYS]; /* by rank; UINT32_MAX: not compared */
};
enum { SEEN_MAX = 20000, COPIES = 6 };
static struct seen *seen;
static unsigned seen_count;

static enum status see_there(struct fiber *f, struct partition *partition, void *argument) {
    struct scan *scan = argument;
    struct txn_range range = {.backward = scan->backward,
                              .key_stride = scan->model->stride ? 8 : 0};
    struct txn_cursor *cursor;
    struct txn_entry entries[9];
    size_t count;
    struct seen *out = scan->out;
    memset(out, 0, sizeof *out);
    out->snapshot = transaction_snapshot(scan->transaction).value;
    out->partition = partition_number(partition);
    TRY(txn_cursor_open(f, scan->transaction, partition, model_tree(scan->model), &range, &cursor));
    unsigned rank = scan->backward ? rank_count - 1 : 0;
    do {
        assert_ok(txn_cursor_next(f, cursor, entries, scan->model->large ? 1 : 9, &count));
        for (size_t i = 0; i < count; i++) {
            uint8_t bytes[16];
            while (!slice_equal(entries[i].key,
                                model_key_bytes(scan->model, rank_to_index[rank], bytes))) {
                rank += scan->backward ? -1u : 1u;
                assert_true(rank < rank_count);
            }
            out->values[rank] = entry_number(f, scan->model, partition, entries[i].value);
        }
        if (count > 0)
            fiber_yield(f);
    } while (count > 0);
    txn_cursor_close(f, cursor);
    return STATUS_OK;
}

static void seen_verify(const struct model *model) {
    for (unsigned i = 0; i < seen_count; i++)
        for (unsigned rank = 0; rank < rank_count; rank++) {
            const struct seen *s = &seen[i];
            uint32_t expected =
                model_at(&model->keys[s->partition * KEYS + rank_to_index[rank]], s->snapshot);
            if (s->values[rank] != UINT32_MAX && s->values[rank] != expected)
                fail_msg("snapshot %lu, partition %u, rank %u: %u instead of %u", s->snapshot,
                         s->partition, rank, s->values[rank], expected);
        }
}

static void see(struct fiber *f, struct model *model, struct transaction *transaction,
                const uint32_t *own, struct random *random) {
    assert_true(seen_count < SEEN_MAX);
    struct scan scan = {.transaction = transaction, .model = model, .out = &seen[seen_count++]};
    scan.backward = random_below(random, 2) == 0;
    unsigned partition = (unsigned)random_below(random, PARTITIONS);
    assert_ok(partition_call(f, model->store, partition, see_there, &scan));
    if (own == NULL)
        return;
    for (unsigned rank = 0; rank < rank_count; rank++) {
        uint32_t mine = own[partition * KEYS + rank_to_index[rank]];
        if (mine == 0)
            continue;
        struct seen *last = scan.out;
        assert_int_equal(last->values[rank], mine == UINT32_MAX ? 0 : mine);
        last->values[rank] = UINT32_MAX;
    }
}

static enum status writer_fiber(struct fiber *f, void *argument) {
    struct model_session *session = argument;
    struct model *model = session->model;
    struct random random;
    random_seed(&random, session->seed);
    uint32_t *own = malloc(PARTITIONS * KEYS * sizeof *own);
    for (int round = 0; round < model->rounds; round++) {
        struct transaction *transaction = begin(f, model->store, ISOLATION_READ_COMMITTED);
        memset(own, 0, PARTITIONS * KEYS * sizeof *own);
        unsigned statements = 1 + (unsigned)random_below(&random, 2);
        for (unsigned s = 0; s < statements; s++) {
            unsigned changes = 1 + (unsigned)random_below(&random, 8);
            for (unsigned i = 0; i < changes; i++)
                change_random(f, model, transaction, own, &random);
            if (random_below(&random, 3) == 0)
                fiber_yield(f);
            next_statement(f, transaction);
        }
        /* One that scans at the last moment would have a log entry for each; now and then will do.
         */
        struct commit_number number = {0};
        bool synchronous = random_below(&random, 4) != 0;
        assert_ok(transaction_commit(f, transaction, synchronous, &number));
        if (number.value == 0)
            continue;
        model_apply_any_order(model, own, number.value);
        if (synchronous && number.value > model->acknowledged)
            model->acknowledged = number.value;
    }
    free(own);
    model->writers_left--;
    return STATUS_OK;
}

static enum status reader_fiber(struct fiber *f, void *argument) {
    struct model_session *session = argument;
    struct model *model = session->model;
    struct random random;
    random_seed(&random, session->seed);
    while (model->writers_left > 0) {
        struct transaction *transaction = begin(f, model->store, ISOLATION_REPEATABLE_READ);
        unsigned reads = 1 + (unsigned)random_below(&random, 4);
        for (unsigned i = 0; i < reads && seen_count + 10 < SEEN_MAX; i++) {
            see(f, model, transaction, NULL, &random);
            assert_ok(fiber_sleep(f, 200000));
        }
        assert_int_equal(commit(f, transaction), 0);
        if (random_below(&random, 8) == 0)
            bring(f, model->store,
                  (unsigned)random_below(&random, store_partition_count(model->store)),
                  random_below(&random, 2) == 0);
    }
    return STATUS_OK;
}

/* The process stands still while its files are copied: what a kill would leave. */
static enum status copier_fiber(struct fiber *f, void *argument) {
    struct model *model = argument;
    while (model->writers_left > 0 && model->copies < COPIES) {
        assert_ok(fiber_sleep(f, 15000000));
        char command[256];
        snprintf(command, sizeof command, "cp -r %s/data %s/copy%u", fixture_root, fixture_root,
                 model->copies);
        uint64_t acknowledged = model->acknowledged;
        assert_int_equal(system(command), 0);
        model->copy_acknowledged[model->copies++] = acknowledged;
        if (model->copies % 2 == 0)
            assert_ok(store_checkpoint(f, model->store));
    }
    return STATUS_OK;
}

static void copies_verify(struct fiber *f, struct model *model) {
    for (unsigned i = 0; i < model->copies; i++) {
        char name[32];
        snprintf(name, sizeof name, "copy%u", i);
        struct store_options options = store_options_at(name, false);
        assert_ok(store_open(f, &options, &model->store));
        uint64_t recovered = store_visible(model->store).value;
        assert_true(recovered >= model->copy_acknowledged[i]);
        check(f, model->store);
        model_verify_all(f, model);
        store_abandon(f, model->store);
        assert_ok(store_open(f, &options, &model->store)); /* again: replay changes nothing */
        assert_int_equal(store_visible(model->store).value, recovered);
        model_verify_all(f, model);
        assert_ok(store_close(f, model->store));
    }
}

static bool stride_now, large_now;

static enum status model_together_body(struct fiber *f, void *argument) {
    bool stride = *(bool *)argument;
    struct model model;
    seen = malloc(SEEN_MAX * sizeof *seen);
    seen_count = 0;
    model_open(&model, stride, false, 150);
    model.large = large_now;
    model.store = store_create(f);
    model.writers_left = FIBERS;
    struct model_session sessions[2 * FIBERS];
    struct task_group group;
    task_group_init(&group, f);
    for (unsigned i = 0; i < 2 * FIBERS; i++) {
        sessions[i] = (struct model_session){&model, 100 + i};
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL,
                                   i < FIBERS ? writer_fiber : reader_fiber, &sessions[i]));
    }
    if (runtime_core_count(fiber_runtime(f)) == 1)
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, copier_fiber, &model));
    assert_ok(task_group_wait(f, &group));
    assert_true(model.commits > 300 && seen_count > 20);
    seen_verify(&model);
    model_verify_all(f, &model);
    check(f, model.store);
    store_abandon(f, model.store);
    model.store = store_reopen(f);
    assert_true(store_visible(model.store).value >= model.acknowledged);
    model_verify_all(f, &model);
    assert_ok(store_close(f, model.store));
    copies_verify(f, &model);
    free(model.keys);
    free(seen);
    return STATUS_OK;
}

static enum status model_together_main(struct fiber *f, void *argument) {
    return model_together_body(f, &stride_now);
}

static void fibers_and_crashes_agree_with_the_model(void **state) {
    stride_now = false;
    fixture_run(model_together_main, 1);
    stride_now = true;
    fixture_run(model_together_main, 1);
}

static void large_entries_agree_with_the_model(void **state) {
    large_now = true;
    stride_now = true;
    fixture_run(model_together_main, 1);
    fixture_run(model_together_main, 2);
    large_now = false;
}

static void partitions_on_two_cores_agree_with_the_model(void **state) {
    stride_now = true;
    fixture_run(model_together_main, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_are_seen_by_later_snapshots_only),
        cmocka_unit_test(commits_are_seen_on_two_cores),
        cmocka_unit_test(key_state_tells_changes_since_the_snapshot),
        cmocka_unit_test(keys_of_many_sizes_are_not_seen_too_early),
        cmocka_unit_test(a_scan_goes_on_when_the_rest_was_deleted),
        cmocka_unit_test(snapshots_read_what_the_model_says),
        cmocka_unit_test(fibers_and_crashes_agree_with_the_model),
        cmocka_unit_test(partitions_on_two_cores_agree_with_the_model),
        cmocka_unit_test(large_entries_agree_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
