/* Cases of affine maps by index; tests/ops/block_products.c has the block formats. */
#include "tests/ops/cases.h"

static wk_tensor run(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_set_precise(c, true); /* halves may be used as bf16 by default: tests/ops/block_products.c */
    return wk_affine_experts(c, x[0], x[1], k->n_in > 3 ? x[3] : WK_NONE, x[2]);
}

static void exact(const struct op_case *kase, const struct values *x, struct values *y)
{
    const int64_t n = x[1].shape[1], k = x[1].shape[2], rows = x[2].n;
    const int64_t repeats = x[0].ndim == x[2].ndim ? x[2].shape[x[2].ndim - 1] : 1;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < n; j++) {
            const int64_t e = (int64_t)x[2].v[r];
            double        sum = kase->n_in > 3 ? x[3].v[e * n + j] : 0;
            for (int64_t l = 0; l < k; l++) sum += x[0].v[r / repeats * k + l] * x[1].v[(e * n + j) * k + l];
            y->v[r * n + j] = sum;
        }
}

struct mixture {
    const char *note;
    wk_shape    x, w, ids;
    enum layout lx, lw;
    bool        bias, gradient;
};
static const struct mixture mixtures[] = {
    {"a row for all", {2, {5, 7}}, {3, {4, 3, 7}}, {2, {5, 2}}, DENSE, DENSE, false, true},
    {"a row for each", {3, {5, 2, 7}}, {3, {4, 3, 7}}, {2, {5, 2}}, DENSE, DENSE, true, true},
    {"no leading dims", {1, {7}}, {3, {4, 3, 7}}, {1, {3}}, DENSE, DENSE, true, true},
    {"two leading dims", {3, {2, 3, 7}}, {3, {4, 3, 7}}, {3, {2, 3, 2}}, TURNED, DENSE, true, true},
    {"turned", {3, {5, 2, 9}}, {3, {3, 6, 9}}, {2, {5, 2}}, TURNED, TURNED, true, true},
    {"stepped", {2, {5, 9}}, {3, {3, 6, 9}}, {2, {5, 2}}, STEPPED, STEPPED, false, true},
    {"one expert", {2, {40, 33}}, {3, {1, 6, 33}}, {2, {40, 2}}, DENSE, DENSE, false, false},
    {"many rows", {2, {130, 70}}, {3, {3, 35, 70}}, {2, {130, 2}}, DENSE, DENSE, true, false},
    {"more experts than rows", {2, {2, 70}}, {3, {50, 35, 70}}, {2, {2, 3}}, DENSE, DENSE, true, false},
    {"no rows", {2, {0, 7}}, {3, {4, 3, 7}}, {2, {0, 2}}, DENSE, DENSE, true, false},
    {"no indices", {2, {4, 7}}, {3, {4, 3, 7}}, {2, {4, 0}}, DENSE, DENSE, false, false},
    {"nothing to add up", {2, {4, 0}}, {3, {4, 3, 0}}, {2, {4, 2}}, DENSE, DENSE, true, false},
};

void family_experts(case_fn visit, void *arg)
{
    static const wk_dtype real[] = {WK_f32, WK_f16, WK_bf16, WK_f64};
    for (size_t tx = 0; tx < 4; tx++)
        for (size_t tw = 0; tw < 4; tw++)
            for (size_t i = 0; i < sizeof mixtures / sizeof *mixtures; i++) {
                const struct mixture *m = &mixtures[i];
                const double          experts = (double)m->w.dim[0];
                visit(arg, &(struct op_case){
                               .op = "affine_experts",
                               .note = m->note,
                               .run = run,
                               .exact = exact,
                               .n_in = m->bias ? 4 : 3,
                               .in = {{.shape = m->x, .dtype = real[tx], .layout = m->lx},
                                      {.shape = m->w, .dtype = real[tw], .layout = m->lw},
                                      {.shape = m->ids,
                                       .dtype = tw % 2 ? WK_i32 : WK_i64,
                                       .low = -0.49,
                                       .high = experts - 0.51,
                                       .fixed = true},
                                      {.shape = WK_SHAPE(m->w.dim[0], m->w.dim[1]), .dtype = real[tw]}},
                               .gradient = m->gradient && tx == 0 && tw == 0,
                               .fused = tx == 0 && tw == 0,
                               .tolerance = 6e-5});
            }
}
