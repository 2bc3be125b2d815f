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

/* What libpg_query's writing of the tree takes for each level of parse_depth(), measured over 40
   kinds of nesting: 360 bytes for an operator, 184 for a union, up to 532 for a subquery. Reading
   it back takes five times as much, but asks for memory on the way and can be told to stop. */
enum { STACK_PER_LEVEL = 600, STACK_RESERVE = 80 << 10 };

static void *unpack_alloc(void *data, size_t size) {
    return fiber_stack_left() < STACK_RESERVE ? NULL : arena_alloc(data, size);
}
static void unpack_free(void *data, void *pointer) {
}

/* libpg_query hands on PostgreSQL's messages, but not their SQLSTATEs. */
static enum status kind_of(const char *message) {
    static const struct {
        const char *part;
        enum status status;
    } kinds[] = {
        {"stack depth", STATUS_STATEMENT_TOO_COMPLEX},
        {"not supported", STATUS_FEATURE_NOT_SUPPORTED},
        {"invalid byte sequence", STATUS_CHARACTER_NOT_IN_REPERTOIRE},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strstr(message, kinds[i].part) != NULL)
            return kinds[i].status;
    return STATUS_SYNTAX_ERROR;
}

enum status parse_on_stack(const char *text, struct arena *arena,
                           PgQuery__ParseResult **result_out) {
    size_t stack_left = fiber_stack_left();
    if (stack_left < STACK_RESERVE ||
        (stack_left - STACK_RESERVE) / STACK_PER_LEVEL < parse_depth(text))
        return error_set(STATUS_STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text);
    enum status status = STATUS_OK;
    if (parsed.error != NULL) {
        status = error_set(kind_of(parsed.error->message), "%s", parsed.error->message);
        if (parsed.error->cursorpos > 0)
            error_position(parsed.error->cursorpos);
    } else {
        ProtobufCAllocator allocator = {unpack_alloc, unpack_free, arena};
        *result_out = pg_query__parse_result__unpack(&allocator, parsed.parse_tree.len,
                                                     (const uint8_t *)parsed.parse_tree.data);
        if (*result_out == NULL)
            status = error_set(STATUS_STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
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
