/*
 * Lock tables: names with modes, holders and a queue each. The same code serves the keys of a
 * partition (two modes) and relations (PostgreSQL's eight); a table belongs to one core.
 *
 * A request is granted when its mode conflicts neither with what others hold nor with a waiter in
 * front of it. It queues at the end, except that a holder passes the waiters that wait for what it
 * holds already (they could not be served before it ends anyway).
 *
 * A bulk insert locks very many keys that mostly nobody else asks for, so it *claims* them: a claim
 * is 4 bytes of the key's hash in a set of the transaction, and excludes everybody else. When
 * somebody else asks for a claimed key, the claim becomes an ordinary lock first, held by the
 * claimant, and the asker queues there. Two keys can look the same in a set (about one time in a
 * thousand million): then somebody waits who need not have. A claim never spares its own
 * transaction an ordinary lock, so what looks the same by chance never lets anybody in.
 *
 * A claimed key that has been written since is in the claimant's write set, which can spill; so its
 * hash is memory that can be given back. lock_claims_settle does that: from then on whoever asks
 * for any key looks into that write set as well, and what is found there is held by the claimant.
 * The look may suspend; `claims_serial` tells whether the set of claims is still the one that was
 * asked.
 */
#ifndef TXN_LOCK_H
#define TXN_LOCK_H

#include "base/base_list.h"
#include "base/base_slice.h"
#include "runtime/runtime_sync.h"
#include "txn/txn.h"

enum { LOCK_MODES_MAX = 9 };

/* conflicts[mode] has bit m set when mode m conflicts with it. Mode 0 is unused. */
struct lock_modes {
    unsigned mode_count; /* modes are 1 .. mode_count */
    uint16_t conflicts[LOCK_MODES_MAX];
    const char *names[LOCK_MODES_MAX];
};
extern const struct lock_modes lock_modes_key, lock_modes_relation;

/* A holder's share of a lock, in the lock's list and in the transaction's. */
struct lock_hold {
    struct lock_hold *next_of_lock, *next_of_transaction;
    struct transaction *transaction;
    struct lock *lock;
    uint16_t modes;
};

struct lock_waiter {
    struct list node; /* in the lock's queue */
    struct transaction *transaction;
    struct lock_hold **holds; /* where the granted hold goes */
    unsigned mode;
    bool granted;
    uint64_t serial; /* of this wait, unique in the table */
    struct condition condition;
};

struct lock {
    struct lock *next; /* in the bucket */
    struct lock_hold *holds;
    struct list queue; /* of lock_wait */
    uint32_t hash;
    uint32_t name; /* tree or relation */
    uint32_t key_size;
    uint8_t key[];
};

/* A set of hashes in open addressing, a chain of segments each twice as large as the one before:
   nothing is ever moved. The slot is chosen by the low half of the hash, and holds the high half;
   0 is free. A zeroed lock_claims is empty. */
struct claim_segment {
    struct claim_segment *older;
    uint32_t slot_count, used; /* slot_count: a power of two */
    uint32_t slots[];
};
struct lock_claims;
/* Has the claimant written the key of tree `name`? *busy_out: its write set cannot be read just
   now. May suspend. */
typedef enum status (*lock_written)(struct fiber *f, struct lock_claims *claims, uint32_t name,
                                    struct slice key, bool *written_out, bool *busy_out);
struct lock_claims {
    struct list node; /* in the table's list while newest != NULL or written != NULL */
    struct transaction *transaction;
    struct lock_hold **holds; /* where a claim goes that becomes a lock */
    struct claim_segment *newest;
    uint64_t count;       /* in the segments */
    lock_written written; /* settled claims are to be asked for here; NULL: there are none */
    uint32_t asked;       /* for the owner's use; 0 again when released */
};

struct lock_table {
    const struct lock_modes *modes;
    struct list claims;     /* of lock_claims that are not empty */
    uint64_t claims_serial; /* rises when the list changes or claims are settled */
    struct lock **buckets;
    size_t bucket_count, lock_count;
    struct lock_hold *free_holds;
    struct lock *free_locks; /* with room for small keys */
    uint64_t wait_serial;
    uint32_t waiting; /* waits in progress */
};

enum status lock_table_init(struct lock_table *table, const struct lock_modes *modes) MUST_USE;
void lock_table_release(struct lock_table *table);

/* The modes the transaction holds; never suspends. */
struct lock_request {
    struct transaction *transaction;
    struct lock_hold **holds; /* the transaction's list for this table */
    uint32_t name;
    struct slice key;
    unsigned mode;
    enum lock_wait wait;
    int64_t timeout_ms, deadlock_timeout_ms;
    /* Called when the deadlock timeout passed while waiting; a failure ends the wait. */
    enum status (*deadlock_check)(struct fiber *f, struct transaction *transaction);
};
enum status lock_acquire(struct fiber *f, struct lock_table *table,
                         const struct lock_request *request, bool *locked_out, bool *waited_out)
    MUST_USE;
/* Exclusive locks on `count` keys; all members of `request` but key and mode (the strongest) are
   used. Suspends only to wait for others' locks. When it fails some keys are locked. *locked_out:
   all are (LOCK_SKIP); *waited_out: any wait. */
enum status lock_claim_keys(struct fiber *f, struct lock_table *table, struct lock_claims *claims,
                            const struct lock_request *request, const struct slice *keys,
                            size_t count, bool *locked_out, bool *waited_out) MUST_USE;
/* Every key claimed so far has been written: forget the hashes, ask `written` from now on. Never
   suspends. */
void lock_claims_settle(struct lock_table *table, struct lock_claims *claims, lock_written written);
void lock_claims_release(struct lock_table *table, struct lock_claims *claims);
/* Give back everything in the list, and wake who can go on. The transaction's claims have been
   released before. Never suspends. */
void lock_release_all(struct lock_table *table, struct lock_hold **holds);

/* Who waits for whom right now. */
struct lock_edge {
    struct transaction *waiter, *holder;
    uint64_t waiter_id, holder_id;
    uint64_t serial;
    unsigned partition; /* PARTITIONS_MAX: relations */
    uint32_t name;
    const char *mode;
};
void lock_edges_visit(const struct lock_table *table,
                      void (*visit)(void *context, const struct lock_edge *edge), void *context);
void lock_views_visit(const struct lock_table *table,
                      void (*visit)(void *context, const struct lock_view *view), void *context,
                      const struct lock_view *base);
/* The first broken invariant, or NULL. */
const char *lock_table_check(const struct lock_table *table);

#endif
