#include "btree/node.h"

#include <string.h>

enum { APPENDS_MAX = 255 };

static void set_count(struct node node, unsigned count) {
    put_le16(node.at + 2, (uint16_t)count);
}
static void set_heap_start(struct node node, unsigned at) {
    put_le16(node.at + 4, (uint16_t)at);
}
static void set_rubbish(struct node node, unsigned size) {
    put_le16(node.at + 6, (uint16_t)size);
}

/* The head of a key rest: a number that orders like the rest's first four bytes. */
static inline uint32_t head_of(struct slice rest) {
    if (__builtin_expect(rest.size >= 4, 1))
        return get_be32(rest.data);
    uint32_t head = 0;
    for (size_t i = 0; i < rest.size; i++)
        head |= (uint32_t)rest.data[i] << (24 - 8 * i);
    return head;
}

size_t common_prefix(struct slice a, struct slice b) {
    size_t size = a.size < b.size ? a.size : b.size;
    size_t i = 0;
    while (i < size && a.data[i] == b.data[i])
        i++;
    return i;
}

size_t separator_size(struct slice left, struct slice right) {
    size_t common = common_prefix(left, right);
    ASSERT(common < right.size);
    return common + 1;
}

void node_key_copy(struct node node, unsigned slot, uint8_t *key_out) {
    struct slice prefix = node_prefix(node);
    struct slice rest = node_key_rest(node, slot);
    uint8_t head[4];
    if (prefix.size > 0)
        memcpy(key_out, prefix.data, prefix.size);
    if (rest.size <= sizeof head) { /* all of it: the record, mostly not in the cache, can wait */
        put_be32(head, get_le32(node_slot(node, slot)));
        rest.data = head;
    }
    if (rest.size > 0)
        memcpy(key_out + prefix.size, rest.data, rest.size);
}

void node_init(struct node node, unsigned level, struct slice lower, const struct slice *upper) {
    ASSERT(node.size <= NODE_SIZE_MAX && level < 256);
    memset(node.at, 0, NODE_HEADER_SIZE);
    node.at[0] = NODE_MAGIC;
    node.at[1] = (uint8_t)level;
    node.at[15] = NODE_VERSION;
    unsigned end = node.size;
    if (lower.size > 0) {
        end -= (unsigned)lower.size;
        memcpy(node.at + end, lower.data, lower.size);
    }
    put_le16(node.at + 10, (uint16_t)lower.size);
    put_le16(node.at + 12, NODE_NO_FENCE);
    if (upper != NULL) {
        end -= (unsigned)upper->size;
        if (upper->size > 0)
            memcpy(node.at + end, upper->data, upper->size);
        put_le16(node.at + 12, (uint16_t)upper->size);
        put_le16(node.at + 8, (uint16_t)common_prefix(lower, *upper));
    }
    set_heap_start(node, end);
}

/* Order of `rest` against the entry, heads being equal. */
static inline int compare_rest(struct node node, unsigned slot, struct slice rest) {
    struct slice other = node_key_rest(node, slot);
    if (rest.size <= 4 || other.size <= 4)
        return slice_compare(rest, other);
    return slice_compare(slice_of(rest.data + 4, rest.size - 4),
                         slice_of(other.data + 4, other.size - 4));
}

static inline struct slice without_prefix(struct node node, struct slice key) {
    unsigned prefix = node_prefix_size(node);
    DEBUG_ASSERT(slice_starts_with(key, node_prefix(node)));
    return slice_of(key.data + prefix, key.size - prefix);
}

/*
 * The search probes slots 255, then 127 or 383, then 63, 191, 319 or 447, whatever the count, and
 * ends within 64 slots. So the lines of the first three steps are fetched together with the
 * header, and those of the end together: two memory latencies on a cold node instead of seven.
 */
enum { SEARCH_END = 64 };

static inline void prefetch_first_steps(const uint8_t *slots) {
    for (unsigned slot = SEARCH_END - 1; slot < 8 * SEARCH_END - 1; slot += SEARCH_END)
        __builtin_prefetch(slots + slot * NODE_SLOT_SIZE);
}

static inline void prefetch_end(const uint8_t *slots, unsigned low) {
    for (unsigned i = 0; i < SEARCH_END * NODE_SLOT_SIZE; i += 64)
        __builtin_prefetch(slots + low * NODE_SLOT_SIZE + i);
}

/* Number of heads smaller than ours, without branches that depend on them. */
static inline unsigned heads_below(const uint8_t *slots, unsigned count, uint32_t head) {
    if (count == 0)
        return 0;
    unsigned low = 0;
    for (unsigned step = 1u << (31 - __builtin_clz(count)); step > 0; step /= 2) {
        unsigned next = low + step;
        bool below = next <= count && get_le32(slots + (next - 1) * NODE_SLOT_SIZE) < head;
        low = below ? next : low;
        if (step == SEARCH_END)
            prefetch_end(slots, low);
    }
    return low;
}

unsigned node_search(struct node node, struct slice key, bool *equal_out) {
    const uint8_t *slots = node.at + NODE_HEADER_SIZE;
    prefetch_first_steps(slots);
    struct slice rest = without_prefix(node, key);
    uint32_t head = head_of(rest);
    unsigned count = node_count(node);
    unsigned low = heads_below(slots, count, head);
    /* Among entries of the same head, by the whole rest. */
    *equal_out = false;
    if (low == count || get_le32(slots + low * NODE_SLOT_SIZE) != head)
        return low;
    unsigned high = count;
    int order = compare_rest(node, low, rest);
    if (order <= 0) {
        *equal_out = order == 0;
        return low;
    }
    low++;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        uint32_t other = get_le32(slots + middle * NODE_SLOT_SIZE);
        order = other != head ? -1 : compare_rest(node, middle, rest);
        if (order == 0) {
            *equal_out = true;
            return middle;
        }
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

unsigned node_search_child(struct node node, struct slice key) {
    bool equal;
    unsigned slot = node_search(node, key, &equal);
    return equal || slot == 0 ? slot : slot - 1;
}

/* Move all records together at the end of the heap. */
__attribute__((noinline)) static void compact(struct node node) {
    static _Thread_local uint8_t copy[NODE_SIZE_MAX]; /* nothing suspends here */
    memcpy(copy, node.at, node.size);
    unsigned fences = get_le16(node.at + 10) + (node_has_upper(node) ? get_le16(node.at + 12) : 0);
    unsigned at = node.size - fences;
    unsigned count = node_count(node);
    for (unsigned slot = 0; slot < count; slot++) {
        uint8_t *entry = node_slot(node, slot);
        unsigned offset = get_le16(entry + 4);
        unsigned size = NODE_RECORD_HEADER_SIZE + get_le16(entry + 6) + get_le16(copy + offset);
        at -= size;
        memcpy(node.at + at, copy + offset, size);
        put_le16(entry + 4, (uint16_t)at);
    }
    ASSERT(at - node_heap_start(node) == node_rubbish(node));
    set_heap_start(node, at);
    set_rubbish(node, 0);
}

/* Put a record in front of the heap and let the slot point to it; there is room. */
static void write_record(struct node node, unsigned slot, struct slice rest, struct slice value) {
    unsigned size = NODE_RECORD_HEADER_SIZE + (unsigned)rest.size + (unsigned)value.size;
    unsigned at = node_heap_start(node) - size;
    uint8_t *record = node.at + at;
    put_le16(record, (uint16_t)value.size);
    if (rest.size > 0)
        memcpy(record + NODE_RECORD_HEADER_SIZE, rest.data, rest.size);
    if (value.size > 0)
        memcpy(record + NODE_RECORD_HEADER_SIZE + rest.size, value.data, value.size);
    uint8_t *entry = node_slot(node, slot);
    put_le32(entry, head_of(rest));
    put_le16(entry + 4, (uint16_t)at);
    put_le16(entry + 6, (uint16_t)rest.size);
    set_heap_start(node, at);
}

bool node_insert(struct node node, unsigned slot, struct slice key, struct slice value) {
    unsigned count = node_count(node);
    ASSERT(slot <= count);
    size_t need = node_entry_size(node, key.size, value.size);
    if (need > node_gap(node)) {
        if (need > node_free(node))
            return false;
        compact(node);
    }
    uint8_t *entry = node_slot(node, slot);
    memmove(entry + NODE_SLOT_SIZE, entry, (count - slot) * NODE_SLOT_SIZE);
    set_count(node, count + 1);
    write_record(node, slot, without_prefix(node, key), value);
    unsigned appends = node.at[14];
    node.at[14] = slot < count ? 0 : (uint8_t)(appends < APPENDS_MAX ? appends + 1 : appends);
    return true;
}

bool node_replace(struct node node, unsigned slot, struct slice value) {
    uint8_t *record = node_record(node, slot);
    struct slice rest = node_key_rest(node, slot);
    unsigned size_old = get_le16(record);
    unsigned rubbish = node_rubbish(node);
    if (value.size <= size_old) {
        put_le16(record, (uint16_t)value.size);
        if (value.size > 0)
            memmove(record + NODE_RECORD_HEADER_SIZE + rest.size, value.data, value.size);
        set_rubbish(node, rubbish + size_old - (unsigned)value.size);
        return true;
    }
    unsigned record_old = NODE_RECORD_HEADER_SIZE + (unsigned)rest.size + size_old;
    size_t need = NODE_RECORD_HEADER_SIZE + rest.size + value.size;
    if (need > node_free(node) + record_old)
        return false;
    if (need > node_gap(node)) {
        /* Shrink the old record to its key, so that compaction keeps little of it. */
        put_le16(record, 0);
        set_rubbish(node, rubbish + size_old);
        if (need > node_free(node)) {
            /* Even the key's bytes are needed: take the entry out and put it in again. */
            uint8_t key[NODE_KEY_SIZE_MAX];
            size_t key_size = node_key_size(node, slot);
            ASSERT(key_size <= sizeof key);
            node_key_copy(node, slot, key);
            uint8_t appends = node.at[14];
            node_remove(node, slot);
            bool fits = node_insert(node, slot, slice_of(key, key_size), value);
            node.at[14] = appends;
            ASSERT(fits);
            return true;
        }
        compact(node);
        rest = node_key_rest(node, slot);
        record_old = NODE_RECORD_HEADER_SIZE + (unsigned)rest.size;
    }
    write_record(node, slot, rest, value);
    set_rubbish(node, node_rubbish(node) + record_old);
    return true;
}

void node_remove(struct node node, unsigned slot) {
    unsigned count = node_count(node);
    ASSERT(slot < count);
    uint8_t *entry = node_slot(node, slot);
    unsigned size =
        NODE_RECORD_HEADER_SIZE + get_le16(entry + 6) + get_le16(node_record(node, slot));
    if (get_le16(entry + 4) == node_heap_start(node))
        set_heap_start(node, node_heap_start(node) + size);
    else
        set_rubbish(node, node_rubbish(node) + size);
    memmove(entry, entry + NODE_SLOT_SIZE, (count - slot - 1) * NODE_SLOT_SIZE);
    set_count(node, count - 1);
}

void node_append_range(struct node to, struct node from, unsigned first, unsigned end) {
    struct slice prefix_from = node_prefix(from);
    size_t prefix_to = node_prefix_size(to);
    for (unsigned slot = first; slot < end; slot++) {
        struct slice rest = node_key_rest(from, slot);
        struct slice value = node_value(from, slot);
        unsigned at = node_count(to);
        set_count(to, at + 1);
        if (prefix_to >= prefix_from.size) {
            size_t cut = prefix_to - prefix_from.size;
            DEBUG_ASSERT(rest.size >= cut);
            write_record(to, at, slice_of(rest.data + cut, rest.size - cut), value);
        } else {
            uint8_t key[NODE_KEY_SIZE_MAX];
            ASSERT(node_key_size(from, slot) <= sizeof key);
            node_key_copy(from, slot, key);
            write_record(
                to, at, slice_of(key + prefix_to, prefix_from.size + rest.size - prefix_to), value);
        }
    }
    ASSERT(node_heap_start(to) >= NODE_HEADER_SIZE + node_count(to) * NODE_SLOT_SIZE);
}

size_t node_range_size(struct node node, unsigned first, unsigned end, size_t prefix_size) {
    size_t size = 0;
    size_t prefix_here = node_prefix_size(node);
    for (unsigned slot = first; slot < end; slot++)
        size += NODE_SLOT_SIZE + NODE_RECORD_HEADER_SIZE + prefix_here +
                node_key_rest(node, slot).size - prefix_size + node_value(node, slot).size;
    return size;
}

/* ---- check ---- */

static const char *check_header(struct node node) {
    unsigned lower = get_le16(node.at + 10);
    unsigned upper = node_has_upper(node) ? get_le16(node.at + 12) : 0;
    if (!node_plausible(node))
        return "not a tree node";
    if (get_le64(node.at + 24) != 0)
        return "reserved bytes are not zero";
    if (NODE_HEADER_SIZE + (size_t)lower + upper > node.size)
        return "fences larger than the page";
    if (node_heap_start(node) > node.size - lower - upper ||
        node_heap_start(node) < NODE_HEADER_SIZE + node_count(node) * NODE_SLOT_SIZE)
        return "slots and records overlap";
    if (node_has_upper(node) && slice_compare(node_lower(node), node_upper(node)) >= 0)
        return "fences out of order";
    size_t prefix = node_has_upper(node) ? common_prefix(node_lower(node), node_upper(node)) : 0;
    return prefix == node_prefix_size(node) ? NULL : "wrong prefix";
}

static const char *check_entry(struct node node, unsigned slot, size_t *bytes) {
    const uint8_t *entry = node_slot(node, slot);
    size_t offset = get_le16(entry + 4);
    if (offset < node_heap_start(node) || offset + NODE_RECORD_HEADER_SIZE > node.size)
        return "record outside the heap";
    size_t size =
        NODE_RECORD_HEADER_SIZE + (size_t)get_le16(entry + 6) + get_le16(node.at + offset);
    unsigned fences = get_le16(node.at + 10) + (node_has_upper(node) ? get_le16(node.at + 12) : 0);
    if (offset + size > node.size - fences)
        return "record outside the heap";
    *bytes += size;
    struct slice rest = node_key_rest(node, slot);
    if (get_le32(entry) != head_of(rest))
        return "wrong key head";
    if (slot > 0 && slice_compare(node_key_rest(node, slot - 1), rest) >= 0)
        return "keys out of order";
    if (node_level(node) > 0 && node_value(node, slot).size != NODE_CHILD_SIZE)
        return "child pointer of a wrong size";
    return NULL;
}

const char *node_check(struct node node, unsigned *slot_out) {
    *slot_out = 0;
    const char *problem = check_header(node);
    size_t bytes = 0;
    for (unsigned slot = 0; problem == NULL && slot < node_count(node); slot++) {
        *slot_out = slot;
        problem = check_entry(node, slot, &bytes);
    }
    if (problem != NULL)
        return problem;
    unsigned fences = get_le16(node.at + 10) + (node_has_upper(node) ? get_le16(node.at + 12) : 0);
    if (bytes + node_rubbish(node) != node.size - fences - node_heap_start(node))
        return "space does not add up";
    if (node_count(node) == 0)
        return NULL;
    struct slice prefix = node_prefix(node), lower = node_lower(node);
    struct slice first = node_key_rest(node, 0);
    *slot_out = 0;
    if (slice_compare(slice_of(lower.data + prefix.size, lower.size - prefix.size), first) > 0)
        return "key below the lower fence";
    *slot_out = node_count(node) - 1;
    struct slice last = node_key_rest(node, node_count(node) - 1);
    if (node_has_upper(node)) {
        struct slice upper = node_upper(node);
        if (slice_compare(last, slice_of(upper.data + prefix.size, upper.size - prefix.size)) >= 0)
            return "key at or above the upper fence";
    }
    return NULL;
}
