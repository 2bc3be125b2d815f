/* Operator nodes: infix and prefix operators, rows, IN, ANY and ALL, BETWEEN, NULLIF. */
#include <string.h>

#include "sql/bind.h"
#include "value/value_numeric.h"

enum status bind_check_row_operator(struct binder *b, const char *name, int location,
                                    uint32_t count, const struct expression *compare) {
    if (compare->type.id != TYPE_BOOL)
        return bind_error(b, location, STATUS_DATATYPE_MISMATCH,
                          "row comparison operator must yield type boolean, not type %s",
                          bind_type_text(b, compare->type));
    bool equality = strcmp(name, "=") == 0 || strcmp(name, "<>") == 0 || strcmp(name, "!=") == 0;
    if (count == 1 || equality || compare->function->comparison != COMPARISON_NONE)
        return STATUS_OK;
    enum status status =
        bind_error(b, location, STATUS_FEATURE_NOT_SUPPORTED,
                   "could not determine interpretation of row comparison operator %s", name);
    error_hint("Row comparison operators must be associated with btree operator families.");
    return status;
}

static enum status two_sides(struct binder *b, const PgQuery__AExpr *node, struct expression **left,
                             struct expression **right) {
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
    for (uint32_t i = 0; i < count; i++) {
        TRY(bind_operator(b, schema, name, location, left[i], right[i], &parts[i]));
        TRY(bind_check_row_operator(b, name, location, count, parts[i]));
    }
    if (count == 1 || equality || inequality) {
        *out = count == 1 ? parts[0]
                          : expression_list(b, equality ? EXPRESSION_AND : EXPRESSION_OR,
                                            TYPE_OF(BOOL), location, count, parts);
        return STATUS_OK;
    }
    enum comparison comparison = parts[0]->function->comparison;
    for (uint32_t i = count; i-- > 0;) {
        parts[count + i] = parts[i]->arguments[1];
        parts[i] = parts[i]->arguments[0];
    }
    *out = expression_list(b, EXPRESSION_ROW_COMPARE, TYPE_OF(BOOL), location, count * 2, parts);
    (*out)->comparison = comparison;
    return STATUS_OK;
}

/* left op right; without left a prefix operator. */
static enum status bind_sides(struct binder *b, const char *schema, const char *name, int location,
                              const parse_node *left_node, const parse_node *right_node,
                              struct expression **out) {
    struct expression *left = NULL, *right;
    if (bind_is_row_test(left_node, right_node))
        return bind_row_test(b, schema, name, location, left_node, right_node, out);
    if (left_node != NULL)
        TRY(bind_expression(b, left_node, &left));
    TRY(bind_expression(b, right_node, &right));
    if (left == NULL || left->kind != EXPRESSION_ROW || right->kind != EXPRESSION_ROW)
        return bind_operator(b, schema, name, location, left, right, out);
    if (left->argument_count != right->argument_count)
        return bind_error(b, location, STATUS_SYNTAX_ERROR,
                          "unequal number of entries in row expressions");
    return bind_row_comparison(b, schema, strcmp(name, "!=") == 0 ? "<>" : name, location,
                               left->argument_count, left->arguments, right->arguments, out);
}

static enum status bind_binary(struct binder *b, const PgQuery__AExpr *node,
                               struct expression **out) {
    const char *schema, *name;
    TRY(bind_operator_name(b, node->n_name, node->name, node->location, &schema, &name));
    TRY(bind_sides(b, schema, name, node->location, node->lexpr, node->rexpr, out));
    /* -(constant): keep literals literal. */
    const struct expression *call = *out;
    if (node->lexpr != NULL || call->kind != EXPRESSION_CALL || strcmp(name, "-") != 0 ||
        call->arguments[0]->kind != EXPRESSION_CONSTANT || call->arguments[0]->value.is_null)
        return STATUS_OK;
    struct value folded = call->arguments[0]->value;
    if (folded.type.id == TYPE_INT4 && folded.int32 != INT32_MIN)
        folded.int32 = -folded.int32;
    else if (folded.type.id == TYPE_INT8 && folded.int64 == INT64_C(2147483648))
        return STATUS_OK;
    else if (folded.type.id == TYPE_INT8 && folded.int64 != INT64_MIN)
        folded.int64 = -folded.int64;
    else
        return STATUS_OK;
    *out = expression_constant(b, &folded, node->location);
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

/* An item of a list as the comparison wants it; as written it is of the list's common type. */
static struct expression *convert_item(struct binder *b, struct expression *item,
                                       struct type wanted, struct type common) {
    bool same_strings =
        wanted.id == TYPE_TEXT && type_is_string(item->type.id) && item->type.id != TYPE_BPCHAR;
    struct value folded = item->value;
    if (item->kind != EXPRESSION_CONSTANT) {
        bool same =
            item->type.id == wanted.id && type_physical(item->type) == type_physical(wanted);
        return same || same_strings ? item : expression_cast(b, item, wanted, true);
    }
    if (same_strings) {
        if (common.id != TYPE_VARCHAR)
            return item;
        folded.type = TYPE_OF(VARCHAR);
        item->written = expression_constant(b, &folded, item->location);
        return item;
    }
    if (item->type.id == wanted.id && wanted.id != TYPE_NUMERIC)
        return item;
    if (value_cast(&b->values, &item->value, wanted, true, b->arena, &folded) != STATUS_OK) {
        error_clear();
        return expression_cast(b, item, wanted, true);
    }
    struct expression *constant = expression_constant(b, &folded, item->location);
    constant->written =
        item->type.id == common.id ? item : expression_cast(b, item, type_plain(common.id), false);
    return constant;
}

/* all[0] = one of all[1..count], the list brought to one type and compared as one operator.
   `common` is the type PostgreSQL would give the list, for texts that are stored. */
static enum status bind_list(struct binder *b, int location, bool negated, uint32_t count,
                             struct expression **all, struct type common, struct expression **out) {
    struct expression *left = all[0], **items = all + 1;
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
        TRY(bind_coerce_all(b, count, values, "IN", &list_type));
    }
    struct expression *probe = expression_make(b, EXPRESSION_CONSTANT, list_type, location);
    probe->value = value_null(list_type);
    struct expression *compare;
    TRY(bind_operator(b, NULL, "=", location, left, probe, &compare));
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
    for (uint32_t i = 0; i < count; i++)
        values[i] = convert_item(b, values[i], wanted, common);
    *out = expression_list(b, EXPRESSION_IN, TYPE_OF(BOOL), location, count + 1, all);
    (*out)->function = compare->function;
    (*out)->negated = negated;
    (*out)->list_is_constant = true;
    return STATUS_OK;
}

/* left = item, or row by row when both are rows. */
static enum status bind_in_item(struct binder *b, int location, bool negated,
                                struct expression *left, struct expression *item,
                                struct expression **out) {
    const char *name = negated ? "<>" : "=";
    if (left->kind != EXPRESSION_ROW || item->kind != EXPRESSION_ROW)
        return bind_operator(b, NULL, name, location, left, item, out);
    if (item->argument_count != left->argument_count)
        return bind_error(b, location, STATUS_SYNTAX_ERROR,
                          "unequal number of entries in row expressions");
    struct expression **copy = ARENA_ARRAY(b->arena, struct expression *, left->argument_count);
    memcpy(copy, left->arguments, left->argument_count * sizeof *copy);
    return bind_row_comparison(b, NULL, name, location, left->argument_count, copy, item->arguments,
                               out);
}

/* x IN (a, b, c): what depends on no row is one list when it has one type, and comes first; each
   of the rest is compared by itself, as transformAExprIn of PostgreSQL has it. A list that is
   false (true for NOT IN, NULL in WHERE) so keeps the rest from being looked at. */
static enum status bind_in(struct binder *b, const PgQuery__AExpr *node, struct expression **out) {
    bool negated = strcmp(node_text(node->name[0]), "<>") == 0;
    struct expression *left;
    TRY(bind_expression(b, node->lexpr, &left));
    const PgQuery__List *list = node->rexpr->list;
    uint32_t count = (uint32_t)list->n_items, listed = 0;
    struct expression **items, **all;
    TRY(BIND_ARRAY(b, count, &items));
    TRY(BIND_ARRAY(b, count + 1, &all));
    bool rows = left->kind == EXPRESSION_ROW;
    all[0] = left;
    for (uint32_t i = 0; i < count; i++) {
        TRY(bind_expression(b, list->items[i], &items[i]));
        rows |= items[i]->kind == EXPRESSION_ROW;
        if (expression_is_row_free(items[i]))
            all[++listed] = items[i];
    }
    struct type common;
    *out = NULL;
    bool together =
        !rows && listed > 1 && bind_common_type(b, listed + 1, all, "IN", &common) == STATUS_OK;
    error_clear();
    if (together)
        TRY(bind_list(b, node->location, negated, listed, all, common, out));
    for (uint32_t i = 0; i < count; i++) {
        struct expression *one;
        if (together && expression_is_row_free(items[i]))
            continue;
        TRY(bind_in_item(b, node->location, negated, left, items[i], &one));
        if (*out == NULL)
            *out = one;
        else
            TRY(make_junction(b, negated ? EXPRESSION_AND : EXPRESSION_OR, *out, one, out));
    }
    return STATUS_OK;
}

/* x = ANY (ARRAY[a, b]) and x <> ALL (ARRAY[a, b]), with or without a cast of the array, are lists
   as of IN, which is how CHECK constraints are stored. *out: NULL when the array is something else.
 */
static enum status bind_array_list(struct binder *b, const PgQuery__AExpr *node, const char *name,
                                   struct expression **out) {
    bool negated = node->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL;
    const parse_node *array = node->rexpr;
    struct type cast = TYPE_OF(UNKNOWN), common;
    *out = NULL;
    if (strcmp(name, negated ? "<>" : "=") != 0)
        return STATUS_OK;
    if (NODE_IS(array, TYPE_CAST) && NODE_IS(array->type_cast->arg, A_ARRAY_EXPR)) {
        TRY(bind_type_name(b, array->type_cast->type_name, &cast));
        array = array->type_cast->arg;
        if (!type_is_array(cast.id))
            return STATUS_OK;
    }
    if (!NODE_IS(array, A_ARRAY_EXPR))
        return STATUS_OK;
    uint32_t count = (uint32_t)array->a_array_expr->n_elements;
    struct expression **all;
    TRY(BIND_ARRAY(b, count + 1, &all));
    TRY(bind_expression(b, node->lexpr, &all[0]));
    for (uint32_t i = 0; i < count; i++)
        TRY(bind_expression(b, array->a_array_expr->elements[i], &all[i + 1]));
    if (count < 2 || all[0]->kind == EXPRESSION_ROW || !list_is_plain(count, all + 1))
        return STATUS_OK;
    for (uint32_t i = 0; i < count; i++)
        if (type_is_array(all[i + 1]->type.id))
            return STATUS_OK;
    if (cast.id != TYPE_UNKNOWN) {
        common = type_plain(type_info_get(cast.id)->element_id);
        for (uint32_t i = 1; i <= count; i++)
            TRY(bind_coerce(b, all[i], common, CAST_EXPLICIT, all[i]->location, &all[i]));
    } else {
        TRY(bind_coerce_all(b, count, all + 1, "ARRAY", &common));
    }
    return bind_list(b, node->location, negated, count, all, common, out);
}

static enum status bind_any_all(struct binder *b, const PgQuery__AExpr *node,
                                struct expression **out) {
    const char *schema, *name;
    TRY(bind_operator_name(b, node->n_name, node->name, node->location, &schema, &name));
    TRY(bind_array_list(b, node, name, out));
    if (*out != NULL)
        return STATUS_OK;
    struct expression *left, *right;
    TRY(two_sides(b, node, &left, &right));
    if (right->type.id == TYPE_UNKNOWN) {
        TRY(bind_settle_unknown(b, &left));
        uint32_t array = type_info_get(left->type.id)->array_id;
        if (array == 0)
            return bind_error(b, node->location, STATUS_UNDEFINED_OBJECT,
                              "could not find array type for data type %s",
                              bind_type_text(b, left->type));
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
        struct expression *first, *second, *both;
        TRY(bind_sides(b, NULL, negated ? "<" : ">=", node->location, node->lexpr,
                       list->items[turn], &first));
        TRY(bind_sides(b, NULL, negated ? ">" : "<=", node->location, node->lexpr,
                       list->items[1 - turn], &second));
        TRY(make_junction(b, negated ? EXPRESSION_OR : EXPRESSION_AND, first, second, &both));
        if (result == NULL)
            result = both;
        else
            TRY(make_junction(b, negated ? EXPRESSION_AND : EXPRESSION_OR, result, both, &result));
    }
    *out = result;
    return STATUS_OK;
}

enum status bind_operator_node(struct binder *b, const PgQuery__AExpr *node,
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
