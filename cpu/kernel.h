/* What every CPU kernel is written with. Each cpu/ source that includes it is compiled once per instruction
 * set (WK_ISA), so its functions are named through CPU(). Kernels compute on tiles of one class (f32, f64,
 * i64); dtypes exist only in load and store. */
#ifndef WK_CPU_KERNEL_H
#define WK_CPU_KERNEL_H

#include "core/op.h"

#include <math.h>
#include <string.h>

#define WK_PASTE_(a, b, c) a##b##_##c
#define WK_PASTE(a, b, c)  WK_PASTE_(a, b, c)

/* A set borrows what is not worth compiling for it, see cpu/borrowed.h: CPU(name) is then another set's. */
#include "cpu/borrowed.h"
#define CPU(name)                   WK_CPU_1(name, FROM_##name, WK_ISA, )
#define WK_CPU_1(name, ...)         WK_CPU_2(name, __VA_ARGS__)
#define WK_CPU_2(name, _, set, ...) WK_PASTE(wki_cpu_, name, set)

/* What of a kernel's three classes is compiled here; a class that another set lends never gets this far. */
#if defined WK_SET_OF_F64
#define F64(mine, other) other
#else
#define F64(mine, other) mine
#endif
#if defined WK_SET_OF_I64
#define I64(mine, other) other
#else
#define I64(mine, other) mine
#endif
#define OF_CLASS(cls, f32, f64, i64)                                                                         \
    ((cls) == WK_CLASS_F32 ? (f32) : (cls) == WK_CLASS_F64 ? F64(f64, f32) : I64(i64, f32))
/* Calls fn_CLASS. */
#define BY_CLASS(cls, fn, ...)                                                                               \
    do {                                                                                                     \
        if ((cls) == WK_CLASS_F32)                                                                           \
            fn##_f32(__VA_ARGS__);                                                                           \
        else if ((cls) == WK_CLASS_F64)                                                                      \
            F64(fn##_f64, fn##_f32)(__VA_ARGS__);                                                            \
        else                                                                                                 \
            I64(fn##_i64, fn##_f32)(__VA_ARGS__);                                                            \
    } while (0)

#define TILE   1024
#define INLINE static inline __attribute__((always_inline, unused))

/* ---- every kernel, and the bytes of scratch some want for a call ----------------------------- */

#define KERNEL_1(name) wk_status CPU(name)(const wk_call *k);
#define KERNEL_0(name)
#define KERNEL_V(name)
#define WK_OP(name, cpu, cuda, grad, rows) KERNEL_##cpu(name)
#include "core/ops.def"
#undef WK_OP
#define WK_SCRATCH(name) size_t CPU(name##_scratch)(const wk_call *k);
#include "cpu/scratch.def"
#undef WK_SCRATCH

wk_status CPU(limits)(wk_device *d, void *block, int64_t size, wk_limits *out); /* limits.c */

/* ---- rows of every dtype (convert.c) --------------------------------------------------------- */

/* n consecutive values; block types in whole blocks. Entries are NULL where a conversion does not exist
 * (block types in f64 and i64). From floats to integers: truncates, NaN is 0, out of range saturates. */
typedef void (*wki_to_f32)(const void *src, float *dst, int64_t n);
typedef void (*wki_to_f64)(const void *src, double *dst, int64_t n);
typedef void (*wki_to_i64)(const void *src, int64_t *dst, int64_t n);
typedef void (*wki_from_f32)(const float *src, void *dst, int64_t n);
typedef void (*wki_from_f64)(const double *src, void *dst, int64_t n);
typedef void (*wki_from_i64)(const int64_t *src, void *dst, int64_t n); /* wraps */
extern const wki_to_f32   CPU(to_f32)[WK_DTYPE_COUNT];
extern const wki_to_f64   CPU(to_f64)[WK_DTYPE_COUNT];
extern const wki_to_i64   CPU(to_i64)[WK_DTYPE_COUNT];
extern const wki_from_f32 CPU(from_f32)[WK_DTYPE_COUNT];
extern const wki_from_f64 CPU(from_f64)[WK_DTYPE_COUNT];
extern const wki_from_i64 CPU(from_i64)[WK_DTYPE_COUNT];

/* Address of the element `at` elements after the first (block types: at is a multiple of the block). */
INLINE char *address(wk_tensor x, int64_t at)
{
    return (char *)wki_data(x) + at / wk_dtype_block(x->dtype) * wk_dtype_bytes(x->dtype);
}

/* load_f32(x, at, n, buffer): n consecutive values from element `at`, in place when x is f32 already.
 * load_f32_strided: the same with a stride in elements (0 repeats one value).
 * dest_f32 and store_f32: where to compute n results, and their way into y. */
#define WK_TILES(cls, type, own)                                                                             \
    INLINE const type *load_##cls(wk_tensor x, int64_t at, int64_t n, type *buffer)                          \
    {                                                                                                        \
        if (x->dtype == own) return (const type *)(const void *)address(x, at);                              \
        CPU(to_##cls)[x->dtype](address(x, at), buffer, n);                                                  \
        return buffer;                                                                                       \
    }                                                                                                        \
    INLINE const type *load_##cls##_strided(wk_tensor x, int64_t at, int64_t stride, int64_t n,              \
                                            type *buffer)                                                    \
    {                                                                                                        \
        if (stride == 1) return load_##cls(x, at, n, buffer);                                                \
        const int64_t bytes = wk_dtype_bytes(x->dtype);                                                      \
        const char   *p = address(x, at);                                                                    \
        if (stride == 0) {                                                                                   \
            type value;                                                                                      \
            CPU(to_##cls)[x->dtype](p, &value, 1);                                                           \
            for (int64_t i = 0; i < n; i++) buffer[i] = value;                                               \
        } else if (x->dtype == own) {                                                                        \
            for (int64_t i = 0; i < n; i++) buffer[i] = ((const type *)(const void *)p)[i * stride];         \
        } else {                                                                                             \
            for (int64_t i = 0; i < n; i++) CPU(to_##cls)[x->dtype](p + i * stride * bytes, buffer + i, 1);  \
        }                                                                                                    \
        return buffer;                                                                                       \
    }                                                                                                        \
    INLINE type *dest_##cls(wk_tensor y, int64_t at, type *buffer)                                           \
    {                                                                                                        \
        return y->dtype == own ? (type *)(void *)address(y, at) : buffer;                                    \
    }                                                                                                        \
    INLINE void store_##cls(wk_tensor y, int64_t at, int64_t n, const type *values)                          \
    {                                                                                                        \
        if ((const void *)values != (const void *)address(y, at))                                            \
            CPU(from_##cls)[y->dtype](values, address(y, at), n);                                            \
    }
WK_TILES(f32, float, WK_f32)
WK_TILES(f64, double, WK_f64)
WK_TILES(i64, int64_t, WK_i64)

/* ---- sums in a fixed order: sixteen partial sums, the same bits at every ISA and thread count ---- */

INLINE float fold16_f32(const float *s)
{
    float a[8];
    for (int i = 0; i < 8; i++) a[i] = s[i] + s[i + 8];
    for (int i = 0; i < 4; i++) a[i] += a[i + 4];
    return (a[0] + a[2]) + (a[1] + a[3]);
}
INLINE float sum_f32(const float *x, int64_t n)
{
    float   s[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) s[j] += x[i + j];
    for (int j = 0; i < n; i++, j++) s[j] += x[i];
    return fold16_f32(s);
}
INLINE float dot_f32(const float *x, const float *y, int64_t n)
{
    float   s[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) s[j] += x[i + j] * y[i + j];
    for (int j = 0; i < n; i++, j++) s[j] += x[i] * y[i];
    return fold16_f32(s);
}

#endif
