/*
 * Scratch pages: bytes that a statement puts aside when they would be more than it may hold.
 *
 * A scratch page is a temporary page of a partition's pager: it shares the pool and the page file
 * with everything else, is written out only when the pool needs its frame, is in no checkpoint and
 * no journal, and is gone after a restart. Whoever wrote it frees it.
 *
 * Callable from any core; each call goes to the partition's core.
 */
#ifndef TXN_SCRATCH_H
#define TXN_SCRATCH_H

#include "base/base_slice.h"
#include "txn/txn.h"

/* Bytes that fit on a page whose image has `image_size` bytes (a power of two, 4 KiB .. 1 MiB). */
uint32_t scratch_capacity(uint32_t image_size);

/* A new page of the partition with a copy of `bytes` (at most scratch_capacity(image_size)).
   DISK_FULL or OUT_OF_MEMORY. */
enum status scratch_write(struct fiber *f, struct store *store, unsigned partition,
                          uint32_t image_size, struct slice bytes, struct page_id *page_out)
    MUST_USE;
/* The first `size` bytes of the page into `bytes`. */
enum status scratch_read(struct fiber *f, struct store *store, unsigned partition,
                         struct page_id page, void *bytes, uint32_t size) MUST_USE;
/* Free `count` pages. Never fails; shield the fiber if it may have been cancelled. */
void scratch_free(struct fiber *f, struct store *store, unsigned partition,
                  const struct page_id *pages, size_t count);

#endif
