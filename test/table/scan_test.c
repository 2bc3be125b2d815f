#include "table_fixture.h"

#include "value/value_numeric.h"

/* ---- ranges --------------------------------------------------------------------------- */

enum { RANGE_ROWS = 400 };

struct range_model {
    int32_t a[RANGE_ROWS], b[RANGE_ROWS];
    bool a_null[RANGE_ROWS], b_null[RANGE_ROWS];
};

struct range_case {
    const struct range_model *model;
    const struct table_scan_options *options;
    bool seen[RANGE_ROWS];
    size_t count;
};

static void see_row(void *context, const struct value *values) {
    struct range_case *one = context;
    int32_t id = values[0].int32;
    assert_in_range(id, 0, RANGE_ROWS - 1);
    assert_false(one->seen[id]);
    one->seen[id] = true;
    one->count++;
    struct row_address address = row_address_unpack(values[1].int64);
    assert_true(address.row.value > 0 && address.partition < 4);
}

static bool wanted(const struct range_model *model, int id,
                   const struct table_scan_options *options) {
    bool has_range = options->lower != NULL || options->upper != NULL;
    const int32_t value[2] = {model->a[id], model->b[id]};
    const bool is_null[2] = {model->a_null[id], model->b_null[id]};
    for (size_t i = 0; i < options->equal_count; i++) {
        if (is_null[i] || value[i] != options->equal[i].int32)
            return false;
    }
    if (!has_range)
        return true;
    size_t at = options->equal_count;
    if (is_null[at])
        return false;
    if (options->lower != NULL && (options->lower_exclusive ? value[at] <= options->lower->int32
                                                            : value[at] < options->lower->int32))
        return false;
    if (options->upper != NULL && (options->upper_exclusive ? value[at] >= options->upper->int32
                                                            : value[at] > options->upper->int32))
        return false;
    return true;
}

static void try_range(struct fiber *f, struct work *work, const struct table *table,
                      const struct range_model *model, const struct table_scan_options *options) {
    struct range_case one = {.model = model, .options = options};
    struct scan_all all = {
        .work = work, .table = table, .row = see_row, .context = &one, .options = *options};
    scan_table(f, &all);
    for (int id = 0; id < RANGE_ROWS; id++)
        assert_int_equal(one.seen[id], wanted(model, id, options));
}

static int32_t random_value(struct random *random) {
    static const int32_t extremes[] = {INT32_MIN, INT32_MIN + 1, -1, 0, INT32_MAX - 1, INT32_MAX};
    if (random_below(random, 6) == 0)
        return extremes[random_below(random, 6)];
    return (int32_t)random_below(random, 20) - 10;
}

/* kinds of index: both ascending, descending first, descending second; key_kind 'p' has no null
   markers. */
static enum status ranges_on(struct fiber *f, struct database *database, struct random *random,
                             const int *index_columns, bool not_null) {
    struct work work;
    work_begin(f, &work, database);
    struct column_spec columns[] = {
        {.name = "id", .type = TYPE_OF(INT4)},
        {.name = "a", .type = TYPE_OF(INT4), .not_null = not_null},
        {.name = "b", .type = TYPE_OF(INT4), .not_null = not_null},
    };
    make_table(f, &work, "r", columns, 3);
    make_index(f, &work, "r", not_null ? 'p' : 'i', index_columns);
    const struct table *table = find_table(&work, "r");
    static struct range_model model;
    memset(&model, 0, sizeof model);
    for (int id = 0; id < RANGE_ROWS; id++) {
        model.a[id] = not_null ? (id < 2 ? (id ? INT32_MAX : INT32_MIN) : id % 20 - 10)
                               : random_value(random);
        model.b[id] = not_null ? id : random_value(random);
        model.a_null[id] = !not_null && random_below(random, 8) == 0;
        model.b_null[id] = !not_null && random_below(random, 8) == 0;
        struct value row[3] = {value_int4(id), value_int4(model.a[id]), value_int4(model.b[id])};
        row[1].is_null = model.a_null[id];
        row[2].is_null = model.b_null[id];
        assert_ok(table_insert(f, &work.context, table, row, NULL));
    }
    work_next(f, &work);
    static const int16_t wanted_columns[] = {1, 0};
    for (int i = 0; i < 400; i++) {
        struct value equal[2] = {value_int4(random_value(random)),
                                 value_int4(random_value(random))};
        struct value lower = value_int4(random_value(random)),
                     upper = value_int4(random_value(random));
        struct table_scan_options options = {
            .column_numbers = wanted_columns,
            .column_count = 2,
            .index = table->indexes[0],
            .equal = equal,
            .equal_count = random_below(random, 3),
            .backward = random_below(random, 2) != 0,
            .lower_exclusive = random_below(random, 2) != 0,
            .upper_exclusive = random_below(random, 2) != 0,
        };
        if (options.equal_count < 2 && random_below(random, 2) != 0)
            options.lower = &lower;
        if (options.equal_count < 2 && random_below(random, 2) != 0)
            options.upper = &upper;
        try_range(f, &work, table, &model, &options);
    }
    work_rollback(f, &work);
    return STATUS_OK;
}

static enum status ranges_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct random random;
    random_seed(&random, 3);
    TRY(ranges_on(f, &database, &random, (int[]){2, 3, 0}, false));
    TRY(ranges_on(f, &database, &random, (int[]){-2, 3, 0}, false));
    TRY(ranges_on(f, &database, &random, (int[]){2, -3, 0}, false));
    TRY(ranges_on(f, &database, &random, (int[]){2, 3, 0}, true));
    TRY(ranges_on(f, &database, &random, (int[]){-2, -3, 0}, true));
    database_close(f, &database);
    return STATUS_OK;
}

static void index_ranges_match_a_model(void **state) {
    fixture_run(ranges_body);
}

/* ---- snapshots ------------------------------------------------------------------------ */

enum { ACCOUNTS = 120, WRITERS = 4, TRANSFERS = 60, OPENING = 1000 };

struct bank {
    struct database *database;
    bool stop;
    unsigned scans, transfers, conflicts;
    uint64_t seed;
};

static enum status transfer(struct fiber *f, struct work *work, const struct table *table, int from,
                            int to, int amount) {
    int ids[2] = {from < to ? from : to, from < to ? to : from};
    for (int i = 0; i < 2; i++) {
        struct value key = value_int4(ids[i]), old[3];
        struct row_address address;
        bool found;
        TRY(table_get_unique(f, &work->context, table, table->indexes[0], &key,
                             (int16_t[]){1, 2, 3}, 3, &found, &address, old));
        assert_true(found);
        enum row_lock_outcome outcome;
        TRY(table_lock_row(f, &work->context, table, &address, KEY_LOCK_EXCLUSIVE, LOCK_WAIT,
                           &outcome, old));
        assert_true(outcome == ROW_LOCKED || outcome == ROW_LOCKED_CHANGED);
        struct value row[3] = {old[0], old[1], old[2]};
        row[1].int32 += ids[i] == from ? -amount : amount;
        row[2] = value_int4(old[2].int32 + 1 + amount); /* the indexed column moves on */
        TRY(table_update(f, &work->context, table, address, old, row, NULL));
    }
    return STATUS_OK;
}

static enum status writer(struct fiber *f, void *argument) {
    struct bank *bank = argument;
    struct random random;
    random_seed(&random, ++bank->seed);
    for (int i = 0; i < TRANSFERS; i++) {
        struct work work;
        work_begin(f, &work, bank->database);
        int from = (int)random_below(&random, ACCOUNTS);
        int to = (from + 1 + (int)random_below(&random, ACCOUNTS - 1)) % ACCOUNTS;
        enum status status =
            transfer(f, &work, find_table(&work, "bank"), from, to, (int)random_below(&random, 50));
        if (status == STATUS_OK && random_below(&random, 8) != 0) {
            work_commit(f, &work);
            bank->transfers++;
        } else {
            work_rollback(f, &work);
            bank->conflicts += status != STATUS_OK;
        }
        fiber_yield(f);
    }
    return STATUS_OK;
}

static void add_up(void *context, const struct value *values) {
    *(int64_t *)context += values[0].int32;
}

/* One snapshot: the sum never changes, by any way through the table, however long it takes. */
static enum status reader(struct fiber *f, void *argument) {
    struct bank *bank = argument;
    static const int16_t balance = 2;
    while (!bank->stop) {
        struct work work;
        work_begin_with(f, &work, bank->database, ISOLATION_REPEATABLE_READ);
        const struct table *table = find_table(&work, "bank");
        for (int kind = 0; kind < 6; kind++) {
            int64_t sum = 0;
            struct scan_all all = {
                .work = &work,
                .table = table,
                .row = add_up,
                .context = &sum,
                .options = {.column_numbers = &balance,
                            .column_count = 1,
                            .index = kind < 2 ? NULL : table->indexes[kind / 2 - 1],
                            .backward = kind % 2 == 1}};
            assert_int_equal(scan_table(f, &all), ACCOUNTS);
            assert_int_equal(sum, ACCOUNTS * OPENING);
            fiber_yield(f);
        }
        bank->scans++;
        work_rollback(f, &work);
    }
    return STATUS_OK;
}

static enum status bank_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    static struct column_spec columns[] = {
        {.name = "id", .type = {TYPE_INT4, -1, 0, 0, 0}},
        {.name = "balance", .type = {TYPE_INT4, -1, 0, 0, 0}},
        {.name = "moves", .type = {TYPE_INT4, -1, 0, 0, 0}},
    };
    make_table(f, &work, "bank", columns, 3);
    make_index(f, &work, "bank", 'p', (int[]){1, 0});
    make_index(f, &work, "bank", 'i', (int[]){3, 0});
    for (int i = 0; i < ACCOUNTS; i++) {
        struct value row[3] = {value_int4(i), value_int4(OPENING), value_int4(0)};
        assert_ok(table_insert(f, &work.context, find_table(&work, "bank"), row, NULL));
    }
    work_commit(f, &work);
    struct bank bank = {.database = &database};
    struct task_group writers, readers;
    task_group_init(&writers, f);
    task_group_init(&readers, f);
    for (int i = 0; i < 2; i++)
        assert_ok(task_group_spawn(f, &readers, FIBER_NORMAL, reader, &bank));
    for (int i = 0; i < WRITERS; i++)
        assert_ok(task_group_spawn(f, &writers, FIBER_NORMAL, writer, &bank));
    assert_ok(task_group_wait(f, &writers));
    bank.stop = true;
    assert_ok(task_group_wait(f, &readers));
    assert_true(bank.transfers > WRITERS * TRANSFERS / 2);
    assert_int_equal(bank.conflicts, 0);
    assert_true(bank.scans > 0);
    check_all(f, &database);
    database_close(f, &database);
    return STATUS_OK;
}

static void a_snapshot_does_not_move(void **state) {
    fixture_run(bank_body);
}

static void a_snapshot_does_not_move_on_two_cores(void **state) {
    fixture_run_cores(bank_body, 2);
}

/* ---- a primary key for rows that are there -------------------------------------------- */

static enum status late_key_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    static struct column_spec columns[] = {
        {.name = "x", .type = {TYPE_TEXT, -1, 0, 0, 0}},
        {.name = "id", .type = {TYPE_INT8, -1, 0, 0, 0}},
    };
    make_table(f, &work, "late", columns, 2);
    make_index(f, &work, "late", 'x', (int[]){1, 0});
    work_commit(f, &work);
    work_begin(f, &work, &database);
    const struct table *table = find_table(&work, "late");
    assert_int_equal(table->partition_column, 0);
    enum { ROWS = 5000 };
    struct type types[] = {TYPE_OF(TEXT), TYPE_OF(INT8)};
    struct batch batch;
    batch_init(&batch, types, 2, &work.arena);
    for (int i = 0; i < ROWS; i++) {
        uint32_t at = (uint32_t)(i % 1000);
        char *text = arena_format(&work.arena, "row number %d of many", i);
        struct value x = value_text(text), id = value_int8(i);
        vector_set(&batch.vectors[0], at, &x, NULL);
        vector_set(&batch.vectors[1], at, &id, NULL);
        if (at == 999) {
            batch_set_count(&batch, 1000);
            assert_ok(table_insert_batch(f, &work.context, table, &batch, NULL));
        }
    }
    work_commit(f, &work);

    work_begin(f, &work, &database);
    table = find_table(&work, "late");
    /* A value too long for its index. */
    uint8_t *bytes = arena_alloc(&work.arena, 60000);
    memset(bytes, 'z', 60000);
    struct value big[2] = {value_string(TYPE_OF(TEXT), slice_of(bytes, 60000)), value_int8(ROWS)};
    assert_status(table_insert(f, &work.context, table, big, NULL), STATUS_LIMIT_EXCEEDED);
    work_rollback(f, &work);

    work_begin(f, &work, &database);
    make_index(f, &work, "late", 'p', (int[]){2, 0});
    table = find_table(&work, "late");
    assert_int_equal(table->partition_column, 2);
    assert_true(table->indexes[0]->primary && table->indexes[0]->local);
    assert_true(table->columns[1].not_null);
    assert_int_equal(count_rows(f, &work, table), ROWS);
    work_commit(f, &work);
    check_all(f, &database);
    database_close(f, &database);

    database_open(f, &database, false);
    check_all(f, &database);
    work_begin(f, &work, &database);
    table = find_table(&work, "late");
    for (int i = 0; i < ROWS; i += 37) {
        struct value key = value_int8(i), x;
        bool found;
        assert_ok(table_get_unique(f, &work.context, table, table->indexes[0], &key, (int16_t[]){1},
                                   1, &found, NULL, &x));
        assert_true(found);
        char *text = arena_format(&work.arena, "row number %d of many", i);
        assert_true(slice_equal(x.string, slice_of_text(text)));
        assert_ok(table_get_unique(f, &work.context, table, table->indexes[1], &x, (int16_t[]){2},
                                   1, &found, NULL, &key));
        assert_true(found && key.int64 == i);
    }
    struct table_counts counts;
    assert_ok(table_count_estimate(f, &work.context, table, &counts));
    assert_in_range(counts.rows, ROWS / 2, ROWS * 2);
    assert_int_equal(counts.cold, 0); /* nothing was frozen */
    /* Truncation gives empty trees, and takes them back. */
    assert_ok(
        catalog_truncate(f, database.catalog, work.context.transaction, work.schema, table, true));
    work_refresh(f, &work);
    assert_int_equal(count_rows(f, &work, find_table(&work, "late")), 0);
    work_rollback(f, &work);
    work_begin(f, &work, &database);
    assert_int_equal(count_rows(f, &work, find_table(&work, "late")), ROWS);
    assert_ok(catalog_truncate(f, database.catalog, work.context.transaction, work.schema,
                               find_table(&work, "late"), true));
    work_commit(f, &work);
    work_begin(f, &work, &database);
    assert_int_equal(count_rows(f, &work, find_table(&work, "late")), 0);
    work_rollback(f, &work);
    check_all(f, &database);
    database_close(f, &database);
    return STATUS_OK;
}

static void a_late_primary_key_moves_the_rows(void **state) {
    fixture_run(late_key_body);
}

static void a_late_primary_key_moves_the_rows_on_two_cores(void **state) {
    fixture_run_cores(late_key_body, 2);
}

static enum status duplicates_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    static struct column_spec columns[] = {
        {.name = "a", .type = {TYPE_INT4, -1, 0, 0, 0}},
        {.name = "n", .type = {TYPE_INT4, -1, 0, 0, 0}},
    };
    make_table(f, &work, "d", columns, 2);
    for (int i = 0; i < 10; i++) {
        struct value row[2] = {value_int4(i / 2), value_null(TYPE_OF(INT4))};
        assert_ok(table_insert(f, &work.context, find_table(&work, "d"), row, NULL));
    }
    work_commit(f, &work);
    for (int kind = 0; kind < 3; kind++) {
        work_begin(f, &work, &database);
        const char kinds[] = "xup";
        assert_status(try_index(f, &work, "d", kinds[kind], (int[]){1, 0}),
                      STATUS_UNIQUE_VIOLATION);
        assert_string_equal(error_current()->message,
                            kind == 0   ? "could not create unique index \"d_a_idx\""
                            : kind == 1 ? "could not create unique index \"d_a_key\""
                                        : "could not create unique index \"d_pkey\"");
        assert_int_equal(strncmp(error_current()->detail, "Key (a)=(", 9), 0);
        assert_non_null(strstr(error_current()->detail, "is duplicated."));
        work_rollback(f, &work);
    }
    work_begin(f, &work, &database);
    assert_status(try_index(f, &work, "d", 'p', (int[]){2, 0}), STATUS_NOT_NULL_VIOLATION);
    assert_string_equal(error_current()->message,
                        "column \"n\" of relation \"d\" contains null values");
    work_rollback(f, &work);
    work_begin(f, &work, &database);
    make_index(f, &work, "d", 'x', (int[]){2, 0}); /* nulls are distinct */
    work_commit(f, &work);
    check_all(f, &database);
    database_close(f, &database);
    return STATUS_OK;
}

static void duplicates_keep_a_unique_index_from_being_made(void **state) {
    fixture_run(duplicates_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_ranges_match_a_model),
        cmocka_unit_test(a_snapshot_does_not_move),
        cmocka_unit_test(a_snapshot_does_not_move_on_two_cores),
        cmocka_unit_test(a_late_primary_key_moves_the_rows),
        cmocka_unit_test(a_late_primary_key_moves_the_rows_on_two_cores),
        cmocka_unit_test(duplicates_keep_a_unique_index_from_being_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
