/* f32 results of the special functions lie within 2 ulp of the exact ones: of mpmath's at some ten thousand
 * points; and over all of f32's range, where f64 results, compared with both, stand for the exact ones. */
#include "nn/nn.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define STEP 524309 /* of the bit patterns */
#define MOST (4294967296 / STEP + 2)

/* In units in the last place of f32 at the exact value. */
static double error_of(double got, double exact)
{
    if (isnan(got) && isnan(exact)) return 0;
    if (isnan(got) || isnan(exact)) return (double)INFINITY;
    const double top = ldexp(1, 128); /* where f32 rounds to infinity, one beyond the largest */
    const double a = fabs(got) > top ? copysign(top, got) : got;
    const double b = fabs(exact) > top ? copysign(top, exact) : exact;
    int          e;
    frexp(b, &e);
    return fabs(a - b) / ldexp(1, (e < -125 ? -125 : e) - 24);
}

Test(ulp, special_functions_are_within_two)
{
#define FN(name)                                                                                             \
    {                                                                                                        \
#name, wk_##name                                                                                     \
    }
    static const struct {
        const char *name;
        wk_tensor (*run)(wk_ctx *, wk_tensor);
    } rows[] = {FN(exp),   FN(exp2),   FN(expm1), FN(log),    FN(log2),    FN(log10),  FN(log1p),    FN(sqrt),
                FN(rsqrt), FN(cbrt),   FN(sin),   FN(cos),    FN(tan),     FN(asin),   FN(acos),     FN(atan),
                FN(sinh),  FN(cosh),   FN(tanh),  FN(asinh),  FN(acosh),   FN(atanh),  FN(erf),      FN(erfc),
                FN(erfcx), FN(sinc),   FN(i0),    FN(i0e),    FN(i1),      FN(i1e),    FN(log_ndtr), FN(ndtr),
                FN(ndtri), FN(erfinv), FN(entr),  FN(lgamma), FN(digamma), FN(sigmoid)};
    static float  values[MOST], got[MOST];
    static double exact[MOST];
    int64_t       n = 0;
    for (int64_t bits = 0; bits < 4294967296; bits += STEP) {
        const uint32_t word = (uint32_t)bits;
        memcpy(&values[n], &word, sizeof word);
        n += values[n] == values[n];
    }
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, values, WK_f32, WK_SHAPE(n)), wide = wk_cast(c, x, WK_f64);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wk_read(c, rows[i].run(c, x), got);
        cr_assert_eq(wk_read(c, rows[i].run(c, wide), exact), WK_OK, "%s: %s", rows[i].name,
                     wk_ctx_message(c));
        for (int64_t k = 0; k < n; k++) {
            const double error = error_of((double)got[k], exact[k]);
            cr_assert(error <= 2.01, "%s(%.9g) is %.9g, exact is %.17g: off by %.2f ulp", rows[i].name,
                      (double)values[k], (double)got[k], exact[k], error);
        }
    }
    wk_ctx_free(c);
}

/* polygamma of an order, or a function of unary.def without parameters. */
#define WK_UNARY(name, y, dy)         {#name, wk_##name},
#define WK_UNARY_ANY(name, y, dy, iy) WK_UNARY(name, y, dy)
#define WK_UNARY_P(name, y, dy)
#define WK_UNARY_P_ANY(name, y, dy, iy)
#define WK_UNARY_TEST(name, y)
static wk_tensor called(wk_ctx *c, const char *name, wk_tensor x)
{
    static const struct {
        const char *name;
        wk_tensor (*run)(wk_ctx *, wk_tensor);
    } all[] = {
#include "core/unary.def"
    };
    if (!strncmp(name, "polygamma", 9)) return wk_polygamma(c, x, name[9] - '0', 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, name)) return all[i].run(c, x);
    return WK_NONE;
}

Test(ulp, special_functions_agree_with_mpmath)
{
    static float  values[320], got[320];
    static double exact[320], wide[320];
    wk_ctx       *c = wk_ctx_new("cpu");
    wk_files     *f = wk_files_open(c, WK_SOURCE_DIR "/tests/golden/ops/special.safetensors");
    int           functions = 0;
    cr_assert_not_null(f, "%s", wk_ctx_message(c));
    for (int64_t i = 0; i < wk_files_count(f); i++) {
        char name[40], y[44];
        snprintf(name, sizeof name, "%s", wk_files_at(f, i).name);
        if (strcmp(name + strlen(name) - 2, ".x") != 0) continue;
        name[strlen(name) - 2] = '\0';
        snprintf(y, sizeof y, "%s.y", name);
        const wk_tensor x = wk_files_tensor(c, f, wk_files_at(f, i).name), want = wk_files_tensor(c, f, y);
        const int64_t   n = wk_count(x);
        cr_assert(n > 180 && n <= 320 && n == wk_count(want), "%s: %lld points", name, (long long)n);
        wk_read(c, x, values);
        wk_read(c, want, exact);
        wk_read(c, called(c, name, x), got);
        cr_assert_eq(wk_read(c, called(c, name, wk_cast(c, x, WK_f64)), wide), WK_OK, "%s: %s", name,
                     wk_ctx_message(c));
        for (int64_t k = 0; k < n; k++) {
            const double error = error_of((double)got[k], exact[k]);
            cr_expect(error <= 2, "%s(%.9g) is %.9g, exact is %.17g: off by %.2f ulp", name,
                      (double)values[k], (double)got[k], exact[k], error);
            /* may stand for the exact one in the sweep above; least so where digamma is zero */
            cr_expect(error_of(wide[k], exact[k]) <= 0.5, "%s(%.9g) is %.17g in f64, exact is %.17g", name,
                      (double)values[k], wide[k], exact[k]);
        }
        functions++;
    }
    cr_assert_eq(functions, 45);
    wk_files_close(f);
    wk_ctx_free(c);
}

static void agree(wk_ctx *c, const char *name, wk_tensor (*run)(wk_ctx *, wk_tensor), int n,
                  const uint32_t (*points)[2])
{
    for (int i = 0; i < n; i++) {
        float x, want, got;
        memcpy(&x, &points[i][0], sizeof x);
        memcpy(&want, &points[i][1], sizeof want);
        cr_assert_eq(wk_read(c, run(c, wk_make(c, &x, WK_f32, WK_SHAPE(1))), &got), WK_OK);
        cr_assert(got == want || error_of((double)got, (double)want) <= 2, "%s(%.9g) is %.9g, NumPy has %.9g",
                  name, (double)x, (double)got, (double)want);
    }
}

Test(ulp, agrees_with_numpys_validation_sets)
{
    wk_ctx *c = wk_ctx_new("cpu");
#define UMATH(name, ...)                                                                                     \
    {                                                                                                        \
        static const uint32_t points[][2] = {__VA_ARGS__};                                                   \
        agree(c, #name, wk_##name, (int)(sizeof points / sizeof *points), points);                           \
    }
#include "tests/golden/ops/umath.inc"
    wk_ctx_free(c);
}

/* Of any bits: vectors and what is left over after them give the same. */
Test(ulp, a_value_is_the_same_wherever_it_lies)
{
    enum { N = 4003 };
    static const struct {
        const char *name;
        wk_tensor (*run)(wk_ctx *, wk_tensor);
    } ops[] = {{"exp", wk_exp}, {"exp2", wk_exp2}, {"expm1", wk_expm1}, {"log", wk_log}, {"tanh", wk_tanh}};
    wk_ctx      *c = wk_ctx_new("cpu");
    static float x[N], all[N];
    uint32_t     bits = 1;
    for (int i = 0; i < N; i++) {
        bits = bits * 1664525u + 1013904223u;
        memcpy(&x[i], &bits, sizeof bits);
        if (i % 3 == 0) x[i] = (float)(int32_t)bits * 0x1p-31f * 110;
    }
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++) {
        cr_assert_eq(wk_read(c, ops[o].run(c, wk_make(c, x, WK_f32, WK_SHAPE(N))), all), WK_OK);
        for (int i = 0; i < N; i++) {
            const wk_scope s = wk_scope_begin(c);
            float          one;
            cr_assert_eq(wk_read(c, ops[o].run(c, wk_make(c, &x[i], WK_f32, WK_SHAPE(1))), &one), WK_OK);
            cr_assert(memcmp(&one, &all[i], sizeof one) == 0 || (isnan(one) && isnan(all[i])),
                      "%s(%a) is %a alone and %a among others", ops[o].name, (double)x[i], (double)one,
                      (double)all[i]);
            wk_scope_end(c, s, WK_NONE);
        }
    }
    wk_ctx_free(c);
}
