/* Runs cases of cases.h. */
#include "tests/ops/cases.h"

#include "core/ctx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cases_of(int n, char **families, case_fn visit, void *arg)
{
    static const struct {
        const char *name;
        void (*visit)(case_fn visit, void *arg);
    } all[] = {
#define FAMILY(name) {#name, family_##name},
#include "tests/ops/families.def"
#undef FAMILY
    };
    for (size_t f = 0; f < sizeof all / sizeof *all; f++) {
        bool wanted = n == 0;
        for (int i = 0; i < n; i++) wanted |= strcmp(families[i], all[f].name) == 0;
        if (wanted) all[f].visit(visit, arg);
    }
}

void visit_dtypes(case_fn visit, void *arg, const struct op_case *k)
{
    static const wk_dtype halves[] = {WK_f16, WK_bf16};
    visit(arg, k);
    for (size_t t = 0; t < sizeof halves / sizeof *halves; t++) {
        struct op_case half = *k;
        half.tolerance = 0;
        for (int i = 0; i < k->n_in; i++)
            if (!k->in[i].fixed && k->in[i].dtype == WK_f32) half.in[i].dtype = halves[t];
        visit(arg, &half);
    }
}

/* ---- inputs ---- */

static bool is_real(wk_dtype t)
{
    return t >= WK_f16 && t <= WK_f8e5m2;
}

static double next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

static int64_t count_of(wk_shape s)
{
    int64_t n = 1;
    for (int i = 0; i < s.ndim; i++) n *= s.dim[i];
    return n;
}

/* A dense f64 tensor of the input's values, in the layout's storage shape. */
static wk_tensor fill(wk_ctx *c, const struct input *in, wk_shape shape, uint64_t seed)
{
    const int64_t n = count_of(shape);
    double       *v = wk_alloc((size_t)(n + 1) * sizeof *v);
    uint64_t      state = seed * 2654435761u + 99;
    const bool    wide = in->low != 0 || in->high != 0;
    if (!v) return WK_NONE;
    for (int64_t i = 0; i < n; i++) {
        const double r = next_random(&state), x = wide ? in->low + r * (in->high - in->low) : 4 * r - 2;
        v[i] = in->values ? in->values[i] : is_real(in->dtype) ? x : floor(x + 0.5);
        if (in->dtype == WK_bool && !in->values) v[i] = r < 0.5;
    }
    wk_tensor x = wk_make(c, v, WK_f64, shape);
    wk_free(v);
    return x;
}

wk_tensor make_input(wk_ctx *c, const struct input *in, uint64_t seed)
{
    wk_shape  shape = in->shape;
    const int last = shape.ndim - 1;
    if (in->values || in->layout == DENSE || shape.ndim == 0)
        return wk_cast(c, fill(c, in, shape, seed), in->dtype);
    if (in->layout == TURNED) {
        wk_shape turned = {.ndim = shape.ndim}, order = {.ndim = shape.ndim};
        for (int i = 0; i <= last; i++) {
            turned.dim[i] = shape.dim[last - i];
            order.dim[i] = last - i;
        }
        return wk_permute(c, wk_cast(c, fill(c, in, turned, seed), in->dtype), order);
    }
    if (in->layout == STEPPED) {
        shape.dim[last] *= 2;
        return wk_slice(c, wk_cast(c, fill(c, in, shape, seed), in->dtype), -1, 0, shape.dim[last], 2);
    }
    shape.dim[0] = 1;
    return wk_expand(c, wk_cast(c, fill(c, in, shape, seed), in->dtype), in->shape);
}

static bool read_values(wk_ctx *c, wk_tensor x, struct values *out)
{
    const wk_tensor y = wk_cast(c, x, wki_is_block(x->dtype) ? WK_f32 : WK_f64);
    const wk_tensor d = wk_cast(c, y, WK_f64);
    out->ndim = d->ndim;
    out->n = wk_count(d);
    memcpy(out->shape, d->shape, sizeof out->shape);
    out->v = wk_alloc((size_t)(out->n + 1) * sizeof *out->v);
    return out->v && wk_read(c, d, out->v) == WK_OK;
}

/* ---- comparing ---- */

const char *describe(const struct op_case *k, char *text, size_t size)
{
    static const char *const layouts[] = {"", " turned", " stepped", " expanded"};
    size_t n = (size_t)snprintf(text, size, "%s%s%s(", k->op, k->note ? " " : "", k->note ? k->note : "");
    for (int i = 0; i < k->n_in && n < size; i++) {
        n += (size_t)snprintf(text + n, size - n, "%s%s[", i ? ", " : "", wk_dtype_name(k->in[i].dtype));
        for (int d = 0; d < k->in[i].shape.ndim && n < size; d++)
            n += (size_t)snprintf(text + n, size - n, "%s%lld", d ? "," : "",
                                  (long long)k->in[i].shape.dim[d]);
        if (n < size) n += (size_t)snprintf(text + n, size - n, "]%s", layouts[k->in[i].layout]);
    }
    if (n < size) snprintf(text + n, size - n, ")");
    return text;
}

static double tolerance_of(const struct op_case *k, wk_dtype t)
{
    const double f32 = k->tolerance > 0 ? k->tolerance : 2e-6;
    switch (t) {
    case WK_f64:
        return f32 * 1e-6 > 1e-12 ? f32 * 1e-6 : 1e-12;
    case WK_f16:
        return f32 > 1.2e-3 ? f32 : 1.2e-3;
    case WK_bf16:
        return f32 > 1e-2 ? f32 : 1e-2;
    case WK_f8e4m3:
        return 0.08;
    case WK_f8e5m2:
        return 0.16;
    default:
        return is_real(t) ? f32 : 0;
    }
}

static bool same(double got, double want, double tolerance)
{
    if (isnan(want)) return isnan(got);
    if (isinf(want)) return got == want;
    return fabs(got - want) <= tolerance * (1 + fabs(want));
}

/* v as a dtype's range holds it. */
static double in_range(wk_dtype t, double v)
{
    const double most = t == WK_f16                   ? 65520.0
                        : t == WK_f32 || t == WK_bf16 ? 3.4028235677973366e38
                                                      : (double)INFINITY;
    return v >= most ? (double)INFINITY : v <= -most ? -(double)INFINITY : v;
}

static bool compare(const struct op_case *k, const char *what, const struct values *got,
                    const struct values *want, double tolerance, char *message, size_t size)
{
    if (got->n != want->n) {
        snprintf(message, size, "%s, %s: %lld values, not %lld", DESCRIBE(k), what, (long long)got->n,
                 (long long)want->n);
        return false;
    }
    for (int64_t i = 0; i < got->n; i++)
        if (!same(got->v[i], want->v[i], tolerance)) {
            snprintf(message, size, "%s, %s: value %lld is %.9g, not %.9g", DESCRIBE(k), what, (long long)i,
                     got->v[i], want->v[i]);
            return false;
        }
    return true;
}

static bool failed(wk_ctx *c, const struct op_case *k, const char *what, char *message, size_t size)
{
    snprintf(message, size, "%s, %s: %s", DESCRIBE(k), what, wk_ctx_message(c));
    wk_ctx_clear(c);
    return false;
}

static void free_values(struct values *v, int n)
{
    for (int i = 0; i < n; i++) wk_free(v[i].v);
}

/* ---- the four ways ---- */

static bool value_in_scope(wk_ctx *c, const struct op_case *k, struct values *in, struct values *got,
                           struct values *want, char *message, size_t size)
{
    wk_tensor x[CASE_INPUTS];
    for (int i = 0; i < k->n_in; i++) x[i] = make_input(c, &k->in[i], (uint64_t)i + 1);
    for (int i = 0; i < k->n_in; i++)
        if (!read_values(c, x[i], &in[i])) return failed(c, k, "inputs", message, size);
    const wk_tensor y = k->run(c, x, k);
    if (wk_ctx_status(c) != WK_OK || !read_values(c, y, got)) return failed(c, k, "value", message, size);
    if (k->exact) {
        *want = *got;
        want->v = wk_alloc((size_t)(got->n + 1) * sizeof *want->v);
        if (!want->v) return false;
        k->exact(k, in, want);
    } else {
        for (int i = 0; i < k->n_in; i++)
            if (!k->in[i].fixed) x[i] = wk_cast(c, x[i], WK_f64);
        const wk_tensor exact = k->run(c, x, k);
        if (wk_ctx_status(c) != WK_OK || !read_values(c, exact, want))
            return failed(c, k, "value in f64", message, size);
    }
    for (int64_t i = 0; i < want->n; i++) want->v[i] = in_range(y->dtype, want->v[i]);
    return compare(k, "value", got, want, tolerance_of(k, y->dtype), message, size);
}

bool check_value(wk_ctx *c, const struct op_case *k, char *message, size_t size)
{
    struct values  in[CASE_INPUTS] = {{.v = NULL}}, got = {.v = NULL}, want = {.v = NULL};
    const wk_scope s = wk_scope_begin(c);
    const bool     ok = value_in_scope(c, k, in, &got, &want, message, size);
    wk_scope_end(c, s, WK_NONE);
    free_values(in, CASE_INPUTS);
    free_values(&got, 1);
    free_values(&want, 1);
    return ok;
}

/* Gradients of sum(y cos(position)) as values; with wide, inputs (as they are rounded in their own dtype)
 * in f64. */
static bool gradients(wk_ctx *c, const struct op_case *k, bool wide, struct values *dx)
{
    wk_tensor x[CASE_INPUTS];
    bool      ok = true;
    wk_tape_begin(c);
    for (int i = 0; i < k->n_in; i++) {
        x[i] = make_input(c, &k->in[i], (uint64_t)i + 1);
        if (k->in[i].fixed || !is_real(k->in[i].dtype)) continue;
        x[i] = wk_track(c, wide ? wk_cast(c, x[i], WK_f64) : x[i]);
    }
    const wk_tensor y = k->run(c, x, k);
    const wk_tensor at = wk_reshape(c, wk_arange(c, 0, (double)wk_count(y), 1, WK_f64), wki_shape(y));
    const wk_tensor g = wk_cast(c, wk_cast(c, wk_cos(c, at), k->in[0].dtype), y->dtype);
    ok = wk_backward_from(c, 1, &y, &g) == WK_OK;
    for (int i = 0; i < k->n_in && ok; i++)
        if (x[i]->node) ok = read_values(c, wk_grad(c, x[i]), &dx[i]);
    wk_tape_end(c);
    return ok;
}

bool check_fused_gradient(wk_ctx *c, const struct op_case *k, char *message, size_t size)
{
    struct values  got[CASE_INPUTS] = {{.v = NULL}}, want[CASE_INPUTS] = {{.v = NULL}};
    const wk_scope s = wk_scope_begin(c);
    const double   tolerance = 4 * tolerance_of(k, k->in[0].dtype);
    bool           ok = gradients(c, k, false, got) && gradients(c, k, true, want);
    if (!ok) failed(c, k, "gradient", message, size);
    for (int i = 0; i < k->n_in && ok; i++)
        if (got[i].v) ok = compare(k, "gradient against f64", &got[i], &want[i], tolerance, message, size);
    wk_scope_end(c, s, WK_NONE);
    free_values(got, CASE_INPUTS);
    free_values(want, CASE_INPUTS);
    return ok;
}

bool check_composition(wk_ctx *c, const struct op_case *k, char *message, size_t size)
{
    wk_op op = 0;
    while (op < WK_OP_COUNT && strcmp(wki_op_name(op), k->op) != 0) op++;
    if (op == WK_OP_COUNT) {
        snprintf(message, size, "%s: no such op", k->op);
        return false;
    }
    const wk_backend *fused = c->device->backend;
    wk_backend        bare = *fused;
    struct values     got = {.v = NULL}, want = {.v = NULL};
    wk_tensor         x[CASE_INPUTS];
    const wk_scope    s = wk_scope_begin(c);
    for (int i = 0; i < k->n_in; i++) x[i] = make_input(c, &k->in[i], (uint64_t)i + 1);
    const wk_tensor y = k->run(c, x, k);
    const wk_dtype  t = y->dtype;
    bool            ok = read_values(c, y, &got);
    bare.kernels[op] = NULL;
    c->device->backend = &bare;
    ok = ok && read_values(c, k->run(c, x, k), &want);
    c->device->backend = fused;
    ok = ok ? compare(k, "against its composition", &got, &want, 2 * tolerance_of(k, t), message, size)
            : failed(c, k, "composition", message, size);
    wk_scope_end(c, s, WK_NONE);
    free_values(&got, 1);
    free_values(&want, 1);
    return ok;
}

/* ---- coverage ---- */

struct coverage {
    bool value[WK_OP_COUNT], gradient[WK_OP_COUNT];
};
static void cover(void *arg, const struct op_case *k)
{
    struct coverage *v = arg;
    for (wk_op op = 0; op < WK_OP_COUNT; op++)
        if (strcmp(wki_op_name(op), k->op) == 0) {
            v->value[op] = true;
            v->gradient[op] |= k->gradient;
        }
}

bool check_coverage(char *message, size_t size)
{
    struct coverage v = {{false}, {false}};
    size_t          n = 0;
    cases_of(0, NULL, cover, &v);
    message[0] = '\0';
    for (wk_op op = 0; op < WK_OP_COUNT; op++) {
        const char  *name = wki_op_name(op);
        const size_t length = strlen(name);
        if (length > 4 && strcmp(name + length - 4, "_vjp") == 0)
            continue; /* seen through its op's gradient */
        const bool grad = wki_op_grad(op) != '0';
        if (v.value[op] && (v.gradient[op] || !grad)) continue;
        if (n < size)
            n += (size_t)snprintf(message + n, size - n, "%s%s", name, v.value[op] ? " (gradient), " : ", ");
    }
    return n == 0;
}

/* ---- all of it ---- */

struct running {
    wk_ctx       *c;
    bool          gradients;
    struct tally *t;
};

static void note(struct tally *t, bool ok, const char *message)
{
    if (ok) {
        t->passed++;
        return;
    }
    t->failed++;
    const size_t n = strlen(t->message);
    snprintf(t->message + n, sizeof t->message - n, "%s\n", message);
}

static void run_case(void *arg, const struct op_case *k)
{
    const struct running *r = arg;
    char                  message[512] = "";
    if (k->lapack && !wk_has_lapack()) return;
    note(r->t, check_value(r->c, k, message, sizeof message), message);
    if (k->fused) note(r->t, check_composition(r->c, k, message, sizeof message), message);
    if (k->fused && k->gradient) note(r->t, check_fused_gradient(r->c, k, message, sizeof message), message);
    if (r->gradients && k->fused && k->gradient)
        note(r->t, check_fused_second(r->c, k, message, sizeof message), message);
    if (r->gradients && k->gradient) note(r->t, check_gradient(r->c, k, message, sizeof message), message);
}

bool run_set(int which, int n, char **families, struct tally *t)
{
    static const char *const isas[] = {"base", "v2", "v3", "v4"};
    int                      found = 0;
    for (size_t i = 0; i < sizeof isas / sizeof *isas && found <= which; i++) {
        setenv("WK_ISA", isas[i], 1);
        wk_ctx *c = wk_ctx_new("cpu");
        if (wk_ctx_status(c) == WK_OK && found++ == which)
            cases_of(n, families, run_case, &(struct running){c, which == 0, t});
        wk_ctx_free(c);
    }
    unsetenv("WK_ISA");
    return found > which;
}

/* ---- another device ---- */

struct beside {
    wk_ctx       *c, *cpu;
    struct tally *t;
};

static bool value_of(wk_ctx *c, const struct op_case *k, struct values *out, wk_dtype *t)
{
    wk_tensor x[CASE_INPUTS];
    for (int i = 0; i < k->n_in; i++) x[i] = make_input(c, &k->in[i], (uint64_t)i + 1);
    const wk_tensor y = k->run(c, x, k);
    *t = y->dtype;
    return wk_ctx_status(c) == WK_OK && read_values(c, y, out);
}

static bool agree(const struct beside *b, const struct op_case *k, bool gradient, char *message, size_t size)
{
    struct values  got[CASE_INPUTS] = {{.v = NULL}}, want[CASE_INPUTS] = {{.v = NULL}};
    const wk_scope s = wk_scope_begin(b->c), at = wk_scope_begin(b->cpu);
    const char    *what = gradient ? "gradient against the CPU" : "against the CPU";
    wk_dtype       t = k->in[0].dtype;
    bool           ok = gradient ? gradients(b->cpu, k, false, want) : value_of(b->cpu, k, want, &t);
    if (!ok && wk_ctx_status(b->cpu) == WK_EUNSUPPORTED) /* it wants LAPACK: nothing to compare with */
        wk_fail(b->c, WK_EUNSUPPORTED, "%s", wk_ctx_message(b->cpu));
    if (!ok)
        failed(b->cpu, k, "on the CPU", message, size);
    else
        ok = gradient ? gradients(b->c, k, false, got) : value_of(b->c, k, got, &t);
    if (!ok && !message[0]) snprintf(message, size, "%s, %s: %s", DESCRIBE(k), what, wk_ctx_message(b->c));
    for (int i = 0; i < (gradient ? k->n_in : 1) && ok; i++)
        if (got[i].v)
            ok = compare(k, what, &got[i], &want[i], (gradient ? 4 : 2) * tolerance_of(k, t), message, size);
    wk_scope_end(b->c, s, WK_NONE);
    wk_scope_end(b->cpu, at, WK_NONE);
    free_values(got, CASE_INPUTS);
    free_values(want, CASE_INPUTS);
    return ok;
}

static void run_beside(void *arg, const struct op_case *k)
{
    const struct beside *b = arg;
    for (int gradient = 0; gradient <= k->gradient; gradient++) {
        char       message[512] = "";
        const bool ok = agree(b, k, gradient, message, sizeof message);
        if (wk_ctx_status(b->c) == WK_EUNSUPPORTED)
            b->t->left++;
        else
            note(b->t, ok, message);
        wk_ctx_clear(b->c);
    }
}

void run_on_device(const char *device, int n, char **families, struct tally *t)
{
    struct beside b = {.c = wk_ctx_new(device), .cpu = wk_ctx_new("cpu"), .t = t};
    if (wk_ctx_status(b.c) == WK_OK)
        cases_of(n, families, run_beside, &b);
    else
        note(t, false, wk_ctx_message(b.c));
    wk_ctx_free(b.c);
    wk_ctx_free(b.cpu);
}
