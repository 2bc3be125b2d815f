/* Blocking files of the machine, for ordinary threads. */
#include "runtime/runtime_plain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "runtime/backend.h"
#include "runtime/plain.h"

struct plain_hook plain__hook;

void plain_hook_set(int (*hook)(void *context, struct plain_event *event), void *context) {
    plain__hook.function = hook;
    plain__hook.context = context;
}

static int ask_hook(struct plain_event *event) {
    return plain__hook.function == NULL ? 0 : plain__hook.function(plain__hook.context, event);
}

enum status plain__failure(int error, const char *what, const char *path) {
    return error_set(file__status_of_errno(error), "could not %s \"%s\": %s", what, path,
                     strerror(error));
}

/* ---- open files --------------------------------------------------------------------------- */

static char *copy_text(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = memory_alloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

enum status plain_open(const char *path, unsigned flags, struct plain_file **file_out) {
    *file_out = NULL;
    /* A pipe without a writer must not hold up who only wants to hear that it is no file. */
    int system = O_CLOEXEC | O_NONBLOCK | (flags & PLAIN_READ_ONLY ? O_RDONLY : O_RDWR);
    system |= flags & PLAIN_CREATE ? O_CREAT : 0;
    system |= flags & PLAIN_EXCLUSIVE ? O_EXCL : 0;
    system |= flags & PLAIN_TRUNCATE ? O_TRUNC : 0;
    if (flags & (PLAIN_CREATE | PLAIN_TRUNCATE)) {
        struct plain_event event = {.change = PLAIN_CHANGE_CREATE,
                                    .path = path,
                                    .truncates = (flags & PLAIN_TRUNCATE) != 0};
        int refused = ask_hook(&event);
        if (refused != 0)
            return plain__failure(refused, "create file", path);
    }
    struct plain_file *file = memory_alloc_zeroed(1, sizeof *file);
    if (file == NULL || (file->path = copy_text(path)) == NULL) {
        memory_free(file);
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    do
        file->fd = open(path, system, 0600);
    while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        int error = errno;
        memory_free(file->path);
        memory_free(file);
        bool creates =
            (flags & PLAIN_CREATE) && (error == EEXIST || plain_kind(path) == PLAIN_ABSENT);
        return plain__failure(error, creates ? "create file" : "open file", path);
    }
    *file_out = file;
    return STATUS_OK;
}

void plain_close(struct plain_file *file) {
    if (file == NULL)
        return;
    close(file->fd);
    memory_free(file->path);
    memory_free(file);
}

bool plain_path_set(struct plain_file *file, const char *path) {
    char *copy = copy_text(path);
    if (copy == NULL)
        return false;
    memory_free(file->path);
    file->path = copy;
    return true;
}

enum status plain_size(struct plain_file *file, uint64_t *size_out) {
    struct stat info;
    if (fstat(file->fd, &info) != 0)
        return plain__failure(errno, "get the size of file", file->path);
    if (!S_ISREG(info.st_mode))
        return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is not a regular file", file->path);
    *size_out = (uint64_t)info.st_size;
    return STATUS_OK;
}

enum status plain_read(struct plain_file *file, void *buffer, size_t size, uint64_t offset,
                       size_t *size_out) {
    size_t done = 0;
    while (done < size) {
        ssize_t count = pread(file->fd, (char *)buffer + done, size - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return plain__failure(errno, "read file", file->path);
        if (count == 0)
            break;
        done += (size_t)count;
    }
    *size_out = done;
    return STATUS_OK;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* Where a write stands: piece and bytes of it that are done. */
struct write_place {
    const struct slice *pieces;
    size_t count, next, done;
};

enum { VECTORS_MAX = IOV_MAX < 1024 ? IOV_MAX : 1024 };

static int gather(const struct write_place *place, uint64_t size_max, struct iovec *vectors) {
    int used = 0;
    size_t skip = place->done;
    for (size_t i = place->next; i < place->count && used < VECTORS_MAX && size_max > 0; i++) {
        size_t size = place->pieces[i].size - skip;
        if (size > size_max)
            size = (size_t)size_max;
        if (size > 0)
            vectors[used++] =
                (struct iovec){(void *)(uintptr_t)(place->pieces[i].data + skip), size};
        size_max -= size;
        skip = 0;
    }
    return used;
}

static void advance(struct write_place *place, size_t size) {
    while (size > 0) {
        size_t left = place->pieces[place->next].size - place->done;
        if (size < left) {
            place->done += size;
            return;
        }
        size -= left;
        place->next++;
        place->done = 0;
    }
}

static int write_pieces(int fd, const struct slice *pieces, size_t count, uint64_t offset,
                        uint64_t size) {
    struct write_place place = {pieces, count, 0, 0};
    struct iovec vectors[VECTORS_MAX];
    while (size > 0) {
        int used = gather(&place, size, vectors);
        ssize_t written = pwritev(fd, vectors, used, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? errno : EIO;
        advance(&place, (size_t)written);
        offset += (uint64_t)written;
        size -= (uint64_t)written;
    }
    return 0;
}

enum status plain_write(struct plain_file *file, const struct slice *pieces, size_t count,
                        uint64_t offset) {
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].size;
    struct plain_event event = {.change = PLAIN_CHANGE_WRITE,
                                .path = file->path,
                                .offset = offset,
                                .size = size,
                                .pieces = pieces,
                                .count = count};
    int refused = ask_hook(&event);
    int error = write_pieces(file->fd, pieces, count, offset,
                             refused == 0        ? size
                             : event.size < size ? event.size
                                                 : 0);
    if (error == 0)
        error = refused;
    return error == 0 ? STATUS_OK : plain__failure(error, "write file", file->path);
}

enum status plain_sync(struct plain_file *file) {
    struct plain_event event = {.change = PLAIN_CHANGE_SYNC, .path = file->path};
    int error = ask_hook(&event);
    if (error == 0 && fdatasync(file->fd) != 0)
        error = errno;
    return error == 0 ? STATUS_OK : plain__failure(error, "sync file", file->path);
}

enum status plain_truncate(struct plain_file *file, uint64_t size) {
    struct plain_event event = {.change = PLAIN_CHANGE_TRUNCATE, .path = file->path, .size = size};
    int error = ask_hook(&event);
    if (error == 0 && ftruncate(file->fd, (off_t)size) != 0)
        error = errno;
    return error == 0 ? STATUS_OK : plain__failure(error, "truncate file", file->path);
}

void plain_reserve(struct plain_file *file, uint64_t offset, uint64_t size) {
    (void)fallocate(file->fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size);
}

enum status plain_lock(struct plain_file *file) {
    if (flock(file->fd, LOCK_EX | LOCK_NB) == 0)
        return STATUS_OK;
    if (errno == EWOULDBLOCK)
        return error_set(STATUS_OBJECT_IN_USE, "\"%s\" is being written by another process",
                         file->path);
    return plain__failure(errno, "lock file", file->path);
}

void plain_unlock(struct plain_file *file) {
    if (file != NULL)
        (void)flock(file->fd, LOCK_UN);
}

bool plain_is_at_path(const struct plain_file *file) {
    struct stat ours, named;
    return fstat(file->fd, &ours) == 0 && stat(file->path, &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* ---- paths ---------------------------------------------------------------------------------- */

enum status plain_remove(const char *path) {
    struct plain_event event = {.change = PLAIN_CHANGE_REMOVE, .path = path};
    int error = ask_hook(&event);
    if (error == 0 && unlink(path) != 0)
        error = errno;
    return error == 0 ? STATUS_OK : plain__failure(error, "remove file", path);
}

enum status plain_rename(const char *from, const char *to) {
    struct plain_event event = {.change = PLAIN_CHANGE_RENAME, .path = from, .path_to = to};
    int error = ask_hook(&event);
    if (error == 0 && rename(from, to) != 0)
        error = errno;
    return error == 0 ? STATUS_OK : plain__failure(error, "rename file", from);
}

enum status plain_directory_sync(const char *path) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (size >= sizeof directory)
        return error_set(STATUS_NAME_TOO_LONG, "path \"%s\" is too long", path);
    memcpy(directory, path, size);
    directory[size] = '\0';
    struct plain_event event = {.change = PLAIN_CHANGE_DIRECTORY_SYNC, .path = path};
    int error = ask_hook(&event);
    int fd =
        error != 0 ? -1 : open(size == 0 ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (error == 0 && (fd < 0 || fsync(fd) != 0))
        error = errno;
    if (fd >= 0)
        close(fd);
    return error == 0 ? STATUS_OK : plain__failure(error, "sync directory", directory);
}

enum status plain_directory_create(const char *path) {
    if (mkdir(path, 0700) == 0 || (errno == EEXIST && plain_kind(path) == PLAIN_DIRECTORY))
        return STATUS_OK;
    return plain__failure(errno, "create directory", path);
}

enum plain_kind plain_kind(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0)
        return PLAIN_ABSENT;
    return S_ISREG(info.st_mode)   ? PLAIN_FILE
           : S_ISDIR(info.st_mode) ? PLAIN_DIRECTORY
           : S_ISLNK(info.st_mode) ? PLAIN_LINK
                                   : PLAIN_OTHER;
}

enum status plain_directory_list(const char *path, char ***names_out, size_t *count_out) {
    struct directory_names names;
    struct operation o = {.kind = OPERATION_DIRECTORY_LIST, .path = path, .buffer = &names};
    int64_t result = system__perform(&o);
    if (result < 0)
        return plain__failure((int)-result, "list directory", path);
    *names_out = names.names;
    *count_out = names.count;
    return STATUS_OK;
}

/* ---- standard input and output ------------------------------------------------------------ */

void plain_hold_standard(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

enum status plain_input(void *buffer, size_t size, size_t *size_out) {
    ssize_t count;
    do
        count = read(STDIN_FILENO, buffer, size);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return plain__failure(errno, "read file", "standard input");
    *size_out = (size_t)count;
    return STATUS_OK;
}

enum status plain_output(const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t count = write(STDOUT_FILENO, at, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return plain__failure(errno, "write file", "standard output");
        at += count;
        size -= (size_t)count;
    }
    return STATUS_OK;
}
