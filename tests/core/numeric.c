/* Combining, splitting, differentiating and convolving, against values from NumPy, PyTorch and formulas. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static void expect(wk_ctx *c, wk_tensor x, int64_t n, const double *want)
{
    double got[64];
    cr_assert_eq(wk_count(x), n, "%lld values: %s", (long long)wk_count(x), wk_ctx_message(c));
    cr_assert_eq(wk_read(c, wk_cast(c, x, WK_f64), got), WK_OK, "%s", wk_ctx_message(c));
    for (int64_t i = 0; i < n; i++)
        cr_assert(isnan(want[i]) ? isnan(got[i]) : fabs(got[i] - want[i]) <= 1e-13 * (1 + fabs(want[i])),
                  "value %lld: %g, not %g", (long long)i, got[i], want[i]);
}
static wk_tensor list(wk_ctx *c, int64_t n, const double *v)
{
    return wk_make(c, v, WK_f64, WK_SHAPE(n));
}
#define LIST(...)                                                                                            \
    list(c, (int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})
#define EXPECT(x, ...)                                                                                       \
    expect(c, x, (int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})
#define REFUSED(call, text)                                                                                  \
    cr_assert(call &&strstr(wk_ctx_message(c), text), "%s: %s", #call, wk_ctx_message(c));                   \
    wk_ctx_clear(c)

Test(combining, one_hot)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, (int64_t[]){2, 0}, WK_i64, WK_SHAPE(2));
    EXPECT(wk_one_hot(c, x, -1), 0, 0, 1, 1, 0, 0);
    EXPECT(wk_one_hot(c, x, 4), 0, 0, 1, 0, 1, 0, 0, 0);
    cr_assert_eq(wk_one_hot(c, x, 4)->dtype, WK_i64);
    EXPECT(wk_one_hot(c, wk_select(c, x, 0, 0), 3), 0, 0, 1);
    cr_assert_eq(wk_one_hot(c, wk_zeros(c, WK_i64, WK_SHAPE(0)), 3)->shape[1], 3);
    REFUSED(wk_is_none(wk_one_hot(c, x, 2)), "one_hot: classes from 0 to 2, there are 2");
    REFUSED(wk_is_none(wk_one_hot(c, wk_neg(c, x), -1)), "one_hot: classes from -2 to 0");
    REFUSED(wk_is_none(wk_one_hot(c, wk_cast(c, x, WK_i32), -1)), "one_hot: classes of i32");
    REFUSED(wk_is_none(wk_one_hot(c, wk_zeros(c, WK_i64, WK_SHAPE(0)), -1)), "one_hot: -1 classes for [0]");
    wk_ctx_free(c);
}

Test(combining, products_and_combinations)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x[] = {LIST(1, 2), LIST(3, 4, 5)};
    EXPECT(wk_cartesian_prod(c, 2, x), 1, 3, 1, 4, 1, 5, 2, 3, 2, 4, 2, 5);
    EXPECT(wk_cartesian_prod(c, 1, x), 1, 2);
    EXPECT(wk_combinations(c, x[1], 2, false), 3, 4, 3, 5, 4, 5);
    EXPECT(wk_combinations(c, x[0], 3, true), 1, 1, 1, 1, 1, 2, 1, 2, 2, 2, 2, 2);
    cr_assert_eq(wk_combinations(c, x[1], 4, false)->shape[1], 4);
    cr_assert_eq(wk_count(wk_combinations(c, x[1], 0, false)), 0);
    cr_assert_eq(wk_count(wk_combinations(c, wk_zeros(c, WK_f32, WK_SHAPE(0)), 2, true)), 0);
    cr_assert_eq(wk_combinations(c, wk_arange(c, 0, 20, 1, WK_i32), 6, false)->shape[0], 38760);
    REFUSED(wk_is_none(wk_combinations(c, x[0], -1, false)), "combinations: of -1");
    REFUSED(wk_is_none(wk_combinations(c, wk_arange(c, 0, 200, 1, WK_i32), 100, false)), "too many of 100");
    REFUSED(wk_is_none(wk_cartesian_prod(c, 0, x)), "of 0 tensors");
    REFUSED(wk_is_none(wk_cartesian_prod(c, 2, (wk_tensor[]){x[0], wk_arange(c, 0, 2, 1, WK_i32)})),
            "f64 and i32");
    wk_ctx_free(c);
}

Test(combining, broadcast_tensors)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x[] = {wk_reshape(c, LIST(1, 2), WK_SHAPE(2, 1)), LIST(3, 4, 5), wk_scalar(c, 6)};
    wk_tensor       y[3];
    wk_broadcast_tensors(c, 3, x, y);
    EXPECT(y[0], 1, 1, 1, 2, 2, 2);
    EXPECT(y[1], 3, 4, 5, 3, 4, 5);
    EXPECT(y[2], 6, 6, 6, 6, 6, 6);
    wk_broadcast_tensors(c, 2, (wk_tensor[]){LIST(1, 2), x[1]}, y);
    REFUSED(wk_is_none(y[0]) && wk_is_none(y[1]), "broadcast_tensors: tensor 1, [3]");
    wk_ctx_free(c);
}

Test(combining, sides)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_reshape(c, wk_arange(c, 0, 8, 1, WK_f64), WK_SHAPE(2, 4));
    wk_tensor       y[4];
    cr_assert_eq(wk_hsplit(c, x, 2, y, 4), 2);
    EXPECT(y[1], 2, 3, 6, 7);
    cr_assert_eq(wk_vsplit(c, x, 2, y, 4), 2);
    EXPECT(y[1], 4, 5, 6, 7);
    cr_assert_eq(wk_dsplit(c, wk_unsqueeze(c, x, 0), 4, y, 4), 4);
    EXPECT(y[3], 3, 7);
    cr_assert_eq(wk_hsplit(c, LIST(1, 2, 3, 4), 2, y, 4), 2);
    EXPECT(y[0], 1, 2);
    cr_assert_eq(wk_hsplit_at(c, x, 2, (int64_t[]){1, 3}, y, 4), 3);
    EXPECT(y[1], 1, 2, 5, 6);
    cr_assert_eq(wk_vsplit_at(c, x, 1, (int64_t[]){1}, y, 4), 2);
    EXPECT(y[0], 0, 1, 2, 3);
    cr_assert_eq(wk_dsplit_at(c, wk_unsqueeze(c, x, 0), 1, (int64_t[]){3}, y, 4), 2);
    EXPECT(y[1], 3, 7);
    EXPECT(wk_fliplr(c, x), 3, 2, 1, 0, 7, 6, 5, 4);
    EXPECT(wk_flipud(c, x), 4, 5, 6, 7, 0, 1, 2, 3);
    EXPECT(wk_argwhere(c, wk_gt(c, x, wk_scalar(c, 5))), 1, 2, 1, 3);
    REFUSED(wk_hsplit(c, x, 3, y, 4) == 0, "hsplit: 4 values into 3 equal");
    REFUSED(wk_vsplit(c, LIST(1, 2), 2, y, 4) == 0, "vsplit: [2], at least 2 dims");
    REFUSED(wk_dsplit(c, x, 2, y, 4) == 0, "dsplit: [2, 4], at least 3 dims");
    REFUSED(wk_vsplit(c, x, 0, y, 4) == 0, "vsplit: 2 values into 0");
    REFUSED(wk_is_none(wk_fliplr(c, LIST(1, 2))), "fliplr: [2]");
    REFUSED(wk_is_none(wk_flipud(c, wk_scalar(c, 2))), "flipud: []");
    wk_ctx_free(c);
}

Test(combining, searching_by_an_order)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = LIST(30, 10, 20), order = wk_argsort(c, x, 0, false);
    EXPECT(wk_searchsorted_by(c, x, order, LIST(5, 10, 25, 40), false), 0, 0, 2, 3);
    EXPECT(wk_searchsorted_by(c, x, order, LIST(5, 10, 25, 40), true), 0, 1, 2, 3);
    REFUSED(wk_is_none(wk_searchsorted_by(c, x, wk_narrow(c, order, 0, 0, 2), x, true)),
            "sorter [2] for [3]");
    const wk_tensor far = wk_add(c, order, wk_scalar_int(c, 1));
    REFUSED(wk_is_none(wk_searchsorted_by(c, x, far, x, true)), "3");
    wk_ctx_free(c);
}

/* Second-order formulas are exact for parabolas; first-order ends see the chord. */
Test(numeric, gradient)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const double    t[] = {0, 0.5, 2, 2.25, 4};
    const wk_tensor at = list(c, 5, t), y = wk_square(c, at),
                    even = wk_square(c, wk_arange(c, 0, 5, 1, WK_f64));
    wk_tensor g[2];
    cr_assert_eq(wk_gradient(c, even, WK_ALL_DIMS, 0, NULL, 2, g), 1);
    EXPECT(g[0], 0, 2, 4, 6, 8);
    cr_assert_eq(wk_gradient(c, even, WK_ALL_DIMS, 1, (double[]){0.5}, 1, g), 1);
    EXPECT(g[0], 2, 4, 8, 12, 14);
    cr_assert_eq(wk_gradient_at(c, y, WK_ALL_DIMS, &at, 2, g), 1);
    EXPECT(g[0], 0, 1, 4, 4.5, 8);
    cr_assert_eq(wk_gradient_at(c, y, WK_ALL_DIMS, &at, 1, g), 1);
    EXPECT(g[0], 0.5, 1, 4, 4.5, 6.25);
    const wk_tensor both = wk_outer(c, LIST(1, 2, 4), LIST(0, 1)); /* integers give f32 */
    cr_assert_eq(wk_gradient(c, wk_cast(c, both, WK_i32), WK_ALL_DIMS, 2, (double[]){1, 0.5}, 1, g), 2);
    EXPECT(g[0], 0, 1, 0, 1.5, 0, 2);
    EXPECT(g[1], 2, 2, 4, 4, 8, 8);
    cr_assert_eq(g[1]->dtype, WK_f32);
    cr_assert_eq(wk_gradient(c, both, WK_DIMS(-1), 0, NULL, 1, g), 1);
    EXPECT(g[0], 1, 1, 2, 2, 4, 4);
    REFUSED(wk_gradient(c, even, WK_ALL_DIMS, 0, NULL, 3, g) == 0, "edge_order 3");
    REFUSED(wk_gradient(c, both, WK_ALL_DIMS, 0, NULL, 2, g) == 0, "2 values along dim 1, at least 3");
    REFUSED(wk_gradient(c, both, WK_DIMS(0, -2), 0, NULL, 1, g) == 0, "dim 0 twice");
    REFUSED(wk_gradient(c, both, WK_ALL_DIMS, 3, t, 1, g) == 0, "3 spacings for 2 dims");
    REFUSED(wk_gradient_at(c, both, WK_DIMS(0), &at, 1, g) == 0, "places [5] of [3, 2]");
    wk_ctx_free(c);
}

Test(numeric, interp)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor xp = LIST(1, 2, 4), fp = LIST(10, 20, -10), x = LIST(0, 1, 1.5, 2, 3, 4, 5, NAN);
    EXPECT(wk_interp(c, x, xp, fp, (wk_interp_opts){0}), 10, 10, 15, 20, 5, -10, -10, NAN);
    EXPECT(wk_interp(c, x, xp, fp,
                     (wk_interp_opts){.has_left = true, .left = -1, .has_right = true, .right = (double)NAN}),
           -1, 10, 15, 20, 5, -10, NAN, NAN);
    EXPECT(wk_interp(c, LIST(0, 1, 2), LIST(1), LIST(7), (wk_interp_opts){.has_left = true, .left = 3}), 3, 7,
           7);
    /* the example of a period in numpy.interp's documentation */
    EXPECT(wk_interp(c, LIST(-180, -170, -185, 185, -10, -5, 0, 365), LIST(190, -190, 350, -350),
                     LIST(5, 10, 3, 4), (wk_interp_opts){.period = 360}),
           7.5, 5, 8.75, 6.25, 3, 3.25, 3.5, 3.75);
    REFUSED(wk_is_none(wk_interp(c, x, xp, x, (wk_interp_opts){0})), "interp: points [3] and [8]");
    REFUSED(wk_is_none(wk_interp(c, x, xp, fp, (wk_interp_opts){.period = -1})), "interp: period -1");
    wk_ctx_free(c);
}

Test(numeric, convolve)
{
    static const wk_dtype types[] = {WK_f64, WK_f32, WK_bf16, WK_i64, WK_u8};
    wk_ctx               *c = wk_ctx_new("cpu");
    for (int i = 0; i < 5; i++) {
        const wk_tensor a = wk_cast(c, LIST(1, 2, 3, 4), types[i]), b = wk_cast(c, LIST(0, 1, 2), types[i]);
        for (int swap = 0; swap < 2; swap++) {
            const wk_tensor p = swap ? b : a, q = swap ? a : b;
            EXPECT(wk_convolve(c, p, q, WK_CONVOLVE_FULL), 0, 1, 4, 7, 10, 8);
            EXPECT(wk_convolve(c, p, q, WK_CONVOLVE_SAME), 1, 4, 7, 10);
            EXPECT(wk_convolve(c, p, q, WK_CONVOLVE_VALID), 4, 7);
        }
        EXPECT(wk_convolve(c, a, wk_narrow(c, b, 0, 1, 2), WK_CONVOLVE_SAME), 1, 4, 7, 10);
        EXPECT(wk_convolve(c, a, wk_narrow(c, b, 0, 2, 1), WK_CONVOLVE_FULL), 2, 4, 6, 8);
        cr_assert_eq(wk_convolve(c, a, b, WK_CONVOLVE_FULL)->dtype, types[i]);
    }
    const wk_tensor none = wk_zeros(c, WK_f32, WK_SHAPE(0));
    REFUSED(wk_is_none(wk_convolve(c, none, LIST(1), WK_CONVOLVE_FULL)), "convolve: [0] and [1]");
    REFUSED(wk_is_none(wk_convolve(c, LIST(1), LIST(1), (wk_convolve_mode)3)), "convolve: mode 3");
    wk_ctx_free(c);
}

Test(numeric, moments_without_nan)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_reshape(c, LIST(1, NAN, 4, NAN, 3, NAN, 2, 2, 8), WK_SHAPE(3, 3));
    EXPECT(wk_nanvar(c, x, WK_DIMS(1), 0, false), 2.25, 0, 8);
    EXPECT(wk_nanvar(c, x, WK_DIMS(-1), 1, true), 4.5, NAN, 12);
    EXPECT(wk_nanstd(c, x, WK_DIMS(0), 0, false), 0.5, 0.5, 2);
    EXPECT(wk_nanstd(c, wk_cast(c, x, WK_bf16), WK_DIMS(1), 0, false), 1.5, 0, 2.828125);
    REFUSED(wk_is_none(wk_nanvar(c, wk_zeros(c, WK_i32, WK_SHAPE(2)), WK_ALL_DIMS, 0, false)), "nanvar: i32");
    wk_ctx_free(c);
}

static void every(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    wk_tensor g[2];
    wk_gradient(c, x[0], WK_ALL_DIMS, 0, NULL, 2, &y[0]);
    wk_gradient_at(c, x[0], WK_ALL_DIMS, &x[1], 2, &y[1]);
    y[2] = wk_interp(c, wk_tanh(c, x[0]), x[1], wk_sin(c, x[0]), (wk_interp_opts){0});
    y[3] = wk_convolve(c, x[0], wk_narrow(c, x[1], 0, 1, 2), WK_CONVOLVE_SAME);
    y[4] =
        wk_nanvar(c, wk_div(c, x[0], wk_relu(c, wk_sub(c, wk_ceil(c, wk_detach(c, x[1])), wk_scalar(c, -2)))),
                  WK_ALL_DIMS, 1, false);
    y[5] = wk_cartesian_prod(c, 2, x);
    y[6] = wk_combinations(c, x[0], 2, false);
    y[7] =
        (wk_broadcast_tensors(c, 2, (wk_tensor[]){wk_unsqueeze(c, x[0], 1), x[1]}, g), wk_mul(c, g[0], g[1]));
}

Test(numeric, gradients)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x[] = {LIST(0.3, -1.2, 0.8, 0.1), LIST(-1.5, -0.5, 0.25, 1.5)};
    cr_assert_eq(wk_gradcheck(c, every, NULL, 2, x, (wk_gradcheck_opts){.n_out = 8}), WK_OK, "%s",
                 wk_ctx_message(c));
    wk_ctx_free(c);
}
