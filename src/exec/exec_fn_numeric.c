/*
 * Decimals. + - * and unary minus come in three physical forms (see sql_plan.h): 64- and 128-bit
 * integers with a known scale, whose type promises that the result fits or is checked against 38
 * digits, and struct numeric. Everything else is done on struct numeric.
 */
#include "base/base_checked.h"
#include "exec/exec_kernel.h"

static enum status overflow(void) {
    return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format");
}

static bool beyond_38_digits(int128_t number) {
    return number >= power_of_10_128[38] || number <= -power_of_10_128[38];
}

/* One 64-bit kernel; flat and constant sides, all rows in order, is a loop the compiler
   vectorises. It cannot overflow as long as the type's precision is told truly; the check costs
   one OR a row. */
#define SCALED64(name, operation, checked)                                                         \
    static enum status name(const struct vector *arguments, const uint16_t *rows, uint32_t count,  \
                            struct vector *result) {                                               \
        struct vector_view a = vector_view(&arguments[0]), b = vector_view(&arguments[1]);         \
        const int64_t *restrict x = a.data, *restrict y = b.data;                                  \
        int64_t *restrict out = result->data;                                                      \
        bool a_constant = arguments[0].kind == VECTOR_CONSTANT;                                    \
        bool b_constant = arguments[1].kind == VECTOR_CONSTANT;                                    \
        bool simple =                                                                              \
            arguments[0].kind != VECTOR_DICTIONARY && arguments[1].kind != VECTOR_DICTIONARY;      \
        if (simple && result->type.precision > 0 && result->type.precision <= 18 && count > 0 &&   \
            (uint32_t)rows[count - 1] + 1 <= count * 3) {                                          \
            uint32_t extent = (uint32_t)rows[count - 1] + 1;                                       \
            if (a_constant)                                                                        \
                for (uint32_t i = 0; i < extent; i++)                                              \
                    out[i] = (int64_t)((uint64_t)x[0] operation(uint64_t) y[i]);                   \
            else if (b_constant)                                                                   \
                for (uint32_t i = 0; i < extent; i++)                                              \
                    out[i] = (int64_t)((uint64_t)x[i] operation(uint64_t) y[0]);                   \
            else                                                                                   \
                for (uint32_t i = 0; i < extent; i++)                                              \
                    out[i] = (int64_t)((uint64_t)x[i] operation(uint64_t) y[i]);                   \
            return STATUS_OK;                                                                      \
        }                                                                                          \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t row = rows[i];                                                                \
            if (checked(x[a.indices[row]], y[b.indices[row]], &out[row]) &&                        \
                !vector_is_null(result, row))                                                      \
                return overflow();                                                                 \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
SCALED64(add64, +, CHECKED_ADD)
SCALED64(subtract64, -, CHECKED_SUB)
SCALED64(multiply64, *, CHECKED_MUL)

#define SCALED128(name, checked)                                                                   \
    static enum status name(const struct vector *arguments, const uint16_t *rows, uint32_t count,  \
                            struct vector *result) {                                               \
        struct vector_view a = vector_view(&arguments[0]), b = vector_view(&arguments[1]);         \
        const int128_t *x = a.data, *y = b.data;                                                   \
        int128_t *out = result->data;                                                              \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t row = rows[i];                                                                \
            int128_t r;                                                                            \
            if ((checked(x[a.indices[row]], y[b.indices[row]], &r) || beyond_38_digits(r)) &&      \
                !vector_is_null(result, row))                                                      \
                return overflow();                                                                 \
            out[row] = r;                                                                          \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
SCALED128(add128, CHECKED_ADD)
SCALED128(subtract128, CHECKED_SUB)

/* Most products have factors of 64 bits: one multiply instruction instead of a library call. */
static inline bool multiply_128(int128_t x, int128_t y, int128_t *r) {
    if (x == (int64_t)x && y == (int64_t)y) {
        *r = (int128_t)(int64_t)x * (int64_t)y;
        return false;
    }
    return CHECKED_MUL(x, y, r);
}
#define MULTIPLY_128(x, y, r) multiply_128((x), (y), (r))
SCALED128(multiply128, MULTIPLY_128)

#define NUMERIC_LOOP(name, fast, slow)                                                             \
    static enum status name(const struct vector *arguments, const uint16_t *rows, uint32_t count,  \
                            struct vector *result) {                                               \
        struct vector_view a = vector_view(&arguments[0]), b = vector_view(&arguments[1]);         \
        const struct numeric *x = a.data, *y = b.data;                                             \
        struct numeric *out = result->data;                                                        \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t row = rows[i];                                                                \
            if (vector_is_null(result, row))                                                       \
                continue;                                                                          \
            const struct numeric *p = &x[a.indices[row]], *q = &y[b.indices[row]];                 \
            int128_t r;                                                                            \
            int scale;                                                                             \
            if (p->kind == NUMERIC_FINITE && q->kind == NUMERIC_FINITE && (fast))                  \
                out[row] = numeric_make(r, scale);                                                 \
            else                                                                                   \
                TRY(slow(*p, *q, &out[row]));                                                      \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
NUMERIC_LOOP(add_any,
             (scale = p->scale, p->scale == q->scale) &&
                 !CHECKED_ADD(p->coefficient, q->coefficient, &r) && !beyond_38_digits(r),
             numeric_add)
NUMERIC_LOOP(subtract_any,
             (scale = p->scale, p->scale == q->scale) &&
                 !CHECKED_SUB(p->coefficient, q->coefficient, &r) && !beyond_38_digits(r),
             numeric_subtract)
NUMERIC_LOOP(multiply_any,
             (scale = p->scale + q->scale, scale <= NUMERIC_DIGITS_MAX) &&
                 !multiply_128(p->coefficient, q->coefficient, &r) && !beyond_38_digits(r),
             numeric_multiply)

#define BY_FORM(symbol, of64, of128, any)                                                          \
    VECTOR_FUNCTION(symbol) {                                                                      \
        switch ((enum physical)result->physical) {                                                 \
        case PHYSICAL_INT64:                                                                       \
            return of64(arguments, rows, count, result);                                           \
        case PHYSICAL_INT128:                                                                      \
            return of128(arguments, rows, count, result);                                          \
        default:                                                                                   \
            return any(arguments, rows, count, result);                                            \
        }                                                                                          \
    }
BY_FORM(numeric_add, add64, add128, add_any)
BY_FORM(numeric_sub, subtract64, subtract128, subtract_any)
BY_FORM(numeric_mul, multiply64, multiply128, multiply_any)

/* ---- boxed ------------------------------------------------------------------------------- */

static struct numeric number(const struct value *value) {
    return numeric_from_value(value);
}
static enum status give(struct numeric number, struct value *result) {
    return numeric_to_value(number, result->type, result);
}

#define BINARY(symbol, function)                                                                   \
    BOXED_FUNCTION(symbol) {                                                                       \
        struct numeric r;                                                                          \
        TRY(function(number(&arguments[0]), number(&arguments[1]), &r));                           \
        return give(r, result);                                                                    \
    }
#define UNARY(symbol, function)                                                                    \
    BOXED_FUNCTION(symbol) {                                                                       \
        struct numeric r;                                                                          \
        TRY(function(number(&arguments[0]), &r));                                                  \
        return give(r, result);                                                                    \
    }
BINARY(numeric_div, numeric_divide)
BINARY(numeric_mod, numeric_modulo)
BINARY(numeric_div_trunc, numeric_divide_truncated)
BINARY(numeric_power, numeric_power)
BINARY(numeric_log, numeric_log)
UNARY(numeric_sqrt, numeric_sqrt)
UNARY(numeric_exp, numeric_exp)
UNARY(numeric_ln, numeric_ln)
UNARY(numeric_ceil, numeric_ceil)
UNARY(numeric_floor, numeric_floor)

BOXED_FUNCTION(numeric_uminus) {
    return give(numeric_negate(number(&arguments[0])), result);
}
BOXED_FUNCTION(numeric_uplus) {
    return give(number(&arguments[0]), result);
}
BOXED_FUNCTION(numeric_abs) {
    return give(numeric_absolute(number(&arguments[0])), result);
}
BOXED_FUNCTION(numeric_sign) {
    struct numeric x = number(&arguments[0]);
    return give(x.kind == NUMERIC_NAN ? x : numeric_make(numeric_sign(x), 0), result);
}
BOXED_FUNCTION(numeric_round) {
    struct numeric r;
    TRY(numeric_round(number(&arguments[0]), arguments[1].int32, &r));
    return give(r, result);
}
BOXED_FUNCTION(round_numeric) {
    struct numeric r;
    TRY(numeric_round(number(&arguments[0]), 0, &r));
    return give(r, result);
}
BOXED_FUNCTION(numeric_trunc) {
    struct numeric r;
    TRY(numeric_truncate(number(&arguments[0]), arguments[1].int32, &r));
    return give(r, result);
}
BOXED_FUNCTION(trunc_numeric) {
    struct numeric r;
    TRY(numeric_truncate(number(&arguments[0]), 0, &r));
    return give(r, result);
}
BOXED_FUNCTION(log10_numeric) {
    struct numeric r;
    TRY(numeric_log(numeric_make(10, 0), number(&arguments[0]), &r));
    return give(r, result);
}
BOXED_FUNCTION(numeric_scale) {
    struct numeric x = number(&arguments[0]);
    if (x.kind != NUMERIC_FINITE)
        return return_null(result);
    result->int32 = x.scale;
    return STATUS_OK;
}
BOXED_FUNCTION(numeric_min_scale) {
    struct numeric x = number(&arguments[0]);
    if (x.kind != NUMERIC_FINITE)
        return return_null(result);
    result->int32 = numeric_normalize(x).scale;
    return STATUS_OK;
}
BOXED_FUNCTION(numeric_trim_scale) {
    return give(numeric_normalize(number(&arguments[0])), result);
}
BOXED_FUNCTION(numeric_fac) {
    int64_t n = arguments[0].int64;
    int128_t product = 1;
    if (n < 0)
        return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE,
                         "factorial of a negative number is undefined");
    for (int64_t i = 2; i <= n; i++)
        if (CHECKED_MUL(product, (int128_t)i, &product) || beyond_38_digits(product))
            return overflow();
    return give(numeric_make(product, 0), result);
}

/* Greatest common divisor, least common multiple. */
static uint64_t gcd_of(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}
static uint64_t magnitude(int64_t x) {
    return x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
}
#define GCD(gcd, lcm, member, type, maximum, name)                                                 \
    BOXED_FUNCTION(gcd) {                                                                          \
        uint64_t g = gcd_of(magnitude(arguments[0].member), magnitude(arguments[1].member));       \
        if (g > (uint64_t)maximum)                                                                 \
            return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, name " out of range");             \
        result->member = (type)g;                                                                  \
        return STATUS_OK;                                                                          \
    }                                                                                              \
    BOXED_FUNCTION(lcm) {                                                                          \
        uint64_t a = magnitude(arguments[0].member), b = magnitude(arguments[1].member), m = 0;    \
        if (a != 0 && b != 0 && (CHECKED_MUL(a / gcd_of(a, b), b, &m) || m > (uint64_t)maximum))   \
            return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, name " out of range");             \
        result->member = (type)m;                                                                  \
        return STATUS_OK;                                                                          \
    }
GCD(int4gcd, int4lcm, int32, int32_t, INT32_MAX, "integer")
GCD(int8gcd, int8lcm, int64, int64_t, INT64_MAX, "bigint")

#define SAME(symbol, member)                                                                       \
    BOXED_FUNCTION(symbol) {                                                                       \
        result->member = arguments[0].member;                                                      \
        return STATUS_OK;                                                                          \
    }
SAME(int2up, int16)
SAME(int4up, int32)
SAME(int8up, int64)
SAME(float4up, float32)
SAME(float8up, float64)

BOXED_FUNCTION(width_bucket_numeric) {
    struct numeric operand = number(&arguments[0]), low = number(&arguments[1]);
    struct numeric high = number(&arguments[2]), span, offset, scaled, quotient;
    int32_t count = arguments[3].int32;
    if (count <= 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_WIDTH_BUCKET,
                         "count must be greater than zero");
    int order = numeric_compare(low, high);
    if (order == 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_WIDTH_BUCKET,
                         "lower bound cannot equal upper bound");
    if (order > 0) { /* downwards: mirror everything */
        operand = numeric_negate(operand);
        low = numeric_negate(low);
        high = numeric_negate(high);
    }
    if (numeric_compare(operand, low) < 0) {
        result->int32 = 0;
        return STATUS_OK;
    }
    if (numeric_compare(operand, high) >= 0) {
        result->int32 = count + 1;
        return STATUS_OK;
    }
    TRY(numeric_subtract(high, low, &span));
    TRY(numeric_subtract(operand, low, &offset));
    TRY(numeric_multiply(offset, numeric_make(count, 0), &scaled));
    TRY(numeric_divide_truncated(scaled, span, &quotient));
    result->int32 = (int32_t)quotient.coefficient + 1;
    return STATUS_OK;
}

static const struct kernel_entry entries[] = {
    VECTOR(numeric_add),
    VECTOR(numeric_sub),
    VECTOR(numeric_mul),
    BOXED(numeric_div),
    BOXED(numeric_mod),
    BOXED(numeric_div_trunc),
    BOXED(numeric_power),
    BOXED(numeric_log),
    BOXED(numeric_sqrt),
    BOXED(numeric_exp),
    BOXED(numeric_ln),
    BOXED(numeric_ceil),
    BOXED(numeric_floor),
    BOXED(numeric_uminus),
    BOXED(numeric_uplus),
    BOXED(numeric_abs),
    BOXED(numeric_sign),
    BOXED(numeric_round),
    BOXED(round_numeric),
    BOXED(numeric_trunc),
    BOXED(trunc_numeric),
    BOXED(log10_numeric),
    {"log_numeric", NULL, exec_fn_log10_numeric, NULL},
    BOXED(numeric_scale),
    BOXED(numeric_min_scale),
    BOXED(numeric_trim_scale),
    BOXED(numeric_fac),
    BOXED(int4gcd),
    BOXED(int4lcm),
    BOXED(int8gcd),
    BOXED(int8lcm),
    BOXED(int2up),
    BOXED(int4up),
    BOXED(int8up),
    BOXED(float4up),
    BOXED(float8up),
    BOXED(width_bucket_numeric),
};
KERNEL_TABLE(exec__kernels_numeric, entries)
