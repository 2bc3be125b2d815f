#include <math.h>

#include "column/column.h"

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
