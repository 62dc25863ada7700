/* Fused transformer ops against their own compositions. In f64 every fused op runs as its composition of
 * plain ops, so one function given in f32, f16 and bf16 (the kernels) and in f64 (the meaning) is tested in
 * value and gradient, on every instruction set; the gradient in f64 is tested against differences. */
#ifndef WK_TESTS_FUSED_H
#define WK_TESTS_FUSED_H

#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUSED_INPUTS 5

struct fused_case {
    const char *name;
    wk_tensor (*run)(wk_ctx *c, const wk_tensor *x, const void *opts);
    const void *opts;
    int         n; /* inputs */
    wk_shape    shape[FUSED_INPUTS];
    double      tolerance; /* of f32; 0: 2e-6 */
};

static inline double fused_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) / 9007199254740992.0 - 0.5) * 3;
}

/* Opens a context on the i-th instruction set; NULL: there is no such, or not on this machine. */
static inline wk_ctx *fused_open(int i, const char **isa)
{
    static const char *const names[] = {"base", "v2", "v3", "v4"};
    if (i >= (int)(sizeof names / sizeof *names)) return NULL;
    *isa = names[i];
    setenv("WK_ISA", names[i], 1);
    return wk_ctx_new("cpu");
}
#define FUSED_ISAS 4

static inline int64_t fused_count(wk_shape s)
{
    int64_t n = 1;
    for (int i = 0; i < s.ndim; i++) n *= s.dim[i];
    return n;
}

static inline double *fused_read(wk_ctx *c, wk_tensor x)
{
    double *v = malloc((size_t)(wk_count(x) + 1) * sizeof *v);
    cr_assert(v);
    cr_assert_eq(wk_read(c, wk_cast(c, x, WK_f64), v), WK_OK, "%s", wk_ctx_message(c));
    return v;
}

/* The inputs of a case, the same values (those of t) whatever the dtype asked for. */
static inline void fused_inputs(wk_ctx *c, const struct fused_case *k, wk_dtype t, wk_dtype as, wk_tensor *x)
{
    uint64_t state = 7;
    for (int i = 0; i < k->n; i++) {
        const int64_t n = fused_count(k->shape[i]);
        double       *v = malloc((size_t)(n + 1) * sizeof *v);
        cr_assert(v);
        for (int64_t j = 0; j < n; j++) v[j] = fused_random(&state);
        x[i] = wk_cast(c, wk_cast(c, wk_make(c, v, WK_f64, k->shape[i]), t), as);
        free(v);
    }
}

/* Result (dx NULL), or with a tape the gradients of sum(y * cos(index)). */
static inline double *fused_value(wk_ctx *c, const struct fused_case *k, wk_dtype t, wk_dtype as, double **dx)
{
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      x[FUSED_INPUTS];
    fused_inputs(c, k, t, as, x);
    if (dx) wk_tape_begin(c);
    for (int i = 0; i < k->n && dx; i++) x[i] = wk_track(c, x[i]);
    const wk_tensor y = k->run(c, x, k->opts);
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s: %s", k->name, wk_ctx_message(c));
    cr_assert_eq(y->dtype, as, "%s: result is %s", k->name, wk_dtype_name(y->dtype));
    double *out = fused_read(c, y);
    if (dx) {
        const wk_tensor g = wk_cos(
            c, wk_reshape(
                   c, wk_arange(c, 0, (double)wk_count(y), 1, WK_f64),
                   (wk_shape){y->ndim, {y->shape[0], y->shape[1], y->shape[2], y->shape[3], y->shape[4]}}));
        const wk_tensor ga = wk_cast(c, g, as);
        cr_assert_eq(wk_backward_from(c, 1, &y, &ga), WK_OK, "%s: %s", k->name, wk_ctx_message(c));
        for (int i = 0; i < k->n; i++) dx[i] = fused_read(c, wk_grad(c, x[i]));
        wk_tape_end(c);
    }
    wk_scope_end(c, s, WK_NONE);
    return out;
}

static inline void fused_close(const char *name, const char *what, const char *isa, const double *got,
                               const double *want, int64_t n, double tolerance)
{
    double scale = 1;
    for (int64_t i = 0; i < n; i++)
        if (fabs(want[i]) > scale && fabs(want[i]) < (double)INFINITY) scale = fabs(want[i]);
    for (int64_t i = 0; i < n; i++) {
        const bool same = (isnan(got[i]) && isnan(want[i])) || got[i] == want[i];
        cr_assert(same || fabs(got[i] - want[i]) <= tolerance * scale,
                  "%s, %s, %s: element %lld is %.9g, not %.9g", name, what, isa, (long long)i, got[i],
                  want[i]);
    }
}

/* sum(y * cos(index)) with element j of input i moved by delta, in f64. */
static inline double fused_moved(wk_ctx *c, const struct fused_case *k, int i, int64_t j, double delta)
{
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      x[FUSED_INPUTS];
    fused_inputs(c, k, WK_f64, WK_f64, x);
    double *v = fused_read(c, x[i]);
    v[j] += delta;
    x[i] = wk_make(c, v, WK_f64, k->shape[i]);
    free(v);
    const wk_tensor y = k->run(c, x, k->opts);
    v = fused_read(c, y);
    double sum = 0;
    for (int64_t e = 0; e < wk_count(y); e++) sum += v[e] * cos((double)e);
    free(v);
    wk_scope_end(c, s, WK_NONE);
    return sum;
}

static inline void fused_differences(wk_ctx *c, const struct fused_case *k)
{
    double *dx[FUSED_INPUTS];
    free(fused_value(c, k, WK_f64, WK_f64, dx));
    for (int i = 0; i < k->n; i++) {
        const int64_t n = fused_count(k->shape[i]);
        for (int64_t j = 0; j < n; j += n / 5 + 1) {
            const double step = 1e-5;
            const double want = (fused_moved(c, k, i, j, step) - fused_moved(c, k, i, j, -step)) / (2 * step);
            cr_assert(fabs(dx[i][j] - want) <= 1e-6 * (1 + fabs(want)),
                      "%s: gradient of input %d at %lld is %.9g, differences give %.9g", k->name, i,
                      (long long)j, dx[i][j], want);
        }
        free(dx[i]);
    }
}

static inline void fused_dtype(wk_ctx *c, const struct fused_case *k, wk_dtype t, double tolerance,
                               const char *isa)
{
    double *got_dx[FUSED_INPUTS], *want_dx[FUSED_INPUTS];
    double *plain = fused_value(c, k, t, t, NULL), *got = fused_value(c, k, t, t, got_dx),
           *want = fused_value(c, k, t, WK_f64, want_dx);
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      x[FUSED_INPUTS];
    fused_inputs(c, k, t, t, x);
    const int64_t n = wk_count(k->run(c, x, k->opts));
    wk_scope_end(c, s, WK_NONE);
    char what[64];
    snprintf(what, sizeof what, "%s value", wk_dtype_name(t));
    fused_close(k->name, what, isa, plain, want, n, tolerance);
    fused_close(k->name, what, isa, got, want, n, tolerance);
    for (int i = 0; i < k->n; i++) {
        snprintf(what, sizeof what, "%s gradient %d", wk_dtype_name(t), i);
        fused_close(k->name, what, isa, got_dx[i], want_dx[i], fused_count(k->shape[i]), 4 * tolerance);
        free(got_dx[i]);
        free(want_dx[i]);
    }
    free(plain);
    free(got);
    free(want);
}

static inline void fused_run(const struct fused_case *cases, size_t n)
{
    int found = 0;
    for (int isa = 0; isa < FUSED_ISAS; isa++) {
        const char *name = "";
        wk_ctx     *c = fused_open(isa, &name);
        for (size_t i = 0; i < n && wk_ctx_status(c) == WK_OK; i++) {
            const double f32 = cases[i].tolerance > 0 ? cases[i].tolerance : 2e-6;
            fused_dtype(c, &cases[i], WK_f32, f32, name);
            fused_dtype(c, &cases[i], WK_f16, 3e-3, name);
            fused_dtype(c, &cases[i], WK_bf16, 2.5e-2, name);
            if (found == 0) fused_differences(c, &cases[i]);
        }
        found += wk_ctx_status(c) == WK_OK;
        wk_ctx_free(c);
    }
    cr_assert_gt(found, 0);
}
#define FUSED_RUN(cases) fused_run(cases, sizeof(cases) / sizeof *(cases))

#endif
