/*
 * Visibility. `applied` is the largest N such that every commit up to N is applied on all
 * partitions; `visible` the largest N such that they are also durable (or asynchronous). Both only
 * rise, and only on core 0.
 *
 * Taking a snapshot publishes it before it counts: the core's oldest is lowered first, then
 * `visible` is read again. Whoever computes the horizon reads `visible` first and the cores'
 * oldest after it; so either it sees the new snapshot, or `visible` had not moved since.
 */
#include "base/base_memory.h"
#include "txn/store.h"

enum { TRACK_APPLIED = 1, TRACK_ASYNCHRONOUS = 2 };

void snapshot__init(struct store *store, uint64_t visible) {
    atomic_store(&store->visible, visible);
    atomic_store(&store->applied, visible);
    list_init(&store->visible_waiters);
    for (unsigned i = 0; i < RUNTIME_CORES_MAX; i++) {
        atomic_store(&store->snapshots[i].oldest, UINT64_MAX);
        list_init(&store->snapshots[i].active);
    }
}

struct commit_number store_visible(const struct store *store) {
    return (struct commit_number){atomic_load(&store->visible)};
}

struct commit_number store_horizon(const struct store *store) {
    uint64_t horizon = atomic_load(&store->visible); /* first: see above */
    for (unsigned i = 0; i < store->core_count; i++) {
        uint64_t oldest = atomic_load(&store->snapshots[i].oldest);
        if (oldest < horizon)
            horizon = oldest;
    }
    return (struct commit_number){horizon};
}

/* Into the core's list, which rises; mostly at its end. */
static bool snapshot_enlist(struct snapshot_core *core, struct transaction *transaction) {
    struct list *place = &core->active;
    while (place->previous != &core->active &&
           CONTAINER_OF(place->previous, struct transaction, active_node)->snapshot >
               transaction->snapshot)
        place = place->previous;
    list_insert_before(place, &transaction->active_node);
    return core->active.next == &transaction->active_node;
}

/* With older ones in the list the published value is low enough already. */
void snapshot__take(struct transaction *transaction, bool applied) {
    struct store *store = transaction->store;
    struct snapshot_core *core = &store->snapshots[transaction->core];
    ASSERT(!transaction->snapshot_active);
    uint64_t snapshot = atomic_load(applied ? &store->applied : &store->visible);
    for (;;) {
        transaction->snapshot = snapshot;
        if (!snapshot_enlist(core, transaction))
            break;
        atomic_store(&core->oldest, snapshot);
        uint64_t visible = atomic_load(&store->visible);
        if (visible <= snapshot)
            break;
        list_remove(&transaction->active_node);
        snapshot = visible;
    }
    transaction->snapshot_active = true;
}

void snapshot__drop(struct transaction *transaction) {
    if (!transaction->snapshot_active)
        return;
    struct snapshot_core *core = &transaction->store->snapshots[transaction->core];
    bool was_first = core->active.next == &transaction->active_node;
    list_remove(&transaction->active_node);
    transaction->snapshot_active = false;
    if (!was_first)
        return;
    uint64_t oldest = UINT64_MAX;
    if (!list_empty(&core->active))
        oldest = CONTAINER_OF(core->active.next, struct transaction, active_node)->snapshot;
    atomic_store(&core->oldest, oldest);
}

/* ---- the watermarks, on core 0 --------------------------------------------------------------- */

static uint8_t *track(struct store *store, uint64_t number) {
    return &store->tracker[number & (TRACKER_SIZE - 1)];
}

static void watermarks_advance(struct store *store) {
    uint64_t newest = journal_newest(store->journal).value;
    uint64_t durable = journal_durable(store->journal).value;
    uint64_t applied = atomic_load_explicit(&store->applied, memory_order_relaxed);
    uint64_t visible = atomic_load_explicit(&store->visible, memory_order_relaxed);
    uint64_t visible_before = visible;
    while (applied < newest && (*track(store, applied + 1) & TRACK_APPLIED) != 0)
        applied++;
    while (visible < applied &&
           (visible + 1 <= durable || (*track(store, visible + 1) & TRACK_ASYNCHRONOUS) != 0))
        *track(store, ++visible) = 0;
    atomic_store_explicit(&store->applied, applied, memory_order_release);
    if (visible == visible_before)
        return;
    atomic_store(&store->visible, visible);
    LIST_FOR_SAFE (&store->visible_waiters, node) {
        struct visible_waiter *waiter = CONTAINER_OF(node, struct visible_waiter, node);
        if (waiter->number > visible)
            continue;
        list_remove(node);
        condition_wake_one(&waiter->condition);
    }
}

void snapshot__applied(struct store *store, uint64_t number, bool asynchronous) {
    ASSERT(number > atomic_load(&store->applied));
    ASSERT(*track(store, number) == 0);
    *track(store, number) = TRACK_APPLIED | (asynchronous ? TRACK_ASYNCHRONOUS : 0);
    watermarks_advance(store);
}

void snapshot__on_durable(void *context, struct commit_number durable) {
    struct store *store = context;
    watermarks_advance(store);
    struct journal_statistics statistics;
    journal_statistics(store->journal, &statistics);
    if (statistics.bytes_used > store->journal_size_target / 2)
        event_set(&store->checkpoint_wanted);
}

struct wait_call {
    struct store *store;
    uint64_t number;
};

static enum status wait_here(struct fiber *f, void *argument) {
    struct wait_call *call = argument;
    struct store *store = call->store;
    if (atomic_load(&store->visible) >= call->number)
        return STATUS_OK;
    struct visible_waiter waiter = {.number = call->number};
    list_push_back(&store->visible_waiters, &waiter.node);
    fiber_shield(f);
    enum status status = condition_wait(f, &waiter.condition);
    ASSERT(status == STATUS_OK);
    fiber_unshield(f);
    return STATUS_OK;
}

void snapshot__wait_visible(struct fiber *f, struct store *store, uint64_t number) {
    if (atomic_load(&store->visible) >= number)
        return;
    struct wait_call call = {store, number};
    fiber_shield(f);
    enum status status = core_call(f, COMMIT_CORE, wait_here, &call);
    ASSERT(status == STATUS_OK);
    fiber_unshield(f);
}
