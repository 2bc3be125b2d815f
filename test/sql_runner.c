#include "sql_runner.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

#include "base/base_buffer.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/runtime.h"
#include "session/session.h"
#include "value/value_text.h"

enum { SESSIONS_MAX = 64 };

struct sql_session {
    struct sink sink; /* first */
    struct sql_runner *runner;
    struct session *session;
    struct buffer text; /* what the call gave */
    bool has_rows;      /* the statement at hand returns rows: no tag */
    const uint8_t *copy_data;
    size_t copy_size, copy_piece;
    const char *query;
    const char *const *parameters;
    size_t parameter_count;
    struct future future;
    bool started, done;
    char detail[ERROR_MESSAGE_SIZE]; /* of the last failure */
};

struct sql_runner {
    struct runtime *runtime;
    struct engine *engine;
    char directory[64];
    unsigned core_count;
    bool journal_is_small;
    struct sql_session *sessions[SESSIONS_MAX];
};

/* ---- the sink ------------------------------------------------------------------------------- */

static enum status sink_describe(struct fiber *f, struct sink *sink,
                                 const struct column_description *columns, size_t count) {
    ((struct sql_session *)sink)->has_rows = true;
    return STATUS_OK;
}

static enum status sink_rows(struct fiber *f, struct sink *sink, const struct batch *batch,
                             const struct column_description *columns) {
    struct sql_session *session = (struct sql_session *)sink;
    session->has_rows = true;
    for (uint32_t i = 0; i < batch->selected_count; i++) {
        for (uint32_t c = 0; c < batch->column_count; c++) {
            struct value value = vector_get(&batch->vectors[c], batch_row(batch, i));
            if (c > 0)
                buffer_append_byte(&session->text, '|');
            if (value.is_null)
                buffer_append_text(&session->text, "NULL");
            else
                TRY(text_output(session_value_context(session->session), &value, &session->text));
        }
        buffer_append_byte(&session->text, '\n');
    }
    return STATUS_OK;
}

static enum status sink_complete(struct fiber *f, struct sink *sink, const char *tag,
                                 bool suspended) {
    struct sql_session *session = (struct sql_session *)sink;
    if (suspended)
        buffer_append_text(&session->text, "SUSPENDED\n");
    else if (!session->has_rows)
        buffer_append_format(&session->text, "%s\n", tag);
    session->has_rows = false;
    return STATUS_OK;
}

static enum status sink_empty_query(struct fiber *f, struct sink *sink) {
    buffer_append_text(&((struct sql_session *)sink)->text, "EMPTY\n");
    return STATUS_OK;
}

static enum status sink_copy_begin(struct fiber *f, struct sink *sink, size_t column_count,
                                   bool binary) {
    return STATUS_OK;
}

static enum status sink_copy_read(struct fiber *f, struct sink *sink, struct slice *data_out) {
    struct sql_session *session = (struct sql_session *)sink;
    size_t size = session->copy_size;
    if (session->copy_piece > 0 && size > session->copy_piece)
        size = session->copy_piece;
    *data_out = slice_of(session->copy_data, size);
    session->copy_data += size;
    session->copy_size -= size;
    return STATUS_OK;
}

static enum status sink_copy_write(struct fiber *f, struct sink *sink, struct slice data) {
    buffer_append_slice(&((struct sql_session *)sink)->text, data);
    return STATUS_OK;
}

static enum status sink_copy_end(struct fiber *f, struct sink *sink) {
    return STATUS_OK;
}

static void sink_notice(struct fiber *f, struct sink *sink, const char *severity,
                        const char *sqlstate, const char *message, const char *detail,
                        const char *hint) {
    struct buffer *text = &((struct sql_session *)sink)->text;
    buffer_append_format(text, "%s: %s\n", severity, message);
    if (detail != NULL)
        buffer_append_format(text, "DETAIL: %s\n", detail);
}

static void sink_parameter_status(struct fiber *f, struct sink *sink, const char *name,
                                  const char *value) {
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static const struct setting_override small_journal = {"journal_segment_size", "1MB"};

static enum status open_engine(struct fiber *f, void *argument) {
    struct sql_runner *runner = argument;
    struct engine_options options = {
        .directory = runner->directory,
        .create_if_missing = true,
        .partition_count = 4,
        .memory_max = 64 << 20,
        .overrides = &small_journal,
        .override_count = runner->journal_is_small,
    };
    return engine_open(f, &options, &runner->engine);
}

static enum status close_engine(struct fiber *f, void *argument) {
    struct sql_runner *runner = argument;
    return engine_close(f, runner->engine);
}

struct sql_runner *sql_runner_open(unsigned core_count) {
    struct sql_runner *runner = memory_alloc_zeroed(1, sizeof *runner);
    strcpy(runner->directory, "/tmp/satori-test-XXXXXX");
    assert_non_null(mkdtemp(runner->directory));
    strcat(runner->directory, "/data");
    runner->core_count = core_count;
    log_level_set(LOG_ERROR);
    struct runtime_options options = {.core_count = core_count};
    assert_ok(runtime_create(&options, &runner->runtime));
    assert_ok(runtime_run(runner->runtime, 0, open_engine, runner));
    return runner;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk) {
    return remove(path);
}

static void close_sessions(struct sql_runner *runner) {
    for (int i = 0; i < SESSIONS_MAX; i++)
        if (runner->sessions[i] != NULL)
            sql_session_close(runner->sessions[i]);
}

void sql_runner_close(struct sql_runner *runner) {
    close_sessions(runner);
    assert_ok(runtime_run(runner->runtime, 0, close_engine, runner));
    runtime_destroy(runner->runtime);
    *strrchr(runner->directory, '/') = '\0';
    nftw(runner->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    memory_free(runner);
}

struct sql_runner *sql_runner_visit(const char *directory) {
    struct sql_runner *runner = memory_alloc_zeroed(1, sizeof *runner);
    assert_true(strlen(directory) < sizeof runner->directory);
    strcpy(runner->directory, directory);
    runner->core_count = 1;
    runner->journal_is_small = true;
    struct runtime_options options = {.core_count = 1};
    assert_ok(runtime_create(&options, &runner->runtime));
    enum status status = runtime_run(runner->runtime, 0, open_engine, runner);
    if (status == STATUS_OK)
        return runner;
    struct error error = *error_current();
    runtime_destroy(runner->runtime);
    memory_free(runner);
    *error_current() = error;
    return NULL;
}

int sql_runner_leave(struct sql_runner *runner) {
    close_sessions(runner);
    enum status status = runtime_run(runner->runtime, 0, close_engine, runner);
    struct error error = *error_current();
    runtime_destroy(runner->runtime);
    memory_free(runner);
    *error_current() = error;
    return (int)status;
}

void sql_runner_reopen(struct sql_runner *runner) {
    close_sessions(runner);
    assert_ok(runtime_run(runner->runtime, 0, close_engine, runner));
    assert_ok(runtime_run(runner->runtime, 0, open_engine, runner));
}

struct engine *sql_runner_engine(struct sql_runner *runner) {
    return runner->engine;
}

struct runtime *sql_runner_runtime(struct sql_runner *runner) {
    return runner->runtime;
}

const char *sql_runner_directory(struct sql_runner *runner) {
    return runner->directory;
}

static enum status open_session(struct fiber *f, void *argument) {
    struct sql_session *session = argument;
    struct session_options options = {.sink = &session->sink};
    return session_open(f, session->runner->engine, &options, &session->session);
}

struct sql_session *sql_session_open(struct sql_runner *runner) {
    struct sql_session *session = memory_alloc_zeroed(1, sizeof *session);
    session->runner = runner;
    session->sink = (struct sink){
        .describe = sink_describe,
        .rows = sink_rows,
        .complete = sink_complete,
        .empty_query = sink_empty_query,
        .copy_in_begin = sink_copy_begin,
        .copy_read = sink_copy_read,
        .copy_out_begin = sink_copy_begin,
        .copy_write = sink_copy_write,
        .copy_out_end = sink_copy_end,
        .notice = sink_notice,
        .parameter_status = sink_parameter_status,
    };
    assert_ok(runtime_run(runner->runtime, 0, open_session, session));
    for (int i = 0; i < SESSIONS_MAX; i++)
        if (runner->sessions[i] == NULL) {
            runner->sessions[i] = session;
            return session;
        }
    fail_msg("too many sessions");
    return NULL;
}

static enum status close_session(struct fiber *f, void *argument) {
    struct sql_session *session = argument;
    session_close(f, session->session);
    return STATUS_OK;
}

void sql_session_close(struct sql_session *session) {
    assert_false(session->started);
    assert_ok(runtime_run(session->runner->runtime, 0, close_session, session));
    for (int i = 0; i < SESSIONS_MAX; i++)
        if (session->runner->sessions[i] == session)
            session->runner->sessions[i] = NULL;
    buffer_release(&session->text);
    memory_free(session);
}

struct session *sql_session_inner(struct sql_session *session) {
    return session->session;
}

/* ---- running ----------------------------------------------------------------------------------
 */

static void append_failure(struct sql_session *session, enum status status) {
    const struct error *error = error_current();
    session->has_rows = false;
    snprintf(session->detail, sizeof session->detail, "%s", error->detail);
    buffer_append_format(&session->text, "ERROR %s: %s\n", status_sqlstate(status),
                         error->message[0] != '\0' ? error->message : status_text(status));
}

const char *sql_error_detail(const struct sql_session *session) {
    return session->detail;
}

static enum status run_query(struct fiber *f, void *argument) {
    struct sql_session *session = argument;
    enum status status = session_query(f, session->session, session->query);
    if (status != STATUS_OK)
        append_failure(session, status);
    return STATUS_OK;
}

void sql_start(struct sql_session *session, const char *text) {
    assert_false(session->started);
    buffer_clear(&session->text);
    session->query = text;
    session->started = true;
    session->done = false;
    assert_ok(runtime_submit(session->runner->runtime, 0, run_query, session, &session->future));
}

bool sql_done(struct sql_session *session, int timeout_ms) {
    enum status status;
    if (session->started && !session->done)
        session->done = future_wait(&session->future, timeout_ms * INT64_C(1000000), &status);
    return session->done;
}

const char *sql_finish(struct sql_session *session) {
    assert_true(session->started);
    while (!sql_done(session, 1000)) {
    }
    session->started = false;
    buffer_append_byte(&session->text, 0);
    session->copy_size = 0;
    return (const char *)session->text.data;
}

const char *sql_run(struct sql_session *session, const char *text) {
    sql_start(session, text);
    return sql_finish(session);
}

void sql_copy_data(struct sql_session *session, const void *data, size_t size, size_t piece) {
    session->copy_data = data;
    session->copy_size = size;
    session->copy_piece = piece;
}

static enum status cancel(struct fiber *f, void *argument) {
    struct sql_session *session = argument;
    engine_cancel(f, session->runner->engine, session_pid(session->session),
                  session_secret(session->session));
    return STATUS_OK;
}

void sql_cancel(struct sql_session *session) {
    assert_ok(runtime_run(session->runner->runtime, 0, cancel, session));
}

static enum status prepared_steps(struct fiber *f, struct sql_session *session) {
    struct session_parameter parameters[16] = {{.is_null = false}};
    for (size_t i = 0; i < session->parameter_count; i++)
        parameters[i] = (struct session_parameter){
            .is_null = session->parameters[i] == NULL,
            .bytes = session->parameters[i] == NULL ? SLICE_EMPTY
                                                    : slice_of_text(session->parameters[i]),
        };
    const struct column_description *columns;
    size_t column_count;
    TRY(session_parse(f, session->session, "", session->query, NULL, 0));
    TRY(session_bind(f, session->session, "", "", parameters, session->parameter_count));
    TRY(session_describe_portal(f, session->session, "", &columns, &column_count));
    session->has_rows = columns != NULL;
    return session_execute(f, session->session, "", 0);
}

static enum status run_prepared(struct fiber *f, void *argument) {
    struct sql_session *session = argument;
    enum status status = prepared_steps(f, session);
    if (status != STATUS_OK)
        append_failure(session, status);
    status = session_sync(f, session->session);
    if (status != STATUS_OK)
        append_failure(session, status);
    return STATUS_OK;
}

const char *sql_run_prepared(struct sql_session *session, const char *text,
                             const char *const *parameters, size_t parameter_count) {
    assert_true(parameter_count <= 16);
    buffer_clear(&session->text);
    session->query = text;
    session->parameters = parameters;
    session->parameter_count = parameter_count;
    assert_ok(runtime_run(session->runner->runtime, 0, run_prepared, session));
    buffer_append_byte(&session->text, 0);
    return (const char *)session->text.data;
}

void sql_assert(struct sql_session *session, const char *text, const char *want, const char *file,
                int line) {
    const char *got = sql_run(session, text);
    if (strcmp(got, want) == 0)
        return;
    print_error("%s\n--- want\n%s--- got\n%s", text, want, got);
    _fail(file, line);
}
