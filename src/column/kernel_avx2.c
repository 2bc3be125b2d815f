/* The kernels for AVX2 (compiled with the flags that meson.build gives this file). */
#define KERNELS kernels_avx2
#define KERNELS_NAME "avx2"
#include "column/kernel_body.h"
