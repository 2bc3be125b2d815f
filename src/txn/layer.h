/*
 * A layer: an ordered map from (tree, key, commit) to (flags, value) that begins in memory and can
 * move to a temporary tree of the pager when it grows. Own writes of a transaction and the history
 * of a partition are layers. Own writes use commit 0.
 *
 * In memory it is a skip list (Pugh 1990) in an arena: nothing suspends, entries are never moved or
 * freed before layer_clear, so slices into it stay valid until then. Spilled, it is a btree whose
 * keys are
 *
 *     4  tree id, big-endian
 *     n  key in groups of 8 bytes, each followed by a byte: 9 when all 8 count and more follow,
 *        else how many count (0..8; the rest of the group is zeros). Keeps the order of the keys
 *        and ends itself, so that the commit behind it never mixes with a longer key.
 *     8  commit number, big-endian
 *
 * and whose values are one byte of flags and the value.
 */
#ifndef TXN_LAYER_H
#define TXN_LAYER_H

#include "base/base_arena.h"
#include "btree/btree.h"

enum { LAYER_LEVELS = 12 };

struct layer_node {
    struct tree_id tree;
    uint32_t key_size, value_size;
    uint8_t flags;
    uint8_t level_count;
    uint64_t commit;
    const uint8_t *key, *value;
    struct layer_node *next[]; /* level_count of them */
};

struct layer {
    struct arena arena;
    struct layer_node *head[LAYER_LEVELS];
    struct layer_node *tail[LAYER_LEVELS]; /* last node of each level: rising keys go behind */
    unsigned level_count;
    uint64_t count;  /* entries */
    uint64_t bytes;  /* of keys and values put, roughly */
    uint32_t random; /* state of the level lottery */
    bool spilled;
    struct btree btree; /* when spilled */
};

struct layer_entry {
    struct tree_id tree;
    uint64_t commit;
    struct slice key, value;
    uint8_t flags;
};

/* A zeroed layer is empty and in memory. */
/* Put or replace. In memory it neither suspends nor fails (the arena's reserve; ask
   layer_starved). Spilled it may do both; `f` may be NULL in memory. */
enum status layer_put(struct fiber *f, struct layer *layer, const struct layer_entry *entry)
    MUST_USE;
bool layer_starved(const struct layer *layer);
/* Move everything to a temporary tree. Others may read meanwhile, nobody may write. */
enum status layer_spill(struct fiber *f, struct layer *layer, struct pager *pager) MUST_USE;
/* Forget everything; in memory again. Spilled: suspends, on the pager's core only. */
void layer_clear(struct fiber *f, struct layer *layer);

/* A short-lived place in a layer. The entry's slices are valid until the cursor moves or (spilled)
   the fiber suspends. */
struct layer_cursor {
    struct layer *layer;
    struct layer_node *node;   /* in memory */
    struct btree_cursor place; /* spilled */
    struct layer_entry entry;
    bool spilled, valid;
    uint8_t *key; /* spilled: the decoded key */
};
/* Stand on the first entry >= (tree, key, commit). */
enum status layer_seek(struct fiber *f, struct layer *layer, struct layer_cursor *cursor,
                       struct tree_id tree, struct slice key, uint64_t commit) MUST_USE;
/* Stand on the last entry < (tree, key, commit). */
enum status layer_seek_below(struct fiber *f, struct layer *layer, struct layer_cursor *cursor,
                             struct tree_id tree, struct slice key, uint64_t commit) MUST_USE;
enum status layer_next(struct fiber *f, struct layer_cursor *cursor) MUST_USE;
enum status layer_previous(struct fiber *f, struct layer_cursor *cursor) MUST_USE;
void layer_cursor_release(struct layer_cursor *cursor);

/* The encoding, for its test. Returns the size; `at` has room for LAYER_KEY_SIZE_MAX bytes. */
enum { LAYER_KEY_SIZE_MAX = BTREE_KEY_SIZE_MAX };
size_t layer_key_encode(struct tree_id tree, struct slice key, uint64_t commit, uint8_t *at);
/* False when malformed. `key_bytes` has room for LAYER_KEY_SIZE_MAX bytes. */
bool layer_key_decode(struct slice encoded, struct tree_id *tree_out, uint8_t *key_bytes,
                      size_t *key_size_out, uint64_t *commit_out);

#endif
