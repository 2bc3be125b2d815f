/* Scans of one partition (private to the room). */
#ifndef SCAN_H
#define SCAN_H

#include "table/rows.h"

enum {
    SCAN_ROWS_MAX = 256,   /* rows taken from a cursor at once */
    SCAN_INDEX_FIRST = 16, /* first portion of an index scan; doubles up to SCAN_ROWS_MAX */
};

struct table_scan {
    struct table_context context;
    const struct table *table;
    struct partition *partition;
    const struct index *index; /* NULL: by row id */
    bool backward, ended;
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
};

/* The byte range of an index scan, in `arena`. */
enum status scan__index_range(const struct index *index, const struct table_scan_options *options,
                              struct arena *arena, struct txn_range *range_out) MUST_USE;
/* Rows [0..count) of row_bytes and addresses into the batch behind those there. `copy`: the bytes
   do not live until the next batch. */
enum status scan__decode(struct fiber *f, struct table_scan *scan, uint32_t count, bool copy)
    MUST_USE;
/* The next portion of an index scan into the batch. */
enum status scan__index_next(struct fiber *f, struct table_scan *scan) MUST_USE;

#endif
