/* satori check DIR: read everything, change nothing, name what is damaged in the user's words. */
#include <stdio.h>

#include "runtime/runtime.h"
#include "server/server.h"
#include "server/server_options.h"
#include "server/server_verify.h"

struct check_call {
    const char *directory;
    struct verification found;
};

static void report(void *context, const char *line) {
    printf("damaged: %s\n", line);
}

static enum status check_on_core(struct fiber *f, void *argument) {
    struct check_call *call = argument;
    struct engine_options options = {.directory = call->directory, .untended = true};
    struct engine *engine;
    TRY(engine_open(f, &options, &engine));
    enum status status = engine_verify(f, engine, report, NULL, &call->found);
    enum status closed = engine_close(f, engine);
    return status != STATUS_OK ? status : closed;
}

int check_main(int argc, char **argv) {
    const char *operands[1];
    struct command_line line = {
        .usage = "satori check DIR",
        .about = "Reads the journal, every page, table and index of the data directory and says\n"
                 "what is damaged. The database must not be in use. A journal left by a crash is\n"
                 "replayed first, as the server would do it. Exit status 0: nothing is damaged.",
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
    struct check_call call = {.directory = operands[0]};
    if (!command_run(check_on_core, &call))
        return 1;
    if (call.found.findings > 0) {
        printf("%llu findings in %s\n", (unsigned long long)call.found.findings, operands[0]);
        printf("What to do: where only indexes are named, REINDEX TABLE makes them anew. For "
               "damaged tables\nrestore a copy, or save what can be read with: satori salvage %s "
               "OUT\n",
               operands[0]);
        return 1;
    }
    printf("%s is sound: %llu tables checked\n", operands[0],
           (unsigned long long)call.found.tables);
    return 0;
}
