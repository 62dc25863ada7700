/* Faults planted in kernels: a removed barrier, a wait for a copy that is missing, an index outside of
 * shared memory. Each has to be caught in some order of the threads, and the kernel without it to be right
 * in all. */
#include "cuda/kernel.cuh"

#include <stdio.h>

enum { N = 64 };

/* y[i] = x[N - 1 - i], through shared memory. */
template <bool BARRIER> __global__ void reverse_kernel(float *y, const float *x)
{
    SHARED(float, row, N);
    row[threadIdx.x] = x[threadIdx.x];
    if (BARRIER) __syncthreads();
    y[threadIdx.x] = row[N - 1 - threadIdx.x];
}

template <bool WAIT> __global__ void copied_kernel(float *y, const float *x)
{
    SHARED(float, row, N);
    copy_async<4>(&row[threadIdx.x], x + threadIdx.x);
    copy_async_commit();
    if (WAIT) copy_async_wait<0>();
    __syncthreads();
    y[threadIdx.x] = row[N - 1 - threadIdx.x];
}

template <int BEYOND> __global__ void outside_kernel(float *y, const float *x)
{
    SHARED(float, row, N);
    row[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = row[N - 1 - threadIdx.x + BEYOND];
}

/* A barrier that half of the threads do not come to. */
template <bool ALL> __global__ void divided_kernel(float *y, const float *x)
{
    y[threadIdx.x] = x[N - 1 - threadIdx.x];
    if (ALL || threadIdx.x < N / 2) __syncthreads();
}

/* Is the result right in this order? */
static bool right(void (*kernel)(float *, const float *), const char *order)
{
    float        x[N], y[N] = {0};
    cudaStream_t queue;
    setenv("WK_SHIM_ORDER", order, 1);
    for (int i = 0; i < N; i++) x[i] = (float)i + 1;
    cudaStreamCreateWithFlags(&queue, cudaStreamNonBlocking);
    cudaLaunchConfig_t config;
    memset((void *)&config, 0, sizeof config);
    config.gridDim = dim3(1);
    config.blockDim = dim3(N);
    config.stream = queue;
    bool ok = cudaLaunchKernelEx(&config, kernel, &y[0], (const float *)&x[0]) == cudaSuccess;
    for (int i = 0; i < N; i++) ok = ok && y[i] == x[N - 1 - i];
    cudaStreamDestroy(queue);
    return ok;
}

int main()
{
    static const struct {
        const char *name;
        void (*good)(float *, const float *), (*bad)(float *, const float *);
    } faults[] = {
        {"a removed __syncthreads", reverse_kernel<true>, reverse_kernel<false>},
        {"a missing wait for a copy", copied_kernel<true>, copied_kernel<false>},
        {"an index outside of shared memory", outside_kernel<0>, outside_kernel<1>},
        {"a barrier that some threads miss", divided_kernel<true>, divided_kernel<false>},
    };
    static const char *const orders[] = {"forward", "reverse", "7"};
    int                      passed = 0, failed = 0;
    for (const auto &f : faults) {
        int good = 0, caught = 0;
        for (const char *order : orders) {
            good += right(f.good, order);
            caught += !right(f.bad, order);
        }
        const bool ok = good == 3 && caught > 0;
        printf("%s: caught in %d of 3 orders%s\n", f.name, caught, good == 3 ? "" : ", and wrong without it");
        ok ? passed++ : failed++;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
