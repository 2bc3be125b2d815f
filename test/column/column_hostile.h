/* Reading a chunk that may be anything, in every way there is: for hostile_test and chunk_fuzz. */
#ifndef COLUMN_HOSTILE_H
#define COLUMN_HOSTILE_H

#include "test.h"

#include "base/base_hash.h"
#include "column/column_random.h"

static inline void expect_known(enum status status) {
    if (status != STATUS_OK && status != STATUS_DATA_CORRUPTED && status != STATUS_OUT_OF_MEMORY)
        fail_msg("%s", status_name(status));
}

static uint64_t hostile_touched, hostile_opened; /* bytes looked at; chunks not refused at once */

/* Look at every byte that a string claims to have. */
static inline void touch(const struct vector *vector, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct value value = vector_get(vector, i);
        if (!value.is_null && vector->physical == PHYSICAL_STRING)
            hostile_touched +=
                value.string.size > 0 ? crc32c(0, value.string.data, value.string.size) : 0;
    }
}

static inline void filter_all(struct random *random, struct column_reader *reader,
                              const struct random_column *column, struct arena *arena) {
    struct value constants[2];
    for (int operator= COLUMN_EQUAL; operator<= COLUMN_IS_NOT_NULL; operator++) {
        struct column_test test = {(enum column_operator) operator, 2, constants};
        struct column_filter filter;
        uint16_t rows[VECTOR_SIZE];
        uint32_t count = reader->rows < VECTOR_SIZE ? reader->rows : VECTOR_SIZE;
        if (!column_filter_supports(reader->type, test.operator))
            continue;
        for (int i = 0; i < 2; i++)
            constants[i] = column->values[random_below(random, column->rows)];
        enum status status = column_filter_bind(reader, &test, arena, &filter);
        expect_known(status);
        if (status != STATUS_OK)
            continue;
        for (uint32_t first = 0; first < reader->rows; first += VECTOR_SIZE)
            column_filter_zone(&filter, first / VECTOR_SIZE);
        expect_known(column_filter_run(&filter, 0, count, NULL, count, rows, &count, arena));
        for (uint32_t i = 1; i < count; i++)
            assert_true(rows[i - 1] < rows[i]);
    }
}

static inline void hostile_read(struct random *random, struct slice chunk,
                                const struct random_column *column) {
    struct arena arena = {0};
    struct column_reader reader;
    struct column_statistics statistics;
    struct column_sketch sketch;
    struct vector vector;
    enum status status = column_open(chunk, column->type, COLUMN_OPEN_TRUSTED, &arena, &reader);
    expect_known(status);
    if (status != STATUS_OK) {
        arena_release(&arena);
        return;
    }
    hostile_opened++;
    column_statistics(&reader, &statistics);
    if (column_sketch_read(&reader, &sketch))
        column_sketch_estimate(&sketch);
    for (uint32_t first = 0; first < reader.rows; first += VECTOR_SIZE) {
        uint32_t count = reader.rows - first < VECTOR_SIZE ? reader.rows - first : VECTOR_SIZE;
        vector_init(&vector, column->type, &arena);
        status = column_decode(&reader, first, count, &vector, &arena);
        expect_known(status);
        if (status == STATUS_OK)
            touch(&vector, count);
        status = column_decode_vector(&reader, first, count, &vector, &arena);
        expect_known(status);
        if (status == STATUS_OK)
            touch(&vector, count);
        uint16_t some[3] = {0, (uint16_t)(count / 2), (uint16_t)(count - 1)};
        expect_known(
            column_decode_rows(&reader, first, count, some, count > 2 ? 3 : 1, &vector, &arena));
    }
    for (int i = 0; i < 30; i++) {
        struct value value;
        status = column_get(&reader, (uint32_t)random_below(random, reader.rows), &arena, &value);
        expect_known(status);
        if (status == STATUS_OK && !value.is_null && vector.physical == PHYSICAL_STRING)
            hostile_touched += crc32c(0, value.string.data, value.string.size);
    }
    filter_all(random, &reader, column, &arena);
    expect_known(column_check(&reader));
    arena_release(&arena);
}

#endif
