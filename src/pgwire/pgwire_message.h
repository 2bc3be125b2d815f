/*
 * PostgreSQL's messages, protocol 3.0: bytes to structs and back, without any I/O.
 *
 * Every number is in network order; every text ends with a zero byte. `length` counts itself and
 * the body, not the type byte.
 *
 *     ordinary message             first message of a connection (no type byte)
 *     +------+--------+------ -    +--------+------+------ -
 *     | type | length | body       | length | code | body
 *     +------+--------+------ -    +--------+------+------ -
 *      0      1        5            0        4      8
 *
 *     code 196608 (3.0)    start-up: name, value, name, value ... one zero byte
 *     code 80877102        CancelRequest: pid i32, secret i32
 *     code 80877103        SSLRequest         (answer: one byte, 'N' is no)
 *     code 80877104        GSSENCRequest      (the same)
 *
 *     from the client                             body
 *     Q  Query            text
 *     P  Parse            name, text, n i16, n * type oid i32
 *     B  Bind             portal, statement, n i16, n * format i16,
 *                         n i16, n * (size i32, -1 null; bytes), n i16, n * result format i16
 *     D  Describe         'S' or 'P', name
 *     E  Execute          portal, row limit i32 (0: none)
 *     C  Close            'S' or 'P', name
 *     H  Flush, S Sync, X Terminate, c CopyDone     nothing
 *     d  CopyData         bytes
 *     f  CopyFail         text
 *     p  password         text
 *
 *     to the client
 *     R  Authentication (0: ok)   S ParameterStatus (name, value)    K BackendKeyData (pid, secret)
 *     Z  ReadyForQuery (status)   v NegotiateProtocolVersion         1 2 3 n s I  (empty bodies)
 *     T  RowDescription: n i16, n * (name, table oid i32, column i16, type oid i32, size i16,
 *        modifier i32, format i16)
 *     t  ParameterDescription: n i16, n * type oid i32
 *     D  DataRow: n i16, n * (size i32, -1 null; bytes)
 *     C  CommandComplete: tag     G H  Copy{In,Out}Response: format i8, n i16, n * format i16
 *     E N  Error- and NoticeResponse: (field letter, text) ... one zero byte
 *
 * Decoders never read outside the body they are given and never trust a count in it; what does not
 * fit is PROTOCOL_VIOLATION with PostgreSQL's words. Results point into the body. Encoders append
 * to a buffer whose failure sticks (base_buffer.h).
 */
#ifndef PGWIRE_MESSAGE_H
#define PGWIRE_MESSAGE_H

#include "base/base_buffer.h"
#include "base/base_bytes.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "session/session.h"

enum {
    PROTOCOL_VERSION_3 = 3 << 16,
    CANCEL_REQUEST_CODE = 80877102,
    SSL_REQUEST_CODE = 80877103,
    GSSENC_REQUEST_CODE = 80877104,
    STARTUP_SIZE_MAX = 10000,       /* length field of a start-up message, as PostgreSQL has it */
    SMALL_MESSAGE_SIZE_MAX = 30000, /* messages that carry no data (Sync, Execute, Close ...) */
    MESSAGE_SIZE_MAX = BUFFER_SIZE_MAX,
    STARTUP_PARAMETERS_MAX = 64,
};

/* ---- framing ----------------------------------------------------------------------------- */

struct message {
    char type;         /* 0 for a first message */
    struct slice body; /* for a first message: behind the code */
    uint32_t code;     /* first message only */
};

/* Take the first whole message off `bytes`: *size_out is what it occupies, 0 when it is not
   complete yet; *size_needed_out says how many bytes it will have in all (0: unknown still).
   A length that cannot be is PROTOCOL_VIOLATION `invalid message length`. */
enum status message_frame(struct slice bytes, struct message *message_out, size_t *size_out,
                          size_t *size_needed_out) MUST_USE;
enum status message_frame_first(struct slice bytes, struct message *message_out, size_t *size_out,
                                size_t *size_needed_out) MUST_USE;

/* ---- decoding ---------------------------------------------------------------------------- */

struct startup_message {
    const char *names[STARTUP_PARAMETERS_MAX], *values[STARTUP_PARAMETERS_MAX];
    size_t count;
};
enum status startup_decode(struct slice body, struct startup_message *message_out) MUST_USE;

struct cancel_message {
    int32_t pid, secret;
};
enum status cancel_decode(struct slice body, struct cancel_message *message_out) MUST_USE;

/* A body that is one text: Query, CopyFail. */
enum status text_decode(struct slice body, const char **text_out) MUST_USE;

struct parse_message {
    const char *name, *text;
    const uint8_t *type_oids; /* type_count times i32 */
    uint16_t type_count;
};
enum status parse_decode(struct slice body, struct parse_message *message_out) MUST_USE;
static inline uint32_t parse_type_oid(const struct parse_message *message, size_t at) {
    return get_be32(message->type_oids + 4 * at);
}

/* The parameters are written to the caller's array, which must have room for
   bind_parameter_count(body) of them. */
struct bind_message {
    const char *portal, *statement;
    struct session_parameter *parameters;
    uint16_t parameter_count;
    const uint8_t *result_formats; /* result_format_count times i16 */
    uint16_t result_format_count;
};
enum status bind_parameter_count(struct slice body, uint16_t *count_out) MUST_USE;
enum status bind_decode(struct slice body, struct session_parameter *parameters,
                        struct bind_message *message_out) MUST_USE;

/* Describe and Close. */
struct target_message {
    char kind; /* 'S' or 'P' */
    const char *name;
};
enum status target_decode(struct slice body, const char *what, struct target_message *message_out)
    MUST_USE;

struct execute_message {
    const char *portal;
    uint32_t row_limit;
};
enum status execute_decode(struct slice body, struct execute_message *message_out) MUST_USE;

/* ---- encoding ---------------------------------------------------------------------------- */

/* Type byte and a length to be filled in; returns where the message starts. */
size_t message_begin(struct buffer *buffer, char type);
void message_end(struct buffer *buffer, size_t start);
/* A message without body. */
void message_append_empty(struct buffer *buffer, char type);

void message_append_authentication_ok(struct buffer *buffer);
void message_append_parameter_status(struct buffer *buffer, const char *name, const char *value);
void message_append_backend_key(struct buffer *buffer, int32_t pid, int32_t secret);
void message_append_ready(struct buffer *buffer, char transaction_status);
/* Newest minor version served, and the start-up options that were not understood. */
void message_append_negotiate(struct buffer *buffer, const char *const *options, size_t count);
void message_append_row_description(struct buffer *buffer, const struct column_description *columns,
                                    size_t count);
void message_append_parameter_description(struct buffer *buffer, const uint32_t *type_oids,
                                          size_t count);
void message_append_complete(struct buffer *buffer, const char *tag);
void message_append_copy_response(struct buffer *buffer, char type, size_t column_count,
                                  bool binary);
void message_append_copy_data(struct buffer *buffer, struct slice data);

/* An error of the slot (empty fields are left out). severity: "ERROR" or "FATAL". */
void message_append_error(struct buffer *buffer, const char *severity, const struct error *error);
void message_append_notice(struct buffer *buffer, const char *severity, const char *sqlstate,
                           const char *text, const char *detail, const char *hint);

#endif
