#include "base/base_arena.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/base_memory.h"

enum {
    BLOCK_SIZE_FIRST = 8 << 10,
    BLOCK_SIZE_MAX = 1 << 20,
    RESERVE_SIZE = 4 << 20,
    RESERVE_PIECE_SIZE = ARENA_SMALL_SIZE_MAX + 256,
};

struct arena_block {
    struct arena_block *older;
    size_t size; /* with this header */
    bool from_reserve;
};

/* The reserve: pieces of static memory, handed out by a bitmap, all threads together. */
static _Alignas(64) uint8_t reserve[RESERVE_SIZE / RESERVE_PIECE_SIZE * RESERVE_PIECE_SIZE];
static _Atomic uint64_t reserve_used;
enum { RESERVE_PIECES = RESERVE_SIZE / RESERVE_PIECE_SIZE };
_Static_assert(RESERVE_PIECES <= 64, "one bit a piece");

static struct arena_block *reserve_take(void) {
    for (;;) {
        uint64_t used = atomic_load(&reserve_used);
        uint64_t all = RESERVE_PIECES == 64 ? ~0ull : (1ull << (RESERVE_PIECES % 64)) - 1;
        ASSERT(used != all); /* memory is gone and so is the reserve: stop, the journal is safe */
        int piece = __builtin_ctzll(~used);
        if (!atomic_compare_exchange_weak(&reserve_used, &used, used | 1ull << piece))
            continue;
        struct arena_block *block =
            (struct arena_block *)(void *)(reserve + (size_t)piece * RESERVE_PIECE_SIZE);
        block->size = RESERVE_PIECE_SIZE;
        block->from_reserve = true;
        return block;
    }
}

static void block_free(struct arena_block *block) {
    if (block->from_reserve) {
        size_t piece = (size_t)((uint8_t *)block - reserve) / RESERVE_PIECE_SIZE;
        atomic_fetch_and(&reserve_used, ~(1ull << piece));
    } else {
        memory_free(block);
    }
}

static void block_use(struct arena *arena, struct arena_block *block) {
    arena->next = (uint8_t *)block + sizeof *block;
    arena->end = (uint8_t *)block + block->size;
}

void *arena_alloc_slow(struct arena *arena, size_t size, size_t alignment) {
    size_t with_header;
    if (__builtin_add_overflow(size, sizeof(struct arena_block) + alignment, &with_header))
        return NULL;
    size_t want = arena->newest == NULL                      ? BLOCK_SIZE_FIRST
                  : arena->newest->size < BLOCK_SIZE_MAX / 2 ? arena->newest->size * 2
                                                             : BLOCK_SIZE_MAX;
    if (want < with_header)
        want = with_header;
    struct arena_block *block = memory_alloc(want);
    if (block == NULL && want > with_header)
        block = memory_alloc(want = with_header);
    if (block != NULL) {
        block->size = want;
        block->from_reserve = false;
        arena->size_total += want;
    } else {
        if (size > ARENA_SMALL_SIZE_MAX)
            return NULL;
        arena->starved = true;
        block = reserve_take();
    }
    /* A block made for one big request goes second, so the space left in the newest is kept. */
    size_t left = (size_t)(arena->end - arena->next);
    if (arena->newest != NULL && want == with_header && left > BLOCK_SIZE_FIRST / 2) {
        block->older = arena->newest->older;
        arena->newest->older = block;
        uintptr_t at = ((uintptr_t)(block + 1) + alignment - 1) & ~(uintptr_t)(alignment - 1);
        return (void *)at;
    }
    block->older = arena->newest;
    arena->newest = block;
    block_use(arena, block);
    return arena_alloc_aligned(arena, size, alignment);
}

void arena_release(struct arena *arena) {
    for (struct arena_block *block = arena->newest; block != NULL;) {
        struct arena_block *older = block->older;
        block_free(block);
        block = older;
    }
    *arena = (struct arena){0};
}

bool arena_release_some(struct arena *arena) {
    struct arena_block *block = arena->newest, *older = block == NULL ? NULL : block->older;
    if (block != NULL)
        block_free(block);
    *arena = (struct arena){.newest = older};
    return older != NULL;
}

void arena_reset(struct arena *arena) {
    struct arena_block *keep = arena->newest;
    if (keep == NULL)
        return;
    if (keep->from_reserve || keep->size > BLOCK_SIZE_MAX) {
        arena_release(arena);
        return;
    }
    for (struct arena_block *block = keep->older; block != NULL;) {
        struct arena_block *older = block->older;
        block_free(block);
        block = older;
    }
    keep->older = NULL;
    arena->size_total = keep->size;
    arena->starved = false;
    block_use(arena, keep);
}

struct slice arena_copy_slice(struct arena *arena, struct slice slice) {
    uint8_t *copy = arena_alloc_aligned(arena, slice.size + 1, 1);
    if (copy == NULL)
        return SLICE_EMPTY;
    if (slice.size > 0)
        memcpy(copy, slice.data, slice.size);
    copy[slice.size] = 0;
    return slice_of(copy, slice.size);
}

char *arena_copy_text(struct arena *arena, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc_aligned(arena, size, 1);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

char *arena_format(struct arena *arena, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : arena_alloc_aligned(arena, (size_t)length + 1, 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

enum status arena_status(const struct arena *arena) {
    if (!arena->starved)
        return STATUS_OK;
    enum status status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    error_detail("The statement needed more than the machine could give.");
    return status;
}
