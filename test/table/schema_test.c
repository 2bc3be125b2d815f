#include "table_fixture.h"

#include "table/table_virtual.h"

/* ---- a new database ------------------------------------------------------------------- */

static enum status new_database_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    for (int round = 0; round < 2; round++) {
        struct schema *schema = catalog_schema(database.catalog);
        const struct table *classes = schema_table(schema, "pg_catalog", "pg_class");
        assert_non_null(classes);
        assert_ptr_equal(schema_table(schema, NULL, "pg_class"), classes);
        assert_ptr_equal(schema_table_by_oid(schema, 1259), classes);
        assert_int_equal(classes->column_count, 33);
        assert_true(classes->is_system);
        assert_non_null(schema_namespace(schema, "public"));
        assert_null(schema_table(schema, "public", "pg_class"));
        const struct table *owner;
        assert_non_null(schema_index(schema, NULL, "pg_class_oid_index", &owner));
        assert_ptr_equal(owner, classes);
        schema_release(schema);

        bool exists;
        assert_ok(catalog_role_exists(f, database.catalog, "satori", &exists));
        assert_true(exists);
        assert_ok(catalog_role_exists(f, database.catalog, "nobody", &exists));
        assert_false(exists);
        assert_ok(catalog_database_exists(f, database.catalog, "satori", &exists));
        assert_true(exists);

        struct work work;
        work_begin(f, &work, &database);
        /* Every relation of the base case has its row. */
        size_t tables = 0;
        for (size_t i = 0; i < schema_table_count(work.schema); i++)
            tables += 1u + schema_table_at(work.schema, i)->index_count;
        assert_int_equal(count_rows(f, &work, find_table(&work, "pg_class")), tables);
        work_rollback(f, &work);
        check_all(f, &database);
        database_close(f, &database);
        database_open(f, &database, false);
        struct store_statistics statistics; /* a start finds the base case and writes nothing */
        store_statistics(database.store, &statistics);
        assert_int_equal(statistics.commits, 0);
    }
    database_close(f, &database);
    return STATUS_OK;
}

static void a_new_database_describes_itself(void **state) {
    fixture_run(new_database_body);
}

/* ---- create, alter, drop -------------------------------------------------------------- */

static struct column_spec two_columns[] = {
    {.name = "id", .type = {TYPE_INT4, -1, 0, 0, 0}, .not_null = true, .default_text = "1"},
    {.name = "note", .type = {TYPE_VARCHAR, 24, 0, 0, 0}},
};

static void expect_t(const struct schema *schema) {
    const struct table *table = schema_table(schema, NULL, "t");
    assert_non_null(table);
    assert_string_equal(table->namespace_name, "public");
    assert_int_equal(table->column_count, 2);
    assert_string_equal(table->columns[0].name, "id");
    assert_int_equal(table->columns[0].type.id, TYPE_INT4);
    assert_true(table->columns[0].not_null);
    assert_string_equal(table->columns[0].default_text, "1");
    assert_int_equal(table->columns[1].type.modifier, 24);
    assert_false(table->columns[1].not_null);
    assert_int_equal(table->index_count, 3);
    assert_true(table->indexes[0]->primary);
    assert_string_equal(table->indexes[0]->name, "t_pkey");
    assert_true(table->indexes[0]->local);
    assert_string_equal(table->indexes[1]->name, "t_note_key");
    assert_false(table->indexes[1]->local);
    assert_string_equal(table->indexes[2]->name, "t_note_id_idx");
    assert_true(table->indexes[2]->columns[0].descending);
    assert_int_equal(table->partition_column, 1);
    assert_int_equal(table->constraint_count, 3);
    assert_int_equal(table->constraints[0]->kind, 'p');
    assert_string_equal(table->constraints[2]->name, "t_id_check");
    assert_string_equal(table->constraints[2]->check_text, "(id > 0)");
    assert_true(table->row_estimate == 5);
    assert_true(table->oid >= OID_FIRST_USER);
    char text[128];
    assert_string_equal(schema_tree_name(schema, table->indexes[0]->tree, text, sizeof text),
                        "index t_pkey of t");
}

static void make_t(struct fiber *f, struct work *work) {
    make_table(f, work, "t", two_columns, 2);
    make_index(f, work, "t", 'p', (int[]){1, 0});
    make_index(f, work, "t", 'u', (int[]){2, 0});
    make_index(f, work, "t", 'i', (int[]){-2, 1, 0});
    struct constraint_spec check = {
        .kind = 'c', .check_text = "(id > 0)", .column_count = 1, .columns = {1}};
    assert_ok(catalog_add_constraint(f, work->database->catalog, work->context.transaction,
                                     work->schema, find_table(work, "t"), &check));
    struct table_statistics statistics = {.rows = 5};
    assert_ok(catalog_set_statistics(f, work->database->catalog, work->context.transaction,
                                     work->schema, find_table(work, "t"), &statistics));
    work_refresh(f, work);
}

static enum status round_trip_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_t(f, &work);
    expect_t(work.schema);
    assert_true(schema_version(work.schema) >> 63 == 1);
    struct schema *published = catalog_schema(database.catalog);
    assert_null(schema_table(published, NULL, "t")); /* nobody else sees it */
    uint64_t version = schema_version(published);
    work_commit(f, &work);
    assert_null(schema_table(published, NULL, "t")); /* a schema never changes */
    schema_release(published);
    published = catalog_schema(database.catalog);
    assert_true(schema_version(published) > version);
    expect_t(published);
    schema_release(published);
    check_all(f, &database);
    database_close(f, &database);

    database_open(f, &database, false);
    work_begin(f, &work, &database);
    expect_t(work.schema);
    assert_ok(catalog_drop_table(f, database.catalog, work.context.transaction, work.schema,
                                 find_table(&work, "t")));
    work_refresh(f, &work);
    assert_null(schema_table(work.schema, NULL, "t"));
    work_rollback(f, &work);
    work_begin(f, &work, &database);
    expect_t(work.schema);
    assert_ok(catalog_drop_table(f, database.catalog, work.context.transaction, work.schema,
                                 find_table(&work, "t")));
    work_commit(f, &work);
    check_all(f, &database);
    work_begin(f, &work, &database);
    assert_null(schema_table(work.schema, NULL, "t"));
    const char *const emptied[] = {"pg_attrdef", "pg_sequence", "satori_placement"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(count_rows(f, &work, find_table(&work, emptied[i])), 0);
    assert_int_equal(count_rows(f, &work, find_table(&work, "pg_depend")), 0);
    work_rollback(f, &work);
    database_close(f, &database);
    return STATUS_OK;
}

static void a_schema_comes_back_from_its_rows(void **state) {
    fixture_run(round_trip_body);
}

static void schemas_are_the_same_on_two_cores(void **state) {
    fixture_run_cores(round_trip_body, 2);
}

static enum status errors_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_t(f, &work);
    struct catalog *catalog = database.catalog;
    struct transaction *transaction = work.context.transaction;
    const struct table *t = find_table(&work, "t");
    uint32_t oid;
    struct table_spec spec = {.name = "t", .column_count = 2, .columns = two_columns};
    assert_status(catalog_create_table(f, catalog, transaction, work.schema, &spec, &oid),
                  STATUS_DUPLICATE_TABLE);
    assert_string_equal(error_current()->message, "relation \"t\" already exists");
    struct column_spec twice[] = {two_columns[0], two_columns[0]};
    spec = (struct table_spec){.name = "u", .column_count = 2, .columns = twice};
    assert_status(catalog_create_table(f, catalog, transaction, work.schema, &spec, &oid),
                  STATUS_DUPLICATE_COLUMN);
    spec = (struct table_spec){
        .namespace_name = "pg_catalog", .name = "u", .column_count = 2, .columns = two_columns};
    assert_status(catalog_create_table(f, catalog, transaction, work.schema, &spec, &oid),
                  STATUS_INSUFFICIENT_PRIVILEGE);
    spec.namespace_name = "nowhere";
    assert_status(catalog_create_table(f, catalog, transaction, work.schema, &spec, &oid),
                  STATUS_INVALID_SCHEMA_NAME);
    assert_status(try_index(f, &work, "t", 'p', (int[]){2, 0}), STATUS_INVALID_TABLE_DEFINITION);
    assert_status(catalog_drop_index(f, catalog, transaction, work.schema, t->indexes[0]),
                  STATUS_DEPENDENT_OBJECTS);
    assert_string_equal(
        error_current()->message,
        "cannot drop index t_pkey because constraint t_pkey on table t requires it");
    assert_status(
        catalog_drop_table(f, catalog, transaction, work.schema, find_table(&work, "pg_class")),
        STATUS_INSUFFICIENT_PRIVILEGE);
    assert_status(catalog_create_namespace(f, catalog, transaction, work.schema, "pg_mine"),
                  STATUS_RESERVED_NAME);
    assert_status(catalog_drop_namespace(f, catalog, transaction, work.schema, "public"),
                  STATUS_DEPENDENT_OBJECTS);
    assert_status(catalog_set_not_null(f, catalog, transaction, work.schema, t, 1, false),
                  STATUS_INVALID_TABLE_DEFINITION);
    work_rollback(f, &work);
    database_close(f, &database);
    return STATUS_OK;
}

static void ddl_fails_in_postgresqls_words(void **state) {
    fixture_run(errors_body);
}

static enum status alter_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    struct catalog *catalog = database.catalog;
    struct transaction *transaction = work.context.transaction;
    make_t(f, &work);
    for (int32_t i = 1; i <= 10; i++) {
        char note[16];
        snprintf(note, sizeof note, "note %d", i);
        struct value row[2] = {value_int4(i), value_text(note)};
        row[1].type = find_table(&work, "t")->columns[1].type;
        assert_ok(table_insert(f, &work.context, find_table(&work, "t"), row, NULL));
    }
    work_next(f, &work);
    struct column_spec added = {.name = "added",
                                .type = TYPE_OF(INT8),
                                .not_null = true,
                                .default_text = "7",
                                .has_missing = true,
                                .missing = value_int8(7)};
    assert_ok(
        catalog_add_column(f, catalog, transaction, work.schema, find_table(&work, "t"), &added));
    assert_status(catalog_add_column(f, catalog, transaction, work.schema, find_table(&work, "t"),
                                     &two_columns[0]),
                  STATUS_DUPLICATE_COLUMN);
    work_refresh(f, &work);
    const struct table *t = find_table(&work, "t");
    assert_int_equal(t->column_count, 3);
    struct value key = value_int4(4), values[2];
    bool found;
    assert_ok(table_get_unique(f, &work.context, t, t->indexes[0], &key, (int16_t[]){3, 2}, 2,
                               &found, NULL, values));
    assert_true(found);
    assert_true(values[0].int64 == 7);
    assert_memory_equal(values[1].string.data, "note 4", 6);

    assert_ok(catalog_drop_column(f, catalog, transaction, work.schema, t, &t->columns[1]));
    assert_ok(catalog_set_default(f, catalog, transaction, work.schema, t, 3, NULL));
    assert_ok(catalog_rename_table(f, catalog, transaction, work.schema, t, "renamed"));
    work_commit(f, &work);
    check_all(f, &database);
    database_close(f, &database);

    database_open(f, &database, false);
    work_begin(f, &work, &database);
    assert_null(schema_table(work.schema, NULL, "t"));
    t = find_table(&work, "renamed");
    assert_true(t->columns[1].dropped);
    assert_null(table_column(t, "note"));
    assert_null(t->columns[2].default_text);
    assert_true(t->columns[2].has_missing && t->columns[2].missing.int64 == 7);
    assert_int_equal(t->index_count, 1);
    assert_int_equal(t->constraint_count, 2);
    assert_int_equal(count_rows(f, &work, t), 10);
    struct value row[3] = {value_int4(11), value_null(t->columns[1].type), value_int8(1)};
    assert_ok(table_insert(f, &work.context, t, row, NULL));
    work_commit(f, &work);
    check_all(f, &database);
    database_close(f, &database);
    return STATUS_OK;
}

static void columns_come_and_go(void **state) {
    fixture_run(alter_body);
}

/* ---- virtual relations ---------------------------------------------------------------- */

struct seen {
    size_t rows;
};

static enum status count_batch(void *context, struct batch *batch) {
    struct seen *seen = context;
    assert_true(batch->row_count > 0 && batch->row_count <= VECTOR_SIZE);
    seen->rows += batch->row_count;
    return STATUS_OK;
}

static enum status virtual_body(struct fiber *f, void *argument) {
    struct database database;
    database_open(f, &database, true);
    struct work work;
    work_begin(f, &work, &database);
    make_t(f, &work);
    size_t relations = 0, filled = 0;
    for (size_t i = 0; i < schema_table_count(work.schema); i++) {
        const struct table *table = schema_table_at(work.schema, i);
        if (table->kind != RELATION_VIRTUAL)
            continue;
        struct seen seen = {0};
        struct arena arena = {0};
        assert_ok(virtual_table_scan(f, database.catalog, work.schema, work.context.transaction,
                                     NULL, table, &arena, count_batch, &seen));
        arena_release(&arena);
        relations++;
        filled += seen.rows > 0;
        if (strcmp(table->name, "pg_type") == 0)
            assert_true(seen.rows > 80);
        if (strcmp(table->name, "pg_roles") == 0)
            assert_int_equal(seen.rows, 1);
        if (strcmp(table->name, "table_constraints") == 0)
            assert_true(seen.rows >= 3);
    }
    assert_true(relations > 60);
    assert_true(filled >= 15);
    work_rollback(f, &work);
    database_close(f, &database);
    return STATUS_OK;
}

static void virtual_relations_give_rows(void **state) {
    fixture_run(virtual_body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_database_describes_itself),
        cmocka_unit_test(a_schema_comes_back_from_its_rows),
        cmocka_unit_test(schemas_are_the_same_on_two_cores),
        cmocka_unit_test(ddl_fails_in_postgresqls_words),
        cmocka_unit_test(columns_come_and_go),
        cmocka_unit_test(virtual_relations_give_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
