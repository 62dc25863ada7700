/* Memory: blocks of the device, pinned memory of the host, the backend's own state. */
#include "cuda/kernel.cuh"

#include <stdlib.h>

void *wki_cuda_block(size_t bytes)
{
    void *p = nullptr;
    if (cudaMalloc(&p, bytes) == cudaSuccess) return p;
    cudaGetLastError(); /* the next launch must not see it */
    return nullptr;
}
void wki_cuda_block_free(void *block)
{
    cudaFree(block); /* waits for what still uses it */
}

void *wki_cuda_host_block(size_t bytes)
{
    void *p = nullptr;
    if (cudaHostAlloc(&p, bytes, cudaHostAllocMapped | cudaHostAllocPortable) == cudaSuccess) return p;
    cudaGetLastError();
    return nullptr;
}
void wki_cuda_host_block_free(void *block)
{
    if (block) cudaFreeHost(block);
}

void *wki_cuda_state(size_t bytes)
{
    return calloc(1, bytes);
}
void wki_cuda_state_free(void *block)
{
    free(block);
}

void *wki_cuda_alloc(wk_device *d, size_t bytes)
{
    if (cudaSetDevice(d->index) != cudaSuccess) return nullptr;
    return wki_cuda_block((bytes + 15) / 16 * 16); /* kernels read whole vectors */
}
void wki_cuda_free(wk_device *d, void *block, size_t)
{
    if (cudaSetDevice(d->index) == cudaSuccess) wki_cuda_block_free(block);
}
