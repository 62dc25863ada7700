/* Products with block-quantised and half weights on every path of every instruction set, against sums in
 * double. */
#include "tests/ops/block_products.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Instruction sets, and features taken from them. */
static const struct path {
    const char *isa, *without;
} paths[] = {{"v4", ""},
             {"v4", "-vnni"},
             {"v4", "-bf16"},
             {"v4", "-vnni,-bf16,-blas"},
             {"v4", "-bytes,-vnni,-bf16"},
             {"v3", ""},
             {"v3", "-avxvnni"},
             {"v3", "-bytes"},
             {"v2", "-blas"},
             {"v2", "-bytes"},
             {"base", ""},
             {"base", "-i8mm"},
             {"base", "-i8mm,-dotprod"},
             {"base", "-bytes"}};
#define PATHS (sizeof paths / sizeof *paths)

enum { MOST_ROWS = 70 };

/* One weight and what its products with x must be. */
struct product {
    const char *device; /* or NULL: all paths of the CPU */
    wk_dtype    t;
    int64_t     n, k;
    float      *x, *w, *bias;
    double     *want, *all; /* [MOST_ROWS, n] results; sums of the terms' squares up to each row */
};

static wk_ctx *open_path(const char *device, size_t i)
{
    if (device) return i ? NULL : wk_ctx_new(device);
    setenv("WK_ISA", paths[i].isa, 1);
    setenv("WK_CPU_FEATURES", paths[i].without, 1);
    wk_ctx *c = wk_ctx_new("cpu");
    if (wk_ctx_status(c) == WK_OK) return c;
    wk_ctx_free(c);
    return NULL;
}

static float *random_values(int64_t n, uint64_t seed)
{
    float   *x = wk_alloc((size_t)n * sizeof *x);
    uint64_t s = seed * 2 + 1;
    for (int64_t i = 0; i < n && x; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(s >> 40) / 8388608.0f - 1.0f;
    }
    return x;
}

/* In double, from the values that the weight's blocks stand for. */
static bool reference(struct product *p, char *message, size_t size)
{
    float *back = wk_alloc((size_t)(p->n * p->k) * sizeof *back);
    setenv("WK_ISA", "", 1);
    wk_ctx *c = wk_ctx_new("cpu");
    p->want = wk_alloc((size_t)(MOST_ROWS * p->n) * sizeof *p->want);
    p->all = wk_alloc(MOST_ROWS * sizeof *p->all);
    const wk_tensor w = wk_cast(c, wk_make(c, p->w, WK_f32, WK_SHAPE(p->n, p->k)), p->t);
    const bool      ok = back && p->want && p->all && wk_read(c, wk_cast(c, w, WK_f32), back) == WK_OK;
    double          all = 0;
    if (!ok) snprintf(message, size, "%s: no reference: %s", wk_dtype_name(p->t), wk_ctx_message(c));
    for (int64_t i = 0; i < MOST_ROWS && ok; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            double sum = p->bias[j];
            for (int64_t l = 0; l < p->k; l++) {
                const double term = (double)p->x[i * p->k + l] * back[j * p->k + l];
                sum += term;
                all += term * term;
            }
            p->want[i * p->n + j] = sum;
        }
        p->all[i] = all;
    }
    wk_free(back);
    wk_ctx_free(c);
    return ok;
}

/* The 8-bit codes of a group of 16 uniform values have an error of 1 / (127 sqrt 12) of the largest, where
 * the values themselves have 1 / sqrt 3: 0.004 of them. Three times that must not be passed; bf16
 * and 16-bit integers are finer. */
#define EIGHT_BITS 0.012
#define PRECISE    2e-6

static bool agrees(wk_ctx *c, const struct product *p, size_t path, wk_tensor w, wk_tensor bias, int64_t m,
                   char *message, size_t size)
{
    float *y = wk_alloc((size_t)(m * p->n) * sizeof *y);
    bool   ok = y != NULL;
    for (int precise = 0; precise < 2 && ok; precise++) {
        double wrong = 0;
        wk_set_precise(c, precise);
        const wk_tensor x = wk_make(c, p->x, WK_f32, WK_SHAPE(m, p->k));
        if (wk_read(c, wk_affine(c, x, w, bias), y) != WK_OK) {
            snprintf(message, size, "%s", wk_ctx_message(c));
            ok = false;
            break;
        }
        for (int64_t i = 0; i < m * p->n; i++) wrong += (y[i] - p->want[i]) * (y[i] - p->want[i]);
        const double e = sqrt(wrong / p->all[m - 1]);
        ok = e < (precise ? PRECISE : EIGHT_BITS);
        if (!ok)
            snprintf(message, size, "%s %s %s%s: %lld rows by [%lld, %lld]: error %g",
                     p->device ? p->device : paths[path].isa, p->device ? "" : paths[path].without,
                     wk_dtype_name(p->t), precise ? " precise" : "", (long long)m, (long long)p->n,
                     (long long)p->k, e);
    }
    wk_free(y);
    return ok;
}

/* One weight, on all paths; how many products, 0 after a failure. */
static int64_t check(struct product p, const int64_t *batch, char *message, size_t size)
{
    int64_t done = 0;
    bool    ok;
    p.x = random_values(MOST_ROWS * p.k, 1);
    p.w = random_values(p.n * p.k, 2);
    p.bias = random_values(p.n, 3);
    ok = p.x && p.w && p.bias && reference(&p, message, size);
    for (size_t path = 0; path < PATHS && ok; path++) {
        wk_ctx *c = open_path(p.device, path);
        if (!c) continue;
        wk_tensor w = wk_cast(c, wk_make(c, p.w, WK_f32, WK_SHAPE(p.n, p.k)), p.t);
        wk_tensor bias = wk_make(c, p.bias, WK_f32, WK_SHAPE(p.n));
        for (const int64_t *m = batch; *m && ok; m++, done++)
            ok = agrees(c, &p, path, w, bias, *m, message, size);
        wk_ctx_free(c);
    }
    wk_free(p.x);
    wk_free(p.w);
    wk_free(p.bias);
    wk_free(p.want);
    wk_free(p.all);
    return ok ? done : 0;
}

/* Rows that go to experts are as near to precise products as the rows of a plain one must be. */
static bool experts_agree(wk_ctx *c, wk_dtype t, const float *values, const char *path, int64_t rows,
                          char *message, size_t size)
{
    enum { EXPERTS = 5, N = 19, K = 512, EACH = 2 };
    const int64_t   count = rows * EACH * N;
    const wk_tensor x = wk_make(c, values, WK_f32, WK_SHAPE(rows, K));
    const wk_tensor w = wk_cast(c, wk_make(c, values, WK_f32, WK_SHAPE(EXPERTS, N, K)), t);
    int64_t         id[MOST_ROWS * EACH];
    /* expert 3 has none; 4 has few of many */
    for (int64_t i = 0; i < rows * EACH; i++) id[i] = i % 11 == 5 ? 4 : i * 7 % 3;
    const wk_tensor ids = wk_make(c, id, WK_i64, WK_SHAPE(rows, EACH));
    float          *y = wk_alloc((size_t)count * 2 * sizeof *y);
    double          wrong = 0, all = 0;
    wk_set_precise(c, false);
    bool ok = y && wk_read(c, wk_affine_experts(c, x, w, WK_NONE, ids), y) == WK_OK;
    wk_set_precise(c, true);
    const wk_tensor each =
        wk_matmul(c, x, wk_transpose(c, wk_cast(c, w, WK_f32), 1, 2)); /* experts, rows, n */
    float *want = wk_alloc((size_t)(EXPERTS * rows * N) * sizeof *want);
    ok = ok && want && wk_read(c, each, want) == WK_OK;
    for (int64_t i = 0; i < count && ok; i++) {
        const double v = want[(id[i / N] * rows + i / N / EACH) * N + i % N];
        wrong += (y[i] - v) * (y[i] - v);
        all += v * v;
    }
    ok = ok && sqrt(wrong / all) < EIGHT_BITS;
    if (!ok)
        snprintf(message, size, "experts: %s %s, %lld rows: error %g %s", path, wk_dtype_name(t),
                 (long long)rows, sqrt(wrong / all), wk_ctx_message(c));
    wk_free(y);
    wk_free(want);
    return ok;
}

static int64_t check_experts(const char *device, char *message, size_t size)
{
    static const int64_t batches[] = {1, 3, MOST_ROWS};
    float               *values = random_values(5 * 19 * 512, 4);
    int64_t              done = 0;
    for (size_t path = 0; path < PATHS && values; path++) {
        wk_ctx *c = open_path(device, path);
        bool    ok = true;
        for (wk_dtype t = 0; t < WK_DTYPE_COUNT && c && ok; t++)
            for (size_t b = 0; b < 3 && ok && (wk_dtype_block(t) > 1 || t == WK_f16 || t == WK_bf16);
                 b++, done++)
                ok =
                    experts_agree(c, t, values, device ? device : paths[path].isa, batches[b], message, size);
        wk_ctx_free(c);
        if (ok) continue;
        done = 0;
        break;
    }
    wk_free(values);
    return done;
}

int64_t check_block_products(char *message, size_t size)
{
    /* Around the sizes where a path ends, a tile is not full, or work is cut. */
    static const int64_t batches[] = {1, 2, 3, 5, 7, 8, 9, 12, 24, 25, 33, 0}, few[] = {1, 2, 9, 26, 0},
                         many[] = {70, 0};
    int64_t all = check_experts(NULL, message, size);
    if (!all) return 0;
    for (wk_dtype t = 0; t < WK_DTYPE_COUNT; t++) {
        if (wk_dtype_block(t) == 1 && t != WK_f16 && t != WK_bf16) continue;
        int64_t n = check((struct product){.t = t, .n = 37, .k = 768}, batches, message, size);
        if (!n) return 0;
        all += n;
        if (!(n = check((struct product){.t = t, .n = 67, .k = 1280}, many, message, size))) return 0;
        all += n;
        /* wide products take coarser activations on some paths */
        if (!(n = check((struct product){.t = t, .n = 149, .k = 256}, many, message, size))) return 0;
        all += n;
        /* Ends of rows that do not fill a vector, a group or a chunk. */
        const int64_t first = wk_dtype_block(t) == 1 ? 1 : 32, step = wk_dtype_block(t) == 1 ? 29 : 32;
        for (int64_t k = first; k <= 320 && wk_dtype_block(t) <= 32; k += step) {
            if (!(n = check((struct product){.t = t, .n = 3, .k = k}, few, message, size))) return 0;
            all += n;
        }
    }
    return all;
}

int64_t check_block_products_on(const char *device, char *message, size_t size)
{
    /* Around the rows of a tile and where another kernel takes over. */
    static const int64_t batches[] = {1, 2, 3, 5, 8, 9, 17, 65, 0}, few[] = {1, 9, 0};
    int64_t              all = check_experts(device, message, size);
    for (wk_dtype t = 0; t < WK_DTYPE_COUNT && all; t++) {
        if (wk_dtype_block(t) == 1) continue;
        int64_t n =
            check((struct product){.device = device, .t = t, .n = 37, .k = 768}, batches, message, size);
        all = n ? all + n : 0;
        /* ends of rows that fill no chunk; rows at odd addresses */
        for (int64_t k = 32; k <= 320 && wk_dtype_block(t) == 32 && all; k += 96) {
            n = check((struct product){.device = device, .t = t, .n = 3, .k = k}, few, message, size);
            all = n ? all + n : 0;
        }
        if (!all) break;
        n = check((struct product){.device = device, .t = t, .n = 5, .k = 2304}, few, message, size);
        all = n ? all + n : 0;
    }
    return all;
}
