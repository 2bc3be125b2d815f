/* Ordered keys. The format is told in value_key.h. */
#include "value/value_key.h"

#include "base/base_bytes.h"
#include "value/parts.h"
#include "value/value_array.h"
#include "value/value_datetime.h"
#include "value/value_numeric.h"
#include "value/wide.h"

enum {
    MARK_NULL_FIRST = 0x20,
    MARK_VALUE = 0x40,
    MARK_NULL_LAST = 0x60,
    CLASS_MINUS_INFINITY = 0x10,
    CLASS_NEGATIVE = 0x20,
    CLASS_ZERO = 0x30,
    CLASS_POSITIVE = 0x40,
    CLASS_INFINITY = 0x50,
    CLASS_NAN = 0x60,
    EXPONENT_BIAS = 0x8000,
    NUMERIC_BODY_MAX = 3 + 20 + 1, /* and an interval's 24 */
};

bool key_orderable(struct type type) {
    const struct type_info *info = type_info(type.id);
    if (info == NULL || (info->is_pseudo && type.id != TYPE_UNKNOWN))
        return false;
    return !info->is_array && type.id != TYPE_ACLITEM && type.id != TYPE_PG_NODE_TREE;
}

bool key_decodable(const struct key_column *column) {
    switch (column->type.id) {
    case TYPE_NUMERIC:
        return column->type.precision > 0;
    case TYPE_BPCHAR:
        return column->type.modifier > 4;
    case TYPE_INTERVAL:
        return !column->canonical;
    default:
        return key_orderable(column->type);
    }
}

/* ---- encode ---------------------------------------------------------------------------- */

static void invert(uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)~bytes[i];
}

static void put_string(struct buffer *buffer, struct slice text) {
    uint8_t *to = buffer_reserve(buffer, text.size + 1);
    if (to == NULL)
        return;
    const uint8_t *at = text.data, *end = text.data + text.size;
    while (at<end && * at> 1)
        *to++ = *at++;
    buffer->size += (size_t)(at - text.data);
    for (; at < end; at++) {
        if (*at <= 1)
            buffer_append_byte(buffer, 1);
        buffer_append_byte(buffer, (uint8_t)(*at <= 1 ? *at + 1 : *at));
    }
    buffer_append_byte(buffer, 0);
}

static size_t numeric_body(struct numeric number, uint8_t body[NUMERIC_BODY_MAX]) {
    static const uint8_t classes[] = {[NUMERIC_NAN] = CLASS_NAN,
                                      [NUMERIC_INFINITY] = CLASS_INFINITY,
                                      [NUMERIC_MINUS_INFINITY] = CLASS_MINUS_INFINITY};
    if (number.kind != NUMERIC_FINITE || number.coefficient == 0) {
        body[0] = number.kind != NUMERIC_FINITE ? classes[number.kind] : CLASS_ZERO;
        return 1;
    }
    char digits[40];
    uint128_t magnitude = magnitude_of(number.coefficient);
    size_t count = int128_format((int128_t)magnitude, digits);
    int exponent = (int)count - number.scale;
    while (digits[count - 1] == '0')
        count--;
    bool negative = number.coefficient < 0;
    size_t at = 3;
    for (size_t i = 0; i < count; i += 2)
        body[at++] =
            (uint8_t)((digits[i] - '0') * 10 + (i + 1 < count ? digits[i + 1] - '0' : 0) + 1);
    body[at++] = 0;
    body[0] = negative ? CLASS_NEGATIVE : CLASS_POSITIVE;
    put_be16(body + 1, (uint16_t)(exponent + EXPONENT_BIAS));
    if (negative)
        invert(body + 1, at - 1);
    return at;
}

static uint64_t float_bits(double number) {
    uint64_t bits;
    if (number != number)
        number = __builtin_nan("");
    if (number == 0)
        number = 0;
    memcpy(&bits, &number, sizeof bits);
    return bits >> 63 != 0 ? ~bits : bits | 1ull << 63;
}

static uint32_t float4_bits(float number) {
    uint32_t bits;
    if (number != number)
        number = __builtin_nanf("");
    if (number == 0)
        number = 0;
    memcpy(&bits, &number, sizeof bits);
    return bits >> 31 != 0 ? ~bits : bits | 1u << 31;
}

static void put_interval(uint8_t *body, struct interval interval, bool canonical, size_t *size) {
    uint128_t sum = (uint128_t)interval_comparable(interval) + ((uint128_t)1 << 127);
    put_be64(body, (uint64_t)(sum >> 64));
    put_be64(body + 8, (uint64_t)sum);
    put_be32(body + 16, (uint32_t)interval.months ^ 1u << 31);
    put_be32(body + 20, (uint32_t)interval.days ^ 1u << 31);
    *size = canonical ? 16 : 24;
}

/* `data` is the physical form. */
static void put_body(const struct key_column *column, enum physical physical, int scale,
                     const void *data, struct buffer *buffer) {
    uint8_t body[NUMERIC_BODY_MAX];
    size_t size = physical_size(physical);
    union {
        int16_t int16;
        int32_t int32;
        int64_t int64;
        int128_t int128;
        float float32;
        double float64;
        struct string string;
        struct interval interval;
        struct numeric numeric;
    } form;
    memcpy(&form, data, size);
    switch (physical) {
    case PHYSICAL_BOOL:
        body[0] = *(const uint8_t *)data;
        break;
    case PHYSICAL_INT16:
        put_be16(body, (uint16_t)form.int16 ^ 1u << 15);
        break;
    case PHYSICAL_INT32:
        put_be32(body, (uint32_t)form.int32 ^ 1u << 31);
        break;
    case PHYSICAL_INT64:
        if (column->type.id == TYPE_NUMERIC)
            size = numeric_body(numeric_make(form.int64, scale), body);
        else
            put_be64(body, (uint64_t)form.int64 ^ 1ull << 63);
        break;
    case PHYSICAL_INT128:
        size = numeric_body(numeric_make(form.int128, scale), body);
        break;
    case PHYSICAL_NUMERIC:
        size = numeric_body(form.numeric, body);
        break;
    case PHYSICAL_FLOAT32:
        put_be32(body, float4_bits(form.float32));
        break;
    case PHYSICAL_FLOAT64:
        put_be64(body, float_bits(form.float64));
        break;
    case PHYSICAL_INTERVAL:
        put_interval(body, form.interval, column->canonical, &size);
        break;
    case PHYSICAL_UUID:
        memcpy(body, data, 16);
        break;
    case PHYSICAL_STRING: {
        struct slice text = string_slice(&form.string);
        put_string(buffer, column->type.id == TYPE_BPCHAR ? bpchar_trim(text) : text);
        return;
    }
    case PHYSICAL_NONE:
    case PHYSICAL_COUNT:
        ASSERT(!"no such physical form");
    }
    buffer_append(buffer, body, size);
}

/* `data` NULL: null. */
static void put_column(const struct key_column *column, struct type type, const void *data,
                       struct buffer *buffer) {
    if (data == NULL) {
        ASSERT(!column->not_null);
        buffer_append_byte(buffer, column->nulls_first ? MARK_NULL_FIRST : MARK_NULL_LAST);
        return;
    }
    DEBUG_ASSERT(type.id == column->type.id);
    if (!column->not_null)
        buffer_append_byte(buffer, MARK_VALUE);
    size_t start = buffer->size;
    put_body(column, type_physical(type), type.scale, data, buffer);
    if (column->descending && !buffer->failed)
        invert(buffer->data + start, buffer->size - start);
}

void key_encode_value(const struct key_column *column, const struct value *value,
                      struct buffer *buffer) {
    struct numeric form; /* large enough for every form */
    if (value->is_null) {
        put_column(column, value->type, NULL, buffer);
        return;
    }
    value_to_physical(value, &form);
    put_column(column, value->type, &form, buffer);
}

void key_encode(const struct key_column *columns, const struct value *values, uint32_t count,
                struct buffer *buffer) {
    for (uint32_t i = 0; i < count; i++)
        key_encode_value(&columns[i], &values[i], buffer);
}

void key_encode_row(const struct key_column *columns, const struct vector *const *vectors,
                    uint32_t count, uint32_t row, struct buffer *buffer) {
    for (uint32_t i = 0; i < count; i++) {
        const struct vector *vector = vectors[i];
        uint32_t at = vector_position(vector, row);
        bool valid = validity_get(vector->validity, at);
        const uint8_t *data = vector->data;
        put_column(&columns[i], vector->type,
                   valid ? data + physical_size(vector->physical) * at : NULL, buffer);
    }
}

bool key_successor(struct buffer *key) {
    while (key->size > 0 && key->data[key->size - 1] == 0xFF)
        key->size--;
    if (key->size == 0)
        return false;
    key->data[key->size - 1]++;
    return true;
}

/* ---- decode ---------------------------------------------------------------------------- */

static enum status corrupted(void) {
    return error_set(STATUS_DATA_CORRUPTED, "ordered key is damaged");
}

/* Reads a body byte by byte, undoing `descending`. */
struct reader {
    const uint8_t *at, *end;
    uint8_t flip;
};

static bool take(struct reader *reader, uint8_t *to, size_t size) {
    if ((size_t)(reader->end - reader->at) < size)
        return false;
    for (size_t i = 0; i < size; i++)
        to[i] = reader->at[i] ^ reader->flip;
    reader->at += size;
    return true;
}

/* Body of a string: its unescaped size, and the reader past it. `to` NULL: only measure. */
static bool take_string(struct reader *reader, uint8_t *to, size_t *size_out) {
    size_t size = 0;
    for (;;) {
        if (reader->at == reader->end)
            return false;
        uint8_t byte = *reader->at++ ^ reader->flip;
        if (byte == 0)
            break;
        if (byte == 1) {
            if (reader->at == reader->end)
                return false;
            byte = *reader->at++ ^ reader->flip;
            if (byte != 1 && byte != 2)
                return false;
            byte--;
        }
        if (to != NULL)
            to[size] = byte;
        size++;
    }
    *size_out = size;
    return true;
}

static enum status decode_string(struct reader *reader, struct type type, struct arena *arena,
                                 struct value *value_out) {
    struct reader again = *reader;
    size_t size, padded;
    if (!take_string(&again, NULL, &size))
        return corrupted();
    padded = size;
    if (type.id == TYPE_BPCHAR && type.modifier > 4) {
        /* The length counts characters; missing ones are spaces, a byte each. */
        size_t continuation = 0;
        for (const uint8_t *at = reader->at; at < again.at; at++)
            continuation += ((*at ^ reader->flip) & 0xC0) == 0x80;
        size_t characters = size - continuation;
        if (characters < (size_t)type.modifier - 4)
            padded = size + (size_t)type.modifier - 4 - characters;
    }
    uint8_t *text = arena_alloc_aligned(arena, padded + 1, 1);
    if (text == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    (void)take_string(reader, text, &size);
    memset(text + size, ' ', padded - size);
    value_out->string = slice_of(text, padded);
    return STATUS_OK;
}

static enum status decode_numeric(struct reader *reader, struct numeric *number_out) {
    uint8_t class, bytes[2];
    *number_out = (struct numeric){0};
    if (!take(reader, &class, 1))
        return corrupted();
    switch (class) {
    case CLASS_ZERO:
        return STATUS_OK;
    case CLASS_MINUS_INFINITY:
        number_out->kind = NUMERIC_MINUS_INFINITY;
        return STATUS_OK;
    case CLASS_INFINITY:
        number_out->kind = NUMERIC_INFINITY;
        return STATUS_OK;
    case CLASS_NAN:
        number_out->kind = NUMERIC_NAN;
        return STATUS_OK;
    case CLASS_NEGATIVE:
    case CLASS_POSITIVE:
        break;
    default:
        return corrupted();
    }
    if (class == CLASS_NEGATIVE)
        reader->flip ^= 0xFF;
    if (!take(reader, bytes, 2))
        return corrupted();
    int exponent = get_be16(bytes) - EXPONENT_BIAS, digits = 0;
    int128_t coefficient = 0;
    for (;;) {
        uint8_t pair;
        if (!take(reader, &pair, 1) || pair > 100)
            return corrupted();
        if (pair == 0)
            break;
        if (digits == NUMERIC_DIGITS_MAX)
            return corrupted();
        coefficient = coefficient * 100 + (pair - 1);
        digits += 2;
    }
    int scale = digits - exponent;
    if (coefficient == 0)
        return corrupted();
    while (coefficient % 10 == 0 && scale > 0) {
        coefficient /= 10;
        scale--;
    }
    if (scale < 0 &&
        (scale < -38 || decimal_multiply(coefficient, power_of_10_128[-scale], &coefficient)))
        return corrupted();
    if (scale > NUMERIC_SCALE_MAX)
        return corrupted();
    *number_out =
        numeric_make(class == CLASS_NEGATIVE ? -coefficient : coefficient, scale < 0 ? 0 : scale);
    return STATUS_OK;
}

static enum status decode_interval(struct reader *reader, bool canonical, struct interval *out) {
    uint8_t bytes[24];
    if (!take(reader, bytes, canonical ? 16 : 24))
        return corrupted();
    int128_t sum = (int128_t)(((uint128_t)get_be64(bytes) << 64 | get_be64(bytes + 8)) -
                              ((uint128_t)1 << 127));
    *out = (struct interval){0};
    if (!canonical) {
        out->months = (int32_t)(get_be32(bytes + 16) ^ 1u << 31);
        out->days = (int32_t)(get_be32(bytes + 20) ^ 1u << 31);
    }
    if (__builtin_sub_overflow(sum, interval_comparable(*out), &sum))
        return corrupted();
    if (sum != (int64_t)sum) {
        if (!canonical)
            return corrupted();
        out->days = (int32_t)(sum / US_PER_DAY);
        sum %= US_PER_DAY;
    }
    out->us = (int64_t)sum;
    return STATUS_OK;
}

static enum status decode_body(const struct key_column *column, struct reader *reader,
                               struct arena *arena, struct value *value_out) {
    enum physical physical = type_physical(column->type);
    uint8_t bytes[16] = {0};
    if (column->type.id == TYPE_NUMERIC) {
        struct numeric number;
        TRY(decode_numeric(reader, &number));
        return numeric_to_value(number, column->type, value_out);
    }
    if (physical == PHYSICAL_STRING)
        return decode_string(reader, column->type, arena, value_out);
    if (physical == PHYSICAL_INTERVAL)
        return decode_interval(reader, column->canonical, &value_out->interval);
    if (!take(reader, bytes, physical_size(physical)))
        return corrupted();
    switch (physical) {
    case PHYSICAL_BOOL:
        value_out->boolean = bytes[0];
        return bytes[0] <= 1 ? STATUS_OK : corrupted();
    case PHYSICAL_INT16:
        value_out->int16 = (int16_t)(get_be16(bytes) ^ 1u << 15);
        break;
    case PHYSICAL_INT32:
        value_out->int32 = (int32_t)(get_be32(bytes) ^ 1u << 31);
        break;
    case PHYSICAL_INT64:
        value_out->int64 = (int64_t)(get_be64(bytes) ^ 1ull << 63);
        break;
    case PHYSICAL_FLOAT32: {
        uint32_t bits = get_be32(bytes);
        bits = bits >> 31 != 0 ? bits & ~(1u << 31) : ~bits;
        memcpy(&value_out->float32, &bits, sizeof bits);
        break;
    }
    case PHYSICAL_FLOAT64: {
        uint64_t bits = get_be64(bytes);
        bits = bits >> 63 != 0 ? bits & ~(1ull << 63) : ~bits;
        memcpy(&value_out->float64, &bits, sizeof bits);
        break;
    }
    default:
        memcpy(value_out->uuid.bytes, bytes, 16);
        break;
    }
    return STATUS_OK;
}

/* Past the marker; *null_out when the column is null. */
static enum status take_marker(const struct key_column *column, struct slice *key, bool *null_out) {
    *null_out = false;
    if (column->not_null)
        return STATUS_OK;
    if (key->size == 0)
        return corrupted();
    uint8_t marker = key->data[0];
    *key = slice_of(key->data + 1, key->size - 1);
    *null_out = marker != MARK_VALUE;
    if (marker == MARK_VALUE || marker == (column->nulls_first ? MARK_NULL_FIRST : MARK_NULL_LAST))
        return STATUS_OK;
    return corrupted();
}

enum status key_decode_value(const struct key_column *column, struct slice *key,
                             struct arena *arena, struct value *value_out) {
    bool null;
    TRY(take_marker(column, key, &null));
    *value_out = (struct value){.type = column->type, .is_null = null};
    if (null)
        return STATUS_OK;
    struct reader reader = {key->data, key->data + key->size, column->descending ? 0xFF : 0};
    TRY(decode_body(column, &reader, arena, value_out));
    value_out->type = column->type;
    *key = slice_of(reader.at, (size_t)(reader.end - reader.at));
    return STATUS_OK;
}

enum status key_decode(const struct key_column *columns, uint32_t count, struct slice key,
                       struct arena *arena, struct value *values_out, struct slice *rest_out) {
    for (uint32_t i = 0; i < count; i++)
        TRY(key_decode_value(&columns[i], &key, arena, &values_out[i]));
    if (rest_out != NULL)
        *rest_out = key;
    else if (key.size > 0)
        return corrupted();
    return STATUS_OK;
}

enum status key_skip(const struct key_column *column, struct slice *key) {
    bool null;
    TRY(take_marker(column, key, &null));
    if (null)
        return STATUS_OK;
    struct reader reader = {key->data, key->data + key->size, column->descending ? 0xFF : 0};
    enum physical physical = type_physical(column->type);
    size_t size;
    if (column->type.id == TYPE_NUMERIC) {
        struct numeric number;
        TRY(decode_numeric(&reader, &number));
    } else if (physical == PHYSICAL_STRING) {
        if (!take_string(&reader, NULL, &size))
            return corrupted();
    } else {
        size = physical != PHYSICAL_INTERVAL ? physical_size(physical)
               : column->canonical           ? 16
                                             : 24;
        if (key->size < size)
            return corrupted();
        reader.at += size;
    }
    *key = slice_of(reader.at, (size_t)(reader.end - reader.at));
    return STATUS_OK;
}

enum status key_has_null(const struct key_column *columns, uint32_t count, struct slice key,
                         bool *has_null_out) {
    *has_null_out = false;
    for (uint32_t i = 0; i < count; i++) {
        struct slice rest = key;
        bool null;
        TRY(take_marker(&columns[i], &rest, &null));
        *has_null_out |= null;
        TRY(key_skip(&columns[i], &key));
    }
    return STATUS_OK;
}
