/*
 * Recovery: walk the chain of frames, tell a torn tail from damage, hand out whole records.
 * See "Telling a torn tail from damage" in journal_format.h.
 */
#include <inttypes.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "journal/state.h"

enum { WINDOW_SIZE = 4 << 20 };

/* A place in the chain: what the next frame must look like. */
struct place {
    size_t segment; /* index */
    uint64_t offset;
    uint64_t frame, previous_hash, number;
};

struct reader {
    const char *directory;
    const struct segment *segments;
    size_t count;
    struct file *file;
    size_t file_segment; /* index of the open one */
    uint8_t *window;
    uint64_t window_offset;
    size_t window_size;
    struct place damage; /* where `damaged` was said last */
};

struct frame {
    struct journal_frame_header header;
    struct slice payload; /* in the window, until the next read */
};

static void place_at_segment(const struct reader *reader, size_t segment, struct place *place) {
    const struct journal_segment_header *header = &reader->segments[segment].header;
    *place = (struct place){segment, JOURNAL_BLOCK_SIZE, header->first_frame, header->previous_hash,
                            header->first_number};
}

/* ---- bytes -------------------------------------------------------------------------------- */

static enum status segment_switch(struct fiber *f, struct reader *reader, size_t segment) {
    if (reader->file != NULL && reader->file_segment == segment)
        return STATUS_OK;
    char path[JOURNAL_PATH_SIZE];
    if (reader->file != NULL) {
        struct file *old = reader->file;
        reader->file = NULL;
        TRY(file_close(f, old));
    }
    journal__segment_path(reader->directory, reader->segments[segment].header.sequence, path);
    TRY(file_open(f, path, FILE_READ_ONLY | FILE_DIRECT, &reader->file));
    reader->file_segment = segment;
    reader->window_size = 0;
    return STATUS_OK;
}

/* Bytes [offset, offset + size) of a segment, in the window. The range lies in the segment. */
static enum status bytes_at(struct fiber *f, struct reader *reader, size_t segment, uint64_t offset,
                            size_t size, const uint8_t **bytes_out) {
    uint64_t segment_size = reader->segments[segment].header.size;
    ASSERT(offset + size <= segment_size && size <= WINDOW_SIZE);
    TRY(segment_switch(f, reader, segment));
    if (offset < reader->window_offset ||
        offset + size > reader->window_offset + reader->window_size) {
        size_t want =
            segment_size - offset < WINDOW_SIZE ? (size_t)(segment_size - offset) : WINDOW_SIZE;
        reader->window_size = 0;
        TRY(file_read_exact(f, reader->file, reader->window, want, offset));
        reader->window_offset = offset;
        reader->window_size = want;
    }
    *bytes_out = reader->window + (offset - reader->window_offset);
    return STATUS_OK;
}

/* ---- frames ------------------------------------------------------------------------------- */

/* The frame at a place of a segment if a valid one of that segment is there, wherever it belongs
   in the chain. */
static enum status frame_at(struct fiber *f, struct reader *reader, size_t segment, uint64_t offset,
                            bool *valid_out, struct frame *frame_out, size_t *size_out,
                            uint64_t *hash_out) {
    const struct journal_segment_header *header = &reader->segments[segment].header;
    const uint8_t *bytes;
    *valid_out = false;
    if (offset + JOURNAL_BLOCK_SIZE > header->size)
        return STATUS_OK;
    TRY(bytes_at(f, reader, segment, offset, JOURNAL_BLOCK_SIZE, &bytes));
    if (!journal_frame_peek(bytes, header->sequence, size_out) || offset + *size_out > header->size)
        return STATUS_OK;
    TRY(bytes_at(f, reader, segment, offset, *size_out, &bytes));
    *valid_out =
        journal_frame_decode(bytes, *size_out, header->database_id, &frame_out->header, hash_out);
    frame_out->payload = slice_of(bytes + JOURNAL_FRAME_HEADER_SIZE,
                                  *valid_out ? frame_out->header.payload_size : 0);
    return STATUS_OK;
}

static enum status damaged(struct reader *reader, const struct place *place, const char *what) {
    reader->damage = *place;
    char path[JOURNAL_PATH_SIZE];
    journal__segment_path(reader->directory, reader->segments[place->segment].header.sequence,
                          path);
    enum status status =
        error_set(STATUS_DATA_CORRUPTED, "journal segment \"%s\" is damaged at offset %" PRIu64,
                  path, place->offset);
    error_detail("Frame %" PRIu64 " (commit %" PRIu64 ") %s.", place->frame, place->number, what);
    return status;
}

/* Behind an unreadable frame of the last segment: anything valid there means damage. */
static enum status tail_verify(struct fiber *f, struct reader *reader, const struct place *tail) {
    const struct journal_segment_header *header = &reader->segments[tail->segment].header;
    for (uint64_t at = tail->offset; at < header->size; at += JOURNAL_BLOCK_SIZE) {
        bool valid;
        struct frame frame;
        size_t size;
        uint64_t hash;
        TRY(frame_at(f, reader, tail->segment, at, &valid, &frame, &size, &hash));
        if (valid)
            return damaged(reader, tail, "is unreadable, but there are valid ones behind it");
        TRY(fiber_check(f));
    }
    return STATUS_OK;
}

/* The next frame of the chain; *found_out false at the journal's end. */
static enum status frame_next(struct fiber *f, struct reader *reader, struct place *place,
                              bool *found_out, struct frame *frame_out) {
    bool valid;
    size_t size;
    uint64_t hash;
    TRY(frame_at(f, reader, place->segment, place->offset, &valid, frame_out, &size, &hash));
    if (!valid) {
        *found_out = false;
        if (place->segment + 1 == reader->count)
            return tail_verify(f, reader, place);
        struct place next;
        place_at_segment(reader, place->segment + 1, &next);
        if (next.frame != place->frame || next.previous_hash != place->previous_hash ||
            next.number != place->number)
            return damaged(reader, place, "is unreadable, but there is a segment behind it");
        *place = next;
        return frame_next(f, reader, place, found_out, frame_out);
    }
    const struct journal_frame_header *header = &frame_out->header;
    if (header->frame != place->frame || header->previous_hash != place->previous_hash ||
        header->first_number != place->number)
        return damaged(reader, place, "is not the one that belongs here");
    place->offset += size;
    place->frame++;
    place->previous_hash = hash;
    place->number += header->record_count;
    *found_out = true;
    return STATUS_OK;
}

/* ---- records ------------------------------------------------------------------------------ */

static enum status record_deliver(struct fiber *f, const struct journal_replay *replay,
                                  uint64_t number, struct slice record) {
    if (replay == NULL || number <= replay->from.value)
        return STATUS_OK;
    TRY(replay->begin(f, replay->context, (struct commit_number){number}, record.size));
    if (record.size > 0)
        TRY(replay->bytes(f, replay->context, record));
    return replay->end(f, replay->context);
}

static enum status records_deliver(struct fiber *f, struct reader *reader,
                                   const struct journal_replay *replay, const struct place *place,
                                   const struct frame *frame) {
    struct slice rest = frame->payload, record;
    uint32_t count = 0;
    while (journal_record_next(&rest, &record)) {
        TRY(record_deliver(f, replay, frame->header.first_number + count, record));
        count++;
        TRY(fiber_check(f));
    }
    if (rest.size > 0 || count != frame->header.record_count)
        return damaged(reader, place, "does not hold the records it names");
    return STATUS_OK;
}

/* `place` is behind the record's first frame. Walk to its last one to learn whether it is whole;
   *place is then behind it. *whole_out false: given up or cut off, *place is before whatever
   follows its fragments. */
static enum status large_measure(struct fiber *f, struct reader *reader, struct place *place,
                                 const struct frame *first, bool *whole_out, uint64_t *size_out) {
    unsigned flags = first->header.fragment_flags;
    *size_out = first->payload.size;
    while ((flags & JOURNAL_FRAGMENT_LAST) == 0) {
        struct place before = *place;
        struct frame frame;
        bool found;
        TRY(frame_next(f, reader, place, &found, &frame));
        flags = found ? frame.header.fragment_flags : 0;
        *whole_out = found && frame.header.kind == JOURNAL_FRAME_FRAGMENT &&
                     (flags & JOURNAL_FRAGMENT_FIRST) == 0;
        if (!*whole_out) {
            if (found)
                *place = before;
            return STATUS_OK;
        }
        *size_out += frame.payload.size;
        TRY(fiber_check(f));
    }
    *whole_out = true;
    return STATUS_OK;
}

static enum status large_deliver(struct fiber *f, struct reader *reader,
                                 const struct journal_replay *replay, struct place place,
                                 uint64_t size) {
    struct frame frame;
    bool found = true;
    TRY(frame_next(f, reader, &place, &found, &frame));
    TRY(replay->begin(f, replay->context, (struct commit_number){frame.header.first_number}, size));
    for (;;) {
        ASSERT(found && size >= frame.payload.size);
        size -= frame.payload.size;
        TRY(replay->bytes(f, replay->context, frame.payload));
        if ((frame.header.fragment_flags & JOURNAL_FRAGMENT_LAST) != 0)
            break;
        TRY(frame_next(f, reader, &place, &found, &frame));
    }
    ASSERT(size == 0);
    return replay->end(f, replay->context);
}

/* ---- the walk ----------------------------------------------------------------------------- */

struct progress {
    int64_t next_ns;
    uint64_t bytes_total;
};

static void progress_log(struct progress *progress, const struct reader *reader,
                         const struct place *place) {
    int64_t now = clock_monotonic_ns();
    if (now < progress->next_ns)
        return;
    progress->next_ns = now + 1000000000;
    uint64_t done = place->offset;
    for (size_t i = 0; i < place->segment; i++)
        done += reader->segments[i].header.size;
    LOG(LOG_INFO, "journal", "replay percent=%" PRIu64 " commit=%" PRIu64,
        done * 100 / progress->bytes_total, place->number);
}

/* skipping: `place` lies inside a large record. */
static enum status walk(struct fiber *f, struct reader *reader, const struct journal_replay *replay,
                        struct place place, bool skipping, struct replay_end *end_out) {
    struct progress progress = {clock_monotonic_ns() + 1000000000, 1};
    for (size_t i = 0; i < reader->count; i++)
        progress.bytes_total += reader->segments[i].header.size;
    bool open = skipping; /* the last frame seen belongs to an unfinished record */
    *end_out = (struct replay_end){0};
    uint64_t first_number = place.number;
    struct place last = place;
    for (;;) {
        struct place before = place;
        struct frame frame;
        bool found;
        TRY(frame_next(f, reader, &place, &found, &frame));
        if (!found)
            break;
        last = before;
        open = false;
        unsigned flags = frame.header.fragment_flags;
        if (frame.header.kind == JOURNAL_FRAME_RECORDS) {
            TRY(records_deliver(f, reader, replay, &before, &frame));
        } else if ((flags & JOURNAL_FRAGMENT_FIRST) != 0) {
            bool whole;
            uint64_t size;
            TRY(large_measure(f, reader, &place, &frame, &whole, &size));
            open = !whole;
            if (whole && replay != NULL && before.number > replay->from.value)
                TRY(large_deliver(f, reader, replay, before, size));
        } else if (skipping) { /* the rest of a record that nobody needs any more */
            open = (flags & JOURNAL_FRAGMENT_LAST) == 0;
            if (!open && replay != NULL && before.number > replay->from.value)
                return damaged(reader, &before, "ends a record whose beginning is missing");
        } else {
            return damaged(reader, &before, "continues a record that was not begun");
        }
        skipping = skipping && open;
        progress_log(&progress, reader, &place);
        TRY(fiber_check(f));
    }
    ASSERT(place.segment + 1 == reader->count);
    end_out->offset = place.offset;
    end_out->last_offset = last.segment == place.segment ? last.offset : JOURNAL_BLOCK_SIZE;
    end_out->next_frame = place.frame;
    end_out->previous_hash = place.previous_hash;
    end_out->next_number = place.number;
    end_out->record_open = open;
    end_out->frames = place.frame - reader->segments[0].header.first_frame;
    end_out->records = place.number - first_number;
    return STATUS_OK;
}

/* One line when a half-written frame is cut off. */
static enum status tail_log(struct fiber *f, struct reader *reader, const struct replay_end *end) {
    size_t last = reader->count - 1;
    const struct journal_segment_header *header = &reader->segments[last].header;
    if (end->offset + JOURNAL_BLOCK_SIZE > header->size)
        return STATUS_OK;
    const uint8_t *block;
    size_t size;
    TRY(bytes_at(f, reader, last, end->offset, JOURNAL_BLOCK_SIZE, &block));
    if (journal_frame_peek(block, header->sequence, &size)) {
        char path[JOURNAL_PATH_SIZE];
        journal__segment_path(reader->directory, header->sequence, path);
        LOG(LOG_WARNING, "journal", "torn tail cut off: bytes=%zu file=%s offset=%" PRIu64, size,
            path, end->offset);
    }
    return STATUS_OK;
}

/* The last segment that begins no later than what replay wants, and not inside a wanted record. */
static size_t start_segment(const struct segment *segments, size_t count, uint64_t from) {
    size_t start = 0;
    for (size_t i = 1; i < count; i++) {
        const struct journal_segment_header *header = &segments[i].header;
        if (header->first_number - (header->continues ? 0 : 1) <= from)
            start = i;
    }
    return start;
}

enum status journal__replay(struct fiber *f, const char *directory, const struct segment *segments,
                            size_t count, const struct journal_replay *replay,
                            struct replay_end *end_out) {
    ASSERT(count > 0);
    struct reader reader = {.directory = directory, .segments = segments, .count = count};
    struct place place;
    size_t start = replay != NULL ? start_segment(segments, count, replay->from.value) : 0;
    place_at_segment(&reader, start, &place);
    if (replay != NULL && place.number > replay->from.value + 1) {
        enum status status = error_set(STATUS_DATA_CORRUPTED,
                                       "journal begins at commit %" PRIu64
                                       ", but replay must begin at commit %" PRIu64,
                                       place.number, replay->from.value + 1);
        error_detail("A segment of \"%s\" is missing.", directory);
        return status;
    }
    reader.window = memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, WINDOW_SIZE);
    if (reader.window == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    enum status status = walk(f, &reader, replay, place, segments[start].header.continues, end_out);
    if (status == STATUS_OK)
        status = tail_log(f, &reader, end_out);
    if (reader.file != NULL) {
        enum status closed = file_close(f, reader.file);
        status = status == STATUS_OK ? closed : status;
    }
    memory_free(reader.window);
    return status;
}

/* ---- a damaged journal ---------------------------------------------------------------------- */

/* The next valid frame behind a place, wherever the chain has it. */
static enum status resync(struct fiber *f, struct reader *reader, struct place *place,
                          bool *found_out, struct frame *frame_out) {
    *found_out = false;
    uint64_t at = place->offset + JOURNAL_BLOCK_SIZE;
    for (size_t segment = place->segment; segment < reader->count; segment++) {
        for (; at < reader->segments[segment].header.size; at += JOURNAL_BLOCK_SIZE) {
            size_t size;
            uint64_t hash;
            TRY(frame_at(f, reader, segment, at, found_out, frame_out, &size, &hash));
            if (*found_out) {
                const struct journal_frame_header *header = &frame_out->header;
                *place = (struct place){segment, at, header->frame, header->previous_hash,
                                        header->first_number};
                return STATUS_OK;
            }
            TRY(fiber_check(f));
        }
        at = JOURNAL_BLOCK_SIZE;
    }
    return STATUS_OK;
}

static void note_newest(struct journal_salvage *salvage, uint64_t number) {
    if (salvage->newest.value < number)
        salvage->newest.value = number;
}

/* What lies behind damage that matters: only how far it goes is of interest. */
static enum status look_behind(struct fiber *f, struct reader *reader, struct place place,
                               struct journal_salvage *salvage) {
    bool found = true;
    while (found) {
        struct frame frame;
        TRY(resync(f, reader, &place, &found, &frame));
        if (found && frame.header.record_count > 0)
            note_newest(salvage, frame.header.first_number + frame.header.record_count - 1);
    }
    return STATUS_OK;
}

static enum status walk_around(struct fiber *f, struct reader *reader,
                               const struct journal_replay *replay, struct place place,
                               bool skipping, void (*report)(void *context, const char *line),
                               void *context, struct journal_salvage *salvage) {
    for (;;) {
        struct replay_end end;
        enum status status = walk(f, reader, replay, place, skipping, &end);
        if (status == STATUS_OK) {
            salvage->last.value = end.next_number - 1;
            note_newest(salvage, end.next_number - 1);
            size_t last = reader->count - 1, size;
            const uint8_t *block;
            if (end.offset + JOURNAL_BLOCK_SIZE > reader->segments[last].header.size)
                return STATUS_OK;
            TRY(bytes_at(f, reader, last, end.offset, JOURNAL_BLOCK_SIZE, &block));
            salvage->tail_unreadable =
                journal_frame_peek(block, reader->segments[last].header.sequence, &size);
            return STATUS_OK;
        }
        if (status != STATUS_DATA_CORRUPTED)
            return status;
        report(context, error_current()->message);
        struct place next = reader->damage;
        struct frame frame;
        bool found;
        salvage->last.value = next.number - 1;
        note_newest(salvage, next.number - 1);
        TRY(resync(f, reader, &next, &found, &frame));
        if (!found || frame.header.first_number > replay->from.value + 1) {
            uint64_t first = reader->damage.number;
            salvage->lost_from.value = first > replay->from.value ? first : replay->from.value + 1;
            return look_behind(f, reader, reader->damage, salvage);
        }
        place = next;
        skipping = frame.header.kind == JOURNAL_FRAME_FRAGMENT &&
                   (frame.header.fragment_flags & JOURNAL_FRAGMENT_FIRST) == 0;
    }
}

enum status journal_salvage(struct fiber *f, const char *directory, uint64_t database_id,
                            const struct journal_replay *replay,
                            void (*report)(void *context, const char *line), void *context,
                            struct journal_salvage *salvage_out) {
    *salvage_out = (struct journal_salvage){0};
    struct reader reader = {.directory = directory};
    struct segment *segments;
    TRY(journal__segments_salvage(f, directory, database_id, report, context, &segments,
                                  &reader.count));
    reader.segments = segments;
    enum status status = STATUS_OK;
    reader.window = memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, WINDOW_SIZE);
    if (reader.window == NULL)
        status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    else if (reader.count == 0)
        salvage_out->lost_from.value = replay->from.value + 1;
    if (status == STATUS_OK && reader.count > 0) {
        struct place place;
        size_t start = start_segment(segments, reader.count, replay->from.value);
        place_at_segment(&reader, start, &place);
        if (place.number > replay->from.value + 1)
            salvage_out->lost_from.value = replay->from.value + 1;
        else
            status = walk_around(f, &reader, replay, place, segments[start].header.continues,
                                 report, context, salvage_out);
    }
    if (reader.file != NULL && file_close(f, reader.file) != STATUS_OK)
        error_clear();
    memory_free(reader.window);
    memory_free(segments);
    return status;
}
