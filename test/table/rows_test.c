#include "table_fixture.h"

#include "base/base_memory.h"

/* ---- the table of most tests: id, a (unique, may be null), b (indexed), big ----------- */

enum { COLUMN_COUNT = 4 };

static void make_m(struct fiber *f, struct work *work) {
    static struct column_spec columns[COLUMN_COUNT] = {
        {.name = "id", .type = {TYPE_INT4, -1, 0, 0, 0}, .not_null = true},
        {.name = "a", .type = {TYPE_INT4, -1, 0, 0, 0}},
        {.name = "b", .type = {TYPE_TEXT, -1, 0, 0, 0}},
        {.name = "big", .type = {TYPE_TEXT, -1, 0, 0, 0}},
    };
    make_table(f, work, "m", columns, COLUMN_COUNT);
    make_index(f, work, "m", 'p', (int[]){1, 0});
    make_index(f, work, "m", 'u', (int[]){2, 0});
    make_index(f, work, "m", 'i', (int[]){3, -1, 0});
}

static void fill_row(struct value row[COLUMN_COUNT], int id, int a, const char *b,
                     struct slice big) {
    row[0] = value_int4(id);
    row[1] = a < 0 ? value_null(TYPE_OF(INT4)) : value_int4(a);
    row[2] = value_text(b);
    row[3] = value_string(TYPE_OF(TEXT), big);
}

static bool get_by_id(struct fiber *f, struct work *work, const struct table *table, int id,
                      struct row_address *address, struct value values[COLUMN_COUNT]) {
    struct value key = value_int4(id);
    bool found;
    assert_ok(table_get_unique(f, &work->context, table, table->indexes[0], &key,
                               (int16_t[]){1, 2, 3, 4}, COLUMN_COUNT, &found, address, values));
    return found;
}

static enum row_lock_outcome lock_row(struct fiber *f, struct work *work, const struct table *table,
                                      struct row_address address, struct value *newest) {
    enum row_lock_outcome outcome;
    assert_ok(table_lock_row(f, &work->context, table, &address, KEY_LOCK_EXCLUSIVE, LOCK_WAIT,
                             &outcome, newest));
    return outcome;
}

static bool text_is(const struct value *value, const char *text) {
    return !value->is_null && slice_equal(value->string, slice_of_text(text));
}

/* ---- random changes against a model --------------------------------------------------- */

enum { MODEL_IDS = 150, BIG_SIZE_MAX = 12000 };

struct model_row {
    bool exists;
    int a;
    char b[8];
    size_t big_size;
};

struct model {
    struct model_row rows[MODEL_IDS];
};

static uint8_t big_bytes[BIG_SIZE_MAX + MODEL_IDS];

/* The big value of a row: its id decides where in the bytes it begins. */
static struct slice big_of(int id, size_t size) {
    return slice_of(big_bytes + id, size);
}

static bool model_a_taken(const struct model *model, int a, int but_id) {
    for (int id = 0; id < MODEL_IDS; id++) {
        if (a >= 0 && id != but_id && model->rows[id].exists && model->rows[id].a == a)
            return true;
    }
    return false;
}

struct comparison {
    const struct model *model;
    bool seen[MODEL_IDS];
    size_t count;
    int last_id;
    char last_b[8];
    bool ordered_by_b, backward;
};

static void compare_row(void *context, const struct value *values) {
    struct comparison *comparison = context;
    int id = values[0].int32;
    assert_in_range(id, 0, MODEL_IDS - 1);
    const struct model_row *row = &comparison->model->rows[id];
    assert_true(row->exists);
    assert_false(comparison->seen[id]);
    comparison->seen[id] = true;
    assert_int_equal(values[1].is_null, row->a < 0);
    if (row->a >= 0)
        assert_int_equal(values[1].int32, row->a);
    assert_true(text_is(&values[2], row->b));
    assert_true(slice_equal(values[3].string, big_of(id, row->big_size)));
    if (comparison->ordered_by_b && comparison->count > 0) {
        int order = strcmp(comparison->last_b, row->b);
        if (order == 0)
            order = comparison->last_id > id ? -1 : 1; /* id descends */
        assert_true(comparison->backward ? order > 0 : order < 0);
    }
    strcpy(comparison->last_b, row->b);
    comparison->last_id = id;
    comparison->count++;
}

static size_t model_count(const struct model *model) {
    size_t count = 0;
    for (int id = 0; id < MODEL_IDS; id++)
        count += model->rows[id].exists;
    return count;
}

/* Order is by partition, so only scans of one partition can be checked for order: bind nothing and
   begin a new order on each. */
static void compare_all(struct fiber *f, struct work *work, const struct table *table,
                        const struct model *model) {
    static const int16_t columns[COLUMN_COUNT] = {1, 2, 3, 4};
    for (int kind = 0; kind < 6; kind++) {
        struct comparison comparison = {.model = model};
        struct scan_all all = {.work = work,
                               .table = table,
                               .row = compare_row,
                               .context = &comparison,
                               .options = {.column_numbers = columns,
                                           .column_count = COLUMN_COUNT,
                                           .index = kind < 2   ? NULL
                                                    : kind < 4 ? table->indexes[2]
                                                               : table->indexes[kind - 4],
                                           .backward = kind % 2 == 1}};
        comparison.backward = kind % 2 == 1;
        uint64_t partitions = table_partitions(work->context.store, table);
        for (unsigned p = 0; p < store_partition_count(work->context.store); p++) {
            if ((partitions >> p & 1) == 0)
                continue;
            size_t before = comparison.count;
            comparison.ordered_by_b = false;
            comparison.count = 0;
            comparison.ordered_by_b = kind == 2 || kind == 3;
            assert_ok(partition_call(f, work->context.store, p, scan_all_here, &all));
            comparison.count += before;
        }
        assert_int_equal(comparison.count, model_count(model));
    }
}

static enum status model_insert(struct fiber *f, struct work *work, const struct table *table,
                                struct random *random, struct model *model, int id) {
    struct model_row *row = &model->rows[id];
    struct model_row made = {.exists = true, .a = (int)random_below(random, 200) - 40};
    snprintf(made.b, sizeof made.b, "b%d", (int)random_below(random, 20));
    made.big_size = random_below(random, 8) == 0 ? random_below(random, BIG_SIZE_MAX) : 5;
    struct value values[COLUMN_COUNT];
    fill_row(values, id, made.a, made.b, big_of(id, made.big_size));
    bool taken = row->exists || model_a_taken(model, made.a, -1);
    enum status wanted = taken ? STATUS_UNIQUE_VIOLATION : STATUS_OK;
    enum status status;
    switch (random_below(random, 3)) {
    case 0: {
        bool inserted;
        assert_ok(table_insert_if_absent(f, &work->context, table, values, &inserted, NULL));
        assert_int_equal(inserted, !taken);
        if (!taken)
            *row = made;
        return STATUS_OK;
    }
    case 1: {
        struct batch batch;
        struct type types[COLUMN_COUNT] = {TYPE_OF(INT4), TYPE_OF(INT4), TYPE_OF(TEXT),
                                           TYPE_OF(TEXT)};
        batch_init(&batch, types, COLUMN_COUNT, &work->arena);
        for (int i = 0; i < COLUMN_COUNT; i++) {
            if (values[i].is_null)
                vector_set_null(&batch.vectors[i], 0);
            else
                vector_set(&batch.vectors[i], 0, &values[i], &work->arena);
        }
        batch_set_count(&batch, 1);
        int64_t address;
        status = table_insert_batch(f, &work->context, table, &batch, &address);
        break;
    }
    default:
        status = table_insert(f, &work->context, table, values, NULL);
    }
    assert_int_equal(status, wanted);
    if (!taken)
        *row = made;
    return status;
}

static enum status model_update(struct fiber *f, struct work *work, const struct table *table,
                                struct random *random, struct model *model, int id) {
    struct value old[COLUMN_COUNT], values[COLUMN_COUNT];
    struct row_address address;
    bool found = get_by_id(f, work, table, id, &address, old);
    assert_int_equal(found, model->rows[id].exists);
    if (!found)
        return STATUS_OK;
    assert_int_equal(lock_row(f, work, table, address, old), ROW_LOCKED);
    struct model_row made = model->rows[id];
    int new_id = id;
    if (random_below(random, 3) == 0)
        made.a = (int)random_below(random, 200) - 40;
    if (random_below(random, 3) == 0)
        snprintf(made.b, sizeof made.b, "b%d", (int)random_below(random, 20));
    if (random_below(random, 3) == 0)
        made.big_size = random_below(random, 2) == 0 ? random_below(random, BIG_SIZE_MAX) : 3;
    if (random_below(random, 4) == 0)
        new_id = (int)random_below(random, MODEL_IDS);
    fill_row(values, new_id, made.a, made.b, big_of(new_id, made.big_size));
    bool taken = (new_id != id && model->rows[new_id].exists) || model_a_taken(model, made.a, id);
    enum status status = table_update(f, &work->context, table, address, old, values, &address);
    assert_int_equal(status, taken ? STATUS_UNIQUE_VIOLATION : STATUS_OK);
    if (taken)
        return status;
    model->rows[id].exists = false;
    model->rows[new_id] = made;
    return STATUS_OK;
}

static enum status model_delete(struct fiber *f, struct work *work, const struct table *table,
                                struct model *model, int id) {
    struct value old[COLUMN_COUNT];
    struct row_address address;
    bool found = get_by_id(f, work, table, id, &address, old);
    assert_int_equal(found, model->rows[id].exists);
    if (!found)
        return STATUS_OK;
    assert_int_equal(lock_row(f, work, table, address, old), ROW_LOCKED);
    assert_ok(table_delete(f, &work->context, table, address, old));
    model->rows[id].exists = false;
    return STATUS_OK;
}

static void model_transaction(struct fiber *f, struct database *database, struct random *random,
                              struct model *model) {
    struct work work;
    work_begin(f, &work, database);
    const struct table *table = find_table(&work, "m");
    struct model changed = *model;
    unsigned steps = 1 + (unsigned)random_below(random, 8);
    for (unsigned step = 0; step < steps; step++) {
        int id = (int)random_below(random, MODEL_IDS);
        enum status status;
        switch (random_below(random, 4)) {
        case 0:
            status = model_delete(f, &work, table, &changed, id);
            break;
        case 1:
            status = model_update(f, &work, table, random, &changed, id);
            break;
        default:
            status = model_insert(f, &work, table, random, &changed, id);
        }
        if (status != STATUS_OK) {
            work_rollback(f, &work);
            return;
        }
        work_next(f, &work);
    }
    if (random_below(random, 6) == 0) {
        work_rollback(f, &work);
        return;
    }
    if (random_below(random, 20) == 0)
        compare_all(f, &work, table, &changed);
    *model = changed;
    work_commit(f, &work);
}

static enum status model_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_m(f, &work);
    work_commit(f, &work);
    struct random random;
    random_seed(&random, 11);
    for (size_t i = 0; i < sizeof big_bytes; i++)
        big_bytes[i] = (uint8_t)('a' + i % 26);
    struct model *model = memory_alloc_zeroed(1, sizeof *model);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 250; i++)
            model_transaction(f, &database, &random, model);
        check_all(f, &database);
        database_close(f, &database);
        database_open(f, &database, false);
        work_begin(f, &work, &database);
        compare_all(f, &work, find_table(&work, "m"), model);
        work_rollback(f, &work);
        check_all(f, &database);
    }
    memory_free(model);
    database_close(f, &database);
    return STATUS_OK;
}

static void random_changes_match_a_model(void **state) {
    fixture_run(model_body);
}

static void random_changes_match_a_model_on_two_cores(void **state) {
    fixture_run_cores(model_body, 2);
}

/* ---- words of violations -------------------------------------------------------------- */

static enum status words_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_m(f, &work);
    const struct table *table = find_table(&work, "m");
    struct value row[COLUMN_COUNT];
    fill_row(row, 1, 5, "x", slice_of_text("y"));
    assert_ok(table_insert(f, &work.context, table, row, NULL));
    assert_status(table_insert(f, &work.context, table, row, NULL), STATUS_UNIQUE_VIOLATION);
    const struct error *error = error_current();
    assert_string_equal(error->message,
                        "duplicate key value violates unique constraint \"m_pkey\"");
    assert_string_equal(error->detail, "Key (id)=(1) already exists.");
    assert_string_equal(error->table, "m");
    assert_string_equal(error->schema, "public");
    assert_string_equal(error->constraint, "m_pkey");
    row[0] = value_int4(2);
    assert_status(table_insert(f, &work.context, table, row, NULL), STATUS_UNIQUE_VIOLATION);
    assert_string_equal(error_current()->constraint, "m_a_key");
    fill_row(row, 3, -1, "x",
             slice_of_text("a value that is longer than sixty-four bytes is cut "
                           "off somewhere near its end"));
    row[0].is_null = true;
    assert_status(table_insert(f, &work.context, table, row, NULL), STATUS_NOT_NULL_VIOLATION);
    error = error_current();
    assert_string_equal(error->message, "null value in column \"id\" of relation \"m\" violates "
                                        "not-null constraint");
    assert_string_equal(error->detail,
                        "Failing row contains (null, null, x, a value that is longer than "
                        "sixty-four bytes is cut off somewher...).");
    assert_string_equal(error->column, "id");
    work_rollback(f, &work);
    database_close(f, &database);
    return STATUS_OK;
}

static void violations_speak_postgresqls_words(void **state) {
    fixture_run(words_body);
}

/* ---- waiting for a concurrent inserter ------------------------------------------------ */

struct waiter {
    struct database *database;
    enum status status;
    bool began, done;
};

static enum status insert_one(struct fiber *f, void *argument) {
    struct waiter *waiter = argument;
    struct work work;
    work_begin(f, &work, waiter->database);
    struct value row[COLUMN_COUNT];
    fill_row(row, 1, 1, "second", slice_of_text(""));
    waiter->began = true;
    waiter->status = table_insert(f, &work.context, find_table(&work, "m"), row, NULL);
    waiter->done = true;
    if (waiter->status == STATUS_OK)
        work_commit(f, &work);
    else
        work_rollback(f, &work);
    return STATUS_OK;
}

static enum status wait_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_m(f, &work);
    work_commit(f, &work);
    for (int commits = 0; commits < 2; commits++) {
        work_begin(f, &work, &database);
        struct value row[COLUMN_COUNT];
        fill_row(row, 1, 7, "first", slice_of_text(""));
        assert_ok(table_insert(f, &work.context, find_table(&work, "m"), row, NULL));
        struct waiter waiter = {.database = &database};
        struct task_group group;
        task_group_init(&group, f);
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, insert_one, &waiter));
        for (int i = 0; i < 20; i++)
            assert_ok(fiber_sleep(f, 1000 * 1000));
        assert_true(waiter.began);
        assert_false(waiter.done);
        if (commits == 1)
            work_commit(f, &work);
        else
            work_rollback(f, &work);
        assert_ok(task_group_wait(f, &group));
        assert_int_equal(waiter.status, commits == 1 ? STATUS_UNIQUE_VIOLATION : STATUS_OK);
        /* Away with it, for the second round: a deleter is waited for as well. */
        work_begin(f, &work, &database);
        const struct table *table = find_table(&work, "m");
        struct value old[COLUMN_COUNT];
        struct row_address address;
        assert_true(get_by_id(f, &work, table, 1, &address, old));
        assert_true(text_is(&old[2], commits == 1 ? "first" : "second"));
        assert_int_equal(lock_row(f, &work, table, address, old), ROW_LOCKED);
        assert_ok(table_delete(f, &work.context, table, address, old));
        waiter = (struct waiter){.database = &database};
        task_group_init(&group, f);
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, insert_one, &waiter));
        for (int i = 0; i < 20; i++)
            assert_ok(fiber_sleep(f, 1000 * 1000));
        assert_true(waiter.began);
        assert_false(waiter.done);
        work_commit(f, &work);
        assert_ok(task_group_wait(f, &group));
        assert_int_equal(waiter.status, STATUS_OK);
        work_begin(f, &work, &database);
        table = find_table(&work, "m");
        assert_true(get_by_id(f, &work, table, 1, &address, old));
        assert_int_equal(lock_row(f, &work, table, address, old), ROW_LOCKED);
        assert_ok(table_delete(f, &work.context, table, address, old));
        work_commit(f, &work);
    }
    check_all(f, &database);
    database_close(f, &database);
    return STATUS_OK;
}

static void an_inserter_waits_for_who_holds_the_key(void **state) {
    fixture_run(wait_body);
}

/* ---- large values --------------------------------------------------------------------- */

static enum status large_body(struct fiber *f, void *argument) {
    static const size_t sizes[] = {0,      1,        12,   13,   2000, 4000,    4001, 8192,
                                   100000, 20 << 20, 3500, 7000, 7001, 5000000, 64,   3};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_m(f, &work);
    work_commit(f, &work);
    uint8_t *bytes = memory_alloc(20 << 20);
    for (size_t i = 0; i < 20 << 20; i++)
        bytes[i] = (uint8_t)(i * 31 + i / 4099);

    for (int round = 0; round < SIZES; round++) {
        work_begin(f, &work, &database);
        const struct table *table = find_table(&work, "m");
        struct value row[COLUMN_COUNT], old[COLUMN_COUNT];
        fill_row(row, 1, round, "x", slice_of(bytes, sizes[round]));
        if (round == 0) {
            assert_ok(table_insert(f, &work.context, table, row, NULL));
        } else {
            struct row_address address;
            assert_true(get_by_id(f, &work, table, 1, &address, old));
            assert_int_equal(lock_row(f, &work, table, address, old), ROW_LOCKED);
            assert_true(slice_equal(old[3].string, slice_of(bytes, sizes[round - 1])));
            assert_ok(table_update(f, &work.context, table, address, old, row, NULL));
        }
        /* An older snapshot goes on seeing the older value. */
        struct work before;
        work_begin_with(f, &before, &database, ISOLATION_REPEATABLE_READ);
        work_commit(f, &work);
        struct row_address address;
        if (round > 0) {
            assert_true(get_by_id(f, &before, find_table(&before, "m"), 1, &address, old));
            assert_true(slice_equal(old[3].string, slice_of(bytes, sizes[round - 1])));
        }
        work_rollback(f, &before);
        check_all(f, &database);
    }
    work_begin(f, &work, &database);
    const struct table *table = find_table(&work, "m");
    struct value old[COLUMN_COUNT];
    struct row_address address;
    assert_true(get_by_id(f, &work, table, 1, &address, old));
    assert_int_equal(lock_row(f, &work, table, address, old), ROW_LOCKED);
    assert_ok(table_delete(f, &work.context, table, address, old));
    work_commit(f, &work);
    check_all(f, &database); /* no pieces without a row */
    memory_free(bytes);
    database_close(f, &database);
    return STATUS_OK;
}

static void large_values_come_back_and_go(void **state) {
    fixture_run(large_body);
}

/* A row that is too long even without long values: many short ones. */
enum { WIDE_COLUMNS = 1600 };

static enum status wide_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    struct column_spec *columns = memory_alloc_zeroed(WIDE_COLUMNS, sizeof *columns);
    struct value *row = memory_alloc_zeroed(WIDE_COLUMNS, sizeof *row);
    struct value *back = memory_alloc_zeroed(WIDE_COLUMNS, sizeof *back);
    for (int i = 0; i < WIDE_COLUMNS; i++) {
        columns[i].name = arena_format(&work.arena, "c%d", i);
        columns[i].type = i % 10 == 9 ? TYPE_OF(TEXT) : TYPE_OF(INT8);
        row[i] = i % 10 == 9 ? value_text("some short text of thirty bytes") : value_int8(i);
    }
    const struct table *table = make_table(f, &work, "wide", columns, WIDE_COLUMNS);
    struct row_address addresses[3];
    for (int k = 0; k < 3; k++) {
        row[0] = value_int8(k);
        assert_ok(table_insert(f, &work.context, table, row, &addresses[k]));
    }
    work_next(f, &work);
    assert_int_equal(lock_row(f, &work, table, addresses[1], back), ROW_LOCKED);
    for (int i = 0; i < WIDE_COLUMNS; i++)
        row[i] = value_null(columns[i].type);
    row[0] = value_int8(1);
    assert_ok(table_update(f, &work.context, table, addresses[1], back, row, NULL));
    work_next(f, &work);
    static const int16_t some[] = {1, 1600, 0};
    struct scan_all all = {
        .work = &work, .table = table, .options = {.column_numbers = some, .column_count = 3}};
    assert_int_equal(scan_table(f, &all), 3);
    bool found;
    assert_ok(table_fetch(f, &work.context, table, addresses[2], some, 2, &found, back));
    assert_true(found && back[0].int64 == 2);
    assert_true(text_is(&back[1], "some short text of thirty bytes"));
    work_commit(f, &work);
    check_all(f, &database);
    work_begin(f, &work, &database);
    table = find_table(&work, "wide");
    assert_int_equal(lock_row(f, &work, table, addresses[0], back), ROW_LOCKED);
    assert_ok(table_delete(f, &work.context, table, addresses[0], back));
    work_commit(f, &work);
    check_all(f, &database);
    memory_free(columns);
    memory_free(row);
    memory_free(back);
    database_close(f, &database);
    return STATUS_OK;
}

static void rows_may_be_longer_than_a_page(void **state) {
    fixture_run(wide_body);
}

/* ---- batches ---------------------------------------------------------------------------- */

static enum status insert_ids(struct fiber *f, struct work *work, const int *ids, uint32_t count) {
    struct type types[COLUMN_COUNT] = {TYPE_OF(INT4), TYPE_OF(INT4), TYPE_OF(TEXT), TYPE_OF(TEXT)};
    struct batch batch;
    batch_init(&batch, types, COLUMN_COUNT, &work->arena);
    for (uint32_t i = 0; i < count; i++) {
        struct value row[COLUMN_COUNT];
        fill_row(row, ids[i], -1, "b", slice_of_text("c"));
        for (int c = 0; c < COLUMN_COUNT; c++) {
            if (row[c].is_null)
                vector_set_null(&batch.vectors[c], i);
            else
                vector_set(&batch.vectors[c], i, &row[c], &work->arena);
        }
    }
    batch_set_count(&batch, count);
    return table_insert_batch(f, &work->context, find_table(work, "m"), &batch, NULL);
}

static enum status batch_body(struct fiber *f, void *argument) {
    enum { COUNT = 1000 };
    static int ids[COUNT];
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_m(f, &work);
    for (int own = 1; own >= 0; own--) { /* in the transaction that made the table, and later */
        for (int i = 0; i < COUNT; i++)
            ids[i] = i + (1 - own) * COUNT;
        assert_ok(insert_ids(f, &work, ids, COUNT));
        assert_int_equal(count_rows(f, &work, find_table(&work, "m")), (1 - own) * COUNT);
        work_commit(f, &work);
        work_begin(f, &work, &database);
    }
    assert_int_equal(count_rows(f, &work, find_table(&work, "m")), 2 * COUNT);
    /* One key among rising ones is there. */
    for (int i = 0; i < COUNT; i++)
        ids[i] = i < 500 ? i - 500 : i == 500 ? 77 : i * 10;
    assert_status(insert_ids(f, &work, ids, COUNT), STATUS_UNIQUE_VIOLATION);
    assert_string_equal(error_current()->detail, "Key (id)=(77) already exists.");
    work_rollback(f, &work);
    /* Twice in one batch: side by side, and far apart. */
    for (int apart = 0; apart < 2; apart++) {
        work_begin(f, &work, &database);
        for (int i = 0; i < COUNT; i++)
            ids[i] = 5000 + i;
        ids[apart ? 3 : 899] = 5900;
        assert_status(insert_ids(f, &work, ids, COUNT), STATUS_UNIQUE_VIOLATION);
        assert_string_equal(error_current()->detail, "Key (id)=(5900) already exists.");
        work_rollback(f, &work);
    }
    work_begin(f, &work, &database); /* a falling order without duplicates */
    for (int i = 0; i < COUNT; i++)
        ids[i] = 9000 - i;
    assert_ok(insert_ids(f, &work, ids, COUNT));
    assert_status(insert_ids(f, &work, ids + 10, 1), STATUS_UNIQUE_VIOLATION);
    work_rollback(f, &work);
    check_all(f, &database);
    database_close(f, &database);
    return STATUS_OK;
}

static void a_batch_finds_every_duplicate(void **state) {
    fixture_run(batch_body);
}

/* ---- what a lock tells ------------------------------------------------------------------- */

static void change_b(struct fiber *f, struct database *database, int id, const char *b) {
    struct work work;
    work_begin(f, &work, database);
    const struct table *table = find_table(&work, "m");
    struct value old[COLUMN_COUNT], row[COLUMN_COUNT];
    struct row_address address;
    assert_true(get_by_id(f, &work, table, id, &address, old));
    assert_int_equal(lock_row(f, &work, table, address, old), ROW_LOCKED);
    memcpy(row, old, sizeof row);
    row[2] = value_text(b == NULL ? "" : b);
    if (b == NULL)
        assert_ok(table_delete(f, &work.context, table, address, old));
    else
        assert_ok(table_update(f, &work.context, table, address, old, row, NULL));
    assert_int_equal(lock_row(f, &work, table, address, NULL), ROW_ALREADY_STAGED);
    work_commit(f, &work);
}

static enum status lock_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_m(f, &work);
    assert_ok(insert_ids(f, &work, (int[]){1, 2}, 2));
    work_commit(f, &work);
    for (int repeatable = 0; repeatable < 2; repeatable++) {
        work_begin_with(f, &work, &database,
                        repeatable ? ISOLATION_REPEATABLE_READ : ISOLATION_READ_COMMITTED);
        const struct table *table = find_table(&work, "m");
        struct value seen[COLUMN_COUNT], newest[COLUMN_COUNT];
        struct row_address address, other;
        assert_true(get_by_id(f, &work, table, 1, &address, seen));
        assert_true(get_by_id(f, &work, table, 2, &other, seen));
        change_b(f, &database, 1, repeatable ? "changed again" : "changed");
        enum row_lock_outcome outcome;
        enum status status = table_lock_row(f, &work.context, table, &address, KEY_LOCK_EXCLUSIVE,
                                            LOCK_WAIT, &outcome, newest);
        if (repeatable) {
            assert_int_equal(status, STATUS_SERIALIZATION_FAILURE);
            assert_string_equal(error_current()->message,
                                "could not serialize access due to concurrent update");
        } else {
            assert_ok(status);
            assert_int_equal(outcome, ROW_LOCKED_CHANGED);
            assert_true(text_is(&newest[2], "changed"));
            change_b(f, &database, 2, NULL);
            assert_int_equal(lock_row(f, &work, table, other, newest), ROW_DELETED);
        }
        work_rollback(f, &work);
        if (!repeatable) {
            work_begin(f, &work, &database);
            assert_ok(insert_ids(f, &work, (int[]){2}, 1));
            work_commit(f, &work);
        }
    }
    database_close(f, &database);
    return STATUS_OK;
}

static void a_lock_tells_what_happened_to_the_row(void **state) {
    fixture_run(lock_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_match_a_model),
        cmocka_unit_test(random_changes_match_a_model_on_two_cores),
        cmocka_unit_test(violations_speak_postgresqls_words),
        cmocka_unit_test(an_inserter_waits_for_who_holds_the_key),
        cmocka_unit_test(large_values_come_back_and_go),
        cmocka_unit_test(rows_may_be_longer_than_a_page),
        cmocka_unit_test(a_batch_finds_every_duplicate),
        cmocka_unit_test(a_lock_tells_what_happened_to_the_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
