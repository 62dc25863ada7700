/* Rates of affine maps: gemm [-t THREADS] [FORMAT...]; per format, shape and batch the median of the
 * times, as GB/s of weights read and GFLOP/s. Weights are several copies, so that they come from memory.
 * Links libwick alone:
 *     cc -O2 -I. bench/gemm.c build/libwick.a -o build/gemm -lm -lpthread -ldl -ljansson -lutf8proc -lz */
#include "core/wick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COPIES  8
#define REPEATS 24

static const struct {
    int64_t out, in;
} shapes[] = {{2048, 2048}, {5632, 2048}, {2048, 5632}, {32000, 2048}, {576, 576}, {1536, 576}, {576, 1536}};
static const int64_t batches[] = {1, 2, 4, 8, 16, 32, 128, 512};

static double seconds(void)
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

static void measure(int threads, wk_dtype t, int64_t n, int64_t k)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_set_threads(c, threads);
    wk_tensor w[COPIES];
    for (int i = 0; i < COPIES; i++) {
        const wk_scope s = wk_scope_begin(c);
        w[i] = wk_scope_end(c, s, wk_cast(c, wk_normal(c, 0, 1, WK_f32, WK_SHAPE(n, k)), t));
    }
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        const wk_scope s = wk_scope_begin(c);
        wk_tensor      x = wk_normal(c, 0, 1, WK_f32, WK_SHAPE(batches[b], k));
        double         times[REPEATS];
        for (int r = 0; r < REPEATS; r++) {
            const wk_scope inner = wk_scope_begin(c);
            const double   from = seconds();
            wk_affine(c, x, w[r % COPIES], WK_NONE);
            times[r] = seconds() - from;
            wk_scope_end(c, inner, WK_NONE);
        }
        qsort(times, REPEATS, sizeof *times, ascending);
        const double time = times[REPEATS / 2];
        printf("%-5s %6lld x %4lld  rows %3lld  %9.1f us  %6.1f GB/s  %7.1f GFLOP/s\n", wk_dtype_name(t),
               (long long)n, (long long)k, (long long)batches[b], time * 1e6,
               (double)wk_bytes(w[0]) / time * 1e-9, 2e-9 * (double)(n * k * batches[b]) / time);
        wk_scope_end(c, s, WK_NONE);
    }
    if (wk_ctx_status(c)) fprintf(stderr, "%s\n", wk_ctx_message(c));
    wk_ctx_free(c);
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k",
                                      "q4_k", "q5_k", "q6_k", "f16",  "bf16", "f32"};
    int                      threads = 0, first = 1;
    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        threads = atoi(argv[2]);
        first = 3;
    }
    const int names = argc > first ? argc - first : (int)(sizeof all / sizeof *all);
    for (int i = 0; i < names; i++) {
        const wk_dtype t = wk_dtype_find(argc > first ? argv[first + i] : all[i]);
        if (t == WK_DTYPE_COUNT) {
            fprintf(stderr, "no such dtype: %s\n", argv[first + i]);
            return 2;
        }
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            if (shapes[s].in % wk_dtype_block(t) == 0) measure(threads, t, shapes[s].out, shapes[s].in);
    }
    return 0;
}
