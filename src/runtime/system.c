/* Operations as plain system calls of this machine. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "runtime/backend.h"

static int64_t answer(int64_t result) {
    return result < 0 ? -(int64_t)errno : result;
}

/* ---- files ------------------------------------------------------------------------------ */

static int64_t perform_open(const struct operation *o) {
    int fd = open(o->path, (int)o->flags | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EINVAL && ((int)o->flags & O_DIRECT) != 0)
        fd = open(o->path, ((int)o->flags & ~O_DIRECT) | O_CLOEXEC, 0600);
    return answer(fd);
}

static int64_t write_zeros(int fd, uint64_t from, uint64_t to) {
    static const char zeros[65536];
    while (from < to) {
        size_t size = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        ssize_t written = pwrite(fd, zeros, size, (off_t)from);
        if (written < 0)
            return -errno;
        from += (uint64_t)written;
    }
    return 0;
}

static int64_t perform_allocate(const struct operation *o) {
    struct stat info;
    if (fstat(o->fd, &info) != 0)
        return -errno;
    if (o->size > 0 && fallocate(o->fd, 0, 0, (off_t)o->size) != 0) {
        if (errno != EOPNOTSUPP)
            return -errno;
        int64_t result = write_zeros(o->fd, (uint64_t)info.st_size, o->size);
        if (result != 0)
            return result;
    }
    if ((uint64_t)info.st_size > o->size)
        return answer(ftruncate(o->fd, (off_t)o->size));
    return 0;
}

/* The process that holds the lock of this file, from the kernel's list; 0 if not to be found. */
static int64_t lock_holder(int fd) {
    struct stat info;
    FILE *locks = fstat(fd, &info) == 0 ? fopen("/proc/locks", "re") : NULL;
    if (locks == NULL)
        return 0;
    char line[256];
    long holder = 0;
    while (holder == 0 && fgets(line, sizeof line, locks) != NULL) {
        long process;
        unsigned long long inode;
        if (sscanf(line, "%*d: FLOCK %*s %*s %ld %*x:%*x:%llu", &process, &inode) == 2 &&
            inode == info.st_ino && process > 0)
            holder = process;
    }
    fclose(locks);
    return holder;
}

static int64_t perform_lock(struct operation *o) {
    if (flock(o->fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int error = errno;
    if (error == EWOULDBLOCK)
        *(int64_t *)o->buffer = lock_holder(o->fd);
    return -error;
}

static int64_t perform_directory_sync(const struct operation *o) {
    int fd = open(o->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int64_t result = answer(fsync(fd));
    close(fd);
    return result;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(struct directory_names *list) {
    for (size_t i = 0; i < list->count; i++)
        memory_free(list->names[i]);
    memory_free(list->names);
    *list = (struct directory_names){0};
}

static int add_name(struct directory_names *list, size_t *capacity, const char *name) {
    size_t size = strlen(name) + 1;
    char *copy = memory_alloc(size);
    if (copy == NULL ||
        !memory_grow(&list->names, capacity, list->count + 1, sizeof *list->names)) {
        memory_free(copy);
        return -ENOMEM;
    }
    memcpy(copy, name, size);
    list->names[list->count++] = copy;
    return 0;
}

static int64_t perform_directory_list(const struct operation *o) {
    struct directory_names *list = o->buffer;
    size_t capacity = 0;
    *list = (struct directory_names){0};
    DIR *directory = opendir(o->path);
    if (directory == NULL)
        return -errno;
    int result = 0;
    struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = add_name(list, &capacity, entry->d_name);
    }
    if (result == 0)
        result = -errno;
    closedir(directory);
    if (result != 0)
        free_names(list);
    else if (list->count > 1)
        qsort(list->names, list->count, sizeof *list->names, compare_names);
    return result;
}

static int64_t perform_resolve(const struct operation *o) {
    struct resolved_address *resolved = o->buffer;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int error = getaddrinfo(o->path, o->path_to, &hints, &found);
    if (error != 0 || found == NULL || found->ai_addrlen > sizeof resolved->bytes)
        return error == EAI_SYSTEM ? -errno : -ENOENT;
    memcpy(resolved->bytes, found->ai_addr, found->ai_addrlen);
    resolved->size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

static int64_t perform_write(const struct operation *o) {
    struct iovec vector = {(void *)(uintptr_t)o->data, o->size};
    int64_t result = answer(pwritev2(o->fd, &vector, 1, (off_t)o->offset, (int)o->flags));
    if (result != -EOPNOTSUPP || o->flags != RWF_DSYNC)
        return result;
    /* Emulators and old kernels know no flags: the same in two calls. */
    result = answer(pwritev(o->fd, &vector, 1, (off_t)o->offset));
    return result >= 0 && fdatasync(o->fd) != 0 ? -errno : result;
}

static int64_t perform_size(const struct operation *o) {
    struct stat info;
    return fstat(o->fd, &info) == 0 ? info.st_size : -errno;
}

static int64_t perform_exists(const struct operation *o) {
    struct stat info;
    if (stat(o->path, &info) == 0)
        return 1;
    return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

/* ---- sockets ---------------------------------------------------------------------------- */

static bool ready_for(int fd, short events) {
    struct pollfd descriptor = {.fd = fd, .events = events};
    return poll(&descriptor, 1, 0) > 0;
}

static int64_t perform_connect(struct operation *o) {
    if (o->stage == 0) {
        o->stage = 1;
        if (connect(o->fd, o->address, o->address_size) == 0)
            return 0;
        /* A Unix socket whose queue is full says EAGAIN and would never become writable. */
        return errno == EINPROGRESS ? -EAGAIN : errno == EAGAIN ? -ECONNREFUSED : -errno;
    }
    if (!ready_for(o->fd, POLLOUT))
        return -EAGAIN;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(o->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return -errno;
    return -error;
}

static int64_t perform_send(const struct operation *o) {
    struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)o->vectors,
        .msg_iovlen = o->vector_count,
    };
    return answer(sendmsg(o->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* ---- all -------------------------------------------------------------------------------- */

static int64_t perform_once(struct operation *o) {
    switch (o->kind) {
    case OPERATION_OPEN:
        return perform_open(o);
    case OPERATION_CLOSE:
        return answer(close(o->fd));
    case OPERATION_READ:
        return answer(pread(o->fd, o->buffer, o->size, (off_t)o->offset));
    case OPERATION_WRITE:
        return perform_write(o);
    case OPERATION_SYNC:
        return answer(fdatasync(o->fd));
    case OPERATION_TRUNCATE:
        return answer(ftruncate(o->fd, (off_t)o->size));
    case OPERATION_ALLOCATE:
        return perform_allocate(o);
    case OPERATION_PUNCH:
        return answer(fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)o->offset,
                                (off_t)o->size));
    case OPERATION_SIZE:
        return perform_size(o);
    case OPERATION_LOCK:
        return perform_lock(o);
    case OPERATION_EXISTS:
        return perform_exists(o);
    case OPERATION_REMOVE:
        return answer(unlink(o->path));
    case OPERATION_RENAME:
        return answer(rename(o->path, o->path_to));
    case OPERATION_DIRECTORY_CREATE:
        return answer(mkdir(o->path, 0700));
    case OPERATION_DIRECTORY_REMOVE:
        return answer(rmdir(o->path));
    case OPERATION_DIRECTORY_SYNC:
        return perform_directory_sync(o);
    case OPERATION_DIRECTORY_LIST:
        return perform_directory_list(o);
    case OPERATION_WORK:
        o->work(o->buffer);
        return 0;
    case OPERATION_RESOLVE:
        return perform_resolve(o);
    case OPERATION_ACCEPT:
        return answer(accept4(o->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    case OPERATION_CONNECT:
        return perform_connect(o);
    case OPERATION_RECEIVE:
        return answer(recv(o->fd, o->buffer, o->size, MSG_DONTWAIT | (int)o->flags));
    case OPERATION_SEND:
        return perform_send(o);
    case OPERATION_WAIT_READABLE:
        return ready_for(o->fd, POLLIN) ? 1 : -EAGAIN;
    }
    return -EINVAL;
}

int64_t system__perform(struct operation *o) {
    int64_t result;
    do
        result = perform_once(o);
    while (result == -EINTR && o->kind != OPERATION_CLOSE);
    return result;
}
