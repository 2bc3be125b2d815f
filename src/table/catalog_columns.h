/*
 * Numbers of the catalog tables' columns, and rows of them as values (private to the room).
 * A row is made with catalog_row_init and the setters, then inserted as any other.
 */
#ifndef CATALOG_COLUMNS_H
#define CATALOG_COLUMNS_H

#include "table/system_tables.h"
#include "value/value_array.h"

/* clang-format off */
enum { /* pg_namespace */
    NAMESPACE_OID = 1, NAMESPACE_NSPNAME, NAMESPACE_NSPOWNER, NAMESPACE_NSPACL,
    NAMESPACE_COLUMN_COUNT = NAMESPACE_NSPACL,
};
enum { /* pg_class */
    CLASS_OID = 1, CLASS_RELNAME, CLASS_RELNAMESPACE, CLASS_RELTYPE, CLASS_RELOFTYPE,
    CLASS_RELOWNER, CLASS_RELAM, CLASS_RELFILENODE, CLASS_RELTABLESPACE, CLASS_RELPAGES,
    CLASS_RELTUPLES, CLASS_RELALLVISIBLE, CLASS_RELTOASTRELID, CLASS_RELHASINDEX,
    CLASS_RELISSHARED, CLASS_RELPERSISTENCE, CLASS_RELKIND, CLASS_RELNATTS, CLASS_RELCHECKS,
    CLASS_RELHASRULES, CLASS_RELHASTRIGGERS, CLASS_RELHASSUBCLASS, CLASS_RELROWSECURITY,
    CLASS_RELFORCEROWSECURITY, CLASS_RELISPOPULATED, CLASS_RELREPLIDENT, CLASS_RELISPARTITION,
    CLASS_RELREWRITE, CLASS_RELFROZENXID, CLASS_RELMINMXID, CLASS_RELACL, CLASS_RELOPTIONS,
    CLASS_RELPARTBOUND, CLASS_COLUMN_COUNT = CLASS_RELPARTBOUND,
};
enum { /* pg_attribute */
    ATTRIBUTE_ATTRELID = 1, ATTRIBUTE_ATTNAME, ATTRIBUTE_ATTTYPID, ATTRIBUTE_ATTSTATTARGET,
    ATTRIBUTE_ATTLEN, ATTRIBUTE_ATTNUM, ATTRIBUTE_ATTNDIMS, ATTRIBUTE_ATTCACHEOFF,
    ATTRIBUTE_ATTTYPMOD, ATTRIBUTE_ATTBYVAL, ATTRIBUTE_ATTALIGN, ATTRIBUTE_ATTSTORAGE,
    ATTRIBUTE_ATTCOMPRESSION, ATTRIBUTE_ATTNOTNULL, ATTRIBUTE_ATTHASDEF, ATTRIBUTE_ATTHASMISSING,
    ATTRIBUTE_ATTIDENTITY, ATTRIBUTE_ATTGENERATED, ATTRIBUTE_ATTISDROPPED, ATTRIBUTE_ATTISLOCAL,
    ATTRIBUTE_ATTINHCOUNT, ATTRIBUTE_ATTCOLLATION, ATTRIBUTE_ATTACL, ATTRIBUTE_ATTOPTIONS,
    ATTRIBUTE_ATTFDWOPTIONS, ATTRIBUTE_ATTMISSINGVAL,
    ATTRIBUTE_COLUMN_COUNT = ATTRIBUTE_ATTMISSINGVAL,
};
enum { /* pg_attrdef */
    ATTRDEF_OID = 1, ATTRDEF_ADRELID, ATTRDEF_ADNUM, ATTRDEF_ADBIN,
    ATTRDEF_COLUMN_COUNT = ATTRDEF_ADBIN,
};
enum { /* pg_index */
    INDEX_INDEXRELID = 1, INDEX_INDRELID, INDEX_INDNATTS, INDEX_INDNKEYATTS, INDEX_INDISUNIQUE,
    INDEX_INDNULLSNOTDISTINCT, INDEX_INDISPRIMARY, INDEX_INDISEXCLUSION, INDEX_INDIMMEDIATE,
    INDEX_INDISCLUSTERED, INDEX_INDISVALID, INDEX_INDCHECKXMIN, INDEX_INDISREADY, INDEX_INDISLIVE,
    INDEX_INDISREPLIDENT, INDEX_INDKEY, INDEX_INDCOLLATION, INDEX_INDCLASS, INDEX_INDOPTION,
    INDEX_INDEXPRS, INDEX_INDPRED, INDEX_COLUMN_COUNT = INDEX_INDPRED,
};
enum { /* pg_constraint */
    CONSTRAINT_OID = 1, CONSTRAINT_CONNAME, CONSTRAINT_CONNAMESPACE, CONSTRAINT_CONTYPE,
    CONSTRAINT_CONDEFERRABLE, CONSTRAINT_CONDEFERRED, CONSTRAINT_CONVALIDATED, CONSTRAINT_CONRELID,
    CONSTRAINT_CONTYPID, CONSTRAINT_CONINDID, CONSTRAINT_CONPARENTID, CONSTRAINT_CONFRELID,
    CONSTRAINT_CONFUPDTYPE, CONSTRAINT_CONFDELTYPE, CONSTRAINT_CONFMATCHTYPE,
    CONSTRAINT_CONISLOCAL, CONSTRAINT_CONINHCOUNT, CONSTRAINT_CONNOINHERIT, CONSTRAINT_CONKEY,
    CONSTRAINT_CONFKEY, CONSTRAINT_CONPFEQOP, CONSTRAINT_CONPPEQOP, CONSTRAINT_CONFFEQOP,
    CONSTRAINT_CONFDELSETCOLS, CONSTRAINT_CONEXCLOP, CONSTRAINT_CONBIN,
    CONSTRAINT_COLUMN_COUNT = CONSTRAINT_CONBIN,
};
enum { /* pg_sequence */
    SEQUENCE_SEQRELID = 1, SEQUENCE_SEQTYPID, SEQUENCE_SEQSTART, SEQUENCE_SEQINCREMENT,
    SEQUENCE_SEQMAX, SEQUENCE_SEQMIN, SEQUENCE_SEQCACHE, SEQUENCE_SEQCYCLE,
    SEQUENCE_COLUMN_COUNT = SEQUENCE_SEQCYCLE,
};
enum { /* pg_depend */
    DEPEND_CLASSID = 1, DEPEND_OBJID, DEPEND_OBJSUBID, DEPEND_REFCLASSID, DEPEND_REFOBJID,
    DEPEND_REFOBJSUBID, DEPEND_DEPTYPE, DEPEND_COLUMN_COUNT = DEPEND_DEPTYPE,
};
enum { /* pg_description */
    DESCRIPTION_OBJOID = 1, DESCRIPTION_CLASSOID, DESCRIPTION_OBJSUBID, DESCRIPTION_DESCRIPTION,
    DESCRIPTION_COLUMN_COUNT = DESCRIPTION_DESCRIPTION,
};
enum { /* pg_database */
    DATABASE_OID = 1, DATABASE_DATNAME, DATABASE_DATDBA, DATABASE_ENCODING,
    DATABASE_DATLOCPROVIDER, DATABASE_DATISTEMPLATE, DATABASE_DATALLOWCONN, DATABASE_DATCONNLIMIT,
    DATABASE_DATFROZENXID, DATABASE_DATMINMXID, DATABASE_DATTABLESPACE, DATABASE_DATCOLLATE,
    DATABASE_DATCTYPE, DATABASE_DATICULOCALE, DATABASE_DATCOLLVERSION, DATABASE_DATACL,
    DATABASE_COLUMN_COUNT = DATABASE_DATACL,
};
enum { /* pg_authid */
    AUTHID_OID = 1, AUTHID_ROLNAME, AUTHID_ROLSUPER, AUTHID_ROLINHERIT, AUTHID_ROLCREATEROLE,
    AUTHID_ROLCREATEDB, AUTHID_ROLCANLOGIN, AUTHID_ROLREPLICATION, AUTHID_ROLBYPASSRLS,
    AUTHID_ROLCONNLIMIT, AUTHID_ROLPASSWORD, AUTHID_ROLVALIDUNTIL,
    AUTHID_COLUMN_COUNT = AUTHID_ROLVALIDUNTIL,
};
enum { /* satori_placement */
    PLACEMENT_RELID = 1, PLACEMENT_PARTITION_COLUMN,
    PLACEMENT_COLUMN_COUNT = PLACEMENT_PARTITION_COLUMN,
};
enum { /* satori_statistic */
    STATISTIC_RELID = 1, STATISTIC_NUMBER, STATISTIC_NULL_SHARE, STATISTIC_WIDTH,
    STATISTIC_DISTINCT, STATISTIC_COMMON_VALUES, STATISTIC_COMMON_SHARES, STATISTIC_HISTOGRAM,
    STATISTIC_SAMPLE, STATISTIC_COLUMN_COUNT = STATISTIC_SAMPLE,
};
enum { /* satori_view */
    VIEW_RELID = 1, VIEW_DEFINITION, VIEW_COLUMN_COUNT = VIEW_DEFINITION,
};
/* clang-format on */

enum { CATALOG_COLUMNS_MAX = 33 };
_Static_assert((int)CLASS_COLUMN_COUNT == (int)CATALOG_COLUMNS_MAX, "pg_class is the widest");

/* Nullable columns null, others zero, false or empty. */
void catalog_row_init(const struct table *table, struct value *values);

/* Set a column by its number. Texts are not copied. */
static inline void set_oid(struct value *values, int column, uint32_t oid) {
    values[column - 1].int64 = oid;
    values[column - 1].is_null = false;
}
static inline void set_int(struct value *values, int column, int64_t number) {
    struct value *value = &values[column - 1];
    value->is_null = false;
    if (value->type.id == TYPE_INT2)
        value->int16 = (int16_t)number;
    else if (value->type.id == TYPE_INT4)
        value->int32 = (int32_t)number;
    else
        value->int64 = number;
}
static inline void set_bool(struct value *values, int column, bool truth) {
    values[column - 1].boolean = truth;
    values[column - 1].is_null = false;
}
static inline void set_text(struct value *values, int column, const char *text) {
    values[column - 1].string = slice_of_text(text);
    values[column - 1].is_null = false;
}
/* A "char"; 0 is the empty one. */
void set_letter(struct value *values, int column, char letter);
/* Arrays and vectors of numbers, in `arena`. */
enum status set_int2s(struct value *values, int column, const int16_t *numbers, size_t count,
                      struct arena *arena) MUST_USE;
enum status set_oids(struct value *values, int column, const uint32_t *oids, size_t count,
                     struct arena *arena) MUST_USE;

/* Read a column by its number. */
static inline uint32_t get_oid(const struct value *values, int column) {
    return (uint32_t)values[column - 1].int64;
}
static inline bool get_bool(const struct value *values, int column) {
    return values[column - 1].boolean != 0;
}
static inline char get_letter(const struct value *values, int column) {
    const struct value *value = &values[column - 1];
    return value->is_null || value->string.size == 0 ? '\0' : (char)value->string.data[0];
}
int64_t get_int(const struct value *values, int column);
char *get_text(const struct value *values, int column, struct arena *arena);
/* At most `capacity` numbers; returns how many the array has. */
enum status get_numbers(const struct value *values, int column, int64_t *numbers, size_t capacity,
                        size_t *count_out) MUST_USE;

#endif
