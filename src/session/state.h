/*
 * What a session and the engine hold. Private to the room.
 *
 *     engine --- store, catalog, start values of settings, plan caches (one a core), sessions
 *       |
 *     session --- settings, transaction, prepared statements, portals
 *                     |
 *                  portal --- statement, parameters, execution or stored rows, place in them
 *
 * Transaction state of a session:
 *
 *     status   transaction   in_block   failed
 *     'I'      NULL          no         no       idle
 *     'I'      any           no         no       implicit: ends with the statement, text or Sync
 *     'T'      any           yes        no       BEGIN was said; the store's transaction is made
 *     'E'      NULL          yes        yes      by the first statement that needs it
 *
 * The store knows one running statement a transaction. A portal that stopped at its row limit has
 * its statement still open (session->open_portal); before another statement begins, the rest of
 * its rows is stored in the portal and the statement is ended.
 *
 * A session is used by one fiber at a time, but not always by the same one; all on one core.
 */
#ifndef SESSION_STATE_H
#define SESSION_STATE_H

#include <stdatomic.h>

#include "base/base_list.h"
#include "base/base_memory.h"
#include "exec/exec.h"
#include "runtime/runtime.h"
#include "session/session.h"
#include "session/settings.h"
#include "sql/sql.h"
#include "table/table_catalog.h"
#include "txn/txn.h"
#include "value/value_text.h"

enum {
    NAME_BUCKETS = 64,
    QUERY_TEXT_SIZE = 1024, /* shown in pg_stat_activity */
    TAG_SIZE = 96,
    PREPARED_MAX = 10000, /* statements and portals of one session */
    PORTALS_MAX = 1000,
    STORED_ROWS_SIZE_MAX = 256 << 20, /* rows kept for a suspended portal or a cursor */
    REBIND_MAX = 20,                  /* schema changes that one statement runs after */
};

/* ---- engine ------------------------------------------------------------------------------ */

struct plan_cache;
struct analyzer;

struct engine {
    struct runtime *runtime;
    struct store *store;
    struct catalog *catalog;
    struct setting_value defaults[SETTING_COUNT];
    char *shown[SETTING_COUNT]; /* the same as text, for engine_setting */
    int64_t start_time_us;      /* PostgreSQL epoch */
    atomic_bool stopping;

    atomic_flag lock; /* over the next three; held for a few instructions, never across a wait */
    struct list sessions;
    uint64_t session_count;
    int32_t pid_next;

    struct plan_cache *plan_caches[RUNTIME_CORES_MAX]; /* made by their core */
    struct analyzer *analyzer;                         /* NULL: statistics are left alone */
};

/* Microseconds since 2000-01-01 UTC. */
int64_t session__clock_us(void);

/* ---- rows kept --------------------------------------------------------------------------- */

struct stored_batch {
    struct stored_batch *next;
    struct batch batch;
};

/* Rows in an arena of their own. */
struct kept_rows {
    struct arena arena;
    struct stored_batch *first, *last;
    uint64_t row_count;
};
void kept_rows_release(struct kept_rows *store);
/* Append the selected rows; LIMIT_EXCEEDED over STORED_ROWS_SIZE_MAX. */
enum status kept_rows_append(struct kept_rows *store, const struct batch *batch) MUST_USE;
/* Append one row of boxed values with these types. */
enum status kept_rows_append_values(struct kept_rows *store, const struct value *values,
                                    size_t count) MUST_USE;

/* ---- statements and portals -------------------------------------------------------------- */

/* A name in a table of names. */
struct named {
    struct named *next;
    uint64_t hash;
    const char *name;
};
struct name_table {
    struct named *buckets[NAME_BUCKETS];
    size_t count;
};
struct named *name_table_find(const struct name_table *table, const char *name);
void name_table_put(struct name_table *table, struct named *named);
void name_table_remove(struct name_table *table, struct named *named);

struct prepared {
    struct named named; /* first */
    struct arena arena; /* all below */
    char *text;
    uint32_t *declared_types;
    size_t declared_count;
    bool from_sql; /* by PREPARE */
    int64_t made_at_us;
    struct statement *statement;        /* NULL: an empty text */
    struct column_description *columns; /* NULL: returns no rows */
    size_t column_count;
};

struct portal {
    struct named named; /* first */
    struct arena arena; /* name, parameters, columns, and what execution makes */
    char *text;         /* of the statement, to bind it anew */
    struct statement *statement;
    struct value *parameters;
    size_t parameter_count;
    struct column_description *columns;
    size_t column_count;
    struct exec_environment environment;
    struct execution *execution;
    bool started, finished;
    bool running;      /* inside portal_run: not to be closed under its feet */
    bool fixed_result; /* the client knows the columns: they must stay when it is bound anew */
    bool announce;     /* describe the columns to the sink before the first row */
    bool is_cursor, with_hold, scroll; /* DECLARE */
    int64_t made_at_us;
    struct kept_rows stored;
    bool use_stored;
    /* The batch at hand and how far it was handed out. */
    const struct batch *batch;
    uint32_t batch_row;
    struct stored_batch *stored_next;
    uint64_t position; /* rows handed out before; cursors */
    char tag[TAG_SIZE];
};

/* ---- session ----------------------------------------------------------------------------- */

struct sequence_value {
    uint32_t oid;
    int64_t value;
};

struct session {
    struct list link; /* engine->sessions */
    struct engine *engine;
    struct sink *sink;
    char *user, *database;
    int32_t pid, secret;
    int64_t start_time_us;

    struct settings settings;
    struct value_context value_context;
    struct value_resolver resolver;
    uint64_t settings_applied; /* settings.changes that value_context stands for */
    struct arena settings_arena;
    char **search_path;
    size_t search_path_count;

    struct transaction *transaction;
    bool in_background;
    bool in_block, failed, has_ddl;
    bool statement_open;           /* transaction_statement_begin without its end yet */
    bool statement_ran;            /* in this transaction: too late for SET TRANSACTION ISOLATION */
    struct schema *private_schema; /* while has_ddl */
    int64_t transaction_time_us;   /* 0: no transaction yet */
    int64_t statement_time_us;
    struct commit_number last_commit;
    struct portal *open_portal;
    const struct schema *schema_now; /* of the statement that runs; for the resolver */

    struct name_table statements, portals;
    struct prepared *unnamed_statement;
    struct portal *unnamed_portal;
    struct portal *spare_portal; /* closed, kept for the next */

    struct arena arena; /* of one message; reset at its start */
    struct sequence_value *sequences;
    size_t sequence_count, sequence_capacity;
    uint32_t sequence_last;

    /* For others to see; written by the session's core. */
    atomic_bool running;
    _Atomic uint64_t running_generation;
    struct fiber_handle running_fiber;
    atomic_bool terminated;
    bool doomed;
    int64_t query_time_us, state_time_us;
    char query[QUERY_TEXT_SIZE];
};

/* ---- session.c */
/* A message begins and ends: who runs, since when, with what text (NULL: as before). */
enum status session__enter(struct fiber *f, struct session *session, const char *query) MUST_USE;
void session__leave(struct fiber *f, struct session *session);
/* value_context and search path after a change of settings. */
enum status session__apply_settings(struct session *session) MUST_USE;
/* Tell the client of reported settings whose flag is set. */
void session__report(struct fiber *f, struct session *session, const bool *changed);
void session__notice(struct fiber *f, struct session *session, const char *severity,
                     const char *sqlstate, const char *message);
void session__notice_detail(struct fiber *f, struct session *session, const char *severity,
                            const char *sqlstate, const char *message, const char *detail);
void session__warning(struct fiber *f, struct session *session, enum status status,
                      const char *message);

/* ---- transaction.c */
/* The store's transaction, made if there is none. */
enum status session__transaction(struct fiber *f, struct session *session) MUST_USE;
/* The schema to bind against, retained. */
struct schema *session__schema(struct session *session);
/* DDL happened: from now on the transaction's own schema. */
enum status session__schema_changed(struct fiber *f, struct session *session) MUST_USE;
enum status session__commit(struct fiber *f, struct session *session) MUST_USE;
void session__rollback(struct fiber *f, struct session *session);
/* End an implicit transaction; nothing inside BEGIN ... COMMIT. */
enum status session__finish_implicit(struct fiber *f, struct session *session) MUST_USE;
/* After a failure: roll back, keep 'E' inside a block; the error slot stays as it is. */
void session__abort(struct fiber *f, struct session *session);
enum status session__check_read_only(struct session *session, const struct statement *statement)
    MUST_USE;
/* BEGIN, COMMIT, ROLLBACK, SET TRANSACTION ... */
enum status session__run_transaction(struct fiber *f, struct session *session,
                                     const struct statement *statement, char tag[TAG_SIZE])
    MUST_USE;

/* ---- prepare.c */
/* Bind one text; through the core's cache where that is right. NULL for an empty text. */
enum status session__prepare_text(struct fiber *f, struct session *session, const char *text,
                                  const uint32_t *types, size_t type_count,
                                  struct statement **statement_out) MUST_USE;
/* cache_text: remember the plan for this text (NULL: do not). */
enum status session__prepare_raw(struct fiber *f, struct session *session,
                                 const struct raw_statement *raw, const char *cache_text,
                                 struct statement **statement_out) MUST_USE;
/* A cached plan of exactly this text and these types that is good now; NULL when there is none. */
struct statement *session__cached(struct fiber *f, struct session *session, const char *text,
                                  const uint32_t *types, size_t type_count);
/* Make *statement_io fit the present schema. keep_result: or fail when its columns change. */
enum status session__revalidate(struct fiber *f, struct session *session, const char *text,
                                bool keep_result, struct statement **statement_io) MUST_USE;
/* Take the statement's relation locks; bind it anew when the schema moved meanwhile. */
enum status session__lock(struct fiber *f, struct session *session, const char *text,
                          bool keep_result, struct statement **statement_io) MUST_USE;
/* Names point into the statement (or the arena). NULL when it returns no rows. */
enum status session__describe_columns(struct session *session, const struct statement *statement,
                                      struct arena *arena, struct column_description **columns_out,
                                      size_t *count_out) MUST_USE;
void plan_cache_destroy(struct plan_cache *cache);
void prepared_destroy(struct session *session, struct prepared *prepared);
enum status session__prepared_find(struct session *session, const char *name,
                                   struct prepared **prepared_out) MUST_USE;
/* Make it fit the present schema; nothing to do for an empty one, or in a failed transaction. */
enum status session__prepared_renew(struct fiber *f, struct session *session,
                                    struct prepared *prepared) MUST_USE;
enum status session__prepared_make(struct fiber *f, struct session *session, const char *name,
                                   const char *text, const uint32_t *types, size_t type_count,
                                   bool from_sql, struct prepared **prepared_out) MUST_USE;
void session__deallocate_all(struct session *session);

/* ---- portal.c */
enum status portal_create(struct fiber *f, struct session *session, const char *name,
                          struct portal **portal_out) MUST_USE;
void portal_close(struct fiber *f, struct session *session, struct portal *portal);
/* All but cursors WITH HOLD. */
void session__close_portals(struct fiber *f, struct session *session, bool with_held);
enum status session__portal_find(struct session *session, const char *name,
                                 struct portal **portal_out) MUST_USE;
/* Give it a statement (a reference of its own is taken) and its columns. */
enum status portal_set(struct session *session, struct portal *portal, const char *text,
                       struct statement *statement) MUST_USE;
/* Begin to run it, if that has not been done: locks, snapshot, execution; utility statements run
   to their end. */
enum status portal_start(struct fiber *f, struct session *session, struct portal *portal) MUST_USE;
/* Start if need be, hand out at most `limit` rows (0: all) to the sink. *done_out: no more rows,
   and portal->tag is the command tag. */
enum status portal_run(struct fiber *f, struct session *session, struct portal *portal,
                       uint64_t limit, bool *done_out) MUST_USE;
/* The statement of the open portal is ended; its other rows are stored if `keep`. */
enum status session__settle_open_portal(struct fiber *f, struct session *session, bool keep)
    MUST_USE;
/* Read all rows that are left into portal->stored. */
enum status portal_store_rest(struct fiber *f, struct session *session, struct portal *portal)
    MUST_USE;
/* The next batch of a started portal; NULL at the end. */
enum status portal_next_batch(struct fiber *f, struct session *session, struct portal *portal,
                              const struct batch **batch_out) MUST_USE;

/* ---- run.c */
extern const struct exec_session_functions session__functions;
/* What PostgreSQL finds when it plans a statement, before it runs it: constant expressions whose
   data are at fault. */
enum status session__check_constants(const struct session *session,
                                     const struct statement *statement, struct arena *arena)
    MUST_USE;
/* What exec needs, for a statement whose arena and parameters are given. */
void session__environment(struct session *session, const struct statement *statement,
                          struct arena *arena, const struct value *parameters,
                          size_t parameter_count, struct exec_environment *environment_out);
/* Run a plan to its end, for its effect. */
enum status session__run_plan(struct fiber *f, struct session *session,
                              const struct statement *statement, const struct plan *plan,
                              uint64_t *count_out) MUST_USE;
/* Begin a store statement: settles the open portal first. */
enum status session__statement_begin(struct fiber *f, struct session *session) MUST_USE;
enum status session__statement_end(struct fiber *f, struct session *session) MUST_USE;
/* The statement's deadline by statement_timeout; returns the one before. */
struct deadline session__deadline_begin(struct fiber *f, struct session *session);
/* What every message does after a failure: roll back, forget the cancellation. */
enum status session__failed(struct fiber *f, struct session *session, enum status status) MUST_USE;
/* 25P02 when the transaction has failed and the statement does not end it. */
enum status session__check_failed(const struct session *session, enum statement_kind kind) MUST_USE;

/* ---- utility.c and its siblings: statements without a plan of their own. Rows of those that
   return some go to portal->stored. */
enum status session__run_utility(struct fiber *f, struct session *session, struct portal *portal,
                                 char tag[TAG_SIZE]) MUST_USE;
enum status session__run_ddl(struct fiber *f, struct session *session, struct portal *portal,
                             char tag[TAG_SIZE]) MUST_USE;
enum status session__run_setting(struct fiber *f, struct session *session, struct portal *portal,
                                 char tag[TAG_SIZE]) MUST_USE;
/* The values of EXECUTE's arguments, in the parameters' types, into `inner`. */
enum status session__execute_arguments(struct fiber *f, struct session *session,
                                       const struct statement *statement,
                                       const struct prepared *prepared, struct portal *inner)
    MUST_USE;
enum status session__run_explain(struct fiber *f, struct session *session, struct portal *portal)
    MUST_USE;
enum status session__run_cursor(struct fiber *f, struct session *session, struct portal *portal,
                                char tag[TAG_SIZE]) MUST_USE;
enum status session__run_copy(struct fiber *f, struct session *session, struct portal *portal,
                              char tag[TAG_SIZE]) MUST_USE;
enum status session__discard_all(struct fiber *f, struct session *session) MUST_USE;

/* ---- resolver.c, virtual.c */
void session__resolver_init(struct session *session);
/* Its name, without its schema when the search path leads to it. False: there is none. */
bool session__append_relation(struct session *session, const struct schema *schema, uint32_t oid,
                              struct buffer *buffer);
void session__virtual_tables_register(void);

/* ---- engine.c */
void engine__lock(struct engine *engine);
void engine__unlock(struct engine *engine);
/* Cancel the statement of another session, or end it; false when there is no such session. */
bool engine__signal(struct engine *engine, int32_t pid, bool terminate);
bool engine__session_exists(struct engine *engine, int32_t pid);

/* ---- analyzer.c: ANALYZE by itself, from start to stop (suspends until what runs has ended) */
enum status analyzer__start(struct fiber *f, struct engine *engine) MUST_USE;
void analyzer__stop(struct fiber *f, struct engine *engine);

#endif
