/*
 * Buffer: bytes that grow on the heap. A zeroed struct buffer is a valid empty buffer.
 *
 * Growing can fail. So that a formatter need not test every append, failure sticks: the buffer
 * is marked, later appends do nothing, and whoever owns the buffer asks buffer_status() once at
 * the end. buffer_reserve() is the door for code that writes in place.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/base_slice.h"
#include "base/base_status.h"

enum { BUFFER_SIZE_MAX = (1u << 30) - 1 }; /* one value, one message: PostgreSQL's 1 GB */

struct buffer {
    uint8_t *data;
    size_t size, capacity;
    bool failed; /* an append found no memory, or would have passed BUFFER_SIZE_MAX */
};

/* Free the bytes; empty and usable again. */
void buffer_release(struct buffer *buffer);
/* Forget the bytes and a failure, keep the memory. */
static inline void buffer_clear(struct buffer *buffer) {
    buffer->size = 0;
    buffer->failed = false;
}

/* Make room for `size` more bytes. False (and marked) when there is none. */
bool buffer_grow(struct buffer *buffer, size_t size) MUST_USE;

/* Room for `size` bytes at the end, not yet part of the buffer: write there, then add to
   buffer->size what was used. NULL when there is no memory (marked). */
static inline uint8_t *buffer_reserve(struct buffer *buffer, size_t size) {
    if (__builtin_expect(buffer->capacity - buffer->size < size || buffer->failed, 0) &&
        !buffer_grow(buffer, size))
        return NULL;
    return buffer->data + buffer->size;
}

static inline void buffer_append(struct buffer *buffer, const void *data, size_t size) {
    uint8_t *at = buffer_reserve(buffer, size);
    if (at == NULL)
        return;
    if (size > 0) /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): there is data then */
        memcpy(at, data, size);
    buffer->size += size;
}

static inline void buffer_append_byte(struct buffer *buffer, uint8_t byte) {
    uint8_t *at = buffer_reserve(buffer, 1);
    if (at == NULL)
        return;
    *at = byte;
    buffer->size++;
}

static inline void buffer_append_slice(struct buffer *buffer, struct slice slice) {
    buffer_append(buffer, slice.data, slice.size);
}

static inline void buffer_append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

static inline struct slice buffer_slice(const struct buffer *buffer) {
    return slice_of(buffer->data, buffer->size);
}

/* OUT_OF_MEMORY (with detail) after a failed append, else OK. */
enum status buffer_status(const struct buffer *buffer) MUST_USE;

#endif
