/* Values as bytes and as 64-bit integers, and back. */
#include "base/base_bytes.h"
#include "column/chunk.h"
#include "value/value_numeric.h"

enum value_class value_class_of(enum physical physical, bool narrow) {
    switch (physical) {
    case PHYSICAL_FLOAT32:
    case PHYSICAL_FLOAT64:
        return CLASS_FLOATS;
    case PHYSICAL_INT128:
        return narrow ? CLASS_NUMBERS : CLASS_FIXED;
    case PHYSICAL_INTERVAL:
    case PHYSICAL_UUID:
        return CLASS_FIXED;
    case PHYSICAL_NUMERIC:
        return narrow ? CLASS_NUMBERS : CLASS_STRINGS;
    case PHYSICAL_STRING:
        return CLASS_STRINGS;
    default:
        return CLASS_NUMBERS;
    }
}

enum status chunk_corrupted(const char *what) {
    return error_set(STATUS_DATA_CORRUPTED, "column chunk: %s", what);
}

struct slice value_bytes(const struct value *value, uint8_t space[VALUE_BYTES_FIXED_MAX]) {
    enum physical physical = type_physical(value->type);
    if (physical == PHYSICAL_STRING)
        return value->string;
    if (physical == PHYSICAL_NUMERIC)
        return slice_of(space, numeric_pack(value->numeric, space));
    size_t size = physical_size(physical);
    memcpy(space, &value->boolean, size); /* little-endian machines only: base_bytes.h */
    return slice_of(space, size);
}

enum status value_from_bytes(struct type type, struct slice bytes, struct value *value_out) {
    enum physical physical = type_physical(type);
    *value_out = (struct value){.type = type};
    if (physical == PHYSICAL_STRING) {
        value_out->string = bytes;
        return STATUS_OK;
    }
    if (physical == PHYSICAL_NUMERIC)
        return numeric_unpack(bytes, &value_out->numeric);
    if (bytes.size != physical_size(physical))
        return chunk_corrupted("a value has the wrong size");
    memcpy(&value_out->boolean, bytes.data, bytes.size);
    if (physical == PHYSICAL_BOOL && value_out->boolean > 1)
        return chunk_corrupted("a boolean is neither true nor false");
    return STATUS_OK;
}

void numbers_to_physical(const int64_t *numbers, uint32_t count, enum physical physical, int scale,
                         void *out) {
    for (uint32_t i = 0; i < count; i++) {
        switch (physical) {
        case PHYSICAL_BOOL:
            ((uint8_t *)out)[i] = numbers[i] & 1;
            break;
        case PHYSICAL_INT16:
            ((int16_t *)out)[i] = (int16_t)numbers[i];
            break;
        case PHYSICAL_INT32:
            ((int32_t *)out)[i] = (int32_t)numbers[i];
            break;
        case PHYSICAL_INT64:
            ((int64_t *)out)[i] = numbers[i];
            break;
        case PHYSICAL_INT128:
            ((int128_t *)out)[i] = numbers[i];
            break;
        default:
            ((struct numeric *)out)[i] = numeric_make(numbers[i], scale);
        }
    }
}

struct value value_from_number(struct type type, int64_t number, int scale) {
    struct value value = {.type = type};
    numbers_to_physical(&number, 1, type_physical(type), scale, &value.boolean);
    return value;
}
