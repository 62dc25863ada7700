/* First values of parameters: their statistics and properties. */
#include "nn/nn.h"

#include <criterion/criterion.h>
#include <math.h>

static double mean(wk_ctx *c, wk_tensor x)
{
    return wk_item(c, wk_mean(c, x, WK_ALL_DIMS, false));
}

static double deviation(wk_ctx *c, wk_tensor x)
{
    return wk_item(c, wk_std(c, x, WK_ALL_DIMS, 1, false));
}

static double largest(wk_ctx *c, wk_tensor x)
{
    return wk_item(c, wk_amax(c, wk_abs(c, x), WK_ALL_DIMS, false));
}

Test(init, deviations)
{
    const double relu = sqrt(2), in = 50 * 9, out = 200 * 9;
    const struct {
        wk_init how;
        double  mean, deviation, most; /* most 0: any */
    } rows[] = {
        {{.kind = WK_INIT_UNIFORM, .a = -1, .b = 3}, 1, 4 / sqrt(12), 3},
        {{.kind = WK_INIT_NORMAL, .a = 2, .b = 0.5}, 2, 0.5, 0},
        /* a normal cut at one deviation has the variance 1 - 2 phi(1) / (2 Phi(1) - 1) */
        {{.kind = WK_INIT_TRUNCATED_NORMAL, .b = 1, .low = -1, .high = 1}, 0, 0.53956, 1},
        {{.kind = WK_INIT_XAVIER_UNIFORM}, 0, sqrt(2 / (in + out)), sqrt(6 / (in + out))},
        {{.kind = WK_INIT_XAVIER_NORMAL, .a = 5.0 / 3}, 0, 5.0 / 3 * sqrt(2 / (in + out)), 0},
        {{.kind = WK_INIT_KAIMING_UNIFORM}, 0, relu / sqrt(in), relu * sqrt(3 / in)},
        {{.kind = WK_INIT_KAIMING_NORMAL, .fan_out = true}, 0, relu / sqrt(out), 0},
        {{.kind = WK_INIT_FULL, .a = 7}, 7, 0, 7},
    };
    wk_ctx *c = wk_ctx_new("cpu");
    wk_seed(c, 5);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wk_tensor    x = wk_initial(c, WK_f32, WK_SHAPE(200, 50, 3, 3), rows[i].how);
        const double d = rows[i].deviation;
        cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
        cr_assert(fabs(mean(c, x) - rows[i].mean) <= 5 * d / 300, "row %zu: mean %g", i, mean(c, x));
        cr_assert(fabs(deviation(c, x) - d) <= 0.02 * d, "row %zu: deviation %g, not %g", i, deviation(c, x),
                  d);
        if (rows[i].most > 0)
            cr_assert(largest(c, x) <= rows[i].most * 1.000001 && largest(c, x) > 0.99 * rows[i].most);
    }
    cr_assert(wk_is_none(wk_initial(c, WK_f32, WK_SHAPE(3), (wk_init){.kind = WK_INIT_XAVIER_NORMAL})));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_free(c);
}

Test(init, orthogonal)
{
    const wk_shape shapes[] = {WK_SHAPE(8, 8), WK_SHAPE(12, 5), WK_SHAPE(5, 12), WK_SHAPE(4, 2, 3)};
    wk_ctx        *c = wk_ctx_new("cpu");
    for (int i = 0; i < 4; i++) {
        wk_tensor x = wk_initial(c, WK_f32, shapes[i], (wk_init){.kind = WK_INIT_ORTHOGONAL, .a = 2});
        x = wk_flatten(c, x, 1, -1);
        if (x->shape[0] > x->shape[1]) x = wk_transpose(c, x, 0, 1);
        wk_tensor product = wk_matmul(c, x, wk_transpose(c, x, 0, 1));
        wk_tensor wanted = wk_mul(c, wk_eye(c, x->shape[0], x->shape[0], WK_f32), wk_scalar(c, 4));
        cr_assert(wk_allclose(c, product, wanted, 1e-4, 1e-4, false), "shape %d: %s", i, wk_ctx_message(c));
    }
    wk_ctx_free(c);
}

Test(init, eye_dirac_and_sparse)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor x = wk_initial(c, WK_f32, WK_SHAPE(3, 4), (wk_init){.kind = WK_INIT_EYE});
    cr_assert(wk_equal(c, x, wk_eye(c, 3, 4, WK_f32)));
    /* a convolution by dirac hands its input on */
    wk_tensor w = wk_initial(c, WK_f32, WK_SHAPE(4, 2, 3, 3), (wk_init){.kind = WK_INIT_DIRAC, .groups = 2});
    wk_tensor y = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(1, 4, 5, 5));
    cr_assert(wk_equal(c, wk_conv2d(c, y, w, WK_NONE, (wk_conv_opts){.padding = {1, 1}, .groups = 2}), y));
    x = wk_initial(c, WK_f32, WK_SHAPE(20, 300), (wk_init){.kind = WK_INIT_SPARSE, .a = 0.31, .b = 0.01});
    wk_tensor zeros = wk_sum(c, wk_cast(c, wk_eq(c, x, wk_scalar(c, 0)), WK_i64), WK_DIMS(0), false);
    cr_assert(wk_equal(c, zeros, wk_full(c, 7, WK_i64, WK_SHAPE(300))), "7 of 20 in each column");
    cr_assert(wk_is_none(wk_initial(c, WK_f32, WK_SHAPE(2, 2, 2), (wk_init){.kind = WK_INIT_EYE})));
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}

Test(init, gains)
{
    cr_assert(fabs(wk_init_gain("relu", 0) - sqrt(2)) < 1e-12);
    cr_assert(fabs(wk_init_gain("tanh", 0) - 5.0 / 3) < 1e-12);
    cr_assert(fabs(wk_init_gain("leaky_relu", 0.5) - sqrt(2 / 1.25)) < 1e-12);
    cr_assert_eq(wk_init_gain("linear", 0), 1);
    cr_assert(isnan(wk_init_gain("nothing", 0)));
}

Test(init, linear_and_embedding_as_pytorch_or_by_deviation)
{
    wk_ctx          *c = wk_ctx_new("cpu");
    wk_params        p = wk_params_new(c, WK_f32, NULL);
    struct wk_linear l = wk_linear_load(p, "a", 400, 100, true);
    cr_assert(fabs(deviation(c, l.weight) - 0.05 / sqrt(3)) < 1e-3 && largest(c, l.weight) <= 0.05);
    cr_assert(largest(c, l.bias) <= 0.05 && largest(c, l.bias) > 0.03);
    cr_assert(fabs(deviation(c, wk_embedding_load(p, "e", 300, 30).weight) - 1) < 0.05);
    p.deviation = 0.02;
    l = wk_linear_load(p, "b", 400, 100, true);
    cr_assert(fabs(deviation(c, l.weight) - 0.02) < 1e-3 && largest(c, l.bias) == 0);
    cr_assert(fabs(deviation(c, wk_embedding_load(p, "e", 300, 30).weight) - 0.02) < 1e-3);
    wk_tensor x = wk_param_as(p, "w", WK_SHAPE(3, 3), (wk_init){.kind = WK_INIT_EYE});
    cr_assert_eq(wk_item(c, wk_sum(c, x, WK_ALL_DIMS, false)), 3);
    wk_tensor b = wk_buffer(p, "count", WK_i64, WK_SCALAR_SHAPE, 4);
    cr_assert(b->dtype == WK_i64 && wk_item(c, b) == 4);
    wk_ctx_free(c);
}
