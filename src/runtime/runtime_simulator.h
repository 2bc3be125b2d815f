/*
 * The simulator: a machine made of memory, for tests. While one exists, every runtime that is
 * created lives in it: all its cores take turns on the caller's thread, the clock stands still
 * unless nobody can run, files are an in-memory disk that forgets at a crash what was not synced,
 * sockets are an in-memory network. One seed decides everything that is left to chance, so that
 * the same seed gives the same run; streams of random numbers are separate for the schedule, for
 * latencies, for each kind of fault and for whoever asks (simulator_random), so that one more fault
 * does not change the workload.
 *
 * What is left to chance without any fault: which core goes next, which of its ready fibers, where
 * a fiber_check gives up the turn, how long an operation takes and therefore in which order
 * operations come back.
 *
 * The caller of these functions is outside: it creates runtimes, submits work, lets time pass and
 * crashes runtimes. None of them may be called from a fiber, unless said so. One simulator at a
 * time in a process. docs/decisions/0008-simulator.md says why it is so.
 */
#ifndef RUNTIME_SIMULATOR_H
#define RUNTIME_SIMULATOR_H

#include "runtime/runtime.h"

/* What can go wrong. Rates are chances in a million, each time there is an occasion. */
enum simulator_fault {
    /* an operation on a file */
    SIMULATOR_READ_ERROR,  /* a read fails with EIO, once */
    SIMULATOR_WRITE_ERROR, /* a write fails, some of it done */
    SIMULATOR_SYNC_ERROR,  /* a sync fails; what it lost, later syncs do not bring back */
    SIMULATOR_DISK_FULL,   /* no new blocks for up to three seconds */
    SIMULATOR_SHORT,       /* a read or write moves less than asked */
    SIMULATOR_SLOW,        /* up to a fifth of a second */
    SIMULATOR_STUCK,       /* some seconds */
    SIMULATOR_BIT_ROT,     /* a bit of what is read has changed, and stays so */
    SIMULATOR_MISDIRECTED, /* a write goes to another place of its file */
    /* a send on a connection */
    SIMULATOR_CUT,    /* the connection breaks at some byte, both sides are told */
    SIMULATOR_SILENT, /* nothing arrives any more, neither side is told for a while */
    /* an allocation (simulator_starve) */
    SIMULATOR_NO_MEMORY,
    /* a crash, for each unsynced page or name; these have no rates */
    SIMULATOR_PAGE_LOST,
    SIMULATOR_PAGE_TORN,  /* by sectors of 512 bytes */
    SIMULATOR_PAGE_OLDER, /* a version between the synced and the newest */
    SIMULATOR_NAME_LOST,
    SIMULATOR_FAULT_COUNT,
};
const char *simulator_fault_name(enum simulator_fault fault);

struct simulator_options {
    uint64_t seed;
    uint32_t rates[SIMULATOR_FAULT_COUNT];
    uint32_t turn_rate; /* chance in a million that a fiber_check ends the turn */
    /* Are places of base_chance.h asked? Of each the seed decides whether and how often it does
       what is rare. */
    bool chances;
    /* One line for each thing that happens; NULL: none. */
    void (*trace)(const char *line);
};

struct simulator_counts {
    uint64_t turns, file_operations, writes, syncs, messages;
    uint64_t changes; /* operations that changed bytes or names on the disk, or made them durable */
    uint64_t faults[SIMULATOR_FAULT_COUNT];
};

struct simulator;

enum status simulator_create(const struct simulator_options *options,
                             struct simulator **simulator_out) MUST_USE;
/* All runtimes have been destroyed or crashed. The machine is itself again. */
void simulator_destroy(struct simulator *simulator);

/* Places of base_chance.h that have asked so far: which, and how often the answer was yes. */
struct simulator_chance {
    const char *place;
    uint64_t taken;
};
enum { SIMULATOR_CHANCES_MAX = 64 };

/* From fibers, too. */
int64_t simulator_now_ns(const struct simulator *simulator);
/* Of everything that happened so far: equal hashes, equal runs. */
uint64_t simulator_hash(const struct simulator *simulator);
const struct simulator_counts *simulator_counts(const struct simulator *simulator);
const struct simulator_chance *simulator_chances(const struct simulator *simulator,
                                                 size_t *count_out);
/* A stream of its own, for the workload. From fibers, too. */
struct random *simulator_random(struct simulator *simulator);
/* A line of the trace, and part of the hash. From fibers, too. */
void simulator_note(struct simulator *simulator, const char *format, ...) PRINTF_LIKE(2, 3);
/* Change a rate; returns the one before. From fibers, too. */
uint32_t simulator_rate_set(struct simulator *simulator, enum simulator_fault fault, uint32_t rate);
/* From now on allocations of this runtime's fibers fail at their rate; NULL: nobody's do. Takes
   memory_fault_set for itself. */
void simulator_starve(struct simulator *simulator, const struct runtime *runtime);
/* No rates at all any more; a full disk has room again. */
void simulator_heal(struct simulator *simulator);

/* Let time pass. Ends early when a runtime has failed. */
void simulator_run_for(struct simulator *simulator, int64_t duration_ns);
/* ... until so many operations on files have been begun, ever. */
void simulator_run_until_operation(struct simulator *simulator, uint64_t count,
                                   int64_t duration_ns_max);
/* ... until so many changes have been made on the disk, ever (simulator_counts). */
void simulator_run_until_change(struct simulator *simulator, uint64_t count,
                                int64_t duration_ns_max);
/* Is it a fiber of this runtime that runs now, and not the simulator on behalf of one? For hooks
   such as memory_fault_set. */
bool simulator_runs_fiber_of(const struct simulator *simulator, const struct runtime *runtime);
/* The runtime has stopped itself by log_fatal(): it does nothing any more and waits for
   simulator_crash. */
bool simulator_failed(const struct simulator *simulator, const struct runtime *runtime);

enum simulator_crash {
    SIMULATOR_KILL,  /* the process ends: what it wrote is there, peers are told */
    SIMULATOR_POWER, /* the machine stops: unsynced bytes and names are kept, lost, torn */
    SIMULATOR_BARE,  /* the same, and nothing that was not synced is left */
};
/* What the next crashes draw: from one state of the world, other crashes. */
void simulator_crash_seed(struct simulator *simulator, uint64_t seed);
/* The runtime and everything on its fibers is gone, with no more to be run; memory they had is
   lost. Futures of it never complete. */
void simulator_crash(struct simulator *simulator, struct runtime *runtime,
                     enum simulator_crash how);

/* ---- the disk, for tests -------------------------------------------------------------------- */

/* Flip one bit of a file, now and for good. False when there is no such byte. */
bool simulator_file_flip(struct simulator *simulator, const char *path, uint64_t bit);
/* Bytes of a file, 0 when there is none. */
uint64_t simulator_file_size(const struct simulator *simulator, const char *path);
/* Paths of all files in order of their creation; NULL behind the last. Valid until the next
   change. */
const char *simulator_file_at(const struct simulator *simulator, size_t index);

#endif
