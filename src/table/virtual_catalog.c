/* Rows of the virtual relations of pg_catalog, pg_type apart. */
#include "table/virtual.h"

#include <stdio.h>

#include "table/catalog_private.h"

static const struct virtual_table *relation(const char *name) {
    return virtual__find("pg_catalog", name);
}

/* ---- what never changes --------------------------------------------------------------- */

VIRTUAL_ROWS(pg_am) {
    static const struct {
        uint32_t oid, handler;
        const char *name;
        char type;
    } methods[] = {{OID_AM_HEAP, 3, "heap", 't'}, {OID_AM_BTREE, 330, "btree", 'i'}};
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_am"));
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        add_oid(&row, methods[i].oid);
        add_text(&row, methods[i].name);
        add_oid(&row, methods[i].handler);
        add_letter(&row, methods[i].type);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

VIRTUAL_ROWS(pg_collation) {
    static const struct {
        uint32_t oid;
        const char *name, *locale;
        char provider;
    } collations[] = {
        {100, "default", NULL, 'd'}, {950, "C", "C", 'c'}, {951, "POSIX", "POSIX", 'c'}};
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_collation"));
    for (size_t i = 0; i < sizeof collations / sizeof collations[0]; i++) {
        add_oid(&row, collations[i].oid);
        add_text(&row, collations[i].name);
        add_oid(&row, OID_NAMESPACE_CATALOG);
        add_oid(&row, OID_SUPERUSER);
        add_letter(&row, collations[i].provider);
        add_bool(&row, true);
        add_int(&row, -1);
        add_text(&row, collations[i].locale);
        add_text(&row, collations[i].locale);
        add_nulls(&row, 2);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

/* clang-format off */
static const struct operator_family {
    uint16_t oid;
    const char *name;
} operator_families[] = { /* of btree */
    {397, "array_ops"}, {424, "bool_ops"}, {426, "bpchar_ops"}, {428, "bytea_ops"},
    {429, "char_ops"}, {434, "datetime_ops"}, {1970, "float_ops"}, {1976, "integer_ops"},
    {1982, "interval_ops"}, {1988, "numeric_ops"}, {1989, "oid_ops"}, {1991, "oidvector_ops"},
    {1994, "text_ops"}, {1996, "time_ops"}, {2095, "text_pattern_ops"},
    {2097, "bpchar_pattern_ops"}, {2789, "tid_ops"}, {2968, "uuid_ops"}, {2994, "record_ops"},
    {3194, "record_image_ops"}, {3522, "enum_ops"},
};
static const struct operator_class {
    uint16_t oid, family, type_id;
    const char *name;
    bool is_default;
    uint16_t key_type_id;
} operator_classes[] = { /* of btree */
    {1978, 1976, 23, "int4_ops", true, 0}, {1979, 1976, 21, "int2_ops", true, 0},
    {1981, 1989, 26, "oid_ops", true, 0}, {3122, 434, 1082, "date_ops", true, 0},
    {3123, 1970, 701, "float8_ops", true, 0}, {3124, 1976, 20, "int8_ops", true, 0},
    {3125, 1988, 1700, "numeric_ops", true, 0}, {3126, 1994, 25, "text_ops", true, 0},
    {3127, 434, 1184, "timestamptz_ops", true, 0}, {3128, 434, 1114, "timestamp_ops", true, 0},
    {4217, 2095, 25, "text_pattern_ops", false, 0},
    {4218, 2095, 25, "varchar_pattern_ops", false, 0},
    {4219, 2097, 1042, "bpchar_pattern_ops", false, 0}, {10000, 397, 2277, "array_ops", true, 0},
    {10003, 424, 16, "bool_ops", true, 0}, {10004, 426, 1042, "bpchar_ops", true, 0},
    {10006, 428, 17, "bytea_ops", true, 0}, {10007, 429, 18, "char_ops", true, 0},
    {10012, 1970, 700, "float4_ops", true, 0}, {10022, 1982, 1186, "interval_ops", true, 0},
    {10028, 1994, 19, "name_ops", true, 2275}, {10032, 1991, 30, "oidvector_ops", true, 0},
    {10034, 2994, 2249, "record_ops", true, 0}, {10036, 3194, 2249, "record_image_ops", false, 0},
    {10038, 1996, 1083, "time_ops", true, 0}, {10044, 1994, 25, "varchar_ops", false, 0},
    {10050, 2789, 27, "tid_ops", true, 0}, {10065, 2968, 2950, "uuid_ops", true, 0},
    {10069, 3522, 3500, "enum_ops", true, 0},
};
/* clang-format on */

VIRTUAL_ROWS(pg_opfamily) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_opfamily"));
    for (size_t i = 0; i < sizeof operator_families / sizeof operator_families[0]; i++) {
        add_oid(&row, operator_families[i].oid);
        add_oid(&row, OID_AM_BTREE);
        add_text(&row, operator_families[i].name);
        add_oid(&row, OID_NAMESPACE_CATALOG);
        add_oid(&row, OID_SUPERUSER);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

VIRTUAL_ROWS(pg_opclass) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_opclass"));
    for (size_t i = 0; i < sizeof operator_classes / sizeof operator_classes[0]; i++) {
        add_oid(&row, operator_classes[i].oid);
        add_oid(&row, OID_AM_BTREE);
        add_text(&row, operator_classes[i].name);
        add_oid(&row, OID_NAMESPACE_CATALOG);
        add_oid(&row, OID_SUPERUSER);
        add_oid(&row, operator_classes[i].family);
        add_oid(&row, operator_classes[i].type_id);
        add_bool(&row, operator_classes[i].is_default);
        add_oid(&row, operator_classes[i].key_type_id);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

VIRTUAL_ROWS(pg_language) {
    static const struct {
        uint32_t oid, validator;
        const char *name;
        bool trusted;
    } languages[] = {
        {12, 2246, "internal", false}, {13, 2247, "c", false}, {14, 2248, "sql", true}};
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_language"));
    for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++) {
        add_oid(&row, languages[i].oid);
        add_text(&row, languages[i].name);
        add_oid(&row, OID_SUPERUSER);
        add_bool(&row, false);
        add_bool(&row, languages[i].trusted);
        add_oid(&row, 0);
        add_oid(&row, 0);
        add_oid(&row, languages[i].validator);
        add_nulls(&row, 1);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

VIRTUAL_ROWS(pg_tablespace) {
    static const struct {
        uint32_t oid;
        const char *name;
    } spaces[] = {{OID_TABLESPACE_DEFAULT, "pg_default"}, {1664, "pg_global"}};
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_tablespace"));
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        add_oid(&row, spaces[i].oid);
        add_text(&row, spaces[i].name);
        add_oid(&row, OID_SUPERUSER);
        add_nulls(&row, 2);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

/* ---- roles ---------------------------------------------------------------------------- */

VIRTUAL_ROWS(pg_roles) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_roles"));
    add_text(&row, VIRTUAL_OWNER_NAME);
    for (int i = 0; i < 6; i++)
        add_bool(&row, true);
    add_int(&row, -1);
    add_text(&row, "********");
    add_nulls(&row, 1);
    add_bool(&row, true);
    add_nulls(&row, 1);
    add_oid(&row, OID_SUPERUSER);
    return virtual_row_end(&row, sink);
}

static enum status user_row(const char *name, const char *password, struct virtual_sink *sink) {
    struct virtual_row row;
    virtual_row_begin(&row, relation(name));
    add_text(&row, VIRTUAL_OWNER_NAME);
    add_oid(&row, OID_SUPERUSER);
    for (int i = 0; i < 4; i++)
        add_bool(&row, true);
    add_text(&row, password);
    add_nulls(&row, 2);
    return virtual_row_end(&row, sink);
}

VIRTUAL_ROWS(pg_user) {
    return user_row("pg_user", "********", sink);
}

VIRTUAL_ROWS(pg_shadow) {
    return user_row("pg_shadow", NULL, sink);
}

/* ---- relations ------------------------------------------------------------------------ */

/* The kind that clients are told. */
static char shown_kind(const struct table *table) {
    if (table->kind == RELATION_VIEW)
        return 'v';
    if (table->virtual_table == NULL)
        return (char)table->kind;
    return table->virtual_table->kind == 'r' ? 'r' : 'v';
}

VIRTUAL_ROWS(pg_tables) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_tables"));
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        if (shown_kind(table) != 'r')
            continue;
        add_text(&row, table->namespace_name);
        add_text(&row, table->name);
        add_text(&row, VIRTUAL_OWNER_NAME);
        add_nulls(&row, 1);
        add_bool(&row, table->index_count > 0);
        add_bool(&row, false);
        add_bool(&row, false);
        add_bool(&row, false);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

VIRTUAL_ROWS(pg_views) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_views"));
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        if (shown_kind(table) != 'v')
            continue;
        add_text(&row, table->namespace_name);
        add_text(&row, table->name);
        add_text(&row, VIRTUAL_OWNER_NAME);
        add_text(&row, table->view_text);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

static void add_body(struct virtual_row *row, struct slice body) {
    if (body.size == 0) {
        add_nulls(row, 1);
        return;
    }
    struct value *value = &row->values[row->at];
    add_text(row, "");
    value->string = body;
}

static enum status stats_row(struct virtual_row *row, const struct table *table,
                             const struct table_column_statistics *column,
                             struct virtual_sink *sink) {
    add_text(row, table->namespace_name);
    add_text(row, table->name);
    add_text(row, table->columns[column->number - 1].name);
    add_bool(row, false);
    add_float(row, column->null_share);
    add_int(row, column->average_width);
    add_float(row, column->distinct);
    add_body(row, column->common_values);
    add_body(row, column->common_shares);
    add_body(row, column->histogram);
    add_nulls(row, 4);
    return virtual_row_end(row, sink);
}

VIRTUAL_ROWS(pg_stats) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_stats"));
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        for (unsigned c = 0; table->statistics != NULL && c < table->column_count; c++)
            if (table->statistics[c].number != 0)
                TRY(stats_row(&row, table, &table->statistics[c], sink));
    }
    return STATUS_OK;
}

/* A view's rule, with its text for a tree. */
VIRTUAL_ROWS(pg_rewrite) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_rewrite"));
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        if (table->kind != RELATION_VIEW)
            continue;
        add_oid(&row, table->oid + VIEW_RULE);
        add_text(&row, "_RETURN");
        add_oid(&row, table->oid);
        add_letter(&row, '1');
        add_letter(&row, 'O');
        add_bool(&row, true);
        add_text(&row, "<>");
        add_text(&row, table->view_text);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

const char *virtual__quote(struct arena *arena, const char *name) {
    bool plain = (*name >= 'a' && *name <= 'z') || *name == '_';
    for (const char *at = name; *at != '\0' && plain; at++)
        plain = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '_';
    if (plain)
        return name;
    char *quoted = arena_alloc(arena, strlen(name) * 2 + 3), *to = quoted;
    *to++ = '"';
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '"')
            *to++ = '"';
        *to++ = *at;
    }
    *to++ = '"';
    *to = '\0';
    return quoted;
}

const char *virtual__index_definition(struct arena *arena, const struct table *table,
                                      const struct index *index) {
    const char *columns = "";
    for (unsigned i = 0; i < index->column_count; i++) {
        const struct index_column *column = &index->columns[i];
        const char *order = column->descending ? " DESC" : "";
        const char *nulls = column->nulls_first == column->descending ? ""
                            : column->nulls_first                     ? " NULLS FIRST"
                                                                      : " NULLS LAST";
        columns = arena_format(
            arena, "%s%s%s%s%s", columns, i == 0 ? "" : ", ",
            virtual__quote(arena, table->columns[column->column_number - 1].name), order, nulls);
    }
    return arena_format(arena, "CREATE %sINDEX %s ON %s.%s USING btree (%s)",
                        index->unique ? "UNIQUE " : "", virtual__quote(arena, index->name),
                        virtual__quote(arena, table->namespace_name),
                        virtual__quote(arena, table->name), columns);
}

VIRTUAL_ROWS(pg_indexes) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_indexes"));
    struct arena arena = {0};
    enum status status = STATUS_OK;
    for (size_t t = 0; t < schema_table_count(schema); t++) {
        const struct table *table = schema_table_at(schema, t);
        for (unsigned i = 0; i < table->index_count && status == STATUS_OK; i++) {
            add_text(&row, table->namespace_name);
            add_text(&row, table->name);
            add_text(&row, table->indexes[i]->name);
            add_nulls(&row, 1);
            add_text(&row, virtual__index_definition(&arena, table, table->indexes[i]));
            status = virtual_row_end(&row, sink);
        }
        arena_reset(&arena);
    }
    arena_release(&arena);
    return status;
}

VIRTUAL_ROWS(pg_sequences) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_sequences"));
    for (size_t i = 0; i < schema_sequence_count(schema); i++) {
        const struct sequence *sequence = schema_sequence_at(schema, i);
        int64_t last, left;
        bool is_called;
        TRY(sequence_state(f, catalog, sequence, &last, &left, &is_called));
        add_text(&row, sequence->namespace_name);
        add_text(&row, sequence->name);
        add_text(&row, VIRTUAL_OWNER_NAME);
        add_oid(&row, sequence->type.id);
        add_int(&row, sequence->start);
        add_int(&row, sequence->minimum);
        add_int(&row, sequence->maximum);
        add_int(&row, sequence->increment);
        add_bool(&row, sequence->cycle);
        add_int(&row, sequence->cache);
        if (is_called)
            add_int(&row, last);
        else
            add_nulls(&row, 1);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

/* ---- locks ---------------------------------------------------------------------------- */

struct lock_list {
    struct arena arena;
    struct lock_view *views;
    size_t count, capacity;
    bool failed;
};

static void keep_lock(void *context, const struct lock_view *view) {
    struct lock_list *list = context;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct lock_view *grown;
        if (arena__array(&list->arena, capacity, sizeof *grown, &grown) != STATUS_OK) {
            list->failed = true;
            return;
        }
        if (list->count > 0)
            memcpy(grown, list->views, list->count * sizeof *grown);
        list->views = grown;
        list->capacity = capacity;
    }
    list->views[list->count++] = *view;
}

/* The relation that a key lock's tree belongs to. */
static uint32_t relation_of_tree(const struct schema *schema, uint32_t tree) {
    for (size_t t = 0; t < schema_table_count(schema); t++) {
        const struct table *table = schema_table_at(schema, t);
        if (table->kind == RELATION_TABLE && table->row_tree.value == tree)
            return table->oid;
        for (unsigned i = 0; i < table->index_count; i++) {
            if (table->indexes[i]->tree.value == tree)
                return table->indexes[i]->oid;
        }
    }
    return 0;
}

static enum status lock_row(struct virtual_row *row, const struct schema *schema,
                            const struct lock_view *view, struct virtual_sink *sink) {
    char transaction[32];
    snprintf(transaction, sizeof transaction, "1/%llu",
             (unsigned long long)view->transaction.value);
    add_text(row, view->is_relation ? "relation" : "tuple");
    add_oid(row, OID_DATABASE);
    add_oid(row,
            view->is_relation ? view->oid_or_tree : relation_of_tree(schema, view->oid_or_tree));
    add_nulls(row, 7);
    add_text(row, transaction);
    add_nulls(row, 1); /* pid */
    add_text(row, view->mode);
    add_bool(row, view->granted);
    add_bool(row, false);
    add_nulls(row, 1);
    return virtual_row_end(row, sink);
}

VIRTUAL_ROWS(pg_locks) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("pg_locks"));
    struct lock_list list = {0};
    enum status status = store_locks_visit(f, catalog_store(catalog), keep_lock, &list);
    if (status == STATUS_OK && list.failed)
        status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < list.count && status == STATUS_OK; i++)
        status = lock_row(&row, schema, &list.views[i], sink);
    arena_release(&list.arena);
    return status;
}
