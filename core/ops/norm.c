/* rms_norm, layer_norm, and either one of a sum. */
#include "core/ctx.h"

/* Weight or bias: one value per column, or nothing. */
static bool fits(wk_ctx *c, const char *op, const char *what, wk_tensor w, wk_tensor x)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(w) || (w->ndim == 1 && w->shape[0] == wki_cols(x) && wki_dtype_class(w->dtype) == 'F'))
        return true;
    wk_fail(c, w->ndim == 1 && w->shape[0] == wki_cols(x) ? WK_EDTYPE : WK_ESHAPE,
            "%s: %s is %s %s, rows have %lld values", op, what, wk_dtype_name(w->dtype), WKI_TEXT(w),
            (long long)wki_cols(x));
    return false;
}

static bool check(wk_ctx *c, const char *op, wk_tensor x, wk_tensor w, wk_tensor b)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(x) || x->ndim == 0) {
        wk_fail(c, WK_ESHAPE, "%s: x has no rows", op);
        return false;
    }
    if (wki_dtype_class(x->dtype) != 'F') {
        wk_fail(c, WK_EDTYPE, "%s: x is %s, not a real dtype", op, wk_dtype_name(x->dtype));
        return false;
    }
    return fits(c, op, "weight", w, x) && fits(c, op, "bias", b, x);
}

/* Weights of several dims: the last dims of x, of their sizes, become one, and so do theirs. Returns x so, or
 * WK_NONE after recording that they do not fit. */
static wk_tensor one_row(wk_ctx *c, const char *op, wk_tensor x, wk_tensor *w, wk_tensor *b)
{
    const wk_tensor like = wk_is_none(*w) ? *b : *w;
    if (wki_failed(c) || wk_is_none(x) || wk_is_none(like) || like->ndim < 2) return x;
    bool fit = like->ndim <= x->ndim;
    for (int i = 1; fit && i <= like->ndim; i++) fit = like->shape[like->ndim - i] == x->shape[x->ndim - i];
    for (int i = 0; fit && !wk_is_none(*b) && i < like->ndim; i++)
        fit = (*b)->ndim == like->ndim && (*b)->shape[i] == like->shape[i];
    WK_REQUIRE(c, fit, WK_ESHAPE, "%s: weight %s and bias %s for x %s, whose last sizes are wanted", op,
               WKI_TEXT(*w), WKI_TEXT(*b), WKI_TEXT(x));
    const int n = like->ndim;
    if (!wk_is_none(*w)) *w = wk_flatten(c, *w, 0, -1);
    if (!wk_is_none(*b)) *b = wk_flatten(c, *b, 0, -1);
    return wk_flatten(c, x, x->ndim - n, -1);
}

static wk_tensor shaped(wk_ctx *c, wk_tensor y, wk_tensor x)
{
    return wki_failed(c) || y->ndim == x->ndim ? y : wk_reshape(c, y, wki_shape(x));
}

static wk_tensor optional(wk_tensor x)
{
    return wk_is_none(x) ? WK_NONE : x;
}

static wk_tensor row_mean(wk_ctx *c, wk_tensor x)
{
    return wk_mean(c, x, WK_DIMS(-1), true);
}

/* What the compositions and gradients compute in. */
static wk_dtype wide(wk_tensor x)
{
    return x->dtype == WK_f64 ? WK_f64 : WK_f32;
}

static wk_tensor inverse_root(wk_ctx *c, wk_tensor mean_square, double eps)
{
    return wk_rsqrt(c, wk_add(c, mean_square, wk_scalar(c, eps)));
}

static wk_tensor composed(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor b, double eps, bool layer)
{
    wk_tensor h = wk_cast(c, x, wide(x));
    if (layer) h = wk_sub(c, h, row_mean(c, h));
    h = wk_mul(c, h, inverse_root(c, row_mean(c, wk_mul(c, h, h)), eps));
    if (!wk_is_none(w)) h = wk_mul(c, h, wk_cast(c, w, wide(x)));
    if (!wk_is_none(b)) h = wk_add(c, h, wk_cast(c, b, wide(x)));
    return wk_cast(c, h, x->dtype);
}

static wk_tensor rms_norm(wk_ctx *c, wk_tensor x, wk_tensor w, double eps)
{
    if (!check(c, "rms_norm", x, w, WK_NONE)) return WK_NONE;
    if (x->dtype == WK_f64 || !wki_has(c, WK_OP_rms_norm)) return composed(c, x, w, WK_NONE, eps, false);
    return wki_run(c,
                   &(wk_call){.op = WK_OP_rms_norm, WK_IN(x, w), .attr.f = {eps}, .out = {wki_like(c, x)}});
}

wk_tensor wk_rms_norm(wk_ctx *c, wk_tensor x, wk_tensor w, double eps)
{
    wk_tensor none = WK_NONE;
    w = optional(w);
    const wk_tensor rows = one_row(c, "rms_norm", x, &w, &none);
    return shaped(c, rms_norm(c, rows, w, eps), x);
}

static wk_tensor layer_norm(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor b, double eps)
{
    if (!check(c, "layer_norm", x, w, b)) return WK_NONE;
    if (x->dtype == WK_f64 || !wki_has(c, WK_OP_layer_norm)) return composed(c, x, w, b, eps, true);
    return wki_run(
        c, &(wk_call){.op = WK_OP_layer_norm, WK_IN(x, w, b), .attr.f = {eps}, .out = {wki_like(c, x)}});
}

wk_tensor wk_layer_norm(wk_ctx *c, wk_tensor x, wk_tensor w, wk_tensor b, double eps)
{
    w = optional(w);
    b = optional(b);
    const wk_tensor rows = one_row(c, "layer_norm", x, &w, &b);
    return shaped(c, layer_norm(c, rows, w, b, eps), x);
}

static bool same_shape(wk_tensor x, wk_tensor y)
{
    if (x->ndim != y->ndim || x->dtype != y->dtype) return false;
    for (int i = 0; i < x->ndim; i++)
        if (x->shape[i] != y->shape[i]) return false;
    return true;
}

wk_tensor wk_add_norm(wk_ctx *c, wk_tensor x, wk_tensor y, wk_tensor w, wk_tensor b, double eps, bool layer,
                      wk_tensor *sum)
{
    if (sum) *sum = WK_NONE;
    w = optional(w);
    b = optional(b);
    layer |= !wk_is_none(b);
    if (!check(c, "add_norm", x, w, b)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(y), WK_EARG, "add_norm: nothing to add");
    if (x->dtype == WK_f64 || !same_shape(x, y) || !wki_has(c, WK_OP_add_norm)) {
        const wk_tensor s = wk_add(c, x, y);
        if (sum) *sum = s;
        return layer ? wk_layer_norm(c, s, w, b, eps) : wk_rms_norm(c, s, w, eps);
    }
    const wk_call   k = {.op = WK_OP_add_norm,
                         WK_IN(x, y, w, b),
                         .n_out = 2,
                         .attr = {.i = {layer}, .f = {eps}},
                         .out = {wki_like(c, x), wki_like(c, x)}};
    const wk_tensor h = wki_run(c, &k);
    if (sum && !wk_is_none(h)) *sum = k.out[1];
    return h;
}

/* ---- gradients ------------------------------------------------------------------------------- */

/* With u = (x - mean) r, h = g w: dx = r (h - mean(h) - u mean(h u)), dw = sum(g u), db = sum(g). Without
 * the mean (rms_norm) the terms that stem from it fall away. */
static void composed_vjp(wk_ctx *c, const wk_call *k, wk_tensor g, bool layer, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], w = k->in[1], b = layer ? k->in[2] : WK_NONE;
    const wk_dtype  t = wide(x);
    g = wk_cast(c, g, t);
    wk_tensor u = wk_cast(c, x, t);
    if (layer) u = wk_sub(c, u, row_mean(c, u));
    const wk_tensor r = inverse_root(c, row_mean(c, wk_mul(c, u, u)), k->attr.f[0]);
    u = wk_mul(c, u, r);
    const wk_tensor h = wk_is_none(w) ? g : wk_mul(c, g, wk_cast(c, w, t));
    wk_tensor       d = wk_sub(c, h, wk_mul(c, u, row_mean(c, wk_mul(c, h, u))));
    if (layer) d = wk_sub(c, d, row_mean(c, h));
    dx[0] = wk_cast(c, wk_mul(c, d, r), x->dtype);
    if (!wk_is_none(w)) dx[1] = wki_unbroadcast(c, wk_mul(c, g, u), w);
    if (!wk_is_none(b)) dx[2] = wki_unbroadcast(c, g, b);
}

static void fused_vjp(wk_ctx *c, const wk_call *k, wk_tensor g, bool layer, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], w = k->in[1];
    wk_call         v = {.op = layer ? WK_OP_layer_norm_vjp : WK_OP_rms_norm_vjp,
                         WK_IN(x, w, g),
                         .n_out = 1,
                         .attr.f = {k->attr.f[0]},
                         .out = {wki_like(c, x)}};
    if (!wk_is_none(w)) v.out[v.n_out++] = wki_like(c, w);
    if (layer && !wk_is_none(k->in[2])) {
        if (wk_is_none(w)) v.out[v.n_out++] = wki_like(c, k->in[2]); /* unused: keeps the order of outputs */
        v.out[v.n_out++] = wki_like(c, k->in[2]);
    }
    if (wk_is_none(wki_run(c, &v))) return;
    dx[0] = v.out[0];
    if (!wk_is_none(w)) dx[1] = v.out[1];
    if (layer && !wk_is_none(k->in[2])) dx[2] = v.out[2];
}

void wki_vjp_rms_norm(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_has(c, WK_OP_rms_norm_vjp))
        fused_vjp(c, k, g[0], false, dx);
    else
        composed_vjp(c, k, g[0], false, dx);
}

void wki_vjp_layer_norm(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    if (wki_has(c, WK_OP_layer_norm_vjp))
        fused_vjp(c, k, g[0], true, dx);
    else
        composed_vjp(c, k, g[0], true, dx);
}
