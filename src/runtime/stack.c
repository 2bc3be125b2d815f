#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base_log.h"
#include "base/base_memory.h"
#include "runtime/core.h"
#include "runtime/sanitizer.h"
#include "runtime/switch.h"

/* Stacks come in slabs, so that a hundred thousand of them are some thousand mappings. Guard
   pages are markers in the page table where the kernel (6.13) can do that; mprotect elsewhere
   splits mappings, and the process runs into max_map_count at about 32,000 stacks. */
enum { SLAB_STACKS = 64, COLOURS = 16, COLOUR_SIZE = 192 };
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static size_t page_size(void) {
    static _Atomic size_t size;
    size_t known = atomic_load_explicit(&size, memory_order_relaxed);
    if (known == 0) {
        known = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&size, known, memory_order_relaxed);
    }
    return known;
}

static bool install_guard(void *page) {
    return madvise(page, page_size(), MADV_GUARD_INSTALL) == 0 ||
           mprotect(page, page_size(), PROT_NONE) == 0;
}

static enum status out_of_stacks(void) {
    return error_set(STATUS_OUT_OF_MEMORY, "out of memory for fiber stacks: %s", strerror(errno));
}

static enum status add_slab(struct core *c) {
    struct runtime *runtime = c->runtime;
    size_t count = SLAB_STACKS;
    if (count > runtime->fiber_count_max - c->slot_count)
        count = runtime->fiber_count_max - c->slot_count;
    size_t size = count * runtime->stack_size;
    if (!memory_grow(&c->slots, &c->slot_capacity, c->slot_count + count, sizeof *c->slots) ||
        !memory_grow(&c->slabs, &c->slab_capacity, c->slab_count + 1, sizeof *c->slabs) ||
        !timer__reserve(&c->timers, 2 * (c->slot_count + count)))
        return error_set(STATUS_OUT_OF_MEMORY, "out of memory");
    uint8_t *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (base == MAP_FAILED)
        return out_of_stacks();
    (void)madvise(base, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < count; i++) {
        if (!install_guard(base + i * runtime->stack_size)) {
            enum status status = out_of_stacks();
            munmap(base, size);
            return status;
        }
    }
    c->slabs[c->slab_count].base = base;
    c->slabs[c->slab_count++].size = size;
    /* Put them on the list so that the lowest comes first. */
    for (size_t i = count; i-- > 0;) {
        uint8_t *low = base + i * runtime->stack_size;
        STACK_REGISTER(low, runtime->stack_size);
        uint32_t slot = (uint32_t)(c->slot_count + i);
        size_t colour = slot % COLOURS * COLOUR_SIZE;
        uintptr_t place = (uintptr_t)low + runtime->stack_size - colour - sizeof(struct fiber);
        c->slots[slot] = (struct fiber_slot){
            .fiber = (struct fiber *)(place & ~(uintptr_t)63),
            .low = low,
            .cold = true,
            .next_free = c->cold_first,
        };
        c->cold_first = slot + 1;
    }
    c->slot_count += count;
    return STATUS_OK;
}

int64_t stack__take(struct core *c) {
    if (c->warm_first == 0 && c->cold_first == 0) {
        if (c->slot_count >= c->runtime->fiber_count_max) {
            (void)!error_set(STATUS_LIMIT_EXCEEDED, "too many fibers on core %u", c->index);
            error_detail("The limit is %u.", c->runtime->fiber_count_max);
            return -1;
        }
        if (add_slab(c) != STATUS_OK)
            return -1;
    }
    uint32_t *first = c->warm_first != 0 ? &c->warm_first : &c->cold_first;
    uint32_t index = *first - 1;
    struct fiber_slot *slot = &c->slots[index];
    *first = slot->next_free;
    if (!slot->cold)
        c->warm_count--;
    slot->cold = false;
    slot->generation++;
#ifdef WITH_ASAN
    /* The last user left without returning from its frames. */
    __asan_unpoison_memory_region(slot->low + page_size(), c->runtime->stack_size - page_size());
#endif
#ifdef WITH_TSAN
    if (slot->tsan_fiber == NULL)
        slot->tsan_fiber = __tsan_create_fiber(0);
#endif
    slot->fiber->stack_low = slot->low + page_size();
    return index;
}

void stack__put(struct core *c, uint32_t index) {
    c->slots[index].next_free = c->warm_first;
    c->warm_first = index + 1;
    c->warm_count++;
}

void stack__trim(struct core *c, uint32_t keep) {
    while (c->warm_count > keep) {
        uint32_t index = c->warm_first - 1;
        struct fiber_slot *slot = &c->slots[index];
        c->warm_first = slot->next_free;
        c->warm_count--;
        (void)madvise(slot->low + page_size(), c->runtime->stack_size - page_size(), MADV_DONTNEED);
        slot->cold = true;
        slot->next_free = c->cold_first;
        c->cold_first = index + 1;
    }
}

void stack__release_all(struct core *c) {
#ifdef WITH_TSAN
    for (size_t i = 0; i < c->slot_count; i++) {
        if (c->slots[i].tsan_fiber != NULL)
            __tsan_destroy_fiber(c->slots[i].tsan_fiber);
    }
#endif
    for (size_t i = 0; i < c->slab_count; i++) {
#ifdef WITH_ASAN
        __asan_unpoison_memory_region(c->slabs[i].base, c->slabs[i].size);
#endif
        munmap(c->slabs[i].base, c->slabs[i].size);
    }
    if (c->large_stack != NULL)
        munmap(c->large_stack, LARGE_STACK_SIZE);
    memory_free(c->slabs);
    memory_free(c->slots);
}

bool stack__is_guard(const struct core *c, const void *address) {
    const uint8_t *at = address;
    if (c->on_large_stack)
        return at >= (const uint8_t *)c->large_stack &&
               at < (const uint8_t *)c->large_stack + page_size();
    const struct fiber *f = c->current;
    return f != NULL && at < (const uint8_t *)f->stack_low &&
           at >= (const uint8_t *)f->stack_low - page_size();
}

static void *large_stack(struct core *c) {
    if (c->large_stack == NULL) {
        void *base = mmap(NULL, LARGE_STACK_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
        if (base == MAP_FAILED)
            return NULL;
        (void)madvise(base, LARGE_STACK_SIZE, MADV_NOHUGEPAGE);
        if (!install_guard(base)) {
            munmap(base, LARGE_STACK_SIZE);
            return NULL;
        }
        STACK_REGISTER(base, LARGE_STACK_SIZE);
        c->large_stack = base;
    }
    return c->large_stack;
}

struct large_call {
    struct core *core;
    enum status (*function)(void *);
    void *argument;
    enum status status;
    void *fake_stack;
    const void *caller_low;
    size_t caller_size;
};

static void run_on_large_stack(void *argument) {
    struct large_call *call = argument;
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(NULL, &call->caller_low, &call->caller_size);
#endif
    call->status = call->function(call->argument);
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(NULL, call->caller_low, call->caller_size);
#endif
}

enum status fiber_on_large_stack(struct fiber *f, enum status (*function)(void *), void *argument) {
    struct core *c = f->core;
    if (c->on_large_stack)
        return function(argument);
    if (large_stack(c) == NULL)
        return out_of_stacks();
    struct large_call call = {.core = c, .function = function, .argument = argument};
    void *low_before = c->stack_low_now;
    c->on_large_stack = true;
    c->stack_low_now = (uint8_t *)c->large_stack + page_size();
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(&call.fake_stack, c->large_stack, LARGE_STACK_SIZE);
#endif
    switch__call((uint8_t *)c->large_stack + LARGE_STACK_SIZE, run_on_large_stack, &call);
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(call.fake_stack, NULL, NULL);
#endif
    c->stack_low_now = low_before;
    c->on_large_stack = false;
    return call.status;
}

/* Lowest address of the calling thread's own stack. */
static const void *thread_stack_low(void) {
    static _Thread_local const void *low;
    if (low == NULL) {
        pthread_attr_t attributes;
        void *base = NULL;
        size_t size = 0;
        if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
            (void)pthread_attr_getstack(&attributes, &base, &size);
            pthread_attr_destroy(&attributes);
        }
        low = base;
    }
    return low;
}

__attribute__((noinline)) size_t fiber_stack_left(void) {
    const uint8_t *here = __builtin_frame_address(0);
    const struct core *c = core__current();
    const uint8_t *low =
        c != NULL && c->stack_low_now != NULL ? c->stack_low_now : thread_stack_low();
    return here > low ? (size_t)(here - low) : 0;
}
