/*
 * From the catalog's rows to a schema's user part.
 *
 * Runs inside a call of partition 0, with ordinary scans of the system tables by their indexes;
 * only rows of user objects (oid >= OID_FIRST_USER) are read. Relations come first, in order of
 * oid; everything else finds its relation by binary search.
 */
#include "table/catalog_private.h"

#include "table/catalog_columns.h"
#include "table/virtual.h"
#include "value/value_text.h"

struct index_node {
    struct index_node *next;
    struct index index;
    uint32_t table_oid;
};

struct constraint_node {
    struct constraint_node *next;
    struct constraint constraint;
    uint32_t table_oid;
};

struct reference_node {
    struct reference_node *next;
    struct view_reference reference;
    struct table *view;
};

/* A row of pg_class. */
struct relation {
    uint32_t oid, file;
    char kind;
    const char *name;
    struct table *table;       /* kinds 'r' and 'v' */
    struct sequence *sequence; /* kind 'S' */
};

struct builder {
    struct table_context context;
    struct partition *partition;
    const struct schema_part *system;
    struct schema_part *part;
    struct arena *arena; /* the part's */
    struct relation *relations;
    size_t relation_count, relation_capacity;
    struct index_node *indexes;
    struct constraint_node *constraints;
    struct reference_node *references;
};

/* ---- reading -------------------------------------------------------------------------- */

typedef enum status (*row_visitor)(struct builder *builder, const struct value *values);

/* Every row of a system table whose first column of the index is >= lower (NULL: all rows);
   `equal` (or NULL) binds the first column and moves `lower` to the second. values: all columns. */
struct read_options {
    uint32_t table_oid, index_oid;
    const struct value *equal, *lower;
    row_visitor visit;
};

static enum status visit_batch(struct builder *builder, const struct batch *batch,
                               row_visitor visit) {
    struct value values[CATALOG_COLUMNS_MAX];
    for (uint32_t row = 0; row < batch->row_count; row++) {
        for (uint32_t i = 0; i < batch->column_count; i++)
            values[i] = vector_get(&batch->vectors[i], row);
        TRY(visit(builder, values));
    }
    return STATUS_OK;
}

static enum status read_rows(struct fiber *f, struct builder *builder,
                             const struct read_options *options) {
    const struct table *table = system_table(builder->system, options->table_oid);
    int16_t numbers[CATALOG_COLUMNS_MAX];
    for (unsigned i = 0; i < table->column_count; i++)
        numbers[i] = (int16_t)(i + 1);
    struct table_scan_options scan_options = {
        .column_numbers = numbers,
        .column_count = table->column_count,
        .index = system_index(table, options->index_oid),
        .equal_count = options->equal != NULL,
        .equal = options->equal,
        .lower = options->lower,
    };
    struct table_scan *scan;
    TRY(table_scan_open(f, &builder->context, table, builder->partition, &scan_options, &scan));
    struct batch *batch = NULL;
    enum status status;
    do {
        status = table_scan_next(f, scan, &batch);
        if (status == STATUS_OK && batch != NULL)
            status = visit_batch(builder, batch, options->visit);
    } while (status == STATUS_OK && batch != NULL);
    table_scan_close(f, scan);
    return status;
}

static struct relation *relation_find(struct builder *builder, uint32_t oid) {
    size_t low = 0, high = builder->relation_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (builder->relations[middle].oid < oid)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < builder->relation_count && builder->relations[low].oid == oid)
        return &builder->relations[low];
    return NULL;
}

static struct column *column_find(struct builder *builder, uint32_t oid, int64_t number) {
    struct relation *relation = relation_find(builder, oid);
    if (relation == NULL || relation->table == NULL || number < 1 ||
        number > relation->table->column_count)
        return NULL;
    return &relation->table->columns[number - 1];
}

static enum status damaged(const char *what, uint32_t oid) {
    return error_set(STATUS_DATA_CORRUPTED, "the catalog is damaged: %s of relation %u", what, oid);
}

/* ---- namespaces and relations --------------------------------------------------------- */

static enum status visit_namespace(struct builder *builder, const struct value *values) {
    struct schema_part *part = builder->part;
    if ((part->namespace_count & (part->namespace_count - 1)) == 0) { /* grow: 1, 2, 4 ... */
        size_t capacity = part->namespace_count == 0 ? 1 : part->namespace_count * 2;
        struct schema_namespace *grown;
        TRY(arena__array(builder->arena, capacity, sizeof *grown, &grown));
        if (part->namespace_count > 0)
            memcpy(grown, part->namespaces, part->namespace_count * sizeof *grown);
        part->namespaces = grown;
    }
    uint32_t oid = get_oid(values, NAMESPACE_OID);
    part->namespaces[part->namespace_count++] = (struct schema_namespace){
        .oid = oid,
        .name = get_text(values, NAMESPACE_NSPNAME, builder->arena),
        .is_system = oid < OID_FIRST_USER && oid != OID_NAMESPACE_PUBLIC,
    };
    return STATUS_OK;
}

static const char *namespace_name(struct builder *builder, uint32_t oid) {
    for (size_t i = 0; i < builder->part->namespace_count; i++) {
        if (builder->part->namespaces[i].oid == oid)
            return builder->part->namespaces[i].name;
    }
    return NULL;
}

/* The freeze option among `name=value` texts. */
static enum status freeze_option_read(const struct value *options, enum freeze_option *out) {
    struct array array;
    *out = FREEZE_ON;
    if (options->is_null)
        return STATUS_OK;
    TRY(array_open(options->string, &array));
    for (uint32_t i = 0; i < array.count; i++) {
        struct value text;
        TRY(array_get(&array, i, &text));
        if (slice_equal(text.string, slice_of_text("freeze=off")))
            *out = FREEZE_OFF;
        else if (slice_equal(text.string, slice_of_text("freeze=eager")))
            *out = FREEZE_EAGER;
    }
    return STATUS_OK;
}

static enum status table_make(struct builder *builder, struct relation *relation,
                              const struct value *values) {
    struct table *table = ARENA_NEW(builder->arena, struct table);
    *table = (struct table){
        .oid = relation->oid,
        .type_oid = get_oid(values, CLASS_RELTYPE),
        .namespace_oid = get_oid(values, CLASS_RELNAMESPACE),
        .namespace_name = namespace_name(builder, get_oid(values, CLASS_RELNAMESPACE)),
        .name = relation->name,
        .kind = relation->kind == 'v' ? RELATION_VIEW : RELATION_TABLE,
        .row_tree = {relation->file},
        .large_tree = {relation->kind == 'v' ? 0 : relation->file + 1},
        .column_count = (uint16_t)get_int(values, CLASS_RELNATTS),
        .row_estimate = values[CLASS_RELTUPLES - 1].float32,
    };
    TRY(freeze_option_read(&values[CLASS_RELOPTIONS - 1], &table->freeze));
    if (table->namespace_name == NULL || table->column_count > COLUMNS_MAX)
        return damaged("schema or column count", relation->oid);
    relation->table = table;
    return arena__array(builder->arena, table->column_count, sizeof(struct column),
                        &table->columns);
}

static enum status sequence_start(struct builder *builder, struct relation *relation,
                                  const struct value *values) {
    struct sequence *sequence = ARENA_NEW(builder->arena, struct sequence);
    sequence->oid = relation->oid;
    sequence->namespace_oid = get_oid(values, CLASS_RELNAMESPACE);
    sequence->namespace_name = namespace_name(builder, sequence->namespace_oid);
    sequence->name = relation->name;
    sequence->state_id = relation->file;
    relation->sequence = sequence;
    return sequence->namespace_name == NULL
               ? damaged("schema", relation->oid)
               : virtual__sequence_relation(sequence, builder->arena, &sequence->relation);
}

static enum status visit_class(struct builder *builder, const struct value *values) {
    if (builder->relation_count == builder->relation_capacity) {
        size_t capacity = builder->relation_capacity == 0 ? 16 : builder->relation_capacity * 2;
        struct relation *grown;
        TRY(arena__array(builder->arena, capacity, sizeof *grown, &grown));
        if (builder->relation_count > 0)
            memcpy(grown, builder->relations, builder->relation_count * sizeof *grown);
        builder->relations = grown;
        builder->relation_capacity = capacity;
    }
    struct relation *relation = &builder->relations[builder->relation_count];
    *relation = (struct relation){
        .oid = get_oid(values, CLASS_OID),
        .file = get_oid(values, CLASS_RELFILENODE),
        .kind = get_letter(values, CLASS_RELKIND),
        .name = get_text(values, CLASS_RELNAME, builder->arena),
    };
    builder->relation_count++;
    if (relation->kind == RELATION_TABLE || relation->kind == 'v')
        return table_make(builder, relation, values);
    if (relation->kind == RELATION_SEQUENCE)
        return sequence_start(builder, relation, values);
    return STATUS_OK;
}

/* ---- columns -------------------------------------------------------------------------- */

static enum status missing_value(struct builder *builder, struct column *column,
                                 const struct value *values) {
    struct array array;
    struct value text;
    TRY(array_open(values[ATTRIBUTE_ATTMISSINGVAL - 1].string, &array));
    if (array.count != 1)
        return damaged("missing value", get_oid(values, ATTRIBUTE_ATTRELID));
    TRY(array_get(&array, 0, &text));
    static const struct value_context plain_context;
    struct value value;
    TRY(text_input(&plain_context, text.string, column->type, builder->arena, &value));
    column->missing = value_copy(&value, builder->arena);
    column->has_missing = true;
    return STATUS_OK;
}

static enum status visit_attribute(struct builder *builder, const struct value *values) {
    int64_t number = get_int(values, ATTRIBUTE_ATTNUM);
    struct column *column = column_find(builder, get_oid(values, ATTRIBUTE_ATTRELID), number);
    if (column == NULL)
        return STATUS_OK; /* of an index or a sequence */
    *column = (struct column){
        .name = get_text(values, ATTRIBUTE_ATTNAME, builder->arena),
        .number = (int16_t)number,
        .type = type_make(get_oid(values, ATTRIBUTE_ATTTYPID),
                          (int32_t)get_int(values, ATTRIBUTE_ATTTYPMOD)),
        .not_null = get_bool(values, ATTRIBUTE_ATTNOTNULL),
        .dropped = get_bool(values, ATTRIBUTE_ATTISDROPPED),
        .identity = get_letter(values, ATTRIBUTE_ATTIDENTITY),
    };
    if (!values[ATTRIBUTE_ATTMISSINGVAL - 1].is_null)
        TRY(missing_value(builder, column, values));
    return STATUS_OK;
}

static enum status visit_default(struct builder *builder, const struct value *values) {
    struct column *column =
        column_find(builder, get_oid(values, ATTRDEF_ADRELID), get_int(values, ATTRDEF_ADNUM));
    if (column != NULL)
        column->default_text = get_text(values, ATTRDEF_ADBIN, builder->arena);
    return STATUS_OK;
}

static enum status visit_placement(struct builder *builder, const struct value *values) {
    struct relation *relation = relation_find(builder, get_oid(values, PLACEMENT_RELID));
    if (relation != NULL && relation->table != NULL)
        relation->table->partition_column = (int16_t)get_int(values, PLACEMENT_PARTITION_COLUMN);
    return STATUS_OK;
}

static struct slice copy_body(struct builder *builder, const struct value *values, int column) {
    const struct value *value = &values[column - 1];
    return value->is_null ? slice_of(NULL, 0) : arena_copy_slice(builder->arena, value->string);
}

static enum status visit_statistic(struct builder *builder, const struct value *values) {
    int64_t number = get_int(values, STATISTIC_NUMBER);
    struct relation *relation = relation_find(builder, get_oid(values, STATISTIC_RELID));
    if (relation == NULL || relation->table == NULL || number < 1 ||
        number > relation->table->column_count)
        return damaged("statistics", get_oid(values, STATISTIC_RELID));
    struct table *table = relation->table;
    if (table->statistics == NULL) {
        struct table_column_statistics *all;
        TRY(arena__array(builder->arena, table->column_count, sizeof *all, &all));
        table->statistics = all;
    }
    struct table_column_statistics *column =
        (struct table_column_statistics *)&table->statistics[number - 1];
    *column = (struct table_column_statistics){
        .number = (int16_t)number,
        .null_share = values[STATISTIC_NULL_SHARE - 1].float32,
        .average_width = (int32_t)get_int(values, STATISTIC_WIDTH),
        .distinct = values[STATISTIC_DISTINCT - 1].float32,
        .common_values = copy_body(builder, values, STATISTIC_COMMON_VALUES),
        .common_shares = copy_body(builder, values, STATISTIC_COMMON_SHARES),
        .histogram = copy_body(builder, values, STATISTIC_HISTOGRAM),
        .sample = copy_body(builder, values, STATISTIC_SAMPLE),
    };
    return STATUS_OK;
}

static enum status visit_view(struct builder *builder, const struct value *values) {
    struct relation *relation = relation_find(builder, get_oid(values, VIEW_RELID));
    if (relation == NULL || relation->kind != 'v')
        return damaged("relation of a view", get_oid(values, VIEW_RELID));
    relation->table->view_text = get_text(values, VIEW_DEFINITION, builder->arena);
    return STATUS_OK;
}

/* ---- indexes and constraints ---------------------------------------------------------- */

enum { OPTION_DESCENDING = 1, OPTION_NULLS_FIRST = 2 };

static enum status visit_index(struct builder *builder, const struct value *values) {
    struct index_node *node = ARENA_NEW(builder->arena, struct index_node);
    struct index *index = &node->index;
    index->oid = get_oid(values, INDEX_INDEXRELID);
    node->table_oid = get_oid(values, INDEX_INDRELID);
    struct relation *relation = relation_find(builder, index->oid);
    struct relation *owner = relation_find(builder, node->table_oid);
    if (relation == NULL || owner == NULL || owner->table == NULL)
        return damaged("relations of an index", index->oid);
    index->name = relation->name;
    index->tree.value = relation->file;
    index->unique = get_bool(values, INDEX_INDISUNIQUE);
    index->primary = get_bool(values, INDEX_INDISPRIMARY);
    int64_t numbers[INDEX_COLUMNS_MAX], options[INDEX_COLUMNS_MAX];
    size_t count, option_count;
    TRY(get_numbers(values, INDEX_INDKEY, numbers, INDEX_COLUMNS_MAX, &count));
    TRY(get_numbers(values, INDEX_INDOPTION, options, INDEX_COLUMNS_MAX, &option_count));
    if (count == 0 || count > INDEX_COLUMNS_MAX || option_count != count)
        return damaged("columns of an index", index->oid);
    index->column_count = (uint16_t)count;
    for (size_t i = 0; i < count; i++) {
        if (column_find(builder, node->table_oid, numbers[i]) == NULL)
            return damaged("columns of an index", index->oid);
        index->columns[i] = (struct index_column){
            .column_number = (int16_t)numbers[i],
            .descending = (options[i] & OPTION_DESCENDING) != 0,
            .nulls_first = (options[i] & OPTION_NULLS_FIRST) != 0,
        };
    }
    owner->table->index_count++;
    node->next = builder->indexes;
    builder->indexes = node;
    return STATUS_OK;
}

static enum status visit_constraint(struct builder *builder, const struct value *values) {
    struct constraint_node *node = ARENA_NEW(builder->arena, struct constraint_node);
    struct constraint *constraint = &node->constraint;
    constraint->oid = get_oid(values, CONSTRAINT_OID);
    node->table_oid = get_oid(values, CONSTRAINT_CONRELID);
    struct relation *owner = relation_find(builder, node->table_oid);
    if (owner == NULL || owner->table == NULL)
        return damaged("table of a constraint", node->table_oid);
    constraint->name = get_text(values, CONSTRAINT_CONNAME, builder->arena);
    constraint->kind = get_letter(values, CONSTRAINT_CONTYPE);
    constraint->check_text = get_text(values, CONSTRAINT_CONBIN, builder->arena);
    constraint->index_oid = get_oid(values, CONSTRAINT_CONINDID);
    int64_t numbers[INDEX_COLUMNS_MAX];
    size_t count;
    TRY(get_numbers(values, CONSTRAINT_CONKEY, numbers, INDEX_COLUMNS_MAX, &count));
    if (count > INDEX_COLUMNS_MAX)
        return damaged("columns of a constraint", node->table_oid);
    constraint->column_count = (uint16_t)count;
    for (size_t i = 0; i < count; i++)
        constraint->columns[i] = (int16_t)numbers[i];
    owner->table->constraint_count++;
    node->next = builder->constraints;
    builder->constraints = node;
    return STATUS_OK;
}

/* ---- sequences ------------------------------------------------------------------------ */

static enum status visit_sequence(struct builder *builder, const struct value *values) {
    struct relation *relation = relation_find(builder, get_oid(values, SEQUENCE_SEQRELID));
    if (relation == NULL || relation->sequence == NULL)
        return damaged("relation of a sequence", get_oid(values, SEQUENCE_SEQRELID));
    struct sequence *sequence = relation->sequence;
    sequence->type = type_plain(get_oid(values, SEQUENCE_SEQTYPID));
    sequence->start = get_int(values, SEQUENCE_SEQSTART);
    sequence->increment = get_int(values, SEQUENCE_SEQINCREMENT);
    sequence->maximum = get_int(values, SEQUENCE_SEQMAX);
    sequence->minimum = get_int(values, SEQUENCE_SEQMIN);
    sequence->cache = get_int(values, SEQUENCE_SEQCACHE);
    sequence->cycle = get_bool(values, SEQUENCE_SEQCYCLE);
    return STATUS_OK;
}

/* The rule of a view reads a relation. Its own relation depends on nothing ('i'). */
static enum status visit_rule_dependency(struct builder *builder, const struct value *values) {
    struct relation *view = relation_find(builder, get_oid(values, DEPEND_OBJID) - VIEW_RULE);
    if (view == NULL || view->kind != 'v' || get_letter(values, DEPEND_DEPTYPE) != 'n')
        return STATUS_OK;
    struct reference_node *node = ARENA_NEW(builder->arena, struct reference_node);
    *node = (struct reference_node){
        builder->references,
        {get_oid(values, DEPEND_REFOBJID), (int16_t)get_int(values, DEPEND_REFOBJSUBID)},
        view->table};
    view->table->view_reference_count++;
    builder->references = node;
    return STATUS_OK;
}

/* OWNED BY: pg_class depends on a column of pg_class. */
static enum status visit_dependency(struct builder *builder, const struct value *values) {
    char kind = get_letter(values, DEPEND_DEPTYPE);
    if (get_oid(values, DEPEND_CLASSID) == OID_PG_REWRITE)
        return visit_rule_dependency(builder, values);
    if (get_oid(values, DEPEND_CLASSID) != OID_PG_CLASS || (kind != 'a' && kind != 'i'))
        return STATUS_OK;
    struct relation *relation = relation_find(builder, get_oid(values, DEPEND_OBJID));
    if (relation == NULL || relation->sequence == NULL)
        return STATUS_OK;
    relation->sequence->owner_table_oid = get_oid(values, DEPEND_REFOBJID);
    relation->sequence->owner_column = (int16_t)get_int(values, DEPEND_REFOBJSUBID);
    relation->sequence->is_identity = kind == 'i';
    return STATUS_OK;
}

/* ---- putting it together -------------------------------------------------------------- */

/* The lists hold the newest oid first: filling from behind restores the order. */
static enum status attach_indexes(struct builder *builder) {
    for (size_t i = 0; i < builder->relation_count; i++) {
        struct table *table = builder->relations[i].table;
        if (table == NULL)
            continue;
        TRY(arena__array(builder->arena, table->index_count, sizeof(void *), &table->indexes));
        TRY(arena__array(builder->arena, table->constraint_count, sizeof(void *),
                         &table->constraints));
        table__finish(table, builder->arena);
    }
    for (struct constraint_node *node = builder->constraints; node != NULL; node = node->next) {
        struct table *table = relation_find(builder, node->table_oid)->table;
        ASSERT(table != NULL); /* visit_constraint found it */
        unsigned at = 0;
        while (at + 1 < table->constraint_count && table->constraints[at + 1] == NULL)
            at++;
        table->constraints[at] = &node->constraint;
    }
    for (struct index_node *node = builder->indexes; node != NULL; node = node->next) {
        struct table *table = relation_find(builder, node->table_oid)->table;
        ASSERT(table != NULL); /* visit_index found it */
        unsigned at = 0;
        while (at + 1 < table->index_count && table->indexes[at + 1] == NULL)
            at++;
        table->indexes[at] = &node->index;
    }
    return STATUS_OK;
}

static enum status attach_references(struct builder *builder) {
    for (struct reference_node *node = builder->references; node != NULL; node = node->next) {
        struct table *view = node->view;
        if (view->view_references == NULL) {
            TRY(arena__array(builder->arena, view->view_reference_count,
                             sizeof(struct view_reference), &view->view_references));
            view->view_reference_count = 0;
        }
        view->view_references[view->view_reference_count++] = node->reference;
    }
    return STATUS_OK;
}

static void finish_indexes(struct builder *builder, struct table *table) {
    for (unsigned i = 0; i < table->index_count; i++) {
        struct index *index = table->indexes[i];
        for (unsigned c = 0; c < table->constraint_count; c++) {
            if (table->constraints[c]->index_oid == index->oid)
                index->constraint_oid = table->constraints[c]->oid;
        }
        index__finish(index, table, builder->arena);
        for (unsigned k = i; index->primary && k > 0; k--) { /* the primary key first */
            table->indexes[k] = table->indexes[k - 1];
            table->indexes[k - 1] = index;
        }
    }
}

static enum status assemble(struct builder *builder) {
    struct schema_part *part = builder->part;
    TRY(attach_indexes(builder));
    TRY(attach_references(builder));
    TRY(arena__array(builder->arena, builder->relation_count, sizeof(void *), &part->tables));
    TRY(arena__array(builder->arena, builder->relation_count, sizeof(void *), &part->sequences));
    for (size_t i = 0; i < builder->relation_count; i++) {
        struct relation *relation = &builder->relations[i];
        if (relation->table != NULL) {
            finish_indexes(builder, relation->table);
            part->tables[part->table_count++] = relation->table;
        }
        if (relation->sequence != NULL)
            part->sequences[part->sequence_count++] = relation->sequence;
    }
    return schema_part_seal(part);
}

static enum status read_all(struct fiber *f, struct builder *builder) {
    struct value first_user = value_oid(OID_FIRST_USER);
    struct value of_class = value_oid(OID_PG_CLASS);
    const struct read_options steps[] = {
        {OID_PG_NAMESPACE, OID_NAMESPACE_OID_INDEX, NULL, NULL, visit_namespace},
        {OID_PG_CLASS, OID_CLASS_OID_INDEX, NULL, &first_user, visit_class},
        {OID_PG_ATTRIBUTE, OID_ATTRIBUTE_NUMBER_INDEX, NULL, &first_user, visit_attribute},
        {OID_PG_ATTRDEF, OID_ATTRDEF_COLUMN_INDEX, NULL, &first_user, visit_default},
        {OID_SATORI_PLACEMENT, OID_PLACEMENT_INDEX, NULL, &first_user, visit_placement},
        {OID_SATORI_STATISTIC, OID_STATISTIC_INDEX, NULL, &first_user, visit_statistic},
        {OID_SATORI_VIEW, OID_VIEW_INDEX, NULL, &first_user, visit_view},
        {OID_PG_INDEX, OID_INDEX_OID_INDEX, NULL, &first_user, visit_index},
        {OID_PG_CONSTRAINT, OID_CONSTRAINT_OID_INDEX, NULL, &first_user, visit_constraint},
        {OID_PG_SEQUENCE, OID_SEQUENCE_INDEX, NULL, &first_user, visit_sequence},
        {OID_PG_DEPEND, OID_REFERENCE_INDEX, &of_class, &first_user, visit_dependency},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        TRY(read_rows(f, builder, &steps[i]));
    return assemble(builder);
}

static enum status build_here(struct fiber *f, struct partition *partition, void *argument) {
    struct builder *builder = argument;
    builder->partition = partition;
    return read_all(f, builder);
}

enum status schema__build(struct fiber *f, struct catalog *catalog, struct transaction *transaction,
                          struct schema **schema_out) {
    struct schema *schema;
    TRY(schema__create(&catalog->system, &schema));
    struct arena arena = {0};
    struct builder builder = {
        .context = {.catalog = catalog,
                    .store = catalog->store,
                    .transaction = transaction,
                    .arena = &arena},
        .system = &catalog->system,
        .part = &schema->user,
        .arena = &schema->user.arena,
    };
    enum status status = partition_call(f, catalog->store, PARTITION_CATALOG, build_here, &builder);
    arena_release(&arena);
    if (status != STATUS_OK) {
        schema_release(schema);
        return status;
    }
    *schema_out = schema;
    return STATUS_OK;
}
