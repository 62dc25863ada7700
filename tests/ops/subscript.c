/* Cases of subscripts and of writing by index, against loops over their elements. */
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

/* ---- subscripts of x [4, 6, 5] with indices i [3] and j [2, 1]; k->p says which ---- */

static int subscript(const struct op_case *k, wk_tensor i, wk_tensor j, wk_subscript *at)
{
    const wk_subscript forms[][4] = {
        {WK_T(i)},                                    /* [3, 6, 5] */
        {WK_REST, WK_T(i)},                           /* [4, 6, 3] */
        {WK_ALL, WK_T(i), WK_T(j)},                   /* [4, 2, 3] */
        {WK_T(i), WK_ALL, WK_T(j)},                   /* [2, 3, 6] */
        {WK_I(-2), WK_STEP(WK_END, 0, -2), WK_T(i)},  /* [3, 3] */
        {WK_RANGE(1, -1), WK_NEW, WK_I(3), WK_T(j)},  /* [2, 1, 2, 1] */
        {WK_STEP(-1, WK_BEGIN, -2), WK_REST, WK_I(1)} /* [2, 6] */
    };
    static const int sizes[] = {1, 2, 3, 3, 3, 4, 3};
    const int        p = (int)k->p;
    memcpy(at, forms[p], sizeof forms[p]);
    return sizes[p];
}

static int64_t wrapped(double v, int64_t n)
{
    return (int64_t)v < 0 ? (int64_t)v + n : (int64_t)v;
}

/* The element of x that place `at` of the result is. */
static void source(const struct op_case *k, const struct values *i, const struct values *j, const int64_t *at,
                   int64_t *x)
{
    switch ((int)k->p) {
    case 0:
        x[0] = wrapped(i->v[at[0]], 4);
        x[1] = at[1];
        x[2] = at[2];
        break;
    case 1:
        x[0] = at[0];
        x[1] = at[1];
        x[2] = wrapped(i->v[at[2]], 5);
        break;
    case 2:
        x[0] = at[0];
        x[1] = wrapped(i->v[at[2]], 6);
        x[2] = wrapped(j->v[at[1]], 5);
        break;
    case 3:
        x[0] = wrapped(i->v[at[1]], 4);
        x[1] = at[2];
        x[2] = wrapped(j->v[at[0]], 5);
        break;
    case 4:
        x[0] = 2;
        x[1] = 5 - 2 * at[0];
        x[2] = wrapped(i->v[at[1]], 5);
        break;
    case 5:
        x[0] = at[0] + 1;
        x[1] = 3;
        x[2] = wrapped(j->v[at[2]], 5);
        break;
    default:
        x[0] = 3 - 2 * at[0];
        x[1] = at[1];
        x[2] = 1;
    }
}

static wk_tensor run_index(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_subscript at[4];
    const int    n = subscript(k, x[1], x[2], at);
    return wk_index(c, x[0], n, at);
}
static void exact_index(const struct op_case *k, const struct values *x, struct values *y)
{
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[WK_MAX_DIMS], from[WK_MAX_DIMS] = {0};
        unflat(y, i, at);
        source(k, &x[1], &x[2], at, from);
        y->v[i] = x[0].v[flat(&x[0], from)];
    }
}

/* keep: accumulate; in[3] the values */
static wk_tensor run_put(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_subscript at[4];
    const int    n = subscript(k, x[1], x[2], at);
    return wk_index_put(c, x[0], n, at, x[3], k->keep);
}
static void exact_put(const struct op_case *k, const struct values *x, struct values *y)
{
    memcpy(y->v, x[0].v, (size_t)y->n * sizeof *y->v);
    for (int64_t i = 0; i < x[3].n; i++) {
        int64_t at[WK_MAX_DIMS], to[WK_MAX_DIMS] = {0};
        unflat(&x[3], i, at);
        source(k, &x[1], &x[2], at, to);
        double *v = &y->v[flat(y, to)];
        *v = k->keep ? *v + x[3].v[i] : x[3].v[i];
    }
}
/* in place, into a view of a copy */
static wk_tensor run_write(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_subscript    at[4];
    const int       n = subscript(k, x[1], x[2], at);
    const wk_tensor y = wk_transpose(c, wk_clone(c, wk_transpose(c, x[0], 0, 1)), 0, 1);
    wk_index_write(c, y, n, at, x[3]);
    return y;
}

/* ---- scatter: p the dim, q the kind, -1 for scatter itself ---- */

static wk_tensor run_scatter(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    if (k->q < 0) return wk_scatter(c, x[0], (int)k->p, x[1], x[2]);
    return wk_scatter_reduce(c, x[0], (int)k->p, x[1], x[2], (wk_reduce)k->q, k->keep);
}
static void exact_scatter(const struct op_case *k, const struct values *x, struct values *y)
{
    const int kind = (int)k->q;
    memcpy(y->v, x[0].v, (size_t)y->n * sizeof *y->v);
    for (int64_t i = 0; i < y->n; i++) { /* place by place: what goes there */
        double  v = x[0].v[i], n = k->keep || kind < 0;
        int64_t at[WK_MAX_DIMS] = {0};
        for (int64_t e = 0; e < x[1].n; e++) {
            unflat(&x[1], e, at);
            const double s = x[2].v[flat(&x[2], at)];
            at[(int)k->p] = (int64_t)x[1].v[e];
            if (flat(y, at) != i) continue;
            const bool first = n == 0;
            n++;
            if (kind < 0 || first)
                v = s;
            else if (kind == WK_REDUCE_SUM || kind == WK_REDUCE_MEAN)
                v += s;
            else if (kind == WK_REDUCE_PROD)
                v *= s;
            else if (kind == WK_REDUCE_AMAX)
                v = s > v ? s : v;
            else
                v = s < v ? s : v;
        }
        y->v[i] = kind == WK_REDUCE_MEAN && n > 0 ? v / n : v;
    }
    if (kind == WK_REDUCE_MEAN && (k->in[0].dtype == WK_i32 || k->in[0].dtype == WK_i64))
        for (int64_t i = 0; i < y->n; i++) y->v[i] = floor(y->v[i]);
}

/* ---- whole slices: dims.dim[0] says which ---- */

static wk_tensor run_slices(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const int d = (int)k->p;
    switch (k->dims.dim[0]) {
    case 0:
        return wk_index_add(c, x[0], d, x[1], x[2], 2);
    case 1:
        return wk_index_copy(c, x[0], d, x[1], x[2]);
    case 2:
        return wk_index_reduce(c, x[0], d, x[1], x[2], WK_REDUCE_AMAX, true);
    default:
        return wk_index_fill(c, x[0], d, x[1], wk_sum(c, x[2], WK_ALL_DIMS, false));
    }
}
static void exact_slices(const struct op_case *k, const struct values *x, struct values *y)
{
    const int d = (int)k->p;
    double    sum = 0;
    for (int64_t i = 0; i < x[2].n; i++) sum += x[2].v[i];
    memcpy(y->v, x[0].v, (size_t)y->n * sizeof *y->v);
    for (int64_t i = 0; i < x[2].n; i++) {
        int64_t at[WK_MAX_DIMS] = {0};
        unflat(&x[2], i, at);
        at[d] = (int64_t)x[1].v[at[d]];
        double *v = &y->v[flat(y, at)];
        *v = k->dims.dim[0] == 0   ? *v + 2 * x[2].v[i]
             : k->dims.dim[0] == 1 ? x[2].v[i]
             : k->dims.dim[0] == 2 ? (x[2].v[i] > *v ? x[2].v[i] : *v)
                                   : sum;
    }
}

/* ---- masks, take, put ---- */

static wk_tensor run_masked(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_tensor mask = wk_gt(c, x[1], wk_scalar(c, 0));
    if (k->p == 0) return wk_masked_fill(c, x[0], mask, wk_scalar(c, 3));
    if (k->p == 1) return wk_masked_scatter(c, x[0], mask, x[2]);
    if (k->p == 2) return wk_index_put(c, x[0], WK_AT(WK_REST, WK_T(mask)), wk_scalar(c, 3), false);
    /* what is selected goes back to where it came from */
    return wk_masked_scatter(c, wk_zeros_like(c, x[0]), mask, wk_masked_select(c, x[0], mask));
}
static void exact_masked(const struct op_case *k, const struct values *x, struct values *y)
{
    int64_t next = 0;
    for (int64_t i = 0; i < y->n; i++) {
        const bool on = x[1].v[i % x[1].n] > 0;
        y->v[i] = k->p == 3 ? (on ? x[0].v[i] : 0) : !on ? x[0].v[i] : k->p == 1 ? x[2].v[next++] : 3;
    }
}

static wk_tensor run_take(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    if (k->p == 0) return wk_take(c, x[0], x[1]);
    const wk_tensor y = wk_put(c, x[0], x[1], wk_take(c, x[0], x[1]), true);
    return k->p == 1 ? wk_take(c, y, x[1])
                     : wk_take_along_dim(c, y, wk_reshape(c, x[1], WK_SHAPE(2, 1, 3)), 2);
}
static void exact_take(const struct op_case *k, const struct values *x, struct values *y)
{
    double put[60]; /* place by place, those that are named doubled once for each time */
    for (int64_t i = 0; i < x[0].n; i++) put[i] = x[0].v[i];
    for (int64_t i = 0; i < x[1].n && k->p > 0; i++) {
        const int64_t at = wrapped(x[1].v[i], x[0].n);
        put[at] += x[0].v[at];
    }
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at[WK_MAX_DIMS] = {0};
        unflat(y, i, at);
        y->v[i] = k->p < 2 ? put[wrapped(x[1].v[i], x[0].n)]
                           : put[(at[0] * x[0].shape[1] + at[1]) * 5 + wrapped(x[1].v[at[0] * 3 + at[2]], 5)];
    }
}

static const double few[] = {2, -1, 0}, other[] = {1, 3},
                    lines[] = {2, 0, 1, 1, 2, 0, 0, 1, 2, 2, 1, 0, 1, 0, 2, 0, 2, 1}, unique[] = {3, 0, 2},
                    signs[] = {1, -1, 1,  1,  -1, -1, -1, 1, 1, 1,  -1, 1, 1,  -1, -1,
                               1, 1,  -1, -1, 1,  1,  -1, 1, 1, -1, -1, 1, -1, 1,  -1};

static void subscripts(case_fn visit, void *arg, struct input x)
{
    static const wk_shape shapes[] = {{3, {3, 6, 5}}, {3, {4, 6, 3}},    {3, {4, 2, 3}}, {3, {2, 3, 6}},
                                      {2, {3, 3}},    {4, {2, 1, 2, 1}}, {2, {2, 6}}};
    struct op_case        k = {.in = {x}};
    k.in[1] = (struct input){.shape = WK_SHAPE(3), .dtype = WK_i64, .values = few, .fixed = true};
    k.in[2] = (struct input){.shape = WK_SHAPE(2, 1), .dtype = WK_i32, .values = other, .fixed = true};
    for (int p = 0; p < 7; p++) {
        k.p = p;
        k.op = "index";
        k.n_in = 3;
        k.run = run_index;
        k.exact = exact_index;
        k.gradient = x.dtype == WK_f32;
        visit(arg, &k);
        k.op = "index_put";
        k.n_in = 4;
        k.run = run_put;
        k.exact = exact_put;
        k.in[3] = (struct input){.shape = shapes[p], .dtype = x.dtype, .high = 3};
        for (k.keep = false;; k.keep = true) {
            visit(arg, &k);
            if (k.keep) break;
        }
        k.gradient = k.keep = false;
        k.run = run_write;
        visit(arg, &k);
    }
}

static void scatters(case_fn visit, void *arg, struct input x)
{
    struct op_case k = {.n_in = 3, .run = run_scatter, .exact = exact_scatter, .in = {x}};
    for (int d = 0; d < 3; d++)
        for (int kind = -1; kind <= WK_REDUCE_AMIN; kind++)
            for (int keep = 0; keep < 2; keep++) {
                k.p = d;
                k.q = kind;
                k.keep = keep;
                k.op = kind < 0                                          ? "scatter"
                       : kind == WK_REDUCE_SUM || kind == WK_REDUCE_MEAN ? "scatter_add"
                                                                         : "scatter_reduce";
                k.tolerance = 1e-5;
                k.in[1] =
                    (struct input){.shape = WK_SHAPE(3, 2, 3), .dtype = WK_i64, .high = 3.4, .fixed = true};
                k.in[2] = (struct input){
                    .shape = WK_SHAPE(4, 6, 5), .dtype = x.dtype, .low = 1, .high = 3, .layout = x.layout};
                if (kind < 0) { /* no place twice: which value stays has no derivative */
                    k.in[1].values = lines;
                    k.in[1].shape = d == 0   ? WK_SHAPE(1, 6, 3)
                                    : d == 1 ? WK_SHAPE(3, 1, 5)
                                             : WK_SHAPE(4, 4, 1);
                }
                k.apart = kind >= WK_REDUCE_AMAX;
                k.gradient = x.dtype == WK_f32 && x.layout != EXPANDED;
                visit(arg, &k);
                if (kind < 0) { /* the later one stays */
                    k.gradient = false;
                    k.in[1].values = NULL;
                    k.in[1].shape = WK_SHAPE(3, 4, 2);
                    k.in[1].layout = keep ? EXPANDED : DENSE;
                    visit(arg, &k);
                }
            }
    k = (struct op_case){.op = "index_put", .n_in = 3, .run = run_slices, .exact = exact_slices, .in = {x}};
    for (int d = 0; d < 3; d++)
        for (int what = 0; what < 4; what++) {
            wk_shape part = x.shape;
            part.dim[d] = 3;
            k.p = d;
            k.dims = WK_DIMS(what);
            k.tolerance = 1e-5;
            k.gradient = x.dtype == WK_f32 && x.layout != EXPANDED;
            k.in[1] = (struct input){.shape = WK_SHAPE(3), .dtype = WK_i64, .values = unique, .fixed = true};
            k.in[2] = (struct input){.shape = part, .dtype = x.dtype, .high = 1.4, .layout = TURNED};
            if (x.dtype == WK_bf16 && what == 3) continue; /* a sum of halves, rounded on the way */
            visit(arg, &k);
        }
}

void family_subscript(case_fn visit, void *arg)
{
    static const wk_dtype    dtypes[] = {WK_f32, WK_f64, WK_bf16, WK_i32, WK_i64, WK_u8};
    static const enum layout layouts[] = {DENSE, TURNED, STEPPED, EXPANDED};
    for (int t = 0; t < 6; t++)
        for (int l = 0; l < 4; l++) {
            const struct input x = {
                .shape = WK_SHAPE(4, 6, 5), .dtype = dtypes[t], .layout = layouts[l], .high = 3};
            if (l > 1 && t > 1) continue;
            subscripts(visit, arg, x);
            if (dtypes[t] != WK_u8) scatters(visit, arg, x);
        }
    for (int p = 0; p < 4; p++)
        visit(arg, &(struct op_case){
                       .op = p == 0 ? "where" : "index_put",
                       .note = "mask",
                       .n_in = 3,
                       .run = run_masked,
                       .exact = exact_masked,
                       .p = p,
                       .gradient = true,
                       .in = {{.shape = WK_SHAPE(4, 6, 5), .dtype = WK_f32, .layout = TURNED},
                              {.shape = WK_SHAPE(6, 5), .dtype = WK_f32, .values = signs, .fixed = true},
                              {.shape = WK_SHAPE(90), .dtype = WK_f32}}});
    for (int p = 0; p < 3; p++)
        visit(arg,
              &(struct op_case){
                  .op = "index",
                  .note = "take",
                  .n_in = 2,
                  .run = run_take,
                  .exact = exact_take,
                  .p = p,
                  .gradient = true,
                  .in = {{.shape = WK_SHAPE(2, 6, 5), .dtype = WK_f32, .layout = TURNED},
                         {.shape = WK_SHAPE(2, 3), .dtype = WK_i32, .low = -4, .high = 4, .fixed = true}}});
    /* large enough for several threads */
    for (int p = 0; p < 2; p++)
        visit(arg, &(struct op_case){.op = "index_put",
                                     .note = "large",
                                     .n_in = 3,
                                     .run = run_slices,
                                     .exact = exact_slices,
                                     .tolerance = 1e-4,
                                     .dims = WK_DIMS(0),
                                     .in = {{.shape = WK_SHAPE(30, 700), .dtype = WK_f32},
                                            {.shape = WK_SHAPE(200), .dtype = WK_i64, .high = 29},
                                            {.shape = WK_SHAPE(200, 700), .dtype = WK_f32}}});
}
