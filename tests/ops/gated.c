/* Cases of the gated activations. */
#include "tests/ops/cases.h"

static wk_tensor swiglu(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_swiglu(c, x[0], x[1]);
}
static wk_tensor geglu(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_geglu(c, x[0], x[1], k->keep);
}
static wk_tensor reglu(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_reglu(c, x[0], x[1]);
}
/* Both halves in one row, as a fused projection gives them. */
static wk_tensor halves(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const int64_t n = wk_size(x[0], -1) / 2;
    (void)k;
    return wk_swiglu(c, wk_narrow(c, x[0], -1, 0, n), wk_narrow(c, x[0], -1, n, n));
}
static wk_tensor glu(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_glu(c, x[0], (int)k->dims.dim[0]);
}

static void visit_gated(case_fn visit, void *arg,
                        wk_tensor (*run)(wk_ctx *, const wk_tensor *, const struct op_case *),
                        const char *note, int n_in, wk_shape shape, int dim, bool tanh_form)
{
    struct op_case k = {.op = "gated",
                        .note = note,
                        .n_in = n_in,
                        .run = run,
                        .dims = WK_DIMS(dim),
                        .keep = tanh_form,
                        .gradient = true,
                        .fused = true};
    for (int i = 0; i < n_in; i++)
        k.in[i] = (struct input){.shape = shape, .dtype = WK_f32, .low = -6, .high = 6};
    visit_dtypes(visit, arg, &k);
}

void family_gated(case_fn visit, void *arg)
{
    visit_gated(visit, arg, swiglu, "swiglu", 2, WK_SHAPE(7), 0, false);
    visit_gated(visit, arg, swiglu, "swiglu", 2, WK_SHAPE(3, 1536), 0, false);
    visit_gated(visit, arg, halves, "swiglu of halves", 1, WK_SHAPE(5, 66), 0, false);
    visit_gated(visit, arg, geglu, "geglu, erf", 2, WK_SHAPE(2, 3, 20), 0, false);
    visit_gated(visit, arg, geglu, "geglu, tanh", 2, WK_SHAPE(2, 3, 20), 0, true);
    visit_gated(visit, arg, reglu, "reglu", 2, WK_SHAPE(40, 33), 0, false);
    visit_gated(visit, arg, glu, "glu", 1, WK_SHAPE(4, 10), -1, false);
    visit_gated(visit, arg, glu, "glu", 1, WK_SHAPE(6, 5), 0, false);
}
