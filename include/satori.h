/*
 * satori, embedded: the whole database in the caller's process.
 *
 *     struct satori *database;
 *     struct satori_connection *connection;
 *     if (satori_open("data", &(struct satori_options){.create = 1}, &database) != SATORI_OK)
 *         fail(satori_open_error());
 *     satori_connect(database, &connection);
 *     if (satori_execute(connection, "create table t (a int primary key, b text)") != SATORI_OK)
 *         fail(satori_message(connection));
 *
 *     struct satori_statement *statement;
 *     satori_prepare(connection, "select a, b from t where a > $1", &statement);
 *     satori_bind_int64(statement, 1, 10);
 *     while (satori_step(statement) == SATORI_ROW)
 *         printf("%lld %s\n", (long long)satori_int64(statement, 0), satori_text(statement, 1));
 *     satori_finalize(statement);
 *
 *     satori_disconnect(connection);
 *     satori_close(database);
 *
 * The process's signals stay the application's: no handler of SIGINT, SIGTERM or SIGPIPE is set,
 * and the database's threads take none.
 *
 * A data directory is open in one process at a time. The database runs on threads of its own; a
 * call sleeps until the answer is there. A connection and its statements are used by one thread at
 * a time; several connections may be used by several threads at once.
 *
 * Every function that can fail returns SATORI_OK (0), SATORI_ROW, SATORI_DONE or SATORI_ERROR; the
 * error's text, SQLSTATE and details stay with the connection until its next call.
 */
#ifndef SATORI_H
#define SATORI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct satori;
struct satori_connection;
struct satori_statement;

enum satori_result { SATORI_OK = 0, SATORI_ROW = 1, SATORI_DONE = 2, SATORI_ERROR = 3 };

/* "0.1.0" */
const char *satori_version(void);

/* ---- the database ---------------------------------------------------------------------- */

/* A zeroed struct means the defaults. */
struct satori_options {
    int create;              /* make the database if the directory has none */
    unsigned cores;          /* threads; 0: one for each processor, at most 64 */
    unsigned partitions;     /* at creation only; 0: 8 */
    uint64_t memory;         /* bytes for data pages and query memory; 0: 256 MiB */
    int log_level;           /* 0: warnings and errors; 1: also information; 2: everything */
    const char *config_path; /* file of "name = value" settings; NULL none */
};

/* Open, and recover if the last use ended in a crash. On failure *database_out is NULL and
   satori_open_error() says why (this thread's, until its next satori_open). */
int satori_open(const char *directory, const struct satori_options *options,
                struct satori **database_out);
const char *satori_open_error(void);
/* All connections must be closed. Writes a checkpoint; NULL is fine. */
void satori_close(struct satori *database);

/* ---- connections ------------------------------------------------------------------------ */

int satori_connect(struct satori *database, struct satori_connection **connection_out);
/* Rolls back an open transaction; finalizes statements that are left. NULL is fine. */
void satori_disconnect(struct satori_connection *connection);

/* The last failure on this connection, "" if the last call succeeded. */
const char *satori_message(const struct satori_connection *connection);
const char *satori_sqlstate(const struct satori_connection *connection);
const char *satori_detail(const struct satori_connection *connection);
const char *satori_hint(const struct satori_connection *connection);
const char *satori_context(const struct satori_connection *connection);
/* 1-based character in the statement, 0 unknown. */
int satori_position(const struct satori_connection *connection);

/* 'I' idle, 'T' in a transaction, 'E' in a failed one (only ROLLBACK helps). */
char satori_transaction_status(const struct satori_connection *connection);

/* From any thread: make the running call of the connection fail with SQLSTATE 57014. */
void satori_cancel(struct satori_connection *connection);

/* ---- statements as text ------------------------------------------------------------------ */

/* Run one or more statements separated by ';', results dropped. Without BEGIN they are one
   transaction. */
int satori_execute(struct satori_connection *connection, const char *sql);

/* The same with every result handed to functions, on the calling thread, in order. Any may be
   NULL. A function that returns non-zero cancels the rest (57014). Texts are valid during the
   call; a NULL text is a null. */
struct satori_receiver {
    int (*columns)(void *context, size_t count, const char *const *names,
                   const uint32_t *type_oids);
    int (*row)(void *context, size_t count, const char *const *texts, const size_t *sizes);
    int (*complete)(void *context, const char *tag); /* "INSERT 0 5"; "" for an empty statement */
    void (*notice)(void *context, const char *severity, const char *message);
    /* COPY FROM STDIN: store the next piece and return its size, 0 at the end, -1 to give up. The
       piece is valid until the next call. */
    long (*copy_read)(void *context, const char **data_out);
    int (*copy_write)(void *context, const char *data, size_t size);
    void *context;
};
int satori_query(struct satori_connection *connection, const char *sql,
                 const struct satori_receiver *receiver);

/* ---- prepared statements ------------------------------------------------------------------ */

/* One statement; parameters are $1, $2 ... */
int satori_prepare(struct satori_connection *connection, const char *sql,
                   struct satori_statement **statement_out);
size_t satori_parameter_count(const struct satori_statement *statement);

/* `index` counts from 1. Bytes are copied. Unbound parameters are null. A value that does not fit
   the parameter's type is an error of the next step. */
int satori_bind_null(struct satori_statement *statement, size_t index);
int satori_bind_int64(struct satori_statement *statement, size_t index, int64_t value);
int satori_bind_double(struct satori_statement *statement, size_t index, double value);
int satori_bind_text(struct satori_statement *statement, size_t index, const char *text);
int satori_bind_bytes(struct satori_statement *statement, size_t index, const void *bytes,
                      size_t size);

/* SATORI_ROW: a row is there; SATORI_DONE: no more (the statement has run and may be stepped again
   after satori_reset); SATORI_ERROR. */
int satori_step(struct satori_statement *statement);
/* Ready to run again; bindings stay. */
int satori_reset(struct satori_statement *statement);
/* NULL is fine. */
void satori_finalize(struct satori_statement *statement);

/* Columns count from 0; names and types are known after prepare. */
size_t satori_column_count(const struct satori_statement *statement);
const char *satori_column_name(const struct satori_statement *statement, size_t column);
/* PostgreSQL's type oid: 23 integer, 20 bigint, 25 text ... */
uint32_t satori_column_type(const struct satori_statement *statement, size_t column);

/* The current row; valid until the next step, reset or finalize. Numbers are converted (0 when
   the value is null or no number); text is PostgreSQL's text form, NULL for null. */
int satori_is_null(const struct satori_statement *statement, size_t column);
int64_t satori_int64(const struct satori_statement *statement, size_t column);
double satori_double(const struct satori_statement *statement, size_t column);
const char *satori_text(const struct satori_statement *statement, size_t column);
/* For bytea the bytes themselves, for other types the text. */
const void *satori_bytes(const struct satori_statement *statement, size_t column, size_t *size_out);
/* Rows inserted, updated or deleted by the last run. */
uint64_t satori_changes(const struct satori_statement *statement);

#ifdef __cplusplus
}
#endif

#endif
