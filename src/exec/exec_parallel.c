/* Workers for pipelines: when, where, and their figures. */
#include "exec/exec_parallel.h"

#include <stdatomic.h>
#include <string.h>

#include "exec/exec_aggregate.h"
#include "exec/exec_join.h"

enum { PARTITIONS_MAX_HERE = 64, ROWS_FOR_ANOTHER = 64 };

uint64_t exec__rows_that_pay = 50000;

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

/* May workers evaluate it? Subplans that depend on no row have a value then, or will have one: with
   `runs`, now. Where one fails the rows may never ask for it: then nobody but the parent asks. */
struct look {
    struct fiber *f;
    struct execution *execution;
    struct arena *arena;
    bool runs;
    enum status status; /* what ends the statement */
};

static bool runs_well(struct look *look, const struct expression *expression) {
    struct value value;
    enum status status =
        exec__subplan(look->f, &look->execution->local, expression, NULL, look->arena, &value);
    if (status != STATUS_OK && fiber_check(look->f) != STATUS_OK)
        look->status = status;
    else if (status != STATUS_OK)
        error_clear();
    return status == STATUS_OK;
}

static bool is_fit(struct look *look, const struct expression *expression) {
    if (expression == NULL)
        return true;
    if (expression->kind == EXPRESSION_SUBPLAN)
        return look->execution->plan->travels && exec__runs_once(expression) &&
               (!look->runs || runs_well(look, expression));
    if (expression->function != NULL && expression->function->volatility == FUNCTION_VOLATILE)
        return false;
    for (uint32_t i = 0; i < expression->argument_count; i++)
        if (!is_fit(look, expression->arguments[i]))
            return false;
    return true;
}

static bool all_fit(struct look *look, struct expression *const *expressions, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!is_fit(look, expressions[i]))
            return false;
    return true;
}

/* The table scan at the bottom, or groups, when all above can be run by anybody; else NULL. */
static const struct plan_node *pipeline_source(struct look *look, const struct plan_node *node,
                                               bool takes_rest, bool *has_rest_out) {
    *has_rest_out = false;
    for (;; node = node->left) {
        switch (node->kind) {
        case NODE_TABLE_SCAN:
            return (node->scan.index == NULL || exec__scan_may_refuse_index(node)) &&
                           !node->scan.table->on_catalog_partition &&
                           is_fit(look, node->scan.filter) &&
                           is_fit(look, node->scan.index_condition)
                       ? node
                       : NULL;
        case NODE_AGGREGATE:
            return node->aggregate.key_count > 0 && !node->aggregate.ordered &&
                           is_fit(look, node->aggregate.filter)
                       ? node
                       : NULL;
        case NODE_FILTER:
            if (!is_fit(look, node->filter.condition))
                return NULL;
            break;
        case NODE_PROJECT:
            if (!all_fit(look, node->project.expressions, node->column_count))
                return NULL;
            break;
        case NODE_HASH_JOIN:
            *has_rest_out = *has_rest_out || join_keeps_right(node->join.kind);
            if (join_is_right_only(node->join.kind) || (*has_rest_out && !takes_rest) ||
                !all_fit(look, node->join.left_keys, node->join.key_count) ||
                !is_fit(look, node->join.residual))
                return NULL;
            break;
        default:
            return NULL;
        }
    }
}

/* Build what the pipeline probes; false when a table does not fit and the pipeline must divide its
   rows itself. */
static enum status build_tables(struct fiber *f, struct operator_state *input,
                                const struct operator_state *source, bool *fits_out) {
    *fits_out = true;
    for (; input != source && *fits_out; input = input->left)
        if (input->node->kind == NODE_HASH_JOIN) {
            TRY(exec__join_build(f, (struct hash_join *)input));
            *fits_out = !((struct hash_join *)input)->spilled;
        }
    return STATUS_OK;
}

/* Is the table large, and are all of its rows read, be it against the plan? */
static enum status scan_pays(struct fiber *f, struct operator_state *self,
                             struct operator_state *source, uint64_t rows_min, bool *pays_out) {
    const struct execution *execution = self->execution;
    struct table_context context = {.catalog = execution->environment.catalog,
                                    .store = execution->environment.store,
                                    .transaction = execution->environment.transaction,
                                    .arena = &self->scratch};
    struct table_counts counts;
    TRY(table_count_estimate(f, &context, source->node->scan.table, &counts));
    *pays_out = counts.rows >= rows_min;
    if (*pays_out && source->node->scan.index != NULL)
        return exec__scan_refuses_index(f, source, pays_out);
    return STATUS_OK;
}

/* How many shares there are at most. */
static enum status count_shares(struct fiber *f, struct parallel *parallel, uint64_t *shares_out) {
    const struct operator_state *source = parallel->source;
    if (source->node->kind == NODE_AGGREGATE)
        return exec__aggregate_lend(f, parallel->source, shares_out);
    struct table_context context = {.store = source->execution->environment.store};
    uint32_t ranges[PARTITIONS_MAX];
    TRY(table_scan_ranges(f, &context, source->node->scan.table, ranges));
    *shares_out = 0;
    for (unsigned p = 0; p < PARTITIONS_MAX; p++) {
        atomic_init(&parallel->shares.left[p], (uint64_t)ranges[p] << 32);
        *shares_out += ranges[p];
    }
    return STATUS_OK;
}

enum status exec__parallel_pays(struct fiber *f, struct operator_state *self,
                                struct operator_state *input, bool takes_rest,
                                struct parallel *parallel, bool *pays_out) {
    const struct execution *execution = self->execution;
    const struct store *store = execution->environment.store;
    uint64_t shares, rows_min = exec__rows_that_pay;
    bool fits;
    *parallel = (struct parallel){.owner = self, .source = input};
    *pays_out = false;
    if (execution->is_worker || store == NULL)
        return STATUS_OK;
    unsigned cores = runtime_core_count(fiber_runtime(f));
    parallel->core_first = cores > 1 && store_core_busy(store);
    cores -= parallel->core_first;
    if ((cores == 1 && fiber_core(f) == parallel->core_first) ||
        store_partition_count(store) > PARTITIONS_MAX_HERE)
        return STATUS_OK;
    if (cores == 1) /* another one's, which has to call this one for all that is hot */
        rows_min *= ROWS_FOR_ANOTHER;
    struct look look = {.f = f, .execution = self->execution, .arena = &self->scratch};
    const struct plan_node *source =
        pipeline_source(&look, input->node, takes_rest, &parallel->has_rest);
    if (source == NULL)
        return STATUS_OK;
    while (parallel->source->node != source)
        parallel->source = parallel->source->left;
    if (source->kind == NODE_TABLE_SCAN) {
        TRY(scan_pays(f, self, parallel->source, rows_min, &fits));
        if (!fits)
            return STATUS_OK;
    }
    look.runs = true;
    if (pipeline_source(&look, input->node, takes_rest, &parallel->has_rest) == NULL)
        return look.status;
    TRY(build_tables(f, input, parallel->source, &fits));
    if (!fits)
        return STATUS_OK;
    TRY(count_shares(f, parallel, &shares));
    if (shares <= 1)
        return STATUS_OK;
    parallel->worker_count = cores < shares ? cores : (unsigned)shares;
    parallel->shares.alone = parallel->worker_count == 1;
    parallel->workers =
        arena_alloc_zeroed(execution->environment.arena, cores * sizeof *parallel->workers);
    *pays_out = parallel->workers != NULL;
    return *pays_out ? STATUS_OK : error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

void exec__parallel_exhaust(struct parallel *parallel) {
    if (parallel->source->node->kind == NODE_TABLE_SCAN)
        exec__scan_exhaust(parallel->source);
}

/* ---- shares ---------------------------------------------------------------------------------- */

static uint32_t share_next(uint64_t left) {
    return (uint32_t)left;
}
static uint32_t share_end(uint64_t left) {
    return (uint32_t)(left >> 32);
}

/* What to take next: the partition at hand, one that is at home and that nobody has begun, another
   that nobody has begun, the one where most is left. */
static uint64_t worth(struct fiber *f, const struct store *store, unsigned partition,
                      unsigned current, uint64_t left) {
    uint64_t count = share_end(left) - share_next(left);
    if (count == 0)
        return 0;
    if (partition == current)
        return UINT64_MAX;
    if (share_next(left) > 0)
        return count;
    return partition_core(store, partition) == fiber_core(f) ? UINT64_MAX - 1 : UINT64_MAX - 2;
}

/* Core 0 begins with the first partition, others with the last: those at home stay the same. */
static bool choose(struct fiber *f, const struct store *store, const struct scan_shares *shares,
                   unsigned current, unsigned *partition_out) {
    uint64_t best = 0;
    for (unsigned i = 0; i < PARTITIONS_MAX; i++) {
        unsigned p = fiber_core(f) == 0 ? i : PARTITIONS_MAX - 1 - i;
        uint64_t value = worth(f, store, p, current, atomic_load(&shares->left[p]));
        if (value > best) {
            best = value;
            *partition_out = p;
        }
    }
    return best > 0;
}

bool exec__scan_share_take(struct fiber *f, struct store *store, struct scan_shares *shares,
                           unsigned current, struct scan_share *share_out) {
    unsigned p;
    while (choose(f, store, shares, current, &p)) {
        uint64_t left = atomic_load(&shares->left[p]);
        uint32_t first = share_next(left), end = share_end(left);
        bool whole = shares->whole || shares->alone;
        uint32_t taken = whole ? end : first + (end - first + 1) / 2;
        if (first == end ||
            !atomic_compare_exchange_strong(&shares->left[p], &left, (uint64_t)end << 32 | taken))
            continue;
        *share_out = (struct scan_share){.partition = p,
                                         .is_first = first == 0,
                                         .first = first,
                                         .end = taken == end ? 0 : taken};
        return true;
    }
    return false;
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
    execution->ctes = NULL;
    execution->is_worker = true;
    execution->parent = parent;
    execution->worker_number = worker->number;
    execution->source = parallel->source;
    execution->shares = &parallel->shares;
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
        arguments[parallel->core_first + w] = &parallel->workers[w];
    }
    uint64_t cores = UINT64_MAX >> (64 - parallel->worker_count) << parallel->core_first;
    return core_call_all(f, cores, work, arguments);
}

static void add_figures(const struct execution *to, const struct execution *from,
                        uint32_t except_id) {
    for (uint32_t i = 0; to->node_statistics != NULL && i < to->plan->node_count; i++) {
        struct explain_node_statistics *sum = &to->node_statistics[i];
        const struct explain_node_statistics *one = &from->node_statistics[i];
        sum->spilled_bytes += one->spilled_bytes;
        if (one->memory_bytes > sum->memory_bytes)
            sum->memory_bytes = one->memory_bytes;
        if (one->loops == 0 || i == except_id)
            continue;
        sum->loops = 1;
        sum->rows += one->rows;
        sum->batches += one->batches;
        sum->removed_rows += one->removed_rows;
        sum->blocks += one->blocks;
        sum->blocks_skipped += one->blocks_skipped;
        sum->block_bytes += one->block_bytes;
        sum->chunks_ahead += one->chunks_ahead;
        sum->hot_rows += one->hot_rows;
        if (sum->start_ns == 0 || one->start_ns < sum->start_ns)
            sum->start_ns = one->start_ns;
        sum->total_ns += one->total_ns;
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
    if (parallel->source != parallel->owner && parallel->source->node->kind == NODE_AGGREGATE)
        exec__aggregate_empty(f, (struct aggregate_operator *)parallel->source);
    parallel->worker_count = 0;
}
