/* Cutting to_char patterns of dates into items. Private to the room. */
#ifndef VALUE_PATTERN_H
#define VALUE_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base_slice.h"

enum pattern_key {
    KEY_LITERAL, /* one character (perhaps several bytes) to show as it is */
    KEY_AM,
    KEY_AM_DOTS,
    KEY_BC,
    KEY_BC_DOTS,
    KEY_CC,
    KEY_D,
    KEY_DAY,
    KEY_DD,
    KEY_DDD,
    KEY_DY,
    KEY_FF,
    KEY_HH12,
    KEY_HH24,
    KEY_ID,
    KEY_IDDD,
    KEY_IW,
    KEY_IYYYY,
    KEY_IYYY,
    KEY_IYY,
    KEY_IY,
    KEY_J,
    KEY_MI,
    KEY_MM,
    KEY_MON,
    KEY_MONTH,
    KEY_MS,
    KEY_OF,
    KEY_Q,
    KEY_RM,
    KEY_SS,
    KEY_SSSS,
    KEY_TZ,
    KEY_TZH,
    KEY_TZM,
    KEY_US,
    KEY_W,
    KEY_WW,
    KEY_Y_YYY,
    KEY_YYYY,
    KEY_YYY,
    KEY_YY,
    KEY_Y,
};

enum pattern_case { CASE_UPPER, CASE_FIRST, CASE_LOWER };

struct pattern_item {
    enum pattern_key key;
    enum pattern_case letters;
    uint8_t digits; /* of FF1..FF6 */
    bool fill;      /* without FM: pad */
    bool ordinal;   /* TH or th follows */
    bool ordinal_lower;
    bool quoted;       /* literal from between quotes */
    struct slice text; /* of the item as written */
};

/* The next item of *format; false at its end. */
bool pattern_next(struct slice *format, bool *inside_quotes, struct pattern_item *item);
bool pattern_is_number(enum pattern_key key);

extern const char *const month_names[12];
extern const char *const weekday_names[7]; /* from Sunday */
extern const char *const roman_months[12];

#endif
