/* grid_sample and affine_grid. The op sees [N, C, D, H, W] and a grid of places
 * [N, .., dims]. */
#include "core/ctx.h"

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
