/* Names of columns and slots: one pass over the plan for the slots, columns when they are asked. */
#include "sql/explain_names.h"

#include <string.h>

#include "sql/bind.h"
#include "sql/sql_explain.h"

enum { TEXT_MAX = 160 }; /* a longer expression is called by its column's name */

/* ---- texts ---------------------------------------------------------------------------------- */

/* The buffer's text, which is given back; NULL: too long, or there was no memory for it. */
static const char *kept(struct explain_names *names, struct buffer *buffer) {
    const char *text = NULL;
    if (buffer_status(buffer) != STATUS_OK)
        error_clear();
    else if (buffer->size <= TEXT_MAX)
        text = arena_format(&names->arena, "%.*s", (int)buffer->size, (const char *)buffer->data);
    buffer_release(buffer);
    return text;
}

static void append(struct explain_names *names, struct buffer *buffer,
                   const struct expression *expression, const char *const *row) {
    if (expression_deparse(expression, row, names->slots, buffer) != STATUS_OK)
        error_clear();
}

static const char *expression_text(struct explain_names *names, const struct expression *expression,
                                   const char *const *row) {
    struct buffer buffer = {0};
    if (expression->kind == EXPRESSION_COLUMN && row != NULL)
        return row[expression->index];
    append(names, &buffer, expression, row);
    return kept(names, &buffer);
}

static const char *column_text(struct explain_names *names, const char *alias, const char *column) {
    struct buffer buffer = {0};
    if (column == NULL || column[0] == '\0')
        return NULL;
    if (alias != NULL) {
        identifier_append(&buffer, slice_of_text(alias));
        buffer_append_byte(&buffer, '.');
    }
    identifier_append(&buffer, slice_of_text(column));
    return kept(names, &buffer);
}

static const char *aggregate_text(struct explain_names *names,
                                  const struct plan_aggregate *aggregate, const char *const *row) {
    struct buffer buffer = {0};
    buffer_append_format(&buffer, "%s(%s", aggregate->aggregate->name,
                         aggregate->distinct ? "DISTINCT " : "");
    for (uint32_t i = 0; i < aggregate->argument_count; i++) {
        buffer_append_text(&buffer, i > 0 ? ", " : "");
        append(names, &buffer, aggregate->arguments[i], row);
    }
    buffer_append_text(&buffer, aggregate->argument_count == 0 ? "*)" : ")");
    if (aggregate->filter != NULL) {
        buffer_append_text(&buffer, " FILTER (WHERE ");
        append(names, &buffer, aggregate->filter, row);
        buffer_append_text(&buffer, ")");
    }
    return kept(names, &buffer);
}

/* ---- columns -------------------------------------------------------------------------------- */

static const char *alias_of(const struct plan_node *node) {
    switch (node->kind) {
    case NODE_TABLE_SCAN:
    case NODE_VIRTUAL_SCAN:
        return node->scan.alias != NULL ? node->scan.alias : node->scan.table->name;
    case NODE_FUNCTION_SCAN:
        return node->function_scan.alias;
    case NODE_CTE_SCAN:
        return node->cte_scan.alias;
    default:
        return NULL;
    }
}

static const char *output_text(struct explain_names *names, const struct plan_node *node,
                               uint32_t column, const char *const *input) {
    switch (node->kind) {
    case NODE_FILTER:
    case NODE_SORT:
    case NODE_UNIQUE:
    case NODE_LIMIT:
    case NODE_LOCK_ROWS:
        return column < node->left->column_count ? input[column] : NULL;
    case NODE_APPEND: {
        const char *const *first = explain_output(names, node->append.children[0]);
        return first != NULL ? first[column] : NULL;
    }
    case NODE_PROJECT:
        return expression_text(names, node->project.expressions[column], input);
    case NODE_HASH_JOIN:
    case NODE_MERGE_JOIN:
        return input[node->join.output[column]];
    case NODE_NESTED_LOOP:
        return input[node->nested_loop.output[column]];
    case NODE_AGGREGATE:
        return column < node->aggregate.key_count
                   ? expression_text(names, node->aggregate.keys[column], input)
                   : aggregate_text(names,
                                    &node->aggregate.aggregates[column - node->aggregate.key_count],
                                    input);
    default:
        return column_text(names, names->qualified ? alias_of(node) : NULL,
                           node->columns[column].name);
    }
}

const char *const *explain_output(struct explain_names *names, const struct plan_node *node) {
    if (node == NULL || names->output[node->id] != NULL || fiber_stack_left() < (64u << 10))
        return node == NULL ? NULL : names->output[node->id];
    const char *const *input = explain_input(names, node);
    const char **texts = ARENA_ARRAY(&names->arena, const char *, node->column_count + 1);
    bool has_input = node->left == NULL || input != NULL;
    for (uint32_t i = 0; texts != NULL && i < node->column_count; i++) {
        const char *text = has_input ? output_text(names, node, i, input) : NULL;
        texts[i] = text != NULL ? text : column_text(names, NULL, node->columns[i].name);
    }
    names->output[node->id] = texts;
    return texts;
}

const char *const *explain_input(struct explain_names *names, const struct plan_node *node) {
    if (node->right == NULL)
        return explain_output(names, node->left);
    uint32_t left = node->left->column_count, right = node->right->column_count;
    const char *const *of_left = explain_output(names, node->left);
    const char *const *of_right = explain_output(names, node->right);
    const char **texts = ARENA_ARRAY(&names->arena, const char *, left + right + 1);
    if (texts == NULL || of_left == NULL || of_right == NULL)
        return NULL;
    memcpy(texts, of_left, left * sizeof *texts);
    memcpy(texts + left, of_right, right * sizeof *texts);
    return texts;
}

const char *const *explain_own(struct explain_names *names, const struct plan_node *node) {
    if (alias_of(node) == NULL)
        return explain_output(names, node);
    const char **texts = ARENA_ARRAY(&names->arena, const char *, node->column_count + 1);
    for (uint32_t i = 0; texts != NULL && i < node->column_count; i++)
        texts[i] = column_text(names, NULL, node->columns[i].name);
    return texts;
}

/* ---- slots ---------------------------------------------------------------------------------- */

static void learn_node(struct explain_names *names, const struct plan_node *node);

struct learning {
    struct explain_names *names;
    const char *const *row;
};

static void learn_bindings(struct explain_names *names, uint32_t count,
                           const struct binding *bindings, const char *const *row) {
    for (uint32_t i = 0; i < count; i++)
        names->slots[bindings[i].slot] = expression_text(names, bindings[i].value, row);
}

static bool learn_subplan(const struct expression *expression, void *context) {
    const struct learning *learning = context;
    if (expression->kind == EXPRESSION_SUBPLAN) {
        const struct subplan *subplan = expression->subplan;
        learn_bindings(learning->names, subplan->binding_count, subplan->bindings, learning->row);
        learn_node(learning->names, subplan->root);
    }
    return false;
}

static void learn(struct explain_names *names, const struct expression *expression,
                  const char *const *row) {
    struct learning learning = {names, row};
    (void)expression_walk(expression, learn_subplan, &learning);
}

static void learn_list(struct explain_names *names, uint32_t count,
                       struct expression *const *expressions, const char *const *row) {
    for (uint32_t i = 0; i < count; i++)
        learn(names, expressions[i], row);
}

/* Target row ++ left's row. */
static const char *const *modify_row(struct explain_names *names, const struct plan_node *node) {
    const struct table *table = node->modify.table;
    const char *const *left = explain_output(names, node->left);
    uint32_t count = table->column_count, rest = node->left->column_count;
    const char **row = ARENA_ARRAY(&names->arena, const char *, count + rest + 1);
    if (row == NULL || left == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        row[i] = column_text(names, names->qualified ? table->name : NULL, table->columns[i].name);
    memcpy(row + count, left, rest * sizeof *row);
    return row;
}

static void learn_expressions(struct explain_names *names, const struct plan_node *node) {
    const char *const *input = explain_input(names, node);
    switch (node->kind) {
    case NODE_TABLE_SCAN:
    case NODE_VIRTUAL_SCAN:
        learn(names, node->scan.filter, explain_output(names, node));
        learn(names, node->scan.index_condition, explain_output(names, node));
        break;
    case NODE_FUNCTION_SCAN:
        for (uint32_t i = 0; i < node->function_scan.function_count; i++)
            learn(names, node->function_scan.functions[i].call, NULL);
        learn(names, node->function_scan.filter, explain_output(names, node));
        break;
    case NODE_RESULT:
        learn(names, node->result.filter, NULL);
        break;
    case NODE_VALUES:
        for (uint32_t i = 0; i < node->values.row_count; i++)
            learn_list(names, node->column_count, node->values.rows[i], NULL);
        break;
    case NODE_FILTER:
        learn(names, node->filter.condition, input);
        break;
    case NODE_PROJECT:
        learn_list(names, node->column_count, node->project.expressions, input);
        break;
    case NODE_HASH_JOIN:
    case NODE_MERGE_JOIN:
        learn_list(names, node->join.key_count, node->join.left_keys, input);
        learn_list(names, node->join.key_count, node->join.right_keys,
                   explain_output(names, node->right));
        learn(names, node->join.residual, input);
        break;
    case NODE_NESTED_LOOP:
        learn(names, node->nested_loop.residual, input);
        break;
    case NODE_AGGREGATE:
        learn_list(names, node->aggregate.key_count, node->aggregate.keys, input);
        for (uint32_t i = 0; i < node->aggregate.aggregate_count; i++) {
            const struct plan_aggregate *aggregate = &node->aggregate.aggregates[i];
            learn_list(names, aggregate->argument_count, aggregate->arguments, input);
            learn(names, aggregate->filter, input);
        }
        learn(names, node->aggregate.filter, explain_output(names, node));
        break;
    case NODE_UPDATE:
    case NODE_DELETE:
        for (uint32_t i = 0; i < node->modify.assignment_count; i++)
            learn(names, node->modify.assignments[i].value, modify_row(names, node));
        learn(names, node->modify.recheck, modify_row(names, node));
        break;
    case NODE_SORT:
        for (uint32_t i = 0; i < node->sort.key_count; i++)
            learn(names, node->sort.keys[i].expression, input);
        break;
    default:
        break;
    }
}

/* From below, so that a column which is computed of slots finds their texts. */
static void learn_node(struct explain_names *names, const struct plan_node *node) {
    if (node == NULL || fiber_stack_left() < (64u << 10))
        return;
    learn_node(names, node->left);
    if (node->kind == NODE_NESTED_LOOP)
        learn_bindings(names, node->nested_loop.binding_count, node->nested_loop.bindings,
                       explain_output(names, node->left));
    learn_node(names, node->right);
    if (node->kind == NODE_APPEND)
        for (uint32_t i = 0; i < node->append.child_count; i++)
            learn_node(names, node->append.children[i]);
    learn_expressions(names, node);
}

/* ---- all ------------------------------------------------------------------------------------ */

static uint32_t count_relations(const struct plan_node *node) {
    if (node == NULL || fiber_stack_left() < (64u << 10))
        return 0;
    uint32_t count = alias_of(node) != NULL;
    if (node->kind == NODE_APPEND)
        for (uint32_t i = 0; i < node->append.child_count; i++)
            count += count_relations(node->append.children[i]);
    return count + count_relations(node->left) + count_relations(node->right);
}

enum status explain_names_init(struct explain_names *names, const struct plan *plan) {
    *names = (struct explain_names){0};
    names->output = ARENA_ARRAY(&names->arena, const char *const *, plan->node_count + 1);
    names->slots = ARENA_ARRAY(&names->arena, const char *, plan->slot_count + 1);
    if (names->output == NULL || names->slots == NULL)
        return arena_status(&names->arena);
    uint32_t relations = count_relations(plan->root);
    for (uint32_t i = 0; i < plan->cte_count; i++)
        relations += count_relations(plan->ctes[i]);
    for (uint32_t i = 0; i < plan->subplan_count; i++)
        relations += count_relations(plan->subplans[i]);
    names->qualified = relations > 1;
    for (uint32_t i = 0; i < plan->cte_count; i++)
        learn_node(names, plan->ctes[i]);
    learn_node(names, plan->root);
    return arena_status(&names->arena);
}

void explain_names_release(struct explain_names *names) {
    arena_release(&names->arena);
}
