/* Files as memory, and blocking work on behalf of fibers. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base_memory.h"
#include "runtime/core.h"
#include "runtime/plain.h"

static enum status map_failure(int error, uint64_t size, const char *path) {
    return error_set(error == ENOMEM ? STATUS_OUT_OF_MEMORY : STATUS_IO_ERROR,
                     "could not map %llu bytes of \"%s\": %s", (unsigned long long)size, path,
                     strerror(error));
}

enum status plain_map(struct plain_file *file, uint64_t size, const uint8_t **base_out) {
    void *base = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, file->fd, 0);
    if (base == MAP_FAILED)
        return map_failure(errno, size, file->path);
    *base_out = base;
    return STATUS_OK;
}

enum status plain_map_private(struct plain_file *file, uint64_t size, uint8_t **base_out) {
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file->fd, 0);
    if (base == MAP_FAILED)
        return map_failure(errno, size, file->path);
    *base_out = base;
    return STATUS_OK;
}

void *plain_map_memory(uint64_t size) {
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    (void)madvise(base, size, MADV_HUGEPAGE);
    return base;
}

void plain_unmap(const void *base, uint64_t size) {
    munmap((void *)(uintptr_t)base, size);
}

void plain_advise(const void *base, uint64_t offset, uint64_t size, enum plain_advice advice) {
    static const int system_advice[] = {
        [PLAIN_WILL_NEED] = MADV_WILLNEED,
        [PLAIN_SEQUENTIAL] = MADV_SEQUENTIAL,
        [PLAIN_RANDOM] = MADV_RANDOM,
        [PLAIN_DROP] = MADV_DONTNEED,
    };
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t from = offset / page * page, to = (offset + size) / page * page;
    if (advice == PLAIN_DROP)
        from = (offset + page - 1) / page * page;
    else
        to = (offset + size + page - 1) / page * page;
    if (from < to)
        (void)madvise((void *)((uintptr_t)base + from), to - from, system_advice[advice]);
}

/* ---- blocking work of fibers ---------------------------------------------------------------- */

struct blocking_work {
    enum status (*function)(void *argument);
    void *argument;
    enum status status;
    struct error error;
};

static void perform_work(void *argument) {
    struct blocking_work *work = argument;
    work->status = work->function(work->argument);
    if (work->status != STATUS_OK)
        work->error = *error_current();
}

enum status blocking_call(struct fiber *f, enum status (*function)(void *argument),
                          void *argument) {
    struct blocking_work *work = memory_alloc_zeroed(1, sizeof *work);
    if (work == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    work->function = function;
    work->argument = argument;
    struct operation o = {.kind = OPERATION_WORK, .work = perform_work, .buffer = work};
    fiber_shield(f); /* the work uses what lies in the caller's frame */
    enum status status = operation__run(f, &o);
    fiber_unshield(f);
    if (status == STATUS_OK) {
        status = work->status;
        if (status != STATUS_OK)
            *error_current() = work->error;
    }
    memory_free(work);
    return status;
}
