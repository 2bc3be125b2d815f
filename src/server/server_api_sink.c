/* libsatori: the sink, what a session tells a connection; runs on the core. */
#include "server/api.h"

#include <stdlib.h>

#include "value/value_text.h"

/* ---- the sink: what the session tells us, on the core -------------------------------------- */

static struct tape_event *tape_add(struct tape *tape, enum event_kind kind, size_t count) {
    struct tape_event *event = ARENA_NEW(&tape->arena, struct tape_event);
    event->kind = kind;
    event->count = count;
    event->texts = ARENA_ARRAY(&tape->arena, const char *, count);
    *tape->last = event;
    tape->last = &event->next;
    return event;
}

/* Let the caller play what is recorded. */
static enum status hand_over(struct fiber *f, struct conversation *conversation) {
    conversation->ready = true;
    condition_wake_all(&conversation->caller_wakes);
    while (conversation->ready)
        TRY(condition_wait(f, &conversation->fiber_wakes));
    if (conversation->abandoned)
        return error_set(STATUS_CANCELED, "canceling statement due to user request");
    return STATUS_OK;
}

static enum status sink_describe(struct fiber *f, struct sink *sink,
                                 const struct column_description *columns, size_t count) {
    struct satori_connection *connection = (struct satori_connection *)sink;
    if (connection->conversation == NULL)
        return STATUS_OK;
    struct tape *tape = &connection->conversation->tape;
    struct tape_event *event = tape_add(tape, EVENT_COLUMNS, count);
    event->type_oids = ARENA_ARRAY(&tape->arena, uint32_t, count);
    for (size_t i = 0; i < count; i++) {
        event->texts[i] = arena_copy_text(&tape->arena, columns[i].name);
        event->type_oids[i] = columns[i].type.id;
    }
    return arena_status(&tape->arena);
}

static enum status record_row(struct satori_connection *connection, struct tape *tape,
                              const struct batch *batch, uint32_t row) {
    const struct value_context *context = session_value_context(connection->session);
    struct tape_event *event = tape_add(tape, EVENT_ROW, batch->column_count);
    event->sizes = ARENA_ARRAY(&tape->arena, size_t, batch->column_count);
    struct buffer text = {0};
    enum status status = STATUS_OK;
    for (uint32_t column = 0; column < batch->column_count; column++) {
        struct value value = vector_get(&batch->vectors[column], row);
        if (value.is_null)
            continue;
        buffer_clear(&text);
        TRY_OUT(text_output(context, &value, &text));
        struct slice copy = arena_copy_slice(&tape->arena, buffer_slice(&text));
        if (copy.data == NULL) {
            status = error_set(STATUS_OUT_OF_MEMORY, "out of memory for a value of %zu bytes",
                               text.size);
            goto out;
        }
        event->texts[column] = (const char *)copy.data;
        event->sizes[column] = copy.size;
    }
    status = arena_status(&tape->arena);
out:
    buffer_release(&text);
    return status;
}

static enum status keep_rows(struct satori_statement *statement, const struct batch *batch) {
    ASSERT(statement->rows.row_count + batch->selected_count <= ROWS_PER_STEP);
    batch_append(&statement->rows, batch, 0, batch->selected_count, &statement->row_arena);
    return arena_status(&statement->row_arena);
}

static enum status sink_rows(struct fiber *f, struct sink *sink, const struct batch *batch,
                             const struct column_description *columns) {
    struct satori_connection *connection = (struct satori_connection *)sink;
    if (connection->stepping != NULL)
        return keep_rows(connection->stepping, batch);
    for (uint32_t i = 0; i < batch->selected_count; i++) {
        TRY(record_row(connection, &connection->conversation->tape, batch, batch_row(batch, i)));
        if (connection->conversation->tape.arena.size_total >= TAPE_SIZE_FULL)
            TRY(hand_over(f, connection->conversation));
    }
    return STATUS_OK;
}

/* "UPDATE 5", "INSERT 0 5": the last number. */
static uint64_t count_in_tag(const char *tag) {
    const char *space = strrchr(tag, ' ');
    return space == NULL ? 0 : strtoull(space + 1, NULL, 10);
}

static enum status sink_complete(struct fiber *f, struct sink *sink, const char *tag,
                                 bool suspended) {
    struct satori_connection *connection = (struct satori_connection *)sink;
    if (connection->stepping != NULL) {
        connection->stepping->suspended = suspended;
        connection->stepping->changes = count_in_tag(tag);
        return STATUS_OK;
    }
    struct tape *tape = &connection->conversation->tape;
    struct tape_event *event = tape_add(tape, EVENT_COMPLETE, 1);
    event->texts[0] = arena_copy_text(&tape->arena, tag);
    return arena_status(&tape->arena);
}

static enum status sink_empty_query(struct fiber *f, struct sink *sink) {
    return sink_complete(f, sink, "", false);
}

static enum status refuse_copy(struct satori_connection *connection) {
    if (connection->conversation != NULL)
        return STATUS_OK;
    return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                     "COPY with STDIN or STDOUT needs satori_query, not a prepared statement");
}

static enum status sink_copy_begin(struct fiber *f, struct sink *sink, size_t column_count,
                                   bool binary) {
    return refuse_copy((struct satori_connection *)sink);
}

static enum status sink_copy_read(struct fiber *f, struct sink *sink, struct slice *data_out) {
    struct conversation *conversation = ((struct satori_connection *)sink)->conversation;
    conversation->waiting_for_input = true;
    TRY(hand_over(f, conversation));
    *data_out = conversation->input;
    return STATUS_OK;
}

static enum status sink_copy_write(struct fiber *f, struct sink *sink, struct slice data) {
    struct satori_connection *connection = (struct satori_connection *)sink;
    struct tape *tape = &connection->conversation->tape;
    struct tape_event *event = tape_add(tape, EVENT_COPY_WRITE, 1);
    event->sizes = ARENA_ARRAY(&tape->arena, size_t, 1);
    ASSERT(event->sizes != NULL); /* small */
    struct slice copy = arena_copy_slice(&tape->arena, data);
    if (copy.data == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory for %zu bytes of COPY", data.size);
    event->texts[0] = (const char *)copy.data;
    event->sizes[0] = copy.size;
    TRY(arena_status(&tape->arena));
    return tape->arena.size_total >= TAPE_SIZE_FULL ? hand_over(f, connection->conversation)
                                                    : STATUS_OK;
}

static enum status sink_copy_out_end(struct fiber *f, struct sink *sink) {
    return STATUS_OK;
}

static void sink_notice(struct fiber *f, struct sink *sink, const char *severity,
                        const char *sqlstate, const char *message, const char *detail,
                        const char *hint) {
    struct satori_connection *connection = (struct satori_connection *)sink;
    if (connection->conversation == NULL)
        return;
    struct tape *tape = &connection->conversation->tape;
    struct tape_event *event = tape_add(tape, EVENT_NOTICE, 2);
    event->texts[0] = arena_copy_text(&tape->arena, severity);
    event->texts[1] = arena_copy_text(&tape->arena, message);
}

static void sink_parameter_status(struct fiber *f, struct sink *sink, const char *name,
                                  const char *value) {
}

const struct sink server__sink_functions = {
    .describe = sink_describe,
    .rows = sink_rows,
    .complete = sink_complete,
    .empty_query = sink_empty_query,
    .copy_in_begin = sink_copy_begin,
    .copy_read = sink_copy_read,
    .copy_out_begin = sink_copy_begin,
    .copy_write = sink_copy_write,
    .copy_out_end = sink_copy_out_end,
    .notice = sink_notice,
    .parameter_status = sink_parameter_status,
};
