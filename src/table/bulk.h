/* Bulk insertion, seen by row_batch.c (private to the room); inside partition_call. */
#ifndef BULK_H
#define BULK_H

#include "table/block.h"

/* May the rows of a batch go into a block? */
bool bulk__takes(const struct table *table, const struct batch *batch, const uint16_t *rows,
                 uint32_t count);
/* `count` consecutive row ids for rows that bulk__add brings next. */
enum status bulk__take_ids(struct fiber *f, struct table_bulk *bulk, struct partition *partition,
                           uint32_t count, struct row_id *first_out) MUST_USE;
enum status bulk__add(struct table_bulk *bulk, struct partition *partition,
                      const struct batch *batch, const uint16_t *rows, uint32_t count,
                      struct row_id first) MUST_USE;

#endif
