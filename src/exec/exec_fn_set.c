/* Functions that return rows. */
#include "base/base_checked.h"
#include "exec/exec_kernel.h"

/* ---- generate_series --------------------------------------------------------------------- */

struct integer_series {
    int64_t next, stop, step;
    bool over;
};

static enum status integer_series(struct kernel_call *call, int64_t start, int64_t stop,
                                  int64_t step, void **memory, int64_t *value_out, bool *done) {
    struct integer_series *series = *memory;
    if (series == NULL) {
        if (step == 0)
            return error_set(STATUS_INVALID_PARAMETER_VALUE, "step size cannot equal zero");
        series = ARENA_NEW(call->arena, struct integer_series);
        *series = (struct integer_series){.next = start, .stop = stop, .step = step};
        *memory = series;
    }
    if (series->over ||
        (series->step > 0 ? series->next > series->stop : series->next < series->stop)) {
        *done = true;
        return STATUS_OK;
    }
    *value_out = series->next;
    series->over = CHECKED_ADD(series->next, series->step, &series->next);
    return STATUS_OK;
}

#define INTEGER_SERIES(symbol, member, type, step)                                                 \
    SET_FUNCTION(symbol) {                                                                         \
        int64_t value = 0;                                                                         \
        TRY(integer_series(call, arguments[0].member, arguments[1].member, step, memory, &value,   \
                           done));                                                                 \
        result->member = (type)value;                                                              \
        return STATUS_OK;                                                                          \
    }
INTEGER_SERIES(generate_series_int4, int32, int32_t, 1)
INTEGER_SERIES(generate_series_step_int4, int32, int32_t, arguments[2].int32)
INTEGER_SERIES(generate_series_int8, int64, int64_t, 1)
INTEGER_SERIES(generate_series_step_int8, int64, int64_t, arguments[2].int64)

struct numeric_series {
    struct numeric next, stop, step;
};
static enum status numeric_series(struct kernel_call *call, const struct value *arguments,
                                  struct numeric step, void **memory, struct value *result,
                                  bool *done) {
    struct numeric_series *series = *memory;
    if (series == NULL) {
        if (step.kind != NUMERIC_FINITE)
            return error_set(STATUS_INVALID_PARAMETER_VALUE, "step size cannot be NaN");
        if (numeric_sign(step) == 0)
            return error_set(STATUS_INVALID_PARAMETER_VALUE, "step size cannot equal zero");
        series = ARENA_NEW(call->arena, struct numeric_series);
        series->next = numeric_from_value(&arguments[0]);
        series->stop = numeric_from_value(&arguments[1]);
        series->step = step;
        *memory = series;
    }
    int order = numeric_compare(series->next, series->stop);
    if (numeric_sign(series->step) > 0 ? order > 0 : order < 0) {
        *done = true;
        return STATUS_OK;
    }
    TRY(numeric_to_value(series->next, result->type, result));
    return numeric_add(series->next, series->step, &series->next);
}
SET_FUNCTION(generate_series_numeric) {
    return numeric_series(call, arguments, numeric_make(1, 0), memory, result, done);
}
SET_FUNCTION(generate_series_step_numeric) {
    return numeric_series(call, arguments, numeric_from_value(&arguments[2]), memory, result, done);
}

struct time_series {
    int64_t next;
    int sign;
};
static enum status time_series(struct kernel_call *call, const struct value *arguments, bool zoned,
                               void **memory, struct value *result, bool *done) {
    struct time_series *series = *memory;
    struct interval step = arguments[2].interval, zero = {0};
    int64_t stop = arguments[1].int64;
    if (series == NULL) {
        int sign = interval_compare(step, zero);
        if (sign == 0)
            return error_set(STATUS_INVALID_PARAMETER_VALUE, "step size cannot equal zero");
        series = ARENA_NEW(call->arena, struct time_series);
        series->next = arguments[0].int64;
        series->sign = sign;
        *memory = series;
    }
    if (series->sign > 0 ? series->next > stop : series->next < stop) {
        *done = true;
        return STATUS_OK;
    }
    result->int64 = series->next;
    return zoned ? timestamptz_add_interval(series->next, step, exec__timezone(call), &series->next)
                 : timestamp_add_interval(series->next, step, &series->next);
}
SET_FUNCTION(generate_series_timestamp) {
    return time_series(call, arguments, false, memory, result, done);
}
SET_FUNCTION(generate_series_timestamptz) {
    return time_series(call, arguments, true, memory, result, done);
}

/* ---- arrays as rows ---------------------------------------------------------------------- */

struct array_walk {
    struct array array;
    uint32_t next;
};
SET_FUNCTION(array_unnest) {
    struct array_walk *walk = *memory;
    if (walk == NULL) {
        walk = ARENA_NEW(call->arena, struct array_walk);
        TRY(array_open(arguments[0].string, &walk->array));
        *memory = walk;
    }
    if (walk->next == walk->array.count) {
        *done = true;
        return STATUS_OK;
    }
    struct value element;
    TRY(array_get(&walk->array, walk->next++, &element));
    struct type type = result->type;
    *result = element;
    if (element.is_null)
        *result = value_null(type);
    return STATUS_OK;
}

static enum status subscripts(struct kernel_call *call, const struct value *arguments, bool reverse,
                              void **memory, struct value *result, bool *done) {
    struct array_walk *walk = *memory;
    int32_t dimension = arguments[1].int32;
    if (walk == NULL) {
        walk = ARENA_NEW(call->arena, struct array_walk);
        TRY(array_open(arguments[0].string, &walk->array));
        *memory = walk;
    }
    if (dimension < 1 || (uint32_t)dimension > walk->array.dimension_count ||
        walk->next == walk->array.lengths[dimension - 1]) {
        *done = true;
        return STATUS_OK;
    }
    uint32_t length = walk->array.lengths[dimension - 1], place = walk->next++;
    result->int32 =
        walk->array.lower_bounds[dimension - 1] + (int32_t)(reverse ? length - 1 - place : place);
    return STATUS_OK;
}
SET_FUNCTION(generate_subscripts) {
    return subscripts(call, arguments, arguments[2].boolean != 0, memory, result, done);
}
SET_FUNCTION(generate_subscripts_nodir) {
    return subscripts(call, arguments, false, memory, result, done);
}

/* Tables are not partitioned by ranges here: nothing has ancestors. */
SET_FUNCTION(pg_partition_ancestors) {
    *done = true;
    return STATUS_OK;
}

static const struct kernel_entry entries[] = {
    SET_RETURNING(generate_series_int4),
    SET_RETURNING(generate_series_step_int4),
    SET_RETURNING(generate_series_int8),
    SET_RETURNING(generate_series_step_int8),
    SET_RETURNING(generate_series_numeric),
    SET_RETURNING(generate_series_step_numeric),
    SET_RETURNING(generate_series_timestamp),
    SET_RETURNING(generate_series_timestamptz),
    SET_RETURNING(array_unnest),
    SET_RETURNING(generate_subscripts),
    SET_RETURNING(generate_subscripts_nodir),
    SET_RETURNING(pg_partition_ancestors),
};
KERNEL_TABLE(exec__kernels_set, entries)
