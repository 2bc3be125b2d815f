/*
 * Notes on parts of a tree whose keys are numbers (txn.h).
 *
 * Their places stay where they are, for the pager clears them (pager.h): a list of blocks of them,
 * by the part's number. The tree tells of its changes once it has had a note.
 */
#include <string.h>

#include "base/base_bytes.h"
#include "base/base_memory.h"
#include "txn/store.h"

enum {
    PLACES = 256,         /* of a block */
    BLOCKS_MAX = 1 << 16, /* parts beyond have no notes: there are no such tables */
    LOOK_MAX = 64,        /* entries of history looked at */
};

struct tree_notes {
    void *places[PLACES];
};

/* NULL: there is none, and none is to be made. */
static void **place_of(const struct tree *tree, uint64_t part) {
    uint64_t block = part / PLACES;
    if (block >= tree->note_count || tree->notes[block] == NULL)
        return NULL;
    return &tree->notes[block]->places[part % PLACES];
}

static void drop(struct tree *tree, void **place) {
    if (place != NULL && *place != NULL)
        pager_note_drop(tree->base.pager, place);
}

static void drop_all(struct tree *tree) {
    for (size_t block = 0; block < tree->note_count; block++)
        for (unsigned i = 0; tree->notes[block] != NULL && i < PLACES; i++)
            drop(tree, &tree->notes[block]->places[i]);
}

static void changed(struct btree *base, struct slice key) {
    struct tree *tree = CONTAINER_OF(base, struct tree, base);
    if (key.size >= 8)
        drop(tree, place_of(tree, get_be64(key.data) >> TXN_PART_BITS));
    else
        drop_all(tree);
}

void note__release(struct tree *tree) {
    drop_all(tree);
    for (size_t block = 0; block < tree->note_count; block++)
        memory_free(tree->notes[block]);
    memory_free(tree->notes);
}

const void *partition_note(struct partition *partition, struct tree_id tree_id, uint64_t part) {
    struct tree *tree;
    if (partition__tree(partition, tree_id, &tree) != STATUS_OK) {
        error_clear();
        return NULL;
    }
    void **place = place_of(tree, part);
    return place != NULL ? *place : NULL;
}

/* Have the place; NULL: no memory. */
static void **place_make(struct tree *tree, uint64_t part) {
    uint64_t block = part / PLACES;
    if (block >= BLOCKS_MAX)
        return NULL;
    if (block >= tree->note_count) {
        size_t count = tree->note_count;
        if (!memory_grow(&tree->notes, &tree->note_count, block + 1, sizeof(struct tree_notes *)))
            return NULL;
        memset(tree->notes + count, 0, (tree->note_count - count) * sizeof(struct tree_notes *));
    }
    if (tree->notes[block] == NULL)
        tree->notes[block] = memory_alloc_zeroed(1, sizeof(struct tree_notes));
    return place_of(tree, part);
}

void *partition_note_make(struct partition *partition, struct tree_id tree_id, uint64_t part,
                          uint32_t size) {
    struct tree *tree;
    if (partition__tree(partition, tree_id, &tree) != STATUS_OK) {
        error_clear();
        return NULL;
    }
    void **place = place_make(tree, part);
    if (place == NULL)
        return NULL;
    tree->base.changed = changed;
    return pager_note_make(partition->pager, place, size);
}

bool partition_note_fits(const struct partition *partition, uint64_t bytes) {
    return pager_has_spare(partition->pager, bytes);
}

uint64_t partition_tree_version(struct partition *partition, struct tree_id tree_id) {
    struct tree *tree;
    if (partition__tree(partition, tree_id, &tree) != STATUS_OK) {
        error_clear();
        return 0;
    }
    return tree->base.change_count;
}

/* ---- who may use them ---------------------------------------------------------------------- */

/* Has the layer entries of commits from `since` on in the range? Also true when that takes long to
   find out. */
static bool layer_touches(struct layer *layer, struct tree_id tree, uint64_t first, uint64_t last,
                          uint64_t since) {
    struct layer_cursor cursor;
    uint8_t lower[8];
    if (layer->count == 0)
        return false;
    if (layer->spilled)
        return true;
    put_be64(lower, first);
    bool touches = false;
    enum status status = layer_seek(NULL, layer, &cursor, tree, slice_of(lower, sizeof lower), 0);
    for (unsigned looked = 0;
         status == STATUS_OK && !touches && cursor.valid && cursor.entry.tree.value == tree.value &&
         get_be64(cursor.entry.key.data) <= last;
         looked++) {
        touches = cursor.entry.commit >= since || looked == LOOK_MAX;
        status = layer_next(NULL, &cursor);
    }
    ASSERT(status == STATUS_OK); /* in memory */
    layer_cursor_release(&cursor);
    return touches;
}

bool txn_sees_tree(struct transaction *transaction, struct partition *partition,
                   struct tree_id tree_id, uint64_t first, uint64_t last) {
    struct tree *tree;
    uint64_t snapshot = transaction->snapshot;
    ASSERT(transaction->snapshot_active);
    if (partition__tree(partition, tree_id, &tree) != STATUS_OK) {
        error_clear();
        return false;
    }
    for (int g = 0; g < 2 && tree->changed_newest > snapshot; g++) {
        struct generation *generation = &partition->generations[g];
        if (g == 0 && history__runs_touch(tree, snapshot, first, last))
            return false;
        if (tree->entry_count[g] > 0 && generation->end > snapshot &&
            layer_touches(&generation->layer, tree_id, first, last, snapshot + 1))
            return false;
    }
    struct transaction_part *part = transaction__part_if(transaction, partition->number);
    return part == NULL || !layer_touches(&part->own, tree_id, first, last, 0);
}
