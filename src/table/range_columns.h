/*
 * Columns beside a range of hot rows (private to the room).
 *
 * Where many rows of a block's range were updated they lie in a dozen leaves or a hundred, and a
 * scan that goes from leaf to leaf waits for memory at each of them. A range that has not changed
 * for a while has the columns of all its leaves (leaf_columns.h) copied together into one note
 * (txn.h), which goes with the first change of a row of the range. The form is the same; where rows
 * are many it has all words of the range, so that a scan hides the block's rows at once. Then the
 * scan reads column by column, as it does in a block.
 */
#ifndef RANGE_COLUMNS_H
#define RANGE_COLUMNS_H

#include "table/leaf_columns.h"

/* Of the hot rows that `cursor` is about to read, all of the range and `count` in number, which
   have columns beside their leaves. No note is made if they are gone or what the transaction sees
   is not what is there. `entries`: room for `entry_max`. */
enum status range_columns_make(struct fiber *f, const struct table_context *context,
                               const struct table *table, struct partition *partition,
                               uint64_t range, struct txn_cursor *cursor, struct txn_entry *entries,
                               size_t entry_max, uint32_t count) MUST_USE;

/* NULL: there are none. Until the next suspension. */
const struct leaf_columns *range_columns(const struct table *table, struct partition *partition,
                                         uint64_t range);

#endif
