/* Splits and merges. Nothing here suspends: the path is in memory, frames are reserved. */
#include <string.h>

#include "btree/tree.h"

enum { APPENDS_RISING = 4 /* appends in a row that look like rising keys */ };

void tree__root_set(struct btree *tree, struct page_id root) {
    tree->root = root;
    if (tree->id.value == 0)
        return;
    enum status status = pager_root_set(tree->pager, tree->id, root);
    ASSERT(status == STATUS_OK); /* the tree is in the directory already */
}

static struct page *allocate(struct fiber *f, struct btree *tree) {
    struct page *page;
    enum page_lifetime lifetime = tree->id.value == 0 ? PAGE_TEMPORARY : PAGE_DURABLE;
    ASSERT(pager_reserve_ready(tree->pager, 1));
    enum status status = pager_allocate(f, tree->pager, lifetime, PAGE_SIZE, &page);
    ASSERT(status == STATUS_OK);
    return page;
}

static void modify(struct btree *tree, struct page *page) {
    pager_pin(page);
    pager_modify(tree->pager, page);
    pager_unpin(tree->pager, page);
}

/* A copy of a node to rebuild it from. One at a time a thread; nothing suspends meanwhile. */
__attribute__((noinline)) static struct node scratch_copy(struct node node) {
    static _Thread_local uint8_t scratch[NODE_SIZE_MAX];
    memcpy(scratch, node.at, node.size);
    return (struct node){scratch, node.size};
}

/* ---- where to split ---- */

/* A node that overflows, with the entry to come at `slot`. Entries are numbered as if it were in
   already: 0 .. count. */
struct overflow {
    struct node node;
    unsigned slot;
    struct slice key, value;
    uint8_t key_buffers[2][NODE_KEY_SIZE_MAX];
};

static struct slice overflow_key(struct overflow *over, unsigned entry, unsigned buffer) {
    if (entry == over->slot)
        return over->key;
    unsigned slot = entry < over->slot ? entry : entry - 1;
    node_key_copy(over->node, slot, over->key_buffers[buffer]);
    return slice_of(over->key_buffers[buffer], node_key_size(over->node, slot));
}

static size_t overflow_entry_size(const struct overflow *over, unsigned entry) {
    if (entry == over->slot)
        return node_entry_size(over->node, over->key.size, over->value.size);
    unsigned slot = entry < over->slot ? entry : entry - 1;
    return node_range_size(over->node, slot, slot + 1, node_prefix_size(over->node));
}

/* The right side's lower fence if it begins with entry `at`. Leaves cut it short. */
static struct slice overflow_separator(struct overflow *over, unsigned at) {
    struct slice right = overflow_key(over, at, 0);
    if (node_level(over->node) > 0)
        return right;
    struct slice left = overflow_key(over, at - 1, 1);
    return slice_of(right.data, separator_size(left, right));
}

/* Would entries [first, end) fit between these fences? */
static bool side_fits(const struct overflow *over, unsigned first, unsigned end, struct slice lower,
                      const struct slice *upper) {
    size_t prefix_old = node_prefix_size(over->node);
    size_t prefix = upper != NULL ? common_prefix(lower, *upper) : 0;
    size_t size = NODE_HEADER_SIZE + lower.size + (upper != NULL ? upper->size : 0);
    for (unsigned entry = first; entry < end; entry++)
        size += overflow_entry_size(over, entry) + prefix_old - prefix;
    return size <= over->node.size;
}

static bool split_fits(struct overflow *over, unsigned at) {
    struct slice separator = overflow_separator(over, at);
    struct slice upper = SLICE_EMPTY;
    bool has_upper = node_has_upper(over->node);
    if (has_upper)
        upper = node_upper(over->node);
    return side_fits(over, 0, at, node_lower(over->node), &separator) &&
           side_fits(over, at, node_count(over->node) + 1, separator, has_upper ? &upper : NULL);
}

/* Number of the first entry of the right side. Rising keys leave the left side full. */
static unsigned split_point(struct overflow *over) {
    struct node node = over->node;
    unsigned count = node_count(node);
    bool at_end = over->slot == count;
    if (at_end && (!node_has_upper(node) || node_appends(node) >= APPENDS_RISING) &&
        split_fits(over, count))
        return count;
    size_t total = 0, left = 0;
    for (unsigned entry = 0; entry <= count; entry++)
        total += overflow_entry_size(over, entry);
    unsigned at = 0;
    while (at < count && left + overflow_entry_size(over, at) / 2 < total / 2)
        left += overflow_entry_size(over, at++);
    if (at == 0)
        at = 1;
    for (unsigned distance = 0; distance <= count; distance++) {
        if (at > distance && split_fits(over, at - distance))
            return at - distance;
        if (at + distance <= count && split_fits(over, at + distance))
            return at + distance;
    }
    ASSERT(!"entries of at most a third of a page always split");
    return at;
}

/* ---- split ---- */

static void grow_root(struct fiber *f, struct btree *tree, struct page *left, struct page *right,
                      struct slice separator) {
    struct page *root = allocate(f, tree);
    struct node node = page_node(root);
    uint8_t child[NODE_CHILD_SIZE];
    node_init(node, node_level(page_node(left)) + 1, SLICE_EMPTY, NULL);
    put_le64(child, left->id.value);
    bool fits = node_insert(node, 0, SLICE_EMPTY, slice_of(child, sizeof child));
    put_le64(child, right->id.value);
    fits &= node_insert(node, 1, separator, slice_of(child, sizeof child));
    ASSERT(fits);
    node_tree_entries_set(page_node(left), 0);
    tree__root_set(tree, root->id);
    pager_unpin(tree->pager, root);
}

/* The root keeps the number of entries for the next opening. */
static void store_count(struct btree *tree) {
    struct page *root = pager_peek(tree->pager, tree->root);
    if (root == NULL || node_level(page_node(root)) == 0)
        return;
    modify(tree, root);
    node_tree_entries_set(page_node(root), tree->entry_count);
}

void tree__insert_split(struct fiber *f, struct btree *tree, struct path *path, unsigned step,
                        unsigned slot, struct slice key, struct slice value) {
    struct page *left_page = path->steps[step].page;
    struct overflow over = {
        .node = scratch_copy(page_node(left_page)),
        .slot = slot,
        .key = key,
        .value = value,
    };
    struct node old = over.node;
    unsigned count = node_count(old);
    unsigned at = split_point(&over);
    struct slice separator = overflow_separator(&over, at);
    struct slice upper = SLICE_EMPTY;
    if (node_has_upper(old))
        upper = node_upper(old);

    struct page *right_page = allocate(f, tree);
    struct node left = page_node(left_page), right = page_node(right_page);
    modify(tree, left_page);
    node_init(right, node_level(old), separator, node_has_upper(old) ? &upper : NULL);
    node_init(left, node_level(old), node_lower(old), &separator);
    node_tree_entries_set(left, node_tree_entries(old));
    bool goes_left = slot < at;
    unsigned first_right = goes_left ? at - 1 : at;
    node_append_range(left, old, 0, first_right);
    node_append_range(right, old, first_right, count);
    bool fits =
        goes_left ? node_insert(left, slot, key, value) : node_insert(right, slot - at, key, value);
    ASSERT(fits);
    node_appends_set(right, slot == count ? node_appends(old) : 0);
    bool append_known = tree->append_structure == tree->structure_count;
    tree->structure_count++;
    if (node_level(old) == 0 && !node_has_upper(right)) {
        tree->append_leaf = right_page->id;
        append_known = true;
    }
    if (append_known)
        tree->append_structure = tree->structure_count;

    uint8_t separator_copy[NODE_KEY_SIZE_MAX]; /* the scratch is used again further up */
    memcpy(separator_copy, separator.data, separator.size);
    separator.data = separator_copy;
    if (step == 0) {
        grow_root(f, tree, left_page, right_page, separator);
    } else {
        struct step *parent = &path->steps[step - 1];
        struct node node = page_node(parent->page);
        uint8_t child[NODE_CHILD_SIZE];
        put_le64(child, right_page->id.value);
        modify(tree, parent->page);
        if (!node_insert(node, parent->slot + 1, separator, slice_of(child, sizeof child)))
            tree__insert_split(f, tree, path, step - 1, parent->slot + 1, separator,
                               slice_of(child, sizeof child));
    }
    pager_unpin(tree->pager, right_page);
    if (step + 1 == path->depth)
        store_count(tree);
}

/* ---- merge ---- */

/* Would the two neighbours make one node with some room left? */
static bool merge_fits(struct node left, struct node right) {
    struct slice lower = node_lower(left);
    size_t upper_size = 0, prefix = 0;
    if (node_has_upper(right)) {
        struct slice upper = node_upper(right);
        upper_size = upper.size;
        prefix = common_prefix(lower, upper);
    }
    size_t size = NODE_HEADER_SIZE + lower.size + upper_size +
                  node_range_size(left, 0, node_count(left), prefix) +
                  node_range_size(right, 0, node_count(right), prefix);
    return size <= left.size / 4 * 3;
}

/* Move the right neighbour's entries into the left one and free it. */
static void merge_pair(struct btree *tree, struct page *parent, unsigned slot_right,
                       struct page *left_page, struct page *right_page) {
    modify(tree, left_page);
    modify(tree, parent);
    struct node left = page_node(left_page), right = page_node(right_page);
    struct node old = scratch_copy(left);
    struct slice upper = SLICE_EMPTY;
    if (node_has_upper(right))
        upper = node_upper(right);
    node_init(left, node_level(old), node_lower(old), node_has_upper(right) ? &upper : NULL);
    node_append_range(left, old, 0, node_count(old));
    node_append_range(left, right, 0, node_count(right));
    node_remove(page_node(parent), slot_right);
    pager_free(tree->pager, right_page->id);
    tree->structure_count++;
}

static bool merge_at(struct btree *tree, struct path *path, unsigned step) {
    struct step *parent = &path->steps[step - 1];
    struct node node = page_node(parent->page);
    struct page *page = path->steps[step].page;
    unsigned slot = parent->slot;
    if (slot + 1 < node_count(node)) {
        struct page *right = pager_peek(tree->pager, node_child(node, slot + 1));
        if (right != NULL && merge_fits(page_node(page), page_node(right))) {
            merge_pair(tree, parent->page, slot + 1, page, right);
            return true;
        }
    }
    if (slot > 0) {
        struct page *left = pager_peek(tree->pager, node_child(node, slot - 1));
        if (left != NULL && merge_fits(page_node(left), page_node(page))) {
            merge_pair(tree, parent->page, slot, left, page);
            return true;
        }
    }
    return false;
}

/* A root with one child is not needed. */
static void shrink_root(struct btree *tree) {
    for (;;) {
        struct page *root = pager_peek(tree->pager, tree->root);
        if (root == NULL || node_level(page_node(root)) == 0 || node_count(page_node(root)) > 1)
            return;
        struct page_id old = tree->root;
        tree__root_set(tree, node_child(page_node(root), 0));
        pager_free(tree->pager, old);
        tree->structure_count++;
    }
}

void tree__merge(struct btree *tree, struct path *path) {
    if (path->depth < 2 || !pager_reserve_ready(tree->pager, tree__reserve_for(path)))
        return;
    for (unsigned step = path->depth - 1; step > 0; step--) {
        struct node node = step_node(path, step);
        if (node_free(node) <= node.size / 4 * 3 || !merge_at(tree, path, step))
            break;
    }
    shrink_root(tree);
    store_count(tree);
}
