/* Rows, one at a time. Batches are decoded in row_batch.c; the format is in row_format.h. */
#include "value/row.h"

#include "base/base_bytes.h"
#include "value/row_format.h"
#include "value/value_numeric.h"

void row_schema_init(struct row_schema *schema, const struct row_column *columns,
                     uint32_t column_count, struct arena *arena) {
    ASSERT(column_count <= ROW_COLUMNS_MAX);
    struct row_column *copies = ARENA_ARRAY(arena, struct row_column, column_count);
    uint8_t *physical = ARENA_ARRAY(arena, uint8_t, column_count);
    uint32_t *fixed_offset = ARENA_ARRAY(arena, uint32_t, column_count);
    uint32_t *fixed_size = ARENA_ARRAY(arena, uint32_t, column_count + 1);
    uint32_t *variable_index = ARENA_ARRAY(arena, uint32_t, column_count);
    uint32_t *variable_count = ARENA_ARRAY(arena, uint32_t, column_count + 1);
    *schema = (struct row_schema){column_count, copies,         physical,      fixed_offset,
                                  fixed_size,   variable_index, variable_count};
    uint32_t size = 0, variables = 0;
    for (uint32_t i = 0; i < column_count; i++) {
        copies[i] = columns[i];
        if (columns[i].missing != NULL) {
            struct value *missing = ARENA_NEW(arena, struct value);
            *missing = value_copy(columns[i].missing, arena);
            copies[i].missing = missing;
        }
        physical[i] = (uint8_t)type_physical(columns[i].type);
        fixed_offset[i] = size;
        variable_index[i] = variables;
        if (row_column_is_fixed(schema, i))
            size += (uint32_t)physical_size(physical[i]);
        else
            variables++;
        fixed_size[i + 1] = size;
        variable_count[i + 1] = variables;
    }
}

/* ---- encode ---------------------------------------------------------------------------- */

/* Where the parts of the row being written start, from its first byte. */
struct row_writer {
    const struct row_schema *schema;
    struct buffer *buffer;
    size_t start; /* of the row in the buffer */
    size_t fixed; /* offsets in the row */
    size_t ends, bytes;
    bool wide;
    uint8_t flags;
};

static enum status row_too_large(void) {
    enum status status = error_set(STATUS_LIMIT_EXCEEDED, "row is too big");
    error_detail("A row can have at most %d bytes.", ROW_SIZE_MAX);
    return status;
}

static size_t variable_size(enum physical physical, const struct value *value) {
    uint8_t packed[NUMERIC_PACKED_SIZE_MAX];
    return physical == PHYSICAL_STRING ? value->string.size : numeric_pack(value->numeric, packed);
}

/* Header, bitmap, zeroed fixed part and ends; bytes of variable columns follow by appending. */
static enum status begin_row(struct row_writer *writer, size_t variable_bytes) {
    const struct row_schema *schema = writer->schema;
    uint32_t n = schema->column_count;
    writer->wide = variable_bytes >= ROW_NARROW_LIMIT;
    writer->start = writer->buffer->size;
    writer->fixed = ROW_HEADER_SIZE + (n + 7) / 8;
    writer->ends = writer->fixed + schema->fixed_size[n];
    writer->bytes = writer->ends + schema->variable_count[n] * (writer->wide ? 4u : 2u);
    if (variable_bytes > ROW_SIZE_MAX - writer->bytes)
        return row_too_large();
    uint8_t *row =
        buffer_reserve(writer->buffer, writer->bytes + variable_bytes + STRING_INLINE_SIZE);
    if (row == NULL)
        return buffer_status(writer->buffer);
    memset(row, 0, writer->bytes);
    put_le16(row, (uint16_t)n);
    row[2] = ROW_VERSION;
    writer->flags = writer->wide ? ROW_FLAG_WIDE : 0;
    writer->buffer->size += writer->bytes;
    return STATUS_OK;
}

static uint8_t *row_bytes(struct row_writer *writer) {
    return writer->buffer->data + writer->start;
}

static void write_end(struct row_writer *writer, uint32_t column, bool external) {
    size_t end = writer->buffer->size - writer->start - writer->bytes;
    uint8_t *at = row_bytes(writer) + writer->ends;
    uint32_t index = writer->schema->variable_index[column];
    if (writer->wide)
        put_le32(at + 4 * index, (uint32_t)end | (external ? 1u << 31 : 0));
    else
        put_le16(at + 2 * index, (uint16_t)(end | (external ? 1u << 15 : 0)));
}

static void write_external(struct row_writer *writer, uint32_t column,
                           const struct row_external *external) {
    ASSERT(writer->schema->physical[column] == PHYSICAL_STRING);
    uint8_t bytes[ROW_EXTERNAL_SIZE];
    put_le64(bytes, external->id);
    put_le32(bytes + 8, external->size);
    buffer_append(writer->buffer, bytes, sizeof bytes);
    write_end(writer, column, true);
    writer->flags |= ROW_FLAG_EXTERNAL;
}

/* Sizes known to the compiler: no calls. */
static inline void copy_fixed(uint8_t *to, const void *from, size_t size) {
    switch (size) {
    case 1:
        *to = *(const uint8_t *)from;
        break;
    case 2:
        memcpy(to, from, 2);
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    default:
        memcpy(to, from, 16);
        break;
    }
}

/* begin_row has made room for the string, and STRING_INLINE_SIZE bytes that short ones may write
   beyond their end. */
static inline void write_string(struct row_writer *writer, const struct string *string) {
    uint8_t *at = writer->buffer->data + writer->buffer->size;
    if (string->size <= STRING_INLINE_SIZE)
        memcpy(at, string_data(string), STRING_INLINE_SIZE);
    else
        memcpy(at, string_data(string), string->size);
    writer->buffer->size += string->size;
}

/* `data` is the physical form; NULL means null. */
static void write_column(struct row_writer *writer, uint32_t column, const void *data) {
    const struct row_schema *schema = writer->schema;
    enum physical physical = schema->physical[column];
    if (data == NULL) {
        row_bytes(writer)[ROW_HEADER_SIZE + column / 8] |= (uint8_t)(1u << column % 8);
        writer->flags |= ROW_FLAG_NULLS;
    }
    if (row_column_is_fixed(schema, column)) {
        if (data != NULL)
            copy_fixed(row_bytes(writer) + writer->fixed + schema->fixed_offset[column], data,
                       physical_size(physical));
        return;
    }
    if (data != NULL && physical == PHYSICAL_STRING) {
        write_string(writer, data);
    } else if (data != NULL) {
        uint8_t packed[NUMERIC_PACKED_SIZE_MAX];
        struct numeric number;
        memcpy(&number, data, sizeof number);
        buffer_append(writer->buffer, packed, numeric_pack(number, packed));
    }
    write_end(writer, column, false);
}

enum status row_encode(const struct row_schema *schema, const struct value *values,
                       const struct row_external *externals, struct buffer *buffer) {
    struct row_writer writer = {.schema = schema, .buffer = buffer};
    size_t variable_bytes = 0;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (row_column_is_fixed(schema, i))
            continue;
        if (externals != NULL && externals[i].size > 0)
            variable_bytes += ROW_EXTERNAL_SIZE;
        else if (!values[i].is_null)
            variable_bytes += variable_size(schema->physical[i], &values[i]);
    }
    TRY(begin_row(&writer, variable_bytes));
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (externals != NULL && externals[i].size > 0) {
            write_external(&writer, i, &externals[i]);
        } else if (values[i].is_null) {
            write_column(&writer, i, NULL);
        } else {
            DEBUG_ASSERT(type_physical(values[i].type) == schema->physical[i]);
            struct numeric form; /* large enough for every form */
            value_to_physical(&values[i], &form);
            write_column(&writer, i, &form);
        }
    }
    row_bytes(&writer)[3] = writer.flags;
    ASSERT(buffer->size - writer.start == writer.bytes + variable_bytes);
    return buffer_status(buffer);
}

enum status row_encode_batch(const struct row_schema *schema, const struct batch *batch,
                             uint32_t row, const struct row_external *externals,
                             struct buffer *buffer) {
    ASSERT(batch->column_count >= schema->column_count);
    struct row_writer writer = {.schema = schema, .buffer = buffer};
    size_t variable_bytes = 0;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (row_column_is_fixed(schema, i))
            continue;
        if (externals != NULL && externals[i].size > 0) {
            variable_bytes += ROW_EXTERNAL_SIZE;
            continue;
        }
        const struct vector *vector = &batch->vectors[i];
        uint32_t at = vector_position(vector, row);
        if (!validity_get(vector->validity, at))
            continue;
        if (vector->physical == PHYSICAL_STRING) {
            variable_bytes += ((const struct string *)vector->data)[at].size;
        } else {
            uint8_t packed[NUMERIC_PACKED_SIZE_MAX];
            variable_bytes += numeric_pack(((const struct numeric *)vector->data)[at], packed);
        }
    }
    TRY(begin_row(&writer, variable_bytes));
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct vector *vector = &batch->vectors[i];
        DEBUG_ASSERT(vector->physical == schema->physical[i]);
        if (externals != NULL && externals[i].size > 0) {
            write_external(&writer, i, &externals[i]);
            continue;
        }
        uint32_t at = vector_position(vector, row);
        bool valid = validity_get(vector->validity, at);
        const uint8_t *data = vector->data;
        write_column(&writer, i, valid ? data + physical_size(vector->physical) * at : NULL);
    }
    row_bytes(&writer)[3] = writer.flags;
    ASSERT(buffer->size - writer.start == writer.bytes + variable_bytes);
    return buffer_status(buffer);
}

/* ---- decode ---------------------------------------------------------------------------- */

static enum status corrupted(const char *what) {
    return error_set(STATUS_DATA_CORRUPTED, "stored row is damaged: %s", what);
}

enum status row__open(const struct row_schema *schema, struct slice row, struct row_parts *parts) {
    if (row.size < ROW_HEADER_SIZE)
        return corrupted("shorter than a header");
    uint32_t n = get_le16(row.data);
    uint8_t flags = row.data[3];
    if (row.data[2] != ROW_VERSION)
        return corrupted("unknown version");
    if (n > schema->column_count)
        return corrupted("more columns than the table has");
    if ((flags & ~ROW_FLAGS_ALL) != 0)
        return corrupted("unknown flags");
    *parts = (struct row_parts){.columns = n, .flags = flags, .row = row.data};
    parts->fixed = ROW_HEADER_SIZE + (n + 7) / 8;
    parts->ends = parts->fixed + schema->fixed_size[n];
    parts->bytes =
        parts->ends + schema->variable_count[n] * ((flags & ROW_FLAG_WIDE) != 0 ? 4u : 2u);
    if (row.size < parts->bytes)
        return corrupted("shorter than its columns");
    parts->variable_size = row.size - parts->bytes;
    return STATUS_OK;
}

enum status row__variable(const struct row_parts *parts, uint32_t index, struct slice *bytes_out,
                          bool *external_out) {
    const uint8_t *ends = parts->row + parts->ends;
    uint32_t start = 0, end;
    if ((parts->flags & ROW_FLAG_WIDE) != 0) {
        end = get_le32(ends + 4 * (size_t)index);
        *external_out = end >> 31;
        end &= ~(1u << 31);
        if (index > 0)
            start = get_le32(ends + 4 * (size_t)(index - 1)) & ~(1u << 31);
    } else {
        end = get_le16(ends + 2 * (size_t)index);
        *external_out = end >> 15;
        end &= ROW_NARROW_LIMIT - 1;
        if (index > 0)
            start = get_le16(ends + 2 * (size_t)(index - 1)) & (ROW_NARROW_LIMIT - 1);
    }
    if (start > end || end > parts->variable_size)
        return corrupted("a variable column ends outside");
    if (*external_out && end - start != ROW_EXTERNAL_SIZE)
        return corrupted("a reference has the wrong size");
    *bytes_out = slice_of(parts->row + parts->bytes + start, end - start);
    return STATUS_OK;
}

enum status row__external(struct slice bytes, struct row_external *external_out) {
    *external_out = (struct row_external){get_le64(bytes.data), get_le32(bytes.data + 8)};
    return external_out->size > 0 ? STATUS_OK : corrupted("a reference to nothing");
}

static enum status decode_column(const struct row_schema *schema, const struct row_parts *parts,
                                 uint32_t column, struct value *value_out,
                                 enum row_presence *presence_out,
                                 struct row_external *external_out) {
    struct type type = schema->columns[column].type;
    if (column >= parts->columns) {
        const struct value *missing = schema->columns[column].missing;
        *value_out = missing != NULL ? *missing : value_null(type);
        *presence_out = value_out->is_null ? ROW_NULL : ROW_VALUE;
        return STATUS_OK;
    }
    if ((parts->row[ROW_HEADER_SIZE + column / 8] >> column % 8 & 1) != 0) {
        *value_out = value_null(type);
        *presence_out = ROW_NULL;
        return STATUS_OK;
    }
    *value_out = (struct value){.type = type};
    *presence_out = ROW_VALUE;
    if (row_column_is_fixed(schema, column)) {
        const uint8_t *at = parts->row + parts->fixed + schema->fixed_offset[column];
        memcpy(&value_out->boolean, at, physical_size(schema->physical[column]));
        if (schema->physical[column] == PHYSICAL_BOOL && value_out->boolean > 1)
            return corrupted("a boolean that is neither true nor false");
        return STATUS_OK;
    }
    struct slice bytes;
    bool external;
    TRY(row__variable(parts, schema->variable_index[column], &bytes, &external));
    if (external) {
        if (schema->physical[column] != PHYSICAL_STRING)
            return corrupted("a number kept outside");
        *presence_out = ROW_EXTERNAL;
        return row__external(bytes, external_out);
    }
    if (schema->physical[column] == PHYSICAL_STRING)
        value_out->string = bytes;
    else
        TRY(numeric_unpack(bytes, &value_out->numeric));
    return STATUS_OK;
}

enum status row_decode_column(const struct row_schema *schema, struct slice row, uint32_t column,
                              struct value *value_out, enum row_presence *presence_out,
                              struct row_external *external_out) {
    ASSERT(column < schema->column_count);
    struct row_parts parts;
    TRY(row__open(schema, row, &parts));
    return decode_column(schema, &parts, column, value_out, presence_out, external_out);
}

bool row_has_external(struct slice row) {
    return row.size >= ROW_HEADER_SIZE && (row.data[3] & ROW_FLAG_EXTERNAL) != 0;
}

enum status row_decode(const struct row_schema *schema, struct slice row, struct value *values_out,
                       struct row_external *externals_out) {
    struct row_parts parts;
    TRY(row__open(schema, row, &parts));
    for (uint32_t i = 0; i < schema->column_count; i++) {
        enum row_presence presence;
        struct row_external external = {0};
        TRY(decode_column(schema, &parts, i, &values_out[i], &presence, &external));
        if (externals_out != NULL)
            externals_out[i] = external;
        else if (presence == ROW_EXTERNAL)
            return corrupted("a reference where none is expected");
        if (presence == ROW_EXTERNAL)
            values_out[i] = value_null(schema->columns[i].type);
    }
    return STATUS_OK;
}

enum status row_externals(const struct row_schema *schema, struct slice row,
                          struct row_external *externals_out, uint32_t capacity,
                          uint32_t *count_out) {
    struct row_parts parts;
    *count_out = 0;
    TRY(row__open(schema, row, &parts));
    if ((parts.flags & ROW_FLAG_EXTERNAL) == 0)
        return STATUS_OK;
    for (uint32_t i = 0; i < schema->variable_count[parts.columns]; i++) {
        struct slice bytes;
        bool external;
        TRY(row__variable(&parts, i, &bytes, &external));
        if (external && *count_out < capacity)
            TRY(row__external(bytes, &externals_out[(*count_out)++]));
    }
    return STATUS_OK;
}

enum status row_stored_columns(const struct row_schema *schema, struct slice row,
                               uint32_t *count_out) {
    struct row_parts parts;
    TRY(row__open(schema, row, &parts));
    *count_out = parts.columns;
    return STATUS_OK;
}

/* A stored column by the rules; a null of variable size has no bytes. */
static enum status check_column(const struct row_schema *schema, const struct row_parts *parts,
                                uint32_t column, struct value *value_out,
                                enum row_presence *presence_out,
                                struct row_external *external_out) {
    TRY(decode_column(schema, parts, column, value_out, presence_out, external_out));
    if (*presence_out != ROW_NULL || row_column_is_fixed(schema, column))
        return STATUS_OK;
    struct slice bytes;
    bool external;
    TRY(row__variable(parts, schema->variable_index[column], &bytes, &external));
    return bytes.size == 0 ? STATUS_OK : corrupted("a null with bytes");
}

/* Where the last variable column ends is how much they all have: each begins at the end of the one
   before. */
static enum status variable_bytes(const struct row_schema *schema, const struct row_parts *parts,
                                  size_t *size_out) {
    uint32_t count = schema->variable_count[parts->columns];
    struct slice bytes;
    bool external;
    *size_out = 0;
    if (count == 0)
        return STATUS_OK;
    TRY(row__variable(parts, count - 1, &bytes, &external));
    *size_out = (size_t)(bytes.data - parts->row) + bytes.size - parts->bytes;
    return STATUS_OK;
}

static enum status check_whole(const struct row_schema *schema, const struct row_parts *parts,
                               bool any_null, bool any_external) {
    size_t used;
    TRY(variable_bytes(schema, parts, &used));
    if (used != parts->variable_size)
        return corrupted("bytes beyond the last column");
    if (any_null != ((parts->flags & ROW_FLAG_NULLS) != 0))
        return corrupted("the null flag does not match the nulls");
    if (any_external != ((parts->flags & ROW_FLAG_EXTERNAL) != 0))
        return corrupted("the flag of references does not match them");
    if ((used >= ROW_NARROW_LIMIT) != ((parts->flags & ROW_FLAG_WIDE) != 0))
        return corrupted("ends of the wrong width");
    return STATUS_OK;
}

enum status row_decode_checked(const struct row_schema *schema, struct slice row,
                               struct value *values_out, struct row_external *externals_out) {
    struct row_parts parts;
    TRY(row__open(schema, row, &parts));
    uint32_t stored = parts.columns, wanted = values_out != NULL ? schema->column_count : stored;
    if (stored % 8 != 0 && row.data[ROW_HEADER_SIZE + stored / 8] >> stored % 8 != 0)
        return corrupted("a null bit beyond the last column");
    bool any_null = false, any_external = false;
    for (uint32_t i = 0; i < wanted; i++) {
        struct value value;
        enum row_presence presence;
        struct row_external external = {0};
        if (i < stored) {
            TRY(check_column(schema, &parts, i, &value, &presence, &external));
            any_null |= presence == ROW_NULL;
            any_external |= presence == ROW_EXTERNAL;
        } else {
            TRY(decode_column(schema, &parts, i, &value, &presence, &external));
        }
        if (values_out == NULL)
            continue;
        values_out[i] = presence == ROW_EXTERNAL ? value_null(schema->columns[i].type) : value;
        externals_out[i] = external;
    }
    return check_whole(schema, &parts, any_null, any_external);
}

enum status row_check(const struct row_schema *schema, struct slice row) {
    return row_decode_checked(schema, row, NULL, NULL);
}
