/*
 * The text of a view's parse tree.
 *
 * libpg_query turns trees into text, and leaves parentheses out that it takes for needless, some of
 * which are not: of `true >= (a is null)`, `(array[1, 2])[1]`, `(a + b) at time zone 'UTC'`. So
 * operands in such places are wrapped: each becomes the argument of a function whose name is one
 * byte that no text has, and when that name is taken out of the text again, the parentheses of the
 * call stay. What remains is proved: the text is parsed, and must give the tree that it was made
 * from, locations aside. A text that means something else is refused.
 */
#include <pg_query.h>
#include <string.h>

#include "sql/bind.h"

#define WRAPPER "\"\1\""

struct wrapped_slot {
    struct wrapped_slot *next;
    parse_node **slot;
    parse_node *operand;
};

struct wrapping {
    struct binder *b;
    struct wrapped_slot *slots;
};

/* ---- any message ------------------------------------------------------------------------ */

/* The messages of a field: an array and its length. */
static ProtobufCMessage **messages_of(const ProtobufCMessage *message,
                                      const ProtobufCFieldDescriptor *field, size_t *count_out) {
    uint8_t *at = (uint8_t *)(uintptr_t)message + field->offset;
    const uint8_t *quantifier = (const uint8_t *)message + field->quantifier_offset;
    *count_out = 0;
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return NULL;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        memcpy(count_out, quantifier, sizeof *count_out);
        return *(ProtobufCMessage ***)(void *)at;
    }
    uint32_t chosen = field->id;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        memcpy(&chosen, quantifier, sizeof chosen);
    ProtobufCMessage **single = (ProtobufCMessage **)(void *)at;
    *count_out = chosen == field->id && *single != NULL;
    return single;
}

static bool same_text(const char *a, const char *b) {
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool same_scalar(const ProtobufCFieldDescriptor *field, const uint8_t *a, const uint8_t *b) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return same_text(*(char *const *)(const void *)a, *(char *const *)(const void *)b);
    case PROTOBUF_C_TYPE_BOOL:
        return memcmp(a, b, sizeof(protobuf_c_boolean)) == 0;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return memcmp(a, b, 8) == 0;
    default: /* enumerations and 32-bit numbers */
        return memcmp(a, b, 4) == 0;
    }
}

/* Where it stands in its text does not matter. */
static bool is_location(const ProtobufCFieldDescriptor *field) {
    static const char *const names[] = {"location", "stmt_location", "stmt_len"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(field->name, names[i]) == 0)
            return true;
    return false;
}

static enum status compare(struct binder *b, const ProtobufCMessage *left,
                           const ProtobufCMessage *right, bool *same) {
    TRY(bind_stack_check(b));
    *same = left->descriptor == right->descriptor;
    for (unsigned i = 0; *same && i < left->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &left->descriptor->fields[i];
        if (is_location(field))
            continue;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
            *same = field->label == PROTOBUF_C_LABEL_REPEATED ||
                    same_scalar(field, (const uint8_t *)left + field->offset,
                                (const uint8_t *)right + field->offset);
            continue;
        }
        size_t left_count, right_count;
        ProtobufCMessage **lefts = messages_of(left, field, &left_count);
        ProtobufCMessage **rights = messages_of(right, field, &right_count);
        *same = left_count == right_count;
        for (size_t k = 0; *same && k < left_count; k++)
            TRY(compare(b, lefts[k], rights[k], same));
    }
    return STATUS_OK;
}

/* ---- parentheses ------------------------------------------------------------------------ */

/* Binds less than any operator that it may be an operand of, or reads so. */
static bool is_loose(const parse_node *node) {
    if (node == NULL)
        return false;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_NULL_TEST:
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
    case PG_QUERY__NODE__NODE_BOOL_EXPR:
        return true;
    case PG_QUERY__NODE__NODE_A_EXPR:
        return node->a_expr->kind != PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF;
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return node->func_call->funcformat == PG_QUERY__COERCION_FORM__COERCE_SQL_SYNTAX;
    default:
        return false;
    }
}

static void wrap(struct wrapping *w, parse_node **slot) {
    struct binder *b = w->b;
    struct wrapped_slot *wrapped = ARENA_NEW(b->arena, struct wrapped_slot);
    *wrapped = (struct wrapped_slot){w->slots, slot, *slot};
    w->slots = wrapped;
    parse_node *nodes = arena_alloc(b->arena, 2 * sizeof *nodes);
    parse_node **lists = arena_alloc(b->arena, 2 * sizeof *lists);
    PgQuery__FuncCall *call = ARENA_NEW(b->arena, PgQuery__FuncCall);
    PgQuery__String *name = ARENA_NEW(b->arena, PgQuery__String);
    pg_query__node__init(&nodes[0]);
    pg_query__node__init(&nodes[1]);
    pg_query__func_call__init(call);
    pg_query__string__init(name);
    name->sval = arena_copy_text(b->arena, "\1");
    nodes[1].node_case = PG_QUERY__NODE__NODE_STRING;
    nodes[1].string = name;
    lists[0] = &nodes[1];
    lists[1] = *slot;
    call->funcname = &lists[0];
    call->n_funcname = 1;
    call->args = &lists[1];
    call->n_args = 1;
    call->funcformat = PG_QUERY__COERCION_FORM__COERCE_EXPLICIT_CALL;
    nodes[0].node_case = PG_QUERY__NODE__NODE_FUNC_CALL;
    nodes[0].func_call = call;
    *slot = &nodes[0];
}

static void wrap_loose(struct wrapping *w, parse_node **slot) {
    if (is_loose(*slot))
        wrap(w, slot);
}

static void wrap_operands(struct wrapping *w, parse_node *node) {
    parse_node *subscripted;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_A_EXPR:
        wrap_loose(w, &node->a_expr->lexpr);
        wrap_loose(w, &node->a_expr->rexpr);
        break;
    case PG_QUERY__NODE__NODE_NULL_TEST:
        wrap_loose(w, &node->null_test->arg);
        break;
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
        wrap_loose(w, &node->boolean_test->arg);
        break;
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        wrap_loose(w, &node->type_cast->arg);
        break;
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
        wrap_loose(w, &node->collate_clause->arg);
        break;
    case PG_QUERY__NODE__NODE_SUB_LINK:
        wrap_loose(w, &node->sub_link->testexpr);
        break;
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        for (size_t i = 0; i < node->func_call->n_args; i++)
            if (node->func_call->funcformat == PG_QUERY__COERCION_FORM__COERCE_SQL_SYNTAX)
                wrap_loose(w, &node->func_call->args[i]);
        break;
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
        subscripted = node->a_indirection->arg;
        if (!NODE_IS(subscripted, COLUMN_REF) && !NODE_IS(subscripted, PARAM_REF))
            wrap(w, &node->a_indirection->arg);
        break;
    default:
        break;
    }
}

/* Operands before their operator: what is wrapped is not walked again. */
static enum status wrap_all(struct wrapping *w, ProtobufCMessage *message) {
    TRY(bind_stack_check(w->b));
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        size_t count;
        ProtobufCMessage **messages = messages_of(message, &message->descriptor->fields[i], &count);
        for (size_t k = 0; k < count; k++)
            TRY(wrap_all(w, messages[k]));
    }
    if (message->descriptor == &pg_query__node__descriptor)
        wrap_operands(w, (parse_node *)(void *)message);
    return STATUS_OK;
}

/* ---- text ------------------------------------------------------------------------------- */

static enum status deparse(struct binder *b, parse_node *node, char **text_out) {
    PgQuery__RawStmt raw = PG_QUERY__RAW_STMT__INIT, *raws[1] = {&raw};
    PgQuery__ParseResult tree = PG_QUERY__PARSE_RESULT__INIT;
    raw.stmt = node;
    tree.n_stmts = 1;
    tree.stmts = raws;
    PgQueryProtobuf packed = {.len = pg_query__parse_result__get_packed_size(&tree)};
    TRY(bind_alloc(b, packed.len, 1, &packed.data));
    pg_query__parse_result__pack(&tree, (uint8_t *)packed.data);
    PgQueryDeparseResult result = pg_query_deparse_protobuf(packed);
    enum status status = STATUS_OK;
    if (result.error != NULL)
        status = error_set(STATUS_FEATURE_NOT_SUPPORTED, "this query cannot be kept as a view: %s",
                           result.error->message);
    else
        *text_out = arena_copy_text(b->arena, result.query);
    pg_query_free_deparse_result(result);
    return status;
}

static void take_out_wrappers(char *text) {
    char *out = text;
    while (*text != '\0') {
        if (strncmp(text, WRAPPER, sizeof WRAPPER - 1) == 0)
            text += sizeof WRAPPER - 1;
        else
            *out++ = *text++;
    }
    *out = '\0';
}

enum status bind_view_text(struct binder *b, parse_node *node, const char **text_out) {
    struct wrapping w = {.b = b};
    char *text = NULL;
    enum status status = wrap_all(&w, &node->base);
    if (status == STATUS_OK)
        status = deparse(b, node, &text);
    for (struct wrapped_slot *at = w.slots; at != NULL; at = at->next)
        *at->slot = at->operand;
    TRY(status);
    take_out_wrappers(text);
    PgQuery__ParseResult *parsed;
    bool same = parse_on_stack(text, b->arena, &parsed) == STATUS_OK && parsed->n_stmts == 1;
    if (!same)
        error_clear();
    else
        TRY(compare(b, &node->base, &parsed->stmts[0]->stmt->base, &same));
    if (!same)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "this query cannot be kept as a view: its text would mean another query");
    *text_out = text;
    return STATUS_OK;
}
