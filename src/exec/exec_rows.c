/* FUNCTION_SCAN, PROJECT_SET and SET_OPERATION. */
#include <string.h>

#include "base/base_hash.h"
#include "exec/exec_state.h"
#include "value/value_key.h"

/* ---- a set-returning call in progress ---------------------------------------------------- */

struct set_call {
    const struct expression *expression;
    const struct kernel_entry *kernel; /* NULL: an ordinary expression, one row */
    struct value *arguments;
    void *memory;
    bool done;
};

static enum status set_call_begin(struct fiber *f, struct exec_local *local, struct set_call *call,
                                  const struct expression *expression,
                                  const struct row_input *input, struct arena *arena) {
    *call = (struct set_call){.expression = expression};
    if (expression->kind != EXPRESSION_CALL || expression->function->shape != FUNCTION_SET)
        return STATUS_OK;
    call->kernel = exec__kernel_find(expression->function->symbol);
    if (call->kernel == NULL || call->kernel->set == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "function %s is not supported",
                         expression->function->name);
    uint32_t count = expression->argument_count;
    call->arguments = arena_alloc(arena, (count + 1) * sizeof *call->arguments);
    if (call->arguments == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        struct value value;
        TRY(exec__scalar(f, local, expression->arguments[i], input, arena, &value));
        call->arguments[i] = value_copy(&value, arena);
        if (value.is_null && expression->function->nulls == FUNCTION_STRICT)
            call->done = true;
    }
    return STATUS_OK;
}

static void blank(const struct expression *expression, bool null, struct value *values) {
    const struct function *rows = expression->kind == EXPRESSION_CALL ? expression->function : NULL;
    uint32_t count = rows != NULL && rows->column_count > 0 ? rows->column_count : 1;
    for (uint32_t i = 0; i < count; i++) {
        struct type type = rows != NULL && rows->column_count > 0
                               ? type_plain(rows->columns[i].type)
                               : expression->type;
        values[i] = null ? value_null(type) : (struct value){.type = type};
    }
}

/* The next value (of a function with columns: so many), or NULL with call->done. `input` serves
   ordinary expressions. */
static enum status set_call_next(struct fiber *f, struct exec_local *local, struct set_call *call,
                                 const struct row_input *input, struct arena *memory_arena,
                                 struct arena *arena, struct value *value_out) {
    blank(call->expression, true, value_out);
    if (call->done)
        return STATUS_OK;
    if (call->kernel == NULL) {
        TRY(exec__scalar(f, local, call->expression, input, arena, value_out));
        call->done = true;
        return STATUS_OK;
    }
    struct kernel_call kernel = {.f = f,
                                 .environment = &local->execution->environment,
                                 .local = local,
                                 .expression = call->expression,
                                 .arena = memory_arena};
    blank(call->expression, false, value_out);
    TRY(call->kernel->set(&kernel, call->arguments, &call->memory, value_out, &call->done));
    if (call->done)
        blank(call->expression, true, value_out);
    return STATUS_OK;
}

static void put(struct vector *vector, uint32_t row, struct value *value, struct arena *arena) {
    if (value->is_null) {
        vector_set_null(vector, row);
        return;
    }
    value->type = vector->type;
    vector_set(vector, row, value, arena);
}

/* ---- FUNCTION_SCAN ----------------------------------------------------------------------- */

struct function_scan {
    struct operator_state base;
    struct set_call *calls;
    struct value *values; /* of one row */
    bool begun, done;
    int64_t ordinal;
    struct arena arena; /* arguments and iteration state */
    struct batch batch, output;
    struct compiled *filter;
    uint16_t *selection;
};

/* One row of all functions side by side; false when all have ended. */
static enum status function_row(struct fiber *f, struct function_scan *scan, uint32_t row,
                                bool *any_out) {
    const struct plan_node *node = scan->base.node;
    uint32_t column = 0;
    struct value *values = scan->values;
    bool any = false;
    for (uint32_t i = 0; i < node->function_scan.function_count; i++) {
        struct set_call *call = &scan->calls[i];
        bool was_done = call->done;
        TRY(set_call_next(f, scan->base.local, call, NULL, &scan->arena, &scan->base.scratch,
                          &values[column]));
        column += node->function_scan.functions[i].column_count;
        /* An ordinary expression is done with its first row, a set when it has no more. */
        any = any || (call->kernel != NULL ? !call->done : !was_done);
    }
    *any_out = any;
    if (!any)
        return STATUS_OK;
    for (uint32_t i = 0; i < column; i++)
        put(&scan->batch.vectors[i], row, &values[i], &scan->base.scratch);
    if (node->function_scan.ordinality) {
        struct value ordinal = value_int8(++scan->ordinal);
        put(&scan->batch.vectors[column], row, &ordinal, NULL);
    }
    return STATUS_OK;
}

static enum status function_scan_next(struct fiber *f, struct operator_state *base,
                                      struct batch **batch_out) {
    struct function_scan *scan = (struct function_scan *)base;
    const struct plan_node *node = base->node;
    *batch_out = NULL;
    if (!scan->begun) {
        for (uint32_t i = 0; i < node->function_scan.function_count; i++)
            TRY(set_call_begin(f, base->local, &scan->calls[i],
                               node->function_scan.functions[i].call, NULL, &scan->arena));
        scan->begun = true;
    }
    while (!scan->done) {
        uint32_t count = 0;
        bool any = true;
        arena_reset(&base->scratch);
        batch_reset(&scan->batch);
        while (count < VECTOR_SIZE && any) {
            TRY(function_row(f, scan, count, &any));
            count += any;
        }
        scan->done = !any;
        TRY(fiber_check(f));
        if (count == 0)
            break;
        batch_set_count(&scan->batch, count);
        scan->output = scan->batch;
        if (scan->filter != NULL) {
            uint32_t kept;
            TRY(exec__select(f, scan->filter, &scan->batch, vector_identity, count, &base->scratch,
                             scan->selection, &kept));
            exec__count_removed(base, count - kept);
            scan->output.selection = scan->selection;
            scan->output.selected_count = kept;
            if (kept == 0)
                continue;
        }
        *batch_out = &scan->output;
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status function_scan_reset(struct fiber *f, struct operator_state *base) {
    struct function_scan *scan = (struct function_scan *)base;
    arena_reset(&scan->arena);
    scan->begun = scan->done = false;
    scan->ordinal = 0;
    return STATUS_OK;
}

static void function_scan_close(struct fiber *f, struct operator_state *base) {
    arena_release(&((struct function_scan *)base)->arena);
}

enum status exec__open_function_scan(struct fiber *f, struct execution *execution,
                                     const struct plan_node *node,
                                     struct operator_state **operator_out) {
    static const struct operator_functions functions = {function_scan_next, function_scan_reset,
                                                        function_scan_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct function_scan), &functions,
                           operator_out));
    struct function_scan *scan = (struct function_scan *)*operator_out;
    struct arena *arena = execution->environment.arena;
    if (node->function_scan.function_count > 16)
        return error_set(STATUS_LIMIT_EXCEEDED, "ROWS FROM can hold at most 16 functions");
    scan->calls = ARENA_ARRAY(arena, struct set_call, node->function_scan.function_count + 1);
    scan->values = arena_alloc(arena, (node->column_count + 1) * sizeof *scan->values);
    scan->selection = arena_alloc(arena, VECTOR_SIZE * sizeof(uint16_t));
    if (scan->values == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (node->function_scan.filter != NULL)
        TRY(exec__compile(scan->base.local, node->function_scan.filter, &scan->filter));
    return exec__node_batch(execution, node, &scan->batch);
}

/* ---- PROJECT_SET ------------------------------------------------------------------------- */

struct project_set {
    struct operator_state base;
    struct set_call *calls;
    struct batch *input;
    uint32_t at;
    bool in_row;
    struct arena arena;
    struct batch batch;
};

static enum status project_set_row(struct fiber *f, struct project_set *set, uint32_t row,
                                   bool *any_out) {
    const struct plan_node *node = set->base.node;
    uint32_t columns = node->left->column_count;
    struct row_input input = {.batch = set->input, .row = batch_row(set->input, set->at)};
    bool any = false;
    struct value *values =
        arena_alloc(&set->base.scratch, node->project_set.function_count * sizeof *values);
    if (values == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < node->project_set.function_count; i++) {
        struct set_call *call = &set->calls[i];
        bool was_done = call->done;
        TRY(set_call_next(f, set->base.local, call, &input, &set->arena, &set->base.scratch,
                          &values[i]));
        any = any || (call->kernel != NULL ? !call->done : !was_done);
    }
    *any_out = any;
    if (!any)
        return STATUS_OK;
    for (uint32_t i = 0; i < node->project_set.function_count; i++)
        put(&set->batch.vectors[columns + i], row, &values[i], &set->base.scratch);
    uint16_t source = (uint16_t)input.row;
    for (uint32_t c = 0; c < columns; c++)
        vector_copy(&set->batch.vectors[c], row, &set->input->vectors[c], &source, 1,
                    &set->base.scratch);
    return STATUS_OK;
}

static enum status project_set_next(struct fiber *f, struct operator_state *base,
                                    struct batch **batch_out) {
    struct project_set *set = (struct project_set *)base;
    const struct plan_node *node = base->node;
    uint32_t count = 0;
    *batch_out = NULL;
    batch_reset(&set->batch);
    while (count < VECTOR_SIZE) {
        if (set->input == NULL || set->at == set->input->selected_count) {
            if (count > 0)
                break; /* the strings below belong to the batch before: hand out first */
            TRY(exec__next(f, base->left, &set->input));
            set->at = 0;
            set->in_row = false;
            if (set->input == NULL)
                return STATUS_OK;
        }
        struct row_input input = {.batch = set->input, .row = batch_row(set->input, set->at)};
        if (!set->in_row) {
            arena_reset(&set->arena);
            for (uint32_t i = 0; i < node->project_set.function_count; i++)
                TRY(set_call_begin(f, base->local, &set->calls[i], node->project_set.functions[i],
                                   &input, &set->arena));
            set->in_row = true;
        }
        bool any;
        TRY(project_set_row(f, set, count, &any));
        count += any;
        if (!any) {
            set->at++;
            set->in_row = false;
        }
        TRY(fiber_check(f));
    }
    batch_set_count(&set->batch, count);
    *batch_out = &set->batch;
    return STATUS_OK;
}

static enum status project_set_reset(struct fiber *f, struct operator_state *base) {
    struct project_set *set = (struct project_set *)base;
    set->input = NULL;
    set->in_row = false;
    return exec__reset(f, base->left);
}

static void project_set_close(struct fiber *f, struct operator_state *base) {
    arena_release(&((struct project_set *)base)->arena);
}

enum status exec__open_project_set(struct fiber *f, struct execution *execution,
                                   const struct plan_node *node,
                                   struct operator_state **operator_out) {
    static const struct operator_functions functions = {project_set_next, project_set_reset,
                                                        project_set_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct project_set), &functions,
                           operator_out));
    struct project_set *set = (struct project_set *)*operator_out;
    set->calls = arena_alloc_zeroed(execution->environment.arena,
                                    (node->project_set.function_count + 1) * sizeof *set->calls);
    if (set->calls == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    return exec__node_batch(execution, node, &set->batch);
}

/* ---- SET_OPERATION ----------------------------------------------------------------------- */

/* Rows as key bytes, counted. */
struct counted_row {
    uint64_t hash;
    struct slice key;
    int64_t count; /* of the right side, not yet matched */
    bool emitted;
};

struct set_operation {
    struct operator_state base;
    struct key_column *columns;
    const struct vector **pointers;
    struct arena arena;
    struct counted_row *rows;
    uint64_t row_count, mask;
    uint32_t *slots;
    struct buffer buffer;
    bool built;
    struct batch batch;
    uint16_t *selection;
};

static enum status grow_rows(struct set_operation *set) {
    uint64_t size = set->slots == NULL ? 1024 : (set->mask + 1) * 2;
    uint32_t *slots = arena_alloc_zeroed(&set->arena, size * sizeof *slots);
    struct counted_row *rows = arena_alloc(&set->arena, size / 2 * sizeof *rows);
    if (slots == NULL || rows == NULL || size > UINT32_MAX)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (set->row_count > 0)
        memcpy(rows, set->rows, set->row_count * sizeof *rows);
    set->rows = rows;
    set->slots = slots;
    set->mask = size - 1;
    for (uint64_t i = 0; i < set->row_count; i++) {
        uint64_t at = rows[i].hash & set->mask;
        while (slots[at] != 0)
            at = (at + 1) & set->mask;
        slots[at] = (uint32_t)i + 1;
    }
    return STATUS_OK;
}

/* The entry of a row; made when it is new. */
static enum status counted(struct set_operation *set, const struct batch *batch, uint32_t row,
                           struct counted_row **row_out) {
    uint32_t columns = set->base.node->column_count;
    for (uint32_t c = 0; c < columns; c++)
        set->pointers[c] = &batch->vectors[c];
    buffer_clear(&set->buffer);
    key_encode_row(set->columns, set->pointers, columns, row, &set->buffer);
    TRY(buffer_status(&set->buffer));
    struct slice key = buffer_slice(&set->buffer);
    if (set->slots == NULL || set->row_count + 1 >= (set->mask + 1) / 2)
        TRY(grow_rows(set));
    uint64_t hash = hash_bytes(key.data, key.size), at = hash & set->mask;
    for (; set->slots[at] != 0; at = (at + 1) & set->mask) {
        struct counted_row *known = &set->rows[set->slots[at] - 1];
        if (known->hash == hash && slice_equal(known->key, key)) {
            *row_out = known;
            return STATUS_OK;
        }
    }
    struct slice copy = arena_copy_slice(&set->arena, key);
    if (copy.data == NULL && key.size > 0)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    set->rows[set->row_count] = (struct counted_row){.hash = hash, .key = copy};
    *row_out = &set->rows[set->row_count++];
    set->slots[at] = (uint32_t)set->row_count;
    return STATUS_OK;
}

static bool passes(const struct plan_node *node, struct counted_row *row) {
    bool all = node->set_operation.all;
    if (node->set_operation.except) {
        if (all)
            return row->count > 0 ? (row->count--, false) : true;
        if (row->count > 0 || row->emitted)
            return false;
    } else {
        if (row->count <= 0 || (!all && row->emitted))
            return false;
        if (all)
            row->count--;
    }
    row->emitted = true;
    return true;
}

static enum status set_operation_next(struct fiber *f, struct operator_state *base,
                                      struct batch **batch_out) {
    struct set_operation *set = (struct set_operation *)base;
    struct batch *input;
    struct counted_row *row;
    *batch_out = NULL;
    while (!set->built) {
        TRY(exec__next(f, base->right, &input));
        if (input == NULL) {
            set->built = true;
            break;
        }
        for (uint32_t i = 0; i < input->selected_count; i++) {
            TRY(counted(set, input, batch_row(input, i), &row));
            row->count++;
        }
        TRY(exec__account(base, set->arena.size_total));
    }
    for (;;) {
        uint32_t kept = 0;
        TRY(exec__next(f, base->left, &input));
        if (input == NULL)
            return STATUS_OK;
        for (uint32_t i = 0; i < input->selected_count; i++) {
            TRY(counted(set, input, batch_row(input, i), &row));
            set->selection[kept] = (uint16_t)batch_row(input, i);
            kept += passes(base->node, row);
        }
        TRY(exec__account(base, set->arena.size_total));
        if (kept == 0)
            continue;
        set->batch = *input;
        set->batch.selection = set->selection;
        set->batch.selected_count = kept;
        *batch_out = &set->batch;
        return STATUS_OK;
    }
}

static void set_operation_forget(struct set_operation *set) {
    arena_release(&set->arena);
    set->rows = NULL;
    set->slots = NULL;
    set->row_count = set->mask = 0;
    set->built = false;
}

static enum status set_operation_reset(struct fiber *f, struct operator_state *base) {
    set_operation_forget((struct set_operation *)base);
    TRY(exec__reset(f, base->left));
    return exec__reset(f, base->right);
}

static void set_operation_close(struct fiber *f, struct operator_state *base) {
    struct set_operation *set = (struct set_operation *)base;
    set_operation_forget(set);
    buffer_release(&set->buffer);
}

enum status exec__open_set_operation(struct fiber *f, struct execution *execution,
                                     const struct plan_node *node,
                                     struct operator_state **operator_out) {
    static const struct operator_functions functions = {set_operation_next, set_operation_reset,
                                                        set_operation_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct set_operation), &functions,
                           operator_out));
    struct set_operation *set = (struct set_operation *)*operator_out;
    struct arena *arena = execution->environment.arena;
    set->columns = arena_alloc(arena, (node->column_count + 1) * sizeof *set->columns);
    set->pointers = arena_alloc(arena, (node->column_count + 1) * sizeof(struct vector *));
    set->selection = arena_alloc(arena, VECTOR_SIZE * sizeof(uint16_t));
    if (set->columns == NULL || set->pointers == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < node->column_count; i++)
        set->columns[i] = (struct key_column){.type = node->columns[i].type, .canonical = true};
    return STATUS_OK;
}
