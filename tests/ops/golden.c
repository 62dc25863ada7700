/* Elementwise values and type promotion against PyTorch's (tests/golden/ops/torch_ops.py). */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>

#define N 8
static const double at_x[N] = {-3.7, -1.25, -0.6, -0.3, 0.35, 0.8, 1.6, 4.2};
static const double at_y[N] = {2.0, -0.6, -0.6, 3.0, 0.35, -1.5, 0.5, 0.0};
static const double at_i[N] = {-7, 7, -7, 7, 100, -128, 3, 0};
static const double at_j[N] = {2, 3, 5, 1, 4, 6, 3, 2};

static void agree(wk_ctx *c, const char *name, wk_tensor y, const double *want)
{
    double got[N];
    cr_assert_eq(wk_read(c, wk_cast(c, y, WK_f64), got), WK_OK, "%s: %s", name, wk_ctx_message(c));
    for (int i = 0; i < N; i++)
        cr_assert((isnan(got[i]) && isnan(want[i])) || got[i] == want[i] ||
                      fabs(got[i] - want[i]) <= 1e-12 * (1 + fabs(want[i])),
                  "%s: value %d is %.17g, PyTorch's %.17g", name, i, got[i], want[i]);
}

/* Functions with parameters take p = 0.3 and q = 0.7; polygamma, whose parameter is whole, is not here. */
#define WK_UNARY(name, y, dy)                                                                                \
    static wk_tensor call_##name(wk_ctx *c, wk_tensor x)                                                     \
    {                                                                                                        \
        return wk_##name(c, x);                                                                              \
    }
#define WK_UNARY_P(name, y, dy)                                                                              \
    static inline wk_tensor call_##name(wk_ctx *c, wk_tensor x)                                              \
    {                                                                                                        \
        return wk_##name(c, x, 0.3, 0.7);                                                                    \
    }
#define WK_UNARY_ANY(name, y, dy, iy)   WK_UNARY(name, y, dy)
#define WK_UNARY_P_ANY(name, y, dy, iy) WK_UNARY_P(name, y, dy)
#define WK_UNARY_TEST(name, y)          WK_UNARY(name, y, y)
#include "core/unary.def"

Test(golden, elementwise_values_are_those_of_pytorch)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = wk_make(c, at_x, WK_f64, WK_SHAPE(N)), y = wk_make(c, at_y, WK_f64, WK_SHAPE(N));
    const wk_tensor i = wk_cast(c, wk_make(c, at_i, WK_f64, WK_SHAPE(N)), WK_i64),
                    j = wk_cast(c, wk_make(c, at_j, WK_f64, WK_SHAPE(N)), WK_i64);
#define UNARY(name, ...)   agree(c, #name, call_##name(c, x), (const double[]){__VA_ARGS__});
#define BINARY(name, ...)  agree(c, #name, wk_##name(c, x, y), (const double[]){__VA_ARGS__});
#define INTEGER(name, ...) agree(c, #name " of integers", wk_##name(c, i, j), (const double[]){__VA_ARGS__});
#include "tests/golden/ops/elementwise.inc"
    wk_ctx_free(c);
}

static wk_tensor operand(wk_ctx *c, char kind, wk_dtype t)
{
    if (kind == 'P') return t == WK_f64 ? wk_scalar(c, 1) : wk_scalar_int(c, 1);
    return wk_full(c, 1, t, kind == 'D' ? WK_SHAPE(2) : WK_SCALAR_SHAPE);
}

Test(golden, promotion_is_pytorchs)
{
    static const struct {
        char     ka, kb;
        wk_dtype a, b, result;
    } rows[] = {
#define PROMOTION(ka, a, kb, b, result) {#ka[0], #kb[0], WK_##a, WK_##b, WK_##result},
#include "tests/golden/ops/promotion.inc"
    };
    wk_ctx *c = wk_ctx_new("cpu");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const wk_tensor y = wk_mul(c, operand(c, rows[i].ka, rows[i].a), operand(c, rows[i].kb, rows[i].b));
        cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
        cr_assert_eq(y->dtype, rows[i].result, "%c %s with %c %s gives %s, PyTorch: %s", rows[i].ka,
                     wk_dtype_name(rows[i].a), rows[i].kb, wk_dtype_name(rows[i].b), wk_dtype_name(y->dtype),
                     wk_dtype_name(rows[i].result));
        if (rows[i].ka == 'D' && rows[i].kb == 'D')
            cr_assert_eq(wk_promote(rows[i].a, rows[i].b), rows[i].result);
    }
    wk_ctx_free(c);
}
