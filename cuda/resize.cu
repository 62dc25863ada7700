/* Resizing: a table of neighbours and weights for each dim, then a sum over neighbours for each result. The
 * gradient gathers by the same tables: the places that a value went to follow one another. */
#include "cuda/kernel.cuh"

enum { NEAREST, NEAREST_EXACT, LINEAR, CUBIC };

/* One dim: place u of the `to` places sums count[u] values from first[u] on, with weights w[u * taps ..]. */
struct dim {
    int64_t from, to, taps;
    double  scale; /* places of x for one of the result */
    int    *first, *count;
    void   *w;
};
struct resizing {
    const void *x;
    void       *y;
    int         x_dtype, y_dtype, mode;
    bool        align, antialias, turned, rounded, wide;
    int64_t     n, channels, out[3], along[5]; /* out: y's sizes; along: x's strides */
    dim         dims[3];
};

/* Places are reckoned in the class's own precision, so that they fall where PyTorch's do. */
DEVICE double as(const resizing &o, double v)
{
    return o.wide ? v : (double)(float)v;
}
/* A product that is rounded: not part of a fused operation. */
DEVICE double times(double a, double b)
{
#ifdef __CUDA_ARCH__
    return __dmul_rn(a, b);
#else
    return a * b;
#endif
}
/* A fraction or a cubic weight as it is kept: where PyTorch rounds it to the dtype of x, so is it here. */
DEVICE double stored(const resizing &o, double v)
{
    if (!o.rounded) return v;
    uint16_t half;
    store_any(&half, o.x_dtype, 0, (float)v);
    return (double)load_any<float>(&half, o.x_dtype, 0);
}
DEVICE double source(const resizing &o, const dim &d, int64_t u)
{
    if (o.align) return as(o, times(d.scale, (double)u));
    return as(o, as(o, times(d.scale, (double)u + 0.5)) - 0.5);
}
/* Keys' kernel for a neighbour at distance x (IEEE TASSP 29(6), 1981). */
DEVICE double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}
DEVICE int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}
DEVICE double unit(double v)
{
    return fmin(fmax(v, 0.0), 1.0);
}

template <typename C> DEVICE int64_t widened(const resizing &o, const dim &d, int64_t u, int64_t *first, C *w)
{
    const double reach = o.mode == CUBIC ? 2 : 1,
                 support = as(o, d.scale >= 1 ? times(reach, d.scale) : reach);
    const double center = as(o, times(d.scale, (double)u + 0.5)),
                 inverse = d.scale >= 1 ? as(o, 1 / d.scale) : 1;
    double sum = 0;
    *first = clamp((int64_t)as(o, as(o, center - support) + 0.5), 0, d.from - 1);
    const int64_t last = clamp((int64_t)as(o, as(o, center + support) + 0.5), *first + 1, d.from);
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = *first; i < last; i++) {
            const double x = times((double)i - center + 0.5, inverse);
            const double v = o.mode == CUBIC ? cubic(x, -0.5) : fabs(x) < 1 ? 1 - fabs(x) : 0;
            if (pass == 0) sum += v;
            if (pass == 1) w[i - *first] = (C)(sum != 0 ? v / sum : v);
        }
    return last - *first;
}

template <typename C>
DEVICE int64_t neighbours(const resizing &o, const dim &d, int64_t u, int64_t *first, C *w)
{
    const int64_t top = d.from - 1;
    w[0] = 1;
    if (d.from == d.to && d.scale == 1) { /* nothing moves */
        *first = u;
        return 1;
    }
    if (o.mode <= NEAREST_EXACT) {
        const double at = (double)u + (o.mode == NEAREST_EXACT ? 0.5 : 0);
        *first = clamp((int64_t)as(o, times(at, d.scale)), 0, top);
        return 1;
    }
    if (o.antialias) return widened(o, d, u, first, w);
    const double at = source(o, d, u);
    if (o.mode == LINEAR) {
        const double from = at < 0 ? 0 : at;
        *first = clamp((int64_t)from, 0, top);
        if (*first >= top) return 1;
        const double part = stored(o, unit(as(o, from - (double)*first)));
        w[0] = (C)stored(o, 1 - part);
        w[1] = (C)part;
        return 2;
    }
    const double  base = floor(at), part = unit(as(o, at - base));
    const int64_t i = (int64_t)base;
    *first = clamp(i - 1, 0, top);
    const int64_t n = clamp(i + 2, 0, top) + 1 - *first;
    double        sum[4] = {0, 0, 0, 0};
    for (int64_t t = -1; t <= 2; t++)
        sum[clamp(i + t, 0, top) - *first] += stored(o, cubic((double)t - part, -0.75));
    for (int64_t t = 0; t < n; t++) w[t] = (C)sum[t];
    return n;
}

template <typename C> __global__ void table_kernel(const __grid_constant__ resizing o)
{
    const dim    &d = o.dims[blockIdx.y];
    const int64_t u = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    int64_t       first;
    if (u >= d.to) return;
    d.count[u] = (int)neighbours(o, d, u, &first, (C *)d.w + u * d.taps);
    d.first[u] = (int)first;
}

/* What place u of the result reads along a dim: values from .. to, with weights by weight(). */
struct reading {
    int64_t from, to;
};
DEVICE reading reads(const resizing &o, const dim &d, int64_t u)
{
    if (!o.turned) return {d.first[u], (int64_t)d.first[u] + d.count[u]};
    int64_t low = 0, high = d.to; /* the first place that reads beyond u, then the first that begins there */
    while (low < high) {
        const int64_t mid = (low + high) / 2;
        if (d.first[mid] + d.count[mid] <= u)
            low = mid + 1;
        else
            high = mid;
    }
    reading r = {low, low};
    for (high = d.to; r.to < high;) {
        const int64_t mid = (r.to + high) / 2;
        if (d.first[mid] <= u)
            r.to = mid + 1;
        else
            high = mid;
    }
    return r;
}
template <typename C> DEVICE C weight(const resizing &o, const dim &d, int64_t u, int64_t i)
{
    const int64_t place = o.turned ? i : u, value = o.turned ? u : i;
    return ((const C *)d.w)[place * d.taps + value - d.first[place]];
}

template <typename C> __global__ void resize_kernel(const __grid_constant__ resizing o)
{
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= o.n) return;
    int64_t u[3], rest = at;
    for (int i = 2; i >= 0; i--) {
        u[i] = rest % o.out[i];
        rest /= o.out[i];
    }
    const int64_t plane = rest / o.channels * o.along[0] + rest % o.channels * o.along[1];
    const reading d = reads(o, o.dims[0], u[0]), h = reads(o, o.dims[1], u[1]), w = reads(o, o.dims[2], u[2]);
    C             sum = 0;
    for (int64_t a = d.from; a < d.to; a++)
        for (int64_t b = h.from; b < h.to; b++) {
            const C       outer = weight<C>(o, o.dims[0], u[0], a) * weight<C>(o, o.dims[1], u[1], b);
            const int64_t row = plane + a * o.along[2] + b * o.along[3];
            C             part = 0;
            for (int64_t c = w.from; c < w.to; c++)
                part += weight<C>(o, o.dims[2], u[2], c) * load_any<C>(o.x, o.x_dtype, row + c * o.along[4]);
            sum += outer * part;
        }
    store_any<C>(o.y, o.y_dtype, at, sum);
}

static double rounded(bool wide, double v)
{
    return wide ? v : (double)(float)v;
}

/* attr.i: mode, align corners, antialias, turned; attr.f: the scales given, 0 for none. *bytes: scratch. */
static resizing plan(const wk_call *k, size_t *bytes)
{
    const wk_tensor x = k->in[0], y = k->out[0];
    resizing        o;
    memset((void *)&o, 0, sizeof o);
    o.x_dtype = (int)x->dtype;
    o.y_dtype = (int)y->dtype;
    o.mode = (int)k->attr.i[0];
    o.align = k->attr.i[1] != 0;
    o.antialias = k->attr.i[2] != 0;
    o.turned = k->attr.i[3] != 0;
    o.rounded = k->attr.i[4] != 0;
    o.wide = k->cls == WK_CLASS_F64;
    o.n = wki_cuda_count(y);
    o.channels = x->shape[1];
    for (int i = 0; i < 5; i++) o.along[i] = x->stride[i];
    *bytes = 0;
    for (int i = 0; i < 3; i++) {
        dim         *d = &o.dims[i];
        const double given = k->attr.f[i];
        o.out[i] = y->shape[2 + i];
        d->from = o.turned ? y->shape[2 + i] : x->shape[2 + i];
        d->to = o.turned ? x->shape[2 + i] : y->shape[2 + i];
        d->scale = o.align     ? (d->to > 1 ? (double)(d->from - 1) / (double)(d->to - 1) : 0)
                   : given > 0 ? 1 / given
                               : (double)d->from / (double)d->to;
        d->scale = rounded(o.wide, d->scale);
        d->taps = o.antialias ? (int64_t)(2 * (o.mode == CUBIC ? 2 : 1) * fmax(d->scale, 1.0)) + 3
                  : o.mode <= NEAREST_EXACT ? 1
                                            : 4;
        char *const at = (char *)k->scratch + *bytes;
        d->w = at;
        d->first = (int *)(void *)(at + d->to * d->taps * 8);
        d->count = d->first + d->to;
        *bytes += (size_t)(d->to * (d->taps + 1)) * 8;
    }
    return o;
}

template <typename C> static wk_status resize(const wk_call *k, const resizing &o)
{
    int64_t most = 0;
    for (int i = 0; i < 3; i++) most = o.dims[i].to > most ? o.dims[i].to : most;
    WK_TRY(launch(k, table_kernel<C>, dim3(blocks_for(most, 64), 3), 64, 0, o));
    return launch(k, resize_kernel<C>, blocks_for(o.n, 128), 128, 0, o);
}

wk_status CUDA(resize)(const wk_call *k)
{
    size_t   bytes;
    resizing o = plan(k, &bytes);
    if (o.n == 0) return WK_OK;
    o.x = wki_data(k->in[0]);
    o.y = wki_data(k->out[0]);
    return o.wide ? resize<double>(k, o) : resize<float>(k, o);
}
size_t CUDA(resize_scratch)(const wk_call *k)
{
    size_t  bytes;
    wk_call bare = *k;
    bare.scratch = nullptr;
    plan(&bare, &bytes);
    return bytes;
}
