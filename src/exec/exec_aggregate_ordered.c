/* DISTINCT and ORDER BY inside aggregates: rows are kept, sorted by group and order, then fed. */
#include <string.h>

#include "base/base_bytes.h"
#include "exec/exec_aggregate.h"

enum status exec__ordered_open(struct exec_local *local, struct running_aggregate *aggregate) {
    const struct plan_aggregate *plan = aggregate->plan;
    uint32_t count = plan->order_count + (plan->distinct ? plan->argument_count : 0);
    struct ordered_input *ordered = ARENA_NEW(local->arena, struct ordered_input);
    ordered->key_count = count;
    ordered->columns = ARENA_ARRAY(local->arena, struct key_column, count + 1);
    ordered->keys = ARENA_ARRAY(local->arena, struct compiled *, count + 1);
    ordered->vectors = ARENA_ARRAY(local->arena, struct vector, count + 1);
    ordered->pointers = ARENA_ARRAY(local->arena, const struct vector *, count + 1);
    ordered->row = ARENA_ARRAY(local->arena, struct vector, plan->argument_count + 1);
    ordered->types = ARENA_ARRAY(local->arena, struct type, plan->argument_count + 1);
    for (uint32_t i = 0; i < plan->argument_count; i++)
        ordered->types[i] = plan->arguments[i]->type;
    ordered->types[plan->argument_count] = TYPE_OF(INT8);
    vector_init(&ordered->row[plan->argument_count], TYPE_OF(INT8), local->arena);
    for (uint32_t i = 0; i < count; i++) {
        bool is_order = i < plan->order_count;
        const struct expression *expression =
            is_order ? plan->order[i].expression : plan->arguments[i - plan->order_count];
        TRY(sort__key_column(expression->type, is_order && plan->order[i].descending,
                             is_order && plan->order[i].nulls_first, &ordered->columns[i]));
        TRY(exec__compile(local, expression, &ordered->keys[i]));
        ordered->pointers[i] = &ordered->vectors[i];
    }
    aggregate->ordered = ordered;
    return sorter_init(&ordered->sorter, local->execution, ordered->types,
                       plan->argument_count + 1);
}

/* The group's number in its table orders the groups; its address says where to feed. */
static enum status keep_keys(struct aggregate_operator *self, struct ordered_input *ordered,
                             const uint16_t *rows, uint32_t count, uint8_t *const *groups,
                             int64_t *addresses) {
    for (uint32_t i = 0; i < count; i++) {
        uint8_t number[4];
        put_be32(number, group_tuple(groups[i])->number);
        addresses[rows[i]] = (int64_t)(uintptr_t)groups[i];
        buffer_clear(&self->buffer);
        buffer_append(&self->buffer, number, sizeof number);
        key_encode_row(ordered->columns, ordered->pointers, ordered->key_count, rows[i],
                       &self->buffer);
        TRY(buffer_status(&self->buffer));
        TRY(sorter_key(&ordered->sorter, buffer_slice(&self->buffer)));
    }
    return STATUS_OK;
}

enum status exec__ordered_keep(struct fiber *f, struct aggregate_operator *self,
                               struct running_aggregate *aggregate, const struct batch *input,
                               const uint16_t *rows, uint32_t count, uint8_t *const *groups) {
    struct ordered_input *ordered = aggregate->ordered;
    uint32_t arguments = aggregate->plan->argument_count;
    struct vector *address = &ordered->row[arguments];
    for (uint32_t k = 0; k < ordered->key_count; k++)
        TRY(exec__evaluate(f, ordered->keys[k], input, rows, count, &self->base.scratch,
                           &ordered->vectors[k]));
    memcpy(ordered->row, aggregate->vectors, arguments * sizeof *ordered->row);
    TRY(keep_keys(self, ordered, rows, count, groups, address->data));
    struct batch row = {.vectors = ordered->row,
                        .column_count = arguments + 1,
                        .row_count = input->row_count,
                        .selection = rows,
                        .selected_count = count};
    return sorter_rows(f, &ordered->sorter, &row);
}

enum status exec__ordered_feed(struct fiber *f, struct aggregate_operator *self,
                               struct running_aggregate *aggregate) {
    struct ordered_input *ordered = aggregate->ordered;
    uint32_t arguments = aggregate->plan->argument_count;
    struct accumulate_call call = exec__accumulate_call(f, self, aggregate);
    TRY(sorter_finish(f, &ordered->sorter));
    for (;;) {
        struct batch *batch;
        const uint8_t *repeats;
        TRY(sorter_next(f, &ordered->sorter, &batch, &repeats));
        if (batch == NULL)
            break;
        const int64_t *addresses = batch->vectors[arguments].data;
        for (uint32_t i = 0; i < batch->row_count; i++) {
            uint16_t row = (uint16_t)i;
            if (aggregate->plan->distinct && repeats[i])
                continue;
            call.only = (uint8_t *)(uintptr_t)addresses[i];
            call.rows = &row;
            call.count = 1;
            call.arguments = batch->vectors;
            TRY(aggregate->accumulator->add(&call));
        }
        TRY(fiber_check(f));
    }
    exec__count_spilled(&self->base, ordered->sorter.spilled_bytes);
    sorter_release(f, &ordered->sorter);
    return STATUS_OK;
}
