/* Attention of many rows in f32, whatever the dtypes: tiles of queries pass over tiles of keys, the softmax
 * kept up to date on the way (arXiv:2205.14135), so that the score matrix never exists. 16-bit operands take
 * the matrix units (attention_half.cu), few rows split the keys (attention_decode.cu). */
#include "cuda/attend_tile.cuh"

struct softening { /* of a thread's rows */
    float most[PER], sum[PER];
};

/* Scores to weights in shared memory, and the results so far to the new largest score. */
template <typename A>
DEVICE void soften(float (&x)[PER][PER], softening &m, float (&o)[PER][WIDE], A &weights)
{
    const int row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < PER; i++) {
        float top = m.most[i], sum = 0.0f;
#pragma unroll
        for (int j = 0; j < PER; j++) top = fmaxf(top, x[i][j]);
#pragma unroll
        for (int step = 8; step > 0; step /= 2) top = fmaxf(top, __shfl_xor_sync(FULL_WARP, top, step));
        const float base = top == -INFINITY ? 0.0f : top, factor = expf(m.most[i] - base);
#pragma unroll
        for (int j = 0; j < PER; j++) {
            const float e = expf(x[i][j] - base);
            weights[(row + 16 * i) * STEP + col + 16 * j] = e;
            sum += e;
        }
#pragma unroll
        for (int step = 8; step > 0; step /= 2) sum += __shfl_xor_sync(FULL_WARP, sum, step);
        m.sum[i] = m.sum[i] * factor + sum;
        m.most[i] = top;
#pragma unroll
        for (int j = 0; j < WIDE; j++) o[i][j] *= factor;
    }
}

/* blockIdx.x: tiles of rows, the longest first, of all groups; y: columns of the values. */
template <typename T> __global__ void attend_kernel(const __grid_constant__ attending a)
{
    SHARED(float, buffer, BUFFER);
    SHARED(float, weights, SQUARE);
    const int64_t tiles = (a.rows + TILE - 1) / TILE, heads = a.batch * a.groups;
    const int64_t b = blockIdx.x % heads / a.groups, g = blockIdx.x % a.groups;
    const int64_t row0 = (tiles - 1 - blockIdx.x / heads) * TILE;
    const int64_t last = row0 + TILE < a.rows ? row0 + TILE - 1 : a.rows - 1;
    const int     row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    const int     c0 = (int)blockIdx.y * COLUMNS, width = a.dv - c0 < COLUMNS ? a.dv - c0 : COLUMNS;
    sight         s;
    if (!sight_of(a, b, &s)) return;
    const int64_t q = head_at(a, a.q, b, g * a.rep), k = head_at(a, a.k, b, g), v = head_at(a, a.v, b, g);
    const int64_t mask = a.mask.data ? head_at(a, a.mask, b, g * a.rep) : 0;
    softening     m;
    float         o[PER][WIDE] = {};
    for (int i = 0; i < PER; i++) m.most[i] = -INFINITY, m.sum[i] = 0.0f;
    const int64_t end = last_seen(a, s, last / a.rep);
    for (int64_t key0 = first_seen(a, s, row0 / a.rep) / TILE * TILE; key0 < end; key0 += TILE) {
        const rows_of keys = {&a.k, k, key0, s.seen - key0, false}, values = {&a.v, v, key0, keys.n, false};
        float         x[PER][PER] = {};
        product<T>(a, buffer, {&a.q, q, row0, a.rows - row0, true}, keys, a.d, x);
        limit(a, s, mask, row0, key0, x, nullptr);
        soften(x, m, o, weights);
        accumulate<T, false>(a, weights, buffer, values, c0, width, o);
    }
    const int64_t y = head_at(a, a.y, b, g * a.rep);
#pragma unroll
    for (int i = 0; i < PER; i++) {
        const int64_t r = row0 + row + 16 * i;
        if (r >= a.rows) continue;
        const float   scale = m.sum[i] == 0.0f ? 0.0f : 1.0f / m.sum[i];
        const int64_t at = row_at(a, a.y, y, r) + c0;
#pragma unroll
        for (int j = 0; j < WIDE; j++)
            if (col + 16 * j < width)
                store_any<float>(a.y.data, a.y.dtype, at + col + 16 * j, o[i][j] * scale);
        if (a.lse && c0 == 0 && col == 0)
            a.lse[sum_at(a, b, g, r)] = m.sum[i] == 0.0f ? -INFINITY : m.most[i] + logf(m.sum[i]);
    }
}

static attending forward_of(const wk_call *k)
{
    attending a = attending_of(k);
    heads_of(&a.y, k->out[0]);
    if (k->n_out > 1) a.lse = (float *)wki_data(k->out[1]);
    return a;
}

size_t CUDA(attend_scratch)(const wk_call *k)
{
    const attending a = attending_of(k);
    return wki_cuda_attend_few_fits(a) ? wki_cuda_attend_few_scratch(k, a) : 0;
}

wk_status CUDA(attend)(const wk_call *k)
{
    const attending a = forward_of(k);
    if (!attendable(k->in[1]) || !attendable(k->in[2])) return WK_EDTYPE;
    if (wki_cuda_count(k->out[0]) == 0) return WK_OK;
    if (wki_cuda_attend_few_fits(a)) return wki_cuda_attend_few(k, a);
    if (wki_cuda_attend_half_fits(k, a)) return wki_cuda_attend_half(k, a);
    const dim3 blocks((unsigned)((a.rows + TILE - 1) / TILE * a.batch * a.groups), blocks_for(a.dv, COLUMNS));
    WITH_HEADS(a, return launch(k, attend_kernel<T>, blocks, 256, 0, a););
}
