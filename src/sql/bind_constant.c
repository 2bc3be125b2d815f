/* Literals, parameters, casts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sql/bind.h"
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
    /* What is written with an exponent and does not fit 38 digits is a double: 1e300. */
    if (status == STATUS_NUMERIC_VALUE_OUT_OF_RANGE && strpbrk(text, "eE") != NULL) {
        status = text_input(&b->values, slice_of_text(text), TYPE_OF(FLOAT8), b->arena, &value);
        if (status == STATUS_OK) {
            error_clear();
            *out = expression_constant(b, &value, location);
            return STATUS_OK;
        }
    }
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

enum status bind_constant(struct binder *b, const PgQuery__AConst *constant,
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

enum status bind_parameter(struct binder *b, const PgQuery__ParamRef *ref,
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

enum status bind_cast(struct binder *b, const PgQuery__TypeCast *cast, struct expression **out) {
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
