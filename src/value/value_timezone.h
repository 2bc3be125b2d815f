/*
 * Time zones: fixed offsets, POSIX-style names like "EST5EDT" only where the zone files have
 * them, and the zone files themselves (TZif, RFC 8536), parsed from bytes.
 *
 * Offsets here are seconds EAST of UTC (as ISO writes them). A zone is immutable and lives as
 * long as the process; zones by name are cached, any thread may look them up.
 */
#ifndef VALUE_TIMEZONE_H
#define VALUE_TIMEZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base_arena.h"
#include "base/base_slice.h"
#include "base/base_status.h"

struct timezone;

enum { TIMEZONE_NAME_SIZE = 64, TIMEZONE_OFFSET_MAX = 15 * 3600 + 59 * 60 + 59 };

/* Upper rooms say how the bytes of a zone file are read (name such as "Europe/Berlin", already
   checked to stay inside the folder). False when there is no such file. The bytes go to `arena`.
   Without a loader only UTC, GMT and fixed offsets are known. Set once at start. */
typedef bool (*timezone_loader)(const char *name, struct arena *arena, struct slice *bytes_out);
void timezone_loader_set(timezone_loader loader);

extern const struct timezone *const timezone_utc;

/* As SET TimeZone takes it: a zone name in any case, "UTC", "+02", "-3:30" (ISO sign: no; as in
   PostgreSQL a POSIX-style "<+02>-02" or "UTC-2" counts west positive), or a number of hours east
   ("2", "-7.5"). INVALID_PARAMETER_VALUE `time zone "x" not recognized`. */
enum status timezone_find(struct slice name, const struct timezone **timezone_out) MUST_USE;
/* A fixed offset, shown as "<+02>-02". |offset| <= TIMEZONE_OFFSET_MAX, else NULL. */
const struct timezone *timezone_fixed(int32_t offset_seconds);

/* As SHOW TimeZone: "Europe/Berlin". */
const char *timezone_name(const struct timezone *timezone);

/* At an instant (timestamptz, microseconds since 2000-01-01 UTC): offset, whether it is summer
   time and the abbreviation (static or of the zone; may be NULL for fixed ones). */
int32_t timezone_offset_at(const struct timezone *timezone, int64_t timestamptz, bool *dst_out,
                           const char **abbreviation_out);
/* For local time (microseconds since 2000-01-01 00:00 local): the offset PostgreSQL would choose
   (standard time when a time is skipped or doubled: the later instant of a doubled time). */
int32_t timezone_offset_local(const struct timezone *timezone, int64_t local);

/* A zone abbreviation of input ("EST", "CET", "z"), any case. False when unknown. */
bool timezone_abbreviation(struct slice word, int32_t *offset_out);

/* Parse the bytes of a TZif file; for tests and timezone_find. NULL with DATA_CORRUPTED set when
   they are not one. Lives for ever. */
const struct timezone *timezone_parse(const char *name, struct slice bytes);

#endif
