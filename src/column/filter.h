/* What binding a filter and running it share. */
#ifndef COLUMN_FILTER_PRIVATE_H
#define COLUMN_FILTER_PRIVATE_H

#include "column/chunk.h"
#include "column/column_filter.h"

enum filter_way {
    WAY_NOTHING = 1, /* no row passes */
    WAY_NULLS,       /* null rows pass */
    WAY_VALID,       /* rows that are not null pass */
    WAY_RANGE,       /* packed integers or codes in low .. high */
    WAY_SET,         /* packed integers in the set */
    WAY_CODES,       /* codes in the bitmap */
    WAY_FLOATS,      /* images of decoded floating-point numbers, in the range or the set */
    WAY_VALUES,      /* decoded values, one by one */
};

/* Whether a value that is not null passes. */
bool test_passes(const struct column_test *test, const struct value *value);
/* Order of a column's value and a constant (whose integer type or scale may be another). */
int constant_compare(const struct value *value, const struct value *constant);

#endif
