/* Cases of scans along a dim, of differences and of areas. */
#include "tests/ops/cases.h"

#include <math.h>
#include <string.h>

enum kind { SUM, PROD, LOGSUM, MOST, LEAST };

/* p the dim, q the kind; dims.ndim: the indices */
static wk_tensor run(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor at = WK_NONE, y = WK_NONE;
    const int d = (int)k->p;
    switch ((enum kind)k->q) {
    case SUM:
        return wk_cumsum(c, x[0], d);
    case PROD:
        return wk_cumprod(c, x[0], d);
    case LOGSUM:
        return wk_logcumsumexp(c, x[0], d);
    case MOST:
        y = wk_cummax(c, x[0], d, &at);
        break;
    case LEAST:
        y = wk_cummin(c, x[0], d, &at);
        break;
    }
    return k->dims.ndim ? at : y;
}

static void exact(const struct op_case *k, const struct values *x, struct values *y)
{
    const int d = (int)k->p;
    int64_t   inner = 1, n = x->ndim ? x->shape[d] : 1;
    for (int i = d + 1; i < x->ndim; i++) inner *= x->shape[i];
    for (int64_t first = 0; first < x->n; first++) {
        if (first / inner % n != 0) continue; /* no line starts here */
        double  a = k->q == PROD ? 1 : k->q >= MOST ? x->v[first] : 0, top = -(double)INFINITY;
        int64_t best = 0;
        for (int64_t j = 0; j < n; j++) {
            const double v = x->v[first + j * inner], old = top;
            top = fmax(top, v);
            if (k->q == SUM) a += v;
            if (k->q == PROD) a *= v;
            if (k->q == LOGSUM) a = (a > 0 ? a * exp(old - top) : 0) + exp(v - top);
            if (k->q >= MOST && (isnan(v) || (!isnan(a) && (k->q == MOST ? v >= a : v <= a)))) {
                a = v;
                best = j;
            }
            y->v[first + j * inner] = k->dims.ndim ? (double)best : k->q == LOGSUM ? top + log(a) : a;
        }
    }
}

/* ---- differences: p the dim, q how often; dims: of prepend and append, how many values ---- */

static wk_tensor run_diff(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_diff(c, x[0], (int)k->q, (int)k->p, k->n_in > 1 ? x[1] : WK_NONE, k->n_in > 2 ? x[2] : WK_NONE);
}

/* Value j of the line that value `first` of y begins, with what stands before and behind it joined on. */
static double joined(const struct op_case *k, const struct values *x, int64_t outer, int64_t j, int64_t inner,
                     int64_t i)
{
    const int order[3] = {1, 0, 2};
    for (int at = 0; at < 3; at++) {
        const int part = order[at];
        if (part >= k->n_in) continue;
        const int64_t n = x[part].shape[(int)k->p];
        if (j < n) return x[part].v[(outer * n + j) * inner + i];
        j -= n;
    }
    return NAN;
}
/* n-th differences by the binomial coefficients. */
static void exact_diff(const struct op_case *k, const struct values *x, struct values *y)
{
    int64_t inner = 1;
    for (int i = (int)k->p + 1; i < y->ndim; i++) inner *= y->shape[i];
    for (int64_t i = 0; i < y->n; i++) {
        const int64_t n = y->shape[(int)k->p], outer = i / (n * inner), j = i / inner % n;
        double        factor = 1;
        y->v[i] = 0;
        for (int m = (int)k->q, step = 0; m >= 0; m--, step++) {
            y->v[i] += factor * joined(k, x, outer, j + m, inner, i % inner);
            factor *= -(double)m / (step + 1);
        }
    }
}

static void visit_diff(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_f16, WK_i64, WK_i32, WK_i8};
    for (int t = 0; t < 6; t++)
        for (int what = 0; what < 36; what++) {
            const int         dim = what % 3, joins = what / 3 % 3;
            const wk_shape    shape = WK_SHAPE(4, 6, 5);
            wk_shape          more = shape;
            struct op_case    k = {.op = "diff", .run = run_diff, .exact = exact_diff, .n_in = 1 + joins};
            const enum layout layout = (enum layout)((what + t) % 4);
            k.p = dim;
            k.q = what / 9; /* up to three times */
            k.gradient = t == 0;
            k.in[0] = (struct input){.shape = shape, .dtype = dtypes[t], .layout = layout};
            for (int i = 1; i <= joins; i++) {
                more.dim[dim] = i;
                k.in[i] = (struct input){.shape = more, .dtype = dtypes[t]};
            }
            k.tolerance = dtypes[t] == WK_f16 ? 8e-3 : 0; /* each step rounds */
            if (k.q > 0 || joins == 0) visit(arg, &k);
        }
    struct op_case k = {.op = "diff", .run = run_diff, .exact = exact_diff, .n_in = 1, .q = 2};
    k.in[0] = (struct input){.shape = WK_SHAPE(1), .dtype = WK_f32};
    visit(arg, &k);
    k.in[0].shape = WK_SHAPE(0, 3);
    visit(arg, &k);
}

/* ---- areas: p the dim of y, counted from the end; q dx; keep: cumulative ---- */

static wk_tensor run_area(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_tensor points = k->n_in > 1 ? x[1] : WK_NONE;
    return k->keep ? wk_cumulative_trapezoid(c, x[0], points, k->q, (int)k->p)
                   : wk_trapezoid(c, x[0], points, k->q, (int)k->p);
}
static void exact_area(const struct op_case *k, const struct values *x, struct values *y)
{
    const int     d = x->ndim + (int)k->p;
    int64_t       inner = 1;
    const int64_t n = x->shape[d], out = k->keep ? n - 1 : 1;
    for (int i = d + 1; i < x->ndim; i++) inner *= x->shape[i];
    for (int64_t i = 0; i < y->n; i++) y->v[i] = 0;
    for (int64_t line = 0; line < y->n / (out > 0 ? out : 1); line++) {
        double sum = 0;
        for (int64_t j = 0; j + 1 < n; j++) {
            const int64_t at = (line / inner * n + j) * inner + line % inner;
            double        dx = k->q;
            if (k->n_in > 1)
                dx = x[1].ndim == 1 ? x[1].v[j + 1] - x[1].v[j] : x[1].v[at + inner] - x[1].v[at];
            sum += dx * (x[0].v[at] + x[0].v[at + inner]) / 2;
            y->v[k->keep ? (line / inner * out + j) * inner + line % inner : line] = sum;
        }
    }
}

static void visit_areas(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_f16, WK_bf16, WK_i32, WK_i64};
    for (int t = 0; t < 6; t++)
        for (int what = 0; what < 18; what++) {
            struct op_case k = {.op = "trapezoid", .run = run_area, .exact = exact_area};
            const int      points = what / 6; /* none, of the dim, of every value */
            k.keep = what % 2;
            k.note = k.keep ? "cumulative" : NULL;
            k.p = -1 - what / 2 % 3;
            k.q = 0.25;
            k.n_in = points ? 2 : 1;
            k.in[0] = (struct input){.shape = WK_SHAPE(4, 6, 5), .dtype = dtypes[t]};
            k.in[0].layout = (enum layout)((what + t) % 4);
            k.in[1] = (struct input){.shape = k.in[0].shape, .dtype = dtypes[t], .layout = TURNED};
            if (points == 1) k.in[1].shape = WK_SHAPE(k.in[0].shape.dim[3 + (int)k.p]);
            k.gradient = t == 0;
            k.tolerance = dtypes[t] == WK_f16 ? 8e-3 : dtypes[t] == WK_bf16 ? 6e-2 : 0;
            visit(arg, &k);
        }
    for (int what = 0; what < 6; what++) { /* one value, none, no lines */
        struct op_case k = {.op = "trapezoid", .run = run_area, .exact = exact_area, .n_in = 1};
        k.keep = what % 2;
        k.p = -1;
        k.q = 1;
        k.in[0].shape = what < 2 ? WK_SHAPE(1) : what < 4 ? WK_SHAPE(0) : WK_SHAPE(0, 3);
        k.in[0].dtype = WK_f32;
        visit(arg, &k);
    }
}

static const char *const names[] = {"cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"};
static const double      odd[] = {1, 3, 3, -2, 0, 3, 0, 5, NAN, 7, NAN, 2};

static void visit_scans(case_fn visit, void *arg)
{
    static const wk_dtype    dtypes[] = {WK_f32, WK_f64, WK_f16, WK_bf16, WK_i32, WK_u8, WK_bool};
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED, EXPANDED};
    struct op_case           k = {.n_in = 1, .run = run, .exact = exact};
    for (int kind = 0; kind < 5; kind++) {
        k.op = names[kind];
        k.q = kind;
        k.apart = kind >= MOST;
        for (int indices = 0; indices < (kind >= MOST ? 2 : 1); indices++) {
            k.dims.ndim = indices;
            for (int t = 0; t < (kind == LOGSUM ? 4 : 7); t++)
                for (int l = 0; l < 4; l++)
                    for (int d = 0; d < 3; d++) {
                        k.in[0] = (struct input){
                            .shape = WK_SHAPE(4, 6, 5), .dtype = dtypes[t], .layout = layouts[l]};
                        k.p = d;
                        k.gradient = t == 0 && !indices && l < 3;
                        visit(arg, &k);
                    }
            k.gradient = false;
            k.p = 0;
            /* long lines and wide columns, in chunks */
            k.in[0] =
                (struct input){.shape = WK_SHAPE(140000), .dtype = WK_f32, .low = 0.9999, .high = 1.0001};
            k.tolerance = 1e-5;
            if (kind == SUM || kind == PROD) visit(arg, &k);
            k.in[0] = (struct input){.shape = WK_SHAPE(1, 400, 330), .dtype = WK_f32, .low = -3, .high = 1};
            for (k.p = 1; k.p < 3; k.p++) visit(arg, &k);
            k.tolerance = 0;
            k.p = 0;
            k.in[0] = (struct input){.shape = WK_SCALAR_SHAPE, .dtype = WK_f32};
            visit(arg, &k);
            k.in[0] = (struct input){.shape = WK_SHAPE(0, 3), .dtype = WK_f32};
            visit(arg, &k);
            k.note = "NaN and zeros";
            k.in[0] = (struct input){.shape = WK_SHAPE(12), .dtype = WK_f32, .values = odd};
            if (kind != LOGSUM) visit(arg, &k);
            k.in[0].shape = WK_SHAPE(8);
            k.gradient = kind < MOST;
            visit(arg, &k);
            k.note = NULL;
        }
    }
}

void family_scan(case_fn visit, void *arg)
{
    visit_scans(visit, arg);
    visit_diff(visit, arg);
    visit_areas(visit, arg);
}
