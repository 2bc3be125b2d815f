/* Threads and locks of the machine. */
#include "runtime/runtime_thread.h"

#include <sched.h>
#include <string.h>

#include "base/base_memory.h"
#include "runtime/core.h"

void thread_mutex_init(struct thread_mutex *mutex) {
    pthread_mutex_init(&mutex->mutex, NULL);
}

void thread_mutex_release(struct thread_mutex *mutex) {
    pthread_mutex_destroy(&mutex->mutex);
}

void thread_mutex_lock(struct thread_mutex *mutex) {
    pthread_mutex_lock(&mutex->mutex);
}

void thread_mutex_unlock(struct thread_mutex *mutex) {
    pthread_mutex_unlock(&mutex->mutex);
}

void thread_condition_init(struct thread_condition *condition) {
    pthread_cond_init(&condition->condition, NULL);
}

void thread_condition_release(struct thread_condition *condition) {
    pthread_cond_destroy(&condition->condition);
}

void thread_condition_wait(struct thread_condition *condition, struct thread_mutex *mutex) {
    pthread_cond_wait(&condition->condition, &mutex->mutex);
}

void thread_condition_wake_all(struct thread_condition *condition) {
    pthread_cond_broadcast(&condition->condition);
}

unsigned thread_processor_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : (unsigned)count;
}

void thread_pause(void) {
    sched_yield();
}

/* ---- fork and join ------------------------------------------------------------------------ */

struct part {
    enum status (*function)(void *context, unsigned index);
    void *context;
    unsigned index;
    pthread_t thread;
    bool started;
    enum status status;
    struct error error;
};

static void run_part(struct part *part) {
    part->status = part->function(part->context, part->index);
    if (part->status != STATUS_OK)
        part->error = *error_current();
}

static void *part_thread(void *argument) {
    run_part(argument);
    return NULL;
}

enum status thread_run_all(unsigned count, enum status (*function)(void *context, unsigned index),
                           void *context) {
    ASSERT(count >= 1 && count <= THREAD_COUNT_MAX);
    if (count == 1)
        return function(context, 0);
    struct part *parts = memory_alloc_zeroed(count, sizeof *parts);
    if (parts == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    for (unsigned i = 0; i < count; i++) {
        parts[i].function = function;
        parts[i].context = context;
        parts[i].index = i;
        if (i > 0)
            parts[i].started = signal__thread_create(&parts[i].thread, part_thread, &parts[i]) == 0;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!parts[i].started)
            run_part(&parts[i]);
    }
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].started)
            pthread_join(parts[i].thread, NULL);
    }
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        status = parts[i].status;
        if (status != STATUS_OK)
            *error_current() = parts[i].error;
    }
    memory_free(parts);
    return status;
}
