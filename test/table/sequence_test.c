#include "table_fixture.h"

#include "table/block_format.h"
#include "table/catalog_private.h"
#include "table/system_tables.h"
#include "table/table_format.h"

static struct sequence plain = {.name = "s",
                                .type = {TYPE_INT8, -1, 0, 0, 0},
                                .start = 1,
                                .increment = 1,
                                .minimum = 1,
                                .maximum = INT64_MAX,
                                .cache = 1};

static void make_sequence(struct fiber *f, struct work *work, const struct sequence *spec) {
    uint32_t oid;
    assert_ok(catalog_create_sequence(f, work->database->catalog, work->context.transaction,
                                      work->schema, spec, &oid));
    work_refresh(f, work);
}

static int64_t take(struct fiber *f, struct database *database, const char *name) {
    struct schema *schema = catalog_schema(database->catalog);
    int64_t value;
    assert_ok(sequence_next(f, database->catalog, schema_sequence(schema, NULL, name), &value));
    schema_release(schema);
    return value;
}

static enum status crash_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_sequence(f, &work, &plain);
    int64_t value; /* usable before the commit that makes it */
    assert_ok(sequence_next(f, database.catalog, schema_sequence(work.schema, NULL, "s"), &value));
    assert_int_equal(value, 1);
    work_commit(f, &work);
    int64_t last = 1;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 10; i++) {
            value = take(f, &database, "s");
            assert_true(value > last);
            if (i > 0)
                assert_true(value == last + 1);
            last = value;
        }
        if (round == 1) { /* a clean stop skips nothing */
            database_close(f, &database);
            database_open(f, &database, false);
            value = take(f, &database, "s");
            assert_true(value == last + 1);
            last = value;
        } else { /* a crash skips, but gives nothing twice */
            catalog_abandon(database.catalog);
            store_abandon(f, database.store);
            database_open(f, &database, false);
            value = take(f, &database, "s");
            assert_true(value > last && value <= last + 33);
            last = value;
        }
    }
    database_close(f, &database);
    return STATUS_OK;
}

static void a_number_is_never_given_twice(void **state) {
    fixture_run(crash_body);
}

static enum status ends_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    struct sequence up = plain, down = plain, round = plain;
    up.name = "up";
    up.start = 254;
    up.maximum = 255;
    down.name = "down";
    down.increment = -5;
    down.start = -1;
    down.minimum = -12;
    down.maximum = -1;
    round.name = "round";
    round.cycle = true;
    round.maximum = 3;
    make_sequence(f, &work, &up);
    make_sequence(f, &work, &down);
    make_sequence(f, &work, &round);
    work_commit(f, &work);
    struct schema *schema = catalog_schema(database.catalog);
    int64_t value;
    const struct sequence *sequence = schema_sequence(schema, NULL, "up");
    assert_int_equal(take(f, &database, "up"), 254);
    assert_int_equal(take(f, &database, "up"), 255);
    assert_status(sequence_next(f, database.catalog, sequence, &value),
                  STATUS_SEQUENCE_GENERATOR_LIMIT_EXCEEDED);
    assert_string_equal(error_current()->message,
                        "nextval: reached maximum value of sequence \"up\" (255)");
    assert_status(sequence_set(f, database.catalog, sequence, 256, true),
                  STATUS_NUMERIC_VALUE_OUT_OF_RANGE);
    assert_ok(sequence_set(f, database.catalog, sequence, 100, false));
    int64_t left;
    bool is_called;
    assert_ok(sequence_state(f, database.catalog, sequence, &value, &left, &is_called));
    assert_true(value == 100 && left == 0 && !is_called);
    assert_int_equal(take(f, &database, "up"), 100);
    assert_ok(sequence_set(f, database.catalog, sequence, 7, true));
    assert_int_equal(take(f, &database, "up"), 8);

    assert_int_equal(take(f, &database, "down"), -1);
    assert_int_equal(take(f, &database, "down"), -6);
    assert_int_equal(take(f, &database, "down"), -11);
    assert_status(sequence_next(f, database.catalog, schema_sequence(schema, NULL, "down"), &value),
                  STATUS_SEQUENCE_GENERATOR_LIMIT_EXCEEDED);
    for (int i = 0; i < 10; i++)
        assert_int_equal(take(f, &database, "round"), i % 3 + 1);
    schema_release(schema);
    database_close(f, &database);
    return STATUS_OK;
}

static void sequences_end_or_go_round(void **state) {
    fixture_run(ends_body);
}

/* ---- many takers, and what a sequence belongs to -------------------------------------- */

enum { TAKERS = 8, TAKES = 300 };

struct takers {
    struct database *database;
    bool seen[TAKERS * TAKES * 2];
};

static enum status taker(struct fiber *f, void *argument) {
    struct takers *takers = argument;
    for (int i = 0; i < TAKES; i++) {
        int64_t value = take(f, takers->database, "s");
        assert_in_range(value, 1, TAKERS * TAKES);
        assert_false(takers->seen[value]);
        takers->seen[value] = true;
        fiber_yield(f);
    }
    return STATUS_OK;
}

static enum status takers_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_sequence(f, &work, &plain);
    work_commit(f, &work);
    static struct takers takers;
    takers = (struct takers){.database = &database};
    struct task_group group;
    task_group_init(&group, f);
    for (int i = 0; i < TAKERS; i++)
        assert_ok(task_group_spawn(f, &group, FIBER_NORMAL, taker, &takers));
    assert_ok(task_group_wait(f, &group));
    database_close(f, &database);
    return STATUS_OK;
}

static void many_takers_get_different_numbers(void **state) {
    fixture_run(takers_body);
}

static enum status owned_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_sequence(f, &work, &plain);
    struct column_spec columns[] = {{.name = "id",
                                     .type = TYPE_OF(INT8),
                                     .default_text = "nextval('s'::regclass)",
                                     .serial_sequence_name = "s"}};
    make_table(f, &work, "t", columns, 1);
    work_commit(f, &work);
    for (int i = 1; i < 5; i++)
        assert_int_equal(take(f, &database, "s"), i);
    struct catalog *catalog = database.catalog;
    work_begin(f, &work, &database);
    const struct sequence *sequence = schema_sequence(work.schema, NULL, "s");
    assert_int_equal(sequence->owner_table_oid, find_table(&work, "t")->oid);
    assert_int_equal(sequence->owner_column, 1);
    assert_status(
        catalog_drop_sequence(f, catalog, work.context.transaction, work.schema, sequence),
        STATUS_DEPENDENT_OBJECTS);
    assert_string_equal(error_current()->detail,
                        "default value for column id of table t depends on sequence s");
    work_rollback(f, &work);
    work_begin(f, &work, &database); /* restarting is part of the transaction */
    assert_ok(catalog_truncate(f, catalog, work.context.transaction, work.schema,
                               find_table(&work, "t"), true));
    work_rollback(f, &work);
    assert_int_equal(take(f, &database, "s"), 5);
    work_begin(f, &work, &database);
    assert_ok(catalog_truncate(f, catalog, work.context.transaction, work.schema,
                               find_table(&work, "t"), true));
    work_commit(f, &work);
    assert_int_equal(take(f, &database, "s"), 1);
    work_begin(f, &work, &database);
    assert_ok(catalog_drop_table(f, catalog, work.context.transaction, work.schema,
                                 find_table(&work, "t")));
    work_refresh(f, &work);
    assert_null(schema_sequence(work.schema, NULL, "s"));
    work_commit(f, &work);
    check_all(f, &database);
    database_close(f, &database);
    return STATUS_OK;
}

static void a_sequence_goes_with_its_column(void **state) {
    fixture_run(owned_body);
}

/* ---- bytes ---------------------------------------------------------------------------- */

static void states_and_index_values_keep_their_bytes(void **state) {
    static const uint8_t golden[SEQUENCE_STATE_SIZE] = {1, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1};
    uint8_t bytes[SEQUENCE_STATE_SIZE];
    sequence_state_encode((struct sequence_state){.last = 42, .is_called = true}, bytes);
    assert_memory_equal(bytes, golden, sizeof golden);
    struct sequence_state back;
    assert_ok(sequence_state_decode(slice_of(golden, sizeof golden), &back));
    assert_true(back.last == 42 && back.is_called);
    for (size_t i = 0; i < sizeof golden; i++) {
        if (i >= 1 && i <= 8)
            continue; /* any number is good */
        memcpy(bytes, golden, sizeof golden);
        bytes[i] ^= 0x80;
        assert_status(sequence_state_decode(slice_of(bytes, sizeof bytes), &back),
                      STATUS_DATA_CORRUPTED);
    }
    assert_status(sequence_state_decode(slice_of(golden, 16), &back), STATUS_DATA_CORRUPTED);

    static const uint8_t local[] = {1, 2, 0, 0, 0, 0, 0, 0};
    static const uint8_t global[] = {1, 2, 0, 0, 0, 0, 0, 0, 7, 0};
    struct index index = {.name = "i", .local = true};
    uint8_t value[INDEX_VALUE_SIZE_MAX];
    assert_int_equal(index_value_encode(&index, 7, (struct row_id){0x201}, value), sizeof local);
    assert_memory_equal(value, local, sizeof local);
    unsigned partition = 9;
    struct row_id row;
    assert_ok(index_value_decode(&index, slice_of(local, sizeof local), &partition, &row));
    assert_true(row.value == 0x201 && partition == 9);
    assert_status(index_value_decode(&index, slice_of(global, sizeof global), &partition, &row),
                  STATUS_INDEX_CORRUPTED);
    index.local = false;
    assert_int_equal(index_value_encode(&index, 7, (struct row_id){0x201}, value), sizeof global);
    assert_memory_equal(value, global, sizeof global);
    assert_ok(index_value_decode(&index, slice_of(global, sizeof global), &partition, &row));
    assert_true(row.value == 0x201 && partition == 7);

    uint8_t key[LARGE_KEY_SIZE];
    static const uint8_t large[] = {0, 0, 0, 0, 0, 0, 0x18, 0x05, 0, 0, 0, 9};
    large_key_encode(large_id((struct row_id){3}, 5), 9, key);
    assert_memory_equal(key, large, sizeof large);
    uint8_t stub[ROW_OUTSIDE_SIZE];
    row_outside_encode(0x01020304, stub);
    assert_memory_equal(stub, "\xff\xff\xff\xff\x04\x03\x02\x01", 8);
    assert_int_equal(row_outside_size(slice_of(stub, 8)), 0x01020304);
    assert_int_equal(row_outside_size(slice_of(stub, 7)), 0);
}

static bool is_of_the_system(struct tree_id tree) {
    for (size_t i = 0; i < system_table_count; i++)
        if (tree.value == system_tables[i].oid + SYSTEM_LARGE_TREE)
            return true;
    return false;
}

static enum status numbers_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    assert_ok(catalog__pass_oid(f, database.catalog, 9001 + SYSTEM_LARGE_TREE - 5));
    struct column_spec columns[] = {{.name = "id", .type = {TYPE_INT4, -1, 0, 0, 0}}};
    for (int i = 0; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        make_table(f, &work, name, columns, 1);
        struct schema *schema = work.schema;
        for (size_t k = 0; k < schema_table_count(schema); k++) {
            const struct table *table = schema_table_at(schema, k);
            if (table->is_system)
                continue;
            assert_false(is_of_the_system(table->row_tree));
            assert_false(is_of_the_system(table->large_tree));
            assert_false(is_of_the_system(block_tree(table)));
        }
    }
    uint32_t next;
    assert_ok(catalog__take_oids(f, database.catalog, 1, &next));
    assert_true(next > 9007 + SYSTEM_LARGE_TREE);
    work_commit(f, &work);
    database_close(f, &database);
    return STATUS_OK;
}

static void numbers_of_system_trees_are_not_given_out(void **state) {
    fixture_run(numbers_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_never_given_twice),
        cmocka_unit_test(sequences_end_or_go_round),
        cmocka_unit_test(many_takers_get_different_numbers),
        cmocka_unit_test(a_sequence_goes_with_its_column),
        cmocka_unit_test(numbers_of_system_trees_are_not_given_out),
        cmocka_unit_test(states_and_index_values_keep_their_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
