/*
 * Large entries: values up to a megabyte, each on a page of its own beside the tree.
 *
 * A tree of large entries (its id has TREE_LARGE) stores in place of a value:
 *
 *     0  0, then the value itself, if it is short: LARGE_INLINE_MAX bytes at most
 *     0  1, 1  page id u64 little-endian, 9  size u32 little-endian
 *
 * The same form is in write sets (the page is temporary), in the base (durable) and in history
 * (the durable page that the base had before). The journal carries the value.
 *
 * Life of a page:
 *
 *     put       temporary page, noted in transaction_part.pages; freed when the transaction ends
 *     apply     a durable page with the same bytes, referred to by the base
 *     replaced  or deleted by commit N: `retired` with N, freed once the horizon has reached N;
 *               readers whose snapshots need it find the reference in history until then
 *     crash     pages that no tree refers to (retired ones, or made for a change that was not in
 *               the cut) are found by comparing map and trees when the store is opened
 *
 * Large pages are never of PAGE_SIZE, so that they can be told from nodes of trees without reading.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/base_bytes.h"
#include "base/base_chance.h"
#include "base/base_memory.h"
#include "txn/store.h"

enum { LARGE_INLINE = 0, LARGE_PAGE = 1 };

_Static_assert((int)TXN_LARGE_SIZE_MAX == (int)PAGE_SIZE_MAX - (int)PAGE_HEADER_SIZE,
               "the largest value fills the largest page");

/* ---- stored form ---------------------------------------------------------------------------- */

static uint32_t page_size_for(size_t size) {
    size_t all = (size + PAGE_HEADER_SIZE + PAGE_SIZE_MIN - 1) / PAGE_SIZE_MIN * PAGE_SIZE_MIN;
    return (uint32_t)(all == PAGE_SIZE ? all + PAGE_SIZE_MIN : all);
}

bool large__reference(struct slice stored, struct page_id *page_out, uint32_t *size_out) {
    if (stored.size != LARGE_REFERENCE_SIZE || stored.data[0] != LARGE_PAGE)
        return false;
    page_out->value = get_le64(stored.data + 1);
    *size_out = get_le32(stored.data + 9);
    return true;
}

bool large__is_short(struct slice stored) {
    return stored.size > 0 && stored.data[0] == LARGE_INLINE;
}

struct slice large__short(struct slice stored) {
    return large__is_short(stored) ? slice_of(stored.data + 1, stored.size - 1) : SLICE_EMPTY;
}

static struct slice reference_encode(struct page_id page, uint32_t size, uint8_t *stored) {
    stored[0] = LARGE_PAGE;
    put_le64(stored + 1, page.value);
    put_le32(stored + 9, size);
    return slice_of(stored, LARGE_REFERENCE_SIZE);
}

enum status large__store(struct fiber *f, struct partition *partition, bool durable,
                         struct slice bytes, uint8_t stored[LARGE_STORED_SIZE_MAX],
                         struct slice *stored_out) {
    ASSERT(bytes.size <= TXN_LARGE_SIZE_MAX);
    if (bytes.size <= LARGE_INLINE_MAX && !by_chance("txn: a short value has a page of its own")) {
        stored[0] = LARGE_INLINE;
        if (bytes.size > 0)
            memcpy(stored + 1, bytes.data, bytes.size);
        *stored_out = slice_of(stored, bytes.size + 1);
        return STATUS_OK;
    }
    struct page *page;
    TRY(pager_allocate(f, partition->pager, durable ? PAGE_DURABLE : PAGE_TEMPORARY,
                       page_size_for(bytes.size), &page));
    memcpy(page->data, bytes.data, bytes.size);
    *stored_out = reference_encode(page->id, (uint32_t)bytes.size, stored);
    pager_unpin(partition->pager, page);
    return STATUS_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

enum status txn_open_large(struct fiber *f, struct partition *partition, struct slice stored,
                           struct arena *arena, struct txn_large *large_out) {
    struct page_id id;
    uint32_t size;
    *large_out = (struct txn_large){0};
    if (large__is_short(stored)) {
        large_out->bytes = arena_copy_slice(arena, slice_of(stored.data + 1, stored.size - 1));
        return arena_status(arena);
    }
    if (!large__reference(stored, &id, &size))
        return error_set(STATUS_DATA_CORRUPTED, "%s: malformed reference to a large value",
                         partition->name);
    TRY(pager_fetch(f, partition->pager, id, &large_out->page));
    if (size > large_out->page->size) {
        txn_release_large(partition, large_out);
        return error_set(STATUS_DATA_CORRUPTED,
                         "%s: page %" PRIu64 " is shorter than the large value in it",
                         partition->name, id.value);
    }
    large_out->bytes = slice_of(large_out->page->data, size);
    return STATUS_OK;
}

void txn_open_large_cached(struct partition *partition, struct slice stored, struct arena *arena,
                           struct txn_large *large_out) {
    struct page_id id;
    uint32_t size;
    *large_out = (struct txn_large){0};
    if (large__is_short(stored))
        large_out->bytes = arena_copy_slice(arena, slice_of(stored.data + 1, stored.size - 1));
    if (!large__reference(stored, &id, &size))
        return;
    large_out->page = pager_fetch_cached(partition->pager, id);
    if (large_out->page != NULL && size > large_out->page->size)
        txn_release_large(partition, large_out);
    else if (large_out->page != NULL)
        large_out->bytes = slice_of(large_out->page->data, size);
}

void txn_release_large(struct partition *partition, struct txn_large *large) {
    if (large->page != NULL)
        pager_unpin(partition->pager, large->page);
    *large = (struct txn_large){0};
}

uint32_t txn_large_readers(const struct txn_large *large) {
    return large->page != NULL ? pager_pins(large->page) - 1 : 0;
}

bool txn_large_proven(const struct txn_large *large) {
    return large->page != NULL && large->page->proven;
}

void txn_large_set_proven(struct txn_large *large) {
    if (large->page != NULL)
        large->page->proven = true;
}

enum status txn_get_large(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, struct tree_id tree, struct slice key,
                          bool newest, struct arena *arena, bool *found_out,
                          struct txn_large *large_out) {
    ASSERT((tree.value & TREE_LARGE) != 0 && transaction->snapshot_active);
    struct slice stored;
    *large_out = (struct txn_large){0};
    TRY((newest ? txn_get_newest : txn_get)(f, transaction, partition, tree, key, arena, found_out,
                                            &stored));
    return *found_out ? txn_open_large(f, partition, stored, arena, large_out) : STATUS_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

enum status txn_put_large(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, struct tree_id tree, struct slice key,
                          struct slice bytes) {
    ASSERT((tree.value & TREE_LARGE) != 0);
    if (key.size > TXN_LARGE_KEY_SIZE_MAX || bytes.size > TXN_LARGE_SIZE_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "large entry of %zu bytes exceeds maximum %d",
                         bytes.size, (int)TXN_LARGE_SIZE_MAX);
    struct transaction_part *part;
    TRY(transaction__part(transaction, partition, &part));
    if (!memory_grow(&part->pages, &part->page_capacity, part->page_count + 1, sizeof *part->pages))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint8_t bytes_stored[LARGE_STORED_SIZE_MAX];
    struct layer_entry entry = {.tree = tree, .key = key, .flags = CHANGE_PUT};
    uint32_t size;
    TRY(large__store(f, partition, false, bytes, bytes_stored, &entry.value));
    if (large__reference(entry.value, &part->pages[part->page_count], &size))
        part->page_count++;
    part->has_large = true;
    return transaction__stage(f, transaction, partition, &entry);
}

void large__part_release(struct partition *partition, struct transaction_part *part) {
    for (size_t i = 0; i < part->page_count; i++)
        pager_free(partition->pager, part->pages[i]);
    memory_free(part->pages);
    part->pages = NULL;
    part->page_count = part->page_capacity = 0;
    part->has_large = false;
}

enum status large__make_durable(struct fiber *f, struct partition *partition, struct slice *stored,
                                uint8_t bytes[LARGE_STORED_SIZE_MAX]) {
    struct page_id id;
    uint32_t size;
    if (!large__reference(*stored, &id, &size))
        return STATUS_OK;
    struct page *page;
    TRY(pager_fetch(f, partition->pager, id, &page));
    enum status status =
        large__store(f, partition, true, slice_of(page->data, size), bytes, stored);
    pager_unpin(partition->pager, page);
    return status;
}

/* ---- retired pages --------------------------------------------------------------------------- */

void large__retire(struct partition *partition, uint64_t number, struct slice stored) {
    struct page_id id;
    uint32_t size;
    if (!large__reference(stored, &id, &size))
        return;
    if (memory_grow(&partition->retired, &partition->retired_capacity, partition->retired_count + 1,
                    sizeof *partition->retired))
        partition->retired[partition->retired_count++] = (struct retired_page){number, id};
    /* Without memory for the note the page is found when the store is next opened. */
}

void large__free_retired(struct partition *partition, uint64_t horizon) {
    size_t kept = 0;
    for (size_t i = 0; i < partition->retired_count; i++) {
        if (partition->retired[i].commit > horizon)
            partition->retired[kept++] = partition->retired[i];
        else
            pager_free(partition->pager, partition->retired[i].page);
    }
    partition->retired_count = kept;
}

/* ---- whole trees ----------------------------------------------------------------------------- */

/* Visit the references of a tree's base, as it is now. */
static enum status references_visit(struct fiber *f, struct tree *tree,
                                    enum status (*visit)(void *context, struct slice key,
                                                         struct slice stored),
                                    void *context) {
    struct btree_cursor cursor;
    btree_cursor_init(&cursor, &tree->base);
    enum status status = btree_cursor_seek(f, &cursor, BTREE_SEEK_FIRST, SLICE_EMPTY);
    while (status == STATUS_OK && cursor.positioned) {
        struct slice stored;
        bool found;
        status = btree_cursor_value(f, &cursor, &found, &stored);
        if (status == STATUS_OK && found)
            status = visit(context, btree_cursor_key(&cursor), stored);
        if (status == STATUS_OK)
            status = btree_cursor_next(f, &cursor);
    }
    btree_cursor_release(&cursor);
    return status;
}

static enum status add_bytes(void *context, struct slice key, struct slice stored) {
    struct page_id id;
    uint32_t size;
    if (large__reference(stored, &id, &size))
        *(uint64_t *)context += page_size_for(size);
    return STATUS_OK;
}

enum status large__bytes(struct fiber *f, struct tree *tree, uint64_t *bytes) {
    return references_visit(f, tree, add_bytes, bytes);
}

/* Entry by entry: whatever is cut short leaves a tree whose references are good. */
enum status large__clear(struct fiber *f, struct partition *partition, struct tree *tree) {
    for (;;) {
        uint8_t key[TXN_LARGE_KEY_SIZE_MAX], old[BTREE_ENTRY_SIZE_MAX];
        struct btree_old removed = {.bytes = old};
        struct btree_cursor cursor;
        size_t size = 0;
        btree_cursor_init(&cursor, &tree->base);
        enum status status = btree_cursor_seek(f, &cursor, BTREE_SEEK_FIRST, SLICE_EMPTY);
        bool positioned = cursor.positioned;
        if (status == STATUS_OK && positioned) {
            struct slice first = btree_cursor_key(&cursor);
            size = first.size < sizeof key ? first.size : sizeof key;
            memcpy(key, first.data, size);
        }
        btree_cursor_release(&cursor);
        TRY(status);
        if (!positioned)
            return STATUS_OK;
        TRY(btree_delete(f, &tree->base, slice_of(key, size), &removed));
        struct page_id page;
        uint32_t value_size;
        if (removed.found && large__reference(slice_of(old, removed.size), &page, &value_size))
            pager_free(partition->pager, page);
        TRY(fiber_check(f));
    }
}

/* ---- after a crash --------------------------------------------------------------------------- */

struct sweep {
    struct partition *partition;
    struct page_id *pages; /* odd ones, rising */
    bool *referenced;
    size_t count, capacity;
    struct tree_id *trees;
    size_t tree_count, tree_capacity;
    bool starved;
};

static void sweep_page(void *context, struct page_id id, uint32_t size) {
    struct sweep *sweep = context;
    if (memory_grow(&sweep->pages, &sweep->capacity, sweep->count + 1, sizeof *sweep->pages))
        sweep->pages[sweep->count++] = id;
    else
        sweep->starved = true;
}

static void sweep_tree(void *context, struct tree_id tree, struct page_id root) {
    struct sweep *sweep = context;
    if ((tree.value & TREE_LARGE) == 0 || tree.value == TREE_DROPPED)
        return;
    if (memory_grow(&sweep->trees, &sweep->tree_capacity, sweep->tree_count + 1,
                    sizeof *sweep->trees))
        sweep->trees[sweep->tree_count++] = tree;
    else
        sweep->starved = true;
}

static int page_compare(const void *a, const void *b) {
    uint64_t x = ((const struct page_id *)a)->value, y = ((const struct page_id *)b)->value;
    return x < y ? -1 : x > y;
}

static enum status sweep_reference(void *context, struct slice key, struct slice stored) {
    struct sweep *sweep = context;
    struct page_id id;
    uint32_t size;
    if (!large__reference(stored, &id, &size) || sweep->count == 0)
        return STATUS_OK;
    const struct page_id *found = bsearch(&id, sweep->pages, sweep->count, sizeof id, page_compare);
    if (found != NULL)
        sweep->referenced[found - sweep->pages] = true;
    return STATUS_OK; /* a page that is not there is store_check's business */
}

static enum status sweep_run(struct fiber *f, struct sweep *sweep) {
    struct partition *partition = sweep->partition;
    pager_odd_pages_visit(partition->pager, sweep_page, sweep);
    if (sweep->count == 0)
        return STATUS_OK;
    pager_roots_visit(partition->pager, sweep_tree, sweep);
    sweep->referenced = memory_alloc_zeroed(sweep->count, sizeof *sweep->referenced);
    if (sweep->starved || sweep->referenced == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < sweep->tree_count; i++) {
        struct tree *tree;
        TRY(partition__tree(partition, sweep->trees[i], &tree));
        TRY(references_visit(f, tree, sweep_reference, sweep));
    }
    for (size_t i = 0; i < sweep->count; i++)
        if (!sweep->referenced[i])
            pager_free(partition->pager, sweep->pages[i]);
    return STATUS_OK;
}

enum status large__sweep(struct fiber *f, struct partition *partition, void *argument) {
    struct sweep sweep = {.partition = partition};
    enum status status = sweep_run(f, &sweep);
    memory_free(sweep.pages);
    memory_free(sweep.referenced);
    memory_free(sweep.trees);
    return status;
}

/* ---- check ----------------------------------------------------------------------------------- */

struct large_check {
    struct partition *partition;
    struct sweep pages;
    void (*report)(void *context, struct tree_id tree, const char *what);
    void *context;
    struct tree_id tree;
};

static enum status check_reference(void *context, struct slice key, struct slice stored) {
    struct large_check *check = context;
    struct page_id id;
    uint32_t size;
    const char *what = NULL;
    if (large__is_short(stored))
        return STATUS_OK;
    if (!large__reference(stored, &id, &size)) {
        what = "a malformed reference to a large value";
    } else {
        const struct page_id *found =
            check->pages.count == 0
                ? NULL
                : bsearch(&id, check->pages.pages, check->pages.count, sizeof id, page_compare);
        size_t at = found == NULL ? 0 : (size_t)(found - check->pages.pages);
        if (found == NULL)
            what = "a large value whose page does not exist";
        else if (check->pages.referenced[at])
            what = "two large values on one page";
        else
            check->pages.referenced[at] = true;
    }
    if (what != NULL)
        check->report(check->context, check->tree, what);
    return STATUS_OK;
}

enum status large__check(struct fiber *f, struct partition *partition,
                         void (*report)(void *context, struct tree_id tree, const char *what),
                         void *context) {
    struct large_check check = {.partition = partition, .report = report, .context = context};
    pager_roots_visit(partition->pager, sweep_tree, &check.pages);
    if (check.pages.tree_count == 0)
        return STATUS_OK;
    pager_odd_pages_visit(partition->pager, sweep_page, &check.pages);
    check.pages.referenced =
        memory_alloc_zeroed(check.pages.count + 1, sizeof *check.pages.referenced);
    enum status status = STATUS_OK;
    if (check.pages.starved || check.pages.referenced == NULL)
        status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < check.pages.tree_count && status == STATUS_OK; i++) {
        struct tree *tree;
        check.tree = check.pages.trees[i];
        status = partition__tree(partition, check.tree, &tree);
        if (status == STATUS_OK)
            status = references_visit(f, tree, check_reference, &check);
        if (status_is_damage(status)) /* told by the check of the tree itself */
            status = STATUS_OK;
    }
    memory_free(check.pages.pages);
    memory_free(check.pages.referenced);
    memory_free(check.pages.trees);
    return status;
}
