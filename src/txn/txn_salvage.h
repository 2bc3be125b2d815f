/*
 * A data directory read around damage, into a new store. For `satori salvage`.
 *
 * The source is not opened as a store is: nothing in it is changed. Whole trees are copied as they
 * are, then the journal is replayed into the copy. What the trees mean is the caller's business: it
 * says which are wanted, and words the losses.
 *
 *     store_salvage_open      identity, manifests; takes the lock
 *     store_salvage_copy      partition by partition
 *     store_salvage_replay    the journal, as far as it can be read
 *
 * Copy and replay may be called again for other trees. Nobody uses the target's trees meanwhile.
 */
#ifndef TXN_SALVAGE_H
#define TXN_SALVAGE_H

#include "txn/txn.h"

enum store_loss_kind {
    STORE_LOSS_KEYS,      /* lower <= key < upper of a tree cannot be read */
    STORE_LOSS_KEY,       /* the value of one key of a tree of large entries: `lower` */
    STORE_LOSS_PARTITION, /* nothing of the partition can be read */
    STORE_LOSS_AGE,       /* what is read of the partition may be older than it was */
    STORE_LOSS_JOURNAL,   /* the newest commits are lost */
    STORE_LOSS_NOTE,      /* damage that took nothing away */
};
struct store_loss {
    enum store_loss_kind kind;
    unsigned partition;
    struct tree_id tree;
    struct slice lower, upper; /* until the call returns */
    bool has_upper;
    const char *text; /* which file is damaged where */
};

struct store_salvage;
struct store_salvage_options {
    const char *directory;
    void (*loss)(void *context, const struct store_loss *loss);
    void *context;
};
/* OBJECT_IN_USE, UNDEFINED_FILE when there is no data directory. */
enum status store_salvage_open(struct fiber *f, const struct store_salvage_options *options,
                               struct store_salvage **salvage_out) MUST_USE;
void store_salvage_close(struct fiber *f, struct store_salvage *salvage);
unsigned store_salvage_partition_count(const struct store_salvage *salvage);
/* Bytes of the page files, and of those read so far. */
void store_salvage_progress(const struct store_salvage *salvage, uint64_t *bytes_out,
                            uint64_t *done_out);

enum salvage_wish {
    SALVAGE_SKIP, /* somebody else's */
    SALVAGE_LOOK, /* only say what is damaged */
    SALVAGE_COPY,
};
struct salvage_trees {
    enum salvage_wish (*wish)(void *context, struct tree_id tree);
    /* May such an entry be one of the tree? For leaves that the tree has lost sight of. */
    bool (*fits)(void *context, struct tree_id tree, struct slice key, struct slice value);
    void *context;
};
enum status store_salvage_copy(struct fiber *f, struct store_salvage *salvage, struct store *store,
                               unsigned partition, const struct salvage_trees *trees) MUST_USE;
/* quiet: say nothing of the journal's damage, which was told before. */
enum status store_salvage_replay(struct fiber *f, struct store_salvage *salvage,
                                 struct store *store, const struct salvage_trees *trees, bool quiet)
    MUST_USE;

#endif
