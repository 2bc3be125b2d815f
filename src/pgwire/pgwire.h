/*
 * PostgreSQL's wire protocol in front of sessions.
 *
 * A client is one fiber with one session. Its bytes come and go through a struct transport, so
 * that the whole conversation runs in tests without a socket. What a client may cost is bounded:
 * a deadline for the handshake, message sizes, buffers that shrink again, a number of connections;
 * a client that stalls, floods or sends rubbish ends or waits alone.
 */
#ifndef PGWIRE_H
#define PGWIRE_H

#include "base/base_slice.h"
#include "runtime/runtime_socket.h"
#include "session/session.h"

/* Where a client's bytes come from and go to. */
struct transport {
    void *data;
    /* As connection_receive: suspends until a byte is there; *size_out 0 at the end. */
    enum status (*receive)(struct fiber *f, struct transport *transport, void *buffer, size_t size,
                           size_t *size_out);
    /* Takes all of it, or fails. */
    enum status (*send)(struct fiber *f, struct transport *transport, struct slice bytes);
};

/* Hold one conversation, from the first message to the end of the connection. Suspends. What goes
   wrong is told to the client where that is possible; nothing is left for the caller to do. */
void pgwire_converse(struct fiber *f, struct engine *engine, struct transport *transport);

/* Accept clients until this fiber is cancelled; each gets a fiber of class latency on this core.
   Then clients are told (57P01, after engine_shutdown) and waited for; who does not take what he
   is sent within PGWIRE_FAREWELL_MS is cut off. Returns OK after a cancellation with SHUTDOWN.
   Refuses a listener that is not loopback (there is no authentication): INSUFFICIENT_PRIVILEGE. */
enum { PGWIRE_FAREWELL_MS = 2000 };
enum status pgwire_serve(struct fiber *f, struct listener *listener, struct engine *engine)
    MUST_USE;

#endif
