/* Opening, pulling and closing; single expressions; folding. */
#include "exec/exec.h"

#include <stdatomic.h>
#include <string.h>

#include "exec/exec_drive.h"
#include "exec/exec_state.h"
#include "sql/sql.h"

static const struct value_context default_context;

static enum status execution_new(const struct exec_environment *environment,
                                 const struct plan *plan, struct execution **execution_out) {
    struct execution *execution = ARENA_NEW(environment->arena, struct execution);
    execution->environment = *environment;
    if (environment->value_context == NULL)
        execution->environment.value_context = &default_context;
    if (execution->environment.memory_max == 0)
        execution->environment.memory_max = UINT64_MAX;
    execution->lent = ARENA_NEW(environment->arena, _Atomic uint64_t);
    execution->plan = plan;
    execution->local = (struct exec_local){.execution = execution, .arena = environment->arena};
    if (plan->slot_count > 0) {
        execution->slots =
            arena_alloc_zeroed(environment->arena, plan->slot_count * sizeof(struct value));
        if (execution->slots == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    if (environment->collect_statistics) {
        execution->node_statistics = arena_alloc_zeroed(
            environment->arena, plan->node_count * sizeof *execution->node_statistics);
        if (execution->node_statistics == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        execution->statistics = (struct explain_statistics){.node_count = plan->node_count,
                                                            .nodes = execution->node_statistics};
    }
    TRY(exec__subplans_init(execution));
    TRY(exec__ctes_init(execution));
    *execution_out = execution;
    return arena_status(environment->arena);
}

static bool takes_short_path(const struct execution *execution) {
    return execution->plan->point.kind != POINT_NONE && execution->node_statistics == NULL;
}

/* Sessions and commits are on one core. A long query is run by another one, which spares it their
   company, and them its own, wherever several cores cannot share the work. */
static unsigned choose_core(struct fiber *f, const struct execution *execution) {
    unsigned cores = runtime_core_count(fiber_runtime(f));
    const struct transaction *transaction = execution->environment.transaction;
    if (!execution->plan->may_travel || transaction == NULL || cores == 1)
        return fiber_core(f);
    return (fiber_core(f) + 1 + (unsigned)(transaction_id(transaction).value % (cores - 1))) %
           cores;
}

enum status exec_open(struct fiber *f, const struct exec_environment *environment,
                      const struct plan *plan, struct execution **execution_out) {
    struct execution *execution;
    if (plan->at_fault != NULL)
        TRY(exec_check_constants(environment->value_context, plan, environment->arena));
    TRY(execution_new(environment, plan, &execution));
    execution->other_core = choose_core(f, execution);
    if (!takes_short_path(execution)) {
        execution->core = plan->travels ? execution->other_core : fiber_core(f);
        enum status status = exec__operator_open(f, execution, plan->root, &execution->root);
        if (status != STATUS_OK) {
            exec_close(f, execution);
            return status;
        }
    }
    *execution_out = execution;
    return STATUS_OK;
}

struct pull {
    struct execution *execution;
    struct batch **batch_out;
};

static enum status pull_there(struct fiber *f, void *argument) {
    struct pull *pull = argument;
    return exec__next(f, pull->execution->root, pull->batch_out);
}

enum status exec_next(struct fiber *f, struct execution *execution, struct batch **batch_out) {
    *batch_out = NULL;
    if (execution->done)
        return STATUS_OK;
    struct pull pull = {execution, batch_out};
    fiber_share_set(f, execution->plan->travels);
    enum status status = execution->root == NULL ? exec__point_next(f, execution, batch_out)
                                                 : core_call(f, execution->core, pull_there, &pull);
    fiber_share_set(f, false);
    if (status != STATUS_OK || *batch_out == NULL)
        execution->done = true;
    return status;
}

uint64_t exec_row_count(const struct execution *execution) {
    return execution->row_count;
}

void exec_close(struct fiber *f, struct execution *execution) {
    if (execution == NULL)
        return;
    if (f != NULL)
        fiber_shield(f); /* scans are closed where they live, whatever happens */
    while (execution->operators != NULL) {
        struct operator_state *self = execution->operators;
        execution->operators = self->all_next;
        self->functions->close(f, self);
        arena_release(&self->scratch);
    }
    exec__subplans_release(execution);
    exec__ctes_release(f, execution);
    if (!execution->is_worker && execution->lent != NULL && atomic_load(execution->lent) > 0)
        store_memory_return(execution->environment.store, atomic_exchange(execution->lent, 0));
    exec__drives_release(f, execution);
    if (f != NULL)
        fiber_unshield(f);
}

const struct explain_statistics *exec_statistics(const struct execution *execution) {
    return execution->node_statistics != NULL ? &execution->statistics : NULL;
}

/* ---- operators in general ---------------------------------------------------------------- */

/* What an operator at the bottom needs for itself: trees of operators may be as deep as the rest
   of the stack allows. */
enum { OPERATOR_STACK_SIZE = 32 << 10 };

static enum status stack_check(void) {
    return fiber_stack_left() < OPERATOR_STACK_SIZE
               ? error_set(STATUS_STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
               : STATUS_OK;
}

enum status exec__operator_open(struct fiber *f, struct execution *execution,
                                const struct plan_node *node,
                                struct operator_state **operator_out) {
    static const operator_open openers[] = {
        [NODE_RESULT] = exec__open_result,
        [NODE_VALUES] = exec__open_values,
        [NODE_TABLE_SCAN] = exec__open_table_scan,
        [NODE_VIRTUAL_SCAN] = exec__open_virtual_scan,
        [NODE_FUNCTION_SCAN] = exec__open_function_scan,
        [NODE_CTE_SCAN] = exec__open_cte_scan,
        [NODE_INPUT] = exec__open_input,
        [NODE_FILTER] = exec__open_filter,
        [NODE_PROJECT] = exec__open_project,
        [NODE_PROJECT_SET] = exec__open_project_set,
        [NODE_HASH_JOIN] = exec__open_hash_join,
        [NODE_MERGE_JOIN] = exec__open_merge_join,
        [NODE_NESTED_LOOP] = exec__open_nested_loop,
        [NODE_AGGREGATE] = exec__open_aggregate,
        [NODE_UNIQUE] = exec__open_unique,
        [NODE_SORT] = exec__open_sort,
        [NODE_LIMIT] = exec__open_limit,
        [NODE_APPEND] = exec__open_append,
        [NODE_SET_OPERATION] = exec__open_set_operation,
        [NODE_LOCK_ROWS] = exec__open_lock_rows,
        [NODE_INSERT] = exec__open_insert,
        [NODE_UPDATE] = exec__open_modify,
        [NODE_DELETE] = exec__open_modify,
    };
    size_t kind = (size_t)node->kind;
    if (kind >= sizeof openers / sizeof openers[0] || openers[kind] == NULL)
        return error_set(STATUS_INTERNAL_ERROR, "plan node of kind %zu", kind);
    TRY(stack_check());
    return openers[kind](f, execution, node, operator_out);
}

enum status exec__operator_alone(struct execution *execution, const struct plan_node *node,
                                 size_t size, const struct operator_functions *functions,
                                 void *operator_out) {
    struct operator_state *self = arena_alloc_zeroed(execution->environment.arena, size);
    if (self == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    self->functions = functions;
    self->node = node;
    self->execution = execution;
    self->local = &execution->local;
    self->all_next = execution->operators;
    execution->operators = self;
    memcpy(operator_out, &self, sizeof self);
    return STATUS_OK;
}

enum status exec__operator_new(struct fiber *f, struct execution *execution,
                               const struct plan_node *node, size_t size,
                               const struct operator_functions *functions, void *operator_out) {
    struct operator_state *self;
    TRY(exec__operator_alone(execution, node, size, functions, &self));
    memcpy(operator_out, &self, sizeof self);
    if (node->left != NULL)
        TRY(exec__operator_open(f, execution, node->left, &self->left));
    if (node->right != NULL)
        TRY(exec__operator_open(f, execution, node->right, &self->right));
    return STATUS_OK;
}

static struct explain_node_statistics *figures(const struct operator_state *self) {
    return self->execution->node_statistics == NULL
               ? NULL
               : &self->execution->node_statistics[self->node->id];
}

enum status exec__next(struct fiber *f, struct operator_state *self, struct batch **batch_out) {
    TRY(fiber_check(f));
    TRY(stack_check());
    arena_reset(&self->scratch);
    struct explain_node_statistics *node = figures(self);
    if (node == NULL) {
        TRY(self->functions->next(f, self, batch_out));
        return arena_status(&self->scratch);
    }
    int64_t begin = clock_monotonic_ns();
    if (node->loops == 0)
        node->loops = 1;
    TRY(self->functions->next(f, self, batch_out));
    int64_t spent = clock_monotonic_ns() - begin;
    node->total_ns += spent;
    if (node->batches == 0)
        node->start_ns += spent;
    if (*batch_out != NULL) {
        node->batches++;
        node->rows += (*batch_out)->selected_count;
    }
    return arena_status(&self->scratch);
}

enum status exec__reset(struct fiber *f, struct operator_state *self) {
    struct explain_node_statistics *node = figures(self);
    if (node != NULL)
        node->loops++;
    return self->functions->reset(f, self);
}

/* Lent in steps of so much, to statements that may hold at least so much unasked. */
enum { LENT_AT_ONCE = 8 << 20, LENT_FROM = 64 << 20 };

bool exec__may_hold(const struct execution *execution, uint64_t bytes, uint64_t *borrowed) {
    uint64_t own = execution->environment.memory_max;
    if (bytes <= own || bytes - own <= *borrowed)
        return true;
    const struct execution *whole = execution->is_worker ? execution->parent : execution;
    uint64_t more = bytes - own - *borrowed;
    more = (more + LENT_AT_ONCE - 1) / LENT_AT_ONCE * LENT_AT_ONCE;
    if (whole->environment.store == NULL || whole->environment.memory_max < LENT_FROM ||
        !store_memory_lend(whole->environment.store, more))
        return false;
    atomic_fetch_add(whole->lent, more);
    *borrowed += more;
    return true;
}

void exec__return_lent(struct operator_state *self) {
    if (self->borrowed == 0)
        return;
    atomic_fetch_sub(self->execution->lent, self->borrowed);
    store_memory_return(self->execution->environment.store, self->borrowed);
    self->borrowed = 0;
}

void exec__note_memory(struct operator_state *self, uint64_t bytes) {
    struct explain_node_statistics *node = figures(self);
    self->memory_held = bytes;
    if (node != NULL && bytes > node->memory_bytes)
        node->memory_bytes = bytes;
}

void exec__note_work(struct operator_state *self, int64_t begin_ns) {
    struct explain_node_statistics *node = figures(self);
    if (node == NULL)
        return;
    node->loops = node->loops == 0 ? 1 : node->loops;
    node->total_ns += clock_monotonic_ns() - begin_ns;
}

bool exec__over_limit(struct operator_state *self, uint64_t bytes) {
    exec__note_memory(self, bytes);
    return !exec__may_hold(self->execution, bytes, &self->borrowed);
}

/* Kept rows come in batches of VECTOR_SIZE places: a few of them, however low the limit. */
enum { HELD_ALWAYS = 2 << 20 };

enum status exec__account(struct operator_state *self, uint64_t bytes) {
    if (!exec__over_limit(self, bytes) || bytes <= HELD_ALWAYS)
        return STATUS_OK;
    enum status status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    error_detail("An operator of this statement needs more than its limit of %llu bytes.",
                 (unsigned long long)self->execution->environment.memory_max);
    return status;
}

void exec__count_removed(struct operator_state *self, uint64_t rows) {
    struct explain_node_statistics *node = figures(self);
    if (node != NULL)
        node->removed_rows += rows;
}

void exec__count_scanned(struct operator_state *self, const struct table_scan_figures *scanned) {
    struct explain_node_statistics *node = figures(self);
    if (node == NULL)
        return;
    node->blocks += scanned->blocks;
    node->blocks_skipped += scanned->blocks_skipped;
    node->block_bytes += scanned->block_bytes;
    node->chunks_ahead += scanned->chunks_ahead;
    node->hot_rows += scanned->hot_rows;
}

void exec__note_refused_index(struct operator_state *self, uint64_t entries) {
    struct explain_node_statistics *node = figures(self);
    if (node != NULL)
        node->refused_entries = entries;
}

void exec__count_spilled(struct operator_state *self, uint64_t bytes) {
    struct explain_node_statistics *node = figures(self);
    if (node != NULL)
        node->spilled_bytes += bytes;
}

void exec__arena_release(struct fiber *f, struct arena *arena) {
    while (arena_release_some(arena))
        if (fiber_check_due(f))
            fiber_yield(f);
}

/* ---- single expressions ------------------------------------------------------------------ */

enum status exec_evaluate(struct fiber *f, const struct exec_environment *environment,
                          const struct expression *expression, struct value *value_out) {
    static const struct plan no_plan;
    struct execution *execution;
    TRY(execution_new(environment, &no_plan, &execution));
    enum status status =
        exec__scalar(f, &execution->local, expression, NULL, environment->arena, value_out);
    exec__drives_release(f, execution);
    TRY(status);
    *value_out = value_copy(value_out, environment->arena);
    return arena_status(environment->arena);
}

enum status exec_check_constants(const struct value_context *context, const struct plan *plan,
                                 struct arena *arena) {
    struct exec_environment environment = {.value_context = context, .arena = arena};
    struct value value;
    if (plan->at_fault == NULL)
        return STATUS_OK;
    return exec_evaluate(NULL, &environment, plan->at_fault, &value);
}

static enum status fold(const struct value_context *context, const struct expression *expression,
                        struct arena *arena, struct value *value_out) {
    struct exec_environment environment = {.value_context = context, .arena = arena};
    return exec_evaluate(NULL, &environment, expression, value_out);
}

const struct sql_folding *exec_folding(void) {
    static const struct sql_folding folding = {.evaluate = fold};
    return &folding;
}
