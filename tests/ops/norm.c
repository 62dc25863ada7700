/* rms_norm, layer_norm and add_norm. */
#include "tests/ops/fused.h"

static wk_tensor rms(wk_ctx *c, const wk_tensor *x, const void *o)
{
    (void)o;
    return wk_rms_norm(c, x[0], x[1], 1e-5);
}
static wk_tensor rms_plain(wk_ctx *c, const wk_tensor *x, const void *o)
{
    (void)o;
    return wk_rms_norm(c, x[0], WK_NONE, 1e-6);
}
static wk_tensor layer(wk_ctx *c, const wk_tensor *x, const void *o)
{
    (void)o;
    return wk_layer_norm(c, x[0], x[1], x[2], 1e-5);
}
static wk_tensor layer_weight(wk_ctx *c, const wk_tensor *x, const void *o)
{
    (void)o;
    return wk_layer_norm(c, x[0], x[1], WK_NONE, 1e-5);
}
static wk_tensor layer_bias(wk_ctx *c, const wk_tensor *x, const void *o)
{
    (void)o;
    return wk_layer_norm(c, x[0], WK_NONE, x[1], 1e-5);
}
/* Both results of add_norm in one. */
static wk_tensor add_rms(wk_ctx *c, const wk_tensor *x, const void *o)
{
    wk_tensor       sum;
    const wk_tensor y = wk_add_norm(c, x[0], x[1], x[2], WK_NONE, 1e-5, false, &sum);
    (void)o;
    return wk_add(c, wk_mul(c, sum, wk_scalar(c, 0.25)), y);
}
static wk_tensor add_layer(wk_ctx *c, const wk_tensor *x, const void *o)
{
    wk_tensor       sum;
    const wk_tensor y = wk_add_norm(c, x[0], x[1], x[2], x[3], 1e-5, false, &sum);
    (void)o;
    return wk_add(c, wk_mul(c, sum, wk_scalar(c, 0.25)), y);
}

Test(norm, agrees_with_its_composition)
{
    const struct fused_case cases[] = {
        {"rms_norm [3, 8]", rms, NULL, 2, {WK_SHAPE(3, 8), WK_SHAPE(8)}, 0},
        {"rms_norm [2, 70, 100]", rms, NULL, 2, {WK_SHAPE(2, 70, 100), WK_SHAPE(100)}, 4e-6},
        {"rms_norm [2, 2500]", rms, NULL, 2, {WK_SHAPE(2, 2500), WK_SHAPE(2500)}, 4e-6},
        {"rms_norm without weight", rms_plain, NULL, 1, {WK_SHAPE(5, 33)}, 0},
        {"layer_norm [3, 8]", layer, NULL, 3, {WK_SHAPE(3, 8), WK_SHAPE(8), WK_SHAPE(8)}, 0},
        {"layer_norm [90, 2, 65]", layer, NULL, 3, {WK_SHAPE(90, 2, 65), WK_SHAPE(65), WK_SHAPE(65)}, 4e-6},
        {"layer_norm [3, 1500]", layer, NULL, 3, {WK_SHAPE(3, 1500), WK_SHAPE(1500), WK_SHAPE(1500)}, 4e-6},
        {"layer_norm without bias", layer_weight, NULL, 2, {WK_SHAPE(4, 40), WK_SHAPE(40)}, 0},
        {"layer_norm without weight", layer_bias, NULL, 2, {WK_SHAPE(4, 40), WK_SHAPE(40)}, 0},
        {"add_norm, rms", add_rms, NULL, 3, {WK_SHAPE(6, 50), WK_SHAPE(6, 50), WK_SHAPE(50)}, 4e-6},
        {"add_norm, layer",
         add_layer,
         NULL,
         4,
         {WK_SHAPE(2, 3, 50), WK_SHAPE(2, 3, 50), WK_SHAPE(50), WK_SHAPE(50)},
         4e-6},
        {"add_norm, broadcast", add_rms, NULL, 3, {WK_SHAPE(6, 50), WK_SHAPE(1, 50), WK_SHAPE(50)}, 4e-6},
    };
    FUSED_RUN(cases);
}

/* x / sqrt(mean(x^2) + eps) w and (x - mean) / sqrt(var + eps) w + b, written out. */
Test(norm, agrees_with_the_formula)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const float     x[3] = {1, -2, 4}, w[3] = {0.5f, 2, -1}, b[3] = {1, 0, -1};
    const double    rms_scale = 1 / sqrt(7 + 1e-3), mean = 1, layer_scale = 1 / sqrt(6 + 1e-3);
    const wk_tensor tx = wk_make(c, x, WK_f32, WK_SHAPE(1, 3)), tw = wk_make(c, w, WK_f32, WK_SHAPE(3)),
                    tb = wk_make(c, b, WK_f32, WK_SHAPE(3));
    double *r = fused_read(c, wk_rms_norm(c, tx, tw, 1e-3)),
           *l = fused_read(c, wk_layer_norm(c, tx, tw, tb, 1e-3));
    wk_tensor sum;
    double *a = fused_read(c, wk_add_norm(c, tx, tx, tw, WK_NONE, 1e-3, true, &sum)), *s = fused_read(c, sum);
    for (int i = 0; i < 3; i++) {
        cr_assert_float_eq(r[i], (double)x[i] * rms_scale * (double)w[i], 1e-6);
        cr_assert_float_eq(l[i], ((double)x[i] - mean) * layer_scale * (double)w[i] + (double)b[i], 1e-6);
        cr_assert_eq(s[i], 2 * (double)x[i]);
        cr_assert_float_eq(a[i], 2 * ((double)x[i] - mean) / sqrt(24 + 1e-3) * (double)w[i], 1e-6);
    }
    free(r);
    free(l);
    free(a);
    free(s);
    wk_ctx_free(c);
}

Test(norm, results_do_not_depend_on_threads)
{
    const struct fused_case k = {
        "layer_norm", layer, NULL, 3, {WK_SHAPE(700, 130), WK_SHAPE(130), WK_SHAPE(130)}, 0};
    wk_ctx *c = wk_ctx_new("cpu");
    double *one[3], *two[3];
    wk_set_threads(c, 1);
    double *a = fused_value(c, &k, WK_f32, WK_f32, one);
    wk_set_threads(c, 2);
    double *b = fused_value(c, &k, WK_f32, WK_f32, two);
    cr_assert_eq(memcmp(a, b, 700 * 130 * sizeof *a), 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(memcmp(one[i], two[i], (size_t)fused_count(k.shape[i]) * sizeof(double)), 0,
                     "gradient %d", i);
        free(one[i]);
        free(two[i]);
    }
    free(a);
    free(b);
    wk_ctx_free(c);
}

Test(norm, bad_arguments)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(2, 4)), w = wk_zeros(c, WK_f32, WK_SHAPE(3));
    wk_tensor       sum = x;
    cr_assert(wk_is_none(wk_rms_norm(c, x, w, 1e-5)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    cr_assert(strstr(wk_ctx_message(c), "rms_norm"), "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_layer_norm(c, wk_zeros(c, WK_i64, WK_SHAPE(2, 4)), WK_NONE, WK_NONE, 1e-5)));
    cr_assert_eq(wk_ctx_status(c), WK_EDTYPE);
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_add_norm(c, x, x, w, WK_NONE, 1e-5, false, &sum)));
    cr_assert(wk_is_none(sum));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_free(c);
}
