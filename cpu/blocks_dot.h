/* What the products of 8-bit codes are made of, whatever the instruction set: sums of products in 32 bits. */
#ifndef WK_CPU_BLOCKS_DOT_H
#define WK_CPU_BLOCKS_DOT_H

#include "cpu/blocks.h"
#if defined WK_BLOCKS_HERE

#if defined       __ARM_NEON
typedef int32x4_t sums;
#else
#if W == 16
typedef __m512i sums;
#define X86(name) _mm512_##name
#elif W == 8
typedef __m256i sums;
#define X86(name) _mm256_##name
#else
typedef __m128i sums;
#define X86(name) _mm_##name
#endif
#define TWO_TO_ONE X86(set1_epi16)(1)

/* The parts of x where w is negative turned round: |w| times it is w times x. */
INLINE sums turned(sums x, sums w)
{
#if W == 16
    return _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w), _mm512_setzero_si512(), x);
#else
    return X86(sign_epi8)(x, w);
#endif
}

/* 32-bit lanes in each quarter: two of a, two of b, as sums of two each; as 16-bit and as 32-bit numbers. */
INLINE sums halved16(sums a, sums b)
{
    return X86(add_epi16)(X86(unpacklo_epi32)(a, b), X86(unpackhi_epi32)(a, b));
}
INLINE sums halved32(sums a, sums b)
{
    return X86(add_epi32)(X86(unpacklo_epi32)(a, b), X86(unpackhi_epi32)(a, b));
}
#endif

/* Rows 4 h + a of quarter h of t[a], four columns of 32 bits: columns. */
INLINE void transposed(sums *t)
{
#if defined __ARM_NEON
#define PAIRS32(n, a, b) vzip##n##q_s32(a, b)
#define PAIRS64(n, a, b)                                                                                     \
    vreinterpretq_s32_s64(vzip##n##q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)))
    const sums ab = PAIRS32(1, t[0], t[1]), AB = PAIRS32(2, t[0], t[1]);
    const sums cd = PAIRS32(1, t[2], t[3]), CD = PAIRS32(2, t[2], t[3]);
    t[0] = PAIRS64(1, ab, cd);
    t[1] = PAIRS64(2, ab, cd);
    t[2] = PAIRS64(1, AB, CD);
    t[3] = PAIRS64(2, AB, CD);
#else
    const sums ab = X86(unpacklo_epi32)(t[0], t[1]), AB = X86(unpackhi_epi32)(t[0], t[1]);
    const sums cd = X86(unpacklo_epi32)(t[2], t[3]), CD = X86(unpackhi_epi32)(t[2], t[3]);
    t[0] = X86(unpacklo_epi64)(ab, cd);
    t[1] = X86(unpackhi_epi64)(ab, cd);
    t[2] = X86(unpacklo_epi64)(AB, CD);
    t[3] = X86(unpackhi_epi64)(AB, CD);
#endif
}

/* Lane 4 L + j: the sum of the 32-bit lanes of quarter L of v[j]. */
INLINE sums quarter_sums(const sums *v)
{
#if defined __ARM_NEON
    return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
#else
    const sums ab = halved32(v[0], v[1]), cd = halved32(v[2], v[3]);
    return X86(add_epi32)(X86(unpacklo_epi64)(ab, cd), X86(unpackhi_epi64)(ab, cd));
#endif
}

/* Lane 4 L + j: the products of quarter L of w[j] and x[j]. Pairs of products are 16-bit numbers: they
 * hold the sum of eight products of narrow codes, four of medium ones and two of signed ones. */
INLINE sums quarters_pairs(enum kind kind, const vb *w, const vb *x)
{
    sums p[4];
#if defined __ARM_NEON
    (void)kind;
    for (int j = 0; j < 4; j++) {
        const int8x16_t a = (int8x16_t)w[j], b = (int8x16_t)x[j];
        p[j] = vpaddlq_s16(vmlal_high_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), a, b));
    }
    return quarter_sums(p);
#else
    const sums one = TWO_TO_ONE;
    for (int j = 0; j < 4; j++)
        p[j] = kind == SIGNED
                   ? X86(madd_epi16)(
                         X86(maddubs_epi16)(X86(abs_epi8)((sums)w[j]), turned((sums)x[j], (sums)w[j])), one)
                   : X86(maddubs_epi16)((sums)w[j], (sums)x[j]);
    if (kind == SIGNED) return quarter_sums(p);
    sums ab = halved16(p[0], p[1]), cd = halved16(p[2], p[3]);
    if (kind == NARROW)
        return X86(madd_epi16)(X86(add_epi16)(X86(unpacklo_epi64)(ab, cd), X86(unpackhi_epi64)(ab, cd)), one);
    ab = X86(madd_epi16)(ab, one);
    cd = X86(madd_epi16)(cd, one);
    return X86(add_epi32)(X86(unpacklo_epi64)(ab, cd), X86(unpackhi_epi64)(ab, cd));
#endif
}

/* The unit of products of 8-bit matrices: two rows by two columns. */
#if defined __ARM_NEON && (!defined __clang__ || __clang_major__ >= 16)
#define WK_MATRIX_TARGET __attribute__((target("arch=armv8.2-a+i8mm")))
#endif

/* The unit that sums four products of bytes at once, beside the plain one: its name as a target. */
#if defined __ARM_NEON && (!defined __clang__ || __clang_major__ >= 16)
#define WK_DOTS_TARGET  __attribute__((target("arch=armv8.2-a+dotprod")))
#define WK_DOTS_FEATURE WKI_CPU_DOTPROD
WK_DOTS_TARGET INLINE sums dots(sums s, vb w, vb x)
{
    return vdotq_s32(s, (int8x16_t)w, (int8x16_t)x);
}
#elif W == 8
#define WK_DOTS_TARGET  __attribute__((target("avxvnni")))
#define WK_DOTS_FEATURE WKI_CPU_AVX_VNNI
WK_DOTS_TARGET INLINE sums dots(sums s, vb w, vb x)
{
    return _mm256_dpbusd_avx_epi32(s, (__m256i)w, (__m256i)x);
}
#endif

#if defined                WK_DOTS_TARGET
WK_DOTS_TARGET INLINE sums quarters_dots(enum kind kind, const vb *w, const vb *x)
{
    sums p[4];
    for (int j = 0; j < 4; j++) {
#if defined __ARM_NEON
        (void)kind;
        p[j] = dots(vdupq_n_s32(0), w[j], x[j]);
#else
        p[j] = kind == SIGNED ? dots(_mm256_setzero_si256(), (vb)_mm256_abs_epi8((__m256i)w[j]),
                                     (vb)turned((__m256i)x[j], (__m256i)w[j]))
                              : dots(_mm256_setzero_si256(), w[j], x[j]);
#endif
    }
    return quarter_sums(p);
}
#endif

#endif
#endif
