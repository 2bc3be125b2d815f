/* A database with tables made by the room's own DDL, and statements prepared and described. */
#ifndef SQL_FIXTURE_H
#define SQL_FIXTURE_H

#include "../table/table_fixture.h"

#include "sql/sql.h"
#include "sql/sql_explain.h"

/* Run one CREATE TABLE or CREATE INDEX in the work's transaction. */
static inline void apply_ddl(struct fiber *f, struct work *work, struct statement *statement) {
    struct catalog *catalog = work->database->catalog;
    struct transaction *transaction = work->context.transaction;
    uint32_t oid;
    if (statement->kind == STATEMENT_CREATE_INDEX) {
        const struct statement_create_index *create = &statement->create_index;
        assert_ok(catalog_create_index(f, catalog, transaction, work->schema,
                                       find_table(work, create->spec.table_name), &create->spec,
                                       &oid));
        work_refresh(f, work);
        return;
    }
    assert_int_equal(statement->kind, STATEMENT_CREATE_TABLE);
    const struct statement_create_table *create = &statement->create_table;
    for (uint32_t i = 0; i < create->sequence_count; i++) {
        assert_ok(catalog_create_sequence(f, catalog, transaction, work->schema,
                                          &create->sequences[i], &oid));
        work_refresh(f, work);
    }
    assert_ok(catalog_create_table(f, catalog, transaction, work->schema, &create->spec, &oid));
    work_refresh(f, work);
    for (uint32_t i = 0; i < create->index_count; i++) {
        assert_ok(catalog_create_index(f, catalog, transaction, work->schema,
                                       find_table(work, create->spec.name), &create->indexes[i],
                                       &oid));
        work_refresh(f, work);
    }
    for (uint32_t i = 0; i < create->check_count; i++) {
        assert_ok(catalog_add_constraint(f, catalog, transaction, work->schema,
                                         find_table(work, create->spec.name), &create->checks[i]));
        work_refresh(f, work);
    }
}

static inline void define(struct fiber *f, struct work *work, const char *text) {
    static const struct sql_options options;
    struct arena arena = {0};
    struct raw_statements raw;
    assert_ok(sql_parse(f, text, &arena, &raw));
    for (size_t i = 0; i < raw.count; i++) {
        struct statement *statement;
        assert_ok(sql_prepare(f, &raw.items[i], work->schema, &options, &statement));
        apply_ddl(f, work, statement);
        statement_release(statement);
    }
    arena_release(&arena);
}

/* "error 42703 at 8: column ..." or parameters, columns and plan. */
static inline void describe(struct fiber *f, struct work *work, const char *text,
                            struct buffer *out) {
    static const struct sql_options options;
    static const struct statement_explain explain;
    struct statement *statement;
    enum status status = sql_prepare_text(f, text, work->schema, &options, &statement);
    if (status != STATUS_OK) {
        const struct error *error = error_current();
        buffer_append_format(out, "error %s at %d: %s\n", status_sqlstate(status), error->position,
                             error->message);
        return;
    }
    if (statement == NULL) {
        buffer_append_text(out, "empty\n");
        return;
    }
    buffer_append_text(out, statement->tag);
    char name[TYPE_NAME_SIZE];
    for (uint32_t i = 0; i < statement->parameter_count; i++)
        buffer_append_format(out, " $%u %s", i + 1,
                             type_name(type_plain(statement->parameter_types[i]), name));
    buffer_append_text(out, " (");
    for (uint32_t i = 0; i < statement->column_count; i++)
        buffer_append_format(out, "%s%s %s", i > 0 ? ", " : "", statement->columns[i].name,
                             type_name(statement->columns[i].type, name));
    buffer_append_text(out, ")\n");
    if (statement->plan != NULL) {
        if (statement->plan->point.kind != POINT_NONE)
            buffer_append_text(out, "point\n");
        assert_ok(explain_plan(&explain, statement->plan, NULL, out));
    }
    statement_release(statement);
}

#endif
