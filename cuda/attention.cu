/* Attention of many rows in f32, whatever the dtypes: tiles of queries pass over tiles of keys, the softmax
 * kept up to date on the way (arXiv:2205.14135), so that the score matrix never exists. 16-bit operands take
 * the matrix units (attention_half.cu), few rows split the keys (attention_decode.cu). */
#include "cuda/attend.cuh"

enum { TILE = 64, DEPTH = 16, PER = 4, COLUMNS = 128, WIDE = COLUMNS / 16, STEP = TILE + 1 };

struct softening { /* of a thread's rows */
    float most[PER], sum[PER];
};

/* DEPTH by TILE values x[d][i] of rows first .. first + n, from column d0; the rest is zero. */
template <typename T, typename A>
DEVICE void load_columns(const attending &a, A &tile, const heads &x, int64_t group, bool packed,
                         int64_t first, int64_t n, int d0)
{
    for (int e = (int)threadIdx.x; e < DEPTH * TILE; e += (int)blockDim.x) {
        const int  d = e % DEPTH, i = e / DEPTH;
        const bool in = d0 + d < a.d && i < n;
        int64_t    at = 0;
        if (in) at = (packed ? row_at(a, x, group, first + i) : group + (first + i) * x.row) + d0 + d;
        tile[d * STEP + i] = in ? value<T>(x, at) : 0.0f;
    }
}

/* Scores of a tile, scaled and limited. A thread has rows row + 16 i and keys col + 16 j. */
template <typename T, typename A>
DEVICE void scores(const attending &a, const sight &s, A &tq, A &tk, int64_t q, int64_t k, int64_t mask,
                   int64_t row0, int64_t key0, float (&x)[PER][PER])
{
    const int row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    for (int d0 = 0; d0 < a.d; d0 += DEPTH) {
        __syncthreads();
        load_columns<T>(a, tq, a.q, q, true, row0, a.rows - row0, d0);
        load_columns<T>(a, tk, a.k, k, false, key0, s.seen - key0, d0);
        __syncthreads();
#pragma unroll 4
        for (int d = 0; d < DEPTH; d++) {
            float vq[PER], vk[PER];
#pragma unroll
            for (int i = 0; i < PER; i++) {
                vq[i] = tq[d * STEP + row + 16 * i];
                vk[i] = tk[d * STEP + col + 16 * i];
            }
#pragma unroll
            for (int i = 0; i < PER; i++)
#pragma unroll
                for (int j = 0; j < PER; j++) x[i][j] = fmaf(vq[i], vk[j], x[i][j]);
        }
    }
#pragma unroll
    for (int i = 0; i < PER; i++) {
        const int64_t r = row0 + row + 16 * i, t = r / a.rep;
        const int64_t from = first_seen(a, s, t), to = r < a.rows ? last_seen(a, s, t) : 0;
        const int64_t at = a.mask.data && r < a.rows ? row_at(a, a.mask, mask, r) : 0;
#pragma unroll
        for (int j = 0; j < PER; j++) {
            const int64_t key = key0 + col + 16 * j;
            float         v = x[i][j] * a.scale;
            if (a.softcap > 0.0f) v = capped(v, a.softcap);
            if (key < from || key >= to)
                v = -INFINITY;
            else if (a.mask.data)
                v = with_mask(a, at, key, v);
            x[i][j] = v;
        }
    }
}

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

/* o += weights by the values of a tile of keys, columns c0 .. c0 + width. */
template <typename T, typename A, typename B>
DEVICE void add_values(const attending &a, A &weights, B &tv, int64_t v, int64_t key0, int64_t n, int c0,
                       int width, float (&o)[PER][WIDE])
{
    const int row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    for (int k0 = 0; k0 < TILE && k0 < n; k0 += DEPTH) {
        for (int e = (int)threadIdx.x; e < DEPTH * COLUMNS; e += (int)blockDim.x) {
            const int k = k0 + e / COLUMNS, c = e % COLUMNS;
            if (c < width) tv[e] = k < n ? value<T>(a.v, v + (key0 + k) * a.v.row + c0 + c) : 0.0f;
        }
        __syncthreads();
#pragma unroll 2
        for (int k = 0; k < DEPTH; k++) {
            float w[PER];
#pragma unroll
            for (int i = 0; i < PER; i++) w[i] = weights[(row + 16 * i) * STEP + k0 + k];
#pragma unroll
            for (int j = 0; j < WIDE; j++) {
                if (16 * j >= width) break;
                const float x = col + 16 * j < width ? tv[k * COLUMNS + col + 16 * j] : 0.0f;
#pragma unroll
                for (int i = 0; i < PER; i++) o[i][j] = fmaf(w[i], x, o[i][j]);
            }
        }
        __syncthreads();
    }
}

/* blockIdx.x: tiles of rows, the longest first, of all groups; y: columns of the values. */
template <typename T> __global__ void attend_kernel(const __grid_constant__ attending a)
{
    SHARED(float, tq, DEPTH *STEP);
    SHARED(float, tk, DEPTH *STEP);
    SHARED(float, weights, TILE *STEP);
    SHARED(float, tv, DEPTH *COLUMNS);
    const int64_t tiles = (a.rows + TILE - 1) / TILE, heads = a.batch * a.groups;
    const int64_t b = blockIdx.x % heads / a.groups, g = blockIdx.x % a.groups;
    const int64_t row0 = (tiles - 1 - blockIdx.x / heads) * TILE;
    const int64_t last = row0 + TILE < a.rows ? row0 + TILE - 1 : a.rows - 1;
    const int     row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    const int     c0 = (int)blockIdx.y * COLUMNS, width = a.dv - c0 < COLUMNS ? a.dv - c0 : COLUMNS;
    sight         s;
    if (!sight_of(a, &s)) return;
    const int64_t q = head_at(a, a.q, b, g * a.rep), k = head_at(a, a.k, b, g), v = head_at(a, a.v, b, g);
    const int64_t mask = a.mask.data ? head_at(a, a.mask, b, g * a.rep) : 0;
    softening     m;
    float         o[PER][WIDE] = {};
    for (int i = 0; i < PER; i++) m.most[i] = -INFINITY, m.sum[i] = 0.0f;
    const int64_t end = last_seen(a, s, last / a.rep);
    for (int64_t key0 = first_seen(a, s, row0 / a.rep) / TILE * TILE; key0 < end; key0 += TILE) {
        float x[PER][PER] = {};
        scores<T>(a, s, tq, tk, q, k, mask, row0, key0, x);
        soften(x, m, o, weights);
        __syncthreads();
        add_values<T>(a, weights, tv, v, key0, s.seen - key0, c0, width, o);
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
