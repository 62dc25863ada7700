/* What the stand-ins for CUDA's libraries share. They are part of the shim's module, which WK_CUBLASLT,
 * WK_CUFFT and WK_CUSOLVER name as the library. */
#ifndef WK_SHIM_STAND_IN_H
#define WK_SHIM_STAND_IN_H

#include <cuda_runtime.h>

#include <functional>

#define EXPORTED extern "C" __attribute__((visibility("default")))

/* Queues work of a library; products count as launches. */
cudaError_t shim_submit(cudaStream_t s, std::function<cudaError_t()> step, bool product = false);
/* A library makes something that has memory of the device: counted; false while a stream is captured. */
bool shim_allocates();
void shim_searches(); /* it looks for an algorithm: counted */

#endif
