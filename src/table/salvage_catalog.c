/*
 * The salvaged catalog: its own tables, which nothing else describes, then the relations that they
 * describe. A relation is whole when everything that opening it needs is there; what is left of
 * others is deleted before the system's indexes are made.
 */
#include "table/salvage.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/base_memory.h"
#include "table/table_format.h"

/* What the rows say of a relation, or of an oid that has rows but no relation. */
struct relation {
    uint32_t oid, namespace_oid, table_oid; /* table_oid: of an index */
    char kind;                              /* 0: no row of pg_class */
    const char *name;
    int64_t columns, attributes, checks, check_rows;
    bool body; /* the row of pg_index, pg_sequence or satori_view is there */
    bool bad, told;
};

struct survey {
    struct catalog *catalog;
    struct transaction *transaction;
    const struct salvage_report *report;
    struct arena arena;
    struct relation *relations; /* in no order */
    size_t count, capacity;
    uint32_t *namespaces;
    size_t namespace_count, namespace_capacity;
    struct column_default {
        uint32_t oid;
        int64_t number;
    } * defaults; /* that pg_attrdef has */
    size_t default_count, default_capacity;
    /* the scan under way */
    const struct table *table;
    enum status (*visit)(struct survey *survey, const struct value *values, struct row_id row);
    struct row_id *doomed;
    size_t doomed_count, doomed_capacity;
};

static enum status no_memory(void) {
    return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

/* ---- reading without indexes ------------------------------------------------------------------
 */

static enum status scan_here(struct fiber *f, struct partition *partition, void *argument) {
    struct survey *survey = argument;
    const struct table *table = survey->table;
    int16_t numbers[CATALOG_COLUMNS_MAX + 1];
    struct value values[CATALOG_COLUMNS_MAX];
    for (unsigned i = 0; i < table->column_count; i++)
        numbers[i] = (int16_t)(i + 1);
    numbers[table->column_count] = 0;
    struct arena arena = {0};
    struct table_context context = {.catalog = survey->catalog,
                                    .store = survey->catalog->store,
                                    .transaction = survey->transaction,
                                    .arena = &arena};
    struct table_scan_options options = {.column_numbers = numbers,
                                         .column_count = table->column_count + 1u};
    struct table_scan *scan;
    TRY(table_scan_open(f, &context, table, partition, &options, &scan));
    struct batch *batch = NULL;
    enum status status;
    do {
        status = table_scan_next(f, scan, &batch);
        for (uint32_t i = 0; status == STATUS_OK && batch != NULL && i < batch->selected_count;
             i++) {
            uint32_t row = batch_row(batch, i);
            for (unsigned c = 0; c < table->column_count; c++)
                values[c] = vector_get(&batch->vectors[c], row);
            int64_t address = vector_get(&batch->vectors[table->column_count], row).int64;
            status = survey->visit(survey, values, row_address_unpack(address).row);
        }
    } while (status == STATUS_OK && batch != NULL);
    table_scan_close(f, scan);
    arena_release(&arena);
    return status;
}

static enum status scan(struct fiber *f, struct survey *survey, uint32_t table_oid,
                        enum status (*visit)(struct survey *survey, const struct value *values,
                                             struct row_id row)) {
    survey->table = system_table(&survey->catalog->system, table_oid);
    survey->visit = visit;
    return partition_call(f, survey->catalog->store, PARTITION_CATALOG, scan_here, survey);
}

/* ---- what there is ------------------------------------------------------------------------------
 */

static struct relation *relation_find(struct survey *survey, uint32_t oid) {
    for (size_t i = 0; i < survey->count; i++)
        if (survey->relations[i].oid == oid)
            return &survey->relations[i];
    return NULL;
}

/* Made when it is not there. NULL: no memory. */
static struct relation *relation_get(struct survey *survey, uint32_t oid) {
    struct relation *relation = relation_find(survey, oid);
    if (relation != NULL)
        return relation;
    if (!memory_grow(&survey->relations, &survey->capacity, survey->count + 1, sizeof *relation))
        return NULL;
    relation = &survey->relations[survey->count++];
    *relation = (struct relation){.oid = oid};
    return relation;
}

static enum status see_namespace(struct survey *survey, const struct value *values,
                                 struct row_id row) {
    if (!memory_grow(&survey->namespaces, &survey->namespace_capacity, survey->namespace_count + 1,
                     sizeof *survey->namespaces))
        return no_memory();
    survey->namespaces[survey->namespace_count++] = get_oid(values, NAMESPACE_OID);
    return STATUS_OK;
}

static enum status see_class(struct survey *survey, const struct value *values, struct row_id row) {
    if (get_oid(values, CLASS_OID) < OID_FIRST_USER)
        return STATUS_OK;
    struct relation *relation = relation_get(survey, get_oid(values, CLASS_OID));
    if (relation == NULL)
        return no_memory();
    relation->kind = get_letter(values, CLASS_RELKIND);
    relation->name = get_text(values, CLASS_RELNAME, &survey->arena);
    relation->namespace_oid = get_oid(values, CLASS_RELNAMESPACE);
    relation->columns = get_int(values, CLASS_RELNATTS);
    relation->checks = get_int(values, CLASS_RELCHECKS);
    return arena_status(&survey->arena);
}

static enum status see_attribute(struct survey *survey, const struct value *values,
                                 struct row_id row) {
    uint32_t oid = get_oid(values, ATTRIBUTE_ATTRELID);
    if (oid < OID_FIRST_USER || get_int(values, ATTRIBUTE_ATTNUM) < 1)
        return STATUS_OK;
    struct relation *relation = relation_get(survey, oid);
    if (relation == NULL)
        return no_memory();
    relation->attributes++;
    return STATUS_OK;
}

static enum status see_index(struct survey *survey, const struct value *values, struct row_id row) {
    if (get_oid(values, INDEX_INDEXRELID) < OID_FIRST_USER)
        return STATUS_OK;
    struct relation *relation = relation_get(survey, get_oid(values, INDEX_INDEXRELID));
    if (relation == NULL)
        return no_memory();
    relation->body = true;
    relation->table_oid = get_oid(values, INDEX_INDRELID);
    return STATUS_OK;
}

static enum status see_body(struct survey *survey, uint32_t oid) {
    struct relation *relation = relation_get(survey, oid);
    if (relation == NULL)
        return no_memory();
    relation->body = true;
    return STATUS_OK;
}

static enum status see_sequence(struct survey *survey, const struct value *values,
                                struct row_id row) {
    return see_body(survey, get_oid(values, SEQUENCE_SEQRELID));
}

static enum status see_view(struct survey *survey, const struct value *values, struct row_id row) {
    return see_body(survey, get_oid(values, VIEW_RELID));
}

static enum status see_constraint(struct survey *survey, const struct value *values,
                                  struct row_id row) {
    struct relation *relation = relation_find(survey, get_oid(values, CONSTRAINT_CONRELID));
    if (relation != NULL && get_letter(values, CONSTRAINT_CONTYPE) == 'c')
        relation->check_rows++;
    return STATUS_OK;
}

static enum status see_default(struct survey *survey, const struct value *values,
                               struct row_id row) {
    if (!memory_grow(&survey->defaults, &survey->default_capacity, survey->default_count + 1,
                     sizeof *survey->defaults))
        return no_memory();
    survey->defaults[survey->default_count++] =
        (struct column_default){get_oid(values, ATTRDEF_ADRELID), get_int(values, ATTRDEF_ADNUM)};
    return STATUS_OK;
}

static enum status look(struct fiber *f, struct survey *survey) {
    TRY(scan(f, survey, OID_PG_NAMESPACE, see_namespace));
    TRY(scan(f, survey, OID_PG_CLASS, see_class));
    TRY(scan(f, survey, OID_PG_ATTRIBUTE, see_attribute));
    TRY(scan(f, survey, OID_PG_INDEX, see_index));
    TRY(scan(f, survey, OID_PG_SEQUENCE, see_sequence));
    TRY(scan(f, survey, OID_SATORI_VIEW, see_view));
    TRY(scan(f, survey, OID_PG_CONSTRAINT, see_constraint));
    return scan(f, survey, OID_PG_ATTRDEF, see_default);
}

/* ---- what is whole ------------------------------------------------------------------------------
 */

static bool is_whole(struct survey *survey, const struct relation *relation) {
    const struct relation *table;
    switch (relation->kind) {
    case 'r':
        return relation->attributes == relation->columns;
    case 'v':
        return relation->attributes == relation->columns && relation->body;
    case 'S':
        return relation->body;
    case 'i':
        table = relation_find(survey, relation->table_oid);
        return relation->body && table != NULL && table->kind == 'r' && !table->bad;
    default:
        return false;
    }
}

static void judge(struct survey *survey) {
    for (bool changed = true; changed;) { /* an index goes with its table */
        changed = false;
        for (size_t i = 0; i < survey->count; i++) {
            struct relation *relation = &survey->relations[i];
            if (relation->bad || is_whole(survey, relation))
                continue;
            relation->bad = changed = true;
        }
    }
    for (size_t i = 0; i < survey->count; i++) {
        const struct relation *relation = &survey->relations[i];
        const char *kind = relation->kind == 'r'   ? "table"
                           : relation->kind == 'v' ? "view"
                           : relation->kind == 'S' ? "sequence"
                                                   : "index";
        if (relation->bad && relation->kind == 0)
            salvage__say(survey->report,
                         "a relation whose name is lost (oid %" PRIu32 ", %lld columns known) is "
                         "not in OUT",
                         relation->oid, (long long)relation->attributes);
        else if (relation->bad)
            salvage__say(survey->report,
                         "%s %s is not in OUT: its description in the catalog has gaps", kind,
                         relation->name);
        else if (relation->kind == 'r' && relation->check_rows < relation->checks)
            salvage__say(survey->report, "table %s: %lld of its check constraints are lost",
                         relation->name, (long long)(relation->checks - relation->check_rows));
    }
}

/* ---- taking out ---------------------------------------------------------------------------------
 */

/* described: the row is one of those that describe system relations, too. They go in any case:
   catalog_open writes them anew where they are missing, but only all of a relation's at once. */
static bool is_gone(struct survey *survey, uint32_t oid, bool described) {
    if (oid < OID_FIRST_USER)
        return described && oid != 0;
    const struct relation *relation = relation_find(survey, oid);
    return relation == NULL || relation->bad;
}

static enum status doom(struct survey *survey, struct row_id row) {
    if (!memory_grow(&survey->doomed, &survey->doomed_capacity, survey->doomed_count + 1,
                     sizeof *survey->doomed))
        return no_memory();
    survey->doomed[survey->doomed_count++] = row;
    return STATUS_OK;
}

/* By table: the columns that name relations, whose row is of no use without them. */
static const struct {
    uint32_t table_oid;
    bool described;
    int columns[2];
} references[] = {
    {OID_PG_CLASS, true, {CLASS_OID}},
    {OID_PG_ATTRIBUTE, true, {ATTRIBUTE_ATTRELID}},
    {OID_PG_ATTRDEF, false, {ATTRDEF_ADRELID}},
    {OID_PG_INDEX, true, {INDEX_INDEXRELID, INDEX_INDRELID}},
    {OID_PG_CONSTRAINT, true, {CONSTRAINT_CONRELID, CONSTRAINT_CONINDID}},
    {OID_PG_SEQUENCE, false, {SEQUENCE_SEQRELID}},
    {OID_SATORI_PLACEMENT, false, {PLACEMENT_RELID}},
    {OID_SATORI_STATISTIC, false, {STATISTIC_RELID}},
    {OID_SATORI_VIEW, false, {VIEW_RELID}},
};

static enum status drop_reference(struct survey *survey, const struct value *values,
                                  struct row_id row) {
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        if (references[i].table_oid != survey->table->oid)
            continue;
        for (int k = 0; k < 2; k++)
            if (references[i].columns[k] != 0 &&
                is_gone(survey, get_oid(values, references[i].columns[k]), references[i].described))
                return doom(survey, row);
    }
    return STATUS_OK;
}

static enum status drop_dependency(struct survey *survey, const struct value *values,
                                   struct row_id row) {
    bool gone = (get_oid(values, DEPEND_CLASSID) == OID_PG_CLASS &&
                 is_gone(survey, get_oid(values, DEPEND_OBJID), false)) ||
                (get_oid(values, DEPEND_REFCLASSID) == OID_PG_CLASS &&
                 is_gone(survey, get_oid(values, DEPEND_REFOBJID), false));
    return gone ? doom(survey, row) : STATUS_OK;
}

static enum status drop_description(struct survey *survey, const struct value *values,
                                    struct row_id row) {
    bool gone = get_oid(values, DESCRIPTION_CLASSOID) == OID_PG_CLASS &&
                is_gone(survey, get_oid(values, DESCRIPTION_OBJOID), false);
    return gone ? doom(survey, row) : STATUS_OK;
}

/* The column says that it has a default, and it has not. */
static enum status tell_default(struct survey *survey, const struct value *values,
                                struct row_id row) {
    uint32_t oid = get_oid(values, ATTRIBUTE_ATTRELID);
    if (oid < OID_FIRST_USER || is_gone(survey, oid, false) ||
        !get_bool(values, ATTRIBUTE_ATTHASDEF))
        return STATUS_OK;
    for (size_t i = 0; i < survey->default_count; i++)
        if (survey->defaults[i].oid == oid &&
            survey->defaults[i].number == get_int(values, ATTRIBUTE_ATTNUM))
            return STATUS_OK;
    salvage__say(survey->report, "table %s: the default of column %s is lost",
                 relation_find(survey, oid)->name,
                 get_text(values, ATTRIBUTE_ATTNAME, &survey->arena));
    return STATUS_OK;
}

static enum status delete_here(struct fiber *f, struct partition *partition, void *argument) {
    struct survey *survey = argument;
    for (size_t i = 0; i < survey->doomed_count; i++) {
        uint8_t key[ROW_KEY_SIZE];
        row_key_encode(survey->doomed[i], key);
        TRY(txn_delete(f, survey->transaction, partition, survey->table->row_tree,
                       slice_of(key, sizeof key)));
    }
    survey->doomed_count = 0;
    return STATUS_OK;
}

static enum status take_out(struct fiber *f, struct survey *survey, uint32_t table_oid,
                            enum status (*visit)(struct survey *survey, const struct value *values,
                                                 struct row_id row)) {
    TRY(scan(f, survey, table_oid, visit));
    return partition_call(f, survey->catalog->store, PARTITION_CATALOG, delete_here, survey);
}

static enum status take_out_all(struct fiber *f, struct survey *survey) {
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++)
        TRY(take_out(f, survey, references[i].table_oid, drop_reference));
    TRY(take_out(f, survey, OID_PG_DEPEND, drop_dependency));
    TRY(take_out(f, survey, OID_PG_DESCRIPTION, drop_description));
    return scan(f, survey, OID_PG_ATTRIBUTE, tell_default);
}

static enum status survey_relations(struct fiber *f, struct survey *survey) {
    TRY(salvage__begin(f, survey->catalog, &survey->transaction));
    enum status status = look(f, survey);
    if (status == STATUS_OK) {
        judge(survey);
        status = take_out_all(f, survey);
    }
    return salvage__end(f, survey->transaction, status);
}

/* ---- schemas whose row is lost ------------------------------------------------------------------
 */

static enum status namespace_make(struct fiber *f, struct survey *survey, uint32_t oid) {
    struct ddl ddl;
    struct value row[CATALOG_COLUMNS_MAX];
    char name[32];
    snprintf(name, sizeof name, "salvaged_%" PRIu32, oid);
    salvage__say(survey->report, "the name of a schema is lost: it is %s now", name);
    TRY(salvage__begin(f, survey->catalog, &survey->transaction));
    ddl_init(&ddl, survey->catalog, survey->transaction, NULL);
    catalog_row_new(&ddl, OID_PG_NAMESPACE, row);
    set_oid(row, NAMESPACE_OID, oid);
    set_text(row, NAMESPACE_NSPNAME, name);
    set_oid(row, NAMESPACE_NSPOWNER, OID_SUPERUSER);
    enum status status = catalog_row_insert(f, &ddl, OID_PG_NAMESPACE, row);
    arena_release(&ddl.arena);
    return salvage__end(f, survey->transaction, status);
}

static enum status namespaces_mend(struct fiber *f, struct survey *survey) {
    for (size_t i = 0; i < survey->count; i++) {
        uint32_t oid = survey->relations[i].namespace_oid;
        bool there = survey->relations[i].bad || oid < OID_FIRST_USER;
        for (size_t k = 0; k < survey->namespace_count && !there; k++)
            there = survey->namespaces[k] == oid;
        if (there)
            continue;
        TRY(namespace_make(f, survey, oid));
        if (!memory_grow(&survey->namespaces, &survey->namespace_capacity,
                         survey->namespace_count + 1, sizeof *survey->namespaces))
            return no_memory();
        survey->namespaces[survey->namespace_count++] = oid;
    }
    return STATUS_OK;
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

static enum status system_tables_each(struct fiber *f, struct survey *survey, bool fill) {
    const struct schema_part *part = &survey->catalog->system;
    for (size_t i = 0; i < part->table_count; i++) {
        const struct table *table = part->tables[i];
        if (table->kind != RELATION_TABLE)
            continue;
        if (!fill)
            TRY(salvage__rows(f, survey->catalog, table, survey->report));
        else
            TRY(salvage__pieces(f, survey->catalog, table));
        for (unsigned k = 0; fill && k < table->index_count; k++)
            TRY(salvage__fill(f, survey->catalog, table, table->indexes[k]));
    }
    return STATUS_OK;
}

enum status catalog_salvage(struct fiber *f, struct store *store,
                            const struct salvage_report *report) {
    struct catalog *catalog = memory_alloc_zeroed(1, sizeof *catalog);
    if (catalog == NULL)
        return no_memory();
    catalog->store = store;
    struct survey survey = {.catalog = catalog, .report = report};
    enum status status = system_part_build(&catalog->system);
    if (status == STATUS_OK)
        status = system_tables_each(f, &survey, false);
    if (status == STATUS_OK)
        status = survey_relations(f, &survey);
    if (status == STATUS_OK)
        status = system_tables_each(f, &survey, true);
    if (status == STATUS_OK)
        status = namespaces_mend(f, &survey);
    arena_release(&survey.arena);
    memory_free(survey.relations);
    memory_free(survey.namespaces);
    memory_free(survey.defaults);
    memory_free(survey.doomed);
    schema_part_release(&catalog->system);
    memory_free(catalog);
    return status;
}

/* Types of a relation follow its oid; a table's two trees do, too. */
enum { NUMBERS_OF_A_RELATION = 4 };

static void raise(uint32_t *most, uint32_t number) {
    if (*most < number + NUMBERS_OF_A_RELATION)
        *most = number + NUMBERS_OF_A_RELATION;
}

enum status catalog_salvage_counters(struct fiber *f, struct catalog *catalog) {
    struct schema *schema = catalog_schema(catalog);
    uint32_t most = OID_FIRST_USER - 1;
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        if (table->oid < OID_FIRST_USER)
            continue;
        raise(&most, table->oid);
        raise(&most, table->row_tree.value);
        for (unsigned k = 0; k < table->index_count; k++) {
            raise(&most, table->indexes[k]->oid);
            raise(&most, table->indexes[k]->tree.value);
        }
        for (unsigned k = 0; k < table->constraint_count; k++)
            raise(&most, table->constraints[k]->oid);
    }
    for (size_t i = 0; i < schema_sequence_count(schema); i++) {
        raise(&most, schema_sequence_at(schema, i)->oid);
        raise(&most, schema_sequence_at(schema, i)->state_id);
    }
    for (size_t i = 0; i < schema_namespace_count(schema); i++)
        raise(&most, schema_namespace_at(schema, i)->oid);
    schema_release(schema);
    return catalog__pass_oid(f, catalog, most);
}
