/* Times of tensor ops: ops [-t THREADS] [--md] [OP|DTYPE|SIZE]... prints a line of JSON (or a row of
 * Markdown) for each op, dtype and size: the median, the bytes an ideal program would move as GB/s, and its
 * share of the measured memory roof. ops [-t THREADS] - reads lines "OP DTYPE SIZE" and answers each
 * (bench/peers_ops.py).
 * Links libwick alone:
 *     cc -O2 -I. bench/ops.c build/libwick.a -o build/ops -lm -lpthread -ldl -ljansson -lutf8proc -lz */
#include "core/wick.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPEATS 400
#define COLS    1000

struct inputs {
    wk_tensor x, y, w, b, index;
    int64_t   n, rows, side;
};

static wk_tensor random_of(wk_ctx *c, wk_dtype t, wk_shape shape)
{
    return wk_cast(c, wk_normal(c, 0, 1, WK_f32, shape), t);
}

#define RUN(name, expr)                                                                                      \
    static wk_tensor run_##name(wk_ctx *c, const struct inputs *i)                                           \
    {                                                                                                        \
        return expr;                                                                                         \
    }
RUN(add, wk_add(c, i->x, i->y))
RUN(mul, wk_mul(c, i->x, i->y))
RUN(exp, wk_exp(c, i->x))
RUN(gelu, wk_gelu(c, i->x))
RUN(copy, wk_clone(c, i->x))
RUN(sum, wk_sum(c, i->x, WK_ALL_DIMS, false))
RUN(sum_0, wk_sum(c, i->x, WK_DIMS(0), false))
RUN(sum_1, wk_sum(c, i->x, WK_DIMS(1), false))
RUN(softmax, wk_softmax(c, i->x, -1))
RUN(rms_norm, wk_rms_norm(c, i->x, i->w, 1e-5))
RUN(layer_norm, wk_layer_norm(c, i->x, i->w, i->b, 1e-5))
RUN(argmax, wk_argmax(c, i->x, -1, false))
RUN(transpose, wk_contiguous(c, wk_transpose(c, i->x, 0, 1)))
RUN(cat, wk_cat(c, 2, (const wk_tensor[]){i->x, i->y}, 1))
RUN(index_select, wk_index_select(c, i->x, 0, i->index))
RUN(sort, wk_sort(c, i->x, -1, false, NULL))
RUN(cumsum, wk_cumsum(c, i->x, -1))
RUN(conv2d, wk_conv2d(c, i->x, i->w, i->b, (wk_conv_opts){.padding = {1, 1}}))
RUN(depthwise, wk_conv2d(c, i->x, i->w, i->b, (wk_conv_opts){.padding = {1, 1}, .groups = 64}))
RUN(matmul, wk_matmul(c, i->x, i->y))

/* FLAT one dim, ROWS of COLS, HALVES two of half as many rows, SQUARE, IMAGE of 64 channels */
enum form { FLAT, ROWS, HALVES, SQUARE, IMAGE };
static const struct op {
    const char *name;
    wk_tensor (*run)(wk_ctx *, const struct inputs *);
    enum form form;
    double    moved;  /* values read and written per value of n */
    int64_t   most;   /* largest size timed by default */
    int64_t   groups; /* of a convolution */
} ops[] = {
    {"add", run_add, FLAT, 3, 0, 0},
    {"mul", run_mul, FLAT, 3, 0, 0},
    {"exp", run_exp, FLAT, 2, 0, 0},
    {"gelu", run_gelu, FLAT, 2, 0, 0},
    {"copy", run_copy, FLAT, 2, 0, 0},
    {"sum", run_sum, FLAT, 1, 0, 0},
    {"sum_0", run_sum_0, ROWS, 1, 0, 0},
    {"sum_1", run_sum_1, ROWS, 1, 0, 0},
    {"softmax", run_softmax, ROWS, 2, 0, 0},
    {"rms_norm", run_rms_norm, ROWS, 2, 0, 0},
    {"layer_norm", run_layer_norm, ROWS, 2, 0, 0},
    {"argmax", run_argmax, ROWS, 1, 0, 0},
    {"transpose", run_transpose, SQUARE, 2, 0, 0},
    {"cat", run_cat, HALVES, 2, 0, 0},
    {"index_select", run_index_select, ROWS, 2, 0, 0},
    {"sort", run_sort, FLAT, 2, 1000000, 0},
    {"cumsum", run_cumsum, ROWS, 2, 0, 0},
    {"conv2d", run_conv2d, IMAGE, 2, 1000000, 1},
    {"depthwise", run_depthwise, IMAGE, 2, 10000000, 64},
    {"matmul", run_matmul, SQUARE, 3, 1000000, 0},
};
#define N_OPS (int)(sizeof ops / sizeof *ops)

static struct inputs inputs_of(wk_ctx *c, const struct op *o, wk_dtype t, int64_t n)
{
    const int64_t side = (int64_t)llround(sqrt((double)(o->form == IMAGE ? n / 64 : n)));
    const int64_t rows = n / COLS < 1 ? 1 : n / COLS;
    struct inputs i = {.n = n, .rows = rows, .side = side};
    if (o->form == FLAT) {
        i.x = random_of(c, t, WK_SHAPE(n));
        i.y = random_of(c, t, WK_SHAPE(n));
    } else if (o->form == SQUARE) {
        i.x = random_of(c, t, WK_SHAPE(side, side));
        i.y = random_of(c, t, WK_SHAPE(side, side));
    } else if (o->form == IMAGE) {
        i.x = random_of(c, t, WK_SHAPE(1, 64, side, side));
        i.w = random_of(c, t, WK_SHAPE(64, 64 / o->groups, 3, 3));
        i.b = random_of(c, t, WK_SHAPE(64));
    } else {
        i.x = random_of(c, t, WK_SHAPE(rows, o->form == HALVES ? COLS / 2 : COLS));
        i.y = random_of(c, t, WK_SHAPE(rows, COLS / 2));
        i.w = random_of(c, t, WK_SHAPE(COLS));
        i.b = random_of(c, t, WK_SHAPE(COLS));
        i.index = wk_randint(c, 0, rows, WK_i64, WK_SHAPE(rows));
    }
    return i;
}

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

/* The median of repetitions that fill a fifth of a second; the first ones warm up. Small ops are timed
 * several at once, as the clock is not that fine. */
static double measure(wk_ctx *c, const struct op *o, wk_dtype t, int64_t n)
{
    const wk_scope s = wk_scope_begin(c);
    struct inputs  i = inputs_of(c, o, t, n);
    double         times[REPEATS], total = 0;
    int            done = 0, batch = 1;
    for (int r = -3; done < REPEATS && (done < 5 || total < 0.2); r++) {
        const double from = now();
        for (int b = 0; b < batch; b++) {
            const wk_scope inner = wk_scope_begin(c);
            o->run(c, &i);
            wk_scope_end(c, inner, WK_NONE);
        }
        const double one = now() - from;
        if (r < 0) {
            batch = one < 2e-5 ? (int)(2e-5 / (one + 1e-9)) + 1 : 1;
            continue;
        }
        total += one;
        times[done++] = one / batch;
    }
    wk_scope_end(c, s, WK_NONE);
    if (wk_ctx_status(c)) {
        fprintf(stderr, "%s %s %lld: %s\n", o->name, wk_dtype_name(t), (long long)n, wk_ctx_message(c));
        wk_ctx_clear(c);
        return NAN;
    }
    qsort(times, (size_t)done, sizeof *times, ascending);
    return times[done / 2];
}

static void one(wk_ctx *c, const struct op *o, wk_dtype t, int64_t n, double roof, bool markdown)
{
    const double time = measure(c, o, t, n);
    const double rate = o->moved * (double)n * (double)wk_dtype_bytes(t) / time;
    if (time != time)
        printf("{\"op\": \"%s\", \"dtype\": \"%s\", \"n\": %lld, \"us\": null}\n", o->name, wk_dtype_name(t),
               (long long)n);
    else if (markdown)
        printf("| %s | %s | %lld | %.1f | %.1f | %.0f %% |\n", o->name, wk_dtype_name(t), (long long)n,
               time * 1e6, rate * 1e-9, 100 * rate / roof);
    else
        printf("{\"op\": \"%s\", \"dtype\": \"%s\", \"n\": %lld, \"us\": %.3f, \"gb_s\": %.2f, \"roof\": "
               "%.3f}\n",
               o->name, wk_dtype_name(t), (long long)n, time * 1e6, rate * 1e-9, rate / roof);
    fflush(stdout);
}

static const struct op *find(const char *name)
{
    for (int i = 0; i < N_OPS; i++)
        if (strcmp(ops[i].name, name) == 0) return &ops[i];
    return NULL;
}

static void answer(wk_ctx *c, double roof)
{
    char      name[32], type[16];
    long long n;
    while (scanf("%31s %15s %lld", name, type, &n) == 3) {
        const struct op *o = find(name);
        const wk_dtype   t = wk_dtype_find(type);
        if (!o || t == WK_DTYPE_COUNT) {
            printf("{\"us\": null}\n");
            fflush(stdout);
        } else {
            one(c, o, t, n, roof, false);
        }
    }
}

int main(int argc, char **argv)
{
    static const int64_t sizes[] = {10000, 100000, 1000000, 10000000, 60000000};
    const struct op     *only = NULL;
    wk_dtype             types[] = {WK_f32, WK_bf16};
    int                  n_types = 2, threads = 0;
    int64_t              size = 0;
    bool                 markdown = false, ask = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-t") == 0 && i + 1 < argc) {
            threads = atoi(argv[++i]);
        } else if (strcmp(argv[i], "--md") == 0) {
            markdown = true;
        } else if (strcmp(argv[i], "-") == 0) {
            ask = true;
        } else if (find(argv[i])) {
            only = find(argv[i]);
        } else if (wk_dtype_find(argv[i]) != WK_DTYPE_COUNT) {
            types[0] = wk_dtype_find(argv[i]);
            n_types = 1;
        } else if ((size = (int64_t)atof(argv[i])) < 1) {
            fprintf(stderr, "no op, dtype or size: %s\n", argv[i]);
            return 2;
        }
    }
    wk_ctx *c = wk_ctx_new("cpu");
    wk_set_threads(c, threads);
    const double roof = wk_measure_limits(c).read;
    if (markdown)
        printf("| op | dtype | values | us | GB/s | of the roof |\n|---|---|---:|---:|---:|---:|\n");
    if (ask) answer(c, roof);
    for (int i = 0; i < N_OPS && !ask; i++)
        for (int t = 0; t < n_types; t++)
            for (int s = 0; s < (size ? 1 : 5); s++) {
                const int64_t n = size ? size : sizes[s];
                if ((!only || only == &ops[i]) && (size || !ops[i].most || n <= ops[i].most))
                    one(c, &ops[i], types[t], n, roof, markdown);
            }
    wk_ctx_free(c);
    return 0;
}
