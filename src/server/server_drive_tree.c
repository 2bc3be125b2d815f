/* satori drive import and export: directory trees, keys are paths. */
#include <stdio.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_memory.h"
#include "runtime/runtime_plain.h"
#include "server/server_drive.h"

static void tell_count(const struct drive_command *command, uint64_t files, uint64_t bytes) {
    printf(command->json ? "{\"files\": %llu, \"bytes\": %llu}\n" : "%llu files, %llu bytes\n",
           (unsigned long long)files, (unsigned long long)bytes);
}

/* ---- import ------------------------------------------------------------------------------------
 */

struct import {
    struct drive *drive;
    const char *root;
    uint64_t files, bytes;
    unsigned depth;
    bool counting; /* only how many bytes there are, for the bar */
    uint64_t bytes_total;
    struct drive_progress progress;
};

enum { DEPTH_MAX = 200, PATH_SIZE_MAX = 4096 };

static const char *key_of_path(const struct import *import, const char *path) {
    path += strlen(import->root);
    while (*path == '/')
        path++;
    return path;
}

struct file_source {
    struct import *import;
    struct plain_file *file;
    uint64_t offset;
};

static enum status next_bytes(void *context, void *buffer, size_t size, size_t *size_out) {
    struct file_source *source = context;
    TRY(plain_read(source->file, buffer, size, source->offset, size_out));
    source->offset += *size_out;
    const struct import *import = source->import;
    if (import->progress.tick != NULL)
        (void)import->progress.tick(import->progress.context, import->bytes + source->offset,
                                    import->bytes_total);
    return STATUS_OK;
}

static enum status count_file(struct import *import, struct plain_file *file) {
    uint64_t size;
    enum status status = plain_size(file, &size);
    plain_close(file);
    if (status == STATUS_OK)
        import->bytes_total += size;
    return status;
}

static enum status import_file(struct import *import, const char *path) {
    struct file_source from = {.import = import};
    TRY(plain_open(path, PLAIN_READ_ONLY, &from.file));
    if (import->counting)
        return count_file(import, from.file);
    struct drive_source source = {next_bytes, &from};
    enum status status = drive_put_stream(import->drive, slice_of_text(key_of_path(import, path)),
                                          &source, DRIVE_NONE);
    plain_close(from.file);
    import->files++;
    import->bytes += from.offset;
    return status;
}

static enum status import_directory(struct import *import, const char *path);

static enum status import_path(struct import *import, const char *path) {
    switch (plain_kind(path)) {
    case PLAIN_FILE:
        return import_file(import, path);
    case PLAIN_DIRECTORY:
        return import_directory(import, path);
    case PLAIN_LINK:
        return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is a symbolic link", path);
    case PLAIN_ABSENT:
        return error_set(STATUS_UNDEFINED_FILE, "\"%s\" is gone", path);
    case PLAIN_OTHER:
        break;
    }
    return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is neither a file nor a directory", path);
}

static enum status import_names(struct import *import, const char *path, char **names,
                                size_t count) {
    char child[PATH_SIZE_MAX];
    for (size_t i = 0; i < count; i++) {
        if ((size_t)snprintf(child, sizeof child, "%s/%s", path, names[i]) >= sizeof child)
            return error_set(STATUS_NAME_TOO_LONG, "the path of \"%s\" is too long", names[i]);
        TRY(import_path(import, child));
    }
    if (count > 0 || *key_of_path(import, path) == '\0' || import->counting)
        return STATUS_OK;
    snprintf(child, sizeof child, "%s/", key_of_path(import, path));
    return drive_put(import->drive, slice_of_text(child), SLICE_EMPTY, DRIVE_NONE);
}

static enum status import_directory(struct import *import, const char *path) {
    char **names;
    size_t count;
    if (++import->depth > DEPTH_MAX)
        return error_set(STATUS_LIMIT_EXCEEDED, "\"%s\" is more than %d directories deep", path,
                         DEPTH_MAX);
    TRY(plain_directory_list(path, &names, &count));
    enum status status = import_names(import, path, names, count);
    for (size_t i = 0; i < count; i++)
        memory_free(names[i]);
    memory_free(names);
    import->depth--;
    return status;
}

enum status drive_run_import(struct drive_command *command) {
    struct import import = {.root = command->operands[1]};
    command->options.create = true;
    if (plain_kind(import.root) != PLAIN_DIRECTORY)
        return error_set(STATUS_UNDEFINED_FILE, "\"%s\" is not a directory", import.root);
    TRY(drive_command_open(command, &import.drive));
    import.progress = drive_progress_bar("importing");
    enum status status = STATUS_OK;
    if (import.progress.tick != NULL) {
        import.counting = true;
        status = import_directory(&import, import.root);
        import.counting = false;
    }
    if (status == STATUS_OK)
        status = import_directory(&import, import.root);
    drive_progress_end();
    if (status == STATUS_OK && command->durability == DRIVE_SYNC)
        status = drive_sync(import.drive);
    TRY(drive_command_finish(import.drive, status));
    tell_count(command, import.files, import.bytes);
    return STATUS_OK;
}

/* ---- export ------------------------------------------------------------------------------------
 */

/* May the key name a file below a directory? Its parts are names, none is "..". */
static enum status check_key(struct slice key) {
    const char *why = NULL;
    if (key.data == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED,
                         "a store of format 1 has no keys to name files by");
    if (key.size == 0 || key.data[0] == '/' || memchr(key.data, '\0', key.size) != NULL)
        why = "is no path";
    for (size_t from = 0; why == NULL && from < key.size;) {
        const uint8_t *slash = memchr(key.data + from, '/', key.size - from);
        size_t size = (slash == NULL ? key.size : (size_t)(slash - key.data)) - from;
        const char *part = (const char *)key.data + from;
        if (size == 0 || size > 255)
            why = "is no path";
        else if ((size == 1 && part[0] == '.') || (size == 2 && memcmp(part, "..", 2) == 0))
            why = "leads elsewhere";
        from += size + 1;
    }
    if (why == NULL)
        return STATUS_OK;
    return error_set(STATUS_INVALID_NAME, "the key \"%.*s\" %s",
                     (int)(key.size < 200 ? key.size : 200), (const char *)key.data, why);
}

/* The directories on the way to a path, made one by one; none may be a link. */
static enum status make_way(const char *root, char *path) {
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        enum status status =
            plain_kind(path) == PLAIN_LINK
                ? error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is a symbolic link", path)
                : plain_directory_create(path);
        *slash = '/';
        TRY(status);
    }
    return STATUS_OK;
}

static enum status export_entry(const struct drive_command *command,
                                const struct drive_entry *entry) {
    char path[PATH_SIZE_MAX];
    const char *root = command->operands[1];
    if ((size_t)snprintf(path, sizeof path, "%s/%.*s", root, (int)entry->key.size,
                         (const char *)entry->key.data) >= sizeof path)
        return error_set(STATUS_NAME_TOO_LONG, "a path below \"%s\" is too long", root);
    TRY(make_way(root, path));
    if (path[strlen(path) - 1] == '/')
        return STATUS_OK; /* an empty directory */
    struct plain_file *file;
    if (plain_kind(path) == PLAIN_LINK)
        return error_set(STATUS_WRONG_OBJECT_TYPE, "\"%s\" is a symbolic link", path);
    TRY(plain_open(path, PLAIN_CREATE | (command->force ? PLAIN_TRUNCATE : PLAIN_EXCLUSIVE),
                   &file));
    enum status status = plain_write(file, &entry->value, 1, 0);
    plain_close(file);
    return status;
}

static enum status export_all(struct drive_command *command, struct drive *drive, bool writes,
                              uint64_t *files, uint64_t *bytes) {
    struct drive_iterator *iterator;
    struct drive_entry entry;
    struct drive_statistics statistics;
    struct drive_progress progress = drive_progress_bar("exporting");
    drive_statistics(drive, &statistics);
    TRY(drive_iterate(drive, DRIVE_OLDEST_FIRST, &iterator));
    enum status status = STATUS_OK;
    while (status == STATUS_OK && drive_next(iterator, &entry)) {
        if (!writes) {
            status = check_key(entry.key);
            continue;
        }
        struct drive_handle handle = drive_iterator_handle(iterator);
        status = drive_handle_verify(&handle);
        drive_handle_release(&handle);
        if (status == STATUS_OK)
            status = export_entry(command, &entry);
        *files += entry.key.data[entry.key.size - 1] != '/';
        *bytes += entry.value.size;
        if (progress.tick != NULL)
            (void)progress.tick(progress.context, *files, statistics.count);
    }
    drive_iterator_close(iterator);
    return status;
}

enum status drive_run_export(struct drive_command *command) {
    struct drive *drive;
    uint64_t files = 0, bytes = 0;
    command->options.read_only = true;
    TRY(drive_command_open(command, &drive));
    enum status status = export_all(command, drive, false, &files, &bytes);
    if (status == STATUS_OK)
        status = plain_directory_create(command->operands[1]);
    if (status == STATUS_OK)
        status = export_all(command, drive, true, &files, &bytes);
    drive_progress_end();
    TRY(drive_command_finish(drive, status));
    tell_count(command, files, bytes);
    return STATUS_OK;
}
