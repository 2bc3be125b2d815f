/*
 * satori drive bench: entries of 8 bytes under "bench-key-N" in batches of 1,024, appended and
 * read; making the keys is part of what is measured. Nothing is synced. bench/drive has the same
 * work beside other engines.
 */
#include <stdio.h>
#include <string.h>

#include "base/base_bytes.h"
#include "runtime/runtime.h"
#include "runtime/runtime_plain.h"
#include "server/server_drive.h"

typedef uint64_t pair __attribute__((vector_size(16)));

enum { BATCH = 1024, KEY_SIZE_MAX = 40, WORD_NUMBERS = 100000000 };

static __attribute__((noinline)) size_t key_of_any(char *key, uint64_t n) {
    return (size_t)snprintf(key, KEY_SIZE_MAX, "bench-key-%llu", (unsigned long long)n);
}

/*
 * "bench-key-N", whole words for N below WORD_NUMBERS: printf would take longer than an append, and
 * a key that is stored in smaller parts than its hash reads keeps one get from beginning before the
 * last has ended (docs/drive.md). Digits: two numbers of four digits become four of two and
 * eight of one, each step in all places of the word at once.
 */
static inline __attribute__((always_inline)) size_t make_key(char *key, uint64_t n) {
    if (__builtin_expect(n - 1 >= WORD_NUMBERS - 1, false))
        return key_of_any(key, n);
    uint64_t digits = n / 10000 | n % 10000 << 32, upper;
    upper = digits * 10486 >> 20 & 0x0000007f0000007f;
    digits = upper | (digits - upper * 100) << 16;
    upper = digits * 103 >> 10 & 0x000f000f000f000f;
    digits = upper | (digits - upper * 10) << 8;
    unsigned zeros = (unsigned)__builtin_ctzll(digits) / 8;
    digits = (digits | 0x3030303030303030) >> 8 * zeros;
    const pair words = {0x656b2d68636e6562, digits << 16 | 0x2d79}; /* bench-ke, y- and digits */
    memcpy(key, &words, sizeof words);
    put_le64(key + sizeof words, digits >> 48);
    return 18 - zeros;
}

static enum status append(struct drive *drive, uint64_t count) {
    static char keys[BATCH][KEY_SIZE_MAX];
    static uint64_t values[BATCH];
    static struct drive_item items[BATCH];
    for (uint64_t n = 0; n < count; n += BATCH) {
        size_t batch = count - n < BATCH ? (size_t)(count - n) : BATCH;
        for (size_t i = 0; i < batch; i++) {
            put_le64(&values[i], n + i);
            items[i] = (struct drive_item){.key = slice_of(keys[i], make_key(keys[i], n + i)),
                                           .value = slice_of(&values[i], sizeof values[i])};
        }
        TRY(drive_batch(drive, items, batch, DRIVE_NONE));
    }
    return STATUS_OK;
}

static enum status wrong(uint64_t n) {
    return error_set(STATUS_INTERNAL_ERROR, "key bench-key-%llu has another value",
                     (unsigned long long)n);
}

static enum status read_in_turn(struct drive *drive, uint64_t count) {
    struct drive_iterator *iterator;
    struct drive_entry entry;
    uint64_t n = count;
    bool right = true;
    TRY(drive_iterate(drive, DRIVE_NEWEST_FIRST, &iterator));
    while (right && drive_next(iterator, &entry))
        right = entry.value.size == 8 && get_le64(entry.value.data) == --n;
    drive_iterator_close(iterator);
    return right && n == 0 ? STATUS_OK : wrong(n);
}

/* A number below `count`, which is less than 2^32: a plain generator, for it is measured, too. */
static inline uint64_t draw(uint64_t *state, uint64_t count) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 32) * count >> 32;
}

static enum status read_at_random(struct drive *drive, uint64_t count) {
    uint64_t state = 1;
    for (uint64_t i = 0; i < count; i++) {
        char key[KEY_SIZE_MAX];
        struct drive_handle handle;
        uint64_t n = draw(&state, count);
        TRY(drive_get(drive, slice_of(key, make_key(key, n)), &handle));
        bool right = handle.size == 8 && get_le64(handle.data) == n;
        drive_handle_release(&handle);
        if (!right)
            return wrong(n);
    }
    return STATUS_OK;
}

static enum status read_many(struct drive *drive, uint64_t count) {
    static char texts[BATCH][KEY_SIZE_MAX];
    static uint64_t numbers[BATCH];
    static struct slice keys[BATCH];
    static struct drive_handle handles[BATCH];
    uint64_t state = 1;
    for (uint64_t n = 0; n < count; n += BATCH) {
        size_t batch = count - n < BATCH ? (size_t)(count - n) : BATCH;
        for (size_t i = 0; i < batch; i++) {
            numbers[i] = draw(&state, count);
            keys[i] = slice_of(texts[i], make_key(texts[i], numbers[i]));
        }
        TRY(drive_get_many(drive, keys, batch, handles));
        enum status status = STATUS_OK;
        for (size_t i = 0; i < batch && status == STATUS_OK; i++)
            if (handles[i].size != 8 || get_le64(handles[i].data) != numbers[i])
                status = wrong(numbers[i]);
        drive_handles_release(handles, batch);
        TRY(status);
    }
    return STATUS_OK;
}

static void tell_rate(const struct drive_command *command, const char *what, uint64_t count,
                      int64_t began_ns) {
    double seconds = (double)(clock_monotonic_ns() - began_ns) / 1e9;
    printf(command->json ? "{\"measure\": \"%s\", \"per_second\": %.0f}\n" : "%-18s %12.0f /s\n",
           what, (double)count / seconds);
}

enum status drive_run_bench(struct drive_command *command) {
    static const struct {
        const char *name;
        enum status (*run)(struct drive *drive, uint64_t count);
    } parts[] = {
        {"append", append},
        {"sequential read", read_in_turn},
        {"random read", read_at_random},
        {"get-many", read_many},
    };
    struct drive *drive;
    command->options.create = command->options.exclusive = true;
    command->options.no_snapshot = true;
    TRY(drive_command_open(command, &drive));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == STATUS_OK; i++) {
        int64_t began = clock_monotonic_ns();
        status = parts[i].run(drive, command->count);
        if (status == STATUS_OK)
            tell_rate(command, parts[i].name, command->count, began);
    }
    struct error error = *error_current();
    plain_remove(command->operands[0]); /* before closing: nothing need reach the disk */
    *error_current() = error;
    return drive_command_finish(drive, status);
}
