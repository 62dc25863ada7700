/* Multi-head attention as torch.nn.MultiheadAttention has it. */
#include "layers.h"

struct wk_multihead wk_multihead_load(wk_params p, const char *name, wk_multihead_opts o)
{
    const wk_params at = wk_at(p, "%s", name);
    const int64_t   kd = o.key_dim ? o.key_dim : o.dim, vd = o.value_dim ? o.value_dim : o.dim;
    const wk_init   glorot = {.kind = WK_INIT_XAVIER_UNIFORM}, normal = {.kind = WK_INIT_XAVIER_NORMAL};
    const wk_init   zeros = {.kind = WK_INIT_FULL};
    const wk_init   weights = p.deviation > 0 ? wki_weight_init(p, o.dim) : glorot;
    const wk_params out = wk_at(at, "out_proj");
    if (o.heads < 1 || o.dim % o.heads != 0)
        wk_fail(p.c, WK_EARG, "multihead: %lld dims in %lld heads", (long long)o.dim, (long long)o.heads);
    struct wk_multihead m = {.in_weight = WK_NONE,
                             .q_weight = WK_NONE,
                             .k_weight = WK_NONE,
                             .v_weight = WK_NONE,
                             .in_bias = WK_NONE,
                             .bias_k = WK_NONE,
                             .bias_v = WK_NONE,
                             .out = {.bias = WK_NONE},
                             .dim = o.dim,
                             .heads = o.heads,
                             .dropout = o.dropout,
                             .add_zero = o.add_zero,
                             .batch_first = o.batch_first};
    if (kd == o.dim && vd == o.dim) {
        m.in_weight = wk_param_as(at, "in_proj_weight", WK_SHAPE(3 * o.dim, o.dim), weights);
    } else {
        m.q_weight = wk_param_as(at, "q_proj_weight", WK_SHAPE(o.dim, o.dim), weights);
        m.k_weight = wk_param_as(at, "k_proj_weight", WK_SHAPE(o.dim, kd), weights);
        m.v_weight = wk_param_as(at, "v_proj_weight", WK_SHAPE(o.dim, vd), weights);
    }
    if (!o.no_bias) m.in_bias = wk_param_as(at, "in_proj_bias", WK_SHAPE(3 * o.dim), zeros);
    if (o.bias_kv) {
        m.bias_k = wk_param_as(at, "bias_k", WK_SHAPE(1, 1, o.dim), normal);
        m.bias_v = wk_param_as(at, "bias_v", WK_SHAPE(1, 1, o.dim), normal);
    }
    m.out.weight = wk_param_as(out, "weight", WK_SHAPE(o.dim, o.dim), wki_weight_init(p, o.dim));
    if (!o.no_bias) m.out.bias = wk_param_as(out, "bias", WK_SHAPE(o.dim), zeros);
    return m;
}

/* Part i (q, k, v) of the projections. */
static wk_tensor project(wk_ctx *c, const struct wk_multihead *m, int i, wk_tensor x)
{
    const wk_tensor own[] = {m->q_weight, m->k_weight, m->v_weight};
    const wk_tensor w = wk_is_none(m->in_weight) ? own[i] : wk_narrow(c, m->in_weight, 0, i * m->dim, m->dim);
    const wk_tensor b = wk_is_none(m->in_bias) ? WK_NONE : wk_narrow(c, m->in_bias, 0, i * m->dim, m->dim);
    return wk_affine(c, x, w, b);
}

static void project_all(wk_ctx *c, const struct wk_multihead *m, wk_tensor q, wk_tensor k, wk_tensor v,
                        wk_tensor out[3])
{
    if (q == k && k == v && !wk_is_none(m->in_weight)) {
        const wk_tensor all = wk_affine(c, q, m->in_weight, m->in_bias);
        for (int i = 0; i < 3; i++) out[i] = wk_narrow(c, all, -1, i * m->dim, m->dim);
        return;
    }
    const wk_tensor x[] = {q, k, v};
    for (int i = 0; i < 3; i++) out[i] = project(c, m, i, x[i]);
}

/* [N, S, dim] with one more position: a learned one [1, 1, dim], or zeros where that is WK_NONE. */
static wk_tensor longer(wk_ctx *c, wk_tensor x, wk_tensor row)
{
    const wk_shape  s = WK_SHAPE(x->shape[0], 1, x->shape[2]);
    const wk_tensor both[] = {x, wk_is_none(row) ? wk_zeros(c, x->dtype, s) : wk_expand(c, row, s)};
    return wk_cat(c, 2, both, 1);
}

/* PyTorch's mask (true: left out) as wk_attend's (true: seen), with `more` keys at the end that all see. */
static wk_tensor seen(wk_ctx *c, wk_tensor mask, int64_t more)
{
    if (wk_is_none(mask)) return WK_NONE;
    if (mask->dtype == WK_bool) mask = wk_logical_not(c, mask);
    const int64_t pads[] = {0, more};
    return more ? wk_pad(c, mask, 2, pads, mask->dtype == WK_bool ? 1 : 0) : mask;
}

static wk_tensor all_masks(wk_ctx *c, const struct wk_multihead *m, const wk_multihead_masks *masks,
                           wk_tensor q, wk_tensor k)
{
    const int64_t N = q->shape[0], T = q->shape[1], S = k->shape[1];
    const int64_t more = !wk_is_none(m->bias_k) + m->add_zero;
    wk_tensor     scores = seen(c, masks->scores, more), keys = seen(c, masks->keys, more);
    if (masks->causal)
        scores = wki_mask_join(c, scores, seen(c, wk_triu(c, wk_ones(c, WK_bool, WK_SHAPE(T, S)), 1), more));
    if (!wk_is_none(scores) && scores->ndim == 3)
        scores = wk_reshape(c, scores, WK_SHAPE(N, m->heads, T, S + more));
    if (!wk_is_none(keys)) keys = wk_reshape(c, keys, WK_SHAPE(N, 1, 1, S + more));
    return wki_mask_join(c, scores, keys);
}

/* x [N, T, dim], k, v [N, S, dim]. */
static wk_tensor batched(wk_ctx *c, const struct wk_multihead *m, wk_tensor q, wk_tensor k, wk_tensor v,
                         const wk_multihead_masks *masks, wk_tensor *weights)
{
    wk_tensor      x[3];
    wk_sdpa_opts   o = {.mask = all_masks(c, m, masks, q, k), .dropout = m->dropout};
    const wk_shape none = WK_DIMS(1);
    project_all(c, m, q, k, v, x);
    if (!wk_is_none(m->bias_k)) {
        x[1] = longer(c, x[1], m->bias_k);
        x[2] = longer(c, x[2], m->bias_v);
    }
    for (int i = 1; i < 3 && m->add_zero; i++) x[i] = longer(c, x[i], WK_NONE);
    for (int i = 0; i < 3; i++) x[i] = wk_transpose(c, wki_split_heads(c, x[i], m->heads), -2, -3);
    wk_tensor y = wk_scaled_dot_product_attention(c, x[0], x[1], x[2], o, weights);
    if (weights && !masks->per_head) *weights = wk_mean(c, *weights, none, false);
    return wk_linear(c, &m->out, wk_flatten(c, wk_transpose(c, y, -2, -3), -2, -1));
}

wk_tensor wk_multihead(wk_ctx *c, const struct wk_multihead *m, wk_tensor q, wk_tensor k, wk_tensor v,
                       wk_multihead_masks masks, wk_tensor *weights)
{
    const bool self = q == k && k == v;
    if (weights) *weights = WK_NONE;
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if ((q->ndim != 2 && q->ndim != 3) || k->ndim != q->ndim || v->ndim != q->ndim) {
        wk_fail(c, WK_ESHAPE, "multihead: q has %d dims, k %d, v %d; wanted: 2 or 3", q->ndim, k->ndim,
                v->ndim);
        return WK_NONE;
    }
    if (q->ndim == 3 && m->batch_first) return batched(c, m, q, k, v, &masks, weights);
    const bool swap = q->ndim == 3;
    q = swap ? wk_transpose(c, q, 0, 1) : wk_unsqueeze(c, q, 0);
    k = self ? q : swap ? wk_transpose(c, k, 0, 1) : wk_unsqueeze(c, k, 0);
    v = self ? q : swap ? wk_transpose(c, v, 0, 1) : wk_unsqueeze(c, v, 0);
    const wk_tensor y = batched(c, m, q, k, v, &masks, weights);
    if (swap) return wk_transpose(c, y, 0, 1);
    if (weights) *weights = wk_squeeze(c, *weights, 0);
    return wk_squeeze(c, y, 0);
}
