/* Cases of the reductions. */
#include "tests/ops/cases.h"

#include <math.h>
#include <string.h>

struct row {
    const char *name;
    wk_tensor (*run)(wk_ctx *, wk_tensor, wk_shape, bool);
    bool real, gradient;
};
static const struct row rows[] = {
    {"sum", wk_sum, false, true},   {"mean", wk_mean, true, true},           {"prod", wk_prod, false, true},
    {"amax", wk_amax, false, true}, {"amin", wk_amin, false, true},          {"any", wk_any, false, false},
    {"all", wk_all, false, false},  {"logsumexp", wk_logsumexp, true, true},
};
/* fused ones, which other devices compose */
static const struct row fused_rows[] = {
    {"nansum", wk_nansum, false, true},
    {"count_nonzero", wk_count_nonzero, false, false},
};
static const struct row std_row = {"std", NULL, true, true}, norm_row = {"vector_norm", NULL, true, true};
static const struct row var_row = {"var", NULL, true, true}, argmax_row = {"argmax", NULL, false, false},
                        argmin_row = {"argmin", NULL, false, false};

static wk_tensor run(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct row *r = k->row;
    if (r->run) return r->run(c, x[0], k->dims, k->keep);
    if (r == &std_row) return wk_std(c, x[0], k->dims, k->p, k->keep);
    if (r == &norm_row) return wk_vector_norm(c, x[0], k->p, k->dims, k->keep);
    if (r == &var_row) return wk_var(c, x[0], k->dims, k->p, k->keep);
    return (r == &argmax_row ? wk_argmax : wk_argmin)(c, x[0], (int)k->dims.dim[0], k->keep);
}

/* What one result is made of. */
struct set {
    double  sum, product, most, least, total_exp, square;
    int64_t n, n_true, at_most, at_least;
    double  numbers, powers, widest, narrowest;
    double  mean, shift;
};

static bool beats(double a, double b, bool more)
{
    return (more ? a > b : a < b) || (isnan(a) && !isnan(b));
}

static void take(struct set *s, double v, int pass, double p)
{
    if (pass) {
        s->total_exp += exp(v - s->shift);
        s->square += (v - s->mean) * (v - s->mean);
        return;
    }
    if (s->n == 0 || beats(v, s->most, true)) {
        s->most = v;
        s->at_most = s->n;
    }
    if (s->n == 0 || beats(v, s->least, false)) {
        s->least = v;
        s->at_least = s->n;
    }
    if (s->n == 0 || beats(fabs(v), s->widest, true)) s->widest = fabs(v);
    if (s->n == 0 || beats(fabs(v), s->narrowest, false)) s->narrowest = fabs(v);
    s->powers += pow(fabs(v), p);
    s->numbers += isnan(v) ? 0 : v;
    s->sum += v;
    s->product *= v;
    s->n_true += v != 0;
    s->n++;
}

static double result(const struct op_case *k, const struct set *s)
{
    const char *name = k->op;
    if (strcmp(name, "sum") == 0) return s->sum;
    if (strcmp(name, "mean") == 0) return s->sum / (double)s->n;
    if (strcmp(name, "prod") == 0) return s->product;
    if (strcmp(name, "amax") == 0) return s->most;
    if (strcmp(name, "amin") == 0) return s->least;
    if (strcmp(name, "any") == 0) return s->n_true > 0;
    if (strcmp(name, "all") == 0) return s->n_true == s->n;
    if (strcmp(name, "argmax") == 0) return (double)s->at_most;
    if (strcmp(name, "argmin") == 0) return (double)s->at_least;
    if (strcmp(name, "nansum") == 0) return s->numbers;
    if (strcmp(name, "count_nonzero") == 0) return (double)s->n_true;
    if (strcmp(name, "std") == 0) return sqrt(s->square / fmax(0, (double)s->n - k->p));
    if (strcmp(name, "vector_norm") == 0)
        return isinf(k->p) ? (k->p > 0 ? s->widest : s->narrowest)
               : k->p == 0 ? (double)s->n_true
                           : pow(s->powers, 1 / k->p);
    if (strcmp(name, "var") == 0) return s->square / fmax(0, (double)s->n - k->p);
    return s->n ? log(s->total_exp) + s->shift : -(double)INFINITY;
}

static void exact(const struct op_case *k, const struct values *x, struct values *y)
{
    unsigned mask = k->dims.ndim ? 0 : ~0u;
    for (int i = 0; i < k->dims.ndim; i++)
        mask |= 1u << (k->dims.dim[i] < 0 ? k->dims.dim[i] + x->ndim : k->dims.dim[i]);
    struct set *sets = wk_alloc((size_t)(y->n + 1) * sizeof *sets);
    if (!sets) return;
    for (int64_t i = 0; i < y->n; i++) sets[i] = (struct set){.product = 1};
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t j = 0; j < x->n; j++) {
            int64_t at = 0, step = 1, left = j;
            for (int d = x->ndim - 1; d >= 0; d--) {
                at += mask >> d & 1 ? 0 : left % x->shape[d] * step;
                step *= mask >> d & 1 ? 1 : x->shape[d];
                left /= x->shape[d];
            }
            take(&sets[at], x->v[j], pass, k->p);
        }
        for (int64_t i = 0; i < y->n; i++) {
            sets[i].mean = sets[i].sum / (double)sets[i].n;
            sets[i].shift = isinf(sets[i].most) ? 0 : sets[i].most;
        }
    }
    for (int64_t i = 0; i < y->n; i++) y->v[i] = result(k, &sets[i]);
    wk_free(sets);
}

static void over_shapes(case_fn visit, void *arg, struct op_case k, wk_dtype t)
{
    static const struct {
        wk_shape    shape, dims;
        enum layout layout;
        bool        keep;
    } shapes[] = {
        {{1, {2500}}, {0, {0}}, DENSE, false},           {{2, {7, 1100}}, {1, {1}}, DENSE, true},
        {{2, {1100, 7}}, {1, {0}}, DENSE, false},        {{2, {300, 3}}, {1, {-2}}, TURNED, false},
        {{3, {5, 6, 20}}, {1, {1}}, DENSE, false},       {{3, {5, 6, 20}}, {2, {0, 2}}, DENSE, true},
        {{4, {3, 4, 5, 6}}, {2, {1, 3}}, TURNED, false}, {{2, {6, 40}}, {1, {1}}, STEPPED, false},
        {{2, {4, 9}}, {1, {0}}, EXPANDED, false},        {{0, {0}}, {0, {0}}, DENSE, false},
        {{2, {3, 1}}, {1, {1}}, DENSE, false},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strncmp(k.op, "arg", 3) == 0 && shapes[i].dims.ndim != 1) continue;
        if (strcmp(k.op, "prod") == 0 && t <= WK_u32 && shapes[i].shape.ndim == 1) continue; /* overflows */
        k.in[0] = (struct input){.shape = shapes[i].shape, .dtype = t, .layout = shapes[i].layout};
        k.dims = shapes[i].dims;
        k.keep = shapes[i].keep;
        /* roots have steep second derivatives near 0; equal values share extremes and have no deviation */
        if (k.row == &norm_row && k.p == 0.5 && t == WK_f64) k.in[0].low = 0.2, k.in[0].high = 2;
        k.apart = (k.dims.ndim == 0 || k.dims.dim[0] == 0 || k.dims.dim[0] == -k.in[0].shape.ndim) &&
                  (k.row == &std_row || k.row == &norm_row || strncmp(k.op, "am", 2) == 0);
        k.gradient = ((const struct row *)k.row)->gradient && t == WK_f64 && shapes[i].layout != EXPANDED;
        visit(arg, &k);
    }
}

static void one_op_at(case_fn visit, void *arg, const struct row *r, double p, bool fused)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_f16, WK_bf16, WK_i32, WK_i64, WK_i8};
    struct op_case        k = {.op = r->name, .n_in = 1, .run = run, .exact = exact, .row = r, .p = p};
    k.tolerance = 1e-5;
    k.fused = fused;
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++)
        if (dtypes[t] > WK_u32 || !r->real) over_shapes(visit, arg, k, dtypes[t]);
    /* large enough to be cut into chunks; all one result, and columns */
    k.in[0] = (struct input){.shape = WK_SHAPE(600007), .dtype = WK_f32, .low = -1, .high = 3};
    k.dims = WK_DIMS(0);
    if (strcmp(r->name, "prod") != 0) visit(arg, &k);
    k.in[0] = (struct input){.shape = WK_SHAPE(90001, 3), .dtype = WK_f32, .low = 0.99, .high = 1.01};
    visit(arg, &k);
    static const double odd[] = {1, (double)NAN, 3, (double)INFINITY, 2, 5, -(double)INFINITY, 0, 7, 7, 7, 7};
    k.in[0] = (struct input){.shape = WK_SHAPE(3, 4), .dtype = WK_f32, .values = odd};
    k.dims = WK_DIMS(1);
    visit(arg, &k);
    if (strcmp(r->name, "logsumexp") == 0) return;
    k.dims = WK_DIMS(0);
    visit(arg, &k);
}

static void one_op(case_fn visit, void *arg, const struct row *r)
{
    one_op_at(visit, arg, r, 1, false);
}

/* Those made of others: a result of several as one row. */
static wk_tensor run_pairs(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor y[8];
    y[0] = wk_var_mean(c, x[0], k->dims, 1, false, &y[1]);
    y[2] = wk_std_mean(c, x[0], k->dims, 1, false, &y[3]);
    y[4] = wk_aminmax(c, x[0], k->dims, false, &y[5]);
    y[6] = wk_max(c, x[0], 1, false, NULL);
    y[7] = wk_min(c, x[0], 1, false, NULL);
    return wk_stack(c, 8, y, 0);
}
static void exact_pairs(const struct op_case *k, const struct values *x, struct values *y)
{
    const int64_t n = x->shape[1];
    (void)k;
    for (int64_t i = 0; i < x->shape[0]; i++) {
        const double *v = x->v + i * n;
        double        sum = 0, square = 0, least = v[0], most = v[0];
        for (int64_t j = 0; j < n; j++) {
            sum += v[j];
            least = fmin(least, v[j]);
            most = fmax(most, v[j]);
        }
        for (int64_t j = 0; j < n; j++) square += (v[j] - sum / (double)n) * (v[j] - sum / (double)n);
        const double var = square / (double)(n - 1);
        const double results[] = {var, sum / (double)n, sqrt(var), sum / (double)n, least, most, most, least};
        for (int o = 0; o < 8; o++) y->v[o * x->shape[0] + i] = results[o];
    }
}
static wk_tensor run_made(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    wk_tensor y[6];
    y[0] = wk_sum_as(c, x[0], WK_ALL_DIMS, false, WK_f32);
    y[1] = wk_mean_as(c, x[0], WK_ALL_DIMS, false, WK_f32);
    y[2] = wk_prod_as(c, x[0], WK_ALL_DIMS, false, WK_f32);
    y[3] = wk_nanmean(c, wk_log(c, x[0]), WK_ALL_DIMS, false); /* of two numbers */
    y[4] = wk_dist(c, x[0], wk_scalar(c, 1), 2);
    y[5] = wk_sum(c, wk_renorm(c, wk_reshape(c, x[0], WK_SHAPE(1, 4)), 2, 0, 1), WK_ALL_DIMS, false);
    return wk_stack(c, 6, y, 0);
}
static void exact_made(const struct op_case *k, const struct values *x, struct values *y)
{
    const double *v = x->v, sum = v[0] + v[1] + v[2] + v[3];
    (void)k;
    y->v[0] = sum;
    y->v[1] = sum / 4;
    y->v[2] = v[0] * v[1] * v[2] * v[3];
    y->v[3] = (log(v[0]) + log(v[2])) / 2;
    y->v[4] = sqrt(pow(v[0] - 1, 2) + pow(v[1] - 1, 2) + pow(v[2] - 1, 2) + pow(v[3] - 1, 2));
    y->v[5] = sum / sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + v[3] * v[3]);
}
static void made_of_others(case_fn visit, void *arg)
{
    static const double four[] = {2, -1, 3, -0.5};
    struct op_case k = {.op = "mean", .note = "pairs", .n_in = 1, .run = run_pairs, .exact = exact_pairs};
    k.dims = WK_DIMS(1);
    k.gradient = true;
    k.in[0] = (struct input){.shape = WK_SHAPE(3, 37), .dtype = WK_f64};
    visit(arg, &k);
    k = (struct op_case){.op = "sum", .note = "made", .n_in = 1, .run = run_made, .exact = exact_made};
    k.in[0] = (struct input){.shape = WK_SHAPE(4), .dtype = WK_f32, .values = four};
    visit(arg, &k);
}

void family_reduce(case_fn visit, void *arg)
{
    static const double powers[] = {0, 1, 2, 3, 0.5, (double)INFINITY, -(double)INFINITY};
    made_of_others(visit, arg);
    for (size_t i = 0; i < sizeof powers / sizeof *powers; i++)
        one_op_at(visit, arg, &norm_row, powers[i], true);
    one_op_at(visit, arg, &std_row, 1, true);
    for (int i = 0; i < 2; i++) one_op_at(visit, arg, &fused_rows[i], 1, true);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) one_op(visit, arg, &rows[i]);
    one_op(visit, arg, &var_row);
    one_op(visit, arg, &argmax_row);
    one_op(visit, arg, &argmin_row);
    /* nothing to reduce */
    struct op_case k = {.n_in = 1, .run = run, .exact = exact, .p = 1, .dims = WK_DIMS(1)};
    k.in[0] = (struct input){.shape = WK_SHAPE(3, 0), .dtype = WK_f32};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        k.op = rows[i].name;
        k.row = &rows[i];
        if (strcmp(k.op, "amax") != 0 && strcmp(k.op, "amin") != 0) visit(arg, &k);
    }
}
