/*
 * Everything a database holds, read and compared: what `satori check` does to one that is open.
 */
#ifndef SERVER_VERIFY_H
#define SERVER_VERIFY_H

#include "runtime/runtime.h"
#include "session/session.h"

struct verification {
    uint64_t findings, tables;
};
/* Journal, pages, trees, tables, indexes, blocks. No transaction is running. `report` gets a line
   for each finding, in the user's words. Fails only when it cannot go on. Suspends. */
enum status engine_verify(struct fiber *f, struct engine *engine,
                          void (*report)(void *context, const char *line), void *context,
                          struct verification *verification_out) MUST_USE;

#endif
