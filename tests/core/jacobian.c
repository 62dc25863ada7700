/* Jacobians, Hessians and products with them, against formulas. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* y[i] = sin(x[i]) (x[0] + x[1] + x[2]) */
static wk_tensor waves(wk_ctx *c, void *arg, wk_tensor x)
{
    (void)arg;
    return wk_mul(c, wk_sin(c, x), wk_sum(c, x, WK_ALL_DIMS, false));
}
/* x[0] x[1]^2 + exp(x[2]) */
static wk_tensor mixed(wk_ctx *c, void *arg, wk_tensor x)
{
    (void)arg;
    const wk_tensor a = wk_select(c, x, 0, 0), b = wk_select(c, x, 0, 1),
                    e = wk_exp(c, wk_select(c, x, 0, 2));
    return wk_add(c, wk_mul(c, a, wk_square(c, b)), e);
}
static wk_tensor constant(wk_ctx *c, void *arg, wk_tensor x)
{
    (void)x;
    return wk_ones(c, WK_f64, *(wk_shape *)arg);
}
static wk_tensor plain_sum(wk_ctx *c, void *arg, wk_tensor x)
{
    (void)arg;
    return wk_sum(c, x, WK_ALL_DIMS, false);
}
static wk_tensor places(wk_ctx *c, void *arg, wk_tensor x)
{
    (void)arg;
    return wk_argsort(c, x, 0, false);
}

static const double X[3] = {0.5, -1, 2};
static void         expect(wk_ctx *c, wk_tensor x, int64_t n, const double *want)
{
    double got[16];
    cr_assert(wk_count(x) == n && x->node == 0, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_read(c, x, got), WK_OK, "%s", wk_ctx_message(c));
    for (int64_t i = 0; i < n; i++)
        cr_assert(fabs(got[i] - want[i]) < 1e-13, "%lld: %g, not %g", (long long)i, got[i], want[i]);
}

Test(jacobian, of_vectors)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, X, WK_f64, WK_SHAPE(3)),
                    v = wk_make(c, (double[]){1, -2, 3}, WK_f64, WK_SHAPE(3));
    const double sum = 1.5, along[] = {1, -2, 3};
    double       j[9], jv[3] = {0}, vj[3] = {0}, value[3];
    for (int i = 0; i < 3; i++) {
        value[i] = sin(X[i]) * sum;
        for (int k = 0; k < 3; k++) {
            j[3 * i + k] = sin(X[i]) + (i == k) * cos(X[i]) * sum;
            jv[i] += j[3 * i + k] * along[k];
            vj[k] += j[3 * i + k] * along[i];
        }
    }
    wk_tensor       y;
    const wk_tensor all = wk_jacobian(c, waves, NULL, x);
    cr_assert(all->ndim == 2 && all->shape[0] == 3);
    expect(c, all, 9, j);
    expect(c, wk_jvp(c, waves, NULL, x, v, &y), 3, jv);
    expect(c, y, 3, value);
    expect(c, wk_vjp(c, waves, NULL, x, v, &y), 3, vj);
    expect(c, y, 3, value);
    expect(c, wk_jacobian(c, mixed, NULL, x), 3, (double[]){1, -1, exp(2)});
    wk_ctx_free(c);
}

Test(jacobian, hessian)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, X, WK_f64, WK_SHAPE(3));
    expect(c, wk_hessian(c, mixed, NULL, x), 9, (double[]){0, -2, 0, -2, 1, 0, 0, 0, exp(2)});
    expect(c, wk_hessian(c, plain_sum, NULL, x), 9, (double[9]){0});
    wk_ctx_free(c);
}

Test(jacobian, of_what_x_has_no_say_in)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    wk_shape        two = WK_SHAPE(2), one = WK_SCALAR_SHAPE;
    const wk_tensor x = wk_make(c, X, WK_f64, WK_SHAPE(3));
    expect(c, wk_jacobian(c, constant, &two, x), 6, (double[6]){0});
    expect(c, wk_hessian(c, constant, &one, x), 9, (double[9]){0});
    expect(c, wk_jvp(c, constant, &two, x, x, NULL), 2, (double[2]){0});
    expect(c, wk_vjp(c, constant, &two, x, wk_ones(c, WK_f64, two), NULL), 3, (double[3]){0});
    wk_ctx_free(c);
}

Test(jacobian, refuses_what_does_not_fit)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, X, WK_f64, WK_SHAPE(3)), n = wk_ones(c, WK_i64, WK_SHAPE(3));
#define REFUSED(call, text)                                                                                  \
    cr_assert(wk_is_none(call) && strstr(wk_ctx_message(c), text), "%s: %s", #call, wk_ctx_message(c));      \
    wk_ctx_clear(c)
    REFUSED(wk_jacobian(c, waves, NULL, n), "jacobian: by i64");
    REFUSED(wk_jacobian(c, places, NULL, x), "jacobian: the function gave i64");
    REFUSED(wk_hessian(c, waves, NULL, x), "hessian: the function gave [3]");
    REFUSED(wk_jvp(c, waves, NULL, x, wk_scalar(c, 1), NULL), "jvp: a direction []");
    REFUSED(wk_vjp(c, mixed, NULL, x, x, NULL), "vjp: a direction [3], wanted is []");
    REFUSED(wk_jacobian(c, waves, NULL, wk_ones(c, WK_f64, WK_SHAPE(1, 1, 1, 1, 1))), "at most 8 dims");
    wk_ctx_free(c);
}
