/*
 * PostgreSQL's text form of every type, in and out, with PostgreSQL's errors.
 *
 * What a session may set is in struct value_context; a zeroed one means UTC, DateStyle 'ISO, MDY',
 * IntervalStyle 'postgres', shortest floats, bytea hex, clock standing at 2000-01-01 UTC, no
 * resolver for reg* types (they then take and give numbers only). It is read-only here and may be
 * shared.
 */
#ifndef VALUE_TEXT_H
#define VALUE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "value/value.h"
#include "value/value_timezone.h"

enum date_style { DATE_STYLE_ISO, DATE_STYLE_SQL, DATE_STYLE_POSTGRES, DATE_STYLE_GERMAN };
enum date_order { DATE_ORDER_MDY, DATE_ORDER_DMY, DATE_ORDER_YMD };
enum interval_style {
    INTERVAL_STYLE_POSTGRES,
    INTERVAL_STYLE_POSTGRES_VERBOSE,
    INTERVAL_STYLE_SQL_STANDARD,
    INTERVAL_STYLE_ISO_8601,
};

/* Names of reg* values; an upper room that has a catalog fills it in. */
struct value_resolver {
    void *data;
    /* Name (as written, perhaps qualified and quoted) to OID; `type_id` says of what kind
       (TYPE_REGCLASS ...). Sets PostgreSQL's error when there is none. */
    enum status (*find)(void *data, uint32_t type_id, struct slice name, uint32_t *oid_out);
    /* Appends the name as PostgreSQL shows it; false (nothing appended) when there is none. */
    bool (*describe)(void *data, uint32_t type_id, uint32_t oid, struct buffer *buffer);
};

struct value_context {
    int64_t now;                           /* transaction timestamp, as timestamptz */
    const struct timezone *timezone;       /* NULL: UTC */
    uint8_t date_style;                    /* enum date_style */
    uint8_t date_order;                    /* enum date_order */
    uint8_t interval_style;                /* enum interval_style */
    bool bytea_escape;                     /* bytea_output = escape */
    bool float_rounded;                    /* extra_float_digits <= 0: digits as below */
    int8_t extra_float_digits;             /* counts only when float_rounded: -15 .. 0 */
    const struct value_resolver *resolver; /* may be NULL */
};

/* Text to a value of `type`, its modifier applied as a column's input does (numeric rounds,
   varchar(n) refuses more than n characters unless the rest is spaces, char(n) pads, time rounds).
   Strings of the result live in `arena` or are the input itself when nothing had to change.
   `text` must be valid UTF-8 (utf8_check) for the string types; that is the caller's job.
   Statuses: INVALID_TEXT_REPRESENTATION, NUMERIC_VALUE_OUT_OF_RANGE,
   STRING_DATA_RIGHT_TRUNCATION, INVALID_DATETIME_FORMAT, DATETIME_FIELD_OVERFLOW,
   FEATURE_NOT_SUPPORTED (pseudo types), what the resolver says. */
enum status text_input(const struct value_context *context, struct slice text, struct type type,
                       struct arena *arena, struct value *value_out) MUST_USE;

/* Append the text of a non-null value. Fails only for pseudo types. Buffer failure sticks in the
   buffer. */
enum status text_output(const struct value_context *context, const struct value *value,
                        struct buffer *buffer) MUST_USE;

/* OK, or CHARACTER_NOT_IN_REPERTOIRE `invalid byte sequence for encoding "UTF8": 0x..`; a zero
   byte is refused too. */
enum status utf8_check(struct slice text) MUST_USE;
/* Characters in valid UTF-8. */
size_t utf8_length(struct slice text);
/* Bytes of the first `count` characters (all bytes when there are fewer). */
size_t utf8_prefix(struct slice text, size_t count);

/* Shortest decimal that reads back the same, in PostgreSQL's format ("1e+20", "0.0001",
   "Infinity", "NaN"). At most FLOAT_TEXT_SIZE bytes; returns how many. */
enum { FLOAT_TEXT_SIZE = 32 };
size_t float8_format(double number, char text[FLOAT_TEXT_SIZE]);
/* Decimal digits with sign; at most 20 and 40 bytes; returns how many. */
size_t int64_format(int64_t number, char text[20]);
size_t int128_format(int128_t number, char text[40]);

/* "invalid input syntax for type %s: \"%s\"" with the text cut for the message. */
enum status text_syntax_error(const char *type_name, struct slice text);

/* An identifier, in double quotes where PostgreSQL's quote_ident puts them (capitals, keywords that
   are not unreserved ...). */
void identifier_append(struct buffer *buffer, struct slice name);
/* A string in single quotes, those in it doubled (standard_conforming_strings). */
void literal_append(struct buffer *buffer, struct slice text);

#endif
