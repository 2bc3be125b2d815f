/*
 * Handing out groups: each is finished and becomes a row, a batch at a time.
 *
 * The tables are a feed of pieces (exec_tuple.h). Its owner takes them in turn; or the workers of a
 * pipeline above take them, each through an AGGREGATE of its own that has no input
 * (exec_parallel.h).
 */
#include "exec/exec_aggregate.h"

enum status exec__aggregate_feed_ordered(struct fiber *f, struct aggregate_operator *self) {
    for (uint32_t i = 0; i < self->base.node->aggregate.aggregate_count; i++)
        if (self->aggregates[i].ordered != NULL)
            TRY(exec__ordered_feed(f, self, &self->aggregates[i]));
    return STATUS_OK;
}

enum status exec__aggregate_begin_out(struct fiber *f, struct aggregate_operator *self) {
    const struct tuple_store *stores[RUNTIME_CORES_MAX + 1] = {&self->table.tuples};
    for (uint32_t i = 0; i < self->other_count; i++)
        stores[i + 1] = &self->others[i].tuples;
    TRY(exec__aggregate_feed_ordered(f, self));
    TRY(exec__tuple_feed_make(&self->feed, stores, self->other_count + 1, &self->table.arena));
    self->out_begun = true;
    return STATUS_OK;
}

uint32_t exec__aggregate_next_groups(struct aggregate_operator *giving, uint8_t **groups) {
    uint32_t count = 0;
    const struct tuple_piece *piece;
    while (count == 0 && (piece = exec__tuple_feed_take(&giving->feed)) != NULL)
        for (uint32_t i = piece->from; i < piece->to; i++) {
            groups[count] = tuple_at(piece->store, piece->chunk, i);
            count += !group_tuple(groups[count])->merged;
        }
    return count;
}

static enum status finish_groups(struct fiber *f, struct aggregate_operator *self,
                                 uint8_t *const *groups, uint32_t count) {
    const struct plan_node *node = self->base.node;
    uint32_t keys = node->aggregate.key_count;
    batch_reset(&self->batch);
    for (uint32_t k = 0; k < keys; k++)
        exec__tuple_gather(&self->layout.columns[k], groups, vector_identity, count,
                           &self->batch.vectors[k]);
    for (uint32_t a = 0; a < node->aggregate.aggregate_count; a++) {
        const struct running_aggregate *aggregate = &self->aggregates[a];
        struct vector *target = &self->batch.vectors[keys + a];
        struct accumulate_call call = exec__accumulate_call(f, self, aggregate);
        call.arena = &self->base.scratch;
        for (uint32_t i = 0; i < count; i++) {
            struct value result = {.type = aggregate->plan->type};
            TRY(aggregate->accumulator->finish(&call, groups[i] + call.offset, &result));
            result.type = target->type;
            if (result.is_null)
                vector_set_null(target, i);
            else if (target->physical == PHYSICAL_INT64)
                ((int64_t *)target->data)[i] = result.int64;
            else if (target->physical == PHYSICAL_INT128)
                ((int128_t *)target->data)[i] = result.int128;
            else
                vector_set(target, i, &result, &self->base.scratch);
        }
        TRY(fiber_check(f));
    }
    batch_set_count(&self->batch, count);
    return STATUS_OK;
}

void exec__aggregate_drop(struct fiber *f, struct aggregate_operator *self) {
    exec__groups_release(f, &self->table);
    for (uint32_t i = 0; i < self->other_count; i++)
        exec__arena_release(f, &self->others[i].arena);
    self->other_count = 0;
    self->rows_taken = 0;
}

void exec__aggregate_empty(struct fiber *f, struct aggregate_operator *self) {
    exec__aggregate_drop(f, self);
    exec__return_lent(&self->base);
    self->feed = (struct tuple_feed){0};
    self->groups_max = 0;
    self->full = self->spilled = self->out_begun = self->disjoint = false;
}

enum status exec__aggregate_give(struct fiber *f, struct aggregate_operator *self, uint32_t count,
                                 struct batch **batch_out) {
    uint32_t kept = count;
    TRY(finish_groups(f, self, self->groups, count));
    if (self->having != NULL) {
        TRY(exec__select(f, self->having, &self->batch, vector_identity, count, &self->base.scratch,
                         self->selection, &kept));
        exec__count_removed(&self->base, count - kept);
        self->batch.selection = self->selection;
        self->batch.selected_count = kept;
    }
    *batch_out = kept > 0 ? &self->batch : NULL;
    return STATUS_OK;
}

enum status exec__aggregate_next(struct fiber *f, struct operator_state *base,
                                 struct batch **batch_out) {
    struct aggregate_operator *self = (struct aggregate_operator *)base;
    *batch_out = NULL;
    if (self->stream != NULL)
        return exec__aggregate_stream_next(f, self, batch_out);
    if (self->shared == self && !self->filled)
        TRY(exec__aggregate_fill(f, self));
    for (bool found = true; found && *batch_out == NULL;) {
        if (!self->giving->out_begun)
            TRY(exec__aggregate_begin_out(f, self));
        uint32_t count = exec__aggregate_next_groups(self->giving, self->groups);
        TRY(count > 0 ? exec__aggregate_give(f, self, count, batch_out)
                      : exec__aggregate_next_part(f, self, &found));
    }
    return STATUS_OK;
}
