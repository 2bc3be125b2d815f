/* From a filter to tests of stored columns. */
#include "exec/exec_scan_test.h"

#include <string.h>

#include "column/column_filter.h"
#include "exec/exec_join_filter.h"
#include "exec/exec_threshold.h"

/* Values that are there before the scan begins, at no risk of an error. */
static bool is_known(const struct expression *expression) {
    return expression->kind == EXPRESSION_CONSTANT || expression->kind == EXPRESSION_PARAMETER ||
           expression->kind == EXPRESSION_SLOT;
}

static bool is_integer(uint32_t id) {
    return id == TYPE_INT2 || id == TYPE_INT4 || id == TYPE_INT8;
}

static bool is_plain_text(uint32_t id) {
    return id == TYPE_TEXT || id == TYPE_VARCHAR || id == TYPE_NAME;
}

/* Is comparing values of these two types the same as comparing them in the type of either? */
static bool compare_alike(struct type column, struct type value) {
    if (is_integer(column.id))
        return is_integer(value.id);
    if (is_plain_text(column.id))
        return is_plain_text(value.id);
    if (column.id == TYPE_NUMERIC)
        return value.id == TYPE_NUMERIC || is_integer(value.id);
    return column.id == value.id;
}

/* Does a cast leave every value what it was, and never fail? */
static bool keeps_values(struct type from, struct type to) {
    if (from.id == TYPE_NUMERIC && to.id == TYPE_NUMERIC && to.modifier != -1)
        return from.precision > 0 && to.scale >= from.scale &&
               to.precision - to.scale >= from.precision - from.scale;
    if (to.modifier != -1)
        return false;
    if (is_integer(from.id) && is_integer(to.id))
        return type_info_get(to.id)->length >= type_info_get(from.id)->length;
    return from.id == to.id ||
           (is_plain_text(from.id) && is_plain_text(to.id) && to.id != TYPE_NAME);
}

/* The stored column that an expression is, casts that keep values looked through; NULL: another
   thing. */
static const struct column *column_of(const struct plan_node *node,
                                      const struct expression *expression) {
    struct type shown = expression->type;
    while (expression->kind == EXPRESSION_CAST && expression->argument_count == 1) {
        if (!keeps_values(expression->arguments[0]->type, expression->type))
            return NULL;
        expression = expression->arguments[0];
    }
    if (expression->kind != EXPRESSION_COLUMN)
        return NULL;
    int16_t number = node->scan.column_numbers[expression->index];
    if (number <= 0)
        return NULL;
    const struct column *column = &node->scan.table->columns[number - 1];
    return compare_alike(column->type, shown) ? column : NULL;
}

static enum column_operator operator_of(enum comparison comparison, bool flipped) {
    switch (comparison) {
    case COMPARISON_EQ:
        return COLUMN_EQUAL;
    case COMPARISON_NE:
        return COLUMN_NOT_EQUAL;
    case COMPARISON_LT:
        return flipped ? COLUMN_GREATER : COLUMN_LESS;
    case COMPARISON_LE:
        return flipped ? COLUMN_GREATER_EQUAL : COLUMN_LESS_EQUAL;
    case COMPARISON_GT:
        return flipped ? COLUMN_LESS : COLUMN_GREATER;
    default:
        return flipped ? COLUMN_LESS_EQUAL : COLUMN_GREATER_EQUAL;
    }
}

/* Make the test of `column` against known[0..count); *made_out false: it has no such form. */
static enum status make_test(struct fiber *f, struct exec_local *local,
                             const struct plan_node *node, const struct column *column,
                             enum column_operator operator, struct expression * const * known,
                             uint32_t count, struct arena *arena, struct table_scan_test *test,
                             bool *made_out) {
    *made_out = false;
    if (!column_filter_supports(column->type, operator))
        return STATUS_OK;
    struct value *values = arena_alloc(arena, (count + 1) * sizeof *values);
    if (values == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        struct value value;
        if (!is_known(known[i]) || !compare_alike(column->type, known[i]->type))
            return STATUS_OK;
        TRY(exec__scalar(f, local, known[i], NULL, arena, &value));
        values[i] = value_copy(&value, arena);
        values[i].type = known[i]->type;
    }
    *test = (struct table_scan_test){
        .column_number = (int16_t)(column - node->scan.table->columns + 1),
        .test = {.operator= operator, .value_count = count, .values = values}};
    *made_out = true;
    return STATUS_OK;
}

static enum status test_of_condition(struct fiber *f, struct exec_local *local,
                                     const struct plan_node *node,
                                     const struct expression *condition, struct arena *arena,
                                     struct table_scan_test *test, bool *made_out) {
    struct expression **arguments = condition->arguments;
    const struct column *column;
    *made_out = false;
    if (condition->kind == EXPRESSION_CALL && condition->argument_count == 2 &&
        condition->function->comparison != COMPARISON_NONE) {
        bool flipped = is_known(arguments[0]);
        column = column_of(node, arguments[flipped ? 1 : 0]);
        if (column == NULL)
            return STATUS_OK;
        enum comparison comparison = (enum comparison)condition->function->comparison;
        return make_test(f, local, node, column, operator_of(comparison, flipped),
                         &arguments[flipped ? 0 : 1], 1, arena, test, made_out);
    }
    if (condition->kind == EXPRESSION_IN && !condition->negated && condition->list_is_constant &&
        condition->function->comparison == COMPARISON_EQ &&
        condition->argument_count <= COLUMN_IN_MAX) {
        column = column_of(node, arguments[0]);
        if (column == NULL)
            return STATUS_OK;
        return make_test(f, local, node, column, COLUMN_IN, arguments + 1,
                         condition->argument_count - 1, arena, test, made_out);
    }
    if (condition->kind == EXPRESSION_TEST &&
        (condition->test == TEST_NULL || condition->test == TEST_NOT_NULL) &&
        arguments[0]->kind == EXPRESSION_COLUMN) {
        column = column_of(node, arguments[0]);
        if (column == NULL)
            return STATUS_OK;
        return make_test(f, local, node, column,
                         condition->test == TEST_NULL ? COLUMN_IS_NULL : COLUMN_IS_NOT_NULL, NULL,
                         0, arena, test, made_out);
    }
    return STATUS_OK;
}

/* Conjuncts of a condition, which may be nested; into out[], if there is one. Returns how many. */
static uint32_t conjuncts(const struct expression *condition, const struct expression **out) {
    if (condition == NULL)
        return 0;
    if (condition->kind != EXPRESSION_AND) {
        if (out != NULL)
            out[0] = condition;
        return 1;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < condition->argument_count; i++)
        count += conjuncts(condition->arguments[i], out == NULL ? NULL : out + count);
    return count;
}

enum status exec__scan_tests(struct fiber *f, struct exec_local *local,
                             const struct plan_node *node, struct arena *arena,
                             struct table_scan_options *options, struct exec_scan_rest *rest_out) {
    /* With an index that is not used, its condition is one like the others. */
    const struct expression *filter = node->scan.filter;
    const struct expression *index_condition =
        node->scan.index != NULL ? node->scan.index_condition : NULL;
    options->test_count = options->filter_count = 0;
    options->threshold = NULL;
    *rest_out = (struct exec_scan_rest){0};
    if (options->index != NULL)
        return STATUS_OK;
    options->threshold = exec__threshold_of_scan(local->execution, node);
    uint32_t conditions = conjuncts(filter, NULL) + conjuncts(index_condition, NULL);
    uint32_t lent = exec__scan_filter_count(local->execution, node);
    struct table_scan_test *tests = arena_alloc(arena, (conditions + lent + 1) * sizeof *tests);
    struct table_scan_filter *filters = arena_alloc(arena, (lent + 1) * sizeof *filters);
    const struct expression **list = arena_alloc(arena, (conditions + 1) * sizeof(void *));
    if (tests == NULL || filters == NULL || list == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    conjuncts(index_condition, list + conjuncts(filter, list));
    for (uint32_t i = 0; i < conditions; i++) {
        bool made;
        TRY(test_of_condition(f, local, node, list[i], arena, &tests[options->test_count], &made));
        options->test_count += made;
        if (made)
            rest_out->tested_count++;
        else
            list[rest_out->count++] = list[i];
    }
    rest_out->conjuncts = (struct expression **)list;
    TRY(exec__scan_filters(local->execution, node, arena, tests, &options->test_count, filters,
                           &options->filter_count));
    options->tests = tests;
    options->filters = filters;
    return STATUS_OK;
}
