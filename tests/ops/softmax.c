/* Cases of softmax, log_softmax and softmin. */
#include "tests/ops/cases.h"

#include <math.h>

static wk_tensor softmax(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_softmax(c, x[0], (int)k->dims.dim[0]);
}
static wk_tensor log_softmax(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_log_softmax(c, x[0], (int)k->dims.dim[0]);
}

static wk_tensor softmin(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_softmin(c, x[0], (int)k->dims.dim[0]);
}
static void exact_softmin(const struct op_case *k, const struct values *x, struct values *y)
{
    const int d = (int)(k->dims.dim[0] + x->ndim) % (x->ndim ? x->ndim : 1);
    int64_t   inner = 1, n = x->ndim ? x->shape[d] : 1;
    for (int i = d + 1; i < x->ndim; i++) inner *= x->shape[i];
    for (int64_t i = 0; i < x->n; i++) {
        const double *line = x->v + i / (n * inner) * (n * inner) + i % inner;
        double        least = INFINITY, sum = 0;
        for (int64_t j = 0; j < n; j++) least = fmin(least, line[j * inner]);
        for (int64_t j = 0; j < n; j++) sum += exp(least - line[j * inner]);
        y->v[i] = exp(least - x->v[i]) / sum;
    }
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
        k.op = "softmin";
        k.run = softmin;
        k.exact = exact_softmin;
        k.fused = false;
        visit_dtypes(visit, arg, &k);
    }
}
