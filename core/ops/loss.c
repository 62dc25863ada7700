/* Losses of classes: cross entropy, negative log-likelihood, margins. Classes are the last dim. */
#include "loss.h"
#include "core/tape.h"

/* cross_entropy, attr.i = {use ignore_index, ignore_index}, attr.f = {smoothing}. Outputs per row: loss,
 * log-sum-exp. */

static bool is_index(wk_tensor x)
{
    return x->dtype == WK_i64 || x->dtype == WK_i32;
}

/* Rows that count; WK_NONE: all. */
static wk_tensor kept_rows(wk_ctx *c, wk_tensor target, const wk_cross_entropy_opts *o)
{
    return o->ignore ? wk_ne(c, target, wk_scalar_int(c, o->ignore_index)) : WK_NONE;
}
/* a where a row counts, else the value v. */
static wk_tensor where_kept(wk_ctx *c, wk_tensor kept, wk_tensor a, double v)
{
    return wk_is_none(kept) ? a : wk_where(c, kept, a, wk_full(c, v, a->dtype, WK_SCALAR_SHAPE));
}
static wk_tensor at_target(wk_ctx *c, wk_tensor x, wk_tensor target)
{
    return wk_squeeze(c, wk_gather(c, x, -1, wk_unsqueeze(c, target, -1)), -1);
}

/* The meaning of the kernel, row by row: (1 - s) (lse - x[t]) + s (lse - mean x), 0 where the target is
 * ignored. */
static wk_tensor rows_composed(wk_ctx *c, wk_tensor x, wk_tensor target, const wk_cross_entropy_opts *o)
{
    const wk_tensor logp = wk_log_softmax(c, wk_cast(c, x, wki_loss_dtype(x)), -1);
    const wk_tensor kept = kept_rows(c, target, o);
    wk_tensor loss = wki_loss_times(c, at_target(c, logp, where_kept(c, kept, target, 0)), o->smoothing - 1);
    if (o->smoothing != 0)
        loss = wk_sub(c, loss, wki_loss_times(c, wk_mean(c, logp, WK_DIMS(-1), false), o->smoothing));
    return where_kept(c, kept, loss, 0);
}

static wk_tensor rows_fused(wk_ctx *c, wk_tensor x, wk_tensor target, const wk_cross_entropy_opts *o)
{
    const wk_dtype t = wki_loss_dtype(x);
    return wki_run(c, &(wk_call){.op = WK_OP_cross_entropy,
                                 .cls = wki_class_of(t),
                                 WK_IN(x, target),
                                 .n_out = 2,
                                 .out = {wki_like_as(c, target, t), wki_like_as(c, target, t)},
                                 .attr.i = {o->ignore, o->ignore_index},
                                 .attr.f = {o->smoothing}});
}

static bool check(wk_ctx *c, const char *op, wk_tensor x, wk_tensor target, wk_cross_entropy_opts *o)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(o->weight)) o->weight = WK_NONE;
    bool same = !wk_is_none(x) && !wk_is_none(target), each = same && x->ndim == target->ndim + 1;
    for (int i = 0; same && i < target->ndim; i++) {
        same = i < x->ndim && x->shape[i] == target->shape[i];
        each &= same;
    }
    if (wk_is_none(x) || wk_is_none(target) || x->ndim == 0)
        wk_fail(c, WK_EARG, "%s: no tensor of classes", op);
    else if (wki_dtype_class(x->dtype) != 'F')
        wk_fail(c, WK_EDTYPE, "%s: logits of %s", op, wk_dtype_name(x->dtype));
    else if (!is_index(target) && wki_dtype_class(target->dtype) != 'F')
        wk_fail(c, WK_EDTYPE, "%s: targets of %s, not i32, i64 or real", op, wk_dtype_name(target->dtype));
    else if (is_index(target) ? !each : !same || x->ndim != target->ndim)
        wk_fail(c, WK_ESHAPE, "%s: logits %s, targets %s %s", op, WKI_TEXT(x), wk_dtype_name(target->dtype),
                WKI_TEXT(target));
    else if (!(o->smoothing >= 0 && o->smoothing <= 1))
        wk_fail(c, WK_EARG, "%s: smoothing %g", op, o->smoothing);
    else if (!wk_is_none(o->weight) && (o->weight->ndim != 1 || o->weight->shape[0] != wki_cols(x)))
        wk_fail(c, WK_ESHAPE, "%s: %lld classes, weights %s", op, (long long)wki_cols(x),
                WKI_TEXT(o->weight));
    else
        return true;
    return false;
}

/* Rows to a result: the mean is over the rows that count, by their weights. */
static wk_tensor reduced(wk_ctx *c, wk_tensor rows, wk_tensor target, wk_tensor row_weight,
                         const wk_cross_entropy_opts *o, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    if (o->reduction == WK_EACH) return wk_cast(c, rows, t);
    wk_tensor sum = wk_sum(c, rows, WK_ALL_DIMS, false);
    if (o->reduction == WK_MEAN) {
        wk_tensor count = WK_NONE;
        if (!wk_is_none(row_weight))
            count = wk_sum(c, row_weight, WK_ALL_DIMS, false);
        else if (o->ignore)
            count = wk_sum(c, kept_rows(c, target, o), WK_ALL_DIMS, false);
        sum = wk_is_none(count) ? wki_loss_times(c, sum, 1 / (double)wk_count(rows))
                                : wk_div(c, sum, wk_cast(c, count, rows->dtype));
    }
    return wk_cast(c, sum, t);
}

/* The weight of each row's target, 0 where it is ignored; WK_NONE without weights. */
static wk_tensor row_weights(wk_ctx *c, wk_tensor target, const wk_cross_entropy_opts *o, wk_dtype t)
{
    if (wk_is_none(o->weight)) return WK_NONE;
    const wk_tensor kept = kept_rows(c, target, o), w = wk_cast(c, o->weight, t);
    const wk_tensor safe = where_kept(c, kept, target, 0);
    const wk_tensor each = wk_index_select(c, w, 0, wk_reshape(c, safe, WK_SHAPE(-1)));
    return where_kept(c, kept, wk_reshape(c, each, wki_shape(target)), 0);
}

/* Cross entropy with probabilities as targets. */
static wk_tensor with_soft_targets(wk_ctx *c, wk_tensor x, wk_tensor target, const wk_cross_entropy_opts *o)
{
    const wk_dtype  t = wki_loss_dtype(x);
    const double    n = (double)wki_cols(x);
    const wk_tensor logp = wk_log_softmax(c, wk_cast(c, x, t), -1);
    wk_tensor       p = wk_cast(c, target, t);
    if (o->smoothing != 0)
        p = wk_add(c, wki_loss_times(c, p, 1 - o->smoothing), wk_scalar(c, o->smoothing / n));
    if (!wk_is_none(o->weight)) p = wk_mul(c, p, wk_cast(c, o->weight, t));
    const wk_tensor rows = wk_neg(c, wk_sum(c, wk_mul(c, logp, p), WK_DIMS(-1), false));
    return wki_loss_reduce(c, rows, o->reduction, x->dtype);
}

/* With weights and smoothing both: each class's part of the smoothing has the class's weight. */
static wk_tensor smooth_weighted(wk_ctx *c, wk_tensor x, wk_tensor target, wk_tensor row_weight,
                                 const wk_cross_entropy_opts *o)
{
    const wk_dtype  t = wki_loss_dtype(x);
    const wk_tensor kept = kept_rows(c, target, o), logp = wk_log_softmax(c, wk_cast(c, x, t), -1);
    const wk_tensor own = wk_mul(c, at_target(c, logp, where_kept(c, kept, target, 0)), row_weight);
    wk_tensor       all = wk_sum(c, wk_mul(c, logp, wk_cast(c, o->weight, t)), WK_DIMS(-1), false);
    all = wki_loss_times(c, where_kept(c, kept, all, 0), o->smoothing / (double)wki_cols(x));
    return wk_neg(c, wk_add(c, wki_loss_times(c, own, 1 - o->smoothing), all));
}

wk_tensor wk_cross_entropy(wk_ctx *c, wk_tensor logits, wk_tensor target, wk_cross_entropy_opts o)
{
    if (!check(c, "cross_entropy", logits, target, &o)) return WK_NONE;
    if (!is_index(target)) return with_soft_targets(c, logits, target, &o);
    const wk_tensor w = row_weights(c, target, &o, wki_loss_dtype(logits));
    wk_tensor       rows;
    if (!wk_is_none(w) && o.smoothing != 0) {
        rows = smooth_weighted(c, logits, target, w, &o);
    } else {
        rows = wki_has(c, WK_OP_cross_entropy) ? rows_fused(c, logits, target, &o)
                                               : rows_composed(c, logits, target, &o);
        if (!wk_is_none(w)) rows = wk_mul(c, rows, w);
    }
    return reduced(c, rows, target, w, &o, logits->dtype);
}

wk_tensor wk_nll_loss(wk_ctx *c, wk_tensor log_p, wk_tensor target, wk_cross_entropy_opts o)
{
    if (!check(c, "nll_loss", log_p, target, &o)) return WK_NONE;
    WK_REQUIRE(c, is_index(target), WK_EDTYPE, "nll_loss: targets of %s, not i32 or i64",
               wk_dtype_name(target->dtype));
    const wk_dtype  t = wki_loss_dtype(log_p);
    const wk_tensor w = row_weights(c, target, &o, t), kept = kept_rows(c, target, &o);
    wk_tensor       rows = at_target(c, wk_cast(c, log_p, t), where_kept(c, kept, target, 0));
    rows = where_kept(c, kept, wk_neg(c, rows), 0);
    if (!wk_is_none(w)) rows = wk_mul(c, rows, w);
    return reduced(c, rows, target, w, &o, log_p->dtype);
}

/* ---- margins --------------------------------------------------------------------------------- */

wk_tensor wk_multi_margin_loss(wk_ctx *c, wk_tensor x, wk_tensor target, int p, double margin,
                               wk_tensor weight, wk_reduction r)
{
    if (wki_failed(c)) return WK_NONE;
    if (!wk_is_none(x) && x->ndim == 0) x = wk_reshape(c, x, WK_SHAPE(1));
    if (!wk_is_none(target) && !wk_is_none(x) && target->ndim == x->ndim && wk_count(target) == 1)
        target = wk_reshape(c, target, WK_SCALAR_SHAPE);
    wk_cross_entropy_opts o = {.weight = weight};
    if (!check(c, "multi_margin_loss", x, target, &o)) return WK_NONE;
    WK_REQUIRE(c, is_index(target), WK_EDTYPE, "multi_margin_loss: targets of %s",
               wk_dtype_name(target->dtype));
    WK_REQUIRE(c, p == 1 || p == 2, WK_EARG, "multi_margin_loss: p is %d, not 1 or 2", p);
    const wk_dtype  t = wki_loss_dtype(x);
    const wk_tensor h = wk_cast(c, x, t), at = wk_unsqueeze(c, target, -1);
    const wk_tensor gap = wk_sub(c, h, wk_gather(c, h, -1, at));
    wk_tensor       y = wki_loss_at_least(c, wk_add(c, gap, wk_scalar(c, margin)), 0);
    if (p == 2) y = wk_square(c, y);
    const wk_tensor class = wk_arange(c, 0, (double)wki_cols(x), 1, target->dtype);
    y = wk_where(c, wk_eq(c, class, at), wk_scalar(c, 0), y);
    y = wki_loss_times(c, wk_sum(c, y, WK_DIMS(-1), false), 1 / (double)wki_cols(x));
    const wk_tensor w = row_weights(c, target, &o, t);
    if (!wk_is_none(w)) y = wk_mul(c, y, w);
    return wki_loss_reduce(c, y, r, x->dtype);
}

wk_tensor wk_multilabel_margin_loss(wk_ctx *c, wk_tensor x, wk_tensor target, wk_reduction r)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && !wk_is_none(target), WK_EARG, "multilabel_margin_loss: no tensor");
    WK_REQUIRE(c, is_index(target) && wki_dtype_class(x->dtype) == 'F', WK_EDTYPE,
               "multilabel_margin_loss: x is %s, targets are %s", wk_dtype_name(x->dtype),
               wk_dtype_name(target->dtype));
    if (x->ndim == 0) x = wk_reshape(c, x, WK_SHAPE(1));
    if (target->ndim == 0) target = wk_reshape(c, target, WK_SHAPE(1));
    wk_shape both;
    WK_REQUIRE(c,
               x->ndim == target->ndim && wk_count(x) == wk_count(target) && wki_broadcast(x, target, &both),
               WK_ESHAPE, "multilabel_margin_loss: x %s, targets %s", WKI_TEXT(x), WKI_TEXT(target));
    const int64_t   n = wki_cols(x);
    const wk_tensor h = wk_cast(c, x, wki_loss_dtype(x)),
                    class = wk_arange(c, 0, (double)n, 1, target->dtype);
    const wk_tensor ends = wk_lt(c, target, wk_scalar_int(c, 0)), zero = wk_scalar(c, 0);
    /* the targets up to the first negative one */
    const wk_tensor first = wk_where(c, wk_any(c, ends, WK_DIMS(-1), true),
                                     wk_argmax(c, wk_cast(c, ends, WK_i64), -1, true), wk_scalar_int(c, n));
    const wk_tensor listed = wk_lt(c, class, first);
    const wk_tensor safe = wk_where(c, listed, target, wk_full(c, 0, target->dtype, WK_SCALAR_SHAPE));
    const wk_tensor pair = wk_eq(c, wk_unsqueeze(c, safe, -1), class); /* [.., place, class] */
    const wk_tensor is_target =
        wk_any(c, wk_logical_and(c, pair, wk_unsqueeze(c, listed, -1)), WK_DIMS(-2), false);
    const wk_tensor own = wk_unsqueeze(c, wk_gather(c, h, -1, safe), -1), others = wk_unsqueeze(c, h, -2);
    const wk_tensor gap = wki_loss_at_least(c, wk_add(c, wk_sub(c, others, own), wk_scalar(c, 1)), 0);
    const wk_tensor counts =
        wk_logical_and(c, wk_unsqueeze(c, listed, -1), wk_logical_not(c, wk_unsqueeze(c, is_target, -2)));
    const wk_tensor rows = wk_sum(c, wk_where(c, counts, gap, zero), WK_DIMS(-1, -2), false);
    return wki_loss_reduce(c, wki_loss_times(c, rows, 1 / (double)n), r, x->dtype);
}

/* ---- gradient -------------------------------------------------------------------------------- */

wk_tensor wki_again_cross_entropy(wk_ctx *c, const wk_call *k)
{
    const wk_cross_entropy_opts o = {
        .ignore = k->attr.i[0] != 0, .ignore_index = k->attr.i[1], .smoothing = k->attr.f[0]};
    return rows_composed(c, k->in[0], k->in[1], &o);
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
