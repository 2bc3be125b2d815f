/* Workers for pipelines: when, where, and their figures. */
#include "exec/exec_parallel.h"

#include <stdatomic.h>
#include <string.h>

#include "exec/exec_join.h"

enum { ROWS_THAT_PAY = 50000, PARTITIONS_MAX_HERE = 64 };

/* ---- when ---------------------------------------------------------------------------------- */

bool exec__is_independent(const struct expression *expression) {
    if (expression == NULL)
        return true;
    if (expression->kind == EXPRESSION_SUBPLAN)
        return false;
    if (expression->function != NULL && expression->function->volatility == FUNCTION_VOLATILE)
        return false;
    for (uint32_t i = 0; i < expression->argument_count; i++)
        if (!exec__is_independent(expression->arguments[i]))
            return false;
    return true;
}

static bool all_independent(struct expression *const *expressions, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!exec__is_independent(expressions[i]))
            return false;
    return true;
}

/* The table scan at the bottom, when all above it can be run by anybody; else NULL. */
static const struct plan_node *pipeline_source(const struct plan_node *node, bool takes_rest,
                                               bool *has_rest_out) {
    *has_rest_out = false;
    for (;; node = node->left) {
        switch (node->kind) {
        case NODE_TABLE_SCAN:
            return (node->scan.index == NULL || exec__scan_may_refuse_index(node)) &&
                           !node->scan.table->on_catalog_partition &&
                           exec__is_independent(node->scan.filter) &&
                           exec__is_independent(node->scan.index_condition)
                       ? node
                       : NULL;
        case NODE_FILTER:
            if (!exec__is_independent(node->filter.condition))
                return NULL;
            break;
        case NODE_PROJECT:
            if (!all_independent(node->project.expressions, node->column_count))
                return NULL;
            break;
        case NODE_HASH_JOIN:
            *has_rest_out = *has_rest_out || join_keeps_right(node->hash_join.kind);
            if (join_is_right_only(node->hash_join.kind) || (*has_rest_out && !takes_rest) ||
                !all_independent(node->hash_join.left_keys, node->hash_join.key_count) ||
                !exec__is_independent(node->hash_join.residual))
                return NULL;
            break;
        default:
            return NULL;
        }
    }
}

static unsigned worker_count(struct fiber *f, const struct parallel *parallel) {
    unsigned cores = runtime_core_count(fiber_runtime(f));
    unsigned partitions = (unsigned)__builtin_popcountll(atomic_load(&parallel->partitions_left));
    return cores < partitions ? cores : partitions;
}

/* Does the source read all rows, be it against the plan? */
static enum status reads_all(struct fiber *f, struct operator_state *input, bool *all_out) {
    while (input->left != NULL)
        input = input->left;
    *all_out = input->node->scan.index == NULL;
    return *all_out ? STATUS_OK : exec__scan_refuses_index(f, input, all_out);
}

/* Build what the pipeline probes; false when a table does not fit and the pipeline must divide its
   rows itself. */
static enum status build_tables(struct fiber *f, struct operator_state *input, bool *fits_out) {
    *fits_out = true;
    for (; input != NULL && *fits_out; input = input->left)
        if (input->node->kind == NODE_HASH_JOIN) {
            TRY(exec__join_build(f, (struct hash_join *)input));
            *fits_out = !((struct hash_join *)input)->spilled;
        }
    return STATUS_OK;
}

enum status exec__parallel_pays(struct fiber *f, struct operator_state *self,
                                struct operator_state *input, bool takes_rest,
                                struct parallel *parallel, bool *pays_out) {
    const struct execution *execution = self->execution;
    struct store *store = execution->environment.store;
    *parallel = (struct parallel){.owner = self};
    *pays_out = false;
    if (execution->is_worker || store == NULL || runtime_core_count(fiber_runtime(f)) == 1 ||
        store_partition_count(store) > PARTITIONS_MAX_HERE)
        return STATUS_OK;
    const struct plan_node *source = pipeline_source(input->node, takes_rest, &parallel->has_rest);
    if (source == NULL)
        return STATUS_OK;
    struct table_context context = {.catalog = execution->environment.catalog,
                                    .store = store,
                                    .transaction = execution->environment.transaction,
                                    .arena = &self->scratch};
    uint64_t rows, cold;
    TRY(table_row_count_estimate(f, &context, source->scan.table, &rows, &cold));
    if (rows < ROWS_THAT_PAY)
        return STATUS_OK;
    bool fits, all;
    TRY(reads_all(f, input, &all));
    if (!all)
        return STATUS_OK;
    TRY(build_tables(f, input, &fits));
    if (!fits)
        return STATUS_OK;
    parallel->workers =
        arena_alloc_zeroed(execution->environment.arena,
                           runtime_core_count(fiber_runtime(f)) * sizeof *parallel->workers);
    if (parallel->workers == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    atomic_store(&parallel->partitions_left, table_partitions(store, source->scan.table));
    parallel->worker_count = worker_count(f, parallel);
    *pays_out = parallel->worker_count > 1;
    return STATUS_OK;
}

void exec__parallel_exhaust(struct operator_state *input) {
    while (input->left != NULL)
        input = input->left;
    exec__scan_exhaust(input);
}

/* ---- the work -------------------------------------------------------------------------------- */

static enum status work(struct fiber *f, void *argument) {
    struct parallel_worker *worker = argument;
    struct parallel *parallel = worker->parallel;
    const struct execution *parent = parallel->owner->execution;
    struct execution *execution = ARENA_NEW(&worker->arena, struct execution);
    *execution = *parent;
    execution->environment.arena = &worker->arena;
    execution->environment.memory_max = parent->environment.memory_max / parallel->worker_count;
    execution->local = (struct exec_local){.execution = execution, .arena = &worker->arena};
    execution->operators = NULL;
    execution->root = NULL;
    execution->subplans = NULL; /* the parent's */
    execution->ctes = NULL;
    execution->is_worker = true;
    execution->parent = parent;
    execution->worker_number = worker->number;
    execution->partitions_left = &parallel->partitions_left;
    if (parent->node_statistics != NULL) {
        execution->node_statistics = arena_alloc_zeroed(
            &worker->arena, parent->plan->node_count * sizeof *execution->node_statistics);
        if (execution->node_statistics == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    worker->execution = execution;
    TRY(exec__operator_open(f, execution, parallel->node, &worker->root));
    TRY(parallel->work(f, worker));
    return arena_status(&worker->arena);
}

enum status exec__parallel_run(struct fiber *f, struct parallel *parallel,
                               const struct plan_node *node, parallel_function function,
                               void *argument) {
    void *arguments[RUNTIME_CORES_MAX] = {NULL};
    parallel->node = node;
    parallel->work = function;
    parallel->argument = argument;
    for (unsigned w = 0; w < parallel->worker_count; w++) {
        parallel->workers[w].parallel = parallel;
        parallel->workers[w].number = w;
        arguments[w] = &parallel->workers[w];
    }
    uint64_t cores = UINT64_MAX >> (64 - parallel->worker_count);
    return core_call_all(f, cores, work, arguments);
}

static void add_figures(const struct execution *to, const struct execution *from,
                        uint32_t except_id) {
    for (uint32_t i = 0; to->node_statistics != NULL && i < to->plan->node_count; i++) {
        struct explain_node_statistics *sum = &to->node_statistics[i];
        const struct explain_node_statistics *one = &from->node_statistics[i];
        sum->spilled_bytes += one->spilled_bytes;
        if (one->loops == 0 || i == except_id)
            continue;
        sum->loops = 1;
        sum->rows += one->rows;
        sum->batches += one->batches;
        sum->removed_rows += one->removed_rows;
        sum->blocks += one->blocks;
        sum->blocks_skipped += one->blocks_skipped;
        sum->block_bytes += one->block_bytes;
        sum->hot_rows += one->hot_rows;
        if (sum->start_ns == 0 || one->start_ns < sum->start_ns)
            sum->start_ns = one->start_ns;
        sum->total_ns += one->total_ns;
        if (one->memory_bytes > sum->memory_bytes)
            sum->memory_bytes = one->memory_bytes;
    }
}

void exec__parallel_end(struct fiber *f, struct parallel *parallel, uint32_t except_id) {
    for (unsigned w = 0; w < parallel->worker_count; w++) {
        struct parallel_worker *worker = &parallel->workers[w];
        if (worker->execution == NULL)
            continue;
        add_figures(parallel->owner->execution, worker->execution, except_id);
        exec_close(f, worker->execution);
        exec__arena_release(f, &worker->arena);
    }
    parallel->worker_count = 0;
}
