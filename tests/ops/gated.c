/* Gated activations. */
#include "tests/ops/fused.h"

static wk_tensor swiglu(wk_ctx *c, const wk_tensor *x, const void *o)
{
    (void)o;
    return wk_swiglu(c, x[0], x[1]);
}
static wk_tensor geglu(wk_ctx *c, const wk_tensor *x, const void *tanh_form)
{
    return wk_geglu(c, x[0], x[1], tanh_form != NULL);
}
static wk_tensor reglu(wk_ctx *c, const wk_tensor *x, const void *o)
{
    (void)o;
    return wk_reglu(c, x[0], x[1]);
}
static wk_tensor glu(wk_ctx *c, const wk_tensor *x, const void *dim)
{
    return wk_glu(c, x[0], *(const int *)dim);
}
/* Both halves in one row, as a fused projection gives them. */
static wk_tensor halves(wk_ctx *c, const wk_tensor *x, const void *o)
{
    const int64_t n = wk_size(x[0], -1) / 2;
    (void)o;
    return wk_swiglu(c, wk_narrow(c, x[0], -1, 0, n), wk_narrow(c, x[0], -1, n, n));
}

static const int last = -1, first = 0;

Test(gated, agrees_with_its_composition)
{
    const struct fused_case cases[] = {
        {"swiglu [7]", swiglu, NULL, 2, {WK_SHAPE(7), WK_SHAPE(7)}, 0},
        {"swiglu [3, 1536]", swiglu, NULL, 2, {WK_SHAPE(3, 1536), WK_SHAPE(3, 1536)}, 0},
        {"swiglu of halves", halves, NULL, 1, {WK_SHAPE(5, 66)}, 0},
        {"geglu, erf", geglu, NULL, 2, {WK_SHAPE(2, 3, 20), WK_SHAPE(2, 3, 20)}, 0},
        {"geglu, tanh", geglu, "tanh", 2, {WK_SHAPE(2, 3, 20), WK_SHAPE(2, 3, 20)}, 0},
        {"reglu", reglu, NULL, 2, {WK_SHAPE(40, 33), WK_SHAPE(40, 33)}, 0},
        {"glu", glu, &last, 1, {WK_SHAPE(4, 10)}, 0},
        {"glu, dim 0", glu, &first, 1, {WK_SHAPE(6, 5)}, 0},
    };
    FUSED_RUN(cases);
}

/* The formulas of arXiv:2002.05202 over a range that includes where exp overflows. */
Test(gated, agrees_with_the_formulas)
{
    enum { N = 401 };
    float gate[N], up[N];
    for (int i = 0; i < N; i++) {
        gate[i] = (float)(i - 200) * 0.5f;
        up[i] = 1 + (float)i * 0.001f;
    }
    for (int isa = 0; isa < FUSED_ISAS; isa++) {
        const char *name = "";
        wk_ctx     *c = fused_open(isa, &name);
        if (wk_ctx_status(c) == WK_OK) {
            const wk_tensor g = wk_make(c, gate, WK_f32, WK_SHAPE(N)),
                            u = wk_make(c, up, WK_f32, WK_SHAPE(N));
            double *y[4] = {fused_read(c, wk_swiglu(c, g, u)), fused_read(c, wk_geglu(c, g, u, false)),
                            fused_read(c, wk_geglu(c, g, u, true)), fused_read(c, wk_reglu(c, g, u))};
            for (int i = 0; i < N; i++) {
                const double x = (double)gate[i], w = (double)up[i],
                             t = sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
                const double want[4] = {x / (1 + exp(-x)), x * 0.5 * erfc(-x / sqrt(2)),
                                        x / (1 + exp(-2 * t)), x > 0 ? x : 0};
                for (int f = 0; f < 4; f++)
                    cr_assert(fabs(y[f][i] - want[f] * w) <= 1e-6 * (1 + fabs(want[f])),
                              "%s, function %d at %g: %g, not %g", name, f, x, y[f][i], want[f] * w);
            }
            for (int f = 0; f < 4; f++) free(y[f]);
        }
        wk_ctx_free(c);
    }
}

Test(gated, bad_arguments)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor a = wk_zeros(c, WK_f32, WK_SHAPE(2, 4)), b = wk_zeros(c, WK_f32, WK_SHAPE(2, 3));
    cr_assert(wk_is_none(wk_swiglu(c, a, b)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    cr_assert(strstr(wk_ctx_message(c), "[2, 3]"), "%s", wk_ctx_message(c));
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_reglu(c, wk_zeros(c, WK_i32, WK_SHAPE(2)), wk_zeros(c, WK_i32, WK_SHAPE(2)))));
    cr_assert_eq(wk_ctx_status(c), WK_EDTYPE);
    wk_ctx_clear(c);
    cr_assert(wk_is_none(wk_glu(c, b, -1)));
    cr_assert_eq(wk_ctx_status(c), WK_ESHAPE);
    wk_ctx_free(c);
}
