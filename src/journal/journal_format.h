/*
 * The bytes of the journal.
 *
 * A journal is a directory of segment files. File names are the segment's sequence number in 16
 * hexadecimal digits and ".journal"; sequence numbers have no gaps. "spare-*" are segments that
 * wait to be used, "preparing" is one that is being made; both hold nothing.
 *
 *     segment          0        4096                                           size
 *                      +--------+------------+----------------+------+---- - - --+
 *                      | header | frame      | frame          | frame| unwritten |
 *                      +--------+------------+----------------+------+---- - - --+
 *
 * All of it is written in blocks of 4096 bytes; a frame begins at a block and is padded with
 * zeros to whole blocks. A frame never spans segments. What lies behind the last frame is zeros
 * or, in a recycled file, frames of the file's earlier life, which name another segment.
 *
 * Segment header (4096 bytes, little-endian, unused bytes are zero and checked):
 *
 *     offset size
 *          0    8  magic "SATORIJN"
 *          8    4  format version, 1
 *         12    4  CRC-32C of the 4096 bytes with this field zero
 *         16    8  database id
 *         24    8  sequence number of the segment
 *         32    8  size of the segment file in bytes
 *         40    8  number the next record to be completed will get
 *         48    8  sequence number of the first frame
 *         56    8  hash of the frame before it (0: there is none)
 *         64    1  1: the first frame continues a record begun in the segment before
 *
 * Frame (header 64 bytes):
 *
 *     offset size
 *          0    4  magic "SJFR"
 *          4    4  CRC-32C of the bytes from 8 to the end of the payload, begun with a value made
 *                  from the database id, so that no user's bytes can pass for a frame
 *          8    8  sequence number of the segment
 *         16    8  sequence number of the frame, rising by one over the journal's whole life
 *         24    8  hash (XXH3) of the frame before: its bytes from 0 to the end of its payload
 *         32    8  commit number of the first record completed in this frame
 *         40    4  number of records completed in this frame
 *         44    4  payload size in bytes
 *         48    1  kind: 1 records, 2 fragment
 *         49    1  fragments: bit 0 the record begins here, bit 1 it ends here
 *         50   14  zero
 *         64       payload
 *
 * Payload of kind "records": each record as a varint size and its bytes. Of kind "fragment": the
 * next bytes of one large record. A large record whose last fragment never comes (another frame
 * follows, or nothing) was given up and does not exist.
 *
 * Telling a torn tail from damage: frames are written one at a time, each after the one before is
 * durable. So after a crash only the last frame can be half written. An unreadable frame with
 * any valid frame of the same segment, or a segment, behind it is damage.
 */
#ifndef JOURNAL_FORMAT_H
#define JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_slice.h"

enum {
    JOURNAL_FORMAT_VERSION = 1,
    JOURNAL_BLOCK_SIZE = 4096,
    JOURNAL_FRAME_HEADER_SIZE = 64,
    JOURNAL_FRAME_SIZE_MAX = 2 << 20, /* header, payload and padding */
};

struct journal_segment_header {
    uint64_t database_id;
    uint64_t sequence;
    uint64_t size;
    uint64_t first_number;
    uint64_t first_frame;
    uint64_t previous_hash;
    bool continues;
};

enum journal_frame_kind { JOURNAL_FRAME_RECORDS = 1, JOURNAL_FRAME_FRAGMENT = 2 };
enum { JOURNAL_FRAGMENT_FIRST = 1, JOURNAL_FRAGMENT_LAST = 2 };

struct journal_frame_header {
    uint64_t segment;
    uint64_t frame;
    uint64_t previous_hash;
    uint64_t first_number;
    uint32_t record_count;
    uint32_t payload_size;
    enum journal_frame_kind kind;
    unsigned fragment_flags;
};

/* Writes JOURNAL_BLOCK_SIZE bytes. */
void journal_segment_header_encode(const struct journal_segment_header *header, uint8_t *block);

enum journal_header_result {
    JOURNAL_HEADER_VALID,
    JOURNAL_HEADER_DAMAGED,
    JOURNAL_HEADER_VERSION_UNKNOWN, /* *version_out says which */
};
enum journal_header_result journal_segment_header_decode(const uint8_t *block,
                                                         struct journal_segment_header *header_out,
                                                         uint32_t *version_out);

/* `frame` holds room for the header, then the payload; the header is filled in, bytes up to the
   next block boundary are zeroed. Returns the size in whole blocks. *hash_out is what the next
   frame names as previous_hash. */
size_t journal_frame_encode(const struct journal_frame_header *header, uint64_t database_id,
                            uint8_t *frame, uint64_t *hash_out);

/* Could a frame of `segment` begin here? Looks at one block; *size_out is the frame's size in
   whole blocks if so. Nothing is verified yet. */
bool journal_frame_peek(const uint8_t *block, uint64_t segment, size_t *size_out);
/* Verify and decode the `size` bytes that peek asked for. False: not a valid frame. */
bool journal_frame_decode(const uint8_t *frame, size_t size, uint64_t database_id,
                          struct journal_frame_header *header_out, uint64_t *hash_out);

/* Next record of a "records" payload. False at the end and when malformed: then *rest is not
   empty. */
bool journal_record_next(struct slice *rest, struct slice *record_out);

static inline size_t journal_frame_size(size_t payload_size) {
    return (JOURNAL_FRAME_HEADER_SIZE + payload_size + JOURNAL_BLOCK_SIZE - 1) &
           ~(size_t)(JOURNAL_BLOCK_SIZE - 1);
}

#endif
