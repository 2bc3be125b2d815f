/*
 * Views: a relation without rows, its SELECT as text in satori_view, and dependencies of its rule
 * on the relations and columns that it reads.
 */
#include "table/catalog_private.h"

enum status ddl_check_no_view(const struct ddl *ddl, const struct table *table,
                              int16_t column_number, const char *what) {
    const struct table *view = schema_view_using(ddl->schema, table->oid, column_number, 0);
    if (view == NULL)
        return STATUS_OK;
    error_set(STATUS_DEPENDENT_OBJECTS, "cannot drop %s because other objects depend on it", what);
    error_detail("view %s depends on %s", view->name, what);
    error_hint("Use DROP ... CASCADE to drop the dependent objects too.");
    return STATUS_DEPENDENT_OBJECTS;
}

static enum status check_columns(const struct view_spec *spec) {
    if (spec->column_count > COLUMNS_MAX)
        return error_set(STATUS_TOO_MANY_COLUMNS, "views can have at most %d columns",
                         (int)COLUMNS_MAX);
    for (unsigned i = 0; i < spec->column_count; i++) {
        for (unsigned k = 0; k < i; k++) {
            if (strcmp(spec->columns[k].name, spec->columns[i].name) == 0)
                return error_set(STATUS_DUPLICATE_COLUMN, "column \"%s\" specified more than once",
                                 spec->columns[i].name);
        }
    }
    return STATUS_OK;
}

/* The text, and what it reads. */
static enum status definition_insert(struct fiber *f, struct ddl *ddl, uint32_t oid,
                                     const struct view_spec *spec) {
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_SATORI_VIEW, row);
    set_oid(row, VIEW_RELID, oid);
    set_text(row, VIEW_DEFINITION, spec->text);
    TRY(catalog_row_insert(f, ddl, OID_SATORI_VIEW, row));
    for (uint32_t i = 0; i < spec->reference_count; i++)
        TRY(catalog_depend_insert(f, ddl,
                                  &(struct dependency){OID_PG_REWRITE, oid + VIEW_RULE, 0,
                                                       OID_PG_CLASS, spec->references[i].oid,
                                                       spec->references[i].column_number, 'n'}));
    return STATUS_OK;
}

static enum status definition_delete(struct fiber *f, struct ddl *ddl, uint32_t oid) {
    struct value key = value_oid(oid);
    TRY(catalog_rows_delete(f, ddl, OID_SATORI_VIEW, OID_VIEW_INDEX, &key, 1));
    return catalog_dependencies_delete(f, ddl, OID_PG_REWRITE, oid + VIEW_RULE);
}

static enum status columns_insert(struct fiber *f, struct ddl *ddl, uint32_t oid,
                                  const struct view_spec *spec, unsigned first) {
    for (unsigned i = first; i < spec->column_count; i++) {
        struct attribute_spec attribute = {.relation_oid = oid,
                                           .name = spec->columns[i].name,
                                           .number = (int)i + 1,
                                           .type = spec->columns[i].type};
        TRY(catalog_attribute_insert(f, ddl, &attribute));
    }
    return STATUS_OK;
}

static enum status insert_view(struct fiber *f, struct ddl *ddl, const struct view_spec *spec,
                               uint32_t *oid_out) {
    const char *namespace_name = spec->namespace_name == NULL ? "public" : spec->namespace_name;
    TRY(ddl_check_new_relation(ddl, namespace_name, spec->name));
    TRY(check_columns(spec));
    uint32_t oid; /* the view, its array type, its row type, its rule */
    TRY(catalog__take_oids(f, ddl->catalog, VIEW_RULE + 1, &oid));
    struct class_spec relation = {
        .oid = oid,
        .namespace_oid = schema_namespace(ddl->schema, namespace_name)->oid,
        .type_oid = oid + 2,
        .name = spec->name,
        .kind = 'v',
        .replica_identity = 'n',
        .column_count = spec->column_count,
    };
    TRY(catalog_class_insert(f, ddl, &relation));
    TRY(columns_insert(f, ddl, oid, spec, 0));
    TRY(definition_insert(f, ddl, oid, spec));
    *oid_out = oid;
    TRY(catalog_depend_insert(
        f, ddl,
        &(struct dependency){OID_PG_REWRITE, oid + VIEW_RULE, 0, OID_PG_CLASS, oid, 0, 'i'}));
    return catalog_depend_insert(f, ddl,
                                 &(struct dependency){OID_PG_CLASS, oid, 0, OID_PG_NAMESPACE,
                                                      relation.namespace_oid, 0, 'n'});
}

static enum status replace_view(struct fiber *f, struct ddl *ddl, const struct view_spec *spec,
                                const struct table *old) {
    TRY(check_columns(spec));
    TRY(definition_delete(f, ddl, old->oid));
    TRY(transaction_command_end(f, ddl->context.transaction));
    TRY(definition_insert(f, ddl, old->oid, spec));
    TRY(catalog_depend_insert(f, ddl,
                              &(struct dependency){OID_PG_REWRITE, old->oid + VIEW_RULE, 0,
                                                   OID_PG_CLASS, old->oid, 0, 'i'}));
    if (spec->column_count == old->column_count)
        return STATUS_OK;
    TRY(columns_insert(f, ddl, old->oid, spec, old->column_count));
    struct catalog_row row;
    TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, old->oid, &row));
    set_int(row.row, CLASS_RELNATTS, spec->column_count);
    return catalog_row_update(f, ddl, &row);
}

enum status catalog_create_view(struct fiber *f, struct catalog *catalog,
                                struct transaction *transaction, const struct schema *schema,
                                const struct view_spec *spec, const struct table *replaced,
                                uint32_t *view_oid_out) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    if (replaced == NULL)
        return ddl_end(f, &ddl, insert_view(f, &ddl, spec, view_oid_out));
    *view_oid_out = replaced->oid;
    return ddl_end(f, &ddl, replace_view(f, &ddl, spec, replaced));
}

static enum status drop_view(struct fiber *f, struct ddl *ddl, const struct table *view) {
    TRY(ddl_check_user_table(view));
    TRY(ddl_check_no_view(ddl, view, 0, arena_format(&ddl->arena, "view %s", view->name)));
    TRY(definition_delete(f, ddl, view->oid));
    return catalog_relation_delete(f, ddl, view->oid);
}

enum status catalog_drop_view(struct fiber *f, struct catalog *catalog,
                              struct transaction *transaction, const struct schema *schema,
                              const struct table *view) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, drop_view(f, &ddl, view));
}
