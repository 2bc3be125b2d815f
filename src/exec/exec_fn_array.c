/* Functions of arrays. */
#include <string.h>

#include "exec/exec_kernel.h"

static enum status elements_of(struct kernel_call *call, const struct array *array, uint32_t extra,
                               struct value **elements_out) {
    struct value *elements =
        arena_alloc(call->arena, ((size_t)array->count + extra + 1) * sizeof *elements);
    if (elements == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < array->count; i++)
        TRY(array_get(array, i, &elements[i]));
    *elements_out = elements;
    return STATUS_OK;
}
static enum status give(struct kernel_call *call, const struct value *elements, uint32_t count,
                        struct value *result) {
    return array_make(result->type.id, elements, count, call->arena, result);
}
static bool same(const struct value *a, const struct value *b) {
    if (a->is_null || b->is_null)
        return a->is_null && b->is_null;
    return exec__value_order(a, b) == 0;
}

/* ---- shape ------------------------------------------------------------------------------- */

static enum status dimension_of(const struct value *arguments, struct array *array, bool *has) {
    TRY(array_open(arguments[0].string, array));
    *has = arguments[1].int32 >= 1 && (uint32_t)arguments[1].int32 <= array->dimension_count;
    return STATUS_OK;
}
#define SHAPE(symbol, expression)                                                                  \
    BOXED_FUNCTION(symbol) {                                                                       \
        struct array array;                                                                        \
        bool has;                                                                                  \
        TRY(dimension_of(arguments, &array, &has));                                                \
        if (!has)                                                                                  \
            return return_null(result);                                                            \
        int d = arguments[1].int32 - 1;                                                            \
        result->int32 = (expression);                                                              \
        return STATUS_OK;                                                                          \
    }
SHAPE(array_lower, array.lower_bounds[d])
SHAPE(array_upper, array.lower_bounds[d] + (int32_t)array.lengths[d] - 1)
SHAPE(array_length, (int32_t)array.lengths[d])

BOXED_FUNCTION(array_ndims) {
    struct array array;
    TRY(array_open(arguments[0].string, &array));
    if (array.dimension_count == 0)
        return return_null(result);
    result->int32 = (int32_t)array.dimension_count;
    return STATUS_OK;
}
BOXED_FUNCTION(array_cardinality) {
    struct array array;
    TRY(array_open(arguments[0].string, &array));
    result->int32 = (int32_t)array.count;
    return STATUS_OK;
}
BOXED_FUNCTION(array_dims) {
    struct array array;
    struct buffer buffer = {0};
    TRY(array_open(arguments[0].string, &array));
    if (array.dimension_count == 0)
        return return_null(result);
    for (uint32_t d = 0; d < array.dimension_count; d++)
        buffer_append_format(&buffer, "[%d:%d]", array.lower_bounds[d],
                             array.lower_bounds[d] + (int32_t)array.lengths[d] - 1);
    return exec__return_buffer(call, &buffer, result);
}

/* ---- growing and shrinking --------------------------------------------------------------- */

static enum status open_or_empty(const struct value *value, struct array *array) {
    if (value->is_null) {
        *array = (struct array){0};
        return STATUS_OK;
    }
    TRY(array_open(value->string, array));
    return array->dimension_count <= 1
               ? STATUS_OK
               : error_set(STATUS_DATATYPE_MISMATCH,
                           "argument must be empty or one-dimensional array");
}
BOXED_FUNCTION(array_append) {
    struct array array;
    struct value *elements;
    TRY(open_or_empty(&arguments[0], &array));
    TRY(elements_of(call, &array, 1, &elements));
    elements[array.count] = arguments[1];
    return give(call, elements, array.count + 1, result);
}
BOXED_FUNCTION(array_prepend) {
    struct array array;
    struct value *elements;
    TRY(open_or_empty(&arguments[1], &array));
    TRY(elements_of(call, &array, 1, &elements));
    memmove(elements + 1, elements, array.count * sizeof *elements);
    elements[0] = arguments[0];
    return give(call, elements, array.count + 1, result);
}
BOXED_FUNCTION(array_cat) {
    struct array a, b;
    struct value *left, *right;
    if (arguments[0].is_null && arguments[1].is_null)
        return return_null(result);
    TRY(open_or_empty(&arguments[0], &a));
    TRY(open_or_empty(&arguments[1], &b));
    TRY(elements_of(call, &a, b.count, &left));
    TRY(elements_of(call, &b, 0, &right));
    memcpy(left + a.count, right, b.count * sizeof *left);
    return give(call, left, a.count + b.count, result);
}
BOXED_FUNCTION(array_remove) {
    struct array array;
    struct value *elements;
    uint32_t kept = 0;
    if (arguments[0].is_null)
        return return_null(result);
    TRY(open_or_empty(&arguments[0], &array));
    TRY(elements_of(call, &array, 0, &elements));
    for (uint32_t i = 0; i < array.count; i++)
        if (!same(&elements[i], &arguments[1]))
            elements[kept++] = elements[i];
    return give(call, elements, kept, result);
}
BOXED_FUNCTION(array_replace) {
    struct array array;
    struct value *elements;
    struct slice body;
    if (arguments[0].is_null)
        return return_null(result);
    TRY(array_open(arguments[0].string, &array));
    TRY(elements_of(call, &array, 0, &elements));
    for (uint32_t i = 0; i < array.count; i++)
        if (same(&elements[i], &arguments[1]))
            elements[i] = arguments[2];
    TRY(array_encode(array.element_type.id, elements, array.count, array.dimension_count,
                     array.lengths, array.lower_bounds, call->arena, &body));
    return return_text(result, body);
}

/* ---- searching --------------------------------------------------------------------------- */

static enum status position(const struct value *arguments, int64_t from, struct value *result) {
    struct array array;
    if (arguments[0].is_null)
        return return_null(result);
    TRY(open_or_empty(&arguments[0], &array));
    for (uint32_t i = 0; i < array.count; i++) {
        struct value element;
        if ((int64_t)i + array.lower_bounds[0] < from)
            continue;
        TRY(array_get(&array, i, &element));
        if (same(&element, &arguments[1])) {
            result->int32 = array.lower_bounds[0] + (int32_t)i;
            return STATUS_OK;
        }
    }
    return return_null(result);
}
BOXED_FUNCTION(array_position) {
    return position(arguments, INT64_MIN, result);
}
BOXED_FUNCTION(array_position_start) {
    if (arguments[2].is_null)
        return error_set(STATUS_NULL_VALUE_NOT_ALLOWED, "initial position must not be null");
    return position(arguments, arguments[2].int32, result);
}
BOXED_FUNCTION(array_positions) {
    struct array array;
    struct value *places;
    uint32_t count = 0;
    if (arguments[0].is_null)
        return return_null(result);
    TRY(open_or_empty(&arguments[0], &array));
    TRY(elements_of(call, &array, 0, &places));
    for (uint32_t i = 0; i < array.count; i++)
        if (same(&places[i], &arguments[1]))
            places[count++] = value_int4(array.lower_bounds[0] + (int32_t)i);
    return give(call, places, count, result);
}

/* Is every (any) element of `a` in `b`? NULLs are never in. */
static enum status contained(const struct array *a, const struct array *b, bool all, bool *out) {
    for (uint32_t i = 0; i < a->count; i++) {
        struct value x, y;
        bool found = false;
        TRY(array_get(a, i, &x));
        for (uint32_t k = 0; k < b->count && !found && !x.is_null; k++) {
            TRY(array_get(b, k, &y));
            found = !y.is_null && exec__value_order(&x, &y) == 0;
        }
        if (found != all) {
            *out = found;
            return STATUS_OK;
        }
    }
    *out = all;
    return STATUS_OK;
}
#define CONTAINMENT(symbol, inner, outer, all)                                                     \
    BOXED_FUNCTION(symbol) {                                                                       \
        struct array a, b;                                                                         \
        bool answer;                                                                               \
        TRY(array_open(arguments[inner].string, &a));                                              \
        TRY(array_open(arguments[outer].string, &b));                                              \
        TRY(contained(&a, &b, all, &answer));                                                      \
        result->boolean = answer;                                                                  \
        return STATUS_OK;                                                                          \
    }
CONTAINMENT(arrayoverlap, 0, 1, false)
CONTAINMENT(arraycontains, 1, 0, true)
CONTAINMENT(arraycontained, 0, 1, true)

/* ---- text -------------------------------------------------------------------------------- */

static enum status to_text(struct kernel_call *call, const struct value *array_value,
                           struct slice delimiter, const struct slice *null_text,
                           struct value *result) {
    struct array array;
    struct buffer buffer = {0};
    enum status status = STATUS_OK;
    bool first = true;
    TRY(array_open(array_value->string, &array));
    for (uint32_t i = 0; i < array.count; i++) {
        struct value element;
        struct slice text;
        TRY_OUT(array_get(&array, i, &element));
        if (element.is_null && null_text == NULL)
            continue;
        if (element.is_null)
            text = *null_text;
        else
            TRY_OUT(exec__value_text(call, &element, &text));
        if (!first)
            buffer_append_slice(&buffer, delimiter);
        first = false;
        buffer_append_slice(&buffer, text);
    }
    return exec__return_buffer(call, &buffer, result);
out:
    buffer_release(&buffer);
    return status;
}
BOXED_FUNCTION(array_to_text) {
    return to_text(call, &arguments[0], arguments[1].string, NULL, result);
}
BOXED_FUNCTION(array_to_text_null) {
    if (arguments[0].is_null || arguments[1].is_null)
        return return_null(result);
    return to_text(call, &arguments[0], arguments[1].string,
                   arguments[2].is_null ? NULL : &arguments[2].string, result);
}

static enum status from_text(struct kernel_call *call, const struct value *arguments,
                             const struct slice *null_text, struct value *result) {
    struct slice text = arguments[0].string, delimiter = arguments[1].string;
    bool by_character = arguments[1].is_null;
    size_t capacity = 16, count = 0;
    struct value *values = arena_alloc(call->arena, capacity * sizeof *values);
    if (arguments[0].is_null)
        return return_null(result);
    for (bool more = text.size > 0; more;) {
        struct slice field = text;
        if (by_character) {
            field.size = utf8_prefix(text, 1);
            text = slice_of(text.data + field.size, text.size - field.size);
            more = text.size > 0;
        } else {
            size_t at = delimiter.size == 0 ? SIZE_MAX : slice_find(text, delimiter);
            more = at != SIZE_MAX;
            if (more) {
                field.size = at;
                size_t used = field.size + delimiter.size;
                text = slice_of(text.data + used, text.size - used);
            }
        }
        if (count == capacity) {
            struct value *grown = arena_alloc(call->arena, capacity * 2 * sizeof *grown);
            if (grown == NULL)
                return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
            memcpy(grown, values, count * sizeof *grown);
            values = grown;
            capacity *= 2;
        }
        values[count++] = null_text != NULL && slice_equal(*null_text, field)
                              ? value_null(TYPE_OF(TEXT))
                              : value_string(TYPE_OF(TEXT), field);
    }
    return give(call, values, (uint32_t)count, result);
}
BOXED_FUNCTION(text_to_array) {
    return from_text(call, arguments, NULL, result);
}
BOXED_FUNCTION(text_to_array_null) {
    return from_text(call, arguments, arguments[2].is_null ? NULL : &arguments[2].string, result);
}

static const struct kernel_entry entries[] = {
    BOXED(array_lower),          BOXED(array_upper),       BOXED(array_length),
    BOXED(array_ndims),          BOXED(array_cardinality), BOXED(array_dims),
    BOXED(array_append),         BOXED(array_prepend),     BOXED(array_cat),
    BOXED(array_remove),         BOXED(array_replace),     BOXED(array_position),
    BOXED(array_position_start), BOXED(array_positions),   BOXED(arrayoverlap),
    BOXED(arraycontains),        BOXED(arraycontained),    BOXED(array_to_text),
    BOXED(array_to_text_null),   BOXED(text_to_array),     BOXED(text_to_array_null),
};
KERNEL_TABLE(exec__kernels_array, entries)
