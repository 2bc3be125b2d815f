/* Random values of any type for the tests of this room. */
#ifndef VALUE_RANDOM_H
#define VALUE_RANDOM_H

#include <string.h>

#include "base/base_random.h"
#include "value/value.h"
#include "value/value_datetime.h"
#include "value/value_numeric.h"

static inline int64_t random_int(struct random *random) {
    /* Small, edge and wide numbers alike. */
    switch (random_below(random, 4)) {
    case 0:
        return (int64_t)random_below(random, 10) - 5;
    case 1:
        return random_below(random, 2) ? INT64_MAX - (int64_t)random_below(random, 3)
                                       : INT64_MIN + (int64_t)random_below(random, 3);
    case 2:
        return (int64_t)random_below(random, 100000) - 50000;
    default:
        return (int64_t)random_next(random);
    }
}

static inline struct numeric random_numeric(struct random *random) {
    if (random_below(random, 20) == 0)
        return numeric_special((enum numeric_kind)(1 + random_below(random, 3)));
    int digits = (int)random_below(random, 39);
    int128_t coefficient =
        (int128_t)(((uint128_t)random_next(random) << 64 | random_next(random)) >> 1);
    coefficient %= power_of_10_128[digits];
    if (random_below(random, 3) == 0)
        coefficient = (int128_t)random_below(random, 20) * power_of_10_128[random_below(random, 4)];
    if (random_below(random, 2))
        coefficient = -coefficient;
    return numeric_make(coefficient, (int)random_below(random, random_below(random, 2) ? 4 : 45));
}

static inline double random_float(struct random *random) {
    static const double edges[] = {0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 5e-324, 1e-300};
    uint64_t bits = random_next(random);
    double number;
    switch (random_below(random, 4)) {
    case 0:
        return edges[random_below(random, 8)];
    case 1:
        return (double)random_int(random);
    case 2:
        return random_below(random, 2) ? __builtin_nan("") : -__builtin_inf();
    default:
        memcpy(&number, &bits, sizeof number);
        return number;
    }
}

static inline struct slice random_text(struct random *random, struct arena *arena, bool spaces) {
    uint8_t bytes[64];
    size_t size = random_below(random, random_below(random, 3) == 0 ? 64 : 8);
    static const char letters[] = "ab \x01\x02z~";
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)letters[random_below(random, sizeof letters - 1)];
    if (!spaces) /* bytea: any byte */
        for (size_t i = 0; i < size; i++)
            if (random_below(random, 3) == 0)
                bytes[i] = (uint8_t)random_below(random, 256);
    return arena_copy_slice(arena, slice_of(bytes, size));
}

/* A non-null value in the physical form of its type. */
static inline struct value random_value(struct random *random, struct type type,
                                        struct arena *arena) {
    struct value value = {.type = type};
    int64_t number = random_int(random);
    if (type.id == TYPE_NUMERIC && type.precision > 0) {
        int128_t limit = power_of_10_128[type.precision];
        int128_t wide = (int128_t)((uint128_t)number << 62 ^ (uint64_t)random_int(random)) % limit;
        if (random_below(random, 2))
            wide = number % (limit < 1000 ? limit : 1000);
        if (type.precision <= 18)
            value.int64 = (int64_t)wide;
        else
            value.int128 = wide;
        return value;
    }
    switch (type_physical(type)) {
    case PHYSICAL_BOOL:
        value.boolean = (uint8_t)random_below(random, 2);
        break;
    case PHYSICAL_INT16:
        value.int16 = (int16_t)number;
        break;
    case PHYSICAL_INT32:
        value.int32 = (int32_t)number;
        break;
    case PHYSICAL_INT64:
        value.int64 = number;
        break;
    case PHYSICAL_FLOAT32:
        value.float32 = (float)random_float(random);
        break;
    case PHYSICAL_FLOAT64:
        value.float64 = random_float(random);
        break;
    case PHYSICAL_STRING:
        value.string = random_text(random, arena, type.id != TYPE_BYTEA);
        break;
    case PHYSICAL_INTERVAL:
        value.interval = (struct interval){random_below(random, 2) ? number : number % 100000,
                                           (int32_t)random_below(random, 100) - 50,
                                           (int32_t)random_below(random, 10) - 5};
        break;
    case PHYSICAL_UUID:
        for (int i = 0; i < 16; i++)
            value.uuid.bytes[i] = (uint8_t)random_below(random, i < 14 ? 2 : 256);
        break;
    case PHYSICAL_NUMERIC:
        value.numeric = random_numeric(random);
        break;
    default:
        ASSERT(!"no such form");
    }
    return value;
}

enum { RANDOM_TYPE_COUNT = 22 };
static inline struct type random_type_at(unsigned at) {
    const struct type types[RANDOM_TYPE_COUNT] = {
        TYPE_OF(BOOL),
        TYPE_OF(INT2),
        TYPE_OF(INT4),
        TYPE_OF(INT8),
        TYPE_OF(FLOAT4),
        TYPE_OF(FLOAT8),
        TYPE_OF(NUMERIC),
        type_numeric(10, 2),
        type_numeric(38, 10),
        TYPE_OF(TEXT),
        type_make(TYPE_VARCHAR, 24),
        TYPE_OF(BPCHAR),
        TYPE_OF(NAME),
        TYPE_OF(BYTEA),
        TYPE_OF(DATE),
        TYPE_OF(TIME),
        TYPE_OF(TIMESTAMP),
        TYPE_OF(TIMESTAMPTZ),
        TYPE_OF(INTERVAL),
        TYPE_OF(UUID),
        TYPE_OF(OID),
        type_numeric(18, 0),
    };
    return types[at];
}
static inline struct type random_type(struct random *random) {
    return random_type_at((unsigned)random_below(random, RANDOM_TYPE_COUNT));
}

#endif
