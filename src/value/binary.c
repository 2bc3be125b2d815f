/*
 * PostgreSQL's binary forms.
 *
 *   numeric   digits i16, weight i16, sign u16 (0 +, 0x4000 -, 0xC000 NaN, 0xD000 inf, 0xF000
 *             -inf), shown fractional digits i16, then the digits base 10000, i16 each; digit i
 *             counts 10000^(weight - i)
 *   array     dimensions i32, has nulls i32, element oid i32, per dimension length i32 and lower
 *             bound i32, then per element size i32 (-1 null) and its binary form
 *   record    fields i32, per field oid i32, size i32 (-1 null), binary form
 *   all else  the number in network order, or the text
 */
#include "value/value_binary.h"

#include "base/base_bytes.h"
#include "value/parts.h"
#include "value/value_array.h"
#include "value/value_datetime.h"
#include "value/value_numeric.h"
#include "value/value_text.h"
#include "value/wide.h"

enum {
    SIGN_POSITIVE = 0x0000,
    SIGN_NEGATIVE = 0x4000,
    SIGN_NAN = 0xC000,
    SIGN_INFINITY = 0xD000,
    SIGN_MINUS_INFINITY = 0xF000,
};

/* ---- send ------------------------------------------------------------------------------ */

static void append16(struct buffer *buffer, uint16_t number) {
    uint8_t bytes[2];
    put_be16(bytes, number);
    buffer_append(buffer, bytes, sizeof bytes);
}
static void append32(struct buffer *buffer, uint32_t number) {
    uint8_t bytes[4];
    put_be32(bytes, number);
    buffer_append(buffer, bytes, sizeof bytes);
}
static void append64(struct buffer *buffer, uint64_t number) {
    uint8_t bytes[8];
    put_be64(bytes, number);
    buffer_append(buffer, bytes, sizeof bytes);
}

static void send_numeric(struct numeric number, struct buffer *buffer) {
    static const uint16_t signs[] = {[NUMERIC_NAN] = SIGN_NAN,
                                     [NUMERIC_INFINITY] = SIGN_INFINITY,
                                     [NUMERIC_MINUS_INFINITY] = SIGN_MINUS_INFINITY};
    uint16_t digits[16];
    int count = 0, weight = 0;
    uint128_t magnitude = magnitude_of(number.coefficient);
    if (magnitude != 0) {
        /* The last group must end at a multiple of four fractional digits: it takes `tail` digits
           of the coefficient and zeros for the rest. */
        static const uint16_t powers[] = {1, 10, 100, 1000, 10000};
        int groups_after = (number.scale + 3) / 4, tail = 4 - (groups_after * 4 - number.scale);
        uint16_t reversed[16];
        reversed[count++] = (uint16_t)(magnitude % powers[tail] * powers[4 - tail]);
        for (magnitude /= powers[tail]; magnitude != 0; magnitude /= 10000)
            reversed[count++] = (uint16_t)(magnitude % 10000);
        weight = count - 1 - groups_after;
        int trailing = 0; /* zero groups at the end are not sent */
        while (trailing < count - 1 && reversed[trailing] == 0)
            trailing++;
        for (int i = count - 1; i >= trailing; i--)
            digits[count - 1 - i] = reversed[i];
        count -= trailing;
    }
    append16(buffer, (uint16_t)count);
    append16(buffer, (uint16_t)weight);
    append16(buffer, number.kind != NUMERIC_FINITE ? signs[number.kind]
                     : number.coefficient < 0      ? SIGN_NEGATIVE
                                                   : SIGN_POSITIVE);
    bool infinite = number.kind == NUMERIC_INFINITY || number.kind == NUMERIC_MINUS_INFINITY;
    append16(buffer, infinite ? 32 : (uint16_t)number.scale); /* 32 is what PostgreSQL says */
    for (int i = 0; i < count; i++)
        append16(buffer, digits[i]);
}

/* Size word and body; the size is filled in after. */
static enum status send_sized(const struct value *value, struct buffer *buffer) {
    if (value->is_null) {
        append32(buffer, UINT32_MAX);
        return STATUS_OK;
    }
    size_t start = buffer->size;
    append32(buffer, 0);
    TRY(binary_send(value, buffer));
    if (!buffer->failed)
        put_be32(buffer->data + start, (uint32_t)(buffer->size - start - 4));
    return STATUS_OK;
}

static enum status send_array(struct slice body, bool is_vector, struct buffer *buffer) {
    struct array array;
    TRY(array_open(body, &array));
    if (is_vector && array.count == 0) /* vectors always have their one dimension */
        array.dimension_count = 1;
    append32(buffer, array.dimension_count);
    append32(buffer, array.nulls != NULL);
    append32(buffer, array.element_type.id);
    for (uint32_t i = 0; i < array.dimension_count; i++) {
        append32(buffer, array.lengths[i]);
        append32(buffer, (uint32_t)array.lower_bounds[i]);
    }
    for (uint32_t i = 0; i < array.count; i++) {
        struct value element;
        TRY(array_get(&array, i, &element));
        TRY(send_sized(&element, buffer));
    }
    return STATUS_OK;
}

static enum status send_record(struct slice body, struct buffer *buffer) {
    struct record record;
    TRY(record_open(body, &record));
    struct arena arena = {0};
    struct value *fields = arena_alloc(&arena, sizeof *fields * (record.field_count + 1));
    enum status status = fields == NULL ? error_set(STATUS_OUT_OF_MEMORY, "out of memory")
                                        : record_get_all(&record, fields);
    append32(buffer, record.field_count);
    for (uint32_t i = 0; status == STATUS_OK && i < record.field_count; i++) {
        append32(buffer, fields[i].type.id);
        status = send_sized(&fields[i], buffer);
    }
    arena_release(&arena);
    return status;
}

static enum status send_string(const struct value *value, struct buffer *buffer) {
    if (type_has_array_body(value->type.id))
        return send_array(value->string, !type_info_get(value->type.id)->is_array, buffer);
    if (value->type.id == TYPE_RECORD)
        return send_record(value->string, buffer);
    const struct type_info *info = type_info_get(value->type.id);
    if (value->type.id == TYPE_ACLITEM || value->type.id == TYPE_PG_NODE_TREE ||
        (info->is_pseudo && value->type.id != TYPE_UNKNOWN && value->type.id != TYPE_CSTRING &&
         value->type.id != TYPE_VOID))
        return error_set(STATUS_UNDEFINED_FUNCTION,
                         "no binary output function available for type %s", info->name);
    if (value->type.id == TYPE_CHAR && value->string.size == 0)
        buffer_append_byte(buffer, 0);
    else
        buffer_append_slice(buffer, value->string);
    return STATUS_OK;
}

enum status binary_send(const struct value *value, struct buffer *buffer) {
    uint32_t bits32;
    uint64_t bits64;
    ASSERT(!value->is_null);
    if (value->type.id == TYPE_NUMERIC) {
        send_numeric(numeric_from_value(value), buffer);
        return STATUS_OK;
    }
    switch (type_physical(value->type)) {
    case PHYSICAL_BOOL:
        buffer_append_byte(buffer, value->boolean);
        break;
    case PHYSICAL_INT16:
        append16(buffer, (uint16_t)value->int16);
        break;
    case PHYSICAL_INT32:
        append32(buffer, (uint32_t)value->int32);
        break;
    case PHYSICAL_INT64:
        if (value->type.id == TYPE_TID) {
            append32(buffer, (uint32_t)(value->int64 >> 16));
            append16(buffer, (uint16_t)value->int64);
        } else if (type_info_get(value->type.id)->length == 4) {
            append32(buffer, (uint32_t)value->int64);
        } else {
            append64(buffer, (uint64_t)value->int64);
        }
        break;
    case PHYSICAL_FLOAT32:
        memcpy(&bits32, &value->float32, sizeof bits32);
        append32(buffer, bits32);
        break;
    case PHYSICAL_FLOAT64:
        memcpy(&bits64, &value->float64, sizeof bits64);
        append64(buffer, bits64);
        break;
    case PHYSICAL_INTERVAL:
        append64(buffer, (uint64_t)value->interval.us);
        append32(buffer, (uint32_t)value->interval.days);
        append32(buffer, (uint32_t)value->interval.months);
        break;
    case PHYSICAL_UUID:
        buffer_append(buffer, value->uuid.bytes, 16);
        break;
    case PHYSICAL_STRING:
        return send_string(value, buffer);
    case PHYSICAL_INT128:
    case PHYSICAL_NUMERIC:
    case PHYSICAL_NONE:
    case PHYSICAL_COUNT:
        ASSERT(!"no such physical form");
    }
    return STATUS_OK;
}

/* ---- receive --------------------------------------------------------------------------- */

static enum status bad_format(void) {
    return error_set(STATUS_INVALID_BINARY_REPRESENTATION, "incorrect binary data format");
}

static enum status too_short(void) {
    return error_set(STATUS_PROTOCOL_VIOLATION, "insufficient data left in message");
}

static enum status out_of_range(const char *what) {
    return error_set(STATUS_DATETIME_FIELD_OVERFLOW, "%s out of range", what);
}

/* The digits base 10000 to a decimal; those beyond the shown scale are cut as PostgreSQL does. */
static enum status receive_numeric(struct slice bytes, struct type type, struct value *value_out) {
    struct numeric number = {0};
    if (bytes.size < 8)
        return too_short();
    int count = get_be16(bytes.data), weight = (int16_t)get_be16(bytes.data + 2);
    int sign = get_be16(bytes.data + 4), scale = get_be16(bytes.data + 6);
    if (bytes.size < 8 + 2 * (size_t)count)
        return too_short();
    if (bytes.size > 8 + 2 * (size_t)count)
        return bad_format();
    if (scale > NUMERIC_SCALE_MAX)
        return error_set(STATUS_INVALID_BINARY_REPRESENTATION,
                         "invalid scale in external \"numeric\" value");
    if (sign == SIGN_NAN || sign == SIGN_INFINITY || sign == SIGN_MINUS_INFINITY) {
        number.kind = sign == SIGN_NAN        ? NUMERIC_NAN
                      : sign == SIGN_INFINITY ? NUMERIC_INFINITY
                                              : NUMERIC_MINUS_INFINITY;
        return numeric_to_value(number, type, value_out);
    }
    if (sign != SIGN_POSITIVE && sign != SIGN_NEGATIVE)
        return error_set(STATUS_INVALID_BINARY_REPRESENTATION,
                         "invalid sign in external \"numeric\" value");
    number = numeric_make(0, scale);
    for (int i = 0; i < count; i++) {
        int digit = get_be16(bytes.data + 8 + 2 * i);
        if (digit > 9999)
            return error_set(STATUS_INVALID_BINARY_REPRESENTATION,
                             "invalid digit in external \"numeric\" value");
        int exponent = 4 * (weight - i) + scale; /* digit * 10^exponent in the coefficient */
        int128_t part = digit;
        if (digit == 0)
            continue;
        if (exponent < 0)
            part = exponent <= -4 ? 0 : part / power_of_10[-exponent];
        bool overflow = exponent > 38 ||
                        (exponent > 0 && decimal_multiply(part, power_of_10_128[exponent], &part));
        if (overflow || decimal_add(number.coefficient, part, &number.coefficient))
            return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format");
    }
    if (sign == SIGN_NEGATIVE)
        number.coefficient = -number.coefficient;
    return numeric_to_value(number, type, value_out);
}

static uint32_t take32(struct slice *bytes) {
    uint32_t number = get_be32(bytes->data);
    *bytes = slice_of(bytes->data + 4, bytes->size - 4);
    return number;
}

static enum status receive_elements(struct slice bytes, struct type element_type, uint32_t count,
                                    struct arena *arena, struct value *elements) {
    for (uint32_t i = 0; i < count; i++) {
        if (bytes.size < 4)
            return too_short();
        uint32_t size = take32(&bytes);
        if (size == UINT32_MAX) {
            elements[i] = value_null(type_plain(element_type.id));
            continue;
        }
        if (size > bytes.size)
            return too_short();
        TRY(binary_receive(slice_of(bytes.data, size), element_type, arena, &elements[i]));
        if (element_type.id == TYPE_NUMERIC)
            elements[i] = (struct value){.type = TYPE_OF(NUMERIC),
                                         .numeric = numeric_from_value(&elements[i])};
        elements[i].type = type_plain(element_type.id);
        bytes = slice_of(bytes.data + size, bytes.size - size);
    }
    return bytes.size == 0 ? STATUS_OK : bad_format();
}

static enum status receive_array(struct slice bytes, struct type type, struct arena *arena,
                                 struct value *value_out) {
    uint32_t lengths[ARRAY_DIMENSIONS_MAX], element_id = type_info_get(type.id)->element_id;
    int32_t bounds[ARRAY_DIMENSIONS_MAX];
    uint64_t count = 1;
    if (bytes.size < 12)
        return too_short();
    uint32_t dimensions = take32(&bytes), flags = take32(&bytes), element = take32(&bytes);
    if (dimensions > ARRAY_DIMENSIONS_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED,
                         "number of array dimensions (%d) exceeds the maximum allowed (%d)",
                         (int)dimensions, ARRAY_DIMENSIONS_MAX);
    if (flags > 1)
        return error_set(STATUS_INVALID_BINARY_REPRESENTATION, "invalid array flags");
    if (element != element_id)
        return error_set(STATUS_DATATYPE_MISMATCH,
                         "binary data has array element type %u (%s) instead of expected %u (%s)",
                         element, type_info(element) != NULL ? type_info(element)->name : "???",
                         element_id, type_info_get(element_id)->name);
    for (uint32_t i = 0; i < dimensions; i++) {
        if (bytes.size < 8)
            return too_short();
        lengths[i] = take32(&bytes);
        bounds[i] = (int32_t)take32(&bytes);
        count *= lengths[i];
        if (count > ARRAY_ELEMENTS_MAX)
            return error_set(STATUS_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (%d)",
                             ARRAY_ELEMENTS_MAX);
    }
    if (dimensions == 0 || count == 0)
        count = dimensions = 0;
    if (count > bytes.size / 4) /* each element has a size word */
        return too_short();
    struct value *elements = arena_alloc(arena, sizeof *elements * (count + 1));
    if (elements == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(receive_elements(bytes, type_make(element_id, type.modifier), (uint32_t)count, arena,
                         elements));
    return array_encode(element_id, elements, (uint32_t)count, dimensions, lengths, bounds, arena,
                        &value_out->string);
}

static enum status receive_string(struct slice bytes, struct type type, struct arena *arena,
                                  struct value *value_out) {
    if (type_has_array_body(type.id))
        return receive_array(bytes, type, arena, value_out);
    const struct type_info *info = type_info(type.id);
    switch (type.id) {
    case TYPE_TEXT:
    case TYPE_VARCHAR:
    case TYPE_BPCHAR:
    case TYPE_NAME:
    case TYPE_UNKNOWN:
    case TYPE_CSTRING:
        TRY(utf8_check(bytes));
        return text_fit_length(bytes, type, false, arena, &value_out->string);
    case TYPE_BYTEA:
        value_out->string = bytes;
        return STATUS_OK;
    case TYPE_CHAR:
        if (bytes.size != 1)
            return bytes.size == 0 ? too_short() : bad_format();
        value_out->string = slice_of(bytes.data, bytes.data[0] != 0);
        return STATUS_OK;
    case TYPE_VOID:
        value_out->string = SLICE_EMPTY;
        return STATUS_OK;
    case TYPE_RECORD:
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "input of anonymous composite types is not implemented");
    default:
        return error_set(STATUS_UNDEFINED_FUNCTION,
                         "no binary input function available for type %s",
                         info != NULL ? info->name : "???");
    }
}

static enum status receive_int64(const uint8_t *data, struct type type, int64_t *result) {
    if (type.id == TYPE_TID) {
        *result = (int64_t)get_be32(data) << 16 | get_be16(data + 4);
        return STATUS_OK;
    }
    if (type_info_get(type.id)->length == 4) {
        *result = get_be32(data);
        return STATUS_OK;
    }
    *result = (int64_t)get_be64(data);
    if (type.id == TYPE_TIME) {
        if (*result < 0 || *result > US_PER_DAY)
            return out_of_range("time");
        *result = time_round(*result, type.modifier);
    } else if (type.id != TYPE_INT8 && timestamp_is_finite(*result)) {
        if (*result < TIMESTAMP_MIN || *result >= TIMESTAMP_END)
            return out_of_range("timestamp");
        *result = time_round(*result, type.modifier);
    }
    return STATUS_OK;
}

enum status binary_receive(struct slice bytes, struct type type, struct arena *arena,
                           struct value *value_out) {
    *value_out = (struct value){.type = type};
    if (type.id == TYPE_NUMERIC)
        return receive_numeric(bytes, type, value_out);
    enum physical physical = type_physical(type);
    if (physical == PHYSICAL_STRING)
        return receive_string(bytes, type, arena, value_out);
    size_t size = (size_t)type_info_get(type.id)->length;
    if (bytes.size != size)
        return bytes.size < size ? too_short() : bad_format();
    uint32_t bits32;
    uint64_t bits64;
    switch (physical) {
    case PHYSICAL_BOOL:
        value_out->boolean = bytes.data[0] != 0;
        break;
    case PHYSICAL_INT16:
        value_out->int16 = (int16_t)get_be16(bytes.data);
        break;
    case PHYSICAL_INT32:
        value_out->int32 = (int32_t)get_be32(bytes.data);
        if (type.id == TYPE_DATE && date_is_finite(value_out->int32) &&
            (value_out->int32 < DATE_MIN || value_out->int32 >= DATE_END))
            return out_of_range("date");
        break;
    case PHYSICAL_INT64:
        return receive_int64(bytes.data, type, &value_out->int64);
    case PHYSICAL_FLOAT32:
        bits32 = get_be32(bytes.data);
        memcpy(&value_out->float32, &bits32, sizeof bits32);
        break;
    case PHYSICAL_FLOAT64:
        bits64 = get_be64(bytes.data);
        memcpy(&value_out->float64, &bits64, sizeof bits64);
        break;
    case PHYSICAL_INTERVAL:
        value_out->interval = interval_restrict(
            (struct interval){(int64_t)get_be64(bytes.data), (int32_t)get_be32(bytes.data + 8),
                              (int32_t)get_be32(bytes.data + 12)},
            type.modifier);
        break;
    case PHYSICAL_UUID:
        memcpy(value_out->uuid.bytes, bytes.data, 16);
        break;
    default:
        ASSERT(!"no such physical form");
    }
    return STATUS_OK;
}
