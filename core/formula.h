/* What the formulas of unary.def and binary.def are written with. Who includes a list says what T is, and
 * maps the float names of libm where T is double. */
#ifndef WK_FORMULA_H
#define WK_FORMULA_H

#include "core/special.h"

#include <math.h>
#include <stdint.h>

#ifndef WK_FORMULA_FN
#define WK_FORMULA_FN static inline __attribute__((unused))
#endif

#define K(value)     ((T)(value))
#define U(x)         ((uint64_t)(x))
#define SIGN(x)      ((x) > 0 ? K(1) : (x) < 0 ? K(-1) : K(0))
#define LARGER(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))
#define SIGMOID(x)   (((x) < 0 ? expf(-fabsf(x)) : K(1)) / (K(1) + expf(-fabsf(x))))
#define MISH(x)      tanhf(log1pf(expf(x)))
#define GELU(x)      (K(0.5) * (x) * (K(1) + erff((x)*K(0.707106781186547524401))))
#define GELU_ARG(x)  (K(0.797884560802865355880) * ((x) + K(0.044715) * (x) * (x) * (x)))
#define GELU_TANH(x) (K(0.5) * (x) * (K(1) + tanhf(GELU_ARG(x))))
#define GELU_TANH_D(x)                                                                                       \
    (K(0.5) * (K(1) + tanhf(GELU_ARG(x))) +                                                                  \
     K(0.5) * (x) * (K(1) - tanhf(GELU_ARG(x)) * tanhf(GELU_ARG(x))) * K(0.797884560802865355880) *          \
         (K(1) + K(0.134145) * (x) * (x)))
#define FLOOR_DIV(a, b) ((T)wki_floor_div((double)(a), (double)(b)))
#define REMAINDER(a, b) ((T)wki_remainder((double)(a), (double)(b)))

/* Python's division: the remainder has the divisor's sign. */
WK_FORMULA_FN double wki_remainder(double a, double b)
{
    const double r = fmod(a, b);
    return r != 0 && (b < 0) != (r < 0) ? r + b : r;
}
WK_FORMULA_FN double wki_floor_div(double a, double b)
{
    if (b == 0) return a / b;
    const double r = fmod(a, b), q = (a - r) / b - (r != 0 && (b < 0) != (r < 0) ? 1 : 0), f = floor(q);
    return q == 0 ? copysign(0.0, a / b) : q - f > 0.5 ? f + 1 : f;
}

/* Integers: dividing by zero gives 0, the one quotient that does not fit wraps. */
WK_FORMULA_FN int64_t wki_int_fmod(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}
WK_FORMULA_FN int64_t wki_int_remainder(int64_t a, int64_t b)
{
    const int64_t r = wki_int_fmod(a, b);
    return r != 0 && (b < 0) != (r < 0) ? r + b : r;
}
WK_FORMULA_FN int64_t wki_int_floor_div(int64_t a, int64_t b)
{
    if (b == 0) return 0;
    if (b == -1) return (int64_t)(0 - U(a));
    return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}
/* A negative exponent gives 0 but for the bases 1 and -1. */
WK_FORMULA_FN int64_t wki_int_pow(int64_t a, int64_t b)
{
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    uint64_t y = 1, x = U(a);
    for (uint64_t n = U(b); n; n >>= 1) {
        if (n & 1) y *= x;
        x *= x;
    }
    return (int64_t)y;
}

WK_FORMULA_FN double wki_lgamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}
/* Recurrence up to 10, then the asymptotic series (Abramowitz and Stegun 6.3.18, 6.4.12). */
WK_FORMULA_FN double wki_digamma(double x)
{
    const double pi = 3.14159265358979323846;
    if (x == 0) return copysign((double)INFINITY, -x);
    if (x < 0 && x == floor(x)) return (double)NAN;
    if (x < 0) return wki_digamma(1 - x) - pi / tan(pi * (x - floor(x)));
    double sum = 0;
    for (; x < 10; x += 1) sum -= 1 / x;
    const double z = 1 / (x * x);
    const double more = 1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12));
    const double tail = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * more)));
    return sum + log(x) - 0.5 / x - tail;
}
WK_FORMULA_FN double wki_trigamma(double x)
{
    const double pi = 3.14159265358979323846;
    if (x <= 0 && x == floor(x)) return (double)INFINITY;
    if (x < 0) return pi * pi / (sin(pi * x) * sin(pi * x)) - wki_trigamma(1 - x);
    double sum = 0;
    for (; x < 10; x += 1) sum += 1 / (x * x);
    const double z = 1 / (x * x);
    const double more = 1.0 / 30 - z * (5.0 / 66 - z * (691.0 / 2730 - z * 7 / 6));
    const double tail = z * (1.0 / 6 - z * (1.0 / 30 - z * (1.0 / 42 - z * more)));
    return sum + 1 / x + 0.5 * z + tail / x;
}
/* A first guess from erf's Gaussian shape, then Newton steps; the tail is solved through erfc. */
WK_FORMULA_FN double wki_erfinv(double x)
{
    const double a = fabs(x), q = 1 - a;
    if (!(a < 1)) return a == 1 ? copysign((double)INFINITY, x) : (double)NAN;
    const double w = log(q * (1 + a)), h = 4.3307467508 + 0.5 * w;
    double       y = sqrt(sqrt(h * h - w / 0.147) - h);
    for (int i = 0; i < 4; i++) {
        const double lack = a < 0.5 ? a - erf(y) : erfc(y) - q;
        const double step = lack * 0.886226925452758013649 * exp(y * y);
        y += step / (1 - y * step); /* Halley's correction: the second derivative is -2 y times the first */
    }
    return copysign(y, x);
}

/* Near the middle through erfinv, whose argument is exact there; in the tails Newton's steps on the
 * logarithm, from Abramowitz and Stegun 26.2.23. */
WK_FORMULA_FN double wki_ndtri(double p)
{
    if (!(p > 0 && p < 1)) return p == 0 ? -(double)INFINITY : p == 1 ? (double)INFINITY : (double)NAN;
    if (p > 0.25 && p < 0.75) return wki_erfinv(2 * p - 1) / WKI_ROOT_HALF;
    const double q = p < 0.5 ? p : 1 - p, target = log(q), t = sqrt(-2 * target);
    const double above = 2.515517 + t * (0.802853 + t * 0.010328);
    double       x = above / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
    for (int i = 0; i < 3; i++) x -= (wki_log_ndtr(x) - target) / wki_log_ndtr_slope(x);
    return p < 0.5 ? x : -x;
}
/* n-th derivative of digamma. */
WK_FORMULA_FN double wki_polygamma(double n, double x)
{
    if (n == 0) return wki_digamma(x);
    if (n == 1) return wki_trigamma(x);
    const double y = tgamma(n + 1) * wki_zeta(n + 1, x);
    return fmod(n, 2.0) < 1 ? -y : y;
}
/* x = mantissa 2^exponent, mantissa in [0.5, 1). */
WK_FORMULA_FN double wki_mantissa(double x)
{
    int e;
    return frexp(x, &e);
}
WK_FORMULA_FN double wki_exponent(double x)
{
    int e = 0;
    return fabs(x) < (double)INFINITY ? (frexp(x, &e), (double)e) : 0;
}

/* Of the magnitudes, wrapped. */
WK_FORMULA_FN int64_t wki_int_gcd(int64_t a, int64_t b)
{
    uint64_t x = a < 0 ? 0 - U(a) : U(a), y = b < 0 ? 0 - U(b) : U(b);
    while (y) {
        const uint64_t r = x % y;
        x = y;
        y = r;
    }
    return (int64_t)x;
}
WK_FORMULA_FN int64_t wki_int_lcm(int64_t a, int64_t b)
{
    const int64_t g = wki_int_gcd(a, b);
    if (g == 0) return 0;
    const int64_t y = (int64_t)(U(a / g) * U(b));
    return y < 0 ? (int64_t)(0 - U(y)) : y;
}

#endif
