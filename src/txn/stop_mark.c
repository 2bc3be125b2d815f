/* The mark of a clean stop (txn_format.h): with it a damaged journal takes nothing away. */
#include <stdio.h>

#include "txn/store.h"

static void path_of(const char *directory, char *path_out) {
    snprintf(path_out, STORE_PATH_SIZE, "%s/satori.stopped", directory);
}

enum status stop_mark__read(struct fiber *f, const char *directory, bool *found_out,
                            struct stop_mark *mark_out) {
    char path[STORE_PATH_SIZE];
    uint8_t bytes[STOP_MARK_SIZE];
    struct file *file;
    size_t size;
    *found_out = false;
    path_of(directory, path);
    enum status status = file_open(f, path, FILE_READ_ONLY, &file);
    if (status == STATUS_UNDEFINED_FILE) {
        error_clear();
        return STATUS_OK;
    }
    TRY(status);
    status = file_read(f, file, bytes, sizeof bytes, 0, &size);
    enum status closed = file_close(f, file);
    TRY(status);
    TRY(closed);
    *found_out = size == sizeof bytes && stop_mark_decode(bytes, mark_out);
    return STATUS_OK;
}

/* The name is not synced: a mark that a power failure takes away only makes the journal needed. */
enum status stop_mark__write(struct fiber *f, const char *directory, const struct stop_mark *mark) {
    char path[STORE_PATH_SIZE];
    uint8_t bytes[STOP_MARK_SIZE];
    struct file *file;
    path_of(directory, path);
    stop_mark_encode(mark, bytes);
    TRY(file_open(f, path, FILE_CREATE | FILE_TRUNCATE, &file));
    enum status status = file_write(f, file, bytes, sizeof bytes, 0, FILE_WRITE_PLAIN);
    if (status == STATUS_OK)
        status = file_sync(f, file);
    enum status closed = file_close(f, file);
    return status == STATUS_OK ? closed : status;
}

/* Durably, before anybody commits: a mark that came back would deny what was committed since. */
enum status stop_mark__remove(struct fiber *f, const char *directory) {
    char path[STORE_PATH_SIZE];
    bool exists;
    path_of(directory, path);
    TRY(file_exists(f, path, &exists));
    if (!exists)
        return STATUS_OK;
    TRY(file_remove(f, path));
    return directory_sync(f, directory);
}
