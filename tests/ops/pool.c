/* Cases of pooling: each result from the values of its window, one by one. */
#include "tests/ops/cases.h"

#include "core/ctx.h"

#include <math.h>

enum kind { MOST, PLACES, MEAN, NORM, ADAPTIVE_MOST, ADAPTIVE_PLACES, ADAPTIVE_MEAN, UNPOOL };

struct pool_case {
    const char  *note;
    wk_shape     x;
    wk_pool_opts o;
    wk_shape     out; /* of the adaptive ones */
};

static int64_t count_of(wk_shape s)
{
    int64_t n = 1;
    for (int i = 0; i < s.ndim; i++) n *= s.dim[i];
    return n;
}

static int dims_of(const struct pool_case *r)
{
    return r->out.ndim ? r->out.ndim : r->o.kernel[2] ? 3 : r->o.kernel[1] ? 2 : 1;
}

typedef wk_tensor (*picking)(wk_ctx *, wk_tensor, wk_pool_opts, wk_tensor *);
typedef wk_tensor (*plain)(wk_ctx *, wk_tensor, wk_pool_opts);
typedef wk_tensor (*norm)(wk_ctx *, wk_tensor, double, wk_pool_opts);
typedef wk_tensor (*adaptive)(wk_ctx *, wk_tensor, wk_shape);
typedef wk_tensor (*adaptive_picking)(wk_ctx *, wk_tensor, wk_shape, wk_tensor *);
typedef wk_tensor (*putting)(wk_ctx *, wk_tensor, wk_tensor, wk_pool_opts, wk_shape);

static wk_tensor run(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    static const picking  most[] = {wk_max_pool1d, wk_max_pool2d, wk_max_pool3d};
    static const plain    mean[] = {wk_avg_pool1d, wk_avg_pool2d, wk_avg_pool3d};
    static const norm     norms[] = {wk_lp_pool1d, wk_lp_pool2d, wk_lp_pool3d};
    static const adaptive parts[] = {wk_adaptive_avg_pool1d, wk_adaptive_avg_pool2d, wk_adaptive_avg_pool3d};
    static const adaptive_picking best[] = {wk_adaptive_max_pool1d, wk_adaptive_max_pool2d,
                                            wk_adaptive_max_pool3d};
    static const putting          unpool[] = {wk_max_unpool1d, wk_max_unpool2d, wk_max_unpool3d};
    const struct pool_case       *r = k->row;
    const int                     n = dims_of(r) - 1;
    wk_tensor                     at = WK_NONE, y = WK_NONE;
    switch ((enum kind)k->q) {
    case MOST:
        return most[n](c, x[0], r->o, NULL);
    case PLACES:
        y = most[n](c, x[0], r->o, &at);
        return wk_is_none(y) ? y : at;
    case MEAN:
        return mean[n](c, x[0], r->o);
    case NORM:
        return norms[n](c, x[0], k->p, r->o);
    case ADAPTIVE_MOST:
        return best[n](c, x[0], r->out, NULL);
    case ADAPTIVE_PLACES:
        y = best[n](c, x[0], r->out, &at);
        return wk_is_none(y) ? y : at;
    case ADAPTIVE_MEAN:
        return parts[n](c, x[0], r->out);
    case UNPOOL:
        return unpool[n](c, x[0], x[1], r->o, (wk_shape){0});
    }
    return WK_NONE;
}

/* The window of place u along dim i of n: [lo, hi) in steps. */
static void window(const struct pool_case *r, int i, int64_t u, int64_t in, int64_t out, int64_t *lo,
                   int64_t *hi, int64_t *step)
{
    *step = 1;
    if (r->out.ndim) {
        *lo = u * in / out;
        *hi = ((u + 1) * in + out - 1) / out;
        return;
    }
    *step = r->o.dilation[i] ? r->o.dilation[i] : 1;
    *lo = u * (r->o.stride[i] ? r->o.stride[i] : r->o.kernel[i]) - r->o.padding[i];
    *hi = *lo + (r->o.kernel[i] - 1) * *step + 1;
}

/* The value of a window of the plane x. */
static double pooled(const struct op_case *k, const double *x, const int64_t *in, const int64_t *out,
                     const int64_t *u)
{
    const struct pool_case *r = k->row;
    const int               n = dims_of(r);
    int64_t                 lo[3] = {0}, hi[3] = {1, 1, 1}, step[3] = {1, 1, 1}, place = -1;
    double                  sum = 0, best = -(double)INFINITY, size = 1;
    for (int i = 0; i < n; i++) {
        const int d = 3 - n + i;
        window(r, i, u[d], in[d], out[d], &lo[d], &hi[d], &step[d]);
        const int64_t pad = r->o.padding[i], top = r->o.exclude_pad ? in[d] : in[d] + pad;
        const int64_t low = r->o.exclude_pad && lo[d] < 0 ? 0 : lo[d];
        size *= (double)((hi[d] < top ? hi[d] : top) - low);
    }
    for (int64_t a = lo[0]; a < hi[0]; a += step[0])
        for (int64_t b = lo[1]; b < hi[1]; b += step[1])
            for (int64_t w = lo[2]; w < hi[2]; w += step[2]) {
                if (a < 0 || a >= in[0] || b < 0 || b >= in[1] || w < 0 || w >= in[2]) continue;
                const int64_t at = (a * in[1] + b) * in[2] + w;
                if (place < 0 || x[at] > best || isnan(x[at])) {
                    best = x[at];
                    place = at;
                }
                sum += k->q == NORM ? pow(x[at], k->p) : x[at];
            }
    if (k->q == NORM) return pow(sum, 1 / k->p);
    if (k->q == PLACES || k->q == ADAPTIVE_PLACES) return (double)place;
    if (k->q == MOST || k->q == ADAPTIVE_MOST) return best;
    const double mean = sum / (r->o.divisor ? (double)r->o.divisor : size);
    return k->in[0].dtype == WK_i64 || k->in[0].dtype == WK_i32 ? trunc(mean) : mean;
}

static void exact(const struct op_case *k, const struct values *x, struct values *y)
{
    const int n = dims_of(k->row);
    int64_t   in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
    for (int i = 0; i < n; i++) {
        in[3 - n + i] = x[0].shape[x[0].ndim - n + i];
        out[3 - n + i] = y->shape[y->ndim - n + i];
    }
    const int64_t area = out[0] * out[1] * out[2];
    for (int64_t i = 0; i < y->n; i++) {
        const int64_t u[3] = {i % area / (out[1] * out[2]), i / out[2] % out[1], i % out[2]};
        y->v[i] = pooled(k, x[0].v + i / area * in[0] * in[1] * in[2], in, out, u);
    }
}

static void exact_unpool(const struct op_case *k, const struct values *x, struct values *y)
{
    const int n = dims_of(k->row);
    int64_t   area = 1, count = 1;
    for (int i = 0; i < n; i++) {
        area *= y->shape[y->ndim - 1 - i];
        count *= x[0].shape[x[0].ndim - 1 - i];
    }
    for (int64_t i = 0; i < y->n; i++) y->v[i] = 0;
    for (int64_t i = 0; i < x[0].n; i++) y->v[i / count * area + (int64_t)x[1].v[i]] = x[0].v[i];
}

/* ---- the gradient of a mean, as the op it is ----------------------------------------------------- */

struct spread_case {
    const char *note;
    wk_shape    x, g;
    int64_t     attr[14]; /* kernel, stride, padding, dilation; exclude padding, divisor */
};
static const struct spread_case spreads[] = {
    {"side by side", {5, {2, 2, 1, 6, 7}}, {5, {2, 2, 1, 6, 7}}, {1, 3, 3, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0}},
    {"halves", {5, {1, 3, 1, 6, 40}}, {5, {1, 3, 1, 3, 20}}, {1, 2, 2, 1, 2, 2, 0, 0, 0, 1, 1, 1, 0, 0}},
    {"padding not counted",
     {5, {1, 2, 4, 6, 7}},
     {5, {1, 2, 3, 3, 3}},
     {2, 3, 3, 2, 2, 3, 1, 1, 1, 1, 1, 1, 1, 0}},
    {"divisor", {5, {1, 2, 1, 6, 7}}, {5, {1, 2, 1, 2, 3}}, {1, 3, 3, 1, 3, 2, 0, 0, 0, 1, 1, 1, 0, 5}},
    {"parts", {5, {1, 2, 1, 5, 7}}, {5, {1, 2, 1, 2, 3}}, {1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0}},
};

static wk_tensor run_spread(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct spread_case *r = k->row;
    wk_call                   call = {.op = WK_OP_avg_pool_vjp,
                                      .cls = wki_class_of(x[0]->dtype),
                                      WK_IN(x[0]),
                                      .out = {wki_new(c, x[0]->dtype, r->x)}};
    for (int i = 0; i < 14; i++) call.attr.i[i] = r->attr[i];
    return wki_run(c, &call);
}

static void spread_range(const struct spread_case *r, int i, int64_t u, int64_t *lo, int64_t *hi,
                         int64_t *size)
{
    const int64_t in = r->x.dim[2 + i], out = r->g.dim[2 + i], pad = r->attr[6 + i];
    *lo = r->attr[3 + i] ? u * r->attr[3 + i] - pad : u * in / out;
    *hi = r->attr[3 + i] ? *lo + r->attr[i] : ((u + 1) * in + out - 1) / out;
    *size = (*hi < in + pad ? *hi : in + pad) - *lo;
    *lo = *lo < 0 ? 0 : *lo;
    *hi = *hi < in ? *hi : in;
    if (r->attr[12]) *size = *hi - *lo;
}

static void exact_spread(const struct op_case *k, const struct values *x, struct values *y)
{
    const struct spread_case *r = k->row;
    const int64_t            *out = r->g.dim + 2, *in = r->x.dim + 2;
    for (int64_t i = 0; i < y->n; i++) y->v[i] = 0;
    for (int64_t i = 0; i < x[0].n; i++) {
        const int64_t u[3] = {i / out[2] / out[1] % out[0], i / out[2] % out[1], i % out[2]};
        const int64_t plane = i / (out[0] * out[1] * out[2]);
        int64_t       lo[3], hi[3], size[3];
        for (int d = 0; d < 3; d++) spread_range(r, d, u[d], &lo[d], &hi[d], &size[d]);
        const int64_t all = r->attr[13] ? r->attr[13] : size[0] * size[1] * size[2];
        for (int64_t a = lo[0]; a < hi[0]; a++)
            for (int64_t b = lo[1]; b < hi[1]; b++)
                for (int64_t w = lo[2]; w < hi[2]; w++)
                    y->v[((plane * in[0] + a) * in[1] + b) * in[2] + w] += x[0].v[i] / (double)all;
    }
}

static void visit_spread(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_bf16};
    for (size_t i = 0; i < sizeof spreads / sizeof *spreads; i++)
        for (size_t t = 0; t < 3; t++)
            visit(arg, &(struct op_case){.op = "avg_pool_vjp",
                                         .note = spreads[i].note,
                                         .run = run_spread,
                                         .exact = exact_spread,
                                         .row = &spreads[i],
                                         .n_in = 1,
                                         .in = {{.shape = spreads[i].g, .dtype = dtypes[t]}},
                                         .gradient = t == 0});
}

/* ---- values back to their places: those of halves of rows, as max_unpool does ------------------- */

static void visit_unpool(case_fn visit, void *arg)
{
    static const wk_dtype         dtypes[] = {WK_f32, WK_f64, WK_f16, WK_i64};
    static const double           places[] = {1, 10, 4, 14, 0, 2, 7, 15, 8, 3, 6, 13};
    static const struct pool_case r = {"", {4, {1, 3, 2, 2}}, {.kernel = {2, 2}}, {0}};
    for (size_t t = 0; t < 4; t++)
        visit(arg,
              &(struct op_case){.op = "unpool",
                                .run = run,
                                .exact = exact_unpool,
                                .row = &r,
                                .q = UNPOOL,
                                .n_in = 2,
                                .in = {{.shape = r.x, .dtype = dtypes[t], .layout = t % 2 ? TURNED : DENSE},
                                       {.shape = r.x, .dtype = WK_i64, .values = places, .fixed = true}},
                                .gradient = t == 0});
}

static const struct pool_case cases[] = {
    {"1-d", {3, {2, 3, 20}}, {.kernel = {3}, .stride = {2}, .padding = {1}}, {0}},
    {"1-d without a batch", {2, {3, 11}}, {.kernel = {4}}, {0}},
    {"1-d, long", {3, {1, 2, 5000}}, {.kernel = {5}, .stride = {1}, .padding = {2}}, {0}},
    {"1-d, steps of four", {3, {1, 2, 9000}}, {.kernel = {7}, .stride = {4}, .padding = {3}}, {0}},
    {"2-d", {4, {2, 3, 9, 35}}, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}}, {0}},
    {"2-d, halves", {4, {1, 3, 8, 34}}, {.kernel = {2, 2}}, {0}},
    {"2-d, without a batch", {3, {3, 9, 8}}, {.kernel = {3, 2}, .stride = {1, 3}}, {0}},
    {"2-d, side by side", {4, {2, 2, 9, 40}}, {.kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}}, {0}},
    {"2-d, last window over the end",
     {4, {2, 3, 8, 10}},
     {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 0}, .ceil = true},
     {0}},
    {"2-d, padding not counted",
     {4, {2, 3, 8, 10}},
     {.kernel = {4, 3}, .stride = {3, 2}, .padding = {2, 1}, .ceil = true, .exclude_pad = true},
     {0}},
    {"2-d, divisor", {4, {2, 3, 8, 10}}, {.kernel = {3, 3}, .stride = {2, 2}, .divisor = 4}, {0}},
    {"3-d", {5, {2, 2, 5, 6, 7}}, {.kernel = {3, 2, 3}, .stride = {2, 2, 1}, .padding = {1, 1, 1}}, {0}},
    {"no images", {4, {0, 3, 9, 8}}, {.kernel = {3, 3}}, {0}},
};
static const struct pool_case dilated[] = {
    {"1-d, dilated", {3, {2, 3, 40}}, {.kernel = {3}, .stride = {2}, .padding = {1}, .dilation = {3}}, {0}},
    {"2-d, dilated",
     {4, {2, 2, 12, 23}},
     {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 1}, .dilation = {2, 3}},
     {0}},
    {"3-d, dilated",
     {5, {1, 2, 7, 8, 9}},
     {.kernel = {2, 3, 2}, .stride = {2, 1, 3}, .dilation = {3, 2, 2}},
     {0}},
};
static const struct pool_case parts[] = {
    {"1-d, parts", {3, {2, 3, 20}}, {.kernel = {0}}, {1, {7}}},
    {"2-d, parts", {4, {2, 3, 9, 8}}, {.kernel = {0}}, {2, {5, 3}}},
    {"2-d, even parts", {4, {2, 3, 9, 8}}, {.kernel = {0}}, {2, {3, 4}}},
    {"2-d, more parts than values", {3, {3, 3, 4}}, {.kernel = {0}}, {2, {5, 9}}},
    {"2-d, all", {4, {2, 3, 7, 7}}, {.kernel = {0}}, {2, {1, 1}}},
    {"3-d, parts", {5, {1, 2, 5, 6, 7}}, {.kernel = {0}}, {3, {2, 4, 3}}},
};

static void visit_case(case_fn visit, void *arg, const struct pool_case *r, const char *op, enum kind kind)
{
    static const wk_dtype    dtypes[] = {WK_f32, WK_f64, WK_f16, WK_bf16, WK_i64, WK_i32};
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED};
    const bool               places = kind == PLACES || kind == ADAPTIVE_PLACES;
    const bool               reals = kind == NORM || kind == ADAPTIVE_MEAN;
    for (size_t t = 0; t < (reals ? 4 : 6); t++) {
        struct op_case k = {.op = op,
                            .note = r->note,
                            .run = run,
                            .exact = exact,
                            .row = r,
                            .q = kind,
                            .p = 3,
                            .n_in = 1,
                            .in = {{.shape = r->x, .dtype = dtypes[t], .layout = layouts[t % 3]}},
                            .gradient = t == 0 && !places && count_of(r->x) < 2000,
                            .tolerance = kind == NORM ? 2e-5 : 4e-6};
        if (kind == NORM) k.in[0].low = 0.5, k.in[0].high = 2;
        visit(arg, &k);
    }
}

void family_pool(case_fn visit, void *arg)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct pool_case *r = &cases[i];
        visit_case(visit, arg, r, "max_pool", MOST);
        visit_case(visit, arg, r, "max_pool", PLACES);
        visit_case(visit, arg, r, "avg_pool", MEAN);
    }
    visit_case(visit, arg, &cases[5], "avg_pool", NORM);
    for (size_t i = 0; i < sizeof dilated / sizeof *dilated; i++) {
        visit_case(visit, arg, &dilated[i], "max_pool", MOST);
        visit_case(visit, arg, &dilated[i], "max_pool", PLACES);
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        visit_case(visit, arg, &parts[i], "max_pool", ADAPTIVE_MOST);
        visit_case(visit, arg, &parts[i], "max_pool", ADAPTIVE_PLACES);
        visit_case(visit, arg, &parts[i], "avg_pool", ADAPTIVE_MEAN);
    }
    visit_spread(visit, arg);
    visit_unpool(visit, arg);
}
