/*
 * LIKE and regular expressions. A pattern is compiled once for each place in the plan and again
 * only when it changes, so a constant pattern costs nothing per row.
 *
 * LIKE patterns become a list of pieces between %: the first may be tied to the start, the last to
 * the end, the others are searched from left to right; no piece is ever tried twice at one place.
 */
#include <string.h>

#include "exec/exec_kernel.h"
#include "exec/exec_regex.h"

/* ---- LIKE -------------------------------------------------------------------------------- */

enum { ANY_CHARACTER = 0x01 }; /* in `kinds`: `_` */

struct like_piece {
    uint8_t *bytes, *kinds; /* kinds[i]: ANY_CHARACTER or 0 */
    size_t size;            /* entries; `_` is one */
    bool plain;             /* no `_`: slice_find does */
};

struct like_pattern {
    struct slice source;   /* as compiled */
    bool fold, characters; /* ILIKE; text (not bytea): `_` is a whole character */
    struct like_piece *pieces;
    size_t count;
    bool tied_start, tied_end;
};

static uint8_t fold_byte(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

static enum status like_compile(struct like_pattern *like, struct slice source, bool fold,
                                bool characters, struct arena *arena) {
    *like = (struct like_pattern){.fold = fold, .characters = characters};
    like->source = arena_copy_slice(arena, source);
    uint8_t *bytes = arena_alloc(arena, source.size + 1),
            *kinds = arena_alloc(arena, source.size + 1);
    like->pieces = arena_alloc(arena, (source.size + 2) * sizeof *like->pieces);
    if ((like->source.data == NULL && source.size > 0) || bytes == NULL || kinds == NULL ||
        like->pieces == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    struct like_piece piece = {.bytes = bytes, .kinds = kinds, .plain = true};
    bool open_start = false, pending = false;
    for (size_t i = 0; i < source.size; i++) {
        uint8_t byte = source.data[i], kind = 0;
        if (byte == '%') {
            if (piece.size > 0)
                like->pieces[like->count++] = piece;
            else if (like->count == 0)
                open_start = true;
            bytes += piece.size;
            kinds += piece.size;
            piece = (struct like_piece){.bytes = bytes, .kinds = kinds, .plain = true};
            pending = true;
            continue;
        }
        pending = false;
        if (byte == '_') {
            kind = ANY_CHARACTER;
            piece.plain = false;
        } else if (byte == '\\') {
            if (++i == source.size)
                return error_set(STATUS_INVALID_ESCAPE_SEQUENCE,
                                 "LIKE pattern must not end with escape character");
            byte = source.data[i];
        }
        piece.bytes[piece.size] = fold ? fold_byte(byte) : byte;
        piece.kinds[piece.size++] = kind;
    }
    if (piece.size > 0)
        like->pieces[like->count++] = piece;
    like->tied_start = !open_start;
    like->tied_end = !pending;
    return STATUS_OK;
}

/* Bytes that `piece` takes at `at`, or SIZE_MAX. */
static size_t piece_at(const struct like_pattern *like, const struct like_piece *piece,
                       struct slice text, size_t at) {
    size_t begin = at;
    for (size_t i = 0; i < piece->size; i++) {
        if (at == text.size)
            return SIZE_MAX;
        if (piece->kinds[i] == ANY_CHARACTER) {
            at++;
            while (like->characters && at < text.size && (text.data[at] & 0xC0) == 0x80)
                at++;
            continue;
        }
        uint8_t byte = like->fold ? fold_byte(text.data[at]) : text.data[at];
        if (byte != piece->bytes[i])
            return SIZE_MAX;
        at++;
    }
    return at - begin;
}

/* First place >= at where the piece fits; SIZE_MAX when there is none. */
static size_t piece_find(const struct like_pattern *like, const struct like_piece *piece,
                         struct slice text, size_t at, size_t *size_out) {
    if (piece->plain && !like->fold) {
        size_t found = slice_find(slice_of(text.data + at, text.size - at),
                                  slice_of(piece->bytes, piece->size));
        *size_out = piece->size;
        return found == SIZE_MAX ? SIZE_MAX : at + found;
    }
    for (; at < text.size; at++) {
        if (like->characters && (text.data[at] & 0xC0) == 0x80)
            continue;
        *size_out = piece_at(like, piece, text, at);
        if (*size_out != SIZE_MAX)
            return at;
    }
    return SIZE_MAX;
}

/* The last piece must end the text: try the places from which it could. */
static bool piece_ends(const struct like_pattern *like, const struct like_piece *piece,
                       struct slice text, size_t at) {
    if (piece->plain || !like->characters)
        return text.size - at >= piece->size &&
               piece_at(like, piece, text, text.size - piece->size) != SIZE_MAX;
    size_t from = text.size, left = piece->size;
    /* Each entry takes at least one byte; walk back by characters for `_`, by bytes otherwise. */
    while (left-- > 0) {
        if (from <= at)
            return false;
        from--;
        while (piece->kinds[left] == ANY_CHARACTER && from > at && (text.data[from] & 0xC0) == 0x80)
            from--;
    }
    return piece_at(like, piece, text, from) == text.size - from;
}

static bool like_matches(const struct like_pattern *like, struct slice text) {
    size_t at = 0, first = 0, last = like->count;
    if (like->count == 0)
        return (like->tied_start && like->tied_end) ? text.size == 0 : true;
    if (like->tied_start) {
        size_t size = piece_at(like, &like->pieces[0], text, 0);
        if (size == SIZE_MAX)
            return false;
        at = size;
        first = 1;
        if (like->count == 1)
            return !like->tied_end || at == text.size;
    }
    if (like->tied_end)
        last--;
    for (size_t i = first; i < last; i++) {
        size_t size, found = piece_find(like, &like->pieces[i], text, at, &size);
        if (found == SIZE_MAX)
            return false;
        at = found + size;
    }
    return !like->tied_end || piece_ends(like, &like->pieces[last], text, at);
}

static enum status like_of(struct kernel_call *call, struct slice pattern, bool fold,
                           bool characters, struct like_pattern **like_out) {
    void **memory = exec__call_memory(call);
    struct like_pattern *like = *memory;
    if (like == NULL) {
        like = ARENA_NEW(exec__local_arena(call->local), struct like_pattern);
        TRY(like_compile(like, pattern, fold, characters, exec__local_arena(call->local)));
        *memory = like;
    } else if (!slice_equal(like->source, pattern)) {
        /* A pattern that varies: compiled for its row. */
        like = ARENA_NEW(call->arena, struct like_pattern);
        TRY(like_compile(like, pattern, fold, characters, call->arena));
    }
    *like_out = like;
    return STATUS_OK;
}

static enum status like(struct kernel_call *call, const struct vector *arguments,
                        const uint16_t *rows, uint32_t count, struct vector *result, bool fold,
                        bool characters, bool wanted) {
    struct vector_view text = vector_view(&arguments[0]), pattern = vector_view(&arguments[1]);
    const struct string *texts = text.data, *patterns = pattern.data;
    uint8_t *out = result->data;
    struct like_pattern *like = NULL;
    const struct string *compiled = NULL;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        if (vector_is_null(result, row))
            continue;
        const struct string *wanted_pattern = &patterns[pattern.indices[row]];
        if (like == NULL || wanted_pattern != compiled) {
            TRY(like_of(call, string_slice(wanted_pattern), fold, characters, &like));
            compiled = wanted_pattern;
        }
        out[row] = like_matches(like, string_slice(&texts[text.indices[row]])) == wanted;
    }
    return STATUS_OK;
}
VECTOR_FUNCTION(textlike) {
    return like(call, arguments, rows, count, result, false, true, true);
}
VECTOR_FUNCTION(textnlike) {
    return like(call, arguments, rows, count, result, false, true, false);
}
VECTOR_FUNCTION(texticlike) {
    return like(call, arguments, rows, count, result, true, true, true);
}
VECTOR_FUNCTION(texticnlike) {
    return like(call, arguments, rows, count, result, true, true, false);
}
VECTOR_FUNCTION(bytealike) {
    return like(call, arguments, rows, count, result, false, false, true);
}
VECTOR_FUNCTION(byteanlike) {
    return like(call, arguments, rows, count, result, false, false, false);
}

/* like_escape(pattern, escape): the same pattern with backslash as its escape. */
BOXED_FUNCTION(like_escape) {
    struct slice pattern = arguments[0].string, escape = arguments[1].string;
    struct buffer buffer = {0};
    if (escape.size > 0 && utf8_length(escape) != 1)
        return error_set(STATUS_INVALID_ESCAPE_SEQUENCE, "invalid escape string");
    if (slice_equal(escape, slice_of("\\", 1)))
        return return_text(result, pattern);
    for (size_t i = 0; i < pattern.size;) {
        struct slice rest = slice_of(pattern.data + i, pattern.size - i);
        if (escape.size > 0 && slice_starts_with(rest, escape)) {
            i += escape.size;
            buffer_append_byte(&buffer, '\\');
            if (i < pattern.size)
                buffer_append_byte(&buffer, pattern.data[i++]);
            continue;
        }
        if (pattern.data[i] == '\\')
            buffer_append_byte(&buffer, '\\');
        buffer_append_byte(&buffer, pattern.data[i++]);
    }
    return exec__return_buffer(call, &buffer, result);
}

/* ---- regular expressions ----------------------------------------------------------------- */

struct kept_regex {
    struct slice source;
    unsigned flags;
    struct regex *regex;
};

static enum status regex_of(struct kernel_call *call, struct slice pattern, unsigned flags,
                            struct regex **regex_out) {
    void **memory = exec__call_memory(call);
    struct kept_regex *kept = *memory;
    if (kept != NULL && kept->flags == flags && slice_equal(kept->source, pattern)) {
        *regex_out = kept->regex;
        return STATUS_OK;
    }
    if (kept != NULL) /* a pattern that varies: compiled for its row */
        return regex_compile(pattern, flags, call->arena, regex_out);
    struct arena *arena = exec__local_arena(call->local);
    kept = ARENA_NEW(arena, struct kept_regex);
    kept->source = arena_copy_slice(arena, pattern);
    kept->flags = flags;
    TRY(regex_compile(kept->source, flags, arena, &kept->regex));
    *memory = kept;
    *regex_out = kept->regex;
    return STATUS_OK;
}

static enum status match(struct kernel_call *call, const struct vector *arguments,
                         const uint16_t *rows, uint32_t count, struct vector *result,
                         unsigned flags, bool wanted) {
    struct vector_view text = vector_view(&arguments[0]), pattern = vector_view(&arguments[1]);
    const struct string *texts = text.data, *patterns = pattern.data;
    uint8_t *out = result->data;
    struct regex *regex = NULL;
    const struct string *compiled = NULL;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        if (vector_is_null(result, row))
            continue;
        const struct string *wanted_pattern = &patterns[pattern.indices[row]];
        if (wanted_pattern != compiled) {
            TRY(regex_of(call, string_slice(wanted_pattern), flags, &regex));
            compiled = wanted_pattern;
        }
        out[row] = regex_matches(regex, string_slice(&texts[text.indices[row]])) == wanted;
        if ((i & 63) == 63 && call->f != NULL)
            TRY(fiber_check(call->f));
    }
    return STATUS_OK;
}
VECTOR_FUNCTION(textregexeq) {
    return match(call, arguments, rows, count, result, 0, true);
}
VECTOR_FUNCTION(textregexne) {
    return match(call, arguments, rows, count, result, 0, false);
}
VECTOR_FUNCTION(texticregexeq) {
    return match(call, arguments, rows, count, result, REGEX_IGNORE_CASE, true);
}
VECTOR_FUNCTION(texticregexne) {
    return match(call, arguments, rows, count, result, REGEX_IGNORE_CASE, false);
}

/* Flags of regexp_replace and friends; *global_out NULL: 'g' is refused. */
static enum status parse_flags(struct slice text, const char *function, unsigned *flags_out,
                               bool *global_out) {
    unsigned flags = 0;
    if (global_out != NULL)
        *global_out = false;
    for (size_t i = 0; i < text.size; i++)
        switch (text.data[i]) {
        case 'g':
            if (global_out == NULL)
                return error_set(STATUS_INVALID_PARAMETER_VALUE,
                                 "%s does not support the \"global\" option", function);
            *global_out = true;
            break;
        case 'i':
            flags |= REGEX_IGNORE_CASE;
            break;
        case 'c':
            flags &= ~(unsigned)REGEX_IGNORE_CASE;
            break;
        case 'n':
        case 'm':
            flags |= REGEX_NEWLINE_ANCHORS | REGEX_NEWLINE_STOPS;
            break;
        case 'p':
            flags |= REGEX_NEWLINE_STOPS;
            break;
        case 'w':
            flags |= REGEX_NEWLINE_ANCHORS;
            break;
        case 's':
            flags &= ~(unsigned)(REGEX_NEWLINE_ANCHORS | REGEX_NEWLINE_STOPS);
            break;
        case 'x':
            flags |= REGEX_EXPANDED;
            break;
        case 'q':
            flags |= REGEX_LITERAL;
            break;
        case 't':
        case 'e':
        case 'b':
            break;
        default:
            return error_set(STATUS_INVALID_PARAMETER_VALUE,
                             "invalid regular expression option: \"%c\"", text.data[i]);
        }
    *flags_out = flags;
    return STATUS_OK;
}

enum { SPANS_MAX = 256 };

/* One past a match, never stuck at an empty one. */
static size_t next_from(struct slice text, struct regex_span span) {
    if (span.end > span.start)
        return span.end;
    size_t at = span.end + 1;
    while (at < text.size && (text.data[at] & 0xC0) == 0x80)
        at++;
    return at;
}

/* The replacement: \1 .. \9 groups, \& the whole, \\ a backslash. */
static void append_replacement(struct buffer *buffer, struct slice replacement, struct slice text,
                               const struct regex_span *spans, unsigned groups) {
    for (size_t i = 0; i < replacement.size; i++) {
        uint8_t byte = replacement.data[i];
        uint8_t next = i + 1 < replacement.size ? replacement.data[i + 1] : 0;
        unsigned group = next == '&' ? 0 : (unsigned)(next - '0');
        if (byte == '\\' && (next == '&' || (next >= '1' && next <= '9'))) {
            if (group <= groups && spans[group].start != SIZE_MAX)
                buffer_append(buffer, text.data + spans[group].start,
                              spans[group].end - spans[group].start);
            i++;
        } else {
            buffer_append_byte(buffer, byte);
            i += byte == '\\' && next == '\\';
        }
    }
}

static enum status replace(struct kernel_call *call, const struct value *arguments, unsigned flags,
                           bool global, struct value *result) {
    struct slice text = arguments[0].string, replacement = arguments[2].string;
    struct regex *regex;
    struct regex_span spans[SPANS_MAX];
    struct buffer buffer = {0};
    size_t copied = 0, from = 0;
    TRY(regex_of(call, arguments[1].string, flags, &regex));
    while (from <= text.size && regex_search(regex, text, from, true, spans)) {
        buffer_append(&buffer, text.data + copied, spans[0].start - copied);
        append_replacement(&buffer, replacement, text, spans, regex_group_count(regex));
        copied = spans[0].end;
        from = next_from(text, spans[0]);
        if (!global)
            break;
    }
    buffer_append(&buffer, text.data + copied, text.size - copied);
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(textregexreplace_noopt) {
    return replace(call, arguments, 0, false, result);
}
BOXED_FUNCTION(textregexreplace) {
    unsigned flags;
    bool global;
    TRY(parse_flags(arguments[3].string, "regexp_replace()", &flags, &global));
    return replace(call, arguments, flags, global, result);
}
BOXED_FUNCTION(textregexsubstr) {
    struct slice text = arguments[0].string;
    struct regex *regex;
    struct regex_span spans[SPANS_MAX];
    TRY(regex_of(call, arguments[1].string, 0, &regex));
    if (!regex_search(regex, text, 0, true, spans))
        return return_null(result);
    struct regex_span span = regex_group_count(regex) > 0 ? spans[1] : spans[0];
    if (span.start == SIZE_MAX)
        return return_null(result);
    return return_text(result, slice_of(text.data + span.start, span.end - span.start));
}

/* The groups of a match (or all of it when there are none) as text[]. */
static enum status match_array(struct kernel_call *call, const struct regex *regex,
                               struct slice text, const struct regex_span *spans,
                               struct value *result) {
    struct value values[SPANS_MAX];
    unsigned groups = regex_group_count(regex), first = groups > 0 ? 1 : 0;
    unsigned count = groups > 0 ? groups : 1;
    for (unsigned i = 0; i < count; i++) {
        struct regex_span span = spans[first + i];
        values[i] = span.start == SIZE_MAX
                        ? value_null(TYPE_OF(TEXT))
                        : value_string(TYPE_OF(TEXT),
                                       slice_of(text.data + span.start, span.end - span.start));
    }
    return array_make(TYPE_TEXT_ARRAY, values, count, call->arena, result);
}
static enum status first_match(struct kernel_call *call, const struct value *arguments,
                               unsigned flags, struct value *result) {
    struct regex *regex;
    struct regex_span spans[SPANS_MAX];
    TRY(regex_of(call, arguments[1].string, flags, &regex));
    if (!regex_search(regex, arguments[0].string, 0, true, spans))
        return return_null(result);
    return match_array(call, regex, arguments[0].string, spans, result);
}
BOXED_FUNCTION(regexp_match_no_flags) {
    return first_match(call, arguments, 0, result);
}
BOXED_FUNCTION(regexp_match) {
    unsigned flags;
    TRY(parse_flags(arguments[2].string, "regexp_match()", &flags, NULL));
    return first_match(call, arguments, flags, result);
}

struct matches_state {
    struct regex *regex;
    size_t from;
    bool global;
};
static enum status next_match(struct kernel_call *call, const struct value *arguments,
                              unsigned flags, bool global, void **memory, struct value *result,
                              bool *done) {
    struct matches_state *state = *memory;
    struct slice text = arguments[0].string;
    struct regex_span spans[SPANS_MAX];
    if (state == NULL) {
        state = ARENA_NEW(call->arena, struct matches_state);
        state->global = global;
        TRY(regex_compile(arguments[1].string, flags, call->arena, &state->regex));
        *memory = state;
    }
    if (state->from > text.size || !regex_search(state->regex, text, state->from, true, spans)) {
        *done = true;
        return STATUS_OK;
    }
    state->from = state->global ? next_from(text, spans[0]) : SIZE_MAX;
    return match_array(call, state->regex, text, spans, result);
}
SET_FUNCTION(regexp_matches_no_flags) {
    return next_match(call, arguments, 0, false, memory, result, done);
}
SET_FUNCTION(regexp_matches) {
    unsigned flags;
    bool global;
    TRY(parse_flags(arguments[2].string, "regexp_matches()", &flags, &global));
    return next_match(call, arguments, flags, global, memory, result, done);
}

static enum status split(struct kernel_call *call, const struct value *arguments, unsigned flags,
                         struct value *result) {
    struct slice text = arguments[0].string;
    struct regex *regex;
    struct regex_span span;
    size_t begin = 0, from = 0, count = 0, capacity = 16;
    struct value *values = arena_alloc(call->arena, capacity * sizeof *values);
    TRY(regex_of(call, arguments[1].string, flags, &regex));
    for (bool more = true; more;) {
        /* As PostgreSQL: an empty match at the very start or end, or right behind the match
           before, splits nothing. */
        do {
            more = from <= text.size && regex_search(regex, text, from, false, &span);
            if (more)
                from = next_from(text, span);
        } while (more && span.end == span.start &&
                 (span.start == begin || span.start == text.size));
        size_t end = more ? span.start : text.size;
        if (count == capacity) {
            struct value *grown = arena_alloc(call->arena, capacity * 2 * sizeof *grown);
            if (grown == NULL)
                return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
            memcpy(grown, values, count * sizeof *grown);
            values = grown;
            capacity *= 2;
        }
        values[count++] = value_string(TYPE_OF(TEXT), slice_of(text.data + begin, end - begin));
        if (more)
            begin = span.end;
    }
    return array_make(TYPE_TEXT_ARRAY, values, (uint32_t)count, call->arena, result);
}
BOXED_FUNCTION(regexp_split_to_array_no_flags) {
    return split(call, arguments, 0, result);
}
BOXED_FUNCTION(regexp_split_to_array) {
    unsigned flags;
    TRY(parse_flags(arguments[2].string, "regexp_split_to_array()", &flags, NULL));
    return split(call, arguments, flags, result);
}

static const struct kernel_entry entries[] = {
    VECTOR(textlike),
    VECTOR(textnlike),
    VECTOR(texticlike),
    VECTOR(texticnlike),
    VECTOR(bytealike),
    VECTOR(byteanlike),
    BOXED(like_escape),
    VECTOR(textregexeq),
    VECTOR(textregexne),
    VECTOR(texticregexeq),
    VECTOR(texticregexne),
    BOXED(textregexreplace_noopt),
    BOXED(textregexreplace),
    BOXED(textregexsubstr),
    BOXED(regexp_match_no_flags),
    BOXED(regexp_match),
    SET_RETURNING(regexp_matches_no_flags),
    SET_RETURNING(regexp_matches),
    BOXED(regexp_split_to_array_no_flags),
    BOXED(regexp_split_to_array),
};
KERNEL_TABLE(exec__kernels_pattern, entries)
