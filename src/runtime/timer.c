#include "runtime/timer.h"

#include "base/base_memory.h"
#include "base/base_status.h"

void timer__release(struct timer_heap *heap) {
    memory_free(heap->timers);
    *heap = (struct timer_heap){0};
}

bool timer__reserve(struct timer_heap *heap, size_t count) {
    return memory_grow(&heap->timers, &heap->capacity, count + 1, sizeof *heap->timers);
}

static void place(struct timer_heap *heap, struct timer *timer, size_t position) {
    heap->timers[position] = timer;
    timer->position = position;
}

static void sift_up(struct timer_heap *heap, struct timer *timer, size_t position) {
    while (position > 1 && heap->timers[position / 2]->at_ns > timer->at_ns) {
        place(heap, heap->timers[position / 2], position);
        position /= 2;
    }
    place(heap, timer, position);
}

static void sift_down(struct timer_heap *heap, struct timer *timer, size_t position) {
    for (;;) {
        size_t child = position * 2;
        if (child > heap->count)
            break;
        if (child < heap->count && heap->timers[child + 1]->at_ns < heap->timers[child]->at_ns)
            child++;
        if (heap->timers[child]->at_ns >= timer->at_ns)
            break;
        place(heap, heap->timers[child], position);
        position = child;
    }
    place(heap, timer, position);
}

void timer__set(struct timer_heap *heap, struct timer *timer, int64_t at_ns) {
    if (timer->position == 0) {
        ASSERT(heap->count + 1 < heap->capacity);
        timer->at_ns = at_ns;
        sift_up(heap, timer, ++heap->count);
        return;
    }
    bool later = at_ns > timer->at_ns;
    timer->at_ns = at_ns;
    if (later)
        sift_down(heap, timer, timer->position);
    else
        sift_up(heap, timer, timer->position);
}

void timer__clear(struct timer_heap *heap, struct timer *timer) {
    size_t position = timer->position;
    if (position == 0)
        return;
    ASSERT(heap->timers[position] == timer);
    timer->position = 0;
    struct timer *last = heap->timers[heap->count--];
    if (last == timer)
        return;
    last->position = position;
    sift_up(heap, last, position);
    sift_down(heap, last, last->position);
}

void timer__run(struct timer_heap *heap, int64_t now_ns) {
    while (heap->count > 0 && heap->timers[1]->at_ns <= now_ns) {
        struct timer *timer = heap->timers[1];
        timer__clear(heap, timer);
        timer->fire(timer);
    }
}

int64_t timer__first(const struct timer_heap *heap) {
    return heap->count > 0 ? heap->timers[1]->at_ns : INT64_MAX;
}
