/*
 * Threads, locks and waiting for code that runs on ordinary threads. Not for fibers: they have
 * runtime_sync.h.
 */
#ifndef RUNTIME_THREAD_H
#define RUNTIME_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/base_status.h"

struct thread_mutex {
    pthread_mutex_t mutex;
};
/* For static ones, which need no init. */
#define THREAD_MUTEX_INITIALIZER                                                                   \
    { PTHREAD_MUTEX_INITIALIZER }
#define THREAD_CONDITION_INITIALIZER                                                               \
    { PTHREAD_COND_INITIALIZER }
void thread_mutex_init(struct thread_mutex *mutex);
void thread_mutex_release(struct thread_mutex *mutex);
void thread_mutex_lock(struct thread_mutex *mutex);
void thread_mutex_unlock(struct thread_mutex *mutex);

struct thread_condition {
    pthread_cond_t condition;
};
void thread_condition_init(struct thread_condition *condition);
void thread_condition_release(struct thread_condition *condition);
/* The mutex is held; spurious wake-ups happen. */
void thread_condition_wait(struct thread_condition *condition, struct thread_mutex *mutex);
void thread_condition_wake_all(struct thread_condition *condition);

enum { THREAD_COUNT_MAX = 256 };

/* Processors this process may use, at least 1. */
unsigned thread_processor_count(void);
/* Run function(context, i) for i = 0 .. count-1, each on a thread of its own (0 on the caller's),
   and wait for all. The first failure is returned, its detail in the caller's slot; the others run
   to their end. When a thread cannot be started its part runs on the caller's. */
enum status thread_run_all(unsigned count, enum status (*function)(void *context, unsigned index),
                           void *context) MUST_USE;
/* Let others run for a moment. */
void thread_pause(void);

#endif
