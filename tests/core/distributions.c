/* Distributions with tensors as parameters: chi-square and Kolmogorov-Smirnov tests against their exact
 * distribution functions, with fixed seeds, and the same numbers for any number of threads. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 20000 };

/* ---- distribution functions ---- */

/* Of the gamma distribution, by the power series of the lower incomplete gamma function. */
static double gamma_below(double shape, double x)
{
    double term = 1 / shape, sum = term;
    if (x <= 0) return 0;
    for (int k = 1; k < 2000 && term > sum * 1e-17; k++) sum += term *= x / (shape + k);
    return fmin(1, sum * exp(shape * log(x) - x - lgamma(shape)));
}
/* Of the beta distribution with whole a and b: at least a of a + b - 1 uniform values lie below x. */
static double beta_below(int a, int b, double x)
{
    const int n = a + b - 1;
    double    sum = 0;
    for (int k = a; k <= n; k++)
        sum += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)) * pow(x, k) * pow(1 - x, n - k);
    return sum;
}
static double below(int kind, double x)
{
    static const double shapes[] = {0.05, 0.7, 1, 2.5, 40};
    if (kind < 5) return gamma_below(shapes[kind], x);
    if (kind == 5) return beta_below(2, 3, x);
    if (kind == 6) return x < 1 ? 0.5 * exp(-(1 - x) / 2) : 1 - 0.5 * exp(-(x - 1) / 2);
    if (kind == 7) return exp(-exp(-(x + 1) / 0.5));
    if (kind == 8) return 0.5 * erfc(-(x - 3) / (2 * sqrt(2.0)));
    return beta_below(1, 5, x); /* one of dirichlet(1, 2, 3) */
}
static wk_tensor drawn(wk_ctx *c, int kind)
{
    static const double shapes[] = {0.05, 0.7, 1, 2.5, 40};
    const wk_shape      s = WK_SHAPE(N);
    if (kind < 5) return wk_standard_gamma(c, wk_full(c, shapes[kind], WK_f64, s));
    if (kind == 5) return wk_beta(c, wk_full(c, 2, WK_f64, s), wk_full(c, 3, WK_f64, WK_SCALAR_SHAPE));
    if (kind == 6) return wk_laplace(c, 1, 2, WK_f64, s);
    if (kind == 7) return wk_gumbel(c, -1, 0.5, WK_f64, s);
    if (kind == 8) return wk_normal_of(c, wk_full(c, 3, WK_f64, s), wk_full(c, 2, WK_f64, WK_SHAPE(1)));
    const wk_tensor rows = wk_make(c, (double[]){1, 2, 3}, WK_f64, WK_SHAPE(3));
    return wk_select(c, wk_dirichlet(c, wk_expand(c, rows, WK_SHAPE(N, 3))), 1, 0);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A distance above 1.95 / sqrt(n) has a probability of 0.001. */
Test(distributions, kolmogorov_smirnov)
{
    static double v[N];
    wk_ctx       *c = wk_ctx_new("cpu");
    for (int kind = 0; kind < 10; kind++) {
        double most = 0;
        wk_seed(c, 11);
        cr_assert_eq(wk_read(c, wk_contiguous(c, drawn(c, kind)), v), WK_OK, "%s", wk_ctx_message(c));
        qsort(v, N, sizeof *v, ascending);
        for (int i = 0; i < N; i++) {
            const double f = below(kind, v[i]);
            most = fmax(most, fmax(f - (double)i / N, (double)(i + 1) / N - f));
        }
        cr_expect(most < 1.95 / sqrt(N), "kind %d: distance %g", kind, most);
    }
    wk_ctx_free(c);
}

/* ---- counts ---- */

static double log_poisson(double rate, double k)
{
    return k * log(rate) - rate - lgamma(k + 1);
}
static double log_binomial(double n, double p, double k)
{
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p);
}
/* n 0: Poisson of mean p */
static const struct {
    double n, p;
} counts[] = {{0, 0.3}, {0, 4},    {0, 9.9},  {0, 10.5},   {0, 60},    {0, 1000},
              {5, 0.3}, {40, 0.1}, {40, 0.9}, {100, 0.45}, {3000, 0.6}};
enum { COUNTS = sizeof counts / sizeof *counts };

static wk_tensor counted(wk_ctx *c, int i)
{
    const wk_tensor p = wk_full(c, counts[i].p, WK_f64, WK_SHAPE(N));
    return counts[i].n > 0 ? wk_binomial(c, wk_full(c, counts[i].n, WK_f64, WK_SCALAR_SHAPE), p)
                           : wk_poisson(c, p);
}

/* Chi-square over cells of at least 20 expected values, those beyond joined to the outermost; its mean is the
 * number of cells less one, and four deviations above have a probability well below 0.001. */
Test(distributions, chi_square)
{
    static double v[N], seen[5000];
    wk_ctx       *c = wk_ctx_new("cpu");
    for (int i = 0; i < COUNTS; i++) {
        const double n = counts[i].n, p = counts[i].p;
        double       expected = 0, have = 0, chi = 0, total = 0;
        int          cells = 0;
        wk_seed(c, 5);
        cr_assert_eq(wk_read(c, counted(c, i), v), WK_OK, "%s", wk_ctx_message(c));
        memset(seen, 0, sizeof seen);
        for (int k = 0; k < N; k++) {
            cr_assert(v[k] >= 0 && v[k] < 5000 && v[k] == floor(v[k]) && (n == 0 || v[k] <= n), "%g", v[k]);
            seen[(int)v[k]]++;
        }
        for (int k = 0; k < 5000; k++) {
            const double share = n == 0 ? exp(log_poisson(p, k)) : k <= n ? exp(log_binomial(n, p, k)) : 0;
            expected += N * share;
            have += seen[k];
            total += N * share;
            if (expected >= 20 && N - total >= 20) {
                chi += (have - expected) * (have - expected) / expected;
                cells++;
                expected = have = 0;
            }
        }
        chi += (have - expected) * (have - expected) / expected;
        cr_expect(chi < cells + 4 * sqrt(2.0 * cells) && cells > 1, "%d: chi-square %g of %d", i, chi, cells);
    }
    wk_ctx_free(c);
}

/* ---- the rest ---- */

Test(distributions, same_for_any_number_of_threads)
{
    static double one[N], more[N];
    wk_ctx       *c = wk_ctx_new("cpu");
    for (int i = 0; i < 10 + COUNTS; i++) {
        wk_set_threads(c, 1);
        wk_seed(c, 7);
        wk_read(c, i < 10 ? drawn(c, i) : counted(c, i - 10), one);
        wk_set_threads(c, 3);
        wk_seed(c, 7);
        wk_read(c, i < 10 ? drawn(c, i) : counted(c, i - 10), more);
        cr_expect(memcmp(one, more, sizeof one) == 0, "%d differs", i);
    }
    wk_set_threads(c, 0);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(distributions, parameters_of_their_own)
{
    wk_ctx *c = wk_ctx_new("cpu");
    double  v[4];
    wk_read(c, wk_poisson(c, wk_make(c, (double[]){0, 1e6, 0, 3}, WK_f64, WK_SHAPE(4))), v);
    cr_assert(v[0] == 0 && fabs(v[1] - 1e6) < 6e3 && v[2] == 0 && v[3] < 30, "%s", wk_ctx_message(c));
    wk_read(c,
            wk_binomial(c, wk_make(c, (double[]){9, 9, 0, 1e6}, WK_f64, WK_SHAPE(4)),
                        wk_make(c, (double[]){0, 1, 0.5, 1}, WK_f64, WK_SHAPE(4))),
            v);
    cr_assert(v[0] == 0 && v[1] == 9 && v[2] == 0 && v[3] == 1e6, "%s", wk_ctx_message(c));
    /* rows that sum to 1 where every plain gamma value would be 0 */
    const wk_tensor tiny = wk_dirichlet(c, wk_full(c, 1e-5, WK_f32, WK_SHAPE(50, 3)));
    cr_assert(wk_allclose(c, wk_sum(c, tiny, WK_DIMS(1), false), wk_scalar(c, 1), 1e-6, 0, false));
    cr_assert_eq(wk_poisson(c, wk_ones(c, WK_bf16, WK_SHAPE(2, 3)))->dtype, WK_bf16);
    cr_assert_eq(wk_count(wk_standard_gamma(c, wk_zeros(c, WK_f32, WK_SHAPE(0)))), 0);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(distributions, gradients_go_through)
{
    wk_ctx *c = wk_ctx_new("cpu");
    double  v[4];
    wk_tape_begin(c);
    const wk_tensor mean = wk_track(c, wk_zeros(c, WK_f64, WK_SHAPE(2))),
                    wide = wk_track(c, wk_ones(c, WK_f64, WK_SHAPE(2)));
    const wk_tensor y = wk_normal_of(c, mean, wide);
    wk_backward(c, wk_sum(c, y, WK_ALL_DIMS, false));
    wk_read(c, y, v);
    wk_read(c, wk_grad(c, wide), v + 2); /* the normal values themselves */
    cr_assert(v[0] == v[2] && v[1] == v[3] && wk_item(c, wk_select(c, wk_grad(c, mean), 0, 0)) == 1);
    /* hard values are one-hot; their gradient is that of the soft ones with the same noise */
    const wk_tensor logits = wk_track(c, wk_make(c, (double[]){1, 2, -1}, WK_f64, WK_SHAPE(3)));
    const wk_tensor weight = wk_make(c, (double[]){1, -2, 5}, WK_f64, WK_SHAPE(3));
    wk_tensor       s[2], g[2], x[2];
    for (int hard = 0; hard < 2; hard++) {
        wk_seed(c, 3);
        x[hard] = wk_gumbel_softmax(c, logits, 0.7, hard, -1);
        s[hard] = wk_dot(c, x[hard], weight);
        wk_grad_of(c, 1, &s[hard], NULL, 1, &logits, &g[hard], (wk_grad_opts){0});
    }
    cr_assert(wk_allclose(c, g[0], g[1], 1e-12, 0, false), "%s", wk_ctx_message(c));
    cr_assert(wk_allclose(c, wk_amax(c, x[1], WK_ALL_DIMS, false), wk_scalar(c, 1), 1e-12, 0, false));
    cr_assert(wk_allclose(c, wk_amin(c, x[1], WK_ALL_DIMS, false), wk_scalar(c, 0), 0, 1e-12, false));
    wk_tape_end(c);
    /* the largest of logits and noise is drawn as softmax says */
    const wk_tensor many = wk_expand(c, wk_detach(c, logits), WK_SHAPE(N, 3));
    wk_read(c, wk_mean(c, wk_gumbel_softmax(c, many, 1, true, 1), WK_DIMS(0), false), v);
    const double total = exp(1) + exp(2) + exp(-1), share = exp(2) / total;
    cr_assert(fabs(v[1] - share) < 4 * sqrt(share * (1 - share) / N), "%g, not %g", v[1], share);
    wk_ctx_free(c);
}

Test(distributions, refuse_what_does_not_fit)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor low = wk_full(c, -1, WK_f32, WK_SHAPE(2)), one = wk_ones(c, WK_f32, WK_SHAPE(2)),
                    n = wk_ones(c, WK_i64, WK_SHAPE(2)), nan = wk_full(c, (double)NAN, WK_f32, WK_SHAPE(2));
#define REFUSED(call, text)                                                                                  \
    cr_assert(wk_is_none(call) && strstr(wk_ctx_message(c), text), "%s: %s", #call, wk_ctx_message(c));      \
    wk_ctx_clear(c)
    REFUSED(wk_poisson(c, low), "poisson: a parameter out of range");
    REFUSED(wk_poisson(c, nan), "poisson: a parameter out of range");
    REFUSED(wk_poisson(c, n), "poisson: parameters of i64");
    REFUSED(wk_binomial(c, one, wk_full(c, 1.5, WK_f32, WK_SHAPE(2))), "binomial: a parameter");
    REFUSED(wk_binomial(c, wk_full(c, 1.5, WK_f32, WK_SHAPE(2)), one), "binomial: a parameter");
    REFUSED(wk_binomial(c, one, wk_ones(c, WK_f64, WK_SHAPE(2))), "binomial: counts of f32");
    REFUSED(wk_standard_gamma(c, low), "standard_gamma: a parameter");
    REFUSED(wk_beta(c, one, wk_zeros_like(c, one)), "beta: a parameter");
    REFUSED(wk_beta(c, one, wk_ones(c, WK_f32, WK_SHAPE(3))), "broadcast");
    REFUSED(wk_dirichlet(c, wk_full(c, 1, WK_f32, WK_SCALAR_SHAPE)), "dirichlet: []");
    REFUSED(wk_laplace(c, 0, 0, WK_f32, WK_SHAPE(2)), "laplace: scale 0");
    REFUSED(wk_gumbel(c, 0, 1, WK_i32, WK_SHAPE(2)), "gumbel: scale 1 of i32");
    REFUSED(wk_normal_of(c, one, low), "normal_of: a parameter");
    REFUSED(wk_gumbel_softmax(c, one, 0, false, -1), "gumbel_softmax: tau 0");
    REFUSED(wk_gumbel_softmax(c, one, 1, false, 1), "gumbel_softmax: dim 1");
    wk_ctx_free(c);
}
