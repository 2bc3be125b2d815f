/* Column names: through the scopes of the query and those around it. */
#include <string.h>

#include "sql/bind.h"

static struct query *query_at_level(struct binder *b, uint32_t level) {
    struct query *query = b->query;
    while (level-- > 0 && query != NULL)
        query = query->parent;
    return query;
}

void bind_mark_used(struct binder *b, const struct expression *variable) {
    struct query *query = query_at_level(b, variable->variable.level);
    ASSERT(query != NULL);
    struct relation *relation = query->relations[variable->variable.relation];
    if (variable->variable.column < 0)
        relation->uses_tableoid = true;
    else
        relation->used[variable->variable.column] = true;
}

/* A scope's expression as seen `level` queries further in. */
static struct expression *raise_level(struct binder *b, const struct expression *expression,
                                      uint32_t level, int location) {
    struct expression *copy = expression_copy(b, expression);
    copy->location = location;
    if (copy->kind == EXPRESSION_VARIABLE) {
        copy->variable.level = level;
        bind_mark_used(b, copy);
    }
    for (uint32_t i = 0; i < copy->argument_count; i++)
        copy->arguments[i] = raise_level(b, copy->arguments[i], level, location);
    return copy;
}

/* Search one scope item. *count_out: how many columns have the name. */
static const struct scope_column *search_item(const struct scope_item *item, const char *name,
                                              size_t *count_out) {
    const struct scope_column *found = NULL;
    *count_out = 0;
    for (uint32_t i = 0; i < item->column_count; i++) {
        if (item->columns[i].name != NULL && strcmp(item->columns[i].name, name) == 0) {
            found = &item->columns[i];
            (*count_out)++;
        }
    }
    return found;
}

static enum status system_column(struct binder *b, const struct query *query,
                                 const struct scope_item *item, const char *name, uint32_t level,
                                 int location, struct expression **out) {
    *out = NULL;
    if (item->relation < 0 || query->relations[item->relation]->source != RELATION_OF_TABLE)
        return STATUS_OK;
    if (strcmp(name, "tableoid") == 0) {
        *out = expression_variable(b, level, (uint32_t)item->relation, -1, TYPE_OF(OID));
        (*out)->location = location;
        bind_mark_used(b, *out);
        return STATUS_OK;
    }
    if (strcmp(name, "ctid") == 0 || strcmp(name, "xmin") == 0 || strcmp(name, "xmax") == 0 ||
        strcmp(name, "cmin") == 0 || strcmp(name, "cmax") == 0)
        return bind_unsupported(b, location, "system column \"%s\"", name);
    return STATUS_OK;
}

static enum status lateral_error(struct binder *b, const struct scope_item *item, int location) {
    enum status status = bind_error(b, location, STATUS_UNDEFINED_TABLE,
                                    "invalid reference to FROM-clause entry for table \"%s\"",
                                    item->alias != NULL ? item->alias : "?");
    error_hint("There is an entry for table \"%s\", but it cannot be referenced from this part of "
               "the query.",
               item->alias != NULL ? item->alias : "?");
    return status;
}

static enum status unqualified(struct binder *b, const char *name, int location,
                               struct expression **out) {
    uint32_t level = 0;
    *out = NULL;
    for (struct query *query = b->query; query != NULL; query = query->parent, level++) {
        const struct scope_column *found = NULL;
        const struct scope_item *blocked = NULL;
        size_t total = 0;
        for (const struct scope_item *item = query->scope; item != NULL; item = item->next) {
            size_t count;
            if (!item->columns_visible)
                continue;
            const struct scope_column *column = search_item(item, name, &count);
            if (count == 0)
                continue;
            if (item->lateral_blocked) {
                blocked = item;
                continue;
            }
            found = column;
            total += count;
        }
        if (total > 1)
            return bind_error(b, location, STATUS_AMBIGUOUS_COLUMN,
                              "column reference \"%s\" is ambiguous", name);
        if (total == 1) {
            *out = raise_level(b, found->expression, level, location);
            return STATUS_OK;
        }
        if (blocked != NULL && query->parent == NULL)
            return lateral_error(b, blocked, location);
        for (const struct scope_item *item = query->scope; item != NULL; item = item->next) {
            if (item->columns_visible && !item->lateral_blocked)
                TRY(system_column(b, query, item, name, level, location, out));
            if (*out != NULL)
                return STATUS_OK;
        }
    }
    return STATUS_OK;
}

static const struct scope_item *find_item(const struct query *query, const char *schema_name,
                                          const char *alias, bool *ambiguous) {
    const struct scope_item *found = NULL;
    for (const struct scope_item *item = query->scope; item != NULL; item = item->next) {
        if (!item->name_visible || item->alias == NULL || strcmp(item->alias, alias) != 0)
            continue;
        if (schema_name != NULL &&
            (item->schema_name == NULL || strcmp(item->schema_name, schema_name) != 0))
            continue;
        *ambiguous |= found != NULL;
        found = item;
    }
    return found;
}

/* The whole row of a relation as a record. */
static struct expression *whole_row(struct binder *b, const struct scope_item *item, uint32_t level,
                                    int location) {
    struct expression **fields = ARENA_ARRAY(b->arena, struct expression *, item->column_count);
    for (uint32_t i = 0; i < item->column_count; i++)
        fields[i] = raise_level(b, item->columns[i].expression, level, location);
    return expression_list(b, EXPRESSION_ROW, TYPE_OF(RECORD), location, item->column_count,
                           fields);
}

static enum status qualified(struct binder *b, const char *schema_name, const char *alias,
                             const char *name, int location, struct expression **out) {
    uint32_t level = 0;
    for (struct query *query = b->query; query != NULL; query = query->parent, level++) {
        bool ambiguous = false;
        const struct scope_item *item = find_item(query, schema_name, alias, &ambiguous);
        if (ambiguous)
            return bind_error(b, location, STATUS_AMBIGUOUS_ALIAS,
                              "table reference \"%s\" is ambiguous", alias);
        if (item == NULL)
            continue;
        if (item->lateral_blocked)
            return lateral_error(b, item, location);
        size_t count;
        const struct scope_column *column = search_item(item, name, &count);
        if (count > 1)
            return bind_error(b, location, STATUS_AMBIGUOUS_COLUMN,
                              "column reference \"%s\" is ambiguous", name);
        if (count == 1) {
            *out = raise_level(b, column->expression, level, location);
            return STATUS_OK;
        }
        TRY(system_column(b, query, item, name, level, location, out));
        if (*out != NULL)
            return STATUS_OK;
        return bind_error(b, location, STATUS_UNDEFINED_COLUMN, "column %s.%s does not exist",
                          alias, name);
    }
    /* Hidden by an alias? */
    for (struct query *query = b->query; query != NULL; query = query->parent)
        for (uint32_t i = 0; i < query->relation_count; i++) {
            const struct relation *relation = query->relations[i];
            if (relation->source == RELATION_OF_TABLE &&
                strcmp(relation->table->name, alias) == 0) {
                enum status status =
                    bind_error(b, location, STATUS_UNDEFINED_TABLE,
                               "invalid reference to FROM-clause entry for table \"%s\"", alias);
                if (strcmp(relation->alias, alias) != 0)
                    error_hint("Perhaps you meant to reference the table alias \"%s\".",
                               relation->alias);
                return status;
            }
        }
    return bind_error(b, location, STATUS_UNDEFINED_TABLE,
                      "missing FROM-clause entry for table \"%s\"", alias);
}

enum status bind_column_ref(struct binder *b, const PgQuery__ColumnRef *ref,
                            struct expression **out) {
    size_t count = ref->n_fields;
    *out = NULL;
    if (count > 0 && NODE_IS(ref->fields[count - 1], A_STAR)) {
        if (count != 2)
            return bind_error(b, ref->location, STATUS_SYNTAX_ERROR,
                              "row expansion via \"*\" is not supported here");
        return bind_unsupported(b, ref->location, "row expansion via \"*\" here");
    }
    if (count == 1) {
        const char *name = node_text(ref->fields[0]);
        TRY(unqualified(b, name, ref->location, out));
        if (*out != NULL)
            return STATUS_OK;
        uint32_t level = 0;
        for (struct query *query = b->query; query != NULL; query = query->parent, level++) {
            bool ambiguous = false;
            const struct scope_item *item = find_item(query, NULL, name, &ambiguous);
            if (item == NULL || ambiguous || item->lateral_blocked)
                continue;
            *out = whole_row(b, item, level, ref->location);
            return STATUS_OK;
        }
        return bind_error(b, ref->location, STATUS_UNDEFINED_COLUMN, "column \"%s\" does not exist",
                          name);
    }
    if (count == 2)
        return qualified(b, NULL, node_text(ref->fields[0]), node_text(ref->fields[1]),
                         ref->location, out);
    if (count == 3)
        return qualified(b, node_text(ref->fields[0]), node_text(ref->fields[1]),
                         node_text(ref->fields[2]), ref->location, out);
    if (count == 4)
        return qualified(b, node_text(ref->fields[1]), node_text(ref->fields[2]),
                         node_text(ref->fields[3]), ref->location, out);
    return bind_error(b, ref->location, STATUS_SYNTAX_ERROR,
                      "improper qualified name (too many dotted names)");
}
