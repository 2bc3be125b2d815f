/* Upkeep of trees whose keys are numbers: what changed in a range, how full it is, taking out. */
#include "base/base_bytes.h"
#include "base/base_memory.h"
#include "txn/store.h"

/* ---- changes ------------------------------------------------------------------------------ */

/* Numbers found so far; beyond `capacity` they are counted only. */
struct change_list {
    uint64_t *numbers;
    size_t capacity, count;
};

static void change_add(struct change_list *list, uint64_t number) {
    if (list->count < list->capacity)
        list->numbers[list->count] = number;
    list->count++;
}

/* Changes of the range behind the snapshot, in one generation of the history. */
static enum status layer_changes(struct fiber *f, struct layer *layer, struct tree_id tree,
                                 uint64_t snapshot, uint64_t first, uint64_t last,
                                 struct change_list *list) {
    struct layer_cursor cursor;
    uint8_t lower[8];
    put_be64(lower, first);
    uint64_t before = 0;
    bool any = false;
    enum status status = layer_seek(f, layer, &cursor, tree, slice_of(lower, sizeof lower), 0);
    while (status == STATUS_OK && cursor.valid && cursor.entry.tree.value == tree.value &&
           list->count <= list->capacity) {
        uint64_t number = get_be64(cursor.entry.key.data);
        if (number > last)
            break;
        if (cursor.entry.commit > snapshot && !(any && number == before)) {
            change_add(list, number);
            before = number;
            any = true;
        }
        status = layer_next(f, &cursor);
    }
    layer_cursor_release(&cursor);
    return status;
}

static void runs_changes(const struct run_list *runs, uint64_t snapshot, uint64_t first,
                         uint64_t last, struct change_list *list) {
    if (runs->commit_max <= snapshot)
        return;
    for (size_t i = history__run_search(runs, first);
         i < runs->count && runs->runs[i].first <= last; i++) {
        const struct insert_run *run = &runs->runs[i];
        uint64_t number = run->first > first ? run->first : first;
        for (; run->commit > snapshot && number <= run->last && number <= last &&
               list->count <= list->capacity;
             number++)
            change_add(list, number);
    }
}

enum status txn_range_changes(struct fiber *f, struct transaction *transaction,
                              struct partition *partition, struct tree_id tree_id, uint64_t first,
                              uint64_t last, uint64_t *numbers, size_t capacity,
                              size_t *count_out) {
    ASSERT(transaction->snapshot_active);
    uint64_t snapshot = transaction->snapshot;
    struct change_list list = {.numbers = numbers, .capacity = capacity};
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    for (int g = 0; g < 2 && tree->changed_newest > snapshot; g++) {
        runs_changes(&tree->runs[g], snapshot, first, last, &list);
        if (tree->entry_count[g] > 0 && partition->generations[g].end > snapshot)
            TRY(layer_changes(f, &partition->generations[g].layer, tree_id, snapshot, first, last,
                              &list));
    }
    *count_out = list.count;
    return STATUS_OK;
}

/* ---- entries ------------------------------------------------------------------------------- */

/* Put the cursor on the first key that begins with `from` or a larger number, which is
 *number_out; UINT64_MAX: there is none. To be released whatever comes back. */
static enum status seek_number(struct fiber *f, struct tree *tree, uint64_t from,
                               struct btree_cursor *cursor, uint64_t *number_out) {
    uint8_t key[8];
    put_be64(key, from);
    *number_out = UINT64_MAX;
    btree_cursor_init(cursor, &tree->base);
    TRY(btree_cursor_seek(f, cursor, BTREE_SEEK_GE, slice_of(key, sizeof key)));
    if (cursor->positioned && btree_cursor_key(cursor).size >= sizeof key)
        *number_out = get_be64(btree_cursor_key(cursor).data);
    return STATUS_OK;
}

enum status partition_number_from(struct fiber *f, struct partition *partition,
                                  struct tree_id tree_id, uint64_t from, uint64_t *number_out) {
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    struct btree_cursor cursor;
    enum status status = seek_number(f, tree, from, &cursor, number_out);
    btree_cursor_release(&cursor);
    return status;
}

enum status partition_short_from(struct fiber *f, struct partition *partition,
                                 struct tree_id tree_id, uint64_t from, struct arena *arena,
                                 uint64_t *number_out, struct slice *value_out) {
    ASSERT(tree_is_large(tree_id));
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    struct btree_cursor cursor;
    *value_out = SLICE_EMPTY;
    enum status status = seek_number(f, tree, from, &cursor, number_out);
    if (status == STATUS_OK && *number_out != UINT64_MAX) {
        struct slice stored;
        bool found;
        status = btree_cursor_value(f, &cursor, &found, &stored);
        if (status == STATUS_OK && found)
            *value_out = arena_copy_slice(arena, large__short(stored));
    }
    btree_cursor_release(&cursor);
    return status == STATUS_OK ? arena_status(arena) : status;
}

enum status partition_key_count(struct fiber *f, struct partition *partition,
                                struct tree_id tree_id, struct slice lower, struct slice upper,
                                uint64_t *count_out) {
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    return btree_estimate(f, &tree->base, lower, upper, count_out);
}

enum status partition_range_count(struct fiber *f, struct partition *partition,
                                  struct tree_id tree_id, uint64_t first, uint64_t last,
                                  uint64_t *count_out) {
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    uint8_t lower[8], upper[8];
    put_be64(lower, first);
    put_be64(upper, last + 1);
    return btree_estimate(f, &tree->base, slice_of(lower, 8), slice_of(upper, 8), count_out);
}

enum status partition_purge(struct fiber *f, struct partition *partition, struct tree_id tree_id,
                            uint64_t number) {
    ASSERT(!tree_is_large(tree_id));
    struct tree *tree;
    TRY(partition__tree(partition, tree_id, &tree));
    uint8_t key[8];
    put_be64(key, number);
    return btree_delete(f, &tree->base, slice_of(key, sizeof key), NULL);
}

/* ---- activity ------------------------------------------------------------------------------- */

void partition_touch(struct partition *partition, struct tree_id tree_id, uint64_t part) {
    struct tree *tree;
    if (partition__tree(partition, tree_id, &tree) != STATUS_OK) {
        error_clear(); /* it is a hint only */
        return;
    }
    if (tree->activity == NULL)
        tree->activity = memory_alloc_zeroed(ACTIVITY_SLOTS, sizeof *tree->activity);
    if (tree->activity != NULL)
        tree->activity[part % ACTIVITY_SLOTS] = (struct tree_activity){part, clock_monotonic_ns()};
}

int64_t partition_idle_ns(struct partition *partition, struct tree_id tree_id, uint64_t part) {
    struct tree *tree;
    if (partition__tree(partition, tree_id, &tree) != STATUS_OK) {
        error_clear();
        return INT64_MAX;
    }
    if (tree->activity == NULL)
        return INT64_MAX;
    const struct tree_activity *activity = &tree->activity[part % ACTIVITY_SLOTS];
    if (activity->at_ns == 0 || activity->part != part)
        return INT64_MAX;
    return clock_monotonic_ns() - activity->at_ns;
}

/* NULL: nothing is known of the part. */
static struct tree_reads *reads_of(struct partition *partition, struct tree_id tree_id,
                                   uint64_t part, struct tree **tree_out) {
    if (partition__tree(partition, tree_id, tree_out) != STATUS_OK) {
        error_clear();
        *tree_out = NULL;
        return NULL;
    }
    struct tree_reads *reads = (*tree_out)->reads;
    return reads != NULL && reads[part % READ_SLOTS].part == part ? &reads[part % READ_SLOTS]
                                                                  : NULL;
}

/* Of two parts with one slot the one that is read more keeps it (Misra and Gries 1982). */
void partition_note_reads(struct partition *partition, struct tree_id tree_id, uint64_t part,
                          uint64_t entries) {
    struct tree *tree;
    struct tree_reads *known = reads_of(partition, tree_id, part, &tree);
    if (known != NULL) {
        known->entries += entries;
        return;
    }
    if (tree != NULL && tree->reads == NULL)
        tree->reads = memory_alloc_zeroed(READ_SLOTS, sizeof *tree->reads);
    if (tree == NULL || tree->reads == NULL)
        return;
    struct tree_reads *other = &tree->reads[part % READ_SLOTS];
    if (other->entries > entries)
        other->entries -= entries;
    else
        *other = (struct tree_reads){part, entries};
}

uint64_t partition_reads(struct partition *partition, struct tree_id tree_id, uint64_t part) {
    struct tree *tree;
    const struct tree_reads *known = reads_of(partition, tree_id, part, &tree);
    return known != NULL ? known->entries : 0;
}

void partition_forget_reads(struct partition *partition, struct tree_id tree_id, uint64_t part) {
    struct tree *tree;
    struct tree_reads *known = reads_of(partition, tree_id, part, &tree);
    if (known != NULL)
        known->entries = 0;
}
