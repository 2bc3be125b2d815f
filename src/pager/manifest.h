/* The manifest: checkpoints appended to one drive store (format: pager_format.h). */
#ifndef MANIFEST_H
#define MANIFEST_H

#include "pager/pager_format.h"
#include "runtime/runtime_file.h"

struct drive_log;

struct manifest {
    char *directory, *path, *path_new;
    struct drive_log *log;
    uint64_t live_size;  /* what a full checkpoint took when last known */
    uint64_t reserved;   /* manifest_reserve: bytes */
    uint64_t checkpoint; /* number of the newest one */
    bool doubtful;       /* a checkpoint failed half-way: a crash may find it or not */
};

struct manifest_map_entry {
    struct page_id id;
    uint64_t extent; /* 0: gone */
};
struct manifest_root {
    struct tree_id tree;
    struct page_id root;
};

/* What one checkpoint says. */
struct manifest_checkpoint {
    bool full;
    struct commit_number applied;
    uint64_t page_id_end;
    struct manifest_map_entry *map;
    size_t map_count, map_capacity;
    struct manifest_root *roots;
    size_t root_count, root_capacity;
    bool roots_present;
};
void manifest_checkpoint_release(struct manifest_checkpoint *checkpoint);

/* Write a new manifest with the (full) first checkpoint, durably. */
enum status manifest_create(struct fiber *f, const char *directory,
                            const struct manifest_checkpoint *checkpoint,
                            struct manifest *manifest_out) MUST_USE;
/* Read the file; `apply` is called for each whole checkpoint in order. Cuts a torn tail off. */
enum status manifest_open(struct fiber *f, const char *directory,
                          enum status (*apply)(void *context,
                                               const struct manifest_checkpoint *checkpoint),
                          void *context, struct manifest *manifest_out) MUST_USE;
/* Read the file of a directory that may be damaged, and change nothing. `apply` is called for what
   is left of each checkpoint; whole_out false: it lacks entries, or some before it do. *damage_out:
   the offset of the first damage, 0: none. */
enum status manifest_salvage(struct fiber *f, const char *directory,
                             enum status (*apply)(void *context, bool whole,
                                                  const struct manifest_checkpoint *checkpoint),
                             void *context, uint64_t *damage_out) MUST_USE;
/* Append, or write anew when the checkpoint is full; durable on return. After a failure the
   manifest is doubtful until a full checkpoint comes through. */
enum status manifest_publish(struct fiber *f, struct manifest *manifest,
                             const struct manifest_checkpoint *checkpoint) MUST_USE;
/* Hold room for a full checkpoint of so many pages and roots, as the file that it will be written
   to: a checkpoint is what makes room when the disk is full. To be called after each one; best
   effort. */
void manifest_reserve(struct fiber *f, struct manifest *manifest, uint64_t page_count,
                      uint64_t root_count);
/* Should the next checkpoint be full? */
bool manifest_outgrown(const struct manifest *manifest, uint64_t page_count);
void manifest_close(struct fiber *f, struct manifest *manifest);

#endif
