/* Until the value room has numeric patterns: to_char and to_number of numbers are refused. */
#include "value/value_numeric.h"

__attribute__((weak)) enum status numeric_to_char(struct numeric number, struct slice format,
                                                  struct buffer *buffer) {
    return error_set(STATUS_FEATURE_NOT_SUPPORTED, "to_char of numbers is not supported yet");
}

__attribute__((weak)) enum status numeric_from_char(struct slice text, struct slice format,
                                                    struct numeric *number_out) {
    return error_set(STATUS_FEATURE_NOT_SUPPORTED, "to_number is not supported yet");
}
