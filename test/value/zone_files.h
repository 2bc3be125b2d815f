#ifndef ZONE_FILES_H
#define ZONE_FILES_H

#include <stdio.h>

#include "base/base_arena.h"

/* The zone files of the machine, as the server will hand them over. */
static inline bool load_zone(const char *name, struct arena *arena, struct slice *bytes_out) {
    char path[256];
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    uint8_t *bytes = arena_alloc(arena, 32 << 10);
    size_t size = fread(bytes, 1, 32 << 10, file);
    fclose(file);
    *bytes_out = slice_of(bytes, size);
    return size > 0;
}

#endif
