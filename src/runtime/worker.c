#include "runtime/worker.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/core.h"

enum { STAGE_QUEUED = 1, STAGE_RUNNING };

struct worker_pool {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct list queue;
    unsigned idle_count, queued_count, thread_count;
    bool stopping;
    pthread_t threads[WORKER_THREADS_MAX];
};

static void deliver_result(struct core *c, struct message *message) {
    struct operation *operation = CONTAINER_OF(message, struct operation, message);
    operation__complete(operation, operation->result);
}

static void *worker_thread(void *argument) {
    struct worker_pool *pool = argument;
    (void)pthread_setname_np(pthread_self(), "file worker");
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        struct list *node = list_pop_front(&pool->queue);
        if (node == NULL) {
            if (pool->stopping)
                break;
            pool->idle_count++;
            pthread_cond_wait(&pool->work, &pool->mutex);
            pool->idle_count--;
            continue;
        }
        struct operation *operation = CONTAINER_OF(node, struct operation, link);
        operation->stage = STAGE_RUNNING;
        pool->queued_count--;
        pthread_mutex_unlock(&pool->mutex);
        operation->result = system__perform(operation);
        operation->message.deliver = deliver_result;
        core__post(operation->core, &operation->message);
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

struct worker_pool *worker__pool_create(void) {
    struct worker_pool *pool = memory_alloc_zeroed(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    list_init(&pool->queue);
    return pool;
}

void worker__pool_destroy(struct worker_pool *pool) {
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    memory_free(pool);
}

/* Under the mutex. True when somebody will look at the queue. */
static bool ensure_thread(struct worker_pool *pool) {
    if (pool->idle_count > pool->queued_count || pool->thread_count == WORKER_THREADS_MAX)
        return true;
    int error = signal__thread_create(&pool->threads[pool->thread_count], worker_thread, pool);
    if (error == 0)
        pool->thread_count++;
    else
        LOG(LOG_WARNING, "runtime", "could not start a file thread: %s", strerror(error));
    return pool->thread_count > 0;
}

void worker__start(struct worker_pool *pool, struct operation *operation) {
    pthread_mutex_lock(&pool->mutex);
    bool served = ensure_thread(pool);
    if (served) {
        operation->stage = STAGE_QUEUED;
        pool->queued_count++;
        list_push_back(&pool->queue, &operation->link);
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->mutex);
    if (!served) /* no thread to be had: better late than never */
        operation__complete(operation, system__perform(operation));
}

void worker__cancel(struct worker_pool *pool, struct operation *operation) {
    pthread_mutex_lock(&pool->mutex);
    bool taken_back = operation->stage == STAGE_QUEUED;
    if (taken_back) {
        list_remove(&operation->link);
        pool->queued_count--;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (taken_back)
        operation__complete(operation, -ECANCELED);
}
