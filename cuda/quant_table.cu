/* Values to blocks whose codes are places in a table: iq4_nl, a thread to a block, and iq4_xs, eight threads
 * to a block, a group of 32 to each. */
#include "cuda/quant.cuh"

DEVICE int entry_of(int i)
{
    const uint4    t = nonlinear_table();
    const uint32_t four = i < 4 ? t.x : i < 8 ? t.y : i < 12 ? t.z : t.w;
    return (int8_t)(four >> 8 * (i & 3));
}
/* The entry nearest to x, the upper one when halfway. */
DEVICE int nearest_entry(real x)
{
    int above = 0;
#pragma unroll
    for (int i = 0; i < 15; i++) above += x.v >= (float)entry_of(i);
    if (above == 0) return 0;
    return x - number(entry_of(above - 1)) < number(entry_of(above)) - x ? above - 1 : above;
}

struct sums {
    real xv, vv; /* of w x value and w value value, w = x x */
};
DEVICE sums with_inverse(const float (&x)[32], real inverse)
{
    sums s = {{0.0f}, {0.0f}};
#pragma unroll 4
    for (int i = 0; i < 32; i++) {
        const real at = {x[i]}, v = number(entry_of(nearest_entry(inverse * at))), w = at * at;
        s.xv = s.xv + w * v * at;
        s.vv = s.vv + w * v * v;
    }
    return s;
}

/* The scale of 32 values: least squares, fifteen guesses around the one that maps the furthest value to an
 * end. */
DEVICE real fit_scale(const float (&x)[32])
{
    real far = {0.0f}, size = {0.0f};
    for (int i = 0; i < 32; i++) {
        const real at = {x[i]}, a = magnitude(at);
        far = a > size ? at : far;
        size = a > size ? a : size;
    }
    if (size.v < 1e-15f) return {0.0f};
    real scale = {0.0f}, best = {0.0f};
    for (int step = -8; step <= 7; step++) {
        const real inverse = step == -8 ? number(1) / (-far / number(-127)) : number(step - 127) / far;
        const sums s = with_inverse(x, inverse);
        if (step == -8 || (s.vv.v > 0.0f && s.xv * s.xv > best * s.vv)) {
            scale = s.xv / s.vv;
            best = scale * s.xv;
        }
    }
    return scale;
}
DEVICE void put_codes(const float (&x)[32], real scale, uint8_t *q)
{
    const real inverse = {scale.v != 0.0f ? __fdiv_rn(1.0f, scale.v) : 0.0f};
    for (int i = 0; i < 16; i++)
        q[i] = (uint8_t)(nearest_entry(inverse * real{x[i]}) | nearest_entry(inverse * real{x[i + 16]}) << 4);
}
DEVICE void gather(const recoding &r, int64_t at, float (&x)[32])
{
    for (int i = 0; i < 32; i += 4) {
        const float4 v = values_at(r, at + i);
        x[i] = v.x;
        x[i + 1] = v.y;
        x[i + 2] = v.z;
        x[i + 3] = v.w;
    }
}

__global__ void encode_nl_kernel(const __grid_constant__ recoding r)
{
    const int64_t b = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (b * 32 >= r.w.n) return;
    uint8_t *to = block_of(r, b, 32, 18);
    if (!to) return;
    float x[32];
    gather(r, b * 32, x);
    const real scale = fit_scale(x);
    put_half(to, half_bits(scale));
    put_codes(x, scale, to + 2);
}

__global__ void encode_xs_kernel(const __grid_constant__ recoding r)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, blocks = r.w.n / 256;
    const int     g = (int)(at % 8);
    const int64_t b = at / 8 < blocks ? at / 8 : blocks - 1; /* what is left over repeats the last one */
    uint8_t      *to = block_of(r, b, 256, 136);
    if (!to) return;
    float x[32];
    gather(r, b * 256 + 32 * g, x);
    const real own = fit_scale(x);
    real       far = {0.0f}, size = {0.0f};
    for (int i = 0; i < 8; i++) {
        const real s = {__shfl_sync(FULL_WARP, own.v, i, 8)}, a = magnitude(s);
        far = a > size ? s : far;
        size = a > size ? a : size;
    }
    const real d = -far / number(32), inverse = {d.v != 0.0f ? __fdiv_rn(1.0f, d.v) : 0.0f};
    const int  s = clamped(nearest(inverse * own), -32, 31);
    int        low = ((s + 32) & 15) << 4 * (g & 1), high = (s + 32) >> 4 << 2 * g;
    for (int step = 1; step < 8; step *= 2) {
        high |= __shfl_xor_sync(FULL_WARP, high, step);
        if (step == 1) low |= __shfl_xor_sync(FULL_WARP, low, step);
    }
    if (at / 8 >= blocks) return;
    put_codes(x, d * number(s), to + 8 + 16 * g);
    if (g % 2 == 0) to[4 + g / 2] = (uint8_t)low;
    if (g) return;
    put_half(to, half_bits(d));
    put_half(to + 2, (uint16_t)high);
}

wk_status wki_cuda_encode_table(const wk_call *k, const recoding &r)
{
    return r.w.of[0].dtype == WK_iq4_nl ? launch(k, encode_nl_kernel, blocks_for(r.w.n, 32 * 64), 64, 0, r)
                                        : launch(k, encode_xs_kernel, blocks_for(r.w.n, 32 * 64), 64, 0, r);
}
