/* COPY FROM STDIN and, in the same transaction, TO STDOUT; rolled back. First byte: table and
 * options; second: size of a CopyData message. */
#include <stdio.h>
#include <string.h>

#include "fuzz_server.h"

static const char *const OPTIONS[] = {
    "",
    "(format csv)",
    "(format csv, header)",
    "(format csv, header match, null 'x')",
    "(format csv, delimiter ';', quote '''', escape '\\')",
    "(format csv, force_null (b), force_not_null (c))",
    "(delimiter '|', null '')",
    "(format binary)",
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct slice input = slice_of(bytes, size);
    uint8_t shape = fuzz_byte(&input), piece = fuzz_byte(&input);
    char text[128];
    struct buffer out = {0};
    fuzz_append_startup(&out);
    fuzz_append_query(&out, "begin");
    const char *table = (shape & 8) == 0 ? "t" : "u";
    if ((shape & 7) == 5)
        table = "t"; /* its columns are named */
    snprintf(text, sizeof text, "copy %s from stdin %s", table, OPTIONS[shape & 7]);
    fuzz_append_query(&out, text);
    size_t step = piece == 0 ? input.size + 1 : piece;
    for (size_t at = 0; at < input.size; at += step)
        fuzz_append_message(
            &out, 'd', slice_of(input.data + at, step < input.size - at ? step : input.size - at));
    fuzz_append_message(&out, 'c', SLICE_EMPTY);
    snprintf(text, sizeof text, "copy %s to stdout %s", table,
             (shape & 7) == 5 ? "(format csv)" : OPTIONS[shape & 7]);
    fuzz_append_query(&out, text);
    fuzz_append_query(&out, "rollback");
    fuzz_converse(slice_of(out.data, out.size), 1 << 16);
    buffer_release(&out);
    return 0;
}
