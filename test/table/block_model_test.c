/*
 * Blocks against a naive table: random changes, freezing, purging, snapshots of different age,
 * rollback, crashes. Everything that can be asked of a table is asked at every snapshot held.
 */
#include "table_fixture.h"

#include "base/base_bytes.h"
#include "table/block.h"
#include "table/freeze.h"
#include "table/table_freeze.h"

enum { ROWS_MAX = 900, SNAPSHOTS = 4, LONG_SIZE = 9000 };

struct model_row {
    bool exists;
    int32_t a;
    uint32_t text; /* seed of the string; 0 null */
    bool is_long;
};
struct model {
    struct model_row rows[ROWS_MAX]; /* by id */
};

static struct column_spec model_columns[] = {
    {.name = "id", .type = {TYPE_INT4, -1, 0, 0, 0}, .not_null = true},
    {.name = "a", .type = {TYPE_INT4, -1, 0, 0, 0}},
    {.name = "s", .type = {TYPE_TEXT, -1, 0, 0, 0}},
};
enum { MODEL_COLUMNS = 3 };

struct bench {
    struct database database;
    struct random random;
    struct model now;                 /* committed */
    struct work snapshots[SNAPSHOTS]; /* held open */
    struct model seen[SNAPSHOTS];     /* what each of them must see */
    bool held[SNAPSHOTS];
    unsigned freezes, purges, crashes, checks, bulks, freezes_beside;
    uint64_t moved, moved_beside; /* rows */
};

static struct slice text_of(const struct model_row *row, uint8_t *bytes) {
    size_t size = row->is_long ? LONG_SIZE : row->text % 40;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)('a' + (row->text + i * (1 + row->text % 3)) % 26);
    return slice_of(bytes, size);
}

static void row_values(int id, const struct model_row *row, uint8_t *bytes, struct value *values) {
    values[0] = value_int4(id);
    values[1] = row->a < 0 ? value_null(TYPE_OF(INT4)) : value_int4(row->a);
    values[2] = row->text == 0 ? value_null(TYPE_OF(TEXT))
                               : value_string(TYPE_OF(TEXT), text_of(row, bytes));
}

static bool same_as_model(const struct model_row *row, const struct value *a,
                          const struct value *s) {
    static uint8_t bytes[LONG_SIZE];
    if (a->is_null != (row->a < 0) || (!a->is_null && a->int32 != row->a))
        return false;
    if (s->is_null != (row->text == 0))
        return false;
    return s->is_null || slice_equal(s->string, text_of(row, bytes));
}

/* ---- comparing ---------------------------------------------------------------------------- */

struct comparison {
    const struct model *model;
    bool seen[ROWS_MAX];
    size_t count;
};

static void compare_row(void *context, const struct value *values) {
    struct comparison *comparison = context;
    int id = values[0].int32;
    assert_in_range(id, 0, ROWS_MAX - 1);
    const struct model_row *row = &comparison->model->rows[id];
    assert_true(row->exists);
    assert_false(comparison->seen[id]);
    assert_true(same_as_model(row, &values[1], &values[2]));
    comparison->seen[id] = true;
    comparison->count++;
}

static void compare_scan(struct fiber *f, struct bench *bench, struct work *work,
                         const struct model *model, const struct index *index, bool tested) {
    static const int16_t numbers[] = {1, 2, 3};
    const struct table *table = find_table(work, "t");
    struct comparison comparison = {.model = model};
    struct value limit = value_int4(50);
    struct table_scan_test test = {2, {COLUMN_LESS, 1, &limit}};
    struct scan_all all = {.work = work,
                           .table = table,
                           .row = compare_row,
                           .context = &comparison,
                           .options = {.column_numbers = numbers,
                                       .column_count = MODEL_COLUMNS,
                                       .index = index,
                                       .tests = &test,
                                       .test_count = tested}};
    scan_table(f, &all);
    for (int id = 0; id < ROWS_MAX; id++) {
        const struct model_row *row = &model->rows[id];
        bool must = row->exists && (!tested || (row->a >= 0 && row->a < 50));
        if (must && !comparison.seen[id])
            fail_msg("row %d is missing", id);
    }
    bench->checks++;
    arena_reset(&work->arena);
}

static void compare_point(struct fiber *f, struct work *work, const struct model *model, int id) {
    static const int16_t numbers[] = {2, 3};
    const struct table *table = find_table(work, "t");
    struct value key = value_int4(id), values[2];
    bool found;
    assert_ok(table_get_unique(f, &work->context, table, table->indexes[0], &key, numbers, 2,
                               &found, NULL, values));
    assert_int_equal(found, model->rows[id].exists);
    if (found)
        assert_true(same_as_model(&model->rows[id], &values[0], &values[1]));
    arena_reset(&work->arena);
}

static void compare(struct fiber *f, struct bench *bench, struct work *work,
                    const struct model *model) {
    const struct table *table = find_table(work, "t");
    switch (random_below(&bench->random, 4)) {
    case 0:
        compare_scan(f, bench, work, model, NULL, true);
        break;
    case 1:
        compare_scan(f, bench, work, model, table->indexes[random_below(&bench->random, 2)], false);
        break;
    default:
        compare_scan(f, bench, work, model, NULL, false);
    }
    for (int i = 0; i < 5; i++)
        compare_point(f, work, model, (int)random_below(&bench->random, ROWS_MAX));
}

/* ---- changing ------------------------------------------------------------------------------ */

static struct model_row random_row(struct bench *bench) {
    struct model_row row = {.exists = true};
    row.a = random_below(&bench->random, 8) == 0 ? -1 : (int32_t)random_below(&bench->random, 100);
    row.text =
        random_below(&bench->random, 8) == 0 ? 0 : 1 + (uint32_t)random_below(&bench->random, 1000);
    row.is_long = row.text != 0 && random_below(&bench->random, 60) == 0;
    return row;
}

static void insert_row(struct fiber *f, struct work *work, int id, const struct model_row *row) {
    static uint8_t bytes[LONG_SIZE];
    struct value values[MODEL_COLUMNS];
    row_values(id, row, bytes, values);
    assert_ok(table_insert(f, &work->context, find_table(work, "t"), values, NULL));
}

/* Rows that go straight into blocks, and a long one now and then that does not. */
static void insert_bulk(struct fiber *f, struct bench *bench, struct work *work,
                        struct model *mine) {
    static uint8_t bytes[64][LONG_SIZE];
    struct arena arena = {0};
    struct batch batch;
    struct type types[] = {TYPE_OF(INT4), TYPE_OF(INT4), TYPE_OF(TEXT)};
    struct table_bulk *bulk;
    assert_ok(table_bulk_open(f, &work->context, find_table(work, "t"), &bulk));
    for (unsigned part = 0; part < 2; part++) {
        uint32_t count = 0;
        batch_init(&batch, types, MODEL_COLUMNS, &arena);
        for (int id = (int)random_below(&bench->random, ROWS_MAX); id < ROWS_MAX && count < 64;
             id++) {
            if (mine->rows[id].exists)
                continue;
            struct value values[MODEL_COLUMNS];
            mine->rows[id] = random_row(bench);
            row_values(id, &mine->rows[id], bytes[count], values);
            for (unsigned c = 0; c < MODEL_COLUMNS; c++) {
                if (values[c].is_null)
                    vector_set_null(&batch.vectors[c], count);
                else
                    vector_set(&batch.vectors[c], count, &values[c], &arena);
            }
            count++;
        }
        batch_set_count(&batch, count);
        if (count > 0)
            assert_ok(table_bulk_insert(f, bulk, &batch));
    }
    assert_ok(table_bulk_finish(f, bulk));
    table_bulk_close(bulk);
    arena_release(&arena);
    bench->bulks++;
}

/* Find a row by its key, lock it, change or delete it. */
static enum row_lock_outcome change_row(struct fiber *f, struct work *work, int id,
                                        const struct model_row *row) {
    static uint8_t bytes[LONG_SIZE];
    static const int16_t none[] = {1};
    const struct table *table = find_table(work, "t");
    struct value key = value_int4(id), unused[1], newest[MODEL_COLUMNS], values[MODEL_COLUMNS];
    struct row_address address;
    enum row_lock_outcome outcome;
    bool found;
    assert_ok(table_get_unique(f, &work->context, table, table->indexes[0], &key, none, 1, &found,
                               &address, unused));
    assert_true(found);
    assert_ok(table_lock_row(f, &work->context, table, &address, KEY_LOCK_EXCLUSIVE, LOCK_WAIT,
                             &outcome, newest));
    assert_true(outcome == ROW_LOCKED || outcome == ROW_LOCKED_CHANGED ||
                outcome == ROW_ALREADY_STAGED);
    if (outcome == ROW_ALREADY_STAGED)
        return outcome;
    if (row == NULL) {
        assert_ok(table_delete(f, &work->context, table, address, newest));
        return outcome;
    }
    row_values(id, row, bytes, values);
    assert_ok(table_update(f, &work->context, table, address, newest, values, NULL));
    return outcome;
}

static struct freeze_work random_range(struct bench *bench, const struct table *table) {
    return (struct freeze_work){
        .catalog = bench->database.catalog,
        .table = table,
        .partition =
            (unsigned)random_below(&bench->random, store_partition_count(bench->database.store)),
        .range = random_below(&bench->random, bench->crashes + bench->bulks / 4 + 1),
        .commit = store_visible(bench->database.store)};
}

static enum status freeze_body(struct fiber *f, void *argument) {
    return freeze__range(f, argument);
}

static enum status move_body(struct fiber *f, void *argument) {
    return freeze__move_rows(f, argument);
}

/* End the transaction while a range is frozen, or rows are moved out of it: read before its changes
   are committed, settled after them, if they are of the range. */
static void end_beside_freezing(struct fiber *f, struct bench *bench, struct work *work,
                                bool commits) {
    struct task_group group;
    struct freeze_work freeze = random_range(bench, find_table(work, "t"));
    bool moves = random_below(&bench->random, 3) == 0;
    task_group_init(&group, f);
    assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, moves ? move_body : freeze_body, &freeze));
    for (uint64_t yields = random_below(&bench->random, 40); yields > 0; yields--)
        fiber_yield(f);
    if (commits)
        work_commit(f, work);
    else
        work_rollback(f, work);
    assert_ok(task_group_wait(f, &group));
    bench->freezes_beside += !moves && freeze.outcome == FREEZE_DONE;
    bench->moved_beside += freeze.moved;
}

/* One transaction of a few statements; its own writes are compared between them. */
static void change(struct fiber *f, struct bench *bench) {
    struct work work;
    struct model mine = bench->now;
    bool repeatable = random_below(&bench->random, 2) == 0;
    work_begin_with(f, &work, &bench->database,
                    repeatable ? ISOLATION_REPEATABLE_READ : ISOLATION_READ_COMMITTED);
    unsigned statements = 1 + (unsigned)random_below(&bench->random, 3);
    for (unsigned s = 0; s < statements; s++) {
        bool touched[ROWS_MAX] = {false};
        unsigned changes = (unsigned)random_below(&bench->random, 60);
        if (random_below(&bench->random, 10) == 0) {
            insert_bulk(f, bench, &work, &mine);
            changes = 0;
        }
        for (unsigned i = 0; i < changes; i++) {
            int id = (int)random_below(&bench->random, ROWS_MAX);
            if (touched[id])
                continue;
            touched[id] = true;
            struct model_row row = random_row(bench);
            if (!mine.rows[id].exists) {
                insert_row(f, &work, id, &row);
                mine.rows[id] = row;
            } else if (random_below(&bench->random, 3) == 0) {
                change_row(f, &work, id, NULL);
                mine.rows[id].exists = false;
            } else {
                change_row(f, &work, id, &row);
                mine.rows[id] = row;
            }
        }
        work_next(f, &work);
        if (random_below(&bench->random, 2) == 0)
            compare(f, bench, &work, &mine);
    }
    bool commits = random_below(&bench->random, 6) != 0;
    if (random_below(&bench->random, 3) == 0)
        end_beside_freezing(f, bench, &work, commits);
    else if (commits)
        work_commit(f, &work);
    else
        work_rollback(f, &work);
    if (commits)
        bench->now = mine;
}

/* ---- freezing ------------------------------------------------------------------------------- */

static void freeze_some(struct fiber *f, struct bench *bench, const struct table *table) {
    struct freeze_work work = random_range(bench, table);
    assert_ok(freeze__range(f, &work));
    bench->freezes += work.outcome == FREEZE_DONE;
}

static void purge_some(struct fiber *f, struct bench *bench, const struct table *table) {
    struct freeze_work work = random_range(bench, table);
    assert_ok(freeze__purge(f, &work));
    bench->purges += work.purged > 0;
}

static void move_some(struct fiber *f, struct bench *bench, const struct table *table) {
    struct freeze_work work = random_range(bench, table);
    assert_ok(freeze__move_rows(f, &work));
    assert_int_equal(work.moved > 0, work.outcome == FREEZE_DONE);
    bench->moved += work.moved;
}

/* ---- snapshots and crashes --------------------------------------------------------------------
 */

static void snapshots_drop(struct fiber *f, struct bench *bench) {
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        if (bench->held[i])
            work_rollback(f, &bench->snapshots[i]);
        bench->held[i] = false;
    }
}

static void snapshot_turn(struct fiber *f, struct bench *bench) {
    unsigned i = (unsigned)random_below(&bench->random, SNAPSHOTS);
    if (bench->held[i]) {
        compare(f, bench, &bench->snapshots[i], &bench->seen[i]);
        if (random_below(&bench->random, 4) == 0) {
            work_rollback(f, &bench->snapshots[i]);
            bench->held[i] = false;
        }
        return;
    }
    work_begin_with(f, &bench->snapshots[i], &bench->database, ISOLATION_REPEATABLE_READ);
    bench->seen[i] = bench->now;
    bench->held[i] = true;
}

static void crash(struct fiber *f, struct bench *bench) {
    snapshots_drop(f, bench);
    if (random_below(&bench->random, 2) == 0)
        assert_ok(store_checkpoint(f, bench->database.store));
    catalog_abandon(bench->database.catalog);
    store_abandon(f, bench->database.store);
    database_open(f, &bench->database, false);
    bench->crashes++;
}

static void table_make(struct fiber *f, struct bench *bench) {
    struct work work;
    work_begin(f, &work, &bench->database);
    make_table(f, &work, "t", model_columns, MODEL_COLUMNS);
    make_index(f, &work, "t", 'p', (int[]){1, 0});
    make_index(f, &work, "t", 'i', (int[]){2, 0});
    work_commit(f, &work);
}

static struct bench *bench_open(struct fiber *f) {
    struct bench *bench = calloc(1, sizeof *bench);
    random_seed(&bench->random, 41);
    database_open(f, &bench->database, true);
    table_make(f, bench);
    return bench;
}

static enum status bench_close(struct fiber *f, struct bench *bench) {
    check_all(f, &bench->database);
    database_close(f, &bench->database);
    free(bench);
    return STATUS_OK;
}

static enum status model_body(struct fiber *f, void *argument) {
    struct bench *bench = bench_open(f);
    for (int round = 0; round < 2500; round++) {
        struct schema *schema = catalog_schema(bench->database.catalog);
        const struct table *table = schema_table(schema, NULL, "t");
        switch (random_below(&bench->random, 8)) {
        case 0:
        case 1:
        case 2:
            change(f, bench);
            break;
        case 3:
            freeze_some(f, bench, table);
            break;
        case 4:
            purge_some(f, bench, table);
            break;
        case 5:
            if (random_below(&bench->random, 8) == 0)
                assert_ok(store_checkpoint(f, bench->database.store));
            else if (random_below(&bench->random, 2) == 0)
                move_some(f, bench, table);
            break;
        default:
            snapshot_turn(f, bench);
        }
        schema_release(schema);
        if (random_below(&bench->random, 12) == 0)
            snapshots_drop(f, bench);
        if (random_below(&bench->random, 400) == 0)
            crash(f, bench);
        if (round % 100 == 99)
            check_all(f, &bench->database);
    }
    snapshots_drop(f, bench);
    struct work work;
    work_begin(f, &work, &bench->database);
    compare_scan(f, bench, &work, &bench->now, NULL, false);
    work_rollback(f, &work);
    check_all(f, &bench->database);
    uint64_t damage;
    assert_ok(store_check(f, bench->database.store, NULL, check_report, NULL, &damage));
    assert_int_equal(damage, 0);
    printf("# %u freezes, %u beside changes, %u purges, %u crashes, %u scans, %u bulk loads, %llu "
           "rows moved, %llu beside changes\n",
           bench->freezes, bench->freezes_beside, bench->purges, bench->crashes, bench->checks,
           bench->bulks, (unsigned long long)bench->moved, (unsigned long long)bench->moved_beside);
    assert_true(bench->freezes > 60 && bench->freezes_beside > 60 && bench->purges > 10 &&
                bench->crashes > 2 && bench->bulks > 20 && bench->moved > 100 &&
                bench->moved_beside > 100);
    return bench_close(f, bench);
}

static void blocks_agree_with_a_naive_table(void **state) {
    fixture_run(model_body);
}

/* ---- two blocks, two snapshots -----------------------------------------------------------------
 */

enum { PAIR_ROWS = 200 };

static void change_all(struct fiber *f, struct bench *bench, int a) {
    struct work work;
    work_begin(f, &work, &bench->database);
    for (int id = 0; id < PAIR_ROWS; id++) {
        struct model_row row = {.exists = true, .a = a, .text = 3};
        if (bench->now.rows[id].exists)
            change_row(f, &work, id, &row);
        else
            insert_row(f, &work, id, &row);
        bench->now.rows[id] = row;
    }
    work_commit(f, &work);
}

static void freeze_all(struct fiber *f, struct bench *bench, const struct table *table,
                       struct freeze_work *works) {
    for (unsigned p = 0; p < store_partition_count(bench->database.store); p++) {
        works[p] = (struct freeze_work){.catalog = bench->database.catalog,
                                        .table = table,
                                        .partition = p,
                                        .commit = store_visible(bench->database.store)};
        assert_ok(freeze__range(f, &works[p]));
        assert_int_equal(works[p].outcome, FREEZE_DONE);
    }
}

/* Somebody makes a block, somebody else the next one before the first has purged: what is newer
   than the first block is needed by snapshots that see no other. */
static enum status pair_body(struct fiber *f, void *argument) {
    struct bench *bench = bench_open(f);
    struct freeze_work first[PARTITIONS_MAX], second[PARTITIONS_MAX];
    struct schema *schema = catalog_schema(bench->database.catalog);
    const struct table *table = schema_table(schema, NULL, "t");
    change_all(f, bench, 1);
    freeze_all(f, bench, table, first);
    change_all(f, bench, 2);
    snapshot_turn(f, bench);
    freeze_all(f, bench, table, second);
    for (unsigned p = 0; p < store_partition_count(bench->database.store); p++)
        assert_ok(freeze__purge(f, &first[p]));
    for (unsigned i = 0; i < SNAPSHOTS; i++)
        if (bench->held[i])
            compare_scan(f, bench, &bench->snapshots[i], &bench->seen[i], NULL, false);
    snapshots_drop(f, bench);
    uint64_t purged = 0;
    for (unsigned p = 0; p < store_partition_count(bench->database.store); p++) {
        assert_ok(freeze__purge(f, &second[p]));
        purged += second[p].purged;
    }
    assert_int_equal(purged, PAIR_ROWS);
    schema_release(schema);
    return bench_close(f, bench);
}

static void a_purge_knows_whose_block_all_see(void **state) {
    fixture_run(pair_body);
}

/* Freezing puts rows again that were changed while it read; nobody has changed them since. */
static enum status put_again_body(struct fiber *f, void *argument) {
    struct bench *bench = bench_open(f);
    struct schema *schema = catalog_schema(bench->database.catalog);
    const struct table *table = schema_table(schema, NULL, "t");
    unsigned seen = 0;
    change_all(f, bench, 0);
    for (int round = 1; round < 2000 && seen < 5; round++) {
        struct freeze_work freeze = {.catalog = bench->database.catalog,
                                     .table = table,
                                     .partition = (unsigned)round %
                                                  store_partition_count(bench->database.store)};
        struct task_group group;
        struct model_row row = {.exists = true, .a = round % 100, .text = 3};
        struct work writer, reader;
        work_begin(f, &writer, &bench->database);
        for (int id = 0; id < PAIR_ROWS; id++)
            change_row(f, &writer, id, &row);
        task_group_init(&group, f);
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, freeze_body, &freeze));
        for (uint64_t yields = random_below(&bench->random, 200); yields > 0; yields--)
            fiber_yield(f);
        work_commit(f, &writer);
        work_begin_with(f, &reader, &bench->database, ISOLATION_REPEATABLE_READ);
        uint64_t snapshot = transaction_snapshot(reader.context.transaction).value;
        assert_ok(task_group_wait(f, &group));
        seen += freeze.outcome == FREEZE_DONE && freeze.commit.value > snapshot;
        row.a = 7;
        for (int id = 0; id < PAIR_ROWS; id++)
            change_row(f, &reader, id, &row);
        work_commit(f, &reader);
    }
    assert_true(seen > 0);
    schema_release(schema);
    return bench_close(f, bench);
}

static void a_row_put_again_is_not_a_changed_one(void **state) {
    fixture_run(put_again_body);
}

/* ---- rows that move ------------------------------------------------------------------------ */

/* Who changes rows while they are moved out of their range finds them where they went. */
static enum status follow_body(struct fiber *f, void *argument) {
    struct bench *bench = bench_open(f);
    struct schema *schema = catalog_schema(bench->database.catalog);
    const struct table *table = schema_table(schema, NULL, "t");
    unsigned followed = 0, moved = 0;
    change_all(f, bench, 0);
    for (int round = 1; round < 2000 && (followed < 100 || moved < 1000); round++) {
        struct freeze_work move = {.catalog = bench->database.catalog,
                                   .table = table,
                                   .partition = (unsigned)round %
                                                store_partition_count(bench->database.store)};
        struct task_group group;
        struct work writer;
        work_begin(f, &writer, &bench->database);
        task_group_init(&group, f);
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, move_body, &move));
        for (uint64_t yields = random_below(&bench->random, 300); yields > 0; yields--)
            fiber_yield(f);
        for (int id = 0; id < PAIR_ROWS; id++) {
            struct model_row row = {.exists = true, .a = round % 100, .text = 3};
            bench->now.rows[id] = row;
            followed += change_row(f, &writer, id, &row) == ROW_LOCKED_CHANGED;
        }
        work_commit(f, &writer);
        assert_ok(task_group_wait(f, &group));
        moved += move.moved;
        work_begin(f, &writer, &bench->database);
        compare_scan(f, bench, &writer, &bench->now, NULL, false);
        compare_scan(f, bench, &writer, &bench->now, table->indexes[round % 2], false);
        work_rollback(f, &writer);
    }
    assert_true(followed >= 100 && moved >= 1000);
    schema_release(schema);
    return bench_close(f, bench);
}

static void a_row_that_is_moved_is_followed(void **state) {
    fixture_run(follow_body);
}

/* ---- definitions ------------------------------------------------------------------------------
 */

enum { DEFINITION_ROWS = 3000 };

static void expect_added(void *context, const struct value *values) {
    assert_int_equal(values[0].int32, 77);
}

static uint64_t estimate(struct fiber *f, struct work *work) {
    struct table_counts counts;
    assert_ok(table_count_estimate(f, &work->context, find_table(work, "t"), &counts));
    assert_true(counts.cold <= counts.rows);
    return counts.rows;
}

/* A column added later has its default in blocks made before, and in those made after; emptying the
   table takes its blocks along. */
static enum status definition_body(struct fiber *f, void *argument) {
    struct bench *bench = bench_open(f);
    struct work work;
    uint64_t blocks, bytes;
    work_begin(f, &work, &bench->database);
    for (int id = 0; id < DEFINITION_ROWS; id++) {
        struct model_row row = {.exists = true, .a = id % 50, .text = 5};
        insert_row(f, &work, id, &row);
    }
    work_commit(f, &work);
    for (int round = 0; round < 2; round++) {
        work_begin(f, &work, &bench->database);
        if (round == 1) {
            struct column_spec spec = {.name = "added",
                                       .type = {TYPE_INT4, -1, 0, 0, 0},
                                       .has_missing = true,
                                       .missing = value_int4(77)};
            assert_ok(catalog_add_column(f, bench->database.catalog, work.context.transaction,
                                         work.schema, find_table(&work, "t"), &spec));
        }
        work_commit(f, &work);
        struct schema *schema = catalog_schema(bench->database.catalog);
        const struct table *table = schema_table(schema, NULL, "t");
        if (round == 0)
            assert_ok(table_freeze(f, bench->database.catalog, table, &blocks));
        schema_release(schema);
    }
    assert_true(blocks > 0);
    work_begin(f, &work, &bench->database);
    assert_int_equal(estimate(f, &work), DEFINITION_ROWS);
    assert_ok(table_tree_size(f, bench->database.store, find_table(&work, "t")->row_tree, &bytes));
    assert_true(bytes > 0);
    static const int16_t added = 4;
    struct scan_all all = {.work = &work,
                           .table = find_table(&work, "t"),
                           .row = expect_added,
                           .options = {.column_numbers = &added, .column_count = 1}};
    assert_int_equal(scan_table(f, &all), DEFINITION_ROWS);
    assert_ok(catalog_truncate(f, bench->database.catalog, work.context.transaction, work.schema,
                               find_table(&work, "t"), false));
    work_refresh(f, &work);
    assert_int_equal(count_rows(f, &work, find_table(&work, "t")), 0);
    work_commit(f, &work);
    work_begin(f, &work, &bench->database);
    assert_int_equal(count_rows(f, &work, find_table(&work, "t")), 0);
    work_rollback(f, &work);
    return bench_close(f, bench);
}

static void definitions_change_over_blocks(void **state) {
    fixture_run(definition_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_agree_with_a_naive_table),
        cmocka_unit_test(a_purge_knows_whose_block_all_see),
        cmocka_unit_test(a_row_put_again_is_not_a_changed_one),
        cmocka_unit_test(a_row_that_is_moved_is_followed),
        cmocka_unit_test(definitions_change_over_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
