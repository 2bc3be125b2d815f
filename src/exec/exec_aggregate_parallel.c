/*
 * Aggregation by many cores: each fills a table of its own; then all become one.
 *
 * The first worker's table is taken over as it is. A group of another worker is folded into ours
 * where we have it; else its tuple becomes ours where it lies, and the worker's arena with it. When
 * the column that places rows in partitions is among the keys, no two workers have the same group,
 * and their tables stay as they are, side by side. Rows that workers put aside are fed after that:
 * their groups may have been found by another worker.
 */
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

/* Fold one group of a worker into ours, or make it ours. */
static enum status take_group(struct fiber *f, struct aggregate_operator *self,
                              struct aggregate_operator *from, uint8_t *tuple) {
    const struct plan_node *node = self->base.node;
    uint8_t *group;
    if (node->aggregate.key_count == 0)
        TRY(exec__groups_only(&self->table, &group));
    else
        TRY(exec__groups_adopt(f, &self->table, tuple, &group));
    if (group == tuple)
        return STATUS_OK;
    group_tuple(tuple)->merged = 1;
    for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++) {
        const struct running_aggregate *aggregate = &self->aggregates[i];
        struct accumulate_call ours = exec__accumulate_call(f, self, aggregate);
        TRY(aggregate->accumulator->combine(&ours, group + ours.offset, tuple + ours.offset));
    }
    return STATUS_OK;
}

/* The key comes, unchanged, from the column by whose hash the scanned table's rows are placed. */
static bool places_rows(const struct plan_node *node, const struct expression *key) {
    while (key->kind == EXPRESSION_COLUMN) {
        uint32_t column = key->index;
        for (; node->kind == NODE_FILTER || node->kind == NODE_HASH_JOIN; node = node->left) {
            if (node->kind == NODE_HASH_JOIN)
                column = node->hash_join.output[column];
            if (column >= node->left->column_count)
                return false;
        }
        if (node->kind == NODE_PROJECT) {
            key = node->project.expressions[column];
            node = node->left;
            continue;
        }
        int16_t number = node->kind == NODE_TABLE_SCAN ? node->scan.column_numbers[column] : 0;
        return number > 0 && number == node->scan.table->partition_column &&
               node->scan.table->columns[number - 1].not_null;
    }
    return false;
}

static bool groups_are_disjoint(const struct aggregate_operator *self,
                                const struct parallel *parallel) {
    const struct plan_node *node = self->base.node;
    for (uint32_t k = 0; k < node->aggregate.key_count && !parallel->has_rest; k++)
        if (places_rows(node->left, node->aggregate.keys[k]))
            return true;
    return false;
}

enum { GROUPS_AHEAD = 16 };

static enum status take_table(struct fiber *f, struct aggregate_operator *self,
                              struct aggregate_operator *from, bool disjoint) {
    struct tuple_store *store = &from->table.tuples;
    if (self->table.tuples.count == 0 && self->table.count == 0) {
        struct group_table empty = self->table;
        self->table = from->table;
        self->table.layout = self->table.tuples.layout = &self->layout;
        self->table.tuples.arena = &self->table.arena;
        from->table = empty;
        exec__groups_init(&from->table, &from->layout, from->table.states);
        return STATUS_OK;
    }
    for (struct tuple_chunk *chunk = disjoint ? NULL : store->first; chunk != NULL;
         chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            if (i + GROUPS_AHEAD < chunk->count)
                exec__groups_prefetch(&self->table, tuple_at(store, chunk, i + GROUPS_AHEAD));
            TRY(take_group(f, self, from, tuple_at(store, chunk, i)));
            if (i % 1024 == 1023)
                TRY(fiber_check(f));
        }
        TRY(fiber_check(f));
    }
    struct group_table *other = &self->others[self->other_count++];
    *other = from->table;
    other->layout = other->tuples.layout = &self->layout; /* the worker's goes away */
    exec__groups_init(&from->table, &from->layout, from->table.states);
    return STATUS_OK;
}

/* The worker's parts become ours. */
static void take_parts(struct aggregate_operator *self, struct aggregate_operator *from,
                       struct aggregate_part **parts) {
    while (from->parts != NULL) {
        struct aggregate_part *part = from->parts;
        from->parts = part->next;
        part->next = *parts;
        part->level = 0;
        *parts = part;
        self->spill = from->spill;
        self->spill.types = self->input_types; /* the worker's go away */
    }
}

static uint64_t bytes_held(const struct aggregate_operator *self) {
    uint64_t bytes = self->table.arena.size_total;
    for (uint32_t i = 0; i < self->other_count; i++)
        bytes += self->others[i].arena.size_total;
    return bytes;
}

static enum status combine(struct fiber *f, struct aggregate_operator *self,
                           struct parallel *parallel) {
    struct aggregate_part *parts = NULL;
    enum status status = STATUS_OK;
    bool disjoint = groups_are_disjoint(self, parallel);
    self->others = arena_alloc(self->base.execution->environment.arena,
                               parallel->worker_count * sizeof *self->others);
    if (self->others == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (unsigned w = 0; w < parallel->worker_count && status == STATUS_OK; w++) {
        struct aggregate_operator *from = (struct aggregate_operator *)parallel->workers[w].root;
        status = take_table(f, self, from, disjoint);
        take_parts(self, from, &parts);
    }
    exec__note_memory(&self->base, bytes_held(self));
    self->full = parts != NULL;
    return exec__aggregate_refeed(f, self, parts, status);
}

enum status exec__aggregate_parallel(struct fiber *f, struct aggregate_operator *self,
                                     bool *done_out) {
    struct parallel parallel;
    *done_out = false;
    if (!can_be_combined(self))
        return STATUS_OK;
    TRY(exec__parallel_pays(f, &self->base, self->base.left, true, &parallel, done_out));
    if (!*done_out)
        return STATUS_OK;
    enum status status = exec__parallel_run(f, &parallel, self->base.node, fill_share, NULL);
    if (status == STATUS_OK)
        status = combine(f, self, &parallel);
    exec__parallel_end(f, &parallel, self->base.node->id);
    if (parallel.has_rest) {
        exec__parallel_exhaust(self->base.left);
        *done_out = false;
    }
    return status;
}
