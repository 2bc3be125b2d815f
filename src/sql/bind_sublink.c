/* Subqueries in expressions, and the rules of GROUP BY. */
#include <string.h>

#include "sql/bind.h"

static enum status subquery_columns(struct binder *b, const struct query *query, uint32_t *count) {
    struct bound_column *columns;
    return query_columns(b, query, count, &columns);
}

/* left op subquery: what is compared with its columns, and how. */
struct tested {
    const parse_node *left;
    const char *schema, *name; /* of the operator */
    int location;
};

/* left op column for each column of the subquery, for ANY, ALL and rows. */
static enum status bind_tested(struct binder *b, const struct tested *tested,
                               struct bound_sublink *link) {
    struct expression *test;
    TRY(bind_expression(b, tested->left, &test));
    bool row = test->kind == EXPRESSION_ROW;
    uint32_t count, wanted = row ? test->argument_count : 1;
    TRY(subquery_columns(b, link->query, &count));
    if (count != wanted)
        return bind_error(b, tested->location, STATUS_SYNTAX_ERROR,
                          count > wanted ? "subquery has too many columns"
                                         : "subquery has too few columns");
    link->left_count = count;
    TRY(BIND_ARRAY(b, count, &link->left));
    TRY(BIND_ARRAY(b, count, &link->functions));
    TRY(BIND_ARRAY(b, count, &link->casts));
    for (uint32_t i = 0; i < count; i++) {
        struct expression *left = row ? test->arguments[i] : test;
        struct expression *right = expression_variable(b, 0, 0, (int16_t)(i + 1),
                                                       link->query->targets[i].expression->type);
        struct expression *compare;
        TRY(bind_operator(b, tested->schema, tested->name, tested->location, left, right,
                          &compare));
        TRY(bind_check_row_operator(b, tested->name, tested->location, count, compare));
        link->left[i] = compare->arguments[0];
        link->functions[i] = compare->function;
        link->casts[i] =
            compare->arguments[1]->kind == EXPRESSION_VARIABLE ? NULL : compare->arguments[1];
    }
    return STATUS_OK;
}

/* ANY and ALL; IN has no operator's name. */
static enum status bind_quantified(struct binder *b, const PgQuery__SubLink *node,
                                   struct bound_sublink *link) {
    struct tested tested = {.left = node->testexpr, .name = "=", .location = node->location};
    link->kind =
        node->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK ? SUBPLAN_ANY : SUBPLAN_ALL;
    if (node->n_oper_name > 0)
        TRY(bind_operator_name(b, node->n_oper_name, node->oper_name, node->location,
                               &tested.schema, &tested.name));
    return bind_tested(b, &tested, link);
}

/* The subquery, where there may be one. */
static enum status bind_subquery(struct binder *b, const parse_node *node, int location,
                                 struct bound_sublink **link_out) {
    TRY(BIND_ARRAY(b, 1, link_out));
    if (b->clause == bind_clause_check || b->clause == bind_clause_default)
        return bind_error(b, location, STATUS_FEATURE_NOT_SUPPORTED, "cannot use subquery in %s",
                          b->clause == bind_clause_check ? "check constraint"
                                                         : "DEFAULT expression");
    if (b->query == NULL)
        return bind_error(b, location, STATUS_FEATURE_NOT_SUPPORTED,
                          "cannot use subquery in this context");
    if (!NODE_IS(node, SELECT_STMT))
        return bind_unsupported(b, location, "this kind of subquery");
    return bind_select(b, node->select_stmt, &(*link_out)->query);
}

static enum status bind_one_column(struct binder *b, const PgQuery__SubLink *node,
                                   struct bound_sublink *link, struct type *type) {
    uint32_t count;
    TRY(subquery_columns(b, link->query, &count));
    if (count != 1)
        return bind_error(b, node->location, STATUS_SYNTAX_ERROR,
                          "subquery must return only one column");
    *type = link->query->targets[0].expression->type;
    link->kind = SUBPLAN_SCALAR;
    if (node->sub_link_type != PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK)
        return STATUS_OK;
    link->kind = SUBPLAN_ARRAY;
    uint32_t array = type_info_get(type->id)->array_id;
    if (array == 0)
        return bind_unsupported(b, node->location, "ARRAY over type %s", bind_type_text(b, *type));
    *type = type_plain(array);
    return STATUS_OK;
}

enum status bind_sublink(struct binder *b, const PgQuery__SubLink *node, struct expression **out) {
    struct bound_sublink *link;
    struct type type = TYPE_OF(BOOL);
    TRY(bind_subquery(b, node->subselect, node->location, &link));
    switch (node->sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK:
        link->kind = SUBPLAN_EXISTS;
        break;
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK:
        TRY(bind_quantified(b, node, link));
        break;
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK:
        TRY(bind_one_column(b, node, link, &type));
        break;
    default:
        return bind_unsupported(b, node->location, "this kind of subquery");
    }
    *out = expression_make(b, EXPRESSION_SUBLINK, type, node->location);
    (*out)->sublink = link;
    return STATUS_OK;
}

bool bind_is_row_test(const parse_node *left, const parse_node *right) {
    return NODE_IS(left, ROW_EXPR) && NODE_IS(right, SUB_LINK) &&
           right->sub_link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK;
}

enum status bind_row_test(struct binder *b, const char *schema, const char *name, int location,
                          const parse_node *left, const parse_node *right,
                          struct expression **out) {
    struct bound_sublink *link;
    struct tested tested = {left, schema, name, location};
    TRY(bind_subquery(b, right->sub_link->subselect, location, &link));
    link->kind = SUBPLAN_ROW;
    TRY(bind_tested(b, &tested, link));
    *out = expression_make(b, EXPRESSION_SUBLINK, TYPE_OF(BOOL), location);
    (*out)->sublink = link;
    return STATUS_OK;
}

/* ---- grouping --------------------------------------------------------------------------- */

struct grouping {
    struct binder *b;
    struct query *query;
    enum status status;
};

static bool is_grouped(const struct query *query, const struct expression *expression) {
    for (uint32_t i = 0; i < query->group_count; i++)
        if (expression_equal(query->groups[i], expression))
            return true;
    return false;
}

/* All columns of the relation's primary key are grouped: its other columns may be used. */
static bool key_is_grouped(const struct query *query, uint32_t relation_number) {
    const struct relation *relation = query->relations[relation_number];
    if (relation->source != RELATION_OF_TABLE)
        return false;
    for (uint32_t i = 0; i < relation->table->index_count; i++) {
        const struct index *index = relation->table->indexes[i];
        if (!index->primary)
            continue;
        for (uint32_t k = 0; k < index->column_count; k++) {
            bool found = false;
            for (uint32_t g = 0; g < query->group_count && !found; g++) {
                const struct expression *key = query->groups[g];
                found = key->kind == EXPRESSION_VARIABLE && key->variable.level == 0 &&
                        key->variable.relation == relation_number &&
                        key->variable.column == index->columns[k].column_number;
            }
            if (!found)
                return false;
        }
        return true;
    }
    return false;
}

static enum status ungrouped(struct grouping *g, const struct expression *variable, bool inner) {
    struct query *query = g->query;
    if (key_is_grouped(query, variable->variable.relation)) {
        struct expression **groups;
        TRY(BIND_ARRAY(g->b, query->group_count + 1, &groups));
        memcpy(groups, query->groups, query->group_count * sizeof *groups);
        groups[query->group_count] = expression_variable(g->b, 0, variable->variable.relation,
                                                         variable->variable.column, variable->type);
        query->groups = groups;
        query->group_count++;
        return STATUS_OK;
    }
    const struct relation *relation = query->relations[variable->variable.relation];
    const char *name = variable->variable.column > 0
                           ? relation->columns[variable->variable.column - 1].name
                           : "tableoid";
    for (const struct scope_item *item = query->scope; item != NULL; item = item->next)
        if (item->relation == (int)variable->variable.relation)
            for (uint32_t i = 0; i < item->column_count; i++)
                if (item->columns[i].expression->variable.column == variable->variable.column)
                    name = item->columns[i].name;
    if (inner)
        return bind_error(g->b, variable->location, STATUS_GROUPING_ERROR,
                          "subquery uses ungrouped column \"%s.%s\" from outer query",
                          relation->alias, name);
    return bind_error(g->b, variable->location, STATUS_GROUPING_ERROR,
                      "column \"%s.%s\" must appear in the GROUP BY clause or be used in an "
                      "aggregate function",
                      relation->alias, name);
}

static bool visit_outer(const struct expression *variable, void *context) {
    struct grouping *g = context;
    struct expression own = *variable;
    own.variable.level = 0;
    if (is_grouped(g->query, &own))
        return false;
    g->status = ungrouped(g, variable, true);
    return g->status != STATUS_OK;
}

static enum status check_expression(struct grouping *g, const struct expression *expression) {
    if (expression == NULL || is_grouped(g->query, expression))
        return STATUS_OK;
    if (expression->kind == EXPRESSION_AGGREGATE && expression->aggregate->level == 0)
        return STATUS_OK;
    if (expression->kind == EXPRESSION_VARIABLE && expression->variable.level == 0)
        return ungrouped(g, expression, false);
    if (expression->kind == EXPRESSION_SUBLINK) {
        g->status = STATUS_OK;
        query_walk_variables(expression->sublink->query, 1, visit_outer, g);
        TRY(g->status);
        for (uint32_t i = 0; i < expression->sublink->left_count; i++)
            TRY(check_expression(g, expression->sublink->left[i]));
    }
    for (uint32_t i = 0; i < expression->argument_count; i++)
        TRY(check_expression(g, expression->arguments[i]));
    return STATUS_OK;
}

enum status bind_check_grouping(struct binder *b, struct query *query) {
    struct grouping g = {b, query, STATUS_OK};
    for (uint32_t i = 0; i < query->target_count; i++)
        TRY(check_expression(&g, query->targets[i].expression));
    return check_expression(&g, query->having);
}
