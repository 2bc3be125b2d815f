/*
 * Accumulators of sums, counts, extremes and collections.
 *
 * Sums of integers and of decimals with a known scale add 64-bit numbers; of one group a whole
 * batch is added in one register where 2,048 values of the type cannot overflow it. The total is
 * 128 bits. Variances of integers and decimals keep count, sum and sum of squares exactly.
 */
#include "exec/exec_accumulate.h"

#include <math.h>

#include "base/base_checked.h"
#include "exec/exec_kernel.h"

#define STATE(type, i)                                                                             \
    ((type *)(void *)((call->only != NULL ? call->only : call->groups[i]) + call->offset))

/* Loop over the rows whose first argument is not NULL: `row` and `at` (place in the data). */
#define FOR_VALID(view)                                                                            \
    for (uint32_t i = 0; i < call->count; i++)                                                     \
        for (uint32_t at = (view).indices[call->rows[i]], once = view_valid(&(view), at); once;    \
             once = 0)

/* ---- count ------------------------------------------------------------------------------- */

static enum status count_star_add(const struct accumulate_call *call) {
    if (call->only != NULL) {
        *STATE(int64_t, 0) += call->count;
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < call->count; i++)
        ++*STATE(int64_t, i);
    return STATUS_OK;
}

static enum status count_add(const struct accumulate_call *call) {
    struct vector_view view = vector_view(&call->arguments[0]);
    if (view.validity == NULL)
        return count_star_add(call);
    FOR_VALID(view)
    ++*STATE(int64_t, i);
    return STATUS_OK;
}

static enum status count_finish(const struct accumulate_call *call, void *state,
                                struct value *result) {
    result->int64 = *(int64_t *)state;
    return STATUS_OK;
}

static enum status count_combine(const struct accumulate_call *call, void *into, const void *from) {
    *(int64_t *)into += *(const int64_t *)from;
    return STATUS_OK;
}

/* ---- exact sums -------------------------------------------------------------------------- */

struct sum_state {
    int128_t sum;
    int64_t count;
    int64_t zero;
};

/* A batch's worth of values cannot overflow 64 bits when each has at most 15 digits, nor 128 bits
   when each has at most 34. */
enum { DIGITS_128_OF_A_BATCH = 34 };
static bool batch_fits(const struct vector *vector) {
    return vector->physical != PHYSICAL_INT64 ||
           (vector->type.id == TYPE_NUMERIC && vector->type.precision <= 15);
}

#define SUM_LOOP(type)                                                                             \
    do {                                                                                           \
        const type *data = view.data;                                                              \
        if (call->only != NULL && view.validity == NULL && batch_fits(&call->arguments[0])) {      \
            int64_t sum = 0;                                                                       \
            if (call->arguments[0].kind == VECTOR_FLAT && call->count > 0 &&                       \
                call->rows[call->count - 1] == call->count - 1) {                                  \
                for (uint32_t i = 0; i < call->count; i++)                                         \
                    sum += (int64_t)data[i];                                                       \
            } else {                                                                               \
                for (uint32_t i = 0; i < call->count; i++)                                         \
                    sum += (int64_t)data[view.indices[call->rows[i]]];                             \
            }                                                                                      \
            struct sum_state *state = STATE(struct sum_state, 0);                                  \
            state->sum += sum;                                                                     \
            state->count += call->count;                                                           \
        } else if (view.validity == NULL) {                                                        \
            for (uint32_t i = 0; i < call->count; i++) {                                           \
                struct sum_state *state = STATE(struct sum_state, i);                              \
                state->sum += data[view.indices[call->rows[i]]];                                   \
                state->count++;                                                                    \
            }                                                                                      \
        } else {                                                                                   \
            FOR_VALID(view) {                                                                      \
                struct sum_state *state = STATE(struct sum_state, i);                              \
                state->sum += data[at];                                                            \
                state->count++;                                                                    \
            }                                                                                      \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    } while (0)

static enum status sum_int16_add(const struct accumulate_call *call) {
    struct vector_view view = vector_view(&call->arguments[0]);
    SUM_LOOP(int16_t);
}
static enum status sum_int32_add(const struct accumulate_call *call) {
    struct vector_view view = vector_view(&call->arguments[0]);
    SUM_LOOP(int32_t);
}
static enum status sum_int64_add(const struct accumulate_call *call) {
    struct vector_view view = vector_view(&call->arguments[0]);
    SUM_LOOP(int64_t);
}

static enum status numeric_overflow(void) {
    return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format");
}

/* Rows of one group in 64 bits: their sum, and how many are not NULL. */
static int128_t add_narrow(const struct accumulate_call *call, int64_t *count_out) {
    struct vector_view view = vector_view(&call->arguments[0]);
    const int64_t *data = view.data;
    int128_t sum = 0;
    int64_t count = 0;
    FOR_VALID(view) {
        sum += data[at];
        count++;
    }
    *count_out = count;
    return sum;
}

static enum status sum_narrow_add(const struct accumulate_call *call) {
    int64_t count;
    if (call->only == NULL)
        return sum_int64_add(call);
    struct sum_state *state = STATE(struct sum_state, 0);
    if (CHECKED_ADD(state->sum, add_narrow(call, &count), &state->sum))
        return numeric_overflow();
    state->count += count;
    return STATUS_OK;
}

static enum status sum_int128_add(const struct accumulate_call *call) {
    struct vector_view view = vector_view(&call->arguments[0]);
    if (call->arguments[0].physical == PHYSICAL_INT64)
        return sum_narrow_add(call);
    const int128_t *data = view.data;
    if (call->only != NULL && view.validity == NULL &&
        call->arguments[0].type.precision <= DIGITS_128_OF_A_BATCH) {
        struct sum_state *state = STATE(struct sum_state, 0);
        int128_t sum = 0;
        for (uint32_t i = 0; i < call->count; i++)
            sum += data[view.indices[call->rows[i]]];
        if (CHECKED_ADD(state->sum, sum, &state->sum))
            return numeric_overflow();
        state->count += call->count;
        return STATUS_OK;
    }
    FOR_VALID(view) {
        struct sum_state *state = STATE(struct sum_state, i);
        if (CHECKED_ADD(state->sum, data[at], &state->sum))
            return numeric_overflow();
        state->count++;
    }
    return STATUS_OK;
}

static enum status sum_combine(const struct accumulate_call *call, void *into, const void *from) {
    struct sum_state *state = into;
    const struct sum_state *other = from;
    if (CHECKED_ADD(state->sum, other->sum, &state->sum))
        return numeric_overflow();
    state->count += other->count;
    return STATUS_OK;
}

static bool beyond_38_digits(int128_t number) {
    return number >= power_of_10_128[38] || number <= -power_of_10_128[38];
}

static int argument_scale(const struct accumulate_call *call) {
    return call->aggregate->arguments[0]->type.scale;
}

static enum status sum_finish(const struct accumulate_call *call, void *memory,
                              struct value *result) {
    const struct sum_state *state = memory;
    if (state->count == 0)
        return return_null(result);
    switch (type_physical(result->type)) {
    case PHYSICAL_INT64:
        if (result->type.id == TYPE_INT8 && (state->sum > INT64_MAX || state->sum < INT64_MIN))
            return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range");
        result->int64 = (int64_t)state->sum;
        return STATUS_OK;
    case PHYSICAL_INT128:
        if (beyond_38_digits(state->sum))
            return numeric_overflow();
        result->int128 = state->sum;
        return STATUS_OK;
    default:
        if (beyond_38_digits(state->sum))
            return numeric_overflow();
        result->numeric = numeric_make(state->sum, argument_scale(call));
        return STATUS_OK;
    }
}

static enum status avg_finish(const struct accumulate_call *call, void *memory,
                              struct value *result) {
    const struct sum_state *state = memory;
    if (state->count == 0)
        return return_null(result);
    struct numeric average;
    if (beyond_38_digits(state->sum))
        return numeric_overflow();
    TRY(numeric_average(numeric_make(state->sum, argument_scale(call)), state->count, &average));
    return numeric_to_value(average, result->type, result);
}

/* ---- numerics of any scale --------------------------------------------------------------- */

struct numeric_state {
    struct numeric sum;
    int64_t count;
    int64_t zero;
};

static enum status add_numeric(struct numeric_state *state, struct numeric number) {
    struct numeric *sum = &state->sum;
    if (state->count++ == 0) {
        *sum = number;
        return STATUS_OK;
    }
    int128_t total;
    if (sum->kind == NUMERIC_FINITE && number.kind == NUMERIC_FINITE &&
        sum->scale == number.scale && !CHECKED_ADD(sum->coefficient, number.coefficient, &total) &&
        !beyond_38_digits(total)) {
        sum->coefficient = total;
        return STATUS_OK;
    }
    return numeric_add(*sum, number, sum);
}

static enum status sum_numeric_narrow_add(const struct accumulate_call *call) {
    struct vector_view view = vector_view(&call->arguments[0]);
    const int64_t *data = view.data;
    int scale = call->arguments[0].type.scale;
    if (call->only != NULL) {
        struct numeric_state *state = STATE(struct numeric_state, 0);
        int64_t count;
        int128_t sum = add_narrow(call, &count);
        if (count == 0)
            return STATUS_OK;
        count += state->count;
        TRY(add_numeric(state, numeric_make(sum, scale)));
        state->count = count;
        return STATUS_OK;
    }
    FOR_VALID(view)
    TRY(add_numeric(STATE(struct numeric_state, i), numeric_make(data[at], scale)));
    return STATUS_OK;
}

static enum status sum_numeric_add(const struct accumulate_call *call) {
    struct vector_view view = vector_view(&call->arguments[0]);
    if (call->arguments[0].physical == PHYSICAL_INT64)
        return sum_numeric_narrow_add(call);
    const struct numeric *data = view.data;
    FOR_VALID(view)
    TRY(add_numeric(STATE(struct numeric_state, i), data[at]));
    return STATUS_OK;
}

static enum status sum_numeric_combine(const struct accumulate_call *call, void *into,
                                       const void *from) {
    struct numeric_state *state = into;
    const struct numeric_state *other = from;
    if (other->count == 0)
        return STATUS_OK;
    int64_t count = state->count + other->count;
    TRY(add_numeric(state, other->sum));
    state->count = count;
    return STATUS_OK;
}

static enum status sum_numeric_finish(const struct accumulate_call *call, void *memory,
                                      struct value *result) {
    const struct numeric_state *state = memory;
    if (state->count == 0)
        return return_null(result);
    return numeric_to_value(state->sum, result->type, result);
}

static enum status avg_numeric_finish(const struct accumulate_call *call, void *memory,
                                      struct value *result) {
    const struct numeric_state *state = memory;
    struct numeric average;
    if (state->count == 0)
        return return_null(result);
    TRY(numeric_average(state->sum, state->count, &average));
    return numeric_to_value(average, result->type, result);
}

/* ---- floats ------------------------------------------------------------------------------ */

/* Youngs and Cramer, as PostgreSQL: sum and sum of squared differences. */
struct float_state {
    int64_t count;
    double sum, squares;
};

static void add_float(struct float_state *state, double number) {
    state->count++;
    double sum = state->sum + number;
    if (state->count > 1) {
        double difference = number * (double)state->count - sum;
        state->squares +=
            difference * difference / ((double)state->count * (double)(state->count - 1));
    } else if (isnan(number) || isinf(number)) {
        state->squares = NAN;
    }
    state->sum = sum;
}

#define FLOAT_ADD(name, type)                                                                      \
    static enum status name(const struct accumulate_call *call) {                                  \
        struct vector_view view = vector_view(&call->arguments[0]);                                \
        const type *data = view.data;                                                              \
        FOR_VALID(view) {                                                                          \
            struct float_state *state = STATE(struct float_state, i);                              \
            bool finite = !isinf(state->sum);                                                      \
            add_float(state, (double)data[at]);                                                    \
            if (isinf(state->sum) && finite && !isinf((double)data[at]))                           \
                return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE,                                \
                                 "value out of range: overflow");                                  \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
FLOAT_ADD(float32_add, float)
FLOAT_ADD(float64_add, double)

/* Plain sums: no squares. */
#define FLOAT_SUM(name, type)                                                                      \
    static enum status name(const struct accumulate_call *call) {                                  \
        struct vector_view view = vector_view(&call->arguments[0]);                                \
        const type *data = view.data;                                                              \
        FOR_VALID(view) {                                                                          \
            struct float_state *state = STATE(struct float_state, i);                              \
            double sum = (double)(type)(state->sum + (double)data[at]);                            \
            if (isinf(sum) && !isinf(state->sum) && !isinf((double)data[at]))                      \
                return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE,                                \
                                 "value out of range: overflow");                                  \
            state->sum = sum;                                                                      \
            state->count++;                                                                        \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
FLOAT_SUM(sum_float32_add, float)
FLOAT_SUM(sum_float64_add, double)

static enum status float_combine(const struct accumulate_call *call, void *into, const void *from) {
    struct float_state *a = into;
    const struct float_state *b = from;
    if (b->count == 0)
        return STATUS_OK;
    if (a->count == 0) {
        *a = *b;
        return STATUS_OK;
    }
    double n1 = (double)a->count, n2 = (double)b->count, n = n1 + n2;
    double difference = a->sum / n1 - b->sum / n2;
    a->squares += b->squares + n1 * n2 * difference * difference / n;
    a->sum += b->sum;
    a->count += b->count;
    return STATUS_OK;
}

static enum status sum_float_finish(const struct accumulate_call *call, void *memory,
                                    struct value *result) {
    const struct float_state *state = memory;
    if (state->count == 0)
        return return_null(result);
    if (type_physical(result->type) == PHYSICAL_FLOAT32)
        result->float32 = (float)state->sum;
    else
        result->float64 = state->sum;
    return STATUS_OK;
}

static enum status avg_float_finish(const struct accumulate_call *call, void *memory,
                                    struct value *result) {
    const struct float_state *state = memory;
    if (state->count == 0)
        return return_null(result);
    result->float64 = state->sum / (double)state->count;
    return STATUS_OK;
}

#define FLOAT_SPREAD(name, least, divisor, root)                                                   \
    static enum status name(const struct accumulate_call *call, void *memory,                      \
                            struct value *result) {                                                \
        const struct float_state *state = memory;                                                  \
        if (state->count < least)                                                                  \
            return return_null(result);                                                            \
        double variance = state->squares / (double)(divisor);                                      \
        result->float64 = root ? sqrt(variance) : variance;                                        \
        return STATUS_OK;                                                                          \
    }
FLOAT_SPREAD(float_var_pop, 1, state->count, false)
FLOAT_SPREAD(float_var_samp, 2, state->count - 1, false)
FLOAT_SPREAD(float_stddev_pop, 1, state->count, true)
FLOAT_SPREAD(float_stddev_samp, 2, state->count - 1, true)

/* ---- exact variances --------------------------------------------------------------------- */

struct spread_state {
    int64_t count, zero;
    struct numeric sum, squares;
};

static enum status spread_add(const struct accumulate_call *call) {
    for (uint32_t i = 0; i < call->count; i++) {
        if (vector_is_null(&call->arguments[0], call->rows[i]))
            continue;
        struct value value = vector_get(&call->arguments[0], call->rows[i]);
        struct numeric number = numeric_from_value(&value), square;
        struct spread_state *state = STATE(struct spread_state, i);
        TRY(numeric_multiply(number, number, &square));
        TRY(numeric_add(state->sum, number, &state->sum));
        TRY(numeric_add(state->squares, square, &state->squares));
        state->count++;
    }
    return STATUS_OK;
}

static enum status spread_combine(const struct accumulate_call *call, void *into,
                                  const void *from) {
    struct spread_state *a = into;
    const struct spread_state *b = from;
    TRY(numeric_add(a->sum, b->sum, &a->sum));
    TRY(numeric_add(a->squares, b->squares, &a->squares));
    a->count += b->count;
    return STATUS_OK;
}

/* (N * sum of squares - sum^2) / (N * divisor), PostgreSQL's own formula. */
static enum status spread_finish(struct spread_state *state, bool sample, bool root,
                                 struct value *result) {
    struct numeric n = numeric_make(state->count, 0), a, b, top, bottom, variance;
    if (state->count < (sample ? 2 : 1))
        return return_null(result);
    if (state->sum.kind != NUMERIC_FINITE)
        return numeric_to_value(numeric_special(NUMERIC_NAN), result->type, result);
    TRY(numeric_multiply(n, state->squares, &a));
    TRY(numeric_multiply(state->sum, state->sum, &b));
    TRY(numeric_subtract(a, b, &top));
    if (numeric_sign(top) <= 0)
        return numeric_to_value(numeric_make(0, 0), result->type, result);
    TRY(numeric_multiply(n, numeric_make(sample ? state->count - 1 : state->count, 0), &bottom));
    TRY(numeric_divide(top, bottom, &variance));
    if (root)
        TRY(numeric_sqrt_to(variance, variance.scale, &variance));
    return numeric_to_value(variance, result->type, result);
}
#define SPREAD(name, sample, root)                                                                 \
    static enum status name(const struct accumulate_call *call, void *state,                       \
                            struct value *result) {                                                \
        return spread_finish(state, sample, root, result);                                         \
    }
SPREAD(spread_var_pop, false, false)
SPREAD(spread_var_samp, true, false)
SPREAD(spread_stddev_pop, false, true)
SPREAD(spread_stddev_samp, true, true)

/* ---- extremes ---------------------------------------------------------------------------- */

struct extreme_state {
    int64_t has;
    int64_t zero;
    union {
        uint8_t bytes[32];
        int16_t i16;
        int32_t i32;
        int64_t i64;
        struct string string;
    };
};

#define EXTREME_LOOP(name, member, type, op)                                                       \
    static enum status name(const struct accumulate_call *call) {                                  \
        struct vector_view view = vector_view(&call->arguments[0]);                                \
        const type *data = view.data;                                                              \
        FOR_VALID(view) {                                                                          \
            struct extreme_state *state = STATE(struct extreme_state, i);                          \
            if (!state->has || data[at] op state->member) {                                        \
                state->has = 1;                                                                    \
                state->member = data[at];                                                          \
            }                                                                                      \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
EXTREME_LOOP(max_int16, i16, int16_t, >)
EXTREME_LOOP(min_int16, i16, int16_t, <)
EXTREME_LOOP(max_int32, i32, int32_t, >)
EXTREME_LOOP(min_int32, i32, int32_t, <)
EXTREME_LOOP(max_int64, i64, int64_t, >)
EXTREME_LOOP(min_int64, i64, int64_t, <)

static void keep_extreme(const struct accumulate_call *call, struct extreme_state *state,
                         const struct value *value) {
    struct value kept = value_copy(value, call->arena);
    state->has = 1;
    value_to_physical(&kept, state->bytes);
}

static enum status extreme_any(const struct accumulate_call *call, bool greatest) {
    struct type type = call->arguments[0].type;
    for (uint32_t i = 0; i < call->count; i++) {
        if (vector_is_null(&call->arguments[0], call->rows[i]))
            continue;
        struct extreme_state *state = STATE(struct extreme_state, i);
        struct value value = vector_get(&call->arguments[0], call->rows[i]);
        if (state->has) {
            struct value held = value_from_physical(type, state->bytes);
            int order = value_compare(&value, &held);
            if (greatest ? order <= 0 : order >= 0)
                continue;
        }
        keep_extreme(call, state, &value);
    }
    return STATUS_OK;
}
static enum status max_any(const struct accumulate_call *call) {
    return extreme_any(call, true);
}
static enum status min_any(const struct accumulate_call *call) {
    return extreme_any(call, false);
}

static enum status extreme_finish(const struct accumulate_call *call, void *memory,
                                  struct value *result) {
    struct extreme_state *state = memory;
    if (!state->has)
        return return_null(result);
    *result = value_from_physical(call->aggregate->arguments[0]->type, state->bytes);
    return STATUS_OK;
}

static enum status extreme_combine(const struct accumulate_call *call, void *into, const void *from,
                                   bool greatest) {
    struct extreme_state *a = into;
    const struct extreme_state *b = from;
    struct type type = call->aggregate->arguments[0]->type;
    if (!b->has)
        return STATUS_OK;
    struct value theirs = value_from_physical(type, b->bytes);
    if (a->has) {
        struct value ours = value_from_physical(type, a->bytes);
        int order = value_compare(&theirs, &ours);
        if (greatest ? order <= 0 : order >= 0)
            return STATUS_OK;
    }
    keep_extreme(call, a, &theirs);
    return STATUS_OK;
}
static enum status max_combine(const struct accumulate_call *call, void *into, const void *from) {
    return extreme_combine(call, into, from, true);
}
static enum status min_combine(const struct accumulate_call *call, void *into, const void *from) {
    return extreme_combine(call, into, from, false);
}

/* ---- booleans and bits ------------------------------------------------------------------- */

struct bits_state {
    int64_t has;
    int64_t bits;
};

#define BITS(name, type, op)                                                                       \
    static enum status name(const struct accumulate_call *call) {                                  \
        struct vector_view view = vector_view(&call->arguments[0]);                                \
        const type *data = view.data;                                                              \
        FOR_VALID(view) {                                                                          \
            struct bits_state *state = STATE(struct bits_state, i);                                \
            state->bits = state->has ? state->bits op data[at] : data[at];                         \
            state->has = 1;                                                                        \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }                                                                                              \
    static enum status name##_combine(const struct accumulate_call *call, void *into,              \
                                      const void *from) {                                          \
        struct bits_state *a = into;                                                               \
        const struct bits_state *b = from;                                                         \
        if (b->has) {                                                                              \
            a->bits = a->has ? a->bits op b->bits : b->bits;                                       \
            a->has = 1;                                                                            \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
BITS(bool_and, uint8_t, &)
BITS(bool_or, uint8_t, |)
BITS(and16, int16_t, &)
BITS(or16, int16_t, |)
BITS(xor16, int16_t, ^)
BITS(and32, int32_t, &)
BITS(or32, int32_t, |)
BITS(xor32, int32_t, ^)
BITS(and64, int64_t, &)
BITS(or64, int64_t, |)
BITS(xor64, int64_t, ^)

static enum status bits_finish(const struct accumulate_call *call, void *memory,
                               struct value *result) {
    const struct bits_state *state = memory;
    if (!state->has)
        return return_null(result);
    switch (type_physical(result->type)) {
    case PHYSICAL_BOOL:
        result->boolean = state->bits != 0;
        break;
    case PHYSICAL_INT16:
        result->int16 = (int16_t)state->bits;
        break;
    case PHYSICAL_INT32:
        result->int32 = (int32_t)state->bits;
        break;
    default:
        result->int64 = state->bits;
    }
    return STATUS_OK;
}

/* ---- string_agg, array_agg --------------------------------------------------------------- */

struct text_state {
    uint8_t *bytes; /* doubling in the table's arena */
    uint64_t size, capacity;
    int64_t has;
};

static enum status append_bytes(struct text_state *state, struct slice slice, struct arena *arena) {
    if (state->size + slice.size > BUFFER_SIZE_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "string buffer exceeds maximum allowed length");
    if (state->size + slice.size > state->capacity) {
        uint64_t capacity = state->capacity == 0 ? 64 : state->capacity * 2;
        while (capacity < state->size + slice.size)
            capacity *= 2;
        uint8_t *grown = arena_alloc(arena, capacity);
        if (grown == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (state->size > 0)
            memcpy(grown, state->bytes, state->size);
        state->bytes = grown;
        state->capacity = capacity;
    }
    if (slice.size > 0)
        memcpy(state->bytes + state->size, slice.data, slice.size);
    state->size += slice.size;
    return STATUS_OK;
}

static enum status string_agg_add(const struct accumulate_call *call) {
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = call->rows[i];
        if (vector_is_null(&call->arguments[0], row))
            continue;
        struct text_state *state = STATE(struct text_state, i);
        if (state->has && !vector_is_null(&call->arguments[1], row)) {
            struct value delimiter = vector_get(&call->arguments[1], row);
            TRY(append_bytes(state, delimiter.string, call->arena));
        }
        state->has = 1;
        struct value value = vector_get(&call->arguments[0], row);
        TRY(append_bytes(state, value.string, call->arena));
    }
    return STATUS_OK;
}

static enum status string_agg_finish(const struct accumulate_call *call, void *memory,
                                     struct value *result) {
    const struct text_state *state = memory;
    if (!state->has)
        return return_null(result);
    return return_text(result, slice_of(state->bytes, state->size));
}

struct array_state {
    struct value *values;
    uint64_t count, capacity;
    int64_t zero;
};

static enum status array_agg_add(const struct accumulate_call *call) {
    for (uint32_t i = 0; i < call->count; i++) {
        struct array_state *state = STATE(struct array_state, i);
        if (state->count == state->capacity) {
            uint64_t capacity = state->capacity == 0 ? 4 : state->capacity * 2;
            struct value *grown = capacity > ARRAY_ELEMENTS_MAX
                                      ? NULL
                                      : arena_alloc(call->arena, capacity * sizeof *grown);
            if (grown == NULL)
                return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
            if (state->count > 0)
                memcpy(grown, state->values, state->count * sizeof *grown);
            state->values = grown;
            state->capacity = capacity;
        }
        struct value value = vector_get(&call->arguments[0], call->rows[i]);
        state->values[state->count++] = value_copy(&value, call->arena);
    }
    return STATUS_OK;
}

static enum status array_agg_finish(const struct accumulate_call *call, void *memory,
                                    struct value *result) {
    const struct array_state *state = memory;
    if (state->count == 0)
        return return_null(result);
    return array_make(result->type.id, state->values, (uint32_t)state->count, call->arena, result);
}

/* ---- the table --------------------------------------------------------------------------- */

#define SUM sizeof(struct sum_state)
#define NUMERIC sizeof(struct numeric_state)
#define FLOAT sizeof(struct float_state)
#define SPREADS sizeof(struct spread_state)
#define EXTREME sizeof(struct extreme_state)
#define BIT sizeof(struct bits_state)

static const struct accumulator accumulators[] = {
    {"count_star", 8, count_star_add, count_finish, count_combine},
    {"count", 8, count_add, count_finish, count_combine},
    {"sum_int2", SUM, sum_int16_add, sum_finish, sum_combine},
    {"sum_int4", SUM, sum_int32_add, sum_finish, sum_combine},
    {"sum_int8", SUM, sum_int64_add, sum_finish, sum_combine},
    {"avg_int2", SUM, sum_int16_add, avg_finish, sum_combine},
    {"avg_int4", SUM, sum_int32_add, avg_finish, sum_combine},
    {"avg_int8", SUM, sum_int64_add, avg_finish, sum_combine},
    {"sum_numeric", NUMERIC, sum_numeric_add, sum_numeric_finish, sum_numeric_combine, true},
    {"avg_numeric", NUMERIC, sum_numeric_add, avg_numeric_finish, sum_numeric_combine, true},
    {"sum_float4", FLOAT, sum_float32_add, sum_float_finish, float_combine},
    {"sum_float8", FLOAT, sum_float64_add, sum_float_finish, float_combine},
    {"avg_float4", FLOAT, float32_add, avg_float_finish, float_combine},
    {"avg_float8", FLOAT, float64_add, avg_float_finish, float_combine},
    {"var_pop_float4", FLOAT, float32_add, float_var_pop, float_combine},
    {"var_pop_float8", FLOAT, float64_add, float_var_pop, float_combine},
    {"var_samp_float4", FLOAT, float32_add, float_var_samp, float_combine},
    {"var_samp_float8", FLOAT, float64_add, float_var_samp, float_combine},
    {"stddev_pop_float4", FLOAT, float32_add, float_stddev_pop, float_combine},
    {"stddev_pop_float8", FLOAT, float64_add, float_stddev_pop, float_combine},
    {"stddev_samp_float4", FLOAT, float32_add, float_stddev_samp, float_combine},
    {"stddev_samp_float8", FLOAT, float64_add, float_stddev_samp, float_combine},
#define SPREAD_OF(type)                                                                            \
    {"var_pop_" type, SPREADS, spread_add, spread_var_pop, spread_combine},                        \
        {"var_samp_" type, SPREADS, spread_add, spread_var_samp, spread_combine},                  \
        {"stddev_pop_" type, SPREADS, spread_add, spread_stddev_pop, spread_combine}, {            \
        "stddev_samp_" type, SPREADS, spread_add, spread_stddev_samp, spread_combine               \
    }
    SPREAD_OF("int2"),
    SPREAD_OF("int4"),
    SPREAD_OF("int8"),
    SPREAD_OF("numeric"),
    {"bool_and", BIT, bool_and, bits_finish, bool_and_combine},
    {"bool_or", BIT, bool_or, bits_finish, bool_or_combine},
    {"bit_and_int2", BIT, and16, bits_finish, and16_combine},
    {"bit_or_int2", BIT, or16, bits_finish, or16_combine},
    {"bit_xor_int2", BIT, xor16, bits_finish, xor16_combine},
    {"bit_and_int4", BIT, and32, bits_finish, and32_combine},
    {"bit_or_int4", BIT, or32, bits_finish, or32_combine},
    {"bit_xor_int4", BIT, xor32, bits_finish, xor32_combine},
    {"bit_and_int8", BIT, and64, bits_finish, and64_combine},
    {"bit_or_int8", BIT, or64, bits_finish, or64_combine},
    {"bit_xor_int8", BIT, xor64, bits_finish, xor64_combine},
    {"string_agg_text", sizeof(struct text_state), string_agg_add, string_agg_finish, NULL},
    {"string_agg_bytea", sizeof(struct text_state), string_agg_add, string_agg_finish, NULL},
    {"array_agg", sizeof(struct array_state), array_agg_add, array_agg_finish, NULL},
};

/* By physical form of the argument. */
static const struct accumulator scaled_sums[] = {
    {"sum_numeric", SUM, sum_int64_add, sum_finish, sum_combine},
    {"sum_numeric", SUM, sum_int128_add, sum_finish, sum_combine, true},
    {"avg_numeric", SUM, sum_int64_add, avg_finish, sum_combine},
    {"avg_numeric", SUM, sum_int128_add, avg_finish, sum_combine, true},
};
static const struct accumulator extremes[] = {
    {"max", EXTREME, max_int16, extreme_finish, max_combine},
    {"min", EXTREME, min_int16, extreme_finish, min_combine},
    {"max", EXTREME, max_int32, extreme_finish, max_combine},
    {"min", EXTREME, min_int32, extreme_finish, min_combine},
    {"max", EXTREME, max_int64, extreme_finish, max_combine},
    {"min", EXTREME, min_int64, extreme_finish, min_combine},
    {"max", EXTREME, max_any, extreme_finish, max_combine},
    {"min", EXTREME, min_any, extreme_finish, min_combine},
};

static const struct accumulator *choose_extreme(bool is_min, enum physical physical) {
    unsigned at = physical == PHYSICAL_INT16   ? 0
                  : physical == PHYSICAL_INT32 ? 2
                  : physical == PHYSICAL_INT64 ? 4
                                               : 6;
    return &extremes[at + is_min];
}

const struct accumulator *exec__accumulator(const struct plan_aggregate *aggregate) {
    const char *symbol = aggregate->aggregate->symbol;
    enum physical physical = aggregate->argument_count > 0
                                 ? type_physical(aggregate->arguments[0]->type)
                                 : PHYSICAL_NONE;
    if (strcmp(symbol, "max") == 0 || strcmp(symbol, "min") == 0)
        return choose_extreme(symbol[1] == 'i', physical);
    bool is_sum = strcmp(symbol, "sum_numeric") == 0, is_avg = strcmp(symbol, "avg_numeric") == 0;
    if ((is_sum || is_avg) && physical != PHYSICAL_NUMERIC)
        return &scaled_sums[(is_avg ? 2 : 0) + (physical == PHYSICAL_INT128)];
    for (size_t i = 0; i < sizeof accumulators / sizeof accumulators[0]; i++)
        if (strcmp(accumulators[i].symbol, symbol) == 0)
            return &accumulators[i];
    return NULL;
}

uint32_t exec__accumulator_string(const struct plan_aggregate *aggregate) {
    const struct accumulator *accumulator = exec__accumulator(aggregate);
    bool keeps = (accumulator->add == max_any || accumulator->add == min_any) &&
                 type_physical(aggregate->arguments[0]->type) == PHYSICAL_STRING;
    return keeps ? (uint32_t)offsetof(struct extreme_state, string) : UINT32_MAX;
}
