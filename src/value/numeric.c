/* Decimals: conversions, order, + - * / and rounding. Functions of analysis are in
   numeric_functions.c, text in numeric_text.c. */
#include "value/value_numeric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base_hash.h"
#include "value/value_text.h"
#include "value/wide.h"

static enum status overflow(void) {
    enum status status =
        error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format");
    error_detail("Numbers have at most %d significant digits.", NUMERIC_DIGITS_MAX);
    return status;
}

/* ---- types ----------------------------------------------------------------------------- */

struct type numeric_type_of(struct type type) {
    switch (type.id) {
    case TYPE_INT2:
        return type_numeric_derived(5, 0);
    case TYPE_INT4:
        return type_numeric_derived(10, 0);
    case TYPE_INT8:
        return type_numeric_derived(19, 0);
    default:
        return type;
    }
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

/* ---- conversions ----------------------------------------------------------------------- */

struct numeric numeric_from_value(const struct value *value) {
    switch (type_physical(value->type)) {
    case PHYSICAL_INT16:
        return numeric_make(value->int16, 0);
    case PHYSICAL_INT32:
        return numeric_make(value->int32, 0);
    case PHYSICAL_INT64:
        return numeric_make(value->int64, value->type.scale);
    case PHYSICAL_INT128:
        return numeric_make(value->int128, value->type.scale);
    case PHYSICAL_NUMERIC:
        return value->numeric;
    default:
        ASSERT(!"not a number");
        return numeric_special(NUMERIC_NAN);
    }
}

bool numeric_rescale(int128_t coefficient, int from_scale, int to_scale, int128_t *result) {
    int shift = to_scale - from_scale;
    if (shift == 0 || coefficient == 0) {
        *result = coefficient;
        return false;
    }
    if (shift > 0)
        return shift > 38 || decimal_multiply(coefficient, power_of_10_128[shift], result);
    if (shift < -38) {
        *result = 0;
        return false;
    }
    int128_t divisor = power_of_10_128[-shift];
    uint128_t magnitude = magnitude_of(coefficient);
    uint128_t quotient = magnitude / (uint128_t)divisor, rest = magnitude % (uint128_t)divisor;
    quotient += rest >= (uint128_t)divisor - rest;
    *result = with_sign(quotient, coefficient < 0);
    return false;
}

static enum status field_overflow(int precision, int scale) {
    enum status status = error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow");
    int digits = precision - scale;
    error_detail("A field with precision %d, scale %d must round to an absolute value less than "
                 "%s%d.",
                 precision, scale, digits != 0 ? "10^" : "", digits != 0 ? digits : 1);
    return status;
}

static enum status special_to_value(struct numeric number, struct type type, int precision,
                                    int scale, struct value *value_out) {
    if (type.precision == 0 && (number.kind == NUMERIC_NAN || precision < 0)) {
        value_out->numeric = number;
        return STATUS_OK;
    }
    if (number.kind == NUMERIC_NAN)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "NaN in a numeric with a declared precision is not supported");
    enum status status = error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow");
    error_detail("A field with precision %d, scale %d cannot hold an infinite value.", precision,
                 scale);
    return status;
}

enum status numeric_to_value(struct numeric number, struct type type, struct value *value_out) {
    ASSERT(type.id == TYPE_NUMERIC);
    *value_out = (struct value){.type = type};
    int precision = type.precision > 0 ? type.precision : -1, scale = type.scale;
    type_numeric_modifier(type.modifier, &precision, &scale);
    if (number.kind != NUMERIC_FINITE)
        return special_to_value(number, type, precision, scale, value_out);
    if (precision < 0) {
        value_out->numeric = number;
        return STATUS_OK;
    }
    if (scale < 0)
        TRY(numeric_round(number, scale, &number));
    int shown = scale < 0 ? 0 : scale;
    int128_t coefficient;
    if (numeric_rescale(number.coefficient, number.scale, shown, &coefficient))
        return field_overflow(precision, scale);
    int digits = scale < 0 ? precision - scale : precision;
    if (digits < 38 && magnitude_of(coefficient) >= (uint128_t)power_of_10_128[digits])
        return field_overflow(precision, scale);
    if (type.precision == 0)
        value_out->numeric = numeric_make(coefficient, shown);
    else if (type.precision <= 18)
        value_out->int64 = (int64_t)coefficient;
    else
        value_out->int128 = coefficient;
    return STATUS_OK;
}

enum status numeric_from_float8(double number, struct numeric *number_out) {
    char text[64];
    snprintf(text, sizeof text, "%.15g", number);
    return numeric_parse(slice_of_text(text), number_out);
}

enum status numeric_from_float4(float number, struct numeric *number_out) {
    char text[64];
    snprintf(text, sizeof text, "%.6g", (double)number);
    return numeric_parse(slice_of_text(text), number_out);
}

double numeric_to_float8(struct numeric number) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (number.kind != NUMERIC_FINITE)
        return number.kind == NUMERIC_NAN        ? NAN
               : number.kind == NUMERIC_INFINITY ? INFINITY
                                                 : -INFINITY;
    /* Both exact in a double, so one division rounds correctly. */
    if (magnitude_of(number.coefficient) < (uint128_t)1 << 53 && number.scale <= 22)
        return (double)(int64_t)number.coefficient / powers[number.scale];
    char digits[40], text[64];
    size_t size = int128_format(number.coefficient, digits);
    snprintf(text, sizeof text, "%.*se-%d", (int)size, digits, number.scale);
    return strtod(text, NULL);
}

enum status numeric_to_integer(struct numeric number, uint32_t type_id, int64_t *result) {
    const char *name = type_info_get(type_id)->name;
    if (number.kind != NUMERIC_FINITE)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "cannot convert %s to %s",
                         number.kind == NUMERIC_NAN ? "NaN" : "infinity", name);
    int64_t max = type_id == TYPE_INT2 ? INT16_MAX : type_id == TYPE_INT4 ? INT32_MAX : INT64_MAX;
    int128_t whole;
    if (numeric_rescale(number.coefficient, number.scale, 0, &whole) || whole > max ||
        whole < -(int128_t)max - 1)
        return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "%s out of range", name);
    *result = (int64_t)whole;
    return STATUS_OK;
}

/* ---- storage --------------------------------------------------------------------------- */

/*  byte 0      kind in bits 0-1, bytes of the coefficient (0..16) in bits 2-6
    byte 1      scale, or 255 and then the scale as u16
    then        coefficient, little-endian two's complement, no longer than needed */
size_t numeric_pack(struct numeric number, uint8_t bytes[NUMERIC_PACKED_SIZE_MAX]) {
    size_t length = 0, at = 1;
    int128_t rest = number.coefficient;
    uint8_t digits[16];
    while (rest != 0 && !(rest == -1 && length > 0 && digits[length - 1] >= 0x80)) {
        digits[length++] = (uint8_t)rest;
        rest >>= 8;
    }
    if (length > 0 && number.coefficient > 0 && digits[length - 1] >= 0x80)
        digits[length++] = 0;
    bytes[0] = (uint8_t)(number.kind | length << 2);
    if (number.scale < 255) {
        bytes[at++] = (uint8_t)number.scale;
    } else {
        bytes[at++] = 255;
        bytes[at++] = (uint8_t)number.scale;
        bytes[at++] = (uint8_t)(number.scale >> 8);
    }
    for (size_t i = 0; i < length; i++)
        bytes[at++] = digits[i];
    return at;
}

enum status numeric_unpack(struct slice bytes, struct numeric *number_out) {
    struct numeric number = {0};
    size_t at = 2;
    if (bytes.size < 2 || bytes.size > NUMERIC_PACKED_SIZE_MAX || bytes.data[0] > (16 << 2 | 3))
        goto corrupted;
    number.kind = bytes.data[0] & 3;
    number.scale = bytes.data[1];
    size_t length = bytes.data[0] >> 2;
    if (number.scale == 255) {
        if (bytes.size < 4)
            goto corrupted;
        int scale = bytes.data[2] | bytes.data[3] << 8;
        if (scale < 255 || scale > NUMERIC_SCALE_MAX)
            goto corrupted;
        number.scale = (int16_t)scale;
        at = 4;
    }
    if (bytes.size != at + length)
        goto corrupted;
    uint128_t coefficient = length > 0 && bytes.data[at + length - 1] >= 0x80 ? ~(uint128_t)0 : 0;
    for (size_t i = length; i-- > 0;)
        coefficient = coefficient << 8 | bytes.data[at + i];
    number.coefficient = (int128_t)coefficient;
    if (magnitude_of(number.coefficient) >= (uint128_t)power_of_10_128[38])
        goto corrupted;
    if (number.kind != NUMERIC_FINITE && (number.scale != 0 || length != 0))
        goto corrupted;
    *number_out = number;
    return STATUS_OK;
corrupted:
    return error_set(STATUS_DATA_CORRUPTED, "stored numeric of %zu bytes is damaged", bytes.size);
}

/* ---- order ----------------------------------------------------------------------------- */

int numeric_compare(struct numeric a, struct numeric b) {
    if (a.kind != NUMERIC_FINITE || b.kind != NUMERIC_FINITE) {
        static const int8_t rank[] = {[NUMERIC_MINUS_INFINITY] = 0,
                                      [NUMERIC_FINITE] = 1,
                                      [NUMERIC_INFINITY] = 2,
                                      [NUMERIC_NAN] = 3};
        return rank[a.kind] - rank[b.kind];
    }
    if (a.scale == b.scale)
        return (a.coefficient > b.coefficient) - (a.coefficient < b.coefficient);
    int sign_a = numeric_sign(a), sign_b = numeric_sign(b);
    if (sign_a != sign_b || sign_a == 0)
        return (sign_a > sign_b) - (sign_a < sign_b);
    /* Bring the smaller scale up; if it does not fit, that number is the larger in size. */
    int128_t x = a.coefficient, y = b.coefficient;
    int shift = a.scale - b.scale;
    if (shift < 0) {
        if (-shift > 38 || decimal_multiply(x, power_of_10_128[-shift], &x))
            return sign_a;
    } else if (shift > 38 || decimal_multiply(y, power_of_10_128[shift], &y)) {
        return -sign_a;
    }
    return (x > y) - (x < y);
}

struct numeric numeric_normalize(struct numeric number) {
    while (number.scale > 0 && number.coefficient % 10 == 0) {
        if (number.coefficient == 0) {
            number.scale = 0;
            break;
        }
        number.coefficient /= 10;
        number.scale--;
    }
    return number;
}

uint64_t numeric_hash_scaled(int128_t coefficient, int scale) {
    if (coefficient == 0)
        return hash_u64(0);
    if (coefficient == (int64_t)coefficient) {
        int64_t number = (int64_t)coefficient;
        while (scale > 0 && number % 10 == 0) {
            number /= 10;
            scale--;
        }
        return hash_u64((uint64_t)number + ((uint64_t)scale << 56));
    }
    struct numeric number = numeric_normalize(numeric_make(coefficient, scale));
    uint64_t low = (uint64_t)number.coefficient + ((uint64_t)number.scale << 56);
    if (number.coefficient == (int64_t)number.coefficient)
        return hash_u64(low);
    return hash_combine(hash_u64(low), (uint64_t)(number.coefficient >> 64));
}

uint64_t numeric_hash(struct numeric number) {
    if (number.kind != NUMERIC_FINITE)
        return hash_u64(~(uint64_t)number.kind);
    return numeric_hash_scaled(number.coefficient, number.scale);
}

/* ---- arithmetic ------------------------------------------------------------------------ */

static bool is_special(struct numeric a, struct numeric b) {
    return (a.kind | b.kind) != NUMERIC_FINITE;
}

static struct numeric infinity_of(int sign) {
    return numeric_special(sign > 0   ? NUMERIC_INFINITY
                           : sign < 0 ? NUMERIC_MINUS_INFINITY
                                      : NUMERIC_NAN);
}

enum status numeric_add(struct numeric a, struct numeric b, struct numeric *result) {
    if (is_special(a, b)) {
        if (a.kind == NUMERIC_NAN || b.kind == NUMERIC_NAN ||
            (a.kind != NUMERIC_FINITE && b.kind != NUMERIC_FINITE && a.kind != b.kind))
            *result = numeric_special(NUMERIC_NAN);
        else
            *result = a.kind != NUMERIC_FINITE ? a : b;
        return STATUS_OK;
    }
    int scale = larger(a.scale, b.scale);
    int128_t x, y, sum;
    if (numeric_rescale(a.coefficient, a.scale, scale, &x) ||
        numeric_rescale(b.coefficient, b.scale, scale, &y) || decimal_add(x, y, &sum))
        return overflow();
    *result = numeric_make(sum, scale);
    return STATUS_OK;
}

enum status numeric_subtract(struct numeric a, struct numeric b, struct numeric *result) {
    return numeric_add(a, numeric_negate(b), result);
}

enum status numeric_multiply(struct numeric a, struct numeric b, struct numeric *result) {
    if (is_special(a, b)) {
        bool nan = a.kind == NUMERIC_NAN || b.kind == NUMERIC_NAN;
        *result =
            nan ? numeric_special(NUMERIC_NAN) : infinity_of(numeric_sign(a) * numeric_sign(b));
        return STATUS_OK;
    }
    int128_t product;
    int scale = a.scale + b.scale;
    if (scale > NUMERIC_SCALE_MAX || decimal_multiply(a.coefficient, b.coefficient, &product))
        return overflow();
    *result = numeric_make(product, scale);
    return STATUS_OK;
}

/* Position and value of the first base-10000 digit, as PostgreSQL stores numbers. */
static void leading_group(struct numeric number, int *weight, int *group) {
    int digits = decimal_digits(magnitude_of(number.coefficient));
    if (digits == 0) {
        *weight = *group = 0;
        return;
    }
    int exponent = digits - 1 - number.scale;
    *weight = exponent >= 0 ? exponent / 4 : -((3 - exponent) / 4);
    int drop = 4 * *weight + number.scale;
    uint128_t magnitude = magnitude_of(number.coefficient);
    *group = (int)(drop >= 0 ? magnitude / (uint128_t)power_of_10_128[drop]
                             : magnitude * (uint128_t)power_of_10_128[-drop]);
}

/* PostgreSQL's rule for the scale of a quotient: at least 16 significant digits, and no fewer
   fractional digits than either operand shows. */
static int quotient_scale(struct numeric a, struct numeric b) {
    int weight_a, weight_b, group_a, group_b;
    leading_group(a, &weight_a, &group_a);
    leading_group(b, &weight_b, &group_b);
    int weight = weight_a - weight_b - (group_a <= group_b);
    int scale = larger(larger(16 - weight * 4, a.scale), larger(b.scale, 0));
    return scale < 1000 ? scale : 1000;
}

static enum status divide_special(struct numeric a, struct numeric b, struct numeric *result) {
    bool nan = a.kind == NUMERIC_NAN || b.kind == NUMERIC_NAN ||
               (a.kind != NUMERIC_FINITE && b.kind != NUMERIC_FINITE);
    if (nan) {
        *result = numeric_special(NUMERIC_NAN);
    } else if (a.kind != NUMERIC_FINITE) {
        if (numeric_sign(b) == 0)
            return error_set(STATUS_DIVISION_BY_ZERO, "division by zero");
        *result = infinity_of(numeric_sign(a) * numeric_sign(b));
    } else {
        *result = numeric_make(0, 0);
    }
    return STATUS_OK;
}

enum status numeric_divide(struct numeric a, struct numeric b, struct numeric *result) {
    if (is_special(a, b))
        return divide_special(a, b, result);
    if (b.coefficient == 0)
        return error_set(STATUS_DIVISION_BY_ZERO, "division by zero");
    int128_t quotient;
    /* Where 38 digits are too few, show fewer after the point. */
    for (int scale = quotient_scale(a, b); scale >= 0; scale--) {
        if (!decimal_divide(a.coefficient, scale + b.scale - a.scale, b.coefficient, false,
                            &quotient)) {
            *result = numeric_make(quotient, scale);
            return STATUS_OK;
        }
    }
    return overflow();
}

enum status numeric_divide_truncated(struct numeric a, struct numeric b, struct numeric *result) {
    if (is_special(a, b))
        return divide_special(a, b, result);
    if (b.coefficient == 0)
        return error_set(STATUS_DIVISION_BY_ZERO, "division by zero");
    int128_t quotient;
    if (decimal_divide(a.coefficient, b.scale - a.scale, b.coefficient, true, &quotient))
        return overflow();
    *result = numeric_make(quotient, 0);
    return STATUS_OK;
}

enum status numeric_modulo(struct numeric a, struct numeric b, struct numeric *result) {
    if (is_special(a, b)) {
        if (a.kind == NUMERIC_NAN || b.kind == NUMERIC_NAN)
            *result = numeric_special(NUMERIC_NAN);
        else if (a.kind != NUMERIC_FINITE && numeric_sign(b) == 0)
            return error_set(STATUS_DIVISION_BY_ZERO, "division by zero");
        else
            *result = a.kind != NUMERIC_FINITE ? numeric_special(NUMERIC_NAN) : a;
        return STATUS_OK;
    }
    if (b.coefficient == 0)
        return error_set(STATUS_DIVISION_BY_ZERO, "division by zero");
    int scale = larger(a.scale, b.scale);
    int128_t x, y;
    if (numeric_rescale(a.coefficient, a.scale, scale, &x))
        return overflow();
    if (numeric_rescale(b.coefficient, b.scale, scale, &y))
        y = power_of_10_128[38]; /* larger than any dividend of this scale: the rest is a */
    *result = numeric_make(x % y, scale);
    return STATUS_OK;
}

struct numeric numeric_negate(struct numeric a) {
    if (a.kind == NUMERIC_INFINITY || a.kind == NUMERIC_MINUS_INFINITY)
        a.kind = NUMERIC_INFINITY + NUMERIC_MINUS_INFINITY - a.kind;
    a.coefficient = -a.coefficient;
    return a;
}

struct numeric numeric_absolute(struct numeric a) {
    return numeric_sign(a) < 0 ? numeric_negate(a) : a;
}

static int clamp_digits(int digits) {
    return digits < -2000 ? -2000 : digits > 2000 ? 2000 : digits;
}

enum status numeric_round(struct numeric a, int digits, struct numeric *result) {
    *result = a;
    if (a.kind != NUMERIC_FINITE)
        return STATUS_OK;
    digits = clamp_digits(digits);
    int128_t coefficient;
    if (numeric_rescale(a.coefficient, a.scale, digits, &coefficient) ||
        (digits < 0 && numeric_rescale(coefficient, digits, 0, &coefficient)))
        return overflow();
    *result = numeric_make(coefficient, digits < 0 ? 0 : digits);
    return STATUS_OK;
}

enum status numeric_truncate(struct numeric a, int digits, struct numeric *result) {
    digits = clamp_digits(digits);
    if (a.kind != NUMERIC_FINITE || digits >= a.scale)
        return numeric_round(a, digits, result);
    int drop = a.scale - digits;
    if (drop > 38) {
        *result = numeric_make(0, digits < 0 ? 0 : digits);
        return STATUS_OK;
    }
    a.coefficient -= a.coefficient % power_of_10_128[drop];
    return numeric_round(a, digits, result); /* exact now */
}

/* Towards the infinity of the sign `up`. */
static enum status to_whole(struct numeric a, int up, struct numeric *result) {
    struct numeric whole;
    TRY(numeric_truncate(a, 0, &whole));
    if (a.kind == NUMERIC_FINITE && numeric_compare(whole, a) == -up)
        whole.coefficient += up;
    *result = whole;
    return STATUS_OK;
}

enum status numeric_ceil(struct numeric a, struct numeric *result) {
    return to_whole(a, 1, result);
}

enum status numeric_floor(struct numeric a, struct numeric *result) {
    return to_whole(a, -1, result);
}

enum status numeric_average(struct numeric sum, int64_t count, struct numeric *result) {
    return numeric_divide(sum, numeric_make(count, 0), result);
}
