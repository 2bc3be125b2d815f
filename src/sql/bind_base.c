/* Errors with positions, memory and the small verbs on expressions of binder and planner. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sql/bind.h"

/* ---- errors ----------------------------------------------------------------------------- */

void bind_position(const struct binder *b, int location) {
    if (location < 0 || b->text == NULL)
        return;
    int characters = 1;
    for (int i = 0; i < location && b->text[i] != '\0'; i++)
        characters += (b->text[i] & 0xC0) != 0x80;
    error_position(characters);
}

enum status(bind_error)(const struct binder *b, int location, enum status status,
                        const char *format, ...) {
    char message[ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    status = error_set(status, "%s", message);
    bind_position(b, location);
    return status;
}

enum status(bind_unsupported)(const struct binder *b, int location, const char *format, ...) {
    char feature[ERROR_MESSAGE_SIZE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(feature, sizeof feature, format, arguments);
    va_end(arguments);
    return bind_error(b, location, STATUS_FEATURE_NOT_SUPPORTED, "%s is not supported", feature);
}

enum status bind_not_for_sequences(const char *what, const struct table *relation) {
    enum status status =
        error_set(STATUS_WRONG_OBJECT_TYPE, "%s relation \"%s\"", what, relation->name);
    error_detail("This operation is not supported for sequences.");
    return status;
}

enum status bind_alloc(const struct binder *b, size_t count, size_t size, void *pointer_out) {
    void *block = arena_alloc_zeroed(b->arena, (count > 0 ? count : 1) * size);
    if (block == NULL)
        return error_set(STATUS_STATEMENT_TOO_COMPLEX, "statement is too large");
    memcpy(pointer_out, &block, sizeof block);
    return STATUS_OK;
}

enum { STACK_RESERVE = 96 << 10 };

enum status bind_stack_check(const struct binder *b) {
    if (fiber_stack_left() < STACK_RESERVE)
        return error_set(STATUS_STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
    return STATUS_OK;
}

const char *node_text(const parse_node *node) {
    return NODE_IS(node, STRING) ? node->string->sval : NULL;
}

int node_location(const parse_node *node) {
    if (node == NULL)
        return -1;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST:
        return node->a_const->location;
    case PG_QUERY__NODE__NODE_A_EXPR: {
        int left = node_location(node->a_expr->lexpr);
        return left >= 0 && left < node->a_expr->location ? left : node->a_expr->location;
    }
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        return node->column_ref->location;
    case PG_QUERY__NODE__NODE_PARAM_REF:
        return node->param_ref->location;
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return node->func_call->location;
    case PG_QUERY__NODE__NODE_TYPE_CAST: {
        int argument = node_location(node->type_cast->arg);
        int own = node->type_cast->location;
        return argument >= 0 && (own < 0 || argument < own) ? argument : own;
    }
    case PG_QUERY__NODE__NODE_CASE_EXPR:
        return node->case_expr->location;
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        return node->coalesce_expr->location;
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
        return node->min_max_expr->location;
    case PG_QUERY__NODE__NODE_SUB_LINK:
        return node->sub_link->location;
    case PG_QUERY__NODE__NODE_ROW_EXPR:
        return node->row_expr->location;
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
        return node->a_array_expr->location;
    case PG_QUERY__NODE__NODE_NULL_TEST:
        return node_location(node->null_test->arg);
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
        return node_location(node->boolean_test->arg);
    case PG_QUERY__NODE__NODE_BOOL_EXPR:
        return node->bool_expr->location;
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
        return node->sqlvalue_function->location;
    case PG_QUERY__NODE__NODE_SET_TO_DEFAULT:
        return node->set_to_default->location;
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
        return node_location(node->a_indirection->arg);
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
        return node_location(node->collate_clause->arg);
    case PG_QUERY__NODE__NODE_RES_TARGET:
        return node->res_target->location;
    case PG_QUERY__NODE__NODE_RANGE_VAR:
        return node->range_var->location;
    case PG_QUERY__NODE__NODE_NAMED_ARG_EXPR:
        return node->named_arg_expr->location;
    case PG_QUERY__NODE__NODE_GROUPING_SET:
        return node->grouping_set->location;
    case PG_QUERY__NODE__NODE_GROUPING_FUNC:
        return node->grouping_func->location;
    case PG_QUERY__NODE__NODE_XML_EXPR:
        return node->xml_expr->location;
    case PG_QUERY__NODE__NODE_DEF_ELEM:
        return node->def_elem->location;
    case PG_QUERY__NODE__NODE_SORT_BY:
        return node_location(node->sort_by->node);
    default:
        return -1;
    }
}

/* ---- making ----------------------------------------------------------------------------- */

/* Small, fixed sizes: the arena never refuses them (its reserve serves; sql_prepare asks
   arena_status at the end). */
struct expression *expression_make(const struct binder *b, enum expression_kind kind,
                                   struct type type, int location) {
    struct expression *expression = ARENA_NEW(b->arena, struct expression);
    expression->kind = kind;
    expression->type = type;
    expression->location = location;
    return expression;
}

struct expression *expression_list(const struct binder *b, enum expression_kind kind,
                                   struct type type, int location, uint32_t count,
                                   struct expression **arguments) {
    struct expression *expression = expression_make(b, kind, type, location);
    expression->argument_count = count;
    expression->arguments = arguments;
    return expression;
}

struct expression *expression_constant(const struct binder *b, const struct value *value,
                                       int location) {
    struct expression *expression = expression_make(b, EXPRESSION_CONSTANT, value->type, location);
    expression->value = *value;
    return expression;
}

struct expression *expression_variable(const struct binder *b, uint32_t level, uint32_t relation,
                                       int16_t column, struct type type) {
    struct expression *expression = expression_make(b, EXPRESSION_VARIABLE, type, -1);
    expression->variable.level = level;
    expression->variable.relation = relation;
    expression->variable.column = column;
    return expression;
}

struct expression *expression_call(const struct binder *b, const struct function *function,
                                   struct type type, int location, struct expression *first,
                                   struct expression *second) {
    struct expression **arguments = ARENA_ARRAY(b->arena, struct expression *, 2);
    uint32_t count = 0;
    if (first != NULL)
        arguments[count++] = first;
    if (second != NULL)
        arguments[count++] = second;
    struct expression *call = expression_list(b, EXPRESSION_CALL, type, location, count, arguments);
    call->function = function;
    return call;
}

struct expression *expression_cast(const struct binder *b, struct expression *argument,
                                   struct type type, bool is_explicit) {
    struct expression **arguments = ARENA_ARRAY(b->arena, struct expression *, 1);
    arguments[0] = argument;
    struct expression *cast =
        expression_list(b, EXPRESSION_CAST, type, argument->location, 1, arguments);
    cast->is_explicit = is_explicit;
    return cast;
}

struct expression *expression_and(const struct binder *b, struct expression *left,
                                  struct expression *right) {
    if (left == NULL || right == NULL)
        return left != NULL ? left : right;
    struct expression **arguments = ARENA_ARRAY(b->arena, struct expression *, 2);
    arguments[0] = left;
    arguments[1] = right;
    return expression_list(b, EXPRESSION_AND, TYPE_OF(BOOL), left->location, 2, arguments);
}

struct expression *expression_copy(const struct binder *b, const struct expression *expression) {
    struct expression *copy = ARENA_NEW(b->arena, struct expression);
    *copy = *expression;
    if (expression->argument_count > 0) {
        copy->arguments = ARENA_ARRAY(b->arena, struct expression *, expression->argument_count);
        for (uint32_t i = 0; i < expression->argument_count; i++)
            copy->arguments[i] = expression_copy(b, expression->arguments[i]);
    }
    return copy;
}

/* ---- comparing and walking -------------------------------------------------------------- */

static bool constant_equal(const struct value *a, const struct value *b) {
    if (a->is_null || b->is_null)
        return a->is_null && b->is_null;
    if (a->type.id == TYPE_UNKNOWN || type_is_string(a->type.id))
        return slice_equal(a->string, b->string);
    return value_compare(a, b) == 0;
}

bool expression_equal(const struct expression *a, const struct expression *b) {
    if (a == b)
        return true;
    if (a == NULL || b == NULL || a->kind != b->kind || !type_equal(a->type, b->type) ||
        a->function != b->function || a->argument_count != b->argument_count ||
        a->negated != b->negated || a->test != b->test || a->comparison != b->comparison ||
        a->is_explicit != b->is_explicit)
        return false;
    switch (a->kind) {
    case EXPRESSION_CONSTANT:
        if (!constant_equal(&a->value, &b->value))
            return false;
        break;
    case EXPRESSION_VARIABLE:
        return a->variable.level == b->variable.level &&
               a->variable.relation == b->variable.relation &&
               a->variable.column == b->variable.column;
    case EXPRESSION_COLUMN:
    case EXPRESSION_PARAMETER:
    case EXPRESSION_SLOT:
    case EXPRESSION_FIELD:
        if (a->index != b->index)
            return false;
        break;
    case EXPRESSION_AGGREGATE: {
        const struct bound_aggregate *x = a->aggregate, *y = b->aggregate;
        if (x == y)
            return true;
        if (x->aggregate != y->aggregate || x->argument_count != y->argument_count ||
            x->distinct != y->distinct || x->level != y->level || x->order_count != 0 ||
            y->order_count != 0 || (x->filter == NULL) != (y->filter == NULL) ||
            (x->filter != NULL && !expression_equal(x->filter, y->filter)))
            return false;
        for (uint32_t i = 0; i < x->argument_count; i++)
            if (!expression_equal(x->arguments[i], y->arguments[i]))
                return false;
        return true;
    }
    case EXPRESSION_SUBLINK:
    case EXPRESSION_SUBPLAN:
        return false;
    default:
        break;
    }
    for (uint32_t i = 0; i < a->argument_count; i++)
        if (!expression_equal(a->arguments[i], b->arguments[i]))
            return false;
    return true;
}

bool expression_walk(const struct expression *expression,
                     bool (*visit)(const struct expression *, void *), void *context) {
    if (expression == NULL)
        return false;
    if (visit(expression, context))
        return true;
    for (uint32_t i = 0; i < expression->argument_count; i++)
        if (expression_walk(expression->arguments[i], visit, context))
            return true;
    if (expression->kind == EXPRESSION_AGGREGATE) {
        const struct bound_aggregate *aggregate = expression->aggregate;
        for (uint32_t i = 0; i < aggregate->argument_count; i++)
            if (expression_walk(aggregate->arguments[i], visit, context))
                return true;
        for (uint32_t i = 0; i < aggregate->order_count; i++)
            if (expression_walk(aggregate->order[i].expression, visit, context))
                return true;
        return expression_walk(aggregate->filter, visit, context);
    }
    if (expression->kind == EXPRESSION_SUBLINK) {
        const struct bound_sublink *link = expression->sublink;
        for (uint32_t i = 0; i < link->left_count; i++)
            if (expression_walk(link->left[i], visit, context))
                return true;
    }
    if (expression->kind == EXPRESSION_SUBPLAN) {
        const struct subplan *subplan = expression->subplan;
        for (uint32_t i = 0; i < subplan->left_count; i++)
            if (expression_walk(subplan->left[i], visit, context))
                return true;
        for (uint32_t i = 0; i < subplan->binding_count; i++)
            if (expression_walk(subplan->bindings[i].value, visit, context))
                return true;
    }
    return false;
}

struct variable_walk {
    uint32_t level;
    bool (*visit)(const struct expression *, void *);
    void *context;
};

static bool visit_variable(const struct expression *expression, void *context) {
    struct variable_walk *walk = context;
    if (expression->kind == EXPRESSION_VARIABLE)
        return expression->variable.level == walk->level && walk->visit(expression, walk->context);
    if (expression->kind == EXPRESSION_SUBLINK)
        return query_walk_variables(expression->sublink->query, walk->level + 1, walk->visit,
                                    walk->context);
    return false;
}

bool expression_walk_variables(const struct expression *expression, uint32_t level,
                               bool (*visit)(const struct expression *, void *), void *context) {
    struct variable_walk walk = {level, visit, context};
    return expression_walk(expression, visit_variable, &walk);
}

static bool walk_join(const struct join_item *item, struct variable_walk *walk) {
    if (!item->is_join)
        return false;
    return walk_join(item->left, walk) || walk_join(item->right, walk) ||
           expression_walk(item->condition, visit_variable, walk);
}

static bool walk_relations(const struct query *query, struct variable_walk *walk) {
    for (uint32_t i = 0; i < query->relation_count; i++) {
        const struct relation *relation = query->relations[i];
        if (relation->source == RELATION_OF_QUERY &&
            query_walk_variables(relation->query, walk->level + 1, walk->visit, walk->context))
            return true;
        for (uint32_t k = 0; k < relation->function_count; k++)
            if (expression_walk(relation->calls[k], visit_variable, walk))
                return true;
    }
    for (const struct cte *cte = query->ctes; cte != NULL; cte = cte->next)
        if (query_walk_variables(cte->query, walk->level + 1, walk->visit, walk->context))
            return true;
    return false;
}

bool query_walk_variables(const struct query *query, uint32_t level,
                          bool (*visit)(const struct expression *, void *), void *context) {
    struct variable_walk walk = {level, visit, context};
    if (walk_relations(query, &walk))
        return true;
    for (uint32_t i = 0; i < query->from_count; i++)
        if (walk_join(query->from[i], &walk))
            return true;
    for (uint32_t i = 0; i < query->target_count; i++)
        if (expression_walk(query->targets[i].expression, visit_variable, &walk))
            return true;
    for (uint32_t i = 0; i < query->group_count; i++)
        if (expression_walk(query->groups[i], visit_variable, &walk))
            return true;
    for (uint32_t i = 0; i < query->values_count; i++)
        for (uint32_t k = 0; k < query->target_count; k++)
            if (expression_walk(query->values[i][k], visit_variable, &walk))
                return true;
    if (query->set_operation != SET_NONE &&
        (query_walk_variables(query->left, level + 1, visit, context) ||
         query_walk_variables(query->right, level + 1, visit, context)))
        return true;
    return expression_walk(query->where, visit_variable, &walk) ||
           expression_walk(query->having, visit_variable, &walk) ||
           expression_walk(query->limit, visit_variable, &walk) ||
           expression_walk(query->offset, visit_variable, &walk);
}

static bool visit_row_bound(const struct expression *expression, void *context) {
    switch (expression->kind) {
    case EXPRESSION_COLUMN:
    case EXPRESSION_VARIABLE:
    case EXPRESSION_AGGREGATE:
    case EXPRESSION_GROUPED:
    case EXPRESSION_SET_FUNCTION:
    case EXPRESSION_SUBLINK:
    case EXPRESSION_SUBPLAN:
        return true;
    default:
        return false;
    }
}

bool expression_is_row_free(const struct expression *expression) {
    return !expression_walk(expression, visit_row_bound, NULL);
}

static bool visit_volatile(const struct expression *expression, void *context) {
    return expression->kind == EXPRESSION_CALL &&
           expression->function->volatility == FUNCTION_VOLATILE;
}

bool expression_is_volatile(const struct expression *expression) {
    return expression_walk(expression, visit_volatile, NULL);
}
