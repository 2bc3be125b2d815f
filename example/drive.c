/* A drive in the caller's process: put, a batch, values where they lie, history, compaction.
   usage: drive FILE */
#include <stdio.h>
#include <string.h>

#include "satori_drive.h"

static int failed(const char *what) {
    fprintf(stderr, "%s: %s (%s)\n", what, satori_drive_error(), satori_drive_sqlstate());
    return 1;
}

static int print_version(void *context, const struct satori_drive_entry *entry) {
    printf("  was %.*s\n", (int)entry->value_size, (const char *)entry->value);
    return 0;
}

static int use(struct satori_drive *drive) {
    struct satori_drive_item items[] = {
        {.key = "apple", .key_size = 5, .value = "red", .value_size = 3},
        {.key = "pear", .key_size = 4, .value = "green", .value_size = 5},
    };
    struct satori_drive_value value;
    struct satori_drive_iterator *iterator;
    struct satori_drive_entry entry;
    if (satori_drive_put(drive, "apple", 5, "unripe", 6, SATORI_DRIVE_NONE) != SATORI_OK ||
        satori_drive_batch(drive, items, 2, SATORI_DRIVE_SYNC) != SATORI_OK)
        return failed("writing");
    if (satori_drive_get(drive, "apple", 5, &value) != SATORI_OK)
        return failed("reading");
    printf("apple is %.*s\n", (int)value.size, (const char *)value.data);
    if (satori_drive_history(drive, "apple", 5, print_version, NULL) != SATORI_OK)
        return failed("history");
    if (satori_drive_compact(drive, NULL, NULL) != SATORI_OK)
        return failed("compaction");
    printf("apple is still %.*s\n", (int)value.size, (const char *)value.data);
    satori_drive_release(&value);
    if (satori_drive_iterate(drive, 0, &iterator) != SATORI_OK)
        return failed("iterating");
    while (satori_drive_next(iterator, &entry))
        printf("%.*s: %zu bytes\n", (int)entry.key_size, (const char *)entry.key, entry.value_size);
    satori_drive_iterator_close(iterator);
    return 0;
}

int main(int argc, char **argv) {
    struct satori_drive *drive;
    if (argc != 2) {
        fprintf(stderr, "usage: %s FILE\n", argv[0]);
        return 2;
    }
    if (satori_drive_open(argv[1], &(struct satori_drive_options){.create = 1}, &drive) !=
        SATORI_OK)
        return failed(argv[1]);
    int result = use(drive);
    if (satori_drive_close(drive) != SATORI_OK)
        return failed("closing");
    return result;
}
