/*
 * The planner's inside.
 *
 * A *layout* says what each column of a node's row stands for: an expression of the query
 * (usually a VARIABLE; an aggregate or a grouping expression above an Aggregate). resolve() turns
 * a bound expression into one over that row: what equals an item becomes a COLUMN, a variable of
 * an outer query a SLOT.
 *
 * A *path* is a planned subtree with its layout, the relations in it and its estimated rows.
 */
#ifndef SQL_PLAN_PRIVATE_H
#define SQL_PLAN_PRIVATE_H

#include "sql/bind.h"

struct outer_binding {
    uint32_t slot;
    struct expression *variable; /* of the query outside, level 0 or more */
};

struct outer_list {
    uint32_t count, capacity;
    struct outer_binding *items;
};

struct layout {
    uint32_t count;
    struct expression **items;
    struct outer_list *outer; /* takes variables of other relations; NULL: none allowed */
};

/* Units of cost: reading a row in a scan is 0.03. */
#define COST_SCAN 0.03
#define COST_LOOKUP 1.5 /* finding a key in an index and fetching a row */
/* Fetching a row out of a cold block: its header and a chunk for each column are opened for it.
   Measured at 12 to 30 us, when reading a row in a scan of blocks is a few ns. */
#define COST_LOOKUP_COLD 20
enum { LOOKUPS_CHEAP = 10 }; /* so few are not compared with a scan: there are few rows at all */

/* Of a plan that takes a millisecond or more: to be run beside the sessions' core. */
#define COST_WORTH_TRAVEL 2000

struct planner {
    struct binder *b;
    struct plan *plan;
    bool needs_session; /* a node of the plan is for the session's core alone */
    uint32_t subplan_capacity, cte_capacity;
    const struct plan_node **subplans, **ctes;
    const char **cte_names;
    struct sample_column *samples; /* statistics read so far (plan_estimate.c) */
    struct known_share *shares;
};

/* One query being planned. */
struct frame {
    struct planner *p;
    struct query *query;
    struct frame *parent;
    bool is_relation;        /* a subquery in FROM: outer variables beyond one level are the
                                parent's business */
    struct outer_list outer; /* variables of the parent's query that this one uses */
};

/* Not those made after the snapshot that the statement will run at: as a way to rows they miss old
   versions, and what they promise to be unique may not have been. */
static inline bool plan_index_usable(const struct frame *frame, const struct index *index) {
    uint64_t snapshot = frame->p->b->options->index_snapshot.value;
    return snapshot == 0 || index->usable_from.value <= snapshot;
}

struct path {
    struct plan_node *node;
    struct layout layout;
    uint64_t relations;
    double rows;
    int relation;              /* the one base relation, or -1 */
    struct expression **quals; /* of a base table: conditions that its scan applies */
    uint32_t qual_count;
    uint64_t needs;              /* lateral: relations that must be on the left */
    struct outer_list *bindings; /* lateral: to be set for each left row */
};

struct qual {
    struct expression *expression;
    uint64_t relations;
    bool done;
    bool is_late; /* dear: to be tested when all joins have been made */
};

/* A copy with other variables (plan_copy.c). `variable` gets each VARIABLE and how many queries
   deep it lies in what is copied: its level is below, equal to or above that depth. */
struct variable_map {
    struct planner *p;
    enum status (*variable)(struct variable_map *map, const struct expression *variable,
                            uint32_t depth, struct expression **out);
    uint32_t base; /* of relation numbers */
    void *context;
};
enum status plan_map(struct variable_map *map, const struct expression *expression, uint32_t depth,
                     struct expression **out) MUST_USE;
enum status plan_map_items(struct variable_map *map, uint32_t count, struct join_item **items,
                           uint32_t depth, struct join_item ***out) MUST_USE;
enum status plan_map_relation(struct variable_map *map, const struct relation *from, uint32_t depth,
                              struct relation **out) MUST_USE;
enum status plan_copy_query(struct planner *p, const struct query *query, struct query **out)
    MUST_USE;

enum status plan_node_new(struct planner *p, enum plan_node_kind kind, const struct layout *layout,
                          double rows, struct plan_node **node_out) MUST_USE;
enum status plan_resolve(struct frame *frame, const struct layout *layout,
                         const struct expression *expression, struct expression **out) MUST_USE;
/* `expression` is fresh and its arguments are folded. What fails stays unfolded; the plan keeps the
   first constant expression whose data are at fault (plan->at_fault). */
enum status plan_fold(struct planner *p, struct expression *expression, struct expression **out)
    MUST_USE;
enum status plan_slot(struct planner *p, struct outer_list *list, const struct expression *variable,
                      uint32_t *slot_out) MUST_USE;
/* Bindings of `list`, their values over `layout`. */
enum status plan_bindings(struct frame *frame, const struct layout *layout,
                          const struct outer_list *list, uint32_t *count_out,
                          const struct binding **bindings_out) MUST_USE;
enum status plan_subquery(struct planner *p, struct query *query, struct frame *parent,
                          bool is_relation, struct frame *frame, struct plan_node **node_out)
    MUST_USE;
/* Nobody reads the columns of EXISTS (SELECT ...): they become NULL, so that they are not computed.
   Not where they decide which rows there are. */
void plan_forget_targets(struct planner *p, struct query *query);
/* The same for the columns of a subquery in FROM that the query around it does not read. used: as
   in struct relation. */
void plan_forget_unused(struct planner *p, struct query *query, const bool *used);
/* With all below it; nothing is resolved. */
enum status plan_fold_tree(struct planner *p, const struct expression *expression,
                           struct expression **out) MUST_USE;
/* The integer expression under an implicit widening cast; NULL: there is none. */
const struct expression *plan_widened(const struct expression *expression);
/* The bound of the narrow type that stands for `narrow column <comparison> wide`, always inclusive
   (> and < are moved by one). NULL at run time: no row can match. NULL: no memory. */
struct expression *plan_narrow_bound(struct planner *p, struct type narrow, struct expression *wide,
                                     enum comparison comparison);
/* The same for every item of IN over a widened column; NULL when that cannot be. */
struct expression *plan_narrow_list(struct planner *p, const struct expression *list);
uint64_t plan_relations_of(const struct expression *expression);
/* Split at AND into *count_out conjuncts, folded. */
enum status plan_conjuncts(struct planner *p, struct expression *expression, uint32_t *count_out,
                           struct expression ***out) MUST_USE;
struct expression *plan_and_all(struct planner *p, uint32_t count, struct expression **items);

/* Scan of one relation under the conditions `quals` (all about it; with `outer`, also about
   relations that are already on the left). */
enum status plan_relation(struct frame *frame, uint32_t relation, uint32_t count,
                          struct expression **quals, struct outer_list *outer,
                          struct path *path_out) MUST_USE;
/* Rows that an index lookup on `quals` gives; negative when no index fits an equality. */
double plan_index_rows(struct frame *frame, uint32_t relation, uint32_t count,
                       struct expression **quals);
/* Share of the relation's rows that satisfy all of the quals. */
double plan_scan_selectivity(struct frame *frame, uint32_t relation, uint32_t count,
                             struct expression **quals);
/* Groups that follow from others, as columns of a relation do whose key is among them; by group,
   NULL if there are none. */
enum status plan_followers(struct frame *frame, const bool **follows_out) MUST_USE;
/* Of finding one row of the table through an index. */
double plan_lookup_cost(const struct binder *b, const struct table *table);
double plan_group_count(struct frame *frame, uint32_t count, struct expression *const *keys,
                        double rows);
const struct expression *plan_strip_casts(const struct expression *expression);
/* NULL: none, or not a column of a table. */
const struct table_column_statistics *plan_column_statistics(const struct frame *frame,
                                                             const struct expression *variable);
/* A list of statistics in values of the column's type; read once for the statement. count 0: none.
 */
struct sample_column {
    struct sample_column *next;
    const void *body; /* of the list; identifies it */
    uint32_t count;
    struct value *values;
};
const struct sample_column *plan_statistics_list(struct planner *p, struct slice body,
                                                 struct type type);
/* plan_range.c: of `column < constant` and its kin, by the histogram; false: not to be told. */
bool plan_bound_share(struct frame *frame, const struct expression *qual, double *share_out);
/* Of a lower and an upper bound of one column together, also when they are parameters. */
bool plan_range_share(struct frame *frame, const struct expression *a, const struct expression *b,
                      double *share_out);
double plan_selectivity(struct frame *frame, const struct expression *qual);
double plan_distinct_values(struct frame *frame, const struct expression *expression);
/* All of FROM and WHERE. */
enum status plan_from(struct frame *frame, struct path *path_out) MUST_USE;
enum status plan_filter(struct frame *frame, struct path *path, struct expression *condition)
    MUST_USE;
/* GROUP BY and aggregates; functions that return rows. */
enum status plan_aggregate(struct frame *frame, struct path *path) MUST_USE;
enum status plan_set_functions(struct frame *frame, struct path *path) MUST_USE;
/* plan_merge.c: the hash join becomes a merge join where its inputs come in the order of the keys.
 */
void plan_merge_given(struct frame *frame, struct plan_node *join);
/* plan_ordered.c: the aggregation takes groups one after the other where its input comes so. */
void plan_groups_given(struct frame *frame, struct plan_node *aggregate);
/* plan_ordered.c: have the path give the query's order without a sort, if that pays; `keys` are
   over its rows. True: it does now. */
bool plan_order_given(struct frame *frame, const struct path *path, struct expression *const *keys,
                      const struct expression *limit, const struct expression *offset);
enum status plan_project(struct frame *frame, struct path *path, uint32_t count,
                         struct expression **expressions, const char **names,
                         struct plan_node **node_out) MUST_USE;
/* Make the condition about columns of `query`, which is `relation` of the query around it, one of
   its own WHERE; *done false: it cannot be. Changes the query. */
enum status plan_push_condition(struct planner *p, struct query *query, uint32_t relation,
                                struct expression *condition, bool *done) MUST_USE;
/* Subqueries of the statement that have one answer get one plan (plan_common.c). First of all:
   planning changes queries. Either may be NULL. */
enum status plan_share_common(struct planner *p, const struct query *query,
                              const struct modify *modify) MUST_USE;
/* Equal subqueries of expressions; filled in when the first of them is planned. */
struct shared_subplan {
    const struct subplan *subplan; /* NULL: not yet */
};
/* Drop columns that nobody reads, in the whole plan and its subplans. */
enum status plan_prune(struct planner *p, struct plan_node *root) MUST_USE;
enum status plan_compose(struct frame *frame, struct path *path, struct plan_node **node_out)
    MUST_USE;

#endif
