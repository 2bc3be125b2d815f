#include "column/symbols.h"

#include "base/base_bytes.h"

static uint64_t mask_of(unsigned size) {
    return size == 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
}

static uint64_t front_of(const uint8_t *text, size_t size) {
    uint64_t word = 0;
    if (size >= 8)
        return get_le64(text);
    memcpy(&word, text, size);
    return word;
}

void matcher_empty(struct symbol_matcher *matcher) {
    memset(matcher, 0, offsetof(struct symbol_matcher, shorts)); /* matcher_finish makes those */
}

void matcher_init(struct symbol_matcher *matcher, const struct symbols *symbols) {
    matcher->symbols = symbols;
    for (uint32_t i = 0; i < symbols->count; i++) {
        uint64_t word = symbols->words[i];
        uint16_t code = (uint16_t)(i + 1);
        if (symbols->sizes[i] == 1) {
            matcher->single[word & 0xFF] = code;
        } else if (symbols->sizes[i] == 2) {
            matcher->pairs[word & 0xFFFF] = code;
        } else {
            matcher->slots[matcher_slot(word)] =
                (struct symbol_slot){word, mask_of(symbols->sizes[i]), code, symbols->sizes[i]};
        }
    }
}

void matcher_clear(struct symbol_matcher *matcher) {
    for (uint32_t i = 0; i < matcher->symbols->count; i++) {
        uint64_t word = matcher->symbols->words[i];
        matcher->single[word & 0xFF] = 0;
        matcher->pairs[word & 0xFFFF] = 0;
        matcher->slots[matcher_slot(word)] = (struct symbol_slot){0};
    }
}

/* The symbol at the front of `word`, of which `size` bytes are text. */
static inline int find(const struct symbol_matcher *matcher, uint64_t word, size_t size) {
    const struct symbol_slot *slot = &matcher->slots[matcher_slot(word)];
    if (((word ^ slot->word) & slot->mask) == 0 && slot->code != 0 && slot->size <= size)
        return slot->code - 1;
    uint16_t pair = matcher->pairs[word & 0xFFFF];
    return (pair != 0 && size >= 2 ? pair : matcher->single[word & 0xFF]) - 1;
}

int matcher_find(const struct symbol_matcher *matcher, const uint8_t *text, size_t size) {
    return find(matcher, front_of(text, size), size);
}

void matcher_finish(struct symbol_matcher *matcher) {
    const struct symbols *symbols = matcher->symbols;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint16_t one = matcher->single[byte];
        matcher->shorts[byte] = (uint16_t)((one != 0 ? one - 1 : SYMBOL_ESCAPE) | 1 << 8);
    }
    for (uint32_t second = 1; second < 256; second++)
        memcpy(&matcher->shorts[second << 8], matcher->shorts, 256 * sizeof *matcher->shorts);
    for (uint32_t i = 0; i < symbols->count; i++) {
        uint16_t two = (uint16_t)symbols->words[i];
        if (symbols->sizes[i] == 2)
            matcher->shorts[two] = (uint16_t)((matcher->pairs[two] - 1) | 2 << 8);
    }
    for (uint32_t i = 0; i < MATCHER_SLOTS; i++)
        if (matcher->slots[i].code == 0)
            matcher->slots[i].size = UINT16_MAX; /* longer than any text */
}

/* One step without a branch: most texts mix symbols of all kinds. `word` has the text's next
   bytes, of which `left` count; returns how many it took. */
static inline size_t encode_step(const struct symbol_matcher *matcher, uint64_t word, size_t left,
                                 uint8_t **to) {
    const struct symbol_slot *slot = &matcher->slots[matcher_slot(word)];
    uint16_t other = matcher->shorts[word & 0xFFFF];
    bool is_long = (((word ^ slot->word) & slot->mask) == 0) & (slot->size <= left);
    unsigned code = is_long ? slot->code - 1u : other & 0xFFu;
    size_t size = is_long ? slot->size : other >> 8;
    (*to)[0] = (uint8_t)code;
    (*to)[1] = (uint8_t)word; /* meant when the code is the escape */
    *to += 1 + (code == SYMBOL_ESCAPE);
    return size;
}

size_t symbols_encode(const struct symbol_matcher *matcher, struct slice text, uint8_t *out) {
    uint8_t *to = out;
    size_t at = 0;
    while (text.size - at >= 8)
        at += encode_step(matcher, get_le64(text.data + at), text.size - at, &to);
    uint8_t tail[16] = {0};
    size_t left = text.size - at;
    if (left > 0)
        memcpy(tail, text.data + at, left);
    for (at = 0; left - at > 1;)
        at += encode_step(matcher, get_le64(tail + at), left - at, &to);
    if (at < left) { /* no pair may be made with what lies behind */
        uint16_t one = matcher->single[tail[at]];
        *to++ = one != 0 ? (uint8_t)(one - 1) : SYMBOL_ESCAPE;
        if (one == 0)
            *to++ = tail[at];
    }
    return (size_t)(to - out);
}

/* As below, but near the end of the room. */
static size_t decode_carefully(const struct symbols *symbols, struct slice text, uint8_t *out,
                               size_t capacity) {
    size_t size = 0;
    for (size_t at = 0; at < text.size; at++) {
        uint8_t code = text.data[at];
        if (code == SYMBOL_ESCAPE) {
            if (++at == text.size || size == capacity)
                return SIZE_MAX;
            out[size++] = text.data[at];
            continue;
        }
        if (symbols->sizes[code] > capacity - size)
            return SIZE_MAX;
        put_le64(out + size, symbols->words[code]);
        size += symbols->sizes[code];
    }
    return size;
}

/* A bit set for each of four bytes that is 255. */
static uint32_t escapes_in(uint32_t four) {
    return (four & 0x80808080u) & (((~four & 0x7F7F7F7Fu) + 0x7F7F7F7Fu) ^ 0x80808080u);
}

size_t symbols_decode(const struct symbols *symbols, struct slice text, uint8_t *out,
                      size_t capacity) {
    if (text.size > capacity / SYMBOL_SIZE_MAX)
        return decode_carefully(symbols, text, out, capacity);
    const uint8_t *at = text.data, *end = at + text.size;
    uint8_t *to = out;
    while (at < end) {
        if (end - at >= 4 && escapes_in(get_le32(at)) == 0) {
            for (int i = 0; i < 4; i++) {
                put_le64(to, symbols->words[at[i]]);
                to += symbols->sizes[at[i]];
            }
            at += 4;
            continue;
        }
        uint8_t code = *at++;
        if (code != SYMBOL_ESCAPE) {
            put_le64(to, symbols->words[code]);
            to += symbols->sizes[code];
        } else if (at < end) {
            *to++ = *at++;
        } else {
            return SIZE_MAX;
        }
    }
    return (size_t)(to - out);
}

size_t symbols_write(const struct symbols *symbols, uint8_t *out) {
    uint8_t *to = out;
    *to++ = (uint8_t)symbols->count;
    memcpy(to, symbols->sizes, symbols->count);
    to += symbols->count;
    for (uint32_t i = 0; i < symbols->count; i++) {
        memcpy(to, &symbols->words[i], symbols->sizes[i]);
        to += symbols->sizes[i];
    }
    return (size_t)(to - out);
}

enum status symbols_read(struct slice bytes, struct symbols *symbols) {
    *symbols = (struct symbols){0};
    if (bytes.size < 1 || bytes.size < 1u + bytes.data[0])
        return error_set(STATUS_DATA_CORRUPTED, "column chunk: a symbol table is cut off");
    symbols->count = bytes.data[0];
    size_t at = 1 + symbols->count;
    for (uint32_t i = 0; i < symbols->count; i++) {
        uint8_t size = bytes.data[1 + i];
        if (size == 0 || size > SYMBOL_SIZE_MAX || size > bytes.size - at)
            return error_set(STATUS_DATA_CORRUPTED, "column chunk: a symbol has no such size");
        symbols->sizes[i] = size;
        symbols->words[i] = front_of(bytes.data + at, size);
        at += size;
    }
    if (at != bytes.size)
        return error_set(STATUS_DATA_CORRUPTED, "column chunk: bytes after a symbol table");
    return STATUS_OK;
}
