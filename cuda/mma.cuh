/* The matrix units of a warp: products of 16 by 16 by 8 with sums in f32, and loads of their operands from
 * shared memory. Lane l has, of a result, rows l / 4 and l / 4 + 8, columns 2 (l % 4) and the next. On the
 * host the same functions are those of the shim. */
#ifndef WK_CUDA_MMA_CUH
#define WK_CUDA_MMA_CUH

#include "cuda/kernel.cuh"

#ifndef WARP_MATRIX
#define WARP_MATRIX

/* c += a b; a: 16 by 16, b: 16 by 8. Before sm_80 in two halves of f16 (bf16 does not exist there). */
DEVICE void warp_multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, f16)
{
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
                 "{%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#elif defined __CUDA_ARCH__
    const uint32_t b[2] = {b0, b1};
#pragma unroll
    for (int k = 0; k < 2; k++)
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
                     "{%0, %1, %2, %3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[2 * k]), "r"(a[2 * k + 1]), "r"(b[k]));
#endif
}
DEVICE void warp_multiply(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, bf16)
{
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
                 "{%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

/* Four 8 by 8 matrices of 16-bit values: lanes 8 i .. 8 i + 7 give the rows of matrix i (16 bytes each, in
 * shared memory); lane l gets row l / 4, columns 2 (l % 4) and the next. */
DEVICE void warp_load(uint32_t (&r)[4], const void *row)
{
#ifdef __CUDA_ARCH__
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((unsigned)__cvta_generic_to_shared(row))
                 : "memory");
#endif
}
/* The same, each matrix transposed. */
DEVICE void warp_load_turned(uint32_t (&r)[4], const void *row)
{
#ifdef __CUDA_ARCH__
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((unsigned)__cvta_generic_to_shared(row))
                 : "memory");
#endif
}
#endif

/* Two values in a register, the first in its low half. */
template <typename T> DEVICE uint32_t packed(float low, float high)
{
    T a, b;
    narrowed(low, a);
    narrowed(high, b);
    return (uint32_t)a.bits | (uint32_t)b.bits << 16;
}
template <> DEVICE uint32_t packed<bf16>(float low, float high)
{
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
    uint32_t both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
#else
    bf16 a, b;
    narrowed(low, a);
    narrowed(high, b);
    return (uint32_t)a.bits | (uint32_t)b.bits << 16;
#endif
}

/* Rows of W 16-bit values in shared memory, their 16-byte pieces in an order that lets eight rows be read at
 * once; where piece c of a row begins. */
template <int W> DEVICE int piece_at(int row, int c)
{
    return row * W + (W % 64 == 0 ? c ^ (row & 7) : c ^ (row >> 1 & 3)) * 8;
}

#endif
