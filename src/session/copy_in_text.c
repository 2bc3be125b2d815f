#include "session/copy_text.h"

/* ---- lines ------------------------------------------------------------------------------ */

void copy__look_ahead(struct copy_in *copy, const struct copy_line *line) {
    if (!line->whole || copy->start + line->size <= copy->checked)
        return;
    const uint8_t *from = copy->input + copy->checked;
    size_t size = copy->end - copy->checked;
    if (!copy->input_ended) {
        uint8_t end = copy->line_end == LINE_END_RETURN ? '\r' : '\n';
        const uint8_t *last = size == 0 ? NULL : memrchr(from, end, size);
        size = last == NULL ? 0 : (size_t)(last + 1 - from);
    }
    if (size == 0)
        return;
    struct slice region = slice_of(from, size);
    copy->check_lines = utf8_check(region) != STATUS_OK;
    copy->has_carriage_returns = memchr(from, '\r', size) != NULL;
    copy->checked += size;
}

enum status copy__check_line(const struct copy_in *copy, struct slice line) {
    if (!copy->check_lines)
        return STATUS_OK;
    enum status status = utf8_check(line);
    if (status != STATUS_OK)
        copy__context_number(copy);
    return status;
}

/* A line end that is not like the first. */
static enum status foreign_end(const struct copy_in *copy, bool is_return) {
    bool csv = copy->said->format == COPY_CSV;
    const char *what = is_return ? "carriage return" : "newline";
    enum status status = error_set(STATUS_BAD_COPY_FILE_FORMAT, "%s %s found in data",
                                   csv ? "unquoted" : "literal", what);
    if (csv)
        error_hint("Use quoted CSV field to represent %s.", what);
    else
        error_hint("Use \"\\%c\" to represent %s.", is_return ? 'r' : 'n', what);
    copy__context_number(copy);
    return status;
}

enum status copy__measure_end(struct copy_in *copy, const uint8_t *at, size_t *end_size_out) {
    const uint8_t *end = copy->input + copy->end;
    *end_size_out = 1;
    if (*at == '\n') {
        if (copy->line_end == LINE_END_UNKNOWN)
            copy->line_end = LINE_END_NEWLINE;
        return copy->line_end == LINE_END_NEWLINE ? STATUS_OK : foreign_end(copy, false);
    }
    if (copy->line_end == LINE_END_NEWLINE)
        return foreign_end(copy, true);
    if (copy->line_end == LINE_END_RETURN)
        return STATUS_OK;
    bool more = at + 1 < end;
    if (!more && !copy->input_ended) {
        *end_size_out = 0;
        return STATUS_OK;
    }
    bool both = more && at[1] == '\n';
    if (copy->line_end == LINE_END_BOTH && !both)
        return foreign_end(copy, true);
    if (copy->line_end == LINE_END_UNKNOWN)
        copy->line_end = both ? LINE_END_BOTH : LINE_END_RETURN;
    *end_size_out = both ? 2 : 1;
    return STATUS_OK;
}

void copy__rest_of_input(const struct copy_in *copy, struct copy_line *line) {
    line->text = slice_of(copy->input + copy->start, copy->end - copy->start);
    line->size = line->text.size;
    line->whole = copy->input_ended && line->size > 0;
}

/* Byte by byte, when carriage returns may end lines. What follows a backslash is data. */
static enum status find_any_end(struct copy_in *copy, struct copy_line *line) {
    const uint8_t *start = copy->input + copy->start, *end = copy->input + copy->end;
    *line = (struct copy_line){0};
    for (const uint8_t *at = start; at < end; at++) {
        if (*at == '\\') {
            at++;
            continue;
        }
        if (*at != '\r' && *at != '\n')
            continue;
        size_t end_size;
        TRY(copy__measure_end(copy, at, &end_size));
        if (end_size == 0)
            return STATUS_OK;
        line->whole = true;
        line->text = slice_of(start, (size_t)(at - start));
        line->size = line->text.size + end_size;
        return STATUS_OK;
    }
    copy__rest_of_input(copy, line);
    return STATUS_OK;
}

bool copy__find_newline(const struct copy_in *copy, bool escapes, struct copy_line *line) {
    const uint8_t *start = copy->input + copy->start, *end = copy->input + copy->end;
    const uint8_t *at = start;
    for (;;) {
        const uint8_t *newline = at == end ? NULL : memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            return false;
        size_t backslashes = 0;
        while (escapes && newline - backslashes > start && newline[-1 - (long)backslashes] == '\\')
            backslashes++;
        if (backslashes % 2 == 0) {
            line->text = slice_of(start, (size_t)(newline - start));
            line->size = line->text.size + 1;
            line->whole = true;
            return true;
        }
        at = newline + 1;
    }
}

/* Usually there is no carriage return anywhere near. */
static enum status find_line(struct copy_in *copy, struct copy_line *line) {
    *line = (struct copy_line){0};
    bool plain = copy->line_end == LINE_END_NEWLINE || copy->line_end == LINE_END_UNKNOWN;
    if (plain && copy__find_newline(copy, true, line)) {
        copy__look_ahead(copy, line);
        if (!copy->has_carriage_returns) {
            copy->line_end = LINE_END_NEWLINE;
            return STATUS_OK;
        }
    }
    TRY(find_any_end(copy, line));
    copy__look_ahead(copy, line);
    return STATUS_OK;
}

/* In text format \. ends the data wherever it stands; nothing may follow it in its line. */
static enum status find_end_marker(struct copy_in *copy, struct slice *line) {
    for (size_t i = 0; i + 1 < line->size; i++) {
        if (line->data[i] != '\\')
            continue;
        if (line->data[++i] != '.')
            continue;
        if (i + 1 < line->size) {
            enum status status =
                error_set(STATUS_BAD_COPY_FILE_FORMAT, "end-of-copy marker corrupt");
            copy__context_number(copy);
            return status;
        }
        line->size -= 2;
        copy->last_line = true;
    }
    return STATUS_OK;
}

/* ---- fields ----------------------------------------------------------------------------- */

static enum status too_many(const struct copy_in *copy, struct slice line) {
    enum status status =
        error_set(STATUS_BAD_COPY_FILE_FORMAT, "extra data after last expected column");
    copy__context_line(copy, line);
    return status;
}

static enum status too_few(const struct copy_in *copy, size_t count, struct slice line) {
    enum status status = error_set(STATUS_BAD_COPY_FILE_FORMAT, "missing data for column \"%s\"",
                                   copy->columns[count].name);
    copy__context_line(copy, line);
    return status;
}

/* text NULL: the null text. */
static enum status check_header_field(const struct copy_in *copy, size_t column,
                                      const struct slice *text, struct slice line) {
    if (column >= copy->column_count)
        return STATUS_OK; /* counted at the end */
    const char *wanted = copy->columns[column].name;
    if (text != NULL && slice_equal(*text, slice_of_text(wanted)))
        return STATUS_OK;
    struct slice got = text != NULL ? *text : copy->null_text;
    enum status status = error_set(
        STATUS_BAD_COPY_FILE_FORMAT,
        "column name mismatch in header line field %zu: got %s\"%.*s\"%s, expected \"%s\"",
        column + 1, text == NULL ? "null value (" : "", (int)got.size, (const char *)got.data,
        text == NULL ? ")" : "", wanted);
    copy__context_line(copy, line);
    return status;
}

static size_t field_count(const struct copy_in *copy, struct slice line) {
    if (copy->said->format == COPY_CSV)
        return copy__csv_field_count(copy, line);
    size_t count = 1;
    for (size_t i = 0; i < line.size; i++) {
        if (line.data[i] == '\\')
            i++;
        else
            count += line.data[i] == (uint8_t)copy->said->delimiter;
    }
    return count;
}

enum status copy__take_field(struct copy_in *copy, size_t column, struct slice text, bool is_null,
                             struct slice line) {
    if (!copy->header_done)
        return copy->said->header_match
                   ? check_header_field(copy, column, is_null ? NULL : &text, line)
                   : STATUS_OK;
    if (column >= copy->column_count)
        return too_many(copy, line);
    enum status status = copy__store_text(copy, column, is_null ? NULL : &text);
    /* Fields are counted before they are read. */
    if (status != STATUS_OK && field_count(copy, line) > copy->column_count)
        return too_many(copy, line);
    return status;
}

enum status copy__end_line(struct copy_in *copy, size_t count, struct slice line,
                           enum record_outcome *outcome_out) {
    if (!copy->header_done) {
        if (copy->said->header_match && count != copy->column_count) {
            enum status status = error_set(STATUS_BAD_COPY_FILE_FORMAT,
                                           "wrong number of fields in header line: got %zu, "
                                           "expected %zu",
                                           count, copy->column_count);
            copy__context_line(copy, line);
            return status;
        }
        copy->header_done = true;
        *outcome_out = RECORD_NONE;
        return STATUS_OK;
    }
    if (count < copy->column_count)
        return too_few(copy, count, line);
    copy->origins[copy->row] = (struct copy_origin){copy->line, line};
    *outcome_out = RECORD_ROW;
    return STATUS_OK;
}

enum status copy__split_plain(struct copy_in *copy, struct slice line,
                              enum record_outcome *outcome_out) {
    bool csv = copy->said->format == COPY_CSV;
    const uint8_t *at = line.data, *end = line.data + line.size;
    size_t count = 0;
    if (copy->column_count == 0 && line.size == 0) /* a row of a table without columns */
        return copy__end_line(copy, 0, line, outcome_out);
    for (;;) {
        const uint8_t *stop =
            at == end ? NULL : memchr(at, copy->said->delimiter, (size_t)(end - at));
        struct slice text = slice_of(at, (size_t)((stop == NULL ? end : stop) - at));
        bool is_null = slice_equal(text, copy->null_text) &&
                       !(csv && count < copy->column_count && copy->columns[count].force_not_null);
        TRY(copy__take_field(copy, count++, text, is_null, line));
        if (stop == NULL)
            break;
        at = stop + 1;
    }
    return copy__end_line(copy, count, line, outcome_out);
}

/* ---- text ------------------------------------------------------------------------------- */

static int hex_digit(uint8_t c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* What stands behind a backslash at *at (moved on); the byte it means. */
static uint8_t unescape(const uint8_t **at, const uint8_t *end) {
    uint8_t c = *(*at)++;
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    case 'x': {
        if (*at == end || hex_digit(**at) < 0)
            return 'x';
        int number = hex_digit(*(*at)++);
        if (*at < end && hex_digit(**at) >= 0)
            number = number * 16 + hex_digit(*(*at)++);
        return (uint8_t)number;
    }
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7': {
        int number = c - '0';
        for (int i = 0; i < 2 && *at < end && **at >= '0' && **at <= '7'; i++)
            number = number * 8 + *(*at)++ - '0';
        return (uint8_t)number;
    }
    default:
        return c;
    }
}

/* A line with backslashes: fields are rewritten into the arena. */
static enum status split_escaped(struct copy_in *copy, struct slice line,
                                 enum record_outcome *outcome_out) {
    const uint8_t *at = line.data, *end = line.data + line.size;
    uint8_t *out = arena_alloc_aligned(&copy->arena, line.size + 1, 1);
    if (out == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    size_t count = 0;
    for (;;) {
        const uint8_t *raw = at;
        uint8_t *start = out;
        bool foreign = false; /* bytes by number: the text may not be UTF-8 any more */
        while (at < end && *at != (uint8_t)copy->said->delimiter) {
            if (*at != '\\' || at + 1 == end) {
                *out++ = *at++;
                continue;
            }
            at++;
            *out = unescape(&at, end);
            foreign |= *out >= 0x80 || *out == 0;
            out++;
        }
        bool is_null = slice_equal(slice_of(raw, (size_t)(at - raw)), copy->null_text);
        struct slice text = slice_of(start, (size_t)(out - start));
        if (foreign && utf8_check(text) != STATUS_OK) {
            copy__context_line(copy, line);
            return error_current()->status;
        }
        TRY(copy__take_field(copy, count++, text, is_null, line));
        if (at == end)
            break;
        at++;
    }
    return copy__end_line(copy, count, line, outcome_out);
}

enum status copy__text_record(struct copy_in *copy, enum record_outcome *outcome_out) {
    struct copy_line line;
    *outcome_out = copy->last_line ? RECORD_END : RECORD_INCOMPLETE;
    if (copy->last_line)
        return STATUS_OK;
    TRY(find_line(copy, &line));
    if (!line.whole)
        return STATUS_OK;
    struct slice text = line.text;
    bool escapes = text.size > 0 && memchr(text.data, '\\', text.size) != NULL;
    TRY(copy__check_line(copy, text));
    if (escapes)
        TRY(find_end_marker(copy, &text));
    if (copy->last_line && text.size == 0) {
        *outcome_out = RECORD_END;
        return STATUS_OK;
    }
    if (escapes)
        TRY(split_escaped(copy, text, outcome_out));
    else
        TRY(copy__split_plain(copy, text, outcome_out));
    copy->start += line.size;
    copy->line++;
    return STATUS_OK;
}
