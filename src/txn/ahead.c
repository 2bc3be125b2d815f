/*
 * Reading pages ahead. Each is read by a fiber of its own, which nobody waits for: it counts among
 * those inside the partition, so that this stays on its core meanwhile, and is the pager's until it
 * ends.
 */
#include "base/base_memory.h"
#include "txn/store.h"

struct ahead {
    struct partition *partition;
    struct page *page;
};

static enum status read_one(struct fiber *f, void *argument) {
    struct ahead ahead = *(struct ahead *)argument;
    memory_free(argument);
    pager_read_ahead_finish(f, ahead.partition->pager, ahead.page);
    partition__leave(f, ahead.partition);
    return STATUS_OK;
}

static bool begin(struct fiber *f, struct partition *partition, struct page *page) {
    struct ahead *ahead = NULL;
    if (partition->target == fiber_core(f)) /* else it is to leave as soon as it can */
        ahead = memory_alloc(sizeof *ahead);
    if (ahead == NULL)
        return false;
    *ahead = (struct ahead){partition, page};
    if (fiber_spawn_detached(f, fiber_class(f), "read-ahead", read_one, ahead) == STATUS_OK) {
        partition->inside++;
        return true;
    }
    error_clear();
    memory_free(ahead);
    return false;
}

enum txn_ahead ahead__read(struct fiber *f, struct partition *partition, struct page_id id) {
    struct page *page;
    switch (pager_read_ahead(partition->pager, id, &page)) {
    case PAGE_HERE:
        return TXN_AHEAD_HERE;
    case PAGE_COMING:
        return TXN_AHEAD_COMING;
    case PAGE_BEGUN:
        if (begin(f, partition, page))
            return TXN_AHEAD_BEGUN;
        pager_read_ahead_cancel(partition->pager, page);
        return TXN_AHEAD_DECLINED;
    default:
        return TXN_AHEAD_DECLINED;
    }
}

enum txn_ahead txn_read_ahead(struct fiber *f, struct partition *partition,
                              struct slice reference) {
    struct page_id id;
    uint32_t size;
    if (!large__reference(reference, &id, &size))
        return TXN_AHEAD_HERE; /* in the tree itself, or malformed: nothing to be read */
    return ahead__read(f, partition, id);
}

bool txn_read_ahead_room(const struct partition *partition) {
    return pager_read_ahead_room(partition->pager);
}
