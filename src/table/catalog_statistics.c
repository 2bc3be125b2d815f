/* What ANALYZE found, in the catalog: pg_class.reltuples and rows of satori_statistic. */
#include "table/catalog_private.h"

static void set_body(struct value *row, int column, struct slice body) {
    if (body.size == 0)
        return; /* null */
    row[column - 1].string = body;
    row[column - 1].is_null = false;
}

static enum status column_insert(struct fiber *f, struct ddl *ddl, const struct table *table,
                                 const struct table_column_statistics *column) {
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_SATORI_STATISTIC, row);
    set_oid(row, STATISTIC_RELID, table->oid);
    set_int(row, STATISTIC_NUMBER, column->number);
    row[STATISTIC_NULL_SHARE - 1].float32 = column->null_share;
    set_int(row, STATISTIC_WIDTH, column->average_width);
    row[STATISTIC_DISTINCT - 1].float32 = column->distinct;
    set_body(row, STATISTIC_COMMON_VALUES, column->common_values);
    set_body(row, STATISTIC_COMMON_SHARES, column->common_shares);
    set_body(row, STATISTIC_HISTOGRAM, column->histogram);
    set_body(row, STATISTIC_SAMPLE, column->sample);
    return catalog_row_insert(f, ddl, OID_SATORI_STATISTIC, row);
}

enum status catalog_statistics_delete(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                                      int16_t column_number) {
    struct value key[2] = {value_oid(table_oid), value_int2(column_number)};
    return catalog_rows_delete(f, ddl, OID_SATORI_STATISTIC, OID_STATISTIC_INDEX, key,
                               column_number > 0 ? 2 : 1);
}

static enum status set_statistics(struct fiber *f, struct ddl *ddl, const struct table *table,
                                  const struct table_statistics *statistics) {
    struct catalog_row row;
    TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, table->oid, &row));
    row.row[CLASS_RELTUPLES - 1].float32 = (float)statistics->rows;
    TRY(catalog_row_update(f, ddl, &row));
    TRY(catalog_statistics_delete(f, ddl, table->oid, 0));
    TRY(transaction_command_end(f, ddl->context.transaction));
    for (unsigned i = 0; i < statistics->column_count; i++)
        if (statistics->columns[i].number != 0)
            TRY(column_insert(f, ddl, table, &statistics->columns[i]));
    return STATUS_OK;
}

enum status catalog_set_statistics(struct fiber *f, struct catalog *catalog,
                                   struct transaction *transaction, const struct schema *schema,
                                   const struct table *table,
                                   const struct table_statistics *statistics) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, set_statistics(f, &ddl, table, statistics));
}
