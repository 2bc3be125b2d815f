/* Scans whose blocks are not in memory: what they ask for before it is due, and what becomes of it
   when they end otherwise. */
#include "table_fixture.h"

enum { BULKS = 5, BULK_ROWS = 24000, ROWS = BULKS * BULK_ROWS, COLUMNS = 3 };

static int64_t noise(int64_t id) {
    uint64_t x = (uint64_t)id * 0x9E3779B97F4A7C15ull;
    return (int64_t)(x ^ x >> 29);
}

static void fill(struct fiber *f, struct work *work) {
    struct type types[COLUMNS] = {TYPE_OF(INT8), TYPE_OF(INT8), TYPE_OF(INT8)};
    struct arena arena = {0};
    struct batch batch;
    batch_init(&batch, types, COLUMNS, &arena);
    int64_t id = 0;
    for (unsigned bulk_number = 0; bulk_number < BULKS; bulk_number++) {
        struct table_bulk *bulk; /* with blocks of its own */
        assert_ok(table_bulk_open(f, &work->context, find_table(work, "t"), &bulk));
        for (unsigned done = 0; done < BULK_ROWS;) {
            uint32_t count = 0;
            for (; done < BULK_ROWS && count < VECTOR_SIZE; count++, done++, id++) {
                struct value values[COLUMNS] = {value_int8(noise(id)), value_int8(noise(id + ROWS)),
                                                value_int8(bulk_number)};
                for (unsigned c = 0; c < COLUMNS; c++)
                    vector_set(&batch.vectors[c], count, &values[c], &arena);
            }
            batch_set_count(&batch, count);
            assert_ok(table_bulk_insert(f, bulk, &batch));
            batch_reset(&batch);
        }
        assert_ok(table_bulk_finish(f, bulk));
        table_bulk_close(bulk);
    }
    arena_release(&arena);
}

static void start(struct fiber *f, struct database *database) {
    struct column_spec columns[COLUMNS] = {{.name = "a", .type = TYPE_OF(INT8)},
                                           {.name = "b", .type = TYPE_OF(INT8)},
                                           {.name = "bulk", .type = TYPE_OF(INT8)}};
    struct work work;
    database_open(f, database, true);
    work_begin(f, &work, database);
    make_table(f, &work, "t", columns, COLUMNS);
    work_commit(f, &work);
    work_begin(f, &work, database);
    fill(f, &work);
    work_commit(f, &work);
}

/* Afterwards nothing is in memory. */
static void restart(struct fiber *f, struct database *database) {
    database_close(f, database);
    database_open(f, database, false);
}

/* A scan of all partitions, one after the other, `batches_max` batches of each. */
struct reading {
    struct work *work;
    struct table_scan_options options;
    unsigned batches_max;
    struct table_scan_figures figures; /* of all */
    uint64_t rows, sum;
};

static enum status read_here(struct fiber *f, struct partition *partition, void *argument) {
    struct reading *reading = argument;
    struct table_scan *scan;
    struct batch *batch = NULL;
    TRY(table_scan_open(f, &reading->work->context, find_table(reading->work, "t"), partition,
                        &reading->options, &scan));
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < reading->batches_max && status == STATUS_OK; i++) {
        status = table_scan_next(f, scan, &batch);
        if (status != STATUS_OK || batch == NULL)
            break;
        for (uint32_t row = 0; row < batch->selected_count; row++)
            for (uint32_t c = 0; c < batch->column_count; c++)
                reading->sum +=
                    (uint64_t)vector_get(&batch->vectors[c], batch_row(batch, row)).int64;
        reading->rows += batch->selected_count;
    }
    struct table_scan_figures figures;
    table_scan_figures(scan, &figures);
    reading->figures.blocks += figures.blocks;
    reading->figures.chunks_ahead += figures.chunks_ahead;
    table_scan_close(f, scan);
    return status;
}

static const int16_t a_and_b[] = {1, 2};

static enum status read_all(struct fiber *f, struct reading *reading) {
    struct store *store = reading->work->context.store;
    reading->options.column_numbers = a_and_b;
    reading->options.column_count = 2;
    reading->rows = reading->sum = 0;
    reading->figures = (struct table_scan_figures){0};
    if (reading->batches_max == 0)
        reading->batches_max = UINT32_MAX;
    for (unsigned p = 0; p < store_partition_count(store); p++)
        TRY(partition_call(f, store, p, read_here, reading));
    return STATUS_OK;
}

static uint64_t expected_sum(void) {
    uint64_t sum = 0;
    for (int64_t id = 0; id < 2 * ROWS; id++)
        sum += (uint64_t)noise(id);
    return sum;
}

static enum status whole_body(struct fiber *f, void *argument) {
    struct database database;
    struct work work;
    start(f, &database);
    restart(f, &database);
    work_begin(f, &work, &database);
    struct reading reading = {.work = &work};
    assert_ok(read_all(f, &reading));
    assert_int_equal(reading.rows, ROWS);
    assert_true(reading.sum == expected_sum());
    assert_true(reading.figures.blocks >= 3 * BULKS);
    assert_int_equal(reading.figures.chunks_ahead, 2 * reading.figures.blocks);
    assert_ok(read_all(f, &reading)); /* all is in memory */
    assert_int_equal(reading.figures.chunks_ahead, 0);
    assert_true(reading.sum == expected_sum());
    work_rollback(f, &work);
    database_close(f, &database);
    return STATUS_OK;
}

static void a_cold_scan_reads_ahead_and_a_hot_one_does_not(void **state) {
    fixture_run(whole_body);
}

/* A share of the ranges, and then the next: what is behind the first is asked for if it is said
   that somebody goes on there, and the second finds it. */
static enum status shares_body(struct fiber *f, void *argument) {
    struct database database;
    struct work work;
    uint64_t ahead[2], again[2];
    start(f, &database);
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        struct table_scan_habit habit = {0};
        restart(f, &database);
        work_begin(f, &work, &database);
        struct reading reading = {
            .work = &work, .options = {.end_range = 2, .goes_on = goes_on != 0, .habit = &habit}};
        assert_ok(read_all(f, &reading));
        ahead[goes_on] = reading.figures.chunks_ahead;
        uint64_t sum = reading.sum;
        reading.options.first_range = 2;
        reading.options.end_range = 0;
        assert_ok(read_all(f, &reading));
        again[goes_on] = reading.figures.chunks_ahead;
        assert_true(sum + reading.sum == expected_sum());
        work_rollback(f, &work);
    }
    assert_true(ahead[1] > ahead[0]);
    assert_int_equal(ahead[0] + again[0], ahead[1] + again[1]);
    database_close(f, &database);
    return STATUS_OK;
}

static void the_next_share_is_read_ahead(void **state) {
    fixture_run(shares_body);
}

/* Who stops at the first rows has one block read, and blocks that a test excludes cost the chunks
   that say so. */
static enum status little_body(struct fiber *f, void *argument) {
    struct database database;
    struct work work;
    start(f, &database);
    restart(f, &database);
    work_begin(f, &work, &database);
    uint64_t partitions = store_partition_count(database.store);
    struct reading reading = {.work = &work, .batches_max = 2};
    assert_ok(read_all(f, &reading));
    assert_true(reading.rows < ROWS);
    assert_true(reading.figures.chunks_ahead <= 2 * partitions);
    assert_ok(catalog_truncate(f, database.catalog, work.context.transaction, work.schema,
                               find_table(&work, "t"), false)); /* while they are being read */
    work_rollback(f, &work);

    restart(f, &database);
    work_begin(f, &work, &database);
    const struct value none = value_int8(INT64_MIN), bulk = value_int8(BULKS);
    struct table_scan_test tests[] = {
        {1, {.operator= COLUMN_EQUAL, .values = &none, .value_count = 1}},
        {3, {.operator= COLUMN_GREATER_EQUAL, .values = &bulk, .value_count = 1}},
    };
    for (unsigned i = 0; i < 2; i++) {
        struct reading excluded = {.work = &work, .options = {.tests = &tests[i], .test_count = 1}};
        assert_ok(read_all(f, &excluded));
        assert_true(excluded.figures.chunks_ahead <= (i == 0 ? excluded.figures.blocks : 0));
    }
    work_rollback(f, &work);
    database_close(f, &database);
    return STATUS_OK;
}

static void what_is_not_needed_is_not_read(void **state) {
    fixture_run(little_body);
}

/* ---- accidents ------------------------------------------------------------------------------ */

static enum status cancelled_reading(struct fiber *f, void *argument) {
    return read_all(f, argument);
}

/* Cancelled at every place where it waits, with reads under way. */
static enum status cancel_body(struct fiber *f, void *argument) {
    struct database database;
    start(f, &database);
    bool done = false;
    for (unsigned turns = 0; !done; turns += 1 + turns / 4) {
        struct work work;
        struct task_group group;
        struct reading reading;
        restart(f, &database);
        work_begin(f, &work, &database);
        reading = (struct reading){.work = &work};
        task_group_init(&group, f);
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, cancelled_reading, &reading));
        for (unsigned i = 0; i < turns; i++)
            fiber_yield(f);
        task_group_cancel(&group, STATUS_CANCELED);
        enum status status = task_group_wait(f, &group);
        assert_true(status == STATUS_OK || status == STATUS_CANCELED);
        error_clear();
        done = status == STATUS_OK;
        work_rollback(f, &work);
        work_begin(f, &work, &database);
        if (turns % 3 == 0) {
            assert_ok(catalog_truncate(f, database.catalog, work.context.transaction, work.schema,
                                       find_table(&work, "t"), false));
            work_rollback(f, &work);
            continue;
        }
        reading = (struct reading){.work = &work};
        assert_ok(read_all(f, &reading));
        assert_true(reading.sum == expected_sum());
        work_rollback(f, &work);
    }
    database_close(f, &database);
    return STATUS_OK;
}

static void a_scan_may_be_cancelled_at_any_time(void **state) {
    fixture_run(cancel_body);
}

/* Emptied as soon as a scan has looked at the first rows: the pages go while they are read. */
static enum status dropped_body(struct fiber *f, void *argument) {
    struct database database;
    struct work work;
    start(f, &database);
    restart(f, &database);
    work_begin(f, &work, &database);
    struct reading reading = {.work = &work, .batches_max = 2};
    assert_ok(read_all(f, &reading));
    assert_ok(catalog_truncate(f, database.catalog, work.context.transaction, work.schema,
                               find_table(&work, "t"), false));
    work_commit(f, &work);
    assert_ok(store_checkpoint(f, database.store));
    work_begin(f, &work, &database);
    reading = (struct reading){.work = &work};
    assert_ok(read_all(f, &reading));
    assert_int_equal(reading.rows, 0);
    work_rollback(f, &work);
    check_all(f, &database);
    database_close(f, &database);
    return STATUS_OK;
}

static void a_table_may_be_emptied_behind_a_scan(void **state) {
    fixture_run(dropped_body);
}

int main(int argument_count, char **arguments) {
    if (argument_count > 1)
        cmocka_set_test_filter(arguments[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cold_scan_reads_ahead_and_a_hot_one_does_not),
        cmocka_unit_test(the_next_share_is_read_ahead),
        cmocka_unit_test(what_is_not_needed_is_not_read),
        cmocka_unit_test(a_scan_may_be_cancelled_at_any_time),
        cmocka_unit_test(a_table_may_be_emptied_behind_a_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
