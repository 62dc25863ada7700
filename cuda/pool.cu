/* Pooling: the largest value and the mean of windows, and what their gradients need. A thread makes a result;
 * a warp does where windows are large. Gradients are gathered, so that sums run in a fixed order. */
#include "cuda/sort.cuh"

/* attr.i: kernel, stride (0: an adaptive dim, its windows cut x into as many parts as there are), padding and
 * dilation of three dims; exclude padding, divisor. */
struct pool {
    const void *x;
    void       *y;
    int64_t    *places;
    int         x_dtype, y_dtype;
    int64_t channels, n, in[3], out[3], ker[3], stride[3], pad[3], dil[3], along[5], divisor; /* along: x's */
    bool    inside; /* padding does not count */
};
struct span {
    int64_t lo, hi;
};

/* Where the window of place u along dim i begins and ends. */
DEVICE span window(const pool &o, int i, int64_t u)
{
    if (o.stride[i] == 0) return {u * o.in[i] / o.out[i], ((u + 1) * o.in[i] + o.out[i] - 1) / o.out[i]};
    const int64_t lo = u * o.stride[i] - o.pad[i];
    return {lo, lo + (o.ker[i] - 1) * o.dil[i] + 1};
}
/* How many values of a window a mean counts. */
DEVICE int64_t counted(const pool &o, int i, span s)
{
    const int64_t most = o.inside ? o.in[i] : o.in[i] + o.pad[i], lo = o.inside && s.lo < 0 ? 0 : s.lo;
    return (s.hi < most ? s.hi : most) - lo;
}
/* The places along dim i whose windows hold h. */
DEVICE span holders(const pool &o, int i, int64_t h)
{
    if (o.stride[i] == 0) return {h * o.out[i] / o.in[i], ((h + 1) * o.out[i] + o.in[i] - 1) / o.in[i]};
    const int64_t at = h + o.pad[i], low = at - o.ker[i] + 1, hi = at / o.stride[i] + 1;
    return {low <= 0 ? 0 : (low + o.stride[i] - 1) / o.stride[i], hi < o.out[i] ? hi : o.out[i]};
}
DEVICE span clipped(span s, int64_t size)
{
    return {s.lo < 0 ? 0 : s.lo, s.hi < size ? s.hi : size};
}

/* Place `at` of a result of these sizes: its coordinates, and where its plane of x begins. */
DEVICE int64_t place_of(const pool &o, int64_t at, const int64_t *size, int64_t *u)
{
    for (int i = 2; i >= 0; i--) {
        u[i] = at % size[i];
        at /= size[i];
    }
    return at / o.channels * o.along[0] + at % o.channels * o.along[1];
}

template <typename C> DEVICE C least()
{
    return -(C)INFINITY;
}
template <> DEVICE int64_t least<int64_t>()
{
    return INT64_MIN;
}

/* Of equal values the first place; the last NaN. */
template <typename C> __global__ void max_kernel(const __grid_constant__ pool o)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.n) return;
    int64_t       u[3], best = -1;
    const int64_t plane = place_of(o, at, o.out, u);
    const span    d = window(o, 0, u[0]), h = window(o, 1, u[1]), w = window(o, 2, u[2]);
    C             most = least<C>();
    for (int64_t a = d.lo; a < d.hi; a += o.dil[0]) {
        if (a < 0 || a >= o.in[0]) continue;
        for (int64_t b = h.lo; b < h.hi; b += o.dil[1]) {
            if (b < 0 || b >= o.in[1]) continue;
            for (int64_t c = w.lo; c < w.hi; c += o.dil[2]) {
                if (c < 0 || c >= o.in[2]) continue;
                const C v =
                    load_any<C>(o.x, o.x_dtype, plane + a * o.along[2] + b * o.along[3] + c * o.along[4]);
                if (best >= 0 && !(v > most || v != v)) continue;
                most = v;
                best = (a * o.in[1] + b) * o.in[2] + c;
            }
        }
    }
    store_any<C>(o.y, o.y_dtype, at, most);
    if (o.places) o.places[at] = best < 0 ? 0 : best;
}

/* WARP: 32 lanes to a result. */
template <typename C, bool WARP> __global__ void avg_kernel(const __grid_constant__ pool o)
{
    const int64_t thread = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, at = WARP ? thread / 32 : thread;
    const int     lane = WARP ? (int)(threadIdx.x % 32) : 0, lanes = WARP ? 32 : 1;
    if (at >= o.n) return;
    int64_t       u[3];
    const int64_t plane = place_of(o, at, o.out, u);
    const span    full[3] = {window(o, 0, u[0]), window(o, 1, u[1]), window(o, 2, u[2])};
    const span    d = clipped(full[0], o.in[0]), h = clipped(full[1], o.in[1]), w = clipped(full[2], o.in[2]);
    const int64_t rows = h.hi - h.lo, cols = w.hi - w.lo, n = (d.hi - d.lo) * rows * cols;
    C             sum = 0;
    for (int64_t i = lane; i < n; i += lanes) {
        const int64_t c = i % cols, b = i / cols % rows, a = i / cols / rows;
        sum +=
            load_any<C>(o.x, o.x_dtype,
                        plane + (d.lo + a) * o.along[2] + (h.lo + b) * o.along[3] + (w.lo + c) * o.along[4]);
    }
    if (WARP) sum = warp_fold<plus>(sum);
    if (lane) return;
    const int64_t count =
        o.divisor ? o.divisor : counted(o, 0, full[0]) * counted(o, 1, full[1]) * counted(o, 2, full[2]);
    store_any<C>(o.y, o.y_dtype, at, count ? sum / (C)count : (C)0);
}

/* x: the result's gradient, dense; y: that of the input. */
template <typename C> __global__ void avg_vjp_kernel(const __grid_constant__ pool o)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.n) return;
    int64_t       u[3];
    const int64_t plane = place_of(o, at, o.in, u);
    const span    d = holders(o, 0, u[0]), h = holders(o, 1, u[1]), w = holders(o, 2, u[2]);
    C             sum = 0;
    for (int64_t a = d.lo; a < d.hi; a++)
        for (int64_t b = h.lo; b < h.hi; b++) {
            const int64_t rows = counted(o, 0, window(o, 0, a)) * counted(o, 1, window(o, 1, b));
            for (int64_t c = w.lo; c < w.hi; c++) {
                const C g = load_any<C>(o.x, o.x_dtype, plane + (a * o.out[1] + b) * o.out[2] + c);
                sum += g / (C)(o.divisor ? o.divisor : rows * counted(o, 2, window(o, 2, c)));
            }
        }
    store_any<C>(o.y, o.y_dtype, at, sum);
}

static pool plan(const wk_call *k, bool gradient)
{
    const wk_tensor x = k->in[0], y = k->out[0], in = gradient ? y : x, out = gradient ? x : y;
    pool            o;
    memset((void *)&o, 0, sizeof o);
    o.x = wki_data(x);
    o.y = wki_data(y);
    o.x_dtype = (int)x->dtype;
    o.y_dtype = (int)y->dtype;
    o.channels = x->shape[1];
    o.n = wki_cuda_count(y);
    o.inside = k->attr.i[12] != 0;
    o.divisor = k->attr.i[13];
    for (int i = 0; i < 5; i++) o.along[i] = x->stride[i];
    for (int i = 0; i < 3; i++) {
        o.in[i] = in->shape[2 + i];
        o.out[i] = out->shape[2 + i];
        o.ker[i] = k->attr.i[i];
        o.stride[i] = k->attr.i[3 + i];
        o.pad[i] = k->attr.i[6 + i];
        o.dil[i] = k->attr.i[9 + i];
    }
    if (gradient) {
        o.along[1] = o.out[0] * o.out[1] * o.out[2];
        o.along[0] = o.channels * o.along[1];
    }
    return o;
}

wk_status CUDA(max_pool)(const wk_call *k)
{
    pool o = plan(k, false);
    if (k->n_out > 1) o.places = (int64_t *)wki_data(k->out[1]);
    if (o.n == 0) return WK_OK;
    WITH_CLASS(k, return launch(k, max_kernel<C>, blocks_for(o.n, 128), 128, 0, o););
}

wk_status CUDA(avg_pool)(const wk_call *k)
{
    const pool o = plan(k, false);
    double     size = 1;
    for (int i = 0; i < 3; i++)
        size *= o.stride[i] ? (double)o.ker[i] : (double)o.in[i] / (double)(o.out[i] ? o.out[i] : 1);
    if (o.n == 0) return WK_OK;
    if (size >= 64) WITH_CLASS(k, return launch(k, avg_kernel<C, true>, blocks_for(o.n, 4), 128, 0, o););
    WITH_CLASS(k, return launch(k, avg_kernel<C, false>, blocks_for(o.n, 128), 128, 0, o););
}

wk_status CUDA(avg_pool_vjp)(const wk_call *k)
{
    const pool o = plan(k, true);
    if (o.n == 0) return WK_OK;
    WITH_CLASS(k, return launch(k, avg_vjp_kernel<C>, blocks_for(o.n, 128), 128, 0, o););
}

/* ---- values back to their places: sorted by place, then gathered ---- */

struct unpooling {
    const void            *x;
    const int64_t         *index;
    void                  *y;
    int                    x_dtype, y_dtype, op;
    int64_t                planes, n, size;
    bool                   add;
    struct wki_cuda_fault *fault;
};

__global__ void place_kernel(const __grid_constant__ unpooling o, narrow_record *to)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.planes * o.n) return;
    const int64_t place = o.index[at];
    const bool    in = place >= 0 && place < o.size;
    if (!in) report_index(o.fault, o.op, place, o.size);
    to[at] = record_of<narrow_record>::make(in ? (uint32_t)place : UINT32_MAX, at % o.n);
}
template <typename C>
__global__ void unpool_kernel(const __grid_constant__ unpooling o, const narrow_record *r)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.planes * o.size) return;
    const int64_t        plane = at / o.size, base = plane * o.n;
    const uint32_t       place = (uint32_t)(at % o.size);
    const narrow_record *mine = r + base;
    C                    sum = 0;
    for (int64_t i = first_of(mine, o.n, place); i < o.n && (uint32_t)(mine[i] >> 32) == place; i++) {
        const C v = load_any<C>(o.x, o.x_dtype, base + record_of<narrow_record>::place(mine[i]));
        sum = o.add ? sum + v : v;
    }
    store_any<C>(o.y, o.y_dtype, at, sum);
}

/* in: x [planes, n], places of its values; out [planes, size]. attr.i: add (places may come twice). */
wk_status CUDA(unpool)(const wk_call *k)
{
    const wk_tensor x = k->in[0], y = k->out[0];
    unpooling       o = {wki_data(x),
                         (const int64_t *)wki_data(k->in[1]),
                         wki_data(y),
                         (int)x->dtype,
                         (int)y->dtype,
                         (int)k->op,
                         y->shape[0],
                         x->shape[1],
                         y->shape[1],
                         k->attr.i[0] != 0,
                         wki_cuda_fault_of(k->stream)};
    narrow_record  *a = (narrow_record *)k->scratch, *b = a + o.planes * o.n;
    sorting         s;
    memset((void *)&s, 0, sizeof s);
    if (o.planes * o.n > 0) {
        WK_TRY(launch(k, place_kernel, blocks_for(o.planes * o.n, 256), 256, 0, o, b));
        WK_TRY(sort_rows<narrow_record>(k, s, o.planes, o.n, b, a, b));
    }
    if (o.planes * o.size == 0) return WK_OK;
    WITH_CLASS(k, return launch(k, unpool_kernel<C>, blocks_for(o.planes * o.size, 128), 128, 0, o,
                                (const narrow_record *)sorted_in(o.n, a, b)););
}
size_t CUDA(unpool_scratch)(const wk_call *k)
{
    return 2 * (size_t)wki_cuda_count(k->in[1]) * sizeof(narrow_record);
}
