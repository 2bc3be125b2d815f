/*
 * Literals to parameters, by tokens.
 *
 * A literal is replaced only where its meaning cannot depend on its being a literal: directly
 * after one of = <> < > <= >=, after a + that follows a name, or, in VALUES lists, after ( or , ;
 * and directly before the end, a closing parenthesis, a comma of VALUES, or AND / OR / WHERE.
 * Behind ON CONFLICT of an INSERT with VALUES literals stay as they are: an index is matched with
 * the expressions there.
 * Anything else that looks unusual (quotes with escapes, dollar quotes, parameters, comments,
 * several statements) makes the text stay as it is. Text with a select list of constants, GROUP BY,
 * ORDER BY, LIMIT or a cast after the literal is untouched there because the literal's neighbours
 * differ.
 */
#include "sql/sql_normalize.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/base_buffer.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NUMBER, TOKEN_STRING, TOKEN_SYMBOL, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    const char *text;
    size_t size;
};

static bool word_is(const struct token *token, const char *word) {
    return token->kind == TOKEN_WORD && token->size == strlen(word) &&
           strncasecmp(token->text, word, token->size) == 0;
}

static bool symbol_is(const struct token *token, const char *symbol) {
    return token->kind == TOKEN_SYMBOL && token->size == strlen(symbol) &&
           memcmp(token->text, symbol, token->size) == 0;
}

static struct token string_token(const char *text) {
    const char *at = text + 1;
    for (; *at != '\0' && *at != '\''; at++)
        if (*at == '\\')
            return (struct token){TOKEN_OTHER, text, 1};
    /* A doubled quote, or a string that goes on, is left to the parser. */
    if (*at == '\0' || at[1] == '\'')
        return (struct token){TOKEN_OTHER, text, 1};
    return (struct token){TOKEN_STRING, text, (size_t)(at + 1 - text)};
}

static struct token next_token(const char **cursor) {
    const char *at = *cursor;
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
        at++;
    struct token token = {TOKEN_OTHER, at, 1};
    unsigned char c = (unsigned char)*at;
    if (c == '\0') {
        token = (struct token){TOKEN_END, at, 0};
    } else if (isalpha(c) || c == '_') {
        size_t size = 1;
        while (isalnum((unsigned char)at[size]) || at[size] == '_')
            size++;
        token = (struct token){TOKEN_WORD, at, size};
        if (at[size] == '\'' || at[size] == '$' || (unsigned char)at[size] >= 0x80)
            token.kind = TOKEN_OTHER; /* E'..', x'..', U&, names beyond ASCII */
    } else if (isdigit(c)) {
        size_t size = 1;
        while (isdigit((unsigned char)at[size]))
            size++;
        token = (struct token){TOKEN_NUMBER, at, size};
        if (at[size] == '.' || isalpha((unsigned char)at[size]) || at[size] == '_')
            token.kind = TOKEN_OTHER; /* numerics keep their digits: not the same plan */
    } else if (c == '\'') {
        token = string_token(at);
    } else if (strchr("=<>+-*/(),.;", c) != NULL) {
        size_t size = 1;
        if ((c == '<' && (at[1] == '=' || at[1] == '>')) || (c == '>' && at[1] == '='))
            size = 2;
        token = (struct token){TOKEN_SYMBOL, at, size};
        if ((c == '-' && at[1] == '-') || (c == '/' && at[1] == '*') ||
            strchr("~!@#%^&|`?", at[size]) == NULL)
            ;
        else if (at[size] != '\0')
            token.kind = TOKEN_OTHER; /* a longer operator */
        if ((c == '-' && at[1] == '-') || (c == '/' && at[1] == '*'))
            token.kind = TOKEN_OTHER;
    }
    *cursor = at + token.size;
    return token;
}

/* A sum of two literals is a constant, whose overflow is known before any row is read. */
static bool opens_operand(const struct token *token, const struct token *left) {
    static const char *const symbols[] = {"=", "<>", "<", ">", "<=", ">="};
    if (symbol_is(token, "+"))
        return left->kind == TOKEN_WORD;
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
        if (symbol_is(token, symbols[i]))
            return true;
    return false;
}

static bool closes_operand(const struct token *token, bool in_values) {
    return token->kind == TOKEN_END || symbol_is(token, ";") || symbol_is(token, ")") ||
           (symbol_is(token, ",") && in_values) || word_is(token, "and") || word_is(token, "where");
}

static bool make_value(const struct token *token, bool negative, struct arena *arena,
                       struct value *value, uint32_t *type) {
    if (token->kind == TOKEN_STRING) {
        *value = value_string(TYPE_OF(UNKNOWN),
                              arena_copy_slice(arena, slice_of(token->text + 1, token->size - 2)));
        *type = 0;
        return value->string.data != NULL || token->size == 2;
    }
    if (token->size > 9) /* an int8 literal is of another type: another plan, by other name */
        return false;
    int32_t number = 0;
    for (size_t i = 0; i < token->size; i++)
        number = number * 10 + (token->text[i] - '0');
    *value = value_int4(negative ? -number : number);
    *type = TYPE_INT4;
    return true;
}

static bool starts_plain(const struct token *token) {
    return word_is(token, "select") || word_is(token, "insert") || word_is(token, "update") ||
           word_is(token, "delete");
}

/* Grouping, ordering and their like look at expressions as they stand. */
static bool freezes(const struct token *token) {
    static const char *const words[] = {
        "group",    "order",    "having", "limit",     "offset", "on",       "returning", "case",
        "interval", "distinct", "union",  "intersect", "except", "fetch",    "in",        "between",
        "is",       "with",     "window", "date",      "time",   "timestamp"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (word_is(token, words[i]))
            return true;
    return false;
}

bool sql_normalize(const char *text, struct arena *arena, struct normalized *normalized) {
    enum { TEXT_SIZE_MAX = 4096 };
    char out[TEXT_SIZE_MAX + NORMALIZE_PARAMETERS_MAX * 4];
    size_t used = 0, length = strnlen(text, TEXT_SIZE_MAX + 1);
    if (length > TEXT_SIZE_MAX)
        return false;
    const char *cursor = text, *copied = text;
    const struct token nothing = {TOKEN_END, text, 0};
    struct token before = nothing, before_that = nothing, earlier = nothing;
    struct token token = next_token(&cursor);
    if (!starts_plain(&token))
        return false;
    const bool insert = word_is(&token, "insert");
    bool values = false, closed = false, frozen = false, behind = false;
    normalized->count = 0;
    while (token.kind != TOKEN_END) {
        if (token.kind == TOKEN_OTHER)
            return false;
        if (closed)
            return false; /* something follows the semicolon */
        closed = symbol_is(&token, ";");
        values |= word_is(&token, "values");
        const char *peek = cursor;
        struct token after = next_token(&peek);
        behind |= insert && values && symbol_is(&before, ")") && word_is(&token, "on") &&
                  word_is(&after, "conflict");
        frozen |= !behind && freezes(&token);
        bool literal = token.kind == TOKEN_NUMBER || token.kind == TOKEN_STRING;
        bool negative =
            literal && symbol_is(&before, "-") && before.text + before.size == token.text &&
            (opens_operand(&before_that, &earlier) ||
             (values && (symbol_is(&before_that, "(") || symbol_is(&before_that, ","))));
        bool operand = negative || opens_operand(&before, &before_that) ||
                       (values && (symbol_is(&before, "(") || symbol_is(&before, ",")));
        bool replace = literal && !frozen && !behind && operand && closes_operand(&after, true) &&
                       !(symbol_is(&after, ",") && !values && !symbol_is(&before, "=")) &&
                       normalized->count < NORMALIZE_PARAMETERS_MAX &&
                       !(negative && token.kind == TOKEN_STRING);
        if (replace && make_value(&token, negative, arena, &normalized->values[normalized->count],
                                  &normalized->types[normalized->count])) {
            const char *from = negative ? before.text : token.text;
            memcpy(out + used, copied, (size_t)(from - copied));
            used += (size_t)(from - copied);
            normalized->count++;
            out[used++] = '$';
            if (normalized->count >= 10)
                out[used++] = (char)('0' + normalized->count / 10);
            out[used++] = (char)('0' + normalized->count % 10);
            copied = token.text + token.size;
        }
        earlier = before_that;
        before_that = before;
        before = token;
        token = next_token(&cursor);
    }
    if (normalized->count == 0 || frozen)
        return false;
    memcpy(out + used, copied, strlen(copied) + 1);
    normalized->text = arena_copy_text(arena, out);
    return normalized->text != NULL;
}
