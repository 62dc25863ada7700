/* Max pooling by windows at random places: composed of gathers. */
#include "core/ctx.h"

/* x as [planes, places], and the windows of each dim. */
struct windows {
    int       dims;
    int64_t   planes, in[3], out[3], kernel[3];
    wk_tensor samples; /* [planes, dims] */
};

static bool sizes_fit(wk_ctx *c, const char *op, wk_tensor x, const wk_fractional_opts *o, struct windows *w)
{
    for (int i = 0; i < w->dims; i++) {
        const double ratio = o->ratio[i];
        w->in[i] = x->shape[x->ndim - w->dims + i];
        w->kernel[i] = o->kernel[i];
        w->out[i] = o->size[i];
        if (w->out[i] == 0 && ratio > 0 && ratio < 1) w->out[i] = (int64_t)((double)w->in[i] * ratio);
        if (w->kernel[i] < 1 || w->out[i] < 1 || w->kernel[i] > w->in[i] ||
            w->out[i] > w->in[i] - w->kernel[i] + 1) {
            wk_fail(c, WK_EARG,
                    "%s: kernel %lld, size %lld, ratio %g on %lld places; at most %lld windows fit", op,
                    (long long)w->kernel[i], (long long)w->out[i], ratio, (long long)w->in[i],
                    (long long)(w->in[i] - w->kernel[i] + 1));
            return false;
        }
    }
    return true;
}

static bool plan(wk_ctx *c, const char *op, wk_tensor x, const wk_fractional_opts *o, struct windows *w)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(x) || (x->ndim != w->dims + 1 && x->ndim != w->dims + 2))
        wk_fail(c, WK_ESHAPE, "%s: x is %s; %d or %d dims are wanted", op, WKI_TEXT(x), w->dims + 1,
                w->dims + 2);
    else if (wki_dtype_class(x->dtype) != 'F')
        wk_fail(c, WK_EDTYPE, "%s: x is %s, a real dtype is wanted", op, wk_dtype_name(x->dtype));
    if (wki_failed(c) || !sizes_fit(c, op, x, o, w)) return false;
    const bool     batch = x->ndim == w->dims + 2;
    const int64_t  n = batch ? x->shape[0] : 1, channels = x->shape[batch];
    const wk_dtype wide = x->dtype == WK_f64 ? WK_f64 : WK_f32; /* halves have too few digits for places */
    wk_tensor      s = o->samples;
    if (wk_is_none(s)) {
        s = wk_uniform(c, 0, 1, wide, WK_SHAPE(n, channels, w->dims));
    } else if (s->ndim != 3 || s->shape[0] != n || s->shape[1] != channels || s->shape[2] != w->dims ||
               wki_dtype_class(s->dtype) != 'F') {
        wk_fail(c, WK_ESHAPE, "%s: samples are %s %s, real [%lld, %lld, %d] is wanted", op,
                wk_dtype_name(s->dtype), WKI_TEXT(s), (long long)n, (long long)channels, w->dims);
        return false;
    }
    w->planes = n * channels;
    w->samples = wk_detach(c, wk_cast(c, wk_reshape(c, s, WK_SHAPE(w->planes, w->dims)), wide));
    return !wki_failed(c);
}

/* Where the windows of a dim begin: [planes, out], i64. */
static wk_tensor starts(wk_ctx *c, const struct windows *w, int dim)
{
    const int64_t   n = w->out[dim], room = w->in[dim] - w->kernel[dim];
    const wk_tensor end = wk_expand(c, wk_scalar_int(c, room), WK_SHAPE(w->planes, 1));
    if (n == 1) return end;
    const wk_tensor s = wk_narrow(c, w->samples, 1, w->dims == 2 ? 1 - dim : dim, 1);
    const wk_tensor whole = wk_full(c, (double)room, s->dtype, WK_SCALAR_SHAPE);
    const wk_tensor a = wk_div(c, whole, wk_scalar(c, (double)(n - 1)));
    const wk_tensor i = wk_arange(c, 0, (double)(n - 1), 1, s->dtype);
    const wk_tensor at = wk_cast(c, wk_mul(c, wk_add(c, s, i), a), WK_i64);
    const wk_tensor from = wk_sub(c, at, wk_cast(c, wk_mul(c, s, a), WK_i64));
    return wk_cat(c, 2, (wk_tensor[]){from, end}, 1);
}

/* The places of all windows: [planes, windows, kernel's values]. */
static wk_tensor places(wk_ctx *c, const struct windows *w)
{
    wk_tensor all = wk_zeros(c, WK_i64, WK_SHAPE(1, 1, 1));
    for (int i = 0; i < w->dims; i++) {
        const wk_tensor inside = wk_arange(c, 0, (double)w->kernel[i], 1, WK_i64);
        const wk_tensor at = wk_add(c, wk_unsqueeze(c, starts(c, w, i), -1), inside); /* [planes, out, k] */
        const wk_tensor before =
            wk_unsqueeze(c, wk_unsqueeze(c, wk_mul(c, all, wk_scalar_int(c, w->in[i])), 2), 4);
        const wk_tensor now = wk_unsqueeze(c, wk_unsqueeze(c, at, 1), 3); /* [planes, 1, out, 1, k] */
        all = wk_flatten(c, wk_flatten(c, wk_add(c, before, now), 3, 4), 1, 2);
    }
    return all;
}

static wk_tensor fractional(wk_ctx *c, const char *op, int dims, wk_tensor x, const wk_fractional_opts *o,
                            wk_tensor *indices)
{
    struct windows w = {.dims = dims};
    wk_shape       shape;
    int64_t        area = 1;
    if (indices) *indices = WK_NONE;
    if (!plan(c, op, x, o, &w)) return WK_NONE;
    shape = wki_shape(x);
    for (int i = 0; i < dims; i++) {
        area *= w.in[i];
        shape.dim[x->ndim - dims + i] = w.out[i];
    }
    if (w.planes == 0) {
        if (indices) *indices = wk_zeros(c, WK_i64, shape);
        return wk_zeros(c, x->dtype, shape);
    }
    const wk_tensor rows = wk_reshape(c, x, WK_SHAPE(w.planes, area)), at = places(c, &w);
    const wk_tensor values = wk_gather(c, wk_detach(c, rows), 1, wk_flatten(c, at, 1, 2));
    const wk_tensor each = wk_argmax(c, wk_reshape(c, values, wki_shape(at)), 2, true);
    const wk_tensor best = wk_squeeze(c, wk_gather(c, at, 2, each), 2);
    if (indices) *indices = wk_reshape(c, best, shape);
    return wk_reshape(c, wk_gather(c, rows, 1, best), shape);
}

wk_tensor wk_fractional_max_pool2d(wk_ctx *c, wk_tensor x, wk_fractional_opts o, wk_tensor *indices)
{
    return fractional(c, "fractional_max_pool2d", 2, x, &o, indices);
}
wk_tensor wk_fractional_max_pool3d(wk_ctx *c, wk_tensor x, wk_fractional_opts o, wk_tensor *indices)
{
    return fractional(c, "fractional_max_pool3d", 3, x, &o, indices);
}
