#include "session/copy_text.h"

/* ---- records ---------------------------------------------------------------------------- */

static enum status unterminated(const struct copy_in *copy, struct slice record) {
    enum status status = error_set(STATUS_BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field");
    copy__context_line(copy, record);
    return status;
}

/* Inside quotes? Fed with every byte in turn. */
struct quotes {
    uint8_t quote, escape; /* escape 0: the same */
    bool inside, escaped;
};

static void quotes_feed(struct quotes *quotes, uint8_t c) {
    if (quotes->inside && quotes->escape != 0 && c == quotes->escape)
        quotes->escaped = !quotes->escaped;
    if (c == quotes->quote && !quotes->escaped)
        quotes->inside = !quotes->inside;
    if (c != quotes->escape)
        quotes->escaped = false;
}

static struct quotes quotes_of(const struct copy_in *copy) {
    const struct statement_copy *said = copy->said;
    return (struct quotes){.quote = (uint8_t)said->quote,
                           .escape = said->escape == said->quote ? 0 : (uint8_t)said->escape};
}

/* Byte by byte; line ends inside quotes are data, and counted as soon as it is known what they look
   like. */
static enum status find_quoted(struct copy_in *copy, struct copy_line *line,
                               uint64_t *line_ends_out) {
    const uint8_t *start = copy->input + copy->start, *end = copy->input + copy->end;
    struct quotes quotes = quotes_of(copy);
    *line = (struct copy_line){0};
    *line_ends_out = 0;
    for (const uint8_t *at = start; at < end; at++) {
        quotes_feed(&quotes, *at);
        if (*at != '\r' && *at != '\n')
            continue;
        if (quotes.inside) {
            *line_ends_out += *at == (copy->line_end == LINE_END_NEWLINE ? '\n' : '\r');
            continue;
        }
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
    if (line->whole && quotes.inside) {
        copy->line += *line_ends_out;
        return unterminated(copy, line->text);
    }
    return STATUS_OK;
}

static bool has_quote(const struct copy_in *copy, struct slice text) {
    return text.size > 0 && memchr(text.data, copy->said->quote, text.size) != NULL;
}

static enum status find_record(struct copy_in *copy, struct copy_line *line,
                               uint64_t *line_ends_out) {
    *line = (struct copy_line){0};
    *line_ends_out = 0;
    bool plain = copy->line_end == LINE_END_NEWLINE || copy->line_end == LINE_END_UNKNOWN;
    if (plain && copy__find_newline(copy, false, line) && !has_quote(copy, line->text)) {
        copy__look_ahead(copy, line);
        if (!copy->has_carriage_returns) {
            copy->line_end = LINE_END_NEWLINE;
            return STATUS_OK;
        }
    }
    TRY(find_quoted(copy, line, line_ends_out));
    copy__look_ahead(copy, line);
    return STATUS_OK;
}

/* ---- fields ----------------------------------------------------------------------------- */

struct csv_field {
    struct slice text;
    bool quoted;
};

/* The field at *at, without its quotes, to *out. False: it was the last one. */
static bool csv_field(const struct copy_in *copy, const uint8_t **at, const uint8_t *end,
                      uint8_t **out, struct csv_field *field) {
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
        } else if (c == quote) {
            in_quotes = field->quoted = true;
            continue;
        } else if (c == delimiter) {
            break;
        }
        *(*out)++ = c;
    }
    *at = in + 1;
    field->text.size = (size_t)(*out - field->text.data);
    return in < end;
}

static bool field_is_null(const struct copy_in *copy, size_t column,
                          const struct csv_field *field) {
    bool known = column < copy->column_count;
    if (!slice_equal(field->text, copy->null_text))
        return false;
    return field->quoted ? known && copy->columns[column].force_null
                         : !(known && copy->columns[column].force_not_null);
}

static enum status split_quoted(struct copy_in *copy, struct slice record,
                                enum record_outcome *outcome_out) {
    const uint8_t *at = record.data, *end = record.data + record.size;
    uint8_t *out = arena_alloc_aligned(&copy->arena, record.size + 1, 1);
    if (out == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    size_t count = 0;
    for (bool more = true; more; count++) {
        struct csv_field field;
        more = csv_field(copy, &at, end, &out, &field);
        TRY(copy__take_field(copy, count, field.text, field_is_null(copy, count, &field), record));
    }
    return copy__end_line(copy, count, record, outcome_out);
}

size_t copy__csv_field_count(const struct copy_in *copy, struct slice record) {
    struct quotes quotes = quotes_of(copy);
    size_t count = 1;
    for (size_t i = 0; i < record.size; i++) {
        quotes_feed(&quotes, record.data[i]);
        count += !quotes.inside && record.data[i] == (uint8_t)copy->said->delimiter;
    }
    return count;
}

enum status copy__csv_record(struct copy_in *copy, enum record_outcome *outcome_out) {
    struct copy_line line;
    uint64_t line_ends;
    *outcome_out = RECORD_INCOMPLETE;
    TRY(find_record(copy, &line, &line_ends));
    if (!line.whole)
        return STATUS_OK;
    copy->line += line_ends;
    TRY(copy__check_line(copy, line.text));
    if (line.text.size == 2 && memcmp(line.text.data, "\\.", 2) == 0) {
        *outcome_out = RECORD_END;
        return STATUS_OK;
    }
    if (has_quote(copy, line.text))
        TRY(split_quoted(copy, line.text, outcome_out));
    else
        TRY(copy__split_plain(copy, line.text, outcome_out));
    copy->start += line.size;
    copy->line++;
    return STATUS_OK;
}
