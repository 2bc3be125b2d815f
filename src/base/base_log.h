/*
 * Log lines on standard error, one per event:
 *
 *     2026-01-31T12:34:56.789Z info  journal: replayed segments=12 commits=81233 ms=412
 *
 * `room` says who speaks; the message is one sentence or name=value pairs. The writer and the
 * clock are the runtime's (log_writer_set), so that tests and the simulator can catch both.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base_status.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_FATAL };

void log_level_set(enum log_level least);
enum log_level log_level(void);
/* "debug", "info", ...; false when unknown. */
bool log_level_parse(const char *text, enum log_level *level_out);

/* Called with one finished line without its newline, from any thread. NULL: standard error. */
void log_writer_set(void (*writer)(enum log_level level, const char *line));
/* Microseconds since 1970-01-01 UTC; NULL: lines carry no time. */
void log_clock_set(int64_t (*clock)(void));

void log_write(enum log_level level, const char *room, const char *format, ...) PRINTF_LIKE(3, 4);

#define LOG(level, room, ...)                                                                      \
    do {                                                                                           \
        if ((level) >= log_level())                                                                \
            log_write((level), (room), __VA_ARGS__);                                               \
    } while (0)

/* Say why and stop the process at once, without clean-up: for what must never go on. */
_Noreturn void log_fatal(const char *room, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
