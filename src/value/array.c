/* Bodies of arrays and records. The format is told in value_array.h. */
#include "value/value_array.h"

#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "value/parts.h"
#include "value/value_numeric.h"

enum { ARRAY_VERSION = 1, RECORD_VERSION = 2, HAS_NULLS = 1, HEADER_SIZE = 8 };

static enum status corrupted(const char *what) {
    return error_set(STATUS_DATA_CORRUPTED, "stored %s is damaged", what);
}

static bool is_fixed(enum physical physical) {
    return physical != PHYSICAL_STRING && physical != PHYSICAL_NUMERIC;
}

/* ---- open and get ---------------------------------------------------------------------- */

enum status array_open(struct slice body, struct array *array_out) {
    struct array array = {.body = body};
    if (body.size < HEADER_SIZE || body.data[0] != ARRAY_VERSION ||
        body.data[1] > ARRAY_DIMENSIONS_MAX || get_le16(body.data + 2) > HAS_NULLS)
        return corrupted("array");
    array.dimension_count = body.data[1];
    array.element_type = type_plain(get_le32(body.data + 4));
    if (type_info(array.element_type.id) == NULL)
        return corrupted("array");
    size_t at = HEADER_SIZE + 8u * array.dimension_count;
    if (body.size < at)
        return corrupted("array");
    uint64_t count = array.dimension_count > 0;
    for (uint32_t i = 0; i < array.dimension_count; i++) {
        array.lengths[i] = get_le32(body.data + HEADER_SIZE + 8 * i);
        array.lower_bounds[i] = (int32_t)get_le32(body.data + HEADER_SIZE + 8 * i + 4);
        count *= array.lengths[i];
        if (count > ARRAY_ELEMENTS_MAX || count == 0)
            return corrupted("array");
    }
    array.count = (uint32_t)count;
    if (get_le16(body.data + 2) != 0) {
        array.nulls = body.data + at;
        at += (count + 7) / 8;
    }
    enum physical physical = type_physical(array.element_type);
    size_t table = is_fixed(physical) ? 0 : 4 * count;
    if (body.size < at + table)
        return corrupted("array");
    array.ends = body.data + at;
    array.data = body.data + at + table;
    size_t left = body.size - at - table;
    if (is_fixed(physical) && left != count * physical_size(physical))
        return corrupted("array");
    *array_out = array;
    return STATUS_OK;
}

enum status array_get(const struct array *array, uint32_t i, struct value *value_out) {
    ASSERT(i < array->count);
    enum physical physical = type_physical(array->element_type);
    if (array->nulls != NULL && (array->nulls[i / 8] >> i % 8 & 1) != 0) {
        *value_out = value_null(array->element_type);
        return STATUS_OK;
    }
    if (is_fixed(physical)) {
        *value_out =
            value_from_physical(array->element_type, array->data + physical_size(physical) * i);
        return STATUS_OK;
    }
    uint32_t start = i == 0 ? 0 : get_le32(array->ends + 4 * (size_t)(i - 1));
    uint32_t end = get_le32(array->ends + 4 * (size_t)i);
    size_t left = (size_t)(array->body.data + array->body.size - array->data);
    if (start > end || end > left)
        return corrupted("array");
    *value_out = (struct value){.type = array->element_type};
    struct slice bytes = slice_of(array->data + start, end - start);
    if (physical == PHYSICAL_NUMERIC)
        return numeric_unpack(bytes, &value_out->numeric);
    value_out->string = bytes;
    return STATUS_OK;
}

/* ---- encode ---------------------------------------------------------------------------- */

/* Bytes of an element as they go into a variable part; `packed` is scratch. */
static struct slice element_bytes(const struct value *value,
                                  uint8_t packed[NUMERIC_PACKED_SIZE_MAX]) {
    if (value->type.id == TYPE_NUMERIC)
        return slice_of(packed, numeric_pack(numeric_from_value(value), packed));
    return value->string;
}

static enum status too_large(void) {
    return error_set(STATUS_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (%d)",
                     BUFFER_SIZE_MAX);
}

static void write_elements(uint8_t *to, bool fixed, size_t size, const struct value *elements,
                           uint32_t count) {
    uint8_t packed[NUMERIC_PACKED_SIZE_MAX];
    uint8_t *data = fixed ? to : to + 4 * (size_t)count;
    size_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (fixed) {
            memset(data + size * i, 0, size);
            if (!elements[i].is_null)
                value_to_physical(&elements[i], data + size * i);
            continue;
        }
        if (!elements[i].is_null) {
            struct slice bytes = element_bytes(&elements[i], packed);
            if (bytes.size > 0)
                memcpy(data + end, bytes.data, bytes.size);
            end += bytes.size;
        }
        put_le32(to + 4 * (size_t)i, (uint32_t)end);
    }
}

enum status array_encode(uint32_t element_type, const struct value *elements, uint32_t count,
                         uint32_t dimension_count, const uint32_t *lengths,
                         const int32_t *lower_bounds, struct arena *arena, struct slice *body_out) {
    ASSERT(dimension_count <= ARRAY_DIMENSIONS_MAX && (count > 0) == (dimension_count > 0));
    enum physical physical = type_physical(type_plain(element_type));
    bool fixed = is_fixed(physical), nulls = false;
    uint8_t packed[NUMERIC_PACKED_SIZE_MAX];
    uint64_t size = 0;
    if (count > ARRAY_ELEMENTS_MAX)
        return too_large();
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(elements[i].is_null || elements[i].type.id == element_type);
        nulls |= elements[i].is_null;
        if (fixed)
            size += physical_size(physical);
        else
            size += 4 + (elements[i].is_null ? 0 : element_bytes(&elements[i], packed).size);
    }
    size_t header = HEADER_SIZE + 8 * (size_t)dimension_count;
    size_t bitmap = nulls ? (count + 7) / 8 : 0;
    size += header + bitmap;
    if (size > BUFFER_SIZE_MAX)
        return too_large();
    uint8_t *body = arena_alloc_aligned(arena, size, 8);
    if (body == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    body[0] = ARRAY_VERSION;
    body[1] = (uint8_t)dimension_count;
    put_le16(body + 2, nulls ? HAS_NULLS : 0);
    put_le32(body + 4, element_type);
    for (uint32_t i = 0; i < dimension_count; i++) {
        put_le32(body + HEADER_SIZE + 8 * i, lengths[i]);
        put_le32(body + HEADER_SIZE + 8 * i + 4, (uint32_t)lower_bounds[i]);
    }
    memset(body + header, 0, bitmap);
    for (uint32_t i = 0; i < count && nulls; i++)
        if (elements[i].is_null)
            body[header + i / 8] |= (uint8_t)(1u << i % 8);
    write_elements(body + header + bitmap, fixed, physical_size(physical), elements, count);
    *body_out = slice_of(body, size);
    return STATUS_OK;
}

enum status array_make(uint32_t array_type, const struct value *elements, uint32_t count,
                       struct arena *arena, struct value *value_out) {
    int32_t lower = array_type == TYPE_INT2VECTOR || array_type == TYPE_OIDVECTOR ? 0 : 1;
    *value_out = (struct value){.type = type_plain(array_type)};
    return array_encode(type_info_get(array_type)->element_id, elements, count, count > 0, &count,
                        &lower, arena, &value_out->string);
}

/* ---- order ----------------------------------------------------------------------------- */

static int order_of(uint32_t a, uint32_t b) {
    return (a > b) - (a < b);
}

int array_compare(struct slice a, struct slice b) {
    struct array x, y;
    if (array_open(a, &x) != STATUS_OK || array_open(b, &y) != STATUS_OK)
        return slice_compare(a, b);
    uint32_t common = x.count < y.count ? x.count : y.count;
    for (uint32_t i = 0; i < common; i++) {
        struct value p, q;
        if (array_get(&x, i, &p) != STATUS_OK || array_get(&y, i, &q) != STATUS_OK)
            return slice_compare(a, b);
        int order = p.is_null || q.is_null ? p.is_null - q.is_null : value_compare(&p, &q);
        if (order != 0)
            return order;
    }
    if (x.count != y.count)
        return order_of(x.count, y.count);
    if (x.dimension_count != y.dimension_count)
        return order_of(x.dimension_count, y.dimension_count);
    for (uint32_t i = 0; i < x.dimension_count; i++)
        if (x.lengths[i] != y.lengths[i])
            return order_of(x.lengths[i], y.lengths[i]);
    for (uint32_t i = 0; i < x.dimension_count; i++)
        if (x.lower_bounds[i] != y.lower_bounds[i])
            return x.lower_bounds[i] < y.lower_bounds[i] ? -1 : 1;
    return 0;
}

uint64_t array_hash(struct slice body) {
    struct array array;
    if (array_open(body, &array) != STATUS_OK)
        return hash_bytes(body.data, body.size);
    uint64_t hash = hash_u64(array.count);
    for (uint32_t i = 0; i < array.count; i++) {
        struct value value;
        if (array_get(&array, i, &value) != STATUS_OK)
            break;
        hash = hash_combine(hash, value_hash(&value));
    }
    return hash;
}

/* ---- records --------------------------------------------------------------------------- */

enum { RECORD_HEADER_SIZE = 4, FIELD_HEADER_SIZE = 12 };

enum status record_make(const struct value *fields, uint32_t count, struct arena *arena,
                        struct value *value_out) {
    uint8_t packed[NUMERIC_PACKED_SIZE_MAX];
    uint64_t size = RECORD_HEADER_SIZE;
    ASSERT(count <= UINT16_MAX);
    for (uint32_t i = 0; i < count; i++) {
        enum physical physical = type_physical(type_plain(fields[i].type.id));
        size += FIELD_HEADER_SIZE;
        if (!fields[i].is_null)
            size += is_fixed(physical) ? physical_size(physical)
                                       : element_bytes(&fields[i], packed).size;
    }
    if (size > BUFFER_SIZE_MAX)
        return too_large();
    uint8_t *body = arena_alloc_aligned(arena, size, 8), *at = body;
    if (body == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    put_le16(at, RECORD_VERSION); /* and a zero byte */
    put_le16(at + 2, (uint16_t)count);
    at += RECORD_HEADER_SIZE;
    for (uint32_t i = 0; i < count; i++) {
        enum physical physical = type_physical(type_plain(fields[i].type.id));
        struct numeric form;
        struct slice bytes = SLICE_EMPTY;
        if (!fields[i].is_null && is_fixed(physical)) {
            value_to_physical(&fields[i], &form);
            bytes = slice_of(&form, physical_size(physical));
        } else if (!fields[i].is_null) {
            bytes = element_bytes(&fields[i], packed);
        }
        put_le32(at, fields[i].type.id);
        put_le32(at + 4, (uint32_t)fields[i].type.modifier);
        put_le32(at + 8, fields[i].is_null ? UINT32_MAX : (uint32_t)bytes.size);
        if (bytes.size > 0)
            memcpy(at + FIELD_HEADER_SIZE, bytes.data, bytes.size);
        at += FIELD_HEADER_SIZE + bytes.size;
    }
    *value_out = (struct value){.type = TYPE_OF(RECORD), .string = slice_of(body, size)};
    return STATUS_OK;
}

enum status record_open(struct slice body, struct record *record_out) {
    if (body.size < RECORD_HEADER_SIZE || get_le16(body.data) != RECORD_VERSION)
        return corrupted("record");
    *record_out = (struct record){.field_count = get_le16(body.data + 2), .body = body};
    return STATUS_OK;
}

/* The field at *at; moves on. Numerics come in their plain form, without modifier. */
static enum status take_field(const struct record *record, size_t *at, struct value *value_out) {
    size_t left = record->body.size - *at;
    if (left < FIELD_HEADER_SIZE)
        return corrupted("record");
    const uint8_t *field = record->body.data + *at;
    struct type type = {.id = get_le32(field), .modifier = (int32_t)get_le32(field + 4)};
    uint32_t size = get_le32(field + 8);
    if (type_info(type.id) == NULL)
        return corrupted("record");
    if (type.id == TYPE_NUMERIC)
        type.modifier = -1;
    *at += FIELD_HEADER_SIZE;
    if (size == UINT32_MAX) {
        *value_out = value_null(type);
        return STATUS_OK;
    }
    enum physical physical = type_physical(type);
    if (size > left - FIELD_HEADER_SIZE || (is_fixed(physical) && size != physical_size(physical)))
        return corrupted("record");
    struct slice bytes = slice_of(field + FIELD_HEADER_SIZE, size);
    *at += size;
    *value_out = (struct value){.type = type};
    if (is_fixed(physical))
        *value_out = value_from_physical(type, bytes.data);
    else if (physical == PHYSICAL_NUMERIC)
        return numeric_unpack(bytes, &value_out->numeric);
    else
        value_out->string = bytes;
    return STATUS_OK;
}

enum status record_get_all(const struct record *record, struct value *fields_out) {
    size_t at = RECORD_HEADER_SIZE;
    for (uint32_t i = 0; i < record->field_count; i++)
        TRY(take_field(record, &at, &fields_out[i]));
    return at == record->body.size ? STATUS_OK : corrupted("record");
}

int record_compare(struct slice a, struct slice b) {
    struct record x, y;
    if (record_open(a, &x) != STATUS_OK || record_open(b, &y) != STATUS_OK)
        return slice_compare(a, b);
    uint32_t common = x.field_count < y.field_count ? x.field_count : y.field_count;
    size_t at_x = RECORD_HEADER_SIZE, at_y = RECORD_HEADER_SIZE;
    for (uint32_t i = 0; i < common; i++) {
        struct value p, q;
        if (take_field(&x, &at_x, &p) != STATUS_OK || take_field(&y, &at_y, &q) != STATUS_OK)
            return slice_compare(a, b);
        int order;
        if (p.is_null || q.is_null)
            order = p.is_null - q.is_null;
        else if (p.type.id != q.type.id)
            order = order_of(p.type.id, q.type.id);
        else
            order = value_compare(&p, &q);
        if (order != 0)
            return order;
    }
    return order_of(x.field_count, y.field_count);
}

static bool field_needs_quotes(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (strchr("\"\\(),", text.data[i]) != NULL || text_is_space(text.data[i]))
            return true;
    return text.size == 0;
}

enum status record_format(const struct value_context *context, struct slice body,
                          struct buffer *buffer) {
    struct record record;
    struct buffer text = {0};
    enum status status = record_open(body, &record);
    size_t at = RECORD_HEADER_SIZE;
    buffer_append_byte(buffer, '(');
    for (uint32_t i = 0; status == STATUS_OK && i < record.field_count; i++) {
        struct value value;
        if (i > 0)
            buffer_append_byte(buffer, ',');
        status = take_field(&record, &at, &value);
        if (status != STATUS_OK || value.is_null)
            continue;
        buffer_clear(&text);
        status = text_output(context, &value, &text);
        struct slice shown = buffer_slice(&text);
        bool quotes = field_needs_quotes(shown);
        if (quotes)
            buffer_append_byte(buffer, '"');
        for (size_t j = 0; j < shown.size; j++) {
            if (shown.data[j] == '"' || shown.data[j] == '\\')
                buffer_append_byte(buffer, shown.data[j]);
            buffer_append_byte(buffer, shown.data[j]);
        }
        if (quotes)
            buffer_append_byte(buffer, '"');
    }
    buffer_append_byte(buffer, ')');
    buffer_release(&text);
    return status;
}
