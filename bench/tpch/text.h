/* Pseudo text: a pool of sentences of the specification's grammar (4.2.2.13, 4.2.2.14), of which a
 * comment is a piece of random place and length. */
#ifndef BENCH_TPCH_TEXT_H
#define BENCH_TPCH_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { TEXT_POOL_BYTES = 300 << 20 };

/* Makes the pool, TEXT_POOL_BYTES bytes of sentences; the caller frees it. NULL when memory is
 * short. */
char *text_pool_create(uint64_t seed);

#endif
