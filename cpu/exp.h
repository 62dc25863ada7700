/* exp in f32 for loops that the compiler vectorises: about one ulp, overflow to infinity, denormals, NaN. */
#ifndef WK_CPU_EXP_H
#define WK_CPU_EXP_H

#include "cpu/kernel.h"

/* exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln(2) / 2; 2^n in two factors so that it may overflow and
 * underflow gradually. */
INLINE float fast_exp(float x)
{
    union {
        float   f;
        int32_t i;
    } t, low, high;
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    t.f = x * 1.44269504f + 12582912.0f;
    const float   n = t.f - 12582912.0f;
    const int32_t e = t.i - 0x4b400000, half = e >> 1;
    const float   r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float         p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    low.i = (int32_t)((uint32_t)(half + 127) << 23);
    high.i = (int32_t)((uint32_t)(e - half + 127) << 23);
    return p * low.f * high.f;
}

#endif
