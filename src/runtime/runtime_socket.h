/* Stream sockets (TCP on IPv4/IPv6 and Unix). A connection belongs to the core it is on. */
#ifndef RUNTIME_SOCKET_H
#define RUNTIME_SOCKET_H

#include "base/base_slice.h"
#include "runtime/runtime.h"

struct listener;
struct connection;

/* "host:port", "[::1]:port" or an absolute path (Unix socket). Port 0 picks a free one.
   A busy address is OBJECT_IN_USE with a hint. */
enum status listener_open(struct fiber *f, const char *address, struct listener **listener_out)
    MUST_USE;
/* "127.0.0.1:5433" as bound. */
const char *listener_address(const struct listener *listener);
unsigned listener_port(const struct listener *listener);
/* True when the address is loopback or a Unix socket. */
bool listener_is_loopback(const struct listener *listener);
/* Suspends until a client comes. Transient failures (EMFILE, ECONNABORTED) are retried inside
   with a pause and a log line. Nothing is read yet. */
enum status listener_accept(struct fiber *f, struct listener *listener,
                            struct connection **connection_out) MUST_USE;
void listener_close(struct fiber *f, struct listener *listener);

enum status connection_open(struct fiber *f, const char *address,
                            struct connection **connection_out) MUST_USE;
/* Move an idle connection (no call in progress) to be used by fibers of another core. */
void connection_move(struct connection *connection, unsigned core);
/* "127.0.0.1:41234" */
const char *connection_peer(const struct connection *connection);

/* Suspends until at least one byte is there. *size_out 0: the peer closed. */
enum status connection_receive(struct fiber *f, struct connection *connection, void *buffer,
                               size_t size, size_t *size_out) MUST_USE;
/* True when receive would return at once (data or end). Never suspends. */
bool connection_readable(struct connection *connection);
/* Suspends until all slices are handed to the kernel. */
enum status connection_send(struct fiber *f, struct connection *connection,
                            const struct slice *slices, size_t count) MUST_USE;
/* No more sending or receiving; wakes whoever waits on it with CONNECTION_FAILURE. */
void connection_shutdown(struct connection *connection);
void connection_close(struct fiber *f, struct connection *connection);

#endif
