#include "base/base_bytes.h"
#include "pgwire/pgwire_message.h"

/* A reader that stops at the end of the body; `failed` sticks. */
struct reader {
    const uint8_t *at, *end;
    bool failed;
};

static struct reader reader_of(struct slice body) {
    return (struct reader){body.data, body.data + body.size, false};
}

static const uint8_t *read_bytes(struct reader *reader, size_t size) {
    if (reader->failed || (size_t)(reader->end - reader->at) < size) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += size;
    return bytes;
}

static uint16_t read_u16(struct reader *reader) {
    const uint8_t *bytes = read_bytes(reader, 2);
    return bytes == NULL ? 0 : get_be16(bytes);
}

static uint32_t read_u32(struct reader *reader) {
    const uint8_t *bytes = read_bytes(reader, 4);
    return bytes == NULL ? 0 : get_be32(bytes);
}

/* "" when there is no zero byte left. */
static const char *read_text(struct reader *reader) {
    size_t left = (size_t)(reader->end - reader->at);
    const uint8_t *zero = reader->failed || left == 0 ? NULL : memchr(reader->at, 0, left);
    if (zero == NULL) {
        reader->failed = true;
        return "";
    }
    const char *text = (const char *)reader->at;
    reader->at = zero + 1;
    return text;
}

/* All of the body must have been used. */
static enum status reader_finish(const struct reader *reader) {
    if (reader->failed)
        return error_set(STATUS_PROTOCOL_VIOLATION, "insufficient data left in message");
    if (reader->at != reader->end)
        return error_set(STATUS_PROTOCOL_VIOLATION, "invalid message format");
    return STATUS_OK;
}

/* ---- framing ---------------------------------------------------------------------------- */

/* How long a message of this type may be; 0: no such type. */
static uint32_t size_limit(char type) {
    switch (type) {
    case 'Q':
    case 'P':
    case 'B':
    case 'd':
    case 'F':
        return MESSAGE_SIZE_MAX;
    case 'D':
    case 'E':
    case 'C':
    case 'H':
    case 'S':
    case 'X':
    case 'c':
    case 'f':
    case 'p':
        return SMALL_MESSAGE_SIZE_MAX;
    default:
        return 0;
    }
}

enum status message_frame(struct slice bytes, struct message *message_out, size_t *size_out,
                          size_t *size_needed_out) {
    *size_out = *size_needed_out = 0;
    if (bytes.size == 0)
        return STATUS_OK;
    char type = (char)bytes.data[0];
    uint32_t limit = size_limit(type);
    if (limit == 0)
        return error_set(STATUS_PROTOCOL_VIOLATION, "invalid frontend message type %d",
                         (unsigned char)type);
    if (bytes.size < 5)
        return STATUS_OK;
    uint32_t length = get_be32(bytes.data + 1);
    if (length < 4 || length > limit)
        return error_set(STATUS_PROTOCOL_VIOLATION, "invalid message length");
    *size_needed_out = (size_t)length + 1;
    if (bytes.size < *size_needed_out)
        return STATUS_OK;
    *size_out = *size_needed_out;
    *message_out = (struct message){.type = type, .body = {bytes.data + 5, length - 4}};
    return STATUS_OK;
}

enum status message_frame_first(struct slice bytes, struct message *message_out, size_t *size_out,
                                size_t *size_needed_out) {
    *size_out = *size_needed_out = 0;
    if (bytes.size < 4)
        return STATUS_OK;
    uint32_t length = get_be32(bytes.data);
    if (length < 8 || length > STARTUP_SIZE_MAX)
        return error_set(STATUS_PROTOCOL_VIOLATION, "invalid length of startup packet");
    *size_needed_out = length;
    if (bytes.size < length)
        return STATUS_OK;
    *size_out = length;
    *message_out = (struct message){
        .body = {bytes.data + 8, length - 8},
        .code = get_be32(bytes.data + 4),
    };
    return STATUS_OK;
}

/* ---- bodies ----------------------------------------------------------------------------- */

enum status startup_decode(struct slice body, struct startup_message *message_out) {
    struct reader reader = reader_of(body);
    message_out->count = 0;
    for (;;) {
        const char *name = read_text(&reader);
        if (reader.failed)
            return error_set(STATUS_PROTOCOL_VIOLATION,
                             "invalid startup packet layout: expected terminator as last byte");
        if (*name == '\0')
            break;
        const char *value = read_text(&reader);
        if (reader.failed)
            return error_set(STATUS_PROTOCOL_VIOLATION,
                             "invalid startup packet layout: expected terminator as last byte");
        if (message_out->count == STARTUP_PARAMETERS_MAX)
            return error_set(STATUS_PROTOCOL_VIOLATION, "too many startup parameters");
        message_out->names[message_out->count] = name;
        message_out->values[message_out->count++] = value;
    }
    if (reader.at != reader.end)
        return error_set(STATUS_PROTOCOL_VIOLATION,
                         "invalid startup packet layout: expected terminator as last byte");
    return STATUS_OK;
}

enum status cancel_decode(struct slice body, struct cancel_message *message_out) {
    struct reader reader = reader_of(body);
    message_out->pid = (int32_t)read_u32(&reader);
    message_out->secret = (int32_t)read_u32(&reader);
    return reader_finish(&reader);
}

enum status text_decode(struct slice body, const char **text_out) {
    struct reader reader = reader_of(body);
    *text_out = read_text(&reader);
    if (reader.failed)
        return error_set(STATUS_PROTOCOL_VIOLATION, "invalid string in message");
    return reader_finish(&reader);
}

enum status parse_decode(struct slice body, struct parse_message *message_out) {
    struct reader reader = reader_of(body);
    message_out->name = read_text(&reader);
    message_out->text = read_text(&reader);
    if (reader.failed)
        return error_set(STATUS_PROTOCOL_VIOLATION, "invalid string in message");
    message_out->type_count = read_u16(&reader);
    message_out->type_oids = read_bytes(&reader, 4 * (size_t)message_out->type_count);
    return reader_finish(&reader);
}

/* The part of Bind before the parameters: names and the parameters' formats. */
struct bind_head {
    const char *portal, *statement;
    const uint8_t *formats;
    uint16_t format_count, parameter_count;
};

static enum status read_bind_head(struct reader *reader, struct bind_head *head) {
    head->portal = read_text(reader);
    head->statement = read_text(reader);
    if (reader->failed)
        return error_set(STATUS_PROTOCOL_VIOLATION, "invalid string in message");
    head->format_count = read_u16(reader);
    head->formats = read_bytes(reader, 2 * (size_t)head->format_count);
    head->parameter_count = read_u16(reader);
    if (reader->failed)
        return error_set(STATUS_PROTOCOL_VIOLATION, "insufficient data left in message");
    if (head->format_count > 1 && head->format_count != head->parameter_count)
        return error_set(STATUS_PROTOCOL_VIOLATION,
                         "bind message has %u parameter formats but %u parameters",
                         head->format_count, head->parameter_count);
    return STATUS_OK;
}

enum status bind_parameter_count(struct slice body, uint16_t *count_out) {
    struct reader reader = reader_of(body);
    struct bind_head head;
    TRY(read_bind_head(&reader, &head));
    *count_out = head.parameter_count;
    return STATUS_OK;
}

static enum status read_format(const struct bind_head *head, size_t at, bool *binary_out) {
    uint16_t format = head->format_count == 0
                          ? 0
                          : get_be16(head->formats + 2 * (head->format_count == 1 ? 0 : at));
    if (format > 1)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "unsupported format code: %u", format);
    *binary_out = format == 1;
    return STATUS_OK;
}

enum status bind_decode(struct slice body, struct session_parameter *parameters,
                        struct bind_message *message_out) {
    struct reader reader = reader_of(body);
    struct bind_head head;
    TRY(read_bind_head(&reader, &head));
    *message_out = (struct bind_message){
        .portal = head.portal,
        .statement = head.statement,
        .parameters = parameters,
        .parameter_count = head.parameter_count,
    };
    for (size_t i = 0; i < head.parameter_count; i++) {
        struct session_parameter *parameter = &parameters[i];
        *parameter = (struct session_parameter){.is_null = false};
        TRY(read_format(&head, i, &parameter->is_binary));
        uint32_t size = read_u32(&reader);
        if (size == UINT32_MAX) {
            parameter->is_null = true;
            continue;
        }
        parameter->bytes = slice_of(read_bytes(&reader, size), size);
        if (reader.failed)
            return reader_finish(&reader);
    }
    message_out->result_format_count = read_u16(&reader);
    message_out->result_formats = read_bytes(&reader, 2 * (size_t)message_out->result_format_count);
    return reader_finish(&reader);
}

enum status target_decode(struct slice body, const char *what, struct target_message *message_out) {
    struct reader reader = reader_of(body);
    const uint8_t *kind = read_bytes(&reader, 1);
    message_out->name = read_text(&reader);
    TRY(reader_finish(&reader));
    message_out->kind = (char)*kind;
    if (message_out->kind != 'S' && message_out->kind != 'P')
        return error_set(STATUS_PROTOCOL_VIOLATION, "invalid %s message subtype %d", what, *kind);
    return STATUS_OK;
}

enum status execute_decode(struct slice body, struct execute_message *message_out) {
    struct reader reader = reader_of(body);
    message_out->portal = read_text(&reader);
    message_out->row_limit = read_u32(&reader);
    TRY(reader_finish(&reader));
    if (message_out->row_limit > INT32_MAX)
        message_out->row_limit = 0; /* as PostgreSQL: zero or less is "all" */
    return STATUS_OK;
}
