/*
 * Text to raw parse trees: libpg_query's grammar, unpacked from protobuf into the caller's arena.
 *
 * libpg_query keeps its memory contexts in thread-local variables and frees them before it
 * returns, so a core's thread may parse for any session. It uses the heap by itself and much
 * stack; both happen on the core's large stack.
 */
#include <pg_query.h>
#include <protobuf-c/protobuf-c.h>
#include <string.h>

#include "base/base_memory.h"
#include "sql/bind.h"

/*
 * The grammar, its output and our walks recurse by the depth of the tree, and only tokens between
 * two commas can nest beyond parentheses (1 + 1 + ..., not not ..., union after union). So: a
 * limit on open brackets, and one on words and on operators in a run without a comma. Quoted text
 * is skipped.
 */
enum { RUN_WORDS_MAX = 5000, RUN_OPERATORS_MAX = 5000 };

static const char *skip_quoted(const char *text) {
    char quote = *text++;
    while (*text != '\0' && *text != quote)
        text++;
    return *text != '\0' ? text : text - 1;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static bool too_deep(const char *text) {
    int depth = 0, words = 0, operators = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\'' || *at == '"') {
            at = skip_quoted(at);
        } else if (*at == '(' || *at == '[') {
            if (++depth > SQL_DEPTH_MAX)
                return true;
        } else if (*at == ')' || *at == ']') {
            depth -= depth > 0;
        } else if (*at == ',' || *at == ';') {
            words = operators = 0;
        } else if (is_letter(*at)) {
            if ((at == text || !is_letter(at[-1])) && ++words > RUN_WORDS_MAX)
                return true;
        } else if (strchr("+-*/<>=|&#%^~!@:.", *at) != NULL && ++operators > RUN_OPERATORS_MAX) {
            return true;
        }
    }
    return false;
}

static void *unpack_alloc(void *data, size_t size) {
    return arena_alloc(data, size);
}
static void unpack_free(void *data, void *pointer) {
}

enum status parse_on_stack(const char *text, struct arena *arena,
                           PgQuery__ParseResult **result_out) {
    if (too_deep(text))
        return error_set(STATUS_STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text);
    enum status status = STATUS_OK;
    if (parsed.error != NULL) {
        status = error_set(
            strstr(parsed.error->message, "stack depth") != NULL     ? STATUS_STATEMENT_TOO_COMPLEX
            : strstr(parsed.error->message, "not supported") != NULL ? STATUS_FEATURE_NOT_SUPPORTED
                                                                     : STATUS_SYNTAX_ERROR,
            "%s", parsed.error->message);
        if (parsed.error->cursorpos > 0)
            error_position(parsed.error->cursorpos);
    } else {
        ProtobufCAllocator allocator = {unpack_alloc, unpack_free, arena};
        *result_out = pg_query__parse_result__unpack(&allocator, parsed.parse_tree.len,
                                                     (const uint8_t *)parsed.parse_tree.data);
        if (*result_out == NULL)
            status = error_set(STATUS_STATEMENT_TOO_COMPLEX, "statement is too large or too deep");
    }
    pg_query_free_protobuf_parse_result(parsed);
    return status;
}

struct parse_call {
    const char *text;
    struct arena *arena;
    PgQuery__ParseResult *result;
};

static enum status parse_call(void *argument) {
    struct parse_call *call = argument;
    return parse_on_stack(call->text, call->arena, &call->result);
}

enum status sql_parse(struct fiber *f, const char *text, struct arena *arena,
                      struct raw_statements *statements_out) {
    struct parse_call call = {.text = text, .arena = arena};
    TRY(fiber_on_large_stack(f, parse_call, &call));
    size_t count = call.result->n_stmts;
    *statements_out = (struct raw_statements){.count = count};
    if (count == 0)
        return STATUS_OK;
    statements_out->items = ARENA_ARRAY(arena, struct raw_statement, count);
    if (statements_out->items == NULL)
        return error_set(STATUS_LIMIT_EXCEEDED, "too many statements in one text");
    size_t text_size = strlen(text);
    for (size_t i = 0; i < count; i++) {
        const PgQuery__RawStmt *raw = call.result->stmts[i];
        size_t offset = (size_t)raw->stmt_location;
        size_t size = raw->stmt_len > 0 ? (size_t)raw->stmt_len : text_size - offset;
        while (size > 0 && strchr(" \t\r\n\f\v", text[offset]) != NULL)
            offset++, size--;
        while (size > 0 && strchr(" \t\r\n\f\v", text[offset + size - 1]) != NULL)
            size--;
        statements_out->items[i] =
            (struct raw_statement){.text = text, .offset = offset, .size = size, .node = raw->stmt};
    }
    return arena_status(arena);
}
