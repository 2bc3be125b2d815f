/* Segment files: names, making, recycling, reading their headers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "journal/state.h"

static const char SEGMENT_SUFFIX[] = ".journal";
static const char SPARE_PREFIX[] = "spare-";
static const char PREPARING[] = "preparing";
enum { ZERO_CHUNK = 1 << 20 };
static const int64_t SPARES_KEPT_NS = INT64_C(30000000000);

void journal__segment_path(const char *directory, uint64_t sequence, char *path_out) {
    snprintf(path_out, JOURNAL_PATH_SIZE, "%s/%016" PRIx64 "%s", directory, sequence,
             SEGMENT_SUFFIX);
}

static void path_of(const char *directory, const char *name, char *path_out) {
    int length = snprintf(path_out, JOURNAL_PATH_SIZE, "%s/%s", directory, name);
    ASSERT(length > 0 && length < JOURNAL_PATH_SIZE);
}

void journal__account(struct journal *journal) {
    uint64_t used = 0, total = journal->spare_count * journal->segment_size;
    for (size_t i = 0; i < journal->segment_count; i++) {
        uint64_t size = journal->segments[i].header.size;
        total += size;
        used += i + 1 < journal->segment_count ? size : journal->offset;
    }
    atomic_store_explicit(&journal->bytes_used, used, memory_order_relaxed);
    atomic_store_explicit(&journal->bytes_total, total, memory_order_relaxed);
}

/* ---- spares ------------------------------------------------------------------------------ */

/* Before the file gets its name, so that no spare is ever there that nobody knows of. */
static enum status spare_room_make(struct journal *journal) {
    return memory_grow(&journal->spares, &journal->spare_capacity, journal->spare_count + 1,
                       sizeof *journal->spares)
               ? STATUS_OK
               : error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}

static void spare_name_add(struct journal *journal, const char *name) {
    ASSERT(journal->spare_count < journal->spare_capacity);
    snprintf(journal->spares[journal->spare_count++], JOURNAL_SPARE_NAME_SIZE, "%s", name);
}

/* Writing real zeros matters: a block that was only allocated costs a journal commit of the file
   system at its first write. */
static enum status write_zeros(struct fiber *f, struct file *file, uint64_t size) {
    size_t chunk_max = size < ZERO_CHUNK ? (size_t)size : ZERO_CHUNK;
    uint8_t *zeros = memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, chunk_max);
    if (zeros == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    memset(zeros, 0, chunk_max);
    enum status status = file_allocate(f, file, size);
    for (uint64_t at = 0; status == STATUS_OK && at < size; at += chunk_max) {
        size_t chunk = size - at < chunk_max ? (size_t)(size - at) : chunk_max;
        status = file_write(f, file, zeros, chunk, at, FILE_WRITE_PLAIN);
    }
    memory_free(zeros);
    return status == STATUS_OK ? file_sync(f, file) : status;
}

static enum status spare_make(struct fiber *f, struct journal *journal) {
    char path[JOURNAL_PATH_SIZE], spare[JOURNAL_PATH_SIZE], name[JOURNAL_SPARE_NAME_SIZE];
    path_of(journal->directory, PREPARING, path);
    snprintf(name, sizeof name, "%s%" PRIu64, SPARE_PREFIX, journal->spare_next++);
    path_of(journal->directory, name, spare);
    struct file *file;
    TRY(file_open(f, path, FILE_CREATE | FILE_TRUNCATE | FILE_DIRECT, &file));
    enum status status = write_zeros(f, file, journal->segment_size);
    if (status == STATUS_DISK_FULL) { /* what was got of it is better used by others */
        struct error kept = *error_current();
        if (file_truncate(f, file, 0) == STATUS_OK)
            *error_current() = kept;
    }
    enum status closed = file_close(f, file);
    if (status == STATUS_OK)
        status = closed;
    if (status == STATUS_OK)
        status = spare_room_make(journal);
    if (status == STATUS_OK)
        status = file_rename(f, path, spare);
    if (status == STATUS_OK)
        spare_name_add(journal, name);
    journal__account(journal);
    return status;
}

static void prepare_end(struct journal *journal, enum status status) {
    enum status before = journal->prepare_error.status;
    journal->prepare_error = (struct error){0};
    if (status != STATUS_OK) {
        journal->prepare_error = *error_current();
        if (status != before)
            LOG(LOG_WARNING, "journal", "cannot prepare a segment: %s", error_current()->message);
    }
    journal->preparing = false;
    event_set(&journal->prepared);
}

static enum status prepare_body(struct fiber *f, void *argument) {
    struct journal *journal = argument;
    fiber_shield(f);
    prepare_end(journal, spare_make(f, journal));
    fiber_unshield(f);
    return STATUS_OK;
}

static void prepare(struct fiber *f, struct journal *journal) {
    journal->preparing = true;
    event_reset(&journal->prepared);
    enum status status =
        fiber_spawn_detached(f, FIBER_BACKGROUND, "journal prepare", prepare_body, journal);
    if (status != STATUS_OK)
        prepare_end(journal, status);
}

void journal__prepare_ahead(struct fiber *f, struct journal *journal) {
    const struct segment *last = &journal->segments[journal->segment_count - 1];
    if (journal->offset > last->header.size / 2 && !journal->preparing &&
        journal->spare_count == 0 && !journal->stopping)
        prepare(f, journal);
}

enum status journal__spare_wait(struct fiber *f, struct journal *journal) {
    bool own;
    do { /* one that was begun before may have lacked memory that is there now */
        own = !journal->preparing;
        if (own)
            prepare(f, journal);
        TRY(event_wait(f, &journal->prepared));
    } while (!own && journal->prepare_error.status == STATUS_OUT_OF_MEMORY);
    *error_current() = journal->prepare_error;
    return journal->prepare_error.status;
}

/* ---- adding ------------------------------------------------------------------------------- */

static enum status header_write(struct fiber *f, struct journal *journal, struct file *file,
                                const struct journal_segment_header *header) {
    uint8_t *block = memory_alloc_aligned(FILE_DIRECT_ALIGNMENT, JOURNAL_BLOCK_SIZE);
    if (block == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    journal_segment_header_encode(header, block);
    enum status status = file_write(f, file, block, JOURNAL_BLOCK_SIZE, 0, FILE_WRITE_PLAIN);
    if (status == STATUS_OK && journal->sync != JOURNAL_SYNC_OFF)
        status = file_sync(f, file);
    memory_free(block);
    return status;
}

/*
 * The header is written and synced while the file is still a spare, then the file gets its name.
 * So a file with a segment's name always has a whole header, and one that is there was begun
 * after everything before it was durable.
 */
static enum status segment_name(struct fiber *f, struct journal *journal,
                                const struct journal_segment_header *header) {
    char from[JOURNAL_PATH_SIZE], to[JOURNAL_PATH_SIZE];
    path_of(journal->directory, journal->taken, from);
    journal__segment_path(journal->directory, header->sequence, to);
    struct file *file;
    TRY(file_open(f, from, FILE_DIRECT, &file));
    enum status status = header_write(f, journal, file, header);
    enum status closed = file_close(f, file);
    TRY(status);
    TRY(closed);
    return file_rename(f, from, to);
}

static enum status spare_take(struct fiber *f, struct journal *journal) {
    if (journal->spare_count == 0) { /* of a new journal: records are not taken without */
        ASSERT(!journal->preparing);
        TRY(spare_make(f, journal));
    }
    memcpy(journal->taken, journal->spares[--journal->spare_count], sizeof journal->taken);
    return STATUS_OK;
}

/* Take a step of a new segment's making that was not taken yet; journal.adding says which. */
enum status journal__segment_add(struct fiber *f, struct journal *journal) {
    if (!memory_grow(&journal->segments, &journal->segment_capacity, journal->segment_count + 1,
                     sizeof *journal->segments))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    const struct segment *last =
        journal->segment_count > 0 ? &journal->segments[journal->segment_count - 1] : NULL;
    struct journal_segment_header header = {
        .database_id = journal->database_id,
        .sequence = last != NULL ? last->header.sequence + 1 : journal->sequence_first,
        .size = journal->segment_size,
        .first_number = atomic_load(&journal->durable) + 1,
        .first_frame = journal->next_frame,
        .previous_hash = journal->previous_hash,
        .continues = journal->record_open,
    };
    if (journal->adding == SEGMENT_ABSENT) {
        TRY(spare_take(f, journal));
        journal->adding = SEGMENT_TAKEN;
    }
    if (journal->adding == SEGMENT_TAKEN) {
        TRY(segment_name(f, journal, &header));
        journal->adding = SEGMENT_NAMED;
    }
    if (journal->adding == SEGMENT_NAMED) {
        TRY(directory_sync(f, journal->directory));
        journal->adding = SEGMENT_DURABLE;
    }
    char path[JOURNAL_PATH_SIZE];
    struct file *file, *old = journal->file;
    journal__segment_path(journal->directory, header.sequence, path);
    TRY(file_open(f, path, FILE_DIRECT, &file)); /* again, so that messages name it right */
    journal->file = file;
    journal->adding = SEGMENT_ABSENT;
    journal->segment_begun_ns = clock_monotonic_ns();
    journal->segments[journal->segment_count++].header = header;
    journal->offset = JOURNAL_BLOCK_SIZE;
    journal__account(journal);
    return file_close(f, old);
}

/* ---- releasing ---------------------------------------------------------------------------- */

uint64_t journal__last_number(const struct journal *journal, size_t i) {
    ASSERT(i + 1 < journal->segment_count);
    const struct journal_segment_header *next = &journal->segments[i + 1].header;
    return next->first_number - (next->continues ? 0 : 1);
}

/*
 * The directory is synced after each, before the file is used again and before the next one goes:
 * a file system may keep any of several changes of names and lose the others. A segment that came
 * back with another one's bytes, or with a gap behind it, would look like damage. *gone_out: the
 * name is gone, even if making that durable failed.
 */
static enum status segment_recycle(struct fiber *f, struct journal *journal,
                                   const struct journal_segment_header *header, bool *gone_out) {
    char from[JOURNAL_PATH_SIZE], to[JOURNAL_PATH_SIZE], name[JOURNAL_SPARE_NAME_SIZE];
    *gone_out = false;
    journal__segment_path(journal->directory, header->sequence, from);
    uint64_t kept = (journal->segment_count + journal->spare_count) * journal->segment_size;
    bool removed = header->size != journal->segment_size || kept >= journal->size_target ||
                   journal->spare_count >= 4;
    if (removed) {
        TRY(file_remove(f, from));
    } else {
        TRY(spare_room_make(journal));
        snprintf(name, sizeof name, "%s%" PRIu64, SPARE_PREFIX, journal->spare_next++);
        path_of(journal->directory, name, to);
        TRY(file_rename(f, from, to));
    }
    *gone_out = true;
    if (journal->sync != JOURNAL_SYNC_OFF)
        TRY(directory_sync(f, journal->directory));
    if (!removed)
        spare_name_add(journal, name);
    return STATUS_OK;
}

/* Remove spares that recycling left and that nobody took for a while, one at a time: one stays, so
   that the next segment is begun without waiting. */
static enum status spare_trim(struct fiber *f, struct journal *journal) {
    char path[JOURNAL_PATH_SIZE];
    path_of(journal->directory, journal->spares[--journal->spare_count], path);
    TRY(file_remove(f, path));
    journal__account(journal);
    return STATUS_OK;
}

/* Is there a spare that nothing already appended needs? */
static bool spare_is_free(const struct journal *journal) {
    return journal->spare_count > 0 && journal->adding == SEGMENT_ABSENT &&
           journal__placed(journal, 0, journal->spare_count - 1);
}

enum status journal__spares_trim(struct fiber *f, struct journal *journal) {
    TRY(fiber_mutex_lock(f, &journal->segments_mutex));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && journal->spare_count > 1 && spare_is_free(journal))
        status = spare_trim(f, journal);
    fiber_mutex_unlock(f, &journal->segments_mutex);
    return status;
}

bool journal_spare_give(struct fiber *f, struct journal *journal) {
    ASSERT(fiber_core(f) == journal->core);
    struct error kept = *error_current();
    if (fiber_mutex_lock(f, &journal->segments_mutex) != STATUS_OK)
        return false;
    bool given = spare_is_free(journal) && spare_trim(f, journal) == STATUS_OK;
    fiber_mutex_unlock(f, &journal->segments_mutex);
    *error_current() = kept;
    return given;
}

static enum status trim_here(struct fiber *f, void *argument) {
    struct journal *journal = argument;
    int64_t quiet_ns = clock_monotonic_ns() - journal->segment_begun_ns;
    if (journal->spare_count <= 1 || quiet_ns < SPARES_KEPT_NS || journal->preparing)
        return STATUS_OK;
    return journal__spares_trim(f, journal);
}

void journal_trim(struct fiber *f, struct journal *journal) {
    if (core_call(f, journal->core, trim_here, journal) != STATUS_OK) {
        LOG(LOG_WARNING, "journal", "cannot remove a spare segment: %s", error_current()->message);
        error_clear();
    }
}

struct release_call {
    struct journal *journal;
    uint64_t number;
};

static enum status release_here(struct fiber *f, void *argument) {
    struct release_call *call = argument;
    struct journal *journal = call->journal;
    fiber_shield(f);
    enum status status = fiber_mutex_lock(f, &journal->segments_mutex);
    ASSERT(status == STATUS_OK); /* shielded */
    bool released = false;
    while (journal->segment_count > 1 && journal__last_number(journal, 0) <= call->number) {
        struct journal_segment_header header = journal->segments[0].header;
        /* Oldest first, so that what is left never has a gap. */
        bool gone;
        status = segment_recycle(f, journal, &header, &gone);
        if (gone) {
            journal->segment_count--;
            memmove(journal->segments, journal->segments + 1,
                    journal->segment_count * sizeof *journal->segments);
            released = true;
        }
        if (status != STATUS_OK) {
            LOG(LOG_WARNING, "journal", "cannot recycle a segment: %s", error_current()->message);
            break;
        }
    }
    fiber_mutex_unlock(f, &journal->segments_mutex);
    journal__account(journal);
    if (released)
        condition_wake_all(&journal->room);
    fiber_unshield(f);
    return STATUS_OK;
}

void journal_release(struct fiber *f, struct journal *journal, struct commit_number number) {
    struct release_call call = {journal, number.value};
    ASSERT(number.value <= journal_durable(journal).value);
    fiber_shield(f);
    enum status status = core_call(f, journal->core, release_here, &call);
    ASSERT(status == STATUS_OK);
    fiber_unshield(f);
}

/* ---- reading a directory ------------------------------------------------------------------ */

static bool name_is_segment(const char *name, uint64_t *sequence_out) {
    if (strlen(name) != 16 + strlen(SEGMENT_SUFFIX) || strcmp(name + 16, SEGMENT_SUFFIX) != 0)
        return false;
    char *end;
    *sequence_out = strtoull(name, &end, 16);
    return end == name + 16 && *sequence_out > 0;
}

static enum status header_read(struct fiber *f, const char *path, uint64_t sequence,
                               uint64_t database_id, struct journal_segment_header *header_out) {
    struct file *file;
    TRY(file_open(f, path, FILE_READ_ONLY, &file));
    uint8_t block[JOURNAL_BLOCK_SIZE];
    uint64_t size = 0;
    enum status status = file_read_exact(f, file, block, sizeof block, 0);
    if (status == STATUS_OK)
        status = file_size(f, file, &size);
    enum status closed = file_close(f, file);
    TRY(status);
    TRY(closed);
    uint32_t version;
    switch (journal_segment_header_decode(block, header_out, &version)) {
    case JOURNAL_HEADER_VERSION_UNKNOWN:
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "journal segment \"%s\" has format version %u, this program reads "
                         "version %d",
                         path, version, JOURNAL_FORMAT_VERSION);
    case JOURNAL_HEADER_DAMAGED:
        return error_set(STATUS_DATA_CORRUPTED, "journal segment \"%s\" is damaged at offset 0",
                         path);
    case JOURNAL_HEADER_VALID:
        break;
    }
    if (header_out->sequence != sequence || header_out->size > size)
        return error_set(STATUS_DATA_CORRUPTED,
                         "journal segment \"%s\" does not fit its name or size", path);
    if (database_id != 0 && header_out->database_id != database_id)
        return error_set(STATUS_DATA_CORRUPTED,
                         "journal segment \"%s\" belongs to another database", path);
    return STATUS_OK;
}

static void names_free(char **names, size_t count) {
    for (size_t i = 0; i < count; i++)
        memory_free(names[i]);
    memory_free(names);
}

/* Visit each file with a segment's name, by rising sequence. */
static enum status segments_visit(struct fiber *f, const char *directory,
                                  enum status (*visit)(struct fiber *f, void *context,
                                                       const char *path, uint64_t sequence),
                                  void *context) {
    char **names;
    size_t name_count;
    TRY(directory_list(f, directory, &names, &name_count));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < name_count && status == STATUS_OK; i++) { /* names are sorted */
        uint64_t sequence;
        char path[JOURNAL_PATH_SIZE];
        if (!name_is_segment(names[i], &sequence))
            continue;
        journal__segment_path(directory, sequence, path);
        status = visit(f, context, path, sequence);
    }
    names_free(names, name_count);
    return status;
}

struct segment_list {
    uint64_t database_id; /* 0: as the first one says */
    struct segment *segments;
    size_t count, capacity;
    void (*report)(void *context, const char *line); /* salvage: what is damaged is told */
    void *report_context;
};

static enum status segment_take(struct segment_list *list,
                                const struct journal_segment_header *header) {
    if (!memory_grow(&list->segments, &list->capacity, list->count + 1, sizeof *list->segments))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    list->segments[list->count++].header = *header;
    list->database_id = header->database_id;
    return STATUS_OK;
}

static enum status segment_read(struct fiber *f, void *context, const char *path,
                                uint64_t sequence) {
    struct segment_list *list = context;
    struct journal_segment_header header;
    if (list->count > 0 && sequence != list->segments[list->count - 1].header.sequence + 1)
        return error_set(STATUS_DATA_CORRUPTED, "journal segment before \"%s\" is missing", path);
    TRY(header_read(f, path, sequence, list->database_id, &header));
    return segment_take(list, &header);
}

static enum status list_finish(struct segment_list *list, enum status status,
                               struct segment **segments_out, size_t *count_out) {
    if (status != STATUS_OK) {
        memory_free(list->segments);
        return status;
    }
    *segments_out = list->segments;
    *count_out = list->count;
    return STATUS_OK;
}

enum status journal__segments_read(struct fiber *f, const char *directory, uint64_t database_id,
                                   struct segment **segments_out, size_t *count_out) {
    struct segment_list list = {.database_id = database_id};
    enum status status = segments_visit(f, directory, segment_read, &list);
    return list_finish(&list, status, segments_out, count_out);
}

static enum status segment_remove(struct fiber *f, void *context, const char *path,
                                  uint64_t sequence) {
    uint64_t *sequence_out = context;
    *sequence_out = sequence + 1;
    return file_remove(f, path);
}

enum status journal__segments_remove(struct fiber *f, const char *directory,
                                     uint64_t *sequence_out) {
    *sequence_out = 1;
    TRY(segments_visit(f, directory, segment_remove, sequence_out));
    return directory_sync(f, directory);
}

/* A segment without its header: the frames name all that it said. */
static enum status header_guess(struct fiber *f, const char *path, uint64_t sequence,
                                uint64_t database_id, struct journal_segment_header *header_out) {
    struct file *file;
    uint64_t size = 0;
    uint8_t *bytes = memory_alloc(JOURNAL_FRAME_SIZE_MAX);
    if (bytes == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    enum status status = file_open(f, path, FILE_READ_ONLY, &file);
    bool found = false;
    if (status == STATUS_OK) {
        status = file_size(f, file, &size);
        size_t frame_size = 0;
        struct journal_frame_header frame;
        uint64_t hash;
        if (status == STATUS_OK)
            status = file_read_exact(f, file, bytes, JOURNAL_BLOCK_SIZE, JOURNAL_BLOCK_SIZE);
        if (status == STATUS_OK && journal_frame_peek(bytes, sequence, &frame_size))
            status = file_read_exact(f, file, bytes, frame_size, JOURNAL_BLOCK_SIZE);
        found = status == STATUS_OK && frame_size > 0 &&
                journal_frame_decode(bytes, frame_size, database_id, &frame, &hash);
        if (found)
            *header_out = (struct journal_segment_header){
                .database_id = database_id,
                .sequence = sequence,
                .size = size,
                .first_number = frame.first_number,
                .first_frame = frame.frame,
                .previous_hash = frame.previous_hash,
                .continues = frame.kind == JOURNAL_FRAME_FRAGMENT &&
                             (frame.fragment_flags & JOURNAL_FRAGMENT_FIRST) == 0,
            };
        if (file_close(f, file) != STATUS_OK)
            error_clear();
    }
    memory_free(bytes);
    if (status == STATUS_OK && !found)
        status = error_set(STATUS_DATA_CORRUPTED,
                           "journal segment \"%s\" has no header and no first "
                           "frame",
                           path);
    return status;
}

static enum status segment_salvage(struct fiber *f, void *context, const char *path,
                                   uint64_t sequence) {
    struct segment_list *list = context;
    struct journal_segment_header header;
    enum status status = header_read(f, path, sequence, list->database_id, &header);
    if (status == STATUS_DATA_CORRUPTED) {
        list->report(list->report_context, error_current()->message);
        status = header_guess(f, path, sequence, list->database_id, &header);
    }
    if (status == STATUS_DATA_CORRUPTED)
        return STATUS_OK;
    TRY(status);
    return segment_take(list, &header);
}

enum status journal__segments_salvage(struct fiber *f, const char *directory, uint64_t database_id,
                                      void (*report)(void *context, const char *line),
                                      void *context, struct segment **segments_out,
                                      size_t *count_out) {
    struct segment_list list = {
        .database_id = database_id, .report = report, .report_context = context};
    *segments_out = NULL;
    *count_out = 0;
    enum status status = segments_visit(f, directory, segment_salvage, &list);
    if (status == STATUS_UNDEFINED_FILE && list.count == 0) { /* no directory */
        report(context, error_current()->message);
        return STATUS_OK;
    }
    return list_finish(&list, status, segments_out, count_out);
}

enum status journal__spares_read(struct fiber *f, struct journal *journal) {
    char **names;
    size_t name_count;
    TRY(directory_list(f, journal->directory, &names, &name_count));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < name_count && status == STATUS_OK; i++) {
        bool spare = strncmp(names[i], SPARE_PREFIX, strlen(SPARE_PREFIX)) == 0 &&
                     strlen(names[i]) < JOURNAL_SPARE_NAME_SIZE;
        if (!spare && strcmp(names[i], PREPARING) != 0)
            continue;
        char path[JOURNAL_PATH_SIZE];
        path_of(journal->directory, names[i], path);
        struct file *file;
        uint64_t size = 0;
        status = file_open(f, path, FILE_READ_ONLY, &file);
        if (status == STATUS_OK) {
            status = file_size(f, file, &size);
            enum status closed = file_close(f, file);
            status = status == STATUS_OK ? closed : status;
        }
        if (status != STATUS_OK)
            break;
        if (!spare || size != journal->segment_size) {
            status = file_remove(f, path);
            continue;
        }
        uint64_t number = strtoull(names[i] + strlen(SPARE_PREFIX), NULL, 10);
        if (number >= journal->spare_next)
            journal->spare_next = number + 1;
        status = spare_room_make(journal);
        if (status == STATUS_OK)
            spare_name_add(journal, names[i]);
    }
    names_free(names, name_count);
    return status;
}
