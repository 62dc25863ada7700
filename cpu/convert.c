/* Rows of every plain dtype to and from the three compute classes: the only place where dtypes are told
 * apart. */
#include "cpu/half.h"
#include "cpu/quant.h"

#if defined __F16C__ || defined __AVX512F__
#include <immintrin.h>
#elif defined __ARM_NEON && defined __aarch64__
#include <arm_neon.h>
#endif

/* Rows may lie in a mapped file at any address, so every access is unaligned. */
#define UNALIGNED __attribute__((aligned(1), may_alias))
typedef uint8_t            row_bool;
typedef uint8_t            row_u8;
typedef int8_t             row_i8;
typedef int16_t UNALIGNED  row_i16;
typedef int32_t UNALIGNED  row_i32;
typedef int64_t UNALIGNED  row_i64;
typedef uint32_t UNALIGNED row_u32;
typedef uint16_t UNALIGNED row_f16;
typedef uint16_t UNALIGNED row_bf16;
typedef float UNALIGNED    row_f32;
typedef double UNALIGNED   row_f64;
typedef uint8_t            row_f8e4m3;
typedef uint8_t            row_f8e5m2;

/* ---- small floats ---------------------------------------------------------------------------- */

INLINE float from_bf16(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}
INLINE uint16_t to_bf16(float x)
{
    const uint32_t u = bits_of(x), nearest = (u + 0x7fffu + (u >> 16 & 1)) >> 16;
    return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? u >> 16 | 0x40u : nearest);
}
/* The 8-bit floats of arXiv:2209.05433. E4M3 has no infinity: what is too large becomes 448, as PyTorch. */
INLINE float from_f8e4m3(uint8_t h)
{
    const float x = widen(h, 3, 7, 7, 0x80);
    return (h & 0x7f) == 0x7f ? float_of(0x7fc00000u | (uint32_t)h >> 7 << 31) : x;
}
INLINE uint8_t to_f8e4m3(float x)
{
    return (uint8_t)narrow(x, 3, 7, 7, 0x7e, 0x7f);
}
INLINE float from_f8e5m2(uint8_t h)
{
    return widen(h, 2, 15, 7, 0x7c);
}
INLINE uint8_t to_f8e5m2(float x)
{
    return (uint8_t)narrow(x, 2, 15, 7, 0x7c, 0x7f);
}

/* Truncates; NaN is 0; out of range saturates. The bounds are powers of two, to be exact in f32. */
#define SATURATE(name, type, real, low, high, least, most)                                                   \
    INLINE type name(real x)                                                                                 \
    {                                                                                                        \
        return x != x ? 0 : x <= (low) ? (least) : x >= (high) ? (most) : (type)x;                           \
    }
SATURATE(f32_u8, uint8_t, float, 0.0f, 255.0f, 0, UINT8_MAX)
SATURATE(f32_i8, int8_t, float, -128.0f, 127.0f, INT8_MIN, INT8_MAX)
SATURATE(f32_i16, int16_t, float, -32768.0f, 32767.0f, INT16_MIN, INT16_MAX)
SATURATE(f32_i32, int32_t, float, -2147483648.0f, 2147483648.0f, INT32_MIN, INT32_MAX)
SATURATE(f32_i64, int64_t, float, -9223372036854775808.0f, 9223372036854775808.0f, INT64_MIN, INT64_MAX)
SATURATE(f32_u32, uint32_t, float, 0.0f, 4294967296.0f, 0, UINT32_MAX)
SATURATE(f64_u8, uint8_t, double, 0.0, 255.0, 0, UINT8_MAX)
SATURATE(f64_i8, int8_t, double, -128.0, 127.0, INT8_MIN, INT8_MAX)
SATURATE(f64_i16, int16_t, double, -32768.0, 32767.0, INT16_MIN, INT16_MAX)
SATURATE(f64_i32, int32_t, double, -2147483648.0, 2147483647.0, INT32_MIN, INT32_MAX)
SATURATE(f64_i64, int64_t, double, -9223372036854775808.0, 9223372036854775808.0, INT64_MIN, INT64_MAX)
SATURATE(f64_u32, uint32_t, double, 0.0, 4294967295.0, 0, UINT32_MAX)

/* ---- rows ------------------------------------------------------------------------------------ */

#define READ(cls, type, t, value)                                                                            \
    static void cls##_from_##t(const void *src, type *dst, int64_t n)                                        \
    {                                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            const row_##t x = ((const row_##t *)src)[i];                                                     \
            dst[i] = (type)(value);                                                                          \
        }                                                                                                    \
    }
#define WRITE(cls, type, t, value)                                                                           \
    static void cls##_to_##t(const type *src, void *dst, int64_t n)                                          \
    {                                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            const type x = src[i];                                                                           \
            ((row_##t *)dst)[i] = (row_##t)(value);                                                          \
        }                                                                                                    \
    }

/* f16 has instructions on most CPUs; they agree with the portable form in all but NaN payloads. */
static void f32_from_f16(const void *src, float *dst, int64_t n)
{
    const row_f16 *x = src;
    int64_t        i = 0;
#if defined __AVX512F__
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(dst + i,
                         _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(x + i))));
#endif
#if defined __F16C__
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(x + i))));
    for (; i < n; i++) dst[i] = _cvtsh_ss(x[i]);
#elif defined __ARM_NEON && defined __aarch64__
    for (; i + 4 <= n; i += 4)
        vst1q_f32(dst + i, vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8((const uint8_t *)(x + i)))));
#endif
    for (; i < n; i++) dst[i] = from_f16(x[i]);
}

static void f32_to_f16(const float *src, void *dst, int64_t n)
{
    row_f16 *y = dst;
    int64_t  i = 0;
#if defined __AVX512F__
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(void *)(y + i), _mm512_cvtps_ph(_mm512_loadu_ps(src + i), 0));
#endif
#if defined __F16C__
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(src + i), 0));
    for (; i < n; i++) y[i] = (uint16_t)_cvtss_sh(src[i], 0);
#elif defined __ARM_NEON && defined __aarch64__
    for (; i + 4 <= n; i += 4)
        vst1_u8((uint8_t *)(y + i), vreinterpret_u8_f16(vcvt_f16_f32(vld1q_f32(src + i))));
#endif
    for (; i < n; i++) y[i] = to_f16(src[i]);
}

/* To the nearest, ties to even; a NaN stays one. */
static void f32_to_bf16(const float *src, void *dst, int64_t n)
{
    row_bf16 *y = dst;
    int64_t   i = 0;
#if defined __AVX512F__
    static const uint16_t high[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                      33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    const __m512i         pick = _mm512_loadu_si512(high), half = _mm512_set1_epi32(0x7fff),
                  odd = _mm512_set1_epi32(0x10000), one = _mm512_set1_epi32(1);
    for (; i + 32 <= n; i += 32) {
        const __m512 x[2] = {_mm512_loadu_ps(src + i), _mm512_loadu_ps(src + i + 16)};
        __m512i      v[2];
        for (int j = 0; j < 2; j++) {
            const __m512i u = _mm512_castps_si512(x[j]), up = _mm512_add_epi32(u, half);
            v[j] = _mm512_mask_add_epi32(up, _mm512_test_epi32_mask(u, odd), up, one);
        }
        if (_mm512_cmpunord_ps_mask(x[0], x[1])) /* a NaN in either */
            for (int j = 0; j < 2; j++)
                v[j] = _mm512_mask_or_epi32(v[j], _mm512_cmpunord_ps_mask(x[j], x[j]),
                                            _mm512_castps_si512(x[j]), _mm512_set1_epi32(0x400000));
        _mm512_storeu_si512(y + i, _mm512_permutex2var_epi16(v[0], pick, v[1]));
    }
#endif
    for (; i < n; i++) y[i] = to_bf16(src[i]);
}

#define COPY_ROW(name, from, to, bytes)                                                                      \
    static void name(const from *src, to *dst, int64_t n)                                                    \
    {                                                                                                        \
        memcpy(dst, src, (size_t)n *(bytes));                                                                \
    }
COPY_ROW(f32_from_f32, void, float, 4)
COPY_ROW(f32_to_f32, float, void, 4)
READ(f32, float, bool, x != 0)
READ(f32, float, u8, x)
READ(f32, float, i8, x)
READ(f32, float, i16, x)
READ(f32, float, i32, x)
READ(f32, float, i64, x)
READ(f32, float, u32, x)
READ(f32, float, bf16, from_bf16(x))
READ(f32, float, f64, x)
READ(f32, float, f8e4m3, from_f8e4m3(x))
READ(f32, float, f8e5m2, from_f8e5m2(x))

WRITE(f32, float, bool, x != 0)
WRITE(f32, float, u8, f32_u8(x))
WRITE(f32, float, i8, f32_i8(x))
WRITE(f32, float, i16, f32_i16(x))
WRITE(f32, float, i32, f32_i32(x))
WRITE(f32, float, i64, f32_i64(x))
WRITE(f32, float, u32, f32_u32(x))
WRITE(f32, float, f64, x)
WRITE(f32, float, f8e4m3, to_f8e4m3(x))
WRITE(f32, float, f8e5m2, to_f8e5m2(x))

#if !defined WK_SET_256
COPY_ROW(f64_from_f64, void, double, 8)
COPY_ROW(f64_to_f64, double, void, 8)
COPY_ROW(i64_from_i64, void, int64_t, 8)
COPY_ROW(i64_to_i64, int64_t, void, 8)

READ(f64, double, bool, x != 0)
READ(f64, double, u8, x)
READ(f64, double, i8, x)
READ(f64, double, i16, x)
READ(f64, double, i32, x)
READ(f64, double, i64, x)
READ(f64, double, u32, x)
READ(f64, double, f16, from_f16(x))
READ(f64, double, bf16, from_bf16(x))
READ(f64, double, f32, x)
READ(f64, double, f8e4m3, from_f8e4m3(x))
READ(f64, double, f8e5m2, from_f8e5m2(x))

READ(i64, int64_t, bool, x != 0)
READ(i64, int64_t, u8, x)
READ(i64, int64_t, i8, x)
READ(i64, int64_t, i16, x)
READ(i64, int64_t, i32, x)
READ(i64, int64_t, u32, x)
READ(i64, int64_t, f16, f32_i64(from_f16(x)))
READ(i64, int64_t, bf16, f32_i64(from_bf16(x)))
READ(i64, int64_t, f32, f32_i64(x))
READ(i64, int64_t, f64, f64_i64(x))
READ(i64, int64_t, f8e4m3, f32_i64(from_f8e4m3(x)))
READ(i64, int64_t, f8e5m2, f32_i64(from_f8e5m2(x)))

/* f64 and integers reach the small floats through f32, as in PyTorch. */
WRITE(f64, double, bool, x != 0)
WRITE(f64, double, u8, f64_u8(x))
WRITE(f64, double, i8, f64_i8(x))
WRITE(f64, double, i16, f64_i16(x))
WRITE(f64, double, i32, f64_i32(x))
WRITE(f64, double, i64, f64_i64(x))
WRITE(f64, double, u32, f64_u32(x))
WRITE(f64, double, f16, to_f16((float)x))
WRITE(f64, double, bf16, to_bf16((float)x))
WRITE(f64, double, f32, x)
WRITE(f64, double, f8e4m3, to_f8e4m3((float)x))
WRITE(f64, double, f8e5m2, to_f8e5m2((float)x))

WRITE(i64, int64_t, bool, x != 0)
WRITE(i64, int64_t, u8, (uint64_t)x)
WRITE(i64, int64_t, i8, (uint64_t)x)
WRITE(i64, int64_t, i16, (uint64_t)x)
WRITE(i64, int64_t, i32, (uint64_t)x)
WRITE(i64, int64_t, u32, (uint64_t)x)
WRITE(i64, int64_t, f16, to_f16((float)x))
WRITE(i64, int64_t, bf16, to_bf16((float)x))
WRITE(i64, int64_t, f32, x)
WRITE(i64, int64_t, f64, x)
WRITE(i64, int64_t, f8e4m3, to_f8e4m3((float)x))
WRITE(i64, int64_t, f8e5m2, to_f8e5m2((float)x))
#endif

/* ---- tables ---------------------------------------------------------------------------------- */

#define PLAIN                                                                                                \
    ROW(bool)                                                                                                \
    ROW(u8)                                                                                                  \
    ROW(i8) ROW(i16) ROW(i32) ROW(i64) ROW(u32) ROW(f16) ROW(bf16) ROW(f32) ROW(f64) ROW(f8e4m3) ROW(f8e5m2)

#define ROW(t)   [WK_##t] = f32_from_##t,
#define BLOCK(t) [WK_##t] = CPU(dequantize_##t),
const wki_to_f32 CPU(to_f32)[WK_DTYPE_COUNT] = {PLAIN WK_BLOCKS(BLOCK)};
#undef BLOCK
#undef ROW
#define ROW(t)   [WK_##t] = f32_to_##t,
#define BLOCK(t) [WK_##t] = CPU(quantize_##t),
const wki_from_f32 CPU(from_f32)[WK_DTYPE_COUNT] = {PLAIN WK_BLOCKS(BLOCK)};
#undef BLOCK
#undef ROW
#if !defined WK_SET_256
#define ROW(t) [WK_##t] = f64_from_##t,
const wki_to_f64 CPU(to_f64)[WK_DTYPE_COUNT] = {PLAIN};
#undef ROW
#define ROW(t) [WK_##t] = i64_from_##t,
const wki_to_i64 CPU(to_i64)[WK_DTYPE_COUNT] = {PLAIN};
#undef ROW
#define ROW(t) [WK_##t] = f64_to_##t,
const wki_from_f64 CPU(from_f64)[WK_DTYPE_COUNT] = {PLAIN};
#undef ROW
#define ROW(t) [WK_##t] = i64_to_##t,
const wki_from_i64 CPU(from_i64)[WK_DTYPE_COUNT] = {PLAIN};
#undef ROW
#endif
