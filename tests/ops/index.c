/* Cases of ops that pick by index. */
#include "tests/ops/cases.h"

#include <math.h>
#include <string.h>

static int64_t flat(const struct values *x, const int64_t *at)
{
    int64_t f = 0;
    for (int i = 0; i < x->ndim; i++) f = f * x->shape[i] + at[i];
    return f;
}

static void unflat(const struct values *y, int64_t i, int64_t *at)
{
    for (int d = y->ndim - 1; d >= 0; d--) {
        at[d] = i % y->shape[d];
        i /= y->shape[d];
    }
}

/* ---- index_select: p is the dim ---- */

static wk_tensor run_select(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_index_select(c, x[0], (int)k->p, x[1]);
}
static void exact_select(const struct op_case *k, const struct values *x, struct values *y)
{
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[WK_MAX_DIMS];
        unflat(y, i, at);
        at[(int)k->p] = (int64_t)x[1].v[at[(int)k->p]];
        y->v[i] = x[0].v[flat(&x[0], at)];
    }
}

/* ---- gather, scatter_add ---- */

static wk_tensor run_gather(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_gather(c, x[0], (int)k->p, x[1]);
}
static void exact_gather(const struct op_case *k, const struct values *x, struct values *y)
{
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[WK_MAX_DIMS];
        unflat(y, i, at);
        at[(int)k->p] = (int64_t)x[1].v[i];
        y->v[i] = x[0].v[flat(&x[0], at)];
    }
}

static wk_tensor run_scatter(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_scatter_add(c, x[0], (int)k->p, x[1], x[2]);
}
static void exact_scatter(const struct op_case *k, const struct values *x, struct values *y)
{
    memcpy(y->v, x[0].v, (size_t)y->n * sizeof *y->v);
    for (int64_t i = 0; i < x[1].n; i++) {
        int64_t at[WK_MAX_DIMS];
        unflat(&x[1], i, at);
        const int64_t from = flat(&x[2], at);
        at[(int)k->p] = (int64_t)x[1].v[i];
        y->v[flat(y, at)] += x[2].v[from];
    }
}

/* ---- embedding_rows ---- */

static wk_tensor run_rows(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_embedding_rows(c, x[0], x[1]);
}
static void exact_rows(const struct op_case *k, const struct values *x, struct values *y)
{
    const int64_t d = x[0].shape[1];
    (void)k;
    for (int64_t i = 0; i < y->n; i++) y->v[i] = x[0].v[(int64_t)x[1].v[i / d] * d + i % d];
}

/* ---- topk: p the dim, q = k, keep: largest; values, or with dims.ndim the indices ---- */

static wk_tensor run_topk(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor at, values = wk_topk(c, x[0], (int64_t)k->q, (int)k->p, k->keep, &at);
    return k->dims.ndim ? at : values;
}
static bool comes_before(double a, int64_t i, double b, int64_t j, bool largest)
{
    if (isnan(a) != isnan(b)) return isnan(a) == largest;
    if (!isnan(a) && a != b) return (a > b) == largest;
    return i < j;
}
static void exact_topk(const struct op_case *k, const struct values *x, struct values *y)
{
    const int d = (int)k->p;
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[WK_MAX_DIMS], other[WK_MAX_DIMS];
        unflat(y, i, at);
        memcpy(other, at, sizeof other);
        for (int64_t j = 0; j < x->shape[d]; j++) { /* the one that rank others come before */
            int64_t rank = 0;
            other[d] = j;
            const double v = x->v[flat(x, other)];
            for (int64_t m = 0; m < x->shape[d]; m++) {
                at[d] = m;
                rank += m != j && comes_before(x->v[flat(x, at)], m, v, j, k->keep);
            }
            unflat(y, i, at);
            if (rank == at[d]) y->v[i] = k->dims.ndim ? (double)j : v;
        }
    }
}

static const double nans[] = {1, NAN, -3, 7, 7, INFINITY, -INFINITY, 0, NAN, 2, 2, 5};

void family_index(case_fn visit, void *arg)
{
    static const wk_dtype    dtypes[] = {WK_f32, WK_f64, WK_f16, WK_i32, WK_u8};
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED, EXPANDED};
    for (int t = 0; t < 5; t++)
        for (int l = 0; l < 4; l++)
            for (int d = 0; d < 3; d++) {
                const struct input x = {.shape = WK_SHAPE(4, 6, 5),
                                        .dtype = dtypes[t],
                                        .layout = layouts[l],
                                        .low = 0,
                                        .high = 9};
                const bool         grad = dtypes[t] == WK_f32;
                struct op_case     k = {.op = "index_select",
                                        .n_in = 2,
                                        .run = run_select,
                                        .exact = exact_select,
                                        .p = d,
                                        .gradient = grad,
                                        .in = {x}};
                k.in[1] = (struct input){.shape = WK_SHAPE(7),
                                         .dtype = l % 2 ? WK_i32 : WK_i64,
                                         .high = 3.4,
                                         .layout = l == 2 ? STEPPED : DENSE,
                                         .fixed = true};
                visit(arg, &k);
                k.op = "gather";
                k.run = run_gather;
                k.exact = exact_gather;
                k.in[1].shape = WK_SHAPE(3, 6, 4);
                k.in[1].layout = l % 2 ? TURNED : DENSE;
                visit(arg, &k);
                k.op = "scatter_add";
                k.n_in = 3;
                k.run = run_scatter;
                k.exact = exact_scatter;
                k.in[2] = (struct input){
                    .shape = WK_SHAPE(4, 6, 5), .dtype = dtypes[t], .layout = layouts[3 - l], .high = 4};
                visit(arg, &k);
                for (int what = 0; what < 4; what++)
                    visit(arg, &(struct op_case){.op = "topk",
                                                 .n_in = 1,
                                                 .run = run_topk,
                                                 .exact = exact_topk,
                                                 .in = {x},
                                                 .p = d,
                                                 .q = 3,
                                                 .keep = what % 2,
                                                 .dims = {.ndim = what / 2},
                                                 .apart = true,
                                                 .gradient = grad && what < 2 && l < 3});
            }
    for (int what = 0; what < 4; what++)
        visit(arg, &(struct op_case){.op = "topk",
                                     .note = "NaN",
                                     .n_in = 1,
                                     .run = run_topk,
                                     .exact = exact_topk,
                                     .in = {{.shape = WK_SHAPE(12), .dtype = WK_f32, .values = nans}},
                                     .q = 12,
                                     .keep = what % 2,
                                     .dims = {.ndim = what / 2}});
    for (int t = 0; t < 3; t++)
        visit(arg, &(struct op_case){.op = "embedding_rows",
                                     .n_in = 2,
                                     .run = run_rows,
                                     .exact = exact_rows,
                                     .gradient = t == 0,
                                     .in = {{.shape = WK_SHAPE(9, 7), .dtype = dtypes[t]},
                                            {.shape = WK_SHAPE(3, 4),
                                             .dtype = t ? WK_i32 : WK_i64,
                                             .high = 8.4,
                                             .layout = TURNED,
                                             .fixed = true}}});
    visit(arg, &(struct op_case){.op = "gather",
                                 .note = "nothing",
                                 .n_in = 2,
                                 .run = run_gather,
                                 .exact = exact_gather,
                                 .in = {{.shape = WK_SHAPE(4, 6), .dtype = WK_f32},
                                        {.shape = WK_SHAPE(0, 6), .dtype = WK_i64, .fixed = true}}});
}
