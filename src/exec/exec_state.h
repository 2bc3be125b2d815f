/*
 * The state of a running plan. Private to exec.
 *
 *   execution   one run of a plan
 *   operator    one node of the plan, running: a puller of batches
 *   local       what one worker may change: scratch memory, caches of calls
 *
 * Memory. A batch that an operator hands out, with all that it points to, is valid until the next
 * call on that operator (next, reset, close). Each operator has its own scratch arena, emptied at
 * each `next`; what must live longer (hash tables, sorted rows) is in arenas of the operator that
 * `reset` and `close` give back. Operators themselves and compiled expressions are in the
 * statement's arena.
 */
#ifndef EXEC_STATE_H
#define EXEC_STATE_H

#include "exec/exec.h"
#include "exec/exec_kernel.h"
#include "sql/sql_explain.h"

/* Functions with a batch's worth of arrays on the stack: they must not be inlined into one that
   pulls from a child, whose stack comes on top. */
#define NOINLINE __attribute__((noinline))

struct operator_state;
struct compiled;

struct call_cache {
    const struct expression *expression;
    void *memory;
};

struct exec_local {
    struct execution *execution;
    struct arena *arena; /* of this worker; lives as long as the execution */
    struct call_cache *caches;
    uint32_t cache_count, cache_capacity;
};

struct subplan_run;
struct cte_run;
struct drive_use;

struct execution {
    struct exec_environment environment;
    const struct plan *plan;
    struct exec_local local;
    struct operator_state *root;
    struct value *slots;              /* plan->slot_count */
    struct subplan_run *subplans;     /* plan->subplan_count */
    struct cte_run *ctes;             /* plan->cte_count */
    struct operator_state *input;     /* of a plan with an INPUT node */
    struct join_filter *join_filters; /* of tables that are built (exec_join_filter.h) */
    struct threshold *thresholds;     /* of top-n sorts (exec_threshold.h) */
    struct operator_state *operators; /* all, linked by `all_next`, newest first */
    struct drive_use *drives;         /* stores in use (exec_drive.h) */
    uint64_t row_count;
    /* One of several that run a pipeline side by side, with hash tables that the parent has built
       (exec_parallel.h). */
    bool is_worker;
    unsigned worker_number;
    struct operator_state *source; /* the parent's: what workers share out */
    struct scan_shares *shares;    /* of a table scan (exec_parallel.h) */
    _Atomic uint64_t *lent;        /* bytes that the server has lent to all of the statement */
    const struct execution *parent;
    struct explain_node_statistics *node_statistics; /* by node id; NULL: not collected */
    struct explain_statistics statistics;
    unsigned core, other_core; /* where rows are pulled; where a long part may be */
    bool point_done, done;
};

/* ---- one row at a time ------------------------------------------------------------------- */

/* The input row: `value_count` boxed values, then the columns of a row of a batch. */
struct row_input {
    const struct value *values;
    uint32_t value_count;
    const struct batch *batch; /* NULL: nothing follows */
    uint32_t row;              /* of the vectors */
};

/* Evaluate over one row. Results are in `arena`, or views of the input, slots and constants. */
enum status exec__scalar(struct fiber *f, struct exec_local *local,
                         const struct expression *expression, const struct row_input *input,
                         struct arena *arena, struct value *value_out) MUST_USE;
/* A condition: NULL is false. */
enum status exec__scalar_true(struct fiber *f, struct exec_local *local,
                              const struct expression *expression, const struct row_input *input,
                              struct arena *arena, bool *true_out) MUST_USE;
/* One function over boxed arguments (comparisons too), strictness applied. */
enum status exec__scalar_call(struct fiber *f, struct exec_local *local,
                              const struct expression *expression, const struct function *function,
                              struct type result_type, const struct value *arguments,
                              uint32_t argument_count, struct arena *arena, struct value *value_out)
    MUST_USE;

/* ---- whole batches ----------------------------------------------------------------------- */

/* Prepare an expression for evaluation over batches. Lives in local->arena. */
enum status exec__compile(struct exec_local *local, const struct expression *expression,
                          struct compiled **compiled_out) MUST_USE;
/* Rows rows[0..count) of `input` (ascending, never NULL); *result is a reference that lives until
   the next evaluation or until `arena` is emptied. */
enum status exec__evaluate(struct fiber *f, struct compiled *compiled, const struct batch *input,
                           const uint16_t *rows, uint32_t count, struct arena *arena,
                           struct vector *result) MUST_USE;
/* The rows for which a condition is true, into out[] (may be rows itself). */
enum status exec__select(struct fiber *f, struct compiled *compiled, const struct batch *input,
                         const uint16_t *rows, uint32_t count, struct arena *arena, uint16_t *out,
                         uint32_t *out_count) MUST_USE;

static inline const uint16_t *batch_rows(const struct batch *batch) {
    return batch->selection != NULL ? batch->selection : vector_identity;
}

/* ---- operators --------------------------------------------------------------------------- */

struct operator_functions {
    /* The next batch with at least one selected row, or NULL at the end (and again after it). */
    enum status (*next)(struct fiber *f, struct operator_state *self, struct batch **batch_out);
    /* Begin again, with the slots as they are now. */
    enum status (*reset)(struct fiber *f, struct operator_state *self);
    void (*close)(struct fiber *f, struct operator_state *self);
};

/* First member of every operator's own struct. */
struct operator_state {
    const struct operator_functions *functions;
    const struct plan_node *node;
    struct execution *execution;
    struct exec_local *local;
    struct operator_state *left, *right, *all_next;
    struct arena scratch; /* emptied at each next */
    uint64_t memory_held; /* bytes accounted */
    uint64_t borrowed;    /* beyond memory_max */
};

enum status exec__operator_open(struct fiber *f, struct execution *execution,
                                const struct plan_node *node, struct operator_state **operator_out)
    MUST_USE;
/* Pull, with statistics and a look at the clock. */
enum status exec__next(struct fiber *f, struct operator_state *self, struct batch **batch_out)
    MUST_USE;
enum status exec__reset(struct fiber *f, struct operator_state *self) MUST_USE;
/* A zeroed operator of `size` bytes; its children are not opened. */
enum status exec__operator_alone(struct execution *execution, const struct plan_node *node,
                                 size_t size, const struct operator_functions *functions,
                                 void *operator_out) MUST_USE;
/* The same with its children opened. */
enum status exec__operator_new(struct fiber *f, struct execution *execution,
                               const struct plan_node *node, size_t size,
                               const struct operator_functions *functions, void *operator_out)
    MUST_USE;
/* Give the arena's memory back, letting others run in between: a gigabyte takes 50 ms. */
void exec__arena_release(struct fiber *f, struct arena *arena);
/* `bytes` is what the operator holds now; OUT_OF_MEMORY when over the statement's limit. */
enum status exec__account(struct operator_state *self, uint64_t bytes) MUST_USE;
/* The same as a question: is it more than the operator may hold? */
bool exec__over_limit(struct operator_state *self, uint64_t bytes);
/* For EXPLAIN ANALYZE only. */
void exec__note_memory(struct operator_state *self, uint64_t bytes);
/* May somebody hold so many bytes? Up to memory_max always; beyond it the server lends what it has
   (store_memory_lend), unless work_mem was set below its default. *borrowed: what this one has been
   lent so far; the statement returns it in the end. */
bool exec__may_hold(const struct execution *execution, uint64_t bytes, uint64_t *borrowed);
/* The operator holds nothing any more: what it has been lent goes back now. */
void exec__return_lent(struct operator_state *self);
void exec__count_removed(struct operator_state *self, uint64_t rows);
/* Work that was done for it before it is asked for rows, since clock_monotonic_ns() was begin_ns.
 */
void exec__note_work(struct operator_state *self, int64_t begin_ns);
struct table_scan_figures;
void exec__count_scanned(struct operator_state *self, const struct table_scan_figures *figures);
void exec__count_spilled(struct operator_state *self, uint64_t bytes);
/* All rows are read instead of so many through the index. */
void exec__note_refused_index(struct operator_state *self, uint64_t entries);

typedef enum status (*operator_open)(struct fiber *f, struct execution *execution,
                                     const struct plan_node *node,
                                     struct operator_state **operator_out);
enum status exec__open_result(struct fiber *, struct execution *, const struct plan_node *,
                              struct operator_state **);
enum status exec__open_values(struct fiber *, struct execution *, const struct plan_node *,
                              struct operator_state **);
enum status exec__open_table_scan(struct fiber *, struct execution *, const struct plan_node *,
                                  struct operator_state **);
/* A table scan that has not begun gives no row until it is reset. */
void exec__scan_exhaust(struct operator_state *self);
/* A plan's index that is not used after all when its range turns out to hold too much. `refuses`
   asks that of a scan that has not begun; suspends. */
bool exec__scan_may_refuse_index(const struct plan_node *node);
enum status exec__scan_refuses_index(struct fiber *f, struct operator_state *self,
                                     bool *refuses_out) MUST_USE;
enum status exec__open_virtual_scan(struct fiber *, struct execution *, const struct plan_node *,
                                    struct operator_state **);
enum status exec__open_function_scan(struct fiber *, struct execution *, const struct plan_node *,
                                     struct operator_state **);
enum status exec__open_cte_scan(struct fiber *, struct execution *, const struct plan_node *,
                                struct operator_state **);
enum status exec__open_input(struct fiber *, struct execution *, const struct plan_node *,
                             struct operator_state **);
enum status exec__open_filter(struct fiber *, struct execution *, const struct plan_node *,
                              struct operator_state **);
enum status exec__open_project(struct fiber *, struct execution *, const struct plan_node *,
                               struct operator_state **);
enum status exec__open_project_set(struct fiber *, struct execution *, const struct plan_node *,
                                   struct operator_state **);
enum status exec__open_hash_join(struct fiber *, struct execution *, const struct plan_node *,
                                 struct operator_state **);
enum status exec__open_merge_join(struct fiber *, struct execution *, const struct plan_node *,
                                  struct operator_state **);
enum status exec__open_nested_loop(struct fiber *, struct execution *, const struct plan_node *,
                                   struct operator_state **);
enum status exec__open_aggregate(struct fiber *, struct execution *, const struct plan_node *,
                                 struct operator_state **);
enum status exec__open_unique(struct fiber *, struct execution *, const struct plan_node *,
                              struct operator_state **);
enum status exec__open_sort(struct fiber *, struct execution *, const struct plan_node *,
                            struct operator_state **);
enum status exec__open_limit(struct fiber *, struct execution *, const struct plan_node *,
                             struct operator_state **);
enum status exec__open_append(struct fiber *, struct execution *, const struct plan_node *,
                              struct operator_state **);
enum status exec__open_set_operation(struct fiber *, struct execution *, const struct plan_node *,
                                     struct operator_state **);
enum status exec__open_lock_rows(struct fiber *, struct execution *, const struct plan_node *,
                                 struct operator_state **);
enum status exec__open_insert(struct fiber *, struct execution *, const struct plan_node *,
                              struct operator_state **);
enum status exec__open_modify(struct fiber *, struct execution *, const struct plan_node *,
                              struct operator_state **);

/* Set wanted[i] for each column i < count of the input row that an expression reads. */
void exec__mark_columns(const struct expression *expression, uint8_t *wanted, uint32_t count);
/* Of a join: the output's columns are columns[i] of `both`, the two sides'. */
struct batch *exec__put_joined(struct batch *output, const struct batch *both,
                               const uint32_t *columns, uint32_t row_count,
                               const uint16_t *selection, uint32_t count);
enum status exec__node_types(struct execution *execution, const struct plan_node *node,
                             struct type **types_out) MUST_USE;
/* A batch of the node's columns in the statement's arena. */
enum status exec__node_batch(struct execution *execution, const struct plan_node *node,
                             struct batch *batch) MUST_USE;
enum status exec__row_limit(struct fiber *f, struct operator_state *self,
                            const struct expression *expression, bool is_offset, uint64_t none,
                            uint64_t *count_out) MUST_USE;
/* What the INPUT node gives out next. */
void exec__input_set(struct operator_state *self, struct batch *batch);

/* ---- subplans ---------------------------------------------------------------------------- */

/* Is it a subplan that depends on no row, with one value? */
bool exec__runs_once(const struct expression *expression);
enum status exec__subplan(struct fiber *f, struct exec_local *local,
                          const struct expression *expression, const struct row_input *input,
                          struct arena *arena, struct value *value_out) MUST_USE;
/* Set the slots of a subtree from the row at hand. Values are copied into `arena`. */
enum status exec__bind(struct fiber *f, struct exec_local *local, const struct binding *bindings,
                       uint32_t count, const struct row_input *input, struct arena *arena) MUST_USE;

enum status exec__subplans_init(struct execution *execution) MUST_USE;
void exec__subplans_release(struct execution *execution);
enum status exec__ctes_init(struct execution *execution) MUST_USE;
void exec__ctes_release(struct fiber *f, struct execution *execution);

/* ---- rows kept in memory ----------------------------------------------------------------- */

/* Batches of copied rows, in order. */
struct exec_store {
    struct arena *arena;
    const struct type *types;
    uint32_t column_count;
    struct batch **batches;
    uint32_t batch_count;
    size_t batch_capacity;
    uint64_t row_count;
    uint64_t bytes; /* vectors and long strings */
};

void exec__store_init(struct exec_store *store, const struct type *types, uint32_t column_count,
                      struct arena *arena);
/* Append the selected rows of a batch. */
enum status exec__store_append(struct exec_store *store, const struct batch *batch) MUST_USE;
static inline struct batch *exec__store_batch(const struct exec_store *store, uint64_t row) {
    return store->batches[row / VECTOR_SIZE];
}
/* One row as boxed values, appended. */
enum status exec__store_append_values(struct exec_store *store, const struct value *values)
    MUST_USE;

/* NOT NULL, then CHECK constraints of one full row: NOT_NULL_VIOLATION, CHECK_VIOLATION with
   PostgreSQL's words. */
enum status exec__check_row(struct fiber *f, struct exec_local *local, const struct table *table,
                            const struct plan_check *checks, uint32_t check_count,
                            const struct value *row, struct arena *arena) MUST_USE;

/* ---- index short path -------------------------------------------------------------------- */

enum status exec__point_next(struct fiber *f, struct execution *execution, struct batch **batch_out)
    MUST_USE;

#endif
