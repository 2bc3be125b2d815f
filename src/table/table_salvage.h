/*
 * What was read of a damaged data directory (txn_salvage.h), made a database again.
 *
 * First the catalog: rows that cannot be decoded go, the indexes of the system tables are made
 * anew, and relations whose description has gaps are taken out, so that catalog_open finds
 * something consistent. Then each table: rows that cannot be decoded go, blocks with gaps become
 * rows, the indexes are filled. Index trees are expected to be empty.
 *
 * `report` gets a line in the user's words for whatever is not as it was.
 */
#ifndef TABLE_SALVAGE_H
#define TABLE_SALVAGE_H

#include "table/table_catalog.h"
#include "txn/txn_salvage.h"

struct salvage_report {
    void (*line)(void *context, const char *line);
    void *context;
};

/* A system tree: rows to be copied, or an index; SALVAGE_SKIP for trees of users. */
enum salvage_wish catalog_salvage_wish(struct tree_id tree);
/* May the entry be one of this tree? schema NULL: of a system tree. */
bool table_salvage_fits(const struct schema *schema, struct tree_id tree, struct slice key,
                        struct slice value);
/* Of a tree of users: rows, long values and blocks are to be copied, indexes looked at, trees that
   nothing is known of skipped. */
enum salvage_wish table_salvage_wish(const struct schema *schema, struct tree_id tree);
/* The loss of keys in the user's words. False: nothing was lost by it (an index). */
bool table_salvage_word(const struct schema *schema, const struct store_loss *loss, char *text,
                        size_t size);

/* After the system trees were copied into a new store, before catalog_open. */
enum status catalog_salvage(struct fiber *f, struct store *store,
                            const struct salvage_report *report) MUST_USE;
/* After the catalog was opened: the counters of oids and trees stand behind whatever is there. */
enum status catalog_salvage_counters(struct fiber *f, struct catalog *catalog) MUST_USE;
/* After the table's trees were copied. Commits as it goes. */
enum status table_salvage(struct fiber *f, struct catalog *catalog, const struct table *table,
                          const struct salvage_report *report) MUST_USE;

#endif
