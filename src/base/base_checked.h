/* Integer arithmetic that says when it overflowed: true means the result does not fit. */
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#define CHECKED_ADD(a, b, out) __builtin_add_overflow((a), (b), (out))
#define CHECKED_SUB(a, b, out) __builtin_sub_overflow((a), (b), (out))
#define CHECKED_MUL(a, b, out) __builtin_mul_overflow((a), (b), (out))

#endif
