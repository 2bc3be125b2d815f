/*
 * Fuzz targets: functions that take any bytes and may neither crash, hang, read beyond them nor
 * answer with an internal error. `make fuzz` runs each with libFuzzer under the address and the
 * undefined-behaviour sanitizer; the tests run each over its corpus (corpus/<target>/), where the
 * inputs that once found something stay.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "test.h"

#include "base/base_slice.h"

/* The target; libFuzzer's name and form. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The next byte of the input, 0 at its end. */
static inline uint8_t fuzz_byte(struct slice *input) {
    if (input->size == 0)
        return 0;
    uint8_t byte = input->data[0];
    *input = slice_of(input->data + 1, input->size - 1);
    return byte;
}

/* Stop here: the fuzzer keeps the input. */
#define fuzz_require(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
