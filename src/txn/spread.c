/*
 * Where partitions live. While nobody runs long scans all are on core 0, where commits are: a short
 * transaction calls no other core. A long scan has them dealt to all cores. The cores do their
 * parts of it side by side, so it is as slow as the slowest: a core that also serves sessions and
 * commits must have fewer. As long as scans come, partitions are therefore dealt anew from time to
 * time; a core gets as many as what latency work has lately left of it allows, but at least a
 * third, for that is what latency work leaves to others (runtime/turn.h).
 */
#include "txn/store.h"

static const int64_t SPREAD_NS = INT64_C(1000000000); /* for so long after the last scan */
static const int64_t DEAL_NS = INT64_C(300000000);
/* A partition moves when two cores are together further from their parts than this: it is more than
   1, so that none goes back and forth. */
static const double MOVE_WORTH = 1.25;

static void move(struct fiber *f, struct store *store, unsigned partition, unsigned core) {
    if (partition_call(f, store, partition, partition__move, &core) != STATUS_OK)
        error_clear(); /* it stays where it is */
}

void spread__drift_back(struct fiber *f, struct store *store) {
    int64_t asked = atomic_load_explicit(&store->spread_asked_ns, memory_order_relaxed);
    if (asked == 0 || clock_monotonic_ns() - asked < SPREAD_NS)
        return;
    bool all = true;
    for (unsigned i = 0; i < store->partition_count; i++) {
        if (partition_core(store, i) == COMMIT_CORE)
            continue;
        move(f, store, i, COMMIT_CORE);
        all = all && partition_core(store, i) == COMMIT_CORE;
    }
    if (all)
        atomic_compare_exchange_strong(&store->spread_asked_ns, &asked, 0);
}

bool spread__next(const double *room, unsigned core_count, const unsigned *cores,
                  unsigned partition_count, unsigned *partition_out, unsigned *core_out) {
    double excess[RUNTIME_CORES_MAX], all = 0;
    unsigned most = 0, least = 0;
    for (unsigned c = 0; c < core_count; c++)
        all += room[c];
    for (unsigned c = 0; c < core_count; c++)
        excess[c] = -room[c] / all * partition_count;
    for (unsigned i = 0; i < partition_count; i++)
        excess[cores[i]]++;
    for (unsigned c = 1; c < core_count; c++) {
        most = excess[c] > excess[most] ? c : most;
        least = excess[c] < excess[least] ? c : least;
    }
    if (excess[most] - excess[least] <= MOVE_WORTH)
        return false;
    /* The catalog's partition and its neighbours stay home longest. */
    for (unsigned i = 0; i < partition_count; i++) {
        unsigned at = most < least ? partition_count - 1 - i : i;
        if (cores[at] != most)
            continue;
        *partition_out = at;
        *core_out = least;
        return true;
    }
    return false;
}

/* What latency work has left of each core since partitions were dealt before. */
static void measure_room(struct fiber *f, struct store *store, int64_t passed_ns, double *room) {
    for (unsigned c = 0; c < store->core_count; c++) {
        struct runtime_turns turns;
        runtime_turns(fiber_runtime(f), c, FIBER_LATENCY, &turns);
        uint64_t before =
            atomic_exchange_explicit(&store->latency_us[c], turns.all_us, memory_order_relaxed);
        double used =
            passed_ns <= 0 ? 0 : (double)(turns.all_us - before) * 1e3 / (double)passed_ns;
        room[c] = used < 2. / 3 ? 1 - used : 1. / 3;
    }
}

void store_spread(struct fiber *f, struct store *store) {
    if (store->core_count == 1)
        return;
    int64_t now = clock_monotonic_ns();
    int64_t asked = atomic_exchange(&store->spread_asked_ns, now);
    int64_t dealt = atomic_load(&store->dealt_ns);
    if ((asked != 0 && now - dealt < DEAL_NS) ||
        !atomic_compare_exchange_strong(&store->dealt_ns, &dealt, now))
        return;
    double room[RUNTIME_CORES_MAX];
    unsigned cores[PARTITIONS_MAX], partition, core;
    measure_room(f, store, dealt == 0 ? 0 : now - dealt, room);
    for (unsigned i = 0; i < store->partition_count; i++)
        cores[i] = partition_core(store, i);
    while (
        spread__next(room, store->core_count, cores, store->partition_count, &partition, &core)) {
        move(f, store, partition, core);
        cores[partition] = core;
    }
}
