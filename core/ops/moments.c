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

/* Integers are subtracted as f32: unsigned ones would wrap. */
static wk_tensor apart(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    const wk_dtype t = wki_result_dtype(a, b);
    if (wki_dtype_class(t) == 'F') return wk_sub(c, a, b);
    return wk_sub(c, wk_cast(c, a, WK_f32), wk_cast(c, b, WK_f32));
}

wk_tensor wk_dist(wk_ctx *c, wk_tensor a, wk_tensor b, double p)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(a) && !wk_is_none(b), WK_EARG, "dist: an operand is empty");
    return wk_vector_norm(c, apart(c, a, b), p, WK_ALL_DIMS, false);
}

wk_tensor wk_cdist(wk_ctx *c, wk_tensor a, wk_tensor b, double p)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, a->ndim >= 2 && b->ndim >= 2 && wk_size(a, -1) == wk_size(b, -1), WK_ESHAPE,
               "cdist: rows of %s and %s differ in length", WKI_TEXT(a), WKI_TEXT(b));
    const wk_tensor from = wk_unsqueeze(c, a, -2), to = wk_unsqueeze(c, b, -3);
    return wki_failed(c) ? WK_NONE : wk_vector_norm(c, apart(c, from, to), p, WK_DIMS(-1), false);
}

/* Of [variables, samples]; often and weights as in wk_cov. */
static wk_tensor covariance(wk_ctx *c, wk_tensor x, double correction, wk_tensor often, wk_tensor weights)
{
    if (x->ndim < 2) x = wk_reshape(c, x, WK_SHAPE(1, -1));
    if (wki_dtype_class(x->dtype) != 'F') x = wk_cast(c, x, WK_f32);
    if (wki_failed(c)) return WK_NONE;
    const bool some = !wk_is_none(often), heavy = !wk_is_none(weights);
    wk_tensor  w = some && heavy ? wk_mul(c, often, weights) : some ? often : weights;
    wk_tensor  n = wk_scalar(c, (double)x->shape[1]);
    if (some || heavy) n = wk_sum(c, w, WK_ALL_DIMS, false);
    const wk_tensor mean = some || heavy ? wk_div(c, wk_sum(c, wk_mul(c, x, w), WK_DIMS(1), true), n)
                                         : wk_mean(c, x, WK_DIMS(1), true);
    wk_tensor       less = wk_scalar(c, correction);
    if (heavy && correction != 0)
        less = wk_mul(c, less, wk_div(c, wk_sum(c, wk_mul(c, w, weights), WK_ALL_DIMS, false), n));
    const wk_tensor about = wk_sub(c, x, mean), other = some || heavy ? wk_mul(c, about, w) : about;
    const wk_tensor sum = wk_matmul(c, about, wk_transpose(c, other, 0, 1));
    const wk_tensor left = wk_maximum(c, wk_sub(c, n, less), wk_scalar(c, 0));
    return wk_div(c, sum, left);
}

wk_tensor wk_cov(wk_ctx *c, wk_tensor x, double correction, wk_tensor often, wk_tensor weights)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim <= 2, WK_ESHAPE, "cov: %s, [variables, samples] is wanted",
               WKI_TEXT(x));
    const int64_t   n = x->ndim ? wk_size(x, -1) : 1;
    const wk_tensor given[] = {often, weights};
    for (int i = 0; i < 2; i++)
        WK_REQUIRE(c, wk_is_none(given[i]) || (given[i]->ndim == 1 && given[i]->shape[0] == n), WK_ESHAPE,
                   "cov: weights %s of %lld samples", WKI_TEXT(given[i]), (long long)n);
    const wk_tensor y = covariance(c, x, correction, often, weights);
    return wki_failed(c) || wk_count(y) != 1 ? y : wk_reshape(c, y, WK_SCALAR_SHAPE);
}

wk_tensor wk_corrcoef(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim <= 2, WK_ESHAPE, "corrcoef: %s, [variables, samples] is wanted",
               WKI_TEXT(x));
    const wk_tensor y = covariance(c, x, 1, WK_NONE, WK_NONE), scale = wk_sqrt(c, wk_diagonal(c, y, 0, 0, 1));
    const wk_tensor r = wk_clamp(c, wk_div(c, wk_div(c, y, wk_unsqueeze(c, scale, 1)), scale), -1, 1);
    return wki_failed(c) || wk_count(r) != 1 ? r : wk_reshape(c, r, WK_SCALAR_SHAPE);
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
    const wk_tensor v = wk_cast(c, x, x->dtype == WK_f64 ? WK_f64 : WK_f32); /* halves are rounded once */
    const wk_tensor norm = wk_vector_norm(c, v, p, others, true), bound = wk_scalar(c, most);
    const wk_tensor scale = wk_div(c, bound, wk_add(c, norm, wk_scalar(c, 1e-7)));
    const wk_tensor y = wk_mul(c, v, wk_where(c, wk_gt(c, norm, bound), scale, wk_scalar_int(c, 1)));
    return wk_cast(c, y, wki_dtype_class(x->dtype) == 'F' ? x->dtype : WK_f32);
}

wk_tensor wk_normalize(wk_ctx *c, wk_tensor x, double p, int dim, double eps)
{
    const wk_tensor norm = wk_vector_norm(c, x, p, WK_DIMS(dim), true);
    return wk_div(c, x, wk_clamp(c, norm, eps, (double)INFINITY));
}

typedef wk_tensor (*finder)(wk_ctx *, wk_tensor, int, bool);
static wk_tensor picked(wk_ctx *c, finder find, wk_tensor x, int dim, bool keep, wk_tensor *indices)
{
    const wk_tensor at = find(c, x, dim, dim == WK_FLAT ? keep : true);
    if (dim == WK_FLAT) { /* equal values share the gradient, as in PyTorch's form without a dim */
        if (indices) *indices = at;
        return (find == wk_argmax ? wk_amax : wk_amin)(c, x, WK_ALL_DIMS, keep);
    }
    wk_tensor y = WK_NONE, shown = at;
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
