/* One vector register of floats, whatever the instruction set: W lanes, vf the type. Arithmetic is written
 * with the compiler's vector operators; what they lack (fused multiply-add, half conversion, maximum) is
 * here. */
#ifndef WK_CPU_SIMD_H
#define WK_CPU_SIMD_H

#include "cpu/kernel.h"

#if defined __AVX512F__ || defined __AVX2__
#include <immintrin.h>
#elif defined __ARM_NEON
#include <arm_neon.h>
#elif defined __SSE4_1__
#include <smmintrin.h>
#elif defined __SSE2__
#include <emmintrin.h>
#endif

#if defined __AVX512F__
#define W 16
#elif defined __AVX2__
#define W 8
#else
#define W 4
#endif

typedef float    vf __attribute__((vector_size(4 * W)));
typedef int32_t  vi __attribute__((vector_size(4 * W)));
typedef uint32_t vu __attribute__((vector_size(4 * W)));
typedef uint16_t vh __attribute__((vector_size(2 * W)));
typedef float    v4 __attribute__((vector_size(16)));
/* The same in memory: at any address. */
typedef float    vf_any __attribute__((vector_size(4 * W), aligned(4), may_alias));
typedef uint16_t vh_any __attribute__((vector_size(2 * W), aligned(2), may_alias));
typedef float    v4_any __attribute__((vector_size(16), aligned(4), may_alias));

INLINE vf v_load(const float *p)
{
    return *(const vf_any *)(const void *)p;
}
INLINE void v_store(float *p, vf v)
{
    *(vf_any *)(void *)p = v;
}
INLINE vf v_set(float x)
{
    return x - (vf){0};
}

/* a b + c, rounded once where the machine can. */
INLINE vf v_fma(vf a, vf b, vf c)
{
#if defined __AVX512F__
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined __AVX2__
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined __ARM_NEON && defined __aarch64__
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* Lanes where mask is all ones from a, the others from b. */
INLINE vf v_pick(vi mask, vf a, vf b)
{
    return (vf)(((vi)a & mask) | ((vi)b & ~mask));
}

/* The larger; b where one of them is NaN. */
INLINE vf v_max(vf a, vf b)
{
#if defined __AVX512F__
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined __AVX2__
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return v_pick(a > b, a, b);
#endif
}

#if defined __AVX512F__
/* The smaller; b where one of them is NaN. */
INLINE vf v_min(vf a, vf b)
{
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}
/* y 2^n for n without a fraction, to infinity, subnormal values and 0. */
INLINE vf v_scale(vf y, vf n)
{
    return (vf)_mm512_scalef_ps((__m512)y, (__m512)n);
}
#endif

/* The first n < W floats, or the first n < 2 W halves as words of two, and zeros after them. */
typedef int32_t vi_any __attribute__((vector_size(4 * W), aligned(1), may_alias));
INLINE vf       v_load_first(const float *p, int64_t n)
{
#if defined __AVX512F__
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
    vf v = {0};
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
#endif
}
INLINE vi v_load_words(const char *p, int64_t n)
{
#if defined __AVX512F__
    return (vi)_mm512_maskz_loadu_epi16((__mmask32)((1u << n) - 1), p);
#else
    vi v = {0};
    memcpy(&v, p, (size_t)n * 2);
    return v;
#endif
}

/* Do halves become floats in vectors? */
#if defined __SSE4_1__ || (defined __ARM_NEON && defined __aarch64__)
#define V_HALF 1
#else
#define V_HALF 0
#endif

#if W == 4 && defined __SSE4_1__
/* Four halves in the low bits of the lanes: the exponent is moved by a product, which is exact. */
INLINE vf halves4(__m128i h)
{
    const __m128i low = _mm_slli_epi32(_mm_and_si128(h, _mm_set1_epi32(0x7fff)), 13);
    const __m128i sign = _mm_slli_epi32(_mm_srli_epi32(h, 15), 31);
    const __m128i odd = _mm_cmpgt_epi32(low, _mm_set1_epi32(0x0f7fffff)); /* not finite */
    const __m128  v = _mm_mul_ps(_mm_castsi128_ps(low), _mm_set1_ps(0x1p112f));
    return (vf)_mm_or_ps(_mm_or_ps(v, _mm_castsi128_ps(_mm_and_si128(odd, _mm_set1_epi32(0x7f800000)))),
                         _mm_castsi128_ps(sign));
}
#endif
INLINE vf v_load_f16(const uint16_t *p)
{
#if defined __AVX512F__
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
#elif defined __AVX2__
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
#elif defined __ARM_NEON && defined __aarch64__
    return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
#elif defined                       __SSE4_1__
    return halves4(_mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
#else
    float v[W];
    CPU(to_f32)[WK_f16](p, v, W);
    return v_load(v);
#endif
}

/* The value of one half. */
INLINE float v_half(uint16_t code)
{
#if defined __AVX2__ || defined __AVX512F__
    return _cvtsh_ss(code);
#elif defined __ARM_NEON && defined __aarch64__
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(code))), 0);
#else
    float v;
    CPU(to_f32)[WK_f16](&code, &v, 1);
    return v;
#endif
}

INLINE vf v_load_bf16(const uint16_t *p)
{
#if defined __AVX512F__
    const __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
#elif defined __AVX2__
    return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)),
                                 16);
#elif defined __SSE4_1__
    return (vf)_mm_slli_epi32(_mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)), 16);
#else
    return (vf)(__builtin_convertvector(*(const vh_any *)(const void *)p, vi) << 16);
#endif
}

/* Sixteen bytes: `one` where the bit is set, 0 elsewhere. */
INLINE void spread16(uint32_t bits, uint8_t one, uint8_t *y)
{
#if defined __SSSE3__
    const __m128i bytes = _mm_shuffle_epi8(_mm_cvtsi32_si128((int)bits),
                                           _mm_set_epi64x(0x0101010101010101, 0x0000000000000000));
    const __m128i bit = _mm_set1_epi64x((int64_t)0x8040201008040201u);
    const __m128i set = _mm_cmpeq_epi8(_mm_and_si128(bytes, bit), bit);
    _mm_storeu_si128((__m128i *)(void *)y, _mm_and_si128(set, _mm_set1_epi8((char)one)));
#else
    for (int i = 0; i < 16; i++) y[i] = bits >> i & 1 ? one : 0;
#endif
}

typedef uint8_t v16_u8 __attribute__((vector_size(16)));
typedef uint8_t v16_any __attribute__((vector_size(16), aligned(1), may_alias));

/* The 32 nibbles of 16 bytes: the lower ones first. */
INLINE void split_nibbles(const uint8_t *q, uint8_t *y)
{
    const v16_u8 v = *(const v16_any *)(const void *)q;
    *(v16_any *)(void *)y = v & 15;
    *(v16_any *)(void *)(y + 16) = v >> 4;
}

/* y[i] = table[index[i]] for sixteen indices below 16. */
INLINE void lookup16(const int8_t *table, const uint8_t *index, int8_t *y)
{
#if defined __SSSE3__
    const __m128i t = _mm_loadu_si128((const __m128i *)(const void *)table);
    _mm_storeu_si128((__m128i *)(void *)y,
                     _mm_shuffle_epi8(t, _mm_loadu_si128((const __m128i *)(const void *)index)));
#elif defined __ARM_NEON && defined __aarch64__
    vst1q_s8(y, vqtbl1q_s8(vld1q_s8(table), vld1q_u8(index)));
#else
    for (int i = 0; i < 16; i++) y[i] = table[index[i]];
#endif
}

/* W bytes as integers: signed, or not. */
INLINE vi v_load_i8(const char *p)
{
#if W == 16
    return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
#elif W == 8
    return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
#elif defined __SSE4_1__
    int32_t four;
    memcpy(&four, p, sizeof four);
    return (vi)_mm_cvtepi8_epi32(_mm_cvtsi32_si128(four));
#else
    vi v;
    for (int i = 0; i < W; i++) v[i] = (signed char)p[i];
    return v;
#endif
}
INLINE vi v_load_u8(const char *p)
{
#if W == 16
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
#elif W == 8
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
#elif defined __SSE4_1__
    int32_t four;
    memcpy(&four, p, sizeof four);
    return (vi)_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four));
#else
    vi v;
    for (int i = 0; i < W; i++) v[i] = (unsigned char)p[i];
    return v;
#endif
}

/* W codes as floats. */
INLINE vf v_from_codes(const int8_t *p)
{
    return __builtin_convertvector(v_load_i8((const char *)p), vf);
}

/* Lanes added in a fixed order. */
INLINE v4 v_quarter(vf v)
{
#if W == 16
    const __m256 h = _mm256_add_ps(_mm512_castps512_ps256((__m512)v), _mm512_extractf32x8_ps((__m512)v, 1));
    return (v4)_mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
#elif W == 8
    return (v4)_mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
#else
    return v;
#endif
}
INLINE float v_sum(vf v)
{
    const v4 q = v_quarter(v);
    return (q[0] + q[2]) + (q[1] + q[3]);
}
/* The sums of four vectors. */
INLINE v4 v_sum4(vf a, vf b, vf c, vf d)
{
    const v4 p = v_quarter(a), q = v_quarter(b), r = v_quarter(c), s = v_quarter(d);
    const v4 pq = __builtin_shufflevector(p, q, 0, 4, 1, 5) + __builtin_shufflevector(p, q, 2, 6, 3, 7);
    const v4 rs = __builtin_shufflevector(r, s, 0, 4, 1, 5) + __builtin_shufflevector(r, s, 2, 6, 3, 7);
    return __builtin_shufflevector(pq, rs, 0, 1, 4, 5) + __builtin_shufflevector(pq, rs, 2, 3, 6, 7);
}
/* W / 4 vectors of v_fold4 as the sums of W vectors. */
INLINE vf v_sum_folds(const vf *p)
{
#if W == 16
    const vf a =
        __builtin_shufflevector(p[0], p[1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
        __builtin_shufflevector(p[0], p[1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const vf b =
        __builtin_shufflevector(p[2], p[3], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
        __builtin_shufflevector(p[2], p[3], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
#elif W == 8
    return __builtin_shufflevector(p[0], p[1], 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(p[0], p[1], 4, 5, 6, 7, 12, 13, 14, 15);
#else
    return p[0];
#endif
}
/* Part sums of a, b, c and d in every four lanes; v_sum_folds adds up what these hold. */
INLINE vf v_fold4(vf a, vf b, vf c, vf d)
{
#if W == 16
    const __m512d ab = (__m512d)_mm512_add_ps(_mm512_unpacklo_ps((__m512)a, (__m512)b),
                                              _mm512_unpackhi_ps((__m512)a, (__m512)b));
    const __m512d cd = (__m512d)_mm512_add_ps(_mm512_unpacklo_ps((__m512)c, (__m512)d),
                                              _mm512_unpackhi_ps((__m512)c, (__m512)d));
    return (vf)_mm512_unpacklo_pd(ab, cd) + (vf)_mm512_unpackhi_pd(ab, cd);
#elif W == 8
    const __m256 ab = (__m256)_mm256_hadd_ps((__m256)a, (__m256)b);
    return (vf)_mm256_hadd_ps(ab, _mm256_hadd_ps((__m256)c, (__m256)d));
#else
    return (vf)v_sum4(a, b, c, d);
#endif
}
/* The largest lane; NaN may be passed over unless all lanes are NaN. */
INLINE float v_most(vf v)
{
#if W == 16
    const __m256 h = _mm256_max_ps(_mm512_castps512_ps256((__m512)v), _mm512_extractf32x8_ps((__m512)v, 1));
    v4           q = (v4)_mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
#elif W == 8
    v4       q = (v4)_mm_max_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
#else
    v4 q = v;
#endif
    const float a = q[0] > q[1] ? q[0] : q[1], b = q[2] > q[3] ? q[2] : q[3];
    return a > b ? a : b;
}

/* exp(x) to about an ulp for x <= 88; exactly 0 below -104 (with AVX-512) or -87.3; NaN stays. */
INLINE vf v_exp(vf x)
{
    const vf low = v_set(-104.0f), magic = v_set(12582912.0f);
    x = v_max(low, x);
    const vf t = v_fma(x, v_set(1.44269504f), magic), n = t - magic;
    vf       r = v_fma(n, v_set(-0.693359375f), x);
    r = v_fma(n, v_set(2.12194440e-4f), r);
    vf p = v_set(1.0f / 5040.0f);
    p = v_fma(p, r, v_set(1.0f / 720.0f));
    p = v_fma(p, r, v_set(1.0f / 120.0f));
    p = v_fma(p, r, v_set(1.0f / 24.0f));
    p = v_fma(p, r, v_set(1.0f / 6.0f));
    p = v_fma(p, r, v_set(0.5f));
    p = v_fma(p * r, r, r) + v_set(1.0f);
#if defined __AVX512F__
    return v_scale(p, n);
#else
    const vf two_n = (vf)(((vi)t - 0x4b400000 + 127) << 23);
    return v_pick(x < v_set(-87.3f), v_set(0.0f), p * two_n);
#endif
}

/* dst [4][.. step to], src [4][.. step from]: four rows become four columns. */
INLINE void v_transpose4(const float *src, int64_t from, float *dst, int64_t to)
{
    const v4 a = *(const v4_any *)(const void *)src, b = *(const v4_any *)(const void *)(src + from);
    const v4 c = *(const v4_any *)(const void *)(src + 2 * from),
             d = *(const v4_any *)(const void *)(src + 3 * from);
    const v4 ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const v4 cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(v4_any *)(void *)dst = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
    *(v4_any *)(void *)(dst + to) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
    *(v4_any *)(void *)(dst + 2 * to) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
    *(v4_any *)(void *)(dst + 3 * to) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
}

#if defined __AVX512F__
/* Turns the 4 by 4 words in each quarter of r[0 .. 4]. */
INLINE void turn4(__m512i *r)
{
    const __m512i a = _mm512_unpacklo_epi32(r[0], r[1]), b = _mm512_unpackhi_epi32(r[0], r[1]);
    const __m512i c = _mm512_unpacklo_epi32(r[2], r[3]), d = _mm512_unpackhi_epi32(r[2], r[3]);
    r[0] = _mm512_unpacklo_epi64(a, c);
    r[1] = _mm512_unpackhi_epi64(a, c);
    r[2] = _mm512_unpacklo_epi64(b, d);
    r[3] = _mm512_unpackhi_epi64(b, d);
}
#endif

#endif
