/*
 * Builtin functions, operators, aggregates and casts: static tables with PostgreSQL's oids, made
 * from the .def files. Read-only, any core.
 */
#ifndef SQL_FUNCTION_H
#define SQL_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "value/value_cast.h"
#include "value/value_type.h"

/* T_int4, T__text ...: type ids by pg_type.typname, for the .def files and code about functions. */
enum sql_type_name {
    T_none = 0,
#define SQL_TYPE(name, oid) T_##name = oid,
#include "sql/types.def"
#undef SQL_TYPE
};

enum { FUNCTION_ARGUMENTS_MAX = 8 };

enum function_volatility { FUNCTION_IMMUTABLE, FUNCTION_STABLE, FUNCTION_VOLATILE };
enum function_nulls { FUNCTION_CALLED_ON_NULL, FUNCTION_STRICT };
enum function_shape {
    FUNCTION_SCALAR,
    FUNCTION_SET,            /* returns rows */
    FUNCTION_VARIADIC_ANY,   /* the last argument repeats with any types */
    FUNCTION_VARIADIC_ARRAY, /* the last argument is an array that may be given loose */
};
enum comparison {
    COMPARISON_NONE,
    COMPARISON_EQ,
    COMPARISON_NE,
    COMPARISON_LT,
    COMPARISON_LE,
    COMPARISON_GT,
    COMPARISON_GE
};

/* Of a function that returns rows of several columns. */
struct function_column {
    const char *name;
    uint32_t type;
};

/* One line of functions.def or comparisons.def. The table is functions.def, mixed-width lines
   included, followed by comparisons.def; `index` is the place in it. */
struct function {
    uint32_t oid;
    const char *name;   /* as called: "upper" */
    const char *symbol; /* kernel: exec_fn_<symbol>; for comparisons the function's name */
    uint32_t result;
    uint8_t nulls, volatility, shape;
    uint8_t comparison; /* enum comparison; NONE: an ordinary function */
    uint8_t argument_count;
    uint16_t arguments[FUNCTION_ARGUMENTS_MAX];
    const char *same; /* arithmetic between two widths: symbol that does it after casts; never in
                         a plan. NULL otherwise */
    uint16_t index;   /* place in the table */
    /* SET whose rows have these columns (the result type is record); only in FROM. */
    uint8_t column_count; /* 0: rows of one value */
    const struct function_column *columns;
};

struct aggregate {
    uint32_t oid;
    const char *name, *symbol; /* accumulator: exec_agg_<symbol> */
    uint32_t result;
    bool empty_is_zero; /* count: no rows give 0, not NULL */
    uint8_t argument_count;
    uint16_t arguments[2];
    uint16_t index;
};

struct operator{
    uint32_t oid;
    const char *name;
    uint32_t left, right; /* left T_none: prefix operator */
    uint32_t result;
    uint32_t function_oid, commutator_oid, negator_oid;
};

size_t function_count(void);
const struct function *function_at(size_t index);
const struct function *function_by_oid(uint32_t oid);
/* The first function with this kernel, NULL when there is none. */
const struct function *function_by_symbol(const char *symbol);
size_t aggregate_count(void);
const struct aggregate *aggregate_at(size_t index);
const struct aggregate *aggregate_by_oid(uint32_t oid);
size_t operator_count(void);
const struct operator* operator_at(size_t index);

/* The comparison of two values of type `type_id` (equality for hash keys, order for sorting);
   NULL when the type has none. Strings give text's, arrays array_eq's. */
const struct function *comparison_function(enum comparison comparison, uint32_t type_id);

#endif
