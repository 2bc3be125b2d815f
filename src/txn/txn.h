/*
 * Transactions over the ordered trees of a partitioned store.
 *
 *   store      the whole: journal, partitions, snapshots, relation locks, checkpoints
 *   partition  one pager and its trees, owned by one core at a time
 *   tree       an ordered map from bytes to bytes; rows of a table, entries of an index ...
 *   transaction  a snapshot, a private write set on each partition it wrote to, locks
 *
 * Three layers make a tree as a transaction sees it, each an ordered map on the pager's pages:
 *
 *       own writes (temporary tree)     what this transaction put or deleted
 *            over
 *       history (temporary tree)        (tree, key, commit) -> what the key held before `commit`
 *            over
 *       base (durable tree)             the newest committed version of every key
 *
 * Reading key k at snapshot S: own write if any; else the history entry of k with the smallest
 * commit > S; else the base. History is dropped when no snapshot needs it. It is kept in two
 * generations so that dropping is freeing a whole tree: the younger one is sealed only when every
 * snapshot is newer than the older one, which is then freed.
 *
 * Commit: the write sets are encoded as one journal record (a list of puts, deletes and tree drops
 * by partition); the record's place is the commit number N; each partition applies its part (base
 * changed, old values to history), then row locks are released. The commit becomes *visible* (new
 * snapshots include it) once it and all before it are applied and durable; then the client is
 * answered. Redo is by key, so replaying anything twice changes nothing.
 *
 * Large entries: the values of a tree whose id has TREE_LARGE may be up to a megabyte; each lies on
 * a page of its own beside the tree and is read in place. Everything else is as for other entries:
 * snapshots, own writes, history, the journal (which carries the bytes), drops.
 *
 * Statements: writes of the running statement are staged and become visible to its own transaction
 * only when the statement ends (no statement sees its own writes); txn_get_newest sees them.
 */
#ifndef TXN_H
#define TXN_H

#include "base/base_arena.h"
#include "base/base_ids.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "runtime/runtime.h"

struct store;
struct partition;
struct transaction;

/* ---- store ----------------------------------------------------------------------------- */

enum { PARTITIONS_MAX = 64, PARTITION_CATALOG = 0 };

struct store_options {
    const char *directory;
    bool create;                    /* DUPLICATE_FILE if there is a database already */
    unsigned partition_count;       /* at creation; 0: 8. At open: 0, or must match */
    uint64_t memory_max;            /* bytes for all; most of it for pages */
    uint64_t journal_size_target;   /* bytes; 0: journal's default */
    uint64_t journal_segment_size;  /* bytes; 0: journal's default */
    int journal_sync;               /* enum journal_sync */
    int64_t checkpoint_interval_ms; /* 0: 60,000 */
    int64_t deadlock_timeout_ms;    /* 0: 1,000 */
    bool untended;                  /* pages stay where they are, be there ever so much space */
};

/* Open or create: takes the directory's lock (OBJECT_IN_USE if held), reads the partitions'
   checkpoints, replays the journal (progress in the log), starts the background fibers. Runs on
   core 0. Errors leave the directory as it was. */
enum status store_open(struct fiber *f, const struct store_options *options,
                       struct store **store_out) MUST_USE;
/* All transactions have ended. Checkpoints, so that the next open has nothing to replay. */
enum status store_close(struct fiber *f, struct store *store) MUST_USE;
/* As if the process were killed now, for tests of recovery: nothing is written any more, the lock
   is given back. No call of a transaction is running. */
void store_abandon(struct fiber *f, struct store *store);
/* Bytes of memory it was opened with. */
uint64_t store_memory(const struct store *store);
/* Memory that statements may take beyond their own limits: a share of the server's, for all of them
   together. False: so much is not left. What was lent is returned. Any thread. */
bool store_memory_lend(struct store *store, uint64_t bytes);
void store_memory_return(struct store *store, uint64_t bytes);
unsigned store_partition_count(const struct store *store);
/* Checkpoint every partition now and recycle journal segments. */
enum status store_checkpoint(struct fiber *f, struct store *store) MUST_USE;
/* Give the free space of the page files back: moves pages, checkpoints twice. The background does
   the same little by little, for space that was free for a while. */
enum status store_shrink(struct fiber *f, struct store *store) MUST_USE;
/* Largest commit every new snapshot sees. Any thread. */
struct commit_number store_visible(const struct store *store);
/* Smallest snapshot in use, or visible when none. Any thread. */
struct commit_number store_horizon(const struct store *store);

/* Run `function` where the partition lives (a plain call when that is here). Everything below
   that takes a `struct partition *` must run inside such a call. */
typedef enum status (*partition_function)(struct fiber *f, struct partition *partition,
                                          void *argument);
enum status partition_call(struct fiber *f, struct store *store, unsigned partition,
                           partition_function function, void *argument) MUST_USE;
/* Fork-join over cores: `function` runs once for every partition of the set, partitions of one
   core one after the other, cores side by side. arguments[partition]. */
enum status partition_call_all(struct fiber *f, struct store *store, uint64_t partitions,
                               partition_function function, void *arguments[]) MUST_USE;
/* The core a partition lives on now (it may move when nobody is inside). */
unsigned partition_core(const struct store *store, unsigned partition);
/* A long scan goes over the partition, and the caller's core does it: it is to live here, as soon
   as nobody is inside. It goes home to core 0 when nobody has had one brought for a second; while
   there are many commits none comes, and those that are away go home. */
void store_bring(struct fiber *f, struct store *store, unsigned partition);
/* Do short requests take much of core 0? Then a long query is better off without it: what it gets
   there is little, and the others wait for it. */
bool store_core_busy(const struct store *store);
unsigned partition_number(const struct partition *partition);
/* The data directory, as it was given at opening. */
const char *store_directory(const struct store *store);

/* ---- transactions ---------------------------------------------------------------------- */

enum isolation { ISOLATION_READ_COMMITTED, ISOLATION_REPEATABLE_READ };

struct transaction_options {
    enum isolation isolation;
    bool read_only;
    int64_t lock_timeout_ms; /* 0: none; may be changed later */
};

/* A transaction belongs to the session's core; its id is unique while the process runs. Cheap:
   nothing is allocated until it is needed. */
enum status transaction_begin(struct fiber *f, struct store *store,
                              const struct transaction_options *options,
                              struct transaction **transaction_out) MUST_USE;
/* A statement begins: READ COMMITTED takes a new snapshot, REPEATABLE READ its one snapshot at the
   first. Waits until the session's own last commit (`after`) is visible. */
enum status transaction_statement_begin(struct fiber *f, struct transaction *transaction,
                                        struct commit_number after) MUST_USE;
/* The statement succeeded: its staged writes become the transaction's own. (After a failed
   statement the transaction can only be rolled back.) */
enum status transaction_statement_end(struct fiber *f, struct transaction *transaction) MUST_USE;
/* Make the statement's writes so far visible to its own later reads (a new command within one
   statement; used by multi-step DDL). */
enum status transaction_command_end(struct fiber *f, struct transaction *transaction) MUST_USE;
/* From _begin to _end a REPEATABLE READ transaction reads at a new snapshot; the one it had is kept
   and comes back. For DDL that makes something of a table's rows under a lock that keeps writers
   out: an index of the rows as they were would be wrong for ever. Nothing else reads with the
   transaction meanwhile. At READ COMMITTED the statement's snapshot is new enough, and nothing
   happens. */
struct transaction_newest {
    struct transaction *keeper; /* holds the snapshot; NULL: nothing to put back */
};
enum status transaction_newest_begin(struct fiber *f, struct transaction *transaction,
                                     struct transaction_newest *newest_out) MUST_USE;
void transaction_newest_end(struct fiber *f, struct transaction *transaction,
                            struct transaction_newest *newest);
/* Commit and free. *number_out is {0} if nothing was written. With `synchronous` false it returns
   before durability. Not interrupted by cancellation once the record is appended. */
enum status transaction_commit(struct fiber *f, struct transaction *transaction, bool synchronous,
                               struct commit_number *number_out) MUST_USE;
/* Forget everything and free. Never fails. */
void transaction_rollback(struct fiber *f, struct transaction *transaction);

struct transaction_id transaction_id(const struct transaction *transaction);
struct commit_number transaction_snapshot(const struct transaction *transaction);
enum isolation transaction_isolation(const struct transaction *transaction);
bool transaction_has_writes(const struct transaction *transaction);
struct store *transaction_store(const struct transaction *transaction);
void transaction_lock_timeout_set(struct transaction *transaction, int64_t timeout_ms);

/* ---- reading: inside partition_call ---------------------------------------------------- */

/* The value at the transaction's snapshot and own ended statements. The bytes are copied into
   `arena` (NULL: only *found_out is wanted). */
enum status txn_get(struct fiber *f, struct transaction *transaction, struct partition *partition,
                    struct tree_id tree, struct slice key, struct arena *arena, bool *found_out,
                    struct slice *value_out) MUST_USE;
/* The newest version: own writes (staged ones too), else the newest committed one, whatever the
   snapshot. Meaningful while the caller holds the key's lock. */
enum status txn_get_newest(struct fiber *f, struct transaction *transaction,
                           struct partition *partition, struct tree_id tree, struct slice key,
                           struct arena *arena, bool *found_out, struct slice *value_out) MUST_USE;
/* Did somebody commit a change of the key after our snapshot? Did we change it ourselves? */
struct txn_key_state {
    bool changed_since_snapshot;
    bool staged_by_this_statement;
    bool own_write;
};
enum status txn_key_state(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, struct tree_id tree, struct slice key,
                          struct txn_key_state *state_out) MUST_USE;

/* Ordered reading of [lower, upper) ... bounds are inclusive/exclusive as the flags say; an empty
   slice is open. The view is the snapshot plus own ended statements, and stays right whatever
   others do meanwhile. A cursor may be closed on its partition's core only. */
struct txn_range {
    struct slice lower, upper; /* copied */
    bool lower_exclusive, upper_inclusive;
    bool backward;
    bool newest;       /* see the newest versions instead (uniqueness checks) */
    size_t key_stride; /* keys are all of this size; 0: they vary */
};
struct txn_cursor;
enum status txn_cursor_open(struct fiber *f, struct transaction *transaction,
                            struct partition *partition, struct tree_id tree,
                            const struct txn_range *range, struct txn_cursor **cursor_out) MUST_USE;
/* As closing it and opening it again for another range of the same tree. When it fails the cursor
   is as it was, but for what it gave out. */
enum status txn_cursor_restart(struct fiber *f, struct txn_cursor *cursor,
                               const struct txn_range *range) MUST_USE;
/* Next entries, at most count_max; *count_out 0 at the end. Slices are valid until the next call
   on the cursor or the next suspension, whichever comes first: consume them at once. */
struct txn_entry {
    struct slice key, value;
};
enum status txn_cursor_next(struct fiber *f, struct txn_cursor *cursor, struct txn_entry *entries,
                            size_t count_max, size_t *count_out) MUST_USE;
void txn_cursor_close(struct fiber *f, struct txn_cursor *cursor);

/* Every entry of a range in turn, until a visit fails. A visit may change the tree and suspend; the
   entry is valid until it does either. */
enum status txn_visit(struct fiber *f, struct transaction *transaction, struct partition *partition,
                      struct tree_id tree, const struct txn_range *range,
                      enum status (*visit)(struct fiber *f, struct partition *partition,
                                           const struct txn_entry *entry, void *context),
                      void *context) MUST_USE;

/* The same for a scan that may know a leaf of the tree already (ranges with key_stride). Entries
   that nothing newer touches are told as a run of a leaf instead: leaf->page is set and `entries`
   are not. All that is said of them is valid as long as entries would be. */
struct page;
struct txn_leaf {
    struct txn_cursor *cursor;
    struct page *page;     /* NULL: no such run */
    uint32_t first, count; /* entries of the leaf */
    uint32_t leaf_count;   /* all of them */
};
enum status txn_cursor_next_run(struct fiber *f, struct txn_cursor *cursor,
                                struct txn_entry *entries, size_t count_max, struct txn_leaf *leaf,
                                size_t *count_out) MUST_USE;
/* The run's entries (leaf->count). */
enum status txn_leaf_entries(const struct txn_leaf *leaf, struct txn_entry *entries) MUST_USE;
/* Any entries of the leaf, outside of the run, too: then they may be newer than the snapshot.
   Either output may be NULL; keys have key_stride bytes. */
enum status txn_leaf_range(const struct txn_leaf *leaf, uint32_t first, uint32_t count,
                           struct slice *values_out, uint8_t *key_bytes) MUST_USE;
/* Was this asked before, since the leaf was last changed? */
bool txn_leaf_scanned(const struct txn_leaf *leaf);
/* The leaf's companion (pager.h): it tells of all of the leaf as it is now. */
void *txn_leaf_companion(const struct txn_leaf *leaf);
/* The same of the leaf behind, for bringing it nearer to the processor; NULL also when that leaf is
   not known. */
const void *txn_leaf_companion_behind(const struct txn_leaf *leaf);
void *txn_leaf_companion_make(const struct txn_leaf *leaf, uint32_t size);

/* ---- writing: inside partition_call ---------------------------------------------------- */

/* Longer ones are LIMIT_EXCEEDED: a version in history needs room beside its key for more. */
enum {
    TXN_KEY_SIZE_MAX = 2304,   /* bytes */
    TXN_ENTRY_SIZE_MAX = 4600, /* bytes of key and value together */
};

enum txn_put_flags {
    TXN_PUT_VERSIONED = 0,
    /* The entry only points at a row whose own version tells readers whether it counts (index
       entries): older snapshots may find it and must check. Saves its "absent before" history. */
    TXN_PUT_CHECKED_BY_READER = 1,
};
enum status txn_put(struct fiber *f, struct transaction *transaction, struct partition *partition,
                    struct tree_id tree, struct slice key, struct slice value, unsigned flags)
    MUST_USE;
enum status txn_delete(struct fiber *f, struct transaction *transaction,
                       struct partition *partition, struct tree_id tree, struct slice key) MUST_USE;
/* Leave word that the key's value, which this transaction takes away, went elsewhere: at most
   TXN_MOVED_SIZE_MAX bytes that mean something to the caller. The word counts from the commit on,
   and is kept (in memory, not in the journal) as long as a snapshot may see the value here. */
enum { TXN_MOVED_SIZE_MAX = 16 };
enum status txn_note_moved(struct fiber *f, struct transaction *transaction,
                           struct partition *partition, struct tree_id tree, struct slice key,
                           struct slice moved_to) MUST_USE;
/* The word left by a commit after our snapshot. *size_out 0: there is none. Meaningful while the
   caller holds the key's lock. */
enum status txn_moved_to(struct fiber *f, struct transaction *transaction,
                         struct partition *partition, struct tree_id tree, struct slice key,
                         uint8_t moved_to[TXN_MOVED_SIZE_MAX], size_t *size_out) MUST_USE;

/* ---- large entries: inside partition_call ------------------------------------------------ */

enum {
    TREE_LARGE = 1 << 30,                /* in the id of a tree of large entries; all its puts
                                            are txn_put_large */
    TXN_LARGE_SIZE_MAX = (1 << 20) - 64, /* bytes of a value */
    TXN_LARGE_KEY_SIZE_MAX = 64,
};

/* A value where it lies: on its page, which is pinned, or (a short one) in the arena. Immutable. */
struct page;
struct txn_large {
    struct slice bytes;
    struct page *page; /* NULL: in the arena */
};
/* The bytes are copied. LIMIT_EXCEEDED beyond the maxima. May suspend. */
enum status txn_put_large(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, struct tree_id tree, struct slice key,
                          struct slice bytes) MUST_USE;
/* As txn_get and (newest) txn_get_newest. A value that was found is the caller's to release, on the
   partition's core. */
enum status txn_get_large(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, struct tree_id tree, struct slice key,
                          bool newest, struct arena *arena, bool *found_out,
                          struct txn_large *large_out) MUST_USE;
/* A cursor shows entries of such a tree with references in place of values; this opens one. It may
   be copied, and opened as long as the transaction's snapshot is held and the transaction has not
   ended. */
enum status txn_open_large(struct fiber *f, struct partition *partition, struct slice reference,
                           struct arena *arena, struct txn_large *large_out) MUST_USE;
/* As txn_open_large for a value that is in memory; else large_out has no bytes, and nothing
   happened. Never suspends. */
void txn_open_large_cached(struct partition *partition, struct slice reference, struct arena *arena,
                           struct txn_large *large_out);
void txn_release_large(struct partition *partition, struct txn_large *large);
/* Such a value will be opened soon: if its page is not in memory it is read meanwhile, by a fiber
   of the caller's class. Nobody waits for it but the store when it closes, and a failure is told by
   txn_open_large. Never suspends. */
enum txn_ahead {
    TXN_AHEAD_HERE,     /* it is in memory, and was opened before */
    TXN_AHEAD_COMING,   /* it was asked for already, and not opened since */
    TXN_AHEAD_BEGUN,    /* its reading begins now */
    TXN_AHEAD_DECLINED, /* it is not in memory, and not the time to read it */
};
enum txn_ahead txn_read_ahead(struct fiber *f, struct partition *partition, struct slice reference);
/* May there be room for another? */
bool txn_read_ahead_room(const struct partition *partition);
/* Others that have the value's page pinned now; 0 for a short value. */
uint32_t txn_large_readers(const struct txn_large *large);
/* A note for readers: has somebody looked through these bytes, and found them well formed, since
   they were read or written? False for short values. */
bool txn_large_proven(const struct txn_large *large);
void txn_large_set_proven(struct txn_large *large);

/* At commit, drop a whole tree on every partition (its pages are freed in the background once no
   snapshot needs them). */
enum status txn_tree_drop(struct fiber *f, struct transaction *transaction, struct tree_id tree)
    MUST_USE;

/* ---- locks ------------------------------------------------------------------------------ */

enum key_lock_mode { KEY_LOCK_SHARE, KEY_LOCK_EXCLUSIVE };
enum lock_wait { LOCK_WAIT, LOCK_NO_WAIT, LOCK_SKIP };

/* Lock a key of a tree until the transaction ends; waits in a queue. DEADLOCK_DETECTED,
   LOCK_NOT_AVAILABLE (lock_timeout, NO_WAIT) or the cancellation's reason. With LOCK_SKIP,
   *locked_out false means somebody holds it. Inside partition_call. *waited_out (may be NULL) says
   whether it had to wait: what the caller read before may be stale. */
enum status txn_lock_key(struct fiber *f, struct transaction *transaction,
                         struct partition *partition, struct tree_id tree, struct slice key,
                         enum key_lock_mode mode, enum lock_wait wait, bool *locked_out,
                         bool *waited_out) MUST_USE;

/* KEY_LOCK_EXCLUSIVE with LOCK_WAIT on many keys, for a few bytes each; for keys about to be
   inserted, which hardly anybody else asks for. When it fails, some are locked. These locks, and
   a transaction's exclusive ones beyond some hundreds on a partition, show in store_locks_visit
   only once somebody waits for them. */
enum status txn_lock_keys(struct fiber *f, struct transaction *transaction,
                          struct partition *partition, struct tree_id tree,
                          const struct slice *keys, size_t count) MUST_USE;
/* The caller has put every key that the transaction ever locked with txn_lock_keys on this
   partition: then the write set itself keeps others out, and the memory for the keys can go.
   Cheap. */
void txn_lock_keys_written(struct transaction *transaction, struct partition *partition);

/* PostgreSQL's eight relation lock modes with its conflict table, held to the transaction's end,
   by the object's oid. Callable anywhere. */
enum relation_lock_mode {
    RELATION_LOCK_ACCESS_SHARE = 1,
    RELATION_LOCK_ROW_SHARE,
    RELATION_LOCK_ROW_EXCLUSIVE,
    RELATION_LOCK_SHARE_UPDATE_EXCLUSIVE,
    RELATION_LOCK_SHARE,
    RELATION_LOCK_SHARE_ROW_EXCLUSIVE,
    RELATION_LOCK_EXCLUSIVE,
    RELATION_LOCK_ACCESS_EXCLUSIVE,
};
enum status txn_lock_relation(struct fiber *f, struct transaction *transaction, uint32_t oid,
                              enum relation_lock_mode mode, enum lock_wait wait, bool *locked_out)
    MUST_USE;

/* Does anybody wait for a relation that this transaction has locked? */
enum status txn_is_waited_for(struct fiber *f, struct store *store,
                              struct transaction_id transaction, bool *waited_for_out) MUST_USE;

/* Rows of pg_locks, for the system table: visit(context, ...) for each held or awaited lock. */
struct lock_view {
    bool is_relation, granted;
    uint32_t oid_or_tree;
    unsigned partition;
    const char *mode;
    struct transaction_id transaction;
};
enum status store_locks_visit(struct fiber *f, struct store *store,
                              void (*visit)(void *context, const struct lock_view *view),
                              void *context) MUST_USE;

/* ---- numbers for tables ------------------------------------------------------------------ */

/* Give out `count` row ids of a tree on this partition, contiguous; starts behind the
   largest key of the tree (8-byte big-endian keys), and behind the first 8 bytes of the largest key
   of the tree of large entries beside it (its id with TREE_LARGE). Lost on rollback, which is
   fine. Suspends at most the first time that a tree is asked; count 0 only looks. */
enum status partition_row_ids(struct fiber *f, struct partition *partition, struct tree_id tree,
                              uint64_t count, struct row_id *first_out) MUST_USE;
/* Give out `size` of them that begin at a multiple of `size`, behind all that were given out. What
   partition_row_ids has begun below goes on there until it meets the first such range. */
enum status partition_row_range(struct fiber *f, struct partition *partition, struct tree_id tree,
                                uint64_t size, struct row_id *first_out) MUST_USE;
/* So many bytes of new rows came to the range (id / size) that partition_row_ids is in, or was.
   When it has more than `bytes_max`, counted since the store was opened, ids go on in another. */
enum status partition_row_bytes(struct fiber *f, struct partition *partition, struct tree_id tree,
                                uint64_t size, struct row_id row, uint64_t bytes,
                                uint64_t bytes_max) MUST_USE;
/* All ids that were given out are below. */
enum status partition_row_limit(struct fiber *f, struct partition *partition, struct tree_id tree,
                                struct row_id *limit_out) MUST_USE;
/* Estimated number of entries of a tree on this partition. */
enum status partition_tree_count(struct fiber *f, struct partition *partition, struct tree_id tree,
                                 uint64_t *count_out) MUST_USE;

/* Changes of entries that commits made on this partition since the store was opened. */
enum status partition_tree_changes(struct fiber *f, struct partition *partition,
                                   struct tree_id tree, uint64_t *changes_out) MUST_USE;

/* How many versions of an entry are kept: the newest, if there is one, and those that snapshots in
   use may still read. */
enum status partition_version_count(struct fiber *f, struct partition *partition,
                                    struct tree_id tree, struct slice key, uint64_t *count_out)
    MUST_USE;
/* Bytes of the pages of a tree on this partition; may read a part of them. */
enum status partition_tree_size(struct fiber *f, struct partition *partition, struct tree_id tree,
                                uint64_t *bytes_out) MUST_USE;

/* ---- upkeep of ranges of numbers: inside partition_call ------------------------------------- */

/* For trees whose keys are 8-byte big-endian numbers. */

/* Of which keys in first .. last (the number that a longer key begins with) did somebody commit a
   change since the transaction's snapshot, which it holds? In no order, a number perhaps more than
   once. *count_out above `capacity`: there are more than `numbers` has room for. */
enum status txn_range_changes(struct fiber *f, struct transaction *transaction,
                              struct partition *partition, struct tree_id tree, uint64_t first,
                              uint64_t last, uint64_t *numbers, size_t capacity, size_t *count_out)
    MUST_USE;
/* The smallest number >= from that has an entry now; UINT64_MAX: none. */
enum status partition_number_from(struct fiber *f, struct partition *partition, struct tree_id tree,
                                  uint64_t from, uint64_t *number_out) MUST_USE;
/* Of a tree of large entries: the value of the first entry whose key begins with a number >= from,
   as it is now, if it is short enough to lie in the tree itself; empty if not. Copied. */
enum status partition_short_from(struct fiber *f, struct partition *partition, struct tree_id tree,
                                 uint64_t from, struct arena *arena, uint64_t *number_out,
                                 struct slice *value_out) MUST_USE;
/* Estimated entries with keys in lower .. upper (empty: open), as they are now. */
enum status partition_key_count(struct fiber *f, struct partition *partition, struct tree_id tree,
                                struct slice lower, struct slice upper, uint64_t *count_out)
    MUST_USE;
/* Estimated entries with numbers in first .. last. */
enum status partition_range_count(struct fiber *f, struct partition *partition, struct tree_id tree,
                                  uint64_t first, uint64_t last, uint64_t *count_out) MUST_USE;
/* Take an entry out of the tree for good, outside of any transaction, journal and history. The
   caller knows that every snapshot in use or to come reads the same without it, that replaying the
   journal may bring it back, and holds a lock that keeps others from changing it. */
enum status partition_purge(struct fiber *f, struct partition *partition, struct tree_id tree,
                            uint64_t number) MUST_USE;
/* Note that a part of a tree (the caller's numbering) is being written to; ask for how long it was
   not. Kept for the parts written last only, and not over a restart: INT64_MAX then. */
void partition_touch(struct partition *partition, struct tree_id tree, uint64_t part);
int64_t partition_idle_ns(struct partition *partition, struct tree_id tree, uint64_t part);
/* Note that a scan read so many entries of a part; ask how many were read since they were last
   forgotten. Kept for the parts that are read most, and not over a restart. */
void partition_note_reads(struct partition *partition, struct tree_id tree, uint64_t part,
                          uint64_t entries);
uint64_t partition_reads(struct partition *partition, struct tree_id tree, uint64_t part);
void partition_forget_reads(struct partition *partition, struct tree_id tree, uint64_t part);

/* A note is memory beside a part of a tree, the 2^TXN_PART_BITS numbers from part << TXN_PART_BITS
   on, for what its user has found out from all entries of the part and can find out again. Like a
   companion (pager.h) it takes what memory is spare and goes when that is wanted, or with the first
   change of an entry of the part: so a look at it is good until the next suspension. Neither does
   suspend. NULL: there is none, or no memory to spare. Bytes are aligned to 64. */
enum { TXN_PART_BITS = 16 };
const void *partition_note(struct partition *partition, struct tree_id tree, uint64_t part);
void *partition_note_make(struct partition *partition, struct tree_id tree, uint64_t part,
                          uint32_t size);
/* Is there so much memory to spare for one? */
bool partition_note_fits(const struct partition *partition, uint64_t bytes);
/* Rises with every change of the tree's entries: a note can be made of what was read before, some
   suspensions ago, if it has not. */
uint64_t partition_tree_version(struct partition *partition, struct tree_id tree);
/* Does the transaction see the numbers first .. last as they are in the tree: has nobody committed
   a change since its snapshot, which it holds, nor it itself written there? False also when that
   takes long to find out. Does not suspend. */
bool txn_sees_tree(struct transaction *transaction, struct partition *partition,
                   struct tree_id tree, uint64_t first, uint64_t last);

/* ---- check ------------------------------------------------------------------------------- */

/* Check journal, every pager and tree. `name_tree` (may be NULL) turns a tree id into the user's
   words; `report` gets one line for each finding. *damage_out counts them. */
enum status store_check(struct fiber *f, struct store *store,
                        const char *(*name_tree)(void *context, struct tree_id tree),
                        void (*report)(void *context, const char *line), void *context,
                        uint64_t *damage_out) MUST_USE;

/* Keys of a tree that cannot be read, in their order: lower <= key < upper. On the partition's
   core; `lost` must not suspend. */
struct txn_lost {
    unsigned partition;
    struct slice lower, upper; /* until the call returns */
    bool has_upper;
    const char *what; /* is damaged */
};
enum status txn_lost_keys(struct fiber *f, struct partition *partition, struct tree_id tree,
                          void (*lost)(void *context, const struct txn_lost *lost), void *context)
    MUST_USE;

struct store_statistics {
    uint64_t commits, rollbacks, checkpoints, deadlocks;
    uint64_t journal_bytes, page_bytes_used, history_entries;
    uint64_t scratch_pages; /* of running statements (txn_scratch.h) */
};
void store_statistics(struct store *store, struct store_statistics *statistics_out);

#endif
