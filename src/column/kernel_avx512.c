/* The kernels for AVX-512 F, BW, DQ and VL (compiled with the flags that meson.build gives this
   file). */
#define KERNELS kernels_avx512
#define KERNELS_NAME "avx512"
#include "column/kernel_body.h"
