/* Expressions: parse nodes to typed trees (names: bind_name.c; subqueries: bind_sublink.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sql/bind.h"
#include "value/value_array.h"
#include "value/value_numeric.h"

/* ---- constants and parameters ----------------------------------------------------------- */

static enum status bind_number(struct binder *b, const char *text, int location,
                               struct expression **out) {
    struct value value;
    if (strpbrk(text, ".eE") == NULL) {
        errno = 0;
        char *end;
        long long number = strtoll(text, &end, 10);
        if (errno == 0 && *end == '\0') {
            value = number >= INT32_MIN && number <= INT32_MAX ? value_int4((int32_t)number)
                                                               : value_int8(number);
            *out = expression_constant(b, &value, location);
            return STATUS_OK;
        }
    }
    struct numeric number;
    enum status status = numeric_parse(slice_of_text(text), &number);
    if (status != STATUS_OK) {
        bind_position(b, location);
        return status;
    }
    int digits = 1;
    for (int128_t left = number.coefficient < 0 ? -number.coefficient : number.coefficient;
         left >= 10; left /= 10)
        digits++;
    int precision = digits > number.scale ? digits : number.scale > 0 ? number.scale : 1;
    struct type type = precision <= NUMERIC_DIGITS_MAX
                           ? type_numeric_derived(precision, number.scale)
                           : TYPE_OF(NUMERIC);
    TRY(numeric_to_value(number, type, &value));
    *out = expression_constant(b, &value, location);
    return STATUS_OK;
}

static enum status bind_constant(struct binder *b, const PgQuery__AConst *constant,
                                 struct expression **out) {
    struct value value;
    if (constant->isnull) {
        value = value_null(TYPE_OF(UNKNOWN));
        *out = expression_constant(b, &value, constant->location);
        return STATUS_OK;
    }
    switch (constant->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
        value = value_int4(constant->ival->ival);
        break;
    case PG_QUERY__A__CONST__VAL_FVAL:
        return bind_number(b, constant->fval->fval, constant->location, out);
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
        value = value_bool(constant->boolval->boolval);
        break;
    case PG_QUERY__A__CONST__VAL_SVAL:
        value = value_string(TYPE_OF(UNKNOWN),
                             arena_copy_slice(b->arena, slice_of_text(constant->sval->sval)));
        break;
    default:
        return bind_unsupported(b, constant->location, "type bit");
    }
    *out = expression_constant(b, &value, constant->location);
    return STATUS_OK;
}

static enum status bind_parameter(struct binder *b, const PgQuery__ParamRef *ref,
                                  struct expression **out) {
    if (b->parameters_fixed || ref->number < 1 || ref->number > 65535)
        return bind_error(b, ref->location, STATUS_UNDEFINED_PARAMETER, "there is no parameter $%d",
                          ref->number);
    size_t index = (size_t)ref->number - 1;
    if (index >= b->parameter_count) {
        if (index >= b->parameter_capacity) {
            size_t capacity = index + 16;
            uint32_t *types = arena_alloc_zeroed(b->arena, capacity * sizeof *types);
            if (types == NULL)
                return bind_error(b, ref->location, STATUS_LIMIT_EXCEEDED, "too many parameters");
            if (b->parameter_count > 0)
                memcpy(types, b->parameter_types, b->parameter_count * sizeof *types);
            b->parameter_types = types;
            b->parameter_capacity = capacity;
        }
        b->parameter_count = index + 1;
    }
    uint32_t type = b->parameter_types[index];
    *out = expression_make(b, EXPRESSION_PARAMETER, type_plain(type != 0 ? type : TYPE_UNKNOWN),
                           ref->location);
    (*out)->index = (uint32_t)index;
    return STATUS_OK;
}

/* ---- casts ------------------------------------------------------------------------------ */

/* interval '90' day: a bare number takes the field as unit. */
static void interval_unit(struct binder *b, const PgQuery__TypeName *name,
                          struct expression *literal) {
    static const struct {
        int mask;
        const char *unit;
    } units[] = {{1 << 2, "year"},  {1 << 1, "month"},   {1 << 3, "day"},
                 {1 << 10, "hour"}, {1 << 11, "minute"}, {1 << 12, "second"}};
    if (name->n_typmods == 0 || literal->kind != EXPRESSION_CONSTANT || literal->value.is_null ||
        literal->type.id != TYPE_UNKNOWN || !NODE_IS(name->typmods[0], A_CONST))
        return;
    int mask = name->typmods[0]->a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL
                   ? name->typmods[0]->a_const->ival->ival
                   : 0;
    struct slice text = literal->value.string;
    for (size_t i = 0; i < text.size; i++)
        if (strchr("0123456789.+- ", text.data[i]) == NULL)
            return;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (mask == units[i].mask)
            literal->value.string = slice_of_text(arena_format(
                b->arena, "%.*s %s", (int)text.size, (const char *)text.data, units[i].unit));
}

static enum status bind_array_elements(struct binder *b, const PgQuery__AArrayExpr *array,
                                       uint32_t element_type, struct expression **out);

static enum status bind_cast(struct binder *b, const PgQuery__TypeCast *cast,
                             struct expression **out) {
    struct type type;
    TRY(bind_type_name(b, cast->type_name, &type));
    struct expression *argument;
    if (NODE_IS(cast->arg, A_ARRAY_EXPR) && type_is_array(type.id))
        TRY(bind_array_elements(b, cast->arg->a_array_expr, type_info_get(type.id)->element_id,
                                &argument));
    else
        TRY(bind_expression(b, cast->arg, &argument));
    if (type.id == TYPE_INTERVAL)
        interval_unit(b, cast->type_name, argument);
    int location = cast->location >= 0 ? cast->location : argument->location;
    TRY(bind_coerce(b, argument, type, CAST_EXPLICIT, location, out));
    return STATUS_OK;
}

/* ---- operators -------------------------------------------------------------------------- */

static enum status two_sides(struct binder *b, const PgQuery__AExpr *node, struct expression **left,
                             struct expression **right) {
    *left = NULL;
    if (node->lexpr != NULL)
        TRY(bind_expression(b, node->lexpr, left));
    return bind_expression(b, node->rexpr, right);
}

static enum status make_junction(struct binder *b, enum expression_kind kind,
                                 struct expression *left, struct expression *right,
                                 struct expression **out) {
    struct expression **arguments = ARENA_ARRAY(b->arena, struct expression *, 2);
    arguments[0] = left;
    arguments[1] = right;
    *out = expression_list(b, kind, TYPE_OF(BOOL), left->location, 2, arguments);
    return STATUS_OK;
}

/* (a, b) op (c, d) */
static enum status bind_row_comparison(struct binder *b, const char *schema, const char *name,
                                       int location, uint32_t count, struct expression **left,
                                       struct expression **right, struct expression **out) {
    bool equality = strcmp(name, "=") == 0, inequality = strcmp(name, "<>") == 0;
    struct expression **parts;
    TRY(BIND_ARRAY(b, (size_t)count * 2, &parts));
    enum comparison comparison = COMPARISON_NONE;
    for (uint32_t i = 0; i < count; i++) {
        if (equality || inequality) {
            TRY(bind_operator(b, schema, name, location, left[i], right[i], &parts[i]));
            continue;
        }
        const struct function *function;
        TRY(bind_operator_function(b, schema, name, location, &left[i], &right[i], &function));
        struct expression *pair =
            expression_call(b, function, TYPE_OF(BOOL), location, left[i], right[i]);
        bind_numeric_call(b, pair);
        comparison = function->comparison;
        parts[i] = pair->arguments[0];
        parts[count + i] = pair->arguments[1];
    }
    if (equality || inequality) {
        *out = count == 1 ? parts[0]
                          : expression_list(b, equality ? EXPRESSION_AND : EXPRESSION_OR,
                                            TYPE_OF(BOOL), location, count, parts);
        return STATUS_OK;
    }
    if (comparison == COMPARISON_NONE)
        return bind_unsupported(b, location, "row comparison with operator %s", name);
    *out = expression_list(b, EXPRESSION_ROW_COMPARE, TYPE_OF(BOOL), location, count * 2, parts);
    (*out)->comparison = comparison;
    return STATUS_OK;
}

static enum status bind_binary(struct binder *b, const PgQuery__AExpr *node,
                               struct expression **out) {
    const char *schema, *name;
    TRY(bind_operator_name(b, node->n_name, node->name, node->location, &schema, &name));
    struct expression *left, *right;
    TRY(two_sides(b, node, &left, &right));
    if (left != NULL && left->kind == EXPRESSION_ROW && right->kind == EXPRESSION_ROW) {
        if (left->argument_count != right->argument_count)
            return bind_error(b, node->location, STATUS_SYNTAX_ERROR,
                              "unequal number of entries in row expressions");
        return bind_row_comparison(b, schema, strcmp(name, "!=") == 0 ? "<>" : name, node->location,
                                   left->argument_count, left->arguments, right->arguments, out);
    }
    /* -(constant): keep literals literal. */
    TRY(bind_operator(b, schema, name, node->location, left, right, out));
    struct expression *call = *out;
    struct value folded;
    if (left == NULL && call->kind == EXPRESSION_CALL && strcmp(name, "-") == 0 &&
        right->kind == EXPRESSION_CONSTANT && !right->value.is_null) {
        folded = right->value;
        if (folded.type.id == TYPE_INT4 && folded.int32 != INT32_MIN)
            folded.int32 = -folded.int32;
        else if (folded.type.id == TYPE_INT8 && folded.int64 == INT64_C(2147483648))
            return STATUS_OK;
        else if (folded.type.id == TYPE_INT8 && folded.int64 != INT64_MIN)
            folded.int64 = -folded.int64;
        else
            return STATUS_OK;
        *out = expression_constant(b, &folded, node->location);
    }
    return STATUS_OK;
}

static enum status bind_distinct(struct binder *b, const PgQuery__AExpr *node, bool negated,
                                 struct expression **out) {
    struct expression *left, *right;
    TRY(two_sides(b, node, &left, &right));
    if (left->kind == EXPRESSION_ROW || right->kind == EXPRESSION_ROW)
        return bind_unsupported(b, node->location, "IS DISTINCT FROM between rows");
    TRY(bind_operator(b, NULL, "=", node->location, left, right, out));
    (*out)->kind = EXPRESSION_DISTINCT;
    (*out)->negated = negated;
    return STATUS_OK;
}

static enum status bind_nullif(struct binder *b, const PgQuery__AExpr *node,
                               struct expression **out) {
    struct expression *left, *right, *compare;
    TRY(two_sides(b, node, &left, &right));
    TRY(bind_operator(b, NULL, "=", node->location, left, right, &compare));
    /* The literal side took its type from the other one. */
    struct expression *first = left;
    uint32_t own = first->type.id, used = compare->arguments[0]->type.id;
    if (own == TYPE_UNKNOWN || (own != used && used == TYPE_FLOAT8))
        first = compare->arguments[0];
    else if (own != used && used == TYPE_NUMERIC) /* not with the other side's scale */
        TRY(bind_coerce(b, left, TYPE_OF(NUMERIC), CAST_IMPLICIT, left->location, &first));
    if (own == TYPE_VARCHAR) /* compared, and given back, as text */
        first = expression_cast(b, first, TYPE_OF(TEXT), false);
    struct expression **arguments = ARENA_ARRAY(b->arena, struct expression *, 3);
    arguments[0] = compare->arguments[0];
    arguments[1] = compare->arguments[1];
    arguments[2] = first;
    *out = expression_list(b, EXPRESSION_NULLIF, first->type, node->location, 3, arguments);
    (*out)->function = compare->function;
    return STATUS_OK;
}

static bool list_is_plain(uint32_t count, struct expression *const *items) {
    for (uint32_t i = 0; i < count; i++)
        if (items[i]->kind == EXPRESSION_ROW || !expression_is_row_free(items[i]))
            return false;
    return true;
}

/* x IN (a, b, c): one list of one type when they have one; otherwise x = a OR x = b ... */
static enum status bind_in(struct binder *b, const PgQuery__AExpr *node, struct expression **out) {
    const char *name = node_text(node->name[0]);
    bool negated = strcmp(name, "<>") == 0;
    struct expression *left;
    TRY(bind_expression(b, node->lexpr, &left));
    const PgQuery__List *list = node->rexpr->list;
    uint32_t count = (uint32_t)list->n_items;
    struct expression **items, **all;
    TRY(BIND_ARRAY(b, count + 1, &all));
    items = all + 1;
    bool rows = left->kind == EXPRESSION_ROW;
    for (uint32_t i = 0; i < count; i++) {
        TRY(bind_expression(b, list->items[i], &items[i]));
        rows |= items[i]->kind == EXPRESSION_ROW;
    }
    all[0] = left;
    struct type common;
    bool together = !rows && list_is_plain(count, items) && count > 1 &&
                    bind_common_type(b, count + 1, all, "IN", &common) == STATUS_OK;
    if (!together) {
        error_clear();
        *out = NULL;
        for (uint32_t i = 0; i < count; i++) {
            struct expression *one;
            if (rows && items[i]->kind == EXPRESSION_ROW && left->kind == EXPRESSION_ROW) {
                if (items[i]->argument_count != left->argument_count)
                    return bind_error(b, node->location, STATUS_SYNTAX_ERROR,
                                      "unequal number of entries in row expressions");
                struct expression **copy =
                    ARENA_ARRAY(b->arena, struct expression *, left->argument_count);
                memcpy(copy, left->arguments, left->argument_count * sizeof *copy);
                TRY(bind_row_comparison(b, NULL, negated ? "<>" : "=", node->location,
                                        left->argument_count, copy, items[i]->arguments, &one));
            } else {
                TRY(bind_operator(b, NULL, negated ? "<>" : "=", node->location, left, items[i],
                                  &one));
            }
            if (*out == NULL)
                *out = one;
            else
                TRY(make_junction(b, negated ? EXPRESSION_AND : EXPRESSION_OR, *out, one, out));
        }
        return STATUS_OK;
    }
    /* Bring the list to one type; compare it with the left side as one operator. */
    struct type list_type;
    struct expression **values = items;
    bool any_known = false;
    for (uint32_t i = 0; i < count; i++)
        any_known |= items[i]->type.id != TYPE_UNKNOWN;
    if (!any_known && left->type.id != TYPE_UNKNOWN) {
        list_type = type_plain(left->type.id == TYPE_VARCHAR ? TYPE_TEXT : left->type.id);
        for (uint32_t i = 0; i < count; i++)
            TRY(bind_coerce(b, items[i], list_type, CAST_IMPLICIT, items[i]->location, &values[i]));
    } else {
        TRY(bind_coerce_all(b, any_known && left->type.id == TYPE_UNKNOWN ? count : count, values,
                            "IN", &list_type));
    }
    struct expression *probe = expression_make(b, EXPRESSION_CONSTANT, list_type, node->location);
    probe->value = value_null(list_type);
    struct expression *compare;
    TRY(bind_operator(b, NULL, "=", node->location, left, probe, &compare));
    all[0] = compare->arguments[0];
    struct type wanted = compare->arguments[1]->type;
    if (all[0]->type.id == TYPE_NUMERIC) {
        /* One form for all: the column's scale when every constant fits it. */
        bool same = all[0]->type.precision > 0;
        for (uint32_t i = 0; i < count && same; i++)
            same = values[i]->type.precision > 0 && values[i]->type.scale <= all[0]->type.scale &&
                   values[i]->kind == EXPRESSION_CONSTANT;
        wanted =
            same ? type_numeric_derived(NUMERIC_DIGITS_MAX, all[0]->type.scale) : TYPE_OF(NUMERIC);
        all[0] = left->type.id == TYPE_NUMERIC ? left : all[0];
        if (type_physical(all[0]->type) != type_physical(wanted) ||
            all[0]->type.scale != wanted.scale)
            all[0] = expression_cast(b, all[0], wanted, false);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (wanted.id == TYPE_TEXT && type_is_string(values[i]->type.id) &&
            values[i]->type.id != TYPE_BPCHAR)
            continue;
        if (values[i]->type.id == wanted.id && wanted.id != TYPE_NUMERIC)
            continue;
        struct value folded;
        if (values[i]->kind == EXPRESSION_CONSTANT &&
            value_cast(&b->values, &values[i]->value, wanted, true, b->arena, &folded) ==
                STATUS_OK) {
            struct expression *cast = expression_cast(b, values[i], wanted, false);
            values[i] = expression_constant(b, &folded, values[i]->location);
            values[i]->written = cast;
        } else if (values[i]->type.id != wanted.id ||
                   type_physical(values[i]->type) != type_physical(wanted))
            values[i] = expression_cast(b, values[i], wanted, true);
    }
    *out = expression_list(b, EXPRESSION_IN, TYPE_OF(BOOL), node->location, count + 1, all);
    (*out)->function = compare->function;
    (*out)->negated = negated;
    (*out)->list_is_constant = true;
    return STATUS_OK;
}

static enum status bind_any_all(struct binder *b, const PgQuery__AExpr *node,
                                struct expression **out) {
    const char *schema, *name;
    TRY(bind_operator_name(b, node->n_name, node->name, node->location, &schema, &name));
    struct expression *left, *right;
    TRY(two_sides(b, node, &left, &right));
    if (right->type.id == TYPE_UNKNOWN) {
        TRY(bind_settle_unknown(b, &left));
        uint32_t array = type_info_get(left->type.id)->array_id;
        TRY(bind_coerce(b, right, type_plain(array), CAST_IMPLICIT, right->location, &right));
    }
    if (!type_is_array(right->type.id))
        return bind_error(b, node->location, STATUS_WRONG_OBJECT_TYPE,
                          "op ANY/ALL (array) requires array on right side");
    uint32_t element = type_info_get(right->type.id)->element_id;
    struct expression *probe =
        expression_make(b, EXPRESSION_CONSTANT, type_plain(element), node->location);
    probe->value = value_null(type_plain(element));
    struct expression *compare;
    TRY(bind_operator(b, schema, name, node->location, left, probe, &compare));
    if (compare->type.id != TYPE_BOOL)
        return bind_error(b, node->location, STATUS_WRONG_OBJECT_TYPE,
                          "op ANY/ALL (array) requires operator to yield boolean");
    uint32_t wanted = compare->arguments[1]->type.id;
    if (wanted != element &&
        !(wanted == TYPE_TEXT && type_is_string(element) && element != TYPE_BPCHAR)) {
        uint32_t array = type_info_get(wanted)->array_id;
        right = expression_cast(b, right, type_plain(array), false);
    }
    struct expression **arguments = ARENA_ARRAY(b->arena, struct expression *, 2);
    arguments[0] = compare->arguments[0];
    if (arguments[0]->type.id == TYPE_NUMERIC && arguments[0]->type.precision > 0)
        arguments[0] = expression_cast(b, arguments[0], TYPE_OF(NUMERIC), false);
    arguments[1] = right;
    *out = expression_list(
        b, node->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY ? EXPRESSION_ANY : EXPRESSION_ALL,
        TYPE_OF(BOOL), node->location, 2, arguments);
    (*out)->function = compare->function;
    return STATUS_OK;
}

static enum status bind_between(struct binder *b, const PgQuery__AExpr *node,
                                struct expression **out) {
    bool symmetric = node->kind == PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM ||
                     node->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM;
    bool negated = node->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN ||
                   node->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM;
    const PgQuery__List *list = node->rexpr->list;
    struct expression *result = NULL;
    for (int turn = 0; turn < (symmetric ? 2 : 1); turn++) {
        struct expression *argument, *low, *high, *first, *second, *both;
        TRY(bind_expression(b, node->lexpr, &argument));
        TRY(bind_expression(b, list->items[turn], &low));
        TRY(bind_operator(b, NULL, negated ? "<" : ">=", node->location, argument, low, &first));
        TRY(bind_expression(b, node->lexpr, &argument));
        TRY(bind_expression(b, list->items[1 - turn], &high));
        TRY(bind_operator(b, NULL, negated ? ">" : "<=", node->location, argument, high, &second));
        TRY(make_junction(b, negated ? EXPRESSION_OR : EXPRESSION_AND, first, second, &both));
        if (result == NULL)
            result = both;
        else
            TRY(make_junction(b, negated ? EXPRESSION_AND : EXPRESSION_OR, result, both, &result));
    }
    *out = result;
    return STATUS_OK;
}

static enum status bind_operator_node(struct binder *b, const PgQuery__AExpr *node,
                                      struct expression **out) {
    switch (node->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
        return bind_binary(b, node, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
        return bind_any_all(b, node, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
        return bind_distinct(b, node, false, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
        return bind_distinct(b, node, true, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
        return bind_nullif(b, node, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
        return bind_in(b, node, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:
        return bind_unsupported(b, node->location, "SIMILAR TO");
    default:
        return bind_between(b, node, out);
    }
}

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
static enum status bind_array_elements(struct binder *b, const PgQuery__AArrayExpr *array,
                                       uint32_t element_type, struct expression **out) {
    uint32_t count = (uint32_t)array->n_elements;
    struct expression **items;
    TRY(BIND_ARRAY(b, count, &items));
    bool nested = false;
    for (uint32_t i = 0; i < count; i++) {
        if (NODE_IS(array->elements[i], A_ARRAY_EXPR)) {
            nested = true;
            TRY(bind_array_elements(b, array->elements[i]->a_array_expr, element_type, &items[i]));
        } else {
            TRY(bind_expression(b, array->elements[i], &items[i]));
        }
    }
    struct type type;
    if (element_type != 0) {
        type = type_plain(type_info_get(element_type)->array_id);
        for (uint32_t i = 0; i < count && !nested; i++)
            TRY(bind_coerce(b, items[i], type_plain(element_type), CAST_EXPLICIT,
                            items[i]->location, &items[i]));
    } else {
        if (count == 0) {
            enum status status = bind_error(b, array->location, STATUS_INDETERMINATE_DATATYPE,
                                            "cannot determine type of empty array");
            error_hint("Explicitly cast to the desired type, for example ARRAY[]::integer[].");
            return status;
        }
        TRY(bind_coerce_all(b, count, items, "ARRAY", &type));
        nested |= type_is_array(type.id);
        uint32_t id = type_is_array(type.id) ? type.id : type_info_get(type.id)->array_id;
        if (id == 0)
            return bind_error(b, array->location, STATUS_UNDEFINED_OBJECT,
                              "could not find array type for data type %s",
                              bind_type_text(b, type));
        type = type_plain(id);
    }
    *out = expression_list(b, EXPRESSION_ARRAY, type, array->location, count, items);
    (*out)->is_nested = nested;
    return STATUS_OK;
}

static enum status bind_bound(struct binder *b, const parse_node *node, struct expression **out) {
    if (node == NULL) {
        *out = expression_make(b, EXPRESSION_NONE, TYPE_OF(INT4), -1);
        return STATUS_OK;
    }
    TRY(bind_expression(b, node, out));
    if (!bind_can_coerce((*out)->type, TYPE_INT4, CAST_ASSIGNMENT))
        return bind_error(b, (*out)->location, STATUS_DATATYPE_MISMATCH,
                          "array subscript must have type integer");
    return bind_coerce(b, *out, TYPE_OF(INT4), CAST_ASSIGNMENT, (*out)->location, out);
}

static enum status bind_indirection(struct binder *b, const PgQuery__AIndirection *node,
                                    struct expression **out) {
    struct expression *base;
    TRY(bind_expression(b, node->arg, &base));
    uint32_t count = (uint32_t)node->n_indirection;
    bool slice = false;
    for (uint32_t i = 0; i < count; i++) {
        if (!NODE_IS(node->indirection[i], A_INDICES))
            return bind_unsupported(b, node_location(node->arg), "field selection from a value");
        slice |= node->indirection[i]->a_indices->is_slice;
    }
    if (!type_is_array(base->type.id))
        return bind_error(b, base->location, STATUS_DATATYPE_MISMATCH,
                          "cannot subscript type %s because it does not support subscripting",
                          bind_type_text(b, base->type));
    struct expression **arguments;
    TRY(BIND_ARRAY(b, count * 2 + 1, &arguments));
    arguments[0] = base;
    uint32_t used = 1;
    for (uint32_t i = 0; i < count; i++) {
        const PgQuery__AIndices *indices = node->indirection[i]->a_indices;
        if (slice)
            TRY(bind_bound(b, indices->lidx, &arguments[used++]));
        TRY(bind_bound(b, indices->uidx, &arguments[used++]));
    }
    struct type type = slice ? base->type : type_plain(type_info_get(base->type.id)->element_id);
    *out = expression_list(b, slice ? EXPRESSION_SLICE : EXPRESSION_SUBSCRIPT, type, base->location,
                           used, arguments);
    return STATUS_OK;
}

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
