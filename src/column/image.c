#include "column/image.h"

#include "base/base_bytes.h"
#include "value/value_key.h"
#include "value/value_numeric.h"

bool type_is_ordered(struct type type) {
    return key_orderable(type);
}

bool type_has_image(struct type type, bool narrow) {
    switch (type_physical(type)) {
    case PHYSICAL_INTERVAL:
        return false;
    case PHYSICAL_NUMERIC:
        return narrow;
    default:
        return type_is_ordered(type);
    }
}

bool image_is_exact(struct type type, bool narrow) {
    switch (type_physical(type)) {
    case PHYSICAL_STRING:
    case PHYSICAL_UUID:
    case PHYSICAL_INTERVAL:
        return false;
    case PHYSICAL_INT128:
    case PHYSICAL_NUMERIC:
        return narrow;
    default:
        return true;
    }
}

struct slice image_trim(struct type type, struct slice text) {
    while (type.id == TYPE_BPCHAR && text.size > 0 && text.data[text.size - 1] == ' ')
        text.size--;
    return text;
}

int64_t image_of_value(const struct value *value) {
    switch (type_physical(value->type)) {
    case PHYSICAL_BOOL:
        return value->boolean;
    case PHYSICAL_INT16:
        return value->int16;
    case PHYSICAL_INT32:
        return value->int32;
    case PHYSICAL_INT64:
        return value->int64;
    case PHYSICAL_INT128:
        return (int64_t)(value->int128 >> 64);
    case PHYSICAL_FLOAT32:
        return image_of_double(value->float32);
    case PHYSICAL_FLOAT64:
        return image_of_double(value->float64);
    case PHYSICAL_STRING: {
        struct slice text = image_trim(value->type, value->string);
        return image_of_bytes(text.data, text.size);
    }
    case PHYSICAL_UUID:
        return image_of_bytes(value->uuid.bytes, sizeof value->uuid.bytes);
    default:
        return 0;
    }
}

static int bytes_order(const struct value *a, const struct value *b) {
    enum physical physical = type_physical(a->type);
    if (physical == PHYSICAL_STRING)
        return slice_compare(a->string, b->string);
    if (physical == PHYSICAL_NUMERIC) {
        uint8_t x[NUMERIC_PACKED_SIZE_MAX], y[NUMERIC_PACKED_SIZE_MAX];
        return slice_compare(slice_of(x, numeric_pack(a->numeric, x)),
                             slice_of(y, numeric_pack(b->numeric, y)));
    }
    return memcmp(&a->boolean, &b->boolean, physical_size(physical));
}

int column_order(const struct value *a, const struct value *b) {
    int order = type_is_ordered(a->type) ? value_compare(a, b) : 0;
    return order != 0 ? order : bytes_order(a, b);
}
