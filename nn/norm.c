/* Layer norm and root mean square norm, alone or with the residual sum before them. */
#include "layers.h"

static struct wk_norm load(wk_params p, const char *name, int64_t dim, double eps, bool layer, bool bias)
{
    const wk_params at = wk_at(p, "%s", name);
    return (struct wk_norm){.weight = wk_param(at, "weight", WK_SHAPE(dim), -1),
                            .bias = bias ? wk_param(at, "bias", WK_SHAPE(dim), 0) : WK_NONE,
                            .eps = eps,
                            .layer = layer};
}

struct wk_norm wk_rms_norm_load(wk_params p, const char *name, int64_t dim, double eps)
{
    return load(p, name, dim, eps, false, false);
}

struct wk_norm wk_layer_norm_load(wk_params p, const char *name, int64_t dim, double eps, bool bias)
{
    return load(p, name, dim, eps, true, bias);
}

wk_tensor wk_norm(wk_ctx *c, const struct wk_norm *n, wk_tensor x)
{
    return n->layer ? wk_layer_norm(c, x, n->weight, n->bias, n->eps) : wk_rms_norm(c, x, n->weight, n->eps);
}

wk_tensor wk_norm_add(wk_ctx *c, const struct wk_norm *n, wk_tensor *x, wk_tensor y)
{
    wk_tensor       sum = WK_NONE;
    const wk_tensor h = wk_add_norm(c, *x, y, n->weight, n->bias, n->eps, n->layer, &sum);
    *x = sum;
    return h;
}

void wki_norm_bind(wk_param_list *l, struct wk_norm *x)
{
    wki_bind(l, &x->weight);
    wki_bind(l, &x->bias);
}
