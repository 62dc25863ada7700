/* Affine maps of which each row takes its own expert. */
#include "core/ctx.h"

static bool experts_fit(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_tensor ids)
{
    if (wki_failed(c)) return false;
    const char *op = "affine_experts";
    const char  cw = wki_dtype_class(w->dtype);
    bool        rows = true;
    if (wk_is_none(x) || wk_is_none(w) || wk_is_none(ids)) {
        wk_fail(c, WK_EARG, "%s: an operand is empty", op);
        return false;
    }
    for (int i = 0; i < ids->ndim && i + 1 < x->ndim; i++) rows &= x->shape[i] == ids->shape[i];
    if (wki_dtype_class(ids->dtype) != 'I')
        wk_fail(c, WK_EDTYPE, "%s: indices are %s, not integers", op, wk_dtype_name(ids->dtype));
    else if (wki_dtype_class(x->dtype) != 'F' || (cw != 'F' && cw != 'Q'))
        wk_fail(c, WK_EDTYPE, "%s: x is %s, weight %s; real ones are wanted", op, wk_dtype_name(x->dtype),
                wk_dtype_name(w->dtype));
    else if (w->ndim != 3 || x->ndim == 0 || wki_cols(x) != wki_cols(w))
        wk_fail(c, WK_ESHAPE, "%s: x is %s, weight %s", op, WKI_TEXT(x), WKI_TEXT(w));
    else if (ids->ndim == 0 || !rows || (x->ndim != ids->ndim && x->ndim != ids->ndim + 1))
        wk_fail(c, WK_ESHAPE, "%s: x is %s, indices %s", op, WKI_TEXT(x), WKI_TEXT(ids));
    else if (!wk_is_none(bias) &&
             (bias->ndim != 2 || bias->shape[0] != w->shape[0] || bias->shape[1] != w->shape[1]))
        wk_fail(c, WK_ESHAPE, "%s: bias is %s, weight %s", op, WKI_TEXT(bias), WKI_TEXT(w));
    else if (!wk_is_none(bias) && wki_dtype_class(bias->dtype) != 'F')
        wk_fail(c, WK_EDTYPE, "%s: bias is %s", op, wk_dtype_name(bias->dtype));
    else if (cw == 'Q' && w->node && wki_recording(c))
        wk_fail(c, WK_ENOGRAD, "%s: a weight in %s has no gradient", op, wk_dtype_name(w->dtype));
    return !wki_failed(c);
}

static wk_tensor plain(wk_ctx *c, wk_tensor w)
{
    return wki_is_block(w->dtype) ? wk_cast(c, w, WK_f32) : w;
}

/* All rows through all experts, then each row's own. */
static wk_tensor composed(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_tensor ids, wk_shape shape)
{
    const int64_t   rows = wk_count(ids), n = w->shape[1], k = wki_cols(x);
    const wk_tensor flat = wk_reshape(c, ids, WK_SHAPE(rows));
    if (x->ndim == ids->ndim)
        x = wk_repeat_interleave(c, wk_reshape(c, x, WK_SHAPE(wki_rows(x), k)), ids->shape[ids->ndim - 1], 0);
    else
        x = wk_reshape(c, x, WK_SHAPE(rows, k));
    if (wki_failed(c)) return WK_NONE;
    const wk_dtype  t = x->dtype;
    const wk_tensor all = wk_matmul(c, x, wk_transpose(c, plain(c, w), -1, -2));
    const wk_tensor index = wk_expand(c, wk_reshape(c, flat, WK_SHAPE(1, rows, 1)), WK_SHAPE(1, rows, n));
    wk_tensor       y = wk_reshape(c, wk_gather(c, all, 0, index), WK_SHAPE(rows, n));
    if (!wk_is_none(bias)) y = wk_add(c, y, wk_index_select(c, bias, 0, flat));
    return wk_reshape(c, wk_cast(c, y, t), shape);
}

/* attr.i[0]: indices that a row of x serves */
wk_tensor wk_affine_experts(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor bias, wk_tensor ids)
{
    if (!experts_fit(c, x, w, bias, ids)) return WK_NONE;
    const bool together = x->ndim == ids->ndim, weights = w->node || (!wk_is_none(bias) && bias->node);
    wk_shape   shape = wki_shape(ids);
    shape.dim[shape.ndim++] = w->shape[1];
    if (!wki_has(c, WK_OP_affine_experts) || (weights && wki_recording(c)))
        return composed(c, x, w, bias, ids, shape);
    const int64_t repeats = together ? ids->shape[ids->ndim - 1] : 1;
    x = wk_contiguous(c, x);
    ids = wk_contiguous(c, wk_cast(c, ids, WK_i64));
    if (wki_failed(c)) return WK_NONE;
    return wki_run(c, &(wk_call){.op = WK_OP_affine_experts,
                                 .cls = wki_class_of(x->dtype),
                                 WK_IN(x, w, bias, ids),
                                 .out = {wki_new(c, x->dtype, shape)},
                                 .attr.i = {repeats}});
}

void wki_vjp_affine_experts(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], w = k->in[1], ids = k->in[3];
    if (!x->node) return;
    dx[0] = wk_affine_experts(c, g[0], wk_transpose(c, plain(c, w), -1, -2), WK_NONE, ids);
    if (x->ndim == ids->ndim) dx[0] = wk_sum(c, dx[0], WK_DIMS(-2), false);
    dx[0] = wk_cast(c, dx[0], x->dtype);
}
