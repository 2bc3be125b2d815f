/* What every test includes: cmocka with the headers it wants, in their order. */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base_status.h"

/* A status that must be OK; prints the error's text when it is not. */
#define assert_ok(expression)                                                                      \
    do {                                                                                           \
        enum status assert_ok_ = (expression);                                                     \
        if (assert_ok_ != STATUS_OK)                                                               \
            fail_msg("%s: %s: %s", #expression, status_name(assert_ok_),                           \
                     error_current()->message);                                                    \
    } while (0)

/* A status that must be this failure. */
#define assert_status(expression, wanted)                                                          \
    do {                                                                                           \
        enum status assert_status_ = (expression);                                                 \
        if (assert_status_ != (wanted))                                                            \
            fail_msg("%s: %s instead of %s: %s", #expression, status_name(assert_status_),         \
                     status_name(wanted), error_current()->message);                               \
    } while (0)

#endif
