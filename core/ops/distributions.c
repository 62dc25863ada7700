/* Random numbers of distributions with tensors as parameters. Those by rejection draw for all that are still
 * open, keep what is accepted, and go on with the rest; so they depend on the seed alone. */
#include "core/ctx.h"

#include <math.h>

static wk_tensor number(wk_ctx *c, double v)
{
    return wk_full(c, v, WK_f64, WK_SCALAR_SHAPE);
}
static wk_tensor uniform(wk_ctx *c, int64_t n)
{
    return wk_uniform(c, 0, 1, WK_f64, WK_SHAPE(n));
}
/* -log(1 - u): exponential, at least 0 */
static wk_tensor waits(wk_ctx *c, wk_shape shape)
{
    return wk_neg(c, wk_log1p(c, wk_neg(c, wk_uniform(c, 0, 1, WK_f64, shape))));
}
/* f64 expressions of a tensor and a number. */
static wk_tensor plus(wk_ctx *c, wk_tensor x, double v)
{
    return wk_add(c, x, wk_scalar(c, v));
}
static wk_tensor times(wk_ctx *c, wk_tensor x, double v)
{
    return wk_mul(c, x, wk_scalar(c, v));
}
static wk_tensor over(wk_ctx *c, double v, wk_tensor x)
{
    return wk_div(c, number(c, v), x);
}
static wk_tensor both(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    return wk_logical_and(c, a, b);
}

static bool is_real(wk_ctx *c, const char *op, wk_tensor x)
{
    if (wki_failed(c)) return false;
    if (wk_is_none(x) || wki_dtype_class(x->dtype) != 'F')
        wk_fail(c, WK_EDTYPE, "%s: parameters of %s, a real tensor is wanted", op,
                wk_is_none(x) ? "no tensor" : wk_dtype_name(x->dtype));
    return !wki_failed(c);
}

/* Is `sound` true everywhere? Else records what is wanted. */
static bool in_range(wk_ctx *c, const char *op, wk_tensor sound, const char *wanted)
{
    if (wki_failed(c)) return false;
    if (wk_count(sound) > 0 && wk_item(c, wk_all(c, sound, WK_ALL_DIMS, false)) == 0)
        wk_fail(c, WK_EARG, "%s: a parameter out of range, wanted is %s", op, wanted);
    return !wki_failed(c);
}
static bool positive(wk_ctx *c, const char *op, wk_tensor x)
{
    const wk_tensor sound = both(c, wk_gt(c, x, number(c, 0)), wk_isfinite(c, x));
    return in_range(c, op, sound, "one above 0 and finite");
}

/* Flat, in f64, off the tape. */
static wk_tensor flat(wk_ctx *c, wk_tensor x)
{
    return wk_reshape(c, wk_cast(c, wk_detach(c, x), WK_f64), WK_SHAPE(-1));
}
static wk_tensor shaped(wk_ctx *c, wk_tensor y, wk_tensor like)
{
    return wki_failed(c) ? WK_NONE : wk_cast(c, wk_reshape(c, y, wki_shape(like)), like->dtype);
}

/* ---- rejection --------------------------------------------------------------------------------------- */

/* One try for each of the parameters p (and q): a value, and through *taken whether it is accepted. */
typedef wk_tensor (*try_fn)(wk_ctx *c, wk_tensor p, wk_tensor q, wk_tensor *taken);

/* y with values at the places `at` (1-d) of those that try draws for. */
static wk_tensor drawn(wk_ctx *c, wk_tensor y, wk_tensor at, wk_tensor p, wk_tensor q, try_fn try)
{
    while (!wki_failed(c) && wk_count(at) > 0) {
        const wk_scope  s = wk_scope_begin(c);
        wk_tensor       taken, keep[2];
        const wk_tensor v = try(c, wk_index_select(c, p, 0, at), wk_index_select(c, q, 0, at), &taken);
        keep[0] = wk_scatter(c, y, 0, wk_masked_select(c, at, taken), wk_masked_select(c, v, taken));
        keep[1] = wk_masked_select(c, at, wk_logical_not(c, taken));
        wk_scope_end_n(c, s, 2, keep);
        y = keep[0];
        at = keep[1];
    }
    return y;
}

static wk_tensor where_true(wk_ctx *c, wk_tensor mask)
{
    return wk_reshape(c, wk_nonzero(c, mask), WK_SHAPE(-1));
}

/* By inversion: how many values of the distribution function u is above. next gives the probability of k + 1
 * from that of k. `most` lies far beyond where they end. */
typedef wk_tensor (*next_fn)(wk_ctx *c, wk_tensor probability, int k, wk_tensor p, wk_tensor q);
static wk_tensor inverted(wk_ctx *c, wk_tensor first, int most, wk_tensor p, wk_tensor q, next_fn next)
{
    const wk_tensor u = uniform(c, wk_count(first));
    wk_tensor       now[] = {first, first, wk_zeros_like(c, first)}; /* probability, its sum, the count */
    for (int k = 0; k < most && !wki_failed(c); k++) {
        const wk_scope  s = wk_scope_begin(c);
        const wk_tensor above = wk_gt(c, u, now[1]);
        const bool      open = wk_item(c, wk_any(c, above, WK_ALL_DIMS, false)) != 0;
        now[2] = wk_add(c, now[2], wk_cast(c, above, WK_f64));
        now[0] = next(c, now[0], k, p, q);
        now[1] = wk_add(c, now[1], now[0]);
        wk_scope_end_n(c, s, 3, now);
        if (!open) break;
    }
    return now[2];
}

/* ---- counts ------------------------------------------------------------------------------------------ */

/* Where means of Poisson and binomial values are small enough for inversion, as Hoermann asks. */
static const double few = 10;

/* k of u and v by the transformed rejection of W. Hoermann, "The transformed rejection method for generating
 * Poisson random variables" (Insurance: Mathematics and Economics 12, 1993) and "The generation of binomial
 * random variates" (J. Stat. Comput. Simul. 46, 1993), which differ in a, b, centre and the densities. *slope
 * is what v must be divided by for the exact test; *quick where k is accepted by the hat alone, *out where k
 * is rejected at once. */
static wk_tensor transformed(wk_ctx *c, wk_tensor a, wk_tensor b, wk_tensor centre, wk_tensor v,
                             wk_tensor sure, wk_tensor *slope, wk_tensor *quick, wk_tensor *out)
{
    const wk_tensor u = plus(c, uniform(c, wk_count(a)), -0.5);
    const wk_tensor us = wk_rsub(c, wk_abs(c, u), number(c, 0.5)), ratio = wk_div(c, a, us);
    const wk_tensor k = wk_floor(c, wk_add(c, wk_mul(c, wk_add(c, times(c, ratio, 2), b), u), centre));
    *slope = wk_add(c, wk_div(c, ratio, us), b);
    *quick = both(c, wk_ge(c, us, number(c, 0.07)), wk_le(c, v, sure));
    *out =
        wk_logical_or(c, wk_lt(c, k, number(c, 0)), both(c, wk_lt(c, us, number(c, 0.013)), wk_gt(c, v, us)));
    return k;
}

static wk_tensor decide(wk_ctx *c, wk_tensor quick, wk_tensor out, wk_tensor height, wk_tensor density)
{
    const wk_tensor exact = wk_le(c, wk_log(c, height), density);
    return wk_logical_or(c, quick, both(c, wk_logical_not(c, out), exact));
}

/* PTRS */
static wk_tensor try_poisson(wk_ctx *c, wk_tensor rate, wk_tensor unused, wk_tensor *taken)
{
    (void)unused;
    const wk_tensor b = plus(c, times(c, wk_sqrt(c, rate), 2.53), 0.931), v = uniform(c, wk_count(rate));
    const wk_tensor a = plus(c, times(c, b, 0.02483), -0.059), centre = plus(c, rate, 0.43);
    const wk_tensor sure = wk_rsub(c, over(c, 3.6224, plus(c, b, -2)), number(c, 0.9277));
    const wk_tensor scale = plus(c, over(c, 1.1328, plus(c, b, -3.4)), 1.1239);
    wk_tensor       slope, quick, out;
    const wk_tensor k = transformed(c, a, b, centre, v, sure, &slope, &quick, &out);
    const wk_tensor density =
        wk_sub(c, wk_sub(c, wk_mul(c, k, wk_log(c, rate)), rate), wk_lgamma(c, plus(c, k, 1)));
    *taken = decide(c, quick, out, wk_div(c, wk_mul(c, v, scale), slope), density);
    return k;
}

static wk_tensor next_poisson(wk_ctx *c, wk_tensor probability, int k, wk_tensor rate, wk_tensor unused)
{
    (void)unused;
    return times(c, wk_mul(c, probability, rate), 1.0 / (k + 1));
}

wk_tensor wk_poisson(wk_ctx *c, wk_tensor rate)
{
    if (!is_real(c, "poisson", rate)) return WK_NONE;
    const wk_tensor p = flat(c, rate), sound = both(c, wk_ge(c, p, number(c, 0)), wk_isfinite(c, p));
    if (!in_range(c, "poisson", sound, "a rate of at least 0, finite")) return WK_NONE;
    const wk_tensor small = wk_lt(c, p, number(c, few)), first = where_true(c, small);
    wk_tensor       y = wk_zeros_like(c, p);
    const wk_tensor low = wk_index_select(c, p, 0, first);
    y = wk_scatter(c, y, 0, first, inverted(c, wk_exp(c, wk_neg(c, low)), 200, low, low, next_poisson));
    return shaped(c, drawn(c, y, where_true(c, wk_logical_not(c, small)), p, p, try_poisson), rate);
}

/* BTRS; p is at most 1/2 */
static wk_tensor try_binomial(wk_ctx *c, wk_tensor n, wk_tensor p, wk_tensor *taken)
{
    const wk_tensor q = wk_rsub(c, p, number(c, 1)), mean = wk_mul(c, n, p), v = uniform(c, wk_count(n));
    const wk_tensor spread = wk_sqrt(c, wk_mul(c, mean, q)), b = plus(c, times(c, spread, 2.53), 1.15);
    const wk_tensor a = wk_add(c, plus(c, times(c, b, 0.0248), -0.0873), times(c, p, 0.01));
    const wk_tensor scale = wk_mul(c, plus(c, over(c, 5.1, b), 2.83), spread);
    const wk_tensor sure = wk_rsub(c, over(c, 4.2, b), number(c, 0.92));
    wk_tensor       slope, quick, out;
    const wk_tensor k = transformed(c, a, b, plus(c, mean, 0.5), v, sure, &slope, &quick, &out);
    const wk_tensor m = wk_floor(c, wk_mul(c, plus(c, n, 1), p)), odds = wk_log(c, wk_div(c, p, q));
    const wk_tensor inside = wk_le(c, k, n), left = wk_where(c, inside, wk_sub(c, n, k), number(c, 0));
    const wk_tensor top = wk_add(c, wk_lgamma(c, plus(c, m, 1)), wk_lgamma(c, plus(c, wk_sub(c, n, m), 1)));
    const wk_tensor here = wk_add(c, wk_lgamma(c, plus(c, k, 1)), wk_lgamma(c, plus(c, left, 1)));
    const wk_tensor density = wk_add(c, wk_sub(c, top, here), wk_mul(c, wk_sub(c, k, m), odds));
    const wk_tensor fine = decide(c, quick, out, wk_div(c, wk_mul(c, v, scale), slope), density);
    *taken = both(c, fine, inside);
    return k;
}

/* odds: p / (1 - p) */
static wk_tensor next_binomial(wk_ctx *c, wk_tensor probability, int k, wk_tensor n, wk_tensor odds)
{
    const wk_tensor left = wk_clamp(c, plus(c, n, -k), 0, (double)INFINITY);
    return times(c, wk_mul(c, wk_mul(c, probability, left), odds), 1.0 / (k + 1));
}

wk_tensor wk_binomial(wk_ctx *c, wk_tensor count, wk_tensor p)
{
    wk_tensor x[2];
    if (!is_real(c, "binomial", count) || !is_real(c, "binomial", p)) return WK_NONE;
    WK_REQUIRE(c, count->dtype == p->dtype, WK_EDTYPE, "binomial: counts of %s, probabilities of %s",
               wk_dtype_name(count->dtype), wk_dtype_name(p->dtype));
    wk_broadcast_tensors(c, 2, (wk_tensor[]){count, p}, x);
    const wk_tensor n = flat(c, x[0]), all = flat(c, x[1]), nought = number(c, 0), one = number(c, 1);
    const wk_tensor whole =
        both(c, both(c, wk_ge(c, n, nought), wk_isfinite(c, n)), wk_eq(c, n, wk_floor(c, n)));
    const wk_tensor chance = both(c, wk_ge(c, all, nought), wk_le(c, all, one));
    if (!in_range(c, "binomial", both(c, whole, chance), "a whole count of at least 0, a probability"))
        return WK_NONE;
    /* of the rarer of the two outcomes */
    const wk_tensor turned = wk_gt(c, all, number(c, 0.5)),
                    rare = wk_where(c, turned, wk_rsub(c, all, one), all);
    const wk_tensor small = wk_lt(c, wk_mul(c, n, rare), number(c, few)), first = where_true(c, small);
    const wk_tensor low_n = wk_index_select(c, n, 0, first), low_p = wk_index_select(c, rare, 0, first);
    const wk_tensor none = wk_exp(c, wk_mul(c, low_n, wk_log1p(c, wk_neg(c, low_p))));
    const wk_tensor odds = wk_div(c, low_p, wk_rsub(c, low_p, one));
    wk_tensor       y = wk_zeros_like(c, n);
    y = wk_scatter(c, y, 0, first, wk_minimum(c, inverted(c, none, 200, low_n, odds, next_binomial), low_n));
    y = drawn(c, y, where_true(c, wk_logical_not(c, small)), n, rare, try_binomial);
    return shaped(c, wk_where(c, turned, wk_sub(c, n, y), y), x[0]);
}

/* ---- gamma and its kin ------------------------------------------------------------------------------- */

/* Marsaglia and Tsang, "A simple method for generating gamma variables" (ACM TOMS 26, 2000); shape >= 1. The
 * logarithm of the value. */
static wk_tensor try_gamma(wk_ctx *c, wk_tensor shape, wk_tensor unused, wk_tensor *taken)
{
    (void)unused;
    const int64_t   n = wk_count(shape);
    const wk_tensor d = plus(c, shape, -1.0 / 3), x = wk_normal(c, 0, 1, WK_f64, WK_SHAPE(n));
    const wk_tensor root = plus(c, wk_div(c, x, wk_sqrt(c, times(c, d, 9))), 1);
    const wk_tensor sound = wk_gt(c, root, number(c, 0)), v = wk_where(c, sound, root, number(c, 1));
    const wk_tensor log_v = times(c, wk_log(c, v), 3), cube = wk_mul(c, wk_square(c, v), v);
    const wk_tensor rest = wk_mul(c, d, wk_add(c, plus(c, wk_neg(c, cube), 1), log_v));
    const wk_tensor bound = wk_add(c, times(c, wk_square(c, x), 0.5), rest);
    *taken = both(c, sound, wk_lt(c, wk_neg(c, waits(c, WK_SHAPE(n))), bound));
    return wk_add(c, wk_log(c, d), log_v);
}

/* Logarithms of gamma values: of a shape below 1 the value for one more times u^(1 / shape), which plain
 * numbers would lose in 0. */
static wk_tensor log_gamma(wk_ctx *c, wk_tensor shape)
{
    if (wki_failed(c)) return WK_NONE;
    const wk_tensor small = wk_lt(c, shape, number(c, 1)),
                    lifted = wk_where(c, small, plus(c, shape, 1), shape);
    const wk_tensor at = wk_arange(c, 0, (double)wk_count(shape), 1, WK_i64);
    const wk_tensor y = drawn(c, wk_zeros_like(c, shape), at, lifted, lifted, try_gamma);
    const wk_tensor less = wk_div(c, waits(c, WK_SHAPE(wk_count(shape))), shape);
    return wk_sub(c, y, wk_where(c, small, less, number(c, 0)));
}

wk_tensor wk_standard_gamma(wk_ctx *c, wk_tensor shape)
{
    if (!is_real(c, "standard_gamma", shape)) return WK_NONE;
    const wk_tensor p = flat(c, shape);
    return positive(c, "standard_gamma", p) ? shaped(c, wk_exp(c, log_gamma(c, p)), shape) : WK_NONE;
}

wk_tensor wk_beta(wk_ctx *c, wk_tensor a, wk_tensor b)
{
    wk_tensor x[2];
    if (!is_real(c, "beta", a) || !is_real(c, "beta", b)) return WK_NONE;
    WK_REQUIRE(c, a->dtype == b->dtype, WK_EDTYPE, "beta: %s and %s", wk_dtype_name(a->dtype),
               wk_dtype_name(b->dtype));
    wk_broadcast_tensors(c, 2, (wk_tensor[]){a, b}, x);
    const wk_tensor p = flat(c, x[0]), q = flat(c, x[1]);
    if (!positive(c, "beta", p) || !positive(c, "beta", q)) return WK_NONE;
    const wk_tensor first = log_gamma(c, p), second = log_gamma(c, q);
    return shaped(c, wk_sigmoid(c, wk_sub(c, first, second)), x[0]);
}

wk_tensor wk_dirichlet(wk_ctx *c, wk_tensor concentration)
{
    if (!is_real(c, "dirichlet", concentration)) return WK_NONE;
    WK_REQUIRE(c, concentration->ndim > 0, WK_ESHAPE, "dirichlet: %s, rows are wanted",
               WKI_TEXT(concentration));
    const wk_tensor p = flat(c, concentration);
    if (!positive(c, "dirichlet", p)) return WK_NONE;
    const wk_tensor rows = wk_reshape(c, log_gamma(c, p), wki_shape(concentration));
    return shaped(c, wk_softmax(c, rows, -1), concentration);
}

/* ---- by location and scale --------------------------------------------------------------------------- */

static wk_tensor scaled(wk_ctx *c, wk_tensor x, double location, double scale, wk_dtype t)
{
    return wk_cast(c, plus(c, times(c, x, scale), location), t);
}

/* The difference of two exponential values. */
wk_tensor wk_laplace(wk_ctx *c, double location, double scale, wk_dtype t, wk_shape shape)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, scale > 0 && wki_dtype_class(t) == 'F', WK_EARG, "laplace: scale %g of %s", scale,
               wk_dtype_name(t));
    const wk_tensor up = waits(c, shape), down = waits(c, shape);
    return scaled(c, wk_sub(c, up, down), location, scale, t);
}

/* Minus the logarithm of an exponential value, one that is not 0. */
static wk_tensor standard_gumbel(wk_ctx *c, wk_shape shape)
{
    return wk_neg(c, wk_log(c, wk_clamp(c, waits(c, shape), 0x1p-54, (double)INFINITY)));
}

wk_tensor wk_gumbel(wk_ctx *c, double location, double scale, wk_dtype t, wk_shape shape)
{
    if (wki_failed(c)) return WK_NONE;
    WK_REQUIRE(c, scale > 0 && wki_dtype_class(t) == 'F', WK_EARG, "gumbel: scale %g of %s", scale,
               wk_dtype_name(t));
    return scaled(c, standard_gumbel(c, shape), location, scale, t);
}

wk_tensor wk_normal_of(wk_ctx *c, wk_tensor mean, wk_tensor deviation)
{
    wk_tensor x[2];
    if (!is_real(c, "normal_of", mean) || !is_real(c, "normal_of", deviation)) return WK_NONE;
    const wk_tensor sound = wk_ge(c, wk_detach(c, deviation), wk_scalar(c, 0));
    if (!in_range(c, "normal_of", sound, "a deviation of at least 0")) return WK_NONE;
    wk_broadcast_tensors(c, 2, (wk_tensor[]){mean, deviation}, x);
    if (wki_failed(c)) return WK_NONE;
    const wk_dtype  t = wki_result_dtype(x[0], x[1]);
    const wk_tensor e = wk_normal(c, 0, 1, t, wki_shape(x[0]));
    return wk_add(c, x[0], wk_mul(c, x[1], e));
}

wk_tensor wk_gumbel_softmax(wk_ctx *c, wk_tensor logits, double tau, bool hard, int dim)
{
    if (!is_real(c, "gumbel_softmax", logits)) return WK_NONE;
    WK_REQUIRE(c, tau > 0, WK_EARG, "gumbel_softmax: tau %g", tau);
    const int d = wki_dim(c, "gumbel_softmax", logits, dim);
    if (d < 0) return WK_NONE;
    const wk_tensor noise = wk_cast(c, standard_gumbel(c, wki_shape(logits)), logits->dtype);
    const wk_tensor soft = wk_softmax(c, times(c, wk_add(c, logits, noise), 1 / tau), d);
    if (!hard || wki_failed(c) || wk_count(soft) == 0) return soft;
    const wk_tensor fixed = wk_detach(c, soft), at = wk_argmax(c, fixed, d, true);
    const wk_tensor ones = wk_scatter_value(c, wk_zeros_like(c, fixed), d, at, 1);
    return wk_add(c, ones, wk_sub(c, soft, fixed)); /* the difference is 0, its gradient is not */
}
