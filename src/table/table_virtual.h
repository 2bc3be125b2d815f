/*
 * Virtual relations: rows that describe the running program, computed when they are read.
 * Fixed ones are listed in this room; upper rooms register theirs (sessions, settings) before the
 * catalog opens.
 */
#ifndef TABLE_VIRTUAL_H
#define TABLE_VIRTUAL_H

#include "table/table_schema.h"
#include "txn/txn.h"

struct catalog;

/* Call once for each row; values in column order, copied. */
struct virtual_sink {
    enum status (*row)(struct virtual_sink *sink, const struct value *values);
    const struct table *relation; /* what is read */
};

struct virtual_column {
    const char *name;
    uint16_t type_id; /* enum type_id */
};

struct virtual_table {
    uint32_t oid;               /* PostgreSQL's where it has the relation */
    const char *namespace_name; /* pg_catalog or information_schema */
    const char *name;
    size_t column_count;
    const struct virtual_column *columns;
    /* Produce all rows; may suspend. NULL: there are none. `session` is the registering
       room's object or NULL. */
    enum status (*rows)(struct fiber *f, struct catalog *catalog, const struct schema *schema,
                        struct transaction *transaction, void *session, struct virtual_sink *sink);
    char kind;         /* pg_class.relkind that clients see: 'r', or 'v' (0 is 'v') */
    uint32_t type_oid; /* of its row type in pg_type; 0 none */
};

/* Before catalog_open; the array must stay valid. A relation that this room lists too is replaced
   by the registered one. */
void virtual_tables_register(const struct virtual_table *tables, size_t count);

/* Run a relation that has a virtual table into batches: visit gets each batch (valid during the
   call only). */
enum status virtual_table_scan(struct fiber *f, struct catalog *catalog,
                               const struct schema *schema, struct transaction *transaction,
                               void *session, const struct table *relation, struct arena *arena,
                               enum status (*visit)(void *context, struct batch *batch),
                               void *context) MUST_USE;

#endif
