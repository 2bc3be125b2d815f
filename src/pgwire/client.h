/*
 * One client: its buffers and what the protocol remembers between messages. Private to the room.
 *
 *            receive                                              send
 *     peer ----------> input [ start .. end ) --- handlers ---> output ----------> peer
 *                            whole messages       session
 *
 * States: handshake (client_handshake) -> ready -> closed. In `ready`, skip_until_sync says that
 * an extended-protocol message failed and everything up to Sync is thrown away. COPY FROM is not a
 * state: it is a session call that asks for input through the sink.
 *
 * The output is sent when the next message is not there yet, at Flush, or when it has grown past
 * OUTPUT_SIZE_HIGH; so a small request costs one receive and one send, and so does a whole
 * pipeline. Sending is not interrupted by a statement's timeout or a cancel (half a message would
 * break the conversation); pgwire_serve cuts off who does not read.
 */
#ifndef PGWIRE_CLIENT_H
#define PGWIRE_CLIENT_H

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "pgwire/pgwire.h"
#include "pgwire/pgwire_message.h"

enum {
    INPUT_SIZE_BASE = 8 << 10,
    OUTPUT_SIZE_HIGH = 64 << 10,  /* flush beyond */
    BUFFER_SIZE_KEPT = 256 << 10, /* larger ones are given back when the client is quiet */
};

struct client {
    struct sink sink; /* first, so that sink functions find the client */
    struct engine *engine;
    struct transport *transport;
    struct session *session; /* NULL during the handshake */

    uint8_t *input;
    size_t input_capacity, input_start, input_end;
    struct buffer output;

    struct session_parameter *parameters; /* of Bind; grows, kept */
    size_t parameter_capacity;
    uint32_t *type_oids; /* of Parse */
    size_t type_capacity;
    int16_t *formats; /* of Bind */
    size_t format_capacity;

    bool skip_until_sync;
    bool finished; /* Terminate, end of stream or a fatal error */
};

/* ---- client_input.c */

/* The next whole message; flushes and waits when it is not there. Its body is valid until the next
   call. CONNECTION_FAILURE at the end of the stream (with `finished` set), PROTOCOL_VIOLATION for
   what cannot be a message. */
enum status client__receive(struct fiber *f, struct client *client, bool first,
                            struct message *message_out) MUST_USE;
/* Bytes that came behind the last message: none may, before TLS or after SSLRequest. */
bool client__input_is_empty(const struct client *client);
/* Send the output. OUT_OF_MEMORY when some of it was lost for want of memory: whole messages have
   been sent, and the client is finished. */
enum status client__flush(struct fiber *f, struct client *client) MUST_USE;
/* Flush if the output has grown large. */
static inline enum status client__flush_if_large(struct fiber *f, struct client *client) {
    return client->output.size >= OUTPUT_SIZE_HIGH ? client__flush(f, client) : STATUS_OK;
}

/* ---- client_sink.c */

void client__sink_init(struct client *client);

/* ---- client_handshake.c */

/* Everything up to the first ReadyForQuery. Not OK: the conversation is over (the client has been
   told). */
enum status client__handshake(struct fiber *f, struct client *client) MUST_USE;

/* Append the error of the slot. */
void client__report(struct client *client, const char *severity);

#endif
