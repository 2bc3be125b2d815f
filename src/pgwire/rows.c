#include "pgwire/rows.h"

#include "base/base_bytes.h"
#include "pgwire/pgwire_message.h"
#include "value/value_binary.h"

/* How the cells of a column are written; chosen once for each column and batch, so that the loop
   over rows has no type to look up. The general ways box the value; the others are the types that
   results are mostly made of. */
enum cell_form {
    CELL_TEXT_GENERAL,
    CELL_BINARY_GENERAL,
    CELL_BYTES, /* text-like types: the same bytes in both formats */
    CELL_TEXT_BOOL,
    CELL_TEXT_INT16,
    CELL_TEXT_INT32,
    CELL_TEXT_INT64,
    CELL_BINARY_BYTE,
    CELL_BINARY_16,
    CELL_BINARY_32,
    CELL_BINARY_64,
};

struct cell_column {
    enum cell_form form;
    struct vector_view view;
    const struct vector *vector;
};

static enum cell_form text_form(struct type type) {
    switch (type.id) {
    case TYPE_BOOL:
        return CELL_TEXT_BOOL;
    case TYPE_INT2:
        return CELL_TEXT_INT16;
    case TYPE_INT4:
        return CELL_TEXT_INT32;
    case TYPE_INT8:
    case TYPE_OID:
        return CELL_TEXT_INT64;
    default:
        return type_is_string(type.id) ? CELL_BYTES : CELL_TEXT_GENERAL;
    }
}

static enum cell_form binary_form(struct type type) {
    switch (type.id) {
    case TYPE_BOOL:
        return CELL_BINARY_BYTE;
    case TYPE_INT2:
        return CELL_BINARY_16;
    case TYPE_INT4:
    case TYPE_FLOAT4:
        return CELL_BINARY_32;
    case TYPE_INT8:
    case TYPE_FLOAT8:
        return CELL_BINARY_64;
    case TYPE_BYTEA:
        return CELL_BYTES;
    default:
        return type_is_string(type.id) ? CELL_BYTES : CELL_BINARY_GENERAL;
    }
}

static void append_sized(struct buffer *buffer, const void *bytes, size_t size) {
    uint8_t *at = buffer_reserve(buffer, size + 4);
    if (at == NULL)
        return;
    put_be32(at, (uint32_t)size);
    memcpy(at + 4, bytes, size);
    buffer->size += size + 4;
}

static void append_integer(struct buffer *buffer, int64_t number) {
    uint8_t *at = buffer_reserve(buffer, 24);
    if (at == NULL)
        return;
    size_t size = int64_format(number, (char *)at + 4);
    put_be32(at, (uint32_t)size);
    buffer->size += size + 4;
}

static enum status append_general(struct buffer *buffer, const struct cell_column *column,
                                  uint32_t row, const struct value_context *context) {
    size_t start = buffer->size;
    if (buffer_reserve(buffer, 4) == NULL)
        return STATUS_OK; /* the buffer's own failure; told at the end */
    buffer->size += 4;
    struct value value = vector_get(column->vector, row);
    if (column->form == CELL_TEXT_GENERAL)
        TRY(text_output(context, &value, buffer));
    else
        TRY(binary_send(&value, buffer));
    if (!buffer->failed)
        put_be32(buffer->data + start, (uint32_t)(buffer->size - start - 4));
    return STATUS_OK;
}

static enum status append_cell(struct buffer *buffer, const struct cell_column *column,
                               uint32_t row, const struct value_context *context) {
    uint32_t at = column->view.indices[row];
    const void *data = column->view.data;
    if (!view_valid(&column->view, at)) {
        static const uint8_t null[4] = {0xFF, 0xFF, 0xFF, 0xFF};
        buffer_append(buffer, null, sizeof null);
        return STATUS_OK;
    }
    uint8_t bytes[8];
    switch (column->form) {
    case CELL_BYTES: {
        const struct string *string = &((const struct string *)data)[at];
        append_sized(buffer, string_data(string), string->size);
        break;
    }
    case CELL_TEXT_BOOL:
        append_sized(buffer, ((const uint8_t *)data)[at] ? "t" : "f", 1);
        break;
    case CELL_TEXT_INT16:
        append_integer(buffer, ((const int16_t *)data)[at]);
        break;
    case CELL_TEXT_INT32:
        append_integer(buffer, ((const int32_t *)data)[at]);
        break;
    case CELL_TEXT_INT64:
        append_integer(buffer, ((const int64_t *)data)[at]);
        break;
    case CELL_BINARY_BYTE:
        append_sized(buffer, &((const uint8_t *)data)[at], 1);
        break;
    case CELL_BINARY_16:
        put_be16(bytes, ((const uint16_t *)data)[at]);
        append_sized(buffer, bytes, 2);
        break;
    case CELL_BINARY_32:
        put_be32(bytes, ((const uint32_t *)data)[at]);
        append_sized(buffer, bytes, 4);
        break;
    case CELL_BINARY_64:
        put_be64(bytes, ((const uint64_t *)data)[at]);
        append_sized(buffer, bytes, 8);
        break;
    case CELL_TEXT_GENERAL:
    case CELL_BINARY_GENERAL:
        return append_general(buffer, column, row, context);
    }
    return STATUS_OK;
}

/* Columns at a time that have their form chosen beforehand; wider results go in stretches. */
enum { STRETCH = 64 };

static enum status append_row_wide(struct buffer *buffer, const struct batch *batch,
                                   const struct column_description *columns, uint32_t row,
                                   const struct value_context *context) {
    for (uint32_t c = 0; c < batch->column_count; c++) {
        struct cell_column column = {
            .form = columns[c].format ? binary_form(columns[c].type) : text_form(columns[c].type),
            .view = vector_view(&batch->vectors[c]),
            .vector = &batch->vectors[c],
        };
        TRY(append_cell(buffer, &column, row, context));
    }
    return STATUS_OK;
}

static enum status append_row(struct buffer *buffer, const struct cell_column *cells,
                              uint32_t count, uint32_t row, const struct value_context *context) {
    for (uint32_t c = 0; c < count; c++)
        TRY(append_cell(buffer, &cells[c], row, context));
    return STATUS_OK;
}

enum status rows_append(struct buffer *buffer, const struct batch *batch,
                        const struct column_description *columns,
                        const struct value_context *context, size_t size_stop, uint32_t *row) {
    uint32_t column_count = batch->column_count;
    bool wide = column_count > STRETCH;
    struct cell_column cells[STRETCH];
    for (uint32_t c = 0; c < column_count && !wide; c++)
        cells[c] = (struct cell_column){
            .form = columns[c].format ? binary_form(columns[c].type) : text_form(columns[c].type),
            .view = vector_view(&batch->vectors[c]),
            .vector = &batch->vectors[c],
        };
    for (; *row < batch->selected_count && buffer->size < size_stop; (*row)++) {
        TRY(buffer_status(buffer)); /* of messages before: their loss is not to be forgotten */
        size_t start = message_begin(buffer, 'D');
        uint8_t count_bytes[2];
        put_be16(count_bytes, (uint16_t)column_count);
        buffer_append(buffer, count_bytes, 2);
        uint32_t at = batch_row(batch, *row);
        enum status status = wide ? append_row_wide(buffer, batch, columns, at, context)
                                  : append_row(buffer, cells, column_count, at, context);
        if (status == STATUS_OK)
            status = buffer_status(buffer);
        if (status != STATUS_OK) {
            buffer->size = start;
            buffer->failed = false;
            return status;
        }
        message_end(buffer, start);
    }
    return STATUS_OK;
}
