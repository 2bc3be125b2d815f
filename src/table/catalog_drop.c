/* DROP of tables, indexes, constraints, columns and sequences; TRUNCATE; making sequences. */
#include "table/block_format.h"
#include "table/catalog_private.h"

/* ---- pieces --------------------------------------------------------------------------- */

enum status catalog_dependencies_delete(struct fiber *f, struct ddl *ddl, uint32_t class_oid,
                                        uint32_t oid) {
    struct value key[2] = {value_oid(class_oid), value_oid(oid)};
    return catalog_rows_delete(f, ddl, OID_PG_DEPEND, OID_DEPENDER_INDEX, key, 2);
}

static enum status row_delete(struct fiber *f, struct ddl *ddl, uint32_t table_oid,
                              uint32_t index_oid, uint32_t oid) {
    struct value key = value_oid(oid);
    return catalog_rows_delete(f, ddl, table_oid, index_oid, &key, 1);
}

/* What every relation has: pg_class, pg_attribute, pg_depend, pg_description. */
enum status catalog_relation_delete(struct fiber *f, struct ddl *ddl, uint32_t oid) {
    TRY(row_delete(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, oid));
    TRY(row_delete(f, ddl, OID_PG_ATTRIBUTE, OID_ATTRIBUTE_NUMBER_INDEX, oid));
    TRY(row_delete(f, ddl, OID_PG_DESCRIPTION, OID_DESCRIPTION_INDEX, oid));
    return catalog_dependencies_delete(f, ddl, OID_PG_CLASS, oid);
}

static enum status index_delete(struct fiber *f, struct ddl *ddl, const struct index *index) {
    TRY(catalog_relation_delete(f, ddl, index->oid));
    TRY(row_delete(f, ddl, OID_PG_INDEX, OID_INDEX_OID_INDEX, index->oid));
    return txn_tree_drop(f, ddl->context.transaction, index->tree);
}

static enum status constraint_delete(struct fiber *f, struct ddl *ddl,
                                     const struct constraint *constraint) {
    TRY(row_delete(f, ddl, OID_PG_CONSTRAINT, OID_CONSTRAINT_OID_INDEX, constraint->oid));
    return catalog_dependencies_delete(f, ddl, OID_PG_CONSTRAINT, constraint->oid);
}

struct state_call {
    struct transaction *transaction;
    uint32_t state_id;
};

static enum status state_delete_here(struct fiber *f, struct partition *partition, void *argument) {
    struct state_call *call = argument;
    uint8_t key[SEQUENCE_KEY_SIZE];
    put_be32(key, call->state_id);
    return txn_delete(f, call->transaction, partition, (struct tree_id){TREE_SEQUENCE_STATE},
                      slice_of(key, sizeof key));
}

static enum status state_delete(struct fiber *f, struct ddl *ddl, uint32_t state_id) {
    struct state_call call = {ddl->context.transaction, state_id};
    return partition_call(f, ddl->context.store, PARTITION_CATALOG, state_delete_here, &call);
}

static enum status sequence_delete(struct fiber *f, struct ddl *ddl,
                                   const struct sequence *sequence) {
    TRY(ddl_check_no_view(ddl, sequence->relation, 0,
                          arena_format(&ddl->arena, "sequence %s", sequence->name)));
    TRY(catalog_relation_delete(f, ddl, sequence->oid));
    TRY(row_delete(f, ddl, OID_PG_SEQUENCE, OID_SEQUENCE_INDEX, sequence->oid));
    return state_delete(f, ddl, sequence->state_id);
}

/* Defaults of a table's columns (or of one: number > 0) with their dependencies. */
static enum status defaults_delete(struct fiber *f, struct ddl *ddl, const struct table *table,
                                   int16_t number) {
    for (unsigned i = 0; i < table->column_count; i++) {
        const struct column *column = &table->columns[i];
        if (column->default_text == NULL || (number > 0 && column->number != number))
            continue;
        struct value key[2] = {value_oid(table->oid), value_int2(column->number)};
        struct catalog_row row;
        TRY(catalog_row_open(f, ddl, OID_PG_ATTRDEF, OID_ATTRDEF_COLUMN_INDEX, key, &row));
        if (!row.found)
            continue;
        TRY(catalog_dependencies_delete(f, ddl, OID_PG_ATTRDEF, get_oid(row.old, ATTRDEF_OID)));
        TRY(catalog_row_delete(f, ddl, &row));
    }
    return STATUS_OK;
}

/* Sequences owned by the table (or by one of its columns). */
static enum status owned_sequences_delete(struct fiber *f, struct ddl *ddl,
                                          const struct table *table, int16_t number) {
    for (size_t i = 0; i < schema_sequence_count(ddl->schema); i++) {
        const struct sequence *sequence = schema_sequence_at(ddl->schema, i);
        if (sequence->owner_table_oid == table->oid &&
            (number == 0 || sequence->owner_column == number))
            TRY(sequence_delete(f, ddl, sequence));
    }
    return STATUS_OK;
}

/* ---- tables --------------------------------------------------------------------------- */

static enum status drop_table(struct fiber *f, struct ddl *ddl, const struct table *table) {
    TRY(ddl_check_user_table(table));
    TRY(ddl_check_no_view(ddl, table, 0, arena_format(&ddl->arena, "table %s", table->name)));
    for (unsigned i = 0; i < table->index_count; i++)
        TRY(index_delete(f, ddl, table->indexes[i]));
    for (unsigned i = 0; i < table->constraint_count; i++)
        TRY(constraint_delete(f, ddl, table->constraints[i]));
    TRY(defaults_delete(f, ddl, table, 0));
    TRY(owned_sequences_delete(f, ddl, table, 0));
    TRY(row_delete(f, ddl, OID_SATORI_PLACEMENT, OID_PLACEMENT_INDEX, table->oid));
    TRY(catalog_statistics_delete(f, ddl, table->oid, 0));
    TRY(catalog_relation_delete(f, ddl, table->oid));
    TRY(txn_tree_drop(f, ddl->context.transaction, table->row_tree));
    TRY(txn_tree_drop(f, ddl->context.transaction, block_tree(table)));
    return txn_tree_drop(f, ddl->context.transaction, table->large_tree);
}

enum status catalog_drop_table(struct fiber *f, struct catalog *catalog,
                               struct transaction *transaction, const struct schema *schema,
                               const struct table *table) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, drop_table(f, &ddl, table));
}

static enum status restart_sequences(struct fiber *f, struct ddl *ddl, const struct table *table) {
    for (size_t i = 0; i < schema_sequence_count(ddl->schema); i++) {
        const struct sequence *sequence = schema_sequence_at(ddl->schema, i);
        if (sequence->owner_table_oid != table->oid)
            continue;
        uint32_t state_id;
        TRY(catalog__take_oids(f, ddl->catalog, 1, &state_id));
        TRY(catalog_class_set_file(f, ddl, sequence->oid, state_id));
        TRY(state_delete(f, ddl, sequence->state_id));
    }
    return STATUS_OK;
}

static enum status truncate_table(struct fiber *f, struct ddl *ddl, const struct table *table,
                                  bool restart_identity) {
    TRY(ddl_check_user_table(table));
    struct transaction *transaction = ddl->context.transaction;
    uint32_t file;
    TRY(catalog__take_oids(f, ddl->catalog, 2, &file));
    TRY(catalog_class_set_file(f, ddl, table->oid, file));
    TRY(txn_tree_drop(f, transaction, table->row_tree));
    TRY(txn_tree_drop(f, transaction, block_tree(table)));
    TRY(txn_tree_drop(f, transaction, table->large_tree));
    for (unsigned i = 0; i < table->index_count; i++) {
        TRY(catalog__take_oids(f, ddl->catalog, 1, &file));
        TRY(catalog_class_set_file(f, ddl, table->indexes[i]->oid, file));
        TRY(txn_tree_drop(f, transaction, table->indexes[i]->tree));
    }
    return restart_identity ? restart_sequences(f, ddl, table) : STATUS_OK;
}

enum status catalog_truncate(struct fiber *f, struct catalog *catalog,
                             struct transaction *transaction, const struct schema *schema,
                             const struct table *table, bool restart_identity) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, truncate_table(f, &ddl, table, restart_identity));
}

/* ---- indexes and constraints ---------------------------------------------------------- */

static const struct constraint *constraint_of(const struct table *table,
                                              const struct index *index) {
    for (unsigned i = 0; i < table->constraint_count; i++) {
        if (table->constraints[i]->oid == index->constraint_oid)
            return table->constraints[i];
    }
    return NULL;
}

static enum status mark_no_index(struct fiber *f, struct ddl *ddl, const struct table *table) {
    if (table->index_count > 1)
        return STATUS_OK;
    struct catalog_row row;
    TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, table->oid, &row));
    set_bool(row.row, CLASS_RELHASINDEX, false);
    return catalog_row_update(f, ddl, &row);
}

static enum status drop_index(struct fiber *f, struct ddl *ddl, const struct index *index) {
    const struct table *table;
    const struct index *known = schema_index_by_oid(ddl->schema, index->oid, &table);
    ASSERT(known != NULL);
    TRY(ddl_check_user_table(table));
    const struct constraint *constraint =
        index->constraint_oid == 0 ? NULL : constraint_of(table, index);
    if (constraint != NULL) {
        error_set(STATUS_DEPENDENT_OBJECTS,
                  "cannot drop index %s because constraint %s on table %s requires it", index->name,
                  constraint->name, table->name);
        error_hint("You can drop constraint %s on table %s instead.", constraint->name,
                   table->name);
        return STATUS_DEPENDENT_OBJECTS;
    }
    TRY(index_delete(f, ddl, index));
    return mark_no_index(f, ddl, table);
}

enum status catalog_drop_index(struct fiber *f, struct catalog *catalog,
                               struct transaction *transaction, const struct schema *schema,
                               const struct index *index) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, drop_index(f, &ddl, index));
}

static enum status drop_constraint(struct fiber *f, struct ddl *ddl, const struct table *table,
                                   const struct constraint *constraint) {
    TRY(ddl_check_user_table(table));
    TRY(constraint_delete(f, ddl, constraint));
    if (constraint->kind == 'c') {
        struct catalog_row row;
        TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, table->oid, &row));
        set_int(row.row, CLASS_RELCHECKS, get_int(row.row, CLASS_RELCHECKS) - 1);
        return catalog_row_update(f, ddl, &row);
    }
    /* The rows stay where the key's column put them: the placement is the table's own. */
    const struct index *index = schema_index_by_oid(ddl->schema, constraint->index_oid, NULL);
    ASSERT(index != NULL);
    TRY(index_delete(f, ddl, index));
    return mark_no_index(f, ddl, table);
}

enum status catalog_drop_constraint(struct fiber *f, struct catalog *catalog,
                                    struct transaction *transaction, const struct schema *schema,
                                    const struct table *table,
                                    const struct constraint *constraint) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, drop_constraint(f, &ddl, table, constraint));
}

/* ---- columns -------------------------------------------------------------------------- */

static bool index_mentions(const struct index *index, int16_t number) {
    for (unsigned i = 0; i < index->column_count; i++) {
        if (index->columns[i].column_number == number)
            return true;
    }
    return false;
}

/* Indexes and constraints that mention the column go with it, as in PostgreSQL. */
static enum status drop_mentions(struct fiber *f, struct ddl *ddl, const struct table *table,
                                 int16_t number) {
    unsigned checks = 0;
    for (unsigned i = 0; i < table->constraint_count; i++) {
        const struct constraint *constraint = table->constraints[i];
        for (unsigned c = 0; c < constraint->column_count; c++) {
            if (constraint->columns[c] != number)
                continue;
            TRY(constraint_delete(f, ddl, constraint));
            checks += constraint->kind == 'c';
            break;
        }
    }
    for (unsigned i = 0; i < table->index_count; i++) {
        if (index_mentions(table->indexes[i], number))
            TRY(index_delete(f, ddl, table->indexes[i]));
    }
    if (checks == 0)
        return STATUS_OK;
    struct catalog_row row;
    TRY(catalog_row_of(f, ddl, OID_PG_CLASS, OID_CLASS_OID_INDEX, table->oid, &row));
    set_int(row.row, CLASS_RELCHECKS, get_int(row.row, CLASS_RELCHECKS) - checks);
    return catalog_row_update(f, ddl, &row);
}

static enum status drop_column(struct fiber *f, struct ddl *ddl, const struct table *table,
                               const struct column *column) {
    TRY(ddl_check_user_table(table));
    if (column->number == table->partition_column)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "cannot drop column \"%s\": the rows of table \"%s\" are spread by it",
                         column->name, table->name);
    TRY(ddl_check_no_view(
        ddl, table, column->number,
        arena_format(&ddl->arena, "column %s of table %s", column->name, table->name)));
    TRY(drop_mentions(f, ddl, table, column->number));
    TRY(catalog_statistics_delete(f, ddl, table->oid, column->number));
    TRY(defaults_delete(f, ddl, table, column->number));
    TRY(owned_sequences_delete(f, ddl, table, column->number));
    TRY(transaction_command_end(f, ddl->context.transaction));
    struct value key[2] = {value_oid(table->oid), value_int2(column->number)};
    struct catalog_row row;
    TRY(catalog_row_open(f, ddl, OID_PG_ATTRIBUTE, OID_ATTRIBUTE_NUMBER_INDEX, key, &row));
    if (!row.found)
        return error_set(STATUS_UNDEFINED_COLUMN, "a column was dropped concurrently");
    set_text(row.row, ATTRIBUTE_ATTNAME,
             arena_format(&ddl->arena, "........pg.dropped.%d........", column->number));
    set_bool(row.row, ATTRIBUTE_ATTISDROPPED, true);
    set_bool(row.row, ATTRIBUTE_ATTNOTNULL, false);
    set_bool(row.row, ATTRIBUTE_ATTHASDEF, false);
    set_letter(row.row, ATTRIBUTE_ATTIDENTITY, '\0');
    return catalog_row_update(f, ddl, &row);
}

enum status catalog_drop_column(struct fiber *f, struct catalog *catalog,
                                struct transaction *transaction, const struct schema *schema,
                                const struct table *table, const struct column *column) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, drop_column(f, &ddl, table, column));
}

/* ---- sequences ------------------------------------------------------------------------ */

/* As in PostgreSQL, a sequence is a relation with these columns. */
static enum status sequence_attributes(struct fiber *f, struct ddl *ddl, uint32_t oid) {
    const struct attribute_spec attributes[] = {
        {.relation_oid = oid,
         .name = "last_value",
         .number = 1,
         .type = TYPE_OF(INT8),
         .not_null = true},
        {.relation_oid = oid,
         .name = "log_cnt",
         .number = 2,
         .type = TYPE_OF(INT8),
         .not_null = true},
        {.relation_oid = oid,
         .name = "is_called",
         .number = 3,
         .type = TYPE_OF(BOOL),
         .not_null = true},
    };
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
        TRY(catalog_attribute_insert(f, ddl, &attributes[i]));
    return STATUS_OK;
}

static enum status create_sequence(struct fiber *f, struct ddl *ddl, const struct sequence *spec,
                                   uint32_t *oid_out) {
    const char *namespace_name = spec->namespace_name == NULL ? "public" : spec->namespace_name;
    TRY(ddl_check_new_relation(ddl, namespace_name, spec->name));
    uint32_t oid; /* the sequence; its state */
    TRY(catalog__take_oids(f, ddl->catalog, 2, &oid));
    struct class_spec relation = {
        .oid = oid,
        .namespace_oid = schema_namespace(ddl->schema, namespace_name)->oid,
        .file = oid + 1,
        .name = spec->name,
        .kind = RELATION_SEQUENCE,
        .replica_identity = 'n',
        .column_count = 3,
        .row_count = 1,
    };
    TRY(catalog_class_insert(f, ddl, &relation));
    TRY(sequence_attributes(f, ddl, oid));
    struct value row[CATALOG_COLUMNS_MAX];
    catalog_row_new(ddl, OID_PG_SEQUENCE, row);
    set_oid(row, SEQUENCE_SEQRELID, oid);
    set_oid(row, SEQUENCE_SEQTYPID, spec->type.id);
    set_int(row, SEQUENCE_SEQSTART, spec->start);
    set_int(row, SEQUENCE_SEQINCREMENT, spec->increment);
    set_int(row, SEQUENCE_SEQMAX, spec->maximum);
    set_int(row, SEQUENCE_SEQMIN, spec->minimum);
    set_int(row, SEQUENCE_SEQCACHE, spec->cache);
    set_bool(row, SEQUENCE_SEQCYCLE, spec->cycle);
    TRY(catalog_row_insert(f, ddl, OID_PG_SEQUENCE, row));
    *oid_out = oid;
    if (spec->owner_table_oid == 0)
        return STATUS_OK;
    return catalog_depend_insert(f, ddl,
                                 &(struct dependency){OID_PG_CLASS, oid, 0, OID_PG_CLASS,
                                                      spec->owner_table_oid, spec->owner_column,
                                                      spec->is_identity ? 'i' : 'a'});
}

enum status catalog_create_sequence(struct fiber *f, struct catalog *catalog,
                                    struct transaction *transaction, const struct schema *schema,
                                    const struct sequence *spec, uint32_t *oid_out) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, create_sequence(f, &ddl, spec, oid_out));
}

static enum status drop_sequence(struct fiber *f, struct ddl *ddl,
                                 const struct sequence *sequence) {
    const struct table *owner = sequence->owner_table_oid == 0
                                    ? NULL
                                    : schema_table_by_oid(ddl->schema, sequence->owner_table_oid);
    const struct column *column =
        owner == NULL ? NULL : &owner->columns[sequence->owner_column - 1];
    if (column != NULL && (column->identity != 0 || column->default_text != NULL)) {
        error_set(STATUS_DEPENDENT_OBJECTS,
                  "cannot drop sequence %s because other objects depend on it", sequence->name);
        error_detail("default value for column %s of table %s depends on sequence %s", column->name,
                     owner->name, sequence->name);
        error_hint("Use DROP ... CASCADE to drop the dependent objects too.");
        return STATUS_DEPENDENT_OBJECTS;
    }
    return sequence_delete(f, ddl, sequence);
}

enum status catalog_drop_sequence(struct fiber *f, struct catalog *catalog,
                                  struct transaction *transaction, const struct schema *schema,
                                  const struct sequence *sequence) {
    struct ddl ddl;
    ddl_init(&ddl, catalog, transaction, schema);
    return ddl_end(f, &ddl, drop_sequence(f, &ddl, sequence));
}
