/* What the shim's runtime asks of its machine. */
#ifndef WK_SHIM_BLOCK_H
#define WK_SHIM_BLOCK_H

#include "tests/cuda_on_cpu/cuda_runtime.h"

/* Runs every block of a launch; false after writing what went wrong. */
bool shim_run(const cudaLaunchConfig_t *c, const std::function<void()> &thread_body, char *message,
              size_t size);

#endif
