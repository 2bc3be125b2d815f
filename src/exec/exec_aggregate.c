/*
 * AGGREGATE: groups in a hash table (exec_group.h), accumulators behind their keys.
 *
 * A batch is taken in three steps: the keys' hashes, the group of each row, then each aggregate
 * over the whole batch, or run by run when the rows belong to few groups. Aggregates with DISTINCT
 * or ORDER BY keep their arguments, which are fed in order at the end. When the table is full, its
 * groups are put aside, or else rows of new groups (exec_aggregate_spill.c). Where rows come group
 * by group nothing has to be kept: exec_aggregate_stream.c.
 */
#include "exec/exec_aggregate.h"

#include <string.h>

#include "exec/exec_narrow.h"

/* ---- taking rows ------------------------------------------------------------------------- */

struct accumulate_call exec__accumulate_call(struct fiber *f, struct aggregate_operator *self,
                                             const struct running_aggregate *aggregate) {
    return (struct accumulate_call){.f = f,
                                    .local = self->base.local,
                                    .aggregate = aggregate->plan,
                                    .arena = &self->table.arena,
                                    .offset = self->table.states + aggregate->offset};
}

/* The groups of chosen rows, which are a part of self->rows. */
static void groups_of(const struct aggregate_operator *self, const uint16_t *chosen, uint32_t count,
                      uint8_t **groups) {
    for (uint32_t i = 0, k = 0; k < count; i++)
        if (self->rows[i] == chosen[k])
            groups[k++] = self->groups[i];
}

/* Rows of the batch into one aggregate. `only`: all are of this group; else see groups. */
static enum status feed_rows(struct fiber *f, struct aggregate_operator *self,
                             struct running_aggregate *aggregate, const struct batch *input,
                             const uint16_t *rows, uint32_t count, uint8_t *only,
                             uint8_t **groups) {
    uint8_t *same[VECTOR_SIZE];
    if (aggregate->ordered == NULL) {
        struct accumulate_call call = exec__accumulate_call(f, self, aggregate);
        call.only = only;
        call.groups = groups;
        call.rows = rows;
        call.count = count;
        call.arguments = aggregate->vectors;
        return aggregate->accumulator->add(&call);
    }
    if (only != NULL) {
        for (uint32_t i = 0; i < count; i++)
            same[i] = only;
        groups = same;
    }
    return exec__ordered_keep(f, self, aggregate, input, rows, count, groups);
}

static enum status evaluate_arguments(struct fiber *f, struct aggregate_operator *self,
                                      struct running_aggregate *aggregate,
                                      const struct batch *input, const uint16_t *rows,
                                      uint32_t count) {
    bool done = false;
    if (aggregate->accumulator->takes_narrow && aggregate->ordered == NULL)
        TRY(exec__evaluate_narrow(f, aggregate->arguments[0], input, rows, count,
                                  &self->base.scratch, &aggregate->vectors[0], &done));
    for (uint32_t a = 0; a < aggregate->plan->argument_count && !done; a++)
        TRY(exec__evaluate(f, aggregate->arguments[a], input, rows, count, &self->base.scratch,
                           &aggregate->vectors[a]));
    return STATUS_OK;
}

/* With FILTER: row by row, for the rows that pass. */
static enum status feed_filtered(struct fiber *f, struct aggregate_operator *self,
                                 struct running_aggregate *aggregate, const struct batch *input,
                                 uint8_t *only) {
    uint8_t *groups[VECTOR_SIZE];
    uint32_t kept;
    TRY(exec__select(f, aggregate->filter, input, self->rows, self->row_count, &self->base.scratch,
                     self->selection, &kept));
    if (kept == 0)
        return STATUS_OK;
    if (only == NULL)
        groups_of(self, self->selection, kept, groups);
    TRY(evaluate_arguments(f, self, aggregate, input, self->selection, kept));
    return feed_rows(f, self, aggregate, input, self->selection, kept, only, groups);
}

static enum status feed(struct fiber *f, struct aggregate_operator *self,
                        struct running_aggregate *aggregate, const struct batch *input,
                        uint8_t *only) {
    if (aggregate->filter != NULL)
        return feed_filtered(f, self, aggregate, input, only);
    TRY(evaluate_arguments(f, self, aggregate, input, self->rows, self->row_count));
    if (self->run_count == 0)
        return feed_rows(f, self, aggregate, input, self->rows, self->row_count, only,
                         self->groups);
    for (uint32_t r = 0; r < self->run_count; r++) {
        uint32_t begin = self->run_begin[r], end = self->run_begin[r + 1];
        if (begin < end)
            TRY(feed_rows(f, self, aggregate, input, self->run_rows + begin, end - begin,
                          self->run_groups[r], NULL));
    }
    return STATUS_OK;
}

/* More than we may hold: groups are put aside, or, where accumulators cannot be combined, there
   will be no more of them from now on. */
enum status exec__aggregate_look_at_memory(struct fiber *f, struct aggregate_operator *self) {
    const struct execution *execution = self->base.execution;
    const struct plan_node *node = self->base.node;
    uint64_t bytes = exec__aggregate_bytes(self);
    bool over = exec__over_limit(&self->base, bytes);
    if (self->groups_max > 0 && self->table.count >= self->groups_max)
        return exec__aggregate_put_aside_groups(f, self, over);
    if (!over || self->full)
        return STATUS_OK;
    if (!exec__spill_possible(execution))
        return exec__account(&self->base, bytes);
    /* One group cannot be divided, and the last level takes what there is. */
    if (node->aggregate.key_count == 0 || self->level >= AGGREGATE_LEVELS_MAX)
        return STATUS_OK;
    exec__aggregate_begin_runs(self);
    self->full = !self->combines;
    return self->combines ? exec__aggregate_put_aside_groups(f, self, true) : STATUS_OK;
}

enum status exec__aggregate_take(struct fiber *f, struct aggregate_operator *self,
                                 const struct batch *input) {
    const struct plan_node *node = self->base.node;
    uint8_t *only = NULL;
    if (node->aggregate.key_count > 0) {
        TRY(exec__aggregate_find(f, self, input));
    } else {
        TRY(exec__groups_only(&self->table, &only));
        self->run_count = 0;
        self->row_count = input->selected_count;
        memcpy(self->rows, batch_rows(input), self->row_count * sizeof *self->rows);
    }
    if (self->row_count > 0)
        for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++)
            TRY(feed(f, self, &self->aggregates[i], input, only));
    self->rows_taken += input->selected_count;
    return exec__aggregate_look_at_memory(f, self);
}

enum status exec__aggregate_take_input(struct fiber *f, struct aggregate_operator *self) {
    const struct plan_node *node = self->base.node;
    uint8_t *only;
    if (node->aggregate.key_count == 0 && !node->aggregate.is_distinct)
        TRY(exec__groups_only(&self->table, &only));
    for (;;) {
        struct batch *input;
        TRY(exec__next(f, self->base.left, &input));
        if (input == NULL)
            return STATUS_OK;
        TRY(exec__aggregate_take(f, self, input));
        arena_reset(&self->base.scratch);
    }
}

enum status exec__aggregate_fill(struct fiber *f, struct aggregate_operator *self) {
    bool done;
    TRY(exec__aggregate_parallel(f, self, &done));
    if (!done)
        TRY(exec__aggregate_take_input(f, self));
    if (!self->spilled)
        TRY(exec__aggregate_fold(f, self));
    TRY(exec__aggregate_end_runs(f, self));
    self->filled = true;
    return exec__aggregate_make_parts(self);
}

/* ---- forgetting -------------------------------------------------------------------------- */

void exec__aggregate_forget(struct fiber *f, struct aggregate_operator *self) {
    exec__aggregate_release_runs(f, self);
    exec__aggregate_release_parts(f, self);
    exec__aggregate_empty(f, self);
    for (uint32_t i = 0; i < self->base.node->aggregate.aggregate_count; i++)
        if (self->aggregates[i].ordered != NULL)
            sorter_release(f, &self->aggregates[i].ordered->sorter);
    self->level = 0;
    self->filled = false;
    self->giving = self->shared;
    if (self->stream != NULL)
        exec__aggregate_stream_reset(self);
}

static enum status aggregate_reset(struct fiber *f, struct operator_state *base) {
    exec__aggregate_forget(f, (struct aggregate_operator *)base);
    return exec__reset(f, base->left);
}

static void aggregate_close(struct fiber *f, struct operator_state *base) {
    struct aggregate_operator *self = (struct aggregate_operator *)base;
    if (self->aggregates != NULL) /* opened */
        exec__aggregate_forget(f, self);
    buffer_release(&self->buffer);
}

/* ---- open -------------------------------------------------------------------------------- */

static enum status open_aggregate(struct exec_local *local, const struct plan_aggregate *plan,
                                  struct running_aggregate *aggregate, uint32_t *size) {
    aggregate->plan = plan;
    aggregate->accumulator = exec__accumulator(plan);
    if (aggregate->accumulator == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "aggregate %s is not supported",
                         plan->aggregate->name);
    aggregate->offset = *size;
    *size += (aggregate->accumulator->size + 15) / 16 * 16;
    aggregate->arguments = ARENA_ARRAY(local->arena, struct compiled *, plan->argument_count + 1);
    aggregate->vectors = ARENA_ARRAY(local->arena, struct vector, plan->argument_count + 1);
    for (uint32_t i = 0; i < plan->argument_count; i++)
        TRY(exec__compile(local, plan->arguments[i], &aggregate->arguments[i]));
    if (plan->filter != NULL)
        TRY(exec__compile(local, plan->filter, &aggregate->filter));
    /* min and max do not care about order or repetition */
    bool extreme = aggregate->plan->aggregate->symbol[0] == 'm';
    return (plan->distinct || plan->order_count > 0) && !extreme
               ? exec__ordered_open(local, aggregate)
               : STATUS_OK;
}

/* What has to be kept of input rows that are put aside. */
static void mark_input(struct aggregate_operator *self) {
    const struct plan_node *node = self->base.node;
    uint32_t columns = node->left->column_count;
    for (uint32_t k = 0; k < node->aggregate.key_count; k++)
        exec__mark_columns(node->aggregate.keys[k], self->input_wanted, columns);
    for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++) {
        const struct plan_aggregate *plan = &node->aggregate.aggregates[i];
        exec__mark_columns(plan->filter, self->input_wanted, columns);
        for (uint32_t a = 0; a < plan->argument_count; a++)
            exec__mark_columns(plan->arguments[a], self->input_wanted, columns);
        for (uint32_t o = 0; o < plan->order_count; o++)
            exec__mark_columns(plan->order[o].expression, self->input_wanted, columns);
    }
}

/* Can groups be put aside, and what of a tuple is not in it? */
static enum status find_strings(struct aggregate_operator *self, struct arena *arena) {
    const struct plan_node *node = self->base.node;
    uint32_t most = node->aggregate.key_count + node->aggregate.aggregate_count;
    self->strings = arena_alloc(arena, (most + 1) * sizeof *self->strings);
    if (self->strings == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    self->combines = true;
    for (uint32_t i = 0; i < node->aggregate.aggregate_count && self->combines; i++) {
        const struct running_aggregate *aggregate = &self->aggregates[i];
        self->combines = aggregate->ordered == NULL && aggregate->accumulator->combine != NULL;
        uint32_t place = self->combines ? exec__accumulator_string(aggregate->plan) : UINT32_MAX;
        if (place != UINT32_MAX)
            self->strings[self->string_count++] = self->table.states + aggregate->offset + place;
    }
    for (uint32_t k = 0; k < node->aggregate.key_count; k++)
        if (self->layout.columns[k].physical == PHYSICAL_STRING)
            self->strings[self->string_count++] = self->layout.columns[k].offset;
    return STATUS_OK;
}

static enum status open_keys(struct aggregate_operator *self, struct arena *arena) {
    const struct plan_node *node = self->base.node;
    uint32_t keys = node->aggregate.key_count;
    self->keys = arena_alloc(arena, (keys + 1) * sizeof(struct compiled *));
    self->key_vectors = arena_alloc_zeroed(arena, (keys + 1) * sizeof(struct vector));
    self->key_types = arena_alloc(arena, (keys + 1) * sizeof(struct type));
    self->input_wanted = arena_alloc_zeroed(arena, node->left->column_count + 1);
    self->selection = arena_alloc(arena, VECTOR_SIZE * sizeof(uint16_t));
    if (self->keys == NULL || self->key_vectors == NULL || self->key_types == NULL ||
        self->input_wanted == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    self->identity.keys = arena_alloc(arena, (keys + 1) * sizeof *self->identity.keys);
    if (self->identity.keys == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t k = 0; k < keys; k++) {
        if (node->aggregate.follows == NULL || !node->aggregate.follows[k])
            self->identity.keys[self->identity.count++] = k;
        self->key_types[k] = node->aggregate.keys[k]->type;
        TRY(exec__compile(self->base.local, node->aggregate.keys[k], &self->keys[k]));
    }
    mark_input(self);
    return exec__node_types(self->base.execution, node->left, &self->input_types);
}

enum status exec__open_aggregate(struct fiber *f, struct execution *execution,
                                 const struct plan_node *node,
                                 struct operator_state **operator_out) {
    static const struct operator_functions functions = {exec__aggregate_next, aggregate_reset,
                                                        aggregate_close};
    struct aggregate_operator *self;
    bool reads_parents = execution->is_worker && execution->source->node == node;
    TRY(reads_parents
            ? exec__operator_alone(execution, node, sizeof *self, &functions, operator_out)
            : exec__operator_new(f, execution, node, sizeof *self, &functions, operator_out));
    self = (struct aggregate_operator *)*operator_out;
    self->shared = reads_parents ? (struct aggregate_operator *)execution->source : self;
    self->giving = self->shared;
    struct arena *arena = execution->environment.arena;
    uint32_t aggregates = node->aggregate.aggregate_count, size = 0, states;
    TRY(open_keys(self, arena));
    struct running_aggregate *running =
        arena_alloc_zeroed(arena, (aggregates + 1) * sizeof(struct running_aggregate));
    if (running == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < aggregates; i++)
        TRY(open_aggregate(self->base.local, &node->aggregate.aggregates[i], &running[i], &size));
    TRY(exec__tuple_layout(&self->layout, self->key_types, node->aggregate.key_count,
                           GROUP_TUPLE_HEADER, size, &states, arena));
    exec__groups_init(&self->table, &self->layout, &self->identity, states);
    self->aggregates = running;
    TRY(find_strings(self, arena));
    if (node->aggregate.ordered)
        TRY(exec__aggregate_stream_open(self, arena));
    if (node->aggregate.filter != NULL)
        TRY(exec__compile(self->base.local, node->aggregate.filter, &self->having));
    return exec__node_batch(execution, node, &self->batch);
}
