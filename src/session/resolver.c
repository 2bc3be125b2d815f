#include <stdio.h>
#include <stdlib.h>

#include "session/state.h"
#include "sql/sql_function.h"

/* Names of reg* values (regclass, regtype ...) through the schema of the statement that runs. */

/* Cut "a"."b" or a.b into at most two folded parts; false when it is not such a name. */
static bool split_name(struct slice name, char parts[2][NAME_SIZE_MAX + 1], size_t *count_out) {
    size_t at = 0;
    *count_out = 0;
    while (at < name.size && *count_out < 2) {
        char *part = parts[(*count_out)++];
        size_t used = 0;
        bool quoted = name.data[at] == '"';
        at += quoted;
        for (; at < name.size; at++) {
            char c = (char)name.data[at];
            if (quoted && c == '"') {
                if (at + 1 < name.size && name.data[at + 1] == '"')
                    at++;
                else
                    break;
            } else if (!quoted && c == '.') {
                break;
            } else if (!quoted && c >= 'A' && c <= 'Z') {
                c = (char)(c - 'A' + 'a');
            }
            if (used < NAME_SIZE_MAX)
                part[used++] = c;
        }
        part[used] = '\0';
        if (quoted) {
            if (at >= name.size)
                return false;
            at++;
        }
        if (at == name.size)
            return *part != '\0';
        if (name.data[at++] != '.')
            return false;
    }
    return false;
}

static uint32_t relation_oid(const struct schema *schema, const char *namespace_name,
                             const char *name) {
    const struct table *table = schema_table(schema, namespace_name, name);
    if (table != NULL)
        return table->oid;
    const struct index *index = schema_index(schema, namespace_name, name, &table);
    if (index != NULL)
        return index->oid;
    const struct sequence *sequence = schema_sequence(schema, namespace_name, name);
    return sequence == NULL ? 0 : sequence->oid;
}

/* The schemas of the search path, or the named one. */
static uint32_t find_relation(struct session *session, const struct schema *schema,
                              const char *namespace_name, const char *name) {
    if (namespace_name != NULL)
        return relation_oid(schema, namespace_name, name);
    uint32_t oid = relation_oid(schema, "pg_catalog", name);
    for (size_t i = 0; i < session->search_path_count && oid == 0; i++)
        oid = relation_oid(schema, session->search_path[i], name);
    return oid;
}

/* SQL names of types that differ from pg_type.typname. */
static const struct type_info *find_type(const char *name) {
    const struct type_info *info = type_by_typname(slice_of_text(name));
    for (size_t i = 0; info == NULL && i < type_info_count(); i++)
        if (strcmp(type_info_at(i)->name, name) == 0)
            info = type_info_at(i);
    if (info == NULL && strcmp(name, "int") == 0)
        info = type_info(TYPE_INT4);
    if (info == NULL && strcmp(name, "decimal") == 0)
        info = type_info(TYPE_NUMERIC);
    return info;
}

static enum status unknown_name(uint32_t type_id, struct slice name) {
    int size = (int)(name.size > 200 ? 200 : name.size);
    const char *text = (const char *)name.data;
    switch (type_id) {
    case TYPE_REGCLASS:
        return error_set(STATUS_UNDEFINED_TABLE, "relation \"%.*s\" does not exist", size, text);
    case TYPE_REGTYPE:
        return error_set(STATUS_UNDEFINED_OBJECT, "type \"%.*s\" does not exist", size, text);
    case TYPE_REGNAMESPACE:
        return error_set(STATUS_INVALID_SCHEMA_NAME, "schema \"%.*s\" does not exist", size, text);
    case TYPE_REGROLE:
        return error_set(STATUS_UNDEFINED_OBJECT, "role \"%.*s\" does not exist", size, text);
    default:
        return error_set(STATUS_UNDEFINED_FUNCTION, "function \"%.*s\" does not exist", size, text);
    }
}

static const struct function *find_function(const char *name) {
    for (size_t i = 0; i < function_count(); i++)
        if (strcmp(function_at(i)->name, name) == 0)
            return function_at(i);
    return NULL;
}

enum { OWNER_OID = 10 }; /* the superuser's, as PostgreSQL's bootstrap role */

static uint32_t find_in(struct session *session, const struct schema *schema, uint32_t type_id,
                        const char *namespace_name, const char *name) {
    switch (type_id) {
    case TYPE_REGCLASS:
        return find_relation(session, schema, namespace_name, name);
    case TYPE_REGTYPE: {
        const struct type_info *info = find_type(name);
        return info == NULL ? 0 : info->id;
    }
    case TYPE_REGNAMESPACE: {
        const struct schema_namespace *found = schema_namespace(schema, name);
        return found == NULL ? 0 : found->oid;
    }
    case TYPE_REGROLE:
        return strcmp(name, session->user) == 0 ? OWNER_OID : 0;
    case TYPE_REGPROC: {
        const struct function *function = find_function(name);
        return function == NULL ? 0 : function->oid;
    }
    default:
        return 0;
    }
}

static enum status resolver_find(void *data, uint32_t type_id, struct slice name,
                                 uint32_t *oid_out) {
    struct session *session = data;
    char parts[2][NAME_SIZE_MAX + 1];
    size_t count;
    bool whole = type_id == TYPE_REGTYPE; /* "double precision" has no parts */
    if (!split_name(name, parts, &count) && !whole)
        return error_set(STATUS_INVALID_NAME, "invalid name syntax");
    struct schema *schema = session->schema_now != NULL ? (struct schema *)session->schema_now
                                                        : session__schema(session);
    *oid_out = find_in(session, schema, type_id, count == 2 ? parts[0] : NULL, parts[count - 1]);
    if (session->schema_now == NULL)
        schema_release(schema);
    return *oid_out != 0 ? STATUS_OK : unknown_name(type_id, name);
}

/* ---- back to names ---------------------------------------------------------------------- */

static void append_identifier(struct buffer *buffer, const char *name) {
    bool plain = *name == '_' || (*name >= 'a' && *name <= 'z');
    for (const char *at = name; *at != '\0' && plain; at++)
        plain =
            *at == '_' || (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '$';
    if (plain) {
        buffer_append_text(buffer, name);
        return;
    }
    buffer_append_byte(buffer, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            buffer_append_byte(buffer, '"');
        buffer_append_byte(buffer, (uint8_t)*name);
    }
    buffer_append_byte(buffer, '"');
}

bool session__append_relation(struct session *session, const struct schema *schema, uint32_t oid,
                              struct buffer *buffer) {
    const char *namespace_name = NULL, *name = NULL;
    const struct table *table = schema_table_by_oid(schema, oid);
    const struct index *index = NULL;
    const struct sequence *sequence = NULL;
    if (table != NULL) {
        namespace_name = table->namespace_name;
        name = table->name;
    } else if ((index = schema_index_by_oid(schema, oid, &table)) != NULL) {
        namespace_name = table->namespace_name;
        name = index->name;
    } else if ((sequence = schema_sequence_by_oid(schema, oid)) != NULL) {
        namespace_name = sequence->namespace_name;
        name = sequence->name;
    } else {
        return false;
    }
    if (find_relation(session, schema, NULL, name) != oid) {
        append_identifier(buffer, namespace_name);
        buffer_append_byte(buffer, '.');
    }
    append_identifier(buffer, name);
    return true;
}

static bool describe_in(struct session *session, const struct schema *schema, uint32_t type_id,
                        uint32_t oid, struct buffer *buffer) {
    switch (type_id) {
    case TYPE_REGCLASS:
        return session__append_relation(session, schema, oid, buffer);
    case TYPE_REGTYPE:
        if (type_info(oid) == NULL)
            return false;
        type_format(type_plain(oid), buffer);
        return true;
    case TYPE_REGNAMESPACE: {
        const struct schema_namespace *found = schema_namespace_by_oid(schema, oid);
        if (found != NULL)
            append_identifier(buffer, found->name);
        return found != NULL;
    }
    case TYPE_REGROLE:
        if (oid != OWNER_OID)
            return false;
        append_identifier(buffer, "satori");
        return true;
    case TYPE_REGPROC: {
        const struct function *function = function_by_oid(oid);
        if (function != NULL)
            append_identifier(buffer, function->name);
        return function != NULL;
    }
    default:
        return false;
    }
}

static bool resolver_describe(void *data, uint32_t type_id, uint32_t oid, struct buffer *buffer) {
    struct session *session = data;
    struct schema *schema = session->schema_now != NULL ? (struct schema *)session->schema_now
                                                        : session__schema(session);
    bool found = describe_in(session, schema, type_id, oid, buffer);
    if (session->schema_now == NULL)
        schema_release(schema);
    return found;
}

void session__resolver_init(struct session *session) {
    session->resolver = (struct value_resolver){
        .data = session,
        .find = resolver_find,
        .describe = resolver_describe,
    };
}
