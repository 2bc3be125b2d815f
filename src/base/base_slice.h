/* A slice: bytes that somebody else owns. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t size;
};

#define SLICE_EMPTY ((struct slice){NULL, 0})

static inline struct slice slice_of(const void *data, size_t size) {
    return (struct slice){(const uint8_t *)data, size};
}

static inline struct slice slice_of_text(const char *text) {
    return slice_of(text, strlen(text));
}

static inline bool slice_equal(struct slice a, struct slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Order of unsigned bytes, a prefix first: negative, zero or positive. */
static inline int slice_compare(struct slice a, struct slice b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

static inline bool slice_starts_with(struct slice slice, struct slice prefix) {
    return slice.size >= prefix.size &&
           (prefix.size == 0 || memcmp(slice.data, prefix.data, prefix.size) == 0);
}

/* Where `wanted` begins in `text` for the first time; SIZE_MAX: nowhere. */
size_t slice_find(struct slice text, struct slice wanted);

#endif
