/*
 * Common subplans, once.
 *
 * Before anything is planned, the uncorrelated subqueries of the whole statement are compared by
 * their images (query_image.h):
 *
 *     equal subqueries in expressions      one subplan: planned once, run once, one answer
 *     aggregates over the same rows        (select sum(a) from t), (select max(b) from t): one
 *                                          common table expression with a column for each
 *                                          aggregate; each subquery reads its own of them
 *     equal grouped subqueries in FROM     one common table expression, as a view would be, unless
 *                                          conditions around it could go into it
 *
 * The snapshot is one for the statement, so is what stable functions answer; whatever is volatile
 * or locks rows is left alone. A subquery of an expression may never be asked, and its errors
 * stay away then: aggregates join hands only when they cannot fail.
 */
#include <string.h>

#include "sql/plan.h"
#include "sql/query_image.h"

struct common_link {
    struct bound_sublink *link;
    struct buffer image, source; /* source: of an aggregate that may join others; else empty */
    bool is_done;
};

/* A grouped subquery in FROM. */
struct common_relation {
    struct relation *relation;
    struct buffer image;
    bool is_done;
};

struct common {
    struct planner *p;
    uint32_t relation_count, relation_capacity;
    struct common_relation *relations;
    uint32_t count, capacity;
    struct common_link *links; /* from the outside in; those that may be shared */
    uint32_t cte_count;
    struct cte *ctes[RELATIONS_MAX]; /* walked */
    uint32_t common_count;           /* made, for their names */
    enum status status;
};

static bool same_image(const struct buffer *a, const struct buffer *b) {
    return a->size > 0 && a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* ---- collecting ------------------------------------------------------------------------- */

static void collect_query(struct common *common, const struct query *query);

static bool is_plain_aggregate(const struct query *query) {
    return query->grouped && query->group_count == 0 && query->having == NULL &&
           query->target_count == 1 && !query->distinct && query->distinct_on_count == 0 &&
           query->sort_count == 0 && query->limit == NULL && query->offset == NULL &&
           !query->has_set_functions && query->set_operation == SET_NONE && query->from_count > 0;
}

/* Numeric arithmetic in use: what overflows it is beyond any column. */
static bool never_fails(const struct function *function) {
    return function->comparison != COMPARISON_NONE ||
           strcmp(function->symbol, "numeric_add") == 0 ||
           strcmp(function->symbol, "numeric_sub") == 0 ||
           strcmp(function->symbol, "numeric_mul") == 0;
}

/* To a type that has room for all values; numeric to numeric is a change of form, if not written.
 */
static bool widens(const struct expression *cast) {
    uint32_t from = cast->arguments[0]->type.id, to = cast->type.id;
    bool is_integer = from == TYPE_INT2 || from == TYPE_INT4 || from == TYPE_INT8;
    return ((is_integer || from == TYPE_NUMERIC) && to == TYPE_NUMERIC && !cast->is_explicit) ||
           (from == TYPE_INT2 && (to == TYPE_INT4 || to == TYPE_INT8)) ||
           (from == TYPE_INT4 && to == TYPE_INT8);
}

static bool visit_fallible(const struct expression *expression, void *context) {
    switch (expression->kind) {
    case EXPRESSION_CALL:
        return !never_fails(expression->function);
    case EXPRESSION_CAST:
        return !widens(expression);
    case EXPRESSION_CONSTANT:
    case EXPRESSION_PARAMETER:
    case EXPRESSION_VARIABLE:
    case EXPRESSION_AND:
    case EXPRESSION_OR:
    case EXPRESSION_NOT:
    case EXPRESSION_TEST:
    case EXPRESSION_DISTINCT:
    case EXPRESSION_CASE:
    case EXPRESSION_COALESCE:
    case EXPRESSION_NULLIF:
    case EXPRESSION_IN:
        return false;
    default:
        return true;
    }
}

static bool aggregate_may_fail(const struct bound_aggregate *aggregate) {
    static const char *const safe[] = {"count", "sum",      "avg",   "min",
                                       "max",   "bool_and", "every", "bool_or"};
    bool known = false;
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        known |= strcmp(aggregate->aggregate->name, safe[i]) == 0;
    bool adds = aggregate->aggregate->name[0] == 's' || aggregate->aggregate->name[0] == 'a';
    uint32_t result = aggregate->aggregate->result;
    for (uint32_t i = 0; i < aggregate->argument_count; i++)
        known &= !expression_walk(aggregate->arguments[i], visit_fallible, NULL);
    return !known || (adds && result != TYPE_INT8 && result != TYPE_NUMERIC) ||
           aggregate->order_count > 0 || expression_walk(aggregate->filter, visit_fallible, NULL);
}

/* Aggregates that can be computed although nobody may ask, under whatever expression. */
static bool can_join_hands(const struct expression *target) {
    if (target->kind == EXPRESSION_AGGREGATE)
        return target->aggregate->level == 0 && !aggregate_may_fail(target->aggregate);
    if (target->kind == EXPRESSION_SUBLINK)
        return false;
    for (uint32_t i = 0; i < target->argument_count; i++)
        if (!can_join_hands(target->arguments[i]))
            return false;
    return true;
}

static enum status push_link(struct common *common, struct bound_sublink *link) {
    struct common_link found = {.link = link};
    if (!sublink_image(&found.image, link)) {
        buffer_release(&found.image);
        return STATUS_OK;
    }
    const struct query *query = link->query;
    if (link->kind == SUBPLAN_SCALAR && is_plain_aggregate(query) &&
        can_join_hands(query->targets[0].expression))
        (void)query_image(&found.source, query, QUERY_SOURCE);
    if (common->count == common->capacity) {
        struct common_link *links;
        TRY(BIND_ARRAY(common->p->b, common->capacity * 2 + 8, &links));
        if (common->count > 0)
            memcpy(links, common->links, common->count * sizeof *links);
        common->links = links;
        common->capacity = common->capacity * 2 + 8;
    }
    common->links[common->count++] = found;
    return STATUS_OK;
}

static bool visit_link(const struct expression *expression, void *context) {
    struct common *common = context;
    if (expression->kind == EXPRESSION_SUBLINK && common->status == STATUS_OK) {
        common->status = push_link(common, expression->sublink);
        collect_query(common, expression->sublink->query);
    }
    return common->status != STATUS_OK;
}

static void collect_item(struct common *common, const struct join_item *item) {
    if (!item->is_join)
        return;
    collect_item(common, item->left);
    collect_item(common, item->right);
    expression_walk(item->condition, visit_link, common);
}

/* Each once, however often it is used. */
static void collect_cte(struct common *common, struct cte *cte) {
    for (uint32_t i = 0; i < common->cte_count; i++)
        if (common->ctes[i] == cte)
            return;
    if (common->cte_count == RELATIONS_MAX)
        return;
    common->ctes[common->cte_count++] = cte;
    collect_query(common, cte->query);
}

static bool is_about_one(const struct expression *condition) {
    if (condition == NULL)
        return false;
    if (condition->kind == EXPRESSION_AND) {
        for (uint32_t i = 0; i < condition->argument_count; i++)
            if (is_about_one(condition->arguments[i]))
                return true;
        return false;
    }
    uint64_t relations = plan_relations_of(condition);
    return (relations & (relations - 1)) == 0;
}

static bool item_selects(const struct join_item *item) {
    return item->is_join &&
           (is_about_one(item->condition) || item_selects(item->left) || item_selects(item->right));
}

/* Are there conditions that choose rows of one relation? They, what they imply for others and the
   keys of the rows they leave can go into a subquery that is planned for its place. */
static bool selects(const struct query *query) {
    bool found = is_about_one(query->where);
    for (uint32_t i = 0; i < query->from_count; i++)
        found |= item_selects(query->from[i]);
    return found;
}

static enum status push_relation(struct common *common, struct relation *relation) {
    struct common_relation found = {.relation = relation};
    bool is_heavy = relation->query->grouped || relation->query->distinct;
    if (!is_heavy || relation->lateral ||
        !query_image(&found.image, relation->query, QUERY_WHOLE)) {
        buffer_release(&found.image);
        return STATUS_OK;
    }
    if (common->relation_count == common->relation_capacity) {
        struct common_relation *relations;
        uint32_t capacity = common->relation_capacity * 2 + 8;
        TRY(BIND_ARRAY(common->p->b, capacity, &relations));
        if (common->relation_count > 0)
            memcpy(relations, common->relations, common->relation_count * sizeof *relations);
        common->relations = relations;
        common->relation_capacity = capacity;
    }
    common->relations[common->relation_count++] = found;
    return STATUS_OK;
}

static void collect_relation(struct common *common, const struct query *around,
                             struct relation *relation) {
    if (relation->source == RELATION_OF_QUERY && common->status == STATUS_OK && !selects(around))
        common->status = push_relation(common, relation);
    if (relation->source == RELATION_OF_QUERY)
        collect_query(common, relation->query);
    if (relation->source == RELATION_OF_CTE)
        collect_cte(common, relation->cte);
    for (uint32_t i = 0; i < relation->function_count; i++)
        expression_walk(relation->calls[i], visit_link, common);
}

static void collect_query(struct common *common, const struct query *query) {
    if (common->status == STATUS_OK)
        common->status = bind_stack_check(common->p->b);
    if (common->status != STATUS_OK)
        return;
    for (uint32_t i = 0; i < query->relation_count; i++)
        collect_relation(common, query, query->relations[i]);
    for (uint32_t i = 0; i < query->from_count; i++)
        collect_item(common, query->from[i]);
    expression_walk(query->where, visit_link, common);
    for (uint32_t i = 0; i < query->target_count; i++)
        expression_walk(query->targets[i].expression, visit_link, common);
    for (uint32_t i = 0; i < query->group_count; i++)
        expression_walk(query->groups[i], visit_link, common);
    expression_walk(query->having, visit_link, common);
    expression_walk(query->limit, visit_link, common);
    expression_walk(query->offset, visit_link, common);
    for (uint32_t i = 0; i < query->values_count; i++)
        for (uint32_t k = 0; k < query->target_count; k++)
            expression_walk(query->values[i][k], visit_link, common);
    if (query->set_operation != SET_NONE) {
        collect_query(common, query->left);
        collect_query(common, query->right);
    }
}

/* ---- equal subqueries ------------------------------------------------------------------- */

/* One alone shares with itself: planning may come to it twice (ORDER BY, the recheck of UPDATE). */
static enum status share_equal(struct common *common) {
    for (uint32_t i = 0; i < common->count; i++) {
        const struct common_link *first = &common->links[i];
        if (first->link->shared != NULL)
            continue;
        TRY(BIND_ARRAY(common->p->b, 1, &first->link->shared));
        for (uint32_t k = i + 1; k < common->count; k++)
            if (same_image(&first->image, &common->links[k].image))
                common->links[k].link->shared = first->link->shared;
    }
    return STATUS_OK;
}

/* ---- aggregates over the same rows ------------------------------------------------------ */

static bool same_expression(const struct expression *a, const struct expression *b) {
    struct buffer image = {0}, other = {0};
    bool same =
        expression_image(&image, a) && expression_image(&other, b) && same_image(&image, &other);
    buffer_release(&image);
    buffer_release(&other);
    return same;
}

/* Adds the aggregates of an expression that are not there yet. */
static enum status add_aggregates(struct binder *b, const struct expression *expression,
                                  struct query *query) {
    for (uint32_t i = 0; i < expression->argument_count; i++)
        TRY(add_aggregates(b, expression->arguments[i], query));
    if (expression->kind != EXPRESSION_AGGREGATE)
        return STATUS_OK;
    for (uint32_t i = 0; i < query->target_count; i++)
        if (same_expression(query->targets[i].expression, expression))
            return STATUS_OK;
    if (query->target_count == query->target_capacity) {
        struct target *targets;
        uint32_t capacity = query->target_capacity * 2 + 8;
        TRY(BIND_ARRAY(b, capacity, &targets));
        if (query->target_count > 0)
            memcpy(targets, query->targets, query->target_count * sizeof *targets);
        query->targets = targets;
        query->target_capacity = capacity;
    }
    query->targets[query->target_count++] =
        (struct target){.name = expression->aggregate->aggregate->name,
                        .expression = (struct expression *)expression};
    return STATUS_OK;
}

/* The expression over the row of all aggregates. */
static enum status over_aggregates(struct binder *b, struct expression *expression,
                                   const struct query *query, struct expression **out) {
    *out = expression;
    if (expression->kind == EXPRESSION_AGGREGATE) {
        uint32_t i = 0;
        while (!same_expression(query->targets[i].expression, expression))
            i++;
        ASSERT(i < query->target_count);
        *out = expression_variable(b, 0, 0, (int16_t)(i + 1), expression->type);
        return STATUS_OK;
    }
    if (expression->argument_count == 0)
        return STATUS_OK;
    TRY(BIND_ARRAY(b, 1, out));
    **out = *expression;
    TRY(BIND_ARRAY(b, expression->argument_count, &(*out)->arguments));
    for (uint32_t i = 0; i < expression->argument_count; i++)
        TRY(over_aggregates(b, expression->arguments[i], query, &(*out)->arguments[i]));
    return STATUS_OK;
}

/* Columns that only one of the queries reads are read for all. */
static enum status merge_used(struct binder *b, struct query *into, const struct query *from) {
    for (uint32_t r = 0; r < into->relation_count; r++) {
        struct relation *relation = into->relations[r];
        const struct relation *other = from->relations[r];
        bool *used;
        TRY(BIND_ARRAY(b, relation->column_count + 1, &used));
        for (uint32_t c = 0; c <= relation->column_count; c++)
            used[c] = relation->used[c] || other->used[c];
        TRY(BIND_ARRAY(b, 1, &into->relations[r]));
        *into->relations[r] = *relation;
        into->relations[r]->used = used;
        into->relations[r]->uses_tableoid = relation->uses_tableoid || other->uses_tableoid;
    }
    return STATUS_OK;
}

/* SELECT <target over the row of cte> FROM cte. */
static enum status read_cte(struct binder *b, struct cte *cte, const struct query *from,
                            struct expression *target, struct query **out) {
    TRY(BIND_ARRAY(b, 1, out));
    struct query *query = *out;
    query->depth = from->depth;
    query->parent = from->parent;
    TRY(BIND_ARRAY(b, 1, &query->relations[0]));
    struct relation *relation = query->relations[query->relation_count++];
    relation->source = RELATION_OF_CTE;
    relation->alias = cte->name;
    relation->cte = cte;
    relation->column_count = cte->column_count;
    relation->columns = cte->columns;
    TRY(BIND_ARRAY(b, cte->column_count + 1, &relation->used));
    memset(relation->used, true, cte->column_count + 1);
    TRY(BIND_ARRAY(b, 1, &query->from));
    TRY(BIND_ARRAY(b, 1, &query->from[0]));
    query->from_count = 1; /* relation 0 */
    TRY(BIND_ARRAY(b, 1, &query->targets));
    query->targets[0] = (struct target){.name = from->targets[0].name, .expression = target};
    query->target_count = query->target_capacity = 1;
    cte->references++;
    return STATUS_OK;
}

static enum status make_cte(struct common *common, struct query *query, struct cte **out) {
    struct binder *b = common->p->b;
    TRY(BIND_ARRAY(b, 1, out));
    struct cte *cte = *out;
    cte->name = arena_format(b->arena, "common_%u", ++common->common_count);
    cte->query = query;
    cte->plan_index = -1;
    cte->materialize = 1;
    cte->level = query->depth;
    return query_columns(b, query, &cte->column_count, &cte->columns);
}

static enum status join_hands(struct common *common, struct common_link *first) {
    struct binder *b = common->p->b;
    struct common_link *end = common->links + common->count;
    struct query *all;
    struct cte *cte;
    TRY(BIND_ARRAY(b, 1, &all));
    *all = *first->link->query;
    all->targets = NULL;
    all->target_count = all->target_capacity = 0;
    for (struct common_link *one = first; one < end; one++)
        if (same_image(&first->source, &one->source)) {
            TRY(merge_used(b, all, one->link->query));
            TRY(add_aggregates(b, one->link->query->targets[0].expression, all));
        }
    TRY(make_cte(common, all, &cte));
    for (struct common_link *one = first; one < end; one++) {
        if (!same_image(&first->source, &one->source))
            continue;
        struct query *query = one->link->query;
        struct expression *target;
        TRY(over_aggregates(b, query->targets[0].expression, all, &target));
        TRY(read_cte(b, cte, query, target, &one->link->query));
        one->is_done = true;
    }
    return STATUS_OK;
}

/* Not those that are equal anyway: they are one subplan already. */
static enum status share_rows(struct common *common) {
    for (uint32_t i = 0; i < common->count; i++) {
        struct common_link *first = &common->links[i];
        bool differ = false;
        for (uint32_t k = i + 1; k < common->count && !first->is_done; k++)
            differ |= same_image(&first->source, &common->links[k].source) &&
                      !same_image(&first->image, &common->links[k].image);
        if (differ)
            TRY(join_hands(common, first));
    }
    return STATUS_OK;
}

/* ---- equal subqueries in FROM ------------------------------------------------------------ */

static enum status share_relation(struct common *common, struct common_relation *first) {
    struct planner *p = common->p;
    struct common_relation *end = common->relations + common->relation_count;
    const struct relation *relation = first->relation;
    struct query *query = relation->query; /* the others' are not needed any more */
    struct cte *cte;
    bool *used;
    TRY(make_cte(common, query, &cte));
    TRY(BIND_ARRAY(p->b, relation->column_count + 1, &used));
    for (struct common_relation *one = first; one < end; one++) {
        if (!same_image(&first->image, &one->image))
            continue;
        for (uint32_t c = 0; c <= relation->column_count; c++)
            used[c] |= one->relation->used[c];
        one->relation->source = RELATION_OF_CTE;
        one->relation->cte = cte;
        one->is_done = true;
        cte->references++;
    }
    plan_forget_unused(p, query, used);
    return STATUS_OK;
}

static enum status share_relations(struct common *common) {
    for (uint32_t i = 0; i < common->relation_count; i++) {
        struct common_relation *first = &common->relations[i];
        bool again = false;
        for (uint32_t k = i + 1; k < common->relation_count && !first->is_done; k++)
            again |= same_image(&first->image, &common->relations[k].image);
        if (again)
            TRY(share_relation(common, first));
    }
    return STATUS_OK;
}

/* ---- all --------------------------------------------------------------------------------- */

static void collect_modify(struct common *common, const struct modify *modify) {
    for (uint32_t i = 0; modify->row != NULL && i < modify->table->column_count; i++)
        expression_walk(modify->row[i], visit_link, common);
    for (uint32_t i = 0; i < modify->assignment_count; i++)
        expression_walk(modify->assignments[i].value, visit_link, common);
    expression_walk(modify->conflict_where, visit_link, common);
    for (uint32_t i = 0; i < modify->returning_count; i++)
        expression_walk(modify->returning[i].expression, visit_link, common);
}

enum status plan_share_common(struct planner *p, const struct query *query,
                              const struct modify *modify) {
    struct common common = {.p = p};
    if (query != NULL)
        collect_query(&common, query);
    if (modify != NULL)
        collect_modify(&common, modify);
    enum status status = common.status;
    if (status == STATUS_OK)
        status = share_relations(&common);
    if (status == STATUS_OK)
        status = share_equal(&common);
    if (status == STATUS_OK && common.count > 1)
        status = share_rows(&common);
    for (uint32_t i = 0; i < common.relation_count; i++)
        buffer_release(&common.relations[i].image);
    for (uint32_t i = 0; i < common.count; i++) {
        buffer_release(&common.links[i].image);
        buffer_release(&common.links[i].source);
    }
    return status;
}
