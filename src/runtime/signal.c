/* SIGINT and SIGTERM as fibers of core 0, when the program wants that; otherwise signals are the
   business of the threads that are not ours. A program with a user at its terminal may want to
   catch interruptions instead. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
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
    int bell;     /* eventfd: a signal came, or it is time to end */
    int terminal; /* or -1 */
    struct sigaction before_interrupt, before_hangup;
    _Atomic bool ends, seen, hung_up;
} interrupt;

static void ring(void) {
    static const uint64_t one = 1;
    (void)!write(interrupt.bell, &one, sizeof one);
}

static void on_signal(int number) {
    int error = errno;
    if (number == SIGHUP)
        interrupt.hung_up = true;
    else
        interrupt.seen = true;
    ring();
    errno = error;
}

static void wake_reader(int number) {
}

/* Wait for the bell or the terminal's end, which poll tells unasked. */
static void listen_for_bell(void) {
    struct pollfd listened[] = {{.fd = interrupt.bell, .events = POLLIN},
                                {.fd = interrupt.hung_up ? -1 : interrupt.terminal}};
    if (poll(listened, 2, -1) <= 0)
        return;
    uint64_t rung;
    if (listened[0].revents != 0)
        (void)!read(interrupt.bell, &rung, sizeof rung);
    if (listened[1].revents != 0)
        interrupt.hung_up = true;
}

/*
 * Again until somebody has asked: a statement may begin, or the terminal be read, just after the
 * signal was handled, and then there was nothing that it interrupted. After the terminal's end, for
 * ever.
 */
static void *interrupt_thread(void *argument) {
    const struct timespec pause = {0, 20 * 1000000};
    for (;;) {
        listen_for_bell();
        for (bool again = false; (interrupt.seen || interrupt.hung_up) && !interrupt.ends;
             again = true) {
            bool stopped = interrupt.function(interrupt.argument);
            if (again && (!stopped || interrupt.hung_up))
                pthread_kill(interrupt.reader, SIGUSR2);
            nanosleep(&pause, NULL);
        }
        if (interrupt.ends)
            return NULL;
    }
}

/* Unless it is ignored, as in the background of a shell or under nohup. */
static void catch_signal(int number, struct sigaction *before) {
    const struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
    sigaction(number, NULL, before);
    if (before->sa_handler != SIG_IGN)
        sigaction(number, &action, NULL);
}

enum status interrupt_catch(bool (*function)(void *argument), void *argument, int terminal) {
    interrupt.function = function;
    interrupt.argument = argument;
    interrupt.reader = pthread_self();
    interrupt.terminal = terminal;
    interrupt.ends = interrupt.seen = interrupt.hung_up = false;
    interrupt.bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (interrupt.bell < 0)
        return error_set(STATUS_INTERNAL_ERROR, "could not watch signals: %s", strerror(errno));
    int error = signal__thread_create(&interrupt.thread, interrupt_thread, NULL);
    if (error != 0) {
        close(interrupt.bell);
        return error_set(STATUS_INTERNAL_ERROR, "could not watch signals: %s", strerror(error));
    }
    const struct sigaction wake = {.sa_handler = wake_reader};
    sigaction(SIGUSR2, &wake, NULL);
    catch_signal(SIGINT, &interrupt.before_interrupt);
    catch_signal(SIGHUP, &interrupt.before_hangup);
    return STATUS_OK;
}

bool interrupt_seen(void) {
    return atomic_exchange(&interrupt.seen, false) || interrupt.hung_up;
}

bool interrupt_hung_up(void) {
    struct pollfd terminal = {.fd = interrupt.terminal};
    if (!interrupt.hung_up && interrupt.terminal >= 0 && poll(&terminal, 1, 0) > 0) {
        interrupt.hung_up = true;
        ring();
    }
    return interrupt.hung_up;
}

void interrupt_release(void) {
    sigaction(SIGINT, &interrupt.before_interrupt, NULL);
    sigaction(SIGHUP, &interrupt.before_hangup, NULL);
    interrupt.ends = true;
    ring();
    pthread_join(interrupt.thread, NULL);
    close(interrupt.bell);
}
