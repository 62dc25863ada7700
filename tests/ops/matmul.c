/* Cases of the products of plain dtypes; tests/ops/affine.c has the block formats. */
#include "tests/ops/cases.h"

#include <math.h>
#include <stdlib.h>

static wk_tensor run_matmul(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_matmul(c, x[0], x[1]);
}

/* Offset of matrix number `index` of the result's batch in an operand whose matrices have `size` values. */
static int64_t batch_at(const struct values *x, const struct values *y, int y_batch, int64_t index,
                        int64_t size)
{
    int64_t at = 0, step = size;
    for (int i = y_batch - 1, j = x->ndim - 3; i >= 0; i--, j--) {
        if (j >= 0) {
            if (x->shape[j] != 1) at += index % y->shape[i] * step;
            step *= x->shape[j];
        }
        index /= y->shape[i];
    }
    return at;
}

static void exact_matmul(const struct op_case *kase, const struct values *x, struct values *y)
{
    (void)kase;
    const struct values *a = &x[0], *b = &x[1];
    const int64_t        n = a->ndim > 1 ? a->shape[a->ndim - 2] : 1, k = a->shape[a->ndim - 1];
    const int64_t        m = b->ndim > 1 ? b->shape[b->ndim - 1] : 1;
    const int            batch = y->ndim - (a->ndim > 1) - (b->ndim > 1);
    for (int64_t t = 0; n * m > 0 && t < y->n / (n * m); t++) {
        const double *pa = a->v + batch_at(a, y, batch, t, n * k),
                     *pb = b->v + batch_at(b, y, batch, t, k * m);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < m; j++) {
                double sum = 0;
                for (int64_t l = 0; l < k; l++) sum += pa[i * k + l] * pb[l * m + j];
                y->v[(t * n + i) * m + j] = sum;
            }
    }
}

static wk_tensor run_affine(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_set_precise(c, true); /* halves may be used as bf16 by default: tests/ops/affine.c */
    return wk_affine(c, x[0], x[1], k->n_in > 2 ? x[2] : WK_NONE);
}

static void exact_affine(const struct op_case *kase, const struct values *x, struct values *y)
{
    const int64_t k = x[1].shape[1], n = x[1].shape[0], m = n ? y->n / n : 0;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = kase->n_in > 2 ? x[2].v[j] : 0;
            for (int64_t l = 0; l < k; l++) sum += x[0].v[i * k + l] * x[1].v[j * k + l];
            y->v[i * n + j] = sum;
        }
}

/* ---- affine and what follows: p tells what ---- */

enum { RELU, GELU_TANH, ADD };

static wk_tensor run_ended(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_tensor bias = k->keep ? x[2] : WK_NONE;
    wk_set_precise(c, x[0]->dtype == WK_f32 && x[1]->dtype != WK_f32); /* else halves may be used as bf16 */
    if ((int)k->p == RELU) return wk_affine_relu(c, x[0], x[1], bias);
    if ((int)k->p == GELU_TANH) return wk_affine_gelu_tanh(c, x[0], x[1], bias);
    return wk_affine_add(c, x[0], x[1], bias, x[k->n_in - 1]);
}

static void exact_ended(const struct op_case *kase, const struct values *x, struct values *y)
{
    const int64_t k = x[1].shape[1], n = x[1].shape[0], m = n ? y->n / n : 0;
    for (int64_t at = 0; at < m * n; at++) {
        double v = kase->keep ? x[2].v[at % n] : 0;
        for (int64_t l = 0; l < k; l++) v += x[0].v[at / n * k + l] * x[1].v[at % n * k + l];
        const double u = 0.7978845608028654 * (v + 0.044715 * v * v * v);
        y->v[at] = (int)kase->p == RELU        ? (v > 0 ? v : 0)
                   : (int)kase->p == GELU_TANH ? 0.5 * v * (1 + tanh(u))
                                               : v + x[kase->n_in - 1].v[at];
    }
}

static void visit_ended(case_fn visit, void *arg)
{
    static const wk_shape lead[] = {{1, {1}}, {1, {4}}, {2, {3, 6}}, {1, {20}}};
    static const wk_dtype of_w[] = {WK_f32, WK_bf16, WK_f16, WK_f64};
    static const wk_dtype of_x[] = {WK_f32, WK_f64, WK_f16, WK_bf16};
    for (int i = 0; i < 3 * 4 * 16 * 2; i++) {
        const int      what = i % 3, size = i / 3 % 4, tw = i / 12 % 4, tx = i / 48 % 4, bias = i / 192;
        const wk_dtype t = of_x[tx];
        if (tx > 1 && of_w[tw] != t) continue; /* halves with their like */
        wk_shape  x = lead[size], y = lead[size];
        const int last = x.ndim;
        x.ndim = y.ndim = last + 1;
        x.dim[last] = 40;
        y.dim[last] = 24;
        struct op_case k = {.op = what == ADD ? "affine_add" : "affine_act",
                            .note = what == RELU        ? "relu"
                                    : what == GELU_TANH ? "gelu, tanh"
                                                        : "sum",
                            .p = what,
                            .keep = bias,
                            .run = run_ended,
                            .exact = exact_ended,
                            .gradient = t == WK_f32 && tw == 0,
                            .fused = true,
                            .tolerance = 6e-5};
        k.in[k.n_in++] = (struct input){.shape = x, .dtype = t, .layout = size == 1 ? TURNED : DENSE};
        k.in[k.n_in++] = (struct input){.shape = WK_SHAPE(24, 40), .dtype = of_w[tw]};
        if (bias) k.in[k.n_in++] = (struct input){.shape = WK_SHAPE(24), .dtype = tw == 1 ? t : of_w[tw]};
        if (what == ADD)
            k.in[k.n_in++] = (struct input){.shape = y, .dtype = t, .layout = size == 2 ? STEPPED : DENSE};
        visit(arg, &k);
    }
    /* what is added is broadcast, as the composition has it */
    visit(arg, &(struct op_case){.op = "affine_add",
                                 .note = "a row for all",
                                 .n_in = 3,
                                 .p = ADD,
                                 .run = run_ended,
                                 .in = {{.shape = WK_SHAPE(5, 9), .dtype = WK_f32},
                                        {.shape = WK_SHAPE(4, 9), .dtype = WK_f32},
                                        {.shape = WK_SHAPE(4), .dtype = WK_f32}},
                                 .gradient = true,
                                 .fused = true,
                                 .tolerance = 6e-5});
}

struct product {
    const char *note;
    wk_shape    a, b;
    enum layout la, lb;
    bool        gradient;
};
static const struct product products[] = {
    {"2-d", {2, {5, 7}}, {2, {7, 3}}, DENSE, DENSE, true},
    {"one value", {2, {1, 1}}, {2, {1, 1}}, DENSE, DENSE, true},
    {"vectors", {1, {6}}, {1, {6}}, DENSE, DENSE, true},
    {"vector by matrix", {1, {6}}, {2, {6, 4}}, DENSE, DENSE, true},
    {"matrix by vector", {2, {4, 6}}, {1, {6}}, DENSE, DENSE, true},
    {"vector by batch", {1, {6}}, {3, {2, 6, 4}}, DENSE, DENSE, true},
    {"turned left", {2, {9, 17}}, {2, {17, 4}}, TURNED, DENSE, true},
    {"turned right", {2, {9, 17}}, {2, {17, 4}}, DENSE, TURNED, true},
    {"turned both", {2, {9, 17}}, {2, {17, 4}}, TURNED, TURNED, true},
    {"stepped", {2, {6, 5}}, {2, {5, 8}}, STEPPED, STEPPED, true},
    {"expanded", {2, {6, 5}}, {2, {5, 8}}, EXPANDED, EXPANDED, false},
    {"batch", {3, {3, 4, 5}}, {3, {3, 5, 6}}, DENSE, DENSE, true},
    {"batch turned", {3, {3, 4, 5}}, {3, {3, 5, 6}}, TURNED, TURNED, true},
    {"batch by one", {3, {3, 4, 5}}, {2, {5, 6}}, DENSE, DENSE, true},
    {"one by batch", {2, {4, 5}}, {3, {3, 5, 6}}, DENSE, DENSE, true},
    {"broadcast both ways", {4, {2, 1, 3, 4}}, {4, {1, 3, 4, 2}}, DENSE, TURNED, true},
    {"broadcast expanded", {4, {4, 3, 3, 4}}, {3, {3, 4, 2}}, EXPANDED, DENSE, false},
    {"no values inside", {2, {3, 0}}, {2, {0, 4}}, DENSE, DENSE, false},
    {"no rows", {2, {0, 3}}, {2, {3, 4}}, DENSE, DENSE, false},
    {"no batch", {3, {0, 2, 3}}, {2, {3, 4}}, DENSE, DENSE, false},
    {"over several panels", {2, {33, 600}}, {2, {600, 70}}, DENSE, DENSE, false},
    {"over several panels, turned", {2, {33, 600}}, {2, {600, 70}}, TURNED, TURNED, false},
    {"over several tiles", {2, {260, 40}}, {2, {40, 530}}, DENSE, TURNED, false},
    {"large enough for OpenBLAS", {2, {410, 400}}, {2, {400, 420}}, DENSE, TURNED, false},
};
static const wk_dtype plain[] = {WK_f32, WK_f64, WK_f16, WK_bf16,   WK_i64,
                                 WK_i32, WK_u8,  WK_i16, WK_f8e4m3, WK_f8e5m2};

static void visit_matmul(case_fn visit, void *arg)
{
    for (size_t t = 0; t < sizeof plain / sizeof *plain; t++)
        for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
            const struct product *p = &products[i];
            if (p->a.dim[0] > 400 && plain[t] != WK_f32 && plain[t] != WK_f64) continue;
            visit(arg, &(struct op_case){.op = "matmul",
                                         .note = p->note,
                                         .run = run_matmul,
                                         .exact = exact_matmul,
                                         .n_in = 2,
                                         .in = {{.shape = p->a, .dtype = plain[t], .layout = p->la},
                                                {.shape = p->b, .dtype = plain[t], .layout = p->lb}},
                                         .gradient = p->gradient && t == 0,
                                         .tolerance = 6e-5});
        }
}

/* Batches below, at and above the sizes where the kernel changes; sizes that fill no tile. */
static const int64_t  batches[] = {1, 2, 3, 4, 7, 8, 9, 15, 33};
static const wk_shape weights[] = {{2, {5, 7}}, {2, {33, 100}}, {2, {70, 300}}};

static void visit_affine(case_fn visit, void *arg)
{
    static const wk_dtype real[] = {WK_f32, WK_f16, WK_bf16, WK_f64, WK_f8e4m3, WK_f8e5m2};
    for (size_t tx = 0; tx < 6; tx++)
        for (size_t tw = 0; tw < 6; tw++)
            for (size_t b = 0; b < sizeof batches / sizeof *batches; b++)
                for (size_t s = 0; s < sizeof weights / sizeof *weights; s++) {
                    const wk_shape w = weights[s];
                    const bool     bias = (b + s) % 2;
                    visit(arg, &(struct op_case){.op = "affine",
                                                 .run = run_affine,
                                                 .exact = exact_affine,
                                                 .n_in = bias ? 3 : 2,
                                                 .in = {{.shape = WK_SHAPE(batches[b], w.dim[1]),
                                                         .dtype = real[tx],
                                                         .layout = b % 3 == 0 ? TURNED : DENSE},
                                                        {.shape = w, .dtype = real[tw]},
                                                        {.shape = WK_SHAPE(w.dim[0]), .dtype = real[tw]}},
                                                 .gradient = tx == 0 && tw == 0 && s == 0 && b < 5,
                                                 .tolerance = 6e-5});
                }
    visit(arg, &(struct op_case){.op = "affine",
                                 .note = "uneven rows",
                                 .run = run_affine,
                                 .exact = exact_affine,
                                 .n_in = 3,
                                 .in = {{.shape = WK_SHAPE(3, 4, 5), .layout = TURNED, .dtype = WK_f32},
                                        {.shape = WK_SHAPE(6, 5), .layout = TURNED, .dtype = WK_f32},
                                        {.shape = WK_SHAPE(6), .dtype = WK_f32}},
                                 .gradient = true,
                                 .tolerance = 1e-5});
}

void family_matmul(case_fn visit, void *arg)
{
    visit_matmul(visit, arg);
    visit_affine(visit, arg);
    visit_ended(visit, arg);
}
