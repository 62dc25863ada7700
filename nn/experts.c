/* Mixtures of experts: routing, the experts' MLPs, the sum. */
#include "layers.h"

#include <math.h>
#include <stdio.h>

/* All experts' matrices of one name as [experts, rows, columns]. */
static wk_tensor stacked(wk_params at, const char *name, int64_t experts, int64_t rows, int64_t columns)
{
    char together[100], one[100];
    snprintf(together, sizeof together, "experts.%s.weight", name);
    if (!at.files || wk_param_there(at, together))
        return wk_param_as(at, together, WK_SHAPE(experts, rows, columns), wki_weight_init(at, columns));
    wk_params  alone = at;
    wk_tensor *each = wk_alloc((size_t)experts * sizeof *each);
    if (!each) {
        wk_fail(at.c, WK_ENOMEM, "out of memory: %lld experts", (long long)experts);
        return WK_NONE;
    }
    alone.list = NULL; /* the list has the whole */
    for (int64_t i = 0; i < experts; i++) {
        snprintf(one, sizeof one, "experts.%lld.%s.weight", (long long)i, name);
        each[i] = wk_param(alone, one, WK_SHAPE(rows, columns), 0);
    }
    const wk_tensor all = wk_stack(at.c, (int)experts, each, 0);
    wk_free(each);
    return wki_param_made(at, together, all);
}

struct wk_moe wk_moe_load(wk_params p, const char *name, wk_moe_opts o)
{
    const wk_params  at = wk_at(p, "%s", name);
    const char      *gate = o.names[0] ? o.names[0] : "gate_proj", *up = o.names[1] ? o.names[1] : "up_proj";
    const char      *down = o.names[2] ? o.names[2] : "down_proj";
    const char      *shared = o.shared_name ? o.shared_name : "shared_expert";
    struct wk_linear no_linear = {WK_NONE, WK_NONE};
    struct wk_moe    m = {.router = no_linear,
                          .correction = WK_NONE,
                          .gate = WK_NONE,
                          .up = WK_NONE,
                          .down = WK_NONE,
                          .shared = {.gate = no_linear, .up = no_linear, .down = no_linear},
                          .shared_gate = no_linear,
                          .top_k = o.top_k,
                          .groups = o.groups,
                          .top_groups = o.top_groups,
                          .sigmoid = o.sigmoid,
                          .renormalise = o.renormalise,
                          .scale = o.scale,
                          .act = o.act};
    if (o.experts < 1 || o.top_k < 1 || o.top_k > o.experts ||
        (o.groups &&
         (o.groups < 0 || o.experts % o.groups != 0 || o.top_groups < 1 || o.top_groups > o.groups)))
        wk_fail(p.c, WK_EARG, "moe: %lld of %lld experts, %lld of %lld groups", (long long)o.top_k,
                (long long)o.experts, (long long)o.top_groups, (long long)o.groups);
    if (wk_ctx_status(p.c) != WK_OK) return m;
    m.router = wk_linear_load(at, "gate", o.dim, o.experts, false);
    if (o.correction)
        m.correction = wk_buffer(at, "gate.e_score_correction_bias", WK_f32, WK_SHAPE(o.experts), 0);
    if (!o.plain) m.gate = stacked(at, gate, o.experts, o.hidden, o.dim);
    m.up = stacked(at, up, o.experts, o.hidden, o.dim);
    m.down = stacked(at, down, o.experts, o.dim, o.hidden);
    if (o.shared_hidden) m.shared = wk_mlp_load(at, shared, o.dim, o.shared_hidden, !o.plain, false, o.act);
    if (o.shared_gate) m.shared_gate = wk_linear_load(at, "shared_expert_gate", o.dim, 1, false);
    return m;
}

/* Scores with those of experts outside of the best groups as -infinity. A group is as good as its best expert,
 * with a correction as its two best (arXiv:2405.04434, 2412.19437). */
static wk_tensor grouped(wk_ctx *c, const struct wk_moe *m, wk_tensor choice)
{
    const int64_t each = wk_size(choice, -1) / m->groups,
                  best = wk_is_none(m->correction) || each < 2 ? 1 : 2;
    const wk_tensor by_group = wk_unflatten(c, choice, -1, WK_SHAPE(m->groups, each));
    const wk_tensor worth = wk_sum(c, wk_topk(c, by_group, best, -1, true, NULL), WK_DIMS(-1), false);
    wk_tensor       ids;
    wk_topk(c, worth, m->top_groups, -1, true, &ids);
    const wk_tensor out = wk_scatter_value(c, wk_ones_like(c, worth), -1, ids, 0);
    const wk_tensor mask = wk_cast(c, wk_unsqueeze(c, out, -1), WK_bool);
    return wk_flatten(c, wk_masked_fill(c, by_group, mask, wk_scalar(c, -(double)INFINITY)), -2, -1);
}

static struct wk_routing route(wk_ctx *c, const struct wk_moe *m, wk_tensor x)
{
    const wk_tensor   logits = wk_linear(c, &m->router, x);
    struct wk_routing r = {.scores = m->sigmoid ? wk_sigmoid(c, logits) : wk_softmax(c, logits, -1)};
    wk_tensor         choice = wk_detach(c, r.scores);
    if (!wk_is_none(m->correction)) choice = wk_add(c, choice, wk_detach(c, m->correction));
    if (m->groups > 1) choice = grouped(c, m, choice);
    wk_topk(c, choice, m->top_k, -1, true, &r.ids);
    r.weights = wk_gather(c, r.scores, -1, r.ids);
    if (m->renormalise) r.weights = wk_div(c, r.weights, wk_sum(c, r.weights, WK_DIMS(-1), true));
    if (m->scale != 0) r.weights = wk_mul(c, r.weights, wk_scalar(c, m->scale));
    return r;
}

wk_tensor wk_moe(wk_ctx *c, const struct wk_moe *m, wk_tensor x, struct wk_routing *routing)
{
    if (routing) *routing = (struct wk_routing){WK_NONE, WK_NONE, WK_NONE};
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    const struct wk_routing r = route(c, m, x);
    wk_tensor               h = wk_affine_experts(c, x, m->up, WK_NONE, r.ids);
    if (wk_is_none(m->gate))
        h = wki_activate(c, m->act, h);
    else
        h = wki_gate(c, m->act, wk_affine_experts(c, x, m->gate, WK_NONE, r.ids), h);
    h = wk_affine_experts(c, h, m->down, WK_NONE, r.ids);
    wk_tensor y = wk_sum(c, wk_mul(c, h, wk_unsqueeze(c, r.weights, -1)), WK_DIMS(-2), false);
    if (!wk_is_none(m->shared.up.weight)) {
        wk_tensor s = wk_mlp(c, &m->shared, x);
        if (!wk_is_none(m->shared_gate.weight))
            s = wk_mul(c, s, wk_sigmoid(c, wk_linear(c, &m->shared_gate, x)));
        y = wk_add(c, y, s);
    }
    if (routing && !wk_is_none(y)) *routing = r;
    return y;
}

wk_tensor wk_moe_balance_loss(wk_ctx *c, const struct wk_routing *r)
{
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    const int64_t experts = wk_size(r->scores, -1), k = wk_size(r->ids, -1);
    if (experts < 1 || k < 1) {
        wk_fail(c, WK_ESHAPE, "moe_balance_loss: no scores");
        return WK_NONE;
    }
    const wk_tensor scores = wk_reshape(c, r->scores, WK_SHAPE(-1, experts));
    const wk_tensor ids = wk_reshape(c, r->ids, WK_SHAPE(-1, k));
    const wk_tensor ones = wk_ones(c, scores->dtype, WK_SHAPE(wk_size(ids, 0), k));
    const wk_tensor chosen =
        wk_scatter_add(c, wk_zeros(c, scores->dtype, wki_shape_of(scores)), -1, ids, ones);
    const wk_tensor share = wk_mean(c, chosen, WK_DIMS(0), false),
                    mean = wk_mean(c, scores, WK_DIMS(0), false);
    return wk_mul(c, wk_sum(c, wk_mul(c, share, mean), WK_ALL_DIMS, false), wk_scalar(c, (double)experts));
}
