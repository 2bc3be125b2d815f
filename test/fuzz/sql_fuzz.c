/* SQL text, from a Query message to its rows; then once more through Parse, Describe and Execute.
 */
#include "fuzz_server.h"

static void append_prepared(struct buffer *out, struct slice text) {
    struct buffer body = {0};
    buffer_append(&body, "", 1);
    buffer_append_slice(&body, text);
    buffer_append(&body, "\0\0\0", 3);
    fuzz_append_message(out, 'P', slice_of(body.data, body.size));
    buffer_release(&body);
    fuzz_append_message(out, 'B', slice_of("\0\0\0\0\0\0\0\1\0\1", 10));
    fuzz_append_message(out, 'D', slice_of("P", 2));
    fuzz_append_message(out, 'E', slice_of("\0\0\0\0\7", 5));
    fuzz_append_message(out, 'S', SLICE_EMPTY);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct slice text = slice_of(bytes, size);
    struct buffer out = {0}, query = {0};
    bool alone = size > 0 && bytes[0] == ' ';
    const char *begin = alone ? "" : "begin", *end = alone ? "" : "rollback";
    fuzz_append_startup(&out);
    fuzz_append_query(&out, begin);
    buffer_append_slice(&query, text);
    buffer_append(&query, "", 1);
    fuzz_append_message(&out, 'Q', slice_of(query.data, query.size));
    fuzz_append_query(&out, end);
    fuzz_append_query(&out, begin);
    append_prepared(&out, text);
    fuzz_append_query(&out, end);
    fuzz_converse(slice_of(out.data, out.size), 1 << 16);
    buffer_release(&out);
    buffer_release(&query);
    return 0;
}
