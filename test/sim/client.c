#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"

enum { MESSAGE_SIZE_MAX = 64 << 20, CHUNK_SIZE = 8192 };
static const int64_t PATIENCE_NS = INT64_C(30000000000);

static uint32_t number_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void append_number(struct buffer *buffer, uint32_t number) {
    for (int shift = 24; shift >= 0; shift -= 8)
        buffer_append_byte(buffer, (uint8_t)(number >> shift));
}

bool client_is_open(const struct client *client) {
    return client->connection != NULL;
}

void client_close(struct fiber *f, struct client *client, bool politely) {
    if (client->connection == NULL)
        return;
    static const uint8_t terminate[] = {'X', 0, 0, 0, 4};
    struct slice bytes = slice_of(terminate, sizeof terminate);
    if (politely)
        (void)!connection_send(f, client->connection, &bytes, 1);
    connection_close(f, client->connection);
    buffer_release(&client->input);
    arena_release(&client->arena);
    memory_free(client->rows.cells);
    *client = (struct client){.nonsense = client->nonsense};
}

/* ---- messages from the server ------------------------------------------------------------- */

static enum client_outcome lose(struct fiber *f, struct client *client) {
    char message[sizeof client->message];
    memcpy(message, client->message, sizeof message);
    bool nonsense = client->nonsense;
    client_close(f, client, false);
    client->nonsense = nonsense;
    if (nonsense)
        memcpy(client->message, message, sizeof message);
    else
        snprintf(client->message, sizeof client->message, "%.200s", error_current()->message);
    return CLIENT_LOST;
}

static enum status broke_protocol(struct client *client, const char *what) {
    client->nonsense = true;
    snprintf(client->message, sizeof client->message, "protocol: %s", what);
    return error_set(STATUS_PROTOCOL_VIOLATION, "%s", what);
}

static enum status need(struct fiber *f, struct client *client, size_t size) {
    while (client->input.size - client->input_at < size) {
        uint8_t *place = buffer_reserve(&client->input, CHUNK_SIZE);
        TRY(buffer_status(&client->input));
        size_t got;
        TRY(connection_receive(f, client->connection, place, CHUNK_SIZE, &got));
        if (got == 0)
            return error_set(STATUS_CONNECTION_FAILURE, "the server closed the connection");
        client->input.size += got;
    }
    return STATUS_OK;
}

/* The body is valid until the next message. */
static enum status next_message(struct fiber *f, struct client *client, uint8_t *type_out,
                                struct slice *body_out) {
    if (client->input_at == client->input.size) {
        buffer_clear(&client->input);
        client->input_at = 0;
    }
    TRY(need(f, client, 5));
    const uint8_t *head = client->input.data + client->input_at;
    uint32_t size = number_at(head + 1);
    if (size < 4 || size > MESSAGE_SIZE_MAX)
        return broke_protocol(client, "a message of impossible size");
    TRY(need(f, client, 1 + (size_t)size));
    head = client->input.data + client->input_at;
    *type_out = head[0];
    *body_out = slice_of(head + 5, size - 4);
    client->input_at += 1 + (size_t)size;
    return STATUS_OK;
}

static enum status take_row(struct client *client, struct slice body) {
    if (body.size < 2)
        return broke_protocol(client, "a short DataRow");
    unsigned count = (unsigned)body.data[0] << 8 | body.data[1];
    struct client_rows *rows = &client->rows;
    if (!memory_grow(&rows->cells, &rows->row_capacity, rows->row_count + 1, sizeof(char **)))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    char **cells = arena_alloc(&client->arena, (count + 1) * sizeof *cells);
    size_t at = 2;
    for (unsigned i = 0; i < count; i++) {
        if (body.size - at < 4)
            return broke_protocol(client, "a short DataRow");
        uint32_t size = number_at(body.data + at);
        at += 4;
        cells[i] = NULL;
        if (size == UINT32_MAX)
            continue;
        if (body.size - at < size)
            return broke_protocol(client, "a short DataRow");
        cells[i] = arena_alloc(&client->arena, (size_t)size + 1);
        memcpy(cells[i], body.data + at, size);
        cells[i][size] = '\0';
        at += size;
    }
    rows->cells[rows->row_count++] = cells;
    rows->column_count = count;
    return STATUS_OK;
}

static void take_error(struct client *client, struct slice body) {
    size_t at = 0;
    while (at < body.size && body.data[at] != 0) {
        const char *text = (const char *)body.data + at + 1;
        size_t size = strnlen(text, body.size - at - 1);
        if (body.data[at] == 'C')
            snprintf(client->sqlstate, sizeof client->sqlstate, "%.*s", (int)size, text);
        if (body.data[at] == 'M')
            snprintf(client->message, sizeof client->message, "%.*s", (int)size, text);
        at += size + 2;
    }
}

static enum status send_copy(struct fiber *f, struct client *client) {
    struct buffer message = {0};
    const char *text = client->copy != NULL ? client->copy : "";
    buffer_append_byte(&message, 'd');
    append_number(&message, (uint32_t)strlen(text) + 4);
    buffer_append(&message, text, strlen(text));
    buffer_append_byte(&message, 'c');
    append_number(&message, 4);
    struct slice bytes = buffer_slice(&message);
    enum status status = connection_send(f, client->connection, &bytes, 1);
    buffer_release(&message);
    return status;
}

/* Everything up to ReadyForQuery. */
static enum status take_answer(struct fiber *f, struct client *client, bool *refused_out) {
    *refused_out = false;
    for (;;) {
        uint8_t type = 0;
        struct slice body = SLICE_EMPTY;
        TRY(next_message(f, client, &type, &body));
        switch (type) {
        case 'Z':
            client->transaction = body.size == 1 ? (char)body.data[0] : '?';
            return STATUS_OK;
        case 'E':
            take_error(client, body);
            *refused_out = true;
            break;
        case 'T':
            client->rows.row_count = 0;
            break;
        case 'G':
            TRY(send_copy(f, client));
            break;
        case 'D':
            TRY(take_row(client, body));
            break;
        case 'C':
            snprintf(client->tag, sizeof client->tag, "%.*s", (int)body.size,
                     (const char *)body.data);
            break;
        case 'R':
        case 'S':
        case 'K':
        case 'N':
        case 'I':
            break;
        default:
            return broke_protocol(client, "an unknown message");
        }
    }
}

/* ---- messages to the server --------------------------------------------------------------- */

static enum client_outcome converse(struct fiber *f, struct client *client,
                                    const struct buffer *message) {
    struct slice bytes = buffer_slice(message);
    struct deadline before = fiber_deadline_set(
        f, (struct deadline){clock_monotonic_ns() + PATIENCE_NS, STATUS_CANCELED, "no answer"});
    bool refused = false;
    enum status status = connection_send(f, client->connection, &bytes, 1);
    if (status == STATUS_OK)
        status = take_answer(f, client, &refused);
    fiber_deadline_set(f, before);
    fiber_cancel_clear(f);
    if (status != STATUS_OK)
        return lose(f, client);
    return refused ? CLIENT_REFUSED : CLIENT_DONE;
}

enum client_outcome client_open(struct fiber *f, const char *address, struct client *client) {
    *client = (struct client){0};
    if (connection_open(f, address, &client->connection) != STATUS_OK) {
        snprintf(client->message, sizeof client->message, "%.200s", error_current()->message);
        client->connection = NULL;
        return CLIENT_LOST;
    }
    static const char parameters[] = "user\0satori\0database\0satori\0";
    struct buffer message = {0};
    append_number(&message, 8 + sizeof parameters);
    append_number(&message, 3 << 16);
    buffer_append(&message, parameters, sizeof parameters);
    enum client_outcome outcome = converse(f, client, &message);
    buffer_release(&message);
    if (outcome == CLIENT_REFUSED)
        return lose(f, client);
    return outcome;
}

enum client_outcome client_query(struct fiber *f, struct client *client, const char *text) {
    if (client->connection == NULL)
        return CLIENT_LOST;
    arena_release(&client->arena);
    client->rows.row_count = 0;
    client->rows.column_count = 0;
    client->tag[0] = client->sqlstate[0] = client->message[0] = '\0';
    struct buffer message = {0};
    buffer_append_byte(&message, 'Q');
    append_number(&message, (uint32_t)strlen(text) + 5);
    buffer_append(&message, text, strlen(text) + 1);
    enum client_outcome outcome = converse(f, client, &message);
    buffer_release(&message);
    return outcome;
}

enum client_outcome client_query_format(struct fiber *f, struct client *client, const char *format,
                                        ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return client_query(f, client, text);
}

int64_t client_number(const struct client *client, size_t row, unsigned column) {
    const char *cell = row < client->rows.row_count ? client->rows.cells[row][column] : NULL;
    return cell == NULL ? 0 : strtoll(cell, NULL, 10);
}
