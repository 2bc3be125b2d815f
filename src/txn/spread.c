/*
 * Where partitions live. While nobody runs long scans all are on core 0, where commits are: a short
 * transaction calls no other core. The cores share out a long scan as they get on, and one that
 * begins with a partition has it brought: its rows are read there without calls. They go home when
 * no long scan has come for a while.
 *
 * Where many short transactions run beside the scans, partitions stay at home: calls cost such a
 * transaction more than half of what it takes (decision 0006), a scan calls only for hot rows. And
 * where short requests fill a good part of core 0, long queries leave it to them.
 */
#include "base/base_chance.h"
#include "txn/store.h"

static const int64_t AWAY_NS = INT64_C(1000000000); /* for so long after the last scan */

double spread__busy_rate = 250;
/* Four busy clients come to a fifth of core 0 while a long query works there, too: it is less. */
double spread__busy_share = 0.125;

static void move(struct fiber *f, struct store *store, unsigned partition, unsigned core) {
    if (partition_call(f, store, partition, partition__move, &core) != STATUS_OK)
        error_clear(); /* it stays where it is */
}

/* What was done since the last look. Many commits? */
static bool look(struct store *store, int64_t now_ns) {
    uint64_t commits = atomic_load_explicit(&store->commits, memory_order_relaxed);
    struct runtime_turns turns;
    runtime_turns(store->runtime, COMMIT_CORE, FIBER_LATENCY, &turns);
    double seconds = (double)(now_ns - store->seen_ns) / 1e9;
    bool busy = (double)(commits - store->commits_seen) > seconds * spread__busy_rate;
    double latency_seconds = (double)(turns.all_us - store->latency_seen_us) / 1e6;
    bool core_busy = (busy && latency_seconds > seconds * spread__busy_share) ||
                     by_chance("txn: the commits' core is busy");
    store->commits_seen = commits;
    store->latency_seen_us = turns.all_us;
    store->seen_ns = now_ns;
    atomic_store_explicit(&store->commits_busy, busy, memory_order_relaxed);
    atomic_store_explicit(&store->core_busy, core_busy, memory_order_relaxed);
    return busy;
}

bool store_core_busy(const struct store *store) {
    return atomic_load_explicit(&store->core_busy, memory_order_relaxed);
}

void spread__settle(struct fiber *f, struct store *store) {
    int64_t now_ns = clock_monotonic_ns();
    int64_t asked = atomic_load_explicit(&store->brought_ns, memory_order_relaxed);
    bool busy = look(store, now_ns);
    if (asked == 0 || (!busy && now_ns - asked < AWAY_NS))
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
    if (atomic_load_explicit(&store->commits_busy, memory_order_relaxed))
        return;
    atomic_store_explicit(&store->brought_ns, clock_monotonic_ns(), memory_order_relaxed);
    if (partition_core(store, partition) != fiber_core(f))
        move(f, store, partition, fiber_core(f));
}
