/*
 * The binder's inside: queries with resolved names and types, before planning.
 *
 * A query owns relations (its range table, numbered from 0), a join tree over them, and
 * expressions whose EXPRESSION_VARIABLE nodes name (level, relation, column): level 0 is the query
 * that holds the expression, 1 the one around it. Columns count from 1; of a table they are
 * attribute numbers, 0 being the packed row address and -1 tableoid.
 */
#ifndef SQL_BIND_H
#define SQL_BIND_H

#include <pg_query/pg_query.pb-c.h>

#include "sql/sql.h"

typedef PgQuery__Node parse_node;
#define NODE_IS(node, name) ((node) != NULL && (node)->node_case == PG_QUERY__NODE__NODE_##name)

enum { RELATIONS_MAX = 64 };

struct query;

enum relation_source {
    RELATION_OF_TABLE,
    RELATION_OF_QUERY,
    RELATION_OF_FUNCTION,
    RELATION_OF_CTE,
};

struct bound_column {
    const char *name;
    struct type type;
    uint32_t table_oid;
    int16_t attribute_number;
};

struct relation {
    enum relation_source source;
    const char *alias; /* shown name */
    const struct table *table;
    struct query *query; /* QUERY */
    struct cte *cte;     /* CTE */
    uint32_t function_count;
    struct expression **calls; /* FUNCTION: EXPRESSION_CALL each */
    bool ordinality;
    bool lateral;
    uint32_t column_count; /* without system columns */
    struct bound_column *columns;
    bool *used; /* column 1.. at [column]; [0] the address. Set when a variable
                   is made */
    bool uses_tableoid;
};

struct cte {
    const char *name;
    struct query *query;
    uint32_t column_count;
    struct bound_column *columns;
    uint32_t references;
    int materialize;          /* 1 always, -1 never, 0 default */
    const struct table *view; /* a view's text, one for all its references; else NULL */
    int plan_index;           /* -1 before planned */
    enum { CTE_NOT_LOOKED_AT, CTE_IS_STABLE, CTE_IS_VOLATILE } sharing; /* query_image.c */
    struct cte *next;
    uint32_t level; /* depth of the query that owns it */
};

/* FROM: a leaf is one relation, else a join of two. */
struct join_item {
    bool is_join;
    uint32_t relation;
    enum join_kind kind;
    struct join_item *left, *right;
    struct expression *condition; /* NULL: cross */
};

/* What a name in a scope means. */
struct scope_column {
    const char *name;
    struct expression *expression; /* VARIABLE, or COALESCE of two for USING in a full join */
};
struct scope_item {
    const char *alias, *schema_name;
    uint32_t column_count;
    struct scope_column *columns;
    bool name_visible, columns_visible;
    bool lateral_blocked; /* named but not yet allowed (FROM items to the left, no LATERAL) */
    int relation;         /* -1: a join */
    struct scope_item *next;
};

struct target {
    const char *name;
    struct expression *expression;
    bool junk; /* needed for sorting only */
    uint32_t table_oid;
    int16_t attribute_number;
};

struct sort_item {
    uint32_t target;
    bool descending, nulls_first;
};

struct bound_aggregate {
    const struct aggregate *aggregate;
    uint32_t argument_count;
    struct expression **arguments;
    bool distinct;
    struct expression *filter;
    uint32_t order_count;
    struct sort_key *order;
    uint32_t level; /* query it belongs to */
};

struct bound_sublink {
    enum subplan_kind kind;
    struct query *query;
    uint32_t left_count;
    struct expression **left;
    const struct function **functions;
    struct expression **casts;     /* right side of each comparison, over the subquery's targets as
                                      VARIABLE level 0 relation 0; NULL when equal */
    struct shared_subplan *shared; /* with equal ones of the statement (plan_common.c); or NULL */
};

struct lock_clause {
    uint32_t relation;
    enum key_lock_mode mode;
    enum lock_wait wait;
};

enum set_operation { SET_NONE, SET_UNION, SET_INTERSECT, SET_EXCEPT };

struct query {
    struct query *parent; /* for binding */
    uint32_t depth;       /* 0 the outermost */
    uint32_t relation_count;
    struct relation *relations[RELATIONS_MAX];
    struct scope_item *scope; /* visible while binding, first to last */
    struct scope_item **scope_end;
    struct cte *ctes;

    uint32_t from_count;
    struct join_item **from;
    struct expression *where;
    uint32_t target_count, target_capacity;
    struct target *targets;
    bool grouped; /* GROUP BY, HAVING or aggregates */
    bool has_aggregates, has_set_functions;
    uint32_t group_count;
    struct expression **groups;
    struct expression *having;
    bool distinct;
    uint32_t distinct_on_count; /* the first of the sort items */
    uint32_t *distinct_on;      /* targets */
    uint32_t sort_count;
    struct sort_item *sorts;
    struct expression *limit, *offset;
    uint32_t lock_count;
    struct lock_clause *locks;

    enum set_operation set_operation;
    bool set_all;
    struct query *left, *right;

    uint32_t values_count; /* VALUES: rows of target_count expressions */
    struct expression ***values;
};

/* INSERT, UPDATE, DELETE around a query. */
struct modify {
    enum statement_kind kind;
    const struct table *table;
    uint32_t relation;       /* UPDATE, DELETE: of `query` */
    struct query *query;     /* INSERT: rows in column order of the insert list; UPDATE, DELETE:
                                relations, where */
    struct expression **row; /* INSERT: full row, one for each table column, over the query's
                                targets (VARIABLE level 0 relation 0 column i + 1) */
    bool copy;               /* INSERT: rows come from outside */
    uint32_t copy_count;
    const int16_t *copy_numbers;
    uint32_t assignment_count;
    struct assignment *assignments;
    enum conflict_action conflict;
    const struct index *arbiter;
    struct expression *conflict_where;
    uint32_t check_count;
    struct plan_check *checks; /* VARIABLE relation 0 column = attribute number */
    uint32_t returning_count;  /* over relation `relation` (INSERT: 0) and the others of query */
    struct target *returning;
    struct query *scope_query; /* INSERT: names of RETURNING and ON CONFLICT */
};

/* CREATE VIEW: relations read by the SELECT being bound. */
struct view_relation {
    struct view_relation *next;
    const struct table *table;
    const struct relation *relation;
};
struct view_binding {
    struct view_relation *relations;
};
/* Views whose text is being bound, innermost first. */
struct view_expansion {
    const struct view_expansion *next;
    uint32_t oid;
};

struct binder {
    struct arena *arena;
    /* Rows of a table that was never analyzed; negative: unknown. */
    double (*row_estimates)(const struct binder *b, const struct table *table);
    /* How much of it lies in cold blocks, 0 to 1. NULL: nothing does. */
    double (*cold_shares)(const struct binder *b, const struct table *table);
    void *row_estimates_data;
    const struct schema *schema;
    const struct sql_options *options;
    struct value_context values;
    struct value_resolver resolver;
    const char *text;
    size_t text_offset, text_size; /* the statement within text */
    uint32_t *parameter_types;
    size_t parameter_count, parameter_capacity;
    bool parameters_fixed; /* no $n allowed (utility statements) */
    struct plan_lock *locks;
    size_t lock_count, lock_capacity;
    bool depends_on_settings, calls_volatile;
    struct query *query; /* innermost */
    const char *clause;  /* "WHERE", "GROUP BY" ... where aggregates or set functions are
                            refused; NULL: allowed */
    bool set_functions_allowed;
    bool row_functions_allowed; /* those with columns of their own: the item of FROM itself */
    bool in_aggregate;
    const char *recursive_name;  /* of the WITH RECURSIVE query being bound */
    bool keep_unknown;           /* the next SELECT leaves literals of unknown type (INSERT) */
    const char *default_context; /* DEFAULT is allowed */
    struct view_binding *view;   /* a view is being made of what is bound; else NULL */
    const struct view_expansion *expansion;
    struct cte *views; /* views of the statement, bound */
};

/* ---- errors, memory --------------------------------------------------------------------- */

/* error_set with the character position of byte `location` (-1: none). */
enum status bind_error(const struct binder *b, int location, enum status status, const char *format,
                       ...) PRINTF_LIKE(4, 5);
void bind_position(const struct binder *b, int location);
/* `what` relation "r": "This operation is not supported for sequences." */
enum status bind_not_for_sequences(const char *what, const struct table *relation);
/* "X is not supported", 0A000. */
enum status bind_unsupported(const struct binder *b, int location, const char *format, ...)
    PRINTF_LIKE(3, 4);
#ifdef __clang_analyzer__ /* as with error_set: let it know that what comes back is a failure */
#define bind_error(b, location, status, ...)                                                       \
    (bind_error((b), (location), (status), __VA_ARGS__), (status))
#define bind_unsupported(b, location, ...)                                                         \
    (bind_unsupported((b), (location), __VA_ARGS__), STATUS_FEATURE_NOT_SUPPORTED)
#endif
/* Zeroed; fails with STATEMENT_TOO_COMPLEX when huge. */
enum status bind_alloc(const struct binder *b, size_t count, size_t size, void *pointer_out)
    MUST_USE;
#define BIND_ARRAY(b, count, pointer_out)                                                          \
    bind_alloc((b), (count), sizeof **(pointer_out), pointer_out)
enum status bind_stack_check(const struct binder *b) MUST_USE;
int node_location(const parse_node *node);
const char *node_text(const parse_node *node); /* String node's text or NULL */

/* ---- making expressions ----------------------------------------------------------------- */

struct expression *expression_make(const struct binder *b, enum expression_kind kind,
                                   struct type type, int location);
struct expression *expression_list(const struct binder *b, enum expression_kind kind,
                                   struct type type, int location, uint32_t count,
                                   struct expression **arguments);
struct expression *expression_constant(const struct binder *b, const struct value *value,
                                       int location);
struct expression *expression_variable(const struct binder *b, uint32_t level, uint32_t relation,
                                       int16_t column, struct type type);
struct expression *expression_call(const struct binder *b, const struct function *function,
                                   struct type type, int location, struct expression *first,
                                   struct expression *second);
struct expression *expression_cast(const struct binder *b, struct expression *argument,
                                   struct type type, bool is_explicit);
/* AND of two, either may be NULL. */
struct expression *expression_and(const struct binder *b, struct expression *left,
                                  struct expression *right);
struct expression *expression_copy(const struct binder *b, const struct expression *expression);
bool expression_equal(const struct expression *a, const struct expression *b);
/* Visit VARIABLEs of `expression` that belong `level` queries up, through sublinks. */
bool expression_walk_variables(const struct expression *expression, uint32_t level,
                               bool (*visit)(const struct expression *, void *), void *context);
bool query_walk_variables(const struct query *query, uint32_t level,
                          bool (*visit)(const struct expression *, void *), void *context);

/* ---- types ------------------------------------------------------------------------------ */

enum status bind_type_name(struct binder *b, const PgQuery__TypeName *name, struct type *type_out)
    MUST_USE;
const char *bind_type_text(const struct binder *b, struct type type);
/* Convert; errors of literals carry their position. NULL context text: "cannot cast type". */
enum status bind_coerce(struct binder *b, struct expression *expression, struct type target,
                        enum cast_context context, int location, struct expression **out) MUST_USE;
bool bind_can_coerce(struct type from, uint32_t to, enum cast_context context);
/* Common type as for CASE and UNION; `what` is "CASE", "UNION" ... for the message. */
enum status bind_common_type(struct binder *b, uint32_t count, struct expression *const *items,
                             const char *what, struct type *type_out) MUST_USE;
enum status bind_coerce_all(struct binder *b, uint32_t count, struct expression **items,
                            const char *what, struct type *type_out) MUST_USE;
/* To boolean, for WHERE and the like: 42804 "argument of WHERE must be type boolean, not ...". */
enum status bind_boolean(struct binder *b, struct expression *expression, const char *what,
                         struct expression **out) MUST_USE;
/* unknown becomes text. */
enum status bind_settle_unknown(struct binder *b, struct expression **expression) MUST_USE;
bool type_is_array(uint32_t id);
/* Physical form of arguments and result of a call whose arguments are numeric (sql_plan.h). */
void bind_numeric_call(const struct binder *b, struct expression *call);

/* ---- expressions ------------------------------------------------------------------------ */

enum status bind_expression(struct binder *b, const parse_node *node, struct expression **out)
    MUST_USE;
enum status bind_constant(struct binder *b, const PgQuery__AConst *constant,
                          struct expression **out) MUST_USE;
enum status bind_parameter(struct binder *b, const PgQuery__ParamRef *ref, struct expression **out)
    MUST_USE;
enum status bind_cast(struct binder *b, const PgQuery__TypeCast *cast, struct expression **out)
    MUST_USE;
/* element_type 0: the common type of the elements. */
enum status bind_array_elements(struct binder *b, const PgQuery__AArrayExpr *array,
                                uint32_t element_type, struct expression **out) MUST_USE;
enum status bind_indirection(struct binder *b, const PgQuery__AIndirection *node,
                             struct expression **out) MUST_USE;
enum status bind_operator_node(struct binder *b, const PgQuery__AExpr *node,
                               struct expression **out) MUST_USE;
/* Name of what CURRENT_DATE and its like are, as SQL writes it. */
const char *bind_value_function_name(const struct binder *b, const PgQuery__SQLValueFunction *node);
enum status bind_operator(struct binder *b, const char *schema_name, const char *name, int location,
                          struct expression *left, struct expression *right,
                          struct expression **out) MUST_USE;
/* Only the function: both sides coerced in place. */
enum status bind_operator_function(struct binder *b, const char *schema_name, const char *name,
                                   int location, struct expression **left,
                                   struct expression **right, const struct function **function_out)
    MUST_USE;
enum status bind_operator_name(struct binder *b, size_t count, parse_node **names, int location,
                               const char **schema_out, const char **name_out) MUST_USE;
enum status bind_function_call(struct binder *b, const PgQuery__FuncCall *call,
                               struct expression **out) MUST_USE;
enum status bind_function_named(struct binder *b, const char *name, int location, uint32_t count,
                                struct expression **arguments, struct expression **out) MUST_USE;
enum status bind_column_ref(struct binder *b, const PgQuery__ColumnRef *ref,
                            struct expression **out) MUST_USE;
enum status bind_sublink(struct binder *b, const PgQuery__SubLink *link, struct expression **out)
    MUST_USE;
/* (a, b) op (select c, d ...) */
bool bind_is_row_test(const parse_node *left, const parse_node *right);
enum status bind_row_test(struct binder *b, const char *schema, const char *name, int location,
                          const parse_node *left, const parse_node *right, struct expression **out)
    MUST_USE;
/* May `compare`, by operator `name`, be one of the `count` comparisons of two rows? */
enum status bind_check_row_operator(struct binder *b, const char *name, int location,
                                    uint32_t count, const struct expression *compare) MUST_USE;
void bind_mark_used(struct binder *b, const struct expression *variable);

/* ---- queries ---------------------------------------------------------------------------- */

enum status bind_query_new(struct binder *b, struct query **query_out) MUST_USE;
/* Bind a SELECT (or VALUES, set operation) as a child of b->query. */
enum status bind_select(struct binder *b, const PgQuery__SelectStmt *select,
                        struct query **query_out) MUST_USE;
enum status bind_with(struct binder *b, const PgQuery__WithClause *with) MUST_USE;
enum status bind_from(struct binder *b, size_t count, parse_node **items) MUST_USE;
enum status bind_add_table(struct binder *b, const struct table *table, const PgQuery__Alias *alias,
                           const char *schema_name, uint32_t *relation_out,
                           struct scope_item **scope_out) MUST_USE;
/* The text of a view's tree; 0A000 when there is none that means the same. */
enum status bind_view_text(struct binder *b, parse_node *node, const char **text_out) MUST_USE;
/* The view as a query that may be used several times. 42P17 when views need each other. */
enum status bind_view(struct binder *b, const struct table *view, struct cte **cte_out) MUST_USE;
/* While a view is made: note what it reads and qualify its name; spell out stars (FROM is bound).
   Both change the parse tree. */
enum status bind_view_reads(struct binder *b, const PgQuery__RangeVar *name,
                            const struct table *table, struct relation *relation) MUST_USE;
enum status bind_spell_out_stars(struct binder *b, const PgQuery__SelectStmt *select) MUST_USE;
enum status bind_targets(struct binder *b, size_t count, parse_node **items, bool set_functions,
                         uint32_t *count_out, struct target **targets_out) MUST_USE;
enum status bind_find_table(struct binder *b, const PgQuery__RangeVar *name, bool missing_ok,
                            const struct table **table_out) MUST_USE;
/* A sequence is found as its relation, of kind RELATION_SEQUENCE. */
const struct table *bind_search_table(const struct binder *b, const char *schema_name,
                                      const char *name);
const struct sequence *bind_search_sequence(const struct binder *b, const char *schema_name,
                                            const char *name);
enum status bind_add_lock(struct binder *b, uint32_t oid, enum relation_lock_mode mode) MUST_USE;
/* Result columns of a query (junk left out). */
enum status query_columns(struct binder *b, const struct query *query, uint32_t *count_out,
                          struct bound_column **columns_out) MUST_USE;
/* GROUP BY rules: 42803 for columns that are neither grouped nor aggregated. */
enum status bind_check_grouping(struct binder *b, struct query *query) MUST_USE;
const char *bind_target_name(const parse_node *node);
void query_add_scope(struct query *query, struct scope_item *item);
enum status bind_modify(struct binder *b, const parse_node *node, struct modify *modify) MUST_USE;
enum status bind_copy_insert(struct binder *b, const struct table *table, uint32_t count,
                             const int16_t *numbers, struct modify *modify) MUST_USE;
/* A text that the catalog holds (default, check), over the columns of `table` as relation 0. */
enum status bind_stored_text(struct binder *b, const char *text, const struct table *table,
                             struct expression **out) MUST_USE;
enum status bind_default(struct binder *b, const struct table *table, const struct column *column,
                         struct expression **out) MUST_USE;
/* The column's type as assignment target: 42804 'column "x" is of type a but expression is of
   type b'. */
enum status bind_assign(struct binder *b, const char *column_name, struct type type,
                        struct expression *expression, int location, struct expression **out)
    MUST_USE;

/* ---- statements ------------------------------------------------------------------------- */

enum status bind_utility(struct binder *b, const parse_node *node, struct statement *statement)
    MUST_USE;
enum status bind_create_view(struct binder *b, const PgQuery__ViewStmt *node,
                             struct statement *statement) MUST_USE;
/* Schema that a new relation of this name goes to; NULL: search_path has none. */
const char *creation_schema(const struct binder *b, const PgQuery__RangeVar *name);
/* 3F000 when that schema is none or does not exist, 42501 when it is the system's. */
enum status check_schema(struct binder *b, const char *name, int location) MUST_USE;
enum status bind_ddl(struct binder *b, const parse_node *node, struct statement *statement)
    MUST_USE;
/* Bind and plan a query or a change into *statement (kind, columns, plan). */
enum status bind_plan_statement(struct binder *b, const parse_node *node,
                                struct statement *statement) MUST_USE;
enum status bind_plan_modify(struct binder *b, struct modify *modify, struct statement *statement)
    MUST_USE;
enum statement_kind node_statement_kind(const parse_node *node);
/* Deparse a bound default or check over `table`'s columns; arena text. */
enum status bind_canonical(struct binder *b, const struct expression *expression,
                           const char *const *names, const char **text_out) MUST_USE;

/* Values of binder.clause that also refuse subqueries. */
extern const char bind_clause_check[], bind_clause_default[];

/* ---- planning --------------------------------------------------------------------------- */

enum status plan_query(struct binder *b, struct query *query, struct plan **plan_out) MUST_USE;
enum status plan_modify(struct binder *b, struct modify *modify, struct plan **plan_out) MUST_USE;
double plan_table_rows(const struct binder *b, const struct table *table);

/* Levels that the parse tree of the text cannot exceed, said without making it (parse_depth.c);
   UINT32_MAX: more than SQL_DEPTH_MAX brackets are open at once. Takes 32 KiB of stack. */
uint32_t parse_depth(const char *text);
/* Parse one expression ("SELECT <text>") for stored texts; on the current stack. */
enum status parse_on_stack(const char *text, struct arena *arena, PgQuery__ParseResult **result_out)
    MUST_USE;

/* ---- options in parentheses (COPY, EXPLAIN, VACUUM ...) --------------------------------- */

/* NULL: nothing was said, or nothing that has a text. */
const char *bind_option_text(struct binder *b, const parse_node *node);
/* freeze = on | off | eager of a table, and the words of booleans for the first two. */
enum status bind_freeze_option(struct binder *b, const PgQuery__DefElem *option,
                               enum freeze_option *out) MUST_USE;
/* Nothing said is true. */
enum status bind_option_bool(struct binder *b, const PgQuery__DefElem *option, bool *out) MUST_USE;
enum status bind_copy(struct binder *b, const PgQuery__CopyStmt *node, struct statement *statement)
    MUST_USE;
enum status bind_explain(struct binder *b, const PgQuery__ExplainStmt *node,
                         struct statement *statement) MUST_USE;
enum status bind_execute(struct binder *b, const PgQuery__ExecuteStmt *node,
                         struct statement *statement) MUST_USE;
enum status bind_vacuum(struct binder *b, const PgQuery__VacuumStmt *node,
                        struct statement *statement) MUST_USE;
/* The result is one column of text. */
enum status bind_text_column(struct binder *b, struct statement *statement, const char *name)
    MUST_USE;
/* One table more, to be locked so. */
enum status bind_push_table(struct binder *b, struct statement_objects *objects,
                            const struct table *table, enum relation_lock_mode mode) MUST_USE;

/* ---- calls with a grammar of their own ------------------------------------------------- */

/* extract(year from x) and its kin: the words before each argument, which arguments the parser has
   put into the order of a call, and what ends it. */
struct own_grammar {
    const char *name;
    uint32_t count;
    const char *before[4];
    uint8_t order[4];
    const char *end;
    bool bare_first; /* the first is a word, not a string */
};

/* NULL: the function of `count` arguments has none. */
const struct own_grammar *own_grammar_of(const char *name, size_t count);

#endif
