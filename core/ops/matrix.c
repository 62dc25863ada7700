/* Norms, and functions of matrices: powers, exponential, trace, Vandermonde's, tensors as maps. */
#include "linalg.h"

#include <math.h>

/* ---- norms of vectors: attr.i[0] mask of the dims, f[0] p -------------------------------------------- */

/* Dims that WK_ALL_DIMS and negative ones stand for; -1 after recording what is wrong. */
static int resolve(wk_ctx *c, const char *op, wk_tensor x, wk_shape *dims)
{
    if (wki_failed(c)) return -1;
    if (wk_is_none(x)) {
        wk_fail(c, WK_EARG, "%s: no tensor", op);
        return -1;
    }
    if (dims->ndim == 0)
        for (dims->ndim = 0; dims->ndim < x->ndim; dims->ndim++) dims->dim[dims->ndim] = dims->ndim;
    int mask = 0;
    for (int i = 0; i < dims->ndim; i++) {
        const int d = wki_dim(c, op, x, (int)dims->dim[i]);
        if (d < 0) return -1;
        if (mask >> d & 1) {
            wk_fail(c, WK_EARG, "%s: dim %d twice", op, d);
            return -1;
        }
        mask |= 1 << d;
        dims->dim[i] = d;
    }
    return mask;
}

/* ---- norms of matrices --------------------------------------------------------------------------------- */

/* x with these two dims last. */
static wk_tensor to_end(wk_ctx *c, wk_tensor x, int a, int b)
{
    wk_shape order = {0};
    for (int i = 0; i < x->ndim; i++)
        if (i != a && i != b) order.dim[order.ndim++] = i;
    order.dim[order.ndim++] = a;
    order.dim[order.ndim++] = b;
    return wk_permute(c, x, order);
}

/* Over the last two dims. */
static wk_tensor norm_of_matrix(wk_ctx *c, wk_tensor x, wk_norm_kind kind, double p)
{
    if (kind == WK_NORM_FRO) return wk_vector_norm(c, x, 2, WK_DIMS(-2, -1), false);
    if (kind == WK_NORM_NUC) return wk_sum(c, wk_svdvals(c, x), WK_DIMS(-1), false);
    const bool      spectral = fabs(p) == 2, rows = isinf(p);
    const wk_tensor v = spectral ? wk_svdvals(c, x) : wk_vector_norm(c, x, 1, WK_DIMS(rows ? -1 : -2), false);
    return p > 0 ? wk_amax(c, v, WK_DIMS(-1), false) : wk_amin(c, v, WK_DIMS(-1), false);
}

wk_tensor wk_matrix_norm(wk_ctx *c, wk_tensor a, wk_norm_kind kind, double p, wk_shape dims, bool keep)
{
    if (dims.ndim == 0) dims = WK_DIMS(-2, -1);
    if (resolve(c, "matrix_norm", a, &dims) < 0) return WK_NONE;
    WK_REQUIRE(c, dims.ndim == 2, WK_EARG, "matrix_norm: %d dims", dims.ndim);
    WK_REQUIRE(c, kind != WK_NORM_P || isinf(p) || fabs(p) == 1 || fabs(p) == 2, WK_EARG,
               "matrix_norm: p is %g; 1, 2, infinity, and less than nothing of them are possible", p);
    const int first = (int)dims.dim[0], second = (int)dims.dim[1];
    wk_tensor y = norm_of_matrix(c, to_end(c, a, first, second), kind, p);
    if (!keep || wki_failed(c)) return y;
    y = wk_unsqueeze(c, y, first < second ? first : second);
    return wk_unsqueeze(c, y, first < second ? second : first);
}

wk_tensor wk_cond(wk_ctx *c, wk_tensor a, wk_norm_kind kind, double p)
{
    if (!wki_are_matrices(c, "cond", a, kind != WK_NORM_P || fabs(p) != 2)) return WK_NONE;
    if (kind == WK_NORM_P && fabs(p) == 2) {
        const wk_tensor s = wk_svdvals(c, a);
        const wk_tensor most = wk_amax(c, s, WK_DIMS(-1), false), least = wk_amin(c, s, WK_DIMS(-1), false);
        return p > 0 ? wk_div(c, most, least) : wk_div(c, least, most);
    }
    wk_tensor       info;
    const wk_tensor over = wk_inv_ex(c, a, &info);
    const wk_tensor size = wk_mul(c, norm_of_matrix(c, a, kind, p), norm_of_matrix(c, over, kind, p));
    if (wki_failed(c)) return WK_NONE;
    return wk_where(c, wk_eq(c, info, wk_scalar_int(c, 0)), size,
                    wk_full(c, (double)INFINITY, a->dtype, WK_SCALAR_SHAPE));
}

/* ---- powers and exponential -------------------------------------------------------------------------- */

wk_tensor wk_matrix_power(wk_ctx *c, wk_tensor a, int64_t n)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(a) && a->ndim >= 2 && wki_m(a) == wki_n(a), WK_ESHAPE,
               "matrix_power: a is %s; square matrices are wanted", WKI_TEXT(a));
    if (n == 0) { /* with a gradient: zeros */
        const wk_tensor one = wki_eye(c, wki_n(a), wki_n(a), a->dtype);
        return wk_where(c, wk_full(c, 0, WK_bool, WK_SCALAR_SHAPE), a, one);
    }
    wk_tensor base = n < 0 ? wk_inv(c, a) : a, y = WK_NONE;
    for (uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n; left && !wki_failed(c); left >>= 1) {
        if (left & 1) y = wk_is_none(y) ? base : wk_matmul(c, y, base);
        if (left > 1) base = wk_matmul(c, base, base);
    }
    return n == 1 ? wk_clone(c, y) : y;
}

/* Of a Taylor sum of degree 18 in powers of a^3, after a was halved until its norm is at most 1 (the rest is
 * then below 1e-17), squared as often. Squaring doubles the relative error, so that f32 and halves are
 * computed in f64. */
wk_tensor wk_matrix_exp(wk_ctx *c, wk_tensor a)
{
    if (wki_failed(c)) return WK_NONE;
    if (a->dtype == WK_f16 || a->dtype == WK_bf16 || a->dtype == WK_f32)
        return wk_cast(c, wk_matrix_exp(c, wk_cast(c, a, WK_f64)), a->dtype);
    if (!wki_are_matrices(c, "matrix_exp", a, true)) return WK_NONE;
    if (wk_count(a) == 0) return wk_clone(c, a);
    const bool      was = wk_no_grad(c, true);
    const wk_tensor sums = wk_sum(c, wk_abs(c, a), WK_DIMS(-2), false);
    const double    norm = wk_item(c, wk_amax(c, sums, WK_ALL_DIMS, false));
    wk_no_grad(c, was);
    int halvings = 0;
    if (isfinite(norm) && norm > 1) frexp(norm, &halvings);
    a = wk_mul(c, a, wk_scalar(c, ldexp(1, -halvings)));
    const wk_tensor a2 = wk_matmul(c, a, a), a3 = wk_matmul(c, a2, a);
    if (wki_failed(c)) return WK_NONE;
    const wk_tensor one = wki_eye(c, wki_n(a), wki_n(a), a->dtype);
    double          over = 1;
    for (int i = 2; i <= 18; i++) over /= i;
    wk_tensor y = wk_mul(c, one, wk_scalar(c, over));
    for (int i = 15; i >= 0 && !wki_failed(c); i -= 3) {
        double f[3] = {1, 1, 1}; /* 1 / i!, 1 / (i + 1)!, .. */
        for (int j = 2; j <= i + 2; j++)
            for (int l = 0; l < 3; l++)
                if (j <= i + l) f[l] /= j;
        wk_tensor part = wk_mul(c, one, wk_scalar(c, f[0]));
        part = wk_add(c, part, wk_mul(c, a, wk_scalar(c, f[1])));
        part = wk_add(c, part, wk_mul(c, a2, wk_scalar(c, f[2])));
        y = wk_add(c, part, wk_matmul(c, a3, y));
    }
    for (int i = 0; i < halvings && !wki_failed(c); i++) y = wk_matmul(c, y, y);
    return y;
}

/* ---- others -------------------------------------------------------------------------------------------- */

wk_tensor wk_trace(wk_ctx *c, wk_tensor a)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(a) && a->ndim == 2, WK_ESHAPE, "trace: a is %s; a matrix is wanted",
               WKI_TEXT(a));
    return wk_sum(c, wki_diagonal(c, a), WK_ALL_DIMS, false);
}

wk_tensor wk_vander(wk_ctx *c, wk_tensor x, int64_t n)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "vander: no tensor");
    if (x->ndim == 0) x = wk_unsqueeze(c, x, 0);
    const char cls = wki_dtype_class(x->dtype);
    if (cls == 'I' || cls == 'B') x = wk_cast(c, x, WK_i64);
    if (n == 0) n = wki_cols(x);
    WK_REQUIRE(c, n >= 2 && x->ndim < WK_MAX_DIMS, WK_EARG, "vander: %lld powers of %s", (long long)n,
               WKI_TEXT(x));
    wk_shape shape = wki_shape(x);
    shape.dim[shape.ndim++] = n - 1;
    const wk_tensor powers = wk_cumprod(c, wk_expand(c, wk_unsqueeze(c, x, -1), shape), -1);
    shape.dim[shape.ndim - 1] = 1;
    return wk_cat(c, 2, (const wk_tensor[]){wk_full(c, 1, x->dtype, shape), powers}, -1);
}

wk_tensor wk_tensorinv(wk_ctx *c, wk_tensor a, int ind)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(a) && ind > 0 && ind <= a->ndim, WK_EARG, "tensorinv: ind %d of %s", ind,
               WKI_TEXT(a));
    wk_shape shape = {0};
    int64_t  m = 1, n = 1;
    for (int i = ind; i < a->ndim; i++) shape.dim[shape.ndim++] = a->shape[i];
    for (int i = 0; i < ind; i++) shape.dim[shape.ndim++] = a->shape[i];
    for (int i = 0; i < a->ndim; i++)
        if (i < ind)
            m *= a->shape[i];
        else
            n *= a->shape[i];
    WK_REQUIRE(c, m == n, WK_ESHAPE, "tensorinv: %s as a map of %lld values to %lld", WKI_TEXT(a),
               (long long)n, (long long)m);
    return wk_reshape(c, wk_inv(c, wk_reshape(c, a, WK_SHAPE(m, n))), shape);
}

wk_tensor wk_tensorsolve(wk_ctx *c, wk_tensor a, wk_tensor b, wk_shape dims)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(a) && !wk_is_none(b) && a->ndim >= b->ndim, WK_ESHAPE,
               "tensorsolve: a is %s, b %s", WKI_TEXT(a), WKI_TEXT(b));
    if (dims.ndim) {
        const int mask = resolve(c, "tensorsolve", a, &dims);
        if (mask < 0) return WK_NONE;
        wk_shape order = {0};
        for (int i = 0; i < a->ndim; i++)
            if (!(mask >> i & 1)) order.dim[order.ndim++] = i;
        for (int i = 0; i < dims.ndim; i++) order.dim[order.ndim++] = dims.dim[i];
        a = wk_permute(c, a, order);
        if (wki_failed(c)) return WK_NONE;
    }
    wk_shape shape = {0};
    for (int i = b->ndim; i < a->ndim; i++) shape.dim[shape.ndim++] = a->shape[i];
    const int64_t n = wk_count(b);
    WK_REQUIRE(c, wk_count(a) == n * n, WK_ESHAPE, "tensorsolve: a is %s, b %s", WKI_TEXT(a), WKI_TEXT(b));
    const wk_tensor flat = wk_reshape(c, b, WK_SHAPE(n));
    return wk_reshape(c, wk_solve(c, wk_reshape(c, a, WK_SHAPE(n, n)), flat, true), shape);
}
