/* What the files about rows share. Private to the room. */
#ifndef VALUE_ROW_PARTS_H
#define VALUE_ROW_PARTS_H

#include "value/value_row.h"

/* A row whose header fits its size: offsets of its parts from its first byte. */
struct row_parts {
    const uint8_t *row;
    uint32_t columns;
    uint8_t flags;
    size_t fixed, ends, bytes;
    size_t variable_size; /* bytes after the ends */
};

enum status row__open(const struct row_schema *schema, struct slice row, struct row_parts *parts)
    MUST_USE;
/* Bytes of the variable column with this index. */
enum status row__variable(const struct row_parts *parts, uint32_t index, struct slice *bytes_out,
                          bool *external_out) MUST_USE;
/* ROW_EXTERNAL_SIZE bytes to a reference. */
enum status row__external(struct slice bytes, struct row_external *external_out) MUST_USE;

#endif
