/* Plans and expressions made by hand, and a fiber to run them on. */
#ifndef EXEC_BUILD_H
#define EXEC_BUILD_H

#include <stdlib.h>
#include <string.h>

#include "exec/exec.h"
#include "test.h"
#include "value/value_text.h"

static struct arena build_arena;
static const struct value_context build_context;

static inline struct expression *make_constant(struct value value) {
    struct expression *expression = ARENA_NEW(&build_arena, struct expression);
    expression->kind = EXPRESSION_CONSTANT;
    expression->type = value.type;
    expression->value = value;
    return expression;
}

/* A constant from text in its type's input form; NULL text: NULL. */
static inline struct value make_value(struct type type, const char *text) {
    struct value value = value_null(type);
    if (text != NULL)
        assert_ok(text_input(&build_context, slice_of_text(text), type, &build_arena, &value));
    return value;
}

static inline struct expression *make_column(uint32_t index, struct type type) {
    struct expression *expression = ARENA_NEW(&build_arena, struct expression);
    expression->kind = EXPRESSION_COLUMN;
    expression->index = index;
    expression->type = type;
    return expression;
}

static inline struct expression *make_node(enum expression_kind kind, struct type type,
                                           uint32_t count, struct expression **arguments) {
    struct expression *expression = ARENA_NEW(&build_arena, struct expression);
    expression->kind = kind;
    expression->type = type;
    expression->argument_count = count;
    expression->arguments = ARENA_ARRAY(&build_arena, struct expression *, count + 1);
    memcpy(expression->arguments, arguments, count * sizeof *arguments);
    return expression;
}

static inline const struct function *find_function(const char *symbol) {
    const struct function *function = function_by_symbol(symbol);
    if (function == NULL)
        fail_msg("no function %s", symbol);
    return function;
}

static inline struct expression *make_call(const char *symbol, struct type type, uint32_t count,
                                           struct expression **arguments) {
    struct expression *expression = make_node(EXPRESSION_CALL, type, count, arguments);
    expression->function = find_function(symbol);
    return expression;
}

static inline struct expression *make_call2(const char *symbol, struct type type,
                                            struct expression *a, struct expression *b) {
    struct expression *arguments[] = {a, b};
    return make_call(symbol, type, 2, arguments);
}

/* ---- nodes -------------------------------------------------------------------------------- */

static inline struct plan_node *make_plan_node(enum plan_node_kind kind, uint32_t column_count,
                                               const struct type *types) {
    struct plan_node *node = ARENA_NEW(&build_arena, struct plan_node);
    struct plan_column *columns = ARENA_ARRAY(&build_arena, struct plan_column, column_count + 1);
    for (uint32_t i = 0; i < column_count; i++)
        columns[i].type = types[i];
    node->kind = kind;
    node->column_count = column_count;
    node->columns = columns;
    return node;
}

/* VALUES over a table of values [row * column_count + column]. */
static inline struct plan_node *make_values(uint32_t row_count, uint32_t column_count,
                                            const struct type *types, const struct value *values) {
    struct plan_node *node = make_plan_node(NODE_VALUES, column_count, types);
    struct expression ***rows =
        arena_alloc(&build_arena, (row_count + 1) * sizeof(struct expression **));
    for (uint32_t r = 0; r < row_count; r++) {
        rows[r] = ARENA_ARRAY(&build_arena, struct expression *, column_count + 1);
        for (uint32_t c = 0; c < column_count; c++)
            rows[r][c] = make_constant(values[r * column_count + c]);
    }
    node->values.row_count = row_count;
    node->values.rows = (struct expression *const *const *)rows;
    return node;
}

static inline struct plan_node *make_project(struct plan_node *left, uint32_t count,
                                             struct expression **expressions) {
    struct type types[64];
    for (uint32_t i = 0; i < count; i++)
        types[i] = expressions[i]->type;
    struct plan_node *node = make_plan_node(NODE_PROJECT, count, types);
    struct expression **copy = ARENA_ARRAY(&build_arena, struct expression *, count + 1);
    memcpy(copy, expressions, count * sizeof *copy);
    node->left = left;
    node->project.expressions = copy;
    return node;
}

/* ---- running --------------------------------------------------------------------------------- */

/* All result values [row * column_count + column], copied into build_arena. */
struct result_rows {
    struct value *values;
    size_t row_count, capacity;
    uint32_t column_count;
};

/* A number that does not depend on the order of rows. */
static inline uint64_t fingerprint(const struct result_rows *rows) {
    uint64_t sum = 0;
    for (size_t i = 0; i < rows->row_count; i++) {
        uint64_t row = 7;
        for (uint32_t c = 0; c < rows->column_count; c++)
            row = row * 1000003 + value_hash(&rows->values[i * rows->column_count + c]);
        sum += row * row;
    }
    return sum;
}

static inline enum status run_plan(struct fiber *f, const struct plan *plan,
                                   const struct exec_environment *environment,
                                   struct result_rows *rows) {
    struct execution *execution;
    struct batch *batch;
    enum status status;
    *rows = (struct result_rows){.column_count = plan->root->column_count};
    TRY(exec_open(f, environment, plan, &execution));
    for (;;) {
        TRY_OUT(exec_next(f, execution, &batch));
        if (batch == NULL)
            break;
        assert_true(batch->selected_count > 0);
        for (uint32_t i = 0; i < batch->selected_count; i++) {
            if (rows->row_count == rows->capacity) {
                rows->capacity = rows->capacity == 0 ? 64 : rows->capacity * 2;
                struct value *grown = arena_alloc(
                    &build_arena, rows->capacity * rows->column_count * sizeof *grown + 16);
                if (rows->row_count > 0)
                    memcpy(grown, rows->values,
                           rows->row_count * rows->column_count * sizeof *grown);
                rows->values = grown;
            }
            for (uint32_t c = 0; c < rows->column_count; c++) {
                struct value value = vector_get(&batch->vectors[c], batch_row(batch, i));
                rows->values[rows->row_count * rows->column_count + c] =
                    value_copy(&value, &build_arena);
            }
            rows->row_count++;
        }
    }
out:
    exec_close(f, execution);
    return status;
}

static inline enum status run_node(struct fiber *f, const struct plan_node *root,
                                   struct result_rows *rows) {
    struct arena arena = {0};
    struct exec_environment environment = {.value_context = &build_context, .arena = &arena};
    struct plan plan = {.root = root, .node_count = 1000};
    enum status status = run_plan(f, &plan, &environment, rows);
    arena_release(&arena);
    return status;
}

static inline const char *text_of(const struct value *value) {
    struct buffer buffer = {0};
    if (value->is_null)
        return "NULL";
    assert_ok(text_output(&build_context, value, &buffer));
    char *text = (char *)(uintptr_t)arena_copy_slice(&build_arena, buffer_slice(&buffer)).data;
    buffer_release(&buffer);
    return text == NULL ? "" : text;
}

/* Each test body runs on a fiber of a runtime with one core. */
static inline int on_fiber(fiber_function body) {
    struct runtime_options options = {.core_count = 1, .backend = RUNTIME_BACKEND_POSIX};
    struct runtime *runtime;
    assert_ok(runtime_create(&options, &runtime));
    assert_ok(runtime_run(runtime, 0, body, NULL));
    runtime_destroy(runtime);
    arena_release(&build_arena);
    return 0;
}
#define FIBER_TEST(name)                                                                           \
    static enum status name##_body(struct fiber *f, void *argument);                               \
    static void name(void **state) {                                                               \
        on_fiber(name##_body);                                                                     \
    }                                                                                              \
    static enum status name##_body(struct fiber *f, void *argument)

#endif
