/* Vectors of words of two bf16: one of them is the word shifted, the other one the word masked, so nothing is
 * unpacked. */
#ifndef WK_CPU_HALVES_H
#define WK_CPU_HALVES_H

#include "cpu/simd.h"

INLINE vf lower(vi word)
{
    return (vf)(word << 16);
}
INLINE vf upper(vi word)
{
    return (vf)(word & ~0xffff);
}

/* The nearest bf16 in the upper half, ties to even; a NaN stays one. As convert.c has it. */
INLINE vi to_upper(vf x)
{
    const vi u = (vi)x, nan = (vi)(x != x);
    const vi nearest = (vi)((vu)u + 0x7fff + (vu)(u >> 16 & 1));
    return (nan & (u | 0x400000)) | (~nan & nearest);
}
INLINE vi join_halves(vf low, vf high)
{
    return (vi)((vu)to_upper(low) >> 16) | (to_upper(high) & ~0xffff);
}

#endif
