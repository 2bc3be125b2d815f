#include "column/kernel.h"

#include <stddef.h>

#ifdef COLUMN_KERNELS_X86
extern const struct kernels kernels_avx2, kernels_avx512;

const struct kernels *kernels_at(unsigned index) {
    switch (index) {
    case 0:
        return &kernels_plain;
    case 1:
        return __builtin_cpu_supports("avx2") ? &kernels_avx2 : NULL;
    case 2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avx512f") &&
                       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("avx512vl")
                   ? &kernels_avx512
                   : NULL;
    default:
        return NULL;
    }
}
#else
const struct kernels *kernels_at(unsigned index) {
    return index == 0 ? &kernels_plain : NULL;
}
#endif

static const struct kernels *chosen; /* the same for all threads, whoever is first */

static const struct kernels *best(void) {
    const struct kernels *set = &kernels_plain;
    for (unsigned i = 1; kernels_at(i) != NULL; i++)
        set = kernels_at(i);
    return set;
}

const struct kernels *kernels(void) {
    const struct kernels *set = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (__builtin_expect(set == NULL, 0)) {
        set = best();
        __atomic_store_n(&chosen, set, __ATOMIC_RELAXED);
    }
    return set;
}

void kernels_use(const struct kernels *set) {
    __atomic_store_n(&chosen, set != NULL ? set : best(), __ATOMIC_RELAXED);
}
