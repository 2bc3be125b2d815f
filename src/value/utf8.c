/* UTF-8: validity and counting. */
#include <stdio.h>

#include "value/value_text.h"

static size_t expected_size(uint8_t lead) {
    return lead < 0x80             ? 1
           : (lead & 0xE0) == 0xC0 ? 2
           : (lead & 0xF0) == 0xE0 ? 3
           : (lead & 0xF8) == 0xF0 ? 4
                                   : 1;
}

/* Size of the valid character at `at`, 0 when there is none. RFC 3629: no overlong forms, no
   surrogates, nothing above U+10FFFF. */
static size_t valid_character(const uint8_t *at, size_t left) {
    uint8_t lead = at[0];
    size_t size = expected_size(lead);
    if (size == 1)
        return lead > 0 && lead < 0x80;
    if (left < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    if (lead < 0xC2 || lead > 0xF4 || (lead == 0xE0 && at[1] < 0xA0) ||
        (lead == 0xED && at[1] > 0x9F) || (lead == 0xF0 && at[1] < 0x90) ||
        (lead == 0xF4 && at[1] > 0x8F))
        return 0;
    return size;
}

enum status utf8_check(struct slice text) {
    size_t at = 0;
    while (at < text.size) {
        uint64_t block;
        if (text.size - at >= 8) {
            memcpy(&block, text.data + at, 8);
            /* Eight ASCII bytes, none zero. */
            if ((block & 0x8080808080808080ull) == 0 &&
                ((block - 0x0101010101010101ull) & 0x8080808080808080ull) == 0) {
                at += 8;
                continue;
            }
        }
        size_t size = valid_character(text.data + at, text.size - at);
        if (size == 0) {
            char bytes[32];
            size_t shown = expected_size(text.data[at]), used = 0;
            if (shown > text.size - at)
                shown = text.size - at;
            for (size_t i = 0; i < shown; i++)
                used += (size_t)snprintf(bytes + used, sizeof bytes - used, "%s0x%02x",
                                         i > 0 ? " " : "", text.data[at + i]);
            return error_set(STATUS_CHARACTER_NOT_IN_REPERTOIRE,
                             "invalid byte sequence for encoding \"UTF8\": %s", bytes);
        }
        at += size;
    }
    return STATUS_OK;
}

size_t utf8_length(struct slice text) {
    size_t length = 0;
    for (size_t i = 0; i < text.size; i++)
        length += (text.data[i] & 0xC0) != 0x80;
    return length;
}

size_t utf8_prefix(struct slice text, size_t count) {
    size_t at = 0;
    for (; count > 0 && at < text.size; count--) {
        at++;
        while (at < text.size && (text.data[at] & 0xC0) == 0x80)
            at++;
    }
    return at;
}
