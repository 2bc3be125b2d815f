/* SIGINT and SIGTERM as fibers of core 0, when the program wants that; otherwise signals are the
   business of the threads that are not ours. A program with a user at its terminal may want to
   catch interruptions instead. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runtime/core.h"
#include "runtime/runtime_thread.h"

static void wanted_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

enum status signal__prepare(void) {
    sigset_t set;
    wanted_signals(&set);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0)
        return error_set(STATUS_INTERNAL_ERROR, "could not block signals: %s", strerror(error));
    signal(SIGPIPE, SIG_IGN);
    return STATUS_OK;
}

int signal__thread_create(pthread_t *thread, void *(*function)(void *), void *argument) {
    sigset_t others, before;
    sigfillset(&others);
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&others, faults[i]);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    int error = pthread_create(thread, NULL, function, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static enum status signal_fiber(struct fiber *f, void *argument) {
    sigset_t set;
    wanted_signals(&set);
    struct pollable pollable = {.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (pollable.fd < 0)
        return error_set(STATUS_INTERNAL_ERROR, "could not watch signals: %s", strerror(errno));
    const struct runtime *runtime = f->core->runtime;
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        struct operation wait = {
            .kind = OPERATION_WAIT_READABLE, .fd = pollable.fd, .pollable = &pollable};
        status = operation__run(f, &wait);
        struct signalfd_siginfo info;
        if (status == STATUS_OK && read(pollable.fd, &info, sizeof info) == sizeof info)
            status = fiber_spawn_detached(f, FIBER_LATENCY, "signal handler", runtime->on_signal,
                                          runtime->on_signal_argument);
    }
    f->core->backend->forget(&pollable);
    close(pollable.fd);
    return status;
}

enum status signal__start(struct core *c) {
    if (c->runtime->on_signal == NULL)
        return STATUS_OK;
    struct fiber *f = fiber__create(c, FIBER_LATENCY, signal_fiber, NULL);
    if (f == NULL)
        return error_current()->status;
    f->name = "signals";
    fiber__ready(f);
    return STATUS_OK;
}

/* ---- interruptions ------------------------------------------------------------------------ */

static struct {
    bool (*function)(void *argument);
    void *argument;
    pthread_t thread, reader;
    sem_t rung;
    struct sigaction before;
    _Atomic bool ends, seen;
} interrupt;

static void ring_interrupt(int number) {
    int error = errno;
    interrupt.seen = true;
    (void)sem_post(&interrupt.rung);
    errno = error;
}

static void wake_reader(int number) {
}

/*
 * Again until somebody has asked: a statement may begin, or the terminal be read, just after the
 * signal was handled, and then there was nothing that it interrupted.
 */
static void *interrupt_thread(void *argument) {
    const struct timespec pause = {0, 20 * 1000000};
    for (;;) {
        while (sem_wait(&interrupt.rung) != 0) {
        }
        for (bool again = false; interrupt.seen && !interrupt.ends; again = true) {
            if (!interrupt.function(interrupt.argument) && again)
                pthread_kill(interrupt.reader, SIGUSR2);
            nanosleep(&pause, NULL);
        }
        if (interrupt.ends)
            return NULL;
    }
}

enum status interrupt_catch(bool (*function)(void *argument), void *argument) {
    interrupt.function = function;
    interrupt.argument = argument;
    interrupt.reader = pthread_self();
    interrupt.ends = interrupt.seen = false;
    int error = sem_init(&interrupt.rung, 0, 0) != 0 ? errno : 0;
    if (error == 0)
        error = signal__thread_create(&interrupt.thread, interrupt_thread, NULL);
    if (error != 0)
        return error_set(STATUS_INTERNAL_ERROR, "could not watch signals: %s", strerror(error));
    const struct sigaction action = {.sa_handler = ring_interrupt}; /* no SA_RESTART */
    const struct sigaction wake = {.sa_handler = wake_reader};
    sigaction(SIGUSR2, &wake, NULL);
    sigaction(SIGINT, NULL, &interrupt.before);
    if (interrupt.before.sa_handler != SIG_IGN) /* as in the background of a shell */
        sigaction(SIGINT, &action, NULL);
    return STATUS_OK;
}

bool interrupt_seen(void) {
    return atomic_exchange(&interrupt.seen, false);
}

void interrupt_release(void) {
    sigaction(SIGINT, &interrupt.before, NULL);
    interrupt.ends = true;
    (void)sem_post(&interrupt.rung);
    pthread_join(interrupt.thread, NULL);
    sem_destroy(&interrupt.rung);
}
