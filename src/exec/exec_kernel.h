/*
 * Kernels: what computes one function over the rows of a batch. Private to exec.
 *
 * There are two shapes. A vector kernel gets whole vectors and writes a whole vector; arithmetic,
 * comparisons and what scans spend their time in are such. A boxed kernel gets one row's values
 * and gives one value; the adapter in exec_function.c makes a vector kernel of it, with NULLs of
 * strict functions, constants and dictionaries taken care of.
 *
 * Each exec_fn_*.c file ends with a table of { symbol, kernel }, symbols being those of
 * sql/functions.def; exec_function.c finds them by name once per process.
 */
#ifndef EXEC_KERNEL_H
#define EXEC_KERNEL_H

#include "exec/exec.h"
#include "value/value_array.h"
#include "value/value_datetime.h"
#include "value/value_numeric.h"
#include "value/value_text.h"

struct exec_local;

/* One call of a function in an expression. expression->type is the result's type, its arguments
   have the types of theirs. */
struct kernel_call {
    struct fiber *f; /* NULL while folding: nothing may suspend then */
    const struct exec_environment *environment;
    struct exec_local *local;
    const struct expression *expression;
    struct arena *arena; /* for results; lives until the next batch */
    void **memory;       /* see exec__call_memory */
};

/* A pointer that belongs to this place of the plan, NULL at first: a compiled pattern ...  Allocate
   it in exec__local_arena(call->local). */
void **exec__call_memory(struct kernel_call *call);
struct arena *exec__local_arena(struct exec_local *local);

/* Vector kernel: for each of rows[0..count) write result row rows[i]. `result` is flat, all valid
   and as long as the batch; it may be written at rows that do not count. When every argument is a
   constant, count is 1 and rows[0] is 0. Strict kernels are called with arguments whose NULLs have
   been put into the result's validity already; they may compute NULL rows but must not fail for
   them: they ask vector_is_null(result, row) before they report an error. */
typedef enum status (*vector_kernel)(struct kernel_call *call, const struct vector *arguments,
                                     const uint16_t *rows, uint32_t count, struct vector *result);
/* Boxed kernel: *result comes as a value of the call's result type, not null, zeroed. */
typedef enum status (*boxed_kernel)(struct kernel_call *call, const struct value *arguments,
                                    struct value *result);
/* Boxed set-returning kernel: called again and again, state in *memory (starts NULL, allocated in
   call->arena), until *done. Of a function with columns, *result is the first of as many values. */
typedef enum status (*set_kernel)(struct kernel_call *call, const struct value *arguments,
                                  void **memory, struct value *result, bool *done);

struct kernel_entry {
    const char *symbol;
    vector_kernel vector;
    boxed_kernel boxed;
    set_kernel set;
};

#define BOXED(symbol)                                                                              \
    { #symbol, NULL, exec_fn_##symbol, NULL }
#define VECTOR(symbol)                                                                             \
    { #symbol, exec_fn_##symbol, NULL, NULL }
#define SET_RETURNING(symbol)                                                                      \
    { #symbol, NULL, NULL, exec_fn_##symbol }
#define BOXED_FUNCTION(symbol)                                                                     \
    static enum status exec_fn_##symbol(struct kernel_call *call, const struct value *arguments,   \
                                        struct value *result)
#define VECTOR_FUNCTION(symbol)                                                                    \
    static enum status exec_fn_##symbol(struct kernel_call *call, const struct vector *arguments,  \
                                        const uint16_t *rows, uint32_t count,                      \
                                        struct vector *result)
#define SET_FUNCTION(symbol)                                                                       \
    static enum status exec_fn_##symbol(struct kernel_call *call, const struct value *arguments,   \
                                        void **memory, struct value *result, bool *done)

struct kernel_table {
    const struct kernel_entry *entries;
    size_t count;
};
#define KERNEL_TABLE(name, entries_array)                                                          \
    const struct kernel_table name = {entries_array,                                               \
                                      sizeof entries_array / sizeof entries_array[0]};

extern const struct kernel_table exec__kernels_arithmetic, exec__kernels_numeric,
    exec__kernels_math, exec__kernels_string, exec__kernels_pattern, exec__kernels_datetime,
    exec__kernels_array, exec__kernels_catalog, exec__kernels_session, exec__kernels_set,
    exec__kernels_format, exec__kernels_bytes, exec__kernels_drive;

/* NULL when no kernel of that symbol exists. */
const struct kernel_entry *exec__kernel_find(const char *symbol);

/* Does the order of two values satisfy the comparison? */
static inline bool comparison_holds(enum comparison how, int order) {
    switch (how) {
    case COMPARISON_EQ:
        return order == 0;
    case COMPARISON_NE:
        return order != 0;
    case COMPARISON_LT:
        return order < 0;
    case COMPARISON_LE:
        return order <= 0;
    case COMPARISON_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}
/* Order of two values that are not NULL, numerics in any two forms. */
int exec__value_order(const struct value *a, const struct value *b);

/* Booleans into result (as a strict vector kernel). */
void exec__compare(enum comparison how, const struct vector *a, const struct vector *b,
                   const uint16_t *rows, uint32_t count, struct vector *result);
/* Rows of rows[0..count) for which the comparison is true, in order, into out (may be `rows`).
   Returns how many. NULLs are not true. */
uint32_t exec__compare_select(enum comparison how, const struct vector *a, const struct vector *b,
                              const uint16_t *rows, uint32_t count, uint16_t *out);

/* ---- helpers for boxed kernels ----------------------------------------------------------- */

static inline enum status return_null(struct value *result) {
    result->is_null = true;
    return STATUS_OK;
}
static inline enum status return_text(struct value *result, struct slice text) {
    result->string = text;
    return STATUS_OK;
}
static inline enum status return_c_text(struct value *result, const char *text) {
    return return_text(result, slice_of_text(text));
}
/* Copy a finished buffer into the call's arena and release it. */
enum status exec__return_buffer(struct kernel_call *call, struct buffer *buffer,
                                struct value *result);
/* Room for a result string; OUT_OF_MEMORY. */
enum status exec__result_bytes(struct kernel_call *call, size_t size, uint8_t **bytes_out) MUST_USE;
/* The text of a value as the client would see it. */
enum status exec__value_text(struct kernel_call *call, const struct value *value,
                             struct slice *text_out) MUST_USE;
const struct timezone *exec__timezone(const struct kernel_call *call);
char *exec__c_text(struct kernel_call *call, struct slice text);

#endif
