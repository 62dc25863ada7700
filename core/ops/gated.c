/* Gated activations (arXiv:2002.05202): act(gate) * up. */
#include "core/tape.h"

/* attr.i[0] of the op */
enum { SILU, GELU, GELU_TANH, RELU };
static const char *const names[] = {"swiglu", "geglu", "geglu", "reglu"};

static wk_tensor activate(wk_ctx *c, wk_tensor x, int64_t act)
{
    switch (act) {
    case SILU:
        return wk_silu(c, x);
    case GELU:
        return wk_gelu(c, x);
    case GELU_TANH:
        return wk_gelu_tanh(c, x);
    default:
        return wk_relu(c, x);
    }
}

static bool same_shape(wk_tensor a, wk_tensor b)
{
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

static wk_tensor gated(wk_ctx *c, wk_tensor gate, wk_tensor up, int64_t act)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(gate) && !wk_is_none(up), WK_EARG, "%s: an operand is empty", names[act]);
    WK_REQUIRE(c, same_shape(gate, up), WK_ESHAPE, "%s: gate is %s, up %s", names[act], WKI_TEXT(gate),
               WKI_TEXT(up));
    WK_REQUIRE(c, wki_dtype_class(gate->dtype) == 'F' && wki_dtype_class(up->dtype) == 'F', WK_EDTYPE,
               "%s: %s and %s are not both real dtypes", names[act], wk_dtype_name(gate->dtype),
               wk_dtype_name(up->dtype));
    if (gate->dtype != up->dtype || gate->dtype == WK_f64 || !wki_has(c, WK_OP_gated))
        return wk_mul(c, activate(c, gate, act), up);
    return wki_run(
        c, &(wk_call){.op = WK_OP_gated, WK_IN(gate, up), .attr.i = {act}, .out = {wki_like(c, gate)}});
}

wk_tensor wk_swiglu(wk_ctx *c, wk_tensor gate, wk_tensor up)
{
    return gated(c, gate, up, SILU);
}

wk_tensor wk_geglu(wk_ctx *c, wk_tensor gate, wk_tensor up, bool tanh_form)
{
    return gated(c, gate, up, tanh_form ? GELU_TANH : GELU);
}

wk_tensor wk_reglu(wk_ctx *c, wk_tensor gate, wk_tensor up)
{
    return gated(c, gate, up, RELU);
}

wk_tensor wk_glu(wk_ctx *c, wk_tensor x, int dim)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x) && x->ndim > 0, WK_ESHAPE, "glu: x has no dims");
    dim = wki_dim(c, "glu", x, dim);
    if (dim < 0) return WK_NONE;
    const int64_t n = x->shape[dim] / 2;
    WK_REQUIRE(c, x->shape[dim] % 2 == 0, WK_ESHAPE, "glu: dim %d of %s is odd", dim, WKI_TEXT(x));
    return wk_mul(c, wk_narrow(c, x, dim, 0, n), wk_sigmoid(c, wk_narrow(c, x, dim, n, n)));
}

/* d gate = g up act'(gate), d up = g act(gate). Where there is no fused kernel the composition was
 * recorded. */
wk_tensor wki_again_gated(wk_ctx *c, const wk_call *k)
{
    return wk_mul(c, activate(c, k->in[0], k->attr.i[0]), k->in[1]);
}

void wki_vjp_gated(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor gate = k->in[0];
    const wk_call   v = {.op = WK_OP_gated_vjp,
                         WK_IN(gate, k->in[1], g[0]),
                         .n_out = 2,
                         .attr.i = {k->attr.i[0]},
                         .out = {wki_like(c, gate), wki_like(c, gate)}};
    if (wk_is_none(wki_run(c, &v))) return;
    dx[0] = v.out[0];
    dx[1] = v.out[1];
}
