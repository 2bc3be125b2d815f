/* Reading a damaged data directory: its identity, its partitions' trees (txn_salvage.h). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base_memory.h"
#include "btree/btree_salvage.h"
#include "txn/salvage.h"
#include "txn/txn_format.h"

void salvage__tell(struct store_salvage *salvage, enum store_loss_kind kind, unsigned partition,
                   const char *text) {
    struct store_loss loss = {.kind = kind, .partition = partition, .text = text};
    salvage->options.loss(salvage->options.context, &loss);
}

unsigned store_salvage_partition_count(const struct store_salvage *salvage) {
    return salvage->partition_count;
}

void store_salvage_progress(const struct store_salvage *salvage, uint64_t *bytes_out,
                            uint64_t *done_out) {
    *bytes_out = salvage->bytes;
    *done_out = 0;
    for (unsigned i = 0; i < salvage->partition_count; i++)
        if (salvage->pagers[i] != NULL)
            *done_out += pager_salvage_bytes_read(salvage->pagers[i]);
}

/* ---- opening -------------------------------------------------------------------------------- */

static enum status lock_take(struct fiber *f, struct store_salvage *salvage) {
    char path[STORE_PATH_SIZE];
    bool exists;
    snprintf(path, sizeof path, "%s/lock", salvage->directory);
    TRY(file_exists(f, path, &exists));
    if (!exists)
        return STATUS_OK;
    TRY(file_open(f, path, FILE_READ_ONLY, &salvage->lock_file));
    enum status status = file_lock_exclusive(f, salvage->lock_file);
    if (status != STATUS_OBJECT_IN_USE)
        return status;
    error_set(status, "data directory \"%s\" is in use by another process", salvage->directory);
    error_hint("Stop the satori that uses it.");
    return status;
}

/* As many partitions as there are directories, when the identity cannot tell. */
static enum status partitions_count(struct fiber *f, struct store_salvage *salvage) {
    for (salvage->partition_count = 0; salvage->partition_count < PARTITIONS_MAX;
         salvage->partition_count++) {
        char path[STORE_PATH_SIZE];
        bool exists;
        snprintf(path, sizeof path, "%s/part-%03u", salvage->directory, salvage->partition_count);
        TRY(file_exists(f, path, &exists));
        if (!exists)
            break;
    }
    if (salvage->partition_count > 0)
        return STATUS_OK;
    return error_set(STATUS_UNDEFINED_FILE, "directory \"%s\" does not hold a satori database",
                     salvage->directory);
}

static enum status identity_read(struct fiber *f, struct store_salvage *salvage) {
    char path[STORE_PATH_SIZE], text[STORE_PATH_SIZE + 64];
    uint8_t bytes[STORE_IDENTITY_SIZE];
    snprintf(path, sizeof path, "%s/satori.id", salvage->directory);
    struct file *file;
    enum status status = file_open(f, path, FILE_READ_ONLY, &file);
    if (status == STATUS_OK) {
        status = file_read_exact(f, file, bytes, sizeof bytes, 0);
        if (file_close(f, file) != STATUS_OK)
            error_clear();
    }
    if (status == STATUS_OUT_OF_MEMORY || (status != STATUS_OK && fiber_cancelled(f)))
        return status; /* which tells nothing of the file */
    struct store_identity identity;
    if (status == STATUS_OK && store_identity_decode(bytes, &identity)) {
        if (identity.version != STORE_FORMAT_VERSION)
            return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                             "data directory \"%s\" has format version %" PRIu32
                             ", this program reads version %d",
                             salvage->directory, identity.version, STORE_FORMAT_VERSION);
        salvage->database_id = identity.database_id;
        salvage->partition_count = identity.partition_count;
        if (identity.partition_count <= PARTITIONS_MAX)
            return STATUS_OK;
    }
    error_clear();
    TRY(partitions_count(f, salvage));
    snprintf(text, sizeof text, "file \"%s\" is damaged", path);
    salvage__tell(salvage, STORE_LOSS_NOTE, 0, text);
    return STATUS_OK;
}

static enum status partition_open(struct fiber *f, struct store_salvage *salvage, unsigned number) {
    char path[STORE_PATH_SIZE], text[STORE_PATH_SIZE + 128];
    struct pager_salvage **pager = &salvage->pagers[number];
    snprintf(path, sizeof path, "%s/part-%03u", salvage->directory, number);
    salvage->applied[number] = UINT64_MAX; /* nothing there to be brought up to date */
    enum status status = pager_salvage_open(f, path, pager);
    if (status == STATUS_DATA_CORRUPTED || status == STATUS_UNDEFINED_FILE) {
        salvage__tell(salvage, STORE_LOSS_PARTITION, number, error_current()->message);
        error_clear();
        return STATUS_OK;
    }
    TRY(status);
    salvage->applied[number] = pager_salvage_applied(*pager).value;
    uint64_t offset = pager_salvage_damage(*pager);
    if (offset > 0) {
        snprintf(text, sizeof text, "page manifest \"%s/manifest\" is damaged at offset %" PRIu64,
                 path, offset);
        salvage__tell(salvage, STORE_LOSS_AGE, number, text);
    }
    for (uint64_t id = 1; id < pager_salvage_page_end(*pager); id++) {
        uint32_t size;
        if (pager_salvage_has(*pager, (struct page_id){id}, &size, &offset))
            salvage->bytes += size;
    }
    return STATUS_OK;
}

enum status store_salvage_open(struct fiber *f, const struct store_salvage_options *options,
                               struct store_salvage **salvage_out) {
    if (strlen(options->directory) >= STORE_DIRECTORY_SIZE)
        return error_set(STATUS_NAME_TOO_LONG, "path \"%s\" is too long", options->directory);
    struct store_salvage *salvage = memory_alloc_zeroed(1, sizeof *salvage);
    if (salvage == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    salvage->options = *options;
    salvage->directory = options->directory;
    enum status status = identity_read(f, salvage);
    if (status == STATUS_OK)
        status = lock_take(f, salvage);
    for (unsigned i = 0; i < salvage->partition_count && status == STATUS_OK; i++)
        status = partition_open(f, salvage, i);
    struct stop_mark mark;
    if (status == STATUS_OK)
        status = stop_mark__read(f, salvage->directory, &salvage->stopped, &mark);
    if (status == STATUS_OK) {
        *salvage_out = salvage;
        return STATUS_OK;
    }
    struct error kept = *error_current();
    store_salvage_close(f, salvage);
    *error_current() = kept;
    return status;
}

void store_salvage_close(struct fiber *f, struct store_salvage *salvage) {
    if (salvage == NULL)
        return;
    for (unsigned i = 0; i < salvage->partition_count && i < PARTITIONS_MAX; i++)
        pager_salvage_close(f, salvage->pagers[i]);
    if (file_close(f, salvage->lock_file) != STATUS_OK)
        error_clear();
    memory_free(salvage);
}

/* ---- copying a partition -------------------------------------------------------------------- */

/* A part of a tree whose inner page is lost. */
struct hole {
    struct tree_id tree;
    enum salvage_wish wish;
    struct slice lower, upper;
    bool has_upper;
    const char *text;
};

/* A leaf that lies in just one hole. */
struct stray {
    struct page_id page;
    size_t hole;
    struct slice lower, upper;
    bool has_upper;
};

struct copy {
    struct store_salvage *salvage;
    const struct salvage_trees *trees;
    struct store *store;
    unsigned number;
    struct partition *partition;
    struct pager_salvage *pager;
    uint8_t *visited, *block; /* a page of any size */
    struct tree_id tree;      /* the one being read */
    enum salvage_wish wish;
    struct tree *target;
    struct arena arena;
    struct hole *holes;
    size_t hole_count, hole_capacity;
    struct stray *strays;
    size_t stray_count, stray_capacity;
};

static void tell_keys(struct copy *copy, enum store_loss_kind kind, struct tree_id tree,
                      struct slice lower, const struct slice *upper, const char *text) {
    struct store_loss loss = {.kind = kind,
                              .partition = copy->number,
                              .tree = tree,
                              .lower = lower,
                              .upper = upper != NULL ? *upper : SLICE_EMPTY,
                              .has_upper = upper != NULL,
                              .text = text};
    copy->salvage->options.loss(copy->salvage->options.context, &loss);
}

/* The value on its own page. *found_out false: it was reported as lost. */
static enum status large_read(struct fiber *f, struct copy *copy, struct slice key,
                              struct slice stored, bool *found_out, struct slice *bytes_out) {
    struct page_id page;
    uint32_t size, page_size;
    uint64_t offset;
    *found_out = true;
    if (large__is_short(stored)) {
        *bytes_out = large__short(stored);
        return STATUS_OK;
    }
    if (!large__reference(stored, &page, &size)) {
        *found_out = false;
        tell_keys(copy, STORE_LOSS_KEY, copy->tree, key, NULL,
                  "malformed reference to a large value");
        return STATUS_OK;
    }
    enum status status = pager_salvage_read(f, copy->pager, page, copy->block, bytes_out);
    if (pager_salvage_has(copy->pager, page, &page_size, &offset))
        copy->visited[page.value / 8] |= (uint8_t)(1 << page.value % 8);
    if (status == STATUS_OK && size > bytes_out->size)
        status = error_set(STATUS_DATA_CORRUPTED, "page %" PRIu64 " of \"%s\" is too short",
                           page.value, pager_salvage_path(copy->pager));
    if (status != STATUS_DATA_CORRUPTED) {
        bytes_out->size = size;
        return status;
    }
    *found_out = false;
    tell_keys(copy, STORE_LOSS_KEY, copy->tree, key, NULL, error_current()->message);
    return STATUS_OK;
}

static enum status entry_copy(struct fiber *f, void *context, struct slice key,
                              struct slice value) {
    struct copy *copy = context;
    uint8_t stored[LARGE_STORED_SIZE_MAX];
    if (tree_is_large(copy->tree)) {
        struct slice bytes;
        bool found;
        TRY(large_read(f, copy, key, value, &found, &bytes));
        if (!found || copy->wish != SALVAGE_COPY)
            return STATUS_OK;
        TRY(large__store(f, copy->partition, true, bytes, stored, &value));
    }
    return btree_put(f, &copy->target->base, key, value, NULL);
}

static enum status lost_note(void *context, const struct btree_lost *lost) {
    struct copy *copy = context;
    if (!lost->above_leaves) {
        if (copy->wish != SALVAGE_SKIP)
            tell_keys(copy, STORE_LOSS_KEYS, copy->tree, lost->lower,
                      lost->has_upper ? &lost->upper : NULL, lost->what);
        return STATUS_OK;
    }
    if (!memory_grow(&copy->holes, &copy->hole_capacity, copy->hole_count + 1, sizeof *copy->holes))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    copy->holes[copy->hole_count++] =
        (struct hole){.tree = copy->tree,
                      .wish = copy->wish,
                      .lower = arena_copy_slice(&copy->arena, lost->lower),
                      .upper = arena_copy_slice(&copy->arena, lost->upper),
                      .has_upper = lost->has_upper,
                      .text = arena_format(&copy->arena, "%s", lost->what)};
    return arena_status(&copy->arena);
}

static enum status tree_read(struct fiber *f, struct copy *copy, struct tree_id tree,
                             struct page_id root, enum salvage_wish wish) {
    copy->tree = tree;
    copy->wish = wish;
    if (wish == SALVAGE_COPY)
        TRY(partition__tree(copy->partition, tree, &copy->target));
    bool entries = wish == SALVAGE_COPY || (wish == SALVAGE_LOOK && tree_is_large(tree));
    struct btree_salvage reading = {.pager = copy->pager,
                                    .visited = copy->visited,
                                    .context = copy,
                                    .entry = entries ? entry_copy : NULL,
                                    .lost = lost_note};
    return btree_salvage(f, &reading, root);
}

/* Those somebody wants; or the others. */
static enum status trees_read(struct fiber *f, struct copy *copy, bool wanted) {
    for (size_t i = 0; i < pager_salvage_root_count(copy->pager); i++) {
        struct page_id root;
        struct tree_id tree = pager_salvage_root(copy->pager, i, &root);
        enum salvage_wish wish = copy->trees->wish(copy->trees->context, tree);
        if ((wish != SALVAGE_SKIP) == wanted)
            TRY(tree_read(f, copy, tree, root, wish));
    }
    return STATUS_OK;
}

/* ---- leaves without a way to them ----------------------------------------------------------- */

static bool hole_holds(const struct hole *hole, struct slice lower, const struct slice *upper) {
    if (slice_compare(lower, hole->lower) < 0)
        return false;
    return !hole->has_upper || (upper != NULL && slice_compare(*upper, hole->upper) <= 0);
}

struct fit {
    struct copy *copy;
    struct tree_id tree;
    bool fits;
};

static enum status entry_fits(struct fiber *f, void *context, struct slice key,
                              struct slice value) {
    struct fit *fit = context;
    const struct salvage_trees *trees = fit->copy->trees;
    fit->fits = fit->fits && trees->fits(trees->context, fit->tree, key, value);
    return STATUS_OK;
}

/* The only hole that the leaf may come from; hole_count if there is none or more. */
static enum status hole_of(struct fiber *f, struct copy *copy, struct slice page,
                           struct slice lower, const struct slice *upper, size_t *hole_out) {
    size_t candidates = 0;
    *hole_out = copy->hole_count;
    for (size_t i = 0; i < copy->hole_count; i++) {
        if (!hole_holds(&copy->holes[i], lower, upper))
            continue;
        struct fit fit = {copy, copy->holes[i].tree, true};
        struct btree_salvage reading = {.context = &fit, .entry = entry_fits};
        TRY(btree_salvage_leaf(f, &reading, page));
        if (!fit.fits)
            continue;
        candidates++;
        *hole_out = i;
    }
    if (candidates != 1)
        *hole_out = copy->hole_count;
    return STATUS_OK;
}

static enum status stray_note(struct fiber *f, struct copy *copy, struct page_id id) {
    struct slice page, lower, upper;
    bool has_upper;
    uint32_t size;
    uint64_t offset;
    if (!pager_salvage_has(copy->pager, id, &size, &offset) || size != PAGE_SIZE ||
        (copy->visited[id.value / 8] >> id.value % 8 & 1) != 0)
        return STATUS_OK;
    enum status status = pager_salvage_read(f, copy->pager, id, copy->block, &page);
    if (status == STATUS_DATA_CORRUPTED)
        return STATUS_OK; /* its keys are missing from the hole */
    TRY(status);
    if (!btree_salvage_fences(page, &lower, &upper, &has_upper))
        return STATUS_OK;
    size_t hole;
    TRY(hole_of(f, copy, page, lower, has_upper ? &upper : NULL, &hole));
    if (hole == copy->hole_count)
        return STATUS_OK;
    if (!memory_grow(&copy->strays, &copy->stray_capacity, copy->stray_count + 1,
                     sizeof *copy->strays))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    copy->strays[copy->stray_count++] =
        (struct stray){.page = id,
                       .hole = hole,
                       .lower = arena_copy_slice(&copy->arena, lower),
                       .upper = arena_copy_slice(&copy->arena, upper),
                       .has_upper = has_upper};
    return arena_status(&copy->arena);
}

static int stray_compare(const void *x, const void *y) {
    const struct stray *a = x, *b = y;
    if (a->hole != b->hole)
        return a->hole < b->hole ? -1 : 1;
    return slice_compare(a->lower, b->lower);
}

/* Leaves of one tree never overlap: where some do, one is not the tree's, and nobody knows which.
 */
static bool overlaps(const struct stray *a, const struct stray *b) {
    return a->hole == b->hole && (!a->has_upper || slice_compare(a->upper, b->lower) > 0);
}

static enum status stray_read(struct fiber *f, struct copy *copy, const struct stray *stray) {
    struct slice page;
    TRY(pager_salvage_read(f, copy->pager, stray->page, copy->block, &page));
    /* Large values are read into the block, too. */
    uint8_t *bytes = memory_alloc(page.size);
    if (bytes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(bytes, page.data, page.size);
    struct btree_salvage reading = {.context = copy, .entry = entry_copy};
    enum status status = btree_salvage_leaf(f, &reading, slice_of(bytes, page.size));
    memory_free(bytes);
    return status;
}

/* The hole's leaves in order; what is between them is lost. */
static enum status hole_fill(struct fiber *f, struct copy *copy, size_t at, size_t *next) {
    const struct hole *hole = &copy->holes[at];
    struct slice from = hole->lower;
    bool open = true; /* keys from `from` on are missing */
    copy->tree = hole->tree;
    copy->wish = hole->wish;
    if (hole->wish == SALVAGE_COPY)
        TRY(partition__tree(copy->partition, hole->tree, &copy->target));
    for (; *next < copy->stray_count && copy->strays[*next].hole == at; (*next)++) {
        const struct stray *stray = &copy->strays[*next];
        bool doubtful = (*next > 0 && overlaps(stray - 1, stray)) ||
                        (*next + 1 < copy->stray_count && overlaps(stray, stray + 1));
        if (doubtful)
            continue;
        if (slice_compare(from, stray->lower) < 0 && hole->wish != SALVAGE_SKIP)
            tell_keys(copy, STORE_LOSS_KEYS, hole->tree, from, &stray->lower, hole->text);
        if (hole->wish == SALVAGE_COPY)
            TRY(stray_read(f, copy, stray));
        from = stray->upper;
        open = stray->has_upper;
    }
    if (hole->wish != SALVAGE_SKIP && open &&
        (!hole->has_upper || slice_compare(from, hole->upper) < 0))
        tell_keys(copy, STORE_LOSS_KEYS, hole->tree, from, hole->has_upper ? &hole->upper : NULL,
                  hole->text);
    return STATUS_OK;
}

static enum status holes_fill(struct fiber *f, struct copy *copy) {
    bool wanted = false;
    for (size_t i = 0; i < copy->hole_count; i++)
        wanted = wanted || copy->holes[i].wish != SALVAGE_SKIP;
    if (!wanted)
        return STATUS_OK;
    TRY(trees_read(f, copy, false)); /* whose leaves are no strays */
    for (uint64_t id = 1; id < pager_salvage_page_end(copy->pager); id++)
        TRY(stray_note(f, copy, (struct page_id){id}));
    if (copy->stray_count > 1)
        qsort(copy->strays, copy->stray_count, sizeof *copy->strays, stray_compare);
    size_t next = 0;
    for (size_t i = 0; i < copy->hole_count; i++)
        TRY(hole_fill(f, copy, i, &next));
    return STATUS_OK;
}

static enum status copy_here(struct fiber *f, struct partition *partition, void *argument) {
    struct copy *copy = argument;
    copy->partition = partition;
    copy->visited = memory_alloc_zeroed(pager_salvage_page_end(copy->pager) / 8 + 1, 1);
    copy->block = memory_alloc(PAGE_SIZE_MAX);
    enum status status = copy->visited != NULL && copy->block != NULL
                             ? STATUS_OK
                             : error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (status == STATUS_OK)
        status = trees_read(f, copy, true);
    if (status == STATUS_OK)
        status = holes_fill(f, copy);
    memory_free(copy->visited);
    memory_free(copy->block);
    memory_free(copy->holes);
    memory_free(copy->strays);
    arena_release(&copy->arena);
    return status;
}

enum status store_salvage_copy(struct fiber *f, struct store_salvage *salvage, struct store *store,
                               unsigned partition, const struct salvage_trees *trees) {
    ASSERT(partition < salvage->partition_count &&
           salvage->partition_count == store_partition_count(store));
    struct copy copy = {.salvage = salvage,
                        .trees = trees,
                        .store = store,
                        .number = partition,
                        .pager = salvage->pagers[partition]};
    if (copy.pager == NULL)
        return STATUS_OK;
    return partition_call(f, store, partition, copy_here, &copy);
}
