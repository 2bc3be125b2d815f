/* Reading a damaged tree around what is lost of it (intact.h). */
#include "table/intact.h"

#include "base/base_memory.h"

/* Longer ones, of a tree put together wrongly, are cut short. */
struct bound {
    uint8_t bytes[INTACT_KEY_SIZE];
    size_t size;
};
struct gap {
    struct bound lower, upper;
    bool has_upper;
};

struct walk {
    const struct intact_visit *what;
    struct transaction *transaction;
    struct partition *partition;
    struct bound last; /* that was visited */
    struct gap *gaps;
    size_t gap_count, gap_capacity;
    bool failed; /* no memory for one */
};

static struct bound bound_of(struct slice key) {
    struct bound bound = {.size = key.size < INTACT_KEY_SIZE ? key.size : INTACT_KEY_SIZE};
    if (bound.size > 0)
        memcpy(bound.bytes, key.data, bound.size);
    return bound;
}

static struct slice bound_key(const struct bound *bound) {
    return slice_of(bound->bytes, bound->size);
}

static enum status visit_entry(struct fiber *f, struct partition *partition,
                               const struct txn_entry *entry, void *context) {
    struct walk *walk = context;
    walk->last = bound_of(entry->key);
    return walk->what->visit(f, partition, entry, walk->what->context);
}

static void note_gap(void *context, const struct txn_lost *lost) {
    struct walk *walk = context;
    if (memory_grow(&walk->gaps, &walk->gap_capacity, walk->gap_count + 1, sizeof *walk->gaps))
        walk->gaps[walk->gap_count++] =
            (struct gap){bound_of(lost->lower), bound_of(lost->upper), lost->has_upper};
    else
        walk->failed = true;
    walk->what->lost(walk->what->context, lost);
}

/* What lies between the gaps, behind the entry visited last. */
static enum status visit_pieces(struct fiber *f, struct walk *walk) {
    struct txn_range range = {.key_stride = walk->what->key_stride};
    for (size_t i = 0; i <= walk->gap_count; i++) {
        const struct gap *gap = i < walk->gap_count ? &walk->gaps[i] : NULL;
        struct slice seen = bound_key(&walk->last);
        range.lower = i > 0 ? bound_key(&walk->gaps[i - 1].upper) : SLICE_EMPTY;
        range.lower_exclusive = seen.size > 0 && slice_compare(seen, range.lower) >= 0;
        if (range.lower_exclusive)
            range.lower = seen;
        range.upper = gap != NULL ? bound_key(&gap->lower) : SLICE_EMPTY;
        if (gap == NULL || slice_compare(range.lower, range.upper) < 0)
            TRY(txn_visit(f, walk->transaction, walk->partition, walk->what->tree, &range,
                          visit_entry, walk));
        if (gap != NULL && !gap->has_upper)
            break;
    }
    return STATUS_OK;
}

enum status intact_visit(struct fiber *f, struct transaction *transaction,
                         struct partition *partition, const struct intact_visit *what) {
    struct walk walk = {.what = what, .transaction = transaction, .partition = partition};
    struct txn_range all = {.key_stride = what->key_stride};
    ASSERT(what->key_stride > 0 && what->key_stride <= INTACT_KEY_SIZE);
    enum status status = txn_visit(f, transaction, partition, what->tree, &all, visit_entry, &walk);
    if (!status_is_damage(status))
        return status;
    struct error kept = *error_current();
    enum status found = txn_lost_keys(f, partition, what->tree, note_gap, &walk);
    if (found == STATUS_OK && walk.failed)
        found = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (found != STATUS_OK)
        status = found;
    else if (walk.gap_count > 0)
        status = visit_pieces(f, &walk);
    else
        *error_current() = kept;
    memory_free(walk.gaps);
    return status;
}
