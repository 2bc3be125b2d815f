#include "session/plan_cache.h"
#include "session/state.h"

/* ---- binding ---------------------------------------------------------------------------- */

/* The cache of the core this fiber is on; NULL when there is no memory for one. */
static struct plan_cache *cache_of(struct fiber *f, struct session *session) {
    struct plan_cache **place = &session->engine->plan_caches[fiber_core(f)];
    if (*place == NULL)
        *place = plan_cache_create();
    return *place;
}

static struct plan_key key_of(struct session *session, const char *text, const uint32_t *types,
                              size_t type_count) {
    struct plan_key key = {
        .text = text,
        .text_size = strlen(text),
        .types = types,
        .type_count = type_count,
        .search_path = setting_text(&session->settings, SETTING_SEARCH_PATH),
    };
    plan_key_hash(&key);
    return key;
}

/* Statements whose plan depends on nothing but the key and the schema. */
static bool is_cacheable(const struct statement *statement) {
    switch (statement->kind) {
    case STATEMENT_SELECT:
    case STATEMENT_INSERT:
    case STATEMENT_UPDATE:
    case STATEMENT_DELETE:
        return !statement->depends_on_settings;
    case STATEMENT_BEGIN:
    case STATEMENT_COMMIT:
    case STATEMENT_ROLLBACK:
        return true;
    default:
        return false;
    }
}

static bool same_types(const struct statement *statement, const uint32_t *types,
                       size_t type_count) {
    for (size_t i = 0; i < type_count; i++)
        if (types[i] != 0 && types[i] != statement->parameter_types[i])
            return false;
    return true;
}

/* The transaction's snapshot, if the schema has indexes that it must not use; else 0. READ
   COMMITTED takes its snapshots after planning. */
static struct commit_number index_snapshot(const struct session *session,
                                           const struct schema *schema) {
    struct commit_number snapshot = {0};
    if (session->transaction != NULL &&
        transaction_isolation(session->transaction) == ISOLATION_REPEATABLE_READ)
        snapshot = transaction_snapshot(session->transaction);
    if (schema_indexes_usable_from(schema).value <= snapshot.value)
        snapshot.value = 0;
    return snapshot;
}

struct statement *session__cached(struct fiber *f, struct session *session, const char *text,
                                  const uint32_t *types, size_t type_count) {
    struct plan_cache *cache = cache_of(f, session);
    if (cache == NULL || session->private_schema != NULL)
        return NULL;
    struct plan_key key = key_of(session, text, types, type_count);
    struct schema *schema = session__schema(session);
    struct statement *statement = NULL;
    if (index_snapshot(session, schema).value == 0)
        statement = plan_cache_get(cache, &key, schema_version(schema));
    schema_release(schema);
    return statement;
}

static void remember(struct fiber *f, struct session *session, const char *text,
                     const uint32_t *types, size_t type_count, struct statement *statement) {
    struct plan_cache *cache = cache_of(f, session);
    if (cache == NULL || session->private_schema != NULL || !is_cacheable(statement) ||
        statement->index_snapshot.value != 0)
        return;
    struct plan_key key = key_of(session, text, types, type_count);
    plan_cache_put(cache, &key, statement);
}

enum { SEARCH_PATH_MAX = 32 };

struct binding_inputs {
    struct schema *schema;
    const char *path[SEARCH_PATH_MAX];
    struct table_context tables;
    struct sql_options options;
};

/* What sql needs to bind, as the session stands. The schema is to be released. */
static enum status bind_inputs(struct fiber *f, struct session *session, const uint32_t *types,
                               size_t type_count, struct binding_inputs *inputs) {
    TRY(session__apply_settings(session));
    TRY(session__transaction(f, session));
    inputs->schema = session__schema(session);
    session->schema_now = inputs->schema;
    /* Schemas that do not exist are passed over, as in PostgreSQL. */
    size_t path_count = 0;
    for (size_t i = 0; i < session->search_path_count && path_count < SEARCH_PATH_MAX; i++)
        if (schema_namespace(inputs->schema, session->search_path[i]) != NULL)
            inputs->path[path_count++] = session->search_path[i];
    inputs->tables = (struct table_context){
        .catalog = session->engine->catalog,
        .store = session->engine->store,
        .transaction = session->transaction,
        .arena = &session->arena,
    };
    inputs->options = (struct sql_options){
        .value_context = &session->value_context,
        .folding = exec_folding(),
        .search_path = inputs->path,
        .search_path_count = path_count,
        .parameter_types = types,
        .parameter_type_count = type_count,
        .database_name = session->database,
        .tables = &inputs->tables,
        .index_snapshot = index_snapshot(session, inputs->schema),
    };
    return STATUS_OK;
}

enum status session__prepare_raw(struct fiber *f, struct session *session,
                                 const struct raw_statement *raw, const char *cache_text,
                                 struct statement **statement_out) {
    struct binding_inputs inputs;
    *statement_out = NULL;
    TRY(bind_inputs(f, session, NULL, 0, &inputs));
    enum status status = sql_prepare(f, raw, inputs.schema, &inputs.options, statement_out);
    session->schema_now = NULL;
    schema_release(inputs.schema);
    if (status == STATUS_OK && cache_text != NULL)
        remember(f, session, cache_text, NULL, 0, *statement_out);
    return status;
}

static enum status prepare_anew(struct fiber *f, struct session *session, const char *text,
                                const uint32_t *types, size_t type_count,
                                struct statement **statement_out) {
    struct binding_inputs inputs;
    *statement_out = NULL;
    TRY(bind_inputs(f, session, types, type_count, &inputs));
    enum status status = sql_prepare_text(f, text, inputs.schema, &inputs.options, statement_out);
    session->schema_now = NULL;
    schema_release(inputs.schema);
    return status;
}

enum status session__prepare_text(struct fiber *f, struct session *session, const char *text,
                                  const uint32_t *types, size_t type_count,
                                  struct statement **statement_out) {
    *statement_out = session__cached(f, session, text, types, type_count);
    if (*statement_out != NULL)
        return STATUS_OK;
    TRY(prepare_anew(f, session, text, types, type_count, statement_out));
    if (*statement_out != NULL)
        remember(f, session, text, types, type_count, *statement_out);
    return STATUS_OK;
}

static bool same_result(const struct statement *a, const struct statement *b) {
    if (a->returns_rows != b->returns_rows || a->column_count != b->column_count)
        return false;
    for (uint32_t i = 0; i < a->column_count; i++)
        if (a->columns[i].type.id != b->columns[i].type.id ||
            a->columns[i].type.modifier != b->columns[i].type.modifier)
            return false;
    return true;
}

enum status session__revalidate(struct fiber *f, struct session *session, const char *text,
                                bool keep_result, struct statement **statement_io) {
    struct statement *old = *statement_io, *fresh;
    struct schema *schema = session__schema(session);
    bool good = old->schema_version == schema_version(schema) &&
                old->index_snapshot.value == index_snapshot(session, schema).value;
    schema_release(schema);
    if (good || old->kind == STATEMENT_BEGIN || old->kind == STATEMENT_COMMIT ||
        old->kind == STATEMENT_ROLLBACK)
        return STATUS_OK;
    TRY(session__prepare_text(f, session, text, old->parameter_types, old->parameter_count,
                              &fresh));
    bool fits = fresh != NULL && (!keep_result || same_result(old, fresh)) &&
                fresh->parameter_count == old->parameter_count &&
                same_types(fresh, old->parameter_types, old->parameter_count);
    if (!fits) {
        if (fresh != NULL)
            statement_release(fresh);
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "cached plan must not change result type");
    }
    statement_release(old);
    *statement_io = fresh;
    return STATUS_OK;
}

enum status session__lock(struct fiber *f, struct session *session, const char *text,
                          bool keep_result, struct statement **statement_io) {
    for (int i = 0; i < REBIND_MAX; i++) {
        const struct statement *statement = *statement_io;
        for (uint32_t at = 0; at < statement->lock_count; at++)
            TRY(txn_lock_relation(f, session->transaction, statement->locks[at].oid,
                                  statement->locks[at].mode, LOCK_WAIT, NULL));
        if (statement->lock_count > 0)
            TRY(catalog_settle(f, session->engine->catalog));
        TRY(session__revalidate(f, session, text, keep_result, statement_io));
        if (*statement_io == statement)
            return STATUS_OK;
    }
    return error_set(STATUS_LOCK_NOT_AVAILABLE,
                     "the schema changed too often while the statement waited for its locks");
}

/* ---- columns ---------------------------------------------------------------------------- */

/* FETCH and EXECUTE return what their cursor or prepared statement does, which the binder cannot
   know. NULL when there is none of that name; running it will say so. */
static enum status describe_other(struct session *session, const struct statement *statement,
                                  struct arena *arena, struct column_description **columns_out,
                                  size_t *count_out) {
    const struct column_description *columns = NULL;
    size_t count = 0;
    if (statement->kind == STATEMENT_FETCH) {
        const struct portal *cursor =
            (const struct portal *)name_table_find(&session->portals, statement->cursor.name);
        columns = cursor == NULL ? NULL : cursor->columns;
        count = cursor == NULL ? 0 : cursor->column_count;
    } else {
        const struct prepared *prepared = (const struct prepared *)name_table_find(
            &session->statements, statement->prepared.name);
        columns = prepared == NULL ? NULL : prepared->columns;
        count = prepared == NULL ? 0 : prepared->column_count;
    }
    if (columns == NULL)
        return STATUS_OK;
    *columns_out = arena_alloc(arena, (count + 1) * sizeof *columns);
    if (*columns_out == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(*columns_out, columns, count * sizeof *columns);
    for (size_t i = 0; i < count; i++)
        (*columns_out)[i].name = arena_copy_text(arena, columns[i].name);
    *count_out = count;
    return arena_status(arena);
}

enum status session__describe_columns(struct session *session, const struct statement *statement,
                                      struct arena *arena, struct column_description **columns_out,
                                      size_t *count_out) {
    *columns_out = NULL;
    *count_out = 0;
    if (statement->kind == STATEMENT_FETCH || statement->kind == STATEMENT_EXECUTE)
        return describe_other(session, statement, arena, columns_out, count_out);
    if (!statement->returns_rows)
        return STATUS_OK;
    size_t count = statement->column_count;
    struct column_description *columns = arena_alloc_zeroed(arena, (count + 1) * sizeof *columns);
    if (columns == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct plan_column *column = &statement->columns[i];
        columns[i] = (struct column_description){
            .name = column->name,
            .type = column->type,
            .table_oid = column->table_oid,
            .column_number = column->attribute_number,
        };
    }
    *columns_out = columns;
    *count_out = count;
    return arena_status(arena);
}

/* ---- prepared statements ---------------------------------------------------------------- */

/* The names of the columns live in the statement; another one may have taken its place. */
enum status session__prepared_renew(struct fiber *f, struct session *session,
                                    struct prepared *prepared) {
    struct statement *before = prepared->statement;
    if (before == NULL || session->failed)
        return STATUS_OK;
    TRY(session__revalidate(f, session, prepared->text, true, &prepared->statement));
    if (prepared->statement != before)
        for (size_t i = 0; i < prepared->statement->column_count; i++)
            prepared->columns[i].name = prepared->statement->columns[i].name;
    return STATUS_OK;
}

void prepared_destroy(struct session *session, struct prepared *prepared) {
    if (prepared == session->unnamed_statement)
        session->unnamed_statement = NULL;
    else
        name_table_remove(&session->statements, &prepared->named);
    if (prepared->statement != NULL)
        statement_release(prepared->statement);
    arena_release(&prepared->arena);
    memory_free(prepared);
}

enum status session__prepared_find(struct session *session, const char *name,
                                   struct prepared **prepared_out) {
    struct prepared *prepared =
        *name == '\0' ? session->unnamed_statement
                      : (struct prepared *)name_table_find(&session->statements, name);
    *prepared_out = prepared;
    if (prepared != NULL)
        return STATUS_OK;
    if (*name == '\0')
        return error_set(STATUS_INVALID_STATEMENT_NAME,
                         "unnamed prepared statement does not exist");
    return error_set(STATUS_INVALID_STATEMENT_NAME, "prepared statement \"%s\" does not exist",
                     name);
}

static enum status fill_prepared(struct session *session, struct prepared *prepared,
                                 const char *name, const char *text, const uint32_t *types,
                                 size_t type_count) {
    struct arena *arena = &prepared->arena;
    prepared->named.name = arena_copy_text(arena, name);
    prepared->text = arena_copy_text(arena, text);
    prepared->declared_types = arena_alloc(arena, (type_count + 1) * sizeof *types);
    if (prepared->text == NULL || prepared->named.name == NULL || prepared->declared_types == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (type_count > 0)
        memcpy(prepared->declared_types, types, type_count * sizeof *types);
    prepared->declared_count = type_count;
    if (prepared->statement != NULL)
        TRY(session__describe_columns(session, prepared->statement, arena, &prepared->columns,
                                      &prepared->column_count));
    return arena_status(arena);
}

enum status session__prepared_make(struct fiber *f, struct session *session, const char *name,
                                   const char *text, const uint32_t *types, size_t type_count,
                                   bool from_sql, struct prepared **prepared_out) {
    bool unnamed = *name == '\0';
    if (unnamed && session->unnamed_statement != NULL)
        prepared_destroy(session, session->unnamed_statement);
    if (!unnamed && name_table_find(&session->statements, name) != NULL)
        return error_set(STATUS_DUPLICATE_PREPARED_STATEMENT,
                         "prepared statement \"%s\" already exists", name);
    if (session->statements.count >= PREPARED_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "more than %d prepared statements", PREPARED_MAX);
    struct statement *statement;
    TRY(session__prepare_text(f, session, text, types, type_count, &statement));
    struct prepared *prepared = memory_alloc_zeroed(1, sizeof *prepared);
    if (prepared == NULL) {
        if (statement != NULL)
            statement_release(statement);
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    prepared->statement = statement;
    prepared->from_sql = from_sql;
    prepared->made_at_us = session->statement_time_us;
    enum status status = fill_prepared(session, prepared, name, text, types, type_count);
    if (status != STATUS_OK) {
        if (statement != NULL)
            statement_release(statement);
        arena_release(&prepared->arena);
        memory_free(prepared);
        return status;
    }
    if (unnamed)
        session->unnamed_statement = prepared;
    else
        name_table_put(&session->statements, &prepared->named);
    *prepared_out = prepared;
    return STATUS_OK;
}

void session__deallocate_all(struct session *session) {
    for (int i = 0; i < NAME_BUCKETS; i++)
        while (session->statements.buckets[i] != NULL)
            prepared_destroy(session, (struct prepared *)session->statements.buckets[i]);
}
