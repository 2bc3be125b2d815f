/* Virtual relations: the list of them, and running one into batches. */
#include "table/virtual.h"

#include <string.h>

#include "base/base_list.h"
#include "table/catalog_columns.h"
#include "table/table_schema.h"

enum { REGISTRATIONS_MAX = 16 };

/* Filled at start, before the first catalog is opened; read-only afterwards. */
static struct {
    const struct virtual_table *tables;
    size_t count;
} registrations[REGISTRATIONS_MAX];
static size_t registration_count;

void virtual_tables_register(const struct virtual_table *tables, size_t count) {
    for (size_t i = 0; i < registration_count; i++) {
        if (registrations[i].tables == tables)
            return;
    }
    ASSERT(registration_count < REGISTRATIONS_MAX);
    registrations[registration_count].tables = tables;
    registrations[registration_count].count = count;
    registration_count++;
}

static bool same_relation(const struct virtual_table *a, const struct virtual_table *b) {
    return a->oid == b->oid ||
           (strcmp(a->name, b->name) == 0 && strcmp(a->namespace_name, b->namespace_name) == 0);
}

static bool is_registered(const struct virtual_table *table) {
    for (size_t r = 0; r < registration_count; r++) {
        for (size_t i = 0; i < registrations[r].count; i++) {
            if (same_relation(&registrations[r].tables[i], table))
                return true;
        }
    }
    return false;
}

const struct virtual_table *virtual__next(struct virtual_cursor *cursor) {
    for (; cursor->list < registration_count; cursor->list++, cursor->at = 0)
        if (cursor->at < registrations[cursor->list].count)
            return &registrations[cursor->list].tables[cursor->at++];
    const struct virtual_table *own[] = {virtual_catalog_tables, virtual_information_tables};
    size_t counts[] = {virtual_catalog_tables_count, virtual_information_tables_count};
    for (; cursor->list < registration_count + 2; cursor->list++, cursor->at = 0) {
        size_t list = cursor->list - registration_count;
        while (cursor->at < counts[list]) {
            const struct virtual_table *table = &own[list][cursor->at++];
            if (!is_registered(table))
                return table;
        }
    }
    return NULL;
}

size_t virtual__count(void) {
    struct virtual_cursor cursor = {0};
    size_t count = 0;
    while (virtual__next(&cursor) != NULL)
        count++;
    return count;
}

const struct virtual_table *virtual__find(const char *namespace_name, const char *name) {
    struct virtual_cursor cursor = {0};
    const struct virtual_table *table;
    while ((table = virtual__next(&cursor)) != NULL)
        if (strcmp(table->name, name) == 0 && strcmp(table->namespace_name, namespace_name) == 0)
            return table;
    return NULL;
}

/* ---- rows ----------------------------------------------------------------------------- */

void virtual_row_begin(struct virtual_row *row, const struct virtual_table *table) {
    ASSERT(table->column_count <= VIRTUAL_COLUMNS_MAX);
    row->columns = table->columns;
    row->column_count = table->column_count;
    row->at = 0;
}

static struct value *next_value(struct virtual_row *row) {
    ASSERT(row->at < row->column_count);
    struct value *value = &row->values[row->at];
    *value = value_null(type_plain(row->columns[row->at].type_id));
    row->at++;
    return value;
}

void add_oid(struct virtual_row *row, uint32_t oid) {
    struct value *value = next_value(row);
    value->is_null = false;
    value->int64 = oid;
}

void add_int(struct virtual_row *row, int64_t number) {
    struct value *value = next_value(row);
    value->is_null = false;
    switch (type_physical(value->type)) {
    case PHYSICAL_INT16:
        value->int16 = (int16_t)number;
        break;
    case PHYSICAL_INT32:
        value->int32 = (int32_t)number;
        break;
    default:
        value->int64 = number;
    }
}

void add_float(struct virtual_row *row, double number) {
    struct value *value = next_value(row);
    value->is_null = false;
    value->float32 = (float)number;
}

void add_bool(struct virtual_row *row, bool truth) {
    struct value *value = next_value(row);
    value->is_null = false;
    value->boolean = truth;
}

void add_text(struct virtual_row *row, const char *text) {
    struct value *value = next_value(row);
    value->is_null = text == NULL;
    if (text != NULL)
        value->string = slice_of_text(text);
}

void add_letter(struct virtual_row *row, char letter) {
    struct value *value = next_value(row);
    set_letter(value, 1, letter);
}

void add_nulls(struct virtual_row *row, size_t count) {
    for (size_t i = 0; i < count; i++)
        next_value(row);
}

enum status virtual_row_end(struct virtual_row *row, struct virtual_sink *sink) {
    ASSERT(row->at == row->column_count);
    row->at = 0;
    return sink->row(sink, row->values);
}

/* ---- running -------------------------------------------------------------------------- */

struct batch_sink {
    struct virtual_sink sink; /* first: the producer's view */
    struct batch batch;
    struct arena *arena;
    struct arena strings; /* of the batch being filled */
    enum status (*visit)(void *context, struct batch *batch);
    void *context;
};

static enum status flush(struct batch_sink *sink) {
    if (sink->batch.row_count == 0)
        return STATUS_OK;
    batch_set_count(&sink->batch, sink->batch.row_count);
    TRY(arena_status(&sink->strings));
    TRY(sink->visit(sink->context, &sink->batch));
    batch_reset(&sink->batch);
    arena_reset(&sink->strings);
    return STATUS_OK;
}

static enum status row_add(struct virtual_sink *base, const struct value *values) {
    struct batch_sink *sink = CONTAINER_OF(base, struct batch_sink, sink);
    uint32_t row = sink->batch.row_count;
    for (uint32_t i = 0; i < sink->batch.column_count; i++) {
        struct vector *vector = &sink->batch.vectors[i];
        if (values[i].is_null) {
            vector_set_null(vector, row);
            continue;
        }
        ASSERT(type_physical(values[i].type) == vector->physical);
        vector_set(vector, row, &values[i], &sink->strings);
    }
    sink->batch.row_count = row + 1;
    return sink->batch.row_count == VECTOR_SIZE ? flush(sink) : STATUS_OK;
}

enum status virtual_table_scan(struct fiber *f, struct catalog *catalog,
                               const struct schema *schema, struct transaction *transaction,
                               void *session, const struct table *relation, struct arena *arena,
                               enum status (*visit)(void *context, struct batch *batch),
                               void *context) {
    const struct virtual_table *table = relation->virtual_table;
    if (table->rows == NULL)
        return STATUS_OK;
    struct type types[COLUMNS_MAX];
    ASSERT(table->column_count <= COLUMNS_MAX);
    for (size_t i = 0; i < table->column_count; i++)
        types[i] = type_plain(table->columns[i].type_id);
    struct batch_sink sink = {
        .sink = {row_add, relation}, .arena = arena, .visit = visit, .context = context};
    batch_init(&sink.batch, types, (uint32_t)table->column_count, arena);
    enum status status = arena_status(arena);
    if (status == STATUS_OK)
        status = table->rows(f, catalog, schema, transaction, session, &sink.sink);
    if (status == STATUS_OK)
        status = flush(&sink);
    arena_release(&sink.strings);
    return status;
}
