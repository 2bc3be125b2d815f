/*
 * Bounds for the index on a narrow integer column that is compared with something wider.
 *
 * PostgreSQL has operators between widths, and an index serves them all. Here both sides of a
 * comparison are of one type, the column behind a cast: cast(column as bigint) < $1. The index is
 * on the narrow type, so the wide value is brought into its range: where it is too far out to find
 * anything the bound is NULL, which finds nothing; where it is beyond the other end, the end
 * itself.
 */
#include "sql/plan.h"

const struct expression *plan_widened(const struct expression *expression) {
    if (expression->kind != EXPRESSION_CAST || expression->is_explicit)
        return NULL;
    uint32_t from = expression->arguments[0]->type.id, to = expression->type.id;
    bool widened = (from == TYPE_INT4 && to == TYPE_INT8) ||
                   (from == TYPE_INT2 && (to == TYPE_INT4 || to == TYPE_INT8));
    return widened ? expression->arguments[0] : NULL;
}

static struct expression *integer(const struct binder *b, struct type type, int64_t number) {
    struct value value = type.id == TYPE_INT8   ? value_int8(number)
                         : type.id == TYPE_INT4 ? value_int4((int32_t)number)
                                                : value_int2((int16_t)number);
    return expression_constant(b, &value, -1);
}

static struct expression *compare(const struct binder *b, enum comparison comparison,
                                  struct expression *left, int64_t right) {
    return expression_call(b, comparison_function(comparison, left->type.id), TYPE_OF(BOOL), -1,
                           left, integer(b, left->type, right));
}

static int64_t least_of(struct type narrow) {
    return narrow.id == TYPE_INT2 ? INT16_MIN : INT32_MIN;
}
static int64_t most_of(struct type narrow) {
    return narrow.id == TYPE_INT2 ? INT16_MAX : INT32_MAX;
}

static struct expression *shifted(const struct binder *b, struct expression *wide, int by) {
    struct expression *one = integer(b, wide->type, 1), *out;
    if (by == 0)
        return wide;
    if (bind_operator((struct binder *)b, NULL, by > 0 ? "+" : "-", -1, wide, one, &out) ==
        STATUS_OK)
        return out;
    error_clear();
    return NULL;
}

/* > w is >= w + 1, and < w is <= w - 1: then both ends are inclusive. */
struct expression *plan_narrow_bound(struct planner *p, struct type narrow, struct expression *wide,
                                     enum comparison comparison) {
    const struct binder *b = p->b;
    int by = comparison == COMPARISON_GT ? 1 : comparison == COMPARISON_LT ? -1 : 0;
    bool is_lower = comparison == COMPARISON_GT || comparison == COMPARISON_GE;
    int64_t least = least_of(narrow) + (by < 0), most = most_of(narrow) - (by > 0);
    struct expression *value = shifted(b, wide, by);
    struct expression **arms = ARENA_ARRAY(b->arena, struct expression *, 4);
    if (arms == NULL || value == NULL)
        return NULL;
    uint32_t count = 0;
    if (comparison != COMPARISON_EQ) { /* beyond the end where everything is found */
        arms[count++] = is_lower ? compare(b, COMPARISON_LT, wide, least_of(narrow))
                                 : compare(b, COMPARISON_GT, wide, most_of(narrow));
        arms[count++] = integer(b, narrow, is_lower ? least_of(narrow) : most_of(narrow));
    }
    arms[count++] = expression_and(b, compare(b, COMPARISON_GE, wide, least),
                                   compare(b, COMPARISON_LE, wide, most));
    arms[count++] = expression_cast(b, value, type_plain(narrow.id), true);
    return expression_list(b, EXPRESSION_CASE, type_plain(narrow.id), -1, count, arms);
}

struct expression *plan_narrow_list(struct planner *p, const struct expression *list) {
    const struct binder *b = p->b;
    const struct expression *column = plan_widened(list->arguments[0]);
    struct expression **items = ARENA_ARRAY(b->arena, struct expression *, list->argument_count);
    if (column == NULL || items == NULL || column->kind != EXPRESSION_VARIABLE)
        return NULL;
    items[0] = expression_copy(b, column);
    for (uint32_t i = 1; i < list->argument_count; i++) {
        struct expression *item = list->arguments[i];
        if (item->type.id != list->arguments[0]->type.id || expression_is_volatile(item))
            return NULL;
        items[i] = plan_narrow_bound(p, column->type, item, COMPARISON_EQ);
        if (items[i] == NULL)
            return NULL;
    }
    struct expression *narrow = expression_list(b, EXPRESSION_IN, TYPE_OF(BOOL), list->location,
                                                list->argument_count, items);
    narrow->function = comparison_function(COMPARISON_EQ, column->type.id);
    narrow->list_is_constant = true;
    return narrow;
}
