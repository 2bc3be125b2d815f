/* Inside the room: descents and what is done at their end. */
#ifndef TREE_H
#define TREE_H

#include "btree/btree.h"
#include "btree/node.h"

enum { DEPTH_MAX = 24 };

/* A way from the root to a leaf. The pages are in memory but not pinned: it is good until the next
   suspension. */
struct path {
    unsigned depth; /* 0: the tree has no page */
    struct step {
        struct page *page;
        unsigned slot; /* of the child taken; of no meaning at the leaf */
    } steps[DEPTH_MAX];
};

enum descend_mode {
    DESCEND_AT,    /* the leaf whose fences hold the key */
    DESCEND_BELOW, /* the leaf that ends at the key or holds what is just below it */
    DESCEND_LAST,  /* the rightmost leaf */
};

static inline struct node page_node(const struct page *page) {
    return (struct node){page->data, page->size};
}
static inline struct node step_node(const struct path *path, unsigned step) {
    return page_node(path->steps[step].page);
}
static inline struct page *path_leaf(const struct path *path) {
    return path->steps[path->depth - 1].page;
}

/* May suspend, but not after the path is known. DESCEND_BELOW the smallest lower fence gives
   depth 0. */
enum status tree__descend(struct fiber *f, struct btree *tree, enum descend_mode mode,
                          struct slice key, struct path *path_out) MUST_USE;
/* Frames that any insertion along the path may need. */
static inline unsigned tree__reserve_for(const struct path *path) {
    return 2 * path->depth + 3;
}

static inline void tree__changed(struct btree *tree, struct slice key) {
    tree->change_count++;
    if (tree->changed != NULL)
        tree->changed(tree, key);
}

enum status tree__damaged(const struct btree *tree, struct page_id page, unsigned slot,
                          const char *what) MUST_USE;

/* What the way down says about a page. */
struct tree_range {
    struct slice lower, upper;
    bool has_upper;
    int level; /* -1: not known, the root */
};
/* NULL: the page is the node that belongs there (salvage.c). */
const char *tree__problem(struct slice page, const struct tree_range *range);

/* split.c; none of these suspends or fails: frames were reserved. */
void tree__insert_split(struct fiber *f, struct btree *tree, struct path *path, unsigned step,
                        unsigned slot, struct slice key, struct slice value);
void tree__root_set(struct btree *tree, struct page_id root);
/* Join the leaf at the path's end, and the nodes above it, with neighbours where that is easy:
   these are in memory, the result is not too full, frames are at hand. */
void tree__merge(struct btree *tree, struct path *path);

#endif
