/*
 * Deadlock detection, run by a waiter whose patience (deadlock_timeout) is over: collect who waits
 * for whom from all lock tables and look for a cycle through ourselves.
 *
 * The tables are asked one after the other, so one collection can show waits that never existed
 * together. A cycle counts only when a second collection shows the very same waits (each has a
 * serial number): then all of them existed at the moment between the two. Edges that wait for a
 * waiter in front of them in a queue count like those that wait for a holder.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/base_memory.h"
#include "txn/store.h"

struct edges {
    struct lock_edge *edges;
    size_t count, capacity;
    unsigned partition;
    bool failed;
};

struct cycle {
    struct lock_edge *edges; /* [i].holder is [i + 1].waiter, the last one's holder the first */
    size_t count;
};

static void edge_visit(void *context, const struct lock_edge *edge) {
    struct edges *edges = context;
    if (!memory_grow(&edges->edges, &edges->capacity, edges->count + 1, sizeof *edges->edges)) {
        edges->failed = true;
        return;
    }
    edges->edges[edges->count] = *edge;
    edges->edges[edges->count++].partition = edges->partition;
}

static enum status partition_edges(struct fiber *f, struct partition *partition, void *argument) {
    struct edges *edges = argument;
    edges->partition = partition->number;
    lock_edges_visit(&partition->locks, edge_visit, edges);
    return STATUS_OK;
}

struct relation_edges_call {
    struct store *store;
    struct edges *edges;
};

static enum status relation_edges(struct fiber *f, void *argument) {
    struct relation_edges_call *call = argument;
    call->edges->partition = PARTITIONS_MAX;
    lock_edges_visit(&call->store->relation_locks, edge_visit, call->edges);
    return STATUS_OK;
}

struct waited_for_call {
    struct store *store;
    uint64_t holder_id;
    bool found;
};

static void waited_for_visit(void *context, const struct lock_edge *edge) {
    struct waited_for_call *call = context;
    call->found |= edge->holder_id == call->holder_id;
}

static enum status waited_for_here(struct fiber *f, void *argument) {
    struct waited_for_call *call = argument;
    lock_edges_visit(&call->store->relation_locks, waited_for_visit, call);
    return STATUS_OK;
}

enum status txn_is_waited_for(struct fiber *f, struct store *store,
                              struct transaction_id transaction, bool *waited_for_out) {
    struct waited_for_call call = {.store = store, .holder_id = transaction.value};
    TRY(core_call(f, COMMIT_CORE, waited_for_here, &call));
    *waited_for_out = call.found;
    return STATUS_OK;
}

static enum status edges_collect(struct fiber *f, struct store *store, struct edges *edges) {
    *edges = (struct edges){0};
    for (unsigned i = 0; i < store->partition_count; i++)
        TRY(partition_call(f, store, i, partition_edges, edges));
    struct relation_edges_call call = {store, edges};
    TRY(core_call(f, COMMIT_CORE, relation_edges, &call));
    return edges->failed ? error_set(STATUS_OUT_OF_MEMORY, "out of memory") : STATUS_OK;
}

/* Depth-first from `start`, with the path in cycle->edges; `seen` marks edges already walked. */
static bool cycle_search(const struct edges *edges, uint64_t start, bool *seen,
                         struct cycle *cycle) {
    uint64_t at = start;
    size_t next = 0;
    for (;;) {
        for (; next < edges->count; next++)
            if (!seen[next] && edges->edges[next].waiter_id == at)
                break;
        if (next < edges->count) {
            seen[next] = true;
            cycle->edges[cycle->count++] = edges->edges[next];
            if (edges->edges[next].holder_id == start)
                return true;
            at = edges->edges[next].holder_id;
        } else if (cycle->count == 0) {
            return false;
        } else {
            at = cycle->edges[--cycle->count].waiter_id;
        }
        next = 0;
    }
}

static bool same_wait(const struct lock_edge *a, const struct lock_edge *b) {
    return a->waiter_id == b->waiter_id && a->holder_id == b->holder_id && a->serial == b->serial &&
           a->partition == b->partition;
}

static bool cycle_persists(const struct cycle *cycle, const struct edges *edges) {
    for (size_t i = 0; i < cycle->count; i++) {
        bool found = false;
        for (size_t j = 0; j < edges->count && !found; j++)
            found = same_wait(&cycle->edges[i], &edges->edges[j]);
        if (!found)
            return false;
    }
    return true;
}

static enum status deadlock_report(struct store *store, const struct cycle *cycle) {
    char detail[ERROR_MESSAGE_SIZE];
    size_t size = 0;
    for (size_t i = 0; i < cycle->count && size + 160 < sizeof detail; i++) {
        const struct lock_edge *edge = &cycle->edges[i];
        char what[64];
        if (edge->partition == PARTITIONS_MAX)
            snprintf(what, sizeof what, "relation %" PRIu32, edge->name);
        else
            snprintf(what, sizeof what, "a row of tree %" PRIu32 " on partition %u", edge->name,
                     edge->partition);
        size +=
            (size_t)snprintf(detail + size, sizeof detail - size,
                             "%sProcess %" PRIu64 " waits for %s on %s; blocked by process "
                             "%" PRIu64 ".",
                             i > 0 ? "\n" : "", edge->waiter_id, edge->mode, what, edge->holder_id);
    }
    atomic_fetch_add_explicit(&store->deadlocks, 1, memory_order_relaxed);
    enum status status = error_set(STATUS_DEADLOCK_DETECTED, "deadlock detected");
    error_detail("%s", detail);
    return status;
}

enum status deadlock__check(struct fiber *f, struct transaction *transaction) {
    struct edges first, second = {0};
    struct cycle cycle = {0};
    enum status status = edges_collect(f, transaction->store, &first);
    bool *seen = NULL, found = false;
    if (status == STATUS_OK && first.count > 0) {
        seen = memory_alloc_zeroed(first.count, sizeof *seen);
        cycle.edges = memory_alloc_zeroed(first.count, sizeof *cycle.edges);
        if (seen == NULL || cycle.edges == NULL)
            status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        else
            found = cycle_search(&first, transaction->id.value, seen, &cycle);
    }
    if (found)
        status = edges_collect(f, transaction->store, &second);
    if (status == STATUS_OK && found && cycle_persists(&cycle, &second))
        status = deadlock_report(transaction->store, &cycle);
    memory_free(first.edges);
    memory_free(second.edges);
    memory_free(cycle.edges);
    memory_free(seen);
    return status;
}
