/* Cases of the elementwise ops: every line of unary.def and binary.def, with the same formulas in double. */
#include "tests/ops/cases.h"

#include "core/formula.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define expf(x)          exp(x)
#define exp2f(x)         exp2(x)
#define expm1f(x)        expm1(x)
#define logf(x)          log(x)
#define log2f(x)         log2(x)
#define log10f(x)        log10(x)
#define log1pf(x)        log1p(x)
#define sqrtf(x)         sqrt(x)
#define cbrtf(x)         cbrt(x)
#define fabsf(x)         fabs(x)
#define floorf(x)        floor(x)
#define ceilf(x)         ceil(x)
#define rintf(x)         rint(x)
#define truncf(x)        trunc(x)
#define sinf(x)          sin(x)
#define cosf(x)          cos(x)
#define tanf(x)          tan(x)
#define asinf(x)         asin(x)
#define acosf(x)         acos(x)
#define atanf(x)         atan(x)
#define sinhf(x)         sinh(x)
#define coshf(x)         cosh(x)
#define tanhf(x)         tanh(x)
#define asinhf(x)        asinh(x)
#define acoshf(x)        acosh(x)
#define atanhf(x)        atanh(x)
#define erff(x)          erf(x)
#define erfcf(x)         erfc(x)
#define powf(a, b)       pow(a, b)
#define fmodf(a, b)      fmod(a, b)
#define atan2f(a, b)     atan2(a, b)
#define hypotf(a, b)     hypot(a, b)
#define copysignf(a, b)  copysign(a, b)
#define nextafterf(a, b) nextafter(a, b)

struct row {
    const char *name;
    wk_tensor (*unary)(wk_ctx *, wk_tensor);
    wk_tensor (*unary_p)(wk_ctx *, wk_tensor, double, double);
    wk_tensor (*binary)(wk_ctx *, wk_tensor, wk_tensor);
    double (*exact)(double, double, double);
    int64_t (*exact_int)(int64_t, int64_t, int64_t);
    bool real, gradient, test;
};

/* ---- the formulas in double and int64_t ---- */

#define T double
#define F1(name, f)                                                                                          \
    static double name##_real(double x, double p, double q)                                                  \
    {                                                                                                        \
        (void)x, (void)p, (void)q;                                                                           \
        return f;                                                                                            \
    }
#define F2(name, f)                                                                                          \
    static double name##_real(double a, double b, double q)                                                  \
    {                                                                                                        \
        (void)q;                                                                                             \
        return f;                                                                                            \
    }
#define WK_UNARY(name, y, dy)              F1(name, y)
#define WK_UNARY_ANY(name, y, dy, iy)      F1(name, y)
#define WK_UNARY_P(name, y, dy)            F1(name, y)
#define WK_UNARY_P_ANY(name, y, dy, iy)    F1(name, y)
#define WK_UNARY_TEST(name, y)             F1(name, y)
#define WK_BINARY(name, y, da, db)         F2(name, y)
#define WK_BINARY_ANY(name, y, da, db, iy) F2(name, y)
#define WK_BINARY_INT(name, iy)
#define WK_COMPARE(name, y) F2(name, y)
#include "core/unary.def"
#include "core/binary.def"
#undef T
#undef WK_UNARY
#undef WK_UNARY_ANY
#undef WK_UNARY_P
#undef WK_UNARY_P_ANY
#undef WK_UNARY_TEST
#undef WK_BINARY
#undef WK_BINARY_ANY
#undef WK_BINARY_INT
#undef WK_COMPARE

#define T int64_t
#define I1(name, f)                                                                                          \
    static int64_t name##_int(int64_t x, int64_t p, int64_t q)                                               \
    {                                                                                                        \
        (void)p, (void)q;                                                                                    \
        return (int64_t)(f);                                                                                 \
    }
#define I2(name, f)                                                                                          \
    static int64_t name##_int(int64_t a, int64_t b, int64_t q)                                               \
    {                                                                                                        \
        (void)q;                                                                                             \
        return (int64_t)(f);                                                                                 \
    }
#define WK_UNARY(name, y, dy)
#define WK_UNARY_ANY(name, y, dy, iy) I1(name, iy)
#define WK_UNARY_P(name, y, dy)
#define WK_UNARY_P_ANY(name, y, dy, iy) I1(name, iy)
#define WK_UNARY_TEST(name, y)
#define WK_BINARY(name, y, da, db)
#define WK_BINARY_ANY(name, y, da, db, iy) I2(name, iy)
#define WK_BINARY_INT(name, iy)            I2(name, iy)
#define WK_COMPARE(name, y)                I2(name, y)
#include "core/unary.def"
#include "core/binary.def"
#undef WK_UNARY
#undef WK_UNARY_ANY
#undef WK_UNARY_P
#undef WK_UNARY_P_ANY
#undef WK_UNARY_TEST
#undef WK_BINARY
#undef WK_BINARY_ANY
#undef WK_BINARY_INT
#undef WK_COMPARE

static const struct row unary_rows[] = {
#define WK_UNARY(name, y, dy) {#name, wk_##name, NULL, NULL, name##_real, NULL, true, true, false},
#define WK_UNARY_ANY(name, y, dy, iy)                                                                        \
    {#name, wk_##name, NULL, NULL, name##_real, name##_int, true, true, false},
#define WK_UNARY_P(name, y, dy) {#name, NULL, wk_##name, NULL, name##_real, NULL, true, true, false},
#define WK_UNARY_P_ANY(name, y, dy, iy)                                                                      \
    {#name, NULL, wk_##name, NULL, name##_real, name##_int, true, true, false},
#define WK_UNARY_TEST(name, y) {#name, wk_##name, NULL, NULL, name##_real, NULL, true, false, true},
#include "core/unary.def"
};
static const struct row binary_rows[] = {
#define WK_BINARY(name, y, da, db) {#name, NULL, NULL, wk_##name, name##_real, NULL, true, true, false},
#define WK_BINARY_ANY(name, y, da, db, iy)                                                                   \
    {#name, NULL, NULL, wk_##name, name##_real, name##_int, true, true, false},
#define WK_BINARY_INT(name, iy) {#name, NULL, NULL, wk_##name, NULL, name##_int, false, false, false},
#define WK_COMPARE(name, y)     {#name, NULL, NULL, wk_##name, name##_real, name##_int, true, false, true},
#include "core/binary.def"
};

/* ---- cases ---- */

static wk_tensor run(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    const struct row *r = k->row;
    return r->unary     ? r->unary(c, x[0])
           : r->unary_p ? r->unary_p(c, x[0], k->p, k->q)
                        : r->binary(c, x[0], x[1]);
}

/* Position of y's i-th element in x, which broadcasts to it. */
static int64_t source(const struct values *x, const struct values *y, int64_t i)
{
    int64_t at = 0, step = 1;
    for (int d = 1; d <= y->ndim; d++) {
        const int64_t size = d <= x->ndim ? x->shape[x->ndim - d] : 1, index = i % y->shape[y->ndim - d];
        at += size == 1 ? 0 : index * step;
        step *= size;
        i /= y->shape[y->ndim - d];
    }
    return at;
}

/* An integer as a result of dtype t holds it. */
static int64_t wrapped(wk_dtype t, int64_t v)
{
    switch (t) {
    case WK_bool:
        return v != 0;
    case WK_u8:
        return (uint8_t)v;
    case WK_i8:
        return (int8_t)v;
    case WK_i16:
        return (int16_t)v;
    case WK_i32:
        return (int32_t)v;
    case WK_u32:
        return (uint32_t)v;
    default:
        return v;
    }
}

static bool is_integer(wk_dtype t)
{
    return t <= WK_u32;
}

static void exact(const struct op_case *k, const struct values *x, struct values *y)
{
    const struct row *r = k->row;
    const wk_dtype    t = k->n_in == 2 ? wk_promote(k->in[0].dtype, k->in[1].dtype) : k->in[0].dtype;
    const bool        integer = r->exact_int && is_integer(t);
    for (int64_t i = 0; i < y->n; i++) {
        const double a = x[0].v[source(&x[0], y, i)];
        const double b = k->n_in == 2 ? x[1].v[source(&x[1], y, i)] : k->p;
        y->v[i] = !integer ? r->exact(a, b, k->q)
                           : (double)wrapped(r->test ? WK_i64 : t,
                                             r->exact_int((int64_t)a, (int64_t)b, (int64_t)k->q));
    }
}

static struct op_case case_of(const struct row *r, int n_in)
{
    struct op_case k = {.op = r->name, .n_in = n_in, .run = run, .exact = exact, .row = r};
    /* the slopes and bounds of those with parameters; libm itself is off by more here and there */
    k.p = 0.3;
    k.q = 0.7;
    k.tolerance = 4e-6;
    return k;
}

static void unary_cases(case_fn visit, void *arg)
{
    static const wk_dtype reals[] = {WK_f32, WK_f64, WK_f16, WK_bf16};
    static const double   edges[] = {0.0,
                                     -0.0,
                                     (double)INFINITY,
                                     -(double)INFINITY,
                                     (double)NAN,
                                     1,
                                     -1,
                                     0.5,
                                     -0.5,
                                     2.5,
                                     1e-40,
                                     88.5,
                                     -88,
                                     1e4,
                                     -1e7,
                                     3e38,
                                     20,
                                     -20,
                                     3,
                                     -3,
                                     6};
    for (size_t i = 0; i < sizeof unary_rows / sizeof *unary_rows; i++) {
        struct op_case k = case_of(&unary_rows[i], 1);
        for (size_t t = 0; t < sizeof reals / sizeof *reals; t++) {
            k.in[0] = (struct input){.shape = WK_SHAPE(5, 229), .dtype = reals[t], .low = -4, .high = 4};
            visit(arg, &k);
            k.in[0] = (struct input){.shape = WK_SHAPE(7, 3, 40), .dtype = reals[t], .layout = TURNED};
            visit(arg, &k);
        }
        k.in[0] = (struct input){
            .shape = WK_SHAPE(3, 700), .dtype = WK_f32, .layout = STEPPED, .low = 0, .high = 1};
        visit(arg, &k);
        k.gradient = unary_rows[i].gradient; /* of few values, so that each of them is looked at */
        for (int few = 0; few < 2 && k.gradient; few++) {
            k.in[0] = (struct input){
                .shape = WK_SHAPE(3, 7), .dtype = WK_f64, .low = few ? -4 : 0, .high = few ? 4 : 1};
            visit(arg, &k);
        }
        k.gradient = false;
        k.in[0] =
            (struct input){.shape = WK_SHAPE(sizeof edges / sizeof *edges), .dtype = WK_f32, .values = edges};
        visit(arg, &k);
        k.in[0] = (struct input){.shape = WK_SCALAR_SHAPE, .dtype = WK_f32};
        visit(arg, &k);
        k.in[0] = (struct input){.shape = WK_SHAPE(3, 0), .dtype = WK_f32};
        visit(arg, &k);
        k.p = -3;
        k.q = 4;
        for (wk_dtype t = WK_u8; t <= WK_u32 && unary_rows[i].exact_int; t++) {
            k.in[0] = (struct input){
                .shape = WK_SHAPE(9, 31), .dtype = t, .low = t == WK_u8 ? 0 : -100, .high = 100};
            if (t != WK_u32) visit(arg, &k);
        }
    }
}

static void integer_cases(case_fn visit, void *arg, struct op_case k)
{
    static const double   edges_a[] = {-2147483648.0, 2147483647.0, 7, -7, 7, -7, 0, 5, 1, -1};
    static const double   edges_b[] = {-1, 2, 0, 0, -2, 2, 0, 33, -3, -3};
    static const wk_dtype integers[] = {WK_u8, WK_i8, WK_i16, WK_i32, WK_i64};
    for (size_t t = 0; t < sizeof integers / sizeof *integers; t++) {
        const double low = integers[t] == WK_u8 ? 0 : -9;
        k.in[0] = (struct input){.shape = WK_SHAPE(4, 1, 33), .dtype = integers[t], .low = low, .high = 90};
        k.in[1] = (struct input){.shape = WK_SHAPE(5, 1), .dtype = integers[t], .low = low, .high = 9};
        visit(arg, &k);
    }
    k.in[0] = (struct input){.shape = WK_SHAPE(10), .dtype = WK_i32, .values = edges_a};
    k.in[1] = (struct input){.shape = WK_SHAPE(10), .dtype = WK_i32, .values = edges_b};
    visit(arg, &k);
    k.in[0].dtype = k.in[1].dtype = WK_i64;
    visit(arg, &k);
}

static void binary_cases(case_fn visit, void *arg)
{
    static const wk_dtype reals[] = {WK_f32, WK_f64, WK_f16, WK_bf16};
    static const double   edges_a[] = {0, -0.0, (double)INFINITY, (double)NAN, 1, -2, 3, -8, (double)INFINITY,
                                       2};
    static const double   edges_b[] = {
          2, 3, -1, 1, (double)NAN, 3, 0, 0.5, (double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < sizeof binary_rows / sizeof *binary_rows; i++) {
        struct op_case k = case_of(&binary_rows[i], 2);
        if (binary_rows[i].exact_int) integer_cases(visit, arg, k);
        for (size_t t = 0; t < sizeof reals / sizeof *reals && binary_rows[i].real; t++) {
            const wk_dtype dtype = reals[t];
            if (strcmp(k.op, "nextafter") == 0 && t > 1) continue; /* of halves: tests/core/neighbours.c */
            k.in[0] = (struct input){.shape = WK_SHAPE(6, 211), .dtype = dtype, .low = -4, .high = 4};
            k.in[1] = (struct input){.shape = WK_SHAPE(6, 211), .dtype = dtype, .low = 0.1, .high = 3};
            visit(arg, &k);
            k.gradient = binary_rows[i].gradient && dtype == WK_f64;
            k.in[0].shape = k.in[1].shape = WK_SHAPE(2, 8);
            if (k.gradient) visit(arg, &k);
            k.in[0] = (struct input){.shape = WK_SHAPE(2, 1, 4), .dtype = dtype, .low = 0.2, .high = 3};
            k.in[1] = (struct input){.shape = WK_SHAPE(3, 4), .dtype = dtype, .low = -3, .high = 3};
            if (k.gradient) visit(arg, &k);
            k.gradient = false;
            k.in[0] = (struct input){.shape = WK_SHAPE(2, 1, 37), .dtype = dtype, .low = 0.2, .high = 3};
            k.in[1] = (struct input){
                .shape = WK_SHAPE(5, 37), .dtype = dtype, .layout = TURNED, .low = -3, .high = 3};
            visit(arg, &k);
            k.in[0] = (struct input){.shape = WK_SHAPE(4, 3, 5), .dtype = dtype, .layout = EXPANDED};
            k.in[1] = (struct input){.shape = WK_SCALAR_SHAPE, .dtype = dtype, .low = 1, .high = 2};
            visit(arg, &k);
            k.in[0] = (struct input){.shape = WK_SHAPE(1), .dtype = WK_i32, .low = 1, .high = 9};
            k.in[1] = (struct input){.shape = WK_SHAPE(4, 0), .dtype = dtype};
            visit(arg, &k);
        }
        k.in[0] = (struct input){.shape = WK_SHAPE(10), .dtype = WK_f32, .values = edges_a};
        k.in[1] = (struct input){.shape = WK_SHAPE(10), .dtype = WK_f32, .values = edges_b};
        /* the neighbour of an infinity depends on the dtype */
        if (binary_rows[i].real && strcmp(k.op, "nextafter") != 0) visit(arg, &k);
    }
}

static wk_tensor run_where(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_where(c, x[0], x[1], x[2]);
}
static void exact_where(const struct op_case *k, const struct values *x, struct values *y)
{
    (void)k;
    for (int64_t i = 0; i < y->n; i++)
        y->v[i] =
            x[0].v[source(&x[0], y, i)] != 0 ? x[1].v[source(&x[1], y, i)] : x[2].v[source(&x[2], y, i)];
}
static wk_tensor run_three(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    if (strcmp(k->op, "lerp") == 0) return wk_lerp(c, x[0], x[1], x[2]);
    return (strcmp(k->op, "addcmul") == 0 ? wk_addcmul : wk_addcdiv)(c, x[0], x[1], x[2], k->p);
}
static void exact_three(const struct op_case *k, const struct values *x, struct values *y)
{
    for (int64_t i = 0; i < y->n; i++) {
        const double v = x[0].v[source(&x[0], y, i)], a = x[1].v[source(&x[1], y, i)];
        const double b = x[2].v[source(&x[2], y, i)];
        y->v[i] = strcmp(k->op, "lerp") == 0      ? v + b * (a - v)
                  : strcmp(k->op, "addcmul") == 0 ? v + k->p * a * b
                                                  : v + k->p * a / b;
    }
}
static void three_operands(case_fn visit, void *arg)
{
    static const char *const ops[] = {"lerp", "addcmul", "addcdiv"};
    for (int i = 0; i < 3; i++) {
        struct op_case k = {.op = ops[i], .n_in = 3, .run = run_three, .exact = exact_three, .fused = true};
        k.p = -3;
        k.in[0] = (struct input){.shape = WK_SHAPE(4, 50), .dtype = WK_f32};
        k.in[1] = (struct input){.shape = WK_SHAPE(50), .dtype = WK_f32};
        k.in[2] = (struct input){.shape = WK_SHAPE(4, 1), .dtype = WK_f32, .low = 0.3, .high = 1};
        k.gradient = true;
        visit_dtypes(visit, arg, &k);
        k.gradient = false;
        for (int o = 0; o < 3; o++) k.in[o].dtype = WK_i64;
        if (i == 1) visit(arg, &k);
    }
}

/* Functions made of others: NAME, the values of x, and what comes out. */
#define MADE 8
static const double some[MADE] = {-2.75, -1, -0.0, 0.375, 1, 2.5, 12.345, 100};
static wk_tensor    run_made(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_tensor exponent, y = WK_NONE, half = wk_scalar(c, 0.5), two = wk_scalar(c, 2);
    if (strcmp(k->note, "frexp") == 0) {
        y = wk_frexp(c, x[0], &exponent);
        return wk_ldexp(c, y, exponent);
    }
    if (strcmp(k->note, "rsub") == 0) return wk_rsub(c, x[0], half);
    if (strcmp(k->note, "trunc_div") == 0) return wk_trunc_div(c, x[0], half);
    if (strcmp(k->note, "float_power") == 0) return wk_float_power(c, x[0], two);
    if (strcmp(k->note, "clamp_to") == 0) return wk_clamp_to(c, x[0], half, two);
    if (strcmp(k->note, "nan_to_num") == 0) return wk_nan_to_num(c, wk_log(c, x[0]), 7, 1, -8);
    if (strcmp(k->note, "round_to") == 0) return wk_round_to(c, x[0], 1);
    if (strcmp(k->note, "mvlgamma") == 0) return wk_mvlgamma(c, wk_add(c, wk_abs(c, x[0]), two), 2);
    if (strcmp(k->note, "isclose") == 0) return wk_isclose(c, x[0], wk_scalar(c, 100.5), 0.01, 0, false);
    if (strcmp(k->note, "prelu") == 0) return wk_prelu(c, x[0], half);
    return wk_rrelu(c, x[0], 0.25, 0.75, false);
}
static void exact_made(const struct op_case *k, const struct values *in, struct values *y)
{
    for (int64_t i = 0; i < y->n; i++) {
        const double x = in->v[i], a = fabs(x) + 2;
        double       v = x > 0 ? x : 0.5 * x;
        if (strcmp(k->note, "frexp") == 0) v = x;
        if (strcmp(k->note, "rsub") == 0) v = 0.5 - x;
        if (strcmp(k->note, "trunc_div") == 0) v = trunc(x / 0.5);
        if (strcmp(k->note, "float_power") == 0) v = x * x;
        if (strcmp(k->note, "clamp_to") == 0) v = x < 0.5 ? 0.5 : x > 2 ? 2 : x;
        if (strcmp(k->note, "nan_to_num") == 0) v = x < 0 ? 7 : x == 0 ? -8 : log(x);
        if (strcmp(k->note, "round_to") == 0) v = rint(x * 10) / 10;
        if (strcmp(k->note, "mvlgamma") == 0) v = wki_lgamma(a) + wki_lgamma(a - 0.5) + 0.5 * log(WKI_PI);
        if (strcmp(k->note, "isclose") == 0) v = fabs(x - 100.5) <= 1.005;
        y->v[i] = v;
    }
}
static void made_of_others(case_fn visit, void *arg)
{
    static const char *const notes[] = {"frexp",    "rsub",       "trunc_div", "float_power",
                                        "clamp_to", "nan_to_num", "round_to",  "mvlgamma",
                                        "isclose",  "prelu",      "rrelu"};
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        struct op_case k = {.op = "mul", .note = notes[i], .n_in = 1, .run = run_made, .exact = exact_made};
        k.in[0] = (struct input){.shape = WK_SHAPE(MADE), .dtype = WK_f32, .values = some};
        visit(arg, &k);
    }
}

static wk_tensor run_bitwise_not(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    (void)k;
    return wk_bitwise_not(c, x[0]);
}
static void exact_bitwise_not(const struct op_case *k, const struct values *x, struct values *y)
{
    for (int64_t i = 0; i < y->n; i++)
        y->v[i] =
            k->in[0].dtype == WK_bool ? x[0].v[i] == 0 : (double)wrapped(k->in[0].dtype, ~(int64_t)x[0].v[i]);
}

void family_elementwise(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[] = {WK_f32, WK_f64, WK_f16, WK_i64, WK_u8};
    unary_cases(visit, arg);
    binary_cases(visit, arg);
    struct op_case k = {.op = "where", .n_in = 3, .run = run_where, .exact = exact_where};
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
        k.in[0] = (struct input){.shape = WK_SHAPE(4, 1, 37), .dtype = WK_bool, .fixed = true};
        k.in[1] = (struct input){.shape = WK_SHAPE(5, 37), .dtype = dtypes[t], .high = 100};
        k.in[2] = (struct input){.shape = WK_SHAPE(4, 5, 1), .dtype = dtypes[t], .high = 100};
        k.gradient = dtypes[t] == WK_f64;
        visit(arg, &k);
    }
    three_operands(visit, arg);
    made_of_others(visit, arg);
    k = (struct op_case){.op = "bitwise_xor", .note = "not", .n_in = 1, .run = run_bitwise_not};
    k.exact = exact_bitwise_not;
    for (wk_dtype t = WK_bool; t <= WK_i64; t++) {
        k.in[0] = (struct input){.shape = WK_SHAPE(40), .dtype = t, .low = 0, .high = t == WK_bool ? 1 : 100};
        visit(arg, &k);
    }
}
