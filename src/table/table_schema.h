/*
 * The schema: an immutable picture of all names and types at one moment.
 *
 * A schema is built from the catalog's rows and never changes; binding, planning and execution
 * hold a reference while they use it. A transaction that ran DDL has a private schema (its own
 * uncommitted catalog rows included); commit publishes a new one. Every pointer inside a schema
 * lives as long as a reference to it is held, from any core.
 */
#ifndef TABLE_SCHEMA_H
#define TABLE_SCHEMA_H

#include "base/base_ids.h"
#include "base/base_status.h"
#include "table/table_statistics.h"
#include "value/value_key.h"
#include "value/value_row.h"
#include "value/value_type.h"
#include "value/value_vector.h"

enum { NAME_SIZE_MAX = 63, COLUMNS_MAX = 1600, INDEX_COLUMNS_MAX = 32 };

/* Oids below are the system's and the same in every database; PostgreSQL's where it has the
   object. User objects count up from here. */
enum { OID_FIRST_USER = 16384 };

struct column {
    const char *name;
    int16_t number; /* attnum: 1, 2 ...; columns[number - 1] */
    struct type type;
    bool not_null;
    bool dropped;             /* keeps its number; invisible */
    char identity;            /* 'a' always, 'd' by default, 0 none */
    const char *default_text; /* SQL expression in canonical form, NULL none */
    bool has_missing;         /* rows stored before the column existed read as `missing` */
    struct value missing;
};

struct index_column {
    int16_t column_number;
    bool descending, nulls_first;
};

struct index {
    uint32_t oid;
    const char *name;
    struct tree_id tree;
    bool unique, primary;
    /* Entries lie beside their rows (local) or, for a unique index without the partition column,
       on the partition of the hash of the index's first column (see table.h). */
    bool local;
    uint16_t column_count;
    struct index_column columns[INDEX_COLUMNS_MAX];
    uint32_t constraint_oid;              /* 0: a plain CREATE INDEX */
    const struct key_column *key_columns; /* column_count, for value_key.h */
    /* A snapshot before this commit may miss old row versions through the index: do not use it
       there. 0: any snapshot. */
    struct commit_number usable_from;
};

struct constraint {
    uint32_t oid;
    const char *name;
    char kind;              /* 'p' primary key, 'u' unique, 'c' check */
    const char *check_text; /* canonical SQL of the condition, for 'c' */
    uint32_t index_oid;     /* for 'p' and 'u' */
    uint16_t column_count;
    int16_t columns[INDEX_COLUMNS_MAX];
};

enum relation_kind {
    RELATION_TABLE = 'r',
    RELATION_INDEX = 'i',
    RELATION_SEQUENCE = 'S',
    RELATION_VIRTUAL = 'v', /* system relation whose rows are computed; a view to clients */
    RELATION_VIEW = 'V',    /* CREATE VIEW; relkind 'v' */
};

/* WITH (freeze = ...). */
enum freeze_option {
    FREEZE_ON,    /* quiet ranges become blocks */
    FREEZE_OFF,   /* only VACUUM (FREEZE) makes blocks */
    FREEZE_EAGER, /* as soon as possible */
};

struct virtual_table; /* table_virtual.h */

/* What a view's query reads: all of a relation (column 0) or one column of it. */
struct view_reference {
    uint32_t oid;
    int16_t column_number;
};

/* Oids of a view: the relation, + 1 its array type, + 2 its row type, + 3 its rewrite rule, which
   pg_depend names as what depends on the relations it reads. */
enum { VIEW_RULE = 3 };

struct table {
    uint32_t oid;
    uint32_t type_oid; /* its row type */
    uint32_t namespace_oid;
    const char *namespace_name;
    const char *name;
    enum relation_kind kind;
    bool is_system;            /* cannot be changed by hand: 42501 */
    struct tree_id row_tree;   /* row id (8 bytes, big-endian) -> row (value_row.h) */
    struct tree_id large_tree; /* value id (8), chunk (4) -> bytes of out-of-line values */
    int16_t partition_column;  /* number of the column whose hash places a row; 0: round robin */
    enum freeze_option freeze;
    bool on_catalog_partition; /* every row on partition 0 */
    uint16_t column_count;     /* with dropped ones */
    struct column *columns;
    uint16_t index_count;
    struct index **indexes; /* the primary key first */
    uint16_t constraint_count;
    struct constraint **constraints;
    const struct virtual_table *virtual_table;
    struct row_schema row_schema; /* of all columns, dropped ones too; empty for virtual ones */
    double row_estimate;          /* by the last ANALYZE or bulk change; -1 unknown */
    /* [number - 1], as far as ANALYZE knew the columns; NULL: never analyzed. */
    const struct table_column_statistics *statistics;
    const char *view_text; /* VIEW: its SELECT, every name qualified and every star spelt out */
    uint16_t view_reference_count;
    struct view_reference *view_references;
};

struct sequence {
    uint32_t oid;
    uint32_t namespace_oid;
    const char *namespace_name;
    const char *name;
    struct type type; /* smallint, integer or bigint */
    int64_t start, increment, minimum, maximum, cache;
    bool cycle;
    uint32_t owner_table_oid; /* OWNED BY, else 0 */
    int16_t owner_column;
    bool is_identity;             /* made by GENERATED ... AS IDENTITY: goes with its column only */
    uint32_t state_id;            /* where its last value is kept; the catalog chooses it */
    const struct table *relation; /* its one row for SELECT: kind RELATION_SEQUENCE */
};

struct schema_namespace {
    uint32_t oid;
    const char *name;
    bool is_system;
};

struct schema;

/* Counted from any core. */
void schema_retain(struct schema *schema);
void schema_release(struct schema *schema);
/* Rises with every published change; plans remember it. Private schemas count on their own. */
uint64_t schema_version(const struct schema *schema);
/* A snapshot at or after this commit may use every index. */
struct commit_number schema_indexes_usable_from(const struct schema *schema);

/* NULL when absent. Names are exact (already folded). namespace_name NULL: the search path
   pg_catalog, public. */
const struct table *schema_table(const struct schema *schema, const char *namespace_name,
                                 const char *name);
const struct table *schema_table_by_oid(const struct schema *schema, uint32_t oid);
const struct index *schema_index(const struct schema *schema, const char *namespace_name,
                                 const char *name, const struct table **table_out);
const struct index *schema_index_by_oid(const struct schema *schema, uint32_t oid,
                                        const struct table **table_out);
const struct sequence *schema_sequence(const struct schema *schema, const char *namespace_name,
                                       const char *name);
const struct sequence *schema_sequence_by_oid(const struct schema *schema, uint32_t oid);
const struct schema_namespace *schema_namespace(const struct schema *schema, const char *name);
const struct schema_namespace *schema_namespace_by_oid(const struct schema *schema, uint32_t oid);
const struct constraint *schema_constraint_by_oid(const struct schema *schema, uint32_t oid,
                                                  const struct table **table_out);
/* All tables (system and virtual ones too) in order of oid. */
size_t schema_table_count(const struct schema *schema);
const struct table *schema_table_at(const struct schema *schema, size_t at);
size_t schema_sequence_count(const struct schema *schema);
const struct sequence *schema_sequence_at(const struct schema *schema, size_t at);
size_t schema_namespace_count(const struct schema *schema);
const struct schema_namespace *schema_namespace_at(const struct schema *schema, size_t at);
/* What a tree holds, in the user's words: "table t", "index t_pkey of t"; NULL if unknown. */
const char *schema_tree_name(const struct schema *schema, struct tree_id tree, char *text,
                             size_t size);

/* The first view by oid after `after` (0: from the start) that reads relation `oid`, or with
   column_number > 0 that column of it; NULL when there is none. */
const struct table *schema_view_using(const struct schema *schema, uint32_t oid,
                                      int16_t column_number, uint32_t after);

/* Column by name, dropped ones left out; NULL when absent. */
const struct column *table_column(const struct table *table, const char *name);

#endif
