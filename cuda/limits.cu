/* What the device can do at most, measured: bytes read from memory, multiply-adds in f32 and on the matrix
 * units. */
#include "cuda/kernel.cuh"
#include "cuda/mma.cuh"

enum { THREADS = 256, CHAINS = 8, TRIES = 3, MOST_TURNS = 1 << 20 };

static __global__ void read_kernel(const uint4 *x, int64_t n, unsigned *seen)
{
    const int64_t step = (int64_t)gridDim.x * blockDim.x;
    unsigned      sum = 0;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += 4 * step) {
        uint4 v[4];
#pragma unroll
        for (int j = 0; j < 4; j++) v[j] = i + j * step < n ? x[i + j * step] : uint4{0, 0, 0, 0};
#pragma unroll
        for (int j = 0; j < 4; j++) sum |= v[j].x ^ v[j].y ^ v[j].z ^ v[j].w;
    }
    if (sum == 0x5eedu) *seen = sum; /* so that the reads are wanted */
}
static __global__ void multiply_kernel(float a, int turns, float *seen)
{
    float v[CHAINS];
#pragma unroll
    for (int j = 0; j < CHAINS; j++) v[j] = (float)(threadIdx.x + j);
    for (int i = 0; i < turns; i++) {
#pragma unroll
        for (int j = 0; j < CHAINS; j++) v[j] = v[j] * a + a;
    }
    float sum = 0;
#pragma unroll
    for (int j = 0; j < CHAINS; j++) sum += v[j];
    if (sum == -1) *seen = sum;
}
static __global__ void matrix_kernel(uint32_t a, int turns, float *seen)
{
    const uint32_t x[4] = {a, a, a, a};
    float          sum = 0, c[CHAINS][4];
#pragma unroll
    for (int j = 0; j < CHAINS; j++)
        for (int i = 0; i < 4; i++) c[j][i] = 0;
    for (int i = 0; i < turns; i++) {
#pragma unroll
        for (int j = 0; j < CHAINS; j++) warp_multiply(c[j], x, a, a, bf16());
    }
#pragma unroll
    for (int j = 0; j < CHAINS; j++)
        for (int i = 0; i < 4; i++) sum += c[j][i];
    if (sum == -1) *seen = sum;
}

struct stopwatch {
    cudaEvent_t  from, to;
    cudaStream_t queue;
};

/* Seconds of a kernel, the shortest of some; 0: it did not run. */
template <typename... P, typename... A>
static double shortest(const struct stopwatch &w, void (*kernel)(P...), unsigned blocks, A... args)
{
    double             best = 0;
    cudaLaunchConfig_t config;
    memset((void *)&config, 0, sizeof config);
    config.gridDim = dim3(blocks);
    config.blockDim = dim3(THREADS);
    config.stream = w.queue;
    for (int i = 0; i < TRIES; i++) {
        float ms = 0;
        if (cudaEventRecord(w.from, w.queue) != cudaSuccess ||
            cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...) != cudaSuccess ||
            cudaEventRecord(w.to, w.queue) != cudaSuccess || cudaEventSynchronize(w.to) != cudaSuccess ||
            cudaEventElapsedTime(&ms, w.from, w.to) != cudaSuccess || ms <= 0)
            return 0;
        if (i == 1 || (i > 1 && ms / 1e3 < best)) best = ms / 1e3; /* the first one warms up */
    }
    return best;
}

/* Operations per second of a kernel, of which each thread's turn has `work`: as many turns as take a
 * while. */
template <typename T>
static double rate(const struct stopwatch &w, void (*kernel)(T, int, float *), unsigned blocks, double work,
                   T x, float *seen)
{
    for (int turns = 16;; turns *= 4) {
        const double s = shortest(w, kernel, blocks, x, turns, seen);
        if (s == 0 || s > 1e-3 || turns >= MOST_TURNS)
            return s > 0 ? (double)blocks * THREADS * turns * work / s : 0;
    }
}

wk_status wki_cuda_limits(wk_device *d, void *block, int64_t size, wk_limits *out)
{
    struct stopwatch w = {nullptr, nullptr, nullptr};
    cudaError_t      e = cudaSetDevice(d->index);
    const unsigned   blocks = 8 * (unsigned)wki_cuda_multiprocessors(d);
    if (e == cudaSuccess) e = cudaStreamCreateWithFlags(&w.queue, cudaStreamNonBlocking);
    if (e == cudaSuccess) e = cudaEventCreateWithFlags(&w.from, 0);
    if (e == cudaSuccess) e = cudaEventCreateWithFlags(&w.to, 0);
    if (e == cudaSuccess) {
        const double s = shortest(w, read_kernel, blocks, (const uint4 *)block, size / 16, (unsigned *)block);
        out->read = s > 0 ? (double)(size / 16 * 16) / s : 0;
        out->f32 = rate(w, multiply_kernel, blocks, 2 * CHAINS, 1.0f, (float *)block);
        if (wki_cuda_architecture(d) >= 80)
            out->bf16 = rate(w, matrix_kernel, blocks, 2 * 16 * 8 * 16 / 32 * CHAINS, 0u, (float *)block);
    }
    if (w.to) cudaEventDestroy(w.to);
    if (w.from) cudaEventDestroy(w.from);
    if (w.queue) cudaStreamDestroy(w.queue);
    cudaGetLastError();
    return e == cudaSuccess ? WK_OK : WK_EDEVICE;
}
