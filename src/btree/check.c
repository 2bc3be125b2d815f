/* Checking whole trees, to the first damage or around all of it. */
#include <string.h>

#include "btree/tree.h"

/* Does the child's range agree with what its parent says? */
static const char *check_child(struct node parent, unsigned slot, struct node child) {
    if (!node_plausible(child) || node_level(child) + 1 != node_level(parent))
        return "child of another level";
    uint8_t key[NODE_KEY_SIZE_MAX];
    if (node_key_size(parent, slot) > sizeof key)
        return "key too long";
    node_key_copy(parent, slot, key);
    if (!slice_equal(slice_of(key, node_key_size(parent, slot)), node_lower(child)))
        return "lower fence of the child differs";
    bool has_upper = slot + 1 < node_count(parent) || node_has_upper(parent);
    if (has_upper != node_has_upper(child))
        return "upper fence of the child differs";
    if (!has_upper)
        return NULL;
    struct slice upper;
    if (slot + 1 < node_count(parent)) {
        node_key_copy(parent, slot + 1, key);
        upper = slice_of(key, node_key_size(parent, slot + 1));
    } else {
        upper = node_upper(parent);
    }
    return slice_equal(upper, node_upper(child)) ? NULL : "upper fence of the child differs";
}

/* Check the path's nodes that the walk comes to for the first time. */
static enum status check_path(struct btree *tree, struct path *path,
                              struct btree_check_result *result) {
    unsigned first_new = path->depth - 1; /* the leaf; and the nodes it is the first leaf of */
    while (first_new > 0 && path->steps[first_new - 1].slot == 0)
        first_new--;
    for (unsigned i = 0; i < path->depth; i++) {
        struct node node = step_node(path, i);
        struct page_id id = path->steps[i].page->id;
        unsigned slot = 0;
        if (i >= first_new) {
            const char *problem = node_check(node, &slot);
            if (problem != NULL)
                return tree__damaged(tree, id, slot, problem);
            result->pages++;
        }
        if (i + 1 < path->depth) {
            slot = path->steps[i].slot;
            const char *problem = check_child(node, slot, step_node(path, i + 1));
            if (problem != NULL)
                return tree__damaged(tree, id, slot, problem);
        }
    }
    struct node root = step_node(path, 0);
    if (node_lower(root).size > 0 || node_has_upper(root))
        return tree__damaged(tree, tree->root, 0, "the root has fences");
    result->leaves++;
    result->entries += node_count(page_node(path_leaf(path)));
    result->depth = path->depth;
    return STATUS_OK;
}

/* The leaf that holds the key, and the nodes above it that it is the first of. Its upper fence goes
   to `fence`; *size_out 0: it has none. */
static enum status check_leaf(struct fiber *f, struct btree *tree, struct slice target,
                              struct btree_check_result *result, uint8_t *fence, size_t *size_out) {
    struct path path;
    *size_out = 0;
    TRY(tree__descend(f, tree, DESCEND_AT, target, &path));
    if (path.depth == 0)
        return STATUS_OK;
    TRY(check_path(tree, &path, result));
    struct node leaf = page_node(path_leaf(&path));
    if (!node_has_upper(leaf))
        return STATUS_OK;
    struct slice upper = node_upper(leaf);
    memcpy(fence, upper.data, upper.size);
    *size_out = upper.size;
    return fiber_check(f);
}

/* Leaf by leaf in key order. Each step sees the tree at one moment, so it may change meanwhile.
   A page used twice would have to have two ranges, which its fences deny. */
enum status btree_check(struct fiber *f, struct btree *tree,
                        struct btree_check_result *result_out) {
    uint8_t fence[NODE_KEY_SIZE_MAX];
    size_t size = 0;
    *result_out = (struct btree_check_result){0};
    do
        TRY(check_leaf(f, tree, slice_of(fence, size), result_out, fence, &size));
    while (size > 0);
    return STATUS_OK;
}

/* ---- around damage ---- */

/* A page on the way down, and what its parent says about it. */
struct stop {
    struct page_id page;
    struct tree_range range; /* in the bytes below */
    uint8_t lower[NODE_KEY_SIZE_MAX], upper[NODE_KEY_SIZE_MAX];
};

/* To the child that the key belongs to. */
static void stop_descend(struct stop *stop, struct node node, struct slice key) {
    unsigned slot = node_search_child(node, key);
    node_key_copy(node, slot, stop->lower);
    stop->range.lower = slice_of(stop->lower, node_key_size(node, slot));
    if (slot + 1 < node_count(node)) {
        node_key_copy(node, slot + 1, stop->upper);
        stop->range.upper = slice_of(stop->upper, node_key_size(node, slot + 1));
        stop->range.has_upper = true;
    }
    stop->range.level = (int)node_level(node) - 1;
    stop->page = node_child(node, slot);
}

/* The page that a descent to the key cannot pass; a leaf where there is none. */
static enum status find_stop(struct fiber *f, struct btree *tree, struct slice key,
                             struct stop *stop) {
    stop->page = tree->root;
    stop->range = (struct tree_range){.level = -1};
    for (unsigned depth = 0; depth < DEPTH_MAX && stop->page.value != 0; depth++) {
        struct page *page;
        enum status status = pager_fetch(f, tree->pager, stop->page, &page);
        if (status_is_damage(status))
            return STATUS_OK;
        TRY(status);
        struct node node = page_node(page);
        bool passes = tree__problem(slice_of(page->data, page->size), &stop->range) == NULL &&
                      node_level(node) > 0;
        if (passes)
            stop_descend(stop, node, key);
        pager_unpin(tree->pager, page);
        if (!passes)
            return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status tell_lost(struct fiber *f, struct btree *tree, struct slice key,
                             void (*lost)(void *context, const struct btree_lost *lost),
                             void *context, uint8_t *fence, size_t *size_out) {
    struct error kept = *error_current();
    struct stop stop;
    TRY(find_stop(f, tree, key, &stop));
    *error_current() = kept;
    struct btree_lost loss = {.lower = stop.range.lower,
                              .upper = stop.range.upper,
                              .has_upper = stop.range.has_upper,
                              .above_leaves = stop.range.level != 0,
                              .page = stop.page,
                              .what = kept.message};
    lost(context, &loss);
    error_clear();
    /* Nothing that is damaged makes this a loop. */
    bool goes_on = loss.has_upper && slice_compare(loss.upper, key) > 0;
    *size_out = goes_on ? loss.upper.size : 0;
    if (goes_on)
        memcpy(fence, loss.upper.data, loss.upper.size);
    return fiber_check(f);
}

enum status btree_check_all(struct fiber *f, struct btree *tree,
                            void (*lost)(void *context, const struct btree_lost *lost),
                            void *context, struct btree_check_result *result_out) {
    uint8_t fence[NODE_KEY_SIZE_MAX], next[NODE_KEY_SIZE_MAX];
    size_t size = 0;
    *result_out = (struct btree_check_result){0};
    do {
        struct slice target = slice_of(fence, size);
        enum status status = check_leaf(f, tree, target, result_out, next, &size);
        if (status_is_damage(status))
            status = tell_lost(f, tree, target, lost, context, next, &size);
        TRY(status);
        memcpy(fence, next, size);
    } while (size > 0);
    return STATUS_OK;
}
