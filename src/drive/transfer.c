/* Renaming, copying and moving entries; converting stores. */
#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"
#include "drive/store.h"

static enum status no_such_key(const struct drive *drive) {
    return error_set(STATUS_UNDEFINED_OBJECT, "there is no such key in \"%s\"", drive->path);
}

/* Under `writer`: what the key has now. *handle_out is absent if nothing. */
static enum status current_value(struct drive *drive, struct slice key,
                                 struct drive_handle *handle_out) {
    return drive_get(drive, key, handle_out);
}

static enum status rename_locked(struct drive *drive, struct slice from, struct slice to) {
    struct drive_handle value, other;
    TRY(write__check(drive));
    TRY(current_value(drive, from, &value));
    if (value.data == NULL)
        return no_such_key(drive);
    enum status status = current_value(drive, to, &other);
    if (status == STATUS_OK && other.data != NULL)
        status =
            error_set(STATUS_DUPLICATE_OBJECT, "the new key is already in \"%s\"", drive->path);
    if (status == STATUS_OK) {
        drive_handle_release(&other);
        struct write_item items[2] = {
            {.key = to, .value = slice_of(value.data, value.size)},
            {.key = from, .is_delete = true},
        };
        status = write__batch(drive, items, 2);
    } else {
        drive_handle_release(&other);
    }
    drive_handle_release(&value);
    return status;
}

enum status drive_rename(struct drive *drive, struct slice from, struct slice to,
                         enum drive_durability durability) {
    thread_mutex_lock(&drive->writer);
    enum status status = rename_locked(drive, from, to);
    thread_mutex_unlock(&drive->writer);
    return status == STATUS_OK && durability == DRIVE_SYNC ? drive_sync(drive) : status;
}

enum status drive_copy(struct drive *source, struct slice key, struct drive *target,
                       struct slice target_key, enum drive_durability durability) {
    struct drive_handle value;
    TRY(drive_get(source, key, &value));
    if (value.data == NULL)
        return no_such_key(source);
    enum status status = drive_handle_verify(&value); /* do not spread damage */
    if (status == STATUS_OK)
        status = drive_put(target, target_key, slice_of(value.data, value.size), durability);
    drive_handle_release(&value);
    return status;
}

enum status drive_move(struct drive *source, struct slice key, struct drive *target,
                       struct slice target_key, enum drive_durability durability) {
    bool existed;
    if (source == target)
        return drive_rename(source, key, target_key, durability);
    thread_mutex_lock(&source->writer);
    enum status status = write__check(source);
    thread_mutex_unlock(&source->writer);
    TRY(status);
    TRY(drive_copy(source, key, target, target_key, DRIVE_SYNC));
    return drive_delete(source, key, durability, &existed);
}

/* ---- conversion -------------------------------------------------------------------------------
 */

struct named_hash {
    uint64_t hash;
    struct slice key;
};

static int compare_hashes(const void *a, const void *b) {
    const struct named_hash *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static enum status hash_keys(const struct slice *keys, size_t count,
                             struct named_hash **names_out) {
    struct named_hash *names = memory_alloc_zeroed(count + 1, sizeof *names);
    *names_out = names;
    if (names == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        names[i] = (struct named_hash){hash_bytes(keys[i].data, keys[i].size), keys[i]};
    if (count > 1)
        qsort(names, count, sizeof *names, compare_hashes);
    return STATUS_OK;
}

static enum status find_name(const struct drive *source, const struct named_hash *names,
                             size_t count, struct drive_entry *entry) {
    struct named_hash wanted = {.hash = entry->key_hash};
    const struct named_hash *found =
        count == 0 ? NULL : bsearch(&wanted, names, count, sizeof *names, compare_hashes);
    if (found == NULL) {
        enum status status = error_set(
            STATUS_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "\"%s\": format 1 stores no keys and that of the entry ending at offset %llu "
            "(hash %016llx) was not given",
            source->path, (unsigned long long)entry->place, (unsigned long long)entry->key_hash);
        error_hint("Give the keys of all entries.");
        return status;
    }
    entry->key = found->key;
    return STATUS_OK;
}

static enum status convert_entry(struct drive *target, const struct drive_entry *entry) {
    bool exists = false, hashed = entry->key.data == NULL;
    if (!hashed && view_geometry(atomic_load(&target->current))->format == 1)
        TRY(drive_exists(target, entry->key, &exists));
    if (exists)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "two keys have the same hash, which format 1 cannot tell apart");
    struct write_item item = {.key = entry->key,
                              .value = entry->value,
                              .time_us = entry->time_us,
                              .hash = entry->key_hash,
                              .hashed = hashed};
    thread_mutex_lock(&target->writer);
    enum status status = write__batch(target, &item, 1);
    thread_mutex_unlock(&target->writer);
    return status;
}

static enum status convert_all(struct drive *source, struct drive *target,
                               const struct named_hash *names, size_t name_count,
                               const struct drive_progress *progress) {
    struct drive_iterator *it;
    struct drive_entry entry;
    struct drive_statistics statistics;
    drive_statistics(source, &statistics);
    TRY(drive_iterate(source, DRIVE_OLDEST_FIRST, &it));
    bool to_plain = view_geometry(atomic_load(&target->current))->format == 2;
    enum status status = STATUS_OK;
    for (uint64_t done = 0; status == STATUS_OK && drive_next(it, &entry); done++) {
        struct drive_handle handle = drive_iterator_handle(it);
        status = drive_handle_verify(&handle);
        drive_handle_release(&handle);
        if (status == STATUS_OK && entry.key.data == NULL && to_plain)
            status = find_name(source, names, name_count, &entry);
        if (status == STATUS_OK)
            status = convert_entry(target, &entry);
        if (status == STATUS_OK && done % 1024 == 0 && progress != NULL && progress->tick != NULL &&
            !progress->tick(progress->context, done, statistics.count))
            status = error_set(STATUS_CANCELED, "conversion was stopped");
    }
    drive_iterator_close(it);
    return status == STATUS_OK ? drive_sync(target) : status;
}

enum status drive_convert(struct drive *source, const char *path,
                          const struct drive_options *options, const struct slice *keys,
                          size_t key_count, const struct drive_progress *progress) {
    struct drive_options create = *options;
    create.create = create.exclusive = true;
    create.read_only = false;
    struct named_hash *names;
    struct drive *target = NULL;
    enum status status = hash_keys(keys, key_count, &names);
    if (status == STATUS_OK)
        status = drive_open(path, &create, &target);
    if (target != NULL) {
        status = convert_all(source, target, names, key_count, progress);
        struct error error = *error_current();
        enum status closed = drive_close(target);
        if (status != STATUS_OK) {
            (void)plain_remove(path);
            *error_current() = error;
        } else {
            status = closed;
        }
    }
    memory_free(names);
    return status;
}
