/* Norms over groups of channels, batches and instances, against formulas in double. Their
 * gradients: tests/nn/norms.c. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 3, C = 4, L = 5, ALL = N * C * L };

/* Mean and biased variance of x over instances [n0, n1) and channels [c0, c1). */
static void moments(const double *x, int n0, int n1, int c0, int c1, double *mean, double *var)
{
    const double count = (double)((n1 - n0) * (c1 - c0) * L);
    *mean = *var = 0;
    for (int n = n0; n < n1; n++)
        for (int i = c0 * L; i < c1 * L; i++) *mean += x[n * C * L + i] / count;
    for (int n = n0; n < n1; n++)
        for (int i = c0 * L; i < c1 * L; i++) *var += pow(x[n * C * L + i] - *mean, 2) / count;
}

static void expect(wk_ctx *c, const char *what, wk_tensor y, int n, const double *want)
{
    double got[ALL];
    cr_assert(wk_count(y) == n, "%s: %s", what, wk_ctx_message(c));
    cr_assert_eq(wk_read(c, wk_cast(c, y, WK_f64), got), WK_OK, "%s: %s", what, wk_ctx_message(c));
    for (int i = 0; i < n; i++)
        cr_assert(fabs(got[i] - want[i]) < 1e-11, "%s[%d]: %g, not %g", what, i, got[i], want[i]);
}

/* What such statistics give, weighted. */
static void apply(const double *x, double mean[N][C], double var[N][C], const double *w, const double *b,
                  double eps, double *want)
{
    for (int i = 0; i < ALL; i++) {
        const int n = i / (C * L), ch = i / L % C;
        want[i] = (x[i] - mean[n][ch]) / sqrt(var[n][ch] + eps) * (w ? w[ch] : 1) + (b ? b[ch] : 0);
    }
}

static const double weight[C] = {1, -2, 0.5, 3}, bias[C] = {0.25, 0, -1, 2};
static const double first_mean[C] = {0.5, 0, -1, 2}, first_var[C] = {1, 2, 0.5, 4};

static void fill(double *x)
{
    for (int i = 0; i < ALL; i++) x[i] = sin(3 * i + 1) + 0.1 * i;
}
static wk_tensor of_channels(wk_ctx *c, const double *v)
{
    return wk_make(c, v, WK_f64, WK_SHAPE(C));
}

Test(channels, groups)
{
    wk_ctx *c = wk_ctx_new("cpu");
    double  x[ALL], want[ALL], mean[N][C], var[N][C];
    fill(x);
    const wk_tensor t = wk_make(c, x, WK_f64, WK_SHAPE(N, C, L)), w = of_channels(c, weight);
    for (int groups = 1; groups <= C; groups *= 2) {
        const int each = C / groups;
        for (int n = 0; n < N; n++)
            for (int ch = 0; ch < C; ch++)
                moments(x, n, n + 1, ch / each * each, ch / each * each + each, &mean[n][ch], &var[n][ch]);
        apply(x, mean, var, weight, bias, 0.1, want);
        expect(c, "weighted", wk_norm_groups(c, t, groups, w, of_channels(c, bias), 0.1), ALL, want);
        apply(x, mean, var, NULL, NULL, 1e-5, want);
        expect(c, "plain", wk_norm_groups(c, t, groups, WK_NONE, WK_NONE, 1e-5), ALL, want);
    }
    cr_assert_eq(wk_count(wk_norm_groups(c, wk_zeros(c, WK_f32, WK_SHAPE(0, 2)), 1, WK_NONE, WK_NONE, 1)), 0);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

static void running(wk_ctx *c, bool instances, bool factor)
{
    double x[ALL], want[ALL], mean[N][C], var[N][C], now_mean[C] = {0}, now_var[C] = {0};
    fill(x);
    const double count = instances ? L : N * L, momentum = factor ? 0.25 : 0.1;
    for (int n = 0; n < N; n++)
        for (int ch = 0; ch < C; ch++) {
            moments(x, instances ? n : 0, instances ? n + 1 : N, ch, ch + 1, &mean[n][ch], &var[n][ch]);
            now_mean[ch] += mean[n][ch] / N;
            now_var[ch] += var[n][ch] / N * count / (count - 1);
        }
    wk_norm_opts o = {.weight = of_channels(c, weight),
                      .running_mean = of_channels(c, first_mean),
                      .running_var = of_channels(c, first_var),
                      .own = true};
    if (factor) o.factor = wk_full(c, momentum, WK_f32, WK_SCALAR_SHAPE);
    const wk_tensor t = wk_make(c, x, WK_f64, WK_SHAPE(N, C, L));
    wk_tensor (*fn)(wk_ctx *, wk_tensor, double, wk_norm_opts) =
        instances ? wk_norm_instances : wk_norm_batch;
    apply(x, mean, var, weight, NULL, 0.01, want);
    expect(c, "own", fn(c, t, 0.01, o), ALL, want);
    for (int ch = 0; ch < C; ch++) {
        now_mean[ch] = first_mean[ch] + momentum * (now_mean[ch] - first_mean[ch]);
        now_var[ch] = first_var[ch] + momentum * (now_var[ch] - first_var[ch]);
        for (int n = 0; n < N; n++) {
            mean[n][ch] = now_mean[ch];
            var[n][ch] = now_var[ch];
        }
    }
    expect(c, "running mean", o.running_mean, C, now_mean);
    expect(c, "running variance", o.running_var, C, now_var);
    o.own = false;
    o.bias = of_channels(c, bias);
    apply(x, mean, var, weight, bias, 0.01, want);
    expect(c, "by the running ones", fn(c, t, 0.01, o), ALL, want);
    expect(c, "running mean, again", o.running_mean, C, now_mean);
}

Test(channels, batches_and_instances)
{
    wk_ctx *c = wk_ctx_new("cpu");
    for (int i = 0; i < 4; i++) running(c, i & 1, i & 2);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

#define REFUSED(call, text)                                                                                  \
    cr_assert(wk_is_none(call) && strstr(wk_ctx_message(c), text), "%s: %s", #call, wk_ctx_message(c));      \
    wk_ctx_clear(c)

Test(channels, of_nothing)
{
    static const wk_shape shapes[] = {{1, {0}}, {2, {0, 3}}, {3, {2, 3, 0}}};
    wk_ctx               *c = wk_ctx_new("cpu");
    for (int i = 0; i < 6; i++) {
        const wk_tensor x = wk_zeros(c, WK_f32, shapes[i / 2]), mean = wk_zeros(c, WK_f32, WK_SHAPE(3));
        const wk_tensor var = wk_full(c, 1, WK_f32, WK_SHAPE(3));
        const wk_tensor y =
            wk_norm_batch(c, x, 1e-5, (wk_norm_opts){.own = i % 2, .running_mean = mean, .running_var = var});
        cr_assert_eq(wk_ctx_status(c), WK_OK, "%d: %s", i, wk_ctx_message(c));
        cr_assert(wk_count(y) == 0 && y->ndim == x->ndim);
        cr_assert_eq(wk_item(c, wk_sum(c, mean, WK_ALL_DIMS, false)), 0);
    }
    wk_ctx_free(c);
}

Test(channels, errors)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(2, 6, 3)), s = wk_zeros(c, WK_f32, WK_SHAPE(5));
    const wk_tensor m = wk_zeros(c, WK_f32, WK_SHAPE(6)), one = wk_zeros(c, WK_f32, WK_SHAPE(1, 6, 1));
    REFUSED(wk_norm_groups(c, x, 4, WK_NONE, WK_NONE, 1),
            "norm_groups: 4 groups of the channels of [2, 6, 3]");
    REFUSED(wk_norm_groups(c, x, 3, s, WK_NONE, 1), "weight is f32 [5], real [6] is wanted");
    REFUSED(wk_norm_groups(c, s, 1, WK_NONE, WK_NONE, 1), "x is [5], at least 2 dims");
    REFUSED(wk_norm_groups(c, wk_cast(c, x, WK_i32), 3, WK_NONE, WK_NONE, 1), "x is i32");
    REFUSED(wk_norm_batch(c, x, 1, (wk_norm_opts){0}), "norm_batch: a running mean and a running variance");
    REFUSED(wk_norm_batch(c, x, 1, (wk_norm_opts){.own = true, .running_var = m}), "or neither");
    REFUSED(wk_norm_batch(c, x, 1, (wk_norm_opts){.own = true, .running_mean = s}),
            "running_mean is f32 [5]");
    REFUSED(wk_norm_batch(c, one, 1, (wk_norm_opts){.own = true}),
            "norm_batch: x is [1, 6, 1], more than one");
    REFUSED(wk_norm_batch(c, x, 1, (wk_norm_opts){.own = true, .factor = m}), "the factor is f32 [6]");
    REFUSED(wk_norm_instances(c, wk_select(c, x, 2, 0), 1, (wk_norm_opts){.own = true}), "at least 3 dims");
    wk_ctx_free(c);
}
