/*
 * Expressions over one row, boxed: the whole of the language, evaluated by walking the tree. The
 * short path, DML, CHECK, bindings and folding use it; the vector evaluator falls back on it for
 * what is rare.
 *
 * AND, OR, CASE, COALESCE and IN stop as soon as the answer is known, so errors of branches that
 * are not reached never show.
 */
#include "exec/exec_state.h"
#include "value/value_cast.h"

struct walk {
    struct fiber *f;
    struct exec_local *local;
    const struct row_input *input;
    struct arena *arena;
};

enum { STACK_LEFT_MIN = 24 << 10 };

static enum status walk(const struct walk *w, const struct expression *expression,
                        struct value *out);

/* ---- calls ------------------------------------------------------------------------------- */

struct arena *exec__local_arena(struct exec_local *local) {
    return local->arena;
}

void **exec__call_memory(struct kernel_call *call) {
    if (call->memory != NULL)
        return call->memory;
    struct exec_local *local = call->local;
    uint32_t mask = local->cache_capacity - 1;
    if (local->cache_count * 2 >= local->cache_capacity) {
        uint32_t capacity = local->cache_capacity == 0 ? 16 : local->cache_capacity * 2;
        struct call_cache *caches = arena_alloc_zeroed(local->arena, capacity * sizeof *caches);
        ASSERT(caches != NULL); /* as many as calls in one plan */
        mask = capacity - 1;
        for (uint32_t i = 0; i < local->cache_capacity; i++)
            if (local->caches[i].expression != NULL) {
                uint32_t at = (uint32_t)((uintptr_t)local->caches[i].expression >> 4) & mask;
                while (caches[at].expression != NULL)
                    at = (at + 1) & mask;
                caches[at] = local->caches[i];
            }
        local->caches = caches;
        local->cache_capacity = capacity;
    }
    uint32_t at = (uint32_t)((uintptr_t)call->expression >> 4) & mask;
    while (local->caches[at].expression != NULL && local->caches[at].expression != call->expression)
        at = (at + 1) & mask;
    if (local->caches[at].expression == NULL) {
        local->caches[at].expression = call->expression;
        local->cache_count++;
    }
    return &local->caches[at].memory;
}

/* A vector kernel over one row. */
static enum status call_vector_kernel(struct kernel_call *call, vector_kernel kernel,
                                      const struct value *arguments, uint32_t count,
                                      struct type result_type, struct value *out) {
    struct {
        _Alignas(16) uint8_t bytes[32];
    } storage[FUNCTION_ARGUMENTS_MAX], result_storage = {{0}};
    struct vector vectors[FUNCTION_ARGUMENTS_MAX];
    ASSERT(count <= FUNCTION_ARGUMENTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (!arguments[i].is_null)
            value_to_physical(&arguments[i], storage[i].bytes);
        vectors[i] = (struct vector){.type = arguments[i].type,
                                     .physical = (uint8_t)type_physical(arguments[i].type),
                                     .kind = VECTOR_CONSTANT,
                                     .data = storage[i].bytes};
    }
    struct vector result = {.type = result_type,
                            .physical = (uint8_t)type_physical(result_type),
                            .kind = VECTOR_FLAT,
                            .data = result_storage.bytes,
                            .own_data = result_storage.bytes};
    TRY(kernel(call, vectors, vector_zeros, 1, &result));
    struct value value = value_from_physical(result_type, result_storage.bytes);
    if (result.physical == PHYSICAL_STRING)
        value.string = arena_copy_slice(call->arena, value.string);
    *out = value;
    return STATUS_OK;
}

enum status exec__scalar_call(struct fiber *f, struct exec_local *local,
                              const struct expression *expression, const struct function *function,
                              struct type result_type, const struct value *arguments,
                              uint32_t argument_count, struct arena *arena,
                              struct value *value_out) {
    if (function->nulls == FUNCTION_STRICT)
        for (uint32_t i = 0; i < argument_count; i++)
            if (arguments[i].is_null) {
                *value_out = value_null(result_type);
                return STATUS_OK;
            }
    if (function->comparison != COMPARISON_NONE) {
        *value_out = value_bool(comparison_holds((enum comparison)function->comparison,
                                                 exec__value_order(&arguments[0], &arguments[1])));
        return STATUS_OK;
    }
    const struct kernel_entry *kernel = exec__kernel_find(function->symbol);
    struct kernel_call call = {.f = f,
                               .environment = &local->execution->environment,
                               .local = local,
                               .expression = expression,
                               .arena = arena};
    if (kernel == NULL || (kernel->boxed == NULL && kernel->vector == NULL))
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "function %s is not supported",
                         function->name);
    if (kernel->vector != NULL)
        return call_vector_kernel(&call, kernel->vector, arguments, argument_count, result_type,
                                  value_out);
    *value_out = (struct value){.type = result_type};
    return kernel->boxed(&call, arguments, value_out);
}

enum { ARGUMENTS_ON_STACK = 8 };

static enum status walk_arguments(const struct walk *w, const struct expression *expression,
                                  struct value *room, struct value **arguments_out) {
    uint32_t count = expression->argument_count;
    struct value *arguments = room;
    if (count > ARGUMENTS_ON_STACK) {
        arguments = arena_alloc(w->arena, count * sizeof *arguments);
        if (arguments == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < count; i++)
        TRY(walk(w, expression->arguments[i], &arguments[i]));
    *arguments_out = arguments;
    return STATUS_OK;
}

static enum status walk_call(const struct walk *w, const struct expression *expression,
                             struct value *out) {
    struct value room[ARGUMENTS_ON_STACK], *arguments;
    TRY(walk_arguments(w, expression, room, &arguments));
    return exec__scalar_call(w->f, w->local, expression, expression->function, expression->type,
                             arguments, expression->argument_count, w->arena, out);
}

/* ---- truth ------------------------------------------------------------------------------- */

static enum status walk_and_or(const struct walk *w, const struct expression *expression,
                               struct value *out) {
    bool decides = expression->kind == EXPRESSION_OR; /* the value that ends it */
    bool unknown = false;
    for (uint32_t i = 0; i < expression->argument_count; i++) {
        struct value value;
        TRY(walk(w, expression->arguments[i], &value));
        if (value.is_null) {
            unknown = true;
        } else if ((value.boolean != 0) == decides) {
            *out = value_bool(decides);
            return STATUS_OK;
        }
    }
    *out = unknown ? value_null(TYPE_OF(BOOL)) : value_bool(!decides);
    return STATUS_OK;
}

static enum status walk_test(const struct walk *w, const struct expression *expression,
                             struct value *out) {
    struct value value;
    TRY(walk(w, expression->arguments[0], &value));
    bool is_true = !value.is_null && value.type.id == TYPE_BOOL && value.boolean;
    bool is_false = !value.is_null && value.type.id == TYPE_BOOL && !value.boolean;
    bool answer = false;
    switch ((enum expression_test)expression->test) {
    case TEST_NULL:
    case TEST_UNKNOWN:
        answer = value.is_null;
        break;
    case TEST_NOT_NULL:
    case TEST_NOT_UNKNOWN:
        answer = !value.is_null;
        break;
    case TEST_TRUE:
        answer = is_true;
        break;
    case TEST_NOT_TRUE:
        answer = !is_true;
        break;
    case TEST_FALSE:
        answer = is_false;
        break;
    case TEST_NOT_FALSE:
        answer = !is_false;
        break;
    }
    *out = value_bool(answer);
    return STATUS_OK;
}

static enum status walk_distinct(const struct walk *w, const struct expression *expression,
                                 struct value *out) {
    struct value pair[2], equal;
    TRY(walk(w, expression->arguments[0], &pair[0]));
    TRY(walk(w, expression->arguments[1], &pair[1]));
    bool distinct;
    if (pair[0].is_null || pair[1].is_null) {
        distinct = pair[0].is_null != pair[1].is_null;
    } else {
        TRY(exec__scalar_call(w->f, w->local, expression, expression->function, TYPE_OF(BOOL), pair,
                              2, w->arena, &equal));
        distinct = !equal.boolean;
    }
    *out = value_bool(distinct != expression->negated);
    return STATUS_OK;
}

/* Three-valued "some element": what is known so far. */
struct any_state {
    bool found, unknown;
};

static enum status compare_element(const struct walk *w, const struct expression *expression,
                                   const struct value *left, const struct value *element,
                                   struct any_state *state, bool wanted) {
    if (left->is_null || element->is_null) {
        state->unknown = true;
        return STATUS_OK;
    }
    struct value pair[2] = {*left, *element}, answer;
    TRY(exec__scalar_call(w->f, w->local, expression, expression->function, TYPE_OF(BOOL), pair, 2,
                          w->arena, &answer));
    if (answer.is_null)
        state->unknown = true;
    else if ((answer.boolean != 0) == wanted)
        state->found = true;
    return STATUS_OK;
}

static enum status walk_in(const struct walk *w, const struct expression *expression,
                           struct value *out) {
    struct value left;
    struct any_state state = {0};
    TRY(walk(w, expression->arguments[0], &left));
    for (uint32_t i = 1; i < expression->argument_count && !state.found; i++) {
        struct value element;
        TRY(walk(w, expression->arguments[i], &element));
        TRY(compare_element(w, expression, &left, &element, &state, true));
    }
    *out = !state.found && state.unknown ? value_null(TYPE_OF(BOOL))
                                         : value_bool(state.found != expression->negated);
    return STATUS_OK;
}

static enum status walk_any_all(const struct walk *w, const struct expression *expression,
                                struct value *out) {
    bool is_any = expression->kind == EXPRESSION_ANY;
    struct value left, body;
    TRY(walk(w, expression->arguments[0], &left));
    TRY(walk(w, expression->arguments[1], &body));
    if (body.is_null) {
        *out = value_null(TYPE_OF(BOOL));
        return STATUS_OK;
    }
    struct array array;
    struct any_state state = {0};
    TRY(array_open(body.string, &array));
    for (uint32_t i = 0; i < array.count && !state.found; i++) {
        struct value element;
        TRY(array_get(&array, i, &element));
        TRY(compare_element(w, expression, &left, &element, &state, is_any));
    }
    *out = state.found     ? value_bool(is_any)
           : state.unknown ? value_null(TYPE_OF(BOOL))
                           : value_bool(!is_any);
    return STATUS_OK;
}

static enum status walk_row_compare(const struct walk *w, const struct expression *expression,
                                    struct value *out) {
    uint32_t half = expression->argument_count / 2;
    for (uint32_t i = 0; i < half; i++) {
        struct value a, b;
        TRY(walk(w, expression->arguments[i], &a));
        TRY(walk(w, expression->arguments[half + i], &b));
        if (a.is_null || b.is_null) {
            *out = value_null(TYPE_OF(BOOL));
            return STATUS_OK;
        }
        int order = exec__value_order(&a, &b);
        if (order != 0 || i + 1 == half) {
            *out = value_bool(comparison_holds((enum comparison)expression->comparison, order));
            return STATUS_OK;
        }
    }
    *out = value_bool(false);
    return STATUS_OK;
}

/* ---- choices ----------------------------------------------------------------------------- */

static enum status walk_case(const struct walk *w, const struct expression *expression,
                             struct value *out) {
    uint32_t count = expression->argument_count, i = 0;
    for (; i + 1 < count; i += 2) {
        struct value condition;
        TRY(walk(w, expression->arguments[i], &condition));
        if (!condition.is_null && condition.boolean)
            return walk(w, expression->arguments[i + 1], out);
    }
    if (i < count)
        return walk(w, expression->arguments[i], out);
    *out = value_null(expression->type);
    return STATUS_OK;
}

static enum status walk_coalesce(const struct walk *w, const struct expression *expression,
                                 struct value *out) {
    *out = value_null(expression->type);
    for (uint32_t i = 0; i < expression->argument_count && out->is_null; i++)
        TRY(walk(w, expression->arguments[i], out));
    return STATUS_OK;
}

static enum status walk_nullif(const struct walk *w, const struct expression *expression,
                               struct value *out) {
    struct value pair[2], equal;
    TRY(walk(w, expression->arguments[0], &pair[0]));
    TRY(walk(w, expression->arguments[1], &pair[1]));
    TRY(exec__scalar_call(w->f, w->local, expression, expression->function, TYPE_OF(BOOL), pair, 2,
                          w->arena, &equal));
    if (!equal.is_null && equal.boolean) {
        *out = value_null(expression->type);
        return STATUS_OK;
    }
    return walk(w, expression->arguments[2], out);
}

static enum status walk_extreme(const struct walk *w, const struct expression *expression,
                                struct value *out) {
    bool greatest = expression->kind == EXPRESSION_GREATEST;
    *out = value_null(expression->type);
    for (uint32_t i = 0; i < expression->argument_count; i++) {
        struct value value;
        TRY(walk(w, expression->arguments[i], &value));
        if (value.is_null)
            continue;
        if (out->is_null || (exec__value_order(&value, out) > 0) == greatest)
            *out = value;
    }
    return STATUS_OK;
}

/* ---- arrays and records ------------------------------------------------------------------ */

static enum status walk_array(const struct walk *w, const struct expression *expression,
                              struct value *out) {
    struct value room[ARGUMENTS_ON_STACK], *arguments;
    TRY(walk_arguments(w, expression, room, &arguments));
    uint32_t count = expression->argument_count;
    if (!expression->is_nested)
        return array_make(expression->type.id, arguments, count, w->arena, out);
    const struct type_info *info = type_info_get(expression->type.id);
    struct array first = {0};
    struct value *elements = NULL;
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct array array = {0};
        if (!arguments[i].is_null)
            TRY(array_open(arguments[i].string, &array));
        if (i == 0) {
            first = array;
            elements = arena_alloc(w->arena, ((size_t)array.count * count + 1) * sizeof *elements);
            if (elements == NULL)
                return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        }
        bool same = array.dimension_count == first.dimension_count;
        for (uint32_t d = 0; same && d < array.dimension_count; d++)
            same = array.lengths[d] == first.lengths[d];
        if (!same)
            return error_set(STATUS_ARRAY_SUBSCRIPT_ERROR,
                             "multidimensional arrays must have array expressions with matching "
                             "dimensions");
        for (uint32_t k = 0; k < array.count; k++)
            TRY(array_get(&array, k, &elements[total++]));
    }
    uint32_t dimensions = total == 0 ? 0 : first.dimension_count + 1;
    if (dimensions > ARRAY_DIMENSIONS_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED,
                         "number of array dimensions (%u) exceeds the maximum allowed (%d)",
                         dimensions, ARRAY_DIMENSIONS_MAX);
    uint32_t lengths[ARRAY_DIMENSIONS_MAX] = {count};
    int32_t lower_bounds[ARRAY_DIMENSIONS_MAX] = {1};
    for (uint32_t d = 1; d < dimensions; d++) {
        lengths[d] = first.lengths[d - 1];
        lower_bounds[d] = first.lower_bounds[d - 1];
    }
    struct slice body;
    TRY(array_encode(info->element_id, elements, total, dimensions, lengths, lower_bounds, w->arena,
                     &body));
    *out = value_string(expression->type, body);
    return STATUS_OK;
}

static int64_t integer_of(const struct value *value) {
    switch (type_physical(value->type)) {
    case PHYSICAL_INT16:
        return value->int16;
    case PHYSICAL_INT32:
        return value->int32;
    default:
        return value->int64;
    }
}

static enum status walk_subscript(const struct walk *w, const struct expression *expression,
                                  struct value *out) {
    struct value room[ARGUMENTS_ON_STACK], *arguments;
    TRY(walk_arguments(w, expression, room, &arguments));
    *out = value_null(expression->type);
    for (uint32_t i = 0; i < expression->argument_count; i++)
        if (arguments[i].is_null)
            return STATUS_OK;
    struct array array;
    TRY(array_open(arguments[0].string, &array));
    if (array.dimension_count != expression->argument_count - 1)
        return STATUS_OK;
    uint64_t at = 0;
    for (uint32_t d = 0; d < array.dimension_count; d++) {
        int64_t place = integer_of(&arguments[d + 1]) - array.lower_bounds[d];
        if (place < 0 || place >= array.lengths[d])
            return STATUS_OK;
        at = at * array.lengths[d] + (uint64_t)place;
    }
    struct value element;
    TRY(array_get(&array, (uint32_t)at, &element));
    if (!element.is_null)
        *out = element;
    return STATUS_OK;
}

static enum status walk_slice(const struct walk *w, const struct expression *expression,
                              struct value *out) {
    struct value body;
    struct array array;
    TRY(walk(w, expression->arguments[0], &body));
    *out = value_null(expression->type);
    if (body.is_null)
        return STATUS_OK;
    TRY(array_open(body.string, &array));
    uint32_t given = (expression->argument_count - 1) / 2, dimensions = array.dimension_count;
    uint32_t first[ARRAY_DIMENSIONS_MAX] = {0}, lengths[ARRAY_DIMENSIONS_MAX] = {0};
    int32_t lower_bounds[ARRAY_DIMENSIONS_MAX];
    bool empty = dimensions == 0 || given > dimensions;
    uint64_t total = 1;
    for (uint32_t d = 0; d < dimensions && !empty; d++) {
        int64_t low = array.lower_bounds[d], high = low + (int64_t)array.lengths[d] - 1;
        for (int side = 0; side < 2 && d < given; side++) {
            const struct expression *bound = expression->arguments[1 + 2 * d + (uint32_t)side];
            struct value value;
            if (bound->kind == EXPRESSION_NONE)
                continue;
            TRY(walk(w, bound, &value));
            if (value.is_null)
                return STATUS_OK;
            int64_t number = integer_of(&value);
            if (side == 0 && number > low)
                low = number;
            if (side == 1 && number < high)
                high = number;
        }
        empty = low > high;
        first[d] = (uint32_t)(low - array.lower_bounds[d]);
        lengths[d] = empty ? 0 : (uint32_t)(high - low + 1);
        lower_bounds[d] = 1;
        total *= lengths[d];
    }
    if (empty)
        return array_make(expression->type.id, NULL, 0, w->arena, out);
    struct value *elements = arena_alloc(w->arena, total * sizeof *elements);
    if (elements == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint64_t i = 0; i < total; i++) {
        uint64_t rest = i, at = 0, scale = 1;
        for (uint32_t d = dimensions; d-- > 0;) {
            at += (first[d] + rest % lengths[d]) * scale;
            rest /= lengths[d];
            scale *= array.lengths[d];
        }
        TRY(array_get(&array, (uint32_t)at, &elements[i]));
    }
    struct slice slice;
    TRY(array_encode(array.element_type.id, elements, (uint32_t)total, dimensions, lengths,
                     lower_bounds, w->arena, &slice));
    *out = value_string(expression->type, slice);
    return STATUS_OK;
}

static enum status walk_row(const struct walk *w, const struct expression *expression,
                            struct value *out) {
    struct value room[ARGUMENTS_ON_STACK], *arguments;
    TRY(walk_arguments(w, expression, room, &arguments));
    TRY(record_make(arguments, expression->argument_count, w->arena, out));
    out->type = expression->type;
    return STATUS_OK;
}

static enum status walk_field(const struct walk *w, const struct expression *expression,
                              struct value *out) {
    struct value body;
    struct record record;
    TRY(walk(w, expression->arguments[0], &body));
    *out = value_null(expression->type);
    if (body.is_null)
        return STATUS_OK;
    TRY(record_open(body.string, &record));
    if (expression->index >= record.field_count)
        return STATUS_OK;
    struct value *fields = arena_alloc(w->arena, record.field_count * sizeof *fields);
    if (fields == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(record_get_all(&record, fields));
    *out = fields[expression->index];
    return STATUS_OK;
}

/* ---- leaves and casts -------------------------------------------------------------------- */

static void read_column(const struct walk *w, uint32_t index, struct value *out) {
    if (index < w->input->value_count) {
        *out = w->input->values[index];
        return;
    }
    const struct batch *batch = w->input->batch;
    index -= w->input->value_count;
    ASSERT(batch != NULL && index < batch->column_count);
    *out = vector_get(&batch->vectors[index], w->input->row);
}

static enum status walk_cast(const struct walk *w, const struct expression *expression,
                             struct value *out) {
    struct value value;
    TRY(walk(w, expression->arguments[0], &value));
    if (value.is_null) {
        *out = value_null(expression->type);
        return STATUS_OK;
    }
    return value_cast(w->local->execution->environment.value_context, &value, expression->type,
                      expression->is_explicit, w->arena, out);
}

static enum status walk(const struct walk *w, const struct expression *expression,
                        struct value *out) {
    if (__builtin_expect(fiber_stack_left() < STACK_LEFT_MIN, 0))
        return error_set(STATUS_STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
    switch (expression->kind) {
    case EXPRESSION_CONSTANT:
        *out = expression->value;
        return STATUS_OK;
    case EXPRESSION_COLUMN:
        read_column(w, expression->index, out);
        return STATUS_OK;
    case EXPRESSION_PARAMETER: {
        const struct exec_environment *environment = &w->local->execution->environment;
        if (expression->index >= environment->parameter_count)
            return error_set(STATUS_UNDEFINED_PARAMETER, "there is no parameter $%u",
                             expression->index + 1);
        *out = environment->parameters[expression->index];
        return STATUS_OK;
    }
    case EXPRESSION_SLOT:
        *out = w->local->execution->slots[expression->index];
        return STATUS_OK;
    case EXPRESSION_CALL:
        return walk_call(w, expression, out);
    case EXPRESSION_AND:
    case EXPRESSION_OR:
        return walk_and_or(w, expression, out);
    case EXPRESSION_NOT:
        TRY(walk(w, expression->arguments[0], out));
        if (!out->is_null)
            out->boolean = !out->boolean;
        return STATUS_OK;
    case EXPRESSION_TEST:
        return walk_test(w, expression, out);
    case EXPRESSION_DISTINCT:
        return walk_distinct(w, expression, out);
    case EXPRESSION_CASE:
        return walk_case(w, expression, out);
    case EXPRESSION_COALESCE:
        return walk_coalesce(w, expression, out);
    case EXPRESSION_NULLIF:
        return walk_nullif(w, expression, out);
    case EXPRESSION_GREATEST:
    case EXPRESSION_LEAST:
        return walk_extreme(w, expression, out);
    case EXPRESSION_CAST:
        return walk_cast(w, expression, out);
    case EXPRESSION_IN:
        return walk_in(w, expression, out);
    case EXPRESSION_ANY:
    case EXPRESSION_ALL:
        return walk_any_all(w, expression, out);
    case EXPRESSION_ARRAY:
        return walk_array(w, expression, out);
    case EXPRESSION_SUBSCRIPT:
        return walk_subscript(w, expression, out);
    case EXPRESSION_SLICE:
        return walk_slice(w, expression, out);
    case EXPRESSION_ROW:
        return walk_row(w, expression, out);
    case EXPRESSION_FIELD:
        return walk_field(w, expression, out);
    case EXPRESSION_ROW_COMPARE:
        return walk_row_compare(w, expression, out);
    case EXPRESSION_SUBPLAN:
        return exec__subplan(w->f, w->local, expression, w->input, w->arena, out);
    default:
        return error_set(STATUS_INTERNAL_ERROR, "expression of kind %d in a plan",
                         (int)expression->kind);
    }
}

enum status exec__scalar(struct fiber *f, struct exec_local *local,
                         const struct expression *expression, const struct row_input *input,
                         struct arena *arena, struct value *value_out) {
    static const struct row_input no_row;
    struct walk w = {
        .f = f, .local = local, .input = input != NULL ? input : &no_row, .arena = arena};
    TRY(walk(&w, expression, value_out));
    /* The value takes the expression's type: varchar passes as text without a cast. */
    if (value_out->is_null)
        value_out->type = expression->type;
    return STATUS_OK;
}

enum status exec__scalar_true(struct fiber *f, struct exec_local *local,
                              const struct expression *expression, const struct row_input *input,
                              struct arena *arena, bool *true_out) {
    struct value value;
    TRY(exec__scalar(f, local, expression, input, arena, &value));
    *true_out = !value.is_null && value.boolean;
    return STATUS_OK;
}
