/* Times of a device's main kernels: device [DEVICE] prints a line of JSON for what it reads and multiplies at
 * most, then one for each kernel, the median of runs of recorded steps. What a step reads is more than caches
 * hold. Operations count 2 for a multiply and add; attention 4 S^2 d h, half of it when causal.
 * Links libwick alone:
 *     cc -O2 -I. bench/device.c build/libwick.a -o build/device -lm -lpthread -ldl */
#include "core/wick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 7, STEPS = 10 };

struct operands {
    wk_tensor a, b, c;
    int64_t   rows, columns, heads, keys;
    wk_tensor y; /* so that the result outlives the step */
};

static wk_tensor random_of(wk_ctx *c, wk_dtype t, wk_shape shape)
{
    return wk_cast(c, wk_normal(c, 0, 1, WK_f32, shape), t);
}

static double unit_of(wk_dtype t) /* bytes of a value */
{
    return (double)wk_dtype_bytes(t) / (double)wk_dtype_block(t);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void affine(wk_ctx *c, void *state)
{
    const struct operands *o = state;
    wk_affine(c, o->a, o->b, WK_NONE);
}
static void norm(wk_ctx *c, void *state)
{
    const struct operands *o = state;
    wk_rms_norm(c, o->a, o->b, 1e-5f);
}
static void attend(wk_ctx *c, void *state)
{
    const struct operands *o = state;
    wk_attend(c, o->a, o->b, o->c, (wk_attend_opts){.causal = true});
}

/* Seconds of a step. */
static double measure(wk_ctx *c, wk_step_fn fn, struct operands *o)
{
    double   time[RUNS];
    wk_step *step = wk_capture(c, fn, o);
    for (int r = 0; r < RUNS && step; r++) {
        wk_sync(c);
        const double from = now();
        for (int i = 0; i < STEPS; i++) wk_replay(step);
        wk_sync(c);
        time[r] = (now() - from) / STEPS;
    }
    wk_step_free(step);
    qsort(time, RUNS, sizeof *time, compare);
    return step && wk_ctx_status(c) == WK_OK ? time[RUNS / 2] : -1;
}

static void report(wk_ctx *c, const char *name, double seconds, double operations, double bytes)
{
    if (seconds < 0) {
        fprintf(stderr, "%s: %s\n", name, wk_ctx_message(c));
        wk_ctx_clear(c);
        return;
    }
    printf("{\"kernel\": \"%s\", \"us\": %.2f, \"gflops\": %.0f, \"gb_s\": %.0f}\n", name, seconds * 1e6,
           operations / seconds / 1e9, bytes / seconds / 1e9);
    fflush(stdout);
}

static void products(wk_ctx *c, wk_dtype t, wk_dtype weights, int64_t rows, int64_t n)
{
    char            name[64];
    const wk_scope  s = wk_scope_begin(c);
    struct operands o = {.a = random_of(c, t, WK_SHAPE(rows, n)), .b = random_of(c, weights, WK_SHAPE(n, n))};
    const double    r = (double)rows, d = (double)n;
    snprintf(name, sizeof name, "affine %s by %s %lldx%lldx%lld", wk_dtype_name(t), wk_dtype_name(weights),
             (long long)rows, (long long)n, (long long)n);
    report(c, name, measure(c, affine, &o), 2 * r * d * d, unit_of(weights) * d * d + unit_of(t) * 2 * r * d);
    wk_scope_end(c, s, WK_NONE);
}

static void attention(wk_ctx *c, wk_dtype t, int64_t heads, int64_t groups, int64_t queries, int64_t keys,
                      int64_t d)
{
    char            name[64];
    const wk_scope  s = wk_scope_begin(c);
    struct operands o = {.a = random_of(c, t, WK_SHAPE(heads, queries, d)),
                         .b = random_of(c, t, WK_SHAPE(groups, keys, d)),
                         .c = random_of(c, t, WK_SHAPE(groups, keys, d))};
    const double    pairs = (double)queries * ((double)keys - (double)(queries - 1) / 2);
    const double    bytes =
        unit_of(t) * (double)d * (2 * (double)groups * (double)keys + 2 * (double)heads * (double)queries);
    snprintf(name, sizeof name, "attend %s %lld/%lld heads of %lld, %lld by %lld", wk_dtype_name(t),
             (long long)heads, (long long)groups, (long long)d, (long long)queries, (long long)keys);
    report(c, name, measure(c, attend, &o), 4 * pairs * (double)d * (double)heads, bytes);
    wk_scope_end(c, s, WK_NONE);
}

static void norms(wk_ctx *c, wk_dtype t, int64_t rows, int64_t n)
{
    char            name[64];
    const wk_scope  s = wk_scope_begin(c);
    struct operands o = {.a = random_of(c, t, WK_SHAPE(rows, n)), .b = random_of(c, t, WK_SHAPE(n))};
    snprintf(name, sizeof name, "rms_norm %s %lldx%lld", wk_dtype_name(t), (long long)rows, (long long)n);
    report(c, name, measure(c, norm, &o), 4 * (double)(rows * n), 2 * (double)(rows * n) * unit_of(t));
    wk_scope_end(c, s, WK_NONE);
}

static void limits(wk_ctx *c)
{
    const wk_limits l = wk_measure_limits(c);
    printf("{\"limits\": {\"gb_s\": %.0f, \"gflops_f32\": %.0f, \"gflops_bf16\": %.0f}}\n", l.read / 1e9,
           l.f32 / 1e9, l.bf16 / 1e9);
}

int main(int argc, char **argv)
{
    wk_ctx *c = wk_ctx_new(argc > 1 ? argv[1] : "cuda:0");
    if (wk_ctx_status(c) != WK_OK) {
        fprintf(stderr, "%s\n", wk_ctx_message(c));
        wk_ctx_free(c);
        return 1;
    }
    const int64_t scale =
        argc > 2 && !strcmp(argv[2], "small") ? 32 : 1; /* for a machine that only emulates one */
    limits(c);
    for (int64_t rows = 1; rows <= 4096; rows *= 64) {
        const int64_t some = rows > scale ? rows / scale : 1;
        products(c, WK_bf16, WK_bf16, some, 8192 / scale);
        products(c, WK_f32, WK_bf16, some, 8192 / scale);
        products(c, WK_f32, WK_q4_k, some, 16384 / scale);
    }
    products(c, WK_f32, WK_f32, 2048 / scale, 4096 / scale);
    attention(c, WK_bf16, 32, 8, 4096 / scale, 4096 / scale, 128 / (scale > 1 ? 4 : 1));
    attention(c, WK_bf16, 32, 8, 1, 32768 / scale, 128 / (scale > 1 ? 4 : 1));
    attention(c, WK_f32, 8, 8, 1024 / scale, 1024 / scale, 64);
    norms(c, WK_bf16, 8192 / scale, 4096 / scale);
    wk_ctx_free(c);
    return 0;
}
