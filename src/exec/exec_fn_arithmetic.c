/*
 * Arithmetic of integers and floats: vector kernels made by macros.
 *
 * When both sides are flat or constant and most rows count, a loop without branches runs over all
 * rows and only ORs together whether anything overflowed; if so, the rows that count and are not
 * NULL are looked at one by one. Else a loop over the selected rows does the same work.
 */
#include <math.h>

#include "base/base_checked.h"
#include "exec/exec_kernel.h"

static enum status out_of_range(const char *type) {
    return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "%s out of range", type);
}
static enum status division_by_zero(void) {
    return error_set(STATUS_DIVISION_BY_ZERO, "division by zero");
}

static bool is_simple(const struct vector *vector) {
    return vector->kind == VECTOR_FLAT || vector->kind == VECTOR_CONSTANT;
}
/* Dense loops pay when at least a third of the rows they touch count. */
static bool dense_pays(const uint16_t *rows, uint32_t count) {
    return count > 0 && (uint32_t)rows[count - 1] + 1 <= count * 3;
}

/* BODY(a, b, r) sets r and yields nonzero when it does not fit. */
#define BINARY_KERNEL(symbol, type, body, range_text)                                              \
    static __attribute__((noinline))                                                               \
    uint64_t symbol##_dense(const type *restrict a, bool a_constant, const type *restrict b,       \
                            bool b_constant, type *restrict out, uint32_t extent) {                \
        uint64_t bad = 0;                                                                          \
        if (a_constant) {                                                                          \
            type x = a[0];                                                                         \
            for (uint32_t i = 0; i < extent; i++) {                                                \
                type y = b[i], r;                                                                  \
                bad |= (uint64_t)body(x, y, r);                                                    \
                out[i] = r;                                                                        \
            }                                                                                      \
        } else if (b_constant) {                                                                   \
            type y = b[0];                                                                         \
            for (uint32_t i = 0; i < extent; i++) {                                                \
                type x = a[i], r;                                                                  \
                bad |= (uint64_t)body(x, y, r);                                                    \
                out[i] = r;                                                                        \
            }                                                                                      \
        } else {                                                                                   \
            for (uint32_t i = 0; i < extent; i++) {                                                \
                type x = a[i], y = b[i], r;                                                        \
                bad |= (uint64_t)body(x, y, r);                                                    \
                out[i] = r;                                                                        \
            }                                                                                      \
        }                                                                                          \
        return bad;                                                                                \
    }                                                                                              \
    VECTOR_FUNCTION(symbol) {                                                                      \
        type *out = result->data;                                                                  \
        if (is_simple(&arguments[0]) && is_simple(&arguments[1]) && dense_pays(rows, count) &&     \
            symbol##_dense(arguments[0].data, arguments[0].kind == VECTOR_CONSTANT,                \
                           arguments[1].data, arguments[1].kind == VECTOR_CONSTANT, out,           \
                           (uint32_t)rows[count - 1] + 1) == 0)                                    \
            return STATUS_OK;                                                                      \
        struct vector_view a = vector_view(&arguments[0]), b = vector_view(&arguments[1]);         \
        const type *a_data = a.data, *b_data = b.data;                                             \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t row = rows[i];                                                                \
            type x = a_data[a.indices[row]], y = b_data[b.indices[row]], r;                        \
            if (__builtin_expect(body(x, y, r) != 0, 0) && !vector_is_null(result, row))           \
                return out_of_range(range_text);                                                   \
            out[row] = r;                                                                          \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }

/* Narrow types: compute wide, compare after narrowing. */
#define WIDE(narrow, op, x, y, r)                                                                  \
    (__extension__({                                                                               \
        int64_t wide_ = (int64_t)(x)op(int64_t)(y);                                                \
        (r) = (narrow)wide_;                                                                       \
        wide_ != (int64_t)(r);                                                                     \
    }))
#define ADD16(x, y, r) WIDE(int16_t, +, x, y, r)
#define SUB16(x, y, r) WIDE(int16_t, -, x, y, r)
#define MUL16(x, y, r) WIDE(int16_t, *, x, y, r)
#define ADD32(x, y, r) WIDE(int32_t, +, x, y, r)
#define SUB32(x, y, r) WIDE(int32_t, -, x, y, r)
#define MUL32(x, y, r) WIDE(int32_t, *, x, y, r)
/* Signs tell: the sum's sign differs from both sides'. */
#define ADD64(x, y, r)                                                                             \
    (__extension__({                                                                               \
        (r) = (int64_t)((uint64_t)(x) + (uint64_t)(y));                                            \
        (uint64_t)(((x) ^ (r)) & ((y) ^ (r))) >> 63;                                               \
    }))
#define SUB64(x, y, r)                                                                             \
    (__extension__({                                                                               \
        (r) = (int64_t)((uint64_t)(x) - (uint64_t)(y));                                            \
        (uint64_t)(((x) ^ (y)) & ((x) ^ (r))) >> 63;                                               \
    }))
#define MUL64(x, y, r) CHECKED_MUL((x), (y), &(r))

BINARY_KERNEL(int2pl, int16_t, ADD16, "smallint")
BINARY_KERNEL(int2mi, int16_t, SUB16, "smallint")
BINARY_KERNEL(int2mul, int16_t, MUL16, "smallint")
BINARY_KERNEL(int4pl, int32_t, ADD32, "integer")
BINARY_KERNEL(int4mi, int32_t, SUB32, "integer")
BINARY_KERNEL(int4mul, int32_t, MUL32, "integer")
BINARY_KERNEL(int8pl, int64_t, ADD64, "bigint")
BINARY_KERNEL(int8mi, int64_t, SUB64, "bigint")
BINARY_KERNEL(int8mul, int64_t, MUL64, "bigint")

/* Bits never fail. */
#define AND_BITS(x, y, r) ((r) = (x) & (y), 0)
#define OR_BITS(x, y, r) ((r) = (x) | (y), 0)
#define XOR_BITS(x, y, r) ((r) = (x) ^ (y), 0)
BINARY_KERNEL(int2and, int16_t, AND_BITS, "smallint")
BINARY_KERNEL(int2or, int16_t, OR_BITS, "smallint")
BINARY_KERNEL(int2xor, int16_t, XOR_BITS, "smallint")
BINARY_KERNEL(int4and, int32_t, AND_BITS, "integer")
BINARY_KERNEL(int4or, int32_t, OR_BITS, "integer")
BINARY_KERNEL(int4xor, int32_t, XOR_BITS, "integer")
BINARY_KERNEL(int8and, int64_t, AND_BITS, "bigint")
BINARY_KERNEL(int8or, int64_t, OR_BITS, "bigint")
BINARY_KERNEL(int8xor, int64_t, XOR_BITS, "bigint")

/* date +- integer; infinity stays as it is, which the slow loop finds out. */
#define DATE_BODY(op, x, y, r)                                                                     \
    (__extension__({                                                                               \
        int64_t wide_ = (int64_t)(x)op(int64_t)(y);                                                \
        bool finite_ = (x) != DATE_INFINITY && (x) != DATE_MINUS_INFINITY;                         \
        (r) = finite_ ? (int32_t)wide_ : (x);                                                      \
        finite_ && (wide_ < DATE_MIN || wide_ >= DATE_END);                                        \
    }))
#define DATE_ADD(x, y, r) DATE_BODY(+, x, y, r)
#define DATE_SUB(x, y, r) DATE_BODY(-, x, y, r)
#define DATE_ADD_SWAPPED(x, y, r) DATE_BODY(+, y, x, r)
static enum status date_out_of_range(const char *type) {
    return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "%s out of range", type);
}
#define out_of_range date_out_of_range
BINARY_KERNEL(date_pli, int32_t, DATE_ADD, "date")
BINARY_KERNEL(date_mii, int32_t, DATE_SUB, "date")
BINARY_KERNEL(integer_pl_date, int32_t, DATE_ADD_SWAPPED, "date")
#undef out_of_range

VECTOR_FUNCTION(date_mi) {
    struct vector_view a = vector_view(&arguments[0]), b = vector_view(&arguments[1]);
    const int32_t *a_data = a.data, *b_data = b.data;
    int32_t *out = result->data;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        int32_t x = a_data[a.indices[row]], y = b_data[b.indices[row]];
        if ((!date_is_finite(x) || !date_is_finite(y)) && !vector_is_null(result, row))
            return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "cannot subtract infinite dates");
        out[row] = (int32_t)((uint32_t)x - (uint32_t)y);
    }
    return STATUS_OK;
}

/* Floats: finite operands with an infinite result overflow, a zero product of nonzero ones
   underflows. */
#define FLOAT_ADD(x, y, r) ((r) = (x) + (y), isinf(r) && !isinf(x) && !isinf(y))
#define FLOAT_SUB(x, y, r) ((r) = (x) - (y), isinf(r) && !isinf(x) && !isinf(y))
#define FLOAT_MUL(x, y, r)                                                                         \
    ((r) = (x) * (y), (isinf(r) && !isinf(x) && !isinf(y)) || ((r) == 0 && (x) != 0 && (y) != 0))
static enum status float_out_of_range(const char *why) {
    return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: %s", why);
}
#define out_of_range float_out_of_range
BINARY_KERNEL(float4pl, float, FLOAT_ADD, "overflow")
BINARY_KERNEL(float4mi, float, FLOAT_SUB, "overflow")
BINARY_KERNEL(float8pl, double, FLOAT_ADD, "overflow")
BINARY_KERNEL(float8mi, double, FLOAT_SUB, "overflow")
BINARY_KERNEL(float4mul, float, FLOAT_MUL, r == 0 ? "underflow" : "overflow")
BINARY_KERNEL(float8mul, double, FLOAT_MUL, r == 0 ? "underflow" : "overflow")
#undef out_of_range

#define FLOAT_DIVIDE(symbol, type)                                                                 \
    VECTOR_FUNCTION(symbol) {                                                                      \
        struct vector_view a = vector_view(&arguments[0]), b = vector_view(&arguments[1]);         \
        const type *a_data = a.data, *b_data = b.data;                                             \
        type *out = result->data;                                                                  \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t row = rows[i];                                                                \
            type x = a_data[a.indices[row]], y = b_data[b.indices[row]], r = x / y;                \
            if (__builtin_expect(                                                                  \
                    y == 0 || (isinf(r) && !isinf(x)) || (r == 0 && x != 0 && !isinf(y)), 0) &&    \
                !vector_is_null(result, row)) {                                                    \
                if (y == 0 && !isnan(x))                                                           \
                    return division_by_zero();                                                     \
                if (isinf(r) && !isinf(x))                                                         \
                    return float_out_of_range("overflow");                                         \
                if (y != 0)                                                                        \
                    return float_out_of_range("underflow");                                        \
            }                                                                                      \
            out[row] = r;                                                                          \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
FLOAT_DIVIDE(float4div, float)
FLOAT_DIVIDE(float8div, double)

/* Integer quotient and remainder. minimum / -1 does not fit; minimum % -1 is 0. */
#define INTEGER_DIVIDE(divide, modulo, type, minimum, range_text)                                  \
    VECTOR_FUNCTION(divide) {                                                                      \
        struct vector_view a = vector_view(&arguments[0]), b = vector_view(&arguments[1]);         \
        const type *a_data = a.data, *b_data = b.data;                                             \
        type *out = result->data;                                                                  \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t row = rows[i];                                                                \
            type x = a_data[a.indices[row]], y = b_data[b.indices[row]];                           \
            if (__builtin_expect(y == 0 || (y == -1 && x == minimum), 0)) {                        \
                if (vector_is_null(result, row))                                                   \
                    continue;                                                                      \
                return y == 0 ? division_by_zero() : out_of_range(range_text);                     \
            }                                                                                      \
            out[row] = (type)(x / y);                                                              \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }                                                                                              \
    VECTOR_FUNCTION(modulo) {                                                                      \
        struct vector_view a = vector_view(&arguments[0]), b = vector_view(&arguments[1]);         \
        const type *a_data = a.data, *b_data = b.data;                                             \
        type *out = result->data;                                                                  \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t row = rows[i];                                                                \
            type x = a_data[a.indices[row]], y = b_data[b.indices[row]];                           \
            if (__builtin_expect(y == 0, 0)) {                                                     \
                if (vector_is_null(result, row))                                                   \
                    continue;                                                                      \
                return division_by_zero();                                                         \
            }                                                                                      \
            out[row] = y == -1 ? 0 : (type)(x % y);                                                \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
INTEGER_DIVIDE(int2div, int2mod, int16_t, INT16_MIN, "smallint")
INTEGER_DIVIDE(int4div, int4mod, int32_t, INT32_MIN, "integer")
INTEGER_DIVIDE(int8div, int8mod, int64_t, INT64_MIN, "bigint")

#define UNARY_KERNEL(symbol, type, fails, expression, range_text)                                  \
    VECTOR_FUNCTION(symbol) {                                                                      \
        struct vector_view a = vector_view(&arguments[0]);                                         \
        const type *data = a.data;                                                                 \
        type *out = result->data;                                                                  \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint32_t row = rows[i];                                                                \
            type x = data[a.indices[row]];                                                         \
            if (__builtin_expect(fails, 0)) {                                                      \
                if (vector_is_null(result, row))                                                   \
                    continue;                                                                      \
                return out_of_range(range_text);                                                   \
            }                                                                                      \
            out[row] = (type)(expression);                                                         \
        }                                                                                          \
        return STATUS_OK;                                                                          \
    }
UNARY_KERNEL(int2um, int16_t, x == INT16_MIN, -x, "smallint")
UNARY_KERNEL(int4um, int32_t, x == INT32_MIN, -x, "integer")
UNARY_KERNEL(int8um, int64_t, x == INT64_MIN, -x, "bigint")
UNARY_KERNEL(int2abs, int16_t, x == INT16_MIN, x < 0 ? -x : x, "smallint")
UNARY_KERNEL(int4abs, int32_t, x == INT32_MIN, x < 0 ? -x : x, "integer")
UNARY_KERNEL(int8abs, int64_t, x == INT64_MIN, x < 0 ? -x : x, "bigint")
UNARY_KERNEL(int2not, int16_t, false, ~x, "smallint")
UNARY_KERNEL(int4not, int32_t, false, ~x, "integer")
UNARY_KERNEL(int8not, int64_t, false, ~x, "bigint")
UNARY_KERNEL(float4um, float, false, -x, "real")
UNARY_KERNEL(float8um, double, false, -x, "double precision")
UNARY_KERNEL(float4abs, float, false, fabsf(x), "real")
UNARY_KERNEL(float8abs, double, false, fabs(x), "double precision")

/* Shifts take the distance modulo the width, as PostgreSQL's C does on this hardware. */
#define SHIFT(left, right, member, unsigned_type, signed_type, width)                              \
    BOXED_FUNCTION(left) {                                                                         \
        result->member = (signed_type)((unsigned_type)arguments[0].member                          \
                                       << (arguments[1].int32 & (width - 1)));                     \
        return STATUS_OK;                                                                          \
    }                                                                                              \
    BOXED_FUNCTION(right) {                                                                        \
        result->member = (signed_type)(arguments[0].member >> (arguments[1].int32 & (width - 1))); \
        return STATUS_OK;                                                                          \
    }
/* int2 is shifted as an int (5 bits of distance), then cut. */
BOXED_FUNCTION(int2shl) {
    result->int16 = (int16_t)((uint32_t)arguments[0].int16 << (arguments[1].int32 & 31));
    return STATUS_OK;
}
BOXED_FUNCTION(int2shr) {
    result->int16 = (int16_t)((int32_t)arguments[0].int16 >> (arguments[1].int32 & 31));
    return STATUS_OK;
}
SHIFT(int4shl, int4shr, int32, uint32_t, int32_t, 32)
SHIFT(int8shl, int8shr, int64, uint64_t, int64_t, 64)

static const struct kernel_entry entries[] = {
    VECTOR(int2pl),    VECTOR(int2mi),   VECTOR(int2mul),  VECTOR(int2div),
    VECTOR(int2mod),   VECTOR(int4pl),   VECTOR(int4mi),   VECTOR(int4mul),
    VECTOR(int4div),   VECTOR(int4mod),  VECTOR(int8pl),   VECTOR(int8mi),
    VECTOR(int8mul),   VECTOR(int8div),  VECTOR(int8mod),  VECTOR(int2and),
    VECTOR(int2or),    VECTOR(int2xor),  VECTOR(int2not),  VECTOR(int4and),
    VECTOR(int4or),    VECTOR(int4xor),  VECTOR(int4not),  VECTOR(int8and),
    VECTOR(int8or),    VECTOR(int8xor),  VECTOR(int8not),  VECTOR(int2um),
    VECTOR(int4um),    VECTOR(int8um),   VECTOR(int2abs),  VECTOR(int4abs),
    VECTOR(int8abs),   VECTOR(float4um), VECTOR(float8um), VECTOR(float4abs),
    VECTOR(float8abs), VECTOR(float4pl), VECTOR(float4mi), VECTOR(float4mul),
    VECTOR(float4div), VECTOR(float8pl), VECTOR(float8mi), VECTOR(float8mul),
    VECTOR(float8div), VECTOR(date_pli), VECTOR(date_mii), VECTOR(integer_pl_date),
    VECTOR(date_mi),   BOXED(int2shl),   BOXED(int2shr),   BOXED(int4shl),
    BOXED(int4shr),    BOXED(int8shl),   BOXED(int8shr),
};
KERNEL_TABLE(exec__kernels_arithmetic, entries)
