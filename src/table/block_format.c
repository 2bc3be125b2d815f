/* Encoding and decoding of block headers; the layout is in block_format.h. */
#include "table/block_format.h"

bool block_key_decode(struct slice key, struct block_key *key_out) {
    if (key.size != BLOCK_KEY_SIZE)
        return false;
    *key_out = (struct block_key){.range = get_be64(key.data) >> BLOCK_RANGE_BITS,
                                  .column_number = get_be16(key.data + 8),
                                  .piece = get_be16(key.data + 10)};
    return true;
}

void block_header_encode(const struct block_header *header, const struct block_column *columns,
                         struct buffer *buffer) {
    ASSERT(header->generation > 0 && header->rows <= BLOCK_ROWS_MAX);
    uint8_t bytes[BLOCK_HEADER_SIZE] = {BLOCK_VERSION};
    bytes[1] = header->bitmap != NULL ? BLOCK_FLAG_BITMAP : 0;
    put_le16(bytes + 2, header->column_count);
    put_le32(bytes + 4, header->rows);
    put_le64(bytes + 8, header->generation);
    put_le32(bytes + 16, header->bitmap != NULL ? 0 : header->first);
    buffer_append_slice(buffer, slice_of(bytes, sizeof bytes));
    for (unsigned i = 0; i < header->column_count; i++) {
        uint8_t column[BLOCK_COLUMN_SIZE];
        put_le16(column, columns[i].number);
        put_le16(column + 2, columns[i].pieces);
        put_le32(column + 4, columns[i].piece_rows);
        put_le32(column + 8, columns[i].bytes);
        put_le32(column + 12, columns[i].nulls);
        buffer_append_slice(buffer, slice_of(column, sizeof column));
    }
    if (header->bitmap != NULL)
        buffer_append_slice(buffer, slice_of(header->bitmap, BLOCK_BITMAP_SIZE));
}

void block_column_decode(const struct block_header *header, unsigned at,
                         struct block_column *column_out) {
    const uint8_t *bytes = header->columns + (size_t)at * BLOCK_COLUMN_SIZE;
    *column_out = (struct block_column){
        .number = get_le16(bytes),
        .pieces = get_le16(bytes + 2),
        .piece_rows = get_le32(bytes + 4),
        .bytes = get_le32(bytes + 8),
        .nulls = get_le32(bytes + 12),
    };
}

static bool columns_plausible(const struct block_header *header) {
    unsigned last = 0;
    for (unsigned i = 0; i < header->column_count; i++) {
        struct block_column column;
        block_column_decode(header, i, &column);
        uint32_t rows = column.piece_rows;
        if (column.number <= last || column.number > COLUMNS_MAX || rows < BLOCK_PIECE_ROWS_MIN ||
            rows > BLOCK_ROWS_MAX || (rows & (rows - 1)) != 0 ||
            column.pieces != (header->rows + rows - 1) / rows || column.nulls > header->rows)
            return false;
        last = column.number;
    }
    return true;
}

static bool rows_plausible(const struct block_header *header) {
    if (header->bitmap == NULL)
        return header->rows <= BLOCK_ROWS_MAX && header->first <= BLOCK_ROWS_MAX - header->rows;
    uint32_t count = 0;
    for (unsigned i = 0; i < BLOCK_BITMAP_SIZE; i += 8)
        count += block_word_rows(get_le64(header->bitmap + i));
    return header->first == 0 && count == header->rows;
}

static bool header_parts(struct slice bytes, struct block_header *header_out) {
    if (bytes.size < BLOCK_HEADER_SIZE || bytes.data[0] != BLOCK_VERSION ||
        (bytes.data[1] & ~BLOCK_FLAG_BITMAP) != 0 || get_le32(bytes.data + 20) != 0)
        return false;
    *header_out = (struct block_header){
        .generation = get_le64(bytes.data + 8),
        .rows = get_le32(bytes.data + 4),
        .first = get_le32(bytes.data + 16),
        .column_count = get_le16(bytes.data + 2),
        .columns = bytes.data + BLOCK_HEADER_SIZE,
    };
    size_t size = BLOCK_HEADER_SIZE + (size_t)header_out->column_count * BLOCK_COLUMN_SIZE;
    bool has_bitmap = (bytes.data[1] & BLOCK_FLAG_BITMAP) != 0;
    if (bytes.size != size + (has_bitmap ? BLOCK_BITMAP_SIZE : 0))
        return false;
    if (has_bitmap)
        header_out->bitmap = bytes.data + size;
    return true;
}

static enum status damaged(void) {
    return error_set(STATUS_DATA_CORRUPTED, "the header of a block is damaged");
}

enum status block_header_decode(struct slice bytes, struct block_header *header_out) {
    bool good = header_parts(bytes, header_out) && header_out->generation > 0 &&
                rows_plausible(header_out) && columns_plausible(header_out);
    return good ? STATUS_OK : damaged();
}

enum status block_header_decode_again(struct slice bytes, struct block_header *header_out) {
    return header_parts(bytes, header_out) ? STATUS_OK : damaged();
}

bool block_column_find(const struct block_header *header, int number,
                       struct block_column *column_out) {
    unsigned low = 0, high = header->column_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        block_column_decode(header, middle, column_out);
        if (column_out->number == number)
            return true;
        if (column_out->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool block_position(const struct block_header *header, uint32_t place, uint32_t *position_out) {
    ASSERT(place < BLOCK_ROWS_MAX);
    if (header->bitmap == NULL) {
        *position_out = place - header->first;
        return place >= header->first && place - header->first < header->rows;
    }
    if ((header->bitmap[place / 8] >> (place % 8) & 1) == 0)
        return false;
    uint32_t count = 0, word = place / 64;
    for (uint32_t i = 0; i < word; i++)
        count += block_word_rows(get_le64(header->bitmap + i * 8));
    uint64_t below = (1ull << (place % 64)) - 1;
    *position_out =
        count + (uint32_t)__builtin_popcountll(get_le64(header->bitmap + word * 8) & below);
    return true;
}
