/*
 * B+tree over byte keys in unsigned byte order, on the pages of one pager.
 *
 * Changes are atomic towards other fibers of the core: a change first pins its path and reserves
 * frames (may suspend), then edits pages without suspending. Cursors survive every change: they
 * keep their key and find their place again.
 */
#ifndef BTREE_H
#define BTREE_H

#include "base/base_ids.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "pager/pager.h"
#include "runtime/runtime.h"

enum {
    BTREE_KEY_SIZE_MAX = 2704,   /* bytes; the same as PostgreSQL's index rows */
    BTREE_ENTRY_SIZE_MAX = 5000, /* bytes of key and value together: three fit a page */
};

/* A tree handle, zeroed by open. Durable trees keep their root in the pager's directory; temporary
   ones here. There is at most one handle of a tree at a time: all its users share it. */
struct btree {
    struct pager *pager;
    struct tree_id id; /* {0}: temporary */
    struct page_id root;
    uint64_t change_count; /* rises with every change; cursors compare it */
    uint64_t entry_count;  /* exact for temporary trees; estimate (from the root) for durable */
    /* The user's, NULL after open: told at once that the entry of the key was put or removed;
       SLICE_EMPTY: or any. Does not suspend. */
    void (*changed)(struct btree *tree, struct slice key);
    /* private */
    uint64_t structure_count;   /* rises when pages come, go or change their fences */
    bool count_loaded;          /* entry_count includes what the root said */
    struct page_id append_leaf; /* the rightmost leaf while structure_count = append_structure */
    uint64_t append_structure;
};

/* Attach to a durable tree (which may be empty and then has no page yet). Never suspends. */
void btree_open(struct btree *tree, struct pager *pager, struct tree_id id);
void btree_init_temporary(struct btree *tree, struct pager *pager);
/* Forget the handle, keep the pages of a durable tree. */
void btree_close(struct btree *tree);
/* Free every page; the tree is empty and usable afterwards. Suspends; long trees yield. Nobody else
   uses the tree meanwhile. A crash or failure in between leaves a smaller tree, which can be
   cleared again. */
enum status btree_clear(struct fiber *f, struct btree *tree) MUST_USE;
/* The tree is empty, and what it held is not looked at: for one that cannot be cleared since it is
   damaged. The root's page becomes free; pages below it are lost to
   use. Never suspends. */
void btree_abandon(struct btree *tree);

/* Put a key, replacing its value if present. When `old_out` is not NULL and the key was present,
   the old value is appended to *old_out ... see struct btree_old. LIMIT_EXCEEDED when too big. */
struct btree_old {
    bool found;
    uint8_t *bytes; /* buffer of the caller, BTREE_ENTRY_SIZE_MAX bytes */
    size_t size;    /* of the old value */
};
enum status btree_put(struct fiber *f, struct btree *tree, struct slice key, struct slice value,
                      struct btree_old *old_out) MUST_USE;
/* Remove a key; absence is not an error (old_out->found says). */
enum status btree_delete(struct fiber *f, struct btree *tree, struct slice key,
                         struct btree_old *old_out) MUST_USE;

/* Have in memory what a change of this key needs. Nothing keeps it there; who comes soon finds it.
   DATA_CORRUPTED and the like; may suspend. */
enum status btree_reach(struct fiber *f, struct btree *tree, struct slice key) MUST_USE;

/* Point read without a cursor: pins the leaf in *pin. value points into it until
   btree_unpin(pin). *found_out false: nothing pinned. */
struct btree_pin {
    struct pager *pager;
    struct page *page;
};
enum status btree_get(struct fiber *f, struct btree *tree, struct slice key, bool *found_out,
                      struct slice *value_out, struct btree_pin *pin) MUST_USE;
void btree_unpin(struct btree_pin *pin);

/* A cursor stands on an entry, or off either end. Zero-initialise through btree_cursor_init. */
struct btree_cursor {
    struct btree *tree;
    struct page *leaf; /* pinned while positioned */
    uint16_t slot;
    uint16_t parent_slot;  /* where the parent has the leaf */
    struct page_id parent; /* as of change_count; {0}: not known */
    bool positioned;
    uint64_t change_count;
    uint8_t *key; /* the whole key under the cursor, heap buffer */
    size_t key_size, key_capacity;
    /* btree_cursor_take_run looks into no leaf that begins at this key or behind it: the cursor is
       off the end then. Empty: none. The caller's, who sets it after init; release forgets it. */
    struct slice stop;
};
enum btree_seek {
    BTREE_SEEK_GE, /* first key >= target */
    BTREE_SEEK_GT,
    BTREE_SEEK_LE, /* last key <= target */
    BTREE_SEEK_LT,
    BTREE_SEEK_FIRST,
    BTREE_SEEK_LAST,
};
void btree_cursor_init(struct btree_cursor *cursor, struct btree *tree);
void btree_cursor_release(struct btree_cursor *cursor);
/* After each of these, cursor->positioned says whether there is an entry. */
enum status btree_cursor_seek(struct fiber *f, struct btree_cursor *cursor, enum btree_seek seek,
                              struct slice target) MUST_USE;
enum status btree_cursor_next(struct fiber *f, struct btree_cursor *cursor) MUST_USE;
/* The leaves behind the cursor's, in order, as far as its parent tells; returns how many. */
unsigned btree_cursor_leaves_behind(const struct btree_cursor *cursor, struct page_id *ids,
                                    unsigned count_max);
enum status btree_cursor_previous(struct fiber *f, struct btree_cursor *cursor) MUST_USE;
/* The whole key; valid until the cursor moves. */
struct slice btree_cursor_key(const struct btree_cursor *cursor);
/* The value; valid until the cursor moves or the tree changes (any suspension). Re-finds the
   place if the tree changed since the move; *found_out false when the entry was deleted. */
enum status btree_cursor_value(struct fiber *f, struct btree_cursor *cursor, bool *found_out,
                               struct slice *value_out) MUST_USE;

/* The fast path of scans: hand out the rest of the current leaf at once, from the cursor's entry
   forward, at most `count_max`. The cursor then stands on the entry after them (or off the end),
   keeping the old leaf pinned in *pin until btree_unpin. */
struct btree_run {
    uint32_t first, count; /* entries of the leaf */
    uint32_t leaf_count;   /* all of them */
};
enum status btree_cursor_take_run(struct fiber *f, struct btree_cursor *cursor, size_t count_max,
                                  struct btree_run *run_out, struct btree_pin *pin) MUST_USE;
/* Entries first .. first + count of a leaf that is pinned and was not changed since: values
   (`values_out` NULL: none) point into it, keys are written whole into `key_bytes` (key_stride
   bytes each, for trees whose keys are of that fixed size; 0: none). DATA_CORRUPTED. */
enum status btree_leaf_entries(const struct btree *tree, const struct btree_pin *pin,
                               uint32_t first, uint32_t count, struct slice *values_out,
                               uint8_t *key_bytes, size_t key_stride) MUST_USE;
/* Both at once. Slices stay valid until btree_unpin, provided no suspension lets somebody change
   the leaf, so consume or copy before suspending. */
enum status btree_cursor_take(struct fiber *f, struct btree_cursor *cursor, size_t count_max,
                              struct slice *values_out, uint8_t *key_bytes, size_t key_stride,
                              size_t *count_out, struct btree_pin *pin) MUST_USE;

/* Fill an empty tree with keys in strictly rising order; leaves are packed. Whoever builds one must
   be ready to clear it after a crash: a checkpoint may publish it half built. */
struct btree_loader;
enum status btree_load_begin(struct fiber *f, struct btree *tree, struct btree_loader **loader_out)
    MUST_USE;
enum status btree_load_add(struct fiber *f, struct btree_loader *loader, struct slice key,
                           struct slice value) MUST_USE;
/* Finishes and frees the loader; after a failure the tree is empty. */
enum status btree_load_end(struct fiber *f, struct btree_loader *loader) MUST_USE;

/* Estimate of the number of entries between two keys (either may be empty: open), from one
   descent for each. */
enum status btree_estimate(struct fiber *f, struct btree *tree, struct slice lower,
                           struct slice upper, uint64_t *count_out) MUST_USE;

/* Pages of the tree. Looks at one leaf for each node above the leaves; the few nodes higher up are
   counted once for a level. */
enum status btree_page_count(struct fiber *f, struct btree *tree, uint64_t *count_out) MUST_USE;

/* Check order, fences, depth, fill and that no page is used twice; the first broken invariant is
   DATA_CORRUPTED or INDEX_CORRUPTED naming tree, page and slot. */
struct btree_check_result {
    uint64_t entries, leaves, pages;
    unsigned depth;
};
enum status btree_check(struct fiber *f, struct btree *tree, struct btree_check_result *result_out)
    MUST_USE;

/* Keys that are lost with a page: it cannot be read, or is not what belongs there. */
struct btree_lost {
    struct slice lower, upper; /* lower <= key < upper; until the call returns */
    bool has_upper;
    bool above_leaves; /* there may be leaves of these keys that nobody leads to any more */
    struct page_id page;
    const char *what; /* with file and offset where they are known */
};
/* The same to the end of the tree: `lost`, which must not suspend, is told of each page where the
   check fails, in the order of keys, and what lies behind it is checked too. Damage is no failure.
   error_current() is that of the page while `lost` runs. */
enum status btree_check_all(struct fiber *f, struct btree *tree,
                            void (*lost)(void *context, const struct btree_lost *lost),
                            void *context, struct btree_check_result *result_out) MUST_USE;

#endif
