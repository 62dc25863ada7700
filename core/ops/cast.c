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

void wk_copy_into(wk_ctx *c, wk_tensor dst, wk_tensor x)
{
    if (wki_failed(c)) return;
    if (wk_is_none(dst) || wk_is_none(x)) {
        wk_fail(c, WK_EARG, "copy_into: no tensor");
        return;
    }
    wk_shape shape;
    bool     fit = wki_broadcast(dst, x, &shape) && shape.ndim == dst->ndim;
    for (int i = 0; i < dst->ndim && fit; i++) fit = shape.dim[i] == dst->shape[i];
    if (!fit) {
        wk_fail(c, WK_ESHAPE, "copy_into: %s does not broadcast to %s", WKI_TEXT(x), WKI_TEXT(dst));
    } else if (dst->storage->device != c->device) {
        wk_fail(c, WK_EDEVICE, "copy_into: the destination is on %s, the context on %s",
                wki_device_name(dst->storage->device), wki_device_name(c->device));
    } else if (wki_recording(c) && (x->node || dst->node)) {
        wk_fail(c, WK_ENOGRAD, "copy_into: writing in place has no gradient");
    } else {
        if (x->storage == dst->storage) x = wk_clone(c, x); /* they may overlap */
        if (wki_is_block(x->dtype) && x->shape[x->ndim - 1] != dst->shape[dst->ndim - 1])
            x = wk_cast(c, x, WK_f32);
        wki_run(c, &(wk_call){.op = WK_OP_copy, WK_IN(x), .out = {dst}});
    }
}

wk_tensor wk_full(wk_ctx *c, double value, wk_dtype t, wk_shape shape)
{
    return wki_run(c, &(wk_call){.op = WK_OP_fill, .out = {wki_new(c, t, shape)}, .attr.f = {value}});
}

wk_tensor wk_zeros(wk_ctx *c, wk_dtype t, wk_shape shape)
{
    return wk_full(c, 0.0, t, shape);
}

wk_tensor wk_arange(wk_ctx *c, double start, double stop, double step, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    const double n = ceil((stop - start) / step);
    const bool   whole = wki_dtype_class(t) == 'I';
    WK_REQUIRE(c, step != 0 && n == n && n < 9.0e15, WK_EARG, "arange: from %g to %g by %g", start, stop,
               step);
    return wki_run(c, &(wk_call){.op = WK_OP_arange,
                                 .out = {wki_new(c, t, WK_SHAPE(n > 0 ? (int64_t)n : 0))},
                                 .attr.f = {whole ? trunc(start) : start, whole ? trunc(step) : step}});
}
