/*
 * Sorting by normalised keys: each row's key is bytes whose memcmp order is the wanted order
 * (value_key.h), with its first 8 bytes as a number beside the row. Private to exec.
 *
 * A sorter takes rows with keys and gives them back in order. In memory all cores take part:
 *
 *     taken     core 0's rows       core 1's rows      parts, one for each worker of the pipeline
 *     sorted    |----piece----|     |----piece----|    each by one core
 *     given     |-1-|--2--|-3-|     |-1-|--2--|-3-|    stretches: a core merges the pieces' entries
 *                                                      of stretch 1 and copies the rows together,
 *                                                      another does stretch 2, ...
 *
 * Before, what all keys begin with is cut off, so that the prefixes tell more of them apart.
 * Stretches are made in rounds, a few for each core, so that nothing but entries is held twice and
 * the first rows need not wait for the last. Rows are numbered through all parts.
 *
 * When rows are more than it may hold, what it has is sorted and written as a run (exec_spill.h),
 * the key a column behind the others; runs are merged at the end, RUNS_MERGED_MAX at a time.
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

static inline bool sort_entry_comes_first(const struct sort_entry *a, const struct sort_entry *b) {
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix;
    return sort_entry_compare(a, b) < 0;
}

/* Fill prefix from the key's bytes (which must stay). */
void sort_entry_make(struct sort_entry *entry, const uint8_t *key, uint32_t key_size, uint32_t row);
/* Add one; the key is copied. */
enum status sort_entries_add(struct sort_entries *sort, struct slice key, uint32_t row) MUST_USE;
/* Stable merge sort. Looks at the clock. */
enum status sort_entries_sort(struct fiber *f, struct sort_entries *sort) MUST_USE;

/* The same for entries[0..count), with room for as many in `spare`; the sorted ones are in one of
   both. */
enum status sort__entries(struct fiber *f, struct sort_entry *entries, struct sort_entry *spare,
                          uint64_t count, struct sort_entry **sorted_out) MUST_USE;

/* UNDEFINED_FUNCTION when the type has no order. */
enum status sort__key_column(struct type type, bool descending, bool nulls_first,
                             struct key_column *column_out) MUST_USE;

/* ---- the sorter -------------------------------------------------------------------------- */

enum { RUNS_MERGED_MAX = 32 };

struct sort_stream; /* a run being merged */
struct sort_out;    /* rows in memory being handed out */

/* Rows that one core took. */
struct sort_part {
    struct arena rows_arena, keys_arena;
    struct exec_store rows;
    struct sort_entries entries;
};

struct sorter {
    struct execution *execution;
    struct type *types; /* the rows' columns, then the key */
    uint32_t column_count;
    struct sort_part part;    /* our own */
    struct sort_part *others; /* of workers, taken over */
    uint32_t other_count;
    bool spilled, finished;
    uint64_t spilled_bytes, bytes_max; /* written; most held */
    uint64_t borrowed;
    struct spill spill;
    struct spill_run *runs;
    size_t run_count, run_capacity;
    /* handing out */
    struct sort_out *in_memory;
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
/* What workers' sorters (of the same types, not finished) hold is taken over by an empty one, which
   may take more. On failure some of it stays where it is. */
enum status sorter_adopt(struct sorter *sorter, struct sorter *const *from, uint32_t count)
    MUST_USE;
/* A worker takes no more rows: what it has put aside is brought to its share of the runs that can
   be merged at once. In memory, nothing happens. */
enum status sorter_settle(struct fiber *f, struct sorter *sorter, uint32_t worker_count) MUST_USE;
/* Bytes held now. */
static inline uint64_t sort_part_bytes(const struct sort_part *part) {
    return part->rows_arena.size_total + part->keys_arena.size_total;
}
uint64_t sorter_bytes(const struct sorter *sorter);
/* No more rows. Sorts, by all cores where that pays. */
enum status sorter_finish(struct fiber *f, struct sorter *sorter) MUST_USE;
/* The next rows in order, NULL at the end; valid until the next call. repeats[i] (may be NULL):
   row i's key is that of the row before. */
enum status sorter_next(struct fiber *f, struct sorter *sorter, struct batch **batch_out,
                        const uint8_t **repeats) MUST_USE;
/* Give everything back; empty again. */
void sorter_release(struct fiber *f, struct sorter *sorter);

/* ---- between the sorter's files ------------------------------------------------------------ */

void sort__part_begin(struct sort_part *part, const struct sorter *sorter);
/* `to` is overwritten, `from` has nothing any more. */
void sort__part_move(struct sort_part *to, struct sort_part *from);
/* Our own and those taken over: 0 .. other_count. */
static inline struct sort_part *sort__part(struct sorter *sorter, uint32_t i) {
    return i == 0 ? &sorter->part : &sorter->others[i - 1];
}

/* exec_sort_out.c: sort what is held, and hand it out. Everything it needs is in out_arena, and
   arenas that `release` gives back. */
enum status sort__out_begin(struct fiber *f, struct sorter *sorter) MUST_USE;
enum status sort__out_next(struct fiber *f, struct sorter *sorter, struct batch **batch_out,
                           bool with_repeats) MUST_USE;
void sort__out_release(struct sorter *sorter);
/* Rows of our store in the order of entries[0..count), whose rows are in batches[]. */
enum status sort__gather(struct fiber *f, struct batch *const *batches,
                         const struct sort_entry *entries, uint32_t count, uint32_t column_count,
                         struct batch *target) MUST_USE;

/* exec_sort_runs.c: runs on scratch pages. What all parts hold becomes runs, here and now ... */
enum status sort__runs_write(struct fiber *f, struct sorter *sorter) MUST_USE;
/* ... which are merged until there are at most so many. */
enum status sort__runs_reduce(struct fiber *f, struct sorter *sorter, size_t runs_max) MUST_USE;
enum status sort__runs_begin(struct fiber *f, struct sorter *sorter) MUST_USE;
enum status sort__runs_next(struct fiber *f, struct sorter *sorter, struct batch **batch_out)
    MUST_USE;
void sort__runs_release(struct fiber *f, struct sorter *sorter);

#endif
