/* Operators that keep little: RESULT, VALUES, FILTER, PROJECT, LIMIT, APPEND, INPUT, UNIQUE. */
#include <string.h>

#include "exec/exec_state.h"

static void close_nothing(struct fiber *f, struct operator_state *self) {
}

static enum status reset_child(struct fiber *f, struct operator_state *self) {
    return exec__reset(f, self->left);
}

static enum status compile_all(struct exec_local *local, struct expression *const *expressions,
                               uint32_t count, struct compiled ***compiled_out) {
    struct compiled **compiled =
        arena_alloc(local->arena, ((size_t)count + 1) * sizeof(struct compiled *));
    if (compiled == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        TRY(exec__compile(local, expressions[i], &compiled[i]));
    *compiled_out = compiled;
    return STATUS_OK;
}

/* ---- RESULT ------------------------------------------------------------------------------ */

struct result_operator {
    struct operator_state base;
    bool done;
    struct batch batch;
};

static enum status result_next(struct fiber *f, struct operator_state *base,
                               struct batch **batch_out) {
    struct result_operator *self = (struct result_operator *)base;
    const struct expression *filter = base->node->result.filter;
    bool wanted = !self->done;
    *batch_out = NULL;
    if (wanted && filter != NULL)
        TRY(exec__scalar_true(f, base->local, filter, NULL, &base->scratch, &wanted));
    self->done = true;
    if (wanted) {
        batch_set_count(&self->batch, 1);
        *batch_out = &self->batch;
    }
    return STATUS_OK;
}

static enum status result_reset(struct fiber *f, struct operator_state *base) {
    ((struct result_operator *)base)->done = false;
    return STATUS_OK;
}

enum status exec__open_result(struct fiber *f, struct execution *execution,
                              const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {result_next, result_reset, close_nothing};
    return exec__operator_new(f, execution, node, sizeof(struct result_operator), &functions,
                              operator_out);
}

/* ---- VALUES ------------------------------------------------------------------------------ */

struct values_operator {
    struct operator_state base;
    uint32_t at;
    struct batch batch;
    struct value *row;
    struct vector *single; /* one row only: constants, without room for 2,048 */
};

static enum status values_single(struct fiber *f, struct values_operator *self,
                                 struct batch **batch_out) {
    const struct plan_node *node = self->base.node;
    for (uint32_t c = 0; c < node->column_count; c++) {
        struct value value;
        TRY(exec__scalar(f, self->base.local, node->values.rows[0][c], NULL, &self->base.scratch,
                         &value));
        value.type = node->columns[c].type;
        vector_init_constant(&self->single[c], &value, &self->base.scratch);
    }
    self->batch = (struct batch){.vectors = self->single, .column_count = node->column_count};
    batch_set_count(&self->batch, 1);
    self->at = 1;
    *batch_out = &self->batch;
    return STATUS_OK;
}

static enum status values_next(struct fiber *f, struct operator_state *base,
                               struct batch **batch_out) {
    struct values_operator *self = (struct values_operator *)base;
    const struct plan_node *node = base->node;
    uint32_t left = node->values.row_count - self->at;
    *batch_out = NULL;
    if (left == 0)
        return STATUS_OK;
    if (node->values.row_count == 1)
        return values_single(f, self, batch_out);
    uint32_t count = left < VECTOR_SIZE ? left : VECTOR_SIZE;
    batch_reset(&self->batch);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t c = 0; c < node->column_count; c++) {
            struct value value;
            TRY(exec__scalar(f, base->local, node->values.rows[self->at + i][c], NULL,
                             &base->scratch, &value));
            if (value.is_null) {
                vector_set_null(&self->batch.vectors[c], i);
                continue;
            }
            value.type = node->columns[c].type;
            vector_set(&self->batch.vectors[c], i, &value, NULL);
        }
    self->at += count;
    batch_set_count(&self->batch, count);
    *batch_out = &self->batch;
    return STATUS_OK;
}

static enum status values_reset(struct fiber *f, struct operator_state *base) {
    ((struct values_operator *)base)->at = 0;
    return STATUS_OK;
}

struct batch *exec__put_joined(struct batch *output, const struct batch *both,
                               const uint32_t *columns, uint32_t row_count,
                               const uint16_t *selection, uint32_t count) {
    for (uint32_t i = 0; i < output->column_count; i++)
        output->vectors[i] = both->vectors[columns[i]];
    output->row_count = row_count;
    output->selection = selection;
    output->selected_count = count;
    return output;
}

void exec__mark_columns(const struct expression *expression, uint8_t *wanted, uint32_t count) {
    if (expression == NULL)
        return;
    if (expression->kind == EXPRESSION_SUBPLAN)
        memset(wanted, 1, count); /* bindings and comparisons of the subplan */
    if (expression->kind == EXPRESSION_COLUMN && expression->index < count)
        wanted[expression->index] = 1;
    for (uint32_t i = 0; i < expression->argument_count; i++)
        exec__mark_columns(expression->arguments[i], wanted, count);
}

enum status exec__node_types(struct execution *execution, const struct plan_node *node,
                             struct type **types_out) {
    struct type *types =
        arena_alloc(execution->environment.arena, (node->column_count + 1) * sizeof *types);
    if (types == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < node->column_count; i++)
        types[i] = node->columns[i].type;
    *types_out = types;
    return STATUS_OK;
}

enum status exec__node_batch(struct execution *execution, const struct plan_node *node,
                             struct batch *batch) {
    struct type *types;
    TRY(exec__node_types(execution, node, &types));
    batch_init(batch, types, node->column_count, execution->environment.arena);
    return arena_status(execution->environment.arena);
}

enum status exec__open_values(struct fiber *f, struct execution *execution,
                              const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {values_next, values_reset, close_nothing};
    TRY(exec__operator_new(f, execution, node, sizeof(struct values_operator), &functions,
                           operator_out));
    struct values_operator *self = (struct values_operator *)*operator_out;
    if (node->values.row_count != 1)
        return exec__node_batch(execution, node, &self->batch);
    self->single =
        arena_alloc(execution->environment.arena, (node->column_count + 1) * sizeof *self->single);
    return self->single != NULL ? STATUS_OK : error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

/* ---- FILTER ------------------------------------------------------------------------------ */

struct filter_operator {
    struct operator_state base;
    struct compiled *condition;
    struct batch batch;
    uint16_t *selection;
};

static enum status filter_next(struct fiber *f, struct operator_state *base,
                               struct batch **batch_out) {
    struct filter_operator *self = (struct filter_operator *)base;
    for (;;) {
        struct batch *input;
        uint32_t count;
        TRY(exec__next(f, base->left, &input));
        *batch_out = NULL;
        if (input == NULL)
            return STATUS_OK;
        TRY(exec__select(f, self->condition, input, batch_rows(input), input->selected_count,
                         &base->scratch, self->selection, &count));
        exec__count_removed(base, input->selected_count - count);
        if (count == 0) {
            arena_reset(&base->scratch);
            continue;
        }
        self->batch = *input;
        self->batch.selection = self->selection;
        self->batch.selected_count = count;
        *batch_out = &self->batch;
        return STATUS_OK;
    }
}

enum status exec__open_filter(struct fiber *f, struct execution *execution,
                              const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {filter_next, reset_child, close_nothing};
    TRY(exec__operator_new(f, execution, node, sizeof(struct filter_operator), &functions,
                           operator_out));
    struct filter_operator *self = (struct filter_operator *)*operator_out;
    self->selection =
        arena_alloc(execution->environment.arena, VECTOR_SIZE * sizeof *self->selection);
    return exec__compile(self->base.local, node->filter.condition, &self->condition);
}

/* ---- PROJECT ----------------------------------------------------------------------------- */

struct project_operator {
    struct operator_state base;
    struct compiled **expressions;
    struct batch batch;
};

static enum status project_next(struct fiber *f, struct operator_state *base,
                                struct batch **batch_out) {
    struct project_operator *self = (struct project_operator *)base;
    struct batch *input;
    TRY(exec__next(f, base->left, &input));
    *batch_out = NULL;
    if (input == NULL)
        return STATUS_OK;
    for (uint32_t i = 0; i < base->node->column_count; i++)
        TRY(exec__evaluate(f, self->expressions[i], input, batch_rows(input), input->selected_count,
                           &base->scratch, &self->batch.vectors[i]));
    self->batch.row_count = input->row_count;
    self->batch.selection = input->selection;
    self->batch.selected_count = input->selected_count;
    *batch_out = &self->batch;
    return STATUS_OK;
}

enum status exec__open_project(struct fiber *f, struct execution *execution,
                               const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {project_next, reset_child, close_nothing};
    TRY(exec__operator_new(f, execution, node, sizeof(struct project_operator), &functions,
                           operator_out));
    struct project_operator *self = (struct project_operator *)*operator_out;
    self->batch.column_count = node->column_count;
    self->batch.vectors = arena_alloc_zeroed(execution->environment.arena,
                                             (node->column_count + 1) * sizeof(struct vector));
    if (self->batch.vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    return compile_all(self->base.local, node->project.expressions, node->column_count,
                       &self->expressions);
}

/* ---- LIMIT ------------------------------------------------------------------------------- */

struct limit_operator {
    struct operator_state base;
    bool known;
    uint64_t skip, left; /* left UINT64_MAX: no limit */
    struct batch batch;
};

/* A row count; NULL and absent give `none`. */
enum status exec__row_limit(struct fiber *f, struct operator_state *self,
                            const struct expression *expression, bool is_offset, uint64_t none,
                            uint64_t *count_out) {
    struct value value;
    *count_out = none;
    if (expression == NULL)
        return STATUS_OK;
    TRY(exec__scalar(f, self->local, expression, NULL, &self->scratch, &value));
    if (value.is_null)
        return STATUS_OK;
    if (value.int64 < 0)
        return is_offset
                   ? error_set(STATUS_INVALID_ROW_COUNT_IN_OFFSET, "OFFSET must not be negative")
                   : error_set(STATUS_INVALID_ROW_COUNT_IN_LIMIT, "LIMIT must not be negative");
    *count_out = (uint64_t)value.int64;
    return STATUS_OK;
}

static enum status limit_next(struct fiber *f, struct operator_state *base,
                              struct batch **batch_out) {
    struct limit_operator *self = (struct limit_operator *)base;
    *batch_out = NULL;
    if (!self->known) {
        TRY(exec__row_limit(f, base, base->node->limit.offset, true, 0, &self->skip));
        TRY(exec__row_limit(f, base, base->node->limit.limit, false, UINT64_MAX, &self->left));
        self->known = true;
    }
    while (self->left > 0) {
        struct batch *input;
        TRY(exec__next(f, base->left, &input));
        if (input == NULL)
            return STATUS_OK;
        if (self->skip >= input->selected_count) {
            self->skip -= input->selected_count;
            continue;
        }
        uint32_t skip = (uint32_t)self->skip, count = input->selected_count - skip;
        self->skip = 0;
        if (count > self->left)
            count = (uint32_t)self->left;
        if (self->left != UINT64_MAX)
            self->left -= count;
        self->batch = *input;
        self->batch.selection = batch_rows(input) + skip;
        self->batch.selected_count = count;
        *batch_out = &self->batch;
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status limit_reset(struct fiber *f, struct operator_state *base) {
    ((struct limit_operator *)base)->known = false;
    return exec__reset(f, base->left);
}

enum status exec__open_limit(struct fiber *f, struct execution *execution,
                             const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {limit_next, limit_reset, close_nothing};
    return exec__operator_new(f, execution, node, sizeof(struct limit_operator), &functions,
                              operator_out);
}

/* ---- APPEND ------------------------------------------------------------------------------ */

struct append_operator {
    struct operator_state base;
    struct operator_state **children;
    uint32_t at;
};

static enum status append_next(struct fiber *f, struct operator_state *base,
                               struct batch **batch_out) {
    struct append_operator *self = (struct append_operator *)base;
    *batch_out = NULL;
    while (self->at < base->node->append.child_count) {
        TRY(exec__next(f, self->children[self->at], batch_out));
        if (*batch_out != NULL)
            return STATUS_OK;
        self->at++;
    }
    return STATUS_OK;
}

static enum status append_reset(struct fiber *f, struct operator_state *base) {
    struct append_operator *self = (struct append_operator *)base;
    self->at = 0;
    for (uint32_t i = 0; i < base->node->append.child_count; i++)
        TRY(exec__reset(f, self->children[i]));
    return STATUS_OK;
}

enum status exec__open_append(struct fiber *f, struct execution *execution,
                              const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {append_next, append_reset, close_nothing};
    TRY(exec__operator_new(f, execution, node, sizeof(struct append_operator), &functions,
                           operator_out));
    struct append_operator *self = (struct append_operator *)*operator_out;
    uint32_t count = node->append.child_count;
    self->children =
        arena_alloc(execution->environment.arena, (count + 1) * sizeof(struct operator_state *));
    if (self->children == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        TRY(exec__operator_open(f, execution, node->append.children[i], &self->children[i]));
    return STATUS_OK;
}

/* ---- INPUT ------------------------------------------------------------------------------- */

struct input_operator {
    struct operator_state base;
    struct batch *batch; /* handed in from outside, given out once */
};

static enum status input_next(struct fiber *f, struct operator_state *base,
                              struct batch **batch_out) {
    struct input_operator *self = (struct input_operator *)base;
    *batch_out = self->batch;
    self->batch = NULL;
    return STATUS_OK;
}

static enum status input_reset(struct fiber *f, struct operator_state *base) {
    return STATUS_OK;
}

void exec__input_set(struct operator_state *base, struct batch *batch) {
    ((struct input_operator *)base)->batch = batch;
}

enum status exec__open_input(struct fiber *f, struct execution *execution,
                             const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {input_next, input_reset, close_nothing};
    TRY(exec__operator_new(f, execution, node, sizeof(struct input_operator), &functions,
                           operator_out));
    execution->input = *operator_out;
    return STATUS_OK;
}

/* ---- UNIQUE ------------------------------------------------------------------------------ */

struct unique_operator {
    struct operator_state base;
    struct compiled **keys;
    struct vector *vectors; /* of the batch at hand */
    struct value *previous; /* keys of the row before */
    struct arena previous_arena;
    bool has_previous;
    struct batch batch;
    uint16_t *selection;
};

static bool same_keys(const struct unique_operator *self, uint32_t row) {
    for (uint32_t k = 0; k < self->base.node->unique.key_count; k++) {
        const struct value *before = &self->previous[k];
        bool null = vector_is_null(&self->vectors[k], row);
        if (null || before->is_null) {
            if (null != before->is_null)
                return false;
            continue;
        }
        struct value value = vector_get(&self->vectors[k], row);
        if (exec__value_order(&value, before) != 0)
            return false;
    }
    return true;
}

static void remember_keys(struct unique_operator *self, uint32_t row) {
    arena_reset(&self->previous_arena);
    for (uint32_t k = 0; k < self->base.node->unique.key_count; k++) {
        struct value value = vector_get(&self->vectors[k], row);
        self->previous[k] = value_copy(&value, &self->previous_arena);
    }
    self->has_previous = true;
}

static enum status unique_next(struct fiber *f, struct operator_state *base,
                               struct batch **batch_out) {
    struct unique_operator *self = (struct unique_operator *)base;
    for (;;) {
        struct batch *input;
        uint32_t kept = 0;
        TRY(exec__next(f, base->left, &input));
        *batch_out = NULL;
        if (input == NULL)
            return STATUS_OK;
        const uint16_t *rows = batch_rows(input);
        for (uint32_t k = 0; k < base->node->unique.key_count; k++)
            TRY(exec__evaluate(f, self->keys[k], input, rows, input->selected_count, &base->scratch,
                               &self->vectors[k]));
        for (uint32_t i = 0; i < input->selected_count; i++)
            if (!self->has_previous || !same_keys(self, rows[i])) {
                self->selection[kept++] = rows[i];
                remember_keys(self, rows[i]);
            }
        if (kept == 0)
            continue;
        self->batch = *input;
        self->batch.selection = self->selection;
        self->batch.selected_count = kept;
        *batch_out = &self->batch;
        return STATUS_OK;
    }
}

static enum status unique_reset(struct fiber *f, struct operator_state *base) {
    ((struct unique_operator *)base)->has_previous = false;
    return exec__reset(f, base->left);
}

static void unique_close(struct fiber *f, struct operator_state *base) {
    arena_release(&((struct unique_operator *)base)->previous_arena);
}

enum status exec__open_unique(struct fiber *f, struct execution *execution,
                              const struct plan_node *node, struct operator_state **operator_out) {
    static const struct operator_functions functions = {unique_next, unique_reset, unique_close};
    TRY(exec__operator_new(f, execution, node, sizeof(struct unique_operator), &functions,
                           operator_out));
    struct unique_operator *self = (struct unique_operator *)*operator_out;
    struct arena *arena = execution->environment.arena;
    uint32_t count = node->unique.key_count;
    self->selection = arena_alloc(arena, VECTOR_SIZE * sizeof *self->selection);
    self->vectors = arena_alloc_zeroed(arena, (count + 1) * sizeof *self->vectors);
    self->previous = arena_alloc_zeroed(arena, (count + 1) * sizeof *self->previous);
    if (self->vectors == NULL || self->previous == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    return compile_all(self->base.local, node->unique.keys, count, &self->keys);
}
