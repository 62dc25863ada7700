/* Copies and casts, and tensors made on the device. */
#include "core/ctx.h"

#include <math.h>

static wk_tensor copy_as(wk_ctx *c, wk_tensor x, wk_dtype t)
{
    return wki_run(c, &(wk_call){.op = WK_OP_copy, WK_IN(x), .out = {wki_like_as(c, x, t)}});
}

wk_tensor wk_contiguous(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c) || wk_is_none(x)) return WK_NONE;
    return wk_is_dense(x) ? x : copy_as(c, x, x->dtype);
}

wk_tensor wk_clone(wk_ctx *c, wk_tensor x)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "clone: no tensor");
    return copy_as(c, x, x->dtype);
}

wk_tensor wk_cast(wk_ctx *c, wk_tensor x, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "cast: no tensor");
    if (wki_is_block(t) && !wki_constant(c, "cast to blocks", "x", x)) return WK_NONE;
    return x->dtype == t ? x : copy_as(c, x, t);
}

void wki_vjp_copy(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    dx[0] = wk_cast(c, g[0], k->in[0]->dtype);
}

bool wki_goes_into(wk_ctx *c, const char *op, wk_tensor dst, wk_tensor x)
{
    wk_shape shape;
    if (wki_failed(c)) return false;
    if (wk_is_none(dst) || wk_is_none(x)) {
        wk_fail(c, WK_EARG, "%s: no tensor", op);
        return false;
    }
    bool fit = wki_broadcast(dst, x, &shape) && shape.ndim == dst->ndim;
    for (int i = 0; i < dst->ndim && fit; i++) fit = shape.dim[i] == dst->shape[i];
    if (!fit)
        wk_fail(c, WK_ESHAPE, "%s: %s does not broadcast to %s", op, WKI_TEXT(x), WKI_TEXT(dst));
    else if (dst->storage->device != c->device)
        wk_fail(c, WK_EDEVICE, "%s: the destination is on %s, the context on %s", op,
                wki_device_name(dst->storage->device), wki_device_name(c->device));
    else if (wki_recording(c) && (x->node || dst->node))
        wk_fail(c, WK_ENOGRAD, "%s: writing in place has no gradient", op);
    return !wki_failed(c);
}

void wk_copy_into(wk_ctx *c, wk_tensor dst, wk_tensor x)
{
    if (!wki_goes_into(c, "copy_into", dst, x)) return;
    if (x->storage == dst->storage) x = wk_clone(c, x); /* they may overlap */
    if (wki_is_block(x->dtype) && x->shape[x->ndim - 1] != dst->shape[dst->ndim - 1])
        x = wk_cast(c, x, WK_f32);
    wki_run(c, &(wk_call){.op = WK_OP_copy, WK_IN(x), .out = {dst}});
}

wk_tensor wk_full(wk_ctx *c, double value, wk_dtype t, wk_shape shape)
{
    if (!c || wki_failed(c)) return WK_NONE;
    if (wki_dtype_class(t) == 'I') {
        int64_t least, most;
        wki_range(t, &least, &most);
        const double v = trunc(value); /* the largest i64 is no double: the one above it is out of range */
        WK_REQUIRE(c, v >= (double)least && v - 1 < (double)most, WK_EARG, "full: %g does not fit into %s",
                   value, wk_dtype_name(t));
    }
    return wki_run(c, &(wk_call){.op = WK_OP_fill, .out = {wki_new(c, t, shape)}, .attr.f = {value}});
}

wk_tensor wk_zeros(wk_ctx *c, wk_dtype t, wk_shape shape)
{
    return wk_full(c, 0.0, t, shape);
}

/* A whole number of i64's or u64's range, modulo 2^64. */
static uint64_t wrapped(double v)
{
    return v < 0 ? (uint64_t)(int64_t)v : (uint64_t)v;
}

/* arange where doubles are too coarse to count in: whole start and step, reckoned in i64. */
static wk_tensor arange_far(wk_ctx *c, double start, double stop, double step)
{
    const double end = step > 0 ? ceil(stop) : floor(stop), far = 9223372036854775808.0;
    WK_REQUIRE(c, start >= -far && start < far && fabs(end) <= far && fabs(step) < far, WK_EARG,
               "arange: from %g to %g by %g is beyond i64", start, stop, step);
    const uint64_t gap = step > 0 ? wrapped(end) - wrapped(start) : wrapped(start) - wrapped(end);
    const uint64_t n = (step > 0 ? end > start : end < start) ? (gap - 1) / wrapped(fabs(step)) + 1 : 0;
    WK_REQUIRE(c, n < 1ULL << 53, WK_EARG, "arange: %llu values", (unsigned long long)n);
    const wk_tensor i = wk_arange(c, 0, (double)n, 1, WK_i64);
    return wk_add(c, wk_mul(c, i, wk_scalar_int(c, (int64_t)step)), wk_scalar_int(c, (int64_t)start));
}

wk_tensor wk_arange(wk_ctx *c, double start, double stop, double step, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    const double coarse = 4503599627370496.0; /* 2^52: up to it sums of two are exact */
    if (t == WK_i64 && (fabs(start) > coarse || fabs(stop) > coarse) && trunc(start) == start &&
        trunc(step) == step && step != 0 && stop == stop)
        return arange_far(c, start, stop, step);
    const double n = ceil((stop - start) / step);
    const bool   whole = wki_dtype_class(t) == 'I';
    WK_REQUIRE(c, step != 0 && n == n && n < 9.0e15, WK_EARG, "arange: from %g to %g by %g", start, stop,
               step);
    return wki_run(c, &(wk_call){.op = WK_OP_arange,
                                 .out = {wki_new(c, t, WK_SHAPE(n > 0 ? (int64_t)n : 0))},
                                 .attr.f = {whole ? trunc(start) : start, whole ? trunc(step) : step}});
}
