/*
 * One node of a B+tree: a slotted page.
 *
 *     0            32        32 + 8 * count          heap_start                          size
 *     +------------+---------+-----------------------+----------------------+-----------+
 *     | header     | slots   |   free                | records, rubbish too | fences    |
 *     +------------+---------+-----------------------+----------------------+-----------+
 *
 * Header:  0 u8  magic 0xB7          1 u8  level (0: leaf)
 *          2 u16 count of entries    4 u16 heap_start      6 u16 rubbish bytes in the heap
 *          8 u16 prefix size        10 u16 lower fence size
 *         12 u16 upper fence size, 0xFFFF: none (no key is too large)
 *         14 u8  appends: inserts at the end in a row, at most 255
 *         15 u8  version, 1
 *         16 u64 entries of the whole tree (in the root only, else 0; an estimate)
 *         24 u64 reserved, 0
 * Slot:    0 u32 head: the first 4 bytes of the key behind the prefix, as a big-endian number,
 *                padded with zeros; most comparisons end there
 *          4 u16 record's offset in the page
 *          6 u16 key size without the prefix
 * Record:  0 u16 value size, then the key behind the prefix, then the value.
 * Fences:  upper, then lower, at the very end of the page, whole.
 *
 * Every key of the node, and of the nodes below it, is >= lower and < upper. What the two fences
 * have in common at the front is the prefix; it is stored only there. (Fences as in Graefe 2004;
 * heads as in Graefe and Larson 2001.) A leaf's value is the user's. An inner node's value is a
 * child's page id (8 bytes), its key that child's lower fence; entry 0's key is the node's own
 * lower fence, so the child of a key is the last entry whose key is <= it.
 *
 * Nothing here suspends, allocates or knows of pages. Sizes come from one page size, so offsets
 * fit 16 bits.
 */
#ifndef NODE_H
#define NODE_H

#include "base/base_bytes.h"
#include "base/base_ids.h"
#include "base/base_slice.h"
#include "base/base_status.h"

enum {
    NODE_MAGIC = 0xB7,
    NODE_VERSION = 1,
    NODE_HEADER_SIZE = 32,
    NODE_SLOT_SIZE = 8,
    NODE_RECORD_HEADER_SIZE = 2,
    NODE_NO_FENCE = 0xFFFF,
    NODE_CHILD_SIZE = 8,
    NODE_SIZE_MAX = 32768,
    NODE_KEY_SIZE_MAX = 4096,
};

/* A node is its bytes. */
struct node {
    uint8_t *at;
    uint32_t size;
};

static inline unsigned node_level(struct node node) {
    return node.at[1];
}
static inline unsigned node_count(struct node node) {
    return get_le16(node.at + 2);
}
static inline unsigned node_heap_start(struct node node) {
    return get_le16(node.at + 4);
}
static inline unsigned node_rubbish(struct node node) {
    return get_le16(node.at + 6);
}
static inline unsigned node_prefix_size(struct node node) {
    return get_le16(node.at + 8);
}
static inline unsigned node_appends(struct node node) {
    return node.at[14];
}
static inline void node_appends_set(struct node node, unsigned appends) {
    node.at[14] = (uint8_t)appends;
}
static inline uint64_t node_tree_entries(struct node node) {
    return get_le64(node.at + 16);
}
static inline void node_tree_entries_set(struct node node, uint64_t count) {
    put_le64(node.at + 16, count);
}
static inline bool node_has_upper(struct node node) {
    return get_le16(node.at + 12) != NODE_NO_FENCE;
}
static inline struct slice node_lower(struct node node) {
    unsigned size = get_le16(node.at + 10);
    return slice_of(node.at + node.size - size, size);
}
/* Only if node_has_upper. */
static inline struct slice node_upper(struct node node) {
    unsigned size = get_le16(node.at + 12);
    return slice_of(node.at + node.size - get_le16(node.at + 10) - size, size);
}
static inline struct slice node_prefix(struct node node) {
    return slice_of(node_lower(node).data, node_prefix_size(node));
}
static inline uint8_t *node_slot(struct node node, unsigned slot) {
    return node.at + NODE_HEADER_SIZE + slot * NODE_SLOT_SIZE;
}
static inline uint8_t *node_record(struct node node, unsigned slot) {
    return node.at + get_le16(node_slot(node, slot) + 4);
}
/* The key behind the prefix. */
static inline struct slice node_key_rest(struct node node, unsigned slot) {
    const uint8_t *at = node_slot(node, slot);
    return slice_of(node.at + get_le16(at + 4) + NODE_RECORD_HEADER_SIZE, get_le16(at + 6));
}
static inline size_t node_key_size(struct node node, unsigned slot) {
    return node_prefix_size(node) + get_le16(node_slot(node, slot) + 6);
}
static inline struct slice node_value(struct node node, unsigned slot) {
    const uint8_t *at = node_slot(node, slot);
    const uint8_t *record = node.at + get_le16(at + 4);
    return slice_of(record + NODE_RECORD_HEADER_SIZE + get_le16(at + 6), get_le16(record));
}
static inline struct page_id node_child(struct node node, unsigned slot) {
    const uint8_t *at = node_slot(node, slot);
    return (struct page_id){
        get_le64(node.at + get_le16(at + 4) + NODE_RECORD_HEADER_SIZE + get_le16(at + 6))};
}
/* Bytes between slots and heap. */
static inline unsigned node_gap(struct node node) {
    return node_heap_start(node) - NODE_HEADER_SIZE - node_count(node) * NODE_SLOT_SIZE;
}
/* Bytes that a compacted node would have left. */
static inline unsigned node_free(struct node node) {
    return node_gap(node) + node_rubbish(node);
}

/* Copies the whole key to `key_out`, which has room. */
void node_key_copy(struct node node, unsigned slot, uint8_t *key_out);

/* Make an empty node. Fences lie outside the node's bytes; upper NULL: none. */
void node_init(struct node node, unsigned level, struct slice lower, const struct slice *upper);

/* First entry whose key is >= `key`, which lies between the fences; node_count if none. *equal_out
   says whether it is the key. */
unsigned node_search(struct node node, struct slice key, bool *equal_out);
/* Entry of the child that holds `key`. */
unsigned node_search_child(struct node node, struct slice key);

/* Bytes an entry takes, key whole. */
static inline size_t node_entry_size(struct node node, size_t key_size, size_t value_size) {
    return NODE_SLOT_SIZE + NODE_RECORD_HEADER_SIZE + key_size - node_prefix_size(node) +
           value_size;
}
/* Insert at `slot`. False: does not fit even after compaction. May move records. */
bool node_insert(struct node node, unsigned slot, struct slice key, struct slice value);
/* Replace the value. False: does not fit; nothing changed. */
bool node_replace(struct node node, unsigned slot, struct slice value);
void node_remove(struct node node, unsigned slot);

/* Append entries [first, end) of `from` to `to`, whose fences allow them and which has room. */
void node_append_range(struct node to, struct node from, unsigned first, unsigned end);
/* Bytes that entries [first, end) would take in a node with a prefix of `prefix_size`. */
size_t node_range_size(struct node node, unsigned first, unsigned end, size_t prefix_size);

/* Length of what two slices have in common at the front. */
size_t common_prefix(struct slice a, struct slice b);
/* Length of the shortest prefix of `right` that is greater than `left`; left < right. */
size_t separator_size(struct slice left, struct slice right);

/* NULL, or the first broken invariant; *slot_out is the entry concerned. */
const char *node_check(struct node node, unsigned *slot_out);
/* Cheap test of a page just read: is it a node at all? */
static inline bool node_plausible(struct node node) {
    return node.at[0] == NODE_MAGIC && node.at[15] == NODE_VERSION;
}

#endif
