/* Functions of double precision, with PostgreSQL's refusals. */
#include <math.h>

#include "exec/exec_kernel.h"

static enum status out_of_range(void) {
    return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range");
}
static enum status overflow(void) {
    return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow");
}
static enum status underflow(void) {
    return error_set(STATUS_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow");
}

/* x is the argument; `refuse` is a condition on it. */
#define MATH(symbol, refuse, expression)                                                           \
    BOXED_FUNCTION(symbol) {                                                                       \
        double x = arguments[0].float64;                                                           \
        if (refuse)                                                                                \
            return out_of_range();                                                                 \
        result->float64 = (expression);                                                            \
        if (isinf(result->float64) && !isinf(x))                                                   \
            return overflow();                                                                     \
        return STATUS_OK;                                                                          \
    }
MATH(dcbrt, false, cbrt(x))
MATH(dround, false, rint(x))
MATH(dtrunc, false, trunc(x))
MATH(dceil, false, ceil(x))
MATH(dfloor, false, floor(x))
MATH(dsign, false, x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x)
MATH(dasin, x<-1 || x> 1, asin(x))
MATH(dacos, x<-1 || x> 1, acos(x))
MATH(datan, false, atan(x))
MATH(dsin, isinf(x), sin(x))
MATH(dcos, isinf(x), cos(x))
MATH(dtan, isinf(x), tan(x))
MATH(dsinh, false, sinh(x))
MATH(dcosh, false, cosh(x))
MATH(dtanh, false, tanh(x))
MATH(dasinh, false, asinh(x))
MATH(dacosh, x < 1, acosh(x))
MATH(degrees, false, x / 0.017453292519943295)
MATH(radians, false, x * 0.017453292519943295)

BOXED_FUNCTION(dcot) {
    double x = arguments[0].float64;
    if (isinf(x))
        return out_of_range();
    result->float64 = 1 / tan(x);
    return STATUS_OK;
}
BOXED_FUNCTION(datanh) {
    double x = arguments[0].float64;
    if (x < -1 || x > 1)
        return out_of_range();
    result->float64 = x == -1 ? -INFINITY : x == 1 ? INFINITY : atanh(x);
    return STATUS_OK;
}
BOXED_FUNCTION(dsqrt) {
    double x = arguments[0].float64;
    if (x < 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_POWER,
                         "cannot take square root of a negative number");
    result->float64 = sqrt(x);
    return STATUS_OK;
}
BOXED_FUNCTION(dexp) {
    double x = arguments[0].float64;
    result->float64 = exp(x);
    if (isinf(result->float64) && !isinf(x))
        return overflow();
    if (result->float64 == 0 && !isinf(x))
        return underflow();
    return STATUS_OK;
}
static enum status logarithm_argument(double x) {
    if (x == 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of zero");
    if (x < 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_LOG,
                         "cannot take logarithm of a negative number");
    return STATUS_OK;
}
BOXED_FUNCTION(dlog1) {
    TRY(logarithm_argument(arguments[0].float64));
    result->float64 = log(arguments[0].float64);
    return STATUS_OK;
}
BOXED_FUNCTION(dlog10) {
    TRY(logarithm_argument(arguments[0].float64));
    result->float64 = log10(arguments[0].float64);
    return STATUS_OK;
}
BOXED_FUNCTION(dpow) {
    double x = arguments[0].float64, y = arguments[1].float64;
    if (x == 0 && y < 0)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_POWER,
                         "zero raised to a negative power is undefined");
    if (x < 0 && !isinf(x) && !isinf(y) && floor(y) != y)
        return error_set(STATUS_INVALID_ARGUMENT_FOR_POWER,
                         "a negative number raised to a non-integer power yields a complex result");
    result->float64 = pow(x, y);
    if (isinf(result->float64) && !isinf(x) && !isinf(y))
        return overflow();
    if (result->float64 == 0 && x != 0 && !isinf(x) && !isinf(y))
        return underflow();
    return STATUS_OK;
}
BOXED_FUNCTION(datan2) {
    result->float64 = atan2(arguments[0].float64, arguments[1].float64);
    return STATUS_OK;
}
BOXED_FUNCTION(dpi) {
    result->float64 = 3.14159265358979323846;
    return STATUS_OK;
}
BOXED_FUNCTION(drandom) {
    if (call->f == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "random() cannot be evaluated here");
    /* 53 random bits in [0, 1). */
    result->float64 = (double)(random_next(fiber_random(call->f)) >> 11) * 0x1p-53;
    return STATUS_OK;
}
BOXED_FUNCTION(setseed) {
    double seed = arguments[0].float64;
    if (seed < -1 || seed > 1 || isnan(seed))
        return error_set(STATUS_INVALID_PARAMETER_VALUE,
                         "setseed parameter %g is out of allowed range [-1,1]", seed);
    if (call->f == NULL)
        return error_set(STATUS_FEATURE_NOT_SUPPORTED, "setseed() cannot be evaluated here");
    random_seed(fiber_random(call->f), (uint64_t)(int64_t)(seed * 9007199254740992.0));
    return STATUS_OK;
}

static const struct kernel_entry entries[] = {
    BOXED(dcbrt),   BOXED(dround),  BOXED(dtrunc), BOXED(dceil),  BOXED(dfloor),  BOXED(dsign),
    BOXED(dasin),   BOXED(dacos),   BOXED(datan),  BOXED(dsin),   BOXED(dcos),    BOXED(dtan),
    BOXED(dsinh),   BOXED(dcosh),   BOXED(dtanh),  BOXED(dasinh), BOXED(dacosh),  BOXED(datanh),
    BOXED(degrees), BOXED(radians), BOXED(dcot),   BOXED(dsqrt),  BOXED(dexp),    BOXED(dlog1),
    BOXED(dlog10),  BOXED(dpow),    BOXED(datan2), BOXED(dpi),    BOXED(drandom), BOXED(setseed),
};
KERNEL_TABLE(exec__kernels_math, entries)
