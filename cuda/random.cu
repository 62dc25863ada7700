/* Random numbers, equal to the CPU's: value i comes from block counter + i / per, whoever computes it. */
#define WK_DEVICE_FN static __device__ inline __attribute__((unused))
#include "cuda/kernel.cuh"

#include "core/random.h"

struct draw {
    int      kind, dtype;
    int64_t  n, low;
    uint64_t seed, counter, range;
    double   f0, f1;
};

DEVICE double unit53(uint32_t a, uint32_t b)
{
    return (double)((((uint64_t)a << 32) | b) >> 11) * 0x1p-53;
}
DEVICE uint64_t high_product(uint64_t a, uint64_t b)
{
#ifdef __CUDA_ARCH__
    return __umul64hi(a, b);
#else
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
#endif
}

/* Products and sums one by one: what is fused rounds otherwise than on the CPU. */
#ifdef __CUDA_ARCH__
#define MUL(a, b)  __fmul_rn(a, b)
#define ADD(a, b)  __fadd_rn(a, b)
#define DMUL(a, b) __dmul_rn(a, b)
#define DADD(a, b) __dadd_rn(a, b)
#else
#define MUL(a, b)  ((a) * (b))
#define ADD(a, b)  ((a) + (b))
#define DMUL(a, b) ((a) * (b))
#define DADD(a, b) ((a) + (b))
#endif

/* Four f32 values from a block, or two f64 or i64 ones. Box-Muller for normal ones. */
DEVICE void draw_f32(const draw &d, const uint32_t *x, float *v)
{
    const float a = (float)d.f0, b = (float)d.f1;
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
        if (d.kind == WKI_UNIFORM) {
            for (int j = i; j < i + 2; j++) {
                const float y = ADD(a, MUL(b, (float)(x[j] >> 8) * 0x1p-24f));
                v[j] = y < ADD(a, b) || b == 0 ? y : a; /* rounding must not reach the open end */
            }
        } else {
            const double r = sqrt(-2.0 * log(((double)x[i] + 1.0) * 0x1p-32));
            const double turn = 6.283185307179586 * ((double)x[i + 1] * 0x1p-32);
            v[i] = ADD(a, MUL(b, (float)(r * cos(turn))));
            v[i + 1] = ADD(a, MUL(b, (float)(r * sin(turn))));
        }
    }
}
DEVICE void draw_f64(const draw &d, const uint32_t *x, double *v)
{
    if (d.kind == WKI_UNIFORM) {
        for (int i = 0; i < 2; i++) {
            const double y = DADD(d.f0, DMUL(d.f1, unit53(x[2 * i], x[2 * i + 1])));
            v[i] = y < DADD(d.f0, d.f1) || d.f1 == 0 ? y : d.f0;
        }
        return;
    }
    const double r = sqrt(-2.0 * log(1.0 - unit53(x[0], x[1]))),
                 turn = 6.283185307179586 * unit53(x[2], x[3]);
    v[0] = DADD(d.f0, DMUL(DMUL(d.f1, r), cos(turn)));
    v[1] = DADD(d.f0, DMUL(DMUL(d.f1, r), sin(turn)));
}
DEVICE void draw_i64(const draw &d, const uint32_t *x, int64_t *v)
{
    for (int i = 0; i < 2; i++) {
        const uint64_t wide = ((uint64_t)x[2 * i] << 32) | x[2 * i + 1];
        v[i] = d.low + (int64_t)high_product(wide, d.range);
    }
}

DEVICE void draw_block(const draw &d, const uint32_t *x, float *v)
{
    draw_f32(d, x, v);
}
DEVICE void draw_block(const draw &d, const uint32_t *x, double *v)
{
    draw_f64(d, x, v);
}
DEVICE void draw_block(const draw &d, const uint32_t *x, int64_t *v)
{
    draw_i64(d, x, v);
}

template <typename C, int PER> __global__ void random_kernel(void *y, const __grid_constant__ draw d)
{
    const int64_t block = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (block * PER >= d.n) return;
    uint32_t x[4];
    C        v[PER];
    wki_philox(d.seed, d.counter + (uint64_t)block, 0, x);
    draw_block(d, x, v);
    for (int i = 0; i < PER; i++)
        if (block * PER + i < d.n) store_any<C>(y, d.dtype, block * PER + i, v[i]);
}

template <typename C, int PER> static wk_status fill_random(const wk_call *k, const draw &d)
{
    return launch(k, random_kernel<C, PER>, blocks_for(d.n, 256 * PER), 256, 0, wki_data(k->out[0]), d);
}

wk_status CUDA(random)(const wk_call *k)
{
    const wk_tensor y = k->out[0];
    const draw      d = {(int)k->attr.i[0],      (int)y->dtype,          wki_cuda_count(y),
                         k->attr.i[3],           (uint64_t)k->attr.i[1], (uint64_t)k->attr.i[2],
                         (uint64_t)k->attr.i[4], k->attr.f[0],           k->attr.f[1]};
    if (!wki_cuda_plain(y->dtype)) return WK_EDTYPE;
    if (d.n == 0) return WK_OK;
    return d.kind == WKI_INTEGER    ? fill_random<int64_t, 2>(k, d)
           : k->cls == WK_CLASS_F64 ? fill_random<double, 2>(k, d)
                                    : fill_random<float, 4>(k, d);
}
