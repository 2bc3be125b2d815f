/* Room for what will be appended: addresses, slots of the index, the disk. */
#include "drive/store.h"

enum { RESERVE_SHARE = 8 };
#define RESERVE_MIN ((uint64_t)1 << 20)
#define RESERVE_MAX ((uint64_t)64 << 20)

enum status write__room(struct drive *drive, uint64_t end, uint64_t count) {
    struct drive_view *view = atomic_load_explicit(&drive->current, memory_order_relaxed);
    struct mapping *mapping = NULL;
    struct table *table = NULL;
    enum status status = STATUS_OK;
    if (end > view->mapping->size)
        TRY_OUT(mapping__create(view->generation->file, end, &mapping));
    if (!table_has_room(view->table, count))
        TRY_OUT(table_enlarge(view->table, count, drive->options.memory, &table));
    if (mapping != NULL || table != NULL)
        status = view__publish(drive, view->generation, mapping != NULL ? mapping : view->mapping,
                               table != NULL ? table : view->table);
out:
    mapping__release(mapping);
    table_release(table);
    return status;
}

/*
 * Looking for room on the disk block by block is a tenth of the time an append takes (ext4: 64 MiB
 * in 281 instead of 312 us a MiB). So a file of some size takes an eighth of it ahead. A crash
 * leaves that behind the file's end, where only the disk's free space shows it, until the store is
 * closed the next time it was written to.
 */
void write__reserve(struct generation *generation, uint64_t from, uint64_t end) {
    uint64_t step = end / RESERVE_SHARE;
    if (end <= generation->reserved_end || step < RESERVE_MIN)
        return;
    if (from < generation->reserved_end)
        from = generation->reserved_end;
    uint64_t to = end + (step < RESERVE_MAX ? step : RESERVE_MAX);
    plain_reserve(generation->file, from, to - from);
    generation->reserved_end = to;
}

enum status write__trim(struct generation *generation, uint64_t end) {
    if (generation->reserved_end <= end)
        return STATUS_OK;
    generation->reserved_end = 0;
    return plain_truncate(generation->file, end);
}
