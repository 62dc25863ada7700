/* Blocks of 32 values with one scale: q4_0, q4_1, q5_0, q5_1, q8_0. */
#include "cpu/half.h"
#include "cpu/quant.h"
#include "cpu/simd.h"

/* For each block b of t and its values y (or x). */
#define DEQUANTIZE(t, body)                                                                                  \
    void CPU(dequantize_##t)(const void *src, float *y, int64_t count)                                       \
    {                                                                                                        \
        for (const struct t *b = src; count > 0; b++, y += 32, count -= 32) body(b, y);                      \
    }
#define QUANTIZE(t, body)                                                                                    \
    void CPU(quantize_##t)(const float *x, void *dst, int64_t count)                                         \
    {                                                                                                        \
        for (struct t *b = dst; count > 0; b++, x += 32, count -= 32) body(b, x);                            \
    }

INLINE uint32_t read_u32(const uint8_t *p)
{
    uint32_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

/* ---- codes to values ------------------------------------------------------------------------- */

INLINE void fives(const uint8_t *q, const uint8_t *high, uint8_t *code)
{
    uint8_t        top[32];
    const uint32_t bits = read_u32(high);
    spread16(bits, 16, top);
    spread16(bits >> 16, 16, top + 16);
    split_nibbles(q, code);
    for (int i = 0; i < 32; i += 16) *(v16_any *)(code + i) |= *(const v16_any *)(top + i);
}

/* (code - offset) d and code d + m: the subtraction and the conversion are exact. */
INLINE void around(const uint8_t *code, float offset, float d, float *y)
{
    for (int i = 0; i < 32; i += W)
        v_store(y + i, (v_from_codes((const int8_t *)code + i) - v_set(offset)) * v_set(d));
}
INLINE void above(const uint8_t *code, float d, float m, float *y)
{
    for (int i = 0; i < 32; i += W)
        v_store(y + i, v_from_codes((const int8_t *)code + i) * v_set(d) + v_set(m));
}

INLINE void values_q4_0(const struct q4_0 *b, float *y)
{
    uint8_t code[32];
    split_nibbles(b->q, code);
    around(code, 8.0f, from_f16(b->d), y);
}
INLINE void values_q4_1(const struct q4_1 *b, float *y)
{
    uint8_t code[32];
    split_nibbles(b->q, code);
    above(code, from_f16(b->d), from_f16(b->m), y);
}
INLINE void values_q5_0(const struct q5_0 *b, float *y)
{
    uint8_t code[32];
    fives(b->q, b->high, code);
    around(code, 16.0f, from_f16(b->d), y);
}
INLINE void values_q5_1(const struct q5_1 *b, float *y)
{
    uint8_t code[32];
    fives(b->q, b->high, code);
    above(code, from_f16(b->d), from_f16(b->m), y);
}
INLINE void values_q8_0(const struct q8_0 *b, float *y)
{
    const vf d = v_set(from_f16(b->d));
    for (int i = 0; i < 32; i += W) v_store(y + i, v_from_codes(b->q + i) * d);
}

DEQUANTIZE(q4_0, values_q4_0)
DEQUANTIZE(q4_1, values_q4_1)
DEQUANTIZE(q5_0, values_q5_0)
DEQUANTIZE(q5_1, values_q5_1)
DEQUANTIZE(q8_0, values_q8_0)

/* ---- values to codes, rounded as the reference encoder of the formats does ------------------- */

/* Towards 0; what has no code (a scale so small that its inverse is infinite) is 0. */
INLINE int truncated(float x)
{
    return x > -129.0f && x < 256.0f ? (int)x : 0;
}

/* The value furthest from 0, the first of equals. */
INLINE float furthest(const float *x)
{
    float far = 0.0f, size = 0.0f;
    for (int i = 0; i < 32; i++) {
        const float a = fabsf(x[i]);
        far = a > size ? x[i] : far;
        size = a > size ? a : size;
    }
    return far;
}
INLINE void bounds(const float *x, float *least, float *most)
{
    float low = x[0], high = x[0];
    for (int i = 0; i < 32; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *least = low;
    *most = high;
}

/* code = (x - minimum) / d + offset, at most `top`. */
INLINE void encode(const float *x, float minimum, float d, float offset, int top, int *code)
{
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    for (int i = 0; i < 32; i++) {
        const int c = truncated((x[i] - minimum) * inverse + offset);
        code[i] = c > top ? top : c;
    }
}
INLINE void pack(const int *code, uint8_t *q)
{
    for (int i = 0; i < 16; i++) q[i] = (uint8_t)((code[i] & 15) | (code[i + 16] & 15) << 4);
}
INLINE void pack_high(const int *code, uint8_t *high)
{
    uint32_t bits = 0;
    for (int i = 0; i < 32; i++) bits |= (uint32_t)(code[i] >> 4 & 1) << i;
    memcpy(high, &bits, sizeof bits);
}

INLINE void codes_q4_0(struct q4_0 *b, const float *x)
{
    int         code[32];
    const float d = furthest(x) / -8.0f;
    encode(x, 0.0f, d, 8.5f, 15, code);
    b->d = to_f16(d);
    pack(code, b->q);
}
INLINE void codes_q4_1(struct q4_1 *b, const float *x)
{
    int   code[32];
    float least, most;
    bounds(x, &least, &most);
    const float d = (most - least) / 15.0f;
    encode(x, least, d, 0.5f, 15, code);
    b->d = to_f16(d);
    b->m = to_f16(least);
    pack(code, b->q);
}
INLINE void codes_q5_0(struct q5_0 *b, const float *x)
{
    int         code[32];
    const float d = furthest(x) / -16.0f;
    encode(x, 0.0f, d, 16.5f, 31, code);
    b->d = to_f16(d);
    pack(code, b->q);
    pack_high(code, b->high);
}
INLINE void codes_q5_1(struct q5_1 *b, const float *x)
{
    int   code[32];
    float least, most;
    bounds(x, &least, &most);
    const float d = (most - least) / 31.0f;
    encode(x, least, d, 0.5f, 31, code);
    b->d = to_f16(d);
    b->m = to_f16(least);
    pack(code, b->q);
    pack_high(code, b->high);
}
/* To the nearest, halves away from 0. */
INLINE void codes_q8_0(struct q8_0 *b, const float *x)
{
    const float d = fabsf(furthest(x)) / 127.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
    b->d = to_f16(d);
    for (int i = 0; i < 32; i++) {
        const float t = x[i] * inverse, whole = (float)truncated(t), rest = t - whole;
        const float up = rest >= 0.5f && rest < 1.0f ? 1.0f : rest <= -0.5f && rest > -1.0f ? -1.0f : 0.0f;
        b->q[i] = (int8_t)(whole + up);
    }
}

QUANTIZE(q4_0, codes_q4_0)
QUANTIZE(q4_1, codes_q4_1)
QUANTIZE(q5_0, codes_q5_0)
QUANTIZE(q5_1, codes_q5_1)
QUANTIZE(q8_0, codes_q8_0)
