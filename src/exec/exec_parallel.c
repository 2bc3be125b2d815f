/*
 * Aggregation by many cores: one worker for each partition, where the partition lives.
 *
 *     partition 0:  scan -> filter -> project -> groups   \
 *     partition 1:  scan -> filter -> project -> groups    >  combined once, on the session's core
 *     partition 2:  ...                                   /
 *
 * A worker is an execution of its own over the same plan node, with its own arena, whose table
 * scan reads one partition only. Slots and parameters are shared; nobody changes them meanwhile.
 * It pays for big tables when partitions live on several cores; else nothing here costs anything.
 */
#include <string.h>

#include "exec/exec_aggregate.h"

enum { ROWS_THAT_PAY = 100000, PARTITIONS_MAX_HERE = 64 };

struct worker {
    const struct aggregate_operator *parent;
    struct arena arena;
    struct execution *execution;
    struct aggregate_operator *aggregate;
};

/* ---- when ---------------------------------------------------------------------------------- */

static bool is_independent(const struct expression *expression) {
    if (expression == NULL)
        return true;
    if (expression->kind == EXPRESSION_SUBPLAN)
        return false;
    if (expression->function != NULL && expression->function->volatility == FUNCTION_VOLATILE)
        return false;
    for (uint32_t i = 0; i < expression->argument_count; i++)
        if (!is_independent(expression->arguments[i]))
            return false;
    return true;
}

/* The table scan at the bottom, when all above it can be run by anybody; else NULL. */
static const struct plan_node *pipeline_source(const struct plan_node *node) {
    for (;; node = node->left) {
        switch (node->kind) {
        case NODE_TABLE_SCAN:
            return node->scan.index == NULL && !node->scan.table->on_catalog_partition &&
                           is_independent(node->scan.filter)
                       ? node
                       : NULL;
        case NODE_FILTER:
            if (!is_independent(node->filter.condition))
                return NULL;
            break;
        case NODE_PROJECT:
            for (uint32_t i = 0; i < node->column_count; i++)
                if (!is_independent(node->project.expressions[i]))
                    return NULL;
            break;
        default:
            return NULL;
        }
    }
}

static bool can_be_combined(const struct aggregate_operator *self) {
    const struct plan_node *node = self->base.node;
    for (uint32_t k = 0; k < node->aggregate.key_count; k++)
        if (!is_independent(node->aggregate.keys[k]))
            return false;
    for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++) {
        const struct plan_aggregate *plan = self->aggregates[i].plan;
        if (self->aggregates[i].ordered != NULL ||
            self->aggregates[i].accumulator->combine == NULL || !is_independent(plan->filter))
            return false;
        for (uint32_t a = 0; a < plan->argument_count; a++)
            if (!is_independent(plan->arguments[a]))
                return false;
    }
    return true;
}

static bool lives_on_many_cores(const struct store *store, uint64_t partitions) {
    unsigned first = UINT32_MAX;
    for (unsigned p = 0; p < PARTITIONS_MAX_HERE; p++) {
        if (!(partitions >> p & 1))
            continue;
        if (first == UINT32_MAX)
            first = partition_core(store, p);
        else if (partition_core(store, p) != first)
            return true;
    }
    return false;
}

static enum status pays(struct fiber *f, struct aggregate_operator *self, uint64_t *partitions_out,
                        bool *pays_out) {
    const struct execution *execution = self->base.execution;
    struct store *store = execution->environment.store;
    *pays_out = false;
    if (execution->is_worker || store == NULL || runtime_core_count(fiber_runtime(f)) == 1 ||
        store_partition_count(store) > PARTITIONS_MAX_HERE)
        return STATUS_OK;
    const struct plan_node *source = pipeline_source(self->base.node->left);
    if (source == NULL || !can_be_combined(self))
        return STATUS_OK;
    struct table_context context = {.catalog = execution->environment.catalog,
                                    .store = store,
                                    .transaction = execution->environment.transaction,
                                    .arena = &self->base.scratch};
    uint64_t rows;
    TRY(table_row_count_estimate(f, &context, source->scan.table, &rows));
    if (rows < ROWS_THAT_PAY)
        return STATUS_OK;
    store_spread(f, store);
    *partitions_out = table_partitions(store, source->scan.table);
    *pays_out = lives_on_many_cores(store, *partitions_out);
    return STATUS_OK;
}

/* ---- the work -------------------------------------------------------------------------------- */

static enum status work(struct fiber *f, struct partition *partition, void *argument) {
    struct worker *worker = argument;
    const struct execution *parent = worker->parent->base.execution;
    struct execution *execution = ARENA_NEW(&worker->arena, struct execution);
    struct operator_state *root;
    *execution = *parent;
    execution->environment.arena = &worker->arena;
    execution->local = (struct exec_local){.execution = execution, .arena = &worker->arena};
    execution->operators = NULL;
    execution->root = NULL;
    execution->is_worker = true;
    execution->worker_partition = partition_number(partition);
    if (parent->node_statistics != NULL) {
        execution->node_statistics = arena_alloc_zeroed(
            &worker->arena, parent->plan->node_count * sizeof *execution->node_statistics);
        if (execution->node_statistics == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    worker->execution = execution;
    TRY(exec__operator_open(f, execution, worker->parent->base.node, &root));
    worker->aggregate = (struct aggregate_operator *)root;
    TRY(exec__aggregate_fill(f, worker->aggregate));
    return arena_status(&worker->arena);
}

/* Fold a worker's groups into ours. */
static enum status combine(struct fiber *f, struct aggregate_operator *self,
                           struct aggregate_operator *from) {
    const struct plan_node *node = self->base.node;
    struct vector *own_vectors = self->key_vectors;
    enum status status = STATUS_OK;
    for (uint32_t g = 0; g < from->group_count; g++) {
        uint32_t group = 0;
        if (node->aggregate.key_count > 0) {
            uint16_t row = (uint16_t)(g % VECTOR_SIZE);
            self->key_vectors = exec__store_batch(&from->group_keys, g)->vectors;
            TRY_OUT(exec__aggregate_group(self, &row, from->group_hashes[g], &group));
        }
        for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++) {
            const struct running_aggregate *aggregate = &self->aggregates[i];
            struct accumulate_call ours = exec__accumulate_call(f, self, aggregate);
            struct accumulate_call theirs = exec__accumulate_call(f, from, aggregate);
            TRY_OUT(aggregate->accumulator->combine(&ours, group_state(&ours.states, group),
                                                    group_state(&theirs.states, g)));
        }
        TRY_OUT(fiber_check(f));
    }
    status = exec__account(&self->base, self->arena.size_total);
out:
    self->key_vectors = own_vectors;
    return status;
}

static void add_figures(const struct execution *to, const struct execution *from,
                        uint32_t aggregate_id) {
    for (uint32_t i = 0; to->node_statistics != NULL && i < to->plan->node_count; i++) {
        struct explain_node_statistics *sum = &to->node_statistics[i];
        const struct explain_node_statistics *one = &from->node_statistics[i];
        if (one->loops == 0 || i == aggregate_id)
            continue;
        sum->loops = 1;
        sum->rows += one->rows;
        sum->batches += one->batches;
        sum->removed_rows += one->removed_rows;
        if (sum->start_ns == 0 || one->start_ns < sum->start_ns)
            sum->start_ns = one->start_ns;
        sum->total_ns += one->total_ns;
        if (one->memory_bytes > sum->memory_bytes)
            sum->memory_bytes = one->memory_bytes;
    }
}

enum status exec__aggregate_parallel(struct fiber *f, struct aggregate_operator *self,
                                     bool *done_out) {
    struct store *store = self->base.execution->environment.store;
    uint64_t partitions = 0;
    void *arguments[PARTITIONS_MAX] = {NULL};
    TRY(pays(f, self, &partitions, done_out));
    if (!*done_out)
        return STATUS_OK;
    struct worker *workers =
        arena_alloc_zeroed(&self->arena, PARTITIONS_MAX_HERE * sizeof *workers);
    if (workers == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (unsigned p = 0; p < PARTITIONS_MAX_HERE; p++) {
        workers[p].parent = self;
        arguments[p] = &workers[p];
    }
    enum status status = partition_call_all(f, store, partitions, work, arguments);
    for (unsigned p = 0; p < PARTITIONS_MAX_HERE; p++) {
        struct worker *worker = &workers[p];
        if (worker->execution == NULL)
            continue;
        if (status == STATUS_OK)
            status = combine(f, self, worker->aggregate);
        add_figures(self->base.execution, worker->execution, self->base.node->id);
        worker->execution->subplans = NULL; /* the parent's */
        worker->execution->ctes = NULL;
        exec_close(f, worker->execution);
        arena_release(&worker->arena);
    }
    return status;
}
