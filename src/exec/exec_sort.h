/*
 * Sorting by normalised keys: each row's key is bytes whose memcmp order is the wanted order
 * (value_key.h), with its first 8 bytes as a number beside the row. Private to exec.
 */
#ifndef EXEC_SORT_H
#define EXEC_SORT_H

#include "base/base_buffer.h"
#include "exec/exec_state.h"
#include "value/value_key.h"

struct sort_entry {
    uint64_t prefix; /* first 8 bytes of the key, big-endian, zero-padded */
    const uint8_t *key;
    uint32_t key_size;
    uint32_t row; /* whatever the owner says */
};

struct sort_entries {
    struct arena *arena;
    struct sort_entry *entries;
    uint64_t count, capacity;
};

static inline int sort_entry_compare(const struct sort_entry *a, const struct sort_entry *b) {
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    size_t common = a->key_size < b->key_size ? a->key_size : b->key_size;
    int order = common <= 8 ? 0 : memcmp(a->key + 8, b->key + 8, common - 8);
    if (order != 0)
        return order;
    return (a->key_size > b->key_size) - (a->key_size < b->key_size);
}

/* Fill prefix from the key's bytes (which must stay). */
void sort_entry_make(struct sort_entry *entry, const uint8_t *key, uint32_t key_size, uint32_t row);
/* Add one; the key is copied. */
enum status sort_entries_add(struct sort_entries *sort, struct slice key, uint32_t row) MUST_USE;
/* Stable merge sort. Looks at the clock. */
enum status sort_entries_sort(struct fiber *f, struct sort_entries *sort) MUST_USE;

/* UNDEFINED_FUNCTION when the type has no order. */
enum status sort__key_column(struct type type, bool descending, bool nulls_first,
                             struct key_column *column_out) MUST_USE;

#endif
