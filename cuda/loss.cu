/* Cross entropy, row by row, without the probabilities in memory. */
#include "cuda/rows.cuh"

struct labelled {
    walk<1>                x, target; /* rows of x; all targets */
    void                  *loss, *lse, *dx;
    const void            *old_lse, *g;
    int                    lse_dtype, dx_dtype, g_dtype, op;
    bool                   ignore;
    int64_t                ignored, n;
    double                 smoothing;
    struct wki_cuda_fault *fault;
};

DEVICE float log_of(float x)
{
    return logf(x);
}
DEVICE double log_of(double x)
{
    return log(x);
}
DEVICE float exp_of(float x)
{
    return expf(x);
}
DEVICE double exp_of(double x)
{
    return exp(x);
}

template <typename C> __global__ void loss_kernel(const __grid_constant__ labelled r)
{
    SHARED(C, part, 32);
    const int64_t  row = blockIdx.x, at = walk_at(r.x, 0, row), t = walk_load<int64_t>(r.target, 0, row);
    const operand &x = r.x.of[0];
    C              most = (C)-INFINITY, sum = 0, total = 0;
    for (int64_t i = threadIdx.x; i < r.n; i += blockDim.x) {
        const C v = load_any<C>(x.data, x.dtype, at + i);
        most = larger<C>::of(most, v);
        total += v;
    }
    most = block_max(most, part, (C)-INFINITY);
    total = block_sum(total, part);
    const C shift = most == (C)-INFINITY ? (C)0 : most;
    for (int64_t i = threadIdx.x; i < r.n; i += blockDim.x)
        sum += exp_of(load_any<C>(x.data, x.dtype, at + i) - shift);
    sum = block_sum(sum, part);
    if (threadIdx.x != 0) return;
    const double lse = (double)shift + log((double)sum);
    const bool   off = r.ignore && t == r.ignored;
    double       loss = 0;
    if (!off && (t < 0 || t >= r.n)) {
        report_index(r.fault, r.op, t, r.n);
    } else if (!off) {
        loss = (1 - r.smoothing) * (lse - (double)load_any<C>(x.data, x.dtype, at + t));
        if (r.smoothing != 0) loss += r.smoothing * (lse - (double)total / (double)r.n);
    }
    store_any<double>(r.loss, r.lse_dtype, row, loss);
    store_any<double>(r.lse, r.lse_dtype, row, lse);
}

/* d loss / dx = softmax(x) - (1 - s) [i = t] - s / n, times the row's g. */
template <typename C> __global__ void loss_vjp_kernel(const __grid_constant__ labelled r)
{
    const int64_t  row = blockIdx.x, at = walk_at(r.x, 0, row), t = walk_load<int64_t>(r.target, 0, row);
    const operand &x = r.x.of[0];
    const bool     off = r.ignore && t == r.ignored;
    const C        lse = load_any<C>(r.old_lse, r.lse_dtype, row), g = load_any<C>(r.g, r.g_dtype, row);
    const C        flat = (C)(r.smoothing / (double)r.n);
    for (int64_t i = threadIdx.x; i < r.n; i += blockDim.x) {
        C d = (exp_of(load_any<C>(x.data, x.dtype, at + i) - lse) - flat) * g;
        if (i == t) d -= (C)((1 - r.smoothing) * (double)g);
        store_any<C>(r.dx, r.dx_dtype, row * r.n + i, off ? (C)0 : d);
    }
}

static labelled labels(const wk_call *k)
{
    labelled r;
    memset((void *)&r, 0, sizeof r);
    walk_rows(&r.x, k->in);
    walk_over(&r.target, k->in[1], nullptr);
    r.n = wki_cols(k->in[0]);
    r.op = (int)k->op;
    r.ignore = k->attr.i[0] != 0;
    r.ignored = k->attr.i[1];
    r.smoothing = k->attr.f[0];
    r.fault = wki_cuda_fault_of(k->stream);
    return r;
}

wk_status CUDA(cross_entropy)(const wk_call *k)
{
    labelled r = labels(k);
    r.loss = wki_data(k->out[0]);
    r.lse = wki_data(k->out[1]);
    r.lse_dtype = (int)k->out[0]->dtype;
    if (r.x.n == 0) return WK_OK;
    return k->cls == WK_CLASS_F64 ? launch(k, loss_kernel<double>, (unsigned)r.x.n, row_threads(r.n), 0, r)
                                  : launch(k, loss_kernel<float>, (unsigned)r.x.n, row_threads(r.n), 0, r);
}

wk_status CUDA(cross_entropy_vjp)(const wk_call *k)
{
    labelled r = labels(k);
    r.old_lse = wki_data(k->in[2]);
    r.lse_dtype = (int)k->in[2]->dtype;
    r.g = wki_data(k->in[3]);
    r.g_dtype = (int)k->in[3]->dtype;
    r.dx = wki_data(k->out[0]);
    r.dx_dtype = (int)k->out[0]->dtype;
    if (wki_cuda_count(k->out[0]) == 0) return WK_OK;
    return k->cls == WK_CLASS_F64
               ? launch(k, loss_vjp_kernel<double>, (unsigned)r.x.n, row_threads(r.n), 0, r)
               : launch(k, loss_vjp_kernel<float>, (unsigned)r.x.n, row_threads(r.n), 0, r);
}
