/* Cases of random numbers, against Philox written out with the published known answers. */
#include "tests/ops/cases.h"

#include <math.h>

/* Philox 4x32-10 by 64-bit halves, another way than core/random.h writes it. */
static void philox(uint64_t key, uint64_t counter, uint32_t out[4])
{
    uint64_t left = counter, right = 0;
    uint32_t k[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
    for (int r = 0; r < 10; r++) {
        const uint64_t a = 0xD2511F53ull * (left & 0xffffffffu), b = 0xCD9E8D57ull * (right & 0xffffffffu);
        const uint64_t l = (((b >> 32) ^ (left >> 32) ^ k[0]) & 0xffffffffu) | b << 32;
        right = (((a >> 32) ^ (right >> 32) ^ k[1]) & 0xffffffffu) | a << 32;
        left = l;
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    out[0] = (uint32_t)left;
    out[1] = (uint32_t)(left >> 32);
    out[2] = (uint32_t)right;
    out[3] = (uint32_t)(right >> 32);
}

/* p: 0 uniform in [-1, 3), 1 normal (1, 2), 2 integers in [-5, 1000); the input gives shape and dtype. */
static wk_tensor run(wk_ctx *c, const wk_tensor *x, const struct op_case *k)
{
    wk_shape shape = {.ndim = x[0]->ndim};
    for (int i = 0; i < x[0]->ndim; i++) shape.dim[i] = x[0]->shape[i];
    wk_seed(c, 0x123456789abcdefull);
    wk_uniform(c, 0, 1, WK_f32, WK_SHAPE(10)); /* moves the stream on by 5 blocks */
    if (k->p == 0) return wk_uniform(c, -1, 3, x[0]->dtype, shape);
    if (k->p == 1) return wk_normal(c, 1, 2, x[0]->dtype, shape);
    return wk_randint(c, -5, 1000, x[0]->dtype, shape);
}

static double wide(const uint32_t *x)
{
    return (double)((((uint64_t)x[0] << 32) | x[1]) >> 11) / 9007199254740992.0;
}

static void exact(const struct op_case *k, const struct values *x, struct values *y)
{
    const double turn = 2 * acos(-1.0);
    const int    per = k->p == 2 || k->in[0].dtype == WK_f64 ? 2 : 4;
    (void)x;
    for (int64_t i = 0; i < y->n; i++) {
        uint32_t  r[4];
        const int j = (int)(i % per);
        philox(0x123456789abcdefull, 5 + (uint64_t)(i / per), r);
        if (k->p == 2) {
            const uint64_t all = ((uint64_t)r[2 * j] << 32) | r[2 * j + 1];
            y->v[i] = -5 + (double)(uint64_t)(((unsigned __int128)all * 1005) >> 64);
        } else if (k->p == 0) {
            y->v[i] = -1 + 4 * (per == 2 ? wide(r + 2 * j) : (double)(r[j] >> 8) / 16777216.0);
        } else {
            const double u = per == 2 ? 1 - wide(r) : (r[j & ~1] + 1.0) / 4294967296.0;
            const double v = per == 2 ? wide(r + 2) : r[j | 1] / 4294967296.0;
            y->v[i] = 1 + 2 * sqrt(-2 * log(u)) * (j & 1 ? sin(turn * v) : cos(turn * v));
        }
    }
}

void family_random(case_fn visit, void *arg)
{
    static const wk_dtype dtypes[3][3] = {
        {WK_f32, WK_f64, WK_bf16}, {WK_f32, WK_f64, WK_f16}, {WK_i64, WK_i32, WK_i16}};
    for (int p = 0; p < 3; p++)
        for (int t = 0; t < 3; t++)
            for (int size = 0; size < 3; size++)
                visit(arg, &(struct op_case){.op = "random",
                                             .n_in = 1,
                                             .run = run,
                                             .exact = exact,
                                             .p = p,
                                             .in = {{.shape = size == 0   ? WK_SHAPE(3)
                                                              : size == 1 ? WK_SHAPE(9, 1111)
                                                                          : WK_SHAPE(0),
                                                     .dtype = dtypes[p][t]}}});
}
