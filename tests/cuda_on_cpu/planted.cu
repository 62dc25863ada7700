/* Faults planted in kernels: a removed barrier, a wait for a copy that is missing, an index outside of
 * shared memory. Each has to be caught in some order of the threads, and the kernel without it to be right
 * in all. */
#include "cuda/mma.cuh"

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

/* The same by the matrix units: rows are put in reverse order by a product, columns before it. TURNED: the second
 * operand is read as the product wants it. */
template <bool TURNED, typename T> __global__ void product_kernel(float *y, const float *x)
{
    enum { SIDE = 16, SIZE = SIDE * SIDE };
    SHARED(T, a, SIZE);
    SHARED(T, b, SIZE);
    const int lane = (int)threadIdx.x % 32;
    for (int e = (int)threadIdx.x; e < SIZE; e += N) {
        const int row = e / SIDE, col = e % SIDE;
        a[e] = element_of<T>::value(row + col == 7 ? 1.0f : 0.0f);
        b[e] = element_of<T>::value(row < 8 && col < 8 ? x[row * 8 + 7 - col] : 0.0f);
    }
    __syncthreads();
    if (threadIdx.x >= 32) return;
    uint32_t ra[4], rb[4];
    float    c[4] = {};
    T *const from = &b[lane % SIDE * SIDE + lane / SIDE * 8];
    warp_load(ra, &a[lane % SIDE * SIDE + lane / SIDE * 8]);
    TURNED ? warp_load_turned(rb, from) : warp_load(rb, from);
    warp_multiply(c, ra, rb[0], rb[1], T());
    for (int e = 0; e < 2; e++) y[lane / 4 * 8 + lane % 4 * 2 + e] = c[e]; /* the other rows are 0 */
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
        {"a matrix that is not turned, f16", product_kernel<true, f16>, product_kernel<false, f16>},
        {"a matrix that is not turned, bf16", product_kernel<true, bf16>, product_kernel<false, bf16>},
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
