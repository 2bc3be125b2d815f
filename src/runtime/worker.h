/*
 * Threads for system calls that block. At most WORKER_THREADS_MAX, started when first needed;
 * the queue is made of the operations themselves, so fibers bound its length.
 */
#ifndef WORKER_H
#define WORKER_H

#include <stdbool.h>

#include "runtime/backend.h"

enum { WORKER_THREADS_MAX = 4 };

struct worker_pool;

struct worker_pool *worker__pool_create(void);
void worker__pool_destroy(struct worker_pool *pool);
/* Perform the operation on some thread, then complete it on its core. */
void worker__start(struct worker_pool *pool, struct operation *operation);
/* Complete it with -ECANCELED if no thread has begun with it; otherwise it runs to its end. */
void worker__cancel(struct worker_pool *pool, struct operation *operation);

#endif
