/* CREATE TABLE, DROP TABLE, TRUNCATE, RENAME, schemas, statistics. */
#include "table/catalog_private.h"

/* ---- create --------------------------------------------------------------------------- */

static bool is_system_column_name(const char *name) {
    static const char *const names[] = {"tableoid", "cmax", "xmax", "cmin", "xmin", "ctid"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static enum status check_columns(const struct table_spec *spec) {
    if (spec->column_count > COLUMNS_MAX)
        return error_set(STATUS_TOO_MANY_COLUMNS, "tables can have at most %d columns",
                         (int)COLUMNS_MAX);
    for (unsigned i = 0; i < spec->column_count; i++) {
        const char *name = spec->columns[i].name;
        if (is_system_column_name(name))
            return error_set(STATUS_DUPLICATE_COLUMN,
                             "column name \"%s\" conflicts with a system column name", name);
        for (unsigned k = 0; k < i; k++) {
            if (strcmp(spec->columns[k].name, name) == 0)
                return error_set(STATUS_DUPLICATE_COLUMN, "column \"%s\" specified more than once",
                                 name);
        }
        const struct type_info *info = type_info(spec->columns[i].type.id);
        if (info == NULL || info->is_pseudo) {
            char text[TYPE_NAME_SIZE];
            return error_set(STATUS_INVALID_TABLE_DEFINITION, "column \"%s\" has pseudo-type %s",
                             name, type_name(spec->columns[i].type, text));
        }
    }
    return STATUS_OK;
}

/* The sequence behind a serial or identity column goes with the column. */
static enum status own_sequence(struct fiber *f, struct ddl *ddl, const char *namespace_name,
                                uint32_t table_oid, int number, const struct column_spec *spec) {
    if (spec->serial_sequence_name == NULL)
        return STATUS_OK;
    const struct sequence *sequence =
        schema_sequence(ddl->schema, namespace_name, spec->serial_sequence_name);
    if (sequence == NULL)
        return error_set(STATUS_UNDEFINED_TABLE, "relation \"%s\" does not exist",
                         spec->serial_sequence_name);
    return catalog_depend_insert(f, ddl,
                                 &(struct dependency){OID_PG_CLASS, sequence->oid, 0, OID_PG_CLASS,
                                                      table_oid, number,
                                                      spec->identity != 0 ? 'i' : 'a'});
}

/* Rows about one column of a table of users. */
static enum status column_insert(struct fiber *f, struct ddl *ddl, const char *namespace_name,
                                 uint32_t table_oid, int number, const struct column_spec *spec) {
    struct attribute_spec attribute = {
        .relation_oid = table_oid,
        .name = spec->name,
        .number = number,
        .type = spec->type,
        .not_null = spec->not_null || spec->identity != 0,
        .has_default = spec->default_text != NULL,
        .identity = spec->identity,
        .missing = spec->has_missing ? &spec->missing : NULL,
    };
    TRY(catalog_attribute_insert(f, ddl, &attribute));
    if (spec->default_text != NULL)
        TRY(catalog_default_insert(f, ddl, table_oid, number, spec->default_text));
    return own_sequence(f, ddl, namespace_name, table_oid, number, spec);
}

static enum status partition_column_number(const struct table_spec *spec, int *number_out) {
    *number_out = 0;
    if (spec->partition_by == NULL)
        return STATUS_OK;
    for (unsigned i = 0; i < spec->column_count; i++) {
        if (strcmp(spec->columns[i].name, spec->partition_by) == 0) {
            *number_out = (int)i + 1;
            return STATUS_OK;
        }
    }
    return error_set(STATUS_UNDEFINED_COLUMN, "column \"%s\" named in partition_by does not exist",
                     spec->partition_by);
}

static enum status create_table(struct fiber *f, struct ddl *ddl, const struct table_spec *spec,
                                uint32_t *oid_out) {
    const char *namespace_name = spec->namespace_name == NULL ? "public" : spec->namespace_name;
    TRY(ddl_check_new_relation(ddl, namespace_name, spec->name));
    TRY(check_columns(spec));
    int partition_column;
    TRY(partition_column_number(spec, &partition_column));
    uint32_t oid; /* the table, its array type, its row type, its two trees */
    TRY(catalog__take_oids(f, ddl->catalog, 5, &oid));
    struct class_spec relation = {
        .oid = oid,
        .namespace_oid = schema_namespace(ddl->schema, namespace_name)->oid,
        .type_oid = oid + 2,
        .file = oid + 3,
        .access_method = OID_AM_HEAP,
        .name = spec->name,
        .kind = RELATION_TABLE,
        .replica_identity = 'd',
        .column_count = spec->column_count,
        .row_count = -1,
        .partition_by = spec->partition_by,
        .freeze = spec->freeze,
    };
    TRY(catalog_class_insert(f, ddl, &relation));
    for (unsigned i = 0; i < spec->column_count; i++)
        TRY(column_insert(f, ddl, namespace_name, oid, (int)i + 1, &spec->columns[i]));
    if (partition_column != 0)
        TRY(catalog_placement_set(f, ddl, oid, partition_column));
    *oid_out = oid;
    return catalog_depend_insert(f, ddl,
                                 &(struct dependency){OID_PG_CLASS, oid, 0, OID_PG_NAMESPACE,
                                                      relation.namespace_oid, 0, 'n'});
}

enum status catalog_create_table(struct fiber *f, struct catalog *catalog,
                                 struct transaction *transaction, const struct schema *schema,
                                 const struct table_spec *spec, uint32_t *table_oid_out) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, create_table(f, &ddl, spec, table_oid_out));
}

/* ---- add and change columns ----------------------------------------------------------- */

static enum status add_column(struct fiber *f, struct ddl *ddl, const struct table *table,
                              const struct column_spec *spec) {
    TRY(ddl_check_user_table(table));
    if (table_column(table, spec->name) != NULL)
        return error_set(STATUS_DUPLICATE_COLUMN, "column \"%s\" of relation \"%s\" already exists",
                         spec->name, table->name);
    struct column_spec copy = *spec;
    struct table_spec one = {.column_count = 1, .columns = &copy};
    TRY(check_columns(&one));
    if (table->column_count >= COLUMNS_MAX)
        return error_set(STATUS_TOO_MANY_COLUMNS, "tables can have at most %d columns",
                         (int)COLUMNS_MAX);
    bool has_rows = false;
    if (spec->not_null && (!spec->has_missing || spec->missing.is_null))
        TRY(ddl_has_rows(f, ddl, table, &has_rows));
    if (has_rows)
        return row__null_found(table, spec->name);
    int number = table->column_count + 1;
    TRY(column_insert(f, ddl, table->namespace_name, table->oid, number, spec));
    struct catalog_row row;
    TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, table->oid, &row));
    set_int(row.row, CLASS_RELNATTS, number);
    return catalog_row_update(f, ddl, &row);
}

enum status catalog_add_column(struct fiber *f, struct catalog *catalog,
                               struct transaction *transaction, const struct schema *schema,
                               const struct table *table, const struct column_spec *spec) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, add_column(f, &ddl, table, spec));
}

static bool in_primary_key(const struct table *table, int16_t number) {
    for (unsigned i = 0; i < table->index_count; i++) {
        const struct index *index = table->indexes[i];
        for (unsigned c = 0; index->primary && c < index->column_count; c++) {
            if (index->columns[c].column_number == number)
                return true;
        }
    }
    return false;
}

static enum status set_not_null(struct fiber *f, struct ddl *ddl, const struct table *table,
                                int16_t number, bool not_null) {
    TRY(ddl_check_user_table(table));
    const struct column *column = &table->columns[number - 1];
    if (!not_null && column->identity != 0)
        return error_set(STATUS_INVALID_TABLE_DEFINITION,
                         "column \"%s\" of relation \"%s\" is an identity column", column->name,
                         table->name);
    if (!not_null && in_primary_key(table, number))
        return error_set(STATUS_INVALID_TABLE_DEFINITION, "column \"%s\" is in a primary key",
                         column->name);
    bool has_null = false;
    if (not_null && !column->not_null)
        TRY(ddl_has_null(f, ddl, table, number, &has_null));
    if (has_null)
        return row__null_found(table, column->name);
    return catalog_attribute_set_not_null(f, ddl, table->oid, number, not_null);
}

enum status catalog_set_not_null(struct fiber *f, struct catalog *catalog,
                                 struct transaction *transaction, const struct schema *schema,
                                 const struct table *table, int16_t column_number, bool not_null) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, set_not_null(f, &ddl, table, column_number, not_null));
}

/* Remove the default of a column, if it has one. */
static enum status default_delete(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                                  int16_t number) {
    struct value key[2] = {value_oid(table_oid), value_int2(number)};
    struct catalog_row row;
    TRY(catalog_row_open(f, ddl, OID_PG_ATTRDEF, OID_ATTRDEF_COLUMN_INDEX, key, &row));
    if (!row.found)
        return STATUS_OK;
    struct value depender[2] = {value_oid(OID_PG_ATTRDEF),
                                value_oid(get_oid(row.old, ATTRDEF_OID))};
    TRY(catalog_rows_delete(f, ddl, OID_PG_DEPEND, OID_DEPENDER_INDEX, depender, 2));
    return catalog_row_delete(f, ddl, &row);
}

static enum status set_default(struct fiber *f, struct ddl *ddl, const struct table *table,
                               int16_t number, const char *text) {
    TRY(ddl_check_user_table(table));
    TRY(default_delete(f, ddl, table->oid, number));
    TRY(transaction_command_end(f, ddl->context.transaction));
    if (text != NULL)
        TRY(catalog_default_insert(f, ddl, table->oid, number, text));
    struct value key[2] = {value_oid(table->oid), value_int2(number)};
    struct catalog_row row;
    TRY(catalog_row_open(f, ddl, OID_PG_ATTRIBUTE, OID_ATTRIBUTE_NUMBER_INDEX, key, &row));
    if (!row.found)
        return error_set(STATUS_UNDEFINED_COLUMN, "a column was dropped concurrently");
    set_bool(row.row, ATTRIBUTE_ATTHASDEF, text != NULL);
    return catalog_row_update(f, ddl, &row);
}

enum status catalog_set_default(struct fiber *f, struct catalog *catalog,
                                struct transaction *transaction, const struct schema *schema,
                                const struct table *table, int16_t column_number,
                                const char *default_text) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, set_default(f, &ddl, table, column_number, default_text));
}

static enum status set_freeze(struct fiber *f, struct ddl *ddl, const struct table *table,
                              enum freeze_option freeze) {
    TRY(ddl_check_user_table(table));
    return catalog_class_set_freeze(f, ddl, table->oid, freeze);
}

enum status catalog_set_freeze(struct fiber *f, struct catalog *catalog,
                               struct transaction *transaction, const struct schema *schema,
                               const struct table *table, enum freeze_option freeze) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, set_freeze(f, &ddl, table, freeze));
}

/* ---- names and numbers ---------------------------------------------------------------- */

static enum status rename_table(struct fiber *f, struct ddl *ddl, const struct table *table,
                                const char *new_name) {
    TRY(ddl_check_user_table(table));
    TRY(ddl_check_new_relation(ddl, table->namespace_name, new_name));
    const struct table *view = schema_view_using(ddl->schema, table->oid, 0, 0);
    if (view != NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "renaming relation \"%s\" that view \"%s\" reads is not supported",
                         table->name, view->name);
    struct catalog_row row;
    TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, table->oid, &row));
    set_text(row.row, CLASS_RELNAME, new_name);
    return catalog_row_update(f, ddl, &row);
}

enum status catalog_rename_table(struct fiber *f, struct catalog *catalog,
                                 struct transaction *transaction, const struct schema *schema,
                                 const struct table *table, const char *new_name) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, rename_table(f, &ddl, table, new_name));
}

/* ---- schemas -------------------------------------------------------------------------- */

static enum status create_namespace(struct fiber *f, struct ddl *ddl, const char *name) {
    if (strncmp(name, "pg_", 3) == 0) {
        error_set(STATUS_RESERVED_NAME, "unacceptable schema name \"%s\"", name);
        error_detail("The prefix \"pg_\" is reserved for system schemas.");
        return STATUS_RESERVED_NAME;
    }
    if (schema_namespace(ddl->schema, name) != NULL)
        return error_set(STATUS_DUPLICATE_SCHEMA, "schema \"%s\" already exists", name);
    uint32_t oid;
    TRY(catalog__take_oids(f, ddl->catalog, 1, &oid));
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_PG_NAMESPACE, row);
    set_oid(row, NAMESPACE_OID, oid);
    set_text(row, NAMESPACE_NSPNAME, name);
    set_oid(row, NAMESPACE_NSPOWNER, OID_SUPERUSER);
    return catalog_row_insert(f, ddl, OID_PG_NAMESPACE, row);
}

enum status catalog_create_namespace(struct fiber *f, struct catalog *catalog,
                                     struct transaction *transaction, const struct schema *schema,
                                     const char *name) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, create_namespace(f, &ddl, name));
}

/* Name of something in the schema, for the detail; NULL when it is empty. */
static const char *something_in(const struct schema *schema, uint32_t oid, const char **kind_out) {
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        *kind_out = schema_table_at(schema, i)->kind == RELATION_VIEW ? "view" : "table";
        if (schema_table_at(schema, i)->namespace_oid == oid)
            return schema_table_at(schema, i)->name;
    }
    for (size_t i = 0; i < schema_sequence_count(schema); i++) {
        *kind_out = "sequence";
        if (schema_sequence_at(schema, i)->namespace_oid == oid)
            return schema_sequence_at(schema, i)->name;
    }
    return NULL;
}

static enum status drop_namespace(struct fiber *f, struct ddl *ddl, const char *name) {
    const struct schema_namespace *space = schema_namespace(ddl->schema, name);
    if (space == NULL)
        return error_set(STATUS_INVALID_SCHEMA_NAME, "schema \"%s\" does not exist", name);
    if (space->is_system)
        return error_set(STATUS_DEPENDENT_OBJECTS,
                         "cannot drop schema %s because it is required by the database system",
                         name);
    const char *kind, *content = something_in(ddl->schema, space->oid, &kind);
    if (content != NULL) {
        error_set(STATUS_DEPENDENT_OBJECTS,
                  "cannot drop schema %s because other objects depend on it", name);
        error_detail("%s %s.%s depends on schema %s", kind, name, content, name);
        error_hint("Use DROP ... CASCADE to drop the dependent objects too.");
        return STATUS_DEPENDENT_OBJECTS;
    }
    struct catalog_row row;
    TRY(catalog_row_of(f, ddl, OID_PG_NAMESPACE, OID_NAMESPACE_OID_INDEX, space->oid, &row));
    return catalog_row_delete(f, ddl, &row);
}

enum status catalog_drop_namespace(struct fiber *f, struct catalog *catalog,
                                   struct transaction *transaction, const struct schema *schema,
                                   const char *name) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, drop_namespace(f, &ddl, name));
}
