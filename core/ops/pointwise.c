/* Elementwise functions of several operands, and those made of other ops. */
#include "core/ctx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_real(wk_dtype t)
{
    return wki_dtype_class(t) == 'F';
}
static bool none(wk_ctx *c, const char *op, wk_tensor x)
{
    if (wki_failed(c)) return true;
    if (wk_is_none(x)) wk_fail(c, WK_EARG, "%s: no tensor", op);
    return wki_failed(c);
}

/* ---- three operands -------------------------------------------------------------------------- */

/* attr.f[0]: what the product or quotient is multiplied by. */
static wk_tensor ternary(wk_ctx *c, wk_op op, wk_tensor x, wk_tensor a, wk_tensor b, double value)
{
    const char *name = wki_op_name(op);
    if (none(c, name, x) || none(c, name, a) || none(c, name, b)) return WK_NONE;
    wk_shape                     shape, all;
    struct wk_tensor_info        both = {0}; /* only its sizes and dtype are looked at */
    const struct wk_tensor_info *pair = &both;
    bool                         fit = wki_broadcast(a, b, &shape);
    if (fit) {
        both.ndim = shape.ndim;
        memcpy(both.shape, shape.dim, sizeof both.shape);
        fit = wki_broadcast(x, pair, &all);
    }
    WK_REQUIRE(c, fit, WK_ESHAPE, "%s: %s, %s and %s do not broadcast", name, WKI_TEXT(x), WKI_TEXT(a),
               WKI_TEXT(b));
    both.dtype = wki_result_dtype(a, b);
    both.weak = a->weak && b->weak;
    wk_dtype t = wki_result_dtype(x, pair);
    if (wki_is_block(t)) t = WK_f32;
    WK_REQUIRE(c, is_real(t) || (op == WK_OP_addcmul && t != WK_bool), WK_EDTYPE, "%s: of %s", name,
               wk_dtype_name(t));
    return wki_run(c, &(wk_call){.op = op,
                                 .cls = wki_class_of(t),
                                 WK_IN(x, a, b),
                                 .out = {wki_new(c, t, all)},
                                 .attr.f = {value}});
}

wk_tensor wk_lerp(wk_ctx *c, wk_tensor a, wk_tensor b, wk_tensor weight)
{
    if (wki_has(c, WK_OP_lerp)) return ternary(c, WK_OP_lerp, a, b, weight, 1);
    return wk_add(c, a, wk_mul(c, weight, wk_sub(c, b, a)));
}
void wki_vjp_lerp(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor a = k->in[0], b = k->in[1], w = k->in[2];
    if (a->node) dx[0] = wki_unbroadcast(c, wk_mul(c, g[0], wk_sub(c, wk_scalar(c, 1), w)), a);
    if (b->node) dx[1] = wki_unbroadcast(c, wk_mul(c, g[0], w), b);
    if (w->node) dx[2] = wki_unbroadcast(c, wk_mul(c, g[0], wk_sub(c, b, a)), w);
}

static wk_tensor scaled(wk_ctx *c, wk_tensor x, double value)
{
    return value == 1 ? x : wk_mul(c, x, wk_scalar(c, value));
}
wk_tensor wk_addcmul(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double value)
{
    if (wki_has(c, WK_OP_addcmul)) return ternary(c, WK_OP_addcmul, x, a, b, value);
    return wk_add(c, x, scaled(c, wk_mul(c, a, b), value));
}
void wki_vjp_addcmul(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], a = k->in[1], b = k->in[2];
    const double    value = k->attr.f[0];
    if (x->node) dx[0] = wki_unbroadcast(c, g[0], x);
    if (a->node) dx[1] = wki_unbroadcast(c, wk_mul(c, g[0], scaled(c, b, value)), a);
    if (b->node) dx[2] = wki_unbroadcast(c, wk_mul(c, g[0], scaled(c, a, value)), b);
}

wk_tensor wk_addcdiv(wk_ctx *c, wk_tensor x, wk_tensor a, wk_tensor b, double value)
{
    if (wki_has(c, WK_OP_addcdiv)) return ternary(c, WK_OP_addcdiv, x, a, b, value);
    return wk_add(c, x, scaled(c, wk_div(c, a, b), value));
}
void wki_vjp_addcdiv(wk_ctx *c, const wk_call *k, const wk_tensor *g, wk_tensor *dx)
{
    const wk_tensor x = k->in[0], a = k->in[1], b = k->in[2];
    const wk_tensor part = wk_div(c, wk_scalar(c, k->attr.f[0]), b);
    if (x->node) dx[0] = wki_unbroadcast(c, g[0], x);
    if (a->node) dx[1] = wki_unbroadcast(c, wk_mul(c, g[0], part), a);
    if (b->node) dx[2] = wki_unbroadcast(c, wk_neg(c, wk_mul(c, g[0], wk_mul(c, part, wk_div(c, a, b)))), b);
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

wk_tensor wk_rsub(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    return wk_sub(c, b, a);
}

wk_tensor wk_trunc_div(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    if (none(c, "trunc_div", a) || none(c, "trunc_div", b)) return WK_NONE;
    if (is_real(wki_result_dtype(a, b))) return wk_trunc(c, wk_div(c, a, b));
    return wk_floor_div(c, wk_sub(c, a, wk_fmod(c, a, b)), b); /* what is left divides without a rest */
}

wk_tensor wk_float_power(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    return wk_pow(c, wk_cast(c, a, WK_f64), wk_cast(c, b, WK_f64));
}

wk_tensor wk_frexp(wk_ctx *c, wk_tensor x, wk_tensor *exponent)
{
    if (exponent) *exponent = WK_NONE;
    if (none(c, "frexp", x)) return WK_NONE;
    WK_REQUIRE(c, is_real(x->dtype), WK_EDTYPE, "frexp: of %s", wk_dtype_name(x->dtype));
    if (exponent) *exponent = wk_cast(c, wk_frexp_exponent(c, wk_detach(c, x)), WK_i32);
    return wk_frexp_mantissa(c, x);
}

wk_tensor wk_clamp_to(wk_ctx *c, wk_tensor x, wk_tensor low, wk_tensor high)
{
    if (none(c, "clamp_to", x)) return WK_NONE;
    if (!wk_is_none(low)) x = wk_maximum(c, x, low);
    return wk_is_none(high) ? x : wk_minimum(c, x, high);
}

wk_tensor wk_nan_to_num(wk_ctx *c, wk_tensor x, double nan, double posinf, double neginf)
{
    if (none(c, "nan_to_num", x)) return WK_NONE;
    if (!is_real(x->dtype)) return wk_clone(c, x);
    const double top = wki_largest(x->dtype);
    wk_tensor    y = wk_where(c, wk_isnan(c, x), wk_scalar(c, nan), x);
    y = wk_where(c, wk_isposinf(c, x), wk_scalar(c, posinf == (double)INFINITY ? top : posinf), y);
    return wk_where(c, wk_isneginf(c, x), wk_scalar(c, neginf == -(double)INFINITY ? -top : neginf), y);
}

wk_tensor wk_round_to(wk_ctx *c, wk_tensor x, int decimals)
{
    const wk_tensor ten = wk_scalar(c, pow(10, abs(decimals)));
    if (decimals == 0) return wk_round(c, x);
    if (decimals > 0) return wk_div(c, wk_round(c, wk_mul(c, x, ten)), ten);
    return wk_mul(c, wk_round(c, wk_div(c, x, ten)), ten);
}

wk_tensor wk_mvlgamma(wk_ctx *c, wk_tensor x, int p)
{
    WK_REQUIRE(c, p >= 1, WK_EARG, "mvlgamma: dimension %d, wanted is one of at least 1", p);
    if (none(c, "mvlgamma", x)) return WK_NONE;
    const wk_dtype  t = is_real(x->dtype) ? x->dtype : WK_f32;
    const wk_tensor less = wk_arange(c, -0.5 * (p - 1), 0.25, 0.5, t); /* .., -1, -0.5, 0 */
    const wk_tensor terms = wk_lgamma(c, wk_add(c, wk_unsqueeze(c, x, -1), less));
    const wk_tensor sum = wk_sum(c, terms, WK_DIMS(-1), false);
    return wk_add(c, sum, wk_scalar(c, 0.25 * p * (p - 1) * 1.14472988584940017414)); /* log(pi) */
}

/* ---- comparisons ----------------------------------------------------------------------------- */

wk_tensor wk_isclose(wk_ctx *c, wk_tensor a, wk_tensor b, double rtol, double atol, bool nan_too)
{
    if (none(c, "isclose", a) || none(c, "isclose", b)) return WK_NONE;
    WK_REQUIRE(c, rtol >= 0 && atol >= 0, WK_EARG, "isclose: tolerances %g and %g, wanted are no less than 0",
               rtol, atol);
    wk_tensor      close = wk_eq(c, a, b);
    const wk_dtype t = wki_result_dtype(a, b);
    if (nan_too) close = wk_logical_or(c, close, wk_logical_and(c, wk_isnan(c, a), wk_isnan(c, b)));
    if (rtol == 0 && atol == 0) return close;
    const wk_dtype  wide = is_real(t) ? (t == WK_f64 ? WK_f64 : WK_f32) : WK_f64;
    const wk_tensor x = wk_cast(c, a, wide), y = wk_cast(c, b, wide);
    const wk_tensor lack = wk_abs(c, wk_sub(c, x, y)), scale = wk_mul(c, wk_abs(c, y), wk_scalar(c, rtol));
    const wk_tensor near = wk_le(c, lack, wk_add(c, scale, wk_scalar(c, atol)));
    return wk_logical_or(c, close, wk_logical_and(c, near, wk_isfinite(c, lack)));
}

static bool all_true(wk_ctx *c, wk_tensor x)
{
    return !wki_failed(c) && wk_item(c, wk_all(c, x, WK_ALL_DIMS, false)) == 1;
}
bool wk_allclose(wk_ctx *c, wk_tensor a, wk_tensor b, double rtol, double atol, bool nan_too)
{
    return all_true(c, wk_isclose(c, a, b, rtol, atol, nan_too));
}
bool wk_equal(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    if (none(c, "equal", a) || none(c, "equal", b) || a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return all_true(c, wk_eq(c, a, b));
}

/* ---- activations ----------------------------------------------------------------------------- */

wk_tensor wk_prelu(wk_ctx *c, wk_tensor x, wk_tensor weight)
{
    if (none(c, "prelu", x) || none(c, "prelu", weight)) return WK_NONE;
    if (weight->ndim > 1) return wk_leak(c, x, weight);
    const int64_t n = wk_count(weight), places = x->ndim > 1 ? x->shape[1] : 1;
    WK_REQUIRE(c, n == 1 || n == places, WK_ESHAPE, "prelu: %lld slopes for %lld places of dim 1",
               (long long)n, (long long)places);
    wk_shape shape = {0};
    for (int i = 0; i < x->ndim; i++) shape.dim[shape.ndim++] = i == 1 ? n : 1;
    return wk_leak(c, x, wk_reshape(c, weight, shape));
}

wk_tensor wk_rrelu(wk_ctx *c, wk_tensor x, double low, double high, bool training)
{
    if (none(c, "rrelu", x)) return WK_NONE;
    WK_REQUIRE(c, low <= high && isfinite(low) && isfinite(high), WK_EARG, "rrelu: slopes from %g to %g", low,
               high);
    if (!training) return wk_leaky_relu(c, x, 0.5 * (low + high), 0);
    WK_REQUIRE(c, wki_dtype_class(x->dtype) == 'F', WK_EDTYPE, "rrelu: x is %s, not real",
               wk_dtype_name(x->dtype));
    return wk_leak(c, x, wk_uniform(c, low, high, x->dtype, wki_shape(x)));
}

wk_tensor wk_softmin(wk_ctx *c, wk_tensor x, int dim)
{
    return none(c, "softmin", x) ? WK_NONE : wki_within(c, "softmin", wk_softmax(c, wk_neg(c, x), dim));
}
