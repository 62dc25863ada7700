/* Norms over groups of channels, batches and instances. */
#include "layers.h"

static bool has_channels(wk_ctx *c, const char *what, wk_tensor x, int64_t channels)
{
    if (wk_ctx_status(c) != WK_OK) return false;
    if (x->ndim >= 2 && x->shape[1] == channels) return true;
    wk_fail(c, WK_ESHAPE, "%s: x has %d dims, %lld channels; wanted: [N, %lld, ..]", what, x->ndim,
            (long long)wk_size(x, 1), (long long)channels);
    return false;
}

struct wk_group_norm wk_group_norm_load(wk_params p, const char *name, int64_t groups, int64_t channels,
                                        double eps, bool affine)
{
    const wk_params at = wk_at(p, "%s", name);
    if (groups < 1 || channels % groups != 0)
        wk_fail(p.c, WK_EARG, "group_norm: %lld channels in %lld groups", (long long)channels,
                (long long)groups);
    return (struct wk_group_norm){.weight = affine ? wk_param(at, "weight", WK_SHAPE(channels), -1) : WK_NONE,
                                  .bias = affine ? wk_param(at, "bias", WK_SHAPE(channels), 0) : WK_NONE,
                                  .groups = groups,
                                  .channels = channels,
                                  .eps = eps};
}

wk_tensor wk_group_norm(wk_ctx *c, const struct wk_group_norm *n, wk_tensor x)
{
    if (!has_channels(c, "group_norm", x, n->channels)) return WK_NONE;
    return wk_norm_groups(c, x, n->groups, n->weight, n->bias, n->eps);
}

struct wk_channel_norm wk_channel_norm_load(wk_params p, const char *name, int64_t channels,
                                            wk_channel_norm_opts o)
{
    const wk_params        at = wk_at(p, "%s", name);
    const wk_shape         s = WK_SHAPE(channels);
    const wk_dtype         t = p.dtype == WK_f64 ? WK_f64 : WK_f32; /* halves would lose small steps */
    struct wk_channel_norm n = {.weight = WK_NONE,
                                .bias = WK_NONE,
                                .running_mean = WK_NONE,
                                .running_var = WK_NONE,
                                .num_batches_tracked = WK_NONE,
                                .eps = wki_or(o.eps, 1e-5),
                                .momentum = wki_or(o.momentum, 0.1),
                                .cumulative = o.cumulative};
    if (!o.plain) {
        n.weight = wk_param(at, "weight", s, -1);
        n.bias = wk_param(at, "bias", s, 0);
    }
    if (!o.untracked) {
        n.running_mean = wk_buffer(at, "running_mean", t, s, 0);
        n.running_var = wk_buffer(at, "running_var", t, s, 1);
        n.num_batches_tracked = wk_buffer(at, "num_batches_tracked", WK_i64, WK_SCALAR_SHAPE, 0);
    }
    return n;
}

/* By x's own statistics, or by the running ones. */
static wk_norm_opts options(wk_ctx *c, const struct wk_channel_norm *n)
{
    const bool   tracked = !wk_is_none(n->running_mean);
    wk_norm_opts o = {.weight = n->weight,
                      .bias = n->bias,
                      .running_mean = n->running_mean,
                      .running_var = n->running_var,
                      .own = wk_training(c) || !tracked,
                      .momentum = n->momentum > 0 ? n->momentum : -1};
    if (tracked && n->cumulative && o.own)
        o.factor = wk_reciprocal(c, wk_cast(c, n->num_batches_tracked, n->running_mean->dtype));
    return o;
}

static bool has_own_channels(wk_ctx *c, const char *what, const struct wk_channel_norm *n, wk_tensor x)
{
    const wk_tensor any = wk_is_none(n->weight) ? n->running_mean : n->weight;
    return has_channels(c, what, x, wk_is_none(any) ? wk_size(x, 1) : wk_count(any));
}

wk_tensor wk_batch_norm(wk_ctx *c, const struct wk_channel_norm *n, wk_tensor x)
{
    if (!has_own_channels(c, "batch_norm", n, x)) return WK_NONE;
    if (wk_training(c) && !wk_is_none(n->num_batches_tracked))
        wk_copy_into(c, n->num_batches_tracked, wk_add(c, n->num_batches_tracked, wk_scalar_int(c, 1)));
    return wk_norm_batch(c, x, n->eps, options(c, n));
}

wk_tensor wk_instance_norm(wk_ctx *c, const struct wk_channel_norm *n, wk_tensor x, int dims)
{
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if (dims < 1 || dims > 3 || (x->ndim != dims + 1 && x->ndim != dims + 2)) {
        wk_fail(c, WK_ESHAPE, "instance_norm: x has %d dims; wanted: [N, C] or [C] and %d more", x->ndim,
                dims);
        return WK_NONE;
    }
    if (x->ndim == dims + 1) return wk_squeeze(c, wk_instance_norm(c, n, wk_unsqueeze(c, x, 0), dims), 0);
    if (!has_own_channels(c, "instance_norm", n, x)) return WK_NONE;
    return wk_norm_instances(c, x, n->eps, options(c, n));
}
