/*
 * Rows of one partition (private to the room): building blocks of inserts, updates and reads.
 * Everything here that takes a struct partition * runs inside its partition_call.
 */
#ifndef ROWS_H
#define ROWS_H

#include "base/base_buffer.h"
#include "table/schema_parts.h"
#include "table/table.h"
#include "table/table_format.h"

enum {
    ROW_INLINE_SIZE_MAX = 4000, /* bytes of a row in its tree; beyond, values go outside */
    ROW_OUTSIDE_LIMIT = 4500,   /* ... and beyond this, after that, the whole row does */
    LARGE_VALUE_SIZE_MIN = 64,  /* shorter values stay in the row */
    INDEX_KEY_SIZE_MAX = 2300,  /* bytes of a whole index key */
};

_Static_assert((int)INDEX_KEY_SIZE_MAX <= (int)TXN_KEY_SIZE_MAX, "an index key fits an entry");
_Static_assert((int)ROW_OUTSIDE_LIMIT + (int)ROW_KEY_SIZE + (int)ROW_PREFIX_SIZE_MAX <=
                   (int)TXN_ENTRY_SIZE_MAX,
               "a row fits an entry");
_Static_assert((int)LARGE_PIECE_SIZE + (int)LARGE_KEY_SIZE <= (int)TXN_ENTRY_SIZE_MAX,
               "a piece fits an entry");

/* ---- large values (large.c) ----------------------------------------------------------- */

/* Write (over an older value of `old_size` bytes, 0 none) or remove the pieces. */
enum status large__put(struct fiber *f, struct transaction *transaction,
                       struct partition *partition, const struct table *table, uint64_t id,
                       struct slice bytes, uint32_t old_size) MUST_USE;
enum status large__delete(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, const struct table *table, uint64_t id,
                          uint32_t size) MUST_USE;
/* All bytes in `arena`. DATA_CORRUPTED when pieces are missing. */
enum status large__get(struct fiber *f, struct transaction *transaction,
                       struct partition *partition, const struct table *table, uint64_t id,
                       uint32_t size, bool newest, struct arena *arena, struct slice *bytes_out)
    MUST_USE;

/* ---- reading (row_read.c) ------------------------------------------------------------- */

/* Which version. */
enum row_version { ROW_AT_SNAPSHOT, ROW_NEWEST };

struct row_place {
    const struct table *table;
    struct partition *partition;
    struct row_id row;
    enum row_version version;
};

/* Which columns of a row somebody will look at: those with these numbers and those of the index. */
struct row_columns {
    const int16_t *numbers;
    size_t count;
    const struct index *index; /* NULL: none */
};
/* The encoded row in `arena`, brought in if it is outside. A row that lies in a block is encoded
   anew with the columns of `wanted` only, others null; NULL: all of them. */
enum status row__get(struct fiber *f, struct transaction *transaction,
                     const struct row_place *place, const struct row_columns *wanted,
                     struct arena *arena, bool *found_out, struct slice *row_out) MUST_USE;
/* The same, but just these columns (as in row__columns), wherever the row lies. */
enum status row__get_values(struct fiber *f, struct transaction *transaction,
                            const struct row_place *place, const int16_t *numbers, size_t count,
                            struct arena *arena, bool *found_out, struct value *values) MUST_USE;
/* What row__columns gives for the numbers 0 (the row's address) and below (the table's oid). */
struct value row__address_column(const struct row_place *place, int16_t number);
/* The prefix and what follows of a stored row; DATA_CORRUPTED. */
enum status row__stored(const struct table *table, struct slice bytes,
                        struct row_stored *stored_out) MUST_USE;
/* The bytes of an outside row for its pointer. */
enum status row__bring_in(struct fiber *f, struct transaction *transaction,
                          const struct row_place *place, struct slice pointer, struct arena *arena,
                          struct slice *row_out) MUST_USE;
/* Columns of an encoded row; long values are fetched. Values live in `row` and `arena`. */
enum status row__columns(struct fiber *f, struct transaction *transaction,
                         const struct row_place *place, struct slice row,
                         const int16_t *column_numbers, size_t count, struct arena *arena,
                         struct value *values) MUST_USE;
/* All of them in column order; dropped ones are null. */
enum status row__all_columns(struct fiber *f, struct transaction *transaction,
                             const struct row_place *place, struct slice row, struct arena *arena,
                             struct value *values) MUST_USE;
/* The same of bytes that nobody vouches for (row_check), into an array in `arena`. */
enum status row__check_columns(struct fiber *f, struct transaction *transaction,
                               const struct row_place *place, struct slice row, struct arena *arena,
                               struct value **values_out) MUST_USE;

/* ---- index keys (index_key.c) --------------------------------------------------------- */

/* The columns of one row's key, without row id. `row` in column order. */
struct index_key {
    size_t offset, size; /* in the buffer; 10 bytes of room follow */
    bool has_null;
};
enum status index__key(const struct index *index, const struct value *row, struct buffer *buffer,
                       struct index_key *key_out) MUST_USE;
enum status index__key_of_batch(const struct index *index, const struct batch *batch, uint32_t row,
                                struct buffer *buffer, struct index_key *key_out) MUST_USE;
/* The key with the row id where it needs one; written into the room behind the columns. */
struct slice index__entry_key(const struct index *index, const struct index_key *key,
                              unsigned partition, struct row_id row, struct buffer *buffer);
/* The columns of an entry's key, without what follows. */
enum status index__key_columns(const struct index *index, struct slice key,
                               struct slice *columns_out) MUST_USE;
/* Do both rows have the same key? */
bool index__same_key(const struct index *index, const struct value *a, const struct value *b);
/* Partition of an index entry that is not local. */
unsigned index__partition(const struct store *store, const struct index *index,
                          const struct value *row);

/* ---- unique keys (unique.c) ----------------------------------------------------------- */

/* Lock the key, unless `alone` (nobody else can know the tree), and look whether an entry is
   there. */
enum status unique__claim(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, const struct index *index, struct slice key,
                          bool alone, bool *taken_out) MUST_USE;
/* 23505 with PostgreSQL's words; `building`: those of CREATE UNIQUE INDEX. */
enum status unique__violation(const struct table *table, const struct index *index,
                              const struct value *row, bool building) MUST_USE;
/* A value as messages show it. */
void row__append_value(struct buffer *buffer, const struct value *value);
/* 23502 for the rows there are, when a column becomes NOT NULL. */
enum status row__null_found(const struct table *table, const char *column) MUST_USE;
/* 23502 when a column is null that must not be. */
enum status row__check_not_null(const struct table *table, const struct value *row) MUST_USE;
enum status row__not_null_violation(const struct table *table, unsigned column,
                                    const struct value *row) MUST_USE;

/* ---- writing (row_write.c) ------------------------------------------------------------ */

/* Reused from row to row. */
struct row_writer {
    struct transaction *transaction;
    const struct table *table;
    struct partition *partition;
    bool alone;    /* the table's trees are this transaction's own: no locks */
    bool building; /* errors speak of building an index */
    struct buffer row, keys;
    struct index_key *index_keys; /* index_count */
    struct arena arena, scratch;
    bool range_entered; /* row_writer_enter was there last: */
    uint64_t range, generation;
    size_t bytes; /* put, and not counted yet */
};
enum status row_writer_init(struct row_writer *writer, struct transaction *transaction,
                            const struct table *table, struct partition *partition) MUST_USE;
void row_writer_release(struct row_writer *writer);
/* Before a row is put or deleted: lock its range against freezing, to the transaction's end, and
   get to know the generation that its block has therefore until then (0: no block). */
enum status row_writer_enter(struct fiber *f, struct row_writer *writer, struct row_id row,
                             uint64_t *generation_out) MUST_USE;
/* Put a row as it is encoded, or (bytes NULL) as deleted. */
enum status row_writer_put_bytes(struct fiber *f, struct row_writer *writer, struct row_id row,
                                 const struct slice *bytes) MUST_USE;
enum status row_writer_delete(struct fiber *f, struct row_writer *writer, struct row_id row)
    MUST_USE;
/* What was put since the last call are new rows, in the range of this one: when the range has as
   many bytes as one should have that is to be frozen, the next new rows go to another. */
enum status row_writer_count_new(struct fiber *f, struct row_writer *writer, struct row_id row)
    MUST_USE;
/* Encode and put a row, its long values outside. stored: the row as it is stored now, empty for a
   new one. */
enum status row_writer_put(struct fiber *f, struct row_writer *writer, struct row_id row,
                           const struct value *values, const struct value *old, struct slice stored)
    MUST_USE;
/* Remove the large values of a stored row. */
enum status row_writer_drop_large(struct fiber *f, struct row_writer *writer, struct row_id row,
                                  struct slice stored) MUST_USE;
/* Bytes of the long values; an estimate of the row's size. */
size_t row__size_estimate(const struct table *table, const struct value *values);

/* ---- index entries that are not local (index_entry.c) --------------------------------- */

/* table_insert, on this partition of a table whose rows may lie anywhere. */
enum status row__insert_near(struct fiber *f, const struct table_context *context,
                             const struct table *table, const struct value *row, unsigned partition,
                             struct row_address *address_out) MUST_USE;
/* Update a locked row such that it gets another address, which who waits for it finds: where a new
   row would go, on the partition that its values ask for. */
enum status row__move(struct fiber *f, const struct table_context *context,
                      const struct table *table, struct row_address address,
                      const struct value *old, const struct value *row,
                      struct row_address *address_out) MUST_USE;

/* Change the entries of a row in an index that is not local: calls the index's partitions. old
   and row: whole rows or NULL. */
struct index_change {
    struct transaction *transaction;
    const struct table *table;
    const struct index *index;
    const struct value *old, *row;
    struct row_address address;
    bool claim_only, no_claim;
    bool alone, building;
    bool taken; /* out, with claim_only: instead of an error */
};
enum status index__change(struct fiber *f, struct store *store, struct index_change *change)
    MUST_USE;

/* Insert with the building blocks of table_insert_batch, for index builds and rewrites, and for
   bulk insertion. */
struct table_bulk;
struct insert_options {
    int64_t *addresses; /* out, or NULL */
    bool alone, building;
    struct table_bulk *bulk; /* rows go into blocks; NULL: into the hot tree */
};
enum status table__insert_batch(struct fiber *f, const struct table_context *context,
                                const struct table *table, const struct batch *batch,
                                const struct insert_options *options) MUST_USE;
enum status table__bulk_insert(struct fiber *f, struct table_bulk *bulk, const struct batch *batch,
                               struct insert_options options) MUST_USE;

#endif
