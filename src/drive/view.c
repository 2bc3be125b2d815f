/* Views and their parts: who keeps what alive. */
#include <string.h>

#include "base/base_memory.h"
#include "drive/store.h"

uint64_t mapping__room;

/* ---- parts ---------------------------------------------------------------------------------- */

enum status generation__create(struct plain_file *file, const struct geometry *geometry,
                               struct generation **generation_out) {
    struct generation *generation = memory_alloc_zeroed(1, sizeof *generation);
    if (generation == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    atomic_init(&generation->reference_count, 1);
    generation->file = file;
    generation->geometry = *geometry;
    atomic_init(&generation->end, 0);
    atomic_init(&generation->clean_end, UINT64_MAX);
    *generation_out = generation;
    return STATUS_OK;
}

void generation__release(struct generation *generation) {
    if (generation == NULL || atomic_fetch_sub(&generation->reference_count, 1) != 1)
        return;
    plain_close(generation->file);
    drive_handle_release(&generation->parent);
    memory_free(generation);
}

enum status mapping__create(struct plain_file *file, uint64_t size, struct mapping **mapping_out) {
    struct mapping *mapping = memory_alloc_zeroed(1, sizeof *mapping);
    if (mapping == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    atomic_init(&mapping->reference_count, 1);
    /* Addresses cost nothing: a large lead makes remaps rare. */
    uint64_t room = mapping__room != 0 ? mapping__room : size + ((uint64_t)1 << 30);
    mapping->size = align_up(size + room, 1 << 16);
    mapping->owned = true;
    enum status status = plain_map(file, mapping->size, &mapping->base);
    if (status != STATUS_OK) { /* few addresses (a limit on them): what must be */
        mapping->size = align_up(size + 1, 1 << 16);
        status = plain_map(file, mapping->size, &mapping->base);
    }
    if (status != STATUS_OK) {
        memory_free(mapping);
        return status;
    }
    *mapping_out = mapping;
    return STATUS_OK;
}

void mapping__release(struct mapping *mapping) {
    if (mapping == NULL || atomic_fetch_sub(&mapping->reference_count, 1) != 1)
        return;
    if (mapping->owned)
        plain_unmap(mapping->base, mapping->size);
    memory_free(mapping);
}

/* ---- the store ------------------------------------------------------------------------------ */

enum status drive__create(const char *path, const struct drive_options *options,
                          struct drive **drive_out) {
    struct drive *drive = memory_alloc_zeroed(1, sizeof *drive);
    size_t size = strlen(path) + 1;
    if (drive == NULL || (drive->path = memory_alloc(size)) == NULL) {
        memory_free(drive);
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    }
    memcpy(drive->path, path, size);
    drive->options = *options;
    atomic_init(&drive->reference_count, 1);
    thread_mutex_init(&drive->writer);
    thread_condition_init(&drive->compacted);
    thread_mutex_init(&drive->syncing);
    thread_condition_init(&drive->synced);
    thread_mutex_init(&drive->facts);
    thread_mutex_init(&drive->views);
    *drive_out = drive;
    return STATUS_OK;
}

void drive__release(struct drive *drive) {
    if (atomic_fetch_sub(&drive->reference_count, 1) != 1)
        return;
    while (drive->all_views != NULL) {
        struct drive_view *view = drive->all_views;
        ASSERT(atomic_load(&view->pins.shared) == 0);
        drive->all_views = view->next_all;
        memory_free(view);
    }
    thread_mutex_release(&drive->writer);
    thread_condition_release(&drive->compacted);
    thread_mutex_release(&drive->syncing);
    thread_condition_release(&drive->synced);
    thread_mutex_release(&drive->facts);
    thread_mutex_release(&drive->views);
    write__stage_release(drive);
    memory_free(drive->path);
    memory_free(drive);
}

/* ---- views ---------------------------------------------------------------------------------- */

/* A thread without a slot counts the pin where also those of retired views are counted. It holds
   only if the view is the current one afterwards: it may have died and been used again in
   between. */
static struct drive_view *acquire_shared(struct drive *drive, uint64_t *end_out,
                                         bool *current_out) {
    for (;;) {
        struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_acquire);
        if (!pins_try(&view->pins))
            continue;
        *end_out = generation_end(view->generation);
        *current_out = atomic_load_explicit(&drive->current, memory_order_acquire) == view;
        return view;
    }
}

struct drive_view *view__acquire(struct drive *drive, uint64_t *end_out) {
    int slot = thread_slot();
    for (;;) {
        bool current;
        struct drive_view *view = slot >= 0 ? view__acquire_once(drive, slot, end_out, &current)
                                            : acquire_shared(drive, end_out, &current);
        if (current)
            return view;
        view__release(view);
    }
}

void view__bury(struct drive_view *view) {
    struct drive *drive = view->drive;
    struct generation *generation = view->generation;
    mapping__release(view->mapping);
    table_release(view->table);
    thread_mutex_lock(&drive->views);
    view->next_free = drive->free_views;
    drive->free_views = view;
    thread_mutex_unlock(&drive->views);
    generation__release(generation);
    drive__release(drive);
}

void view__retire(struct drive_view *view) {
    if (pins_retire(&view->pins))
        view__bury(view);
}

static struct drive_view *blank_view(struct drive *drive) {
    thread_mutex_lock(&drive->views);
    struct drive_view *view = drive->free_views;
    if (view != NULL) {
        drive->free_views = view->next_free;
    } else {
        view = memory_alloc_aligned(_Alignof(struct drive_view), sizeof *view);
        if (view != NULL) {
            memset(view, 0, sizeof *view);
            view->next_all = drive->all_views;
            drive->all_views = view;
        }
    }
    thread_mutex_unlock(&drive->views);
    return view;
}

enum status view__publish(struct drive *drive, struct generation *generation,
                          struct mapping *mapping, struct table *table) {
    struct drive_view *view = blank_view(drive);
    if (view == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    view->drive = drive;
    view->generation = generation;
    view->mapping = mapping;
    view->table = table;
    view->slots = table->slots;
    view->lines = table->lines;
    view->base = mapping->base;
    view->plain_from = generation->geometry.format == 1 ? UINT64_MAX : generation->checked_from;
    view->value_mask = ((uint64_t)1 << generation->geometry.alignment_log) - 1;
    atomic_fetch_add(&generation->reference_count, 1);
    atomic_fetch_add(&mapping->reference_count, 1);
    table_retain(table);
    atomic_fetch_add(&drive->reference_count, 1);
    pins_open(&view->pins);
    struct drive_view *before = atomic_exchange(&drive->current, view);
    if (before != NULL)
        view__retire(before);
    return STATUS_OK;
}
