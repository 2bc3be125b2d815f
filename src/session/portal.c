#include <stdio.h>

#include "session/state.h"

/* ---- rows kept -------------------------------------------------------------------------- */

void kept_rows_release(struct kept_rows *store) {
    arena_release(&store->arena);
    *store = (struct kept_rows){0};
}

static struct stored_batch *kept_rows_room(struct kept_rows *store, const struct type *types,
                                           uint32_t column_count) {
    struct stored_batch *last = store->last;
    if (last != NULL && last->batch.row_count < VECTOR_SIZE)
        return last;
    struct stored_batch *stored = ARENA_NEW(&store->arena, struct stored_batch);
    batch_init(&stored->batch, types, column_count, &store->arena);
    batch_set_count(&stored->batch, 0);
    if (last == NULL)
        store->first = stored;
    else
        last->next = stored;
    store->last = stored;
    return stored;
}

static enum status kept_rows_check(const struct kept_rows *store) {
    TRY(arena_status(&store->arena));
    if (store->arena.size_total > STORED_ROWS_SIZE_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "rows kept for a cursor or portal exceed %d MB",
                         STORED_ROWS_SIZE_MAX >> 20);
    return STATUS_OK;
}

enum status kept_rows_append(struct kept_rows *store, const struct batch *batch) {
    struct type *types = ARENA_ARRAY(&store->arena, struct type, batch->column_count + 1);
    if (types == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < batch->column_count; i++)
        types[i] = batch->vectors[i].type;
    for (uint32_t done = 0; done < batch->selected_count;) {
        struct stored_batch *stored = kept_rows_room(store, types, batch->column_count);
        TRY(kept_rows_check(store));
        uint32_t room = VECTOR_SIZE - stored->batch.row_count;
        uint32_t count = batch->selected_count - done < room ? batch->selected_count - done : room;
        batch_append(&stored->batch, batch, done, count, &store->arena);
        done += count;
        store->row_count += count;
    }
    return kept_rows_check(store);
}

enum status kept_rows_append_values(struct kept_rows *store, const struct value *values,
                                    size_t count) {
    struct type *types = ARENA_ARRAY(&store->arena, struct type, count + 1);
    if (types == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        types[i] = values[i].type;
    struct stored_batch *stored = kept_rows_room(store, types, (uint32_t)count);
    TRY(kept_rows_check(store));
    uint32_t row = stored->batch.row_count;
    for (size_t i = 0; i < count; i++)
        if (values[i].is_null)
            vector_set_null(&stored->batch.vectors[i], row);
        else
            vector_set(&stored->batch.vectors[i], row, &values[i], &store->arena);
    batch_set_count(&stored->batch, row + 1);
    store->row_count++;
    return kept_rows_check(store);
}

/* ---- portals ---------------------------------------------------------------------------- */

static void forget_statement(struct portal *portal) {
    if (portal->statement != NULL)
        statement_release(portal->statement);
    kept_rows_release(&portal->stored);
}

void portal_close(struct fiber *f, struct session *session, struct portal *portal) {
    if (portal->execution != NULL)
        exec_close(f, portal->execution);
    if (session->open_portal == portal)
        session->open_portal = NULL; /* its statement ends before the next begins */
    if (portal == session->unnamed_portal)
        session->unnamed_portal = NULL;
    else
        name_table_remove(&session->portals, &portal->named);
    forget_statement(portal);
    if (session->spare_portal == NULL) {
        struct arena arena = portal->arena;
        arena_reset(&arena);
        *portal = (struct portal){.arena = arena};
        session->spare_portal = portal;
        return;
    }
    arena_release(&portal->arena);
    memory_free(portal);
}

void session__close_portals(struct fiber *f, struct session *session, bool with_held) {
    if (session->unnamed_portal != NULL && !session->unnamed_portal->running)
        portal_close(f, session, session->unnamed_portal);
    if (session->portals.count == 0)
        return;
    for (int i = 0; i < NAME_BUCKETS; i++)
        for (struct named *at = session->portals.buckets[i], *next; at != NULL; at = next) {
            next = at->next;
            struct portal *portal = (struct portal *)at;
            if (!portal->running && (with_held || !(portal->with_hold && portal->use_stored)))
                portal_close(f, session, portal);
        }
}

enum status portal_create(struct fiber *f, struct session *session, const char *name,
                          struct portal **portal_out) {
    bool unnamed = *name == '\0';
    if (unnamed && session->unnamed_portal != NULL)
        portal_close(f, session, session->unnamed_portal);
    if (!unnamed && name_table_find(&session->portals, name) != NULL)
        return error_set(STATUS_DUPLICATE_CURSOR, "cursor \"%s\" already exists", name);
    if (session->portals.count >= PORTALS_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "more than %d portals", PORTALS_MAX);
    struct portal *portal = session->spare_portal;
    session->spare_portal = NULL;
    if (portal == NULL)
        portal = memory_alloc_zeroed(1, sizeof *portal);
    if (portal == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    portal->made_at_us = session->statement_time_us;
    portal->named.name = unnamed ? "" : arena_copy_text(&portal->arena, name);
    if (unnamed)
        session->unnamed_portal = portal;
    else
        name_table_put(&session->portals, &portal->named);
    *portal_out = portal;
    return STATUS_OK;
}

enum status session__portal_find(struct session *session, const char *name,
                                 struct portal **portal_out) {
    *portal_out = *name == '\0' ? session->unnamed_portal
                                : (struct portal *)name_table_find(&session->portals, name);
    if (*portal_out != NULL)
        return STATUS_OK;
    return error_set(STATUS_INVALID_CURSOR_NAME, "portal \"%s\" does not exist", name);
}

enum status portal_set(struct session *session, struct portal *portal, const char *text,
                       struct statement *statement) {
    portal->text = arena_copy_text(&portal->arena, text);
    if (portal->text == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (statement == NULL)
        return STATUS_OK;
    statement_retain(statement);
    portal->statement = statement;
    return session__describe_columns(session, statement, &portal->arena, &portal->columns,
                                     &portal->column_count);
}

/* ---- running ---------------------------------------------------------------------------- */

static bool is_plan(const struct statement *statement) {
    return statement->kind == STATEMENT_SELECT || statement->kind == STATEMENT_INSERT ||
           statement->kind == STATEMENT_UPDATE || statement->kind == STATEMENT_DELETE;
}

/* The names of the columns live in the statement; another one took its place. */
static void renew_columns(struct portal *portal) {
    for (size_t i = 0; i < portal->statement->column_count && i < portal->column_count; i++) {
        const struct plan_column *column = &portal->statement->columns[i];
        portal->columns[i].name = column->name;
        portal->columns[i].table_oid = column->table_oid;
        portal->columns[i].column_number = column->attribute_number;
    }
}

static enum status start_plan(struct fiber *f, struct session *session, struct portal *portal) {
    struct statement *before = portal->statement;
    TRY(session__transaction(f, session));
    TRY(session__lock(f, session, portal->text, portal->fixed_result, &portal->statement));
    if (portal->statement != before && portal->fixed_result)
        renew_columns(portal);
    else if (portal->statement != before)
        TRY(session__describe_columns(session, portal->statement, &portal->arena, &portal->columns,
                                      &portal->column_count));
    TRY(session__check_read_only(session, portal->statement));
    TRY(session__statement_begin(f, session));
    session__environment(session, portal->statement, &portal->arena, portal->parameters,
                         portal->parameter_count, &portal->environment);
    session->schema_now = portal->statement->schema;
    TRY(exec_open(f, &portal->environment, portal->statement->plan, &portal->execution));
    session->open_portal = portal;
    return STATUS_OK;
}

enum status portal_start(struct fiber *f, struct session *session, struct portal *portal) {
    if (portal->started)
        return STATUS_OK;
    portal->started = true;
    if (is_plan(portal->statement))
        return start_plan(f, session, portal);
    TRY(session__run_utility(f, session, portal, portal->tag));
    portal->use_stored = true;
    portal->stored_next = portal->stored.first;
    return STATUS_OK;
}

/* The last row of an execution was handed out. */
static enum status end_plan(struct fiber *f, struct session *session, struct portal *portal) {
    uint64_t count = exec_row_count(portal->execution);
    enum statement_kind kind = portal->statement->kind;
    if (kind == STATEMENT_INSERT)
        snprintf(portal->tag, sizeof portal->tag, "INSERT 0 %llu", (unsigned long long)count);
    else if (kind != STATEMENT_SELECT)
        snprintf(portal->tag, sizeof portal->tag, "%s %llu", statement_kind_tag(kind),
                 (unsigned long long)count);
    exec_close(f, portal->execution);
    portal->execution = NULL;
    session->open_portal = NULL;
    return session__statement_end(f, session);
}

enum status portal_next_batch(struct fiber *f, struct session *session, struct portal *portal,
                              const struct batch **batch_out) {
    *batch_out = NULL;
    if (portal->use_stored) {
        if (portal->stored_next != NULL) {
            *batch_out = &portal->stored_next->batch;
            portal->stored_next = portal->stored_next->next;
        }
        return STATUS_OK;
    }
    if (portal->execution == NULL)
        return STATUS_OK;
    struct batch *batch;
    TRY(exec_next(f, portal->execution, &batch));
    if (batch == NULL)
        return end_plan(f, session, portal);
    *batch_out = batch;
    return STATUS_OK;
}

/* `count` rows of `batch` from `first` on, as a batch of their own. */
static struct batch batch_part(const struct batch *batch, uint32_t first, uint32_t count) {
    struct batch part = *batch;
    if (first == 0 && count == batch->selected_count)
        return part;
    part.selection = (batch->selection == NULL ? vector_identity : batch->selection) + first;
    part.selected_count = count;
    return part;
}

static enum status announce(struct fiber *f, struct session *session, struct portal *portal) {
    if (!portal->announce || portal->columns == NULL)
        return STATUS_OK;
    portal->announce = false;
    return session->sink->describe(f, session->sink, portal->columns, portal->column_count);
}

static enum status run(struct fiber *f, struct session *session, struct portal *portal,
                       uint64_t limit, bool *done_out) {
    uint64_t sent = 0;
    *done_out = false;
    TRY(portal_start(f, session, portal));
    TRY(announce(f, session, portal));
    while (limit == 0 || sent < limit) {
        if (portal->batch == NULL) {
            TRY(portal_next_batch(f, session, portal, &portal->batch));
            portal->batch_row = 0;
            if (portal->batch == NULL) {
                *done_out = portal->finished = true;
                break;
            }
        }
        uint64_t count = portal->batch->selected_count - portal->batch_row;
        if (limit != 0 && count > limit - sent)
            count = limit - sent;
        if (count > 0 && portal->columns != NULL) {
            struct batch part = batch_part(portal->batch, portal->batch_row, (uint32_t)count);
            TRY(session->sink->rows(f, session->sink, &part, portal->columns));
        }
        sent += count;
        portal->batch_row += (uint32_t)count;
        if (portal->batch_row == portal->batch->selected_count)
            portal->batch = NULL;
    }
    portal->position += sent;
    if (portal->statement->kind == STATEMENT_SELECT)
        snprintf(portal->tag, sizeof portal->tag, "SELECT %llu", (unsigned long long)sent);
    /* Statements without rows are done with the first call, whatever the limit. */
    if (portal->columns == NULL)
        *done_out = portal->finished = true;
    return STATUS_OK;
}

enum status portal_run(struct fiber *f, struct session *session, struct portal *portal,
                       uint64_t limit, bool *done_out) {
    portal->running = true;
    const struct schema *before = session->schema_now;
    enum status status = run(f, session, portal, limit, done_out);
    session->schema_now = before;
    portal->running = false;
    return status;
}

enum status portal_store_rest(struct fiber *f, struct session *session, struct portal *portal) {
    if (portal->use_stored)
        return STATUS_OK;
    TRY(portal_start(f, session, portal));
    if (portal->batch != NULL) {
        struct batch part = batch_part(portal->batch, portal->batch_row,
                                       portal->batch->selected_count - portal->batch_row);
        TRY(kept_rows_append(&portal->stored, &part));
        portal->batch = NULL;
    }
    while (portal->execution != NULL) {
        const struct batch *batch;
        TRY(portal_next_batch(f, session, portal, &batch));
        if (batch != NULL)
            TRY(kept_rows_append(&portal->stored, batch));
    }
    portal->use_stored = true;
    portal->batch_row = 0;
    portal->stored_next = portal->stored.first;
    return STATUS_OK;
}

enum status session__settle_open_portal(struct fiber *f, struct session *session, bool keep) {
    struct portal *portal = session->open_portal;
    if (portal == NULL)
        return STATUS_OK;
    if (keep)
        return portal_store_rest(f, session, portal);
    exec_close(f, portal->execution);
    portal->execution = NULL;
    portal->batch = NULL;
    session->open_portal = NULL;
    return STATUS_OK;
}
