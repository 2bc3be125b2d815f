/* Names of new objects: chosen as PostgreSQL chooses them, and checked. */
#include "table/catalog_private.h"

#include <stdio.h>

static bool relation_exists(const struct schema *schema, const char *namespace_name,
                            const char *name) {
    return schema_table(schema, namespace_name, name) != NULL ||
           schema_index(schema, namespace_name, name, NULL) != NULL ||
           schema_sequence(schema, namespace_name, name) != NULL;
}

static bool constraint_exists(const struct table *table, const char *name) {
    for (unsigned i = 0; i < table->constraint_count; i++) {
        if (strcmp(table->constraints[i]->name, name) == 0)
            return true;
    }
    return false;
}

/* Bytes of `text` to keep: at most `size`, whole characters. */
static size_t clip(const char *text, size_t size) {
    size_t length = strlen(text);
    if (length <= size)
        return length;
    while (size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80)
        size--;
    return size;
}

/* The longer of both names gives way until all fits NAME_SIZE_MAX bytes. */
static const char *join(struct arena *arena, const char *name1, const char *name2,
                        const char *label) {
    size_t overhead = strlen(label) + 1 + (name2 != NULL);
    size_t size1 = strlen(name1), size2 = name2 == NULL ? 0 : strlen(name2);
    while (size1 + size2 + overhead > NAME_SIZE_MAX) {
        if (size1 > size2)
            size1--;
        else
            size2--;
    }
    size1 = clip(name1, size1);
    if (name2 == NULL)
        return arena_format(arena, "%.*s_%s", (int)size1, name1, label);
    size2 = clip(name2, size2);
    return arena_format(arena, "%.*s_%.*s_%s", (int)size1, name1, (int)size2, name2, label);
}

const char *ddl_choose_name(struct ddl *ddl, const char *namespace_name, const char *name1,
                            const char *name2, const char *label,
                            const struct table *constraints_of) {
    for (unsigned pass = 0;; pass++) {
        char numbered[64];
        snprintf(numbered, sizeof numbered, pass == 0 ? "%s" : "%s%u", label, pass);
        const char *name = join(&ddl->arena, name1, name2, numbered);
        bool taken = constraints_of != NULL && constraint_exists(constraints_of, name);
        if (!taken && namespace_name != NULL)
            taken = relation_exists(ddl->schema, namespace_name, name);
        if (!taken)
            return name;
    }
}

enum status ddl_check_new_relation(const struct ddl *ddl, const char *namespace_name,
                                   const char *name) {
    const struct schema_namespace *space = schema_namespace(ddl->schema, namespace_name);
    if (space == NULL)
        return error_set(STATUS_INVALID_SCHEMA_NAME, "schema \"%s\" does not exist",
                         namespace_name);
    if (space->is_system) {
        error_set(STATUS_INSUFFICIENT_PRIVILEGE, "permission denied to create \"%s.%s\"",
                  namespace_name, name);
        error_detail("System catalog modifications are currently disallowed.");
        return STATUS_INSUFFICIENT_PRIVILEGE;
    }
    if (relation_exists(ddl->schema, namespace_name, name))
        return error_set(STATUS_DUPLICATE_TABLE, "relation \"%s\" already exists", name);
    return STATUS_OK;
}

enum status ddl_check_user_table(const struct table *table) {
    if (!table->is_system)
        return STATUS_OK;
    return error_set(STATUS_INSUFFICIENT_PRIVILEGE, "permission denied: \"%s\" is a system catalog",
                     table->name);
}
