/*
 * What lies in a drive file. Numbers are little-endian.
 *
 * FORMAT 2 (satori)
 *
 *     +--------+---------+---------+-----        --+---------+
 *     | header | entry   | entry   |      ...      | entry   |
 *     +--------+---------+---------+-----        --+---------+
 *     0        64        multiples of 8            end of file
 *
 *     file header                          entry
 *     offset size                          offset size
 *          0    8  magic                        0    4  header checksum
 *          8    2  version, 2                   4    4  entry checksum
 *         10    1  log2 of value alignment      8    1  kind: 1 put, 2 delete, 3 seal
 *         11    1  0                            9    1  flags: 1 ends its batch, 2 sealed
 *         12    4  salt                        10    2  size of the key
 *         16   16  id of the store, random     12    6  size of the value
 *         32    8  created, us since 1970      18    6  distance back to the entry before, or 0
 *         40    8  compactions so far          24    6  place of the key's version before, or 0
 *         48   12  0                           30    2  0
 *         60    4  CRC-32C of the first 60     32    8  commit time, us since 1970
 *                                              40    k  key
 *                                                       zeros up to a multiple of the alignment
 *                                                    n  value
 *                                                       zeros up to a multiple of 8
 *
 * An entry without value bytes has no zeros for alignment. Both checksums are CRC-32C that begin
 * with the salt and the entry's own offset, so bytes copied from elsewhere (a store nested as a
 * value, old blocks of the disk) never look like an entry. The header's covers bytes 8 .. 40+k;
 * the entry's goes on from there through the entry's last byte.
 *
 * A batch is a run of entries of which only the last has flag 1. Entries behind the last one that
 * has it are a torn tail. Flag 2: everything before this entry had reached the disk when the entry
 * was written. So a gap before such an entry is
 * damage and what is around it is kept; a gap that no such entry follows is the mark of a crash,
 * and the store ends before the batch it is in. A seal is an entry that says only this; closing
 * writes one when more than one batch would otherwise lie behind the last flag.
 *
 * FORMAT 1 (simd-r-drive 0.2.0-alpha): no header; each entry ends with 20 bytes about it.
 *
 *     offset size
 *          0    n  value, n >= 1; the single byte 0 is a deletion
 *          n    8  XXH3-64 of the key; the key itself is not stored
 *        n+8    8  offset of the entry's own start = end of the entry before
 *       n+16    4  CRC-32 (IEEE 802.3) of the value
 *
 * A *place* names an entry: in format 2 where it starts, in format 1 where it ends. Never 0.
 */
#ifndef DRIVE_FORMAT_H
#define DRIVE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base_bytes.h"
#include "base/base_hash.h"
#include "base/base_slice.h"
#include "base/base_status.h"

enum {
    FORMAT_HEADER_SIZE = 64,
    FORMAT_ENTRY_HEADER_SIZE = 40,
    FORMAT_ENTRY_ROUND = 8,
    FORMAT_CHAIN_TRAILER_SIZE = 20,
    FORMAT_VERSION = 2,
    FORMAT_ALIGNMENT_LOG_MAX = 12,
};
enum entry_kind { ENTRY_PUT = 1, ENTRY_DELETE = 2, ENTRY_SEAL = 3 };
enum entry_flag { ENTRY_ENDS_BATCH = 1, ENTRY_SEALED = 2 };

/* What must be known to read a file's entries. */
struct geometry {
    unsigned format; /* 1 or 2 */
    unsigned alignment_log;
    uint32_t salt;
    uint8_t id[16];
    int64_t created_us;
    uint64_t compactions;
};

static inline uint64_t align_up(uint64_t value, uint64_t alignment) {
    return (value + alignment - 1) & ~(alignment - 1);
}

void header_encode(const struct geometry *geometry, uint8_t bytes[FORMAT_HEADER_SIZE]);
enum header_outcome { HEADER_GOOD, HEADER_FOREIGN, HEADER_NEWER, HEADER_DAMAGED };
/* `size`: bytes at hand. FOREIGN: no magic. */
enum header_outcome header_decode(const uint8_t *bytes, size_t size, struct geometry *geometry_out);

/* An entry as it lies in memory. */
struct entry {
    enum entry_kind kind;
    unsigned flags;
    struct slice key; /* format 1: NULL */
    struct slice value;
    uint64_t place;
    uint64_t start, end; /* all its bytes */
    uint64_t before;     /* place of the entry before, 0: none (or it is not known) */
    uint64_t version;    /* place of the key's version before (format 2), 0: none */
    uint64_t hash;       /* format 1 */
    int64_t time_us;
    uint32_t header_checksum, checksum; /* as stored */
};

/* Decode the entry at `place` of a file of which bytes 0 .. limit can be read. False: what is there
   does not fit the rules or the limit. Checksums are not looked at. */
bool entry_decode(const struct geometry *geometry, const uint8_t *base, uint64_t limit,
                  uint64_t place, struct entry *entry_out);
/* Is the header (format 2) as it was written? True for format 1, which has no such checksum. */
bool entry_header_good(const struct geometry *geometry, const uint8_t *base,
                       const struct entry *entry);
/* Is every byte as it was written? */
bool entry_good(const struct geometry *geometry, const uint8_t *base, const struct entry *entry);
/* The same, `piece` bytes at a time; `seen` is told which were read. */
bool entry_good_in_pieces(const struct geometry *geometry, const uint8_t *base,
                          const struct entry *entry, uint64_t piece,
                          void (*seen)(void *context, uint64_t offset, uint64_t size),
                          void *context);

/* Where things will lie: the value's offset and the entry's end, of an entry that starts there. */
static inline uint64_t entry_value_offset(const struct geometry *geometry, uint64_t start,
                                          size_t key_size, uint64_t value_size) {
    uint64_t at = start + FORMAT_ENTRY_HEADER_SIZE + key_size;
    return value_size == 0 ? at : align_up(at, (uint64_t)1 << geometry->alignment_log);
}

/* Format 2: what an entry's checksums begin with. Salt and place are mixed into the initial value:
   both are known, so this is as good as summing them and costs nothing. */
static inline uint32_t entry_seed(const struct geometry *geometry, uint64_t start) {
    return (uint32_t)hash_u64(start ^ (uint64_t)geometry->salt << 32);
}

/* Format 2: bytes 8 .. 40 of a header, as whole words, since the checksum will read them as such:
   single fields would have to leave the processor first. */
enum { FORMAT_HEADER_WORDS = 4 };
static inline void entry_header_words(const struct entry *entry,
                                      uint64_t words[FORMAT_HEADER_WORDS]) {
    uint64_t back = entry->before == 0 ? 0 : entry->start - entry->before;
    DEBUG_ASSERT(entry->value.size >> 48 == 0 && back >> 48 == 0 && entry->version >> 48 == 0);
    words[0] = (uint64_t)entry->kind | (uint64_t)entry->flags << 8 |
               (uint64_t)entry->key.size << 16 | (uint64_t)entry->value.size << 32;
    words[1] = (uint64_t)entry->value.size >> 32 | back << 16;
    words[2] = entry->version;
    words[3] = (uint64_t)entry->time_us;
}

/* Format 2: writes header and key to `bytes` (40 + key size); fields of `entry`: kind, flags, key,
   value.size, start, before, version, time_us; header_checksum is set. The entry's checksum is put
   by entry_finish. */
void entry_encode(const struct geometry *geometry, struct entry *entry, uint8_t *bytes);
/* Go on with the checksum over zeros and over the value's bytes. */
uint32_t checksum_zeros(uint32_t checksum, uint64_t count);
void entry_finish(uint8_t *bytes, uint32_t checksum);

/* Format 1: the 20 bytes behind a value. */
void chain_encode(uint64_t hash, uint64_t start, uint32_t checksum, uint8_t *bytes);

#endif
