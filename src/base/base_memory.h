/*
 * The heap. Every allocation of satori goes through here so that tests can make the Nth one
 * fail and so that it can be counted. Nothing else calls malloc.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL when there is no memory; otherwise as malloc, calloc, realloc, aligned_alloc, free. */
void *memory_alloc(size_t size) __attribute__((malloc, alloc_size(1)));
void *memory_alloc_zeroed(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2)));
/* On failure the old block is untouched. */
void *memory_resize(void *block, size_t size) __attribute__((alloc_size(2)));
/* `alignment` is a power of two; `size` is rounded up to it. */
void *memory_alloc_aligned(size_t alignment, size_t size) __attribute__((malloc, alloc_size(2)));
void memory_free(void *block);
/* Ask for huge pages behind a large block (fewer address translations); only a wish. */
void memory_prefer_huge(void *block, size_t size);

/* Whole pages of the operating system, zeroed, given back at once when freed: for large blocks that
   come and go. `size` is a multiple of 4,096. */
void *memory_alloc_pages(size_t size) __attribute__((malloc, alloc_size(1)));
void memory_free_pages(void *block, size_t size);
/* The bytes of whole pages inside a block are not needed any more: they take no memory until they
   are written again (and read as zeros until then). */
void memory_discard(void *block, size_t size);

/* For a program, not for a library, whose process it is not: of what is freed the heap keeps up to
   so many bytes for each thread instead of giving them back to the system, which costs a page
   fault for every 4 KiB of a statement's tables, again and again. */
void memory_keep_freed(size_t bytes);

/* Tests: fail the `nth` allocation from now (1 is the next) on any thread; 0 turns it off. */
void memory_fail_nth(uint64_t nth);

/* Tests: asked at each allocation, which fails if the answer is true; NULL turns it off. For
   programs of one thread. */
void memory_fault_set(bool (*fault)(void));

/* Grow an array of `element_size` to hold `count_min`, doubling. False when out of memory. */
bool memory_grow(void *array_pointer, size_t *capacity, size_t count_min, size_t element_size);

#endif
