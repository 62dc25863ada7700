/* Block-quantised dtypes: their bits, casts, and products with them. */
#include "tests/ops/quant_golden.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const isas[] = {"base", "v2", "v3", "v4"};
#define ISAS (sizeof isas / sizeof *isas)

/* A context on the instruction set; NULL where this machine or build has none such. */
static wk_ctx *open_isa(size_t i)
{
    setenv("WK_ISA", isas[i], 1);
    wk_ctx *c = wk_ctx_new("cpu");
    if (wk_ctx_status(c) == WK_OK) return c;
    wk_ctx_free(c);
    return NULL;
}

static float *random_values(int64_t n, uint64_t seed)
{
    float   *x = malloc((size_t)n * sizeof *x);
    uint64_t s = seed;
    cr_assert_not_null(x);
    for (int64_t i = 0; i < n; i++) {
        float sum = 0;
        for (int j = 0; j < 4; j++) {
            s = s * 6364136223846793005u + 1442695040888963407u;
            sum += (float)(s >> 40) / 16777216.0f - 0.5f;
        }
        x[i] = sum;
    }
    return x;
}

Test(quant, agrees_with_the_reference_bit_for_bit)
{
    int opened = 0;
    for (size_t i = 0; i < ISAS; i++) {
        wk_ctx *c = open_isa(i);
        if (!c) continue;
        char          message[256];
        const int64_t n =
            check_quant_golden(c, WK_SOURCE_DIR "/tests/golden/quant.safetensors", message, sizeof message);
        cr_assert_eq(n, 13, "%s: %s", isas[i], message);
        wk_ctx_free(c);
        opened++;
    }
    cr_assert_gt(opened, 0);
}

Test(quant, casts_go_through_f32)
{
    wk_ctx *c = wk_ctx_new("cpu");
    float  *x = random_values(4 * 512, 3);
    for (wk_dtype t = 0; t < WK_DTYPE_COUNT; t++) {
        if (wk_dtype_block(t) == 1) continue;
        const char     *name = wk_dtype_name(t);
        const wk_tensor a = wk_make(c, x, WK_f32, WK_SHAPE(4, 512)), q = wk_cast(c, a, t);
        const wk_tensor y = wk_cast(c, q, WK_f32);
        cr_assert_eq(q->dtype, t, "%s", name);
        cr_assert_eq(wk_bytes(q), 4 * 512 / wk_dtype_block(t) * wk_dtype_bytes(t), "%s", name);
        float values[4 * 512], other[4 * 512];
        cr_assert_eq(wk_read(c, y, values), WK_OK, "%s", wk_ctx_message(c));
        double error = 0, power = 0;
        for (int i = 0; i < 4 * 512; i++) {
            error += pow((double)values[i] - (double)x[i], 2);
            power += pow((double)x[i], 2);
        }
        cr_assert_lt(sqrt(error / power), t == WK_q2_k ? 0.4 : 0.25, "%s: %g", name, sqrt(error / power));
        /* to f64, and from a turned tensor */
        cr_assert_eq(wk_read(c, wk_cast(c, wk_cast(c, q, WK_f64), WK_f32), other), WK_OK);
        cr_assert_arr_eq(values, other, sizeof values, "%s in f64", name);
        const wk_tensor turned = wk_transpose(c, wk_contiguous(c, wk_transpose(c, a, 0, 1)), 0, 1);
        cr_assert_eq(wk_read(c, wk_cast(c, wk_cast(c, turned, t), WK_f32), other), WK_OK);
        cr_assert_arr_eq(values, other, sizeof values, "%s from a turned tensor", name);
        /* one block format into another */
        cr_assert_eq(wk_read(c, wk_cast(c, wk_cast(c, q, WK_q8_0), WK_f32), other), WK_OK, "%s: %s", name,
                     wk_ctx_message(c));
        for (int i = 0; i < 4 * 512; i++)
            cr_assert_float_eq(other[i], values[i], 0.02, "%s to q8_0: %g, %g", name, (double)other[i],
                               (double)values[i]);
        /* rows of a matrix of blocks */
        const wk_tensor rows = wk_slice(c, q, 0, 1, 3, 1);
        cr_assert_eq(wk_read(c, wk_cast(c, rows, WK_f32), other), WK_OK, "%s: %s", name, wk_ctx_message(c));
        cr_assert_arr_eq(values + 512, other, 2 * 512 * sizeof *values, "%s rows", name);
    }
    free(x);
    wk_ctx_free(c);
}

Test(quant, rows_are_whole_blocks)
{
    wk_ctx *c = wk_ctx_new("cpu");
    for (wk_dtype t = 0; t < WK_DTYPE_COUNT; t++) {
        const int64_t block = wk_dtype_block(t);
        if (block == 1) continue;
        const wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(3, block + 8));
        const wk_tensor y = wk_cast(c, x, t);
        cr_assert_eq(wk_ctx_status(c), WK_ESHAPE, "%s", wk_dtype_name(t));
        cr_assert(wk_is_none(y), "%s", wk_dtype_name(t));
        char want[96];
        snprintf(want, sizeof want, "rows of %lld values are not whole blocks of %lld", (long long)block + 8,
                 (long long)block);
        cr_assert_not_null(strstr(wk_ctx_message(c), want), "%s: %s", wk_dtype_name(t), wk_ctx_message(c));
        wk_ctx_clear(c);
    }
    wk_ctx_free(c);
}

/* y = x w^T for w of every block dtype against its dequantised values in double precision. */
static void check_products(wk_ctx *c, const char *isa, int64_t m, int64_t n, int64_t k)
{
    float *x = random_values(m * k, 7), *w = random_values(n * k, 8),
          *y = malloc((size_t)(m * n) * sizeof *y);
    float *v = malloc((size_t)(n * k) * sizeof *v);
    cr_assert(y && v);
    const wk_tensor a = wk_make(c, x, WK_f32, WK_SHAPE(m, k));
    for (wk_dtype t = 0; t < WK_DTYPE_COUNT; t++) {
        if (wk_dtype_block(t) == 1) continue;
        const wk_tensor q = wk_cast(c, wk_make(c, w, WK_f32, WK_SHAPE(n, k)), t);
        cr_assert_eq(wk_read(c, wk_cast(c, q, WK_f32), v), WK_OK, "%s", wk_ctx_message(c));
        for (int precise = 0; precise < 2; precise++) {
            wk_set_precise(c, precise);
            cr_assert_eq(wk_read(c, wk_affine(c, a, q, WK_NONE), y), WK_OK, "%s", wk_ctx_message(c));
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < n; j++) {
                    double sum = 0, size = 0;
                    for (int64_t p = 0; p < k; p++) {
                        const double term = (double)x[i * k + p] * (double)v[j * k + p];
                        sum += term;
                        size += term * term;
                    }
                    /* 8-bit activations: each is off by up to 1/254 of the largest in its block */
                    const double far = precise ? 2e-6 * sqrt((double)k) * sqrt(size) : 0.03 * sqrt(size);
                    cr_assert_float_eq((double)y[i * n + j], sum, far + 1e-6,
                                       "%s %s%s, x [%d, %d], w [%d, %d], at %d, %d: %g, not %g", isa,
                                       wk_dtype_name(t), precise ? " precise" : "", (int)m, (int)k, (int)n,
                                       (int)k, (int)i, (int)j, (double)y[i * n + j], sum);
                }
        }
    }
    free(x);
    free(w);
    free(y);
    free(v);
}

Test(quant, products_agree_with_dequantised_weights)
{
    for (size_t i = 0; i < ISAS; i++) {
        wk_ctx *c = open_isa(i);
        if (!c) continue;
        check_products(c, isas[i], 1, 37, 512);
        check_products(c, isas[i], 5, 16, 768);
        check_products(c, isas[i], 40, 33, 256);
        wk_ctx_free(c);
    }
}
