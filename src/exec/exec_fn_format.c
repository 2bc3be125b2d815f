/* Numbers as patterns, format(), quoting. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "exec/exec_kernel.h"

/* ---- to_char, to_number ------------------------------------------------------------------ */

static enum status number_to_char(struct kernel_call *call, struct numeric number,
                                  struct slice format, struct value *result) {
    struct buffer buffer = {0};
    enum status status = numeric_to_char(number, format, &buffer);
    if (status != STATUS_OK) {
        buffer_release(&buffer);
        return status;
    }
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(numeric_to_char) {
    return number_to_char(call, numeric_from_value(&arguments[0]), arguments[1].string, result);
}
BOXED_FUNCTION(int4_to_char) {
    return number_to_char(call, numeric_make(arguments[0].int32, 0), arguments[1].string, result);
}
BOXED_FUNCTION(int8_to_char) {
    return number_to_char(call, numeric_make(arguments[0].int64, 0), arguments[1].string, result);
}
BOXED_FUNCTION(float8_to_char) {
    struct numeric number;
    TRY(numeric_from_float8(arguments[0].float64, &number));
    return number_to_char(call, number, arguments[1].string, result);
}
BOXED_FUNCTION(float4_to_char) {
    struct numeric number;
    TRY(numeric_from_float4(arguments[0].float32, &number));
    return number_to_char(call, number, arguments[1].string, result);
}
BOXED_FUNCTION(numeric_to_number) {
    struct numeric number;
    TRY(numeric_from_char(arguments[0].string, arguments[1].string, &number));
    return numeric_to_value(number, result->type, result);
}

/* ---- quoting ----------------------------------------------------------------------------- */

static void append_literal(struct buffer *buffer, struct slice text) {
    if (text.size > 0 && memchr(text.data, '\\', text.size) != NULL)
        buffer_append_byte(buffer, 'E');
    buffer_append_byte(buffer, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'' || text.data[i] == '\\')
            buffer_append_byte(buffer, text.data[i]);
        buffer_append_byte(buffer, text.data[i]);
    }
    buffer_append_byte(buffer, '\'');
}
BOXED_FUNCTION(quote_ident) {
    struct buffer buffer = {0};
    identifier_append(&buffer, arguments[0].string);
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(quote_literal) {
    struct buffer buffer = {0};
    append_literal(&buffer, arguments[0].string);
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(quote_literal_anyelement) {
    struct buffer buffer = {0};
    struct slice text;
    TRY(exec__value_text(call, &arguments[0], &text));
    append_literal(&buffer, text);
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(quote_nullable) {
    return arguments[0].is_null ? return_c_text(result, "NULL")
                                : exec_fn_quote_literal(call, arguments, result);
}
BOXED_FUNCTION(quote_nullable_anyelement) {
    return arguments[0].is_null ? return_c_text(result, "NULL")
                                : exec_fn_quote_literal_anyelement(call, arguments, result);
}

/* ---- format() ---------------------------------------------------------------------------- */

struct format_specifier {
    int32_t position; /* 0: the next one */
    bool left;
    int32_t width;
    bool width_is_argument;
    int32_t width_position;
    uint8_t kind;
};

static bool digits(const uint8_t **at, const uint8_t *end, int32_t *number) {
    int64_t value = 0;
    const uint8_t *begin = *at;
    while (*at < end && **at >= '0' && **at <= '9' && value < INT32_MAX / 10)
        value = value * 10 + (*(*at)++ - '0');
    *number = (int32_t)value;
    return *at > begin;
}

static enum status unterminated(void) {
    enum status status =
        error_set(STATUS_INVALID_PARAMETER_VALUE, "unterminated format() type specifier");
    error_hint("For a single \"%%\" use \"%%%%\".");
    return status;
}

/* %[position][flags][width]type; *at stands behind the %. */
static enum status parse_specifier(const uint8_t **at, const uint8_t *end,
                                   struct format_specifier *out) {
    int32_t number;
    const uint8_t *begin = *at;
    *out = (struct format_specifier){0};
    if (digits(at, end, &number)) {
        if (*at < end && **at == '$') {
            if (number == 0)
                return error_set(STATUS_INVALID_PARAMETER_VALUE,
                                 "format specifies argument 0, but arguments are numbered from 1");
            out->position = number;
            (*at)++;
        } else {
            *at = begin;
        }
    }
    while (*at < end && **at == '-') {
        out->left = true;
        (*at)++;
    }
    if (*at < end && **at == '*') {
        (*at)++;
        out->width_is_argument = true;
        if (digits(at, end, &out->width_position)) {
            if (*at == end || **at != '$')
                return error_set(STATUS_INVALID_PARAMETER_VALUE,
                                 "width argument position must be ended by \"$\"");
            (*at)++;
        }
    } else if (digits(at, end, &number)) {
        out->width = number;
    }
    if (*at == end)
        return unterminated();
    out->kind = *(*at)++;
    if (out->kind == 's' || out->kind == 'I' || out->kind == 'L')
        return STATUS_OK;
    enum status status = error_set(STATUS_INVALID_PARAMETER_VALUE,
                                   "unrecognized format() type specifier \"%c\"", out->kind);
    error_hint("For a single \"%%\" use \"%%%%\".");
    return status;
}

/* Move *next, the argument used last, to the one wanted. */
static enum status argument_at(struct kernel_call *call, int32_t position, int32_t *next) {
    *next = position > 0 ? position : *next + 1;
    if ((uint32_t)*next >= call->expression->argument_count)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "too few arguments for format()");
    return STATUS_OK;
}

static enum status append_argument(struct kernel_call *call, const struct value *value,
                                   uint8_t kind, struct buffer *out) {
    struct slice text = SLICE_EMPTY;
    if (!value->is_null)
        TRY(exec__value_text(call, value, &text));
    if (kind == 's')
        buffer_append_slice(out, text);
    else if (kind == 'I' && value->is_null)
        return error_set(STATUS_NULL_VALUE_NOT_ALLOWED,
                         "null values cannot be formatted as an SQL identifier");
    else if (kind == 'I')
        identifier_append(out, text);
    else if (value->is_null)
        buffer_append_text(out, "NULL");
    else
        append_literal(out, text);
    return STATUS_OK;
}

static enum status format_one(struct kernel_call *call, const struct value *arguments,
                              struct format_specifier *spec, int32_t *next, struct buffer *out) {
    struct buffer text = {0};
    if (spec->width_is_argument) {
        TRY(argument_at(call, spec->width_position, next));
        const struct value *width = &arguments[*next];
        if (!width->is_null)
            spec->width = width->type.id == TYPE_INT4   ? width->int32
                          : width->type.id == TYPE_INT8 ? (int32_t)width->int64
                                                        : width->int16;
        if (spec->width < 0) {
            spec->left = true;
            spec->width = -spec->width;
        }
    }
    TRY(argument_at(call, spec->position, next));
    enum status status = append_argument(call, &arguments[*next], spec->kind, &text);
    if (status == STATUS_OK) {
        size_t have = utf8_length(buffer_slice(&text));
        size_t missing = (size_t)spec->width > have ? (size_t)spec->width - have : 0;
        for (size_t i = 0; i < missing && !spec->left; i++)
            buffer_append_byte(out, ' ');
        buffer_append_slice(out, buffer_slice(&text));
        for (size_t i = 0; i < missing && spec->left; i++)
            buffer_append_byte(out, ' ');
    }
    buffer_release(&text);
    return status;
}

BOXED_FUNCTION(text_format) {
    struct buffer buffer = {0};
    enum status status = STATUS_OK;
    int32_t next = 0; /* the argument used last; 0 is the pattern itself */
    if (arguments[0].is_null)
        return return_null(result);
    const uint8_t *at = arguments[0].string.data, *end = at + arguments[0].string.size;
    while (at < end) {
        struct format_specifier spec = {0};
        if (*at != '%') {
            buffer_append_byte(&buffer, *at++);
            continue;
        }
        if (++at < end && *at == '%') {
            buffer_append_byte(&buffer, *at++);
            continue;
        }
        TRY_OUT(at == end ? unterminated() : parse_specifier(&at, end, &spec));
        TRY_OUT(format_one(call, arguments, &spec, &next, &buffer));
    }
    return exec__return_buffer(call, &buffer, result);
out:
    buffer_release(&buffer);
    return status;
}

static const struct kernel_entry entries[] = {
    BOXED(numeric_to_char),
    BOXED(int4_to_char),
    BOXED(int8_to_char),
    BOXED(float8_to_char),
    BOXED(float4_to_char),
    BOXED(numeric_to_number),
    BOXED(quote_ident),
    BOXED(quote_literal),
    BOXED(quote_literal_anyelement),
    BOXED(quote_nullable),
    BOXED(quote_nullable_anyelement),
    BOXED(text_format),
    {"text_format_nv", NULL, exec_fn_text_format, NULL},
};
KERNEL_TABLE(exec__kernels_format, entries)
