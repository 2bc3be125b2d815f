/*
 * The base case of the catalog (private to the room): descriptions of the stored system tables,
 * which nothing else describes, and the part of every schema that is made from them and from the
 * virtual relations.
 *
 * Tree ids below OID_FIRST_USER are the system's: a table's rows are in the tree of its own oid,
 * its large values in oid + SYSTEM_LARGE_TREE, an index in the tree of its oid, sequence states in
 * TREE_SEQUENCE_STATE. User objects take tree ids from the same counter as oids.
 */
#ifndef SYSTEM_TABLES_H
#define SYSTEM_TABLES_H

#include "table/schema_parts.h"
#include "value/value.h"

enum {
    TREE_SEQUENCE_STATE = 1,
    SYSTEM_LARGE_TREE = 10000,
};

enum {
    OID_PG_NAMESPACE = 2615,
    OID_PG_CLASS = 1259,
    OID_PG_ATTRIBUTE = 1249,
    OID_PG_ATTRDEF = 2604,
    OID_PG_INDEX = 2610,
    OID_PG_CONSTRAINT = 2606,
    OID_PG_SEQUENCE = 2224,
    OID_PG_DEPEND = 2608,
    OID_PG_DESCRIPTION = 2609,
    OID_PG_DATABASE = 1262,
    OID_PG_AUTHID = 1260,
    OID_PG_TYPE = 1247,
    OID_SATORI_PLACEMENT = 9001,
    OID_SATORI_VIEW = 9004,
    OID_SATORI_STATISTIC = 9007,
    OID_PG_REWRITE = 2618, /* virtual: one rule for each row of satori_view */

    OID_NAMESPACE_OID_INDEX = 2685,
    OID_NAMESPACE_NAME_INDEX = 2684,
    OID_CLASS_OID_INDEX = 2662,
    OID_ATTRIBUTE_NUMBER_INDEX = 2659,
    OID_ATTRDEF_OID_INDEX = 2657,
    OID_ATTRDEF_COLUMN_INDEX = 2656,
    OID_INDEX_OID_INDEX = 2679,
    OID_CONSTRAINT_OID_INDEX = 2667,
    OID_SEQUENCE_INDEX = 5002,
    OID_DEPENDER_INDEX = 2673,
    OID_REFERENCE_INDEX = 2674,
    OID_DESCRIPTION_INDEX = 2675,
    OID_DATABASE_NAME_INDEX = 2671,
    OID_AUTHID_NAME_INDEX = 2676,
    OID_PLACEMENT_INDEX = 9002,
    OID_VIEW_INDEX = 9005,
    OID_STATISTIC_INDEX = 9008,

    OID_SUPERUSER = 10, /* role satori */
    OID_DATABASE = 5,   /* database satori */
    OID_NAMESPACE_CATALOG = 11,
    OID_NAMESPACE_PUBLIC = 2200,
    OID_NAMESPACE_INFORMATION = 13207,
    OID_AM_HEAP = 2,
    OID_AM_BTREE = 403,
    OID_TABLESPACE_DEFAULT = 1663,
};

struct system_column {
    const char *name;
    uint16_t type_id;
    bool not_null;
};

struct system_table {
    uint32_t oid, type_oid;
    const char *name;
    size_t column_count;
    const struct system_column *columns;
};

struct system_index {
    uint32_t oid;
    const char *name;
    uint32_t table_oid;
    bool unique, primary;
    uint32_t constraint_oid; /* 0: none */
    uint16_t column_count;
    int16_t columns[3];
};

extern const struct system_table system_tables[];
extern const size_t system_table_count;
extern const struct system_index system_indexes[];
extern const size_t system_index_count;

/* Build and seal the system part: stored tables, then virtual relations. */
enum status system_part_build(struct schema_part *part) MUST_USE;

/* The table of the base case with this oid; never NULL for those above. */
const struct table *system_table(const struct schema_part *part, uint32_t oid);
const struct index *system_index(const struct table *table, uint32_t index_oid);

#endif
