/* INSERT, UPDATE, DELETE; defaults and checks read back from the catalog's text. */
#include <string.h>

#include "sql/bind.h"

/* ---- stored expressions ----------------------------------------------------------------- */

enum status bind_stored_text(struct binder *b, const char *text, const struct table *table,
                             struct expression **out) {
    PgQuery__ParseResult *parsed;
    const char *statement = arena_format(b->arena, "SELECT %s", text);
    TRY(parse_on_stack(statement, b->arena, &parsed));
    /* Its own scope: nothing of the statement around it can be seen. */
    struct binder inner = *b;
    inner.query = NULL;
    inner.text = NULL;
    inner.clause = "stored expressions";
    inner.parameters_fixed = true;
    inner.keep_unknown = false;
    TRY(bind_query_new(&inner, &inner.query));
    if (table != NULL) {
        uint32_t relation;
        struct scope_item *scope;
        TRY(bind_add_table(&inner, table, NULL, NULL, &relation, &scope));
    }
    const PgQuery__SelectStmt *select = parsed->stmts[0]->stmt->select_stmt;
    TRY(bind_expression(&inner, select->target_list[0]->res_target->val, out));
    b->depends_on_settings |= inner.depends_on_settings;
    return STATUS_OK;
}

enum status bind_default(struct binder *b, const struct table *table, const struct column *column,
                         struct expression **out) {
    struct value null = value_null(column->type);
    *out = expression_constant(b, &null, -1);
    if (column->dropped || column->default_text == NULL) {
        if (column->identity == 0 || column->dropped)
            return STATUS_OK;
        /* identity: the sequence that the column owns */
        for (size_t i = 0; i < schema_sequence_count(b->schema); i++) {
            const struct sequence *sequence = schema_sequence_at(b->schema, i);
            if (sequence->owner_table_oid != table->oid || sequence->owner_column != column->number)
                continue;
            struct value oid = value_oid(sequence->oid);
            oid.type = TYPE_OF(REGCLASS);
            struct expression **arguments = ARENA_ARRAY(b->arena, struct expression *, 1);
            arguments[0] = expression_constant(b, &oid, -1);
            TRY(bind_function_named(b, "nextval", -1, 1, arguments, out));
            return bind_assign(b, column->name, column->type, *out, -1, out);
        }
        return STATUS_OK;
    }
    TRY(bind_stored_text(b, column->default_text, NULL, out));
    return bind_assign(b, column->name, column->type, *out, -1, out);
}

static enum status bind_checks(struct binder *b, const struct table *table, struct modify *modify) {
    TRY(BIND_ARRAY(b, table->constraint_count, &modify->checks));
    for (uint32_t i = 0; i < table->constraint_count; i++) {
        const struct constraint *constraint = table->constraints[i];
        if (constraint->kind != 'c')
            continue;
        struct expression *condition;
        TRY(bind_stored_text(b, constraint->check_text, table, &condition));
        TRY(bind_boolean(b, condition, "CHECK", &condition));
        modify->checks[modify->check_count++] = (struct plan_check){constraint->name, condition};
    }
    return STATUS_OK;
}

/* ---- common ----------------------------------------------------------------------------- */

static enum status find_target_table(struct binder *b, const PgQuery__RangeVar *name,
                                     const char *verb, const struct table **table_out) {
    TRY(bind_find_table(b, name, false, table_out));
    const struct table *table = *table_out;
    if (table->kind == RELATION_VIRTUAL)
        return bind_error(b, -1,
                          table->is_system ? STATUS_INSUFFICIENT_PRIVILEGE
                                           : STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE,
                          table->is_system ? "permission denied: \"%s\" is a system catalog"
                                           : "cannot change relation \"%s\"",
                          table->name);
    if (table->kind == RELATION_SEQUENCE)
        return bind_error(b, -1, STATUS_WRONG_OBJECT_TYPE, "cannot change sequence \"%s\"",
                          table->name);
    if (table->kind == RELATION_VIEW)
        return bind_unsupported(b, -1, "changing rows through view \"%s\"", table->name);
    if (table->kind != RELATION_TABLE)
        return bind_error(b, -1, STATUS_WRONG_OBJECT_TYPE, "cannot %s \"%s\"", verb, table->name);
    if (table->is_system)
        return bind_error(b, -1, STATUS_INSUFFICIENT_PRIVILEGE,
                          "permission denied: \"%s\" is a system catalog", table->name);
    return bind_add_lock(b, table->oid, RELATION_LOCK_ROW_EXCLUSIVE);
}

static enum status find_column(struct binder *b, const struct table *table, const char *name,
                               int location, const struct column **column_out) {
    *column_out = table_column(table, name);
    if (*column_out == NULL)
        return bind_error(b, location, STATUS_UNDEFINED_COLUMN,
                          "column \"%s\" of relation \"%s\" does not exist", name, table->name);
    return STATUS_OK;
}

static enum status bind_returning(struct binder *b, size_t count, parse_node **items,
                                  struct modify *modify) {
    if (count == 0)
        return STATUS_OK;
    b->clause = "RETURNING";
    TRY(bind_targets(b, count, items, false, &modify->returning_count, &modify->returning));
    b->clause = NULL;
    for (uint32_t i = 0; i < modify->returning_count; i++)
        TRY(bind_settle_unknown(b, &modify->returning[i].expression));
    return STATUS_OK;
}

/* ---- INSERT ----------------------------------------------------------------------------- */

struct insert_list {
    uint32_t count;
    const struct column **columns;
    int *locations;
    bool ignore_identity; /* OVERRIDING USER VALUE */
};

static enum status insert_columns(struct binder *b, const PgQuery__InsertStmt *insert,
                                  const struct table *table, struct insert_list *list) {
    uint32_t capacity = (uint32_t)insert->n_cols + table->column_count;
    list->ignore_identity = insert->override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE;
    TRY(BIND_ARRAY(b, capacity, &list->columns));
    TRY(BIND_ARRAY(b, capacity, &list->locations));
    if (insert->n_cols == 0) {
        for (uint32_t i = 0; i < table->column_count; i++)
            if (!table->columns[i].dropped)
                list->columns[list->count++] = &table->columns[i];
        return STATUS_OK;
    }
    for (size_t i = 0; i < insert->n_cols; i++) {
        const PgQuery__ResTarget *target = insert->cols[i]->res_target;
        if (target->n_indirection > 0)
            return bind_unsupported(b, target->location, "assignment to a part of a column");
        TRY(find_column(b, table, target->name, target->location, &list->columns[list->count]));
        for (uint32_t k = 0; k < list->count; k++)
            if (list->columns[k] == list->columns[list->count])
                return bind_error(b, target->location, STATUS_DUPLICATE_COLUMN,
                                  "column \"%s\" specified more than once", target->name);
        list->locations[list->count++] = target->location;
    }
    return STATUS_OK;
}

static enum status check_identity(struct binder *b, const struct column *column, bool is_default,
                                  PgQuery__OverridingKind override) {
    if (column->identity != 'a' || is_default ||
        override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_SYSTEM_VALUE ||
        override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE)
        return STATUS_OK;
    enum status status =
        bind_error(b, -1, STATUS_GENERATED_ALWAYS,
                   "cannot insert a non-DEFAULT value into column \"%s\"", column->name);
    error_detail("Column \"%s\" is an identity column defined as GENERATED ALWAYS.", column->name);
    error_hint("Use OVERRIDING SYSTEM VALUE to override.");
    return status;
}

static enum status count_mismatch(struct binder *b, bool more_values, int location) {
    return bind_error(b, location, STATUS_SYNTAX_ERROR,
                      more_values ? "INSERT has more expressions than target columns"
                                  : "INSERT has more target columns than expressions");
}

/* Values rows are assigned in place; DEFAULT becomes the column's default. */
static enum status assign_values(struct binder *b, const PgQuery__InsertStmt *insert,
                                 const struct table *table, struct query *query,
                                 struct insert_list *list) {
    for (uint32_t c = 0; c < query->target_count; c++) {
        const struct column *column = list->columns[c];
        for (uint32_t r = 0; r < query->values_count; r++) {
            struct expression **cell = &query->values[r][c];
            bool is_default = (*cell)->kind == EXPRESSION_DEFAULT;
            TRY(check_identity(b, column, is_default, insert->override));
            if (is_default)
                TRY(bind_default(b, table, column, cell));
            else
                TRY(bind_assign(b, column->name, column->type, *cell, (*cell)->location, cell));
        }
        query->targets[c].expression->type = column->type;
    }
    return STATUS_OK;
}

static enum status insert_source(struct binder *b, const PgQuery__InsertStmt *insert,
                                 const struct table *table, struct insert_list *list,
                                 struct modify *modify) {
    const parse_node *source = insert->select_stmt;
    if (source == NULL) { /* DEFAULT VALUES */
        list->count = 0;
        TRY(bind_query_new(b, &modify->query));
        return STATUS_OK;
    }
    const PgQuery__SelectStmt *select = source->select_stmt;
    bool values = select->n_values_lists > 0 && select->with_clause == NULL &&
                  select->n_sort_clause == 0 && select->limit_count == NULL &&
                  select->limit_offset == NULL;
    struct query *outer = b->query;
    b->keep_unknown = true;
    b->default_context = values ? "VALUES" : NULL;
    TRY(bind_select(b, select, &modify->query));
    b->default_context = NULL;
    b->keep_unknown = false;
    b->query = outer;
    struct query *query = modify->query;
    uint32_t count = 0;
    for (uint32_t i = 0; i < query->target_count; i++)
        count += !query->targets[i].junk;
    int first = values && query->values_count > 0 && count > list->count
                    ? query->values[0][list->count]->location
                : query->target_count > list->count && !values
                    ? query->targets[list->count].expression->location
                    : -1;
    if (count > list->count)
        return count_mismatch(b, true, first);
    if (count < list->count && insert->n_cols > 0)
        return count_mismatch(b, false, list->locations[count]);
    list->count = count;
    if (values)
        return assign_values(b, insert, table, query, list);
    for (uint32_t i = 0, c = 0; i < query->target_count; i++)
        if (!query->targets[i].junk) {
            struct target *target = &query->targets[i];
            TRY(check_identity(b, list->columns[c], false, insert->override));
            if (target->expression->type.id == TYPE_UNKNOWN && query->set_operation == SET_NONE)
                TRY(bind_assign(b, list->columns[c]->name, list->columns[c]->type,
                                target->expression, target->expression->location,
                                &target->expression));
            c++;
        }
    return STATUS_OK;
}

/* The full row over the source's columns. */
static enum status full_row(struct binder *b, const struct table *table, struct query *query,
                            const struct insert_list *list, struct modify *modify) {
    TRY(BIND_ARRAY(b, table->column_count, &modify->row));
    for (uint32_t i = 0; i < table->column_count; i++)
        TRY(bind_default(b, table, &table->columns[i], &modify->row[i]));
    for (uint32_t c = 0, t = 0; c < list->count; c++, t++) {
        while (query != NULL && query->targets[t].junk)
            t++;
        const struct column *column = list->columns[c];
        if (list->ignore_identity && column->identity != 0)
            continue; /* the sequence's value stays */
        struct type type = query != NULL ? query->targets[t].expression->type : column->type;
        struct expression *value = expression_variable(b, 0, 0, (int16_t)(c + 1), type);
        if (query != NULL)
            value->location = query->targets[t].expression->location;
        TRY(bind_assign(b, column->name, column->type, value, value->location,
                        &modify->row[column->number - 1]));
    }
    return STATUS_OK;
}

static enum status find_arbiter(struct binder *b, const PgQuery__InferClause *infer,
                                const struct table *table, const struct index **index_out) {
    *index_out = NULL;
    if (infer == NULL)
        return STATUS_OK;
    if (infer->where_clause != NULL)
        return bind_unsupported(b, infer->location, "ON CONFLICT with a partial index");
    for (uint32_t i = 0; i < table->index_count && *index_out == NULL; i++) {
        const struct index *index = table->indexes[i];
        if (!index->unique)
            continue;
        if (infer->conname[0] != '\0') {
            if (strcmp(index->name, infer->conname) == 0)
                *index_out = index;
            continue;
        }
        bool all = index->column_count == infer->n_index_elems;
        for (size_t k = 0; k < infer->n_index_elems && all; k++) {
            const PgQuery__IndexElem *element = infer->index_elems[k]->index_elem;
            const struct column *column = table_column(table, element->name);
            if (element->expr != NULL)
                return bind_unsupported(b, infer->location, "ON CONFLICT with an expression");
            if (column == NULL)
                return bind_error(b, infer->location, STATUS_UNDEFINED_COLUMN,
                                  "column \"%s\" does not exist", element->name);
            bool found = false;
            for (uint32_t c = 0; c < index->column_count; c++)
                found |= index->columns[c].column_number == column->number;
            all = found;
        }
        if (all)
            *index_out = index;
    }
    if (*index_out == NULL && infer->conname[0] != '\0')
        return bind_error(b, -1, STATUS_UNDEFINED_OBJECT,
                          "constraint \"%s\" for table \"%s\" does not exist", infer->conname,
                          table->name);
    if (*index_out == NULL)
        return bind_error(b, -1, STATUS_INVALID_COLUMN_REFERENCE,
                          "there is no unique or exclusion constraint matching the ON CONFLICT "
                          "specification");
    return STATUS_OK;
}

static enum status bind_set_list(struct binder *b, size_t count, parse_node **items,
                                 const struct table *table, struct modify *modify);

static enum status bind_conflict(struct binder *b, const PgQuery__OnConflictClause *clause,
                                 const struct table *table, struct modify *modify) {
    if (clause == NULL || clause->action == PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_NONE)
        return STATUS_OK;
    TRY(find_arbiter(b, clause->infer, table, &modify->arbiter));
    modify->conflict = CONFLICT_NOTHING;
    if (clause->action != PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_UPDATE)
        return STATUS_OK;
    modify->conflict = CONFLICT_UPDATE;
    if (clause->infer == NULL)
        return bind_error(b, clause->location, STATUS_SYNTAX_ERROR,
                          "ON CONFLICT DO UPDATE requires inference specification or constraint "
                          "name");
    /* relation 0 is the existing row, relation 1 "excluded". */
    PgQuery__Alias alias = {.aliasname = (char *)"excluded"};
    uint32_t relation;
    struct scope_item *scope;
    TRY(bind_add_table(b, table, &alias, NULL, &relation, &scope));
    scope->columns_visible = false;
    TRY(bind_set_list(b, clause->n_target_list, clause->target_list, table, modify));
    if (clause->where_clause != NULL) {
        b->clause = "WHERE";
        TRY(bind_expression(b, clause->where_clause, &modify->conflict_where));
        TRY(bind_boolean(b, modify->conflict_where, "WHERE", &modify->conflict_where));
        b->clause = NULL;
    }
    scope->name_visible = false;
    return STATUS_OK;
}

static enum status bind_insert(struct binder *b, const PgQuery__InsertStmt *insert,
                               struct modify *modify) {
    const struct table *table;
    TRY(bind_query_new(b, &modify->scope_query));
    b->query = modify->scope_query;
    TRY(bind_with(b, insert->with_clause));
    TRY(find_target_table(b, insert->relation, "insert into", &table));
    modify->kind = STATEMENT_INSERT;
    modify->table = table;
    struct insert_list list = {0};
    TRY(insert_columns(b, insert, table, &list));
    TRY(insert_source(b, insert, table, &list, modify));
    TRY(full_row(b, table, modify->query, &list, modify));
    TRY(bind_checks(b, table, modify));
    uint32_t relation;
    struct scope_item *scope;
    TRY(bind_add_table(b, table, insert->relation->alias, NULL, &relation, &scope));
    TRY(bind_conflict(b, insert->on_conflict_clause, table, modify));
    TRY(bind_returning(b, insert->n_returning_list, insert->returning_list, modify));
    b->query = NULL;
    return STATUS_OK;
}

enum status bind_copy_insert(struct binder *b, const struct table *table, uint32_t count,
                             const int16_t *numbers, struct modify *modify) {
    modify->kind = STATEMENT_INSERT;
    modify->table = table;
    modify->copy = true;
    modify->copy_count = count;
    modify->copy_numbers = numbers;
    struct insert_list list = {.count = count};
    TRY(BIND_ARRAY(b, count, &list.columns));
    for (uint32_t i = 0; i < count; i++)
        list.columns[i] = &table->columns[numbers[i] - 1];
    TRY(full_row(b, table, NULL, &list, modify));
    return bind_checks(b, table, modify);
}

/* ---- UPDATE and DELETE ------------------------------------------------------------------ */

static enum status assign_one(struct binder *b, const struct table *table, const char *name,
                              int location, struct expression *value, struct modify *modify) {
    const struct column *column;
    TRY(find_column(b, table, name, location, &column));
    for (uint32_t k = 0; k < modify->assignment_count; k++)
        if (modify->assignments[k].column_number == column->number)
            return bind_error(b, -1, STATUS_SYNTAX_ERROR,
                              "multiple assignments to same column \"%s\"", name);
    if (value->kind == EXPRESSION_DEFAULT) {
        TRY(bind_default(b, table, column, &value));
    } else {
        if (column->identity == 'a') {
            enum status status =
                bind_error(b, -1, STATUS_GENERATED_ALWAYS,
                           "column \"%s\" can only be updated to DEFAULT", column->name);
            error_detail("Column \"%s\" is an identity column defined as GENERATED ALWAYS.",
                         column->name);
            return status;
        }
        TRY(bind_assign(b, name, column->type, value, value->location, &value));
    }
    modify->assignments[modify->assignment_count++] = (struct assignment){column->number, value};
    return STATUS_OK;
}

static enum status bind_set_list(struct binder *b, size_t count, parse_node **items,
                                 const struct table *table, struct modify *modify) {
    TRY(BIND_ARRAY(b, count, &modify->assignments));
    b->clause = "UPDATE";
    for (size_t i = 0; i < count; i++) {
        const PgQuery__ResTarget *target = items[i]->res_target;
        const parse_node *node = target->val;
        if (target->n_indirection > 0)
            return bind_unsupported(b, target->location, "assignment to a part of a column");
        if (NODE_IS(node, MULTI_ASSIGN_REF)) {
            const PgQuery__MultiAssignRef *part = node->multi_assign_ref;
            if (!NODE_IS(part->source, ROW_EXPR))
                return bind_unsupported(b, target->location, "SET (...) = subquery");
            const PgQuery__RowExpr *row = part->source->row_expr;
            if ((int)row->n_args != part->ncolumns)
                return bind_error(b, target->location, STATUS_SYNTAX_ERROR,
                                  "number of columns does not match number of values");
            node = row->args[part->colno - 1];
        }
        struct expression *value;
        b->default_context = "UPDATE";
        TRY(bind_expression(b, node, &value));
        b->default_context = NULL;
        TRY(assign_one(b, table, target->name, target->location, value, modify));
    }
    b->clause = NULL;
    return STATUS_OK;
}

static enum status begin_modify(struct binder *b, const PgQuery__RangeVar *relation,
                                const PgQuery__WithClause *with, const char *verb,
                                struct modify *modify) {
    TRY(bind_query_new(b, &modify->query));
    b->query = modify->query;
    TRY(bind_with(b, with));
    TRY(find_target_table(b, relation, verb, &modify->table));
    struct scope_item *scope;
    TRY(bind_add_table(b, modify->table, relation->alias, NULL, &modify->relation, &scope));
    modify->query->relations[modify->relation]->used[0] = true;
    struct join_item **from, *item;
    TRY(BIND_ARRAY(b, 1, &from));
    TRY(BIND_ARRAY(b, 1, &item));
    item->relation = modify->relation;
    from[0] = item;
    modify->query->from = from;
    modify->query->from_count = 1;
    return STATUS_OK;
}

static enum status bind_where(struct binder *b, const parse_node *node, struct query *query) {
    if (node == NULL)
        return STATUS_OK;
    b->clause = "WHERE";
    TRY(bind_expression(b, node, &query->where));
    b->clause = NULL;
    return bind_boolean(b, query->where, "WHERE", &query->where);
}

static enum status bind_update(struct binder *b, const PgQuery__UpdateStmt *update,
                               struct modify *modify) {
    modify->kind = STATEMENT_UPDATE;
    TRY(begin_modify(b, update->relation, update->with_clause, "update", modify));
    TRY(bind_from(b, update->n_from_clause, update->from_clause));
    TRY(bind_set_list(b, update->n_target_list, update->target_list, modify->table, modify));
    TRY(bind_where(b, update->where_clause, modify->query));
    TRY(bind_checks(b, modify->table, modify));
    TRY(bind_returning(b, update->n_returning_list, update->returning_list, modify));
    b->query = NULL;
    return STATUS_OK;
}

static enum status bind_delete(struct binder *b, const PgQuery__DeleteStmt *delete_stmt,
                               struct modify *modify) {
    modify->kind = STATEMENT_DELETE;
    TRY(begin_modify(b, delete_stmt->relation, delete_stmt->with_clause, "delete from", modify));
    TRY(bind_from(b, delete_stmt->n_using_clause, delete_stmt->using_clause));
    TRY(bind_where(b, delete_stmt->where_clause, modify->query));
    TRY(bind_returning(b, delete_stmt->n_returning_list, delete_stmt->returning_list, modify));
    b->query = NULL;
    return STATUS_OK;
}

enum status bind_modify(struct binder *b, const parse_node *node, struct modify *modify) {
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_INSERT_STMT:
        return bind_insert(b, node->insert_stmt, modify);
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
        return bind_update(b, node->update_stmt, modify);
    default:
        return bind_delete(b, node->delete_stmt, modify);
    }
}
