/* Drafts of numbers as they are: a stream of integers, or an array of values of fixed size. */
#include "column/chunk.h"

enum status draft_numbers(const struct column_input *input, struct column_draft *draft) {
    struct stream_plan plan;
    stream_plan(input->numbers, input->rows, &plan);
    *draft = (struct column_draft){.encoding = COLUMN_PACKED};
    TRY(stream_write(input->numbers, &plan, input->arena, &draft->stream));
    draft->size = draft->stream.size;
    return STATUS_OK;
}

enum status draft_plain(const struct column_input *input, struct column_draft *draft) {
    size_t value_size = physical_size(input->physical);
    *draft = (struct column_draft){.encoding = COLUMN_PLAIN, .size = value_size * input->rows};
    if (input->class == CLASS_FIXED) {
        draft->bytes = slice_of(input->fixed, draft->size);
        return STATUS_OK;
    }
    ASSERT(input->class == CLASS_FLOATS);
    if (input->physical == PHYSICAL_FLOAT64) {
        draft->bytes = slice_of(input->floats, draft->size);
        return STATUS_OK;
    }
    float *narrow = arena_alloc(input->arena, draft->size);
    if (narrow == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (uint32_t i = 0; i < input->rows; i++)
        narrow[i] = (float)input->floats[i];
    draft->bytes = slice_of(narrow, draft->size);
    return STATUS_OK;
}
