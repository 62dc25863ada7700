/* How blocks of 256 values pack the scales of their groups. */
#ifndef WK_CPU_QUANT_K_H
#define WK_CPU_QUANT_K_H

#include "cpu/quant.h"

/* q3_k: sixteen scales of 6 bits; the low four of scales 0..7 and 8..15 share bytes 0..7, the high two of
 * scales g, g + 4, g + 8, g + 12 share byte 8 + g. */
INLINE int unpack_q3(const uint8_t *packed, int g)
{
    return (packed[g & 7] >> 4 * (g >> 3) & 15) | (packed[8 + (g & 3)] >> 2 * (g >> 2) & 3) << 4;
}
INLINE void pack_q3(const int *scale, uint8_t *packed)
{
    for (int g = 0; g < 8; g++) packed[g] = (uint8_t)((scale[g] & 15) | (scale[g + 8] & 15) << 4);
    for (int g = 0; g < 4; g++)
        packed[8 + g] = (uint8_t)(scale[g] >> 4 | (scale[g + 4] >> 4) << 2 | (scale[g + 8] >> 4) << 4 |
                                  (scale[g + 12] >> 4) << 6);
}

/* q4_k and q5_k: eight scales s and eight minima t of 6 bits. Bytes 0..3 and 4..7 hold the first four of
 * each; the second four have their low bits in bytes 8..11 and their high bits on top of bytes 0..7. */
INLINE void unpack_q4(const uint8_t *packed, uint8_t *s, uint8_t *t)
{
    for (int g = 0; g < 4; g++) {
        s[g] = packed[g] & 63;
        t[g] = packed[g + 4] & 63;
        s[g + 4] = (uint8_t)((packed[g + 8] & 15) | packed[g] >> 6 << 4);
        t[g + 4] = (uint8_t)(packed[g + 8] >> 4 | packed[g + 4] >> 6 << 4);
    }
}
INLINE void pack_q4(const int *s, const int *t, uint8_t *packed)
{
    for (int g = 0; g < 4; g++) {
        packed[g] = (uint8_t)(s[g] | (s[g + 4] >> 4) << 6);
        packed[g + 4] = (uint8_t)(t[g] | (t[g + 4] >> 4) << 6);
        packed[g + 8] = (uint8_t)((s[g + 4] & 15) | (t[g + 4] & 15) << 4);
    }
}

#endif
