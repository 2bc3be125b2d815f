/* Functions of text. Positions and lengths count characters (UTF-8); case folding is ASCII's
   (collation C). */
#include <string.h>

#include "exec/exec_kernel.h"

static bool is_alpha(uint8_t byte) {
    return (byte | 32) >= 'a' && (byte | 32) <= 'z';
}
static bool is_alnum(uint8_t byte) {
    return is_alpha(byte) || (byte >= '0' && byte <= '9');
}
static uint8_t to_lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}
static uint8_t to_upper(uint8_t byte) {
    return byte >= 'a' && byte <= 'z' ? byte - 32 : byte;
}
static size_t character_size(const uint8_t *at, const uint8_t *end) {
    size_t size = *at < 0x80 ? 1 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : 4;
    return size <= (size_t)(end - at) ? size : (size_t)(end - at);
}
static struct slice slice_from(struct slice text, size_t at) {
    return slice_of(text.data + at, text.size - at);
}

/* ---- case and length --------------------------------------------------------------------- */

BOXED_FUNCTION(lower) {
    uint8_t *out;
    struct slice text = arguments[0].string;
    TRY(exec__result_bytes(call, text.size, &out));
    for (size_t i = 0; i < text.size; i++)
        out[i] = to_lower(text.data[i]);
    return return_text(result, slice_of(out, text.size));
}
BOXED_FUNCTION(upper) {
    uint8_t *out;
    struct slice text = arguments[0].string;
    TRY(exec__result_bytes(call, text.size, &out));
    for (size_t i = 0; i < text.size; i++)
        out[i] = to_upper(text.data[i]);
    return return_text(result, slice_of(out, text.size));
}
BOXED_FUNCTION(initcap) {
    uint8_t *out;
    struct slice text = arguments[0].string;
    bool in_word = false;
    TRY(exec__result_bytes(call, text.size, &out));
    for (size_t i = 0; i < text.size; i++) {
        out[i] = in_word ? to_lower(text.data[i]) : to_upper(text.data[i]);
        in_word = is_alnum(text.data[i]);
    }
    return return_text(result, slice_of(out, text.size));
}
BOXED_FUNCTION(textlen) {
    result->int32 = (int32_t)utf8_length(arguments[0].string);
    return STATUS_OK;
}
BOXED_FUNCTION(bpcharlen) {
    struct slice text = arguments[0].string;
    while (text.size > 0 && text.data[text.size - 1] == ' ')
        text.size--;
    result->int32 = (int32_t)utf8_length(text);
    return STATUS_OK;
}
BOXED_FUNCTION(textoctetlen) {
    result->int32 = (int32_t)arguments[0].string.size;
    return STATUS_OK;
}
BOXED_FUNCTION(bit_length_text) {
    result->int32 = (int32_t)(arguments[0].string.size * 8);
    return STATUS_OK;
}

/* ---- joining ----------------------------------------------------------------------------- */

static enum status concatenate(struct kernel_call *call, struct slice a, struct slice b,
                               struct value *result) {
    uint8_t *out;
    TRY(exec__result_bytes(call, a.size + b.size, &out));
    if (a.size > 0)
        memcpy(out, a.data, a.size);
    if (b.size > 0)
        memcpy(out + a.size, b.data, b.size);
    return return_text(result, slice_of(out, a.size + b.size));
}
BOXED_FUNCTION(textcat) {
    return concatenate(call, arguments[0].string, arguments[1].string, result);
}
/* As a cast to text: a boolean is spelt out. */
static enum status cast_text(struct kernel_call *call, const struct value *value,
                             struct slice *text) {
    if (value->type.id != TYPE_BOOL)
        return exec__value_text(call, value, text);
    *text = slice_of_text(value->boolean ? "true" : "false");
    return STATUS_OK;
}
BOXED_FUNCTION(textanycat) {
    struct slice text;
    TRY(cast_text(call, &arguments[1], &text));
    return concatenate(call, arguments[0].string, text, result);
}
BOXED_FUNCTION(anytextcat) {
    struct slice text;
    TRY(cast_text(call, &arguments[0], &text));
    return concatenate(call, text, arguments[1].string, result);
}
BOXED_FUNCTION(text_concat) {
    struct buffer buffer = {0};
    for (uint32_t i = 0; i < call->expression->argument_count; i++) {
        struct slice text;
        if (arguments[i].is_null)
            continue;
        enum status status = exec__value_text(call, &arguments[i], &text);
        if (status != STATUS_OK) {
            buffer_release(&buffer);
            return status;
        }
        buffer_append_slice(&buffer, text);
    }
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(text_concat_ws) {
    struct buffer buffer = {0};
    bool first = true;
    if (arguments[0].is_null)
        return return_null(result);
    for (uint32_t i = 1; i < call->expression->argument_count; i++) {
        struct slice text;
        if (arguments[i].is_null)
            continue;
        enum status status = exec__value_text(call, &arguments[i], &text);
        if (status != STATUS_OK) {
            buffer_release(&buffer);
            return status;
        }
        if (!first)
            buffer_append_slice(&buffer, arguments[0].string);
        first = false;
        buffer_append_slice(&buffer, text);
    }
    return exec__return_buffer(call, &buffer, result);
}
/* `count` times `text`, by copying what is there already: few, long copies. */
static void fill_with(uint8_t *out, struct slice text, size_t count) {
    size_t size = text.size * count, done = text.size < size ? text.size : size;
    if (size == 0)
        return;
    memcpy(out, text.data, done);
    while (done < size) {
        size_t more = size - done < done ? size - done : done;
        memcpy(out + done, out, more);
        done += more;
    }
}
BOXED_FUNCTION(repeat) {
    struct slice text = arguments[0].string;
    int64_t count = arguments[1].int32 < 0 ? 0 : arguments[1].int32;
    uint8_t *out;
    if (text.size > 0 && (size_t)count > BUFFER_SIZE_MAX / text.size)
        return error_set(STATUS_LIMIT_EXCEEDED, "requested length too large");
    TRY(exec__result_bytes(call, text.size * (size_t)count, &out));
    fill_with(out, text, (size_t)count);
    return return_text(result, slice_of(out, text.size * (size_t)count));
}

/* ---- parts ------------------------------------------------------------------------------- */

/* Characters [start, start + length) counting from 1; length < 0: to the end. */
static struct slice part(struct slice text, int64_t start, int64_t length) {
    int64_t end = length < 0 ? INT64_MAX : start + length;
    if (start < 1)
        start = 1;
    if (end <= start)
        return SLICE_EMPTY;
    text = slice_from(text, utf8_prefix(text, (size_t)(start - 1)));
    if (length >= 0)
        text.size = utf8_prefix(text, (size_t)(end - start));
    return text;
}
VECTOR_FUNCTION(text_substr) {
    struct vector_view texts = vector_view(&arguments[0]);
    struct vector_view starts = vector_view(&arguments[1]), lengths = vector_view(&arguments[2]);
    struct string *parts = result->data;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t row = rows[i];
        if (vector_is_null(result, row))
            continue;
        const struct string *text = &((const struct string *)texts.data)[texts.indices[row]];
        int32_t start = ((const int32_t *)starts.data)[starts.indices[row]];
        int32_t length = ((const int32_t *)lengths.data)[lengths.indices[row]];
        if (length < 0)
            return error_set(STATUS_SUBSTRING_ERROR, "negative substring length not allowed");
        struct slice found = part(string_slice(text), start, length);
        parts[row] = string_of(found.data, found.size);
    }
    return STATUS_OK;
}
BOXED_FUNCTION(text_substr_no_len) {
    return return_text(result, part(arguments[0].string, arguments[1].int32, -1));
}
BOXED_FUNCTION(text_left) {
    struct slice text = arguments[0].string;
    int64_t count = arguments[1].int32;
    if (count < 0)
        count += (int64_t)utf8_length(text);
    return return_text(result, part(text, 1, count < 0 ? 0 : count));
}
BOXED_FUNCTION(text_right) {
    struct slice text = arguments[0].string;
    int64_t length = (int64_t)utf8_length(text), count = arguments[1].int32;
    int64_t skip = count < 0 ? -count : length - count;
    return return_text(result, part(text, skip < 0 ? 1 : skip + 1, -1));
}
static struct slice find(struct slice text, struct slice wanted) {
    size_t at = slice_find(text, wanted);
    return at == SIZE_MAX ? SLICE_EMPTY : slice_of(text.data + at, wanted.size);
}
BOXED_FUNCTION(textpos) {
    struct slice text = arguments[0].string, wanted = arguments[1].string;
    if (wanted.size == 0) {
        result->int32 = 1;
        return STATUS_OK;
    }
    struct slice at = find(text, wanted);
    result->int32 =
        at.data == NULL
            ? 0
            : (int32_t)utf8_length(slice_of(text.data, (size_t)(at.data - text.data))) + 1;
    return STATUS_OK;
}
BOXED_FUNCTION(split_part) {
    struct slice text = arguments[0].string, delimiter = arguments[1].string;
    int32_t wanted = arguments[2].int32;
    if (wanted == 0)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "field position must not be zero");
    if (delimiter.size == 0)
        return return_text(result, wanted == 1 || wanted == -1 ? text : SLICE_EMPTY);
    if (wanted < 0) { /* from the end: count the fields first */
        int32_t fields = 1;
        for (struct slice rest = text;; fields++) {
            struct slice at = find(rest, delimiter);
            if (at.data == NULL)
                break;
            rest = slice_from(rest, (size_t)(at.data - rest.data) + delimiter.size);
        }
        wanted += fields + 1;
        if (wanted <= 0)
            return return_text(result, SLICE_EMPTY);
    }
    for (;; wanted--) {
        struct slice at = find(text, delimiter);
        if (at.data == NULL)
            return return_text(result, wanted == 1 ? text : SLICE_EMPTY);
        size_t size = (size_t)(at.data - text.data);
        if (wanted == 1)
            return return_text(result, slice_of(text.data, size));
        text = slice_from(text, size + delimiter.size);
    }
}
BOXED_FUNCTION(text_starts_with) {
    result->boolean = slice_starts_with(arguments[0].string, arguments[1].string);
    return STATUS_OK;
}

/* ---- trimming and padding ---------------------------------------------------------------- */

static bool has_character(struct slice set, const uint8_t *character, size_t size) {
    const uint8_t *end = set.data + set.size;
    for (const uint8_t *at = set.data; at < end;) {
        size_t other = character_size(at, end);
        if (other == size && memcmp(at, character, size) == 0)
            return true;
        at += other;
    }
    return false;
}
static struct slice trim(struct slice text, struct slice set, bool left, bool right) {
    while (left && text.size > 0) {
        size_t size = character_size(text.data, text.data + text.size);
        if (!has_character(set, text.data, size))
            break;
        text = slice_from(text, size);
    }
    while (right && text.size > 0) {
        const uint8_t *at = text.data + text.size - 1;
        while (at > text.data && (*at & 0xC0) == 0x80)
            at--;
        size_t size = (size_t)(text.data + text.size - at);
        if (!has_character(set, at, size))
            break;
        text.size -= size;
    }
    return text;
}
#define TRIM(symbol, left, right)                                                                  \
    BOXED_FUNCTION(symbol) {                                                                       \
        return return_text(result, trim(arguments[0].string, arguments[1].string, left, right));   \
    }                                                                                              \
    BOXED_FUNCTION(symbol##1) {                                                                    \
        return return_text(result, trim(arguments[0].string, slice_of(" ", 1), left, right));      \
    }
TRIM(btrim, true, true)
TRIM(ltrim, true, false)
TRIM(rtrim, false, true)

static enum status pad(struct kernel_call *call, struct slice text, int64_t length,
                       struct slice fill, bool left, struct value *result) {
    if (length < 0)
        length = 0;
    size_t have = utf8_length(text);
    if (have >= (size_t)length || fill.size == 0)
        return return_text(result, slice_of(text.data, utf8_prefix(text, (size_t)length)));
    size_t missing = (size_t)length - have, fill_length = utf8_length(fill);
    size_t whole = missing / fill_length, rest = utf8_prefix(fill, missing % fill_length);
    size_t pad_size = whole * fill.size + rest;
    uint8_t *out;
    TRY(exec__result_bytes(call, pad_size + text.size, &out));
    uint8_t *padding = left ? out : out + text.size;
    fill_with(padding, fill, whole);
    memcpy(padding + whole * fill.size, fill.data, rest);
    if (text.size > 0)
        memcpy(left ? out + pad_size : out, text.data, text.size);
    return return_text(result, slice_of(out, pad_size + text.size));
}
BOXED_FUNCTION(lpad) {
    return pad(call, arguments[0].string, arguments[1].int32, arguments[2].string, true, result);
}
BOXED_FUNCTION(rpad) {
    return pad(call, arguments[0].string, arguments[1].int32, arguments[2].string, false, result);
}
BOXED_FUNCTION(lpad_text_int4) {
    return pad(call, arguments[0].string, arguments[1].int32, slice_of(" ", 1), true, result);
}
BOXED_FUNCTION(rpad_text_int4) {
    return pad(call, arguments[0].string, arguments[1].int32, slice_of(" ", 1), false, result);
}

/* ---- replacing --------------------------------------------------------------------------- */

BOXED_FUNCTION(replace) {
    struct slice text = arguments[0].string, from = arguments[1].string, to = arguments[2].string;
    struct buffer buffer = {0};
    if (from.size == 0)
        return return_text(result, text);
    for (;;) {
        struct slice at = find(text, from);
        if (at.data == NULL)
            break;
        buffer_append(&buffer, text.data, (size_t)(at.data - text.data));
        buffer_append_slice(&buffer, to);
        text = slice_from(text, (size_t)(at.data - text.data) + from.size);
    }
    buffer_append_slice(&buffer, text);
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(translate) {
    struct slice text = arguments[0].string, from = arguments[1].string, to = arguments[2].string;
    struct buffer buffer = {0};
    const uint8_t *end = text.data + text.size, *from_end = from.data + from.size;
    for (const uint8_t *at = text.data; at < end;) {
        size_t size = character_size(at, end), place = 0;
        const uint8_t *candidate = from.data;
        while (candidate < from_end) {
            size_t other = character_size(candidate, from_end);
            if (other == size && memcmp(candidate, at, size) == 0)
                break;
            candidate += other;
            place++;
        }
        if (candidate >= from_end)
            buffer_append(&buffer, at, size);
        else {
            struct slice replacement = part(to, (int64_t)place + 1, 1);
            buffer_append_slice(&buffer, replacement);
        }
        at += size;
    }
    return exec__return_buffer(call, &buffer, result);
}
static enum status overlay(struct kernel_call *call, struct slice text, struct slice patch,
                           int64_t start, int64_t length, struct value *result) {
    if (start <= 0)
        return error_set(STATUS_SUBSTRING_ERROR, "negative substring length not allowed");
    struct buffer buffer = {0};
    buffer_append_slice(&buffer, part(text, 1, start - 1));
    buffer_append_slice(&buffer, patch);
    buffer_append_slice(&buffer, part(text, start + length, -1));
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(textoverlay) {
    return overlay(call, arguments[0].string, arguments[1].string, arguments[2].int32,
                   arguments[3].int32, result);
}
BOXED_FUNCTION(textoverlay_no_len) {
    return overlay(call, arguments[0].string, arguments[1].string, arguments[2].int32,
                   (int64_t)utf8_length(arguments[1].string), result);
}
BOXED_FUNCTION(text_reverse) {
    struct slice text = arguments[0].string;
    uint8_t *out;
    TRY(exec__result_bytes(call, text.size, &out));
    size_t at = 0;
    while (at < text.size) {
        size_t size = character_size(text.data + at, text.data + text.size);
        memcpy(out + text.size - at - size, text.data + at, size);
        at += size;
    }
    return return_text(result, slice_of(out, text.size));
}

/* ---- characters and numbers -------------------------------------------------------------- */

BOXED_FUNCTION(ascii) {
    struct slice text = arguments[0].string;
    const uint8_t *at = text.data;
    if (text.size == 0)
        result->int32 = 0;
    else if (at[0] < 0x80)
        result->int32 = at[0];
    else if (at[0] < 0xE0)
        result->int32 = (at[0] & 0x1F) << 6 | (at[1] & 0x3F);
    else if (at[0] < 0xF0)
        result->int32 = (at[0] & 0x0F) << 12 | (at[1] & 0x3F) << 6 | (at[2] & 0x3F);
    else
        result->int32 =
            (at[0] & 0x07) << 18 | (at[1] & 0x3F) << 12 | (at[2] & 0x3F) << 6 | (at[3] & 0x3F);
    return STATUS_OK;
}
BOXED_FUNCTION(chr) {
    int32_t code = arguments[0].int32;
    uint8_t *out;
    size_t size = 0;
    if (code < 0)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "character number must be positive");
    if (code == 0)
        return error_set(STATUS_LIMIT_EXCEEDED, "null character not permitted");
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return error_set(STATUS_LIMIT_EXCEEDED,
                         code > 0x10FFFF ? "requested character too large for encoding: %d"
                                         : "requested character not valid for encoding: %d",
                         code);
    TRY(exec__result_bytes(call, 4, &out));
    if (code < 0x80) {
        out[size++] = (uint8_t)code;
    } else if (code < 0x800) {
        out[size++] = (uint8_t)(0xC0 | code >> 6);
        out[size++] = (uint8_t)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        out[size++] = (uint8_t)(0xE0 | code >> 12);
        out[size++] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[size++] = (uint8_t)(0x80 | (code & 0x3F));
    } else {
        out[size++] = (uint8_t)(0xF0 | code >> 18);
        out[size++] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
        out[size++] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[size++] = (uint8_t)(0x80 | (code & 0x3F));
    }
    return return_text(result, slice_of(out, size));
}
static enum status hex(struct kernel_call *call, uint64_t number, struct value *result) {
    uint8_t *out;
    size_t size = 1;
    TRY(exec__result_bytes(call, 16, &out));
    for (uint64_t rest = number >> 4; rest != 0; rest >>= 4)
        size++;
    for (size_t i = size; i-- > 0; number >>= 4)
        out[i] = (uint8_t) "0123456789abcdef"[number & 15];
    return return_text(result, slice_of(out, size));
}
BOXED_FUNCTION(to_hex32) {
    return hex(call, (uint32_t)arguments[0].int32, result);
}
BOXED_FUNCTION(to_hex64) {
    return hex(call, (uint64_t)arguments[0].int64, result);
}

static const struct kernel_entry entries[] = {
    BOXED(lower),
    BOXED(upper),
    BOXED(initcap),
    BOXED(textlen),
    BOXED(bpcharlen),
    BOXED(textoctetlen),
    {"bpcharoctetlen", NULL, exec_fn_textoctetlen, NULL},
    BOXED(bit_length_text),
    BOXED(textcat),
    BOXED(textanycat),
    BOXED(anytextcat),
    BOXED(text_concat),
    BOXED(text_concat_ws),
    BOXED(repeat),
    VECTOR(text_substr),
    BOXED(text_substr_no_len),
    BOXED(text_left),
    BOXED(text_right),
    BOXED(textpos),
    BOXED(split_part),
    BOXED(text_starts_with),
    BOXED(btrim),
    BOXED(ltrim),
    BOXED(rtrim),
    BOXED(btrim1),
    BOXED(ltrim1),
    BOXED(rtrim1),
    BOXED(lpad),
    BOXED(rpad),
    BOXED(lpad_text_int4),
    BOXED(rpad_text_int4),
    BOXED(replace),
    BOXED(translate),
    BOXED(textoverlay),
    BOXED(textoverlay_no_len),
    BOXED(text_reverse),
    BOXED(ascii),
    BOXED(chr),
    BOXED(to_hex32),
    BOXED(to_hex64),
};
KERNEL_TABLE(exec__kernels_string, entries)
