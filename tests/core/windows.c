/* Window functions against their formulas in double. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { KINDS = 11 };

static wk_tensor window(wk_ctx *c, int kind, int64_t n, bool periodic, wk_dtype t)
{
    switch (kind) {
    case 0:
        return wk_hann_window(c, n, periodic, t);
    case 1:
        return wk_hamming_window(c, n, periodic, t);
    case 2:
        return wk_general_hamming_window(c, n, 0.7, periodic, t);
    case 3:
        return wk_general_cosine_window(c, n, 3, (double[]){0.5, 0.3, 0.2}, periodic, t);
    case 4:
        return wk_blackman_window(c, n, periodic, t);
    case 5:
        return wk_nuttall_window(c, n, periodic, t);
    case 6:
        return wk_bartlett_window(c, n, periodic, t);
    case 7:
        return wk_cosine_window(c, n, periodic, t);
    case 8:
        return wk_kaiser_window(c, n, 7.5, periodic, t);
    case 9:
        return wk_gaussian_window(c, n, 1.7, periodic, t);
    default:
        return wk_exponential_window(c, n, NAN, 2.5, periodic, t);
    }
}

static double bessel_i0(double x)
{
    double term = 1, sum = 1;
    for (int k = 1; k < 60; k++) sum += term *= x * x / 4 / k / k;
    return sum;
}

static double formula(int kind, int64_t i, int64_t n, bool periodic)
{
    const double pi = acos(-1.0), steps = (double)(periodic ? n : n - 1), x = 2 * pi * (double)i / steps;
    const double from_middle = (double)i - steps / 2, side = from_middle / (steps / 2);
    switch (kind) {
    case 0:
        return pow(sin(x / 2), 2);
    case 1:
        return 0.54 - 0.46 * cos(x);
    case 2:
        return 0.7 - 0.3 * cos(x);
    case 3:
        return 0.5 - 0.3 * cos(x) + 0.2 * cos(2 * x);
    case 4:
        return 0.42 - 0.5 * cos(x) + 0.08 * cos(2 * x);
    case 5:
        return 0.3635819 - 0.4891775 * cos(x) + 0.1365995 * cos(2 * x) - 0.0106411 * cos(3 * x);
    case 6:
        return 1 - fabs(side);
    case 7:
        return sin(pi * ((double)i + 0.5) / (double)(periodic ? n + 1 : n));
    case 8:
        return bessel_i0(7.5 * sqrt(1 - side * side)) / bessel_i0(7.5);
    case 9:
        return exp(-from_middle * from_middle / (2 * 1.7 * 1.7));
    default:
        return exp(-fabs(from_middle) / 2.5);
    }
}

Test(windows, follow_their_formulas)
{
    wk_ctx *c = wk_ctx_new("cpu");
    for (int kind = 0; kind < KINDS; kind++)
        for (int64_t n = 2; n < 20; n++)
            for (int periodic = 0; periodic < 2; periodic++) {
                double wide[20];
                float  narrow[20];
                wk_read(c, window(c, kind, n, periodic, WK_f64), wide);
                wk_read(c, window(c, kind, n, periodic, WK_f32), narrow);
                cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
                for (int64_t i = 0; i < n; i++) {
                    const double want = formula(kind, i, n, periodic);
                    cr_assert(fabs(wide[i] - want) < 3e-15, "%d of %d: %g, not %g", kind, (int)n, wide[i],
                              want);
                    cr_assert(fabs((double)narrow[i] - want) < 6e-8, "%d of %d in f32", kind, (int)n);
                }
            }
    wk_ctx_free(c);
}

Test(windows, none_one_and_halves)
{
    wk_ctx *c = wk_ctx_new("cpu");
    for (int kind = 0; kind < KINDS; kind++)
        for (int periodic = 0; periodic < 2; periodic++) {
            cr_assert_eq(wk_count(window(c, kind, 0, periodic, WK_f32)), 0, "%s", wk_ctx_message(c));
            cr_assert_eq(wk_item(c, window(c, kind, 1, periodic, WK_f32)), 1, "%d", kind);
            cr_assert_eq(window(c, kind, 5, periodic, WK_bf16)->dtype, WK_bf16);
        }
    double at[4];
    wk_read(c, wk_exponential_window(c, 4, 1, 2, true, WK_f64), at);
    for (int i = 0; i < 4; i++) cr_assert_float_eq(at[i], exp(-abs(i - 1) / 2.0), 1e-15);
    /* I0(1000) is beyond every double */
    const wk_tensor steep = wk_kaiser_window(c, 3, 1000, false, WK_f64);
    cr_assert_eq(wk_item(c, wk_select(c, steep, 0, 1)), 1);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(windows, refuse_what_does_not_fit)
{
    wk_ctx *c = wk_ctx_new("cpu");
#define REFUSED(call, text)                                                                                  \
    cr_assert(wk_is_none(call) && strstr(wk_ctx_message(c), text), "%s: %s", #call, wk_ctx_message(c));      \
    wk_ctx_clear(c)
    REFUSED(wk_hann_window(c, -1, true, WK_f32), "hann_window: of -1 values");
    REFUSED(wk_blackman_window(c, 4, true, WK_i32), "blackman_window: i32");
    REFUSED(wk_cosine_window(c, 4, true, WK_DTYPE_COUNT), "cosine_window: no dtype");
    REFUSED(wk_general_cosine_window(c, 4, 0, NULL, true, WK_f32), "general_cosine_window: 0 terms");
    REFUSED(wk_kaiser_window(c, 4, -1, true, WK_f32), "beta -1");
    REFUSED(wk_gaussian_window(c, 4, 0, true, WK_f32), "deviation 0");
    REFUSED(wk_exponential_window(c, 4, NAN, 0, true, WK_f32), "tau 0");
    REFUSED(wk_exponential_window(c, 4, 1, 1, false, WK_f32), "centre");
    wk_ctx_free(c);
}
