/* Aligned and expanded tables, in psql's shape. */
#include <stdlib.h>
#include <string.h>

#include "server/shell.h"
#include "value/value_type.h"

bool shell__type_is_number(unsigned type_oid) {
    switch (type_oid) {
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
    case TYPE_NUMERIC:
    case TYPE_OID:
    case TYPE_XID:
    case TYPE_CID:
        return true;
    default:
        return false;
    }
}

void shell__clear_result(struct shell *shell) {
    struct shell_result *result = &shell->result;
    for (size_t i = 0; i < result->column_count; i++)
        free(result->names[i]);
    for (size_t i = 0; i < result->row_count * result->column_count; i++)
        free(result->cells[i]);
    free(result->names);
    free(result->right_aligned);
    free(result->cells);
    *result = (struct shell_result){0};
}

/* Characters of one line of UTF-8. */
static size_t width_of(const char *text, size_t size) {
    size_t width = 0;
    for (size_t i = 0; i < size; i++)
        width += ((unsigned char)text[i] & 0xC0) != 0x80;
    return width;
}

static size_t line_size(const char *text) {
    return strcspn(text, "\n");
}

/* Width of the widest line of a cell. */
static size_t cell_width(const char *text) {
    size_t width = 0;
    while (text != NULL) {
        size_t size = line_size(text), here = width_of(text, size);
        width = here > width ? here : width;
        text = text[size] == '\n' ? text + size + 1 : NULL;
    }
    return width;
}

static void spaces(size_t count) {
    printf("%*s", (int)count, "");
}

static void print_row_line(const struct shell_result *result, const size_t *widths,
                           const char **rest) {
    for (size_t i = 0; i < result->column_count; i++) {
        const char *text = rest[i] != NULL ? rest[i] : "";
        size_t size = line_size(text), pad = widths[i] - width_of(text, size);
        bool more = rest[i] != NULL && text[size] == '\n', last = i + 1 == result->column_count;
        putchar(' ');
        if (result->right_aligned[i])
            spaces(pad);
        printf("%.*s", (int)size, text);
        if (!result->right_aligned[i] && (!last || more))
            spaces(pad);
        if (more)
            putchar('+');
        else if (!last)
            putchar(' ');
        if (!last)
            putchar('|');
        rest[i] = more ? text + size + 1 : NULL;
    }
    putchar('\n');
}

static void print_aligned(const struct shell_result *result) {
    size_t widths[result->column_count + 1];
    const char *rest[result->column_count + 1];
    for (size_t i = 0; i < result->column_count; i++) {
        widths[i] = cell_width(result->names[i]);
        for (size_t row = 0; row < result->row_count; row++) {
            size_t width = cell_width(result->cells[row * result->column_count + i]);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    for (size_t i = 0; i < result->column_count; i++) {
        size_t pad = widths[i] - cell_width(result->names[i]);
        putchar(' ');
        spaces(pad / 2);
        printf("%s", result->names[i]);
        spaces(pad - pad / 2);
        printf(i + 1 < result->column_count ? " |" : " ");
    }
    putchar('\n');
    for (size_t i = 0; i < result->column_count; i++) {
        for (size_t dash = 0; dash < widths[i] + 2; dash++)
            putchar('-');
        if (i + 1 < result->column_count)
            putchar('+');
    }
    putchar('\n');
    for (size_t row = 0; row < result->row_count; row++) {
        bool more = true;
        for (size_t i = 0; i < result->column_count; i++)
            rest[i] = result->cells[row * result->column_count + i];
        while (more) {
            print_row_line(result, widths, rest);
            more = false;
            for (size_t i = 0; i < result->column_count; i++)
                more |= rest[i] != NULL;
        }
    }
    printf("(%zu row%s)\n\n", result->row_count, result->row_count == 1 ? "" : "s");
}

static void print_expanded(const struct shell_result *result) {
    size_t names = 0;
    for (size_t i = 0; i < result->column_count; i++) {
        size_t width = cell_width(result->names[i]);
        names = width > names ? width : names;
    }
    if (result->row_count == 0)
        printf("(0 rows)\n");
    for (size_t row = 0; row < result->row_count; row++) {
        printf("-[ RECORD %zu ]\n", row + 1);
        for (size_t i = 0; i < result->column_count; i++) {
            const char *text = result->cells[row * result->column_count + i];
            printf("%s", result->names[i]);
            spaces(names - cell_width(result->names[i]));
            printf(" | %s\n", text != NULL ? text : "");
        }
    }
    putchar('\n');
}

void shell__print_result(struct shell *shell) {
    if (shell->expanded)
        print_expanded(&shell->result);
    else
        print_aligned(&shell->result);
    shell__clear_result(shell);
}
