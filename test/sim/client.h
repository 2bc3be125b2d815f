/*
 * A client of the wire protocol on a fiber, as plain as can be: simple queries, results as text.
 * What the server sends is looked at with distrust: a message that makes no sense is a failure of
 * the run, not of the connection.
 */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "runtime/runtime_socket.h"

enum client_outcome {
    CLIENT_DONE,
    CLIENT_REFUSED, /* an error was reported; the session goes on */
    CLIENT_LOST,    /* the connection is gone, or nothing was heard in time: nobody knows */
};

struct client_rows {
    char ***cells; /* [row][column]; NULL: null */
    size_t row_count, row_capacity;
    unsigned column_count;
};

struct client {
    struct connection *connection;
    struct buffer input;
    size_t input_at;
    struct arena arena; /* of the last result */
    struct client_rows rows;
    char tag[64];
    char sqlstate[6];
    char message[256];
    char transaction; /* 'I', 'T', 'E' */
    const char *copy; /* what COPY FROM STDIN gets; borrowed */
    bool nonsense;    /* the server broke the protocol; message says how */
};

enum client_outcome client_open(struct fiber *f, const char *address, struct client *client);
/* The rows of the last statement that had any; valid until the next call. */
enum client_outcome client_query(struct fiber *f, struct client *client, const char *text);
enum client_outcome client_query_format(struct fiber *f, struct client *client, const char *format,
                                        ...) PRINTF_LIKE(3, 4);
/* Says good-bye (or not: as if the process ended). Harmless when it never was open. */
void client_close(struct fiber *f, struct client *client, bool politely);
bool client_is_open(const struct client *client);
/* Cell as a number; 0 for null. */
int64_t client_number(const struct client *client, size_t row, unsigned column);

#endif
