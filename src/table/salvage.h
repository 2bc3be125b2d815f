/* Private to the room: what the salvage of tables and that of the catalog share. */
#ifndef SALVAGE_H
#define SALVAGE_H

#include "table/catalog_private.h"
#include "table/row_losses.h"
#include "table/table_salvage.h"

/* A transaction of its own, begun with salvage__begin. */
enum status salvage__begin(struct fiber *f, struct catalog *catalog,
                           struct transaction **transaction_out) MUST_USE;
/* Commits, or rolls back and passes `status` on. */
enum status salvage__end(struct fiber *f, struct transaction *transaction, enum status status)
    MUST_USE;
/* Which of the table's trees it is, index_out: for PART_INDEX. */
enum part { PART_NONE, PART_ROWS, PART_LARGE, PART_BLOCKS, PART_INDEX };
enum part salvage__part_of(const struct schema *schema, struct tree_id tree,
                           const struct table **table_out, const struct index **index_out);
/* The row ids that the loss of keys of such a tree, none of an index, stands for. */
void salvage__row_ids(const struct store_loss *loss, enum part part, uint64_t *first_out,
                      uint64_t *last_out);
/* Notes rows as lost. */
void salvage__lost(const struct salvage_report *report, const struct table *table,
                   unsigned partition, uint64_t first, uint64_t last);
void salvage__say(const struct salvage_report *report, const char *format, ...) PRINTF_LIKE(2, 3);
/* Rows of the hot trees that cannot be decoded go. */
enum status salvage__rows(struct fiber *f, struct catalog *catalog, const struct table *table,
                          const struct salvage_report *report) MUST_USE;
/* Pieces of long values without a row go. */
enum status salvage__pieces(struct fiber *f, struct catalog *catalog, const struct table *table)
    MUST_USE;
/* Fill an index, whose tree is empty, from the rows. UNIQUE_VIOLATION. */
enum status salvage__fill(struct fiber *f, struct catalog *catalog, const struct table *table,
                          const struct index *index) MUST_USE;
/* Blocks with gaps become rows (salvage_block.c). */
enum status salvage__blocks(struct fiber *f, struct catalog *catalog, const struct table *table,
                            const struct salvage_report *report) MUST_USE;

#endif
