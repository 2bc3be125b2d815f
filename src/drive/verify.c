/* Reading everything and computing every checksum, in parts on several threads. */
#include <string.h>

#include "base/base_memory.h"
#include "drive/store.h"

enum { TICK_BYTES = 8 << 20 };

struct found {
    struct drive_damage damage;
    const char *why;
};

struct part {
    uint64_t from, to;
    struct found *found;
    size_t count, capacity;
    uint64_t entries;
};

struct verify {
    const struct drive_view *view;
    struct part *parts;
    const struct drive_progress *progress;
    uint64_t total, memory;
    _Atomic uint64_t done;
    _Atomic bool stopped;
};

static enum status note(struct part *part, uint64_t from, uint64_t to, const char *why) {
    if (!memory_grow(&part->found, &part->capacity, part->count + 1, sizeof *part->found))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    part->found[part->count++] = (struct found){{from, to - from}, why};
    return STATUS_OK;
}

static bool go_on(struct verify *v, unsigned index, uint64_t size) {
    uint64_t done = atomic_fetch_add(&v->done, size) + size;
    if (index == 0 && v->progress != NULL && v->progress->tick != NULL &&
        !v->progress->tick(v->progress->context, done, v->total))
        atomic_store(&v->stopped, true);
    return !atomic_load(&v->stopped);
}

static void let_go(void *context, uint64_t offset, uint64_t size) {
    const struct verify *v = context;
    plain_advise(v->view->mapping->base, offset, size, PLAIN_DROP);
}

static bool check_entry(struct verify *v, const struct entry *entry) {
    bool large = v->memory != 0 && entry->end - entry->start > TICK_BYTES;
    return entry_good_in_pieces(view_geometry(v->view), v->view->mapping->base, entry, TICK_BYTES,
                                large ? let_go : NULL, v);
}

static enum status verify_plain(struct verify *v, struct part *part, unsigned index) {
    const struct geometry *geometry = view_geometry(v->view);
    const uint8_t *base = v->view->mapping->base;
    uint64_t at = part->from, ticked = at;
    struct entry entry;
    while (at < part->to) {
        uint64_t from = at;
        if (!entry_decode(geometry, base, part->to, at, &entry) ||
            !entry_header_good(geometry, base, &entry)) {
            at = recover__next_entry(geometry, base, at + 1, part->to);
            TRY(note(part, from, at, "no entry can be read here"));
        } else {
            at = entry.end;
            part->entries += entry.kind != ENTRY_SEAL;
            if (!check_entry(v, &entry))
                TRY(note(part, from, at, "the checksum is wrong"));
        }
        if (at - ticked >= TICK_BYTES) {
            if (!go_on(v, index, at - ticked))
                return STATUS_OK;
            if (v->memory != 0)
                plain_advise(base, ticked, at - ticked, PLAIN_DROP);
            ticked = at;
        }
    }
    (void)go_on(v, index, at - ticked);
    return STATUS_OK;
}

static enum status verify_chained(struct verify *v, struct part *part, unsigned index) {
    struct recovery pass = {
        .geometry = view_geometry(v->view), .base = v->view->mapping->base, .from = part->from};
    uint64_t at = part->to, ticked = at;
    struct entry entry;
    while (at > part->from) {
        if (!recover__likely(&pass, at, &entry)) {
            uint64_t end = recover__find_end(&pass, at - 1);
            TRY(note(part, end, at, "no entry can be read here"));
            at = end;
        } else {
            part->entries++;
            if (!check_entry(v, &entry))
                TRY(note(part, entry.start, at, "the checksum is wrong"));
            at = entry.start;
        }
        if (ticked - at >= TICK_BYTES) {
            if (!go_on(v, index, ticked - at))
                return STATUS_OK;
            if (v->memory != 0)
                plain_advise(v->view->mapping->base, at, ticked - at, PLAIN_DROP);
            ticked = at;
        }
    }
    (void)go_on(v, index, ticked - at);
    return STATUS_OK;
}

static enum status verify_part(void *context, unsigned index) {
    struct verify *v = context;
    return view_geometry(v->view)->format == 1 ? verify_chained(v, &v->parts[index], index)
                                               : verify_plain(v, &v->parts[index], index);
}

static void report_all(const struct verify *v, unsigned count,
                       void (*report)(void *context, struct drive_damage damage, const char *why),
                       void *context, uint64_t *entries, uint64_t *damage) {
    *entries = *damage = 0;
    for (unsigned i = 0; i < count; i++) {
        struct part *part = &v->parts[i];
        *entries += part->entries;
        *damage += part->count;
        for (size_t j = 0; j < part->count && report != NULL; j++) {
            size_t at = view_geometry(v->view)->format == 1 ? part->count - 1 - j : j;
            report(context, part->found[at].damage, part->found[at].why);
        }
    }
}

enum status drive_verify(struct drive *drive, unsigned threads,
                         void (*report)(void *context, struct drive_damage damage, const char *why),
                         void *context, const struct drive_progress *progress,
                         uint64_t *entry_count_out, uint64_t *damage_count_out) {
    if (threads < 1 || threads > THREAD_COUNT_MAX)
        return error_set(STATUS_INVALID_PARAMETER_VALUE, "1 to %d threads, not %u",
                         THREAD_COUNT_MAX, threads);
    struct figures figures;
    uint64_t bounds[THREAD_COUNT_MAX + 1];
    struct part *parts = memory_alloc_zeroed(threads, sizeof *parts);
    if (parts == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    struct drive_view *view = iterate__pin(drive, &figures);
    iterate__bounds(view, figures.end, &threads, bounds);
    for (unsigned i = 0; i < threads; i++) {
        parts[i].from = bounds[i];
        parts[i].to = bounds[i + 1];
    }
    struct verify verify = {.view = view,
                            .parts = parts,
                            .progress = progress,
                            .total = figures.end,
                            .memory = drive->options.memory};
    enum status status = thread_run_all(threads, verify_part, &verify);
    if (status == STATUS_OK && atomic_load(&verify.stopped))
        status = error_set(STATUS_CANCELED, "verification was stopped");
    if (status == STATUS_OK)
        report_all(&verify, threads, report, context, entry_count_out, damage_count_out);
    for (unsigned i = 0; i < threads; i++)
        memory_free(parts[i].found);
    memory_free(parts);
    view__release(view);
    return status;
}
