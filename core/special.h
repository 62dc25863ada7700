/* Special functions in double that unary.def and binary.def are written with. f32 results computed through
 * them are the correctly rounded ones but for rare ties; f64 ones are good to a few units in the last
 * place. */
#ifndef WK_SPECIAL_H
#define WK_SPECIAL_H

#include <math.h>

#ifndef WK_FORMULA_FN
#define WK_FORMULA_FN static inline __attribute__((unused))
#endif

#define WKI_PI        3.14159265358979323846
#define WKI_ROOT_HALF 0.70710678118654752440
#define WKI_ROOT_PI   1.77245385090551602730

/* sin(pi x) / (pi x), its argument reduced without rounding. */
WK_FORMULA_FN double wki_sinc(double x)
{
    const double r = x - 2 * rint(x / 2);
    return x == 0 ? 1 : fabs(x) == (double)INFINITY ? 0 : sin(WKI_PI * r) / (WKI_PI * x);
}
WK_FORMULA_FN double wki_sinc_slope(double x)
{
    const double z = WKI_PI * x, r = x - 2 * rint(x / 2);
    if (fabs(x) < 1e-2) return -WKI_PI * z / 3 * (1 - z * z / 10 * (1 - z * z / 28 * (1 - z * z / 54)));
    return (cos(WKI_PI * r) - wki_sinc(x)) / x;
}

/* Hurwitz zeta by the Euler-Maclaurin formula (DLMF 25.11.28): ten terms, then the tail from its integral.
 * q may be negative where s is whole. */
WK_FORMULA_FN double wki_zeta(double s, double q)
{
    /* B_2j / (2j)! */
    const double even[] = {1.0 / 12,
                           -1.0 / 720,
                           1.0 / 30240,
                           -1.0 / 1209600,
                           1.0 / 47900160,
                           -691.0 / 1307674368000.0,
                           1.0 / 74724249600.0,
                           -3617.0 / 10670622842880000.0};
    if (q <= 0 && q == floor(q)) return (double)INFINITY;
    if (q <= 0 && s != floor(s)) return (double)NAN;
    double sum = 0, w = q;
    for (int k = 0; k < 12 || w < 12; k++, w += 1) {
        const double t = pow(w, -s);
        sum += t;
        if (w > 0 && t < sum * 1e-18) return sum;
    }
    double power = pow(w, -s), factor = s;
    sum += power * (w / (s - 1) + 0.5);
    power /= w;
    for (int j = 0; j < 8; j++) {
        sum += factor * power * even[j];
        factor *= (s + 2 * j + 1) * (s + 2 * j + 2);
        power /= w * w;
    }
    return sum;
}

/* Modified Bessel functions divided by exp(|x|): the power series (Abramowitz and Stegun 9.6.10), whose terms
 * are all positive, and far out the asymptotic one (9.7.1). */
WK_FORMULA_FN double wki_bessel_far(double x, double mu)
{
    double term = 1, sum = 1;
    for (int k = 1; k < 30; k++) {
        term *= -(mu - (2.0 * k - 1) * (2.0 * k - 1)) / (8 * k * x);
        sum += term;
        if (fabs(term) < 1e-17) break;
    }
    return sum / sqrt(2 * WKI_PI * x);
}
WK_FORMULA_FN double wki_bessel_near(double x, double order)
{
    const double z = 0.25 * x * x;
    double       term = 1, sum = 1;
    for (int k = 1; term > sum * 1e-17; k++) {
        term *= z / (k * (k + order));
        sum += term;
    }
    return sum;
}
WK_FORMULA_FN double wki_i0e(double x)
{
    const double a = fabs(x);
    return x != x ? x : a < 25 ? wki_bessel_near(a, 0) * exp(-a) : wki_bessel_far(a, 0);
}
WK_FORMULA_FN double wki_i1e(double x)
{
    const double a = fabs(x);
    if (x != x) return x;
    return copysign(a < 25 ? 0.5 * a * wki_bessel_near(a, 1) * exp(-a) : wki_bessel_far(a, 4), x);
}
/* Grown in two steps, so that the first does not overflow where the product does not. */
WK_FORMULA_FN double wki_i0(double x)
{
    const double a = fabs(x), half = exp(0.5 * a);
    return x != x ? x : a < 25 ? wki_bessel_near(a, 0) : wki_bessel_far(a, 0) * half * half;
}
WK_FORMULA_FN double wki_i1(double x)
{
    const double a = fabs(x), half = exp(0.5 * a);
    if (x != x) return x;
    return copysign(a < 25 ? 0.5 * a * wki_bessel_near(a, 1) : wki_bessel_far(a, 4) * half * half, x);
}
WK_FORMULA_FN double wki_i1_slope(double x)
{
    return x == 0 ? 0.5 : wki_i0(x) - wki_i1(x) / x;
}
WK_FORMULA_FN double wki_i0e_slope(double x)
{
    return wki_i1e(x) - copysign(wki_i0e(x), x) * (x != 0);
}
WK_FORMULA_FN double wki_i1e_slope(double x)
{
    return x == 0 ? 0.5 : wki_i0e(x) - wki_i1e(x) * (copysign(1.0, x) + 1 / x);
}

/* exp(x^2) erfc(x); the square in two parts, as its rounding error would be multiplied by x^2. */
WK_FORMULA_FN double wki_erfcx(double x)
{
    if (x > 10) {
        const double z = 0.5 / (x * x);
        double       term = 1, sum = 1;
        for (int n = 1; n < 12; n++) {
            term *= -(2.0 * n - 1) * z;
            sum += term;
        }
        return sum / (x * WKI_ROOT_PI);
    }
    const double square = x * x, rest = fma(x, x, -square);
    return x < -27 ? (double)INFINITY : exp(square) * (1 + rest) * erfc(x);
}

/* The normal distribution: logarithm of its integral up to x, the slope of that, and its inverse. */
WK_FORMULA_FN double wki_log_ndtr(double x)
{
    const double t = x * WKI_ROOT_HALF;
    return x < -1 ? log(0.5 * wki_erfcx(-t)) - t * t : log1p(-0.5 * erfc(t));
}
WK_FORMULA_FN double wki_log_ndtr_slope(double x)
{
    return 2 * WKI_ROOT_HALF / (WKI_ROOT_PI * wki_erfcx(-x * WKI_ROOT_HALF));
}

#endif
