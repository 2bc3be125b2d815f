/*
 * Comparisons: booleans for projections, selections for filters. One loop per operation and
 * physical form, made by macros; rarer forms go through value_compare.
 *
 * A selection is written without branches: the row number is stored always, the count moves on
 * when the row qualifies.
 */
#include <math.h>

#include "exec/exec_kernel.h"

/* NaN equals NaN and is above everything. */
static inline int float_order(double a, double b) {
    if (__builtin_expect(isnan(a) || isnan(b), 0))
        return isnan(a) ? (isnan(b) ? 0 : 1) : -1;
    return (a > b) - (a < b);
}

static inline struct slice trim_spaces(struct slice text) {
    while (text.size > 0 && text.data[text.size - 1] == ' ')
        text.size--;
    return text;
}

#define holds comparison_holds

/* ---- loops ------------------------------------------------------------------------------- */

struct comparison_call {
    struct vector_view a, b;
    const uint16_t *rows;
    uint32_t count;
    uint16_t *out;     /* selection, or */
    uint8_t *booleans; /* booleans by row */
};

#define LOOP(condition)                                                                            \
    if (call->out != NULL) {                                                                       \
        uint32_t n = 0;                                                                            \
        if (call->a.validity == NULL && call->b.validity == NULL) {                                \
            for (uint32_t i = 0; i < call->count; i++) {                                           \
                uint32_t row = call->rows[i], x = call->a.indices[row], y = call->b.indices[row];  \
                call->out[n] = (uint16_t)row;                                                      \
                n += (condition);                                                                  \
            }                                                                                      \
        } else {                                                                                   \
            for (uint32_t i = 0; i < call->count; i++) {                                           \
                uint32_t row = call->rows[i], x = call->a.indices[row], y = call->b.indices[row];  \
                call->out[n] = (uint16_t)row;                                                      \
                n += view_valid(&call->a, x) && view_valid(&call->b, y) && (condition);            \
            }                                                                                      \
        }                                                                                          \
        return n;                                                                                  \
    }                                                                                              \
    for (uint32_t i = 0; i < call->count; i++) {                                                   \
        uint32_t row = call->rows[i], x = call->a.indices[row], y = call->b.indices[row];          \
        call->booleans[row] = (uint8_t)(condition);                                                \
    }                                                                                              \
    return 0

#define COMPARE_ONE(name, type, suffix, op)                                                        \
    static uint32_t compare_##name##_##suffix(const struct comparison_call *call) {                \
        const type *restrict a = call->a.data, *restrict b = call->b.data;                         \
        LOOP(a[x] op b[y]);                                                                        \
    }
#define COMPARE_ALL(name, type)                                                                    \
    COMPARE_ONE(name, type, eq, ==)                                                                \
    COMPARE_ONE(name, type, ne, !=)                                                                \
    COMPARE_ONE(name, type, lt, <)                                                                 \
    COMPARE_ONE(name, type, le, <=)                                                                \
    COMPARE_ONE(name, type, gt, >)                                                                 \
    COMPARE_ONE(name, type, ge, >=)                                                                \
    static uint32_t (*const compare_##name[])(const struct comparison_call *) = {                  \
        NULL,                                                                                      \
        compare_##name##_eq,                                                                       \
        compare_##name##_ne,                                                                       \
        compare_##name##_lt,                                                                       \
        compare_##name##_le,                                                                       \
        compare_##name##_gt,                                                                       \
        compare_##name##_ge};

COMPARE_ALL(u8, uint8_t)
COMPARE_ALL(i16, int16_t)
COMPARE_ALL(i32, int32_t)
COMPARE_ALL(i64, int64_t)
COMPARE_ALL(i128, int128_t)

/* A flat side against a constant, all rows in order, no nulls: what most filters are. Booleans are
   made eight or more at a time by the vector unit, then squeezed into row numbers. */
#define DENSE_ONE(name, type, suffix, op)                                                          \
    static void dense_##name##_##suffix(const void *data, const void *constant, uint32_t count,    \
                                        uint8_t *restrict out) {                                   \
        const type *restrict a = data;                                                             \
        type b = *(const type *)constant;                                                          \
        for (uint32_t i = 0; i < count; i++)                                                       \
            out[i] = a[i] op b;                                                                    \
    }
#define DENSE_ALL(name, type)                                                                      \
    DENSE_ONE(name, type, eq, ==)                                                                  \
    DENSE_ONE(name, type, ne, !=)                                                                  \
    DENSE_ONE(name, type, lt, <)                                                                   \
    DENSE_ONE(name, type, le, <=)                                                                  \
    DENSE_ONE(name, type, gt, >)                                                                   \
    DENSE_ONE(name, type, ge, >=)                                                                  \
    static void (*const dense_##name[])(const void *, const void *, uint32_t,                      \
                                        uint8_t *) = {NULL,                                        \
                                                      dense_##name##_eq,                           \
                                                      dense_##name##_ne,                           \
                                                      dense_##name##_lt,                           \
                                                      dense_##name##_le,                           \
                                                      dense_##name##_gt,                           \
                                                      dense_##name##_ge};
DENSE_ALL(i16, int16_t)
DENSE_ALL(i32, int32_t)
DENSE_ALL(i64, int64_t)

static uint32_t squeeze(const uint8_t *booleans, const uint16_t *rows, uint32_t count,
                        uint16_t *out) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        out[n] = rows[i];
        n += booleans[i];
    }
    return n;
}

#define FLOATS(name, type)                                                                         \
    static uint32_t name(enum comparison how, const struct comparison_call *call) {                \
        const type *a = call->a.data, *b = call->b.data;                                           \
        LOOP(holds(how, float_order((double)a[x], (double)b[y])));                                 \
    }
FLOATS(compare_f32, float)
FLOATS(compare_f64, double)

static uint32_t compare_string_eq(const struct comparison_call *call) {
    const struct string *a = call->a.data, *b = call->b.data;
    LOOP(string_equal(&a[x], &b[y]));
}
static uint32_t compare_string_ne(const struct comparison_call *call) {
    const struct string *a = call->a.data, *b = call->b.data;
    LOOP(!string_equal(&a[x], &b[y]));
}
static uint32_t compare_string_order(enum comparison how, const struct comparison_call *call) {
    const struct string *a = call->a.data, *b = call->b.data;
    LOOP(holds(how, string_compare(&a[x], &b[y])));
}
static uint32_t compare_bpchar(enum comparison how, const struct comparison_call *call) {
    const struct string *a = call->a.data, *b = call->b.data;
    LOOP(holds(how,
               slice_compare(trim_spaces(string_slice(&a[x])), trim_spaces(string_slice(&b[y])))));
}
static uint32_t compare_numeric(enum comparison how, const struct comparison_call *call) {
    const struct numeric *a = call->a.data, *b = call->b.data;
    LOOP(holds(
        how, a[x].kind == NUMERIC_FINITE && b[y].kind == NUMERIC_FINITE && a[x].scale == b[y].scale
                 ? (a[x].coefficient > b[y].coefficient) - (a[x].coefficient < b[y].coefficient)
                 : numeric_compare(a[x], b[y])));
}
/* Scaled integers of different scales. */
static uint32_t compare_scaled(enum comparison how, const struct comparison_call *call,
                               int128_t a_factor, int128_t b_factor) {
    const int64_t *a = call->a.data, *b = call->b.data;
    LOOP(holds(how, (a[x] * a_factor > b[y] * b_factor) - (a[x] * a_factor < b[y] * b_factor)));
}

int exec__value_order(const struct value *a, const struct value *b) {
    if (a->type.id == TYPE_NUMERIC && b->type.id == TYPE_NUMERIC && !type_equal(a->type, b->type))
        return numeric_compare(numeric_from_value(a), numeric_from_value(b));
    if (a->type.id != b->type.id) { /* text, varchar, name: bytes */
        ASSERT(type_is_string(a->type.id) && type_is_string(b->type.id));
        return slice_compare(a->string, b->string);
    }
    return value_compare(a, b);
}

static int boxed_order(const struct vector *a, const struct vector *b, uint32_t row) {
    struct value x = vector_get(a, row), y = vector_get(b, row);
    return exec__value_order(&x, &y);
}
static uint32_t compare_boxed(enum comparison how, const struct vector *a, const struct vector *b,
                              const struct comparison_call *call) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = call->rows[i];
        bool known = !vector_is_null(a, row) && !vector_is_null(b, row);
        bool is_true = known && holds(how, boxed_order(a, b, row));
        if (call->out != NULL) {
            call->out[n] = (uint16_t)row;
            n += is_true;
        } else {
            call->booleans[row] = is_true;
        }
    }
    return n;
}

static bool numerics_differ(const struct vector *a, const struct vector *b) {
    return a->type.id == TYPE_NUMERIC &&
           (a->physical != b->physical ||
            (a->physical != PHYSICAL_NUMERIC && a->type.scale != b->type.scale));
}

static uint32_t run(enum comparison how, const struct vector *a, const struct vector *b,
                    struct comparison_call *call) {
    if (numerics_differ(a, b)) {
        int difference = (int)a->type.scale - (int)b->type.scale;
        if (a->physical == PHYSICAL_INT64 && b->physical == PHYSICAL_INT64 && difference >= -19 &&
            difference <= 19)
            return compare_scaled(how, call, difference < 0 ? power_of_10_128[-difference] : 1,
                                  difference > 0 ? power_of_10_128[difference] : 1);
        return compare_boxed(how, a, b, call);
    }
    switch ((enum physical)a->physical) {
    case PHYSICAL_BOOL:
        return compare_u8[how](call);
    case PHYSICAL_INT16:
        return compare_i16[how](call);
    case PHYSICAL_INT32:
        return compare_i32[how](call);
    case PHYSICAL_INT64:
        return compare_i64[how](call);
    case PHYSICAL_INT128:
        return compare_i128[how](call);
    case PHYSICAL_FLOAT32:
        return compare_f32(how, call);
    case PHYSICAL_FLOAT64:
        return compare_f64(how, call);
    case PHYSICAL_NUMERIC:
        return compare_numeric(how, call);
    case PHYSICAL_STRING: {
        uint32_t id = a->type.id;
        if (id == TYPE_BPCHAR)
            return compare_bpchar(how, call);
        const struct type_info *info = type_info(id);
        if (info != NULL && info->element_id == 0 && id != TYPE_RECORD)
            return how == COMPARISON_EQ   ? compare_string_eq(call)
                   : how == COMPARISON_NE ? compare_string_ne(call)
                                          : compare_string_order(how, call);
        return compare_boxed(how, a, b, call);
    }
    default:
        return compare_boxed(how, a, b, call);
    }
}

static enum comparison turned_around(enum comparison how) {
    static const enum comparison other[] = {COMPARISON_NONE, COMPARISON_EQ, COMPARISON_NE,
                                            COMPARISON_GT,   COMPARISON_GE, COMPARISON_LT,
                                            COMPARISON_LE};
    return other[how];
}

/* The dense way; UINT32_MAX when it does not apply. */
static uint32_t select_dense(enum comparison how, const struct vector *a, const struct vector *b,
                             const uint16_t *rows, uint32_t count, uint16_t *out) {
    if (a->kind == VECTOR_CONSTANT) {
        const struct vector *swap = a;
        a = b;
        b = swap;
        how = turned_around(how);
    }
    if (a->kind != VECTOR_FLAT || b->kind != VECTOR_CONSTANT || a->validity != NULL ||
        b->validity != NULL || count < 16 || rows[0] != 0 || rows[count - 1] != count - 1 ||
        numerics_differ(a, b))
        return UINT32_MAX;
    uint8_t booleans[VECTOR_SIZE];
    if (a->physical == PHYSICAL_INT32)
        dense_i32[how](a->data, b->data, count, booleans);
    else if (a->physical == PHYSICAL_INT64)
        dense_i64[how](a->data, b->data, count, booleans);
    else if (a->physical == PHYSICAL_INT16)
        dense_i16[how](a->data, b->data, count, booleans);
    else
        return UINT32_MAX;
    return squeeze(booleans, rows, count, out);
}

void exec__compare(enum comparison how, const struct vector *a, const struct vector *b,
                   const uint16_t *rows, uint32_t count, struct vector *result) {
    struct comparison_call call = {.a = vector_view(a),
                                   .b = vector_view(b),
                                   .rows = rows,
                                   .count = count,
                                   .booleans = result->data};
    (void)run(how, a, b, &call);
}

uint32_t exec__compare_select(enum comparison how, const struct vector *a, const struct vector *b,
                              const uint16_t *rows, uint32_t count, uint16_t *out) {
    ASSERT(out != NULL);
    if (count == 0)
        return 0;
    uint32_t selected = select_dense(how, a, b, rows, count, out);
    if (selected != UINT32_MAX)
        return selected;
    struct comparison_call call = {
        .a = vector_view(a), .b = vector_view(b), .rows = rows, .count = count, .out = out};
    return run(how, a, b, &call);
}
