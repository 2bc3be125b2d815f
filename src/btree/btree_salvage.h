/*
 * Reading damaged trees: what can be reached from the root, and leaves that are found without it.
 *
 * A page that cannot be read takes the keys between its fences with it, which the page above knows.
 * When it is no leaf, the leaves below it are still there: they know their own fences, though not
 * their tree. Whoever has looked at all trees of a partition finds them among the pages that no
 * tree has come to.
 */
#ifndef BTREE_SALVAGE_H
#define BTREE_SALVAGE_H

#include "btree/btree.h"
#include "pager/pager_salvage.h"

struct btree_salvage {
    struct pager_salvage *pager;
    uint8_t *visited; /* a bit for each page, set when it was read; may have some set */
    void *context;
    /* NULL: not wanted. */
    enum status (*entry)(struct fiber *f, void *context, struct slice key, struct slice value);
    enum status (*lost)(void *context, const struct btree_lost *lost);
};

/* All that can be read of the tree, in the order of its keys. Suspends. */
enum status btree_salvage(struct fiber *f, const struct btree_salvage *salvage, struct page_id root)
    MUST_USE;

/* A leaf that nobody led to, as it was read. False: it is none. The slices point into it. */
bool btree_salvage_fences(struct slice page, struct slice *lower_out, struct slice *upper_out,
                          bool *has_upper_out);
enum status btree_salvage_leaf(struct fiber *f, const struct btree_salvage *salvage,
                               struct slice page) MUST_USE;

#endif
