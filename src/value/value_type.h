/*
 * SQL types: identity, PostgreSQL's facts about each, and the physical form of their values.
 *
 * A type id *is* PostgreSQL's OID of that type, so nothing is ever translated on the wire or in
 * the catalog. Types that satori knows by itself are in one static table (struct type_info).
 *
 * struct type says what an expression or a column yields:
 *
 *   id         which type
 *   modifier   PostgreSQL's typmod, what clients and the catalog see: ((p << 16) | s) + 4 for
 *              numeric(p, s), n + 4 for varchar(n) and char(n), the fractional digits for
 *              time/timestamp, -1 for none
 *   precision, scale
 *              for numeric only, never shown to clients: when precision > 0, every value of the
 *              expression is finite, has exactly `scale` digits after the point and at most
 *              `precision` digits in all. 0: nothing is known (scale is then 0 too).
 *
 * Physical form is a function of struct type (type_physical) and of nothing else:
 *
 *   numeric, 1 <= precision <= 18     INT64, value * 10^scale
 *   numeric, 19 <= precision <= 38    INT128, value * 10^scale
 *   numeric, precision == 0           NUMERIC, struct numeric with its own scale (and NaN, inf)
 *
 * type_numeric(p, s) makes the declared numeric(p, s) with its modifier and derived fields.
 * numeric(p, s) with p > 38 (or a scale out of 0..38 that does not fit) stays NUMERIC, and so does
 * everything derived from it. A value of numeric type is always in the form that its struct type
 * says; converting between two numeric struct types is a cast (value_cast.h).
 *
 * oid, xid and the reg* types are INT64 (0 .. 2^32-1), so that they compare as numbers. "char",
 * name, unknown, cstring, pg_node_tree and aclitem are STRING; arrays, int2vector, oidvector and
 * record are STRING with an encoded body (value_array.h). tid is INT64: block << 16 | offset.
 */
#ifndef VALUE_TYPE_H
#define VALUE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_buffer.h"
#include "base/base_slice.h"
#include "base/base_status.h"

/* X(enum suffix, oid, array oid, typname, SQL name, length, alignment, category, preferred,
     physical). Array types follow from the array oid. Category and alignment are PostgreSQL's
     letters. length: bytes, -1 variable, -2 C string. Length 1, 2, 4, 8 is passed by value. */
#define TYPE_TABLE(X)                                                                              \
    X(BOOL, 16, 1000, "bool", "boolean", 1, 'c', 'B', true, BOOL)                                  \
    X(BYTEA, 17, 1001, "bytea", "bytea", -1, 'i', 'U', false, STRING)                              \
    X(CHAR, 18, 1002, "char", "\"char\"", 1, 'c', 'Z', false, STRING)                              \
    X(NAME, 19, 1003, "name", "name", 64, 'c', 'S', false, STRING)                                 \
    X(INT8, 20, 1016, "int8", "bigint", 8, 'd', 'N', false, INT64)                                 \
    X(INT2, 21, 1005, "int2", "smallint", 2, 's', 'N', false, INT16)                               \
    X(INT2VECTOR, 22, 1006, "int2vector", "int2vector", -1, 'i', 'A', false, STRING)               \
    X(INT4, 23, 1007, "int4", "integer", 4, 'i', 'N', false, INT32)                                \
    X(REGPROC, 24, 1008, "regproc", "regproc", 4, 'i', 'N', false, INT64)                          \
    X(TEXT, 25, 1009, "text", "text", -1, 'i', 'S', true, STRING)                                  \
    X(OID, 26, 1028, "oid", "oid", 4, 'i', 'N', true, INT64)                                       \
    X(TID, 27, 1010, "tid", "tid", 6, 's', 'U', false, INT64)                                      \
    X(XID, 28, 1011, "xid", "xid", 4, 'i', 'U', false, INT64)                                      \
    X(CID, 29, 1012, "cid", "cid", 4, 'i', 'U', false, INT64)                                      \
    X(OIDVECTOR, 30, 1013, "oidvector", "oidvector", -1, 'i', 'A', false, STRING)                  \
    X(PG_NODE_TREE, 194, 0, "pg_node_tree", "pg_node_tree", -1, 'i', 'Z', false, STRING)           \
    X(FLOAT4, 700, 1021, "float4", "real", 4, 'i', 'N', false, FLOAT32)                            \
    X(FLOAT8, 701, 1022, "float8", "double precision", 8, 'd', 'N', true, FLOAT64)                 \
    X(UNKNOWN, 705, 0, "unknown", "unknown", -2, 'c', 'X', false, STRING)                          \
    X(ACLITEM, 1033, 1034, "aclitem", "aclitem", 12, 'i', 'U', false, STRING)                      \
    X(BPCHAR, 1042, 1014, "bpchar", "character", -1, 'i', 'S', false, STRING)                      \
    X(VARCHAR, 1043, 1015, "varchar", "character varying", -1, 'i', 'S', false, STRING)            \
    X(DATE, 1082, 1182, "date", "date", 4, 'i', 'D', false, INT32)                                 \
    X(TIME, 1083, 1183, "time", "time without time zone", 8, 'd', 'D', false, INT64)               \
    X(TIMESTAMP, 1114, 1115, "timestamp", "timestamp without time zone", 8, 'd', 'D', false,       \
      INT64)                                                                                       \
    X(TIMESTAMPTZ, 1184, 1185, "timestamptz", "timestamp with time zone", 8, 'd', 'D', true,       \
      INT64)                                                                                       \
    X(INTERVAL, 1186, 1187, "interval", "interval", 16, 'd', 'T', true, INTERVAL)                  \
    X(NUMERIC, 1700, 1231, "numeric", "numeric", -1, 'i', 'N', false, NUMERIC)                     \
    X(REGPROCEDURE, 2202, 2207, "regprocedure", "regprocedure", 4, 'i', 'N', false, INT64)         \
    X(REGOPER, 2203, 2208, "regoper", "regoper", 4, 'i', 'N', false, INT64)                        \
    X(REGOPERATOR, 2204, 2209, "regoperator", "regoperator", 4, 'i', 'N', false, INT64)            \
    X(REGCLASS, 2205, 2210, "regclass", "regclass", 4, 'i', 'N', false, INT64)                     \
    X(REGTYPE, 2206, 2211, "regtype", "regtype", 4, 'i', 'N', false, INT64)                        \
    X(RECORD, 2249, 2287, "record", "record", -1, 'd', 'P', false, STRING)                         \
    X(CSTRING, 2275, 1263, "cstring", "cstring", -2, 'c', 'P', false, STRING)                      \
    X(ANY, 2276, 0, "any", "\"any\"", 4, 'i', 'P', false, STRING)                                  \
    X(ANYARRAY, 2277, 0, "anyarray", "anyarray", -1, 'd', 'P', false, STRING)                      \
    X(VOID, 2278, 0, "void", "void", 4, 'i', 'P', false, STRING)                                   \
    X(TRIGGER, 2279, 0, "trigger", "trigger", 4, 'i', 'P', false, STRING)                          \
    X(INTERNAL, 2281, 0, "internal", "internal", 8, 'd', 'P', false, STRING)                       \
    X(ANYELEMENT, 2283, 0, "anyelement", "anyelement", 4, 'i', 'P', false, STRING)                 \
    X(ANYNONARRAY, 2776, 0, "anynonarray", "anynonarray", 4, 'i', 'P', false, STRING)              \
    X(UUID, 2950, 2951, "uuid", "uuid", 16, 'c', 'U', false, UUID)                                 \
    X(ANYENUM, 3500, 0, "anyenum", "anyenum", 4, 'i', 'P', false, STRING)                          \
    X(REGNAMESPACE, 4089, 4090, "regnamespace", "regnamespace", 4, 'i', 'N', false, INT64)         \
    X(REGROLE, 4096, 4097, "regrole", "regrole", 4, 'i', 'N', false, INT64)                        \
    X(REGCOLLATION, 4191, 4192, "regcollation", "regcollation", 4, 'i', 'N', false, INT64)         \
    X(ANYCOMPATIBLE, 5077, 0, "anycompatible", "anycompatible", 4, 'i', 'P', false, STRING)        \
    X(ANYCOMPATIBLEARRAY, 5078, 0, "anycompatiblearray", "anycompatiblearray", -1, 'd', 'P',       \
      false, STRING)                                                                               \
    X(ANYCOMPATIBLENONARRAY, 5079, 0, "anycompatiblenonarray", "anycompatiblenonarray", 4, 'i',    \
      'P', false, STRING)

enum type_id {
    TYPE_NONE = 0,
#define TYPE_ENUM(suffix, oid, array, ...) TYPE_##suffix = oid,
    TYPE_TABLE(TYPE_ENUM)
#undef TYPE_ENUM
    /* The arrays that code names. */
    TYPE_BOOL_ARRAY = 1000,
    TYPE_CHAR_ARRAY = 1002,
    TYPE_NAME_ARRAY = 1003,
    TYPE_INT2_ARRAY = 1005,
    TYPE_INT4_ARRAY = 1007,
    TYPE_TEXT_ARRAY = 1009,
    TYPE_INT8_ARRAY = 1016,
    TYPE_OID_ARRAY = 1028,
    TYPE_ACLITEM_ARRAY = 1034,
    TYPE_ID_LIMIT = 8192, /* every id of the static table is below */
};

/* How a value lies in memory. Zero is not a form. */
enum physical {
    PHYSICAL_NONE,
    PHYSICAL_BOOL,     /* uint8_t, 0 or 1 */
    PHYSICAL_INT16,    /* int16_t */
    PHYSICAL_INT32,    /* int32_t */
    PHYSICAL_INT64,    /* int64_t */
    PHYSICAL_INT128,   /* __int128 */
    PHYSICAL_FLOAT32,  /* float */
    PHYSICAL_FLOAT64,  /* double */
    PHYSICAL_STRING,   /* struct string, value.h */
    PHYSICAL_INTERVAL, /* struct interval, value.h */
    PHYSICAL_UUID,     /* struct uuid, value.h */
    PHYSICAL_NUMERIC,  /* struct numeric, value.h */
    PHYSICAL_COUNT,
};

struct type {
    uint32_t id;      /* enum type_id */
    int32_t modifier; /* typmod, -1 none */
    uint8_t precision, scale;
    uint16_t reserved; /* zero */
};

/* A type without modifier. TYPE_OF(INT4) */
#define TYPE_OF(suffix) ((struct type){.id = TYPE_##suffix, .modifier = -1})

struct type_info {
    uint32_t id;         /* TYPE_... = OID */
    uint32_t array_id;   /* of the array over this type; 0 none */
    uint32_t element_id; /* arrays and vectors: of an element (name has "char"); else 0 */
    const char *typname; /* "int4" */
    const char *name;    /* as format_type without modifier: "integer" */
    int16_t length;      /* pg_type.typlen */
    bool by_value, preferred, is_array, is_pseudo;
    char category, alignment, delimiter, storage; /* PostgreSQL's letters */
    uint32_t collation;     /* pg_type.typcollation: 100 default, 950 C, 0 none */
    enum physical physical; /* numeric without known scale: NUMERIC */
};

/* NULL when the id is not in the table. */
const struct type_info *type_info(uint32_t id);
/* The same for an id that is known to be good. */
const struct type_info *type_info_get(uint32_t id);
/* By pg_type.typname ("int4", "_int4"); NULL when unknown. */
const struct type_info *type_by_typname(struct slice typname);
/* The whole table, arrays too: index 0 .. type_info_count()-1, in no particular order. */
size_t type_info_count(void);
const struct type_info *type_info_at(size_t index);

static inline struct type type_plain(uint32_t id) {
    return (struct type){.id = id, .modifier = -1};
}

/* A type by id and client-visible modifier: fills the derived fields of numeric. This is how the
   catalog and the binder make types. */
struct type type_make(uint32_t id, int32_t modifier);

/* Declared numeric(p, s): 1 <= p <= 1000, -1000 <= s <= 1000 (checked by the caller). */
struct type type_numeric(int precision, int scale);
/* Expression of numeric type with known scale and digits, no visible modifier. When precision is
   over 38 or scale is out of range, nothing is known. */
struct type type_numeric_derived(int precision, int scale);
/* precision and scale in a numeric modifier; false for -1. */
bool type_numeric_modifier(int32_t modifier, int *precision_out, int *scale_out);

/* Same id, modifier and derived fields. */
static inline bool type_equal(struct type a, struct type b) {
    return a.id == b.id && a.modifier == b.modifier && a.precision == b.precision &&
           a.scale == b.scale;
}

/* Form by id, where it is not STRING; and bytes of one value in a vector by form. */
extern const uint8_t type_physical_table[TYPE_ID_LIMIT];
extern const uint8_t physical_size_table[PHYSICAL_COUNT];

static inline enum physical type_physical(struct type type) {
    if (type.precision > 0) /* only numerics have it */
        return type.precision <= 18 ? PHYSICAL_INT64 : PHYSICAL_INT128;
    uint8_t physical = type.id < TYPE_ID_LIMIT ? type_physical_table[type.id] : 0;
    return physical != 0 ? (enum physical)physical : PHYSICAL_STRING; /* arrays */
}
/* Bytes of one value in a vector. */
static inline size_t physical_size(enum physical physical) {
    return physical_size_table[physical];
}

/* text, varchar, bpchar, name, unknown: values that are characters. */
bool type_is_string(uint32_t id);
/* oid and the reg* types. */
bool type_is_oid_like(uint32_t id);

/* format_type(): "character varying(10)", "numeric(10,2)", "timestamp(3) with time zone",
   "integer[]". An unknown id gives "???". */
void type_format(struct type type, struct buffer *buffer);
/* The same into an arena-free fixed buffer, cut if need be; returns `text`. For messages. */
enum { TYPE_NAME_SIZE = 96 };
const char *type_name(struct type type, char text[TYPE_NAME_SIZE]);

#endif
