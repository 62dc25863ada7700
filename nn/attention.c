/* Causal self-attention with grouped queries (arXiv:1706.03762, 2305.13245). */
#include "layers.h"

struct wk_attention wk_attention_load(wk_params p, const char *name, struct wk_attention_opts o)
{
    const wk_params      at = wk_at(p, "%s", name);
    const struct wk_norm none = {.weight = WK_NONE, .bias = WK_NONE};
    const int64_t        q = o.heads * o.head_dim, kv = o.kv_heads * o.head_dim;
    return (struct wk_attention){
        .q = wk_linear_load(at, "q_proj", o.dim, q, o.bias),
        .k = wk_linear_load(at, "k_proj", o.dim, kv, o.bias),
        .v = wk_linear_load(at, "v_proj", o.dim, kv, o.bias),
        .o = wk_linear_load(at, "o_proj", q, o.dim, o.out_bias),
        .q_norm = o.qk_norm ? wk_rms_norm_load(at, "q_norm", o.head_dim, o.eps) : none,
        .k_norm = o.qk_norm ? wk_rms_norm_load(at, "k_norm", o.head_dim, o.eps) : none,
        .sinks = o.sinks ? wk_param(at, "sinks", WK_SHAPE(o.heads), 0) : WK_NONE,
        .rotary = o.rotary,
        .heads = o.heads,
        .kv_heads = o.kv_heads,
        .head_dim = o.head_dim,
        .window = o.window,
        .softcap = o.softcap,
    };
}

wk_tensor wki_split_heads(wk_ctx *c, wk_tensor x, int64_t heads)
{
    wk_shape s = {.ndim = x->ndim + 1};
    if (s.ndim > WK_MAX_DIMS) {
        wk_fail(c, WK_ESHAPE, "attention: x has %d dims", x->ndim);
        return WK_NONE;
    }
    for (int i = 0; i + 1 < x->ndim; i++) s.dim[i] = x->shape[i];
    s.dim[x->ndim - 1] = heads;
    s.dim[x->ndim] = wk_size(x, -1) / heads;
    return wk_reshape(c, x, s);
}

/* [.., T, H d] as [.., H, T, d], normed and turned to its positions. */
static wk_tensor prepare(wk_ctx *c, const struct wk_norm *norm, const struct wk_rotary *r, wk_tensor x,
                         int64_t heads, wk_tensor positions, wk_tensor freq)
{
    x = wki_split_heads(c, x, heads);
    if (norm && !wk_is_none(norm->weight)) x = wk_norm(c, norm, x);
    x = wk_transpose(c, x, -2, -3);
    if (!r || wk_is_none(r->inv_freq)) return x;
    return wk_rope(c, x, positions, freq, r->opts);
}

wk_tensor wki_attend_heads(wk_ctx *c, wk_tensor q, wk_tensor k, wk_tensor v, const struct wk_kv *kv,
                           wk_attend_opts o)
{
    wk_tensor y;
    o.causal = true;
    if (kv && kv->rotating) {
        y = wki_attend_sliding(c, q, k, v, kv, o);
    } else {
        if (kv) {
            wk_cache_write(c, kv->k, k, o.start);
            wk_cache_write(c, kv->v, v, o.start);
            k = kv->k;
            v = kv->v;
        } else {
            o.start = WK_NONE;
        }
        y = wk_attend(c, q, k, v, o);
    }
    return wk_flatten(c, wk_transpose(c, y, -2, -3), -2, -1);
}

wk_tensor wk_attention(wk_ctx *c, const struct wk_attention *a, wk_tensor x, wk_tensor positions,
                       const struct wk_kv *kv, wk_tensor start)
{
    const wk_tensor w[] = {a->q.weight, a->k.weight, a->v.weight}, bias[] = {a->q.bias, a->k.bias, a->v.bias};
    const int64_t   reach = kv ? wk_size(kv->k, -2) : wk_size(x, -2);
    const wk_tensor freq = wki_rotary_freq(c, &a->rotary, reach);
    wk_tensor       qkv[3];
    wk_affine_n(c, x, 3, w, bias, qkv);
    const wk_tensor      q = prepare(c, &a->q_norm, &a->rotary, qkv[0], a->heads, positions, freq);
    const wk_tensor      k = prepare(c, &a->k_norm, &a->rotary, qkv[1], a->kv_heads, positions, freq);
    const wk_tensor      v = prepare(c, NULL, NULL, qkv[2], a->kv_heads, positions, freq);
    const wk_attend_opts o = {.window = a->window, .softcap = a->softcap, .start = start, .sinks = a->sinks};
    return wk_linear(c, &a->o, wki_attend_heads(c, q, k, v, kv, o));
}

void wki_attention_bind(wk_param_list *l, struct wk_attention *x)
{
    wki_linear_bind(l, &x->q);
    wki_linear_bind(l, &x->k);
    wki_linear_bind(l, &x->v);
    wki_linear_bind(l, &x->o);
    wki_bind(l, &x->sinks);
    wki_norm_bind(l, &x->q_norm);
    wki_norm_bind(l, &x->k_norm);
}
