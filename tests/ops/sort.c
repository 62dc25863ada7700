/* Cases of sorts, searches and order statistics. */
#include "tests/ops/cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- sort: p the dim, keep: descending; dims.ndim: the indices ---- */

static wk_tensor run_sort(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor at, y = wk_sort(c, x[0], (int)k->p, k->keep, &at);
    return k->dims.ndim ? at : y;
}

struct item {
    double  v;
    int64_t at;
    bool    descending;
};
static int before(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    const int          sign = x->descending ? -1 : 1;
    if (isnan(x->v) != isnan(y->v)) return isnan(x->v) ? sign : -sign;
    if (!isnan(x->v) && x->v != y->v) return x->v > y->v ? sign : -sign;
    return x->at < y->at ? -1 : 1;
}
static void exact_sort(const struct op_case *k, const struct values *x, struct values *y)
{
    const int    d = (int)k->p;
    int64_t      inner = 1, n = x->ndim ? x->shape[d] : 1;
    struct item *line = wk_alloc((size_t)(n + 1) * sizeof *line);
    for (int i = d + 1; i < x->ndim; i++) inner *= x->shape[i];
    for (int64_t at = 0; line && at < x->n; at++) {
        if (at / inner % n != 0) continue;
        for (int64_t j = 0; j < n; j++) line[j] = (struct item){x->v[at + j * inner], j, k->keep};
        qsort(line, (size_t)n, sizeof *line, before);
        for (int64_t j = 0; j < n; j++) y->v[at + j * inner] = k->dims.ndim ? (double)line[j].at : line[j].v;
    }
    wk_free(line);
}

static wk_tensor run_argsort(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_argsort(c, x[0], (int)k->p, k->keep);
}

/* ---- searchsorted: keep: right ---- */

static wk_tensor run_search(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_searchsorted(c, wk_sort(c, x[0], -1, false, NULL), x[1], k->keep);
}
static void exact_search(const struct op_case *k, const struct values *x, struct values *y)
{
    const int64_t n = x[0].shape[x[0].ndim - 1], m = x[1].ndim ? x[1].shape[x[1].ndim - 1] : 1;
    for (int64_t i = 0; i < y->n; i++) {
        const double *row = x[0].v + (x[0].ndim > 1 ? i / m * n : 0), v = x[1].v[i];
        int64_t       count = 0;
        for (int64_t j = 0; j < n; j++) count += k->keep ? row[j] <= v : row[j] < v;
        y->v[i] = (double)count;
    }
}

static wk_tensor run_bucketize(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_bucketize(c, x[1], wk_sort(c, x[0], -1, false, NULL), k->keep);
}

/* ---- nonzero: the place of each value that is none, or -1 at the end ---- */

static wk_tensor run_nonzero(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_nonzero(c, x[0]);
}
static void exact_nonzero(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)k;
    int64_t n = 0;
    for (int64_t i = 0; i < x->n; i++) {
        int64_t rest = i;
        if (x->v[i] == 0 || (n + 1) * x->ndim > y->n) continue;
        for (int d = x->ndim - 1; d >= 0; d--) {
            y->v[n * x->ndim + d] = (double)(rest % x->shape[d]);
            rest /= x->shape[d];
        }
        n++;
    }
    for (int64_t i = n * x->ndim; i < y->n; i++) y->v[i] = -1; /* one too many */
}

/* ---- order statistics: q the rank ---- */

static wk_tensor run_kth(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_kthvalue(c, x[0], (int64_t)k->q, (int)k->p, false, NULL);
}
static wk_tensor run_median(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_median(c, x[0], (int)k->p, false, NULL);
}
static wk_tensor run_quantile(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_quantile(c, x[0], wk_scalar(c, k->q), (int)k->p, true, WK_LINEAR);
}
static wk_tensor run_msort(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_msort(c, x[0]);
}

/* ---- statistics of a line: p its dim, q the quantile, dims.ndim: the indices ---- */

static wk_tensor run_nanmedian(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor at, y = wk_nanmedian(c, x[0], (int)k->p, k->keep, &at);
    return k->dims.ndim ? at : y;
}
static wk_tensor run_mode(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor at, y = wk_mode(c, x[0], (int)k->p, k->keep, &at);
    return k->dims.ndim ? at : y;
}
static wk_tensor run_nanquantile(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_tensor q = wk_full(c, k->q, x[0]->dtype, WK_SCALAR_SHAPE);
    return wk_nanquantile(c, x[0], q, (int)k->p, k->keep, *(const wk_between *)k->row);
}

/* Each line in order, NaN at its end, to `of`, which gives the value and where it stood. */
static void by_line(const struct op_case *k, const struct values *x, struct values *y,
                    struct item (*of)(const struct op_case *k, const struct item *line, int64_t n))
{
    const int    d = (int)k->p;
    int64_t      inner = 1, n = x->ndim ? x->shape[d] : 1, out = 0;
    struct item *line = wk_alloc((size_t)(n + 1) * sizeof *line);
    for (int i = d + 1; i < x->ndim; i++) inner *= x->shape[i];
    for (int64_t at = 0; line && at < x->n; at++) {
        if (at / inner % n != 0) continue;
        for (int64_t j = 0; j < n; j++) line[j] = (struct item){x->v[at + j * inner], j, false};
        qsort(line, (size_t)n, sizeof *line, before);
        const struct item found = of(k, line, n);
        y->v[out++] = k->dims.ndim ? (double)found.at : found.v;
    }
    wk_free(line);
}
static int64_t numbers(const struct item *line, int64_t n)
{
    while (n > 0 && isnan(line[n - 1].v)) n--;
    return n;
}
static struct item middle(const struct op_case *k, const struct item *line, int64_t n)
{
    const int64_t m = numbers(line, n);
    (void)k;
    return line[m ? (m - 1) / 2 : 0];
}
static void exact_nanmedian(const struct op_case *k, const struct values *x, struct values *y)
{
    by_line(k, x, y, middle);
}
/* The smallest of the most frequent values, where it stands last. */
static struct item most_frequent(const struct op_case *k, const struct item *line, int64_t n)
{
    int64_t most = 0, best = 0;
    (void)k;
    for (int64_t j = 0, length = 0; j < n; j++) {
        length = j && line[j].v == line[j - 1].v ? length + 1 : 1;
        if (length > most) {
            most = length;
            best = j;
        }
    }
    return line[best];
}
static void exact_mode(const struct op_case *k, const struct values *x, struct values *y)
{
    by_line(k, x, y, most_frequent);
}
static struct item at_share(const struct op_case *k, const struct item *line, int64_t n)
{
    const int64_t m = numbers(line, n);
    const double  at = k->q * (double)(m ? m - 1 : 0), low = line[(int64_t)floor(at)].v,
                 high = line[(int64_t)ceil(at)].v;
    switch (*(const wk_between *)k->row) {
    case WK_LOWER:
        return (struct item){.v = low};
    case WK_HIGHER:
        return (struct item){.v = high};
    case WK_MIDPOINT:
        return (struct item){.v = at == floor(at) ? low : (low + high) / 2};
    case WK_NEAREST:
        return line[(int64_t)nearbyint(at)];
    default:
        return (struct item){.v = low + (at - floor(at)) * (high - low)};
    }
}
static void exact_nanquantile(const struct op_case *k, const struct values *x, struct values *y)
{
    by_line(k, x, y, at_share);
}

static const double odd[] = {1, NAN, -3, 7, 7, INFINITY, -INFINITY, 0, NAN, 2, 2, 5};

static void sorts(case_fn visit, void *arg, struct op_case k)
{
    for (int what = 0; what < 4; what++) {
        k.keep = what % 2;
        k.dims.ndim = what / 2;
        k.gradient =
            k.in[0].dtype == WK_f32 && what < 2 && k.in[0].layout != EXPANDED && k.in[0].shape.ndim == 3;
        visit(arg, &k);
    }
    k.op = "argsort";
    k.run = run_argsort;
    k.gradient = false;
    for (int what = 0; what < 2; what++) {
        k.keep = what;
        k.dims.ndim = 1;
        visit(arg, &k);
    }
}

static const double holes[] = {1, NAN, -3, 7, 7, NAN, NAN, 0, NAN, 2, NAN, 5};

static void visit_statistics(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_f16, WK_i32, WK_i64, WK_u8, WK_bool};
    struct op_case        k = {.n_in = 1, .apart = true};
    for (int what = 0; what < 7 * 3 * 2 * 2; what++) {
        const int t = what % 7, indices = what / 42;
        k.p = what / 7 % 3;
        k.dims.ndim = indices;
        k.keep = what / 21 % 2;
        k.in[0] = (struct input){.shape = WK_SHAPE(4, 6, 5),
                                 .dtype = dtypes[t],
                                 .layout = (enum layout)(what % 4),
                                 .low = 0,
                                 .high = t < 3 ? 1 : 3};
        k.op = "nanmedian";
        k.run = run_nanmedian;
        k.exact = exact_nanmedian;
        k.gradient = t == 0 && !indices && k.in[0].layout != EXPANDED;
        visit(arg, &k);
        k.op = "mode";
        k.run = run_mode;
        k.exact = exact_mode;
        visit(arg, &k);
    }
    k.gradient = false;
    for (int what = 0; what < 8; what++) { /* of a line with holes, of nothing but holes, of no dims */
        k.op = "nanmedian";
        k.run = run_nanmedian;
        k.exact = exact_nanmedian;
        k.dims.ndim = what / 4;
        k.p = what % 4 == 1;
        k.in[0] = (struct input){.shape = what % 4 == 0   ? WK_SHAPE(12)
                                          : what % 4 == 1 ? WK_SHAPE(3, 4)
                                          : what % 4 == 2 ? WK_SHAPE(4, 3)
                                                          : WK_SCALAR_SHAPE,
                                 .dtype = what % 2 ? WK_f32 : WK_f64,
                                 .values = holes + (what % 4 == 3)};
        visit(arg, &k);
    }
}

static void visit_quantiles(case_fn visit, void *arg)
{
    static const wk_between how[] = {WK_LINEAR, WK_LOWER, WK_HIGHER, WK_MIDPOINT, WK_NEAREST};
    static const double     shares[] = {0, 0.3, 0.5, 1};
    struct op_case          k = {.op = "nanquantile", .n_in = 1, .run = run_nanquantile, .apart = true};
    k.exact = exact_nanquantile;
    for (int what = 0; what < 5 * 4 * 3; what++) {
        k.row = &how[what % 5];
        k.q = shares[what / 5 % 4];
        k.p = what / 20;
        k.keep = what % 2;
        k.in[0] = (struct input){.shape = WK_SHAPE(4, 6, 5),
                                 .dtype = what % 3 ? WK_f32 : WK_f64,
                                 .layout = (enum layout)(what % 3)};
        k.gradient = what % 3 == 1;
        visit(arg, &k);
    }
    k.gradient = false;
    for (int what = 0; what < 5 * 4 * 3; what++) {
        k.row = &how[what % 5];
        k.q = shares[what / 5 % 4];
        k.p = what / 20 == 1;
        k.in[0] = (struct input){.shape = what / 20 == 0   ? WK_SHAPE(12)
                                          : what / 20 == 1 ? WK_SHAPE(3, 4)
                                                           : WK_SCALAR_SHAPE,
                                 .dtype = what % 2 ? WK_f32 : WK_f64,
                                 .values = holes};
        visit(arg, &k);
    }
}

void family_sort(case_fn visit, void *arg)
{
    visit_statistics(visit, arg);
    visit_quantiles(visit, arg);
    static const wk_dtype    dtypes[] = {WK_f32, WK_f64, WK_f16, WK_bf16, WK_f8e4m3, WK_i8,
                                         WK_i16, WK_i32, WK_i64, WK_u8,   WK_u32,    WK_bool};
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED, EXPANDED};
    struct op_case k = {.op = "sort", .n_in = 1, .run = run_sort, .exact = exact_sort, .apart = true};
    for (int t = 0; t < 12; t++) {
        const double low = dtypes[t] == WK_u8 || dtypes[t] == WK_u32 ? 0 : -9;
        for (int l = 0; l < 4; l++)
            for (int d = 0; d < 3; d++) {
                k.in[0] = (struct input){.shape = WK_SHAPE(4, 60, 5),
                                         .dtype = dtypes[t],
                                         .layout = layouts[l],
                                         .low = low,
                                         .high = 9};
                k.p = d;
                sorts(visit, arg, k);
            }
        k.p = 0;
        k.in[0] = (struct input){.shape = WK_SHAPE(70000), .dtype = dtypes[t], .low = low, .high = 100};
        if (dtypes[t] == WK_f32 || dtypes[t] == WK_i64 || dtypes[t] == WK_f16) sorts(visit, arg, k);
        k.in[0] = (struct input){.shape = WK_SHAPE(0, 3), .dtype = dtypes[t]};
        sorts(visit, arg, k);
        k.in[0] = (struct input){.shape = WK_SCALAR_SHAPE, .dtype = dtypes[t]};
        sorts(visit, arg, k);
    }
    k.note = "NaN";
    k.in[0] = (struct input){.shape = WK_SHAPE(12), .dtype = WK_f32, .values = odd};
    sorts(visit, arg, k);
    k.in[0].dtype = WK_f64;
    sorts(visit, arg, k);
    k = (struct op_case){.op = "searchsorted", .n_in = 2, .run = run_search, .exact = exact_search};
    for (int what = 0; what < 12; what++) {
        const wk_dtype t = what % 3 == 0 ? WK_f32 : what % 3 == 1 ? WK_f64 : WK_i32;
        k.keep = what % 2;
        k.in[0] = (struct input){.shape = what < 6 ? WK_SHAPE(9) : WK_SHAPE(3, 9), .dtype = t, .high = 5};
        k.in[1] = (struct input){
            .shape = WK_SHAPE(3, 20), .dtype = t, .high = 6, .layout = (enum layout)(what % 4)};
        visit(arg, &k);
        if (what >= 6) continue;
        struct op_case b = k;
        b.op = "bucketize";
        b.run = run_bucketize;
        visit(arg, &b);
        b.in[1].shape = what < 3 ? WK_SCALAR_SHAPE : WK_SHAPE(0, 4);
        visit(arg, &b);
    }
    k = (struct op_case){.op = "nonzero", .n_in = 1, .run = run_nonzero, .exact = exact_nonzero};
    for (int what = 0; what < 12; what++) {
        k.in[0] = (struct input){.shape = what < 4   ? WK_SHAPE(3, 5, 4)
                                          : what < 8 ? WK_SHAPE(40000)
                                                     : WK_SHAPE(0, 3),
                                 .dtype = what % 2 ? WK_bool : WK_i32,
                                 .layout = what < 8 ? (enum layout)(what % 4) : DENSE,
                                 .low = 0,
                                 .high = 2};
        visit(arg, &k);
    }
    k = (struct op_case){.op = "sort", .n_in = 1, .gradient = true, .apart = true};
    k.in[0] = (struct input){.shape = WK_SHAPE(4, 6, 5), .dtype = WK_f32, .layout = TURNED};
    for (int d = 0; d < 3; d++) {
        k.p = d;
        k.q = 3;
        k.note = "kthvalue";
        k.run = run_kth;
        visit(arg, &k);
        k.note = "median";
        k.run = run_median;
        visit(arg, &k);
        k.q = 0.3;
        k.note = "quantile";
        k.run = run_quantile;
        visit(arg, &k);
        k.note = "msort";
        k.run = run_msort;
        visit(arg, &k);
    }
}
