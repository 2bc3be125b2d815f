#include "base/base_queue.h"

#include <string.h>

#include "base/base_memory.h"

enum status queue_init(struct queue *queue, size_t capacity, size_t element_size) {
    ASSERT(capacity > 0 && (capacity & (capacity - 1)) == 0);
    memset(queue, 0, sizeof *queue);
    queue->elements = memory_alloc_zeroed(capacity, element_size);
    if (queue->elements == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory for a queue of %zu", capacity);
    queue->mask = capacity - 1;
    queue->element_size = element_size;
    return STATUS_OK;
}

void queue_release(struct queue *queue) {
    memory_free(queue->elements);
    queue->elements = NULL;
}

bool queue_push(struct queue *queue, const void *element) {
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    if (tail - queue->head_cached > queue->mask) {
        queue->head_cached = atomic_load_explicit(&queue->head, memory_order_acquire);
        if (tail - queue->head_cached > queue->mask)
            return false;
    }
    memcpy(queue->elements + (tail & queue->mask) * queue->element_size, element,
           queue->element_size);
    atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
    return true;
}

bool queue_pop(struct queue *queue, void *element_out) {
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    if (head == queue->tail_cached) {
        queue->tail_cached = atomic_load_explicit(&queue->tail, memory_order_acquire);
        if (head == queue->tail_cached)
            return false;
    }
    memcpy(element_out, queue->elements + (head & queue->mask) * queue->element_size,
           queue->element_size);
    atomic_store_explicit(&queue->head, head + 1, memory_order_release);
    return true;
}

size_t queue_count(const struct queue *queue) {
    uint64_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
    return (size_t)(tail - head);
}
