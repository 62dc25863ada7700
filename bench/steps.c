/* What a call costs, and a training step: steps [-t THREADS] [CASE]... prints a line of JSON for each case.
 *     call    an addition of 16 values, nanoseconds
 *     mlp     784-256-10 with relu, 64 rows, cross entropy, SGD with every gradient: steps per second
 *     faults  page faults per call of ops with large results, in the steady state
 * bench/peers_steps.py runs PyTorch beside it. Links libwick alone:
 *     cc -O2 -I. bench/steps.c build/libwick.a -o build/steps -lm -lpthread -ldl -ljansson -lutf8proc -lz */
#include "core/wick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define REPEATS 21
#define CALLS   20000
#define STEPS   200
#define LARGE   ((int64_t)16 << 20) /* values */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double call(wk_ctx *c)
{
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(16)), y = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(16));
    const double   from = now();
    for (int i = 0; i < CALLS; i++) {
        const wk_scope inner = wk_scope_begin(c);
        wk_add(c, x, y);
        wk_scope_end(c, inner, WK_NONE);
    }
    const double time = now() - from;
    wk_scope_end(c, s, WK_NONE);
    return 1e9 * time / CALLS;
}

static double mlp(wk_ctx *c)
{
    enum { IN = 784, HIDDEN = 256, OUT = 10, ROWS = 64, PARAMETERS = 4 };
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(ROWS, IN));
    wk_tensor      target = wk_randint(c, 0, OUT, WK_i64, WK_SHAPE(ROWS));
    wk_tensor      p[PARAMETERS] = {
             wk_normal(c, 0, 0.03, WK_f32, WK_SHAPE(HIDDEN, IN)), wk_zeros(c, WK_f32, WK_SHAPE(HIDDEN)),
             wk_normal(c, 0, 0.06, WK_f32, WK_SHAPE(OUT, HIDDEN)), wk_zeros(c, WK_f32, WK_SHAPE(OUT))};
    const double from = now();
    for (int i = 0; i < STEPS; i++) {
        const wk_scope inner = wk_scope_begin(c);
        wk_tensor      t[PARAMETERS];
        wk_tape_begin(c);
        for (int j = 0; j < PARAMETERS; j++) t[j] = wk_track(c, p[j]);
        wk_tensor h = wk_relu(c, wk_affine(c, x, t[0], t[1]));
        wk_backward(c, wk_cross_entropy(c, wk_affine(c, h, t[2], t[3]), target, (wk_cross_entropy_opts){0}));
        for (int j = 0; j < PARAMETERS; j++) wk_add_into(c, p[j], wk_grad(c, t[j]), -0.01);
        wk_tape_end(c);
        wk_scope_end(c, inner, WK_NONE);
    }
    const double time = now() - from;
    wk_scope_end(c, s, WK_NONE);
    return STEPS / time;
}

static double faults(wk_ctx *c)
{
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(LARGE));
    struct rusage  before, after;
    for (int i = 0; i < 8; i++) {
        if (i == 4) getrusage(RUSAGE_SELF, &before);
        const wk_scope inner = wk_scope_begin(c);
        wk_add(c, wk_exp(c, x), x);
        wk_scope_end(c, inner, WK_NONE);
    }
    getrusage(RUSAGE_SELF, &after);
    wk_scope_end(c, s, WK_NONE);
    return (double)(after.ru_minflt - before.ru_minflt) / 8;
}

static const struct {
    const char *name, *unit;
    double (*run)(wk_ctx *);
    int repeats;
} cases[] = {
    {"call", "ns", call, REPEATS}, {"mlp", "steps/s", mlp, REPEATS}, {"faults", "per call", faults, 1}};

int main(int argc, char **argv)
{
    const bool chosen = argc > 1 && strcmp(argv[1], "-t") == 0;
    const int  first = chosen ? 3 : 1;
    wk_ctx    *c = wk_ctx_new("cpu");
    wk_set_threads(c, chosen && argc > 2 ? atoi(argv[2]) : 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool wanted = argc <= first;
        for (int a = first; a < argc; a++) wanted |= strcmp(argv[a], cases[i].name) == 0;
        if (!wanted) continue;
        double got[REPEATS];
        for (int r = -1; r < cases[i].repeats; r++) got[r < 0 ? 0 : r] = cases[i].run(c);
        qsort(got, (size_t)cases[i].repeats, sizeof *got, ascending);
        printf("{\"case\": \"%s\", \"unit\": \"%s\", \"value\": %.4g}\n", cases[i].name, cases[i].unit,
               got[cases[i].repeats / 2]);
        fflush(stdout);
    }
    const bool failed = wk_ctx_status(c) != WK_OK;
    if (failed) fprintf(stderr, "%s\n", wk_ctx_message(c));
    wk_ctx_free(c);
    return failed;
}
