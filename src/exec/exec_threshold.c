/* From a sort to the scan below it. */
#include "exec/exec_threshold.h"

#include <stdatomic.h>
#include <string.h>

#include "column/column_filter.h"

/* ---- finding the scan ------------------------------------------------------------------------ */

static bool widens(const struct expression *cast) {
    uint32_t from = cast->arguments[0]->type.id, to = cast->type.id;
    return (from == TYPE_INT2 && (to == TYPE_INT4 || to == TYPE_INT8)) ||
           (from == TYPE_INT4 && to == TYPE_INT8) || (from == TYPE_DATE && to == TYPE_TIMESTAMP) ||
           (from == TYPE_NUMERIC && to == TYPE_NUMERIC && !cast->is_explicit) ||
           (type_is_string(from) && to == TYPE_TEXT);
}

/* No error and no effect, whatever the row. */
static bool is_harmless(const struct expression *expression) {
    if (expression == NULL)
        return true;
    switch (expression->kind) {
    case EXPRESSION_CONSTANT:
    case EXPRESSION_COLUMN:
    case EXPRESSION_PARAMETER:
    case EXPRESSION_SLOT:
    case EXPRESSION_AND:
    case EXPRESSION_OR:
    case EXPRESSION_NOT:
    case EXPRESSION_TEST:
    case EXPRESSION_DISTINCT:
    case EXPRESSION_CASE:
    case EXPRESSION_COALESCE:
    case EXPRESSION_NULLIF:
    case EXPRESSION_IN:
        break;
    case EXPRESSION_CAST:
        if (!widens(expression))
            return false;
        break;
    case EXPRESSION_CALL:
        if (expression->function->comparison == COMPARISON_NONE &&
            strcmp(expression->function->symbol, "textlike") != 0)
            return false;
        break;
    default:
        return false;
    }
    for (uint32_t i = 0; i < expression->argument_count; i++)
        if (!is_harmless(expression->arguments[i]))
            return false;
    return true;
}

static bool all_harmless(struct expression *const *expressions, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (!is_harmless(expressions[i]))
            return false;
    return true;
}

/* Left rows without a partner go or stay alone: leaving one out changes nothing else. */
static bool goes_by_left(enum join_kind kind) {
    return kind == JOIN_INNER || kind == JOIN_LEFT || kind == JOIN_SEMI || kind == JOIN_ANTI;
}

/* Where a row of `node` goes for its value of the column, the row of the left child it comes from
   may go: true, and the column there. */
static bool step_down(const struct plan_node *node, uint32_t *column) {
    switch (node->kind) {
    case NODE_FILTER:
        return is_harmless(node->filter.condition);
    case NODE_PROJECT:
        if (node->project.expressions[*column]->kind != EXPRESSION_COLUMN ||
            !all_harmless(node->project.expressions, node->column_count))
            return false;
        *column = node->project.expressions[*column]->index;
        return true;
    case NODE_HASH_JOIN:
        *column = node->join.output[*column];
        return *column < node->left->column_count && goes_by_left(node->join.kind) &&
               all_harmless(node->join.left_keys, node->join.key_count) &&
               is_harmless(node->join.residual);
    default:
        return false;
    }
}

/* The scan that drives what is sorted, and the column there; NULL: none that could be told. */
static const struct plan_node *find_scan(const struct plan_node *sort, uint32_t *column) {
    const struct expression *key = sort->sort.keys[0].expression;
    const struct plan_node *node = sort->left;
    if (key->kind != EXPRESSION_COLUMN)
        return NULL;
    *column = key->index;
    for (; node->kind != NODE_TABLE_SCAN; node = node->left)
        if (!step_down(node, column))
            return NULL;
    int16_t number = node->scan.column_numbers[*column];
    if (node->scan.index != NULL || number <= 0 || !is_harmless(node->scan.filter))
        return NULL;
    struct type type = node->scan.table->columns[number - 1].type;
    return column_filter_supports(type, COLUMN_LESS_EQUAL) &&
                   column_filter_supports(type, COLUMN_IS_NULL)
               ? node
               : NULL;
}

/* ---- the test -------------------------------------------------------------------------------- */

enum status exec__threshold_open(struct execution *execution, const struct plan_node *sort,
                                 struct threshold **threshold_out) {
    uint32_t column;
    const struct plan_node *scan;
    *threshold_out = NULL;
    for (struct threshold *at = execution->thresholds; at != NULL; at = at->next)
        if (at->sort == sort) {
            *threshold_out = at;
            return STATUS_OK;
        }
    if (sort->sort.limit == NULL || (scan = find_scan(sort, &column)) == NULL)
        return STATUS_OK;
    ASSERT(!execution->is_worker); /* its parent looked before */
    struct threshold *threshold = ARENA_NEW(execution->environment.arena, struct threshold);
    if (threshold == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    const struct sort_key *key = &sort->sort.keys[0];
    *threshold = (struct threshold){.sort = sort,
                                    .scan = scan,
                                    .descending = key->descending,
                                    .nulls_first = key->nulls_first,
                                    .has_more_keys = sort->sort.key_count > 1,
                                    .stored = {.column_number = scan->scan.column_numbers[column],
                                               .keeps_nulls = key->nulls_first},
                                    .next = execution->thresholds};
    execution->thresholds = threshold;
    *threshold_out = threshold;
    return STATUS_OK;
}

void exec__threshold_clear(struct threshold *threshold) {
    atomic_store_explicit(&threshold->stored.test, NULL, memory_order_release);
}

/* Does the test leave out all that the other one does? */
static bool is_as_strict(const struct threshold *threshold, const struct column_test *test,
                         const struct column_test *other) {
    if (test->operator== COLUMN_IS_NULL || other->operator== COLUMN_IS_NULL)
        return test->operator== COLUMN_IS_NULL;
    int order = value_compare(&test->values[0], &other->values[0]);
    return threshold->descending ? order >= 0 : order <= 0;
}

static enum column_operator operator_of(const struct threshold *threshold) {
    if (threshold->has_more_keys)
        return threshold->descending ? COLUMN_GREATER_EQUAL : COLUMN_LESS_EQUAL;
    return threshold->descending ? COLUMN_GREATER : COLUMN_LESS;
}

enum status exec__threshold_set(struct threshold *threshold, const struct value *value,
                                struct arena *arena) {
    const struct column_test *before =
        atomic_load_explicit(&threshold->stored.test, memory_order_acquire);
    /* Nulls at the end: all others come before. At the beginning: the test for null keeps those,
       and keeps_nulls lets pieces with nulls alone. */
    if (value->is_null && !threshold->nulls_first)
        return STATUS_OK;
    struct column_test *test = ARENA_NEW(arena, struct column_test);
    struct value *copy = ARENA_NEW(arena, struct value);
    if (test == NULL || copy == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    *copy = value_copy(value, arena);
    *test =
        (struct column_test){.operator= operator_of(threshold), .value_count = 1, .values = copy};
    if (value->is_null)
        *test = (struct column_test){.operator= COLUMN_IS_NULL };
    TRY(arena_status(arena));
    do {
        if (before != NULL && is_as_strict(threshold, before, test))
            return STATUS_OK;
    } while (!atomic_compare_exchange_weak_explicit(&threshold->stored.test, &before, test,
                                                    memory_order_acq_rel, memory_order_acquire));
    return STATUS_OK;
}

const struct table_scan_threshold *exec__threshold_of_scan(const struct execution *execution,
                                                           const struct plan_node *scan) {
    for (const struct threshold *at = execution->thresholds; at != NULL; at = at->next)
        if (at->scan == scan)
            return &at->stored;
    return NULL;
}
