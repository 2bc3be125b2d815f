/*
 * The runtime: cores, fibers, calls between cores, time, and the tasks that embed it all.
 *
 * A *core* is one thread with one scheduler and one I/O ring. A *fiber* is a stackful coroutine
 * that lives on one core from birth to death. A function that may suspend takes `struct fiber *`
 * first; code between two such calls is atomic on its core. Files and sockets are in
 * runtime_file.h and runtime_socket.h, locks for fibers in runtime_sync.h.
 *
 * Everything outside this room gets time, randomness, threads, files and network from here and
 * from nowhere else, so that a simulator can stand in for the machine.
 *
 * Cancellation. A fiber can be cancelled with a reason, and can have a deadline. Both surface
 * only at suspension points, as the failure (reason) of the call that would wait; an operation
 * in flight is first taken back, and its memory is not touched after the call returned. A
 * shielded fiber notices neither until the shield is lifted.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_random.h"
#include "base/base_status.h"

struct runtime;
struct core;
struct fiber;

/* Body of a fiber or of a cross-core call. */
typedef enum status (*fiber_function)(struct fiber *f, void *argument);

/* SIMULATOR: only, and always, while there is a struct simulator (runtime_simulator.h). */
enum runtime_backend {
    RUNTIME_BACKEND_AUTO,
    RUNTIME_BACKEND_IO_URING,
    RUNTIME_BACKEND_POSIX,
    RUNTIME_BACKEND_SIMULATOR,
};

enum { RUNTIME_CORES_MAX = 64 };

struct runtime_options {
    unsigned core_count;          /* 0: one for each processor the process may use */
    enum runtime_backend backend; /* AUTO: io_uring, or POSIX with one log line why not */
    bool pin_threads;             /* bind core i to processor i */
    size_t fiber_stack_size;      /* bytes; 0: 256 KiB. Touched pages only count as memory */
    unsigned fiber_count_max;     /* per core; 0: 100,000. Beyond it spawning is refused */
    uint64_t random_seed;         /* 0: from the operating system */
    /* Runs on a fiber of core 0, with the argument, when SIGINT or SIGTERM arrives: a program of
       our own. Both signals stay blocked in the calling thread (and those it makes later), SIGPIPE
       is ignored. NULL: the process's signals are the application's; the runtime's threads take
       none in any case. */
    fiber_function on_signal;
    void *on_signal_argument;
};

/* ---- start and stop -------------------------------------------------------------------- */

/* Start the cores on threads of their own. On success the caller owns *runtime_out. */
enum status runtime_create(const struct runtime_options *options, struct runtime **runtime_out)
    MUST_USE;
/* Wait until every fiber has ended, stop and join the threads, free everything. Called from an
   outside thread. Fibers still running are cancelled with SHUTDOWN first. */
void runtime_destroy(struct runtime *runtime);
unsigned runtime_core_count(const struct runtime *runtime);
/* The back end in use (never AUTO). */
enum runtime_backend runtime_backend(const struct runtime *runtime);
const char *runtime_backend_name(enum runtime_backend backend);

/* Outside threads: run `function` on a fiber of `core` and wait (sleeping) for its status. Its
   error detail is copied into the caller's error slot. */
enum status runtime_run(struct runtime *runtime, unsigned core, fiber_function function,
                        void *argument) MUST_USE;

/* The same without waiting: a future is completed once, by the fiber's end. */
struct future {
    struct future_private *private_part;
};
enum status runtime_submit(struct runtime *runtime, unsigned core, fiber_function function,
                           void *argument, struct future *future_out) MUST_USE;
/* Sleeps at most timeout_ns (-1: for ever). Returns true when done; *status_out is the fiber's
   status and its error detail is in the caller's slot; the future is released. */
bool future_wait(struct future *future, int64_t timeout_ns, enum status *status_out);

/* ---- fibers ---------------------------------------------------------------------------- */

/* Latency runs before normal, normal before background; but a lower class that wants to run gets a
   share all the same: normal half of a core, background a tenth. */
enum fiber_class { FIBER_LATENCY, FIBER_NORMAL, FIBER_BACKGROUND };

/* A task group owns fibers of one core: it cannot be left while one of them lives. The first
   failure cancels the siblings (with the failure's status) and becomes the group's status. */
struct task_group {
    struct fiber *owner;
    unsigned live_count;
    enum status first_failure;
    struct error *failure_detail;
    struct fiber *children; /* intrusive list */
};
void task_group_init(struct task_group *group, struct fiber *owner);
/* Start a child on this core in `class` (inherits deadline). LIMIT_EXCEEDED at the fiber cap. */
enum status task_group_spawn(struct fiber *f, struct task_group *group, enum fiber_class class,
                             fiber_function function, void *argument) MUST_USE;
/* Cancel the children that still live. Does not wait. */
void task_group_cancel(struct task_group *group, enum status reason);
/* Suspends until all children ended. Returns the first failure, detail in the caller's slot. If
   the waiting fiber itself is cancelled, the children are cancelled and waited for. */
enum status task_group_wait(struct fiber *f, struct task_group *group) MUST_USE;

/* A fiber nobody waits for (a session, a background task). Its failure is logged at debug. */
enum status fiber_spawn_detached(struct fiber *f, enum fiber_class class, const char *name,
                                 fiber_function function, void *argument) MUST_USE;

void fiber_name_set(struct fiber *f, const char *name); /* static text */
enum fiber_class fiber_class(const struct fiber *f);
void fiber_class_set(struct fiber *f, enum fiber_class class);
/* A fiber that serves one request after the other says when the next one begins: it is of the
   latency class then. Once the request, with the calls made for it, has used the cores for about a
   millisecond, nobody expects its answer at once, and it goes on in the normal class. */
void fiber_request_begin(struct fiber *f);
/* What others wait for, such as a commit: in between the fiber and its calls are of the latency
   class, however long it takes. `before` is what the first returned. */
struct fiber_urgency {
    enum fiber_class class;
    bool metered;
};
struct fiber_urgency fiber_urgent_begin(struct fiber *f);
void fiber_urgent_end(struct fiber *f, struct fiber_urgency before);
/* From now on calls of this fiber, and calls that serve those, are parts of one work that cores do
   together: one that was asked or answered looks for the next for a while before it sleeps. */
void fiber_share_set(struct fiber *f, bool shares);
struct runtime *fiber_runtime(const struct fiber *f);
unsigned fiber_core(const struct fiber *f);

/* Let others run. Suspends. */
void fiber_yield(struct fiber *f);
/* Suspends for about duration_ns: who needs the time to have passed looks at the clock. Fails only
   by cancellation or deadline. */
enum status fiber_sleep(struct fiber *f, int64_t duration_ns) MUST_USE;

/* The part of a fiber that the inline functions below look at; it is the fiber's first member.
   Private to this header. */
struct fiber_face {
    uint64_t slice_end;    /* clock_ticks() when the turn is over; 0: look at once */
    uint32_t shield_depth; /* waits are interrupted only while it is 0 */
    uint32_t interrupted;  /* a cancellation or a passed deadline waits to be noticed */
};

/* The processor's cycle-like counter: cheap, unit unknown, for measuring turns only. */
static inline uint64_t clock_ticks(void) {
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
#error "runtime: this processor has no fiber switch"
#endif
}

/* For long loops: cheap (a counter read and a compare) unless the time slice (200 us; less for
   the lower classes) is spent or a cancellation waits; then yields, or returns the reason. */
enum status fiber_check_slow(struct fiber *f) MUST_USE;
static inline bool fiber_check_due(const struct fiber *f) {
    return clock_ticks() >= ((const struct fiber_face *)(const void *)f)->slice_end;
}
static inline enum status fiber_check(struct fiber *f) {
    return __builtin_expect(fiber_check_due(f), 0) ? fiber_check_slow(f) : STATUS_OK;
}

/* Cancel a fiber of this core. The first reason wins; it stays until fiber_cancel_clear, so every
   later wait fails too. `message` is static text, or NULL for the status's own. The fiber must
   not have ended; who cannot know keeps a fiber_handle and uses runtime_cancel. */
void fiber_cancel(struct fiber *target, enum status reason, const char *message);
/* Forget a cancellation that was delivered or is pending, and a deadline that has passed (a
   session goes on after it). Has no effect once runtime_destroy has begun. */
void fiber_cancel_clear(struct fiber *f);
bool fiber_cancelled(const struct fiber *f);

/* A name for a fiber that other threads may use: stale handles are harmless. */
struct fiber_handle {
    uint32_t core, slot;
    uint64_t generation;
};
struct fiber_handle fiber_handle(const struct fiber *f);
/* From any core or any thread: ask the fiber's core to cancel it. Does not wait. `message` is
   static text or NULL. */
void runtime_cancel(struct runtime *runtime, struct fiber_handle handle, enum status reason,
                    const char *message);

/* Deadline in monotonic nanoseconds, 0 for none; `reason` and `message` are reported when it
   passes, by every wait until another deadline is set. Returns the one before, so that a caller
   can put it back. Children inherit it and calls to other cores carry it along. */
struct deadline {
    int64_t at_ns;
    enum status reason;
    const char *message; /* static text */
};
struct deadline fiber_deadline_set(struct fiber *f, struct deadline deadline);
struct deadline fiber_deadline(const struct fiber *f);

/* Between these, waiting is not interrupted. Nestable. What came meanwhile surfaces at the first
   wait after the last unshield. Calls to other cores and children are shielded with the caller. */
static inline void fiber_shield(struct fiber *f) {
    ((struct fiber_face *)(void *)f)->shield_depth++;
}
static inline void fiber_unshield(struct fiber *f) {
    struct fiber_face *face = (struct fiber_face *)(void *)f;
    ASSERT(face->shield_depth > 0);
    if (--face->shield_depth == 0 && face->interrupted)
        face->slice_end = 0;
}

/* Run deep code that never suspends (the SQL parser) on the core's large stack (8 MiB). */
enum status fiber_on_large_stack(struct fiber *f, enum status (*function)(void *argument),
                                 void *argument) MUST_USE;
/* Bytes of stack left below the caller; recursive code asks before it goes deeper. */
size_t fiber_stack_left(void);

/* ---- between cores --------------------------------------------------------------------- */

/* Run `function` on a new fiber of `core` and wait for it. Deadline, class and cancellation of
   the caller carry over; the callee's error detail is copied back. On the caller's own core it
   is a plain function call on the caller's fiber. Credits are per pair of cores and per class
   and replies use reserved room, so two cores that call each other cannot deadlock. */
enum status core_call(struct fiber *f, unsigned core, fiber_function function, void *argument)
    MUST_USE;
/* The same without waiting; `argument` must stay valid until the function has run. Suspends only
   while out of credit. The caller's deadline and cancellation stay with the caller; a failure is
   logged at debug level. On the caller's own core it starts a detached fiber. */
enum status core_cast(struct fiber *f, unsigned core, fiber_function function, void *argument)
    MUST_USE;
/* Fork and join: run `function` on each core whose bit is set in `cores`, with arguments[core],
   and wait for all. The first failure cancels the others. */
enum status core_call_all(struct fiber *f, uint64_t cores, fiber_function function,
                          void *arguments[]) MUST_USE;

/* Share of the last 100 ms that the core was busy, 0..100; any thread. */
unsigned runtime_core_busy_percent(const struct runtime *runtime, unsigned core);

/* How long the turns of a class were on a core: counts since it began. Any thread. */
enum { RUNTIME_TURN_LENGTHS = 20 };
struct runtime_turns {
    uint64_t turns, all_us, longest_us;
    uint64_t lengths[RUNTIME_TURN_LENGTHS]; /* [i]: of 2^(i-1) to 2^i us; the last: or longer */
};
void runtime_turns(const struct runtime *runtime, unsigned core, enum fiber_class class,
                   struct runtime_turns *turns_out);

/* ---- time and randomness --------------------------------------------------------------- */

/* Monotonic nanoseconds, never 0. Any thread. */
int64_t clock_monotonic_ns(void);
/* Microseconds since 1970-01-01 UTC. Any thread. */
int64_t clock_wall_us(void);
/* The core's seeded stream; not for secrets. */
struct random *fiber_random(struct fiber *f);
/* Bytes from the operating system's generator, for keys and secrets. */
enum status secret_random(void *bytes, size_t size) MUST_USE;

#endif
