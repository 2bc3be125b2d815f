/* Aggregation by many cores: each fills groups of its own, combined once on the session's core. */
#include "exec/exec_aggregate.h"
#include "exec/exec_parallel.h"

static bool can_be_combined(const struct aggregate_operator *self) {
    const struct plan_node *node = self->base.node;
    for (uint32_t k = 0; k < node->aggregate.key_count; k++)
        if (!exec__is_independent(node->aggregate.keys[k]))
            return false;
    for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++) {
        const struct plan_aggregate *plan = self->aggregates[i].plan;
        if (self->aggregates[i].ordered != NULL ||
            self->aggregates[i].accumulator->combine == NULL || !exec__is_independent(plan->filter))
            return false;
        for (uint32_t a = 0; a < plan->argument_count; a++)
            if (!exec__is_independent(plan->arguments[a]))
                return false;
    }
    return true;
}

static enum status fill_share(struct fiber *f, struct parallel_worker *worker) {
    return exec__aggregate_fill(f, (struct aggregate_operator *)worker->root);
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

enum status exec__aggregate_parallel(struct fiber *f, struct aggregate_operator *self,
                                     bool *done_out) {
    struct parallel parallel;
    *done_out = false;
    if (!can_be_combined(self))
        return STATUS_OK;
    TRY(exec__parallel_pays(f, &self->base, self->base.left, &parallel, done_out));
    if (!*done_out)
        return STATUS_OK;
    enum status status = exec__parallel_run(f, &parallel, self->base.node, fill_share, NULL);
    for (unsigned w = 0; w < parallel.worker_count && status == STATUS_OK; w++)
        status = combine(f, self, (struct aggregate_operator *)parallel.workers[w].root);
    exec__parallel_end(f, &parallel, self->base.node->id);
    return status;
}
