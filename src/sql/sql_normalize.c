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

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NUMBER, TOKEN_STRING, TOKEN_SYMBOL, TOKEN_OTHER };

/* What a word means here. */
enum word {
    WORD_NAME,
    WORD_STARTS,
    WORD_INSERT,
    WORD_VALUES,
    WORD_ON,
    WORD_CONFLICT,
    WORD_CLOSES,
    WORD_FREEZES
};

struct token {
    enum token_kind kind;
    uint16_t is; /* an enum word, or SYMBOL of the characters */
    const char *text;
    size_t size;
};

#define SYMBOL(first, second) ((uint16_t)((first) | (second) << 8))

/*
 * By their first letter. Words that start a plain statement, close an operand, or freeze the text:
 * grouping, ordering and their like look at expressions as they stand.
 */
static const struct keyword {
    const char *text;
    uint8_t size;
    uint8_t word;
} keywords['z' - 'a' + 1][5] = {
#define KEYWORD(text, word)                                                                        \
    { text, sizeof text - 1, WORD_##word }
    ['a' - 'a'] = {KEYWORD("and", CLOSES)},
    ['b' - 'a'] = {KEYWORD("between", FREEZES)},
    ['c' - 'a'] = {KEYWORD("case", FREEZES), KEYWORD("conflict", CONFLICT)},
    ['d' - 'a'] = {KEYWORD("date", FREEZES), KEYWORD("delete", STARTS),
                   KEYWORD("distinct", FREEZES)},
    ['e' - 'a'] = {KEYWORD("except", FREEZES)},
    ['f' - 'a'] = {KEYWORD("fetch", FREEZES)},
    ['g' - 'a'] = {KEYWORD("group", FREEZES)},
    ['h' - 'a'] = {KEYWORD("having", FREEZES)},
    ['i' - 'a'] = {KEYWORD("in", FREEZES), KEYWORD("insert", INSERT), KEYWORD("intersect", FREEZES),
                   KEYWORD("interval", FREEZES), KEYWORD("is", FREEZES)},
    ['l' - 'a'] = {KEYWORD("limit", FREEZES)},
    ['o' - 'a'] = {KEYWORD("offset", FREEZES), KEYWORD("on", ON), KEYWORD("order", FREEZES)},
    ['r' - 'a'] = {KEYWORD("returning", FREEZES)},
    ['s' - 'a'] = {KEYWORD("select", STARTS)},
    ['t' - 'a'] = {KEYWORD("time", FREEZES), KEYWORD("timestamp", FREEZES)},
    ['u' - 'a'] = {KEYWORD("union", FREEZES), KEYWORD("update", STARTS)},
    ['v' - 'a'] = {KEYWORD("values", VALUES)},
    ['w' - 'a'] = {KEYWORD("where", CLOSES), KEYWORD("window", FREEZES), KEYWORD("with", FREEZES)},
#undef KEYWORD
};

static enum word word_of(const char *text, size_t size) {
    unsigned letter = (unsigned char)(text[0] | 0x20) - 'a';
    if (letter > 'z' - 'a') /* an underscore */
        return WORD_NAME;
    const struct keyword *row = keywords[letter];
    for (size_t i = 0; i < sizeof keywords[0] / sizeof keywords[0][0]; i++)
        if (row[i].size == size && strncasecmp(text, row[i].text, size) == 0)
            return row[i].word;
    return WORD_NAME;
}

static bool word_is(const struct token *token, enum word word) {
    return token->kind == TOKEN_WORD && token->is == word;
}

static bool symbol_is(const struct token *token, char symbol) {
    return token->kind == TOKEN_SYMBOL && token->is == SYMBOL(symbol, 0);
}

static struct token string_token(const char *text) {
    const char *at = text + 1;
    for (; *at != '\0' && *at != '\''; at++)
        if (*at == '\\')
            return (struct token){TOKEN_OTHER, 0, text, 1};
    /* A doubled quote, or a string that goes on, is left to the parser. */
    if (*at == '\0' || at[1] == '\'')
        return (struct token){TOKEN_OTHER, 0, text, 1};
    return (struct token){TOKEN_STRING, 0, text, (size_t)(at + 1 - text)};
}

/* ( ) * + , - . / and ; < = > */
static bool starts_symbol(char c) {
    return (c >= '(' && c <= '/') || (c >= ';' && c <= '>');
}

/* ... of an operator that is not known here. */
static bool goes_on(char c) {
    switch (c) {
    case '~':
    case '!':
    case '@':
    case '#':
    case '%':
    case '^':
    case '&':
    case '|':
    case '`':
    case '?':
        return true;
    default:
        return false;
    }
}

static struct token next_token(const char **cursor) {
    const char *at = *cursor;
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
        at++;
    struct token token = {TOKEN_OTHER, 0, at, 1};
    unsigned char c = (unsigned char)*at;
    if (c == '\0') {
        token = (struct token){TOKEN_END, 0, at, 0};
    } else if (isalpha(c) || c == '_') {
        size_t size = 1;
        while (isalnum((unsigned char)at[size]) || at[size] == '_')
            size++;
        token = (struct token){TOKEN_WORD, (uint16_t)word_of(at, size), at, size};
        if (at[size] == '\'' || at[size] == '$' || (unsigned char)at[size] >= 0x80)
            token.kind = TOKEN_OTHER; /* E'..', x'..', U&, names beyond ASCII */
    } else if (isdigit(c)) {
        size_t size = 1;
        while (isdigit((unsigned char)at[size]))
            size++;
        token = (struct token){TOKEN_NUMBER, 0, at, size};
        if (at[size] == '.' || isalpha((unsigned char)at[size]) || at[size] == '_')
            token.kind = TOKEN_OTHER; /* numerics keep their digits: not the same plan */
    } else if (c == '\'') {
        token = string_token(at);
    } else if (starts_symbol(*at)) {
        bool comment = (c == '-' && at[1] == '-') || (c == '/' && at[1] == '*');
        bool two = (c == '<' && (at[1] == '=' || at[1] == '>')) || (c == '>' && at[1] == '=');
        size_t size = two ? 2 : 1;
        enum token_kind kind = comment || goes_on(at[size]) ? TOKEN_OTHER : TOKEN_SYMBOL;
        token = (struct token){kind, SYMBOL(at[0], two ? at[1] : 0), at, size};
    }
    *cursor = at + token.size;
    return token;
}

/* A sum of two literals is a constant, whose overflow is known before any row is read. */
static bool opens_operand(const struct token *token, const struct token *left) {
    if (token->kind != TOKEN_SYMBOL)
        return false;
    switch (token->is) {
    case SYMBOL('+', 0):
        return left->kind == TOKEN_WORD;
    case SYMBOL('=', 0):
    case SYMBOL('<', 0):
    case SYMBOL('>', 0):
    case SYMBOL('<', '>'):
    case SYMBOL('<', '='):
    case SYMBOL('>', '='):
        return true;
    default:
        return false;
    }
}

static bool closes_operand(const struct token *token) {
    return token->kind == TOKEN_END || symbol_is(token, ';') || symbol_is(token, ')') ||
           symbol_is(token, ',') || word_is(token, WORD_CLOSES);
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

bool sql_normalize(const char *text, struct arena *arena, struct normalized *normalized) {
    enum { TEXT_SIZE_MAX = 4096 };
    char out[TEXT_SIZE_MAX + NORMALIZE_PARAMETERS_MAX * 4];
    size_t used = 0, length = strnlen(text, TEXT_SIZE_MAX + 1);
    if (length > TEXT_SIZE_MAX)
        return false;
    const char *cursor = text, *copied = text;
    const struct token nothing = {TOKEN_END, 0, text, 0};
    struct token before = nothing, before_that = nothing, earlier = nothing;
    struct token token = next_token(&cursor);
    const bool insert = word_is(&token, WORD_INSERT);
    if (!insert && !word_is(&token, WORD_STARTS))
        return false;
    bool values = false, closed = false, behind = false;
    normalized->count = 0;
    while (token.kind != TOKEN_END) {
        if (token.kind == TOKEN_OTHER || closed) /* closed: something follows the semicolon */
            return false;
        closed = symbol_is(&token, ';');
        values |= word_is(&token, WORD_VALUES);
        struct token after = next_token(&cursor);
        behind |= insert && values && symbol_is(&before, ')') && word_is(&token, WORD_ON) &&
                  word_is(&after, WORD_CONFLICT);
        if (!behind && (word_is(&token, WORD_FREEZES) || word_is(&token, WORD_ON)))
            return false;
        bool literal = token.kind == TOKEN_NUMBER || token.kind == TOKEN_STRING;
        bool negative =
            literal && symbol_is(&before, '-') && before.text + before.size == token.text &&
            (opens_operand(&before_that, &earlier) ||
             (values && (symbol_is(&before_that, '(') || symbol_is(&before_that, ','))));
        bool operand = negative || opens_operand(&before, &before_that) ||
                       (values && (symbol_is(&before, '(') || symbol_is(&before, ',')));
        bool replace = literal && !behind && operand && closes_operand(&after) &&
                       !(symbol_is(&after, ',') && !values && !symbol_is(&before, '=')) &&
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
        token = after;
    }
    if (normalized->count == 0)
        return false;
    memcpy(out + used, copied, strlen(copied) + 1);
    normalized->text = arena_copy_text(arena, out);
    return normalized->text != NULL;
}
