#include "base/base_status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *sqlstate, *text;
} statuses[] = {
#define STATUS_ROW(name, sqlstate, text) {#name, sqlstate, text},
    STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

enum { STATUS_COUNT = sizeof statuses / sizeof statuses[0] };

static _Thread_local struct error thread_error;
static _Thread_local struct error *slot;

const char *status_name(enum status status) {
    ASSERT((unsigned)status < STATUS_COUNT);
    return statuses[status].name;
}

const char *status_sqlstate(enum status status) {
    ASSERT((unsigned)status < STATUS_COUNT);
    return statuses[status].sqlstate;
}

const char *status_text(enum status status) {
    ASSERT((unsigned)status < STATUS_COUNT);
    return statuses[status].text;
}

/* Never inlined: the address of a thread-local must not be kept across a fiber switch. */
__attribute__((noinline)) struct error *error_current(void) {
    return slot != NULL ? slot : &thread_error;
}

__attribute__((noinline)) void error_slot_set(struct error *new_slot) {
    slot = new_slot;
}

void error_clear(void) {
    struct error *error = error_current();
    error->status = STATUS_OK;
    error->position = error->batch_row = 0;
    error->message[0] = error->detail[0] = error->hint[0] = error->context[0] = '\0';
    error->schema[0] = error->table[0] = error->column[0] = error->constraint[0] = '\0';
}

/* Cut a text that vsnprintf truncated back to whole UTF-8 characters. */
static void cut_to_whole_characters(char *text) {
    size_t length = strlen(text);
    size_t start = length;
    while (start > 0 && length - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (length - (start - 1) < want)
        text[start - 1] = '\0';
}

static void format_into(char *text, size_t size, const char *format, va_list arguments) {
    int length = vsnprintf(text, size, format, arguments);
    if (length < 0)
        text[0] = '\0';
    else if ((size_t)length >= size)
        cut_to_whole_characters(text);
}

#undef error_set
enum status error_set(enum status status, const char *format, ...) {
    ASSERT(status != STATUS_OK);
    struct error *error = error_current();
    char message[ERROR_MESSAGE_SIZE]; /* the arguments may point into the slot */
    va_list arguments;
    va_start(arguments, format);
    format_into(message, sizeof message, format, arguments);
    va_end(arguments);
    error_clear();
    error->status = status;
    memcpy(error->message, message, sizeof message);
    return status;
}

static void copy_name(char *field, const char *name) {
    snprintf(field, ERROR_NAME_SIZE, "%s", name != NULL ? name : "");
}

void error_relation(const char *schema, const char *table, const char *column,
                    const char *constraint) {
    struct error *error = error_current();
    copy_name(error->schema, schema);
    copy_name(error->table, table);
    copy_name(error->column, column);
    copy_name(error->constraint, constraint);
}

#define DEFINE_ADD(function, field)                                                                \
    void function(const char *format, ...) {                                                       \
        struct error *error = error_current();                                                     \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        format_into(error->field, sizeof error->field, format, arguments);                         \
        va_end(arguments);                                                                         \
    }
DEFINE_ADD(error_detail, detail)
DEFINE_ADD(error_hint, hint)
DEFINE_ADD(error_context, context)
#undef DEFINE_ADD

void error_batch_row(uint32_t row) {
    error_current()->batch_row = (int)row + 1;
}

void error_position(int position) {
    struct error *error = error_current();
    if (error->position == 0)
        error->position = position;
}

_Noreturn void assert_failed(const char *expression, const char *file, int line) {
    fprintf(stderr, "satori: assertion failed: %s (%s:%d)\n", expression, file, line);
    abort();
}
