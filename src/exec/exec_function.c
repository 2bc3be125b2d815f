/* Finding kernels by symbol, and small helpers that kernels share. */
#include <stdatomic.h>
#include <string.h>

#include "exec/exec_state.h"

static const struct kernel_table *const tables[] = {
    &exec__kernels_arithmetic, &exec__kernels_numeric, &exec__kernels_math,
    &exec__kernels_string,     &exec__kernels_pattern, &exec__kernels_datetime,
    &exec__kernels_array,      &exec__kernels_catalog, &exec__kernels_session,
    &exec__kernels_set,        &exec__kernels_format,  &exec__kernels_bytes,
    &exec__kernels_drive,
};

/* Open addressing by the symbol's hash. Filled by whoever comes first; every core would write the
   same pointers, so racing fillers do no harm. */
enum { SLOTS = 2048 };
static _Atomic(const struct kernel_entry *) slots[SLOTS];
static atomic_bool filled;

static uint32_t slot_of(const char *symbol) {
    uint32_t hash = 2166136261u;
    for (; *symbol != 0; symbol++)
        hash = (hash ^ (uint8_t)*symbol) * 16777619u;
    return hash % SLOTS;
}

static void insert(const struct kernel_entry *entry) {
    for (uint32_t at = slot_of(entry->symbol);; at = (at + 1) % SLOTS) {
        const struct kernel_entry *expected = NULL;
        if (atomic_compare_exchange_strong(&slots[at], &expected, entry) || expected == entry)
            return;
        ASSERT(strcmp(expected->symbol, entry->symbol) != 0);
    }
}

const struct kernel_entry *exec__kernel_find(const char *symbol) {
    if (!atomic_load_explicit(&filled, memory_order_acquire)) {
        for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
            for (size_t i = 0; i < tables[t]->count; i++)
                insert(&tables[t]->entries[i]);
        atomic_store_explicit(&filled, true, memory_order_release);
    }
    for (uint32_t at = slot_of(symbol);; at = (at + 1) % SLOTS) {
        const struct kernel_entry *entry = atomic_load_explicit(&slots[at], memory_order_relaxed);
        if (entry == NULL || strcmp(entry->symbol, symbol) == 0)
            return entry;
    }
}

enum status exec__result_bytes(struct kernel_call *call, size_t size, uint8_t **bytes_out) {
    if (size > BUFFER_SIZE_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "requested length too large");
    *bytes_out = arena_alloc(call->arena, size + 1);
    return *bytes_out != NULL ? STATUS_OK : error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

enum status exec__return_buffer(struct kernel_call *call, struct buffer *buffer,
                                struct value *result) {
    enum status status = buffer_status(buffer);
    uint8_t *bytes = NULL;
    if (status == STATUS_OK)
        status = exec__result_bytes(call, buffer->size, &bytes);
    if (status == STATUS_OK) {
        if (buffer->size > 0)
            memcpy(bytes, buffer->data, buffer->size);
        result->string = slice_of(bytes, buffer->size);
    }
    buffer_release(buffer);
    return status;
}

enum status exec__value_text(struct kernel_call *call, const struct value *value,
                             struct slice *text_out) {
    if (type_is_string(value->type.id)) {
        *text_out = value->string;
        return STATUS_OK;
    }
    struct buffer buffer = {0};
    struct value text = {.type = TYPE_OF(TEXT)};
    enum status status = text_output(call->environment->value_context, value, &buffer);
    if (status != STATUS_OK) {
        buffer_release(&buffer);
        return status;
    }
    TRY(exec__return_buffer(call, &buffer, &text));
    *text_out = text.string;
    return STATUS_OK;
}

const struct timezone *exec__timezone(const struct kernel_call *call) {
    return call->environment->value_context != NULL ? call->environment->value_context->timezone
                                                    : NULL;
}

char *exec__c_text(struct kernel_call *call, struct slice text) {
    return (char *)(uintptr_t)arena_copy_slice(call->arena, text).data;
}
