/* Cases of resizing and of sampling at the places of a grid. */
#include "tests/ops/cases.h"

#include "core/ctx.h"

#include <math.h>

/* ---- resizing: each result from the weights of all values of its channel
 * --------------------------- */

struct resize_case {
    const char    *note;
    wk_shape       x;
    wk_resize_opts o;
};

static wk_tensor run_resize(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct resize_case *r = k->row;
    return wk_interpolate(c, x[0], r->o);
}

static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : 0;
}

static double filter(const wk_resize_opts *o, double x)
{
    return o->mode == WK_RESIZE_CUBIC ? cubic(x, -0.5) : fmax(0, 1 - fabs(x));
}

/* How much place u of out has of value i of in. */
static double weight(const wk_resize_opts *o, double given, int64_t in, int64_t out, int64_t i, int64_t u)
{
    double scale = given > 0 ? 1 / given : (double)in / (double)out, sum = 0;
    if (o->align_corners) scale = out > 1 ? (double)(in - 1) / (double)(out - 1) : 0;
    const double top = (double)(in - 1),
                 at = o->align_corners ? scale * (double)u : scale * ((double)u + 0.5) - 0.5;
    if (o->mode == WK_RESIZE_NEAREST) return (double)i == fmin(floor((double)u * scale), top);
    if (o->mode == WK_RESIZE_AREA) { /* an equal share of what place u reaches over */
        const int64_t first = u * in / out, end = ((u + 1) * in + out - 1) / out;
        return i >= first && i < end ? 1 / (double)(end - first) : 0;
    }
    if (o->mode == WK_RESIZE_NEAREST_EXACT) return (double)i == fmin(floor(((double)u + 0.5) * scale), top);
    if (o->antialias) {
        const double center = scale * ((double)u + 0.5), wide = fmax(scale, 1);
        for (int64_t j = 0; j < in; j++) sum += filter(o, ((double)j + 0.5 - center) / wide);
        return filter(o, ((double)i + 0.5 - center) / wide) / sum;
    }
    if (o->mode == WK_RESIZE_LINEAR) return fmax(0, 1 - fabs((double)i - fmin(fmax(at, 0), top)));
    for (int64_t j = (int64_t)floor(at) - 1; j <= (int64_t)floor(at) + 2; j++)
        if ((j < 0 ? 0 : j >= in ? in - 1 : j) == i) sum += cubic((double)j - at, -0.75);
    return sum;
}

static void exact_resize(const struct op_case *k, const struct values *x, struct values *y)
{
    const struct resize_case *r = k->row;
    const int                 n = y->ndim - 2;
    int64_t                   in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
    double                    given[3] = {0};
    for (int i = 0; i < n; i++) {
        in[3 - n + i] = x[0].shape[2 + i];
        out[3 - n + i] = y->shape[2 + i];
        given[3 - n + i] = r->o.size.ndim || r->o.recompute_scale ? 0
                           : r->o.scale[i] > 0                    ? r->o.scale[i]
                                                                  : r->o.scale[0];
    }
    const int64_t area = in[0] * in[1] * in[2], places = out[0] * out[1] * out[2];
    for (int64_t i = 0; i < y->n; i++) {
        const int64_t u[3] = {i % places / (out[1] * out[2]), i / out[2] % out[1], i % out[2]};
        y->v[i] = 0;
        for (int64_t j = 0; j < area; j++) {
            const int64_t at[3] = {j / (in[1] * in[2]), j / in[2] % in[1], j % in[2]};
            double        w = 1;
            for (int d = 3 - n; d < 3 && w != 0; d++)
                w *= weight(&r->o, given[d], in[d], out[d], at[d], u[d]);
            y->v[i] += w * x[0].v[i / places * area + j];
        }
    }
}

static const struct resize_case resizes[] = {
    {"nearest 1-d", {3, {2, 3, 7}}, {.mode = WK_RESIZE_NEAREST, .size = {1, {11}}}},
    {"nearest, twice", {4, {2, 2, 5, 20}}, {.mode = WK_RESIZE_NEAREST, .scale = {2}}},
    {"nearest, smaller", {4, {1, 2, 9, 23}}, {.mode = WK_RESIZE_NEAREST, .size = {2, {4, 11}}}},
    {"nearest 3-d", {5, {1, 2, 3, 4, 5}}, {.mode = WK_RESIZE_NEAREST, .size = {3, {5, 3, 9}}}},
    {"nearest, exact", {4, {1, 2, 9, 7}}, {.mode = WK_RESIZE_NEAREST_EXACT, .scale = {1.7, 0.6}}},
    {"linear 1-d", {3, {2, 3, 9}}, {.mode = WK_RESIZE_LINEAR, .size = {1, {21}}}},
    {"linear, twice", {4, {1, 2, 6, 21}}, {.mode = WK_RESIZE_LINEAR, .size = {2, {12, 42}}}},
    {"linear, half", {4, {1, 2, 6, 42}}, {.mode = WK_RESIZE_LINEAR, .size = {2, {3, 21}}}},
    {"linear, corners",
     {4, {1, 2, 6, 7}},
     {.mode = WK_RESIZE_LINEAR, .size = {2, {11, 5}}, .align_corners = true}},
    {"linear, one place",
     {4, {1, 2, 6, 7}},
     {.mode = WK_RESIZE_LINEAR, .size = {2, {1, 1}}, .align_corners = true}},
    {"linear, scale", {4, {1, 2, 6, 7}}, {.mode = WK_RESIZE_LINEAR, .scale = {1.7, 0.6}}},
    {"linear, scale from sizes",
     {4, {1, 2, 6, 7}},
     {.mode = WK_RESIZE_LINEAR, .scale = {1.7}, .recompute_scale = true}},
    {"linear, same", {4, {1, 2, 6, 7}}, {.mode = WK_RESIZE_LINEAR, .size = {2, {6, 7}}}},
    {"linear 3-d", {5, {1, 2, 3, 4, 5}}, {.mode = WK_RESIZE_LINEAR, .size = {3, {6, 7, 4}}}},
    {"linear, antialias",
     {4, {1, 2, 13, 17}},
     {.mode = WK_RESIZE_LINEAR, .size = {2, {5, 40}}, .antialias = true}},
    {"linear, antialias, much",
     {4, {1, 1, 50, 9}},
     {.mode = WK_RESIZE_LINEAR, .size = {2, {2, 2}}, .antialias = true}},
    {"cubic", {4, {1, 2, 6, 9}}, {.mode = WK_RESIZE_CUBIC, .size = {2, {13, 4}}}},
    {"cubic, twice", {4, {1, 2, 6, 20}}, {.mode = WK_RESIZE_CUBIC, .scale = {2}}},
    {"cubic, corners",
     {4, {1, 2, 6, 9}},
     {.mode = WK_RESIZE_CUBIC, .size = {2, {13, 4}}, .align_corners = true}},
    {"cubic, antialias",
     {4, {1, 2, 16, 9}},
     {.mode = WK_RESIZE_CUBIC, .size = {2, {5, 20}}, .antialias = true}},
    {"area 1-d", {3, {2, 3, 11}}, {.mode = WK_RESIZE_AREA, .size = {1, {4}}}},
    {"area", {4, {2, 2, 7, 10}}, {.mode = WK_RESIZE_AREA, .size = {2, {3, 5}}}},
    {"area, larger", {4, {1, 2, 3, 5}}, {.mode = WK_RESIZE_AREA, .size = {2, {7, 8}}}},
    {"area, scale", {4, {1, 2, 9, 8}}, {.mode = WK_RESIZE_AREA, .scale = {0.5}}},
    {"area 3-d", {5, {1, 2, 5, 4, 6}}, {.mode = WK_RESIZE_AREA, .size = {3, {2, 3, 6}}}},
    {"area, one place", {4, {2, 1, 5, 7}}, {.mode = WK_RESIZE_AREA, .size = {2, {1, 1}}}},
    {"area, no images", {4, {0, 2, 6, 7}}, {.mode = WK_RESIZE_AREA, .size = {2, {3, 9}}}},
    {"no images", {4, {0, 2, 6, 7}}, {.mode = WK_RESIZE_LINEAR, .size = {2, {3, 9}}}},
};

static void visit_resize(case_fn visit, void *arg)
{
    static const wk_dtype    dtypes[] = {WK_f32, WK_f64, WK_f16, WK_bf16};
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED, DENSE};
    for (size_t i = 0; i < sizeof resizes / sizeof *resizes; i++)
        for (size_t t = 0; t < 4; t++)
            visit(arg,
                  &(struct op_case){.op = "resize",
                                    .note = resizes[i].note,
                                    .run = run_resize,
                                    .exact = exact_resize,
                                    .row = &resizes[i],
                                    .n_in = 1,
                                    .in = {{.shape = resizes[i].x, .dtype = dtypes[t], .layout = layouts[t]}},
                                    .gradient = t == 0,
                                    .tolerance = 1e-5});
}

/* ---- grids
 * -------------------------------------------------------------------------------------
 */

struct grid_case {
    const char  *note;
    wk_shape     x, grid;
    wk_grid_opts o;
};

static wk_tensor run_grid(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct grid_case *r = k->row;
    return wk_grid_sample(c, x[0], x[1], r->o);
}

static double mirrored(double v, double low, double high)
{
    if (high <= low) return 0;
    while (v < low || v > high) v = v < low ? 2 * low - v : 2 * high - v;
    return v;
}
static double padded(const wk_grid_opts *o, double v, int64_t size)
{
    const double top = (double)(size - 1);
    if (o->padding == WK_GRID_ZEROS) return v;
    if (o->padding == WK_GRID_REFLECTION)
        v = o->align_corners ? mirrored(v, 0, top) : mirrored(v, -0.5, top + 0.5);
    return fmin(fmax(v, 0), top);
}

/* How much a place at g has of value i. */
static double share(const wk_grid_opts *o, double g, int64_t size, int64_t i)
{
    double v = o->align_corners ? (g + 1) / 2 * (double)(size - 1) : ((g + 1) * (double)size - 1) / 2,
           sum = 0;
    if (o->mode == WK_RESIZE_CUBIC) {
        for (double j = floor(v) - 1; j <= floor(v) + 2; j++)
            if (padded(o, j, size) == (double)i) sum += cubic(j - v, -0.75);
        return sum;
    }
    v = padded(o, v, size);
    return o->mode == WK_RESIZE_NEAREST ? nearbyint(v) == (double)i : fmax(0, 1 - fabs((double)i - v));
}

static void exact_grid(const struct op_case *k, const struct values *x, struct values *y)
{
    const struct grid_case *r = k->row;
    const int               n = y->ndim - 2;
    int64_t                 in[3] = {1, 1, 1}, area = 1, places = 1;
    for (int i = 0; i < n; i++) {
        area *= in[3 - n + i] = x[0].shape[2 + i];
        places *= y->shape[2 + i];
    }
    for (int64_t i = 0; i < y->n; i++) {
        const double *g = x[1].v + (i / places / y->shape[1] * places + i % places) * n;
        y->v[i] = 0;
        for (int64_t j = 0; j < area; j++) {
            const int64_t at[3] = {j / (in[1] * in[2]), j / in[2] % in[1], j % in[2]};
            double        w = 1;
            for (int d = 0; d < n && w != 0; d++) w *= share(&r->o, g[d], in[2 - d], at[2 - d]);
            y->v[i] += w * x[0].v[i / places * area + j];
        }
    }
}

static const struct grid_case grids[] = {
    {"linear", {4, {2, 3, 5, 6}}, {4, {2, 4, 9, 2}}, {WK_RESIZE_LINEAR, WK_GRID_ZEROS, false}},
    {"linear, corners", {4, {1, 3, 5, 6}}, {4, {1, 4, 9, 2}}, {WK_RESIZE_LINEAR, WK_GRID_ZEROS, true}},
    {"linear, border", {4, {1, 3, 5, 6}}, {4, {1, 4, 9, 2}}, {WK_RESIZE_LINEAR, WK_GRID_BORDER, false}},
    {"linear, reflection",
     {4, {1, 3, 5, 6}},
     {4, {1, 4, 9, 2}},
     {WK_RESIZE_LINEAR, WK_GRID_REFLECTION, false}},
    {"linear, reflection, corners",
     {4, {1, 3, 5, 6}},
     {4, {1, 10, 9, 2}},
     {WK_RESIZE_LINEAR, WK_GRID_REFLECTION, true}},
    {"nearest", {4, {1, 3, 5, 6}}, {4, {1, 4, 9, 2}}, {WK_RESIZE_NEAREST, WK_GRID_ZEROS, false}},
    {"nearest, border", {4, {1, 3, 5, 6}}, {4, {1, 4, 9, 2}}, {WK_RESIZE_NEAREST, WK_GRID_BORDER, true}},
    {"cubic", {4, {1, 3, 5, 6}}, {4, {1, 4, 9, 2}}, {WK_RESIZE_CUBIC, WK_GRID_ZEROS, false}},
    {"cubic, border", {4, {1, 3, 5, 6}}, {4, {1, 4, 9, 2}}, {WK_RESIZE_CUBIC, WK_GRID_BORDER, false}},
    {"cubic, reflection", {4, {1, 3, 5, 6}}, {4, {1, 4, 9, 2}}, {WK_RESIZE_CUBIC, WK_GRID_REFLECTION, true}},
    {"3-d", {5, {1, 2, 3, 4, 5}}, {5, {1, 2, 3, 4, 3}}, {WK_RESIZE_LINEAR, WK_GRID_ZEROS, false}},
    {"3-d, cubic", {5, {1, 2, 3, 4, 5}}, {5, {1, 2, 3, 4, 3}}, {WK_RESIZE_CUBIC, WK_GRID_BORDER, false}},
    {"3-d, reflection",
     {5, {1, 2, 3, 4, 5}},
     {5, {1, 2, 3, 4, 3}},
     {WK_RESIZE_LINEAR, WK_GRID_REFLECTION, false}},
    {"3-d, nearest", {5, {1, 2, 3, 4, 5}}, {5, {1, 2, 3, 4, 3}}, {WK_RESIZE_NEAREST, WK_GRID_BORDER, false}},
    {"no channels", {4, {1, 0, 5, 6}}, {4, {1, 4, 9, 2}}, {WK_RESIZE_LINEAR, WK_GRID_ZEROS, false}},
};

/* The gradients as the op they come from; q: which of the two. */
static wk_tensor run_back(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_call back = {.op = WK_OP_grid_sample_vjp,
                          .cls = wki_class_of(x[0]->dtype),
                          WK_IN(x[0], x[1], x[2]),
                          .attr.i = {(int64_t)k->p, 1, 0, 2},
                          .n_out = 2,
                          .out = {wki_like(c, x[0]), wki_like(c, x[1])}};
    return wk_is_none(wki_run(c, &back)) ? WK_NONE : back.out[(int)k->q];
}

static void visit_grid(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64};
    for (size_t i = 0; i < sizeof grids / sizeof *grids; i++)
        for (size_t t = 0; t < 2; t++)
            visit(arg, &(struct op_case){
                           .op = "grid_sample",
                           .note = grids[i].note,
                           .run = run_grid,
                           .exact = exact_grid,
                           .row = &grids[i],
                           .n_in = 2,
                           .in = {{.shape = grids[i].x, .dtype = dtypes[t], .layout = t ? TURNED : DENSE},
                                  {.shape = grids[i].grid, .dtype = dtypes[t], .low = -1.6, .high = 1.6}},
                           .gradient = t == 0 && grids[i].x.dim[1] > 0,
                           .tolerance = 2e-5});
    for (int i = 0; i < 6; i++)
        visit(arg, &(struct op_case){
                       .op = "grid_sample_vjp",
                       .run = run_back,
                       .p = i / 2,
                       .q = i % 2,
                       .n_in = 3,
                       .in = {{.shape = WK_SHAPE(2, 20, 5, 6), .dtype = WK_f32},
                              {.shape = WK_SHAPE(2, 9, 9, 2), .dtype = WK_f32, .low = -1.3, .high = 1.3},
                              {.shape = WK_SHAPE(2, 20, 9, 9), .dtype = WK_f32}},
                       .tolerance = 1e-4});
}

/* ---- affine_grid: dims the size, keep: corners ---- */

static wk_tensor run_affine(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_affine_grid(c, x[0], k->dims, k->keep);
}
static void exact_affine(const struct op_case *k, const struct values *x, struct values *y)
{
    const int n = k->dims.ndim - 2;
    for (int64_t i = 0; i < y->n; i++) {
        const int64_t *size = k->dims.dim + 2, which = i % n;
        int64_t        place = i / n, image;
        double         at[3];
        for (int d = n - 1; d >= 0; d--) { /* the last dim is x, the first coordinate */
            const double j = (double)(place % size[d]), all = (double)size[d];
            at[n - 1 - d] = !k->keep ? (2 * j + 1) / all - 1 : all > 1 ? 2 * j / (all - 1) - 1 : 0;
            place /= size[d];
        }
        image = place;
        const double *row = x[0].v + (image * n + which) * (n + 1);
        y->v[i] = row[n];
        for (int d = 0; d < n; d++) y->v[i] += row[d] * at[d];
    }
}

static void visit_affine(case_fn visit, void *arg)
{
    static const wk_shape sizes[] = {
        {4, {2, 3, 4, 5}}, {4, {1, 1, 1, 7}}, {5, {2, 1, 3, 4, 2}}, {5, {1, 2, 1, 1, 3}}, {4, {3, 9, 2, 1}}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int what = 0; what < 8; what++) {
            struct op_case k = {.op = "affine_grid", .run = run_affine, .exact = exact_affine, .n_in = 1};
            k.dims = sizes[i];
            k.keep = what % 2;
            k.in[0].shape = WK_SHAPE(sizes[i].dim[0], sizes[i].ndim - 2, sizes[i].ndim - 1);
            k.in[0].dtype = (const wk_dtype[]){WK_f32, WK_f64, WK_f16, WK_bf16}[what / 2];
            k.in[0].layout = (enum layout)(what / 2);
            k.gradient = what < 2;
            visit(arg, &k);
        }
}

void family_resample(case_fn visit, void *arg)
{
    visit_affine(visit, arg);
    visit_resize(visit, arg);
    visit_grid(visit, arg);
}
