/* Text in and out: the switch over types, and the types that take a few lines each. */
#include "value/value_text.h"

#include "value/parts.h"
#include "value/value_array.h"
#include "value/value_datetime.h"
#include "value/value_numeric.h"

static int shown(struct slice text) {
    return (int)(text.size > 800 ? 800 : text.size);
}
#define SHOWN(text) shown(text), (const char *)(text).data

/* ---- integers -------------------------------------------------------------------------- */

static enum status integer_range_error(const char *type_name, struct slice text) {
    return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE,
                     "value \"%.*s\" is out of range for type %s", SHOWN(text), type_name);
}

enum status text_parse_integer(struct slice text, uint32_t type_id, int64_t *result) {
    const char *name = type_info_get(type_id)->name;
    struct slice body = text_trim(text);
    const uint8_t *at = body.data, *end = body.data + body.size;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end)
        return text_syntax_error(name, text);
    uint64_t magnitude = 0;
    bool overflow = false;
    for (; at < end; at++) {
        unsigned digit = (unsigned)*at - '0';
        if (digit > 9)
            return text_syntax_error(name, text);
        overflow |= magnitude > (UINT64_MAX - digit) / 10;
        magnitude = magnitude * 10 + digit;
    }
    uint64_t max = type_id == TYPE_INT2 ? INT16_MAX : type_id == TYPE_INT4 ? INT32_MAX : INT64_MAX;
    if (overflow || magnitude > max + negative)
        return integer_range_error(name, text);
    *result = (int64_t)(negative ? -magnitude : magnitude);
    return STATUS_OK;
}

/* As strtoul with a range of 32 bits: a minus sign wraps around. */
static enum status parse_oid(struct slice text, const char *name, int64_t *result) {
    struct slice body = text_trim(text);
    int64_t number;
    if (body.size == 0)
        return text_syntax_error(name, text);
    for (size_t i = 0; i < body.size; i++)
        if ((body.data[i] < '0' || body.data[i] > '9') &&
            !(i == 0 && body.size > 1 && (body.data[0] == '-' || body.data[0] == '+')))
            return text_syntax_error(name, text);
    if (text_parse_integer(body, TYPE_INT8, &number) != STATUS_OK || number > UINT32_MAX ||
        number < INT32_MIN)
        return integer_range_error(name, text);
    *result = (int64_t)(uint32_t)number;
    return STATUS_OK;
}

static enum status parse_named_oid(const struct value_context *context, struct slice text,
                                   uint32_t type_id, int64_t *result) {
    struct slice body = text_trim(text);
    bool digits = body.size > 0;
    for (size_t i = 0; i < body.size; i++)
        digits &= body.data[i] >= '0' && body.data[i] <= '9';
    if (digits)
        return parse_oid(body, "oid", result);
    if (slice_equal(body, slice_of_text("-"))) {
        *result = 0;
        return STATUS_OK;
    }
    if (context->resolver == NULL)
        return text_syntax_error(type_info_get(type_id)->name, text);
    uint32_t oid = 0;
    TRY(context->resolver->find(context->resolver->data, type_id, body, &oid));
    *result = oid;
    return STATUS_OK;
}

static void format_named_oid(const struct value_context *context, const struct value *value,
                             struct buffer *buffer) {
    const struct value_resolver *resolver = context->resolver;
    char text[20];
    if (value->int64 == 0)
        buffer_append_byte(buffer, '-');
    else if (resolver == NULL ||
             !resolver->describe(resolver->data, value->type.id, (uint32_t)value->int64, buffer))
        buffer_append(buffer, text, int64_format(value->int64, text));
}

static enum status parse_tid(struct slice text, int64_t *result) {
    struct slice body = text;
    const uint8_t *comma = body.size == 0 ? NULL : memchr(body.data, ',', body.size);
    int64_t block, offset;
    if (comma == NULL || body.size < 5 || body.data[0] != '(' || body.data[body.size - 1] != ')')
        return text_syntax_error("tid", text);
    const uint8_t *end = body.data + body.size - 1;
    struct slice left = slice_of(body.data + 1, (size_t)(comma - body.data - 1));
    struct slice right = slice_of(comma + 1, (size_t)(end - comma - 1));
    if (text_parse_integer(left, TYPE_INT8, &block) != STATUS_OK ||
        text_parse_integer(right, TYPE_INT8, &offset) != STATUS_OK || block < 0 ||
        block > UINT32_MAX || offset < 0 || offset > UINT16_MAX)
        return text_syntax_error("tid", text);
    *result = block << 16 | offset;
    return STATUS_OK;
}

/* ---- boolean, uuid, bytea -------------------------------------------------------------- */

static bool is_prefix_of(struct slice text, const char *word, size_t size_min) {
    if (text.size < size_min || text.size > strlen(word))
        return false;
    char lower[8];
    memcpy(lower, word, text.size);
    lower[text.size] = '\0';
    return text_equal_ignoring_case(text, lower);
}

static enum status parse_bool(struct slice text, uint8_t *result) {
    struct slice body = text_trim(text);
    if (is_prefix_of(body, "true", 1) || is_prefix_of(body, "yes", 1) ||
        is_prefix_of(body, "on", 2) || is_prefix_of(body, "1", 1))
        *result = 1;
    else if (is_prefix_of(body, "false", 1) || is_prefix_of(body, "no", 1) ||
             is_prefix_of(body, "off", 2) || is_prefix_of(body, "0", 1))
        *result = 0;
    else
        return text_syntax_error("boolean", text);
    return STATUS_OK;
}

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 32;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static enum status parse_uuid(struct slice text, struct uuid *result) {
    const uint8_t *at = text.data, *end = text.data + text.size;
    bool braces = at < end && *at == '{';
    at += braces;
    for (int i = 0; i < 16; i++) {
        int high = at < end ? hex_digit(at[0]) : -1;
        int low = at + 1 < end ? hex_digit(at[1]) : -1;
        if (high < 0 || low < 0)
            return text_syntax_error("uuid", text);
        result->bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
        if (at < end && *at == '-' && i % 2 == 1 && i < 15)
            at++;
    }
    if (braces && (at == end || *at++ != '}'))
        return text_syntax_error("uuid", text);
    return at == end ? STATUS_OK : text_syntax_error("uuid", text);
}

static void format_hex(const uint8_t *bytes, size_t size, uint8_t *to) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        to[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        to[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
}

static void format_uuid(const struct uuid *uuid, struct buffer *buffer) {
    uint8_t text[36];
    static const uint8_t group_ends[] = {4, 6, 8, 10, 16};
    size_t at = 0, byte = 0;
    for (int group = 0; group < 5; group++) {
        size_t size = group_ends[group] - byte;
        format_hex(uuid->bytes + byte, size, text + at);
        byte += size;
        at += 2 * size;
        if (group < 4)
            text[at++] = '-';
    }
    buffer_append(buffer, text, sizeof text);
}

static enum status parse_bytea_hex(struct slice text, uint8_t *to, size_t *size_out) {
    size_t size = 0;
    for (size_t i = 2; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r')
            continue;
        int high = hex_digit(byte);
        if (high >= 0 && i + 1 == text.size)
            return error_set(STATUS_INVALID_PARAMETER_VALUE,
                             "invalid hexadecimal data: odd number of digits");
        int low = high < 0 ? -1 : hex_digit(text.data[i + 1]);
        if (high < 0 || low < 0) {
            struct slice bad = slice_of(text.data + i + (high >= 0), text.size - i - (high >= 0));
            return error_set(STATUS_INVALID_PARAMETER_VALUE, "invalid hexadecimal digit: \"%.*s\"",
                             (int)utf8_prefix(bad, 1), (const char *)bad.data);
        }
        to[size++] = (uint8_t)(high << 4 | low);
        i++;
    }
    *size_out = size;
    return STATUS_OK;
}

static bool is_octal(uint8_t byte, uint8_t max) {
    return byte >= '0' && byte <= max;
}

static enum status parse_bytea(struct slice text, struct arena *arena, struct slice *result) {
    uint8_t *to = arena_alloc_aligned(arena, text.size + 1, 1);
    size_t size = 0;
    if (to == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (text.size >= 2 && text.data[0] == '\\' && text.data[1] == 'x') {
        TRY(parse_bytea_hex(text, to, &size));
        *result = slice_of(to, size);
        return STATUS_OK;
    }
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t *at = text.data + i;
        size_t left = text.size - i;
        if (*at != '\\') {
            to[size++] = *at;
        } else if (left >= 4 && is_octal(at[1], '3') && is_octal(at[2], '7') &&
                   is_octal(at[3], '7')) {
            to[size++] = (uint8_t)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            i += 3;
        } else if (left >= 2 && at[1] == '\\') {
            to[size++] = '\\';
            i++;
        } else {
            return error_set(STATUS_INVALID_TEXT_REPRESENTATION,
                             "invalid input syntax for type bytea");
        }
    }
    *result = slice_of(to, size);
    return STATUS_OK;
}

static void format_bytea(const struct value_context *context, struct slice bytes,
                         struct buffer *buffer) {
    if (!context->bytea_escape) {
        uint8_t *to = buffer_reserve(buffer, 2 * bytes.size + 2);
        if (to == NULL)
            return;
        to[0] = '\\';
        to[1] = 'x';
        format_hex(bytes.data, bytes.size, to + 2);
        buffer->size += 2 * bytes.size + 2;
        return;
    }
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t byte = bytes.data[i];
        if (byte == '\\')
            buffer_append_text(buffer, "\\\\");
        else if (byte < 0x20 || byte > 0x7e)
            buffer_append_format(buffer, "\\%03o", byte);
        else
            buffer_append_byte(buffer, byte);
    }
}

/* ---- strings --------------------------------------------------------------------------- */

static bool all_spaces(const uint8_t *at, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (at[i] != ' ')
            return false;
    return true;
}

enum status text_fit_length(struct slice text, struct type type, bool cut, struct arena *arena,
                            struct slice *result) {
    *result = text;
    if (type.id == TYPE_NAME) {
        while (result->size > 63) { /* whole characters only */
            result->size = 63;
            while (result->size > 0 && (text.data[result->size] & 0xC0) == 0x80)
                result->size--;
        }
        return STATUS_OK;
    }
    if ((type.id != TYPE_VARCHAR && type.id != TYPE_BPCHAR) || type.modifier < 4)
        return STATUS_OK;
    size_t limit = (size_t)type.modifier - 4;
    if (text.size <= limit && type.id == TYPE_VARCHAR)
        return STATUS_OK;
    size_t kept = utf8_prefix(text, limit);
    if (kept < text.size) {
        if (!cut && !all_spaces(text.data + kept, text.size - kept))
            return error_set(STATUS_STRING_DATA_RIGHT_TRUNCATION, "value too long for type %s(%zu)",
                             type_info_get(type.id)->name, limit);
        result->size = kept;
        return STATUS_OK;
    }
    size_t characters = type.id == TYPE_BPCHAR ? utf8_length(text) : limit;
    if (characters == limit)
        return STATUS_OK;
    uint8_t *padded = arena_alloc_aligned(arena, text.size + limit - characters + 1, 1);
    if (padded == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (text.size > 0)
        memcpy(padded, text.data, text.size);
    memset(padded + text.size, ' ', limit - characters);
    *result = slice_of(padded, text.size + limit - characters);
    return STATUS_OK;
}

/* ---- the switch ------------------------------------------------------------------------ */

static enum status input_numeric(struct slice text, struct type type, struct value *value_out) {
    struct numeric number;
    int precision, scale = NUMERIC_SCALE_MAX;
    bool declared = type_numeric_modifier(type.modifier, &precision, &scale);
    TRY(numeric_parse_rounded(text, declared && scale >= 0 ? scale : NUMERIC_SCALE_MAX, &number));
    return numeric_to_value(number, type, value_out);
}

static enum status input_float(struct slice text, struct type type, struct value *value_out) {
    double number;
    TRY(text_parse_float(text, type.id, &number));
    if (type.id == TYPE_FLOAT4)
        value_out->float32 = (float)number;
    else
        value_out->float64 = number;
    return STATUS_OK;
}

static enum status input_integer(struct slice text, struct type type, struct value *value_out) {
    int64_t number;
    TRY(text_parse_integer(text, type.id, &number));
    if (type.id == TYPE_INT2)
        value_out->int16 = (int16_t)number;
    else if (type.id == TYPE_INT4)
        value_out->int32 = (int32_t)number;
    else
        value_out->int64 = number;
    return STATUS_OK;
}

static enum status input_pseudo(struct slice text, struct type type, struct value *value_out) {
    if (type.id == TYPE_VOID || type.id == TYPE_CSTRING || type.id == TYPE_UNKNOWN) {
        value_out->string = type.id == TYPE_VOID ? SLICE_EMPTY : text;
        return STATUS_OK;
    }
    if (type.id == TYPE_RECORD)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "input of anonymous composite types is not implemented");
    const struct type_info *info = type_info(type.id);
    return error_set(STATUS_FEATURE_NOT_SUPPORTED, "cannot accept a value of type %s",
                     info != NULL ? info->name : "???");
}

static enum status input_named(const struct value_context *context, struct slice text,
                               struct type type, struct arena *arena, struct value *value_out) {
    if (type_has_array_body(type.id))
        return array_parse(context, text, type, arena, &value_out->string);
    if (type_is_oid_like(type.id))
        return parse_named_oid(context, text, type.id, &value_out->int64);
    if (type.id == TYPE_ACLITEM) {
        value_out->string = text;
        return STATUS_OK;
    }
    return input_pseudo(text, type, value_out);
}

enum status text_input(const struct value_context *context, struct slice text, struct type type,
                       struct arena *arena, struct value *value_out) {
    *value_out = (struct value){.type = type};
    switch (type.id) {
    case TYPE_BOOL:
        return parse_bool(text, &value_out->boolean);
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        return input_integer(text, type, value_out);
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        return input_float(text, type, value_out);
    case TYPE_NUMERIC:
        return input_numeric(text, type, value_out);
    case TYPE_TEXT:
        value_out->string = text;
        return STATUS_OK;
    case TYPE_CHAR:
        value_out->string = slice_of(text.data, text.size > 0 ? 1 : 0);
        return STATUS_OK;
    case TYPE_VARCHAR:
    case TYPE_BPCHAR:
    case TYPE_NAME:
        return text_fit_length(text, type, false, arena, &value_out->string);
    case TYPE_BYTEA:
        return parse_bytea(text, arena, &value_out->string);
    case TYPE_UUID:
        return parse_uuid(text, &value_out->uuid);
    case TYPE_DATE:
        return date_parse(context, text, &value_out->int32);
    case TYPE_TIME:
        return time_parse(context, text, type.modifier, &value_out->int64);
    case TYPE_TIMESTAMP:
        return timestamp_parse(context, text, type.modifier, &value_out->int64);
    case TYPE_TIMESTAMPTZ:
        return timestamptz_parse(context, text, type.modifier, &value_out->int64);
    case TYPE_INTERVAL:
        return interval_parse(context, text, type.modifier, &value_out->interval);
    case TYPE_OID:
    case TYPE_XID:
    case TYPE_CID:
        return parse_oid(text, type_info_get(type.id)->name, &value_out->int64);
    case TYPE_TID:
        return parse_tid(text, &value_out->int64);
    default:
        return input_named(context, text, type, arena, value_out);
    }
}

static void output_integer(int64_t number, struct buffer *buffer) {
    uint8_t *at = buffer_reserve(buffer, 20);
    if (at != NULL)
        buffer->size += int64_format(number, (char *)at);
}

static enum status output_other(const struct value_context *context, const struct value *value,
                                struct buffer *buffer) {
    if (type_has_array_body(value->type.id))
        return array_format(context, value->type, value->string, buffer);
    if (value->type.id == TYPE_RECORD)
        return record_format(context, value->string, buffer);
    if (type_is_oid_like(value->type.id)) {
        format_named_oid(context, value, buffer);
        return STATUS_OK;
    }
    const struct type_info *info = type_info(value->type.id);
    if (info == NULL || (info->is_pseudo && value->type.id != TYPE_UNKNOWN &&
                         value->type.id != TYPE_CSTRING && value->type.id != TYPE_VOID))
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "cannot display a value of type %s",
                         info != NULL ? info->name : "???");
    buffer_append_slice(buffer, value->string);
    return STATUS_OK;
}

enum status text_output(const struct value_context *context, const struct value *value,
                        struct buffer *buffer) {
    ASSERT(!value->is_null);
    switch (value->type.id) {
    case TYPE_BOOL:
        buffer_append_byte(buffer, value->boolean ? 't' : 'f');
        break;
    case TYPE_INT2:
        output_integer(value->int16, buffer);
        break;
    case TYPE_INT4:
        output_integer(value->int32, buffer);
        break;
    case TYPE_INT8:
    case TYPE_OID:
    case TYPE_XID:
    case TYPE_CID:
        output_integer(value->int64, buffer);
        break;
    case TYPE_TID:
        buffer_append_format(buffer, "(%u,%u)", (unsigned)(value->int64 >> 16),
                             (unsigned)(value->int64 & 0xFFFF));
        break;
    case TYPE_FLOAT4:
        float_output(context, value->float32, true, buffer);
        break;
    case TYPE_FLOAT8:
        float_output(context, value->float64, false, buffer);
        break;
    case TYPE_NUMERIC:
        numeric_format(numeric_from_value(value), buffer);
        break;
    case TYPE_TEXT:
    case TYPE_VARCHAR:
    case TYPE_BPCHAR:
    case TYPE_NAME:
    case TYPE_CHAR:
        buffer_append_slice(buffer, value->string);
        break;
    case TYPE_BYTEA:
        format_bytea(context, value->string, buffer);
        break;
    case TYPE_UUID:
        format_uuid(&value->uuid, buffer);
        break;
    case TYPE_DATE:
        date_format(context, value->int32, buffer);
        break;
    case TYPE_TIME:
        time_format(value->int64, buffer);
        break;
    case TYPE_TIMESTAMP:
        timestamp_format(context, value->int64, buffer);
        break;
    case TYPE_TIMESTAMPTZ:
        timestamptz_format(context, value->int64, buffer);
        break;
    case TYPE_INTERVAL:
        interval_format(context, value->interval, buffer);
        break;
    default:
        return output_other(context, value, buffer);
    }
    return STATUS_OK;
}
