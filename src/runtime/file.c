/* Files and directories over operations. */
#include "runtime/runtime_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

#include "base/base_memory.h"
#include "runtime/core.h"
#include "runtime/plain.h"

struct file {
    int fd;
    bool is_direct;
    char path[];
};

enum status file__status_of_errno(int error) {
    switch (error) {
    case ENOENT:
        return STATUS_UNDEFINED_FILE;
    case EEXIST:
        return STATUS_DUPLICATE_FILE;
    case EACCES:
    case EPERM:
    case EROFS:
        return STATUS_INSUFFICIENT_PRIVILEGE;
    case ENOSPC:
    case EDQUOT:
        return STATUS_DISK_FULL;
    case ENOMEM:
        return STATUS_OUT_OF_MEMORY;
    default:
        return STATUS_IO_ERROR;
    }
}

/* `what` is a verb and its object: "open file", "remove directory". */
static enum status path_failure(int64_t result, const char *what, const char *path) {
    int error = (int)-result;
    return error_set(file__status_of_errno(error), "could not %s \"%s\": %s", what, path,
                     strerror(error));
}

static enum status run_on_path(struct fiber *f, struct operation *o, const char *what) {
    TRY(operation__run(f, o));
    return o->result < 0 ? path_failure(o->result, what, o->path) : STATUS_OK;
}

static enum status run_on_file(struct fiber *f, struct file *file, struct operation *o,
                               const char *what) {
    o->fd = file->fd;
    TRY(operation__run(f, o));
    return o->result < 0 ? path_failure(o->result, what, file->path) : STATUS_OK;
}

/* ---- open and close --------------------------------------------------------------------- */

static unsigned system_open_flags(unsigned flags) {
    unsigned result = flags & FILE_READ_ONLY ? O_RDONLY : O_RDWR;
    if (flags & FILE_CREATE)
        result |= O_CREAT;
    if (flags & FILE_EXCLUSIVE)
        result |= O_EXCL;
    if (flags & FILE_DIRECT)
        result |= O_DIRECT;
    if (flags & FILE_TRUNCATE)
        result |= O_TRUNC;
    return result;
}

enum status file_open(struct fiber *f, const char *path, unsigned flags, struct file **file_out) {
    *file_out = NULL;
    size_t size = strlen(path) + 1;
    struct file *file = memory_alloc(sizeof *file + size);
    if (file == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memcpy(file->path, path, size);
    /* Shielded: a descriptor that arrives after a cancellation would be lost. */
    enum status status = fiber__interrupted(f);
    if (status == STATUS_OK) {
        struct operation o = {
            .kind = OPERATION_OPEN, .path = file->path, .flags = system_open_flags(flags)};
        fiber_shield(f);
        status = run_on_path(f, &o, flags & FILE_CREATE ? "create file" : "open file");
        fiber_unshield(f);
        file->fd = (int)o.result;
        file->is_direct = (flags & FILE_DIRECT) != 0;
    }
    if (status != STATUS_OK) {
        memory_free(file);
        return status;
    }
    *file_out = file;
    return STATUS_OK;
}

enum status file_close(struct fiber *f, struct file *file) {
    if (file == NULL)
        return STATUS_OK;
    struct operation o = {.kind = OPERATION_CLOSE};
    fiber_shield(f);
    enum status status = run_on_file(f, file, &o, "close file");
    fiber_unshield(f);
    memory_free(file);
    return status;
}

const char *file_path(const struct file *file) {
    return file->path;
}

/* ---- bytes ------------------------------------------------------------------------------ */

static enum status transfer_failure(int64_t result, const char *verb, const struct file *file,
                                    uint64_t offset) {
    int error = (int)-result;
    return error_set(file__status_of_errno(error), "could not %s file \"%s\" at offset %llu: %s",
                     verb, file->path, (unsigned long long)offset, strerror(error));
}

/* The kernel moves at most 2 GiB at a time. */
enum { TRANSFER_MAX = 1 << 30 };

enum status file_read(struct fiber *f, struct file *file, void *buffer, size_t size,
                      uint64_t offset, size_t *size_out) {
    size_t done = 0;
    *size_out = 0;
    while (done < size) {
        size_t step = size - done < TRANSFER_MAX ? size - done : TRANSFER_MAX;
        struct operation o = {.kind = OPERATION_READ,
                              .fd = file->fd,
                              .buffer = (uint8_t *)buffer + done,
                              .size = step,
                              .offset = offset + done,
                              .flags = file->is_direct ? 0 : OPERATION_MAYBE_CACHED};
        TRY(operation__run(f, &o));
        if (o.result < 0)
            return transfer_failure(o.result, "read", file, o.offset);
        if (o.result == 0)
            break;
        done += (size_t)o.result;
        /* A direct read that ends within a block has met the end of the file. */
        if (file->is_direct && done < size && done % FILE_DIRECT_ALIGNMENT != 0)
            break;
    }
    *size_out = done;
    return STATUS_OK;
}

enum status file_read_exact(struct fiber *f, struct file *file, void *buffer, size_t size,
                            uint64_t offset) {
    size_t done;
    TRY(file_read(f, file, buffer, size, offset, &done));
    if (done < size)
        return error_set(STATUS_DATA_CORRUPTED,
                         "could not read file \"%s\" at offset %llu: read %zu of %zu bytes",
                         file->path, (unsigned long long)offset, done, size);
    return STATUS_OK;
}

enum status file_write(struct fiber *f, struct file *file, const void *buffer, size_t size,
                       uint64_t offset, unsigned flags) {
    size_t done = 0;
    while (done < size) {
        size_t step = size - done < TRANSFER_MAX ? size - done : TRANSFER_MAX;
        struct operation o = {.kind = OPERATION_WRITE,
                              .fd = file->fd,
                              .data = (const uint8_t *)buffer + done,
                              .size = step,
                              .offset = offset + done,
                              .flags = flags & FILE_WRITE_DURABLE ? RWF_DSYNC : 0};
        TRY(operation__run(f, &o));
        if (o.result == 0)
            o.result = -EIO;
        if (o.result < 0)
            return transfer_failure(o.result, "write", file, o.offset);
        done += (size_t)o.result;
    }
    return STATUS_OK;
}

enum status file_sync(struct fiber *f, struct file *file) {
    struct operation o = {.kind = OPERATION_SYNC};
    return run_on_file(f, file, &o, "fsync file");
}

enum status file_truncate(struct fiber *f, struct file *file, uint64_t size) {
    struct operation o = {.kind = OPERATION_TRUNCATE, .size = size};
    return run_on_file(f, file, &o, "truncate file");
}

enum status file_allocate(struct fiber *f, struct file *file, uint64_t size) {
    struct operation o = {.kind = OPERATION_ALLOCATE, .size = size};
    return run_on_file(f, file, &o, "extend file");
}

enum status file_size(struct fiber *f, struct file *file, uint64_t *size_out) {
    struct operation o = {.kind = OPERATION_SIZE};
    *size_out = 0;
    TRY(run_on_file(f, file, &o, "stat file"));
    *size_out = (uint64_t)o.result;
    return STATUS_OK;
}

enum status file_punch(struct fiber *f, struct file *file, uint64_t offset, uint64_t size) {
    if (size == 0)
        return STATUS_OK;
    struct operation o = {.kind = OPERATION_PUNCH, .fd = file->fd, .offset = offset, .size = size};
    TRY(operation__run(f, &o));
    if (o.result < 0 && o.result != -EOPNOTSUPP && o.result != -ENOSYS)
        return transfer_failure(o.result, "free a part of", file, offset);
    return STATUS_OK;
}

enum status file_lock_exclusive(struct fiber *f, struct file *file) {
    int64_t holder = 0;
    struct operation o = {.kind = OPERATION_LOCK, .fd = file->fd, .buffer = &holder};
    TRY(operation__run(f, &o));
    if (o.result == -EWOULDBLOCK) {
        (void)!error_set(STATUS_OBJECT_IN_USE, "file \"%s\" is locked by another process",
                         file->path);
        if (holder > 0)
            error_detail("The holder's process id is %lld.", (long long)holder);
        return STATUS_OBJECT_IN_USE;
    }
    return o.result < 0 ? path_failure(o.result, "lock file", file->path) : STATUS_OK;
}

/* ---- names ------------------------------------------------------------------------------ */

enum status file_exists(struct fiber *f, const char *path, bool *exists_out) {
    struct operation o = {.kind = OPERATION_EXISTS, .path = path};
    *exists_out = false;
    TRY(run_on_path(f, &o, "stat file"));
    *exists_out = o.result > 0;
    return STATUS_OK;
}

enum status file_remove(struct fiber *f, const char *path) {
    struct operation o = {.kind = OPERATION_REMOVE, .path = path};
    return run_on_path(f, &o, "remove file");
}

enum status file_rename(struct fiber *f, const char *from, const char *to) {
    struct operation o = {.kind = OPERATION_RENAME, .path = from, .path_to = to};
    TRY(operation__run(f, &o));
    if (o.result < 0)
        return error_set(file__status_of_errno((int)-o.result),
                         "could not rename file \"%s\" to \"%s\": %s", from, to,
                         strerror((int)-o.result));
    return STATUS_OK;
}

enum status directory_create(struct fiber *f, const char *path) {
    struct operation o = {.kind = OPERATION_DIRECTORY_CREATE, .path = path};
    return run_on_path(f, &o, "create directory");
}

enum status directory_remove(struct fiber *f, const char *path) {
    struct operation o = {.kind = OPERATION_DIRECTORY_REMOVE, .path = path};
    return run_on_path(f, &o, "remove directory");
}

enum status directory_sync(struct fiber *f, const char *path) {
    struct operation o = {.kind = OPERATION_DIRECTORY_SYNC, .path = path};
    return run_on_path(f, &o, "fsync directory");
}

enum status directory_list(struct fiber *f, const char *path, char ***names_out,
                           size_t *count_out) {
    struct directory_names list = {0};
    *names_out = NULL;
    *count_out = 0;
    TRY(fiber__interrupted(f));
    struct operation o = {.kind = OPERATION_DIRECTORY_LIST, .path = path, .buffer = &list};
    fiber_shield(f); /* the list must not be lost on the way */
    enum status status = run_on_path(f, &o, "open directory");
    fiber_unshield(f);
    TRY(status);
    *names_out = list.names;
    *count_out = list.count;
    return STATUS_OK;
}
