/* Blocks of 256 values with a scale (and a minimum) per 16 or 32: q2_k to q6_k, codes to values. */
#include "cpu/half.h"
#include "cpu/quant_k.h"
#include "cpu/simd.h"

#define DEQUANTIZE(t, body)                                                                                  \
    void CPU(dequantize_##t)(const void *src, float *y, int64_t count)                                       \
    {                                                                                                        \
        for (const struct t *b = src; count > 0; b++, y += 256, count -= 256) body(b, y);                    \
    }

/* Groups of 32 (group16: of 16) codes times the group's scale. */
INLINE void scaled(const int8_t *code, const float *d, int group, float *y)
{
    for (int g = 0; g < 256 / group; g++, code += group, y += group)
        for (int i = 0; i < group; i += W) v_store(y + i, v_set(d[g]) * v_from_codes(code + i));
}
INLINE void scaled_above(const int8_t *code, const float *d, const float *m, int group, float *y)
{
    for (int g = 0; g < 256 / group; g++, code += group, y += group)
        for (int i = 0; i < group; i += W) v_store(y + i, v_set(d[g]) * v_from_codes(code + i) - v_set(m[g]));
}

INLINE void values_q2_k(const struct q2_k *b, float *y)
{
    const float d = from_f16(b->d), m = from_f16(b->m);
    float       scale[16], minimum[16];
    int8_t      code[256];
    for (int g = 0; g < 16; g++) {
        scale[g] = d * (float)(b->scales[g] & 15);
        minimum[g] = m * (float)(b->scales[g] >> 4);
    }
    for (int h = 0; h < 2; h++)
        for (int p = 0; p < 4; p++)
            for (int i = 0; i < 32; i++) code[128 * h + 32 * p + i] = (int8_t)(b->q[32 * h + i] >> 2 * p & 3);
    scaled_above(code, scale, minimum, 16, y);
}

INLINE void values_q3_k(const struct q3_k *b, float *y)
{
    const float d = from_f16(b->d);
    float       scale[16];
    int8_t      code[256];
    for (int g = 0; g < 16; g++) scale[g] = d * (float)(unpack_q3(b->scales, g) - 32);
    for (int h = 0; h < 2; h++)
        for (int p = 0; p < 4; p++)
            for (int i = 0; i < 32; i++)
                code[128 * h + 32 * p + i] =
                    (int8_t)((b->q[32 * h + i] >> 2 * p & 3) + (b->high[i] >> (4 * h + p) & 1) * 4 - 4);
    scaled(code, scale, 16, y);
}

/* The scales and minima of q4_k and q5_k, ready for use. */
INLINE void group_scales(const uint8_t *packed, float d, float m, float *scale, float *minimum)
{
    uint8_t s[8], t[8];
    unpack_q4(packed, s, t);
    for (int g = 0; g < 8; g++) {
        scale[g] = d * (float)s[g];
        minimum[g] = m * (float)t[g];
    }
}

INLINE void values_q4_k(const struct q4_k *b, float *y)
{
    float  scale[8], minimum[8];
    int8_t code[256];
    group_scales(b->scales, from_f16(b->d), from_f16(b->m), scale, minimum);
    for (int p = 0; p < 4; p++)
        for (int i = 0; i < 32; i++) {
            code[64 * p + i] = (int8_t)(b->q[32 * p + i] & 15);
            code[64 * p + 32 + i] = (int8_t)(b->q[32 * p + i] >> 4);
        }
    scaled_above(code, scale, minimum, 32, y);
}

INLINE void values_q5_k(const struct q5_k *b, float *y)
{
    float  scale[8], minimum[8];
    int8_t code[256];
    group_scales(b->scales, from_f16(b->d), from_f16(b->m), scale, minimum);
    for (int p = 0; p < 4; p++)
        for (int i = 0; i < 32; i++) {
            const int high = b->high[i] >> 2 * p;
            code[64 * p + i] = (int8_t)((b->q[32 * p + i] & 15) + (high & 1) * 16);
            code[64 * p + 32 + i] = (int8_t)((b->q[32 * p + i] >> 4) + (high >> 1 & 1) * 16);
        }
    scaled_above(code, scale, minimum, 32, y);
}

INLINE void values_q6_k(const struct q6_k *b, float *y)
{
    const float d = from_f16(b->d);
    float       scale[16];
    int8_t      code[256];
    for (int g = 0; g < 16; g++) scale[g] = d * (float)b->scales[g];
    for (int h = 0; h < 2; h++)
        for (int p = 0; p < 4; p++)
            for (int i = 0; i < 32; i++) {
                const int low = b->q[64 * h + 32 * (p & 1) + i] >> 4 * (p >> 1) & 15;
                const int high = b->high[32 * h + i] >> 2 * p & 3;
                code[128 * h + 32 * p + i] = (int8_t)(low + high * 16 - 32);
            }
    scaled(code, scale, 16, y);
}

DEQUANTIZE(q2_k, values_q2_k)
DEQUANTIZE(q3_k, values_q3_k)
DEQUANTIZE(q4_k, values_q4_k)
DEQUANTIZE(q5_k, values_q5_k)
DEQUANTIZE(q6_k, values_q6_k)
