#include "txn/lock.h"

#include "base/base_chance.h"
#include "base/base_hash.h"
#include "base/base_memory.h"

enum {
    SMALL_KEY = 24,
    BUCKETS_FIRST = 64,
    CLAIM_SLOTS_FIRST = 1 << 10,
    CLAIM_SLOTS_MAX = 1 << 22,
    CLAIM_LOOKAHEAD = 32, /* keys whose slots are on their way from memory */
};

#define M(mode) (1u << (mode))
const struct lock_modes lock_modes_key = {
    .mode_count = 2,
    .conflicts = {0, M(2), M(1) | M(2)},
    .names = {"", "ShareLock", "ExclusiveLock"},
};
/* The manual's table 13.2. */
const struct lock_modes lock_modes_relation = {
    .mode_count = 8,
    .conflicts = {0, M(8), M(7) | M(8), M(5) | M(6) | M(7) | M(8), M(4) | M(5) | M(6) | M(7) | M(8),
                  M(3) | M(4) | M(6) | M(7) | M(8), M(3) | M(4) | M(5) | M(6) | M(7) | M(8),
                  M(2) | M(3) | M(4) | M(5) | M(6) | M(7) | M(8),
                  M(1) | M(2) | M(3) | M(4) | M(5) | M(6) | M(7) | M(8)},
    .names = {"", "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock",
              "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"},
};
#undef M

enum status lock_table_init(struct lock_table *table, const struct lock_modes *modes) {
    *table = (struct lock_table){.modes = modes, .bucket_count = BUCKETS_FIRST};
    list_init(&table->claims);
    table->buckets = memory_alloc_zeroed(BUCKETS_FIRST, sizeof *table->buckets);
    return table->buckets != NULL ? STATUS_OK : error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

void lock_table_release(struct lock_table *table) {
    ASSERT(table->lock_count == 0 && table->waiting == 0 && list_empty(&table->claims));
    while (table->free_holds != NULL) {
        struct lock_hold *hold = table->free_holds;
        table->free_holds = hold->next_of_lock;
        memory_free(hold);
    }
    while (table->free_locks != NULL) {
        struct lock *lock = table->free_locks;
        table->free_locks = lock->next;
        memory_free(lock);
    }
    memory_free(table->buckets);
    *table = (struct lock_table){0};
}

/* ---- locks by name ------------------------------------------------------------------------- */

static uint64_t name_hash(uint32_t name, struct slice key) {
    uint64_t hash = key.size == 0 ? 0 : hash_bytes(key.data, key.size);
    return hash_combine(hash, name);
}

static struct lock **lock_link(struct lock_table *table, uint32_t hash, uint32_t name,
                               struct slice key) {
    struct lock **link = &table->buckets[hash & (table->bucket_count - 1)];
    while (*link != NULL) {
        struct lock *lock = *link;
        if (lock->hash == hash && lock->name == name &&
            slice_equal(slice_of(lock->key, lock->key_size), key))
            break;
        link = &lock->next;
    }
    return link;
}

/* Best effort: a crowded table is slow, not wrong. */
static void buckets_grow(struct lock_table *table) {
    size_t count = table->bucket_count * 2;
    struct lock **buckets = memory_alloc_zeroed(count, sizeof *buckets);
    if (buckets == NULL)
        return;
    for (size_t i = 0; i < table->bucket_count; i++) {
        struct lock *lock = table->buckets[i];
        while (lock != NULL) {
            struct lock *next = lock->next;
            struct lock **to = &buckets[lock->hash & (count - 1)];
            lock->next = *to;
            *to = lock;
            lock = next;
        }
    }
    memory_free(table->buckets);
    table->buckets = buckets;
    table->bucket_count = count;
}

static struct lock *lock_create(struct lock_table *table, uint32_t hash, uint32_t name,
                                struct slice key) {
    if (table->lock_count >= table->bucket_count)
        buckets_grow(table);
    struct lock *lock = key.size <= SMALL_KEY ? table->free_locks : NULL;
    if (lock != NULL)
        table->free_locks = lock->next;
    else
        lock = memory_alloc(sizeof *lock + (key.size < SMALL_KEY ? SMALL_KEY : key.size));
    if (lock == NULL)
        return NULL;
    lock->holds = NULL;
    list_init(&lock->queue);
    lock->hash = hash;
    lock->name = name;
    lock->key_size = (uint32_t)key.size;
    if (key.size > 0)
        memcpy(lock->key, key.data, key.size);
    struct lock **bucket = &table->buckets[hash & (table->bucket_count - 1)];
    lock->next = *bucket;
    *bucket = lock;
    table->lock_count++;
    return lock;
}

static void lock_forget_if_unused(struct lock_table *table, struct lock *lock) {
    if (lock->holds != NULL || !list_empty(&lock->queue))
        return;
    struct lock **link = &table->buckets[lock->hash & (table->bucket_count - 1)];
    while (*link != lock)
        link = &(*link)->next;
    *link = lock->next;
    table->lock_count--;
    if (lock->key_size <= SMALL_KEY) {
        lock->next = table->free_locks;
        table->free_locks = lock;
    } else {
        memory_free(lock);
    }
}

/* ---- holding --------------------------------------------------------------------------------- */

static struct lock_hold *hold_of(const struct lock *lock, const struct transaction *transaction) {
    struct lock_hold *hold = lock->holds;
    while (hold != NULL && hold->transaction != transaction)
        hold = hold->next_of_lock;
    return hold;
}

static bool conflicts_with_holders(const struct lock_table *table, const struct lock *lock,
                                   const struct transaction *transaction, unsigned mode) {
    for (const struct lock_hold *hold = lock->holds; hold != NULL; hold = hold->next_of_lock)
        if (hold->transaction != transaction && (hold->modes & table->modes->conflicts[mode]) != 0)
            return true;
    return false;
}

static bool conflicts_with_queue(const struct lock_table *table, const struct lock *lock,
                                 const struct list *end, const struct transaction *transaction,
                                 unsigned mode) {
    for (const struct list *node = lock->queue.next; node != end; node = node->next) {
        const struct lock_waiter *other = CONTAINER_OF(node, const struct lock_waiter, node);
        if (other->transaction != transaction &&
            (table->modes->conflicts[mode] & 1u << other->mode) != 0)
            return true;
    }
    return false;
}

/* Is everything that `mode` keeps out kept out by the held modes already? */
static bool covers(const struct lock_table *table, uint16_t held, unsigned mode) {
    if ((held & 1u << mode) != 0)
        return true;
    for (unsigned other = 1; other <= table->modes->mode_count; other++) {
        uint16_t wanted = table->modes->conflicts[mode];
        if ((held & 1u << other) != 0 && (table->modes->conflicts[other] & wanted) == wanted)
            return true;
    }
    return false;
}

/* Memory for a hold, so that granting cannot fail later. */
static bool hold_reserve(struct lock_table *table) {
    if (table->free_holds != NULL)
        return true;
    struct lock_hold *hold = memory_alloc_zeroed(1, sizeof *hold);
    if (hold == NULL)
        return false;
    table->free_holds = hold;
    return true;
}

static void grant(struct lock_table *table, struct lock *lock, struct transaction *transaction,
                  struct lock_hold **holds, unsigned mode) {
    struct lock_hold *hold = hold_of(lock, transaction);
    if (hold == NULL) {
        hold = table->free_holds;
        ASSERT(hold != NULL);
        table->free_holds = hold->next_of_lock;
        *hold = (struct lock_hold){lock->holds, *holds, transaction, lock, 0};
        lock->holds = hold;
        *holds = hold;
    }
    hold->modes |= (uint16_t)(1u << mode);
}

static void queue_serve(struct lock_table *table, struct lock *lock) {
    LIST_FOR_SAFE (&lock->queue, node) {
        struct lock_waiter *wait = CONTAINER_OF(node, struct lock_waiter, node);
        if (conflicts_with_holders(table, lock, wait->transaction, wait->mode) ||
            conflicts_with_queue(table, lock, node, wait->transaction, wait->mode))
            continue;
        if (!hold_reserve(table))
            return; /* served when the next lock is released */
        list_remove(node);
        grant(table, lock, wait->transaction, wait->holds, wait->mode);
        wait->granted = true;
        condition_wake_one(&wait->condition);
    }
}

/* ---- claims ---------------------------------------------------------------------------------- */

static uint32_t claim_tag(uint64_t hash) {
    uint32_t tag = (uint32_t)(hash >> 32);
    return tag != 0 ? tag : 1;
}

/* The slot that holds the hash, or the free one where it belongs. */
static uint32_t *claim_slot(struct claim_segment *segment, uint64_t hash) {
    uint32_t mask = segment->slot_count - 1, tag = claim_tag(hash), at = (uint32_t)hash & mask;
    while (segment->slots[at] != 0 && segment->slots[at] != tag)
        at = (at + 1) & mask;
    return &segment->slots[at];
}

static bool claims_have(const struct lock_claims *claims, uint64_t hash) {
    for (struct claim_segment *segment = claims->newest; segment != NULL; segment = segment->older)
        if (*claim_slot(segment, hash) != 0)
            return true;
    return false;
}

/* Room for one claim more in the newest segment. */
static enum status claims_reserve(struct lock_table *table, struct lock_claims *claims) {
    struct claim_segment *newest = claims->newest;
    if (newest != NULL && newest->used < newest->slot_count - newest->slot_count / 8)
        return STATUS_OK;
    size_t count = CLAIM_SLOTS_FIRST;
    if (newest != NULL)
        count = newest->slot_count < CLAIM_SLOTS_MAX ? newest->slot_count * 2 : CLAIM_SLOTS_MAX;
    struct claim_segment *segment =
        memory_alloc_zeroed(1, sizeof *segment + count * sizeof segment->slots[0]);
    if (segment == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    segment->slot_count = (uint32_t)count;
    segment->older = newest;
    if (newest == NULL && claims->written == NULL) {
        list_insert_before(&table->claims, &claims->node);
        table->claims_serial++;
    }
    claims->newest = segment;
    return STATUS_OK;
}

static void segments_free(struct lock_claims *claims) {
    while (claims->newest != NULL) {
        struct claim_segment *segment = claims->newest;
        claims->newest = segment->older;
        memory_free(segment);
    }
    claims->count = 0;
}

void lock_claims_settle(struct lock_table *table, struct lock_claims *claims,
                        lock_written written) {
    if (claims->newest == NULL)
        return;
    segments_free(claims);
    claims->written = written;
    table->claims_serial++;
}

void lock_claims_release(struct lock_table *table, struct lock_claims *claims) {
    claims->asked = 0;
    if (claims->newest == NULL && claims->written == NULL)
        return;
    list_remove(&claims->node);
    table->claims_serial++;
    segments_free(claims);
    claims->written = NULL;
}

/* The claims of another transaction that has written the key, or NULL. It is so when this returns;
   in between it may suspend, and then begins again when the claims have changed. */
static enum status written_by_others(struct fiber *f, struct lock_table *table,
                                     const struct lock_request *request, struct slice key,
                                     struct lock_claims **claims_out) {
    for (;;) {
        *claims_out = NULL;
        uint64_t serial = table->claims_serial;
        bool again = false;
        LIST_FOR (&table->claims, node) {
            struct lock_claims *claims = CONTAINER_OF(node, struct lock_claims, node);
            if (claims->transaction == request->transaction || claims->written == NULL)
                continue;
            bool written, busy;
            TRY(claims->written(f, claims, request->name, key, &written, &busy));
            again = busy || serial != table->claims_serial;
            if (written && !again)
                *claims_out = claims;
            if (written || again)
                break;
        }
        if (!again)
            return STATUS_OK;
        fiber_yield(f);
        TRY(fiber_check(f));
    }
}

static bool claimed_by_others(const struct lock_table *table, uint64_t hash,
                              const struct transaction *transaction) {
    LIST_FOR (&((struct lock_table *)table)->claims, node) {
        const struct lock_claims *claims = CONTAINER_OF(node, const struct lock_claims, node);
        if (claims->transaction != transaction && claims_have(claims, hash))
            return true;
    }
    return false;
}

/* Every other's claim on the key becomes a hold of the lock. All of them: if one is there by chance
   only, we cannot know which. */
static enum status claims_promote(struct lock_table *table, struct lock *lock, uint64_t hash,
                                  const struct transaction *transaction) {
    LIST_FOR (&table->claims, node) {
        struct lock_claims *claims = CONTAINER_OF(node, struct lock_claims, node);
        if (claims->transaction == transaction || !claims_have(claims, hash))
            continue;
        if (!hold_reserve(table))
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        grant(table, lock, claims->transaction, claims->holds, table->modes->mode_count);
    }
    return STATUS_OK;
}

void lock_release_all(struct lock_table *table, struct lock_hold **holds) {
    while (*holds != NULL) {
        struct lock_hold *hold = *holds;
        struct lock *lock = hold->lock;
        *holds = hold->next_of_transaction;
        struct lock_hold **link = &lock->holds;
        while (*link != hold)
            link = &(*link)->next_of_lock;
        *link = hold->next_of_lock;
        hold->next_of_lock = table->free_holds;
        table->free_holds = hold;
        if (!list_empty(&lock->queue))
            queue_serve(table, lock);
        lock_forget_if_unused(table, lock);
    }
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* Wait until granted, a deadline of ours, or a failure. The fiber's own deadline is kept when it
   is nearer. */
static enum status wait_until(struct fiber *f, struct lock_waiter *wait, int64_t at_ns) {
    struct deadline old = fiber_deadline(f);
    bool ours = at_ns != 0 && (old.at_ns == 0 || at_ns < old.at_ns);
    if (ours)
        fiber_deadline_set(f, (struct deadline){at_ns, STATUS_LOCK_NOT_AVAILABLE,
                                                "canceling statement due to lock timeout"});
    enum status status = STATUS_OK;
    if (!wait->granted)
        status = condition_wait(f, &wait->condition);
    if (ours)
        fiber_deadline_set(f, old);
    return status;
}

static enum status wait_granted(struct fiber *f, const struct lock_request *request,
                                struct lock_waiter *wait) {
    int64_t now = clock_monotonic_ns();
    int64_t timeout_at = request->timeout_ms > 0 ? now + request->timeout_ms * 1000000 : 0;
    int64_t patience_ms =
        by_chance("txn: a waiter looks for deadlocks at once") ? 0 : request->deadlock_timeout_ms;
    int64_t check_at = now + patience_ms * 1000000;
    while (!wait->granted) {
        bool check_first = check_at != 0 && (timeout_at == 0 || check_at < timeout_at);
        enum status status = wait_until(f, wait, check_first ? check_at : timeout_at);
        if (wait->granted || status == STATUS_OK)
            break;
        if (status != STATUS_LOCK_NOT_AVAILABLE || !check_first)
            return status;
        check_at = 0;
        error_clear();
        if (request->deadlock_check != NULL)
            TRY(request->deadlock_check(f, request->transaction));
    }
    ASSERT(wait->granted);
    return STATUS_OK;
}

/* Behind everybody, or before the first who waits for what we hold. */
static struct list *queue_place(const struct lock_table *table, struct lock *lock,
                                const struct transaction *transaction) {
    const struct lock_hold *hold = hold_of(lock, transaction);
    if (hold != NULL)
        LIST_FOR (&lock->queue, node) {
            struct lock_waiter *other = CONTAINER_OF(node, struct lock_waiter, node);
            if ((table->modes->conflicts[other->mode] & hold->modes) != 0)
                return node;
        }
    return &lock->queue;
}

static enum status lock_wait_for(struct fiber *f, struct lock_table *table, struct lock *lock,
                                 struct list *place, const struct lock_request *request) {
    struct lock_waiter wait = {.transaction = request->transaction,
                               .holds = request->holds,
                               .mode = request->mode,
                               .serial = ++table->wait_serial};
    list_insert_before(place, &wait.node);
    table->waiting++;
    enum status status = wait_granted(f, request, &wait);
    table->waiting--;
    if (!wait.granted) {
        list_remove(&wait.node);
        queue_serve(table, lock);
        lock_forget_if_unused(table, lock);
        return status;
    }
    return STATUS_OK; /* granted, even if a cancellation came in the same moment */
}

enum status lock_acquire(struct fiber *f, struct lock_table *table,
                         const struct lock_request *request, bool *locked_out, bool *waited_out) {
    ASSERT(request->mode >= 1 && request->mode <= table->modes->mode_count);
    uint64_t full_hash = name_hash(request->name, request->key);
    uint32_t hash = (uint32_t)full_hash;
    struct lock *lock = *lock_link(table, hash, request->name, request->key);
    *locked_out = true;
    *waited_out = false;
    if (lock != NULL) {
        const struct lock_hold *hold = hold_of(lock, request->transaction);
        if (hold != NULL && covers(table, hold->modes, request->mode))
            return STATUS_OK;
    }
    struct lock_claims *writer = NULL;
    if (__builtin_expect(!list_empty(&table->claims), 0)) {
        TRY(written_by_others(f, table, request, request->key, &writer));
        lock = *lock_link(table, hash, request->name, request->key);
    }
    if (!hold_reserve(table))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (lock == NULL)
        lock = lock_create(table, hash, request->name, request->key);
    if (lock == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (__builtin_expect(!list_empty(&table->claims), 0)) {
        if (writer != NULL)
            grant(table, lock, writer->transaction, writer->holds, table->modes->mode_count);
        enum status status = claims_promote(table, lock, full_hash, request->transaction);
        if (status == STATUS_OK && !hold_reserve(table)) /* granting claims may have used it up */
            status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        if (status != STATUS_OK) {
            lock_forget_if_unused(table, lock);
            return status;
        }
    }
    struct list *place = queue_place(table, lock, request->transaction);
    if (!conflicts_with_holders(table, lock, request->transaction, request->mode) &&
        !conflicts_with_queue(table, lock, place, request->transaction, request->mode)) {
        grant(table, lock, request->transaction, request->holds, request->mode);
        return STATUS_OK;
    }
    if (request->wait == LOCK_WAIT) {
        *waited_out = true;
        return lock_wait_for(f, table, lock, place, request);
    }
    *locked_out = false;
    if (request->wait == LOCK_SKIP)
        return STATUS_OK;
    return error_set(STATUS_LOCK_NOT_AVAILABLE, "could not obtain lock");
}

/* Somebody has or wants the key: a lock of the ordinary kind. */
static enum status claim_slowly(struct fiber *f, struct lock_table *table,
                                const struct lock_request *request, struct slice key,
                                bool *locked_out, bool *waited_out) {
    struct lock_request one = *request;
    one.key = key;
    one.mode = table->modes->mode_count;
    bool locked, waited;
    TRY(lock_acquire(f, table, &one, &locked, &waited));
    *locked_out &= locked;
    *waited_out |= waited;
    return STATUS_OK;
}

enum status lock_claim_keys(struct fiber *f, struct lock_table *table, struct lock_claims *claims,
                            const struct lock_request *request, const struct slice *keys,
                            size_t count, bool *locked_out, bool *waited_out) {
    uint64_t hashes[CLAIM_LOOKAHEAD];
    *locked_out = true;
    *waited_out = false;
    claims->transaction = request->transaction;
    claims->holds = request->holds;
    for (size_t i = 0; i < count; i++) {
        if (i % CLAIM_LOOKAHEAD == 0) {
            TRY(claims_reserve(table, claims));
            const struct claim_segment *newest = claims->newest;
            for (size_t k = i; k < count && k < i + CLAIM_LOOKAHEAD; k++) {
                uint64_t hash = name_hash(request->name, keys[k]);
                hashes[k - i] = hash;
                __builtin_prefetch(&newest->slots[(uint32_t)hash & (newest->slot_count - 1)], 1);
            }
        }
        uint64_t hash = hashes[i % CLAIM_LOOKAHEAD];
        struct lock_claims *writer;
        TRY(written_by_others(f, table, request, keys[i], &writer));
        if (writer != NULL || *lock_link(table, (uint32_t)hash, request->name, keys[i]) != NULL ||
            claimed_by_others(table, hash, request->transaction)) {
            TRY(claim_slowly(f, table, request, keys[i], locked_out, waited_out));
            continue;
        }
        TRY(claims_reserve(table, claims));
        uint32_t *slot = claim_slot(claims->newest, hash);
        claims->newest->used += *slot == 0;
        claims->count += *slot == 0;
        *slot = claim_tag(hash);
    }
    return STATUS_OK;
}

/* ---- looking ------------------------------------------------------------------------------- */

static void wait_edges_visit(const struct lock_table *table, const struct lock *lock,
                             const struct list *node,
                             void (*visit)(void *context, const struct lock_edge *edge),
                             void *context) {
    const struct lock_waiter *wait = CONTAINER_OF(node, const struct lock_waiter, node);
    uint16_t conflicts = table->modes->conflicts[wait->mode];
    struct lock_edge edge = {.waiter = wait->transaction,
                             .waiter_id = transaction_id(wait->transaction).value,
                             .serial = wait->serial,
                             .name = lock->name,
                             .mode = table->modes->names[wait->mode]};
    for (const struct lock_hold *hold = lock->holds; hold != NULL; hold = hold->next_of_lock) {
        if (hold->transaction == wait->transaction || (hold->modes & conflicts) == 0)
            continue;
        edge.holder = hold->transaction;
        edge.holder_id = transaction_id(hold->transaction).value;
        visit(context, &edge);
    }
    for (const struct list *before = lock->queue.next; before != node; before = before->next) {
        const struct lock_waiter *other = CONTAINER_OF(before, const struct lock_waiter, node);
        if (other->transaction == wait->transaction || (conflicts & 1u << other->mode) == 0)
            continue;
        edge.holder = other->transaction;
        edge.holder_id = transaction_id(other->transaction).value;
        visit(context, &edge);
    }
}

void lock_edges_visit(const struct lock_table *table,
                      void (*visit)(void *context, const struct lock_edge *edge), void *context) {
    if (table->waiting == 0)
        return;
    for (size_t i = 0; i < table->bucket_count; i++)
        for (const struct lock *lock = table->buckets[i]; lock != NULL; lock = lock->next)
            for (const struct list *node = lock->queue.next; node != &lock->queue;
                 node = node->next)
                wait_edges_visit(table, lock, node, visit, context);
}

static void lock_view_visit(const struct lock_table *table, const struct lock *lock,
                            void (*visit)(void *context, const struct lock_view *view),
                            void *context, struct lock_view view) {
    view.oid_or_tree = lock->name;
    view.granted = true;
    for (const struct lock_hold *hold = lock->holds; hold != NULL; hold = hold->next_of_lock)
        for (unsigned mode = 1; mode <= table->modes->mode_count; mode++) {
            if ((hold->modes & 1u << mode) == 0)
                continue;
            view.mode = table->modes->names[mode];
            view.transaction = transaction_id(hold->transaction);
            visit(context, &view);
        }
    view.granted = false;
    LIST_FOR (&((struct lock *)lock)->queue, node) {
        struct lock_waiter *wait = CONTAINER_OF(node, struct lock_waiter, node);
        view.mode = table->modes->names[wait->mode];
        view.transaction = transaction_id(wait->transaction);
        visit(context, &view);
    }
}

void lock_views_visit(const struct lock_table *table,
                      void (*visit)(void *context, const struct lock_view *view), void *context,
                      const struct lock_view *base) {
    for (size_t i = 0; i < table->bucket_count; i++)
        for (const struct lock *lock = table->buckets[i]; lock != NULL; lock = lock->next)
            lock_view_visit(table, lock, visit, context, *base);
}

const char *lock_table_check(const struct lock_table *table) {
    size_t count = 0;
    for (size_t i = 0; i < table->bucket_count; i++)
        for (const struct lock *lock = table->buckets[i]; lock != NULL; lock = lock->next) {
            count++;
            if (lock->holds == NULL && list_empty(&lock->queue))
                return "an unused lock is in the table";
            for (const struct lock_hold *a = lock->holds; a != NULL; a = a->next_of_lock)
                for (unsigned mode = 1; mode <= table->modes->mode_count; mode++)
                    if ((a->modes & 1u << mode) != 0 &&
                        conflicts_with_holders(table, lock, a->transaction, mode))
                        return "two transactions hold conflicting modes";
        }
    return count == table->lock_count ? NULL : "the count of locks is wrong";
}
