/*
 * Runs: rows put aside on scratch pages (txn_scratch.h) and read back in order, once, or as often
 * as need be.
 *
 * A run is a stream of rows over pages; rows may cross pages. Nothing of it outlives the process,
 * so the form is the machine's own:
 *
 *     per row   null bits, (columns + 7) / 8 bytes
 *               then each value that is not null: its physical bytes, or for strings u32 size
 *               and the bytes
 *
 * A run holds one page's worth of memory while it is written and another while it is read; the
 * pages themselves belong to the page pool. Private to exec.
 */
#ifndef EXEC_SPILL_H
#define EXEC_SPILL_H

#include "exec/exec_state.h"
#include "txn/txn_scratch.h"

struct spill_page {
    struct page_id id;
    uint32_t used;
    uint16_t partition;
};

/* Zeroed is an empty run. */
struct spill_run {
    struct spill_page *pages;
    size_t page_count, page_capacity, page_at; /* page_at: next to be read */
    uint8_t *buffer;                           /* being written */
    uint32_t used;
    uint64_t rows, bytes;
};

/* What the runs of one operator have in common. */
struct spill {
    struct store *store;
    const struct type *types;
    uint32_t column_count;
    uint32_t image_size;    /* of a page */
    unsigned partition;     /* where pages go */
    uint64_t bytes_written; /* images; for EXPLAIN ANALYZE */
};

/* Can this execution put rows aside at all? Not without a store (constant folding, tests). */
bool exec__spill_possible(const struct execution *execution);
/* `runs` is how many will be written at a time: it decides the page size. */
void exec__spill_init(struct spill *spill, const struct execution *execution,
                      const struct type *types, uint32_t column_count, uint32_t runs);
/* Append rows[0..count) of the batch. */
enum status exec__spill_append(struct fiber *f, struct spill *spill, struct spill_run *run,
                               const struct batch *batch, const uint16_t *rows, uint32_t count)
    MUST_USE;
/* Append bytes of the row at hand, in whatever form its writer reads back with exec__spill_get; it
   counts run->rows itself. */
enum status exec__spill_put(struct fiber *f, struct spill *spill, struct spill_run *run,
                            const void *bytes, size_t size) MUST_USE;
/* No more rows: the last page is written and the buffer given back. */
enum status exec__spill_end(struct fiber *f, struct spill *spill, struct spill_run *run) MUST_USE;
/* Append the rows of `from`, which has ended and becomes empty; `into` must have ended, too. */
enum status exec__spill_join(struct spill_run *into, struct spill_run *from) MUST_USE;
/* Give everything back. Harmless on an empty run; needs no end before. */
void exec__spill_release(struct fiber *f, struct spill *spill, struct spill_run *run);

/* Reads a run that has ended, and frees its pages as it goes; with `keeps` (set after
   exec__spill_read) it leaves them, for it or others to read them again. */
struct spill_reader {
    struct spill *spill;
    struct spill_run *run;
    bool keeps;
    size_t page_at; /* with `keeps`: next to be read */
    uint8_t *buffer;
    uint32_t at, used;
    uint64_t rows_left;
    uint32_t rows_max; /* in a batch; the caller may make it smaller, to touch less memory */
    struct batch batch;
    struct arena vectors, strings;
};
enum status exec__spill_read(struct spill *spill, struct spill_run *run,
                             struct spill_reader *reader) MUST_USE;
/* NULL at the end; valid until the next call. */
enum status exec__spill_next(struct fiber *f, struct spill_reader *reader, struct batch **batch_out)
    MUST_USE;
/* The next bytes of a run that exec__spill_put wrote; the caller knows how many there are. */
enum status exec__spill_get(struct fiber *f, struct spill_reader *reader, void *bytes, size_t size)
    MUST_USE;
/* Harmless on a zeroed reader. Does not release the run. */
void exec__spill_reader_release(struct spill_reader *reader);

#endif
