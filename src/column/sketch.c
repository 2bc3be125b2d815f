#include <math.h>

#include "base/base_hash.h"
#include "column/column.h"

uint64_t column_sketch_hash(const struct value *value) {
    if (value->type.id == TYPE_NUMERIC && value->type.precision > 0) {
        if (type_physical(value->type) == PHYSICAL_INT64)
            return hash_u64((uint64_t)value->int64);
        uint64_t low = (uint64_t)value->int128, high = (uint64_t)(value->int128 >> 64);
        uint64_t sign = (uint64_t)((int64_t)low >> 63);
        return high == sign ? hash_u64(low) : hash_combine(hash_u64(high), low);
    }
    return value_hash(value);
}

void column_sketch_merge(struct column_sketch *sketch, const struct column_sketch *other) {
    for (int i = 0; i < COLUMN_SKETCH_SIZE; i++)
        if (sketch->registers[i] < other->registers[i])
            sketch->registers[i] = other->registers[i];
}

double column_sketch_estimate(const struct column_sketch *sketch) {
    const double m = COLUMN_SKETCH_SIZE;
    double sum = 0;
    int empty = 0;
    for (int i = 0; i < COLUMN_SKETCH_SIZE; i++) {
        sum += ldexp(1.0, -(int)sketch->registers[i]);
        empty += sketch->registers[i] == 0;
    }
    double estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
    if (estimate <= 2.5 * m && empty > 0)
        return m * log(m / empty);
    return estimate;
}
