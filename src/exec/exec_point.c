/*
 * The short path: one row by all columns of a unique index. No operators, no batches of 2,048
 * rows, nothing from the heap: the key is evaluated, the row fetched or locked, and the result is
 * one row of constants in the statement's arena.
 *
 * A change finds, locks and writes the row. Where the row lies on another core all of it is done
 * there: one call, not three (point_change_there).
 */
#include <string.h>

#include "exec/exec_parallel.h"
#include "exec/exec_state.h"

static struct table_context point_context(const struct execution *execution) {
    const struct exec_environment *environment = &execution->environment;
    return (struct table_context){.catalog = environment->catalog,
                                  .store = environment->store,
                                  .transaction = environment->transaction,
                                  .arena = environment->arena};
}

/* *null_out: some key value is NULL, so nothing is found. */
static enum status point_key(struct fiber *f, struct execution *execution, struct value *key,
                             bool *null_out) {
    const struct plan_point *point = &execution->plan->point;
    *null_out = false;
    for (uint32_t i = 0; i < point->index->column_count; i++) {
        TRY(exec__scalar(f, &execution->local, point->key[i], NULL, execution->environment.arena,
                         &key[i]));
        key[i].type = point->key[i]->type;
        *null_out = *null_out || key[i].is_null;
    }
    return STATUS_OK;
}

/* A batch of one row from expressions over the input row. */
static enum status point_output(struct fiber *f, struct execution *execution,
                                struct expression *const *expressions, uint32_t count,
                                const struct row_input *input, struct batch **batch_out) {
    struct arena *arena = execution->environment.arena;
    struct batch *batch = ARENA_NEW(arena, struct batch);
    batch->vectors = arena_alloc_zeroed(arena, (count + 1) * sizeof(struct vector));
    if (batch->vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    batch->column_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct value value;
        TRY(exec__scalar(f, &execution->local, expressions[i], input, arena, &value));
        value.type = expressions[i]->type;
        vector_init_constant(&batch->vectors[i], &value, arena);
    }
    batch_set_count(batch, 1);
    *batch_out = batch;
    return STATUS_OK;
}

static enum status point_select(struct fiber *f, struct execution *execution,
                                struct batch **batch_out) {
    const struct plan_point *point = &execution->plan->point;
    struct table_context context = point_context(execution);
    struct value key[INDEX_COLUMNS_MAX];
    int16_t numbers_room[32];
    int16_t *numbers = numbers_room;
    bool null_key, found, wanted = true;
    struct row_address address;
    TRY(point_key(f, execution, key, &null_key));
    if (null_key)
        return STATUS_OK;
    struct arena *arena = execution->environment.arena;
    struct value *values = arena_alloc_zeroed(arena, (point->column_count + 1) * sizeof *values);
    if (point->column_count > 32)
        numbers = arena_alloc(arena, point->column_count * sizeof *numbers);
    if (values == NULL || numbers == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    /* The address and tableoid are no columns of the row. */
    uint32_t stored = 0;
    for (uint32_t i = 0; i < point->column_count; i++)
        if (point->column_numbers[i] > 0)
            numbers[stored++] = point->column_numbers[i];
    TRY(table_get_unique(f, &context, point->table, point->index, key, numbers, stored, &found,
                         &address, values));
    if (!found)
        return STATUS_OK;
    for (uint32_t i = point->column_count; i-- > 0;) {
        if (point->column_numbers[i] > 0) {
            values[i] = values[--stored];
            continue;
        }
        values[i] = point->column_numbers[i] == 0 ? value_int8(row_address_pack(address))
                                                  : value_oid(point->table->oid);
    }
    struct row_input input = {.values = values, .value_count = point->column_count};
    if (point->filter != NULL)
        TRY(exec__scalar_true(f, &execution->local, point->filter, &input, arena, &wanted));
    return wanted
               ? point_output(f, execution, point->output, point->output_count, &input, batch_out)
               : STATUS_OK;
}

static enum status point_change(struct fiber *f, struct execution *execution,
                                const struct value *key, struct batch **batch_out) {
    const struct plan_point *point = &execution->plan->point;
    const struct plan_node *node = execution->plan->root;
    struct table_context context = point_context(execution);
    struct arena *arena = execution->environment.arena;
    uint32_t columns = point->table->column_count;
    bool found, wanted = true;
    struct row_address address;
    enum row_lock_outcome outcome;
    struct value *old = arena_alloc(arena, 2 * (columns + 1) * sizeof *old);
    if (old == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    struct value *new_row = old + columns + 1;
    struct row_input input = {.values = old, .value_count = columns};
    if (point->filter == NULL) {
        TRY(table_get_unique(f, &context, point->table, point->index, key, NULL, 0, &found,
                             &address, NULL));
    } else {
        /* Whether the row is meant is decided by the version that the snapshot sees. */
        int16_t *numbers = arena_alloc(arena, (columns + 1) * sizeof *numbers);
        if (numbers == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        for (uint32_t i = 0; i < columns; i++)
            numbers[i] = (int16_t)(i + 1);
        TRY(table_get_unique(f, &context, point->table, point->index, key, numbers, columns, &found,
                             &address, old));
        if (found)
            TRY(exec__scalar_true(f, &execution->local, point->filter, &input, arena, &wanted));
    }
    if (!found || !wanted)
        return STATUS_OK;
    TRY(table_lock_row(f, &context, point->table, &address, KEY_LOCK_EXCLUSIVE, LOCK_WAIT, &outcome,
                       old));
    if (outcome != ROW_LOCKED && outcome != ROW_LOCKED_CHANGED)
        return STATUS_OK;
    if (outcome == ROW_LOCKED_CHANGED) {
        if (point->filter != NULL)
            TRY(exec__scalar_true(f, &execution->local, point->filter, &input, arena, &wanted));
        /* The newest version may no longer have the key we looked for. */
        for (uint32_t i = 0; wanted && i < point->index->column_count; i++) {
            const struct value *now = &old[point->index->columns[i].column_number - 1];
            wanted = !now->is_null && exec__value_order(now, &key[i]) == 0;
        }
        if (wanted && node->modify.recheck != NULL)
            TRY(exec__scalar_true(f, &execution->local, node->modify.recheck, &input, arena,
                                  &wanted));
    }
    if (!wanted)
        return STATUS_OK;
    if (point->kind == POINT_DELETE) {
        TRY(table_delete(f, &context, point->table, address, old));
    } else {
        memcpy(new_row, old, columns * sizeof *old);
        for (uint32_t i = 0; i < node->modify.assignment_count; i++) {
            uint32_t column = (uint32_t)node->modify.assignments[i].column_number - 1;
            TRY(exec__scalar(f, &execution->local, node->modify.assignments[i].value, &input, arena,
                             &new_row[column]));
            new_row[column].type = point->table->columns[column].type;
        }
        TRY(exec__check_row(f, &execution->local, point->table, node->modify.checks,
                            node->modify.check_count, new_row, arena));
        TRY(table_update(f, &context, point->table, address, old, new_row, NULL));
        input.values = new_row;
    }
    execution->row_count++;
    return node->modify.returning == NULL ? STATUS_OK
                                          : point_output(f, execution, node->modify.returning,
                                                         node->column_count, &input, batch_out);
}

struct change_call {
    struct execution *execution;
    const struct value *key;
    struct batch **batch_out;
};

static enum status point_change_there(struct fiber *f, void *argument) {
    struct change_call *call = argument;
    return point_change(f, call->execution, call->key, call->batch_out);
}

/* Can what the change evaluates be evaluated on any core? */
static bool change_is_independent(const struct plan *plan) {
    const struct plan_node *node = plan->root;
    bool independent =
        exec__is_independent(plan->point.filter) && exec__is_independent(node->modify.recheck);
    for (uint32_t i = 0; independent && i < node->modify.assignment_count; i++)
        independent = exec__is_independent(node->modify.assignments[i].value);
    for (uint32_t i = 0; independent && i < node->modify.check_count; i++)
        independent = exec__is_independent(node->modify.checks[i].condition);
    for (uint32_t i = 0; independent && node->modify.returning != NULL && i < node->column_count;
         i++)
        independent = exec__is_independent(node->modify.returning[i]);
    return independent;
}

static enum status point_modify(struct fiber *f, struct execution *execution,
                                struct batch **batch_out) {
    const struct plan_point *point = &execution->plan->point;
    struct store *store = execution->environment.store;
    struct value key[INDEX_COLUMNS_MAX];
    bool null_key;
    TRY(point_key(f, execution, key, &null_key));
    if (null_key)
        return STATUS_OK;
    unsigned partition = table_unique_partition(store, point->table, point->index, key);
    unsigned core = partition_core(store, partition);
    if (core == fiber_core(f) || !point->index->local || !change_is_independent(execution->plan))
        return point_change(f, execution, key, batch_out);
    struct change_call call = {execution, key, batch_out};
    return core_call(f, core, point_change_there, &call);
}

enum status exec__point_next(struct fiber *f, struct execution *execution,
                             struct batch **batch_out) {
    *batch_out = NULL;
    if (execution->point_done)
        return STATUS_OK;
    execution->point_done = true;
    return execution->plan->point.kind == POINT_SELECT ? point_select(f, execution, batch_out)
                                                       : point_modify(f, execution, batch_out);
}
