/* Scaled dot product attention with everything that may be added to it. */
#include "layers.h"

#include <math.h>

/* bool (seen) or real as what is added to scores. */
static wk_tensor mask_real(wk_ctx *c, wk_tensor mask, wk_dtype t)
{
    if (mask->dtype != WK_bool) return wk_cast(c, mask, t);
    return wk_masked_fill(c, wk_zeros(c, t, wki_shape_of(mask)), wk_logical_not(c, mask),
                          wk_scalar(c, -(double)INFINITY));
}

wk_tensor wki_mask_join(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    if (wk_is_none(a)) return b;
    if (wk_is_none(b)) return a;
    if (a->dtype == WK_bool && b->dtype == WK_bool) return wk_logical_and(c, a, b);
    const wk_dtype t = a->dtype == WK_bool ? b->dtype : a->dtype;
    return wk_add(c, mask_real(c, a, t), mask_real(c, b, t));
}

wk_shape wki_shape_of(wk_tensor x)
{
    wk_shape s = {.ndim = x->ndim};
    for (int i = 0; i < s.ndim; i++) s.dim[i] = x->shape[i];
    return s;
}

/* bool [T, S]: keys that queries may see by place; WK_NONE: all. */
static wk_tensor by_place(wk_ctx *c, int64_t queries, int64_t keys, const wk_sdpa_opts *o)
{
    wk_tensor       seen = WK_NONE;
    const wk_tensor t = wk_unsqueeze(c, wk_arange(c, 0, (double)queries, 1, WK_i64), 1);
    const wk_tensor s = wk_arange(c, 0, (double)keys, 1, WK_i64);
    if (o->causal) seen = wk_le(c, s, t);
    if (o->window) seen = wki_mask_join(c, seen, wk_gt(c, s, wk_sub(c, t, wk_scalar_int(c, o->window))));
    return seen;
}

/* Scores and weights as tensors: what the fused op never writes down. */
static wk_tensor composed(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, const wk_sdpa_opts *o,
                          wk_tensor mask, wk_tensor *weights)
{
    const wk_dtype t = q->dtype == WK_f64 ? WK_f64 : WK_f32;
    const int64_t  T = wk_size(q, -2), S = wk_size(k, -2);
    wk_shape       all = wki_shape_of(q), packed = all; /* heads of a group side by side */
    packed.dim[q->ndim - 3] = wk_size(k, -3);
    packed.dim[q->ndim - 2] = wk_size(q, -3) / wk_size(k, -3) * T;
    const wk_tensor scaled = wk_mul(c, wk_cast(c, q, t), wk_scalar(c, o->scale));
    wk_tensor s = wk_matmul(c, wk_reshape(c, scaled, packed), wk_transpose(c, wk_cast(c, k, t), -1, -2));
    all.dim[q->ndim - 1] = S;
    s = wk_reshape(c, s, all);
    if (o->softcap > 0)
        s = wk_mul(c, wk_tanh(c, wk_mul(c, s, wk_scalar(c, 1 / o->softcap))), wk_scalar(c, o->softcap));
    mask = wki_mask_join(c, mask, by_place(c, T, S, o));
    if (!wk_is_none(mask)) s = wk_add(c, s, mask_real(c, mask, t));
    if (!wk_is_none(o->sinks)) {
        all.dim[q->ndim - 1] = 1;
        const wk_tensor sink = wk_reshape(c, wk_cast(c, o->sinks, t), WK_SHAPE(-1, 1, 1));
        const wk_tensor both[] = {s, wk_expand(c, sink, all)};
        s = wk_narrow(c, wk_softmax(c, wk_cat(c, 2, both, -1), -1), -1, 0, S);
    } else {
        const wk_tensor most = wk_amax(c, wk_detach(c, s), WK_DIMS(-1), true);
        const wk_tensor blind = wk_eq(c, most, wk_scalar(c, -(double)INFINITY));
        s = wk_softmax(c, wk_masked_fill(c, s, blind, wk_scalar(c, 0)), -1);
        s = wk_masked_fill(c, s, blind, wk_scalar(c, 0));
    }
    s = wk_dropout(c, &(struct wk_dropout){.p = o->dropout}, s);
    if (weights) *weights = wk_cast(c, s, q->dtype);
    packed.dim[q->ndim - 1] = S;
    all.dim[q->ndim - 1] = wk_size(v, -1);
    const wk_tensor y = wk_matmul(c, wk_reshape(c, s, packed), wk_cast(c, v, t));
    return wk_cast(c, wk_reshape(c, y, all), q->dtype);
}

static bool fit(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, const wk_sdpa_opts *o)
{
    if (wk_ctx_status(c) != WK_OK) return false;
    const bool lead = q->ndim >= 3 && k->ndim == q->ndim && v->ndim == q->ndim && wk_size(k, -3) > 0 &&
                      wk_size(v, -3) == wk_size(k, -3) && wk_size(q, -3) % wk_size(k, -3) == 0;
    if (!lead || wk_size(q, -1) != wk_size(k, -1) || wk_size(k, -2) != wk_size(v, -2))
        wk_fail(c, WK_ESHAPE,
                "scaled_dot_product_attention: q has %d dims, k %d, v %d; heads %lld, %lld, %lld", q->ndim,
                k->ndim, v->ndim, (long long)wk_size(q, -3), (long long)wk_size(k, -3),
                (long long)wk_size(v, -3));
    else if (!(o->dropout >= 0 && o->dropout <= 1) || o->window < 0 || o->softcap < 0)
        wk_fail(c, WK_EARG, "scaled_dot_product_attention: dropout %g, window %lld, softcap %g", o->dropout,
                (long long)o->window, o->softcap);
    else if (!wk_is_none(o->sinks) && wk_count(o->sinks) != 1 && wk_count(o->sinks) != wk_size(q, -3))
        wk_fail(c, WK_ESHAPE, "scaled_dot_product_attention: %lld sinks for %lld heads",
                (long long)wk_count(o->sinks), (long long)wk_size(q, -3));
    return wk_ctx_status(c) == WK_OK;
}

wk_tensor wk_scaled_dot_product_attention(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, wk_sdpa_opts o,
                                          wk_tensor *weights)
{
    if (weights) *weights = WK_NONE;
    if (q->ndim == 2 && k->ndim == 2 && v->ndim == 2) {
        const wk_tensor y = wk_scaled_dot_product_attention(c, wk_unsqueeze(c, q, 0), wk_unsqueeze(c, k, 0),
                                                            wk_unsqueeze(c, v, 0), o, weights);
        if (weights) *weights = wk_squeeze(c, *weights, 0);
        return wk_squeeze(c, y, 0);
    }
    if (!fit(c, q, k, v, &o)) return WK_NONE;
    if (o.scale == 0) o.scale = 1 / sqrt((double)wk_size(q, -1));
    wk_tensor  mask = wk_is_none(o.mask) ? WK_NONE : o.mask;
    const bool drops = o.dropout > 0 && wk_training(c);
    if (weights || drops) return composed(c, q, k, v, &o, mask, weights);
    /* wk_attend counts a causal query's place from the end of the keys */
    wk_attend_opts a = {.scale = o.scale, .softcap = o.softcap, .causal = o.causal, .window = o.window};
    if (o.window ? !o.causal || wk_size(q, -2) != wk_size(k, -2)
                 : o.causal && wk_size(q, -2) != wk_size(k, -2)) {
        mask = wki_mask_join(c, mask, by_place(c, wk_size(q, -2), wk_size(k, -2), &o));
        a.causal = false;
        a.window = 0;
    }
    a.mask = mask;
    a.sinks = o.sinks;
    return wk_attend(c, q, k, v, a);
}
