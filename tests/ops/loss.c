/* Cases of cross entropy. */
#include "tests/ops/cases.h"

#include <math.h>

/* p: smoothing; q: ignore_index, or 99 for none; dims.dim[0]: the reduction */
static wk_tensor run(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_cross_entropy(c, x[0], x[1],
                            (wk_cross_entropy_opts){.ignore = k->q != 99,
                                                    .ignore_index = (int64_t)k->q,
                                                    .smoothing = k->p,
                                                    .reduction = (wk_reduction)k->dims.dim[0]});
}

static void exact(const struct op_case *k, const struct values *x, struct values *y)
{
    const int64_t n = x[0].shape[x[0].ndim - 1], rows = x[1].n;
    double        total = 0, count = 0;
    for (int64_t r = 0; r < rows; r++) {
        const double *v = x[0].v + r * n;
        double        sum = 0, mean = 0, loss = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += exp(v[i]);
            mean += v[i] / (double)n;
        }
        if (x[1].v[r] != k->q) {
            loss = (1 - k->p) * (log(sum) - v[(int64_t)x[1].v[r]]) + k->p * (log(sum) - mean);
            count++;
        }
        if (k->dims.dim[0] == WK_EACH) y->v[r] = loss;
        total += loss;
    }
    if (k->dims.dim[0] == WK_SUM) y->v[0] = total;
    if (k->dims.dim[0] == WK_MEAN) y->v[0] = total / count;
}

void family_loss(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_bf16, WK_f16};
    for (int t = 0; t < 4; t++)
        for (int reduction = 0; reduction < 3; reduction++)
            for (int how = 0; how < 4; how++)
                for (int size = 0; size < 2; size++)
                    visit(arg,
                          &(struct op_case){.op = "cross_entropy",
                                            .n_in = 2,
                                            .run = run,
                                            .exact = exact,
                                            .p = how % 2 ? 0.15 : 0,
                                            .q = how / 2 ? 2 : 99,
                                            .dims = WK_DIMS(reduction),
                                            .fused = true,
                                            .gradient = t == 0 && size == 0,
                                            .tolerance = 4e-6,
                                            .in = {{.shape = size ? WK_SHAPE(3, 2500) : WK_SHAPE(2, 3, 5),
                                                    .dtype = dtypes[t],
                                                    .layout = t == 2 ? TURNED : DENSE},
                                                   {.shape = size ? WK_SHAPE(3) : WK_SHAPE(2, 3),
                                                    .dtype = t ? WK_i64 : WK_i32,
                                                    .high = 4.4,
                                                    .layout = size ? DENSE : TURNED,
                                                    .fixed = true}}});
}
