/* What the tables of tests/ops do not show of values' bits: neighbours of halves, bitwise views, sets. */
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
        cr_assert(got[i] == want[i] || fabs(got[i] - want[i]) <= 1e-12 * fabs(want[i]) ||
                      (isnan(got[i]) && isnan(want[i])),
                  "value %lld: %g, not %g", (long long)i, got[i], want[i]);
}

Test(neighbours, of_halves)
{
    wk_ctx        *c = wk_ctx_new("cpu");
    const double   from[] = {1, 1, -1, -1, 0, 0, INFINITY, 2, NAN, 2, -INFINITY};
    const double   to[] = {2, 0, 0, -2, 1, -1, 0, 2, 1, NAN, -INFINITY};
    const double   bf16[] = {1.0078125,  0.99609375, -0.99609375, -1.0078125, 0x1p-133, -0x1p-133,
                             0x1.fep127, 2,          NAN,         NAN,        -INFINITY};
    const double   f16[] = {1.0009765625, 0.99951171875, -0.99951171875, -1.0009765625,
                            0x1p-24,      -0x1p-24,      65504,          2,
                            NAN,          NAN,           -INFINITY};
    const wk_dtype halves[] = {WK_bf16, WK_f16};
    for (int h = 0; h < 2; h++) {
        const wk_tensor a = wk_cast(c, wk_make(c, from, WK_f64, WK_SHAPE(11)), halves[h]),
                        b = wk_cast(c, wk_make(c, to, WK_f64, WK_SHAPE(11)), halves[h]);
        expect(c, wk_nextafter(c, a, b), 11, h ? f16 : bf16);
    }
    wk_tape_begin(c);
    const wk_tensor x = wk_track(c, wk_full(c, 1, WK_bf16, WK_SHAPE(3, 1))),
                    y = wk_track(c, wk_full(c, 2, WK_bf16, WK_SHAPE(2)));
    wk_backward(c, wk_sum(c, wk_nextafter(c, x, y), WK_ALL_DIMS, false));
    expect(c, wk_grad(c, x), 3, (double[]){2, 2, 2}); /* and none where both are equal, as in PyTorch */
    expect(c, wk_grad(c, y), 2, (double[]){0, 0});
    wk_ctx_free(c);
}

Test(neighbours, bitwise_views)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, (float[]){1, -2, 0.5f, 3, 4, 5}, WK_f32, WK_SHAPE(2, 3));
    expect(
        c, wk_view_dtype(c, x, WK_i32), 6,
        (double[]){0x3f800000, (double)(int32_t)0xc0000000, 0x3f000000, 0x40400000, 0x40800000, 0x40a00000});
    const wk_tensor bytes = wk_view_dtype(c, wk_narrow(c, x, 1, 1, 2), WK_u8); /* strided rows */
    cr_assert(bytes->ndim == 2 && bytes->shape[0] == 2 && bytes->shape[1] == 8);
    expect(c, bytes, 16, (double[]){0, 0, 0, 0xc0, 0, 0, 0, 0x3f, 0, 0, 0x80, 0x40, 0, 0, 0xa0, 0x40});
    cr_assert(wk_view_dtype(c, bytes, WK_u8)->storage == x->storage);
    const wk_tensor pair =
        wk_view_dtype(c, wk_make(c, (int32_t[]){0, 0x3ff00000}, WK_i32, WK_SHAPE(2)), WK_f64);
    expect(c, pair, 1, (double[]){1});
    expect(c, wk_view_dtype(c, wk_scalar(c, 1), WK_i64), 1, (double[]){0x3ff0000000000000});
#define REFUSED(call, status, text)                                                                          \
    cr_assert(wk_is_none(call) && wk_ctx_status(c) == (status) && strstr(wk_ctx_message(c), text), "%s: %s", \
              #call, wk_ctx_message(c));                                                                     \
    wk_ctx_clear(c)
    REFUSED(wk_view_dtype(c, x, WK_f64), WK_ESHAPE, "[2, 3] of f32 cannot be looked at as f64");
    REFUSED(wk_view_dtype(c, wk_transpose(c, x, 0, 1), WK_u8), WK_ESHAPE, "without a copy");
    REFUSED(wk_view_dtype(c, x, WK_bool), WK_EDTYPE, "bool");
    REFUSED(wk_view_dtype(c, x, WK_q8_0), WK_EDTYPE, "from f32 to q8_0");
    wk_tape_begin(c);
    REFUSED(wk_view_dtype(c, wk_track(c, x), WK_f16), WK_ENOGRAD, "view_dtype");
    wk_ctx_free(c);
}

Test(neighbours, sets_and_places)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, (double[]){3, NAN, -1, 0, 7, 3}, WK_f64, WK_SHAPE(2, 3)),
                    set = wk_make(c, (int32_t[]){7, 0, 3, 9}, WK_i32, WK_SHAPE(2, 2));
    wk_tensor at[3];
    expect(c, wk_isin(c, x, set), 6, (double[]){1, 0, 0, 1, 1, 1});
    expect(c, wk_isin(c, x, wk_zeros(c, WK_f32, WK_SHAPE(0))), 6, (double[6]){0});
    wk_unravel_index(c, wk_make(c, (int64_t[]){0, 23, 13}, WK_i64, WK_SHAPE(3)), WK_SHAPE(2, 3, 4), at);
    expect(c, at[0], 3, (double[]){0, 1, 1});
    expect(c, at[1], 3, (double[]){0, 2, 0});
    expect(c, at[2], 3, (double[]){0, 3, 1});
    const wk_tensor v = wk_make(c, (double[]){0, 0.5, 1, 2.5, 3, 9}, WK_f64, WK_SHAPE(6)),
                    edges = wk_make(c, (double[]){0, 1, 3}, WK_f64, WK_SHAPE(3));
    expect(c, wk_histogram(c, v, edges, WK_NONE, false), 2, (double[]){2, 3});
    expect(c, wk_histogram(c, v, edges, v, false), 2, (double[]){0.5, 6.5});
    expect(c, wk_histogram(c, v, edges, WK_NONE, true), 2, (double[]){0.4, 0.3});
    expect(c, wk_nonzero_static(c, v, 3, -1), 3, (double[]){1, 2, 3});
    expect(c, wk_nonzero_static(c, v, 7, -1), 7, (double[]){1, 2, 3, 4, 5, -1, -1});
    expect(c, wk_normalize(c, wk_make(c, (double[]){3, 4, 0, 0}, WK_f64, WK_SHAPE(2, 2)), 2, 1, 1e-12), 4,
           (double[]){0.6, 0.8, 0, 0});
    wk_unravel_index(c, wk_scalar_int(c, 24), WK_SHAPE(2, 3, 4), at);
    cr_assert(wk_is_none(at[0]) && wk_ctx_status(c) == WK_EINDEX, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(neighbours, distances_and_covariances)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor a = wk_make(c, (double[]){0, 0, 3, 4}, WK_f64, WK_SHAPE(2, 2)),
                    b = wk_make(c, (double[]){3, 0, 0, 4, 3, 4}, WK_f64, WK_SHAPE(3, 2));
    expect(c, wk_cdist(c, a, b, 2), 6, (double[]){3, 4, 5, 4, 3, 0});
    expect(c, wk_cdist(c, a, b, 1), 6, (double[]){3, 4, 7, 4, 3, 0});
    const wk_tensor x = wk_make(c, (double[]){1, 2, 3, 4, 8, 6, 4, 2}, WK_f64, WK_SHAPE(2, 4));
    const double    v = 5.0 / 3;
    expect(c, wk_cov(c, x, 1, WK_NONE, WK_NONE), 4, (double[]){v, -2 * v, -2 * v, 4 * v});
    expect(c, wk_corrcoef(c, x), 4, (double[]){1, -1, -1, 1});
    expect(c, wk_cov(c, wk_select(c, x, 0, 0), 0, WK_NONE, WK_NONE), 1, (double[]){1.25});
    const wk_tensor often = wk_make(c, (int64_t[]){2, 1, 0, 1}, WK_i64, WK_SHAPE(4)), /* 1 1 2 4 */
        weights = wk_make(c, (double[]){1, 1, 1, 3}, WK_f64, WK_SHAPE(4));
    expect(c, wk_cov(c, wk_select(c, x, 0, 0), 1, often, WK_NONE), 1, (double[]){2});
    expect(c, wk_cov(c, wk_select(c, x, 0, 0), 0, WK_NONE, weights), 1, (double[]){4.0 / 3});
    cr_assert(wk_is_none(wk_cov(c, x, 1, WK_NONE, wk_zeros(c, WK_f64, WK_SHAPE(3)))));
    wk_ctx_free(c);
}
