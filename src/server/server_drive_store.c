/* satori drive list, info, history, verify, compact, convert. */
#include <stdio.h>
#include <string.h>

#include "base/base_arena.h"
#include "base/base_memory.h"
#include "runtime/runtime.h"
#include "runtime/runtime_plain.h"
#include "server/server_drive.h"

/* ---- list and history --------------------------------------------------------------------------
 */

static void print_name(const struct drive_command *command, const struct drive_entry *entry) {
    if (command->json && entry->key.data != NULL)
        print_json_key(entry->key);
    else if (command->json)
        printf("\"hash\": \"%016llx\"", (unsigned long long)entry->key_hash);
    else if (entry->key.data != NULL)
        print_key(entry->key);
    else
        printf("%016llx", (unsigned long long)entry->key_hash);
}

enum status drive_run_list(struct drive_command *command) {
    struct drive *drive;
    struct drive_iterator *iterator;
    struct drive_entry entry;
    command->options.read_only = true;
    TRY(drive_command_open(command, &drive));
    enum status status = drive_iterate(
        drive, command->newest_first ? DRIVE_NEWEST_FIRST : DRIVE_OLDEST_FIRST, &iterator);
    while (status == STATUS_OK && drive_next(iterator, &entry)) {
        if (command->json)
            printf("{");
        print_name(command, &entry);
        printf(command->json ? ", \"size\": %zu}\n" : "\t%zu\n", entry.value.size);
    }
    if (status == STATUS_OK)
        drive_iterator_close(iterator);
    return drive_command_finish(drive, status);
}

static enum status print_version(void *context, const struct drive_entry *entry) {
    struct drive_command *command = context;
    command->exit_status = 0;
    if (command->json) {
        printf("{\"offset\": %llu, ", (unsigned long long)entry->place);
        if (entry->time_us != 0) {
            printf("\"time\": \"");
            print_time(entry->time_us);
            printf("\", ");
        }
        if (entry->deleted)
            printf("\"deleted\": true}\n");
        else
            printf("\"deleted\": false, \"size\": %zu}\n", entry->value.size);
        return STATUS_OK;
    }
    if (entry->time_us != 0)
        print_time(entry->time_us);
    else
        printf("-");
    printf("\toffset %llu\t", (unsigned long long)entry->place);
    if (entry->deleted)
        printf("deleted\n");
    else
        printf("%zu bytes\n", entry->value.size);
    return STATUS_OK;
}

enum status drive_run_history(struct drive_command *command) {
    struct drive *drive;
    command->options.read_only = true;
    TRY(drive_command_open(command, &drive));
    command->exit_status = 1; /* until there is a version */
    return drive_command_finish(
        drive, drive_history(drive, slice_of_text(command->operands[1]), print_version, command));
}

/* ---- info --------------------------------------------------------------------------------------
 */

static void print_info(const struct drive_command *command, struct drive *drive) {
    struct drive_statistics s;
    const struct drive_recovery *recovery = drive_recovery(drive);
    drive_statistics(drive, &s);
    const struct {
        const char *json, *text;
        uint64_t value;
    } rows[] = {
        {"format", "format", s.format},
        {"alignment", "alignment of values", s.alignment},
        {"keys", "keys", s.count},
        {"size", "bytes in the file", s.file_size},
        {"saving", "compaction would free about", s.saving},
        {"index_size", "bytes of memory for the index", s.index_size},
        {"torn_tail", "bytes of a torn tail", recovery->tail_size},
        {"damaged_ranges", "damaged ranges", recovery->damage_count},
        {"walked", "entries read to open it", recovery->walked},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (command->json)
            printf("%s\"%s\": %llu", i == 0 ? "{" : ", ", rows[i].json,
                   (unsigned long long)rows[i].value);
        else
            printf("%-32s %llu\n", rows[i].text, (unsigned long long)rows[i].value);
    }
    if (s.created_us != 0) {
        printf(command->json ? ", \"created\": \"" : "%-32s ", "created");
        print_time(s.created_us);
        printf(command->json ? "\"" : "\n");
    }
    if (command->json)
        printf("}\n");
}

enum status drive_run_info(struct drive_command *command) {
    struct drive *drive;
    command->options.read_only = true;
    TRY(drive_command_open(command, &drive));
    print_info(command, drive);
    return drive_command_finish(drive, STATUS_OK);
}

/* ---- verify, compact, convert
 * -------------------------------------------------------------------- */

static void report_damage(void *context, struct drive_damage damage, const char *why) {
    const struct drive_command *command = context;
    if (command->json)
        printf("{\"offset\": %llu, \"size\": %llu, \"why\": \"%s\"}\n",
               (unsigned long long)damage.offset, (unsigned long long)damage.size, why);
    else
        printf("damaged: %llu bytes at offset %llu: %s\n", (unsigned long long)damage.size,
               (unsigned long long)damage.offset, why);
}

enum status drive_run_verify(struct drive_command *command) {
    struct drive *drive;
    uint64_t entries = 0, damage = 0;
    command->options.read_only = true;
    TRY(drive_command_open(command, &drive));
    struct drive_progress progress = drive_progress_bar("verifying");
    uint64_t tail = drive_recovery(drive)->tail_size;
    enum status status =
        drive_verify(drive, command->threads, report_damage, command, &progress, &entries, &damage);
    drive_progress_end();
    TRY(drive_command_finish(drive, status));
    if (command->json)
        printf("{\"entries\": %llu, \"damaged_ranges\": %llu, \"torn_tail\": %llu}\n",
               (unsigned long long)entries, (unsigned long long)damage, (unsigned long long)tail);
    else
        printf("%llu entries, %llu damaged ranges\n", (unsigned long long)entries,
               (unsigned long long)damage);
    command->exit_status = damage > 0 || tail > 0;
    return STATUS_OK;
}

enum status drive_run_compact(struct drive_command *command) {
    struct drive *drive;
    struct drive_statistics before, after;
    TRY(drive_command_open(command, &drive));
    drive_statistics(drive, &before);
    struct drive_progress progress = drive_progress_bar("compacting");
    enum status status = drive_compact(drive, &progress);
    drive_progress_end();
    drive_statistics(drive, &after);
    TRY(drive_command_finish(drive, status));
    printf(command->json ? "{\"size_before\": %llu, \"size_after\": %llu}\n"
                         : "%llu bytes before, %llu bytes now\n",
           (unsigned long long)before.file_size, (unsigned long long)after.file_size);
    return STATUS_OK;
}

static enum status read_keys(const char *path, struct arena *arena, struct slice **keys_out,
                             size_t *count_out) {
    struct plain_file *file;
    uint64_t size;
    size_t got = 0, count = 0, capacity = 0;
    TRY(plain_open(path, PLAIN_READ_ONLY, &file));
    enum status status = plain_size(file, &size);
    uint8_t *bytes = status == STATUS_OK ? arena_alloc(arena, (size_t)size + 1) : NULL;
    if (status == STATUS_OK && bytes == NULL)
        status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (status == STATUS_OK)
        status = plain_read(file, bytes, (size_t)size, 0, &got);
    plain_close(file);
    TRY(status);
    for (size_t from = 0; from < got;) {
        const uint8_t *end = memchr(bytes + from, '\n', got - from);
        size_t to = end == NULL ? got : (size_t)(end - bytes);
        if (!memory_grow(keys_out, &capacity, count + 1, sizeof **keys_out))
            return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
        (*keys_out)[count++] = slice_of(bytes + from, to - from);
        from = to + 1;
    }
    *count_out = count;
    return STATUS_OK;
}

enum status drive_run_convert(struct drive_command *command) {
    struct drive *source;
    struct arena arena = {0};
    struct slice *keys = NULL;
    size_t key_count = 0;
    struct drive_options target = command->options;
    command->options.format = command->options.alignment = 0;
    command->options.read_only = true;
    enum status status = STATUS_OK;
    if (command->keys_path != NULL)
        status = read_keys(command->keys_path, &arena, &keys, &key_count);
    if (status == STATUS_OK)
        status = drive_command_open(command, &source);
    if (status == STATUS_OK) {
        struct drive_progress progress = drive_progress_bar("converting");
        status = drive_command_finish(source, drive_convert(source, command->operands[1], &target,
                                                            keys, key_count, &progress));
    }
    memory_free(keys);
    arena_release(&arena);
    return status;
}
