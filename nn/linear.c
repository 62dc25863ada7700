/* Affine maps: y = x w^T + b. */
#include "layers.h"

#include <math.h>

wk_init wki_weight_init(wk_params p, int64_t fan_in)
{
    const double bound = fan_in > 0 ? 1 / sqrt((double)fan_in) : 0;
    if (p.deviation > 0) return (wk_init){.kind = WK_INIT_NORMAL, .b = p.deviation};
    return (wk_init){.kind = WK_INIT_UNIFORM, .a = -bound, .b = bound};
}

wk_init wki_bias_init(wk_params p, int64_t fan_in)
{
    return p.deviation > 0 ? (wk_init){.kind = WK_INIT_FULL} : wki_weight_init(p, fan_in);
}

struct wk_linear wk_linear_load(wk_params p, const char *name, int64_t in, int64_t out, bool bias)
{
    const wk_params at = wk_at(p, "%s", name);
    return (struct wk_linear){.weight = wk_param_as(at, "weight", WK_SHAPE(out, in), wki_weight_init(p, in)),
                              .bias = bias ? wk_param_as(at, "bias", WK_SHAPE(out), wki_bias_init(p, in))
                                           : WK_NONE};
}

wk_tensor wk_linear(wk_ctx *c, const struct wk_linear *l, wk_tensor x)
{
    return wk_affine(c, x, l->weight, l->bias);
}

void wki_linear_bind(wk_param_list *l, struct wk_linear *x)
{
    wki_bind(l, &x->weight);
    wki_bind(l, &x->bias);
}
