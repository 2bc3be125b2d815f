/*
 * PATH.index: the index as it is in memory, so that opening need not walk the entries. It is mapped
 * privately; pages the writer changes become the process's own.
 *
 *     offset size
 *          0    8  magic
 *          8    4  version, 2 (1 had other home slots)
 *         12    4  format of the store
 *         16   16  id of the store (format 1: zeros)
 *         32    8  compactions of the store (format 1: 0)
 *         40    8  end: the index is complete up to here
 *         48    8  last: place of the last entry before the end
 *         56    4  CRC-32C of the 20 bytes before the end
 *         60    4  witness: CRC-32C over trailers or headers spread over the store
 *         64    8  capacity in slots
 *         72    8  slots used
 *         80    8  keys with a value
 *         88    8  bytes of their entries
 *         96    8  entries
 *        104    8  clean end (store.h)
 *        112    8  number of checksum blocks = ceil(capacity * 16 / 1 MiB)
 *        120    4  CRC-32C of the block checksums
 *        124    4  CRC-32C of the first 124 bytes
 *        128       block checksums, 4 bytes each
 *       4096 * n   slots, 16 bytes each: hash, place with the deletion flag in bit 63
 *
 * It is only ever a help: whatever does not fit makes it stale, and the entries are walked.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "drive/store.h"

enum { SNAPSHOT_HEADER_SIZE = 128, SNAPSHOT_VERSION = 2, BLOCK_SIZE = 1 << 20, WITNESSES = 64 };

static const uint8_t magic[8] = {0x89, 'D', 'R', 'I', '\r', '\n', 0x1A, '\n'};

void snapshot__path(const struct drive *drive, char *path, size_t size) {
    snprintf(path, size, "%s.index", drive->path);
}

static uint64_t slots_offset(uint64_t blocks) {
    return align_up(SNAPSHOT_HEADER_SIZE + 4 * blocks, 4096);
}

/* Entries spread evenly over the index, which must be what and where they were. */
static uint32_t witness(const struct geometry *geometry, const uint8_t *base, uint64_t end,
                        const struct slot *slots, uint64_t capacity) {
    uint32_t checksum = 0;
    for (uint64_t i = 0; i < WITNESSES && i < capacity; i++) {
        uint64_t at = capacity / WITNESSES * i;
        struct entry entry;
        uint64_t place = SLOT_PLACE(atomic_load_explicit(&slots[at].place, memory_order_relaxed));
        if (place == 0)
            continue;
        if (!entry_decode(geometry, base, end, place, &entry))
            return ~checksum;
        uint8_t fact[12];
        put_le64(fact, place);
        put_le32(fact + 8, entry.checksum);
        checksum = crc32c(checksum, fact, sizeof fact);
    }
    return checksum;
}

/* ---- loading -------------------------------------------------------------------------------- */

struct snapshot {
    const struct geometry *geometry;
    const uint8_t *base; /* the store's */
    uint64_t size;
    uint8_t *block;
    uint64_t block_size;
};

struct block_check {
    const uint8_t *header, *slots;
    uint64_t blocks, slots_size;
    unsigned threads;
};

static enum status check_blocks(void *context, unsigned index) {
    const struct block_check *check = context;
    for (uint64_t i = index; i < check->blocks; i += check->threads) {
        uint64_t from = i * BLOCK_SIZE;
        uint64_t size =
            check->slots_size - from < BLOCK_SIZE ? check->slots_size - from : BLOCK_SIZE;
        if (crc32c(0, check->slots + from, (size_t)size) !=
            get_le32(check->header + SNAPSHOT_HEADER_SIZE + 4 * i))
            return error_set(STATUS_INDEX_CORRUPTED, "block %llu", (unsigned long long)i);
    }
    return STATUS_OK;
}

static bool header_fits(const struct snapshot *s) {
    const uint8_t *h = s->block;
    const struct geometry *geometry = s->geometry;
    if (s->block_size < SNAPSHOT_HEADER_SIZE || memcmp(h, magic, sizeof magic) != 0 ||
        get_le32(h + 124) != crc32c(0, h, 124) || get_le32(h + 8) != SNAPSHOT_VERSION ||
        get_le32(h + 12) != geometry->format || memcmp(h + 16, geometry->id, 16) != 0 ||
        get_le64(h + 32) != geometry->compactions)
        return false;
    uint64_t end = get_le64(h + 40), capacity = get_le64(h + 64), blocks = get_le64(h + 112);
    if (end > s->size || end < FORMAT_CHAIN_TRAILER_SIZE || capacity == 0 ||
        capacity % LINE_SLOTS != 0 || capacity > s->block_size / sizeof(struct slot) ||
        blocks != (capacity * sizeof(struct slot) + BLOCK_SIZE - 1) / BLOCK_SIZE ||
        s->block_size != slots_offset(blocks) + capacity * sizeof(struct slot) ||
        get_le64(h + 72) * 5 > capacity * 4)
        return false;
    if (crc32c(0, s->base + end - FORMAT_CHAIN_TRAILER_SIZE, FORMAT_CHAIN_TRAILER_SIZE) !=
        get_le32(h + 56))
        return false;
    return get_le32(h + 120) == crc32c(0, h + SNAPSHOT_HEADER_SIZE, (size_t)(4 * blocks));
}

static bool snapshot_fits(const struct snapshot *s) {
    if (!header_fits(s))
        return false;
    uint64_t capacity = get_le64(s->block + 64), blocks = get_le64(s->block + 112);
    unsigned processors = thread_processor_count();
    struct block_check check = {
        .header = s->block,
        .slots = s->block + slots_offset(blocks),
        .blocks = blocks,
        .slots_size = capacity * sizeof(struct slot),
        .threads = blocks < 8       ? 1
                   : processors > 8 ? 8
                                    : processors,
    };
    if (thread_run_all(check.threads, check_blocks, &check) != STATUS_OK) {
        error_clear();
        return false;
    }
    return witness(s->geometry, s->base, get_le64(s->block + 40),
                   (const struct slot *)(const void *)check.slots,
                   capacity) == get_le32(s->block + 60);
}

static void take_header(const uint8_t *h, struct recovery *recovery) {
    recovery->from = get_le64(h + 40);
    recovery->figures = (struct figures){
        .end = get_le64(h + 40),
        .last = get_le64(h + 48),
        .count = get_le64(h + 80),
        .live_size = get_le64(h + 88),
        .entries = get_le64(h + 96),
    };
    recovery->clean_end = get_le64(h + 104);
}

static enum status open_snapshot(struct drive *drive, struct snapshot *s, bool *found_out) {
    char path[4096];
    struct plain_file *file;
    snapshot__path(drive, path, sizeof path);
    if (plain_kind(path) != PLAIN_FILE)
        return STATUS_OK;
    TRY(plain_open(path, PLAIN_READ_ONLY, &file));
    enum status status = plain_size(file, &s->block_size);
    if (status == STATUS_OK && s->block_size >= SNAPSHOT_HEADER_SIZE)
        status = plain_map_private(file, s->block_size, &s->block);
    plain_close(file);
    *found_out = s->block != NULL;
    return status;
}

enum status snapshot__load(struct drive *drive, const struct geometry *geometry,
                           const uint8_t *base, uint64_t size, struct recovery *recovery,
                           bool *found_out) {
    struct snapshot s = {.geometry = geometry, .base = base, .size = size};
    *found_out = false;
    if (open_snapshot(drive, &s, found_out) != STATUS_OK) {
        error_clear(); /* unreadable: as good as none */
        *found_out = false;
    }
    if (!*found_out)
        return STATUS_OK;
    *found_out = snapshot_fits(&s);
    uint64_t capacity = *found_out ? get_le64(s.block + 64) : 0;
    if (*found_out && drive->options.memory != 0 &&
        capacity * sizeof(struct slot) > drive->options.memory) {
        plain_unmap(s.block, s.block_size);
        return error_set(STATUS_LIMIT_EXCEEDED,
                         "the index needs %llu bytes of memory, %llu are allowed",
                         (unsigned long long)(capacity * sizeof(struct slot)),
                         (unsigned long long)drive->options.memory);
    }
    enum status status = STATUS_OK;
    if (*found_out) {
        take_header(s.block, recovery);
        status = table_adopt(s.block, s.block_size, slots_offset(get_le64(s.block + 112)), capacity,
                             get_le64(s.block + 72), &recovery->table);
    }
    if (!*found_out || status != STATUS_OK)
        plain_unmap(s.block, s.block_size);
    return status;
}

/* ---- storing -------------------------------------------------------------------------------- */

static void encode_header(const struct drive *drive, const struct drive_view *view, uint64_t blocks,
                          uint8_t *h) {
    const struct geometry *geometry = view_geometry(view);
    const struct figures *figures = &drive->figures;
    const struct table *table = view->table;
    memcpy(h, magic, sizeof magic);
    put_le32(h + 8, SNAPSHOT_VERSION);
    put_le32(h + 12, geometry->format);
    memcpy(h + 16, geometry->id, 16);
    put_le64(h + 32, geometry->compactions);
    put_le64(h + 40, figures->end);
    put_le64(h + 48, figures->last);
    put_le32(h + 56, crc32c(0, view->mapping->base + figures->end - FORMAT_CHAIN_TRAILER_SIZE,
                            FORMAT_CHAIN_TRAILER_SIZE));
    put_le32(h + 60,
             witness(geometry, view->mapping->base, figures->end, table->slots, table->capacity));
    put_le64(h + 64, table->capacity);
    put_le64(h + 72, table->used);
    put_le64(h + 80, figures->count);
    put_le64(h + 88, figures->live_size);
    put_le64(h + 96, figures->entries);
    put_le64(h + 104, atomic_load(&view->generation->clean_end));
    put_le64(h + 112, blocks);
    const uint8_t *slots = (const uint8_t *)table->slots;
    uint64_t size = table->capacity * sizeof(struct slot);
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t from = i * BLOCK_SIZE, left = size - from;
        put_le32(h + SNAPSHOT_HEADER_SIZE + 4 * i,
                 crc32c(0, slots + from, left < BLOCK_SIZE ? (size_t)left : BLOCK_SIZE));
    }
    put_le32(h + 120, crc32c(0, h + SNAPSHOT_HEADER_SIZE, (size_t)(4 * blocks)));
    put_le32(h + 124, crc32c(0, h, 124));
}

static enum status write_snapshot(const char *path, const uint8_t *header, uint64_t header_size,
                                  const struct table *table) {
    struct plain_file *file;
    TRY(plain_open(path, PLAIN_CREATE | PLAIN_TRUNCATE, &file));
    struct slice pieces[2] = {
        slice_of(header, (size_t)header_size),
        slice_of(table->slots, (size_t)(table->capacity * sizeof(struct slot))),
    };
    enum status status = plain_write(file, pieces, 2, 0);
    plain_close(file);
    return status;
}

/* Not synced: a snapshot that a crash spoilt fails its checksums. Under `writer`. */
enum status snapshot__store(struct drive *drive) {
    const struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    uint64_t slots_size = view->table->capacity * sizeof(struct slot);
    uint64_t blocks = (slots_size + BLOCK_SIZE - 1) / BLOCK_SIZE;
    uint64_t header_size = slots_offset(blocks);
    if (drive->figures.end < FORMAT_HEADER_SIZE)
        return STATUS_OK;
    uint8_t *header = memory_alloc_zeroed(1, (size_t)header_size);
    if (header == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    encode_header(drive, view, blocks, header);
    char path[4096], fresh[4096 + 8];
    snapshot__path(drive, path, sizeof path);
    snprintf(fresh, sizeof fresh, "%s-new", path);
    enum status status = write_snapshot(fresh, header, header_size, view->table);
    if (status == STATUS_OK)
        status = plain_rename(fresh, path);
    if (status != STATUS_OK) {
        struct error error = *error_current();
        (void)plain_remove(fresh);
        *error_current() = error;
    } else {
        drive->snapshot_entries = drive->figures.entries;
    }
    memory_free(header);
    return status;
}
