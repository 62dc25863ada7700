/* Cases of copies, casts, views and constants. */
#include "tests/ops/cases.h"

#include <math.h>

static void exact_same(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)k;
    for (int64_t i = 0; i < y->n; i++) y->v[i] = x[0].v[i];
}

static wk_tensor run_clone(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_clone(c, x[0]);
}
static wk_tensor run_contiguous(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_contiguous(c, x[0]);
}
static wk_tensor run_cast(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    return wk_cast(c, x[0], (wk_dtype)k->p);
}

/* A real number as an integer or bool: cut off, kept within the dtype's bounds. */
static double as_integer(wk_dtype t, double v)
{
    static const double low[] = {0, 0, -128, -32768, -2147483648.0, -9223372036854775808.0, 0};
    static const double high[] = {1, 255, 127, 32767, 2147483647.0, 9223372036854775807.0, 4294967295.0};
    if (t == WK_bool) return v != 0;
    return isnan(v) ? 0 : fmin(fmax(trunc(v), low[t]), high[t]);
}
static void exact_cast(const struct op_case *k, const struct values *x, struct values *y)
{
    const wk_dtype t = (wk_dtype)k->p;
    for (int64_t i = 0; i < y->n; i++) y->v[i] = t <= WK_u32 ? as_integer(t, x[0].v[i]) : x[0].v[i];
}

/* Writes into a turned destination and shows all of it. */
static wk_tensor run_copy_into(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const wk_tensor home = wk_full(c, 7, (wk_dtype)k->p, WK_SHAPE(4, 3, 6));
    wk_copy_into(c, wk_transpose(c, wk_slice(c, home, 2, 1, 6, 2), 0, 2), x[0]);
    return home;
}
static void exact_copy_into(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)k;
    for (int64_t i = 0; i < y->n; i++) { /* x is [3, 1, 4], the destination [3, 3, 4] */
        const int64_t a = i / 18, d = i % 6;
        y->v[i] = d % 2 ? x[0].v[d / 2 * 4 + a] : 7;
    }
}

static wk_tensor run_full(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)x;
    return wk_full(c, k->q, (wk_dtype)k->p, WK_SHAPE(70, 40));
}
static void exact_full(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)x;
    for (int64_t i = 0; i < y->n; i++) y->v[i] = (wk_dtype)k->p == WK_bool ? k->q != 0 : k->q;
}
static wk_tensor run_zeros(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)x;
    return wk_zeros(c, (wk_dtype)k->p, WK_SHAPE(70, 40));
}
static wk_tensor run_arange(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)x;
    return wk_arange(c, 5, k->q, k->q < 5 ? -3 : 3, (wk_dtype)k->p);
}
static void exact_arange(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)x;
    for (int64_t i = 0; i < y->n; i++) y->v[i] = 5 + (double)i * (k->q < 5 ? -3 : 3);
    if (y->n != (int64_t)ceil(fabs(k->q - 5) / 3)) y->n = -1;
}

static wk_tensor run_view(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    if (k->op[0] == 'r') return wk_reshape(c, x[0], WK_SHAPE(4, -1));
    if (k->op[0] == 'p') return wk_permute(c, x[0], WK_DIMS(2, 0, 1));
    if (k->op[0] == 'e') return wk_expand(c, wk_unsqueeze(c, x[0], 1), WK_SHAPE(4, 2, 3, 5));
    return wk_slice(c, x[0], 1, 1, 3, 1);
}
static void exact_view(const struct op_case *k, const struct values *x, struct values *y)
{
    for (int64_t i = 0; i < y->n; i++) {
        int64_t at = i; /* reshape */
        if (k->op[0] == 'p') at = i / 3 % 4 * 15 + i % 3 * 5 + i / 12;
        if (k->op[0] == 'e') at = i / 30 * 15 + i % 15;
        if (k->op[0] == 's') at = i / 10 * 15 + 5 + i % 10;
        y->v[i] = x[0].v[at];
    }
}

static void casts(case_fn visit, void *arg)
{
    static const double odd[] = {0,      1.5, -1.5, 300.7,       -300.7, 70000,
                                 -70000, 3e9, -3e9, (double)NAN, 2.5,    0.49};
    for (wk_dtype from = 0; from <= WK_f8e5m2; from++)
        for (wk_dtype to = 0; to <= WK_f8e5m2; to++) {
            struct op_case k = {
                .op = "copy", .note = "cast", .n_in = 1, .run = run_cast, .exact = exact_cast};
            k.p = to;
            k.in[0] = (struct input){.shape = WK_SHAPE(3, 700), .dtype = from, .high = 100};
            visit(arg, &k);
            k.in[0] = (struct input){.shape = WK_SHAPE(33, 40), .dtype = from, .layout = TURNED, .high = 50};
            visit(arg, &k);
            const bool from_real = from == WK_f32 || from == WK_f64;
            k.in[0] = (struct input){.shape = WK_SHAPE(12), .dtype = from, .values = odd};
            if (from_real && to <= WK_u32) visit(arg, &k);
        }
}

void family_cast(case_fn visit, void *arg)
{
    static const char *const views[] = {"reshape", "permute", "slice", "expand"};
    casts(visit, arg);
    for (wk_dtype t = 0; t <= WK_f8e5m2; t++)
        for (enum layout l = DENSE; l <= EXPANDED; l++) {
            struct op_case k = {.op = "copy", .n_in = 1, .run = run_clone, .exact = exact_same, .p = t};
            k.gradient = t == WK_f64 && l != EXPANDED;
            k.in[0] = (struct input){.shape = WK_SHAPE(3, 70, 41), .dtype = t, .layout = l, .high = 9};
            visit(arg, &k);
            k.run = run_contiguous;
            visit(arg, &k);
            k.in[0] = (struct input){.shape = WK_SHAPE(3, 1, 4), .dtype = WK_f32, .layout = l, .high = 9};
            k.gradient = false;
            k.run = run_copy_into;
            k.exact = exact_copy_into;
            if (t > WK_u32) visit(arg, &k);
        }
    for (wk_dtype t = 0; t <= WK_f8e5m2; t++) {
        struct op_case k = {.op = "fill", .run = run_full, .exact = exact_full, .p = t, .q = 3};
        visit(arg, &k);
        k.q = 0;
        k.run = run_zeros;
        visit(arg, &k);
        k = (struct op_case){.op = "arange", .run = run_arange, .exact = exact_arange, .p = t, .q = 60};
        if (t == WK_bool) continue;
        visit(arg, &k);
        k.q = -20;
        if (t != WK_u8 && t != WK_u32) visit(arg, &k);
    }
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        struct op_case k = {
            .op = views[i], .n_in = 1, .run = run_view, .exact = exact_view, .gradient = true};
        k.in[0] = (struct input){.shape = WK_SHAPE(4, 3, 5), .dtype = WK_f32};
        visit(arg, &k);
        k.in[0].layout = TURNED;
        visit(arg, &k);
    }
}
