/*
 * Freezing: quiet ranges of rows become cold column blocks (block_format.h). A fiber of the
 * background class for each catalog looks for ranges that are worth it, according to the table's
 * freeze option; VACUUM (FREEZE) does it at once.
 */
#ifndef TABLE_FREEZE_H
#define TABLE_FREEZE_H

#include "table/table_catalog.h"
#include "table/table_schema.h"

/* After catalog_open, on core 0; the fiber is gone when freezer_stop returns, which comes before
   catalog_close and catalog_abandon. */
enum status freezer_start(struct fiber *f, struct catalog *catalog) MUST_USE;
void freezer_stop(struct fiber *f, struct catalog *catalog);

/* What the background fiber is at and has done since it was started, then each table_freeze under
   way. Returns how many there are, at most `capacity`; 0: no freezer runs. On core 0. */
struct freezer_progress {
    uint32_t table_oid; /* 0: resting */
    unsigned partition;
    uint64_t first_row;
    uint64_t blocks_made, rows_frozen, rows_purged;
    uint64_t rows_moved; /* out of small blocks, to be joined with others */
};
size_t freezer_progress(const struct catalog *catalog, struct freezer_progress *progress,
                        size_t capacity);

/* Freeze every range of the table that has rows newer than its block, join small blocks, and purge
   what no snapshot needs. Ranges that somebody is writing to are tried again for a while, then
   left. The caller is in no transaction that has written, on core 0. *blocks_out: blocks made. */
enum status table_freeze(struct fiber *f, struct catalog *catalog, const struct table *table,
                         uint64_t *blocks_out) MUST_USE;

#endif
