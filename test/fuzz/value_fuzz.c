/* Values as texts and in binary form. First byte: the type; second: text or binary, and styles.
   What was read is written and read again: the same value must come. */
#include <stdio.h>
#include <stdlib.h>

#include "base/base_arena.h"
#include "fuzz.h"
#include "value/value_binary.h"
#include "value/value_random.h"
#include "value/value_text.h"

static struct type some_type(uint8_t byte) {
    const struct type more[] = {
        type_make(TYPE_INT4_ARRAY, -1),
        type_make(TYPE_TEXT_ARRAY, -1),
        type_make(TYPE_BOOL_ARRAY, -1),
        type_make(TYPE_TIMESTAMP, 2),
        type_make(TYPE_BPCHAR, 9),
        TYPE_OF(TID),
        type_numeric(12, 2),
        TYPE_OF(CHAR),
    };
    unsigned at = byte % (RANDOM_TYPE_COUNT + sizeof more / sizeof *more);
    return at < RANDOM_TYPE_COUNT ? random_type_at(at) : more[at - RANDOM_TYPE_COUNT];
}

/* Text and binary form of a value lead back to it. */
static void require_same_again(const struct value_context *context, const struct value *value,
                               struct arena *arena) {
    struct buffer text = {0}, again = {0}, binary = {0};
    struct value back;
    if (text_output(context, value, &text) != STATUS_OK)
        return;
    struct slice written = slice_of(text.data, text.size);
    bool exact = context->date_style == DATE_STYLE_ISO;
    enum status status = text_input(context, written, value->type, arena, &back);
    if (exact && value->type.id != TYPE_CHAR) {
        fuzz_require(status == STATUS_OK);
        fuzz_require(text_output(context, &back, &again) == STATUS_OK);
        fuzz_require(slice_equal(written, slice_of(again.data, again.size)));
    }
    if (binary_send(value, &binary) == STATUS_OK) {
        buffer_clear(&again);
        status = binary_receive(slice_of(binary.data, binary.size), value->type, arena, &back);
        fuzz_require(status == STATUS_OK);
        fuzz_require(text_output(context, &back, &again) == STATUS_OK);
        fuzz_require(slice_equal(written, slice_of(again.data, again.size)));
    }
    buffer_release(&text);
    buffer_release(&again);
    buffer_release(&binary);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct slice input = slice_of(bytes, size);
    struct type type = some_type(fuzz_byte(&input));
    uint8_t styles = fuzz_byte(&input);
    struct value_context context = {
        .date_style = (styles >> 1 & 3),
        .date_order = (styles >> 3 & 3) % 3,
        .interval_style = styles >> 5 & 3,
        .bytea_escape = styles >> 7,
    };
    struct arena arena = {0};
    struct value value;
    enum status status;
    if ((styles & 1) == 0 && utf8_check(input) != STATUS_OK)
        return 0;
    status = (styles & 1) == 0 ? text_input(&context, input, type, &arena, &value)
                               : binary_receive(input, type, &arena, &value);
    fuzz_require(status != STATUS_INTERNAL_ERROR);
    if (status == STATUS_OK && !value.is_null)
        require_same_again(&context, &value, &arena);
    arena_release(&arena);
    return 0;
}
