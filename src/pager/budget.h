/* The shared memory budget, seen from inside the room. */
#ifndef BUDGET_H
#define BUDGET_H

#include "pager/pager.h"

/* What one pager holds of the budget: its own to keep. */
struct budget_share {
    struct page_budget *budget;
    uint64_t bytes;      /* held now */
    uint64_t guaranteed; /* always granted up to here */
};

void budget_share_init(struct budget_share *share, struct page_budget *budget);
/* False when the budget is spent. */
bool budget_take(struct budget_share *share, uint64_t size);
/* The same for what can be done without: a refusal is no sign of starving. */
bool budget_take_spare(struct budget_share *share, uint64_t size);
void budget_give(struct budget_share *share, uint64_t size);
uint64_t budget_size_max(const struct page_budget *budget);
/* What each pager would have if all wanted the same. */
uint64_t budget_fair_share(const struct page_budget *budget);
/* Is somebody below its fair share starving while we hold more than ours? */
bool budget_must_yield(const struct budget_share *share);

/* Memory for bytes taken, aligned to 4 KiB; NULL when the heap is empty. */
uint8_t *budget_block_alloc(struct page_budget *budget, uint32_t size);
void budget_block_free(struct page_budget *budget, uint8_t *block, uint32_t size);
/* Room for what is known of a block of PAGE_SIZE, the block's own from one alloc to the free: close
   to that of others, so that looking at many in no order costs few address translations. */
enum { BUDGET_HEAD_SIZE = 192 };
void *budget_head(const struct page_budget *budget, const uint8_t *block);
/* The same of any size, from the heap, aligned to 64. */
void *budget_heap_alloc(struct page_budget *budget, uint32_t size);
void budget_heap_free(struct page_budget *budget, void *block, uint32_t size);

#endif
