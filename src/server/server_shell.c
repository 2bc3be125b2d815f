/*
 * satori sql DIR: a shell over libsatori. Reads statements from a terminal (with history and
 * completion by libedit), from standard input or from -c, and prints results as psql does.
 */
#include <editline/readline.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/runtime.h"
#include "runtime/runtime_thread.h"
#include "server/server.h"
#include "server/server_options.h"
#include "server/shell.h"
#include "server/split.h"

/* ---- what the database says -------------------------------------------------------------- */

static int on_columns(void *context, size_t count, const char *const *names,
                      const uint32_t *type_oids) {
    struct shell *shell = context;
    struct shell_result *result = &shell->result;
    shell__clear_result(shell);
    result->names = calloc(count + 1, sizeof *result->names);
    result->right_aligned = calloc(count + 1, sizeof *result->right_aligned);
    if (result->names == NULL || result->right_aligned == NULL)
        return 1;
    for (size_t i = 0; i < count; i++) {
        result->names[i] = strdup(names[i]);
        result->right_aligned[i] = shell__type_is_number(type_oids[i]);
    }
    result->column_count = count;
    return 0;
}

static int on_row(void *context, size_t count, const char *const *texts, const size_t *sizes) {
    struct shell_result *result = &((struct shell *)context)->result;
    if (result->row_count == result->row_capacity) {
        size_t capacity = result->row_capacity > 0 ? result->row_capacity * 2 : 64;
        char **cells = realloc(result->cells, (capacity * count + 1) * sizeof *cells);
        if (cells == NULL)
            return 1;
        result->cells = cells;
        result->row_capacity = capacity;
    }
    for (size_t i = 0; i < count; i++)
        result->cells[result->row_count * count + i] =
            texts[i] == NULL ? NULL : strndup(texts[i], sizes[i]);
    result->row_count++;
    return 0;
}

static int on_complete(void *context, const char *tag) {
    struct shell *shell = context;
    if (shell->result.names != NULL)
        shell__print_result(shell);
    else if (tag[0] != '\0')
        puts(tag);
    return 0;
}

static void on_notice(void *context, const char *severity, const char *message) {
    fflush(stdout);
    fprintf(stderr, "%s:  %s\n", severity, message);
}

/* Lines up to "\." are COPY data. */
static long on_copy_read(void *context, const char **data_out) {
    struct shell *shell = context;
    if (shell->input == NULL)
        return 0;
    if (shell->interactive) {
        printf(">> ");
        fflush(stdout);
    }
    ssize_t size = getline(&shell->copy_line, &shell->copy_capacity, shell->input);
    if (size <= 0 && interrupt_hung_up())
        return -1; /* the rest will never come */
    if (size <= 0 || strcmp(shell->copy_line, "\\.\n") == 0 || strcmp(shell->copy_line, "\\.") == 0)
        return 0;
    *data_out = shell->copy_line;
    return size;
}

static int on_copy_write(void *context, const char *data, size_t size) {
    fwrite(data, 1, size, stdout);
    return 0;
}

/* The line of the statement that the position is in, with a caret below, as psql shows it. */
static void print_position(const char *sql, int position) {
    const char *at = sql, *line = sql;
    int number = 1;
    for (int i = 1; i < position && *at != '\0'; i++) {
        if (*at == '\n') {
            number++;
            line = at + 1;
        }
        at++;
        while (((unsigned char)*at & 0xC0) == 0x80)
            at++;
    }
    int prefix = fprintf(stderr, "LINE %d: ", number);
    fprintf(stderr, "%.*s\n", (int)strcspn(line, "\n"), line);
    for (const char *c = line; c < at; c++)
        prefix += ((unsigned char)*c & 0xC0) != 0x80;
    fprintf(stderr, "%*s^\n", prefix, "");
}

static void print_error(const struct satori_connection *connection, const char *sql) {
    fflush(stdout);
    fprintf(stderr, "ERROR:  %s\n", satori_message(connection));
    if (satori_position(connection) > 0)
        print_position(sql, satori_position(connection));
    if (satori_detail(connection)[0] != '\0')
        fprintf(stderr, "DETAIL:  %s\n", satori_detail(connection));
    if (satori_hint(connection)[0] != '\0')
        fprintf(stderr, "HINT:  %s\n", satori_hint(connection));
    if (satori_context(connection)[0] != '\0')
        fprintf(stderr, "CONTEXT:  %s\n", satori_context(connection));
}

bool shell__run(struct shell *shell, const char *sql) {
    const struct satori_receiver receiver = {
        .columns = on_columns,
        .row = on_row,
        .complete = on_complete,
        .notice = on_notice,
        .copy_read = on_copy_read,
        .copy_write = on_copy_write,
        .context = shell,
    };
    int64_t begin = clock_monotonic_ns();
    shell->running = true;
    int result = satori_query(shell->connection, sql, &receiver);
    shell->running = false;
    shell->interrupted |= interrupt_seen();
    if (shell->interrupted && !shell->interactive)
        shell->done = shell->failed = true;
    if (result != SATORI_OK) {
        shell->failed = true;
        shell__clear_result(shell);
        print_error(shell->connection, sql);
    }
    if (shell->timing)
        printf("Time: %.3f ms\n", (double)(clock_monotonic_ns() - begin) / 1e6);
    fflush(stdout);
    return result == SATORI_OK;
}

/* ---- collecting statements ---------------------------------------------------------------- */

struct script {
    char *text;
    size_t size, capacity;
};

static bool script_add(struct script *script, const char *text, size_t size) {
    if (script->size + size + 1 > script->capacity) {
        size_t capacity = (script->size + size + 1) * 2;
        char *grown = realloc(script->text, capacity);
        if (grown == NULL)
            return false;
        script->text = grown;
        script->capacity = capacity;
    }
    memcpy(script->text + script->size, text, size);
    script->size += size;
    script->text[script->size] = '\0';
    return true;
}

static void script_drop(struct script *script, size_t size) {
    memmove(script->text, script->text + size, script->size - size + 1);
    script->size -= size;
}

/* Run every whole statement; what is left is the beginning of one. */
static void run_whole_statements(struct shell *shell, struct script *script) {
    size_t size;
    while (!shell->done && !shell->interrupted && script->size > 0 &&
           split_statement(script->text, script->size, &size) == SPLIT_DONE) {
        char *statement = strndup(script->text, size);
        if (statement == NULL)
            return;
        script_drop(script, size);
        shell__run(shell, statement + strspn(statement, " \t\r\n"));
        free(statement);
    }
    size_t ignored;
    if (script->size > 0 && split_statement(script->text, script->size, &ignored) == SPLIT_EMPTY &&
        strspn(script->text, " \t\r\n") == script->size)
        script->size = 0;
}

static void add_line(struct shell *shell, struct script *script, const char *line) {
    const char *first = line + strspn(line, " \t");
    if (script->size == 0 && first[0] == '\\') {
        shell__command(shell, first);
        return;
    }
    if (script_add(script, line, strlen(line)))
        run_whole_statements(shell, script);
}

static void run_rest(struct shell *shell, struct script *script) {
    size_t size;
    if (!shell->done && script->size > 0 &&
        split_statement(script->text, script->size, &size) != SPLIT_EMPTY)
        shell__run(shell, script->text + strspn(script->text, " \t\r\n"));
    free(script->text);
}

void shell__run_stream(struct shell *shell, FILE *input) {
    struct script script = {0};
    char *line = NULL;
    size_t capacity = 0;
    FILE *outer = shell->input;
    shell->input = input;
    while (!shell->done && !shell->interrupted && getline(&line, &capacity, input) > 0)
        add_line(shell, &script, line);
    if (interrupt_seen() || shell->interrupted) {
        shell->interrupted = shell->failed = true;
        script.size = 0;
    }
    run_rest(shell, &script);
    free(line);
    shell->input = outer;
}

/* ---- the terminal ---------------------------------------------------------------------------- */

static const char *const words[] = {
    "ALTER TABLE", "ANALYZE",      "AND",          "BEGIN",       "CHECKPOINT",  "COMMIT",
    "COPY",        "CREATE INDEX", "CREATE TABLE", "DELETE FROM", "DISTINCT",    "DROP INDEX",
    "DROP TABLE",  "EXPLAIN",      "FROM",         "GROUP BY",    "HAVING",      "INNER JOIN",
    "INSERT INTO", "LEFT JOIN",    "LIMIT",        "ORDER BY",    "PRIMARY KEY", "RETURNING",
    "ROLLBACK",    "SELECT",       "SET",          "SHOW",        "TRUNCATE",    "UPDATE",
    "VACUUM",      "VALUES",       "WHERE",        NULL};

static struct shell *completing_shell; /* libedit's callbacks carry no context */
static char **table_names;
static size_t table_name_count;

static int keep_name(void *context, size_t count, const char *const *texts, const size_t *sizes) {
    char **grown = realloc(table_names, (table_name_count + 1) * sizeof *grown);
    if (grown == NULL)
        return 1;
    table_names = grown;
    table_names[table_name_count] = texts[0] != NULL ? strdup(texts[0]) : NULL;
    if (table_names[table_name_count] == NULL)
        return 1;
    table_name_count++;
    return 0;
}

static void load_names(void) {
    const struct satori_receiver receiver = {.row = keep_name};
    for (size_t i = 0; i < table_name_count; i++)
        free(table_names[i]);
    table_name_count = 0;
    if (satori_transaction_status(completing_shell->connection) != 'E')
        (void)satori_query(completing_shell->connection,
                           "select relname from pg_catalog.pg_class where relkind in ('r', 'S') "
                           "and relnamespace = 2200 union all select attname from "
                           "pg_catalog.pg_attribute where attrelid >= 16384 and attnum > 0",
                           &receiver);
}

static char *next_completion(const char *text, int state) {
    static size_t at;
    if (state == 0) {
        at = 0;
        load_names();
    }
    size_t size = strlen(text), word_count = sizeof words / sizeof words[0] - 1;
    while (at < word_count + table_name_count) {
        const char *candidate = at < word_count ? words[at] : table_names[at - word_count];
        at++;
        if (strncasecmp(candidate, text, size) == 0)
            return strdup(candidate);
    }
    return NULL;
}

static char **complete(const char *text, int start, int end) {
    rl_attempted_completion_over = 1; /* no file names */
    return rl_completion_matches(text, next_completion);
}

static bool on_interrupt(void *argument) {
    struct shell *shell = argument;
    bool running = shell->running;
    if (running)
        satori_cancel(shell->connection);
    return running;
}

static void run_terminal(struct shell *shell) {
    struct script script = {0};
    char history[512] = "", prompt[64];
    const char *home = getenv("HOME");
    if (home != NULL) {
        snprintf(history, sizeof history, "%s/.satori_history", home);
        read_history(history);
    }
    completing_shell = shell;
    rl_catch_signals = 0;
    rl_attempted_completion_function = complete;
    shell->input = stdin;
    printf("satori %s. Statements end with ';'. \\? for help, \\q to leave.\n", satori_version());
    while (!shell->done && !interrupt_hung_up()) {
        size_t size;
        char status = satori_transaction_status(shell->connection);
        char mark = script.size == 0 ? '=' : (char)split_statement(script.text, script.size, &size);
        snprintf(prompt, sizeof prompt, "satori%c%s> ", mark,
                 status == 'T'   ? "*"
                 : status == 'E' ? "!"
                                 : "");
        shell->interrupted = false;
        (void)interrupt_seen();
        errno = 0;
        char *line = readline(prompt);
        if (line == NULL && !interrupt_hung_up() && (interrupt_seen() || errno == EINTR)) {
            script.size = 0;
            putchar('\n');
            continue;
        }
        if (line == NULL)
            break;
        if (line[strspn(line, " \t")] != '\0')
            add_history(line);
        size_t length = strlen(line);
        char *with_newline = malloc(length + 2);
        if (with_newline != NULL) {
            memcpy(with_newline, line, length);
            memcpy(with_newline + length, "\n", 2);
            add_line(shell, &script, with_newline);
        }
        free(with_newline);
        free(line);
    }
    if (!shell->done)
        putchar('\n');
    free(script.text);
    if (history[0] != '\0')
        write_history(history);
}

/* ---- the command --------------------------------------------------------------------------------
 */

static void run_commands(struct shell *shell, const char *commands) {
    struct script script = {0};
    if (commands[0] == '\\') {
        shell__command(shell, commands);
        return;
    }
    if (script_add(&script, commands, strlen(commands)))
        run_whole_statements(shell, &script);
    run_rest(shell, &script);
}

/* Open, run what there is to run, close. */
static int run_shell(const char *directory, const struct satori_options *open,
                     const char *const *commands, size_t command_count) {
    struct shell shell = {.interactive = command_count == 0 && isatty(0)};
    if (satori_open(directory, open, &shell.database) != SATORI_OK ||
        satori_connect(shell.database, &shell.connection) != SATORI_OK) {
        fprintf(stderr, "satori: %s\n", satori_open_error());
        satori_close(shell.database);
        return 1;
    }
    /* Else Ctrl-C ends it all. */
    bool caught = interrupt_catch(on_interrupt, &shell, shell.interactive ? 0 : -1) == STATUS_OK;
    for (size_t i = 0; i < command_count && !shell.done; i++)
        run_commands(&shell, commands[i]);
    if (shell.interactive)
        run_terminal(&shell);
    else if (command_count == 0)
        shell__run_stream(&shell, stdin);
    if (caught)
        interrupt_release();
    shell__clear_result(&shell);
    free(shell.copy_line);
    satori_disconnect(shell.connection);
    satori_close(shell.database);
    return shell.failed ? 1 : 0;
}

/* `commands` has room for as many as there are arguments. */
static int run_arguments(int argc, char **argv, const char **commands) {
    const char *operands[1], *create = NULL, *memory = NULL, *config = NULL;
    size_t command_count = 0;
    const struct option_spec options[] = {
        {"-c", "SQL", "run these statements and leave; may be repeated", commands, &command_count},
        {"--create", NULL, "make a new database if the directory has none", &create},
        {"--memory", "SIZE", "memory the process may use", &memory},
        {"--config", "FILE", "settings, one \"name = value\" a line", &config},
    };
    struct command_line line = {
        .usage = "satori sql DIR [options]",
        .about = "Opens the database in DIR in this process (no server may use it meanwhile) and\n"
                 "runs SQL: typed at the prompt, from standard input, or from -c. Exit status 1\n"
                 "when a statement failed. Ctrl-C cancels the statement that runs, or forgets the\n"
                 "line being typed; without a terminal it also ends the rest. When the terminal\n"
                 "is closed, the statement is canceled and the database closed.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .operands = operands,
        .operand_max = 1,
    };
    enum command_outcome outcome = command_line_parse(&line, argc, argv);
    if (outcome != COMMAND_RUN)
        return outcome == COMMAND_HELPED ? 0 : 2;
    if (line.operand_count == 0) {
        fprintf(stderr, "satori: which directory? usage: %s\n", line.usage);
        return 2;
    }
    struct satori_options open = {.create = create != NULL, .config_path = config};
    if (memory != NULL && !memory_parse(memory, &open.memory)) {
        fprintf(stderr, "satori: --memory %s: %s\n", memory, MEMORY_WANTED);
        return 2;
    }
    if (open.memory > 0)
        memory_keep_freed(open.memory / KEPT_MEMORY_SHARE);
    log_clock_set(clock_wall_us);
    return run_shell(operands[0], &open, commands, command_count);
}

int shell_main(int argc, char **argv) {
    const char **commands = calloc((size_t)argc + 1, sizeof *commands);
    if (commands == NULL) {
        fprintf(stderr, "satori: out of memory\n");
        return 1;
    }
    int status = run_arguments(argc, argv, commands);
    free(commands);
    return status;
}
