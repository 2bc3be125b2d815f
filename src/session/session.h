/*
 * Sessions: one client's conversation with the database, whoever carries it (the wire protocol,
 * the embedding API). Statements, prepared statements, portals, transactions, settings, COPY.
 *
 * Results go to a sink, a struct of functions that the carrier implements; the session never does
 * client I/O itself. All functions belong to the session's core and may suspend.
 */
#ifndef SESSION_H
#define SESSION_H

#include "base/base_arena.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "runtime/runtime.h"
#include "value/value_type.h"
#include "value/value_vector.h"

/* ---- the engine: what all sessions share ------------------------------------------------ */

struct engine;

struct engine_options {
    const char *directory;
    bool create_if_missing;
    unsigned partition_count;   /* 0: default or as created */
    uint64_t memory_max;        /* bytes, whole process goal; 0: setting's default */
    unsigned session_count_max; /* 0: setting's default */
    const char *config_path;    /* "name = value" lines; NULL none */
    /* What the command line says about settings; wins over the file. */
    const struct setting_override { const char *name, *value; } * overrides;
    size_t override_count;
    bool untended; /* nothing is frozen and no space given back: for who is to change nothing */
};
/* What a setting will be at start (as SHOW has it), for what must be known before the engine opens:
   the address, the number of cores. Needs no fiber; reads the file, changes nothing. */
enum status engine_start_setting(const struct engine_options *options, const char *name, char *text,
                                 size_t size) MUST_USE;
/* Opens store and catalog, loads settings. Runs on core 0. */
enum status engine_open(struct fiber *f, const struct engine_options *options,
                        struct engine **engine_out) MUST_USE;
/* Ends when the last session has been closed. */
enum status engine_close(struct fiber *f, struct engine *engine) MUST_USE;
/* Cancel what all sessions run and make them end (57P01). Any core. */
void engine_shutdown(struct engine *engine);
struct catalog *engine_catalog(struct engine *engine);
struct store *engine_store(struct engine *engine);

/* Settings: one home (session_setting.def): name, type, default, minimum, maximum, unit, context
   (internal, start, session), meaning. --help, SHOW, pg_settings and docs come from it. */
struct setting_view {
    const char *name, *value, *unit, *context, *type, *minimum, *maximum, *default_value, *meaning;
};
size_t settings_count(void);
void setting_describe(size_t at, struct setting_view *view_out);
/* A setting as the engine started with it (config file, options); shown as SHOW does. NULL when
   there is no such setting. Valid until engine_close. */
const char *engine_setting(const struct engine *engine, const char *name);
/* The same of a whole-number or boolean setting, in its unit. */
int64_t engine_setting_number(const struct engine *engine, const char *name);

/* ---- sessions --------------------------------------------------------------------------- */

struct session;

struct column_description {
    const char *name;
    struct type type;
    uint32_t table_oid; /* 0 when not a plain column */
    int16_t column_number;
    int16_t format; /* 0 text, 1 binary: as session_bind_formats asked; else 0 */
};

enum { SESSION_PARAMETERS_MAX = 65535 };

/* What a carrier implements. A failure of a sink function ends the statement with that status
   (CONNECTION_FAILURE: the session is doomed). */
struct sink {
    /* Before the first row of a statement that returns rows; not called by portal execution. */
    enum status (*describe)(struct fiber *f, struct sink *sink,
                            const struct column_description *columns, size_t count);
    /* Rows; the batch is valid during the call. */
    enum status (*rows)(struct fiber *f, struct sink *sink, const struct batch *batch,
                        const struct column_description *columns);
    /* A statement is done ("INSERT 0 5"). suspended: the row limit was reached, more follow. */
    enum status (*complete)(struct fiber *f, struct sink *sink, const char *tag, bool suspended);
    enum status (*empty_query)(struct fiber *f, struct sink *sink);
    /* COPY FROM STDIN: begin, then `copy_read` until *size 0 (end) or failure. */
    enum status (*copy_in_begin)(struct fiber *f, struct sink *sink, size_t column_count,
                                 bool binary);
    enum status (*copy_read)(struct fiber *f, struct sink *sink, struct slice *data_out);
    enum status (*copy_out_begin)(struct fiber *f, struct sink *sink, size_t column_count,
                                  bool binary);
    enum status (*copy_write)(struct fiber *f, struct sink *sink, struct slice data);
    enum status (*copy_out_end)(struct fiber *f, struct sink *sink);
    /* NOTICE, WARNING ...; never fails. */
    void (*notice)(struct fiber *f, struct sink *sink, const char *severity, const char *sqlstate,
                   const char *message, const char *detail, const char *hint);
    /* A reported setting changed (TimeZone, application_name ...). */
    void (*parameter_status)(struct fiber *f, struct sink *sink, const char *name,
                             const char *value);
};

struct session_options {
    const char *user, *database;
    const char *const *setting_names, *const *setting_values; /* start-up parameters */
    size_t setting_count;
    struct sink *sink;  /* valid for the session's life */
    bool in_background; /* the engine's own work: not one of the connections that are counted */
};

/* 28000 `role "x" does not exist`, 3D000, 53300, 57P03. */
enum status session_open(struct fiber *f, struct engine *engine,
                         const struct session_options *options, struct session **session_out)
    MUST_USE;
/* Rolls back what is open. */
void session_close(struct fiber *f, struct session *session);

/* For CancelRequest. */
int32_t session_pid(const struct session *session);
int32_t session_secret(const struct session *session);
/* Any core: cancel the running statement of that session if pid and secret match. */
void engine_cancel(struct fiber *f, struct engine *engine, int32_t pid, int32_t secret);

/* 'I' idle, 'T' in a transaction, 'E' in a failed one. */
char session_transaction_status(const struct session *session);
/* The values a client is told at start: calls parameter_status for each. */
void session_report_parameters(struct fiber *f, struct session *session);
/* What text output depends on (DateStyle, TimeZone ...); changes with SET. */
const struct value_context *session_value_context(const struct session *session);
/* How long a carrier may wait for the client's next message now: milliseconds, 0 for ever. When it
   passes, the carrier reports IDLE_IN_TRANSACTION_TIMEOUT and closes the session. */
int64_t session_input_timeout_ms(const struct session *session);

/* Simple query: every statement of `text`, each with its own describe/rows/complete; together one
   implicit transaction unless BEGIN says otherwise. Stops at the first failure, detail in the
   error slot; the caller reports it and goes on with the session. */
enum status session_query(struct fiber *f, struct session *session, const char *text) MUST_USE;

/* Extended query. Names "" are the unnamed ones. After a failure the carrier discards messages
   until Sync and calls session_sync. */
enum status session_parse(struct fiber *f, struct session *session, const char *name,
                          const char *text, const uint32_t *type_oids, size_t type_count) MUST_USE;
struct session_parameter {
    struct slice bytes;
    bool is_null, is_binary;
};
enum status session_bind(struct fiber *f, struct session *session, const char *portal,
                         const char *statement, const struct session_parameter *parameters,
                         size_t parameter_count) MUST_USE;
/* Formats of the portal's result columns (0 text, 1 binary): none for all text, one for all, or one
   for each. Kept in its column descriptions. */
enum status session_bind_formats(struct fiber *f, struct session *session, const char *portal,
                                 const int16_t *formats, size_t count) MUST_USE;
/* Parameter types and result columns (count 0 and *returns_rows_out false: none); valid until the
   statement is closed. */
enum status session_describe_statement(struct fiber *f, struct session *session, const char *name,
                                       const uint32_t **type_oids_out, size_t *type_count_out,
                                       const struct column_description **columns_out,
                                       size_t *count_out) MUST_USE;
enum status session_describe_portal(struct fiber *f, struct session *session, const char *name,
                                    const struct column_description **columns_out,
                                    size_t *count_out) MUST_USE;
/* row_limit 0: all. */
enum status session_execute(struct fiber *f, struct session *session, const char *portal,
                            uint64_t row_limit) MUST_USE;
enum status session_close_statement(struct fiber *f, struct session *session, const char *name)
    MUST_USE;
enum status session_close_portal(struct fiber *f, struct session *session, const char *name)
    MUST_USE;
/* A message of the client failed before it came to the session (it could not be read): what is
   open fails with it, as with every error. Keeps the error slot. Suspends. */
void session_fail(struct fiber *f, struct session *session);
/* End of an extended batch: commits or rolls back the implicit transaction. */
enum status session_sync(struct fiber *f, struct session *session) MUST_USE;

#endif
