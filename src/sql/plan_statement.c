/* Whole statements: SELECT, INSERT, UPDATE, DELETE; lookups of one row are found among them. */
#include <string.h>

#include "sql/plan.h"

/* ---- the plan ----------------------------------------------------------------------------- */

static enum status planner_open(struct binder *b, struct planner *p) {
    *p = (struct planner){.b = b};
    TRY(BIND_ARRAY(b, 1, &p->plan));
    p->plan->is_read_only = true;
    return STATUS_OK;
}

static enum status planner_close(struct planner *p, struct plan_node *root) {
    TRY(plan_prune(p, root));
    p->plan->root = root;
    p->plan->subplans = p->subplans;
    p->plan->ctes = p->ctes;
    p->plan->cte_names = p->cte_names;
    p->plan->locks = p->b->locks;
    p->plan->lock_count = (uint32_t)p->b->lock_count;
    return STATUS_OK;
}

static bool point_scan(const struct plan_node *node) {
    return node->kind == NODE_TABLE_SCAN && node->scan.is_unique &&
           node->scan.equal_count == node->scan.index->column_count;
}

static void find_point_select(struct planner *p, const struct plan_node *root) {
    const struct plan_node *scan = root->kind == NODE_PROJECT ? root->left : root;
    if (!point_scan(scan) || p->plan->subplan_count > 0 || p->plan->slot_count > 0)
        return;
    struct expression **output = ARENA_ARRAY(p->b->arena, struct expression *, root->column_count);
    if (output == NULL)
        return;
    for (uint32_t i = 0; i < root->column_count; i++) {
        if (root->kind == NODE_PROJECT) {
            output[i] = root->project.expressions[i];
            continue;
        }
        output[i] = expression_make(p->b, EXPRESSION_COLUMN, root->columns[i].type, -1);
        output[i]->index = i;
    }
    p->plan->point = (struct plan_point){.kind = POINT_SELECT,
                                         .table = scan->scan.table,
                                         .index = scan->scan.index,
                                         .key = scan->scan.equal,
                                         .column_count = scan->column_count,
                                         .column_numbers = scan->scan.column_numbers,
                                         .filter = scan->scan.filter,
                                         .output_count = root->column_count,
                                         .output = output};
}

/* ---- SELECT ------------------------------------------------------------------------------- */

static bool visit_sequence(const struct expression *expression, void *context) {
    return expression->kind == EXPRESSION_CALL &&
           (strcmp(expression->function->symbol, "nextval_oid") == 0 ||
            strncmp(expression->function->symbol, "setval", 6) == 0);
}

enum status plan_query(struct binder *b, struct query *query, struct plan **plan_out) {
    struct planner p;
    TRY(planner_open(b, &p));
    struct frame frame;
    struct plan_node *root;
    TRY(plan_share_common(&p, query, NULL));
    TRY(plan_subquery(&p, query, NULL, false, &frame, &root));
    for (uint32_t i = 0; i < query->target_count; i++)
        if (expression_walk(query->targets[i].expression, visit_sequence, NULL))
            p.plan->is_read_only = false;
    TRY(planner_close(&p, root));
    p.plan->may_travel = p.plan->is_read_only && !p.needs_session && !b->calls_volatile;
    p.plan->travels = p.plan->may_travel && root->total_cost >= COST_WORTH_TRAVEL;
    find_point_select(&p, root);
    *plan_out = p.plan;
    return STATUS_OK;
}

/* ---- INSERT, UPDATE, DELETE ---------------------------------------------------------------- */

/* All columns of a table as relation `number`. */
static enum status table_layout(struct frame *frame, const struct table *table, uint32_t number,
                                struct layout *layout, uint32_t more) {
    TRY(BIND_ARRAY(frame->p->b, table->column_count + more, &layout->items));
    layout->count = table->column_count;
    for (uint32_t i = 0; i < table->column_count; i++)
        layout->items[i] =
            expression_variable(frame->p->b, 0, number, (int16_t)(i + 1), table->columns[i].type);
    return STATUS_OK;
}

static enum status resolve_checks(struct frame *frame, const struct modify *modify,
                                  const struct plan_check **out) {
    struct layout row = {0};
    TRY(table_layout(frame, modify->table, 0, &row, 0));
    struct plan_check *checks;
    TRY(BIND_ARRAY(frame->p->b, modify->check_count, &checks));
    for (uint32_t i = 0; i < modify->check_count; i++) {
        struct expression *condition;
        TRY(plan_resolve(frame, &row, modify->checks[i].condition, &condition));
        checks[i] = (struct plan_check){modify->checks[i].name, condition};
    }
    *out = checks;
    return STATUS_OK;
}

static enum status resolve_assignments(struct frame *frame, const struct modify *modify,
                                       const struct layout *layout, const struct assignment **out) {
    struct assignment *assignments;
    TRY(BIND_ARRAY(frame->p->b, modify->assignment_count, &assignments));
    for (uint32_t i = 0; i < modify->assignment_count; i++) {
        struct expression *value;
        TRY(plan_resolve(frame, layout, modify->assignments[i].value, &value));
        assignments[i] = (struct assignment){modify->assignments[i].column_number, value};
    }
    *out = assignments;
    return STATUS_OK;
}

static enum status resolve_returning(struct frame *frame, const struct modify *modify,
                                     const struct layout *layout, struct plan_node *node,
                                     struct expression *const **out) {
    if (modify->returning_count == 0)
        return STATUS_OK;
    struct expression **items;
    struct plan_column *columns;
    TRY(BIND_ARRAY(frame->p->b, modify->returning_count, &items));
    TRY(BIND_ARRAY(frame->p->b, modify->returning_count, &columns));
    for (uint32_t i = 0; i < modify->returning_count; i++) {
        const struct target *target = &modify->returning[i];
        TRY(plan_resolve(frame, layout, target->expression, &items[i]));
        columns[i] = (struct plan_column){target->name, items[i]->type, target->table_oid,
                                          target->attribute_number};
    }
    node->columns = columns;
    node->column_count = modify->returning_count;
    *out = items;
    return STATUS_OK;
}

static enum status insert_source(struct planner *p, struct modify *modify, struct frame *frame,
                                 struct path *path) {
    if (modify->copy) {
        path->layout.count = modify->copy_count;
        TRY(BIND_ARRAY(p->b, modify->copy_count, &path->layout.items));
        for (uint32_t i = 0; i < modify->copy_count; i++)
            path->layout.items[i] =
                expression_variable(p->b, 0, 0, (int16_t)(i + 1),
                                    modify->table->columns[modify->copy_numbers[i] - 1].type);
        path->rows = 1000;
        return plan_node_new(p, NODE_INPUT, &path->layout, 1000, &path->node);
    }
    struct query *query = modify->query;
    if (query->target_count == 0) {
        path->rows = 1;
        return plan_node_new(p, NODE_RESULT, &path->layout, 1, &path->node);
    }
    TRY(plan_subquery(p, query, NULL, false, frame, &path->node));
    path->rows = path->node->rows;
    path->layout.count = path->node->column_count;
    TRY(BIND_ARRAY(p->b, path->layout.count, &path->layout.items));
    for (uint32_t i = 0; i < path->layout.count; i++)
        path->layout.items[i] =
            expression_variable(p->b, 0, 0, (int16_t)(i + 1), path->node->columns[i].type);
    return STATUS_OK;
}

static enum status plan_insert(struct planner *p, struct modify *modify,
                               struct plan_node **root_out) {
    const struct table *table = modify->table;
    struct query *scope = modify->scope_query, nothing = {0};
    struct frame frame = {.p = p, .query = scope != NULL ? scope : &nothing}, source;
    struct path path = {.relation = -1};
    TRY(insert_source(p, modify, &source, &path));
    ASSERT(path.node != NULL);
    const char **names;
    TRY(BIND_ARRAY(p->b, table->column_count, &names));
    for (uint32_t i = 0; i < table->column_count; i++)
        names[i] = table->columns[i].name;
    struct plan_node *node, *rows;
    struct frame row_frame = {.p = p, .query = &nothing};
    TRY(plan_project(&row_frame, &path, table->column_count, modify->row, names, &rows));
    TRY(plan_node_new(p, NODE_INSERT, NULL, path.rows, &node));
    node->left = rows;
    node->total_cost = rows->total_cost;
    node->insert.table = table;
    node->insert.check_count = modify->check_count;
    TRY(resolve_checks(&frame, modify, &node->insert.checks));
    node->insert.conflict = modify->conflict;
    node->insert.arbiter = modify->arbiter;
    struct layout both = {0}, excluded = {0};
    TRY(table_layout(&frame, table, 0, &both, table->column_count));
    TRY(table_layout(&frame, table, 1, &excluded, 0));
    TRY(resolve_returning(&frame, modify, &both, node, &node->insert.returning));
    memcpy(both.items + table->column_count, excluded.items,
           table->column_count * sizeof *both.items);
    both.count = 2u * table->column_count;
    node->insert.assignment_count = modify->assignment_count;
    TRY(resolve_assignments(&frame, modify, &both, &node->insert.assignments));
    struct expression *where;
    TRY(plan_resolve(&frame, &both, modify->conflict_where, &where));
    node->insert.conflict_where = where;
    *root_out = node;
    return STATUS_OK;
}

static void find_point_modify(struct planner *p, struct modify *modify,
                              const struct plan_node *scan, struct expression *filter) {
    if (!point_scan(scan) || p->plan->slot_count > 0 || p->plan->subplan_count > 0)
        return;
    p->plan->point =
        (struct plan_point){.kind = modify->kind == STATEMENT_UPDATE ? POINT_UPDATE : POINT_DELETE,
                            .table = modify->table,
                            .index = scan->scan.index,
                            .key = scan->scan.equal,
                            .filter = scan->scan.filter != NULL ? filter : NULL};
}

static enum status plan_change(struct planner *p, struct modify *modify,
                               struct plan_node **root_out) {
    const struct table *table = modify->table;
    struct frame frame = {.p = p, .query = modify->query};
    struct path path = {.relation = -1};
    TRY(plan_from(&frame, &path));
    struct plan_node *node;
    TRY(plan_node_new(p, modify->kind == STATEMENT_UPDATE ? NODE_UPDATE : NODE_DELETE, NULL,
                      path.rows, &node));
    node->left = path.node;
    node->total_cost = path.node->total_cost + path.rows;
    struct layout row = {0};
    TRY(table_layout(&frame, table, modify->relation, &row, path.layout.count));
    for (uint32_t i = 0; i < path.layout.count; i++) {
        const struct expression *item = path.layout.items[i];
        if (item->kind == EXPRESSION_VARIABLE && item->variable.relation == modify->relation &&
            item->variable.column == 0)
            node->modify.address_column = i;
        row.items[row.count++] = path.layout.items[i];
    }
    node->modify.table = table;
    node->modify.assignment_count = modify->assignment_count;
    TRY(resolve_assignments(&frame, modify, &row, &node->modify.assignments));
    node->modify.check_count = modify->check_count;
    TRY(resolve_checks(&frame, modify, &node->modify.checks));
    struct expression *recheck;
    TRY(plan_resolve(&frame, &row, modify->query->where, &recheck));
    node->modify.recheck = recheck;
    TRY(resolve_returning(&frame, modify, &row, node, &node->modify.returning));
    find_point_modify(p, modify, path.node, recheck);
    *root_out = node;
    return STATUS_OK;
}

enum status plan_modify(struct binder *b, struct modify *modify, struct plan **plan_out) {
    struct planner p;
    TRY(planner_open(b, &p));
    struct plan_node *root;
    TRY(plan_share_common(&p, modify->query, modify));
    if (modify->kind == STATEMENT_INSERT)
        TRY(plan_insert(&p, modify, &root));
    else
        TRY(plan_change(&p, modify, &root));
    TRY(planner_close(&p, root));
    p.plan->is_read_only = false;
    *plan_out = p.plan;
    return STATUS_OK;
}
