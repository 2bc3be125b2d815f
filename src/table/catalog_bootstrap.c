/*
 * Rows about the system itself: what a new database begins with. At every open, relations of the
 * base case that have no rows yet (a new database, or a newer program) get them; those whose
 * columns have changed are written anew.
 */
#include "table/catalog_private.h"

static enum status attributes_insert(struct fiber *f, struct ddl *ddl, const struct table *table) {
    for (unsigned i = 0; i < table->column_count; i++) {
        struct attribute_spec spec = {
            .relation_oid = table->oid,
            .name = table->columns[i].name,
            .number = (int)i + 1,
            .type = table->columns[i].type,
            .not_null = table->columns[i].not_null,
        };
        TRY(catalog_attribute_insert(f, ddl, &spec));
    }
    return STATUS_OK;
}

static enum status index_rows_insert(struct fiber *f, struct ddl *ddl, const struct table *table,
                                     const struct index *index) {
    struct class_spec spec = {
        .oid = index->oid,
        .namespace_oid = table->namespace_oid,
        .access_method = OID_AM_BTREE,
        .name = index->name,
        .kind = RELATION_INDEX,
        .replica_identity = 'n',
        .column_count = index->column_count,
    };
    TRY(catalog_class_insert(f, ddl, &spec));
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

static enum status relation_insert(struct fiber *f, struct ddl *ddl, const struct table *table) {
    char kind = (char)table->kind;
    if (table->virtual_table != NULL && table->virtual_table->kind != 0)
        kind = table->virtual_table->kind;
    struct class_spec spec = {
        .oid = table->oid,
        .namespace_oid = table->namespace_oid,
        .type_oid = table->type_oid,
        .access_method = kind == 'r' ? OID_AM_HEAP : 0,
        .name = table->name,
        .kind = kind,
        .replica_identity = 'n',
        .column_count = table->column_count,
        .has_index = table->index_count > 0,
        .row_count = table->row_estimate,
    };
    TRY(catalog_class_insert(f, ddl, &spec));
    TRY(attributes_insert(f, ddl, table));
    for (unsigned i = 0; i < table->index_count; i++)
        TRY(index_rows_insert(f, ddl, table, table->indexes[i]));
    for (unsigned i = 0; i < table->constraint_count; i++)
        TRY(catalog_constraint_insert(f, ddl, table, table->constraints[i]));
    return STATUS_OK;
}

static enum status relation_ensure(struct fiber *f, struct ddl *ddl, const struct table *table) {
    const struct table *classes = system_table(&ddl->catalog->system, OID_PG_CLASS);
    const struct index *index = system_index(classes, OID_CLASS_OID_INDEX);
    struct value key = value_oid(table->oid), column_count;
    int16_t number = CLASS_RELNATTS;
    bool found;
    TRY(table_get_unique(f, &ddl->context, classes, index, &key, &number, 1, &found, NULL,
                         &column_count));
    if (!found)
        return relation_insert(f, ddl, table);
    if (get_int(&column_count, 1) == table->column_count)
        return STATUS_OK;
    struct catalog_row row;
    TRY(catalog_row_open(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, &key, &row));
    ASSERT(row.found); /* nobody else is here yet */
    TRY(catalog_rows_delete(f, ddl, OID_PG_ATTRIBUTE, OID_ATTRIBUTE_NUMBER_INDEX, &key, 1));
    set_int(row.row, CLASS_RELNATTS, table->column_count);
    TRY(catalog_row_update(f, ddl, &row));
    return attributes_insert(f, ddl, table);
}

static enum status namespace_insert(struct fiber *f, struct ddl *ddl, uint32_t oid,
                                    const char *name) {
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_PG_NAMESPACE, row);
    set_oid(row, NAMESPACE_OID, oid);
    set_text(row, NAMESPACE_NSPNAME, name);
    set_oid(row, NAMESPACE_NSPOWNER, OID_SUPERUSER);
    return catalog_row_insert(f, ddl, OID_PG_NAMESPACE, row);
}

static enum status role_insert(struct fiber *f, struct ddl *ddl) {
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_PG_AUTHID, row);
    set_oid(row, AUTHID_OID, OID_SUPERUSER);
    set_text(row, AUTHID_ROLNAME, "satori");
    for (int column = AUTHID_ROLSUPER; column <= AUTHID_ROLBYPASSRLS; column++)
        set_bool(row, column, true);
    set_int(row, AUTHID_ROLCONNLIMIT, -1);
    return catalog_row_insert(f, ddl, OID_PG_AUTHID, row);
}

enum { ENCODING_UTF8 = 6 };

static enum status database_insert(struct fiber *f, struct ddl *ddl) {
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_PG_DATABASE, row);
    set_oid(row, DATABASE_OID, OID_DATABASE);
    set_text(row, DATABASE_DATNAME, "satori");
    set_oid(row, DATABASE_DATDBA, OID_SUPERUSER);
    set_int(row, DATABASE_ENCODING, ENCODING_UTF8);
    set_letter(row, DATABASE_DATLOCPROVIDER, 'c');
    set_bool(row, DATABASE_DATALLOWCONN, true);
    set_int(row, DATABASE_DATCONNLIMIT, -1);
    set_oid(row, DATABASE_DATTABLESPACE, OID_TABLESPACE_DEFAULT);
    set_text(row, DATABASE_DATCOLLATE, "C.UTF-8");
    set_text(row, DATABASE_DATCTYPE, "C.UTF-8");
    return catalog_row_insert(f, ddl, OID_PG_DATABASE, row);
}

static enum status row_exists(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                              uint32_t index_oid, struct value key, bool *exists_out) {
    const struct table *table = system_table(&ddl->catalog->system, table_oid);
    return table_get_unique(f, &ddl->context, table, system_index(table, index_oid), &key, NULL, 0,
                            exists_out, NULL, NULL);
}

static enum status namespace_ensure(struct fiber *f, struct ddl *ddl, uint32_t oid,
                                    const char *name) {
    bool exists;
    TRY(row_exists(f, ddl, OID_PG_NAMESPACE, OID_NAMESPACE_OID_INDEX, value_oid(oid), &exists));
    return exists ? STATUS_OK : namespace_insert(f, ddl, oid, name);
}

static enum status ensure_all(struct fiber *f, struct ddl *ddl) {
    struct value satori = value_string(TYPE_OF(NAME), slice_of_text("satori"));
    bool exists;
    TRY(namespace_ensure(f, ddl, OID_NAMESPACE_CATALOG, "pg_catalog"));
    TRY(namespace_ensure(f, ddl, OID_NAMESPACE_PUBLIC, "public"));
    TRY(namespace_ensure(f, ddl, OID_NAMESPACE_INFORMATION, "information_schema"));
    TRY(row_exists(f, ddl, OID_PG_AUTHID, OID_AUTHID_NAME_INDEX, satori, &exists));
    if (!exists)
        TRY(role_insert(f, ddl));
    TRY(row_exists(f, ddl, OID_PG_DATABASE, OID_DATABASE_NAME_INDEX, satori, &exists));
    if (!exists)
        TRY(database_insert(f, ddl));
    const struct schema_part *part = &ddl->catalog->system;
    for (size_t i = 0; i < part->table_count; i++)
        TRY(relation_ensure(f, ddl, part->tables[i]));
    return STATUS_OK;
}

enum status catalog__bootstrap(struct fiber *f, struct catalog *catalog) {
    struct transaction *transaction;
    struct transaction_options options = {.isolation = ISOLATION_READ_COMMITTED};
    TRY(transaction_begin(f, catalog->store, &options, &transaction));
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, NULL);
    enum status status = transaction_statement_begin(f, transaction, (struct commit_number){0});
    if (status == STATUS_OK)
        status = ddl_end(f, &ddl, ensure_all(f, &ddl));
    if (status == STATUS_OK)
        status = transaction_statement_end(f, transaction);
    if (status != STATUS_OK || !transaction_has_writes(transaction)) {
        transaction_rollback(f, transaction);
        return status;
    }
    struct commit_number number;
    return transaction_commit(f, transaction, true, &number);
}
