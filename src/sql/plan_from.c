/*
 * FROM and WHERE: from the join tree as written to a join graph (plan_graph.h).
 *
 * Inner joins are flattened into groups. A WHERE condition that the NULLs of an outer join cannot
 * satisfy makes it an inner one. Conditions go as deep as they can: to the scan of the one
 * relation they are about, to the join that has all their relations, or, when an outer join may
 * still change what they see, above that.
 */
#include <string.h>

#include "sql/plan_graph.h"

/* ---- groups ----------------------------------------------------------------------------- */

struct join_group *group_new(struct planner *p) {
    return ARENA_NEW(p->b->arena, struct join_group);
}

static enum status group_push(struct planner *p, struct join_group *group,
                              struct join_member member) {
    if (group->member_count == group->member_capacity) {
        struct join_member *members;
        uint32_t capacity = group->member_capacity * 2 + 8;
        TRY(BIND_ARRAY(p->b, capacity, &members));
        if (group->member_count > 0)
            memcpy(members, group->members, group->member_count * sizeof *members);
        group->members = members;
        group->member_capacity = capacity;
    }
    group->members[group->member_count++] = member;
    group->relations |= member.relations;
    return STATUS_OK;
}

enum status group_add_relation(struct planner *p, struct join_group *group, uint32_t relation) {
    return group_push(
        p, group, (struct join_member){.relation = relation, .relations = relation_bit(relation)});
}

enum status group_add_qual(struct planner *p, struct join_group *group, struct qual qual) {
    if (group->qual_count == group->qual_capacity) {
        struct qual *quals;
        uint32_t capacity = group->qual_capacity * 2 + 16;
        TRY(BIND_ARRAY(p->b, capacity, &quals));
        if (group->qual_count > 0)
            memcpy(quals, group->quals, group->qual_count * sizeof *quals);
        group->quals = quals;
        group->qual_capacity = capacity;
    }
    group->quals[group->qual_count++] = qual;
    return STATUS_OK;
}

enum status group_add_quals(struct planner *p, struct join_group *group,
                            struct expression *condition) {
    uint32_t count;
    struct expression **conjuncts;
    TRY(plan_conjuncts(p, condition, &count, &conjuncts));
    for (uint32_t i = 0; i < count; i++) {
        struct expression *conjunct = conjuncts[i];
        if (conjunct->kind == EXPRESSION_OR)
            TRY(plan_factor_or(p, group, conjunct, &conjunct));
        if (conjunct != NULL)
            TRY(group_add_qual(p, group,
                               (struct qual){conjunct, plan_relations_of(conjunct), false, false}));
    }
    return STATUS_OK;
}

static uint64_t relations_of_all(uint32_t count, struct expression **items) {
    uint64_t relations = 0;
    for (uint32_t i = 0; i < count; i++)
        relations |= plan_relations_of(items[i]);
    return relations;
}

/* What an join needs on its sides: what its condition is about on the left, or anything of it;
   all of the right. */
static void operator_sets(struct join_operator *join) {
    uint64_t used =
        relations_of_all(join->condition_count, join->conditions) & join->left_relations;
    join->left_set = used == 0 || join->kind == JOIN_FULL ? join->left_relations : used;
    join->right_set = join->right_relations;
}

enum status group_add_operator(struct planner *p, struct join_group *group, enum join_kind kind,
                               struct join_group *right, uint32_t count,
                               struct expression **conditions) {
    if (group->operator_count == group->operator_capacity) {
        struct join_operator **operators;
        uint32_t capacity = group->operator_capacity * 2 + 4;
        TRY(BIND_ARRAY(p->b, capacity, &operators));
        if (group->operator_count > 0)
            memcpy(operators, group->operators, group->operator_count * sizeof *operators);
        group->operators = operators;
        group->operator_capacity = capacity;
    }
    struct join_operator *join = ARENA_NEW(p->b->arena, struct join_operator);
    *join = (struct join_operator){
        .kind = kind, .right = right, .condition_count = count, .conditions = conditions};
    group->operators[group->operator_count++] = join;
    if (kind == JOIN_LEFT) {
        group->relations |= right->relations;
        group->nullable |= right->relations;
    }
    return STATUS_OK;
}

/* ---- the join tree as written ----------------------------------------------------------- */

static uint64_t item_relations(const struct join_item *item) {
    return item->is_join ? item_relations(item->left) | item_relations(item->right)
                         : relation_bit(item->relation);
}

/* NULL, not only false, wherever all columns of the relations are. */
static bool is_null_with(const struct expression *expression, uint64_t relations) {
    uint32_t count = expression->argument_count, null = 0;
    switch (expression->kind) {
    case EXPRESSION_VARIABLE:
        return expression->variable.level == 0 &&
               (relations & relation_bit(expression->variable.relation));
    case EXPRESSION_IN:
        return count > 1 && is_null_with(expression->arguments[0], relations);
    case EXPRESSION_CALL:
    case EXPRESSION_CAST:
    case EXPRESSION_AND:
    case EXPRESSION_OR:
        break;
    default:
        return false;
    }
    for (uint32_t i = 0; i < count; i++)
        null += is_null_with(expression->arguments[i], relations);
    if (expression->kind == EXPRESSION_AND || expression->kind == EXPRESSION_OR)
        return null == count && count > 0; /* another one may decide */
    return null > 0 &&
           (expression->kind == EXPRESSION_CAST || expression->function->nulls == FUNCTION_STRICT);
}

bool plan_rejects_nulls(const struct expression *expression, uint64_t relations) {
    uint32_t count = expression->argument_count, rejecting = 0;
    switch (expression->kind) {
    case EXPRESSION_TEST:
        if (expression->test == TEST_TRUE)
            return plan_rejects_nulls(expression->arguments[0], relations);
        return expression->test == TEST_NOT_NULL &&
               is_null_with(expression->arguments[0], relations);
    case EXPRESSION_AND:
    case EXPRESSION_OR:
        for (uint32_t i = 0; i < count; i++)
            rejecting += plan_rejects_nulls(expression->arguments[i], relations);
        return expression->kind == EXPRESSION_AND ? rejecting > 0 : rejecting == count && count > 0;
    default:
        return is_null_with(expression, relations);
    }
}

/* A condition above that NULLs of the optional side cannot satisfy makes an outer join inner. */
static void simplify_outer(struct join_item *item, const struct join_group *group) {
    if (!item->is_join)
        return;
    for (uint32_t i = 0; i < group->qual_count; i++) {
        const struct expression *qual = group->quals[i].expression;
        bool left = plan_rejects_nulls(qual, item_relations(item->left));
        bool right = plan_rejects_nulls(qual, item_relations(item->right));
        if (item->kind == JOIN_FULL && left && right)
            item->kind = JOIN_INNER;
        else if (item->kind == JOIN_FULL && left)
            item->kind = JOIN_LEFT;
        else if (item->kind == JOIN_FULL && right)
            item->kind = JOIN_RIGHT;
        if ((item->kind == JOIN_LEFT && right) || (item->kind == JOIN_RIGHT && left))
            item->kind = JOIN_INNER;
    }
    if (item->kind == JOIN_INNER || item->kind == JOIN_LEFT)
        simplify_outer(item->left, group);
    if (item->kind == JOIN_INNER || item->kind == JOIN_RIGHT)
        simplify_outer(item->right, group);
}

static enum status add_item(struct planner *p, struct join_group *group, struct join_item *item);

static enum status add_outer_join(struct planner *p, struct join_group *group,
                                  struct join_item *item) {
    bool swap = item->kind == JOIN_RIGHT;
    struct join_operator *join = ARENA_NEW(p->b->arena, struct join_operator);
    join->kind = swap ? JOIN_LEFT : item->kind;
    join->left = group_new(p);
    join->right = group_new(p);
    TRY(add_item(p, join->left, swap ? item->right : item->left));
    TRY(add_item(p, join->right, swap ? item->left : item->right));
    uint32_t count;
    struct expression **conditions;
    TRY(plan_conjuncts(p, item->condition, &count, &conditions));
    TRY(BIND_ARRAY(p->b, count, &join->conditions));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t relations = plan_relations_of(conditions[i]);
        if (join->kind == JOIN_LEFT && relations != 0 &&
            set_within(relations, join->right->relations) && !expression_is_volatile(conditions[i]))
            TRY(group_add_quals(p, join->right, conditions[i]));
        else
            join->conditions[join->condition_count++] = conditions[i];
    }
    struct join_member member = {.is_operator = true,
                                 .join = join,
                                 .relations = join->left->relations | join->right->relations};
    group->nullable |= join->left->nullable | join->right->relations;
    if (join->kind == JOIN_FULL)
        group->nullable |= join->left->relations;
    return group_push(p, group, member);
}

static enum status add_item(struct planner *p, struct join_group *group, struct join_item *item) {
    TRY(bind_stack_check(p->b));
    if (!item->is_join)
        return group_add_relation(p, group, item->relation);
    if (item->kind != JOIN_INNER)
        return add_outer_join(p, group, item);
    TRY(add_item(p, group, item->left));
    TRY(add_item(p, group, item->right));
    return item->condition != NULL ? group_add_quals(p, group, item->condition) : STATUS_OK;
}

enum status group_add_from(struct planner *p, struct join_group *group, uint32_t count,
                           struct join_item **items) {
    for (uint32_t i = 0; i < count; i++)
        simplify_outer(items[i], group);
    for (uint32_t i = 0; i < count; i++)
        TRY(add_item(p, group, items[i]));
    return STATUS_OK;
}

/* ---- groups to the graph ---------------------------------------------------------------- */

static enum status graph_push_operator(struct join_graph *graph, struct join_operator *join) {
    if (graph->operator_count == graph->operator_capacity) {
        struct join_operator **operators;
        uint32_t capacity = graph->operator_capacity * 2 + 16;
        TRY(BIND_ARRAY(graph->frame->p->b, capacity, &operators));
        if (graph->operator_count > 0)
            memcpy(operators, graph->operators, graph->operator_count * sizeof *operators);
        graph->operators = operators;
        graph->operator_capacity = capacity;
    }
    graph->operators[graph->operator_count++] = join;
    return STATUS_OK;
}

/* Rules that the operators [first, last) of the graph make for one above them. */
static enum status add_rules(struct join_graph *graph, uint32_t first, uint32_t last,
                             struct join_operator *join) {
    TRY(BIND_ARRAY(graph->frame->p->b, (last - first) * 2, &join->rules));
    for (uint32_t i = first; i < last; i++) {
        const struct join_operator *below = graph->operators[i];
        if (below->right_relations == 0 || below == join)
            continue; /* an inner join: no conflict */
        join->rules[join->rule_count++] =
            (struct join_rule){below->right_relations, below->left_set};
        if (below->kind == JOIN_FULL)
            join->rules[join->rule_count++] =
                (struct join_rule){below->left_relations, below->right_relations};
    }
    return STATUS_OK;
}

/* left and right (disjoint sets) may be joined; `first`: operators of the group begin there. */
static enum status add_edge(struct join_graph *graph, uint32_t first, uint64_t left, uint64_t right,
                            struct expression *condition, uint32_t class_number) {
    struct planner *p = graph->frame->p;
    struct join_operator *edge = ARENA_NEW(p->b->arena, struct join_operator);
    edge->kind = JOIN_INNER;
    edge->left_set = left;
    edge->right_set = right;
    edge->class_number = class_number;
    if (condition != NULL) {
        TRY(BIND_ARRAY(p->b, 1, &edge->conditions));
        edge->conditions[edge->condition_count++] = condition;
    }
    TRY(add_rules(graph, first, graph->operator_count, edge));
    return graph_push_operator(graph, edge);
}

/* With all that must have been joined before these relations' columns are what they will be. */
static uint64_t joined_first(const struct join_graph *graph, uint32_t first, uint64_t relations) {
    uint64_t needs = relations;
    for (uint32_t i = first; i < graph->operator_count; i++) {
        const struct join_operator *below = graph->operators[i];
        if (below->right_relations & relations)
            needs |= below->left_set | below->right_relations;
        if (below->kind == JOIN_FULL && below->left_relations & relations)
            needs |= below->left_relations | below->right_relations;
    }
    return needs;
}

static enum status add_filter(struct join_graph *graph, const struct join_group *group,
                              uint32_t first, const struct qual *qual) {
    struct planner *p = graph->frame->p;
    uint64_t needs =
        qual->relations != 0 ? joined_first(graph, first, qual->relations) : group->all;
    if (qual->is_late)
        needs |= group->all;
    if (graph->filter_count == graph->filter_capacity) {
        struct join_filter *filters;
        uint32_t capacity = graph->filter_capacity * 2 + 8;
        TRY(BIND_ARRAY(p->b, capacity, &filters));
        if (graph->filter_count > 0)
            memcpy(filters, graph->filters, graph->filter_count * sizeof *filters);
        graph->filters = filters;
        graph->filter_capacity = capacity;
    }
    graph->filters[graph->filter_count++] = (struct join_filter){
        qual->expression, needs, plan_selectivity(graph->frame, qual->expression)};
    return STATUS_OK;
}

/* `a = b` between disjoint sets of relations. */
static bool splits(const struct expression *condition, uint64_t *left, uint64_t *right) {
    if (condition->kind != EXPRESSION_CALL || condition->function->comparison != COMPARISON_EQ ||
        expression_is_volatile(condition))
        return false;
    *left = plan_relations_of(condition->arguments[0]);
    *right = plan_relations_of(condition->arguments[1]);
    return *left != 0 && *right != 0 && (*left & *right) == 0;
}

static enum status class_edges(struct join_graph *graph, uint32_t first, uint32_t first_class,
                               uint32_t last_class) {
    for (uint32_t c = first_class; c < last_class; c++) {
        const struct equality_class *class = &graph->classes[c];
        for (uint32_t i = 0; i < class->count; i++)
            for (uint32_t k = i + 1; k < class->count; k++) {
                uint64_t left = plan_relations_of(class->members[i]);
                uint64_t right = plan_relations_of(class->members[k]);
                if (left != right)
                    TRY(add_edge(graph, first, left, right, NULL, c + 1));
            }
    }
    return STATUS_OK;
}

/* Equalities of columns that no outer join can change, and what they say about constants. */
static enum status find_classes(struct join_graph *graph, struct join_group *group) {
    for (uint32_t i = 0; i < group->qual_count; i++) {
        struct qual *qual = &group->quals[i];
        if (qual->done || !plan_is_class_equality(qual->expression) ||
            (qual->relations & group->nullable) != 0)
            continue;
        qual->done = true;
        TRY(plan_class_add(graph, group, qual->expression));
    }
    return plan_class_constants(graph, group);
}

/* Conditions of the group that are no scan's become edges and filters. */
static enum status place_quals(struct join_graph *graph, struct join_group *group, uint32_t first) {
    for (uint32_t i = 0; i < group->qual_count; i++) {
        struct qual *qual = &group->quals[i];
        uint64_t left, right;
        bool is_single = (qual->relations & (qual->relations - 1)) == 0;
        if (qual->done)
            continue;
        if (qual->relations == 0 && !group->is_nested) {
            graph->constant_filter =
                expression_and(graph->frame->p->b, graph->constant_filter, qual->expression);
        } else if (is_single && (qual->relations & group->nullable) == 0 && !qual->is_late) {
            continue; /* take_leaves */
        } else if (!qual->is_late && splits(qual->expression, &left, &right) &&
                   ((left = joined_first(graph, first, left)) &
                    (right = joined_first(graph, first, right))) == 0) {
            TRY(add_edge(graph, first, left, right, qual->expression, 0));
        } else {
            TRY(add_filter(graph, group, first, qual));
        }
        qual->done = true;
    }
    return STATUS_OK;
}

/* Plan the scan of each relation with all conditions about it alone. */
static enum status plan_leaf(struct join_graph *graph, struct join_group *group,
                             uint32_t relation) {
    struct frame *frame = graph->frame;
    struct expression **quals;
    uint32_t count = 0;
    TRY(BIND_ARRAY(frame->p->b, group->qual_count, &quals));
    for (uint32_t i = 0; i < group->qual_count; i++) {
        struct qual *qual = &group->quals[i];
        if (qual->done || qual->relations != relation_bit(relation))
            continue;
        quals[count++] = qual->expression;
        qual->done = true;
    }
    graph->relations |= relation_bit(relation);
    return plan_relation(frame, relation, count, quals, NULL, &graph->leaves[relation]);
}

/* Give quals about the relations of an join's left side to its group: deeper is better. */
static enum status lower_quals(struct planner *p, struct join_group *group,
                               const struct join_operator *join) {
    if (join->kind != JOIN_LEFT)
        return STATUS_OK;
    for (uint32_t i = 0; i < group->qual_count; i++) {
        struct qual *qual = &group->quals[i];
        if (qual->done || qual->is_late || qual->relations == 0 ||
            !set_within(qual->relations, join->left->relations))
            continue;
        TRY(group_add_qual(p, join->left, *qual));
        qual->done = true;
    }
    return STATUS_OK;
}

static enum status graph_add_group(struct join_graph *graph, struct join_group *group);

/* The sides come first: what is in them is known only when their subqueries have become joins. */
static enum status graph_add_operator(struct join_graph *graph, uint32_t first,
                                      struct join_operator *join, uint64_t left_relations) {
    if (join->left != NULL) {
        join->left->is_nested = true;
        TRY(graph_add_group(graph, join->left));
        left_relations = join->left->all;
    }
    uint32_t last = graph->operator_count;
    join->right->is_nested = true;
    TRY(graph_add_group(graph, join->right));
    join->left_relations = left_relations;
    join->right_relations = join->right->all;
    operator_sets(join);
    /* LATERAL on the right needs what it uses from the left. */
    for (uint64_t left = join->right_relations; left != 0; left &= left - 1)
        join->left_set |= graph->leaves[__builtin_ctzll(left)].needs & left_relations;
    TRY(add_rules(graph, first, last, join));
    return graph_push_operator(graph, join);
}

/* Sets of members that edges connect. */
struct parts {
    uint32_t count;
    uint64_t sets[RELATIONS_MAX];
};

static int part_of(const struct parts *parts, uint64_t set) {
    for (uint32_t i = 0; i < parts->count; i++)
        if (set_within(set, parts->sets[i]))
            return (int)i;
    return -1;
}

static void merge_parts(struct parts *parts, uint32_t a, uint32_t b) {
    parts->sets[a] |= parts->sets[b];
    parts->sets[b] = parts->sets[--parts->count];
}

/* An edge connects when each of its sides is connected itself. Operators stacked on the group
   connect nothing of it. */
static void merge_connected(const struct join_graph *graph, uint32_t first, uint32_t last,
                            struct parts *parts) {
    for (bool again = true; again;) {
        again = false;
        for (uint32_t e = first; e < graph->operator_count; e++) {
            const struct join_operator *edge = graph->operators[e];
            int a = part_of(parts, edge->left_set), b = part_of(parts, edge->right_set);
            if (a < 0 || b < 0 || a == b || (e >= last && edge->right_relations != 0))
                continue;
            merge_parts(parts, (uint32_t)a, (uint32_t)b);
            again = true;
        }
    }
}

/* LATERAL: something in it must come after relations outside. */
static bool part_waits(const struct join_graph *graph, uint64_t set) {
    for (uint64_t left = set; left != 0; left &= left - 1)
        if (!set_within(graph->leaves[__builtin_ctzll(left)].needs, set))
            return true;
    return false;
}

/* Edges without a condition where the members of a group are not connected by others. */
static enum status connect_members(struct join_graph *graph, struct join_group *group,
                                   uint32_t first, uint32_t last) {
    struct parts parts = {0};
    for (uint32_t i = 0; i < group->member_count; i++)
        parts.sets[parts.count++] = group->members[i].relations;
    merge_connected(graph, first, last, &parts);
    while (parts.count > 1) {
        uint32_t a = 0, b = 1;
        while (a + 1 < parts.count && part_waits(graph, parts.sets[a]))
            a++;
        b = a == 0 ? 1 : 0;
        for (uint32_t i = 0; i < parts.count; i++)
            if (i != a && !part_waits(graph, parts.sets[i]))
                b = i;
        TRY(add_edge(graph, first, parts.sets[a], parts.sets[b], NULL, 0));
        merge_parts(&parts, a < b ? a : b, a < b ? b : a);
        merge_connected(graph, first, last, &parts);
    }
    return STATUS_OK;
}

/* A LATERAL relation comes after all that it uses. */
static enum status lateral_edges(struct join_graph *graph, const struct join_group *group,
                                 uint32_t first) {
    for (uint32_t i = 0; i < group->member_count; i++) {
        const struct join_member *member = &group->members[i];
        uint64_t needs = member->is_operator ? 0 : graph->leaves[member->relation].needs;
        if (needs != 0 && set_within(needs, group->all))
            TRY(add_edge(graph, first, needs, member->relations, NULL, 0));
    }
    return STATUS_OK;
}

static enum status graph_add_group(struct join_graph *graph, struct join_group *group) {
    struct planner *p = graph->frame->p;
    uint32_t first = graph->operator_count;
    TRY(plan_unnest(graph->frame, group));
    uint32_t first_class = graph->class_count;
    TRY(find_classes(graph, group));
    uint32_t last_class = graph->class_count;
    for (uint32_t i = 0; i < group->member_count; i++) {
        struct join_member *member = &group->members[i];
        if (member->is_operator) {
            TRY(plan_constants_across(graph, group, member->join));
            TRY(lower_quals(p, group, member->join));
            TRY(graph_add_operator(graph, graph->operator_count, member->join, 0));
            member->relations = member->join->left_relations | member->join->right_relations;
        }
        group->all |= member->relations;
    }
    uint64_t visible = group->all;
    uint32_t last = graph->operator_count;
    for (uint32_t i = 0; i < group->operator_count; i++) {
        struct join_operator *stacked = group->operators[i];
        TRY(plan_constants_across(graph, group, stacked));
        TRY(graph_add_operator(graph, first, stacked, visible));
        group->all |= stacked->right_relations;
        if (stacked->kind == JOIN_LEFT)
            visible |= stacked->right_relations;
    }
    TRY(class_edges(graph, first, first_class, last_class));
    TRY(place_quals(graph, group, first));
    for (uint32_t i = 0; i < group->member_count; i++)
        if (!group->members[i].is_operator)
            TRY(plan_leaf(graph, group, group->members[i].relation));
    TRY(lateral_edges(graph, group, first));
    TRY(connect_members(graph, group, first, last));
    /* A condition about one relation that is not a direct member: it sits in an join. */
    for (uint32_t i = 0; i < group->qual_count; i++)
        if (!group->quals[i].done)
            TRY(add_filter(graph, group, first, &group->quals[i]));
    return STATUS_OK;
}

/* ---- all -------------------------------------------------------------------------------- */

static enum status same_variable(struct variable_map *map, const struct expression *variable,
                                 uint32_t depth, struct expression **out) {
    *out = (struct expression *)variable;
    return STATUS_OK;
}

enum status plan_from(struct frame *frame, struct path *path) {
    struct planner *p = frame->p;
    struct query *query;
    TRY(BIND_ARRAY(p->b, 1, &query));
    *query = *frame->query; /* relations are added to it */
    frame->query = query;
    if (query->from_count == 0) {
        *path = (struct path){.relation = -1, .rows = 1};
        TRY(plan_node_new(p, NODE_RESULT, &path->layout, 1, &path->node));
        return query->where != NULL ? plan_filter(frame, path, query->where) : STATUS_OK;
    }
    struct variable_map map = {.p = p, .variable = same_variable};
    struct join_item **items;
    TRY(plan_map_items(&map, query->from_count, query->from, 0, &items));
    struct join_group *group = group_new(p);
    if (query->where != NULL)
        TRY(group_add_quals(p, group, query->where));
    TRY(group_add_from(p, group, query->from_count, items));
    struct join_graph *graph;
    TRY(BIND_ARRAY(p->b, 1, &graph));
    graph->frame = frame;
    TRY(graph_add_group(graph, group));
    TRY(plan_order_or_few(graph, path));
    return graph->constant_filter != NULL ? plan_filter(frame, path, graph->constant_filter)
                                          : STATUS_OK;
}
