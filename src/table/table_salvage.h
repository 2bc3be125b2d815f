/*
 * What was read of a damaged data directory (txn_salvage.h), made a database again.
 *
 * First the catalog: rows that cannot be decoded go, the indexes of the system tables are made
 * anew, and relations whose description has gaps are taken out, so that catalog_open finds
 * something consistent. Then each table: rows that cannot be decoded go, blocks with gaps become
 * rows (table_salvage_rows), the indexes are filled (table_salvage_indexes).
 *
 * `report` gets a line in the user's words for whatever is not as it was. Those speak of row ids,
 * which tell users little. So in between, the first index of each table that lost rows is copied as
 * it was (table_salvage_index_wish): its entries without a row are the keys of what is missing
 * (table_salvage_missing). The others are expected to be empty.
 */
#ifndef TABLE_SALVAGE_H
#define TABLE_SALVAGE_H

#include "table/table_catalog.h"
#include "txn/txn_salvage.h"

/* Which rows of which table are lost. */
struct salvage_losses;
/* The schema outlives it. */
enum status salvage_losses_create(const struct schema *schema, struct salvage_losses **losses_out)
    MUST_USE;
void salvage_losses_destroy(struct salvage_losses *losses);
/* A loss as the store tells it. */
void salvage_losses_add(struct salvage_losses *losses, const struct store_loss *loss);
/* All tables' rows were read. *any_out: an index may know keys of some. OUT_OF_MEMORY. */
enum status salvage_losses_settle(struct salvage_losses *losses, bool *any_out) MUST_USE;

struct salvage_report {
    void (*line)(void *context, const char *line);    /* a loss */
    void (*missing)(void *context, const char *line); /* keys of rows of it */
    void *context;
    struct salvage_losses *losses; /* NULL: of the catalog */
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
/* After the tables' trees were copied. Commits as it goes. */
enum status table_salvage_rows(struct fiber *f, struct catalog *catalog, const struct table *table,
                               const struct salvage_report *report) MUST_USE;
/* Behind salvage_losses_settle: which indexes are asked for keys of missing rows. */
enum salvage_wish table_salvage_index_wish(const struct salvage_losses *losses,
                                           struct tree_id tree);
/* Names the keys of the table's missing rows, as far as its first index has them, which was copied;
   its tree is empty again behind that. */
enum status table_salvage_missing(struct fiber *f, struct catalog *catalog,
                                  const struct table *table, const struct salvage_report *report)
    MUST_USE;
/* Fills the indexes. Commits as it goes. */
enum status table_salvage_indexes(struct fiber *f, struct catalog *catalog,
                                  const struct table *table, const struct salvage_report *report)
    MUST_USE;

#endif
