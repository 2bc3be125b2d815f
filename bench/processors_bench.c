/*
 * What two processors of this machine do of twice one processor's work, by plain loops. Virtual
 * processors are often two threads of one core: what waits for itself (a chain of multiplications)
 * scales then, what fills the core's units does not.
 *
 * usage: processors_bench [ROUNDS]   prints the medians: waiting A computing B reading C
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS_MAX = 99, CHAINS = 8, READ_WORDS = 16 << 20 };

static uint64_t sink[2][16];
static uint64_t *memory;

static void wait_for_itself(unsigned processor) {
    uint64_t x = processor;
    for (long i = 0; i < 200000000; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    sink[processor][0] = x;
}

static void compute(unsigned processor) {
    uint64_t x[CHAINS] = {processor};
    for (uint64_t i = 0; i < 40000000; i++)
        for (int k = 0; k < CHAINS; k++) {
            x[k] = (x[k] ^ (x[k] >> 3)) + i;
            __asm__ volatile("" : "+r"(x[k])); /* one after the other, no vectors */
        }
    for (int k = 0; k < CHAINS; k++)
        sink[processor][k] = x[k];
}

static void read_memory(unsigned processor) {
    const uint64_t *words = memory + (size_t)processor * READ_WORDS;
    uint64_t sum = 0;
    for (int round = 0; round < 8; round++)
        for (size_t i = 0; i < READ_WORDS; i++)
            sum += words[i];
    sink[processor][0] = sum;
}

typedef void (*loop)(unsigned processor);

struct side {
    loop body;
    unsigned processor;
};

static void *run(void *argument) {
    const struct side *side = argument;
    cpu_set_t processors;
    CPU_ZERO(&processors);
    CPU_SET(side->processor, &processors);
    pthread_setaffinity_np(pthread_self(), sizeof processors, &processors);
    side->body(side->processor);
    return NULL;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The time of `count` loops at once. */
static double measure(loop body, unsigned count) {
    pthread_t threads[2];
    struct side sides[2];
    double begin = seconds();
    for (unsigned i = 0; i < count; i++) {
        sides[i] = (struct side){body, i};
        if (pthread_create(&threads[i], NULL, run, &sides[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return seconds() - begin;
}

static int rising(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double scaling(loop body, int rounds) {
    double found[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++)
        found[i] = 2 * measure(body, 1) / measure(body, 2);
    qsort(found, (size_t)rounds, sizeof *found, rising);
    return found[rounds / 2];
}

int main(int count, char **arguments) {
    int rounds = count > 1 ? atoi(arguments[1]) : 5;
    memory = malloc(2 * READ_WORDS * sizeof *memory);
    if (rounds < 1 || rounds > ROUNDS_MAX || memory == NULL)
        return 2;
    for (size_t i = 0; i < 2 * READ_WORDS; i++)
        memory[i] = i;
    printf("waiting %.2f computing %.2f reading %.2f\n", scaling(wait_for_itself, rounds),
           scaling(compute, rounds), scaling(read_memory, rounds));
    free(memory);
    return 0;
}
