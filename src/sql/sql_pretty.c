/*
 * From the parse tree of the stored text, which has one node for each of PostgreSQL's: an operand
 * gets parentheses unless it is simple where it stands. The rules are those that PostgreSQL's
 * documentation calls "pretty-printing"; they follow isSimpleNode in its ruleutils.c: what looks
 * like a call needs none; + - and * / % nest by precedence and to the left; NOT and AND stand bare
 * in AND and OR; anything else in doubt gets them.
 */
#include "sql/sql_pretty.h"

#include <string.h>

#include "sql/bind.h"

struct pretty {
    struct buffer *buffer;
    struct binder b; /* for names of types */
    unsigned depth;  /* of CASE */
    bool unknown;    /* a node that we do not know */
};

static void print(struct pretty *p, const parse_node *node);

static void put(struct pretty *p, const char *text) {
    buffer_append_text(p->buffer, text);
}

/* ---- when parentheses are needed -------------------------------------------------------- */

/* What a node is to the rules. */
enum shape {
    SHAPE_SIMPLE, /* a name, a constant, something like a call */
    SHAPE_CALL,   /* a function's call, or a cast that is one: its arguments are enclosed */
    SHAPE_CAST,   /* the same value seen as another type, or read from text: as its argument */
    SHAPE_OPERATOR,
    SHAPE_TEST, /* IS NULL, IS TRUE, IS DISTINCT FROM */
    SHAPE_LIST, /* ARRAY, ROW, COALESCE, CASE ...: whatever stands in it is set apart */
    SHAPE_BOOLEAN,
    SHAPE_OTHER,
};

static bool is_constant(const parse_node *node) {
    if (NODE_IS(node, A_CONST))
        return true;
    if (!NODE_IS(node, TYPE_CAST) || !NODE_IS(node->type_cast->arg, A_CONST))
        return false;
    const PgQuery__AConst *constant = node->type_cast->arg->a_const;
    return constant->isnull || constant->val_case == PG_QUERY__A__CONST__VAL_SVAL;
}

static struct type cast_type(struct pretty *p, const PgQuery__TypeCast *cast) {
    struct type type = TYPE_OF(UNKNOWN);
    if (bind_type_name(&p->b, cast->type_name, &type) != STATUS_OK) {
        error_clear();
        p->unknown = true;
    }
    return type;
}

static enum shape shape_of(struct pretty *p, const parse_node *node) {
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_TYPE_CAST: {
        if (is_constant(node))
            return SHAPE_SIMPLE;
        /* To and from strings values go by their text; lengths are cut by a function. */
        struct type type = cast_type(p, node->type_cast);
        bool relabels = (type_is_string(type.id) && type.modifier < 0) || type_is_array(type.id);
        return relabels ? SHAPE_CAST : SHAPE_CALL;
    }
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return SHAPE_CALL;
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
    case PG_QUERY__NODE__NODE_CASE_EXPR:
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
    case PG_QUERY__NODE__NODE_ROW_EXPR:
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
        return SHAPE_LIST;
    case PG_QUERY__NODE__NODE_A_EXPR:
        switch (node->a_expr->kind) {
        case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
            return SHAPE_OPERATOR;
        case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
            return SHAPE_TEST;
        case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
            return SHAPE_LIST;
        default:
            return SHAPE_OTHER;
        }
    case PG_QUERY__NODE__NODE_NULL_TEST:
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
        return SHAPE_TEST;
    case PG_QUERY__NODE__NODE_BOOL_EXPR:
        return SHAPE_BOOLEAN;
    default:
        return SHAPE_SIMPLE;
    }
}

/* The arithmetic operator of two operands, else 0. */
static char arithmetic(const parse_node *node) {
    const PgQuery__AExpr *expression = node->a_expr;
    const char *name = node_text(expression->name[expression->n_name - 1]);
    bool known = expression->lexpr != NULL && strlen(name) == 1 && strchr("+-*/%", *name) != NULL;
    return known ? *name : 0;
}

static bool is_simple_operator(const parse_node *node, const parse_node *parent) {
    char own = arithmetic(node), outer = arithmetic(parent);
    if (own == 0 || outer == 0)
        return false;
    bool own_low = own == '+' || own == '-', outer_low = outer == '+' || outer == '-';
    if (own_low != outer_low)
        return outer_low;
    return node == parent->a_expr->lexpr;
}

static bool is_simple_boolean(const parse_node *node, const parse_node *parent) {
    if (parent->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__NOT_EXPR)
        return false;
    return node->bool_expr->boolop != PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR ||
           parent->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR;
}

static bool is_simple(struct pretty *p, const parse_node *node, const parse_node *parent) {
    enum shape shape = shape_of(p, node), outer = shape_of(p, parent);
    bool own_syntax = parent->node_case == PG_QUERY__NODE__NODE_TYPE_CAST ||
                      (parent->node_case == PG_QUERY__NODE__NODE_FUNC_CALL &&
                       parent->func_call->funcformat == PG_QUERY__COERCION_FORM__COERCE_SQL_SYNTAX);
    switch (shape) {
    case SHAPE_SIMPLE:
    case SHAPE_CALL:
    case SHAPE_LIST:
        return true;
    case SHAPE_CAST:
        return is_simple(p, node->type_cast->arg, node);
    case SHAPE_OPERATOR:
        if (outer == SHAPE_OPERATOR)
            return is_simple_operator(node, parent);
        return (outer == SHAPE_CALL && !own_syntax) || outer == SHAPE_LIST ||
               outer == SHAPE_BOOLEAN;
    case SHAPE_TEST:
        return (outer == SHAPE_CALL && !own_syntax) || outer == SHAPE_LIST ||
               outer == SHAPE_BOOLEAN;
    case SHAPE_BOOLEAN:
        if (outer == SHAPE_BOOLEAN)
            return is_simple_boolean(node, parent);
        return (outer == SHAPE_CALL && !own_syntax) || outer == SHAPE_LIST;
    default:
        return false;
    }
}

static void print_operand(struct pretty *p, const parse_node *node, const parse_node *parent) {
    bool simple = is_simple(p, node, parent);
    put(p, simple ? "" : "(");
    print(p, node);
    put(p, simple ? "" : ")");
}

/* ---- printing --------------------------------------------------------------------------- */

static void print_list(struct pretty *p, size_t count, parse_node **items) {
    for (size_t i = 0; i < count; i++) {
        put(p, i > 0 ? ", " : "");
        print(p, items[i]);
    }
}

static void print_constant(struct pretty *p, const PgQuery__AConst *constant) {
    if (constant->isnull) {
        put(p, "NULL");
        return;
    }
    switch (constant->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
        buffer_append_format(p->buffer, "%d", constant->ival->ival);
        break;
    case PG_QUERY__A__CONST__VAL_FVAL:
        put(p, constant->fval->fval);
        break;
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
        put(p, constant->boolval->boolval ? "true" : "false");
        break;
    case PG_QUERY__A__CONST__VAL_SVAL:
        literal_append(p->buffer, slice_of_text(constant->sval->sval));
        break;
    default:
        p->unknown = true;
    }
}

static void print_cast(struct pretty *p, const parse_node *node) {
    char room[TYPE_NAME_SIZE];
    struct type type = cast_type(p, node->type_cast);
    print_operand(p, node->type_cast->arg, node);
    put(p, "::");
    put(p, type.id == TYPE_BPCHAR && type.modifier < 0 ? "bpchar" : type_name(type, room));
}

static void print_operator(struct pretty *p, const parse_node *node) {
    const PgQuery__AExpr *expression = node->a_expr;
    const char *name = node_text(expression->name[expression->n_name - 1]);
    const char *end = "";
    if (expression->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF) {
        put(p, "NULLIF(");
        print(p, expression->lexpr);
        put(p, ", ");
        print(p, expression->rexpr);
        put(p, ")");
        return;
    }
    if (expression->lexpr != NULL) {
        print_operand(p, expression->lexpr, node);
        put(p, " ");
    }
    switch (expression->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
        buffer_append_format(p->buffer, "%s ", name);
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
        put(p, "IS DISTINCT FROM ");
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
        buffer_append_format(p->buffer, "%s ANY (", name);
        end = ")";
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
        buffer_append_format(p->buffer, "%s ALL (", name);
        end = ")";
        break;
    default:
        p->unknown = true;
    }
    print_operand(p, expression->rexpr, node);
    put(p, end);
}

static void print_boolean(struct pretty *p, const parse_node *node) {
    const PgQuery__BoolExpr *expression = node->bool_expr;
    if (expression->boolop == PG_QUERY__BOOL_EXPR_TYPE__NOT_EXPR)
        put(p, "NOT ");
    for (size_t i = 0; i < expression->n_args; i++) {
        if (i > 0)
            put(p, expression->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR ? " AND " : " OR ");
        print_operand(p, expression->args[i], node);
    }
}

static void print_null_test(struct pretty *p, const parse_node *node) {
    print_operand(p, node->null_test->arg, node);
    put(p, node->null_test->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL ? " IS NULL"
                                                                              : " IS NOT NULL");
}

static void print_boolean_test(struct pretty *p, const parse_node *node) {
    static const char *const tests[] = {[PG_QUERY__BOOL_TEST_TYPE__IS_TRUE] = " IS TRUE",
                                        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE] = " IS NOT TRUE",
                                        [PG_QUERY__BOOL_TEST_TYPE__IS_FALSE] = " IS FALSE",
                                        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE] = " IS NOT FALSE",
                                        [PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN] = " IS UNKNOWN",
                                        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_UNKNOWN] =
                                            " IS NOT UNKNOWN"};
    size_t test = (size_t)node->boolean_test->booltesttype;
    print_operand(p, node->boolean_test->arg, node);
    if (test < sizeof tests / sizeof tests[0] && tests[test] != NULL)
        put(p, tests[test]);
    else
        p->unknown = true;
}

/* The arms of CASE stand on lines of their own. */
static void print_keyword(struct pretty *p, const char *keyword) {
    while (p->buffer->size > 0 && p->buffer->data[p->buffer->size - 1] == ' ')
        p->buffer->size--;
    buffer_append_format(p->buffer, "\n%*s%s", (int)p->depth * 4, "", keyword);
}

static void print_case(struct pretty *p, const PgQuery__CaseExpr *expression) {
    print_keyword(p, "CASE");
    if (expression->arg != NULL) {
        put(p, " ");
        print(p, expression->arg);
    }
    p->depth++;
    for (size_t i = 0; i < expression->n_args; i++) {
        const PgQuery__CaseWhen *when = expression->args[i]->case_when;
        print_keyword(p, "WHEN ");
        print(p, when->expr);
        put(p, " THEN ");
        print(p, when->result);
    }
    if (expression->defresult != NULL) {
        print_keyword(p, "ELSE ");
        print(p, expression->defresult);
    }
    p->depth--;
    print_keyword(p, "END");
}

static void print_own_grammar(struct pretty *p, const parse_node *node,
                              const struct own_grammar *own) {
    for (size_t k = 0; k < own->count; k++) {
        const parse_node *argument = node->func_call->args[own->order[k]];
        put(p, own->before[k]);
        if (own->bare_first && k == 0 && argument->node_case == PG_QUERY__NODE__NODE_A_CONST &&
            argument->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL)
            put(p, argument->a_const->sval->sval);
        else
            print_operand(p, argument, node);
    }
    put(p, own->end);
}

static void print_call(struct pretty *p, const parse_node *node) {
    const PgQuery__FuncCall *call = node->func_call;
    const char *name = node_text(call->funcname[call->n_funcname - 1]);
    if (call->funcformat == PG_QUERY__COERCION_FORM__COERCE_SQL_SYNTAX) {
        const struct own_grammar *own = own_grammar_of(name, call->n_args);
        if (own != NULL)
            print_own_grammar(p, node, own);
        else
            p->unknown = true;
        return;
    }
    identifier_append(p->buffer, slice_of_text(name));
    put(p, "(");
    print_list(p, call->n_args, call->args);
    put(p, ")");
}

static void print_column(struct pretty *p, const PgQuery__ColumnRef *column) {
    for (size_t i = 0; i < column->n_fields; i++) {
        const char *name = node_text(column->fields[i]);
        put(p, i > 0 ? "." : "");
        if (name == NULL)
            p->unknown = true;
        else
            identifier_append(p->buffer, slice_of_text(name));
    }
}

static void print_subscripts(struct pretty *p, const parse_node *node) {
    const PgQuery__AIndirection *expression = node->a_indirection;
    print_operand(p, expression->arg, node);
    for (size_t i = 0; i < expression->n_indirection; i++) {
        const parse_node *part = expression->indirection[i];
        if (!NODE_IS(part, A_INDICES) || part->a_indices->is_slice) {
            p->unknown = true;
            return;
        }
        put(p, "[");
        print(p, part->a_indices->uidx);
        put(p, "]");
    }
}

static void print_enclosed(struct pretty *p, const char *begin, size_t count, parse_node **items,
                           const char *end) {
    put(p, begin);
    print_list(p, count, items);
    put(p, end);
}

static void print(struct pretty *p, const parse_node *node) {
    if (node == NULL || fiber_stack_left() < (64u << 10)) {
        p->unknown = true;
        return;
    }
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        print_column(p, node->column_ref);
        break;
    case PG_QUERY__NODE__NODE_A_CONST:
        print_constant(p, node->a_const);
        break;
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        print_cast(p, node);
        break;
    case PG_QUERY__NODE__NODE_A_EXPR:
        print_operator(p, node);
        break;
    case PG_QUERY__NODE__NODE_BOOL_EXPR:
        print_boolean(p, node);
        break;
    case PG_QUERY__NODE__NODE_NULL_TEST:
        print_null_test(p, node);
        break;
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
        print_boolean_test(p, node);
        break;
    case PG_QUERY__NODE__NODE_CASE_EXPR:
        print_case(p, node->case_expr);
        break;
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        print_call(p, node);
        break;
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
        put(p, bind_value_function_name(&p->b, node->sqlvalue_function));
        break;
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
        print_subscripts(p, node);
        break;
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        print_enclosed(p, "COALESCE(", node->coalesce_expr->n_args, node->coalesce_expr->args, ")");
        break;
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
        print_enclosed(
            p, node->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "GREATEST(" : "LEAST(",
            node->min_max_expr->n_args, node->min_max_expr->args, ")");
        break;
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
        print_enclosed(p, "ARRAY[", node->a_array_expr->n_elements, node->a_array_expr->elements,
                       "]");
        break;
    case PG_QUERY__NODE__NODE_ROW_EXPR:
        print_enclosed(p, "ROW(", node->row_expr->n_args, node->row_expr->args, ")");
        break;
    default:
        p->unknown = true;
    }
}

/* ---- the whole -------------------------------------------------------------------------- */

struct pretty_call {
    struct pretty pretty;
    const char *text;
};

static enum status pretty_on_stack(void *argument) {
    struct pretty_call *call = argument;
    struct pretty *p = &call->pretty;
    PgQuery__ParseResult *parsed;
    TRY(parse_on_stack(arena_format(p->b.arena, "SELECT %s", call->text), p->b.arena, &parsed));
    const parse_node *node = parsed->n_stmts == 1 ? parsed->stmts[0]->stmt : NULL;
    if (!NODE_IS(node, SELECT_STMT) || node->select_stmt->n_target_list != 1) {
        p->unknown = true;
        return STATUS_OK;
    }
    print(p, node->select_stmt->target_list[0]->res_target->val);
    return STATUS_OK;
}

enum status sql_pretty(struct fiber *f, const char *text, struct buffer *buffer) {
    static const struct sql_options options;
    struct arena arena = {0};
    struct buffer own = {0};
    struct pretty_call call = {.pretty = {.buffer = &own}, .text = text};
    call.pretty.b.arena = &arena;
    call.pretty.b.options = &options;
    enum status status = fiber_on_large_stack(f, pretty_on_stack, &call);
    if (status == STATUS_OK)
        status = buffer_status(&own);
    if (status == STATUS_OK && !call.pretty.unknown)
        buffer_append_slice(buffer, buffer_slice(&own));
    else
        buffer_append_text(buffer, text);
    error_clear();
    buffer_release(&own);
    arena_release(&arena);
    return buffer_status(buffer);
}
