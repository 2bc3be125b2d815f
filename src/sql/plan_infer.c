/* Conditions that follow from others: out of ORs, and through equalities. */
#include <string.h>

#include "sql/plan_graph.h"

/* ---- OR --------------------------------------------------------------------------------- */

struct arm {
    uint32_t count;
    struct expression **conjuncts;
};

static bool arm_has(const struct arm *arm, const struct expression *condition) {
    for (uint32_t i = 0; i < arm->count; i++)
        if (expression_equal(arm->conjuncts[i], condition))
            return true;
    return false;
}

static void arm_drop(struct arm *arm, const struct expression *condition) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < arm->count; i++)
        if (!expression_equal(arm->conjuncts[i], condition))
            arm->conjuncts[kept++] = arm->conjuncts[i];
    arm->count = kept;
}

static struct expression *or_of(struct planner *p, uint32_t count, struct expression **items) {
    return count == 1 ? items[0]
                      : expression_list(p->b, EXPRESSION_OR, TYPE_OF(BOOL), -1, count, items);
}

/* What the arms say about `relation` alone, if each says something. */
static enum status about_relation(struct planner *p, struct join_group *group, uint32_t count,
                                  const struct arm *arms, uint32_t relation, bool *found) {
    struct expression **items;
    *found = false;
    TRY(BIND_ARRAY(p->b, count, &items));
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < arms[i].count; k++)
            if (plan_relations_of(arms[i].conjuncts[k]) == relation_bit(relation))
                items[i] = expression_and(p->b, items[i], arms[i].conjuncts[k]);
        if (items[i] == NULL)
            return STATUS_OK;
    }
    *found = true;
    return group_add_qual(
        p, group,
        (struct qual){.expression = or_of(p, count, items), .relations = relation_bit(relation)});
}

static bool has_sublink(const struct expression *expression, void *context) {
    return expression->kind == EXPRESSION_SUBLINK;
}

enum status plan_factor_or(struct planner *p, struct join_group *group, struct expression * or,
                           struct expression **rest) {
    uint32_t count = or->argument_count;
    struct arm *arms;
    *rest = or ;
    if (expression_is_volatile(or) || expression_walk(or, has_sublink, NULL))
        return STATUS_OK;
    TRY(BIND_ARRAY(p->b, count, &arms));
    for (uint32_t i = 0; i < count; i++) {
        TRY(plan_conjuncts(p, or->arguments[i], &arms[i].count, &arms[i].conjuncts));
        if (arms[i].count == 0)
            return STATUS_OK; /* true */
    }
    uint32_t shared = 0;
    for (uint32_t i = 0; i < arms[0].count; i++) {
        struct expression *condition = arms[0].conjuncts[i];
        bool all = true;
        for (uint32_t k = 1; k < count && all; k++)
            all = arm_has(&arms[k], condition);
        if (!all)
            continue;
        TRY(group_add_qual(p, group,
                           (struct qual){condition, plan_relations_of(condition), false, false}));
        for (uint32_t k = 0; k < count; k++)
            arm_drop(&arms[k], condition);
        i = (uint32_t)-1; /* from the start of what is left */
        shared++;
    }
    struct expression **items;
    TRY(BIND_ARRAY(p->b, count, &items));
    for (uint32_t i = 0; i < count; i++) {
        if (arms[i].count == 0) { /* one arm says no more than what is shared */
            *rest = NULL;
            return STATUS_OK;
        }
        items[i] = plan_and_all(p, arms[i].count, arms[i].conjuncts);
    }
    if (shared > 0)
        *rest = or_of(p, count, items);
    uint64_t relations = plan_relations_of(*rest);
    if ((relations & (relations - 1)) == 0)
        return STATUS_OK;
    bool found;
    for (uint64_t left = relations; left != 0; left &= left - 1)
        TRY(about_relation(p, group, count, arms, (uint32_t)__builtin_ctzll(left), &found));
    return STATUS_OK;
}

/* ---- equality classes ------------------------------------------------------------------- */

static bool is_plain_variable(const struct expression *expression) {
    return expression->kind == EXPRESSION_VARIABLE && expression->variable.level == 0;
}

bool plan_is_class_equality(const struct expression *condition) {
    return condition->kind == EXPRESSION_CALL && condition->function->comparison == COMPARISON_EQ &&
           is_plain_variable(condition->arguments[0]) &&
           is_plain_variable(condition->arguments[1]) &&
           condition->arguments[0]->variable.relation != condition->arguments[1]->variable.relation;
}

static struct equality_class *class_of(struct join_graph *graph, const struct function *function,
                                       const struct expression *variable) {
    for (uint32_t i = 0; i < graph->class_count; i++) {
        struct equality_class *class = &graph->classes[i];
        for (uint32_t k = 0; k < class->count && class->function == function; k++)
            if (expression_equal(class->members[k], variable))
                return class;
    }
    return NULL;
}

/* Between two relations one equality stands for the class, so those of one relation with itself
   are conditions of their own. */
static enum status class_push(struct join_graph *graph, struct join_group *group,
                              struct equality_class *class, struct expression *variable) {
    for (uint32_t i = 0; i < class->count; i++) {
        struct expression *member = class->members[i];
        if (member->variable.relation != variable->variable.relation)
            continue;
        struct expression *same = expression_call(graph->frame->p->b, class->function,
                                                  TYPE_OF(BOOL), -1, member, variable);
        TRY(group_add_qual(graph->frame->p, group,
                           (struct qual){same, plan_relations_of(same), false, false}));
        break;
    }
    if (class->count == class->capacity) {
        struct expression **members;
        TRY(BIND_ARRAY(graph->frame->p->b, class->capacity * 2 + 4, &members));
        if (class->count > 0)
            memcpy(members, class->members, class->count * sizeof *members);
        class->members = members;
        class->capacity = class->capacity * 2 + 4;
    }
    class->members[class->count++] = variable;
    return STATUS_OK;
}

static enum status class_new(struct join_graph *graph, const struct function *function,
                             struct equality_class **out) {
    if (graph->class_count == graph->class_capacity) {
        struct equality_class *classes;
        TRY(BIND_ARRAY(graph->frame->p->b, graph->class_capacity * 2 + 8, &classes));
        if (graph->class_count > 0)
            memcpy(classes, graph->classes, graph->class_count * sizeof *classes);
        graph->classes = classes;
        graph->class_capacity = graph->class_capacity * 2 + 8;
    }
    *out = &graph->classes[graph->class_count++];
    **out = (struct equality_class){.function = function};
    return STATUS_OK;
}

enum status plan_class_add(struct join_graph *graph, struct join_group *group,
                           struct expression *equality) {
    struct expression *left = equality->arguments[0], *right = equality->arguments[1];
    struct equality_class *a = class_of(graph, equality->function, left);
    struct equality_class *b = class_of(graph, equality->function, right);
    if (a == NULL && b == NULL) {
        TRY(class_new(graph, equality->function, &a));
        TRY(class_push(graph, group, a, left));
        return class_push(graph, group, a, right);
    }
    if (a == NULL || b == NULL)
        return class_push(graph, group, a != NULL ? a : b, a != NULL ? right : left);
    if (a == b)
        return STATUS_OK;
    for (uint32_t i = 0; i < b->count; i++)
        TRY(class_push(graph, group, a, b->members[i]));
    b->count = 0; /* empty from now on */
    return STATUS_OK;
}

static enum status propagate(struct join_graph *graph, struct join_group *group,
                             struct equality_class *class, const struct expression *variable,
                             struct expression *constant) {
    struct binder *b = graph->frame->p->b;
    if (class->constant != NULL)
        return STATUS_OK;
    class->constant = constant;
    for (uint32_t i = 0; i < class->count; i++) {
        if (expression_equal(class->members[i], variable))
            continue;
        struct expression *condition =
            expression_call(b, class->function, TYPE_OF(BOOL), -1, class->members[i], constant);
        TRY(group_add_qual(graph->frame->p, group,
                           (struct qual){condition, plan_relations_of(condition), false, false}));
    }
    return STATUS_OK;
}

/* The constant that a group's rows have in this variable; NULL: none is known. */
static struct expression *known_constant(const struct join_graph *graph,
                                         const struct join_group *group,
                                         const struct function *function,
                                         const struct expression *variable) {
    for (uint32_t i = 0; i < graph->class_count; i++) {
        const struct equality_class *class = &graph->classes[i];
        for (uint32_t k = 0; class->constant != NULL && k < class->count; k++)
            if (class->function == function && expression_equal(class->members[k], variable))
                return (struct expression *)class->constant;
    }
    for (uint32_t i = 0; i < group->qual_count; i++) {
        const struct expression *qual = group->quals[i].expression;
        if (qual->kind != EXPRESSION_CALL || qual->function != function)
            continue;
        for (int side = 0; side < 2; side++)
            if (expression_equal(qual->arguments[side], variable) &&
                (qual->arguments[1 - side]->kind == EXPRESSION_CONSTANT ||
                 qual->arguments[1 - side]->kind == EXPRESSION_PARAMETER))
                return qual->arguments[1 - side];
    }
    return NULL;
}

enum status plan_constants_across(struct join_graph *graph, const struct join_group *group,
                                  struct join_operator *join) {
    struct binder *b = graph->frame->p->b;
    if (join->kind == JOIN_FULL)
        return STATUS_OK;
    for (uint32_t i = 0; i < join->condition_count; i++) {
        struct expression *condition = join->conditions[i];
        if (!plan_is_class_equality(condition))
            continue;
        for (int side = 0; side < 2; side++) {
            struct expression *left = condition->arguments[side];
            struct expression *right = condition->arguments[1 - side];
            if ((join->right->relations & plan_relations_of(right)) == 0 ||
                (join->right->relations & plan_relations_of(left)) != 0 ||
                (group->nullable & plan_relations_of(left)) != 0)
                continue;
            struct expression *constant = known_constant(graph, group, condition->function, left);
            if (constant == NULL)
                continue;
            struct expression *same =
                expression_call(b, condition->function, TYPE_OF(BOOL), -1, right, constant);
            TRY(group_add_qual(graph->frame->p, join->right,
                               (struct qual){same, plan_relations_of(same), false, false}));
        }
    }
    return STATUS_OK;
}

enum status plan_class_constants(struct join_graph *graph, struct join_group *group) {
    uint32_t count = group->qual_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct expression *condition = group->quals[i].expression;
        if (condition->kind != EXPRESSION_CALL || condition->function->comparison != COMPARISON_EQ)
            continue;
        for (int side = 0; side < 2; side++) {
            const struct expression *variable = condition->arguments[side];
            struct expression *constant = condition->arguments[1 - side];
            if (!is_plain_variable(variable) ||
                (constant->kind != EXPRESSION_CONSTANT && constant->kind != EXPRESSION_PARAMETER))
                continue;
            struct equality_class *class = class_of(graph, condition->function, variable);
            if (class != NULL)
                TRY(propagate(graph, group, class, variable, constant));
        }
    }
    return STATUS_OK;
}
