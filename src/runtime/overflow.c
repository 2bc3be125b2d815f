/*
 * A fiber that runs off its stack touches the guard page below. The handler, on a stack of its
 * own, says which fiber it was and lets the process die as it would have. Other faults go to
 * whoever handled them before.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/core.h"
#include "runtime/sanitizer.h"

enum { ALTERNATE_STACK_SIZE = 64 * 1024 };

static struct sigaction before_segv, before_bus;

static void say(const char *text) {
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void on_fault(int signal_number, siginfo_t *info, void *context) {
    const struct core *c = core__current();
    bool ours = c != NULL && stack__is_guard(c, info->si_addr);
    if (ours) {
        say("satori: stack overflow in fiber \"");
        say(c->current != NULL ? c->current->name : "?");
        say(c->on_large_stack ? "\" on the large stack\n" : "\"\n");
    }
    const struct sigaction *before = signal_number == SIGBUS ? &before_bus : &before_segv;
    if ((before->sa_flags & SA_SIGINFO) != 0 && before->sa_sigaction != NULL) {
        before->sa_sigaction(signal_number, info, context);
        return;
    }
    if (!ours && before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(signal_number);
        return;
    }
    signal(signal_number, SIG_DFL); /* the faulting instruction runs again and kills us */
}

static void install(int signal_number, struct sigaction *before) {
    struct sigaction now;
    if (sigaction(signal_number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
        now.sa_sigaction == on_fault)
        return;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, before);
}

void overflow__install(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    install(SIGSEGV, &before_segv);
    install(SIGBUS, &before_bus);
    pthread_mutex_unlock(&mutex);
}

void *overflow__thread_begin(void) {
    stack_t old;
    if (sigaltstack(NULL, &old) == 0 && (old.ss_flags & SS_DISABLE) == 0)
        return NULL; /* a sanitizer has set one */
    void *base = mmap(NULL, ALTERNATE_STACK_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    stack_t stack = {.ss_sp = base, .ss_size = ALTERNATE_STACK_SIZE};
    sigaltstack(&stack, NULL);
    return base;
}

void overflow__thread_end(void *base) {
    if (base == NULL)
        return;
    stack_t off = {.ss_flags = SS_DISABLE};
    sigaltstack(&off, NULL);
    munmap(base, ALTERNATE_STACK_SIZE);
}
