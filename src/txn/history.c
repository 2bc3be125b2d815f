/*
 * History: what keys held before recent commits, for the snapshots that are older.
 *
 * Order of events, which every reader relies on: a reader looks at the base first and at history
 * after it. A change therefore never alters the base without its history being found by anybody
 * who can see the altered base:
 *
 *   generation in memory   base changed, then history filed, no suspension between the two
 *   generation spilled     old value read, history filed, then base changed
 *
 * Two generations. Changes file into the younger one. The older one is needed by snapshots older
 * than its `end` only; once the horizon has reached that, it is dropped whole and the younger one
 * becomes the older. An entry (tree, key, N) -> V says: before commit N the key held V.
 *
 * Rising 8-byte keys that were absent before (inserted rows) take no entry each but one run for
 * as many as follow each other in one commit.
 *
 * A value that is not gone but moved to another key or partition leaves word where it went, filed
 * beside the old value as (tree | TREE_MOVED, key, N) -> where. So the word lives exactly as long
 * as somebody may still find the old value, and costs nothing where nothing moves.
 */
#include "base/base_bytes.h"
#include "base/base_chance.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "txn/store.h"

enum { HISTORY_ABSENT = 1, HISTORY_PRESENT = 2 };

/* ---- runs ---------------------------------------------------------------------------------- */

size_t history__run_search(const struct run_list *list, uint64_t key) {
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->runs[middle].last < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Note that `key` was absent before `commit`. False when the key does not rise (or there is no
   memory): then it needs an entry. */
static bool run_add(struct run_list *list, uint64_t key, uint64_t commit) {
    if (list->count > 0) {
        struct insert_run *last = &list->runs[list->count - 1];
        if (key <= last->last)
            return false;
        if (last->commit == commit && key == last->last + 1) {
            last->last = key;
            return true;
        }
    }
    if (!memory_grow(&list->runs, &list->capacity, list->count + 1, sizeof *list->runs))
        return false;
    list->runs[list->count++] = (struct insert_run){key, key, commit};
    if (commit > list->commit_max)
        list->commit_max = commit;
    return true;
}

/* Commit before which the key was absent, 0 if no run says so. */
static uint64_t run_commit(const struct run_list *list, uint64_t key) {
    size_t at = history__run_search(list, key);
    return at < list->count && list->runs[at].first <= key ? list->runs[at].commit : 0;
}

bool history__entry_present(const struct layer_entry *entry) {
    return entry->flags == HISTORY_PRESENT;
}

uint64_t history__run_commit(const struct tree *tree, uint64_t snapshot, uint64_t key) {
    uint64_t lowest = UINT64_MAX;
    for (int g = 0; g < 2; g++) {
        if (tree->runs[g].commit_max <= snapshot)
            continue;
        uint64_t commit = run_commit(&tree->runs[g], key);
        if (commit > snapshot && commit < lowest)
            lowest = commit;
    }
    return lowest;
}

bool history__runs_touch(const struct tree *tree, uint64_t snapshot, uint64_t first,
                         uint64_t last) {
    for (int g = 0; g < 2; g++) {
        const struct run_list *list = &tree->runs[g];
        if (list->commit_max <= snapshot)
            continue;
        for (size_t i = history__run_search(list, first);
             i < list->count && list->runs[i].first <= last; i++)
            if (list->runs[i].commit > snapshot)
                return true;
    }
    return false;
}

/* ---- filing -------------------------------------------------------------------------------- */

enum { APPLY_ATTEMPTS = 20, APPLY_PAUSE_NS = 50000000 };

static void filed(struct partition *partition, struct tree *tree, unsigned g, uint64_t number) {
    struct generation *generation = &partition->generations[g];
    if (number > generation->end)
        generation->end = number;
    if (number > tree->changed_newest)
        tree->changed_newest = number;
    tree->change_count++;
    atomic_fetch_add_explicit(&partition->history_entries, 1, memory_order_relaxed);
}

static enum status entry_file(struct fiber *f, struct partition *partition, struct tree *tree,
                              uint64_t number, struct slice key, bool present, struct slice value) {
    unsigned g = partition->younger;
    struct layer_entry entry = {.tree = tree->id,
                                .commit = number,
                                .key = key,
                                .value = value,
                                .flags = present ? HISTORY_PRESENT : HISTORY_ABSENT};
    tree->entry_count[g]++; /* before a suspension, so that readers look */
    filed(partition, tree, g, number);
    return layer_put(f, &partition->generations[g].layer, &entry);
}

static bool absence_files_as_run(struct partition *partition, struct tree *tree, struct slice key,
                                 uint64_t number) {
    unsigned g = partition->younger;
    if (key.size != 8 || !run_add(&tree->runs[g], get_be64(key.data), number))
        return false;
    partition->generations[g].run_count++;
    filed(partition, tree, g, number);
    return true;
}

/* A commit cannot be taken back: while others use all pages of the pool it waits for them. They get
   an error before long if they in turn wait for each other. */
static enum status base_change(struct fiber *f, struct tree *tree, const struct layer_entry *change,
                               struct btree_old *old) {
    for (unsigned attempt = 1;; attempt++) {
        enum status status = change->flags == CHANGE_DELETE
                                 ? btree_delete(f, &tree->base, change->key, old)
                                 : btree_put(f, &tree->base, change->key, change->value, old);
        if (status != STATUS_OUT_OF_MEMORY || attempt == APPLY_ATTEMPTS)
            return status;
        error_clear();
        TRY(fiber_sleep(f, APPLY_PAUSE_NS));
    }
}

/* With the younger generation in memory. */
static enum status change_fast(struct fiber *f, struct partition *partition, struct tree *tree,
                               uint64_t number, const struct layer_entry *change) {
    uint8_t bytes[BTREE_ENTRY_SIZE_MAX];
    struct btree_old old = {.bytes = bytes};
    partition->fast_puts++;
    enum status status = base_change(f, tree, change, &old);
    if (status == STATUS_OK && old.found && tree_is_large(tree->id))
        large__retire(partition, number, slice_of(bytes, old.size));
    if (status == STATUS_OK && old.found)
        status =
            entry_file(f, partition, tree, number, change->key, true, slice_of(bytes, old.size));
    else if (status == STATUS_OK && change->flags == CHANGE_PUT &&
             !absence_files_as_run(partition, tree, change->key, number))
        status = entry_file(f, partition, tree, number, change->key, false, SLICE_EMPTY);
    if (--partition->fast_puts == 0)
        condition_wake_all(&partition->puts_done);
    return status;
}

/* With the younger generation spilled. */
static enum status change_careful(struct fiber *f, struct partition *partition, struct tree *tree,
                                  uint64_t number, const struct layer_entry *change) {
    uint8_t bytes[BTREE_ENTRY_SIZE_MAX];
    bool found;
    size_t size = 0;
    struct slice value;
    struct btree_pin pin;
    TRY(btree_get(f, &tree->base, change->key, &found, &value, &pin));
    if (found) {
        size = value.size;
        if (size > 0)
            memcpy(bytes, value.data, size);
        btree_unpin(&pin);
        TRY(entry_file(f, partition, tree, number, change->key, true, slice_of(bytes, size)));
    } else if (change->flags == CHANGE_PUT &&
               !absence_files_as_run(partition, tree, change->key, number)) {
        TRY(entry_file(f, partition, tree, number, change->key, false, SLICE_EMPTY));
    }
    TRY(base_change(f, tree, change, NULL));
    if (found && tree_is_large(tree->id))
        large__retire(partition, number, slice_of(bytes, size));
    return STATUS_OK;
}

static enum status younger_spill(struct fiber *f, struct partition *partition) {
    partition->spilling = true;
    enum status status = STATUS_OK;
    while (partition->fast_puts > 0 && status == STATUS_OK)
        status = condition_wait(f, &partition->puts_done);
    struct layer *layer = &partition->generations[partition->younger].layer;
    if (status == STATUS_OK && !layer->spilled)
        status = layer_spill(f, layer, partition->pager);
    partition->spilling = false;
    condition_wake_all(&partition->spill_done);
    return status;
}

enum status history__change(struct fiber *f, struct partition *partition, struct tree *tree,
                            uint64_t number, const struct layer_entry *change) {
    struct layer *layer = &partition->generations[partition->younger].layer;
    uint64_t bytes_max = partition->store->history_memory_max;
    if (!layer->spilled && !partition->spilling && layer->count > 0 &&
        by_chance("txn: a history spills early"))
        bytes_max = 0;
    if (!layer->spilled && !partition->spilling && layer->bytes > bytes_max) {
        history__rotate(f, partition, false);
        layer = &partition->generations[partition->younger].layer;
        if (!layer->spilled && !partition->spilling && layer->bytes > bytes_max)
            TRY(younger_spill(f, partition));
    }
    while (partition->spilling)
        TRY(condition_wait(f, &partition->spill_done));
    if (partition->generations[partition->younger].layer.spilled)
        return change_careful(f, partition, tree, number, change);
    return change_fast(f, partition, tree, number, change);
}

enum status history__file_moved(struct fiber *f, struct partition *partition, uint64_t number,
                                const struct layer_entry *entry) {
    while (partition->spilling)
        TRY(condition_wait(f, &partition->spill_done));
    struct generation *generation = &partition->generations[partition->younger];
    struct layer_entry filed = *entry;
    filed.commit = number;
    filed.flags = HISTORY_PRESENT;
    if (number > generation->end)
        generation->end = number;
    atomic_fetch_add_explicit(&partition->history_entries, 1, memory_order_relaxed);
    return layer_put(f, &generation->layer, &filed);
}

/* ---- reading ------------------------------------------------------------------------------- */

/* The first entry of the key behind `snapshot` in one generation's layer. */
static enum status layer_lookup(struct fiber *f, struct layer *layer, struct tree_id tree,
                                struct slice key, uint64_t snapshot, uint64_t commit_below,
                                struct arena *arena, uint64_t *commit_out,
                                struct history_answer *answer) {
    struct layer_cursor cursor;
    enum status status = layer_seek(f, layer, &cursor, tree, key, snapshot + 1);
    if (status == STATUS_OK && cursor.valid && cursor.entry.tree.value == tree.value &&
        cursor.entry.commit < commit_below && slice_equal(cursor.entry.key, key)) {
        *commit_out = cursor.entry.commit;
        answer->known = true;
        answer->present = cursor.entry.flags == HISTORY_PRESENT;
        if (answer->present && arena != NULL)
            answer->value = arena_copy_slice(arena, cursor.entry.value);
    }
    layer_cursor_release(&cursor);
    return status;
}

static enum status lookup(struct fiber *f, struct partition *partition, const struct tree *tree,
                          struct slice key, uint64_t snapshot, struct arena *arena,
                          struct history_answer *answer) {
    uint64_t best = UINT64_MAX;
    *answer = (struct history_answer){0};
    for (int g = 0; g < 2; g++) {
        if (tree->entry_count[g] > 0 && partition->generations[g].end > snapshot)
            TRY(layer_lookup(f, &partition->generations[g].layer, tree->id, key, snapshot, best,
                             arena, &best, answer));
    }
    if (key.size != 8)
        return STATUS_OK;
    if (history__run_commit(tree, snapshot, get_be64(key.data)) < best)
        *answer = (struct history_answer){.known = true};
    return STATUS_OK;
}

enum status history__get(struct fiber *f, struct partition *partition, const struct tree *tree,
                         struct slice key, uint64_t snapshot, struct arena *arena,
                         struct history_answer *answer_out) {
    return lookup(f, partition, tree, key, snapshot, arena, answer_out);
}

enum status history__changed(struct fiber *f, struct partition *partition, const struct tree *tree,
                             struct slice key, uint64_t snapshot, bool *changed_out) {
    *changed_out = false;
    if (tree->changed_newest <= snapshot)
        return STATUS_OK;
    struct history_answer answer;
    TRY(lookup(f, partition, tree, key, snapshot, NULL, &answer));
    *changed_out = answer.known;
    return STATUS_OK;
}

enum status history__count(struct fiber *f, struct partition *partition, const struct tree *tree,
                           struct slice key, uint64_t horizon, uint64_t *count_out) {
    uint64_t commit = horizon;
    *count_out = 0;
    for (;;) {
        struct history_answer answer = {0};
        uint64_t next = UINT64_MAX;
        for (int g = 0; g < 2; g++) {
            if (tree->entry_count[g] > 0 && partition->generations[g].end > commit)
                TRY(layer_lookup(f, &partition->generations[g].layer, tree->id, key, commit, next,
                                 NULL, &next, &answer));
        }
        if (!answer.known)
            return STATUS_OK;
        *count_out += answer.present;
        commit = next;
    }
}

enum status history__moved(struct fiber *f, struct partition *partition, struct tree_id tree,
                           struct slice key, uint64_t snapshot,
                           uint8_t moved_to[TXN_MOVED_SIZE_MAX], size_t *size_out) {
    uint64_t best = UINT64_MAX;
    struct history_answer answer = {0};
    struct arena arena = {0};
    tree.value |= TREE_MOVED;
    enum status status = STATUS_OK;
    for (int g = 0; g < 2 && status == STATUS_OK; g++) {
        if (partition->generations[g].end > snapshot)
            status = layer_lookup(f, &partition->generations[g].layer, tree, key, snapshot, best,
                                  &arena, &best, &answer);
    }
    *size_out = status == STATUS_OK ? answer.value.size : 0;
    ASSERT(*size_out <= TXN_MOVED_SIZE_MAX);
    if (*size_out > 0)
        memcpy(moved_to, answer.value.data, *size_out);
    arena_release(&arena);
    return status;
}

/* ---- dropping ------------------------------------------------------------------------------ */

static void generation_clear(struct fiber *f, struct partition *partition, unsigned g) {
    struct generation *generation = &partition->generations[g];
    uint64_t entries = generation->layer.count + generation->run_count;
    for (size_t i = 0; i < partition->bucket_count; i++)
        for (struct tree *tree = partition->buckets[i]; tree != NULL; tree = tree->next) {
            tree->entry_count[g] = 0;
            tree->runs[g].count = 0;
            tree->runs[g].commit_max = 0;
            if (tree->runs[g].capacity > 4096) {
                memory_free(tree->runs[g].runs);
                tree->runs[g] = (struct run_list){0};
            }
        }
    generation->run_count = 0;
    generation->end = 0;
    layer_clear(f, &generation->layer);
    uint64_t left = atomic_load_explicit(&partition->history_entries, memory_order_relaxed);
    atomic_store_explicit(&partition->history_entries, left > entries ? left - entries : 0,
                          memory_order_relaxed);
}

void history__rotate(struct fiber *f, struct partition *partition, bool force) {
    struct generation *younger = &partition->generations[partition->younger];
    struct generation *older = &partition->generations[1 - partition->younger];
    if (partition->clearing || partition->spilling)
        return;
    uint64_t entries = younger->layer.count + younger->run_count;
    if (older->end == 0 && entries == 0)
        return;
    if (!force && entries < HISTORY_ROTATE_COUNT && !by_chance("txn: a short history is dropped"))
        return;
    uint64_t horizon = store_horizon(partition->store).value;
    if (horizon < older->end)
        return;
    partition->clearing = true;
    generation_clear(f, partition, 1 - partition->younger);
    partition->younger = 1 - partition->younger;
    if (force && horizon >= younger->end) /* quiet: nobody needs the other one either */
        if (partition->fast_puts == 0 && younger->layer.count + younger->run_count == entries)
            generation_clear(f, partition, 1 - partition->younger);
    partition->clearing = false;
}

void history__release(struct fiber *f, struct partition *partition) {
    for (unsigned g = 0; g < 2; g++) {
        generation_clear(f, partition, g);
        arena_release(&partition->generations[g].layer.arena);
    }
}
