/*
 * The bytes this room writes: the identity of a data directory and the journal record of a commit.
 *
 * A data directory:
 *
 *     DIR/satori.id      the identity, written last at creation
 *     DIR/satori.creating  empty; without satori.id, all here is the remains of a creation cut off
 *     DIR/satori.stopped  after a clean stop, until the next start: the journal is not needed
 *     DIR/lock           locked by the process that has the database open
 *     DIR/journal/       see journal_format.h
 *     DIR/part-000/ ...  one for each partition, the pager's
 *
 * Identity (64 bytes, little-endian):
 *
 *     offset size
 *          0    8  magic "SATORIDB"
 *          8    4  format version of the whole directory, 3
 *         12    4  CRC-32C of the 64 bytes with this field zero
 *         16    8  database id: random, not 0
 *         24    4  number of partitions
 *         28   36  zero
 *
 * Stop mark (32 bytes, little-endian): every commit up to the one it names is in the pages of every
 * partition, and there is none behind it.
 *
 *     offset size
 *          0    8  magic "SATORIST"
 *          8    4  format version, 1
 *         12    4  CRC-32C of the 32 bytes with this field zero
 *         16    8  database id
 *         24    8  number of the last commit
 *
 * Commit record: a stream of items, each a tag byte and its fields; numbers are varints.
 *
 *     tag  fields                          meaning
 *       1  partition                       what follows belongs to this partition
 *       2  tree                            what follows belongs to this tree
 *       3  tree                            the tree is dropped, on every partition
 *       4  key size, key, value size, value  put
 *       5  key size, key                   delete
 *       6  key size, key, value size, value  put of a large entry; only in trees of such
 *
 * An item is decided by its key, so applying a record again changes nothing, and redo needs to
 * know nothing about tables.
 */
#ifndef TXN_FORMAT_H
#define TXN_FORMAT_H

#include <stdbool.h>

#include "base/base_ids.h"
#include "base/base_slice.h"
#include "base/base_status.h"

enum { STORE_FORMAT_VERSION = 4, STORE_IDENTITY_SIZE = 64 };

struct store_identity {
    uint32_t version;
    uint64_t database_id;
    uint32_t partition_count;
};
void store_identity_encode(const struct store_identity *identity, uint8_t *bytes);
/* False when damaged. A newer version is decoded only as far as its number. */
bool store_identity_decode(const uint8_t *bytes, struct store_identity *identity_out);

enum { STOP_MARK_VERSION = 1, STOP_MARK_SIZE = 32 };
struct stop_mark {
    uint64_t database_id;
    struct commit_number last;
};
void stop_mark_encode(const struct stop_mark *mark, uint8_t *bytes);
/* False when damaged or of another version. */
bool stop_mark_decode(const uint8_t *bytes, struct stop_mark *mark_out);

enum commit_tag {
    COMMIT_PARTITION = 1,
    COMMIT_TREE = 2,
    COMMIT_DROP = 3,
    COMMIT_PUT = 4,
    COMMIT_DELETE = 5,
    COMMIT_PUT_LARGE = 6,
};
struct commit_item {
    enum commit_tag tag;
    uint64_t number; /* partition or tree */
    struct slice key, value;
};
/* The largest item there can be; without large entries. */
enum { COMMIT_ITEM_SIZE_MAX = (1 << 20) + 128, COMMIT_SMALL_ITEM_SIZE_MAX = 8192 };

/* Bytes the item takes; writes them when `at` is not NULL. */
size_t commit_item_encode(const struct commit_item *item, uint8_t *at);

enum commit_decode { COMMIT_DECODED, COMMIT_CUT_OFF, COMMIT_MALFORMED };
/* Take one item off the front of *bytes; its slices point into them. CUT_OFF: more bytes needed. */
enum commit_decode commit_item_decode(struct slice *bytes, struct commit_item *item_out);

#endif
