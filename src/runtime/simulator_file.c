/* Operations on files: how long they take, how they fail, what they do. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_hash.h"
#include "base/base_memory.h"
#include "runtime/simulator.h"

enum { US = 1000, MS = 1000 * 1000 };

/* ---- descriptors -------------------------------------------------------------------------- */

int simulator__descriptor(struct simulator *s, struct descriptor descriptor) {
    size_t fd = 3;
    while (fd < s->descriptor_count &&
           (s->descriptors[fd].open != NULL || s->descriptors[fd].endpoint != NULL))
        fd++;
    if (fd >= s->descriptor_count) {
        size_t count = s->descriptor_count;
        simulator__grow(&s->descriptors, &s->descriptor_capacity, fd + 1, sizeof *s->descriptors);
        memset(s->descriptors + count, 0, (fd + 1 - count) * sizeof *s->descriptors);
        s->descriptor_count = fd + 1;
    }
    s->descriptors[fd] = descriptor;
    return (int)fd;
}

struct descriptor *simulator__descriptor_of(struct simulator *s, int fd) {
    return fd >= 0 && (size_t)fd < s->descriptor_count ? &s->descriptors[fd] : NULL;
}

static void close_open_file(struct open_file *open) {
    if (open->file->locked_by == open)
        open->file->locked_by = NULL;
    open->file->open_count--;
    memory_free(open);
}

void simulator__files_close(struct simulator *s, const struct runtime *runtime) {
    for (size_t i = 0; i < s->descriptor_count; i++) {
        struct open_file *open = s->descriptors[i].open;
        if (open != NULL && open->runtime == runtime) {
            close_open_file(open);
            s->descriptors[i].open = NULL;
        }
    }
}

/* ---- what operations do ------------------------------------------------------------------- */

static int64_t perform_open(struct simulator *s, const struct operation *o) {
    struct disk *disk = &s->disk;
    struct disk_name *name = disk__find(&disk->now, o->path);
    struct disk_file *file;
    if (name == NULL) {
        if ((o->flags & O_CREAT) == 0 || !disk__parent_exists(disk, o->path))
            return -ENOENT;
        file = disk__create(disk, o->path);
    } else {
        if ((o->flags & O_CREAT) != 0 && (o->flags & O_EXCL) != 0)
            return -EEXIST;
        if (name->file == NULL)
            return -EISDIR;
        file = name->file;
        if (o->flags & O_TRUNC)
            disk__resize(file, 0);
    }
    struct open_file *open = simulator__alloc(sizeof *open);
    *open = (struct open_file){o->core->runtime, file, (o->flags & O_DIRECT) != 0};
    file->open_count++;
    return simulator__descriptor(s, (struct descriptor){.open = open});
}

static int64_t perform_close(struct simulator *s, const struct operation *o) {
    struct descriptor *d = simulator__descriptor_of(s, o->fd);
    close_open_file(d->open);
    d->open = NULL;
    disk__sweep(&s->disk);
    return 0;
}

/* What moves of a transfer; whole pages where the page cache is bypassed. */
static uint64_t moved(struct simulator *s, const struct open_file *open, uint64_t size) {
    uint64_t unit = open->direct ? DISK_PAGE_SIZE : 1;
    if (size <= unit || !simulator__fault(s, SIMULATOR_SHORT))
        return size;
    return unit + simulator__below(s, SIMULATOR_SHORT, (size - 1) / unit) * unit;
}

static int64_t perform_read(struct simulator *s, const struct open_file *open,
                            const struct operation *o) {
    if (simulator__fault(s, SIMULATOR_READ_ERROR))
        return -EIO;
    uint64_t size = moved(s, open, o->size);
    if (o->offset < open->file->size && size > 0 && simulator__fault(s, SIMULATOR_BIT_ROT)) {
        uint64_t left = open->file->size - o->offset;
        uint64_t bits = (left < size ? left : size) * 8;
        disk__flip(open->file, o->offset * 8 + simulator__below(s, SIMULATOR_BIT_ROT, bits));
    }
    return (int64_t)disk__read(open->file, o->buffer, size, o->offset);
}

/* Every error of the disk begins somewhere in the middle of what it was to do. */
static void write_a_part(struct simulator *s, struct disk_file *file, const struct operation *o) {
    uint64_t sectors = o->size / DISK_SECTOR_SIZE;
    uint64_t done = simulator__below(s, SIMULATOR_WRITE_ERROR, sectors + 1) * DISK_SECTOR_SIZE;
    if (done > 0)
        disk__write(s, file, o->data, done, o->offset);
}

static bool disk_is_full(struct simulator *s) {
    struct disk *disk = &s->disk;
    if (disk->full_until_ns <= s->now_ns && simulator__fault(s, SIMULATOR_DISK_FULL))
        disk->full_until_ns =
            s->now_ns + (int64_t)simulator__below(s, SIMULATOR_DISK_FULL, 3000) * MS;
    return disk->full_until_ns > s->now_ns;
}

static int64_t perform_write(struct simulator *s, const struct open_file *open,
                             const struct operation *o) {
    struct disk_file *file = open->file;
    if (disk__needs_blocks(file, o->size, o->offset) && disk_is_full(s))
        return -ENOSPC;
    if (simulator__fault(s, SIMULATOR_WRITE_ERROR)) {
        write_a_part(s, file, o);
        return -EIO;
    }
    uint64_t size = moved(s, open, o->size), offset = o->offset;
    simulator__mix(s, hash_bytes(o->data, size));
    if (file->size > DISK_PAGE_SIZE && simulator__fault(s, SIMULATOR_MISDIRECTED))
        offset = simulator__below(s, SIMULATOR_MISDIRECTED, file->size / DISK_PAGE_SIZE) *
                 DISK_PAGE_SIZE;
    disk__write(s, file, o->data, size, offset);
    if (o->flags != 0) { /* RWF_DSYNC */
        bool failing = simulator__fault(s, SIMULATOR_SYNC_ERROR);
        disk__sync(s, file, offset, size, failing);
        if (failing)
            return -EIO;
    }
    return (int64_t)size;
}

static int64_t perform_sync(struct simulator *s, const struct open_file *open) {
    bool failing = simulator__fault(s, SIMULATOR_SYNC_ERROR);
    disk__sync(s, open->file, 0, UINT64_MAX, failing);
    return failing ? -EIO : 0;
}

static int64_t perform_allocate(struct simulator *s, const struct open_file *open,
                                const struct operation *o) {
    if (o->size > open->file->size && disk_is_full(s))
        return -ENOSPC;
    disk__resize(open->file, o->size);
    return 0;
}

static int64_t perform_punch(struct simulator *s, const struct open_file *open,
                             const struct operation *o) {
    static const uint8_t zeros[DISK_PAGE_SIZE];
    struct disk_file *file = open->file;
    uint64_t end = o->offset + o->size < file->size ? o->offset + o->size : file->size;
    for (uint64_t at = o->offset; at < end; at += DISK_PAGE_SIZE) {
        uint64_t size = end - at < DISK_PAGE_SIZE ? end - at : DISK_PAGE_SIZE;
        disk__write(s, file, zeros, size, at);
    }
    return 0;
}

static int64_t perform_lock(const struct open_file *open) {
    struct disk_file *file = open->file;
    if (file->locked_by != NULL && file->locked_by != open)
        return -EWOULDBLOCK;
    file->locked_by = (struct open_file *)(uintptr_t)open;
    return 0;
}

static int64_t perform_on_file(struct simulator *s, const struct operation *o) {
    const struct descriptor *d = simulator__descriptor_of(s, o->fd);
    const struct open_file *open = d != NULL ? d->open : NULL;
    if (open == NULL)
        return -EBADF;
    switch (o->kind) {
    case OPERATION_CLOSE:
        return perform_close(s, o);
    case OPERATION_READ:
        return perform_read(s, open, o);
    case OPERATION_WRITE:
        return perform_write(s, open, o);
    case OPERATION_SYNC:
        return perform_sync(s, open);
    case OPERATION_TRUNCATE:
        disk__resize(open->file, o->size);
        return 0;
    case OPERATION_ALLOCATE:
        return perform_allocate(s, open, o);
    case OPERATION_PUNCH:
        return perform_punch(s, open, o);
    case OPERATION_SIZE:
        return (int64_t)open->file->size;
    default:
        return perform_lock(open);
    }
}

static int64_t perform_remove(struct simulator *s, const struct operation *o) {
    const struct disk_name *name = disk__find(&s->disk.now, o->path);
    if (name == NULL)
        return -ENOENT;
    if ((name->file == NULL) != (o->kind == OPERATION_DIRECTORY_REMOVE))
        return name->file == NULL ? -EISDIR : -ENOTDIR;
    size_t size = strlen(o->path);
    for (size_t i = 0; i < s->disk.now.count; i++) {
        const char *path = s->disk.now.items[i].path;
        if (strncmp(path, o->path, size) == 0 && path[size] == '/')
            return -ENOTEMPTY;
    }
    disk__remove(&s->disk, o->path);
    disk__sweep(&s->disk);
    return 0;
}

static int64_t perform_rename(struct simulator *s, const struct operation *o) {
    const struct disk_name *from = disk__find(&s->disk.now, o->path);
    if (from == NULL || !disk__parent_exists(&s->disk, o->path_to))
        return -ENOENT;
    ASSERT(from->file != NULL); /* nobody renames directories */
    disk__rename(&s->disk, o->path, o->path_to);
    disk__sweep(&s->disk);
    return 0;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int64_t perform_list(struct simulator *s, const struct operation *o) {
    const struct disk_names *names = &s->disk.now;
    const struct disk_name *directory = disk__find(names, o->path);
    if (directory == NULL || directory->file != NULL)
        return directory == NULL ? -ENOENT : -ENOTDIR;
    struct directory_names *list = o->buffer;
    size_t capacity = 0, size = strlen(o->path);
    *list = (struct directory_names){0};
    for (size_t i = 0; i < names->count; i++) {
        const char *path = names->items[i].path;
        if (strncmp(path, o->path, size) != 0 || path[size] != '/' ||
            strchr(path + size + 1, '/') != NULL)
            continue;
        simulator__grow(&list->names, &capacity, list->count + 1, sizeof *list->names);
        size_t bytes = strlen(path + size + 1) + 1;
        list->names[list->count++] = memcpy(simulator__alloc(bytes), path + size + 1, bytes);
    }
    if (list->count > 1)
        qsort(list->names, list->count, sizeof *list->names, compare_names);
    return 0;
}

static int64_t perform_directory_create(struct simulator *s, const struct operation *o) {
    if (disk__find(&s->disk.now, o->path) != NULL)
        return -EEXIST;
    if (!disk__parent_exists(&s->disk, o->path))
        return -ENOENT;
    disk__directory_create(&s->disk, o->path);
    return 0;
}

static int64_t perform_directory_sync(struct simulator *s, const struct operation *o) {
    char path[1024];
    size_t size = strlen(o->path);
    ASSERT(size < sizeof path);
    memcpy(path, o->path, size + 1);
    if (size > 2 && strcmp(path + size - 2, "/.") == 0) /* a directory's name for itself */
        path[size - 2] = '\0';
    const struct disk_name *directory = disk__find(&s->disk.now, path);
    if (directory == NULL)
        return strcmp(path, "/") == 0 ? 0 : -ENOENT;
    if (simulator__fault(s, SIMULATOR_SYNC_ERROR))
        return -EIO;
    disk__directory_sync(&s->disk, path);
    return 0;
}

static bool changes_the_disk(const struct operation *o) {
    switch (o->kind) {
    case OPERATION_OPEN:
        return (o->flags & (O_CREAT | O_TRUNC)) != 0;
    case OPERATION_WRITE:
    case OPERATION_SYNC:
    case OPERATION_TRUNCATE:
    case OPERATION_ALLOCATE:
    case OPERATION_PUNCH:
    case OPERATION_REMOVE:
    case OPERATION_RENAME:
    case OPERATION_DIRECTORY_CREATE:
    case OPERATION_DIRECTORY_REMOVE:
    case OPERATION_DIRECTORY_SYNC:
        return true;
    default:
        return false;
    }
}

static int64_t perform(struct simulator *s, struct operation *o) {
    s->counts.changes += changes_the_disk(o);
    switch (o->kind) {
    case OPERATION_OPEN:
        return perform_open(s, o);
    case OPERATION_EXISTS:
        return disk__find(&s->disk.now, o->path) != NULL;
    case OPERATION_REMOVE:
    case OPERATION_DIRECTORY_REMOVE:
        return perform_remove(s, o);
    case OPERATION_RENAME:
        return perform_rename(s, o);
    case OPERATION_DIRECTORY_CREATE:
        return perform_directory_create(s, o);
    case OPERATION_DIRECTORY_SYNC:
        return perform_directory_sync(s, o);
    case OPERATION_DIRECTORY_LIST:
        return perform_list(s, o);
    case OPERATION_WORK:
        o->work(o->buffer);
        return 0;
    case OPERATION_RESOLVE:
        return -ENOENT;
    default:
        return perform_on_file(s, o);
    }
}

/* ---- when they do it ---------------------------------------------------------------------- */

static const char *const kind_names[] = {
    [OPERATION_OPEN] = "open",
    [OPERATION_CLOSE] = "close",
    [OPERATION_READ] = "read",
    [OPERATION_WRITE] = "write",
    [OPERATION_SYNC] = "sync",
    [OPERATION_TRUNCATE] = "truncate",
    [OPERATION_ALLOCATE] = "allocate",
    [OPERATION_PUNCH] = "punch",
    [OPERATION_SIZE] = "size",
    [OPERATION_LOCK] = "lock",
    [OPERATION_EXISTS] = "exists",
    [OPERATION_REMOVE] = "remove",
    [OPERATION_RENAME] = "rename",
    [OPERATION_DIRECTORY_CREATE] = "create directory",
    [OPERATION_DIRECTORY_REMOVE] = "remove directory",
    [OPERATION_DIRECTORY_SYNC] = "sync directory",
    [OPERATION_DIRECTORY_LIST] = "list directory",
    [OPERATION_WORK] = "work",
    [OPERATION_RESOLVE] = "resolve",
};

static int64_t latency_ns(struct simulator *s, const struct operation *o) {
    static const struct {
        int least_us, spread_us;
    } usual[OPERATION_RESOLVE + 1] = {
        [OPERATION_READ] = {15, 120},
        [OPERATION_WRITE] = {8, 60},
        [OPERATION_SYNC] = {80, 2500},
        [OPERATION_DIRECTORY_SYNC] = {80, 2500},
    };
    int64_t ns = (int64_t)(usual[o->kind].least_us + 3) * US +
                 (int64_t)simulator__below(s, STREAM_LATENCY,
                                           (uint64_t)(usual[o->kind].spread_us + 20) * US);
    if (o->kind == OPERATION_WRITE && o->flags != 0)
        ns += (int64_t)simulator__below(s, STREAM_LATENCY, 2500 * US);
    if (simulator__fault(s, SIMULATOR_SLOW))
        ns += (int64_t)simulator__below(s, SIMULATOR_SLOW, 200) * MS;
    if (simulator__fault(s, SIMULATOR_STUCK))
        ns += 1000 * (int64_t)MS + (int64_t)simulator__below(s, SIMULATOR_STUCK, 7000) * MS;
    return ns;
}

static void finish(struct simulator *s, struct simulator_event *event) {
    struct operation *o = event->operation;
    int64_t result = event->object != NULL ? o->result : perform(s, o);
    SIMULATOR_TRACE(s, "core %u: %s %s%s%s fd=%d size=%zu offset=%llu: %lld", o->core->index,
                    kind_names[o->kind], o->path != NULL ? o->path : "",
                    o->path_to != NULL ? " -> " : "", o->path_to != NULL ? o->path_to : "", o->fd,
                    o->size, (unsigned long long)o->offset, (long long)result);
    simulator__complete(s, o, result);
}

void simulator__file_start(struct simulator *s, struct operation *o) {
    s->counts.file_operations++;
    s->counts.writes += o->kind == OPERATION_WRITE;
    s->counts.syncs += o->kind == OPERATION_SYNC || o->kind == OPERATION_DIRECTORY_SYNC;
    simulator__mix(s, hash_combine((uint64_t)o->kind << 48 ^ o->size, o->offset));
    struct simulator_event event = {.fire = finish, .operation = o};
    /* A sync may have done its work long before it says so: writes in between are not in it. */
    if (o->kind == OPERATION_SYNC && simulator__below(s, STREAM_LATENCY, 2) == 0) {
        o->result = perform(s, o);
        event.object = o;
    }
    simulator__schedule(s, s->now_ns + latency_ns(s, o), event);
}

/* ---- for tests ---------------------------------------------------------------------------- */

bool simulator_file_flip(struct simulator *s, const char *path, uint64_t bit) {
    const struct disk_name *name = disk__find(&s->disk.now, path);
    if (name == NULL || name->file == NULL || bit / 8 >= name->file->size)
        return false;
    disk__flip(name->file, bit);
    return true;
}

uint64_t simulator_file_size(const struct simulator *s, const char *path) {
    const struct disk_name *name = disk__find(&s->disk.now, path);
    return name == NULL || name->file == NULL ? 0 : name->file->size;
}

const char *simulator_file_at(const struct simulator *s, size_t index) {
    for (size_t i = 0; i < s->disk.now.count; i++) {
        if (s->disk.now.items[i].file != NULL && index-- == 0)
            return s->disk.now.items[i].path;
    }
    return NULL;
}
