#include "base/base_bytes.h"
#include "pgwire/pgwire_message.h"

static void append_u16(struct buffer *buffer, uint16_t number) {
    uint8_t bytes[2];
    put_be16(bytes, number);
    buffer_append(buffer, bytes, sizeof bytes);
}

static void append_u32(struct buffer *buffer, uint32_t number) {
    uint8_t bytes[4];
    put_be32(bytes, number);
    buffer_append(buffer, bytes, sizeof bytes);
}

/* With its zero byte. */
static void append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text) + 1);
}

size_t message_begin(struct buffer *buffer, char type) {
    size_t start = buffer->size;
    uint8_t *at = buffer_reserve(buffer, 5);
    if (at != NULL) {
        at[0] = (uint8_t)type;
        put_be32(at + 1, 0);
        buffer->size += 5;
    }
    return start;
}

void message_end(struct buffer *buffer, size_t start) {
    if (buffer->failed)
        return;
    ASSERT(buffer->size >= start + 5);
    put_be32(buffer->data + start + 1, (uint32_t)(buffer->size - start - 1));
}

void message_append_empty(struct buffer *buffer, char type) {
    const uint8_t bytes[5] = {(uint8_t)type, 0, 0, 0, 4};
    buffer_append(buffer, bytes, sizeof bytes);
}

void message_append_authentication_ok(struct buffer *buffer) {
    size_t start = message_begin(buffer, 'R');
    append_u32(buffer, 0);
    message_end(buffer, start);
}

void message_append_parameter_status(struct buffer *buffer, const char *name, const char *value) {
    size_t start = message_begin(buffer, 'S');
    append_text(buffer, name);
    append_text(buffer, value);
    message_end(buffer, start);
}

void message_append_backend_key(struct buffer *buffer, int32_t pid, int32_t secret) {
    size_t start = message_begin(buffer, 'K');
    append_u32(buffer, (uint32_t)pid);
    append_u32(buffer, (uint32_t)secret);
    message_end(buffer, start);
}

void message_append_ready(struct buffer *buffer, char transaction_status) {
    const uint8_t bytes[6] = {'Z', 0, 0, 0, 5, (uint8_t)transaction_status};
    buffer_append(buffer, bytes, sizeof bytes);
}

void message_append_negotiate(struct buffer *buffer, const char *const *options, size_t count) {
    size_t start = message_begin(buffer, 'v');
    append_u32(buffer, PROTOCOL_VERSION_3);
    append_u32(buffer, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        append_text(buffer, options[i]);
    message_end(buffer, start);
}

void message_append_row_description(struct buffer *buffer, const struct column_description *columns,
                                    size_t count) {
    size_t start = message_begin(buffer, 'T');
    append_u16(buffer, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct column_description *column = &columns[i];
        const struct type_info *info = type_info(column->type.id);
        append_text(buffer, column->name);
        append_u32(buffer, column->table_oid);
        append_u16(buffer, (uint16_t)column->column_number);
        append_u32(buffer, column->type.id);
        append_u16(buffer, (uint16_t)(info == NULL ? -1 : info->length));
        append_u32(buffer, (uint32_t)column->type.modifier);
        append_u16(buffer, (uint16_t)column->format);
    }
    message_end(buffer, start);
}

void message_append_parameter_description(struct buffer *buffer, const uint32_t *type_oids,
                                          size_t count) {
    size_t start = message_begin(buffer, 't');
    append_u16(buffer, (uint16_t)count);
    for (size_t i = 0; i < count; i++)
        append_u32(buffer, type_oids[i]);
    message_end(buffer, start);
}

void message_append_complete(struct buffer *buffer, const char *tag) {
    size_t start = message_begin(buffer, 'C');
    append_text(buffer, tag);
    message_end(buffer, start);
}

void message_append_copy_response(struct buffer *buffer, char type, size_t column_count,
                                  bool binary) {
    size_t start = message_begin(buffer, type);
    buffer_append_byte(buffer, binary);
    append_u16(buffer, (uint16_t)column_count);
    for (size_t i = 0; i < column_count; i++)
        append_u16(buffer, binary);
    message_end(buffer, start);
}

void message_append_copy_data(struct buffer *buffer, struct slice data) {
    size_t start = message_begin(buffer, 'd');
    buffer_append_slice(buffer, data);
    message_end(buffer, start);
}

static void append_field(struct buffer *buffer, char letter, const char *text) {
    if (text == NULL || *text == '\0')
        return;
    buffer_append_byte(buffer, (uint8_t)letter);
    append_text(buffer, text);
}

/* Drivers re-prepare a statement when they see this routine's name (and only then). */
static const char *routine_of(const struct error *error) {
    return error->status == STATUS_FEATURE_NOT_SUPPORTED &&
                   strcmp(error->message, "cached plan must not change result type") == 0
               ? "RevalidateCachedQuery"
               : NULL;
}

void message_append_error(struct buffer *buffer, const char *severity, const struct error *error) {
    size_t start = message_begin(buffer, 'E');
    append_field(buffer, 'S', severity);
    append_field(buffer, 'V', severity);
    append_field(buffer, 'C', status_sqlstate(error->status));
    append_field(buffer, 'M',
                 error->message[0] != '\0' ? error->message : status_text(error->status));
    append_field(buffer, 'D', error->detail);
    append_field(buffer, 'H', error->hint);
    if (error->position > 0) {
        buffer_append_byte(buffer, 'P');
        buffer_append_format(buffer, "%d", error->position);
        buffer_append_byte(buffer, 0);
    }
    append_field(buffer, 'W', error->context);
    append_field(buffer, 's', error->schema);
    append_field(buffer, 't', error->table);
    append_field(buffer, 'c', error->column);
    append_field(buffer, 'n', error->constraint);
    append_field(buffer, 'R', routine_of(error));
    buffer_append_byte(buffer, 0);
    message_end(buffer, start);
}

void message_append_notice(struct buffer *buffer, const char *severity, const char *sqlstate,
                           const char *text, const char *detail, const char *hint) {
    size_t start = message_begin(buffer, 'N');
    append_field(buffer, 'S', severity);
    append_field(buffer, 'V', severity);
    append_field(buffer, 'C', sqlstate);
    append_field(buffer, 'M', text);
    append_field(buffer, 'D', detail);
    append_field(buffer, 'H', hint);
    buffer_append_byte(buffer, 0);
    message_end(buffer, start);
}
