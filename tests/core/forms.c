/* Forms of functions that PyTorch's users know: integers that stay integers, reductions without a dim, norms
 * over several dims, scaled products, pictures of bytes. Expected values are formulas in double. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static bool refused(wk_ctx *c, wk_status s, const char *part)
{
    const bool ok = wk_ctx_status(c) == s && strstr(wk_ctx_message(c), part);
    if (!ok) cr_log_error("%d: %s, not %s", (int)wk_ctx_status(c), wk_ctx_message(c), part);
    wk_ctx_clear(c);
    return ok;
}

/* Is x of this dtype, with these n values? */
static void holds(wk_ctx *c, wk_tensor x, wk_dtype t, int n, const double *v)
{
    double y[64];
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert_eq(x->dtype, t, "%s", wk_dtype_name(x->dtype));
    cr_assert_eq(wk_count(x), n);
    wk_read(c, wk_cast(c, x, WK_f64), y);
    for (int i = 0; i < n; i++)
        cr_assert(fabs(y[i] - v[i]) <= 2e-6 * (1 + fabs(v[i])), "value %d: %.9g, not %.9g", i, y[i], v[i]);
}
#define HOLDS(c, x, t, ...)                                                                                  \
    holds(c, x, t, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})

/* ---- integers ---------------------------------------------------------------------------------- */

Test(forms, clamp_of_integers_with_an_open_bound)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const double    inf = (double)INFINITY;
    const int64_t   ends[] = {INT64_MIN, -3, 5, INT64_MAX};
    const wk_tensor u = wk_make(c, (uint8_t[]){0, 7, 200}, WK_u8, WK_SHAPE(3));
    const wk_tensor x = wk_make(c, ends, WK_i64, WK_SHAPE(4));
    HOLDS(c, wk_clamp(c, u, 5, inf), WK_u8, 5, 7, 200);
    HOLDS(c, wk_clamp(c, u, -inf, 9), WK_u8, 0, 7, 9);
    HOLDS(c, wk_clamp(c, u, -5, inf), WK_u8, 0, 7, 200);
    HOLDS(c, wk_clamp(c, u, -5, 300), WK_u8, 0, 7, 200);
    HOLDS(c, wk_clamp(c, u, 1.5, inf), WK_f32, 1.5, 7, 200);
    HOLDS(c, wk_clamp(c, wk_gt(c, u, wk_scalar_int(c, 3)), 0, inf), WK_i64, 0, 1, 1);
    int64_t y[4];
    wk_read(c, wk_clamp(c, x, 0, inf), y);
    cr_assert(y[0] == 0 && y[1] == 0 && y[2] == 5 && y[3] == INT64_MAX);
    wk_read(c, wk_clamp(c, x, -inf, 0), y);
    cr_assert(y[0] == INT64_MIN && y[1] == -3 && y[2] == 0 && y[3] == 0);
    wk_read(c, wk_clamp(c, x, -inf, inf), y);
    cr_assert(memcmp(y, ends, sizeof y) == 0);
    wk_clamp(c, u, 300, inf);
    cr_assert(refused(c, WK_EARG, "clamp: u8 to [300, inf]"));
    wk_clamp(c, u, -9, -1);
    cr_assert(refused(c, WK_EARG, "clamp: u8 to [-9, -1]"));
    wk_ctx_free(c);
}

Test(forms, index_add_of_integers_times_whole_numbers)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor at = wk_make(c, (int64_t[]){2, 0}, WK_i64, WK_SHAPE(2));
    const wk_tensor u = wk_make(c, (uint8_t[]){9, 8, 7}, WK_u8, WK_SHAPE(3));
    const wk_tensor src = wk_make(c, (uint8_t[]){3, 4}, WK_u8, WK_SHAPE(2));
    HOLDS(c, wk_index_add(c, u, 0, at, src, -1), WK_u8, 5, 8, 4);
    HOLDS(c, wk_index_add(c, u, 0, at, src, 2), WK_u8, 17, 8, 13);
    const wk_tensor big = wk_make(c, (int64_t[]){((int64_t)1 << 60) + 1}, WK_i64, WK_SHAPE(1));
    const wk_tensor sum =
        wk_index_add(c, wk_zeros(c, WK_i64, WK_SHAPE(2)), 0, wk_narrow(c, at, 0, 1, 1), big, 3);
    int64_t y[2] = {0};
    wk_read(c, sum, y);
    cr_assert(y[0] == 3 * (((int64_t)1 << 60) + 1) && y[1] == 0); /* beyond what a double holds */
    HOLDS(c, wk_index_add(c, wk_cast(c, u, WK_f32), 0, at, wk_cast(c, src, WK_f32), 0.5), WK_f32, 11, 8, 8.5);
    wk_index_add(c, u, 0, at, src, 1.5);
    cr_assert(refused(c, WK_EARG, "index_add: alpha 1.5 of u8; a whole number is wanted"));
    wk_index_add(c, u, 0, at, src, (double)INFINITY);
    cr_assert(refused(c, WK_EARG, "index_add: alpha inf of u8"));
    wk_ctx_free(c);
}

Test(forms, bytes_have_no_area)
{
    wk_ctx              *c = wk_ctx_new("cpu");
    const wk_resize_opts area = {.mode = WK_RESIZE_AREA, .size = WK_SHAPE(2, 2)};
    wk_interpolate(c, wk_ones(c, WK_u8, WK_SHAPE(1, 1, 4, 4)), area);
    cr_assert(refused(c, WK_EDTYPE, "interpolate: area of u8; a real dtype is wanted"));
    HOLDS(c, wk_interpolate(c, wk_ones(c, WK_f32, WK_SHAPE(1, 1, 4, 4)), area), WK_f32, 1, 1, 1, 1);
    wk_ctx_free(c);
}

Test(forms, affine_gelu_tanh_of_integers_is_of_f32)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, (int32_t[]){1, -1, 2, 0}, WK_i32, WK_SHAPE(2, 2));
    const wk_tensor w = wk_make(c, (int32_t[]){1, 2}, WK_i32, WK_SHAPE(1, 2));
    double          want[2];
    for (int i = 0; i < 2; i++) { /* of -1 and 2 */
        const double h = i ? 2 : -1;
        want[i] = 0.5 * h * (1 + tanh(sqrt(2 / acos(-1.0)) * (h + 0.044715 * h * h * h)));
    }
    holds(c, wk_affine_gelu_tanh(c, x, w, WK_NONE), WK_f32, 2, want);
    wk_ctx_free(c);
}

Test(forms, values_that_a_dtype_has_not)
{
    wk_ctx *c = wk_ctx_new("cpu");
    HOLDS(c, wk_full(c, 255.9, WK_u8, WK_SHAPE(2)), WK_u8, 255, 255);
    HOLDS(c, wk_full(c, -128, WK_i8, WK_SHAPE(1)), WK_i8, -128);
    HOLDS(c, wk_full(c, 4294967295.0, WK_u32, WK_SHAPE(1)), WK_u32, 4294967295.0);
    HOLDS(c, wk_full(c, -9223372036854775808.0, WK_i64, WK_SHAPE(1)), WK_i64, -9223372036854775808.0);
    HOLDS(c, wk_full(c, 300, WK_bool, WK_SHAPE(1)), WK_bool, 1);
    const struct {
        double   v;
        wk_dtype t;
    } bad[] = {{256, WK_u8},          {-1, WK_u8},
               {128, WK_i8},          {32768, WK_i16},
               {-32769, WK_i16},      {2147483648.0, WK_i32},
               {-1, WK_u32},          {9223372036854775808.0, WK_i64},
               {(double)NAN, WK_i32}, {(double)INFINITY, WK_i64}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wk_full(c, bad[i].v, bad[i].t, WK_SHAPE(2));
        cr_assert(refused(c, WK_EARG, "full: "), "%g", bad[i].v);
    }
    wk_full_like(c, wk_zeros(c, WK_u8, WK_SHAPE(2)), 300);
    cr_assert(refused(c, WK_EARG, "full: 300 does not fit into u8"));
    wk_randint(c, 0, 257, WK_u8, WK_SHAPE(3));
    cr_assert(refused(c, WK_EARG, "randint: from 0 to 257, u8 holds 0 to 255"));
    wk_randint(c, -1, 2, WK_u8, WK_SHAPE(3));
    cr_assert(refused(c, WK_EARG, "randint: from -1 to 2"));
    wk_randint(c, 0, 3, WK_bool, WK_SHAPE(3));
    cr_assert(refused(c, WK_EARG, "randint: from 0 to 3, bool holds 0 to 1"));
    wk_randint(c, 0, 70000, WK_f16, WK_SHAPE(3));
    cr_assert(refused(c, WK_EARG, "randint: from 0 to 70000, f16"));
    const wk_tensor all = wk_randint(c, 0, 256, WK_u8, WK_SHAPE(4096));
    HOLDS(c, wk_amax(c, all, WK_ALL_DIMS, false), WK_u8, 255);
    wk_ctx_free(c);
}

Test(forms, arange_beyond_what_doubles_count)
{
    wk_ctx       *c = wk_ctx_new("cpu");
    const int64_t far = (int64_t)1 << 53, top = INT64_MAX;
    int64_t       y[5];
    wk_read(c, wk_arange(c, (double)far, (double)far + 4, 1, WK_i64), y);
    for (int i = 0; i < 4; i++) cr_assert_eq(y[i], far + i);
    wk_read(c, wk_arange(c, (double)far, (double)far - 5, -1, WK_i64), y);
    for (int i = 0; i < 5; i++) cr_assert_eq(y[i], far - i);
    const wk_tensor last = wk_arange(c, 9223372036854774784.0, 9223372036854775808.0, 3, WK_i64);
    cr_assert_eq(wk_count(last), 342, "%s", wk_ctx_message(c));
    wk_read(c, wk_select(c, last, 0, 341), y);
    cr_assert_eq(y[0], top - 1023 + 3 * 341);
    wk_read(c, wk_arange(c, -9223372036854775808.0, 9223372036854775808.0, 4611686018427387904.0, WK_i64), y);
    cr_assert(y[0] == INT64_MIN && y[1] == -((int64_t)1 << 62) && y[2] == 0 && y[3] == (int64_t)1 << 62);
    cr_assert_eq(wk_count(wk_arange(c, (double)far, 0, 1, WK_i64)), 0);
    wk_read(c, wk_add(c, wk_arange(c, 0, 2, 1, WK_i64), wk_scalar_int(c, far + 1)), y);
    cr_assert(y[0] == far + 1 && y[1] == far + 2);
    wk_arange(c, 0, 1e19, 1e18, WK_i64);
    cr_assert(refused(c, WK_EARG, "is beyond i64"));
    wk_ctx_free(c);
}

Test(forms, distances_of_integers)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor a = wk_make(c, (uint8_t[]){1, 2, 3, 4}, WK_u8, WK_SHAPE(2, 2));
    const wk_tensor b = wk_make(c, (uint8_t[]){4, 6, 3, 4}, WK_u8, WK_SHAPE(2, 2));
    HOLDS(c, wk_cdist(c, a, b, 2), WK_f32, 5, sqrt(8), sqrt(5), 0);
    HOLDS(c, wk_cdist(c, a, b, 1), WK_f32, 7, 4, 3, 0);
    HOLDS(c, wk_dist(c, a, b, 2), WK_f32, 5);
    HOLDS(c, wk_dist(c, a, wk_cast(c, b, WK_i64), 1), WK_f32, 7);
    HOLDS(c, wk_pairwise_distance(c, a, b, 1, 0, false), WK_f32, 7, 0);
    HOLDS(c, wk_l1_loss(c, wk_cast(c, a, WK_f32), b, WK_SUM), WK_f32, 7);
    HOLDS(c, wk_isclose(c, a, b, 0, 3, false), WK_bool, 1, 0, 1, 1);
    wk_ctx_free(c);
}

Test(forms, affine_of_integers)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, (int64_t[]){1, 2, -3, 4}, WK_i64, WK_SHAPE(2, 2));
    const wk_tensor w = wk_make(c, (int64_t[]){3, 4, 5, 6, 0, (int64_t)1 << 60}, WK_i64, WK_SHAPE(3, 2));
    const wk_tensor b = wk_make(c, (int64_t[]){1, -1, 3}, WK_i64, WK_SHAPE(3));
    int64_t         y[6];
    const int64_t   want[] = {12, 16, ((int64_t)1 << 61) + 3, 8, 8, ((int64_t)1 << 62) + 3};
    wk_read(c, wk_affine(c, x, w, b), y);
    cr_assert(memcmp(y, want, sizeof y) == 0, "%s", wk_ctx_message(c));
    const wk_tensor u = wk_make(c, (uint8_t[]){100, 2}, WK_u8, WK_SHAPE(1, 2));
    const wk_tensor v = wk_make(c, (uint8_t[]){3, 4, 5, 6}, WK_u8, WK_SHAPE(2, 2));
    HOLDS(c, wk_affine(c, u, v, WK_NONE), WK_u8, 308 - 256, 512 - 512);
    HOLDS(c, wk_affine_relu(c, wk_cast(c, u, WK_i32), wk_neg(c, wk_cast(c, v, WK_i32)), WK_NONE), WK_i32, 0,
          0);
    wk_tensor out[2];
    wk_affine_n(c, x, 2, (wk_tensor[]){w, wk_narrow(c, w, 0, 0, 1)}, (wk_tensor[]){WK_NONE, WK_NONE}, out);
    HOLDS(c, out[1], WK_i64, 11, 7);
    wk_affine(c, x, v, WK_NONE);
    cr_assert(refused(c, WK_EDTYPE, "affine: x is i64, weight u8"));
    wk_affine(c, wk_cast(c, x, WK_f32), w, WK_NONE);
    cr_assert(refused(c, WK_EDTYPE, "affine: x is f32, weight i64"));
    wk_affine(c, x, w, wk_ones(c, WK_f32, WK_SHAPE(3)));
    cr_assert(refused(c, WK_EDTYPE, "affine: bias is f32"));
    wk_ctx_free(c);
}

/* ---- without a dim ------------------------------------------------------------------------------ */

static void has_ones(wk_tensor x, int ndim)
{
    cr_assert_eq(x->ndim, ndim);
    for (int i = 0; i < ndim; i++) cr_assert_eq(x->shape[i], 1);
}

Test(forms, places_and_middles_of_all_values)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const double    nan = (double)NAN;
    const wk_tensor x =
        wk_transpose(c, wk_make(c, (double[]){4, -1, 7, 7, 2, 0}, WK_f64, WK_SHAPE(3, 2)), 0, 1);
    wk_tensor at; /* [[4, 7, 2], [-1, 7, 0]] */
    HOLDS(c, wk_argmax(c, x, WK_FLAT, false), WK_i64, 1);
    HOLDS(c, wk_argmin(c, x, WK_FLAT, true), WK_i64, 3);
    has_ones(wk_argmax(c, x, WK_FLAT, true), 2);
    has_ones(wk_argmax(c, x, WK_FLAT, false), 0);
    HOLDS(c, wk_max(c, x, WK_FLAT, true, &at), WK_f64, 7);
    HOLDS(c, at, WK_i64, 1);
    has_ones(at, 2);
    HOLDS(c, wk_min(c, x, WK_FLAT, false, NULL), WK_f64, -1);
    HOLDS(c, wk_median(c, x, WK_FLAT, false, &at), WK_f64, 2);
    HOLDS(c, at, WK_i64, 2);
    has_ones(wk_median(c, x, WK_FLAT, true, &at), 2);
    has_ones(at, 2);
    const wk_tensor holes = wk_make(c, (double[]){nan, 3, 1, 2}, WK_f64, WK_SHAPE(2, 2));
    HOLDS(c, wk_nanmedian(c, holes, WK_FLAT, false, &at), WK_f64, 2);
    HOLDS(c, at, WK_i64, 3);
    cr_assert(isnan(wk_item(c, wk_median(c, holes, WK_FLAT, false, &at))));
    HOLDS(c, at, WK_i64, 0);
    HOLDS(c, wk_argmax(c, wk_scalar(c, 5), WK_FLAT, true), WK_i64, 0);
    wk_argmax(c, wk_zeros(c, WK_f32, WK_SHAPE(0, 3)), WK_FLAT, false);
    cr_assert(refused(c, WK_ESHAPE, "argmax: no values"));
    wk_mode(c, x, WK_FLAT, false, NULL);
    cr_assert(refused(c, WK_EARG, "mode: dim"));
    wk_ctx_free(c);
}

Test(forms, quantiles_of_all_values)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, (double[]){4, -1, 7, 6, 2, 0}, WK_f64, WK_SHAPE(2, 3)); /* -1 0 2 4 6 7 */
    const wk_tensor q = wk_make(c, (double[]){0, 0.5, 0.9}, WK_f64, WK_SHAPE(3));
    HOLDS(c, wk_quantile(c, x, q, WK_FLAT, false, WK_LINEAR), WK_f64, -1, 3, 6.5);
    const wk_tensor kept = wk_quantile(c, x, q, WK_FLAT, true, WK_LOWER);
    HOLDS(c, kept, WK_f64, -1, 2, 6);
    cr_assert(kept->ndim == 3 && kept->shape[0] == 3 && kept->shape[1] == 1 && kept->shape[2] == 1);
    const wk_tensor holes = wk_where(c, wk_gt(c, x, wk_scalar(c, 5)), wk_scalar(c, (double)NAN), x);
    HOLDS(c, wk_nanquantile(c, holes, wk_scalar(c, 0.5), WK_FLAT, true, WK_LINEAR), WK_f64, 1);
    has_ones(wk_nanquantile(c, holes, wk_scalar(c, 0.5), WK_FLAT, true, WK_LINEAR), 2);
    wk_ctx_free(c);
}

Test(forms, gradients_without_a_dim)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_tape_begin(c);
    const wk_tensor x = wk_track(c, wk_make(c, (double[]){4, 7, 7, 1}, WK_f64, WK_SHAPE(2, 2)));
    wk_backward(c, wk_max(c, x, WK_FLAT, false, NULL));
    HOLDS(c, wk_grad(c, x), WK_f64, 0, 0.5, 0.5, 0);
    wk_zero_grad(c, x);
    wk_backward(c, wk_median(c, x, WK_FLAT, false, NULL));
    HOLDS(c, wk_grad(c, x), WK_f64, 1, 0, 0, 0);
    wk_zero_grad(c, x);
    wk_backward(c, wk_quantile(c, x, wk_scalar(c, 0.25), WK_FLAT, false, WK_LINEAR));
    HOLDS(c, wk_grad(c, x), WK_f64, 0.75, 0, 0, 0.25); /* 1 + 0.75 (4 - 1) */
    wk_ctx_free(c);
}

/* Values equal to the median of all share its gradient, NaN too; of lines one place has all of it. */
Test(forms, gradients_of_medians)
{
    wk_ctx      *c = wk_ctx_new("cpu");
    const double nan = (double)NAN, inf = (double)INFINITY, third = 1.0 / 3;
    wk_tape_begin(c);
    const wk_tensor x = wk_track(c, wk_make(c, (double[]){3, 1, 2, 2, 2, 5}, WK_f64, WK_SHAPE(2, 3)));
    wk_backward(c, wk_median(c, x, WK_FLAT, true, NULL));
    HOLDS(c, wk_grad(c, x), WK_f64, 0, 0, third, third, third, 0);
    wk_zero_grad(c, x);
    wk_backward(c, wk_sum(c, wk_median(c, x, 1, false, NULL), WK_ALL_DIMS, false));
    HOLDS(c, wk_grad(c, x), WK_f64, 0, 0, 1, 0, 1, 0);
    const wk_tensor h = wk_track(c, wk_make(c, (double[]){nan, 1, nan, 2}, WK_f64, WK_SHAPE(4)));
    wk_backward(c, wk_median(c, h, WK_FLAT, false, NULL));
    HOLDS(c, wk_grad(c, h), WK_f64, 0.5, 0, 0.5, 0);
    wk_zero_grad(c, h);
    wk_backward(c, wk_nanmedian(c, h, WK_FLAT, false, NULL));
    HOLDS(c, wk_grad(c, h), WK_f64, 0, 1, 0, 0);
    const wk_tensor far = wk_track(c, wk_make(c, (float[]){-INFINITY, -INFINITY, 3}, WK_f32, WK_SHAPE(3)));
    wk_backward(c, wk_nanmedian(c, far, WK_FLAT, false, NULL));
    HOLDS(c, wk_grad(c, far), WK_f32, 0.5, 0.5, 0);
    cr_assert_eq(wk_item(c, wk_median(c, wk_scalar(c, inf), WK_FLAT, false, NULL)), inf);
    cr_assert(wk_is_none(wk_median(c, WK_NONE, WK_FLAT, false, NULL)));
    cr_assert(refused(c, WK_EARG, "median: no tensor"));
    wk_ctx_free(c);
}

static void median_twice(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    y[0] = wk_square(c, wk_median(c, x[0], WK_FLAT, false, NULL));
}
Test(forms, median_of_all_to_the_second_order)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, (double[]){4, 7, 2, 1, -3, 9}, WK_f64, WK_SHAPE(3, 2));
    cr_assert_eq(wk_gradcheck(c, median_twice, NULL, 1, &x, (wk_gradcheck_opts){0}), WK_OK, "%s",
                 wk_ctx_message(c));
    cr_assert_eq(wk_gradgradcheck(c, median_twice, NULL, 1, &x, (wk_gradcheck_opts){0}), WK_OK, "%s",
                 wk_ctx_message(c));
    wk_ctx_free(c);
}

/* ---- norms over several dims ---------------------------------------------------------------------- */

static void normed(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    y[0] = *(bool *)arg ? wk_layer_norm(c, x[0], x[1], x[2], 1e-5) : wk_rms_norm(c, x[0], x[1], 1e-5);
}

Test(forms, norms_over_several_dims)
{
    enum { N = 12 };
    wk_ctx *c = wk_ctx_new("cpu");
    wk_seed(c, 3);
    const wk_tensor in[] = {wk_normal(c, 1, 2, WK_f64, WK_SHAPE(2, 3, 4)),
                            wk_normal(c, 0, 1, WK_f64, WK_SHAPE(3, 4)),
                            wk_normal(c, 0, 1, WK_f64, WK_SHAPE(3, 4))};
    double          x[2 * N], w[N], b[N], layer[2 * N], rms[2 * N], plain[2 * N];
    wk_read(c, in[0], x);
    wk_read(c, in[1], w);
    wk_read(c, in[2], b);
    for (int r = 0; r < 2; r++) {
        double mean = 0, var = 0, square = 0;
        for (int i = 0; i < N; i++) mean += x[r * N + i] / N;
        for (int i = 0; i < N; i++) var += (x[r * N + i] - mean) * (x[r * N + i] - mean) / N;
        for (int i = 0; i < N; i++) square += x[r * N + i] * x[r * N + i] / N;
        for (int i = 0; i < N; i++) {
            plain[r * N + i] = (x[r * N + i] - mean) / sqrt(var + 1e-5) + b[i];
            layer[r * N + i] = (x[r * N + i] - mean) / sqrt(var + 1e-5) * w[i] + b[i];
            rms[r * N + i] = x[r * N + i] / sqrt(square + 1e-5) * w[i];
        }
    }
    for (int t = 0; t < 2; t++) {
        const wk_dtype  d = t ? WK_f32 : WK_f64;
        const wk_tensor v[] = {wk_cast(c, in[0], d), wk_cast(c, in[1], d), wk_cast(c, in[2], d)};
        const wk_tensor y = wk_layer_norm(c, v[0], v[1], v[2], 1e-5);
        holds(c, y, d, 2 * N, layer);
        cr_assert(y->ndim == 3 && y->shape[1] == 3 && y->shape[2] == 4);
        holds(c, wk_layer_norm(c, v[0], WK_NONE, v[2], 1e-5), d, 2 * N, plain);
        holds(c, wk_rms_norm(c, v[0], v[1], 1e-5), d, 2 * N, rms);
    }
    for (int k = 0; k < 2; k++) {
        bool is_layer = k;
        cr_assert_eq(wk_gradcheck(c, normed, &is_layer, 2 + k, in, (wk_gradcheck_opts){0}), WK_OK, "%s",
                     wk_ctx_message(c));
        cr_assert_eq(wk_gradgradcheck(c, normed, &is_layer, 2 + k, in, (wk_gradcheck_opts){0}), WK_OK, "%s",
                     wk_ctx_message(c));
    }
    wk_layer_norm(c, in[0], wk_transpose(c, in[1], 0, 1), WK_NONE, 1e-5);
    cr_assert(refused(c, WK_ESHAPE, "layer_norm: weight [4, 3] and bias [0] for x [2, 3, 4]"));
    wk_layer_norm(c, in[0], in[1], wk_flatten(c, in[2], 0, -1), 1e-5);
    cr_assert(refused(c, WK_ESHAPE, "layer_norm: weight [3, 4] and bias [12]"));
    wk_ctx_free(c);
}

/* ---- products of f8 --------------------------------------------------------------------------------- */

/* To the nearest of 3 bits behind the point, ties to even: e4m3 in its normal range. */
static double in_e4m3(double v)
{
    int          e;
    const double m = frexp(v, &e);
    return ldexp(rint(ldexp(m, 4)), e - 4);
}

Test(forms, products_of_f8)
{
    enum { N = 2, K = 5, M = 3 };
    wk_ctx      *c = wk_ctx_new("cpu");
    const double a[N * K] = {1, 2, 3, -4, 1.5, 5, 0.25, 7, 1, 2},
                       b[K * M] = {2, 1, 4, 3, 1, -2, 1, 3.5, 5, 6, 1, 0.5, 2, 1, 3};
    const float     row[N] = {0.3f, 2}, column[M] = {1, 0.7f, 5}, bias[M] = {0.1f, -3, 40};
    double          sums[N * M], rounded[N * M], one[N * M], each[N * M];
    const wk_tensor x = wk_cast(c, wk_make(c, a, WK_f64, WK_SHAPE(N, K)), WK_f8e4m3);
    const wk_tensor y = wk_cast(c, wk_make(c, b, WK_f64, WK_SHAPE(K, M)), WK_f8e5m2);
    for (int i = 0; i < N * M; i++) {
        sums[i] = 0;
        for (int k = 0; k < K; k++) sums[i] += a[i / M * K + k] * b[k * M + i % M];
        rounded[i] = in_e4m3(sums[i]);
        one[i] = sums[i] * 0.5 * 3;
        each[i] = sums[i] * (double)row[i / M] * (double)column[i % M] + (double)bias[i % M];
    }
    const wk_tensor z = wk_cast(c, y, WK_f8e4m3); /* all of y's values are e4m3's too */
    holds(c, wk_matmul(c, x, z), WK_f8e4m3, N * M, rounded);
    holds(c, wk_scaled_matmul(c, x, y, WK_NONE, WK_NONE, WK_NONE, WK_f32), WK_f32, N * M, sums);
    const wk_tensor half = wk_full(c, 0.5, WK_f32, WK_SCALAR_SHAPE),
                    three = wk_full(c, 3, WK_f32, WK_SHAPE(1, 1));
    holds(c, wk_scaled_matmul(c, x, y, half, three, WK_NONE, WK_f32), WK_f32, N * M, one);
    const wk_tensor of_rows = wk_make(c, row, WK_f32, WK_SHAPE(N, 1)),
                    add = wk_make(c, bias, WK_f32, WK_SHAPE(M));
    const wk_tensor of_columns = wk_make(c, column, WK_f32, WK_SHAPE(M));
    holds(c, wk_scaled_matmul(c, x, y, of_rows, of_columns, add, WK_f32), WK_f32, N * M, each);
    const wk_tensor wide = wk_unsqueeze(c, wk_cast(c, x, WK_bf16), 0); /* [1, n, k] */
    holds(c,
          wk_scaled_matmul(c, wide, wk_unsqueeze(c, y, 0), wk_flatten(c, of_rows, 0, -1),
                           wk_unsqueeze(c, of_columns, 0), add, WK_f32),
          WK_f32, N * M, each);
    /* of both kinds of f8: f32, exact here; of e5m2 alone: rounded to it, two bits behind the point */
    holds(c, wk_matmul(c, x, y), WK_f32, N * M, sums);
    double          few[4];
    const wk_tensor e =
        wk_cast(c, wk_make(c, (float[]){1.5f, 3, 0.25f, 7}, WK_f32, WK_SHAPE(2, 2)), WK_f8e5m2);
    const wk_tensor square = wk_matmul(c, e, e);
    cr_assert_eq(square->dtype, WK_f8e5m2);
    wk_read(c, wk_cast(c, square, WK_f64), few);
    const double exact[] = {1.5 * 1.5 + 3 * 0.25, 1.5 * 3 + 3 * 7, 0.25 * 1.5 + 7 * 0.25, 0.25 * 3 + 49};
    for (int i = 0; i < 4; i++)
        cr_assert(fabs(few[i] - exact[i]) <= exact[i] / 8, "%g for %g", few[i], exact[i]);
    double halves[N * M]; /* rounded once: within half a step of 11 bits */
    wk_read(c, wk_cast(c, wk_scaled_matmul(c, x, y, of_rows, of_columns, add, WK_f16), WK_f64), halves);
    for (int i = 0; i < N * M; i++)
        cr_assert(fabs(halves[i] - each[i]) <= fabs(each[i]) * ldexp(1, -11) * 1.001, "%g for %g", halves[i],
                  each[i]);
    wk_read(c, wk_cast(c, wk_scaled_matmul(c, x, y, of_rows, of_columns, add, WK_bf16), WK_f64), halves);
    for (int i = 0; i < N * M; i++)
        cr_assert(fabs(halves[i] - each[i]) <= fabs(each[i]) * ldexp(1, -8) * 1.001, "%g for %g", halves[i],
                  each[i]);
    wk_scaled_matmul(c, x, y, of_columns, WK_NONE, WK_NONE, WK_f32);
    cr_assert(refused(c, WK_ESHAPE, "scaled_matmul: scale_a is f32 [3]; one f32, or one for each of 2 rows"));
    wk_scaled_matmul(c, x, y, WK_NONE, wk_cast(c, of_columns, WK_f64), WK_NONE, WK_f32);
    cr_assert(refused(c, WK_ESHAPE, "scaled_matmul: scale_b is f64 [3]"));
    wk_scaled_matmul(c, x, y, WK_NONE, WK_NONE, WK_NONE, WK_f8e4m3);
    cr_assert(refused(c, WK_EDTYPE, "scaled_matmul: to f8e4m3"));
    wk_scaled_matmul(c, x, x, WK_NONE, WK_NONE, WK_NONE, WK_f32);
    cr_assert(refused(c, WK_ESHAPE, "scaled_matmul: [2, 5] times [2, 5]"));
    wk_scaled_matmul(c, x, y, WK_NONE, WK_NONE, of_rows, WK_f32);
    cr_assert(refused(c, WK_ESHAPE, "scaled_matmul: bias is f32 [2, 1], for 3 columns"));
    wk_ctx_free(c);
}

static void scaled(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    (void)arg;
    const wk_tensor s = wk_cast(c, x[2], WK_f32), t = wk_cast(c, x[3], WK_f32);
    y[0] = wk_cast(c, wk_scaled_matmul(c, x[0], x[1], s, t, x[4], WK_f32), WK_f64);
}

Test(forms, gradients_of_scaled_products)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_seed(c, 9);
    wk_tensor x[] = {wk_normal(c, 0, 1, WK_f64, WK_SHAPE(2, 3)), wk_normal(c, 0, 1, WK_f64, WK_SHAPE(3, 2)),
                     wk_normal(c, 1, 0.1, WK_f64, WK_SHAPE(2)), wk_normal(c, 1, 0.1, WK_f64, WK_SHAPE(2)),
                     wk_normal(c, 0, 1, WK_f64, WK_SHAPE(2))};
    const wk_gradcheck_opts o = {.eps = 1e-2, .atol = 1e-3, .rtol = 1e-3}; /* of values in f32 */
    cr_assert_eq(wk_gradcheck(c, scaled, NULL, 5, x, o), WK_OK, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

/* ---- pictures of bytes ------------------------------------------------------------------------------- */

enum { WIDTH = 6, WIDER = 9, ROWS = 3, MORE = 5 };
static const uint8_t bytes[ROWS * WIDTH] = {0,   255, 255, 10, 200, 3,  90, 255, 0,
                                            255, 17,  128, 1,  254, 60, 61, 62,  255};

static double rounded(double v)
{
    v = floor(v + 0.5);
    return v < 0 ? 0 : v > 255 ? 255 : v;
}
/* The cubic kernel with A = -0.75, as PyTorch's. */
static double cubic(double t)
{
    t = fabs(t);
    return t <= 1 ? (1.25 * t - 2.25) * t * t + 1 : t < 2 ? -0.75 * (((t - 5) * t + 8) * t - 4) : 0;
}
static double triangle(double t)
{
    return fabs(t) < 1 ? 1 - fabs(t) : 0;
}
/* n values, `step` apart, to m by a kernel that reaches two values; outside of them the outermost counts. */
static void resize_line(const double *x, int n, int step, double *y, int m, double (*kernel)(double))
{
    for (int i = 0; i < m; i++) {
        const double at = (i + 0.5) * n / m - 0.5;
        const int    low = (int)floor(at);
        double       v = 0;
        for (int j = low - 1; j <= low + 2; j++)
            v += kernel(at - j) * x[(j < 0 ? 0 : j >= n ? n - 1 : j) * step];
        y[i * step] = rounded(v);
    }
}
/* Across, then down. */
static void resize_picture(const double *x, double *y, double (*kernel)(double))
{
    double wide[ROWS * WIDER];
    for (int i = 0; i < ROWS; i++) resize_line(x + i * WIDTH, WIDTH, 1, wide + i * WIDER, WIDER, kernel);
    for (int i = 0; i < WIDER; i++) resize_line(wide + i, ROWS, WIDER, y + i, MORE, kernel);
}

Test(forms, pictures_of_bytes)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, bytes, WK_u8, WK_SHAPE(1, 1, ROWS, WIDTH));
    double          v[ROWS * WIDTH], near[MORE * WIDER], line[MORE * WIDER], cube[MORE * WIDER], less[3];
    for (int i = 0; i < ROWS * WIDTH; i++) v[i] = bytes[i];
    for (int i = 0; i < MORE * WIDER; i++)
        near[i] = v[i / WIDER * ROWS / MORE * WIDTH + i % WIDER * WIDTH / WIDER];
    resize_picture(v, line, triangle);
    resize_picture(v, cube, cubic);
    for (int i = 0; i < 3; i++) { /* the first row, half as wide: triangles of twice the width */
        double sum = 0, all = 0;
        for (int j = 0; j < WIDTH; j++) {
            const double w = triangle((j + 0.5 - 2 * (i + 0.5)) / 2);
            sum += w * bytes[j];
            all += w;
        }
        less[i] = rounded(sum / all);
    }
    wk_resize_opts o = {.mode = WK_RESIZE_NEAREST, .size = {2, {MORE, WIDER}}};
    holds(c, wk_interpolate(c, x, o), WK_u8, MORE * WIDER, near);
    o.mode = WK_RESIZE_LINEAR;
    holds(c, wk_interpolate(c, x, o), WK_u8, MORE * WIDER, line);
    o.mode = WK_RESIZE_CUBIC;
    holds(c, wk_interpolate(c, x, o), WK_u8, MORE * WIDER, cube);
    o = (wk_resize_opts){.mode = WK_RESIZE_CUBIC,
                         .scale = {(double)MORE / ROWS + 1e-12, (double)WIDER / WIDTH}};
    holds(c, wk_interpolate(c, x, o), WK_u8, MORE * WIDER, cube);
    o = (wk_resize_opts){.mode = WK_RESIZE_LINEAR, .size = {2, {1, 3}}, .antialias = true};
    holds(c, wk_interpolate(c, wk_narrow(c, x, 2, 0, 1), o), WK_u8, 3, less);
    wk_interpolate(c, wk_cast(c, x, WK_i32), o);
    cr_assert(refused(c, WK_EDTYPE, "interpolate: x is i32"));
    wk_ctx_free(c);
}

/* ---- messages ------------------------------------------------------------------------------------------ */

Test(forms, tensors_that_cannot_be_made_name_the_op)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(1 << 14, 1)),
                    y = wk_zeros(c, WK_f32, WK_SHAPE(1, 1 << 14));
    const wk_shape nine = {9, {1, 1, 1, 1, 1, 1, 1, 1}};
    wk_memory_limit(c, 1 << 22);
    wk_add(c, x, y);
    cr_assert(refused(c, WK_ELIMIT, "add: memory limit: 1073741824 bytes wanted"));
    wk_matmul(c, x, y);
    cr_assert(refused(c, WK_ELIMIT, "matmul: memory limit: "));
    wk_cat(c, 2, (wk_tensor[]){wk_expand(c, x, WK_SHAPE(1 << 14, 100)), x}, 1);
    cr_assert(refused(c, WK_ELIMIT, "cat: memory limit: "));
    wk_empty(c, WK_f32, WK_SHAPE(1 << 14, 1 << 14));
    wk_add(c, x, x);
    cr_assert(refused(c, WK_ELIMIT, "empty: memory limit: "));
    wk_memory_limit(c, 0);
    wk_full(c, 1, WK_f32, nine);
    cr_assert(refused(c, WK_ESHAPE, "fill: a tensor has 0 to 8 dims, not 9"));
    wk_make(c, (float[]){0}, WK_f32, nine);
    cr_assert(refused(c, WK_ESHAPE, "make: a tensor has 0 to 8 dims, not 9"));
    wk_wrap(c, "", WK_u8, WK_SHAPE(-1), NULL, NULL);
    cr_assert(refused(c, WK_ESHAPE, "wrap: negative size -1"));
    wk_normal(c, 0, 1, WK_f32, nine);
    cr_assert(refused(c, WK_ESHAPE, "random: a tensor has 0 to 8 dims, not 9"));
    wk_ctx_free(c);
}
