/*
 * Checkpoints and the background fibers of a store.
 *
 * A cut takes a partition's pages as they are at one moment and the store's applied watermark.
 * Commits beyond the watermark may be in it, whole or in part: replay begins behind the watermark
 * and does them again. Nothing of the cut is published before all it may contain is durable.
 */
#include <inttypes.h>

#include "base/base_chance.h"
#include "base/base_log.h"
#include "txn/store.h"

enum { MAINTENANCE_MS = 250 };

/* ---- checkpoint ---------------------------------------------------------------------------- */

struct checkpoint_call {
    struct store *store;
    uint64_t published;
};

static enum status checkpoint_there(struct fiber *f, struct partition *partition, void *argument) {
    struct checkpoint_call *call = argument;
    struct store *store = call->store;
    uint64_t applied = atomic_load_explicit(&store->applied, memory_order_acquire);
    if (pager_checkpoint_applied(partition->pager).value == applied &&
        journal_newest(store->journal).value == applied &&
        !pager_checkpoint_wanted(partition->pager)) {
        call->published = applied;
        return STATUS_OK;
    }
    TRY(pager_checkpoint_prepare(f, partition->pager));
    TRY(fiber_mutex_lock(f, &partition->clear_mutex));
    pager_checkpoint_begin(partition->pager, (struct commit_number){applied});
    struct commit_number newest = journal_newest(store->journal);
    fiber_mutex_unlock(f, &partition->clear_mutex);
    journal_wait_durable(f, store->journal, newest);
    TRY(pager_checkpoint_finish(f, partition->pager));
    call->published = applied;
    return STATUS_OK;
}

/* On a full disk a spare segment is worth less than a checkpoint, which frees segments. And one
   that failed in the manifest is tried again: room for a new manifest is held. */
static enum status checkpoint_partition(struct fiber *f, unsigned number,
                                        struct checkpoint_call *call) {
    struct store *store = call->store;
    enum status status = partition_call(f, store, number, checkpoint_there, call);
    if (status == STATUS_DISK_FULL)
        status = partition_call(f, store, number, checkpoint_there, call);
    while (status == STATUS_DISK_FULL && journal_spare_give(f, store->journal))
        status = partition_call(f, store, number, checkpoint_there, call);
    return status;
}

static enum status checkpoint_here(struct fiber *f, void *argument) {
    struct store *store = argument;
    TRY(fiber_mutex_lock(f, &store->checkpoint_mutex));
    event_reset(&store->checkpoint_wanted);
    uint64_t oldest = UINT64_MAX;
    enum status status = STATUS_OK;
    fiber_shield(f); /* a cut that was begun must be finished */
    for (unsigned i = 0; i < store->partition_count && status == STATUS_OK; i++) {
        struct checkpoint_call call = {store, 0};
        status = checkpoint_partition(f, i, &call);
        if (call.published < oldest)
            oldest = call.published;
    }
    if (status == STATUS_OK) {
        journal_release(f, store->journal, (struct commit_number){oldest});
        atomic_fetch_add_explicit(&store->checkpoints, 1, memory_order_relaxed);
    }
    journal_refuse_when_full(store->journal, status != STATUS_OK);
    fiber_unshield(f);
    fiber_mutex_unlock(f, &store->checkpoint_mutex);
    return status;
}

enum status checkpoint__run(struct fiber *f, struct store *store) {
    return core_call(f, COMMIT_CORE, checkpoint_here, store);
}

enum status store_checkpoint(struct fiber *f, struct store *store) {
    return checkpoint__run(f, store);
}

/* ---- background ---------------------------------------------------------------------------- */

/* Wait for an event at most so long. */
static void pause_until(struct fiber *f, struct event *event, int64_t ms) {
    struct deadline deadline = {clock_monotonic_ns() + ms * 1000000, STATUS_CANCELED, "pause"};
    fiber_deadline_set(f, deadline);
    if (event_wait(f, event) != STATUS_OK)
        error_clear();
    fiber_deadline_set(f, (struct deadline){0});
}

static void background_ended(struct store *store) {
    if (--store->background_count == 0)
        event_set(&store->background_ended);
}

static enum status checkpointer_body(struct fiber *f, void *argument) {
    struct store *store = argument;
    while (!store->stopping && !fiber_cancelled(f)) {
        pause_until(f, &store->checkpoint_wanted,
                    by_chance("txn: a checkpoint at once") ? 1 : store->checkpoint_interval_ms);
        if (store->stopping || fiber_cancelled(f))
            break;
        if (atomic_load(&store->commits) == store->commits_at_checkpoint &&
            !store->checkpoint_wanted.is_set)
            continue;
        store->commits_at_checkpoint = atomic_load(&store->commits);
        if (checkpoint__run(f, store) != STATUS_OK) {
            LOG(LOG_ERROR, "txn", "checkpoint failed: %s", error_current()->message);
            event_reset(&store->checkpoint_wanted);
            pause_until(f, &store->stop_wanted, 1000);
            event_set(
                &store->checkpoint_wanted); /* until one succeeds nobody may be able to commit */
        }
    }
    background_ended(store);
    return STATUS_OK;
}

static enum status maintain_there(struct fiber *f, struct partition *partition, void *argument) {
    bool *checkpoint_wanted = argument;
    history__rotate(f, partition, true);
    large__free_retired(partition, store_horizon(partition->store).value);
    TRY(partition__clear_dropped(f, partition));
    if (pager_maintenance_due(partition->pager))
        TRY(pager_maintain(f, partition->pager));
    struct pager_statistics statistics;
    pager_statistics(partition->pager, &statistics);
    atomic_store_explicit(&partition->bytes_used, statistics.bytes_file - statistics.bytes_free,
                          memory_order_relaxed);
    *checkpoint_wanted |= pager_checkpoint_wanted(partition->pager);
    return STATUS_OK;
}

static enum status shrink_there(struct fiber *f, struct partition *partition, void *argument) {
    return pager_shrink(f, partition->pager);
}

enum status store_shrink(struct fiber *f, struct store *store) {
    TRY(store_checkpoint(f, store)); /* what it frees is where the rest goes */
    for (unsigned i = 0; i < store->partition_count; i++)
        TRY(partition_call(f, store, i, shrink_there, NULL));
    return store_checkpoint(f, store);
}

static enum status maintainer_body(struct fiber *f, void *argument) {
    struct store *store = argument;
    while (!store->stopping && !fiber_cancelled(f)) {
        bool checkpoint_wanted = false;
        pause_until(f, &store->stop_wanted,
                    by_chance("txn: maintenance at once") ? 1 : MAINTENANCE_MS);
        for (unsigned i = 0; i < store->partition_count && !store->stopping; i++)
            if (partition_call(f, store, i, maintain_there, &checkpoint_wanted) != STATUS_OK) {
                LOG(LOG_WARNING, "txn", "maintenance of partition %u: %s", i,
                    error_current()->message);
                error_clear();
            }
        if (checkpoint_wanted)
            event_set(&store->checkpoint_wanted);
        journal_trim(f, store->journal);
        spread__settle(f, store);
    }
    background_ended(store);
    return STATUS_OK;
}

enum status background__start(struct fiber *f, struct store *store) {
    /* What was found may fill the journal: then no commit could ever ask for a checkpoint. */
    struct journal_statistics statistics;
    journal_statistics(store->journal, &statistics);
    if (statistics.bytes_used > store->journal_size_target / 2)
        event_set(&store->checkpoint_wanted);
    store->background_count = 1;
    TRY(fiber_spawn_detached(f, FIBER_BACKGROUND, "checkpointer", checkpointer_body, store));
    store->background_count++;
    enum status status =
        fiber_spawn_detached(f, FIBER_BACKGROUND, "maintenance", maintainer_body, store);
    if (status != STATUS_OK) {
        background_ended(store);
        background__stop(f, store);
    }
    return status;
}

void background__stop(struct fiber *f, struct store *store) {
    store->stopping = true;
    event_set(&store->stop_wanted);
    event_set(&store->checkpoint_wanted);
    if (store->background_count == 0)
        return;
    fiber_shield(f);
    enum status status = event_wait(f, &store->background_ended);
    ASSERT(status == STATUS_OK);
    fiber_unshield(f);
}
