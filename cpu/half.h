/* Floats of fewer than 32 bits: their codes to and from f32, one value at a time. */
#ifndef WK_CPU_HALF_H
#define WK_CPU_HALF_H

#include "cpu/kernel.h"

#if defined __F16C__
#include <immintrin.h>
#endif

INLINE uint32_t bits_of(float x)
{
    const union {
        float    f;
        uint32_t u;
    } v = {x};
    return v.u;
}
INLINE float float_of(uint32_t u)
{
    const union {
        uint32_t u;
        float    f;
    } v = {u};
    return v.f;
}

/* A code of `man` mantissa bits and exponent bias `bias`, sign in bit `sign`; from `special` on it is not
 * finite. */
INLINE float widen(uint32_t code, int man, int bias, int sign, uint32_t special)
{
    const uint32_t m = code & ((1u << sign) - 1), least = (uint32_t)(128 - bias) << 23;
    const uint32_t normal = (m << (23 - man)) + ((uint32_t)(127 - bias) << 23);
    const float    tiny = float_of((m << (23 - man)) + least) - float_of(least);
    uint32_t       u = m >> man ? normal : bits_of(tiny);
    u = m >= special ? 0x7f800000u | (m - special) << (23 - man) : u;
    return float_of(u | (code >> sign) << 31);
}

/* The nearest code, ties to even; what is too large becomes `top`, NaN becomes `nan`. */
INLINE uint32_t narrow(float x, int man, int bias, int sign, uint32_t top, uint32_t nan)
{
    const uint32_t u = bits_of(x), a = u & 0x7fffffffu, magic = (uint32_t)(127 + 24 - bias - man) << 23;
    const uint32_t r = a - ((uint32_t)(127 - bias) << 23);
    const uint32_t normal = (r + (1u << (22 - man)) - 1 + (r >> (23 - man) & 1)) >> (23 - man);
    const uint32_t tiny = bits_of(float_of(a) + float_of(magic)) - magic;
    uint32_t       code = a >= (uint32_t)(128 - bias) << 23 ? normal : tiny;
    code = code > top ? top : code;
    code = a > 0x7f800000u ? nan : code;
    return code | (u >> 31) << sign;
}

INLINE float from_f16(uint16_t h)
{
#if defined __F16C__
    return _cvtsh_ss(h);
#else
    return widen(h, 10, 15, 15, 0x7c00);
#endif
}
INLINE uint16_t to_f16(float x)
{
    return (uint16_t)narrow(x, 10, 15, 15, 0x7c00, 0x7e00);
}
#endif
