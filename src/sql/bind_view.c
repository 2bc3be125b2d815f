/*
 * Views.
 *
 * CREATE VIEW binds the SELECT and keeps its text. What the text means must not depend on the
 * moment: while it is bound, the parse tree is changed so that relations carry their schema, stars
 * are spelt out and the columns have the view's names; then it is turned back into text. The
 * relations and columns it reads are noted on the way.
 *
 * A view in FROM is its text, bound as a query that sees nothing of the query around it, once for
 * each statement: every further reference scans the same common table expression (sql/bind.h).
 */
#include <pg_query.h>
#include <string.h>

#include "sql/bind.h"

/* ---- text ------------------------------------------------------------------------------- */

static parse_node *make_node(struct binder *b, PgQuery__Node__NodeCase kind) {
    parse_node *node = ARENA_NEW(b->arena, parse_node);
    pg_query__node__init(node);
    node->node_case = kind;
    return node;
}

static parse_node *make_string(struct binder *b, const char *text) {
    parse_node *node = make_node(b, PG_QUERY__NODE__NODE_STRING);
    node->string = ARENA_NEW(b->arena, PgQuery__String);
    pg_query__string__init(node->string);
    node->string->sval = arena_copy_text(b->arena, text);
    return node;
}

/* alias.column, or column alone when the item has no name of its own (USING). */
static enum status make_target(struct binder *b, const struct scope_item *item, const char *name,
                               parse_node **out) {
    parse_node *target = make_node(b, PG_QUERY__NODE__NODE_RES_TARGET);
    parse_node *value = make_node(b, PG_QUERY__NODE__NODE_COLUMN_REF);
    target->res_target = ARENA_NEW(b->arena, PgQuery__ResTarget);
    pg_query__res_target__init(target->res_target);
    value->column_ref = ARENA_NEW(b->arena, PgQuery__ColumnRef);
    pg_query__column_ref__init(value->column_ref);
    TRY(BIND_ARRAY(b, 2, &value->column_ref->fields));
    if (item->alias != NULL && item->name_visible)
        value->column_ref->fields[value->column_ref->n_fields++] = make_string(b, item->alias);
    value->column_ref->fields[value->column_ref->n_fields++] = make_string(b, name);
    target->res_target->val = value;
    *out = target;
    return STATUS_OK;
}

static const PgQuery__ColumnRef *star_of(const parse_node *target) {
    const parse_node *value = target->res_target->val;
    if (!NODE_IS(value, COLUMN_REF))
        return NULL;
    const PgQuery__ColumnRef *ref = value->column_ref;
    return NODE_IS(ref->fields[ref->n_fields - 1], A_STAR) ? ref : NULL;
}

static bool star_covers(const PgQuery__ColumnRef *star, const struct scope_item *item) {
    if (star->n_fields == 1)
        return item->columns_visible;
    return item->name_visible && item->alias != NULL &&
           strcmp(item->alias, node_text(star->fields[star->n_fields - 2])) == 0;
}

enum status bind_spell_out_stars(struct binder *b, const PgQuery__SelectStmt *select) {
    size_t count = select->n_target_list, used = 0;
    for (const struct scope_item *item = b->query->scope; item != NULL; item = item->next)
        for (size_t i = 0; i < select->n_target_list; i++)
            count += item->column_count;
    parse_node **targets;
    TRY(BIND_ARRAY(b, count, &targets));
    for (size_t i = 0; i < select->n_target_list; i++) {
        const PgQuery__ColumnRef *star = star_of(select->target_list[i]);
        if (star == NULL) {
            targets[used++] = select->target_list[i];
            continue;
        }
        for (const struct scope_item *item = b->query->scope; item != NULL; item = item->next)
            for (uint32_t k = 0; star_covers(star, item) && k < item->column_count; k++)
                TRY(make_target(b, item, item->columns[k].name, &targets[used++]));
    }
    PgQuery__SelectStmt *changed = (PgQuery__SelectStmt *)select; /* the view's own copy */
    changed->target_list = targets;
    changed->n_target_list = used;
    return STATUS_OK;
}

enum status bind_view_reads(struct binder *b, const PgQuery__RangeVar *name,
                            const struct table *table, struct relation *relation) {
    struct view_binding *view = b->view;
    if (view == NULL)
        return STATUS_OK;
    ((PgQuery__RangeVar *)name)->schemaname = arena_copy_text(b->arena, table->namespace_name);
    struct view_relation *node;
    TRY(BIND_ARRAY(b, 1, &node));
    *node = (struct view_relation){view->relations, table, relation};
    view->relations = node;
    return STATUS_OK;
}

/* Names of the leftmost SELECT's targets. */
static void name_targets(struct binder *b, PgQuery__SelectStmt *select, uint32_t count,
                         const struct column_spec *columns) {
    while (select->larg != NULL)
        select = select->larg;
    for (uint32_t i = 0; i < count && i < select->n_target_list; i++) {
        PgQuery__ResTarget *target = select->target_list[i]->res_target;
        if (strcmp(columns[i].name,
                   target->name[0] != '\0' ? target->name : bind_target_name(target->val)) != 0)
            target->name = arena_copy_text(b->arena, columns[i].name);
    }
}

/* ---- CREATE VIEW ------------------------------------------------------------------------ */

static enum status view_columns(struct binder *b, const PgQuery__ViewStmt *node,
                                const struct query *query, struct view_spec *spec) {
    uint32_t count;
    struct bound_column *columns;
    TRY(query_columns(b, query, &count, &columns));
    if (node->n_aliases > count)
        return error_set(STATUS_SYNTAX_ERROR, "CREATE VIEW specifies more column names than "
                                              "columns");
    spec->column_count = (uint16_t)count;
    TRY(BIND_ARRAY(b, count, &spec->columns));
    for (uint32_t i = 0; i < count; i++)
        spec->columns[i] = (struct column_spec){
            .name = i < node->n_aliases ? arena_copy_text(b->arena, node_text(node->aliases[i]))
                                        : columns[i].name,
            .type = type_make(columns[i].type.id, columns[i].type.modifier)};
    return STATUS_OK;
}

static enum status view_references(struct binder *b, struct view_spec *spec) {
    uint32_t count = 0;
    for (const struct view_relation *node = b->view->relations; node != NULL; node = node->next)
        count += 1 + node->table->column_count;
    struct view_reference *references;
    TRY(BIND_ARRAY(b, count, &references));
    for (const struct view_relation *node = b->view->relations; node != NULL; node = node->next) {
        uint32_t first = spec->reference_count;
        if (node->table->oid < OID_FIRST_USER)
            continue;
        for (uint32_t c = 1; c <= node->table->column_count; c++)
            if (node->relation->used[c])
                references[spec->reference_count++] =
                    (struct view_reference){node->table->oid, (int16_t)c};
        if (spec->reference_count == first)
            references[spec->reference_count++] = (struct view_reference){node->table->oid, 0};
    }
    spec->references = references;
    return STATUS_OK;
}

/* The columns there were must stay as they are. */
static enum status check_replaced(struct binder *b, const struct table *old,
                                  const struct view_spec *spec) {
    if (old->kind != RELATION_VIEW)
        return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is not a view", old->name);
    if (spec->column_count < old->column_count)
        return error_set(STATUS_INVALID_TABLE_DEFINITION, "cannot drop columns from view");
    for (uint32_t i = 0; i < old->column_count; i++) {
        const struct column *column = &old->columns[i];
        const struct column_spec *now = &spec->columns[i];
        if (strcmp(column->name, now->name) != 0)
            return error_set(STATUS_INVALID_TABLE_DEFINITION,
                             "cannot change name of view column \"%s\" to \"%s\"", column->name,
                             now->name);
        if (column->type.id != now->type.id || column->type.modifier != now->type.modifier)
            return error_set(STATUS_INVALID_TABLE_DEFINITION,
                             "cannot change data type of view column \"%s\" from %s to %s",
                             column->name, bind_type_text(b, column->type),
                             bind_type_text(b, now->type));
    }
    return STATUS_OK;
}

enum status bind_create_view(struct binder *b, const PgQuery__ViewStmt *node,
                             struct statement *statement) {
    struct statement_create_view *create = &statement->create_view;
    struct view_spec *spec = &create->spec;
    if (node->view->relpersistence[0] == 't')
        return bind_unsupported(b, node->view->location, "a temporary view");
    if (node->n_options > 0)
        return bind_unsupported(b, -1, "an option of CREATE VIEW");
    if (node->with_check_option > PG_QUERY__VIEW_CHECK_OPTION__NO_CHECK_OPTION)
        return bind_unsupported(b, -1, "WITH CHECK OPTION");
    spec->namespace_name = creation_schema(b, node->view);
    spec->name = arena_copy_text(b->arena, node->view->relname);
    TRY(check_schema(b, spec->namespace_name, node->view->location));
    const struct table *old = schema_table(b->schema, spec->namespace_name, spec->name);
    struct view_binding view = {0};
    struct view_expansion expansion = {NULL, old != NULL ? old->oid : 0}; /* may not need itself */
    struct query *query;
    b->view = &view;
    b->expansion = &expansion;
    TRY(bind_select(b, node->query->select_stmt, &query));
    TRY(view_columns(b, node, query, spec));
    TRY(view_references(b, spec));
    b->view = NULL;
    b->expansion = NULL;
    name_targets(b, node->query->select_stmt, spec->column_count, spec->columns);
    TRY(bind_view_text(b, node->query, &spec->text));
    if (old == NULL)
        return STATUS_OK;
    if (!node->replace)
        return error_set(STATUS_DUPLICATE_TABLE, "relation \"%s\" already exists", spec->name);
    create->replaced = old;
    TRY(check_replaced(b, old, spec));
    return bind_add_lock(b, old->oid, RELATION_LOCK_ACCESS_EXCLUSIVE);
}

/* ---- a view in FROM --------------------------------------------------------------------- */

/* Binds the text with nothing of the binder's state around it. */
static enum status bind_text(struct binder *b, const struct table *view, struct query **out) {
    PgQuery__ParseResult *parsed;
    TRY(bind_stack_check(b));
    TRY(parse_on_stack(view->view_text, b->arena, &parsed));
    struct binder inner = *b;
    inner.text = NULL;
    inner.query = NULL;
    inner.clause = inner.recursive_name = inner.default_context = NULL;
    inner.in_aggregate = inner.keep_unknown = inner.set_functions_allowed = false;
    inner.parameters_fixed = true;
    inner.view = NULL;
    struct view_expansion expansion = {b->expansion, view->oid};
    inner.expansion = &expansion;
    enum status status = bind_select(&inner, parsed->stmts[0]->stmt->select_stmt, out);
    b->locks = inner.locks;
    b->lock_count = inner.lock_count;
    b->lock_capacity = inner.lock_capacity;
    b->depends_on_settings |= inner.depends_on_settings;
    b->calls_volatile |= inner.calls_volatile;
    b->views = inner.views;
    return status;
}

enum status bind_view(struct binder *b, const struct table *view, struct cte **cte_out) {
    for (const struct view_expansion *at = b->expansion; at != NULL; at = at->next)
        if (at->oid == view->oid)
            return error_set(STATUS_INVALID_OBJECT_DEFINITION,
                             "infinite recursion detected in rules for relation \"%s\"",
                             view->name);
    for (struct cte *cte = b->views; cte != NULL; cte = cte->next)
        if (cte->view == view) {
            *cte_out = cte;
            return STATUS_OK;
        }
    struct cte *cte;
    TRY(BIND_ARRAY(b, 1, &cte));
    cte->name = view->name;
    cte->plan_index = -1;
    cte->view = view;
    TRY(bind_text(b, view, &cte->query));
    TRY(query_columns(b, cte->query, &cte->column_count, &cte->columns));
    if (cte->column_count < view->column_count)
        return error_set(STATUS_DATA_CORRUPTED, "view \"%s\" has lost columns", view->name);
    cte->column_count = view->column_count;
    for (uint32_t i = 0; i < view->column_count; i++)
        cte->columns[i].name = view->columns[i].name;
    cte->next = b->views;
    b->views = cte;
    *cte_out = cte;
    return STATUS_OK;
}
