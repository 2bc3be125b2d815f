/*
 * The simulator's program: runs seeds, each in a process of its own, and tells what came of them.
 *
 *     sim [--seeds N | --minutes M] [--first SEED] [--workload NAME] [--mode budget|rot]
 *         [--seconds S] [--twice] [--until-failure] [--saved FILE] [--gentle]
 *     sim --seed SEED [--trace] ...      replays one, with everything that happens in it
 */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "coverage.h"
#include "world.h"

enum { PATIENCE_S = 120 }; /* of processor time: the machine may be busy, or stopped */

const struct workload *const workloads[] = {&workload_bank, &workload_append, &workload_model,
                                            &workload_load, &workload_storm,  NULL};

struct settings {
    struct world_options world;
    uint64_t seeds;
    double minutes;
    bool twice, one, until_failure;
    const char *saved;
};

struct totals {
    uint64_t seeds, failures;
    struct world_report sum;
};

#ifdef __SANITIZE_ADDRESS__
int __lsan_do_recoverable_leak_check(void);
const char *__lsan_default_options(void);

/* What a machine that lost its power had in memory is nobody's any more: that is no leak. */
const char *__lsan_default_options(void) {
    return "leak_check_at_exit=0";
}

/* Where nothing has crashed all memory has been given back. */
static void look_for_leaks(struct world_report *report) {
    if (report->failure[0] == '\0' && report->crashes == 0 &&
        __lsan_do_recoverable_leak_check() != 0)
        snprintf(report->failure, sizeof report->failure, "memory was not given back");
}
#else
static void look_for_leaks(struct world_report *report) {
    (void)report;
}
#endif

static void print_line(const char *line) {
    printf("%s\n", line);
}

/* In a process of its own: memory that a crash loses ends with it, and a crash of the program is
   one seed's. */
static struct world_report run_seed(const struct world_options *options) {
    struct world_report report = {0};
    int ends[2];
    fflush(stdout);
    if (pipe(ends) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        struct itimerval patience = {.it_value.tv_sec = PATIENCE_S};
        setitimer(ITIMER_PROF, &patience, NULL);
        world_run(options, &report);
        if (options->gentle)
            look_for_leaks(&report);
        fflush(stdout);
        (void)!write(ends[1], &report, sizeof report);
        coverage_dump();
        _exit(0);
    }
    close(ends[1]);
    size_t got = 0;
    ssize_t part;
    while (got < sizeof report &&
           (part = read(ends[0], (char *)&report + got, sizeof report - got)) > 0)
        got += (size_t)part;
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (got < sizeof report) {
        report = (struct world_report){0};
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
            snprintf(report.failure, sizeof report.failure, "no end after %d s of processor time",
                     PATIENCE_S);
        else
            snprintf(report.failure, sizeof report.failure, "the process died (%s %d)",
                     WIFSIGNALED(status) ? "signal" : "exit",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    return report;
}

static void add(struct totals *totals, const struct world_report *report) {
    struct world_report *sum = &totals->sum;
    totals->seeds++;
    sum->transactions += report->transactions;
    sum->refused += report->refused;
    sum->lost += report->lost;
    sum->crashes += report->crashes;
    sum->starts += report->starts;
    sum->findings += report->findings;
    sum->virtual_ns += report->virtual_ns;
    sum->counts.turns += report->counts.turns;
    sum->counts.file_operations += report->counts.file_operations;
    for (int fault = 0; fault < SIMULATOR_FAULT_COUNT; fault++)
        sum->counts.faults[fault] += report->counts.faults[fault];
    for (size_t i = 0; i < report->chance_count; i++) {
        size_t at = 0;
        while (at < sum->chance_count && sum->chances[at].place != report->chances[i].place)
            at++;
        if (at == sum->chance_count)
            sum->chances[sum->chance_count++].place = report->chances[i].place;
        sum->chances[at].taken += report->chances[i].taken;
    }
}

static double now_s(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void print_totals(const struct totals *totals, double seconds) {
    const struct world_report *sum = &totals->sum;
    printf("%llu seeds in %.1f s (%.0f a minute), %.2f virtual hours, %llu failed\n",
           (unsigned long long)totals->seeds, seconds, (double)totals->seeds * 60 / seconds,
           (double)sum->virtual_ns / 3.6e12, (unsigned long long)totals->failures);
    printf("transactions: %llu done, %llu refused, %llu lost; %llu crashes, %llu starts, %llu "
           "findings; %llu turns, %llu file operations\n",
           (unsigned long long)sum->transactions, (unsigned long long)sum->refused,
           (unsigned long long)sum->lost, (unsigned long long)sum->crashes,
           (unsigned long long)sum->starts, (unsigned long long)sum->findings,
           (unsigned long long)sum->counts.turns, (unsigned long long)sum->counts.file_operations);
    printf("faults:");
    for (int fault = 0; fault < SIMULATOR_FAULT_COUNT; fault++)
        printf(" %s %llu%s", simulator_fault_name((enum simulator_fault)fault),
               (unsigned long long)sum->counts.faults[fault],
               fault + 1 < SIMULATOR_FAULT_COUNT ? "," : "\n");
    for (size_t i = 0; i < sum->chance_count; i++)
        printf("%s%s %llu%s", i == 0 ? "chances: " : "", sum->chances[i].place,
               (unsigned long long)sum->chances[i].taken, i + 1 < sum->chance_count ? ", " : "\n");
}

static void run_one(const struct settings *settings, struct totals *totals) {
    struct world_report report = run_seed(&settings->world);
    if (report.failure[0] == '\0' && settings->twice) {
        struct world_report again = run_seed(&settings->world);
        if (again.hash != report.hash)
            snprintf(report.failure, sizeof report.failure, "two runs differ: %016llx and %016llx",
                     (unsigned long long)report.hash, (unsigned long long)again.hash);
    }
    add(totals, &report);
    if (settings->one)
        printf("seed %llu: %s, hash %016llx\n", (unsigned long long)settings->world.seed,
               report.workload, (unsigned long long)report.hash);
    if (report.failure[0] == '\0')
        return;
    totals->failures++;
    printf("FAILED seed %llu (%s): %s\n", (unsigned long long)settings->world.seed, report.workload,
           report.failure);
    if (settings->world.gentle) {
        printf("  replay: test/sim --gentle --seed %llu --trace, in the same build folder\n",
               (unsigned long long)settings->world.seed);
        return;
    }
    printf("  replay: make sim SEED=%llu%s%s%s\n", (unsigned long long)settings->world.seed,
           settings->world.mode == WORLD_ROT ? " MODE=rot" : "",
           settings->world.workload != NULL ? " WORKLOAD=" : "",
           settings->world.workload != NULL ? settings->world.workload : "");
}

/* A line of the file: seed mode workload, `-` for the seed's own choice; # begins a comment. */
static int run_saved(struct settings *settings, struct totals *totals) {
    FILE *file = fopen(settings->saved, "r");
    if (file == NULL) {
        perror(settings->saved);
        return 2;
    }
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long long seed;
        char mode[16], workload[32];
        if (line[0] == '#' || sscanf(line, "%llu %15s %31s", &seed, mode, workload) != 3)
            continue;
        settings->world.seed = seed;
        settings->world.mode = strcmp(mode, "rot") == 0 ? WORLD_ROT : WORLD_BUDGET;
        settings->world.workload = strcmp(workload, "-") == 0 ? NULL : workload;
        run_one(settings, totals);
    }
    fclose(file);
    return 0;
}

static int usage(void) {
    fprintf(stderr, "usage: sim [--seeds N] [--minutes M] [--first SEED] [--seed SEED] [--trace]\n"
                    "           [--twice] [--workload NAME] [--mode budget|rot] [--seconds S]\n"
                    "           [--until-failure] [--saved FILE] [--gentle]\n");
    return 2;
}

static bool read_options(int argc, char **argv, struct settings *settings) {
    static const struct option options[] = {
        {"seeds", 1, NULL, 'n'},    {"minutes", 1, NULL, 'm'},       {"first", 1, NULL, 'f'},
        {"seed", 1, NULL, 's'},     {"trace", 0, NULL, 't'},         {"twice", 0, NULL, '2'},
        {"workload", 1, NULL, 'w'}, {"mode", 1, NULL, 'o'},          {"seconds", 1, NULL, 'd'},
        {"saved", 1, NULL, 'S'},    {"until-failure", 0, NULL, 'u'}, {"gentle", 0, NULL, 'g'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'n':
            settings->seeds = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            settings->minutes = strtod(optarg, NULL);
            settings->seeds = UINT64_MAX;
            break;
        case 's':
            settings->one = true;
            settings->seeds = 1; /* fall through */
        case 'f':
            settings->world.seed = strtoull(optarg, NULL, 10);
            break;
        case 't':
            settings->world.trace = print_line;
            break;
        case '2':
            settings->twice = true;
            break;
        case 'w':
            settings->world.workload = optarg;
            break;
        case 'o':
            settings->world.mode = strcmp(optarg, "rot") == 0 ? WORLD_ROT : WORLD_BUDGET;
            break;
        case 'd':
            settings->world.seconds = atoi(optarg);
            break;
        case 'u':
            settings->until_failure = true;
            break;
        case 'S':
            settings->saved = optarg;
            break;
        case 'g':
            settings->world.gentle = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

int main(int argc, char **argv) {
    struct settings settings = {.world = {.seed = 1, .seconds = 35}, .seeds = 100};
    if (!read_options(argc, argv, &settings))
        return usage();
    struct totals totals = {0};
    double begin = now_s();
    if (settings.saved != NULL) {
        int wrong = run_saved(&settings, &totals);
        if (wrong != 0)
            return wrong;
    } else {
        for (uint64_t i = 0; i < settings.seeds; i++, settings.world.seed++) {
            if (settings.until_failure && totals.failures > 0)
                break;
            if (settings.minutes > 0 && now_s() - begin >= settings.minutes * 60)
                break;
            run_one(&settings, &totals);
        }
    }
    print_totals(&totals, now_s() - begin);
    return totals.failures > 0;
}
