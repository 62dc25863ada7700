/* Cases of softmax and log_softmax. */
#include "tests/ops/cases.h"

static wk_tensor softmax(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_softmax(c, x[0], (int)k->dims.dim[0]);
}
static wk_tensor log_softmax(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_log_softmax(c, x[0], (int)k->dims.dim[0]);
}

void family_softmax(case_fn visit, void *arg)
{
    static const struct {
        wk_shape    shape;
        int         dim;
        enum layout layout;
    } rows[] = {
        {WK_SHAPE(1), -1, DENSE},       {WK_SHAPE(5, 7), -1, DENSE},     {WK_SHAPE(3, 2500), 1, DENSE},
        {WK_SHAPE(4, 5, 33), 0, DENSE}, {WK_SHAPE(4, 5, 33), 1, DENSE},  {WK_SHAPE(6, 40), -1, TURNED},
        {WK_SHAPE(6, 40), -1, STEPPED}, {WK_SHAPE(6, 40), -1, EXPANDED}, {WK_SCALAR_SHAPE, -1, DENSE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct op_case k = {.op = "softmax",
                            .n_in = 1,
                            .in = {{.shape = rows[i].shape, .dtype = WK_f32, .layout = rows[i].layout}},
                            .run = softmax,
                            .dims = WK_DIMS(rows[i].dim),
                            .gradient = true,
                            .fused = true};
        visit_dtypes(visit, arg, &k);
        k.op = "log_softmax";
        k.run = log_softmax;
        visit_dtypes(visit, arg, &k);
    }
}
