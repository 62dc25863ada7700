/* 256 block-quantised weights at a time as codes of 8 bits with scales, in AVX-512 registers. */
#ifndef WK_CPU_CODES_H
#define WK_CPU_CODES_H

#include "cpu/quant.h"
#include "cpu/simd.h"

#if defined __AVX512F__

#define VNNI        __attribute__((target("avx512vnni")))
#define INLINE_VNNI VNNI INLINE

/* 256 weights: d code + m; m = d where the format has an offset instead. Scale of quarter L of v[j] in lane
 * 4 L + j. */
struct codes {
    __m512i v[4];
    __m512  d, m;
};

INLINE __m512i load512(const void *p)
{
    return _mm512_loadu_si512(p);
}
/* The same where it is used twice: compilers would rather read it twice, at two lines of the cache each. */
INLINE __m512i load_once(const void *p)
{
    __m512i v = load512(p);
    __asm__("" : "+v"(v));
    return v;
}
/* The first n bytes, zeros after them. */
INLINE __m512i load_part(const char *p, int64_t n)
{
    if (n <= 0) return _mm512_setzero_si512();
    return _mm512_maskz_loadu_epi8(n >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << n) - 1, p);
}
INLINE __m512i load_last(const char *p, const int n)
{
    if (n == 16) return _mm512_zextsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)p));
    if (n == 32) return _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return load_part(p, n);
}
INLINE float half(const void *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _cvtsh_ss(h);
}

/* The nibbles of four blocks a, four blocks b. */
INLINE void nibbles(struct codes *c, __m512i a, __m512i b)
{
    const __m512i low = _mm512_set1_epi8(15);
    c->v[0] = _mm512_and_si512(a, low);
    c->v[1] = _mm512_and_si512(_mm512_srli_epi16(a, 4), low);
    c->v[2] = _mm512_and_si512(b, low);
    c->v[3] = _mm512_and_si512(_mm512_srli_epi16(b, 4), low);
}

/* Places, in 16-bit words, within eight blocks of n words each, of: the 16 bytes from word `skip` on of
 * blocks 0..3 (or 4..7, counted from word 32); word `at` of each block in the order of the scales' lanes. */
#define RUN(w) w, w + 1, w + 2, w + 3, w + 4, w + 5, w + 6, w + 7
#define FIRST(n, skip)                                                                                       \
    {                                                                                                        \
        RUN(skip), RUN(n + skip), RUN(2 * n + skip), RUN(3 * n + skip)                                       \
    }
#define SECOND(n, skip)                                                                                      \
    {                                                                                                        \
        RUN(4 * n + skip - 32), RUN(5 * n + skip - 32), RUN(6 * n + skip - 32), RUN(7 * n + skip - 32)       \
    }
#define LANE(n, at, b) b *n + at, b *n + at, (b + 4) * n + at, (b + 4) * n + at
#define LANES(n, at)                                                                                         \
    {                                                                                                        \
        LANE(n, at, 0), LANE(n, at, 1), LANE(n, at, 2), LANE(n, at, 3)                                       \
    }
struct places {
    int16_t first[32], second[32], d[16], m[16];
};
static const struct places at_q4_0 = {FIRST(9, 1), SECOND(9, 1), LANES(9, 0), {0}};
static const struct places at_q4_1 = {FIRST(10, 2), SECOND(10, 2), LANES(10, 0), LANES(10, 1)};
static const struct places at_q5_0 = {FIRST(11, 3), SECOND(11, 3), LANES(11, 0), {0}};
static const struct places at_q5_1 = {FIRST(12, 4), SECOND(12, 4), LANES(12, 0), LANES(12, 1)};

/* Sixteen halves by index 0..95 out of three vectors. */
INLINE __m512 pick_halves(const __m512i *z, const int16_t *index)
{
    const __m256i at = _mm256_loadu_si256((const __m256i *)(const void *)index);
    const __m512i wide = _mm512_castsi256_si512(at);
    const __m256i low = _mm512_castsi512_si256(_mm512_permutex2var_epi16(z[0], wide, z[1]));
    const __m256i high = _mm512_castsi512_si256(_mm512_permutexvar_epi16(wide, z[2]));
    return _mm512_cvtph_ps(
        _mm256_mask_blend_epi16(_mm256_cmpgt_epi16_mask(at, _mm256_set1_epi16(63)), low, high));
}

/* n blocks of 32 with 4-bit codes: the codes' bytes of four blocks each, d, and m where the format has it. */
INLINE void pick_blocks(const char *p, int64_t n, int bytes, const struct places *at, bool min, __m512i q[2],
                        struct codes *c)
{
    __m512i z[3];
    if (n == 8) {
        z[0] = load_once(p);
        z[1] = load_once(p + 64);
        z[2] = load_last(p + 128, 8 * bytes - 128);
    } else {
        for (int i = 0; i < 3; i++) z[i] = load_part(p + 64 * i, n * bytes - 64 * i);
    }
    q[0] = _mm512_permutex2var_epi16(z[0], load512(at->first), z[1]);
    q[1] = _mm512_permutex2var_epi16(z[1], load512(at->second), z[2]);
    c->d = pick_halves(z, at->d);
    c->m = min ? pick_halves(z, at->m) : c->d;
}
INLINE void unpack_blocks(const char *p, int64_t n, int bytes, const struct places *at, bool min,
                          struct codes *c)
{
    __m512i q[2];
    pick_blocks(p, n, bytes, at, min, q, c);
    nibbles(c, q[0], q[1]);
}
/* Bit k of the 32-bit word at `skip` of each block is bit 4 of code k. */
INLINE void add_fifth_bits(const char *p, int64_t n, int bytes, int skip, struct codes *c)
{
    uint64_t bits[4] = {0};
#define BITS(b)                                                                                              \
    if ((b) < n) {                                                                                           \
        uint16_t w[2];                                                                                       \
        memcpy(w, p + (b)*bytes + skip, sizeof w);                                                           \
        bits[(b) / 4 * 2] |= (uint64_t)w[0] << ((b) % 4 * 16);                                               \
        bits[(b) / 4 * 2 + 1] |= (uint64_t)w[1] << ((b) % 4 * 16);                                           \
    }
    BITS(0);
    BITS(1);
    BITS(2);
    BITS(3);
    BITS(4);
    BITS(5);
    BITS(6);
    BITS(7);
#undef BITS
    for (int i = 0; i < 4; i++)
        c->v[i] = _mm512_mask_add_epi8(c->v[i], bits[i], c->v[i], _mm512_set1_epi8(16));
}

INLINE void unpack_q4_0(const char *p, int64_t n, struct codes *c)
{
    unpack_blocks(p, n, 18, &at_q4_0, false, c);
}
INLINE void unpack_q4_1(const char *p, int64_t n, struct codes *c)
{
    unpack_blocks(p, n, 20, &at_q4_1, true, c);
}
INLINE void unpack_q5_0(const char *p, int64_t n, struct codes *c)
{
    unpack_blocks(p, n, 22, &at_q5_0, false, c);
    add_fifth_bits(p, n, 22, 2, c);
}
INLINE void unpack_q5_1(const char *p, int64_t n, struct codes *c)
{
    unpack_blocks(p, n, 24, &at_q5_1, true, c);
    add_fifth_bits(p, n, 24, 4, c);
}

INLINE void unpack_q8_0(const char *p, int64_t n, struct codes *c)
{
    uint64_t d[2] = {0};
    for (int i = 0; i < 4; i++) {
        __m256i h[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        for (int j = 0; j < 2; j++) {
            const int b = 2 * i + j;
            if (b >= n) break;
            uint16_t w;
            memcpy(&w, p + 34 * b, sizeof w);
            d[b / 4] |= (uint64_t)w << (b % 4 * 16);
            h[j] = _mm256_loadu_si256((const __m256i *)(const void *)(p + 34 * b + 2));
        }
        c->v[i] = _mm512_xor_si512(_mm512_inserti64x4(_mm512_castsi256_si512(h[0]), h[1], 1),
                                   _mm512_set1_epi8(-128));
    }
    const __m256 f = _mm256_cvtph_ps(_mm_set_epi64x((int64_t)d[1], (int64_t)d[0]));
    c->d = _mm512_permutexvar_ps(_mm512_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6, 1, 3, 5, 7, 1, 3, 5, 7),
                                 _mm512_castps256_ps512(f));
    c->m = c->d;
}

/* d, dmin, then twelve bytes of 6-bit scales and minima (q4_k, q5_k): those of sub-block order[l] / 2 to
 * lane l. Bits are brought together outside the vectors, whose units the products need. */
INLINE void scales_k4(const char *p, __m512i order, struct codes *c)
{
    uint32_t s[4]; /* d dmin, scales' low bits, minima's, the rest of both */
    for (int i = 0; i < 4; i++) memcpy(&s[i], p + 4 * i, sizeof *s);
    const uint64_t low = 0x0f0f0f0f, two = 0x30303030, six = 0x3f3f3f3f, top = 0x8080808080808080;
    uint64_t       scale = (s[1] & six) | ((s[3] & low) | (s[1] >> 2 & two)) << 32;
    const uint64_t minimum = (s[2] & six) | ((s[3] >> 4 & low) | (s[2] >> 2 & two)) << 32;
    uint64_t       minus = (top - minimum) ^ top; /* byte by byte */
    __asm__("" : "+r"(scale), "+r"(minus));       /* gcc would do two rows' at once, in vectors */
    const __m128i pairs =
        _mm_unpacklo_epi8(_mm_cvtsi64_si128((int64_t)scale), _mm_cvtsi64_si128((int64_t)minus));
    const __m512 both = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(pairs)),
                                      _mm512_cvtph_ps(_mm256_set1_epi32((int)s[0])));
    c->d = _mm512_permutexvar_ps(order, both);
    c->m = _mm512_permutexvar_ps(_mm512_add_epi32(order, _mm512_set1_epi32(1)), both);
}
/* Sub-block of 32 in lane 4 L + j: L / 2 * 2 + j % 2 + j / 2 * 4. */
#define ORDER_K4 _mm512_setr_epi32(0, 2, 8, 10, 0, 2, 8, 10, 4, 6, 12, 14, 4, 6, 12, 14)

INLINE void unpack_q4_k(const char *p, int64_t n, struct codes *c)
{
    (void)n;
    nibbles(c, load512(p + 16), load512(p + 80));
    scales_k4(p, ORDER_K4, c);
}
INLINE void unpack_q5_k(const char *p, int64_t n, struct codes *c)
{
    (void)n;
    nibbles(c, load512(p + 48), load512(p + 112));
    const __m256i one = _mm256_loadu_si256((const __m256i *)(const void *)(p + 16));
    const __m512i bits = _mm512_inserti64x4(_mm512_castsi256_si512(one), one, 1);
    /* vector i holds sub-blocks of 32 number i % 2 + i / 2 * 4 and two more: that is the bit of qh */
    for (int i = 0; i < 4; i++) {
        const char    lo = (char)(1 << (i % 2 + i / 2 * 4)), hi = (char)(1 << (i % 2 + i / 2 * 4 + 2));
        const __m512i mask =
            _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set1_epi8(lo)), _mm256_set1_epi8(hi), 1);
        c->v[i] =
            _mm512_mask_add_epi8(c->v[i], _mm512_test_epi8_mask(bits, mask), c->v[i], _mm512_set1_epi8(16));
    }
    scales_k4(p, ORDER_K4, c);
}

INLINE void unpack_q6_k(const char *p, int64_t n, struct codes *c)
{
    (void)n;
    nibbles(c, load512(p), load512(p + 64));
    const __m512i two = _mm512_set1_epi8(0x30);
    for (int i = 0; i < 2; i++) {
        const __m256i one = _mm256_loadu_si256((const __m256i *)(const void *)(p + 128 + 32 * i));
        const __m512i low = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_slli_epi16(one, 4)),
                                               _mm256_slli_epi16(one, 2), 1);
        const __m512i high = _mm512_inserti64x4(_mm512_castsi256_si512(one), _mm256_srli_epi16(one, 2), 1);
        c->v[2 * i] = _mm512_or_si512(c->v[2 * i], _mm512_and_si512(low, two));
        c->v[2 * i + 1] = _mm512_or_si512(c->v[2 * i + 1], _mm512_and_si512(high, two));
    }
    const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m128i s = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 192)), order);
    c->d = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(s)), _mm512_set1_ps(half(p + 208)));
    c->m = c->d;
}

/* Lane 4 L + j of q2_k and q3_k: group 2 j + L % 2 + L / 2 * 8. */
INLINE __m128i lanes_k2(__m128i groups)
{
    return _mm_shuffle_epi8(groups, _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15));
}
INLINE void two_bits(__m512i q, struct codes *c)
{
    const __m512i low = _mm512_set1_epi8(3);
    c->v[0] = _mm512_and_si512(q, low);
    c->v[1] = _mm512_and_si512(_mm512_srli_epi16(q, 2), low);
    c->v[2] = _mm512_and_si512(_mm512_srli_epi16(q, 4), low);
    c->v[3] = _mm512_and_si512(_mm512_srli_epi16(q, 6), low);
}
INLINE void unpack_q2_k(const char *p, int64_t n, struct codes *c)
{
    (void)n;
    two_bits(load512(p + 16), c);
    const __m128i s = lanes_k2(_mm_loadu_si128((const __m128i *)(const void *)p)), low = _mm_set1_epi8(15);
    const __m512i d = _mm512_cvtepu8_epi32(_mm_and_si128(s, low));
    const __m512i m = _mm512_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16(s, 4), low));
    c->d = _mm512_mul_ps(_mm512_cvtepi32_ps(d), _mm512_set1_ps(half(p + 80)));
    c->m = _mm512_mul_ps(_mm512_cvtepi32_ps(m), _mm512_set1_ps(-half(p + 82)));
}
INLINE void unpack_q3_k(const char *p, int64_t n, struct codes *c)
{
    (void)n;
    two_bits(load512(p + 32), c);
    const __m256i one = _mm256_loadu_si256((const __m256i *)(const void *)p);
    const __m512i bits = _mm512_inserti64x4(_mm512_castsi256_si512(one), _mm256_srli_epi16(one, 4), 1);
    for (int i = 0; i < 4; i++) {
        const __mmask64 high = _mm512_test_epi8_mask(bits, _mm512_set1_epi8((char)(1 << i)));
        c->v[i] = _mm512_mask_add_epi8(c->v[i], high, c->v[i], _mm512_set1_epi8(4));
    }
    uint32_t s[3];
    memcpy(s, p + 96, sizeof s);
    const uint32_t low = 0x0f0f0f0f, two = 0x30303030;
    const __m128i  g =
        _mm_setr_epi32((int)((s[0] & low) | (s[2] << 4 & two)), (int)((s[1] & low) | (s[2] << 2 & two)),
                       (int)((s[0] >> 4 & low) | (s[2] & two)), (int)((s[1] >> 4 & low) | (s[2] >> 2 & two)));
    const __m512i d = _mm512_cvtepi8_epi32(_mm_sub_epi8(lanes_k2(g), _mm_set1_epi8(32)));
    c->d = _mm512_mul_ps(_mm512_cvtepi32_ps(d), _mm512_set1_ps(half(p + 108)));
    c->m = c->d;
}

/* Codes are places in a table; its entries are counted from `offset`. */
INLINE void through_table(const int8_t *table, int offset, struct codes *c)
{
    const __m128i t =
        _mm_add_epi8(_mm_loadu_si128((const __m128i *)(const void *)table), _mm_set1_epi8((char)offset));
    const __m512i entries = _mm512_broadcast_i32x4(t);
    for (int i = 0; i < 4; i++) c->v[i] = _mm512_shuffle_epi8(entries, c->v[i]);
}
INLINE void unpack_iq4_nl(const char *p, int64_t n, struct codes *c)
{
    unpack_blocks(p, n, 18, &at_q4_0, false, c);
    through_table(nonlinear, 128, c);
}
INLINE void unpack_iq4_xs(const char *p, int64_t n, struct codes *c)
{
    (void)n;
    nibbles(c, load512(p + 8), load512(p + 72));
    through_table(nonlinear, 128, c);
    uint16_t high2;
    uint32_t low;
    memcpy(&high2, p + 2, sizeof high2);
    memcpy(&low, p + 4, sizeof low);
    uint32_t high = (high2 | (uint32_t)high2 << 8) & 0x00ff00ff;
    high = (high | high << 4) & 0x0f0f0f0f; /* two scales' upper bits in each byte */
    const uint32_t even = (low & 0x0f0f0f0f) | (high << 4 & 0x30303030);
    const uint32_t odd = (low >> 4 & 0x0f0f0f0f) | (high << 2 & 0x30303030);
    const __m128i  s = _mm_shuffle_epi8(_mm_set_epi32(0, 0, (int)odd, (int)even),
                                        _mm_setr_epi8(0, 0, 2, 2, 4, 4, 6, 6, 1, 1, 3, 3, 5, 5, 7, 7));
    const __m512i  d = _mm512_cvtepi8_epi32(_mm_sub_epi8(s, _mm_set1_epi8(32)));
    c->d = _mm512_mul_ps(_mm512_cvtepi32_ps(d), _mm512_set1_ps(half(p)));
    c->m = c->d;
}
INLINE void unpack_mxfp4(const char *p, int64_t n, struct codes *c)
{
    __m512i  q[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    uint64_t exponents = 0;
#define BLOCK(i, b)                                                                                          \
    if ((i)*4 + (b) < n) {                                                                                   \
        const char *at = p + 17 * ((i)*4 + (b));                                                             \
        exponents |= (uint64_t)(uint8_t)*at << 8 * ((i)*4 + (b));                                            \
        q[i] = _mm512_inserti32x4(q[i], _mm_loadu_si128((const __m128i *)(const void *)(at + 1)), b);        \
    }
#define FOUR(i) BLOCK(i, 0) BLOCK(i, 1) BLOCK(i, 2) BLOCK(i, 3)
    FOUR(0)
    FOUR(1)
#undef FOUR
#undef BLOCK
    nibbles(c, q[0], q[1]);
    through_table(e2m1, 12, c);
    /* half of 2^(e - 127), which for e < 2 is below the normal range */
    const __m512i e =
        _mm512_cvtepu8_epi32(_mm_shuffle_epi8(_mm_cvtsi64_si128((int64_t)exponents),
                                              _mm_setr_epi8(0, 0, 4, 4, 1, 1, 5, 5, 2, 2, 6, 6, 3, 3, 7, 7)));
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i tiny = _mm512_sllv_epi32(_mm512_set1_epi32(0x200000), e);
    c->d = _mm512_castsi512_ps(
        _mm512_mask_mov_epi32(normal, _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2)), tiny));
    c->m = c->d;
}

/* The first n blocks of a run of 256 weights at p; beyond them codes and scales are 0. */
typedef void (*unpacker)(const char *p, int64_t n, struct codes *c);

/* Values per scale. */
enum {
    group_q4_0 = 32,
    group_q4_1 = 32,
    group_q5_0 = 32,
    group_q5_1 = 32,
    group_q8_0 = 32,
    group_q2_k = 16,
    group_q3_k = 16,
    group_q4_k = 32,
    group_q5_k = 32,
    group_q6_k = 16,
    group_iq4_nl = 32,
    group_iq4_xs = 32,
    group_mxfp4 = 32
};

/* name, values and bytes of a block, what its codes are counted from (0: it has minima), order of groups */
#define FORMATS(F)                                                                                           \
    F(q4_0, 32, 18, 8, blocks)                                                                               \
    F(q4_1, 32, 20, 0, blocks)                                                                               \
    F(q5_0, 32, 22, 16, blocks)                                                                              \
    F(q5_1, 32, 24, 0, blocks)                                                                               \
    F(q8_0, 32, 34, 128, plain)                                                                              \
    F(q2_k, 256, 84, 0, k2)                                                                                  \
    F(q3_k, 256, 110, 4, k2)                                                                                 \
    F(q4_k, 256, 144, 0, k4)                                                                                 \
    F(q5_k, 256, 176, 0, k4)                                                                                 \
    F(q6_k, 256, 210, 32, plain)                                                                             \
    F(iq4_nl, 32, 18, 128, blocks)                                                                           \
    F(iq4_xs, 256, 136, 128, blocks)                                                                         \
    F(mxfp4, 32, 17, 12, blocks)

static const uint8_t order_plain[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t order_blocks[16] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15};
static const uint8_t order_k2[16] = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
static const uint8_t order_k4[16] = {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15};

/* Sixteen rows of sixteen 32-bit values become sixteen columns. */
INLINE void transpose16(__m512i *r)
{
    __m512i t[16];
    memcpy(t, r, sizeof t);
    for (int q = 0; q < 4; q++) turn4(t + 4 * q);
    for (int i = 0; i < 4; i++) { /* t[4 q + i]: rows 4 q .., columns i, 4 + i, 8 + i, 12 + i */
        const __m512i a = _mm512_shuffle_i32x4(t[i], t[4 + i], 0x88),
                      b = _mm512_shuffle_i32x4(t[i], t[4 + i], 0xdd);
        const __m512i c = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0x88),
                      d = _mm512_shuffle_i32x4(t[8 + i], t[12 + i], 0xdd);
        r[i] = _mm512_shuffle_i32x4(a, c, 0x88);
        r[4 + i] = _mm512_shuffle_i32x4(b, d, 0x88);
        r[8 + i] = _mm512_shuffle_i32x4(a, c, 0xdd);
        r[12 + i] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
}

#endif
#endif
