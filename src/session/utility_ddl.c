#include <stdio.h>

#include "session/utility_ddl.h"
#include "value/value_numeric.h"

/*
 * Statements that change the schema.
 *
 * Each catalog function writes rows of the catalog; then the transaction's own schema is read anew
 * (renew), and objects are looked up in it by oid: pointers of the statement's schema are stale
 * from the first change on. Statements are shared between sessions and never written to.
 */

enum status session__change_renew(struct change *change) {
    TRY(session__schema_changed(change->f, change->session));
    schema_release(change->schema);
    change->schema = session__schema(change->session);
    return STATUS_OK;
}

enum status session__change_find(const struct change *change, uint32_t oid,
                                 const struct table **table_out) {
    *table_out = schema_table_by_oid(change->schema, oid);
    return *table_out != NULL
               ? STATUS_OK
               : error_set(STATUS_UNDEFINED_TABLE, "relation with OID %u does not exist", oid);
}

static void skip_notice(struct change *change, const char *what, const char *name) {
    char text[256];
    snprintf(text, sizeof text, "%s \"%s\" already exists, skipping", what, name);
    session__notice(change->f, change->session, "NOTICE", status_sqlstate(STATUS_DUPLICATE_TABLE),
                    text);
}

/* ---- parts that CREATE TABLE and ALTER TABLE share -------------------------------------- */

static enum status add_sequences(struct change *change, const struct sequence *sequences,
                                 uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t oid;
        TRY(catalog_create_sequence(change->f, change->catalog, change->transaction, change->schema,
                                    &sequences[i], &oid));
        TRY(session__change_renew(change));
    }
    return STATUS_OK;
}

static enum status add_indexes(struct change *change, uint32_t table_oid,
                               const struct index_spec *specs, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const struct table *table;
        uint32_t oid;
        TRY(session__change_find(change, table_oid, &table));
        TRY(catalog_create_index(change->f, change->catalog, change->transaction, change->schema,
                                 table, &specs[i], &oid));
        TRY(session__change_renew(change));
    }
    return STATUS_OK;
}

static enum status add_checks(struct change *change, uint32_t table_oid,
                              const struct constraint_spec *specs, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const struct table *table;
        TRY(session__change_find(change, table_oid, &table));
        TRY(catalog_add_constraint(change->f, change->catalog, change->transaction, change->schema,
                                   table, &specs[i]));
        TRY(session__change_renew(change));
    }
    return STATUS_OK;
}

/* ---- CREATE TABLE [AS] ------------------------------------------------------------------ */

/* A query's rows in the stored form of the table's columns: numerics of a derived scale become the
   plain numeric that the column is. */
struct stored_rows {
    struct batch batch;
    struct vector *made; /* for columns whose form differs */
};

static enum status numerics_convert(const struct batch *rows, const struct vector *from,
                                    struct vector *to) {
    for (uint32_t i = 0; i < rows->selected_count; i++) {
        uint32_t row = batch_row(rows, i);
        struct value value = vector_get(from, row);
        if (value.is_null) {
            vector_set_null(to, row);
            continue;
        }
        TRY(numeric_to_value(numeric_from_value(&value), to->type, &value));
        vector_set(to, row, &value, NULL);
    }
    return STATUS_OK;
}

static enum status stored_form(const struct table *table, const struct batch *rows,
                               struct arena *arena, struct stored_rows *stored) {
    if (stored->made == NULL) {
        stored->made = ARENA_ARRAY(arena, struct vector, rows->column_count);
        stored->batch.vectors = ARENA_ARRAY(arena, struct vector, rows->column_count);
        if (stored->made == NULL || stored->batch.vectors == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    struct vector *vectors = stored->batch.vectors;
    stored->batch = *rows;
    stored->batch.vectors = vectors;
    for (uint32_t c = 0; c < rows->column_count; c++) {
        const struct vector *vector = &rows->vectors[c];
        struct type type = table->columns[c].type;
        if (type.id != TYPE_NUMERIC || (type_physical(vector->type) == type_physical(type) &&
                                        vector->type.scale == type.scale)) {
            vectors[c] = *vector;
            continue;
        }
        if (stored->made[c].own_data == NULL)
            vector_init(&stored->made[c], type, arena);
        else
            vector_reset(&stored->made[c]);
        TRY(arena_status(arena));
        TRY(numerics_convert(rows, vector, &stored->made[c]));
        vectors[c] = stored->made[c];
    }
    return STATUS_OK;
}

static enum status fill_table(struct change *change, const struct statement *statement,
                              uint32_t table_oid, uint64_t *count_out) {
    struct exec_environment environment;
    struct execution *execution;
    const struct table *table;
    TRY(session__change_find(change, table_oid, &table));
    session__environment(change->session, statement, &change->session->arena, NULL, 0,
                         &environment);
    struct table_context context = {
        .catalog = change->catalog,
        .store = change->session->engine->store,
        .transaction = change->transaction,
        .arena = &change->session->arena,
    };
    TRY(exec_open(change->f, &environment, statement->plan, &execution));
    struct stored_rows stored = {.made = NULL};
    struct batch *batch;
    enum status status;
    while ((status = exec_next(change->f, execution, &batch)) == STATUS_OK && batch != NULL) {
        status = stored_form(table, batch, &change->session->arena, &stored);
        if (status == STATUS_OK)
            status = table_insert_batch(change->f, &context, table, &stored.batch, NULL);
        if (status != STATUS_OK)
            break;
        *count_out += batch->selected_count;
    }
    exec_close(change->f, execution);
    return status;
}

static enum status create_table(struct change *change, const struct statement *statement,
                                char tag[TAG_SIZE]) {
    const struct statement_create_table *said = &statement->create_table;
    bool as = statement->kind == STATEMENT_CREATE_TABLE_AS;
    if (said->exists) {
        skip_notice(change, "relation", said->spec.name);
        return STATUS_OK;
    }
    if (said->temporary)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "temporary tables are not supported");
    for (uint32_t i = 0; i < said->ignored_count; i++) {
        char text[192];
        snprintf(text, sizeof text, "storage parameter \"%s\" has no meaning here and is ignored",
                 said->ignored[i]);
        session__notice(change->f, change->session, "DEBUG1", "00000", text);
    }
    uint32_t oid;
    uint64_t count = 0;
    TRY(add_sequences(change, said->sequences, said->sequence_count));
    TRY(catalog_create_table(change->f, change->catalog, change->transaction, change->schema,
                             &said->spec, &oid));
    TRY(session__change_renew(change));
    TRY(add_indexes(change, oid, said->indexes, said->index_count));
    TRY(add_checks(change, oid, said->checks, said->check_count));
    if (as && !said->with_no_data) {
        TRY(fill_table(change, statement, oid, &count));
        snprintf(tag, TAG_SIZE, "SELECT %llu", (unsigned long long)count);
    }
    return STATUS_OK;
}

static enum status create_view(struct change *change, const struct statement *statement) {
    const struct statement_create_view *said = &statement->create_view;
    const struct table *replaced = NULL;
    uint32_t oid;
    if (said->replaced != NULL)
        TRY(session__change_find(change, said->replaced->oid, &replaced));
    TRY(catalog_create_view(change->f, change->catalog, change->transaction, change->schema,
                            &said->spec, replaced, &oid));
    return session__change_renew(change);
}

/* ---- ALTER TABLE ------------------------------------------------------------------------ */

/* Value that rows stored before read for the new column. */
static enum status default_of(struct change *change, const struct statement *statement,
                              const struct alter_action *action, struct column_spec *column) {
    if (action->default_value == NULL)
        return STATUS_OK;
    struct exec_environment environment;
    session__environment(change->session, statement, &change->session->arena, NULL, 0,
                         &environment);
    TRY(exec_evaluate(change->f, &environment, action->default_value, &column->missing));
    column->has_missing = !column->missing.is_null;
    return STATUS_OK;
}

static enum status add_column(struct change *change, const struct statement *statement,
                              const struct alter_action *action, uint32_t table_oid) {
    const struct table *table;
    struct column_spec column = action->column;
    TRY(default_of(change, statement, action, &column));
    TRY(add_sequences(change, action->sequences, action->sequence_count));
    TRY(session__change_find(change, table_oid, &table));
    TRY(catalog_add_column(change->f, change->catalog, change->transaction, change->schema, table,
                           &column));
    return session__change_renew(change);
}

static enum status null_found(const struct table *table, const char *column) {
    enum status status =
        error_set(STATUS_NOT_NULL_VIOLATION,
                  "column \"%s\" of relation \"%s\" contains null values", column, table->name);
    error_relation(table->namespace_name, table->name, column, NULL);
    return status;
}

/* A constraint without a name is called as it would have been named. */
static enum status check_violated(const struct table *table, const struct constraint_spec *check) {
    char name[2 * ERROR_NAME_SIZE + 16];
    if (check != NULL && check->name != NULL)
        snprintf(name, sizeof name, "%s", check->name);
    else if (check != NULL && check->column_count == 1)
        snprintf(name, sizeof name, "%s_%s_check", table->name,
                 table->columns[check->columns[0] - 1].name);
    else
        snprintf(name, sizeof name, "%s_check", table->name);
    enum status status = error_set(STATUS_CHECK_VIOLATION,
                                   "check constraint \"%s\" of relation \"%s\" is violated by "
                                   "some row",
                                   name, table->name);
    error_relation(table->namespace_name, table->name, NULL, name);
    return status;
}

static enum status check_rows(struct change *change, const struct statement *statement,
                              const struct alter_action *action, const struct table *table) {
    uint64_t count;
    if (action->check_plan == NULL)
        return STATUS_OK;
    TRY(session__run_plan(change->f, change->session, statement, action->check_plan, &count));
    if (count == 0)
        return STATUS_OK;
    return action->kind == ALTER_SET_NOT_NULL
               ? null_found(table, action->old_column->name)
               : check_violated(table, action->check_count > 0 ? &action->checks[0] : NULL);
}

static enum status alter(struct change *change, const struct statement *statement,
                         const struct alter_action *action, uint32_t table_oid) {
    struct fiber *f = change->f;
    struct catalog *catalog = change->catalog;
    struct transaction *transaction = change->transaction;
    const struct table *table;
    TRY(session__change_find(change, table_oid, &table));
    switch (action->kind) {
    case ALTER_ADD_COLUMN:
        TRY(add_column(change, statement, action, table_oid));
        break;
    case ALTER_DROP_COLUMN:
        return session__drop_column(change, table_oid, action->old_column->number, action->cascade);
    case ALTER_SET_DEFAULT:
        TRY(catalog_set_default(f, catalog, transaction, change->schema, table,
                                action->old_column->number, action->default_text));
        break;
    case ALTER_SET_NOT_NULL:
        TRY(check_rows(change, statement, action, table));
        TRY(catalog_set_not_null(f, catalog, transaction, change->schema, table,
                                 action->old_column->number, action->not_null));
        break;
    case ALTER_ADD_CHECK:
        TRY(check_rows(change, statement, action, table));
        break;
    case ALTER_DROP_CONSTRAINT: {
        const struct constraint *constraint =
            schema_constraint_by_oid(change->schema, action->constraint->oid, &table);
        if (constraint != NULL)
            TRY(catalog_drop_constraint(f, catalog, transaction, change->schema, table,
                                        constraint));
        break;
    }
    case ALTER_RENAME_TABLE:
        TRY(catalog_rename_table(f, catalog, transaction, change->schema, table, action->new_name));
        break;
    case ALTER_SET_FREEZE:
        TRY(catalog_set_freeze(f, catalog, transaction, change->schema, table, action->freeze));
        break;
    case ALTER_ADD_INDEX:
    case ALTER_NOTHING:
        break;
    }
    TRY(session__change_renew(change));
    TRY(add_indexes(change, table_oid, action->indexes, action->index_count));
    return add_checks(change, table_oid, action->checks, action->check_count);
}

static enum status alter_table(struct change *change, const struct statement *statement) {
    const struct statement_alter_table *said = &statement->alter_table;
    if (said->table == NULL) {
        char text[256];
        snprintf(text, sizeof text, "relation \"%s\" does not exist, skipping", said->name);
        session__notice(change->f, change->session, "NOTICE", "00000", text);
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < said->action_count; i++) {
        const struct alter_action *action = &said->actions[i];
        if (action->notice != NULL)
            session__notice(change->f, change->session, "NOTICE",
                            status_sqlstate(action->notice_status), action->notice);
        if (!action->skip)
            TRY(alter(change, statement, action, said->table->oid));
    }
    return STATUS_OK;
}

/* ---- indexes, sequences, schemas -------------------------------------------------------- */

static enum status create_index(struct change *change, const struct statement *statement) {
    const struct statement_create_index *said = &statement->create_index;
    if (said->exists) {
        skip_notice(change, "relation", said->spec.name);
        return STATUS_OK;
    }
    if (said->concurrently && change->session->in_block)
        return error_set(STATUS_ACTIVE_TRANSACTION,
                         "CREATE INDEX CONCURRENTLY cannot run inside a transaction block");
    return add_indexes(change, said->table->oid, &said->spec, 1);
}

static enum status reindex_one(struct change *change, uint32_t oid, bool verbose) {
    const struct table *table;
    const struct index *index = schema_index_by_oid(change->schema, oid, &table);
    if (index == NULL)
        return error_set(STATUS_UNDEFINED_TABLE, "index with OID %u does not exist", oid);
    TRY(catalog_reindex(change->f, change->catalog, change->transaction, change->schema, table,
                        index));
    if (verbose) {
        char text[256];
        snprintf(text, sizeof text, "index \"%s\" was reindexed", index->name);
        session__notice(change->f, change->session, "INFO", "00000", text);
    }
    return session__change_renew(change);
}

static enum status reindex(struct change *change, const struct statement *statement) {
    const struct statement_objects *said = &statement->objects;
    if (said->indexes != NULL)
        return reindex_one(change, said->indexes[0]->oid, said->verbose);
    const struct table *table = said->tables[0]; /* of the statement's schema, which stays */
    for (unsigned i = 0; i < table->index_count; i++)
        TRY(reindex_one(change, table->indexes[i]->oid, said->verbose));
    if (table->index_count == 0) {
        char text[256];
        snprintf(text, sizeof text, "table \"%s\" has no indexes to reindex", table->name);
        session__notice(change->f, change->session, "NOTICE", "00000", text);
    }
    return STATUS_OK;
}

static enum status create_sequence(struct change *change, const struct statement *statement) {
    const struct statement_sequence *said = &statement->sequence;
    if (said->exists) {
        skip_notice(change, "relation", said->spec.name);
        return STATUS_OK;
    }
    return add_sequences(change, &said->spec, 1);
}

static enum status alter_sequence(struct change *change, const struct statement *statement) {
    const struct statement_sequence *said = &statement->sequence;
    const struct sequence *old = said->old, *new = &said->spec;
    if (old == NULL)
        return STATUS_OK;
    if (old->increment != new->increment || old->minimum != new->minimum ||
        old->maximum != new->maximum || old->cycle != new->cycle || old->cache != new->cache ||
        old->start != new->start || old->type.id != new->type.id)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "ALTER SEQUENCE can only RESTART a sequence yet");
    return said->restart ? sequence_set(change->f, change->catalog, old, said->restart_value, false)
                         : STATUS_OK;
}

static enum status create_schema(struct change *change, const struct statement *statement) {
    const struct statement_objects *said = &statement->objects;
    for (uint32_t i = 0; i < said->count; i++) {
        if (said->if_not_exists && schema_namespace(change->schema, said->names[i]) != NULL) {
            skip_notice(change, "schema", said->names[i]);
            continue;
        }
        TRY(catalog_create_namespace(change->f, change->catalog, change->transaction,
                                     change->schema, said->names[i]));
        TRY(session__change_renew(change));
    }
    return STATUS_OK;
}

/* ---- TRUNCATE ------------------------------------------------------------------------ */

static enum status empty_tables(struct change *change, const struct statement *statement) {
    const struct statement_objects *said = &statement->objects;
    for (uint32_t i = 0; i < said->count; i++) {
        const struct table *table;
        TRY(session__change_find(change, said->tables[i]->oid, &table));
        TRY(catalog_truncate(change->f, change->catalog, change->transaction, change->schema, table,
                             said->restart_identity));
        TRY(session__change_renew(change));
    }
    return STATUS_OK;
}

/* ---- all -------------------------------------------------------------------------------- */

static enum status apply(struct change *change, const struct statement *statement,
                         char tag[TAG_SIZE]) {
    switch (statement->kind) {
    case STATEMENT_CREATE_TABLE:
    case STATEMENT_CREATE_TABLE_AS:
        return create_table(change, statement, tag);
    case STATEMENT_CREATE_VIEW:
        return create_view(change, statement);
    case STATEMENT_CREATE_INDEX:
        return create_index(change, statement);
    case STATEMENT_CREATE_SEQUENCE:
        return create_sequence(change, statement);
    case STATEMENT_ALTER_SEQUENCE:
        return alter_sequence(change, statement);
    case STATEMENT_CREATE_SCHEMA:
        return create_schema(change, statement);
    case STATEMENT_ALTER_TABLE:
        return alter_table(change, statement);
    case STATEMENT_REINDEX:
        return reindex(change, statement);
    case STATEMENT_TRUNCATE:
        return empty_tables(change, statement);
    case STATEMENT_DROP_TABLE:
    case STATEMENT_DROP_INDEX:
    case STATEMENT_DROP_SEQUENCE:
    case STATEMENT_DROP_SCHEMA:
    case STATEMENT_DROP_VIEW:
        return session__drop(change, statement);
    default:
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "%s is not supported",
                         statement_kind_tag(statement->kind));
    }
}

enum status session__run_ddl(struct fiber *f, struct session *session, struct portal *portal,
                             char tag[TAG_SIZE]) {
    TRY(session__transaction(f, session));
    TRY(session__lock(f, session, portal->text, false, &portal->statement));
    TRY(session__statement_begin(f, session));
    struct change change = {
        .f = f,
        .session = session,
        .catalog = session->engine->catalog,
        .transaction = session->transaction,
        .schema = session__schema(session),
    };
    enum status status = apply(&change, portal->statement, tag);
    schema_release(change.schema);
    TRY(status);
    return session__statement_end(f, session);
}
