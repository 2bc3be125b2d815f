/*
 * Frames of PAGE_SIZE are cut from one reservation of the whole budget, and what is known of them
 * from another: untouched parts of these are no memory yet. Freed ones go to a stack, linked by
 * index; the stack's head carries a counter in its upper half so that a compare-and-swap notices
 * that the stack changed in between (Treiber 1986). Frames of other sizes are mapped one by one. So
 * that memory lying on the stack and memory mapped together stay within the budget, mapping a frame
 * first discards blocks of the stack if it must: those go to a stack of their own, and are taken
 * from it last.
 */
#include "pager/budget.h"

#include <stdatomic.h>

#include "base/base_memory.h"

enum { GUARANTEE_MAX = 64 * PAGE_SIZE, RESERVATION_ALIGNMENT = 2 << 20 };

struct page_budget {
    uint64_t size_max, guarantee, fair_share;
    uint64_t shared_max; /* what is not guaranteed to anybody */
    uint8_t *blocks, *heads;
    _Atomic uint32_t *next_free; /* for each block, index + 1 of the one below */
    uint32_t block_count;
    _Alignas(64) _Atomic uint64_t shared_used;
    _Atomic uint64_t used;
    _Atomic uint64_t wanted;                 /* bytes refused to pagers below their fair share */
    _Alignas(64) _Atomic uint64_t free_head; /* counter << 32 | index + 1 */
    _Atomic uint64_t discarded_head;         /* the same, of blocks without memory */
    _Atomic uint32_t block_next;             /* never used from here on */
    _Atomic uint64_t resident;               /* bytes of blocks with memory and mapped frames */
};

enum status page_budget_create(uint64_t size_max, unsigned pager_count,
                               struct page_budget **budget_out) {
    ASSERT(pager_count > 0);
    if (size_max / pager_count < 16 * PAGE_SIZE)
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "memory for pages is too small: %llu bytes for %u partitions",
                         (unsigned long long)size_max, pager_count);
    struct page_budget *budget = memory_alloc_aligned(64, sizeof *budget);
    if (budget == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    *budget = (struct page_budget){
        .size_max = size_max,
        .fair_share = size_max / pager_count,
        .block_count = (uint32_t)(size_max / PAGE_SIZE),
    };
    budget->guarantee = budget->fair_share < GUARANTEE_MAX ? budget->fair_share : GUARANTEE_MAX;
    budget->shared_max = size_max - budget->guarantee * pager_count;
    budget->blocks = memory_alloc_aligned(RESERVATION_ALIGNMENT, size_max);
    size_t heads_size = (size_t)budget->block_count * BUDGET_HEAD_SIZE;
    budget->heads = memory_alloc_aligned(RESERVATION_ALIGNMENT, heads_size);
    budget->next_free = memory_alloc_zeroed(budget->block_count, sizeof *budget->next_free);
    if (budget->blocks == NULL || budget->heads == NULL || budget->next_free == NULL) {
        page_budget_destroy(budget);
        return error_set(STATUS_OUT_OF_MEMORY, "cannot reserve %llu bytes of memory for pages",
                         (unsigned long long)size_max);
    }
    memory_prefer_huge(budget->blocks, size_max);
    memory_prefer_huge(budget->heads, heads_size);
    *budget_out = budget;
    return STATUS_OK;
}

void page_budget_destroy(struct page_budget *budget) {
    if (budget == NULL)
        return;
    ASSERT(atomic_load(&budget->used) == 0);
    memory_free(budget->blocks);
    memory_free(budget->heads);
    memory_free((void *)budget->next_free);
    memory_free(budget);
}

uint64_t page_budget_used(const struct page_budget *budget) {
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

uint64_t budget_size_max(const struct page_budget *budget) {
    return budget->size_max;
}

uint64_t budget_fair_share(const struct page_budget *budget) {
    return budget->fair_share;
}

void budget_share_init(struct budget_share *share, struct page_budget *budget) {
    *share = (struct budget_share){.budget = budget, .guaranteed = budget->guarantee};
}

/* The part of a share of `bytes` that counts against the shared part. */
static uint64_t shared_part(const struct budget_share *share, uint64_t bytes) {
    return bytes > share->guaranteed ? bytes - share->guaranteed : 0;
}

/* `wish`: being refused is told to those who have more than their share. */
static bool take(struct budget_share *share, uint64_t size, bool wish) {
    struct page_budget *budget = share->budget;
    uint64_t more = shared_part(share, share->bytes + size) - shared_part(share, share->bytes);
    if (more > 0) {
        uint64_t before = atomic_fetch_add(&budget->shared_used, more);
        if (before + more > budget->shared_max) {
            atomic_fetch_sub(&budget->shared_used, more);
            if (wish && share->bytes + size <= budget->fair_share &&
                atomic_load_explicit(&budget->wanted, memory_order_relaxed) < budget->fair_share)
                atomic_fetch_add(&budget->wanted, size);
            return false;
        }
    }
    share->bytes += size;
    atomic_fetch_add(&budget->used, size);
    return true;
}

bool budget_take(struct budget_share *share, uint64_t size) {
    return take(share, size, true);
}

bool budget_take_spare(struct budget_share *share, uint64_t size) {
    return take(share, size, false);
}

/* Count down what starving pagers want; it is a wish, so being inexact is fine. */
static void wanted_lower(struct page_budget *budget, uint64_t size) {
    uint64_t wanted = atomic_load_explicit(&budget->wanted, memory_order_relaxed);
    while (wanted > 0 && !atomic_compare_exchange_weak(&budget->wanted, &wanted,
                                                       wanted > size ? wanted - size : 0)) {
    }
}

void budget_give(struct budget_share *share, uint64_t size) {
    struct page_budget *budget = share->budget;
    ASSERT(share->bytes >= size);
    uint64_t less = shared_part(share, share->bytes) - shared_part(share, share->bytes - size);
    share->bytes -= size;
    if (less > 0) {
        atomic_fetch_sub(&budget->shared_used, less);
        wanted_lower(budget, less);
    }
    atomic_fetch_sub(&budget->used, size);
}

bool budget_must_yield(const struct budget_share *share) {
    const struct page_budget *budget = share->budget;
    return __builtin_expect(atomic_load_explicit(&budget->wanted, memory_order_relaxed) > 0, 0) &&
           share->bytes > budget->fair_share;
}

static uint8_t *stack_pop(struct page_budget *budget, _Atomic uint64_t *stack) {
    uint64_t head = atomic_load(stack);
    while ((uint32_t)head != 0) {
        uint32_t index = (uint32_t)head - 1;
        uint64_t below = atomic_load(&budget->next_free[index]);
        uint64_t changed = ((head >> 32) + 1) << 32 | below;
        if (atomic_compare_exchange_weak(stack, &head, changed))
            return budget->blocks + (size_t)index * PAGE_SIZE;
    }
    return NULL;
}

static void stack_push(struct page_budget *budget, _Atomic uint64_t *stack, const uint8_t *block) {
    uint32_t index = (uint32_t)((size_t)(block - budget->blocks) / PAGE_SIZE);
    ASSERT(index < budget->block_count);
    uint64_t head = atomic_load(stack);
    uint64_t changed;
    do {
        atomic_store(&budget->next_free[index], (uint32_t)head);
        changed = ((head >> 32) + 1) << 32 | (index + 1);
    } while (!atomic_compare_exchange_weak(stack, &head, changed));
}

/* Memory of another size is about to be taken: free blocks make room for it. */
static void make_room(struct page_budget *budget, uint32_t size) {
    uint64_t resident = atomic_fetch_add(&budget->resident, size) + size;
    while (resident > budget->size_max) {
        uint8_t *block = stack_pop(budget, &budget->free_head);
        if (block == NULL)
            break;
        memory_discard(block, PAGE_SIZE);
        stack_push(budget, &budget->discarded_head, block);
        resident = atomic_fetch_sub(&budget->resident, PAGE_SIZE) - PAGE_SIZE;
    }
}

/* A frame of another size. */
static uint8_t *frame_map(struct page_budget *budget, uint32_t size) {
    make_room(budget, size);
    uint8_t *frame = memory_alloc_pages(size);
    if (frame == NULL)
        atomic_fetch_sub(&budget->resident, size);
    return frame;
}

uint8_t *budget_block_alloc(struct page_budget *budget, uint32_t size) {
    if (size != PAGE_SIZE)
        return frame_map(budget, size);
    /* The caller's bytes were granted, so a block is on a stack or behind block_next; another
       core may push and pop between our looks, hence the loop. */
    for (;;) {
        uint8_t *block = stack_pop(budget, &budget->free_head);
        if (block != NULL)
            return block;
        block = stack_pop(budget, &budget->discarded_head);
        uint32_t index = atomic_load(&budget->block_next);
        if (block == NULL && index < budget->block_count &&
            atomic_compare_exchange_strong(&budget->block_next, &index, index + 1))
            block = budget->blocks + (size_t)index * PAGE_SIZE;
        if (block != NULL) {
            atomic_fetch_add(&budget->resident, PAGE_SIZE);
            return block;
        }
    }
}

void budget_block_free(struct page_budget *budget, uint8_t *block, uint32_t size) {
    if (size == PAGE_SIZE) {
        stack_push(budget, &budget->free_head, block);
        return;
    }
    memory_free_pages(block, size);
    atomic_fetch_sub(&budget->resident, size);
}

void *budget_head(const struct page_budget *budget, const uint8_t *block) {
    size_t index = (size_t)(block - budget->blocks) / PAGE_SIZE;
    ASSERT(index < budget->block_count);
    return budget->heads + index * BUDGET_HEAD_SIZE;
}

void *budget_heap_alloc(struct page_budget *budget, uint32_t size) {
    make_room(budget, size);
    void *block = memory_alloc_aligned(64, size);
    if (block == NULL)
        atomic_fetch_sub(&budget->resident, size);
    return block;
}

void budget_heap_free(struct page_budget *budget, void *block, uint32_t size) {
    memory_free(block);
    atomic_fetch_sub(&budget->resident, size);
}
