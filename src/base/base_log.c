#include "base/base_log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 4096 };

static _Atomic int least_level = LOG_INFO;
static void (*_Atomic line_writer)(enum log_level, const char *);
static int64_t (*_Atomic wall_clock)(void);

static const char *const level_names[] = {"debug", "info", "warning", "error", "fatal"};

void log_level_set(enum log_level least) {
    atomic_store(&least_level, (int)least);
}

enum log_level log_level(void) {
    return (enum log_level)atomic_load_explicit(&least_level, memory_order_relaxed);
}

bool log_level_parse(const char *text, enum log_level *level_out) {
    for (int i = 0; i <= LOG_FATAL; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level_out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_writer_set(void (*writer)(enum log_level, const char *)) {
    atomic_store(&line_writer, writer);
}

void log_clock_set(int64_t (*clock)(void)) {
    atomic_store(&wall_clock, clock);
}

/* Days since 1970-01-01 to a civil date, after Howard Hinnant's "chrono-compatible low-level
   date algorithms". */
static void civil_from_days(int64_t days, int64_t *year, int *month, int *day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

static int format_time(char *text, size_t size) {
    int64_t (*now_us)(void) = atomic_load(&wall_clock);
    if (now_us == NULL)
        return 0;
    int64_t us = now_us();
    int64_t seconds = us / 1000000, days = seconds / 86400, year;
    int month, day, second = (int)(seconds % 86400);
    civil_from_days(days, &year, &month, &day);
    return snprintf(text, size, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ ", (long long)year, month,
                    day, second / 3600, second / 60 % 60, second % 60, (int)(us % 1000000 / 1000));
}

static void write_line(enum log_level level, const char *room, const char *format,
                       va_list arguments) {
    char line[LINE_SIZE];
    int at = format_time(line, sizeof line);
    at += snprintf(line + at, sizeof line - (size_t)at, "%-7s %s: ", level_names[level], room);
    vsnprintf(line + at, sizeof line - (size_t)at, format, arguments);
    for (char *c = line + at; *c != '\0'; c++) {
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    }
    void (*writer)(enum log_level, const char *) = atomic_load(&line_writer);
    if (writer != NULL)
        writer(level, line);
    else
        fprintf(stderr, "%s\n", line);
}

void log_write(enum log_level level, const char *room, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(level, room, format, arguments);
    va_end(arguments);
}

_Noreturn void log_fatal(const char *room, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(LOG_FATAL, room, format, arguments);
    va_end(arguments);
    _Exit(70); /* EX_SOFTWARE: no handlers, no flushing of half-done work */
}
