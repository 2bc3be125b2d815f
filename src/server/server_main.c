/* main: which command? */
#include <stdio.h>
#include <string.h>

#include "runtime/runtime_plain.h"
#include "satori.h"
#include "server/server.h"

static const struct {
    const char *name, *meaning;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"server", "serve a data directory to PostgreSQL clients", server_main},
    {"sql", "open a data directory in this process and run SQL", shell_main},
    {"check", "read a whole data directory and say what is damaged", check_main},
    {"salvage", "save what can be read of a damaged data directory", salvage_main},
    {"drive", "keys and values in one append-only file", drive_main},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void help(void) {
    printf("usage: satori COMMAND [arguments]\n\n"
           "satori is an HTAP database: transactions and analytics over the same rows,\n"
           "spoken to over the PostgreSQL protocol or embedded as a library.\n\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].meaning);
    printf("\n  satori COMMAND --help   more about a command\n"
           "  satori --version        the version\n");
}

int main(int argc, char **argv) {
    plain_hold_standard();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help();
        return argc < 2 ? 2 : 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("satori %s\n", satori_version());
        return 0;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    fprintf(stderr, "satori: unknown command %s; satori --help lists them\n", argv[1]);
    return 2;
}
