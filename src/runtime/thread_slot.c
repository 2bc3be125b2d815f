/* Numbers for threads, and a barrier on all of them at once (membarrier(2)). */
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base_status.h"
#include "runtime/runtime_thread.h"

enum { UNKNOWN = -2, NONE = -1 };

_Thread_local int thread__slot = UNKNOWN;

static struct thread_mutex slots_mutex = THREAD_MUTEX_INITIALIZER;
static bool slots_taken[THREAD_SLOTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit_key;
static bool available;

static int membarrier(int command) {
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

/* Destructors that run after this one find no slot. */
static void give_back(void *argument) {
    bool *taken = argument;
    thread__slot = NONE;
    thread_mutex_lock(&slots_mutex);
    *taken = false;
    thread_mutex_unlock(&slots_mutex);
}

static void begin(void) {
    available = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
                pthread_key_create(&at_exit_key, give_back) == 0;
}

int thread__slot_take(void) {
    if (thread__slot == NONE)
        return NONE;
    pthread_once(&once, begin);
    thread__slot = NONE;
    if (!available)
        return NONE;
    thread_mutex_lock(&slots_mutex);
    for (int i = 0; i < THREAD_SLOTS && thread__slot == NONE; i++) {
        if (!slots_taken[i] && pthread_setspecific(at_exit_key, &slots_taken[i]) == 0) {
            slots_taken[i] = true;
            thread__slot = i;
        }
    }
    thread_mutex_unlock(&slots_mutex);
    return thread__slot;
}

void thread_barrier(void) {
    pthread_once(&once, begin);
    if (available) {
        int failed = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        ASSERT(failed == 0);
    }
}
