/* softmax and log_softmax. */
#include "core/ctx.h"

static wk_tensor over_last(wk_ctx *c, wk_tensor (*reduce)(wk_ctx *, wk_tensor, wk_shape, bool), wk_tensor x)
{
    return reduce(c, x, WK_DIMS(-1), true);
}

static wk_tensor composed(wk_ctx *c, wk_tensor x, bool log)
{
    const wk_tensor shifted = wk_sub(c, x, wk_detach(c, over_last(c, wk_amax, x)));
    if (log) return wk_sub(c, shifted, wk_log(c, over_last(c, wk_sum, wk_exp(c, shifted))));
    const wk_tensor e = wk_exp(c, shifted);
    return wk_div(c, e, over_last(c, wk_sum, e));
}

static wk_tensor last_dim(wk_ctx *c, wk_tensor x, wk_op op)
{
    if (x->dtype == WK_f64 || !wki_has(c, op)) return composed(c, x, op == WK_OP_log_softmax);
    return wki_run(c, &(wk_call){.op = op, WK_IN(x), .out = {wki_like(c, x)}});
}

static wk_tensor over_dim(wk_ctx *c, wk_tensor x, int dim, wk_op op)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(x), WK_EARG, "%s: no tensor", wki_op_name(op));
    WK_REQUIRE(c, wki_dtype_class(x->dtype) == 'F', WK_EDTYPE, "%s: x is %s, not a real dtype",
               wki_op_name(op), wk_dtype_name(x->dtype));
    dim = wki_dim(c, wki_op_name(op), x, dim);
    if (dim < 0) return WK_NONE;
    if (wk_count(x) == 0) return wk_clone(c, x);
    if (x->ndim == 0) return wk_reshape(c, last_dim(c, wk_reshape(c, x, WK_SHAPE(1)), op), WK_SCALAR_SHAPE);
    if (dim == x->ndim - 1) return last_dim(c, x, op);
    return wk_contiguous(c, wk_transpose(c, last_dim(c, wk_transpose(c, x, dim, -1), op), dim, -1));
}

wk_tensor wk_softmax(wk_ctx *c, wk_tensor x, int dim)
{
    return over_dim(c, x, dim, WK_OP_softmax);
}

wk_tensor wk_log_softmax(wk_ctx *c, wk_tensor x, int dim)
{
    return over_dim(c, x, dim, WK_OP_log_softmax);
}

/* dx = y (g - sum(g y)) */
void wki_vjp_softmax(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor y = k->out[0];
    if (wki_has(c, WK_OP_softmax_vjp))
        dx[0] = wki_run(c, &(wk_call){.op = WK_OP_softmax_vjp, WK_IN(y, g[0]), .out = {wki_like(c, y)}});
    else
        dx[0] = wk_mul(c, y, wk_sub(c, g[0], over_last(c, wk_sum, wk_mul(c, g[0], y))));
}

/* dx = g - exp(y) sum(g) */
void wki_vjp_log_softmax(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor y = k->out[0];
    if (wki_has(c, WK_OP_log_softmax_vjp))
        dx[0] = wki_run(c, &(wk_call){.op = WK_OP_log_softmax_vjp, WK_IN(y, g[0]), .out = {wki_like(c, y)}});
    else
        dx[0] = wk_sub(c, g[0], wk_mul(c, wk_exp(c, y), over_last(c, wk_sum, g[0])));
}
