/*
 * Arena: memory with one lifetime, freed all at once.
 *
 * A statement gets one and everything it makes lives there. Small requests never fail: when the
 * heap is empty they are served from a reserve held since the process began and the arena is
 * marked; whoever runs the statement asks arena_status() between phases and gives up with
 * OUT_OF_MEMORY. Large requests (over ARENA_SMALL_SIZE_MAX) can fail and return NULL.
 * This keeps hundreds of little allocations free of error paths that no test would walk.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_slice.h"
#include "base/base_status.h"

enum { ARENA_SMALL_SIZE_MAX = 64 << 10 };

struct arena_block;

/* A zeroed struct arena is a valid empty arena. One thread at a time. */
struct arena {
    struct arena_block *newest;
    uint8_t *next, *end;
    size_t size_total; /* bytes taken from the heap */
    bool starved;
};

/* Give all blocks back; the arena is empty and usable again. */
void arena_release(struct arena *arena);
/* Give one block back, for who wants to let others run in between; false once the arena is empty.
   Nothing in the arena may be used any more. */
bool arena_release_some(struct arena *arena);
/* Forget the contents but keep one block for the next use. */
void arena_reset(struct arena *arena);

void *arena_alloc_slow(struct arena *arena, size_t size, size_t alignment);

static inline void *arena_alloc_aligned(struct arena *arena, size_t size, size_t alignment) {
    uintptr_t at = ((uintptr_t)arena->next + alignment - 1) & ~(uintptr_t)(alignment - 1);
    if (__builtin_expect(
            at != 0 && at <= (uintptr_t)arena->end && size <= (uintptr_t)arena->end - at, 1)) {
        arena->next = (uint8_t *)at + size;
        return (void *)at;
    }
    return arena_alloc_slow(arena, size, alignment);
}

/* Not zeroed, aligned to 16. NULL only for size > ARENA_SMALL_SIZE_MAX. */
static inline void *arena_alloc(struct arena *arena, size_t size) {
    return arena_alloc_aligned(arena, size, 16);
}

static inline void *arena_alloc_zeroed(struct arena *arena, size_t size) {
    void *block = arena_alloc(arena, size);
    if (block != NULL)
        memset(block, 0, size);
    return block;
}

#define ARENA_NEW(arena, type) ((type *)arena_alloc_zeroed((arena), sizeof(type)))
/* `count` must be known to be small (count * size <= ARENA_SMALL_SIZE_MAX) or NULL is checked. */
#define ARENA_ARRAY(arena, type, count)                                                            \
    ((type *)arena_alloc_zeroed((arena), sizeof(type) * (size_t)(count)))

/* Copies end with a zero byte beyond their size. NULL as for arena_alloc. */
char *arena_copy_text(struct arena *arena, const char *text);
struct slice arena_copy_slice(struct arena *arena, struct slice slice);
char *arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

/* OUT_OF_MEMORY (with detail) if the reserve was touched, else OK. */
enum status arena_status(const struct arena *arena) MUST_USE;

#endif
