/* Entries: making and sorting them. */
#include <string.h>

#include "base/base_bytes.h"
#include "exec/exec_sort.h"

void sort_entry_make(struct sort_entry *entry, const uint8_t *key, uint32_t key_size,
                     uint32_t row) {
    uint8_t first[8] = {0};
    memcpy(first, key, key_size < 8 ? key_size : 8);
    *entry = (struct sort_entry){
        .prefix = get_be64(first), .key = key, .key_size = key_size, .row = row};
}

enum status sort_entries_add(struct sort_entries *sort, struct slice key, uint32_t row) {
    if (sort->count == sort->capacity) {
        uint64_t capacity = sort->capacity == 0 ? 256 : sort->capacity * 2;
        struct sort_entry *grown = arena_alloc(sort->arena, capacity * sizeof *grown);
        if (grown == NULL)
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (sort->count > 0)
            memcpy(grown, sort->entries, sort->count * sizeof *grown);
        sort->entries = grown;
        sort->capacity = capacity;
    }
    uint8_t *copy = arena_alloc_aligned(sort->arena, key.size + 1, 1);
    if (copy == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (key.size > 0)
        memcpy(copy, key.data, key.size);
    sort_entry_make(&sort->entries[sort->count++], copy, (uint32_t)key.size, row);
    return STATUS_OK;
}

enum { RUN_SIZE = 24 };

static void insertion_sort(struct sort_entry *entries, uint64_t count) {
    for (uint64_t i = 1; i < count; i++) {
        struct sort_entry entry = entries[i];
        uint64_t at = i;
        while (at > 0 && sort_entry_compare(&entries[at - 1], &entry) > 0) {
            entries[at] = entries[at - 1];
            at--;
        }
        entries[at] = entry;
    }
}

enum { MERGE_STEP = 1024 }; /* entries between two checks */

static enum status copy(struct fiber *f, const struct sort_entry *from, struct sort_entry *to,
                        uint64_t count) {
    for (uint64_t at = 0; at < count; at += MERGE_STEP) {
        uint64_t step = count - at < MERGE_STEP ? count - at : MERGE_STEP;
        memcpy(to + at, from + at, step * sizeof *to);
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

static enum status merge(struct fiber *f, const struct sort_entry *from, struct sort_entry *to,
                         uint64_t begin, uint64_t middle, uint64_t end) {
    uint64_t a = begin, b = middle, at = begin;
    if (middle < end && sort_entry_compare(&from[middle - 1], &from[middle]) <= 0)
        return copy(f, from + begin, to + begin, end - begin);
    while (a < middle && b < end) {
        to[at++] = sort_entry_compare(&from[a], &from[b]) <= 0 ? from[a++] : from[b++];
        if (at % MERGE_STEP == 0)
            TRY(fiber_check(f));
    }
    TRY(copy(f, from + a, to + at, middle - a));
    return copy(f, from + b, to + at + (middle - a), end - b);
}

enum status sort__entries(struct fiber *f, struct sort_entry *from, struct sort_entry *to,
                          uint64_t count, struct sort_entry **sorted_out) {
    for (uint64_t begin = 0; begin < count; begin += RUN_SIZE) {
        insertion_sort(from + begin, count - begin < RUN_SIZE ? count - begin : RUN_SIZE);
        TRY(fiber_check(f));
    }
    for (uint64_t width = RUN_SIZE; width < count; width *= 2) {
        for (uint64_t begin = 0; begin < count; begin += 2 * width) {
            uint64_t middle = begin + width < count ? begin + width : count;
            uint64_t end = begin + 2 * width < count ? begin + 2 * width : count;
            TRY(merge(f, from, to, begin, middle, end));
        }
        struct sort_entry *swap = from;
        from = to;
        to = swap;
    }
    *sorted_out = from;
    return STATUS_OK;
}

enum status sort_entries_sort(struct fiber *f, struct sort_entries *sort) {
    if (sort->count < 2)
        return STATUS_OK;
    struct sort_entry *spare = arena_alloc(sort->arena, sort->count * sizeof *spare);
    if (spare == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint64_t capacity = sort->capacity;
    TRY(sort__entries(f, sort->entries, spare, sort->count, &sort->entries));
    sort->capacity = sort->entries == spare ? sort->count : capacity;
    return STATUS_OK;
}

enum status sort__key_column(struct type type, bool descending, bool nulls_first,
                             struct key_column *column_out) {
    if (!key_orderable(type)) {
        char name[TYPE_NAME_SIZE];
        return error_set(STATUS_UNDEFINED_FUNCTION,
                         "could not identify an ordering operator for type %s",
                         type_name(type, name));
    }
    *column_out = (struct key_column){
        .type = type, .descending = descending, .nulls_first = nulls_first, .canonical = true};
    return STATUS_OK;
}
