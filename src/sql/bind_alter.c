/* ALTER TABLE and RENAME, into the catalog's specs. */
#include <string.h>

#include "sql/bind_ddl.h"

static enum status alter_column(struct binder *b, const struct table *table, const char *name,
                                const struct column **column_out) {
    *column_out = table_column(table, name);
    if (*column_out == NULL)
        return error_set(STATUS_UNDEFINED_COLUMN, "column \"%s\" of relation \"%s\" does not exist",
                         name, table->name);
    return STATUS_OK;
}

static enum status alter_add_column(struct binder *b, const PgQuery__AlterTableCmd *command,
                                    const struct table *table, struct alter_action *action) {
    const PgQuery__ColumnDef *node = command->def->column_def;
    action->kind = ALTER_ADD_COLUMN;
    if (table_column(table, node->colname) != NULL) {
        if (!command->missing_ok)
            return error_set(STATUS_DUPLICATE_COLUMN,
                             "column \"%s\" of relation \"%s\" already exists", node->colname,
                             table->name);
        action->skip = true;
        action->notice_status = STATUS_DUPLICATE_COLUMN;
        action->notice =
            arena_format(b->arena, "column \"%s\" of relation \"%s\" already exists, skipping",
                         node->colname, table->name);
        return STATUS_OK;
    }
    struct definition d = {.table_name = table->name, .existing = table};
    struct expression *value;
    TRY(definition_open(b, &d, 1, node->n_constraints + 1));
    TRY(define_column(b, node, &d, table->namespace_name, &value));
    TRY(column_checks(b, node, &d));
    if (d.sequence_count > 0)
        return bind_unsupported(b, node->location, "adding a serial or identity column");
    if (value != NULL && expression_is_volatile(value))
        return bind_unsupported(b, node->location, "adding a column with a volatile default");
    action->column = d.columns[0];
    action->default_value = value;
    action->index_count = d.index_count;
    action->indexes = d.indexes;
    action->check_count = d.check_count;
    action->checks = d.checks;
    return STATUS_OK;
}

/* select 1 from table where not (condition) limit 1 */
static enum status violation_plan(struct binder *b, const struct table *table,
                                  const char *check_text, const struct plan **plan_out) {
    PgQuery__ParseResult *parsed;
    struct buffer name = {0};
    buffer_append_format(&name, "SELECT 1 FROM \"%s\".\"%s\" WHERE NOT (%s) LIMIT 1",
                         table->namespace_name, table->name, check_text);
    enum status status = buffer_status(&name);
    const char *text = arena_format(b->arena, "%.*s", (int)name.size, (const char *)name.data);
    buffer_release(&name);
    TRY(status);
    TRY(parse_on_stack(text, b->arena, &parsed));
    struct query *query;
    struct plan *plan;
    TRY(bind_select(b, parsed->stmts[0]->stmt->select_stmt, &query));
    TRY(plan_query(b, query, &plan));
    *plan_out = plan;
    return STATUS_OK;
}

static enum status alter_add_constraint(struct binder *b, const PgQuery__Constraint *node,
                                        const struct table *table, struct alter_action *action) {
    struct definition d = {.table_name = table->name, .existing = table};
    struct expression *condition;
    TRY(definition_open(b, &d, 0, 1));
    TRY(add_constraint(b, node, &d, NULL, &condition));
    for (uint32_t i = 0; node->conname[0] != '\0' && i < table->constraint_count; i++)
        if (strcmp(table->constraints[i]->name, node->conname) == 0)
            return error_set(STATUS_DUPLICATE_OBJECT,
                             "constraint \"%s\" for relation \"%s\" already exists", node->conname,
                             table->name);
    for (uint32_t i = 0; d.index_count > 0 && d.indexes[0].primary && i < table->index_count; i++)
        if (table->indexes[i]->primary)
            return error_set(STATUS_INVALID_TABLE_DEFINITION,
                             "multiple primary keys for table \"%s\" are not allowed", table->name);
    action->kind = d.index_count > 0 ? ALTER_ADD_INDEX : ALTER_ADD_CHECK;
    action->index_count = d.index_count;
    action->indexes = d.indexes;
    action->check_count = d.check_count;
    action->checks = d.checks;
    return d.check_count > 0 && !node->skip_validation
               ? violation_plan(b, table, d.checks[0].check_text, &action->check_plan)
               : STATUS_OK;
}

static enum status alter_drop_constraint(struct binder *b, const PgQuery__AlterTableCmd *command,
                                         const struct table *table, struct alter_action *action) {
    action->kind = ALTER_DROP_CONSTRAINT;
    for (uint32_t i = 0; i < table->constraint_count; i++)
        if (strcmp(table->constraints[i]->name, command->name) == 0)
            action->constraint = table->constraints[i];
    if (action->constraint != NULL)
        return STATUS_OK;
    if (!command->missing_ok)
        return error_set(STATUS_UNDEFINED_OBJECT,
                         "constraint \"%s\" of relation \"%s\" does not exist", command->name,
                         table->name);
    action->skip = true;
    action->notice =
        arena_format(b->arena, "constraint \"%s\" of relation \"%s\" does not exist, skipping",
                     command->name, table->name);
    return STATUS_OK;
}

static enum status alter_drop_column(struct binder *b, const PgQuery__AlterTableCmd *command,
                                     const struct table *table, struct alter_action *action) {
    action->kind = ALTER_DROP_COLUMN;
    action->cascade = command->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;
    action->old_column = table_column(table, command->name);
    if (action->old_column != NULL)
        return STATUS_OK;
    if (!command->missing_ok)
        return alter_column(b, table, command->name, &action->old_column);
    action->skip = true;
    action->notice =
        arena_format(b->arena, "column \"%s\" of relation \"%s\" does not exist, skipping",
                     command->name, table->name);
    return STATUS_OK;
}

/* SET (...) and RESET (...). PostgreSQL's own options mean nothing here. */
static enum status alter_options(struct binder *b, const PgQuery__AlterTableCmd *command,
                                 struct alter_action *action) {
    bool reset = command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_ResetRelOptions;
    action->kind = ALTER_NOTHING;
    if (command->def == NULL || !NODE_IS(command->def, LIST))
        return STATUS_OK;
    const PgQuery__List *options = command->def->list;
    for (size_t i = 0; i < options->n_items; i++) {
        const PgQuery__DefElem *option = options->items[i]->def_elem;
        if (strcmp(option->defname, "partition_by") == 0)
            return bind_unsupported(b, option->location, "changing partition_by of a table");
        if (strcmp(option->defname, "freeze") != 0)
            continue;
        action->kind = ALTER_SET_FREEZE;
        action->freeze = FREEZE_ON;
        if (!reset)
            TRY(bind_freeze_option(b, option, &action->freeze));
    }
    return STATUS_OK;
}

static enum status alter_command(struct binder *b, const PgQuery__AlterTableCmd *command,
                                 const struct table *table, struct alter_action *action) {
    struct expression *ignored;
    switch (command->subtype) {
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
        return alter_add_column(b, command, table, action);
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
        return alter_drop_column(b, command, table, action);
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
        return alter_add_constraint(b, command->def->constraint, table, action);
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint:
        return alter_drop_constraint(b, command, table, action);
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull:
        action->kind = ALTER_SET_NOT_NULL;
        action->not_null = command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull;
        return alter_column(b, table, command->name, &action->old_column);
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ColumnDefault:
        action->kind = ALTER_SET_DEFAULT;
        TRY(alter_column(b, table, command->name, &action->old_column));
        return command->def == NULL
                   ? STATUS_OK
                   : bind_default_text(b, command->def, command->name, action->old_column->type,
                                       &action->default_text, &ignored);
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetRelOptions:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ResetRelOptions:
        return alter_options(b, command, action);
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ChangeOwner:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStatistics:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStorage:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ReplicaIdentity:
        action->kind = ALTER_NOTHING;
        return STATUS_OK;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
        return bind_unsupported(b, -1, "ALTER TABLE ALTER COLUMN TYPE");
    default:
        return bind_unsupported(b, -1, "this form of ALTER TABLE");
    }
}

/* As PostgreSQL calls what cannot be done to a sequence; NULL: anything else. */
static const char *action_name(PgQuery__AlterTableType type) {
    switch (type) {
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
        return "ADD COLUMN";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
        return "DROP COLUMN";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
        return "ADD CONSTRAINT";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint:
        return "DROP CONSTRAINT";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull:
        return "ALTER COLUMN ... SET NOT NULL";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull:
        return "ALTER COLUMN ... DROP NOT NULL";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ColumnDefault:
        return "ALTER COLUMN ... SET DEFAULT";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetRelOptions:
        return "SET";
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ResetRelOptions:
        return "RESET";
    default:
        return NULL;
    }
}

static enum status alter_sequence_action(struct binder *b, const PgQuery__AlterTableCmd *command,
                                         const struct table *relation) {
    const char *name = action_name(command->subtype);
    if (name == NULL)
        return bind_unsupported(b, -1, "this form of ALTER TABLE for a sequence");
    return bind_not_for_sequences(
        arena_format(b->arena, "ALTER action %s cannot be performed on", name), relation);
}

enum status bind_alter_table(struct binder *b, const PgQuery__AlterTableStmt *node,
                             struct statement *statement) {
    struct statement_alter_table *alter = &statement->alter_table;
    if (node->objtype != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE)
        return bind_unsupported(b, node->relation->location, "ALTER of this kind of object");
    TRY(bind_find_table(b, node->relation, node->missing_ok, &alter->table));
    alter->name = copy_name(b, node->relation->relname);
    if (alter->table == NULL)
        return STATUS_OK;
    if (alter->table->kind == RELATION_SEQUENCE)
        return alter_sequence_action(b, node->cmds[0]->alter_table_cmd, alter->table);
    if (alter->table->is_system)
        return error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                         "permission denied: \"%s\" is a system catalog", alter->table->name);
    TRY(bind_add_lock(b, alter->table->oid, RELATION_LOCK_ACCESS_EXCLUSIVE));
    TRY(BIND_ARRAY(b, node->n_cmds, &alter->actions));
    for (size_t i = 0; i < node->n_cmds; i++)
        TRY(alter_command(b, node->cmds[i]->alter_table_cmd, alter->table,
                          &alter->actions[alter->action_count++]));
    return STATUS_OK;
}

enum status bind_rename(struct binder *b, const PgQuery__RenameStmt *node,
                        struct statement *statement) {
    struct statement_alter_table *alter = &statement->alter_table;
    if (node->rename_type != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE || node->relation == NULL)
        return bind_unsupported(b, node->relation != NULL ? node->relation->location : -1,
                                "this form of RENAME");
    TRY(bind_find_table(b, node->relation, node->missing_ok, &alter->table));
    alter->name = copy_name(b, node->relation->relname);
    if (alter->table == NULL)
        return STATUS_OK;
    if (alter->table->kind == RELATION_SEQUENCE)
        return bind_unsupported(b, node->relation->location, "renaming a sequence");
    if (alter->table->is_system)
        return error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                         "permission denied: \"%s\" is a system catalog", alter->table->name);
    TRY(bind_add_lock(b, alter->table->oid, RELATION_LOCK_ACCESS_EXCLUSIVE));
    TRY(BIND_ARRAY(b, 1, &alter->actions));
    alter->action_count = 1;
    alter->actions[0].kind = ALTER_RENAME_TABLE;
    alter->actions[0].new_name = copy_name(b, node->newname);
    return STATUS_OK;
}
