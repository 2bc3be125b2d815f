/*
 * Waiting among the fibers of one core. None of these may be shared between cores; all are valid
 * when zeroed. Waiters are served first come, first served. A wait that is cancelled or runs
 * into the deadline leaves the queue and returns the reason.
 */
#ifndef RUNTIME_SYNC_H
#define RUNTIME_SYNC_H

#include "runtime/runtime.h"

struct wait_queue {
    struct wait_node *first, *last;
};

/* Manual event: once set, everybody passes until it is reset. */
struct event {
    bool is_set;
    struct wait_queue waiters;
};
void event_set(struct event *event);
void event_reset(struct event *event);
enum status event_wait(struct fiber *f, struct event *event) MUST_USE;

/* Not recursive; hand-over is direct, in order. */
struct fiber_mutex {
    struct fiber *owner;
    struct wait_queue waiters;
};
enum status fiber_mutex_lock(struct fiber *f, struct fiber_mutex *mutex) MUST_USE;
bool fiber_mutex_try_lock(struct fiber *f, struct fiber_mutex *mutex);
void fiber_mutex_unlock(struct fiber *f, struct fiber_mutex *mutex);

struct semaphore {
    uint64_t available;
    struct wait_queue waiters;
};
enum status semaphore_acquire(struct fiber *f, struct semaphore *semaphore, uint64_t count)
    MUST_USE;
void semaphore_post(struct semaphore *semaphore, uint64_t count);

/* Condition: wait to be woken, once. The waker decides who; there are no spurious wake-ups. */
struct condition {
    struct wait_queue waiters;
};
enum status condition_wait(struct fiber *f, struct condition *condition) MUST_USE;
bool condition_wake_one(struct condition *condition); /* false when nobody waited */
void condition_wake_all(struct condition *condition);

/* Bounded channel of pointers. */
struct channel {
    void **ring;
    uint32_t capacity, first, count;
    bool closed;
    struct wait_queue senders, receivers;
};
enum status channel_init(struct channel *channel, uint32_t capacity) MUST_USE;
void channel_release(struct channel *channel);
/* Suspends while full. *accepted_out is false when the channel is closed. */
enum status channel_send(struct fiber *f, struct channel *channel, void *item, bool *accepted_out)
    MUST_USE;
/* Suspends while empty. *item_out is NULL when closed and drained. */
enum status channel_receive(struct fiber *f, struct channel *channel, void **item_out) MUST_USE;
void channel_close(struct channel *channel);

#endif
