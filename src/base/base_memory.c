#include "base/base_memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base_status.h"

static _Atomic uint64_t allocations_until_failure;
static bool (*fault_hook)(void);

static bool must_fail(void) {
    if (__builtin_expect(fault_hook != NULL, 0) && fault_hook())
        return true;
    if (__builtin_expect(
            atomic_load_explicit(&allocations_until_failure, memory_order_relaxed) == 0, 1))
        return false;
    return atomic_fetch_sub(&allocations_until_failure, 1) == 1;
}

void memory_fail_nth(uint64_t nth) {
    atomic_store(&allocations_until_failure, nth);
}

void memory_fault_set(bool (*fault)(void)) {
    fault_hook = fault;
}

void *memory_alloc(size_t size) {
    return must_fail() ? NULL : malloc(size > 0 ? size : 1);
}

void *memory_alloc_zeroed(size_t count, size_t size) {
    return must_fail() ? NULL : calloc(count > 0 ? count : 1, size > 0 ? size : 1);
}

void *memory_resize(void *block, size_t size) {
    return must_fail() ? NULL : realloc(block, size > 0 ? size : 1);
}

void *memory_alloc_aligned(size_t alignment, size_t size) {
    ASSERT(alignment > 0 && (alignment & (alignment - 1)) == 0);
    if (must_fail())
        return NULL;
    size_t rounded = (size + alignment - 1) & ~(alignment - 1);
    return aligned_alloc(alignment, rounded > 0 ? rounded : alignment);
}

void memory_free(void *block) {
    free(block);
}

void memory_prefer_huge(void *block, size_t size) {
    const uintptr_t huge = 2 << 20;
    uintptr_t from = ((uintptr_t)block + huge - 1) & ~(huge - 1);
    uintptr_t to = ((uintptr_t)block + size) & ~(huge - 1);
    if (from < to)
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
}

void *memory_alloc_pages(size_t size) {
    if (must_fail())
        return NULL;
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? NULL : block;
}

void memory_free_pages(void *block, size_t size) {
    if (block != NULL)
        (void)munmap(block, size);
}

void memory_keep_freed(size_t bytes) {
    const int heap_max = 64 << 20; /* of a thread, in glibc */
    int kept = bytes < (size_t)heap_max ? (int)bytes : heap_max;
    (void)mallopt(M_MMAP_THRESHOLD, kept / 2); /* what is larger comes from the system and goes */
    (void)mallopt(M_TRIM_THRESHOLD, kept);
    (void)mallopt(M_TOP_PAD, kept);
}

void memory_discard(void *block, size_t size) {
    (void)madvise(block, size, MADV_DONTNEED);
}

bool memory_grow(void *array_pointer, size_t *capacity, size_t count_min, size_t element_size) {
    if (count_min <= *capacity)
        return true;
    size_t count = *capacity > 0 ? *capacity : 8;
    while (count < count_min) {
        if (__builtin_mul_overflow(count, 2, &count))
            return false;
    }
    size_t size;
    if (__builtin_mul_overflow(count, element_size, &size))
        return false;
    void *old;
    memcpy(&old, array_pointer, sizeof old);
    void *block = memory_resize(old, size);
    if (block == NULL)
        return false;
    memcpy(array_pointer, &block, sizeof block);
    *capacity = count;
    return true;
}
