/*
 * The disk: files as pages of 4 KiB in up to three versions, names twice.
 *
 *      page       durable  ..  middle  ..  now        what reads see is `now`
 *      sync       durable := now
 *      crash      now := durable | middle | now | each sector from durable or now
 *
 *      names      durable  +  changes, in order  =  now
 *      dir sync   the changes of names in that directory go over to durable
 *      crash      some of the other changes do: a prefix of them, or any (a file system may keep
 *                 them in order or not); what has no parent directory then is gone
 *
 * A file's new size is such an unsynced thing, too. Memory is shared between versions nowhere: a
 * page that does not differ has only `now`.
 */
#include <string.h>

#include "base/base_memory.h"
#include "runtime/simulator.h"

/* ---- names -------------------------------------------------------------------------------- */

static char *copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(simulator__alloc(size), text, size);
}

struct disk_name *disk__find(const struct disk_names *names, const char *path) {
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0)
            return &names->items[i];
    }
    return NULL;
}

static void names_put(struct disk_names *names, const char *path, struct disk_file *file) {
    struct disk_name *name = disk__find(names, path);
    if (name == NULL) {
        simulator__grow(&names->items, &names->capacity, names->count + 1, sizeof *name);
        name = &names->items[names->count++];
        name->path = copy_text(path);
    }
    name->file = file;
}

static void names_drop(struct disk_names *names, const char *path) {
    struct disk_name *name = disk__find(names, path);
    if (name == NULL)
        return;
    memory_free(name->path);
    size_t at = (size_t)(name - names->items);
    memmove(name, name + 1, (names->count - at - 1) * sizeof *name);
    names->count--;
}

static void names_clear(struct disk_names *names) {
    for (size_t i = 0; i < names->count; i++)
        memory_free(names->items[i].path);
    names->count = 0;
}

static size_t parent_size(const char *path) {
    const char *slash = strrchr(path, '/');
    ASSERT(slash != NULL);
    return slash == path ? 1 : (size_t)(slash - path);
}

static bool is_inside(const char *path, const char *directory) {
    size_t size = parent_size(path);
    return strlen(directory) == size && memcmp(path, directory, size) == 0;
}

static bool has_parent(const struct disk_names *names, const char *path) {
    size_t size = parent_size(path);
    for (size_t i = 0; i < names->count; i++) {
        const struct disk_name *name = &names->items[i];
        if (name->file == NULL && strlen(name->path) == size && memcmp(name->path, path, size) == 0)
            return true;
    }
    return size == 1; /* the root */
}

bool disk__parent_exists(const struct disk *disk, const char *path) {
    return has_parent(&disk->now, path);
}

/* ---- changes of names --------------------------------------------------------------------- */

static void change_apply(struct disk_names *names, const struct disk_change *change) {
    if (change->appears) {
        names_put(names, change->path, change->file);
    } else if (change->path_to == NULL) {
        names_drop(names, change->path);
    } else {
        names_drop(names, change->path);
        names_put(names, change->path_to, change->file);
    }
}

static void change_release(struct disk_change *change) {
    memory_free(change->path);
    memory_free(change->path_to);
}

static void change_add(struct disk *disk, const char *path, const char *path_to,
                       struct disk_file *file, bool appears) {
    simulator__grow(&disk->changes, &disk->change_capacity, disk->change_count + 1,
                    sizeof *disk->changes);
    struct disk_change *change = &disk->changes[disk->change_count++];
    *change = (struct disk_change){copy_text(path), path_to != NULL ? copy_text(path_to) : NULL,
                                   file, appears};
    change_apply(&disk->now, change);
}

struct disk_file *disk__create(struct disk *disk, const char *path) {
    simulator__grow(&disk->files, &disk->file_capacity, disk->file_count + 1,
                    sizeof(struct disk_file *));
    struct disk_file *file = simulator__alloc(sizeof *file);
    disk->files[disk->file_count++] = file;
    change_add(disk, path, NULL, file, true);
    return file;
}

void disk__directory_create(struct disk *disk, const char *path) {
    change_add(disk, path, NULL, NULL, true);
}

void disk__remove(struct disk *disk, const char *path) {
    change_add(disk, path, NULL, NULL, false);
}

void disk__rename(struct disk *disk, const char *from, const char *to) {
    struct disk_file *file = disk__find(&disk->now, from)->file;
    change_add(disk, from, to, file, false);
}

void disk__directory_sync(struct disk *disk, const char *path) {
    size_t kept = 0;
    for (size_t i = 0; i < disk->change_count; i++) {
        struct disk_change *change = &disk->changes[i];
        if (is_inside(change->path, path) ||
            (change->path_to != NULL && is_inside(change->path_to, path))) {
            change_apply(&disk->durable, change);
            change_release(change);
        } else {
            disk->changes[kept++] = *change;
        }
    }
    disk->change_count = kept;
}

/* ---- pages -------------------------------------------------------------------------------- */

static const uint8_t zero_page[DISK_PAGE_SIZE];

static bool is_zero(const uint8_t *page) {
    return page == NULL || memcmp(page, zero_page, DISK_PAGE_SIZE) == 0;
}

static struct disk_page *page_at(struct disk_file *file, uint64_t number) {
    if (number >= file->page_count) {
        size_t count = file->page_count;
        simulator__grow(&file->pages, &file->page_capacity, number + 1, sizeof *file->pages);
        memset(file->pages + count, 0, (number + 1 - count) * sizeof *file->pages);
        file->page_count = number + 1;
    }
    return &file->pages[number];
}

/* From now on the page may change: what it is becomes the version a crash goes back to. */
static void page_begin_change(struct simulator *s, struct disk_page *page) {
    if (!page->differs) {
        page->durable = page->now;
        page->now = NULL;
        if (page->durable != NULL)
            page->now = memcpy(simulator__alloc(DISK_PAGE_SIZE), page->durable, DISK_PAGE_SIZE);
        page->differs = true;
    } else if (s != NULL && simulator__below(s, STREAM_CRASH, 4) == 0) {
        memory_free(page->middle);
        page->middle = simulator__alloc(DISK_PAGE_SIZE);
        if (page->now != NULL)
            memcpy(page->middle, page->now, DISK_PAGE_SIZE);
    }
    page->dirty = true;
}

static void page_settle(struct disk_page *page) {
    memory_free(page->durable);
    memory_free(page->middle);
    page->durable = page->middle = NULL;
    page->differs = page->dirty = false;
}

static void write_in_page(struct simulator *s, struct disk_file *file, uint64_t number,
                          uint64_t begin, const uint8_t *bytes, uint64_t size) {
    struct disk_page *page = page_at(file, number);
    page_begin_change(s, page);
    if (size == DISK_PAGE_SIZE && is_zero(bytes)) {
        memory_free(page->now);
        page->now = NULL;
        return;
    }
    if (page->now == NULL)
        page->now = simulator__alloc(DISK_PAGE_SIZE);
    memcpy(page->now + begin, bytes, size);
}

void disk__write(struct simulator *s, struct disk_file *file, const uint8_t *bytes, uint64_t size,
                 uint64_t offset) {
    for (uint64_t done = 0; done < size;) {
        uint64_t begin = (offset + done) % DISK_PAGE_SIZE;
        uint64_t step = DISK_PAGE_SIZE - begin < size - done ? DISK_PAGE_SIZE - begin : size - done;
        write_in_page(s, file, (offset + done) / DISK_PAGE_SIZE, begin, bytes + done, step);
        done += step;
    }
    if (offset + size > file->size)
        file->size = offset + size;
}

size_t disk__read(const struct disk_file *file, uint8_t *bytes, uint64_t size, uint64_t offset) {
    if (offset >= file->size)
        return 0;
    if (size > file->size - offset)
        size = file->size - offset;
    for (uint64_t done = 0; done < size;) {
        uint64_t number = (offset + done) / DISK_PAGE_SIZE,
                 begin = (offset + done) % DISK_PAGE_SIZE;
        uint64_t step = DISK_PAGE_SIZE - begin < size - done ? DISK_PAGE_SIZE - begin : size - done;
        const uint8_t *page = number < file->page_count ? file->pages[number].now : NULL;
        if (page != NULL)
            memcpy(bytes + done, page + begin, step);
        else
            memset(bytes + done, 0, step);
        done += step;
    }
    return size;
}

void disk__resize(struct disk_file *file, uint64_t size) {
    for (uint64_t i = size / DISK_PAGE_SIZE; i < file->page_count && size < file->size; i++) {
        struct disk_page *page = &file->pages[i];
        if (page->now == NULL)
            continue;
        page_begin_change(NULL, page);
        ASSERT(page->now != NULL);
        uint64_t kept = i == size / DISK_PAGE_SIZE ? size % DISK_PAGE_SIZE : 0;
        memset(page->now + kept, 0, DISK_PAGE_SIZE - kept);
    }
    file->size = size;
}

bool disk__needs_blocks(const struct disk_file *file, uint64_t size, uint64_t offset) {
    return offset + size > file->size;
}

static void sync_page(struct simulator *s, struct disk_page *page, bool failing) {
    if (!page->differs || !page->dirty)
        return;
    if (failing && simulator__below(s, SIMULATOR_SYNC_ERROR, 2) == 0)
        page->dirty = false; /* lost, and no later sync knows */
    else
        page_settle(page);
}

void disk__sync(struct simulator *s, struct disk_file *file, uint64_t offset, uint64_t size,
                bool failing) {
    bool all = size == UINT64_MAX;
    uint64_t first = offset / DISK_PAGE_SIZE;
    uint64_t end = all ? file->page_count : (offset + size + DISK_PAGE_SIZE - 1) / DISK_PAGE_SIZE;
    for (uint64_t i = first; i < end && i < file->page_count; i++)
        sync_page(s, &file->pages[i], failing);
    uint64_t size_durable = all ? file->size : offset + size;
    if (all || size_durable > file->size_durable)
        file->size_durable = size_durable;
}

void disk__flip(struct disk_file *file, uint64_t bit) {
    struct disk_page *page = page_at(file, bit / 8 / DISK_PAGE_SIZE);
    uint64_t at = bit / 8 % DISK_PAGE_SIZE;
    if (page->now == NULL)
        page->now = simulator__alloc(DISK_PAGE_SIZE);
    page->now[at] ^= (uint8_t)(1u << bit % 8);
    if (page->durable != NULL)
        page->durable[at] ^= (uint8_t)(1u << bit % 8);
}

/* ---- what a crash leaves ------------------------------------------------------------------ */

/* Each crash has a temper: how much of what was not synced it keeps, of a hundred. */
struct temper {
    unsigned keep, tear, older;
    bool bare; /* nothing, not even by chance */
};

static void tear(struct simulator *s, struct disk_page *page) {
    if (page->now == NULL)
        page->now = simulator__alloc(DISK_PAGE_SIZE);
    for (size_t at = 0; at < DISK_PAGE_SIZE; at += DISK_SECTOR_SIZE) {
        if (simulator__below(s, STREAM_CRASH, 2) == 0)
            continue;
        if (page->durable != NULL)
            memcpy(page->now + at, page->durable + at, DISK_SECTOR_SIZE);
        else
            memset(page->now + at, 0, DISK_SECTOR_SIZE);
    }
    s->counts.faults[SIMULATOR_PAGE_TORN]++;
}

static void take_version(struct disk_page *page, uint8_t **version) {
    memory_free(page->now);
    page->now = *version;
    *version = NULL;
}

static void crash_page(struct simulator *s, const struct temper *temper, struct disk_page *page) {
    if (!page->differs)
        return;
    if (!page->dirty) { /* a failed sync has lost it already */
        take_version(page, &page->durable);
        s->counts.faults[SIMULATOR_PAGE_LOST]++;
    } else if (simulator__below(s, STREAM_CRASH, 100) < temper->tear) {
        tear(s, page);
    } else if (page->middle != NULL && simulator__below(s, STREAM_CRASH, 100) < temper->older) {
        take_version(page, &page->middle);
        s->counts.faults[SIMULATOR_PAGE_OLDER]++;
    } else if (simulator__below(s, STREAM_CRASH, 100) >= temper->keep) {
        take_version(page, &page->durable);
        s->counts.faults[SIMULATOR_PAGE_LOST]++;
    }
    page_settle(page);
}

static void crash_file(struct simulator *s, const struct temper *temper, struct disk_file *file) {
    if (file->size != file->size_durable && temper->bare) {
        file->size = file->size_durable;
    } else if (file->size != file->size_durable) {
        uint64_t least = file->size < file->size_durable ? file->size : file->size_durable;
        uint64_t most = file->size < file->size_durable ? file->size_durable : file->size;
        uint64_t between =
            least +
            simulator__below(s, STREAM_CRASH, (most - least) / DISK_PAGE_SIZE + 1) * DISK_PAGE_SIZE;
        uint64_t choices[] = {file->size, file->size_durable, between};
        file->size = choices[simulator__below(s, STREAM_CRASH, 3)];
    }
    for (size_t i = 0; i < file->page_count; i++)
        crash_page(s, temper, &file->pages[i]);
    uint64_t size = file->size;
    file->size = file->page_count * DISK_PAGE_SIZE; /* so that bytes behind the end are cut off */
    disk__resize(file, size);
    for (size_t i = 0; i < file->page_count; i++)
        page_settle(&file->pages[i]);
    file->size_durable = size;
}

static void crash_names(struct simulator *s, const struct temper *temper) {
    struct disk *disk = &s->disk;
    bool ordered = simulator__below(s, STREAM_CRASH, 2) == 0 || temper->bare;
    size_t prefix = simulator__below(s, STREAM_CRASH, disk->change_count + 1);
    if (temper->bare)
        prefix = 0;
    for (size_t i = 0; i < disk->change_count; i++) {
        if (ordered ? i < prefix : simulator__below(s, STREAM_CRASH, 100) < temper->keep) {
            change_apply(&disk->durable, &disk->changes[i]);
        } else {
            s->counts.faults[SIMULATOR_NAME_LOST]++;
            SIMULATOR_TRACE(s, "crash: name lost: %s%s%s", disk->changes[i].path,
                            disk->changes[i].path_to != NULL ? " -> " : "",
                            disk->changes[i].path_to != NULL ? disk->changes[i].path_to : "");
        }
        change_release(&disk->changes[i]);
    }
    disk->change_count = 0;
    for (bool dropped = true; dropped;) {
        dropped = false;
        for (size_t i = 0; i < disk->durable.count && !dropped; i++) {
            if (!has_parent(&disk->durable, disk->durable.items[i].path)) {
                names_drop(&disk->durable, disk->durable.items[i].path);
                dropped = true;
            }
        }
    }
    names_clear(&disk->now);
    for (size_t i = 0; i < disk->durable.count; i++)
        names_put(&disk->now, disk->durable.items[i].path, disk->durable.items[i].file);
}

void disk__crash(struct simulator *s, bool bare) {
    static const unsigned keeps[] = {0, 10, 50, 90, 100};
    struct temper temper = {
        .keep = keeps[simulator__below(s, STREAM_CRASH, 5)],
        .tear = simulator__below(s, STREAM_CRASH, 2) == 0 ? 20 : 0,
        .older = simulator__below(s, STREAM_CRASH, 2) == 0 ? 50 : 0,
    };
    if (bare)
        temper = (struct temper){.bare = true};
    crash_names(s, &temper);
    for (size_t i = 0; i < s->disk.file_count; i++)
        crash_file(s, &temper, s->disk.files[i]);
    s->disk.full_until_ns = 0;
}

/* ---- life --------------------------------------------------------------------------------- */

static bool is_named(const struct disk *disk, const struct disk_file *file) {
    for (size_t i = 0; i < disk->now.count; i++) {
        if (disk->now.items[i].file == file)
            return true;
    }
    for (size_t i = 0; i < disk->durable.count; i++) {
        if (disk->durable.items[i].file == file)
            return true;
    }
    for (size_t i = 0; i < disk->change_count; i++) {
        if (disk->changes[i].file == file)
            return true;
    }
    return false;
}

static void file_free(struct disk_file *file) {
    for (size_t i = 0; i < file->page_count; i++) {
        memory_free(file->pages[i].now);
        page_settle(&file->pages[i]);
    }
    memory_free(file->pages);
    memory_free(file);
}

void disk__sweep(struct disk *disk) {
    size_t kept = 0;
    for (size_t i = 0; i < disk->file_count; i++) {
        struct disk_file *file = disk->files[i];
        if (file->open_count > 0 || is_named(disk, file))
            disk->files[kept++] = file;
        else
            file_free(file);
    }
    disk->file_count = kept;
}

void disk__init(struct disk *disk) {
    names_put(&disk->durable, "/sim", NULL);
    names_put(&disk->now, "/sim", NULL);
}

void disk__release(struct disk *disk) {
    names_clear(&disk->now);
    names_clear(&disk->durable);
    memory_free(disk->now.items);
    memory_free(disk->durable.items);
    for (size_t i = 0; i < disk->change_count; i++)
        change_release(&disk->changes[i]);
    memory_free(disk->changes);
    for (size_t i = 0; i < disk->file_count; i++)
        file_free(disk->files[i]);
    memory_free(disk->files);
}
