/*
 * SQL in tests: a database in a temporary directory, opened inside the test's process, and
 * sessions on it whose results are plain text.
 *
 *     struct sql_runner *runner = sql_runner_open(2);
 *     struct sql_session *s = sql_session_open(runner);
 *     assert_sql(s, "create table t(a int); insert into t values (1), (null)",
 *                "CREATE TABLE\nINSERT 0 2\n");
 *     assert_sql(s, "select a, 'x' from t order by a", "1|x\nNULL|x\n");
 *     assert_sql(s, "select 1/0", "ERROR 22012: division by zero\n");
 *     sql_runner_close(runner);
 *
 * Rows are values joined by "|", one line each; a statement without rows gives its command tag; a
 * notice gives "NOTICE: text" (and "DETAIL: text"), a failure "ERROR sqlstate: text". Everything
 * fails the test (cmocka) when the database cannot be opened. Called from the test's thread only.
 */
#ifndef TEST_SQL_RUNNER_H
#define TEST_SQL_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

struct sql_runner;
struct sql_session;
struct engine;
struct runtime;

struct sql_runner *sql_runner_open(unsigned core_count);
/* The database in a directory of the caller's, made if there is none, on one core and with a small
   journal; NULL: the error slot says why not. It ends with sql_runner_leave, which closes sessions,
   keeps the directory and returns how closing went. */
struct sql_runner *sql_runner_visit(const char *directory);
int sql_runner_leave(struct sql_runner *runner);
/* Closes its sessions, too, and removes the directory. */
void sql_runner_close(struct sql_runner *runner);
/* Close and open again, as after a clean stop. Sessions are gone. */
void sql_runner_reopen(struct sql_runner *runner);
struct engine *sql_runner_engine(struct sql_runner *runner);
struct runtime *sql_runner_runtime(struct sql_runner *runner);
const char *sql_runner_directory(struct sql_runner *runner);

struct sql_session *sql_session_open(struct sql_runner *runner);
void sql_session_close(struct sql_session *session);
struct session *sql_session_inner(struct sql_session *session);

/* DETAIL of the session's last failure; empty: it had none. */
const char *sql_error_detail(const struct sql_session *session);

/* The text is valid until the next call on the session. */
const char *sql_run(struct sql_session *session, const char *text);
/* Data for COPY FROM STDIN of the next call, in pieces of `piece` bytes (0: all at once). */
void sql_copy_data(struct sql_session *session, const void *data, size_t size, size_t piece);
/* Begin a text without waiting (it may wait for a lock); then look whether it is done, or wait. */
void sql_start(struct sql_session *session, const char *text);
bool sql_done(struct sql_session *session, int timeout_ms);
const char *sql_finish(struct sql_session *session);
/* As a CancelRequest would. */
void sql_cancel(struct sql_session *session);

/* One statement through parse, bind and execute; parameters as texts, NULL for null. Commits. */
const char *sql_run_prepared(struct sql_session *session, const char *text,
                             const char *const *parameters, size_t parameter_count);

void sql_assert(struct sql_session *session, const char *text, const char *want, const char *file,
                int line);
#define assert_sql(session, text, want) sql_assert((session), (text), (want), __FILE__, __LINE__)

#endif
