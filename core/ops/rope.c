/* Rotary positions (arXiv:2104.09864). */
#include "core/ctx.h"

static int64_t turned(wk_tensor x, wk_rope_opts o)
{
    return o.dims ? o.dims : wki_cols(x);
}

static bool check(wk_ctx *c, wk_tensor x, wk_tensor positions, wk_tensor inv_freq, wk_rope_opts o)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(x) || x->ndim < 2) {
        wk_fail(c, WK_ESHAPE, "rope: x is %s, not [.., T, d]", WKI_TEXT(x));
    } else if (wki_dtype_class(x->dtype) != 'F') {
        wk_fail(c, WK_EDTYPE, "rope: x is %s, not a real dtype", wk_dtype_name(x->dtype));
    } else if (positions->ndim != 1 || positions->shape[0] != wk_size(x, -2)) {
        wk_fail(c, WK_ESHAPE, "rope: %lld positions wanted, got %s", (long long)wk_size(x, -2),
                WKI_TEXT(positions));
    } else if (positions->dtype != WK_i32 && positions->dtype != WK_i64) {
        wk_fail(c, WK_EDTYPE, "rope: positions are %s, not i32 or i64", wk_dtype_name(positions->dtype));
    } else if (o.dims < 0 || turned(x, o) > wki_cols(x) || turned(x, o) % 2 != 0) {
        wk_fail(c, WK_ESHAPE, "rope: %lld dims of rows of %lld", (long long)turned(x, o),
                (long long)wki_cols(x));
    } else if (inv_freq->ndim != 1 || inv_freq->shape[0] != turned(x, o) / 2) {
        wk_fail(c, WK_ESHAPE, "rope: %lld frequencies wanted, got %s", (long long)(turned(x, o) / 2),
                WKI_TEXT(inv_freq));
    } else if (inv_freq->dtype != WK_f32) {
        wk_fail(c, WK_EDTYPE, "rope: frequencies are %s, not f32", wk_dtype_name(inv_freq->dtype));
    }
    return !wki_failed(c);
}

/* The two halves a, b of each pair become (a cos - b sin, b cos + a sin). */
static wk_tensor turn(wk_ctx *c, wk_tensor a, wk_tensor b, wk_tensor cosine, wk_tensor sine,
                      wk_tensor *second)
{
    *second = wk_add(c, wk_mul(c, b, cosine), wk_mul(c, a, sine));
    return wk_sub(c, wk_mul(c, a, cosine), wk_mul(c, b, sine));
}

static wk_tensor composed(wk_ctx *c, wk_tensor x, wk_tensor positions, wk_tensor inv_freq, wk_rope_opts o)
{
    const wk_dtype  wide = x->dtype == WK_f64 ? WK_f64 : WK_f32;
    const int64_t   n = turned(x, o) / 2, rest = wki_cols(x) - 2 * n;
    const double    scale = o.attention_scale == 0 ? 1 : o.attention_scale;
    const wk_tensor at = wk_unsqueeze(c, wk_cast(c, positions, WK_f32), 1);
    const wk_tensor angle = wk_cast(c, wk_mul(c, at, inv_freq), wide);
    const wk_tensor cosine = wk_mul(c, wk_cos(c, angle), wk_scalar(c, scale));
    const wk_tensor sine = wk_mul(c, wk_sin(c, angle), wk_scalar(c, o.inverse ? -scale : scale));
    const wk_tensor h = wk_cast(c, x, wide);
    wk_tensor       parts[3], y;
    if (wki_failed(c)) return WK_NONE;
    if (o.layout == WK_ROPE_HALVES) {
        parts[0] = turn(c, wk_narrow(c, h, -1, 0, n), wk_narrow(c, h, -1, n, n), cosine, sine, &parts[1]);
        y = wk_cat(c, 2, parts, -1);
    } else {
        parts[0] = turn(c, wk_slice(c, h, -1, 0, 2 * n, 2), wk_slice(c, h, -1, 1, 2 * n, 2), cosine, sine,
                        &parts[1]);
        y = wk_flatten(c, wk_stack(c, 2, parts, -1), -2, -1);
    }
    if (rest) {
        parts[0] = y;
        parts[1] = wk_narrow(c, h, -1, 2 * n, rest);
        y = wk_cat(c, 2, parts, -1);
    }
    return wk_cast(c, y, x->dtype);
}

wk_tensor wk_rope(wk_ctx *c, wk_tensor x, wk_tensor positions, wk_tensor inv_freq, wk_rope_opts o)
{
    if (!check(c, x, positions, inv_freq, o)) return WK_NONE;
    if (x->dtype == WK_f64 || !wki_has(c, WK_OP_rope)) return composed(c, x, positions, inv_freq, o);
    return wki_run(c, &(wk_call){.op = WK_OP_rope,
                                 WK_IN(x, positions, inv_freq),
                                 .attr = {.i = {(int64_t)o.layout, turned(x, o), o.inverse},
                                          .f = {o.attention_scale == 0 ? 1 : o.attention_scale}},
                                 .out = {wki_like(c, x)}});
}

void wki_vjp_rope(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_rope_opts back = {.layout = (wk_rope_layout)k->attr.i[0],
                               .dims = k->attr.i[1],
                               .inverse = !k->attr.i[2],
                               .attention_scale = k->attr.f[0]};
    dx[0] = wk_rope(c, g[0], k->in[1], k->in[2], back);
}
