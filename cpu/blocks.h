/* 256 block-quantised weights at a time as codes of 8 bits with scales, in vectors of 16, 32 or 64 bytes. */
#ifndef WK_CPU_BLOCKS_H
#define WK_CPU_BLOCKS_H

#include "cpu/gemv.h"
#include "cpu/half.h"
#include "cpu/quant.h"
#include "cpu/simd.h"

#if defined __SSE4_1__ || (defined __ARM_NEON && defined __aarch64__)
#define WK_BLOCKS_HERE 1

/* Bytes of a vector, 16-byte quarters in it, vectors of the sixteen scales, vectors of the codes. */
enum { BYTES = 4 * W, QUARTERS = W / 4, SCALES = 16 / W, CODES = 256 / (4 * W) };

typedef uint8_t  vb __attribute__((vector_size(4 * W)));
typedef uint16_t vw __attribute__((vector_size(4 * W)));
typedef uint8_t  vb_any __attribute__((vector_size(4 * W), aligned(1), may_alias));

/* 256 weights: d code + m. Codes lie in slots, scales in lanes as in struct chunk. m is left alone by
 * formats whose codes count from an offset. */
struct codes256 {
    vb v[CODES];
    vf d[SCALES], m[SCALES];
};

/* Which codes a format has: up to 31, up to 63, or signed ones. */
enum kind { NARROW, MEDIUM, SIGNED };

/* ---- bytes ----------------------------------------------------------------------------------- */

INLINE vb b_set(int x)
{
    return (uint8_t)x - (vb){0};
}
INLINE vb b_load(const void *p)
{
    return *(const vb_any *)p;
}
INLINE void b_store(void *p, vb v)
{
    *(vb_any *)p = v;
}
/* The 16 bytes of runs i, i + 1, ...: the first n lie `step` bytes apart from p on, later ones repeat the
 * first. */
INLINE int64_t run_at(int i, int64_t n, int step)
{
    return (i < n ? i : 0) * step;
}
INLINE vb b_quarters(const char *p, int i, int64_t n, int step)
{
#if W == 4
    return b_load(p + run_at(i, n, step));
#else
#define PIECE(q) _mm_loadu_si128((const __m128i *)(const void *)(p + run_at(i + (q), n, step)))
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(PIECE(0)), PIECE(1), 1);
#if W == 8
    return (vb)low;
#else
    const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(PIECE(2)), PIECE(3), 1);
    return (vb)_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
#endif
#undef PIECE
#endif
}
/* Part L of four quarters of which the first two and the last two take 32 bytes at p, shifted right by
 * `from` and by `from + step` bits; `mask` keeps what is wanted, which then goes up by `to`. */
INLINE vb b_planes(const char *p, int L, int from, int step, int mask, int to)
{
#if W == 16
    (void)L;
    const __m256i one = _mm256_loadu_si256((const __m256i *)(const void *)p);
    const __m512i two = _mm512_inserti64x4(_mm512_castsi256_si512(one), one, 1);
    const __m512i by = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set1_epi16((short)from)),
                                          _mm256_set1_epi16((short)(from + step)), 1);
    return (vb)((vw)((vb)_mm512_srlv_epi16(two, by) & b_set(mask)) << to);
#else
    const int shift = from + (W == 8 ? L : L / 2) * step - to;
    const vw  v = (vw)b_load(W == 8 ? p : p + L % 2 * 16);
    return (vb)(shift >= 0 ? v >> (shift > 0 ? shift : 0) : v << (shift < 0 ? -shift : 0)) &
           b_set(mask << to);
#endif
}
/* Bytes: `one` where the bit is set, 0 elsewhere. */
INLINE vb b_bits(uint64_t bits, int one)
{
#if W == 16
    return (vb)_mm512_maskz_set1_epi8(bits, (char)one);
#elif W == 8
    const __m256i at = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), at);
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201u);
    return (vb)_mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit) & b_set(one);
#else
    uint8_t v[16];
    spread16((uint32_t)bits, (uint8_t)one, v);
    return b_load(v);
#endif
}
/* Entries of a table of sixteen. */
INLINE vb b_lookup(const int8_t *table, vb index)
{
#if W == 16
    const __m128i t = _mm_loadu_si128((const __m128i *)(const void *)table);
    return (vb)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(t), (__m512i)index);
#elif W == 8
    const __m128i t = _mm_loadu_si128((const __m128i *)(const void *)table);
    return (vb)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(t), (__m256i)index);
#elif defined __ARM_NEON
    return (vb)vqtbl1q_s8(vld1q_s8(table), (uint8x16_t)index);
#else
    return (vb)_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)table), (__m128i)index);
#endif
}

/* ---- scales ---------------------------------------------------------------------------------- */

/* Eight floats f in the first lanes of vectors, spread over sixteen lanes by a list of places. */
#if W == 16
#define SPREAD_(y, f, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q)                                        \
    (y)[0] = __builtin_shufflevector((f)[0], (f)[0], a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q)
#elif W == 8
#define SPREAD_(y, f, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q)                                        \
    (y)[0] = __builtin_shufflevector((f)[0], (f)[0], a, b, c, d, e, g, h, i),                                \
    (y)[1] = __builtin_shufflevector((f)[0], (f)[0], j, k, l, m, n, o, p, q)
#else
#define SPREAD_(y, f, a, b, c, d, e, g, h, i, j, k, l, m, n, o, p, q)                                        \
    (y)[0] = __builtin_shufflevector((f)[0], (f)[1], a, b, c, d),                                            \
    (y)[1] = __builtin_shufflevector((f)[0], (f)[1], e, g, h, i),                                            \
    (y)[2] = __builtin_shufflevector((f)[0], (f)[1], j, k, l, m),                                            \
    (y)[3] = __builtin_shufflevector((f)[0], (f)[1], n, o, p, q)
#endif
#define SPREAD(y, f, ...) SPREAD_(y, f, __VA_ARGS__)
#define EIGHT             (W == 4 ? 2 : 1) /* vectors that hold eight floats */

/* The block of 32 that lane 4 L + j lies in, by the order of slots; of iq4_xs, even blocks come first. */
#define LANES_BLOCKS 0, 0, 4, 4, 1, 1, 5, 5, 2, 2, 6, 6, 3, 3, 7, 7
#define LANES_PLAIN  0, 2, 4, 6, 0, 2, 4, 6, 1, 3, 5, 7, 1, 3, 5, 7
#define LANES_K4     0, 1, 4, 5, 0, 1, 4, 5, 2, 3, 6, 7, 2, 3, 6, 7
#define LANES_XS     0, 0, 2, 2, 4, 4, 6, 6, 1, 1, 3, 3, 5, 5, 7, 7

INLINE uint16_t word_at(const char *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return h;
}
INLINE uint32_t long_at(const char *p)
{
    uint32_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

/* The halves of eight runs. */
INLINE void halves8(const char *p, int64_t n, int step, vf *f)
{
#if defined __ARM_NEON
    uint16x8_t h = vdupq_n_u16(word_at(p));
    h = vsetq_lane_u16(word_at(p + run_at(1, n, step)), h, 1);
    h = vsetq_lane_u16(word_at(p + run_at(2, n, step)), h, 2);
    h = vsetq_lane_u16(word_at(p + run_at(3, n, step)), h, 3);
    h = vsetq_lane_u16(word_at(p + run_at(4, n, step)), h, 4);
    h = vsetq_lane_u16(word_at(p + run_at(5, n, step)), h, 5);
    h = vsetq_lane_u16(word_at(p + run_at(6, n, step)), h, 6);
    h = vsetq_lane_u16(word_at(p + run_at(7, n, step)), h, 7);
    f[0] = (vf)vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(h)));
    f[1] = (vf)vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(h)));
#else
#define HALF(i) (short)word_at(p + run_at(i, n, step))
    const __m128i h = _mm_setr_epi16(HALF(0), HALF(1), HALF(2), HALF(3), HALF(4), HALF(5), HALF(6), HALF(7));
#undef HALF
#if W == 16
    f[0] = (vf)_mm512_castps256_ps512(_mm256_cvtph_ps(h));
#elif W == 8
    f[0] = (vf)_mm256_cvtph_ps(h);
#else
    f[0] = halves4(_mm_unpacklo_epi16(h, _mm_setzero_si128()));
    f[1] = halves4(_mm_unpackhi_epi16(h, _mm_setzero_si128()));
#endif
#endif
}
/* Bytes below 128 as floats: eight of them, in registers all the way (memory would stall what follows). */
INLINE void bytes8(uint64_t bytes, vf *f)
{
#if W == 16
    f[0] = (vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_cvtsi64_si128((int64_t)bytes)));
#elif W == 8
    f[0] = (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_cvtsi64_si128((int64_t)bytes)));
#elif defined __ARM_NEON
    const int16x8_t h = vmovl_s8(vcreate_s8(bytes));
    f[0] = (vf)vcvtq_f32_s32(vmovl_s16(vget_low_s16(h)));
    f[1] = (vf)vcvtq_f32_s32(vmovl_s16(vget_high_s16(h)));
#else
    const __m128i v = _mm_cvtsi64_si128((int64_t)bytes);
    f[0] = (vf)_mm_cvtepi32_ps(_mm_cvtepi8_epi32(v));
    f[1] = (vf)_mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_srli_si128(v, 4)));
#endif
}
/* Sixteen signed bytes in the order of lanes, times d. */
INLINE void scale16(v16_u8 bytes, const uint8_t *order, float d, vf *y)
{
#if defined __ARM_NEON
    const int8x16_t v = vqtbl1q_s8((int8x16_t)bytes, vld1q_u8(order));
    const int16x8_t a = vmovl_s8(vget_low_s8(v)), b = vmovl_high_s8(v);
    y[0] = (vf)vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(a))), d);
    y[1] = (vf)vmulq_n_f32(vcvtq_f32_s32(vmovl_high_s16(a)), d);
    y[2] = (vf)vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(b))), d);
    y[3] = (vf)vmulq_n_f32(vcvtq_f32_s32(vmovl_high_s16(b)), d);
#else
    const __m128i v = _mm_shuffle_epi8((__m128i)bytes, _mm_loadu_si128((const __m128i *)(const void *)order));
#if W == 16
    y[0] = (vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(v)) * v_set(d);
#elif W == 8
    y[0] = (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v)) * v_set(d);
    y[1] = (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(v, 8))) * v_set(d);
#else
    y[0] = (vf)_mm_cvtepi32_ps(_mm_cvtepi8_epi32(v)) * v_set(d);
    y[1] = (vf)_mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_srli_si128(v, 4))) * v_set(d);
    y[2] = (vf)_mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_srli_si128(v, 8))) * v_set(d);
    y[3] = (vf)_mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_srli_si128(v, 12))) * v_set(d);
#endif
#endif
}

/* ---- formats --------------------------------------------------------------------------------- */

/* Nibbles of n <= 8 runs of 16 bytes: the lower ones of four runs, the upper ones, and so the other four. */
INLINE void nibbles(const char *p, int64_t n, int step, struct codes256 *c)
{
    for (int i = 0; i < 2; i++)
        for (int L = 0; L < SCALES; L++) {
            const vb raw = 4 * i < n ? b_quarters(p, 4 * i + QUARTERS * L, n, step) : b_set(0);
            c->v[2 * i * SCALES + L] = raw & b_set(15);
            c->v[(2 * i + 1) * SCALES + L] = raw >> 4;
        }
}
/* Bit k of the 32-bit word at p, p + step, ... is bit 4 of code k of the block. */
INLINE void fifth_bits(const char *p, int64_t n, int step, struct codes256 *c)
{
    for (int i = 0; i < 2; i++)
        for (int L = 0; L < SCALES; L++) {
            uint64_t low = 0, high = 0;
            if (4 * i >= n) break;
            for (int h = 0; h < QUARTERS; h++) {
                const uint64_t w = long_at(p + run_at(4 * i + QUARTERS * L + h, n, step));
                low |= (w & 0xffff) << 16 * h;
                high |= (w >> 16) << 16 * h;
            }
            c->v[2 * i * SCALES + L] |= b_bits(low, 16);
            c->v[(2 * i + 1) * SCALES + L] |= b_bits(high, 16);
        }
}

INLINE void unpack_q4_0(const char *p, int64_t n, struct codes256 *c)
{
    vf f[EIGHT];
    nibbles(p + 2, n, 18, c);
    halves8(p, n, 18, f);
    SPREAD(c->d, f, LANES_BLOCKS);
}
INLINE void unpack_q4_1(const char *p, int64_t n, struct codes256 *c)
{
    vf f[EIGHT];
    nibbles(p + 4, n, 20, c);
    halves8(p, n, 20, f);
    SPREAD(c->d, f, LANES_BLOCKS);
    halves8(p + 2, n, 20, f);
    SPREAD(c->m, f, LANES_BLOCKS);
}
INLINE void unpack_q5_0(const char *p, int64_t n, struct codes256 *c)
{
    vf f[EIGHT];
    nibbles(p + 6, n, 22, c);
    fifth_bits(p + 2, n, 22, c);
    halves8(p, n, 22, f);
    SPREAD(c->d, f, LANES_BLOCKS);
}
INLINE void unpack_q5_1(const char *p, int64_t n, struct codes256 *c)
{
    vf f[EIGHT];
    nibbles(p + 8, n, 24, c);
    fifth_bits(p + 4, n, 24, c);
    halves8(p, n, 24, f);
    SPREAD(c->d, f, LANES_BLOCKS);
    halves8(p + 2, n, 24, f);
    SPREAD(c->m, f, LANES_BLOCKS);
}
INLINE void unpack_q8_0(const char *p, int64_t n, struct codes256 *c)
{
    vf f[EIGHT];
    for (int i = 0; i < CODES; i++) {
#if W == 16
        const __m256i *low = (const __m256i *)(const void *)(p + 2 + run_at(2 * i, n, 34));
        const __m256i *high = (const __m256i *)(const void *)(p + 2 + run_at(2 * i + 1, n, 34));
        c->v[i] = (vb)_mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256(low)),
                                         _mm256_loadu_si256(high), 1);
#else
        c->v[i] =
            W == 8 ? b_load(p + 2 + run_at(i, n, 34)) : b_load(p + 2 + run_at(i / 2, n, 34) + 16 * (i % 2));
#endif
    }
    halves8(p, n, 34, f);
    SPREAD(c->d, f, LANES_PLAIN);
}

/* Twelve bytes of 6-bit scales and minima (q4_k, q5_k) after d and dmin. */
INLINE void scales_k4(const char *p, struct codes256 *c)
{
    const uint32_t s0 = long_at(p + 4), s1 = long_at(p + 8), s2 = long_at(p + 12);
    const uint32_t d0 = s0 & 0x3f3f3f3f, d1 = (s2 & 0x0f0f0f0f) | (s0 >> 2 & 0x30303030);
    const uint32_t m0 = s1 & 0x3f3f3f3f, m1 = (s2 >> 4 & 0x0f0f0f0f) | (s1 >> 2 & 0x30303030);
    const vf       d = v_set(from_f16(word_at(p))), m = v_set(-from_f16(word_at(p + 2)));
    vf             f[EIGHT];
    bytes8((uint64_t)d1 << 32 | d0, f);
    for (int i = 0; i < EIGHT; i++) f[i] *= d;
    SPREAD(c->d, f, LANES_K4);
    bytes8((uint64_t)m1 << 32 | m0, f);
    for (int i = 0; i < EIGHT; i++) f[i] *= m;
    SPREAD(c->m, f, LANES_K4);
}
INLINE void unpack_q4_k(const char *p, int64_t n, struct codes256 *c)
{
    (void)n;
    nibbles(p + 16, 8, 16, c);
    scales_k4(p, c);
}
INLINE void unpack_q5_k(const char *p, int64_t n, struct codes256 *c)
{
    (void)n;
    nibbles(p + 48, 8, 16, c);
    for (int j = 0; j < 4; j++)
        for (int L = 0; L < SCALES; L++)
            c->v[j * SCALES + L] |= b_planes(p + 16, L, j / 2 * 4 + j % 2, 2, 1, 4);
    scales_k4(p, c);
}
INLINE void unpack_q6_k(const char *p, int64_t n, struct codes256 *c)
{
    (void)n;
    static const uint8_t order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    nibbles(p, 8, 16, c);
    for (int j = 0; j < 4; j++)
        for (int L = 0; L < SCALES; L++)
            c->v[j * SCALES + L] |= b_planes(p + 128 + j / 2 * 32, L, j % 2 * 4, 2, 3, 4);
    scale16(*(const v16_any *)(const void *)(p + 192), order, from_f16(word_at(p + 208)), c->d);
}

/* Groups of 16 of q2_k and q3_k in the order of lanes. */
static const uint8_t lanes_k2[16] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15};

INLINE void two_bits(const char *p, struct codes256 *c)
{
    for (int j = 0; j < 4; j++)
        for (int L = 0; L < SCALES; L++)
            c->v[j * SCALES + L] = (vb)((vw)b_load(p + BYTES * L) >> 2 * j) & b_set(3);
}
INLINE void unpack_q2_k(const char *p, int64_t n, struct codes256 *c)
{
    (void)n;
    const v16_u8 both = *(const v16_any *)(const void *)p, d = both & 15, m = both >> 4;
    two_bits(p + 16, c);
    scale16(d, lanes_k2, from_f16(word_at(p + 80)), c->d);
    scale16(m, lanes_k2, -from_f16(word_at(p + 82)), c->m);
}
INLINE void unpack_q3_k(const char *p, int64_t n, struct codes256 *c)
{
    (void)n;
    const uint32_t   s0 = long_at(p + 96), s1 = long_at(p + 100), s2 = long_at(p + 104);
    const uint32_t   low = 0x0f0f0f0f, two = 0x30303030;
    typedef uint32_t v4_u32 __attribute__((vector_size(16)));
    const v4_u32     packed = {(s0 & low) | (s2 << 4 & two), (s1 & low) | (s2 << 2 & two),
                               (s0 >> 4 & low) | (s2 & two), (s1 >> 4 & low) | (s2 >> 2 & two)};
    two_bits(p + 32, c);
    for (int j = 0; j < 4; j++)
        for (int L = 0; L < SCALES; L++) c->v[j * SCALES + L] |= b_planes(p, L, j, 4, 1, 2);
    scale16((v16_u8)packed - 32, lanes_k2, from_f16(word_at(p + 108)), c->d);
}

INLINE void through_table(const int8_t *table, struct codes256 *c)
{
    for (int i = 0; i < CODES; i++) c->v[i] = b_lookup(table, c->v[i]);
}
INLINE void unpack_iq4_nl(const char *p, int64_t n, struct codes256 *c)
{
    vf f[EIGHT];
    nibbles(p + 2, n, 18, c);
    through_table(nonlinear, c);
    halves8(p, n, 18, f);
    SPREAD(c->d, f, LANES_BLOCKS);
}
INLINE void unpack_iq4_xs(const char *p, int64_t n, struct codes256 *c)
{
    (void)n;
    const uint32_t low = long_at(p + 4);
    uint32_t       high = word_at(p + 2);
    high = (high | high << 8) & 0x00ff00ff;
    high = (high | high << 4) & 0x0f0f0f0f;
    const uint32_t even = (low & 0x0f0f0f0f) | (high << 4 & 0x30303030);
    const uint32_t odd = (low >> 4 & 0x0f0f0f0f) | (high << 2 & 0x30303030);
    const vf       d = v_set(from_f16(word_at(p)));
    vf             f[EIGHT];
    nibbles(p + 8, 8, 16, c);
    through_table(nonlinear, c);
    bytes8((uint64_t)odd << 32 | even, f);
    for (int i = 0; i < EIGHT; i++) f[i] = (f[i] - v_set(32.0f)) * d;
    SPREAD(c->d, f, LANES_XS);
}
/* 2^(e - 128) of eight bytes e; the first two are subnormal. */
INLINE void exponents8(uint64_t bytes, vf *f)
{
#if W == 16
    const vi e[] = {(vi)_mm512_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)bytes))};
#elif W == 8
    const vi e[] = {(vi)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)bytes))};
#elif defined __ARM_NEON
    const uint16x8_t h = vmovl_u8(vcreate_u8(bytes));
    const vi         e[] = {(vi)vmovl_u16(vget_low_u16(h)), (vi)vmovl_high_u16(h)};
#else
    const __m128i v = _mm_cvtsi64_si128((int64_t)bytes);
    const vi      e[] = {(vi)_mm_cvtepu8_epi32(v), (vi)_mm_cvtepu8_epi32(_mm_srli_si128(v, 4))};
#endif
    for (int i = 0; i < EIGHT; i++) {
        const vi tiny = e[i] < 2; /* 0x200000 << e */
        f[i] = (vf)((tiny & (0x200000 + (e[i] & 1) * 0x200000)) | (~tiny & (e[i] - 1) << 23));
    }
}
/* Codes of 0 to 24: 4-bit floats, doubled, and 12. The scale is half of 2^(exponent - 127). */
INLINE void unpack_mxfp4(const char *p, int64_t n, struct codes256 *c)
{
    static const int8_t table[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
    uint64_t            exponents = 0;
    vf                  f[EIGHT];
    nibbles(p + 1, n, 17, c);
    through_table(table, c);
    for (int i = 0; i < 8; i++) exponents |= (uint64_t)(uint8_t)p[run_at(i, n, 17)] << 8 * i;
    exponents8(exponents, f);
    SPREAD(c->d, f, LANES_BLOCKS);
}

/* n: blocks that are there; values of the others are arbitrary, but finite where the first block's are. */
typedef void (*unpack256)(const char *p, int64_t n, struct codes256 *c);

/* Name, values and bytes of a block, what codes count from (0: there are minima, or codes are signed), kind,
 * scales per 32 values, order of slots. */
#define WK_BLOCK_FORMATS(F)                                                                                  \
    F(q4_0, 32, 18, 8, NARROW, 1, blocks)                                                                    \
    F(q4_1, 32, 20, 0, NARROW, 1, blocks)                                                                    \
    F(q5_0, 32, 22, 16, NARROW, 1, blocks)                                                                   \
    F(q5_1, 32, 24, 0, NARROW, 1, blocks)                                                                    \
    F(q8_0, 32, 34, 0, SIGNED, 1, plain)                                                                     \
    F(q2_k, 256, 84, 0, NARROW, 2, k2)                                                                       \
    F(q3_k, 256, 110, 4, NARROW, 2, k2)                                                                      \
    F(q4_k, 256, 144, 0, NARROW, 1, k4)                                                                      \
    F(q5_k, 256, 176, 0, NARROW, 1, k4)                                                                      \
    F(q6_k, 256, 210, 32, MEDIUM, 2, plain)                                                                  \
    F(iq4_nl, 32, 18, 0, SIGNED, 1, blocks)                                                                  \
    F(iq4_xs, 256, 136, 0, SIGNED, 1, blocks)                                                                \
    F(mxfp4, 32, 17, 12, NARROW, 1, blocks)

#endif
#endif
