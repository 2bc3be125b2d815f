/*
 * Reading format 1 at opening: the chain goes from the end of the file backwards.
 *
 * Nothing in the file says where an entry begins but the 20 bytes at its end, so a damaged trailer
 * hides everything before it. The walk then tries every place further up until the 20 bytes before
 * it look like a trailer: they lead to the end of another likely trailer (or to the file's start),
 * and the checksum of the value between is right. The same search finds the end of the last whole
 * entry in front of a torn tail.
 */
#include "base/base_memory.h"
#include "drive/store.h"

/* Decodes, and if `follows` comes back true another likely trailer ends where it starts. */
static bool decodes(const struct recovery *recovery, uint64_t place, struct entry *entry_out,
                    bool *follows) {
    struct entry before;
    if (place <= recovery->from ||
        !entry_decode(recovery->geometry, recovery->base, place, place, entry_out) ||
        entry_out->start < recovery->from)
        return false;
    *follows = entry_out->start == recovery->from ||
               entry_decode(recovery->geometry, recovery->base, entry_out->start, entry_out->start,
                            &before);
    return true;
}

bool recover__likely(const struct recovery *recovery, uint64_t place, struct entry *entry_out) {
    bool follows;
    return decodes(recovery, place, entry_out, &follows) &&
           (follows || entry_good(recovery->geometry, recovery->base, entry_out));
}

/* Numbers in a value can look like a short way back; summing a long way for each of them would take
   for ever, so a long one must lead to another trailer. */
enum { UNBACKED_SIZE_MAX = 64 << 10 };
/* And in all no more is summed in vain than this, so that any file is soon known for what it is. */
enum { SUMMED_SIZE_MAX = 64 << 20, SUMMED_TIMES_MAX = 4 };

static bool promising(const struct recovery *recovery, uint64_t place, struct entry *entry_out) {
    bool follows;
    return decodes(recovery, place, entry_out, &follows) &&
           (follows || place - entry_out->start <= UNBACKED_SIZE_MAX);
}

/* The likeliest entry's end at or before `place`, `from` if there is none. */
uint64_t recover__find_end(struct recovery *recovery, uint64_t place) {
    static const uint8_t nothing[FORMAT_CHAIN_TRAILER_SIZE];
    struct entry entry;
    for (; place > recovery->from + FORMAT_CHAIN_TRAILER_SIZE; place--) {
        const uint8_t *trailer = recovery->base + place - FORMAT_CHAIN_TRAILER_SIZE;
        if (memcmp(trailer, nothing, sizeof nothing) == 0 || !promising(recovery, place, &entry))
            continue;
        recovery->summed += entry.value.size;
        if (recovery->summed > SUMMED_SIZE_MAX + SUMMED_TIMES_MAX * (place - recovery->from))
            break;
        if (entry_good(recovery->geometry, recovery->base, &entry))
            return place;
    }
    return recovery->from;
}

struct places {
    uint64_t *items;
    size_t count, capacity;
};

static bool push(struct places *places, uint64_t place) {
    if (!memory_grow(&places->items, &places->capacity, places->count + 1, sizeof *places->items))
        return false;
    places->items[places->count++] = place;
    return true;
}

/* Gather the places from `place` back to the start. */
static enum status gather(struct recovery *recovery, uint64_t place, struct places *places) {
    while (place > recovery->from) {
        struct entry entry;
        if (!recover__likely(recovery, place, &entry)) {
            uint64_t end = recover__find_end(recovery, place - 1);
            recover__damage(recovery->drive, end, place);
            recovery->clean_end = 0;
            place = end;
            continue;
        }
        if (!push(places, place))
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        place = entry.start;
    }
    return STATUS_OK;
}

enum status recover__chain(struct recovery *recovery, uint64_t size) {
    struct entry entry;
    uint64_t end = size;
    recovery->figures.end = recovery->from;
    if (size <= recovery->from)
        return STATUS_OK;
    /* At the very end a wrong checksum alone is damage, not a torn write: the trailer, written
       last, is there and leads to another entry. */
    if (!recover__likely(recovery, size, &entry) ||
        (entry.start == recovery->from && !entry_good(recovery->geometry, recovery->base, &entry)))
        end = recover__find_end(recovery, size - 1);
    struct places places = {0};
    enum status status = gather(recovery, end, &places);
    for (size_t i = places.count; i > 0 && status == STATUS_OK; i--) {
        bool readable =
            entry_decode(recovery->geometry, recovery->base, end, places.items[i - 1], &entry);
        ASSERT(readable);
        recovery->figures.last = places.items[i - 1];
        status = recover__take(recovery, &entry);
        recovery->figures.end = entry.end;
    }
    recovery->figures.end = end;
    memory_free(places.items);
    return status;
}
