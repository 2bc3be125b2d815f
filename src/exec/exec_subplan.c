/*
 * Subqueries in expressions.
 *
 * A subplan without bindings runs once for the statement and its result is kept; one with bindings
 * sets its slots and runs for every row, unless the bound values are those of the run before.
 * EXISTS and decided ANY/ALL stop at the first row that answers. `x = ANY (uncorrelated)` over one
 * column keeps its rows in a hash. Of `(x, y) = (subquery)` the row is kept, and compared anew.
 */
#include <string.h>

#include "exec/exec_state.h"

struct subplan_run {
    struct operator_state *root;
    bool opened;
    bool has_result;     /* the kept result is that of the slots as they are */
    struct value result; /* SCALAR, EXISTS, ARRAY */
    struct arena result_arena;
    struct value *bound; /* values of the last run */
    struct arena bound_arena;
    struct value *row;      /* ROW: the one row, NULL none; strings in result_arena */
    struct exec_store rows; /* ANY, ALL without bindings: all rows of the subplan */
    struct arena row_arena;
    bool rows_kept, has_null_row;
    uint32_t *table; /* hash of single-column rows: row + 1 */
    uint64_t *hashes;
    uint64_t mask;
};

enum status exec__subplans_init(struct execution *execution) {
    const struct plan *plan = execution->plan;
    struct arena *arena = execution->environment.arena;
    if (plan->subplan_count > 0)
        execution->subplans =
            arena_alloc_zeroed(arena, plan->subplan_count * sizeof *execution->subplans);
    if (plan->subplan_count > 0 && execution->subplans == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    return STATUS_OK;
}

void exec__subplans_release(struct execution *execution) {
    if (execution->is_worker)
        return; /* they are the parent's */
    for (uint32_t i = 0; execution->subplans != NULL && i < execution->plan->subplan_count; i++) {
        arena_release(&execution->subplans[i].result_arena);
        arena_release(&execution->subplans[i].bound_arena);
        arena_release(&execution->subplans[i].row_arena);
    }
}

enum status exec__bind(struct fiber *f, struct exec_local *local, const struct binding *bindings,
                       uint32_t count, const struct row_input *input, struct arena *arena) {
    for (uint32_t i = 0; i < count; i++) {
        struct value value;
        TRY(exec__scalar(f, local, bindings[i].value, input, arena, &value));
        value.type = bindings[i].value->type;
        local->execution->slots[bindings[i].slot] = value_copy(&value, arena);
    }
    return STATUS_OK;
}

/* ---- running ----------------------------------------------------------------------------- */

static bool same_value(const struct value *a, const struct value *b) {
    if (a->is_null || b->is_null)
        return a->is_null == b->is_null;
    if (exec__value_order(a, b) != 0)
        return false;
    /* 1.0 and 1.00, 'a' and 'a ' of char, 1 mon and 30 days are equal but not the same. */
    switch (type_physical(a->type)) {
    case PHYSICAL_NUMERIC:
        return a->numeric.scale == b->numeric.scale;
    case PHYSICAL_STRING:
        return slice_equal(a->string, b->string);
    case PHYSICAL_INTERVAL:
        return memcmp(&a->interval, &b->interval, sizeof a->interval) == 0;
    default:
        return true;
    }
}

/* Bind, and begin the subplan again unless its kept result still holds (*fresh_out false). */
static enum status begin(struct fiber *f, struct exec_local *local, const struct subplan *subplan,
                         const struct row_input *input, struct subplan_run *run,
                         struct arena *scratch, bool *fresh_out) {
    struct execution *execution = local->execution;
    bool same = run->has_result;
    *fresh_out = true;
    if (subplan->binding_count > 0) {
        struct arena *arena = &run->bound_arena;
        if (run->bound == NULL)
            run->bound = arena_alloc_zeroed(execution->environment.arena,
                                            subplan->binding_count * sizeof *run->bound);
        if (run->bound == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        struct value now[16];
        bool compare = same && subplan->binding_count <= 16;
        for (uint32_t i = 0; compare && same && i < subplan->binding_count; i++) {
            TRY(exec__scalar(f, local, subplan->bindings[i].value, input, scratch, &now[i]));
            same = same_value(&now[i], &run->bound[i]);
        }
        if (!compare || !same) {
            same = false;
            struct arena fresh = {0};
            enum status status =
                exec__bind(f, local, subplan->bindings, subplan->binding_count, input, &fresh);
            arena_release(arena);
            *arena = fresh;
            TRY(status);
            for (uint32_t i = 0; i < subplan->binding_count; i++)
                run->bound[i] = execution->slots[subplan->bindings[i].slot];
        }
    }
    if (same) {
        *fresh_out = false;
        return STATUS_OK;
    }
    run->has_result = false;
    if (!run->opened) {
        TRY(exec__operator_open(f, execution, subplan->root, &run->root));
        run->opened = true;
        return STATUS_OK;
    }
    return exec__reset(f, run->root);
}

static enum status too_many_rows(void) {
    return error_set(STATUS_CARDINALITY_VIOLATION,
                     "more than one row returned by a subquery used as an expression");
}

static enum status run_scalar(struct fiber *f, const struct subplan *subplan,
                              struct subplan_run *run, struct type type) {
    struct batch *batch;
    arena_reset(&run->result_arena);
    run->result = value_null(type);
    TRY(exec__next(f, run->root, &batch));
    if (batch == NULL)
        return STATUS_OK;
    bool more = batch->selected_count > 1;
    struct value value = vector_get(&batch->vectors[0], batch_row(batch, 0));
    run->result = value_copy(&value, &run->result_arena);
    if (!more) {
        TRY(exec__next(f, run->root, &batch));
        more = batch != NULL;
    }
    return more ? too_many_rows() : STATUS_OK;
}

static enum status run_exists(struct fiber *f, struct subplan_run *run) {
    struct batch *batch;
    TRY(exec__next(f, run->root, &batch));
    run->result = value_bool(batch != NULL);
    return STATUS_OK;
}

static enum status run_array(struct fiber *f, struct subplan_run *run, struct type type) {
    struct arena elements_arena = {0};
    struct value *elements = NULL;
    uint32_t count = 0, capacity = 0;
    enum status status = STATUS_OK;
    struct batch *batch;
    arena_reset(&run->result_arena);
    for (;;) {
        TRY_OUT(exec__next(f, run->root, &batch));
        if (batch == NULL)
            break;
        for (uint32_t i = 0; i < batch->selected_count; i++) {
            if (count == capacity) {
                capacity = capacity == 0 ? 64 : capacity * 2;
                struct value *grown = arena_alloc(&elements_arena, capacity * sizeof *grown);
                if (grown == NULL) {
                    status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
                    goto out;
                }
                if (count > 0)
                    memcpy(grown, elements, count * sizeof *grown);
                elements = grown;
            }
            struct value value = vector_get(&batch->vectors[0], batch_row(batch, i));
            elements[count++] = value_copy(&value, &elements_arena);
        }
    }
    status = array_make(type.id, elements, count, &run->result_arena, &run->result);
out:
    arena_release(&elements_arena);
    return status;
}

/* ---- ANY, ALL ---------------------------------------------------------------------------- */

/* Three-valued: 1 true, 0 false, -1 unknown. */
enum { UNKNOWN = -1 };

/* All comparisons hold, or one does when `any`. */
static enum status compare_each(struct fiber *f, struct exec_local *local,
                                const struct expression *expression, bool any,
                                const struct value *left, const struct value *right,
                                struct arena *arena, int *answer_out) {
    const struct subplan *subplan = expression->subplan;
    *answer_out = !any;
    for (uint32_t i = 0; i < subplan->left_count; i++) {
        struct value pair[2] = {left[i], right[i]}, result;
        result = value_null(TYPE_OF(BOOL));
        if (!pair[0].is_null && !pair[1].is_null)
            TRY(exec__scalar_call(f, local, expression, subplan->functions[i], TYPE_OF(BOOL), pair,
                                  2, arena, &result));
        if (result.is_null) {
            *answer_out = UNKNOWN;
        } else if ((result.boolean != 0) == any) {
            *answer_out = any;
            return STATUS_OK;
        }
    }
    return STATUS_OK;
}

/* The first columns that differ decide. */
static int compare_in_order(const struct subplan *subplan, const struct value *left,
                            const struct value *right) {
    int order = 0;
    for (uint32_t i = 0; i < subplan->left_count && order == 0; i++) {
        if (left[i].is_null || right[i].is_null)
            return UNKNOWN;
        order = exec__value_order(&left[i], &right[i]);
    }
    return comparison_holds((enum comparison)subplan->functions[0]->comparison, order);
}

/* The left values with one row of the subplan. */
static enum status compare_row(struct fiber *f, struct exec_local *local,
                               const struct expression *expression, const struct value *left,
                               const struct value *right, struct arena *arena, int *answer_out) {
    const struct subplan *subplan = expression->subplan;
    uint8_t comparison = subplan->functions[0]->comparison;
    if (subplan->left_count > 1 && comparison > COMPARISON_NE) {
        *answer_out = compare_in_order(subplan, left, right);
        return STATUS_OK;
    }
    bool any = subplan->left_count > 1 && comparison == COMPARISON_NE;
    return compare_each(f, local, expression, any, left, right, arena, answer_out);
}

enum { ROW_ON_STACK = 16 };

/* Place for a row of the subplan: `room`, which has ROW_ON_STACK, if that will do. */
static enum status row_values(const struct subplan *subplan, struct arena *arena,
                              struct value *room, struct value **values_out) {
    *values_out = room;
    if (subplan->left_count > ROW_ON_STACK)
        *values_out = arena_alloc(arena, subplan->left_count * sizeof *room);
    return *values_out == NULL ? error_set(STATUS_OUT_OF_MEMORY, "out of memory") : STATUS_OK;
}

/* What is compared with the subplan's columns. */
static enum status left_values(struct fiber *f, struct exec_local *local,
                               const struct subplan *subplan, const struct row_input *input,
                               struct arena *arena, struct value *room, struct value **values_out) {
    TRY(row_values(subplan, arena, room, values_out));
    for (uint32_t i = 0; i < subplan->left_count; i++)
        TRY(exec__scalar(f, local, subplan->left[i], input, arena, &(*values_out)[i]));
    return STATUS_OK;
}

static bool is_hashable(const struct subplan *subplan) {
    return subplan->kind == SUBPLAN_ANY && subplan->binding_count == 0 &&
           subplan->left_count == 1 && subplan->functions[0]->comparison == COMPARISON_EQ;
}

static enum status hash_rows(struct subplan_run *run) {
    uint64_t size = 16;
    while (size < run->rows.row_count * 2)
        size *= 2;
    run->mask = size - 1;
    run->table = arena_alloc_zeroed(&run->row_arena, size * sizeof *run->table);
    run->hashes = arena_alloc(&run->row_arena, (run->rows.row_count + 1) * sizeof *run->hashes);
    if (run->table == NULL || run->hashes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint32_t number = 0;
    for (uint32_t b = 0; b < run->rows.batch_count; b++) {
        const struct batch *batch = run->rows.batches[b];
        for (uint32_t i = 0; i < batch->row_count; i++, number++) {
            struct value value = vector_get(&batch->vectors[0], i);
            if (value.is_null) {
                run->has_null_row = true;
                continue;
            }
            run->hashes[number] = value_hash(&value);
            uint64_t at = run->hashes[number] & run->mask;
            while (run->table[at] != 0)
                at = (at + 1) & run->mask;
            run->table[at] = number + 1;
        }
    }
    return STATUS_OK;
}

static enum status keep_rows(struct fiber *f, struct exec_local *local,
                             const struct subplan *subplan, struct subplan_run *run) {
    struct type *types;
    struct batch *batch;
    TRY(exec__node_types(local->execution, subplan->root, &types));
    exec__store_init(&run->rows, types, subplan->root->column_count, &run->row_arena);
    for (;;) {
        TRY(exec__next(f, run->root, &batch));
        if (batch == NULL)
            break;
        TRY(exec__store_append(&run->rows, batch));
        TRY(exec__account(run->root, run->rows.bytes));
    }
    if (is_hashable(subplan))
        TRY(hash_rows(run));
    run->rows_kept = true;
    return STATUS_OK;
}

static bool hash_has(const struct subplan_run *run, const struct value *value) {
    uint64_t hash = value_hash(value);
    for (uint64_t at = hash & run->mask; run->table[at] != 0; at = (at + 1) & run->mask) {
        uint32_t number = run->table[at] - 1;
        if (run->hashes[number] != hash)
            continue;
        struct value other =
            vector_get(&exec__store_batch(&run->rows, number)->vectors[0], number % VECTOR_SIZE);
        if (exec__value_order(value, &other) == 0)
            return true;
    }
    return false;
}

struct any_answer {
    bool is_any, decided, unknown;
};

static enum status look_at_batch(struct fiber *f, struct exec_local *local,
                                 const struct expression *expression, const struct value *left,
                                 const struct batch *batch, struct arena *arena,
                                 struct any_answer *answer) {
    const struct subplan *subplan = expression->subplan;
    struct value room[ROW_ON_STACK], *right;
    TRY(row_values(subplan, arena, room, &right));
    for (uint32_t i = 0; i < batch->selected_count && !answer->decided; i++) {
        int row;
        for (uint32_t c = 0; c < subplan->left_count; c++)
            right[c] = vector_get(&batch->vectors[c], batch_row(batch, i));
        TRY(compare_row(f, local, expression, left, right, arena, &row));
        if (row == UNKNOWN)
            answer->unknown = true;
        else
            answer->decided = (row == 1) == answer->is_any;
    }
    return fiber_check(f);
}

/* Keep the subplan's one row. */
static enum status keep_row(struct fiber *f, const struct subplan *subplan,
                            struct subplan_run *run) {
    struct batch *batch;
    arena_reset(&run->result_arena);
    run->row = NULL;
    TRY(exec__next(f, run->root, &batch));
    if (batch == NULL)
        return STATUS_OK;
    if (batch->selected_count > 1)
        return too_many_rows();
    struct value *row = arena_alloc(&run->result_arena, subplan->left_count * sizeof *row);
    if (row == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < subplan->left_count; i++) {
        struct value value = vector_get(&batch->vectors[i], batch_row(batch, 0));
        row[i] = value_copy(&value, &run->result_arena);
    }
    run->row = row;
    TRY(exec__next(f, run->root, &batch));
    return batch != NULL ? too_many_rows() : arena_status(&run->result_arena);
}

static enum status run_row(struct fiber *f, struct exec_local *local,
                           const struct expression *expression, const struct row_input *input,
                           struct subplan_run *run, struct arena *arena, struct value *out) {
    const struct subplan *subplan = expression->subplan;
    struct value room[ROW_ON_STACK], *left;
    bool fresh;
    int answer = UNKNOWN;
    TRY(left_values(f, local, subplan, input, arena, room, &left));
    TRY(begin(f, local, subplan, input, run, arena, &fresh));
    if (fresh) {
        TRY(keep_row(f, subplan, run));
        run->has_result = true;
    }
    if (run->row != NULL)
        TRY(compare_row(f, local, expression, left, run->row, arena, &answer));
    *out = answer == UNKNOWN ? value_null(TYPE_OF(BOOL)) : value_bool(answer == 1);
    return STATUS_OK;
}

static enum status run_any_all(struct fiber *f, struct exec_local *local,
                               const struct expression *expression, const struct row_input *input,
                               struct subplan_run *run, struct arena *arena, struct value *out) {
    const struct subplan *subplan = expression->subplan;
    struct value room[ROW_ON_STACK], *values;
    TRY(left_values(f, local, subplan, input, arena, room, &values));
    struct any_answer answer = {.is_any = subplan->kind == SUBPLAN_ANY};
    if (subplan->binding_count == 0) {
        if (!run->rows_kept) {
            bool fresh;
            TRY(begin(f, local, subplan, input, run, arena, &fresh));
            TRY(keep_rows(f, local, subplan, run));
        }
        if (run->table != NULL) {
            if (values[0].is_null)
                answer.unknown = run->rows.row_count > 0;
            else if (hash_has(run, &values[0]))
                answer.decided = true;
            else
                answer.unknown = run->has_null_row;
        } else {
            for (uint32_t b = 0; b < run->rows.batch_count && !answer.decided; b++)
                TRY(look_at_batch(f, local, expression, values, run->rows.batches[b], arena,
                                  &answer));
        }
    } else {
        bool fresh;
        struct batch *batch = NULL;
        run->has_result = false;
        TRY(begin(f, local, subplan, input, run, arena, &fresh));
        while (!answer.decided) {
            TRY(exec__next(f, run->root, &batch));
            if (batch == NULL)
                break;
            TRY(look_at_batch(f, local, expression, values, batch, arena, &answer));
        }
    }
    *out = answer.decided   ? value_bool(answer.is_any)
           : answer.unknown ? value_null(TYPE_OF(BOOL))
                            : value_bool(!answer.is_any);
    return STATUS_OK;
}

bool exec__runs_once(const struct expression *expression) {
    const struct subplan *subplan = expression->subplan;
    return expression->kind == EXPRESSION_SUBPLAN && subplan->binding_count == 0 &&
           subplan->left_count == 0;
}

static enum status run(struct fiber *f, struct exec_local *local,
                       const struct expression *expression, const struct row_input *input,
                       struct arena *arena, struct value *value_out) {
    const struct subplan *subplan = expression->subplan;
    struct subplan_run *run = &local->execution->subplans[subplan->index];
    bool fresh;
    if (subplan->kind == SUBPLAN_ANY || subplan->kind == SUBPLAN_ALL)
        return run_any_all(f, local, expression, input, run, arena, value_out);
    if (subplan->kind == SUBPLAN_ROW)
        return run_row(f, local, expression, input, run, arena, value_out);
    TRY(begin(f, local, subplan, input, run, arena, &fresh));
    if (fresh) {
        if (subplan->kind == SUBPLAN_SCALAR)
            TRY(run_scalar(f, subplan, run, expression->type));
        else if (subplan->kind == SUBPLAN_EXISTS)
            TRY(run_exists(f, run));
        else
            TRY(run_array(f, run, expression->type));
        run->has_result = true;
    }
    /* The kept result is replaced at the next row: strings go to the caller's arena. */
    *value_out = subplan->binding_count > 0 ? value_copy(&run->result, arena) : run->result;
    return STATUS_OK;
}

struct away_call {
    struct exec_local *local;
    const struct expression *expression;
    struct arena *arena;
    struct value *value_out;
};

static enum status run_away(struct fiber *f, void *argument) {
    struct away_call *call = argument;
    return run(f, call->local, call->expression, NULL, call->arena, call->value_out);
}

enum status exec__subplan(struct fiber *f, struct exec_local *local,
                          const struct expression *expression, const struct row_input *input,
                          struct arena *arena, struct value *value_out) {
    const struct execution *execution = local->execution;
    if (f == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "cannot use subquery here");
    if (!exec__runs_once(expression) || !expression->subplan->is_long ||
        !execution->plan->may_travel || execution->is_worker ||
        fiber_core(f) == execution->other_core)
        return run(f, local, expression, input, arena, value_out);
    /* A long subquery of a short query. */
    struct away_call call = {local, expression, arena, value_out};
    fiber_share_set(f, true);
    enum status status = core_call(f, execution->other_core, run_away, &call);
    fiber_share_set(f, execution->plan->travels);
    return status;
}
