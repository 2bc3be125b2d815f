/* Operators: which function an operator between two types is. */
#include <string.h>

#include "sql/bind_overload.h"

static enum status operator_missing(struct binder *b, const char *name, int location,
                                    struct expression *left, struct expression *right,
                                    bool ambiguous) {
    const char *shown = left != NULL
                            ? arena_format(b->arena, "%s %s %s", bind_type_text(b, left->type),
                                           name, bind_type_text(b, right->type))
                            : arena_format(b->arena, "%s %s", name, bind_type_text(b, right->type));
    enum status status;
    if (ambiguous) {
        status =
            bind_error(b, location, STATUS_AMBIGUOUS_FUNCTION, "operator is not unique: %s", shown);
        error_hint("Could not choose a best candidate operator. You might need to add explicit "
                   "type casts.");
    } else {
        status = bind_error(b, location, STATUS_UNDEFINED_FUNCTION, "operator does not exist: %s",
                            shown);
        error_hint(left != NULL ? "No operator matches the given name and argument types. You "
                                  "might need to add explicit type casts."
                                : "No operator matches the given name and argument type. You "
                                  "might need to add an explicit type cast.");
    }
    return status;
}

static const struct operator* find_exact(const char *name, uint32_t left, uint32_t right) {
    for (size_t i = 0; i < operator_count(); i++) {
        const struct operator* item = operator_at(i);
        if (item->left == left && item->right == right && strcmp(item->name, name) == 0)
            return item;
    }
    return NULL;
}

static enum status find_operator(struct binder *b, const char *name, int location,
                                 struct expression *left, struct expression *right,
                                 const struct operator** operator_out) {
    uint32_t l = left != NULL ? left->type.id : 0, r = right->type.id;
    const struct operator* exact = NULL;
    if (left != NULL && l == TYPE_UNKNOWN && r != TYPE_UNKNOWN)
        exact = find_exact(name, r, r);
    else if (left != NULL && r == TYPE_UNKNOWN && l != TYPE_UNKNOWN)
        exact = find_exact(name, l, l);
    else
        exact = find_exact(name, l, r);
    if (exact == NULL && left != NULL && (l == TYPE_VARCHAR || r == TYPE_VARCHAR)) {
        uint32_t x = l == TYPE_VARCHAR || l == TYPE_UNKNOWN ? TYPE_TEXT : l;
        uint32_t y = r == TYPE_VARCHAR || r == TYPE_UNKNOWN ? TYPE_TEXT : r;
        exact = find_exact(name, x, y);
    }
    if (exact != NULL) {
        *operator_out = exact;
        return STATUS_OK;
    }
    struct type actual[2] = {left != NULL ? left->type : right->type, right->type};
    uint32_t count = left != NULL ? 2 : 1;
    struct candidate *candidates;
    TRY(BIND_ARRAY(b, CANDIDATES_MAX, &candidates));
    size_t found = 0, chosen = 0;
    for (size_t i = 0; i < operator_count() && found < CANDIDATES_MAX; i++) {
        const struct operator* item = operator_at(i);
        if ((item->left != 0) != (left != NULL) || strcmp(item->name, name) != 0)
            continue;
        candidates[found].item = item;
        candidates[found].count = count;
        candidates[found].types = ARENA_ARRAY(b->arena, uint32_t, 2);
        candidates[found].types[0] = left != NULL ? item->left : item->right;
        candidates[found].types[1] = item->right;
        found++;
    }
    struct candidate *best = candidate_choose(candidates, found, count, actual, &chosen);
    if (chosen != 1)
        return operator_missing(b, name, location, left, right, chosen > 1);
    *operator_out = best->item;
    return STATUS_OK;
}

void bind_unify_sides(struct binder *b, const struct function **function, struct expression **left,
                      struct expression **right) {
    const struct function *f = *function;
    if (f->same != NULL) {
        *function = function_by_symbol(f->same);
        struct type type = type_plain((*function)->arguments[0]);
        if (bind_coerce(b, *left, type, CAST_IMPLICIT, -1, left) != STATUS_OK ||
            bind_coerce(b, *right, type, CAST_IMPLICIT, -1, right) != STATUS_OK)
            error_clear();
        return;
    }
    if (f->comparison == COMPARISON_NONE || f->arguments[0] == f->arguments[1])
        return;
    uint32_t x = f->arguments[0], y = f->arguments[1], wide = x;
    static const uint32_t rank[] = {TYPE_INT2,      TYPE_INT4,       TYPE_INT8, TYPE_FLOAT4,
                                    TYPE_FLOAT8,    TYPE_NAME,       TYPE_TEXT, TYPE_DATE,
                                    TYPE_TIMESTAMP, TYPE_TIMESTAMPTZ};
    for (size_t i = 0; i < sizeof rank / sizeof rank[0]; i++)
        if (rank[i] == x || rank[i] == y)
            wide = rank[i];
    *function = comparison_function(f->comparison, wide == TYPE_NAME ? TYPE_TEXT : wide);
    if (wide == TYPE_TEXT || wide == TYPE_NAME)
        return;
    b->depends_on_settings |= wide == TYPE_TIMESTAMPTZ;
    if (bind_coerce(b, *left, type_plain(wide), CAST_IMPLICIT, -1, left) != STATUS_OK ||
        bind_coerce(b, *right, type_plain(wide), CAST_IMPLICIT, -1, right) != STATUS_OK)
        error_clear();
}

enum status bind_operator_function(struct binder *b, const char *schema_name, const char *name,
                                   int location, struct expression **left,
                                   struct expression **right,
                                   const struct function **function_out) {
    const struct operator* operator= NULL;
    if (schema_name != NULL && strcmp(schema_name, "pg_catalog") != 0)
        return operator_missing(b, arena_format(b->arena, "%s.%s", schema_name, name), location,
                                left != NULL ? *left : NULL, *right, false);
    if (strcmp(name, "!=") == 0)
        name = "<>";
    TRY(find_operator(b, name, location, left != NULL ? *left : NULL, *right, &operator));
    const struct function *function = function_by_oid(operator->function_oid);
    ASSERT(function != NULL);
    struct expression *pair[2];
    uint32_t types[2], count = 0, result = operator->result;
    if (left != NULL) {
        pair[count] = *left;
        types[count++] = operator->left;
    }
    pair[count] = *right;
    types[count++] = operator->right;
    TRY(bind_coerce_arguments(b, location, count, pair, types, &result));
    if (left != NULL)
        *left = pair[0];
    *right = pair[count - 1];
    if (left != NULL)
        bind_unify_sides(b, &function, left, right);
    *function_out = function;
    return STATUS_OK;
}

enum status bind_operator(struct binder *b, const char *schema_name, const char *name, int location,
                          struct expression *left, struct expression *right,
                          struct expression **out) {
    const struct function *function;
    /* The result of a polymorphic operator follows its arguments. */
    struct expression *sides[2] = {left, right};
    TRY(bind_operator_function(b, schema_name, name, location, left != NULL ? &sides[0] : NULL,
                               &sides[1], &function));
    uint32_t result = function->result;
    if (type_is_polymorphic(result)) {
        uint32_t a = left != NULL ? sides[0]->type.id : sides[1]->type.id;
        result = type_is_array(a) ? a : type_array(a);
    }
    *out = expression_call(b, function, type_plain(result), location,
                           left != NULL ? sides[0] : sides[1], left != NULL ? sides[1] : NULL);
    bind_numeric_call(b, *out);
    return STATUS_OK;
}

enum status bind_operator_name(struct binder *b, size_t count, parse_node **names, int location,
                               const char **schema_out, const char **name_out) {
    *schema_out = count > 1 ? node_text(names[0]) : NULL;
    *name_out = node_text(names[count - 1]);
    if (*name_out == NULL || count > 2)
        return bind_unsupported(b, location, "this operator name");
    return STATUS_OK;
}
