/* grid_sample and affine_grid. The op sees [N, C, D, H, W] and a grid of places [N, .., dims]. */
#include "core/tape.h"

static bool fits(wk_ctx *c, wk_tensor x, wk_tensor grid, wk_grid_opts o)
{
    if (wki_failed(c)) return false;
    const int n = x->ndim - 2;
    if (wk_is_none(x) || (n != 2 && n != 3) || grid->ndim != x->ndim || grid->shape[n + 1] != n ||
        grid->shape[0] != x->shape[0])
        wk_fail(c, WK_ESHAPE,
                "grid_sample: x %s, grid %s; [N, C, H, W] and [N, h, w, 2], or one "
                "dim more, are wanted",
                WKI_TEXT(x), WKI_TEXT(grid));
    else if (wki_dtype_class(x->dtype) != 'F' || grid->dtype != x->dtype)
        wk_fail(c, WK_EDTYPE, "grid_sample: x is %s, grid %s; one real dtype is wanted",
                wk_dtype_name(x->dtype), wk_dtype_name(grid->dtype));
    else if (o.mode != WK_RESIZE_NEAREST && o.mode != WK_RESIZE_LINEAR && o.mode != WK_RESIZE_CUBIC)
        wk_fail(c, WK_EARG, "grid_sample: nearest, linear or cubic; not mode %d", (int)o.mode);
    double area = 1;
    for (int i = 0; i < n; i++) area *= (double)x->shape[2 + i];
    if (!wki_failed(c) && (area < 1 || area > INT32_MAX))
        wk_fail(c, WK_ESHAPE, "grid_sample: x is %s; 1 to 2^31 - 1 values of a channel are wanted",
                WKI_TEXT(x));
    return !wki_failed(c);
}

wk_tensor wk_grid_sample(wk_ctx *c, wk_tensor x, wk_tensor grid, wk_grid_opts o)
{
    if (!fits(c, x, grid, o)) return WK_NONE;
    const wk_dtype t = x->dtype;
    const int      n = x->ndim - 2;
    if (t != WK_f32 && t != WK_f64) {
        x = wk_cast(c, x, WK_f32);
        grid = wk_cast(c, grid, WK_f32);
    }
    if (wki_failed(c)) return WK_NONE;
    wk_shape five = {5, {x->shape[0], x->shape[1], 1, 1, 1}}, shape = wki_shape(x);
    for (int i = 0; i < n; i++) {
        five.dim[5 - n + i] = x->shape[2 + i];
        shape.dim[2 + i] = grid->shape[1 + i];
    }
    x = wk_reshape(c, x, five);
    if (wki_failed(c)) return WK_NONE;
    const int mode = o.mode == WK_RESIZE_NEAREST ? 0 : o.mode == WK_RESIZE_LINEAR ? 1 : 2;
    return wk_cast(c,
                   wki_run(c, &(wk_call){.op = WK_OP_grid_sample,
                                         .cls = wki_class_of(x->dtype),
                                         WK_IN(x, grid),
                                         .attr.i = {mode, o.padding, o.align_corners, n},
                                         .out = {wki_new(c, x->dtype, shape)}}),
                   t);
}

void wki_vjp_grid_sample(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_failed(c)) return;
    const wk_call back = {.op = WK_OP_grid_sample_vjp,
                          .cls = k->cls,
                          WK_IN(k->in[0], k->in[1], g[0]),
                          .attr.i = {k->attr.i[0], k->attr.i[1], k->attr.i[2], k->attr.i[3]},
                          .n_out = 2,
                          .out = {wki_like(c, k->in[0]), wki_like(c, k->in[1])}};
    if (wk_is_none(wki_run(c, &back))) return;
    dx[0] = back.out[0];
    dx[1] = back.out[1];
}

/* ---- the composition, which has gradients of any order ---- */

/* The neighbours of places along one dim: indices (0 where there is none), weights (0 there). */
struct neighbours {
    int       n;
    wk_tensor at[4], weight[4];
};

static wk_tensor plus(wk_ctx *c, wk_tensor x, double number)
{
    return wk_add(c, x, wk_scalar(c, number));
}
static wk_tensor times(wk_ctx *c, wk_tensor x, double number)
{
    return wk_mul(c, x, wk_scalar(c, number));
}

/* Back into [low, low + span] at mirrors on both ends. */
static wk_tensor mirrored(wk_ctx *c, wk_tensor v, double low, double span)
{
    if (span <= 0) return times(c, v, 0);
    v = wk_abs(c, plus(c, v, -low));
    const wk_tensor turns = wk_floor(c, times(c, v, 1 / span)), rest = wk_sub(c, v, times(c, turns, span));
    const wk_tensor odd = wk_ne(c, wk_remainder(c, turns, wk_scalar(c, 2)), wk_scalar(c, 0));
    return plus(c, wk_where(c, odd, wk_sub(c, wk_scalar(c, span), rest), rest), low);
}

static wk_tensor padded(wk_ctx *c, wk_tensor v, const wk_call *k, int64_t size)
{
    const double last = (double)(size - 1);
    if (k->attr.i[1] == WK_GRID_ZEROS) return v;
    if (k->attr.i[1] == WK_GRID_REFLECTION)
        v = k->attr.i[2] ? mirrored(c, v, 0, last) : mirrored(c, v, -0.5, (double)size);
    const wk_tensor low = wk_le(c, v, wk_scalar(c, 0)), high = wk_ge(c, v, wk_scalar(c, last));
    return wk_where(c, low, wk_scalar(c, 0), wk_where(c, high, wk_scalar(c, last), v));
}

/* Keys' kernel with a = -0.75 (Cubic convolution interpolation, 1981, eq. 4) for neighbour t of four, at
 * distance x: the outer two are 1 to 2 away. */
static wk_tensor cubic(wk_ctx *c, wk_tensor x, int t)
{
    const double a = -0.75;
    if (t == 1 || t == 2)
        return plus(c, wk_mul(c, wk_mul(c, plus(c, times(c, x, a + 2), -(a + 3)), x), x), 1);
    return times(c, plus(c, wk_mul(c, plus(c, wk_mul(c, plus(c, x, -5), x), 8), x), -4), a);
}

static struct neighbours along(wk_ctx *c, wk_tensor g, const wk_call *k, int64_t size)
{
    const bool        align = k->attr.i[2] != 0;
    struct neighbours s = {.n = 1 << k->attr.i[0]};
    wk_tensor         v = times(c, plus(c, g, 1), (double)(align ? size - 1 : size));
    v = times(c, plus(c, v, align ? 0 : -1), 0.5);
    v = wk_where(c, wk_lt(c, wk_abs(c, v), wk_scalar(c, 1e9)), v, wk_scalar(c, -100)); /* nowhere */
    if (s.n < 4) v = padded(c, v, k, size);
    const wk_tensor base = s.n == 1 ? wk_round(c, v) : wk_floor(c, v), part = wk_sub(c, v, base);
    for (int t = 0; t < s.n; t++) {
        const int       step = s.n == 4 ? t - 1 : t;
        wk_tensor       at = plus(c, base, step);
        const wk_tensor away = t < s.n / 2 ? plus(c, part, -step) : plus(c, wk_neg(c, part), step);
        if (s.n == 4) at = padded(c, at, k, size);
        const wk_tensor there =
            wk_logical_and(c, wk_ge(c, at, wk_scalar(c, 0)), wk_lt(c, at, wk_scalar(c, (double)size)));
        const wk_tensor w = s.n == 1   ? plus(c, times(c, part, 0), 1)
                            : s.n == 2 ? plus(c, wk_neg(c, away), 1)
                                       : cubic(c, away, t);
        s.weight[t] = wk_where(c, there, w, wk_scalar(c, 0));
        s.at[t] = wk_cast(c, wk_where(c, there, at, wk_scalar(c, 0)), WK_i64);
    }
    return s;
}

wk_tensor wki_again_grid_sample(wk_ctx *c, const wk_call *k)
{
    const wk_tensor   x = k->in[0];
    const int64_t     N = x->shape[0], C = x->shape[1], H = x->shape[3], W = x->shape[4];
    const int         dims = (int)k->attr.i[3];
    const int64_t     places = wk_count(k->out[0]) / (N * C > 0 ? N * C : 1);
    const wk_tensor   planes = wk_reshape(c, x, WK_SHAPE(N, C, x->shape[2] * H * W));
    const wk_tensor   grid = wk_reshape(c, k->in[1], WK_SHAPE(N, 1, places, dims));
    struct neighbours s[3] = {{.n = 1}, {.n = 1}, {.n = 1}};
    wk_tensor         y = wk_zeros(c, x->dtype, WK_SHAPE(N, C, places));
    for (int i = 0; i < dims; i++) s[i] = along(c, wk_select(c, grid, -1, i), k, x->shape[4 - i]);
    for (int t = 0; t < s[0].n * s[1].n * s[2].n && !wki_failed(c); t++) {
        const int a = t % s[0].n, b = t / s[0].n % s[1].n, d = t / s[0].n / s[1].n;
        wk_tensor at = wk_add(c, s[0].at[a], wk_mul(c, s[1].at[b], wk_scalar_int(c, W)));
        wk_tensor w = wk_mul(c, s[0].weight[a], s[1].weight[b]);
        if (dims > 2) {
            at = wk_add(c, at, wk_mul(c, s[2].at[d], wk_scalar_int(c, H * W)));
            w = wk_mul(c, w, s[2].weight[d]);
        }
        y = wk_add(c, y, wk_mul(c, wk_gather(c, planes, 2, wk_expand(c, at, WK_SHAPE(-1, C, -1))), w));
    }
    return wk_reshape(c, y, wki_shape(k->out[0]));
}

/* Middles (or, with corners aligned, ends) of n parts of [-1, 1], as dim `dim`
 * of `dims`. */
static wk_tensor steps(wk_ctx *c, wk_dtype t, int64_t n, bool align, int dim, int dims)
{
    wk_shape shape = {.ndim = dims + 1};
    for (int i = 0; i <= dims; i++) shape.dim[i] = i == dim ? n : 1;
    const double    span = align ? (n > 1 ? 2.0 / (double)(n - 1) : 0) : 2.0 / (double)n;
    const double    first = align ? (n > 1 ? -1 : 0) : 1.0 / (double)n - 1;
    const wk_tensor at = wk_arange(c, 0, (double)n, 1, t);
    return wk_reshape(c, wk_add(c, wk_mul(c, at, wk_scalar(c, span)), wk_scalar(c, first)), shape);
}

wk_tensor wk_affine_grid(wk_ctx *c, wk_tensor theta, wk_shape size, bool align_corners)
{
    if (wki_failed(c)) return WK_NONE;
    const int n = size.ndim - 2;
    WK_REQUIRE(c,
               (n == 2 || n == 3) && theta->ndim == 3 && theta->shape[0] == size.dim[0] &&
                   theta->shape[1] == n && theta->shape[2] == n + 1,
               WK_ESHAPE,
               "affine_grid: theta %s for %d sizes; [N, 2, 3] for 4 or [N, 3, 4] "
               "for 5 is wanted",
               WKI_TEXT(theta), size.ndim);
    WK_REQUIRE(c, wki_dtype_class(theta->dtype) == 'F', WK_EDTYPE, "affine_grid: theta is %s",
               wk_dtype_name(theta->dtype));
    for (int i = 0; i < size.ndim; i++)
        WK_REQUIRE(c, size.dim[i] > 0, WK_EARG, "affine_grid: a size of %lld", (long long)size.dim[i]);
    wk_shape  all = {.ndim = n + 1};
    wk_tensor parts[4];
    int64_t   places = 1;
    for (int i = 0; i < n; i++) places *= all.dim[i] = size.dim[2 + i];
    all.dim[n] = 1;
    const wk_dtype t = theta->dtype == WK_f64 ? WK_f64 : WK_f32;
    for (int i = 0; i < n; i++)
        parts[i] = wk_expand(c, steps(c, t, size.dim[1 + n - i], align_corners, n - 1 - i, n), all);
    parts[n] = wk_expand(c, wk_full(c, 1, t, WK_SHAPE(1)), all);
    const wk_tensor base = wk_reshape(c, wk_cat(c, n + 1, parts, -1), WK_SHAPE(1, places, n + 1));
    const wk_tensor grid = wk_matmul(c, base, wk_transpose(c, wk_cast(c, theta, t), 1, 2));
    wk_shape        shape = {n + 2, {size.dim[0]}};
    for (int i = 0; i < n; i++) shape.dim[1 + i] = size.dim[2 + i];
    shape.dim[n + 1] = n;
    return wk_reshape(c, wk_cast(c, grid, theta->dtype), shape);
}
