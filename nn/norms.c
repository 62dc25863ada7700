/* Norms over groups of channels, batches and instances. */
#include "layers.h"

/* [C] as a factor of x [N, C, ..]. */
static wk_tensor per_channel(wk_ctx *c, wk_tensor w, wk_tensor x)
{
    wk_shape s = {.ndim = x->ndim};
    for (int i = 0; i < s.ndim; i++) s.dim[i] = i == 1 ? wk_count(w) : 1;
    return wk_reshape(c, w, s);
}

static wk_tensor scaled(wk_ctx *c, wk_tensor x, wk_tensor weight, wk_tensor bias)
{
    const wk_dtype t = x->dtype; /* weights may be wider */
    if (!wk_is_none(weight)) x = wk_mul(c, x, per_channel(c, weight, x));
    if (!wk_is_none(bias)) x = wk_add(c, x, per_channel(c, bias, x));
    return wk_cast(c, x, t);
}

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
    const wk_tensor rows = wk_reshape(c, x, WK_SHAPE(x->shape[0], n->groups, -1));
    const wk_tensor y = wk_layer_norm(c, rows, WK_NONE, WK_NONE, n->eps);
    return scaled(c, wk_reshape(c, y, wki_shape_of(x)), n->weight, n->bias);
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

/* running += factor (now - running), in place and off the tape. */
static void move(wk_ctx *c, wk_tensor running, wk_tensor now, wk_tensor factor)
{
    now = wk_detach(c, wk_reshape(c, now, WK_SHAPE(wk_count(now))));
    wk_lerp_into(c, running, now, factor);
}

/* var is the biased one, of `count` values. */
static void keep_statistics(wk_ctx *c, const struct wk_channel_norm *n, wk_tensor mean, wk_tensor var,
                            int64_t count)
{
    const wk_scope  s = wk_scope_begin(c);
    const wk_tensor factor =
        n->cumulative ? wk_reciprocal(c, wk_cast(c, n->num_batches_tracked, n->running_mean->dtype))
                      : wk_full(c, n->momentum, n->running_mean->dtype, WK_SCALAR_SHAPE);
    move(c, n->running_mean, mean, factor);
    move(c, n->running_var, wk_mul(c, var, wk_scalar(c, (double)count / (double)(count - 1))), factor);
    wk_scope_end(c, s, WK_NONE);
}

/* (x - mean) / sqrt(var + eps), weighted; the weight goes into the factor, so that x is passed over less. */
static wk_tensor normed(wk_ctx *c, const struct wk_channel_norm *n, wk_tensor x, wk_tensor mean,
                        wk_tensor var)
{
    wk_tensor factor = wk_rsqrt(c, wk_add(c, var, wk_scalar(c, n->eps)));
    if (!wk_is_none(n->weight)) factor = wk_mul(c, factor, per_channel(c, n->weight, x));
    wk_tensor y = wk_mul(c, wk_sub(c, x, mean), factor);
    if (!wk_is_none(n->bias)) y = wk_add(c, y, per_channel(c, n->bias, x));
    return wk_cast(c, y, x->dtype);
}

/* By x's own statistics over dims, or by the running ones. own: count of values behind each mean. */
static wk_tensor channel_norm(wk_ctx *c, const struct wk_channel_norm *n, wk_tensor x, wk_shape dims,
                              int64_t own)
{
    const bool tracked = !wk_is_none(n->running_mean), training = wk_training(c);
    wk_tensor  mean, var;
    if (tracked && !training)
        return normed(c, n, x, per_channel(c, n->running_mean, x), per_channel(c, n->running_var, x));
    var = wk_var_mean(c, x, dims, 0, true, &mean);
    if (tracked) {
        const wk_shape batch = WK_DIMS(0); /* an instance norm's statistics are the means over instances */
        if (mean->shape[0] > 1)
            keep_statistics(c, n, wk_mean(c, mean, batch, true), wk_mean(c, var, batch, true), own);
        else
            keep_statistics(c, n, mean, var, own);
    }
    return normed(c, n, x, mean, var);
}

static bool has_values(wk_ctx *c, const char *what, int64_t n)
{
    if (n > 1 || !wk_training(c)) return true;
    wk_fail(c, WK_ESHAPE, "%s: training wants more than one value per channel", what);
    return false;
}

wk_tensor wk_batch_norm(wk_ctx *c, const struct wk_channel_norm *n, wk_tensor x)
{
    const wk_tensor any = wk_is_none(n->weight) ? n->running_mean : n->weight;
    if (!has_channels(c, "batch_norm", x, wk_is_none(any) ? wk_size(x, 1) : wk_count(any))) return WK_NONE;
    wk_shape dims = {.ndim = x->ndim - 1};
    int64_t  own = 1;
    for (int i = 0; i < dims.ndim; i++) {
        dims.dim[i] = i ? i + 1 : 0;
        own *= x->shape[dims.dim[i]];
    }
    if (!has_values(c, "batch_norm", own)) return WK_NONE;
    if (wk_training(c) && !wk_is_none(n->num_batches_tracked))
        wk_copy_into(c, n->num_batches_tracked, wk_add(c, n->num_batches_tracked, wk_scalar_int(c, 1)));
    return channel_norm(c, n, x, dims, own);
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
    const wk_tensor any = wk_is_none(n->weight) ? n->running_mean : n->weight;
    if (!has_channels(c, "instance_norm", x, wk_is_none(any) ? wk_size(x, 1) : wk_count(any))) return WK_NONE;
    wk_shape over = {.ndim = dims};
    int64_t  own = 1;
    for (int i = 0; i < dims; i++) {
        over.dim[i] = i + 2;
        own *= x->shape[i + 2];
    }
    return has_values(c, "instance_norm", own) ? channel_norm(c, n, x, over, own) : WK_NONE;
}
