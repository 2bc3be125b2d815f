/*
 * FROM and WHERE as a join problem (private to the planner).
 *
 *     join_item tree  --plan_from.c-->  groups of inner-joined items with their conditions,
 *                                       operators (outer, semi- and anti-joins) between groups
 *     groups          --plan_unnest.c-> subqueries of conditions have become operators and items
 *     groups          --plan_from.c-->  a hypergraph: leaves, operators with what they need,
 *                                       filters
 *     hypergraph      --plan_order.c--> the cheapest tree of joins
 *
 * Sets of relations are masks by relation number. An join may join S1 and S2 when its left
 * eligibility set lies in S1 and the right one in S2, and no conflict rule is broken (CD-C of
 * Moerkotte, Fender, Eich: "On the correct and complete enumeration of the core search space",
 * SIGMOD 2013). Difference: the right side of an outer, semi- or anti-join is always complete
 * before it is joined, so rules come from operators on the left only.
 */
#ifndef SQL_PLAN_GRAPH_H
#define SQL_PLAN_GRAPH_H

#include "sql/plan.h"

/* If any of `from` is there, all of `to` must be. */
struct join_rule {
    uint64_t from, to;
};

struct join_group;

struct join_operator {
    enum join_kind kind;
    struct join_group *left, *right; /* NULL left: the group so far; an inner edge has neither */
    uint64_t left_relations, right_relations; /* all that can be on its sides; 0: inner edge */
    uint64_t left_set, right_set;             /* eligibility */
    uint32_t condition_count;
    struct expression **conditions; /* all must hold */
    uint32_t class_number;          /* inner edge between two members of an equality class, from 1;
                                       conditions are then taken from the class */
    uint32_t rule_count;
    struct join_rule *rules;
};

struct join_member {
    bool is_operator;
    uint32_t relation;
    struct join_operator *join;
    uint64_t relations;
};

/* Inner-joined members, then operators stacked on them in order, and conditions about the result
   of all. */
struct join_group {
    uint32_t member_count, member_capacity;
    struct join_member *members;
    uint32_t operator_count, operator_capacity;
    struct join_operator **operators;
    uint32_t qual_count, qual_capacity;
    struct qual *quals;
    uint64_t all;       /* relations below, once they are in the graph */
    uint64_t relations; /* of members and of right sides of outer operators: what can be seen */
    bool is_nested;     /* a side of an operator */
    uint64_t nullable;  /* those of them that an outer join may have filled with NULLs */
};

/* Expressions that are equal in every row of a group, all VARIABLEs. */
struct equality_class {
    uint32_t count, capacity;
    struct expression **members;
    const struct function *function;
    const struct expression *constant; /* the same as this; NULL: none */
};

struct join_filter {
    struct expression *condition;
    uint64_t needs;
    double selectivity;
};

struct join_graph {
    struct frame *frame;
    uint64_t relations;
    struct path leaves[RELATIONS_MAX]; /* by relation number */
    uint32_t operator_count, operator_capacity;
    struct join_operator **operators;
    uint32_t filter_count, filter_capacity;
    struct join_filter *filters;
    uint32_t class_count, class_capacity;
    struct equality_class *classes;
    struct expression *constant_filter; /* conditions without a relation */
};

static inline uint64_t relation_bit(uint32_t relation) {
    return UINT64_C(1) << relation;
}
static inline bool set_within(uint64_t inner, uint64_t outer) {
    return (inner & ~outer) == 0;
}

/* ---- groups (plan_from.c) --------------------------------------------------------------- */

struct join_group *group_new(struct planner *p);
enum status group_add_relation(struct planner *p, struct join_group *group, uint32_t relation)
    MUST_USE;
/* FROM of some query; its relations are the frame's. Conditions of inner joins become quals. */
enum status group_add_from(struct planner *p, struct join_group *group, uint32_t count,
                           struct join_item **items) MUST_USE;
/* Split at AND; what ORs have in common is taken out (plan_infer.c). */
enum status group_add_quals(struct planner *p, struct join_group *group,
                            struct expression *condition) MUST_USE;
enum status group_add_qual(struct planner *p, struct join_group *group, struct qual qual) MUST_USE;
/* Stack an join; its right group is complete. */
enum status group_add_operator(struct planner *p, struct join_group *group, enum join_kind kind,
                               struct join_group *right, uint32_t count,
                               struct expression **conditions) MUST_USE;
/* The condition is not true when all columns of `relations` are NULL. */
bool plan_rejects_nulls(const struct expression *expression, uint64_t relations);

/* Turn what can be turned of the subqueries in the group's quals into operators and members. */
enum status plan_unnest(struct frame *frame, struct join_group *group) MUST_USE;

/* ---- inference (plan_infer.c) ----------------------------------------------------------- */

/* Conjuncts that all arms of an OR share, and for each relation the OR of what the arms say about
   it alone, as quals of the group. *rest: the OR without what is shared; NULL: nothing is left. */
enum status plan_factor_or(struct planner *p, struct join_group *group, struct expression * or,
                           struct expression **rest) MUST_USE;
/* Take `a = b` of two variables into the classes. May add quals to the group. */
enum status plan_class_add(struct join_graph *graph, struct join_group *group,
                           struct expression *equality) MUST_USE;
/* `variable = constant` for every member of a class that one is known for. */
enum status plan_class_constants(struct join_graph *graph, struct join_group *group) MUST_USE;
/* Rows of the right side of an outer, semi- or anti-join that can meet a left row with a constant
   in an equated column have that constant, too: quals of the right group. */
enum status plan_constants_across(struct join_graph *graph, const struct join_group *group,
                                  struct join_operator *join) MUST_USE;
/* Is it an equality of two plain variables of different relations? */
bool plan_is_class_equality(const struct expression *condition);

/* ---- order (plan_order.c) --------------------------------------------------------------- */

enum status plan_order(struct join_graph *graph, struct path *path) MUST_USE;
/* The same, but where ORDER BY and LIMIT want few rows in an order that an index has, joins that
   keep it if they are cheaper (plan_ordered.c). */
enum status plan_order_or_few(struct join_graph *graph, struct path *path) MUST_USE;

/* ---- joins (plan_join.c) ---------------------------------------------------------------- */

double plan_join_rows(struct frame *frame, enum join_kind kind, double left_rows, double right_rows,
                      uint64_t right_relations, uint32_t count, struct expression **conditions);
/* Cost of joining them in this order, without what the inputs cost; *loop_out: by an index lookup
   for each left row, so that the right input costs nothing. */
double plan_join_cost(struct frame *frame, enum join_kind kind, double left_rows,
                      const struct path *right, double right_rows, double right_cost, double rows,
                      uint32_t count, struct expression **conditions, uint64_t left_relations,
                      uint64_t right_relations);
enum status plan_join_paths(struct frame *frame, enum join_kind kind, struct path *left,
                            struct path *right, uint32_t count, struct expression **conditions,
                            double rows, struct path *path) MUST_USE;

#endif
