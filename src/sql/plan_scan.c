/* Scans of one relation: columns, filters, the choice of an index; estimates. */
#include <math.h>
#include <string.h>

#include "sql/plan.h"

/* ---- matching conditions with index columns --------------------------------------------- */

struct match {
    enum comparison comparison;
    int16_t column;
    struct expression *bound; /* of the column's type */
    struct expression *list;  /* IN, over the column as it is */
    const struct expression *qual;
    bool exact; /* the condition need not be tested again */
};

static enum comparison commute(enum comparison comparison) {
    switch (comparison) {
    case COMPARISON_LT:
        return COMPARISON_GT;
    case COMPARISON_LE:
        return COMPARISON_GE;
    case COMPARISON_GT:
        return COMPARISON_LT;
    case COMPARISON_GE:
        return COMPARISON_LE;
    default:
        return comparison;
    }
}

static const struct expression *column_of(const struct expression *expression, uint32_t relation) {
    if (expression->kind == EXPRESSION_CAST && type_is_string(expression->type.id) &&
        expression->type.id != TYPE_BPCHAR && expression->arguments[0]->type.id == TYPE_VARCHAR &&
        expression->type.modifier < 0)
        expression = expression->arguments[0];
    return expression->kind == EXPRESSION_VARIABLE && expression->variable.level == 0 &&
                   expression->variable.relation == relation && expression->variable.column > 0
               ? expression
               : NULL;
}

/* The bound in the column's very type, or NULL when that might change its value. */
static struct expression *bound_for(struct frame *frame, const struct expression *column,
                                    struct expression *bound, uint32_t relation, bool *exact) {
    if (plan_relations_of(bound) & UINT64_C(1) << relation || expression_is_volatile(bound))
        return NULL;
    struct type type = column->type;
    *exact = true;
    if (type.id == TYPE_NUMERIC)
        return bound->type.id == TYPE_NUMERIC && bound->type.scale == type.scale &&
                       type_physical(bound->type) == type_physical(type)
                   ? bound
                   : NULL;
    if (bound->type.id == type.id)
        return bound;
    bool strings = (type.id == TYPE_TEXT || type.id == TYPE_VARCHAR || type.id == TYPE_NAME) &&
                   (bound->type.id == TYPE_TEXT || bound->type.id == TYPE_VARCHAR ||
                    bound->type.id == TYPE_NAME);
    if (!strings && !(type_is_oid_like(type.id) && type_is_oid_like(bound->type.id)))
        return NULL;
    *exact = type.id != TYPE_NAME;
    return expression_cast(frame->p->b, bound, type_plain(type.id), true);
}

/* An integer column widened for a comparison with something wider (plan_narrow.c). */
static const struct expression *widened_column(const struct expression *expression,
                                               uint32_t relation) {
    const struct expression *column = plan_widened(expression);
    return column != NULL ? column_of(column, relation) : NULL;
}

static struct expression *narrow_bound(struct frame *frame, const struct expression *column,
                                       struct expression *bound, enum comparison comparison,
                                       uint32_t relation) {
    bool simple = bound->kind == EXPRESSION_PARAMETER || bound->kind == EXPRESSION_VARIABLE ||
                  bound->kind == EXPRESSION_CONSTANT;
    if (!simple || plan_relations_of(bound) & UINT64_C(1) << relation)
        return NULL;
    return plan_narrow_bound(frame->p, column->type, bound, comparison);
}

/* col IN (...) for the index on the narrow column. */
static bool match_narrow_list(struct frame *frame, uint32_t relation, struct expression *qual,
                              struct match *match) {
    const struct expression *column = widened_column(qual->arguments[0], relation);
    if (column == NULL)
        return false;
    for (uint32_t i = 1; i < qual->argument_count; i++)
        if (plan_relations_of(qual->arguments[i]) & UINT64_C(1) << relation)
            return false;
    match->comparison = COMPARISON_EQ;
    match->column = column->variable.column;
    match->list = plan_narrow_list(frame->p, qual);
    match->exact = true;
    return match->list != NULL;
}

static bool match_condition(struct frame *frame, uint32_t relation, struct expression *qual,
                            struct match *match) {
    *match = (struct match){.qual = qual};
    if (qual->kind == EXPRESSION_IN && !qual->negated && qual->list_is_constant) {
        const struct expression *column = column_of(qual->arguments[0], relation);
        if (column == NULL)
            return match_narrow_list(frame, relation, qual, match);
        for (uint32_t i = 1; i < qual->argument_count; i++)
            if (qual->arguments[i]->type.id != column->type.id ||
                type_physical(qual->arguments[i]->type) != type_physical(column->type) ||
                qual->arguments[i]->type.scale != column->type.scale)
                return false;
        match->comparison = COMPARISON_EQ;
        match->column = column->variable.column;
        match->list = qual;
        match->exact = true;
        return true;
    }
    if (qual->kind != EXPRESSION_CALL || qual->argument_count != 2)
        return false;
    enum comparison comparison = qual->function->comparison;
    if (comparison == COMPARISON_NONE || comparison == COMPARISON_NE)
        return false;
    for (int side = 0; side < 2; side++) {
        struct expression *bound = qual->arguments[1 - side];
        const struct expression *column = column_of(qual->arguments[side], relation);
        const struct expression *widened = widened_column(qual->arguments[side], relation);
        if (column != NULL)
            match->bound = bound_for(frame, column, bound, relation, &match->exact);
        enum comparison own = side == 0 ? comparison : commute(comparison);
        if (column == NULL && widened != NULL)
            match->bound = narrow_bound(frame, column = widened, bound, own, relation);
        if (match->bound == NULL)
            continue;
        match->column = column->variable.column;
        match->comparison = own;
        if (column == widened) { /* the bound has been moved into the range */
            match->comparison = own == COMPARISON_GT   ? COMPARISON_GE
                                : own == COMPARISON_LT ? COMPARISON_LE
                                                       : own;
            match->exact = true;
        }
        return true;
    }
    return false;
}

struct index_choice {
    const struct index *index;
    uint32_t equal_count;
    struct match equal[INDEX_COLUMNS_MAX];
    struct match lower, upper, any;
    uint64_t used; /* conditions that the index makes true (by place; first 64) */
    double rows;
    bool unique;
};

/* Rows that the index finds under the conditions it serves. */
static double lookup_rows(struct frame *frame, uint32_t relation, const struct index_choice *choice,
                          uint32_t count, struct expression **quals) {
    const struct index *index = choice->index;
    double rows = choice->rows;
    for (uint32_t i = 0; i < choice->equal_count; i++) {
        struct expression *column = expression_variable(
            frame->p->b, 0, relation, choice->equal[i].column,
            frame->query->relations[relation]->columns[choice->equal[i].column - 1].type);
        struct expression *equal =
            expression_call(frame->p->b, comparison_function(COMPARISON_EQ, column->type.id),
                            TYPE_OF(BOOL), -1, column, choice->equal[i].bound);
        rows *= equal->function != NULL ? plan_selectivity(frame, equal) : 0.01;
    }
    if (choice->any.list != NULL) {
        bool unique = index->unique && choice->equal_count + 1 == index->column_count;
        rows = unique ? fmin(rows, choice->any.list->argument_count - 1)
                      : rows * plan_selectivity(frame, choice->any.list);
    } else {
        struct expression *bounds[2]; /* together: a range */
        uint32_t bound_count = 0;
        for (uint32_t q = 0; q < count && q < 64 && bound_count < 2; q++) {
            struct match match;
            if ((choice->used & UINT64_C(1) << q) &&
                match_condition(frame, relation, quals[q], &match) &&
                match.comparison != COMPARISON_EQ)
                bounds[bound_count++] = quals[q];
        }
        rows *= plan_scan_selectivity(frame, relation, bound_count, bounds);
    }
    return rows < 1 ? 1 : rows;
}

static void consider_index(struct frame *frame, uint32_t relation, const struct index *index,
                           double table_rows, uint32_t count, struct expression **quals,
                           struct index_choice *choice) {
    *choice = (struct index_choice){.index = index, .rows = table_rows};
    for (uint32_t c = 0; c < index->column_count; c++) {
        int16_t number = index->columns[c].column_number;
        bool equal = false;
        for (uint32_t q = 0; q < count && q < 64; q++) {
            struct match match;
            if (!match_condition(frame, relation, quals[q], &match) || match.column != number)
                continue;
            uint64_t bit = match.exact ? UINT64_C(1) << q : 0;
            if (match.list != NULL) {
                if (choice->any.list == NULL && !equal) {
                    choice->any = match;
                    choice->any.exact = false;
                }
            } else if (match.comparison == COMPARISON_EQ && !equal) {
                choice->equal[choice->equal_count++] = match;
                choice->used |= bit;
                equal = true;
            } else if (!equal &&
                       (match.comparison == COMPARISON_GT || match.comparison == COMPARISON_GE)) {
                if (choice->lower.bound == NULL) {
                    choice->lower = match;
                    choice->used |= bit;
                }
            } else if (!equal && match.comparison != COMPARISON_EQ) {
                if (choice->upper.bound == NULL) {
                    choice->upper = match;
                    choice->used |= bit;
                }
            }
        }
        if (equal) { /* ranges were on this column: not needed */
            if (choice->lower.bound != NULL && choice->lower.column == number)
                choice->lower.bound = NULL;
            if (choice->upper.bound != NULL && choice->upper.column == number)
                choice->upper.bound = NULL;
            if (choice->any.list != NULL && choice->any.column == number)
                choice->any.list = NULL;
            continue;
        }
        break;
    }
    /* A bound dropped again must be tested as a filter. */
    choice->used = 0;
    for (uint32_t q = 0; q < count && q < 64; q++) {
        struct match match;
        if (!match_condition(frame, relation, quals[q], &match) || !match.exact)
            continue;
        bool kept =
            match.list != NULL && choice->any.list != NULL && match.qual == choice->any.qual;
        for (uint32_t e = 0; e < choice->equal_count; e++)
            kept |= match.bound != NULL && match.comparison == COMPARISON_EQ &&
                    choice->equal[e].column == match.column &&
                    expression_equal(choice->equal[e].bound, match.bound);
        kept |= match.bound != NULL && choice->lower.bound != NULL &&
                match.comparison == choice->lower.comparison &&
                match.column == choice->lower.column &&
                expression_equal(match.bound, choice->lower.bound);
        kept |= match.bound != NULL && choice->upper.bound != NULL &&
                match.comparison == choice->upper.comparison &&
                match.column == choice->upper.column &&
                expression_equal(match.bound, choice->upper.bound);
        if (kept)
            choice->used |= UINT64_C(1) << q;
    }
    choice->unique = index->unique && choice->equal_count == index->column_count;
    choice->rows = choice->unique ? 1 : lookup_rows(frame, relation, choice, count, quals);
}

/* By cost: an index when what it fetches is dearer than reading everything is none. */
static bool choose_index(struct frame *frame, uint32_t relation, uint32_t count,
                         struct expression **quals, struct index_choice *best) {
    const struct table *table = frame->query->relations[relation]->table;
    double table_rows = plan_table_rows(frame->p->b, table);
    bool found = false;
    for (uint32_t i = 0; i < table->index_count; i++) {
        struct index_choice choice;
        if (!plan_index_usable(frame, table->indexes[i]))
            continue;
        consider_index(frame, relation, table->indexes[i], table_rows, count, quals, &choice);
        bool usable = choice.equal_count > 0 || choice.any.list != NULL ||
                      choice.lower.bound != NULL || choice.upper.bound != NULL;
        if (!usable ||
            (!choice.unique && choice.rows > LOOKUPS_CHEAP &&
             choice.rows * plan_lookup_cost(frame->p->b, table) > table_rows * COST_SCAN))
            continue;
        if (!found || choice.rows < best->rows ||
            (choice.rows == best->rows && choice.equal_count > best->equal_count))
            *best = choice;
        found = true;
    }
    return found;
}

double plan_index_rows(struct frame *frame, uint32_t relation, uint32_t count,
                       struct expression **quals) {
    if (relation >= frame->query->relation_count ||
        frame->query->relations[relation]->source != RELATION_OF_TABLE)
        return -1;
    struct index_choice choice;
    if (!choose_index(frame, relation, count, quals, &choice) || choice.equal_count == 0)
        return -1;
    return choice.rows;
}

/* ---- scans ------------------------------------------------------------------------------ */

static enum status scan_layout(struct frame *frame, uint32_t number, struct layout *layout,
                               const int16_t **numbers_out) {
    struct binder *b = frame->p->b;
    const struct relation *relation = frame->query->relations[number];
    int16_t *numbers;
    TRY(BIND_ARRAY(b, relation->column_count + 2, &numbers));
    TRY(BIND_ARRAY(b, relation->column_count + 2, &layout->items));
    for (int column = relation->uses_tableoid ? -1 : 0; column <= (int)relation->column_count;
         column++) {
        if (column >= 0 && !relation->used[column])
            continue;
        struct type type = column < 0    ? TYPE_OF(OID)
                           : column == 0 ? TYPE_OF(INT8)
                                         : relation->columns[column - 1].type;
        numbers[layout->count] = (int16_t)column;
        layout->items[layout->count++] = expression_variable(b, 0, number, (int16_t)column, type);
    }
    *numbers_out = numbers;
    return STATUS_OK;
}

static enum status resolve_bound(struct frame *frame, const struct layout *empty,
                                 const struct match *match, const struct expression **out) {
    struct expression *bound = NULL;
    if (match->bound != NULL)
        TRY(plan_resolve(frame, empty, match->bound, &bound));
    *out = bound;
    return STATUS_OK;
}

static enum status apply_index(struct frame *frame, struct outer_list *outer,
                               const struct layout *layout, const struct index_choice *choice,
                               uint32_t count, struct expression **quals, struct plan_node *node) {
    struct layout empty = {.outer = outer};
    struct binder *b = frame->p->b;
    struct expression **equal, **any;
    TRY(BIND_ARRAY(b, choice->equal_count, &equal));
    for (uint32_t i = 0; i < choice->equal_count; i++)
        TRY(plan_resolve(frame, &empty, choice->equal[i].bound, &equal[i]));
    node->scan.index = choice->index;
    node->scan.equal_count = choice->equal_count;
    node->scan.equal = equal;
    node->scan.is_unique = choice->unique;
    if (choice->any.list != NULL) {
        node->scan.any_count = choice->any.list->argument_count - 1;
        TRY(BIND_ARRAY(b, node->scan.any_count, &any));
        for (uint32_t i = 0; i < node->scan.any_count; i++)
            TRY(plan_resolve(frame, &empty, choice->any.list->arguments[i + 1], &any[i]));
        node->scan.any = any;
    } else {
        TRY(resolve_bound(frame, &empty, &choice->lower, &node->scan.lower));
        TRY(resolve_bound(frame, &empty, &choice->upper, &node->scan.upper));
        node->scan.lower_exclusive = choice->lower.comparison == COMPARISON_GT;
        node->scan.upper_exclusive = choice->upper.comparison == COMPARISON_LT;
    }
    struct expression *condition = NULL, *resolved;
    for (uint32_t q = 0; q < count && q < 64; q++)
        if (choice->used & UINT64_C(1) << q)
            condition = expression_and(b, condition, quals[q]);
    struct layout with_outer = *layout;
    with_outer.outer = outer;
    TRY(plan_resolve(frame, &with_outer, condition, &resolved));
    node->scan.index_condition = resolved;
    return STATUS_OK;
}

/* So many lookups cost as much as reading all rows. */
static double lookups_worth(const struct frame *frame, const struct table *table) {
    double rows = plan_table_rows(frame->p->b, table);
    return fmax(LOOKUPS_CHEAP, rows * COST_SCAN / plan_lookup_cost(frame->p->b, table));
}

static enum status plan_table(struct frame *frame, uint32_t number, uint32_t count,
                              struct expression **quals, struct outer_list *outer,
                              struct path *path) {
    struct planner *p = frame->p;
    const struct relation *relation = frame->query->relations[number];
    const struct table *table = relation->table;
    const int16_t *numbers;
    TRY(scan_layout(frame, number, &path->layout, &numbers));
    bool is_virtual = table->kind == RELATION_VIRTUAL || table->virtual_table != NULL;
    struct index_choice choice;
    bool indexed = !is_virtual && choose_index(frame, number, count, quals, &choice);
    double rows = plan_table_rows(p->b, table);
    double read = indexed ? choice.rows : rows;
    rows *= plan_scan_selectivity(frame, number, count, quals);
    if (indexed && rows > choice.rows)
        rows = choice.rows;
    TRY(plan_node_new(p, is_virtual ? NODE_VIRTUAL_SCAN : NODE_TABLE_SCAN, &path->layout, rows,
                      &path->node));
    struct plan_node *node = path->node;
    struct plan_column *columns = (struct plan_column *)node->columns;
    for (uint32_t i = 0; i < path->layout.count; i++) {
        columns[i].name = numbers[i] > 0    ? relation->columns[numbers[i] - 1].name
                          : numbers[i] == 0 ? "address"
                                            : "tableoid";
        columns[i].table_oid = table->oid;
        columns[i].attribute_number = numbers[i];
    }
    node->scan.table = table;
    node->scan.alias = relation->alias;
    node->scan.entries_max = indexed ? lookups_worth(frame, table) : 0;
    node->scan.column_numbers = numbers;
    struct expression *filter = NULL, *resolved;
    for (uint32_t i = 0; i < count; i++)
        if (!indexed || i >= 64 || !(choice.used & UINT64_C(1) << i))
            filter = expression_and(p->b, filter, quals[i]);
    struct layout with_outer = path->layout;
    with_outer.outer = outer;
    TRY(plan_resolve(frame, &with_outer, filter, &resolved));
    node->scan.filter = resolved;
    if (indexed)
        TRY(apply_index(frame, outer, &path->layout, &choice, count, quals, node));
    node->start_cost = indexed ? 0.3 : 0;
    node->total_cost = indexed ? 0.3 + read * plan_lookup_cost(p->b, table) : read * COST_SCAN + 1;
    path->rows = rows < 1 ? 1 : rows;
    path->quals = quals;
    path->qual_count = count;
    return STATUS_OK;
}

/* ---- other relations -------------------------------------------------------------------- */

static enum status relation_layout(struct frame *frame, uint32_t number, struct layout *layout) {
    const struct relation *relation = frame->query->relations[number];
    layout->count = relation->column_count;
    TRY(BIND_ARRAY(frame->p->b, relation->column_count, &layout->items));
    for (uint32_t i = 0; i < relation->column_count; i++)
        layout->items[i] = expression_variable(frame->p->b, 0, number, (int16_t)(i + 1),
                                               relation->columns[i].type);
    return STATUS_OK;
}

static void name_columns(struct plan_node *node, const struct relation *relation) {
    struct plan_column *columns = (struct plan_column *)node->columns;
    for (uint32_t i = 0; i < node->column_count && i < relation->column_count; i++)
        columns[i].name = relation->columns[i].name;
}

static enum status plan_function_scan(struct frame *frame, uint32_t number,
                                      struct outer_list *outer, struct path *path) {
    struct planner *p = frame->p;
    const struct relation *relation = frame->query->relations[number];
    TRY(plan_node_new(p, NODE_FUNCTION_SCAN, &path->layout, 100, &path->node));
    name_columns(path->node, relation);
    struct plan_function *functions;
    TRY(BIND_ARRAY(p->b, relation->function_count, &functions));
    struct layout empty = {.outer = outer};
    bool set = false;
    for (uint32_t i = 0; i < relation->function_count; i++) {
        struct expression *call;
        TRY(plan_resolve(frame, &empty, relation->calls[i], &call));
        set |= call->kind == EXPRESSION_CALL && call->function->shape == FUNCTION_SET;
        bool columns = call->kind == EXPRESSION_CALL && call->function->column_count > 0;
        functions[i] = (struct plan_function){call, columns ? call->function->column_count : 1};
    }
    path->node->function_scan.function_count = relation->function_count;
    path->node->function_scan.functions = functions;
    path->node->function_scan.ordinality = relation->ordinality;
    path->node->function_scan.alias = relation->alias;
    path->rows = path->node->rows = set ? 100 : 1;
    path->node->total_cost = path->rows * 0.01;
    return STATUS_OK;
}

/* Conditions that can be tested inside are; the others stay in quals[0..*count). */
static enum status push_quals(struct planner *p, struct query *query, uint32_t number,
                              uint32_t *count, struct expression **quals) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        bool done;
        TRY(plan_push_condition(p, query, number, quals[i], &done));
        if (!done)
            quals[kept++] = quals[i];
    }
    *count = kept;
    return STATUS_OK;
}

/* Read once, or cheaper to read with the conditions of each place than to keep. */
static bool is_inlined(const struct cte *cte) {
    const struct query *query = cte->query;
    bool is_simple_view = cte->view != NULL && !query->grouped && !query->distinct &&
                          query->set_operation == SET_NONE && query->limit == NULL &&
                          query->offset == NULL && !query->has_set_functions;
    for (uint32_t i = 0; is_simple_view && i < query->target_count; i++)
        is_simple_view = !expression_is_volatile(query->targets[i].expression);
    return cte->materialize < 0 ||
           (cte->materialize == 0 && (cte->references == 1 || is_simple_view));
}

static bool visit_any(const struct expression *expression, void *context) {
    return true;
}

static bool uses_outer(const struct query *query) {
    for (uint32_t level = 1; level <= query->depth + 1; level++)
        if (query_walk_variables(query, level, visit_any, NULL))
            return true;
    return false;
}

static enum status plan_cte_scan(struct frame *frame, uint32_t number, uint32_t *count,
                                 struct expression **quals, struct path *path) {
    struct planner *p = frame->p;
    const struct relation *relation = frame->query->relations[number];
    struct cte *cte = relation->cte;
    struct frame inner;
    if (is_inlined(cte)) {
        struct query *query;
        TRY(plan_copy_query(p, cte->query, &query));
        plan_forget_unused(p, query, relation->used);
        if (uses_outer(query))
            return bind_unsupported(p->b, -1, "a WITH query that uses columns of an outer query");
        TRY(push_quals(p, query, number, count, quals));
        TRY(plan_subquery(p, query, frame, true, &inner, &path->node));
        path->rows = path->node->rows;
        return STATUS_OK;
    }
    if (cte->plan_index < 0) {
        struct plan_node *node;
        TRY(plan_subquery(p, cte->query, frame, false, &inner, &node));
        if (inner.outer.count > 0)
            return bind_unsupported(p->b, -1, "a WITH query that uses columns of an outer query");
        if (p->plan->cte_count == p->cte_capacity) {
            const struct plan_node **ctes;
            const char **names;
            TRY(BIND_ARRAY(p->b, p->cte_capacity + 8, &ctes));
            TRY(BIND_ARRAY(p->b, p->cte_capacity + 8, &names));
            if (p->plan->cte_count > 0) {
                memcpy(ctes, p->ctes, p->plan->cte_count * sizeof *ctes);
                memcpy(names, p->cte_names, p->plan->cte_count * sizeof *names);
            }
            p->ctes = ctes;
            p->cte_names = names;
            p->cte_capacity += 8;
        }
        cte->plan_index = (int)p->plan->cte_count++;
        p->ctes[cte->plan_index] = node;
        p->cte_names[cte->plan_index] = cte->name;
    }
    path->rows = p->ctes[cte->plan_index]->rows;
    TRY(plan_node_new(p, NODE_CTE_SCAN, &path->layout, path->rows, &path->node));
    path->node->cte_scan.cte = (uint32_t)cte->plan_index;
    path->node->cte_scan.name = cte->name;
    path->node->cte_scan.alias = relation->alias;
    name_columns(path->node, relation);
    path->node->total_cost = path->rows * 0.02;
    return STATUS_OK;
}

enum status plan_relation(struct frame *frame, uint32_t number, uint32_t count,
                          struct expression **quals, struct outer_list *outer, struct path *path) {
    struct planner *p = frame->p;
    const struct relation *relation = frame->query->relations[number];
    *path = (struct path){.relations = UINT64_C(1) << number, .relation = (int)number};
    if (relation->source == RELATION_OF_TABLE)
        return plan_table(frame, number, count, quals, outer, path);
    TRY(relation_layout(frame, number, &path->layout));
    struct outer_list *list = NULL;
    if (relation->lateral)
        TRY(BIND_ARRAY(p->b, 1, &list));
    if (relation->source == RELATION_OF_FUNCTION) {
        TRY(plan_function_scan(frame, number, list, path));
    } else if (relation->source == RELATION_OF_CTE) {
        TRY(plan_cte_scan(frame, number, &count, quals, path));
    } else {
        struct frame inner;
        struct query *query;
        TRY(plan_copy_query(p, relation->query, &query));
        plan_forget_unused(p, query, relation->used);
        TRY(push_quals(p, query, number, &count, quals));
        TRY(plan_subquery(p, query, frame, true, &inner, &path->node));
        path->rows = path->node->rows;
        if (list != NULL)
            *list = inner.outer;
    }
    path->bindings = list;
    for (uint32_t i = 0; list != NULL && i < list->count; i++)
        path->needs |= plan_relations_of(list->items[i].variable);
    if (path->needs == 0)
        path->bindings = NULL;
    return count == 0 ? STATUS_OK : plan_filter(frame, path, plan_and_all(p, count, quals));
}
