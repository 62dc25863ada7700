/* What kernels are written with: element types at load and store, launches, sums over warps and blocks,
 * errors of indices. Everything computes in a class (float, double, int64_t); dtypes exist only in load and
 * store. */
#ifndef WK_CUDA_KERNEL_CUH
#define WK_CUDA_KERNEL_CUH

#include <cuda_runtime.h>

#include "core/op.h"
#include "cuda/cuda.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define DEVICE __device__ __forceinline__

/* The host's build of these sources brings its own, which check every index. */
#ifndef SHARED
#define SHARED(type, name, count) __shared__ type name[count]
#define SHARED_DYNAMIC(type, name)                                                                           \
    extern __shared__ __align__(16) unsigned char wk_dynamic_shared[];                                       \
    type *const                                   name = (type *)(void *)wk_dynamic_shared
#endif

/* Copies into shared memory that run beside the threads (cp.async, sm_80 on; plain copies before). */
#ifndef COPY_ASYNC
#define COPY_ASYNC
template <int BYTES> DEVICE void copy_async(void *to, const void *from)
{
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"((unsigned)__cvta_generic_to_shared(to)),
                 "l"(from), "n"(BYTES)
                 : "memory");
#else
    memcpy(to, from, BYTES);
#endif
}
DEVICE void copy_async_commit()
{
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int LEFT> DEVICE void copy_async_wait()
{
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
#endif
}
#endif

/* ---- element types ---- */

struct f16 {
    uint16_t bits;
};
struct bf16 {
    uint16_t bits;
};
struct f8e4m3 {
    uint8_t bits;
};
struct f8e5m2 {
    uint8_t bits;
};
struct bool8 {
    uint8_t bits;
};

DEVICE float float_of(uint32_t bits)
{
#ifdef __CUDA_ARCH__
    return __uint_as_float(bits);
#else
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
#endif
}
DEVICE uint32_t bits_of(float x)
{
#ifdef __CUDA_ARCH__
    return __float_as_uint(x);
#else
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
#endif
}

/* A small float of MANTISSA bits, exponent bias BIAS and SIGN bits below its sign, as float; from INF on
 * its values are infinite or not numbers (0x80: it has no such exponent). */
template <int MANTISSA, int BIAS, int BITS> DEVICE float widen(uint32_t h, uint32_t inf)
{
    const uint32_t sign = (h >> BITS & 1u) << 31, low = h & ((1u << BITS) - 1u);
    const uint32_t exponent = low >> MANTISSA, fraction = low & ((1u << MANTISSA) - 1u);
    if (low >= inf) return float_of(sign | 0x7f800000u | fraction << (23 - MANTISSA));
    if (exponent == 0) { /* subnormal: exact in float */
        const float x = (float)fraction * float_of((uint32_t)(127 + 1 - BIAS - MANTISSA) << 23);
        return float_of(bits_of(x) | sign);
    }
    return float_of(sign | (exponent + 127u - (uint32_t)BIAS) << 23 | fraction << (23 - MANTISSA));
}

/* The nearest small float, ties to even; above the largest comes BEYOND, and NAN_BITS for what is not a
 * number. */
template <int MANTISSA, int BIAS, int BITS>
DEVICE uint32_t narrow(float x, uint32_t beyond, uint32_t nan_bits)
{
    const uint32_t u = bits_of(x), sign = (u >> 31) << BITS, a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return sign | nan_bits;
    const int exponent = (int)(a >> 23) - 127 + BIAS;
    uint32_t  r;
    if (a == 0x7f800000u) {
        r = beyond;
    } else if (exponent <= 0) { /* a multiple of the smallest subnormal; adding 2^23 rounds it */
        const float scaled = float_of(a) * float_of((uint32_t)(127 - 1 + BIAS + MANTISSA) << 23);
        r = bits_of(scaled + 8388608.0f) - 0x4b000000u;
    } else {
        const int      drop = 23 - MANTISSA;
        const uint32_t half = (1u << (drop - 1)) - 1u + (a >> drop & 1u);
        r = ((a + half) >> drop) - ((uint32_t)(127 - BIAS) << MANTISSA);
    }
    return sign | (r < beyond ? r : beyond);
}

DEVICE float widened(f16 h)
{
#ifdef __CUDA_ARCH__
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h.bits));
    return x;
#else
    return widen<10, 15, 15>(h.bits, 0x7c00u);
#endif
}
DEVICE float widened(bf16 h)
{
    return float_of((uint32_t)h.bits << 16);
}
DEVICE float widened(f8e4m3 h)
{
    return (h.bits & 0x7f) == 0x7f ? float_of(0x7fc00000u | (uint32_t)(h.bits >> 7) << 31)
                                   : widen<3, 7, 7>(h.bits, 0x80u);
}
DEVICE float widened(f8e5m2 h)
{
    return widen<2, 15, 7>(h.bits, 0x7cu);
}
template <typename T> DEVICE T widened(T x)
{
    return x;
}
DEVICE int64_t widened(bool8 x)
{
    return x.bits != 0;
}

DEVICE void narrowed(float x, f16 &y)
{
#ifdef __CUDA_ARCH__
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
#else
    y.bits = (uint16_t)narrow<10, 15, 15>(x, 0x7c00u, 0x7e00u);
#endif
}
DEVICE void narrowed(float x, bf16 &y)
{
    const uint32_t u = bits_of(x), nearest = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
    y.bits = (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? u >> 16 | 0x40u : nearest);
}
DEVICE void narrowed(float x, f8e4m3 &y)
{
    y.bits = (uint8_t)narrow<3, 7, 7>(x, 0x7eu, 0x7fu);
}
DEVICE void narrowed(float x, f8e5m2 &y)
{
    y.bits = (uint8_t)narrow<2, 15, 7>(x, 0x7cu, 0x7fu);
}

/* From a real to an integer: truncates, not a number is 0, out of range saturates. */
template <typename T, typename R> DEVICE T saturated(R x)
{
    const T most = (T)(sizeof(T) == 8 ? INT64_MAX
                       : (T)-1 > 0    ? (1ll << 8 * (sizeof(T) & 7)) - 1
                                      : (1ll << (8 * (sizeof(T) & 7) - 1)) - 1);
    const T least = (T)-1 > 0 ? (T)0 : (T)(-most - 1);
    return x != x ? (T)0 : x <= (R)least ? least : x >= (R)most ? most : (T)x;
}

/* A class's value from an element, and back. */
template <typename C> struct class_of {
    template <typename N> static DEVICE C value(N x) { return (C)x; }
};
template <> struct class_of<int64_t> {
    static DEVICE int64_t                       value(float x) { return saturated<int64_t>(x); }
    static DEVICE int64_t                       value(double x) { return saturated<int64_t>(x); }
    template <typename N> static DEVICE int64_t value(N x) { return (int64_t)x; }
};
template <typename T> struct element_of { /* integers */
    static DEVICE T value(float x) { return saturated<T>(x); }
    static DEVICE T value(double x) { return saturated<T>(x); }
    static DEVICE T value(int64_t x) { return (T)(uint64_t)x; }
};
#define TO_REAL(T, expression)                                                                               \
    template <> struct element_of<T> {                                                                       \
        template <typename C> static DEVICE T value(C x)                                                     \
        {                                                                                                    \
            T y;                                                                                             \
            expression;                                                                                      \
            return y;                                                                                        \
        }                                                                                                    \
    };
TO_REAL(float, y = (float)x)
TO_REAL(double, y = (double)x)
TO_REAL(f16, narrowed((float)x, y))
TO_REAL(bf16, narrowed((float)x, y))
TO_REAL(f8e4m3, narrowed((float)x, y))
TO_REAL(f8e5m2, narrowed((float)x, y))
TO_REAL(bool8, y.bits = x != 0)

template <typename C, typename T> DEVICE C element(const T *p)
{
    return class_of<C>::value(widened(*p));
}

/* One value of a plain dtype; i counts elements. */
#define WK_EACH_ELEMENT(CASE)                                                                                \
    CASE(WK_bool, bool8)                                                                                     \
    CASE(WK_u8, uint8_t)                                                                                     \
    CASE(WK_i8, int8_t)                                                                                      \
    CASE(WK_i16, int16_t)                                                                                    \
    CASE(WK_i32, int32_t)                                                                                    \
    CASE(WK_i64, int64_t)                                                                                    \
    CASE(WK_u32, uint32_t)                                                                                   \
    CASE(WK_f16, f16)                                                                                        \
    CASE(WK_bf16, bf16)                                                                                      \
    CASE(WK_f32, float)                                                                                      \
    CASE(WK_f64, double)                                                                                     \
    CASE(WK_f8e4m3, f8e4m3)                                                                                  \
    CASE(WK_f8e5m2, f8e5m2)

template <typename C> DEVICE C load(const void *base, int dtype, int64_t i)
{
    switch (dtype) {
#define LOAD_CASE(id, T)                                                                                     \
    case id:                                                                                                 \
        return element<C>((const T *)base + i);
        WK_EACH_ELEMENT(LOAD_CASE)
#undef LOAD_CASE
    default:
        return (C)0;
    }
}
/* The same as a call, so that many of them stay small. */
template <typename C> __device__ __noinline__ C load_any(const void *base, int dtype, int64_t i)
{
    return load<C>(base, dtype, i);
}
template <typename C> DEVICE void store(void *base, int dtype, int64_t i, C v)
{
    switch (dtype) {
#define STORE_CASE(id, T)                                                                                    \
    case id:                                                                                                 \
        ((T *)base)[i] = element_of<T>::value(v);                                                            \
        break;
        WK_EACH_ELEMENT(STORE_CASE)
#undef STORE_CASE
    }
}

template <typename C> __device__ __noinline__ void store_any(void *base, int dtype, int64_t i, C v)
{
    store(base, dtype, i, v);
}

/* The elements that 16 bytes hold, n of which exist; p is a multiple of 16 bytes. */
template <typename T> struct pack_of {
    enum { values = 16 / sizeof(T) };
};
template <typename C, typename T> DEVICE void load_pack(const T *p, int n, C (&v)[16 / sizeof(T)])
{
    union {
        uint4 all;
        T     x[16 / sizeof(T)];
    } raw;
    if (n == 16 / (int)sizeof(T)) {
        raw.all = *(const uint4 *)(const void *)p;
    } else {
        raw.all = {0, 0, 0, 0};
#pragma unroll
        for (int i = 0; i < 16 / (int)sizeof(T); i++)
            if (i < n) raw.x[i] = p[i];
    }
#pragma unroll
    for (int i = 0; i < 16 / (int)sizeof(T); i++) v[i] = element<C>(&raw.x[i]);
}
template <typename C, typename T> DEVICE void store_pack(T *p, int n, const C (&v)[16 / sizeof(T)])
{
    union {
        uint4 all;
        T     x[16 / sizeof(T)];
    } raw;
#pragma unroll
    for (int i = 0; i < 16 / (int)sizeof(T); i++) raw.x[i] = element_of<T>::value(v[i]);
    if (n == 16 / (int)sizeof(T)) {
        *(uint4 *)(void *)p = raw.all;
        return;
    }
#pragma unroll
    for (int i = 0; i < 16 / (int)sizeof(T); i++)
        if (i < n) p[i] = raw.x[i];
}
template <typename C, int N> DEVICE void spread(C x, C (&v)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++) v[i] = x;
}

/* ---- sums and the like ---- */

#define FULL_WARP 0xffffffffu

template <typename C> struct plus {
    static DEVICE C of(C a, C b) { return a + b; }
};
template <typename C> struct larger {
    static DEVICE C of(C a, C b) { return b > a || b != b ? b : a; }
};

/* Over the 32 lanes, the same in each. */
template <template <typename> class F, typename C> DEVICE C warp_fold(C v)
{
#pragma unroll
    for (int step = 16; step > 0; step /= 2) v = F<C>::of(v, __shfl_xor_sync(FULL_WARP, v, step));
    return v;
}
/* Over a block of whole warps, the same in each thread; part: 32 values of shared memory, free again on
 * return. */
template <template <typename> class F, typename C, typename A> DEVICE C block_fold(C v, A &part, C none)
{
    const int warps = (int)(blockDim.x + 31) / 32, lane = (int)threadIdx.x % 32;
    v = warp_fold<F>(v);
    if (warps == 1) return v;
    if (lane == 0) part[threadIdx.x / 32] = v;
    __syncthreads();
    v = lane < warps ? part[lane] : none;
    v = warp_fold<F>(v);
    __syncthreads();
    return v;
}
template <typename C, typename A> DEVICE C block_sum(C v, A &part)
{
    return block_fold<plus>(v, part, (C)0);
}
template <typename C, typename A> DEVICE C block_max(C v, A &part, C none)
{
    return block_fold<larger>(v, part, none);
}

/* The sum over the threads before this one, and over all; part: 32 values, free again on return. */
template <typename C, typename A> DEVICE C block_prefix(C v, A &part, C *total)
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, warps = (int)blockDim.x / 32;
    C         sum = v, before = 0, all = 0;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
        const C below = __shfl_up_sync(FULL_WARP, sum, (unsigned)step);
        if (lane >= step) sum += below;
    }
    if (lane == 31) part[warp] = sum;
    __syncthreads();
    for (int i = 0; i < warps; i++) {
        const C more = part[i];
        if (i < warp) before += more;
        all += more;
    }
    __syncthreads();
    *total = all;
    return before + sum - v;
}

/* ---- launches ---- */

/* Queues a kernel on the call's stream; blocks are (x, y, z). */
template <typename... P, typename... A>
static inline wk_status launch(const wk_call *k, void (*kernel)(P...), dim3 blocks, unsigned threads,
                               size_t shared, A... args)
{
    cudaLaunchConfig_t config;
    memset((void *)&config, 0, sizeof config);
    config.gridDim = blocks;
    config.blockDim = dim3(threads);
    config.dynamicSmemBytes = shared;
    config.stream = wki_cuda_stream(k->stream);
    cudaError_t e = cudaSetDevice(k->device->index); /* another context may have had another one */
    if (e == cudaSuccess && shared > 48 << 10)
        e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared);
    if (e == cudaSuccess) e = cudaLaunchKernelEx(&config, kernel, static_cast<P>(args)...);
    return e == cudaSuccess ? WK_OK : wki_cuda_failed(k->message, WKI_CALL_MESSAGE, e);
}

/* Blocks of `threads` that cover n items. */
static inline unsigned blocks_for(int64_t n, int64_t threads)
{
    return (unsigned)((n + threads - 1) / threads);
}

/* Runs BODY with C as the call's class. */
#define WITH_CLASS(k, ...)                                                                                   \
    do {                                                                                                     \
        if ((k)->cls == WK_CLASS_F32) {                                                                      \
            typedef float C;                                                                                 \
            __VA_ARGS__                                                                                      \
        } else if ((k)->cls == WK_CLASS_F64) {                                                               \
            typedef double C;                                                                                \
            __VA_ARGS__                                                                                      \
        } else {                                                                                             \
            typedef int64_t C;                                                                               \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    } while (0)

/* ---- indices ---- */

/* Keeps a bad index for the next wait, which fails with it; the first one stays. */
__device__ __noinline__ static __attribute__((unused)) void report_index(struct wki_cuda_fault *fault, int op,
                                                                         int64_t i, int64_t size)
{
    if (atomicCAS(&fault->op, 0, op + 1) != 0) return;
    fault->index = (long long)i;
    fault->size = (long long)size;
    __threadfence_system();
}

#endif
