/* tpch_generate: the rows of TPC-H at any scale factor. The same arguments give the same bytes on
 * every machine; see rows.h for the format. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rows.h"
#include "text.h"

enum { BUFFER_BYTES = 1 << 20 };

struct options {
    double scale;
    uint64_t seed;
    int64_t chunk, chunks; /* which part of each table, from 1 */
    const char *table;     /* NULL: all */
    const char *directory; /* NULL: standard output */
};

static const char USAGE[] =
    "usage: tpch_generate [--scale S] [--seed N] [--chunk I/N] [--directory DIR] [--table T]\n"
    "\n"
    "Writes rows in the shape of TPC-H, fields separated by '|'.\n"
    "  --scale S        scale factor, 0.001 and more (1)\n"
    "  --seed N         another seed, other rows (1)\n"
    "  --chunk I/N      only the I-th of N parts of each table (1/1)\n"
    "  --table T        region, nation, supplier, customer, part, partsupp, orders or lineitem;\n"
    "                   without it all of them, which needs --directory\n"
    "  --directory DIR  write DIR/TABLE.csv; without it to standard output\n";

static int usage(void) {
    fputs(USAGE, stderr);
    return 2;
}

static int parse(int count, char **words, struct options *options) {
    *options = (struct options){.scale = 1, .seed = 1, .chunk = 1, .chunks = 1};
    for (int i = 1; i < count; i += 2) {
        const char *name = words[i], *value = words[i + 1];
        char *end = "";
        if (value == NULL)
            return usage();
        if (strcmp(name, "--scale") == 0) {
            options->scale = strtod(value, &end);
        } else if (strcmp(name, "--seed") == 0) {
            options->seed = strtoull(value, &end, 10);
        } else if (strcmp(name, "--chunk") == 0) {
            options->chunk = strtoll(value, &end, 10);
            options->chunks = *end == '/' ? strtoll(end + 1, &end, 10) : 0;
        } else if (strcmp(name, "--table") == 0) {
            options->table = value;
        } else if (strcmp(name, "--directory") == 0) {
            options->directory = value;
        } else {
            return usage();
        }
        if (*end != '\0')
            return usage();
    }
    if (!(options->scale >= 0.001 && options->scale <= 100000) || options->chunk < 1 ||
        options->chunk > options->chunks)
        return usage();
    return options->table == NULL && options->directory == NULL ? usage() : 0;
}

static int write_all(int file, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t done = write(file, bytes, count);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        bytes += done;
        count -= (size_t)done;
    }
    return 0;
}

static int write_table(const struct rows *rows, enum table table, const struct options *options,
                       int file) {
    static char buffer[BUFFER_BYTES + ROWS_BYTES_MAX];
    int64_t items = rows_items(rows, table);
    int64_t item = items * (options->chunk - 1) / options->chunks;
    int64_t end = items * options->chunk / options->chunks;
    char *at = buffer;
    for (; item < end; item++) {
        at = rows_write(rows, table, item, at);
        if (at - buffer >= BUFFER_BYTES) {
            if (write_all(file, buffer, (size_t)(at - buffer)) != 0)
                return -1;
            at = buffer;
        }
    }
    return write_all(file, buffer, (size_t)(at - buffer));
}

static int write_file(const struct rows *rows, enum table table, const struct options *options) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.csv", options->directory, TABLE_NAMES[table]);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int failed = file < 0 || write_table(rows, table, options, file) != 0;
    if (file >= 0)
        failed |= close(file) != 0;
    if (failed)
        fprintf(stderr, "tpch_generate: %s: %s\n", path, strerror(errno));
    return failed;
}

int main(int count, char **words) {
    struct options options;
    if (parse(count, words, &options) != 0)
        return 2;
    char *pool = text_pool_create(options.seed);
    if (pool == NULL) {
        fputs("tpch_generate: out of memory\n", stderr);
        return 1;
    }
    struct rows rows;
    rows_init(&rows, options.seed, options.scale, pool);
    int found = 0, failed = 0;
    for (enum table table = 0; table < TABLE_COUNT && !failed; table++) {
        if (options.table != NULL && strcmp(options.table, TABLE_NAMES[table]) != 0)
            continue;
        found = 1;
        if (options.directory != NULL) {
            failed = write_file(&rows, table, &options);
        } else if (write_table(&rows, table, &options, STDOUT_FILENO) != 0) {
            fprintf(stderr, "tpch_generate: %s\n", strerror(errno));
            failed = 1;
        }
    }
    free(pool);
    if (!found)
        fprintf(stderr, "tpch_generate: there is no table %s\n", options.table);
    return failed || !found;
}
