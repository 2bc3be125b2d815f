/*
 * Symbol tables: FSST (Boncz, Neumann and Leis, "FSST: Fast Random Access String Compression",
 * VLDB 2020). Up to 255 symbols of 1 to 8 bytes, each one byte in the encoded string; byte 255
 * says that the next byte stands for itself. Every string is decoded without its neighbours.
 *
 * As in the paper, of the symbols of three bytes and more only one may have the same hash of its
 * first three bytes, so that finding the longest symbol is one comparison.
 */
#ifndef COLUMN_SYMBOLS_H
#define COLUMN_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "column/column.h"

enum { SYMBOLS_MAX = 255, SYMBOL_ESCAPE = 255, SYMBOL_SIZE_MAX = 8 };

struct symbols {
    uint32_t count;
    uint64_t words[256]; /* bytes, the first one lowest, the rest zero */
    uint8_t sizes[256];  /* 0 for codes that are no symbol */
};

enum { MATCHER_SLOTS = 2048 };

/* Finds symbols at the front of a text. About 310 KiB: from an arena, zeroed. */
struct symbol_matcher {
    const struct symbols *symbols;
    struct symbol_slot { /* three bytes and more, by matcher_slot */
        uint64_t word, mask;
        uint16_t code; /* + 1; 0: empty */
        uint16_t size;
    } slots[MATCHER_SLOTS];
    uint16_t pairs[65536];  /* code + 1 of two bytes */
    uint16_t single[256];   /* code + 1 of one byte */
    uint16_t shorts[65536]; /* what symbols_encode does without a slot: code | size << 8 */
};

static inline uint32_t matcher_slot(uint64_t word) {
    return ((uint32_t)word & 0xFFFFFF) * 2654435761u >> 21;
}

/* A matcher without symbols, out of memory that may hold anything. */
void matcher_empty(struct symbol_matcher *matcher);
void matcher_init(struct symbol_matcher *matcher, const struct symbols *symbols);
/* Forget the symbols (which must not have changed since), to be initialised again. */
void matcher_clear(struct symbol_matcher *matcher);
/* The longest symbol that the text begins with that is found so, or -1. size > 0. */
int matcher_find(const struct symbol_matcher *matcher, const uint8_t *text, size_t size);

/* Train a table on a sample. OUT_OF_MEMORY. */
enum status symbols_train(const struct slice *sample, uint32_t count, struct column_pause pause,
                          struct arena *arena, struct symbols *symbols) MUST_USE;

/* After matcher_init, before symbols_encode. */
void matcher_finish(struct symbol_matcher *matcher);
/* Returns the size; `out` has room for 2 * text.size. */
size_t symbols_encode(const struct symbol_matcher *matcher, struct slice text, uint8_t *out);
/* Returns the size, or SIZE_MAX when it would pass `capacity` or the text ends in an escape. Up to
   8 bytes beyond the result are overwritten: `out` has room for capacity + 8. */
size_t symbols_decode(const struct symbols *symbols, struct slice text, uint8_t *out,
                      size_t capacity);

/* The table as bytes (at most 1 + 255 * 9). */
size_t symbols_write(const struct symbols *symbols, uint8_t *out);
enum status symbols_read(struct slice bytes, struct symbols *symbols) MUST_USE;

#endif
