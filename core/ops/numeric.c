/* Derivatives of samples, interpolation, convolution of signals, and moments without NaN. */
#include "core/ctx.h"

#include <math.h>

/* ---- derivatives of samples ------------------------------------------------------------------------ */

/* Values from .. from + n - 1 of dim d. */
struct samples {
    wk_tensor x;
    int       d;
    int64_t   n;
};
static wk_tensor part(wk_ctx *c, struct samples s, int64_t from, int64_t n)
{
    return wk_narrow(c, s.x, s.d, from, n);
}
static wk_tensor times(wk_ctx *c, wk_tensor x, double by)
{
    return wk_mul(c, x, wk_scalar(c, by));
}

/* At an end (first 0: the first, step 1; else the last, step -1) of samples a distance h apart. */
static wk_tensor at_end(wk_ctx *c, struct samples s, int64_t first, int64_t step, double h, int order)
{
    const wk_tensor a = part(c, s, first, 1), b = part(c, s, first + step, 1);
    const double    sign = (double)step / h;
    if (order == 1) return times(c, wk_sub(c, b, a), sign);
    const wk_tensor far = part(c, s, first + 2 * step, 1);
    return times(c, wk_sub(c, times(c, b, 2), wk_add(c, times(c, a, 1.5), times(c, far, 0.5))), sign);
}

static wk_tensor evenly_spaced(wk_ctx *c, struct samples s, double h, int order)
{
    const wk_tensor inner = wk_sub(c, part(c, s, 2, s.n - 2), part(c, s, 0, s.n - 2));
    const wk_tensor all[] = {at_end(c, s, 0, 1, h, order), times(c, inner, 0.5 / h),
                             at_end(c, s, s.n - 1, -1, h, order)};
    return wk_cat(c, 3, all, s.d);
}

/* The slope at the end of three points whose values are x[0], x[1], x[2] from there, h[0] and h[1] apart. */
static wk_tensor slope_at_end(wk_ctx *c, const wk_tensor *x, wk_tensor h0, wk_tensor h1)
{
    const wk_tensor first = wk_div(c, wk_sub(c, x[1], x[0]), h0), next = wk_div(c, wk_sub(c, x[2], x[1]), h1);
    const wk_tensor bend = wk_div(c, wk_sub(c, next, first), wk_add(c, h0, h1));
    return wk_sub(c, first, wk_mul(c, bend, h0));
}

/* Divided differences (Fornberg, Math. Comp. 51, 1988); gaps: the distances, along dim d. */
static wk_tensor unevenly_spaced(wk_ctx *c, struct samples s, struct samples gaps, int order)
{
    const int64_t   n = s.n;
    const wk_tensor rise = wk_sub(c, part(c, s, 1, n - 1), part(c, s, 0, n - 1));
    struct samples  slope = {.x = wk_div(c, rise, gaps.x), .d = s.d, .n = n - 1};
    if (wki_failed(c)) return WK_NONE;
    wk_tensor first = part(c, slope, 0, 1), last = part(c, slope, n - 2, 1);
    if (order == 2) {
        const wk_tensor begin[] = {part(c, s, 0, 1), part(c, s, 1, 1), part(c, s, 2, 1)};
        const wk_tensor end[] = {part(c, s, n - 1, 1), part(c, s, n - 2, 1), part(c, s, n - 3, 1)};
        first = slope_at_end(c, begin, part(c, gaps, 0, 1), part(c, gaps, 1, 1));
        last = slope_at_end(c, end, wk_neg(c, part(c, gaps, n - 2, 1)), wk_neg(c, part(c, gaps, n - 3, 1)));
    }
    const wk_tensor before = part(c, gaps, 0, n - 2), after = part(c, gaps, 1, n - 2);
    const wk_tensor left = wk_mul(c, part(c, slope, 0, n - 2), after),
                    right = wk_mul(c, part(c, slope, 1, n - 2), before);
    const wk_tensor all[] = {first, wk_div(c, wk_add(c, left, right), wk_add(c, before, after)), last};
    return wk_cat(c, 3, all, s.d);
}

/* The distances of places, along dim d of ndim. */
static struct samples gaps_of(wk_ctx *c, wk_tensor at, int d, int ndim)
{
    const int64_t n = wk_count(at);
    wk_shape      shape = {.ndim = ndim};
    for (int i = 0; i < ndim; i++) shape.dim[i] = i == d ? n - 1 : 1;
    const wk_tensor gap = wk_sub(c, wk_narrow(c, at, 0, 1, n - 1), wk_narrow(c, at, 0, 0, n - 1));
    return (struct samples){.x = wk_reshape(c, gap, shape), .d = d, .n = n - 1};
}

/* The dims to go along; how many, or 0 after recording what is wrong. */
static int along(wk_ctx *c, const char *op, wk_tensor x, wk_shape dims, int order, int *d)
{
    if (wki_failed(c)) return 0;
    const int n = dims.ndim ? dims.ndim : x->ndim;
    unsigned  seen = 0;
    if (wk_is_none(x) || x->ndim == 0 || wki_is_block(x->dtype))
        wk_fail(c, WK_ESHAPE, "%s: %s %s", op, wk_dtype_name(x->dtype), WKI_TEXT(x));
    else if (order != 1 && order != 2)
        wk_fail(c, WK_EARG, "%s: edge_order %d, 1 and 2 are possible", op, order);
    for (int i = 0; i < n && !wki_failed(c); i++) {
        d[i] = dims.ndim ? wki_dim(c, op, x, (int)dims.dim[i]) : i;
        if (d[i] < 0) return 0;
        if (seen >> d[i] & 1) wk_fail(c, WK_EARG, "%s: dim %d twice", op, d[i]);
        if (x->shape[d[i]] <= order)
            wk_fail(c, WK_ESHAPE, "%s: %lld values along dim %d, at least %d are wanted", op,
                    (long long)x->shape[d[i]], d[i], order + 1);
        seen |= 1u << d[i];
    }
    return wki_failed(c) ? 0 : n;
}

/* What derivatives are computed in; those of halves are rounded once. */
static wk_tensor real_samples(wk_ctx *c, wk_tensor x)
{
    return wk_cast(c, x, x->dtype == WK_f64 ? WK_f64 : WK_f32);
}
static int finish(wk_ctx *c, wk_dtype t, int count, wk_tensor *out)
{
    for (int i = 0; i < count && !wki_failed(c); i++)
        out[i] = wk_cast(c, out[i], wki_dtype_class(t) == 'F' ? t : WK_f32);
    return wki_failed(c) ? 0 : count;
}

int wk_gradient(wk_ctx *c, wk_tensor x, wk_shape dims, int n, const double *spacing, int edge_order,
                wk_tensor *out)
{
    int       d[WK_MAX_DIMS];
    const int count = along(c, "gradient", x, dims, edge_order, d);
    if (count && n > 1 && n != count) wk_fail(c, WK_EARG, "gradient: %d spacings for %d dims", n, count);
    if (!count || wki_failed(c)) return 0;
    const wk_dtype t = x->dtype;
    x = real_samples(c, x);
    for (int i = 0; i < count && !wki_failed(c); i++)
        out[i] = evenly_spaced(c, (struct samples){.x = x, .d = d[i], .n = x->shape[d[i]]},
                               n > 1   ? spacing[i]
                               : n > 0 ? spacing[0]
                                       : 1,
                               edge_order);
    return finish(c, t, count, out);
}

int wk_gradient_at(wk_ctx *c, wk_tensor x, wk_shape dims, const wk_tensor *at, int edge_order, wk_tensor *out)
{
    int       d[WK_MAX_DIMS];
    const int count = along(c, "gradient_at", x, dims, edge_order, d);
    if (!count) return 0;
    const wk_dtype t = x->dtype;
    x = real_samples(c, x);
    for (int i = 0; i < count && !wki_failed(c); i++) {
        if (at[i]->ndim != 1 || at[i]->shape[0] != x->shape[d[i]]) {
            wk_fail(c, WK_ESHAPE, "gradient_at: places %s of %s along dim %d", WKI_TEXT(at[i]), WKI_TEXT(x),
                    d[i]);
            break;
        }
        const struct samples s = {.x = x, .d = d[i], .n = x->shape[d[i]]};
        out[i] = unevenly_spaced(c, s, gaps_of(c, at[i], d[i], x->ndim), edge_order);
    }
    return finish(c, t, count, out);
}

/* ---- interpolation --------------------------------------------------------------------------------- */

/* The points of one period in order, with a neighbour from the next period at either end. */
static void wrap(wk_ctx *c, wk_tensor *x, wk_tensor *xp, wk_tensor *fp, double period)
{
    const wk_tensor p = wk_scalar(c, period);
    wk_tensor       order;
    *x = wk_remainder(c, *x, p);
    *xp = wk_sort(c, wk_remainder(c, *xp, p), 0, false, &order);
    *fp = wk_index_select(c, *fp, 0, order);
    const int64_t   n = wk_count(*xp);
    const wk_tensor places[] = {wk_sub(c, wk_narrow(c, *xp, 0, n - 1, 1), p), *xp,
                                wk_add(c, wk_narrow(c, *xp, 0, 0, 1), p)};
    const wk_tensor values[] = {wk_narrow(c, *fp, 0, n - 1, 1), *fp, wk_narrow(c, *fp, 0, 0, 1)};
    *xp = wk_cat(c, 3, places, 0);
    *fp = wk_cat(c, 3, values, 0);
}

static wk_tensor end_value(wk_ctx *c, wk_tensor fp, int64_t i, bool given, double value)
{
    return given ? wk_full(c, value, fp->dtype, WK_SCALAR_SHAPE) : wk_select(c, fp, 0, i);
}

static wk_tensor between(wk_ctx *c, wk_tensor x, wk_tensor xp, wk_tensor fp, wk_interp_opts o)
{
    const int64_t n = wk_count(xp);
    wk_tensor     y = x; /* of one point: only places before, on and behind it */
    if (n > 1) {
        const wk_tensor behind = wk_searchsorted(c, xp, x, true);
        const wk_tensor i = wk_clamp(c, wk_sub(c, behind, wk_scalar_int(c, 1)), 0, (double)(n - 2));
        const wk_tensor next = wk_add(c, i, wk_scalar_int(c, 1));
        const wk_tensor x0 = wk_take(c, xp, i), f0 = wk_take(c, fp, i);
        const wk_tensor slope =
            wk_div(c, wk_sub(c, wk_take(c, fp, next), f0), wk_sub(c, wk_take(c, xp, next), x0));
        y = wk_add(c, f0, wk_mul(c, slope, wk_sub(c, x, x0)));
    }
    const wk_tensor first = wk_select(c, xp, 0, 0), last = wk_select(c, xp, 0, -1);
    y = wk_where(c, wk_eq(c, x, last), wk_select(c, fp, 0, -1), y);
    y = wk_where(c, wk_lt(c, x, first), end_value(c, fp, 0, o.has_left, o.left), y);
    return wk_where(c, wk_gt(c, x, last), end_value(c, fp, -1, o.has_right, o.right), y);
}

wk_tensor wk_interp(wk_ctx *c, wk_tensor x, wk_tensor xp, wk_tensor fp, wk_interp_opts o)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c,
               !wk_is_none(x) && xp->ndim == 1 && fp->ndim == 1 && xp->shape[0] == fp->shape[0] &&
                   xp->shape[0] > 0,
               WK_ESHAPE, "interp: points %s and %s, equally many, at least one, are wanted", WKI_TEXT(xp),
               WKI_TEXT(fp));
    WK_REQUIRE(c, o.period >= 0, WK_EARG, "interp: period %g", o.period);
    wk_dtype t = wk_promote(wk_promote(x->dtype, xp->dtype), fp->dtype);
    if (wki_dtype_class(t) != 'F') t = WK_f32;
    const wk_dtype wide = t == WK_f64 ? WK_f64 : WK_f32; /* halves are rounded once */
    x = wk_cast(c, x, wide);
    xp = wk_cast(c, xp, wide);
    fp = wk_cast(c, fp, wide);
    if (o.period > 0) wrap(c, &x, &xp, &fp, o.period);
    return wki_failed(c) ? WK_NONE : wk_cast(c, between(c, x, xp, fp, o), t);
}

/* ---- convolution ------------------------------------------------------------------------------------ */

wk_tensor wk_convolve(wk_ctx *c, wk_tensor a, wk_tensor b, wk_convolve_mode mode)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c,
               !wk_is_none(a) && !wk_is_none(b) && a->ndim == 1 && b->ndim == 1 && wk_count(a) > 0 &&
                   wk_count(b) > 0,
               WK_ESHAPE, "convolve: %s and %s, 1-d ones with values are wanted", WKI_TEXT(a), WKI_TEXT(b));
    WK_REQUIRE(c, (unsigned)mode <= WK_CONVOLVE_VALID, WK_EARG, "convolve: mode %d", (int)mode);
    const wk_dtype t = wk_promote(a->dtype, b->dtype);
    const bool     real = wki_dtype_class(t) == 'F';
    if (b->shape[0] > a->shape[0]) {
        const wk_tensor longer = b;
        b = a;
        a = longer;
    }
    const int64_t m = b->shape[0], left = mode == WK_CONVOLVE_SAME ? m - 1 - (m - 1) / 2 : m - 1;
    a = wk_cast(c, a, real ? t : WK_i64);
    b = wk_flip(c, wk_cast(c, b, real ? t : WK_i64), WK_DIMS(0));
    if (mode != WK_CONVOLVE_VALID && m > 1)
        a = wk_pad(c, a, 2, (int64_t[]){left, mode == WK_CONVOLVE_SAME ? (m - 1) / 2 : left}, 0);
    if (!real) return wk_cast(c, wk_mv(c, wk_unfold(c, a, 0, m, 1), b), t);
    const wk_tensor y = wk_conv1d(c, wk_reshape(c, a, WK_SHAPE(1, 1, -1)),
                                  wk_reshape(c, b, WK_SHAPE(1, 1, m)), WK_NONE, (wk_conv_opts){0});
    return wk_reshape(c, y, WK_SHAPE(-1));
}

/* ---- moments without NaN ---------------------------------------------------------------------------- */

wk_tensor wk_nanvar(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && wki_dtype_class(x->dtype) == 'F', WK_EDTYPE,
               "nanvar: %s, a real tensor is wanted", wk_dtype_name(x->dtype));
    const wk_dtype  wide = x->dtype == WK_f64 ? WK_f64 : WK_f32; /* halves are rounded once */
    const wk_tensor there = wk_logical_not(c, wk_isnan(c, wk_detach(c, x))),
                    nought = wk_full(c, 0, wide, WK_SCALAR_SHAPE);
    const wk_tensor count = wk_cast(c, wk_sum(c, there, dims, true), wide);
    const wk_tensor v = wk_where(c, there, wk_cast(c, x, wide), nought);
    const wk_tensor mean = wk_div(c, wk_sum(c, v, dims, true), count);
    const wk_tensor about = wk_where(c, there, wk_sub(c, v, mean), nought);
    const wk_tensor left =
        wk_sub(c, wk_cast(c, wk_sum(c, there, dims, keep), wide), wk_scalar(c, correction));
    const wk_tensor var = wk_div(c, wk_sum(c, wk_square(c, about), dims, keep), left);
    const wk_tensor nan = wk_full(c, (double)NAN, wide, WK_SCALAR_SHAPE);
    return wk_cast(c, wk_where(c, wk_gt(c, left, nought), var, nan), x->dtype);
}

wk_tensor wk_nanstd(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep)
{
    if (wki_failed(c) || wki_dtype_class(x->dtype) != 'F') return wk_nanvar(c, x, dims, correction, keep);
    const wk_tensor wide = x->dtype == WK_f64 ? x : wk_cast(c, x, WK_f32);
    return wk_cast(c, wk_sqrt(c, wk_nanvar(c, wide, dims, correction, keep)), x->dtype);
}
