/* Multi-head latent attention (arXiv:2405.04434, equations 9 to 19 and appendix C). */
#include "layers.h"

#include <math.h>

struct wk_latent_attention wk_latent_attention_load(wk_params p, const char *name, wk_latent_opts o)
{
    const wk_params            at = wk_at(p, "%s", name);
    const struct wk_linear     none = {WK_NONE, WK_NONE};
    const int64_t              q = o.heads * (o.plain_dim + o.turned_dim);
    struct wk_latent_attention a = {.q = none,
                                    .q_a = none,
                                    .q_b = none,
                                    .q_norm = {.weight = WK_NONE, .bias = WK_NONE},
                                    .rotary = o.rotary,
                                    .heads = o.heads,
                                    .plain_dim = o.plain_dim,
                                    .turned_dim = o.turned_dim,
                                    .value_dim = o.value_dim,
                                    .kv_rank = o.kv_rank,
                                    .scale = o.scale};
    a.rotary.opts.layout = WK_ROPE_INTERLEAVED;
    if (o.q_rank) {
        a.q_a = wk_linear_load(at, "q_a_proj", o.dim, o.q_rank, o.bias);
        a.q_norm = wk_rms_norm_load(at, "q_a_layernorm", o.q_rank, o.eps);
        a.q_b = wk_linear_load(at, "q_b_proj", o.q_rank, q, false);
    } else {
        a.q = wk_linear_load(at, "q_proj", o.dim, q, false);
    }
    a.kv_a = wk_linear_load(at, "kv_a_proj_with_mqa", o.dim, o.kv_rank + o.turned_dim, o.bias);
    a.kv_norm = wk_rms_norm_load(at, "kv_a_layernorm", o.kv_rank, o.eps);
    a.kv_b = wk_linear_load(at, "kv_b_proj", o.kv_rank, o.heads * (o.plain_dim + o.value_dim), false);
    a.o = wk_linear_load(at, "o_proj", o.heads * o.value_dim, o.dim, o.bias);
    return a;
}

static wk_tensor turned(wk_ctx *c, const struct wk_latent_attention *a, wk_tensor x, wk_tensor positions,
                        wk_tensor freq)
{
    return wk_is_none(freq) ? x : wk_rope(c, x, positions, freq, a->rotary.opts);
}

static wk_tensor side_by_side(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    const wk_tensor both[] = {a, b};
    return wk_cat(c, 2, both, -1);
}

/* [.., T, H n] as [.., H, T, n]. */
static wk_tensor heads_first(wk_ctx *c, wk_tensor x, int64_t heads)
{
    return wk_transpose(c, wki_split_heads(c, x, heads), -2, -3);
}

/* Keys and values of every head, written out. */
static wk_tensor expanded(wk_ctx *c, const struct wk_latent_attention *a, wk_tensor plain, wk_tensor q_turned,
                          wk_tensor row, wk_tensor k_turned, wk_attend_opts o)
{
    const wk_tensor kv = heads_first(c, wk_linear(c, &a->kv_b, row), a->heads);
    const wk_tensor k_plain = wk_narrow(c, kv, -1, 0, a->plain_dim);
    wk_shape        s = wki_shape_of(k_plain);
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    s.dim[s.ndim - 1] = a->turned_dim;
    const wk_tensor k = side_by_side(c, k_plain, wk_expand(c, k_turned, s));
    const wk_tensor v = wk_narrow(c, kv, -1, a->plain_dim, a->value_dim);
    return wki_attend_heads(c, side_by_side(c, plain, q_turned), k, v, NULL, o);
}

/* kv_b is linear, so that its share of the scores goes into the queries and its share of the values into the
 * results: all heads then read one row for each position. */
static wk_tensor absorbed(wk_ctx *c, const struct wk_latent_attention *a, wk_tensor plain, wk_tensor q_turned,
                          wk_tensor row, wk_tensor k_turned, const struct wk_kv *kv, wk_attend_opts o)
{
    const wk_tensor w = wk_reshape(c, wk_cast(c, a->kv_b.weight, row->dtype),
                                   WK_SHAPE(a->heads, a->plain_dim + a->value_dim, a->kv_rank));
    const wk_tensor for_keys = wk_narrow(c, w, 1, 0, a->plain_dim);
    const wk_tensor for_values = wk_narrow(c, w, 1, a->plain_dim, a->value_dim);
    const wk_tensor q = side_by_side(c, wk_matmul(c, plain, for_keys), q_turned);
    wk_cache_write(c, kv->k, side_by_side(c, wk_unsqueeze(c, row, -3), k_turned), o.start);
    const wk_tensor y = wk_attend(c, q, kv->k, wk_narrow(c, kv->k, -1, 0, a->kv_rank), o);
    const wk_tensor out = wk_matmul(c, y, wk_transpose(c, for_values, -1, -2));
    return wk_flatten(c, wk_transpose(c, out, -2, -3), -2, -1);
}

static bool fit(wk_ctx *c, const struct wk_latent_attention *a, wk_tensor x, const struct wk_kv *kv)
{
    if (wk_ctx_status(c) != WK_OK) return false;
    if (x->ndim < 2 || x->ndim + 1 > WK_MAX_DIMS)
        wk_fail(c, WK_ESHAPE, "latent_attention: x has %d dims", x->ndim);
    else if (kv &&
             (kv->rotating || wk_size(kv->k, -1) != a->kv_rank + a->turned_dim || wk_size(kv->k, 0) != 1))
        wk_fail(c, WK_ESHAPE, "latent_attention: the cache has %lld heads of %lld%s; wanted: 1 of %lld",
                (long long)wk_size(kv->k, 0), (long long)wk_size(kv->k, -1), kv->rotating ? ", sliding" : "",
                (long long)(a->kv_rank + a->turned_dim));
    return wk_ctx_status(c) == WK_OK;
}

wk_tensor wk_latent_attention(wk_ctx *c, const struct wk_latent_attention *a, wk_tensor x,
                              wk_tensor positions, const struct wk_kv *kv, wk_tensor start)
{
    if (!fit(c, a, x, kv)) return WK_NONE;
    const wk_tensor freq = wki_rotary_freq(c, &a->rotary, kv ? wk_size(kv->k, -2) : wk_size(x, -2));
    wk_tensor       q = wk_is_none(a->q.weight)
                            ? wk_linear(c, &a->q_b, wk_norm(c, &a->q_norm, wk_linear(c, &a->q_a, x)))
                            : wk_linear(c, &a->q, x);
    q = heads_first(c, q, a->heads);
    const wk_tensor plain = wk_narrow(c, q, -1, 0, a->plain_dim);
    const wk_tensor q_turned =
        turned(c, a, wk_narrow(c, q, -1, a->plain_dim, a->turned_dim), positions, freq);
    const wk_tensor both = wk_linear(c, &a->kv_a, x);
    const wk_tensor row = wk_norm(c, &a->kv_norm, wk_narrow(c, both, -1, 0, a->kv_rank));
    const wk_tensor key = wk_unsqueeze(c, wk_narrow(c, both, -1, a->kv_rank, a->turned_dim), -3);
    const wk_tensor k_turned = turned(c, a, key, positions, freq);
    wk_attend_opts  o = {.causal = true, .start = start, .scale = a->scale};
    if (o.scale == 0) o.scale = 1 / sqrt((double)(a->plain_dim + a->turned_dim));
    const wk_tensor y = kv ? absorbed(c, a, plain, q_turned, row, k_turned, kv, o)
                           : expanded(c, a, plain, q_turned, row, k_turned, o);
    return wk_linear(c, &a->o, y);
}
