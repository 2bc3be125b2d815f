/* What concerns whole trees: clearing, loading, estimating, counting. */
#include <string.h>

#include "base/base_memory.h"
#include "btree/tree.h"

/* ---- clear ---- */

static void forget_pages(struct btree *tree) {
    tree->root = (struct page_id){0};
    tree->append_leaf = (struct page_id){0};
    tree->entry_count = 0;
    tree->count_loaded = true;
    tree->structure_count++;
    tree__changed(tree, SLICE_EMPTY);
}

static void pin_and_modify(struct btree *tree, struct page *page) {
    pager_pin(page);
    pager_modify(tree->pager, page);
    pager_unpin(tree->pager, page);
}

/* Free the last node above the leaves with all of its leaves; empty nodes above it go too. */
static void clear_last_branch(struct btree *tree, struct path *path) {
    unsigned step = path->depth - 2;
    struct node node = step_node(path, step);
    for (unsigned slot = node_count(node); slot-- > 0;)
        pager_free(tree->pager, node_child(node, slot));
    for (;; step--) {
        pager_free(tree->pager, path->steps[step].page->id);
        if (step == 0) {
            tree__root_set(tree, (struct page_id){0});
            return;
        }
        struct node parent = step_node(path, step - 1);
        if (node_count(parent) > 1) {
            pin_and_modify(tree, path->steps[step - 1].page);
            node_remove(parent, node_count(parent) - 1);
            return;
        }
    }
}

/* The rightmost node above the leaves, without reading leaves. */
static enum status descend_to_branch(struct fiber *f, struct btree *tree, struct path *path) {
    for (;;) {
        struct page_id id = tree->root;
        path->depth = 0;
        for (;;) {
            struct page *page = pager_peek(tree->pager, id);
            if (page == NULL)
                break;
            struct node node = page_node(page);
            if (!node_plausible(node) || path->depth == DEPTH_MAX - 1)
                return tree__damaged(tree, id, 0, "not a tree node");
            path->steps[path->depth++].page = page;
            if (node_level(node) == 0)
                return STATUS_OK;
            if (node_level(node) == 1) {
                path->depth++; /* counts the leaf, which is not looked at */
                return STATUS_OK;
            }
            id = node_child(node, node_count(node) - 1);
        }
        struct page *page;
        TRY(pager_fetch(f, tree->pager, id, &page));
        pager_unpin(tree->pager, page);
    }
}

enum status btree_clear(struct fiber *f, struct btree *tree) {
    while (tree->root.value != 0) {
        struct path path;
        TRY(descend_to_branch(f, tree, &path));
        if (!pager_reserve_ready(tree->pager, 1)) {
            TRY(pager_reserve(f, tree->pager, 1));
            continue;
        }
        tree->structure_count++;
        tree__changed(tree, SLICE_EMPTY);
        if (path.depth == 1) {
            pager_free(tree->pager, tree->root);
            tree__root_set(tree, (struct page_id){0});
        } else {
            clear_last_branch(tree, &path);
        }
        TRY(fiber_check(f));
    }
    forget_pages(tree);
    return STATUS_OK;
}

void btree_abandon(struct btree *tree) {
    if (tree->root.value != 0) {
        pager_free(tree->pager, tree->root);
        tree__root_set(tree, (struct page_id){0});
    }
    forget_pages(tree);
}

/* ---- load ---- */

struct btree_loader {
    struct btree *tree;
    uint8_t last[BTREE_KEY_SIZE_MAX];
    size_t last_size;
    bool any;
    enum status failed;
};

enum status btree_load_begin(struct fiber *f, struct btree *tree,
                             struct btree_loader **loader_out) {
    ASSERT(tree->root.value == 0);
    struct btree_loader *loader = memory_alloc_zeroed(1, sizeof *loader);
    if (loader == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    loader->tree = tree;
    *loader_out = loader;
    return STATUS_OK;
}

/* Rising keys take the append path: no descent, and splits leave full leaves behind. */
enum status btree_load_add(struct fiber *f, struct btree_loader *loader, struct slice key,
                           struct slice value) {
    enum status status;
    if (loader->any && slice_compare(slice_of(loader->last, loader->last_size), key) >= 0)
        status = error_set(STATUS_INTERNAL_ERROR, "keys to load are not in rising order");
    else
        status = btree_put(f, loader->tree, key, value, NULL);
    loader->failed = status;
    if (status == STATUS_OK) {
        memcpy(loader->last, key.data, key.size);
        loader->last_size = key.size;
        loader->any = true;
    }
    return status;
}

enum status btree_load_end(struct fiber *f, struct btree_loader *loader) {
    struct btree *tree = loader->tree;
    enum status failed = loader->failed;
    memory_free(loader);
    return failed == STATUS_OK ? STATUS_OK : btree_clear(f, tree);
}

/* ---- estimate ---- */

/* Where a key lies, as a share of the tree; *leaf_count_out is about the entries of a leaf. */
static enum status share_below(struct fiber *f, struct btree *tree, struct slice key,
                               double *share_out, struct page_id *leaf_out, unsigned *slot_out,
                               double *entries_out) {
    struct path path;
    TRY(tree__descend(f, tree, DESCEND_AT, key, &path));
    *share_out = 0;
    *entries_out = 0;
    if (path.depth == 0)
        return STATUS_OK;
    double width = 1, leaves = 1;
    for (unsigned i = 0; i + 1 < path.depth; i++) {
        unsigned count = node_count(step_node(&path, i));
        width /= count;
        leaves *= count;
        *share_out += width * path.steps[i].slot;
    }
    struct node node = step_node(&path, path.depth - 1);
    bool equal;
    *slot_out = node_search(node, key, &equal);
    *leaf_out = path_leaf(&path)->id;
    unsigned count = node_count(node);
    *share_out += count > 0 ? width * *slot_out / count : 0;
    *entries_out = leaves * count;
    return STATUS_OK;
}

enum status btree_estimate(struct fiber *f, struct btree *tree, struct slice lower,
                           struct slice upper, uint64_t *count_out) {
    double from = 0, to = 1, entries = 0;
    struct page_id leaf_from = {0}, leaf_to = {0};
    unsigned slot_from = 0, slot_to = 0;
    TRY(share_below(f, tree, lower, &from, &leaf_from, &slot_from, &entries));
    if (upper.size > 0)
        TRY(share_below(f, tree, upper, &to, &leaf_to, &slot_to, &entries));
    if (leaf_to.value != 0 && leaf_from.value == leaf_to.value) {
        *count_out = slot_to > slot_from ? slot_to - slot_from : 0;
        return STATUS_OK;
    }
    if (tree->count_loaded && tree->entry_count > 0)
        entries = (double)tree->entry_count;
    double count = (to - from) * entries;
    *count_out = count > 0 ? (uint64_t)(count + 0.5) : 0;
    return STATUS_OK;
}

/* ---- size ---- */

enum status btree_page_count(struct fiber *f, struct btree *tree, uint64_t *count_out) {
    uint8_t fence[BTREE_KEY_SIZE_MAX];
    struct slice target = SLICE_EMPTY;
    *count_out = 0;
    for (;;) {
        struct path path;
        TRY(tree__descend(f, tree, DESCEND_AT, target, &path));
        if (path.depth <= 1) {
            *count_out += path.depth;
            return STATUS_OK;
        }
        struct node parent = step_node(&path, path.depth - 2);
        if (*count_out == 0)
            *count_out = path.depth - 2;
        *count_out += 1 + node_count(parent);
        if (!node_has_upper(parent))
            return STATUS_OK;
        struct slice upper = node_upper(parent);
        memcpy(fence, upper.data, upper.size);
        target = slice_of(fence, upper.size);
        TRY(fiber_check(f));
    }
}
