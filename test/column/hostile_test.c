/*
 * Bytes that no encoder wrote: they may be refused or give wrong values, but nothing may be read
 * outside of them. Meant to run with the address sanitizer; chunks lie in blocks of their own size.
 */
#include "test.h"

#include <stdlib.h>

#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "column/column_format.h"
#include "column/column_hostile.h"

/* Mostly in the header, the tables at the front of sections, and everywhere. */
static void spoil(struct random *random, uint8_t *bytes, size_t size) {
    for (uint64_t i = 1 + random_below(random, 6); i > 0; i--) {
        size_t at = random_below(random, size);
        if (random_below(random, 3) == 0) {
            at = random_below(random, CHUNK_HEADER_SIZE);
        } else if (random_below(random, 2) == 0) {
            uint32_t start = get_le32(bytes + 64 + 8 * random_below(random, SECTION_COUNT));
            at = (start + random_below(random, 64)) % size;
        }
        bytes[at] = random_below(random, 2) ? (uint8_t)random_next(random)
                                            : (uint8_t)(bytes[at] ^ 1 << random_below(random, 8));
    }
}

static void spoil_chunk(struct random *random, struct slice chunk,
                        const struct random_column *column) {
    for (int round = 0; round < 25; round++) {
        size_t size = random_below(random, 10) == 0 ? random_below(random, chunk.size) : chunk.size;
        uint8_t *bytes = malloc(size > 0 ? size : 1);
        memcpy(bytes, chunk.data, size);
        if (size >= CHUNK_HEADER_SIZE) {
            spoil(random, bytes, size);
            /* Past the first checks, mostly. */
            if (random_below(random, 20) != 0) {
                put_le32(bytes, CHUNK_MAGIC);
                bytes[8] = CHUNK_VERSION;
                put_le32(bytes + 16, (uint32_t)size);
            }
        }
        hostile_read(random, slice_of(bytes, size), column);
        free(bytes);
    }
}

static void spoilt_chunks_are_never_read_beyond_their_end(void **state) {
    struct random random;
    random_seed(&random, 1);
    static const uint32_t sizes[] = {1, 100, 1024, 2500, 6000};
    for (int round = 0; round < 250; round++) {
        struct arena arena = {0};
        struct random_column column;
        struct column_builder builder;
        struct slice chunk;
        random_column(&random, &column, random_type(&random), sizes[random_below(&random, 5)],
                      (enum column_shape)random_below(&random, SHAPE_COUNT),
                      random_below(&random, 2) ? 0 : 10);
        build(&column, &builder);
        assert_ok(column_builder_encode(&builder, 0, column.rows, &arena, &chunk));
        spoil_chunk(&random, chunk, &column);
        column_builder_release(&builder);
        random_column_release(&column);
        arena_release(&arena);
    }
    assert_true(hostile_opened > 1000); /* else this tests little but the header */
}

static void every_changed_byte_is_noticed(void **state) {
    struct random random;
    struct arena arena = {0};
    struct random_column column;
    struct column_builder builder;
    struct slice chunk;
    struct column_reader reader;
    random_seed(&random, 2);
    random_column(&random, &column, TYPE_OF(TEXT), 100, SHAPE_WORDS, 10);
    build(&column, &builder);
    assert_ok(column_builder_encode(&builder, 0, column.rows, &arena, &chunk));
    uint8_t *bytes = malloc(chunk.size);
    memcpy(bytes, chunk.data, chunk.size);
    for (size_t i = 0; i < chunk.size; i++) {
        bytes[i] ^= (uint8_t)(1 + random_below(&random, 255));
        assert_status(column_open(slice_of(bytes, chunk.size), column.type, COLUMN_OPEN_CHECKED,
                                  &arena, &reader),
                      STATUS_DATA_CORRUPTED);
        bytes[i] = chunk.data[i];
    }
    assert_ok(column_open(slice_of(bytes, chunk.size), column.type, COLUMN_OPEN_CHECKED, &arena,
                          &reader));
    for (size_t size = 0; size < chunk.size; size++)
        assert_status(
            column_open(slice_of(bytes, size), column.type, COLUMN_OPEN_CHECKED, &arena, &reader),
            STATUS_DATA_CORRUPTED);
    free(bytes);
    column_builder_release(&builder);
    random_column_release(&column);
    arena_release(&arena);
}

/* column_check finds what the checksum cannot: a chunk that was written wrong. */
static void lies_about_the_rows_are_found(void **state) {
    struct arena arena = {0};
    struct column_builder builder;
    struct column_reader reader;
    struct slice chunk;
    column_builder_init(&builder, TYPE_OF(INT4));
    for (int i = 0; i < 5000; i++) {
        struct value value = i % 100 == 0 ? value_null(TYPE_OF(INT4)) : value_int4(i * 37 % 3000);
        assert_ok(column_builder_append_value(&builder, &value));
    }
    static const struct {
        uint32_t at;
        int change;
    } lies[] = {{24, 1}, {56, -1}, {48, 1}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        assert_ok(column_builder_encode(&builder, 0, 5000, &arena, &chunk));
        uint8_t *bytes = (uint8_t *)(uintptr_t)chunk.data;
        assert_ok(column_open(chunk, TYPE_OF(INT4), COLUMN_OPEN_CHECKED, &arena, &reader));
        assert_ok(column_check(&reader));
        bytes[lies[i].at] = (uint8_t)(bytes[lies[i].at] + lies[i].change);
        put_le32(bytes + 4, crc32c(0, bytes + 8, chunk.size - 8));
        assert_ok(column_open(chunk, TYPE_OF(INT4), COLUMN_OPEN_CHECKED, &arena, &reader));
        assert_status(column_check(&reader), STATUS_DATA_CORRUPTED);
    }
    column_builder_release(&builder);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spoilt_chunks_are_never_read_beyond_their_end),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(lies_about_the_rows_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
