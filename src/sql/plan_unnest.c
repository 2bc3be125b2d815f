/*
 * Subqueries of conditions as joins.
 *
 *     [NOT] EXISTS, IN     a semi- or anti-join; the subquery's relations move into the query where
 *                          it has no grouping, else it becomes one relation
 *     NOT IN               an anti-join when neither side can be NULL
 *     expression with      a relation that is grouped by what the subquery was equated with
 *     (SELECT aggregate)   outside, joined by it: inner when NULL cannot satisfy the condition,
 * left otherwise. A count over nothing is 0, not NULL: a row without partner gets the value that
 * the aggregates have over no rows
 *
 * This is the dependent join pushed down (Neumann, Kemper: "Unnesting arbitrary queries", BTW 2015)
 * to where the correlation is, in the case that it is an equality in the subquery's WHERE: then the
 * inner side of the equality already gives the domain of the outer values. Other correlations stay
 * subplans that run once for each combination of outer values.
 */
#include <string.h>

#include "sql/plan_graph.h"

/* ---- looking ---------------------------------------------------------------------------- */

static bool visit_any(const struct expression *expression, void *context) {
    return true;
}
static bool visit_sublink(const struct expression *expression, void *context) {
    return expression->kind == EXPRESSION_SUBLINK;
}
static bool has_sublink(const struct expression *expression) {
    return expression_walk(expression, visit_sublink, NULL);
}
static bool uses_level(const struct expression *expression, uint32_t level) {
    return expression_walk_variables(expression, level, visit_any, NULL);
}

static bool visit_correlated(const struct expression *expression, void *context) {
    return expression->kind == EXPRESSION_SUBLINK &&
           query_walk_variables(expression->sublink->query, 1, visit_any, NULL);
}

/* SELECT ... FROM ... WHERE and perhaps grouping, nothing else. */
static bool is_block(const struct query *query) {
    return query->set_operation == SET_NONE && query->values_count == 0 && query->limit == NULL &&
           query->offset == NULL && query->lock_count == 0 && !query->has_set_functions &&
           query->from_count > 0 && query->distinct_on_count == 0 && query->ctes == NULL &&
           !expression_is_volatile(query->where);
}

/* The correlation is nowhere but in WHERE (and, with `in_targets`, in the targets). */
static bool correlated_in_where(const struct query *query, bool in_targets) {
    struct query rest = *query;
    rest.where = NULL;
    rest.sort_count = 0;
    if (!in_targets)
        rest.target_count = 0;
    return !query_walk_variables(&rest, 1, visit_any, NULL);
}

/* ---- moving ----------------------------------------------------------------------------- */

/* From the subquery into the query around it: its relations get new numbers, everything outside
   is one level nearer. */
static enum status move_variable(struct variable_map *map, const struct expression *variable,
                                 uint32_t depth, struct expression **out) {
    *out = expression_copy(map->p->b, variable);
    if (variable->variable.level == depth)
        (*out)->variable.relation += map->base;
    else if (variable->variable.level > depth)
        (*out)->variable.level--;
    return STATUS_OK;
}

static uint32_t next_relation(const struct frame *frame) {
    return frame->query->relation_count;
}

static bool fits(const struct frame *frame, uint32_t count) {
    return frame->query->relation_count + count < RELATIONS_MAX - 1;
}

/* ---- semi-joins by moving the relations ------------------------------------------------- */

struct semi {
    enum join_kind kind;
    const struct bound_sublink *link;
    uint32_t condition_count;
    struct expression **conditions;
};

/* left = column of the subquery, as `column` stands for it outside. */
static enum status in_condition(struct frame *frame, const struct bound_sublink *link, uint32_t i,
                                struct expression *column, struct expression **out) {
    struct binder *b = frame->p->b;
    if (link->casts[i] != NULL) {
        struct expression *cast = expression_copy(b, link->casts[i]), *leaf = cast;
        while (leaf->kind == EXPRESSION_CAST && leaf->arguments[0]->kind == EXPRESSION_CAST)
            leaf = leaf->arguments[0];
        if (leaf->kind != EXPRESSION_CAST || leaf->arguments[0]->kind != EXPRESSION_VARIABLE) {
            *out = NULL;
            return STATUS_OK;
        }
        leaf->arguments[0] = column;
        column = cast;
    }
    *out = expression_call(b, link->functions[i], TYPE_OF(BOOL), -1, link->left[i], column);
    return STATUS_OK;
}

static bool can_move(const struct frame *frame, const struct query *query) {
    return is_block(query) && !query->grouped && correlated_in_where(query, true) &&
           fits(frame, query->relation_count);
}

static bool is_key(const struct expression *condition, uint64_t inner) {
    if (condition->kind != EXPRESSION_CALL || condition->function->comparison != COMPARISON_EQ)
        return false;
    uint64_t a = plan_relations_of(condition->arguments[0]);
    uint64_t b = plan_relations_of(condition->arguments[1]);
    return a != 0 && b != 0 &&
           ((set_within(a, inner) && (b & inner) == 0) ||
            (set_within(b, inner) && (a & inner) == 0));
}

/* Split the moved WHERE: what is about the subquery's relations alone goes to `right`. */
static enum status split_where(struct frame *frame, struct expression *where, uint64_t inner,
                               struct join_group *right, struct semi *semi) {
    struct planner *p = frame->p;
    uint32_t count;
    struct expression **conjuncts, **conditions;
    TRY(plan_conjuncts(p, where, &count, &conjuncts));
    TRY(BIND_ARRAY(p->b, count + semi->condition_count, &conditions));
    if (semi->condition_count > 0)
        memcpy(conditions, semi->conditions, semi->condition_count * sizeof *conditions);
    semi->conditions = conditions;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t relations = plan_relations_of(conjuncts[i]);
        if (relations != 0 && set_within(relations, inner))
            TRY(group_add_quals(p, right, conjuncts[i]));
        else
            semi->conditions[semi->condition_count++] = conjuncts[i];
    }
    return STATUS_OK;
}

static enum status add_relations(struct frame *frame, struct variable_map *map,
                                 const struct query *query) {
    for (uint32_t i = 0; i < query->relation_count; i++) {
        struct relation *relation;
        TRY(plan_map_relation(map, query->relations[i], 0, &relation));
        frame->query->relations[frame->query->relation_count++] = relation;
    }
    return STATUS_OK;
}

static enum status move_semi(struct frame *frame, struct join_group *group, struct semi *semi,
                             bool *done) {
    struct planner *p = frame->p;
    const struct query *query = semi->link->query;
    struct variable_map map = {.p = p, .variable = move_variable, .base = next_relation(frame)};
    uint64_t inner = ((UINT64_C(1) << query->relation_count) - 1) << map.base;
    TRY(BIND_ARRAY(p->b, semi->link->left_count, &semi->conditions));
    for (uint32_t i = 0; i < semi->link->left_count; i++) {
        struct expression *column, *condition;
        TRY(plan_map(&map, query->targets[i].expression, 0, &column));
        TRY(in_condition(frame, semi->link, i, column, &condition));
        if (condition == NULL)
            return STATUS_OK;
        semi->conditions[semi->condition_count++] = condition;
    }
    struct expression *where;
    struct join_group *right = group_new(p);
    TRY(plan_map(&map, query->where, 0, &where));
    TRY(split_where(frame, where, inner, right, semi));
    uint32_t keys = 0;
    for (uint32_t i = 0; i < semi->condition_count; i++)
        keys += is_key(semi->conditions[i], inner);
    if (keys == 0)
        return STATUS_OK;
    struct join_item **items;
    TRY(plan_map_items(&map, query->from_count, query->from, 0, &items));
    TRY(add_relations(frame, &map, query));
    TRY(group_add_from(p, right, query->from_count, items));
    *done = true;
    return group_add_operator(p, group, semi->kind, right, semi->condition_count, semi->conditions);
}

/* ---- a grouped relation in place of the subquery ---------------------------------------- */

struct derived {
    struct query *query;
    uint32_t relation;
    uint32_t key_count;
    struct expression **inner, **outer; /* equated inside and outside */
    const struct function **functions;
};

/* own = outer, either way round. */
static bool correlation_key(const struct expression *condition, struct expression **inner,
                            struct expression **outer) {
    if (condition->kind != EXPRESSION_CALL || condition->function->comparison != COMPARISON_EQ ||
        has_sublink(condition))
        return false;
    for (int side = 0; side < 2; side++) {
        struct expression *own = condition->arguments[side],
                          *other = condition->arguments[1 - side];
        if (uses_level(own, 0) && !uses_level(own, 1) && !uses_level(own, 2) &&
            uses_level(other, 1) && !uses_level(other, 0) && !uses_level(other, 2)) {
            *inner = own;
            *outer = other;
            return true;
        }
    }
    return false;
}

/* Take the correlation out of WHERE. *done false: it has another form. */
static enum status take_keys(struct frame *frame, struct derived *derived, bool *done) {
    struct planner *p = frame->p;
    uint32_t count;
    struct expression **conjuncts, *own = NULL;
    *done = false;
    TRY(plan_conjuncts(p, derived->query->where, &count, &conjuncts));
    TRY(BIND_ARRAY(p->b, count, &derived->inner));
    TRY(BIND_ARRAY(p->b, count, &derived->outer));
    TRY(BIND_ARRAY(p->b, count, &derived->functions));
    struct variable_map map = {.p = p, .variable = move_variable};
    for (uint32_t i = 0; i < count; i++) {
        struct expression *inner, *outer;
        if (!uses_level(conjuncts[i], 1)) {
            own = expression_and(p->b, own, conjuncts[i]);
            continue;
        }
        if (!correlation_key(conjuncts[i], &inner, &outer))
            return STATUS_OK;
        uint32_t at = derived->key_count++;
        derived->inner[at] = inner;
        derived->functions[at] = conjuncts[i]->function;
        TRY(plan_map(&map, outer, 0, &derived->outer[at]));
    }
    derived->query->where = own;
    *done = true;
    return STATUS_OK;
}

/* Keys first, then the subquery's own targets; grouped by the keys. */
static enum status group_by_keys(struct frame *frame, struct derived *derived) {
    struct binder *b = frame->p->b;
    struct query *query = derived->query;
    uint32_t keys = derived->key_count, used = keys;
    struct expression **groups;
    struct target *targets;
    TRY(BIND_ARRAY(b, keys + query->group_count, &groups));
    TRY(BIND_ARRAY(b, keys + query->target_count, &targets));
    for (uint32_t i = 0; i < keys; i++) {
        groups[i] = derived->inner[i];
        targets[i] = (struct target){.name = "", .expression = derived->inner[i]};
    }
    for (uint32_t i = 0; i < query->group_count; i++)
        groups[keys + i] = query->groups[i];
    for (uint32_t i = 0; i < query->target_count; i++)
        if (!query->targets[i].junk)
            targets[used++] = query->targets[i];
    query->groups = groups;
    query->group_count += keys;
    query->targets = targets;
    query->target_count = query->target_capacity = used;
    query->sort_count = 0;
    return STATUS_OK;
}

static enum status add_derived(struct frame *frame, struct derived *derived) {
    struct binder *b = frame->p->b;
    struct relation *relation;
    TRY(BIND_ARRAY(b, 1, &relation));
    relation->source = RELATION_OF_QUERY;
    relation->query = derived->query;
    relation->alias = "subquery";
    TRY(query_columns(b, derived->query, &relation->column_count, &relation->columns));
    TRY(BIND_ARRAY(b, relation->column_count + 1, &relation->used));
    for (uint32_t i = 0; i <= relation->column_count; i++)
        relation->used[i] = true;
    derived->relation = next_relation(frame);
    frame->query->relations[frame->query->relation_count++] = relation;
    return STATUS_OK;
}

static struct expression *derived_column(struct frame *frame, const struct derived *derived,
                                         uint32_t column) {
    return expression_variable(frame->p->b, 0, derived->relation, (int16_t)(column + 1),
                               derived->query->targets[column].expression->type);
}

static struct expression *key_condition(struct frame *frame, const struct derived *derived,
                                        uint32_t i) {
    return expression_call(frame->p->b, derived->functions[i], TYPE_OF(BOOL), -1, derived->outer[i],
                           derived_column(frame, derived, i));
}

/* EXISTS and IN over a grouped subquery, IN over one that is not correlated at all. */
static enum status derive_semi(struct frame *frame, struct join_group *group, struct semi *semi,
                               bool *done) {
    struct planner *p = frame->p;
    const struct query *from = semi->link->query;
    struct derived derived = {0};
    bool is_grouped = is_block(from) && from->group_count > 0 && !from->distinct &&
                      correlated_in_where(from, false);
    bool correlated = query_walk_variables(from, 1, visit_any, NULL);
    bool deep = query_walk_variables(from, 2, visit_any, NULL);
    if (!fits(frame, 1) || deep || (correlated && !is_grouped) ||
        (!correlated && semi->link->left_count == 0))
        return STATUS_OK;
    TRY(plan_copy_query(p, from, &derived.query));
    if (correlated) {
        bool taken;
        TRY(take_keys(frame, &derived, &taken));
        if (!taken)
            return STATUS_OK;
        TRY(group_by_keys(frame, &derived));
    }
    TRY(BIND_ARRAY(p->b, derived.key_count + semi->link->left_count, &semi->conditions));
    derived.relation = next_relation(frame);
    semi->condition_count = 0;
    for (uint32_t i = 0; i < derived.key_count; i++)
        semi->conditions[semi->condition_count++] = key_condition(frame, &derived, i);
    for (uint32_t i = 0; i < semi->link->left_count; i++) {
        struct expression *column = derived_column(frame, &derived, derived.key_count + i);
        struct expression *condition;
        TRY(in_condition(frame, semi->link, i, column, &condition));
        if (condition == NULL)
            return STATUS_OK;
        semi->conditions[semi->condition_count++] = condition;
    }
    TRY(add_derived(frame, &derived));
    struct join_group *right = group_new(p);
    TRY(group_add_relation(p, right, derived.relation));
    *done = true;
    return group_add_operator(p, group, semi->kind, right, semi->condition_count, semi->conditions);
}

/* ---- EXISTS, IN, NOT IN ----------------------------------------------------------------- */

static bool is_not_null(const struct query *query, const struct expression *expression,
                        uint64_t nullable) {
    while (expression->kind == EXPRESSION_CAST)
        expression = expression->arguments[0];
    if (expression->kind == EXPRESSION_CONSTANT)
        return !expression->value.is_null;
    if (expression->kind != EXPRESSION_VARIABLE || expression->variable.level != 0 ||
        expression->variable.column < 1)
        return false;
    const struct relation *relation = query->relations[expression->variable.relation];
    return relation->source == RELATION_OF_TABLE &&
           (relation_bit(expression->variable.relation) & nullable) == 0 &&
           relation->table->columns[expression->variable.column - 1].not_null;
}

static bool has_outer_join(const struct join_item *item) {
    return item->is_join &&
           (item->kind != JOIN_INNER || has_outer_join(item->left) || has_outer_join(item->right));
}

/* NOT IN is an anti-join only if no NULL can come into it. */
static bool no_nulls(const struct frame *frame, const struct join_group *group,
                     const struct bound_sublink *link) {
    const struct query *query = link->query;
    for (uint32_t i = 0; i < query->from_count; i++)
        if (has_outer_join(query->from[i]))
            return false;
    for (uint32_t i = 0; i < link->left_count; i++)
        if (!is_not_null(frame->query, link->left[i], group->nullable) ||
            !is_not_null(query, query->targets[i].expression, 0))
            return false;
    return true;
}

/* left IN: equalities of something of the group, without further subqueries. */
static bool is_plain_in(const struct bound_sublink *link) {
    for (uint32_t i = 0; i < link->left_count; i++)
        if (link->functions[i]->comparison != COMPARISON_EQ ||
            plan_relations_of(link->left[i]) == 0 || has_sublink(link->left[i]))
            return false;
    return true;
}

static enum status unnest_semi(struct frame *frame, struct join_group *group,
                               const struct expression *condition, bool *done) {
    bool negated = condition->kind == EXPRESSION_NOT;
    const struct expression *inner = negated ? condition->arguments[0] : condition;
    if (inner->kind != EXPRESSION_SUBLINK)
        return STATUS_OK;
    const struct bound_sublink *link = inner->sublink;
    struct semi semi = {.kind = negated ? JOIN_ANTI : JOIN_SEMI, .link = link};
    if (link->kind == SUBPLAN_ANY) {
        if (!is_plain_in(link) ||
            (negated && (!no_nulls(frame, group, link) || link->query->grouped)))
            return STATUS_OK;
    } else if (link->kind != SUBPLAN_EXISTS) {
        return STATUS_OK;
    }
    if (can_move(frame, link->query))
        TRY(move_semi(frame, group, &semi, done));
    if (!*done && !(negated && link->kind == SUBPLAN_ANY)) {
        semi.condition_count = 0;
        TRY(derive_semi(frame, group, &semi, done));
    }
    return STATUS_OK;
}

/* ---- scalar subqueries ------------------------------------------------------------------ */

/* The first scalar subquery that is evaluated whenever the condition is. */
static const struct expression *find_scalar(const struct expression *expression) {
    if (expression->kind == EXPRESSION_SUBLINK)
        return expression->sublink->kind == SUBPLAN_SCALAR &&
                       query_walk_variables(expression->sublink->query, 1, visit_any, NULL)
                   ? expression
                   : NULL;
    if (expression->kind != EXPRESSION_CALL && expression->kind != EXPRESSION_CAST &&
        expression->kind != EXPRESSION_NOT && expression->kind != EXPRESSION_TEST)
        return NULL;
    for (uint32_t i = 0; i < expression->argument_count; i++) {
        const struct expression *found = find_scalar(expression->arguments[i]);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static struct expression *replace(const struct binder *b, const struct expression *expression,
                                  const struct expression *old, struct expression *new) {
    if (expression == old)
        return new;
    struct expression *copy = ARENA_NEW(b->arena, struct expression);
    *copy = *expression;
    if (expression->argument_count > 0)
        copy->arguments = ARENA_ARRAY(b->arena, struct expression *, expression->argument_count);
    for (uint32_t i = 0; i < expression->argument_count; i++)
        copy->arguments[i] = replace(b, expression->arguments[i], old, new);
    return copy;
}

/* The target over no rows: counts are 0, other aggregates NULL. */
static struct expression *over_nothing(const struct binder *b,
                                       const struct expression *expression) {
    if (expression->kind == EXPRESSION_AGGREGATE) {
        bool counts = expression->aggregate->aggregate->empty_is_zero;
        struct value value = counts ? value_int8(0) : value_null(expression->type);
        return expression_constant(b, &value, -1);
    }
    struct expression *copy = ARENA_NEW(b->arena, struct expression);
    *copy = *expression;
    if (expression->argument_count > 0)
        copy->arguments = ARENA_ARRAY(b->arena, struct expression *, expression->argument_count);
    for (uint32_t i = 0; i < expression->argument_count; i++)
        copy->arguments[i] = over_nothing(b, expression->arguments[i]);
    return copy;
}

/* What stands for the subquery's value beside the derived relation. NULL: cannot be said. */
static enum status scalar_value(struct frame *frame, const struct derived *derived,
                                struct expression **out) {
    struct binder *b = frame->p->b;
    struct expression *column = derived_column(frame, derived, derived->key_count), *nothing;
    TRY(plan_fold_tree(frame->p,
                       over_nothing(b, derived->query->targets[derived->key_count].expression),
                       &nothing));
    *out = NULL;
    if (nothing->kind != EXPRESSION_CONSTANT)
        return STATUS_OK;
    *out = column;
    if (nothing->value.is_null)
        return STATUS_OK;
    struct expression **key, **arms;
    TRY(BIND_ARRAY(b, 1, &key));
    TRY(BIND_ARRAY(b, 3, &arms));
    key[0] = derived_column(frame, derived, 0);
    arms[0] = expression_list(b, EXPRESSION_TEST, TYPE_OF(BOOL), -1, 1, key);
    arms[0]->test = TEST_NOT_NULL;
    arms[1] = column;
    arms[2] = nothing;
    *out = expression_list(b, EXPRESSION_CASE, column->type, -1, 3, arms);
    return STATUS_OK;
}

static bool is_plain_aggregate(const struct query *query) {
    uint32_t shown = 0;
    for (uint32_t i = 0; i < query->target_count; i++)
        shown += !query->targets[i].junk;
    return is_block(query) && query->grouped && query->group_count == 0 && query->having == NULL &&
           !query->distinct && shown == 1 && query->target_count == 1 &&
           correlated_in_where(query, false) && !has_sublink(query->targets[0].expression);
}

static enum status join_derived(struct frame *frame, struct join_group *group,
                                const struct derived *derived, bool inner) {
    struct planner *p = frame->p;
    struct expression **conditions;
    TRY(BIND_ARRAY(p->b, derived->key_count, &conditions));
    for (uint32_t i = 0; i < derived->key_count; i++)
        conditions[i] = key_condition(frame, derived, i);
    if (!inner) {
        struct join_group *right = group_new(p);
        TRY(group_add_relation(p, right, derived->relation));
        return group_add_operator(p, group, JOIN_LEFT, right, derived->key_count, conditions);
    }
    TRY(group_add_relation(p, group, derived->relation));
    for (uint32_t i = 0; i < derived->key_count; i++)
        TRY(group_add_qual(p, group,
                           (struct qual){.expression = conditions[i],
                                         .relations = plan_relations_of(conditions[i])}));
    return STATUS_OK;
}

static bool has_index(const struct table *table, int16_t number) {
    for (uint32_t i = 0; i < table->index_count; i++)
        if (table->indexes[i]->columns[0].column_number == number)
            return true;
    return false;
}

/* Rows of the relations that the outer values come from, under what is said about each alone. */
static double outer_rows(struct frame *frame, const struct join_group *group,
                         const struct derived *derived) {
    uint64_t relations = 0;
    double rows = 1;
    for (uint32_t i = 0; i < derived->key_count; i++)
        relations |= plan_relations_of(derived->outer[i]);
    for (; relations != 0; relations &= relations - 1) {
        uint32_t number = (uint32_t)__builtin_ctzll(relations);
        const struct relation *relation = frame->query->relations[number];
        if (relation->source != RELATION_OF_TABLE)
            return 1e9;
        double own = plan_table_rows(frame->p->b, relation->table);
        for (uint32_t i = 0; i < group->qual_count; i++)
            if (!group->quals[i].done && group->quals[i].relations == relation_bit(number) &&
                !has_sublink(group->quals[i].expression))
                own *= plan_selectivity(frame, group->quals[i].expression);
        rows *= own < 1 ? 1 : own;
    }
    return rows;
}

/* Few outer rows and an index inside: looking up each is cheaper than grouping everything. */
static bool lookups_are_cheaper(struct frame *frame, const struct join_group *group,
                                const struct derived *derived) {
    const struct query *query = derived->query;
    struct frame inner = {.p = frame->p, .query = derived->query, .parent = frame};
    for (uint32_t i = 0; i < derived->key_count; i++) {
        const struct expression *key = derived->inner[i];
        const struct relation *relation =
            key->kind == EXPRESSION_VARIABLE ? query->relations[key->variable.relation] : NULL;
        if (relation == NULL || relation->source != RELATION_OF_TABLE ||
            !has_index(relation->table, key->variable.column))
            continue;
        double rows = plan_table_rows(frame->p->b, relation->table);
        double matches = rows / plan_distinct_values(&inner, key);
        double each = plan_lookup_cost(frame->p->b, relation->table);
        double lookups = outer_rows(frame, group, derived) * each * (1 + matches);
        if (lookups < rows * (COST_SCAN + 0.02))
            return true;
    }
    return false;
}

static enum status unnest_scalar(struct frame *frame, struct join_group *group,
                                 const struct expression *condition, bool *done) {
    struct planner *p = frame->p;
    const struct expression *sublink = find_scalar(condition);
    if (sublink == NULL || !is_plain_aggregate(sublink->sublink->query) || !fits(frame, 1))
        return STATUS_OK;
    struct derived derived = {0};
    bool taken;
    TRY(plan_copy_query(p, sublink->sublink->query, &derived.query));
    TRY(take_keys(frame, &derived, &taken));
    if (!taken || derived.key_count == 0 || lookups_are_cheaper(frame, group, &derived))
        return STATUS_OK;
    TRY(group_by_keys(frame, &derived));
    struct expression *value;
    derived.relation = next_relation(frame);
    TRY(scalar_value(frame, &derived, &value));
    if (value == NULL)
        return STATUS_OK;
    TRY(add_derived(frame, &derived));
    struct expression *changed = replace(p->b, condition, sublink, value);
    bool inner = plan_rejects_nulls(changed, relation_bit(derived.relation));
    TRY(join_derived(frame, group, &derived, inner));
    *done = true;
    return group_add_qual(
        p, group, (struct qual){.expression = changed, .relations = plan_relations_of(changed)});
}

/* ---- all of a group --------------------------------------------------------------------- */

enum status plan_unnest(struct frame *frame, struct join_group *group) {
    for (uint32_t i = 0; i < group->qual_count; i++) {
        struct expression *condition = group->quals[i].expression;
        bool done = false;
        if (group->quals[i].done || !has_sublink(condition) || expression_is_volatile(condition))
            continue;
        TRY(unnest_semi(frame, group, condition, &done));
        if (!done)
            TRY(unnest_scalar(frame, group, condition, &done));
        group->quals[i].done = done;
    }
    for (uint32_t i = 0; i < group->qual_count; i++)
        group->quals[i].is_late =
            !group->quals[i].done && (group->member_count > 1 || group->operator_count > 0) &&
            expression_walk(group->quals[i].expression, visit_correlated, NULL);
    return STATUS_OK;
}
