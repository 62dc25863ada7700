/* Scans along a dim of dense tensors. A line is cut into chunks by its length alone: a first pass finds each
 * chunk's total, a second one what comes before each, a third one the results. Lines whose values lie side by
 * side are worked on by a block each, others by a thread each. */
#include "cuda/kernel.cuh"

enum kind { SUM, PROD, LOGSUM, MOST, LEAST };
enum { THREADS = 256, EACH = 8, TILE = THREADS * EACH, CHUNK = 4 * TILE, STEPS = 256 };

/* Sums of f32 are made in double, as on the CPU. */
template <typename C> struct wide_of {
    typedef double type;
};
template <> struct wide_of<int64_t> {
    typedef int64_t type;
};

/* The sum or best value; of a product, a times 2^at, so that no part of it leaves its range; for logcumsumexp
 * a the largest value and b the sum of exp(x - a); for cummax and cummin at is where a stands. */
template <typename A> struct state {
    A       a, b;
    int64_t at;
};

struct scan {
    const void *x;
    void       *y;
    int64_t    *indices;
    int         x_dtype, y_dtype, kind;
    bool        reverse, totals; /* totals: the first pass */
    int64_t     n, inner, lines, chunk, chunks;
};

template <typename A> DEVICE bool is_nan(A x)
{
    return x != x;
}
DEVICE double scaled(double a, int64_t *exponent)
{
    int          e = 0;
    const double m = a == 0 || !(fabs(a) < (double)INFINITY) ? a : frexp(a, &e);
    *exponent += e;
    return m;
}
DEVICE double unscaled(double a, int64_t exponent)
{
    const int64_t e = exponent < -5000 ? -5000 : exponent > 5000 ? 5000 : exponent;
    return a == 0 || !(fabs(a) < (double)INFINITY) ? a : ldexp(a, (int)e);
}

template <typename A> DEVICE state<A> begin(int kind)
{
    state<A> s;
    s.a = kind == PROD ? (A)1 : kind == LOGSUM ? (A)-INFINITY : (A)0;
    s.b = 0;
    s.at = kind >= MOST ? -1 : 0;
    return s;
}
template <> DEVICE state<int64_t> begin<int64_t>(int kind)
{
    return {kind == PROD, 0, kind >= MOST ? -1 : 0};
}

DEVICE void multiply(state<double> &s, const state<double> &x)
{
    s.at += x.at;
    s.a = scaled(s.a * x.a, &s.at);
}
DEVICE void multiply(state<int64_t> &s, const state<int64_t> &x)
{
    s.a = (int64_t)((uint64_t)s.a * (uint64_t)x.a);
}
DEVICE void add(state<double> &s, const state<double> &x)
{
    s.a += x.a;
}
DEVICE void add(state<int64_t> &s, const state<int64_t> &x)
{
    s.a = (int64_t)((uint64_t)s.a + (uint64_t)x.a);
}
DEVICE void add_logs(state<int64_t> &, const state<int64_t> &) {}
DEVICE void add_logs(state<double> &s, const state<double> &x)
{
    const double top = is_nan(s.a) || is_nan(x.a) ? (double)NAN : s.a > x.a ? s.a : x.a;
    if (top == -(double)INFINITY) return;
    /* equal ends cover infinities, whose difference is no number */
    s.b = (s.a == top ? s.b : s.b * exp(s.a - top)) + (x.a == top ? x.b : x.b * exp(x.a - top));
    s.a = top;
}

/* x joins the state; cummax and cummin take the latest of equal values, and NaN over all others. */
template <typename A> __device__ __noinline__ void join(int kind, state<A> &s, const state<A> &x)
{
    if (kind == SUM)
        add(s, x);
    else if (kind == PROD)
        multiply(s, x);
    else if (kind == LOGSUM)
        add_logs(s, x);
    else if (x.at >= 0 &&
             (s.at < 0 || is_nan(x.a) || (!is_nan(s.a) && (kind == MOST ? x.a >= s.a : x.a <= s.a))))
        s = x;
}

template <typename C, typename A> DEVICE C result(int kind, const state<A> &s)
{
    if (kind == LOGSUM) return (C)((double)s.a + log((double)s.b));
    return kind == PROD ? (C)unscaled((double)s.a, s.at) : (C)s.a;
}
template <> DEVICE int64_t result<int64_t, int64_t>(int, const state<int64_t> &s)
{
    return s.a;
}

template <typename C> DEVICE state<typename wide_of<C>::type> one(int kind, C x, int64_t at)
{
    state<typename wide_of<C>::type> s;
    s.a = x;
    s.b = 1;
    s.at = kind >= MOST ? at : 0;
    return s;
}

template <typename A> DEVICE state<A> from_below(const state<A> &s, int step)
{
    state<A> t;
    t.a = __shfl_up_sync(FULL_WARP, s.a, (unsigned)step);
    t.b = __shfl_up_sync(FULL_WARP, s.b, (unsigned)step);
    t.at = __shfl_up_sync(FULL_WARP, s.at, (unsigned)step);
    return t;
}

/* What the threads before this one have seen; *all: what all have. */
template <typename A, typename P> DEVICE state<A> block_before(int kind, state<A> s, P &part, state<A> *all)
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, warps = (int)blockDim.x / 32;
    for (int step = 1; step < 32; step *= 2) {
        state<A> below = from_below(s, step);
        if (lane < step) continue;
        join(kind, below, s);
        s = below;
    }
    if (lane == 31) part[warp] = s;
    __syncthreads();
    state<A> before = begin<A>(kind);
    *all = begin<A>(kind);
    for (int i = 0; i < warps; i++) {
        const state<A> more = part[i];
        if (i < warp) join(kind, before, more);
        join(kind, *all, more);
    }
    __syncthreads();
    const state<A> mine = from_below(s, 1);
    if (lane > 0) join(kind, before, mine);
    return before;
}

/* A chunk of a line to a block. */
template <typename C>
__global__ void line_kernel(const __grid_constant__ scan o, state<typename wide_of<C>::type> *states)
{
    typedef typename wide_of<C>::type A;
    SHARED(C, stage, TILE);
    SHARED(state<A>, part, 32);
    const int64_t line = (int64_t)blockIdx.x / o.chunks, chunk = (int64_t)blockIdx.x % o.chunks;
    const int64_t end = (chunk + 1) * o.chunk, last = end < o.n ? end : o.n;
    const int     tile = (int)blockDim.x * EACH, mine = (int)threadIdx.x * EACH;
    state<A>      carry = o.chunks > 1 && !o.totals ? states[blockIdx.x] : begin<A>(o.kind), all;
    for (int64_t first = chunk * o.chunk; first < last; first += tile) {
        const int m = last - first < tile ? (int)(last - first) : tile;
        for (int i = (int)threadIdx.x; i < m; i += (int)blockDim.x) {
            const int64_t at = o.reverse ? o.n - 1 - (first + i) : first + i;
            stage[i] = load_any<C>(o.x, o.x_dtype, line * o.n + at);
        }
        __syncthreads();
        state<A> s = begin<A>(o.kind);
        for (int i = mine; i < mine + EACH && i < m; i++)
            join(o.kind, s, one<C>(o.kind, stage[i], first + i));
        state<A> before = block_before(o.kind, s, part, &all);
        s = carry;
        join(o.kind, s, before);
        join(o.kind, carry, all);
        if (!o.totals)
            for (int i = mine; i < mine + EACH && i < m; i++) {
                join(o.kind, s, one<C>(o.kind, stage[i], first + i));
                stage[i] = result<C, A>(o.kind, s);
                if (o.indices) o.indices[line * o.n + first + i] = s.at;
            }
        __syncthreads();
        for (int i = (int)threadIdx.x; i < m && !o.totals; i += (int)blockDim.x) {
            const int64_t at = o.reverse ? o.n - 1 - (first + i) : first + i;
            store_any<C>(o.y, o.y_dtype, line * o.n + at, stage[i]);
        }
        __syncthreads();
    }
    if (o.totals && threadIdx.x == 0) states[blockIdx.x] = carry;
}

/* A chunk of a line to a thread; lines side by side. */
template <typename C>
__global__ void column_kernel(const __grid_constant__ scan o, state<typename wide_of<C>::type> *states)
{
    typedef typename wide_of<C>::type A;
    const int64_t                     unit = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t                     line = unit % o.lines, chunk = unit / o.lines;
    if (chunk >= o.chunks) return;
    const int64_t base = line / o.inner * o.n * o.inner + line % o.inner;
    const int64_t end = (chunk + 1) * o.chunk, last = end < o.n ? end : o.n;
    state<A>      s = begin<A>(o.kind);
    if (o.chunks > 1 && !o.totals) s = states[line * o.chunks + chunk];
    for (int64_t i = chunk * o.chunk; i < last; i++) {
        const int64_t at = base + (o.reverse ? o.n - 1 - i : i) * o.inner;
        join(o.kind, s, one<C>(o.kind, load_any<C>(o.x, o.x_dtype, at), i));
        if (o.totals) continue;
        store_any<C>(o.y, o.y_dtype, at, result<C, A>(o.kind, s));
        if (o.indices) o.indices[at] = s.at;
    }
    if (o.totals) states[line * o.chunks + chunk] = s;
}

/* Totals of a line's chunks become what comes before each. */
template <typename A> __global__ void before_kernel(state<A> *states, int kind, int64_t chunks)
{
    SHARED(state<A>, part, 32);
    state<A>  carry = begin<A>(kind), all;
    state<A> *mine = states + (int64_t)blockIdx.x * chunks;
    for (int64_t i = 0; i < chunks; i += blockDim.x) {
        const int64_t  c = i + threadIdx.x;
        const state<A> here = c < chunks ? mine[c] : begin<A>(kind);
        const state<A> before = block_before(kind, here, part, &all);
        state<A>       s = carry;
        join(kind, s, before);
        if (c < chunks) mine[c] = s;
        join(kind, carry, all);
    }
}

/* attr.i: the dim, reverse */
static scan plan(const wk_call *k, int kind)
{
    const wk_tensor x = k->in[0];
    const int       d = (int)k->attr.i[0];
    scan            o;
    memset((void *)&o, 0, sizeof o);
    o.x = wki_data(x);
    o.x_dtype = (int)x->dtype;
    o.y = wki_data(k->out[0]);
    o.y_dtype = (int)k->out[0]->dtype;
    o.indices = k->n_out > 1 ? (int64_t *)wki_data(k->out[1]) : nullptr;
    o.kind = kind;
    o.reverse = k->attr.i[1] != 0;
    o.n = x->ndim ? x->shape[d] : 1;
    o.inner = 1;
    for (int i = d + 1; i < x->ndim; i++) o.inner *= x->shape[i];
    o.lines = o.n ? wki_cuda_count(x) / o.n : 0;
    o.chunk = o.n;
    if (o.inner == 1 && o.n > CHUNK && o.lines < 1024) o.chunk = CHUNK;
    if (o.inner > 1 && o.n > STEPS && o.lines < 65536) o.chunk = STEPS;
    o.chunks = o.chunk ? (o.n + o.chunk - 1) / o.chunk : 0;
    return o;
}

static size_t scratch_for(const wk_call *k)
{
    const scan o = plan(k, SUM);
    return o.chunks > 1 ? (size_t)(o.lines * o.chunks) * sizeof(state<double>) : 0;
}

template <typename C> static wk_status pass(const wk_call *k, const scan &o)
{
    typedef typename wide_of<C>::type A;
    state<A> *const                   states = (state<A> *)k->scratch;
    if (o.inner > 1)
        return launch(k, column_kernel<C>, blocks_for(o.lines * o.chunks, 128), 128, 0, o, states);
    const unsigned threads = o.n <= 32 * EACH ? 32 : o.n <= 128 * EACH ? 128 : THREADS;
    return launch(k, line_kernel<C>, (unsigned)(o.lines * o.chunks), threads, 0, o, states);
}

template <typename C> static wk_status run_as(const wk_call *k, scan o)
{
    typedef typename wide_of<C>::type A;
    if (o.chunks > 1) {
        o.totals = true;
        WK_TRY(pass<C>(k, o));
        WK_TRY(launch(k, before_kernel<A>, (unsigned)o.lines, o.chunks > 32 ? 256 : 32, 0,
                      (state<A> *)k->scratch, o.kind, o.chunks));
        o.totals = false;
    }
    return pass<C>(k, o);
}

static wk_status run(const wk_call *k, int kind)
{
    const scan o = plan(k, kind);
    if (!wki_cuda_all_plain(k)) return WK_EDTYPE;
    if (o.lines * o.n == 0) return WK_OK;
    WITH_CLASS(k, return run_as<C>(k, o););
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
KERNEL(cumsum, SUM)
KERNEL(cumprod, PROD)
KERNEL(logcumsumexp, LOGSUM)
KERNEL(cummax, MOST)
KERNEL(cummin, LEAST)
