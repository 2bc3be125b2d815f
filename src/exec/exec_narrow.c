/* Trees of decimal + - * in 64 bits. */
#include "exec/exec_narrow.h"

#include <string.h>

#include "exec/exec_kernel.h"

enum narrow_kind { NARROW_LEAF, NARROW_CONSTANT, NARROW_ADD, NARROW_SUBTRACT, NARROW_MULTIPLY };

struct narrow {
    enum narrow_kind kind;
    int scale;
    struct narrow *left, *right;
    struct compiled *source; /* LEAF: an integer, or a decimal in 64 bits */
    int64_t constant;
    struct vector values; /* LEAF of fewer bits, and results: own memory */
};

/* ---- making -------------------------------------------------------------------------------- */

static struct narrow *new_node(struct exec_local *local, enum narrow_kind kind, int scale) {
    struct narrow *node = ARENA_NEW(local->arena, struct narrow);
    node->kind = kind;
    node->scale = scale;
    return node;
}

static struct narrow *new_result(struct exec_local *local, enum narrow_kind kind, int scale,
                                 struct narrow *left, struct narrow *right) {
    struct narrow *node = new_node(local, kind, scale);
    node->left = left;
    node->right = right;
    vector_init(&node->values, type_numeric_derived(18, scale <= 18 ? scale : 18), local->arena);
    node->values.type.scale = (uint8_t)scale;
    return node;
}

/* The same number with more digits after the point; NULL when they are too many. */
static struct narrow *rescaled(struct exec_local *local, struct narrow *node, int scale) {
    if (node == NULL || scale < node->scale || scale - node->scale > 18)
        return NULL;
    if (scale == node->scale)
        return node;
    struct narrow *factor = new_node(local, NARROW_CONSTANT, 0);
    factor->constant = power_of_10[scale - node->scale];
    return new_result(local, NARROW_MULTIPLY, scale, node, factor);
}

static bool is_small_integer(uint32_t id) {
    return id == TYPE_INT2 || id == TYPE_INT4 || id == TYPE_INT8;
}

static struct narrow *make(struct exec_local *local, struct compiled *compiled);

static struct narrow *make_constant(struct exec_local *local, const struct value *value) {
    if (value->is_null || (value->type.id != TYPE_NUMERIC && !is_small_integer(value->type.id)))
        return NULL;
    struct numeric number = numeric_from_value(value);
    if (number.kind != NUMERIC_FINITE || number.scale > NUMERIC_DIGITS_MAX ||
        number.coefficient > INT64_MAX || number.coefficient < INT64_MIN)
        return NULL;
    struct narrow *node = new_node(local, NARROW_CONSTANT, number.scale);
    node->constant = (int64_t)number.coefficient;
    return node;
}

static struct narrow *make_leaf(struct exec_local *local, struct compiled *compiled) {
    struct type type = exec__compiled_expression(compiled)->type;
    bool decimal = type.id == TYPE_NUMERIC && type_physical(type) == PHYSICAL_INT64;
    if (!decimal && !is_small_integer(type.id))
        return NULL;
    struct narrow *node = new_node(local, NARROW_LEAF, type.scale);
    node->source = compiled;
    vector_init(&node->values, TYPE_OF(INT8), local->arena);
    return node;
}

/* A cast that keeps every value, and at most shows more digits. */
static struct narrow *make_cast(struct exec_local *local, struct compiled *compiled) {
    const struct expression *expression = exec__compiled_expression(compiled);
    struct type from = expression->arguments[0]->type, to = expression->type;
    if (to.id != TYPE_NUMERIC || (from.id != TYPE_NUMERIC && !is_small_integer(from.id)))
        return NULL;
    struct narrow *node = make(local, exec__compiled_argument(compiled, 0));
    if (to.precision == 0)
        return to.modifier == -1 ? node : NULL;
    from = numeric_type_of(from);
    if (from.precision == 0 || to.precision - to.scale < from.precision - from.scale)
        return NULL;
    return rescaled(local, node, to.scale);
}

static struct narrow *make_call(struct exec_local *local, struct compiled *compiled) {
    const struct expression *expression = exec__compiled_expression(compiled);
    const char *symbol = expression->function->symbol;
    enum narrow_kind kind = strcmp(symbol, "numeric_add") == 0   ? NARROW_ADD
                            : strcmp(symbol, "numeric_sub") == 0 ? NARROW_SUBTRACT
                            : strcmp(symbol, "numeric_mul") == 0 ? NARROW_MULTIPLY
                                                                 : NARROW_LEAF;
    if (kind == NARROW_LEAF)
        return make_leaf(local, compiled);
    struct narrow *left = make(local, exec__compiled_argument(compiled, 0));
    struct narrow *right = make(local, exec__compiled_argument(compiled, 1));
    if (left == NULL || right == NULL)
        return NULL;
    int scale = left->scale > right->scale ? left->scale : right->scale;
    if (kind == NARROW_MULTIPLY) {
        scale = left->scale + right->scale;
    } else {
        left = rescaled(local, left, scale);
        right = rescaled(local, right, scale);
    }
    struct type type = expression->type;
    if (left == NULL || right == NULL || scale > NUMERIC_DIGITS_MAX ||
        (type.precision > 0 && type.scale != scale))
        return NULL;
    return new_result(local, kind, scale, left, right);
}

static struct narrow *make(struct exec_local *local, struct compiled *compiled) {
    const struct expression *expression = exec__compiled_expression(compiled);
    switch (expression->kind) {
    case EXPRESSION_CONSTANT:
        return make_constant(local, &expression->value);
    case EXPRESSION_CAST: {
        struct narrow *node = make_cast(local, compiled);
        return node != NULL ? node : make_leaf(local, compiled);
    }
    case EXPRESSION_CALL:
        return make_call(local, compiled);
    default:
        return make_leaf(local, compiled);
    }
}

struct narrow *exec__narrow_make(struct exec_local *local, struct compiled *compiled) {
    if (exec__compiled_expression(compiled)->type.id != TYPE_NUMERIC)
        return NULL;
    struct narrow *root = make_call(local, compiled);
    return root != NULL && root->kind != NARROW_LEAF ? root : NULL;
}

/* ---- evaluation ---------------------------------------------------------------------------- */

/* The numbers of a node: data[indices[row]]. */
struct numbers {
    const int64_t *data;
    const uint16_t *indices;
};

/* Where the tree's NULLs are gathered. */
struct narrow_run {
    struct fiber *f;
    const struct batch *input;
    const uint16_t *rows;
    uint32_t count, extent; /* extent: all rows up to it, when nearly all count; else 0 */
    struct arena *arena;
    struct vector *result;
    bool overflow;
};

static void merge_validity(struct narrow_run *run, const struct vector *vector) {
    if (vector->validity == NULL)
        return;
    uint64_t *validity =
        run->result->validity != NULL ? run->result->validity : vector_validity_begin(run->result);
    for (uint32_t i = 0; i < run->count; i++)
        if (vector_is_null(vector, run->rows[i]))
            validity_clear(validity, run->rows[i]);
}

#define LENGTHEN(type)                                                                             \
    do {                                                                                           \
        int64_t *to = node->values.data;                                                           \
        for (uint32_t i = 0; i < run->count; i++)                                                  \
            to[run->rows[i]] = ((const type *)view.data)[view.indices[run->rows[i]]];              \
    } while (0)

static enum status evaluate_leaf(struct narrow_run *run, struct narrow *node,
                                 struct numbers *numbers) {
    struct vector vector;
    TRY(exec__evaluate(run->f, node->source, run->input, run->rows, run->count, run->arena,
                       &vector));
    struct vector_view view = vector_view(&vector);
    merge_validity(run, &vector);
    *numbers = (struct numbers){.data = view.data, .indices = view.indices};
    if (vector.physical == PHYSICAL_INT64)
        return STATUS_OK;
    if (vector.physical == PHYSICAL_INT32)
        LENGTHEN(int32_t);
    else
        LENGTHEN(int16_t);
    *numbers = (struct numbers){.data = node->values.data, .indices = vector_identity};
    run->extent = 0; /* only rows that count were written */
    return STATUS_OK;
}

#define COMPUTE(checked)                                                                           \
    do {                                                                                           \
        if (run->extent > 0 && b.indices == vector_zeros && a.indices == vector_identity) {        \
            int64_t other = b.data[0];                                                             \
            for (uint32_t i = 0; i < run->extent; i++)                                             \
                overflow |= checked(a.data[i], other, &out[i]);                                    \
        } else if (run->extent > 0 && a.indices == vector_zeros && b.indices == vector_identity) { \
            int64_t other = a.data[0];                                                             \
            for (uint32_t i = 0; i < run->extent; i++)                                             \
                overflow |= checked(other, b.data[i], &out[i]);                                    \
        } else if (run->extent > 0 && a.indices == vector_identity &&                              \
                   b.indices == vector_identity) {                                                 \
            for (uint32_t i = 0; i < run->extent; i++)                                             \
                overflow |= checked(a.data[i], b.data[i], &out[i]);                                \
        } else {                                                                                   \
            for (uint32_t i = 0; i < run->count; i++) {                                            \
                uint32_t row = run->rows[i];                                                       \
                overflow |= checked(a.data[a.indices[row]], b.data[b.indices[row]], &out[row]);    \
            }                                                                                      \
            run->extent = 0;                                                                       \
        }                                                                                          \
    } while (0)

static enum status evaluate_node(struct narrow_run *run, struct narrow *node,
                                 struct numbers *numbers) {
    struct numbers a, b;
    int64_t *out = node->values.data;
    bool overflow = false;
    if (node->kind == NARROW_LEAF)
        return evaluate_leaf(run, node, numbers);
    if (node->kind == NARROW_CONSTANT) {
        *numbers = (struct numbers){.data = &node->constant, .indices = vector_zeros};
        return STATUS_OK;
    }
    TRY(evaluate_node(run, node->left, &a));
    TRY(evaluate_node(run, node->right, &b));
    switch (node->kind) {
    case NARROW_ADD:
        COMPUTE(__builtin_add_overflow);
        break;
    case NARROW_SUBTRACT:
        COMPUTE(__builtin_sub_overflow);
        break;
    default:
        COMPUTE(__builtin_mul_overflow);
        break;
    }
    run->overflow = run->overflow || overflow;
    *numbers = (struct numbers){.data = out, .indices = vector_identity};
    return STATUS_OK;
}

enum status exec__narrow_evaluate(struct fiber *f, struct narrow *narrow, const struct batch *input,
                                  const uint16_t *rows, uint32_t count, struct arena *arena,
                                  struct vector *vector, bool *fits_out) {
    struct numbers numbers;
    uint32_t extent = count == 0 ? 0 : (uint32_t)rows[count - 1] + 1;
    struct narrow_run run = {.f = f,
                             .input = input,
                             .rows = rows,
                             .count = count,
                             .extent = extent <= count * 3 ? extent : 0,
                             .arena = arena,
                             .result = &narrow->values};
    vector_reset(&narrow->values);
    TRY(evaluate_node(&run, narrow, &numbers));
    *vector = narrow->values;
    *fits_out = !run.overflow;
    return STATUS_OK;
}
