/* Expressions back to SQL, in the form PostgreSQL's pg_get_expr shows. */
#include <ctype.h>
#include <string.h>

#include "sql/bind.h"
#include "sql/sql_explain.h"

struct writer {
    struct buffer *buffer;
    const char *const *names;                /* of columns, to be quoted */
    const char *const *texts, *const *slots; /* of columns and slots, as they are */
    bool as_written; /* constants with the casts they came from; without casts that PostgreSQL,
                        which has operators of mixed widths, would not have made */
    unsigned depth;  /* of CASE */
};

static void write_expression(struct writer *w, const struct expression *expression);

static const struct operator* operator_of(const struct function *function) {
    for (size_t i = 0; i < operator_count(); i++)
        if (operator_at(i)->function_oid == function->oid)
            return operator_at(i);
    return NULL;
}

static void write_text(struct writer *w, const char *text) {
    buffer_append_text(w->buffer, text);
}

static void write_name(struct writer *w, const char *name) {
    identifier_append(w->buffer, slice_of_text(name));
}

/* character without a length means one character when it is read again. */
static const char *name_of(struct type type, char *room) {
    return type.id == TYPE_BPCHAR && type.modifier < 0 ? "bpchar" : type_name(type, room);
}

static void write_constant(struct writer *w, const struct expression *expression) {
    const struct value *value = &expression->value;
    char name[TYPE_NAME_SIZE];
    struct type shown = type_plain(value->type.id);
    if (value->is_null) {
        write_text(w, "NULL");
        if (value->type.id != TYPE_UNKNOWN)
            buffer_append_format(w->buffer, "::%s", name_of(shown, name));
        return;
    }
    static const struct value_context defaults;
    struct buffer text = {0};
    if (text_output(&defaults, value, &text) != STATUS_OK)
        error_clear();
    w->buffer->failed |= text.failed;
    struct slice slice = buffer_slice(&text);
    bool bare = (value->type.id == TYPE_INT4 || value->type.id == TYPE_NUMERIC) && slice.size > 0 &&
                isdigit(slice.data[0]);
    if (value->type.id == TYPE_BOOL) {
        write_text(w, value->boolean ? "true" : "false");
    } else if (bare) {
        buffer_append_slice(w->buffer, slice);
    } else {
        literal_append(w->buffer, slice);
        if (value->type.id != TYPE_UNKNOWN)
            buffer_append_format(w->buffer, "::%s", name_of(shown, name));
    }
    buffer_release(&text);
}

static void write_list(struct writer *w, uint32_t from, uint32_t count,
                       struct expression *const *items, const char *separator) {
    for (uint32_t i = from; i < count; i++) {
        if (i > from)
            write_text(w, separator);
        write_expression(w, items[i]);
    }
}

static bool is_integer(uint32_t type) {
    return type == TYPE_INT2 || type == TYPE_INT4 || type == TYPE_INT8;
}

static bool is_text(const char *text, const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, texts[i]) == 0)
            return true;
    return false;
}

/* Casts between what PostgreSQL compares and computes with as it is. */
static bool is_needless(const struct expression *parent, const struct expression *cast) {
    static const char *const arithmetic[] = {"+", "-", "*", "/"};
    if (cast->kind != EXPRESSION_CAST || cast->is_explicit)
        return false;
    const struct operator* infix = parent->function == NULL ? NULL : operator_of(parent->function);
    bool compares = parent->kind != EXPRESSION_CALL || infix == NULL ||
                    parent->function->comparison != COMPARISON_NONE;
    uint32_t from = cast->arguments[0]->type.id, to = cast->type.id;
    if (from == TYPE_DATE && to == TYPE_TIMESTAMP)
        return compares;
    return ((is_integer(from) && is_integer(to)) || (from == TYPE_FLOAT4 && to == TYPE_FLOAT8)) &&
           (compares || is_text(infix->name, arithmetic, 4));
}

static void write_operand(struct writer *w, const struct expression *parent,
                          const struct expression *operand) {
    while (w->as_written && operand->written != NULL)
        operand = operand->written;
    if (w->as_written && is_needless(parent, operand))
        operand = operand->arguments[0];
    /* The operators of text are those of varchar, behind a cast that PostgreSQL shows. */
    bool varchar = w->as_written && operand->type.id == TYPE_VARCHAR;
    write_text(w, varchar ? "(" : "");
    write_expression(w, operand);
    write_text(w, varchar ? ")::text" : "");
}

static void write_infix(struct writer *w, const char *symbol, const struct expression *expression) {
    write_text(w, "(");
    write_operand(w, expression, expression->arguments[0]);
    buffer_append_format(w->buffer, " %s ", symbol);
    write_operand(w, expression, expression->arguments[1]);
    write_text(w, ")");
}

/* An argument of a function, which may be one of text's. */
static void write_argument(struct writer *w, const struct expression *call, uint32_t argument) {
    const struct function *function = call->function;
    if (argument < function->argument_count && function->arguments[argument] == TYPE_TEXT &&
        function->shape == FUNCTION_SCALAR)
        write_operand(w, call, call->arguments[argument]);
    else
        write_expression(w, call->arguments[argument]);
}

static const struct own_grammar own_grammars[] = {
    {"extract", 2, {"EXTRACT(", " FROM "}, {0, 1}, ")", true},
    {"timezone", 2, {"(", " AT TIME ZONE "}, {1, 0}, ")", false},
    {"position", 2, {"POSITION((", ") IN ("}, {1, 0}, "))", false},
    {"substring", 2, {"SUBSTRING(", " FROM "}, {0, 1}, ")", false},
    {"substring", 3, {"SUBSTRING(", " FROM ", " FOR "}, {0, 1, 2}, ")", false},
    {"overlaps", 4, {"((", ", ", ") OVERLAPS (", ", "}, {0, 1, 2, 3}, "))", false},
    {"overlay", 3, {"OVERLAY(", " PLACING ", " FROM "}, {0, 1, 2}, ")", false},
    {"overlay", 4, {"OVERLAY(", " PLACING ", " FROM ", " FOR "}, {0, 1, 2, 3}, ")", false},
    {"btrim", 1, {"TRIM(BOTH FROM "}, {0}, ")", false},
    {"btrim", 2, {"TRIM(BOTH ", " FROM "}, {1, 0}, ")", false},
    {"ltrim", 1, {"TRIM(LEADING FROM "}, {0}, ")", false},
    {"ltrim", 2, {"TRIM(LEADING ", " FROM "}, {1, 0}, ")", false},
    {"rtrim", 1, {"TRIM(TRAILING FROM "}, {0}, ")", false},
    {"rtrim", 2, {"TRIM(TRAILING ", " FROM "}, {1, 0}, ")", false},
};

const struct own_grammar *own_grammar_of(const char *name, size_t count) {
    for (size_t i = 0; i < sizeof own_grammars / sizeof own_grammars[0]; i++)
        if (own_grammars[i].count == count && strcmp(own_grammars[i].name, name) == 0)
            return &own_grammars[i];
    return NULL;
}

static void write_own_grammar(struct writer *w, const struct own_grammar *own,
                              const struct expression *call) {
    for (uint32_t k = 0; k < own->count; k++) {
        const struct expression *argument = call->arguments[own->order[k]];
        write_text(w, own->before[k]);
        if (own->bare_first && k == 0 && argument->kind == EXPRESSION_CONSTANT)
            buffer_append_slice(w->buffer, argument->value.string);
        else
            write_argument(w, call, own->order[k]);
    }
    write_text(w, own->end);
}

static void write_call(struct writer *w, const struct expression *expression) {
    const struct operator* infix = operator_of(expression->function);
    if (infix != NULL && infix->left != 0 && expression->argument_count == 2) {
        write_infix(w, infix->name, expression);
        return;
    }
    if (infix != NULL && infix->left == 0 && expression->argument_count == 1) {
        buffer_append_format(w->buffer, "(%s ", infix->name);
        write_expression(w, expression->arguments[0]);
        write_text(w, ")");
        return;
    }
    const struct own_grammar *own = NULL;
    if (w->as_written && expression->sql_syntax)
        own = own_grammar_of(expression->function->name, expression->argument_count);
    if (own != NULL) {
        write_own_grammar(w, own, expression);
        return;
    }
    if (w->as_written)
        write_name(w, expression->function->name);
    else
        write_text(w, expression->function->name);
    write_text(w, "(");
    for (uint32_t i = 0; i < expression->argument_count; i++) {
        write_text(w, i > 0 ? ", " : "");
        write_argument(w, expression, i);
    }
    write_text(w, ")");
}

/* What is stored has a line for each arm, as pg_get_expr gives it. */
static void write_keyword(struct writer *w, const char *keyword) {
    if (!w->as_written) {
        buffer_append_format(w->buffer, " %s", keyword);
        return;
    }
    while (w->buffer->size > 0 && w->buffer->data[w->buffer->size - 1] == ' ')
        w->buffer->size--;
    buffer_append_format(w->buffer, "\n%*s%s", (int)w->depth * 4, "", keyword);
}

/* CASE x WHEN 1 ...: every condition is x = something. */
static bool is_simple_case(const struct expression *expression) {
    for (uint32_t i = 0; i + 1 < expression->argument_count; i += 2)
        if (expression->arguments[i]->kind != EXPRESSION_CALL ||
            expression->arguments[i]->argument_count != 2)
            return false;
    return expression->sql_syntax && expression->argument_count > 1;
}

static void write_case(struct writer *w, const struct expression *expression) {
    if (w->as_written)
        write_keyword(w, "CASE");
    else
        write_text(w, "CASE");
    bool simple = w->as_written && is_simple_case(expression);
    if (simple) {
        write_text(w, " ");
        write_operand(w, expression->arguments[0], expression->arguments[0]->arguments[0]);
    }
    w->depth++;
    uint32_t i = 0;
    for (; i + 1 < expression->argument_count; i += 2) {
        const struct expression *condition = expression->arguments[i];
        write_keyword(w, "WHEN ");
        if (simple)
            write_operand(w, condition, condition->arguments[1]);
        else
            write_expression(w, condition);
        write_text(w, " THEN ");
        write_expression(w, expression->arguments[i + 1]);
    }
    if (i < expression->argument_count) {
        write_keyword(w, "ELSE ");
        write_expression(w, expression->arguments[i]);
    }
    w->depth--;
    write_keyword(w, "END");
}

static void write_in(struct writer *w, const struct expression *expression) {
    const struct expression *first = expression->arguments[1];
    bool varchar =
        w->as_written && first->written != NULL && first->written->type.id == TYPE_VARCHAR;
    write_text(w, "(");
    write_operand(w, expression, expression->arguments[0]);
    write_text(w, expression->negated ? " <> ALL (" : " = ANY (");
    write_text(w, varchar ? "(ARRAY[" : "ARRAY[");
    write_list(w, 1, expression->argument_count, expression->arguments, ", ");
    write_text(w, varchar ? "])::text[]))" : "]))");
}

static void write_test(struct writer *w, const struct expression *expression) {
    static const char *const tests[] = {
        [TEST_NULL] = "IS NULL",       [TEST_NOT_NULL] = "IS NOT NULL",
        [TEST_TRUE] = "IS TRUE",       [TEST_NOT_TRUE] = "IS NOT TRUE",
        [TEST_FALSE] = "IS FALSE",     [TEST_NOT_FALSE] = "IS NOT FALSE",
        [TEST_UNKNOWN] = "IS UNKNOWN", [TEST_NOT_UNKNOWN] = "IS NOT UNKNOWN"};
    write_text(w, "(");
    write_expression(w, expression->arguments[0]);
    buffer_append_format(w->buffer, " %s)", tests[expression->test]);
}

static void write_cast(struct writer *w, const struct expression *expression) {
    char name[TYPE_NAME_SIZE];
    /* Between two forms of numeric there is nothing to see. */
    if (expression->arguments[0]->type.id == TYPE_NUMERIC && expression->type.id == TYPE_NUMERIC &&
        expression->type.modifier < 0) {
        write_expression(w, expression->arguments[0]);
        return;
    }
    write_text(w, "(");
    write_expression(w, expression->arguments[0]);
    struct type shown = expression->type;
    buffer_append_format(w->buffer, ")::%s", name_of(shown, name));
}

static void write_named_list(struct writer *w, const char *name,
                             const struct expression *expression) {
    buffer_append_format(w->buffer, "%s(", name);
    write_list(w, 0, expression->argument_count, expression->arguments, ", ");
    write_text(w, ")");
}

static void write_subplan(struct writer *w, const struct expression *expression) {
    const struct subplan *subplan = expression->subplan;
    static const char *const kinds[] = {
        [SUBPLAN_EXISTS] = "EXISTS ", [SUBPLAN_ANY] = "ANY ",    [SUBPLAN_ALL] = "ALL ",
        [SUBPLAN_ROW] = "",           [SUBPLAN_ARRAY] = "ARRAY", [SUBPLAN_SCALAR] = ""};
    if (subplan->left_count > 0) {
        const struct operator* operator= operator_of(subplan->functions[0]);
        bool row = subplan->left_count > 1;
        write_text(w, row ? "(ROW(" : "(");
        write_list(w, 0, subplan->left_count, subplan->left, ", ");
        buffer_append_format(w->buffer, "%s %s %s(SubPlan %u))", row ? ")" : "",
                             operator != NULL ? operator->name : "?", kinds[subplan->kind],
                             subplan->index + 1);
        return;
    }
    buffer_append_format(w->buffer, "%s(SubPlan %u)", kinds[subplan->kind], subplan->index + 1);
}

static void write_column(struct writer *w, uint32_t index) {
    if (w->texts != NULL && w->texts[index] != NULL)
        write_text(w, w->texts[index]);
    else if (w->names != NULL && w->names[index] != NULL && w->names[index][0] != '\0')
        write_name(w, w->names[index]);
    else
        buffer_append_format(w->buffer, "column%u", index + 1);
}

static void write_expression(struct writer *w, const struct expression *expression) {
    if (fiber_stack_left() < (64u << 10)) {
        write_text(w, "...");
        return;
    }
    while (w->as_written && expression->written != NULL)
        expression = expression->written;
    switch (expression->kind) {
    case EXPRESSION_CONSTANT:
        write_constant(w, expression);
        break;
    case EXPRESSION_COLUMN:
        write_column(w, expression->index);
        break;
    case EXPRESSION_VARIABLE:
        write_column(w, (uint32_t)(expression->variable.column - 1));
        break;
    case EXPRESSION_PARAMETER:
        buffer_append_format(w->buffer, "$%u", expression->index + 1);
        break;
    case EXPRESSION_SLOT:
        if (w->slots != NULL && w->slots[expression->index] != NULL)
            write_text(w, w->slots[expression->index]);
        else
            buffer_append_format(w->buffer, "outer%u", expression->index);
        break;
    case EXPRESSION_CALL:
        write_call(w, expression);
        break;
    case EXPRESSION_AND:
    case EXPRESSION_OR:
        write_text(w, "(");
        write_list(w, 0, expression->argument_count, expression->arguments,
                   expression->kind == EXPRESSION_AND ? " AND " : " OR ");
        write_text(w, ")");
        break;
    case EXPRESSION_NOT:
        write_text(w, "(NOT ");
        write_expression(w, expression->arguments[0]);
        write_text(w, ")");
        break;
    case EXPRESSION_TEST:
        write_test(w, expression);
        break;
    case EXPRESSION_DISTINCT:
        if (w->as_written && expression->negated) {
            write_text(w, "(NOT ");
            write_infix(w, "IS DISTINCT FROM", expression);
            write_text(w, ")");
            break;
        }
        write_infix(w, expression->negated ? "IS NOT DISTINCT FROM" : "IS DISTINCT FROM",
                    expression);
        break;
    case EXPRESSION_CASE:
        write_case(w, expression);
        break;
    case EXPRESSION_COALESCE:
        write_named_list(w, "COALESCE", expression);
        break;
    case EXPRESSION_GREATEST:
        write_named_list(w, "GREATEST", expression);
        break;
    case EXPRESSION_LEAST:
        write_named_list(w, "LEAST", expression);
        break;
    case EXPRESSION_NULLIF:
        write_text(w, "NULLIF(");
        write_list(w, 0, 2, expression->arguments, ", ");
        write_text(w, ")");
        break;
    case EXPRESSION_CAST:
        write_cast(w, expression);
        break;
    case EXPRESSION_IN:
        write_in(w, expression);
        break;
    case EXPRESSION_ANY:
    case EXPRESSION_ALL: {
        const struct operator* operator= operator_of(expression->function);
        write_text(w, "(");
        write_expression(w, expression->arguments[0]);
        buffer_append_format(w->buffer, " %s %s (", operator != NULL ? operator->name : "?",
                             expression->kind == EXPRESSION_ANY ? "ANY" : "ALL");
        write_expression(w, expression->arguments[1]);
        write_text(w, "))");
        break;
    }
    case EXPRESSION_ARRAY:
        write_text(w, "ARRAY[");
        write_list(w, 0, expression->argument_count, expression->arguments, ", ");
        write_text(w, "]");
        break;
    case EXPRESSION_ROW:
        write_named_list(w, "ROW", expression);
        break;
    case EXPRESSION_SUBSCRIPT:
        write_expression(w, expression->arguments[0]);
        for (uint32_t i = 1; i < expression->argument_count; i++) {
            write_text(w, "[");
            write_expression(w, expression->arguments[i]);
            write_text(w, "]");
        }
        break;
    case EXPRESSION_SUBPLAN:
        write_subplan(w, expression);
        break;
    case EXPRESSION_SPELLED:
        write_text(w, expression->name);
        break;
    default:
        write_text(w, "?");
        break;
    }
}

enum status expression_deparse(const struct expression *expression, const char *const *columns,
                               const char *const *slots, struct buffer *buffer) {
    struct writer w = {.buffer = buffer, .texts = columns, .slots = slots};
    write_expression(&w, expression);
    return buffer_status(buffer);
}

enum status bind_canonical(struct binder *b, const struct expression *expression,
                           const char *const *names, const char **text_out) {
    struct buffer buffer = {0};
    struct writer w = {.buffer = &buffer, .names = names, .as_written = true};
    write_expression(&w, expression);
    enum status status = buffer_status(&buffer);
    if (status == STATUS_OK)
        *text_out = arena_format(b->arena, "%.*s", (int)buffer.size, (const char *)buffer.data);
    buffer_release(&buffer);
    return status;
}
