/* DataRow messages out of batches. Private to the room. */
#ifndef PGWIRE_ROWS_H
#define PGWIRE_ROWS_H

#include "base/base_buffer.h"
#include "session/session.h"
#include "value/value_text.h"

/* Append one DataRow for each selected row from *row on, until the batch is done or the buffer
   holds `size_stop` bytes; *row says how far it got. A value without a text or binary form fails;
   what was appended of its row is taken back. */
enum status rows_append(struct buffer *buffer, const struct batch *batch,
                        const struct column_description *columns,
                        const struct value_context *context, size_t size_stop, uint32_t *row)
    MUST_USE;

#endif
