/*
 * Cursors. There are no pointers between leaves: the neighbour is found by descending to the
 * leaf's fence, some hundred nanoseconds for a few hundred entries; or, as long as the tree does
 * not change, from the parent.
 *
 * A cursor keeps the whole key it stands on. While the tree has not changed since, slot and pinned
 * leaf are good; otherwise the key is looked up again.
 */
#include <string.h>

#include "base/base_memory.h"
#include "btree/tree.h"

enum { ENTRIES_AHEAD = 16 };

void btree_cursor_init(struct btree_cursor *cursor, struct btree *tree) {
    *cursor = (struct btree_cursor){.tree = tree};
}

static void unpin_leaf(struct btree_cursor *cursor) {
    if (cursor->leaf != NULL)
        pager_unpin(cursor->tree->pager, cursor->leaf);
    cursor->leaf = NULL;
}

void btree_cursor_release(struct btree_cursor *cursor) {
    unpin_leaf(cursor);
    memory_free(cursor->key);
    *cursor = (struct btree_cursor){.tree = cursor->tree};
}

/* ---- finding a place ---- */

struct place {
    struct page *leaf; /* NULL: off the end */
    unsigned slot;
    struct page_id parent; /* {0}: not known */
    unsigned parent_slot;
};

/* First entry at or behind (`after`: behind) the key. Not suspended since when it returns. */
static enum status find_forward(struct fiber *f, struct btree *tree, struct slice key, bool after,
                                struct place *place_out) {
    uint8_t fence[BTREE_KEY_SIZE_MAX];
    struct path path;
    uint64_t changes = tree->change_count;
    struct slice target = key;
    bool exact = true; /* target is still the caller's */
    for (;;) {
        *place_out = (struct place){0};
        TRY(tree__descend(f, tree, DESCEND_AT, target, &path));
        if (tree->change_count != changes) { /* somebody may have put a key in between */
            changes = tree->change_count;
            target = key;
            if (!exact) {
                exact = true;
                continue;
            }
        }
        if (path.depth == 0)
            return STATUS_OK;
        struct page *leaf = path_leaf(&path);
        struct node node = page_node(leaf);
        bool equal = false;
        unsigned slot = exact ? node_search(node, target, &equal) : 0;
        if (equal && after)
            slot++;
        if (slot < node_count(node)) {
            *place_out = (struct place){.leaf = leaf, .slot = slot};
            if (path.depth > 1) {
                const struct step *above = &path.steps[path.depth - 2];
                place_out->parent = above->page->id;
                place_out->parent_slot = above->slot;
            }
            return STATUS_OK;
        }
        if (!node_has_upper(node))
            return STATUS_OK;
        struct slice upper = node_upper(node);
        if (upper.size > sizeof fence || slice_compare(upper, target) <= 0)
            return tree__damaged(tree, leaf->id, slot, "upper fence out of order");
        memcpy(fence, upper.data, upper.size);
        target = slice_of(fence, upper.size);
        exact = false;
    }
}

/* Entries of the leaf below the key (`at_too`: or at it). */
static unsigned count_below(struct node node, struct slice key, bool at_too) {
    if (node_has_upper(node) && slice_compare(key, node_upper(node)) >= 0)
        return node_count(node);
    if (slice_compare(key, node_lower(node)) < 0)
        return 0;
    bool equal;
    unsigned slot = node_search(node, key, &equal);
    return slot + (equal && at_too);
}

/* Last entry below (`at_too`: at or below) the key; `last`: of the whole tree. */
static enum status find_backward(struct fiber *f, struct btree *tree, struct slice key, bool at_too,
                                 bool last, struct place *place_out) {
    uint8_t fence[BTREE_KEY_SIZE_MAX];
    struct path path;
    uint64_t changes = tree->change_count;
    const enum descend_mode mode_first = last ? DESCEND_LAST : at_too ? DESCEND_AT : DESCEND_BELOW;
    enum descend_mode mode = mode_first;
    struct slice target = key;
    bool exact = true;
    for (;;) {
        *place_out = (struct place){0};
        TRY(tree__descend(f, tree, mode, target, &path));
        if (tree->change_count != changes) {
            changes = tree->change_count;
            target = key;
            mode = mode_first;
            if (!exact) {
                exact = true;
                continue;
            }
        }
        if (path.depth == 0)
            return STATUS_OK;
        struct page *leaf = path_leaf(&path);
        struct node node = page_node(leaf);
        unsigned count =
            mode == DESCEND_LAST ? node_count(node) : count_below(node, target, exact && at_too);
        if (count > 0) {
            *place_out = (struct place){.leaf = leaf, .slot = count - 1};
            return STATUS_OK;
        }
        struct slice lower = node_lower(node);
        if (lower.size == 0)
            return STATUS_OK;
        bool rises = mode == DESCEND_BELOW && slice_compare(lower, target) >= 0;
        if (lower.size > sizeof fence || rises)
            return tree__damaged(tree, leaf->id, 0, "lower fence out of order");
        memcpy(fence, lower.data, lower.size);
        target = slice_of(fence, lower.size);
        mode = DESCEND_BELOW;
        exact = false;
    }
}

/* ---- moving ---- */

static enum status remember_key(struct btree_cursor *cursor, struct node node, unsigned slot) {
    size_t size = node_key_size(node, slot);
    if (size > cursor->key_capacity &&
        !memory_grow(&cursor->key, &cursor->key_capacity, size < 64 ? 64 : size, 1))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    node_key_copy(node, slot, cursor->key);
    cursor->key_size = size;
    return STATUS_OK;
}

static enum status stand_on(struct btree_cursor *cursor, struct place place) {
    cursor->positioned = false;
    if (place.leaf == NULL) {
        unpin_leaf(cursor);
        return STATUS_OK;
    }
    if (place.leaf != cursor->leaf) {
        pager_pin(place.leaf);
        unpin_leaf(cursor);
        cursor->leaf = place.leaf;
    }
    TRY(remember_key(cursor, page_node(place.leaf), place.slot));
    cursor->slot = (uint16_t)place.slot;
    cursor->parent = place.parent;
    cursor->parent_slot = (uint16_t)place.parent_slot;
    cursor->change_count = cursor->tree->change_count;
    cursor->positioned = true;
    return STATUS_OK;
}

enum status btree_cursor_seek(struct fiber *f, struct btree_cursor *cursor, enum btree_seek seek,
                              struct slice target) {
    struct place place;
    struct btree *tree = cursor->tree;
    switch (seek) {
    case BTREE_SEEK_FIRST:
        TRY(find_forward(f, tree, SLICE_EMPTY, false, &place));
        break;
    case BTREE_SEEK_GE:
    case BTREE_SEEK_GT:
        TRY(find_forward(f, tree, target, seek == BTREE_SEEK_GT, &place));
        break;
    case BTREE_SEEK_LE:
    case BTREE_SEEK_LT:
        TRY(find_backward(f, tree, target, seek == BTREE_SEEK_LE, false, &place));
        break;
    default:
        TRY(find_backward(f, tree, SLICE_EMPTY, false, true, &place));
        break;
    }
    return stand_on(cursor, place);
}

static bool is_current(const struct btree_cursor *cursor) {
    return cursor->leaf != NULL && cursor->change_count == cursor->tree->change_count;
}

static struct place place_in_leaf(const struct btree_cursor *cursor, unsigned slot) {
    return (struct place){cursor->leaf, slot, cursor->parent, cursor->parent_slot};
}

/* NULL: not known, or not in memory. */
static struct page *parent_of(const struct btree_cursor *cursor) {
    if (!is_current(cursor) || cursor->parent.value == 0)
        return NULL;
    return pager_peek(cursor->tree->pager, cursor->parent);
}

unsigned btree_cursor_leaves_behind(const struct btree_cursor *cursor, struct page_id *ids,
                                    unsigned count_max) {
    struct page *parent = parent_of(cursor);
    unsigned count = 0;
    if (parent == NULL)
        return 0;
    struct node node = page_node(parent);
    for (unsigned slot = cursor->parent_slot + 1u; slot < node_count(node) && count < count_max;
         slot++)
        ids[count++] = node_child(node, slot);
    return count;
}

/* The leaf behind the cursor's, by way of the parent; false: not known so, or not in memory. */
static bool next_leaf(const struct btree_cursor *cursor, struct place *place_out) {
    struct btree *tree = cursor->tree;
    struct page *parent = parent_of(cursor);
    if (parent == NULL || cursor->parent_slot + 1u >= node_count(page_node(parent)))
        return false;
    unsigned slot = cursor->parent_slot + 1u;
    struct page *leaf = pager_peek(tree->pager, node_child(page_node(parent), slot));
    if (leaf == NULL)
        return false;
    struct node node = page_node(leaf);
    if (!node_plausible(node) || node_level(node) != 0 || node_count(node) == 0)
        return false;
    if (slot + 2 < node_count(page_node(parent))) { /* those to come */
        pager_prefetch_data(tree->pager, node_child(page_node(parent), slot + 1));
        pager_prefetch(tree->pager, node_child(page_node(parent), slot + 2));
    }
    __builtin_prefetch(node_slot(node, node_count(node) - 1));
    *place_out = (struct place){leaf, 0, cursor->parent, slot};
    return true;
}

enum status btree_cursor_next(struct fiber *f, struct btree_cursor *cursor) {
    struct place place;
    ASSERT(cursor->positioned);
    if (is_current(cursor) && cursor->slot + 1u < node_count(page_node(cursor->leaf)))
        place = place_in_leaf(cursor, cursor->slot + 1u);
    else
        TRY(find_forward(f, cursor->tree, btree_cursor_key(cursor), true, &place));
    return stand_on(cursor, place);
}

enum status btree_cursor_previous(struct fiber *f, struct btree_cursor *cursor) {
    struct place place;
    ASSERT(cursor->positioned);
    if (is_current(cursor) && cursor->slot > 0)
        place = place_in_leaf(cursor, cursor->slot - 1u);
    else
        TRY(find_backward(f, cursor->tree, btree_cursor_key(cursor), false, false, &place));
    return stand_on(cursor, place);
}

struct slice btree_cursor_key(const struct btree_cursor *cursor) {
    ASSERT(cursor->positioned);
    return slice_of(cursor->key, cursor->key_size);
}

/* Find the cursor's own key again if the tree changed. *found_out false: it was deleted; the
   cursor then has no leaf, but goes on from its key. */
static enum status find_again(struct fiber *f, struct btree_cursor *cursor, bool *found_out) {
    ASSERT(cursor->positioned);
    *found_out = true;
    if (is_current(cursor))
        return STATUS_OK;
    struct path path;
    struct slice key = btree_cursor_key(cursor);
    TRY(tree__descend(f, cursor->tree, DESCEND_AT, key, &path));
    bool equal = false;
    unsigned slot = 0;
    if (path.depth > 0)
        slot = node_search(page_node(path_leaf(&path)), key, &equal);
    *found_out = equal;
    if (!equal) {
        unpin_leaf(cursor);
        return STATUS_OK;
    }
    struct page *leaf = path_leaf(&path);
    pager_pin(leaf);
    unpin_leaf(cursor);
    cursor->leaf = leaf;
    cursor->slot = (uint16_t)slot;
    cursor->parent = (struct page_id){0};
    cursor->change_count = cursor->tree->change_count;
    return STATUS_OK;
}

enum status btree_cursor_value(struct fiber *f, struct btree_cursor *cursor, bool *found_out,
                               struct slice *value_out) {
    TRY(find_again(f, cursor, found_out));
    if (*found_out)
        *value_out = node_value(page_node(cursor->leaf), cursor->slot);
    return STATUS_OK;
}

/* ---- taking a leaf at once ---- */

/* Let the cursor stand on an entry that exists, the next one if its own was deleted. */
static enum status settle(struct fiber *f, struct btree_cursor *cursor) {
    bool found;
    TRY(find_again(f, cursor, &found));
    return found ? STATUS_OK : btree_cursor_next(f, cursor);
}

/* Key of 8 bytes of which at most 4 lie behind the prefix: the slot's head has them. */
static void copy_short_key(struct node node, unsigned slot, uint64_t prefix, unsigned prefix_bits,
                           uint8_t *key_out) {
    uint64_t rest = (uint64_t)get_le32(node_slot(node, slot)) << 32;
    put_be64(key_out, prefix_bits == 64 ? prefix : prefix | rest >> prefix_bits);
}

/* Records lie in no order and are mostly not in the cache: they are asked for some entries ahead,
   and keys are taken from the slots where that is possible. */
enum status btree_leaf_entries(const struct btree *tree, const struct btree_pin *pin,
                               uint32_t first, uint32_t count, struct slice *values_out,
                               uint8_t *key_bytes, size_t stride) {
    struct node node = page_node(pin->page);
    ASSERT(first + count <= node_count(node));
    uint8_t start[8] = {0};
    unsigned prefix_size = node_prefix_size(node);
    bool is_short = stride == 8 && prefix_size <= 8 && prefix_size >= 4;
    if (is_short)
        memcpy(start, node_prefix(node).data, prefix_size);
    uint64_t prefix = get_be64(start);
    for (uint32_t i = 0; i < count; i++) {
        unsigned slot = first + i;
        if (values_out != NULL && i + ENTRIES_AHEAD < count) {
            const uint8_t *record = node_record(node, slot + ENTRIES_AHEAD);
            __builtin_prefetch(record);
            __builtin_prefetch(record + 64);
        }
        if (stride > 0 && node_key_size(node, slot) != stride)
            return tree__damaged(tree, pin->page->id, slot, "key of an unexpected size");
        if (is_short)
            copy_short_key(node, slot, prefix, prefix_size * 8, key_bytes + i * stride);
        else if (stride > 0)
            node_key_copy(node, slot, key_bytes + i * stride);
        if (values_out != NULL)
            values_out[i] = node_value(node, slot);
    }
    return STATUS_OK;
}

enum status btree_cursor_take_run(struct fiber *f, struct btree_cursor *cursor, size_t count_max,
                                  struct btree_run *run_out, struct btree_pin *pin) {
    struct btree *tree = cursor->tree;
    *run_out = (struct btree_run){0};
    *pin = (struct btree_pin){0};
    for (;;) {
        if (!cursor->positioned || count_max == 0)
            return STATUS_OK;
        TRY(settle(f, cursor));
        if (!cursor->positioned)
            return STATUS_OK;
        struct page *leaf = cursor->leaf;
        struct node node = page_node(leaf);
        unsigned first = cursor->slot;
        size_t count = node_count(node) - first;
        struct place next = place_in_leaf(cursor, first + (unsigned)count_max);
        pager_pin(leaf);
        if (count <= count_max && !next_leaf(cursor, &next)) {
            /* the next leaf is found before anything is handed out */
            uint8_t fence[BTREE_KEY_SIZE_MAX];
            struct slice upper = node_has_upper(node) ? node_upper(node) : SLICE_EMPTY;
            if (upper.size > 0)
                memcpy(fence, upper.data, upper.size);
            next = (struct place){0};
            bool ends = upper.size == 0 ||
                        (cursor->stop.size > 0 && slice_compare(upper, cursor->stop) >= 0);
            enum status status =
                ends ? STATUS_OK : find_forward(f, tree, slice_of(fence, upper.size), false, &next);
            if (status != STATUS_OK || !is_current(cursor)) {
                pager_unpin(tree->pager, leaf);
                TRY(status);
                continue;
            }
        }
        if (count > count_max)
            count = count_max;
        enum status status = stand_on(cursor, next);
        if (status != STATUS_OK) {
            pager_unpin(tree->pager, leaf);
            return status;
        }
        *run_out = (struct btree_run){first, (uint32_t)count, node_count(node)};
        *pin = (struct btree_pin){tree->pager, leaf};
        return STATUS_OK;
    }
}

enum status btree_cursor_take(struct fiber *f, struct btree_cursor *cursor, size_t count_max,
                              struct slice *values_out, uint8_t *key_bytes, size_t key_stride,
                              size_t *count_out, struct btree_pin *pin) {
    struct btree_run run;
    *count_out = 0;
    TRY(btree_cursor_take_run(f, cursor, count_max, &run, pin));
    if (run.count == 0)
        return STATUS_OK;
    enum status status = btree_leaf_entries(cursor->tree, pin, run.first, run.count, values_out,
                                            key_bytes, key_stride);
    if (status != STATUS_OK) {
        btree_unpin(pin);
        return status;
    }
    *count_out = run.count;
    return STATUS_OK;
}
