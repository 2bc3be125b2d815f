/*
 * One plan for texts that differ in literals only.
 *
 * sql_normalize replaces number and string literals of a statement by parameters when the result
 * is surely the same statement: plain SELECT, INSERT, UPDATE, DELETE; literals that stand as an
 * operand of = <> < <= > >= + or inside VALUES (...), and nowhere else (not after ORDER BY, GROUP
 * BY, LIMIT, a type name, INTERVAL, in a select list of their own ...). A token scan, no parser, no
 * heap.
 */
#ifndef SQL_NORMALIZE_H
#define SQL_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base_arena.h"
#include "value/value.h"

enum { NORMALIZE_PARAMETERS_MAX = 32 };

struct normalized {
    const char *text; /* with $1, $2 ... in place of literals; the cache's key */
    size_t count;
    struct value values[NORMALIZE_PARAMETERS_MAX]; /* int4, int8, numeric or unknown (string) */
    uint32_t types[NORMALIZE_PARAMETERS_MAX]; /* to be declared to sql_prepare: value's type id;
                                                 0 for strings: inferred, then read by text_input */
};

/* False: leave the text alone (nothing to replace, or not surely the same). */
bool sql_normalize(const char *text, struct arena *arena, struct normalized *normalized_out);

#endif
