/* Casts of whole vectors; what is not here is cast value by value (value_cast.h). */
#ifndef EXEC_CAST_H
#define EXEC_CAST_H

#include "value/value_vector.h"

/* The bytes stay: only the type changes. */
bool exec__cast_is_view(struct type from, struct type to);
/* Casts that cannot fail, to the type of `result`, which has its NULLs. False: not one of them. */
bool exec__cast_fast(const struct vector *source, const uint16_t *rows, uint32_t count,
                     struct vector *result);

#endif
