/* Rows kept in memory, as full batches of copied values. */
#include <string.h>

#include "base/base_memory.h"
#include "exec/exec_state.h"

void exec__store_init(struct exec_store *store, const struct type *types, uint32_t column_count,
                      struct arena *arena) {
    *store = (struct exec_store){.arena = arena, .types = types, .column_count = column_count};
}

/* The last batch, or a new one when that is full. */
static enum status open_batch(struct exec_store *store, struct batch **batch_out) {
    if (store->batch_count > 0) {
        struct batch *last = store->batches[store->batch_count - 1];
        if (last->row_count < VECTOR_SIZE) {
            *batch_out = last;
            return STATUS_OK;
        }
    }
    if (store->batch_count == store->batch_capacity) {
        size_t capacity = store->batch_capacity == 0 ? 8 : store->batch_capacity * 2;
        struct batch **grown = arena_alloc(store->arena, capacity * sizeof(struct batch *));
        if (grown == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (store->batch_count > 0)
            memcpy(grown, store->batches, store->batch_count * sizeof(struct batch *));
        store->batches = grown;
        store->batch_capacity = capacity;
    }
    struct batch *batch = ARENA_NEW(store->arena, struct batch);
    batch_init(batch, store->types, store->column_count, store->arena);
    store->batches[store->batch_count++] = batch;
    store->bytes = store->arena->size_total;
    *batch_out = batch;
    return arena_status(store->arena);
}

enum status exec__store_append(struct exec_store *store, const struct batch *source) {
    uint32_t done = 0;
    while (done < source->selected_count) {
        struct batch *target;
        TRY(open_batch(store, &target));
        uint32_t room = VECTOR_SIZE - target->row_count, left = source->selected_count - done;
        uint32_t count = left < room ? left : room;
        const uint16_t *rows = batch_rows(source) + done;
        for (uint32_t c = 0; c < store->column_count; c++)
            vector_copy(&target->vectors[c], target->row_count, &source->vectors[c], rows, count,
                        store->arena);
        batch_set_count(target, target->row_count + count);
        done += count;
        store->row_count += count;
    }
    store->bytes = store->arena->size_total;
    return arena_status(store->arena);
}

enum status exec__store_append_values(struct exec_store *store, const struct value *values) {
    struct batch *target;
    TRY(open_batch(store, &target));
    uint32_t row = target->row_count;
    for (uint32_t c = 0; c < store->column_count; c++) {
        if (values[c].is_null) {
            vector_set_null(&target->vectors[c], row);
            continue;
        }
        struct value value = values[c];
        value.type = store->types[c];
        vector_set(&target->vectors[c], row, &value, store->arena);
    }
    batch_set_count(target, row + 1);
    store->row_count++;
    store->bytes = store->arena->size_total;
    return arena_status(store->arena);
}
