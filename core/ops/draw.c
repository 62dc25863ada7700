/* Random numbers made of uniform and normal ones. */
#include "core/ctx.h"

#include <float.h>
#include <math.h>

/* What the values are made in before they are rounded to t: halves and integers in f32. */
static wk_dtype made_in(wk_dtype t)
{
    return t == WK_f64 || t == WK_i64 || t == WK_i32 || t == WK_u32 ? WK_f64 : WK_f32;
}

/* log(1 - u) of uniform u: no more than 0, never infinite */
static wk_tensor log_uniform(wk_ctx *c, wk_dtype t, wk_shape shape)
{
    return wk_log1p(c, wk_neg(c, wk_uniform(c, 0, 1, t, shape)));
}

wk_tensor wk_exponential(wk_ctx *c, double rate, wk_dtype t, wk_shape shape)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, rate > 0 && wki_dtype_class(t) == 'F', WK_EARG, "exponential: rate %g of %s", rate,
               wk_dtype_name(t));
    return wk_cast(c, wk_mul(c, log_uniform(c, made_in(t), shape), wk_scalar(c, -1 / rate)), t);
}

wk_tensor wk_log_normal(wk_ctx *c, double mean, double deviation, wk_dtype t, wk_shape shape)
{
    return wk_exp(c, wk_normal(c, mean, deviation, t, shape));
}

wk_tensor wk_cauchy(wk_ctx *c, double median, double scale, wk_dtype t, wk_shape shape)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, scale > 0 && wki_dtype_class(t) == 'F', WK_EARG, "cauchy: scale %g of %s", scale,
               wk_dtype_name(t));
    const double    half = acos(0);
    const wk_tensor turned = wk_tan(c, wk_uniform(c, -half, half, made_in(t), shape));
    return wk_cast(c, wk_add(c, wk_mul(c, turned, wk_scalar(c, scale)), wk_scalar(c, median)), t);
}

wk_tensor wk_geometric(wk_ctx *c, double p, wk_dtype t, wk_shape shape)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, p > 0 && p <= 1, WK_EARG, "geometric: probability %g", p);
    if (p == 1) return wk_ones(c, t, shape);
    const wk_tensor failures =
        wk_floor(c, wk_mul(c, log_uniform(c, made_in(t), shape), wk_scalar(c, 1 / log1p(-p))));
    return wk_cast(c, wk_add(c, failures, wk_scalar_int(c, 1)), t);
}

/* By the inverse of the distribution function, which is uniform between its values at the ends. An interval
 * that lies more to the right is mirrored: small probabilities keep their digits, those next to 1 do not. */
wk_tensor wk_truncated_normal(wk_ctx *c, double mean, double deviation, double low, double high, wk_dtype t,
                              wk_shape shape)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, deviation > 0 && low < high && wki_dtype_class(t) == 'F', WK_EARG,
               "truncated_normal: %s in [%g, %g] of deviation %g", wk_dtype_name(t), low, high, deviation);
    const double side = low - mean > mean - high ? -1 : 1, wide = side * deviation;
    const double near = ((side < 0 ? low : high) - mean) / wide,
                 far = ((side < 0 ? high : low) - mean) / wide;
    const double most = 0.5 * erfc(-near * sqrt(0.5)), least = 0.5 * erfc(-far * sqrt(0.5));
    WK_REQUIRE(c, most > DBL_MIN, WK_EARG,
               "truncated_normal: [%g, %g] lies %g deviations from %g, too far for a probability in f64", low,
               high, -near, mean);
    const wk_tensor u = wk_uniform(c, fmax(least, DBL_MIN), most, WK_f64, shape);
    const wk_tensor y = wk_add(c, wk_mul(c, wk_ndtri(c, u), wk_scalar(c, wide)), wk_scalar(c, mean));
    return wk_cast(c, wk_clamp(c, y, low, high), t);
}

wk_tensor wk_bernoulli(wk_ctx *c, wk_tensor p)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(p) && wki_dtype_class(p->dtype) == 'F', WK_EDTYPE,
               "bernoulli: probabilities of %s", wk_dtype_name(p->dtype));
    const wk_tensor u = wk_uniform(c, 0, 1, made_in(p->dtype), wki_shape(p));
    const wk_tensor y = wk_cast(c, wk_lt(c, u, wk_detach(c, p)), p->dtype);
    if (wki_failed(c) || !wki_recording(c) || !p->node) return y;
    return wk_where(c, wk_ones(c, WK_bool, WK_SCALAR_SHAPE), y, p); /* on the tape, with a gradient of 0 */
}

wk_tensor wk_randperm(wk_ctx *c, int64_t n, wk_dtype t)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, n >= 0, WK_EARG, "randperm: of %lld", (long long)n);
    const wk_tensor keys = wk_randint(c, 0, INT64_MAX, WK_i64, WK_SHAPE(n));
    return wk_cast(c, wk_argsort(c, keys, 0, false), t);
}

/* Without replacement: each index waits an exponential time whose rate is its weight; the first n come. */
wk_tensor wk_multinomial(wk_ctx *c, wk_tensor weights, int64_t n, bool replacement)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, !wk_is_none(weights) && wki_dtype_class(weights->dtype) == 'F' && weights->ndim > 0,
               WK_EDTYPE, "multinomial: weights %s %s", wk_dtype_name(weights->dtype), WKI_TEXT(weights));
    const int64_t m = weights->shape[weights->ndim - 1];
    WK_REQUIRE(c, n > 0 && m > 0 && (replacement || n <= m), WK_EARG, "multinomial: %lld of %lld",
               (long long)n, (long long)m);
    wk_tensor       w = wk_cast(c, wk_detach(c, weights), WK_f64);
    const wk_tensor zero = wk_scalar(c, 0), sound = wk_logical_and(c, wk_ge(c, w, zero), wk_isfinite(c, w));
    const wk_tensor some = wk_sum(c, wk_gt(c, w, zero), WK_DIMS(-1), false);
    const bool      fit = wk_count(w) == 0 ||
                     (wk_item(c, wk_all(c, sound, WK_ALL_DIMS, false)) != 0 &&
                      wk_item(c, wk_amin(c, some, WK_ALL_DIMS, false)) >= (replacement ? 1 : (double)n));
    WK_REQUIRE(c, fit, WK_EARG, "multinomial: weights that are negative or not finite, or too few above 0");
    if (!replacement) {
        wk_tensor at, wait = wk_exponential(c, 1, WK_f64, wki_shape(w));
        wk_topk(c, wk_div(c, w, wk_maximum(c, wait, wk_scalar(c, 1e-300))), n, -1, true, &at);
        return at;
    }
    wk_shape shape = wki_shape(w);
    shape.dim[shape.ndim - 1] = n;
    const wk_tensor sums = wk_cumsum(c, w, -1), total = wk_narrow(c, sums, -1, m - 1, 1);
    const wk_tensor u = wk_mul(c, wk_uniform(c, 0, 1, WK_f64, shape), total);
    /* rounding up to the total must not reach past the last weight that is not 0 */
    return wk_minimum(c, wk_searchsorted(c, sums, u, true), wk_searchsorted(c, sums, total, false));
}
