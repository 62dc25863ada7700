/* The feed-forward half of a block, plain or gated (arXiv:2002.05202). */
#include "layers.h"

#include <string.h>

static const struct {
    const char *name;
    int         act;
} activations[] = {{"silu", WK_ACT_SILU},
                   {"swish", WK_ACT_SILU},
                   {"gelu", WK_ACT_GELU},
                   {"gelu_python", WK_ACT_GELU},
                   {"gelu_new", WK_ACT_GELU_TANH},
                   {"gelu_fast", WK_ACT_GELU_TANH},
                   {"gelu_pytorch_tanh", WK_ACT_GELU_TANH},
                   {"relu", WK_ACT_RELU},
                   {"sigmoid", WK_ACT_SIGMOID},
                   {"tanh", WK_ACT_TANH}};

int wk_activation_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof activations / sizeof *activations; i++)
        if (!strcmp(name, activations[i].name)) return activations[i].act;
    return -1;
}

struct wk_mlp wk_mlp_load(wk_params p, const char *name, int64_t dim, int64_t hidden, bool gated, bool bias,
                          int act)
{
    const wk_params at = wk_at(p, "%s", name);
    return (struct wk_mlp){.gate = gated ? wk_linear_load(at, "gate_proj", dim, hidden, bias)
                                         : (struct wk_linear){WK_NONE, WK_NONE},
                           .up = wk_linear_load(at, "up_proj", dim, hidden, bias),
                           .down = wk_linear_load(at, "down_proj", hidden, dim, bias),
                           .act = act};
}

wk_tensor wki_gate(wk_ctx *c, int act, wk_tensor gate, wk_tensor up)
{
    switch (act) {
    case WK_ACT_SILU:
        return wk_swiglu(c, gate, up);
    case WK_ACT_RELU:
        return wk_reglu(c, gate, up);
    case WK_ACT_SIGMOID:
        return wk_mul(c, wk_sigmoid(c, gate), up);
    case WK_ACT_TANH:
        return wk_mul(c, wk_tanh(c, gate), up);
    default:
        return wk_geglu(c, gate, up, act == WK_ACT_GELU_TANH);
    }
}

wk_tensor wki_activate(wk_ctx *c, int act, wk_tensor x)
{
    switch (act) {
    case WK_ACT_SILU:
        return wk_silu(c, x);
    case WK_ACT_RELU:
        return wk_relu(c, x);
    case WK_ACT_SIGMOID:
        return wk_sigmoid(c, x);
    case WK_ACT_TANH:
        return wk_tanh(c, x);
    case WK_ACT_GELU_TANH:
        return wk_gelu_tanh(c, x);
    default:
        return wk_gelu(c, x);
    }
}

wk_tensor wki_affine_activate(wk_ctx *c, int act, wk_tensor x, wk_tensor w, wk_tensor bias)
{
    if (act == WK_ACT_RELU) return wk_affine_relu(c, x, w, bias);
    if (act == WK_ACT_GELU_TANH) return wk_affine_gelu_tanh(c, x, w, bias);
    return wki_activate(c, act, wk_affine(c, x, w, bias));
}

wk_tensor wk_mlp(wk_ctx *c, const struct wk_mlp *m, wk_tensor x)
{
    if (wk_is_none(m->gate.weight))
        return wk_linear(c, &m->down, wki_affine_activate(c, m->act, x, m->up.weight, m->up.bias));
    const wk_tensor w[] = {m->gate.weight, m->up.weight}, bias[] = {m->gate.bias, m->up.bias};
    wk_tensor       h[2];
    wk_affine_n(c, x, 2, w, bias, h);
    return wk_linear(c, &m->down, wki_gate(c, m->act, h[0], h[1]));
}

void wki_mlp_bind(wk_param_list *l, struct wk_mlp *x)
{
    wki_linear_bind(l, &x->gate);
    wki_linear_bind(l, &x->up);
    wki_linear_bind(l, &x->down);
}
