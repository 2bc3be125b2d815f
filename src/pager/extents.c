#include "pager/extents.h"

#include <string.h>

#include "base/base_memory.h"

enum { WORD_BITS = 64 };

void extents_release(struct extents *extents) {
    memory_free(extents->used);
    memory_free(extents->fresh);
    memory_free(extents->deferred);
    memory_free(extents->publishing);
    *extents = (struct extents){0};
}

/* The bits of word `word` that the run [from, to) covers. */
static uint64_t run_mask(uint64_t word, uint64_t from, uint64_t to) {
    uint64_t first = word * WORD_BITS;
    uint64_t mask = ~0ull;
    if (from > first)
        mask &= ~0ull << (from - first);
    if (to < first + WORD_BITS)
        mask &= ~0ull >> (first + WORD_BITS - to);
    return mask;
}

static void set_run(uint64_t *bitmap, uint64_t from, uint64_t to) {
    for (uint64_t word = from / WORD_BITS; word * WORD_BITS < to; word++)
        bitmap[word] |= run_mask(word, from, to);
}

static void clear_run(uint64_t *bitmap, uint64_t from, uint64_t to) {
    for (uint64_t word = from / WORD_BITS; word * WORD_BITS < to; word++)
        bitmap[word] &= ~run_mask(word, from, to);
}

static bool run_is(const uint64_t *bitmap, uint64_t from, uint64_t to, bool set) {
    for (uint64_t word = from / WORD_BITS; word * WORD_BITS < to; word++) {
        uint64_t mask = run_mask(word, from, to);
        if ((bitmap[word] & mask) != (set ? mask : 0))
            return false;
    }
    return true;
}

static void hints_lower(struct extents *extents, uint64_t word) {
    for (int i = 0; i < EXTENT_HINT_COUNT; i++) {
        if (extents->hints[i] > word)
            extents->hints[i] = word;
    }
}

static bool bitmap_resize(uint64_t **bitmap, uint64_t words_old, uint64_t words, int fill) {
    uint64_t *grown = memory_resize(*bitmap, words * sizeof **bitmap);
    if (grown == NULL)
        return false;
    memset(grown + words_old, fill, (words - words_old) * sizeof *grown);
    *bitmap = grown;
    return true;
}

enum status extents_grow(struct extents *extents, uint64_t unit_count) {
    ASSERT(unit_count >= extents->unit_count);
    uint64_t words_old = extents->word_capacity;
    uint64_t words = (unit_count + WORD_BITS - 1) / WORD_BITS;
    if (words > words_old) {
        if (words < words_old + words_old / 4)
            words = words_old + words_old / 4;
        if (!bitmap_resize(&extents->used, words_old, words, 0xFF) ||
            !bitmap_resize(&extents->fresh, words_old, words, 0) ||
            !bitmap_resize(&extents->deferred, words_old, words, 0) ||
            !bitmap_resize(&extents->publishing, words_old, words, 0))
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory for the free space map");
        extents->word_capacity = words;
    }
    clear_run(extents->used, extents->unit_count, unit_count);
    extents->free_count += unit_count - extents->unit_count;
    hints_lower(extents, extents->unit_count / WORD_BITS);
    extents->unit_count = unit_count;
    return STATUS_OK;
}

uint64_t extents_end(const struct extents *extents) {
    uint64_t words = (extents->unit_count + WORD_BITS - 1) / WORD_BITS;
    for (uint64_t word = words; word-- > 0;) {
        uint64_t used = extents->used[word] & run_mask(word, word * WORD_BITS, extents->unit_count);
        if (used != 0)
            return word * WORD_BITS + WORD_BITS - (uint64_t)__builtin_clzll(used);
    }
    return 0;
}

void extents_shrink(struct extents *extents, uint64_t unit_count) {
    ASSERT(unit_count >= extents_end(extents) && unit_count <= extents->unit_count);
    set_run(extents->used, unit_count, extents->unit_count);
    extents->free_count -= extents->unit_count - unit_count;
    extents->unit_count = unit_count;
}

/* Bits at multiples of 2^order where 2^order ones begin. */
static uint64_t aligned_runs(uint64_t free, unsigned order) {
    static const uint64_t starts[EXTENT_HINT_COUNT] = {
        ~0ull,
        0x5555555555555555ull,
        0x1111111111111111ull,
        0x0101010101010101ull,
        0x0001000100010001ull,
        0x0000000100000001ull,
        1,
    };
    for (unsigned i = 0; i < order; i++)
        free &= free >> (1u << i);
    return free & starts[order];
}

static bool take_within_word(struct extents *extents, unsigned order, uint64_t *offset_out) {
    uint64_t words = (extents->unit_count + WORD_BITS - 1) / WORD_BITS;
    for (uint64_t word = extents->hints[order]; word < words; word++) {
        uint64_t runs = aligned_runs(~extents->used[word], order);
        if (runs != 0) {
            extents->hints[order] = word;
            *offset_out = word * WORD_BITS + (uint64_t)__builtin_ctzll(runs);
            return true;
        }
    }
    extents->hints[order] = words;
    return false;
}

static bool take_long(const struct extents *extents, uint32_t units, uint64_t *offset_out) {
    uint64_t run = 0;
    uint64_t at = extents->hints[0] * WORD_BITS;
    while (at < extents->unit_count) {
        uint64_t word = extents->used[at / WORD_BITS];
        if (at % WORD_BITS == 0 && word == ~0ull) {
            run = 0;
            at += WORD_BITS;
            continue;
        }
        run = (word >> (at % WORD_BITS)) & 1 ? 0 : run + 1;
        at++;
        if (run == units) {
            *offset_out = at - units;
            return true;
        }
    }
    return false;
}

bool extents_take(struct extents *extents, uint32_t units, uint64_t *offset_out) {
    ASSERT(units > 0 && units <= EXTENT_UNITS_MAX);
    if (units > extents->free_count)
        return false;
    bool in_word = units <= WORD_BITS && (units & (units - 1)) == 0;
    bool found = in_word ? take_within_word(extents, (unsigned)__builtin_ctz(units), offset_out)
                         : take_long(extents, units, offset_out);
    if (!found)
        return false;
    set_run(extents->used, *offset_out, *offset_out + units);
    extents->free_count -= units;
    return true;
}

bool extents_mark_used(struct extents *extents, uint64_t offset, uint32_t units) {
    if (units == 0 || offset > extents->unit_count || units > extents->unit_count - offset ||
        !run_is(extents->used, offset, offset + units, false))
        return false;
    set_run(extents->used, offset, offset + units);
    extents->free_count -= units;
    return true;
}

void extents_free(struct extents *extents, uint64_t offset, uint32_t units) {
    ASSERT(extents_all_used(extents, offset, units));
    clear_run(extents->used, offset, offset + units);
    clear_run(extents->fresh, offset, offset + 1);
    extents->free_count += units;
    hints_lower(extents, offset / WORD_BITS);
}

static void defer(struct extents *extents, uint64_t *bitmap, uint64_t offset, uint32_t units) {
    ASSERT(extents_all_used(extents, offset, units));
    ASSERT(run_is(bitmap, offset, offset + units, false));
    set_run(bitmap, offset, offset + units);
    extents->deferred_count += units;
}

void extents_defer(struct extents *extents, uint64_t offset, uint32_t units) {
    defer(extents, extents->deferred, offset, units);
}

void extents_defer_to_publication(struct extents *extents, uint64_t offset, uint32_t units) {
    defer(extents, extents->publishing, offset, units);
}

void extents_set_fresh(struct extents *extents, uint64_t offset) {
    ASSERT(offset < extents->unit_count);
    extents->fresh[offset / WORD_BITS] |= 1ull << (offset % WORD_BITS);
}

bool extents_fresh(const struct extents *extents, uint64_t offset) {
    ASSERT(offset < extents->unit_count);
    return (extents->fresh[offset / WORD_BITS] >> (offset % WORD_BITS)) & 1;
}

void extents_cut(struct extents *extents) {
    if (extents->word_capacity == 0)
        return;
    memset(extents->fresh, 0, extents->word_capacity * sizeof *extents->fresh);
    uint64_t *empty = extents->publishing;
    extents->publishing = extents->deferred;
    extents->deferred = empty;
    DEBUG_ASSERT(extents->unit_count == 0 || run_is(empty, 0, extents->unit_count, false));
}

void extents_uncut(struct extents *extents) {
    for (uint64_t word = 0; word < extents->word_capacity; word++) {
        ASSERT((extents->deferred[word] & extents->publishing[word]) == 0);
        extents->deferred[word] |= extents->publishing[word];
        extents->publishing[word] = 0;
    }
}

void extents_publish(struct extents *extents) {
    for (uint64_t word = 0; word < extents->word_capacity; word++) {
        uint64_t bits = extents->publishing[word];
        if (bits == 0)
            continue;
        uint64_t count = (uint64_t)__builtin_popcountll(bits);
        ASSERT((extents->used[word] & bits) == bits);
        extents->used[word] &= ~bits;
        extents->publishing[word] = 0;
        extents->free_count += count;
        extents->deferred_count -= count;
        hints_lower(extents, word);
    }
}

bool extents_all_used(const struct extents *extents, uint64_t offset, uint32_t units) {
    return units > 0 && offset <= extents->unit_count && units <= extents->unit_count - offset &&
           run_is(extents->used, offset, offset + units, true);
}
