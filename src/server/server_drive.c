/* satori drive COMMAND STORE ...: which command, its options, and how results are told. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/runtime.h"
#include "runtime/runtime_plain.h"
#include "runtime/runtime_thread.h"
#include "server/server.h"
#include "server/server_drive.h"
#include "server/server_options.h"
#include "value/value_datetime.h"

enum {
    OPTION_JSON = 1,
    OPTION_CREATE = 2, /* format and alignment of a new store */
    OPTION_WRITE = 4,  /* no-sync, keep-tail */
    OPTION_THREADS = 8,
    OPTION_NESTED = 16,
    OPTION_NEWEST = 32,
    OPTION_KEYS = 64,
    OPTION_FORCE = 128,
    OPTION_COUNT = 256,
};

static const struct {
    const char *name, *operands;
    unsigned least, most; /* operands, STORE among them */
    unsigned options;
    const char *about;
    enum status (*run)(struct drive_command *command);
} commands[] = {
    {"put", "STORE KEY [VALUE]", 2, 3, OPTION_WRITE | OPTION_CREATE,
     "Stores VALUE, or what standard input gives, under KEY. Makes the store if there is none.",
     drive_run_put},
    {"get", "STORE KEY", 2, 2, OPTION_NESTED,
     "Writes the value of KEY to standard output. Exit status 1: there is none.", drive_run_get},
    {"delete", "STORE KEY...", 2, DRIVE_OPERANDS_MAX, OPTION_WRITE | OPTION_JSON,
     "Deletes all KEYs, or none if something fails. Exit status 1: none of them was there.",
     drive_run_delete},
    {"list", "STORE", 1, 1, OPTION_JSON | OPTION_NESTED | OPTION_NEWEST,
     "Lists keys and sizes of values, in order of their last write. Format 1 stores no keys: "
     "their\n"
     "hashes are listed.",
     drive_run_list},
    {"info", "STORE", 1, 1, OPTION_JSON | OPTION_NESTED,
     "Says what kind of store it is, how much is in it and what compaction would save.",
     drive_run_info},
    {"history", "STORE KEY", 2, 2, OPTION_JSON | OPTION_NESTED,
     "Lists the versions of KEY that are still in the file, newest first.", drive_run_history},
    {"verify", "STORE", 1, 1, OPTION_JSON | OPTION_NESTED | OPTION_THREADS,
     "Computes every checksum and names damaged ranges. Changes nothing. Exit status 1: damage.",
     drive_run_verify},
    {"compact", "STORE", 1, 1, OPTION_JSON | OPTION_WRITE,
     "Writes what is in force to a new file that takes the old one's place. Readers may go on.",
     drive_run_compact},
    {"convert", "STORE NEW", 2, 2, OPTION_CREATE | OPTION_KEYS,
     "Writes what is in force in STORE to a NEW store of another format (2 unless --format says\n"
     "so). Format 1 stores no keys: to leave it, --keys names a file with all of them, one a line.",
     drive_run_convert},
    {"copy", "STORE KEY TARGET [NEWKEY]", 3, 4, OPTION_WRITE | OPTION_CREATE,
     "Copies KEY from STORE to the store TARGET, which is made if there is none.", drive_run_copy},
    {"move", "STORE KEY TARGET [NEWKEY]", 3, 4, OPTION_WRITE | OPTION_CREATE,
     "Copies KEY to TARGET, durably, then deletes it from STORE.", drive_run_move},
    {"rename", "STORE KEY NEWKEY", 3, 3, OPTION_WRITE,
     "Gives the value of KEY the key NEWKEY, which must be free.", drive_run_rename},
    {"import", "STORE DIRECTORY", 2, 2, OPTION_WRITE | OPTION_CREATE | OPTION_JSON,
     "Stores every file below DIRECTORY under its path from there. Modes, times and links are not\n"
     "kept; a symbolic link is an error. An empty directory becomes an empty value under PATH/.",
     drive_run_import},
    {"export", "STORE DIRECTORY", 2, 2, OPTION_NESTED | OPTION_FORCE | OPTION_JSON,
     "Writes every value to the file its key names below DIRECTORY. Keys that would lead out of "
     "it\n"
     "are refused before anything is written.",
     drive_run_export},
    {"bench", "NEWSTORE", 1, 1, OPTION_CREATE | OPTION_COUNT | OPTION_JSON,
     "Makes NEWSTORE, appends and reads entries of 8 bytes in it, removes it and says how fast.",
     drive_run_bench},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void help(void) {
    printf("usage: satori drive COMMAND STORE [arguments] [options]\n\n"
           "A drive is one append-only file of keys and values: the newest value of a key wins,\n"
           "nothing is overwritten.\n\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].operands);
    printf(
        "\n  satori drive COMMAND --help   more about a command\n\n"
        "Exit status: 0 done; 1 failed, no such key, or damage found; 2 the command line is wrong."
        "\n");
}

/* ---- options ----------------------------------------------------------------------------------
 */

struct texts {
    const char *json, *format, *alignment, *no_sync, *keep_tail, *threads, *nested, *newest, *keys,
        *force, *count, *memory, *no_index;
};

static size_t list_options(unsigned wanted, struct texts *texts, struct option_spec *specs) {
    const struct {
        unsigned option;
        struct option_spec spec;
    } all[] = {
        {OPTION_JSON, {"--json", NULL, "results as JSON, one object a line", &texts->json}},
        {OPTION_CREATE,
         {"--format", "N", "format of a new store: 2 (default) or 1 (simd-r-drive)",
          &texts->format}},
        {OPTION_CREATE,
         {"--alignment", "BYTES", "values of a new store start at multiples (64)",
          &texts->alignment}},
        {OPTION_WRITE, {"--no-sync", NULL, "do not wait until it is on the disk", &texts->no_sync}},
        {OPTION_WRITE,
         {"--keep-tail", NULL, "keep a torn tail in STORE.tail-OFFSET", &texts->keep_tail}},
        {OPTION_THREADS,
         {"--threads", "N", "threads (default: one for each processor)", &texts->threads}},
        {OPTION_NESTED,
         {"--in", "KEY", "read the store that is the value of KEY in STORE", &texts->nested}},
        {OPTION_NEWEST, {"--newest-first", NULL, "the last write first", &texts->newest}},
        {OPTION_KEYS,
         {"--keys", "FILE", "the keys of a store of format 1, one a line", &texts->keys}},
        {OPTION_FORCE, {"--force", NULL, "write over files that exist", &texts->force}},
        {OPTION_COUNT, {"--count", "N", "entries (default 1,000,000)", &texts->count}},
        {~0u,
         {"--memory", "SIZE", "most memory for the index and for long passes (256MB, 2GB)",
          &texts->memory}},
        {~0u, {"--no-index", NULL, "neither use nor write STORE.index", &texts->no_index}},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if ((all[i].option & wanted) != 0)
            specs[count++] = all[i].spec;
    }
    return count;
}

static bool read_number(const char *text, const char *name, uint64_t least, uint64_t most,
                        uint64_t *number_out) {
    if (text == NULL || number_parse(text, least, most, number_out))
        return true;
    fprintf(stderr, "satori: %s must be a number from %llu to %llu, not \"%s\"\n", name,
            (unsigned long long)least, (unsigned long long)most, text);
    return false;
}

static bool take_options(const struct texts *texts, struct drive_command *command) {
    uint64_t format = 0, alignment = 0, threads = thread_processor_count();
    command->count = 1000000;
    if (!read_number(texts->format, "--format", 1, 2, &format) ||
        !read_number(texts->alignment, "--alignment", 1, 4096, &alignment) ||
        !read_number(texts->threads, "--threads", 1, THREAD_COUNT_MAX, &threads) ||
        !read_number(texts->count, "--count", 1, (uint64_t)1 << 32, &command->count))
        return false;
    if (texts->memory != NULL && !size_parse(texts->memory, &command->options.memory)) {
        fprintf(stderr, "satori: --memory must be a size like 256MB, not \"%s\"\n", texts->memory);
        return false;
    }
    command->options.format = (unsigned)format;
    command->options.alignment = (unsigned)alignment;
    command->options.keep_tail = texts->keep_tail != NULL;
    command->options.no_snapshot = texts->no_index != NULL;
    command->durability = texts->no_sync != NULL ? DRIVE_NONE : DRIVE_SYNC;
    command->threads = (unsigned)threads;
    command->json = texts->json != NULL;
    command->newest_first = texts->newest != NULL;
    command->force = texts->force != NULL;
    command->keys_path = texts->keys;
    command->nested = texts->nested;
    return true;
}

/* ---- the store ---------------------------------------------------------------------------------
 */

static void tell_recovery(const char *path, const struct drive *drive) {
    const struct drive_recovery *recovery = drive_recovery(drive);
    if (recovery->tail_size > 0)
        fprintf(stderr, "satori: %s: a torn tail of %llu bytes at offset %llu %s%s\n", path,
                (unsigned long long)recovery->tail_size, (unsigned long long)recovery->tail_offset,
                recovery->tail_path[0] != '\0' ? "was cut off; it is kept in "
                                               : "is not part of the store",
                recovery->tail_path);
    for (uint64_t i = 0; i < recovery->damage_count && i < DRIVE_DAMAGE_MAX; i++)
        fprintf(stderr, "satori: %s: %llu bytes at offset %llu are damaged\n", path,
                (unsigned long long)recovery->damage[i].size,
                (unsigned long long)recovery->damage[i].offset);
}

static enum status open_nested(const char *key, struct drive *outer, struct drive **drive_out) {
    struct drive_handle handle;
    enum status status = drive_get(outer, slice_of_text(key), &handle);
    if (status == STATUS_OK && handle.data == NULL)
        status = error_set(STATUS_UNDEFINED_OBJECT, "there is no key \"%s\"", key);
    if (status == STATUS_OK)
        status = drive_open_nested(&handle, drive_out);
    drive_handle_release(&handle);
    return status;
}

enum status drive_command_open(struct drive_command *command, struct drive **drive_out) {
    const char *path = command->operands[0];
    TRY(drive_open(path, &command->options, drive_out));
    tell_recovery(path, *drive_out);
    if (command->nested == NULL)
        return STATUS_OK;
    struct drive *outer = *drive_out;
    enum status status = open_nested(command->nested, outer, drive_out);
    struct error error = *error_current();
    enum status closed = drive_close(outer);
    if (status != STATUS_OK)
        *error_current() = error;
    return status != STATUS_OK ? status : closed;
}

enum status drive_command_finish(struct drive *drive, enum status status) {
    struct error error = *error_current();
    enum status closed = drive_close(drive);
    if (status != STATUS_OK)
        *error_current() = error;
    return status != STATUS_OK ? status : closed;
}

/* ---- progress -----------------------------------------------------------------------------------
 */

static int64_t progress_drawn_ns;

static bool draw(void *context, uint64_t done, uint64_t total) {
    int64_t now = clock_monotonic_ns();
    if (now - progress_drawn_ns < 100000000)
        return true;
    progress_drawn_ns = now;
    enum { WIDTH = 40 };
    unsigned filled = total == 0 ? 0 : (unsigned)((double)done / (double)total * WIDTH);
    fprintf(stderr, "\r%s [%.*s%*s] %3u%%", (const char *)context, (int)filled,
            "########################################", (int)(WIDTH - filled), "",
            filled * 100 / WIDTH);
    fflush(stderr);
    return true;
}

struct drive_progress drive_progress_bar(const char *what) {
    if (!isatty(STDERR_FILENO))
        return (struct drive_progress){0};
    return (struct drive_progress){draw, (void *)(uintptr_t)what};
}

void drive_progress_end(void) {
    if (progress_drawn_ns != 0)
        fprintf(stderr, "\r\033[K");
}

/* ---- printing -----------------------------------------------------------------------------------
 */

void print_key(struct slice key) {
    for (size_t i = 0; i < key.size; i++) {
        if (key.data[i] < ' ' || key.data[i] == 0x7F || key.data[i] == '\\')
            printf("\\x%02x", key.data[i]);
        else
            putchar(key.data[i]);
    }
}

static void print_json_bytes(const uint8_t *bytes, size_t size) {
    putchar('"');
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] < ' ' || bytes[i] == 0x7F)
            printf("\\u%04x", bytes[i]);
        else if (bytes[i] == '"' || bytes[i] == '\\')
            printf("\\%c", bytes[i]);
        else
            putchar(bytes[i]);
    }
    putchar('"');
}

void print_json_text(const char *text) {
    print_json_bytes((const uint8_t *)text, strlen(text));
}

static bool is_utf8(struct slice text) {
    for (size_t i = 0; i < text.size;) {
        uint8_t lead = text.data[i++];
        unsigned more = lead < 0x80 ? 0 : lead >= 0xC2 && lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4 || more > text.size - i)
            return false;
        if ((lead == 0xE0 && text.data[i] < 0xA0) || (lead == 0xED && text.data[i] > 0x9F) ||
            (lead == 0xF0 && text.data[i] < 0x90) || (lead == 0xF4 && text.data[i] > 0x8F))
            return false;
        for (; more > 0; more--) {
            if ((text.data[i++] & 0xC0) != 0x80)
                return false;
        }
    }
    return true;
}

void print_json_key(struct slice key) {
    if (is_utf8(key)) {
        printf("\"key\": ");
        print_json_bytes(key.data, key.size);
        return;
    }
    printf("\"key_hex\": \"");
    for (size_t i = 0; i < key.size; i++)
        printf("%02x", key.data[i]);
    putchar('"');
}

/* Microseconds since 1970, as ISO 8601. */
void print_time(int64_t time_us) {
    enum { DAYS_1970_TO_2000 = 10957 };
    int64_t day = time_us / 86400000000, rest = time_us % 86400000000;
    if (rest < 0) {
        rest += 86400000000;
        day--;
    }
    int year, month, day_of_month;
    date_to_civil((int32_t)(day - DAYS_1970_TO_2000), &year, &month, &day_of_month);
    int second = (int)(rest / 1000000), microsecond = (int)(rest % 1000000);
    printf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", year, month, day_of_month, second / 3600,
           second / 60 % 60, second % 60, microsecond);
}

/* ---- main
 * ----------------------------------------------------------------------------------------- */

static int run(size_t index, int argc, char **argv) {
    char usage[128];
    struct texts texts = {0};
    struct option_spec specs[16];
    struct drive_command *command = memory_alloc_zeroed(1, sizeof *command);
    if (command == NULL)
        return 1;
    snprintf(usage, sizeof usage, "satori drive %s %s [options]", commands[index].name,
             commands[index].operands);
    struct command_line line = {
        .usage = usage,
        .about = commands[index].about,
        .options = specs,
        .option_count = list_options(commands[index].options, &texts, specs),
        .operands = command->operands,
        .operand_max = commands[index].most,
    };
    enum command_outcome outcome = command_line_parse(&line, argc, argv);
    int result = outcome == COMMAND_HELPED ? 0 : 2;
    if (outcome == COMMAND_RUN && line.operand_count < commands[index].least)
        fprintf(stderr, "satori: something is missing; usage: %s\n", usage);
    else if (outcome == COMMAND_RUN && take_options(&texts, command)) {
        command->operand_count = line.operand_count;
        enum status status = commands[index].run(command);
        drive_progress_end();
        if (status == STATUS_OK && fflush(stdout) != 0)
            status = error_set(STATUS_IO_ERROR, "could not write to standard output");
        result = status == STATUS_OK ? command->exit_status : 1;
        const struct error *error = error_current();
        if (status != STATUS_OK)
            fprintf(stderr, "satori: %s%s%s\n", error->message, error->hint[0] != '\0' ? "; " : "",
                    error->hint);
    }
    memory_free(command);
    return result;
}

int drive_main(int argc, char **argv) {
    if (argc < 1 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        help();
        return argc < 1 ? 2 : 0;
    }
    log_level_set(LOG_WARNING);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[0], commands[i].name) == 0)
            return run(i, argc - 1, argv + 1);
    }
    fprintf(stderr, "satori: unknown command drive %s; satori drive --help lists them\n", argv[0]);
    return 2;
}
