/* What kernels use of a warp and of element types, on inputs whose results are exact: prints bits, a line for each, which
 * are the same from a GPU (built by nvcc) and from the shim. */
#include "cuda/mma.cuh"

#include <stdio.h>
#include <stdlib.h>

enum { LANES = 32, WORDS = 8 * LANES };

/* Words of 16-bit values that are small whole numbers. */
template <typename T> DEVICE uint32_t whole(int i)
{
    return packed<T>((float)(i * 7 % 13 - 6), (float)(i * 5 % 11 - 5));
}

template <typename T> __global__ void matrix_kernel(uint32_t *y)
{
    enum { HALVES = 16 * 16 };
    SHARED(T, x, HALVES);
    const int lane = (int)threadIdx.x;
    for (int e = lane; e < HALVES; e += LANES) x[e] = element_of<T>::value((float)(e * 3 % 17 - 8));
    __syncthreads();
    uint32_t a[4], b[4];
    float    c[4] = {1, 2, 3, 4};
    warp_load(a, &x[lane % 16 * 16 + lane / 16 * 8]);
    warp_load_turned(b, &x[lane % 16 * 16 + lane / 16 * 8]);
    warp_multiply(c, a, b[0], b[1], T());
    for (int i = 0; i < 4; i++) {
        y[lane + LANES * i] = a[i] ^ b[i] ^ whole<T>(lane + i);
        y[lane + LANES * (4 + i)] = bits_of(c[i]);
    }
}

__global__ void warp_kernel(uint32_t *y)
{
    const int      lane = (int)threadIdx.x;
    const uint32_t v = (uint32_t)lane * 2654435761u;
    y[lane] = __shfl_xor_sync(FULL_WARP, v, 5);
    y[LANES + lane] = __shfl_down_sync(FULL_WARP, v, 3);
    y[2 * LANES + lane] = __shfl_up_sync(FULL_WARP, v, 7, 16);
    y[3 * LANES + lane] = __ballot_sync(FULL_WARP, v & 4);
    y[4 * LANES + lane] = bits_of(warp_fold<plus>((float)lane));
    y[5 * LANES + lane] = bits_of(warp_fold<larger>((float)(lane * 37 % 32)));
    y[6 * LANES + lane] = (uint32_t)__dp4a((int)v, (int)(v >> 3), lane);
    y[7 * LANES + lane] = __shfl_sync(FULL_WARP, v, lane * 3 % LANES);
}

__global__ void copy_kernel(uint32_t *y)
{
    SHARED(uint32_t, x, WORDS);
    const int lane = (int)threadIdx.x;
    for (int i = lane; i < WORDS; i += LANES) y[i] = (uint32_t)i * 40503u;
    __threadfence();
    __syncthreads();
    for (int i = 0; i < 2; i++) copy_async<16>(&x[(i * LANES + lane) * 4], y + (i * LANES + lane) * 4);
    copy_async_commit();
    copy_async_wait<0>();
    __syncthreads();
    for (int i = lane; i < WORDS; i += LANES) y[i] = x[WORDS - 1 - i];
}

/* Every way from f32 to a smaller type and back. */
__global__ void dtype_kernel(uint32_t *y)
{
    const int lane = (int)threadIdx.x;
    for (int i = 0; i < 2; i++) {
        const float x = float_of((uint32_t)(lane + LANES * i) * 67108863u + 0x1234567u);
        f16         h;
        bf16        b;
        f8e4m3      e;
        f8e5m2      f;
        narrowed(x, h);
        narrowed(x, b);
        narrowed(x, e);
        narrowed(x, f);
        const bool none = x != x; /* which of its bits stay depends on the machine */
        y[lane + LANES * (4 * i)] = none ? 0 : bits_of(widened(h));
        y[lane + LANES * (4 * i + 1)] = none ? 0 : bits_of(widened(b));
        y[lane + LANES * (4 * i + 2)] = none ? 0 : bits_of(widened(e));
        y[lane + LANES * (4 * i + 3)] = none ? 0 : bits_of(widened(f));
    }
}

static bool print(const char *name, void (*kernel)(uint32_t *))
{
    static uint32_t    got[WORDS];
    void              *y = nullptr;
    cudaStream_t       queue;
    cudaLaunchConfig_t config;
    memset((void *)&config, 0, sizeof config);
    config.gridDim = dim3(1);
    config.blockDim = dim3(LANES);
    bool ok = cudaMalloc(&y, sizeof got) == cudaSuccess;
    ok = ok && cudaStreamCreateWithFlags(&queue, cudaStreamNonBlocking) == cudaSuccess;
    config.stream = queue;
    ok = ok && cudaLaunchKernelEx(&config, kernel, (uint32_t *)y) == cudaSuccess;
    ok = ok && cudaMemcpyAsync(got, y, sizeof got, cudaMemcpyDeviceToHost, queue) == cudaSuccess;
    ok = ok && cudaStreamSynchronize(queue) == cudaSuccess;
    printf("%s", name);
    for (int i = 0; i < WORDS && ok; i++) printf(" %08x", got[i]);
    printf(ok ? "\n" : ": failed\n");
    cudaFree(y);
    return ok;
}

int main()
{
    const bool all[] = {print("matrix f16", matrix_kernel<f16>), print("matrix bf16", matrix_kernel<bf16>),
                        print("warp", warp_kernel), print("copy", copy_kernel),
                        print("dtypes", dtype_kernel)};
    for (const bool ok : all)
        if (!ok) return 1;
    return 0;
}
