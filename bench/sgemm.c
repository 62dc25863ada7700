/* Square products of f32: sgemm wick|openblas THREADS N... prints a line of JSON for each N: shortest time,
 * GFLOP/s. openblas is cblas_sgemm itself, with the kernels that OPENBLAS_CORETYPE names.
 *     cc -O2 -I. bench/sgemm.c build/libwick.a -o build/sgemm -lm -lpthread -ldl -ljansson -lutf8proc -lz */
#include "core/wick.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* The shortest time of one product of n by n, by OpenBLAS if `product` is not NULL. */
static double shortest(wk_ctx *c, sgemm product, int n)
{
    const size_t   count = (size_t)n * (size_t)n;
    const wk_scope s = wk_scope_begin(c);
    wk_tensor      a = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(n, n));
    wk_tensor      b = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(n, n));
    float         *x = malloc(3 * count * sizeof *x);
    double         least = 1e9, total = 0;
    if (!x || wk_read(c, a, x) || wk_read(c, b, x + count)) exit(1);
    for (int r = 0; r < 200 && (r < 3 || total < 0.5); r++) {
        const wk_scope inner = wk_scope_begin(c);
        const double   from = now();
        if (product)
            product(101, 111, 111, n, n, n, 1, x, n, x + count, n, 0, x + 2 * count, n);
        else
            wk_matmul(c, a, b);
        const double time = now() - from;
        wk_scope_end(c, inner, WK_NONE);
        total += time;
        if (time < least) least = time;
    }
    free(x);
    wk_scope_end(c, s, WK_NONE);
    return least;
}

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    const bool  raw = strcmp(argv[1], "openblas") == 0;
    const sgemm product = raw ? open_blas(atoi(argv[2])) : NULL;
    if (raw && !product) return 1;
    wk_ctx *c = wk_ctx_new("cpu");
    wk_set_threads(c, atoi(argv[2]));
    for (int i = 3; i < argc; i++) {
        const int    n = atoi(argv[i]);
        const double time = shortest(c, product, n);
        printf("{\"n\": %d, \"us\": %.1f, \"gflop_s\": %.1f}\n", n, time * 1e6, 2e-9 * n * n * n / time);
        fflush(stdout);
    }
    const bool failed = wk_ctx_status(c) != WK_OK;
    wk_ctx_free(c);
    return failed;
}
