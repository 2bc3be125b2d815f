/* Statements that are neither queries nor DDL: transactions, settings, COPY, EXPLAIN, cursors. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sql/bind.h"

/* ---- kinds ------------------------------------------------------------------------------ */

static enum statement_kind transaction_kind(const PgQuery__TransactionStmt *node) {
    switch (node->kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
        return STATEMENT_BEGIN;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
        return STATEMENT_START_TRANSACTION;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
        return STATEMENT_COMMIT;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
        return STATEMENT_ROLLBACK;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
        return STATEMENT_SAVEPOINT;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
        return STATEMENT_RELEASE;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
        return STATEMENT_ROLLBACK_TO;
    default:
        return STATEMENT_NONE;
    }
}

static enum statement_kind drop_kind(const PgQuery__DropStmt *node) {
    switch (node->remove_type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
        return STATEMENT_DROP_TABLE;
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
        return STATEMENT_DROP_INDEX;
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE:
        return STATEMENT_DROP_SEQUENCE;
    case PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA:
        return STATEMENT_DROP_SCHEMA;
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
        return STATEMENT_DROP_VIEW;
    default:
        return STATEMENT_NONE;
    }
}

static enum statement_kind set_kind(const PgQuery__VariableSetStmt *node) {
    if (node->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET ||
        node->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL)
        return STATEMENT_RESET;
    if (node->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI)
        return STATEMENT_SET_TRANSACTION;
    return STATEMENT_SET;
}

enum statement_kind node_statement_kind(const parse_node *node) {
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
        return STATEMENT_SELECT;
    case PG_QUERY__NODE__NODE_INSERT_STMT:
        return STATEMENT_INSERT;
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
        return STATEMENT_UPDATE;
    case PG_QUERY__NODE__NODE_DELETE_STMT:
        return STATEMENT_DELETE;
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
        return transaction_kind(node->transaction_stmt);
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
        return set_kind(node->variable_set_stmt);
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
        return STATEMENT_SHOW;
    case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT:
        return STATEMENT_SET_CONSTRAINTS;
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
        return STATEMENT_EXPLAIN;
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
        return STATEMENT_PREPARE;
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        return STATEMENT_EXECUTE;
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
        return STATEMENT_DEALLOCATE;
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
        return STATEMENT_DECLARE_CURSOR;
    case PG_QUERY__NODE__NODE_FETCH_STMT:
        return node->fetch_stmt->ismove ? STATEMENT_MOVE : STATEMENT_FETCH;
    case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
        return STATEMENT_CLOSE_CURSOR;
    case PG_QUERY__NODE__NODE_COPY_STMT:
        return STATEMENT_COPY;
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        return STATEMENT_CREATE_TABLE;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        return STATEMENT_CREATE_TABLE_AS;
    case PG_QUERY__NODE__NODE_VIEW_STMT:
        return STATEMENT_CREATE_VIEW;
    case PG_QUERY__NODE__NODE_INDEX_STMT:
        return STATEMENT_CREATE_INDEX;
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
        return STATEMENT_CREATE_SEQUENCE;
    case PG_QUERY__NODE__NODE_ALTER_SEQ_STMT:
        return STATEMENT_ALTER_SEQUENCE;
    case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT:
        return STATEMENT_CREATE_SCHEMA;
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
    case PG_QUERY__NODE__NODE_RENAME_STMT:
        return STATEMENT_ALTER_TABLE;
    case PG_QUERY__NODE__NODE_DROP_STMT:
        return drop_kind(node->drop_stmt);
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
        return STATEMENT_TRUNCATE;
    case PG_QUERY__NODE__NODE_REINDEX_STMT:
        return STATEMENT_REINDEX;
    case PG_QUERY__NODE__NODE_LOCK_STMT:
        return STATEMENT_LOCK_TABLE;
    case PG_QUERY__NODE__NODE_VACUUM_STMT:
        return node->vacuum_stmt->is_vacuumcmd ? STATEMENT_VACUUM : STATEMENT_ANALYZE;
    case PG_QUERY__NODE__NODE_CHECK_POINT_STMT:
        return STATEMENT_CHECKPOINT;
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
        return STATEMENT_DISCARD;
    default:
        return STATEMENT_NONE;
    }
}

/* ---- helpers ---------------------------------------------------------------------------- */

/* A constant or name of an option, as text; NULL when there is none. */
const char *bind_option_text(struct binder *b, const parse_node *node) {
    if (node == NULL)
        return NULL;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_STRING:
        return node->string->sval;
    case PG_QUERY__NODE__NODE_INTEGER:
        return arena_format(b->arena, "%d", node->integer->ival);
    case PG_QUERY__NODE__NODE_FLOAT:
        return node->float_->fval;
    case PG_QUERY__NODE__NODE_BOOLEAN:
        return node->boolean->boolval ? "on" : "off";
    case PG_QUERY__NODE__NODE_TYPE_NAME:
        return node_text(node->type_name->names[node->type_name->n_names - 1]);
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        return bind_option_text(b, node->type_cast->arg);
    case PG_QUERY__NODE__NODE_A_CONST:
        break;
    default:
        return NULL;
    }
    const PgQuery__AConst *constant = node->a_const;
    if (constant->isnull)
        return NULL;
    switch (constant->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
        return arena_format(b->arena, "%d", constant->ival->ival);
    case PG_QUERY__A__CONST__VAL_FVAL:
        return constant->fval->fval;
    case PG_QUERY__A__CONST__VAL_SVAL:
        return constant->sval->sval;
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
        return constant->boolval->boolval ? "on" : "off";
    default:
        return NULL;
    }
}

enum status bind_option_bool(struct binder *b, const PgQuery__DefElem *option, bool *out) {
    const char *text = bind_option_text(b, option->arg);
    *out = true;
    if (text == NULL)
        return STATUS_OK;
    if (strcasecmp(text, "true") == 0 || strcasecmp(text, "on") == 0 || strcmp(text, "1") == 0)
        return STATUS_OK;
    *out = false;
    if (strcasecmp(text, "false") == 0 || strcasecmp(text, "off") == 0 || strcmp(text, "0") == 0)
        return STATUS_OK;
    return bind_error(b, -1, STATUS_SYNTAX_ERROR, "%s requires a Boolean value", option->defname);
}

enum status bind_text_column(struct binder *b, struct statement *statement, const char *name) {
    struct plan_column *column;
    TRY(BIND_ARRAY(b, 1, &column));
    *column = (struct plan_column){.name = name, .type = TYPE_OF(TEXT)};
    statement->columns = column;
    statement->column_count = 1;
    statement->returns_rows = true;
    return STATUS_OK;
}

/* Text of a nested statement: it ends where the outer one does. */
static const char *inner_text(struct binder *b, const char *keyword) {
    const char *text = b->text + b->text_offset, *end = text + b->text_size;
    for (; text < end; text++)
        if (strncasecmp(text, keyword, strlen(keyword)) == 0 &&
            (text == b->text || !isalnum((unsigned char)text[-1])) &&
            !isalnum((unsigned char)text[strlen(keyword)]) && text[strlen(keyword)] != '_')
            break;
    text += text < end ? strlen(keyword) : 0;
    return arena_format(b->arena, "%.*s", (int)(end - text), text);
}

/* ---- transactions and settings ---------------------------------------------------------- */

static enum status transaction_options(struct binder *b, size_t count, parse_node **options,
                                       struct statement_transaction *out) {
    out->read_only = out->deferrable = -1;
    for (size_t i = 0; i < count; i++) {
        const PgQuery__DefElem *option = options[i]->def_elem;
        const char *text = bind_option_text(b, option->arg);
        if (strcmp(option->defname, "transaction_isolation") == 0)
            out->isolation = text != NULL ? arena_copy_text(b->arena, text) : NULL;
        else if (strcmp(option->defname, "transaction_read_only") == 0)
            out->read_only = text != NULL && strcmp(text, "0") != 0 && strcmp(text, "off") != 0;
        else if (strcmp(option->defname, "transaction_deferrable") == 0)
            out->deferrable = text != NULL && strcmp(text, "0") != 0 && strcmp(text, "off") != 0;
    }
    return STATUS_OK;
}

static enum status bind_transaction(struct binder *b, const PgQuery__TransactionStmt *node,
                                    struct statement *statement) {
    if (statement->kind == STATEMENT_NONE)
        return bind_unsupported(b, -1, "a prepared transaction");
    TRY(transaction_options(b, node->n_options, node->options, &statement->transaction));
    statement->transaction.chain = node->chain;
    statement->transaction.savepoint =
        node->savepoint_name[0] != '\0' ? arena_copy_text(b->arena, node->savepoint_name) : NULL;
    return STATUS_OK;
}

static enum status bind_set(struct binder *b, const PgQuery__VariableSetStmt *node,
                            struct statement *statement) {
    if (node->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI) {
        if (strcmp(node->name, "TRANSACTION SNAPSHOT") == 0)
            return bind_unsupported(b, -1, "SET TRANSACTION SNAPSHOT");
        statement->transaction.session = strcmp(node->name, "SESSION CHARACTERISTICS") == 0;
        return transaction_options(b, node->n_args, node->args, &statement->transaction);
    }
    struct statement_setting *setting = &statement->setting;
    setting->local = node->is_local;
    if (node->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL)
        return STATUS_OK;
    char *name = arena_copy_text(b->arena, node->name);
    for (char *at = name; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    setting->name = name;
    if (node->kind != PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE)
        return STATUS_OK;
    setting->value = "";
    for (size_t i = 0; i < node->n_args; i++) {
        const char *text = bind_option_text(b, node->args[i]);
        if (text == NULL)
            return bind_unsupported(b, -1, "this value of a setting");
        setting->value = i == 0 ? arena_copy_text(b->arena, text)
                                : arena_format(b->arena, "%s, %s", setting->value, text);
    }
    return STATUS_OK;
}

static enum status bind_show(struct binder *b, const PgQuery__VariableShowStmt *node,
                             struct statement *statement) {
    if (strcmp(node->name, "all") == 0) {
        struct plan_column *columns;
        TRY(BIND_ARRAY(b, 3, &columns));
        static const char *const names[] = {"name", "setting", "description"};
        for (int i = 0; i < 3; i++)
            columns[i] = (struct plan_column){.name = names[i], .type = TYPE_OF(TEXT)};
        statement->columns = columns;
        statement->column_count = 3;
        statement->returns_rows = true;
        return STATUS_OK;
    }
    char *name = arena_copy_text(b->arena, node->name);
    for (char *at = name; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    statement->setting.name = name;
    return bind_text_column(b, statement, strcmp(name, "timezone") == 0 ? "TimeZone" : name);
}

/* ---- EXPLAIN, PREPARE, cursors ---------------------------------------------------------- */

static enum status bind_prepare(struct binder *b, const PgQuery__PrepareStmt *node,
                                struct statement *statement) {
    struct statement_prepared *prepared = &statement->prepared;
    prepared->name = arena_copy_text(b->arena, node->name);
    uint32_t *types;
    TRY(BIND_ARRAY(b, node->n_argtypes, &types));
    for (size_t i = 0; i < node->n_argtypes; i++) {
        struct type type;
        TRY(bind_type_name(b, node->argtypes[i]->type_name, &type));
        types[i] = type.id;
    }
    prepared->types = types;
    prepared->type_count = (uint32_t)node->n_argtypes;
    prepared->text = inner_text(b, "as");
    return STATUS_OK;
}

enum status bind_execute(struct binder *b, const PgQuery__ExecuteStmt *node,
                         struct statement *statement) {
    struct statement_prepared *prepared = &statement->prepared;
    prepared->name = arena_copy_text(b->arena, node->name);
    struct expression **arguments;
    TRY(BIND_ARRAY(b, node->n_params, &arguments));
    b->clause = "EXECUTE parameters";
    for (size_t i = 0; i < node->n_params; i++)
        TRY(bind_expression(b, node->params[i], &arguments[i]));
    prepared->arguments = arguments;
    prepared->argument_count = (uint32_t)node->n_params;
    return STATUS_OK;
}

enum { CURSOR_BINARY = 1, CURSOR_SCROLL = 2, CURSOR_NO_SCROLL = 4, CURSOR_HOLD = 32 };

static enum status bind_declare(struct binder *b, const PgQuery__DeclareCursorStmt *node,
                                struct statement *statement) {
    struct statement_cursor *cursor = &statement->cursor;
    cursor->name = arena_copy_text(b->arena, node->portalname);
    cursor->binary = node->options & CURSOR_BINARY;
    cursor->scroll = node->options & CURSOR_SCROLL;
    cursor->no_scroll = node->options & CURSOR_NO_SCROLL;
    cursor->with_hold = node->options & CURSOR_HOLD;
    cursor->text = inner_text(b, "for");
    if (!NODE_IS(node->query, SELECT_STMT))
        return bind_unsupported(b, -1, "a cursor for this statement");
    struct statement *inner;
    TRY(BIND_ARRAY(b, 1, &inner));
    inner->schema = statement->schema;
    inner->private_part = statement->private_part;
    TRY(bind_plan_statement(b, node->query, inner));
    cursor->query = inner;
    statement->plan = inner->plan;
    return STATUS_OK;
}

static enum status bind_fetch(struct binder *b, const PgQuery__FetchStmt *node,
                              struct statement *statement) {
    struct statement_cursor *cursor = &statement->cursor;
    static const enum fetch_direction directions[] = {
        [PG_QUERY__FETCH_DIRECTION__FETCH_FORWARD] = FETCH_FORWARD,
        [PG_QUERY__FETCH_DIRECTION__FETCH_BACKWARD] = FETCH_BACKWARD,
        [PG_QUERY__FETCH_DIRECTION__FETCH_ABSOLUTE] = FETCH_ABSOLUTE,
        [PG_QUERY__FETCH_DIRECTION__FETCH_RELATIVE] = FETCH_RELATIVE,
    };
    cursor->name = arena_copy_text(b->arena, node->portalname);
    cursor->direction = directions[node->direction];
    cursor->count = node->how_many;
    statement->returns_rows = !node->ismove;
    return STATUS_OK;
}

/* ---- upkeep ----------------------------------------------------------------------------- */

enum status bind_push_table(struct binder *b, struct statement_objects *objects,
                            const struct table *table, enum relation_lock_mode mode) {
    ((const struct table **)objects->tables)[objects->count++] = table;
    return bind_add_lock(b, table->oid, mode);
}

static enum status bind_lock(struct binder *b, const PgQuery__LockStmt *node,
                             struct statement *statement) {
    struct statement_objects *objects = &statement->objects;
    objects->lock_mode = (enum relation_lock_mode)node->mode;
    objects->no_wait = node->nowait;
    const struct table **tables;
    TRY(BIND_ARRAY(b, node->n_relations, &tables));
    objects->tables = tables;
    for (size_t i = 0; i < node->n_relations; i++) {
        const struct table *table;
        TRY(bind_find_table(b, node->relations[i]->range_var, false, &table));
        if (table->kind == RELATION_SEQUENCE)
            return bind_not_for_sequences("cannot lock", table);
        tables[objects->count++] = table;
    }
    return STATUS_OK;
}

static enum status bind_discard(struct binder *b, const PgQuery__DiscardStmt *node,
                                struct statement *statement) {
    switch (node->target) {
    case PG_QUERY__DISCARD_MODE__DISCARD_PLANS:
        statement->discard = DISCARD_PLANS_ONLY;
        statement->tag = "DISCARD PLANS";
        break;
    case PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES:
        statement->discard = DISCARD_SEQUENCES_ONLY;
        statement->tag = "DISCARD SEQUENCES";
        break;
    case PG_QUERY__DISCARD_MODE__DISCARD_TEMP:
        statement->discard = DISCARD_TEMPORARY;
        statement->tag = "DISCARD TEMP";
        break;
    default:
        statement->discard = DISCARD_EVERYTHING;
        statement->tag = "DISCARD ALL";
        break;
    }
    return STATUS_OK;
}

/* The word at *at in capitals, which moves behind it and the blanks that follow. */
static size_t take_word(const char **at, const char *end, char *word, size_t room) {
    size_t size = 0;
    while (*at < end && isspace((unsigned char)**at))
        (*at)++;
    for (; *at < end && isalpha((unsigned char)**at) && size + 1 < room; (*at)++)
        word[size++] = (char)toupper((unsigned char)**at);
    word[size] = '\0';
    return size;
}

/* "LISTEN" or "CREATE VIEW" for a node that nobody handles, from the text itself. */
static enum status refuse(struct binder *b, const parse_node *node) {
    static const char *const of_two_words[] = {"CREATE",   "ALTER",  "DROP",    "COMMENT",
                                               "SECURITY", "IMPORT", "REFRESH", "REASSIGN"};
    const char *at = b->text + b->text_offset, *end = at + b->text_size;
    char first[32], second[32];
    if (take_word(&at, end, first, sizeof first) == 0)
        return bind_unsupported(b, (int)b->text_offset, "this statement");
    for (size_t i = 0; i < sizeof of_two_words / sizeof of_two_words[0]; i++)
        if (strcmp(first, of_two_words[i]) == 0 && take_word(&at, end, second, sizeof second) > 0)
            return bind_unsupported(b, (int)b->text_offset, "%s %s", first, second);
    return bind_unsupported(b, (int)b->text_offset, "%s", first);
}

enum status bind_utility(struct binder *b, const parse_node *node, struct statement *statement) {
    bool parameters = NODE_IS(node, EXPLAIN_STMT) || NODE_IS(node, DECLARE_CURSOR_STMT);
    b->parameters_fixed = !parameters && !NODE_IS(node, CREATE_TABLE_AS_STMT);
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
        return bind_transaction(b, node->transaction_stmt, statement);
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
        return bind_set(b, node->variable_set_stmt, statement);
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
        return bind_show(b, node->variable_show_stmt, statement);
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
        return bind_explain(b, node->explain_stmt, statement);
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
        return bind_prepare(b, node->prepare_stmt, statement);
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        return bind_execute(b, node->execute_stmt, statement);
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
        statement->prepared.name = node->deallocate_stmt->name[0] != '\0'
                                       ? arena_copy_text(b->arena, node->deallocate_stmt->name)
                                       : NULL;
        if (statement->prepared.name == NULL)
            statement->tag = "DEALLOCATE ALL";
        return STATUS_OK;
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
        return bind_declare(b, node->declare_cursor_stmt, statement);
    case PG_QUERY__NODE__NODE_FETCH_STMT:
        return bind_fetch(b, node->fetch_stmt, statement);
    case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
        statement->cursor.name =
            node->close_portal_stmt->portalname[0] != '\0'
                ? arena_copy_text(b->arena, node->close_portal_stmt->portalname)
                : NULL;
        if (statement->cursor.name == NULL)
            statement->tag = "CLOSE CURSOR ALL";
        return STATUS_OK;
    case PG_QUERY__NODE__NODE_COPY_STMT:
        return bind_copy(b, node->copy_stmt, statement);
    case PG_QUERY__NODE__NODE_VACUUM_STMT:
        return bind_vacuum(b, node->vacuum_stmt, statement);
    case PG_QUERY__NODE__NODE_LOCK_STMT:
        return bind_lock(b, node->lock_stmt, statement);
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
        return bind_discard(b, node->discard_stmt, statement);
    case PG_QUERY__NODE__NODE_CHECK_POINT_STMT:
    case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT:
        return STATUS_OK;
    default:
        if (statement->kind == STATEMENT_NONE)
            return refuse(b, node);
        return bind_ddl(b, node, statement);
    }
}
