/* DROP and TRUNCATE. */
#include <string.h>

#include "sql/bind_ddl.h"

struct drop_name {
    const char *schema_name, *name;
};

static struct drop_name dropped_name(const parse_node *node) {
    if (node->node_case == PG_QUERY__NODE__NODE_STRING)
        return (struct drop_name){NULL, node->string->sval};
    const PgQuery__List *list = node->list;
    return (struct drop_name){list->n_items > 1 ? node_text(list->items[list->n_items - 2]) : NULL,
                              node_text(list->items[list->n_items - 1])};
}

static enum status drop_missing(struct binder *b, const PgQuery__DropStmt *node,
                                struct statement_objects *objects, const char **notices,
                                const char *what, struct drop_name name) {
    bool schema_missing =
        name.schema_name != NULL && schema_namespace(b->schema, name.schema_name) == NULL;
    if (node->missing_ok) {
        notices[objects->notice_count++] =
            schema_missing
                ? arena_format(b->arena, "schema \"%s\" does not exist, skipping", name.schema_name)
                : arena_format(b->arena, "%s \"%s\" does not exist, skipping", what, name.name);
        return STATUS_OK;
    }
    if (schema_missing || strcmp(what, "schema") == 0)
        return error_set(STATUS_INVALID_SCHEMA_NAME, "schema \"%s\" does not exist",
                         schema_missing ? name.schema_name : name.name);
    return error_set(strcmp(what, "index") == 0 ? STATUS_UNDEFINED_OBJECT : STATUS_UNDEFINED_TABLE,
                     "%s \"%s\" does not exist", what, name.name);
}

static enum status wrong_drop(const char *name, const char *what, const char *instead) {
    enum status status = error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is not %s", name, what);
    error_hint("Use DROP %s.", instead);
    return status;
}

static const char *drop_of(const struct table *relation) {
    return relation->kind == RELATION_VIEW       ? "VIEW to remove a view"
           : relation->kind == RELATION_SEQUENCE ? "SEQUENCE to remove a sequence"
                                                 : "TABLE to remove a table";
}

enum status bind_drop(struct binder *b, const PgQuery__DropStmt *node,
                      struct statement *statement) {
    struct statement_objects *objects = &statement->objects;
    const struct table **tables;
    const struct index **indexes;
    const struct sequence **sequences;
    const char **names, **notices;
    TRY(BIND_ARRAY(b, node->n_objects, &tables));
    TRY(BIND_ARRAY(b, node->n_objects, &indexes));
    TRY(BIND_ARRAY(b, node->n_objects, &sequences));
    TRY(BIND_ARRAY(b, node->n_objects, &names));
    TRY(BIND_ARRAY(b, node->n_objects, &notices));
    objects->tables = tables;
    objects->indexes = indexes;
    objects->sequences = sequences;
    objects->names = names;
    objects->notices = notices;
    objects->cascade = node->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;
    for (size_t i = 0; i < node->n_objects; i++) {
        struct drop_name name = dropped_name(node->objects[i]);
        uint32_t at = objects->count;
        const struct table *owner = NULL;
        const struct index *as_index = schema_index(b->schema, name.schema_name, name.name, &owner);
        const struct table *as_table = bind_search_table(b, name.schema_name, name.name);
        const struct sequence *as_sequence = bind_search_sequence(b, name.schema_name, name.name);
        switch (statement->kind) {
        case STATEMENT_DROP_TABLE:
            if (as_sequence != NULL)
                return wrong_drop(name.name, "a table", "SEQUENCE to remove a sequence");
            if (as_table == NULL && as_index != NULL)
                return wrong_drop(name.name, "a table", "INDEX to remove an index");
            if (as_table == NULL) {
                TRY(drop_missing(b, node, objects, notices, "table", name));
                continue;
            }
            if (as_table->kind == RELATION_VIEW)
                return wrong_drop(name.name, "a table", "VIEW to remove a view");
            if (as_table->is_system || as_table->kind != RELATION_TABLE)
                return error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                                 "permission denied: \"%s\" is a system catalog", name.name);
            tables[at] = as_table;
            TRY(bind_add_lock(b, as_table->oid, RELATION_LOCK_ACCESS_EXCLUSIVE));
            break;
        case STATEMENT_DROP_INDEX:
            if (as_index == NULL && as_table != NULL)
                return wrong_drop(name.name, "an index", drop_of(as_table));
            if (as_index == NULL) {
                TRY(drop_missing(b, node, objects, notices, "index", name));
                continue;
            }
            if (owner->is_system)
                return error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                                 "permission denied: \"%s\" is a system catalog", name.name);
            if (as_index->constraint_oid != 0) {
                enum status status =
                    error_set(STATUS_DEPENDENT_OBJECTS,
                              "cannot drop index %s because constraint %s on table %s requires it",
                              name.name, name.name, owner->name);
                error_hint("You can drop constraint %s on table %s instead.", name.name,
                           owner->name);
                return status;
            }
            indexes[at] = as_index;
            tables[at] = owner;
            TRY(bind_add_lock(b, owner->oid, RELATION_LOCK_ACCESS_EXCLUSIVE));
            break;
        case STATEMENT_DROP_SEQUENCE:
            if (as_sequence == NULL && as_table != NULL)
                return wrong_drop(name.name, "a sequence", drop_of(as_table));
            if (as_sequence == NULL) {
                TRY(drop_missing(b, node, objects, notices, "sequence", name));
                continue;
            }
            sequences[at] = as_sequence;
            TRY(bind_add_lock(b, as_sequence->oid, RELATION_LOCK_ACCESS_EXCLUSIVE));
            break;
        case STATEMENT_DROP_SCHEMA:
            if (schema_namespace(b->schema, name.name) == NULL) {
                TRY(drop_missing(b, node, objects, notices, "schema", name));
                continue;
            }
            names[at] = copy_name(b, name.name);
            break;
        default:
            if (as_table == NULL) {
                TRY(drop_missing(b, node, objects, notices, "view", name));
                continue;
            }
            if (as_table->kind == RELATION_TABLE || as_table->kind == RELATION_SEQUENCE)
                return wrong_drop(name.name, "a view", drop_of(as_table));
            if (as_table->is_system)
                return error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                                 "permission denied: \"%s\" is a system catalog", name.name);
            tables[at] = as_table;
            TRY(bind_add_lock(b, as_table->oid, RELATION_LOCK_ACCESS_EXCLUSIVE));
            break;
        }
        objects->count++;
    }
    return STATUS_OK;
}

enum status bind_truncate(struct binder *b, const PgQuery__TruncateStmt *node,
                          struct statement *statement) {
    struct statement_objects *objects = &statement->objects;
    const struct table **tables;
    TRY(BIND_ARRAY(b, node->n_relations, &tables));
    objects->tables = tables;
    objects->restart_identity = node->restart_seqs;
    objects->cascade = node->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;
    for (size_t i = 0; i < node->n_relations; i++) {
        const struct table *table;
        TRY(bind_find_table(b, node->relations[i]->range_var, false, &table));
        if (table->kind == RELATION_VIEW || table->kind == RELATION_SEQUENCE)
            return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is not a table", table->name);
        if (table->is_system || table->kind != RELATION_TABLE)
            return error_set(STATUS_INSUFFICIENT_PRIVILEGE,
                             "permission denied: \"%s\" is a system catalog", table->name);
        tables[objects->count++] = table;
        TRY(bind_add_lock(b, table->oid, RELATION_LOCK_ACCESS_EXCLUSIVE));
    }
    return STATUS_OK;
}
