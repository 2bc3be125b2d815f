/* What the parser of regular expressions hands to the matcher. Private to exec_regex*.c. */
#ifndef EXEC_REGEX_PRIVATE_H
#define EXEC_REGEX_PRIVATE_H

#include "exec/exec_regex.h"

enum regex_operation {
    REGEX_CHARACTER, /* argument: code point */
    REGEX_ANY,
    REGEX_CLASS, /* argument: index of the class */
    REGEX_SPLIT, /* first `x`, then `y` */
    REGEX_JUMP,  /* x */
    REGEX_SAVE,  /* argument: slot */
    REGEX_ASSERT,
    REGEX_ACCEPT,
};

enum regex_assertion {
    REGEX_AT_LINE_START,
    REGEX_AT_LINE_END,
    REGEX_AT_TEXT_START,
    REGEX_AT_TEXT_END,
    REGEX_AT_WORD_START,
    REGEX_AT_WORD_END,
    REGEX_AT_WORD_EDGE,
    REGEX_NOT_WORD_EDGE,
};

struct regex_instruction {
    uint8_t operation; /* enum regex_operation */
    uint32_t argument;
    uint32_t x, y;
};

struct regex_range {
    uint32_t first, last;
};

struct regex_class {
    bool negated;
    uint32_t range_count;
    struct regex_range *ranges;
    uint64_t ascii[2]; /* membership of code points below 128, negation applied */
};

enum { REGEX_PROGRAM_MAX = 40000, REGEX_GROUPS_MAX = 255 };

struct regex {
    struct regex_instruction *program;
    uint32_t program_count;
    struct regex_class *classes;
    uint32_t class_count;
    unsigned group_count;
    unsigned flags;
    bool shortest;   /* the whole prefers the shortest match */
    bool has_edges;  /* some assertion looks at words or lines: no DFA */
    bool anchored;   /* must match at the start of the text */
    bool is_literal; /* the whole pattern is this text, perhaps anchored */
    bool literal_start, literal_end;
    struct slice literal;
    struct arena *arena;
    struct regex_sets *sets; /* scratch of the matcher */
    struct regex_dfa *dfa;
    bool dfa_full;
};

/* exec_regex_match.c */
void regex__matcher_init(struct regex *regex);

static inline uint32_t regex__fold(uint32_t code) {
    return code >= 'A' && code <= 'Z' ? code + 32 : code;
}

/* Next code point; bytes that are no UTF-8 stand for themselves. */
static inline uint32_t regex__decode(const uint8_t *data, size_t size, size_t *used) {
    uint32_t a = data[0];
    if (a < 0x80 || size < 2) {
        *used = 1;
        return a;
    }
    if (a < 0xE0) {
        *used = 2;
        return (a & 0x1F) << 6 | (data[1] & 0x3F);
    }
    if (a < 0xF0 && size >= 3) {
        *used = 3;
        return (a & 0x0F) << 12 | (uint32_t)(data[1] & 0x3F) << 6 | (data[2] & 0x3F);
    }
    if (size >= 4) {
        *used = 4;
        return (a & 0x07) << 18 | (uint32_t)(data[1] & 0x3F) << 12 |
               (uint32_t)(data[2] & 0x3F) << 6 | (data[3] & 0x3F);
    }
    *used = 1;
    return a;
}

#endif
