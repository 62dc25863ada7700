/* Blocks whose 4-bit codes stand for the entries of a table: iq4_nl, iq4_xs, mxfp4. */
#include "cpu/half.h"
#include "cpu/quant.h"
#include "cpu/simd.h"

#define DEQUANTIZE(t, block, body)                                                                           \
    void CPU(dequantize_##t)(const void *src, float *y, int64_t count)                                       \
    {                                                                                                        \
        for (const struct t *b = src; count > 0; b++, y += (block), count -= (block)) body(b, y);            \
    }
#define QUANTIZE(t, block, body)                                                                             \
    void CPU(quantize_##t)(const float *x, void *dst, int64_t count)                                         \
    {                                                                                                        \
        for (struct t *b = dst; count > 0; b++, x += (block), count -= (block)) body(b, x);                  \
    }

/* ---- codes to values ------------------------------------------------------------------------- */

/* 32 values of 16 bytes. */
INLINE void spread(const int8_t *table, const uint8_t *q, float d, float *y)
{
    uint8_t index[32];
    int8_t  v[32];
    split_nibbles(q, index);
    lookup16(table, index, v);
    lookup16(table, index + 16, v + 16);
    for (int i = 0; i < 32; i += W) v_store(y + i, v_set(d) * v_from_codes(v + i));
}

/* Half of 2^(e - 127). */
INLINE float half_power(uint8_t e)
{
    return float_of(e < 2 ? 0x200000u << e : (uint32_t)(e - 1) << 23);
}

INLINE void values_iq4_nl(const struct iq4_nl *b, float *y)
{
    spread(nonlinear, b->q, from_f16(b->d), y);
}
INLINE void values_iq4_xs(const struct iq4_xs *b, float *y)
{
    const float d = from_f16(b->d);
    for (int g = 0; g < 8; g++) {
        const int scale = (b->low[g / 2] >> 4 * (g & 1) & 15) | (b->high >> 2 * g & 3) << 4;
        spread(nonlinear, b->q + 16 * g, d * (float)(scale - 32), y + 32 * g);
    }
}
INLINE void values_mxfp4(const struct mxfp4 *b, float *y)
{
    spread(e2m1, b->q, half_power(b->exponent), y);
}

DEQUANTIZE(iq4_nl, 32, values_iq4_nl)
DEQUANTIZE(iq4_xs, 256, values_iq4_xs)
DEQUANTIZE(mxfp4, 32, values_mxfp4)

/* ---- values to codes, rounded as the reference encoder of the formats does ------------------- */

INLINE void pack(const uint8_t *code, uint8_t *q)
{
    for (int i = 0; i < 16; i++) q[i] = (uint8_t)(code[i] | code[i + 16] << 4);
}

/* The entry nearest to x, the upper one when halfway. */
INLINE uint8_t nearest_entry(float x)
{
    int above = 0;
    for (int i = 0; i < 15; i++) above += x >= (float)nonlinear[i];
    if (above == 0) return 0;
    return (uint8_t)(x - (float)nonlinear[above - 1] < (float)nonlinear[above] - x ? above - 1 : above);
}

struct sums {
    float xv, vv; /* of w x value and w value value, w = x x */
};
INLINE struct sums with_inverse(const float *x, float inverse)
{
    struct sums s = {0.0f, 0.0f};
    for (int i = 0; i < 32; i++) {
        const float v = (float)nonlinear[nearest_entry(inverse * x[i])], w = x[i] * x[i];
        s.xv += w * v * x[i];
        s.vv += w * v * v;
    }
    return s;
}

/* The scale of 32 values: least squares, fifteen guesses around the one that maps the furthest value to an
 * end. */
static float fit_scale(const float *x)
{
    float far = 0.0f, size = 0.0f;
    for (int i = 0; i < 32; i++) {
        const float a = fabsf(x[i]);
        far = a > size ? x[i] : far;
        size = a > size ? a : size;
    }
    if (size < 1e-15f) return 0.0f;
    struct sums s = with_inverse(x, 1.0f / (-far / (float)nonlinear[0]));
    float       scale = s.xv / s.vv, best = scale * s.xv;
    for (int step = -7; step <= 7; step++) {
        s = with_inverse(x, (float)(step + nonlinear[0]) / far);
        if (s.vv > 0.0f && s.xv * s.xv > best * s.vv) {
            scale = s.xv / s.vv;
            best = scale * s.xv;
        }
    }
    return scale;
}
INLINE void code_scaled(const float *x, float scale, uint8_t *q)
{
    uint8_t     code[32];
    const float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    for (int i = 0; i < 32; i++) code[i] = nearest_entry(inverse * x[i]);
    pack(code, q);
}

INLINE void codes_iq4_nl(struct iq4_nl *b, const float *x)
{
    const float scale = fit_scale(x);
    b->d = to_f16(scale);
    code_scaled(x, scale, b->q);
}

INLINE void codes_iq4_xs(struct iq4_xs *b, const float *x)
{
    float scale[8], far = 0.0f, size = 0.0f;
    int   high = 0;
    for (int g = 0; g < 8; g++) {
        scale[g] = fit_scale(x + 32 * g);
        const float a = fabsf(scale[g]);
        far = a > size ? scale[g] : far;
        size = a > size ? a : size;
    }
    const float d = -far / 32.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
    memset(b->low, 0, sizeof b->low);
    for (int g = 0; g < 8; g++) {
        /* adding 1.5 2^23 rounds to the nearest integer, halves to even */
        int s = (int)(bits_of(inverse * scale[g] + 12582912.0f) & 0x7fffffu) - 0x400000;
        s = s < -32 ? -32 : s > 31 ? 31 : s;
        code_scaled(x + 32 * g, d * (float)s, b->q + 16 * g);
        b->low[g / 2] |= (uint8_t)(((s + 32) & 15) << 4 * (g & 1));
        high |= (s + 32) >> 4 << 2 * g;
    }
    b->d = to_f16(d);
    b->high = (uint16_t)high;
}

/* The exponent that puts the furthest value into the last octave; the first of the nearest entries. */
INLINE void codes_mxfp4(struct mxfp4 *b, const float *x)
{
    uint8_t code[32];
    float   size = 0.0f;
    for (int i = 0; i < 32; i++) size = fabsf(x[i]) > size ? fabsf(x[i]) : size;
    const float e = size > 0.0f ? floorf(log2f(size)) - 2.0f + 127.0f : 0.0f;
    b->exponent = e < 255.0f ? (uint8_t)(int)e : 254;
    const float d = half_power(b->exponent);
    for (int i = 0; i < 32; i++) {
        float nearest = fabsf((float)e2m1[0] * d - x[i]);
        code[i] = 0;
        for (int j = 1; j < 16; j++) {
            const float error = fabsf((float)e2m1[j] * d - x[i]);
            code[i] = error < nearest ? (uint8_t)j : code[i];
            nearest = error < nearest ? error : nearest;
        }
    }
    pack(code, b->q);
}

QUANTIZE(iq4_nl, 32, codes_iq4_nl)
QUANTIZE(iq4_xs, 256, codes_iq4_xs)
QUANTIZE(mxfp4, 32, codes_mxfp4)
