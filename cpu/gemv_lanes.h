/* 256 block-quantised weights at a time for dot products of few rows, in AVX-512 registers: as cpu/codes.h
 * has them, but each lane's four words, one of each vector, are under the lane's scale. Which words meet in a
 * lane is free, since x is laid out to match: what costs the fewest shuffles. */
#ifndef WK_CPU_GEMV_LANES_H
#define WK_CPU_GEMV_LANES_H

#include "cpu/codes.h"
#include "cpu/gemv.h"

#if defined __AVX512F__

/* ---- blocks of 32 as nibbles: words 0 4 1 5 and 2 6 3 7 of a block are the lanes' -------------- */

#define FORM_BLOCKS                                                                                          \
    {0, 2, 32, 34, 8, 10, 40, 42, 16, 18, 48, 50, 24, 26, 56, 58},                                           \
    {                                                                                                        \
        0, 4, 1, 5                                                                                           \
    }

INLINE __m512i evens(__m512i a, __m512i b)
{
    return _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), 0x88));
}
INLINE __m512i odds(__m512i a, __m512i b)
{
    return _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), 0xdd));
}

INLINE void lanes_blocks(const char *p, int64_t n, int bytes, const struct places *at, bool min,
                         struct codes *c)
{
    __m512i q[2];
    pick_blocks(p, n, bytes, at, min, q, c);
    nibbles(c, evens(q[0], q[1]), odds(q[0], q[1]));
}
INLINE void lanes_q4_0(const char *p, int64_t n, struct codes *c)
{
    lanes_blocks(p, n, 18, &at_q4_0, false, c);
}
INLINE void lanes_q4_1(const char *p, int64_t n, struct codes *c)
{
    lanes_blocks(p, n, 20, &at_q4_1, true, c);
}
INLINE void lanes_iq4_nl(const char *p, int64_t n, struct codes *c)
{
    lanes_blocks(p, n, 18, &at_q4_0, false, c);
    through_table(nonlinear, 128, c);
}
/* Codes in their own order, low and high halves of blocks apart. */
INLINE void under_scales(struct codes *c)
{
    const __m512i low = c->v[0], high = c->v[1];
    c->v[0] = evens(low, c->v[2]);
    c->v[1] = evens(high, c->v[3]);
    c->v[2] = odds(low, c->v[2]);
    c->v[3] = odds(high, c->v[3]);
}

/* ---- runs of 32 bytes with sub-blocks in low and high nibbles ---------------------------------- */

#define FORM_K4                                                                                              \
    {0, 1, 16, 17, 32, 33, 48, 49, 8, 9, 24, 25, 40, 41, 56, 57},                                            \
    {                                                                                                        \
        0, 2, 4, 6                                                                                           \
    }

/* Words 2 i, 2 i + 1 of the four runs of 128 bytes at p, low nibbles, then high ones. */
INLINE void lanes_runs(const char *p, struct codes *c)
{
    const __m512i a = load_once(p), b = load_once(p + 64), down = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
    for (int i = 0; i < 4; i++) {
        const __m512i at =
            _mm512_add_epi64(_mm512_setr_epi64(0, 4, 8, 12, 0, 4, 8, 12), _mm512_set1_epi64(i));
        const __m512i q = _mm512_srlv_epi64(_mm512_permutex2var_epi64(a, at, b), down);
        c->v[i] = _mm512_and_si512(q, _mm512_set1_epi8(15));
    }
}
#define ORDER_RUNS _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 2, 2, 6, 6, 10, 10, 14, 14)

INLINE void lanes_q4_k(const char *p, int64_t n, struct codes *c)
{
    (void)n;
    lanes_runs(p + 16, c);
    scales_k4(p, ORDER_RUNS, c);
}
INLINE void lanes_q5_k(const char *p, int64_t n, struct codes *c)
{
    (void)n;
    lanes_runs(p + 48, c);
    /* bit s of a byte of qh is that of sub-block s */
    const __m512i of_lane = _mm512_setr_epi64(0x0101010101010101, 0x0404040404040404, 0x1010101010101010,
                                              0x4040404040404040, 0x0202020202020202, 0x0808080808080808,
                                              0x2020202020202020, (long long)0x8080808080808080);
    for (int i = 0; i < 4; i++) {
        long long bits;
        memcpy(&bits, p + 16 + 8 * i, sizeof bits);
        const __mmask64 high = _mm512_test_epi8_mask(_mm512_set1_epi64(bits), of_lane);
        c->v[i] = _mm512_mask_add_epi8(c->v[i], high, c->v[i], _mm512_set1_epi8(16));
    }
    scales_k4(p, ORDER_RUNS, c);
}

/* ---- q6_k: a lane is a group of 16, of low nibbles and then of high ones ----------------------- */

#define FORM_q6_k                                                                                            \
    {0, 4, 8, 12, 32, 36, 40, 44, 16, 20, 24, 28, 48, 52, 56, 60},                                           \
    {                                                                                                        \
        0, 1, 2, 3                                                                                           \
    }

INLINE void lanes_q6_k(const char *p, int64_t n, struct codes *c)
{
    (void)n;
    const __m512i a = load_once(p), b = load_once(p + 64), qh = load_once(p + 128);
    const __m512i down = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4);
    const __m512i turn = _mm512_setr_epi32(4, 4, 2, 2, 4, 4, 2, 2, 0, 0, 30, 30, 0, 0, 30, 30);
    for (int i = 0; i < 4; i++) {
        const __m512i step = _mm512_set1_epi32(i);
        const __m512i at = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
        const __m512i high = _mm512_setr_epi32(0, 4, 0, 4, 8, 12, 8, 12, 0, 4, 0, 4, 8, 12, 8, 12);
        const __m512i four =
            _mm512_srlv_epi32(_mm512_permutex2var_epi32(a, _mm512_add_epi32(at, step), b), down);
        const __m512i two =
            _mm512_rolv_epi32(_mm512_permutexvar_epi32(_mm512_add_epi32(high, step), qh), turn);
        /* the bits of `two` under the mask, else those of `four` */
        const __m512i six = _mm512_ternarylogic_epi32(_mm512_set1_epi8(0x30), two, four, 0xca);
        c->v[i] = _mm512_and_si512(six, _mm512_set1_epi8(0x3f));
    }
    const __m128i order = _mm_setr_epi8(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15);
    const __m128i s = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 192)), order);
    c->d = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(s)), _mm512_set1_ps(half(p + 208)));
}

/* ---- the others, turned in registers ----------------------------------------------------------- */

/* Slot 4 j + L is quarter L of v[j]; turned, its four words are in lane 4 L + j of v[0] .. v[3], which starts
 * at four times the group of the slot. */
#define FORM_q8_0                                                                                            \
    {0, 16, 32, 48, 4, 20, 36, 52, 8, 24, 40, 56, 12, 28, 44, 60},                                           \
    {                                                                                                        \
        0, 1, 2, 3                                                                                           \
    }
#define FORM_K2                                                                                              \
    {0, 8, 16, 24, 4, 12, 20, 28, 32, 40, 48, 56, 36, 44, 52, 60},                                           \
    {                                                                                                        \
        0, 1, 2, 3                                                                                           \
    }

#define TURNED(t, turn)                                                                                      \
    INLINE void lanes_##t(const char *p, int64_t n, struct codes *c)                                         \
    {                                                                                                        \
        unpack_##t(p, n, c);                                                                                 \
        turn;                                                                                                \
    }
TURNED(q5_0, under_scales(c))
TURNED(q5_1, under_scales(c))
TURNED(iq4_xs, under_scales(c))
TURNED(mxfp4, under_scales(c))
TURNED(q8_0, turn4(c->v))
TURNED(q2_k, turn4(c->v))
TURNED(q3_k, turn4(c->v))
#undef TURNED

#define FORM_q4_0   FORM_BLOCKS
#define FORM_q4_1   FORM_BLOCKS
#define FORM_q5_0   FORM_BLOCKS
#define FORM_q5_1   FORM_BLOCKS
#define FORM_iq4_nl FORM_BLOCKS
#define FORM_iq4_xs FORM_BLOCKS
#define FORM_mxfp4  FORM_BLOCKS
#define FORM_q4_k   FORM_K4
#define FORM_q5_k   FORM_K4
#define FORM_q2_k   FORM_K2
#define FORM_q3_k   FORM_K2

#endif
#endif
