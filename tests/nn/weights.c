/* Weight norm and spectral norm against PyTorch's parametrizations. */
#include "reference.h"

static wk_tensor layer(struct reference *r, int kind, wk_tensor weight, wk_tensor bias, wk_tensor x)
{
    const struct wk_linear flat = {.weight = weight, .bias = bias};
    const struct wk_conv   conv = {.weight = weight, .bias = bias, .dims = 1, .transposed = kind == 2};
    return kind ? wk_conv(r->c, &conv, x) : wk_linear(r->c, &flat, x);
}

Test(weights, weight_norm)
{
    static const char *const names[] = {"weight0", "weight_all", "weight1", "weight2"};
    static const int         dims[] = {0, -1, 1, 2};
    struct reference         r;
    reference_open(&r, "reparametrized");
    for (int i = 0; i < 4; i++) {
        reference_case(&r, names[i]);
        const wk_shape        shape = i < 2 ? WK_SHAPE(5, 4) : WK_SHAPE(4, 3, 2);
        struct wk_weight_norm n = wk_weight_norm_load(r.p, "", "weight", shape, dims[i]);
        wk_tensor             bias = wk_param(r.p, "bias", WK_SHAPE(shape.dim[0]), 0);
        reference_bind(&r, &n, sizeof n);
        wk_bind(r.list, &bias, sizeof bias);
        reference_track(&r);
        const wk_tensor y = layer(&r, i >= 2, wk_weight_norm(r.c, &n), bias, r.x[0]);
        reference_check(&r, 1, &y);
    }
    reference_close(&r);
}

/* A step of gradient descent, then two forwards more. */
static void step(struct reference *r, struct wk_spectral_norm *n, int kind, wk_tensor bias, wk_tensor x)
{
    const wk_tensor rate = wk_scalar(r->c, 0.1);
    const wk_tensor slope = wk_grad(r->c, n->weight), bias_slope = wk_grad(r->c, bias);
    wk_set_training(r->c, true);
    n->weight = wk_sub(r->c, n->weight, wk_mul(r->c, slope, rate));
    bias = wk_sub(r->c, bias, wk_mul(r->c, bias_slope, rate));
    reference_same(r, "s0", layer(r, kind, wk_spectral_norm(r->c, n), bias, x), reference_get(r, "s0"));
    reference_same(r, "s1", layer(r, kind, wk_spectral_norm(r->c, n), bias, x), reference_get(r, "s1"));
    reference_same(r, "u", n->u, reference_get(r, "stepped_u"));
    reference_same(r, "v", n->v, reference_get(r, "stepped_v"));
}

Test(weights, spectral_norm)
{
    static const char *const names[] = {"spectral", "spectral_twice", "spectral_transposed"};
    struct reference         r;
    reference_open(&r, "reparametrized");
    for (int i = 0; i < 3; i++) {
        reference_case(&r, names[i]);
        const wk_shape shape = i == 0 ? WK_SHAPE(5, 4) : i == 1 ? WK_SHAPE(4, 3, 2) : WK_SHAPE(3, 4, 2);
        struct wk_spectral_norm n = wk_spectral_norm_load(
            r.p, "", "weight", shape, (wk_spectral_norm_opts){.dim = i == 2, .iterations = i == 1 ? 2 : 0});
        wk_tensor bias = wk_param(r.p, "bias", WK_SHAPE(i ? 4 : 5), 0), y[2];
        reference_bind(&r, &n, sizeof n);
        wk_bind(r.list, &bias, sizeof bias);
        reference_track(&r);
        y[0] = layer(&r, i, wk_spectral_norm(r.c, &n), bias, r.x[0]);
        y[1] = layer(&r, i, wk_spectral_norm(r.c, &n), bias, wk_mul(r.c, r.x[0], wk_scalar(r.c, 2)));
        reference_check(&r, 2, y);
        reference_eval(&r);
        for (int again = 0; again < 2; again++)
            reference_same(&r, "e0", layer(&r, i, wk_spectral_norm(r.c, &n), bias, r.x[0]),
                           reference_get(&r, "e0"));
        step(&r, &n, i, bias, r.x[0]);
        wk_no_grad(r.c, false);
    }
    reference_close(&r);
}

static double largest(wk_ctx *c, wk_tensor x)
{
    return wk_item(c, wk_amax(c, wk_svdvals(c, x), WK_ALL_DIMS, false));
}

Test(weights, fresh_ones)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    wk_param_list  *list = wk_param_list_new(c);
    const wk_params p = wk_params_new(c, WK_f32, list);
    wk_seed(c, 3);
    const struct wk_weight_norm n = wk_weight_norm_load(p, "a", "weight", WK_SHAPE(6, 5), 0);
    cr_assert_str_eq(wk_param_list_name(list, 0), "a.parametrizations.weight.original0");
    cr_assert_str_eq(wk_param_list_name(list, 1), "a.parametrizations.weight.original1");
    const wk_tensor off = wk_sub(c, wk_weight_norm(c, &n), n.v);
    cr_assert_lt(wk_item(c, wk_amax(c, wk_abs(c, off), WK_ALL_DIMS, false)), 1e-6, "%s", wk_ctx_message(c));

    const struct wk_spectral_norm s = wk_spectral_norm_load(
        p, "b", "w", WK_SHAPE(6, 5), (wk_spectral_norm_opts){.dim = -1, .iterations = 60});
    cr_assert_str_eq(wk_param_list_name(list, 2), "b.parametrizations.w.original");
    cr_assert_str_eq(wk_param_list_name(list, 3), "b.parametrizations.w.0._u");
    cr_assert_str_eq(wk_param_list_name(list, 4), "b.parametrizations.w.0._v");
    cr_assert(!wk_param_list_learns(list, 3) && wk_count(s.u) == 5 && wk_count(s.v) == 6);
    wk_set_training(c, true);
    cr_assert(fabs(largest(c, wk_spectral_norm(c, &s)) - 1) < 1e-3, "%s", wk_ctx_message(c));
    const struct wk_spectral_norm row =
        wk_spectral_norm_load(p, "r", "weight", WK_SHAPE(7), (wk_spectral_norm_opts){0});
    const double length = wk_item(c, wk_sum(c, wk_square(c, wk_spectral_norm(c, &row)), WK_ALL_DIMS, false));
    cr_assert(fabs(length - 1) < 1e-5, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    wk_param_list_free(list);
    wk_ctx_free(c);
}

#define REFUSED(call, status, text)                                                                          \
    call;                                                                                                    \
    cr_assert(wk_ctx_status(c) == status && strstr(wk_ctx_message(c), text), "%s", wk_ctx_message(c));       \
    wk_ctx_clear(c)

Test(weights, errors)
{
    wk_ctx                       *c = wk_ctx_new("cpu");
    const wk_params               p = wk_params_new(c, WK_f32, NULL);
    const wk_shape                shape = WK_SHAPE(3, 2);
    const wk_tensor               v = wk_full(c, 1, WK_f32, shape), g = wk_full(c, 1, WK_f32, WK_SHAPE(2));
    const struct wk_weight_norm   wrong = {.g = g, .v = v}, whole = {.g = g, .v = wk_cast(c, v, WK_i32)};
    const struct wk_spectral_norm far = {.weight = v, .u = g, .v = g, .iterations = 1, .eps = 1e-12};
    REFUSED(wk_weight_norm_load(p, "", "weight", shape, 2), WK_EINDEX, "weight_norm: dim 2 of a weight of 2");
    REFUSED(wk_weight_norm_load(p, "", "weight", shape, -2), WK_EINDEX, "weight_norm: dim -2");
    REFUSED(wk_norm_except(c, v, 5), WK_EINDEX, "norm_except: dim 5");
    REFUSED(wk_weight_norm(c, &wrong), WK_ESHAPE, "g has 1 dims, 2 values; wanted: 2 dims, 3 values");
    REFUSED(wk_weight_norm(c, &whole), WK_EDTYPE, "weight_norm: a weight of i32");
    REFUSED(wk_spectral_norm_load(p, "", "weight", shape, (wk_spectral_norm_opts){.dim = 2}), WK_EINDEX,
            "spectral_norm: dim 2");
    REFUSED(wk_spectral_norm_load(p, "", "weight", shape, (wk_spectral_norm_opts){.iterations = -1}), WK_EARG,
            "spectral_norm: -1 iterations");
    REFUSED(wk_spectral_norm(c, &far), WK_ESHAPE, "u and v of 2 and 2 values; wanted: 3 and 2");
    wk_ctx_free(c);
}
