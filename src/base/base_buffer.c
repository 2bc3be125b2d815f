#include "base/base_buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/base_memory.h"

void buffer_release(struct buffer *buffer) {
    memory_free(buffer->data);
    *buffer = (struct buffer){0};
}

bool buffer_grow(struct buffer *buffer, size_t size) {
    if (buffer->failed)
        return false;
    if (buffer->capacity - buffer->size >= size)
        return true;
    if (size > BUFFER_SIZE_MAX - buffer->size) {
        buffer->failed = true;
        return false;
    }
    size_t want = buffer->capacity < 128 ? 256 : buffer->capacity * 2;
    if (want < buffer->size + size)
        want = buffer->size + size;
    uint8_t *data = memory_resize(buffer->data, want);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = want;
    return true;
}

void buffer_append_format(struct buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    uint8_t *at = buffer_reserve(buffer, 64);
    int length = at == NULL ? -1 : vsnprintf((char *)at, 64, format, arguments);
    if (length >= 64) {
        at = buffer_reserve(buffer, (size_t)length + 1);
        if (at != NULL)
            vsnprintf((char *)at, (size_t)length + 1, format, again);
    }
    if (at != NULL && length > 0)
        buffer->size += (size_t)length;
    va_end(again);
    va_end(arguments);
}

enum status buffer_status(const struct buffer *buffer) {
    if (!buffer->failed)
        return STATUS_OK;
    return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
}
