/* Command lines: long options with one value each, described once for parsing and for --help. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/runtime.h"

struct option_spec {
    const char *name;     /* "--data" */
    const char *argument; /* "DIR"; NULL: a flag */
    const char *meaning;
    const char **value; /* set to the text after it, or to "" for a flag */
    size_t *count;      /* not NULL: it may be given again and again, and `value` is an array with
                           room for as many as there are arguments */
};

struct command_line {
    const char *usage; /* "satori server --data DIR [options]" */
    const char *about; /* a paragraph */
    const struct option_spec *options;
    size_t option_count;
    const char **operands; /* room for operand_max */
    size_t operand_max;
    size_t operand_count;
    const char *more; /* printed after the options in --help; NULL none */
};

enum command_outcome { COMMAND_RUN, COMMAND_HELPED, COMMAND_WRONG };

/* Reads "--name value", "--name=value" and operands. Prints the help for --help (to standard
   output) or one line about what is wrong (to standard error). */
enum command_outcome command_line_parse(struct command_line *line, int argc, char **argv);
void command_line_help(const struct command_line *line);

/* What a program that works on a data directory by itself does, on a fiber of a core of its own;
   only warnings are logged. False: it failed and standard error says why. */
bool command_run(fiber_function function, void *argument);

/* "512MB", "2GiB", "65536"; units of 1024. False when it is none, or does not fit. */
bool size_parse(const char *text, uint64_t *bytes_out);
/* The same for what a database may use; false also when no database can live on it. */
bool memory_parse(const char *text, uint64_t *bytes_out);
#define MEMORY_WANTED "a size of at least 32MB is wanted, such as 512MB or 4GB"
/* What memory_keep_freed is to be told, of what the process may use: a part of the statements'. */
enum { KEPT_MEMORY_SHARE = 32 };
/* A whole number from minimum to maximum. */
bool number_parse(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *number_out);

#endif
