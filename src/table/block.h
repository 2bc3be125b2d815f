/*
 * Cold blocks inside the room: reading single rows, reading blocks in a scan, making blocks. What
 * they are, and which version of a row counts, is told in block_format.h. All of it runs inside
 * partition_call.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include "column/column.h"
#include "column/column_filter.h"
#include "table/block_format.h"
#include "table/rows.h"

enum { BLOCK_BYTES_MAX = 48 << 20, BLOCK_MEMORY_SHARE = 8 };
/* How many bytes of rows, decoded, a block is made of at most: BLOCK_BYTES_MAX, and no more than
   that share of all memory. Wider ranges stay as they are. */
size_t block__bytes_max(const struct store *store);

/* ---- ranges and single rows (block_read.c) --------------------------------------------- */

/* Lock a range until the transaction ends: writers of its rows share it, who makes a block of it or
   purges it has it alone. `locked_out` as in txn_lock_key. */
enum status block__range_lock(struct fiber *f, struct transaction *transaction,
                              struct partition *partition, const struct table *table,
                              uint64_t range, enum key_lock_mode mode, enum lock_wait wait,
                              bool *locked_out) MUST_USE;
/* The generation of the newest version of the range's block, 0 without one. */
enum status block__generation(struct fiber *f, struct transaction *transaction,
                              struct partition *partition, const struct table *table,
                              uint64_t range, uint64_t *generation_out) MUST_USE;
/* The header of a range's block; *large_out keeps it in place and is the caller's to release when
   it was found. */
enum status block__header(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, const struct table *table, uint64_t range,
                          enum row_version version, struct arena *arena, bool *found_out,
                          struct txn_large *large_out, struct block_header *header_out) MUST_USE;
/* Estimated rows in the blocks of a partition, those that newer ones hide included. */
enum status block__count_rows(struct fiber *f, struct partition *partition,
                              const struct table *table, uint64_t *rows_out) MUST_USE;
/* A row that the hot tree does not have: found in its block or not at all. */
enum status block__fetch_row(struct fiber *f, struct transaction *transaction,
                             const struct row_place *place, const struct row_columns *wanted,
                             struct arena *arena, bool *found_out, struct slice *row_out) MUST_USE;

/* Its columns `numbers` (as row__columns has them), boxed in `arena`. */
enum status block__fetch_values(struct fiber *f, struct transaction *transaction,
                                const struct row_place *place, const int16_t *numbers, size_t count,
                                struct arena *arena, bool *found_out, struct value *values)
    MUST_USE;

/* ---- scans (block_scan.c) ---------------------------------------------------------------- */

/* A column as a scan reads it. */
struct block_scan_column {
    int16_t number;
    bool missing;           /* the block has no such column */
    bool decoded;           /* for the rows at hand */
    struct block_column at; /* in the block's header */
    struct slice *pieces;   /* references, copied */
    uint32_t asked;         /* pieces that were looked for in memory, or are being read */
    uint32_t piece;         /* at hand, if large.bytes is set */
    bool open;              /* `reader` is of that piece */
    struct txn_large large;
    struct column_reader reader;
    struct arena arena; /* the reader's */
};

struct block_scan_test {
    uint32_t column; /* position among the columns */
    struct column_test test;
    /* NULL: the test is always the same. Else it is a copy of `seen`, the threshold's at the last
       look; NULL: it had none. */
    const struct table_scan_threshold *threshold;
    const struct column_test *seen;
    struct column_filter filter;
    bool bound; /* to the open piece */
};

/* table_scan_filter, with the column's position among the scan's columns and vectors. */
struct block_scan_filter {
    uint32_t column;
    const struct table_scan_filter *filter;
};

/* Reading ahead (block_ahead.c): a cursor of its own over the entries of blocks to come. */
struct block_ahead {
    struct txn_cursor *cursor;
    uint64_t range; /* of the entry seen last */
    bool ended;
};

struct block_scan {
    struct transaction *transaction;
    struct partition *partition;
    const struct table *table;
    struct block_scan_column *columns;
    uint32_t column_count;
    struct block_scan_test *tests;
    uint32_t test_count;
    const bool *for_tests; /* by vector: not wanted once all tests are made; NULL: none is that */
    bool leaves_tests;     /* the caller has tests that are not among these */
    bool tested;           /* all tests were made on the rows given out last */
    struct block_scan_filter *filters;
    uint32_t filter_count;
    struct txn_cursor *cursor; /* over all entries; NULL: at the end */
    bool pending;              /* `next` is the header of the block to come */
    uint64_t next_range;
    uint8_t next_bytes[1100]; /* its reference, copied */
    size_t next_size;
    /* the current block */
    bool open;
    uint64_t range;
    struct txn_large header_large;
    struct block_header header;
    uint64_t *mask;  /* by position in the block: rows that newer ones hide; NULL: none so far */
    uint32_t *ranks; /* with a mask, of a block with a bitmap: rows before each of its words */
    bool masked;
    uint32_t position, batch_rows;
    struct arena arena; /* of the current block */
    bool looked;        /* at values of this block */
    uint64_t opened;    /* columns, by position: a bit for each of the first 64 */
    bool cold;          /* something of it was not in memory when it was asked for */
    bool looked_ahead;  /* what follows it was asked for */
    struct block_ahead ahead;
    uint64_t ahead_end; /* range to stop at; 0: nothing is read behind the current block */
    struct table_scan_habit *habit, own_habit;
    uint64_t blocks_read, blocks_looked, bytes_read, chunks_ahead;
};

/* columns, tests and filters are set by the caller, and habit and ahead_end if it will. Blocks of
 * the ranges [first, end) are met. */
enum status block_scan_open(struct fiber *f, struct block_scan *scan, uint64_t first, uint64_t end)
    MUST_USE;
void block_scan_close(struct fiber *f, struct block_scan *scan);
/* Go to the next block; scan->open false at the end. */
enum status block_scan_next(struct fiber *f, struct block_scan *scan) MUST_USE;
/* Blocks left behind without a look at their values. */
static inline uint64_t block_scan_skipped(const struct block_scan *scan) {
    return scan->blocks_read - scan->blocks_looked;
}
/* Newer rows at these places of the range hide those in the block. */
void block_scan_hide(struct block_scan *scan, const uint16_t *places, uint32_t count);
/* The same by words, of the 64 places from place 64 * words[i] on those that bits[i] has. False:
   the block's rows do not lie as places do, and nothing happened. */
bool block_scan_hide_words(struct block_scan *scan, const uint16_t *words, const uint64_t *bits,
                           uint32_t count);
/* The same by all BLOCK_WORDS words of the range, in their order. */
bool block_scan_hide_whole(struct block_scan *scan, const uint64_t *bits);

/* ---- reading ahead (block_ahead.c) -------------------------------------------------------- */

static inline uint64_t block_column_bit(uint32_t column) {
    return column < 64 ? 1ull << column : 0;
}
static inline uint64_t block_column_bits(uint32_t count) {
    return count < 64 ? (1ull << count) - 1 : UINT64_MAX;
}
/* Inside partition_call: have these columns' pieces with the position, and those behind, read side
   by side if they are not in memory. Never suspends. */
void block__ask(struct fiber *f, struct block_scan *scan, uint64_t columns, uint32_t position);
/* Inside partition_call: the same for these columns of the blocks behind the current one, as far as
   there is room. Failures are silent. */
void block__ask_behind(struct fiber *f, struct block_scan *scan, uint64_t columns);
void block__ahead_close(struct fiber *f, struct block_scan *scan);
/* A cursor over the entries of the ranges' blocks. */
enum status block__cursor_open(struct fiber *f, struct block_scan *scan, uint64_t first,
                               uint64_t end, struct txn_cursor **cursor_out) MUST_USE;

/* The next rows of the current block that are not hidden and pass tests and filters (`selection`
   has room for VECTOR_SIZE). *count_out: rows of the vectors, 0 at the block's end. The first
   `vector_count` columns are decoded into vectors of vector_init, in whatever kind is cheapest;
   what they refer to lives until the next call. *first_out: position in the block of row 0. */
struct block_rows {
    struct vector *vectors;
    uint32_t vector_count;
    uint16_t *selection;
    uint32_t first, count, selected;
    bool all; /* every row is selected; `selection` was not filled */
};
enum status block_scan_rows(struct fiber *f, struct block_scan *scan, struct arena *arena,
                            struct block_rows *rows) MUST_USE;
/* Row ids of the rows at first .. first + count. */
void block_scan_row_ids(const struct block_scan *scan, uint32_t first, uint32_t count,
                        struct row_id *row_ids);

/* ---- making blocks (block_write.c) -------------------------------------------------------- */

/* Rows of one range on their way into a block. */
struct block_builder {
    const struct table *table;
    struct column_builder *columns; /* one for each column, dropped ones unused */
    uint32_t rows;
    uint8_t *bitmap; /* of places */
    uint32_t first_place, last_place;
    struct arena arena;
};
enum status block_builder_init(struct block_builder *builder, const struct table *table) MUST_USE;
void block_builder_release(struct block_builder *builder);
/* Bytes of memory that the rows take, roughly. */
size_t block_builder_size(const struct block_builder *builder);
/* Add rows of a batch (rows[i] of the vectors, all if NULL) at rising places. vectors: one for each
   column of the table, those of dropped ones are not looked at. */
enum status block_builder_add(struct block_builder *builder, const struct vector *vectors,
                              const uint16_t *rows, uint32_t count, const uint32_t *places)
    MUST_USE;
/* Put the block with this generation into the transaction's write set, over the entries of its
   older version (`old`, NULL if there is none). Encodes column by column; yields between. */
enum status block_builder_put(struct fiber *f, struct block_builder *builder,
                              struct transaction *transaction, struct partition *partition,
                              uint64_t range, uint64_t generation, const struct block_header *old)
    MUST_USE;

#endif
