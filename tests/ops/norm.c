/* Cases of rms_norm, layer_norm and add_norm. */
#include "tests/ops/cases.h"

#define EPS 1e-5

static wk_tensor rms(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_rms_norm(c, x[0], k->n_in > 1 ? x[1] : WK_NONE, EPS);
}
static wk_tensor layer(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_layer_norm(c, x[0], k->n_in > 1 ? x[1] : WK_NONE, k->n_in > 2 ? x[2] : WK_NONE, EPS);
}
static wk_tensor layer_bias(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_layer_norm(c, x[0], WK_NONE, x[1], EPS);
}
/* Both results of add_norm in one. */
static wk_tensor add(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor       sum;
    const wk_tensor y = wk_add_norm(c, x[0], x[1], x[2], k->n_in > 3 ? x[3] : WK_NONE, EPS, k->keep, &sum);
    return wk_add(c, wk_mul(c, sum, wk_scalar(c, 0.25)), y);
}

static void visit_norm(case_fn visit, void *arg, const char *op,
                       wk_tensor (*run)(wk_ctx *, const wk_tensor *, const struct op_case *), int rows,
                       int n_in, wk_shape shape, enum layout layout)
{
    struct op_case k = {.op = op,
                        .n_in = n_in,
                        .run = run,
                        .gradient = true,
                        .fused = true,
                        .tolerance = 4e-6,
                        .keep = n_in > 3};
    for (int i = 0; i < n_in; i++) {
        k.in[i].dtype = WK_f32;
        k.in[i].shape = i < rows ? shape : WK_SHAPE(shape.dim[shape.ndim - 1]);
    }
    k.in[0].layout = layout;
    visit_dtypes(visit, arg, &k);
}

void family_norm(case_fn visit, void *arg)
{
    visit_norm(visit, arg, "rms_norm", rms, 1, 2, WK_SHAPE(3, 8), DENSE);
    visit_norm(visit, arg, "rms_norm", rms, 1, 2, WK_SHAPE(2, 70, 100), DENSE);
    visit_norm(visit, arg, "rms_norm", rms, 1, 2, WK_SHAPE(2, 2500), DENSE);
    visit_norm(visit, arg, "rms_norm", rms, 1, 1, WK_SHAPE(5, 33), DENSE);
    visit_norm(visit, arg, "rms_norm", rms, 1, 2, WK_SHAPE(5, 4, 16), TURNED);
    visit_norm(visit, arg, "rms_norm", rms, 1, 2, WK_SHAPE(5, 16), EXPANDED);
    visit_norm(visit, arg, "layer_norm", layer, 1, 3, WK_SHAPE(3, 8), DENSE);
    visit_norm(visit, arg, "layer_norm", layer, 1, 3, WK_SHAPE(90, 2, 65), DENSE);
    visit_norm(visit, arg, "layer_norm", layer, 1, 3, WK_SHAPE(3, 1500), DENSE);
    visit_norm(visit, arg, "layer_norm", layer, 1, 2, WK_SHAPE(4, 40), STEPPED);
    visit_norm(visit, arg, "layer_norm", layer, 1, 1, WK_SHAPE(4, 40), DENSE);
    visit_norm(visit, arg, "layer_norm", layer_bias, 1, 2, WK_SHAPE(4, 40), DENSE);
    visit_norm(visit, arg, "add_norm", add, 2, 3, WK_SHAPE(6, 50), DENSE);
    visit_norm(visit, arg, "add_norm", add, 2, 4, WK_SHAPE(2, 3, 1100), DENSE);
    visit_norm(visit, arg, "add_norm", add, 2, 3, WK_SHAPE(6, 50), TURNED);
}
