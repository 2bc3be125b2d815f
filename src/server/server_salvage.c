/*
 * satori salvage DIR OUT: what can be read of a damaged data directory becomes a new one, and the
 * rest is named. DIR is not changed. OUT gets its name when it is complete; until then it is
 * OUT.salvaging.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base_buffer.h"
#include "runtime/runtime.h"
#include "runtime/runtime_file.h"
#include "runtime/runtime_sync.h"
#include "server/server.h"
#include "server/server_options.h"
#include "table/table_salvage.h"
#include "txn/txn_salvage.h"

enum { PATH_MAX_SIZE = 780, UNKNOWN_MAX = 256 };
static const uint64_t MEMORY = (uint64_t)256 << 20;
static const int64_t PROGRESS_NS = INT64_C(500000000);

struct salvage_call {
    const char *from, *to;
    char building[PATH_MAX_SIZE + 16];
    struct store_salvage *source;
    struct store *store;
    struct catalog *catalog;
    struct schema *schema; /* NULL: the catalog is being read */
    struct buffer report;
    uint64_t losses, notes;
    bool catalog_damaged, catalog_lost;
    struct salvage_losses *rows;   /* NULL: the catalog is being read */
    bool naming;                   /* indexes are asked for keys of missing rows */
    uint64_t partitions_doubtful;  /* a bit each: lost, or of another age */
    uint32_t unknown[UNKNOWN_MAX]; /* trees of no table */
    size_t unknown_count, table_count;
    bool terminal, ended;
    const char *stage;
    struct event progress_ended;
};

static void say(struct salvage_call *call, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(struct salvage_call *call, const char *format, ...) {
    char line[3 * ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (call->terminal)
        fprintf(stderr, "\r%60s\r", "");
    printf("%s\n", line);
    fflush(stdout);
    buffer_append_text(&call->report, line);
    buffer_append_byte(&call->report, '\n');
}

/* ---- what is reported ------------------------------------------------------------------------ */

static void lost(void *context, const char *line) {
    struct salvage_call *call = context;
    call->losses++;
    say(call, "lost: %s", line);
}

/* Not counted: the loss was told. */
static void missing(void *context, const char *line) {
    say(context, "missing: %s", line);
}

static void note_loss(void *context, const struct store_loss *loss) {
    struct salvage_call *call = context;
    char text[3 * ERROR_MESSAGE_SIZE];
    bool is_loss = loss->kind != STORE_LOSS_NOTE;
    if (call->rows != NULL)
        salvage_losses_add(call->rows, loss);
    if (call->naming)
        return; /* these indexes were looked at before */
    switch (loss->kind) {
    case STORE_LOSS_KEYS:
    case STORE_LOSS_KEY:
        is_loss = table_salvage_word(call->schema, loss, text, sizeof text);
        call->catalog_damaged |= is_loss && call->schema == NULL;
        break;
    case STORE_LOSS_PARTITION:
        snprintf(text, sizeof text, "partition %u: nothing of it can be read (%s)", loss->partition,
                 loss->text);
        call->catalog_lost |= loss->partition == PARTITION_CATALOG;
        call->partitions_doubtful |= UINT64_C(1) << loss->partition;
        break;
    case STORE_LOSS_AGE:
        snprintf(text, sizeof text,
                 "partition %u: rows of every table may be older versions, or lost (%s)",
                 loss->partition, loss->text);
        call->partitions_doubtful |= UINT64_C(1) << loss->partition;
        break;
    case STORE_LOSS_JOURNAL:
        snprintf(text, sizeof text,
                 "the newest changes, perhaps: any row of any table may be an older version, or "
                 "missing (%s)",
                 loss->text);
        break;
    case STORE_LOSS_NOTE:
        snprintf(text, sizeof text, "%s", loss->text);
        break;
    }
    if (is_loss) {
        lost(call, text);
        return;
    }
    call->notes++;
    say(call, "damaged: %s", text);
}

/* ---- which trees ----------------------------------------------------------------------------- */

static void note_unknown(struct salvage_call *call, struct tree_id tree) {
    for (size_t i = 0; i < call->unknown_count; i++)
        if (call->unknown[i] == tree.value)
            return;
    if (call->unknown_count < UNKNOWN_MAX)
        call->unknown[call->unknown_count++] = tree.value;
}

static enum salvage_wish wish(void *context, struct tree_id tree) {
    struct salvage_call *call = context;
    enum salvage_wish system = catalog_salvage_wish(tree);
    if (call->schema == NULL)
        return system;
    if (system != SALVAGE_SKIP)
        return SALVAGE_SKIP;
    if (call->naming)
        return table_salvage_index_wish(call->rows, tree);
    enum salvage_wish wanted = table_salvage_wish(call->schema, tree);
    if (wanted == SALVAGE_SKIP)
        note_unknown(call, tree);
    return wanted;
}

static bool fits(void *context, struct tree_id tree, struct slice key, struct slice value) {
    const struct salvage_call *call = context;
    return table_salvage_fits(call->schema, tree, key, value);
}

/* ---- progress -------------------------------------------------------------------------------- */

static enum status show_progress(struct fiber *f, void *argument) {
    struct salvage_call *call = argument;
    while (!call->ended) {
        uint64_t bytes = 0, done = 0;
        if (call->source != NULL)
            store_salvage_progress(call->source, &bytes, &done);
        done = done < bytes ? done : bytes;
        fprintf(stderr, "\r%s ... %3u %% of %llu MiB", call->stage,
                bytes > 0 ? (unsigned)(done * 100 / bytes) : 0, (unsigned long long)bytes >> 20);
        fflush(stderr);
        if (fiber_sleep(f, PROGRESS_NS) != STATUS_OK)
            break;
    }
    fprintf(stderr, "\r%60s\r", "");
    event_set(&call->progress_ended);
    return STATUS_OK;
}

static void progress_begin(struct fiber *f, struct salvage_call *call) {
    call->terminal =
        isatty(STDERR_FILENO) &&
        fiber_spawn_detached(f, FIBER_LATENCY, "progress", show_progress, call) == STATUS_OK;
}

static void progress_end(struct fiber *f, struct salvage_call *call) {
    call->ended = true;
    if (call->terminal && event_wait(f, &call->progress_ended) != STATUS_OK)
        error_clear();
    call->terminal = false;
}

/* ---- the steps ------------------------------------------------------------------------------- */

static enum status out_check(struct fiber *f, struct salvage_call *call) {
    bool exists;
    TRY(file_exists(f, call->to, &exists));
    if (exists) {
        error_set(STATUS_DUPLICATE_FILE, "\"%s\" exists already", call->to);
        error_hint("Name a directory that is still to be made.");
        return STATUS_DUPLICATE_FILE;
    }
    TRY(file_exists(f, call->building, &exists));
    if (!exists)
        return STATUS_OK;
    error_set(STATUS_DUPLICATE_FILE, "\"%s\" is there, left by a salvage that was cut off",
              call->building);
    error_hint("Remove it.");
    return STATUS_DUPLICATE_FILE;
}

static enum status read_catalog(struct fiber *f, struct salvage_call *call,
                                const struct salvage_trees *trees) {
    struct salvage_report report = {lost, missing, call, NULL};
    call->stage = "reading the catalog";
    if (call->catalog_lost)
        return error_set(STATUS_DATA_CORRUPTED,
                         "the catalog lies on partition 0, of which nothing can be read");
    TRY(store_salvage_copy(f, call->source, call->store, PARTITION_CATALOG, trees));
    TRY(store_salvage_replay(f, call->source, call->store, trees, false));
    TRY(catalog_salvage(f, call->store, &report));
    TRY(catalog_open(f, call->store, &call->catalog));
    return catalog_salvage_counters(f, call->catalog);
}

/* What was told before there was a schema. */
static enum status rows_begin(struct salvage_call *call) {
    TRY(salvage_losses_create(call->schema, &call->rows));
    for (unsigned p = 0; p < store_salvage_partition_count(call->source); p++) {
        struct store_loss loss = {.kind = STORE_LOSS_PARTITION, .partition = p};
        if ((call->partitions_doubtful >> p & 1) != 0)
            salvage_losses_add(call->rows, &loss);
    }
    return STATUS_OK;
}

static enum status copy_trees(struct fiber *f, struct salvage_call *call,
                              const struct salvage_trees *trees) {
    for (unsigned p = 0; p < store_salvage_partition_count(call->source); p++)
        TRY(store_salvage_copy(f, call->source, call->store, p, trees));
    return store_salvage_replay(f, call->source, call->store, trees, true);
}

typedef enum status table_step(struct fiber *f, struct catalog *catalog, const struct table *table,
                               const struct salvage_report *report);

static enum status each_table(struct fiber *f, struct salvage_call *call, table_step *step) {
    struct salvage_report report = {lost, missing, call, call->rows};
    call->table_count = 0;
    for (size_t i = 0; i < schema_table_count(call->schema); i++) {
        const struct table *table = schema_table_at(call->schema, i);
        if (table->kind != RELATION_TABLE || table->is_system)
            continue;
        TRY(step(f, call->catalog, table, &report));
        call->table_count++;
    }
    return STATUS_OK;
}

/* Which rows are missing, as the indexes have them. */
static enum status name_missing(struct fiber *f, struct salvage_call *call,
                                const struct salvage_trees *trees) {
    bool any;
    TRY(salvage_losses_settle(call->rows, &any));
    if (!any)
        return STATUS_OK;
    call->naming = true;
    TRY(copy_trees(f, call, trees));
    call->naming = false;
    return each_table(f, call, table_salvage_missing);
}

static enum status read_tables(struct fiber *f, struct salvage_call *call,
                               const struct salvage_trees *trees) {
    call->schema = catalog_schema(call->catalog);
    TRY(rows_begin(call));
    call->stage = "reading tables";
    TRY(copy_trees(f, call, trees));
    TRY(each_table(f, call, table_salvage_rows));
    TRY(name_missing(f, call, trees));
    call->stage = "making indexes";
    TRY(each_table(f, call, table_salvage_indexes));
    /* What was dropped lies around for a while; only with a damaged catalog it may be more. */
    for (size_t i = 0; call->catalog_damaged && i < call->unknown_count; i++)
        say(call, "lost: tree %u belongs to no relation that is known; it may be a dropped one's",
            call->unknown[i]);
    return STATUS_OK;
}

static enum status into_store(struct fiber *f, struct salvage_call *call) {
    struct salvage_trees trees = {wish, fits, call};
    enum status status = read_catalog(f, call, &trees);
    if (status == STATUS_OK)
        status = read_tables(f, call, &trees);
    struct error kept = *error_current();
    salvage_losses_destroy(call->rows);
    if (call->schema != NULL)
        schema_release(call->schema);
    catalog_close(f, call->catalog);
    enum status closed = store_close(f, call->store);
    if (status == STATUS_OK)
        return closed;
    *error_current() = kept;
    return status;
}

static void summarize(struct salvage_call *call) {
    if (call->losses == 0)
        say(call, "all of %s is in %s: %zu tables%s", call->from, call->to, call->table_count,
            call->notes > 0 ? "; what was damaged is made anew" : "");
    else
        say(call,
            "%s holds what could be read of %s: %zu tables; %llu losses are listed above "
            "and in %s/salvage.txt",
            call->to, call->from, call->table_count, (unsigned long long)call->losses, call->to);
}

static enum status report_write(struct fiber *f, struct salvage_call *call) {
    char path[PATH_MAX_SIZE + 32];
    struct file *file;
    snprintf(path, sizeof path, "%s/salvage.txt", call->building);
    TRY(buffer_status(&call->report));
    TRY(file_open(f, path, FILE_CREATE | FILE_TRUNCATE, &file));
    enum status status =
        file_write(f, file, call->report.data, call->report.size, 0, FILE_WRITE_PLAIN);
    if (status == STATUS_OK)
        status = file_sync(f, file);
    enum status closed = file_close(f, file);
    return status == STATUS_OK ? closed : status;
}

static enum status salvage(struct fiber *f, struct salvage_call *call) {
    struct store_salvage_options options = {
        .directory = call->from, .loss = note_loss, .context = call};
    TRY(out_check(f, call));
    TRY(store_salvage_open(f, &options, &call->source));
    struct store_options target = {.directory = call->building,
                                   .create = true,
                                   .partition_count = store_salvage_partition_count(call->source),
                                   .memory_max = MEMORY};
    TRY(store_open(f, &target, &call->store));
    TRY(into_store(f, call));
    progress_end(f, call);
    summarize(call);
    TRY(report_write(f, call));
    return file_rename(f, call->building, call->to);
}

static enum status salvage_on_core(struct fiber *f, void *argument) {
    struct salvage_call *call = argument;
    call->stage = "opening";
    progress_begin(f, call);
    enum status status = salvage(f, call);
    struct error kept = *error_current();
    progress_end(f, call);
    store_salvage_close(f, call->source);
    buffer_release(&call->report);
    *error_current() = kept;
    return status;
}

static bool path_take(const char *operand, char *path) {
    size_t size = strlen(operand);
    while (size > 1 && operand[size - 1] == '/')
        size--;
    if (size == 0 || size >= PATH_MAX_SIZE)
        return false;
    memcpy(path, operand, size);
    path[size] = '\0';
    return true;
}

int salvage_main(int argc, char **argv) {
    const char *operands[2];
    char from[PATH_MAX_SIZE], to[PATH_MAX_SIZE];
    struct command_line line = {
        .usage = "satori salvage DIR OUT",
        .about =
            "Reads a data directory around its damage and makes a new one, OUT, of what is\n"
            "intact: tables, rows, indexes (made anew), constraints, sequences, views. DIR is\n"
            "not changed and must not be in use. Whatever is lost, or may be an older version,\n"
            "is listed, also in OUT/salvage.txt. Exit status 0: all was saved; 1: something\n"
            "is lost; 2: there is no OUT.",
        .operands = operands,
        .operand_max = 2,
    };
    enum command_outcome outcome = command_line_parse(&line, argc, argv);
    if (outcome != COMMAND_RUN)
        return outcome == COMMAND_HELPED ? 0 : 2;
    if (line.operand_count < 2 || !path_take(operands[0], from) || !path_take(operands[1], to)) {
        fprintf(stderr, "satori: which directories? usage: %s\n", line.usage);
        return 2;
    }
    struct salvage_call call = {.from = from, .to = to};
    snprintf(call.building, sizeof call.building, "%s.salvaging", to);
    if (!command_run(salvage_on_core, &call))
        return 2;
    return call.losses > 0 ? 1 : 0;
}
