#include "exec/exec_kernel.h"
const struct kernel_table exec__kernels_datetime = {NULL, 0};
