/*
 * Values: the physical structures and the boxed scalar.
 *
 * Numbers of time follow PostgreSQL: date is days since 2000-01-01, timestamp and timestamptz are
 * microseconds since 2000-01-01 00:00 (UTC), time is microseconds since midnight. The extreme
 * integers are -infinity and infinity of date, timestamp and timestamptz.
 *
 *   struct string, 16 bytes
 *     size <= 12    | size u32 | the bytes, the rest zero ............ |
 *     size >  12    | size u32 | first 4 bytes | pointer to all bytes  |
 *   The pointer's owner is stated where a string is made; usually an arena or a pinned row.
 *   Because unused bytes are zero, short strings are equal iff their 16 bytes are.
 */
#ifndef VALUE_H
#define VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/base_arena.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "value/value_type.h"

typedef __int128 int128_t;
typedef unsigned __int128 uint128_t;

enum { STRING_INLINE_SIZE = 12 };

struct string {
    uint32_t size;
    union {
        uint8_t bytes[STRING_INLINE_SIZE];
        struct __attribute__((packed)) {
            uint8_t prefix[4];
            const uint8_t *pointer;
        };
    };
};
_Static_assert(sizeof(struct string) == 16, "strings are 16 bytes");
_Static_assert(sizeof(void *) == 8, "pointers take 8 of them");

struct interval {
    int64_t us;
    int32_t days, months;
};
_Static_assert(sizeof(struct interval) == 16, "no padding");

struct uuid {
    uint8_t bytes[16];
};

enum numeric_kind { NUMERIC_FINITE, NUMERIC_NAN, NUMERIC_INFINITY, NUMERIC_MINUS_INFINITY };

/* coefficient * 10^-scale, shown with exactly `scale` fractional digits. |coefficient| < 10^38,
   0 <= scale <= NUMERIC_SCALE_MAX. For other kinds coefficient and scale are zero. */
enum { NUMERIC_DIGITS_MAX = 38, NUMERIC_SCALE_MAX = 16383 };
struct numeric {
    int128_t coefficient;
    int16_t scale;
    uint8_t kind; /* enum numeric_kind */
    uint8_t zero[13];
};
_Static_assert(sizeof(struct numeric) == 32, "numeric is 32 bytes");

/* One value out of a vector, or a constant. Which member counts is type_physical(type). */
struct value {
    struct type type;
    bool is_null;
    union {
        uint8_t boolean;
        int16_t int16;
        int32_t int32;
        int64_t int64;
        int128_t int128;
        float float32;
        double float64;
        struct slice string;
        struct interval interval;
        struct uuid uuid;
        struct numeric numeric;
    };
};

/* ---- strings --------------------------------------------------------------------------- */

/* A view: strings over 12 bytes keep pointing at `data`. */
static inline struct string string_of(const void *data, size_t size) {
    const uint8_t *bytes = (const uint8_t *)data;
    uint64_t words[2] = {0, 0}, low = 0;
    uint32_t first = 0, last = 0;
    struct string string;
    /* Overlapping loads and two whole words: this is the inner loop of scans. */
    if (size > STRING_INLINE_SIZE) {
        memcpy(&first, bytes, 4);
        low = first;
        words[1] = (uint64_t)(uintptr_t)bytes;
    } else if (size >= 8) {
        memcpy(&low, bytes, 8);
        memcpy(&last, bytes + size - 4, 4);
        words[1] = low >> 32 | ((uint64_t)last >> 8 * (STRING_INLINE_SIZE - size)) << 32;
    } else if (size >= 4) {
        memcpy(&first, bytes, 4);
        memcpy(&last, bytes + size - 4, 4);
        low = first;
        words[1] = (uint64_t)last >> 8 * (8 - size);
    } else if (size > 0) {
        low = bytes[0] | (uint64_t)bytes[size / 2] << 8 * (size / 2) |
              (uint64_t)bytes[size - 1] << 8 * (size - 1);
    }
    words[0] = (uint32_t)size | low << 32;
    memcpy(&string, words, sizeof string);
    return string;
}

static inline const uint8_t *string_data(const struct string *string) {
    return string->size <= STRING_INLINE_SIZE ? string->bytes : string->pointer;
}

/* Valid as long as *string is (inline bytes!) and what it points to. */
static inline struct slice string_slice(const struct string *string) {
    return slice_of(string_data(string), string->size);
}

static inline bool string_equal(const struct string *a, const struct string *b) {
    if (memcmp(a, b, 8) != 0) /* size and prefix */
        return false;
    if (a->size <= STRING_INLINE_SIZE)
        return memcmp(a->bytes + 4, b->bytes + 4, 8) == 0;
    return a->pointer == b->pointer || memcmp(a->pointer, b->pointer, a->size) == 0;
}

/* Bytewise order, a prefix first: negative, zero or positive. */
static inline int string_compare(const struct string *a, const struct string *b) {
    uint32_t x, y;
    memcpy(&x, a->bytes, 4);
    memcpy(&y, b->bytes, 4);
    if (x != y)
        return __builtin_bswap32(x) < __builtin_bswap32(y) ? -1 : 1;
    return slice_compare(string_slice(a), string_slice(b));
}

/* Copy the bytes into the arena if they are not inline. */
struct string string_copy(struct string string, struct arena *arena);

/* ---- boxed values ---------------------------------------------------------------------- */

static inline struct value value_null(struct type type) {
    return (struct value){.type = type, .is_null = true};
}
static inline struct value value_bool(bool boolean) {
    return (struct value){.type = TYPE_OF(BOOL), .boolean = boolean};
}
static inline struct value value_int2(int16_t number) {
    return (struct value){.type = TYPE_OF(INT2), .int16 = number};
}
static inline struct value value_int4(int32_t number) {
    return (struct value){.type = TYPE_OF(INT4), .int32 = number};
}
static inline struct value value_int8(int64_t number) {
    return (struct value){.type = TYPE_OF(INT8), .int64 = number};
}
static inline struct value value_oid(uint32_t oid) {
    return (struct value){.type = TYPE_OF(OID), .int64 = oid};
}
static inline struct value value_float8(double number) {
    return (struct value){.type = TYPE_OF(FLOAT8), .float64 = number};
}
/* The bytes are not copied. */
static inline struct value value_string(struct type type, struct slice bytes) {
    return (struct value){.type = type, .string = bytes};
}
static inline struct value value_text(const char *text) {
    return value_string(TYPE_OF(TEXT), slice_of_text(text));
}

/* From and to the physical form (as in a vector, physical_size bytes). Strings are views: of
 *data itself when inline, so `data` must outlive the value. */
struct value value_from_physical(struct type type, const void *data);
void value_to_physical(const struct value *value, void *data_out);

/* A copy that owns nothing outside the arena. */
struct value value_copy(const struct value *value, struct arena *arena);

/* Order of two non-null values of the same type id as PostgreSQL's default B-tree operator class
   has it: negative, zero, positive. numerics may differ in physical form. Types without an order
   there (tid and xid have one here) compare by their bytes. Text is bytewise (collation C),
   bpchar ignores trailing spaces. */
int value_compare(const struct value *a, const struct value *b);
/* Equal values hash equal (also 1.0 and 1.00 in any physical form; -0 and 0; 'a' and 'a ' of
   bpchar; intervals '1 day' and '24 hours'). int2, int4 and int8 with one value hash alike.
   NULL hashes to a constant. */
uint64_t value_hash(const struct value *value);

#endif
