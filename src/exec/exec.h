/*
 * Execution: runs a read-only plan (sql_plan.h) and hands out batches.
 *
 * State is separate from the plan and lives in the statement's arena; the same plan may run in
 * many sessions at once. The caller pulls: exec_next returns the next batch of the root, so a
 * portal can stop after N rows and go on later. Below a pipeline breaker (aggregate, sort, hash
 * build) the work is done by all cores that own partitions, each with local state, combined once.
 */
#ifndef EXEC_H
#define EXEC_H

#include "base/base_arena.h"
#include "base/base_status.h"
#include "runtime/runtime.h"
#include "sql/sql_plan.h"
#include "table/table.h"
#include "value/value_vector.h"

/* Doors to the room above: what functions such as currval, current_setting or pg_backend_pid
   need of the session. All may be NULL when there is no session (0A000 when called). */
struct exec_session_functions {
    /* A setting's text (arena), NULL when unknown. */
    const char *(*setting_get)(void *session, const char *name, struct arena *arena);
    enum status (*setting_set)(void *session, const char *name, const char *value, bool local);
    void (*sequence_remember)(void *session, uint32_t sequence_oid, int64_t value);
    bool (*sequence_recall)(void *session, uint32_t sequence_oid, int64_t *value_out);
    bool (*sequence_last)(void *session, uint32_t *sequence_oid_out, int64_t *value_out);
    void (*notice)(void *session, const char *severity, const char *sqlstate, const char *message);
    int32_t (*backend_pid)(void *session);
    const char *(*user_name)(void *session);
    const char *(*database_name)(void *session);
    /* A name of search_path, from 0, whether there is such a schema or not; NULL behind the last.
     */
    const char *(*search_path)(void *session, size_t at);
    /* pg_cancel_backend / pg_terminate_backend. */
    bool (*signal_backend)(void *session, int32_t pid, bool terminate);
    bool (*backend_exists)(void *session, int32_t pid);
    int64_t (*server_start_us)(void *session); /* PostgreSQL epoch */
};

struct exec_environment {
    struct catalog *catalog;
    struct store *store;
    struct schema *schema; /* retained by the caller */
    struct transaction *transaction;
    const struct exec_session_functions *session_functions;
    void *session;
    const struct value_context *value_context; /* DateStyle, TimeZone ... (value_text.h) */
    int64_t transaction_time_us; /* now(): PostgreSQL epoch microseconds (2000-01-01 UTC) */
    int64_t statement_time_us;
    const struct value *parameters; /* $1 is [0]; boxed, of the plan's parameter types */
    size_t parameter_count;
    uint64_t memory_max;     /* bytes one operator may hold before it spills or fails */
    bool collect_statistics; /* EXPLAIN ANALYZE */
    struct arena *arena;     /* the statement's; reset by the caller at the end */
};

struct execution;

/* The error of the plan's constant expressions, if they have one (plan->at_fault): division by zero
   and their like, which come before the first row. exec_open looks itself. */
enum status exec_check_constants(const struct value_context *context, const struct plan *plan,
                                 struct arena *arena) MUST_USE;
/* Prepare to run. Nothing is read yet. */
enum status exec_open(struct fiber *f, const struct exec_environment *environment,
                      const struct plan *plan, struct execution **execution_out) MUST_USE;
/* Next batch of result columns (RETURNING rows for DML), NULL at the end; valid until the next
   call. The first call of a DML plan does the work. */
enum status exec_next(struct fiber *f, struct execution *execution, struct batch **batch_out)
    MUST_USE;
/* Rows inserted, updated, deleted or locked; for the command tag. */
uint64_t exec_row_count(const struct execution *execution);
void exec_close(struct fiber *f, struct execution *execution);
/* Figures of each plan node, for EXPLAIN ANALYZE (see sql_explain.h). */
struct explain_statistics;
const struct explain_statistics *exec_statistics(const struct execution *execution);

/* Evaluate one bound expression without an input row (defaults, LIMIT, folding, EXECUTE args). */
enum status exec_evaluate(struct fiber *f, const struct exec_environment *environment,
                          const struct expression *expression, struct value *value_out) MUST_USE;
/* Immutable functions at plan time: the hook that sql_plan takes. */
struct sql_folding;
const struct sql_folding *exec_folding(void);

/* Insert rows in bulk with defaults and checks of the plan made by sql for COPY (values already in
   column types, one batch at a time). */
struct exec_insert;
enum status exec_insert_open(struct fiber *f, const struct exec_environment *environment,
                             const struct plan *plan, struct exec_insert **insert_out) MUST_USE;
enum status exec_insert_batch(struct fiber *f, struct exec_insert *insert, struct batch *batch)
    MUST_USE;
/* After the last batch; without it rows may be missing. */
enum status exec_insert_finish(struct fiber *f, struct exec_insert *insert) MUST_USE;
uint64_t exec_insert_count(const struct exec_insert *insert);
void exec_insert_close(struct fiber *f, struct exec_insert *insert);

#endif
