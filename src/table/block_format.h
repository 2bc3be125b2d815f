/*
 * Cold blocks: what the tree of a table's blocks holds.
 *
 * Row ids of a partition fall into ranges of 65,536: id >> 16. Rows of a range may lie in the hot
 * tree (table_format.h) or in the range's block, column by column. The blocks of a table are large
 * entries (txn.h) of the tree whose id is that of the row tree with TREE_LARGE, on the partition of
 * the rows:
 *
 *     key    last row id of the range, 8 bytes big-endian; column number u16 big-endian, 0 for the
 *            header; piece u16 big-endian
 *     value  the header, or a chunk (column.h) with the values of so many rows of the column
 *
 * Header:
 *
 *     offset size
 *          0    1  version, 1
 *          1    1  flags: bit 0: a bitmap of the rows follows
 *          2    2  number of columns
 *          4    4  rows
 *          8    8  generation, at least 1: one more with each version of the block
 *         16    4  without a bitmap: place of the first row in the range; they follow each other
 *         20    4  zero
 *         24       for each column, by rising number:
 *                  0  2  column number
 *                  2  2  pieces; 0 when there are no rows
 *                  4  4  rows of a piece: all but the last have so many; a power of two times 256
 *                  8  4  bytes of all pieces
 *                 12  4  nulls
 *          -       the bitmap: 8,192 bytes, bit i % 8 of byte i / 8 is set when row i of the range
 * is in the block
 *
 * A column that the header does not name was added to the table later: its rows have the column's
 * missing value. Columns dropped since are ignored.
 *
 * Which version of a row counts. A row of the hot tree remembers the generation that the block of
 * its range had when it was written. With a block of generation g in sight, a hot row of generation
 * g (or later: own writes over an old snapshot) is newer than the block: it masks the block's row,
 * if there is one, and is the row, or says that it was deleted. A hot row of an earlier generation
 * is a leftover: the block was made from it (or from one that masked it), and it waits for being
 * purged. So making a block changes no row, and readers of older snapshots find theirs.
 */
#ifndef BLOCK_FORMAT_H
#define BLOCK_FORMAT_H

#include "base/base_buffer.h"
#include "table/table_format.h"
#include "txn/txn.h"

enum {
    BLOCK_RANGE_BITS = 16,
    BLOCK_ROWS_MAX = 1 << BLOCK_RANGE_BITS,
    BLOCK_KEY_SIZE = 12,
    BLOCK_VERSION = 1,
    BLOCK_HEADER_SIZE = 24,
    BLOCK_COLUMN_SIZE = 16,
    BLOCK_BITMAP_SIZE = BLOCK_ROWS_MAX / 8,
    BLOCK_WORDS = BLOCK_ROWS_MAX / 64,
    BLOCK_PIECE_ROWS_MIN = 256,
    BLOCK_FLAG_BITMAP = 1,
};

static inline uint64_t block_range(struct row_id row) {
    return row.value >> BLOCK_RANGE_BITS;
}
static inline uint32_t block_place(struct row_id row) {
    return (uint32_t)(row.value & (BLOCK_ROWS_MAX - 1));
}
static inline uint64_t block_first_row(uint64_t range) {
    return range << BLOCK_RANGE_BITS;
}
static inline struct tree_id block_tree(const struct table *table) {
    return (struct tree_id){table->row_tree.value | TREE_LARGE};
}

static inline void block_key_encode(uint64_t range, unsigned column_number, unsigned piece,
                                    uint8_t key[BLOCK_KEY_SIZE]) {
    put_be64(key, block_first_row(range) + BLOCK_ROWS_MAX - 1);
    put_be16(key + 8, (uint16_t)column_number);
    put_be16(key + 10, (uint16_t)piece);
}
struct block_key {
    uint64_t range;
    unsigned column_number, piece;
};
bool block_key_decode(struct slice key, struct block_key *key_out);

struct block_column {
    uint16_t number, pieces;
    uint32_t piece_rows, bytes, nulls;
};
struct block_header {
    uint64_t generation;
    uint32_t rows, first;
    uint16_t column_count;
    const uint8_t *columns; /* encoded */
    const uint8_t *bitmap;  /* NULL: the rows follow each other */
};

/* `columns` are the decoded ones of the header. Appends. */
void block_header_encode(const struct block_header *header, const struct block_column *columns,
                         struct buffer *buffer);
/* The header points into `bytes`. DATA_CORRUPTED. */
enum status block_header_decode(struct slice bytes, struct block_header *header_out) MUST_USE;
/* The same of bytes that block_header_decode has found good. */
enum status block_header_decode_again(struct slice bytes, struct block_header *header_out) MUST_USE;
void block_column_decode(const struct block_header *header, unsigned at,
                         struct block_column *column_out);
/* False: the block does not have the column. */
bool block_column_find(const struct block_header *header, int number,
                       struct block_column *column_out);
/* Rows in 64 places of the bitmap. Most words are empty or full, and counting bits is a call on
   processors that may lack the instruction. */
static inline uint32_t block_word_rows(uint64_t word) {
    return word == 0 ? 0 : word == UINT64_MAX ? 64 : (uint32_t)__builtin_popcountll(word);
}
/* Which of the block's rows lies at this place of the range; false: none. */
bool block_position(const struct block_header *header, uint32_t place, uint32_t *position_out);

#endif
