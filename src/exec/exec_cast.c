/* Casts of vectors that cannot fail, as loops (exec_cast.h). */
#include "exec/exec_cast.h"

#include "value/value_datetime.h"
#include "value/value_numeric.h"

#define WIDEN(from_type, to_type, expression_of_x)                                                 \
    do {                                                                                           \
        const from_type *from_ = view.data;                                                        \
        to_type *to_ = result->data;                                                               \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            from_type x = from_[view.indices[rows[i]]];                                            \
            to_[rows[i]] = (to_type)(expression_of_x);                                             \
        }                                                                                          \
        return true;                                                                               \
    } while (0)

static bool is_integer(uint32_t id) {
    return id == TYPE_INT2 || id == TYPE_INT4 || id == TYPE_INT8;
}

/* Integers or scaled decimals to a scaled decimal that surely holds them. */
static bool cast_to_scaled(const struct vector *source, const uint16_t *rows, uint32_t count,
                           struct vector *result) {
    struct vector_view view = vector_view(source);
    struct type from =
        source->type.id == TYPE_NUMERIC ? source->type : numeric_type_of(source->type);
    struct type to = result->type;
    if (from.precision == 0 || to.precision == 0 || to.scale < from.scale ||
        to.precision - to.scale < from.precision - from.scale)
        return false;
    int128_t factor = power_of_10_128[to.scale - from.scale];
    int64_t factor64 = (int64_t)factor;
    if (result->physical == PHYSICAL_INT64)
        switch ((enum physical)source->physical) {
        case PHYSICAL_INT16:
            WIDEN(int16_t, int64_t, x * factor64);
        case PHYSICAL_INT32:
            WIDEN(int32_t, int64_t, x * factor64);
        case PHYSICAL_INT64:
            WIDEN(int64_t, int64_t, x * factor64);
        default:
            return false;
        }
    if (result->physical == PHYSICAL_INT128)
        switch ((enum physical)source->physical) {
        case PHYSICAL_INT16:
            WIDEN(int16_t, int128_t, x * factor);
        case PHYSICAL_INT32:
            WIDEN(int32_t, int128_t, x * factor);
        case PHYSICAL_INT64:
            WIDEN(int64_t, int128_t, x * factor);
        case PHYSICAL_INT128:
            WIDEN(int128_t, int128_t, x * factor);
        default:
            return false;
        }
    return false;
}

/* Without the spaces at the end. */
static void trim_strings(const struct vector_view *view, const uint16_t *rows, uint32_t count,
                         struct string *trimmed) {
    for (uint32_t i = 0; i < count; i++) {
        const struct string *string = &((const struct string *)view->data)[view->indices[rows[i]]];
        struct slice text = string_slice(string);
        while (text.size > 0 && text.data[text.size - 1] == ' ')
            text.size--;
        trimmed[rows[i]] = text.size == string->size ? *string : string_of(text.data, text.size);
    }
}

bool exec__cast_fast(const struct vector *source, const uint16_t *rows, uint32_t count,
                     struct vector *result) {
    struct vector_view view = vector_view(source);
    uint32_t from = source->type.id, to = result->type.id;
    if (to == TYPE_NUMERIC && (from == TYPE_NUMERIC || is_integer(from))) {
        if (result->physical != PHYSICAL_NUMERIC)
            return cast_to_scaled(source, rows, count, result);
        if (result->type.modifier != -1)
            return false;
        int scale = source->type.scale;
        switch ((enum physical)source->physical) {
        case PHYSICAL_INT16:
            WIDEN(int16_t, struct numeric, numeric_make(x, 0));
        case PHYSICAL_INT32:
            WIDEN(int32_t, struct numeric, numeric_make(x, 0));
        case PHYSICAL_INT64:
            WIDEN(int64_t, struct numeric, numeric_make(x, scale));
        case PHYSICAL_INT128:
            WIDEN(int128_t, struct numeric, numeric_make(x, scale));
        default:
            return false;
        }
    }
    if (from == TYPE_INT2 && to == TYPE_INT4)
        WIDEN(int16_t, int32_t, x);
    if (from == TYPE_INT2 && to == TYPE_INT8)
        WIDEN(int16_t, int64_t, x);
    if (from == TYPE_INT4 && to == TYPE_INT8)
        WIDEN(int32_t, int64_t, x);
    if (from == TYPE_INT4 && to == TYPE_FLOAT8)
        WIDEN(int32_t, double, x);
    if (from == TYPE_INT8 && to == TYPE_FLOAT8)
        WIDEN(int64_t, double, x);
    if (from == TYPE_FLOAT4 && to == TYPE_FLOAT8)
        WIDEN(float, double, x);
    if (from == TYPE_BPCHAR && (to == TYPE_TEXT || to == TYPE_VARCHAR) &&
        result->type.modifier == -1) {
        trim_strings(&view, rows, count, result->data);
        return true;
    }
    if (from == TYPE_DATE && to == TYPE_TIMESTAMP && result->type.modifier == -1) {
        const int32_t *dates = view.data;
        for (uint32_t i = 0; i < count; i++) {
            int32_t date = dates[view.indices[rows[i]]];
            if (date < -1000000 || date > 1000000)
                return false; /* infinities and the far ends: the slow way */
            ((int64_t *)result->data)[rows[i]] = date * US_PER_DAY;
        }
        return true;
    }
    return false;
}

bool exec__cast_is_view(struct type from, struct type to) {
    if (from.id == to.id && from.id != TYPE_NUMERIC && to.modifier == -1)
        return true;
    bool from_text = from.id == TYPE_TEXT || from.id == TYPE_VARCHAR || from.id == TYPE_NAME ||
                     from.id == TYPE_UNKNOWN;
    return from_text && (to.id == TYPE_TEXT || (to.id == TYPE_VARCHAR && to.modifier == -1));
}
