/* Reading damaged trees (btree_salvage.h). */
#include "btree/btree_salvage.h"

#include <string.h>

#include "base/base_memory.h"
#include "btree/tree.h"

struct level {
    uint8_t block[PAGE_SIZE];
    uint8_t lower[NODE_KEY_SIZE_MAX], upper[NODE_KEY_SIZE_MAX]; /* of the child that is visited */
};

struct walk {
    const struct btree_salvage *salvage;
    struct level *levels[DEPTH_MAX];
};

static struct node slice_node(struct slice page) {
    return (struct node){(uint8_t *)page.data, (uint32_t)page.size};
}

static enum status lose(const struct walk *walk, struct page_id page,
                        const struct tree_range *range, const char *what) {
    struct btree_lost lost = {.lower = range->lower,
                              .upper = range->upper,
                              .has_upper = range->has_upper,
                              .above_leaves = range->level != 0,
                              .page = page,
                              .what = what};
    return walk->salvage->lost(walk->salvage->context, &lost);
}

const char *tree__problem(struct slice page, const struct tree_range *range) {
    struct node node = slice_node(page);
    unsigned slot;
    if (page.size != PAGE_SIZE - PAGE_HEADER_SIZE || !node_plausible(node))
        return "not a tree node";
    const char *problem = node_check(node, &slot);
    if (problem != NULL)
        return problem;
    if (range->level >= 0 && (int)node_level(node) != range->level)
        return "a node of another level";
    if (!slice_equal(node_lower(node), range->lower) || node_has_upper(node) != range->has_upper ||
        (range->has_upper && !slice_equal(node_upper(node), range->upper)))
        return "a node with other fences";
    return NULL;
}

enum status btree_salvage_leaf(struct fiber *f, const struct btree_salvage *salvage,
                               struct slice page) {
    struct node node = slice_node(page);
    uint8_t key[NODE_KEY_SIZE_MAX];
    for (unsigned slot = 0; salvage->entry != NULL && slot < node_count(node); slot++) {
        node_key_copy(node, slot, key);
        TRY(salvage->entry(f, salvage->context, slice_of(key, node_key_size(node, slot)),
                           node_value(node, slot)));
    }
    return STATUS_OK;
}

static enum status visit(struct fiber *f, struct walk *walk, struct page_id id, unsigned depth,
                         const struct tree_range *range);

static enum status visit_children(struct fiber *f, struct walk *walk, struct node node,
                                  unsigned depth, const struct tree_range *range) {
    struct level *level = walk->levels[depth];
    for (unsigned slot = 0; slot < node_count(node); slot++) {
        bool last = slot + 1 == node_count(node);
        struct tree_range child = {.has_upper = !last || range->has_upper,
                                   .level = (int)node_level(node) - 1};
        node_key_copy(node, slot, level->lower);
        child.lower = slice_of(level->lower, node_key_size(node, slot));
        if (!last) {
            node_key_copy(node, slot + 1, level->upper);
            child.upper = slice_of(level->upper, node_key_size(node, slot + 1));
        } else if (range->has_upper) {
            child.upper = range->upper;
        }
        TRY(visit(f, walk, node_child(node, slot), depth + 1, &child));
    }
    return STATUS_OK;
}

static enum status visit(struct fiber *f, struct walk *walk, struct page_id id, unsigned depth,
                         const struct tree_range *range) {
    const struct btree_salvage *salvage = walk->salvage;
    if (depth >= DEPTH_MAX)
        return lose(walk, id, range, "the tree is too deep");
    if (walk->levels[depth] == NULL &&
        (walk->levels[depth] = memory_alloc(sizeof(struct level))) == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint32_t size;
    uint64_t offset;
    bool there = pager_salvage_has(salvage->pager, id, &size, &offset);
    struct slice page = SLICE_EMPTY;
    enum status status = STATUS_DATA_CORRUPTED;
    if (there && size != PAGE_SIZE)
        error_set(status, "page %llu is no node of a tree", (unsigned long long)id.value);
    else if (there && (salvage->visited[id.value / 8] >> id.value % 8 & 1) != 0)
        error_set(status, "page %llu is used twice", (unsigned long long)id.value);
    else
        status = pager_salvage_read(f, salvage->pager, id, walk->levels[depth]->block, &page);
    if (status == STATUS_DATA_CORRUPTED)
        return lose(walk, id, range, error_current()->message);
    TRY(status);
    salvage->visited[id.value / 8] |= (uint8_t)(1 << id.value % 8);
    const char *problem = tree__problem(page, range);
    if (problem != NULL)
        return lose(walk, id, range, problem);
    TRY(fiber_check(f));
    struct node node = slice_node(page);
    return node_level(node) == 0 ? btree_salvage_leaf(f, salvage, page)
                                 : visit_children(f, walk, node, depth, range);
}

enum status btree_salvage(struct fiber *f, const struct btree_salvage *salvage,
                          struct page_id root) {
    struct walk walk = {.salvage = salvage};
    struct tree_range all = {.level = -1};
    enum status status = visit(f, &walk, root, 0, &all);
    for (unsigned i = 0; i < DEPTH_MAX; i++)
        memory_free(walk.levels[i]);
    return status;
}

bool btree_salvage_fences(struct slice page, struct slice *lower_out, struct slice *upper_out,
                          bool *has_upper_out) {
    struct node node = slice_node(page);
    unsigned slot;
    if (page.size != PAGE_SIZE - PAGE_HEADER_SIZE || !node_plausible(node) ||
        node_level(node) != 0 || node_check(node, &slot) != NULL)
        return false;
    *lower_out = node_lower(node);
    *has_upper_out = node_has_upper(node);
    *upper_out = *has_upper_out ? node_upper(node) : SLICE_EMPTY;
    return true;
}
