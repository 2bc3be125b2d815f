/* Random columns for the tests of this room: any type, many shapes, and the rows they should have.
 */
#ifndef COLUMN_RANDOM_H
#define COLUMN_RANDOM_H

#include <stdlib.h>

#include "column/column_filter.h"
#include "value/value_random.h"

enum column_shape {
    SHAPE_RANDOM,
    SHAPE_FEW, /* few distinct values */
    SHAPE_SORTED,
    SHAPE_RUNS,
    SHAPE_CONSTANT,
    SHAPE_STEPS,   /* ascending numbers */
    SHAPE_NARROW,  /* numbers close to one another */
    SHAPE_DECIMAL, /* floating-point numbers with two digits after the point */
    SHAPE_WORDS,   /* strings of words, some long */
    SHAPE_COUNT,
};

struct random_column {
    struct type type;
    uint32_t rows;
    struct value *values; /* views of the arena */
    struct arena arena;
};

static inline int order_values(const void *a, const void *b) {
    return value_compare(a, b);
}

static inline void number_to_value(struct value *value, int64_t number) {
    struct numeric wide;
    switch (type_physical(value->type)) {
    case PHYSICAL_BOOL:
        value->boolean = number & 1;
        break;
    case PHYSICAL_INT16:
        value->int16 = (int16_t)(number % 30000);
        break;
    case PHYSICAL_INT32:
        value->int32 = (int32_t)number;
        break;
    case PHYSICAL_INT64:
        value->int64 = number;
        break;
    case PHYSICAL_INT128:
        value->int128 = number;
        break;
    case PHYSICAL_FLOAT32:
        value->float32 = (float)number / 100;
        break;
    case PHYSICAL_FLOAT64:
        value->float64 = (double)number / 100;
        break;
    case PHYSICAL_NUMERIC:
        wide = numeric_make(number, 2);
        value->numeric = wide;
        break;
    default:
        break;
    }
}

static inline struct value random_words(struct random *random, struct type type,
                                        struct arena *arena) {
    static const char *words[] = {"the ",       "quick ",    "deposits ",  "sleep ",
                                  "furiously ", "among ",    "carefully ", "express ",
                                  "packages. ", "requests ", "a"};
    char text[4096];
    size_t size = 0;
    uint64_t count = random_below(random, random_below(random, 500) == 0 ? 300 : 9);
    for (uint64_t i = 0; i < count; i++) {
        const char *word = words[random_below(random, sizeof words / sizeof *words)];
        memcpy(text + size, word, strlen(word));
        size += strlen(word);
    }
    return value_string(type, arena_copy_slice(arena, slice_of(text, size)));
}

static inline struct value shaped_value(struct random *random, struct random_column *column,
                                        enum column_shape shape, uint32_t row) {
    struct value value = random_value(random, column->type, &column->arena);
    bool has_numbers = type_physical(column->type) != PHYSICAL_STRING &&
                       type_physical(column->type) != PHYSICAL_INTERVAL &&
                       type_physical(column->type) != PHYSICAL_UUID;
    if (shape == SHAPE_RUNS && has_numbers)
        number_to_value(&value, (int64_t)random_below(random, 1 << 30));
    if (shape == SHAPE_STEPS && has_numbers)
        number_to_value(&value, (int64_t)row * 7 + (int64_t)random_below(random, 5));
    if ((shape == SHAPE_NARROW || shape == SHAPE_DECIMAL) && has_numbers &&
        random_below(random, 1000) != 0)
        number_to_value(&value, 5000000 + (int64_t)random_below(
                                              random, shape == SHAPE_NARROW ? 1000 : 1000000));
    if (shape == SHAPE_WORDS && type_physical(column->type) == PHYSICAL_STRING)
        value = random_words(random, column->type, &column->arena);
    return value;
}

/* null_percent 100: nothing but nulls. */
static inline void random_column(struct random *random, struct random_column *column,
                                 struct type type, uint32_t rows, enum column_shape shape,
                                 uint32_t null_percent) {
    *column = (struct random_column){.type = type, .rows = rows};
    column->values = calloc(rows, sizeof *column->values);
    struct value pool[20];
    for (int i = 0; i < 20; i++)
        pool[i] = shaped_value(random, column, SHAPE_RANDOM, 0);
    for (uint32_t i = 0; i < rows; i++) {
        struct value *value = &column->values[i];
        if (shape == SHAPE_CONSTANT || (shape == SHAPE_RUNS && i > 0 && random_below(random, 50)))
            *value = shape == SHAPE_CONSTANT ? pool[0] : value[-1];
        else if (shape == SHAPE_FEW)
            *value = pool[random_below(random, 20)];
        else
            *value = shaped_value(random, column, shape, i);
    }
    if (shape == SHAPE_SORTED)
        qsort(column->values, rows, sizeof *column->values, order_values);
    for (uint32_t i = 0; i < rows; i++)
        if (random_below(random, 100) < null_percent)
            column->values[i] = value_null(type);
}

static inline void random_column_release(struct random_column *column) {
    free(column->values);
    arena_release(&column->arena);
}

static inline void build(const struct random_column *column, struct column_builder *builder) {
    column_builder_init(builder, column->type);
    for (uint32_t first = 0; first < column->rows; first += VECTOR_SIZE) {
        struct arena arena = {0};
        struct vector vector;
        vector_init(&vector, column->type, &arena);
        uint32_t count = column->rows - first < VECTOR_SIZE ? column->rows - first : VECTOR_SIZE;
        for (uint32_t i = 0; i < count; i++)
            vector_set(&vector, i, &column->values[first + i], NULL);
        assert_ok(column_builder_append(builder, &vector, NULL, count));
        arena_release(&arena);
    }
}

/* The same bits (numbers that are not, of any kind, count as the same). */
static inline bool identical(const struct value *a, const struct value *b) {
    if (a->is_null || b->is_null)
        return a->is_null == b->is_null;
    switch (type_physical(a->type)) {
    case PHYSICAL_STRING:
        return slice_equal(a->string, b->string);
    case PHYSICAL_FLOAT32:
        return (a->float32 != a->float32 && b->float32 != b->float32) ||
               memcmp(&a->float32, &b->float32, 4) == 0;
    case PHYSICAL_FLOAT64:
        return (a->float64 != a->float64 && b->float64 != b->float64) ||
               memcmp(&a->float64, &b->float64, 8) == 0;
    case PHYSICAL_NUMERIC:
        return a->numeric.kind == b->numeric.kind && a->numeric.scale == b->numeric.scale &&
               a->numeric.coefficient == b->numeric.coefficient;
    default:
        return memcmp(&a->boolean, &b->boolean, physical_size(type_physical(a->type))) == 0;
    }
}

#endif
