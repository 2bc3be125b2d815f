/*
 * Free space of a page file, in units of 4 KiB: one bit a unit in each of four bitmaps, so that
 * giving space back never needs memory and neighbours join by themselves.
 *
 *     used        holds an image somebody may still need (or lies beyond the end of the file)
 *     fresh       written since the last cut and not for it: in no checkpoint, so it may be
 *                 reused at once
 *     deferred    no longer in the map, but in a checkpoint: waits for the next one
 *     publishing  the same, waiting for the checkpoint in progress
 *
 *         take ---> used ---free (fresh or temporary)---------------------> free
 *                     \---free (in a checkpoint)--> deferred --cut--> publishing --publish--> free
 */
#ifndef EXTENTS_H
#define EXTENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base_status.h"

enum {
    EXTENT_UNITS_MAX = 1023,
    EXTENT_HINT_COUNT = 7, /* runs of 1, 2, 4 ... 64 units within one word, aligned */
};

struct extents {
    uint64_t *used, *fresh, *deferred, *publishing;
    uint64_t word_capacity;            /* of each bitmap */
    uint64_t unit_count;               /* of the file */
    uint64_t free_count;               /* units not used */
    uint64_t deferred_count;           /* units in deferred and publishing */
    uint64_t hints[EXTENT_HINT_COUNT]; /* no aligned run of 2^i below this word */
};

/* A zeroed struct extents is an empty file. */
void extents_release(struct extents *extents);
/* The file is now `unit_count` units long, not shorter than before. */
enum status extents_grow(struct extents *extents, uint64_t unit_count) MUST_USE;
/* The end of the last unit that is used. */
uint64_t extents_end(const struct extents *extents);
/* The file is now `unit_count` units long, not less than extents_end. */
void extents_shrink(struct extents *extents, uint64_t unit_count);
/* First fit of a run of `units`; powers of two up to 64 are aligned. False: none. */
bool extents_take(struct extents *extents, uint32_t units, uint64_t *offset_out);
/* At open: false when the run is out of range or overlaps another. */
bool extents_mark_used(struct extents *extents, uint64_t offset, uint32_t units);
void extents_free(struct extents *extents, uint64_t offset, uint32_t units);
void extents_defer(struct extents *extents, uint64_t offset, uint32_t units);
void extents_defer_to_publication(struct extents *extents, uint64_t offset, uint32_t units);
void extents_set_fresh(struct extents *extents, uint64_t offset);
bool extents_fresh(const struct extents *extents, uint64_t offset);
/* A cut begins: nothing is fresh, what was deferred waits for its publication. */
void extents_cut(struct extents *extents);
void extents_publish(struct extents *extents);
/* The cut will not be published: what waited for that waits for the next one. */
void extents_uncut(struct extents *extents);
bool extents_all_used(const struct extents *extents, uint64_t offset, uint32_t units);

#endif
