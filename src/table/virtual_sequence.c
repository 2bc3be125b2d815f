/* What SELECT finds in a sequence: one row, which is never as of a snapshot. */
#include "table/virtual.h"

#include "table/schema_parts.h"

static const struct virtual_column columns[] = {
    {"last_value", TYPE_INT8},
    {"log_cnt", TYPE_INT8},
    {"is_called", TYPE_BOOL},
};

enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };

static enum status rows(struct fiber *f, struct catalog *catalog, const struct schema *schema,
                        struct transaction *transaction, void *session, struct virtual_sink *sink) {
    const struct sequence *sequence = schema_sequence_by_oid(schema, sink->relation->oid);
    if (sequence == NULL)
        return error_set(STATUS_UNDEFINED_TABLE, "relation \"%s\" does not exist",
                         sink->relation->name);
    int64_t last, left;
    bool is_called;
    TRY(sequence_state(f, catalog, sequence, &last, &left, &is_called));
    struct value values[COLUMN_COUNT] = {value_int8(last), value_int8(left), value_bool(is_called)};
    return sink->row(sink, values);
}

/* Of every sequence: name and oid are those of the relation. */
static const struct virtual_table description = {
    .column_count = COLUMN_COUNT, .columns = columns, .rows = rows, .kind = RELATION_SEQUENCE};

enum status virtual__sequence_relation(const struct sequence *sequence, struct arena *arena,
                                       const struct table **relation_out) {
    struct table *relation;
    TRY(arena__array(arena, 1, sizeof *relation, &relation));
    *relation = (struct table){
        .oid = sequence->oid,
        .namespace_oid = sequence->namespace_oid,
        .namespace_name = sequence->namespace_name,
        .name = sequence->name,
        .kind = RELATION_SEQUENCE,
        .column_count = COLUMN_COUNT,
        .virtual_table = &description,
        .row_estimate = 1,
    };
    TRY(arena__array(arena, COLUMN_COUNT, sizeof(struct column), &relation->columns));
    for (unsigned i = 0; i < COLUMN_COUNT; i++)
        relation->columns[i] = (struct column){.name = columns[i].name,
                                               .number = (int16_t)(i + 1),
                                               .type = type_plain(columns[i].type_id),
                                               .not_null = true};
    *relation_out = relation;
    return STATUS_OK;
}
