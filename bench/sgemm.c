/* Square products of f32 beside OpenBLAS's: sgemm THREADS N... prints a line of JSON for each N: GFLOP/s of
 * wk_matmul and of cblas_sgemm, in turns, and the ratio of medians. OPENBLAS_CORETYPE names the kernels.
 *     cc -O2 -I. bench/sgemm.c build/libwick.a -o build/sgemm -lm -lpthread -ldl -ljansson -lutf8proc -lz */
#include "core/wick.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef void (*sgemm)(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                      const float *b, int ldb, float beta, float *c, int ldc);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static sgemm open_blas(int threads)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW);
    void (*set)(int) = NULL;
    sgemm product = NULL;
    if (!library) return NULL;
    *(void **)&set = dlsym(library, "openblas_set_num_threads");
    *(void **)&product = dlsym(library, "cblas_sgemm");
    if (set) set(threads);
    return product;
}

enum { TURNS = 30, CALLS = 3 };

struct times {
    double wick, openblas;
};

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times, int n)
{
    qsort(times, (size_t)n, sizeof *times, by_size);
    return times[n / 2];
}

/* Median times of a product of n by n, in turns of a few calls. */
static struct times measure(wk_ctx *c, sgemm product, int n)
{
    const size_t   count = (size_t)n * (size_t)n;
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      a = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(n, n));
    wk_tensor      b = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(n, n));
    float         *x = malloc(3 * count * sizeof *x);
    double         wick[TURNS * CALLS], openblas[TURNS * CALLS];
    const double   begin = now();
    int            calls = 0;
    if (!x || wk_read(c, a, x) || wk_read(c, b, x + count)) exit(1);
    for (int turn = 0; turn < TURNS && (turn < 3 || now() - begin < 6); turn++, calls += CALLS) {
        for (int i = calls; i < calls + CALLS; i++) {
            const wk_scope inner = wk_scope_begin(c);
            const double   from = now();
            wk_matmul(c, a, b);
            wick[i] = now() - from;
            wk_scope_end(c, inner, WK_NONE);
        }
        for (int i = calls; i < calls + CALLS; i++) {
            const double from = now();
            product(101, 111, 111, n, n, n, 1, x, n, x + count, n, 0, x + 2 * count, n);
            openblas[i] = now() - from;
        }
    }
    free(x);
    wk_scope_end(c, s, WK_NONE);
    return (struct times){median(wick, calls), median(openblas, calls)};
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    const sgemm product = open_blas(atoi(argv[1]));
    if (!product) return 1;
    wk_ctx *c = wk_ctx_new("cpu");
    wk_set_threads(c, atoi(argv[1]));
    for (int i = 2; i < argc; i++) {
        const int          n = atoi(argv[i]);
        const struct times t = measure(c, product, n);
        const double       work = 2e-9 * n * n * n;
        printf("{\"n\": %d, \"wick\": %.1f, \"openblas\": %.1f, \"ratio\": %.3f}\n", n, work / t.wick,
               work / t.openblas, t.openblas / t.wick);
        fflush(stdout);
    }
    const bool failed = wk_ctx_status(c) != WK_OK;
    wk_ctx_free(c);
    return failed;
}
