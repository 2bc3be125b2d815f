/*
 * Sorting by normalised keys: each row's key is bytes whose memcmp order is the wanted order
 * (value_key.h), with its first 8 bytes as a number beside the row. Private to exec.
 *
 * A sorter takes rows with keys and gives them back in order. When they are more than it may hold,
 * what it has is sorted and written as a run (exec_spill.h), the key a column behind the others;
 * runs are merged at the end, RUNS_MERGED_MAX at a time.
 */
#ifndef EXEC_SORT_H
#define EXEC_SORT_H

#include "base/base_buffer.h"
#include "exec/exec_spill.h"
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

/* ---- the sorter -------------------------------------------------------------------------- */

enum { RUNS_MERGED_MAX = 32 };

struct sort_stream; /* a run being merged */

struct sorter {
    struct execution *execution;
    struct type *types; /* the rows' columns, then the key */
    uint32_t column_count;
    struct arena rows_arena, keys_arena;
    struct exec_store rows;
    struct sort_entries entries;
    bool spilled, finished;
    uint64_t spilled_bytes, bytes_max; /* written; most held */
    uint64_t borrowed;
    struct spill spill;
    struct spill_run *runs;
    size_t run_count, run_capacity;
    /* handing out */
    uint64_t at;
    struct sort_stream *streams;
    uint32_t stream_count;
    struct sort_stream *heap[RUNS_MERGED_MAX];
    uint32_t heap_count;
    struct arena out_arena, out_strings;
    struct batch out;
    uint8_t repeats[VECTOR_SIZE];
    struct buffer last_key;
    bool has_last;
};

/* `types` stay the caller's; the sorter is empty and can be used again after a release. */
enum status sorter_init(struct sorter *sorter, struct execution *execution,
                        const struct type *types, uint32_t column_count) MUST_USE;
/* The key of the next row; then all those rows at once. */
enum status sorter_key(struct sorter *sorter, struct slice key) MUST_USE;
enum status sorter_rows(struct fiber *f, struct sorter *sorter, const struct batch *batch) MUST_USE;
/* Bytes held now. */
static inline uint64_t sorter_bytes(const struct sorter *sorter) {
    return sorter->rows_arena.size_total + sorter->keys_arena.size_total;
}
/* No more rows. */
enum status sorter_finish(struct fiber *f, struct sorter *sorter) MUST_USE;
/* The next rows in order, NULL at the end; valid until the next call. repeats[i] (may be NULL):
   row i's key is that of the row before. */
enum status sorter_next(struct fiber *f, struct sorter *sorter, struct batch **batch_out,
                        const uint8_t **repeats) MUST_USE;
/* Give everything back; empty again. */
void sorter_release(struct fiber *f, struct sorter *sorter);

#endif
