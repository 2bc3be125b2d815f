/*
 * SQL text to bound statements and plans.
 *
 *     parse    text -> list of raw statements (libpg_query on the large stack)
 *     prepare  raw statement + schema + parameter types -> struct statement: names resolved, types
 *              decided, and for SELECT, INSERT, UPDATE, DELETE the plan; for all others a struct
 *              that says what is to be done
 *
 * A statement is immutable, counted, holds its schema, and may be run by any number of sessions
 * on any core. It is good for one schema version (statement->schema_version) and one set of
 * sql_options.
 *
 * Errors carry the position: character (not byte) position in the whole text, from 1.
 */
#ifndef SQL_H
#define SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_status.h"
#include "runtime/runtime.h"
#include "sql/sql_plan.h"
#include "table/table_catalog.h"
#include "table/table_schema.h"
#include "value/value_text.h"

/* ---- parsing ---------------------------------------------------------------------------- */

enum { SQL_DEPTH_MAX = 2000 }; /* open brackets; beyond: 54001 */

/* One statement of a text. */
struct raw_statement {
    const char *text;           /* the whole text it is part of */
    size_t offset, size;        /* bytes of this statement in it, without the semicolon */
    struct PgQuery__Node *node; /* private */
};

struct raw_statements {
    size_t count; /* 0: nothing but blanks and comments */
    struct raw_statement *items;
};

/* Parse `text` (valid UTF-8, zero-terminated; must outlive the result) into the arena. SYNTAX_ERROR
   with PostgreSQL's message and position, STATEMENT_TOO_COMPLEX. Suspends only for the large
   stack. */
enum status sql_parse(struct fiber *f, const char *text, struct arena *arena,
                      struct raw_statements *statements_out) MUST_USE;

/* ---- statements ------------------------------------------------------------------------- */

/* X(kind, command tag, allowed in a failed transaction, changes data or schema) */
#define STATEMENT_TABLE(X)                                                                         \
    X(SELECT, "SELECT", false, false)                                                              \
    X(INSERT, "INSERT", false, true)                                                               \
    X(UPDATE, "UPDATE", false, true)                                                               \
    X(DELETE, "DELETE", false, true)                                                               \
    X(BEGIN, "BEGIN", false, false)                                                                \
    X(START_TRANSACTION, "START TRANSACTION", false, false)                                        \
    X(COMMIT, "COMMIT", true, false)                                                               \
    X(ROLLBACK, "ROLLBACK", true, false)                                                           \
    X(SAVEPOINT, "SAVEPOINT", false, false)                                                        \
    X(RELEASE, "RELEASE", false, false)                                                            \
    X(ROLLBACK_TO, "ROLLBACK", true, false)                                                        \
    X(SET, "SET", false, false)                                                                    \
    X(RESET, "RESET", false, false)                                                                \
    X(SHOW, "SHOW", false, false)                                                                  \
    X(SET_TRANSACTION, "SET", false, false)                                                        \
    X(SET_CONSTRAINTS, "SET CONSTRAINTS", false, false)                                            \
    X(EXPLAIN, "EXPLAIN", false, false)                                                            \
    X(PREPARE, "PREPARE", false, false)                                                            \
    X(EXECUTE, "EXECUTE", false, false)                                                            \
    X(DEALLOCATE, "DEALLOCATE", false, false)                                                      \
    X(DECLARE_CURSOR, "DECLARE CURSOR", false, false)                                              \
    X(FETCH, "FETCH", false, false)                                                                \
    X(MOVE, "MOVE", false, false)                                                                  \
    X(CLOSE_CURSOR, "CLOSE CURSOR", false, false)                                                  \
    X(COPY, "COPY", false, false)                                                                  \
    X(CREATE_TABLE, "CREATE TABLE", false, true)                                                   \
    X(CREATE_TABLE_AS, "CREATE TABLE AS", false, true)                                             \
    X(CREATE_VIEW, "CREATE VIEW", false, true)                                                     \
    X(CREATE_INDEX, "CREATE INDEX", false, true)                                                   \
    X(CREATE_SEQUENCE, "CREATE SEQUENCE", false, true)                                             \
    X(CREATE_SCHEMA, "CREATE SCHEMA", false, true)                                                 \
    X(ALTER_TABLE, "ALTER TABLE", false, true)                                                     \
    X(ALTER_SEQUENCE, "ALTER SEQUENCE", false, true)                                               \
    X(DROP_TABLE, "DROP TABLE", false, true)                                                       \
    X(DROP_INDEX, "DROP INDEX", false, true)                                                       \
    X(DROP_SEQUENCE, "DROP SEQUENCE", false, true)                                                 \
    X(DROP_SCHEMA, "DROP SCHEMA", false, true)                                                     \
    X(DROP_VIEW, "DROP VIEW", false, true)                                                         \
    X(TRUNCATE, "TRUNCATE TABLE", false, true)                                                     \
    X(REINDEX, "REINDEX", false, true)                                                             \
    X(LOCK_TABLE, "LOCK TABLE", false, false)                                                      \
    X(VACUUM, "VACUUM", false, false)                                                              \
    X(ANALYZE, "ANALYZE", false, false)                                                            \
    X(CHECKPOINT, "CHECKPOINT", false, false)                                                      \
    X(DISCARD, "DISCARD", false, false)

enum statement_kind {
    STATEMENT_NONE,
#define STATEMENT_ENUM(kind, tag, failed_ok, changes) STATEMENT_##kind,
    STATEMENT_TABLE(STATEMENT_ENUM)
#undef STATEMENT_ENUM
};

/* "INSERT"; the session appends row counts. DISCARD and CLOSE CURSOR have variants in
   statement->tag. */
const char *statement_kind_tag(enum statement_kind kind);
bool statement_allowed_in_failed_transaction(enum statement_kind kind);
/* True for what 25006 refuses in a read-only transaction (plans: see plan->is_read_only). */
bool statement_changes_database(enum statement_kind kind);
/* What a raw statement will be, without binding it; STATEMENT_NONE when satori has no such. For
   25P02 before names are looked at. */
enum statement_kind raw_statement_kind(const struct raw_statement *raw);

/* BEGIN, START TRANSACTION, SET TRANSACTION, SET SESSION CHARACTERISTICS. NULL / -1: not said. */
struct statement_transaction {
    const char *isolation; /* "read committed" ... in lower case */
    int8_t read_only, deferrable;
    bool session; /* SESSION CHARACTERISTICS */
    bool chain;   /* COMMIT AND CHAIN */
    const char *savepoint;
};

struct statement_setting {
    const char *name;  /* folded; NULL with SHOW ALL and RESET ALL. TIME ZONE is "timezone" */
    const char *value; /* SET: as one text, lists joined with ", "; NULL: TO DEFAULT */
    bool local;
};

enum explain_format { EXPLAIN_FORMAT_TEXT, EXPLAIN_FORMAT_JSON };
struct statement_explain {
    bool analyze, verbose, costs, timing, buffers, summary, settings;
    enum explain_format format;
    const struct statement *inner; /* EXECUTE: has `prepared` and no plan */
};

struct statement_prepared {
    const char *name; /* EXECUTE, PREPARE; DEALLOCATE ALL: NULL */
    const char *text; /* PREPARE: the inner statement's text */
    uint32_t type_count;
    const uint32_t *types; /* PREPARE: declared parameter types, 0 unknown */
    uint32_t argument_count;
    struct expression *const *arguments; /* EXECUTE: row-free; the session casts the values to the
                                            parameter types (assignment) */
};

struct statement_cursor {
    const char *name;              /* CLOSE ALL: NULL */
    const char *text;              /* DECLARE: the query's text */
    const struct statement *query; /* DECLARE: bound */
    bool scroll, no_scroll, with_hold, binary;
    /* FETCH, MOVE: PostgreSQL's meaning; INT64_MAX is ALL. */
    enum fetch_direction {
        FETCH_FORWARD,
        FETCH_BACKWARD,
        FETCH_ABSOLUTE,
        FETCH_RELATIVE,
    } direction;
    int64_t count;
};

enum copy_format { COPY_TEXT, COPY_CSV, COPY_BINARY };
struct statement_copy {
    bool from;                 /* FROM STDIN, else TO STDOUT */
    const struct table *table; /* NULL: COPY (query) TO */
    uint32_t column_count;
    const int16_t *column_numbers;
    enum copy_format format;
    char delimiter, quote, escape;
    const char *null_text;
    bool header, header_match, freeze;
    bool *force_quote, *force_not_null, *force_null; /* per column of the list, or NULL */
    bool force_quote_all;
    /* statement->plan is TO: the rows; FROM: an INSERT over NODE_INPUT whose columns are the
       column list. */
};

/* A sequence to be made for serial or identity before its table; owner_column set. */
struct statement_create_table {
    struct table_spec spec;     /* column defaults of serial columns name the sequence */
    bool if_not_exists, exists; /* exists: IF NOT EXISTS and it is there: only a notice */
    bool temporary;
    uint32_t sequence_count;
    struct sequence *sequences;
    uint32_t index_count; /* primary key and unique constraints, columns by number */
    struct index_spec *indexes;
    uint32_t check_count;
    struct constraint_spec *checks;
    uint32_t ignored_count; /* storage options that have no meaning here */
    const char *const *ignored;
    bool with_no_data; /* CREATE TABLE AS: statement->plan gives the rows, which are
                          inserted into the new table in column order */
};

struct statement_create_view {
    struct view_spec spec;
    const struct table *replaced; /* OR REPLACE: the view there is; else NULL */
};

struct statement_create_index {
    struct index_spec spec;
    const struct table *table;
    bool if_not_exists, exists, concurrently;
};

enum alter_kind {
    ALTER_ADD_COLUMN,
    ALTER_DROP_COLUMN,
    ALTER_SET_DEFAULT,
    ALTER_SET_NOT_NULL,
    ALTER_ADD_INDEX,
    ALTER_ADD_CHECK,
    ALTER_DROP_CONSTRAINT,
    ALTER_RENAME_TABLE,
    ALTER_SET_FREEZE,
    ALTER_NOTHING,
};
struct alter_action {
    enum alter_kind kind;
    bool skip; /* IF [NOT] EXISTS and nothing to do: notice */
    const char *notice;
    enum status notice_status;              /* gives its SQLSTATE */
    struct column_spec column;              /* ADD_COLUMN */
    const struct column *old_column;        /* DROP_COLUMN, SET_DEFAULT, SET_NOT_NULL */
    bool cascade;                           /* DROP_COLUMN */
    const struct expression *default_value; /* ADD_COLUMN, row-free: evaluate once into
                                    column.missing before the call (NULL: none). Volatile defaults
                                    are refused */
    const char *default_text;               /* SET_DEFAULT; NULL drops it */
    bool not_null;                          /* SET_NOT_NULL */
    uint32_t sequence_count;                /* ADD_COLUMN serial */
    struct sequence *sequences;
    uint32_t index_count; /* ADD_INDEX, or keys said with ADD_COLUMN */
    struct index_spec *indexes;
    uint32_t check_count; /* ADD_CHECK, or checks said with ADD_COLUMN */
    struct constraint_spec *checks;
    /* Query "select 1 from table where not condition limit 1" of the first check, to be empty
       (23514 otherwise); NULL when the check is on a column just added. */
    const struct plan *check_plan;
    const struct constraint *constraint; /* DROP_CONSTRAINT */
    const char *new_name;
    enum freeze_option freeze; /* SET_FREEZE */
};
struct statement_alter_table {
    const struct table *table; /* NULL: IF EXISTS and absent */
    const char *name;
    uint32_t action_count;
    struct alter_action *actions;
};

struct statement_sequence {
    struct sequence spec;       /* CREATE; ALTER: the new whole */
    const struct sequence *old; /* ALTER */
    bool if_not_exists, exists;
    bool restart; /* ALTER ... RESTART */
    int64_t restart_value;
};

/* DROP, TRUNCATE, REINDEX, LOCK, VACUUM, ANALYZE: the objects, resolved. */
struct statement_objects {
    uint32_t count;
    const struct table *const *tables;       /* DROP TABLE, TRUNCATE, LOCK, VACUUM, ANALYZE (with
                                                count 0: all) */
    const struct index *const *indexes;      /* DROP INDEX, REINDEX INDEX, beside tables */
    const struct sequence *const *sequences; /* DROP SEQUENCE */
    const char *const *names;                /* DROP SCHEMA, CREATE SCHEMA (one) */
    uint32_t notice_count;                   /* IF EXISTS: 'table "x" does not exist, skipping' */
    const char *const *notices;
    bool cascade, restart_identity, if_not_exists, no_wait;
    bool analyze, full, freeze, verbose; /* VACUUM; verbose: REINDEX, too */
    enum relation_lock_mode lock_mode;   /* LOCK TABLE */
};

enum discard_kind {
    DISCARD_EVERYTHING,
    DISCARD_PLANS_ONLY,
    DISCARD_SEQUENCES_ONLY,
    DISCARD_TEMPORARY
};

struct statement {
    enum statement_kind kind;
    const char *tag; /* "SELECT", "DISCARD ALL" ... */
    uint64_t schema_version;
    const struct schema *schema; /* retained */
    uint32_t parameter_count;
    const uint32_t *parameter_types; /* type ids */
    bool returns_rows;
    uint32_t column_count; /* of the result; SHOW, EXPLAIN, too */
    const struct plan_column *columns;
    const struct plan *plan; /* SELECT, INSERT, UPDATE, DELETE, COPY, CREATE TABLE AS */
    uint32_t lock_count;     /* relation locks to take first; plan->locks are among them */
    const struct plan_lock *locks;
    struct commit_number index_snapshot; /* as in the options: good for this snapshot only */
    int64_t planning_ns;                 /* what it took to bind and plan it */
    bool depends_on_settings;            /* folded something that DateStyle, TimeZone or search_path
                                            decide: do not share with a session that has others */
    union {
        struct statement_transaction transaction;
        struct statement_setting setting;
        struct statement_explain explain;
        struct statement_prepared prepared;
        struct statement_cursor cursor;
        struct statement_copy copy;
        struct statement_create_table create_table;
        struct statement_create_view create_view;
        struct statement_create_index create_index;
        struct statement_alter_table alter_table;
        struct statement_sequence sequence;
        struct statement_objects objects;
        enum discard_kind discard;
    };
    void *private_part;
};

/* ---- preparing -------------------------------------------------------------------------- */

/* Evaluates row-free expressions at plan time; the execution room provides it. Never suspends. A
   failure leaves the expression as it was (the error then comes when it runs). */
struct sql_folding {
    enum status (*evaluate)(const struct value_context *context,
                            const struct expression *expression, struct arena *arena,
                            struct value *value_out);
};

struct sql_options {
    const struct value_context *value_context; /* for literals; NULL: defaults */
    const struct sql_folding *folding;         /* NULL: nothing is folded */
    const char *const *search_path;            /* without the implied pg_catalog; NULL: public */
    size_t search_path_count;
    const uint32_t *parameter_types; /* declared ones; 0: infer */
    size_t parameter_type_count;
    const char *database_name; /* for "a.b.c" names; NULL: satori */
    /* Current row counts for tables never analyzed; NULL: guess. May suspend. */
    const struct table_context *tables;
    /* The snapshot the statement will run at, when it is older than some index of the schema: such
       an index does not know the row versions of then and is left alone. {0}: use them all. */
    struct commit_number index_snapshot;
};

/* On success the caller holds one reference. `schema` is retained by the statement. Suspends for
   the large stack and row counts only. The raw statement may be dropped afterwards. */
enum status sql_prepare(struct fiber *f, const struct raw_statement *raw, struct schema *schema,
                        const struct sql_options *options, struct statement **statement_out)
    MUST_USE;
/* Parse a text that must hold exactly one statement (42601 "cannot insert multiple commands into a
   prepared statement"), and prepare it. *statement_out is NULL for an empty text. */
enum status sql_prepare_text(struct fiber *f, const char *text, struct schema *schema,
                             const struct sql_options *options, struct statement **statement_out)
    MUST_USE;
void statement_retain(struct statement *statement);
void statement_release(struct statement *statement);
/* Bytes that the statement holds; for a cache's limit. */
size_t statement_size(const struct statement *statement);

#endif
