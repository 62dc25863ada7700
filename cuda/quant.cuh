/* Values on their way into block formats: where they come from and go to, and arithmetic whose every rounding
 * is that of the CPU, so that the codes are the same bit for bit. */
#ifndef WK_CUDA_QUANT_CUH
#define WK_CUDA_QUANT_CUH

#include "cuda/blocks.cuh"
#include "cuda/walk.cuh"

/* y = x as blocks. Rows of a cache begin at a position that the device knows. */
struct recoding {
    walk<2>                w; /* y, x */
    const void            *start;
    int                    start_dtype, op;
    int64_t                entry;      /* values that share a start */
    int64_t                step, room; /* elements of y between positions; positions that may begin */
    struct wki_cuda_fault *fault;
};

/* The first byte of block b of y, or nothing where the position is bad. */
DEVICE uint8_t *block_of(const recoding &r, int64_t b, int values, int bytes)
{
    int64_t start = 0;
    if (r.start) {
        start = load_any<int64_t>(r.start, r.start_dtype, b * values / r.entry);
        if (start < 0 || start >= r.room) {
            if (b * values % r.entry == 0) report_index(r.fault, r.op, start, r.room);
            return nullptr;
        }
    }
    const int64_t at = walk_at(r.w, 0, b * values) + start * r.step;
    return (uint8_t *)r.w.of[0].data + at / values * bytes;
}
/* Values `at` to `at` + 3 of x. */
DEVICE float4 values_at(const recoding &r, int64_t at)
{
    const operand &x = r.w.of[1];
    const int      last = r.w.ndim - 1;
    return load_four(x.data, x.dtype, walk_at(r.w, 1, at), x.stride[last]);
}

/* f32 of which no two operations become one. */
struct real {
    float v;
};
DEVICE real operator+(real a, real b)
{
    return {__fadd_rn(a.v, b.v)};
}
DEVICE real operator-(real a, real b)
{
    return {__fsub_rn(a.v, b.v)};
}
DEVICE real operator*(real a, real b)
{
    return {__fmul_rn(a.v, b.v)};
}
DEVICE real operator/(real a, real b)
{
    return {__fdiv_rn(a.v, b.v)};
}
DEVICE real operator-(real a)
{
    return {-a.v};
}
DEVICE bool operator<(real a, real b)
{
    return a.v < b.v;
}
DEVICE bool operator>(real a, real b)
{
    return a.v > b.v;
}
DEVICE bool operator==(real a, real b)
{
    return a.v == b.v;
}
DEVICE real magnitude(real a)
{
    return {fabsf(a.v)};
}
DEVICE real number(int x)
{
    return {(float)x};
}

DEVICE int clamped(int x, int least, int most)
{
    return x < least ? least : x > most ? most : x;
}
/* The nearest integer, halves to even, for |x| < 2^22; what is no number is 0. */
DEVICE int nearest(real x)
{
    if (x.v != x.v) return 0;
    return (int)(bits_of(__fadd_rn(x.v, 12582912.0f)) & 0x7fffffu) - 0x400000;
}
DEVICE uint16_t half_bits(real x)
{
    f16 h;
    narrowed(x.v, h);
    return h.bits;
}
DEVICE real from_half(uint16_t bits)
{
    return {widened(f16{bits})};
}
/* Blocks lie at any address. */
DEVICE void put_half(uint8_t *to, uint16_t bits)
{
    to[0] = (uint8_t)bits;
    to[1] = (uint8_t)(bits >> 8);
}

/* Launches for blocks of 32, of 256, and of codes that are places in a table (quant.cu, quant_k.cu,
 * quant_table.cu). */
wk_status wki_cuda_encode(const wk_call *k, const recoding &r);
wk_status wki_cuda_encode_table(const wk_call *k, const recoding &r);
wk_status wki_cuda_encode_k(const wk_call *k, const recoding &r);

#endif
