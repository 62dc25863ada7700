/* Random numbers by their statistics, and the same ones for any number of threads. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define N 40000

static wk_tensor draw(wk_ctx *c, int i)
{
    const wk_shape s = WK_SHAPE(N);
    switch (i) {
    case 0:
        return wk_exponential(c, 2, WK_f32, s);
    case 1:
        return wk_log_normal(c, 0, 0.5, WK_f64, s);
    case 2:
        return wk_geometric(c, 0.25, WK_i64, s);
    case 3:
        return wk_truncated_normal(c, 1, 2, 0, 3, WK_f32, s);
    case 4:
        return wk_bernoulli(c, wk_full(c, 0.3, WK_bf16, s));
    case 5:
        return wk_atan(c, wk_cauchy(c, 0, 1, WK_f32, s));
    case 6:
        return wk_cast(c, wk_multinomial(c, wk_make(c, (float[]){1, 0, 2, 5}, WK_f32, WK_SHAPE(4)), N, true),
                       WK_f32);
    default:
        return wk_randperm(c, N, WK_i64);
    }
}

Test(random, moments)
{
    /* means and deviations of the distributions; atan of a Cauchy value is uniform in +-pi/2 */
    const double e = exp(0.125), pi = acos(-1.0);
    const double mean[] = {0.5, e, 4, 1.4133, 0.3, 0, 2.375, (N - 1) / 2.0};
    const double deviation[] = {0.5,        e * sqrt(exp(0.25) - 1), sqrt(12), 0.8312,
                                sqrt(0.21), pi / sqrt(12),           0.992,    N / sqrt(12)};
    wk_ctx      *c = wk_ctx_new("cpu");
    for (int i = 0; i < 8; i++) {
        const wk_tensor x = wk_cast(c, draw(c, i), WK_f64);
        const double    m = wk_item(c, wk_mean(c, x, WK_ALL_DIMS, false));
        const double    d = sqrt(wk_item(c, wk_var(c, x, WK_ALL_DIMS, 1, false)));
        cr_expect(fabs(m - mean[i]) < 0.03 * deviation[i], "mean of %d is %g, not %g", i, m, mean[i]);
        cr_expect(fabs(d - deviation[i]) < 0.03 * deviation[i], "deviation of %d is %g, not %g", i, d,
                  deviation[i]);
    }
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

static double density(double x)
{
    return exp(-0.5 * x * x) / sqrt(2 * acos(-1.0));
}
/* Mean m and deviation of a standard normal value in [a, b], of probability p: m = (f(a) - f(b)) / p, the
 * square's mean 1 + (a f(a) - b f(b)) / p. */
static void of_interval(double a, double b, double *m, double *d)
{
    const double sign = a > 0 ? -1 : 1; /* probabilities by the left tail, where they have all digits */
    const double p = fabs(0.5 * erfc(-sign * a * sqrt(0.5)) - 0.5 * erfc(-sign * b * sqrt(0.5)));
    const double fa = isinf(a) ? 0 : density(a), fb = isinf(b) ? 0 : density(b);
    *m = (fa - fb) / p;
    *d = sqrt(1 + ((isinf(a) ? 0 : a * fa) - (isinf(b) ? 0 : b * fb)) / p - *m * *m);
}

Test(random, truncated_normal_of_intervals_near_and_far)
{
    const double  inf = (double)INFINITY;
    const double  ends[][2] = {{9, 10},    {-10, -9},   {-1, 2},  {4, inf},
                               {-inf, -4}, {-inf, inf}, {-30, 1}, {36, 40}};
    wk_ctx       *c = wk_ctx_new("cpu");
    static double v[N];
    const double  mean = 3, wide = 0.25;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const double low = mean + wide * ends[i][0], high = mean + wide * ends[i][1];
        double       m, d, sum = 0;
        of_interval(ends[i][0], ends[i][1], &m, &d);
        wk_read(c, wk_truncated_normal(c, mean, wide, low, high, WK_f64, WK_SHAPE(N)), v);
        for (int k = 0; k < N; k++) {
            cr_assert(v[k] >= low && v[k] <= high && isfinite(v[k]), "%zu: %.17g", i, v[k]);
            sum += (v[k] - mean) / wide;
        }
        cr_expect(fabs(sum / N - m) < 5 * d / sqrt(N), "%zu: mean %.9g, not %.9g", i, sum / N, m);
    }
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert(wk_is_none(wk_truncated_normal(c, 0, 1, -50, -40, WK_f32, WK_SHAPE(3))));
    cr_assert(strstr(wk_ctx_message(c), "truncated_normal: [-50, -40] lies 40 deviations from 0"), "%s",
              wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(random, same_for_any_number_of_threads)
{
    static unsigned char one[8 * N], more[8 * N];
    wk_ctx              *c = wk_ctx_new("cpu");
    for (int i = 0; i < 8; i++) {
        wk_set_threads(c, 1);
        wk_seed(c, 7);
        const wk_tensor a = draw(c, i);
        wk_read(c, a, one);
        wk_set_threads(c, 3);
        wk_seed(c, 7);
        wk_read(c, draw(c, i), more);
        cr_expect(memcmp(one, more, (size_t)wk_bytes(a)) == 0, "%d differs", i);
    }
    wk_set_threads(c, 0);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(random, permutations_and_draws_without_replacement)
{
    static int64_t v[N];
    static bool    seen[N];
    wk_ctx        *c = wk_ctx_new("cpu");
    wk_read(c, wk_randperm(c, N, WK_i64), v);
    for (int i = 0; i < N; i++) {
        cr_assert(v[i] >= 0 && v[i] < N && !seen[v[i]]);
        seen[v[i]] = true;
    }
    const wk_tensor w = wk_make(c, (float[]){0, 1, 1, 8, 0, 3}, WK_f32, WK_SHAPE(6));
    for (int i = 0; i < 100; i++) {
        int64_t p[4];
        int     sum = 0;
        wk_read(c, wk_multinomial(c, w, 4, false), p);
        for (int k = 0; k < 4; k++) sum += 1 << p[k];
        cr_assert_eq(sum, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5);
    }
    cr_assert(wk_is_none(wk_multinomial(c, w, 5, false)));
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}

Test(random, bernoulli_has_a_gradient_of_zero)
{
    wk_ctx *c = wk_ctx_new("cpu");
    double  y[3], g[3];
    wk_tape_begin(c);
    const wk_tensor p = wk_track(c, wk_make(c, (double[]){0, 1, 0.5}, WK_f64, WK_SHAPE(3)));
    const wk_tensor drawn = wk_bernoulli(c, p);
    wk_read(c, drawn, y);
    cr_assert(y[0] == 0 && y[1] == 1 && (y[2] == 0 || y[2] == 1));
    wk_backward(c, wk_sum(c, drawn, WK_ALL_DIMS, false));
    wk_read(c, wk_grad(c, p), g);
    cr_assert(g[0] == 0 && g[1] == 0 && g[2] == 0, "%s", wk_ctx_message(c));
    wk_tape_begin(c);
    const wk_tensor q = wk_track(c, wk_detach(c, p)), z = wk_bernoulli(c, q);
    wk_read(c, z, y);
    wk_backward(c, wk_sum(c, wk_mul(c, z, q), WK_ALL_DIMS, false)); /* the factor's own: z */
    wk_read(c, wk_grad(c, q), g);
    for (int i = 0; i < 3; i++) cr_assert_eq(g[i], y[i]);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(random, bad_parameters_are_errors)
{
    wk_ctx *c = wk_ctx_new("cpu");
    for (int i = 0; i < 7; i++) {
        const wk_shape  s = WK_SHAPE(3);
        const wk_tensor y = i == 0   ? wk_exponential(c, 0, WK_f32, s)
                            : i == 1 ? wk_cauchy(c, 0, -1, WK_f32, s)
                            : i == 2 ? wk_geometric(c, 0, WK_f32, s)
                            : i == 3 ? wk_truncated_normal(c, 0, 1, 2, 1, WK_f32, s)
                            : i == 4 ? wk_bernoulli(c, wk_ones(c, WK_i64, s))
                            : i == 5 ? wk_randperm(c, -1, WK_i64)
                                     : wk_multinomial(c, wk_full(c, -1, WK_f32, s), 2, true);
        cr_expect(wk_is_none(y) && wk_ctx_status(c) != WK_OK, "case %d", i);
        wk_ctx_clear(c);
    }
    wk_ctx_free(c);
}
