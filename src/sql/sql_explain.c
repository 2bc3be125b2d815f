/* EXPLAIN: a line for each node, its conditions below it, children indented. */
#include "sql/sql_explain.h"

#include <string.h>

#include "sql/explain_names.h"

struct explainer {
    const struct statement_explain *options;
    const struct plan *plan;
    const struct explain_statistics *statistics;
    struct buffer *buffer;
    struct explain_names names;
};

enum { INDENT = 6 };

static void spaces(struct explainer *e, int count) {
    for (int i = 0; i < count; i++)
        buffer_append_byte(e->buffer, ' ');
}

static const char *join_name(enum join_kind kind) {
    static const char *const names[] = {"",      " Left", " Right",      " Full",
                                        " Semi", " Anti", " Right Semi", " Right Anti"};
    return names[kind];
}

static void node_title(struct explainer *e, const struct plan_node *node) {
    struct buffer *out = e->buffer;
    switch (node->kind) {
    case NODE_RESULT:
        buffer_append_text(out, "Result");
        break;
    case NODE_VALUES:
        buffer_append_text(out, "Values Scan");
        break;
    case NODE_TABLE_SCAN:
    case NODE_VIRTUAL_SCAN:
        if (node->scan.index != NULL)
            buffer_append_format(out, "Index Scan%s using %s on %s",
                                 node->scan.backward ? " Backward" : "", node->scan.index->name,
                                 node->scan.table->name);
        else
            buffer_append_format(out, "Seq Scan on %s", node->scan.table->name);
        if (node->scan.alias != NULL && strcmp(node->scan.alias, node->scan.table->name) != 0)
            buffer_append_format(out, " %s", node->scan.alias);
        break;
    case NODE_FUNCTION_SCAN: {
        const struct expression *call = node->function_scan.functions[0].call;
        buffer_append_format(out, "Function Scan on %s",
                             call->kind == EXPRESSION_CALL ? call->function->name : "value");
        break;
    }
    case NODE_CTE_SCAN:
        buffer_append_format(out, "CTE Scan on %s", node->cte_scan.name);
        if (strcmp(node->cte_scan.alias, node->cte_scan.name) != 0)
            buffer_append_format(out, " %s", node->cte_scan.alias);
        break;
    case NODE_INPUT:
        buffer_append_text(out, "Input");
        break;
    case NODE_FILTER:
        buffer_append_text(out, "Filter");
        break;
    case NODE_PROJECT:
        buffer_append_text(out, "Project");
        break;
    case NODE_PROJECT_SET:
        buffer_append_text(out, "ProjectSet");
        break;
    case NODE_HASH_JOIN:
        buffer_append_format(out, "Hash%s Join", join_name(node->join.kind));
        break;
    case NODE_MERGE_JOIN:
        buffer_append_format(out, "Merge%s Join", join_name(node->join.kind));
        break;
    case NODE_NESTED_LOOP:
        if (node->nested_loop.kind == JOIN_INNER)
            buffer_append_text(out, "Nested Loop");
        else
            buffer_append_format(out, "Nested Loop%s Join", join_name(node->nested_loop.kind));
        break;
    case NODE_AGGREGATE:
        buffer_append_text(out, node->aggregate.key_count == 0 ? "Aggregate"
                                : node->aggregate.ordered      ? "GroupAggregate"
                                                               : "HashAggregate");
        break;
    case NODE_UNIQUE:
        buffer_append_text(out, "Unique");
        break;
    case NODE_SORT:
        buffer_append_text(out, "Sort");
        break;
    case NODE_LIMIT:
        buffer_append_text(out, "Limit");
        break;
    case NODE_APPEND:
        buffer_append_text(out, "Append");
        break;
    case NODE_SET_OPERATION:
        buffer_append_format(out, "HashSetOp %s%s",
                             node->set_operation.except ? "Except" : "Intersect",
                             node->set_operation.all ? " All" : "");
        break;
    case NODE_LOCK_ROWS:
        buffer_append_text(out, "LockRows");
        break;
    case NODE_INSERT:
        buffer_append_format(out, "Insert on %s", node->insert.table->name);
        break;
    case NODE_UPDATE:
        buffer_append_format(out, "Update on %s", node->modify.table->name);
        break;
    case NODE_DELETE:
        buffer_append_format(out, "Delete on %s", node->modify.table->name);
        break;
    default:
        buffer_append_text(out, "?");
        break;
    }
}

static int row_width(const struct plan_node *node) {
    int width = 0;
    for (uint32_t i = 0; i < node->column_count; i++) {
        const struct type_info *info = type_info(node->columns[i].type.id);
        width += info != NULL && info->length > 0 ? info->length : 32;
    }
    return width;
}

static void node_figures(struct explainer *e, const struct plan_node *node) {
    struct buffer *out = e->buffer;
    if (e->options->costs)
        buffer_append_format(out, "  (cost=%.2f..%.2f rows=%.0f width=%d)", node->start_cost,
                             node->total_cost, node->rows, row_width(node));
    if (e->statistics == NULL || node->id >= e->statistics->node_count)
        return;
    const struct explain_node_statistics *figures = &e->statistics->nodes[node->id];
    uint64_t loops = figures->loops > 0 ? figures->loops : 1;
    if (figures->loops == 0) {
        buffer_append_text(out, " (never executed)");
    } else if (e->options->timing) {
        buffer_append_format(out, " (actual time=%.3f..%.3f rows=%llu loops=%llu)",
                             (double)figures->start_ns / 1e6 / (double)loops,
                             (double)figures->total_ns / 1e6 / (double)loops,
                             (unsigned long long)(figures->rows / loops),
                             (unsigned long long)loops);
    } else {
        buffer_append_format(out, " (actual rows=%llu loops=%llu)",
                             (unsigned long long)(figures->rows / loops),
                             (unsigned long long)loops);
    }
}

/* ---- lines below a node ----------------------------------------------------------------- */

static void line_start(struct explainer *e, int indent, const char *label) {
    spaces(e, indent);
    buffer_append_format(e->buffer, "%s: ", label);
}

static void write_expression(struct explainer *e, const struct expression *expression,
                             const char *const *row) {
    if (expression_deparse(expression, row, e->names.slots, e->buffer) != STATUS_OK)
        error_clear();
}

static void line_expression(struct explainer *e, int indent, const char *label,
                            const struct expression *expression, const char *const *names) {
    if (expression == NULL)
        return;
    line_start(e, indent, label);
    write_expression(e, expression, names);
    buffer_append_byte(e->buffer, '\n');
}

static void line_list(struct explainer *e, int indent, const char *label, uint32_t count,
                      struct expression *const *items, const char *const *names) {
    if (count == 0)
        return;
    line_start(e, indent, label);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_text(e->buffer, ", ");
        write_expression(e, items[i], names);
    }
    buffer_append_byte(e->buffer, '\n');
}

static void join_condition(struct explainer *e, int indent, const struct plan_node *node) {
    const char *const *left = explain_output(&e->names, node->left);
    const char *const *right = explain_output(&e->names, node->right);
    line_start(e, indent, node->kind == NODE_MERGE_JOIN ? "Merge Cond" : "Hash Cond");
    for (uint32_t i = 0; i < node->join.key_count; i++) {
        buffer_append_text(e->buffer, i == 0 ? "(" : " AND (");
        write_expression(e, node->join.left_keys[i], left);
        buffer_append_text(e->buffer, " = ");
        write_expression(e, node->join.right_keys[i], right);
        buffer_append_text(e->buffer, ")");
    }
    buffer_append_byte(e->buffer, '\n');
}

static void sort_line(struct explainer *e, int indent, const struct plan_node *node,
                      const char *const *names) {
    line_start(e, indent, "Sort Key");
    for (uint32_t i = 0; i < node->sort.key_count; i++) {
        const struct sort_key *key = &node->sort.keys[i];
        if (i > 0)
            buffer_append_text(e->buffer, ", ");
        write_expression(e, key->expression, names);
        if (key->descending)
            buffer_append_text(e->buffer, " DESC");
        if (key->nulls_first != key->descending)
            buffer_append_text(e->buffer, key->nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
    buffer_append_byte(e->buffer, '\n');
}

static void node_details(struct explainer *e, const struct plan_node *node, int indent) {
    const char *const *names = explain_input(&e->names, node);
    const char *const *own = explain_own(&e->names, node);
    switch (node->kind) {
    case NODE_TABLE_SCAN:
    case NODE_VIRTUAL_SCAN:
        line_expression(e, indent, "Index Cond", node->scan.index_condition, own);
        line_expression(e, indent, "Filter", node->scan.filter, own);
        break;
    case NODE_FUNCTION_SCAN:
        line_expression(e, indent, "Filter", node->function_scan.filter, own);
        break;
    case NODE_RESULT:
        line_expression(e, indent, "One-Time Filter", node->result.filter, NULL);
        break;
    case NODE_FILTER:
        line_expression(e, indent, "Filter", node->filter.condition, names);
        break;
    case NODE_PROJECT:
        if (e->options->verbose)
            line_list(e, indent, "Output", node->column_count, node->project.expressions, names);
        break;
    case NODE_HASH_JOIN:
    case NODE_MERGE_JOIN:
        join_condition(e, indent, node);
        line_expression(e, indent, "Join Filter", node->join.residual, names);
        break;
    case NODE_NESTED_LOOP:
        line_expression(e, indent, "Join Filter", node->nested_loop.residual, names);
        break;
    case NODE_AGGREGATE:
        line_list(e, indent, "Group Key", node->aggregate.key_count, node->aggregate.keys, names);
        line_expression(e, indent, "Filter", node->aggregate.filter, own);
        break;
    case NODE_SORT:
        sort_line(e, indent, node, names);
        break;
    default:
        break;
    }
    if (e->statistics == NULL || node->id >= e->statistics->node_count)
        return;
    const struct explain_node_statistics *figures = &e->statistics->nodes[node->id];
    if (figures->refused_entries > 0) {
        line_start(e, indent, "Index Not Used");
        buffer_append_format(e->buffer, "about %llu entries in the range\n",
                             (unsigned long long)figures->refused_entries);
    }
    if (figures->removed_rows > 0) {
        line_start(e, indent, "Rows Removed by Filter");
        buffer_append_format(e->buffer, "%llu\n", (unsigned long long)figures->removed_rows);
    }
    if (figures->blocks > 0) {
        line_start(e, indent, "Column Blocks");
        buffer_append_format(e->buffer, "%llu  Skipped: %llu  Read: %llukB  Hot Rows: %llu",
                             (unsigned long long)figures->blocks,
                             (unsigned long long)figures->blocks_skipped,
                             (unsigned long long)((figures->block_bytes + 1023) / 1024),
                             (unsigned long long)figures->hot_rows);
        if (figures->chunks_ahead > 0)
            buffer_append_format(e->buffer, "  Chunks Read Ahead: %llu",
                                 (unsigned long long)figures->chunks_ahead);
        buffer_append_byte(e->buffer, '\n');
    }
    if (figures->batches > 0) {
        line_start(e, indent, "Batches");
        buffer_append_format(e->buffer, "%llu", (unsigned long long)figures->batches);
        if (figures->memory_bytes > 0)
            buffer_append_format(e->buffer, "  Memory Usage: %llukB",
                                 (unsigned long long)((figures->memory_bytes + 1023) / 1024));
        if (figures->spilled_bytes > 0)
            buffer_append_format(e->buffer, "  Disk Usage: %llukB",
                                 (unsigned long long)((figures->spilled_bytes + 1023) / 1024));
        buffer_append_byte(e->buffer, '\n');
    }
}

/* A projection is no line of its own, as in PostgreSQL, unless VERBOSE asks. */
static const struct plan_node *shown_node(const struct explainer *e, const struct plan_node *node) {
    while (node->kind == NODE_PROJECT && !e->options->verbose)
        node = node->left;
    return node;
}

static void explain_node(struct explainer *e, const struct plan_node *node, int indent,
                         bool child) {
    if (node == NULL || fiber_stack_left() < (64u << 10))
        return;
    node = shown_node(e, node);
    if (child) {
        spaces(e, indent);
        buffer_append_text(e->buffer, "->  ");
    }
    node_title(e, node);
    node_figures(e, node);
    buffer_append_byte(e->buffer, '\n');
    int below = child ? indent + INDENT : 2;
    node_details(e, node, below);
    explain_node(e, node->left, below, true);
    explain_node(e, node->right, below, true);
    if (node->kind == NODE_APPEND)
        for (uint32_t i = 0; i < node->append.child_count; i++)
            explain_node(e, node->append.children[i], below, true);
}

enum status explain_plan(const struct statement_explain *options, const struct plan *plan,
                         const struct explain_statistics *statistics, struct buffer *buffer) {
    struct explainer e = {
        .options = options, .plan = plan, .statistics = statistics, .buffer = buffer};
    enum status status = explain_names_init(&e.names, plan);
    if (status != STATUS_OK) {
        explain_names_release(&e.names);
        return status;
    }
    explain_node(&e, plan->root, 0, false);
    for (uint32_t i = 0; i < plan->cte_count; i++) {
        buffer_append_format(buffer, "  CTE %s\n", plan->cte_names[i]);
        explain_node(&e, plan->ctes[i], 4, true);
    }
    for (uint32_t i = 0; i < plan->subplan_count; i++) {
        buffer_append_format(buffer, "  SubPlan %u\n", i + 1);
        explain_node(&e, plan->subplans[i], 4, true);
    }
    explain_names_release(&e.names);
    return buffer_status(buffer);
}
