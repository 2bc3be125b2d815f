/*
 * The plan: a bound statement as read-only data that any session may run, on any core, at once.
 *
 * Everything a plan points to lies in the arena of its struct statement (sql.h) or in the schema
 * that the statement retains. Nothing here is ever changed after sql_prepare returned.
 *
 * Rows. Each node yields rows of node->column_count columns of node->columns[i].type. An
 * expression is evaluated over one input row: EXPRESSION_COLUMN n is column n of it. What the
 * input row of each expression is, is said at the node that holds it. "Left ++ right" is the
 * columns of the left child followed by those of the right one.
 *
 * Types. Arguments have exactly the types the kernel expects; every conversion is an
 * EXPRESSION_CAST (value_cast) made by the binder:
 *  - a comparison function gets two values of one type id; numerics in one physical form *and*
 *    one scale; text, varchar, name and unknown count as text for functions that take text (all
 *    are STRING; their bytes are the same), bpchar keeps its own comparison;
 *  - numeric + - % and unary minus: arguments and result in one physical form and one scale, or
 *    all of unknown scale (NUMERIC);
 *  - numeric * : arguments and result in one physical form; the result's scale is the sum of the
 *    arguments' scales, or all are NUMERIC. INT128 forms check against 38 digits (22003);
 *  - other numeric functions: arguments and result NUMERIC; for abs as for unary minus;
 *  - aggregates over numeric: argument in any form; sum of a known scale gives the form that the
 *    aggregate's result type says (INT128, same scale), min and max the argument's own form, all
 *    others NUMERIC.
 *
 * Slots. Values that flow into a subtree from outside (correlated subqueries, LATERAL, index
 * nested loops) are numbered slots of the execution, 0 .. plan->slot_count - 1. Whoever runs the
 * subtree sets them before each run (struct binding); EXPRESSION_SLOT reads one. They are constant
 * during one run of the subtree.
 */
#ifndef SQL_PLAN_H
#define SQL_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "sql/sql_function.h"
#include "table/table.h"
#include "table/table_schema.h"
#include "value/value.h"

/* ---- expressions ------------------------------------------------------------------------ */

enum expression_kind {
    EXPRESSION_NONE,
    EXPRESSION_CONSTANT,  /* value */
    EXPRESSION_COLUMN,    /* index into the input row */
    EXPRESSION_PARAMETER, /* index: $1 is 0 */
    EXPRESSION_SLOT,      /* index of a slot */
    EXPRESSION_CALL,      /* function over arguments; operators are functions */
    EXPRESSION_AND,       /* 2 and more arguments, three-valued */
    EXPRESSION_OR,
    EXPRESSION_NOT,
    EXPRESSION_TEST,     /* test of arguments[0]; never NULL */
    EXPRESSION_DISTINCT, /* arguments[0] IS DISTINCT FROM arguments[1] by function (equality);
                            negated: IS NOT DISTINCT FROM; never NULL */
    EXPRESSION_CASE,     /* arguments: when, then, when, then ..., [else]. Odd count: has else,
                            otherwise NULL. A branch is evaluated only for rows that reach it */
    EXPRESSION_COALESCE, /* lazy as CASE */
    EXPRESSION_NULLIF,   /* NULL when function(arguments[0], arguments[1]) is true, else
                            arguments[2] (the first argument in its own type) */
    EXPRESSION_GREATEST, /* by value_compare, NULLs ignored */
    EXPRESSION_LEAST,
    EXPRESSION_CAST, /* arguments[0] to `type` as value_cast does; is_explicit says which
                        way. Also between two forms of numeric. reg* through the resolver */
    EXPRESSION_IN,   /* arguments[0] = one of arguments[1..] by function (equality), three-
                        valued; negated: NOT IN. list_is_constant: all of the list are
                        constants or parameters, worth a hash */
    EXPRESSION_ANY,  /* arguments[0] function ANY (arguments[1], an array) */
    EXPRESSION_ALL,
    EXPRESSION_ARRAY,       /* ARRAY[...] of `type`; is_nested: the arguments are arrays, each one
                               row of the next dimension */
    EXPRESSION_SUBSCRIPT,   /* arguments[0][arguments[1]][arguments[2]]...; out of range is NULL */
    EXPRESSION_SLICE,       /* arguments[0][arguments[1]:arguments[2]], pairs; an open bound is an
                               argument of kind NONE */
    EXPRESSION_ROW,         /* record of the arguments */
    EXPRESSION_FIELD,       /* field `index` (0 the first) of a record */
    EXPRESSION_ROW_COMPARE, /* (arguments[0..n)) comparison (arguments[n..2n)), n = count / 2, by
                               columns from the left; comparison LT LE GT GE */
    EXPRESSION_SUBPLAN,     /* subplan */

    /* Only between binder and planner; never in a finished plan. */
    EXPRESSION_VARIABLE,
    EXPRESSION_AGGREGATE,
    EXPRESSION_SUBLINK,
    EXPRESSION_GROUPED,
    EXPRESSION_SET_FUNCTION,
    EXPRESSION_DEFAULT,
    EXPRESSION_SPELLED,
};

enum expression_test {
    TEST_NULL,
    TEST_NOT_NULL,
    TEST_TRUE,
    TEST_NOT_TRUE,
    TEST_FALSE,
    TEST_NOT_FALSE,
    TEST_UNKNOWN,
    TEST_NOT_UNKNOWN,
};

enum subplan_kind {
    SUBPLAN_SCALAR, /* the one value; no row: NULL; two rows: 21000 "more than one row returned by
                       a subquery used as an expression" */
    SUBPLAN_EXISTS,
    SUBPLAN_ANY, /* left[0..n) compared with columns [0..n), for some row (IN is = ANY);
                    three-valued. All must be equal, or one must differ, or they are in order. */
    SUBPLAN_ALL,
    SUBPLAN_ROW,   /* the same with the one row, as SCALAR has it */
    SUBPLAN_ARRAY, /* ARRAY(select ...), of type `type` */
};

/* Set slot `slot` to `value` (over the row at hand) before a subtree runs. */
struct binding {
    uint32_t slot;
    const struct expression *value;
};

struct subplan {
    enum subplan_kind kind;
    uint32_t index;                 /* of plan->subplans */
    const struct plan_node *root;   /* = plan->subplans[index] */
    bool is_long;                   /* long enough to travel alone, if the plan may */
    uint32_t binding_count;         /* 0: uncorrelated; run once for the statement, and ANY with
                                       = may be a hash */
    const struct binding *bindings; /* values over the input row of the expression */
    uint32_t left_count;            /* ANY, ALL, ROW */
    struct expression *const *left;
    const struct function *const *functions; /* comparison for each column */
};

struct expression {
    enum expression_kind kind;
    bool negated, is_explicit, is_nested, list_is_constant;
    bool sql_syntax;    /* CALL: written as extract(year from x), not as a plain call; CASE: as
                           CASE x WHEN 1 ... */
    uint8_t test;       /* enum expression_test */
    uint8_t comparison; /* ROW_COMPARE */
    struct type type;
    int32_t location; /* byte offset in the statement's text, -1 unknown; for run-time errors */
    uint32_t index;
    const struct function *function;
    uint32_t argument_count;
    struct expression **arguments;
    /* What it was made of, for texts that are stored as written: of a CONSTANT its cast, of a CALL
       or a CAST the SPELLED name (CURRENT_DATE). NULL: nothing else. */
    const struct expression *written;
    union {
        struct value value;            /* CONSTANT */
        const struct subplan *subplan; /* SUBPLAN */
        struct {                       /* VARIABLE */
            uint32_t level, relation;
            int16_t column;
        } variable;
        struct bound_aggregate *aggregate; /* AGGREGATE, private */
        struct bound_sublink *sublink;     /* SUBLINK, private */
        const char *name;
    };
};
/* Visit every node (children first: false); subqueries' own expressions are not entered. Stops at
   the first true. */
bool expression_walk(const struct expression *expression,
                     bool (*visit)(const struct expression *, void *), void *context);

/* True when evaluating needs no input row (constants, parameters, slots, functions of them). */
bool expression_is_row_free(const struct expression *expression);
/* True when it contains a volatile function. */
bool expression_is_volatile(const struct expression *expression);

/* ---- nodes ------------------------------------------------------------------------------ */

enum plan_node_kind {
    NODE_NONE,
    NODE_RESULT, /* one row without columns; none when `filter` is not true */
    NODE_VALUES,
    NODE_TABLE_SCAN,
    NODE_VIRTUAL_SCAN,
    NODE_FUNCTION_SCAN,
    NODE_CTE_SCAN,
    NODE_INPUT, /* rows fed from outside (COPY FROM), in column order of the table */
    NODE_FILTER,
    NODE_PROJECT,
    NODE_PROJECT_SET,
    NODE_HASH_JOIN,
    NODE_MERGE_JOIN,
    NODE_NESTED_LOOP,
    NODE_AGGREGATE,
    NODE_UNIQUE,
    NODE_SORT,
    NODE_LIMIT,
    NODE_APPEND,
    NODE_SET_OPERATION,
    NODE_LOCK_ROWS,
    NODE_INSERT,
    NODE_UPDATE,
    NODE_DELETE,
};

/* RIGHT_SEMI, RIGHT_ANTI: rows of the right side that have, or have not, a partner; the planner
   makes them of SEMI and ANTI whose left side is the smaller one. */
enum join_kind {
    JOIN_INNER,
    JOIN_LEFT,
    JOIN_RIGHT,
    JOIN_FULL,
    JOIN_SEMI,
    JOIN_ANTI,
    JOIN_RIGHT_SEMI,
    JOIN_RIGHT_ANTI,
};
/* Of the join with the right side as the left one; the kind itself if it has no such. */
static inline enum join_kind join_from_right(enum join_kind kind) {
    return kind == JOIN_RIGHT        ? JOIN_LEFT
           : kind == JOIN_RIGHT_SEMI ? JOIN_SEMI
           : kind == JOIN_RIGHT_ANTI ? JOIN_ANTI
                                     : kind;
}

struct plan_column {
    const char *name;
    struct type type;
    uint32_t table_oid; /* where it comes from unchanged, else 0; for RowDescription */
    int16_t attribute_number;
};

struct sort_key {
    const struct expression *expression; /* over the input row */
    bool descending, nulls_first;
};

/* A condition with its name, for 23514. True and NULL pass. */
struct plan_check {
    const char *name;
    const struct expression *condition; /* over the new row: columns 0 .. column_count - 1 */
};

/* Output column `column` of a row lock target's child holds the table's column `number`. */
struct lock_column {
    uint32_t column;
    int16_t number;
};

struct assignment {
    int16_t column_number;
    const struct expression *value; /* of the column's type */
};

struct plan_aggregate {
    const struct aggregate *aggregate;
    struct type type; /* of the result */
    uint32_t argument_count;
    struct expression *const *arguments; /* over the input row; string_agg: [1] the delimiter */
    bool distinct;
    const struct expression *filter; /* NULL: all rows */
    uint32_t order_count;
    const struct sort_key *order;
};

struct plan_function {
    const struct expression *call; /* CALL; FUNCTION_SET gives rows, SCALAR one row */
    uint32_t column_count;         /* of this function's result: 1, unless function->columns */
};

struct plan_node {
    enum plan_node_kind kind;
    uint32_t id; /* 0 .. plan->node_count - 1; EXPLAIN's figures */
    uint32_t column_count;
    const struct plan_column *columns;
    double rows;                          /* estimated */
    double start_cost, total_cost;        /* in PostgreSQL's units, roughly */
    const struct plan_node *left, *right; /* the only child is `left` */
    union {
        struct { /* RESULT */
            const struct expression *filter;
        } result;
        struct { /* VALUES: expressions without an input row */
            uint32_t row_count;
            struct expression *const *const *rows; /* [row][column] */
        } values;
        struct { /* TABLE_SCAN, VIRTUAL_SCAN */
            const struct table *table;
            const char *alias;
            /* Output column i is table column column_numbers[i] (0: packed row address, bigint;
               -1: tableoid). VIRTUAL_SCAN: also a subset of the columns, by number. */
            const int16_t *column_numbers;
            uint32_t test_column_count; /* the last so many are read by the filter and the index
                                           condition alone */
            const struct expression *filter; /* over the output row; NULL none */
            /* TABLE_SCAN: index, or NULL for all rows. Bounds have exactly the index columns'
               types and no input row; a bound that is NULL gives no rows at all. */
            const struct index *index;
            uint32_t equal_count;
            struct expression *const *equal;
            const struct expression *lower, *upper; /* on the column after; NULL open */
            bool lower_exclusive, upper_exclusive;
            bool backward;
            /* Several equalities on the column after the equal ones (col IN (...)): one index
               scan for each distinct value, NULLs skipped. Excludes lower and upper. */
            uint32_t any_count;
            struct expression *const *any;
            const struct expression *index_condition; /* the same as a predicate */
            double entries_max; /* with more entries than these in the range, reading all rows is
                                   cheaper; looked at once the bounds are known */
            bool is_unique;     /* at most one row: every column of a unique index is in
                                   equal */
            bool ordered;       /* the parent relies on the index order: merge the
                                   partitions' streams by the index columns */
        } scan;
        struct { /* FUNCTION_SCAN: functions side by side, NULL-padded */
            uint32_t function_count;
            const struct plan_function *functions;
            bool ordinality; /* a last bigint column counts rows from 1 */
            const char *alias;
            const struct expression *filter; /* over the output row */
        } function_scan;
        struct { /* CTE_SCAN: rows of plan->ctes[cte], run once, kept */
            uint32_t cte;
            const char *name, *alias;
        } cte_scan;
        struct { /* FILTER: rows for which it is true */
            const struct expression *condition;
        } filter;
        struct { /* PROJECT */
            struct expression *const *expressions;
        } project;
        struct { /* PROJECT_SET: input columns ++ one column for each
                    function; rows until the longest ends, shorter ones
                    NULL; no row when all are empty */
            uint32_t function_count;
            struct expression *const *functions;
        } project_set;
        struct { /* HASH_JOIN: build side is the right child. MERGE_JOIN: both children come in
                    the order of the keys, rows with a NULL among them anywhere */
            enum join_kind kind; /* SEMI, ANTI: rows of the left child; RIGHT_SEMI, RIGHT_ANTI:
                                    of the right one */
            uint32_t key_count;
            struct expression *const *left_keys, *const *right_keys; /* over their child's row;
                                             pairwise one type and physical form; NULL matches
                                             nothing */
            const struct expression *residual; /* over left ++ right; part of the join condition */
            const uint32_t *output; /* output column i is column output[i] of left ++ right
                                       (of left for SEMI, ANTI) */
            bool right_unique;      /* at most one match for each left row */
            /* MERGE_JOIN */
            bool left_unique;
            bool keeps_left;        /* INNER, FULL: of the left rows, all of one key are at hand at
                                       once, and right rows keep their order; else the other way */
            const bool *descending; /* by key */
        } join;
        struct {                            /* NESTED_LOOP: for each left row run the right child */
            enum join_kind kind;            /* INNER, LEFT, SEMI or ANTI */
            uint32_t binding_count;         /* 0: the right child's rows may be kept */
            const struct binding *bindings; /* over the left row */
            const struct expression *residual; /* over left ++ right */
            const uint32_t *output;            /* as for HASH_JOIN */
        } nested_loop;
        struct { /* AGGREGATE: output is keys ++ aggregates. No keys and
                    not is_distinct: one row even without input */
            uint32_t key_count;
            struct expression *const *keys; /* over the input row; NULLs are one group */
            const bool *follows;            /* by key: the others determine it; NULL: none so */
            uint32_t aggregate_count;
            const struct plan_aggregate *aggregates;
            const struct expression *filter; /* HAVING, over the output row */
            bool is_distinct;                /* SELECT DISTINCT: keys only, for EXPLAIN */
            bool ordered; /* rows of a group follow each other, and so will the groups; every key
                             that others do not determine is a column */
        } aggregate;
        struct { /* UNIQUE: first row of each run with equal keys; input
                    is sorted by them (DISTINCT ON) */
            uint32_t key_count;
            struct expression *const *keys;
        } unique;
        struct { /* SORT: stable is not promised */
            uint32_t key_count;
            const struct sort_key *keys;
            const struct expression *limit; /* rows needed at most (LIMIT + OFFSET bound it); may
                                               be NULL; top-n when it is small */
            const struct expression *offset;
        } sort;
        struct { /* LIMIT: bigint without an input row; NULL value: none.
                    Negative: 2201W, 2201X */
            const struct expression *limit, *offset;
        } limit;
        struct { /* APPEND: all rows of each child (left is unused) */
            uint32_t child_count;
            const struct plan_node *const *children;
        } append;
        struct {         /* SET_OPERATION of left and right, rows compared with
                            NULLs equal. UNION is APPEND with AGGREGATE */
            bool except; /* else INTERSECT */
            bool all;
        } set_operation;
        struct { /* LOCK_ROWS: passes the rows of its child that it could
                    lock */
            uint32_t target_count;
            const struct lock_target {
                const struct table *table;
                uint32_t address_column; /* child column with the packed address; NULL value
                                            (outer join): nothing to lock */
                enum key_lock_mode mode;
                enum lock_wait wait;
                uint32_t column_count; /* child columns to refresh from the newest version */
                const struct lock_column *columns;
            } * targets;
            /* Over the child's row (refreshed): must be true for a row that had changed. NULL:
               always. */
            const struct expression *recheck;
        } lock_rows;
        struct { /* INSERT: left yields full rows: column_count columns in
                    order, of the columns' types, defaults filled in,
                    dropped ones NULL. */
            const struct table *table;
            uint32_t check_count;
            const struct plan_check *checks;
            enum conflict_action { CONFLICT_ERROR, CONFLICT_NOTHING, CONFLICT_UPDATE } conflict;
            const struct index *arbiter; /* UPDATE always; NOTHING: NULL means any unique index */
            /* UPDATE: over existing row ++ the row proposed (excluded), column_count each. */
            uint32_t assignment_count;
            const struct assignment *assignments;
            const struct expression *conflict_where;
            /* RETURNING over the new row; the node's columns. NULL: the node has none. */
            struct expression *const *returning;
        } insert;
        struct { /* UPDATE, DELETE. Left yields rows with the target's
                    packed address in address_column. The row is locked;
                    "target row" below is its newest version (all
                    column_count columns). Expressions are over
                    target row ++ left's row. */
            const struct table *table;
            uint32_t address_column;
            uint32_t assignment_count;
            const struct assignment *assignments;
            /* To be true when the row changed since the snapshot (READ COMMITTED); NULL: always. */
            const struct expression *recheck;
            uint32_t check_count; /* over the new row alone */
            const struct plan_check *checks;
            /* RETURNING over new (DELETE: old) row ++ left's row. NULL: none. */
            struct expression *const *returning;
        } modify;
    };
};

/* The short path: one row of one table by all columns of a unique index. */
enum point_kind { POINT_NONE, POINT_SELECT, POINT_UPDATE, POINT_DELETE };
struct plan_point {
    enum point_kind kind;
    const struct table *table;
    const struct index *index;
    struct expression *const *key; /* index->column_count, of the columns' types, row-free;
                                      a NULL key finds nothing */
    /* SELECT: expressions over the row of column_numbers[0..column_count). UPDATE and DELETE: the
       root node's modify has everything; the row is the target row alone (no FROM). */
    uint32_t column_count;
    const int16_t *column_numbers;
    const struct expression *filter; /* what is left of WHERE, over the same row; for UPDATE
                                        and DELETE over the full target row. May be NULL */
    uint32_t output_count;
    struct expression *const *output; /* SELECT */
};

struct plan_lock {
    uint32_t oid;
    enum relation_lock_mode mode;
};

struct plan {
    const struct plan_node *root;
    uint32_t node_count, slot_count;
    uint32_t subplan_count;
    const struct plan_node *const *subplans;
    uint32_t cte_count;
    const struct plan_node *const *ctes; /* a CTE may scan CTEs with smaller numbers */
    const char *const *cte_names;
    /* Result columns = the root's columns. The root of a statement without result has none. */
    bool is_read_only; /* changes no rows, locks none, calls no nextval */
    bool may_travel;   /* it reads only, and nothing in it needs the session's own core */
    bool travels;      /* that, and it is a long query even without its subplans */
    struct plan_point point;
    uint32_t lock_count; /* relation locks to take before a snapshot */
    const struct plan_lock *locks;
    const struct expression *at_fault; /* row-free and immutable: to be evaluated before anything
                                          else, to raise its error. NULL: none */
};

#endif
