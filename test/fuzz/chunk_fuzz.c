/*
 * A column chunk.
 *
 *     byte 0       type
 *     byte 1       0xff: the rest is a chunk. Otherwise a good chunk is made and changed:
 *                  shape of its values (bits 0-3), nulls or none (bit 4), how many rows (bits 5-7)
 *     then         changes: place u16 (from the front, or from the end when odd), byte
 */
#include <stdlib.h>
#include <string.h>

#include "base/base_bytes.h"
#include "column/column_hostile.h"
#include "fuzz.h"

static const uint32_t ROWS[8] = {1, 7, 60, 300, 1025, 2049, 4100, 6000};

static void change_and_read(struct random *random, struct slice chunk,
                            const struct random_column *column, struct slice changes) {
    uint8_t *bytes = malloc(chunk.size);
    memcpy(bytes, chunk.data, chunk.size);
    for (; changes.size >= 3; changes = slice_of(changes.data + 3, changes.size - 3)) {
        size_t place = get_le16(changes.data) / 2 % chunk.size;
        bytes[(changes.data[0] & 1) == 0 ? place : chunk.size - 1 - place] = changes.data[2];
    }
    hostile_read(random, slice_of(bytes, chunk.size), column);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct slice input = slice_of(bytes, size), chunk;
    struct type type = random_type_at(fuzz_byte(&input) % RANDOM_TYPE_COUNT);
    uint8_t shape = fuzz_byte(&input);
    struct random random;
    struct random_column column;
    struct column_builder builder;
    struct arena arena = {0};
    random_seed(&random, 1);
    if (shape == 0xff) {
        random_column(&random, &column, type, 4, SHAPE_RANDOM, 0);
        hostile_read(&random, input, &column);
    } else {
        random_column(&random, &column, type, ROWS[shape >> 5],
                      (enum column_shape)((shape & 15) % SHAPE_COUNT), (shape & 16) != 0 ? 10 : 0);
        build(&column, &builder);
        assert_ok(column_builder_encode(&builder, 0, column.rows, &arena, &chunk));
        change_and_read(&random, chunk, &column, input);
        column_builder_release(&builder);
    }
    random_column_release(&column);
    arena_release(&arena);
    return 0;
}
