/*
 * Ordered reading: the base, with history and the transaction's own writes laid over it.
 *
 * The cursor works in steps. A step gathers a run of entries from the base (the rest of a leaf when
 * that is possible), which decides an interval of keys: from where the last step ended to the last
 * key gathered, or to the range's end when the base has no more. If neither history nor own writes
 * have anything in the interval that the snapshot must see, the base's entries go out as they lie
 * in the pinned leaf. Else what the layers say is merged over them; they are copied only if that
 * may suspend, or takes more than one call to hand out. The base is read before history is asked
 * (history.c says why). An interval with very much in it is cut short.
 */
#include "base/base_bytes.h"
#include "base/base_chance.h"
#include "base/base_memory.h"
#include "txn/store.h"

enum { STEP_FIRST = 8, STEP_MAX = 256, STRIDE_MAX = 64, CLIP_COUNT = 512 };
enum { LEAVES_AHEAD_FIRST = 2, LEAVES_AHEAD_MAX = 32 };

/* What a key held until `until`: for a snapshot before that, the lowest is right. */
struct merged {
    struct txn_entry entry;
    uint64_t until; /* UINT64_MAX: the base's, 0: the transaction's own */
    bool present;
};

struct txn_cursor {
    struct transaction *transaction;
    struct partition *partition;
    struct tree *tree;
    struct txn_range range; /* bounds in `bounds` */
    uint8_t *bounds;
    struct btree_cursor base;
    struct btree_pin pin;
    bool pinned, base_begun, base_done, done;
    size_t step;        /* entries to gather */
    struct arena arena; /* of the current step */
    uint8_t *edge;      /* the last key of the step before; exclusive start of the next */
    size_t edge_size;
    bool edge_set;
    /* leaves behind that were asked for and not reached; so many are, the next time */
    unsigned leaves_ahead, leaves_window;
    /* gathered from the base */
    struct slice values[STEP_MAX];
    uint8_t stride_keys[STEP_MAX * STRIDE_MAX];
    struct slice keys[STEP_MAX];
    size_t gathered;
    /* of a leaf taken at once: which entries; only the last key is there at first */
    struct btree_run run;
    bool filled;
    /* merged and not yet handed out */
    struct merged *ready;
    size_t ready_count, ready_next, ready_capacity;
    uint8_t edge_bytes[TXN_KEY_SIZE_MAX];
};

/* ---- open and close ------------------------------------------------------------------------ */

static enum status bounds_set(struct txn_cursor *cursor, const struct txn_range *range) {
    uint8_t *bounds = memory_alloc(range->lower.size + range->upper.size + 1);
    if (bounds == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (range->lower.size > 0)
        memcpy(bounds, range->lower.data, range->lower.size);
    if (range->upper.size > 0)
        memcpy(bounds + range->lower.size, range->upper.data, range->upper.size);
    memory_free(cursor->bounds);
    cursor->bounds = bounds;
    cursor->range = *range;
    cursor->range.lower.data = bounds;
    cursor->range.upper.data = bounds + range->lower.size;
    cursor->base.stop = range->upper_inclusive ? SLICE_EMPTY : cursor->range.upper;
    return STATUS_OK;
}

enum status txn_cursor_open(struct fiber *f, struct transaction *transaction,
                            struct partition *partition, struct tree_id tree_id,
                            const struct txn_range *range, struct txn_cursor **cursor_out) {
    ASSERT(range->newest || transaction->snapshot_active);
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    struct txn_cursor *cursor = memory_alloc(sizeof *cursor);
    if (cursor == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memset(cursor, 0, offsetof(struct txn_cursor, values));
    cursor->ready = NULL;
    cursor->gathered = cursor->ready_count = cursor->ready_next = cursor->ready_capacity = 0;
    cursor->transaction = transaction;
    cursor->partition = partition;
    cursor->tree = tree;
    cursor->step = STEP_FIRST;
    cursor->edge = cursor->edge_bytes;
    btree_cursor_init(&cursor->base, &tree->base);
    enum status status = bounds_set(cursor, range);
    if (status == STATUS_OK)
        *cursor_out = cursor;
    else
        memory_free(cursor);
    return status;
}

static void unpin(struct txn_cursor *cursor) {
    if (cursor->pinned)
        btree_unpin(&cursor->pin);
    cursor->pinned = false;
}

enum status txn_cursor_restart(struct fiber *f, struct txn_cursor *cursor,
                               const struct txn_range *range) {
    ASSERT(partition__is_here(f, cursor->partition));
    ASSERT(range->newest == cursor->range.newest);
    unpin(cursor);
    TRY(bounds_set(cursor, range));
    cursor->base_begun = cursor->base_done = cursor->done = cursor->edge_set = false;
    cursor->gathered = cursor->ready_count = cursor->ready_next = 0;
    return STATUS_OK;
}

void txn_cursor_close(struct fiber *f, struct txn_cursor *cursor) {
    ASSERT(partition__is_here(f, cursor->partition));
    unpin(cursor);
    btree_cursor_release(&cursor->base);
    arena_release(&cursor->arena);
    memory_free(cursor->ready);
    memory_free(cursor->bounds);
    memory_free(cursor);
}

/* ---- bounds -------------------------------------------------------------------------------- */

static bool above_upper(const struct txn_range *range, struct slice key) {
    if (range->upper.size == 0)
        return false;
    int order = slice_compare(key, range->upper);
    return order > 0 || (order == 0 && !range->upper_inclusive);
}

static bool below_lower(const struct txn_range *range, struct slice key) {
    if (range->lower.size == 0)
        return false;
    int order = slice_compare(key, range->lower);
    return order < 0 || (order == 0 && range->lower_exclusive);
}

static enum status base_begin(struct fiber *f, struct txn_cursor *cursor) {
    const struct txn_range *range = &cursor->range;
    cursor->base_begun = true;
    if (!range->backward && range->lower.size == 0)
        return btree_cursor_seek(f, &cursor->base, BTREE_SEEK_FIRST, SLICE_EMPTY);
    if (!range->backward)
        return btree_cursor_seek(
            f, &cursor->base, range->lower_exclusive ? BTREE_SEEK_GT : BTREE_SEEK_GE, range->lower);
    if (range->upper.size == 0)
        return btree_cursor_seek(f, &cursor->base, BTREE_SEEK_LAST, SLICE_EMPTY);
    return btree_cursor_seek(f, &cursor->base,
                             range->upper_inclusive ? BTREE_SEEK_LE : BTREE_SEEK_LT, range->upper);
}

/* ---- gathering from the base --------------------------------------------------------------- */

static enum status fill_key(struct txn_cursor *cursor, size_t i) {
    size_t stride = cursor->range.key_stride;
    uint8_t *bytes = cursor->stride_keys + i * stride;
    cursor->keys[i] = slice_of(bytes, stride);
    return btree_leaf_entries(&cursor->tree->base, &cursor->pin, cursor->run.first + (uint32_t)i, 1,
                              NULL, bytes, stride);
}

/* The cursor has gone on to another leaf. If that had to be read, those behind it are asked for,
   more each time. */
static void look_ahead(struct fiber *f, struct txn_cursor *cursor, bool was_read) {
    struct page_id ids[LEAVES_AHEAD_MAX];
    if (cursor->leaves_ahead > 0 && --cursor->leaves_ahead > cursor->leaves_window / 2)
        return;
    if (!was_read && cursor->leaves_ahead == 0)
        return;
    unsigned window = cursor->leaves_window * 2;
    cursor->leaves_window = window == 0                 ? LEAVES_AHEAD_FIRST
                            : window > LEAVES_AHEAD_MAX ? LEAVES_AHEAD_MAX
                                                        : window;
    unsigned count = btree_cursor_leaves_behind(&cursor->base, ids, cursor->leaves_window);
    cursor->leaves_ahead = 0;
    for (unsigned i = 0; i < count; i++) {
        enum txn_ahead answer = ahead__read(f, cursor->partition, ids[i]);
        if (answer == TXN_AHEAD_DECLINED)
            break;
        if (answer != TXN_AHEAD_HERE)
            cursor->leaves_ahead = i + 1;
    }
}

/* How many of the run's entries lie in the range, mostly all; the key of the last one is filled. */
static enum status count_in_range(struct txn_cursor *cursor, size_t *count_out) {
    size_t in = 0, end = cursor->run.count; /* so many are, and none from `end` on */
    for (size_t look = end; in < end; look = in + (end - in + 1) / 2) { /* first at the last one */
        TRY(fill_key(cursor, look - 1));
        if (above_upper(&cursor->range, cursor->keys[look - 1]))
            end = look - 1;
        else
            in = look;
    }
    *count_out = in;
    return in > 0 && in < cursor->run.count ? fill_key(cursor, in - 1) : STATUS_OK;
}

/* The rest of a leaf at once, values where they lie. What suspends comes first: nothing moves
   between here and fill. */
static enum status gather_leaf(struct fiber *f, struct txn_cursor *cursor, size_t count_max) {
    const struct pager *pager = cursor->partition->pager;
    const struct page *leaf = cursor->base.leaf;
    uint64_t reads = pager_reads(pager);
    TRY(btree_cursor_take_run(f, &cursor->base, count_max, &cursor->run, &cursor->pin));
    if (cursor->base.leaf != leaf && cursor->base.positioned)
        look_ahead(f, cursor, pager_reads(pager) != reads);
    cursor->pinned = cursor->run.count > 0;
    cursor->filled = !cursor->pinned; /* the rest may have been deleted meanwhile */
    size_t count;
    TRY(count_in_range(cursor, &count));
    cursor->base_done = count < cursor->run.count || !cursor->base.positioned;
    cursor->run.count = (uint32_t)count;
    cursor->gathered = count;
    return STATUS_OK;
}

/* All keys and values of the leaf's run. */
static enum status fill(struct txn_cursor *cursor) {
    size_t stride = cursor->range.key_stride;
    if (cursor->filled)
        return STATUS_OK;
    TRY(btree_leaf_entries(&cursor->tree->base, &cursor->pin, cursor->run.first,
                           (uint32_t)cursor->gathered, cursor->values, cursor->stride_keys,
                           stride));
    for (size_t i = 0; i < cursor->gathered; i++)
        cursor->keys[i] = slice_of(cursor->stride_keys + i * stride, stride);
    cursor->filled = true;
    return STATUS_OK;
}

/* One by one, copied, either way. */
static enum status gather_copies(struct fiber *f, struct txn_cursor *cursor, size_t count_max) {
    const struct txn_range *range = &cursor->range;
    while (cursor->gathered < count_max && cursor->base.positioned) {
        struct slice key = btree_cursor_key(&cursor->base), value;
        bool found;
        if (range->backward ? below_lower(range, key) : above_upper(range, key)) {
            cursor->base_done = true;
            return STATUS_OK;
        }
        TRY(btree_cursor_value(f, &cursor->base, &found, &value));
        if (found) {
            cursor->keys[cursor->gathered] = arena_copy_slice(&cursor->arena, key);
            cursor->values[cursor->gathered++] = arena_copy_slice(&cursor->arena, value);
        }
        TRY(range->backward ? btree_cursor_previous(f, &cursor->base)
                            : btree_cursor_next(f, &cursor->base));
    }
    cursor->base_done = !cursor->base.positioned;
    return STATUS_OK;
}

static bool takes_leaves(const struct txn_cursor *cursor) {
    size_t stride = cursor->range.key_stride;
    return !cursor->range.backward && stride > 0 && stride <= STRIDE_MAX;
}

static enum status gather(struct fiber *f, struct txn_cursor *cursor, size_t count_max) {
    unpin(cursor);
    arena_reset(&cursor->arena);
    cursor->gathered = 0;
    cursor->filled = true;
    if (!cursor->base_begun)
        TRY(base_begin(f, cursor));
    if (cursor->base_done || !cursor->base.positioned) {
        cursor->base_done = true;
        return STATUS_OK;
    }
    if (takes_leaves(cursor))
        return gather_leaf(f, cursor, count_max < STEP_MAX ? count_max : STEP_MAX);
    size_t step = cursor->step < count_max ? cursor->step : count_max;
    if (cursor->step < STEP_MAX)
        cursor->step *= 2;
    return gather_copies(f, cursor, step);
}

/* ---- the interval of a step ---------------------------------------------------------------- */

/* Keys of the step, lowest to highest, whatever the direction. Empty slices are open. */
struct interval {
    struct slice low, high;
    bool low_exclusive, high_inclusive;
};

/* The step ends with this key. */
static void interval_end(const struct txn_cursor *cursor, struct interval *interval,
                         struct slice key) {
    if (cursor->range.backward) {
        interval->low = key;
        interval->low_exclusive = false;
    } else {
        interval->high = key;
        interval->high_inclusive = true;
    }
}

static struct interval interval_of(const struct txn_cursor *cursor) {
    const struct txn_range *range = &cursor->range;
    struct interval interval = {range->lower, range->upper, range->lower_exclusive,
                                range->upper_inclusive};
    struct slice edge = slice_of(cursor->edge, cursor->edge_size);
    if (cursor->edge_set && range->backward) {
        interval.high = edge;
        interval.high_inclusive = false;
    } else if (cursor->edge_set) {
        interval.low = edge;
        interval.low_exclusive = true;
    }
    if (!cursor->base_done && cursor->gathered > 0)
        interval_end(cursor, &interval, cursor->keys[cursor->gathered - 1]);
    return interval;
}

static bool interval_holds(const struct interval *interval, struct slice key) {
    if (interval->low.size > 0) {
        int order = slice_compare(key, interval->low);
        if (order < 0 || (order == 0 && interval->low_exclusive))
            return false;
    }
    if (interval->high.size == 0)
        return true;
    int order = slice_compare(key, interval->high);
    return order < 0 || (order == 0 && interval->high_inclusive);
}

/* Begin at the interval's start, in the direction of reading. */
static enum status layer_begin(struct fiber *f, const struct txn_cursor *cursor,
                               struct layer *layer, const struct interval *interval,
                               struct layer_cursor *place) {
    struct tree_id tree = cursor->tree->id;
    if (!cursor->range.backward)
        return layer_seek(f, layer, place, tree, interval->low,
                          interval->low_exclusive ? UINT64_MAX : 0);
    if (interval->high.size == 0)
        return layer_seek_below(f, layer, place, (struct tree_id){tree.value + 1}, SLICE_EMPTY, 0);
    return layer_seek_below(f, layer, place, tree, interval->high,
                            interval->high_inclusive ? UINT64_MAX : 0);
}

/* Does the layer have entries of commits from `since` on in the interval? If it has more, of any
   commits, than a step should take, the interval is cut short behind so many, and counts as having
   some: the last key may have entries that were not looked at. */
static enum status layer_clip(struct fiber *f, struct txn_cursor *cursor, struct layer *layer,
                              uint64_t since, struct interval *interval, bool *touches,
                              bool *clipped) {
    struct layer_cursor place;
    if (layer->count == 0)
        return STATUS_OK;
    size_t count = 0, count_max = by_chance("txn: a step of a scan is cut short") ? 2 : CLIP_COUNT;
    enum status status = layer_begin(f, cursor, layer, interval, &place);
    while (status == STATUS_OK && place.valid && place.entry.tree.value == cursor->tree->id.value &&
           interval_holds(interval, place.entry.key)) {
        *touches |= place.entry.commit >= since;
        if (++count == count_max) {
            interval_end(cursor, interval, arena_copy_slice(&cursor->arena, place.entry.key));
            *clipped = *touches = true;
            break;
        }
        status = cursor->range.backward ? layer_previous(f, &place) : layer_next(f, &place);
    }
    layer_cursor_release(&place);
    return status;
}

/* After the interval was cut short: forget what the base gave behind its end and stand there. */
static enum status base_clip(struct fiber *f, struct txn_cursor *cursor,
                             const struct interval *interval) {
    while (cursor->gathered > 0 && !interval_holds(interval, cursor->keys[cursor->gathered - 1]))
        cursor->gathered--;
    cursor->base_done = false;
    if (cursor->range.backward)
        return btree_cursor_seek(f, &cursor->base, BTREE_SEEK_LT, interval->low);
    return btree_cursor_seek(f, &cursor->base, BTREE_SEEK_GT, interval->high);
}

/* Visit the entries a layer has in the interval, rising. */
static enum status layer_visit(struct fiber *f, struct txn_cursor *cursor, struct layer *layer,
                               const struct interval *interval,
                               enum status (*visit)(struct txn_cursor *cursor,
                                                    const struct layer_entry *entry)) {
    struct layer_cursor place;
    enum status status = layer_seek(f, layer, &place, cursor->tree->id, interval->low,
                                    interval->low_exclusive ? UINT64_MAX : 0);
    while (status == STATUS_OK && place.valid && place.entry.tree.value == cursor->tree->id.value &&
           interval_holds(interval, place.entry.key)) {
        status = visit(cursor, &place.entry);
        if (status == STATUS_OK)
            status = layer_next(f, &place);
    }
    layer_cursor_release(&place);
    return status;
}

/* ---- merging ------------------------------------------------------------------------------- */

static enum status ready_add(struct txn_cursor *cursor, struct slice key, struct slice value,
                             uint64_t until, bool present) {
    if (!memory_grow(&cursor->ready, &cursor->ready_capacity, cursor->ready_count + 1,
                     sizeof *cursor->ready))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    cursor->ready[cursor->ready_count++] = (struct merged){{key, value}, until, present};
    return STATUS_OK;
}

/* Does history know of a run, newer than the snapshot, that holds a gathered key? */
static bool runs_touch(const struct txn_cursor *cursor) {
    const struct tree *tree = cursor->tree;
    uint64_t snapshot = cursor->transaction->snapshot;
    size_t count = cursor->gathered;
    if (cursor->range.key_stride == 8 && count > 0) { /* keys follow each other: one look */
        uint64_t a = get_be64(cursor->keys[0].data), b = get_be64(cursor->keys[count - 1].data);
        return history__runs_touch(tree, snapshot, a < b ? a : b, a < b ? b : a);
    }
    if (cursor->range.key_stride > 0) /* runs are of keys of 8 bytes */
        return false;
    for (size_t i = 0; i < count; i++) {
        if (cursor->keys[i].size != 8)
            continue;
        uint64_t key = get_be64(cursor->keys[i].data);
        if (history__runs_touch(tree, snapshot, key, key))
            return true;
    }
    return false;
}

/* Is there a reason to look into a layer on disk, which may suspend? */
static bool may_suspend(const struct txn_cursor *cursor, const struct transaction_part *part) {
    const struct generation *generations = cursor->partition->generations;
    uint64_t snapshot = cursor->transaction->snapshot;
    bool looks_back = !cursor->range.newest && cursor->tree->changed_newest > snapshot;
    for (int g = 0; g < 2 && looks_back; g++)
        if (generations[g].layer.spilled && cursor->tree->entry_count[g] > 0 &&
            generations[g].end > snapshot)
            return true;
    return part != NULL && (part->own.spilled || part->staged.spilled);
}

static enum status copy_gathered(struct txn_cursor *cursor) {
    if (!cursor->pinned)
        return STATUS_OK;
    TRY(fill(cursor));
    for (size_t i = 0; i < cursor->gathered; i++)
        cursor->values[i] = arena_copy_slice(&cursor->arena, cursor->values[i]);
    unpin(cursor);
    return STATUS_OK;
}

/* Do history or own writes have anything in the interval? */
static enum status step_is_dirty(struct fiber *f, struct txn_cursor *cursor,
                                 struct transaction_part *part, struct interval *interval,
                                 bool *dirty_out) {
    const struct tree *tree = cursor->tree;
    uint64_t snapshot = cursor->transaction->snapshot;
    bool clipped = false;
    *dirty_out = false;
    if (!cursor->range.newest && tree->changed_newest > snapshot) {
        if (!cursor->filled && cursor->gathered > 0)
            TRY(fill_key(cursor, 0));
        *dirty_out = runs_touch(cursor);
        for (int g = 0; g < 2; g++) {
            struct generation *generation = &cursor->partition->generations[g];
            if (tree->entry_count[g] > 0 && generation->end > snapshot)
                TRY(layer_clip(f, cursor, &generation->layer, snapshot + 1, interval, dirty_out,
                               &clipped));
        }
    }
    if (part != NULL)
        TRY(layer_clip(f, cursor, &part->own, 0, interval, dirty_out, &clipped));
    if (part != NULL && cursor->range.newest)
        TRY(layer_clip(f, cursor, &part->staged, 0, interval, dirty_out, &clipped));
    if (clipped)
        TRY(copy_gathered(cursor));
    return clipped ? base_clip(f, cursor, interval) : STATUS_OK;
}

/* The first of a key's entries that are later than the snapshot tells what the snapshot sees. */
static enum status visit_history(struct txn_cursor *cursor, const struct layer_entry *entry) {
    if (entry->commit <= cursor->transaction->snapshot)
        return STATUS_OK;
    if (cursor->ready_count > 0 &&
        slice_equal(cursor->ready[cursor->ready_count - 1].entry.key, entry->key))
        return STATUS_OK;
    return ready_add(cursor, arena_copy_slice(&cursor->arena, entry->key),
                     arena_copy_slice(&cursor->arena, entry->value), entry->commit,
                     history__entry_present(entry));
}

static enum status visit_own(struct txn_cursor *cursor, const struct layer_entry *entry) {
    return ready_add(cursor, arena_copy_slice(&cursor->arena, entry->key),
                     arena_copy_slice(&cursor->arena, entry->value), 0,
                     entry->flags != CHANGE_DELETE);
}

/* A rising list of entries that live in the step's arena. */
struct entry_list {
    struct merged *entries;
    size_t count;
};

/* Take what visits added to `ready` into a list of its own. */
static enum status list_take(struct txn_cursor *cursor, struct entry_list *list) {
    list->count = cursor->ready_count;
    list->entries = NULL;
    cursor->ready_count = 0;
    if (list->count == 0)
        return STATUS_OK;
    list->entries = arena_alloc(&cursor->arena, list->count * sizeof *list->entries);
    if (list->entries == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(list->entries, cursor->ready, list->count * sizeof *list->entries);
    return STATUS_OK;
}

/* Where both have a key, what held until an earlier commit wins; else `over`. */
static enum status lists_merge(struct txn_cursor *cursor, const struct entry_list *under,
                               const struct entry_list *over, struct entry_list *merged_out) {
    size_t u = 0, o = 0;
    ASSERT(cursor->ready_count == 0);
    while (u < under->count || o < over->count) {
        int order = u == under->count ? 1
                    : o == over->count
                        ? -1
                        : slice_compare(under->entries[u].entry.key, over->entries[o].entry.key);
        bool lower = order < 0 || (order == 0 && under->entries[u].until < over->entries[o].until);
        const struct merged *take = lower ? &under->entries[u] : &over->entries[o];
        TRY(ready_add(cursor, take->entry.key, take->entry.value, take->until, take->present));
        u += order <= 0;
        o += order >= 0;
    }
    return list_take(cursor, merged_out);
}

/* The base's entries, rising. */
static enum status base_list(struct txn_cursor *cursor, struct entry_list *list) {
    for (size_t i = 0; i < cursor->gathered; i++) {
        size_t at = cursor->range.backward ? cursor->gathered - 1 - i : i;
        TRY(ready_add(cursor, cursor->keys[at], cursor->values[at], UINT64_MAX, true));
    }
    return list_take(cursor, list);
}

/* Runs of inserted rows that the snapshot must not see. */
static void hide_runs(const struct txn_cursor *cursor, struct entry_list *view) {
    for (size_t i = 0; i < view->count; i++) {
        struct merged *entry = &view->entries[i];
        if (entry->entry.key.size == 8 &&
            history__run_commit(cursor->tree, cursor->transaction->snapshot,
                                get_be64(entry->entry.key.data)) < entry->until)
            entry->present = false;
    }
}

static enum status history_overlay(struct fiber *f, struct txn_cursor *cursor,
                                   const struct interval *interval, struct entry_list *view) {
    uint64_t snapshot = cursor->transaction->snapshot;
    bool runs = runs_touch(cursor);
    for (int g = 0; g < 2; g++) {
        struct generation *generation = &cursor->partition->generations[g];
        struct entry_list found, merged;
        if (cursor->tree->entry_count[g] == 0 || generation->end <= snapshot)
            continue;
        TRY(layer_visit(f, cursor, &generation->layer, interval, visit_history));
        TRY(list_take(cursor, &found));
        if (found.count == 0)
            continue;
        TRY(lists_merge(cursor, view, &found, &merged));
        *view = merged;
        runs = true; /* a row that came and went since is in history only */
    }
    if (runs)
        hide_runs(cursor, view);
    return STATUS_OK;
}

static enum status own_overlay(struct fiber *f, struct txn_cursor *cursor, struct layer *layer,
                               const struct interval *interval, struct entry_list *view) {
    struct entry_list own, merged;
    if (layer->count == 0)
        return STATUS_OK;
    TRY(layer_visit(f, cursor, layer, interval, visit_own));
    TRY(list_take(cursor, &own));
    TRY(lists_merge(cursor, view, &own, &merged));
    *view = merged;
    return STATUS_OK;
}

static enum status step_merge(struct fiber *f, struct txn_cursor *cursor,
                              struct transaction_part *part, const struct interval *interval,
                              size_t count_max) {
    struct entry_list view;
    TRY(fill(cursor));
    cursor->ready_count = 0;
    TRY(base_list(cursor, &view));
    if (!cursor->range.newest && cursor->tree->changed_newest > cursor->transaction->snapshot)
        TRY(history_overlay(f, cursor, interval, &view));
    if (part != NULL) {
        TRY(own_overlay(f, cursor, &part->own, interval, &view));
        if (cursor->range.newest)
            TRY(own_overlay(f, cursor, &part->staged, interval, &view));
    }
    for (size_t i = 0; i < view.count; i++) {
        size_t at = cursor->range.backward ? view.count - 1 - i : i;
        const struct merged *entry = &view.entries[at];
        if (entry->present)
            TRY(ready_add(cursor, entry->entry.key, entry->entry.value, entry->until, true));
    }
    if (cursor->ready_count > count_max && cursor->pinned) {
        for (size_t i = 0; i < cursor->ready_count; i++)
            cursor->ready[i].entry.value =
                arena_copy_slice(&cursor->arena, cursor->ready[i].entry.value);
        unpin(cursor);
    }
    return arena_status(&cursor->arena);
}

static void hand_out(const struct txn_cursor *cursor, struct txn_entry *entries) {
    for (size_t i = 0; i < cursor->gathered; i++)
        entries[i] = (struct txn_entry){cursor->keys[i], cursor->values[i]};
}

/* ---- steps --------------------------------------------------------------------------------- */

static void edge_remember(struct txn_cursor *cursor, const struct interval *interval) {
    struct slice last = cursor->range.backward ? interval->low : interval->high;
    ASSERT(last.size <= sizeof cursor->edge_bytes);
    memmove(cursor->edge_bytes, last.data, last.size);
    cursor->edge_size = last.size;
    cursor->edge_set = true;
}

/* One step. *direct_out: the gathered entries are the answer, as they lie. */
static enum status step(struct fiber *f, struct txn_cursor *cursor, size_t count_max,
                        bool *direct_out) {
    struct transaction_part *part =
        transaction__part_if(cursor->transaction, cursor->partition->number);
    cursor->ready_count = cursor->ready_next = 0;
    *direct_out = false;
    TRY(gather(f, cursor, count_max));
    if (cursor->range.newest)
        transaction__depend(cursor->transaction, cursor->tree->changed_newest);
    struct interval interval = interval_of(cursor);
    if (may_suspend(cursor, part))
        TRY(copy_gathered(cursor));
    bool dirty;
    TRY(step_is_dirty(f, cursor, part, &interval, &dirty));
    *direct_out = !dirty;
    if (dirty)
        TRY(step_merge(f, cursor, part, &interval, count_max));
    cursor->done = cursor->base_done;
    if (!cursor->done)
        edge_remember(cursor, &interval);
    return STATUS_OK;
}

enum status txn_cursor_next_run(struct fiber *f, struct txn_cursor *cursor,
                                struct txn_entry *entries, size_t count_max, struct txn_leaf *leaf,
                                size_t *count_out) {
    ASSERT(count_max > 0);
    size_t count = 0;
    *leaf = (struct txn_leaf){0};
    while (count == 0) {
        while (cursor->ready_next < cursor->ready_count && count < count_max)
            entries[count++] = cursor->ready[cursor->ready_next++].entry;
        if (count > 0 || cursor->done)
            break;
        bool direct;
        TRY(fiber_check(f)); /* before the step: what it hands out must not be suspended upon */
        TRY(step(f, cursor, count_max, &direct));
        if (!direct)
            continue;
        count = cursor->gathered;
        if (!cursor->filled && count > 0)
            *leaf = (struct txn_leaf){cursor, cursor->pin.page, cursor->run.first, (uint32_t)count,
                                      cursor->run.leaf_count};
        else
            hand_out(cursor, entries);
    }
    *count_out = count;
    return STATUS_OK;
}

enum status txn_leaf_entries(const struct txn_leaf *leaf, struct txn_entry *entries) {
    struct txn_cursor *cursor = leaf->cursor;
    ASSERT(cursor->pinned && cursor->pin.page == leaf->page);
    TRY(fill(cursor));
    hand_out(cursor, entries);
    return STATUS_OK;
}

enum status txn_leaf_range(const struct txn_leaf *leaf, uint32_t first, uint32_t count,
                           struct slice *values_out, uint8_t *key_bytes) {
    const struct txn_cursor *cursor = leaf->cursor;
    ASSERT(cursor->pinned && cursor->pin.page == leaf->page);
    return btree_leaf_entries(&cursor->tree->base, &cursor->pin, first, count, values_out,
                              key_bytes, key_bytes == NULL ? 0 : cursor->range.key_stride);
}

bool txn_leaf_scanned(const struct txn_leaf *leaf) {
    bool scanned = leaf->page->scanned;
    leaf->page->scanned = true;
    return scanned;
}

void *txn_leaf_companion(const struct txn_leaf *leaf) {
    return pager_companion(leaf->page);
}

const void *txn_leaf_companion_behind(const struct txn_leaf *leaf) {
    const struct btree_cursor *base = &leaf->cursor->base;
    bool known = base->positioned && base->leaf != NULL && base->leaf != leaf->page;
    return known ? pager_companion(base->leaf) : NULL;
}

void *txn_leaf_companion_make(const struct txn_leaf *leaf, uint32_t size) {
    return pager_companion_make(leaf->cursor->pin.pager, leaf->page, size);
}

enum status txn_cursor_next(struct fiber *f, struct txn_cursor *cursor, struct txn_entry *entries,
                            size_t count_max, size_t *count_out) {
    struct txn_leaf leaf;
    TRY(txn_cursor_next_run(f, cursor, entries, count_max, &leaf, count_out));
    return leaf.page == NULL ? STATUS_OK : txn_leaf_entries(&leaf, entries);
}

enum status txn_visit(struct fiber *f, struct transaction *transaction, struct partition *partition,
                      struct tree_id tree, const struct txn_range *range,
                      enum status (*visit)(struct fiber *f, struct partition *partition,
                                           const struct txn_entry *entry, void *context),
                      void *context) {
    struct txn_cursor *cursor;
    TRY(txn_cursor_open(f, transaction, partition, tree, range, &cursor));
    enum status status;
    do {
        struct txn_entry entry;
        size_t count;
        status = txn_cursor_next(f, cursor, &entry, 1, &count);
        if (status != STATUS_OK || count == 0)
            break;
        status = visit(f, partition, &entry, context);
        if (status == STATUS_OK)
            status = fiber_check(f);
    } while (status == STATUS_OK);
    txn_cursor_close(f, cursor);
    return status;
}
