/* Opening, closing and checking a journal. */
#include <stdio.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "journal/state.h"

static void journal_free(struct journal *journal) {
    memory_free(journal->buffers[0].bytes);
    memory_free(journal->buffers[1].bytes);
    memory_free(journal->segments);
    memory_free(journal->spares);
    memory_free(journal);
}

static enum status options_apply(const struct journal_options *options, struct journal *journal) {
    if (strlen(options->directory) >= sizeof journal->directory)
        return error_set(STATUS_NAME_TOO_LONG, "path \"%s\" is too long", options->directory);
    snprintf(journal->directory, sizeof journal->directory, "%s", options->directory);
    journal->segment_size =
        options->segment_size != 0 ? options->segment_size : JOURNAL_SEGMENT_SIZE_DEFAULT;
    journal->size_target =
        options->size_target != 0 ? options->size_target : JOURNAL_SIZE_TARGET_DEFAULT;
    if (journal->segment_size < JOURNAL_SEGMENT_SIZE_MIN ||
        journal->segment_size % JOURNAL_BLOCK_SIZE != 0)
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "journal segment size must be a multiple of %d and at least %d bytes",
                         JOURNAL_BLOCK_SIZE, JOURNAL_SEGMENT_SIZE_MIN);
    if (journal->size_target < 2 * journal->segment_size)
        journal->size_target = 2 * journal->segment_size;
    journal->sync = options->sync;
    journal->database_id = options->database_id;
    return STATUS_OK;
}

static enum status journal_new(struct fiber *f, const struct journal_options *options,
                               struct journal **journal_out) {
    struct journal *journal = memory_alloc_zeroed(1, sizeof *journal);
    if (journal == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    enum status status = options_apply(options, journal);
    if (status == STATUS_OK) {
        uint64_t room = journal->segment_size - JOURNAL_BLOCK_SIZE;
        journal->buffer_size =
            room < JOURNAL_FRAME_SIZE_MAX ? (size_t)room : JOURNAL_FRAME_SIZE_MAX;
        for (int i = 0; i < 2; i++) {
            journal->buffers[i].bytes =
                memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, journal->buffer_size);
            journal->buffers[i].kind = JOURNAL_FRAME_RECORDS;
            if (journal->buffers[i].bytes == NULL)
                status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        }
    }
    if (status != STATUS_OK) {
        journal_free(journal);
        return status;
    }
    journal->core = fiber_core(f);
    list_init(&journal->durable_waiters);
    *journal_out = journal;
    return STATUS_OK;
}

/* An empty directory becomes a journal whose first record is number 1. */
static enum status journal_create(struct fiber *f, struct journal *journal) {
    TRY(directory_create(f, journal->directory));
    journal->sequence_first = 1;
    journal->next_frame = 1;
    atomic_store(&journal->next_number, 1);
    atomic_store(&journal->durable, 0);
    return journal__segment_add(f, journal);
}

/* In place of what is there, of which nothing is needed. */
static enum status journal_restart(struct fiber *f, struct journal *journal,
                                   struct commit_number last) {
    bool exists;
    TRY(file_exists(f, journal->directory, &exists));
    if (!exists)
        TRY(directory_create(f, journal->directory));
    TRY(journal__segments_remove(f, journal->directory, &journal->sequence_first));
    TRY(journal__spares_read(f, journal));
    journal->next_frame = 1;
    atomic_store(&journal->next_number, last.value + 1);
    atomic_store(&journal->durable, last.value);
    return journal__segment_add(f, journal);
}

/*
 * A writer may have ended between the write and the sync of what we now count as there, or because
 * the sync failed: make it durable before anybody builds on it. After a failed sync the system
 * believes its copy is clean, so another sync would do nothing: the bytes are written once more.
 * Frames are written one at a time, so only the last ones (a large record is walked as one) can be
 * concerned; the name of the segment, too.
 */
static enum status tail_make_durable(struct fiber *f, struct journal *journal,
                                     const struct replay_end *end) {
    uint8_t *bytes = memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, JOURNAL_FRAME_SIZE_MAX);
    if (bytes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    enum status status = STATUS_OK;
    for (uint64_t at = end->last_offset; status == STATUS_OK && at < end->offset;) {
        uint64_t left = end->offset - at;
        size_t size = left < JOURNAL_FRAME_SIZE_MAX ? (size_t)left : JOURNAL_FRAME_SIZE_MAX;
        status = file_read_exact(f, journal->file, bytes, size, at);
        if (status == STATUS_OK)
            status = file_write(f, journal->file, bytes, size, at, FILE_WRITE_PLAIN);
        at += size;
    }
    memory_free(bytes);
    if (status == STATUS_OK && journal->sync != JOURNAL_SYNC_OFF)
        status = file_sync(f, journal->file);
    return status == STATUS_OK && journal->sync != JOURNAL_SYNC_OFF
               ? directory_sync(f, journal->directory)
               : status;
}

static enum status journal_recover(struct fiber *f, struct journal *journal,
                                   const struct journal_replay *replay) {
    TRY(journal__segments_read(f, journal->directory, journal->database_id, &journal->segments,
                               &journal->segment_count));
    if (journal->segment_count == 0)
        return error_set(STATUS_DATA_CORRUPTED, "journal \"%s\" has no segments",
                         journal->directory);
    journal->segment_capacity = journal->segment_count;
    struct replay_end end;
    TRY(journal__replay(f, journal->directory, journal->segments, journal->segment_count, replay,
                        &end));
    journal->offset = end.offset;
    journal->next_frame = end.next_frame;
    journal->previous_hash = end.previous_hash;
    journal->record_open = end.record_open;
    atomic_store(&journal->next_number, end.next_number);
    atomic_store(&journal->durable, end.next_number - 1);
    char path[JOURNAL_PATH_SIZE];
    journal__segment_path(journal->directory,
                          journal->segments[journal->segment_count - 1].header.sequence, path);
    TRY(file_open(f, path, FILE_DIRECT, &journal->file));
    TRY(tail_make_durable(f, journal, &end));
    return journal__spares_read(f, journal);
}

enum status journal_open(struct fiber *f, const struct journal_options *options,
                         const struct journal_replay *replay, struct journal **journal_out) {
    struct journal *journal = NULL;
    TRY(journal_new(f, options, &journal));
    enum status status = options->create    ? journal_create(f, journal)
                         : options->restart ? journal_restart(f, journal, options->last)
                                            : journal_recover(f, journal, replay);
    if (status == STATUS_OK) {
        journal__account(journal);
        status = journal__writer_start(f, journal);
    }
    if (status == STATUS_OK)
        journal__prepare_ahead(f, journal);
    if (status != STATUS_OK) {
        struct error kept = *error_current();
        if (journal->file != NULL && file_close(f, journal->file) != STATUS_OK)
            LOG(LOG_WARNING, "journal", "%s", error_current()->message);
        *error_current() = kept;
        journal_free(journal);
        return status;
    }
    *journal_out = journal;
    return STATUS_OK;
}

static void journal_stop(struct fiber *f, struct journal *journal) {
    fiber_shield(f);
    journal->stopping = true;
    if (journal->writer_idle) {
        journal->writer_idle = false;
        condition_wake_one(&journal->work);
    }
    enum status status = event_wait(f, &journal->writer_ended);
    ASSERT(status == STATUS_OK);
    while (journal->preparing) {
        status = event_wait(f, &journal->prepared);
        ASSERT(status == STATUS_OK);
    }
    if (file_close(f, journal->file) != STATUS_OK)
        LOG(LOG_WARNING, "journal", "%s", error_current()->message);
    fiber_unshield(f);
    journal_free(journal);
}

void journal_close(struct fiber *f, struct journal *journal) {
    ASSERT(fiber_core(f) == journal->core);
    ASSERT(list_empty(&journal->durable_waiters) || !journal->abandoned);
    fiber_shield(f);
    if (!journal->preparing && journal__spares_trim(f, journal) != STATUS_OK)
        LOG(LOG_WARNING, "journal", "cannot remove a spare segment: %s", error_current()->message);
    fiber_unshield(f);
    journal_stop(f, journal);
}

void journal_abandon(struct fiber *f, struct journal *journal) {
    ASSERT(fiber_core(f) == journal->core);
    ASSERT(list_empty(&journal->durable_waiters));
    journal->abandoned = true;
    journal_stop(f, journal);
}

enum status journal_check(struct fiber *f, const char *directory, uint64_t *frames_out,
                          uint64_t *records_out) {
    struct segment *segments;
    size_t count;
    TRY(journal__segments_read(f, directory, 0, &segments, &count));
    struct replay_end end = {0};
    enum status status = STATUS_OK;
    if (count == 0)
        status = error_set(STATUS_DATA_CORRUPTED, "journal \"%s\" has no segments", directory);
    else
        status = journal__replay(f, directory, segments, count, NULL, &end);
    memory_free(segments);
    *frames_out = end.frames;
    *records_out = end.records;
    return status;
}
