/*
 * Functions of bytea: parts, encodings, digests. MD5 follows RFC 1321, SHA-256 FIPS 180-4; both
 * are here for the SQL functions only, nothing relies on them for security.
 */
#include <string.h>

#include "base/base_bytes.h"
#include "exec/exec_kernel.h"

/* ---- parts ------------------------------------------------------------------------------- */

BOXED_FUNCTION(byteaoctetlen) {
    result->int32 = (int32_t)arguments[0].string.size;
    return STATUS_OK;
}
BOXED_FUNCTION(bit_length_bytea) {
    result->int32 = (int32_t)(arguments[0].string.size * 8);
    return STATUS_OK;
}
static enum status bad_index(int64_t index, size_t size) {
    return error_set(STATUS_ARRAY_SUBSCRIPT_ERROR, "index %lld out of valid range, 0..%lld",
                     (long long)index, (long long)size - 1);
}
BOXED_FUNCTION(byteaGetByte) {
    struct slice bytes = arguments[0].string;
    int32_t at = arguments[1].int32;
    if (at < 0 || (size_t)at >= bytes.size)
        return bad_index(at, bytes.size);
    result->int32 = bytes.data[at];
    return STATUS_OK;
}
BOXED_FUNCTION(byteaSetByte) {
    struct slice bytes = arguments[0].string;
    int32_t at = arguments[1].int32;
    uint8_t *out;
    if (at < 0 || (size_t)at >= bytes.size)
        return bad_index(at, bytes.size);
    TRY(exec__result_bytes(call, bytes.size, &out));
    memcpy(out, bytes.data, bytes.size);
    out[at] = (uint8_t)arguments[2].int32;
    return return_text(result, slice_of(out, bytes.size));
}
BOXED_FUNCTION(byteacat) {
    struct slice a = arguments[0].string, b = arguments[1].string;
    uint8_t *out;
    TRY(exec__result_bytes(call, a.size + b.size, &out));
    if (a.size > 0)
        memcpy(out, a.data, a.size);
    if (b.size > 0)
        memcpy(out + a.size, b.data, b.size);
    return return_text(result, slice_of(out, a.size + b.size));
}
static struct slice part(struct slice bytes, int64_t start, int64_t length) {
    int64_t end = length < 0 ? INT64_MAX : start + length, size = (int64_t)bytes.size;
    if (start < 1)
        start = 1;
    if (end > size + 1)
        end = size + 1;
    return end <= start ? SLICE_EMPTY : slice_of(bytes.data + start - 1, (size_t)(end - start));
}
BOXED_FUNCTION(bytea_substr) {
    if (arguments[2].int32 < 0)
        return error_set(STATUS_SUBSTRING_ERROR, "negative substring length not allowed");
    return return_text(result, part(arguments[0].string, arguments[1].int32, arguments[2].int32));
}
BOXED_FUNCTION(bytea_substr_no_len) {
    return return_text(result, part(arguments[0].string, arguments[1].int32, -1));
}
BOXED_FUNCTION(byteapos) {
    size_t at = slice_find(arguments[0].string, arguments[1].string);
    result->int32 = at == SIZE_MAX ? 0 : (int32_t)at + 1;
    return STATUS_OK;
}
BOXED_FUNCTION(byteatrim) {
    struct slice bytes = arguments[0].string, set = arguments[1].string;
    while (bytes.size > 0 && set.size > 0 && memchr(set.data, bytes.data[0], set.size) != NULL)
        bytes = slice_of(bytes.data + 1, bytes.size - 1);
    while (bytes.size > 0 && set.size > 0 &&
           memchr(set.data, bytes.data[bytes.size - 1], set.size) != NULL)
        bytes.size--;
    return return_text(result, bytes);
}
static enum status overlay(struct kernel_call *call, const struct value *arguments, int64_t length,
                           struct value *result) {
    struct buffer buffer = {0};
    int64_t start = arguments[2].int32;
    if (start <= 0)
        return error_set(STATUS_SUBSTRING_ERROR, "negative substring length not allowed");
    buffer_append_slice(&buffer, part(arguments[0].string, 1, start - 1));
    buffer_append_slice(&buffer, arguments[1].string);
    buffer_append_slice(&buffer, part(arguments[0].string, start + length, -1));
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(byteaoverlay) {
    return overlay(call, arguments, arguments[3].int32, result);
}
BOXED_FUNCTION(byteaoverlay_no_len) {
    return overlay(call, arguments, (int64_t)arguments[1].string.size, result);
}

/* ---- encodings --------------------------------------------------------------------------- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void append_hex(struct buffer *buffer, struct slice bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        buffer_append_byte(buffer, (uint8_t) "0123456789abcdef"[bytes.data[i] >> 4]);
        buffer_append_byte(buffer, (uint8_t) "0123456789abcdef"[bytes.data[i] & 15]);
    }
}
/* Lines of 76 digits, as PostgreSQL and MIME have it. */
static void append_base64(struct buffer *buffer, struct slice bytes) {
    for (size_t i = 0, written = 0; i < bytes.size; i += 3, written += 4) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16 |
                         (left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0) |
                         (left > 2 ? bytes.data[i + 2] : 0);
        if (written > 0 && written % 76 == 0)
            buffer_append_byte(buffer, '\n');
        buffer_append_byte(buffer, (uint8_t)base64_digits[group >> 18]);
        buffer_append_byte(buffer, (uint8_t)base64_digits[group >> 12 & 63]);
        buffer_append_byte(buffer, left > 1 ? (uint8_t)base64_digits[group >> 6 & 63] : '=');
        buffer_append_byte(buffer, left > 2 ? (uint8_t)base64_digits[group & 63] : '=');
    }
}
static void append_escape(struct buffer *buffer, struct slice bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t byte = bytes.data[i];
        if (byte == 0 || byte >= 0x80)
            buffer_append_format(buffer, "\\%03o", byte);
        else if (byte == '\\')
            buffer_append_text(buffer, "\\\\");
        else
            buffer_append_byte(buffer, byte);
    }
}
static bool is_format(struct slice name, const char *wanted) {
    return name.size == strlen(wanted) &&
           strncasecmp((const char *)name.data, wanted, name.size) == 0;
}
static enum status unknown_encoding(struct slice name) {
    return error_set(STATUS_INVALID_PARAMETER_VALUE, "unrecognized encoding: \"%.*s\"",
                     (int)name.size, (const char *)name.data);
}
BOXED_FUNCTION(binary_encode) {
    struct slice bytes = arguments[0].string, format = arguments[1].string;
    struct buffer buffer = {0};
    if (is_format(format, "hex"))
        append_hex(&buffer, bytes);
    else if (is_format(format, "base64"))
        append_base64(&buffer, bytes);
    else if (is_format(format, "escape"))
        append_escape(&buffer, bytes);
    else
        return unknown_encoding(format);
    return exec__return_buffer(call, &buffer, result);
}

static int hex_value(uint8_t digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 32;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}
static bool is_space(uint8_t byte) {
    return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}
static enum status decode_hex(struct slice text, struct buffer *buffer) {
    for (size_t i = 0; i < text.size;) {
        if (is_space(text.data[i])) {
            i++;
            continue;
        }
        int high = hex_value(text.data[i]);
        if (high < 0)
            return error_set(STATUS_INVALID_PARAMETER_VALUE, "invalid hexadecimal digit: \"%c\"",
                             text.data[i]);
        if (++i == text.size)
            return error_set(STATUS_INVALID_PARAMETER_VALUE,
                             "invalid hexadecimal data: odd number of digits");
        int low = hex_value(text.data[i]);
        if (low < 0)
            return error_set(STATUS_INVALID_PARAMETER_VALUE, "invalid hexadecimal digit: \"%c\"",
                             text.data[i]);
        buffer_append_byte(buffer, (uint8_t)(high << 4 | low));
        i++;
    }
    return STATUS_OK;
}
static enum status decode_base64(struct slice text, struct buffer *buffer) {
    uint32_t group = 0;
    unsigned digits = 0, padding = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        const char *place = byte == 0 ? NULL : strchr(base64_digits, byte);
        if (is_space(byte))
            continue;
        if (byte == '=' && digits >= 2) {
            padding++;
            group <<= 6;
        } else if (place != NULL && padding == 0) {
            group = group << 6 | (uint32_t)(place - base64_digits);
        } else {
            return error_set(STATUS_INVALID_PARAMETER_VALUE,
                             byte == '=' ? "unexpected \"=\" while decoding base64 sequence"
                                         : "invalid symbol \"%c\" found while decoding base64 "
                                           "sequence",
                             byte);
        }
        if (++digits == 4) {
            uint8_t bytes[3] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
            buffer_append(buffer, bytes, 3 - (padding > 2 ? 2 : padding));
            group = digits = 0;
        }
    }
    if (digits == 0)
        return STATUS_OK;
    enum status status = error_set(STATUS_INVALID_PARAMETER_VALUE, "invalid base64 end sequence");
    error_hint("Input data is missing padding, is truncated, or is otherwise corrupted.");
    return status;
}
static enum status decode_escape(struct slice text, struct buffer *buffer) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\\') {
            buffer_append_byte(buffer, text.data[i]);
        } else if (i + 1 < text.size && text.data[i + 1] == '\\') {
            buffer_append_byte(buffer, '\\');
            i++;
        } else if (i + 3 < text.size && text.data[i + 1] >= '0' && text.data[i + 1] <= '3' &&
                   text.data[i + 2] >= '0' && text.data[i + 2] <= '7' && text.data[i + 3] >= '0' &&
                   text.data[i + 3] <= '7') {
            buffer_append_byte(buffer,
                               (uint8_t)((text.data[i + 1] - '0') << 6 |
                                         (text.data[i + 2] - '0') << 3 | (text.data[i + 3] - '0')));
            i += 3;
        } else {
            return error_set(STATUS_INVALID_TEXT_REPRESENTATION,
                             "invalid input syntax for type bytea");
        }
    }
    return STATUS_OK;
}
BOXED_FUNCTION(binary_decode) {
    struct slice text = arguments[0].string, format = arguments[1].string;
    struct buffer buffer = {0};
    enum status status = is_format(format, "hex")      ? decode_hex(text, &buffer)
                         : is_format(format, "base64") ? decode_base64(text, &buffer)
                         : is_format(format, "escape") ? decode_escape(text, &buffer)
                                                       : unknown_encoding(format);
    if (status != STATUS_OK) {
        buffer_release(&buffer);
        return status;
    }
    return exec__return_buffer(call, &buffer, result);
}

/* ---- digests ----------------------------------------------------------------------------- */

static uint32_t rotate_left(uint32_t x, unsigned by) {
    return x << by | x >> (32 - by);
}

/* floor(2^32 * |sin(i + 1)|) */
static const uint32_t md5_sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static void md5_block(uint32_t state[8], const uint8_t *block) {
    static const uint8_t shifts[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (unsigned i = 0; i < 64; i++) {
        uint32_t mixed;
        unsigned word;
        switch (i / 16) {
        case 0:
            mixed = (b & c) | (~b & d), word = i;
            break;
        case 1:
            mixed = (d & b) | (~d & c), word = (5 * i + 1) % 16;
            break;
        case 2:
            mixed = b ^ c ^ d, word = (3 * i + 5) % 16;
            break;
        default:
            mixed = c ^ (b | ~d), word = (7 * i) % 16;
        }
        mixed += a + md5_sines[i] + get_le32(block + 4 * word);
        a = d;
        d = c;
        c = b;
        b += rotate_left(mixed, shifts[i / 16][i % 4]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
}

/* First 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t sha256_roots[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate_right(uint32_t x, unsigned by) {
    return x >> by | x << (32 - by);
}
static void sha256_block(uint32_t state[8], const uint8_t *block) {
    uint32_t w[64], s[8];
    memcpy(s, state, sizeof s);
    for (unsigned i = 0; i < 16; i++)
        w[i] = get_be32(block + 4 * i);
    for (unsigned i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + (rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3) + w[i - 7] +
               (rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10);
    }
    for (unsigned i = 0; i < 64; i++) {
        uint32_t e = s[4], a = s[0];
        uint32_t first = s[7] + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25)) +
                         ((e & s[5]) ^ (~e & s[6])) + sha256_roots[i] + w[i];
        uint32_t second = (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22)) +
                          ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + second;
    }
    for (unsigned i = 0; i < 8; i++)
        state[i] += s[i];
}

/* Feed all blocks, the last ones padded with 0x80, zeros and the length in bits. */
static void digest(struct slice bytes, void (*block)(uint32_t *, const uint8_t *), bool big_endian,
                   uint32_t state[8]) {
    uint8_t last[128] = {0};
    size_t at = 0;
    for (; bytes.size - at >= 64; at += 64)
        block(state, bytes.data + at);
    size_t rest = bytes.size - at, padded = rest + 9 <= 64 ? 64 : 128;
    if (rest > 0)
        memcpy(last, bytes.data + at, rest);
    last[rest] = 0x80;
    if (big_endian)
        put_be64(last + padded - 8, (uint64_t)bytes.size * 8);
    else
        put_le64(last + padded - 8, (uint64_t)bytes.size * 8);
    for (size_t i = 0; i < padded; i += 64)
        block(state, last + i);
}
static enum status md5(struct kernel_call *call, struct slice bytes, struct value *result) {
    uint32_t state[8] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    uint8_t out[16];
    struct buffer buffer = {0};
    digest(bytes, md5_block, false, state);
    for (unsigned i = 0; i < 4; i++)
        put_le32(out + 4 * i, state[i]);
    append_hex(&buffer, slice_of(out, sizeof out));
    return exec__return_buffer(call, &buffer, result);
}
BOXED_FUNCTION(md5_text) {
    return md5(call, arguments[0].string, result);
}
BOXED_FUNCTION(md5_bytea) {
    return md5(call, arguments[0].string, result);
}
BOXED_FUNCTION(sha256) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint8_t *out;
    TRY(exec__result_bytes(call, 32, &out));
    digest(arguments[0].string, sha256_block, true, state);
    for (unsigned i = 0; i < 8; i++)
        put_be32(out + 4 * i, state[i]);
    return return_text(result, slice_of(out, 32));
}

static const struct kernel_entry entries[] = {
    BOXED(byteaoctetlen), BOXED(bit_length_bytea), BOXED(byteaGetByte),        BOXED(byteaSetByte),
    BOXED(byteacat),      BOXED(bytea_substr),     BOXED(bytea_substr_no_len), BOXED(byteapos),
    BOXED(byteatrim),     BOXED(byteaoverlay),     BOXED(byteaoverlay_no_len), BOXED(binary_encode),
    BOXED(binary_decode), BOXED(md5_text),         BOXED(md5_bytea),           BOXED(sha256),
};
KERNEL_TABLE(exec__kernels_bytes, entries)
