/*
 * Reading format 2 at opening: one walk over the headers. What is a torn tail and what is damage is
 * said in format.h.
 */
#include "drive/store.h"

enum {
    TAIL_CHECK_MAX = 64 << 20, /* so much of what nobody vouches for is read at opening */
    CHECK_PIECE = 8 << 20,
};

void recover__damage(struct drive *drive, uint64_t from, uint64_t to) {
    struct drive_recovery *recovery = &drive->recovery;
    if (recovery->damage_count < DRIVE_DAMAGE_MAX)
        recovery->damage[recovery->damage_count] = (struct drive_damage){from, to - from};
    recovery->damage_count++;
    recovery->damage_size += to - from;
}

/* ---- index ---------------------------------------------------------------------------------- */

/* Does the slot belong to the entry's key? */
static bool same_key(const struct recovery *recovery, uint64_t place, const struct entry *entry) {
    if (recovery->geometry->format == 1 || place == entry->version)
        return true;
    struct entry other;
    return entry_decode(recovery->geometry, recovery->base, entry->start, place, &other) &&
           slice_equal(other.key, entry->key);
}

enum status recover__take(struct recovery *recovery, const struct entry *entry) {
    if (!table_has_room(recovery->table, 1)) {
        struct table *larger;
        TRY(table_enlarge(recovery->table, 1, recovery->drive->options.memory, &larger));
        table_release(recovery->table);
        recovery->table = larger;
    }
    uint64_t hash = entry_hash(recovery->geometry, entry);
    uint64_t at = table_home(recovery->table, hash), place;
    struct slot *slot;
    do
        slot = table_probe(recovery->table, hash, &at, &place);
    while (place != 0 && !same_key(recovery, SLOT_PLACE(place), entry));
    struct figures *figures = &recovery->figures;
    if (place != 0 && (place & SLOT_DELETED) == 0) {
        struct entry old;
        if (entry_decode(recovery->geometry, recovery->base, entry->start, place, &old))
            figures->live_size -= old.end - old.start;
        figures->count--;
    }
    if ((place != 0 || entry->kind == ENTRY_DELETE) && recovery->clean_end > figures->end)
        recovery->clean_end = figures->end;
    if (entry->kind == ENTRY_PUT) {
        figures->count++;
        figures->live_size += entry->end - entry->start;
    }
    uint64_t value = entry->place | (entry->kind == ENTRY_DELETE ? SLOT_DELETED : 0);
    if (place == 0)
        table_fill(recovery->table, slot, hash, value);
    else
        table_update(slot, value);
    figures->entries++;
    recovery->walked++;
    return STATUS_OK;
}

/* ---- the walk ------------------------------------------------------------------------------- */

static bool good_at(const struct geometry *geometry, const uint8_t *base, uint64_t limit,
                    uint64_t place, struct entry *entry_out) {
    return entry_decode(geometry, base, limit, place, entry_out) &&
           entry_header_good(geometry, base, entry_out);
}

uint64_t recover__next_entry(const struct geometry *geometry, const uint8_t *base, uint64_t at,
                             uint64_t limit) {
    struct entry entry;
    for (at = align_up(at, FORMAT_ENTRY_ROUND); at < limit; at += FORMAT_ENTRY_ROUND) {
        if (good_at(geometry, base, limit, at, &entry))
            return at;
    }
    return limit;
}

/* Does an entry with ENTRY_SEALED lie at or behind `at`? */
static bool seal_follows(const struct recovery *recovery, uint64_t at, uint64_t size) {
    struct entry entry;
    while (at < size) {
        if (!good_at(recovery->geometry, recovery->base, size, at, &entry)) {
            at = recover__next_entry(recovery->geometry, recovery->base, at + 1, size);
            continue;
        }
        if (entry.flags & ENTRY_SEALED)
            return true;
        at = entry.end;
    }
    return false;
}

static enum status take_range(struct recovery *recovery, uint64_t from, uint64_t to) {
    struct entry entry;
    while (from < to) {
        bool readable = entry_decode(recovery->geometry, recovery->base, to, from, &entry);
        ASSERT(readable);
        if (entry.kind != ENTRY_SEAL)
            TRY(recover__take(recovery, &entry));
        recovery->figures.last = from;
        from = entry.end;
    }
    recovery->figures.end = to;
    return STATUS_OK;
}

enum status recover__entries(struct recovery *recovery, uint64_t size) {
    uint64_t at = recovery->from, batch = at;
    recovery->figures.end = at;
    while (at < size) {
        struct entry entry;
        if (!good_at(recovery->geometry, recovery->base, size, at, &entry)) {
            uint64_t next = recover__next_entry(recovery->geometry, recovery->base, at + 1, size);
            if (next == size || !seal_follows(recovery, next, size))
                break; /* nobody vouches for what is behind the gap: a torn tail */
            TRY(take_range(recovery, batch, at));
            recover__damage(recovery->drive, at, next);
            recovery->clean_end = 0; /* a version in the gap may make a later one look first */
            at = batch = recovery->figures.end = next;
            continue;
        }
        if (entry.flags & ENTRY_SEALED) {
            recovery->sealed = at;
            recovery->batches_unsealed = 0;
        }
        at = entry.end;
        if (entry.flags & ENTRY_ENDS_BATCH) {
            TRY(take_range(recovery, batch, at));
            if (recovery->tail_from + TAIL_CHECK_MAX < size)
                recovery->tail_from = batch;
            batch = at;
            recovery->batches_unsealed += entry.kind != ENTRY_SEAL;
        }
    }
    return STATUS_OK;
}

static void let_go(void *context, uint64_t offset, uint64_t size) {
    const struct recovery *recovery = context;
    plain_advise(recovery->base, offset, size, PLAIN_DROP);
}

/* With --memory a large entry does not stay in it. */
static bool is_good(struct recovery *recovery, const struct entry *entry) {
    bool large = recovery->drive->options.memory != 0 && entry->end - entry->start > CHECK_PIECE;
    return entry_good_in_pieces(recovery->geometry, recovery->base, entry, CHECK_PIECE,
                                large ? let_go : NULL, recovery);
}

uint64_t recover__first_bad_batch(struct recovery *recovery, uint64_t from) {
    uint64_t end = recovery->figures.end, batch = from, at = from;
    struct entry entry;
    while (at < end) {
        if (!entry_decode(recovery->geometry, recovery->base, end, at, &entry) ||
            !is_good(recovery, &entry))
            return batch;
        at = entry.end;
        if (entry.flags & ENTRY_ENDS_BATCH)
            batch = at;
    }
    return end;
}
