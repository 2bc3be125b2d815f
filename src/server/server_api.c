/* libsatori: opening, connections, errors. See api.h for how it works. */
#include "server/api.h"

#include <stdio.h>

#include "base/base_log.h"
#include "base/base_memory.h"

static _Thread_local char open_error[ERROR_MESSAGE_SIZE * 2 + 8];

const char *satori_version(void) {
    return SATORI_VERSION;
}

const char *satori_open_error(void) {
    return open_error;
}

/* ---- open and close -------------------------------------------------------------------- */

struct open_call {
    struct engine_options options;
    struct engine *engine;
};

static enum status open_on_core(struct fiber *f, void *argument) {
    struct open_call *call = argument;
    return engine_open(f, &call->options, &call->engine);
}

static enum status close_on_core(struct fiber *f, void *argument) {
    return engine_close(f, argument);
}

static void keep_open_error(void) {
    const struct error *error = error_current();
    snprintf(open_error, sizeof open_error, "%s%s%s",
             error->message[0] != '\0' ? error->message : status_text(error->status),
             error->hint[0] != '\0' ? "; " : "", error->hint);
}

int satori_open(const char *directory, const struct satori_options *options,
                struct satori **database_out) {
    static const struct satori_options defaults;
    if (options == NULL)
        options = &defaults;
    *database_out = NULL;
    error_clear();
    struct satori *database = memory_alloc_zeroed(1, sizeof *database);
    if (database == NULL) {
        snprintf(open_error, sizeof open_error, "out of memory");
        return SATORI_ERROR;
    }
    log_level_set(options->log_level >= 2   ? LOG_DEBUG
                  : options->log_level == 1 ? LOG_INFO
                                            : LOG_WARNING);
    struct runtime_options runtime_options = {.core_count = options->cores};
    enum status status = runtime_create(&runtime_options, &database->runtime);
    if (status == STATUS_OK) {
        struct open_call call = {
            .options = {.directory = directory,
                        .create_if_missing = options->create != 0,
                        .partition_count = options->partitions,
                        .memory_max = options->memory,
                        .config_path = options->config_path},
        };
        status = runtime_run(database->runtime, 0, open_on_core, &call);
        database->engine = call.engine;
    }
    if (status != STATUS_OK) {
        keep_open_error();
        if (database->runtime != NULL)
            runtime_destroy(database->runtime);
        memory_free(database);
        return SATORI_ERROR;
    }
    *database_out = database;
    return SATORI_OK;
}

void satori_close(struct satori *database) {
    if (database == NULL)
        return;
    enum status status = runtime_run(database->runtime, 0, close_on_core, database->engine);
    if (status != STATUS_OK)
        LOG(LOG_ERROR, "server", "closing: %s", error_current()->message);
    runtime_destroy(database->runtime);
    memory_free(database);
}

/* ---- errors ------------------------------------------------------------------------------ */

/* Keep the caller thread's error slot with the connection. */
int server__result(struct satori_connection *connection, enum status status) {
    if (status == STATUS_OK) {
        connection->error.status = STATUS_OK;
        return SATORI_OK;
    }
    connection->error = *error_current();
    connection->error.status = status;
    if (connection->error.message[0] == '\0')
        snprintf(connection->error.message, sizeof connection->error.message, "%s",
                 status_text(status));
    return SATORI_ERROR;
}

#define DEFINE_ERROR_FIELD(function, field)                                                        \
    const char *function(const struct satori_connection *connection) {                             \
        return connection->error.status == STATUS_OK ? "" : connection->error.field;               \
    }
DEFINE_ERROR_FIELD(satori_message, message)
DEFINE_ERROR_FIELD(satori_detail, detail)
DEFINE_ERROR_FIELD(satori_hint, hint)
DEFINE_ERROR_FIELD(satori_context, context)
#undef DEFINE_ERROR_FIELD

const char *satori_sqlstate(const struct satori_connection *connection) {
    return status_sqlstate(connection->error.status);
}

int satori_position(const struct satori_connection *connection) {
    return connection->error.status == STATUS_OK ? 0 : connection->error.position;
}

char satori_transaction_status(const struct satori_connection *connection) {
    return session_transaction_status(connection->session);
}

/* ---- connections -------------------------------------------------------------------------- */

static enum status connect_on_core(struct fiber *f, void *argument) {
    struct satori_connection *connection = argument;
    struct session_options options = {
        .user = "satori", .database = "satori", .sink = &connection->sink};
    return session_open(f, connection->database->engine, &options, &connection->session);
}

int satori_connect(struct satori *database, struct satori_connection **connection_out) {
    *connection_out = NULL;
    struct satori_connection *connection = memory_alloc_zeroed(1, sizeof *connection);
    if (connection == NULL) {
        snprintf(open_error, sizeof open_error, "out of memory");
        return SATORI_ERROR;
    }
    connection->sink = server__sink_functions;
    connection->database = database;
    error_clear();
    if (runtime_run(database->runtime, 0, connect_on_core, connection) != STATUS_OK) {
        keep_open_error();
        memory_free(connection);
        return SATORI_ERROR;
    }
    *connection_out = connection;
    return SATORI_OK;
}

static enum status disconnect_on_core(struct fiber *f, void *argument) {
    session_close(f, argument);
    return STATUS_OK;
}

void satori_disconnect(struct satori_connection *connection) {
    if (connection == NULL)
        return;
    while (connection->statements != NULL)
        satori_finalize(connection->statements);
    enum status status =
        runtime_run(connection->database->runtime, 0, disconnect_on_core, connection->session);
    if (status != STATUS_OK)
        LOG(LOG_ERROR, "server", "disconnecting: %s", error_current()->message);
    memory_free(connection);
}

static enum status cancel_on_core(struct fiber *f, void *argument) {
    struct satori_connection *connection = argument;
    engine_cancel(f, connection->database->engine, session_pid(connection->session),
                  session_secret(connection->session));
    return STATUS_OK;
}

void satori_cancel(struct satori_connection *connection) {
    (void)!runtime_run(connection->database->runtime, 0, cancel_on_core, connection);
}
