/* Bilinear maps: y[o] = a^T W[o] b + bias[o]. */
#include "layers.h"

struct wk_bilinear wk_bilinear_load(wk_params p, const char *name, int64_t in1, int64_t in2, int64_t out,
                                    bool bias)
{
    const wk_params at = wk_at(p, "%s", name);
    return (struct wk_bilinear){
        .weight = wk_param_as(at, "weight", WK_SHAPE(out, in1, in2), wki_weight_init(p, in1)),
        .bias = bias ? wk_param_as(at, "bias", WK_SHAPE(out), wki_bias_init(p, in1)) : WK_NONE};
}

wk_tensor wk_bilinear(wk_ctx *c, const struct wk_bilinear *l, wk_tensor a, wk_tensor b)
{
    const int64_t out = wk_size(l->weight, 0), in1 = wk_size(l->weight, 1), in2 = wk_size(l->weight, 2);
    if (wk_ctx_status(c) != WK_OK) return WK_NONE;
    if (a->ndim < 1 || wk_size(a, -1) != in1 || wk_size(b, -1) != in2) {
        wk_fail(c, WK_ESHAPE, "bilinear: rows of %lld and %lld values, weight is [%lld, %lld, %lld]",
                (long long)wk_size(a, -1), (long long)wk_size(b, -1), (long long)out, (long long)in1,
                (long long)in2);
        return WK_NONE;
    }
    /* b W[o]^T for all o at once, then the dot products with a */
    const wk_tensor h = wk_affine(c, b, wk_reshape(c, l->weight, WK_SHAPE(out * in1, in2)), WK_NONE);
    const wk_tensor rows = wk_unflatten(c, h, -1, WK_SHAPE(out, in1));
    const wk_tensor y = wk_squeeze(c, wk_matmul(c, rows, wk_unsqueeze(c, a, -1)), -1);
    return wk_is_none(l->bias) ? y : wk_add(c, y, l->bias);
}
