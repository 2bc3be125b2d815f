/*
 * Private to the room: the store, its partitions and its transactions.
 *
 * Who owns what:
 *   store.visible, .applied      written by core 0, read by all
 *   store.tracker, waiters, relation locks, journal       core 0
 *   store.snapshots[core]        that core
 *   partition                    the core it lives on, and only inside partition_call
 *   transaction                  the session's core; transaction.parts[p] the core of partition p
 *                                while a call runs there, the session's core otherwise
 *
 * Commits run on core 0, so that numbers, applying and visibility have one order and need no
 * atomics beyond the watermarks.
 */
#ifndef TXN_STORE_H
#define TXN_STORE_H

#include <stdatomic.h>

#include "journal/journal.h"
#include "pager/pager.h"
#include "runtime/runtime_file.h"
#include "runtime/runtime_sync.h"
#include "txn/layer.h"
#include "txn/lock.h"
#include "txn/txn.h"
#include "txn/txn_format.h"

enum {
    STORE_PATH_SIZE = 1024,
    STORE_DIRECTORY_SIZE = 800,
    COMMIT_CORE = 0,
    TRACKER_SIZE = 1 << 16,       /* commits between the oldest invisible and the newest */
    LAYER_MEMORY_MAX = 512 << 10, /* bytes of a write set before it spills */
    HISTORY_MEMORY_MAX = 4 << 20, /* bytes of a history generation before it spills; less when */
    HISTORY_MEMORY_SHARE = 64,    /* all of them would be more than a 64th of the memory */
    HISTORY_MEMORY_MIN = 64 << 10,
    BATCH_CLAIMS_MAX = 16384,   /* of a transaction on a partition before they are settled */
    KEY_LOCKS_MAX = 256,        /* of a transaction on a partition; what it locks beyond is
                                   claimed */
    HISTORY_ROTATE_COUNT = 512, /* entries before it is worth dropping a generation */
    TRANSACTIONS_POOLED = 64,   /* kept for reuse on each core */
    TREE_DROPPED = 0x7FFFFFFF,  /* the tree that remembers dropped trees */
};

/* ---- trees and history -------------------------------------------------------------------- */

/* "The keys first..last (8 bytes big-endian) were absent before this commit." */
struct insert_run {
    uint64_t first, last, commit;
};
struct run_list { /* rising, disjoint */
    struct insert_run *runs;
    size_t count, capacity;
    uint64_t commit_max;
};

/* When a part of a tree was written to last. */
enum { ACTIVITY_SLOTS = 32 };
struct tree_activity {
    uint64_t part;
    int64_t at_ns;
};
/* Entries that scans read of a part of a tree. */
enum { READ_SLOTS = 128 };
struct tree_reads {
    uint64_t part, entries;
};

struct tree {
    struct tree *next; /* in the bucket */
    struct tree_id id;
    struct btree base;
    uint64_t changed_newest; /* newest commit that changed it since the store was opened: a snapshot
                                that is not older sees the base as it is */
    uint64_t change_count;   /* entries that commits changed since the store was opened */
    uint64_t entry_count[2]; /* history entries in each generation */
    struct run_list runs[2];
    uint64_t row_next;              /* 0: not known yet */
    uint64_t row_end;               /* where ids from row_next on are used up; 0: nowhere yet */
    uint64_t row_beyond;            /* with row_end: behind all ids given out */
    uint64_t bytes_range, bytes;    /* of new rows in a range: partition_row_bytes */
    struct tree_activity *activity; /* ACTIVITY_SLOTS, by part; NULL: never touched */
    struct tree_reads *reads;       /* READ_SLOTS, by part; NULL: none noted */
    struct tree_notes **notes;      /* note.c; NULL: never had one */
    size_t note_count;
};

/* A page of a large value that commit `commit` replaced or deleted. */
struct retired_page {
    uint64_t commit;
    struct page_id page;
};

struct generation {
    struct layer layer;
    uint64_t end; /* largest commit in it */
    uint64_t run_count;
};

struct partition {
    struct store *store;
    unsigned number;
    _Atomic unsigned core;
    unsigned inside; /* calls and reads ahead in progress, on `core` */
    unsigned target; /* the core it shall live on once nobody is inside */
    char name[24];
    struct pager *pager;
    struct tree **buckets;
    size_t bucket_count, tree_count;
    struct generation generations[2];
    unsigned younger;
    unsigned fast_puts; /* base changes in flight that file their history in memory */
    bool spilling, clearing;
    struct condition spill_done, puts_done;
    uint64_t applied_newest;
    struct retired_page *retired;
    size_t retired_count, retired_capacity;
    struct lock_table locks;
    struct fiber_mutex clear_mutex; /* freeing a dropped tree against the checkpoint's cut */
    _Atomic uint64_t history_entries, bytes_used;
    _Atomic bool tight; /* the disk has no room beyond what is promised (commit.c) */
};

/* ---- the store ------------------------------------------------------------------------------ */

struct snapshot_core {
    _Alignas(64) _Atomic uint64_t oldest; /* UINT64_MAX: none */
    struct list active;                   /* transactions, by rising snapshot */
    struct transaction *pool;
    unsigned pool_count;
};

struct visible_waiter {
    struct list node;
    uint64_t number;
    struct condition condition;
};

struct store {
    struct runtime *runtime;
    unsigned core_count;
    char directory[STORE_DIRECTORY_SIZE];
    uint64_t database_id;
    unsigned partition_count;
    bool untended;
    int64_t checkpoint_interval_ms, deadlock_timeout_ms;
    uint64_t journal_size_target;
    struct file *lock_file;
    struct page_budget *budget;
    uint64_t memory_max;
    uint64_t statement_memory_max; /* what statements may be lent, all together */
    _Atomic uint64_t statement_memory_lent;
    uint64_t history_memory_max; /* bytes of a history generation before it spills */
    struct journal *journal;
    struct partition *partitions;

    _Atomic uint64_t visible, applied;
    uint8_t *tracker;            /* TRACKER_SIZE flags by commit number, core 0 */
    struct list visible_waiters; /* core 0 */
    struct lock_table relation_locks;
    struct snapshot_core snapshots[RUNTIME_CORES_MAX];
    _Atomic uint64_t transaction_next;
    /* spread.c */
    _Atomic int64_t brought_ns;
    _Atomic bool commits_busy, core_busy;
    uint64_t commits_seen, latency_seen_us; /* core 0: so many and so long, then */
    int64_t seen_ns;

    struct event checkpoint_wanted;
    struct fiber_mutex checkpoint_mutex; /* core 0 */
    bool stopping;
    struct event stop_wanted;
    unsigned background_count;
    struct event background_ended;
    uint64_t commits_at_checkpoint;

    _Atomic uint64_t commits, rollbacks, checkpoints, deadlocks;
    _Atomic uint64_t scratch_pages;
};

/* ---- transactions --------------------------------------------------------------------------- */

/* MOVED: under (tree | TREE_MOVED, key), word where the key's value went. It goes into history
   only, not into the journal. */
enum change { CHANGE_PUT = 1, CHANGE_PUT_CHECKED = 2, CHANGE_DELETE = 3, CHANGE_MOVED = 4 };
#define TREE_MOVED 0x80000000u /* no tree has this bit in its id */

/* A transaction's state on one partition. Once batch_claims are settled, other transactions read
   the layers too: whoever merges or clears them then holds `layers_mutex`. */
struct transaction_part {
    struct layer own;    /* ended statements */
    struct layer staged; /* the running one */
    struct lock_hold *locks;
    struct lock_claims claims;       /* of txn_lock_key */
    struct lock_claims batch_claims; /* of txn_lock_keys */
    struct fiber_mutex layers_mutex;
    struct page_id *pages; /* temporary ones of large values it has put */
    size_t page_count, page_capacity;
    bool has_large;
};

struct transaction {
    struct store *store;
    struct transaction *pool_next;
    struct transaction_id id;
    unsigned core;
    enum isolation isolation;
    bool read_only;
    bool snapshot_active;
    int64_t lock_timeout_ms;
    uint64_t snapshot;
    struct list active_node;
    _Atomic uint64_t parts_mask; /* partitions where it has written or locked */
    _Atomic uint64_t depends_on; /* newest commit whose effects it may have seen unreleased */
    struct lock_hold *relation_locks;
    uint16_t relation_modes; /* every mode it holds somewhere */
    struct tree_id *drops;
    size_t drop_count, drop_capacity;
    struct transaction_part *parts[]; /* one for each partition; kept for reuse */
};

/* ---- partition.c */
enum status partition__open(struct fiber *f, struct store *store, unsigned number, bool create)
    MUST_USE;
void partition__close(struct fiber *f, struct partition *partition);
/* The handle of a tree, made when first asked for. */
enum status partition__tree(struct partition *partition, struct tree_id id, struct tree **tree_out)
    MUST_USE;
/* Run the bookkeeping of a dropped tree that nobody needs any more. */
enum status partition__clear_dropped(struct fiber *f, struct partition *partition) MUST_USE;
bool partition__is_here(struct fiber *f, const struct partition *partition);
/* The end of a call, or of what has counted itself among those inside: the last one to leave
   carries out a move that is wished. */
void partition__leave(struct fiber *f, struct partition *partition);
/* Ask for a move to the core `*(unsigned *)argument`. */
enum status partition__move(struct fiber *f, struct partition *partition, void *argument) MUST_USE;
/* Move it to core 0; waits until nobody is inside. */
void partition__bring_home(struct fiber *f, struct store *store, unsigned number);

/* ---- note.c */

void note__release(struct tree *tree);

/* ---- history.c */
/* Change the base at commit `number`, filing what was there before. */
enum status history__change(struct fiber *f, struct partition *partition, struct tree *tree,
                            uint64_t number, const struct layer_entry *change) MUST_USE;
/* What did the key hold at `snapshot`, if history knows? `value_out` is copied to the arena (NULL:
   not wanted). */
struct history_answer {
    bool known, present;
    struct slice value;
};
enum status history__get(struct fiber *f, struct partition *partition, const struct tree *tree,
                         struct slice key, uint64_t snapshot, struct arena *arena,
                         struct history_answer *answer_out) MUST_USE;
/* The newest change of the key in history is later than `snapshot`? */
enum status history__changed(struct fiber *f, struct partition *partition, const struct tree *tree,
                             struct slice key, uint64_t snapshot, bool *changed_out) MUST_USE;
/* Old values of the key that a snapshot from `horizon` on may read. */
enum status history__count(struct fiber *f, struct partition *partition, const struct tree *tree,
                           struct slice key, uint64_t horizon, uint64_t *count_out) MUST_USE;
/* File word (entry->tree has TREE_MOVED) where the key's value went at commit `number`. */
enum status history__file_moved(struct fiber *f, struct partition *partition, uint64_t number,
                                const struct layer_entry *entry) MUST_USE;
/* The word about a key that a commit after `snapshot` left. *size_out 0: there is none. */
enum status history__moved(struct fiber *f, struct partition *partition, struct tree_id tree,
                           struct slice key, uint64_t snapshot,
                           uint8_t moved_to[TXN_MOVED_SIZE_MAX], size_t *size_out) MUST_USE;
/* Did the key of an entry of a generation's layer have a value before the entry's commit? */
bool history__entry_present(const struct layer_entry *entry);
/* The first commit after `snapshot` that inserted the key, as far as runs know; UINT64_MAX: none.
 */
uint64_t history__run_commit(const struct tree *tree, uint64_t snapshot, uint64_t key);
/* Index of the first run whose last key is >= key. */
size_t history__run_search(const struct run_list *list, uint64_t key);
/* Is any run of the tree newer than the snapshot and within the keys? */
bool history__runs_touch(const struct tree *tree, uint64_t snapshot, uint64_t first, uint64_t last);
/* Drop the older generation and seal the younger one, if the horizon allows. */
void history__rotate(struct fiber *f, struct partition *partition, bool force);
void history__release(struct fiber *f, struct partition *partition);

/* ---- snapshot.c */
void snapshot__init(struct store *store, uint64_t visible);
/* Never suspends; on the transaction's core. `applied`: see what is applied everywhere, even if it
   is not durable yet. */
void snapshot__take(struct transaction *transaction, bool applied);
void snapshot__drop(struct transaction *transaction);
/* Core 0: the commit is applied everywhere; `asynchronous` ones need not be durable. */
void snapshot__applied(struct store *store, uint64_t number, bool asynchronous);
/* Wait (shielded) until new snapshots see the commit. Any core. */
void snapshot__wait_visible(struct fiber *f, struct store *store, uint64_t number);
void snapshot__on_durable(void *context, struct commit_number durable);

/* ---- transaction.c */
enum status transaction__part(struct transaction *transaction, struct partition *partition,
                              struct transaction_part **part_out) MUST_USE;
static inline struct transaction_part *transaction__part_if(struct transaction *transaction,
                                                            unsigned partition) {
    uint64_t mask = atomic_load_explicit(&transaction->parts_mask, memory_order_relaxed);
    return (mask & 1ull << partition) != 0 ? transaction->parts[partition] : NULL;
}
/* Put the change into the write set. */
enum status transaction__stage(struct fiber *f, struct transaction *transaction,
                               struct partition *partition, const struct layer_entry *entry)
    MUST_USE;
/* Release what the transaction holds on the partition, then forget its writes there. Suspends. */
void transaction__part_end(struct fiber *f, struct partition *partition,
                           struct transaction_part *part);
void transaction__depend(struct transaction *transaction, uint64_t number);
void transaction__free(struct fiber *f, struct transaction *transaction);
void transaction__pool_release(struct store *store);

/* ---- ahead.c */
/* As txn_read_ahead, of any durable page. */
enum txn_ahead ahead__read(struct fiber *f, struct partition *partition, struct page_id id);

/* ---- large.c */
enum {
    LARGE_INLINE_MAX = 1024, /* bytes of a value that lies in the tree itself */
    LARGE_REFERENCE_SIZE = 13,
    LARGE_STORED_SIZE_MAX = LARGE_INLINE_MAX + 1,
};
static inline bool tree_is_large(struct tree_id tree) {
    return (tree.value & TREE_LARGE) != 0 && tree.value != TREE_DROPPED;
}
/* False for a value that lies in the tree itself. */
bool large__reference(struct slice stored, struct page_id *page_out, uint32_t *size_out);
/* Does the value lie in the tree itself? What is neither this nor a reference is malformed. */
bool large__is_short(struct slice stored);
/* The value itself if it lies in the tree, else empty. */
struct slice large__short(struct slice stored);
/* Make the stored form of a value, with a page if it needs one; *stored_out lies in `stored`. No
   suspension between the page's being there and the return. */
enum status large__store(struct fiber *f, struct partition *partition, bool durable,
                         struct slice bytes, uint8_t stored[LARGE_STORED_SIZE_MAX],
                         struct slice *stored_out) MUST_USE;
/* From the write set's form to the base's. */
enum status large__make_durable(struct fiber *f, struct partition *partition, struct slice *stored,
                                uint8_t bytes[LARGE_STORED_SIZE_MAX]) MUST_USE;
/* Free the write set's pages. Never suspends. */
void large__part_release(struct partition *partition, struct transaction_part *part);
/* Commit `number` has taken this out of the base. */
void large__retire(struct partition *partition, uint64_t number, struct slice stored);
void large__free_retired(struct partition *partition, uint64_t horizon);
/* Add the bytes of the pages that a tree refers to. */
enum status large__bytes(struct fiber *f, struct tree *tree, uint64_t *bytes) MUST_USE;
enum status large__clear(struct fiber *f, struct partition *partition, struct tree *tree) MUST_USE;
/* When the store is opened, the journal replayed: free pages that no tree refers to. */
enum status large__sweep(struct fiber *f, struct partition *partition, void *argument) MUST_USE;
enum status large__check(struct fiber *f, struct partition *partition,
                         void (*report)(void *context, struct tree_id tree, const char *what),
                         void *context) MUST_USE;

/* ---- commit.c */
enum status commit__run(struct fiber *f, struct transaction *transaction, bool synchronous,
                        struct commit_number *number_out) MUST_USE;

/* ---- recover.c */
struct recovery;
enum status recover__journal(struct fiber *f, struct store *store,
                             const struct store_options *options) MUST_USE;

/* Replay a journal of another directory, which may be damaged, into an open store: what `wanted`
   (or NULL) says. Nobody uses the store's trees meanwhile. */
struct salvage_journal {
    const char *directory;
    uint64_t database_id;
    uint64_t applied[PARTITIONS_MAX];
    bool (*wanted)(void *context, struct tree_id tree);
    void (*report)(void *context, const char *line);
    void *context;
};
enum status recover__salvage(struct fiber *f, struct store *store,
                             const struct salvage_journal *source,
                             struct journal_salvage *salvage_out) MUST_USE;

/* ---- stop_mark.c */
enum status stop_mark__read(struct fiber *f, const char *directory, bool *found_out,
                            struct stop_mark *mark_out) MUST_USE;
enum status stop_mark__write(struct fiber *f, const char *directory, const struct stop_mark *mark)
    MUST_USE;
enum status stop_mark__remove(struct fiber *f, const char *directory) MUST_USE;

/* ---- checkpoint.c */
enum status checkpoint__run(struct fiber *f, struct store *store) MUST_USE;
enum status background__start(struct fiber *f, struct store *store) MUST_USE;
void background__stop(struct fiber *f, struct store *store);

/* ---- deadlock.c */
enum status deadlock__check(struct fiber *f, struct transaction *transaction) MUST_USE;

/* ---- spread.c ---- */
/* From time to time, on core 0: partitions that nobody has had brought lately go home, and all
   where there are many commits. */
void spread__settle(struct fiber *f, struct store *store);
/* So many commits a second keep partitions at home. Tests change it. */
extern double spread__busy_rate;
/* With this share of its time, core 0 is busy. Tests change it. */
extern double spread__busy_share;

#endif
