/* Scans of one partition (private to the room). */
#ifndef SCAN_H
#define SCAN_H

#include "table/block.h"
#include "table/range_columns.h"

enum {
    SCAN_ROWS_MAX = 256,   /* rows taken from a cursor at once */
    SCAN_INDEX_FIRST = 16, /* first portion of an index scan; doubles up to SCAN_ROWS_MAX */
};

/*
 * A scan by row id goes from block to block:
 *
 *     BETWEEN    hot rows before the block (all that are left when there are no more blocks)
 *     OVER       hot rows of the block's range: they are given out, or hide rows of the block
 *     BLOCK      what is left of the block
 */
enum scan_phase { SCAN_BETWEEN, SCAN_OVER, SCAN_BLOCK };

/* A test of a hot row, on its bytes. */
struct hot_test {
    uint16_t column; /* counted from 0 */
    bool is_off;     /* the threshold's, as long as it has none that could be made here */
    int64_t low, high;
    struct vector values; /* of one portion */
};

struct table_scan {
    struct table_context context;
    const struct table *table;
    struct partition *partition;
    const struct index *index; /* NULL: by row id */
    bool backward, ended;
    bool blocks_apart; /* as in the options */
    struct txn_cursor *cursor;
    struct arena arena; /* the scan's life */
    struct arena rows;  /* until the next batch */

    /* Columns asked for: decoded ones lie together in `decoded`; the batch's vectors refer. */
    struct batch batch;
    uint32_t column_count, decoded_count;
    const int16_t *column_numbers; /* column_count */
    uint16_t *decoded_columns;     /* decoded_count, counted from 0 */
    struct vector *decoded;
    struct vector address, table_oid;

    size_t portion;            /* of an index scan */
    struct txn_entry *entries; /* SCAN_ROWS_MAX */
    struct slice *row_bytes;   /* SCAN_ROWS_MAX */
    struct row_address *addresses;
    struct buffer keys; /* of index entries, copied; and the recheck's key */

    /* by row id */
    enum scan_phase phase;
    bool has_blocks;
    struct block_scan blocks;
    uint64_t next_range,
        end_range;       /* where BETWEEN begins; ranges from end_range on are left out */
    uint16_t *selection; /* VECTOR_SIZE; of a batch out of a block */
    bool selects;
    bool cold; /* the batch is out of a block */
    uint32_t selected_count;
    struct row_id *row_ids; /* VECTOR_SIZE; for addresses of a block's rows */
    struct hot_test *hot_tests;
    size_t hot_test_count;
    bool hot_tests_all;                           /* all of the options' tests are among them */
    bool hot_tested;                              /* all were made on all hot rows of the batch */
    const struct table_scan_threshold *threshold; /* of the last of them; NULL: none has one */
    const struct column_test *threshold_seen;
    uint64_t beside_count; /* hot rows found in columns beside their leaves */
    uint64_t range_count;  /* of these, beside their range */
    /* columns beside leaves */
    struct leaf_want *leaf_wanted; /* NULL: not asked for */
    uint32_t leaf_wanted_count, leaf_tested_count;
    bool leaf_passes;                    /* a good part of the last leaf's rows passed the tests */
    const struct leaf_want **leaf_wants; /* of the tests, then of the decoded columns */
    struct leaf_builder *builder;
    uint16_t *leaf_rows; /* VECTOR_SIZE: rows of a run that count */
    /* OVER: columns beside the range, or what speaks for making them (scan_range.c) */
    bool by_range;
    uint32_t range_place;               /* by_range: where the rows to come begin */
    uint32_t leaves_seen, leaves_found; /* runs, and those of columns that were there before */
    uint32_t over_rows;                 /* in all of them */
    bool skip_long;                     /* rows with values outside are noted, not given out */
    struct row_id *long_rows;
    size_t long_count, long_capacity;
    uint64_t fresh_count; /* hot rows (deleted ones too) that are newer than their block */
    uint64_t read_range, read_count; /* hot rows read of one range, not yet noted */
    uint64_t generation;             /* of the block entered last */
};

/* Hot rows were read of the range with this row; scan__note_reads tells the partition, which knows
   by that what it costs not to freeze the range. */
void scan__note_reads(struct table_scan *scan);
static inline void scan__reads(struct table_scan *scan, uint64_t row, uint64_t count) {
    if (row >> BLOCK_RANGE_BITS != scan->read_range)
        scan__note_reads(scan);
    scan->read_range = row >> BLOCK_RANGE_BITS;
    scan->read_count += count;
}

/* All rows of one range with their whole columns, for making a block of them. Long rows are noted
   in long_rows. */
enum status scan__open_range(struct fiber *f, const struct table_context *context,
                             const struct table *table, struct partition *partition,
                             const struct table_scan_options *options, uint64_t range,
                             struct table_scan **scan_out) MUST_USE;

/* The byte range of an index scan, in `arena`. */
enum status scan__index_range(const struct index *index, const struct table_scan_options *options,
                              struct arena *arena, struct txn_range *range_out) MUST_USE;
/* Rows [0..count) of row_bytes and addresses into the batch behind those there. `copy`: the bytes
   do not live until the next batch. */
enum status scan__decode(struct fiber *f, struct table_scan *scan, uint32_t count, bool copy)
    MUST_USE;
/* Before a scan by row id begins: those of the options' tests that can be made on hot rows. */
enum status scan__hot_tests_prepare(struct table_scan *scan,
                                    const struct table_scan_options *options) MUST_USE;
/* Before rows are tested: the threshold's test as it is now. */
void scan__hot_threshold_look(struct table_scan *scan);
/* Drop those of row_bytes[0 .. *count) that fail a test, with their addresses. No row is outside.
 */
enum status scan__hot_tests_run(struct table_scan *scan, size_t *count) MUST_USE;
/* After the tests are prepared. */
enum status scan__leaf_prepare(struct table_scan *scan) MUST_USE;
/* The rows of a run into the batch from the columns beside its leaf. *done_out false: there are
   none that would do, and nothing happened. Does not suspend. */
enum status scan__leaf_portion(struct table_scan *scan, const struct txn_leaf *leaf, bool *done_out)
    MUST_USE;
/* Rows one after the other in the columns beside a leaf or a range into the batch, those that pass
   the tests. Room for all of them is there. Does not suspend. */
struct leaf_run {
    const struct leaf_columns *columns;
    uint32_t first, count;       /* count <= VECTOR_SIZE */
    const struct txn_leaf *leaf; /* NULL: of a range */
};
enum status scan__leaf_run(struct table_scan *scan, const struct leaf_run *run) MUST_USE;

/* The rows over a block from the columns beside its range, as long as by_range says so: a portion
   of at most `room`. *done_out false: they are not there any more, or do not say what the
   transaction sees, from range_place on. */
void scan__range_begin(struct table_scan *scan);
enum status scan__range_portion(struct table_scan *scan, size_t room, bool *done_out) MUST_USE;
/* Behind the last row over a block: keep columns beside its range if that pays. Uses the cursor. */
enum status scan__range_keep(struct fiber *f, struct table_scan *scan) MUST_USE;
/* Open the cursor for hot rows of first .. end, row ids (exclusive; UINT64_MAX: to the last). */
enum status scan__open_hot(struct fiber *f, struct table_scan *scan, uint64_t first, uint64_t end)
    MUST_USE;
/* The next portion of an index scan into the batch. */
enum status scan__index_next(struct fiber *f, struct table_scan *scan) MUST_USE;

#endif
