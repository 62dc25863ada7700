/* The block formats (cpu/quant.h has their layouts) as kernels see them: weights as codes of 8 bits, four
 * to a word in their order, with a scale (and a minimum) for each sixteen; one struct for each format. */
#ifndef WK_CUDA_BLOCKS_CUH
#define WK_CUDA_BLOCKS_CUH

#include "cuda/kernel.cuh"

/* ---- bytes from any address on, read as aligned words ---- */

/* A word that is not aligned comes from two; nothing is read beyond the words that hold what is asked for. */
template <typename A> struct bytes_at {
    A   words;
    int at, shift; /* word of the first byte; its bit in there */

    DEVICE bytes_at from(int byte) const
    {
        const int b = shift / 8 + byte;
        return {words, at + (b >> 2), (b & 3) * 8};
    }
    DEVICE uint32_t word(int k) const
    {
        const uint32_t low = words[at + k];
        return shift ? __funnelshift_r(low, words[at + k + 1], (unsigned)shift) : low;
    }
    DEVICE uint32_t byte(int i) const
    {
        const bytes_at b = from(i);
        return words[b.at] >> b.shift & 255u;
    }
    DEVICE uint32_t half(int i) const
    {
        const bytes_at b = from(i);
        const uint32_t low = words[b.at] >> b.shift;
        return (b.shift == 24 ? low | words[b.at + 1] << 8 : low) & 0xffffu;
    }
    DEVICE float real(int i) const { return widened(f16{(uint16_t)half(i)}); }
};
DEVICE bytes_at<const uint32_t *> bytes_from(const void *p)
{
    const uintptr_t a = (uintptr_t)p;
    return {(const uint32_t *)(a & ~(uintptr_t)3), 0, (int)(a & 3) * 8};
}

/* ---- formats ---- */

/* A weight is d (code - offset), plus m where the format has minima. */
struct scale {
    float d, m;
};

/* Words 0 to 7 of 32 codes: the lower halves of 16 bytes, then the upper ones. */
template <typename B> DEVICE uint32_t nibbles(const B &q, int k)
{
    return q.word(k & 3) >> (k & 4) & 0x0f0f0f0fu;
}
/* The same of blocks of 256, where the halves of 32 bytes are groups of 32. */
template <typename B> DEVICE uint32_t wide_nibbles(const B &q, int group, int k)
{
    return q.word(group / 2 * 8 + k) >> group % 2 * 4 & 0x0f0f0f0fu;
}
/* Four bits, each at the bottom of a byte. */
DEVICE uint32_t spread_bits(uint32_t bits)
{
    return (bits & 15u) * 0x00204081u & 0x01010101u;
}
/* Entries of a table of sixteen for four codes. */
DEVICE uint32_t entries(uint4 table, uint32_t codes)
{
    const uint32_t s = __byte_perm(codes | codes >> 4, 0, 0x4420);
    const uint32_t low = __byte_perm(table.x, table.y, s & 0x7777u);
    const uint32_t high = __byte_perm(table.z, table.w, s & 0x7777u);
    return __byte_perm(low, high, 0x3210u + ((s & 0x8888u) >> 1));
}
/* cpu/quant.h: nonlinear and e2m1. */
DEVICE uint4 nonlinear_table()
{
    return {0xbfad9881u, 0xf6eaddcfu, 0x26190d01u, 0x71594535u};
}
DEVICE uint4 e2m1_table()
{
    return {0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu};
}
DEVICE float half_power(uint32_t e)
{
    return float_of(e < 2 ? 0x200000u << e : (e - 1) << 23);
}

template <int T> struct format;

/* A struct of the format's numbers and of two functions: word k of group g of 32 in block b, and the scale of
 * half h of the group. HALVES: the two differ. SIGN: codes are signed. */
#define FORMAT(t, VALUES, BYTES, OFFSET, MINIMA, HALVES, SIGN, WORD, SCALE)                                  \
    template <> struct format<WK_##t> {                                                                      \
        enum {                                                                                               \
            dtype = WK_##t,                                                                                  \
            values = VALUES,                                                                                 \
            bytes = BYTES,                                                                                   \
            offset = OFFSET,                                                                                 \
            minima = MINIMA,                                                                                 \
            halves = HALVES,                                                                                 \
            sign = SIGN                                                                                      \
        };                                                                                                   \
        template <typename B> static DEVICE uint32_t word(const B &b, int g, int k)                          \
        {                                                                                                    \
            (void)g;                                                                                         \
            return WORD;                                                                                     \
        }                                                                                                    \
        template <typename B> static DEVICE scale scales(const B &b, int g, int h)                           \
        {                                                                                                    \
            (void)g;                                                                                         \
            (void)h;                                                                                         \
            return SCALE;                                                                                    \
        }                                                                                                    \
    };
#define SCALE_OF(d) (scale{(d), 0.0f})

template <typename B> DEVICE scale scale_q2_k(const B &b, int s)
{
    const uint32_t both = b.byte(s);
    return {__fmul_rn(b.real(80), (float)(both & 15u)), -__fmul_rn(b.real(82), (float)(both >> 4))};
}
template <typename B> DEVICE scale scale_q3_k(const B &b, int s)
{
    const uint32_t low = b.byte(96 + (s & 7)) >> 4 * (s >> 3) & 15u;
    const uint32_t high = b.byte(104 + (s & 3)) >> 2 * (s >> 2) & 3u;
    return SCALE_OF(__fmul_rn(b.real(108), (float)((int)(low | high << 4) - 32)));
}
/* q4_k and q5_k: six bits each of scale and minimum; the second four take bits from the first four's
 * bytes. */
template <typename B> DEVICE scale scale_k4(const B &b, int g)
{
    uint32_t s, t;
    if (g < 4) {
        s = b.byte(4 + g) & 63u;
        t = b.byte(8 + g) & 63u;
    } else {
        const uint32_t low = b.byte(8 + g);
        s = (low & 15u) | b.byte(g) >> 6 << 4;
        t = low >> 4 | b.byte(4 + g) >> 6 << 4;
    }
    return {__fmul_rn(b.real(0), (float)s), -__fmul_rn(b.real(2), (float)t)};
}
template <typename B> DEVICE scale scale_iq4_xs(const B &b, int g)
{
    const uint32_t low = b.byte(4 + g / 2) >> 4 * (g & 1) & 15u, high = b.half(2) >> 2 * g & 3u;
    return SCALE_OF(__fmul_rn(b.real(0), (float)((int)(low | high << 4) - 32)));
}

/* Planes of two and of one bit: 32 bytes serve four or eight groups of 32. */
template <typename B> DEVICE uint32_t two_bits(const B &q, int g, int k)
{
    return q.word(g / 4 * 8 + k) >> 2 * (g & 3) & 0x03030303u;
}
template <typename B> DEVICE uint32_t one_bit(const B &q, int g, int k)
{
    return q.word(k) >> g & 0x01010101u;
}

FORMAT(q4_0, 32, 18, 8, 0, 0, 0, nibbles(b.from(2), k), SCALE_OF(b.real(0)))
FORMAT(q4_1, 32, 20, 0, 1, 0, 0, nibbles(b.from(4), k), (scale{b.real(0), b.real(2)}))
FORMAT(q5_0, 32, 22, 16, 0, 0, 0, nibbles(b.from(6), k) | spread_bits(b.from(2).word(0) >> 4 * k) << 4,
       SCALE_OF(b.real(0)))
FORMAT(q5_1, 32, 24, 0, 1, 0, 0, nibbles(b.from(8), k) | spread_bits(b.from(4).word(0) >> 4 * k) << 4,
       (scale{b.real(0), b.real(2)}))
FORMAT(q8_0, 32, 34, 0, 0, 0, 1, b.from(2).word(k), SCALE_OF(b.real(0)))
FORMAT(q2_k, 256, 84, 0, 1, 1, 0, two_bits(b.from(16), g, k), scale_q2_k(b, 2 * g + h))
FORMAT(q3_k, 256, 110, 4, 0, 1, 0, two_bits(b.from(32), g, k) | one_bit(b, g, k) << 2,
       scale_q3_k(b, 2 * g + h))
FORMAT(q4_k, 256, 144, 0, 1, 0, 0, wide_nibbles(b.from(16), g, k), scale_k4(b, g))
FORMAT(q5_k, 256, 176, 0, 1, 0, 0, wide_nibbles(b.from(48), g, k) | one_bit(b.from(16), g, k) << 4,
       scale_k4(b, g))
/* q6_k: the lower halves of 64 bytes are two groups, the upper ones the next two. */
FORMAT(q6_k, 256, 210, 32, 0, 1, 0,
       (b.word(g / 4 * 16 + g % 2 * 8 + k) >> g % 4 / 2 * 4 & 0x0f0f0f0fu) | two_bits(b.from(128), g, k) << 4,
       SCALE_OF(__fmul_rn(b.real(208), (float)(int8_t)b.byte(192 + 2 * g + h))))
FORMAT(iq4_nl, 32, 18, 0, 0, 0, 1, entries(nonlinear_table(), nibbles(b.from(2), k)), SCALE_OF(b.real(0)))
FORMAT(iq4_xs, 256, 136, 0, 0, 0, 1, entries(nonlinear_table(), nibbles(b.from(8 + 16 * g), k)),
       scale_iq4_xs(b, g))
FORMAT(mxfp4, 32, 17, 0, 0, 0, 1, entries(e2m1_table(), nibbles(b.from(1), k)),
       SCALE_OF(half_power(b.byte(0))))

#define WK_EACH_FORMAT(X)                                                                                    \
    X(q4_0)                                                                                                  \
    X(q4_1) X(q5_0) X(q5_1) X(q8_0) X(q2_k) X(q3_k) X(q4_k) X(q5_k) X(q6_k) X(iq4_nl) X(iq4_xs) X(mxfp4)

/* Value i of four codes; every rounding is that of the CPU. */
template <typename F> DEVICE float value_of(uint32_t codes, int i, scale s)
{
    const float v = __fmul_rn(s.d, (float)((int)(int8_t)(codes >> 8 * i) - F::offset));
    return F::minima ? __fadd_rn(v, s.m) : v;
}

/* Sixteen values, half h of group g. */
template <typename F, typename B> DEVICE void values_of(const B &b, int g, int h, float (&v)[16])
{
    const scale s = F::scales(b, g, h);
#pragma unroll
    for (int k = 0; k < 4; k++) {
        const uint32_t codes = F::word(b, g, 4 * h + k);
#pragma unroll
        for (int i = 0; i < 4; i++) v[4 * k + i] = value_of<F>(codes, i, s);
    }
}

/* Four values from element `at` (a multiple of four) of rows of blocks on. */
template <typename F> DEVICE void four_values(const void *p, int64_t at, float (&v)[4])
{
    const auto     b = bytes_from((const char *)p + at / F::values * F::bytes);
    const int      in = (int)(at % F::values), g = in / 32, k = in % 32 / 4;
    const scale    s = F::scales(b, g, k / 4);
    const uint32_t codes = F::word(b, g, k);
#pragma unroll
    for (int i = 0; i < 4; i++) v[i] = value_of<F>(codes, i, s);
}

/* A call, so that thirteen formats stay small. */
__device__ __noinline__ static __attribute__((unused)) float4 any_four_values(const void *p, int dtype,
                                                                              int64_t at)
{
    float v[4] = {0, 0, 0, 0};
    switch (dtype) {
#define FOUR(t)                                                                                              \
    case WK_##t:                                                                                             \
        four_values<format<WK_##t>>(p, at, v);                                                               \
        break;
        WK_EACH_FORMAT(FOUR)
#undef FOUR
    }
    return {v[0], v[1], v[2], v[3]};
}
DEVICE bool is_block(int dtype)
{
    return dtype >= WK_q4_0 && dtype <= WK_mxfp4;
}
/* Four values from `at` (a multiple of four where the dtype has blocks) on, `step` elements apart. */
DEVICE float4 load_four(const void *p, int dtype, int64_t at, int64_t step)
{
    if (is_block(dtype)) return any_four_values(p, dtype, at);
    return {load_any<float>(p, dtype, at), load_any<float>(p, dtype, at + step),
            load_any<float>(p, dtype, at + 2 * step), load_any<float>(p, dtype, at + 3 * step)};
}

#endif
