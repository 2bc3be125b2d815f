/* Casts: which are allowed (PostgreSQL's table), and one value from type to type. */
#include "value/value_cast.h"

#include <math.h>

#include "base/base_buffer.h"
#include "value/cast_table.h"
#include "value/parts.h"
#include "value/value_array.h"
#include "value/value_datetime.h"
#include "value/value_numeric.h"

/* ---- what is allowed ------------------------------------------------------------------- */

static const struct cast_entry *entry_of(uint32_t from, uint32_t to) {
    size_t low = 0, high = sizeof cast_table / sizeof cast_table[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct cast_entry *entry = &cast_table[middle];
        if (entry->from == from && entry->to == to)
            return entry;
        if (entry->from < from || (entry->from == from && entry->to < to))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool is_string_category(uint32_t id) {
    return id == TYPE_TEXT || id == TYPE_VARCHAR || id == TYPE_BPCHAR || id == TYPE_NAME;
}

static uint32_t element_of_array(uint32_t id) {
    const struct type_info *info = type_info(id);
    if (info == NULL)
        return 0;
    if (id == TYPE_INT2VECTOR || id == TYPE_OIDVECTOR || info->is_array)
        return info->element_id;
    return 0;
}

bool cast_allowed(uint32_t from, uint32_t to, enum cast_context context) {
    if (from == to || from == TYPE_UNKNOWN)
        return true;
    const struct cast_entry *entry =
        from <= UINT16_MAX && to <= UINT16_MAX ? entry_of(from, to) : NULL;
    if (entry != NULL)
        return entry->context == 'i' || context == CAST_EXPLICIT ||
               (entry->context == 'a' && context == CAST_ASSIGNMENT);
    uint32_t from_element = element_of_array(from), to_element = element_of_array(to);
    if (from_element != 0 && to_element != 0 && to != TYPE_INT2VECTOR && to != TYPE_OIDVECTOR)
        return cast_allowed(from_element, to_element, context);
    const struct type_info *source = type_info(from), *target = type_info(to);
    if (source == NULL || target == NULL || (target->is_pseudo && to != TYPE_CSTRING) ||
        (source->is_pseudo && from != TYPE_RECORD && from != TYPE_CSTRING))
        return false;
    if (is_string_category(to))
        return context >= CAST_ASSIGNMENT;
    return is_string_category(from) && context == CAST_EXPLICIT;
}

/* ---- one value ------------------------------------------------------------------------- */

struct cast {
    const struct value_context *context;
    const struct value *from;
    struct type to;
    bool explicit_cast;
    struct arena *arena;
};

static enum status no_cast(const struct cast *cast) {
    char from[TYPE_NAME_SIZE], to[TYPE_NAME_SIZE];
    return error_set(STATUS_CANNOT_COERCE, "cannot cast type %s to %s",
                     type_name(type_plain(cast->from->type.id), from),
                     type_name(type_plain(cast->to.id), to));
}

static bool is_integer(uint32_t id) {
    return id == TYPE_INT2 || id == TYPE_INT4 || id == TYPE_INT8;
}

static int64_t integer_of(const struct value *value) {
    return value->type.id == TYPE_INT2   ? value->int16
           : value->type.id == TYPE_INT4 ? value->int32
                                         : value->int64;
}

static bool is_float(uint32_t id) {
    return id == TYPE_FLOAT4 || id == TYPE_FLOAT8;
}

static double float_of(const struct value *value) {
    return value->type.id == TYPE_FLOAT4 ? (double)value->float32 : value->float64;
}

static bool is_stringish(uint32_t id) {
    return is_string_category(id) || id == TYPE_UNKNOWN || id == TYPE_CSTRING || id == TYPE_CHAR;
}

/* The text of any value: in the arena, or the value's own bytes. */
static enum status text_of(const struct cast *cast, struct slice *text_out) {
    const struct value *from = cast->from;
    if (is_stringish(from->type.id)) {
        bool trim =
            from->type.id == TYPE_BPCHAR && cast->to.id != TYPE_BPCHAR && is_stringish(cast->to.id);
        *text_out = trim ? bpchar_trim(from->string) : from->string;
        return STATUS_OK;
    }
    if (from->type.id == TYPE_BOOL && cast->to.id != TYPE_NAME) {
        *text_out = slice_of_text(from->boolean ? "true" : "false");
        return STATUS_OK;
    }
    struct buffer buffer = {0};
    enum status status = text_output(cast->context, from, &buffer);
    if (status == STATUS_OK)
        status = buffer_status(&buffer);
    if (status == STATUS_OK) {
        *text_out = arena_copy_slice(cast->arena, buffer_slice(&buffer));
        if (text_out->data == NULL)
            status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    buffer_release(&buffer);
    return status;
}

static enum status to_string(const struct cast *cast, struct value *out) {
    struct slice text;
    TRY(text_of(cast, &text));
    if (cast->to.id == TYPE_CHAR) {
        if (cast->from->type.id == TYPE_INT4) {
            if (cast->from->int32 < INT8_MIN || cast->from->int32 > INT8_MAX)
                return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "\"char\" out of range");
            uint8_t byte = (uint8_t)cast->from->int32;
            text = byte == 0 ? SLICE_EMPTY : arena_copy_slice(cast->arena, slice_of(&byte, 1));
        }
        out->string = slice_of(text.data, text.size > 0 ? 1 : 0);
        return STATUS_OK;
    }
    return text_fit_length(text, cast->to, cast->explicit_cast, cast->arena, &out->string);
}

static enum status set_integer(uint32_t id, int64_t number, struct value *out) {
    if (id == TYPE_INT2)
        out->int16 = (int16_t)number;
    else if (id == TYPE_INT4)
        out->int32 = (int32_t)number;
    else
        out->int64 = number;
    bool fits = id == TYPE_INT8 || (id == TYPE_INT4 && number == (int32_t)number) ||
                (id == TYPE_INT2 && number == (int16_t)number);
    return fits ? STATUS_OK
                : error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "%s out of range",
                            type_info_get(id)->name);
}

static enum status to_integer(const struct cast *cast, struct value *out) {
    const struct value *from = cast->from;
    int64_t number;
    if (is_integer(from->type.id)) {
        number = integer_of(from);
    } else if (is_float(from->type.id)) {
        double rounded = rint(float_of(from));
        if (!(rounded >= -9223372036854775808.0 && rounded < 9223372036854775808.0))
            return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "%s out of range",
                             type_info_get(cast->to.id)->name);
        number = (int64_t)rounded;
    } else if (from->type.id == TYPE_NUMERIC) {
        TRY(numeric_to_integer(numeric_from_value(from), cast->to.id, &number));
    } else if (from->type.id == TYPE_BOOL) {
        number = from->boolean;
    } else if (from->type.id == TYPE_CHAR && cast->to.id == TYPE_INT4) {
        number = from->string.size > 0 ? (int8_t)from->string.data[0] : 0;
    } else if (type_is_oid_like(from->type.id)) {
        number = cast->to.id == TYPE_INT4 ? (int32_t)(uint32_t)from->int64 : from->int64;
    } else {
        return no_cast(cast);
    }
    return set_integer(cast->to.id, number, out);
}

static enum status to_float(const struct cast *cast, struct value *out) {
    const struct value *from = cast->from;
    double number;
    if (is_integer(from->type.id))
        number = (double)integer_of(from);
    else if (is_float(from->type.id))
        number = float_of(from);
    else if (from->type.id == TYPE_NUMERIC)
        number = numeric_to_float8(numeric_from_value(from));
    else
        return no_cast(cast);
    if (cast->to.id == TYPE_FLOAT8) {
        out->float64 = number;
        return STATUS_OK;
    }
    /* One rounding only: not by way of double. */
    out->float32 = is_integer(from->type.id) ? (float)integer_of(from) : (float)number;
    if (isinf(out->float32) && !isinf(number))
        return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow");
    if (out->float32 == 0 && number != 0)
        return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow");
    return STATUS_OK;
}

static enum status to_numeric(const struct cast *cast, struct value *out) {
    const struct value *from = cast->from;
    struct numeric number;
    enum status status = STATUS_OK;
    if (is_integer(from->type.id) || from->type.id == TYPE_NUMERIC)
        number = numeric_from_value(from);
    else if (from->type.id == TYPE_FLOAT8)
        status = numeric_from_float8(from->float64, &number);
    else if (from->type.id == TYPE_FLOAT4)
        status = numeric_from_float4(from->float32, &number);
    else
        return no_cast(cast);
    if (status == STATUS_NUMERIC_VALUE_OUT_OF_RANGE && cast->to.modifier >= 0)
        number = numeric_make(power_of_10_128[38] - 1, 0); /* too large for the field as well */
    else
        TRY(status);
    return numeric_to_value(number, cast->to, out);
}

static enum status to_oid(const struct cast *cast, struct value *out) {
    const struct value *from = cast->from;
    if (type_is_oid_like(from->type.id)) {
        out->int64 = from->int64;
    } else if (from->type.id == TYPE_INT8) {
        if (from->int64 < 0 || from->int64 > UINT32_MAX)
            return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "OID out of range");
        out->int64 = from->int64;
    } else if (is_integer(from->type.id)) {
        out->int64 = (int64_t)(uint32_t)integer_of(from);
    } else {
        return no_cast(cast);
    }
    return STATUS_OK;
}

static enum status to_date(const struct cast *cast, struct value *out) {
    const struct value *from = cast->from;
    if (from->type.id == TYPE_TIMESTAMP)
        out->int32 = timestamp_to_date(from->int64);
    else if (from->type.id == TYPE_TIMESTAMPTZ)
        out->int32 =
            timestamp_to_date(timestamptz_to_timestamp(from->int64, cast->context->timezone));
    else
        return no_cast(cast);
    return STATUS_OK;
}

static enum status to_timestamp(const struct cast *cast, struct value *out) {
    const struct value *from = cast->from;
    const struct timezone *zone = cast->context->timezone;
    bool with_zone = cast->to.id == TYPE_TIMESTAMPTZ;
    int64_t local;
    if (from->type.id == TYPE_DATE)
        TRY(date_to_timestamp(from->int32, &local));
    else if (from->type.id == TYPE_TIMESTAMP || from->type.id == TYPE_TIMESTAMPTZ)
        local = from->int64;
    else
        return no_cast(cast);
    bool from_zone = from->type.id == TYPE_TIMESTAMPTZ;
    if (with_zone && !from_zone)
        TRY(timestamp_to_timestamptz(local, zone, &local));
    else if (!with_zone && from_zone)
        local = timestamptz_to_timestamp(local, zone);
    out->int64 = timestamp_is_finite(local) ? time_round(local, cast->to.modifier) : local;
    return STATUS_OK;
}

static enum status to_time(const struct cast *cast, struct value *out) {
    const struct value *from = cast->from;
    int64_t local = from->int64;
    if (from->type.id == TYPE_INTERVAL) {
        out->int64 = time_add_interval(0, from->interval);
    } else if (from->type.id == TYPE_TIME) {
        out->int64 = from->int64;
    } else if (from->type.id == TYPE_TIMESTAMP || from->type.id == TYPE_TIMESTAMPTZ) {
        out->is_null = !timestamp_is_finite(local);
        if (from->type.id == TYPE_TIMESTAMPTZ)
            local = timestamptz_to_timestamp(local, cast->context->timezone);
        out->int64 = timestamp_to_time(local);
    } else {
        return no_cast(cast);
    }
    out->int64 = time_round(out->int64, cast->to.modifier);
    return STATUS_OK;
}

static enum status to_interval(const struct cast *cast, struct value *out) {
    const struct value *from = cast->from;
    if (from->type.id == TYPE_TIME)
        out->interval = (struct interval){.us = from->int64};
    else if (from->type.id == TYPE_INTERVAL)
        out->interval = from->interval;
    else
        return no_cast(cast);
    out->interval = interval_restrict(out->interval, cast->to.modifier);
    return STATUS_OK;
}

static enum status to_bool(const struct cast *cast, struct value *out) {
    if (!is_integer(cast->from->type.id))
        return no_cast(cast);
    out->boolean = integer_of(cast->from) != 0;
    return STATUS_OK;
}

/* Element by element. */
static enum status to_array(const struct cast *cast, struct value *out) {
    uint32_t to_element = element_of_array(cast->to.id);
    struct array array;
    if (element_of_array(cast->from->type.id) == 0)
        return no_cast(cast);
    TRY(array_open(cast->from->string, &array));
    if (array.element_type.id == to_element && cast->to.modifier < 0) {
        out->string = cast->from->string;
        return STATUS_OK;
    }
    struct value *elements = arena_alloc(cast->arena, sizeof *elements * (array.count + 1));
    if (elements == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < array.count; i++) {
        struct value element;
        TRY(array_get(&array, i, &element));
        TRY(value_cast(cast->context, &element, type_make(to_element, cast->to.modifier),
                       cast->explicit_cast, cast->arena, &elements[i]));
    }
    return array_encode(to_element, elements, array.count, array.dimension_count, array.lengths,
                        array.lower_bounds, cast->arena, &out->string);
}

enum status value_cast(const struct value_context *context, const struct value *value,
                       struct type to, bool explicit_cast, struct arena *arena,
                       struct value *value_out) {
    struct cast cast = {context, value, to, explicit_cast, arena};
    struct value out = {.type = to};
    uint32_t from = value->type.id;
    enum status status;
    if (value->is_null) {
        *value_out = value_null(to);
        return STATUS_OK;
    }
    bool via_input =
        is_stringish(from) && !is_stringish(to.id) && !(from == TYPE_CHAR && to.id == TYPE_INT4);
    if (via_input) {
        struct slice text;
        TRY(text_of(&cast, &text));
        return text_input(context, text, to, arena, value_out);
    }
    switch (to.id) {
    case TYPE_TEXT:
    case TYPE_VARCHAR:
    case TYPE_BPCHAR:
    case TYPE_NAME:
    case TYPE_CHAR:
    case TYPE_CSTRING:
    case TYPE_UNKNOWN:
        status = to_string(&cast, &out);
        break;
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        status = to_integer(&cast, &out);
        break;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        status = to_float(&cast, &out);
        break;
    case TYPE_NUMERIC:
        status = to_numeric(&cast, &out);
        break;
    case TYPE_DATE:
        status = from == TYPE_DATE ? (out.int32 = value->int32, STATUS_OK) : to_date(&cast, &out);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        status = to_timestamp(&cast, &out);
        break;
    case TYPE_TIME:
        status = to_time(&cast, &out);
        break;
    case TYPE_INTERVAL:
        status = to_interval(&cast, &out);
        break;
    default:
        if (from == to.id && element_of_array(to.id) == 0) {
            out = *value;
            out.type = to;
            status = STATUS_OK;
        } else if (to.id == TYPE_BOOL) {
            status = to_bool(&cast, &out);
        } else if (type_is_oid_like(to.id)) {
            status = to_oid(&cast, &out);
        } else if (element_of_array(to.id) != 0) {
            status = to_array(&cast, &out);
        } else {
            status = no_cast(&cast);
        }
        break;
    }
    if (status == STATUS_OK)
        *value_out = out;
    return status;
}
