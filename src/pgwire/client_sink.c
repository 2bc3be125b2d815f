#include "pgwire/client.h"
#include "pgwire/rows.h"

/* What the session calls: results into the output, COPY data out of the input. */

static struct client *client_of(struct sink *sink) {
    return (struct client *)sink;
}

static enum status sink_describe(struct fiber *f, struct sink *sink,
                                 const struct column_description *columns, size_t count) {
    struct client *client = client_of(sink);
    message_append_row_description(&client->output, columns, count);
    return client__flush_if_large(f, client);
}

static enum status sink_rows(struct fiber *f, struct sink *sink, const struct batch *batch,
                             const struct column_description *columns) {
    struct client *client = client_of(sink);
    const struct value_context *context = session_value_context(client->session);
    for (uint32_t row = 0; row < batch->selected_count;) {
        TRY(rows_append(&client->output, batch, columns, context, OUTPUT_SIZE_HIGH, &row));
        TRY(client__flush_if_large(f, client));
    }
    return STATUS_OK;
}

static enum status sink_complete(struct fiber *f, struct sink *sink, const char *tag,
                                 bool suspended) {
    struct client *client = client_of(sink);
    if (suspended)
        message_append_empty(&client->output, 's');
    else
        message_append_complete(&client->output, tag);
    return client__flush_if_large(f, client);
}

static enum status sink_empty_query(struct fiber *f, struct sink *sink) {
    message_append_empty(&client_of(sink)->output, 'I');
    return STATUS_OK;
}

static enum status sink_copy_in_begin(struct fiber *f, struct sink *sink, size_t column_count,
                                      bool binary) {
    struct client *client = client_of(sink);
    message_append_copy_response(&client->output, 'G', column_count, binary);
    return client__flush(f, client);
}

static enum status sink_copy_read(struct fiber *f, struct sink *sink, struct slice *data_out) {
    struct client *client = client_of(sink);
    *data_out = SLICE_EMPTY;
    for (;;) {
        struct message message;
        TRY(client__receive(f, client, false, &message));
        switch (message.type) {
        case 'd':
            if (message.body.size == 0)
                continue; /* an empty slice would mean the end */
            *data_out = message.body;
            return STATUS_OK;
        case 'c':
            return STATUS_OK;
        case 'f': {
            const char *reason;
            TRY(text_decode(message.body, &reason));
            return error_set(STATUS_CANCELED, "COPY from stdin failed: %s", reason);
        }
        case 'H':
        case 'S':
            continue; /* a library may have sent them before it knew of the COPY */
        default:
            client->finished = true;
            return error_set(STATUS_PROTOCOL_VIOLATION,
                             "unexpected message type 0x%02X during COPY from stdin",
                             (unsigned char)message.type);
        }
    }
}

static enum status sink_copy_out_begin(struct fiber *f, struct sink *sink, size_t column_count,
                                       bool binary) {
    struct client *client = client_of(sink);
    message_append_copy_response(&client->output, 'H', column_count, binary);
    return STATUS_OK;
}

static enum status sink_copy_write(struct fiber *f, struct sink *sink, struct slice data) {
    struct client *client = client_of(sink);
    message_append_copy_data(&client->output, data);
    TRY(buffer_status(&client->output));
    return client__flush_if_large(f, client);
}

static enum status sink_copy_out_end(struct fiber *f, struct sink *sink) {
    message_append_empty(&client_of(sink)->output, 'c');
    return STATUS_OK;
}

static void sink_notice(struct fiber *f, struct sink *sink, const char *severity,
                        const char *sqlstate, const char *message, const char *detail,
                        const char *hint) {
    message_append_notice(&client_of(sink)->output, severity, sqlstate, message, detail, hint);
}

static void sink_parameter_status(struct fiber *f, struct sink *sink, const char *name,
                                  const char *value) {
    message_append_parameter_status(&client_of(sink)->output, name, value);
}

void client__sink_init(struct client *client) {
    client->sink = (struct sink){
        .describe = sink_describe,
        .rows = sink_rows,
        .complete = sink_complete,
        .empty_query = sink_empty_query,
        .copy_in_begin = sink_copy_in_begin,
        .copy_read = sink_copy_read,
        .copy_out_begin = sink_copy_out_begin,
        .copy_write = sink_copy_write,
        .copy_out_end = sink_copy_out_end,
        .notice = sink_notice,
        .parameter_status = sink_parameter_status,
    };
}
