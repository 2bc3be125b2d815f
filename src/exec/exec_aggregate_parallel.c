/*
 * Aggregation by many cores: each fills a table of its own. The tables stay side by side; a group
 * that is in several is folded into the first of them, by all cores at once: they look for the
 * second table's groups in the first, then for the third's in the first two, and so on. A group
 * that is found is marked as merged, one that is not found stays where it is, so no table changes
 * while it is read.
 *
 * When the column that places rows in partitions is among the keys, no two workers have the same
 * group. Rows that come later (has_rest) are groups of our own table, the last one. Where a worker
 * had to put groups aside all are put aside, and folded part by part (exec_aggregate_spill.c).
 */
#include "exec/exec_aggregate.h"
#include "exec/exec_parallel.h"

bool exec__aggregate_is_independent(const struct aggregate_operator *self) {
    const struct plan_node *node = self->base.node;
    for (uint32_t k = 0; k < node->aggregate.key_count; k++)
        if (!exec__is_independent(node->aggregate.keys[k]))
            return false;
    for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++) {
        const struct plan_aggregate *plan = self->aggregates[i].plan;
        if (!exec__is_independent(plan->filter))
            return false;
        for (uint32_t a = 0; a < plan->argument_count; a++)
            if (!exec__is_independent(plan->arguments[a]))
                return false;
        for (uint32_t o = 0; o < plan->order_count; o++)
            if (!exec__is_independent(plan->order[o].expression))
                return false;
    }
    return true;
}

static enum status fill_share(struct fiber *f, struct parallel_worker *worker) {
    struct aggregate_operator *self = (struct aggregate_operator *)worker->root;
    TRY(exec__aggregate_take_input(f, self));
    return exec__aggregate_end_runs(f, self);
}

/* The key comes, unchanged, from the column by whose hash the scanned table's rows are placed. */
static bool places_rows(const struct plan_node *node, const struct expression *key) {
    while (key->kind == EXPRESSION_COLUMN) {
        uint32_t column = key->index;
        for (; node->kind == NODE_FILTER || node->kind == NODE_HASH_JOIN; node = node->left) {
            if (node->kind == NODE_HASH_JOIN)
                column = node->join.output[column];
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

/* ---- one table after the other --------------------------------------------------------------- */

enum { GROUPS_AHEAD = 16 };

enum status exec__aggregate_combine(struct fiber *f, struct aggregate_operator *self, uint8_t *into,
                                    const uint8_t *from, struct arena *arena) {
    for (uint32_t i = 0; i < self->base.node->aggregate.aggregate_count; i++) {
        const struct running_aggregate *aggregate = &self->aggregates[i];
        struct accumulate_call call = exec__accumulate_call(f, self, aggregate);
        call.arena = arena;
        TRY(aggregate->accumulator->combine(&call, into + call.offset, from + call.offset));
    }
    return STATUS_OK;
}

static enum status fold_states(struct fiber *f, struct aggregate_operator *self, uint8_t *into,
                               uint8_t *from, struct arena *arena) {
    group_tuple(from)->merged = 1;
    return exec__aggregate_combine(f, self, into, from, arena);
}

/* Into our table's index; a group that it has is folded. */
static enum status enter_group(struct fiber *f, struct aggregate_operator *self, uint8_t *tuple) {
    uint8_t *group;
    if (group_tuple(tuple)->merged)
        return STATUS_OK;
    if (self->base.node->aggregate.key_count == 0)
        TRY(exec__groups_only(&self->table, &group));
    else
        TRY(exec__groups_adopt(f, &self->table, tuple, &group));
    return group == tuple ? STATUS_OK : fold_states(f, self, group, tuple, &self->table.arena);
}

static enum status enter_table(struct fiber *f, struct aggregate_operator *self,
                               const struct tuple_store *store) {
    for (struct tuple_chunk *chunk = store->first; chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->count; i++) {
            if (i + GROUPS_AHEAD < chunk->count)
                exec__groups_prefetch(&self->table, tuple_at(store, chunk, i + GROUPS_AHEAD));
            TRY(enter_group(f, self, tuple_at(store, chunk, i)));
            if (i % 1024 == 1023)
                TRY(fiber_check(f));
        }
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

static void move_table(struct group_table *to, struct group_table *from,
                       const struct aggregate_operator *owner) {
    *to = *from;
    to->layout = to->tuples.layout = &owner->layout; /* a worker's own goes away */
    to->identity = &owner->identity;
    to->tuples.arena = &to->arena;
    exec__groups_init(from, from->layout, from->identity, from->states);
}

/* `table` finds the groups of all. */
static enum status make_index(struct fiber *f, struct aggregate_operator *self) {
    uint32_t first = 0;
    if (self->other_count > 0 && self->table.count == 0) /* as it is */
        move_table(&self->table, &self->others[first++], self);
    for (uint32_t i = first; i < self->other_count; i++)
        TRY(enter_table(f, self, &self->others[i].tuples));
    return STATUS_OK;
}

/* ---- by all cores ---------------------------------------------------------------------------- */

/* Finding the groups of one table in those before it. */
struct fold {
    struct aggregate_operator *self;
    uint32_t before; /* others[0..before) are looked at */
    struct tuple_feed feed;
};

struct fold_share {
    struct fold *fold;
    struct arena *arena; /* for what accumulators keep; nobody else's now */
};

static enum status fold_group(struct fiber *f, const struct fold_share *share, uint8_t *tuple) {
    struct aggregate_operator *self = share->fold->self;
    for (uint32_t t = 0; t < share->fold->before; t++) {
        uint8_t *group = exec__groups_peek(&self->others[t], tuple);
        if (group != NULL) /* the first that has it: there it is not merged */
            return fold_states(f, self, group, tuple, share->arena);
    }
    return STATUS_OK;
}

static enum status fold_pieces(struct fiber *f, void *argument) {
    const struct fold_share *share = argument;
    const struct group_table *first = share->fold->self->others;
    const struct tuple_piece *piece;
    while ((piece = exec__tuple_feed_take(&share->fold->feed)) != NULL) {
        for (uint32_t i = piece->from; i < piece->to; i++) {
            if (i + GROUPS_AHEAD < piece->to)
                exec__groups_prefetch(first,
                                      tuple_at(piece->store, piece->chunk, i + GROUPS_AHEAD));
            TRY(fold_group(f, share, tuple_at(piece->store, piece->chunk, i)));
        }
        TRY(fiber_check(f));
    }
    return arena_status(share->arena);
}

static enum status fold_table(struct fiber *f, struct aggregate_operator *self, uint32_t number) {
    struct fold fold = {.self = self, .before = number};
    struct fold_share shares[RUNTIME_CORES_MAX];
    void *arguments[RUNTIME_CORES_MAX] = {NULL};
    const struct group_table *table =
        number < self->other_count ? &self->others[number] : &self->table;
    const struct tuple_store *store = &table->tuples;
    if (table->count == 0)
        return STATUS_OK;
    TRY(exec__tuple_feed_make(&fold.feed, &store, 1, &self->table.arena));
    for (uint32_t w = 0; w < self->other_count; w++) {
        shares[w] = (struct fold_share){&fold, &self->others[w].arena};
        arguments[w] = &shares[w];
    }
    return core_call_all(f, UINT64_MAX >> (64 - self->other_count), fold_pieces, arguments);
}

enum status exec__aggregate_fold(struct fiber *f, struct aggregate_operator *self) {
    uint64_t groups = self->table.count;
    if (self->other_count == 0 || self->disjoint)
        return STATUS_OK;
    for (uint32_t i = 1; i < self->other_count; i++)
        groups += self->others[i].count;
    if (groups < exec__rows_that_pay / 4 || self->base.node->aggregate.key_count == 0)
        return make_index(f, self);
    for (uint32_t i = 1; i <= self->other_count; i++)
        TRY(fold_table(f, self, i));
    return STATUS_OK;
}

/* ---- the work -------------------------------------------------------------------------------- */

uint64_t exec__aggregate_bytes(const struct aggregate_operator *self) {
    uint64_t bytes = self->table.arena.size_total;
    for (uint32_t i = 0; i < self->other_count; i++)
        bytes += self->others[i].arena.size_total;
    return bytes;
}

enum status exec__aggregate_take_tables(struct fiber *f, struct aggregate_operator *self,
                                        const struct parallel *parallel) {
    unsigned cores = runtime_core_count(fiber_runtime(f));
    if (self->others == NULL)
        self->others =
            arena_alloc(self->base.execution->environment.arena, cores * sizeof *self->others);
    if (self->others == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (unsigned w = 0; w < parallel->worker_count; w++) {
        struct aggregate_operator *from = (struct aggregate_operator *)parallel->workers[w].root;
        move_table(&self->others[self->other_count++], &from->table, self);
        self->base.borrowed += from->base.borrowed;
        from->base.borrowed = 0;
    }
    exec__note_memory(&self->base, exec__aggregate_bytes(self));
    return STATUS_OK;
}

static enum status put_all(struct fiber *f, void *argument) {
    struct aggregate_operator *self = argument;
    exec__aggregate_begin_runs(self);
    self->spilled = true;
    return exec__aggregate_end_runs(f, self);
}

/* When a worker has put groups aside, so do all. */
static enum status put_rest(struct fiber *f, const struct parallel *parallel) {
    void *arguments[RUNTIME_CORES_MAX] = {NULL};
    uint64_t cores = 0;
    bool any = false;
    for (unsigned w = 0; w < parallel->worker_count; w++) {
        struct aggregate_operator *from = (struct aggregate_operator *)parallel->workers[w].root;
        any = any || from->spilled;
        arguments[w] = from;
        cores |= from->spilled ? 0 : 1ull << w;
    }
    return any && cores != 0 ? core_call_all(f, cores, put_all, arguments) : STATUS_OK;
}

/* What the worker put aside becomes ours. */
static enum status take_runs(struct aggregate_operator *self, struct aggregate_operator *from) {
    exec__aggregate_begin_runs(self);
    if (self->spill.image_size < from->spill.image_size)
        self->spill.image_size = from->spill.image_size;
    self->spilled = true;
    for (uint32_t p = 0; p < AGGREGATE_PARTS; p++)
        TRY(exec__spill_join(&self->runs[p], &from->runs[p]));
    return STATUS_OK;
}

/* The workers' tables and what they put aside become ours. */
static enum status take_over(struct fiber *f, struct aggregate_operator *self,
                             const struct parallel *parallel) {
    TRY(put_rest(f, parallel));
    TRY(exec__aggregate_take_tables(f, self, parallel));
    for (unsigned w = 0; w < parallel->worker_count; w++) {
        struct aggregate_operator *from = (struct aggregate_operator *)parallel->workers[w].root;
        if (from->spilled)
            TRY(take_runs(self, from));
    }
    return STATUS_OK;
}

enum status exec__aggregate_lend(struct fiber *f, struct operator_state *base,
                                 uint64_t *pieces_out) {
    struct aggregate_operator *self = (struct aggregate_operator *)base;
    int64_t begin_ns = clock_monotonic_ns();
    *pieces_out = 0;
    if (!self->filled)
        TRY(exec__aggregate_fill(f, self));
    uint64_t aside = exec__aggregate_rows_aside(self);
    if (aside == 0 || self->combines) {
        TRY(exec__aggregate_begin_out(f, self));
        if (self->feed.count + aside / VECTOR_SIZE > exec__rows_that_pay / 4 / VECTOR_SIZE)
            *pieces_out = self->feed.count + self->parts.count;
    }
    exec__note_work(base, begin_ns);
    return STATUS_OK;
}

enum status exec__aggregate_parallel(struct fiber *f, struct aggregate_operator *self,
                                     bool *done_out) {
    struct parallel parallel;
    *done_out = false;
    if (!self->combines || !exec__aggregate_is_independent(self))
        return STATUS_OK;
    TRY(exec__parallel_pays(f, &self->base, self->base.left, true, &parallel, done_out));
    if (!*done_out)
        return STATUS_OK;
    self->disjoint = parallel.shares.whole = groups_are_disjoint(self, &parallel);
    enum status status = exec__parallel_run(f, &parallel, self->base.node, fill_share, NULL);
    if (status == STATUS_OK)
        status = take_over(f, self, &parallel);
    exec__parallel_end(f, &parallel, self->base.node->id);
    if (parallel.has_rest) {
        exec__parallel_exhaust(&parallel);
        *done_out = false;
    }
    return status;
}
