/*
 * The door to the machine. Whatever a core asks of the world outside its memory (files, sockets,
 * waiting) is a `struct operation` handed to the core's back end; time and randomness come from
 * `struct environment`. io_uring and POSIX are two back ends over the same kernel; the simulator
 * (runtime_simulator.h) is a third one that answers from memory.
 *
 * An operation lies in the frame of the fiber that waits for it. Ownership: from start() until
 * `done` it belongs to the back end, also after cancel(): only when both the operation and its
 * cancellation have come back does operation__complete() run and may the frame go.
 */
#ifndef BACKEND_H
#define BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base_list.h"
#include "base/base_status.h"

struct core;
struct fiber;
struct iovec;
struct runtime;

/* Something for another core to look at; lies in the sender's memory until it comes back. */
struct message {
    struct message *next;
    void (*deliver)(struct core *core, struct message *message);
};

enum operation_kind {
    /* files */
    OPERATION_OPEN = 1,
    OPERATION_CLOSE,
    OPERATION_READ,
    OPERATION_WRITE,
    OPERATION_SYNC,
    OPERATION_TRUNCATE,
    OPERATION_ALLOCATE,
    OPERATION_PUNCH,
    OPERATION_SIZE,
    OPERATION_LOCK,
    OPERATION_EXISTS,
    OPERATION_REMOVE,
    OPERATION_RENAME,
    OPERATION_DIRECTORY_CREATE,
    OPERATION_DIRECTORY_REMOVE,
    OPERATION_DIRECTORY_SYNC,
    OPERATION_DIRECTORY_LIST,
    OPERATION_WORK,    /* any function that may block */
    OPERATION_RESOLVE, /* not a file, but it blocks like one: a host name */
    /* sockets; these may answer -EAGAIN when performed at once */
    OPERATION_ACCEPT,
    OPERATION_CONNECT,
    OPERATION_RECEIVE,
    OPERATION_SEND,
    OPERATION_WAIT_READABLE,
};

/* What a back end remembers about a descriptor between operations; used by POSIX (epoll). */
struct pollable {
    int fd;
    struct core *core; /* whose epoll it is registered with, or NULL */
    bool readable, writable, hung_up;
    struct operation *reader, *writer;
};

struct operation {
    enum operation_kind kind;
    int fd;
    struct pollable *pollable; /* sockets */
    void *buffer;              /* read, receive; out parameters of others */
    const void *data;          /* write */
    size_t size;
    uint64_t offset;
    unsigned flags; /* the kind's own; of reads: */
#define OPERATION_MAYBE_CACHED 1u
    const char *path, *path_to;
    void (*work)(void *argument); /* work, with `buffer` */
    const struct iovec *vectors;  /* send */
    unsigned vector_count;
    const void *address; /* connect */
    unsigned address_size;
    int64_t result; /* as of a system call: negative errno on failure */
    /* the waiting side */
    struct fiber *fiber;
    struct core *core;
    bool done, waiting, cancelled;
    /* the back end's */
    unsigned pending;       /* completions still to come (operation, cancellation) */
    unsigned char stage;    /* worker pool: queued, running */
    struct list link;       /* worker pool queue */
    struct message message; /* worker pool: way home */
    struct operation *next; /* list of finished */
};

/* Results that are more than a number. */
struct directory_names {
    char **names;
    size_t count;
};
struct resolved_address {
    unsigned size;
    unsigned char bytes[128]; /* a struct sockaddr */
};

/* What is done to sockets without waiting. Results are those of system calls: negative errno. */
struct socket_calls {
    /* A listening socket; `bound` (128 bytes) gets the address as bound. */
    int (*listen)(const void *address, unsigned size, void *bound, unsigned *bound_size);
    int (*create)(int family);
    /* Of an accepted or connected socket: who is there; and switch its options. */
    int (*peer)(int fd, void *address, unsigned *size);
    void (*shutdown)(int fd);
    void (*close)(int fd);
};
extern const struct socket_calls system__sockets;

struct backend {
    const char *name;
    const struct socket_calls *sockets;
    /* On the core's own thread. On failure nothing stays behind. */
    enum status (*open)(struct core *core) MUST_USE;
    /* On the core's own thread; wake() may still be called after it. */
    void (*close)(struct core *core);
    /* After every thread has ended. Harmless on a core that was never opened. */
    void (*release)(struct core *core);
    /* Begin; may complete before it returns. */
    void (*start)(struct core *core, struct operation *operation);
    /* Ask to take a started operation back. It completes in any case, with -ECANCELED if the
       wish was granted. Called at most once for an operation that is not done. */
    void (*cancel)(struct core *core, struct operation *operation);
    /* Submit what is waiting, complete what has finished, and sleep at most until deadline_ns
       (0: do not sleep; INT64_MAX: for ever) if nothing had. */
    void (*poll)(struct core *core, int64_t deadline_ns);
    /* Would poll() find something? By looking at memory only; NULL: cannot tell. */
    bool (*has_news)(struct core *core);
    /* From any thread: end the sleep in poll(), or the next one. */
    void (*wake)(struct core *core);
    /* Do it now without suspending: closing, and sockets that may answer -EAGAIN. */
    int64_t (*perform)(struct operation *operation);
    /* Forget about a descriptor before it is closed or moved. */
    void (*forget)(struct pollable *pollable);
};

extern const struct backend backend__posix, backend__io_uring;
/* Tests: an errno that setting up io_uring shall fail with; 0: none. */
extern int backend__io_uring_refusal;

/* What a simulator puts in the place of threads. */
struct simulation {
    const struct backend *backend;
    /* The cores of a runtime are made and opened, and are the simulator's to run until end(). */
    enum status (*begin)(struct runtime *runtime);
    void (*end)(struct runtime *runtime);
    /* Let cores run until *word is not `expected` any more, or for timeout_ns (-1: no limit). */
    void (*wait)(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns);
    /* Is the running fiber's turn over? Asked at each fiber_check. */
    bool (*turn_is_over)(struct core *core);
};

struct environment {
    int64_t (*monotonic_ns)(void);
    int64_t (*wall_us)(void);
    int (*secret)(void *bytes, size_t size); /* 0 or -1 */
    /* Let other threads have the processor for a moment. */
    void (*pause)(void);
    /* Tests: asked before each operation on a file; an errno makes it fail. NULL: none does. */
    int (*file_fault)(const struct operation *operation);
    /* Tests: called at every fiber_check, however early it is; may cancel the fiber. NULL: none. */
    void (*checked)(struct fiber *f);
    /* NULL: cores are threads of this machine. */
    const struct simulation *simulation;
};
extern const struct environment *environment__current;

/* Run an operation and wait for it. Returns OK with operation->result >= 0 or the negative errno
   of the system; fails only by cancellation or deadline. */
enum status operation__run(struct fiber *f, struct operation *operation) MUST_USE;
/* The back end's last word on an operation; its memory is gone afterwards. */
void operation__complete(struct operation *operation, int64_t result);

/* Kinds up to RESOLVE may block in the kernel. */
static inline bool operation_blocks(const struct operation *operation) {
    return operation->kind <= OPERATION_RESOLVE;
}
/* The operation as plain system calls, blocking as they do (sockets never block). */
int64_t system__perform(struct operation *operation);

#endif
