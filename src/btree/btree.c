/*
 * Descents, put, delete, get.
 *
 * A descent walks pages that are in memory without pinning them. When one is missing it is fetched
 * (which suspends) and the descent starts again at the root, so that a finished path was walked
 * in one go and is true. Pages fetched meanwhile stay pinned until then.
 */
#include "btree/btree.h"

#include <string.h>

#include "base/base_chance.h"
#include "btree/tree.h"

enum status tree__damaged(const struct btree *tree, struct page_id page, unsigned slot,
                          const char *what) {
    return error_set(STATUS_INDEX_CORRUPTED, "tree %u is damaged at page %llu, entry %u: %s",
                     tree->id.value, (unsigned long long)page.value, slot, what);
}

void btree_open(struct btree *tree, struct pager *pager, struct tree_id id) {
    ASSERT(id.value != 0);
    *tree = (struct btree){.pager = pager, .id = id, .root = pager_root(pager, id)};
}

void btree_init_temporary(struct btree *tree, struct pager *pager) {
    *tree = (struct btree){.pager = pager, .count_loaded = true};
}

void btree_close(struct btree *tree) {
    *tree = (struct btree){0};
}

/* ---- descent ---- */

static void load_count(struct btree *tree, const struct page *root) {
    struct node node = page_node(root);
    tree->entry_count += node_level(node) == 0 ? node_count(node) : node_tree_entries(node);
    tree->count_loaded = true;
}

/* Entry to follow in an inner node; false: nothing is below the key here. */
static inline bool choose_child(struct node node, enum descend_mode mode, struct slice key,
                                unsigned *slot_out) {
    if (__builtin_expect(mode == DESCEND_AT, 1)) {
        *slot_out = node_search_child(node, key);
        return true;
    }
    if (mode == DESCEND_LAST) {
        *slot_out = node_count(node) - 1;
        return true;
    }
    /* The key may be the node's own upper fence, which has not its prefix: all is below then. */
    if (node_has_upper(node) && slice_compare(key, node_upper(node)) >= 0) {
        *slot_out = node_count(node) - 1;
        return true;
    }
    if (slice_compare(key, node_lower(node)) <= 0)
        return false;
    bool equal;
    unsigned at = node_search(node, key, &equal);
    *slot_out = at - 1;
    return at > 0;
}

/* Walk while pages are in memory. *missing_out {0}: arrived. */
static enum status walk(struct btree *tree, enum descend_mode mode, struct slice key,
                        struct path *path, struct page_id *missing_out) {
    struct page_id id = tree->root;
    ASSERT(id.value != 0);
    *missing_out = (struct page_id){0};
    for (path->depth = 0; path->depth < DEPTH_MAX;) {
        struct page *page = pager_peek(tree->pager, id);
        if (page == NULL && id.value == 0) /* which would pass for having arrived */
            return tree__damaged(tree, path->steps[path->depth - 1].page->id, 0, "no child");
        if (page == NULL) {
            *missing_out = id;
            return STATUS_OK;
        }
        struct node node = page_node(page);
        if (!node_plausible(node))
            return tree__damaged(tree, id, 0, "not a tree node");
        struct step *step = &path->steps[path->depth++];
        step->page = page;
        step->slot = 0;
        if (node_level(node) == 0)
            return STATUS_OK;
        if (node_count(node) == 0)
            return tree__damaged(tree, id, 0, "inner node without children");
        if (!choose_child(node, mode, key, &step->slot)) {
            path->depth = 0;
            return STATUS_OK;
        }
        id = node_child(node, step->slot);
    }
    return tree__damaged(tree, id, 0, "the tree is too deep");
}

enum { PINS_MAX = 2 * DEPTH_MAX };

static enum status descend_slow(struct fiber *f, struct btree *tree, enum descend_mode mode,
                                struct slice key, struct path *path, struct page_id missing) {
    struct page *pins[PINS_MAX];
    unsigned pin_count = 0;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && missing.value != 0) {
        uint64_t structure = tree->structure_count;
        if (pin_count == PINS_MAX) /* others changed the tree all the time */
            pager_unpin(tree->pager, pins[--pin_count]);
        status = pager_fetch(f, tree->pager, missing, &pins[pin_count]);
        if (status == STATUS_OK)
            pin_count++;
        else if (tree->structure_count != structure && !fiber_cancelled(f))
            status = STATUS_OK; /* the page may be gone by now: look again */
        else
            break;
        if (tree->root.value == 0) {
            path->depth = 0;
            break;
        }
        status = walk(tree, mode, key, path, &missing);
    }
    while (pin_count > 0)
        pager_unpin(tree->pager, pins[--pin_count]);
    return status;
}

enum status tree__descend(struct fiber *f, struct btree *tree, enum descend_mode mode,
                          struct slice key, struct path *path_out) {
    path_out->depth = 0;
    if (tree->root.value == 0)
        return STATUS_OK;
    struct page_id missing;
    if (by_chance("btree: a way down waits for pages")) {
        fiber_yield(f);
        if (tree->root.value == 0)
            return STATUS_OK;
    }
    TRY(walk(tree, mode, key, path_out, &missing));
    if (missing.value != 0)
        TRY(descend_slow(f, tree, mode, key, path_out, missing));
    if (__builtin_expect(!tree->count_loaded, 0) && path_out->depth > 0)
        load_count(tree, path_out->steps[0].page);
    return STATUS_OK;
}

/* ---- put ---- */

static enum status check_sizes(struct slice key, struct slice value) {
    if (key.size > BTREE_KEY_SIZE_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "index row size %zu exceeds maximum %d", key.size,
                         BTREE_KEY_SIZE_MAX);
    if (key.size + value.size > BTREE_ENTRY_SIZE_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "row size %zu exceeds maximum %d",
                         key.size + value.size, BTREE_ENTRY_SIZE_MAX);
    return STATUS_OK;
}

static void old_found(struct btree_old *old_out, struct slice value) {
    if (old_out == NULL)
        return;
    old_out->found = true;
    old_out->size = value.size;
    if (value.size > 0)
        memcpy(old_out->bytes, value.data, value.size);
}

static inline void page_modify(struct btree *tree, struct page *page) {
    pager_pin(page);
    pager_modify(tree->pager, page);
    pager_unpin(tree->pager, page);
}

/* The rightmost leaf, if the key belongs behind all others; NULL: not such a case, or it is not
   known without a look. */
static struct page *page_to_append(const struct btree *tree, struct slice key) {
    if (tree->append_leaf.value == 0 || tree->append_structure != tree->structure_count)
        return NULL;
    struct page *page = pager_peek(tree->pager, tree->append_leaf);
    if (page == NULL)
        return NULL;
    struct node node = page_node(page);
    unsigned count = node_count(node);
    ASSERT(node_level(node) == 0 && !node_has_upper(node));
    bool behind = count > 0 && slice_compare(node_key_rest(node, count - 1), key) < 0;
    return behind ? page : NULL;
}

enum status btree_reach(struct fiber *f, struct btree *tree, struct slice key) {
    struct path path;
    return key.size > BTREE_KEY_SIZE_MAX || page_to_append(tree, key) != NULL
               ? STATUS_OK
               : tree__descend(f, tree, DESCEND_AT, key, &path);
}

/* A key behind all others goes straight to the rightmost leaf. False: not such a case. */
static bool put_append(struct btree *tree, struct slice key, struct slice value) {
    struct page *page = page_to_append(tree, key);
    if (page == NULL || !pager_reserve_ready(tree->pager, 1))
        return false;
    struct node node = page_node(page);
    unsigned count = node_count(node);
    if (node_entry_size(node, key.size, value.size) > node_free(node))
        return false;
    page_modify(tree, page);
    bool fits = node_insert(node, count, key, value);
    ASSERT(fits);
    tree__changed(tree, key);
    tree->entry_count++;
    return true;
}

static void remember_append(struct btree *tree, const struct page *leaf, unsigned slot) {
    struct node node = page_node(leaf);
    if (node_has_upper(node) || slot + 1 != node_count(node))
        return;
    tree->append_leaf = leaf->id;
    tree->append_structure = tree->structure_count;
}

/* The first entry makes the root. A frame is reserved. */
static enum status put_first(struct fiber *f, struct btree *tree, struct slice key,
                             struct slice value) {
    struct page *page;
    enum page_lifetime lifetime = tree->id.value == 0 ? PAGE_TEMPORARY : PAGE_DURABLE;
    TRY(pager_allocate(f, tree->pager, lifetime, PAGE_SIZE, &page));
    ASSERT(tree->root.value == 0);
    if (tree->id.value != 0) {
        enum status status = pager_root_set(tree->pager, tree->id, page->id);
        if (status != STATUS_OK) {
            struct page_id id = page->id;
            pager_unpin(tree->pager, page);
            pager_free(tree->pager, id);
            return status;
        }
    }
    tree->root = page->id;
    struct node node = page_node(page);
    node_init(node, 0, SLICE_EMPTY, NULL);
    bool fits = node_insert(node, 0, key, value);
    ASSERT(fits);
    tree->structure_count++;
    tree__changed(tree, key);
    tree->entry_count = 1;
    tree->count_loaded = true;
    remember_append(tree, page, 0);
    pager_unpin(tree->pager, page);
    return STATUS_OK;
}

/* Edit the leaf at the path's end. Frames are reserved; nothing suspends. */
static void put_at(struct fiber *f, struct btree *tree, struct path *path, struct slice key,
                   struct slice value, struct btree_old *old_out) {
    struct page *leaf = path_leaf(path);
    struct node node = page_node(leaf);
    bool equal;
    unsigned slot = node_search(node, key, &equal);
    page_modify(tree, leaf);
    tree__changed(tree, key);
    if (equal) {
        old_found(old_out, node_value(node, slot));
        if (node_replace(node, slot, value))
            return;
        node_remove(node, slot);
    } else {
        tree->entry_count++;
    }
    if (node_insert(node, slot, key, value))
        remember_append(tree, leaf, slot);
    else
        tree__insert_split(f, tree, path, path->depth - 1, slot, key, value);
}

/* Frames to set aside for putting an entry of this size at the path's end. */
static unsigned put_need(const struct path *path, struct slice key, struct slice value) {
    if (path->depth == 0)
        return 1;
    struct node node = page_node(path_leaf(path));
    return node_entry_size(node, key.size, value.size) <= node_free(node) ? 1
                                                                          : tree__reserve_for(path);
}

enum status btree_put(struct fiber *f, struct btree *tree, struct slice key, struct slice value,
                      struct btree_old *old_out) {
    TRY(check_sizes(key, value));
    if (old_out != NULL)
        old_out->found = false;
    if (put_append(tree, key, value))
        return STATUS_OK;
    struct path path;
    for (;;) {
        TRY(tree__descend(f, tree, DESCEND_AT, key, &path));
        unsigned need = put_need(&path, key, value);
        if (pager_reserve_ready(tree->pager, need))
            break;
        TRY(pager_reserve(f, tree->pager, need));
    }
    if (path.depth == 0)
        return put_first(f, tree, key, value);
    put_at(f, tree, &path, key, value, old_out);
    return STATUS_OK;
}

/* ---- delete ---- */

static bool is_nearly_empty(struct node node) {
    return node_free(node) > node.size / 4 * 3;
}

/* A leaf that becomes nearly empty is merged with one beside it. */
static unsigned delete_need(struct path *path) {
    return is_nearly_empty(page_node(path_leaf(path))) ? tree__reserve_for(path) : 1;
}

enum status btree_delete(struct fiber *f, struct btree *tree, struct slice key,
                         struct btree_old *old_out) {
    if (old_out != NULL)
        old_out->found = false;
    if (key.size > BTREE_KEY_SIZE_MAX)
        return STATUS_OK;
    struct path path;
    for (;;) {
        TRY(tree__descend(f, tree, DESCEND_AT, key, &path));
        if (path.depth == 0)
            return STATUS_OK;
        unsigned need = delete_need(&path);
        if (pager_reserve_ready(tree->pager, need))
            break;
        TRY(pager_reserve(f, tree->pager, need));
    }
    struct page *leaf = path_leaf(&path);
    struct node node = page_node(leaf);
    bool equal;
    unsigned slot = node_search(node, key, &equal);
    if (!equal)
        return STATUS_OK;
    old_found(old_out, node_value(node, slot));
    page_modify(tree, leaf);
    node_remove(node, slot);
    tree__changed(tree, key);
    if (tree->entry_count > 0)
        tree->entry_count--;
    if (is_nearly_empty(node))
        tree__merge(tree, &path);
    return STATUS_OK;
}

/* ---- get ---- */

enum status btree_get(struct fiber *f, struct btree *tree, struct slice key, bool *found_out,
                      struct slice *value_out, struct btree_pin *pin) {
    *found_out = false;
    *pin = (struct btree_pin){0};
    struct path path;
    if (key.size > BTREE_KEY_SIZE_MAX)
        return STATUS_OK;
    TRY(tree__descend(f, tree, DESCEND_AT, key, &path));
    if (path.depth == 0)
        return STATUS_OK;
    struct page *leaf = path_leaf(&path);
    struct node node = page_node(leaf);
    bool equal;
    unsigned slot = node_search(node, key, &equal);
    if (!equal)
        return STATUS_OK;
    pager_pin(leaf);
    *pin = (struct btree_pin){tree->pager, leaf};
    *found_out = true;
    *value_out = node_value(node, slot);
    return STATUS_OK;
}

void btree_unpin(struct btree_pin *pin) {
    if (pin->page != NULL)
        pager_unpin(pin->pager, pin->page);
    *pin = (struct btree_pin){0};
}
