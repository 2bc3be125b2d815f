/*
 * What the simulator is made of. Private to its files.
 *
 *      simulator.c           clock, events, whose turn it is, runtimes and their end
 *      simulator_disk.c      files as pages, names; what a crash leaves of them
 *      simulator_file.c      operations on files: latency, faults, effect
 *      simulator_network.c   listeners, connections, bytes under way
 *
 * An event is something that will happen at a time: an operation that completes, bytes that
 * arrive. Events at the same time happen in the order in which they were made.
 */
#ifndef SIMULATOR_H
#define SIMULATOR_H

#include "base/base_buffer.h"
#include "runtime/core.h"
#include "runtime/runtime_simulator.h"

enum { SIMULATOR_RUNTIMES_MAX = 8 };

/* Streams of random numbers: one for each fault, and these. */
enum {
    STREAM_SCHEDULE = SIMULATOR_FAULT_COUNT,
    STREAM_LATENCY,
    STREAM_CRASH,
    STREAM_SECRET,
    STREAM_CHANCE,
    STREAM_WORKLOAD,
    STREAM_COUNT,
};

struct simulator_event {
    int64_t at_ns;
    uint64_t order;
    void (*fire)(struct simulator *simulator, struct simulator_event *event);
    struct operation *operation; /* or NULL */
    void *object;
};

/* ---- the disk ---- */

enum { DISK_PAGE_SIZE = 4096, DISK_SECTOR_SIZE = 512 };

/* NULL bytes are zeros. While `differs`, `durable` is what a crash may go back to, and `middle` a
   version in between (or NULL); otherwise `now` is durable. */
struct disk_page {
    uint8_t *now, *middle, *durable;
    bool differs;
    bool dirty; /* the next sync makes it durable; false after a sync that failed */
};

struct disk_file {
    uint64_t size, size_durable;
    struct disk_page *pages;
    size_t page_count, page_capacity;
    unsigned open_count;
    struct open_file *locked_by;
};

struct disk_name {
    char *path;
    struct disk_file *file; /* NULL: a directory */
};
struct disk_names {
    struct disk_name *items;
    size_t count, capacity;
};
/* file != NULL or directory: `path` appears; path_to != NULL: a rename; else: it goes. */
struct disk_change {
    char *path, *path_to;
    struct disk_file *file;
    bool appears;
};

struct disk {
    struct disk_names now, durable;
    struct disk_change *changes; /* of names, not durable yet, in order */
    size_t change_count, change_capacity;
    struct disk_file **files;
    size_t file_count, file_capacity;
    int64_t full_until_ns;
};

/* ---- descriptors ---- */

struct open_file {
    struct runtime *runtime;
    struct disk_file *file;
    bool direct;
};

struct segment;
struct endpoint {
    struct list link; /* all endpoints */
    struct runtime *runtime;
    int fd;
    unsigned port, peer_port;
    struct endpoint *peer; /* NULL: listener, or not connected */
    struct buffer arrived;
    size_t arrived_at;       /* read so far */
    size_t under_way;        /* sent by the peer, not arrived yet */
    int64_t last_arrival_ns; /* of what was sent to here */
    bool ended;              /* the peer has said good-bye, behind what has arrived */
    int error;               /* errno of both directions */
    bool closed, silent, listening;
    struct operation *reader, *writer;
    struct endpoint *backlog[64]; /* of a listener */
    unsigned backlog_count;
};

struct descriptor {
    struct open_file *open;    /* or */
    struct endpoint *endpoint; /* or neither: free */
};

struct simulator {
    struct simulator_options options;
    struct simulator_counts counts;
    struct simulator_chance chances[SIMULATOR_CHANCES_MAX];
    uint32_t chance_rates[SIMULATOR_CHANCES_MAX]; /* in a million */
    size_t chance_count;
    struct random streams[STREAM_COUNT];
    int64_t now_ns;
    uint64_t hash;
    struct runtime *runtimes[SIMULATOR_RUNTIMES_MAX];
    bool failed[SIMULATOR_RUNTIMES_MAX];
    unsigned runtime_count;
    const struct runtime *starved;  /* whose allocations may fail */
    bool any_failed;                /* since somebody looked */
    bool serving;                   /* an operation is looked at, on its fiber */
    struct simulator_event *events; /* a heap */
    size_t event_count, event_capacity;
    uint64_t event_order;
    struct disk disk;
    struct descriptor *descriptors;
    size_t descriptor_count, descriptor_capacity;
    struct list endpoints;
    unsigned port_next;
    const struct environment *machine;
};

extern struct simulator *simulator__current;

/* ---- simulator.c ---- */
void simulator__schedule(struct simulator *s, int64_t at_ns, struct simulator_event event);
/* The event that would complete this operation, if it has not happened; it never will. */
bool simulator__take_back(struct simulator *s, const struct operation *operation);
/* On the operation's core. */
void simulator__complete(struct simulator *s, struct operation *operation, int64_t result);
void simulator__mix(struct simulator *s, uint64_t value);
/* Is there a fault now? Counts it. */
bool simulator__fault(struct simulator *s, enum simulator_fault fault);
uint64_t simulator__below(struct simulator *s, unsigned stream, uint64_t bound);
/* Memory that cannot be missing: a simulator without memory stops the process. */
void *simulator__alloc(size_t size);
/* memory_grow in the same way. */
void simulator__grow(void *array_pointer, size_t *capacity, size_t count_min, size_t element_size);
int simulator__descriptor(struct simulator *s, struct descriptor descriptor);
struct descriptor *simulator__descriptor_of(struct simulator *s, int fd);
#define SIMULATOR_TRACE(s, ...)                                                                    \
    do {                                                                                           \
        if ((s)->options.trace != NULL)                                                            \
            simulator__trace((s), __VA_ARGS__);                                                    \
    } while (0)
void simulator__trace(const struct simulator *s, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- simulator_disk.c ---- */
void disk__init(struct disk *disk);
void disk__release(struct disk *disk);
/* NULL: there is none. */
struct disk_name *disk__find(const struct disk_names *names, const char *path);
bool disk__parent_exists(const struct disk *disk, const char *path);
struct disk_file *disk__create(struct disk *disk, const char *path);
void disk__directory_create(struct disk *disk, const char *path);
void disk__remove(struct disk *disk, const char *path);
void disk__rename(struct disk *disk, const char *from, const char *to);
/* Names directly inside the directory become durable. */
void disk__directory_sync(struct disk *disk, const char *path);
void disk__write(struct simulator *s, struct disk_file *file, const uint8_t *bytes, uint64_t size,
                 uint64_t offset);
size_t disk__read(const struct disk_file *file, uint8_t *bytes, uint64_t size, uint64_t offset);
void disk__resize(struct disk_file *file, uint64_t size);
/* Would writing there need new blocks? */
bool disk__needs_blocks(const struct disk_file *file, uint64_t size, uint64_t offset);
/* Make a range durable, or all and the size. `failing`: some pages only seem to be. */
void disk__sync(struct simulator *s, struct disk_file *file, uint64_t offset, uint64_t size,
                bool failing);
void disk__flip(struct disk_file *file, uint64_t bit);
void disk__crash(struct simulator *s, bool bare);
/* Free what no name and no descriptor leads to. */
void disk__sweep(struct disk *disk);

/* ---- simulator_file.c ---- */
void simulator__file_start(struct simulator *s, struct operation *operation);
void simulator__files_close(struct simulator *s, const struct runtime *runtime);

/* ---- simulator_network.c ---- */
extern const struct socket_calls simulator__sockets;
void simulator__socket_start(struct simulator *s, struct operation *operation);
void simulator__socket_cancel(struct simulator *s, struct operation *operation);
int64_t simulator__socket_perform(struct simulator *s, struct operation *operation);
void simulator__sockets_close(struct simulator *s, const struct runtime *runtime, bool silently);
void simulator__network_release(struct simulator *s);

#endif
