/*
 * Choosing among functions or operators of one name. Private to the binder's files about calls.
 */
#ifndef SQL_BIND_OVERLOAD_H
#define SQL_BIND_OVERLOAD_H

#include "sql/bind.h"

enum { CANDIDATES_MAX = 128, CALL_ARGUMENTS_MAX = 100 };

struct candidate {
    const void *item; /* struct function, aggregate or operator */
    uint32_t count;
    uint32_t *types;
    bool loose; /* variadic array given element by element */
};

bool type_is_polymorphic(uint32_t id);
/* Of an array and of an element; 0: there is none. */
uint32_t type_element(uint32_t id);
uint32_t type_array(uint32_t element);
/* The best of the candidates that can be reached; *count_out 0: none, > 1: ambiguous. */
struct candidate *candidate_choose(struct candidate *all, size_t all_count, uint32_t argument_count,
                                   const struct type *actual, size_t *count_out);
/* Decide what polymorphic arguments and the result are, and coerce all arguments. */
enum status bind_coerce_arguments(struct binder *b, int location, uint32_t count,
                                  struct expression **arguments, uint32_t *types, uint32_t *result)
    MUST_USE;
/* Comparisons and arithmetic between two types become casts and the one-type function. */
void bind_unify_sides(struct binder *b, const struct function **function, struct expression **left,
                      struct expression **right);

#endif
