#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/core.h"
#include "runtime/runtime_file.h"

/* The whole of an open file, or a failure. */
static enum status read_all(int descriptor, const char *path, size_t size_max, struct arena *arena,
                            struct slice *bytes_out) {
    uint8_t *bytes = arena_alloc(arena, size_max + 1);
    if (bytes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    size_t size = 0;
    while (size <= size_max) {
        ssize_t count = read(descriptor, bytes + size, size_max + 1 - size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set(STATUS_IO_ERROR, "could not read \"%s\": %s", path, strerror(errno));
        if (count == 0)
            break;
        size += (size_t)count;
    }
    if (size > size_max)
        return error_set(STATUS_LIMIT_EXCEEDED, "\"%s\" is larger than %zu bytes", path, size_max);
    *bytes_out = slice_of(bytes, size);
    return STATUS_OK;
}

enum status file_read_blocking(const char *path, size_t size_max, struct arena *arena,
                               struct slice *bytes_out) {
    if (environment__current->simulation != NULL) /* a simulated machine has no such files */
        return error_set(STATUS_UNDEFINED_FILE, "could not open \"%s\": %s", path,
                         strerror(ENOENT));
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_set(STATUS_UNDEFINED_FILE, "could not open \"%s\": %s", path, strerror(errno));
    enum status status = read_all(descriptor, path, size_max, arena, bytes_out);
    close(descriptor);
    return status;
}
