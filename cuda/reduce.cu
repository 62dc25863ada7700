/* Reductions: one pass over the values of a result, whose states are joined in a fixed order. A thread
 * makes a whole result where there are few values or results lie side by side; else a block does; where
 * results are few, several blocks leave states in scratch that a second kernel joins. */
#include "cuda/reduce.cuh"

struct reduction {
    walk<1> kept, reduced;
    void   *y;
    int     y_dtype, kind;
    int64_t chunk, chunks; /* of the reduced values */
    double  correction, power;
};

template <typename C> __device__ __noinline__ C result(const reduction &r, const state<C> &s)
{
    const double count = (double)r.reduced.n, rest = count - r.correction;
    const double variance = (double)(s.b + (s.a - s.a)) / (rest > 0 ? rest : 0); /* of nothing 0 / 0 */
    switch (r.kind) {
    case VARIANCE:
        return (C)variance;
    case DEVIATION:
        return (C)sqrt(variance);
    case EXPONENTIALS:
        return s.a == lowest_of<C>() || s.a == highest_of<C>() || is_nan(s.a)
                   ? s.a
                   : (C)(log((double)s.b) + (double)s.a);
    case MEAN:
        return (C)((double)s.a / count);
    case SQUARES:
        return (C)sqrt((double)s.a);
    case POWERS:
        return (C)pow((double)s.a, 1 / r.power);
    default:
        return s.a;
    }
}

template <typename C> DEVICE void put(const reduction &r, int64_t at, const state<C> &s)
{
    if (r.kind >= ARG_MOST)
        ((int64_t *)r.y)[at] = s.n < 0 ? 0 : s.n;
    else if (r.kind == COUNT)
        store_any<int64_t>(r.y, r.y_dtype, at, s.n);
    else
        store_any<C>(r.y, r.y_dtype, at, result(r, s));
}

template <typename C> __global__ void reduce_threads_kernel(const __grid_constant__ reduction r)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= r.kept.n) return;
    const int64_t from = walk_at(r.kept, 0, at);
    state<C>      s = nothing<C>(r.kind);
    for (int64_t i = 0; i < r.reduced.n; i++)
        s = taken(r.kind, s,
                  load_any<C>(r.kept.of[0].data, r.kept.of[0].dtype, from + walk_at(r.reduced, 0, i)), i,
                  r.power);
    put(r, at, s);
}

template <typename C> DEVICE state<C> from_lane(const state<C> &s, int step)
{
    state<C> t;
    t.a = __shfl_down_sync(FULL_WARP, s.a, (unsigned)step);
    t.b = __shfl_down_sync(FULL_WARP, s.b, (unsigned)step);
    t.n = __shfl_down_sync(FULL_WARP, s.n, (unsigned)step);
    return t;
}

/* Joined in thread 0. */
template <typename C> DEVICE state<C> join_block(int kind, state<C> s)
{
    SHARED(state<C>, part, 32);
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, warps = (int)blockDim.x / 32;
    for (int step = 16; step > 0; step /= 2) s = join(kind, s, from_lane(s, step));
    if (lane == 0) part[warp] = s;
    __syncthreads();
    if (warp == 0) {
        s = lane < warps ? part[lane] : nothing<C>(kind);
        for (int step = 16; step > 0; step /= 2) s = join(kind, s, from_lane(s, step));
    }
    return s;
}

template <typename C>
__global__ void reduce_blocks_kernel(const __grid_constant__ reduction r, state<C> *parts)
{
    const int64_t at = (int64_t)blockIdx.x / r.chunks, chunk = (int64_t)blockIdx.x % r.chunks;
    const int64_t from = walk_at(r.kept, 0, at), first = chunk * r.chunk;
    const int64_t last = first + r.chunk < r.reduced.n ? first + r.chunk : r.reduced.n;
    state<C>      s = nothing<C>(r.kind);
    for (int64_t i = first + threadIdx.x; i < last; i += blockDim.x)
        s = taken(r.kind, s,
                  load_any<C>(r.kept.of[0].data, r.kept.of[0].dtype, from + walk_at(r.reduced, 0, i)), i,
                  r.power);
    s = join_block(r.kind, s);
    if (threadIdx.x != 0) return;
    if (r.chunks == 1)
        put(r, at, s);
    else
        parts[blockIdx.x] = s;
}

template <typename C>
__global__ void reduce_join_kernel(const __grid_constant__ reduction r, const state<C> *parts)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= r.kept.n) return;
    state<C> s = parts[at * r.chunks];
    for (int64_t i = 1; i < r.chunks; i++) s = join(r.kind, s, parts[at * r.chunks + i]);
    put(r, at, s);
}

/* Splits x's dims into kept and reduced ones. */
static reduction plan(const wk_call *k, int kind)
{
    const wk_tensor x = k->in[0];
    reduction       r;
    memset((void *)&r, 0, sizeof r);
    r.y = wki_data(k->out[0]);
    r.y_dtype = (int)k->out[0]->dtype;
    r.kind = kind;
    r.correction = k->attr.f[0];
    r.power = k->attr.f[1];
    r.kept.n = r.reduced.n = 1;
    walk_operand(&r.kept.of[0], x);
    for (int i = 0; i < x->ndim; i++) {
        walk<1> *w = k->attr.i[0] >> i & 1 ? &r.reduced : &r.kept;
        walk_dim(w, x->shape[i], &x->stride[i]);
        w->n *= x->shape[i];
    }
    walk_close(&r.kept);
    walk_close(&r.reduced);
    const int64_t room = 1024 / (r.kept.n ? r.kept.n : 1), most = r.reduced.n / 4096;
    r.chunks = room < most ? room : most;
    if (r.chunks < 1) r.chunks = 1;
    r.chunk = (r.reduced.n + r.chunks - 1) / r.chunks;
    if (r.chunk) r.chunks = (r.reduced.n + r.chunk - 1) / r.chunk;
    if (r.chunks < 1) r.chunks = 1;
    return r;
}

static size_t scratch_for(const wk_call *k)
{
    const reduction r = plan(k, SUM);
    return r.chunks > 1 ? (size_t)(r.chunks * r.kept.n) * sizeof(state<double>) : 0;
}

template <typename C> static wk_status reduce(const wk_call *k, const reduction &r)
{
    state<C>  *parts = (state<C> *)k->scratch;
    const int  inner = r.kept.ndim - 1;
    const bool side = r.kept.of[0].stride[inner] == 1 && r.kept.shape[inner] >= 32 && r.kept.n >= 4096;
    if (r.reduced.n <= 32 || side)
        return launch(k, reduce_threads_kernel<C>, blocks_for(r.kept.n, 128), 128, 0, r);
    const unsigned threads = r.chunk >= 1024 ? 256 : r.chunk >= 256 ? 128 : 32;
    WK_TRY(launch(k, reduce_blocks_kernel<C>, (unsigned)(r.kept.n * r.chunks), threads, 0, r, parts));
    if (r.chunks == 1) return WK_OK;
    return launch(k, reduce_join_kernel<C>, blocks_for(r.kept.n, 128), 128, 0, r, (const state<C> *)parts);
}

static wk_status run(const wk_call *k, int kind)
{
    const reduction r = plan(k, kind);
    if (!wki_cuda_all_plain(k)) return WK_EDTYPE;
    if (r.kept.n == 0) return WK_OK;
    WITH_CLASS(k, return reduce<C>(k, r););
}

#define KERNEL(name, kind)                                                                                   \
    wk_status CUDA(name)(const wk_call *k)                                                                   \
    {                                                                                                        \
        return run(k, kind);                                                                                 \
    }                                                                                                        \
    size_t CUDA(name##_scratch)(const wk_call *k)                                                            \
    {                                                                                                        \
        return scratch_for(k);                                                                               \
    }
KERNEL(sum, SUM)
KERNEL(mean, MEAN)
KERNEL(prod, PROD)
KERNEL(amax, MOST)
KERNEL(amin, LEAST)
KERNEL(any, ANY)
KERNEL(all, ALL)
KERNEL(var, VARIANCE)
KERNEL(logsumexp, EXPONENTIALS)
KERNEL(argmax, ARG_MOST)
KERNEL(argmin, ARG_LEAST)
KERNEL(std, DEVIATION)
KERNEL(nansum, NAN_SUM)
KERNEL(count_nonzero, COUNT)

/* attr.f[1]: the power. Sums of powers are made in double, whose range they need. */
wk_status CUDA(vector_norm)(const wk_call *k)
{
    const double p = k->attr.f[1];
    const int    kind = p == 2                   ? SQUARES
                        : p == 1                 ? SIZES
                        : p == 0                 ? COUNT
                        : p == (double)INFINITY  ? WIDEST
                        : p == -(double)INFINITY ? NARROWEST
                                                 : POWERS;
    wk_call      wide = *k;
    wide.cls = WK_CLASS_F64;
    return run(&wide, kind);
}
size_t CUDA(vector_norm_scratch)(const wk_call *k)
{
    return scratch_for(k);
}
