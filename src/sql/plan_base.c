/* Layouts, resolving of expressions, folding, subplans. */
#include <string.h>

#include "sql/plan.h"
#include "value/value_datetime.h"

enum status plan_node_new(struct planner *p, enum plan_node_kind kind, const struct layout *layout,
                          double rows, struct plan_node **node_out) {
    TRY(BIND_ARRAY(p->b, 1, node_out));
    struct plan_node *node = *node_out;
    node->kind = kind;
    node->id = p->plan->node_count++;
    p->needs_session |= kind == NODE_VIRTUAL_SCAN || kind == NODE_FUNCTION_SCAN;
    node->rows = rows < 1 ? 1 : rows;
    if (layout == NULL)
        return STATUS_OK;
    struct plan_column *columns;
    TRY(BIND_ARRAY(p->b, layout->count, &columns));
    for (uint32_t i = 0; i < layout->count; i++)
        columns[i] = (struct plan_column){.name = "", .type = layout->items[i]->type};
    node->columns = columns;
    node->column_count = layout->count;
    return STATUS_OK;
}

/* ---- slots ------------------------------------------------------------------------------ */

enum status plan_slot(struct planner *p, struct outer_list *list, const struct expression *variable,
                      uint32_t *slot_out) {
    for (uint32_t i = 0; i < list->count; i++)
        if (expression_equal(list->items[i].variable, variable)) {
            *slot_out = list->items[i].slot;
            return STATUS_OK;
        }
    if (list->count == list->capacity) {
        struct outer_binding *items;
        TRY(BIND_ARRAY(p->b, list->capacity + 8, &items));
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->capacity += 8;
    }
    *slot_out = p->plan->slot_count++;
    list->items[list->count++] = (struct outer_binding){*slot_out, expression_copy(p->b, variable)};
    return STATUS_OK;
}

static enum status outer_slot(struct frame *frame, const struct expression *variable,
                              uint32_t *slot_out) {
    struct expression outside = *variable;
    outside.variable.level--;
    if (frame->is_relation && variable->variable.level > 1)
        return outer_slot(frame->parent, &outside, slot_out);
    return plan_slot(frame->p, &frame->outer, &outside, slot_out);
}

enum status plan_bindings(struct frame *frame, const struct layout *layout,
                          const struct outer_list *list, uint32_t *count_out,
                          const struct binding **bindings_out) {
    struct binding *bindings;
    TRY(BIND_ARRAY(frame->p->b, list->count, &bindings));
    for (uint32_t i = 0; i < list->count; i++) {
        struct expression *value;
        TRY(plan_resolve(frame, layout, list->items[i].variable, &value));
        bindings[i] = (struct binding){list->items[i].slot, value};
    }
    *count_out = list->count;
    *bindings_out = bindings;
    return STATUS_OK;
}

/* ---- folding ---------------------------------------------------------------------------- */

static bool all_constant(const struct expression *expression) {
    for (uint32_t i = 0; i < expression->argument_count; i++)
        if (expression->arguments[i]->kind != EXPRESSION_CONSTANT)
            return false;
    return expression->argument_count > 0;
}

/* A stable cast (time zones, names) must wait. */
static bool cast_is_immutable(uint32_t from, uint32_t to) {
    if (from == TYPE_TIMESTAMPTZ || to == TYPE_TIMESTAMPTZ)
        return from == to;
    if ((type_is_oid_like(from) && from != TYPE_OID) || (type_is_oid_like(to) && to != TYPE_OID))
        return !type_is_string(from) && !type_is_string(to);
    if (type_is_string(to) && !type_is_string(from))
        return from == TYPE_INT2 || from == TYPE_INT4 || from == TYPE_INT8 || from == TYPE_BOOL ||
               from == TYPE_NUMERIC || from == TYPE_UUID;
    return true;
}

/* PostgreSQL reads dates and times by stable functions: their errors wait until they are run. */
static bool reads_datetime(const struct expression *expression) {
    if (expression->kind != EXPRESSION_CAST || !type_is_string(expression->arguments[0]->type.id))
        return false;
    switch (expression->type.id) {
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_INTERVAL:
        return true;
    default:
        return false;
    }
}

/* What cannot be computed now stays as it is. But data at fault (class 22) are an error of the
   statement's execution even if no row will come to it, as they are for PostgreSQL: the plan keeps
   the first such expression. */
static enum status evaluate(struct planner *p, struct expression *expression,
                            struct expression **out) {
    const struct sql_folding *folding = p->b->options->folding;
    struct value value;
    enum status status;
    *out = expression;
    if (expression->kind == EXPRESSION_CAST) {
        if (!cast_is_immutable(expression->arguments[0]->type.id, expression->type.id))
            return STATUS_OK;
        status = value_cast(&p->b->values, &expression->arguments[0]->value, expression->type,
                            expression->is_explicit, p->b->arena, &value);
    } else {
        if (folding == NULL)
            return STATUS_OK;
        status = folding->evaluate(&p->b->values, expression, p->b->arena, &value);
        value.type = expression->type;
    }
    if (status == STATUS_OK) {
        *out = expression_constant(p->b, &value, expression->location);
        return STATUS_OK;
    }
    if (strncmp(status_sqlstate(status), "22", 2) == 0 && !reads_datetime(expression) &&
        p->plan->at_fault == NULL)
        p->plan->at_fault = expression;
    error_clear();
    return STATUS_OK;
}

static bool is_widening_cast(const struct expression *expression) {
    if (expression->kind != EXPRESSION_CAST)
        return false;
    uint32_t from = expression->arguments[0]->type.id, to = expression->type.id;
    return (from == TYPE_DATE && to == TYPE_TIMESTAMP) || (from == TYPE_INT4 && to == TYPE_INT8) ||
           (from == TYPE_INT2 && (to == TYPE_INT4 || to == TYPE_INT8));
}

/* cast(narrow as wide) op constant: compare in the narrow type when the constant fits. */
static struct expression *narrow_comparison(struct planner *p, struct expression *call) {
    if (call->function->comparison == COMPARISON_NONE || call->argument_count != 2)
        return call;
    for (int side = 0; side < 2; side++) {
        struct expression *cast = call->arguments[side], *constant = call->arguments[1 - side];
        if (!is_widening_cast(cast) || constant->kind != EXPRESSION_CONSTANT ||
            constant->value.is_null)
            continue;
        struct type narrow = cast->arguments[0]->type;
        if (constant->type.id == TYPE_TIMESTAMP && (!timestamp_is_finite(constant->value.int64) ||
                                                    constant->value.int64 % US_PER_DAY != 0))
            continue;
        struct value value, back;
        if (value_cast(&p->b->values, &constant->value, type_plain(narrow.id), true, p->b->arena,
                       &value) != STATUS_OK ||
            value_cast(&p->b->values, &value, constant->type, true, p->b->arena, &back) !=
                STATUS_OK ||
            value_compare(&back, &constant->value) != 0) {
            error_clear();
            continue;
        }
        struct expression *sides[2];
        sides[side] = cast->arguments[0];
        sides[1 - side] = expression_constant(p->b, &value, constant->location);
        const struct function *function =
            comparison_function(call->function->comparison, narrow.id);
        if (function != NULL)
            return expression_call(p->b, function, call->type, call->location, sides[0], sides[1]);
    }
    return call;
}

static struct expression *fold_junction(struct planner *p, struct expression *junction) {
    bool is_and = junction->kind == EXPRESSION_AND;
    uint32_t kept = 0;
    struct expression **arguments = junction->arguments;
    for (uint32_t i = 0; i < junction->argument_count; i++) {
        struct expression *argument = arguments[i];
        if (argument->kind == EXPRESSION_CONSTANT && !argument->value.is_null) {
            if ((argument->value.boolean != 0) != is_and)
                return argument; /* decides the whole */
            continue;
        }
        arguments[kept++] = argument;
    }
    junction->argument_count = kept;
    if (kept == 1)
        return arguments[0];
    if (kept > 0)
        return junction;
    struct value value = value_bool(is_and);
    return expression_constant(p->b, &value, junction->location);
}

static bool same_type(struct type a, struct type b) {
    return a.id == b.id && a.modifier == b.modifier && a.scale == b.scale &&
           type_physical(a) == type_physical(b);
}

static enum status fold_case(struct planner *p, struct expression *expression,
                             struct expression **out) {
    *out = expression;
    if (expression->argument_count == 0) {
        struct value value = value_null(expression->type);
        *out = expression_constant(p->b, &value, expression->location);
        return STATUS_OK;
    }
    if (expression->argument_count == 1 &&
        same_type(expression->arguments[0]->type, expression->type)) {
        *out = expression->arguments[0];
        return STATUS_OK;
    }
    return all_constant(expression) ? evaluate(p, expression, out) : STATUS_OK;
}

static enum status fold_call(struct planner *p, struct expression *call, struct expression **out) {
    *out = call;
    if (call->function->shape == FUNCTION_SET)
        return STATUS_OK;
    for (uint32_t i = 0; i < call->argument_count && call->function->nulls == FUNCTION_STRICT; i++)
        if (call->arguments[i]->kind == EXPRESSION_CONSTANT && call->arguments[i]->value.is_null) {
            struct value value = value_null(call->type);
            *out = expression_constant(p->b, &value, call->location);
            return STATUS_OK;
        }
    if (call->function->volatility == FUNCTION_IMMUTABLE && all_constant(call))
        return evaluate(p, call, out);
    *out = narrow_comparison(p, call);
    return STATUS_OK;
}

enum status plan_fold(struct planner *p, struct expression *expression, struct expression **out) {
    *out = expression;
    switch (expression->kind) {
    case EXPRESSION_AND:
    case EXPRESSION_OR:
        *out = fold_junction(p, expression);
        return STATUS_OK;
    case EXPRESSION_CALL:
        return fold_call(p, expression, out);
    case EXPRESSION_CASE:
        return fold_case(p, expression, out);
    case EXPRESSION_CAST:
    case EXPRESSION_NOT:
    case EXPRESSION_TEST:
    case EXPRESSION_COALESCE:
    case EXPRESSION_NULLIF:
    case EXPRESSION_DISTINCT:
    case EXPRESSION_GREATEST:
    case EXPRESSION_LEAST:
    case EXPRESSION_IN:
        return all_constant(expression) ? evaluate(p, expression, out) : STATUS_OK;
    default:
        return STATUS_OK;
    }
}

/* Does this operand decide the whole, whatever follows it? */
static bool decides(enum expression_kind kind, const struct expression *operand) {
    if (operand->kind != EXPRESSION_CONSTANT || operand->value.is_null)
        return false;
    return kind == EXPRESSION_COALESCE || (kind == EXPRESSION_AND && !operand->value.boolean) ||
           (kind == EXPRESSION_OR && operand->value.boolean);
}

typedef enum status (*argument_fold)(void *context, const struct expression *argument,
                                     struct expression **out);

/* A copy of `expression` with its arguments folded, from left to right, then folded itself.
   Operands after one that decides and arms of CASE that cannot be reached are left out before
   anybody looks at them: `case when false then 1/0 end` is no error. */
static enum status fold_copy(struct planner *p, const struct expression *expression,
                             argument_fold fold, void *context, struct expression **out) {
    struct expression *copy = ARENA_NEW(p->b->arena, struct expression);
    uint32_t count = expression->argument_count, kept = 0;
    *copy = *expression;
    if (count > 0)
        TRY(BIND_ARRAY(p->b, count, &copy->arguments));
    for (uint32_t i = 0; i < count; i++) {
        const struct expression *operand;
        TRY(fold(context, expression->arguments[i], &copy->arguments[kept]));
        operand = copy->arguments[kept];
        bool is_condition = expression->kind == EXPRESSION_CASE && i % 2 == 0 && i + 1 < count;
        if (!is_condition || operand->kind != EXPRESSION_CONSTANT) {
            kept++;
            if (decides(expression->kind, operand))
                break;
            continue;
        }
        i++; /* to the arm's result */
        if (operand->value.is_null || !operand->value.boolean)
            continue;
        TRY(fold(context, expression->arguments[i], &copy->arguments[kept++]));
        break;
    }
    copy->argument_count = kept;
    return plan_fold(p, copy, out);
}

/* ---- resolving -------------------------------------------------------------------------- */

/* Columns of the subquery converted to what they are compared as. */
static enum status cast_columns(struct frame *inner, const struct bound_sublink *link,
                                struct plan_node **node) {
    struct binder *b = inner->p->b;
    struct path path = {.node = *node, .rows = (*node)->rows};
    struct expression **items;
    bool cast = false;
    for (uint32_t i = 0; i < link->left_count; i++)
        cast |= link->casts[i] != NULL;
    if (!cast)
        return STATUS_OK;
    path.layout.count = (*node)->column_count;
    TRY(BIND_ARRAY(b, path.layout.count, &path.layout.items));
    TRY(BIND_ARRAY(b, path.layout.count, &items));
    for (uint32_t i = 0; i < path.layout.count; i++) {
        path.layout.items[i] =
            expression_variable(b, 0, 0, (int16_t)(i + 1), (*node)->columns[i].type);
        items[i] = link->casts[i] != NULL ? link->casts[i] : path.layout.items[i];
    }
    return plan_project(inner, &path, path.layout.count, items, NULL, node);
}

static enum status push_subplan(struct planner *p, struct subplan *subplan) {
    if (p->plan->subplan_count == p->subplan_capacity) {
        const struct plan_node **subplans;
        TRY(BIND_ARRAY(p->b, p->subplan_capacity + 8, &subplans));
        if (p->plan->subplan_count > 0)
            memcpy(subplans, p->subplans, p->plan->subplan_count * sizeof *subplans);
        p->subplans = subplans;
        p->subplan_capacity += 8;
    }
    subplan->index = p->plan->subplan_count++;
    p->subplans[subplan->index] = subplan->root;
    subplan->is_long = subplan->root->total_cost >= COST_WORTH_TRAVEL;
    return STATUS_OK;
}

/* The subquery as a subplan, all but what is compared with it. */
static enum status plan_sublink(struct frame *frame, const struct layout *layout,
                                const struct bound_sublink *link, struct subplan *subplan) {
    struct planner *p = frame->p;
    struct frame inner;
    struct plan_node *node;
    if (link->shared != NULL && link->shared->subplan != NULL) {
        *subplan = *link->shared->subplan;
        return STATUS_OK;
    }
    if (link->kind == SUBPLAN_EXISTS)
        plan_forget_targets(p, link->query);
    TRY(plan_subquery(p, link->query, frame, false, &inner, &node));
    TRY(cast_columns(&inner, link, &node));
    subplan->kind = link->kind;
    subplan->left_count = link->left_count;
    subplan->functions = link->functions;
    subplan->root = node;
    TRY(plan_bindings(frame, layout, &inner.outer, &subplan->binding_count, &subplan->bindings));
    TRY(push_subplan(p, subplan));
    if (link->shared != NULL && subplan->binding_count == 0)
        link->shared->subplan = subplan;
    return STATUS_OK;
}

static enum status resolve_sublink(struct frame *frame, const struct layout *layout,
                                   const struct expression *expression, struct expression **out) {
    struct planner *p = frame->p;
    const struct bound_sublink *link = expression->sublink;
    struct subplan *subplan;
    struct expression **left;
    TRY(BIND_ARRAY(p->b, 1, &subplan));
    TRY(BIND_ARRAY(p->b, link->left_count, &left));
    TRY(plan_sublink(frame, layout, link, subplan));
    for (uint32_t i = 0; i < link->left_count; i++)
        TRY(plan_resolve(frame, layout, link->left[i], &left[i]));
    subplan->left = left;
    *out = expression_make(p->b, EXPRESSION_SUBPLAN, expression->type, expression->location);
    (*out)->subplan = subplan;
    return STATUS_OK;
}

static bool layout_has(const struct layout *layout, const struct expression *expression,
                       uint32_t *index_out) {
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct expression *item = layout->items[i];
        if (item->kind == expression->kind &&
            (item == expression || expression_equal(item, expression))) {
            *index_out = i;
            return true;
        }
    }
    return false;
}

struct resolving {
    struct frame *frame;
    const struct layout *layout;
};

static enum status resolve_argument(void *context, const struct expression *argument,
                                    struct expression **out) {
    const struct resolving *resolving = context;
    return plan_resolve(resolving->frame, resolving->layout, argument, out);
}

enum status plan_resolve(struct frame *frame, const struct layout *layout,
                         const struct expression *expression, struct expression **out) {
    struct planner *p = frame->p;
    if (expression == NULL) {
        *out = NULL;
        return STATUS_OK;
    }
    TRY(bind_stack_check(p->b));
    uint32_t index;
    if (expression->kind != EXPRESSION_CONSTANT && layout_has(layout, expression, &index)) {
        *out = expression_make(p->b, EXPRESSION_COLUMN, expression->type, expression->location);
        (*out)->index = index;
        return STATUS_OK;
    }
    switch (expression->kind) {
    case EXPRESSION_VARIABLE: {
        *out = expression_make(p->b, EXPRESSION_SLOT, expression->type, expression->location);
        if (expression->variable.level > 0)
            return outer_slot(frame, expression, &(*out)->index);
        if (layout->outer == NULL)
            return error_set(STATUS_INTERNAL_ERROR, "variable %u.%d is not in the plan's row",
                             expression->variable.relation, expression->variable.column);
        return plan_slot(p, layout->outer, expression, &(*out)->index);
    }
    case EXPRESSION_SUBLINK:
        return resolve_sublink(frame, layout, expression, out);
    case EXPRESSION_AGGREGATE:
        return error_set(STATUS_INTERNAL_ERROR, "aggregate outside of an aggregate node");
    default:
        break;
    }
    struct resolving resolving = {frame, layout};
    return fold_copy(p, expression, resolve_argument, &resolving, out);
}

/* ---- conditions ------------------------------------------------------------------------- */

static bool visit_relation(const struct expression *variable, void *context) {
    *(uint64_t *)context |= UINT64_C(1) << variable->variable.relation;
    return false;
}

uint64_t plan_relations_of(const struct expression *expression) {
    uint64_t relations = 0;
    expression_walk_variables(expression, 0, visit_relation, &relations);
    return relations;
}

static uint32_t count_conjuncts(const struct expression *expression) {
    if (expression->kind != EXPRESSION_AND)
        return 1;
    uint32_t count = 0;
    for (uint32_t i = 0; i < expression->argument_count; i++)
        count += count_conjuncts(expression->arguments[i]);
    return count;
}

static void collect_conjuncts(struct expression *expression, uint32_t *count,
                              struct expression **out) {
    if (expression->kind != EXPRESSION_AND) {
        out[(*count)++] = expression;
        return;
    }
    for (uint32_t i = 0; i < expression->argument_count; i++)
        collect_conjuncts(expression->arguments[i], count, out);
}

/* Fold without resolving. */
static enum status fold_below(void *context, const struct expression *expression,
                              struct expression **out) {
    struct planner *p = context;
    *out = (struct expression *)expression;
    if (fiber_stack_left() < (96u << 10) || expression->argument_count == 0)
        return STATUS_OK;
    return fold_copy(p, expression, fold_below, p, out);
}

enum status plan_fold_tree(struct planner *p, const struct expression *expression,
                           struct expression **out) {
    return fold_below(p, expression, out);
}

enum status plan_conjuncts(struct planner *p, struct expression *expression, uint32_t *count_out,
                           struct expression ***out) {
    *count_out = 0;
    *out = NULL;
    if (expression == NULL)
        return STATUS_OK;
    struct expression *folded;
    TRY(fold_below(p, expression, &folded));
    if (folded->kind == EXPRESSION_CONSTANT && !folded->value.is_null && folded->value.boolean)
        return STATUS_OK;
    TRY(BIND_ARRAY(p->b, count_conjuncts(folded), out));
    collect_conjuncts(folded, count_out, *out);
    return STATUS_OK;
}

struct expression *plan_and_all(struct planner *p, uint32_t count, struct expression **items) {
    if (count == 0)
        return NULL;
    if (count == 1)
        return items[0];
    struct expression **copy = ARENA_ARRAY(p->b->arena, struct expression *, count);
    memcpy(copy, items, count * sizeof *copy);
    return expression_list(p->b, EXPRESSION_AND, TYPE_OF(BOOL), -1, count, copy);
}
