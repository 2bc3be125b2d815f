/*
 * Type names, coercion and the typing of numeric.
 *
 * Coercion follows PostgreSQL: a literal of unknown type is read by the target's input at once, a
 * parameter of unknown type takes the first type asked of it, all else is a cast node if the
 * context allows the cast. Strings that differ in name only (text, varchar, name) get no node as
 * function arguments.
 */
#include <stdio.h>
#include <string.h>

#include "sql/bind.h"
#include "value/value_numeric.h"

bool type_is_array(uint32_t id) {
    const struct type_info *info = type_info(id);
    return info != NULL && info->element_id != 0 && id != TYPE_NAME;
}

const char *bind_type_text(const struct binder *b, struct type type) {
    char *text = arena_alloc(b->arena, TYPE_NAME_SIZE);
    type.modifier = -1;
    type_name(type, text);
    return text;
}

/* ---- names ------------------------------------------------------------------------------ */

static bool integer_constant(const parse_node *node, int64_t *value_out) {
    if (!NODE_IS(node, A_CONST) || node->a_const->isnull ||
        node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL)
        return false;
    *value_out = node->a_const->ival->ival;
    return true;
}

static enum status check_length(struct binder *b, const PgQuery__TypeName *name, const char *shown,
                                int64_t length) {
    if (length < 1)
        return bind_error(b, name->location, STATUS_INVALID_PARAMETER_VALUE,
                          "length for type %s must be at least 1", shown);
    if (length > 10485760)
        return bind_error(b, name->location, STATUS_INVALID_PARAMETER_VALUE,
                          "length for type %s cannot exceed 10485760", shown);
    return STATUS_OK;
}

static enum status numeric_modifier(struct binder *b, const PgQuery__TypeName *name,
                                    const int64_t *numbers, size_t count, struct type *type_out) {
    int64_t scale = count > 1 ? numbers[1] : 0;
    if (numbers[0] < 1 || numbers[0] > 1000)
        return bind_error(b, name->location, STATUS_INVALID_PARAMETER_VALUE,
                          "NUMERIC precision %d must be between 1 and 1000", (int)numbers[0]);
    if (scale < -1000 || scale > 1000)
        return bind_error(b, name->location, STATUS_INVALID_PARAMETER_VALUE,
                          "NUMERIC scale %d must be between -1000 and 1000", (int)scale);
    *type_out = type_numeric((int)numbers[0], (int)scale);
    return STATUS_OK;
}

static enum status apply_modifiers(struct binder *b, const PgQuery__TypeName *name, uint32_t id,
                                   struct type *type_out) {
    int64_t numbers[2] = {0};
    size_t count = name->n_typmods;
    *type_out = type_make(id, -1);
    for (size_t i = 0; i < count; i++)
        if (i >= 2 || !integer_constant(name->typmods[i], &numbers[i]))
            return bind_error(b, name->location, STATUS_INVALID_PARAMETER_VALUE,
                              "invalid type modifier");
    if (count == 0)
        return STATUS_OK;
    switch (id) {
    case TYPE_VARCHAR:
    case TYPE_BPCHAR:
        TRY(check_length(b, name, id == TYPE_VARCHAR ? "varchar" : "char", numbers[0]));
        *type_out = type_make(id, (int32_t)numbers[0] + 4);
        return STATUS_OK;
    case TYPE_NUMERIC:
        return numeric_modifier(b, name, numbers, count, type_out);
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        *type_out = type_make(id, (int32_t)(numbers[0] > 6 ? 6 : numbers[0]));
        return STATUS_OK;
    case TYPE_INTERVAL: /* fields and precision bound only what is shown */
        return STATUS_OK;
    default:
        return bind_error(b, name->location, STATUS_SYNTAX_ERROR,
                          "type modifier is not allowed for type \"%s\"",
                          type_info_get(id)->typname);
    }
}

static const char *type_name_shown(const struct binder *b, const PgQuery__TypeName *name) {
    const char *last = node_text(name->names[name->n_names - 1]);
    if (name->n_names < 2)
        return last;
    return arena_format(b->arena, "%s.%s", node_text(name->names[0]), last);
}

enum status bind_type_name(struct binder *b, const PgQuery__TypeName *name, struct type *type_out) {
    if (name->n_names == 0 || name->n_names > 2)
        return bind_unsupported(b, name->location, "this type name");
    if (name->pct_type)
        return bind_unsupported(b, name->location, "%%TYPE");
    if (name->setof)
        return bind_unsupported(b, name->location, "SETOF");
    const char *schema_name = name->n_names == 2 ? node_text(name->names[0]) : NULL;
    const char *text = node_text(name->names[name->n_names - 1]);
    const struct type_info *info = NULL;
    if (schema_name == NULL || strcmp(schema_name, "pg_catalog") == 0)
        info = type_by_typname(slice_of_text(text));
    if (info == NULL) {
        static const char *const known[] = {
            "json",    "jsonb",  "xml",      "inet",    "cidr",      "macaddr",   "timetz",
            "money",   "bit",    "varbit",   "point",   "line",      "box",       "path",
            "polygon", "circle", "tsvector", "tsquery", "int4range", "int8range", "tsrange"};
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (strcmp(text, known[i]) == 0)
                return bind_unsupported(b, name->location, "type %s", text);
        return bind_error(b, name->location, STATUS_UNDEFINED_OBJECT, "type \"%s\" does not exist",
                          type_name_shown(b, name));
    }
    TRY(apply_modifiers(b, name, info->id, type_out));
    if (name->n_array_bounds > 0) {
        if (info->array_id == 0)
            return bind_error(b, name->location, STATUS_UNDEFINED_OBJECT,
                              "type \"%s[]\" does not exist", type_name_shown(b, name));
        *type_out = (struct type){.id = info->array_id, .modifier = type_out->modifier};
    }
    return STATUS_OK;
}

/* ---- casts ------------------------------------------------------------------------------ */

bool bind_can_coerce(struct type from, uint32_t to, enum cast_context context) {
    if (from.id == to || from.id == TYPE_UNKNOWN)
        return true;
    return cast_allowed(from.id, to, context);
}

static bool reads_settings(uint32_t id) {
    return id == TYPE_DATE || id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMPTZ || id == TYPE_TIME ||
           id == TYPE_INTERVAL || (type_is_oid_like(id) && id != TYPE_OID) || type_is_array(id);
}

/* Reading a literal gives the same in every session: special words such as 'now' do not, nor do
   zones and orders of fields. */
static void note_settings(struct binder *b, uint32_t id) {
    b->depends_on_settings |= reads_settings(id);
}

static enum status read_literal(struct binder *b, struct expression *literal, struct type target,
                                bool is_explicit, struct expression **out) {
    struct value value;
    if (literal->value.is_null) {
        value = value_null(target);
        *out = expression_constant(b, &value, literal->location);
        return STATUS_OK;
    }
    /* A declared length is applied as a cast would, after reading. */
    struct type plain = target;
    bool sized = target.id == TYPE_VARCHAR || target.id == TYPE_BPCHAR;
    if (sized)
        plain = type_plain(target.id);
    note_settings(b, target.id);
    enum status status = text_input(&b->values, literal->value.string, plain, b->arena, &value);
    if (status != STATUS_OK) {
        bind_position(b, literal->location);
        return status;
    }
    *out = expression_constant(b, &value, literal->location);
    if (sized && target.modifier >= 0) {
        struct value cut;
        if (value_cast(&b->values, &value, target, is_explicit, b->arena, &cut) == STATUS_OK) {
            struct expression *whole = *out;
            *out = expression_constant(b, &cut, literal->location);
            (*out)->written = whole;
        } else {
            error_clear();
            *out = expression_cast(b, *out, target, is_explicit);
        }
    }
    return STATUS_OK;
}

static enum status settle_parameter(struct binder *b, struct expression *parameter,
                                    struct type target, int location) {
    uint32_t *known = &b->parameter_types[parameter->index];
    if (*known != 0 && *known != TYPE_UNKNOWN && *known != target.id) {
        enum status status =
            bind_error(b, location, STATUS_AMBIGUOUS_PARAMETER,
                       "inconsistent types deduced for parameter $%u", parameter->index + 1);
        error_detail("%s versus %s", bind_type_text(b, type_plain(*known)),
                     bind_type_text(b, target));
        return status;
    }
    *known = target.id;
    parameter->type = type_plain(target.id);
    return STATUS_OK;
}

/* Casts of constants that mean the same everywhere are done now. */
static struct expression *make_cast(struct binder *b, struct expression *argument,
                                    struct type target, bool is_explicit) {
    bool foldable = argument->kind == EXPRESSION_CONSTANT && !reads_settings(target.id) &&
                    !reads_settings(argument->type.id);
    if (foldable && argument->value.is_null) {
        struct value null = value_null(target);
        return expression_constant(b, &null, argument->location);
    }
    struct expression *cast = expression_cast(b, argument, target, is_explicit);
    struct value folded;
    if (!foldable)
        return cast;
    if (value_cast(&b->values, &argument->value, target, is_explicit, b->arena, &folded) !=
        STATUS_OK) {
        error_clear();
        return cast;
    }
    struct expression *constant = expression_constant(b, &folded, argument->location);
    constant->written = cast;
    return constant;
}

/* "numeric" without modifier keeps what is known of the source. */
static struct type numeric_target(const struct expression *argument, struct type target) {
    if (target.id != TYPE_NUMERIC || target.modifier != -1 || target.precision != 0)
        return target;
    uint32_t id = argument->type.id;
    if (id == TYPE_INT2 || id == TYPE_INT4 || id == TYPE_INT8) {
        if (argument->kind == EXPRESSION_CONSTANT && !argument->value.is_null) {
            struct numeric number = numeric_from_value(&argument->value);
            int digits = 1;
            int128_t left = number.coefficient < 0 ? -number.coefficient : number.coefficient;
            while (left >= 10)
                left /= 10, digits++;
            return type_numeric_derived(digits, 0);
        }
        return type_numeric_derived(id == TYPE_INT2 ? 5 : id == TYPE_INT4 ? 10 : 19, 0);
    }
    return target;
}

enum status bind_coerce(struct binder *b, struct expression *expression, struct type target,
                        enum cast_context context, int location, struct expression **out) {
    bool is_explicit = context == CAST_EXPLICIT;
    struct type from = expression->type;
    *out = expression;
    if (from.id == TYPE_UNKNOWN && target.id != TYPE_UNKNOWN && target.id != TYPE_ANY) {
        if (expression->kind == EXPRESSION_CONSTANT)
            return read_literal(b, expression, target, is_explicit, out);
        if (expression->kind == EXPRESSION_PARAMETER) {
            TRY(settle_parameter(b, expression, target, expression->location));
            if (target.modifier >= 0)
                *out = make_cast(b, expression, target, is_explicit);
            return STATUS_OK;
        }
    }
    if (from.id == target.id) {
        if (target.modifier >= 0 && from.modifier != target.modifier)
            *out = make_cast(b, expression, target, is_explicit);
        return STATUS_OK;
    }
    if (target.id == TYPE_ANY || !bind_can_coerce(from, target.id, context)) {
        if (target.id == TYPE_ANY)
            return STATUS_OK;
        return bind_error(b, location, STATUS_CANNOT_COERCE, "cannot cast type %s to %s",
                          bind_type_text(b, from), bind_type_text(b, target));
    }
    *out = make_cast(b, expression, numeric_target(expression, target), is_explicit);
    return STATUS_OK;
}

enum status bind_settle_unknown(struct binder *b, struct expression **expression) {
    if ((*expression)->type.id != TYPE_UNKNOWN)
        return STATUS_OK;
    return bind_coerce(b, *expression, TYPE_OF(TEXT), CAST_IMPLICIT, (*expression)->location,
                       expression);
}

enum status bind_boolean(struct binder *b, struct expression *expression, const char *what,
                         struct expression **out) {
    if (expression->type.id != TYPE_BOOL && expression->type.id != TYPE_UNKNOWN)
        return bind_error(b, expression->location, STATUS_DATATYPE_MISMATCH,
                          "argument of %s must be type boolean, not type %s", what,
                          bind_type_text(b, expression->type));
    return bind_coerce(b, expression, TYPE_OF(BOOL), CAST_IMPLICIT, expression->location, out);
}

enum status bind_assign(struct binder *b, const char *column_name, struct type type,
                        struct expression *expression, int location, struct expression **out) {
    if (!bind_can_coerce(expression->type, type.id, CAST_ASSIGNMENT)) {
        enum status status =
            bind_error(b, location, STATUS_DATATYPE_MISMATCH,
                       "column \"%s\" is of type %s but expression is of type %s", column_name,
                       bind_type_text(b, type), bind_type_text(b, expression->type));
        error_hint("You will need to rewrite or cast the expression.");
        return status;
    }
    TRY(bind_coerce(b, expression, type, CAST_ASSIGNMENT, location, out));
    /* The stored form of numeric is the column's. */
    if (type.id == TYPE_NUMERIC && !type_equal((*out)->type, type) &&
        (type_physical((*out)->type) != type_physical(type) || (*out)->type.scale != type.scale))
        *out = make_cast(b, *out, type, false);
    return STATUS_OK;
}

/* ---- common types ----------------------------------------------------------------------- */

/* PostgreSQL's select_common_type: one category; the first type unless it is cast implicitly to a
   later one but not back (varchar and text are, so the first of them stays). */
enum status bind_common_type(struct binder *b, uint32_t count, struct expression *const *items,
                             const char *what, struct type *type_out) {
    struct type chosen = TYPE_OF(UNKNOWN);
    bool same_modifier = true;
    for (uint32_t i = 0; i < count; i++) {
        struct type type = items[i]->type;
        if (type.id == TYPE_UNKNOWN) {
            same_modifier = false; /* a literal has none */
            continue;
        }
        if (chosen.id == TYPE_UNKNOWN) {
            chosen = type;
            continue;
        }
        if (type.id == chosen.id) {
            same_modifier &= type.modifier == chosen.modifier;
            continue;
        }
        const struct type_info *mine = type_info_get(chosen.id), *other = type_info_get(type.id);
        if (mine->category != other->category) {
            return bind_error(b, items[i]->location, STATUS_DATATYPE_MISMATCH,
                              "%s types %s and %s cannot be matched", what,
                              bind_type_text(b, chosen), bind_type_text(b, type));
        }
        same_modifier = false;
        if (!mine->preferred && cast_allowed(chosen.id, type.id, CAST_IMPLICIT) &&
            !cast_allowed(type.id, chosen.id, CAST_IMPLICIT))
            chosen = type;
    }
    if (chosen.id == TYPE_UNKNOWN)
        chosen = TYPE_OF(TEXT);
    *type_out = same_modifier && chosen.id != TYPE_NUMERIC ? chosen : type_plain(chosen.id);
    /* What is known of numerics holds when all have one scale. */
    if (chosen.id == TYPE_NUMERIC) {
        int digits = 0, scale = -1;
        bool known = true;
        for (uint32_t i = 0; i < count && known; i++) {
            struct type type = items[i]->type;
            bool null = items[i]->kind == EXPRESSION_CONSTANT && items[i]->value.is_null;
            if (null)
                continue;
            known =
                type.id == TYPE_NUMERIC && type.precision > 0 && (scale < 0 || scale == type.scale);
            scale = type.scale;
            digits = type.precision > digits ? type.precision : digits;
        }
        if (known && scale >= 0)
            *type_out = same_modifier && chosen.modifier >= 0 ? chosen
                                                              : type_numeric_derived(digits, scale);
    }
    return STATUS_OK;
}

/* Exactly this struct type, numerics in its physical form. */
static enum status coerce_exactly(struct binder *b, struct expression **item, struct type type,
                                  const char *what) {
    struct type from = (*item)->type;
    if (!bind_can_coerce(from, type.id, CAST_IMPLICIT))
        return bind_error(b, (*item)->location, STATUS_CANNOT_COERCE,
                          "%s could not convert type %s to %s", what, bind_type_text(b, from),
                          bind_type_text(b, type));
    struct type plain = type;
    if (type.id != TYPE_NUMERIC)
        plain.modifier = (from.id == type.id) ? type.modifier : -1;
    else
        plain = TYPE_OF(NUMERIC);
    TRY(bind_coerce(b, *item, plain, CAST_IMPLICIT, (*item)->location, item));
    if (type.id == TYPE_NUMERIC &&
        (type_physical((*item)->type) != type_physical(type) || (*item)->type.scale != type.scale))
        *item = make_cast(b, *item, type, false);
    return STATUS_OK;
}

enum status bind_coerce_all(struct binder *b, uint32_t count, struct expression **items,
                            const char *what, struct type *type_out) {
    TRY(bind_common_type(b, count, items, what, type_out));
    for (uint32_t i = 0; i < count; i++)
        TRY(coerce_exactly(b, &items[i], *type_out, what));
    return STATUS_OK;
}

/* ---- numeric calls ---------------------------------------------------------------------- */

enum { DIGITS_MAX = NUMERIC_DIGITS_MAX };

static int least(int a, int b) {
    return a < b ? a : b;
}
static int most(int a, int b) {
    return a > b ? a : b;
}

/* The argument in this physical form and scale. */
static void convert_argument(const struct binder *b, struct expression **argument,
                             struct type type) {
    struct type from = (*argument)->type;
    if (type_physical(from) == type_physical(type) && from.scale == type.scale)
        return;
    *argument = make_cast((struct binder *)b, *argument, type, false);
}

static void make_unknown(const struct binder *b, struct expression *call) {
    for (uint32_t i = 0; i < call->argument_count; i++)
        if (call->arguments[i]->type.id == TYPE_NUMERIC)
            convert_argument(b, &call->arguments[i], TYPE_OF(NUMERIC));
    if (call->type.id == TYPE_NUMERIC)
        call->type = TYPE_OF(NUMERIC);
}

static bool symbol_is(const struct expression *call, const char *symbol) {
    return strcmp(call->function->symbol, symbol) == 0;
}

static void type_sum(const struct binder *b, struct expression *call, struct type x, struct type y,
                     bool comparison) {
    int scale = most(x.scale, y.scale);
    int whole = most(x.precision - x.scale, y.precision - y.scale);
    if (comparison && whole + scale > DIGITS_MAX) {
        make_unknown(b, call);
        return;
    }
    struct type type =
        type_numeric_derived(least(most(whole + scale + !comparison, 1), DIGITS_MAX), scale);
    convert_argument(b, &call->arguments[0], type);
    convert_argument(b, &call->arguments[1], type);
    if (!comparison)
        call->type = type;
}

static void type_product(const struct binder *b, struct expression *call, struct type x,
                         struct type y) {
    int scale = x.scale + y.scale;
    if (scale > DIGITS_MAX) {
        make_unknown(b, call);
        return;
    }
    call->type = type_numeric_derived(least(x.precision + y.precision, DIGITS_MAX), scale);
    bool wide = type_physical(call->type) == PHYSICAL_INT128;
    for (int i = 0; i < 2; i++) {
        struct type own = call->arguments[i]->type;
        int precision = wide ? most(own.precision, 19) : own.precision;
        convert_argument(b, &call->arguments[i], type_numeric_derived(precision, own.scale));
    }
}

void bind_numeric_call(const struct binder *b, struct expression *call) {
    bool any = call->type.id == TYPE_NUMERIC, known = true;
    for (uint32_t i = 0; i < call->argument_count; i++) {
        struct type type = call->arguments[i]->type;
        any |= type.id == TYPE_NUMERIC;
        known &= type.id == TYPE_NUMERIC && type.precision > 0;
    }
    if (!any)
        return;
    bool comparison = call->function->comparison != COMPARISON_NONE;
    if (known && call->argument_count == 2) {
        struct type x = call->arguments[0]->type, y = call->arguments[1]->type;
        if (comparison || symbol_is(call, "numeric_add") || symbol_is(call, "numeric_sub") ||
            symbol_is(call, "numeric_mod")) {
            type_sum(b, call, x, y, comparison);
            return;
        }
        if (symbol_is(call, "numeric_mul")) {
            type_product(b, call, x, y);
            return;
        }
    }
    if (known && call->argument_count == 1 &&
        (symbol_is(call, "numeric_uminus") || symbol_is(call, "numeric_uplus") ||
         symbol_is(call, "numeric_abs"))) {
        struct type own = call->arguments[0]->type;
        call->type = type_numeric_derived(own.precision, own.scale);
        return;
    }
    make_unknown(b, call);
}
