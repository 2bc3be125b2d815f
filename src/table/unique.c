/* Unique keys and NOT NULL: the checks and their words. */
#include "table/rows.h"

#include <stdio.h>

#include "value/value_text.h"

enum status unique__claim(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, const struct index *index, struct slice key,
                          bool alone, bool *taken_out) {
    if (!alone) {
        bool locked;
        TRY(txn_lock_key(f, transaction, partition, index->tree, key, KEY_LOCK_EXCLUSIVE, LOCK_WAIT,
                         &locked, NULL));
        ASSERT(locked);
    }
    struct slice value;
    return txn_get_newest(f, transaction, partition, index->tree, key, NULL, taken_out, &value);
}

static const struct value_context plain_context;

void row__append_value(struct buffer *buffer, const struct value *value) {
    if (value->is_null)
        buffer_append_text(buffer, "null");
    else if (text_output(&plain_context, value, buffer) != STATUS_OK)
        buffer_append_text(buffer, "?");
}

enum status unique__violation(const struct table *table, const struct index *index,
                              const struct value *row, bool building) {
    struct buffer text = {0};
    buffer_append_text(&text, "Key (");
    for (unsigned i = 0; i < index->column_count; i++) {
        if (i > 0)
            buffer_append_text(&text, ", ");
        buffer_append_text(&text, table->columns[index->columns[i].column_number - 1].name);
    }
    buffer_append_text(&text, ")=(");
    for (unsigned i = 0; i < index->column_count; i++) {
        if (i > 0)
            buffer_append_text(&text, ", ");
        row__append_value(&text, &row[index->columns[i].column_number - 1]);
    }
    buffer_append_text(&text, building ? ") is duplicated." : ") already exists.");
    if (building)
        error_set(STATUS_UNIQUE_VIOLATION, "could not create unique index \"%s\"", index->name);
    else
        error_set(STATUS_UNIQUE_VIOLATION, "duplicate key value violates unique constraint \"%s\"",
                  index->name);
    if (buffer_status(&text) == STATUS_OK)
        error_detail("%.*s", (int)text.size, (const char *)text.data);
    buffer_release(&text);
    error_relation(table->namespace_name, table->name, NULL, index->name);
    return STATUS_UNIQUE_VIOLATION;
}

/* PostgreSQL cuts each value of a failing row after 64 bytes. */
enum { FAILING_VALUE_SIZE = 64 };

static void failing_row(struct buffer *text, const struct table *table, const struct value *row) {
    bool first = true;
    buffer_append_text(text, "Failing row contains (");
    for (unsigned i = 0; i < table->column_count; i++) {
        if (table->columns[i].dropped)
            continue;
        if (!first)
            buffer_append_text(text, ", ");
        first = false;
        size_t start = text->size;
        row__append_value(text, &row[i]);
        if (!text->failed && text->size - start > FAILING_VALUE_SIZE) {
            size_t kept = FAILING_VALUE_SIZE;
            while (kept > 0 && (text->data[start + kept] & 0xC0) == 0x80)
                kept--;
            text->size = start + kept;
            buffer_append_text(text, "...");
        }
    }
    buffer_append_text(text, ").");
}

enum status row__not_null_violation(const struct table *table, unsigned column,
                                    const struct value *row) {
    const char *name = table->columns[column].name;
    struct buffer text = {0};
    failing_row(&text, table, row);
    error_set(STATUS_NOT_NULL_VIOLATION,
              "null value in column \"%s\" of relation \"%s\" violates not-null constraint", name,
              table->name);
    if (buffer_status(&text) == STATUS_OK)
        error_detail("%.*s", (int)text.size, (const char *)text.data);
    buffer_release(&text);
    error_relation(table->namespace_name, table->name, name, NULL);
    return STATUS_NOT_NULL_VIOLATION;
}

enum status row__null_found(const struct table *table, const char *column) {
    enum status status =
        error_set(STATUS_NOT_NULL_VIOLATION,
                  "column \"%s\" of relation \"%s\" contains null values", column, table->name);
    error_relation(table->namespace_name, table->name, column, NULL);
    return status;
}

enum status row__check_not_null(const struct table *table, const struct value *row) {
    for (unsigned i = 0; i < table->column_count; i++) {
        if (row[i].is_null && table->columns[i].not_null && !table->columns[i].dropped)
            return row__not_null_violation(table, i, row);
    }
    return STATUS_OK;
}

enum status table_check_not_null(const struct table *table, const struct value *row) {
    return row__check_not_null(table, row);
}
