/*
 * Loss of power for a program that knows nothing of it (LD_PRELOAD).
 *
 * Of files below POWER_DIR it keeps in POWER_SHADOW what a disk would have on its plates:
 *
 *     safe/<inode>   contents that were synced: pages of 4 KiB are copied when fdatasync or fsync
 *                    returns, or a write with RWF_DSYNC
 *     real/<inode>   a second name of every file, so that contents stay when a name is gone
 *     names          one line for each change of a directory, and for each sync of one
 *
 * Nothing else is changed, and nothing is really synced: the program is killed, and power_loss.py
 * makes from the shadow what a machine might find when power is back. Directories count as durable
 * once they are made. POWER_LIE=1 answers syncs without keeping anything: a test of the test.
 *
 * A file's copying is under its lock: a sync that finds nothing to do has waited for the one that
 * does it. Writers note a page after they wrote it: a sync owes nothing to a write that has not
 * returned.
 */
#undef _FILE_OFFSET_BITS /* pwrite and pwrite64 are two symbols here */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, FILES_MAX = 4096, DESCRIPTORS_MAX = 65536 };

struct shadow_file {
    ino_t inode;
    pthread_mutex_t lock;
    uint64_t *dirty; /* one bit a page */
    size_t words;
    int real, safe;
};

static struct shadow_file files[FILES_MAX];
static size_t file_count;
static struct shadow_file *of_descriptor[DESCRIPTORS_MAX];
static bool is_directory[DESCRIPTORS_MAX];
static char directory_name[DESCRIPTORS_MAX / 64][256]; /* of descriptors below 1024 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *shadow;
static size_t root_size;
static bool lies;
static int names = -1;

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A broken harness must not look like a sound disk. */
static void insist(bool condition, const char *what) {
    if (condition)
        return;
    char line[256];
    int size = snprintf(line, sizeof line, "power: %s: %s\n", what, strerror(errno));
    (void)!write(2, line, (size_t)size);
    abort();
}

__attribute__((constructor)) static void begin(void) {
    root = getenv("POWER_DIR");
    shadow = getenv("POWER_SHADOW");
    if (root == NULL || shadow == NULL) {
        root = NULL;
        return;
    }
    root_size = strlen(root);
    lies = getenv("POWER_LIE") != NULL;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/names", shadow);
    names = NEXT(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    insist(names >= 0, path);
}

/* The part of a path below the root; NULL for others'. */
static const char *inside(const char *path) {
    if (root == NULL || strncmp(path, root, root_size) != 0)
        return NULL;
    if (path[root_size] == '\0')
        return ".";
    return path[root_size] == '/' ? path + root_size + 1 : NULL;
}

static void note(const char *format, ...) {
    char line[2 * PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    insist(write(names, line, (size_t)size) == size, "names");
}

/* ---- contents ---------------------------------------------------------------------------- */

static int open_shadow(const char *kind, ino_t inode, int flags) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s/%ju", shadow, kind, (uintmax_t)inode);
    int fd = NEXT(open)(path, flags | O_CLOEXEC, 0600);
    insist(fd >= 0, path);
    return fd;
}

/* Under the lock. */
static struct shadow_file *file_of(ino_t inode) {
    for (size_t i = 0; i < file_count; i++)
        if (files[i].inode == inode)
            return &files[i];
    insist(file_count < FILES_MAX, "too many files");
    struct shadow_file *file = &files[file_count++];
    file->inode = inode;
    pthread_mutex_init(&file->lock, NULL);
    file->real = open_shadow("real", inode, O_RDONLY);
    file->safe = open_shadow("safe", inode, O_RDWR | O_CREAT);
    return file;
}

static struct shadow_file *opened(int fd) {
    return fd >= 0 && fd < DESCRIPTORS_MAX ? __atomic_load_n(&of_descriptor[fd], __ATOMIC_ACQUIRE)
                                           : NULL;
}

static void mark(struct shadow_file *file, off_t offset, off_t size) {
    if (size <= 0)
        return;
    size_t first = (size_t)offset / PAGE, last = (size_t)(offset + size - 1) / PAGE;
    pthread_mutex_lock(&file->lock);
    if (last / 64 >= file->words) {
        size_t words = (last / 64 + 1) * 2;
        file->dirty = realloc(file->dirty, words * sizeof *file->dirty);
        insist(file->dirty != NULL, "memory");
        memset(file->dirty + file->words, 0, (words - file->words) * sizeof *file->dirty);
        file->words = words;
    }
    for (size_t page = first; page <= last; page++)
        file->dirty[page / 64] |= 1ull << (page % 64);
    pthread_mutex_unlock(&file->lock);
}

/* Under the file's lock. Bytes that are past the end are not there in the safe copy either. */
static void keep_page(struct shadow_file *file, off_t offset) {
    char page[PAGE];
    ssize_t size = NEXT(pread)(file->real, page, PAGE, offset);
    insist(size >= 0, "read");
    if (size > 0)
        insist(NEXT(pwrite)(file->safe, page, (size_t)size, offset) == size, "write");
}

static void keep_all(struct shadow_file *file) {
    if (lies)
        return;
    pthread_mutex_lock(&file->lock);
    struct stat info;
    insist(fstat(file->real, &info) == 0, "size");
    for (size_t word = 0; word < file->words; word++)
        for (; file->dirty[word] != 0; file->dirty[word] &= file->dirty[word] - 1)
            keep_page(file, (off_t)(word * 64 + (size_t)__builtin_ctzll(file->dirty[word])) * PAGE);
    insist(NEXT(ftruncate)(file->safe, info.st_size) == 0, "truncate");
    pthread_mutex_unlock(&file->lock);
}

/* What a write of one range makes durable. */
static void keep_range(struct shadow_file *file, off_t offset, off_t size) {
    if (lies)
        return;
    pthread_mutex_lock(&file->lock);
    for (off_t page = offset / PAGE; page <= (offset + size - 1) / PAGE; page++)
        keep_page(file, page * PAGE);
    pthread_mutex_unlock(&file->lock);
}

static ssize_t written(int fd, off_t offset, ssize_t size, bool durable) {
    struct shadow_file *file = opened(fd);
    if (file == NULL || size <= 0)
        return size;
    int error = errno;
    if (durable)
        keep_range(file, offset, size);
    else
        mark(file, offset, size);
    errno = error;
    return size;
}

#define WRITES(suffix)                                                                             \
    ssize_t pwrite##suffix(int fd, const void *bytes, size_t size, off_t offset) {                 \
        return written(fd, offset, NEXT(pwrite)(fd, bytes, size, offset), false);                  \
    }                                                                                              \
    ssize_t pwritev##suffix(int fd, const struct iovec *vectors, int count, off_t offset) {        \
        return written(fd, offset, NEXT(pwritev)(fd, vectors, count, offset), false);              \
    }                                                                                              \
    int ftruncate##suffix(int fd, off_t size) {                                                    \
        struct shadow_file *file = opened(fd);                                                     \
        struct stat before = {0};                                                                  \
        if (file != NULL)                                                                          \
            fstat(fd, &before);                                                                    \
        int result = NEXT(ftruncate)(fd, size);                                                    \
        if (result == 0 && file != NULL)                                                           \
            mark(file, size, before.st_size - size);                                               \
        return result;                                                                             \
    }                                                                                              \
    int fallocate##suffix(int fd, int mode, off_t offset, off_t size) {                            \
        int result = NEXT(fallocate)(fd, mode, offset, size);                                      \
        if (result == 0 && opened(fd) != NULL && (mode & FALLOC_FL_PUNCH_HOLE) != 0)               \
            mark(opened(fd), offset, size);                                                        \
        return result;                                                                             \
    }
WRITES()
WRITES(64)

ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    return written(fd, offset, NEXT(pwritev2)(fd, vectors, count, offset, flags & ~RWF_DSYNC),
                   (flags & RWF_DSYNC) != 0);
}
ssize_t pwritev64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) {
    return pwritev2(fd, vectors, count, offset, flags);
}

/* ---- syncs and names --------------------------------------------------------------------- */

int fdatasync(int fd) {
    if (opened(fd) == NULL)
        return NEXT(fdatasync)(fd);
    keep_all(opened(fd));
    return 0;
}

int fsync(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS_MAX && is_directory[fd]) {
        pthread_mutex_lock(&lock);
        if (!lies)
            note("S %s\n", directory_name[fd]);
        pthread_mutex_unlock(&lock);
        return 0;
    }
    return opened(fd) == NULL ? NEXT(fsync)(fd) : fdatasync(fd);
}

/* Under the lock. */
static void follow(int fd, const char *path, const char *name, bool existed, int flags) {
    struct stat info;
    insist(fd < DESCRIPTORS_MAX && fstat(fd, &info) == 0, path);
    if (S_ISDIR(info.st_mode)) {
        insist((size_t)fd < sizeof directory_name / sizeof directory_name[0], "descriptors");
        is_directory[fd] = true;
        snprintf(directory_name[fd], sizeof directory_name[fd], "%s", name);
        return;
    }
    if (!S_ISREG(info.st_mode))
        return;
    if (!existed) {
        char real[PATH_MAX];
        snprintf(real, sizeof real, "%s/real/%ju", shadow, (uintmax_t)info.st_ino);
        insist(link(path, real) == 0, real);
        note("C %s %ju\n", name, (uintmax_t)info.st_ino);
    }
    struct shadow_file *file = file_of(info.st_ino);
    if ((flags & O_TRUNC) != 0) {
        struct stat safe;
        insist(fstat(file->safe, &safe) == 0, "size");
        mark(file, 0, safe.st_size);
    }
    __atomic_store_n(&of_descriptor[fd], file, __ATOMIC_RELEASE);
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    const char *name = inside(path);
    if (name == NULL)
        return NEXT(open)(path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat info;
    bool existed = lstat(path, &info) == 0;
    int fd = NEXT(open)(path, flags, mode);
    int error = errno;
    if (fd >= 0)
        follow(fd, path, name, existed, flags);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS_MAX) {
        __atomic_store_n(&of_descriptor[fd], NULL, __ATOMIC_RELEASE);
        is_directory[fd] = false;
    }
    return NEXT(close)(fd);
}

int rename(const char *from, const char *to) {
    const char *old = inside(from), *new = inside(to);
    if (old == NULL || new == NULL)
        return NEXT(rename)(from, to);
    pthread_mutex_lock(&lock);
    int result = NEXT(rename)(from, to), error = errno;
    if (result == 0)
        note("R %s %s\n", old, new);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int unlink(const char *path) {
    const char *name = inside(path);
    if (name == NULL)
        return NEXT(unlink)(path);
    pthread_mutex_lock(&lock);
    int result = NEXT(unlink)(path), error = errno;
    if (result == 0)
        note("U %s\n", name);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
