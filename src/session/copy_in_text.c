#include "session/copy.h"

/* ---- lines ------------------------------------------------------------------------------ */

/* Look over what came since last time, up to the last line end: valid UTF-8? carriage returns? One
   pass over a large region instead of one for each line. */
static void look_ahead(struct copy_in *copy) {
    const uint8_t *from = copy->input + copy->checked;
    size_t size = copy->end - copy->checked;
    if (!copy->input_ended) {
        const uint8_t *last = size == 0 ? NULL : memrchr(from, '\n', size);
        size = last == NULL ? 0 : (size_t)(last + 1 - from);
    }
    if (size == 0)
        return;
    struct slice region = slice_of(from, size);
    copy->check_lines = utf8_check(region) != STATUS_OK;
    copy->has_carriage_returns = memchr(from, '\r', size) != NULL;
    copy->checked += size;
}

static enum status check_line(struct copy_in *copy, struct slice line) {
    if (!copy->check_lines)
        return STATUS_OK;
    enum status status = utf8_check(line);
    if (status != STATUS_OK)
        error_context("COPY %s, line %llu", copy->table_name, (unsigned long long)copy->line);
    return status;
}

/* Take the \r of "\r\n" off; the first line decides whether all lines end so. */
static enum status strip_return(struct copy_in *copy, bool text_format, struct slice *line) {
    if (!copy->has_carriage_returns && !copy->lines_end_crlf) {
        copy->first_line_seen = true;
        return STATUS_OK;
    }
    bool ends_so = line->size > 0 && line->data[line->size - 1] == '\r';
    if (!copy->first_line_seen) {
        copy->first_line_seen = true;
        copy->lines_end_crlf = ends_so;
    }
    if (copy->lines_end_crlf && ends_so)
        line->size--;
    if (text_format && line->size > 0 && memchr(line->data, '\r', line->size) != NULL) {
        enum status status =
            error_set(STATUS_BAD_COPY_FILE_FORMAT, "literal carriage return found in data");
        error_hint("Use \"\\r\" to represent carriage return.");
        copy__context_line(copy, *line);
        return status;
    }
    return STATUS_OK;
}

static bool is_end_marker(struct slice line) {
    return line.size == 2 && line.data[0] == '\\' && line.data[1] == '.';
}

/* The line at the start. *size_out: with its end. False: not whole yet. `escapes`: a line end
   behind a backslash is data. */
static bool find_line(const struct copy_in *copy, bool escapes, struct slice *line_out,
                      size_t *size_out) {
    const uint8_t *start = copy->input + copy->start, *end = copy->input + copy->end;
    const uint8_t *at = start;
    for (;;) {
        const uint8_t *newline = at == end ? NULL : memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            break;
        size_t backslashes = 0;
        while (escapes && newline - backslashes > start && newline[-1 - (long)backslashes] == '\\')
            backslashes++;
        if (backslashes % 2 == 0) {
            *line_out = slice_of(start, (size_t)(newline - start));
            *size_out = line_out->size + 1;
            return true;
        }
        at = newline + 1;
    }
    if (!copy->input_ended || start == end)
        return false;
    *line_out = slice_of(start, (size_t)(end - start));
    *size_out = line_out->size;
    return true;
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

static enum status check_header_field(const struct copy_in *copy, size_t column, struct slice text,
                                      struct slice line) {
    if (column >= copy->column_count)
        return STATUS_OK; /* counted at the end */
    if (slice_equal(text, slice_of_text(copy->columns[column].name)))
        return STATUS_OK;
    enum status status =
        error_set(STATUS_BAD_COPY_FILE_FORMAT,
                  "column name mismatch in header line field %zu: got \"%.*s\", expected \"%s\"",
                  column + 1, (int)(text.size > 100 ? 100 : text.size), (const char *)text.data,
                  copy->columns[column].name);
    copy__context_line(copy, line);
    return status;
}

/* A field in its final form. `raw_null`: it is the null text and may mean null. */
static enum status take_field(struct copy_in *copy, size_t column, struct slice text, bool is_null,
                              struct slice line) {
    if (!copy->header_done)
        return copy->said->header_match ? check_header_field(copy, column, text, line) : STATUS_OK;
    if (column >= copy->column_count)
        return too_many(copy, line);
    return copy__store_text(copy, column, is_null ? NULL : &text);
}

/* The line had `count` fields. */
static enum status end_line(struct copy_in *copy, size_t count, struct slice line,
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
    *outcome_out = RECORD_ROW;
    return STATUS_OK;
}

/* Fields between delimiters and nothing else in the line. */
static enum status split_plain(struct copy_in *copy, struct slice line, bool csv,
                               enum record_outcome *outcome_out) {
    const uint8_t *at = line.data, *end = line.data + line.size;
    size_t count = 0;
    for (;;) {
        const uint8_t *stop =
            at == end ? NULL : memchr(at, copy->said->delimiter, (size_t)(end - at));
        struct slice text = slice_of(at, (size_t)((stop == NULL ? end : stop) - at));
        bool is_null = slice_equal(text, copy->null_text) &&
                       !(csv && count < copy->column_count && copy->columns[count].force_not_null);
        TRY(take_field(copy, count++, text, is_null, line));
        if (stop == NULL)
            break;
        at = stop + 1;
    }
    return end_line(copy, count, line, outcome_out);
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
            error_context("COPY %s, line %llu", copy->table_name, (unsigned long long)copy->line);
            return error_current()->status;
        }
        TRY(take_field(copy, count++, text, is_null, line));
        if (at == end)
            break;
        at++;
    }
    return end_line(copy, count, line, outcome_out);
}

enum status copy__text_record(struct copy_in *copy, enum record_outcome *outcome_out) {
    struct slice line;
    size_t size;
    *outcome_out = RECORD_INCOMPLETE;
    if (!find_line(copy, true, &line, &size))
        return STATUS_OK;
    if (copy->start + size > copy->checked)
        look_ahead(copy);
    TRY(check_line(copy, line));
    TRY(strip_return(copy, true, &line));
    if (is_end_marker(line)) {
        *outcome_out = RECORD_END;
        return STATUS_OK;
    }
    if (line.size > 0 && memchr(line.data, '\\', line.size) != NULL)
        TRY(split_escaped(copy, line, outcome_out));
    else
        TRY(split_plain(copy, line, false, outcome_out));
    copy->start += size;
    copy->line++;
    return STATUS_OK;
}

/* ---- csv -------------------------------------------------------------------------------- */

/* One field of a record with quotes, from *at. False: the input ends inside quotes or before the
   field's end is sure. */
struct csv_field {
    struct slice text;
    bool quoted;
    uint64_t line_ends; /* inside quotes */
};
static bool csv_field(const struct copy_in *copy, const uint8_t **at, const uint8_t *end,
                      uint8_t **out, struct csv_field *field, bool *in_quotes_out) {
    const uint8_t quote = (uint8_t)copy->said->quote, escape = (uint8_t)copy->said->escape;
    const uint8_t delimiter = (uint8_t)copy->said->delimiter;
    bool in_quotes = false;
    *field = (struct csv_field){.text = {*out, 0}};
    const uint8_t *in = *at;
    for (; in < end; in++) {
        uint8_t c = *in;
        if (in_quotes) {
            if (c == escape && in + 1 < end && (in[1] == quote || in[1] == escape))
                c = *++in;
            else if (c == quote) {
                in_quotes = false;
                continue;
            }
            field->line_ends += c == '\n';
        } else if (c == quote) {
            in_quotes = field->quoted = true;
            continue;
        } else if (c == delimiter || c == '\n') {
            break;
        }
        *(*out)++ = c;
    }
    *in_quotes_out = in_quotes;
    *at = in;
    field->text.size = (size_t)(*out - field->text.data);
    return in < end && !in_quotes;
}

static enum status unterminated(const struct copy_in *copy, struct slice record) {
    enum status status = error_set(STATUS_BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field");
    copy__context_line(copy, record);
    return status;
}

static bool field_is_null(const struct copy_in *copy, size_t column,
                          const struct csv_field *field) {
    bool known = column < copy->column_count;
    if (!slice_equal(field->text, copy->null_text))
        return false;
    return field->quoted ? known && copy->columns[column].force_null
                         : !(known && copy->columns[column].force_not_null);
}

/* A record with quotes; it may go over several lines. Two passes: whole first, then its fields, so
   that nothing is stored of a record that is not there yet. */
static enum status split_quoted(struct copy_in *copy, enum record_outcome *outcome_out) {
    const uint8_t *start = copy->input + copy->start, *end = copy->input + copy->end;
    const uint8_t *at = start;
    struct csv_field field;
    bool in_quotes, more = true;
    uint8_t *room = arena_alloc_aligned(&copy->arena, (size_t)(end - start) + 1, 1);
    if (room == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint8_t *out = room;
    for (bool last = false; !last;) {
        bool whole = csv_field(copy, &at, end, &out, &field, &in_quotes);
        if (!whole && !copy->input_ended)
            return STATUS_OK;
        if (in_quotes)
            return unterminated(copy, slice_of(start, (size_t)(end - start)));
        last = !whole || *at == '\n';
        at += whole;
    }
    struct slice record = slice_of(start, (size_t)(at - start));
    size_t size = record.size, count = 0;
    uint64_t lines = 1;
    record.size -= record.size > 0 && record.data[record.size - 1] == '\n';
    TRY(check_line(copy, record));
    TRY(strip_return(copy, false, &record));
    end = record.data + record.size;
    for (at = start, out = room; more; at++) {
        more = csv_field(copy, &at, end, &out, &field, &in_quotes);
        lines += field.line_ends;
        TRY(take_field(copy, count, field.text, field_is_null(copy, count, &field), record));
        count++;
    }
    TRY(end_line(copy, count, record, outcome_out));
    copy->start += size;
    copy->line += lines;
    return STATUS_OK;
}

enum status copy__csv_record(struct copy_in *copy, enum record_outcome *outcome_out) {
    struct slice line;
    size_t size;
    *outcome_out = RECORD_INCOMPLETE;
    if (!find_line(copy, false, &line, &size))
        return STATUS_OK;
    if (copy->start + size > copy->checked)
        look_ahead(copy);
    if (line.size > 0 && memchr(line.data, copy->said->quote, line.size) != NULL)
        return split_quoted(copy, outcome_out);
    TRY(check_line(copy, line));
    TRY(strip_return(copy, false, &line));
    if (is_end_marker(line)) {
        *outcome_out = RECORD_END;
        return STATUS_OK;
    }
    TRY(split_plain(copy, line, true, outcome_out));
    copy->start += size;
    copy->line++;
    return STATUS_OK;
}
