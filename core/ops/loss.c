/* Losses: cross entropy. */
#include "core/ctx.h"

/* attr.i = {use ignore_index, ignore_index}, attr.f = {smoothing}. Outputs per row: loss, log-sum-exp. */

static wk_dtype compute_dtype(wk_tensor x)
{
    return x->dtype == WK_f64 ? WK_f64 : WK_f32;
}

/* The meaning of the kernel, row by row: (1 - s) (lse - x[t]) + s (lse - mean x), 0 where the target is
 * ignored. */
static wk_tensor rows_composed(wk_ctx *c, wk_tensor x, wk_tensor target, const wk_cross_entropy_opts *o)
{
    wk_tensor logp = wk_log_softmax(c, wk_cast(c, x, compute_dtype(x)), -1);
    wk_tensor kept = o->ignore ? wk_ne(c, target, wk_scalar_int(c, o->ignore_index)) : WK_NONE;
    wk_tensor safe =
        o->ignore ? wk_where(c, kept, target, wk_full(c, 0, target->dtype, WK_SCALAR_SHAPE)) : target;
    wk_tensor at = wk_squeeze(c, wk_gather(c, logp, -1, wk_unsqueeze(c, safe, -1)), -1);
    wk_tensor loss = wk_mul(c, at, wk_scalar(c, o->smoothing - 1.0));
    if (o->smoothing != 0)
        loss = wk_sub(c, loss, wk_mul(c, wk_mean(c, logp, WK_DIMS(-1), false), wk_scalar(c, o->smoothing)));
    return o->ignore ? wk_where(c, kept, loss, wk_full(c, 0, loss->dtype, WK_SCALAR_SHAPE)) : loss;
}

static wk_tensor rows_fused(wk_ctx *c, wk_tensor x, wk_tensor target, const wk_cross_entropy_opts *o)
{
    const wk_dtype t = compute_dtype(x);
    return wki_run(c, &(wk_call){.op = WK_OP_cross_entropy,
                                 .cls = wki_class_of(t),
                                 WK_IN(x, target),
                                 .n_out = 2,
                                 .out = {wki_like_as(c, target, t), wki_like_as(c, target, t)},
                                 .attr.i = {o->ignore, o->ignore_index},
                                 .attr.f = {o->smoothing}});
}

wk_tensor wk_cross_entropy(wk_ctx *c, wk_tensor logits, wk_tensor target, wk_cross_entropy_opts o)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(logits) && !wk_is_none(target), WK_EARG, "cross_entropy: no tensor");
    WK_REQUIRE(c, wki_dtype_class(logits->dtype) == 'F', WK_EDTYPE, "cross_entropy: logits of %s",
               wk_dtype_name(logits->dtype));
    WK_REQUIRE(c, target->dtype == WK_i64 || target->dtype == WK_i32, WK_EDTYPE,
               "cross_entropy: targets of %s, not i32 or i64", wk_dtype_name(target->dtype));
    bool fit = logits->ndim == target->ndim + 1;
    for (int i = 0; i < target->ndim && fit; i++) fit = logits->shape[i] == target->shape[i];
    WK_REQUIRE(c, fit, WK_ESHAPE, "cross_entropy: logits %s, targets %s", WKI_TEXT(logits), WKI_TEXT(target));
    WK_REQUIRE(c, o.smoothing >= 0 && o.smoothing <= 1, WK_EARG, "cross_entropy: smoothing %g", o.smoothing);
    wk_tensor rows = wki_has(c, WK_OP_cross_entropy) ? rows_fused(c, logits, target, &o)
                                                     : rows_composed(c, logits, target, &o);
    if (o.reduction == WK_EACH) return wk_cast(c, rows, logits->dtype);
    wk_tensor sum = wk_sum(c, rows, WK_ALL_DIMS, false);
    if (o.reduction == WK_MEAN) {
        wk_tensor count =
            o.ignore
                ? wk_cast(c,
                          wk_sum(c, wk_ne(c, target, wk_scalar_int(c, o.ignore_index)), WK_ALL_DIMS, false),
                          compute_dtype(logits))
                : wk_full(c, (double)wk_count(target), compute_dtype(logits), WK_SCALAR_SHAPE);
        sum = wk_div(c, sum, count);
    }
    return wk_cast(c, sum, logits->dtype);
}

void wki_vjp_cross_entropy(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0];
    if (wk_is_none(g[0])) {
        dx[0] = wk_zeros(c, x->dtype, wki_shape(x));
        return;
    }
    dx[0] = wki_run(c, &(wk_call){.op = WK_OP_cross_entropy_vjp,
                                  .cls = k->cls,
                                  WK_IN(x, k->in[1], k->out[1], wk_contiguous(c, g[0])),
                                  .out = {wki_like(c, x)},
                                  .attr = k->attr});
}
