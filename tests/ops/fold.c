/* Cases of windows as columns and back. */
#include "tests/ops/cases.h"

struct fold_case {
    const char  *note;
    wk_shape     x; /* the picture */
    wk_fold_opts o;
};

static int64_t windows(const struct fold_case *r, int i)
{
    const int64_t stride = r->o.stride[i] ? r->o.stride[i] : 1,
                  dilation = r->o.dilation[i] ? r->o.dilation[i] : 1;
    return (r->x.dim[2 + i] + 2 * r->o.padding[i] - dilation * (r->o.kernel[i] - 1) - 1) / stride + 1;
}
static wk_shape columns_of(const struct fold_case *r)
{
    return WK_SHAPE(r->x.dim[0], r->x.dim[1] * r->o.kernel[0] * r->o.kernel[1],
                    windows(r, 0) * windows(r, 1));
}

static wk_tensor run_im2col(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct fold_case *r = k->row;
    return wk_im2col(c, x[0], r->o);
}
static wk_tensor run_col2im(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct fold_case *r = k->row;
    return wk_col2im(c, x[0], WK_SHAPE(r->x.dim[2], r->x.dim[3]), r->o);
}

/* Where value i of the columns lies in the picture; -1: in the padding. */
static int64_t place_of(const struct fold_case *r, int64_t i)
{
    const int64_t h = windows(r, 0), w = windows(r, 1);
    const int64_t u[2] = {i / w % h, i % w}, tap = i / (h * w);
    const int64_t k[2] = {tap / r->o.kernel[1] % r->o.kernel[0], tap % r->o.kernel[1]};
    int64_t       at = tap / (r->o.kernel[0] * r->o.kernel[1]);
    for (int d = 0; d < 2; d++) {
        const int64_t stride = r->o.stride[d] ? r->o.stride[d] : 1,
                      dilation = r->o.dilation[d] ? r->o.dilation[d] : 1;
        const int64_t p = u[d] * stride + k[d] * dilation - r->o.padding[d];
        if (p < 0 || p >= r->x.dim[2 + d]) return -1;
        at = at * r->x.dim[2 + d] + p;
    }
    return at;
}

static void exact_im2col(const struct op_case *k, const struct values *x, struct values *y)
{
    for (int64_t i = 0; i < y->n; i++) {
        const int64_t at = place_of(k->row, i);
        y->v[i] = at < 0 ? 0 : x[0].v[at];
    }
}
static void exact_col2im(const struct op_case *k, const struct values *x, struct values *y)
{
    for (int64_t i = 0; i < y->n; i++) y->v[i] = 0;
    for (int64_t i = 0; i < x[0].n; i++) {
        const int64_t at = place_of(k->row, i);
        if (at >= 0) y->v[at] += x[0].v[i];
    }
}

static const struct fold_case cases[] = {
    {"3x3", {4, {2, 3, 7, 9}}, {.kernel = {3, 3}, .padding = {1, 1}}},
    {"strides", {4, {1, 2, 9, 10}}, {.kernel = {2, 3}, .stride = {2, 3}, .padding = {1, 0}}},
    {"dilated",
     {4, {1, 2, 9, 10}},
     {.kernel = {3, 2}, .stride = {1, 2}, .dilation = {2, 3}, .padding = {0, 2}}},
    {"parts", {4, {2, 2, 8, 8}}, {.kernel = {4, 4}, .stride = {4, 4}}},
    {"wide padding", {4, {1, 1, 2, 2}}, {.kernel = {2, 2}, .padding = {3, 4}}},
    {"no images", {4, {0, 2, 8, 8}}, {.kernel = {2, 2}}},
};

void family_fold(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_f16, WK_i64, WK_i32};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t t = 0; t < 5; t++) {
            const enum layout layout = t % 2 ? TURNED : DENSE;
            struct op_case    k = {.op = "im2col",
                                   .note = cases[i].note,
                                   .run = run_im2col,
                                   .exact = exact_im2col,
                                   .row = &cases[i],
                                   .n_in = 1,
                                   .in = {{.shape = cases[i].x, .dtype = dtypes[t], .layout = layout}},
                                   .gradient = t == 0};
            visit(arg, &k);
            k.op = "col2im";
            k.run = run_col2im;
            k.exact = exact_col2im;
            k.in[0].shape = columns_of(&cases[i]);
            visit(arg, &k);
        }
}
