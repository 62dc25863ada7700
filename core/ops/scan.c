/* Scans along a dim: cumsum, cumprod, logcumsumexp, cummax, cummin, and what they make. */
#include "core/tape.h"

#include <math.h>

/* attr.i: the dim, reverse (from the end) */

static wk_dtype total_of(wk_dtype t)
{
    const char cls = wki_dtype_class(t);
    return cls == 'I' || cls == 'B' ? WK_i64 : t;
}

static wk_tensor scan(wk_ctx *c, wk_op op, wk_tensor x, int dim, bool reverse, wk_tensor *indices)
{
    if (indices) *indices = WK_NONE;
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wki_is_block(x->dtype), WK_EARG, "%s: no tensor of plain values",
               wki_op_name(op));
    const int d = wki_dim(c, wki_op_name(op), x, dim);
    if (d < 0) return WK_NONE;
    const bool picks = op == WK_OP_cummax || op == WK_OP_cummin;
    WK_REQUIRE(c, op != WK_OP_logcumsumexp || wki_dtype_class(x->dtype) == 'F', WK_EDTYPE,
               "logcumsumexp: %s is not real", wk_dtype_name(x->dtype));
    const wk_dtype  t = picks ? x->dtype : total_of(x->dtype);
    const wk_call   k = {.op = op,
                         .cls = wki_class_of(t),
                         WK_IN(x),
                         .n_out = picks ? 2 : 1,
                         .out = {wki_like_as(c, x, t), picks ? wki_like_as(c, x, WK_i64) : NULL},
                         .attr.i = {d, reverse}};
    const wk_tensor y = wki_run(c, &k);
    if (indices && !wk_is_none(y)) *indices = k.out[1];
    return y;
}

wk_tensor wk_cumsum(wk_ctx *c, wk_tensor x, int dim)
{
    return scan(c, WK_OP_cumsum, x, dim, false, NULL);
}
wk_tensor wk_cumprod(wk_ctx *c, wk_tensor x, int dim)
{
    return scan(c, WK_OP_cumprod, x, dim, false, NULL);
}
wk_tensor wk_logcumsumexp(wk_ctx *c, wk_tensor x, int dim)
{
    return scan(c, WK_OP_logcumsumexp, x, dim, false, NULL);
}
wk_tensor wk_cummax(wk_ctx *c, wk_tensor x, int dim, wk_tensor *indices)
{
    return scan(c, WK_OP_cummax, x, dim, false, indices);
}
wk_tensor wk_cummin(wk_ctx *c, wk_tensor x, int dim, wk_tensor *indices)
{
    return scan(c, WK_OP_cummin, x, dim, false, indices);
}

/* ---- gradients: the same scans from the other end -------------------------------------------- */

void wki_vjp_cumsum(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = scan(c, WK_OP_cumsum, g[0], (int)k->attr.i[0], !k->attr.i[1], NULL);
}

/* dx[j] = sum over i >= j of g[i] y[i] / x[j] before the first zero of a line. At it, the same with that
 * zero left out of the products; after it nothing. */
void wki_vjp_cumprod(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], y = k->out[0], h = g[0];
    const wk_tensor zero = wk_scalar_int(c, 0), one = wk_scalar_int(c, 1);
    const int       d = (int)k->attr.i[0];
    const wk_tensor is_zero = wk_eq(c, x, zero), zeros = wk_cumsum(c, is_zero, d);
    const wk_tensor first = wk_logical_and(c, is_zero, wk_eq(c, zeros, one));
    const wk_tensor ratio =
        wk_div(c, scan(c, WK_OP_cumsum, wk_mul(c, h, y), d, true, NULL), wk_where(c, is_zero, one, x));
    const wk_tensor rest = wk_cumprod(c, wk_where(c, first, one, x), d);
    const wk_tensor at_first = scan(c, WK_OP_cumsum, wk_mul(c, h, rest), d, true, NULL);
    dx[0] = wk_where(c, wk_eq(c, zeros, zero), ratio, wk_where(c, first, at_first, zero));
}

/* sum over i >= j of g[i] exp(x[j] - y[i]), with positive and negative g apart, in logarithms. */
static wk_tensor share(wk_ctx *c, const wk_call *k, wk_tensor g)
{
    const wk_tensor zero = wk_scalar_int(c, 0), one = wk_scalar_int(c, 1), none = wk_scalar(c, -INFINITY);
    const wk_tensor has = wk_gt(c, g, zero);
    const wk_tensor logs = wk_where(c, has, wk_log(c, wk_where(c, has, g, one)), none);
    const wk_tensor sums =
        scan(c, WK_OP_logcumsumexp, wk_sub(c, logs, k->out[0]), (int)k->attr.i[0], !k->attr.i[1], NULL);
    return wk_exp(c, wk_add(c, sums, k->in[0]));
}
void wki_vjp_logcumsumexp(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const bool alone = k->in[0]->ndim == 0;
    dx[0] = alone ? g[0] : wk_sub(c, share(c, k, g[0]), share(c, k, wk_neg(c, g[0])));
}

/* A scan in steps of 1, 2, 4, ..: twice differentiable where its gradient above, which divides or takes
 * logarithms, is not. */
static wk_tensor stepped(wk_ctx *c, const wk_call *k, wk_tensor (*op)(wk_ctx *, wk_tensor, wk_tensor))
{
    const wk_dtype t = k->out[0]->dtype;
    const int      d = (int)k->attr.i[0];
    wk_tensor      y = wk_cast(c, k->in[0], t == WK_f64 ? t : WK_f32);
    const int64_t  n = y->ndim ? y->shape[d] : 1;
    if (k->attr.i[1] && y->ndim) y = wk_flip(c, y, WK_DIMS(d));
    for (int64_t step = 1; step < n && !wki_failed(c); step *= 2) {
        const wk_tensor before = wk_narrow(c, y, d, 0, n - step), behind = wk_narrow(c, y, d, step, n - step);
        y = wk_cat(c, 2, (const wk_tensor[]){wk_narrow(c, y, d, 0, step), op(c, behind, before)}, d);
    }
    if (k->attr.i[1] && y->ndim) y = wk_flip(c, y, WK_DIMS(d));
    return wk_cast(c, y, t);
}
wk_tensor wki_again_cumprod(wk_ctx *c, const wk_call *k)
{
    return stepped(c, k, wk_mul);
}
wk_tensor wki_again_logcumsumexp(wk_ctx *c, const wk_call *k)
{
    return stepped(c, k, wk_logaddexp);
}

static void picked_vjp(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor zero = wk_zeros(c, g[0]->dtype, wki_shape(k->in[0]));
    dx[0] = wk_count(g[0]) == 0 ? zero
            : k->in[0]->ndim    ? wk_scatter_add(c, zero, (int)k->attr.i[0], k->out[1], g[0])
                                : g[0];
}
void wki_vjp_cummax(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    picked_vjp(c, k, g, dx);
}
void wki_vjp_cummin(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    picked_vjp(c, k, g, dx);
}

/* ---- differences and areas ------------------------------------------------------------------- */

static wk_tensor but_first(wk_ctx *c, wk_tensor x, int d)
{
    return wk_slice(c, x, d, 1, INT64_MAX, 1);
}
static wk_tensor but_last(wk_ctx *c, wk_tensor x, int d)
{
    return wk_slice(c, x, d, 0, -1, 1);
}

wk_tensor wk_diff(wk_ctx *c, wk_tensor x, int n, int dim, wk_tensor prepend, wk_tensor append)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim > 0, WK_ESHAPE, "diff: x is %s, without dims", WKI_TEXT(x));
    WK_REQUIRE(c, n >= 0, WK_EARG, "diff: %d times", n);
    const int d = wki_dim(c, "diff", x, dim);
    if (d < 0) return WK_NONE;
    if (n == 0) return x;
    wk_tensor parts[3];
    int       m = 0;
    if (!wk_is_none(prepend)) parts[m++] = prepend;
    parts[m++] = x;
    if (!wk_is_none(append)) parts[m++] = append;
    if (m > 1) x = wki_within(c, "diff", wk_cat(c, m, parts, d));
    for (int i = 0; i < n && !wki_failed(c); i++) {
        const wk_tensor a = but_first(c, x, d), b = but_last(c, x, d);
        x = x->dtype == WK_bool ? wk_ne(c, a, b) : wk_sub(c, a, b);
    }
    return x;
}

/* Twice the areas between neighbours. */
static wk_tensor areas(wk_ctx *c, const char *op, wk_tensor y, wk_tensor x, double dx, int *dim)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(y) && y->ndim > 0, WK_ESHAPE, "%s: y is %s, without dims", op, WKI_TEXT(y));
    const int d = wki_dim(c, op, y, *dim);
    if (d < 0) return WK_NONE;
    *dim = d;
    const wk_tensor sums = wk_add(c, but_first(c, y, d), but_last(c, y, d));
    if (wk_is_none(x)) return wk_mul(c, sums, wk_scalar(c, dx / 2));
    WK_REQUIRE(c, x->ndim > 0, WK_ESHAPE, "%s: x is %s, without dims", op, WKI_TEXT(x));
    if (x->ndim == 1 && y->ndim > 1) { /* points of dim d */
        WK_REQUIRE(c, x->shape[0] == y->shape[d], WK_ESHAPE, "%s: %lld points for y %s along dim %d", op,
                   (long long)x->shape[0], WKI_TEXT(y), d);
        for (int i = d + 1; i < y->ndim; i++) x = wk_unsqueeze(c, x, -1);
    }
    const int from_end = d - y->ndim;
    WK_REQUIRE(c, x->ndim >= -from_end, WK_ESHAPE, "%s: points %s for y %s", op, WKI_TEXT(x), WKI_TEXT(y));
    const wk_tensor steps = wk_diff(c, x, 1, from_end, WK_NONE, WK_NONE);
    return wk_mul(c, wk_mul(c, sums, steps), wk_scalar(c, 0.5));
}

wk_tensor wk_trapezoid(wk_ctx *c, wk_tensor y, wk_tensor x, double dx, int dim)
{
    const int       given = y->ndim;
    const wk_tensor a = areas(c, "trapezoid", y, x, dx, &dim);
    return wki_failed(c) ? WK_NONE : wk_sum(c, a, WK_DIMS(dim - given), false);
}

wk_tensor wk_cumulative_trapezoid(wk_ctx *c, wk_tensor y, wk_tensor x, double dx, int dim)
{
    const int       given = y->ndim;
    const wk_tensor a = areas(c, "cumulative_trapezoid", y, x, dx, &dim);
    return wki_failed(c) ? WK_NONE : wk_cumsum(c, a, dim - given);
}
