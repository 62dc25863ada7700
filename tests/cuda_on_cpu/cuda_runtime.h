/* CUDA on the host: what cuda/ uses of the language and of the runtime, so that the same sources compile as
 * C++ and run without a GPU. The threads of a block are fibers; barriers and warp operations are meeting
 * points. */
#ifndef WK_SHIM_CUDA_RUNTIME_H
#define WK_SHIM_CUDA_RUNTIME_H

#include <functional>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tuple>

#define WK_SHIM 1

/* ---- the language ---- */

#define __global__
#define __device__
#define __host__
#define __constant__    static const
#define __forceinline__ inline
#define __noinline__    __attribute__((noinline))
#define __grid_constant__
#define __launch_bounds__(...)

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};

/* Where the running thread stands: set before it goes on. One thread of the host runs launches at a time. */
extern uint3 threadIdx, blockIdx;
extern dim3  blockDim, gridDim;
#define warpSize 32

/* Ends the running launch with an error that names the place. Does not come back. */
[[noreturn]] void shim_fault(const char *what, const char *file, int line);
#define SHIM_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

void     shim_block_barrier(const char *file, int line);
uint64_t shim_warp(int kind, unsigned mask, uint64_t value, int source, const char *file, int line);
enum { SHIM_SHUFFLE, SHIM_BALLOT, SHIM_MEET, SHIM_CALL };
/* All lanes meet; the last one to come calls fn with what each brought. */
void shim_warp_call(void (*fn)(void *const *lane), void *own, const char *file, int line);

static inline void __syncthreads(SHIM_HERE)
{
    shim_block_barrier(file, line);
}
static inline void __syncwarp(unsigned mask = 0xffffffffu, SHIM_HERE)
{
    shim_warp(SHIM_MEET, mask, 0, 0, file, line);
}
static inline int shim_lane()
{
    return (int)((threadIdx.x + threadIdx.y * blockDim.x + threadIdx.z * blockDim.x * blockDim.y) % 32);
}
template <typename T> static inline T shim_shuffle(unsigned mask, T v, int source, const char *file, int line)
{
    static_assert(sizeof(T) <= 8, "a shuffle moves up to eight bytes");
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof v);
    bits = shim_warp(SHIM_SHUFFLE, mask, bits, source, file, line);
    memcpy(&v, &bits, sizeof v);
    return v;
}
template <typename T> static inline T __shfl_sync(unsigned mask, T v, int source, int width = 32, SHIM_HERE)
{
    return shim_shuffle(mask, v, shim_lane() / width * width + source % width, file, line);
}
template <typename T> static inline T __shfl_xor_sync(unsigned mask, T v, int x, int width = 32, SHIM_HERE)
{
    const int lane = shim_lane(), from = lane ^ x;
    return shim_shuffle(mask, v, from / width == lane / width ? from : lane, file, line);
}
template <typename T>
static inline T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32, SHIM_HERE)
{
    const int lane = shim_lane(), from = lane + (int)by;
    return shim_shuffle(mask, v, from / width == lane / width ? from : lane, file, line);
}
template <typename T>
static inline T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32, SHIM_HERE)
{
    const int lane = shim_lane(), from = lane - (int)by;
    return shim_shuffle(mask, v, from >= lane / width * width ? from : lane, file, line);
}
static inline unsigned __ballot_sync(unsigned mask, int yes, SHIM_HERE)
{
    return (unsigned)shim_warp(SHIM_BALLOT, mask, yes != 0, 0, file, line);
}
static inline int __any_sync(unsigned mask, int yes, SHIM_HERE)
{
    return shim_warp(SHIM_BALLOT, mask, yes != 0, 0, file, line) != 0;
}
static inline int __all_sync(unsigned mask, int yes, SHIM_HERE)
{
    return (unsigned)shim_warp(SHIM_BALLOT, mask, yes != 0, 0, file, line) == mask;
}
static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}
static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}
static inline void  __threadfence() {}
static inline void  __threadfence_system() {}
static inline float rsqrtf(float x)
{
    return 1.0f / sqrtf(x);
}
static inline double rsqrt(double x)
{
    return 1.0 / sqrt(x);
}
static inline int __dp4a(int a, int b, int c)
{
    for (int i = 0; i < 4; i++) c += (int)(int8_t)(a >> 8 * i) * (int)(int8_t)(b >> 8 * i);
    return c;
}
/* Byte i of the result is the one of the eight of y and x that four bits of s name. */
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned s)
{
    const uint64_t all = (uint64_t)y << 32 | x;
    unsigned       r = 0;
    for (int i = 0; i < 4; i++) r |= (unsigned)(uint8_t)(all >> 8 * (s >> 4 * i & 7)) << 8 * i;
    return r;
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by)
{
    return (unsigned)(((uint64_t)high << 32 | low) >> (by & 31));
}
/* Operations that the compiler may not fuse: none are, here. */
static inline float __fadd_rn(float a, float b)
{
    return a + b;
}
static inline float __fsub_rn(float a, float b)
{
    return a - b;
}
static inline float __fmul_rn(float a, float b)
{
    return a * b;
}
static inline float __fdiv_rn(float a, float b)
{
    return a / b;
}
static inline float __fsqrt_rn(float a)
{
    return sqrtf(a);
}

/* One thread of the host runs a launch, so atomics are plain. */
template <typename T> static inline T atomicAdd(T *p, T v)
{
    const T old = *p;
    *p = (T)(old + v);
    return old;
}
template <typename T> static inline T atomicCAS(T *p, T want, T v)
{
    const T old = *p;
    if (old == want) *p = v;
    return old;
}
template <typename T> static inline T atomicMax(T *p, T v)
{
    const T old = *p;
    if (v > old) *p = v;
    return old;
}

/* ---- shared memory: checked at each index, full of NaN when a block begins ---- */

void *shim_shared(const void *key, size_t bytes); /* the running block's array of this key */
void *shim_dynamic(size_t *bytes);
template <typename T> struct shim_array {
    T      *p;
    int64_t n;
    T      &at(int64_t i, const char *file, int line) const
    {
        if (i < 0 || i >= n) shim_fault("index out of range in shared memory", file, line);
        return p[i];
    }
    template <typename I> T &operator[](I i) const
    {
        return at((int64_t)i, __builtin_FILE(), __builtin_LINE());
    }
    operator T *() const { return p; }
};
template <typename T> static inline shim_array<T> shim_array_of(const void *key, int64_t n)
{
    return {(T *)shim_shared(key, (size_t)n * sizeof(T)), n};
}
template <typename T> static inline shim_array<T> shim_dynamic_of()
{
    size_t bytes;
    T     *p = (T *)shim_dynamic(&bytes);
    return {p, (int64_t)(bytes / sizeof(T))};
}
#define SHARED(type, name, count)                                                                            \
    static char            shim_key_##name;                                                                  \
    const shim_array<type> name = shim_array_of<type>(&shim_key_##name, count)
#define SHARED_DYNAMIC(type, name) const shim_array<type> name = shim_dynamic_of<type>()

/* Copies that run beside the threads: nothing arrives before the wait. */
void shim_copy_async(void *to, const void *from, int bytes);
void shim_copy_commit();
void shim_copy_wait(int groups_left);
#define COPY_ASYNC
template <int BYTES> static inline void copy_async(void *to, const void *from)
{
    shim_copy_async(to, from, BYTES);
}
static inline void copy_async_commit()
{
    shim_copy_commit();
}
template <int LEFT> static inline void copy_async_wait()
{
    shim_copy_wait(LEFT);
}

/* The matrix units: see cuda/mma.cuh. */
struct f16;
struct bf16;
#define WARP_MATRIX
void shim_multiply(float *c, const uint32_t *a, uint32_t b0, uint32_t b1, bool bf16, const char *file,
                   int line);
void shim_load_matrices(uint32_t *r, const void *row, bool turned, const char *file, int line);
static inline void warp_multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, const f16 &,
                                 SHIM_HERE)
{
    shim_multiply(c, a, b0, b1, false, file, line);
}
static inline void warp_multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                                 const bf16 &, SHIM_HERE)
{
    shim_multiply(c, a, b0, b1, true, file, line);
}
static inline void warp_load(uint32_t (&r)[4], const void *row, SHIM_HERE)
{
    shim_load_matrices(r, row, false, file, line);
}
static inline void warp_load_turned(uint32_t (&r)[4], const void *row, SHIM_HERE)
{
    shim_load_matrices(r, row, true, file, line);
}

/* ---- the runtime ---- */

enum cudaError_t {
    cudaSuccess,
    cudaErrorInvalidValue,
    cudaErrorMemoryAllocation,
    cudaErrorInvalidConfiguration,
    cudaErrorLaunchFailure,
    cudaErrorInvalidDevice,
    cudaErrorStreamCaptureUnsupported,
    cudaErrorInsufficientDriver,
    cudaErrorNoDevice,
    cudaErrorNoKernelImageForDevice,
    cudaErrorInvalidResourceHandle,
    cudaErrorPeerAccessAlreadyEnabled
};
const char *cudaGetErrorString(cudaError_t e);
cudaError_t cudaGetLastError();

struct shim_stream;
struct shim_graph;
struct shim_event;
typedef shim_stream *cudaStream_t;
typedef shim_event  *cudaEvent_t;
typedef shim_graph  *cudaGraph_t, *cudaGraphExec_t;
struct cudaDeviceProp {
    char   name[256];
    size_t totalGlobalMem, sharedMemPerBlockOptin;
    int    major, minor, multiProcessorCount;
};
struct cudaLaunchConfig_t {
    dim3         gridDim, blockDim;
    size_t       dynamicSmemBytes;
    cudaStream_t stream;
    void        *attrs;
    unsigned     numAttrs;
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaStreamNonBlocking = 1, cudaHostAllocPortable = 1, cudaHostAllocMapped = 2 };
enum { cudaEventDisableTiming = 2 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal };
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };

cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device);
cudaError_t cudaDriverGetVersion(int *v);
cudaError_t cudaRuntimeGetVersion(int *v);
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total);
cudaError_t cudaMalloc(void **p, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t s);
cudaError_t cudaStreamSynchronize(cudaStream_t s);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t s);
cudaError_t cudaMemcpyPeerAsync(void *to, int to_device, const void *from, int from_device, size_t bytes,
                                cudaStream_t s);
cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int peer);
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t e);
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s);
cudaError_t cudaEventSynchronize(cudaEvent_t e);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags);
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t s);
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode);
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus *status);
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *g);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *e, cudaGraph_t g, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s);
cudaError_t cudaGraphDestroy(cudaGraph_t g);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e);

cudaError_t shim_launch(const cudaLaunchConfig_t *config, std::function<void()> thread);
template <typename... P, typename... A>
static inline cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(P...),
                                             A... args)
{
    const std::tuple<P...> values(static_cast<P>(args)...);
    return shim_launch(config, [kernel, values] { std::apply(kernel, values); });
}
template <typename K> static inline cudaError_t cudaFuncSetAttribute(K *kernel, cudaFuncAttribute, int bytes)
{
    return kernel && bytes <= 227 * 1024 ? cudaSuccess : cudaErrorInvalidValue;
}

#endif
