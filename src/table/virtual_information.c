/* Rows of the views of information_schema. */
#include "table/virtual.h"

#include <stdio.h>

#include "table/catalog_private.h"

static const struct virtual_table *relation(const char *name) {
    return virtual__find("information_schema", name);
}

/* catalog, schema, name: how every view names a thing. */
static void add_name(struct virtual_row *row, const char *namespace_name, const char *name) {
    add_text(row, VIRTUAL_DATABASE_NAME);
    add_text(row, namespace_name);
    add_text(row, name);
}

static void add_yes_no(struct virtual_row *row, bool yes) {
    add_text(row, yes ? "YES" : "NO");
}

static bool is_base_table(const struct table *table) {
    return table->virtual_table == NULL ? table->kind == RELATION_TABLE
                                        : table->virtual_table->kind == 'r';
}

VIRTUAL_ROWS(information_schemata) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("schemata"));
    for (size_t i = 0; i < schema_namespace_count(schema); i++) {
        add_text(&row, VIRTUAL_DATABASE_NAME);
        add_text(&row, schema_namespace_at(schema, i)->name);
        add_text(&row, VIRTUAL_OWNER_NAME);
        add_nulls(&row, 4);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

VIRTUAL_ROWS(information_tables) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("tables"));
    for (size_t i = 0; i < schema_table_count(schema); i++) {
        const struct table *table = schema_table_at(schema, i);
        add_name(&row, table->namespace_name, table->name);
        add_text(&row, is_base_table(table) ? "BASE TABLE" : "VIEW");
        add_nulls(&row, 5);
        add_yes_no(&row, !table->is_system);
        add_yes_no(&row, false);
        add_nulls(&row, 1);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}

/* ---- columns -------------------------------------------------------------------------- */

enum { CHARACTER_SIZE_MAX = 4, TEXT_OCTETS_MAX = 1 << 30 };

static void add_character_lengths(struct virtual_row *row, struct type type) {
    bool sized = type.id == TYPE_VARCHAR || type.id == TYPE_BPCHAR;
    if (sized && type.modifier >= 4) {
        add_int(row, type.modifier - 4);
        add_int(row, (int64_t)(type.modifier - 4) * CHARACTER_SIZE_MAX);
    } else {
        add_nulls(row, 1);
        if (sized || type.id == TYPE_TEXT)
            add_int(row, TEXT_OCTETS_MAX);
        else
            add_nulls(row, 1);
    }
}

/* numeric_precision, _radix, _scale. */
static void add_numeric_facts(struct virtual_row *row, struct type type) {
    static const struct {
        uint32_t type_id;
        int bits;
        bool exact;
    } numbers[] = {{TYPE_INT2, 16, true},
                   {TYPE_INT4, 32, true},
                   {TYPE_INT8, 64, true},
                   {TYPE_FLOAT4, 24, false},
                   {TYPE_FLOAT8, 53, false}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].type_id != type.id)
            continue;
        add_int(row, numbers[i].bits);
        add_int(row, 2);
        if (numbers[i].exact)
            add_int(row, 0);
        else
            add_nulls(row, 1);
        return;
    }
    int precision, scale;
    if (type.id != TYPE_NUMERIC) {
        add_nulls(row, 3);
    } else if (type_numeric_modifier(type.modifier, &precision, &scale)) {
        add_int(row, precision);
        add_int(row, 10);
        add_int(row, scale);
    } else {
        add_nulls(row, 1);
        add_int(row, 10);
        add_nulls(row, 1);
    }
}

static void add_datetime_precision(struct virtual_row *row, struct type type) {
    if (type.id == TYPE_DATE)
        add_int(row, 0);
    else if (type.id == TYPE_TIME || type.id == TYPE_TIMESTAMP || type.id == TYPE_TIMESTAMPTZ ||
             type.id == TYPE_INTERVAL)
        add_int(row, type.modifier < 0 ? 6 : type.modifier & 0xFFFF);
    else
        add_nulls(row, 1);
}

static void add_type(struct virtual_row *row, struct type type, char text[TYPE_NAME_SIZE]) {
    const struct type_info *info = type_info_get(type.id);
    bool is_array = info->is_array && info->category == 'A' && info->array_id == 0;
    add_text(row, is_array ? "ARRAY" : type_name(type_plain(type.id), text));
    add_character_lengths(row, type);
    add_numeric_facts(row, type);
    add_datetime_precision(row, type);
    add_nulls(row, 5); /* interval_type .. character_set_name */
    if (info->collation == 950) {
        add_name(row, "pg_catalog", "C");
    } else {
        add_nulls(row, 3);
    }
    add_nulls(row, 3); /* domain */
    add_name(row, "pg_catalog", info->typname);
    add_nulls(row, 4); /* scope, maximum_cardinality */
}

static const struct sequence *identity_sequence(const struct schema *schema,
                                                const struct table *table,
                                                const struct column *column) {
    for (size_t i = 0; column->identity != 0 && i < schema_sequence_count(schema); i++) {
        const struct sequence *sequence = schema_sequence_at(schema, i);
        if (sequence->owner_table_oid == table->oid && sequence->owner_column == column->number)
            return sequence;
    }
    return NULL;
}

static void add_identity(struct virtual_row *row, const struct column *column,
                         const struct sequence *sequence, struct arena *arena) {
    add_yes_no(row, column->identity != 0);
    add_text(row, column->identity == 'a'   ? "ALWAYS"
                  : column->identity == 'd' ? "BY DEFAULT"
                                            : NULL);
    if (sequence == NULL) {
        add_nulls(row, 4);
        add_yes_no(row, false);
        return;
    }
    add_text(row, arena_format(arena, "%lld", (long long)sequence->start));
    add_text(row, arena_format(arena, "%lld", (long long)sequence->increment));
    add_text(row, arena_format(arena, "%lld", (long long)sequence->maximum));
    add_text(row, arena_format(arena, "%lld", (long long)sequence->minimum));
    add_yes_no(row, sequence->cycle);
}

static enum status column_row(struct virtual_row *row, const struct schema *schema,
                              const struct table *table, const struct column *column,
                              struct arena *arena, struct virtual_sink *sink) {
    char type_text[TYPE_NAME_SIZE];
    add_name(row, table->namespace_name, table->name);
    add_text(row, column->name);
    add_int(row, column->number);
    add_text(row, column->default_text);
    add_yes_no(row, !column->not_null);
    add_type(row, column->type, type_text);
    add_text(row, arena_format(arena, "%d", column->number));
    add_yes_no(row, false); /* is_self_referencing */
    add_identity(row, column, identity_sequence(schema, table, column), arena);
    add_text(row, "NEVER");
    add_nulls(row, 1);
    add_yes_no(row, !table->is_system);
    return virtual_row_end(row, sink);
}

VIRTUAL_ROWS(information_columns) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("columns"));
    struct arena arena = {0};
    enum status status = STATUS_OK;
    for (size_t t = 0; t < schema_table_count(schema); t++) {
        const struct table *table = schema_table_at(schema, t);
        for (unsigned i = 0; i < table->column_count && status == STATUS_OK; i++) {
            arena_reset(&arena);
            if (!table->columns[i].dropped)
                status = column_row(&row, schema, table, &table->columns[i], &arena, sink);
        }
    }
    arena_release(&arena);
    return status;
}

/* ---- constraints ---------------------------------------------------------------------- */

typedef enum status (*constraint_visitor)(struct virtual_row *row, const struct table *table,
                                          const struct constraint *constraint,
                                          struct virtual_sink *sink);

static enum status visit_constraints(const struct schema *schema, const char *name,
                                     constraint_visitor visit, struct virtual_sink *sink) {
    struct virtual_row row;
    virtual_row_begin(&row, relation(name));
    for (size_t t = 0; t < schema_table_count(schema); t++) {
        const struct table *table = schema_table_at(schema, t);
        for (unsigned i = 0; i < table->constraint_count; i++)
            TRY(visit(&row, table, table->constraints[i], sink));
    }
    return STATUS_OK;
}

static enum status table_constraint(struct virtual_row *row, const struct table *table,
                                    const struct constraint *constraint,
                                    struct virtual_sink *sink) {
    add_name(row, table->namespace_name, constraint->name);
    add_name(row, table->namespace_name, table->name);
    add_text(row, constraint->kind == 'p'   ? "PRIMARY KEY"
                  : constraint->kind == 'u' ? "UNIQUE"
                                            : "CHECK");
    add_yes_no(row, false);
    add_yes_no(row, false);
    add_yes_no(row, true);
    add_text(row, constraint->kind == 'u' ? "YES" : NULL);
    return virtual_row_end(row, sink);
}

VIRTUAL_ROWS(information_table_constraints) {
    return visit_constraints(schema, "table_constraints", table_constraint, sink);
}

static enum status key_column(struct virtual_row *row, const struct table *table,
                              const struct constraint *constraint, struct virtual_sink *sink) {
    for (unsigned i = 0; constraint->kind != 'c' && i < constraint->column_count; i++) {
        add_name(row, table->namespace_name, constraint->name);
        add_name(row, table->namespace_name, table->name);
        add_text(row, table->columns[constraint->columns[i] - 1].name);
        add_int(row, i + 1);
        add_nulls(row, 1);
        TRY(virtual_row_end(row, sink));
    }
    return STATUS_OK;
}

VIRTUAL_ROWS(information_key_column_usage) {
    return visit_constraints(schema, "key_column_usage", key_column, sink);
}

static enum status constraint_column(struct virtual_row *row, const struct table *table,
                                     const struct constraint *constraint,
                                     struct virtual_sink *sink) {
    for (unsigned i = 0; i < constraint->column_count; i++) {
        add_name(row, table->namespace_name, table->name);
        add_text(row, table->columns[constraint->columns[i] - 1].name);
        add_name(row, table->namespace_name, constraint->name);
        TRY(virtual_row_end(row, sink));
    }
    return STATUS_OK;
}

VIRTUAL_ROWS(information_constraint_column_usage) {
    return visit_constraints(schema, "constraint_column_usage", constraint_column, sink);
}

static enum status check_constraint(struct virtual_row *row, const struct table *table,
                                    const struct constraint *constraint,
                                    struct virtual_sink *sink) {
    if (constraint->kind != 'c')
        return STATUS_OK;
    add_name(row, table->namespace_name, constraint->name);
    add_text(row, constraint->check_text);
    return virtual_row_end(row, sink);
}

VIRTUAL_ROWS(information_check_constraints) {
    return visit_constraints(schema, "check_constraints", check_constraint, sink);
}

/* ---- sequences ------------------------------------------------------------------------ */

VIRTUAL_ROWS(information_sequences) {
    struct virtual_row row;
    virtual_row_begin(&row, relation("sequences"));
    for (size_t i = 0; i < schema_sequence_count(schema); i++) {
        const struct sequence *sequence = schema_sequence_at(schema, i);
        if (sequence->is_identity)
            continue; /* shown with its column, as in PostgreSQL */
        char texts[4][24], type_text[TYPE_NAME_SIZE];
        const int64_t numbers[4] = {sequence->start, sequence->minimum, sequence->maximum,
                                    sequence->increment};
        add_name(&row, sequence->namespace_name, sequence->name);
        add_text(&row, type_name(sequence->type, type_text));
        add_numeric_facts(&row, sequence->type);
        for (int n = 0; n < 4; n++) {
            snprintf(texts[n], sizeof texts[n], "%lld", (long long)numbers[n]);
            add_text(&row, texts[n]);
        }
        add_yes_no(&row, sequence->cycle);
        TRY(virtual_row_end(&row, sink));
    }
    return STATUS_OK;
}
