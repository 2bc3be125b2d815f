#include "base/base_log.h"
#include "pgwire/client.h"

void client__report(struct client *client, const char *severity) {
    message_append_error(&client->output, severity, error_current());
}

static enum status refuse(struct fiber *f, struct client *client, enum status status) {
    client__report(client, "FATAL");
    struct error error = *error_current();
    enum status sent = client__flush(f, client);
    (void)sent; /* the client is gone either way */
    *error_current() = error;
    client->finished = true;
    return status;
}

/* One byte, no message around it. */
static enum status answer_no(struct fiber *f, struct client *client) {
    if (!client__input_is_empty(client))
        return error_set(STATUS_PROTOCOL_VIOLATION, "received unencrypted data after SSL request");
    buffer_append_byte(&client->output, 'N');
    return client__flush(f, client);
}

static void cancel_other(struct fiber *f, struct client *client, struct slice body) {
    struct cancel_message message;
    if (cancel_decode(body, &message) == STATUS_OK)
        engine_cancel(f, client->engine, message.pid, message.secret);
}

/* The start-up parameters as the session takes them: user and database apart, protocol options
   (_pq_.*) collected, "options" left to the session. */
struct startup {
    const char *user, *database;
    const char *names[STARTUP_PARAMETERS_MAX], *values[STARTUP_PARAMETERS_MAX];
    size_t count;
    const char *unknown[STARTUP_PARAMETERS_MAX];
    size_t unknown_count;
};

static enum status sort_parameters(const struct startup_message *message, struct startup *startup) {
    *startup = (struct startup){.user = NULL};
    for (size_t i = 0; i < message->count; i++) {
        const char *name = message->names[i], *value = message->values[i];
        if (strcmp(name, "user") == 0) {
            startup->user = value;
        } else if (strcmp(name, "database") == 0) {
            startup->database = value;
        } else if (strcmp(name, "replication") == 0) {
            if (strcmp(value, "false") != 0 && strcmp(value, "0") != 0 &&
                strcmp(value, "off") != 0 && strcmp(value, "no") != 0)
                return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                                 "replication connections are not supported");
        } else if (strncmp(name, "_pq_.", 5) == 0) {
            startup->unknown[startup->unknown_count++] = name;
        } else {
            startup->names[startup->count] = name;
            startup->values[startup->count++] = value;
        }
    }
    if (startup->user == NULL || *startup->user == '\0')
        return error_set(STATUS_INVALID_AUTHORIZATION,
                         "no PostgreSQL user name specified in startup packet");
    if (startup->database == NULL || *startup->database == '\0')
        startup->database = startup->user;
    return STATUS_OK;
}

static enum status start_session(struct fiber *f, struct client *client,
                                 const struct message *message) {
    struct startup_message decoded;
    struct startup startup;
    uint32_t major = message->code >> 16, minor = message->code & 0xFFFF;
    if (major != 3)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "unsupported frontend protocol %u.%u: server supports 3.0 to 3.0", major,
                         minor);
    TRY(startup_decode(message->body, &decoded));
    TRY(sort_parameters(&decoded, &startup));
    if (minor > 0 || startup.unknown_count > 0)
        message_append_negotiate(&client->output, startup.unknown, startup.unknown_count);
    struct session_options options = {
        .user = startup.user,
        .database = startup.database,
        .setting_names = startup.names,
        .setting_values = startup.values,
        .setting_count = startup.count,
        .sink = &client->sink,
    };
    TRY(session_open(f, client->engine, &options, &client->session));
    message_append_authentication_ok(&client->output);
    session_report_parameters(f, client->session);
    message_append_backend_key(&client->output, session_pid(client->session),
                               session_secret(client->session));
    message_append_ready(&client->output, session_transaction_status(client->session));
    return STATUS_OK;
}

static enum status handshake(struct fiber *f, struct client *client) {
    /* Each encryption request may come once. */
    for (int requests = 0; requests < 3; requests++) {
        struct message message;
        TRY(client__receive(f, client, true, &message));
        switch (message.code) {
        case SSL_REQUEST_CODE:
        case GSSENC_REQUEST_CODE:
            TRY(answer_no(f, client));
            continue;
        case CANCEL_REQUEST_CODE:
            cancel_other(f, client, message.body);
            client->finished = true; /* no answer, by design: the caller may not be who he says */
            return STATUS_OK;
        default:
            return start_session(f, client, &message);
        }
    }
    return error_set(STATUS_PROTOCOL_VIOLATION, "too many encryption requests");
}

enum status client__handshake(struct fiber *f, struct client *client) {
    int64_t timeout_ms = engine_setting_number(client->engine, "authentication_timeout") * 1000;
    struct deadline deadline = {
        .at_ns = clock_monotonic_ns() + timeout_ms * 1000000,
        .reason = STATUS_CANCELED,
        .message = "canceling authentication due to timeout",
    };
    struct deadline before = fiber_deadline_set(f, deadline);
    enum status status = handshake(f, client);
    fiber_deadline_set(f, before);
    if (status == STATUS_OK)
        return STATUS_OK;
    if (status == STATUS_CONNECTION_FAILURE) { /* a port scan, a health check: not worth a word */
        client->finished = true;
        return status;
    }
    LOG(LOG_DEBUG, "pgwire", "handshake failed: %s", error_current()->message);
    return refuse(f, client, status);
}
