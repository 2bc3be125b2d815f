/* ARRAY[...], subscripts and fields. */
#include <string.h>

#include "sql/bind.h"
#include "value/value_array.h"

enum status bind_array_elements(struct binder *b, const PgQuery__AArrayExpr *array,
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
        for (uint32_t i = 0; i < count; i++)
            if (!NODE_IS(array->elements[i], A_ARRAY_EXPR))
                TRY(bind_coerce(b, items[i], nested ? type : type_plain(element_type),
                                CAST_EXPLICIT, items[i]->location, &items[i]));
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

enum status bind_indirection(struct binder *b, const PgQuery__AIndirection *node,
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
