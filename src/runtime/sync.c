/* Events, mutexes, semaphores, conditions and channels for the fibers of one core. */
#include "runtime/runtime_sync.h"

#include "base/base_chance.h"
#include "base/base_memory.h"
#include "runtime/core.h"

/* In the frame of the waiting fiber; in its queue exactly while nobody has decided its fate. */
struct wait_node {
    struct wait_node *next, *previous;
    struct wait_queue *queue;
    struct fiber *fiber;
    uint64_t count; /* semaphore: wanted */
    void *item;     /* channel: to send, or received */
    bool interrupted, accepted;
};

static void enqueue(struct wait_queue *queue, struct wait_node *node) {
    node->queue = queue;
    node->previous = queue->last;
    if (queue->last != NULL)
        queue->last->next = node;
    else
        queue->first = node;
    queue->last = node;
}

static void dequeue(struct wait_node *node) {
    struct wait_queue *queue = node->queue;
    if (node->previous != NULL)
        node->previous->next = node->next;
    else
        queue->first = node->next;
    if (node->next != NULL)
        node->next->previous = node->previous;
    else
        queue->last = node->previous;
}

static void wait_interrupted(struct fiber *f, void *object) {
    struct wait_node *node = object;
    dequeue(node);
    node->interrupted = true;
    fiber__ready(f);
}

/* Wait in the queue until wake() or an interruption. */
static enum status wait_in(struct fiber *f, struct wait_queue *queue, struct wait_node *node) {
    TRY(fiber__interrupted(f));
    node->fiber = f;
    enqueue(queue, node);
    fiber__wait(f, wait_interrupted, node);
    return node->interrupted ? fiber__interrupted(f) : STATUS_OK;
}

static void wake(struct wait_node *node) {
    dequeue(node);
    fiber__ready(node->fiber);
}

/* ---- event ------------------------------------------------------------------------------ */

void event_set(struct event *event) {
    event->is_set = true;
    while (event->waiters.first != NULL)
        wake(event->waiters.first);
}

void event_reset(struct event *event) {
    event->is_set = false;
}

enum status event_wait(struct fiber *f, struct event *event) {
    if (event->is_set)
        return STATUS_OK;
    struct wait_node node = {0};
    return wait_in(f, &event->waiters, &node);
}

/* ---- mutex ------------------------------------------------------------------------------ */

bool fiber_mutex_try_lock(struct fiber *f, struct fiber_mutex *mutex) {
    ASSERT(mutex->owner != f);
    if (mutex->owner != NULL)
        return false;
    mutex->owner = f;
    return true;
}

enum status fiber_mutex_lock(struct fiber *f, struct fiber_mutex *mutex) {
    if (by_chance("runtime: a free mutex is waited for"))
        fiber_yield(f);
    if (fiber_mutex_try_lock(f, mutex)) {
        if (by_chance("runtime: a mutex is held for long"))
            fiber_yield(f);
        return STATUS_OK;
    }
    struct wait_node node = {0};
    TRY(wait_in(f, &mutex->waiters, &node));
    ASSERT(mutex->owner == f);
    return STATUS_OK;
}

void fiber_mutex_unlock(struct fiber *f, struct fiber_mutex *mutex) {
    ASSERT(mutex->owner == f);
    struct wait_node *next = mutex->waiters.first;
    mutex->owner = next != NULL ? next->fiber : NULL;
    if (next != NULL)
        wake(next);
}

/* ---- semaphore -------------------------------------------------------------------------- */

static void semaphore_serve(struct semaphore *semaphore) {
    struct wait_node *node;
    while ((node = semaphore->waiters.first) != NULL && node->count <= semaphore->available) {
        semaphore->available -= node->count;
        wake(node);
    }
}

enum status semaphore_acquire(struct fiber *f, struct semaphore *semaphore, uint64_t count) {
    if (semaphore->waiters.first == NULL && semaphore->available >= count) {
        semaphore->available -= count;
        return STATUS_OK;
    }
    struct wait_node node = {.count = count};
    enum status status = wait_in(f, &semaphore->waiters, &node);
    if (status != STATUS_OK)
        semaphore_serve(semaphore); /* who stood behind a large wish may go now */
    return status;
}

void semaphore_post(struct semaphore *semaphore, uint64_t count) {
    ASSERT(semaphore->available + count >= count);
    semaphore->available += count;
    semaphore_serve(semaphore);
}

/* ---- condition -------------------------------------------------------------------------- */

enum status condition_wait(struct fiber *f, struct condition *condition) {
    struct wait_node node = {0};
    return wait_in(f, &condition->waiters, &node);
}

bool condition_wake_one(struct condition *condition) {
    if (condition->waiters.first == NULL)
        return false;
    wake(condition->waiters.first);
    return true;
}

void condition_wake_all(struct condition *condition) {
    while (condition->waiters.first != NULL)
        wake(condition->waiters.first);
}

/* ---- channel ---------------------------------------------------------------------------- */

enum status channel_init(struct channel *channel, uint32_t capacity) {
    ASSERT(capacity > 0);
    *channel = (struct channel){.capacity = capacity};
    channel->ring = memory_alloc_zeroed(capacity, sizeof *channel->ring);
    if (channel->ring == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    return STATUS_OK;
}

void channel_release(struct channel *channel) {
    ASSERT(channel->senders.first == NULL && channel->receivers.first == NULL);
    memory_free(channel->ring);
    *channel = (struct channel){0};
}

static void channel_push(struct channel *channel, void *item) {
    ASSERT(channel->count < channel->capacity);
    channel->ring[((uint64_t)channel->first + channel->count) % channel->capacity] = item;
    channel->count++;
}

enum status channel_send(struct fiber *f, struct channel *channel, void *item, bool *accepted_out) {
    ASSERT(item != NULL);
    *accepted_out = false;
    if (channel->closed)
        return STATUS_OK;
    struct wait_node *receiver = channel->receivers.first;
    if (receiver != NULL) {
        receiver->item = item;
        wake(receiver);
        *accepted_out = true;
        return STATUS_OK;
    }
    if (channel->count < channel->capacity) {
        channel_push(channel, item);
        *accepted_out = true;
        return STATUS_OK;
    }
    struct wait_node node = {.item = item};
    TRY(wait_in(f, &channel->senders, &node));
    *accepted_out = node.accepted;
    return STATUS_OK;
}

enum status channel_receive(struct fiber *f, struct channel *channel, void **item_out) {
    *item_out = NULL;
    if (channel->count > 0) {
        *item_out = channel->ring[channel->first];
        channel->first = (channel->first + 1) % channel->capacity;
        channel->count--;
        struct wait_node *sender = channel->senders.first;
        if (sender != NULL) {
            channel_push(channel, sender->item);
            sender->accepted = true;
            wake(sender);
        }
        return STATUS_OK;
    }
    if (channel->closed)
        return STATUS_OK;
    struct wait_node node = {0};
    TRY(wait_in(f, &channel->receivers, &node));
    *item_out = node.item;
    return STATUS_OK;
}

void channel_close(struct channel *channel) {
    channel->closed = true;
    while (channel->senders.first != NULL)
        wake(channel->senders.first); /* not accepted */
    while (channel->receivers.first != NULL)
        wake(channel->receivers.first); /* item stays NULL */
}
