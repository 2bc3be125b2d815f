#include "pgwire/client.h"

#include "base/base_log.h"
#include "base/base_memory.h"

static enum status on_query(struct fiber *f, struct client *client, struct slice body) {
    const char *text;
    TRY(text_decode(body, &text));
    return session_query(f, client->session, text);
}

static enum status on_parse(struct fiber *f, struct client *client, struct slice body) {
    struct parse_message message;
    TRY(parse_decode(body, &message));
    if (!memory_grow(&client->type_oids, &client->type_capacity, message.type_count,
                     sizeof *client->type_oids))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < message.type_count; i++)
        client->type_oids[i] = parse_type_oid(&message, i);
    TRY(session_parse(f, client->session, message.name, message.text, client->type_oids,
                      message.type_count));
    message_append_empty(&client->output, '1');
    return STATUS_OK;
}

static enum status set_formats(struct fiber *f, struct client *client,
                               const struct bind_message *message) {
    if (message->result_format_count == 0)
        return STATUS_OK;
    if (!memory_grow(&client->formats, &client->format_capacity, message->result_format_count,
                     sizeof *client->formats))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < message->result_format_count; i++) {
        client->formats[i] = (int16_t)get_be16(message->result_formats + 2 * i);
        if (client->formats[i] != 0 && client->formats[i] != 1)
            return error_set(STATUS_INVALID_PARAMETER_VALUE, "unsupported format code: %d",
                             client->formats[i]);
    }
    return session_bind_formats(f, client->session, message->portal, client->formats,
                                message->result_format_count);
}

static enum status on_bind(struct fiber *f, struct client *client, struct slice body) {
    struct bind_message message;
    uint16_t parameter_count;
    TRY(bind_parameter_count(body, &parameter_count));
    if (!memory_grow(&client->parameters, &client->parameter_capacity, parameter_count,
                     sizeof *client->parameters))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(bind_decode(body, client->parameters, &message));
    TRY(session_bind(f, client->session, message.portal, message.statement, message.parameters,
                     message.parameter_count));
    TRY(set_formats(f, client, &message));
    message_append_empty(&client->output, '2');
    return STATUS_OK;
}

static enum status on_describe(struct fiber *f, struct client *client, struct slice body) {
    struct target_message message;
    const struct column_description *columns;
    size_t column_count;
    TRY(target_decode(body, "DESCRIBE", &message));
    if (message.kind == 'S') {
        const uint32_t *type_oids;
        size_t type_count;
        TRY(session_describe_statement(f, client->session, message.name, &type_oids, &type_count,
                                       &columns, &column_count));
        message_append_parameter_description(&client->output, type_oids, type_count);
    } else {
        TRY(session_describe_portal(f, client->session, message.name, &columns, &column_count));
    }
    if (columns == NULL)
        message_append_empty(&client->output, 'n');
    else
        message_append_row_description(&client->output, columns, column_count);
    return STATUS_OK;
}

static enum status on_execute(struct fiber *f, struct client *client, struct slice body) {
    struct execute_message message;
    TRY(execute_decode(body, &message));
    return session_execute(f, client->session, message.portal, message.row_limit);
}

static enum status on_close(struct fiber *f, struct client *client, struct slice body) {
    struct target_message message;
    TRY(target_decode(body, "CLOSE", &message));
    if (message.kind == 'S')
        TRY(session_close_statement(f, client->session, message.name));
    else
        TRY(session_close_portal(f, client->session, message.name));
    message_append_empty(&client->output, '3');
    return STATUS_OK;
}

/* After these the conversation cannot or must not go on. */
static bool is_fatal(const struct client *client, enum status status) {
    return client->finished || status == STATUS_SHUTDOWN || status == STATUS_CONNECTION_FAILURE ||
           status == STATUS_IDLE_IN_TRANSACTION_TIMEOUT;
}

/* Tell the client of the failure in the slot. */
static void report_failure(struct fiber *f, struct client *client, enum status status) {
    bool fatal = is_fatal(client, status);
    client__report(client, fatal ? "FATAL" : "ERROR");
    client->finished |= fatal;
    if (!fatal)
        session_fail(f, client->session);
}

static void append_ready(struct client *client) {
    if (!client->finished)
        message_append_ready(&client->output, session_transaction_status(client->session));
}

/* One message. OK also when a failure was reported and the client goes on. */
static void handle(struct fiber *f, struct client *client, const struct message *message) {
    enum status status = STATUS_OK;
    if (client->skip_until_sync && message->type != 'S' && message->type != 'X')
        return;
    switch (message->type) {
    case 'Q':
        status = on_query(f, client, message->body);
        if (status != STATUS_OK)
            report_failure(f, client, status);
        append_ready(client);
        return;
    case 'P':
        status = on_parse(f, client, message->body);
        break;
    case 'B':
        status = on_bind(f, client, message->body);
        break;
    case 'D':
        status = on_describe(f, client, message->body);
        break;
    case 'E':
        status = on_execute(f, client, message->body);
        break;
    case 'C':
        status = on_close(f, client, message->body);
        break;
    case 'H':
        status = client__flush(f, client);
        break;
    case 'S':
        client->skip_until_sync = false;
        status = session_sync(f, client->session);
        if (status != STATUS_OK)
            report_failure(f, client, status);
        append_ready(client);
        return;
    case 'F':
        status =
            error_set(STATUS_FEATURE_NOT_SUPPORTED, "the FunctionCall message is not supported");
        report_failure(f, client, status);
        append_ready(client);
        return;
    case 'X':
        client->finished = true;
        return;
    case 'd':
    case 'c':
    case 'f':
        return; /* what is left of a COPY that failed */
    default:
        client->finished = true;
        status = error_set(STATUS_PROTOCOL_VIOLATION, "invalid frontend message type %d",
                           (unsigned char)message->type);
    }
    if (status != STATUS_OK) {
        report_failure(f, client, status);
        client->skip_until_sync = true;
    }
}

/* Waiting for the next message: idle, or idle in a transaction with a limit. */
static enum status wait_for_message(struct fiber *f, struct client *client,
                                    struct message *message_out) {
    int64_t timeout_ms = session_input_timeout_ms(client->session);
    if (timeout_ms == 0)
        return client__receive(f, client, false, message_out);
    struct deadline deadline = {
        .at_ns = clock_monotonic_ns() + timeout_ms * 1000000,
        .reason = STATUS_IDLE_IN_TRANSACTION_TIMEOUT,
        .message = "terminating connection due to idle-in-transaction timeout",
    };
    struct deadline before = fiber_deadline_set(f, deadline);
    enum status status = client__receive(f, client, false, message_out);
    fiber_deadline_set(f, before);
    return status;
}

static void converse(struct fiber *f, struct client *client) {
    while (!client->finished) {
        struct message message;
        enum status status = wait_for_message(f, client, &message);
        if (status == STATUS_OK) {
            handle(f, client, &message);
        } else if (status == STATUS_CANCELED) {
            fiber_cancel_clear(f); /* a cancel request that came too late for its statement */
        } else {
            bool gone = status == STATUS_CONNECTION_FAILURE;
            client->finished = true;
            if (!gone)
                client__report(client, "FATAL");
        }
    }
}

static void client_release(struct client *client) {
    memory_free(client->input);
    buffer_release(&client->output);
    memory_free(client->parameters);
    memory_free(client->type_oids);
    memory_free(client->formats);
}

void pgwire_converse(struct fiber *f, struct engine *engine, struct transport *transport) {
    struct client client = {.engine = engine, .transport = transport};
    client__sink_init(&client);
    if (client__handshake(f, &client) == STATUS_OK)
        converse(f, &client);
    enum status status = client__flush(f, &client);
    if (status != STATUS_OK)
        LOG(LOG_DEBUG, "pgwire", "client left before the last answer: %s",
            error_current()->message);
    if (client.session != NULL)
        session_close(f, client.session);
    client_release(&client);
}
