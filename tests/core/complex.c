/* Complex arithmetic against C's own, and its gradients against differences. */
#include "core/wick.h"

#include <complex.h>
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { N = 6 };
static const double A[2 * N] = {1, 2, -0.5, 0.25, 3, -1, 0, 1.5, -2, -2, 0.75, 0};
static const double B[2 * N] = {0.5, -1, 2, 2, -1, 0.125, 0.25, 0.75, -3, 1, 0, -2};

static double complex of(const double *v, int i)
{
    return v[2 * i] + v[2 * i + 1] * I;
}
static wk_tensor made(wk_ctx *c, const double *v)
{
    return wk_make(c, v, WK_f64, WK_SHAPE(N, 2));
}
static void expect(wk_ctx *c, wk_tensor x, int i, double complex want)
{
    double got[2 * N];
    cr_assert_eq(wk_read(c, x, got), WK_OK, "%s", wk_ctx_message(c));
    cr_assert(cabs(of(got, i) - want) < 1e-14 * (1 + cabs(want)), "%d: %g %g", i, got[2 * i], got[2 * i + 1]);
}

Test(pairs, values)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor a = made(c, A), b = made(c, B);
    double          abs[N], angle[N], re[N], im[N];
    wk_read(c, wk_complex_abs(c, a), abs);
    wk_read(c, wk_complex_angle(c, a), angle);
    wk_read(c, wk_real(c, a), re);
    wk_read(c, wk_imag(c, a), im);
    const wk_tensor back = wk_polar(c, wk_complex_abs(c, a), wk_complex_angle(c, a));
    for (int i = 0; i < N; i++) {
        const double complex x = of(A, i), y = of(B, i);
        expect(c, wk_complex_mul(c, a, b), i, x * y);
        expect(c, wk_complex_div(c, a, b), i, x / y);
        expect(c, wk_conj(c, a), i, conj(x));
        expect(c, wk_complex_exp(c, a), i, cexp(x));
        expect(c, wk_complex_sgn(c, a), i, x / cabs(x));
        expect(c, back, i, x);
        cr_assert(re[i] == creal(x) && im[i] == cimag(x));
        cr_assert(fabs(abs[i] - cabs(x)) < 1e-15 && fabs(angle[i] - carg(x)) < 1e-15);
    }
    /* one operand of a single value, and products of [2, 3] and [3, 1] */
    expect(c, wk_complex_mul(c, a, wk_narrow(c, b, 0, 1, 1)), 2, of(A, 2) * of(B, 1));
    const wk_tensor m = wk_complex_matmul(c, wk_reshape(c, a, WK_SHAPE(2, 3, 2)),
                                          wk_reshape(c, wk_narrow(c, b, 0, 0, 3), WK_SHAPE(3, 1, 2)));
    cr_assert(m->ndim == 3 && m->shape[0] == 2 && m->shape[1] == 1);
    for (int i = 0; i < 2; i++) {
        double complex sum = 0;
        for (int k = 0; k < 3; k++) sum += of(A, 3 * i + k) * of(B, k);
        expect(c, wk_reshape(c, m, WK_SHAPE(2, 2)), i, sum);
    }
    wk_ctx_free(c);
}

Test(pairs, far_out_and_at_zero)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor big = wk_full(c, 1e300, WK_f64, WK_SHAPE(1, 2)),
                    low = wk_full(c, 1e-300, WK_f64, WK_SHAPE(1, 2));
    expect(c, wk_complex_div(c, big, big), 0, 1);
    expect(c, wk_complex_div(c, low, low), 0, 1);
    cr_assert_float_eq(wk_item(c, wk_complex_abs(c, big)) / 1e300, sqrt(2.0), 1e-15);
    wk_tape_begin(c);
    const wk_tensor zero = wk_track(c, wk_zeros(c, WK_f64, WK_SHAPE(1, 2)));
    const wk_tensor y = wk_add(c, wk_complex_abs(c, zero), wk_complex_angle(c, zero));
    wk_backward(c, wk_reshape(c, y, WK_SCALAR_SHAPE));
    expect(c, wk_grad(c, zero), 0, 0);
    expect(c, wk_complex_sgn(c, zero), 0, 0);
    wk_tape_end(c);
    wk_ctx_free(c);
}

static void every(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    y[0] = wk_complex_mul(c, x[0], x[1]);
    y[1] = wk_complex_div(c, x[0], x[1]);
    y[2] = wk_complex_exp(c, wk_conj(c, x[0]));
    y[3] = wk_complex_abs(c, x[0]);
    y[4] = wk_complex_angle(c, x[1]);
    y[5] = wk_complex_sgn(c, x[0]);
    y[6] = wk_polar(c, wk_real(c, x[0]), wk_imag(c, x[1]));
    y[7] =
        wk_complex_matmul(c, wk_reshape(c, x[0], WK_SHAPE(2, 3, 2)), wk_reshape(c, x[1], WK_SHAPE(3, 2, 2)));
}

Test(pairs, gradients)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x[] = {made(c, A), made(c, B)};
    cr_assert_eq(wk_gradcheck(c, every, NULL, 2, x, (wk_gradcheck_opts){.n_out = 8}), WK_OK, "%s",
                 wk_ctx_message(c));
    cr_assert_eq(wk_gradgradcheck(c, every, NULL, 2, x, (wk_gradcheck_opts){.n_out = 8}), WK_OK, "%s",
                 wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(pairs, refuses_what_does_not_fit)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor a = made(c, A), x = wk_zeros(c, WK_f64, WK_SHAPE(3)),
                    n = wk_zeros(c, WK_i32, WK_SHAPE(2));
#define REFUSED(call, text)                                                                                  \
    cr_assert(wk_is_none(call) && strstr(wk_ctx_message(c), text), "%s: %s", #call, wk_ctx_message(c));      \
    wk_ctx_clear(c)
    REFUSED(wk_complex_mul(c, a, x), "complex_mul: [3], complex values");
    REFUSED(wk_real(c, WK_NONE), "real: [0]");
    REFUSED(wk_conj(c, n), "conj: i32");
    REFUSED(wk_complex_div(c, a, wk_narrow(c, a, 0, 0, 2)),
            "complex_div: [6, 2] and [2, 2] do not broadcast");
    REFUSED(wk_polar(c, x, n), "polar: f64 and i32");
    REFUSED(wk_polar(c, x, wk_zeros(c, WK_f64, WK_SHAPE(2))), "polar: [3] and [2]");
    wk_ctx_free(c);
}
