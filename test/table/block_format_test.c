/* Stored rows and block headers: their bytes, and bytes that are none. */
#include <stdlib.h>

#include "test.h"

#include "base/base_random.h"
#include "table/block_format.h"

static void a_stored_row_has_its_golden_prefix(void **state) {
    static const struct {
        uint64_t generation;
        bool deleted;
        uint8_t bytes[3];
        size_t size;
    } cases[] = {{0, false, {0}, 1},    {1, false, {2}, 1},           {1, true, {3}, 1},
                 {63, true, {0x7F}, 1}, {64, false, {0x80, 0x01}, 2}, {300, true, {0xD9, 0x04}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[ROW_PREFIX_SIZE_MAX + 2];
        struct row_stored stored;
        size_t size = row_prefix_encode(cases[i].generation, cases[i].deleted, bytes);
        assert_int_equal(size, cases[i].size);
        assert_memory_equal(bytes, cases[i].bytes, size);
        memcpy(bytes + size, "rw", 2);
        assert_true(row_stored_decode(slice_of(bytes, size + 2), &stored));
        assert_int_equal(stored.generation, cases[i].generation);
        assert_int_equal(stored.deleted, cases[i].deleted);
        assert_true(slice_equal(stored.row, slice_of_text("rw")));
    }
    struct row_stored stored;
    assert_false(row_stored_decode(SLICE_EMPTY, &stored));
    assert_false(row_stored_decode(slice_of("\xFF\xFF", 2), &stored));
}

static void a_block_key_has_its_golden_bytes(void **state) {
    static const uint8_t golden[] = {0, 0, 0, 0, 0, 5, 0xFF, 0xFF, 0, 3, 1, 2};
    uint8_t key[BLOCK_KEY_SIZE];
    struct block_key decoded;
    block_key_encode(5, 3, 258, key);
    assert_memory_equal(key, golden, sizeof golden);
    assert_true(block_key_decode(slice_of(key, sizeof key), &decoded));
    assert_int_equal(decoded.range, 5);
    assert_int_equal(decoded.column_number, 3);
    assert_int_equal(decoded.piece, 258);
    assert_false(block_key_decode(slice_of(key, 11), &decoded));
}

static const struct block_column golden_columns[] = {
    {.number = 1, .pieces = 1, .piece_rows = 65536, .bytes = 700, .nulls = 0},
    {.number = 4, .pieces = 2, .piece_rows = 256, .bytes = 70000, .nulls = 9},
};

static void a_block_header_has_its_golden_bytes(void **state) {
    static const uint8_t golden[] = {1, 0, 2,   0, 44,   1, 0,    0,    7, 0, 0, 0, 0, 0,
                                     0, 0, 100, 0, 0,    0, 0,    0,    0, 0, 1, 0, 1, 0,
                                     0, 0, 1,   0, 0xBC, 2, 0,    0,    0, 0, 0, 0, 4, 0,
                                     2, 0, 0,   1, 0,    0, 0x70, 0x11, 1, 0, 9, 0, 0, 0};
    struct block_header header = {.generation = 7, .rows = 300, .first = 100, .column_count = 2};
    struct buffer buffer = {0};
    block_header_encode(&header, golden_columns, &buffer);
    assert_int_equal(buffer.size, sizeof golden);
    assert_memory_equal(buffer.data, golden, sizeof golden);
    struct block_header decoded;
    struct block_column column;
    assert_ok(block_header_decode(buffer_slice(&buffer), &decoded));
    assert_int_equal(decoded.generation, 7);
    assert_int_equal(decoded.rows, 300);
    assert_null(decoded.bitmap);
    assert_true(block_column_find(&decoded, 4, &column));
    assert_memory_equal(&column, &golden_columns[1], sizeof column);
    assert_false(block_column_find(&decoded, 2, &column));
    uint32_t position;
    assert_true(block_position(&decoded, 100, &position) && position == 0);
    assert_true(block_position(&decoded, 399, &position) && position == 299);
    assert_false(block_position(&decoded, 99, &position));
    assert_false(block_position(&decoded, 400, &position));
    for (size_t size = 0; size < sizeof golden; size++)
        assert_status(block_header_decode(slice_of(golden, size), &decoded), STATUS_DATA_CORRUPTED);
    buffer_release(&buffer);
}

static void positions_agree_with_counting(void **state) {
    struct random random;
    random_seed(&random, 5);
    uint8_t *bitmap = calloc(1, BLOCK_BITMAP_SIZE);
    uint32_t rows = 0;
    for (uint32_t i = 0; i < BLOCK_ROWS_MAX; i++) {
        if (random_below(&random, 5) == 0) {
            bitmap[i / 8] |= (uint8_t)(1u << (i % 8));
            rows++;
        }
    }
    struct block_column columns[] = {{.number = 2, .pieces = 1, .piece_rows = 65536, .bytes = 1}};
    struct block_header header = {
        .generation = 1, .rows = rows, .column_count = 1, .bitmap = bitmap};
    struct buffer buffer = {0};
    block_header_encode(&header, columns, &buffer);
    struct block_header decoded;
    assert_ok(block_header_decode(buffer_slice(&buffer), &decoded));
    uint32_t count = 0;
    for (uint32_t i = 0; i < BLOCK_ROWS_MAX; i++) {
        bool present = (bitmap[i / 8] >> (i % 8) & 1) != 0;
        uint32_t position = 0;
        assert_int_equal(block_position(&decoded, i, &position), present);
        if (present)
            assert_int_equal(position, count++);
    }
    buffer.data[4]++; /* more rows than bits */
    assert_status(block_header_decode(buffer_slice(&buffer), &decoded), STATUS_DATA_CORRUPTED);
    buffer_release(&buffer);
    free(bitmap);
}

/* Any changed bytes are refused or give a header that stays within its bytes. */
static void damaged_headers_lead_nowhere(void **state) {
    struct block_header header = {.generation = 7, .rows = 300, .first = 100, .column_count = 2};
    struct buffer buffer = {0};
    struct random random;
    random_seed(&random, 9);
    block_header_encode(&header, golden_columns, &buffer);
    for (int i = 0; i < 20000; i++) {
        size_t at = random_below(&random, buffer.size);
        uint8_t was = buffer.data[at];
        buffer.data[at] = (uint8_t)random_below(&random, 256);
        size_t size =
            random_below(&random, 4) == 0 ? random_below(&random, buffer.size) : buffer.size;
        struct block_header decoded;
        if (block_header_decode(slice_of(buffer.data, size), &decoded) == STATUS_OK) {
            assert_true(BLOCK_HEADER_SIZE + decoded.column_count * BLOCK_COLUMN_SIZE == size);
            uint32_t position;
            for (uint32_t place = 0; place < BLOCK_ROWS_MAX; place += 97) {
                if (block_position(&decoded, place, &position))
                    assert_in_range(position, 0, decoded.rows - 1);
            }
        }
        buffer.data[at] = was;
    }
    buffer_release(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stored_row_has_its_golden_prefix),
        cmocka_unit_test(a_block_key_has_its_golden_bytes),
        cmocka_unit_test(a_block_header_has_its_golden_bytes),
        cmocka_unit_test(positions_agree_with_counting),
        cmocka_unit_test(damaged_headers_lead_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
