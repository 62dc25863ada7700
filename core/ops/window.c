/* Window functions: formulas of the places 0 .. n - 1, in f64. */
#include "core/ctx.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static bool fits(wk_ctx *c, const char *name, int64_t n, wk_dtype t)
{
    if (wki_failed(c)) return false;
    if (n < 0 || n > INT32_MAX)
        wk_fail(c, WK_EARG, "%s: of %lld values", name, (long long)n);
    else if ((unsigned)t >= WK_DTYPE_COUNT || wki_dtype_class(t) != 'F')
        wk_fail(c, WK_EDTYPE, "%s: %s, a real dtype is wanted", name,
                (unsigned)t < WK_DTYPE_COUNT ? wk_dtype_name(t) : "no dtype");
    return !wki_failed(c);
}

/* (i + from) scale */
static wk_tensor places(wk_ctx *c, int64_t n, double from, double scale)
{
    const wk_tensor i = wk_arange(c, 0, (double)n, 1, WK_f64);
    return wk_mul(c, wk_add(c, i, wk_scalar(c, from)), wk_scalar(c, scale));
}

/* Steps from one end to where the window would begin again. */
static double period(int64_t n, bool periodic)
{
    return (double)(periodic ? n : n - 1);
}

static wk_tensor cosines(wk_ctx *c, const char *name, int64_t n, int count, const double *a, bool periodic,
                         wk_dtype t)
{
    if (!fits(c, name, n, t)) return WK_NONE;
    WK_REQUIRE(c, count > 0 && a, WK_EARG, "%s: %d terms", name, count);
    if (n < 2) return wk_ones(c, t, WK_SHAPE(n));
    wk_tensor sum = wk_full(c, a[0], WK_f64, WK_SHAPE(n));
    for (int i = 1; i < count && !wki_failed(c); i++) {
        const wk_tensor wave = wk_cos(c, places(c, n, 0, 2 * pi * i / period(n, periodic)));
        sum = wk_add(c, sum, wk_mul(c, wave, wk_scalar(c, i & 1 ? -a[i] : a[i])));
    }
    return wk_cast(c, sum, t);
}

wk_tensor wk_general_cosine_window(wk_ctx *c, int64_t n, int count, const double *a, bool periodic,
                                   wk_dtype t)
{
    return cosines(c, "general_cosine_window", n, count, a, periodic, t);
}
wk_tensor wk_general_hamming_window(wk_ctx *c, int64_t n, double alpha, bool periodic, wk_dtype t)
{
    return cosines(c, "general_hamming_window", n, 2, (double[]){alpha, 1 - alpha}, periodic, t);
}
wk_tensor wk_hann_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t)
{
    return cosines(c, "hann_window", n, 2, (double[]){0.5, 0.5}, periodic, t);
}
wk_tensor wk_hamming_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t)
{
    return cosines(c, "hamming_window", n, 2, (double[]){0.54, 1 - 0.54}, periodic, t);
}
wk_tensor wk_blackman_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t)
{
    return cosines(c, "blackman_window", n, 3, (double[]){0.42, 0.5, 0.08}, periodic, t);
}
/* Nuttall, IEEE Trans. ASSP 29 (1981): the least side lobes of four terms. */
wk_tensor wk_nuttall_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t)
{
    return cosines(c, "nuttall_window", n, 4, (double[]){0.3635819, 0.4891775, 0.1365995, 0.0106411},
                   periodic, t);
}

wk_tensor wk_bartlett_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t)
{
    if (!fits(c, "bartlett_window", n, t)) return WK_NONE;
    if (n < 2) return wk_ones(c, t, WK_SHAPE(n));
    const double    half = period(n, periodic) / 2;
    const wk_tensor side = wk_abs(c, places(c, n, -half, 1 / half));
    return wk_cast(c, wk_rsub(c, side, wk_scalar(c, 1)), t);
}

wk_tensor wk_cosine_window(wk_ctx *c, int64_t n, bool periodic, wk_dtype t)
{
    if (!fits(c, "cosine_window", n, t)) return WK_NONE;
    const double width = (double)(periodic && n > 1 ? n + 1 : n);
    return wk_cast(c, wk_sin(c, places(c, n, 0.5, n ? pi / width : 0)), t);
}

/* By scaled Bessel functions, as plain ones overflow. */
wk_tensor wk_kaiser_window(wk_ctx *c, int64_t n, double beta, bool periodic, wk_dtype t)
{
    if (!fits(c, "kaiser_window", n, t)) return WK_NONE;
    WK_REQUIRE(c, beta >= 0 && isfinite(beta), WK_EARG, "kaiser_window: beta %g, wanted is beta >= 0", beta);
    if (n < 2) return wk_ones(c, t, WK_SHAPE(n));
    const double    half = period(n, periodic) / 2;
    const wk_tensor x = places(c, n, -half, 1 / half);
    const wk_tensor left = wk_clamp(c, wk_rsub(c, wk_square(c, x), wk_scalar(c, 1)), 0, 1);
    const wk_tensor top = wk_full(c, beta, WK_f64, WK_SCALAR_SHAPE), s = wk_mul(c, wk_sqrt(c, left), top);
    const wk_tensor ratio = wk_div(c, wk_i0e(c, s), wk_i0e(c, top));
    return wk_cast(c, wk_mul(c, ratio, wk_exp(c, wk_sub(c, s, top))), t);
}

wk_tensor wk_gaussian_window(wk_ctx *c, int64_t n, double deviation, bool periodic, wk_dtype t)
{
    if (!fits(c, "gaussian_window", n, t)) return WK_NONE;
    WK_REQUIRE(c, deviation > 0, WK_EARG, "gaussian_window: deviation %g, wanted is one above 0", deviation);
    const double    half = period(n, periodic && n > 1) / 2;
    const wk_tensor x = places(c, n, -half, sqrt(0.5) / deviation);
    return wk_cast(c, wk_exp(c, wk_neg(c, wk_square(c, x))), t);
}

wk_tensor wk_exponential_window(wk_ctx *c, int64_t n, double centre, double tau, bool periodic, wk_dtype t)
{
    if (!fits(c, "exponential_window", n, t)) return WK_NONE;
    WK_REQUIRE(c, tau > 0, WK_EARG, "exponential_window: tau %g, wanted is tau > 0", tau);
    WK_REQUIRE(c, isnan(centre) || periodic, WK_EARG,
               "exponential_window: a symmetric one has its centre in the middle, not at %g", centre);
    if (isnan(centre)) centre = period(n, periodic && n > 1) / 2;
    return wk_cast(c, wk_exp(c, wk_neg(c, wk_abs(c, places(c, n, -centre, 1 / tau)))), t);
}
