/* Arrays as text: {1,2,NULL,"a b"}, nested braces, [l:u]= before them; "1 2 3" for vectors. */
#include "value/parts.h"
#include "value/value_array.h"
#include "value/value_numeric.h"

/* ---- out ------------------------------------------------------------------------------- */

static bool needs_quotes(struct slice text) {
    if (text.size == 0 || text_equal_ignoring_case(text, "null"))
        return true;
    for (size_t i = 0; i < text.size; i++)
        if (strchr("\"\\{},", text.data[i]) != NULL || text_is_space(text.data[i]))
            return true;
    return false;
}

static void append_element(struct slice text, struct buffer *buffer) {
    bool quotes = needs_quotes(text);
    if (quotes)
        buffer_append_byte(buffer, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            buffer_append_byte(buffer, '\\');
        buffer_append_byte(buffer, text.data[i]);
    }
    if (quotes)
        buffer_append_byte(buffer, '"');
}

static enum status format_vector(const struct value_context *context, const struct array *array,
                                 struct buffer *buffer) {
    for (uint32_t i = 0; i < array->count; i++) {
        struct value value;
        TRY(array_get(array, i, &value));
        if (i > 0)
            buffer_append_byte(buffer, ' ');
        if (!value.is_null)
            TRY(text_output(context, &value, buffer));
    }
    return STATUS_OK;
}

/* Braces that open before and close after element i: one per dimension that starts or ends. */
static uint32_t braces_at(const struct array *array, uint32_t i) {
    uint32_t braces = 0, span = 1;
    for (uint32_t d = array->dimension_count; d-- > 0;) {
        span *= array->lengths[d];
        if (i % span != 0)
            break;
        braces++;
    }
    return braces;
}

enum status array_format(const struct value_context *context, struct type type, struct slice body,
                         struct buffer *buffer) {
    struct array array;
    TRY(array_open(body, &array));
    if (type.id == TYPE_INT2VECTOR || type.id == TYPE_OIDVECTOR)
        return format_vector(context, &array, buffer);
    if (array.count == 0) {
        buffer_append_text(buffer, "{}");
        return STATUS_OK;
    }
    bool plain = true;
    for (uint32_t d = 0; d < array.dimension_count; d++)
        plain &= array.lower_bounds[d] == 1;
    for (uint32_t d = 0; d < array.dimension_count && !plain; d++)
        buffer_append_format(buffer, "[%d:%d]", array.lower_bounds[d],
                             array.lower_bounds[d] + (int32_t)array.lengths[d] - 1);
    if (!plain)
        buffer_append_byte(buffer, '=');
    struct buffer text = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < array.count && status == STATUS_OK; i++) {
        struct value value;
        for (uint32_t braces = braces_at(&array, i); braces > 0; braces--)
            buffer_append_byte(buffer, '{');
        TRY_OUT(array_get(&array, i, &value));
        if (value.is_null) {
            buffer_append_text(buffer, "NULL");
        } else {
            buffer_clear(&text);
            TRY_OUT(text_output(context, &value, &text));
            append_element(buffer_slice(&text), buffer);
        }
        for (uint32_t braces = braces_at(&array, i + 1); braces > 0; braces--)
            buffer_append_byte(buffer, '}');
        if (i + 1 < array.count)
            buffer_append_byte(buffer, ',');
    }
out:
    buffer_release(&text);
    return status;
}

/* ---- in -------------------------------------------------------------------------------- */

struct parser {
    const struct value_context *context;
    struct slice text; /* all of it, for messages */
    const uint8_t *at, *end;
    struct type element_type, plain_type;
    struct arena *arena;
    struct value *elements; /* grows in the arena */
    uint32_t count, capacity;
    uint32_t dimension_count;
    uint32_t lengths[ARRAY_DIMENSIONS_MAX];
    int32_t lower_bounds[ARRAY_DIMENSIONS_MAX];
    uint8_t *scratch; /* where the next element's text goes; all of them fit the text's size */
};

static enum status malformed(const struct parser *parser, const char *detail) {
    enum status status = error_set(
        STATUS_INVALID_TEXT_REPRESENTATION, "malformed array literal: \"%.*s\"",
        (int)(parser->text.size > 800 ? 800 : parser->text.size), (const char *)parser->text.data);
    error_detail("%s", detail);
    return status;
}

static void skip_spaces(struct parser *parser) {
    while (parser->at < parser->end && text_is_space(*parser->at))
        parser->at++;
}

static bool next_is(const struct parser *parser, char byte) {
    return parser->at < parser->end && *parser->at == (uint8_t)byte;
}

static enum status add_element(struct parser *parser, struct slice text, bool is_null) {
    if (parser->count == parser->capacity) {
        uint32_t capacity = parser->capacity == 0 ? 16 : parser->capacity * 2;
        struct value *elements = arena_alloc(parser->arena, sizeof *elements * capacity);
        if (elements == NULL || capacity > ARRAY_ELEMENTS_MAX)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (parser->count > 0)
            memcpy(elements, parser->elements, sizeof *elements * parser->count);
        parser->elements = elements;
        parser->capacity = capacity;
    }
    struct value *element = &parser->elements[parser->count++];
    if (is_null) {
        *element = value_null(parser->plain_type);
        return STATUS_OK;
    }
    TRY(text_input(parser->context, text, parser->element_type, parser->arena, element));
    if (parser->element_type.id == TYPE_NUMERIC)
        *element =
            (struct value){.type = parser->plain_type, .numeric = numeric_from_value(element)};
    element->type = parser->plain_type;
    return STATUS_OK;
}

/* An element, quoted or bare, up to the delimiter or brace. */
static enum status parse_element(struct parser *parser) {
    uint8_t *text = parser->scratch;
    size_t size = 0, kept = 0; /* kept: without trailing bare spaces */
    bool quoted = false, escaped = false;
    const uint8_t *start = parser->at;
    for (bool inside = false;; parser->at++) {
        if (parser->at == parser->end)
            return malformed(parser, "Unexpected end of input.");
        uint8_t byte = *parser->at;
        if (byte == '\\') {
            if (++parser->at == parser->end)
                return malformed(parser, "Unexpected end of input.");
            text[size++] = *parser->at;
            kept = size;
            escaped = true;
        } else if (byte == '"') {
            if (!inside && parser->at > start && !quoted && kept > 0)
                return malformed(parser, "Unexpected array element.");
            if (!inside && quoted)
                return malformed(parser, "Unexpected array element.");
            inside = !inside;
            quoted = true;
        } else if (inside) {
            text[size++] = byte;
            kept = size;
        } else if (byte == ',' || byte == '}') {
            break;
        } else if (byte == '{') {
            return malformed(parser, "Unexpected \"{\" character.");
        } else if (text_is_space(byte)) {
            text[size++] = byte;
        } else {
            if (quoted)
                return malformed(parser, "Unexpected array element.");
            text[size++] = byte;
            kept = size;
        }
    }
    if (kept == 0 && !quoted)
        return malformed(parser, *parser->at == ',' ? "Unexpected \",\" character."
                                                    : "Unexpected \"}\" character.");
    struct slice element = slice_of(text, kept);
    parser->scratch += kept;
    bool is_null = !quoted && !escaped && text_equal_ignoring_case(element, "null");
    return add_element(parser, element, is_null);
}

/* After "{": the items of one dimension up to its "}". */
static enum status parse_level(struct parser *parser, uint32_t depth) {
    uint32_t items = 0;
    if (depth >= ARRAY_DIMENSIONS_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED,
                         "number of array dimensions (%u) exceeds the maximum allowed (%d)",
                         depth + 1, ARRAY_DIMENSIONS_MAX);
    bool first_visit = depth >= parser->dimension_count;
    if (first_visit) {
        if (parser->count > 0)
            return malformed(parser, "Multidimensional arrays must have sub-arrays with matching "
                                     "dimensions.");
        parser->dimension_count = depth + 1;
        parser->lengths[depth] = UINT32_MAX;
    }
    skip_spaces(parser);
    while (!next_is(parser, '}')) {
        skip_spaces(parser);
        if (next_is(parser, '{')) {
            parser->at++;
            TRY(parse_level(parser, depth + 1));
        } else {
            if (depth + 1 < parser->dimension_count)
                return malformed(parser, parser->at == parser->end ? "Unexpected end of input."
                                                                   : "Unexpected array element.");
            TRY(parse_element(parser));
        }
        items++;
        skip_spaces(parser);
        if (next_is(parser, ',')) {
            parser->at++;
            skip_spaces(parser);
            if (next_is(parser, '}'))
                return malformed(parser, "Unexpected \"}\" character.");
        } else if (!next_is(parser, '}')) {
            return malformed(parser, parser->at == parser->end ? "Unexpected end of input."
                                                               : "Unexpected array element.");
        }
    }
    parser->at++;
    if (items == 0 && depth > 0)
        return malformed(parser, "Unexpected \"}\" character.");
    if (parser->lengths[depth] == UINT32_MAX)
        parser->lengths[depth] = items;
    else if (parser->lengths[depth] != items)
        return malformed(parser, "Multidimensional arrays must have sub-arrays with matching "
                                 "dimensions.");
    return STATUS_OK;
}

static bool parse_bound(struct parser *parser, int64_t *bound) {
    const uint8_t *start = parser->at;
    while (parser->at < parser->end && ((*parser->at >= '0' && *parser->at <= '9') ||
                                        (parser->at == start && *parser->at == '-')))
        parser->at++;
    struct slice digits = slice_of(start, (size_t)(parser->at - start));
    return digits.size > 0 && text_parse_integer(digits, TYPE_INT4, bound) == STATUS_OK;
}

/* [l:u][u]...= ; lengths go to `wanted`. */
static enum status parse_bounds(struct parser *parser, uint32_t *wanted, uint32_t *count_out) {
    uint32_t count = 0;
    while (next_is(parser, '[')) {
        int64_t lower = 1, upper;
        parser->at++;
        if (count == ARRAY_DIMENSIONS_MAX || !parse_bound(parser, &upper))
            return malformed(parser, "\"[\" must introduce explicitly-specified array dimensions.");
        if (next_is(parser, ':')) {
            lower = upper;
            parser->at++;
            if (!parse_bound(parser, &upper))
                return malformed(parser, "Missing array dimension value.");
        }
        if (!next_is(parser, ']'))
            return malformed(parser, "Missing \"]\" after array dimensions.");
        parser->at++;
        if (upper < lower)
            return error_set(STATUS_ARRAY_SUBSCRIPT_ERROR,
                             "upper bound cannot be less than lower bound");
        parser->lower_bounds[count] = (int32_t)lower;
        wanted[count++] = (uint32_t)(upper - lower + 1);
        skip_spaces(parser);
    }
    if (count > 0) {
        if (!next_is(parser, '='))
            return malformed(parser, "Missing \"=\" after array dimensions.");
        parser->at++;
        skip_spaces(parser);
    }
    *count_out = count;
    return STATUS_OK;
}

static enum status parse_vector(struct parser *parser, struct type type, struct slice *body_out) {
    for (;;) {
        skip_spaces(parser);
        if (parser->at == parser->end)
            break;
        const uint8_t *start = parser->at;
        while (parser->at < parser->end && !text_is_space(*parser->at))
            parser->at++;
        TRY(add_element(parser, slice_of(start, (size_t)(parser->at - start)), false));
    }
    struct value value;
    TRY(array_make(type.id, parser->elements, parser->count, parser->arena, &value));
    *body_out = value.string;
    return STATUS_OK;
}

enum status array_parse(const struct value_context *context, struct slice text, struct type type,
                        struct arena *arena, struct slice *body_out) {
    uint32_t element_id = type_info_get(type.id)->element_id;
    struct parser parser = {
        .context = context,
        .text = text,
        .at = text.data,
        .end = text.data + text.size,
        .element_type = type_make(element_id, type.modifier),
        .plain_type = type_plain(element_id),
        .arena = arena,
        .lower_bounds = {1, 1, 1, 1, 1, 1},
    };
    if (type.id == TYPE_INT2VECTOR || type.id == TYPE_OIDVECTOR)
        return parse_vector(&parser, type, body_out);
    uint32_t wanted[ARRAY_DIMENSIONS_MAX], wanted_count = 0;
    parser.scratch = arena_alloc_aligned(arena, text.size + 1, 1);
    if (parser.scratch == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    skip_spaces(&parser);
    TRY(parse_bounds(&parser, wanted, &wanted_count));
    if (!next_is(&parser, '{'))
        return malformed(&parser, wanted_count > 0
                                      ? "Array contents must start with \"{\"."
                                      : "Array value must start with \"{\" or dimension "
                                        "information.");
    parser.at++;
    TRY(parse_level(&parser, 0));
    skip_spaces(&parser);
    if (parser.at != parser.end)
        return malformed(&parser, "Junk after closing right brace.");
    if (parser.count == 0)
        parser.dimension_count = 0;
    bool match = wanted_count == parser.dimension_count || wanted_count == 0;
    for (uint32_t d = 0; d < wanted_count && match; d++)
        match = wanted[d] == parser.lengths[d];
    if (!match)
        return malformed(&parser, "Specified array dimensions do not match array contents.");
    return array_encode(element_id, parser.elements, parser.count, parser.dimension_count,
                        parser.lengths, parser.lower_bounds, arena, body_out);
}
