/* The kernels for any processor of the architecture. */
#define KERNELS kernels_plain
#define KERNELS_NAME "plain"
#include "column/kernel_body.h"
