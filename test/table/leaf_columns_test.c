/*
 * Columns beside hot leaves against a naive table: after each change a table is scanned several
 * times, so that what one scan keeps the next ones use, each time for other columns with other
 * tests. Rows of all kinds are among them, and blocks below, and older snapshots beside.
 */
#include "table_fixture.h"

#include "base/base_bytes.h"
#include "base/base_chance.h"
#include "table/freeze.h"
#include "table/scan.h"

enum { ROWS = 3000, COLUMNS = 10, SNAPSHOTS = 2, FETCHES = 20 };

static struct column_spec specs[COLUMNS] = {
    {.name = "id", .type = {TYPE_INT4, -1, 0, 0, 0}, .not_null = true},
    {.name = "a", .type = {TYPE_INT2, -1, 0, 0, 0}},
    {.name = "b", .type = {TYPE_INT8, -1, 0, 0, 0}},
    {.name = "n", .type = {TYPE_NUMERIC, (12 << 16 | 2) + 4, 12, 2, 0}},
    {.name = "s", .type = {TYPE_TEXT, -1, 0, 0, 0}},
    {.name = "m", .type = {TYPE_TEXT, -1, 0, 0, 0}},
    {.name = "d", .type = {TYPE_DATE, -1, 0, 0, 0}},
    {.name = "f", .type = {TYPE_FLOAT8, -1, 0, 0, 0}},
    {.name = "x", .type = {TYPE_BOOL, -1, 0, 0, 0}},
    {.name = "u", .type = {TYPE_TEXT, -1, 0, 0, 0}},
};

struct model {
    uint32_t seeds[ROWS]; /* by id; 0: no such row */
};

struct bench {
    struct database database;
    struct random random;
    struct model now;
    struct work snapshots[SNAPSHOTS];
    struct model seen[SNAPSHOTS];
    bool held[SNAPSHOTS];
    uint64_t id_limit; /* of rows that are fetched by their addresses */
    uint64_t scans, hot_rows, beside, beside_range, range_left, freezes;
    bool disturbs; /* scans are made while others commit */
    bool fit_only; /* scans ask for columns only that can lie beside a leaf */
    bool narrow;   /* for two of them, and all rows */
};

/* ---- rows -------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t seed, unsigned column) {
    uint64_t h = (seed * 64 + column) * 0x9E3779B97F4A7C15ull;
    return h ^ h >> 29;
}

static struct slice text_of(uint64_t h, size_t size, uint8_t *bytes) {
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(h >> i % 8 * 7 | 1);
    return slice_of(bytes, size);
}

/* The value of a column of the row made with this seed; strings go into 64 bytes. */
static struct value value_for(int id, uint32_t seed, unsigned column, uint8_t *bytes) {
    struct type type = specs[column].type;
    uint64_t h = mix(seed, column);
    struct value value = {.type = type};
    bool rare = h % 701 == 0;
    switch (column) {
    case 0:
        return value_int4(id);
    case 1:
        value.int16 = rare ? INT16_MIN : (int16_t)(h % 1000) - 500;
        return value;
    case 2:
        value.int64 = rare ? (h % 2 == 0 ? INT64_MIN : INT64_MAX) : (int64_t)(h % 5);
        return rare && h % 3 == 0 ? value_null(type) : value;
    case 3:
        value.int64 = (int64_t)(h % 200000) - 100000;
        return value;
    case 4:
        return value_string(type, text_of(h, h % (seed % 2 == 0 ? 8 : 2), bytes));
    case 5:
        return value_string(type, text_of(h, rare ? 40 : 8 + h % 5, bytes));
    case 6:
        value.int32 = (int32_t)(h % 3000);
        return rare ? value_null(type) : value;
    case 7:
        return value_float8((double)(h % 100) / 4);
    case 8:
        return value_bool(h % 2 == 0);
    default:
        return value_string(type, text_of(h, 20 + h % 20, bytes));
    }
}

static bool same(const struct value *a, const struct value *b) {
    if (a->is_null || b->is_null)
        return a->is_null == b->is_null;
    switch (type_physical(a->type)) {
    case PHYSICAL_BOOL:
        return a->boolean == b->boolean;
    case PHYSICAL_INT16:
        return a->int16 == b->int16;
    case PHYSICAL_INT32:
        return a->int32 == b->int32;
    case PHYSICAL_INT64:
        return a->int64 == b->int64;
    case PHYSICAL_FLOAT64:
        return a->float64 == b->float64;
    default:
        return slice_equal(a->string, b->string);
    }
}

/* ---- scanning ---------------------------------------------------------------------------- */

struct question {
    struct work *work;
    const struct model *model;
    const struct table *table;
    struct table_scan_options options;
    int16_t numbers[COLUMNS + 1]; /* the id first */
    bool seen[ROWS];
    int64_t addresses[ROWS];
    uint64_t hot_rows, beside, beside_range;
    struct bench *disturbed; /* NULL: nobody else does anything between batches */
    uint64_t range_left; /* scans that began with the columns beside a range and went on without */
};

static void disturb(struct fiber *f, struct bench *bench);

static void check_row(struct question *question, const struct batch *batch, uint32_t row) {
    uint8_t bytes[64];
    int id = vector_get(&batch->vectors[0], row).int32;
    assert_in_range(id, 0, ROWS - 1);
    assert_false(question->seen[id]);
    question->seen[id] = true;
    assert_int_not_equal(question->model->seeds[id], 0);
    for (uint32_t c = 1; c < batch->column_count; c++) {
        struct value got = vector_get(&batch->vectors[c], row);
        if (question->numbers[c] == 0) {
            question->addresses[id] = got.int64;
            continue;
        }
        struct value wanted =
            value_for(id, question->model->seeds[id], (unsigned)question->numbers[c] - 1, bytes);
        assert_true(same(&got, &wanted));
    }
}

static enum status scan_here(struct fiber *f, struct partition *partition, void *argument) {
    struct question *question = argument;
    struct table_scan *scan;
    TRY(table_scan_open(f, &question->work->context, question->table, partition, &question->options,
                        &scan));
    struct batch *batch;
    enum status status;
    while ((status = table_scan_next(f, scan, &batch)) == STATUS_OK && batch != NULL) {
        for (uint32_t i = 0; i < batch->selected_count; i++)
            check_row(question, batch, batch_row(batch, i));
        if (question->disturbed == NULL || random_below(&question->disturbed->random, 2) == 0)
            continue;
        bool by_range = scan->phase == SCAN_OVER && scan->by_range;
        disturb(f, question->disturbed);
        question->range_left +=
            by_range && range_columns(scan->table, scan->partition, scan->blocks.range) == NULL;
    }
    struct table_scan_figures figures;
    table_scan_figures(scan, &figures);
    question->hot_rows += figures.hot_rows;
    question->beside += scan->beside_count;
    question->beside_range += scan->range_count;
    table_scan_close(f, scan);
    return status;
}

static int64_t number_of(const struct value *value) {
    switch (type_physical(value->type)) {
    case PHYSICAL_INT16:
        return value->int16;
    case PHYSICAL_INT32:
        return value->int32;
    default:
        return value->int64;
    }
}

static bool must_be_seen(const struct question *question, int id) {
    uint8_t bytes[64];
    uint32_t seed = question->model->seeds[id];
    if (seed == 0)
        return false;
    for (size_t t = 0; t < question->options.test_count; t++) {
        const struct table_scan_test *test = &question->options.tests[t];
        struct value value = value_for(id, seed, (unsigned)test->column_number - 1, bytes);
        if (value.is_null)
            return false;
        int64_t number = number_of(&value), bound = number_of(&test->test.values[0]);
        if (test->test.operator== COLUMN_LESS ? number >= bound : number<bound)
            return false;
    }
    return true;
}

static struct value random_bound(struct bench *bench, unsigned column) {
    uint8_t bytes[64];
    struct value value;
    do {
        value = value_for(0, 1 + (uint32_t)random_below(&bench->random, 100000), column, bytes);
    } while (value.is_null);
    return value;
}

/* Random columns in random order, and none to two tests of one of them or of others. */
static void make_question(struct bench *bench, struct question *question,
                          struct table_scan_test *tests, struct value *bounds) {
    static const unsigned tested[] = {1, 3, 2, 6};
    static const int16_t fit[] = {0, 1, 2, 4, 5, 8, 9};
    const unsigned tested_count = bench->fit_only ? 2 : 4;
    uint32_t count = 1 + (uint32_t)random_below(&bench->random, COLUMNS);
    question->numbers[0] = 1;
    for (uint32_t c = 1; c < count; c++)
        question->numbers[c] = bench->fit_only ? fit[random_below(&bench->random, 7)]
                                               : (int16_t)random_below(&bench->random, COLUMNS + 1);
    question->options.column_numbers = question->numbers;
    question->options.column_count = count;
    if (bench->narrow) {
        question->numbers[1] = 2;
        question->options.column_count = 2;
        return;
    }
    question->options.tests = tests;
    question->options.test_count = random_below(&bench->random, 4);
    unsigned column = tested[random_below(&bench->random, tested_count)];
    for (size_t t = 0; t < question->options.test_count; t++) {
        if (random_below(&bench->random, 3) == 0)
            column = tested[random_below(&bench->random, tested_count)];
        bounds[t] = random_bound(bench, column);
        tests[t] = (struct table_scan_test){
            (int16_t)(column + 1),
            {random_below(&bench->random, 2) == 0 ? COLUMN_LESS : COLUMN_GREATER_EQUAL, 1,
             &bounds[t]}};
    }
}

static void fetch_some(struct fiber *f, struct bench *bench, struct question *question) {
    static const int16_t number = 1;
    for (unsigned i = 0; i < FETCHES; i++) {
        int id = (int)random_below(&bench->random, bench->id_limit);
        struct value value;
        bool found;
        if (!question->seen[id] || question->addresses[id] == -1)
            continue;
        assert_ok(table_fetch(f, &question->work->context, question->table,
                              row_address_unpack(question->addresses[id]), &number, 1, &found,
                              &value));
        assert_true(found);
        assert_int_equal(value.int32, id);
    }
}

static void scan_once(struct fiber *f, struct bench *bench, struct work *work,
                      const struct model *model) {
    static struct question question;
    static struct model seen;
    struct table_scan_test tests[4];
    struct value bounds[4];
    seen = *model;
    question = (struct question){.work = work,
                                 .model = &seen,
                                 .table = find_table(work, "t"),
                                 .disturbed = bench->disturbs ? bench : NULL};
    memset(question.addresses, -1, sizeof question.addresses);
    make_question(bench, &question, tests, bounds);
    for (unsigned p = 0; p < store_partition_count(bench->database.store); p++)
        assert_ok(partition_call(f, bench->database.store, p, scan_here, &question));
    for (int id = 0; id < ROWS; id++)
        if (must_be_seen(&question, id) && !question.seen[id])
            fail_msg("row %d is missing", id);
    fetch_some(f, bench, &question);
    arena_reset(&work->arena);
    bench->scans++;
    bench->hot_rows += question.hot_rows;
    bench->beside += question.beside;
    bench->beside_range += question.beside_range;
    bench->range_left += question.range_left;
}

static void scan_often(struct fiber *f, struct bench *bench, struct work *work,
                       const struct model *model) {
    struct model seen = *model; /* others may change it */
    unsigned times = 1 + (unsigned)random_below(&bench->random, 6);
    for (unsigned i = 0; i < times; i++)
        scan_once(f, bench, work, &seen);
}

/* ---- changing ---------------------------------------------------------------------------- */

static void row_values(int id, uint32_t seed, uint8_t bytes[COLUMNS][64], struct value *values) {
    for (unsigned c = 0; c < COLUMNS; c++)
        values[c] = value_for(id, seed, c, bytes[c]);
}

static void change_row(struct fiber *f, struct work *work, int id, uint32_t seed) {
    static const int16_t number = 1;
    uint8_t bytes[COLUMNS][64];
    const struct table *table = find_table(work, "t");
    struct value key = value_int4(id), unused, newest[COLUMNS], values[COLUMNS];
    struct row_address address;
    enum row_lock_outcome outcome;
    bool found;
    row_values(id, seed, bytes, values);
    assert_ok(table_get_unique(f, &work->context, table, table->indexes[0], &key, &number, 1,
                               &found, &address, &unused));
    if (!found) {
        assert_ok(table_insert(f, &work->context, table, values, NULL));
        return;
    }
    assert_ok(table_lock_row(f, &work->context, table, &address, KEY_LOCK_EXCLUSIVE, LOCK_WAIT,
                             &outcome, newest));
    assert_int_equal(outcome, ROW_LOCKED);
    if (seed == 0)
        assert_ok(table_delete(f, &work->context, table, address, newest));
    else
        assert_ok(table_update(f, &work->context, table, address, newest, values, NULL));
}

static uint32_t new_seed(struct bench *bench) {
    return 1 + (uint32_t)random_below(&bench->random, 1u << 30);
}

/* Somebody else's commit of a few rows. */
static void disturb(struct fiber *f, struct bench *bench) {
    struct work work;
    work_begin(f, &work, &bench->database);
    int first = (int)random_below(&bench->random, ROWS);
    for (int i = 0; i < 8; i++) {
        int id = (first + i * (ROWS / 8)) % ROWS;
        bench->now.seeds[id] = new_seed(bench);
        change_row(f, &work, id, bench->now.seeds[id]);
    }
    work_commit(f, &work);
}

/* A few rows, or many near each other. */
static void change(struct fiber *f, struct bench *bench) {
    struct work work;
    struct model mine = bench->now;
    work_begin(f, &work, &bench->database);
    int first = (int)random_below(&bench->random, ROWS);
    int step = random_below(&bench->random, 2) == 0 ? 1 : 37;
    int count =
        1 + (int)random_below(&bench->random, random_below(&bench->random, 3) == 0 ? 300 : 6);
    for (int i = 0; i < count; i++) {
        int id = (first + i * step) % ROWS;
        bool gone = random_below(&bench->random, 5) == 0;
        uint32_t seed = gone ? 0 : new_seed(bench);
        if (gone && mine.seeds[id] == 0)
            continue;
        change_row(f, &work, id, seed);
        mine.seeds[id] = seed;
    }
    work_next(f, &work);
    if (random_below(&bench->random, 4) == 0)
        scan_often(f, bench, &work, &mine);
    if (random_below(&bench->random, 5) == 0) {
        work_rollback(f, &work);
        return;
    }
    work_commit(f, &work);
    bench->now = mine;
}

static void freeze_some(struct fiber *f, struct bench *bench) {
    struct schema *schema = catalog_schema(bench->database.catalog);
    struct freeze_work work = {.catalog = bench->database.catalog,
                               .table = schema_table(schema, NULL, "t"),
                               .partition = (unsigned)random_below(
                                   &bench->random, store_partition_count(bench->database.store)),
                               .commit = store_visible(bench->database.store)};
    if (random_below(&bench->random, 2) == 0) {
        assert_ok(freeze__range(f, &work));
        bench->freezes += work.outcome == FREEZE_DONE;
    } else {
        assert_ok(freeze__purge(f, &work));
    }
    schema_release(schema);
}

static void snapshot_turn(struct fiber *f, struct bench *bench) {
    unsigned i = (unsigned)random_below(&bench->random, SNAPSHOTS);
    if (!bench->held[i]) {
        work_begin_with(f, &bench->snapshots[i], &bench->database, ISOLATION_REPEATABLE_READ);
        bench->seen[i] = bench->now;
    } else {
        scan_often(f, bench, &bench->snapshots[i], &bench->seen[i]);
        if (random_below(&bench->random, 3) > 0)
            return;
        work_rollback(f, &bench->snapshots[i]);
    }
    bench->held[i] = !bench->held[i];
}

static void table_make(struct fiber *f, struct bench *bench) {
    struct work work;
    work_begin(f, &work, &bench->database);
    make_table(f, &work, "t", specs, COLUMNS);
    make_index(f, &work, "t", 'p', (int[]){1, 0});
    for (int id = 0; id < ROWS; id++) {
        bench->now.seeds[id] = new_seed(bench);
        change_row(f, &work, id, bench->now.seeds[id]);
    }
    work_commit(f, &work);
}

static enum status model_body(struct fiber *f, void *argument) {
    struct bench *bench = calloc(1, sizeof *bench);
    random_seed(&bench->random, 97);
    bench->id_limit = ROWS;
    database_open(f, &bench->database, true);
    table_make(f, bench);
    for (int round = 0; round < 900; round++) {
        struct work work;
        switch (random_below(&bench->random, 8)) {
        case 0:
        case 1:
            change(f, bench);
            break;
        case 2:
            if (round > 250 && random_below(&bench->random, 2) == 0)
                freeze_some(f, bench);
            break;
        case 3:
            snapshot_turn(f, bench);
            break;
        default:
            work_begin_with(f, &work, &bench->database, ISOLATION_REPEATABLE_READ);
            bench->disturbs = random_below(&bench->random, 4) == 0;
            scan_often(f, bench, &work, &bench->now);
            bench->disturbs = false;
            work_rollback(f, &work);
        }
    }
    for (unsigned i = 0; i < SNAPSHOTS; i++)
        if (bench->held[i])
            work_rollback(f, &bench->snapshots[i]);
    check_all(f, &bench->database);
    printf("# %llu scans, %llu hot rows, %llu of them from columns, %llu of ranges (%llu left), "
           "%llu freezes\n",
           (unsigned long long)bench->scans, (unsigned long long)bench->hot_rows,
           (unsigned long long)bench->beside, (unsigned long long)bench->beside_range,
           (unsigned long long)bench->range_left, (unsigned long long)bench->freezes);
    assert_true(bench->beside > bench->hot_rows / 4 && bench->freezes > 4);
    assert_true(bench->beside_range > 0);
    database_close(f, &bench->database);
    free(bench);
    return STATUS_OK;
}

static void columns_beside_leaves_agree_with_a_naive_table(void **state) {
    fixture_run(model_body);
}

/* ---- rows close to each other ------------------------------------------------------------ */

/* Every range into a block, and with `purge` no row is left twice. */
static void freeze_all(struct fiber *f, struct bench *bench, bool purge) {
    struct work work;
    uint32_t ranges[PARTITIONS_MAX];
    work_begin(f, &work, &bench->database);
    assert_ok(table_scan_ranges(f, &work.context, find_table(&work, "t"), ranges));
    work_rollback(f, &work);
    struct schema *schema = catalog_schema(bench->database.catalog);
    struct freeze_work freeze = {.catalog = bench->database.catalog,
                                 .table = schema_table(schema, NULL, "t")};
    for (; freeze.partition < store_partition_count(bench->database.store); freeze.partition++)
        for (freeze.range = 0; freeze.range < ranges[freeze.partition]; freeze.range++) {
            freeze.commit = store_visible(bench->database.store);
            assert_ok(freeze__range(f, &freeze));
            freeze.commit = store_visible(bench->database.store);
            do
                assert_ok(freeze__purge(f, &freeze));
            while (purge && freeze.outcome == FREEZE_DONE && freeze.more);
        }
    schema_release(schema);
}

static int missing; /* of the first rows */

/* Blocks without gaps: whole leaves hide their rows by words. */
static enum status stretch_body(struct fiber *f, void *argument) {
    struct bench *bench = calloc(1, sizeof *bench);
    random_seed(&bench->random, 5);
    bench->id_limit = ROWS;
    database_open(f, &bench->database, true);
    table_make(f, bench);
    struct work first_rows;
    work_begin(f, &first_rows, &bench->database);
    for (int id = 0; id < missing; id++) {
        bench->now.seeds[id] = 0;
        change_row(f, &first_rows, id, 0);
    }
    work_commit(f, &first_rows);
    freeze_all(f, bench, false);
    for (int round = 0; round < 12; round++) {
        struct work work;
        int first = (int)random_below(&bench->random, ROWS);
        work_begin(f, &work, &bench->database);
        for (int i = 0; i < 400; i++) {
            int id = (first + i) % ROWS;
            bench->now.seeds[id] = new_seed(bench);
            change_row(f, &work, id, bench->now.seeds[id]);
        }
        work_commit(f, &work);
        work_begin(f, &work, &bench->database);
        for (int i = 0; i < 8; i++)
            scan_once(f, bench, &work, &bench->now);
        work_rollback(f, &work);
    }
    assert_true(bench->beside > bench->hot_rows / 4);
    database_close(f, &bench->database);
    free(bench);
    return STATUS_OK;
}

static void close_rows_hide_those_of_a_block(void **state) {
    for (missing = 0; missing < 200; missing += 73)
        fixture_run(stretch_body);
}

/* Hundreds of hot rows over a block, read as one, and while others take that away. */
static enum status range_body(struct fiber *f, void *argument) {
    struct bench *bench = calloc(1, sizeof *bench);
    random_seed(&bench->random, 11);
    bench->id_limit = ROWS;
    bench->fit_only = true;
    database_open(f, &bench->database, true);
    table_make(f, bench);
    freeze_all(f, bench, true);
    for (int round = 0; round < 20; round++) {
        struct work work;
        work_begin(f, &work, &bench->database);
        for (int id = 0; id < ROWS; id++) {
            if (random_below(&bench->random, 3) == 0)
                continue;
            bool gone = bench->now.seeds[id] != 0 && random_below(&bench->random, 6) == 0;
            bench->now.seeds[id] = gone ? 0 : new_seed(bench);
            change_row(f, &work, id, bench->now.seeds[id]);
        }
        work_commit(f, &work);
        for (int i = 0; i < 16; i++) {
            work_begin_with(f, &work, &bench->database, ISOLATION_REPEATABLE_READ);
            bench->disturbs = i % 4 == 3;
            struct model seen = bench->now;
            for (int k = 0; k < 4; k++)
                scan_once(f, bench, &work, &seen);
            work_rollback(f, &work);
        }
        if (round % 4 == 3)
            freeze_all(f, bench, round % 8 == 3);
    }
    printf("# %llu scans, %llu hot rows, %llu of ranges, %llu left\n",
           (unsigned long long)bench->scans, (unsigned long long)bench->hot_rows,
           (unsigned long long)bench->beside_range, (unsigned long long)bench->range_left);
    assert_true(bench->beside_range > bench->hot_rows / 8 && bench->range_left > 20);
    check_all(f, &bench->database);
    database_close(f, &bench->database);
    free(bench);
    return STATUS_OK;
}

static void rows_over_a_block_are_read_as_one(void **state) {
    fixture_run(range_body);
}

/* As where they are thousands. */
static bool by_words(const char *place) {
    return strcmp(place, "table: a few rows become words") == 0;
}

static void rows_over_a_block_hide_it_by_words(void **state) {
    chance_set(by_words);
    fixture_run(range_body);
    chance_set(NULL);
}

static void change_ids(struct fiber *f, struct bench *bench, int first, int end) {
    struct work work;
    work_begin(f, &work, &bench->database);
    for (int id = first; id < end; id++) {
        bench->now.seeds[id] = new_seed(bench);
        change_row(f, &work, id, bench->now.seeds[id]);
    }
    work_commit(f, &work);
}

static void scan_times(struct fiber *f, struct bench *bench, struct work *work,
                       const struct model *model) {
    for (int i = 0; i < 4; i++)
        scan_once(f, bench, work, model);
}

/* Scans take row by row, as they do by chance where leaves end. */
static bool by_one(const char *place) {
    return strcmp(place, "table: a scan takes one row") == 0 ||
           strcmp(place, "table: rows are gathered one by one") == 0;
}

/* Rows that an old snapshot does not see: what it keeps of the range must not lack them. */
static enum status old_scan_body(struct fiber *f, void *argument) {
    struct bench *bench = calloc(1, sizeof *bench);
    struct work old, now;
    random_seed(&bench->random, 23);
    bench->id_limit = ROWS;
    bench->narrow = true;
    database_open(f, &bench->database, true);
    table_make(f, bench);
    freeze_all(f, bench, true);
    change_ids(f, bench, 0, 400);
    struct model seen = bench->now;
    work_begin_with(f, &old, &bench->database, ISOLATION_REPEATABLE_READ);
    change_ids(f, bench, 400, 1000);
    chance_set(by_one);
    scan_times(f, bench, &old, &seen);
    chance_set(NULL);
    work_begin(f, &now, &bench->database);
    scan_times(f, bench, &now, &bench->now);
    scan_times(f, bench, &old, &seen);
    work_rollback(f, &now);
    work_rollback(f, &old);
    assert_true(bench->beside_range > 0);
    database_close(f, &bench->database);
    free(bench);
    return STATUS_OK;
}

static void an_old_scan_keeps_what_others_see(void **state) {
    fixture_run(old_scan_body);
}

/* ---- ids far apart ----------------------------------------------------------------------- */

/* Rows that go to blocks of their own, with ranges of their own. */
static void bulk_ids(struct fiber *f, struct bench *bench, int first, int count) {
    static uint8_t bytes[VECTOR_SIZE][COLUMNS][64];
    struct work work;
    struct arena arena = {0};
    struct batch batch;
    struct type types[COLUMNS];
    struct table_bulk *bulk;
    for (unsigned c = 0; c < COLUMNS; c++)
        types[c] = specs[c].type;
    batch_init(&batch, types, COLUMNS, &arena);
    for (int i = 0; i < count; i++) {
        struct value values[COLUMNS];
        bench->now.seeds[first + i] = new_seed(bench);
        row_values(first + i, bench->now.seeds[first + i], bytes[i], values);
        for (unsigned c = 0; c < COLUMNS; c++)
            if (values[c].is_null)
                vector_set_null(&batch.vectors[c], (uint32_t)i);
            else
                vector_set(&batch.vectors[c], (uint32_t)i, &values[c], &arena);
    }
    batch_set_count(&batch, (uint32_t)count);
    work_begin(f, &work, &bench->database);
    assert_ok(table_bulk_open(f, &work.context, find_table(&work, "t"), &bulk));
    assert_ok(table_bulk_insert(f, bulk, &batch));
    assert_ok(table_bulk_finish(f, bulk));
    table_bulk_close(bulk);
    work_commit(f, &work);
    arena_release(&arena);
}

static void scan_now(struct fiber *f, struct bench *bench) {
    struct work work;
    work_begin(f, &work, &bench->database);
    for (unsigned i = 0; i < 60; i++)
        scan_once(f, bench, &work, &bench->now);
    work_rollback(f, &work);
}

/* One leaf with rows over two blocks, then with rows before and behind them, too. */
static enum status far_body(struct fiber *f, void *argument) {
    struct bench *bench = calloc(1, sizeof *bench);
    struct work work;
    random_seed(&bench->random, 3);
    bench->id_limit = 600;
    database_open(f, &bench->database, true);
    work_begin(f, &work, &bench->database);
    make_table(f, &work, "t", specs, COLUMNS);
    make_index(f, &work, "t", 'p', (int[]){1, 0});
    work_commit(f, &work);
    bulk_ids(f, bench, 0, 100);
    bulk_ids(f, bench, 100, 100);
    change_ids(f, bench, 0, 200); /* over the blocks: they are there already */
    scan_now(f, bench);
    assert_true(bench->beside > 0);
    for (int part = 1; part < 3; part++) {
        change_ids(f, bench, part * 200, part * 200 + 40);
        bulk_ids(f, bench, part * 200 + 50, 100);
    }
    change_ids(f, bench, 260, 260 + 20);
    scan_now(f, bench);
    database_close(f, &bench->database);
    free(bench);
    return STATUS_OK;
}

static void a_leaf_may_hold_rows_of_many_ranges(void **state) {
    fixture_run(far_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaf_may_hold_rows_of_many_ranges),
        cmocka_unit_test(columns_beside_leaves_agree_with_a_naive_table),
        cmocka_unit_test(close_rows_hide_those_of_a_block),
        cmocka_unit_test(rows_over_a_block_are_read_as_one),
        cmocka_unit_test(rows_over_a_block_hide_it_by_words),
        cmocka_unit_test(an_old_scan_keeps_what_others_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
