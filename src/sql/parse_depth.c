/*
 * How deep the parse tree of a text can be, said before there is one.
 *
 * libpg_query writes its tree as protobuf by recursion over the tree and asks nobody how much stack
 * is left, so a text that makes too deep a tree must not get that far. The bound is counted in
 * tokens:
 *
 *   - what one stretch of tokens makes is no deeper than it has words and operators, plus the
 *     deepest of the brackets in it: 1 + 1 + ..., not not ..., x::a::b;
 *   - a comma or a semicolon begins a new stretch beside the old one, and so do AND and OR, whose
 *     chains the grammar makes one flat list of;
 *   - words whose constructs go across those (unions have commas in them, CASE and JOIN have AND
 * and OR) count for all that stands between the same brackets;
 *   - each bracket is a level more.
 *
 * Quoted text and comments hold no tokens. Where they end is decided exactly as the lexer does it:
 * a bound that takes tokens for text would be none.
 */
#include <string.h>
#include <strings.h>

#include "sql/bind.h"

/* What stands between a pair of brackets, so far. */
struct bracket {
    uint32_t stretch, stretch_max; /* words and operators of this stretch, and of the longest */
    uint32_t across;               /* levels that no comma ends */
    uint32_t inner;                /* the deepest bracket inside */
};

struct depth {
    const char *at;
    uint32_t open;   /* brackets */
    uint32_t result; /* of the statements that are over */
    struct bracket brackets[SQL_DEPTH_MAX + 1];
};

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static bool is_name_part(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9') || c == '$';
}

/* ---- blanks, comments, quotes: each returns where the text goes on ------------------------ */

static const char *after_line(const char *at) {
    return at + strcspn(at, "\r\n");
}

static const char *after_comment(const char *at) {
    unsigned nested = 0;
    for (; *at != '\0'; at++) {
        if (at[0] == '/' && at[1] == '*') {
            nested++;
            at++;
        } else if (at[0] == '*' && at[1] == '/') {
            at++;
            if (--nested == 0)
                return at + 1;
        }
    }
    return at;
}

/* `at` is the opening quote. A doubled quote ends one text and begins the next: the same to us. */
static const char *after_quoted(const char *at) {
    const char *end = strchr(at + 1, *at);
    return end != NULL ? end + 1 : at + strlen(at);
}

/* E'...': a backslash takes the next character with it, also in the pieces that continue the text
   on later lines. */
static const char *after_escaped(const char *at) {
    for (;;) {
        for (at++; *at != '\0' && *at != '\''; at++)
            if (*at == '\\' && at[1] != '\0')
                at++;
        if (*at == '\0')
            return at;
        const char *next = ++at;
        for (;;) {
            next += strspn(next, " \t\r\n\f\v");
            if (next[0] != '-' || next[1] != '-')
                break;
            next = after_line(next);
        }
        if (*next != '\'')
            return at;
        at = next;
    }
}

/* $tag$...$tag$; NULL: `at` begins no such text. */
static const char *after_dollar_quoted(const char *at) {
    const char *tag_end = at + 1;
    if (is_name_start(*tag_end))
        while (is_name_part(*tag_end) && *tag_end != '$')
            tag_end++;
    if (*tag_end != '$')
        return NULL;
    size_t size = (size_t)(tag_end + 1 - at);
    for (const char *end = tag_end + 1; (end = strchr(end, '$')) != NULL; end++)
        if (strncmp(end, at, size) == 0)
            return end + size;
    return at + strlen(at);
}

/* ---- counting ----------------------------------------------------------------------------- */

static uint32_t bracket_depth(const struct bracket *bracket) {
    uint32_t stretch =
        bracket->stretch > bracket->stretch_max ? bracket->stretch : bracket->stretch_max;
    return stretch + bracket->across + bracket->inner;
}

static void end_stretch(struct bracket *bracket) {
    if (bracket->stretch > bracket->stretch_max)
        bracket->stretch_max = bracket->stretch;
    bracket->stretch = 0;
}

static bool word_is(const char *word, size_t size, const char *name) {
    return strlen(name) == size && strncasecmp(word, name, size) == 0;
}

static void count_word(struct bracket *bracket, const char *word, size_t size) {
    static const char *const across[] = {"case", "join", "union", "intersect", "except"};
    if (word_is(word, size, "and") || word_is(word, size, "or")) {
        end_stretch(bracket);
        return;
    }
    for (size_t i = 0; i < sizeof across / sizeof across[0]; i++)
        if (word_is(word, size, across[i]))
            bracket->across += 2;
    bracket->stretch++;
}

static void close_bracket(struct depth *d) {
    uint32_t inner = bracket_depth(&d->brackets[d->open]) + 1;
    if (d->open == 0)
        return; /* one too many: the grammar will say so */
    d->open--;
    if (inner > d->brackets[d->open].inner)
        d->brackets[d->open].inner = inner;
}

/* A statement is over; the next one stands beside it. */
static void end_statement(struct depth *d) {
    uint32_t depth = bracket_depth(&d->brackets[0]);
    if (depth > d->result)
        d->result = depth;
    d->brackets[0] = (struct bracket){.stretch = 0};
}

/* One token; false: more brackets than may be open. */
static bool count_token(struct depth *d) {
    struct bracket *bracket = &d->brackets[d->open];
    char c = *d->at;
    const char *start = d->at++;
    if (is_name_start(c)) {
        while (is_name_part(*d->at))
            d->at++;
        count_word(bracket, start, (size_t)(d->at - start));
    } else if (c == '(' || c == '[') {
        if (d->open == SQL_DEPTH_MAX)
            return false;
        d->brackets[++d->open] = (struct bracket){.stretch = 0};
    } else if (c == ')' || c == ']') {
        close_bracket(d);
    } else if (c == ';' && d->open == 0) {
        end_statement(d);
    } else if (c == ',' || c == ';') {
        end_stretch(bracket);
    } else if (strchr("+-*/<>=|&#%^~!@:.?`", c) != NULL) {
        bracket->stretch++;
    }
    return true;
}

/* Over a comment or quoted text, if one begins here. */
static bool skip(struct depth *d) {
    const char *at = d->at, *next = NULL;
    if (at[0] == '-' && at[1] == '-')
        next = after_line(at);
    else if (at[0] == '/' && at[1] == '*')
        next = after_comment(at);
    else if ((at[0] == 'e' || at[0] == 'E') && at[1] == '\'')
        next = after_escaped(at + 1);
    else if (at[0] == '\'' || at[0] == '"')
        next = after_quoted(at);
    else if (at[0] == '$')
        next = after_dollar_quoted(at);
    if (next == NULL)
        return false;
    d->at = next;
    return true;
}

uint32_t parse_depth(const char *text) {
    struct depth d;
    d.at = text;
    d.open = d.result = 0;
    d.brackets[0] = (struct bracket){.stretch = 0};
    while (*d.at != '\0')
        if (!skip(&d) && !count_token(&d))
            return UINT32_MAX;
    while (d.open > 0)
        close_bracket(&d);
    end_statement(&d);
    return d.result;
}
