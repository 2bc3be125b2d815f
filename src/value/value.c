#include "value/value.h"

#include "base/base_hash.h"
#include "value/parts.h"
#include "value/value_array.h"
#include "value/value_datetime.h"
#include "value/value_numeric.h"

struct string string_copy(struct string string, struct arena *arena) {
    if (string.size <= STRING_INLINE_SIZE)
        return string;
    struct slice copy = arena_copy_slice(arena, string_slice(&string));
    if (copy.data == NULL) { /* the arena is marked; an empty string is safe to go on with */
        arena->starved = true;
        return (struct string){0};
    }
    string.pointer = copy.data;
    return string;
}

struct value value_from_physical(struct type type, const void *data) {
    struct value value = {.type = type};
    enum physical physical = type_physical(type);
    if (physical == PHYSICAL_STRING)
        value.string = string_slice(data);
    else
        memcpy(&value.boolean, data, physical_size(physical));
    return value;
}

void value_to_physical(const struct value *value, void *data_out) {
    enum physical physical = type_physical(value->type);
    if (physical == PHYSICAL_STRING) {
        struct string string = string_of(value->string.data, value->string.size);
        memcpy(data_out, &string, sizeof string);
    } else {
        memcpy(data_out, &value->boolean, physical_size(physical));
    }
}

struct value value_copy(const struct value *value, struct arena *arena) {
    struct value copy = *value;
    if (!value->is_null && type_physical(value->type) == PHYSICAL_STRING) {
        copy.string = arena_copy_slice(arena, value->string);
        if (copy.string.data == NULL)
            arena->starved = true;
    }
    return copy;
}

int float8_compare(double a, double b) {
    if (a != a || b != b) /* NaN is the largest and equal to itself */
        return (a != a) - (b != b);
    return (a > b) - (a < b);
}

struct slice bpchar_trim(struct slice text) {
    while (text.size > 0 && text.data[text.size - 1] == ' ')
        text.size--;
    return text;
}

bool type_has_array_body(uint32_t id) {
    if (id == TYPE_INT2VECTOR || id == TYPE_OIDVECTOR)
        return true;
    if (id == TYPE_TEXT || id == TYPE_VARCHAR || id == TYPE_BPCHAR)
        return false;
    const struct type_info *info = type_info(id);
    return info != NULL && info->is_array;
}

int string_order(uint32_t type_id, struct slice a, struct slice b) {
    if (type_id == TYPE_BPCHAR)
        return slice_compare(bpchar_trim(a), bpchar_trim(b));
    if (type_id == TYPE_RECORD)
        return record_compare(a, b);
    if (type_has_array_body(type_id))
        return array_compare(a, b);
    return slice_compare(a, b);
}

uint64_t string_hash(uint32_t type_id, struct slice text) {
    if (type_id == TYPE_BPCHAR)
        text = bpchar_trim(text);
    else if (type_has_array_body(type_id))
        return array_hash(text);
    return hash_bytes(text.data, text.size);
}

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

int value_compare(const struct value *a, const struct value *b) {
    enum physical physical = type_physical(a->type);
    if (a->type.id == TYPE_NUMERIC) {
        if (physical == type_physical(b->type) && a->type.scale == b->type.scale &&
            physical != PHYSICAL_NUMERIC)
            return physical == PHYSICAL_INT64 ? ORDER(a->int64, b->int64)
                                              : ORDER(a->int128, b->int128);
        return numeric_compare(numeric_from_value(a), numeric_from_value(b));
    }
    switch (physical) {
    case PHYSICAL_BOOL:
        return ORDER(a->boolean, b->boolean);
    case PHYSICAL_INT16:
        return ORDER(a->int16, b->int16);
    case PHYSICAL_INT32:
        return ORDER(a->int32, b->int32);
    case PHYSICAL_INT64:
        return ORDER(a->int64, b->int64);
    case PHYSICAL_INT128:
        return ORDER(a->int128, b->int128);
    case PHYSICAL_FLOAT32:
        return float8_compare(a->float32, b->float32);
    case PHYSICAL_FLOAT64:
        return float8_compare(a->float64, b->float64);
    case PHYSICAL_STRING:
        return string_order(a->type.id, a->string, b->string);
    case PHYSICAL_INTERVAL:
        return interval_compare(a->interval, b->interval);
    case PHYSICAL_UUID:
        return memcmp(a->uuid.bytes, b->uuid.bytes, 16);
    case PHYSICAL_NUMERIC:
        return numeric_compare(a->numeric, b->numeric);
    case PHYSICAL_NONE:
    case PHYSICAL_COUNT:
        break;
    }
    ASSERT(!"no such physical form");
    return 0;
}

uint64_t value_hash(const struct value *value) {
    if (value->is_null)
        return HASH_OF_NULL;
    switch (type_physical(value->type)) {
    case PHYSICAL_BOOL:
        return hash_u64(value->boolean);
    case PHYSICAL_INT16:
        return hash_u64((uint64_t)(int64_t)value->int16);
    case PHYSICAL_INT32:
        return hash_u64((uint64_t)(int64_t)value->int32);
    case PHYSICAL_INT64:
        if (value->type.id == TYPE_NUMERIC)
            return numeric_hash_scaled(value->int64, value->type.scale);
        return hash_u64((uint64_t)value->int64);
    case PHYSICAL_INT128:
        return numeric_hash_scaled(value->int128, value->type.scale);
    case PHYSICAL_FLOAT32:
        return float8_hash(value->float32);
    case PHYSICAL_FLOAT64:
        return float8_hash(value->float64);
    case PHYSICAL_STRING:
        return string_hash(value->type.id, value->string);
    case PHYSICAL_INTERVAL:
        return interval_hash(value->interval);
    case PHYSICAL_UUID:
        return hash_bytes(value->uuid.bytes, 16);
    case PHYSICAL_NUMERIC:
        return numeric_hash(value->numeric);
    case PHYSICAL_NONE:
    case PHYSICAL_COUNT:
        break;
    }
    ASSERT(!"no such physical form");
    return 0;
}

uint64_t float8_hash(double number) {
    if (number == 0)
        number = 0; /* -0 */
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return hash_u64(number != number ? 0x7FF8000000000000ull : bits);
}
