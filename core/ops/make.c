/* Tensors of known values, made where they will be. */
#include "core/ctx.h"

#include <math.h>

wk_tensor wk_ones(wk_ctx *c, wk_dtype t, wk_shape shape)
{
    return wk_full(c, 1, t, shape);
}

wk_tensor wk_empty_like(wk_ctx *c, wk_tensor x)
{
    return wki_failed(c) ? WK_NONE : wki_named(c, "empty_like", wki_like(c, x));
}
wk_tensor wk_zeros_like(wk_ctx *c, wk_tensor x)
{
    return wk_full_like(c, x, 0);
}
wk_tensor wk_ones_like(wk_ctx *c, wk_tensor x)
{
    return wk_full_like(c, x, 1);
}
wk_tensor wk_full_like(wk_ctx *c, wk_tensor x, double value)
{
    return wki_failed(c) ? WK_NONE : wk_full(c, value, x->dtype, wki_shape(x));
}

/* v with as many bits as a half of dtype t keeps. */
static double in_half(double v, wk_dtype t)
{
    const int    bits = t == WK_bf16 ? 8 : 11;
    int          e;
    const double m = frexp(v, &e);
    return (t != WK_bf16 && t != WK_f16) || !isfinite(v) ? v : ldexp(rint(ldexp(m, bits)), e - bits);
}

/* attr.f: start, step, stop; attr.i[0]: the count, whose second half is reckoned from the stop */
wk_tensor wk_linspace(wk_ctx *c, double start, double stop, int64_t n, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, n >= 0, WK_EARG, "linspace: %lld values", (long long)n);
    if (wki_dtype_class(t) == 'I') {
        start = trunc(start);
        stop = trunc(stop);
    }
    const double step = n > 1 ? (stop - start) / (double)(n - 1) : 0;
    return wki_run(c, &(wk_call){.op = WK_OP_arange,
                                 .out = {wki_new(c, t, WK_SHAPE(n))},
                                 .attr.f = {start, step, stop},
                                 .attr.i = {n > 1 ? n : 0}});
}

wk_tensor wk_logspace(wk_ctx *c, double start, double stop, int64_t n, double base, wk_dtype t)
{
    if (wki_dtype_class(t) == 'I') {
        start = trunc(start);
        stop = trunc(stop);
    }
    if (n > 1) { /* of a half, start and stop are its values, as in PyTorch */
        start = in_half(start, t);
        stop = in_half(stop, t);
    }
    const wk_tensor y = wk_pow(c, wk_scalar(c, base), wk_linspace(c, start, stop, n, WK_f64));
    return wk_cast(c, y, t);
}

wk_tensor wk_eye(wk_ctx *c, int64_t n, int64_t m, wk_dtype t)
{
    const wk_tensor y = wk_zeros(c, t, WK_SHAPE(n, m));
    if (!wki_failed(c)) wk_copy_into(c, wk_diagonal(c, y, 0, 0, 1), wk_full(c, 1, t, WK_SCALAR_SHAPE));
    return wki_failed(c) ? WK_NONE : y;
}

/* Column less row of an [n, m]. */
static wk_tensor offsets(wk_ctx *c, int64_t n, int64_t m)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, n >= 0 && m >= 0, WK_ESHAPE, "tri: of %lld x %lld values", (long long)n, (long long)m);
    const wk_tensor row = wk_unsqueeze(c, wk_arange(c, 0, (double)n, 1, WK_i64), 1);
    return wk_sub(c, wk_arange(c, 0, (double)m, 1, WK_i64), row);
}

wk_tensor wk_tri(wk_ctx *c, int64_t n, int64_t m, int64_t diagonal, wk_dtype t)
{
    return wk_cast(c, wk_le(c, offsets(c, n, m), wk_scalar_int(c, diagonal)), t);
}
wk_tensor wk_tril_indices(wk_ctx *c, int64_t n, int64_t m, int64_t offset)
{
    const wk_tensor at = wk_nonzero(c, wk_le(c, offsets(c, n, m), wk_scalar_int(c, offset)));
    return wki_failed(c) ? WK_NONE : wk_transpose(c, at, 0, 1);
}
wk_tensor wk_triu_indices(wk_ctx *c, int64_t n, int64_t m, int64_t offset)
{
    const wk_tensor at = wk_nonzero(c, wk_ge(c, offsets(c, n, m), wk_scalar_int(c, offset)));
    return wki_failed(c) ? WK_NONE : wk_transpose(c, at, 0, 1);
}

void wk_meshgrid(wk_ctx *c, int n, const wk_tensor *x, bool xy, wk_tensor *out)
{
    wk_shape grid = {.ndim = n};
    for (int i = 0; i < n; i++) out[i] = WK_NONE;
    if (wki_failed(c)) return;
    if (n > WK_MAX_DIMS) {
        wk_fail(c, WK_EARG, "meshgrid: of %d tensors", n);
        return;
    }
    const bool swap = xy && n > 1;
    for (int i = 0; i < n; i++) {
        if (wk_is_none(x[i]) || x[i]->ndim > 1) {
            wk_fail(c, WK_ESHAPE, "meshgrid: operand %d is %s, not of one dim", i, WKI_TEXT(x[i]));
            return;
        }
        grid.dim[swap && i < 2 ? 1 - i : i] = wk_count(x[i]);
    }
    for (int i = 0; i < n; i++) {
        wk_shape along = {.ndim = n, .dim = {1, 1, 1, 1, 1, 1, 1, 1}};
        along.dim[swap && i < 2 ? 1 - i : i] = wk_count(x[i]);
        out[i] = wk_expand(c, wk_reshape(c, x[i], along), grid);
    }
}
