/* UNROLL(n) before a loop; gcc warns of it where it does not optimise. */
#ifndef BASE_UNROLL_H
#define BASE_UNROLL_H

#ifdef __OPTIMIZE__
#define PRAGMA_OF(text) _Pragma(#text)
#define UNROLL(count) PRAGMA_OF(GCC unroll count)
#else
#define UNROLL(count)
#endif

#endif
