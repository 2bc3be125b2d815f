/*
 * Appending and group commit. Appenders copy records into the filling buffer; the writer fiber
 * takes whatever is there as one frame and writes it while the other buffer fills.
 */
#include <inttypes.h>

#include "base/base_bytes.h"
#include "base/base_chance.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "journal/state.h"

static const int64_t MEMORY_RETRY_NS = INT64_C(10000000);

static struct frame_buffer *filling(struct journal *journal) {
    return &journal->buffers[journal->filling];
}

static size_t payload_max(const struct journal *journal) {
    return journal->buffer_size - JOURNAL_FRAME_HEADER_SIZE;
}

/* Is a checkpoint to be waited for? Not if the oldest segment has fragments of a record that was
   given up, or that a crash cut off: they go with the next record, which must be let in first. */
static bool ring_full(const struct journal *journal) {
    uint64_t next = atomic_load_explicit(&journal->next_number, memory_order_relaxed);
    return atomic_load_explicit(&journal->bytes_used, memory_order_relaxed) +
                   filling((struct journal *)journal)->payload_size >=
               journal->size_target &&
           journal->segment_count > 1 && journal__last_number(journal, 0) < next;
}

static enum status refusal(void) {
    enum status status = error_set(STATUS_DISK_FULL, "the journal is full");
    error_detail("Checkpoints fail, so nothing of it can be released; see the server's log.");
    return status;
}

void journal_refuse_when_full(struct journal *journal, bool refuse) {
    journal->refusing_when_full = refuse;
    if (refuse)
        condition_wake_all(&journal->room);
}

bool journal__placed(const struct journal *journal, size_t size, size_t spares) {
    const struct segment *last = &journal->segments[journal->segment_count - 1];
    const struct frame_buffer *buffers = journal->buffers;
    const size_t payloads[] = {buffers[1 - journal->filling].payload_size,
                               buffers[journal->filling].payload_size + size};
    uint64_t whole = journal->segment_size - JOURNAL_BLOCK_SIZE;
    uint64_t rest = journal->adding == SEGMENT_ABSENT ? last->header.size - journal->offset : whole;
    for (int i = 0; i < 2; i++) {
        size_t frame = payloads[i] == 0 ? 0 : journal_frame_size(payloads[i]);
        if (frame > rest) {
            if (spares-- == 0)
                return false;
            rest = whole;
        }
        rest -= frame;
    }
    return true;
}

/* One spare more, or why a record is refused. */
static enum status place_make(struct fiber *f, struct journal *journal) {
    enum status status = journal__spare_wait(f, journal);
    if (status == STATUS_DISK_FULL) {
        error_set(status, "could not extend the journal: no space left on device");
        error_hint("Check free disk space.");
    }
    return status;
}

enum status journal_room_check(struct fiber *f, struct journal *journal) {
    ASSERT(fiber_core(f) == journal->core);
    bool short_of_disk = journal->prepare_error.status == STATUS_DISK_FULL;
    return short_of_disk && journal->spare_count == 0 ? place_make(f, journal) : STATUS_OK;
}

static void buffer_ready(struct journal *journal) {
    filling(journal)->ready = true;
    if (journal->writer_idle) {
        journal->writer_idle = false;
        condition_wake_one(&journal->work);
    }
}

/* ---- small records ------------------------------------------------------------------------ */

/* Room for a small record right now? */
static bool record_fits(struct journal *journal, size_t size) {
    const struct frame_buffer *buffer = filling(journal);
    if (ring_full(journal))
        return false;
    if (buffer->payload_size == 0)
        return true;
    return buffer->kind == JOURNAL_FRAME_RECORDS &&
           buffer->payload_size + size <= payload_max(journal) &&
           !by_chance("journal: a record waits for the next frame");
}

static struct commit_number number_give(struct journal *journal) {
    struct frame_buffer *buffer = filling(journal);
    uint64_t number = atomic_load_explicit(&journal->next_number, memory_order_relaxed);
    if (buffer->record_count++ == 0)
        buffer->first_number = number;
    atomic_store_explicit(&journal->next_number, number + 1, memory_order_release);
    return (struct commit_number){number};
}

static struct commit_number record_add(struct journal *journal, struct slice record) {
    struct frame_buffer *buffer = filling(journal);
    uint8_t *at = buffer->bytes + JOURNAL_FRAME_HEADER_SIZE + buffer->payload_size;
    size_t prefix = varint_put(at, record.size);
    if (record.size > 0)
        memcpy(at + prefix, record.data, record.size);
    buffer->payload_size += prefix + record.size;
    ASSERT(buffer->payload_size <= payload_max(journal));
    buffer->kind = JOURNAL_FRAME_RECORDS;
    struct commit_number number = number_give(journal);
    buffer_ready(journal);
    return number;
}

struct one_piece {
    struct slice piece;
};

static enum status one_piece_next(struct fiber *f, void *context, struct slice *piece_out) {
    struct one_piece *one = context;
    *piece_out = one->piece;
    one->piece = SLICE_EMPTY;
    return STATUS_OK;
}

struct append_call {
    struct journal *journal;
    struct slice record;
    enum status (*next)(struct fiber *f, void *context, struct slice *piece_out);
    void *context;
    struct commit_number *number_out;
};

static enum status append_here(struct fiber *f, void *argument) {
    struct append_call *call = argument;
    struct journal *journal = call->journal;
    size_t size = varint_size(call->record.size) + call->record.size;
    if (journal->append_mutex.owner == NULL && record_fits(journal, size) &&
        journal__placed(journal, size, journal->spare_count)) {
        *call->number_out = record_add(journal, call->record);
        return STATUS_OK;
    }
    TRY(fiber_mutex_lock(f, &journal->append_mutex));
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        if (record_fits(journal, size)) {
            if (journal__placed(journal, size, journal->spare_count))
                break;
            status = place_make(f, journal);
        } else {
            status = journal->refusing_when_full && ring_full(journal)
                         ? refusal()
                         : condition_wait(f, &journal->room);
        }
    }
    if (status == STATUS_OK)
        *call->number_out = record_add(journal, call->record);
    fiber_mutex_unlock(f, &journal->append_mutex);
    return status;
}

enum status journal_append(struct fiber *f, struct journal *journal, struct slice record,
                           struct commit_number *number_out) {
    ASSERT(record.size <= JOURNAL_SMALL_SIZE_MAX);
    ASSERT(!journal->stopping);
    if (varint_size(record.size) + record.size > payload_max(journal)) { /* tiny segments */
        struct one_piece one = {record};
        return journal_append_large(f, journal, one_piece_next, &one, number_out);
    }
    struct append_call call = {.journal = journal, .record = record, .number_out = number_out};
    return core_call(f, journal->core, append_here, &call);
}

/* ---- large records ------------------------------------------------------------------------ */

/* Wait until the filling buffer is empty. Only the ring's being full at the record's begin makes
   it wait for a checkpoint: once begun it may use as many segments as it needs. */
static enum status room_wait(struct fiber *f, struct journal *journal, bool begun) {
    while (filling(journal)->payload_size > 0 || (!begun && ring_full(journal))) {
        if (!begun && journal->refusing_when_full && ring_full(journal))
            return refusal();
        TRY(condition_wait(f, &journal->room));
    }
    return STATUS_OK;
}

static void fragment_begin(struct journal *journal, bool first) {
    struct frame_buffer *buffer = filling(journal);
    ASSERT(buffer->payload_size == 0 && !buffer->ready);
    buffer->kind = JOURNAL_FRAME_FRAGMENT;
    buffer->fragment_flags = first ? JOURNAL_FRAGMENT_FIRST : 0;
    buffer->first_number = atomic_load_explicit(&journal->next_number, memory_order_relaxed);
}

/* Before what was filled is handed to the writer. */
static enum status fragment_place(struct fiber *f, struct journal *journal) {
    while (!journal__placed(journal, 0, journal->spare_count))
        TRY(place_make(f, journal));
    return STATUS_OK;
}

static enum status fragments_fill(struct fiber *f, struct append_call *call) {
    struct journal *journal = call->journal;
    struct slice piece;
    TRY(call->next(f, call->context, &piece));
    TRY(room_wait(f, journal, false));
    fragment_begin(journal, true);
    while (piece.size > 0) {
        struct frame_buffer *buffer = filling(journal);
        size_t room = payload_max(journal) - buffer->payload_size;
        if (room == 0) {
            TRY(fragment_place(f, journal));
            buffer_ready(journal);
            TRY(room_wait(f, journal, true));
            fragment_begin(journal, false);
            continue;
        }
        size_t take = piece.size < room ? piece.size : room;
        memcpy(buffer->bytes + JOURNAL_FRAME_HEADER_SIZE + buffer->payload_size, piece.data, take);
        buffer->payload_size += take;
        piece = slice_of(piece.data + take, piece.size - take);
        TRY(fiber_check(f));
        if (piece.size == 0)
            TRY(call->next(f, call->context, &piece));
    }
    return fragment_place(f, journal);
}

static enum status append_large_here(struct fiber *f, void *argument) {
    struct append_call *call = argument;
    struct journal *journal = call->journal;
    TRY(fiber_mutex_lock(f, &journal->append_mutex));
    enum status status = fragments_fill(f, call);
    struct frame_buffer *buffer = filling(journal);
    if (status == STATUS_OK) {
        ASSERT(buffer->payload_size > 0); /* a large record has at least one byte */
        buffer->fragment_flags |= JOURNAL_FRAGMENT_LAST;
        *call->number_out = number_give(journal);
        buffer_ready(journal);
    } else if (!buffer->ready && buffer->kind == JOURNAL_FRAME_FRAGMENT) {
        buffer->payload_size = 0; /* fragments already written are void without a last one */
        buffer->kind = JOURNAL_FRAME_RECORDS;
        buffer->fragment_flags = 0;
    }
    fiber_mutex_unlock(f, &journal->append_mutex);
    return status;
}

enum status journal_append_large(struct fiber *f, struct journal *journal,
                                 enum status (*next)(struct fiber *f, void *context,
                                                     struct slice *piece_out),
                                 void *context, struct commit_number *number_out) {
    ASSERT(!journal->stopping);
    struct append_call call = {
        .journal = journal, .next = next, .context = context, .number_out = number_out};
    return core_call(f, journal->core, append_large_here, &call);
}

/* ---- waiting ------------------------------------------------------------------------------ */

static enum status wait_here(struct fiber *f, void *argument) {
    struct append_call *call = argument;
    struct journal *journal = call->journal;
    struct durable_waiter waiter = {.number = call->number_out->value};
    ASSERT(waiter.number < atomic_load(&journal->next_number));
    if (atomic_load(&journal->durable) >= waiter.number)
        return STATUS_OK;
    fiber_shield(f);
    list_push_back(&journal->durable_waiters, &waiter.node);
    enum status status = condition_wait(f, &waiter.condition);
    ASSERT(status == STATUS_OK);
    fiber_unshield(f);
    return STATUS_OK;
}

void journal_wait_durable(struct fiber *f, struct journal *journal, struct commit_number number) {
    if (journal_durable(journal).value >= number.value)
        return;
    struct append_call call = {.journal = journal, .number_out = &number};
    fiber_shield(f);
    enum status status = core_call(f, journal->core, wait_here, &call);
    ASSERT(status == STATUS_OK);
    fiber_unshield(f);
}

struct commit_number journal_durable(const struct journal *journal) {
    return (struct commit_number){atomic_load_explicit(&journal->durable, memory_order_acquire)};
}

struct commit_number journal_newest(const struct journal *journal) {
    return (struct commit_number){
        atomic_load_explicit(&journal->next_number, memory_order_acquire) - 1};
}

void journal_on_durable(struct journal *journal,
                        void (*function)(void *context, struct commit_number durable),
                        void *context) {
    journal->on_durable = function;
    journal->on_durable_context = context;
}

void journal_statistics(const struct journal *journal, struct journal_statistics *statistics_out) {
    *statistics_out = (struct journal_statistics){
        .bytes_written = atomic_load_explicit(&journal->bytes_written, memory_order_relaxed),
        .frames = atomic_load_explicit(&journal->frames, memory_order_relaxed),
        .records = atomic_load_explicit(&journal->records, memory_order_relaxed),
        .syncs = atomic_load_explicit(&journal->syncs, memory_order_relaxed),
        .bytes_used = atomic_load_explicit(&journal->bytes_used, memory_order_relaxed),
        .bytes_total = atomic_load_explicit(&journal->bytes_total, memory_order_relaxed),
    };
}

/* ---- the writer --------------------------------------------------------------------------- */

static _Noreturn void writer_fatal(const char *what) {
    log_fatal("journal", "%s failed, stopping: %s %s", what, error_current()->message,
              error_current()->detail);
}

static void count_add(_Atomic uint64_t *counter, uint64_t value) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value,
                          memory_order_relaxed);
}

/* False: there was no memory for it. Whoever waits for the frame is as well off waiting longer. */
static bool segment_try_add(struct fiber *f, struct journal *journal) {
    enum status status = fiber_mutex_lock(f, &journal->segments_mutex);
    ASSERT(status == STATUS_OK); /* shielded */
    status = journal__segment_add(f, journal);
    fiber_mutex_unlock(f, &journal->segments_mutex);
    if (status == STATUS_OUT_OF_MEMORY && journal->adding != SEGMENT_NAMED)
        return false;
    if (status != STATUS_OK)
        writer_fatal("adding a segment");
    return true;
}

static void segment_room_make(struct fiber *f, struct journal *journal, size_t size) {
    const struct segment *last = &journal->segments[journal->segment_count - 1];
    if (journal->offset + size <= last->header.size)
        return;
    for (bool told = false; !segment_try_add(f, journal); told = true) {
        if (!told)
            LOG(LOG_WARNING, "journal", "no memory to add a segment, commits wait for it");
        enum status status = fiber_sleep(f, MEMORY_RETRY_NS);
        ASSERT(status == STATUS_OK); /* shielded */
    }
}

static void frame_write(struct fiber *f, struct journal *journal, struct frame_buffer *buffer) {
    segment_room_make(f, journal, journal_frame_size(buffer->payload_size));
    const struct segment *last = &journal->segments[journal->segment_count - 1];
    struct journal_frame_header header = {
        .segment = last->header.sequence,
        .frame = journal->next_frame,
        .previous_hash = journal->previous_hash,
        .first_number = buffer->first_number,
        .record_count = buffer->record_count,
        .payload_size = (uint32_t)buffer->payload_size,
        .kind = buffer->kind,
        .fragment_flags = buffer->fragment_flags,
    };
    ASSERT(header.first_number == atomic_load(&journal->durable) + 1);
    size_t size =
        journal_frame_encode(&header, journal->database_id, buffer->bytes, &journal->previous_hash);
    ASSERT(journal->offset + size <= last->header.size);
    bool write_durable = journal->sync == JOURNAL_SYNC_WRITE_DURABLE;
    if (file_write(f, journal->file, buffer->bytes, size, journal->offset,
                   write_durable ? FILE_WRITE_DURABLE : FILE_WRITE_PLAIN) != STATUS_OK)
        writer_fatal("writing a frame");
    if (journal->sync == JOURNAL_SYNC_FDATASYNC && file_sync(f, journal->file) != STATUS_OK)
        writer_fatal("syncing a frame");
    journal->offset += size;
    journal->next_frame++;
    journal->record_open = buffer->kind == JOURNAL_FRAME_FRAGMENT &&
                           (buffer->fragment_flags & JOURNAL_FRAGMENT_LAST) == 0;
    count_add(&journal->bytes_written, size);
    count_add(&journal->frames, 1);
    count_add(&journal->records, buffer->record_count);
    count_add(&journal->syncs, journal->sync != JOURNAL_SYNC_OFF);
    journal__account(journal);
}

static void durable_publish(struct journal *journal, uint64_t durable) {
    atomic_store_explicit(&journal->durable, durable, memory_order_release);
    if (journal->on_durable != NULL)
        journal->on_durable(journal->on_durable_context, (struct commit_number){durable});
    LIST_FOR_SAFE (&journal->durable_waiters, node) {
        struct durable_waiter *waiter = CONTAINER_OF(node, struct durable_waiter, node);
        if (waiter->number > durable)
            continue;
        list_remove(node);
        condition_wake_one(&waiter->condition);
    }
}

static void buffer_empty(struct frame_buffer *buffer) {
    buffer->payload_size = 0;
    buffer->record_count = 0;
    buffer->first_number = 0;
    buffer->kind = JOURNAL_FRAME_RECORDS;
    buffer->fragment_flags = 0;
    buffer->ready = false;
}

static enum status writer_body(struct fiber *f, void *argument) {
    struct journal *journal = argument;
    fiber_shield(f); /* stops when told to, not when cancelled */
    while (!journal->abandoned) {
        struct frame_buffer *buffer = filling(journal);
        if (!buffer->ready) {
            if (journal->stopping)
                break;
            journal->writer_idle = true;
            enum status status = condition_wait(f, &journal->work);
            ASSERT(status == STATUS_OK);
            continue;
        }
        journal->filling = 1 - journal->filling;
        ASSERT(filling(journal)->payload_size == 0);
        condition_wake_all(&journal->room);
        frame_write(f, journal, buffer);
        uint64_t records = buffer->record_count, first = buffer->first_number;
        buffer_empty(buffer);
        if (journal->abandoned)
            break;
        if (records > 0)
            durable_publish(journal, first + records - 1);
        journal__prepare_ahead(f, journal);
    }
    event_set(&journal->writer_ended);
    fiber_unshield(f);
    return STATUS_OK;
}

enum status journal__writer_start(struct fiber *f, struct journal *journal) {
    return fiber_spawn_detached(f, FIBER_LATENCY, "journal writer", writer_body, journal);
}
