#include "txn/layer.h"

#include "base/base_bytes.h"
#include "base/base_log.h"
#include "base/base_memory.h"

enum { GROUP = 8, GROUP_MORE = 9 };

/* ---- the spilled key ----------------------------------------------------------------------- */

size_t layer_key_encode(struct tree_id tree, struct slice key, uint64_t commit, uint8_t *at) {
    uint8_t *start = at;
    put_be32(at, tree.value);
    at += 4;
    size_t left = key.size;
    const uint8_t *from = key.data;
    for (;;) {
        size_t count = left < GROUP ? left : GROUP;
        memset(at, 0, GROUP);
        if (count > 0)
            memcpy(at, from, count);
        from += count;
        left -= count;
        at[GROUP] = left > 0 ? GROUP_MORE : (uint8_t)count;
        at += GROUP + 1;
        if (left == 0)
            break;
    }
    put_be64(at, commit);
    at += 8;
    ASSERT((size_t)(at - start) <= LAYER_KEY_SIZE_MAX);
    return (size_t)(at - start);
}

bool layer_key_decode(struct slice encoded, struct tree_id *tree_out, uint8_t *key_bytes,
                      size_t *key_size_out, uint64_t *commit_out) {
    if (encoded.size < 4 + GROUP + 1 + 8 || encoded.size > LAYER_KEY_SIZE_MAX)
        return false;
    tree_out->value = get_be32(encoded.data);
    size_t at = 4, size = 0;
    uint8_t mark;
    do {
        if (at + GROUP + 1 + 8 > encoded.size)
            return false;
        mark = encoded.data[at + GROUP];
        if (mark > GROUP_MORE)
            return false;
        size_t count = mark == GROUP_MORE ? GROUP : mark;
        memcpy(key_bytes + size, encoded.data + at, count);
        size += count;
        at += GROUP + 1;
    } while (mark == GROUP_MORE);
    *key_size_out = size;
    *commit_out = get_be64(encoded.data + at);
    return at + 8 == encoded.size;
}

/* ---- in memory ----------------------------------------------------------------------------- */

static int node_compare(const struct layer_node *node, struct tree_id tree, struct slice key,
                        uint64_t commit) {
    if (node->tree.value != tree.value)
        return node->tree.value < tree.value ? -1 : 1;
    int order = slice_compare(slice_of(node->key, node->key_size), key);
    if (order != 0)
        return order;
    return node->commit < commit ? -1 : node->commit > commit;
}

/* links[i] is the pointer at level i that leads to the first node >= target. */
static struct layer_node *find(struct layer *layer, struct tree_id tree, struct slice key,
                               uint64_t commit, struct layer_node **links[LAYER_LEVELS]) {
    struct layer_node *before = NULL;
    for (unsigned level = layer->level_count; level-- > 0;) {
        struct layer_node **link = before == NULL ? &layer->head[level] : &before->next[level];
        while (*link != NULL && node_compare(*link, tree, key, commit) < 0) {
            before = *link;
            link = &before->next[level];
        }
        if (links != NULL)
            links[level] = link;
        if (level == 0)
            return *link;
    }
    return NULL;
}

/* The last node < target. */
static struct layer_node *find_below(const struct layer *layer, struct tree_id tree,
                                     struct slice key, uint64_t commit) {
    struct layer_node *before = NULL;
    for (unsigned level = layer->level_count; level-- > 0;) {
        struct layer_node *next = before == NULL ? layer->head[level] : before->next[level];
        while (next != NULL && node_compare(next, tree, key, commit) < 0) {
            before = next;
            next = before->next[level];
        }
    }
    return before;
}

static unsigned level_draw(struct layer *layer) {
    layer->random = layer->random * 1664525u + 1013904223u; /* Numerical Recipes */
    unsigned bits = layer->random >> 8, level = 1;
    while (level < LAYER_LEVELS && (bits & 3) == 0) {
        level++;
        bits >>= 2;
    }
    return level;
}

static void node_value_set(struct layer *layer, struct layer_node *node, struct slice value) {
    uint8_t *bytes = NULL;
    if (value.size > 0) {
        bytes = arena_alloc_aligned(&layer->arena, value.size, 1);
        memcpy(bytes, value.data, value.size);
    }
    node->value = bytes;
    node->value_size = (uint32_t)value.size;
    layer->bytes += value.size;
}

static struct layer_node *node_new(struct layer *layer, const struct layer_entry *entry) {
    unsigned levels = level_draw(layer);
    size_t size = sizeof(struct layer_node) + levels * sizeof(struct layer_node *);
    struct layer_node *node = arena_alloc_aligned(&layer->arena, size + entry->key.size, 8);
    *node = (struct layer_node){.tree = entry->tree,
                                .key_size = (uint32_t)entry->key.size,
                                .flags = entry->flags,
                                .level_count = (uint8_t)levels,
                                .commit = entry->commit,
                                .key = (uint8_t *)node + size};
    if (entry->key.size > 0)
        memcpy((uint8_t *)node + size, entry->key.data, entry->key.size);
    node_value_set(layer, node, entry->value);
    layer->bytes += size + entry->key.size;
    layer->count++;
    return node;
}

static void node_link(struct layer *layer, struct layer_node *node,
                      struct layer_node **links[LAYER_LEVELS]) {
    for (unsigned level = 0; level < node->level_count; level++) {
        struct layer_node **link = level < layer->level_count ? links[level] : &layer->head[level];
        node->next[level] = *link;
        *link = node;
        if (node->next[level] == NULL)
            layer->tail[level] = node;
    }
    if (node->level_count > layer->level_count)
        layer->level_count = node->level_count;
}

static void put_memory(struct layer *layer, const struct layer_entry *entry) {
    struct layer_node **links[LAYER_LEVELS];
    struct layer_node *last = layer->level_count > 0 ? layer->tail[0] : NULL;
    if (last != NULL && node_compare(last, entry->tree, entry->key, entry->commit) < 0) {
        for (unsigned level = 0; level < layer->level_count; level++)
            links[level] = &layer->tail[level]->next[level];
    } else {
        struct layer_node *node = find(layer, entry->tree, entry->key, entry->commit, links);
        if (node != NULL && node_compare(node, entry->tree, entry->key, entry->commit) == 0) {
            node->flags = entry->flags;
            node_value_set(layer, node, entry->value);
            return;
        }
    }
    node_link(layer, node_new(layer, entry), links);
}

/* ---- spilled -------------------------------------------------------------------------------- */

static enum status put_spilled(struct fiber *f, struct layer *layer, struct btree *btree,
                               const struct layer_entry *entry) {
    uint8_t key[LAYER_KEY_SIZE_MAX], value[BTREE_ENTRY_SIZE_MAX];
    size_t key_size = layer_key_encode(entry->tree, entry->key, entry->commit, key);
    ASSERT(entry->value.size < sizeof value);
    value[0] = entry->flags;
    if (entry->value.size > 0)
        memcpy(value + 1, entry->value.data, entry->value.size);
    return btree_put(f, btree, slice_of(key, key_size), slice_of(value, entry->value.size + 1),
                     NULL);
}

enum status layer_put(struct fiber *f, struct layer *layer, const struct layer_entry *entry) {
    if (!layer->spilled) {
        put_memory(layer, entry);
        return STATUS_OK;
    }
    TRY(put_spilled(f, layer, &layer->btree, entry));
    layer->count = layer->btree.entry_count;
    layer->bytes += entry->key.size + entry->value.size;
    return STATUS_OK;
}

bool layer_starved(const struct layer *layer) {
    return layer->arena.starved;
}

static struct layer_entry node_entry(const struct layer_node *node) {
    return (struct layer_entry){.tree = node->tree,
                                .commit = node->commit,
                                .key = slice_of(node->key, node->key_size),
                                .value = slice_of(node->value, node->value_size),
                                .flags = node->flags};
}

/* Free a spilled layer's pages. They have to be read for it, and that may fail: then all but the
   root's are lost to use until the store is opened again. */
static void pages_free(struct fiber *f, struct btree *tree) {
    struct error kept = *error_current();
    fiber_shield(f);
    if (btree_clear(f, tree) != STATUS_OK) {
        LOG(LOG_WARNING, "txn", "pages of a write set or of history stay in use: %s",
            error_current()->message);
        btree_abandon(tree);
    }
    btree_close(tree);
    fiber_unshield(f);
    *error_current() = kept;
}

enum status layer_spill(struct fiber *f, struct layer *layer, struct pager *pager) {
    ASSERT(!layer->spilled);
    btree_init_temporary(&layer->btree, pager);
    for (struct layer_node *node = layer->head[0]; node != NULL; node = node->next[0]) {
        struct layer_entry entry = node_entry(node);
        enum status status = put_spilled(f, layer, &layer->btree, &entry);
        if (status != STATUS_OK) {
            pages_free(f, &layer->btree);
            return status;
        }
    }
    ASSERT(layer->btree.entry_count == layer->count);
    layer->spilled = true;
    arena_release(&layer->arena);
    memset(layer->head, 0, sizeof layer->head);
    memset(layer->tail, 0, sizeof layer->tail);
    layer->level_count = 0;
    return STATUS_OK;
}

void layer_clear(struct fiber *f, struct layer *layer) {
    if (layer->spilled) {
        pages_free(f, &layer->btree);
        layer->spilled = false;
    }
    if (layer->arena.size_total > 64 << 10)
        arena_release(&layer->arena);
    else
        arena_reset(&layer->arena);
    memset(layer->head, 0, sizeof layer->head);
    memset(layer->tail, 0, sizeof layer->tail);
    layer->level_count = 0;
    layer->count = layer->bytes = 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Entries that vanish under the cursor belong to a layer that was cleared: nobody needs them. */
static enum status entry_load(struct fiber *f, struct layer_cursor *cursor, bool backward) {
    struct slice value = SLICE_EMPTY;
    bool found = false;
    while (cursor->place.positioned) {
        TRY(btree_cursor_value(f, &cursor->place, &found, &value));
        if (found)
            break;
        TRY(backward ? btree_cursor_previous(f, &cursor->place)
                     : btree_cursor_next(f, &cursor->place));
    }
    cursor->valid = cursor->place.positioned;
    if (!cursor->valid)
        return STATUS_OK;
    size_t key_size;
    if (!layer_key_decode(btree_cursor_key(&cursor->place), &cursor->entry.tree, cursor->key,
                          &key_size, &cursor->entry.commit) ||
        value.size == 0)
        return error_set(STATUS_INTERNAL_ERROR, "malformed entry in a temporary tree");
    cursor->entry.key = slice_of(cursor->key, key_size);
    cursor->entry.flags = value.data[0];
    cursor->entry.value = slice_of(value.data + 1, value.size - 1);
    return STATUS_OK;
}

static void node_load(struct layer_cursor *cursor, struct layer_node *node) {
    cursor->node = node;
    cursor->valid = node != NULL;
    if (node != NULL)
        cursor->entry = node_entry(node);
}

static enum status seek_spilled(struct fiber *f, struct layer_cursor *cursor, enum btree_seek seek,
                                struct tree_id tree, struct slice key, uint64_t commit) {
    uint8_t target[LAYER_KEY_SIZE_MAX];
    size_t size = layer_key_encode(tree, key, commit, target);
    cursor->key = memory_alloc(LAYER_KEY_SIZE_MAX);
    if (cursor->key == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    btree_cursor_init(&cursor->place, &cursor->layer->btree);
    /* So that only seeking needs memory, not going on. */
    if (!memory_grow(&cursor->place.key, &cursor->place.key_capacity, LAYER_KEY_SIZE_MAX, 1))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    TRY(btree_cursor_seek(f, &cursor->place, seek, slice_of(target, size)));
    return entry_load(f, cursor, seek == BTREE_SEEK_LT);
}

enum status layer_seek(struct fiber *f, struct layer *layer, struct layer_cursor *cursor,
                       struct tree_id tree, struct slice key, uint64_t commit) {
    *cursor = (struct layer_cursor){.layer = layer, .spilled = layer->spilled};
    if (layer->spilled)
        return seek_spilled(f, cursor, BTREE_SEEK_GE, tree, key, commit);
    node_load(cursor, find(layer, tree, key, commit, NULL));
    return STATUS_OK;
}

enum status layer_seek_below(struct fiber *f, struct layer *layer, struct layer_cursor *cursor,
                             struct tree_id tree, struct slice key, uint64_t commit) {
    *cursor = (struct layer_cursor){.layer = layer, .spilled = layer->spilled};
    if (layer->spilled)
        return seek_spilled(f, cursor, BTREE_SEEK_LT, tree, key, commit);
    node_load(cursor, find_below(layer, tree, key, commit));
    return STATUS_OK;
}

enum status layer_next(struct fiber *f, struct layer_cursor *cursor) {
    ASSERT(cursor->valid);
    if (!cursor->spilled) {
        node_load(cursor, cursor->node->next[0]);
        return STATUS_OK;
    }
    TRY(btree_cursor_next(f, &cursor->place));
    return entry_load(f, cursor, false);
}

enum status layer_previous(struct fiber *f, struct layer_cursor *cursor) {
    ASSERT(cursor->valid);
    if (!cursor->spilled) {
        const struct layer_entry *entry = &cursor->entry;
        node_load(cursor, find_below(cursor->layer, entry->tree, entry->key, entry->commit));
        return STATUS_OK;
    }
    TRY(btree_cursor_previous(f, &cursor->place));
    return entry_load(f, cursor, true);
}

void layer_cursor_release(struct layer_cursor *cursor) {
    if (cursor->spilled && cursor->key != NULL) {
        btree_cursor_release(&cursor->place);
        memory_free(cursor->key);
        cursor->key = NULL;
    }
    cursor->valid = false;
}
