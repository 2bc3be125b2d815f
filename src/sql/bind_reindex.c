/* REINDEX INDEX and REINDEX TABLE. */
#include <string.h>

#include "sql/bind_ddl.h"

static enum status take_options(struct binder *b, const PgQuery__ReindexStmt *node,
                                struct statement_objects *objects) {
    for (size_t i = 0; i < node->n_params; i++) {
        const PgQuery__DefElem *option = node->params[i]->def_elem;
        bool concurrently = false;
        if (strcmp(option->defname, "verbose") == 0)
            TRY(bind_option_bool(b, option, &objects->verbose));
        else if (strcmp(option->defname, "concurrently") == 0)
            TRY(bind_option_bool(b, option, &concurrently));
        else if (strcmp(option->defname, "tablespace") == 0)
            return bind_unsupported(b, option->location, "REINDEX to another tablespace");
        else
            return bind_error(b, option->location, STATUS_SYNTAX_ERROR,
                              "unrecognized REINDEX option \"%s\"", option->defname);
        if (concurrently)
            return bind_unsupported(b, option->location, "REINDEX CONCURRENTLY");
    }
    return STATUS_OK;
}

static const char *schema_name_of(const PgQuery__RangeVar *name) {
    return name->schemaname[0] != '\0' ? name->schemaname : NULL;
}

static enum status not_a_table(const char *name) {
    return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is not a table or materialized view", name);
}

static enum status find_table(struct binder *b, const PgQuery__RangeVar *name,
                              const struct table **table_out) {
    if (schema_index(b->schema, schema_name_of(name), name->relname, table_out) != NULL)
        return not_a_table(name->relname);
    TRY(bind_find_table(b, name, false, table_out));
    bool is_table = (*table_out)->kind != RELATION_VIEW && (*table_out)->kind != RELATION_SEQUENCE;
    return is_table ? STATUS_OK : not_a_table(name->relname);
}

/* The index and its table. */
static enum status find_index(struct binder *b, const PgQuery__RangeVar *name,
                              const struct table **table_out, const struct index **index_out) {
    const char *schema_name = schema_name_of(name);
    *index_out = schema_index(b->schema, schema_name, name->relname, table_out);
    if (*index_out != NULL)
        return STATUS_OK;
    if (bind_search_table(b, schema_name, name->relname) != NULL)
        return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is not an index", name->relname);
    return error_set(STATUS_UNDEFINED_TABLE, "relation \"%s\" does not exist", name->relname);
}

enum status bind_reindex(struct binder *b, const PgQuery__ReindexStmt *node,
                         struct statement *statement) {
    struct statement_objects *objects = &statement->objects;
    const struct table **tables;
    const struct index **indexes;
    TRY(take_options(b, node, objects));
    TRY(BIND_ARRAY(b, 1, &tables));
    TRY(BIND_ARRAY(b, 1, &indexes));
    switch (node->kind) {
    case PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_INDEX:
        TRY(find_index(b, node->relation, &tables[0], &indexes[0]));
        objects->indexes = indexes;
        break;
    case PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_TABLE:
        TRY(find_table(b, node->relation, &tables[0]));
        break;
    default:
        return bind_unsupported(b, -1, "REINDEX of more than one table");
    }
    if (tables[0]->is_system || tables[0]->kind != RELATION_TABLE)
        return error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                         "permission denied: \"%s\" is a system catalog", tables[0]->name);
    objects->tables = tables;
    objects->count = 1;
    return bind_add_lock(b, tables[0]->oid, RELATION_LOCK_ACCESS_EXCLUSIVE);
}
