#include "server/split.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Each skip_* takes the position of an opening mark and returns the one behind the closing mark,
   or `size` + 1 when the text ends before. */
static size_t skip_quoted(const char *text, size_t at, size_t size, bool backslashes) {
    char mark = text[at++];
    for (; at < size; at++) {
        if (backslashes && text[at] == '\\') {
            at++;
        } else if (text[at] == mark) {
            if (at + 1 < size && text[at + 1] == mark)
                at++;
            else
                return at + 1;
        }
    }
    return size + 1;
}

static size_t skip_block_comment(const char *text, size_t at, size_t size) {
    unsigned depth = 0;
    while (at + 1 < size) {
        if (text[at] == '/' && text[at + 1] == '*') {
            depth++;
            at += 2;
        } else if (text[at] == '*' && text[at + 1] == '/') {
            at += 2;
            if (--depth == 0)
                return at;
        } else {
            at++;
        }
    }
    return size + 1;
}

static bool is_name_character(char c) {
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* Size of a dollar quote's tag ("$tag$"), 0 if none begins at `at`. */
static size_t dollar_tag(const char *text, size_t at, size_t size) {
    if (at > 0 && is_name_character(text[at - 1]))
        return 0;
    size_t end = at + 1;
    if (end < size && isdigit((unsigned char)text[end]))
        return 0;
    while (end < size && is_name_character(text[end]))
        end++;
    return end < size && text[end] == '$' ? end + 1 - at : 0;
}

static size_t skip_dollar(const char *text, size_t at, size_t size, size_t tag) {
    for (size_t end = at + tag; end + tag <= size; end++) {
        if (memcmp(text + end, text + at, tag) == 0)
            return end + tag;
    }
    return size + 1;
}

enum split_state split_statement(const char *text, size_t size, size_t *statement_size_out) {
    enum split_state state = SPLIT_EMPTY;
    unsigned depth = 0;
    size_t at = 0;
    while (at < size) {
        char c = text[at];
        enum split_state inside = state;
        size_t next = at + 1;
        if (c == '-' && at + 1 < size && text[at + 1] == '-') {
            const char *end = memchr(text + at, '\n', size - at);
            next = end == NULL ? size : (size_t)(end - text);
            inside = SPLIT_COMMENT;
        } else if (c == '/' && at + 1 < size && text[at + 1] == '*') {
            next = skip_block_comment(text, at, size);
            inside = SPLIT_COMMENT;
        } else if (c == '\'' || c == '"') {
            bool escapes = c == '\'' && at > 0 && (text[at - 1] == 'e' || text[at - 1] == 'E') &&
                           (at == 1 || !is_name_character(text[at - 2]));
            next = skip_quoted(text, at, size, escapes);
            inside = c == '"' ? SPLIT_IDENTIFIER : SPLIT_QUOTE;
        } else if (c == '$' && dollar_tag(text, at, size) > 0) {
            next = skip_dollar(text, at, size, dollar_tag(text, at, size));
            inside = SPLIT_DOLLAR;
        } else if (c == '(') {
            depth++;
        } else if (c == ')' && depth > 0) {
            depth--;
        } else if (c == ';' && depth == 0) {
            *statement_size_out = at + 1;
            return SPLIT_DONE;
        }
        if (next > size)
            return inside;
        if (inside != SPLIT_COMMENT && !isspace((unsigned char)c))
            state = SPLIT_STATEMENT;
        at = next;
    }
    return depth > 0 ? SPLIT_PARENTHESIS : state;
}

/* The next word (letters only), lower case is the caller's; moves *at behind it. */
static bool next_word(const char *text, size_t size, size_t *at, const char *word) {
    while (*at < size && !isalpha((unsigned char)text[*at]))
        (*at)++;
    size_t length = strlen(word), end = *at;
    while (end < size && is_name_character(text[end]))
        end++;
    bool same = end - *at == length && strncasecmp(text + *at, word, length) == 0;
    *at = end;
    return same;
}

bool split_is_copy_from_stdin(const char *text, size_t size) {
    size_t at = 0;
    if (!next_word(text, size, &at, "copy"))
        return false;
    bool from = false;
    while (at < size) {
        size_t word = at;
        if (next_word(text, size, &word, "from")) {
            from = true;
        } else if (from) {
            word = at;
            return next_word(text, size, &word, "stdin");
        }
        at = word;
    }
    return false;
}
