/* Expressions: parse nodes to typed trees (literals: bind_constant.c; operators: bind_comparison.c;
   functions: bind_function.c; names: bind_name.c; subqueries: bind_sublink.c). */
#include <string.h>

#include "sql/bind.h"

static enum status bind_bool(struct binder *b, const PgQuery__BoolExpr *node,
                             struct expression **out) {
    const char *what = node->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR  ? "AND"
                       : node->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR ? "OR"
                                                                           : "NOT";
    struct expression **arguments;
    TRY(BIND_ARRAY(b, node->n_args, &arguments));
    for (size_t i = 0; i < node->n_args; i++) {
        TRY(bind_expression(b, node->args[i], &arguments[i]));
        TRY(bind_boolean(b, arguments[i], what, &arguments[i]));
    }
    enum expression_kind kind = node->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR ? EXPRESSION_AND
                                : node->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR
                                    ? EXPRESSION_OR
                                    : EXPRESSION_NOT;
    *out =
        expression_list(b, kind, TYPE_OF(BOOL), node->location, (uint32_t)node->n_args, arguments);
    return STATUS_OK;
}

/* ---- CASE and its kin ------------------------------------------------------------------- */

static enum status bind_case(struct binder *b, const PgQuery__CaseExpr *node,
                             struct expression **out) {
    uint32_t branches = (uint32_t)node->n_args;
    struct expression **arguments, **results, *operand = NULL;
    TRY(BIND_ARRAY(b, branches * 2 + 1, &arguments));
    TRY(BIND_ARRAY(b, branches + 1, &results));
    if (node->arg != NULL) {
        TRY(bind_expression(b, node->arg, &operand));
        TRY(bind_settle_unknown(b, &operand));
        if (expression_is_volatile(operand) && branches > 1)
            return bind_unsupported(b, node->location, "CASE over a volatile expression");
    }
    for (uint32_t i = 0; i < branches; i++) {
        const PgQuery__CaseWhen *when = node->args[i]->case_when;
        struct expression *condition;
        TRY(bind_expression(b, when->expr, &condition));
        if (operand != NULL)
            TRY(bind_operator(b, NULL, "=", when->location, operand, condition, &condition));
        TRY(bind_boolean(b, condition, "CASE/WHEN", &arguments[i * 2]));
        TRY(bind_expression(b, when->result, &results[i]));
    }
    uint32_t count = branches;
    if (node->defresult != NULL)
        TRY(bind_expression(b, node->defresult, &results[count++]));
    /* PostgreSQL looks at ELSE first. */
    struct type type;
    struct expression *swap[1] = {NULL};
    if (count > branches) {
        swap[0] = results[branches];
        memmove(results + 1, results, branches * sizeof *results);
        results[0] = swap[0];
    }
    TRY(bind_coerce_all(b, count, results, "CASE", &type));
    if (count > branches) {
        swap[0] = results[0];
        memmove(results, results + 1, branches * sizeof *results);
        results[branches] = swap[0];
    }
    for (uint32_t i = 0; i < branches; i++)
        arguments[i * 2 + 1] = results[i];
    if (count > branches)
        arguments[branches * 2] = results[branches];
    *out = expression_list(b, EXPRESSION_CASE, type, node->location, branches + count, arguments);
    (*out)->sql_syntax = node->arg != NULL;
    return STATUS_OK;
}

static enum status bind_common_list(struct binder *b, enum expression_kind kind, const char *what,
                                    int location, size_t count, parse_node **nodes,
                                    struct expression **out) {
    struct expression **arguments;
    TRY(BIND_ARRAY(b, count, &arguments));
    for (size_t i = 0; i < count; i++)
        TRY(bind_expression(b, nodes[i], &arguments[i]));
    struct type type;
    TRY(bind_coerce_all(b, (uint32_t)count, arguments, what, &type));
    *out = expression_list(b, kind, type, location, (uint32_t)count, arguments);
    return STATUS_OK;
}

static enum status bind_test(struct binder *b, const parse_node *argument_node, uint8_t test,
                             int location, struct expression **out) {
    struct expression *argument;
    TRY(bind_expression(b, argument_node, &argument));
    if (test != TEST_NULL && test != TEST_NOT_NULL) {
        static const char *const what[] = {"",           "",
                                           "IS TRUE",    "IS NOT TRUE",
                                           "IS FALSE",   "IS NOT FALSE",
                                           "IS UNKNOWN", "IS NOT UNKNOWN"};
        TRY(bind_boolean(b, argument, what[test], &argument));
    } else if (argument->kind == EXPRESSION_ROW) {
        return bind_unsupported(b, location, "IS NULL of a row");
    }
    struct expression **arguments = ARENA_ARRAY(b->arena, struct expression *, 1);
    arguments[0] = argument;
    *out = expression_list(b, EXPRESSION_TEST, TYPE_OF(BOOL), location, 1, arguments);
    (*out)->test = test;
    return STATUS_OK;
}

static enum status bind_boolean_test(struct binder *b, const PgQuery__BooleanTest *node,
                                     struct expression **out) {
    static const uint8_t tests[] = {
        [PG_QUERY__BOOL_TEST_TYPE__IS_TRUE] = TEST_TRUE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE] = TEST_NOT_TRUE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_FALSE] = TEST_FALSE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE] = TEST_NOT_FALSE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN] = TEST_UNKNOWN,
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_UNKNOWN] = TEST_NOT_UNKNOWN,
    };
    return bind_test(b, node->arg, tests[node->booltesttype], node->location, out);
}

static enum status bind_row(struct binder *b, const PgQuery__RowExpr *node,
                            struct expression **out) {
    struct expression **arguments;
    TRY(BIND_ARRAY(b, node->n_args, &arguments));
    for (size_t i = 0; i < node->n_args; i++)
        TRY(bind_expression(b, node->args[i], &arguments[i]));
    *out = expression_list(b, EXPRESSION_ROW, TYPE_OF(RECORD), node->location,
                           (uint32_t)node->n_args, arguments);
    return STATUS_OK;
}

/* element_type 0: found from the elements. */
/* ---- odds and ends ---------------------------------------------------------------------- */

static enum status bind_collate(struct binder *b, const PgQuery__CollateClause *node,
                                struct expression **out) {
    TRY(bind_expression(b, node->arg, out));
    const char *name = node_text(node->collname[node->n_collname - 1]);
    if (strcmp(name, "default") != 0 && strcmp(name, "C") != 0 && strcmp(name, "POSIX") != 0 &&
        strcmp(name, "ucs_basic") != 0)
        return bind_error(b, node->location, STATUS_UNDEFINED_OBJECT,
                          "collation \"%s\" for encoding \"UTF8\" does not exist", name);
    TRY(bind_settle_unknown(b, out));
    if (!type_is_string((*out)->type.id))
        return bind_error(b, node->location, STATUS_DATATYPE_MISMATCH,
                          "collations are not supported by type %s",
                          bind_type_text(b, (*out)->type));
    return STATUS_OK;
}

const char *bind_value_function_name(const struct binder *b,
                                     const PgQuery__SQLValueFunction *node) {
    static const char *const names[] = {
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE] = "CURRENT_DATE",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP] = "CURRENT_TIMESTAMP",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N] = "CURRENT_TIMESTAMP",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP] = "LOCALTIMESTAMP",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N] = "LOCALTIMESTAMP",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME] = "LOCALTIME",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N] = "LOCALTIME",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_ROLE] = "CURRENT_ROLE",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_USER] = "CURRENT_USER",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_USER] = "USER",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_SESSION_USER] = "SESSION_USER",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG] = "CURRENT_CATALOG",
        [PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA] = "CURRENT_SCHEMA",
    };
    size_t op = (size_t)node->op;
    if (op >= sizeof names / sizeof names[0] || names[op] == NULL)
        return "?";
    bool sized = node->op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N ||
                 node->op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N ||
                 node->op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N;
    return sized ? arena_format(b->arena, "%s(%d)", names[op], node->typmod) : names[op];
}

static enum status bind_value_function(struct binder *b, const PgQuery__SQLValueFunction *node,
                                       struct expression **out) {
    const char *name = "now";
    struct type type = TYPE_OF(TIMESTAMPTZ);
    int modifier = -1;
    switch (node->op) {
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE:
        type = TYPE_OF(DATE);
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N:
        modifier = node->typmod;
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP:
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N:
        modifier = node->typmod;
        type = TYPE_OF(TIMESTAMP);
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP:
        type = TYPE_OF(TIMESTAMP);
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N:
        modifier = node->typmod;
        type = TYPE_OF(TIME);
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME:
        type = TYPE_OF(TIME);
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_ROLE:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_USER:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_USER:
        name = "current_user";
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_SESSION_USER:
        name = "session_user";
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG:
        name = "current_database";
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA:
        name = "current_schema";
        break;
    default:
        return bind_unsupported(b, node->location, "type time with time zone");
    }
    TRY(bind_function_named(b, name, node->location, 0, NULL, out));
    if (strcmp(name, "now") == 0 && (type.id != TYPE_TIMESTAMPTZ || modifier >= 0)) {
        type.modifier = modifier;
        *out = expression_cast(b, *out, type, true);
    }
    struct expression *spelled =
        expression_make(b, EXPRESSION_SPELLED, (*out)->type, node->location);
    spelled->name = bind_value_function_name(b, node);
    (*out)->written = spelled;
    return STATUS_OK;
}

static enum status bind_default_mark(struct binder *b, const parse_node *node,
                                     struct expression **out) {
    if (b->default_context == NULL)
        return bind_error(b, node->set_to_default->location, STATUS_SYNTAX_ERROR,
                          "DEFAULT is not allowed in this context");
    *out = expression_make(b, EXPRESSION_DEFAULT, TYPE_OF(UNKNOWN), node->set_to_default->location);
    return STATUS_OK;
}

static enum status bind_any_node(struct binder *b, const parse_node *node,
                                 struct expression **out) {
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST:
        return bind_constant(b, node->a_const, out);
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        return bind_column_ref(b, node->column_ref, out);
    case PG_QUERY__NODE__NODE_PARAM_REF:
        return bind_parameter(b, node->param_ref, out);
    case PG_QUERY__NODE__NODE_A_EXPR:
        return bind_operator_node(b, node->a_expr, out);
    case PG_QUERY__NODE__NODE_BOOL_EXPR:
        return bind_bool(b, node->bool_expr, out);
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        return bind_cast(b, node->type_cast, out);
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return bind_function_call(b, node->func_call, out);
    case PG_QUERY__NODE__NODE_CASE_EXPR:
        return bind_case(b, node->case_expr, out);
    case PG_QUERY__NODE__NODE_SUB_LINK:
        return bind_sublink(b, node->sub_link, out);
    case PG_QUERY__NODE__NODE_ROW_EXPR:
        return bind_row(b, node->row_expr, out);
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
        return bind_collate(b, node->collate_clause, out);
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
        return bind_indirection(b, node->a_indirection, out);
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
        return bind_boolean_test(b, node->boolean_test, out);
    case PG_QUERY__NODE__NODE_SET_TO_DEFAULT:
        return bind_default_mark(b, node, out);
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
        return bind_array_elements(b, node->a_array_expr, 0, out);
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
        return bind_value_function(b, node->sqlvalue_function, out);
    case PG_QUERY__NODE__NODE_NULL_TEST:
        return bind_test(b, node->null_test->arg,
                         node->null_test->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL
                             ? TEST_NULL
                             : TEST_NOT_NULL,
                         node->null_test->location, out);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        return bind_common_list(b, EXPRESSION_COALESCE, "COALESCE", node->coalesce_expr->location,
                                node->coalesce_expr->n_args, node->coalesce_expr->args, out);
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR: {
        bool greatest = node->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST;
        return bind_common_list(b, greatest ? EXPRESSION_GREATEST : EXPRESSION_LEAST,
                                greatest ? "GREATEST" : "LEAST", node->min_max_expr->location,
                                node->min_max_expr->n_args, node->min_max_expr->args, out);
    }
    case PG_QUERY__NODE__NODE_GROUPING_FUNC:
        return bind_unsupported(b, node->grouping_func->location, "GROUPING");
    case PG_QUERY__NODE__NODE_CURRENT_OF_EXPR:
        return bind_unsupported(b, -1, "WHERE CURRENT OF");
    case PG_QUERY__NODE__NODE_XML_EXPR:
    case PG_QUERY__NODE__NODE_XML_SERIALIZE:
        return bind_unsupported(b, node_location(node), "type xml");
    default:
        return bind_unsupported(b, node_location(node), "this kind of expression");
    }
}

enum status bind_expression(struct binder *b, const parse_node *node, struct expression **out) {
    TRY(bind_stack_check(b));
    if (node == NULL)
        return bind_unsupported(b, -1, "an empty expression");
    return bind_any_node(b, node, out);
}
