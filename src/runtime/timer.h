/* Timers of one core: a binary heap by time. A timer lies in its owner's memory. */
#ifndef TIMER_H
#define TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t at_ns;
    size_t position; /* in the heap, from 1; 0: not set */
    void (*fire)(struct timer *timer);
};

struct timer_heap {
    struct timer **timers; /* timers[1] is the first to fire; [0] is unused */
    size_t count, capacity;
};

void timer__release(struct timer_heap *heap);
/* Make room for `count` timers in all. False when out of memory. */
bool timer__reserve(struct timer_heap *heap, size_t count);
/* Start, or move, a timer. Room must have been reserved. */
void timer__set(struct timer_heap *heap, struct timer *timer, int64_t at_ns);
/* Harmless when not set. */
void timer__clear(struct timer_heap *heap, struct timer *timer);
/* Fire all that are due at now_ns. fire() may set and clear timers. */
void timer__run(struct timer_heap *heap, int64_t now_ns);
/* INT64_MAX when there is none. */
int64_t timer__first(const struct timer_heap *heap);

#endif
