/*
 * What the machine allows: random gets of 8 bytes by key from a bare hash table and a bare file of
 * entries laid out as the drive's, and appending them, without anything a store needs. The drive's
 * own figures are those of `drive_bench DIRECTORY 1000000 drive "8 B"`.
 *
 * usage: floor_bench DIRECTORY        prints ns of processor's time an entry, best of 5
 *
 * Appending: keys are made, looked up and put into a table of the final size whose memory is there
 * already, 1,024 at a time; 64 bytes of each are written, neither built nor summed.
 *
 * Keys are stored in words or byte by byte: see make_key in drive_bench.c and docs/drive.md.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/base_bytes.h"
#include "base/base_hash_inline.h"
#include "base/base_memory.h"
#include "runtime/runtime_plain.h"

enum {
    COUNT = 1000000,
    ENTRY_SIZE = 64,
    KEY_SIZE = 16,
    LINES = 1 << 19,
    LINE_SLOTS = 4,
    ROUNDS = 5
};

struct slot {
    uint64_t hash, place;
};

static struct slot (*lines)[LINE_SLOTS];
static const uint8_t *entries;
static uint32_t three_digits[1000];

static void key_in_bytes(uint8_t *key, uint64_t n) {
    memcpy(key, "bench-key-", 10);
    for (int at = KEY_SIZE - 1; at >= 10; at--, n /= 10)
        key[at] = (uint8_t)('0' + n % 10);
}

static void key_in_words(uint8_t *key, uint64_t n) {
    uint64_t number = three_digits[n / 1000] | (uint64_t)three_digits[n % 1000] << 24;
    memcpy(key, "bench-ke", 8);
    put_le64(key + 8, number << 16 | ('y' | '-' << 8));
}

static void must(bool good, const char *what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void build(const char *directory) {
    char path[512];
    snprintf(path, sizeof path, "%s/bench.floor", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0 && unlink(path) == 0, path);
    uint8_t *bytes = memory_alloc_zeroed(COUNT, ENTRY_SIZE);
    lines = plain_map_memory((uint64_t)LINES * sizeof *lines);
    must(bytes != NULL && lines != NULL, "memory");
    for (uint64_t n = 0; n < COUNT; n++) {
        uint8_t *key = bytes + n * ENTRY_SIZE + 40;
        key_in_bytes(key, n);
        put_le64(key + KEY_SIZE, n);
        uint64_t hash = hash_bytes_inline(key, KEY_SIZE);
        uint64_t at = (uint64_t)(((unsigned __int128)hash * LINES) >> 64);
        int slot = 0;
        while (lines[at][slot].place != 0) {
            if (++slot == LINE_SLOTS) {
                slot = 0;
                at = (at + 1) % LINES;
            }
        }
        lines[at][slot] = (struct slot){hash, n * ENTRY_SIZE + 1};
    }
    for (size_t done = 0; done < (size_t)COUNT * ENTRY_SIZE;) {
        ssize_t wrote = write(fd, bytes + done, (size_t)COUNT * ENTRY_SIZE - done);
        must(wrote > 0, "write");
        done += (size_t)wrote;
    }
    memory_free(bytes);
    entries = mmap(NULL, (size_t)COUNT * ENTRY_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    must(entries != MAP_FAILED, "mmap");
    close(fd);
}

static inline uint64_t get(const uint8_t *key) {
    uint64_t hash = hash_bytes_inline(key, KEY_SIZE);
    uint64_t at = (uint64_t)(((unsigned __int128)hash * LINES) >> 64), place = 0;
    for (;; at = (at + 1) % LINES) {
#pragma GCC unroll 4
        for (int i = 0; i < LINE_SLOTS; i++) {
            bool equal = lines[at][i].hash == hash;
            place = __builtin_expect_with_probability(equal, 1, 0.5) ? lines[at][i].place : place;
        }
        if (__builtin_expect(place != 0, true))
            break;
    }
    const uint8_t *entry = entries + place - 1;
    if (((get_le64(entry + 40) ^ get_le64(key)) | (get_le64(entry + 48) ^ get_le64(key + 8))) != 0)
        abort();
    return get_le64(entry + 56);
}

static double measure(bool in_words, uint64_t *sum) {
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        struct timespec a, b;
        uint64_t state = 1;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        for (int i = 0; i < COUNT; i++) {
            uint8_t key[KEY_SIZE];
            state = state * 6364136223846793005u + 1442695040888963407u;
            uint64_t n = (state >> 33) * COUNT >> 31;
            if (in_words)
                key_in_words(key, n);
            else
                key_in_bytes(key, n);
            *sum += get(key);
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
        best = ns / COUNT < best ? ns / COUNT : best;
    }
    return best;
}

enum { BATCH = 1024 };

static void take(const uint64_t *hashes, size_t count, uint64_t first) {
    for (size_t i = 0; i < count; i++) {
        uint64_t at = (uint64_t)(((unsigned __int128)hashes[i] * LINES) >> 64);
        for (;; at = (at + 1) % LINES) {
            unsigned used = 0;
#pragma GCC unroll 4
            for (int slot = 0; slot < LINE_SLOTS; slot++)
                used += lines[at][slot].place != 0;
            if (used < LINE_SLOTS) {
                lines[at][used] = (struct slot){hashes[i], (first + i) * ENTRY_SIZE + 1};
                break;
            }
        }
    }
}

static bool any_there(const uint64_t *hashes, size_t count) {
    bool there = false;
    for (size_t i = 0; i < count; i++) {
        uint64_t at = (uint64_t)(((unsigned __int128)hashes[i] * LINES) >> 64);
        for (int slot = 0; slot < LINE_SLOTS; slot++)
            there |= lines[at][slot].hash == hashes[i];
    }
    return there;
}

static double append_all(const char *directory) {
    static uint8_t bytes[BATCH * ENTRY_SIZE];
    uint64_t hashes[BATCH];
    char path[512];
    snprintf(path, sizeof path, "%s/bench.floor", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0 && unlink(path) == 0, path);
    memset(lines, 0, (size_t)LINES * sizeof *lines);
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (uint64_t n = 0; n < COUNT; n += BATCH) {
        size_t count = COUNT - n < BATCH ? (size_t)(COUNT - n) : BATCH;
        for (size_t i = 0; i < count; i++) {
            uint8_t *key = bytes + i * ENTRY_SIZE + 40;
            key_in_words(key, n + i);
            hashes[i] = hash_bytes_inline(key, KEY_SIZE);
            __builtin_prefetch(lines[(uint64_t)(((unsigned __int128)hashes[i] * LINES) >> 64)]);
        }
        must(!any_there(hashes, count), "a key is there already");
        must(write(fd, bytes, count * ENTRY_SIZE) == (ssize_t)(count * ENTRY_SIZE), "write");
        take(hashes, count, n);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    close(fd);
    return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / COUNT;
}

int main(int argc, char **argv) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 1000; i++)
        three_digits[i] = ('0' + i / 100) | ('0' + i / 10 % 10) << 8 | ('0' + i % 10) << 16;
    build(argc > 1 ? argv[1] : "/tmp");
    (void)measure(true, &sum); /* touches all pages */
    double words = measure(true, &sum), bytes = measure(false, &sum);
    printf("keys in words: %.0f ns a get, byte by byte: %.0f (%llx)\n", words, bytes,
           (unsigned long long)sum);
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double ns = append_all(argc > 1 ? argv[1] : "/tmp");
        best = ns < best ? ns : best;
    }
    printf("appending: %.0f ns\n", best);
    return 0;
}
