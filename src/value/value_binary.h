/*
 * PostgreSQL's binary form of every type: the bodies of binary parameters, binary results and
 * binary COPY, in network order, without the length word before them.
 */
#ifndef VALUE_BINARY_H
#define VALUE_BINARY_H

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "base/base_slice.h"
#include "base/base_status.h"
#include "value/value.h"

/* Append the binary form of a non-null value. Fails for types that have none. */
enum status binary_send(const struct value *value, struct buffer *buffer) MUST_USE;

/* Bytes to a value of `type` (modifier applied). Strings are checked to be UTF-8; results live in
   `arena` or are the input itself. Statuses: INVALID_BINARY_REPRESENTATION `incorrect binary data
   format`, PROTOCOL_VIOLATION `insufficient data left in message`, and those of text_input. */
enum status binary_receive(struct slice bytes, struct type type, struct arena *arena,
                           struct value *value_out) MUST_USE;

#endif
