/*
 * What a core, a fiber and a runtime are made of. Private to the room.
 *
 *      runtime ── core 0 ── ready queues (latency, normal, background)   inbox <── other threads
 *             │          ├─ timers                                        │
 *             │          ├─ slots ── fiber + its stack                    v
 *             │          └─ back end (io_uring | posix)            struct message
 *             └─ core 1 ── ...
 *
 * A fiber is READY (in a queue), RUNNING (one per core), WAITING (somebody will call
 * fiber__ready) or free. The loop of core_loop.c runs *rounds*: a round is one class's turn of at
 * most its slice; inside it fibers switch directly to one another, without passing the loop.
 *
 * A fiber's memory is one stretch of a slab:
 *
 *      low                                                                        high
 *      | guard page | stack ......................... <- top | struct fiber | colour |
 *
 * `colour` differs between neighbours so that their hot lines do not share a cache set. The
 * struct ends with the large error slot, which stays untouched memory until something fails.
 */
#ifndef CORE_H
#define CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/base_list.h"
#include "base/base_random.h"
#include "runtime/backend.h"
#include "runtime/runtime.h"
#include "runtime/runtime_sync.h"
#include "runtime/timer.h"
#include "runtime/turn.h"

enum { FIBER_CLASS_COUNT = TURN_CLASS_COUNT };
enum {
    SLICE_US = 200, /* a turn of latency fibers */
    SLICE_NORMAL_US =
        25, /* ... of normal ones: beside the former a call waits until it is earned */
    SLICE_BACKGROUND_US = 100, /* ... of background ones */
    POLL_INTERVAL_US = 30,     /* a busy core asks the back end this often, and a running fiber
                                  looks whether somebody of a higher class may have come */
    CHARGE_MAX = 4,            /* turns of a request in the latency class */
    CALL_CREDITS = 8192,       /* calls and casts per pair of cores and class; more than there can
                                  be sessions, for one that waits for a row lock on another core
                                  keeps its call, and the lock's holder needs calls to go on */
    SUBMIT_MAX = 65536,        /* futures pending per core */
    FIBER_COUNT_DEFAULT = 100000,
    FIBER_STACK_DEFAULT = 256 * 1024,
    FIBER_STACK_MIN = 16 * 1024,
    LARGE_STACK_SIZE = 8 * 1024 * 1024,
    WARM_STACKS_MAX = 256, /* unused stacks that keep their memory while the core is busy */
    WARM_STACKS_IDLE = 16, /* ... once it sleeps */
};

enum fiber_state { FIBER_FREE, FIBER_READY, FIBER_RUNNING, FIBER_WAITING };

struct fiber {
    struct fiber_face face; /* first: runtime.h reads it */
    void *stack_pointer;
    struct core *core;
    struct list ready_link;
    uint8_t state, class;
    bool deadline_passed;
    bool metered;        /* serves a request: becomes normal when that takes long */
    bool shares;         /* its calls: fiber_share_set */
    uint8_t charged;     /* turns that the request has used, with its calls; at most CHARGE_MAX */
    uint32_t call_depth; /* 0: nobody on another core waits for it */
    fiber_function function;
    void *argument;
    /* While WAITING: called to end the wait early; NULL when that is not possible. */
    void (*interrupt)(struct fiber *f, void *object);
    void *interrupt_object;
    enum status cancel_reason; /* OK: not cancelled */
    const char *cancel_message;
    struct deadline deadline;
    struct timer deadline_timer, sleep_timer;
    /* when it ends */
    void (*on_end)(struct fiber *f, enum status status, void *object);
    void *on_end_object;
    struct task_group *group;
    struct fiber *sibling_next, *sibling_previous;
    uint32_t children; /* alive in groups it owns */
    const char *name;
    uint32_t slot;
    uint64_t generation;
    void *stack_low; /* lowest usable byte */
    void *fake_stack, *tsan_fiber;
    struct error error; /* last: large and rarely touched */
};

struct fiber_slot {
    struct fiber *fiber;
    uint8_t *low; /* guard page */
    uint64_t generation;
    uint32_t next_free; /* index + 1; 0 ends the list */
    bool cold;          /* memory given back */
    void *tsan_fiber;
};

struct credit {
    uint32_t used;
    struct condition returned;
};

/* Counters that one core writes and anyone reads. */
struct core_activity {
    _Atomic uint64_t started, finished; /* fibers and casts, ever */
    _Atomic int64_t window_start_ns, sleeping_since_ns;
    _Atomic uint32_t busy_percent;
};

/* Whose news a core with nothing to do waits for without going to sleep. */
enum linger_cause {
    LINGER_CORE,   /* asked or answered us in a work of several */
    LINGER_CLIENT, /* was sent something */
    LINGER_DISK,   /* was asked by a fiber of the latency class */
    LINGER_CAUSE_COUNT
};

struct core {
    struct runtime *runtime;
    unsigned index;
    const struct backend *backend;
    void *backend_state;

    struct fiber *current; /* NULL: the loop itself */
    void *loop_stack_pointer;
    uint64_t round_end; /* ticks */
    uint64_t look_end;  /* when fiber_check looks at more than the clock; <= round_end */
    uint64_t meter_end; /* when latency has run for a turn since somebody was charged */
    uint64_t metered_ticks;
    uint8_t round_class;
    bool round_break;  /* over before its time: somebody of a higher class woke up */
    bool round_broken; /* ... and who ran goes on first when the class comes again */
    uint8_t round_switches;
    struct list ready[FIBER_CLASS_COUNT];
    struct turns turns;
    struct timer_heap timers;
    int64_t now_ns; /* as of this turn of the loop */
    uint64_t polled_ticks;
    uint64_t linger_end; /* until then news of `linger_cause` is expected: core_loop.c, Sleeping */
    enum linger_cause linger_cause;
    uint32_t lingered_vain[LINGER_CAUSE_COUNT]; /* one after the other */

    struct fiber_slot *slots;
    size_t slot_count, slot_capacity;
    struct {
        uint8_t *base;
        size_t size;
    } * slabs;
    size_t slab_count, slab_capacity;
    uint32_t warm_first, warm_count, cold_first; /* free lists: index + 1 */
    uint32_t fiber_count;
    void *large_stack;
    bool on_large_stack;
    void *stack_low_now; /* of whatever runs, for fiber_stack_left */

    struct random random;
    struct credit (*credits)[FIBER_CLASS_COUNT]; /* by target core */
    bool stopping, stopped;
    int64_t busy_since_ns, busy_ns, window_start_ns, trimmed_ns;
    struct core_activity activity;

    pthread_t thread;
    bool thread_started, opened;
    void *alternate_stack;
    void *loop_tsan_fiber, *loop_fake_stack;
    const void *loop_stack_low;
    size_t loop_stack_size;

    /* Written by other threads. */
    _Alignas(64) _Atomic(struct message *) inbox;
    _Atomic uint32_t sleeping;
    _Atomic uint32_t submitted; /* futures on their way */
};

struct worker_pool;

struct runtime {
    unsigned core_count;
    size_t stack_size;
    unsigned fiber_count_max;
    bool pin_threads;
    uint64_t seed;
    fiber_function on_signal;
    void *on_signal_argument;
    const struct backend *backend;
    enum runtime_backend backend_kind;
    uint64_t ticks_per_us, poll_ticks;
    struct worker_pool *workers;
    /* start and stop */
    _Atomic uint32_t answered, started_well; /* cores that have (well) opened their back end */
    _Atomic uint32_t drained;                /* futex: bumped when a stopping core runs empty */
    _Atomic uint64_t submitted, submit_finished;
    struct error start_error;
    _Atomic uint32_t start_error_claimed;
    struct core *cores[RUNTIME_CORES_MAX];
};

/* ---- fiber.c ---- */
/* A fiber in WAITING state that has not begun; NULL with an error set. fiber__ready starts it. */
struct fiber *fiber__create(struct core *core, enum fiber_class class, fiber_function function,
                            void *argument);
/* WAITING to READY. Only on the fiber's own core. */
void fiber__ready(struct fiber *f);
/* Wait for fiber__ready. `interrupt` (or NULL) is called, at most once, from the core's other
   code when a cancellation or deadline comes while the fiber is not shielded; it must see to it
   that fiber__ready is called soon. */
void fiber__wait(struct fiber *f, void (*interrupt)(struct fiber *, void *), void *object);
/* The reason why the fiber should not wait now, with its detail set; or OK. */
enum status fiber__interrupted(struct fiber *f) MUST_USE;
bool fiber__interruption_waits(const struct fiber *f);
/* Something to notice came: end its wait or its slice. */
void fiber__interrupt(struct fiber *f);
void fiber__cancel_all(struct core *core, enum status reason, const char *message);
void error__copy(struct error *to, const struct error *from);

/* ---- stack.c ---- */
/* Index of a slot with a usable stack, or -1 with an error set. */
int64_t stack__take(struct core *core);
void stack__put(struct core *core, uint32_t slot);
/* Give memory of unused stacks back until at most `keep` are warm. */
void stack__trim(struct core *core, uint32_t keep);
void stack__release_all(struct core *core);
/* Bottom of the guard page's stack this address lies in, if it is a guard page of the core. */
bool stack__is_guard(const struct core *core, const void *address);

/* ---- core_loop.c ---- */
extern _Thread_local struct core *core__current_slot;
struct core *core__current(void);
/* Leave the running fiber (its state says what for) and run something else. */
void core__switch_away(struct fiber *f);
/* Has another thread or the kernel something for this core? A guess by looking at memory. */
bool core__has_news(struct core *core);
/* News of `cause` may come soon: a core with nothing to do lingers for it. */
void core__expect(struct core *core, enum linger_cause cause);
/* What was expected has come, or nobody waits for it any more. */
void core__expect_no_more(struct core *core, enum linger_cause cause);
/* When fiber_check looks again. */
uint64_t core__look_end(const struct core *core, uint64_t now);
/* The running fiber is charged with the turn that latency has used, if it has. */
void core__charge(struct core *core, struct fiber *f, uint64_t now);
/* `turns` were used by calls of the request that the fiber serves. */
void fiber__charge(struct fiber *f, unsigned turns);
/* The running fiber has ended. */
_Noreturn void core__switch_away_for_ever(struct fiber *f);
void core__loop(struct core *core);
/* For a simulator, which is the loop of all cores: hand out the messages; run this ready fiber
   until it waits, yields or ends. */
void core__drain_inbox(struct core *core);
void core__run_one(struct core *core, struct fiber *f);
void core__count_started(struct core *core);
void core__count_finished(struct core *core);
/* From any thread. */
void core__post(struct core *core, struct message *message);

/* ---- runtime.c ---- */
/* Free a runtime whose cores nobody runs, with whatever its fibers were doing. */
void runtime__abandon(struct runtime *runtime);

/* ---- overflow.c ---- */
void overflow__install(void);
void *overflow__thread_begin(void);
void overflow__thread_end(void *alternate_stack);

/* ---- signal.c ---- */
/* In the thread that creates a runtime with on_signal: block and ignore what it asks for. */
enum status signal__prepare(void) MUST_USE;
/* On core 0: start the fiber that runs on_signal, if there is one. */
enum status signal__start(struct core *core) MUST_USE;
/* pthread_create of a thread that takes no signals but those of its own faults. */
int signal__thread_create(pthread_t *thread, void *(*function)(void *), void *argument);

/* ---- future.c ---- */
/* Sleep while *word == expected, at most timeout_ns (-1: for ever). */
void futex__wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_ns);
void futex__wake(_Atomic uint32_t *word);

#endif
