/* softmax and log_softmax. */
#include "tests/ops/fused.h"

static wk_tensor softmax(wk_ctx *c, const wk_tensor *x, const void *dim)
{
    return wk_softmax(c, x[0], *(const int *)dim);
}
static wk_tensor log_softmax(wk_ctx *c, const wk_tensor *x, const void *dim)
{
    return wk_log_softmax(c, x[0], *(const int *)dim);
}

static const int last = -1, first = 0, middle = 1;

Test(softmax, agrees_with_its_composition)
{
    const struct fused_case cases[] = {
        {"softmax [1]", softmax, &last, 1, {WK_SHAPE(1)}, 0},
        {"softmax [5, 7]", softmax, &last, 1, {WK_SHAPE(5, 7)}, 0},
        {"softmax [3, 2500]", softmax, &last, 1, {WK_SHAPE(3, 2500)}, 0},
        {"softmax [4, 5, 33], dim 0", softmax, &first, 1, {WK_SHAPE(4, 5, 33)}, 0},
        {"softmax [4, 5, 33], dim 1", softmax, &middle, 1, {WK_SHAPE(4, 5, 33)}, 0},
        {"log_softmax [6, 16]", log_softmax, &last, 1, {WK_SHAPE(6, 16)}, 0},
        {"log_softmax [2, 3000]", log_softmax, &last, 1, {WK_SHAPE(2, 3000)}, 0},
        {"log_softmax [3, 4, 5], dim 1", log_softmax, &middle, 1, {WK_SHAPE(3, 4, 5)}, 0},
    };
    FUSED_RUN(cases);
}

/* What PyTorch gives: no overflow for large values; a row of -inf, or with a NaN or +inf, is NaN. */
Test(softmax, extreme_rows)
{
    const float inf = INFINITY;
    const float x[5][4] = {{1000, 1001, 999, -1000},
                           {-inf, 0, 1, -inf},
                           {-inf, -inf, -inf, -inf},
                           {0, NAN, 1, 2},
                           {0, inf, 1, -inf}};
    for (int isa = 0; isa < FUSED_ISAS; isa++) {
        const char *name = "";
        wk_ctx     *c = fused_open(isa, &name);
        if (wk_ctx_status(c) == WK_OK) {
            for (int wide = 0; wide < 2; wide++) {
                const wk_tensor in =
                    wk_cast(c, wk_make(c, x, WK_f32, WK_SHAPE(5, 4)), wide ? WK_f64 : WK_f32);
                double *y = fused_read(c, wk_softmax(c, in, -1)),
                       *l = fused_read(c, wk_log_softmax(c, in, -1));
                const double total = exp(-1) + 1 + exp(-2);
                cr_assert_float_eq(y[0], exp(-1) / total, 1e-6, "%s", name);
                cr_assert_float_eq(y[1], 1 / total, 1e-6, "%s", name);
                cr_assert_eq(y[3], 0, "%s: %g", name, y[3]);
                cr_assert_float_eq(l[0], -1 - log(total), 1e-6, "%s", name);
                cr_assert_float_eq(l[3], -2001 - log(total), 1e-3, "%s", name);
                cr_assert_eq(y[4], 0, "%s", name);
                cr_assert_float_eq(y[5], 1 / (1 + exp(1)), 1e-6, "%s", name);
                cr_assert_eq(l[4], -(double)INFINITY, "%s", name);
                for (int i = 8; i < 16; i++) cr_assert(isnan(y[i]), "%s: %d", name, i);
                cr_assert(isnan(y[17]), "%s", name);
                free(y);
                free(l);
            }
        }
        wk_ctx_free(c);
    }
}

Test(softmax, no_dims_and_bad_arguments)
{
    wk_ctx *c = wk_ctx_new("cpu");
    cr_assert_eq(wk_item(c, wk_softmax(c, wk_full(c, 3, WK_f32, WK_SCALAR_SHAPE), 0)), 1);
    cr_assert_eq(wk_item(c, wk_log_softmax(c, wk_full(c, 3, WK_f32, WK_SCALAR_SHAPE), -1)), 0);
    const wk_tensor i = wk_zeros(c, WK_i32, WK_SHAPE(2, 2));
    cr_assert(wk_is_none(wk_softmax(c, i, -1)));
    cr_assert_eq(wk_ctx_status(c), WK_EDTYPE);
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_log_softmax(c, wk_zeros(c, WK_f32, WK_SHAPE(2, 2)), 2)));
    cr_assert_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}
