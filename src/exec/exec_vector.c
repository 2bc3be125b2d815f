/*
 * Expressions over batches: a tree of kernels.
 *
 * Row numbers stay those of the batch all the way up: a kernel is told which rows count and writes
 * its results at the same numbers, so nothing is compacted between kernels. A vector whose inputs
 * are all constant is computed once and is constant. NULLs of strict functions are worked out here,
 * word by word, before the kernel runs. What is rare is done row by row by exec_scalar.c.
 *
 * What reads one column alone, and finds it as a dictionary, is computed once for each entry that
 * occurs in the rows (which is why no entry can be at fault that no row has).
 *
 * Conditions have a second way, exec__select: comparisons write selections at once, AND narrows
 * them from left to right, OR looks only at what is not yet true.
 */
#include <string.h>

#include "exec/exec_cast.h"
#include "exec/exec_in.h"
#include "exec/exec_narrow.h"
#include "exec/exec_state.h"
#include "value/value_cast.h"

struct compiled {
    const struct expression *expression;
    struct exec_local *local;
    struct compiled **arguments;
    struct vector *vectors; /* of the arguments, side by side for kernels */
    uint32_t argument_count;
    const struct kernel_entry *kernel;
    bool by_row;     /* exec_scalar does it */
    bool repeatable; /* same arguments, same result: constants stay constant */
    bool per_entry;  /* reads only column entry_column, and always in the same way */
    bool in_entries; /* being computed over its entries */
    uint32_t entry_column;
    bool result_made;
    struct vector result;   /* own memory, made at first use */
    struct vector constant; /* CONSTANT, PARAMETER: made at first use */
    bool constant_made;
    struct in_set *in_set;
    struct narrow *narrow; /* decimals: the same in 64 bits, as long as the values are small */
    void *memory;
    uint16_t *rows_a, *rows_b; /* scratch selections */
};

/* ---- compile ----------------------------------------------------------------------------- */

static bool has_vector_form(const struct expression *expression) {
    switch (expression->kind) {
    case EXPRESSION_CONSTANT:
    case EXPRESSION_COLUMN:
    case EXPRESSION_PARAMETER:
    case EXPRESSION_SLOT:
    case EXPRESSION_CALL:
    case EXPRESSION_AND:
    case EXPRESSION_OR:
    case EXPRESSION_NOT:
    case EXPRESSION_TEST:
    case EXPRESSION_CASE:
    case EXPRESSION_COALESCE:
    case EXPRESSION_CAST:
        return true;
    case EXPRESSION_IN:
        return expression->list_is_constant && expression->function->comparison == COMPARISON_EQ;
    case EXPRESSION_SUBPLAN:
        return exec__runs_once(expression);
    default:
        return false;
    }
}

static enum status compile_call(struct compiled *compiled) {
    const struct function *function = compiled->expression->function;
    compiled->repeatable = function->volatility != FUNCTION_VOLATILE;
    if (function->comparison != COMPARISON_NONE)
        return STATUS_OK;
    compiled->kernel = exec__kernel_find(function->symbol);
    if (compiled->kernel == NULL ||
        (compiled->kernel->vector == NULL && compiled->kernel->boxed == NULL))
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "function %s is not supported",
                         function->name);
    return STATUS_OK;
}

/* Is everything below about one column, *column (UINT32_MAX: none met yet), and repeatable? */
static bool about_one_column(const struct expression *expression, uint32_t *column) {
    if (expression->kind == EXPRESSION_SUBPLAN ||
        (expression->function != NULL && expression->function->volatility == FUNCTION_VOLATILE))
        return false;
    if (expression->kind == EXPRESSION_COLUMN) {
        if (*column != UINT32_MAX && *column != expression->index)
            return false;
        *column = expression->index;
    }
    for (uint32_t i = 0; i < expression->argument_count; i++)
        if (!about_one_column(expression->arguments[i], column))
            return false;
    return true;
}

enum status exec__compile(struct exec_local *local, const struct expression *expression,
                          struct compiled **compiled_out) {
    if (fiber_stack_left() < (16 << 10))
        return error_set(STATUS_STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
    struct compiled *compiled = ARENA_NEW(local->arena, struct compiled);
    compiled->expression = expression;
    compiled->local = local;
    compiled->repeatable = true;
    compiled->entry_column = UINT32_MAX;
    compiled->per_entry = expression->kind != EXPRESSION_COLUMN &&
                          about_one_column(expression, &compiled->entry_column) &&
                          compiled->entry_column != UINT32_MAX;
    *compiled_out = compiled;
    compiled->by_row = !has_vector_form(expression);
    if (compiled->by_row)
        return STATUS_OK;
    if (expression->kind == EXPRESSION_CALL)
        TRY(compile_call(compiled));
    uint32_t count = expression->kind == EXPRESSION_IN ? 1 : expression->argument_count;
    compiled->argument_count = count;
    compiled->arguments = arena_alloc(local->arena, (count + 1) * sizeof(struct compiled *));
    compiled->vectors = arena_alloc(local->arena, (count + 1) * sizeof(struct vector));
    if (compiled->arguments == NULL || compiled->vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        TRY(exec__compile(local, expression->arguments[i], &compiled->arguments[i]));
    if (expression->kind == EXPRESSION_CALL && type_physical(expression->type) != PHYSICAL_INT64)
        compiled->narrow = exec__narrow_make(local, compiled);
    return STATUS_OK;
}

const struct expression *exec__compiled_expression(const struct compiled *compiled) {
    return compiled->expression;
}

struct compiled *exec__compiled_argument(const struct compiled *compiled, uint32_t i) {
    ASSERT(i < compiled->argument_count);
    return compiled->arguments[i];
}

static uint16_t *selection_room(struct compiled *compiled, uint16_t **rows) {
    if (*rows == NULL)
        *rows = arena_alloc(compiled->local->arena, VECTOR_SIZE * sizeof(uint16_t));
    return *rows;
}

static struct vector *fresh_result(struct compiled *compiled) {
    if (!compiled->result_made) {
        vector_init(&compiled->result, compiled->expression->type, compiled->local->arena);
        compiled->result_made = true;
    }
    vector_reset(&compiled->result);
    return &compiled->result;
}

/* ---- pieces ------------------------------------------------------------------------------ */

static enum status evaluate(struct fiber *f, struct compiled *compiled, const struct batch *input,
                            const uint16_t *rows, uint32_t count, struct arena *arena,
                            struct vector *out);

static enum status evaluate_by_row(struct fiber *f, struct compiled *compiled,
                                   const struct batch *input, const uint16_t *rows, uint32_t count,
                                   struct arena *arena, struct vector *out) {
    struct vector *result = fresh_result(compiled);
    for (uint32_t i = 0; i < count; i++) {
        struct row_input row = {.batch = input, .row = rows[i]};
        struct value value;
        TRY(exec__scalar(f, compiled->local, compiled->expression, &row, arena, &value));
        if (value.is_null) {
            vector_set_null(result, rows[i]);
        } else {
            value.type = result->type;
            vector_set(result, rows[i], &value, NULL);
        }
        if ((i & 63) == 63 && f != NULL)
            TRY(fiber_check(f));
    }
    *out = *result;
    return STATUS_OK;
}

/* A subplan that depends on no row: one value for all; not run before there is a row. */
static enum status evaluate_once(struct fiber *f, struct compiled *compiled, uint32_t count,
                                 struct arena *arena, struct vector *out) {
    struct value value = value_null(compiled->expression->type);
    if (count > 0)
        TRY(exec__subplan(f, compiled->local, compiled->expression, NULL, arena, &value));
    value.type = compiled->expression->type;
    vector_init_constant(out, &value, arena);
    return STATUS_OK;
}

/* What lies under a null may be read; strings of the batch before must not. */
static void clear_null_strings(struct vector *result, const uint16_t *rows, uint32_t count) {
    struct string *strings = result->data;
    for (uint32_t i = 0; i < count; i++)
        if (!validity_get(result->validity, rows[i]))
            strings[rows[i]] = (struct string){0};
}

/* NULLs of the arguments become NULLs of the result. */
static void merge_nulls(struct vector *result, const struct vector *arguments,
                        uint32_t argument_count, const uint16_t *rows, uint32_t count) {
    uint32_t words = count == 0 ? 0 : (uint32_t)rows[count - 1] / 64 + 1;
    for (uint32_t a = 0; a < argument_count; a++) {
        const struct vector *argument = &arguments[a];
        if (argument->validity == NULL)
            continue;
        uint64_t *validity =
            result->validity != NULL ? result->validity : vector_validity_begin(result);
        if (argument->kind == VECTOR_FLAT) {
            for (uint32_t i = 0; i < words; i++)
                validity[i] &= argument->validity[i];
        } else if (argument->kind == VECTOR_CONSTANT) {
            if (!validity_get(argument->validity, 0))
                memset(validity, 0, words * sizeof *validity);
        } else {
            for (uint32_t i = 0; i < count; i++)
                if (vector_is_null(argument, rows[i]))
                    validity_clear(validity, rows[i]);
        }
    }
    if (result->validity != NULL && result->physical == PHYSICAL_STRING)
        clear_null_strings(result, rows, count);
}

static enum status call_boxed(struct kernel_call *call, boxed_kernel kernel, bool strict,
                              const struct vector *arguments, uint32_t argument_count,
                              const uint16_t *rows, uint32_t count, struct vector *result) {
    struct value room[8], *values = room;
    if (argument_count > 8) {
        values = arena_alloc(call->arena, argument_count * sizeof *values);
        if (values == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        if (strict && vector_is_null(result, row))
            continue;
        for (uint32_t a = 0; a < argument_count; a++)
            values[a] = vector_get(&arguments[a], row);
        struct value value = {.type = result->type};
        TRY(kernel(call, values, &value));
        if (value.is_null) {
            vector_set_null(result, row);
        } else {
            value.type = result->type;
            vector_set(result, row, &value, NULL);
        }
        if ((i & 63) == 63 && call->f != NULL)
            TRY(fiber_check(call->f));
    }
    return STATUS_OK;
}

static enum status run_kernel(struct fiber *f, struct compiled *compiled, const uint16_t *rows,
                              uint32_t count, struct arena *arena, struct vector *result) {
    const struct expression *expression = compiled->expression;
    const struct function *function = expression->function;
    bool strict = function->nulls == FUNCTION_STRICT || function->comparison != COMPARISON_NONE;
    if (strict)
        merge_nulls(result, compiled->vectors, compiled->argument_count, rows, count);
    if (function->comparison != COMPARISON_NONE) {
        exec__compare((enum comparison)function->comparison, &compiled->vectors[0],
                      &compiled->vectors[1], rows, count, result);
        return STATUS_OK;
    }
    struct kernel_call call = {.f = f,
                               .environment = &compiled->local->execution->environment,
                               .local = compiled->local,
                               .expression = expression,
                               .arena = arena,
                               .memory = &compiled->memory};
    if (compiled->kernel->vector != NULL)
        return compiled->kernel->vector(&call, compiled->vectors, rows, count, result);
    return call_boxed(&call, compiled->kernel->boxed, strict, compiled->vectors,
                      compiled->argument_count, rows, count, result);
}

static enum status evaluate_arguments(struct fiber *f, struct compiled *compiled,
                                      const struct batch *input, const uint16_t *rows,
                                      uint32_t count, struct arena *arena, bool *constant_out) {
    bool constant = true;
    for (uint32_t i = 0; i < compiled->argument_count; i++) {
        TRY(evaluate(f, compiled->arguments[i], input, rows, count, arena, &compiled->vectors[i]));
        constant = constant && compiled->vectors[i].kind == VECTOR_CONSTANT;
    }
    *constant_out = constant && compiled->repeatable;
    return STATUS_OK;
}

enum status exec__evaluate_narrow(struct fiber *f, struct compiled *compiled,
                                  const struct batch *input, const uint16_t *rows, uint32_t count,
                                  struct arena *arena, struct vector *result, bool *done_out) {
    *done_out = false;
    if (compiled->narrow == NULL || count == 0)
        return STATUS_OK;
    return exec__narrow_evaluate(f, compiled->narrow, input, rows, count, arena, result, done_out);
}

/* In 64 bits, then in the form that the type says. */
static enum status evaluate_widened(struct fiber *f, struct compiled *compiled,
                                    const struct batch *input, const uint16_t *rows, uint32_t count,
                                    struct arena *arena, struct vector *out, bool *done_out) {
    struct vector narrow;
    TRY(exec__evaluate_narrow(f, compiled, input, rows, count, arena, &narrow, done_out));
    if (!*done_out)
        return STATUS_OK;
    struct vector *result = fresh_result(compiled);
    const int64_t *numbers = narrow.data;
    merge_nulls(result, &narrow, 1, rows, count);
    if (result->physical == PHYSICAL_INT128) {
        int128_t *to = result->data;
        for (uint32_t i = 0; i < count; i++)
            to[rows[i]] = numbers[rows[i]];
    } else {
        struct numeric *to = result->data;
        for (uint32_t i = 0; i < count; i++)
            to[rows[i]] = numeric_make(numbers[rows[i]], narrow.type.scale);
    }
    *out = *result;
    return STATUS_OK;
}

static enum status evaluate_call(struct fiber *f, struct compiled *compiled,
                                 const struct batch *input, const uint16_t *rows, uint32_t count,
                                 struct arena *arena, struct vector *out) {
    bool constant, done = false;
    if (compiled->narrow != NULL)
        TRY(evaluate_widened(f, compiled, input, rows, count, arena, out, &done));
    if (done)
        return STATUS_OK;
    TRY(evaluate_arguments(f, compiled, input, rows, count, arena, &constant));
    struct vector *result = fresh_result(compiled);
    if (constant && count > 0) {
        TRY(run_kernel(f, compiled, vector_zeros, 1, arena, result));
        *out = *result;
        out->kind = VECTOR_CONSTANT;
        return STATUS_OK;
    }
    TRY(run_kernel(f, compiled, rows, count, arena, result));
    *out = *result;
    return STATUS_OK;
}

static enum status evaluate_constant(struct compiled *compiled, struct arena *arena,
                                     struct vector *out) {
    const struct expression *expression = compiled->expression;
    struct value value;
    if (expression->kind == EXPRESSION_SLOT) {
        value = compiled->local->execution->slots[expression->index];
        value.type = expression->type;
        vector_init_constant(out, &value, arena);
        return STATUS_OK;
    }
    if (!compiled->constant_made) {
        if (expression->kind == EXPRESSION_CONSTANT) {
            value = expression->value;
        } else {
            const struct exec_environment *environment = &compiled->local->execution->environment;
            if (expression->index >= environment->parameter_count)
                return error_set(STATUS_UNDEFINED_PARAMETER, "there is no parameter $%u",
                                 expression->index + 1);
            value = environment->parameters[expression->index];
        }
        value.type = expression->type;
        vector_init_constant(&compiled->constant, &value, compiled->local->arena);
        compiled->constant_made = true;
    }
    *out = compiled->constant;
    return STATUS_OK;
}

/* ---- truth ------------------------------------------------------------------------------- */

static bool is_true_at(const struct vector *vector, uint32_t row) {
    uint32_t at = vector_position(vector, row);
    return validity_get(vector->validity, at) && ((const uint8_t *)vector->data)[at];
}

static enum status evaluate_and_or(struct fiber *f, struct compiled *compiled,
                                   const struct batch *input, const uint16_t *rows, uint32_t count,
                                   struct arena *arena, struct vector *out) {
    bool decides = compiled->expression->kind == EXPRESSION_OR;
    struct vector *result = fresh_result(compiled);
    uint8_t *data = result->data;
    uint16_t *open = selection_room(compiled, &compiled->rows_a);
    memcpy(open, rows, count * sizeof *open);
    uint32_t open_count = count;
    for (uint32_t i = 0; i < count; i++)
        data[rows[i]] = !decides;
    for (uint32_t a = 0; a < compiled->argument_count && open_count > 0; a++) {
        struct vector side;
        TRY(evaluate(f, compiled->arguments[a], input, open, open_count, arena, &side));
        const uint8_t *values = side.data;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < open_count; i++) {
            uint32_t row = open[i], at = vector_position(&side, row);
            if (!validity_get(side.validity, at)) {
                vector_set_null(result, row);
            } else if ((values[at] != 0) == decides) {
                data[row] = decides;
                if (result->validity != NULL)
                    validity_set(result->validity, row);
                continue;
            }
            open[kept++] = (uint16_t)row;
        }
        open_count = kept;
    }
    *out = *result;
    return STATUS_OK;
}

static enum status evaluate_test(struct fiber *f, struct compiled *compiled,
                                 const struct batch *input, const uint16_t *rows, uint32_t count,
                                 struct arena *arena, struct vector *out) {
    bool constant;
    TRY(evaluate_arguments(f, compiled, input, rows, count, arena, &constant));
    const struct vector *side = &compiled->vectors[0];
    struct vector *result = fresh_result(compiled);
    uint8_t *data = result->data;
    enum expression_test test = (enum expression_test)compiled->expression->test;
    bool negated = test == TEST_NOT_NULL || test == TEST_NOT_UNKNOWN || test == TEST_NOT_TRUE ||
                   test == TEST_NOT_FALSE;
    bool about_null = test == TEST_NULL || test == TEST_NOT_NULL || test == TEST_UNKNOWN ||
                      test == TEST_NOT_UNKNOWN;
    bool wanted = test == TEST_TRUE || test == TEST_NOT_TRUE;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        bool null = vector_is_null(side, row);
        bool answer = about_null
                          ? null
                          : !null && (((const uint8_t *)side->data)[vector_position(side, row)] !=
                                      0) == wanted;
        data[row] = answer != negated;
    }
    *out = *result;
    return STATUS_OK;
}

static enum status evaluate_not(struct fiber *f, struct compiled *compiled,
                                const struct batch *input, const uint16_t *rows, uint32_t count,
                                struct arena *arena, struct vector *out) {
    bool constant;
    TRY(evaluate_arguments(f, compiled, input, rows, count, arena, &constant));
    struct vector *result = fresh_result(compiled);
    merge_nulls(result, compiled->vectors, 1, rows, count);
    struct vector_view view = vector_view(&compiled->vectors[0]);
    uint8_t *data = result->data;
    for (uint32_t i = 0; i < count; i++)
        data[rows[i]] = !((const uint8_t *)view.data)[view.indices[rows[i]]];
    *out = *result;
    return STATUS_OK;
}

/* ---- choices ----------------------------------------------------------------------------- */

/* result[row] = source[row] for the rows. */
static void scatter(struct vector *result, const struct vector *source, const uint16_t *rows,
                    uint32_t count) {
    size_t size = physical_size((enum physical)result->physical);
    struct vector_view view = vector_view(source);
    ASSERT(result->physical == source->physical);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i], at = view.indices[row];
        if (!view_valid(&view, at)) {
            vector_set_null(result, row);
            continue;
        }
        memcpy((uint8_t *)result->data + row * size, (const uint8_t *)view.data + at * size, size);
    }
}

static void subtract_rows(uint16_t *rows, uint32_t *count, const uint16_t *gone,
                          uint32_t gone_count) {
    uint32_t kept = 0, g = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if (g < gone_count && gone[g] == rows[i]) {
            g++;
            continue;
        }
        rows[kept++] = rows[i];
    }
    *count = kept;
}

static enum status evaluate_case(struct fiber *f, struct compiled *compiled,
                                 const struct batch *input, const uint16_t *rows, uint32_t count,
                                 struct arena *arena, struct vector *out) {
    struct vector *result = fresh_result(compiled);
    uint16_t *open = selection_room(compiled, &compiled->rows_a);
    uint16_t *hit = selection_room(compiled, &compiled->rows_b);
    uint32_t open_count = count, i = 0;
    struct vector branch;
    memcpy(open, rows, count * sizeof *open);
    for (; i + 1 < compiled->argument_count && open_count > 0; i += 2) {
        uint32_t hit_count;
        TRY(exec__select(f, compiled->arguments[i], input, open, open_count, arena, hit,
                         &hit_count));
        if (hit_count == 0)
            continue;
        TRY(evaluate(f, compiled->arguments[i + 1], input, hit, hit_count, arena, &branch));
        scatter(result, &branch, hit, hit_count);
        subtract_rows(open, &open_count, hit, hit_count);
    }
    if (open_count > 0 && (compiled->argument_count & 1) != 0) {
        TRY(evaluate(f, compiled->arguments[compiled->argument_count - 1], input, open, open_count,
                     arena, &branch));
        scatter(result, &branch, open, open_count);
    } else {
        for (uint32_t k = 0; k < open_count; k++)
            vector_set_null(result, open[k]);
    }
    *out = *result;
    return STATUS_OK;
}

static enum status evaluate_coalesce(struct fiber *f, struct compiled *compiled,
                                     const struct batch *input, const uint16_t *rows,
                                     uint32_t count, struct arena *arena, struct vector *out) {
    struct vector *result = fresh_result(compiled);
    uint16_t *open = selection_room(compiled, &compiled->rows_a);
    uint16_t *hit = selection_room(compiled, &compiled->rows_b);
    uint32_t open_count = count;
    memcpy(open, rows, count * sizeof *open);
    for (uint32_t a = 0; a < compiled->argument_count && open_count > 0; a++) {
        struct vector side;
        uint32_t hit_count = 0, kept = 0;
        TRY(evaluate(f, compiled->arguments[a], input, open, open_count, arena, &side));
        for (uint32_t i = 0; i < open_count; i++)
            if (vector_is_null(&side, open[i]))
                open[kept++] = open[i];
            else
                hit[hit_count++] = open[i];
        scatter(result, &side, hit, hit_count);
        open_count = kept;
    }
    for (uint32_t k = 0; k < open_count; k++)
        vector_set_null(result, open[k]);
    *out = *result;
    return STATUS_OK;
}

/* ---- casts and IN ------------------------------------------------------------------------ */

static enum status evaluate_cast(struct fiber *f, struct compiled *compiled,
                                 const struct batch *input, const uint16_t *rows, uint32_t count,
                                 struct arena *arena, struct vector *out) {
    struct type to = compiled->expression->type;
    bool constant;
    TRY(evaluate_arguments(f, compiled, input, rows, count, arena, &constant));
    const struct vector *source = &compiled->vectors[0];
    if (exec__cast_is_view(source->type, to)) {
        *out = *source;
        out->type = to;
        return STATUS_OK;
    }
    if (constant && count > 0) {
        rows = vector_zeros;
        count = 1;
    }
    struct vector *result = fresh_result(compiled);
    merge_nulls(result, source, 1, rows, count);
    if (!exec__cast_fast(source, rows, count, result))
        for (uint32_t i = 0; i < count; i++) {
            if (vector_is_null(result, rows[i]))
                continue;
            struct value value = vector_get(source, rows[i]), converted;
            TRY(value_cast(compiled->local->execution->environment.value_context, &value, to,
                           compiled->expression->is_explicit, arena, &converted));
            if (converted.is_null)
                vector_set_null(result, rows[i]);
            else
                vector_set(result, rows[i], &converted, NULL);
        }
    *out = *result;
    if (constant && count > 0)
        out->kind = VECTOR_CONSTANT;
    return STATUS_OK;
}

static enum status evaluate_in(struct fiber *f, struct compiled *compiled,
                               const struct batch *input, const uint16_t *rows, uint32_t count,
                               struct arena *arena, struct vector *out) {
    bool constant;
    TRY(evaluate_arguments(f, compiled, input, rows, count, arena, &constant));
    if (compiled->in_set == NULL)
        TRY(exec__in_set_make(f, compiled->local, compiled->expression, &compiled->in_set));
    struct vector *result = fresh_result(compiled);
    const struct vector *left = &compiled->vectors[0];
    merge_nulls(result, left, 1, rows, count);
    exec__in_set_find(compiled->in_set, left, rows, count, compiled->expression->negated, result);
    *out = *result;
    return STATUS_OK;
}

/* ---- dictionaries ------------------------------------------------------------------------ */

/* The column as a dictionary with far fewer entries than rows; NULL: it is not. */
static const struct vector *dictionary_of(const struct compiled *compiled,
                                          const struct batch *input, uint32_t count) {
    if (!compiled->per_entry || compiled->in_entries)
        return NULL;
    const struct vector *column = &input->vectors[compiled->entry_column];
    return column->kind == VECTOR_DICTIONARY && column->dictionary_count > 0 &&
                   column->dictionary_count <= count / 2
               ? column
               : NULL;
}

static uint32_t entries_met(const struct vector *column, const uint16_t *rows, uint32_t count,
                            uint16_t *entries) {
    uint8_t met[VECTOR_SIZE];
    uint32_t n = 0;
    memset(met, 0, column->dictionary_count);
    for (uint32_t i = 0; i < count; i++)
        met[column->indices[rows[i]]] = 1;
    for (uint32_t e = 0; e < column->dictionary_count; e++) {
        entries[n] = (uint16_t)e;
        n += met[e];
    }
    return n;
}

/* The entries as rows of a batch, which has no other column. */
static enum status batch_of_entries(const struct compiled *compiled, const struct batch *input,
                                    const struct vector *column, struct arena *arena,
                                    struct batch *batch) {
    *batch =
        (struct batch){.column_count = input->column_count, .row_count = column->dictionary_count};
    batch->vectors = arena_alloc_zeroed(arena, input->column_count * sizeof *batch->vectors);
    if (batch->vectors == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    struct vector *entry = &batch->vectors[compiled->entry_column];
    *entry = *column;
    entry->kind = VECTOR_FLAT;
    entry->indices = NULL;
    return STATUS_OK;
}

/* The value for each entry that occurs, at its number. */
static enum status evaluate_entries(struct fiber *f, struct compiled *compiled,
                                    const struct batch *input, const struct vector *column,
                                    const uint16_t *rows, uint32_t count, struct arena *arena,
                                    struct vector *out) {
    uint16_t entries[VECTOR_SIZE];
    uint32_t met = entries_met(column, rows, count, entries);
    struct batch batch;
    TRY(batch_of_entries(compiled, input, column, arena, &batch));
    compiled->in_entries = true;
    enum status status = evaluate(f, compiled, &batch, entries, met, arena, out);
    compiled->in_entries = false;
    return status;
}

static enum status select_entries(struct fiber *f, struct compiled *compiled,
                                  const struct batch *input, const struct vector *column,
                                  const uint16_t *rows, uint32_t count, struct arena *arena,
                                  uint16_t *out, uint32_t *out_count) {
    uint16_t entries[VECTOR_SIZE];
    uint8_t chosen[VECTOR_SIZE];
    uint32_t kept = 0, met = entries_met(column, rows, count, entries);
    struct batch batch;
    TRY(batch_of_entries(compiled, input, column, arena, &batch));
    compiled->in_entries = true;
    enum status status = exec__select(f, compiled, &batch, entries, met, arena, entries, &met);
    compiled->in_entries = false;
    TRY(status);
    memset(chosen, 0, column->dictionary_count);
    for (uint32_t e = 0; e < met; e++)
        chosen[entries[e]] = 1;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t row = rows[i];
        out[kept] = row;
        kept += chosen[column->indices[row]];
    }
    *out_count = kept;
    return STATUS_OK;
}

/* ---- the tree ---------------------------------------------------------------------------- */

static enum status evaluate(struct fiber *f, struct compiled *compiled, const struct batch *input,
                            const uint16_t *rows, uint32_t count, struct arena *arena,
                            struct vector *out) {
    const struct vector *dictionary = dictionary_of(compiled, input, count);
    if (dictionary != NULL) {
        TRY(evaluate_entries(f, compiled, input, dictionary, rows, count, arena, out));
        if (out->kind == VECTOR_FLAT) {
            out->kind = VECTOR_DICTIONARY;
            out->indices = dictionary->indices;
            out->dictionary_count = dictionary->dictionary_count;
        }
        return STATUS_OK;
    }
    if (compiled->by_row)
        return evaluate_by_row(f, compiled, input, rows, count, arena, out);
    switch (compiled->expression->kind) {
    case EXPRESSION_COLUMN:
        ASSERT(compiled->expression->index < input->column_count);
        *out = input->vectors[compiled->expression->index];
        return STATUS_OK;
    case EXPRESSION_CALL:
        return evaluate_call(f, compiled, input, rows, count, arena, out);
    case EXPRESSION_AND:
    case EXPRESSION_OR:
        return evaluate_and_or(f, compiled, input, rows, count, arena, out);
    case EXPRESSION_NOT:
        return evaluate_not(f, compiled, input, rows, count, arena, out);
    case EXPRESSION_TEST:
        return evaluate_test(f, compiled, input, rows, count, arena, out);
    case EXPRESSION_CASE:
        return evaluate_case(f, compiled, input, rows, count, arena, out);
    case EXPRESSION_COALESCE:
        return evaluate_coalesce(f, compiled, input, rows, count, arena, out);
    case EXPRESSION_CAST:
        return evaluate_cast(f, compiled, input, rows, count, arena, out);
    case EXPRESSION_IN:
        return evaluate_in(f, compiled, input, rows, count, arena, out);
    case EXPRESSION_SUBPLAN:
        return evaluate_once(f, compiled, count, arena, out);
    default:
        return evaluate_constant(compiled, arena, out);
    }
}

enum status exec__evaluate(struct fiber *f, struct compiled *compiled, const struct batch *input,
                           const uint16_t *rows, uint32_t count, struct arena *arena,
                           struct vector *result) {
    TRY(evaluate(f, compiled, input, rows, count, arena, result));
    result->type = compiled->expression->type;
    return STATUS_OK;
}

/* ---- conditions -------------------------------------------------------------------------- */

static enum status select_or(struct fiber *f, struct compiled *compiled, const struct batch *input,
                             const uint16_t *rows, uint32_t count, struct arena *arena,
                             uint16_t *out, uint32_t *out_count) {
    uint16_t *open = selection_room(compiled, &compiled->rows_a);
    uint16_t *hit = selection_room(compiled, &compiled->rows_b);
    uint8_t chosen[VECTOR_SIZE];
    uint32_t open_count = count;
    memcpy(open, rows, count * sizeof *open);
    for (uint32_t i = 0; i < count; i++)
        chosen[rows[i]] = 0;
    for (uint32_t a = 0; a < compiled->argument_count && open_count > 0; a++) {
        uint32_t hit_count;
        TRY(exec__select(f, compiled->arguments[a], input, open, open_count, arena, hit,
                         &hit_count));
        for (uint32_t i = 0; i < hit_count; i++)
            chosen[hit[i]] = 1;
        subtract_rows(open, &open_count, hit, hit_count);
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t row = rows[i];
        out[n] = row;
        n += chosen[row];
    }
    *out_count = n;
    return STATUS_OK;
}

enum status exec__select(struct fiber *f, struct compiled *compiled, const struct batch *input,
                         const uint16_t *rows, uint32_t count, struct arena *arena, uint16_t *out,
                         uint32_t *out_count) {
    const struct expression *expression = compiled->expression;
    const struct vector *dictionary = dictionary_of(compiled, input, count);
    bool constant;
    if (dictionary != NULL)
        return select_entries(f, compiled, input, dictionary, rows, count, arena, out, out_count);
    if (!compiled->by_row && expression->kind == EXPRESSION_AND) {
        const uint16_t *left = rows;
        uint32_t left_count = count;
        for (uint32_t i = 0; i < compiled->argument_count && left_count > 0; i++) {
            TRY(exec__select(f, compiled->arguments[i], input, left, left_count, arena, out,
                             &left_count));
            left = out;
        }
        *out_count = left_count;
        return STATUS_OK;
    }
    if (!compiled->by_row && expression->kind == EXPRESSION_OR)
        return select_or(f, compiled, input, rows, count, arena, out, out_count);
    if (!compiled->by_row && expression->kind == EXPRESSION_CALL &&
        expression->function->comparison != COMPARISON_NONE) {
        TRY(evaluate_arguments(f, compiled, input, rows, count, arena, &constant));
        *out_count =
            exec__compare_select((enum comparison)expression->function->comparison,
                                 &compiled->vectors[0], &compiled->vectors[1], rows, count, out);
        return STATUS_OK;
    }
    struct vector truth;
    uint32_t n = 0;
    TRY(evaluate(f, compiled, input, rows, count, arena, &truth));
    for (uint32_t i = 0; i < count; i++) {
        uint16_t row = rows[i];
        out[n] = row;
        n += is_true_at(&truth, row);
    }
    *out_count = n;
    return STATUS_OK;
}
