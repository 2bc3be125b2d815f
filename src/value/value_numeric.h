/*
 * numeric: exact decimals of up to 38 significant digits.
 *
 * Results, and the number of digits shown, are PostgreSQL's as long as 38 digits hold them. What
 * needs more: addition, subtraction, multiplication and rounding fail with
 * NUMERIC_VALUE_OUT_OF_RANGE when the integral part does not fit; digits after the point that do
 * not fit are an error for + - * too (exactness first), while division, sqrt, exp, ln, log and
 * power, which are inexact anyway, give fewer fractional digits than PostgreSQL (exp, ln, log and
 * power know about 31 significant digits).
 *
 * Scaled integers (the INT64 and INT128 forms of a known scale) go through numeric_make
 * and numeric_to_value; kernels of the executor work on them directly, with the result types
 * below, and use the slow functions here where no fast path exists.
 */
#ifndef VALUE_NUMERIC_H
#define VALUE_NUMERIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "value/value.h"
#include "value/value_type.h"

/* 10^n, 0 <= n <= 38 (18 for 64 bits). */
extern const int64_t power_of_10[19];
extern const int128_t power_of_10_128[39];

/* ---- result types of + - * over known scales ------------------------------------------- */

/* Integer type ids as a numeric of known scale; numerics as they are. */
struct type numeric_type_of(struct type type);

/* ---- conversions ----------------------------------------------------------------------- */

static inline struct numeric numeric_make(int128_t coefficient, int scale) {
    return (struct numeric){.coefficient = coefficient, .scale = (int16_t)scale};
}
static inline struct numeric numeric_special(enum numeric_kind kind) {
    return (struct numeric){.kind = (uint8_t)kind};
}

/* A boxed numeric (any physical form) or integer as struct numeric. */
struct numeric numeric_from_value(const struct value *value);
/* A boxed value of numeric type `type` in the form that type says: rounds to its scale (half away
   from zero), NUMERIC_VALUE_OUT_OF_RANGE `numeric field overflow` with PostgreSQL's detail. NaN
   and infinities need an unknown-scale type (FEATURE_NOT_SUPPORTED for NaN otherwise). */
enum status numeric_to_value(struct numeric number, struct type type, struct value *value_out)
    MUST_USE;
/* Change a scaled integer from one scale to another; rounds half away from zero. True: overflow
   of int128. */
bool numeric_rescale(int128_t coefficient, int from_scale, int to_scale, int128_t *result);

/* Text without surrounding spaces handling done for you: " 12.50 ", "1e5", "NaN", "-inf".
   INVALID_TEXT_REPRESENTATION, NUMERIC_VALUE_OUT_OF_RANGE. */
enum status numeric_parse(struct slice text, struct numeric *number_out) MUST_USE;
void numeric_format(struct numeric number, struct buffer *buffer);
/* The digits of a scaled integer; at most 42 + scale bytes. */
void numeric_format_scaled(int128_t coefficient, int scale, struct buffer *buffer);

enum status numeric_from_float8(double number, struct numeric *number_out) MUST_USE;
enum status numeric_from_float4(float number, struct numeric *number_out) MUST_USE;
double numeric_to_float8(struct numeric number);
/* Rounded half away from zero. NUMERIC_VALUE_OUT_OF_RANGE "bigint out of range" (type_id INT2,
   INT4, INT8 names the limits and the message), FEATURE_NOT_SUPPORTED "cannot convert NaN to". */
enum status numeric_to_integer(struct numeric number, uint32_t type_id, int64_t *result) MUST_USE;

/* Compact bytes for storage: kind and scale, then the coefficient in as few bytes as it needs.
   pack returns the size (<= NUMERIC_PACKED_SIZE_MAX); unpack gives DATA_CORRUPTED on garbage. */
enum { NUMERIC_PACKED_SIZE_MAX = 20 };
size_t numeric_pack(struct numeric number, uint8_t bytes[NUMERIC_PACKED_SIZE_MAX]);
enum status numeric_unpack(struct slice bytes, struct numeric *number_out) MUST_USE;

/* ---- order ----------------------------------------------------------------------------- */

/* -infinity < finite < infinity < NaN = NaN. */
int numeric_compare(struct numeric a, struct numeric b);
uint64_t numeric_hash(struct numeric number);
/* Hash of a scaled integer, equal to numeric_hash of the same value. */
uint64_t numeric_hash_scaled(int128_t coefficient, int scale);
/* Trailing fractional zeros removed (trim_scale). */
struct numeric numeric_normalize(struct numeric number);
static inline int numeric_sign(struct numeric number) {
    if (number.kind != NUMERIC_FINITE)
        return number.kind == NUMERIC_INFINITY ? 1 : number.kind == NUMERIC_MINUS_INFINITY ? -1 : 0;
    return (number.coefficient > 0) - (number.coefficient < 0);
}

/* ---- arithmetic ------------------------------------------------------------------------ */

enum status numeric_add(struct numeric a, struct numeric b, struct numeric *result) MUST_USE;
enum status numeric_subtract(struct numeric a, struct numeric b, struct numeric *result) MUST_USE;
enum status numeric_multiply(struct numeric a, struct numeric b, struct numeric *result) MUST_USE;
/* DIVISION_BY_ZERO. The result has the scale PostgreSQL chooses: at least 16 significant digits. */
enum status numeric_divide(struct numeric a, struct numeric b, struct numeric *result) MUST_USE;
/* Sign of the dividend. */
enum status numeric_modulo(struct numeric a, struct numeric b, struct numeric *result) MUST_USE;
/* Quotient cut to an integer (div()). */
enum status numeric_divide_truncated(struct numeric a, struct numeric b, struct numeric *result)
    MUST_USE;
struct numeric numeric_negate(struct numeric a);
struct numeric numeric_absolute(struct numeric a);
/* To `digits` fractional digits (may be negative); the result shows max(digits, 0) of them. */
enum status numeric_round(struct numeric a, int digits, struct numeric *result) MUST_USE;
enum status numeric_truncate(struct numeric a, int digits, struct numeric *result) MUST_USE;
enum status numeric_ceil(struct numeric a, struct numeric *result) MUST_USE;
enum status numeric_floor(struct numeric a, struct numeric *result) MUST_USE;
/* sum / count with the scale of avg(): numeric_divide by the count as an integer. */
enum status numeric_average(struct numeric sum, int64_t count, struct numeric *result) MUST_USE;

/* INVALID_ARGUMENT_FOR_POWER for a negative number (sqrt: "cannot take square root of a negative
   number"), INVALID_ARGUMENT_FOR_LOG for logarithms of numbers <= 0. */
enum status numeric_sqrt(struct numeric a, struct numeric *result) MUST_USE;
/* The same with `scale` digits after the point, fewer where 38 digits are too few. */
enum status numeric_sqrt_to(struct numeric a, int scale, struct numeric *result) MUST_USE;
enum status numeric_exp(struct numeric a, struct numeric *result) MUST_USE;
enum status numeric_ln(struct numeric a, struct numeric *result) MUST_USE;
enum status numeric_log(struct numeric base, struct numeric a, struct numeric *result) MUST_USE;
enum status numeric_power(struct numeric a, struct numeric exponent, struct numeric *result)
    MUST_USE;

/* to_char(number, format): 9 0 . , D G L S MI PL SG PR FM EEEE RN V TH th and quoted text. */
enum status numeric_to_char(struct numeric number, struct slice format, struct buffer *buffer)
    MUST_USE;
/* to_number(text, format). */
enum status numeric_from_char(struct slice text, struct slice format, struct numeric *number_out)
    MUST_USE;

#endif
