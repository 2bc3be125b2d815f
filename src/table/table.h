/*
 * Tables: rows and their indexes kept in step, inside a transaction.
 *
 * A row lives on one partition: the hash of its partition column, partition 0 for catalog tables,
 * any for tables without a key. Its row id never changes; an update that changes the partition
 * column is a delete and an insert. Every change here goes to the transaction's write set, for the
 * row tree and each index; unique keys are locked and checked against the newest committed
 * entries (23505 with PostgreSQL's text and detail). NOT NULL is checked here (23502); CHECK
 * conditions are SQL and are evaluated by the caller before.
 *
 * Index entries: key = encoded columns (value_key.h) [+ row id for non-unique indexes and for
 * unique ones when a column is null]; value = row id (8 bytes), and partition (2 bytes) for indexes
 * that are not local. Readers check an entry against its row (txn.h, TXN_PUT_CHECKED_BY_READER).
 *
 * Values beyond about 2 KB are stored out of line in chunks (large_tree) when the row would be
 * longer than about 4 KB, so rows may be far larger than a page.
 *
 * Functions without a partition argument may be called from any core and do the partition calls.
 */
#ifndef TABLE_H
#define TABLE_H

#include "column/column_filter.h"
#include "table/table_catalog.h"
#include "table/table_schema.h"
#include "txn/txn.h"
#include "value/value_vector.h"

/* Where a row is; packed into 8 bytes for vectors (partition in the top 16 bits). */
struct row_address {
    uint16_t partition;
    struct row_id row;
};
static inline int64_t row_address_pack(struct row_address address) {
    return (int64_t)((uint64_t)address.partition << 48 | address.row.value);
}
static inline struct row_address row_address_unpack(int64_t packed) {
    return (struct row_address){(uint16_t)((uint64_t)packed >> 48),
                                {(uint64_t)packed & 0xFFFFFFFFFFFFull}};
}

/* What every call here needs. */
struct table_context {
    struct catalog *catalog;
    struct store *store;
    struct transaction *transaction;
    struct arena *arena; /* for results that outlive the call */
};

/* Partition that a value of the partition column belongs to (null: partition 0). */
unsigned table_partition_of(const struct store *store, const struct value *value);
/* All partitions that may hold rows of the table, as a bit set. */
uint64_t table_partitions(const struct store *store, const struct table *table);

/* ---- changing rows -------------------------------------------------------------------- */

/* `row` has column_count values in column order (dropped ones null), already of the column's
   type. *address_out may be NULL. */
enum status table_insert(struct fiber *f, const struct table_context *context,
                         const struct table *table, const struct value *row,
                         struct row_address *address_out) MUST_USE;
/* The rows of a batch with column_count vectors in column order. addresses_out: NULL or one packed
   address a row. Much cheaper a row than table_insert. After NOT_NULL_VIOLATION none of the rows
   has been inserted. */
enum status table_insert_batch(struct fiber *f, const struct table_context *context,
                               const struct table *table, const struct batch *batch,
                               int64_t *addresses_out) MUST_USE;
/* A statement that inserts very many rows: from some thousands on, what table_insert_batch would do
   is done cheaper by gathering rows into cold blocks. Takes a share of the store's memory.
   After the last batch table_bulk_finish, before the statement ends; close in any case. */
struct table_bulk;
/* Is it worth it for the next rows, after `rows` that went the ordinary way? */
bool table_bulk_pays(const struct table *table, uint64_t rows);
enum status table_bulk_open(struct fiber *f, const struct table_context *context,
                            const struct table *table, struct table_bulk **bulk_out) MUST_USE;
enum status table_bulk_insert(struct fiber *f, struct table_bulk *bulk, const struct batch *batch)
    MUST_USE;
enum status table_bulk_finish(struct fiber *f, struct table_bulk *bulk) MUST_USE;
void table_bulk_close(struct table_bulk *bulk);
/* NOT_NULL_VIOLATION for the first column of the row that is null and must not be. */
enum status table_check_not_null(const struct table *table, const struct value *row) MUST_USE;
/* ON CONFLICT DO NOTHING: *inserted_out false when a unique key was there already. */
enum status table_insert_if_absent(struct fiber *f, const struct table_context *context,
                                   const struct table *table, const struct value *row,
                                   bool *inserted_out, struct row_address *address_out) MUST_USE;
/* The caller holds the row's lock (table_lock_row); `row` is the whole new row, `old` the newest
   version as table_lock_row gave it. */
enum status table_update(struct fiber *f, const struct table_context *context,
                         const struct table *table, struct row_address address,
                         const struct value *old, const struct value *row,
                         struct row_address *address_out) MUST_USE;
enum status table_delete(struct fiber *f, const struct table_context *context,
                         const struct table *table, struct row_address address,
                         const struct value *old) MUST_USE;

enum row_lock_outcome {
    ROW_LOCKED,         /* locked; newest version is the one our snapshot sees */
    ROW_LOCKED_CHANGED, /* locked; somebody committed a newer version: look again at `newest` */
    ROW_DELETED,        /* gone since our snapshot */
    ROW_SKIPPED,        /* LOCK_SKIP and held by another */
    ROW_ALREADY_STAGED, /* this statement has already changed it: leave it alone */
};
/* Lock a row that a scan found. Where an update moved it to another partition since our snapshot,
   or joining blocks to another range, it is followed there, and *address is where it was found
   (ROW_LOCKED_CHANGED). newest: column_count values in column order, filled from the newest version
   (in context->arena), NULL if not wanted. At REPEATABLE READ a changed or deleted row is
   SERIALIZATION_FAILURE with PostgreSQL's words. */
enum status table_lock_row(struct fiber *f, const struct table_context *context,
                           const struct table *table, struct row_address *address,
                           enum key_lock_mode mode, enum lock_wait wait,
                           enum row_lock_outcome *outcome_out, struct value *newest) MUST_USE;

/* ---- reading rows --------------------------------------------------------------------- */

/* One row at the snapshot; values for column_numbers[0..count) into values (arena). */
enum status table_fetch(struct fiber *f, const struct table_context *context,
                        const struct table *table, struct row_address address,
                        const int16_t *column_numbers, size_t count, bool *found_out,
                        struct value *values) MUST_USE;

/* A scan of one partition; open, next and close run inside partition_call of that partition.
   Column number 0 stands for the packed row address (bigint), -1 for tableoid. */
struct table_scan_test {
    int16_t column_number;
    struct column_test test;
};
/* Rows that the caller will drop, told from one of their values: run before other columns of a
   block are decoded. */
struct table_scan_filter {
    uint32_t column; /* position in column_numbers; a stored column */
    void *context;
    /* Of rows[0..count) of the vector (of any kind) those that may stay, in order, into out[],
       which may be `rows` itself. Returns how many. */
    uint32_t (*run)(void *context, const struct vector *vector, const uint16_t *rows,
                    uint32_t count, uint16_t *out);
};
/* What a reader that wants the first n rows in some order knows of the nth while the scan runs: a
   test that later rows must pass, or they will be dropped. It becomes stricter from time to time,
   set by whoever; each test that was set stays valid, with its values, while the scan runs. */
struct table_scan_threshold {
    int16_t column_number;
    bool keeps_nulls; /* the test is not about rows where the column is null: they stay */
    _Atomic(const struct column_test *) test; /* NULL: none yet */
};
/* What the last block that was read says of the next ones, for reading them ahead. Zeroed at first;
   then of scans with the same options, on one core at a time. */
struct table_scan_habit {
    uint64_t columns; /* whose values were wanted, by the scan's own numbers */
    bool cold;        /* they were not in memory */
};
struct table_scan_options {
    const int16_t *column_numbers;
    size_t column_count;
    /* NULL, or for each column whether it is there for the tests alone: a batch whose rows have
       passed them all (table_scan_has_tested) may have nulls for it. */
    const bool *for_tests;
    /* Without an index: tests that the caller makes anyway. They are made on encoded data where
       that is possible, so that blocks and rows that fail are skipped before they are decoded;
       other rows that fail may still come out. Values live as long as the scan; a test that its
       column's type does not support is left out. */
    const struct table_scan_test *tests;
    size_t test_count;
    /* Without an index: run one after the other over what the tests have left. */
    const struct table_scan_filter *filters;
    size_t filter_count;
    /* Without an index: NULL, or looked at again and again. As with tests, rows that fail may still
       come out. */
    const struct table_scan_threshold *threshold;
    /* Index scan when `index` is set: equality on the first equal_count columns, then an optional
       range on the next one. Bounds are values of the columns' types, none null. */
    const struct index *index;
    size_t equal_count;
    const struct value *equal;
    const struct value *lower, *upper; /* NULL: open */
    bool lower_exclusive, upper_exclusive;
    bool backward; /* of an index; without one rows come in no order */
    uint32_t
        first_rows; /* through an index: fetched at first, then twice as many each time; 0: 16 */
    /* table_scan_next gives out hot rows only, and stops before the rows of a block: they are read
       by table_scan_next_in_block. */
    bool blocks_apart;
    /* Without an index: rows of these ranges only; end_range 0: to the last, and all after it. */
    uint64_t first_range, end_range;
    /* Somebody reads on behind end_range, soon: with these options, for the same statement. */
    bool goes_on;
    struct table_scan_habit *habit; /* NULL: nothing is kept */
};
struct table_scan;
enum status table_scan_open(struct fiber *f, const struct table_context *context,
                            const struct table *table, struct partition *partition,
                            const struct table_scan_options *options, struct table_scan **scan_out)
    MUST_USE;
/* The next rows: *batch_out has column_count vectors and at least one selected row, or is NULL at
   the end; vectors are of any kind. Rows of cold blocks come as a selection where newer rows hide
   some. It is valid until the next call on the scan; its strings are, too. Values out of line are
   fetched only for the columns asked for. */
enum status table_scan_next(struct fiber *f, struct table_scan *scan, struct batch **batch_out)
    MUST_USE;
/* With blocks_apart, on whichever core the caller runs, outside of partition_call: a block does not
   change, and calls its partition only for its pages. Is there a block whose rows are to be read
   (then NULL from table_scan_next is not the end), and the next of them (NULL: no more). */
bool table_scan_is_in_block(const struct table_scan *scan);
enum status table_scan_next_in_block(struct fiber *f, struct table_scan *scan,
                                     struct batch **batch_out) MUST_USE;
/* All of the options' tests have been made on the rows that table_scan_next_in_block gave last. */
bool table_scan_has_tested(const struct table_scan *scan);
void table_scan_close(struct fiber *f, struct table_scan *scan);
/* Row ids of a partition divide into ranges of a block's size, numbered from 0. How many there are
   now, by partition; 0 where the table is not. */
enum status table_scan_ranges(struct fiber *f, const struct table_context *context,
                              const struct table *table, uint32_t ranges[PARTITIONS_MAX]) MUST_USE;
/* What a scan without an index has done so far. */
struct table_scan_figures {
    uint64_t blocks;         /* cold blocks met */
    uint64_t blocks_skipped; /* those of them whose least and greatest values said enough */
    uint64_t block_bytes;    /* chunks opened, in memory or not */
    uint64_t chunks_ahead;   /* chunks whose reading began before they were asked for */
    uint64_t hot_rows;       /* newest versions outside of blocks, deleted ones too */
};
void table_scan_figures(const struct table_scan *scan, struct table_scan_figures *figures_out);

/* The partitions an index scan has to visit: one when the partition column is bound by equality. */
uint64_t table_scan_partitions(const struct store *store, const struct table *table,
                               const struct table_scan_options *options);

/* The partition where a unique index has its entry for the key, if there is one; if the index is
   local, that of the row, too. No value of the key is null. */
unsigned table_unique_partition(const struct store *store, const struct table *table,
                                const struct index *index, const struct value *key);
/* Estimated entries that a scan of options->index would visit on all its partitions. */
enum status table_scan_estimate(struct fiber *f, const struct table_context *context,
                                const struct table *table, const struct table_scan_options *options,
                                uint64_t *entries_out) MUST_USE;
/* Point lookup by a unique index with all its columns given (none null): the short path; no scan
   object, no heap. Fills `values` for column_numbers. */
enum status table_get_unique(struct fiber *f, const struct table_context *context,
                             const struct table *table, const struct index *index,
                             const struct value *key, const int16_t *column_numbers, size_t count,
                             bool *found_out, struct row_address *address_out, struct value *values)
    MUST_USE;

/* The row that has the key in its newest version, committed by anybody or ours, whatever the
   snapshot: which one table_insert_if_absent met, while its lock of the key lasts. */
enum status table_find_unique_newest(struct fiber *f, const struct table_context *context,
                                     const struct table *table, const struct index *index,
                                     const struct value *key, bool *found_out,
                                     struct row_address *address_out) MUST_USE;

/* What the counters of the trees say, as of now. */
struct table_counts {
    uint64_t rows;    /* estimate; 0 for what is no table */
    uint64_t cold;    /* of them in cold blocks */
    uint64_t changes; /* rows that commits inserted, updated or deleted since the store was opened,
                         without those that came as blocks */
};
enum status table_count_estimate(struct fiber *f, const struct table_context *context,
                                 const struct table *table, struct table_counts *counts_out)
    MUST_USE;

/* Bytes of pages that a tree (of rows, with their blocks, of large values, of an index) takes on
   all partitions. */
enum status table_tree_size(struct fiber *f, struct store *store, struct tree_id tree,
                            uint64_t *bytes_out) MUST_USE;

/* ---- check ---------------------------------------------------------------------------- */

/* Every row decodes, every row has its index entries and no index entry is without its row, unique
   holds, NOT NULL holds. One line for each finding, in the user's names. */
enum status table_check(struct fiber *f, struct catalog *catalog, const struct table *table,
                        void (*report)(void *context, const char *line), void *context,
                        uint64_t *damage_out) MUST_USE;

#endif
