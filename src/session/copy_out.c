#include "base/base_bytes.h"
#include "session/copy.h"
#include "value/value_binary.h"

/* COPY TO STDOUT: one CopyData for each row, as clients expect. */

struct copy_out {
    struct fiber *f;
    struct session *session;
    const struct statement_copy *said;
    const struct plan_node *root;
    struct slice null_text;
    struct buffer row, value; /* the row being made; a value before it is escaped */
    bool special[256];        /* bytes that need escaping (text) or quoting (csv) */
};

static enum status send_row(struct copy_out *copy) {
    TRY(buffer_status(&copy->row));
    enum status status =
        copy->session->sink->copy_write(copy->f, copy->session->sink, buffer_slice(&copy->row));
    buffer_clear(&copy->row);
    return status;
}

/* ---- text ------------------------------------------------------------------------------- */

static void append_escaped(struct copy_out *copy, struct slice text) {
    size_t from = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!copy->special[c])
            continue;
        static const char letters[] = {
            ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\v'] = 'v', ['\f'] = 'f', ['\r'] = 'r'};
        buffer_append(&copy->row, text.data + from, i - from);
        buffer_append_byte(&copy->row, '\\');
        buffer_append_byte(&copy->row, c <= '\r' && c >= '\b' ? (uint8_t)letters[c] : c);
        from = i + 1;
    }
    buffer_append(&copy->row, text.data + from, text.size - from);
}

/* ---- csv -------------------------------------------------------------------------------- */

static bool needs_quotes(const struct copy_out *copy, struct slice text) {
    if (slice_equal(text, copy->null_text) ||
        (copy->root->column_count == 1 && slice_equal(text, slice_of_text("\\."))))
        return true;
    for (size_t i = 0; i < text.size; i++)
        if (copy->special[text.data[i]])
            return true;
    return false;
}

static void append_csv(struct copy_out *copy, struct slice text, bool force_quote) {
    if (!force_quote && !needs_quotes(copy, text)) {
        buffer_append_slice(&copy->row, text);
        return;
    }
    uint8_t quote = (uint8_t)copy->said->quote, escape = (uint8_t)copy->said->escape;
    buffer_append_byte(&copy->row, quote);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == quote || text.data[i] == escape)
            buffer_append_byte(&copy->row, escape);
        buffer_append_byte(&copy->row, text.data[i]);
    }
    buffer_append_byte(&copy->row, quote);
}

/* ---- rows ------------------------------------------------------------------------------- */

static void append_text(struct copy_out *copy, struct slice text, uint32_t column) {
    const struct statement_copy *said = copy->said;
    if (said->format == COPY_CSV)
        append_csv(copy, text,
                   said->force_quote_all ||
                       (said->force_quote != NULL && said->force_quote[column]));
    else
        append_escaped(copy, text);
}

static enum status append_cell(struct copy_out *copy, const struct vector *vector, uint32_t row,
                               uint32_t column) {
    if (vector_is_null(vector, row)) {
        buffer_append_slice(&copy->row, copy->null_text);
        return STATUS_OK;
    }
    if (type_is_string(vector->type.id)) {
        const struct string *strings = vector->data;
        append_text(copy, string_slice(&strings[vector_position(vector, row)]), column);
        return STATUS_OK;
    }
    struct value value = vector_get(vector, row);
    buffer_clear(&copy->value);
    TRY(text_output(&copy->session->value_context, &value, &copy->value));
    TRY(buffer_status(&copy->value));
    append_text(copy, buffer_slice(&copy->value), column);
    return STATUS_OK;
}

static enum status write_text_row(struct copy_out *copy, const struct batch *batch, uint32_t row) {
    for (uint32_t i = 0; i < batch->column_count; i++) {
        if (i > 0)
            buffer_append_byte(&copy->row, (uint8_t)copy->said->delimiter);
        TRY(append_cell(copy, &batch->vectors[i], row, i));
    }
    buffer_append_byte(&copy->row, '\n');
    return send_row(copy);
}

static void append_u16(struct buffer *buffer, uint16_t number) {
    uint8_t bytes[2];
    put_be16(bytes, number);
    buffer_append(buffer, bytes, 2);
}

static void append_u32(struct buffer *buffer, uint32_t number) {
    uint8_t bytes[4];
    put_be32(bytes, number);
    buffer_append(buffer, bytes, 4);
}

static enum status write_binary_row(struct copy_out *copy, const struct batch *batch,
                                    uint32_t row) {
    append_u16(&copy->row, (uint16_t)batch->column_count);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        if (vector_is_null(&batch->vectors[i], row)) {
            append_u32(&copy->row, UINT32_MAX);
            continue;
        }
        size_t start = copy->row.size;
        struct value value = vector_get(&batch->vectors[i], row);
        append_u32(&copy->row, 0);
        TRY(binary_send(&value, &copy->row));
        if (!copy->row.failed)
            put_be32(copy->row.data + start, (uint32_t)(copy->row.size - start - 4));
    }
    return send_row(copy);
}

static enum status write_header(struct copy_out *copy) {
    if (copy->said->format == COPY_BINARY) {
        buffer_append(&copy->row, copy_signature, COPY_SIGNATURE_SIZE);
        append_u32(&copy->row, 0);
        append_u32(&copy->row, 0);
        return send_row(copy);
    }
    if (!copy->said->header)
        return STATUS_OK;
    for (uint32_t i = 0; i < copy->root->column_count; i++) {
        if (i > 0)
            buffer_append_byte(&copy->row, (uint8_t)copy->said->delimiter);
        struct slice name = slice_of_text(copy->root->columns[i].name);
        if (copy->said->format == COPY_CSV)
            append_csv(copy, name, false);
        else
            append_escaped(copy, name);
    }
    buffer_append_byte(&copy->row, '\n');
    return send_row(copy);
}

static enum status write_batch(struct copy_out *copy, const struct batch *batch) {
    for (uint32_t i = 0; i < batch->selected_count; i++) {
        uint32_t row = batch_row(batch, i);
        if (copy->said->format == COPY_BINARY)
            TRY(write_binary_row(copy, batch, row));
        else
            TRY(write_text_row(copy, batch, row));
    }
    return STATUS_OK;
}

static void mark_special(struct copy_out *copy) {
    const struct statement_copy *said = copy->said;
    copy->special[(uint8_t)said->delimiter] = true;
    copy->special['\n'] = copy->special['\r'] = true;
    if (said->format == COPY_CSV) {
        copy->special[(uint8_t)said->quote] = true;
        return;
    }
    copy->special['\\'] = true;
    for (int c = '\b'; c <= '\r'; c++)
        copy->special[c] = true;
}

static enum status write_rows(struct copy_out *copy, struct execution *execution,
                              uint64_t *count_out) {
    struct sink *sink = copy->session->sink;
    TRY(sink->copy_out_begin(copy->f, sink, copy->root->column_count,
                             copy->said->format == COPY_BINARY));
    TRY(write_header(copy));
    for (;;) {
        struct batch *batch;
        TRY(exec_next(copy->f, execution, &batch));
        if (batch == NULL)
            break;
        TRY(write_batch(copy, batch));
        *count_out += batch->selected_count;
    }
    if (copy->said->format == COPY_BINARY) {
        append_u16(&copy->row, UINT16_MAX);
        TRY(send_row(copy));
    }
    return sink->copy_out_end(copy->f, sink);
}

enum status copy__out(struct fiber *f, struct session *session, struct portal *portal,
                      uint64_t *count_out) {
    const struct statement *statement = portal->statement;
    struct exec_environment environment;
    struct execution *execution;
    struct copy_out copy = {
        .f = f,
        .session = session,
        .said = &statement->copy,
        .root = statement->plan->root,
    };
    if (copy.said->null_text != NULL)
        copy.null_text = slice_of_text(copy.said->null_text);
    mark_special(&copy);
    session__environment(session, statement, &portal->arena, NULL, 0, &environment);
    TRY(exec_open(f, &environment, statement->plan, &execution));
    enum status status = write_rows(&copy, execution, count_out);
    exec_close(f, execution);
    buffer_release(&copy.row);
    buffer_release(&copy.value);
    return status;
}
