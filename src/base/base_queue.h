/*
 * Bounded queue between two threads: one producer, one consumer, fixed-size elements, no locks.
 * The ring of Lamport (1977) with cached positions: a side reads the other's position only when
 * the ring looks full (or empty) to it. A full queue refuses; it never grows.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_status.h"

struct queue {
    _Alignas(64) _Atomic uint64_t head; /* next to pop; written by the consumer */
    uint64_t tail_cached;
    _Alignas(64) _Atomic uint64_t tail; /* next to push; written by the producer */
    uint64_t head_cached;
    _Alignas(64) uint8_t *elements;
    uint64_t mask;
    size_t element_size;
};

/* `capacity` is a power of two. */
enum status queue_init(struct queue *queue, size_t capacity, size_t element_size) MUST_USE;
void queue_release(struct queue *queue);
/* Producer side. False when full. */
bool queue_push(struct queue *queue, const void *element);
/* Consumer side. False when empty. */
bool queue_pop(struct queue *queue, void *element_out);
/* Either side; a moment's view. */
size_t queue_count(const struct queue *queue);

#endif
