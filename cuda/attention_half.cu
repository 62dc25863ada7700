/* Attention of many rows of f16 or bf16 on the matrix units, softmax and sums in f32 (arXiv:2205.14135,
 * 2307.08691): a block has 64 or 128 rows, its warps 16 or 32 each; keys and values arrive in shared memory
 * in two stages, one being filled while the other is used. */
#include "cuda/attend.cuh"
#include "cuda/mma.cuh"

#define LOG2E 1.4426950408889634f

/* W: columns of a row in shared memory. MT: tiles of 16 rows that a warp has. */
template <int W> struct shape {
    enum {
        WARPS = 4,
        THREADS = 32 * WARPS,
        MT = W <= 128 ? 2 : 1,
        ROWS = 16 * MT * WARPS,
        KEYS = W <= 64 ? 64 : 32,
        NT = KEYS / 8,
        VALUES = ROWS * W + 4 * KEYS * W, /* the queries, two stages of keys and of values */
    };
};

/* Rows of n columns of 16-bit values into shared memory, W wide; columns and rows that do not exist are 0.
 * at(i): element where row i begins, or -1. */
template <int W, typename T, typename F>
DEVICE void fetch_rows(T *to, const char *from, int rows, int n, const F &at)
{
    for (int e = (int)threadIdx.x; e < rows * (W / 8); e += (int)blockDim.x) {
        const int     row = e / (W / 8), c = e % (W / 8);
        const int64_t place = at(row);
        T            *piece = to + piece_at<W>(row, c);
        if (place >= 0 && c * 8 < n)
            copy_async<16>(piece, (const T *)(const void *)from + place + c * 8);
        else
            *(uint4 *)(void *)piece = {0, 0, 0, 0};
    }
}

template <int W> struct warp_state {
    float o[shape<W>::MT][W / 8][4], most[shape<W>::MT][2], sum[shape<W>::MT][2];
};
template <int W> struct warp_scores {
    float x[shape<W>::MT][shape<W>::NT][4];
};

/* Scores of the warp's rows, which begin at row0 of the block's, with a tile of keys. */
template <int W, typename T>
DEVICE void multiply_keys(warp_scores<W> &s, const T *q, const T *k, int row0, int d)
{
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int m = 0; m < shape<W>::MT; m++)
#pragma unroll
        for (int n = 0; n < shape<W>::NT; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) s.x[m][n][e] = 0.0f;
#pragma unroll
    for (int c = 0; c < W / 8; c += 2) {
        if (c * 8 >= d) break;
        uint32_t a[shape<W>::MT][4];
#pragma unroll
        for (int m = 0; m < shape<W>::MT; m++)
            warp_load(a[m], q + piece_at<W>(row0 + 16 * m + lane % 16, c + lane / 16));
#pragma unroll
        for (int n = 0; n < shape<W>::NT; n += 2) {
            uint32_t b[4];
            warp_load(b, k + piece_at<W>(8 * n + lane % 8 + lane / 16 * 8, c + lane / 8 % 2));
#pragma unroll
            for (int m = 0; m < shape<W>::MT; m++) {
                warp_multiply(s.x[m][n], a[m], b[0], b[1], T());
                warp_multiply(s.x[m][n + 1], a[m], b[2], b[3], T());
            }
        }
    }
}

/* o += weights by values. */
template <int W, typename T>
DEVICE void multiply_values(warp_state<W> &w, const warp_scores<W> &s, const T *v, int dv)
{
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < shape<W>::NT; n += 2) {
        uint32_t a[shape<W>::MT][4];
#pragma unroll
        for (int m = 0; m < shape<W>::MT; m++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                a[m][i] = packed<T>(s.x[m][n + i / 2][i % 2 * 2], s.x[m][n + i / 2][i % 2 * 2 + 1]);
#pragma unroll
        for (int c = 0; c < W / 8; c += 2) {
            if (c * 8 >= dv) break;
            uint32_t b[4];
            warp_load_turned(b, v + piece_at<W>(8 * n + lane % 16, c + lane / 16));
#pragma unroll
            for (int m = 0; m < shape<W>::MT; m++) {
                warp_multiply(w.o[m][c], a[m], b[0], b[1], T());
                warp_multiply(w.o[m][c + 1], a[m], b[2], b[3], T());
            }
        }
    }
}

template <int W, typename M>
DEVICE void add_mask(const attending &a, const sight &s, warp_scores<W> &x, int64_t row0, int64_t key0,
                     int64_t mask)
{
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int m = 0; m < shape<W>::MT; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int64_t r = row0 + 16 * m + lane / 4 + h * 8, key = key0 + lane % 4 * 2;
            if (r >= a.rows) continue;
            const int64_t at = row_at(a, a.mask, mask, r) + key;
#pragma unroll
            for (int n = 0; n < shape<W>::NT; n++)
#pragma unroll
                for (int e = 0; e < 2; e++)
                    if (key + 8 * n + e < s.seen)
                        x.x[m][n][2 * h + e] = masked<M>(a, at + 8 * n + e, x.x[m][n][2 * h + e]);
        }
}

/* Scaled, capped and masked scores, where there is more than a factor to them. */
template <int W>
DEVICE void adjust(const attending &a, const sight &s, warp_scores<W> &x, int64_t row0, int64_t key0,
                   int64_t mask)
{
#pragma unroll
    for (int m = 0; m < shape<W>::MT; m++)
#pragma unroll
        for (int n = 0; n < shape<W>::NT; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                x.x[m][n][e] *= a.scale;
                if (a.softcap > 0.0f) x.x[m][n][e] = capped(x.x[m][n][e], a.softcap);
            }
    if (!a.mask.data) return;
    if (a.mask.dtype == WK_bool)
        add_mask<W, bool8>(a, s, x, row0, key0, mask);
    else if (a.mask.dtype == WK_f32)
        add_mask<W, float>(a, s, x, row0, key0, mask);
    else if (a.mask.dtype == WK_f16)
        add_mask<W, f16>(a, s, x, row0, key0, mask);
    else
        add_mask<W, bf16>(a, s, x, row0, key0, mask);
}

/* No weight for keys that a row does not see. */
template <int W>
DEVICE void limit(const attending &a, const sight &s, warp_scores<W> &x, int64_t row0, int64_t key0)
{
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int m = 0; m < shape<W>::MT; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int64_t r = row0 + 16 * m + lane / 4 + h * 8, t = (r < a.rows ? r : a.rows - 1) / a.rep;
            const int64_t from = first_seen(a, s, t) - key0, to = last_seen(a, s, t) - key0;
            if (from <= 0 && to >= shape<W>::KEYS) continue;
#pragma unroll
            for (int n = 0; n < shape<W>::NT; n++)
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    const int key = 8 * n + lane % 4 * 2 + e;
                    if (key < from || key >= to) x.x[m][n][2 * h + e] = -INFINITY;
                }
        }
}

/* Scores to weights, the state to the new largest score; scale turns scores into exponents of two. */
template <int W> DEVICE void soften(warp_state<W> &w, warp_scores<W> &s, float scale)
{
#pragma unroll
    for (int m = 0; m < shape<W>::MT; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float top = -INFINITY, sum = 0.0f;
#pragma unroll
            for (int n = 0; n < shape<W>::NT; n++)
                top = fmaxf(top, fmaxf(s.x[m][n][2 * h], s.x[m][n][2 * h + 1]));
            top = fmaxf(top, __shfl_xor_sync(FULL_WARP, top, 1));
            top = fmaxf(top, __shfl_xor_sync(FULL_WARP, top, 2));
            top = fmaxf(w.most[m][h], top * scale);
            const float base = top == -INFINITY ? 0.0f : top, factor = exp2f(w.most[m][h] - base);
#pragma unroll
            for (int n = 0; n < shape<W>::NT; n++)
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    const float p = exp2f(fmaf(s.x[m][n][2 * h + e], scale, -base));
                    s.x[m][n][2 * h + e] = p;
                    sum += p;
                }
            w.sum[m][h] = w.sum[m][h] * factor + sum; /* of this lane's keys; lanes are added up at the end */
            w.most[m][h] = top;
#pragma unroll
            for (int n = 0; n < W / 8; n++) {
                w.o[m][n][2 * h] *= factor;
                w.o[m][n][2 * h + 1] *= factor;
            }
        }
}

/* The warp's results, through its own rows of shared memory so that 16 bytes go out at a time. */
template <int W, typename T>
DEVICE void finish(const attending &a, warp_state<W> &w, T *rows, int first, int64_t row0, int64_t b,
                   int64_t g)
{
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int m = 0; m < shape<W>::MT; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float sum = w.sum[m][h];
            sum += __shfl_xor_sync(FULL_WARP, sum, 1);
            sum += __shfl_xor_sync(FULL_WARP, sum, 2);
            const int     row = first + 16 * m + lane / 4 + 8 * h;
            const int64_t r = row0 + row;
            const float   scale = sum == 0.0f ? 0.0f : 1.0f / sum;
#pragma unroll
            for (int n = 0; n < W / 8; n++)
                *(uint32_t *)(void *)(rows + piece_at<W>(row, n) + lane % 4 * 2) =
                    packed<T>(w.o[m][n][2 * h] * scale, w.o[m][n][2 * h + 1] * scale);
            if (a.lse && lane % 4 == 0 && r < a.rows)
                a.lse[sum_at(a, b, g, r)] =
                    sum == 0.0f ? -INFINITY : (w.most[m][h] + log2f(sum)) * 0.6931471805599453f;
        }
    __syncwarp();
    const int64_t y = head_at(a, a.y, b, g * a.rep);
    for (int e = lane; e < 16 * shape<W>::MT * (W / 8); e += 32) {
        const int     row = first + e / (W / 8), c = e % (W / 8);
        const int64_t r = row0 + row;
        if (r < a.rows && c * 8 < a.dv)
            *(uint4 *)(void *)((T *)(void *)a.y.data + row_at(a, a.y, y, r) + c * 8) =
                *(const uint4 *)(const void *)(rows + piece_at<W>(row, c));
    }
}

template <int W, typename T>
__global__ void __launch_bounds__(shape<W>::THREADS, 2)
    attend_half_kernel(const __grid_constant__ attending a)
{
    enum { ROWS = shape<W>::ROWS, KEYS = shape<W>::KEYS, OWN = 16 * shape<W>::MT };
    SHARED_DYNAMIC(T, memory);
    T *const tq = memory, *const stages = tq + ROWS * W;
    const int64_t tiles = (a.rows + ROWS - 1) / ROWS, heads = a.batch * a.groups;
    const int64_t b = blockIdx.x % heads / a.groups, g = blockIdx.x % a.groups;
    const int64_t row0 = (tiles - 1 - blockIdx.x / heads) * ROWS; /* the longest first */
    const int     first = (int)threadIdx.x / 32 * OWN;
    const int64_t mine = row0 + first, last_mine = mine + OWN < a.rows ? mine + OWN - 1 : a.rows - 1;
    const int64_t last = row0 + ROWS < a.rows ? row0 + ROWS - 1 : a.rows - 1;
    sight         s;
    if (!sight_of(a, b, &s)) return;
    const int64_t k = head_at(a, a.k, b, g), v = head_at(a, a.v, b, g), q = head_at(a, a.q, b, g * a.rep);
    const int64_t mask = a.mask.data ? head_at(a, a.mask, b, g * a.rep) : 0;
    const int64_t begin = first_seen(a, s, row0 / a.rep) / KEYS * KEYS, end = last_seen(a, s, last / a.rep);
    const bool    adjusts = a.softcap > 0.0f || a.mask.data;
    const float   scale = adjusts ? LOG2E : a.scale * LOG2E;
    const auto    fetch = [&](int64_t key0, int stage) {
        T *const to = stages + stage * 2 * KEYS * W;
        fetch_rows<W>(to, a.k.data, KEYS, a.d,
                      [&](int i) { return key0 + i < s.seen ? k + (key0 + i) * a.k.row : (int64_t)-1; });
        fetch_rows<W>(to + KEYS * W, a.v.data, KEYS, a.dv,
                      [&](int i) { return key0 + i < s.seen ? v + (key0 + i) * a.v.row : (int64_t)-1; });
        copy_async_commit();
    };
    fetch_rows<W>(tq, a.q.data, ROWS, a.d,
                  [&](int i) { return row0 + i < a.rows ? row_at(a, a.q, q, row0 + i) : (int64_t)-1; });
    if (begin < end) fetch(begin, 0);
    copy_async_commit();
    warp_state<W> w;
#pragma unroll
    for (int m = 0; m < shape<W>::MT; m++) {
#pragma unroll
        for (int h = 0; h < 2; h++) w.most[m][h] = -INFINITY, w.sum[m][h] = 0.0f;
#pragma unroll
        for (int n = 0; n < W / 8; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) w.o[m][n][e] = 0.0f;
    }
    const int64_t from = mine < a.rows ? first_seen(a, s, mine / a.rep) : 0;
    const int64_t to = mine < a.rows ? last_seen(a, s, last_mine / a.rep) : 0;
    int           stage = 0;
    for (int64_t key0 = begin; key0 < end; key0 += KEYS, stage ^= 1) {
        copy_async_wait<0>();
        __syncthreads(); /* this tile is there, and nobody uses the other stage any more */
        if (key0 + KEYS < end) fetch(key0 + KEYS, stage ^ 1);
        if (key0 >= to || key0 + KEYS <= from) continue;
        const T *const tk = stages + stage * 2 * KEYS * W;
        warp_scores<W> x;
        multiply_keys<W>(x, tq, tk, first, a.d);
        if (adjusts) adjust<W>(a, s, x, mine, key0, mask);
        limit<W>(a, s, x, mine, key0);
        soften<W>(w, x, scale);
        multiply_values<W>(w, x, tk + KEYS * W, a.dv);
    }
    copy_async_wait<0>();
    __syncthreads();
    finish<W>(a, w, tq, first, row0, b, g);
}

/* ---- the host ---- */

/* Do rows of x begin at multiples of 16 bytes? */
static bool in_pieces(const attending &a, const heads &x)
{
    bool ok = (uintptr_t)x.data % 16 == 0 && x.row % 8 == 0 && x.head % 8 == 0;
    for (int i = 0; i < a.n_lead; i++) ok &= x.lead[i] % 8 == 0;
    return ok;
}

static size_t shared_bytes(int width)
{
    const size_t values = width <= 32    ? (size_t)shape<32>::VALUES
                          : width <= 64  ? (size_t)shape<64>::VALUES
                          : width <= 96  ? (size_t)shape<96>::VALUES
                          : width <= 128 ? (size_t)shape<128>::VALUES
                                         : (size_t)shape<256>::VALUES;
    return 2 * values;
}

bool wki_cuda_attend_half_fits(const wk_call *k, const attending &a)
{
    const int width = a.d > a.dv ? a.d : a.dv, t = a.q.dtype;
    if (k->precise || (t != WK_f16 && t != WK_bf16) || a.k.dtype != t || a.v.dtype != t) return false;
    if (wki_cuda_architecture(k->device) < (t == WK_f16 ? 75 : 80) || width > 256) return false;
    if (!common_mask(a)) return false;
    if (shared_bytes(width) > wki_cuda_shared_limit(k->device)) return false;
    return a.d % 8 == 0 && a.dv % 8 == 0 && in_pieces(a, a.q) && in_pieces(a, a.k) && in_pieces(a, a.v) &&
           in_pieces(a, a.y);
}

template <int W> static wk_status run(const wk_call *k, const attending &a)
{
    const int64_t  tiles = (a.rows + shape<W>::ROWS - 1) / shape<W>::ROWS;
    const unsigned blocks = (unsigned)(tiles * a.batch * a.groups);
    const size_t   bytes = 2 * (size_t)shape<W>::VALUES;
    if (a.q.dtype == WK_bf16)
        return launch(k, attend_half_kernel<W, bf16>, blocks, shape<W>::THREADS, bytes, a);
    return launch(k, attend_half_kernel<W, f16>, blocks, shape<W>::THREADS, bytes, a);
}

wk_status wki_cuda_attend_half(const wk_call *k, const attending &a)
{
    const int width = a.d > a.dv ? a.d : a.dv;
    if (width <= 32) return run<32>(k, a);
    if (width <= 64) return run<64>(k, a);
    if (width <= 96) return run<96>(k, a);
    if (width <= 128) return run<128>(k, a);
    return run<256>(k, a);
}
