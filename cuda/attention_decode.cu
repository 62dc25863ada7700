/* Attention of few rows (decoding): keys and values are read once, in their own format, for all query heads
 * of a group; the keys that are seen are split among blocks, and the parts added up in order by a second
 * kernel, so that results depend on sizes and lengths alone. */
#include "cuda/attend.cuh"

enum { THREADS = 128, SPAN = 128, TEAM = 8, MOST_SPLITS = 64, LEAST_KEYS = 256 };

struct splitting {
    int64_t splits;
    int     width;      /* of a query in shared memory */
    bool    k_ok, v_ok; /* pieces of eight values lie at multiples of their size */
    float  *parts;      /* [item][row]: largest score, sum, weighted values; or nothing */
};

/* Eight values from element `at`, n of which exist. */
template <typename T> struct eight {
    static DEVICE void of(const heads &x, int64_t at, int n, bool aligned, float (&v)[8])
    {
        const T *p = (const T *)(const void *)x.data + at;
        if (n >= 8 && aligned) {
            float half[16 / sizeof(T)];
#pragma unroll
            for (int i = 0; i < 8; i += 16 / (int)sizeof(T)) {
                load_pack<float>(p + i, 16 / (int)sizeof(T), half);
#pragma unroll
                for (int e = 0; e < 16 / (int)sizeof(T); e++) v[i + e] = half[e];
            }
            return;
        }
#pragma unroll
        for (int i = 0; i < 8; i++) v[i] = i < n ? element<float>(p + i) : 0.0f;
    }
};
template <> struct eight<any_type> {
    static DEVICE void of(const heads &x, int64_t at, int n, bool, float (&v)[8])
    {
        for (int i = 0; i < 8; i++) v[i] = i < n ? load_value(x.data, x.dtype, at + i) : 0.0f;
    }
};
template <> struct eight<q8_0_type> { /* rows are whole blocks, so eight values lie in one */
    static DEVICE void of(const heads &x, int64_t at, int, bool, float (&v)[8])
    {
        const uint8_t  *b = (const uint8_t *)x.data + at / 32 * 34;
        const uint16_t *pairs = (const uint16_t *)(const void *)(b + 2 + at % 32);
        const float     d = block_scale(b);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            v[2 * i] = d * (float)(int8_t)(pairs[i] & 255);
            v[2 * i + 1] = d * (float)(int8_t)(pairs[i] >> 8);
        }
    }
};
template <> struct eight<q4_0_type> { /* low halves of the bytes first, then high halves */
    static DEVICE void of(const heads &x, int64_t at, int, bool, float (&v)[8])
    {
        const uint8_t  *b = (const uint8_t *)x.data + at / 32 * 18;
        const uint16_t *pairs = (const uint16_t *)(const void *)(b + 2 + at % 16);
        const float     d = block_scale(b);
        const int       shift = at % 32 < 16 ? 0 : 4;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            v[2 * i] = d * (float)((pairs[i] >> shift & 15) - 8);
            v[2 * i + 1] = d * (float)((pairs[i] >> (8 + shift) & 15) - 8);
        }
    }
};

/* Where value e of a query lies: the lanes of a team read four values each side by side. */
DEVICE int query_place(int e)
{
    return e / 64 * 64 + e % 8 / 4 * 32 + e % 64 / 8 * 4 + e % 4;
}

template <int R, typename A>
DEVICE void load_queries(const attending &a, const splitting &p, A &q, int64_t at)
{
    for (int e = (int)threadIdx.x; e < R * p.width; e += THREADS) {
        const int  r = e / p.width, i = e % p.width;
        const bool in = r < a.rows && i < a.d;
        q[r * p.width + query_place(i)] =
            in ? a.scale * load_any<float>(a.q.data, a.q.dtype, row_at(a, a.q, at, r) + i) : 0.0f;
    }
}

/* Blocks that share a multiprocessor: few enough that nothing spills. */
template <typename T, int R> struct blocks_of {
    enum { N = R == 1 ? 4 : R == 4 ? 3 : 2 };
};
template <int R> struct blocks_of<any_type, R> {
    enum { N = 2 };
};

/* Values whose loads are under way at a time. */
template <typename T, int R> struct in_flight {
    enum { N = R == 1 ? 4 : 2 };
};
template <int R> struct in_flight<q8_0_type, R> {
    enum { N = 2 };
};
template <int R> struct in_flight<q4_0_type, R> {
    enum { N = 2 };
};
template <int R> struct in_flight<any_type, R> {
    enum { N = 1 };
};

/* Keys a team has at once. */
template <int R> struct at_once {
    enum { N = R > 4 ? 2 : 4 };
};

/* Scores of keys key0 .. key0 + n: a team of lanes has some keys at once, each lane eight columns of 64. */
template <typename T, int R, typename A, typename B>
DEVICE void scores(const attending &a, const splitting &p, A &q, B &w, int64_t k, int64_t key0, int n)
{
    enum { AT_ONCE = at_once<R>::N };
    const int team = (int)threadIdx.x / TEAM, lane = (int)threadIdx.x % TEAM;
    for (int base = team; base < SPAN; base += THREADS / TEAM * AT_ONCE) {
        float x[R][AT_ONCE] = {};
        for (int d0 = 0; d0 < a.d; d0 += TEAM * 8) {
            const int c = d0 + lane * 8;
            float     v[AT_ONCE][8];
#pragma unroll
            for (int u = 0; u < AT_ONCE; u++) {
                const int key = base + u * (THREADS / TEAM);
                if (key < n && c < a.d)
                    eight<T>::of(a.k, k + (key0 + key) * a.k.row + c, a.d - c, p.k_ok, v[u]);
                else
                    spread(0.0f, v[u]);
            }
#pragma unroll
            for (int r = 0; r < R; r++) {
                const float4 low = *(const float4 *)(const void *)&q[r * p.width + d0 + lane * 4];
                const float4 high = *(const float4 *)(const void *)&q[r * p.width + d0 + 32 + lane * 4];
#pragma unroll
                for (int u = 0; u < AT_ONCE; u++) {
                    const float *f = v[u];
                    x[r][u] = fmaf(low.x, f[0], fmaf(low.y, f[1], fmaf(low.z, f[2], x[r][u])));
                    x[r][u] = fmaf(low.w, f[3], fmaf(high.x, f[4], fmaf(high.y, f[5], x[r][u])));
                    x[r][u] = fmaf(high.z, f[6], fmaf(high.w, f[7], x[r][u]));
                }
            }
        }
#pragma unroll
        for (int r = 0; r < R; r++)
#pragma unroll
            for (int u = 0; u < AT_ONCE; u++) {
                float v = x[r][u];
#pragma unroll
                for (int step = TEAM / 2; step > 0; step /= 2) v += __shfl_xor_sync(FULL_WARP, v, step);
                if (lane == u) w[r * SPAN + base + u * (THREADS / TEAM)] = v;
            }
    }
}

/* Scores, limited, to weights; each row's largest score, its sum, and the factor of what was there before. */
template <int R, typename A, typename B>
DEVICE void soften(const attending &a, const sight &s, A &w, B &most, B &sum, B &factor, int64_t mask,
                   int64_t key0, int n)
{
    const int lane = (int)threadIdx.x % 32;
    for (int r = (int)threadIdx.x / 32; r < R; r += THREADS / 32) {
        const int64_t t = r / a.rep, from = first_seen(a, s, t) - key0, to = last_seen(a, s, t) - key0;
        const int64_t at = a.mask.data && r < a.rows ? row_at(a, a.mask, mask, r) : 0;
        const float   before = most[r];
        float         x[SPAN / 32], top = before, all = 0.0f;
#pragma unroll
        for (int i = 0; i < SPAN / 32; i++) {
            const int key = lane + 32 * i;
            x[i] = w[r * SPAN + key];
            if (a.softcap > 0.0f) x[i] = capped(x[i], a.softcap);
            if (r >= a.rows || key >= n || key < from || key >= to)
                x[i] = -INFINITY;
            else if (a.mask.data)
                x[i] = with_mask(a, at, key0 + key, x[i]);
            top = fmaxf(top, x[i]);
        }
        top = warp_fold<larger>(top);
        const float base = top == -INFINITY ? 0.0f : top, old = expf(before - base);
#pragma unroll
        for (int i = 0; i < SPAN / 32; i++) {
            x[i] = expf(x[i] - base);
            w[r * SPAN + lane + 32 * i] = x[i];
            all += x[i];
        }
        all = warp_fold<plus>(all);
        if (lane == 0) {
            most[r] = top;
            factor[r] = old;
            sum[r] = sum[r] * old + all;
        }
    }
}

/* Results are f32, f16 or bf16 where they are not merged. */
DEVICE void put(const heads &y, int64_t at, float v)
{
    if (y.dtype == WK_f32)
        ((float *)(void *)y.data)[at] = v;
    else if (y.dtype == WK_f16)
        ((f16 *)(void *)y.data)[at] = element_of<f16>::value(v);
    else
        ((bf16 *)(void *)y.data)[at] = element_of<bf16>::value(v);
}

/* blockIdx.x: the splits of all groups. */
template <typename T, int R>
__global__ void __launch_bounds__(THREADS, blocks_of<T, R>::N)
    attend_few_kernel(const __grid_constant__ attending a, const __grid_constant__ splitting p)
{
    enum { WEIGHTS = R * SPAN, EIGHTS = THREADS * 8, AT_A_TIME = in_flight<T, R>::N };
    SHARED_DYNAMIC(float, q);
    SHARED(float, w, WEIGHTS);
    SHARED(float, most, R);
    SHARED(float, sum, R);
    SHARED(float, factor, R);
    SHARED(float, added, EIGHTS);
    const int64_t item = blockIdx.x, split = item % p.splits, head = item / p.splits;
    const int64_t b = head / a.groups, g = head % a.groups;
    sight         s;
    if (!sight_of(a, b, &s)) return;
    const int64_t k = head_at(a, a.k, b, g), v = head_at(a, a.v, b, g);
    const int64_t mask = a.mask.data ? head_at(a, a.mask, b, g * a.rep) : 0;
    const int64_t from = first_seen(a, s, 0), to = last_seen(a, s, a.queries - 1);
    int64_t       each = ((to - from) + p.splits - 1) / p.splits;
    each = each < LEAST_KEYS ? (int64_t)LEAST_KEYS : (each + SPAN - 1) / SPAN * SPAN;
    const int64_t begin = from + split * each, end = begin + each < to ? begin + each : to;
    const int     per_row = (a.dv + 7) / 8, teams = THREADS / per_row;
    const int     team = (int)threadIdx.x / per_row, column = (int)threadIdx.x % per_row * 8;
    float         o[R][8] = {};
    load_queries<R>(a, p, q, head_at(a, a.q, b, g * a.rep));
    if ((int)threadIdx.x < R) {
        most[threadIdx.x] = -INFINITY;
        sum[threadIdx.x] = 0.0f;
    }
    __syncthreads();
    for (int64_t key0 = begin; key0 < end; key0 += SPAN) {
        const int n = end - key0 < SPAN ? (int)(end - key0) : (int)SPAN;
        scores<T, R>(a, p, q, w, k, key0, n);
        __syncthreads();
        soften<R>(a, s, w, most, sum, factor, mask, key0, n);
        __syncthreads();
        if (team < teams) {
#pragma unroll
            for (int r = 0; r < R; r++)
#pragma unroll
                for (int e = 0; e < 8; e++) o[r][e] *= factor[r];
#pragma unroll(AT_A_TIME)
            for (int key = team; key < n; key += teams) {
                float x[8];
                eight<T>::of(a.v, v + (key0 + key) * a.v.row + column, a.dv - column, p.v_ok, x);
#pragma unroll
                for (int r = 0; r < R; r++)
#pragma unroll
                    for (int e = 0; e < 8; e++) o[r][e] = fmaf(w[r * SPAN + key], x[e], o[r][e]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < R; r++) { /* what the teams have, added up in order */
        if (r >= a.rows) break;
        if (team < teams)
#pragma unroll
            for (int e = 0; e < 8; e++) added[team * per_row * 8 + column + e] = o[r][e];
        __syncthreads();
        const float   scale = p.parts ? 1.0f : sum[r] == 0.0f ? 0.0f : 1.0f / sum[r];
        float *const  part = p.parts ? p.parts + (item * a.rows + r) * (a.dv + 2) : nullptr;
        const int64_t y = p.parts ? 0 : row_at(a, a.y, head_at(a, a.y, b, g * a.rep), r);
        for (int c = (int)threadIdx.x; c < a.dv; c += THREADS) {
            float all = 0.0f;
            for (int i = 0; i < teams; i++) all += added[i * per_row * 8 + c];
            if (part)
                part[2 + c] = all;
            else
                put(a.y, y + c, all * scale);
        }
        if (threadIdx.x == 0 && part) {
            part[0] = most[r];
            part[1] = sum[r];
        } else if (threadIdx.x == 0 && a.lse) {
            a.lse[sum_at(a, b, g, r)] = sum[r] == 0.0f ? -INFINITY : most[r] + logf(sum[r]);
        }
        __syncthreads();
    }
}

/* A row's parts, in order, as one. */
__global__ void attend_merge_kernel(const __grid_constant__ attending a, const __grid_constant__ splitting p)
{
    const int64_t head = blockIdx.x / a.rows, r = blockIdx.x % a.rows, step = a.rows * (a.dv + 2);
    const int64_t b = head / a.groups, g = head % a.groups;
    const float  *parts = p.parts + head * p.splits * step + r * (a.dv + 2);
    float         most = -INFINITY, sum = 0.0f;
    sight         s;
    if (!sight_of(a, b, &s)) return;
    for (int64_t i = 0; i < p.splits; i++) most = fmaxf(most, parts[i * step]);
    const float base = most == -INFINITY ? 0.0f : most;
    for (int64_t i = 0; i < p.splits; i++) sum += expf(parts[i * step] - base) * parts[i * step + 1];
    const float   scale = sum == 0.0f ? 0.0f : 1.0f / sum;
    const int64_t y = row_at(a, a.y, head_at(a, a.y, b, g * a.rep), r);
    for (int c = (int)threadIdx.x; c < a.dv; c += THREADS) {
        float all = 0.0f;
        for (int64_t i = 0; i < p.splits; i++)
            all = fmaf(expf(parts[i * step] - base), parts[i * step + 2 + c], all);
        store_any<float>(a.y.data, a.y.dtype, y + c, all * scale);
    }
    if (threadIdx.x == 0 && a.lse) a.lse[sum_at(a, b, g, r)] = sum == 0.0f ? -INFINITY : most + logf(sum);
}

/* ---- the host ---- */

static int most_rows(int64_t rows)
{
    return rows <= 1 ? 1 : rows <= 4 ? 4 : rows <= 8 ? 8 : (int)FEW_ROWS;
}
static int query_width(const attending &a)
{
    return (a.d + 63) / 64 * 64;
}

bool wki_cuda_attend_few_fits(const attending &a)
{
    return a.rows <= FEW_ROWS && common_mask(a) && a.dv <= THREADS * 8 &&
           most_rows(a.rows) * query_width(a) <= 8192;
}

static int64_t splits_of(const wk_call *k, const attending &a)
{
    const int64_t items = a.batch * a.groups, enough = 2 * wki_cuda_multiprocessors(k->device);
    const int64_t shared = (enough + items - 1) / items, by_length = (a.keys + LEAST_KEYS - 1) / LEAST_KEYS;
    const int64_t splits = shared < by_length ? shared : by_length;
    return splits > MOST_SPLITS ? (int64_t)MOST_SPLITS : splits < 1 ? 1 : splits;
}

static bool in_parts(const wk_call *k, int64_t splits)
{
    const wk_dtype t = k->out[0]->dtype;
    return splits > 1 || (t != WK_f32 && t != WK_f16 && t != WK_bf16);
}

size_t wki_cuda_attend_few_scratch(const wk_call *k, const attending &a)
{
    const int64_t splits = splits_of(k, a);
    return !in_parts(k, splits) ? 0
                                : (size_t)(splits * a.batch * a.groups * a.rows * (a.dv + 2)) * sizeof(float);
}

static bool in_eights(const attending &a, const heads &x)
{
    if (!wki_cuda_plain((wk_dtype)x.dtype)) return true;
    const int64_t unit = 16 / wki_cuda_bytes((wk_dtype)x.dtype);
    bool          ok = (uintptr_t)x.data % 16 == 0 && unit > 0 && x.row % unit == 0 && x.head % unit == 0;
    for (int i = 0; i < a.n_lead && ok; i++) ok = x.lead[i] % unit == 0;
    return ok;
}

template <typename T> static wk_status run(const wk_call *k, const attending &a, const splitting &p)
{
    const unsigned blocks = (unsigned)(p.splits * a.batch * a.groups);
    const int      rows = most_rows(a.rows);
    const size_t   shared = (size_t)(rows * p.width) * sizeof(float);
    if (rows == 1) return launch(k, attend_few_kernel<T, 1>, blocks, THREADS, shared, a, p);
    if (rows == 4) return launch(k, attend_few_kernel<T, 4>, blocks, THREADS, shared, a, p);
    if (rows == 8) return launch(k, attend_few_kernel<T, 8>, blocks, THREADS, shared, a, p);
    return launch(k, attend_few_kernel<T, FEW_ROWS>, blocks, THREADS, shared, a, p);
}

wk_status wki_cuda_attend_few(const wk_call *k, const attending &a)
{
    const int t = a.k.dtype == a.v.dtype ? a.k.dtype : -1;
    splitting p;
    memset((void *)&p, 0, sizeof p);
    p.splits = splits_of(k, a);
    p.width = query_width(a);
    p.k_ok = in_eights(a, a.k);
    p.v_ok = in_eights(a, a.v);
    p.parts = in_parts(k, p.splits) ? (float *)k->scratch : nullptr;
    WK_TRY(t == WK_f32    ? run<float>(k, a, p)
           : t == WK_bf16 ? run<bf16>(k, a, p)
           : t == WK_f16  ? run<f16>(k, a, p)
           : t == WK_q8_0 ? run<q8_0_type>(k, a, p)
           : t == WK_q4_0 ? run<q4_0_type>(k, a, p)
                          : run<any_type>(k, a, p));
    if (!p.parts) return WK_OK;
    const unsigned rows = (unsigned)(a.batch * a.groups * a.rows);
    return launch(k, attend_merge_kernel, rows, THREADS, 0, a, p);
}
