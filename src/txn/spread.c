/*
 * Where partitions live. While nobody runs long scans all are on core 0, where commits are: a short
 * transaction calls no other core. The cores share out a long scan partition by partition as they
 * get on, and one that takes a partition from another core's share has it brought: a core that also
 * serves sessions and commits so ends up with fewer, and the next scan finds them there. They go
 * home when no long scan has come for a while.
 */
#include "txn/store.h"

static const int64_t AWAY_NS = INT64_C(1000000000); /* for so long after the last scan */

static void move(struct fiber *f, struct store *store, unsigned partition, unsigned core) {
    if (partition_call(f, store, partition, partition__move, &core) != STATUS_OK)
        error_clear(); /* it stays where it is */
}

void spread__drift_back(struct fiber *f, struct store *store) {
    int64_t asked = atomic_load_explicit(&store->brought_ns, memory_order_relaxed);
    if (asked == 0 || clock_monotonic_ns() - asked < AWAY_NS)
        return;
    bool all = true;
    for (unsigned i = 0; i < store->partition_count; i++) {
        if (partition_core(store, i) == COMMIT_CORE)
            continue;
        move(f, store, i, COMMIT_CORE);
        all = all && partition_core(store, i) == COMMIT_CORE;
    }
    if (all)
        atomic_compare_exchange_strong(&store->brought_ns, &asked, 0);
}

void store_bring(struct fiber *f, struct store *store, unsigned partition) {
    atomic_store_explicit(&store->brought_ns, clock_monotonic_ns(), memory_order_relaxed);
    if (partition_core(store, partition) != fiber_core(f))
        move(f, store, partition, fiber_core(f));
}
