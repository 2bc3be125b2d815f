/* Inside of the catalog (private to the room). */
#ifndef CATALOG_PRIVATE_H
#define CATALOG_PRIVATE_H

#include <stdatomic.h>

#include "runtime/runtime_sync.h"
#include "table/catalog_columns.h"
#include "table/rows.h"
#include "table/system_tables.h"
#include "table/table_virtual.h"

enum { SEQUENCE_BUCKETS = 256 };

struct sequence_entry;
struct freezer;

struct catalog {
    struct store *store;
    struct schema_part system;
    atomic_flag lock; /* of `published`: held for a few instructions */
    struct schema *published;
    _Atomic uint32_t committing_count; /* DDL commits not yet published */
    _Atomic uint64_t private_count;
    struct freezer *freezer; /* NULL: not running */
    /* Sequences used since the start; belongs to whoever is inside partition 0. */
    struct sequence_entry *sequences[SEQUENCE_BUCKETS];
};

/* A schema of what the transaction sees, with one reference; version still 0. */
enum status schema__build(struct fiber *f, struct catalog *catalog, struct transaction *transaction,
                          struct schema **schema_out) MUST_USE;

/* `count` consecutive numbers for oids and trees; never given out again. */
enum status catalog__take_oids(struct fiber *f, struct catalog *catalog, uint32_t count,
                               uint32_t *first_out) MUST_USE;
/* Numbers up to this one are not given out any more. */
enum status catalog__pass_oid(struct fiber *f, struct catalog *catalog, uint32_t oid) MUST_USE;
/* Write the exact last values of sequences, so that a clean stop skips no numbers. */
void catalog__sequences_write(struct fiber *f, struct catalog *catalog);
void catalog__sequences_free(struct catalog *catalog);

/* Rows of the base case: written where they are missing (catalog_bootstrap.c). */
enum status catalog__bootstrap(struct fiber *f, struct catalog *catalog) MUST_USE;

/* ---- DDL's tools (catalog_rows.c) ----------------------------------------------------- */

/* One DDL operation: `context` for row functions, its arena for what lives to its end. */
struct ddl {
    struct table_context context;
    struct arena arena;
    struct catalog *catalog;
    const struct schema *schema; /* may be NULL in bootstrap */
};
void ddl_init(struct ddl *ddl, struct catalog *catalog, struct transaction *transaction,
              const struct schema *schema);
/* Makes the writes visible to the transaction if status is OK; passes status on. */
enum status ddl_end(struct fiber *f, struct ddl *ddl, enum status status) MUST_USE;

/* A catalog row found by a unique index and locked; change `row`, then update or delete. */
struct catalog_row {
    const struct table *table;
    struct row_address address;
    bool found;
    struct value old[CATALOG_COLUMNS_MAX], row[CATALOG_COLUMNS_MAX];
};
enum status catalog_row_open(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                             uint32_t index_oid, const struct value *key,
                             struct catalog_row *row_out) MUST_USE;
enum status catalog_row_update(struct fiber *f, struct ddl *ddl, struct catalog_row *row) MUST_USE;
enum status catalog_row_delete(struct fiber *f, struct ddl *ddl, struct catalog_row *row) MUST_USE;
/* Open by one oid; absence is DATA_CORRUPTED. */
enum status catalog_row_of(struct fiber *f, struct ddl *ddl, uint32_t table_oid, uint32_t index_oid,
                           uint32_t oid, struct catalog_row *row_out) MUST_USE;
enum status catalog_row_insert(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                               const struct value *row) MUST_USE;
/* Values of a new row of this table. */
void catalog_row_new(const struct ddl *ddl, uint32_t table_oid, struct value *row);
/* Delete all rows whose first index columns are these. */
enum status catalog_rows_delete(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                                uint32_t index_oid, const struct value *equal, size_t equal_count)
    MUST_USE;

struct class_spec {
    uint32_t oid, namespace_oid, type_oid, file, access_method;
    const char *name;
    char kind, replica_identity;
    unsigned column_count, check_count;
    bool has_index;
    double row_count;
    const char *partition_by; /* column name for reloptions, or NULL */
    enum freeze_option freeze;
};
enum status catalog_class_insert(struct fiber *f, struct ddl *ddl, const struct class_spec *spec)
    MUST_USE;
struct attribute_spec {
    uint32_t relation_oid;
    const char *name;
    int number;
    struct type type;
    bool not_null, has_default;
    char identity;
    const struct value *missing; /* or NULL */
};
enum status catalog_attribute_insert(struct fiber *f, struct ddl *ddl,
                                     const struct attribute_spec *spec) MUST_USE;
/* classid, objid, objsubid depends on refclassid, refobjid, refobjsubid. */
struct dependency {
    uint32_t class_oid, oid;
    int sub;
    uint32_t ref_class_oid, ref_oid;
    int ref_sub;
    char kind;
};
enum status catalog_depend_insert(struct fiber *f, struct ddl *ddl,
                                  const struct dependency *dependency) MUST_USE;
/* Rows of pg_index and pg_constraint. */
enum status catalog_index_insert(struct fiber *f, struct ddl *ddl, const struct table *table,
                                 const struct index *index) MUST_USE;
enum status catalog_constraint_insert(struct fiber *f, struct ddl *ddl, const struct table *table,
                                      const struct constraint *constraint) MUST_USE;
enum status catalog_default_insert(struct fiber *f, struct ddl *ddl, uint32_t table_oid, int number,
                                   const char *text) MUST_USE;
enum status catalog_placement_set(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                                  int column_number) MUST_USE;
/* pg_class.relfilenode and other single columns. */
enum status catalog_class_set_freeze(struct fiber *f, struct ddl *ddl, uint32_t oid,
                                     enum freeze_option freeze) MUST_USE;
enum status catalog_class_set_file(struct fiber *f, struct ddl *ddl, uint32_t oid, uint32_t file)
    MUST_USE;
enum status catalog_attribute_set_not_null(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                                           int number, bool not_null) MUST_USE;

/* Rows of pg_class, pg_attribute, pg_depend and pg_description of one relation (catalog_drop.c). */
enum status catalog_relation_delete(struct fiber *f, struct ddl *ddl, uint32_t oid) MUST_USE;
enum status catalog_dependencies_delete(struct fiber *f, struct ddl *ddl, uint32_t class_oid,
                                        uint32_t oid) MUST_USE;
/* Of a column, or of all (0). */
enum status catalog_statistics_delete(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                                      int16_t column_number) MUST_USE;
/* 2BP01 when a view reads the relation or (column_number > 0) this column; `what` is "table t". */
enum status ddl_check_no_view(const struct ddl *ddl, const struct table *table,
                              int16_t column_number, const char *what) MUST_USE;

/* Default btree operator class of a type. */
uint32_t catalog_operator_class(uint32_t type_id);

/* ---- names (catalog_names.c) ---------------------------------------------------------- */

/* "name1_name2_label", cut to NAME_SIZE_MAX and numbered until no relation (or, for constraints, no
   constraint of the table) has it. In the ddl's arena. */
const char *ddl_choose_name(struct ddl *ddl, const char *namespace_name, const char *name1,
                            const char *name2, const char *label,
                            const struct table *constraints_of);
/* 42P07 when a relation has the name; 42501 in system schemas; 42622 never (cut by the parser). */
enum status ddl_check_new_relation(const struct ddl *ddl, const char *namespace_name,
                                   const char *name) MUST_USE;
/* 42501 for a system table. */
enum status ddl_check_user_table(const struct table *table) MUST_USE;

/* ---- rebuilding (catalog_rebuild.c) --------------------------------------------------- */

/* Give the table new trees, placed by `partition_column`, with all its indexes and `added` (or
   NULL), and move the rows there. */
enum status ddl_rewrite(struct fiber *f, struct ddl *ddl, const struct table *table,
                        int16_t partition_column, struct index *added) MUST_USE;
/* Fill a new index from the table's rows. */
enum status ddl_fill_index(struct fiber *f, struct ddl *ddl, const struct table *table,
                           const struct index *index) MUST_USE;
/* Does the table hold a row? / a null in this column? as the transaction sees it. */
enum status ddl_has_rows(struct fiber *f, struct ddl *ddl, const struct table *table,
                         bool *has_rows_out) MUST_USE;
enum status ddl_has_null(struct fiber *f, struct ddl *ddl, const struct table *table,
                         int16_t column_number, bool *has_null_out) MUST_USE;

#endif
