/* The shell's pieces: what it keeps, how it prints, its backslash commands. */
#ifndef SERVER_SHELL_H
#define SERVER_SHELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "satori.h"

/* One result being collected for an aligned table. */
struct shell_result {
    size_t column_count, row_count, row_capacity;
    char **names;
    bool *right_aligned;
    char **cells; /* row_count * column_count; NULL is null */
};

struct shell {
    struct satori *database;
    struct satori_connection *connection;
    bool interactive, timing, expanded, quiet;
    bool failed;         /* some statement failed */
    bool done;           /* \q */
    bool interrupted;    /* Ctrl-C: what was to follow is forgotten */
    atomic_bool running; /* there is something to cancel */
    struct shell_result result;
    FILE *input;     /* where COPY data come from; NULL when statements came from -c */
    char *copy_line; /* the line of COPY data handed out last */
    size_t copy_capacity;
};

/* Print the collected result the way psql does and forget it. */
void shell__print_result(struct shell *shell);
void shell__clear_result(struct shell *shell);
/* Numbers are right-aligned, as in psql. */
bool shell__type_is_number(unsigned type_oid);

/* Run statements and print what comes; the error, too. False when it failed. */
bool shell__run(struct shell *shell, const char *sql);
/* Run the statements and commands of a stream up to its end. */
void shell__run_stream(struct shell *shell, FILE *input);
/* A line that begins with a backslash. */
void shell__command(struct shell *shell, const char *line);

#endif
