#include "drive/index.h"

#include <string.h>

#include "base/base_memory.h"
#include "runtime/runtime_plain.h"

enum { CAPACITY_MIN = 128, BLOCK_MAP_MIN = 1 << 20 };
#define CAPACITY_SMALL ((uint64_t)1 << 21)

_Static_assert(sizeof(struct slot) == 16, "a slot is 16 bytes, on disk too");
_Static_assert(CAPACITY_MIN % LINE_SLOTS == 0, "whole lines");

static uint64_t next_capacity(uint64_t capacity) {
    capacity = capacity < CAPACITY_SMALL ? capacity * 2 : capacity + capacity / 5;
    return capacity / LINE_SLOTS * LINE_SLOTS;
}

/* Of a table that is full and needs `keys`: small ones grow fourfold, if that may be, since making
   a table (fresh memory above all) costs more than looking into one. */
static uint64_t grown_capacity(uint64_t capacity, uint64_t keys, uint64_t memory_max) {
    uint64_t fourfold = capacity * 4;
    if (fourfold <= CAPACITY_SMALL && keys * 5 <= fourfold * 4 &&
        (memory_max == 0 || fourfold * sizeof(struct slot) <= memory_max))
        return fourfold;
    do
        capacity = next_capacity(capacity);
    while (keys * 5 > capacity * 4);
    return capacity;
}

static struct slot *small_slots(uint64_t size) {
    struct slot *slots = memory_alloc_aligned(64, size);
    if (slots != NULL)
        memset(slots, 0, size);
    return slots;
}

static enum status create(uint64_t capacity, uint64_t memory_max, struct table **table_out) {
    uint64_t size = capacity * sizeof(struct slot);
    if (memory_max != 0 && size > memory_max)
        return error_set(STATUS_LIMIT_EXCEEDED,
                         "the index needs %llu bytes of memory, %llu are allowed",
                         (unsigned long long)size, (unsigned long long)memory_max);
    struct table *table = memory_alloc_zeroed(1, sizeof *table);
    if (table == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    if (size >= BLOCK_MAP_MIN) {
        table->block = plain_map_memory(size);
        table->block_size = size;
        table->slots = table->block;
    } else {
        table->slots = small_slots(size);
    }
    if (table->slots == NULL) {
        memory_free(table);
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory for an index of %llu bytes",
                         (unsigned long long)size);
    }
    table->capacity = capacity;
    table->lines = capacity / LINE_SLOTS;
    atomic_init(&table->reference_count, 1);
    *table_out = table;
    return STATUS_OK;
}

enum status table_create(uint64_t count, uint64_t memory_max, struct table **table_out) {
    uint64_t capacity = CAPACITY_MIN;
    while (capacity * 4 < count * 5)
        capacity = next_capacity(capacity);
    return create(capacity, memory_max, table_out);
}

enum status table_adopt(void *block, uint64_t block_size, uint64_t slots_offset, uint64_t capacity,
                        uint64_t used, struct table **table_out) {
    struct table *table = memory_alloc_zeroed(1, sizeof *table);
    if (table == NULL)
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    table->block = block;
    table->block_size = block_size;
    table->slots = (struct slot *)(void *)((char *)block + slots_offset);
    table->capacity = capacity;
    table->lines = capacity / LINE_SLOTS;
    table->used = used;
    atomic_init(&table->reference_count, 1);
    *table_out = table;
    return STATUS_OK;
}

void table_retain(struct table *table) {
    atomic_fetch_add(&table->reference_count, 1);
}

void table_release(struct table *table) {
    if (table == NULL || atomic_fetch_sub(&table->reference_count, 1) != 1)
        return;
    if (table->block != NULL)
        plain_unmap(table->block, table->block_size);
    else
        memory_free(table->slots);
    memory_free(table);
}

enum status table_enlarge(const struct table *table, uint64_t count, uint64_t memory_max,
                          struct table **table_out) {
    uint64_t capacity = grown_capacity(table->capacity, table->used + count, memory_max);
    struct table *larger;
    TRY(create(capacity, memory_max, &larger));
    for (uint64_t i = 0; i < table->capacity; i++) {
        uint64_t place = atomic_load_explicit(&table->slots[i].place, memory_order_relaxed);
        if (place == 0)
            continue;
        uint64_t hash = atomic_load_explicit(&table->slots[i].hash, memory_order_relaxed);
        struct slot *slot = table_free(larger, hash);
        atomic_store_explicit(&slot->hash, hash, memory_order_relaxed);
        atomic_store_explicit(&slot->place, place, memory_order_relaxed);
    }
    larger->used = table->used;
    *table_out = larger;
    return STATUS_OK;
}
