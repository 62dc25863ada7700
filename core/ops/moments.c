/* Reductions made of others. */
#include "core/ctx.h"

#include <math.h>

wk_tensor wk_nanmean(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep)
{
    if (wki_failed(c)) return WK_NONE;
    if (wki_dtype_class(x->dtype) != 'F') return wk_mean(c, x, dims, keep);
    const wk_dtype  wide = x->dtype == WK_f64 ? WK_f64 : WK_f32; /* halves are rounded once */
    const wk_tensor v = wk_cast(c, x, wide), flat = wk_detach(c, v);
    const wk_tensor count = wk_sum(c, wk_eq(c, flat, flat), dims, keep);
    return wk_cast(c, wk_div(c, wk_nansum(c, v, dims, keep), count), x->dtype);
}

wk_tensor wk_var_mean(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep, wk_tensor *mean)
{
    if (mean) *mean = wk_mean(c, x, dims, keep);
    return wk_var(c, x, dims, correction, keep);
}
wk_tensor wk_std_mean(wk_ctx *c, wk_tensor x, wk_shape dims, double correction, bool keep, wk_tensor *mean)
{
    if (mean) *mean = wk_mean(c, x, dims, keep);
    return wk_std(c, x, dims, correction, keep);
}

wk_tensor wk_dist(wk_ctx *c, wk_tensor a, wk_tensor b, double p)
{
    return wk_vector_norm(c, wk_sub(c, a, b), p, WK_ALL_DIMS, false);
}

wk_tensor wk_cdist(wk_ctx *c, wk_tensor a, wk_tensor b, double p)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, a->ndim >= 2 && b->ndim >= 2 && wk_size(a, -1) == wk_size(b, -1), WK_ESHAPE,
               "cdist: rows of %s and %s differ in length", WKI_TEXT(a), WKI_TEXT(b));
    const wk_tensor apart = wk_sub(c, wk_unsqueeze(c, a, -2), wk_unsqueeze(c, b, -3));
    return wk_vector_norm(c, apart, p, WK_DIMS(-1), false);
}

/* As [variables, samples]. */
static wk_tensor covariance(wk_ctx *c, wk_tensor x, double correction)
{
    if (x->ndim < 2) x = wk_reshape(c, x, WK_SHAPE(1, -1));
    if (wki_dtype_class(x->dtype) != 'F') x = wk_cast(c, x, WK_f32);
    if (wki_failed(c)) return WK_NONE;
    const double    n = (double)x->shape[1] - correction;
    const wk_tensor about = wk_sub(c, x, wk_mean(c, x, WK_DIMS(1), true));
    const wk_tensor sum = wk_matmul(c, about, wk_transpose(c, about, 0, 1));
    return wk_div(c, sum, wk_scalar(c, n > 0 ? n : 0));
}

wk_tensor wk_cov(wk_ctx *c, wk_tensor x, double correction)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim <= 2, WK_ESHAPE, "cov: %s, [variables, samples] is wanted",
               WKI_TEXT(x));
    const wk_tensor y = covariance(c, x, correction);
    return x->ndim < 2 ? wk_reshape(c, y, WK_SCALAR_SHAPE) : y;
}

wk_tensor wk_corrcoef(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim <= 2, WK_ESHAPE, "corrcoef: %s, [variables, samples] is wanted",
               WKI_TEXT(x));
    const wk_tensor y = covariance(c, x, 1), scale = wk_sqrt(c, wk_diagonal(c, y, 0, 0, 1));
    const wk_tensor r = wk_div(c, wk_div(c, y, wk_unsqueeze(c, scale, 1)), scale);
    return wk_reshape(c, wk_clamp(c, r, -1, 1), x->ndim < 2 ? WK_SCALAR_SHAPE : wki_shape(y));
}

wk_tensor wk_renorm(wk_ctx *c, wk_tensor x, double p, int dim, double most)
{
    const int d = wki_failed(c) ? -1 : wki_dim(c, "renorm", x, dim);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, p > 0 && most >= 0, WK_EARG, "renorm: power %g and bound %g, wanted are p > 0, most >= 0",
               p, most);
    WK_REQUIRE(c, x->ndim > 1, WK_ESHAPE, "renorm: %s has one dim, wanted are two or more", WKI_TEXT(x));
    wk_shape others = {0};
    for (int i = 0; i < x->ndim; i++)
        if (i != d) others.dim[others.ndim++] = i;
    const wk_tensor norm = wk_vector_norm(c, x, p, others, true), bound = wk_scalar(c, most);
    const wk_tensor scale = wk_div(c, bound, wk_add(c, norm, wk_scalar(c, 1e-7)));
    return wk_mul(c, x, wk_where(c, wk_gt(c, norm, bound), scale, wk_scalar_int(c, 1)));
}

typedef wk_tensor (*finder)(wk_ctx *, wk_tensor, int, bool);
static wk_tensor picked(wk_ctx *c, finder find, wk_tensor x, int dim, bool keep, wk_tensor *indices)
{
    const wk_tensor at = find(c, x, dim, true);
    wk_tensor       y = WK_NONE, shown = at;
    if (!wki_failed(c) && x->ndim == 0) {
        y = wk_clone(c, x);
    } else {
        y = wk_gather(c, x, dim, at);
        if (!keep) y = wk_squeeze(c, y, dim), shown = wk_squeeze(c, at, dim);
    }
    if (indices) *indices = wki_failed(c) ? WK_NONE : shown;
    return y;
}
wk_tensor wk_max(wk_ctx *c, wk_tensor x, int dim, bool keep, wk_tensor *indices)
{
    return picked(c, wk_argmax, x, dim, keep, indices);
}
wk_tensor wk_min(wk_ctx *c, wk_tensor x, int dim, bool keep, wk_tensor *indices)
{
    return picked(c, wk_argmin, x, dim, keep, indices);
}

wk_tensor wk_aminmax(wk_ctx *c, wk_tensor x, wk_shape dims, bool keep, wk_tensor *most)
{
    if (most) *most = wk_amax(c, x, dims, keep);
    return wk_amin(c, x, dims, keep);
}
