/*
 * Regular expressions with PostgreSQL's "advanced" syntax, matched without backtracking: time is
 * linear in the text for every pattern. Private to exec.
 *
 * Supported: alternation, groups (capturing and (?:)), * + ? {m} {m,} {m,n} and their non-greedy
 * forms, brackets with ranges, negation and [:classes:], . ^ $ \A \Z \m \M \y \Y [[:<:]] [[:>:]],
 * \d \D \s \S \w \W, character escapes, embedded options (?i) and the *** director prefixes.
 * Back references and lookahead are FEATURE_NOT_SUPPORTED. The longest of the leftmost matches is
 * found, or the shortest when the first quantifier is non-greedy, as PostgreSQL's manual says in
 * 9.7.3.5.
 *
 * Case folding is ASCII's (collation C).
 */
#ifndef EXEC_REGEX_H
#define EXEC_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_slice.h"
#include "base/base_status.h"

enum regex_flags {
    REGEX_IGNORE_CASE = 1,
    REGEX_NEWLINE_STOPS = 2,   /* . and [^x] do not match newline */
    REGEX_NEWLINE_ANCHORS = 4, /* ^ and $ match at newlines too */
    REGEX_EXPANDED = 8,        /* white space and #comments in the pattern are ignored */
    REGEX_LITERAL = 16,
};

struct regex;

/* Bytes [start, end) of the text; start == SIZE_MAX: the group took no part. */
struct regex_span {
    size_t start, end;
};

/* Everything lives in `arena`. INVALID_REGULAR_EXPRESSION, FEATURE_NOT_SUPPORTED. The result keeps
   mutable caches: one user at a time. */
enum status regex_compile(struct slice pattern, unsigned flags, struct arena *arena,
                          struct regex **regex_out) MUST_USE;
/* Capturing groups, without the whole match. */
unsigned regex_group_count(const struct regex *regex);
/* Does it match anywhere? */
bool regex_matches(struct regex *regex, struct slice text);
/* First match at or after byte `from`. spans[0] is the whole match, then the groups (spans may
   have room for the whole match only when `groups` is false). */
bool regex_search(struct regex *regex, struct slice text, size_t from, bool groups,
                  struct regex_span *spans);

#endif
