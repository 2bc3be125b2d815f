/* CREATE INDEX, REINDEX, constraints. */
#include "table/catalog_private.h"

/* ---- create index --------------------------------------------------------------------- */

static enum status check_spec(const struct table *table, const struct index_spec *spec) {
    if (spec->column_count > INDEX_COLUMNS_MAX)
        return error_set(STATUS_TOO_MANY_COLUMNS, "cannot use more than %d columns in an index",
                         (int)INDEX_COLUMNS_MAX);
    for (unsigned i = 0; i < spec->column_count; i++) {
        const struct column *column = &table->columns[spec->columns[i].column_number - 1];
        if (!key_orderable(column->type)) {
            char text[TYPE_NAME_SIZE];
            return error_set(STATUS_UNDEFINED_OBJECT,
                             "data type %s has no default operator class for access method "
                             "\"btree\"",
                             type_name(column->type, text));
        }
        for (unsigned k = 0; spec->as_constraint && k < i; k++) {
            if (spec->columns[k].column_number == spec->columns[i].column_number)
                return error_set(STATUS_DUPLICATE_COLUMN,
                                 "column \"%s\" appears twice in %s constraint", column->name,
                                 spec->primary ? "primary key" : "unique");
        }
    }
    for (unsigned i = 0; spec->primary && i < table->index_count; i++) {
        if (table->indexes[i]->primary)
            return error_set(STATUS_INVALID_TABLE_DEFINITION,
                             "multiple primary keys for table \"%s\" are not allowed", table->name);
    }
    return STATUS_OK;
}

/* "a_b" of the columns, for the name. */
static const char *column_part(struct ddl *ddl, const struct table *table,
                               const struct index_spec *spec) {
    const char *text = "";
    for (unsigned i = 0; i < spec->column_count; i++) {
        const char *name = table->columns[spec->columns[i].column_number - 1].name;
        text = arena_format(&ddl->arena, "%s%s%s", text, i == 0 ? "" : "_", name);
        if (strlen(text) > NAME_SIZE_MAX)
            break;
    }
    return text;
}

static const char *index_name(struct ddl *ddl, const struct table *table,
                              const struct index_spec *spec) {
    if (spec->name != NULL)
        return spec->name;
    const struct table *constraints_of = spec->as_constraint ? table : NULL;
    if (spec->primary)
        return ddl_choose_name(ddl, table->namespace_name, table->name, NULL, "pkey",
                               constraints_of);
    return ddl_choose_name(ddl, table->namespace_name, table->name, column_part(ddl, table, spec),
                           spec->as_constraint ? "key" : "idx", constraints_of);
}

/* pg_class, pg_attribute, pg_index. */
static enum status index_rows(struct fiber *f, struct ddl *ddl, const struct table *table,
                              const struct index *index) {
    struct class_spec relation = {
        .oid = index->oid,
        .namespace_oid = table->namespace_oid,
        .file = index->tree.value,
        .access_method = OID_AM_BTREE,
        .name = index->name,
        .kind = RELATION_INDEX,
        .replica_identity = 'n',
        .column_count = index->column_count,
    };
    TRY(catalog_class_insert(f, ddl, &relation));
    for (unsigned i = 0; i < index->column_count; i++) {
        const struct column *column = &table->columns[index->columns[i].column_number - 1];
        struct attribute_spec attribute = {.relation_oid = index->oid,
                                           .name = column->name,
                                           .number = (int)i + 1,
                                           .type = column->type};
        TRY(catalog_attribute_insert(f, ddl, &attribute));
    }
    return catalog_index_insert(f, ddl, table, index);
}

static enum status constraint_rows(struct fiber *f, struct ddl *ddl, const struct table *table,
                                   const struct index *index) {
    struct constraint constraint = {
        .oid = index->constraint_oid,
        .name = index->name,
        .kind = index->primary ? 'p' : 'u',
        .index_oid = index->oid,
        .column_count = index->column_count,
    };
    for (unsigned i = 0; i < index->column_count; i++) {
        constraint.columns[i] = index->columns[i].column_number;
        TRY(catalog_depend_insert(f, ddl,
                                  &(struct dependency){OID_PG_CONSTRAINT, constraint.oid, 0,
                                                       OID_PG_CLASS, table->oid,
                                                       constraint.columns[i], 'a'}));
    }
    TRY(catalog_constraint_insert(f, ddl, table, &constraint));
    return catalog_depend_insert(f, ddl,
                                 &(struct dependency){OID_PG_CLASS, index->oid, 0,
                                                      OID_PG_CONSTRAINT, constraint.oid, 0, 'i'});
}

static enum status mark_has_index(struct fiber *f, struct ddl *ddl, const struct table *table) {
    struct catalog_row row;
    TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, table->oid, &row));
    if (get_bool(row.row, CLASS_RELHASINDEX))
        return STATUS_OK;
    set_bool(row.row, CLASS_RELHASINDEX, true);
    return catalog_row_update(f, ddl, &row);
}

/* Columns of a primary key become NOT NULL. */
static enum status primary_not_null(struct fiber *f, struct ddl *ddl, const struct table *table,
                                    const struct index *index) {
    for (unsigned i = 0; index->primary && i < index->column_count; i++) {
        const struct column *column = &table->columns[index->columns[i].column_number - 1];
        bool has_null = false;
        if (!column->not_null)
            TRY(ddl_has_null(f, ddl, table, column->number, &has_null));
        if (has_null)
            return row__null_found(table, column->name);
        TRY(catalog_attribute_set_not_null(f, ddl, table->oid, column->number, true));
    }
    return STATUS_OK;
}

/* The first key of a table decides where its rows lie: rows that are there already move. */
static enum status place_and_fill(struct fiber *f, struct ddl *ddl, const struct table *table,
                                  struct index *index) {
    bool decides = index->primary && table->partition_column == 0;
    if (!decides) {
        index__finish(index, table, &ddl->arena);
        return ddl_fill_index(f, ddl, table, index);
    }
    int16_t column = index->columns[0].column_number;
    TRY(catalog_placement_set(f, ddl, table->oid, column));
    bool has_rows;
    TRY(ddl_has_rows(f, ddl, table, &has_rows));
    /* Other unique indexes of the empty table must be local or not by the new column: that follows
       from the catalog's rows. */
    return has_rows ? ddl_rewrite(f, ddl, table, column, index) : STATUS_OK;
}

static enum status create_index(struct fiber *f, struct ddl *ddl, const struct table *table,
                                const struct index_spec *spec, uint32_t *oid_out) {
    TRY(ddl_check_user_table(table));
    TRY(check_spec(table, spec));
    struct index *index = ARENA_NEW(&ddl->arena, struct index);
    index->name = index_name(ddl, table, spec);
    TRY(ddl_check_new_relation(ddl, table->namespace_name, index->name));
    TRY(catalog__take_oids(f, ddl->catalog, 2, &index->oid));
    index->tree.value = index->oid;
    index->constraint_oid = spec->as_constraint || spec->primary ? index->oid + 1 : 0;
    index->unique = spec->unique || spec->primary || spec->as_constraint;
    index->primary = spec->primary;
    index->column_count = spec->column_count;
    memcpy(index->columns, spec->columns, sizeof index->columns[0] * spec->column_count);

    TRY(index_rows(f, ddl, table, index));
    if (index->constraint_oid != 0) {
        TRY(constraint_rows(f, ddl, table, index));
    } else {
        for (unsigned i = 0; i < index->column_count; i++)
            TRY(catalog_depend_insert(f, ddl,
                                      &(struct dependency){OID_PG_CLASS, index->oid, 0,
                                                           OID_PG_CLASS, table->oid,
                                                           index->columns[i].column_number, 'a'}));
    }
    TRY(primary_not_null(f, ddl, table, index));
    TRY(mark_has_index(f, ddl, table));
    *oid_out = index->oid;
    return place_and_fill(f, ddl, table, index);
}

enum status catalog_create_index(struct fiber *f, struct catalog *catalog,
                                 struct transaction *transaction, const struct schema *schema,
                                 const struct table *table, const struct index_spec *spec,
                                 uint32_t *index_oid_out) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, create_index(f, &ddl, table, spec, index_oid_out));
}

/* ---- reindex -------------------------------------------------------------------------- */

static enum status reindex(struct fiber *f, struct ddl *ddl, const struct table *table,
                           const struct index *index) {
    TRY(ddl_check_user_table(table));
    struct index *anew = ARENA_NEW(&ddl->arena, struct index);
    *anew = *index;
    TRY(catalog__take_oids(f, ddl->catalog, 1, &anew->tree.value));
    TRY(catalog_class_set_file(f, ddl, index->oid, anew->tree.value));
    index__finish(anew, table, &ddl->arena);
    TRY(ddl_fill_index(f, ddl, table, anew));
    return txn_tree_drop(f, ddl->context.transaction, index->tree);
}

enum status catalog_reindex(struct fiber *f, struct catalog *catalog,
                            struct transaction *transaction, const struct schema *schema,
                            const struct table *table, const struct index *index) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, reindex(f, &ddl, table, index));
}

/* ---- check constraints ---------------------------------------------------------------- */

static enum status add_constraint(struct fiber *f, struct ddl *ddl, const struct table *table,
                                  const struct constraint_spec *spec) {
    ASSERT(spec->kind == 'c');
    TRY(ddl_check_user_table(table));
    const char *column = spec->column_count == 1 ? table->columns[spec->columns[0] - 1].name : NULL;
    struct constraint constraint = {
        .name = spec->name,
        .kind = 'c',
        .check_text = spec->check_text,
        .column_count = spec->column_count,
    };
    if (constraint.name == NULL)
        constraint.name = ddl_choose_name(ddl, NULL, table->name, column, "check", table);
    for (unsigned i = 0; i < table->constraint_count; i++) {
        if (strcmp(table->constraints[i]->name, constraint.name) == 0)
            return error_set(STATUS_DUPLICATE_OBJECT,
                             "constraint \"%s\" for relation \"%s\" already exists",
                             constraint.name, table->name);
    }
    TRY(catalog__take_oids(f, ddl->catalog, 1, &constraint.oid));
    memcpy(constraint.columns, spec->columns, sizeof spec->columns);
    TRY(catalog_constraint_insert(f, ddl, table, &constraint));
    for (unsigned i = 0; i < spec->column_count; i++)
        TRY(catalog_depend_insert(f, ddl,
                                  &(struct dependency){OID_PG_CONSTRAINT, constraint.oid, 0,
                                                       OID_PG_CLASS, table->oid, spec->columns[i],
                                                       'a'}));
    struct catalog_row row;
    TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, table->oid, &row));
    set_int(row.row, CLASS_RELCHECKS, get_int(row.row, CLASS_RELCHECKS) + 1);
    return catalog_row_update(f, ddl, &row);
}

enum status catalog_add_constraint(struct fiber *f, struct catalog *catalog,
                                   struct transaction *transaction, const struct schema *schema,
                                   const struct table *table, const struct constraint_spec *spec) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, add_constraint(f, &ddl, table, spec));
}
