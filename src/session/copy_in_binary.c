#include "base/base_bytes.h"
#include "session/copy.h"
#include "value/value_binary.h"

static enum status bad_format(const struct copy_in *copy, const char *what) {
    enum status status = error_set(STATUS_BAD_COPY_FILE_FORMAT, "%s", what);
    copy__context_number(copy);
    return status;
}

/* The input ended where there had to be more. */
static enum status cut_off(const struct copy_in *copy) {
    return copy->input_ended ? bad_format(copy, "unexpected EOF in COPY data") : STATUS_OK;
}

/* Before the first row there is no place to tell. */
static enum status bad_header(const char *what) {
    return error_set(STATUS_BAD_COPY_FILE_FORMAT, "%s", what);
}

static enum status header(struct copy_in *copy, enum record_outcome *outcome_out) {
    const uint8_t *at = copy->input + copy->start;
    size_t size = copy->end - copy->start;
    *outcome_out = RECORD_INCOMPLETE;
    if (size >= COPY_SIGNATURE_SIZE && memcmp(at, copy_signature, COPY_SIGNATURE_SIZE) != 0)
        return bad_header("COPY file signature not recognized");
    if (size < COPY_SIGNATURE_SIZE + 8)
        return copy->input_ended ? bad_header("COPY file signature not recognized") : STATUS_OK;
    uint32_t flags = get_be32(at + COPY_SIGNATURE_SIZE);
    uint32_t extension = get_be32(at + COPY_SIGNATURE_SIZE + 4);
    if ((flags & 0xFFFF0000u) != 0)
        return bad_header((flags >> 16 & 1) != 0
                              ? "invalid COPY file header (WITH OIDS)"
                              : "unrecognized critical flags in COPY file header");
    if (extension > COPY_INPUT_SIZE)
        return bad_header("invalid COPY file header (wrong length)");
    if (size < COPY_SIGNATURE_SIZE + 8 + extension)
        return cut_off(copy);
    copy->start += COPY_SIGNATURE_SIZE + 8 + extension;
    copy->header_done = true;
    *outcome_out = RECORD_NONE;
    return STATUS_OK;
}

/* Is the whole row there? *size_out is what it takes. */
static enum status measure(struct copy_in *copy, bool *whole_out, size_t *size_out) {
    const uint8_t *start = copy->input + copy->start, *at = start + 2;
    const uint8_t *end = copy->input + copy->end;
    *whole_out = false;
    for (size_t i = 0; i < copy->column_count; i++) {
        if (end - at < 4)
            return cut_off(copy);
        int32_t size = (int32_t)get_be32(at);
        at += 4;
        if (size < -1)
            return bad_format(copy, "invalid field size");
        if (size > 0 && end - at < size)
            return cut_off(copy);
        at += size > 0 ? size : 0;
    }
    *whole_out = true;
    *size_out = (size_t)(at - start);
    return STATUS_OK;
}

static enum status store(struct copy_in *copy, size_t column_at, struct slice bytes) {
    const struct copy_column *column = &copy->columns[column_at];
    struct value value;
    enum status status = binary_receive(bytes, column->type, &copy->arena, &value);
    if (status != STATUS_OK) {
        error_context("COPY %s, line %llu, column %s", copy->table_name,
                      (unsigned long long)copy->line, column->name);
        return status;
    }
    vector_set(column->vector, copy->row, &value, NULL);
    return STATUS_OK;
}

enum status copy__binary_record(struct copy_in *copy, enum record_outcome *outcome_out) {
    if (!copy->header_done)
        return header(copy, outcome_out);
    size_t size = copy->end - copy->start;
    const uint8_t *at = copy->input + copy->start;
    *outcome_out = RECORD_INCOMPLETE;
    if (size < 2)
        return size == 0 ? STATUS_OK : cut_off(copy);
    int16_t count = (int16_t)get_be16(at);
    if (count == -1) {
        *outcome_out = RECORD_END;
        return STATUS_OK;
    }
    if (count < 0 || (size_t)count != copy->column_count) {
        enum status status =
            error_set(STATUS_BAD_COPY_FILE_FORMAT, "row field count is %d, expected %zu", count,
                      copy->column_count);
        copy__context_number(copy);
        return status;
    }
    bool whole;
    size_t record_size = 0;
    TRY(measure(copy, &whole, &record_size));
    if (!whole)
        return STATUS_OK;
    at += 2;
    for (size_t i = 0; i < copy->column_count; i++) {
        int32_t field_size = (int32_t)get_be32(at);
        at += 4;
        if (field_size < 0) {
            vector_set_null(copy->columns[i].vector, copy->row);
            continue;
        }
        TRY(store(copy, i, slice_of(at, (size_t)field_size)));
        at += field_size;
    }
    copy->start += record_size;
    copy->line++;
    *outcome_out = RECORD_ROW;
    return STATUS_OK;
}
