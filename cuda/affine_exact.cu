/* Many rows of x times weights of any dtype in f32 or f64: tiles pass through shared memory, weights as their
 * format says. */
#include "cuda/affine.cuh"

enum { TILE = 64, DEPTH = 32, PER = 4 };

DEVICE float fused(float a, float b, float c)
{
    return fmaf(a, b, c);
}
DEVICE double fused(double a, double b, double c)
{
    return fma(a, b, c);
}
template <typename C> DEVICE void put_class(const affine &p, int64_t row, int64_t column, int64_t bias, C v)
{
    if (p.bias) v += load_any<C>(p.bias, p.bias_dtype, bias + column);
    store_any<C>(p.y, p.y_dtype, row * p.n + column, v);
}

/* DEPTH by TILE values of w from column j0 and depth d0 on. */
template <typename C, typename A>
DEVICE void load_weights(const affine &p, A &tile, const char *w, int64_t j0, int64_t d0)
{
    const bool blocks = is_block(p.w_dtype);
    const int  per = blocks ? 4 : 1;
    for (int e = (int)threadIdx.x * per; e < DEPTH * TILE; e += (int)blockDim.x * per) {
        const int   d = e % DEPTH, j = e / DEPTH;
        const bool  in = d0 + d < p.k && j0 + j < p.n;
        const char *row = w + (j0 + j) * p.w_row;
        if (blocks) {
            const float4 v = in ? any_four_values(row, p.w_dtype, d0 + d) : float4{0, 0, 0, 0};
            tile[d * (TILE + 1) + j] = (C)v.x;
            tile[(d + 1) * (TILE + 1) + j] = (C)v.y;
            tile[(d + 2) * (TILE + 1) + j] = (C)v.z;
            tile[(d + 3) * (TILE + 1) + j] = (C)v.w;
        } else {
            tile[d * (TILE + 1) + j] = in ? load_any<C>(row, p.w_dtype, d0 + d) : (C)0;
        }
    }
}

template <typename C> __global__ void exact_kernel(const __grid_constant__ affine p)
{
    SHARED(C, tx, DEPTH * (TILE + 1));
    SHARED(C, tw, DEPTH * (TILE + 1));
    SHARED(int64_t, result, TILE);
    tile_rows tile;
    if (!find_tile(p, blockIdx.y, TILE, &tile)) return;
    const int     row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    const int64_t j0 = (int64_t)blockIdx.x * TILE;
    const expert  e = expert_of(p, tile.expert);
    for (int i = (int)threadIdx.x; i < TILE; i += (int)blockDim.x)
        result[i] = result_of(p, tile.first + (i < tile.rows ? i : 0));
    __syncthreads();
    C sum[PER][PER] = {};
    for (int64_t d0 = 0; d0 < p.k; d0 += DEPTH) {
        for (int i = (int)threadIdx.x; i < DEPTH * TILE; i += (int)blockDim.x) {
            const int d = i % DEPTH, r = i / DEPTH;
            tx[d * (TILE + 1) + r] = ((const C *)p.x)[result[r] / p.repeats * p.step + d0 + d];
        }
        load_weights<C>(p, tw, e.w, j0, d0);
        __syncthreads();
#pragma unroll 4
        for (int d = 0; d < DEPTH; d++) {
            C vx[PER], vw[PER];
#pragma unroll
            for (int i = 0; i < PER; i++) {
                vx[i] = tx[d * (TILE + 1) + row + 16 * i];
                vw[i] = tw[d * (TILE + 1) + col + 16 * i];
            }
#pragma unroll
            for (int i = 0; i < PER; i++)
#pragma unroll
                for (int j = 0; j < PER; j++) sum[i][j] = fused(vx[i], vw[j], sum[i][j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < PER; i++)
#pragma unroll
        for (int j = 0; j < PER; j++) {
            const int     r = row + 16 * i;
            const int64_t c = j0 + col + 16 * j;
            if (r < tile.rows && c < p.n) put_class<C>(p, result[r], c, e.bias, sum[i][j]);
        }
}

wk_status wki_cuda_affine_exact(const wk_call *k, const affine &p)
{
    const int64_t more = p.first ? (p.experts < p.m ? p.experts : p.m) : 0;
    const dim3    blocks(blocks_for(p.n, TILE), (unsigned)((p.m + TILE - 1) / TILE + more));
    return k->cls == WK_CLASS_F64 ? launch(k, exact_kernel<double>, blocks, 256, 0, p)
                                  : launch(k, exact_kernel<float>, blocks, 256, 0, p);
}
