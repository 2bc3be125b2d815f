/* include/satori_drive.h over drive/drive.h. The structs of both are kept alike, field by field. */
#include "satori_drive.h"

#include <string.h>

#include "base/base_memory.h"
#include "drive/drive.h"

static struct drive *of(struct satori_drive *drive) {
    return (struct drive *)(void *)drive;
}

static int answer(enum status status) {
    return status == STATUS_OK ? SATORI_OK : SATORI_ERROR;
}

const char *satori_drive_error(void) {
    return error_current()->message;
}

const char *satori_drive_sqlstate(void) {
    return status_sqlstate(error_current()->status);
}

/* ---- open and close ---------------------------------------------------------------------------
 */

static struct drive_options options_of(const struct satori_drive_options *options) {
    if (options == NULL)
        return (struct drive_options){0};
    return (struct drive_options){
        .create = options->create != 0,
        .exclusive = options->exclusive != 0,
        .read_only = options->read_only != 0,
        .format = options->format,
        .alignment = options->alignment,
        .keep_tail = options->keep_tail != 0,
        .no_snapshot = options->no_index != 0,
        .memory = options->memory,
    };
}

int satori_drive_open(const char *path, const struct satori_drive_options *options,
                      struct satori_drive **drive_out) {
    struct drive_options decoded = options_of(options);
    struct drive *drive;
    int result = answer(drive_open(path, &decoded, &drive));
    *drive_out = (struct satori_drive *)(void *)drive;
    return result;
}

int satori_drive_close(struct satori_drive *drive) {
    return answer(drive_close(of(drive)));
}

int satori_drive_refresh(struct satori_drive *drive) {
    return answer(drive_refresh(of(drive)));
}

int satori_drive_sync(struct satori_drive *drive) {
    return answer(drive_sync(of(drive)));
}

int satori_drive_snapshot(struct satori_drive *drive) {
    return answer(drive_snapshot(of(drive)));
}

void satori_drive_info(struct satori_drive *drive, struct satori_drive_info *info_out) {
    struct drive_statistics statistics;
    const struct drive_recovery *recovery = drive_recovery(of(drive));
    drive_statistics(of(drive), &statistics);
    *info_out = (struct satori_drive_info){
        .format = statistics.format,
        .alignment = statistics.alignment,
        .count = statistics.count,
        .file_size = statistics.file_size,
        .saving = statistics.saving,
        .index_size = statistics.index_size,
        .tail_size = recovery->tail_size,
        .damage_count = recovery->damage_count,
        .damage_size = recovery->damage_size,
    };
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static struct satori_drive_value value_of(const struct drive_handle *handle) {
    return (struct satori_drive_value){handle->data, handle->size, handle->view, handle->place};
}

static struct drive_handle handle_of(const struct satori_drive_value *value) {
    return (struct drive_handle){value->data, value->size, value->private_view,
                                 value->private_place};
}

int satori_drive_get(struct satori_drive *drive, const void *key, size_t key_size,
                     struct satori_drive_value *value_out) {
    struct drive_handle handle;
    enum status status = drive_get(of(drive), slice_of(key, key_size), &handle);
    *value_out = value_of(&handle);
    return answer(status);
}

int satori_drive_get_many(struct satori_drive *drive, const void *const *keys,
                          const size_t *key_sizes, size_t count,
                          struct satori_drive_value *values_out) {
    struct slice *slices = memory_alloc_zeroed(count + 1, sizeof *slices);
    struct drive_handle *handles = memory_alloc_zeroed(count + 1, sizeof *handles);
    enum status status = STATUS_OK;
    if (slices == NULL || handles == NULL)
        status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        slices[i] = slice_of(keys[i], key_sizes[i]);
    if (status == STATUS_OK)
        status = drive_get_many(of(drive), slices, count, handles);
    for (size_t i = 0; i < count; i++)
        values_out[i] =
            status == STATUS_OK ? value_of(&handles[i]) : (struct satori_drive_value){0};
    memory_free(slices);
    memory_free(handles);
    return answer(status);
}

int satori_drive_exists(struct satori_drive *drive, const void *key, size_t key_size,
                        int *exists_out) {
    bool exists = false;
    enum status status = drive_exists(of(drive), slice_of(key, key_size), &exists);
    *exists_out = exists;
    return answer(status);
}

int satori_drive_newest(struct satori_drive *drive, struct satori_drive_value *value_out) {
    struct drive_handle handle;
    enum status status = drive_newest(of(drive), &handle);
    *value_out = value_of(&handle);
    return answer(status);
}

void satori_drive_release(struct satori_drive_value *value) {
    struct drive_handle handle = handle_of(value);
    drive_handle_release(&handle);
    *value = (struct satori_drive_value){0};
}

struct satori_drive_value satori_drive_retain(const struct satori_drive_value *value) {
    struct drive_handle handle = handle_of(value), copy = drive_handle_copy(&handle);
    return value_of(&copy);
}

size_t satori_drive_read(const struct satori_drive_value *value, uint64_t offset, void *buffer,
                         size_t size) {
    struct drive_handle handle = handle_of(value);
    return drive_handle_read(&handle, offset, buffer, size);
}

int satori_drive_check(const struct satori_drive_value *value) {
    struct drive_handle handle = handle_of(value);
    return handle.view == NULL ? SATORI_OK : answer(drive_handle_verify(&handle));
}

void satori_drive_facts(const struct satori_drive_value *value,
                        struct satori_drive_facts *facts_out) {
    struct drive_handle handle = handle_of(value);
    struct drive_facts facts;
    drive_handle_facts(&handle, &facts);
    *facts_out = (struct satori_drive_facts){
        .entry_offset = facts.entry_offset,
        .entry_size = facts.entry_size,
        .value_offset = facts.value_offset,
        .value_size = facts.value_size,
        .key_hash = facts.key_hash,
        .checksum = facts.checksum,
        .time_us = facts.time_us,
    };
}

/* ---- writing ------------------------------------------------------------------------------------
 */

static enum drive_durability durability_of(int durability) {
    return durability != SATORI_DRIVE_NONE ? DRIVE_SYNC : DRIVE_NONE;
}

int satori_drive_put(struct satori_drive *drive, const void *key, size_t key_size,
                     const void *value, size_t value_size, int durability) {
    return answer(drive_put(of(drive), slice_of(key, key_size), slice_of(value, value_size),
                            durability_of(durability)));
}

int satori_drive_batch(struct satori_drive *drive, struct satori_drive_item *items, size_t count,
                       int durability) {
    struct drive_item *copy = memory_alloc_zeroed(count + 1, sizeof *copy);
    if (copy == NULL)
        return answer(error_set(STATUS_OUT_OF_MEMORY, "out of memory"));
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct drive_item){.key = slice_of(items[i].key, items[i].key_size),
                                      .value = slice_of(items[i].value, items[i].value_size),
                                      .is_delete = items[i].is_delete != 0};
    enum status status = drive_batch(of(drive), copy, count, durability_of(durability));
    for (size_t i = 0; i < count; i++)
        items[i].existed = copy[i].existed;
    memory_free(copy);
    return answer(status);
}

int satori_drive_delete(struct satori_drive *drive, const void *key, size_t key_size,
                        int durability, int *existed_out) {
    bool existed = false;
    enum status status =
        drive_delete(of(drive), slice_of(key, key_size), durability_of(durability), &existed);
    if (existed_out != NULL)
        *existed_out = existed;
    return answer(status);
}

struct pour {
    long (*next)(void *context, void *buffer, size_t size);
    void *context;
};

static enum status pour_next(void *context, void *buffer, size_t size, size_t *size_out) {
    const struct pour *pour = context;
    long count = pour->next(pour->context, buffer, size);
    if (count < 0 || (size_t)count > size)
        return error_set(STATUS_CANCELED, "the value's source gave up");
    *size_out = (size_t)count;
    return STATUS_OK;
}

int satori_drive_put_stream(struct satori_drive *drive, const void *key, size_t key_size,
                            long (*next)(void *context, void *buffer, size_t size), void *context,
                            int durability) {
    struct pour pour = {next, context};
    struct drive_source source = {pour_next, &pour};
    return answer(
        drive_put_stream(of(drive), slice_of(key, key_size), &source, durability_of(durability)));
}

int satori_drive_rename(struct satori_drive *drive, const void *from, size_t from_size,
                        const void *to, size_t to_size, int durability) {
    return answer(drive_rename(of(drive), slice_of(from, from_size), slice_of(to, to_size),
                               durability_of(durability)));
}

int satori_drive_copy(struct satori_drive *source, const void *key, size_t key_size,
                      struct satori_drive *target, int durability) {
    struct slice name = slice_of(key, key_size);
    return answer(drive_copy(of(source), name, of(target), name, durability_of(durability)));
}

int satori_drive_move(struct satori_drive *source, const void *key, size_t key_size,
                      struct satori_drive *target, int durability) {
    struct slice name = slice_of(key, key_size);
    return answer(drive_move(of(source), name, of(target), name, durability_of(durability)));
}

/* ---- passes
 * -------------------------------------------------------------------------------------- */

static struct satori_drive_entry entry_of(const struct drive_entry *entry) {
    return (struct satori_drive_entry){
        .key = entry->key.data,
        .key_size = entry->key.size,
        .value = entry->value.data,
        .value_size = entry->value.size,
        .key_hash = entry->key_hash,
        .time_us = entry->time_us,
        .deleted = entry->deleted,
    };
}

int satori_drive_iterate(struct satori_drive *drive, int newest_first,
                         struct satori_drive_iterator **iterator_out) {
    return answer(drive_iterate(of(drive), newest_first ? DRIVE_NEWEST_FIRST : DRIVE_OLDEST_FIRST,
                                (struct drive_iterator **)(void *)iterator_out));
}

int satori_drive_scan(struct satori_drive *drive, unsigned count,
                      struct satori_drive_iterator **iterators_out) {
    return answer(drive_scan(of(drive), count, (struct drive_iterator **)(void *)iterators_out));
}

int satori_drive_next(struct satori_drive_iterator *iterator,
                      struct satori_drive_entry *entry_out) {
    struct drive_entry entry;
    if (!drive_next((struct drive_iterator *)(void *)iterator, &entry))
        return 0;
    *entry_out = entry_of(&entry);
    return 1;
}

void satori_drive_iterator_close(struct satori_drive_iterator *iterator) {
    drive_iterator_close((struct drive_iterator *)(void *)iterator);
}

struct visitor {
    int (*visit)(void *context, const struct satori_drive_entry *entry);
    void *context;
    bool stopped;
};

static enum status visit_version(void *context, const struct drive_entry *entry) {
    struct visitor *visitor = context;
    struct satori_drive_entry version = entry_of(entry);
    visitor->stopped = visitor->visit(visitor->context, &version) != 0;
    return visitor->stopped ? error_set(STATUS_CANCELED, "stopped") : STATUS_OK;
}

int satori_drive_history(struct satori_drive *drive, const void *key, size_t key_size,
                         int (*visit)(void *context, const struct satori_drive_entry *entry),
                         void *context) {
    struct visitor visitor = {visit, context, false};
    enum status status = drive_history(of(drive), slice_of(key, key_size), visit_version, &visitor);
    return visitor.stopped ? SATORI_OK : answer(status);
}

struct watcher {
    void (*report)(void *context, uint64_t offset, uint64_t size);
    int (*tick)(void *context, uint64_t done, uint64_t total);
    void *context;
};

static bool watch(void *context, uint64_t done, uint64_t total) {
    const struct watcher *watcher = context;
    return watcher->tick == NULL || watcher->tick(watcher->context, done, total) == 0;
}

static void report_damage(void *context, struct drive_damage damage, const char *why) {
    const struct watcher *watcher = context;
    if (watcher->report != NULL)
        watcher->report(watcher->context, damage.offset, damage.size);
}

int satori_drive_verify(struct satori_drive *drive, unsigned threads,
                        void (*report)(void *context, uint64_t offset, uint64_t size),
                        int (*tick)(void *context, uint64_t done, uint64_t total), void *context,
                        uint64_t *damage_count_out) {
    struct watcher watcher = {report, tick, context};
    struct drive_progress progress = {watch, &watcher};
    uint64_t entries;
    *damage_count_out = 0;
    return answer(drive_verify(of(drive), threads == 0 ? 1 : threads, report_damage, &watcher,
                               &progress, &entries, damage_count_out));
}

int satori_drive_compact(struct satori_drive *drive,
                         int (*tick)(void *context, uint64_t done, uint64_t total), void *context) {
    struct watcher watcher = {NULL, tick, context};
    struct drive_progress progress = {watch, &watcher};
    return answer(drive_compact(of(drive), &progress));
}

int satori_drive_convert(struct satori_drive *source, const char *path,
                         const struct satori_drive_options *options, const void *const *keys,
                         const size_t *key_sizes, size_t key_count) {
    struct drive_options decoded = options_of(options);
    struct slice *slices = memory_alloc_zeroed(key_count + 1, sizeof *slices);
    if (slices == NULL)
        return answer(error_set(STATUS_OUT_OF_MEMORY, "out of memory"));
    for (size_t i = 0; i < key_count; i++)
        slices[i] = slice_of(keys[i], key_sizes[i]);
    int result = answer(drive_convert(of(source), path, &decoded, slices, key_count, NULL));
    memory_free(slices);
    return result;
}

int satori_drive_open_nested(const struct satori_drive_value *value,
                             struct satori_drive **drive_out) {
    struct drive_handle handle = handle_of(value);
    struct drive *drive = NULL;
    enum status status = handle.view == NULL
                             ? error_set(STATUS_UNDEFINED_OBJECT, "there is no value")
                             : drive_open_nested(&handle, &drive);
    *drive_out = (struct satori_drive *)(void *)drive;
    return answer(status);
}
