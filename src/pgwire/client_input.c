#include "base/base_bytes.h"
#include "base/base_memory.h"
#include "pgwire/client.h"

bool client__input_is_empty(const struct client *client) {
    return client->input_start == client->input_end;
}

/* Bytes of the messages that are whole, when there was no memory for the rest of the last one. */
static size_t whole_messages(struct slice bytes) {
    size_t at = 0;
    while (bytes.size - at >= 5) {
        uint32_t size = get_be32(bytes.data + at + 1);
        if (size < 4 || size > bytes.size - at - 1)
            break;
        at += 1 + (size_t)size;
    }
    return at;
}

enum status client__flush(struct fiber *f, struct client *client) {
    bool starved = client->output.failed;
    struct slice bytes = buffer_slice(&client->output);
    if (starved)
        bytes.size = whole_messages(bytes);
    enum status status = STATUS_OK;
    if (bytes.size > 0) {
        fiber_shield(f);
        status = client->transport->send(f, client->transport, bytes);
        fiber_unshield(f);
    }
    buffer_clear(&client->output);
    if (client->output.capacity > BUFFER_SIZE_KEPT)
        buffer_release(&client->output);
    if (starved && status == STATUS_OK) /* messages are missing: nobody can go on from here */
        status = error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (status != STATUS_OK)
        client->finished = true;
    return status;
}

/* Room for at least one more byte, and towards `size_needed` in all. The buffer doubles as bytes
   really come: a length that is only claimed costs nothing. */
static enum status make_room(struct client *client, size_t size_needed) {
    if (client->input_start > 0) {
        size_t left = client->input_end - client->input_start;
        memmove(client->input, client->input + client->input_start, left);
        client->input_start = 0;
        client->input_end = left;
    }
    if (client->input_end == 0 && client->input_capacity > BUFFER_SIZE_KEPT) {
        memory_free(client->input);
        client->input = NULL;
        client->input_capacity = 0;
    }
    if (client->input_end < client->input_capacity)
        return STATUS_OK;
    size_t want = client->input_capacity == 0 ? INPUT_SIZE_BASE : 2 * client->input_capacity;
    if (size_needed > INPUT_SIZE_BASE && want > size_needed)
        want = size_needed;
    ASSERT(want > client->input_end);
    uint8_t *input = memory_resize(client->input, want);
    if (input == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    client->input = input;
    client->input_capacity = want;
    return STATUS_OK;
}

enum status client__receive(struct fiber *f, struct client *client, bool first,
                            struct message *message_out) {
    for (;;) {
        size_t size, size_needed;
        struct slice bytes =
            slice_of(client->input + client->input_start, client->input_end - client->input_start);
        enum status status = first ? message_frame_first(bytes, message_out, &size, &size_needed)
                                   : message_frame(bytes, message_out, &size, &size_needed);
        if (status != STATUS_OK) {
            client->finished = true; /* no telling where the next message begins */
            return status;
        }
        if (size > 0) {
            client->input_start += size;
            return STATUS_OK;
        }
        TRY(client__flush(f, client));
        TRY(make_room(client, size_needed));
        size_t received = 0;
        TRY(client->transport->receive(f, client->transport, client->input + client->input_end,
                                       client->input_capacity - client->input_end, &received));
        if (received == 0) {
            client->finished = true;
            return error_set(STATUS_CONNECTION_FAILURE, "unexpected EOF on client connection");
        }
        client->input_end += received;
    }
}
