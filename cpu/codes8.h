/* Sixteen values as 8-bit codes with a scale. */
#ifndef WK_CPU_CODES8_H
#define WK_CPU_CODES8_H

#include "cpu/kernel.h"

/* low: the sum of the codes times the scale. */
INLINE void quantise_group(const float *v, int8_t *code, float *scale, float *low)
{
    int32_t most = 0, sum = 0;
    for (int i = 0; i < 16; i++) { /* as integers, magnitudes keep their order and NaN is the largest */
        int32_t bits;
        memcpy(&bits, v + i, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    float largest;
    memcpy(&largest, &most, sizeof largest);
    if (!(largest > 1e-35f &&
          largest < INFINITY)) { /* zeros or next to it; or infinite or NaN, which must show */
        memset(code, 0, 16);
        *scale = *low = largest < INFINITY ? 0.0f : NAN;
        return;
    }
    const float up = 127.0f / largest;
    for (int i = 0; i < 16; i++) {
        const float   r = v[i] * up + 12582912.0f - 12582912.0f; /* to the nearest integer */
        const int32_t q = (int32_t)r;
        code[i] = (int8_t)q;
        sum += q;
    }
    *scale = largest / 127.0f;
    *low = *scale * (float)sum;
}

#endif
