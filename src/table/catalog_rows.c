/* DDL's tools: catalog rows found, changed and made. They are rows like any other. */
#include "table/catalog_private.h"

#include "value/value_text.h"

void ddl_init(struct ddl *ddl, struct catalog *catalog, struct transaction *transaction,
              const struct schema *schema) {
    *ddl = (struct ddl){
        .context = {.catalog = catalog, .store = catalog->store, .transaction = transaction},
        .catalog = catalog,
        .schema = schema,
    };
    ddl->context.arena = &ddl->arena;
}

enum status ddl_end(struct fiber *f, struct ddl *ddl, enum status status) {
    if (status == STATUS_OK)
        status = arena_status(&ddl->arena);
    if (status == STATUS_OK)
        status = transaction_command_end(f, ddl->context.transaction);
    arena_release(&ddl->arena);
    return status;
}

static const struct table *table_of(const struct ddl *ddl, uint32_t table_oid) {
    return system_table(&ddl->catalog->system, table_oid);
}

/* ---- finding and changing ------------------------------------------------------------- */

static enum status row_lock(struct fiber *f, struct ddl *ddl, struct catalog_row *row) {
    enum row_lock_outcome outcome;
    TRY(table_lock_row(f, &ddl->context, row->table, &row->address, KEY_LOCK_EXCLUSIVE, LOCK_WAIT,
                       &outcome, row->old));
    if (outcome == ROW_ALREADY_STAGED)
        return error_set(STATUS_INTERNAL_ERROR, "a row of %s is changed twice in one command",
                         row->table->name);
    row->found = outcome == ROW_LOCKED || outcome == ROW_LOCKED_CHANGED;
    for (unsigned i = 0; i < row->table->column_count; i++)
        row->row[i] = row->old[i];
    return STATUS_OK;
}

enum status catalog_row_open(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                             uint32_t index_oid, const struct value *key,
                             struct catalog_row *row_out) {
    row_out->table = table_of(ddl, table_oid);
    TRY(table_get_unique(f, &ddl->context, row_out->table, system_index(row_out->table, index_oid),
                         key, NULL, 0, &row_out->found, &row_out->address, NULL));
    return row_out->found ? row_lock(f, ddl, row_out) : STATUS_OK;
}

enum status catalog_row_of(struct fiber *f, struct ddl *ddl, uint32_t table_oid, uint32_t index_oid,
                           uint32_t oid, struct catalog_row *row_out) {
    struct value key = value_oid(oid);
    TRY(catalog_row_open(f, ddl, table_oid, index_oid, &key, row_out));
    if (!row_out->found)
        return error_set(STATUS_UNDEFINED_OBJECT, "object %u was dropped concurrently", oid);
    return STATUS_OK;
}

enum status catalog_row_update(struct fiber *f, struct ddl *ddl, struct catalog_row *row) {
    TRY(table_update(f, &ddl->context, row->table, row->address, row->old, row->row, NULL));
    return transaction_command_end(f, ddl->context.transaction);
}

enum status catalog_row_delete(struct fiber *f, struct ddl *ddl, struct catalog_row *row) {
    return table_delete(f, &ddl->context, row->table, row->address, row->old);
}

void catalog_row_new(const struct ddl *ddl, uint32_t table_oid, struct value *row) {
    catalog_row_init(table_of(ddl, table_oid), row);
}

enum status catalog_row_insert(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                               const struct value *row) {
    return table_insert(f, &ddl->context, table_of(ddl, table_oid), row, NULL);
}

struct address_list {
    struct ddl *ddl;
    const struct table *table;
    struct table_scan_options options;
    int64_t *addresses;
    size_t count, capacity;
};

static enum status addresses_add(struct address_list *list, const struct batch *batch) {
    if (list->count + batch->row_count > list->capacity) {
        size_t capacity = (list->count + batch->row_count) * 2;
        int64_t *grown;
        TRY(arena__array(&list->ddl->arena, capacity, sizeof *grown, &grown));
        if (list->count > 0)
            memcpy(grown, list->addresses, list->count * sizeof *grown);
        list->addresses = grown;
        list->capacity = capacity;
    }
    for (uint32_t i = 0; i < batch->row_count; i++)
        list->addresses[list->count++] = vector_get(&batch->vectors[0], i).int64;
    return STATUS_OK;
}

static enum status addresses_collect(struct fiber *f, struct partition *partition, void *argument) {
    struct address_list *list = argument;
    struct table_scan *scan;
    TRY(table_scan_open(f, &list->ddl->context, list->table, partition, &list->options, &scan));
    struct batch *batch = NULL;
    enum status status;
    do {
        status = table_scan_next(f, scan, &batch);
        if (status == STATUS_OK && batch != NULL)
            status = addresses_add(list, batch);
    } while (status == STATUS_OK && batch != NULL);
    table_scan_close(f, scan);
    return status;
}

enum status catalog_rows_delete(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                                uint32_t index_oid, const struct value *equal, size_t equal_count) {
    static const int16_t address_column = 0;
    const struct table *table = table_of(ddl, table_oid);
    struct address_list list = {
        .ddl = ddl,
        .table = table,
        .options = {.column_numbers = &address_column,
                    .column_count = 1,
                    .index = system_index(table, index_oid),
                    .equal = equal,
                    .equal_count = equal_count},
    };
    TRY(partition_call(f, ddl->context.store, PARTITION_CATALOG, addresses_collect, &list));
    for (size_t i = 0; i < list.count; i++) {
        struct catalog_row row = {.table = table, .address = row_address_unpack(list.addresses[i])};
        TRY(row_lock(f, ddl, &row));
        if (row.found)
            TRY(catalog_row_delete(f, ddl, &row));
    }
    return STATUS_OK;
}

/* ---- pg_class and pg_attribute -------------------------------------------------------- */

/* partition_by NULL: not said. */
static enum status set_reloptions(struct ddl *ddl, struct value *row, struct slice partition_by,
                                  enum freeze_option freeze) {
    static const char *const freezes[] = {NULL, "freeze=off", "freeze=eager"};
    struct value elements[2], *options = &row[CLASS_RELOPTIONS - 1];
    uint32_t count = 0;
    if (partition_by.size > 0)
        elements[count++] = value_string(TYPE_OF(TEXT), partition_by);
    if (freeze != FREEZE_ON)
        elements[count++] = value_text(freezes[freeze]);
    *options = value_null(options->type);
    return count == 0 ? STATUS_OK
                      : array_make(TYPE_TEXT_ARRAY, elements, count, &ddl->arena, options);
}

enum status catalog_class_set_freeze(struct fiber *f, struct ddl *ddl, uint32_t oid,
                                     enum freeze_option freeze) {
    struct catalog_row row;
    struct array array;
    struct slice partition_by = SLICE_EMPTY;
    TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, oid, &row));
    const struct value *old = &row.old[CLASS_RELOPTIONS - 1];
    if (!old->is_null)
        TRY(array_open(old->string, &array));
    for (uint32_t i = 0; !old->is_null && i < array.count; i++) {
        struct value text;
        TRY(array_get(&array, i, &text));
        if (slice_starts_with(text.string, slice_of_text("partition_by=")))
            partition_by = text.string;
    }
    TRY(set_reloptions(ddl, row.row, partition_by, freeze));
    return catalog_row_update(f, ddl, &row);
}

enum status catalog_class_insert(struct fiber *f, struct ddl *ddl, const struct class_spec *spec) {
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_PG_CLASS, row);
    set_oid(row, CLASS_OID, spec->oid);
    set_text(row, CLASS_RELNAME, spec->name);
    set_oid(row, CLASS_RELNAMESPACE, spec->namespace_oid);
    set_oid(row, CLASS_RELTYPE, spec->type_oid);
    set_oid(row, CLASS_RELOWNER, OID_SUPERUSER);
    set_oid(row, CLASS_RELAM, spec->access_method);
    set_oid(row, CLASS_RELFILENODE, spec->file);
    row[CLASS_RELTUPLES - 1].float32 = (float)spec->row_count;
    set_bool(row, CLASS_RELHASINDEX, spec->has_index);
    set_letter(row, CLASS_RELPERSISTENCE, 'p');
    set_letter(row, CLASS_RELKIND, spec->kind);
    set_int(row, CLASS_RELNATTS, spec->column_count);
    set_int(row, CLASS_RELCHECKS, spec->check_count);
    set_bool(row, CLASS_RELHASRULES, spec->kind == 'v' && spec->oid >= OID_FIRST_USER);
    set_bool(row, CLASS_RELISPOPULATED, true);
    set_letter(row, CLASS_RELREPLIDENT, spec->replica_identity);
    struct slice partition_by = SLICE_EMPTY;
    if (spec->partition_by != NULL)
        partition_by =
            slice_of_text(arena_format(&ddl->arena, "partition_by=%s", spec->partition_by));
    TRY(set_reloptions(ddl, row, partition_by, spec->freeze));
    return catalog_row_insert(f, ddl, OID_PG_CLASS, row);
}

/* The missing value as an array of its one text. */
static enum status set_missing(struct ddl *ddl, struct value *row, const struct value *missing) {
    static const struct value_context plain_context;
    struct buffer text = {0};
    enum status status = text_output(&plain_context, missing, &text);
    if (status == STATUS_OK)
        status = buffer_status(&text);
    struct slice copy = arena_copy_slice(&ddl->arena, buffer_slice(&text));
    buffer_release(&text);
    TRY(status);
    struct value element = value_string(TYPE_OF(TEXT), copy);
    set_bool(row, ATTRIBUTE_ATTHASMISSING, true);
    return array_make(TYPE_TEXT_ARRAY, &element, 1, &ddl->arena, &row[ATTRIBUTE_ATTMISSINGVAL - 1]);
}

enum status catalog_attribute_insert(struct fiber *f, struct ddl *ddl,
                                     const struct attribute_spec *spec) {
    const struct type_info *info = type_info_get(spec->type.id);
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_PG_ATTRIBUTE, row);
    set_oid(row, ATTRIBUTE_ATTRELID, spec->relation_oid);
    set_text(row, ATTRIBUTE_ATTNAME, spec->name);
    set_oid(row, ATTRIBUTE_ATTTYPID, spec->type.id);
    set_int(row, ATTRIBUTE_ATTSTATTARGET, -1);
    set_int(row, ATTRIBUTE_ATTLEN, info->length);
    set_int(row, ATTRIBUTE_ATTNUM, spec->number);
    set_int(row, ATTRIBUTE_ATTNDIMS, info->is_array ? 1 : 0);
    set_int(row, ATTRIBUTE_ATTCACHEOFF, -1);
    set_int(row, ATTRIBUTE_ATTTYPMOD, spec->type.modifier);
    set_bool(row, ATTRIBUTE_ATTBYVAL, info->by_value);
    set_letter(row, ATTRIBUTE_ATTALIGN, info->alignment);
    set_letter(row, ATTRIBUTE_ATTSTORAGE, info->storage);
    set_bool(row, ATTRIBUTE_ATTNOTNULL, spec->not_null);
    set_bool(row, ATTRIBUTE_ATTHASDEF, spec->has_default);
    set_letter(row, ATTRIBUTE_ATTIDENTITY, spec->identity);
    set_bool(row, ATTRIBUTE_ATTISLOCAL, true);
    set_oid(row, ATTRIBUTE_ATTCOLLATION, info->collation);
    if (spec->missing != NULL && !spec->missing->is_null)
        TRY(set_missing(ddl, row, spec->missing));
    return catalog_row_insert(f, ddl, OID_PG_ATTRIBUTE, row);
}

enum status catalog_class_set_file(struct fiber *f, struct ddl *ddl, uint32_t oid, uint32_t file) {
    struct catalog_row row;
    TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, oid, &row));
    set_oid(row.row, CLASS_RELFILENODE, file);
    return catalog_row_update(f, ddl, &row);
}

enum status catalog_attribute_set_not_null(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                                           int number, bool not_null) {
    struct value key[2] = {value_oid(table_oid), value_int2((int16_t)number)};
    struct catalog_row row;
    TRY(catalog_row_open(f, ddl, OID_PG_ATTRIBUTE, OID_ATTRIBUTE_NUMBER_INDEX, key, &row));
    if (!row.found)
        return error_set(STATUS_UNDEFINED_COLUMN, "a column was dropped concurrently");
    if (get_bool(row.row, ATTRIBUTE_ATTNOTNULL) == not_null)
        return STATUS_OK;
    set_bool(row.row, ATTRIBUTE_ATTNOTNULL, not_null);
    return catalog_row_update(f, ddl, &row);
}

/* ---- the others ----------------------------------------------------------------------- */

enum status catalog_depend_insert(struct fiber *f, struct ddl *ddl,
                                  const struct dependency *dependency) {
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_PG_DEPEND, row);
    set_oid(row, DEPEND_CLASSID, dependency->class_oid);
    set_oid(row, DEPEND_OBJID, dependency->oid);
    set_int(row, DEPEND_OBJSUBID, dependency->sub);
    set_oid(row, DEPEND_REFCLASSID, dependency->ref_class_oid);
    set_oid(row, DEPEND_REFOBJID, dependency->ref_oid);
    set_int(row, DEPEND_REFOBJSUBID, dependency->ref_sub);
    set_letter(row, DEPEND_DEPTYPE, dependency->kind);
    return catalog_row_insert(f, ddl, OID_PG_DEPEND, row);
}

uint32_t catalog_operator_class(uint32_t type_id) {
    static const struct {
        uint32_t type_id, oid;
    } classes[] = {
        {TYPE_BOOL, 10003},       {TYPE_BYTEA, 10006},     {TYPE_CHAR, 10007},
        {TYPE_NAME, 10028},       {TYPE_INT8, 3124},       {TYPE_INT2, 1979},
        {TYPE_INT4, 1978},        {TYPE_TEXT, 3126},       {TYPE_OID, 1981},
        {TYPE_TID, 10050},        {TYPE_OIDVECTOR, 10032}, {TYPE_FLOAT4, 10012},
        {TYPE_FLOAT8, 3123},      {TYPE_BPCHAR, 10004},    {TYPE_VARCHAR, 3126},
        {TYPE_DATE, 3122},        {TYPE_TIME, 10038},      {TYPE_TIMESTAMP, 3128},
        {TYPE_TIMESTAMPTZ, 3127}, {TYPE_INTERVAL, 10022},  {TYPE_NUMERIC, 3125},
        {TYPE_UUID, 10065},
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (classes[i].type_id == type_id)
            return classes[i].oid;
    }
    const struct type_info *info = type_info(type_id);
    return info != NULL && info->is_array ? 10000 : 1981;
}

enum status catalog_index_insert(struct fiber *f, struct ddl *ddl, const struct table *table,
                                 const struct index *index) {
    struct value row[CATALOG_COLUMNS_MAX];
    int16_t keys[INDEX_COLUMNS_MAX], options[INDEX_COLUMNS_MAX];
    uint32_t collations[INDEX_COLUMNS_MAX], classes[INDEX_COLUMNS_MAX];
    for (unsigned i = 0; i < index->column_count; i++) {
        const struct index_column *column = &index->columns[i];
        uint32_t type_id = table->columns[column->column_number - 1].type.id;
        keys[i] = column->column_number;
        options[i] = (int16_t)(column->descending | column->nulls_first << 1);
        collations[i] = type_info_get(type_id)->collation;
        classes[i] = catalog_operator_class(type_id);
    }
    catalog_row_new(ddl, OID_PG_INDEX, row);
    set_oid(row, INDEX_INDEXRELID, index->oid);
    set_oid(row, INDEX_INDRELID, table->oid);
    set_int(row, INDEX_INDNATTS, index->column_count);
    set_int(row, INDEX_INDNKEYATTS, index->column_count);
    set_bool(row, INDEX_INDISUNIQUE, index->unique);
    set_bool(row, INDEX_INDISPRIMARY, index->primary);
    set_bool(row, INDEX_INDIMMEDIATE, true);
    set_bool(row, INDEX_INDISVALID, true);
    set_bool(row, INDEX_INDISREADY, true);
    set_bool(row, INDEX_INDISLIVE, true);
    TRY(set_int2s(row, INDEX_INDKEY, keys, index->column_count, &ddl->arena));
    TRY(set_oids(row, INDEX_INDCOLLATION, collations, index->column_count, &ddl->arena));
    TRY(set_oids(row, INDEX_INDCLASS, classes, index->column_count, &ddl->arena));
    TRY(set_int2s(row, INDEX_INDOPTION, options, index->column_count, &ddl->arena));
    return catalog_row_insert(f, ddl, OID_PG_INDEX, row);
}

enum status catalog_constraint_insert(struct fiber *f, struct ddl *ddl, const struct table *table,
                                      const struct constraint *constraint) {
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_PG_CONSTRAINT, row);
    set_oid(row, CONSTRAINT_OID, constraint->oid);
    set_text(row, CONSTRAINT_CONNAME, constraint->name);
    set_oid(row, CONSTRAINT_CONNAMESPACE, table->namespace_oid);
    set_letter(row, CONSTRAINT_CONTYPE, constraint->kind);
    set_bool(row, CONSTRAINT_CONVALIDATED, true);
    set_oid(row, CONSTRAINT_CONRELID, table->oid);
    set_oid(row, CONSTRAINT_CONINDID, constraint->index_oid);
    set_text(row, CONSTRAINT_CONFUPDTYPE, " ");
    set_text(row, CONSTRAINT_CONFDELTYPE, " ");
    set_text(row, CONSTRAINT_CONFMATCHTYPE, " ");
    set_bool(row, CONSTRAINT_CONISLOCAL, true);
    set_bool(row, CONSTRAINT_CONNOINHERIT, constraint->kind != 'c');
    if (constraint->column_count > 0)
        TRY(set_int2s(row, CONSTRAINT_CONKEY, constraint->columns, constraint->column_count,
                      &ddl->arena));
    if (constraint->check_text != NULL)
        set_text(row, CONSTRAINT_CONBIN, constraint->check_text);
    return catalog_row_insert(f, ddl, OID_PG_CONSTRAINT, row);
}

enum status catalog_default_insert(struct fiber *f, struct ddl *ddl, uint32_t table_oid, int number,
                                   const char *text) {
    uint32_t oid;
    TRY(catalog__take_oids(f, ddl->catalog, 1, &oid));
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_PG_ATTRDEF, row);
    set_oid(row, ATTRDEF_OID, oid);
    set_oid(row, ATTRDEF_ADRELID, table_oid);
    set_int(row, ATTRDEF_ADNUM, number);
    set_text(row, ATTRDEF_ADBIN, text);
    TRY(catalog_row_insert(f, ddl, OID_PG_ATTRDEF, row));
    return catalog_depend_insert(
        f, ddl, &(struct dependency){OID_PG_ATTRDEF, oid, 0, OID_PG_CLASS, table_oid, number, 'a'});
}

enum status catalog_placement_set(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                                  int column_number) {
    struct value key = value_oid(table_oid);
    struct catalog_row found;
    TRY(catalog_row_open(f, ddl, OID_SATORI_PLACEMENT, OID_PLACEMENT_INDEX, &key, &found));
    if (found.found) {
        set_int(found.row, PLACEMENT_PARTITION_COLUMN, column_number);
        return catalog_row_update(f, ddl, &found);
    }
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_SATORI_PLACEMENT, row);
    set_oid(row, PLACEMENT_RELID, table_oid);
    set_int(row, PLACEMENT_PARTITION_COLUMN, column_number);
    return catalog_row_insert(f, ddl, OID_SATORI_PLACEMENT, row);
}
