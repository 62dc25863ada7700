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

/* W rows of 16 columns of 32 bits, `step` bytes apart, as columns. */
INLINE void columns(const void *rows, int64_t step, sums *y)
{
    for (int i = 0; i < 16; i += 4) {
        for (int a = 0; a < 4; a++)
            y[i + a] = (sums)b_quarters((const char *)rows + a * step + 4 * i, 0, 4, (int)(4 * step));
        transposed(y + i);
    }
}

/* s has its value here, not later: sums stay in the order they are written in, and in registers. */
#if defined __ARM_NEON
#define SETTLE(s) __asm__("" : "+w"(s))
#else
#define SETTLE(s) __asm__("" : "+v"(s))
#endif

/* In each lane of 32 bits: the sum of the sixteen products of w[0] .. w[3] and x[0] .. x[3]. Pairs of
 * products are 16-bit numbers: they hold the sum of eight products of narrow codes, four of medium ones
 * and two of signed ones. */
INLINE sums sixteen_words_pairs(enum kind kind, const vb *w, const char *x, int step)
{
#if defined __ARM_NEON
    sums      s = vdupq_n_s32(0);
    int16x8_t a = vdupq_n_s16(0), b = a;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const int8x16_t c = (int8x16_t)w[i], v = (int8x16_t)b_load(x + i * step);
        if (i == 0 || kind == SIGNED) {
            a = vmull_s8(vget_low_s8(c), vget_low_s8(v));
            b = vmull_high_s8(c, v);
        } else {
            a = vmlal_s8(a, vget_low_s8(c), vget_low_s8(v));
            b = vmlal_high_s8(b, c, v);
        }
        if (i == 3 || kind == SIGNED) s = vaddq_s32(s, vpaddq_s32(vpaddlq_s16(a), vpaddlq_s16(b)));
    }
    return s;
#else
    const int  at_once = kind == NARROW ? 4 : kind == MEDIUM ? 2 : 1;
    const sums one = TWO_TO_ONE;
    sums       s = (sums)b_set(0), pairs = s;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const sums c = (sums)w[i], v = (sums)b_load(x + i * step);
        const sums p =
            kind == SIGNED ? X86(maddubs_epi16)(X86(abs_epi8)(c), turned(v, c)) : X86(maddubs_epi16)(c, v);
        pairs = i % at_once ? X86(add_epi16)(pairs, p) : p;
        if ((i + 1) % at_once) continue;
        const sums four = X86(madd_epi16)(pairs, one);
        s = i < at_once ? four : X86(add_epi32)(s, four);
    }
    return s;
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
WK_DOTS_TARGET INLINE sums sixteen_words_dots(enum kind kind, const vb *w, const char *x, int step)
{
    (void)kind;
    sums s = dots((sums)b_set(0), w[0], b_load(x));
#pragma GCC unroll 3
    for (int i = 1; i < 4; i++) s = dots(s, w[i], b_load(x + i * step));
    return s;
}
#endif

#endif
#endif
