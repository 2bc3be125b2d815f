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

/* ---- work that costs readers nothing ------------------------------------------------------- */

/*
 * Many threads mark something often, one looks at the marks rarely: with a fence on each mark the
 * many pay. Here the rare one pays:
 *
 *     often, on any thread              rarely
 *     marks[thread_slot()] = ...        change what `read` looks at
 *     atomic_signal_fence(...)          thread_barrier()
 *     read                              look at all marks
 *
 * Either the one who marks reads the change, or the other sees the mark. Marks are relaxed atomics,
 * written without locked instructions, since nobody else writes to the slot's.
 */
enum { THREAD_SLOTS = 64 };
extern _Thread_local int thread__slot __attribute__((tls_model("initial-exec")));
int thread__slot_take(void);
/* A number that no other living thread has, 0 .. THREAD_SLOTS-1. -1, for good: all are taken, or
   the system has no thread_barrier. When the thread has ended another may get the number; it sees
   what the first one wrote. */
static inline int thread_slot(void) {
    int slot = thread__slot;
    return __builtin_expect(slot >= 0, true) ? slot : thread__slot_take();
}
/* The same, but also negative as long as the thread has not asked for one. */
static inline int thread_slot_now(void) {
    return thread__slot;
}
/* Between call and return every running thread of the process passes a full memory barrier; nothing
   where no thread can have a slot. Some microseconds. */
void thread_barrier(void);

/* ---- interruptions by the user ------------------------------------------------------------ */

/* From now on SIGINT does not end the program: until interrupt_seen has told of it, some times a
   second, `function(argument)` is called on a thread of its own, and if that finds nothing to do, a
   read of the terminal that waits in the calling thread ends with EINTR (by SIGUSR2). For programs
   whose runtime has no on_signal; once at a time. SIGHUP, and the end of `terminal` (a file; -1:
   none), are an interruption that stays until the release. */
enum status interrupt_catch(bool (*function)(void *argument), void *argument, int terminal)
    MUST_USE;
/* Was there one since this was asked last? */
bool interrupt_seen(void);
/* Has the terminal gone? */
bool interrupt_hung_up(void);
void interrupt_release(void);

#endif
