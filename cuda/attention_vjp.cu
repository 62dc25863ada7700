/* The gradient of attention: scores are made again tile by tile from the sums that the forward pass kept
 * (arXiv:2205.14135, 2307.08691). Keys' and values' gradients by tiles of keys, queries' by tiles of
 * queries, so that every sum has one owner and one order. */
#include "cuda/attend_tile.cuh"

struct gradient {
    attending    a; /* a.y, a.lse: what the forward pass gave; a.dy: the result's gradient */
    heads        dq, dk, dv;
    const float *mean; /* per row: result by its gradient */
};

__global__ void attend_mean_kernel(const __grid_constant__ attending a, float *mean)
{
    const int     lane = (int)threadIdx.x % 32;
    const int64_t i = (int64_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    if (i >= a.batch * a.groups * a.rows) return;
    const int64_t b = i / (a.groups * a.rows), h = i / a.queries % (a.groups * a.rep), t = i % a.queries;
    const int64_t y = head_at(a, a.y, b, h) + t * a.y.row, dy = head_at(a, a.dy, b, h) + t * a.dy.row;
    float         sum = 0.0f;
    for (int c = lane; c < a.dv; c += 32)
        sum = fmaf(load_value(a.y.data, a.y.dtype, y + c), load_value(a.dy.data, a.dy.dtype, dy + c), sum);
    sum = warp_fold<plus>(sum);
    if (lane == 0) mean[i] = sum;
}

/* Weights of a tile of rows and keys into p (where it is wanted), and the scores' gradients into ds. */
template <typename T, bool WEIGHTS, typename A, typename B>
DEVICE void tile_gradients(const gradient &o, const sight &s, A &buffer, B &p, B &ds, const rows_of &q,
                           const rows_of &dy, const rows_of &keys, const rows_of &values, int64_t b,
                           int64_t g, int64_t mask)
{
    const attending &a = o.a;
    const int        row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
    float            x[PER][PER] = {}, slope[PER][PER], dx[PER][PER] = {};
    product<T>(a, buffer, q, keys, a.d, x);
    limit(a, s, mask, q.first, keys.first, x, slope);
    product<T>(a, buffer, dy, values, a.dv, dx);
#pragma unroll
    for (int i = 0; i < PER; i++) {
        const int64_t r = q.first + row + 16 * i, at = r < a.rows ? sum_at(a, b, g, r) : 0;
        const float   sum = r < a.rows ? a.lse[at] : -INFINITY, mean = r < a.rows ? o.mean[at] : 0.0f;
#pragma unroll
        for (int j = 0; j < PER; j++) { /* a row that sees nothing has no weights */
            const float w = sum == -INFINITY ? 0.0f : expf(x[i][j] - sum);
            const int   place = (row + 16 * i) * STEP + col + 16 * j;
            if (WEIGHTS) p[place] = w;
            ds[place] = w * (dx[i][j] - mean) * slope[i][j];
        }
    }
}

/* Tile rows first + row + 16 i of x, n of which exist, columns c0 .. c0 + width. */
DEVICE void store_tile(const attending &a, const heads &x, const rows_of &r, int c0, int width, float scale,
                       const float (&o)[PER][WIDE])
{
    const int row = (int)threadIdx.x / 16, col = (int)threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < PER; i++) {
        if (row + 16 * i >= r.n) continue;
        const int64_t n = r.first + row + 16 * i, at = r.packed ? row_at(a, x, r.at, n) : r.at + n * x.row;
#pragma unroll
        for (int j = 0; j < WIDE; j++)
            if (col + 16 * j < width)
                store_any<float>(x.data, x.dtype, at + c0 + col + 16 * j, scale * o[i][j]);
    }
}

DEVICE int width_of(int columns, int c0)
{
    return columns - c0 < 0 ? 0 : columns - c0 < COLUMNS ? columns - c0 : (int)COLUMNS;
}

/* blockIdx.x: tiles of keys of all groups; y: columns. */
template <typename T> __global__ void attend_keys_vjp_kernel(const __grid_constant__ gradient o)
{
    SHARED(float, buffer, BUFFER);
    SHARED(float, p, SQUARE);
    SHARED(float, ds, SQUARE);
    const attending &a = o.a;
    const int64_t    all = a.batch * a.groups, b = blockIdx.x % all / a.groups, g = blockIdx.x % a.groups;
    const int64_t    key0 = blockIdx.x / all * TILE;
    const int        c0 = (int)blockIdx.y * COLUMNS;
    sight            s;
    if (!sight_of(a, b, &s)) return;
    const int64_t q = head_at(a, a.q, b, g * a.rep), dy = head_at(a, a.dy, b, g * a.rep);
    const int64_t mask = a.mask.data ? head_at(a, a.mask, b, g * a.rep) : 0;
    const rows_of keys = {&a.k, head_at(a, a.k, b, g), key0, s.seen - key0, false};
    const rows_of values = {&a.v, head_at(a, a.v, b, g), key0, s.seen - key0, false};
    float         dk[PER][WIDE] = {}, dv[PER][WIDE] = {};
    for (int64_t row0 = 0; row0 < a.rows && keys.n > 0; row0 += TILE) {
        const int64_t last = row0 + TILE < a.rows ? row0 + TILE - 1 : a.rows - 1;
        if (last_seen(a, s, last / a.rep) <= key0 || first_seen(a, s, row0 / a.rep) >= key0 + TILE) continue;
        const rows_of rows = {&a.q, q, row0, a.rows - row0, true}, of_dy = {&a.dy, dy, row0, rows.n, true};
        tile_gradients<T, true>(o, s, buffer, p, ds, rows, of_dy, keys, values, b, g, mask);
        accumulate<T, true>(a, p, buffer, of_dy, c0, width_of(a.dv, c0), dv);
        accumulate<T, true>(a, ds, buffer, rows, c0, width_of(a.d, c0), dk);
    }
    const rows_of to_k = {&o.dk, head_at(a, o.dk, b, g), key0, a.keys - key0, false};
    const rows_of to_v = {&o.dv, head_at(a, o.dv, b, g), key0, a.keys - key0, false};
    store_tile(a, o.dk, to_k, c0, width_of(a.d, c0), a.scale, dk);
    store_tile(a, o.dv, to_v, c0, width_of(a.dv, c0), 1.0f, dv);
}

/* blockIdx.x: tiles of queries of all groups, the longest first; y: columns. */
template <typename T> __global__ void attend_queries_vjp_kernel(const __grid_constant__ gradient o)
{
    SHARED(float, buffer, BUFFER);
    SHARED(float, ds, SQUARE);
    const attending &a = o.a;
    const int64_t    all = a.batch * a.groups, b = blockIdx.x % all / a.groups, g = blockIdx.x % a.groups;
    const int64_t    tiles = (a.rows + TILE - 1) / TILE, row0 = (tiles - 1 - blockIdx.x / all) * TILE;
    const int64_t    last = row0 + TILE < a.rows ? row0 + TILE - 1 : a.rows - 1;
    const int        c0 = (int)blockIdx.y * COLUMNS, width = width_of(a.d, c0);
    sight            s;
    if (!sight_of(a, b, &s)) return;
    const int64_t k = head_at(a, a.k, b, g), v = head_at(a, a.v, b, g);
    const int64_t mask = a.mask.data ? head_at(a, a.mask, b, g * a.rep) : 0;
    const rows_of rows = {&a.q, head_at(a, a.q, b, g * a.rep), row0, a.rows - row0, true};
    const rows_of of_dy = {&a.dy, head_at(a, a.dy, b, g * a.rep), row0, rows.n, true};
    const int64_t end = last_seen(a, s, last / a.rep);
    float         dq[PER][WIDE] = {};
    for (int64_t key0 = first_seen(a, s, row0 / a.rep) / TILE * TILE; key0 < end; key0 += TILE) {
        const rows_of keys = {&a.k, k, key0, s.seen - key0, false}, values = {&a.v, v, key0, keys.n, false};
        tile_gradients<T, false>(o, s, buffer, ds, ds, rows, of_dy, keys, values, b, g, mask);
        accumulate<T, false>(a, ds, buffer, keys, c0, width, dq);
    }
    const rows_of to = {&o.dq, head_at(a, o.dq, b, g * a.rep), row0, rows.n, true};
    store_tile(a, o.dq, to, c0, width, a.scale, dq);
}

size_t CUDA(attend_vjp_scratch)(const wk_call *k)
{
    const attending a = attending_of(k);
    return (size_t)(a.batch * a.groups * a.rows) * sizeof(float);
}

/* in: as attend, then the result, the rows' sums, the result's gradient; out: of q, k, v */
wk_status CUDA(attend_vjp)(const wk_call *k)
{
    gradient o;
    memset((void *)&o, 0, sizeof o);
    o.a = attending_of(k);
    heads_of(&o.a.y, k->in[5]);
    heads_of(&o.a.dy, k->in[7]);
    heads_of(&o.dq, k->out[0]);
    heads_of(&o.dk, k->out[1]);
    heads_of(&o.dv, k->out[2]);
    o.a.lse = (float *)wki_data(k->in[6]);
    o.mean = (const float *)k->scratch;
    if (!wki_cuda_all_plain(k)) return WK_EDTYPE;
    const attending &a = o.a;
    const int64_t    all = a.batch * a.groups, rows = all * a.rows;
    const unsigned   across = blocks_for(a.d > a.dv ? a.d : a.dv, COLUMNS);
    if (rows > 0) WK_TRY(launch(k, attend_mean_kernel, blocks_for(rows, 4), 128, 0, a, (float *)k->scratch));
    const dim3 by_keys((unsigned)((a.keys + TILE - 1) / TILE * all), across);
    const dim3 by_rows((unsigned)((a.rows + TILE - 1) / TILE * all), blocks_for(a.d, COLUMNS));
    WITH_HEADS(a, {
        if (a.keys * all > 0) WK_TRY(launch(k, attend_keys_vjp_kernel<T>, by_keys, 256, 0, o));
        if (rows > 0) WK_TRY(launch(k, attend_queries_vjp_kernel<T>, by_rows, 256, 0, o));
    });
    return WK_OK;
}
