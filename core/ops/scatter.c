/* Writing by index along one dim: scatter and its kin, index_add, index_copy, index_fill, index_reduce,
 * put. */
#include "core/ctx.h"

#include <math.h>

/* ---- scatter: attr.i the dim, enum wki_scatter ------------------------------------------------- */

static wk_tensor scatter(wk_ctx *c, wk_op op, enum wki_scatter mode, const char *name, wk_tensor x, int dim,
                         wk_tensor index, wk_tensor src, bool wrap)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(src), WK_EARG, "%s: no tensor", name);
    index = wki_as_index(c, name, index);
    if (wki_failed(c)) return WK_NONE;
    if (x->ndim == 0)
        return wk_reshape(c, scatter(c, op, mode, name, wk_unsqueeze(c, x, 0), dim, index, src, wrap),
                          WK_SCALAR_SHAPE);
    if (index->ndim == 0) index = wk_unsqueeze(c, index, 0);
    if (src->ndim == 0) src = wk_unsqueeze(c, src, 0);
    const int d = wki_dim(c, name, x, dim);
    if (d < 0) return WK_NONE;
    bool fit = wki_index_fits(x, index, d) && !wki_is_block(x->dtype) && src->dtype == x->dtype;
    for (int i = 0; i < index->ndim && wk_count(index) > 0 && fit; i++)
        fit = src->ndim == index->ndim && index->shape[i] <= src->shape[i];
    WK_REQUIRE(c, fit, WK_ESHAPE, "%s: %s %s at index %s into %s %s along dim %d", name,
               wk_dtype_name(src->dtype), WKI_TEXT(src), WKI_TEXT(index), wk_dtype_name(x->dtype),
               WKI_TEXT(x), d);
    return wki_run(c, &(wk_call){.op = op,
                                 .cls = wki_class_of(x->dtype),
                                 WK_IN(x, index, src),
                                 .out = {wki_like(c, x)},
                                 .attr.i = {d, mode, wrap}});
}

wk_tensor wk_scatter(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src)
{
    return scatter(c, WK_OP_scatter, WKI_SCATTER_SET, "scatter", x, dim, index, src, false);
}
wk_tensor wk_scatter_add(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src)
{
    return wki_scatter_add(c, x, dim, index, src, false);
}
wk_tensor wki_scatter_add(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src, bool wrap)
{
    return scatter(c, WK_OP_scatter_add, WKI_SCATTER_ADD, "scatter_add", x, dim, index, src, wrap);
}

/* One value of x's dtype, as large as the index. */
static wk_tensor everywhere(wk_ctx *c, wk_tensor x, wk_tensor index, double value)
{
    return wk_expand(c, wk_full(c, value, x->dtype, WK_SCALAR_SHAPE), wki_shape(index));
}

wk_tensor wk_scatter_value(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, double value)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(index), WK_EARG, "scatter_value: no tensor");
    return wk_scatter(c, x, dim, index, everywhere(c, x, index, value));
}

/* src's gradient, from the result's: what went to the places it went to. */
static wk_tensor src_gradient(wk_ctx *c, const wk_call *k, wk_tensor g)
{
    const wk_tensor index = k->in[1], src = k->in[2];
    if (wk_count(index) == 0) return wk_zeros(c, src->dtype, wki_shape(src));
    wk_tensor back = wki_gather(c, g, (int)k->attr.i[0], index, k->attr.i[2] != 0);
    /* Values of src beyond the index took no part. */
    int64_t pads[2 * WK_MAX_DIMS] = {0};
    bool    more = false;
    for (int i = 0; i < src->ndim; i++) {
        pads[2 * (src->ndim - 1 - i) + 1] = src->shape[i] - index->shape[i];
        more |= src->shape[i] != index->shape[i];
    }
    return more ? wk_pad(c, back, 2 * src->ndim, pads, 0.0) : back;
}

void wki_vjp_scatter_add(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = g[0];
    if (k->in[2]->node) dx[2] = src_gradient(c, k, g[0]);
}

void wki_vjp_scatter(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = wk_scatter_value(c, g[0], (int)k->attr.i[0], k->in[1], 0);
    if (k->in[2]->node) dx[2] = src_gradient(c, k, g[0]);
}

/* ---- scatter_reduce ------------------------------------------------------------------------------ */

static wk_tensor part_of(wk_ctx *c, wk_tensor src, wk_tensor index)
{
    for (int i = 0; i < src->ndim && i < index->ndim; i++)
        if (src->shape[i] != index->shape[i]) src = wk_narrow(c, src, i, 0, index->shape[i]);
    return src;
}

/* What leaves any value as it is. */
static wk_tensor start_of(wk_ctx *c, wk_tensor x, wk_tensor index, wk_reduce how)
{
    const wk_dtype t = x->dtype;
    const bool     most = how == WK_REDUCE_AMAX;
    double         v = how == WK_REDUCE_PROD;
    if (most || how == WK_REDUCE_AMIN) {
        const double top = most ? -1 : 1;
        v = top * (double)INFINITY;
        if (wki_dtype_class(t) == 'I' || t == WK_bool) {
            const int  bits = 8 * (int)wk_dtype_bytes(t);
            const bool sign = t != WK_u8 && t != WK_u32 && t != WK_bool;
            v = !sign && most ? 0 : top * ldexp(1, sign ? bits - 1 : bits);
            if (!most) v = t == WK_bool ? 1 : v - 1;
        }
        if (t == WK_i64) /* beyond what a double holds */
            return wk_expand(c, wk_make(c, &(int64_t){most ? INT64_MIN : INT64_MAX}, t, WK_SCALAR_SHAPE),
                             wki_shape(index));
    }
    return everywhere(c, x, index, v);
}

wk_tensor wk_scatter_reduce(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src, wk_reduce how,
                            bool include_self)
{
    static const enum wki_scatter modes[] = {WKI_SCATTER_ADD, WKI_SCATTER_PROD, WKI_SCATTER_ADD,
                                             WKI_SCATTER_AMAX, WKI_SCATTER_AMIN};
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(src), WK_EARG, "scatter_reduce: no tensor");
    WK_REQUIRE(c, (unsigned)how <= WK_REDUCE_AMIN, WK_EARG, "scatter_reduce: no reduction %d", (int)how);
    index = wki_as_index(c, "scatter_reduce", index);
    if (wki_failed(c)) return WK_NONE;
    const wk_tensor self = x;
    if (!include_self) x = wk_scatter(c, x, dim, index, start_of(c, x, index, how));
    const enum wki_scatter mode = modes[how];
    const wk_op            op = mode == WKI_SCATTER_ADD ? WK_OP_scatter_add : WK_OP_scatter_reduce;
    const wk_tensor        y = scatter(c, op, mode, "scatter_reduce", x, dim, index, src, false);
    if (how != WK_REDUCE_MEAN || wki_failed(c)) return y;
    const bool     whole = wki_dtype_class(x->dtype) != 'F';
    const wk_dtype t = whole ? WK_i64 : x->dtype == WK_f64 ? WK_f64 : WK_f32;
    wk_tensor      n = wk_full(c, 1, t, wki_shape(self));
    if (!include_self) n = wk_scatter_value(c, n, dim, index, 0);
    n = wk_scatter_add(c, n, dim, index, wk_expand(c, wk_full(c, 1, t, WK_SCALAR_SHAPE), wki_shape(index)));
    n = wk_maximum(c, n, wk_full(c, 1, t, WK_SCALAR_SHAPE));
    return wk_cast(c, whole ? wk_floor_div(c, y, n) : wk_div(c, y, n), x->dtype);
}

/* In PyTorch's way: of equal largest ones each has its share; products leave one zero out. */
static void extreme_vjp(wk_ctx *c, const wk_call *k, wk_tensor g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], index = k->in[1], src = part_of(c, k->in[2], index), y = k->out[0];
    const int       d = (int)k->attr.i[0];
    const wk_dtype  t = g->dtype;
    const wk_tensor own = wk_cast(c, wk_eq(c, x, y), t);
    const wk_tensor theirs = wk_cast(c, wk_eq(c, src, wk_gather(c, y, d, index)), t);
    const wk_tensor share = wk_div(c, g, wk_scatter_add(c, own, d, index, theirs));
    dx[0] = wk_where(c, wk_eq(c, x, y), share, wk_scalar(c, 0));
    if (k->in[2]->node) dx[2] = wk_mul(c, theirs, wk_gather(c, share, d, index));
}

static void product_vjp(wk_ctx *c, const wk_call *k, wk_tensor g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], index = k->in[1], src = part_of(c, k->in[2], index), y = k->out[0];
    const wk_tensor zero = wk_full(c, 0, x->dtype, WK_SCALAR_SHAPE),
                    one = wk_full(c, 1, x->dtype, WK_SCALAR_SHAPE);
    const int       d = (int)k->attr.i[0];
    const wk_tensor filled = wk_where(c, wk_eq(c, x, zero), one, x);
    dx[0] =
        wk_div(c, wk_mul(c, g, wk_scatter_reduce(c, filled, d, index, src, WK_REDUCE_PROD, true)), filled);
    if (!k->in[2]->node) return;
    const wk_tensor is_zero = wk_eq(c, src, zero), none = wk_zeros(c, WK_i64, wki_shape(x));
    const wk_tensor zeros =
        wk_gather(c, wk_scatter_add(c, none, d, index, wk_cast(c, is_zero, WK_i64)), d, index);
    const wk_tensor single = wk_logical_and(c, is_zero, wk_eq(c, zeros, wk_scalar_int(c, 1)));
    const wk_tensor rest =
        wk_scatter_reduce(c, x, d, index, wk_where(c, single, one, src), WK_REDUCE_PROD, true);
    const wk_tensor usual =
        wk_div(c, wk_gather(c, wk_mul(c, g, y), d, index), wk_where(c, is_zero, one, src));
    dx[2] = wk_where(c, single, wk_gather(c, wk_mul(c, g, rest), d, index), usual);
}

void wki_vjp_scatter_reduce(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor index = k->in[1], src = k->in[2];
    if (wk_count(index) == 0) {
        dx[0] = g[0];
        dx[2] = wk_zeros(c, src->dtype, wki_shape(src));
        return;
    }
    (k->attr.i[1] == WKI_SCATTER_PROD ? product_vjp : extreme_vjp)(c, k, g[0], dx);
    if (!src->node || wki_failed(c)) return;
    int64_t pads[2 * WK_MAX_DIMS] = {0};
    for (int i = 0; i < src->ndim; i++) pads[2 * (src->ndim - 1 - i) + 1] = src->shape[i] - index->shape[i];
    dx[2] = wk_pad(c, dx[2], 2 * src->ndim, pads, 0.0);
}

/* ---- one index for whole slices ------------------------------------------------------------------ */

/* Checks x, index and src; the dim, or -1. *index becomes one of 1 dim. src may be NULL. */
static int slices(wk_ctx *c, const char *op, wk_tensor x, int dim, wk_tensor *index, const wk_tensor *src)
{
    if (wki_failed(c)) return -1;
    *index = wki_as_index(c, op, *index);
    const int d = wki_failed(c) ? -1 : wki_dim(c, op, x, dim);
    if (d < 0) return -1;
    bool fit = !wk_is_none(x) && (*index)->ndim <= 1;
    if (fit && src) {
        const wk_tensor s = *src;
        fit =
            !wk_is_none(s) && s->dtype == x->dtype && (s->ndim == x->ndim || (s->ndim <= 1 && x->ndim <= 1));
        for (int i = 0; i < s->ndim && fit; i++)
            fit = s->shape[i] == (i == d ? wk_count(*index) : x->shape[i]);
    }
    if (!fit) {
        wk_fail(c, WK_ESHAPE, "%s: %s %s at index %s of dim %d of %s %s", op,
                src ? wk_dtype_name((*src)->dtype) : "a value", src ? WKI_TEXT(*src) : "", WKI_TEXT(*index),
                d, wk_dtype_name(x->dtype), WKI_TEXT(x));
        return -1;
    }
    return d;
}

wk_tensor wk_index_add(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src, double alpha)
{
    const int d = slices(c, "index_add", x, dim, &index, &src);
    if (d < 0) return WK_NONE;
    const char cls = wki_dtype_class(x->dtype);
    const bool whole = cls == 'I' || cls == 'B';
    WK_REQUIRE(c, !whole || (alpha == floor(alpha) && fabs(alpha) <= 0x1p53), WK_EARG,
               "index_add: alpha %g of %s; a whole number is wanted", alpha, wk_dtype_name(x->dtype));
    const wk_tensor factor = whole ? wk_scalar_int(c, (int64_t)alpha) : wk_scalar(c, alpha);
    if (alpha != 1) src = wk_cast(c, wk_mul(c, src, factor), src->dtype);
    return wki_index_put(c, x, d, 1, &index, src, true, false, WK_NONE);
}

wk_tensor wk_index_copy(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src)
{
    const int d = slices(c, "index_copy", x, dim, &index, &src);
    return d < 0 ? WK_NONE : wki_index_put(c, x, d, 1, &index, src, false, false, WK_NONE);
}

wk_tensor wk_index_fill(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor value)
{
    const int d = slices(c, "index_fill", x, dim, &index, NULL);
    if (d < 0) return WK_NONE;
    WK_REQUIRE(c, wk_count(value) == 1, WK_ESHAPE, "index_fill: the value is %s", WKI_TEXT(value));
    /* a mask, so that a place named twice counts once in the value's gradient */
    wk_shape along = {.ndim = x->ndim, .dim = {1, 1, 1, 1, 1, 1, 1, 1}};
    if (x->ndim) along.dim[d] = x->shape[d];
    const wk_tensor no = wk_zeros(c, WK_bool, WK_SHAPE(x->ndim ? x->shape[d] : 1));
    const wk_tensor yes = wk_expand(c, wk_ones(c, WK_bool, WK_SHAPE(1)), WK_SHAPE(wk_count(index)));
    const wk_tensor mask = wki_index_put(c, no, 0, 1, &index, yes, false, true, WK_NONE);
    return wk_masked_fill(c, x, wk_reshape(c, mask, along), value);
}

wk_tensor wk_index_reduce(wk_ctx *c, wk_tensor x, int dim, wk_tensor index, wk_tensor src, wk_reduce how,
                          bool include_self)
{
    const int d = slices(c, "index_reduce", x, dim, &index, &src);
    if (d < 0) return WK_NONE;
    wk_shape along = {.ndim = src->ndim};
    for (int i = 0; i < along.ndim; i++) along.dim[i] = i == d ? src->shape[d] : 1;
    index = wk_expand(c, wk_reshape(c, index, along), wki_shape(src));
    return wk_scatter_reduce(c, x, dim, index, src, how, include_self);
}

/* ---- counted through all dims -------------------------------------------------------------------- */

wk_tensor wk_take(wk_ctx *c, wk_tensor x, wk_tensor index)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "take: no tensor");
    index = wki_as_index(c, "take", index);
    if (wki_failed(c)) return WK_NONE;
    return wki_index(c, wk_reshape(c, x, WK_SHAPE(wk_count(x))), 0, 1, &index, wki_shape(index));
}

wk_tensor wk_put(wk_ctx *c, wk_tensor x, wk_tensor index, wk_tensor src, bool accumulate)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(src), WK_EARG, "put: no tensor");
    index = wki_as_index(c, "put", index);
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, wk_count(src) == wk_count(index) && src->dtype == x->dtype, WK_ESHAPE,
               "put: %s %s at index %s into %s", wk_dtype_name(src->dtype), WKI_TEXT(src), WKI_TEXT(index),
               wk_dtype_name(x->dtype));
    const wk_tensor flat = wk_reshape(c, x, WK_SHAPE(wk_count(x)));
    return wk_reshape(c, wki_index_put(c, flat, 0, 1, &index, src, accumulate, true, WK_NONE), wki_shape(x));
}

wk_tensor wk_take_along_dim(wk_ctx *c, wk_tensor x, wk_tensor index, int dim)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(index) && x->ndim == index->ndim, WK_ESHAPE,
               "take_along_dim: index %s in %s", WKI_TEXT(index), WKI_TEXT(x));
    const int d = wki_dim(c, "take_along_dim", x, dim);
    if (d < 0) return WK_NONE;
    wk_shape wide = wki_shape(x), places = wki_shape(index);
    for (int i = 0; i < x->ndim; i++) {
        const int64_t a = x->shape[i], b = index->shape[i];
        WK_REQUIRE(c, i == d || a == b || a == 1 || b == 1, WK_ESHAPE,
                   "take_along_dim: index %s in %s along dim %d", WKI_TEXT(index), WKI_TEXT(x), d);
        if (i != d) wide.dim[i] = places.dim[i] = a == 1 ? b : a;
    }
    return wki_gather(c, wk_expand(c, x, wide), d, wk_expand(c, index, places), true);
}
