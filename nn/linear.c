/* Affine maps: y = x w^T + b. */
#include "layers.h"

struct wk_linear wk_linear_load(wk_params p, const char *name, int64_t in, int64_t out, bool bias)
{
    const wk_params at = wk_at(p, "%s", name);
    return (struct wk_linear){.weight = wk_param(at, "weight", WK_SHAPE(out, in), 0.02),
                              .bias = bias ? wk_param(at, "bias", WK_SHAPE(out), 0) : WK_NONE};
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
