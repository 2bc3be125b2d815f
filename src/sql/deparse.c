/* Expressions back to SQL, in the form PostgreSQL's pg_get_expr shows. */
#include <ctype.h>
#include <string.h>

#include "sql/bind.h"
#include "sql/sql_explain.h"

struct writer {
    struct buffer *buffer;
    const char *const *names;
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

static void write_quoted(struct writer *w, struct slice text) {
    buffer_append_byte(w->buffer, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'')
            buffer_append_byte(w->buffer, '\'');
        buffer_append_byte(w->buffer, text.data[i]);
    }
    buffer_append_byte(w->buffer, '\'');
}

static bool is_plain_name(const char *name) {
    if (!(islower((unsigned char)*name) || *name == '_'))
        return false;
    for (; *name != '\0'; name++)
        if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

static void write_name(struct writer *w, const char *name) {
    if (is_plain_name(name)) {
        write_text(w, name);
        return;
    }
    buffer_append_byte(w->buffer, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            buffer_append_byte(w->buffer, '"');
        buffer_append_byte(w->buffer, (uint8_t)*name);
    }
    buffer_append_byte(w->buffer, '"');
}

/* character without a length means one character when it is read again. */
static const char *name_of(struct type type, char *room) {
    return type.id == TYPE_BPCHAR && type.modifier < 0 ? "bpchar" : type_name(type, room);
}

static void write_constant(struct writer *w, const struct expression *expression) {
    const struct value *value = &expression->value;
    char name[TYPE_NAME_SIZE];
    struct type shown = type_plain(value->type.id);
    if (w->as_written && expression->written != NULL) {
        write_expression(w, expression->written);
        return;
    }
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
    struct slice slice = buffer_slice(&text);
    bool bare = (value->type.id == TYPE_INT4 || value->type.id == TYPE_NUMERIC) && slice.size > 0 &&
                isdigit(slice.data[0]);
    if (value->type.id == TYPE_BOOL) {
        write_text(w, value->boolean ? "true" : "false");
    } else if (bare) {
        buffer_append_slice(w->buffer, slice);
    } else {
        write_quoted(w, slice);
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

/* Casts between what PostgreSQL compares and computes with as it is. */
static bool is_needless(const struct expression *cast) {
    if (cast->kind != EXPRESSION_CAST || cast->is_explicit)
        return false;
    uint32_t from = cast->arguments[0]->type.id, to = cast->type.id;
    return (is_integer(from) && is_integer(to)) || (from == TYPE_FLOAT4 && to == TYPE_FLOAT8) ||
           (from == TYPE_DATE && to == TYPE_TIMESTAMP);
}

static void write_operand(struct writer *w, const struct expression *operand) {
    if (w->as_written && operand->written != NULL)
        operand = operand->written;
    if (w->as_written && is_needless(operand))
        operand = operand->arguments[0];
    /* The operators of text are those of varchar, behind a cast that PostgreSQL shows. */
    bool varchar = w->as_written && operand->type.id == TYPE_VARCHAR;
    write_text(w, varchar ? "(" : "");
    write_expression(w, operand);
    write_text(w, varchar ? ")::text" : "");
}

static void write_infix(struct writer *w, const char *symbol, const struct expression *expression) {
    write_text(w, "(");
    write_operand(w, expression->arguments[0]);
    buffer_append_format(w->buffer, " %s ", symbol);
    write_operand(w, expression->arguments[1]);
    write_text(w, ")");
}

static void write_call(struct writer *w, const struct expression *expression) {
    const struct operator* operator= operator_of(expression->function);
    if (operator!= NULL && operator->left != 0 && expression->argument_count == 2) {
        write_infix(w, operator->name, expression);
        return;
    }
    if (operator!= NULL && operator->left == 0 && expression->argument_count == 1) {
        buffer_append_format(w->buffer, "(%s ", operator->name);
        write_expression(w, expression->arguments[0]);
        write_text(w, ")");
        return;
    }
    write_text(w, expression->function->name);
    write_text(w, "(");
    for (uint32_t i = 0; i < expression->argument_count; i++) {
        bool text = i < expression->function->argument_count &&
                    expression->function->arguments[i] == TYPE_TEXT &&
                    expression->function->shape == FUNCTION_SCALAR;
        write_text(w, i > 0 ? ", " : "");
        if (text)
            write_operand(w, expression->arguments[i]);
        else
            write_expression(w, expression->arguments[i]);
    }
    write_text(w, ")");
}

/* What is stored has a line for each arm, as pg_get_expr gives it. */
static void write_keyword(struct writer *w, const char *keyword) {
    if (!w->as_written) {
        buffer_append_format(w->buffer, " %s", keyword);
        return;
    }
    buffer_append_format(w->buffer, "\n%*s%s", (int)w->depth * 4, "", keyword);
}

static void write_case(struct writer *w, const struct expression *expression) {
    if (w->as_written)
        write_keyword(w, "CASE");
    else
        write_text(w, "CASE");
    w->depth++;
    uint32_t i = 0;
    for (; i + 1 < expression->argument_count; i += 2) {
        write_keyword(w, "WHEN ");
        write_expression(w, expression->arguments[i]);
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
    write_text(w, "(");
    write_operand(w, expression->arguments[0]);
    write_text(w, expression->negated ? " <> ALL (ARRAY[" : " = ANY (ARRAY[");
    write_list(w, 1, expression->argument_count, expression->arguments, ", ");
    write_text(w, "]))");
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
    static const char *const kinds[] = {"", "EXISTS ", "", "", "ARRAY"};
    if (subplan->left_count > 0) {
        write_text(w, "(");
        write_list(w, 0, subplan->left_count, subplan->left, ", ");
        buffer_append_format(w->buffer, " %s (SubPlan %u))",
                             subplan->kind == SUBPLAN_ANY ? "= ANY" : "ALL", subplan->index + 1);
        return;
    }
    buffer_append_format(w->buffer, "%s(SubPlan %u)", kinds[subplan->kind], subplan->index + 1);
}

static void write_column(struct writer *w, uint32_t index) {
    if (w->names != NULL && w->names[index] != NULL && w->names[index][0] != '\0')
        write_name(w, w->names[index]);
    else
        buffer_append_format(w->buffer, "column%u", index + 1);
}

static void write_expression(struct writer *w, const struct expression *expression) {
    if (fiber_stack_left() < (64u << 10)) {
        write_text(w, "...");
        return;
    }
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
    default:
        write_text(w, "?");
        break;
    }
}

enum status expression_deparse(const struct expression *expression, const char *const *names,
                               struct buffer *buffer) {
    struct writer w = {.buffer = buffer, .names = names};
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
