/* Few rows of x times rows of weights of any format in f32: each weight as its format says, a warp to a
 * row. Plain weights that begin at multiples of 16 bytes are read 16 bytes at a time, by neighbours. */
#include "cuda/affine.cuh"

enum { WARPS = 4 };

template <int T, int M> __global__ void few_exact_kernel(const __grid_constant__ affine p)
{
    typedef format<T> F;
    constexpr int     GROUPS = F::values / 32;
    const int         lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int64_t     column = (int64_t)blockIdx.x * WARPS + warp, m0 = (int64_t)blockIdx.y * M;
    const int         e = expert_at(p, m0);
    if (e < 0) return;
    if (column >= p.n) return;
    const char   *row = expert_of(p, e).w + column * p.w_row;
    const float  *x[M];
    float         acc[M] = {};
    const int64_t groups = (p.k + 31) / 32;
#pragma unroll
    for (int i = 0; i < M; i++)
        x[i] = (const float *)p.x + (m0 + i < p.m ? m0 + i : p.m - 1) / p.repeats * p.step;
    for (int64_t group = lane; group < groups; group += 32)
#pragma unroll 1
        for (int h = 0; h < 2; h++) {
            const int64_t at = group * 32 + 16 * h;
            float         v[16];
            if (at + 16 <= p.k) {
                weights<T>::sixteen(bytes_from(row + group / GROUPS * F::bytes), (int)(group % GROUPS), h, v);
            } else {
#pragma unroll
                for (int i = 0; i < 16; i++) v[i] = at + i < p.k ? load_any<float>(row, T, at + i) : 0.0f;
            }
#pragma unroll
            for (int i = 0; i < M; i++)
#pragma unroll
                for (int j = 0; j < 16; j += 4) {
                    const float4 four = *(const float4 *)(x[i] + at + j);
                    acc[i] = fmaf(v[j], four.x, acc[i]);
                    acc[i] = fmaf(v[j + 1], four.y, acc[i]);
                    acc[i] = fmaf(v[j + 2], four.z, acc[i]);
                    acc[i] = fmaf(v[j + 3], four.w, acc[i]);
                }
        }
#pragma unroll
    for (int i = 0; i < M; i++) {
        const float v = warp_fold<plus>(acc[i]);
        if (lane == i && m0 + i < p.m) put_result(p, m0 + i, column, expert_of(p, e).bias, v);
    }
}

#if defined __CUDA_ARCH__ && __CUDA_ARCH__ < 800
enum { MOST_BLOCKS = 8 }; /* what a multiprocessor of Turing can hold */
#else
enum { MOST_BLOCKS = 12 };
#endif

/* 1, 4 and 8 rows want at most 40, 64 and 128 registers. */
template <typename E, int M>
__global__ void __launch_bounds__(32 * WARPS, M > 1 ? 32 / M : MOST_BLOCKS)
    few_plain_kernel(const __grid_constant__ affine p)
{
    enum { PACK = pack_of<E>::values };
    const int     lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    const int64_t column = (int64_t)blockIdx.x * WARPS + warp, m0 = (int64_t)blockIdx.y * M;
    const int     e = expert_at(p, m0), left = p.m - m0 < M ? (int)(p.m - m0) : M;
    if (e < 0) return;
    if (column >= p.n) return;
    const E     *row = (const E *)(const void *)(expert_of(p, e).w + column * p.w_row);
    const float *x = (const float *)p.x + (M == 1 ? m0 / p.repeats : m0) * p.step;
    float        acc[M] = {};
    for (int64_t at = lane * PACK; at < p.k; at += 32 * PACK) {
        float w[PACK];
        load_pack(row + at, p.k - at < PACK ? (int)(p.k - at) : (int)PACK, w);
#pragma unroll
        for (int i = 0; i < M; i++) {
            const float4 *from = (const float4 *)(const void *)(x + (i < left ? i : left - 1) * p.step + at);
#pragma unroll
            for (int j = 0; j < PACK / 4; j++) {
                const float4 four = from[j];
                acc[i] = fmaf(w[4 * j], four.x, acc[i]);
                acc[i] = fmaf(w[4 * j + 1], four.y, acc[i]);
                acc[i] = fmaf(w[4 * j + 2], four.z, acc[i]);
                acc[i] = fmaf(w[4 * j + 3], four.w, acc[i]);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < M; i++) {
        const float v = warp_fold<plus>(acc[i]);
        if (lane == i && i < left) put_result(p, m0 + i, column, expert_of(p, e).bias, v);
    }
}

template <typename E> static wk_status few_plain(const wk_call *k, const affine &p)
{
    const unsigned x = blocks_for(p.n, WARPS);
    return p.ids || p.m == 1 ? launch(k, few_plain_kernel<E, 1>, dim3(x, (unsigned)p.m), 32 * WARPS, 0, p)
           : p.m <= 4        ? launch(k, few_plain_kernel<E, 4>, dim3(x), 32 * WARPS, 0, p)
                      : launch(k, few_plain_kernel<E, 8>, dim3(x, blocks_for(p.m, 8)), 32 * WARPS, 0, p);
}

template <int T> static wk_status few(const wk_call *k, const affine &p)
{
    const unsigned x = blocks_for(p.n, WARPS);
    return p.ids || p.m == 1
               ? launch(k, few_exact_kernel<T, 1>, dim3(x, (unsigned)p.m), 32 * WARPS, 0, p)
               : launch(k, few_exact_kernel<T, 4>, dim3(x, blocks_for(p.m, 4)), 32 * WARPS, 0, p);
}

wk_status wki_cuda_affine_few_exact(const wk_call *k, const affine &p)
{
    if (((uintptr_t)p.w | (uintptr_t)p.w_row | (uintptr_t)p.w_expert) % 16 == 0) {
        if (p.w_dtype == WK_f32) return few_plain<float>(k, p);
        if (p.w_dtype == WK_f16) return few_plain<f16>(k, p);
        if (p.w_dtype == WK_bf16) return few_plain<bf16>(k, p);
    }
#define FEW(t)                                                                                               \
    if (p.w_dtype == WK_##t) return few<WK_##t>(k, p);
    WK_EACH_FORMAT(FEW)
    WK_EACH_PLAIN(FEW)
#undef FEW
    return WK_EDTYPE;
}
