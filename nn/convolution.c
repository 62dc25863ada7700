/* Convolutions, pooling and resizing as layers. */
#include "layers.h"

static bool dims_are(wk_ctx *c, const char *what, int dims)
{
    if (dims >= 1 && dims <= 3) return true;
    wk_fail(c, WK_EARG, "%s: over %d dims", what, dims);
    return false;
}

/* Entry i, as the operators read them: one left out is as the first. */
static int64_t entry(const int64_t *option, int i, int64_t none)
{
    return option[i] ? option[i] : option[0] ? option[0] : none;
}

struct wk_conv wk_conv_load(wk_params p, const char *name, int dims, wk_conv_load_opts o)
{
    const wk_params at = wk_at(p, "%s", name);
    const int64_t   groups = o.conv.groups ? o.conv.groups : 1;
    const int64_t   from = o.transposed ? o.out : o.in, to = o.transposed ? o.in : o.out;
    struct wk_conv  l = {.weight = WK_NONE,
                         .bias = WK_NONE,
                         .dims = dims,
                         .transposed = o.transposed,
                         .opts = o.conv,
                         .padding = o.padding};
    if (!dims_are(p.c, "conv", dims)) return l;
    if (groups < 1 || o.in < 1 || o.out < 1 || o.in % groups != 0 || o.out % groups != 0)
        wk_fail(p.c, WK_EARG, "conv: %lld channels to %lld in %lld groups", (long long)o.in, (long long)o.out,
                (long long)groups);
    if (o.transposed && (o.padding != WK_CONV_ZEROS || o.conv.same))
        wk_fail(p.c, WK_EARG, "conv: a transposed one is padded with a number of zeros");
    if (wk_ctx_status(p.c) != WK_OK) return l;
    wk_shape s = {.ndim = dims + 2, .dim = {to, from / groups}};
    int64_t  fan = from / groups;
    for (int i = 0; i < dims; i++) {
        s.dim[i + 2] = entry(o.kernel, i, 0);
        fan *= s.dim[i + 2];
    }
    l.weight = wk_param_as(at, "weight", s, wki_weight_init(p, fan));
    if (!o.no_bias) l.bias = wk_param_as(at, "bias", WK_SHAPE(o.out), wki_bias_init(p, fan));
    return l;
}

static wk_tensor convolve(wk_ctx *c, const struct wk_conv *l, wk_tensor x, wk_conv_opts o)
{
    static wk_tensor (*const plain[])(wk_ctx *, wk_tensor, wk_tensor, wk_tensor,
                                      wk_conv_opts) = {wk_conv1d, wk_conv2d, wk_conv3d};
    static wk_tensor (*const transposed[])(wk_ctx *, wk_tensor, wk_tensor, wk_tensor, wk_conv_opts) = {
        wk_conv_transpose1d, wk_conv_transpose2d, wk_conv_transpose3d};
    if (!dims_are(c, "conv", l->dims)) return WK_NONE;
    if (l->transposed) return transposed[l->dims - 1](c, x, l->weight, l->bias, o);
    return plain[l->dims - 1](c, x, l->weight, l->bias, o);
}

/* x with its edges continued as the layer says; the convolution then pads no more. */
static wk_tensor padded(wk_ctx *c, const struct wk_conv *l, wk_tensor x, wk_conv_opts *o)
{
    static const wk_pad_mode modes[] = {[WK_CONV_REFLECT] = WK_PAD_REFLECT,
                                        [WK_CONV_REPLICATE] = WK_PAD_REPLICATE,
                                        [WK_CONV_CIRCULAR] = WK_PAD_CIRCULAR};
    int64_t                  pads[6];
    for (int i = 0; i < l->dims; i++) { /* the innermost dim comes first */
        const int     d = l->dims - 1 - i;
        const int64_t reach = entry(o->dilation, d, 1) * (l->weight->shape[2 + d] - 1);
        pads[2 * i] = o->same ? reach / 2 : o->padding[d];
        pads[2 * i + 1] = o->same ? reach - reach / 2 : o->padding[d];
        o->padding[d] = 0;
    }
    o->same = false;
    return wk_pad_with(c, x, 2 * l->dims, pads, modes[l->padding]);
}

wk_tensor wk_conv(wk_ctx *c, const struct wk_conv *l, wk_tensor x)
{
    wk_conv_opts o = l->opts;
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if (l->padding != WK_CONV_ZEROS && !l->transposed) x = padded(c, l, x, &o);
    return convolve(c, l, x, o);
}

wk_tensor wk_conv_to(wk_ctx *c, const struct wk_conv *l, wk_tensor x, wk_shape size)
{
    wk_conv_opts o = l->opts;
    if (wk_ctx_status(c) != WK_OK || !dims_are(c, "conv", l->dims)) return WK_NONE;
    if (!l->transposed || size.ndim != l->dims || x->ndim < l->dims) {
        wk_fail(c, WK_EARG, "conv_to: %d sizes for %d dims of a %s convolution", size.ndim, l->dims,
                l->transposed ? "transposed" : "plain");
        return WK_NONE;
    }
    for (int i = 0; i < l->dims; i++) {
        const int64_t step = entry(o.stride, i, 1), wide = entry(o.dilation, i, 1);
        const int64_t least = (wk_size(x, i - l->dims) - 1) * step - 2 * o.padding[i] +
                              wide * (l->weight->shape[2 + i] - 1) + 1;
        o.output_padding[i] = size.dim[i] - least;
        if (o.output_padding[i] < 0 || o.output_padding[i] >= (step > wide ? step : wide)) {
            wk_fail(c, WK_ESHAPE, "conv_to: size %lld of dim %d, possible are %lld to %lld",
                    (long long)size.dim[i], i, (long long)least, (long long)(least + step - 1));
            return WK_NONE;
        }
    }
    return convolve(c, l, x, o);
}

wk_tensor wk_pool(wk_ctx *c, const struct wk_pool *l, wk_tensor x)
{
    typedef wk_tensor             max_fn(wk_ctx *, wk_tensor, wk_pool_opts, wk_tensor *);
    typedef wk_tensor             avg_fn(wk_ctx *, wk_tensor, wk_pool_opts);
    typedef wk_tensor             lp_fn(wk_ctx *, wk_tensor, double, wk_pool_opts);
    typedef wk_tensor             adaptive_max_fn(wk_ctx *, wk_tensor, wk_shape, wk_tensor *);
    typedef wk_tensor             adaptive_avg_fn(wk_ctx *, wk_tensor, wk_shape);
    static max_fn *const          max[] = {wk_max_pool1d, wk_max_pool2d, wk_max_pool3d};
    static avg_fn *const          avg[] = {wk_avg_pool1d, wk_avg_pool2d, wk_avg_pool3d};
    static lp_fn *const           lp[] = {wk_lp_pool1d, wk_lp_pool2d, wk_lp_pool3d};
    static adaptive_max_fn *const to_max[] = {wk_adaptive_max_pool1d, wk_adaptive_max_pool2d,
                                              wk_adaptive_max_pool3d};
    static adaptive_avg_fn *const to_avg[] = {wk_adaptive_avg_pool1d, wk_adaptive_avg_pool2d,
                                              wk_adaptive_avg_pool3d};
    if (wk_ctx_status(c) != WK_OK || !dims_are(c, "pool", l->dims)) return WK_NONE;
    switch (l->kind) {
    case WK_POOL_MAX:
        return max[l->dims - 1](c, x, l->opts, NULL);
    case WK_POOL_AVG:
        return avg[l->dims - 1](c, x, l->opts);
    case WK_POOL_LP:
        return lp[l->dims - 1](c, x, l->power, l->opts);
    case WK_POOL_ADAPTIVE_MAX:
        return to_max[l->dims - 1](c, x, l->size, NULL);
    case WK_POOL_ADAPTIVE_AVG:
        return to_avg[l->dims - 1](c, x, l->size);
    }
    wk_fail(c, WK_EARG, "pool: kind %d", (int)l->kind);
    return WK_NONE;
}

wk_tensor wk_upsample(wk_ctx *c, const struct wk_upsample *l, wk_tensor x)
{
    return wk_interpolate(c, x, l->opts);
}
