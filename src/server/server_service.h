/*
 * The database as a service on a runtime: open the listener, open the database, accept clients
 * until asked to stop, close. What `satori server` runs, and what the simulator runs.
 *
 * The listener is opened first, so that a busy port is reported before anything is touched; clients
 * that come while the journal is replayed wait in its backlog.
 */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "runtime/runtime_socket.h"
#include "runtime/runtime_sync.h"
#include "session/session.h"

struct service {
    const struct engine_options *engine_options;
    const char *address; /* loopback or a Unix socket, else FEATURE_NOT_SUPPORTED */
    /* Called when the database is open, before the first client is let in; its failure is the
       service's. NULL: nothing is to be done. */
    enum status (*opened)(struct fiber *f, struct service *service);
    /* Called when clients are let in. NULL: nobody wants to know. */
    void (*ready)(struct service *service);
    void *context;
    /* Valid while opened() and ready() run. */
    struct engine *engine;
    struct listener *listener;
    struct event stop;
};

/* Runs until service_stop, or a failure. On core 0; suspends. */
enum status service_run(struct fiber *f, struct service *service) MUST_USE;
/* On core 0. Sessions are ended, a checkpoint is written, service_run returns. */
void service_stop(struct service *service);

#endif
