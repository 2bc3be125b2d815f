/*
 * The catalog: tables about tables, stored like any other.
 *
 * pg_namespace, pg_class, pg_attribute, pg_attrdef, pg_index, pg_constraint, pg_sequence,
 * pg_depend, pg_description, pg_database, pg_authid and pg_statistic-like numbers are ordinary
 * tables on partition 0 with PostgreSQL's names, columns and oids. Their own description is the
 * one hard-coded base case (table_bootstrap.c); everything else is read from their rows. Relations
 * that describe the program itself (pg_type, pg_proc, pg_settings) are virtual (table_virtual.h).
 *
 * DDL functions write catalog rows inside the transaction. The caller already holds the relation
 * locks. They check names and give PostgreSQL's errors (42P07, 42701, 2BP01 ...); after each the
 * caller asks catalog_schema again. All may suspend.
 */
#ifndef TABLE_CATALOG_H
#define TABLE_CATALOG_H

#include "table/table_schema.h"
#include "table/table_statistics.h"
#include "txn/txn.h"

struct catalog;

/* Open the catalog of a store; makes the system tables, schema public, role and database "satori"
   in a new one. */
enum status catalog_open(struct fiber *f, struct store *store, struct catalog **catalog_out)
    MUST_USE;
void catalog_close(struct fiber *f, struct catalog *catalog);
/* Free it and write nothing, as if the process were killed: before store_abandon, for tests. */
void catalog_abandon(struct catalog *catalog);
struct store *catalog_store(const struct catalog *catalog);

/* The published schema, retained for the caller. Any core, never suspends. */
struct schema *catalog_schema(struct catalog *catalog);
/* The schema as `transaction` sees it after its own DDL, read anew from the catalog's rows; a
   retained private schema. */
enum status catalog_schema_private(struct fiber *f, struct catalog *catalog,
                                   struct transaction *transaction, struct schema **schema_out)
    MUST_USE;
/* Call after a transaction with DDL committed (number from transaction_commit): publishes. */
enum status catalog_publish(struct fiber *f, struct catalog *catalog, struct commit_number commit)
    MUST_USE;

/* transaction_commit and catalog_publish in one, for a transaction that ran DDL: until the new
   schema is published, catalog_settle makes others wait. Use this rather than the two. */
enum status catalog_commit(struct fiber *f, struct catalog *catalog,
                           struct transaction *transaction, bool synchronous,
                           struct commit_number *number_out) MUST_USE;
/* After a relation lock was granted: the lock's last holder may have committed DDL that is not
   published yet. Waits (rarely, and briefly) until every such commit is; then compare the version
   of catalog_schema() with the one the statement was bound with. */
enum status catalog_settle(struct fiber *f, struct catalog *catalog) MUST_USE;

struct column_spec {
    const char *name;
    struct type type;
    bool not_null;
    char identity;            /* 'a', 'd' or 0 */
    const char *default_text; /* canonical SQL or NULL */
    bool has_missing;         /* ADD COLUMN: value that rows stored before read as */
    struct value missing;
    const char *serial_sequence_name; /* made by the caller beforehand; recorded as owned. NULL */
};

struct index_spec {
    const char *name; /* NULL: chosen as PostgreSQL does (t_a_b_idx, t_pkey, t_a_key) */
    const char *table_name;
    bool unique, primary;
    bool as_constraint;
    uint16_t column_count;
    struct index_column columns[INDEX_COLUMNS_MAX];
};

struct constraint_spec {
    const char *name; /* NULL: chosen (t_a_check) */
    char kind;        /* 'c' here; keys go through index_spec */
    const char *check_text;
    uint16_t column_count; /* columns the condition mentions, for the name */
    int16_t columns[INDEX_COLUMNS_MAX];
};

struct table_spec {
    const char *namespace_name; /* NULL: public */
    const char *name;
    uint16_t column_count;
    struct column_spec *columns;
    enum freeze_option freeze;
    const char *partition_by; /* column name from WITH (partition_by = ...) or NULL */
};

/* *table_oid_out is the new oid. Keys and checks are added by the functions below, in the same
   transaction, before any row is in. */
enum status catalog_create_table(struct fiber *f, struct catalog *catalog,
                                 struct transaction *transaction, const struct schema *schema,
                                 const struct table_spec *spec, uint32_t *table_oid_out) MUST_USE;
/* Adds the index and fills it from the table's rows as this transaction sees them; a duplicate is
   23505 with PostgreSQL's text. */
enum status catalog_create_index(struct fiber *f, struct catalog *catalog,
                                 struct transaction *transaction, const struct schema *schema,
                                 const struct table *table, const struct index_spec *spec,
                                 uint32_t *index_oid_out) MUST_USE;
enum status catalog_add_constraint(struct fiber *f, struct catalog *catalog,
                                   struct transaction *transaction, const struct schema *schema,
                                   const struct table *table, const struct constraint_spec *spec)
    MUST_USE;
enum status catalog_add_column(struct fiber *f, struct catalog *catalog,
                               struct transaction *transaction, const struct schema *schema,
                               const struct table *table, const struct column_spec *spec) MUST_USE;
enum status catalog_drop_column(struct fiber *f, struct catalog *catalog,
                                struct transaction *transaction, const struct schema *schema,
                                const struct table *table, const struct column *column) MUST_USE;
enum status catalog_set_not_null(struct fiber *f, struct catalog *catalog,
                                 struct transaction *transaction, const struct schema *schema,
                                 const struct table *table, int16_t column_number, bool not_null)
    MUST_USE;
enum status catalog_set_default(struct fiber *f, struct catalog *catalog,
                                struct transaction *transaction, const struct schema *schema,
                                const struct table *table, int16_t column_number,
                                const char *default_text) MUST_USE;
enum status catalog_set_freeze(struct fiber *f, struct catalog *catalog,
                               struct transaction *transaction, const struct schema *schema,
                               const struct table *table, enum freeze_option freeze) MUST_USE;
/* With everything it owns: indexes, constraints, defaults, owned sequences, trees. */
enum status catalog_drop_table(struct fiber *f, struct catalog *catalog,
                               struct transaction *transaction, const struct schema *schema,
                               const struct table *table) MUST_USE;
/* The index anew from the table's rows, in a tree of its own; the old tree goes with the commit and
   is not read, so it may be damaged. A duplicate is 23505. */
enum status catalog_reindex(struct fiber *f, struct catalog *catalog,
                            struct transaction *transaction, const struct schema *schema,
                            const struct table *table, const struct index *index) MUST_USE;
enum status catalog_drop_index(struct fiber *f, struct catalog *catalog,
                               struct transaction *transaction, const struct schema *schema,
                               const struct index *index) MUST_USE;
enum status catalog_drop_constraint(struct fiber *f, struct catalog *catalog,
                                    struct transaction *transaction, const struct schema *schema,
                                    const struct table *table, const struct constraint *constraint)
    MUST_USE;
/* New empty trees in place of the old ones; other transactions keep seeing the old until commit. */
enum status catalog_truncate(struct fiber *f, struct catalog *catalog,
                             struct transaction *transaction, const struct schema *schema,
                             const struct table *table, bool restart_identity) MUST_USE;
struct view_spec {
    const char *namespace_name; /* NULL: public */
    const char *name;
    const char *text; /* struct table's view_text */
    uint16_t column_count;
    struct column_spec *columns; /* name and type count */
    uint32_t reference_count;
    const struct view_reference *references;
};
/* `replaced` (or NULL) gets the new text and more columns at its end; the caller has compared
   the columns it has. */
enum status catalog_create_view(struct fiber *f, struct catalog *catalog,
                                struct transaction *transaction, const struct schema *schema,
                                const struct view_spec *spec, const struct table *replaced,
                                uint32_t *view_oid_out) MUST_USE;
/* 2BP01 when another view reads it. */
enum status catalog_drop_view(struct fiber *f, struct catalog *catalog,
                              struct transaction *transaction, const struct schema *schema,
                              const struct table *view) MUST_USE;
enum status catalog_create_sequence(struct fiber *f, struct catalog *catalog,
                                    struct transaction *transaction, const struct schema *schema,
                                    const struct sequence *spec, uint32_t *oid_out) MUST_USE;
enum status catalog_drop_sequence(struct fiber *f, struct catalog *catalog,
                                  struct transaction *transaction, const struct schema *schema,
                                  const struct sequence *sequence) MUST_USE;
enum status catalog_create_namespace(struct fiber *f, struct catalog *catalog,
                                     struct transaction *transaction, const struct schema *schema,
                                     const char *name) MUST_USE;
/* The schema must be empty (2BP01); dropping contents is the caller's loop. */
enum status catalog_drop_namespace(struct fiber *f, struct catalog *catalog,
                                   struct transaction *transaction, const struct schema *schema,
                                   const char *name) MUST_USE;
enum status catalog_rename_table(struct fiber *f, struct catalog *catalog,
                                 struct transaction *transaction, const struct schema *schema,
                                 const struct table *table, const char *new_name) MUST_USE;
/* Record numbers from ANALYZE. */
enum status catalog_set_statistics(struct fiber *f, struct catalog *catalog,
                                   struct transaction *transaction, const struct schema *schema,
                                   const struct table *table,
                                   const struct table_statistics *statistics) MUST_USE;

/* Role and database names, for start-up: does it exist? */
enum status catalog_role_exists(struct fiber *f, struct catalog *catalog, const char *name,
                                bool *exists_out) MUST_USE;
enum status catalog_database_exists(struct fiber *f, struct catalog *catalog, const char *name,
                                    bool *exists_out) MUST_USE;

/* ---- sequences ------------------------------------------------------------------------ */

/* Never rolled back; survives a crash without giving a number twice (numbers are reserved ahead in
   the journal, 32 at a time, so a crash may skip some; numbers taken fast in larger steps, up to
   8,192). At the end SEQUENCE_GENERATOR_LIMIT_EXCEEDED with PostgreSQL's words. */
enum status sequence_next(struct fiber *f, struct catalog *catalog, const struct sequence *sequence,
                          int64_t *value_out) MUST_USE;
enum status sequence_set(struct fiber *f, struct catalog *catalog, const struct sequence *sequence,
                         int64_t value, bool is_called) MUST_USE;
/* left: numbers behind the last one that need no further record in the journal. */
enum status sequence_state(struct fiber *f, struct catalog *catalog,
                           const struct sequence *sequence, int64_t *last_value_out,
                           int64_t *left_out, bool *is_called_out) MUST_USE;

#endif
