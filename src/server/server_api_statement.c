/* libsatori: prepared statements and the current row. */
#include "server/api.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base_memory.h"
#include "value/value_text.h"

/* ---- prepared statements --------------------------------------------------------------------- */

struct prepare_call {
    struct satori_statement *statement;
    const char *sql;
};

static enum status prepare_on_core(struct fiber *f, void *argument) {
    struct prepare_call *call = argument;
    struct satori_statement *statement = call->statement;
    struct session *session = statement->connection->session;
    struct arena *arena = &statement->description_arena;
    TRY(session_parse(f, session, statement->name, call->sql, NULL, 0));
    const uint32_t *types;
    const struct column_description *columns;
    TRY(session_describe_statement(f, session, statement->name, &types, &statement->parameter_count,
                                   &columns, &statement->column_count));
    statement->parameter_types = ARENA_ARRAY(arena, uint32_t, statement->parameter_count);
    statement->columns = ARENA_ARRAY(arena, struct column_description, statement->column_count);
    statement->parameters =
        memory_alloc_zeroed(statement->parameter_count, sizeof *statement->parameters);
    statement->texts = memory_alloc_zeroed(statement->column_count, sizeof *statement->texts);
    if (statement->parameter_types == NULL || statement->columns == NULL ||
        statement->parameters == NULL || statement->texts == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < statement->parameter_count; i++) {
        statement->parameter_types[i] = types[i];
        statement->parameters[i].parameter.is_null = true;
    }
    for (size_t i = 0; i < statement->column_count; i++) {
        statement->columns[i] = columns[i];
        statement->columns[i].name = arena_copy_text(arena, columns[i].name);
    }
    return arena_status(arena);
}

static enum status sync_on_core(struct fiber *f, void *argument) {
    struct satori_connection *connection = argument;
    return connection->active_count == 0 ? session_sync(f, connection->session) : STATUS_OK;
}

/* After a failure: the implicit transaction is over, and with it every open portal. */
static enum status sync_after_failure(struct satori_connection *connection, enum status status) {
    struct error error = *error_current();
    for (struct satori_statement *s = connection->statements; s != NULL; s = s->next)
        s->active = false;
    connection->active_count = 0;
    (void)!runtime_run(connection->database->runtime, 0, sync_on_core, connection);
    *error_current() = error;
    return status;
}

int satori_prepare(struct satori_connection *connection, const char *sql,
                   struct satori_statement **statement_out) {
    error_clear();
    *statement_out = NULL;
    struct satori_statement *statement = memory_alloc_zeroed(1, sizeof *statement);
    if (statement == NULL)
        return server__result(connection, error_set(STATUS_OUT_OF_MEMORY, "out of memory"));
    statement->connection = connection;
    snprintf(statement->name, sizeof statement->name, "satori_%llu",
             (unsigned long long)++connection->name_next);
    struct prepare_call call = {statement, sql};
    enum status status = runtime_run(connection->database->runtime, 0, prepare_on_core, &call);
    if (status == STATUS_OK && connection->active_count == 0)
        status = runtime_run(connection->database->runtime, 0, sync_on_core, connection);
    if (status != STATUS_OK) {
        status = sync_after_failure(connection, status);
        memory_free(statement->parameters);
        memory_free(statement->texts);
        arena_release(&statement->description_arena);
        memory_free(statement);
        return server__result(connection, status);
    }
    statement->next = connection->statements;
    connection->statements = statement;
    *statement_out = statement;
    return server__result(connection, STATUS_OK);
}

size_t satori_parameter_count(const struct satori_statement *statement) {
    return statement->parameter_count;
}

static int bind_bytes(struct satori_statement *statement, size_t index, const void *bytes,
                      size_t size, bool binary) {
    struct satori_connection *connection = statement->connection;
    error_clear();
    if (index == 0 || index > statement->parameter_count)
        return server__result(
            connection, error_set(STATUS_UNDEFINED_PARAMETER, "there is no parameter $%zu", index));
    uint8_t *copy = NULL;
    if (bytes != NULL) {
        copy = memory_alloc(size);
        if (copy == NULL)
            return server__result(connection, error_set(STATUS_OUT_OF_MEMORY, "out of memory"));
        memcpy(copy, bytes, size);
    }
    struct bound_parameter *bound = &statement->parameters[index - 1];
    memory_free(bound->bytes);
    bound->bytes = copy;
    bound->parameter = (struct session_parameter){
        .bytes = slice_of(copy, size), .is_null = bytes == NULL, .is_binary = binary};
    return server__result(connection, STATUS_OK);
}

int satori_bind_null(struct satori_statement *statement, size_t index) {
    return bind_bytes(statement, index, NULL, 0, false);
}

int satori_bind_int64(struct satori_statement *statement, size_t index, int64_t value) {
    char text[32];
    int size = snprintf(text, sizeof text, "%lld", (long long)value);
    return bind_bytes(statement, index, text, (size_t)size, false);
}

int satori_bind_double(struct satori_statement *statement, size_t index, double value) {
    char text[FLOAT_TEXT_SIZE];
    return bind_bytes(statement, index, text, float8_format(value, text), false);
}

int satori_bind_text(struct satori_statement *statement, size_t index, const char *text) {
    return bind_bytes(statement, index, text, text == NULL ? 0 : strlen(text), false);
}

int satori_bind_bytes(struct satori_statement *statement, size_t index, const void *bytes,
                      size_t size) {
    bool is_bytea = index > 0 && index <= statement->parameter_count &&
                    statement->parameter_types[index - 1] == TYPE_BYTEA;
    return bind_bytes(statement, index, bytes, size, is_bytea);
}

static void rows_clear(struct satori_statement *statement) {
    arena_reset(&statement->row_arena);
    struct type types[statement->column_count + 1];
    for (size_t i = 0; i < statement->column_count; i++)
        types[i] = statement->columns[i].type;
    batch_init(&statement->rows, types, (uint32_t)statement->column_count, &statement->row_arena);
    statement->row_next = 0;
    statement->row_valid = false;
}

static enum status fetch_on_core(struct fiber *f, void *argument) {
    struct satori_statement *statement = argument;
    struct satori_connection *connection = statement->connection;
    struct session *session = connection->session;
    if (!statement->active) {
        struct session_parameter parameters[statement->parameter_count + 1];
        for (size_t i = 0; i < statement->parameter_count; i++)
            parameters[i] = statement->parameters[i].parameter;
        TRY(session_bind(f, session, statement->name, statement->name, parameters,
                         statement->parameter_count));
        statement->active = true;
        connection->active_count++;
    }
    statement->suspended = false;
    connection->stepping = statement;
    enum status status = session_execute(f, session, statement->name, ROWS_PER_STEP);
    connection->stepping = NULL;
    TRY(status);
    if (!statement->suspended) {
        statement->done = true;
        statement->active = false;
        connection->active_count--;
        TRY(session_close_portal(f, session, statement->name));
        if (connection->active_count == 0)
            TRY(session_sync(f, session));
    }
    return STATUS_OK;
}

int satori_step(struct satori_statement *statement) {
    struct satori_connection *connection = statement->connection;
    error_clear();
    if (statement->row_valid)
        statement->row_next++;
    statement->row_valid = false;
    if (statement->row_next >= statement->rows.row_count) {
        if (statement->done)
            return SATORI_DONE;
        rows_clear(statement);
        enum status status =
            runtime_run(connection->database->runtime, 0, fetch_on_core, statement);
        if (status != STATUS_OK) {
            statement->done = true;
            return server__result(connection, sync_after_failure(connection, status));
        }
        if (statement->rows.row_count == 0)
            return SATORI_DONE;
    }
    statement->row_valid = true;
    return SATORI_ROW;
}

static enum status reset_on_core(struct fiber *f, void *argument) {
    struct satori_statement *statement = argument;
    TRY(session_close_portal(f, statement->connection->session, statement->name));
    return sync_on_core(f, statement->connection);
}

int satori_reset(struct satori_statement *statement) {
    struct satori_connection *connection = statement->connection;
    enum status status = STATUS_OK;
    error_clear();
    if (statement->active) {
        statement->active = false;
        connection->active_count--;
        status = runtime_run(connection->database->runtime, 0, reset_on_core, statement);
        if (status != STATUS_OK)
            status = sync_after_failure(connection, status);
    }
    statement->done = false;
    statement->row_valid = false;
    statement->rows.row_count = 0;
    statement->row_next = 0;
    return server__result(connection, status);
}

static enum status finalize_on_core(struct fiber *f, void *argument) {
    struct satori_statement *statement = argument;
    return session_close_statement(f, statement->connection->session, statement->name);
}

void satori_finalize(struct satori_statement *statement) {
    if (statement == NULL)
        return;
    struct satori_connection *connection = statement->connection;
    (void)satori_reset(statement);
    (void)!runtime_run(connection->database->runtime, 0, finalize_on_core, statement);
    struct satori_statement **link = &connection->statements;
    while (*link != statement)
        link = &(*link)->next;
    *link = statement->next;
    for (size_t i = 0; i < statement->parameter_count; i++)
        memory_free(statement->parameters[i].bytes);
    for (size_t i = 0; i < statement->column_count; i++)
        buffer_release(&statement->texts[i]);
    memory_free(statement->parameters);
    memory_free(statement->texts);
    arena_release(&statement->description_arena);
    arena_release(&statement->row_arena);
    memory_free(statement);
}

/* ---- columns --------------------------------------------------------------------------------- */

size_t satori_column_count(const struct satori_statement *statement) {
    return statement->column_count;
}

const char *satori_column_name(const struct satori_statement *statement, size_t column) {
    ASSERT(column < statement->column_count);
    return statement->columns[column].name;
}

uint32_t satori_column_type(const struct satori_statement *statement, size_t column) {
    ASSERT(column < statement->column_count);
    return statement->columns[column].type.id;
}

static struct value current(const struct satori_statement *statement, size_t column) {
    ASSERT(column < statement->column_count);
    if (!statement->row_valid)
        return value_null(statement->columns[column].type);
    return vector_get(&statement->rows.vectors[column], statement->row_next);
}

int satori_is_null(const struct satori_statement *statement, size_t column) {
    return current(statement, column).is_null;
}

const void *satori_bytes(const struct satori_statement *statement, size_t column,
                         size_t *size_out) {
    *size_out = 0;
    struct value value = current(statement, column);
    if (value.is_null)
        return NULL;
    struct buffer *text = &statement->texts[column];
    buffer_clear(text);
    if (value.type.id == TYPE_BYTEA)
        buffer_append_slice(text, value.string);
    else if (text_output(session_value_context(statement->connection->session), &value, text) !=
             STATUS_OK)
        return NULL;
    buffer_append_byte(text, 0);
    if (buffer_status(text) != STATUS_OK)
        return NULL;
    *size_out = text->size - 1;
    return text->data;
}

const char *satori_text(const struct satori_statement *statement, size_t column) {
    size_t size;
    return satori_bytes(statement, column, &size);
}

int64_t satori_int64(const struct satori_statement *statement, size_t column) {
    struct value value = current(statement, column);
    if (value.is_null)
        return 0;
    switch (type_physical(value.type)) {
    case PHYSICAL_BOOL:
        return value.boolean;
    case PHYSICAL_INT16:
        return value.int16;
    case PHYSICAL_INT32:
        return value.int32;
    case PHYSICAL_INT64:
        if (value.type.id != TYPE_NUMERIC)
            return value.int64;
        break;
    default:
        break;
    }
    const char *text = satori_text(statement, column);
    return text == NULL ? 0 : strtoll(text, NULL, 10);
}

double satori_double(const struct satori_statement *statement, size_t column) {
    struct value value = current(statement, column);
    if (value.is_null)
        return 0;
    if (value.type.id == TYPE_FLOAT8)
        return value.float64;
    if (value.type.id == TYPE_FLOAT4)
        return value.float32;
    const char *text = satori_text(statement, column);
    return text == NULL ? 0 : strtod(text, NULL);
}

uint64_t satori_changes(const struct satori_statement *statement) {
    return statement->changes;
}
