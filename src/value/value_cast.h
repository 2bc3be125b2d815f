/*
 * Casts of one boxed value. Which casts may be applied where is PostgreSQL's pg_cast, asked with
 * cast_method; how is value_cast.
 */
#ifndef VALUE_CAST_H
#define VALUE_CAST_H

#include <stdbool.h>

#include "base/base_arena.h"
#include "base/base_status.h"
#include "value/value.h"
#include "value/value_text.h"

/* The context in which a cast is wanted; each allows what the ones before it allow. */
enum cast_context { CAST_IMPLICIT, CAST_ASSIGNMENT, CAST_EXPLICIT };

/* True when a value of type `from` may become `to` in this context (ids; modifiers never forbid).
   Equal ids are always true. unknown becomes anything. Arrays follow their elements. Anything to
   and from text in EXPLICIT (to text, varchar, bpchar: also in ASSIGNMENT) goes through the type's
   output and input. */
bool cast_allowed(uint32_t from, uint32_t to, enum cast_context context);

/* Convert, and apply the target's modifier: varchar(n) and char(n) cut silently when
   `explicit_cast`, else refuse (STRING_DATA_RIGHT_TRUNCATION) unless the rest is spaces; numeric
   rounds and may overflow; time types round. NULL stays NULL, and an infinite timestamp has no
   time: it becomes NULL there. The result is in the physical form
   of `to`. CANNOT_COERCE when there is no such cast. Strings of the result live in `arena` or are
   those of `value`. */
enum status value_cast(const struct value_context *context, const struct value *value,
                       struct type to, bool explicit_cast, struct arena *arena,
                       struct value *value_out) MUST_USE;

#endif
