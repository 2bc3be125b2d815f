#include <stdarg.h>
#include <stdio.h>

#include "base/base_log.h"
#include "session/state.h"
#include "table/table_freeze.h"
#include "value/value_cast.h"

/* Statements without a plan of their own: a table of who runs them, and the small ones. */

/* ---- PREPARE, EXECUTE, DEALLOCATE ------------------------------------------------------- */

static enum status run_prepare(struct fiber *f, struct session *session,
                               const struct statement_prepared *said) {
    struct prepared *prepared;
    return session__prepared_make(f, session, said->name, said->text, said->types, said->type_count,
                                  true, &prepared);
}

enum status session__execute_arguments(struct fiber *f, struct session *session,
                                       const struct statement *statement,
                                       const struct prepared *prepared, struct portal *inner) {
    const struct statement_prepared *said = &statement->prepared;
    size_t wanted = prepared->statement == NULL ? 0 : prepared->statement->parameter_count;
    if (said->argument_count != wanted) {
        enum status status =
            error_set(STATUS_SYNTAX_ERROR,
                      "wrong number of parameters for prepared statement \"%s\"", said->name);
        error_detail("Expected %zu parameters but got %u.", wanted, said->argument_count);
        return status;
    }
    struct value *values = arena_alloc(&inner->arena, (wanted + 1) * sizeof *values);
    if (values == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    struct exec_environment environment;
    session__environment(session, statement, &inner->arena, NULL, 0, &environment);
    for (size_t i = 0; i < wanted; i++) {
        struct value value;
        TRY(exec_evaluate(f, &environment, said->arguments[i], &value));
        TRY(value_cast(&session->value_context, &value,
                       type_plain(prepared->statement->parameter_types[i]), false, &inner->arena,
                       &values[i]));
    }
    inner->parameters = values;
    inner->parameter_count = wanted;
    return STATUS_OK;
}

enum { EXECUTE_NAME_SIZE = 32 };

/* The inner statement runs in a portal of its own; its rows become those of EXECUTE. */
static enum status run_execute(struct fiber *f, struct session *session, struct portal *portal,
                               char tag[TAG_SIZE]) {
    const struct statement *statement = portal->statement;
    struct prepared *prepared;
    struct portal *inner;
    TRY(session__prepared_find(session, statement->prepared.name, &prepared));
    if (prepared->statement == NULL) {
        tag[0] = '\0';
        return STATUS_OK;
    }
    TRY(session__prepared_renew(f, session, prepared));
    TRY(session__transaction(f, session));
    char name[EXECUTE_NAME_SIZE];
    snprintf(name, sizeof name, "<execute %p>", (void *)portal);
    TRY(portal_create(f, session, name, &inner));
    enum status status = portal_set(session, inner, prepared->text, prepared->statement);
    if (status == STATUS_OK)
        status = session__execute_arguments(f, session, statement, prepared, inner);
    bool done;
    if (status != STATUS_OK) {
        portal_close(f, session, inner);
        return status;
    }
    inner->fixed_result = true;
    inner->announce = portal->announce;
    portal->announce = false;
    for (size_t i = 0; i < inner->column_count && i < portal->column_count; i++)
        inner->columns[i].format = portal->columns[i].format;
    status = portal_run(f, session, inner, 0, &done);
    memcpy(tag, inner->tag, TAG_SIZE);
    portal_close(f, session, inner);
    return status;
}

static enum status run_deallocate(struct session *session, const char *name, char tag[TAG_SIZE]) {
    if (name == NULL) {
        session__deallocate_all(session);
        memcpy(tag, "DEALLOCATE ALL", sizeof "DEALLOCATE ALL");
        return STATUS_OK;
    }
    struct prepared *prepared;
    TRY(session__prepared_find(session, name, &prepared));
    prepared_destroy(session, prepared);
    return STATUS_OK;
}

/* ---- LOCK, VACUUM, ANALYZE, CHECKPOINT -------------------------------------------------- */

static enum status run_lock_table(struct fiber *f, struct session *session,
                                  const struct statement *statement) {
    const struct statement_objects *said = &statement->objects;
    if (!session->in_block)
        return error_set(STATUS_NO_ACTIVE_TRANSACTION,
                         "LOCK TABLE can only be used in transaction blocks");
    TRY(session__transaction(f, session));
    session->statement_ran = true; /* the transaction is to be kept */
    for (uint32_t i = 0; i < said->count; i++) {
        enum status status =
            txn_lock_relation(f, session->transaction, said->tables[i]->oid, said->lock_mode,
                              said->no_wait ? LOCK_NO_WAIT : LOCK_WAIT, NULL);
        if (status == STATUS_LOCK_NOT_AVAILABLE && said->no_wait)
            return error_set(status, "could not obtain lock on relation \"%s\"",
                             said->tables[i]->name);
        TRY(status);
    }
    return catalog_settle(f, session->engine->catalog);
}

/* What VERBOSE tells. */
static void inform(struct fiber *f, struct session *session, const char *format, ...) {
    char text[ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    session__notice(f, session, "INFO", "00000", text);
}

/* Named relations that have no rows of their own are passed over. */
static void warn_of_others(struct fiber *f, struct session *session,
                           const struct statement_objects *said, const char *verb) {
    for (uint32_t i = 0; i < said->count; i++) {
        const struct table *table = said->tables[i];
        if (table->kind != RELATION_VIEW && table->kind != RELATION_SEQUENCE)
            continue;
        char text[256];
        snprintf(text, sizeof text,
                 "skipping \"%s\" --- cannot %s non-tables or special system tables", table->name,
                 verb);
        session__notice(f, session, "WARNING", "01000", text);
    }
}

/* Read one table and record what is in it. */
static enum status analyze_table(struct fiber *f, struct session *session,
                                 const struct table *table, bool verbose) {
    struct arena arena = {0};
    struct schema *schema = session__schema(session);
    struct table_context context = {
        .catalog = session->engine->catalog,
        .store = session->engine->store,
        .transaction = session->transaction,
        .arena = &arena,
    };
    struct table_statistics statistics;
    const struct table *now = schema_table_by_oid(schema, table->oid);
    enum status status = STATUS_OK;
    if (now != NULL && now->kind == RELATION_TABLE && !now->is_system) {
        if (verbose)
            inform(f, session, "analyzing \"%s.%s\"", now->namespace_name, now->name);
        status = table_statistics_collect(f, &context, now, &statistics);
        if (status == STATUS_OK)
            status = catalog_set_statistics(f, session->engine->catalog, session->transaction,
                                            schema, now, &statistics);
        if (status == STATUS_OK && verbose)
            inform(f, session, "\"%s\": scanned all pages, containing %.0f live rows", now->name,
                   statistics.rows);
    }
    arena_release(&arena);
    schema_release(schema);
    return status;
}

/* What a statement names is known from its text; without names it is every table. */
static enum status lock_analyzed(struct fiber *f, struct session *session,
                                 const struct statement *statement) {
    for (uint32_t at = 0; at < statement->lock_count; at++)
        TRY(txn_lock_relation(f, session->transaction, statement->locks[at].oid,
                              statement->locks[at].mode, LOCK_WAIT, NULL));
    for (size_t i = 0; statement->objects.count == 0 && i < schema_table_count(statement->schema);
         i++) {
        const struct table *table = schema_table_at(statement->schema, i);
        if (table->kind == RELATION_TABLE && !table->is_system)
            TRY(txn_lock_relation(f, session->transaction, table->oid,
                                  RELATION_LOCK_SHARE_UPDATE_EXCLUSIVE, LOCK_WAIT, NULL));
    }
    return STATUS_OK;
}

static enum status analyze(struct fiber *f, struct session *session,
                           const struct statement *statement) {
    const struct statement_objects *said = &statement->objects;
    TRY(session__transaction(f, session));
    TRY(lock_analyzed(f, session, statement));
    TRY(session__statement_begin(f, session));
    if (said->count > 0)
        for (uint32_t i = 0; i < said->count; i++)
            TRY(analyze_table(f, session, said->tables[i], said->verbose));
    else
        for (size_t i = 0; i < schema_table_count(statement->schema); i++)
            TRY(analyze_table(f, session, schema_table_at(statement->schema, i), said->verbose));
    TRY(session__schema_changed(f, session));
    return session__statement_end(f, session);
}

static enum status vacuum_table(struct fiber *f, struct session *session,
                                const struct statement_objects *said, const struct table *table) {
    bool told = said->verbose && table->kind == RELATION_TABLE && !table->is_system;
    uint64_t blocks = 0;
    if (told)
        inform(f, session, "vacuuming \"%s.%s.%s\"", session->database, table->namespace_name,
               table->name);
    if (said->freeze)
        TRY(table_freeze(f, session->engine->catalog, table, &blocks));
    if (told)
        inform(f, session, "finished vacuuming \"%s.%s.%s\": blocks made: %llu", session->database,
               table->namespace_name, table->name, (unsigned long long)blocks);
    return STATUS_OK;
}

/* With FREEZE rows become column blocks: those of the named tables, or of all. */
static enum status vacuum_tables(struct fiber *f, struct session *session,
                                 const struct statement *statement) {
    const struct statement_objects *said = &statement->objects;
    for (uint32_t i = 0; i < said->count; i++)
        TRY(vacuum_table(f, session, said, said->tables[i]));
    for (size_t i = 0; said->count == 0 && i < schema_table_count(statement->schema); i++)
        TRY(vacuum_table(f, session, said, schema_table_at(statement->schema, i)));
    return STATUS_OK;
}

/* Old versions vanish by themselves and space is reused; what VACUUM adds is freezing on demand,
   and (FULL) giving free space of the files back. */
static enum status run_vacuum(struct fiber *f, struct session *session,
                              const struct statement *statement) {
    if (session->in_block)
        return error_set(STATUS_ACTIVE_TRANSACTION, "VACUUM cannot run inside a transaction block");
    TRY(session__finish_implicit(f, session));
    warn_of_others(f, session, &statement->objects, "vacuum");
    if (statement->objects.freeze || statement->objects.verbose)
        TRY(vacuum_tables(f, session, statement));
    if (statement->objects.analyze)
        TRY(analyze(f, session, statement));
    TRY(session__finish_implicit(f, session));
    return statement->objects.full ? store_shrink(f, session->engine->store) : STATUS_OK;
}

/* ---- DISCARD ---------------------------------------------------------------------------- */

enum status session__discard_all(struct fiber *f, struct session *session) {
    session__close_portals(f, session, true);
    session__deallocate_all(session);
    for (int id = 0; id < SETTING_COUNT; id++)
        if (setting_infos[id].context == CONTEXT_SESSION && id != SETTING_TRANSACTION_ISOLATION &&
            id != SETTING_TRANSACTION_READ_ONLY && id != SETTING_TRANSACTION_DEFERRABLE &&
            id != SETTING_SESSION_AUTHORIZATION)
            TRY(settings_set(&session->settings, id, NULL, false));
    session->sequence_count = 0;
    session->sequence_last = 0;
    return session__apply_settings(session);
}

static enum status run_discard(struct fiber *f, struct session *session,
                               const struct statement *statement, char tag[TAG_SIZE]) {
    snprintf(tag, TAG_SIZE, "%s", statement->tag);
    switch (statement->discard) {
    case DISCARD_EVERYTHING:
        if (session->in_block)
            return error_set(STATUS_ACTIVE_TRANSACTION,
                             "DISCARD ALL cannot run inside a transaction block");
        return session__discard_all(f, session);
    case DISCARD_SEQUENCES_ONLY:
        session->sequence_count = 0;
        session->sequence_last = 0;
        return STATUS_OK;
    case DISCARD_PLANS_ONLY:
    case DISCARD_TEMPORARY:
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* ---- who runs what ---------------------------------------------------------------------- */

enum status session__run_utility(struct fiber *f, struct session *session, struct portal *portal,
                                 char tag[TAG_SIZE]) {
    const struct statement *statement = portal->statement;
    snprintf(tag, TAG_SIZE, "%s", statement_kind_tag(statement->kind));
    TRY(session__check_read_only(session, statement));
    switch (statement->kind) {
    case STATEMENT_BEGIN:
    case STATEMENT_START_TRANSACTION:
    case STATEMENT_COMMIT:
    case STATEMENT_ROLLBACK:
    case STATEMENT_SAVEPOINT:
    case STATEMENT_RELEASE:
    case STATEMENT_ROLLBACK_TO:
    case STATEMENT_SET_TRANSACTION:
    case STATEMENT_SET_CONSTRAINTS:
        return session__run_transaction(f, session, statement, tag);
    case STATEMENT_SET:
    case STATEMENT_RESET:
    case STATEMENT_SHOW:
        return session__run_setting(f, session, portal, tag);
    case STATEMENT_EXPLAIN:
        return session__run_explain(f, session, portal);
    case STATEMENT_PREPARE:
        return run_prepare(f, session, &statement->prepared);
    case STATEMENT_EXECUTE:
        return run_execute(f, session, portal, tag);
    case STATEMENT_DEALLOCATE:
        return run_deallocate(session, statement->prepared.name, tag);
    case STATEMENT_DECLARE_CURSOR:
    case STATEMENT_FETCH:
    case STATEMENT_MOVE:
    case STATEMENT_CLOSE_CURSOR:
        return session__run_cursor(f, session, portal, tag);
    case STATEMENT_COPY:
        return session__run_copy(f, session, portal, tag);
    case STATEMENT_LOCK_TABLE:
        return run_lock_table(f, session, statement);
    case STATEMENT_VACUUM:
        return run_vacuum(f, session, statement);
    case STATEMENT_ANALYZE:
        warn_of_others(f, session, &statement->objects, "analyze");
        return analyze(f, session, statement);
    case STATEMENT_CHECKPOINT:
        return store_checkpoint(f, session->engine->store);
    case STATEMENT_DISCARD:
        return run_discard(f, session, statement, tag);
    default:
        return session__run_ddl(f, session, portal, tag);
    }
}
