/* Norms over groups of channels, batches and instances. */
#include "core/ctx.h"

static bool fits(wk_ctx *c, const char *op, wk_tensor x, int least)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(x) || x->ndim < least)
        wk_fail(c, WK_ESHAPE, "%s: x is %s, at least %d dims [N, C, ..] are wanted", op, WKI_TEXT(x), least);
    else if (wki_dtype_class(x->dtype) != 'F')
        wk_fail(c, WK_EDTYPE, "%s: x is %s, a real dtype is wanted", op, wk_dtype_name(x->dtype));
    return !wki_failed(c);
}

static bool of_channels(wk_ctx *c, const char *op, const char *what, wk_tensor w, wk_tensor x)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(w) || (w->ndim == 1 && w->shape[0] == x->shape[1] && wki_dtype_class(w->dtype) == 'F'))
        return true;
    wk_fail(c, WK_ESHAPE, "%s: %s is %s %s, real [%lld] is wanted for x %s", op, what,
            wk_dtype_name(w->dtype), WKI_TEXT(w), (long long)x->shape[1], WKI_TEXT(x));
    return false;
}

static wk_dtype wide_of(wk_tensor x)
{
    return x->dtype == WK_f64 ? WK_f64 : WK_f32;
}

/* [C] as a factor of x [N, C, ..], in the dtype that is computed in. */
static wk_tensor per_channel(wk_ctx *c, wk_tensor w, wk_tensor x)
{
    wk_shape s = {.ndim = x->ndim};
    for (int i = 0; i < s.ndim; i++) s.dim[i] = i == 1 ? x->shape[1] : 1;
    return wk_reshape(c, wk_cast(c, w, wide_of(x)), s);
}

wk_tensor wk_norm_groups(wk_ctx *c, wk_tensor x, int64_t groups, wk_tensor weight, wk_tensor bias, double eps)
{
    const char *op = "norm_groups";
    if (!fits(c, op, x, 2) || !of_channels(c, op, "weight", weight, x) ||
        !of_channels(c, op, "bias", bias, x))
        return WK_NONE;
    WK_REQUIRE(c, groups >= 1 && x->shape[1] % groups == 0, WK_EARG, "%s: %lld groups of the channels of %s",
               op, (long long)groups, WKI_TEXT(x));
    if (wk_count(x) == 0) return wk_clone(c, x);
    const wk_tensor rows = wk_reshape(c, wk_cast(c, x, wide_of(x)), WK_SHAPE(x->shape[0], groups, -1));
    wk_tensor       y = wk_reshape(c, wk_layer_norm(c, rows, WK_NONE, WK_NONE, eps), wki_shape(x));
    if (!wk_is_none(weight)) y = wk_mul(c, y, per_channel(c, weight, x));
    if (!wk_is_none(bias)) y = wk_add(c, y, per_channel(c, bias, x));
    return wk_cast(c, y, x->dtype);
}

/* running += factor (now - running), now being averaged over instances. */
static void move(wk_ctx *c, wk_tensor running, wk_tensor now, wk_tensor factor)
{
    now = wk_mean(c, wk_detach(c, now), WK_DIMS(0), true);
    now = wk_cast(c, wk_reshape(c, now, WK_SHAPE(wk_count(now))), running->dtype);
    wk_lerp_into(c, running, now, wk_cast(c, factor, running->dtype));
}

/* var is the biased one, of `count` values. */
static void keep_statistics(wk_ctx *c, const wk_norm_opts *o, wk_tensor mean, wk_tensor var, int64_t count)
{
    const wk_scope  s = wk_scope_begin(c);
    const double    momentum = o->momentum < 0 ? 0 : o->momentum > 0 ? o->momentum : 0.1;
    const wk_tensor unbias = wk_scalar(c, (double)count / (double)(count - 1));
    const wk_tensor factor =
        wk_is_none(o->factor) ? wk_full(c, momentum, o->running_mean->dtype, WK_SCALAR_SHAPE) : o->factor;
    move(c, o->running_mean, mean, factor);
    move(c, o->running_var, wk_mul(c, var, unbias), factor);
    wk_scope_end(c, s, WK_NONE);
}

static bool options_fit(wk_ctx *c, const char *op, wk_tensor x, const wk_norm_opts *o)
{
    const bool running = !wk_is_none(o->running_mean);
    if (!of_channels(c, op, "weight", o->weight, x) || !of_channels(c, op, "bias", o->bias, x) ||
        !of_channels(c, op, "running_mean", o->running_mean, x) ||
        !of_channels(c, op, "running_var", o->running_var, x))
        return false;
    if (running == wk_is_none(o->running_var) || (!running && !o->own))
        wk_fail(c, WK_EARG, "%s: a running mean and a running variance are wanted%s", op,
                o->own ? ", or neither" : "");
    else if (!wk_is_none(o->factor) && (o->factor->ndim != 0 || wki_dtype_class(o->factor->dtype) != 'F'))
        wk_fail(c, WK_ESHAPE, "%s: the factor is %s %s, a real one of no dims is wanted", op,
                wk_dtype_name(o->factor->dtype), WKI_TEXT(o->factor));
    return !wki_failed(c);
}

static wk_tensor normed(wk_ctx *c, const char *op, wk_tensor x, wk_shape dims, double eps,
                        const wk_norm_opts *o)
{
    wk_tensor mean, var;
    int64_t   count = 1;
    if (!options_fit(c, op, x, o)) return WK_NONE;
    const wk_tensor v = wk_cast(c, x, wide_of(x));
    for (int i = 0; i < dims.ndim; i++) count *= x->shape[dims.dim[i]];
    if (o->own) {
        WK_REQUIRE(c, count > 1, WK_ESHAPE, "%s: x is %s, more than one value per channel is wanted", op,
                   WKI_TEXT(x));
        var = wk_var_mean(c, v, dims, 0, true, &mean);
        if (!wk_is_none(o->running_mean)) keep_statistics(c, o, mean, var, count);
    } else {
        mean = per_channel(c, o->running_mean, x);
        var = per_channel(c, o->running_var, x);
    }
    /* the weight goes into the factor, so that x is passed over less */
    wk_tensor factor = wk_rsqrt(c, wk_add(c, var, wk_scalar(c, eps)));
    if (!wk_is_none(o->weight)) factor = wk_mul(c, factor, per_channel(c, o->weight, x));
    wk_tensor y = wk_mul(c, wk_sub(c, v, mean), factor);
    if (!wk_is_none(o->bias)) y = wk_add(c, y, per_channel(c, o->bias, x));
    return wk_cast(c, y, x->dtype);
}

wk_tensor wk_norm_batch(wk_ctx *c, wk_tensor x, double eps, wk_norm_opts o)
{
    if (!fits(c, "norm_batch", x, x && wk_count(x) == 0 ? 1 : 2)) return WK_NONE;
    if (wk_count(x) == 0) return wk_clone(c, x);
    wk_shape dims = {.ndim = x->ndim - 1};
    for (int i = 1; i < dims.ndim; i++) dims.dim[i] = i + 1;
    return normed(c, "norm_batch", x, dims, eps, &o);
}

wk_tensor wk_norm_instances(wk_ctx *c, wk_tensor x, double eps, wk_norm_opts o)
{
    if (!fits(c, "norm_instances", x, 3)) return WK_NONE;
    wk_shape dims = {.ndim = x->ndim - 2};
    for (int i = 0; i < dims.ndim; i++) dims.dim[i] = i + 2;
    return normed(c, "norm_instances", x, dims, eps, &o);
}
