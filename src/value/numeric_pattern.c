/*
 * to_char(number, pattern) and to_number(text, pattern).
 *
 * A pattern is cut into items first; the number is rounded to the digits after the point that the
 * pattern has. Digit places are then filled from the left: blanks (or zeros from the first 0 of
 * the pattern on) as long as the number is shorter, the sign just before the first digit. A number
 * with more digits than places shows as #.
 */
#include <stdlib.h>

#include "value/parts.h"
#include "value/value_numeric.h"
#include "value/wide.h"

enum key {
    KEY_LITERAL,
    KEY_9,
    KEY_0,
    KEY_POINT,
    KEY_GROUP,
    KEY_CURRENCY,
    KEY_SIGN,
    KEY_MINUS,
    KEY_PLUS,
    KEY_PLUS_MINUS,
    KEY_BRACKETS,
    KEY_ORDINAL,
    KEY_SHIFT,
    KEY_EXPONENT,
    KEY_ROMAN,
    KEY_FILL_MODE,
};

enum { ITEMS_MAX = 256 };

struct item {
    enum key key;
    bool lower;
    struct slice text;
};

struct pattern {
    struct item items[ITEMS_MAX];
    int count;
    int before, after; /* digit places before and after the point */
    int first_zero;    /* place of the first 0 before the point, from 1; 0 none */
    int last_zero;     /* place of the last 0 after the point; 0 none */
    int shift;         /* places after V */
    bool fill_mode, point, sign, sign_first, minus, brackets, exponent, roman, roman_lower;
};

/* ---- cutting --------------------------------------------------------------------------- */

static enum status too_complex(const char *what) {
    return error_set(STATUS_SYNTAX_ERROR, "%s", what);
}

static enum key key_at(struct slice format, size_t *size_out) {
    static const struct {
        const char *word;
        enum key key;
    } words[] = {{"EEEE", KEY_EXPONENT}, {"FM", KEY_FILL_MODE}, {"MI", KEY_MINUS},
                 {"PL", KEY_PLUS},       {"PR", KEY_BRACKETS},  {"RN", KEY_ROMAN},
                 {"SG", KEY_PLUS_MINUS}, {"SP", KEY_LITERAL},   {"TH", KEY_ORDINAL},
                 {"S", KEY_SIGN},        {"L", KEY_CURRENCY},   {"D", KEY_POINT},
                 {".", KEY_POINT},       {"G", KEY_GROUP},      {",", KEY_GROUP},
                 {"V", KEY_SHIFT},       {"9", KEY_9},          {"0", KEY_0}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t size = strlen(words[i].word), at = 0;
        while (at < size && at < format.size &&
               (format.data[at] == (uint8_t)words[i].word[at] ||
                (words[i].word[at] >= 'A' && format.data[at] == (uint8_t)(words[i].word[at] + 32))))
            at++;
        if (at == size) {
            *size_out = size;
            return words[i].key;
        }
    }
    *size_out = utf8_prefix(format, 1);
    return KEY_LITERAL;
}

static enum status add_item(struct pattern *pattern, struct item item) {
    bool after_point = pattern->point || pattern->shift > 0;
    if (pattern->count == ITEMS_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "number format has more than %d parts", ITEMS_MAX);
    switch (item.key) {
    case KEY_9:
    case KEY_0:
        if (pattern->brackets)
            return too_complex("\"9\" must be ahead of \"PR\"");
        if (pattern->shift > 0)
            pattern->shift++;
        if (after_point && pattern->point) {
            pattern->after++;
            if (item.key == KEY_0)
                pattern->last_zero = pattern->after;
        } else {
            pattern->before++;
            if (item.key == KEY_0 && pattern->first_zero == 0)
                pattern->first_zero = pattern->before;
        }
        break;
    case KEY_POINT:
        if (pattern->point)
            return too_complex("multiple decimal points");
        pattern->point = true;
        break;
    case KEY_SIGN:
        if (pattern->sign)
            return too_complex("cannot use \"S\" twice");
        pattern->sign = true;
        pattern->sign_first = pattern->before == 0 && pattern->after == 0 && !pattern->point;
        break;
    case KEY_MINUS:
    case KEY_PLUS_MINUS:
        pattern->minus = true;
        break;
    case KEY_BRACKETS:
        pattern->brackets = true;
        break;
    case KEY_SHIFT:
        pattern->shift = 1; /* one more than the places, to mark that V was there */
        return STATUS_OK;
    case KEY_EXPONENT:
        pattern->exponent = true;
        break;
    case KEY_ROMAN:
        pattern->roman = true;
        pattern->roman_lower = item.lower;
        break;
    case KEY_FILL_MODE:
        pattern->fill_mode = true;
        return STATUS_OK;
    default:
        break;
    }
    pattern->items[pattern->count++] = item;
    return STATUS_OK;
}

static enum status cut(struct slice format, struct pattern *pattern) {
    bool inside_quotes = false;
    *pattern = (struct pattern){0};
    while (format.size > 0) {
        struct item item = {.key = KEY_LITERAL};
        size_t size = 1;
        if (format.data[0] == '"') {
            inside_quotes = !inside_quotes;
            format = slice_of(format.data + 1, format.size - 1);
            continue;
        }
        if (format.data[0] == '\\' && format.size > 1 && (inside_quotes || format.data[1] == '"')) {
            format = slice_of(format.data + 1, format.size - 1);
            size = utf8_prefix(format, 1);
        } else if (inside_quotes) {
            size = utf8_prefix(format, 1);
        } else {
            item.key = key_at(format, &size);
        }
        item.text = slice_of(format.data, size);
        item.lower = format.data[0] >= 'a' && format.data[0] <= 'z';
        TRY(add_item(pattern, item));
        format = slice_of(format.data + size, format.size - size);
    }
    if (pattern->shift > 0)
        pattern->shift--;
    return STATUS_OK;
}

/* ---- showing --------------------------------------------------------------------------- */

struct writer {
    const struct pattern *pattern;
    struct buffer *buffer;
    bool negative, sign_written, any_digit, overflow;
    char digits[ITEMS_MAX + 48]; /* of the whole part, then of the fraction */
    int whole, fraction;         /* how many of each */
    int last_shown;              /* with FM: digits of the fraction to show */
    int place, fraction_place;
};

static void put(struct writer *writer, char byte) {
    buffer_append_byte(writer->buffer, (uint8_t)byte);
}

/* The sign goes just before the first digit, zero or point that shows. */
static void put_sign(struct writer *writer) {
    const struct pattern *pattern = writer->pattern;
    if (writer->sign_written)
        return;
    writer->sign_written = true;
    if (pattern->sign)
        put(writer, writer->negative ? '-' : '+');
    else if (pattern->brackets) {
        if (writer->negative)
            put(writer, '<');
        else if (!pattern->fill_mode)
            put(writer, ' ');
    } else if (writer->negative) {
        put(writer, '-');
    } else if (!pattern->fill_mode) {
        put(writer, ' ');
    }
}

static void put_whole_place(struct writer *writer) {
    const struct pattern *pattern = writer->pattern;
    int place = ++writer->place, blanks = pattern->before - writer->whole;
    bool zero = pattern->first_zero > 0 && place >= pattern->first_zero;
    if (writer->overflow || place > blanks || zero) {
        put_sign(writer);
        writer->any_digit = true;
        put(writer, writer->overflow ? '#'
                    : place > blanks ? writer->digits[place - blanks - 1]
                                     : '0');
    } else if (!pattern->fill_mode) {
        put(writer, ' ');
    }
}

static void put_fraction_place(struct writer *writer) {
    int place = ++writer->fraction_place;
    put_sign(writer);
    if (writer->overflow)
        put(writer, '#');
    else if (!writer->pattern->fill_mode || place <= writer->last_shown)
        put(writer, writer->digits[writer->whole + place - 1]);
}

static void put_ordinal(struct writer *writer, bool lower) {
    static const char *const suffixes[] = {"th", "st", "nd", "rd"};
    if (writer->negative || writer->pattern->point || writer->whole == 0 || writer->overflow)
        return;
    int last = writer->digits[writer->whole - 1] - '0';
    if (writer->whole > 1 && writer->digits[writer->whole - 2] == '1')
        last = 0;
    const char *suffix = suffixes[last <= 3 ? last : 0];
    put(writer, lower ? suffix[0] : (char)(suffix[0] - 32));
    put(writer, lower ? suffix[1] : (char)(suffix[1] - 32));
}

/* MI, PL and SG where they stand; `shown` 0 leaves a blank. */
static void put_placed_sign(struct writer *writer, char shown) {
    if (shown != 0)
        put(writer, shown);
    else if (!writer->pattern->fill_mode)
        put(writer, ' ');
}

static void put_item(struct writer *writer, const struct item *item) {
    const struct pattern *pattern = writer->pattern;
    switch (item->key) {
    case KEY_9:
    case KEY_0:
        if (writer->place < pattern->before)
            put_whole_place(writer);
        else
            put_fraction_place(writer);
        break;
    case KEY_POINT:
        put_sign(writer);
        put(writer, '.');
        break;
    case KEY_GROUP:
        if (writer->any_digit)
            put(writer, ',');
        else if (!pattern->fill_mode)
            put(writer, ' ');
        break;
    case KEY_CURRENCY:
        put(writer, ' ');
        break;
    case KEY_SIGN:
        if (!pattern->sign_first)
            put(writer, writer->negative ? '-' : '+');
        break;
    case KEY_MINUS:
        put_placed_sign(writer, writer->negative ? '-' : 0);
        break;
    case KEY_PLUS:
        put_placed_sign(writer, writer->negative ? 0 : '+');
        break;
    case KEY_PLUS_MINUS:
        put(writer, writer->negative ? '-' : '+');
        break;
    case KEY_BRACKETS:
        if (writer->negative)
            put(writer, '>');
        else if (!pattern->fill_mode)
            put(writer, ' ');
        break;
    case KEY_ORDINAL:
        put_ordinal(writer, item->lower);
        break;
    default:
        buffer_append_slice(writer->buffer, item->text);
        break;
    }
}

/* Digits of the number rounded for the pattern. */
static enum status load_digits(struct writer *writer, struct numeric number) {
    const struct pattern *pattern = writer->pattern;
    struct buffer text = {0};
    if (number.kind != NUMERIC_FINITE) {
        writer->overflow = true;
        writer->negative = number.kind == NUMERIC_MINUS_INFINITY;
        return STATUS_OK;
    }
    if (pattern->shift > 0) {
        struct numeric factor =
            numeric_make(power_of_10_128[pattern->shift < 38 ? pattern->shift : 38], 0);
        TRY(numeric_multiply(number, factor, &number));
    }
    /* Digits that 38 cannot hold are zeros anyway. */
    int after = pattern->after;
    while (numeric_round(number, after, &number) != STATUS_OK)
        after--;
    writer->negative = numeric_sign(number) < 0;
    numeric_format_scaled(numeric_absolute(number).coefficient, number.scale, &text);
    const char *digits = (const char *)text.data;
    int size = (int)text.size - (number.scale > 0 ? number.scale + 1 : 0);
    /* A lone 0 before the point has no place of its own, unless FM leaves nothing else. */
    bool bare_zero = size == 1 && digits[0] == '0' && pattern->after > 0 && pattern->before > 0 &&
                     pattern->first_zero == 0 && !(pattern->fill_mode && number.coefficient == 0);
    writer->whole = bare_zero ? 0 : size;
    memcpy(writer->digits, digits, (size_t)writer->whole);
    if (number.scale > 0)
        memcpy(writer->digits + writer->whole, digits + size + 1, (size_t)number.scale);
    memset(writer->digits + writer->whole + number.scale, '0',
           (size_t)(pattern->after - number.scale));
    buffer_release(&text);
    writer->fraction = pattern->after;
    writer->last_shown = writer->fraction;
    while (writer->last_shown > pattern->last_zero &&
           writer->digits[writer->whole + writer->last_shown - 1] == '0')
        writer->last_shown--;
    writer->overflow = writer->whole > pattern->before;
    if (writer->overflow)
        writer->whole = pattern->before;
    return STATUS_OK;
}

static enum status show_exponent(const struct pattern *pattern, struct numeric number,
                                 struct buffer *buffer) {
    struct numeric rounded = number;
    int exponent = 0;
    if (number.kind != NUMERIC_FINITE) {
        buffer_append_text(buffer, " #.");
        for (int i = 0; i < pattern->after + 4; i++)
            buffer_append_byte(buffer, '#');
        return STATUS_OK;
    }
    int digits = decimal_digits(magnitude_of(number.coefficient));
    if (digits > 0) {
        exponent = digits - 1 - number.scale;
        TRY(numeric_round(numeric_make(number.coefficient, digits - 1), pattern->after, &rounded));
        /* 9.999 shows as 10.00e+00, as in PostgreSQL. */
    } else {
        TRY(numeric_round(numeric_make(0, 0), pattern->after, &rounded));
    }
    if (numeric_sign(number) >= 0)
        buffer_append_byte(buffer, ' ');
    numeric_format(rounded, buffer);
    buffer_append_format(buffer, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    return STATUS_OK;
}

static enum status show_roman(const struct pattern *pattern, struct numeric number,
                              struct buffer *buffer) {
    static const struct {
        int value;
        const char *letters;
    } parts[] = {{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"},
                 {90, "XC"},  {50, "L"},   {40, "XL"}, {10, "X"},   {9, "IX"},
                 {5, "V"},    {4, "IV"},   {1, "I"}};
    char text[16] = {0};
    int64_t whole;
    if (numeric_to_integer(number, TYPE_INT4, &whole) != STATUS_OK || whole < 1 || whole > 3999) {
        memset(text, '#', 15);
    } else {
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            for (; whole >= parts[i].value; whole -= parts[i].value)
                strncat(text, parts[i].letters, sizeof text - 1 - strlen(text));
    }
    for (size_t i = strlen(text); i < 15 && !pattern->fill_mode; i++)
        buffer_append_byte(buffer, ' ');
    for (size_t i = 0; text[i] != '\0'; i++)
        buffer_append_byte(
            buffer, (uint8_t)(pattern->roman_lower && text[i] != '#' ? text[i] + 32 : text[i]));
    return STATUS_OK;
}

enum status numeric_to_char(struct numeric number, struct slice format, struct buffer *buffer) {
    struct pattern pattern;
    TRY(cut(format, &pattern));
    if (pattern.exponent)
        return show_exponent(&pattern, number, buffer);
    if (pattern.roman)
        return show_roman(&pattern, number, buffer);
    struct writer writer = {.pattern = &pattern, .buffer = buffer};
    TRY(load_digits(&writer, number));
    /* A sign of its own place replaces the one before the digits. */
    writer.sign_written = pattern.minus || (pattern.sign && !pattern.sign_first);
    for (int i = 0; i < pattern.count; i++)
        put_item(&writer, &pattern.items[i]);
    return STATUS_OK;
}

/* ---- reading --------------------------------------------------------------------------- */

enum status numeric_from_char(struct slice text, struct slice format, struct numeric *number_out) {
    struct pattern pattern;
    TRY(cut(format, &pattern));
    if (pattern.roman)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "\"RN\" not supported for input");
    if (pattern.exponent)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "\"EEEE\" not supported for input");
    char digits[NUMERIC_DIGITS_MAX * 2 + 8];
    size_t size = 0;
    int whole = 0, fraction = 0;
    bool point = false;
    digits[size++] = '+';
    for (size_t i = 0; i < text.size && size < sizeof digits - 1; i++) {
        uint8_t byte = text.data[i];
        bool digit = byte >= '0' && byte <= '9';
        if (byte == '-' || byte == '<') {
            digits[0] = '-';
        } else if (digit && (point ? fraction < pattern.after : whole < pattern.before)) {
            digits[size++] = (char)byte;
            whole += !point;
            fraction += point;
        } else if (byte == '.' && !point && pattern.point) {
            digits[size++] = '.';
            point = true;
        } else if (digit) {
            break; /* more digits than places */
        }
    }
    if (whole + fraction == 0)
        return text_syntax_error("numeric", slice_of_text(text.size == 0 ? "" : " "));
    TRY(numeric_parse(slice_of(digits, size), number_out));
    if (pattern.shift > 0) {
        struct numeric factor =
            numeric_make(power_of_10_128[pattern.shift < 38 ? pattern.shift : 38], 0);
        TRY(numeric_divide(*number_out, factor, number_out));
    }
    return STATUS_OK;
}
