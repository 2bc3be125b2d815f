/* A whole conversation. First byte: how large the pieces are that arrive, and (bit 7) whether the
   handshake is fuzzed too. */
#include "fuzz_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct slice input = slice_of(bytes, size);
    struct buffer out = {0};
    uint8_t shape = fuzz_byte(&input);
    if ((shape & 0x80) == 0)
        fuzz_append_startup(&out);
    buffer_append_slice(&out, input);
    fuzz_converse(slice_of(out.data, out.size), (shape & 0x7f) == 0 ? 1 << 16 : shape & 0x7f);
    buffer_release(&out);
    return 0;
}
