/* Private to the room: what the salvage of tables and that of the catalog share. */
#ifndef SALVAGE_H
#define SALVAGE_H

#include "table/catalog_private.h"
#include "table/table_salvage.h"

/* A transaction of its own, begun with salvage__begin. */
enum status salvage__begin(struct fiber *f, struct catalog *catalog,
                           struct transaction **transaction_out) MUST_USE;
/* Commits, or rolls back and passes `status` on. */
enum status salvage__end(struct fiber *f, struct transaction *transaction, enum status status)
    MUST_USE;
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
