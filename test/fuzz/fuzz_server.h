/*
 * A database that fuzzed conversations are held with: one for the process, in a temporary
 * directory, brought back to the same tables before each input that could find it changed.
 */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include "base/base_buffer.h"
#include "fuzz.h"

/* Append the start-up message of an ordinary client. */
void fuzz_append_startup(struct buffer *out);
/* Append a message of the type with this body. */
void fuzz_append_message(struct buffer *out, char type, struct slice body);
void fuzz_append_query(struct buffer *out, const char *text);

/* Hold a conversation: the server receives `bytes` in pieces of at most `piece` bytes and then the
   end of the stream. Aborts on an answer with SQLSTATE XX000. */
void fuzz_converse(struct slice bytes, size_t piece);

#endif
