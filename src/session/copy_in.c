#include <stdio.h>

#include "session/copy.h"
#include "value/value_datetime.h"
#include "value/value_numeric.h"

const uint8_t copy_signature[COPY_SIGNATURE_SIZE] = {'P',  'G',  'C',  'O',  'P', 'Y',
                                                     '\n', 0xFF, '\r', '\n', 0};

/* ---- where an error is ------------------------------------------------------------------ */

/* Whole characters only. */
static size_t shown_size(struct slice text) {
    if (text.size <= COPY_CONTEXT_SIZE)
        return text.size;
    size_t size = COPY_CONTEXT_SIZE;
    while (size > 0 && (text.data[size] & 0xC0) == 0x80)
        size--;
    return size;
}

void copy__context_number(const struct copy_in *copy) {
    error_context("COPY %s, line %llu", copy->table_name, (unsigned long long)copy->line);
}

static void context_text(const struct copy_in *copy, uint64_t line, struct slice text) {
    size_t size = shown_size(text);
    error_context("COPY %s, line %llu: \"%.*s%s\"", copy->table_name, (unsigned long long)line,
                  (int)size, (const char *)text.data, size < text.size ? "..." : "");
}

void copy__context_value(const struct copy_in *copy, size_t column, const struct slice *text) {
    if (text == NULL) {
        error_context("COPY %s, line %llu, column %s: null input", copy->table_name,
                      (unsigned long long)copy->line, copy->columns[column].name);
        return;
    }
    size_t size = shown_size(*text);
    error_context("COPY %s, line %llu, column %s: \"%.*s%s\"", copy->table_name,
                  (unsigned long long)copy->line, copy->columns[column].name, (int)size,
                  (const char *)text->data, size < text->size ? "..." : "");
}

void copy__context_line(const struct copy_in *copy, struct slice line) {
    context_text(copy, copy->line, line);
}

static bool breaks_row(enum status status) {
    return status == STATUS_NOT_NULL_VIOLATION || status == STATUS_CHECK_VIOLATION;
}

/* An error in a row of the batch. What is wrong with the row itself is found, as PostgreSQL would,
   with the line at hand; of others the number is known, or else that of the last line. */
static void context_batch(const struct copy_in *copy) {
    const struct error *error = error_current();
    if (error->context[0] != '\0')
        return;
    uint32_t row = error->batch_row > 0 ? (uint32_t)error->batch_row - 1 : copy->row - 1;
    const struct copy_origin *origin = &copy->origins[row < copy->row ? row : copy->row - 1];
    if (breaks_row(error->status) && copy->said->format != COPY_BINARY)
        context_text(copy, origin->line, origin->text);
    else
        error_context("COPY %s, line %llu", copy->table_name, (unsigned long long)origin->line);
}

/* ---- the batch -------------------------------------------------------------------------- */

static enum status flush(struct copy_in *copy) {
    if (copy->row == 0)
        return STATUS_OK;
    TRY(arena_status(&copy->arena));
    batch_set_count(&copy->batch, copy->row);
    enum status status = exec_insert_batch(copy->f, copy->insert, &copy->batch);
    if (status != STATUS_OK) {
        context_batch(copy);
        return status;
    }
    batch_reset(&copy->batch);
    arena_reset(&copy->arena);
    copy->row = 0;
    return STATUS_OK;
}

static inline bool parse_digits(struct slice text, uint64_t limit, int64_t *number_out) {
    const uint8_t *at = text.data, *end = text.data + text.size;
    bool negative = at < end && *at == '-';
    at += negative;
    if (at == end || end - at > 18)
        return false;
    uint64_t number = 0;
    for (; at < end; at++) {
        unsigned digit = (unsigned)*at - '0';
        if (digit > 9)
            return false;
        number = number * 10 + digit;
    }
    if (number > limit)
        return false;
    *number_out = negative ? -(int64_t)number : (int64_t)number;
    return true;
}

/* [-]digits[.digits] as an integer of the scale. False: the general way, for errors and rounding
   too. */
static inline bool parse_scaled(struct slice text, struct type type, int64_t *number_out) {
    const uint8_t *at = text.data, *end = text.data + text.size;
    bool negative = at < end && *at == '-';
    at += negative;
    if (end - at > 19 || at == end || (unsigned)*at - '0' > 9)
        return false;
    uint64_t number = 0;
    int missing = type.scale; /* fractional digits still to come */
    for (; at < end && (unsigned)*at - '0' <= 9; at++)
        number = number * 10 + ((unsigned)*at - '0');
    if (at < end && *at == '.')
        for (at++; at < end && (unsigned)*at - '0' <= 9; at++, missing--)
            number = number * 10 + ((unsigned)*at - '0');
    if (at < end || missing < 0 || type.precision < type.scale)
        return false;
    uint64_t limit = (uint64_t)power_of_10[type.precision];
    if (number >= limit ||
        __builtin_mul_overflow(number, (uint64_t)power_of_10[missing], &number) || number >= limit)
        return false;
    *number_out = negative ? -(int64_t)number : (int64_t)number;
    return true;
}

/* yyyy-mm-dd, which means the same with every DateStyle. */
static inline bool parse_date(struct slice text, int32_t *date_out) {
    const uint8_t *at = text.data;
    if (text.size != 10 || at[4] != '-' || at[7] != '-')
        return false;
    static const uint8_t places[8] = {0, 1, 2, 3, 5, 6, 8, 9};
    unsigned digits[8];
    for (unsigned i = 0; i < 8; i++) {
        digits[i] = (unsigned)at[places[i]] - '0';
        if (digits[i] > 9)
            return false;
    }
    int year = (int)(digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3]);
    int month = (int)(digits[4] * 10 + digits[5]), day = (int)(digits[6] * 10 + digits[7]);
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > 28) /* the ends of months: rarer */
        return false;
    *date_out = date_from_civil(year, month, day);
    return true;
}

static inline bool is_ascii(struct slice text) {
    uint8_t any = 0;
    for (size_t i = 0; i < text.size; i++)
        any |= text.data[i];
    return any < 0x80;
}

/* char(n), padded. */
static inline bool store_padded(struct copy_in *copy, struct type type, struct slice text,
                                struct string *string_out) {
    if (type.modifier <= 4)
        return false;
    size_t width = (size_t)type.modifier - 4;
    if (text.size > width || width > COPY_PADDED_SIZE_MAX || !is_ascii(text))
        return false;
    if (text.size < width) {
        uint8_t *padded = arena_alloc_aligned(&copy->arena, width, 1);
        memset(padded, ' ', width);
        if (text.size > 0)
            memcpy(padded, text.data, text.size);
        text = slice_of(padded, width);
    }
    *string_out = string_of(text.data, text.size);
    return true;
}

/* The types that bulk data are mostly made of, without boxing. False: the general way. */
static bool store_fast(struct copy_in *copy, const struct copy_column *column, struct slice text) {
    struct vector *vector = column->vector;
    uint32_t row = copy->row;
    int64_t number;
    switch (column->type.id) {
    case TYPE_INT4:
        if (!parse_digits(text, INT32_MAX, &number))
            return false;
        ((int32_t *)vector->data)[row] = (int32_t)number;
        return true;
    case TYPE_INT8:
        if (!parse_digits(text, INT64_MAX, &number))
            return false;
        ((int64_t *)vector->data)[row] = number;
        return true;
    case TYPE_INT2:
        if (!parse_digits(text, INT16_MAX, &number))
            return false;
        ((int16_t *)vector->data)[row] = (int16_t)number;
        return true;
    case TYPE_NUMERIC:
        if (column->type.precision == 0 || column->type.precision > 18 ||
            !parse_scaled(text, column->type, &number))
            return false;
        ((int64_t *)vector->data)[row] = number;
        return true;
    case TYPE_DATE:
        return parse_date(text, &((int32_t *)vector->data)[row]);
    case TYPE_BPCHAR:
        return store_padded(copy, column->type, text, &((struct string *)vector->data)[row]);
    case TYPE_VARCHAR:
        /* varchar(n) has the modifier n + 4; bytes are at least as many as characters */
        if (column->type.modifier >= 0 && (int64_t)text.size > column->type.modifier - 4)
            return false;
        /* fall through */
    case TYPE_TEXT:
        ((struct string *)vector->data)[row] = string_of(text.data, text.size);
        return true;
    default:
        return false;
    }
}

enum status copy__store_text(struct copy_in *copy, size_t column_at, const struct slice *text) {
    const struct copy_column *column = &copy->columns[column_at];
    if (text == NULL) {
        vector_set_null(column->vector, copy->row);
        return STATUS_OK;
    }
    if (store_fast(copy, column, *text))
        return STATUS_OK;
    struct value value;
    enum status status =
        text_input(&copy->session->value_context, *text, column->type, &copy->arena, &value);
    if (status != STATUS_OK) {
        copy__context_value(copy, column_at, text);
        return status;
    }
    vector_set(column->vector, copy->row, &value, NULL);
    return STATUS_OK;
}

/* ---- the input -------------------------------------------------------------------------- */

/* Make room for `size` more bytes at the end; may move the input, so the batch goes first. */
static enum status make_room(struct copy_in *copy, size_t size) {
    if (copy->capacity - copy->end >= size)
        return STATUS_OK;
    TRY(flush(copy));
    size_t left = copy->end - copy->start;
    if (copy->start > 0) {
        memmove(copy->input, copy->input + copy->start, left);
        copy->checked = copy->checked > copy->start ? copy->checked - copy->start : 0;
        copy->start = 0;
        copy->end = left;
    }
    if (copy->capacity - left >= size)
        return STATUS_OK;
    size_t want = copy->capacity == 0 ? COPY_INPUT_SIZE : copy->capacity * 2;
    while (want - left < size)
        want *= 2;
    if (want > (size_t)BUFFER_SIZE_MAX * 2)
        return error_set(STATUS_LIMIT_EXCEEDED, "a line of COPY data is longer than 1 GB");
    uint8_t *input = memory_resize(copy->input, want);
    if (input == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    copy->input = input;
    copy->capacity = want;
    return STATUS_OK;
}

static enum status read_more(struct copy_in *copy) {
    struct slice data;
    struct sink *sink = copy->session->sink;
    enum status status = sink->copy_read(copy->f, sink, &data);
    if (status != STATUS_OK) {
        if (error_current()->context[0] == '\0')
            copy__context_number(copy);
        return status;
    }
    if (data.size == 0) {
        copy->input_ended = true;
        return STATUS_OK;
    }
    TRY(make_room(copy, data.size));
    memcpy(copy->input + copy->end, data.data, data.size);
    copy->end += data.size;
    return fiber_check(copy->f);
}

static enum status one_record(struct copy_in *copy, enum record_outcome *outcome_out) {
    switch (copy->said->format) {
    case COPY_TEXT:
        return copy__text_record(copy, outcome_out);
    case COPY_CSV:
        return copy__csv_record(copy, outcome_out);
    case COPY_BINARY:
        return copy__binary_record(copy, outcome_out);
    }
    return error_set(STATUS_INTERNAL_ERROR, "unknown COPY format");
}

/* How much must have come before a record that was not whole is looked at again: twice as much, so
   that a huge one in small pieces costs no more than a few looks. */
static enum status read_until(struct copy_in *copy, size_t size) {
    while (!copy->input_ended && copy->end - copy->start < size)
        TRY(read_more(copy));
    return STATUS_OK;
}

/* A record that cannot be read is an error unless a row before it, still in the batch, is. */
static enum status fault_of_batch(struct copy_in *copy, enum status status) {
    struct error found = *error_current();
    error_clear();
    enum status earlier = flush(copy);
    if (breaks_row(earlier))
        return earlier;
    *error_current() = found;
    return status;
}

static enum status read_records(struct copy_in *copy) {
    for (;;) {
        enum record_outcome outcome;
        struct copy_origin *origin = &copy->origins[copy->row];
        *origin = (struct copy_origin){.line = copy->line};
        enum status status = one_record(copy, &outcome);
        if (status != STATUS_OK)
            return fault_of_batch(copy, status);
        if (outcome == RECORD_END)
            break;
        if (outcome == RECORD_ROW && ++copy->row == VECTOR_SIZE) {
            TRY(flush(copy));
            TRY(fiber_check(copy->f));
        }
        if (outcome != RECORD_INCOMPLETE)
            continue;
        if (copy->input_ended) {
            ASSERT(copy->start == copy->end);
            break;
        }
        size_t had = copy->end - copy->start;
        TRY(read_until(copy, had < 4096 ? had + 1 : 2 * had));
    }
    TRY(flush(copy));
    while (!copy->input_ended) { /* behind the end marker: read and forget */
        struct slice data;
        TRY(copy->session->sink->copy_read(copy->f, copy->session->sink, &data));
        copy->input_ended = data.size == 0;
    }
    return STATUS_OK;
}

/* ---- the statement ---------------------------------------------------------------------- */

static enum status prepare_columns(struct copy_in *copy, struct arena *arena) {
    const struct statement_copy *said = copy->said;
    struct type *types = arena_alloc(arena, (said->column_count + 1) * sizeof *types);
    copy->column_count = said->column_count;
    copy->columns = arena_alloc_zeroed(arena, (said->column_count + 1) * sizeof *copy->columns);
    copy->origins = arena_alloc_zeroed(arena, VECTOR_SIZE * sizeof *copy->origins);
    if (types == NULL || copy->columns == NULL || copy->origins == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < said->column_count; i++)
        types[i] = said->table->columns[said->column_numbers[i] - 1].type;
    batch_init(&copy->batch, types, said->column_count, arena);
    for (uint32_t i = 0; i < said->column_count; i++)
        copy->columns[i] = (struct copy_column){
            .name = said->table->columns[said->column_numbers[i] - 1].name,
            .type = types[i],
            .vector = &copy->batch.vectors[i],
            .force_not_null = said->force_not_null != NULL && said->force_not_null[i],
            .force_null = said->force_null != NULL && said->force_null[i],
        };
    return arena_status(arena);
}

static enum status copy_from(struct fiber *f, struct session *session, struct portal *portal,
                             uint64_t *count_out) {
    const struct statement *statement = portal->statement;
    struct copy_in copy = {
        .f = f,
        .session = session,
        .said = &statement->copy,
        .table_name = statement->copy.table->name,
        .line = 1,
        .header_done = !statement->copy.header && statement->copy.format != COPY_BINARY,
    };
    struct exec_environment environment;
    if (copy.said->null_text != NULL)
        copy.null_text = slice_of_text(copy.said->null_text);
    TRY(prepare_columns(&copy, &portal->arena));
    session__environment(session, statement, &portal->arena, NULL, 0, &environment);
    TRY(exec_insert_open(f, &environment, statement->plan, &copy.insert));
    enum status status = session->sink->copy_in_begin(f, session->sink, copy.column_count,
                                                      copy.said->format == COPY_BINARY);
    if (status == STATUS_OK)
        status = read_records(&copy);
    if (status == STATUS_OK)
        status = exec_insert_finish(f, copy.insert);
    *count_out = exec_insert_count(copy.insert);
    exec_insert_close(f, copy.insert);
    arena_release(&copy.arena);
    memory_free(copy.input);
    return status;
}

enum status session__run_copy(struct fiber *f, struct session *session, struct portal *portal,
                              char tag[TAG_SIZE]) {
    uint64_t count = 0;
    TRY(session__transaction(f, session));
    TRY(session__lock(f, session, portal->text, false, &portal->statement));
    TRY(session__statement_begin(f, session));
    session->schema_now = portal->statement->schema;
    if (portal->statement->copy.from)
        TRY(copy_from(f, session, portal, &count));
    else
        TRY(copy__out(f, session, portal, &count));
    TRY(session__statement_end(f, session));
    snprintf(tag, TAG_SIZE, "COPY %llu", (unsigned long long)count);
    return STATUS_OK;
}
