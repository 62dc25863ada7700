/* Affine maps with block-quantised weights: every format, on every path of every instruction set. */
#include "tests/ops/block_products.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const wk_dtype formats[] = {WK_q4_0, WK_q4_1, WK_q5_0, WK_q5_1,   WK_q8_0,   WK_q2_k, WK_q3_k,
                                   WK_q4_k, WK_q5_k, WK_q6_k, WK_iq4_nl, WK_iq4_xs, WK_mxfp4};
#define FORMATS (sizeof formats / sizeof *formats)

static float *random_values(int64_t n, uint64_t seed)
{
    float   *x = malloc((size_t)n * sizeof *x);
    uint64_t s = seed * 2 + 1;
    cr_assert_not_null(x);
    for (int64_t i = 0; i < n; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(s >> 40) / 8388608.0f - 1.0f;
    }
    return x;
}

static float *read_f32(wk_ctx *c, wk_tensor x)
{
    float *v = malloc((size_t)wk_count(x) * sizeof *v + 1);
    cr_assert_eq(wk_read(c, wk_cast(c, x, WK_f32), v), WK_OK, "%s", wk_ctx_message(c));
    return v;
}

Test(affine, every_format_on_every_path)
{
    char message[256] = "";
    cr_expect_gt(check_block_products(message, sizeof message), 0, "%s", message);
}

Test(affine, the_end_of_a_mapped_weight_is_not_passed)
{
    for (size_t f = 0; f < FORMATS; f++) {
        wk_ctx       *c = wk_ctx_new("cpu");
        const int64_t k = wk_dtype_block(formats[f]) == 32 ? 96 : 256;
        const size_t  bytes = (size_t)(k / wk_dtype_block(formats[f]) * wk_dtype_bytes(formats[f]));
        float        *x = random_values(k, 4);
        wk_tensor     q = wk_cast(c, wk_make(c, x, WK_f32, WK_SHAPE(1, k)), formats[f]);
        char         *exact = malloc(bytes); /* AddressSanitizer watches its ends */
        cr_assert_eq(wk_read(c, q, exact), WK_OK);
        wk_tensor w = wk_wrap(c, exact, formats[f], WK_SHAPE(1, k), NULL, NULL);
        wk_tensor y = wk_affine(c, wk_make(c, x, WK_f32, WK_SHAPE(k)), w, WK_NONE);
        cr_expect_gt(wk_item(c, y), 0.0, "%s", wk_dtype_name(formats[f]));
        wk_ctx_free(c);
        free(exact);
        free(x);
    }
}

Test(affine, same_bits_for_one_and_two_threads)
{
    static const wk_dtype more[] = {WK_f32, WK_f16, WK_bf16, WK_f64};
    static const int64_t  batches[] = {1, 8, 40};
    const int64_t         n = 517, k = 1024;
    float                *x = random_values(40 * k, 5), *w = random_values(n * k, 6);
    for (size_t f = 0; f < FORMATS + 4; f++)
        for (size_t i = 0; i < 3; i++) {
            const wk_dtype t = f < FORMATS ? formats[f] : more[f - FORMATS];
            float         *y[2];
            for (int threads = 1; threads <= 2; threads++) {
                wk_ctx *c = wk_ctx_new("cpu");
                wk_set_threads(c, threads);
                wk_tensor weight = wk_cast(c, wk_make(c, w, WK_f32, WK_SHAPE(n, k)), t);
                y[threads - 1] = read_f32(
                    c, wk_affine(c, wk_make(c, x, WK_f32, WK_SHAPE(batches[i], k)), weight, WK_NONE));
                wk_ctx_free(c);
            }
            cr_expect_arr_eq(y[0], y[1], (size_t)(batches[i] * n) * sizeof(float), "%s, %lld rows",
                             wk_dtype_name(t), (long long)batches[i]);
            free(y[0]);
            free(y[1]);
        }
    free(x);
    free(w);
}

Test(affine, several_at_once_are_the_same_as_one_by_one)
{
    static const wk_dtype kinds[] = {WK_q4_0, WK_q6_k, WK_f16, WK_q4_1};
    static const int64_t  sizes[] = {40, 7, 300, 64};
    for (int64_t m = 1; m < 30; m += 14) {
        wk_ctx   *c = wk_ctx_new("cpu");
        float    *x = random_values(m * 512, 7), *v = random_values(300 * 512, 8);
        wk_tensor in = wk_make(c, x, WK_f32, WK_SHAPE(m, 512)), w[4], bias[4], out[4];
        for (int i = 0; i < 4; i++) {
            w[i] = wk_cast(c, wk_make(c, v, WK_f32, WK_SHAPE(sizes[i], 512)), kinds[i]);
            bias[i] = i % 2 ? wk_make(c, v, WK_f32, WK_SHAPE(sizes[i])) : WK_NONE;
        }
        wk_affine_n(c, in, 4, w, bias, out);
        for (int i = 0; i < 4; i++) {
            float *a = read_f32(c, out[i]), *b = read_f32(c, wk_affine(c, in, w[i], bias[i]));
            cr_expect_arr_eq(a, b, (size_t)(m * sizes[i]) * sizeof(float), "%s", wk_dtype_name(kinds[i]));
            free(a);
            free(b);
        }
        wk_ctx_free(c);
        free(x);
        free(v);
    }
}

Test(affine, gradient_of_x_goes_through_dequantised_rows)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    float    *v = random_values(64 * 64, 9);
    wk_tensor w = wk_cast(c, wk_make(c, v, WK_f32, WK_SHAPE(64, 64)), WK_q8_0);
    wk_tensor g = wk_make(c, v + 100, WK_f32, WK_SHAPE(3, 64));
    wk_tape_begin(c);
    wk_tensor x = wk_track(c, wk_make(c, v + 7, WK_f32, WK_SHAPE(3, 64)));
    wk_tensor y = wk_affine(c, x, w, WK_NONE);
    cr_assert_eq(wk_backward_from(c, 1, &y, &g), WK_OK, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_ctx_status(c), WK_OK);
    float *got = read_f32(c, wk_grad(c, x)), *want = read_f32(c, wk_matmul(c, g, wk_cast(c, w, WK_f32)));
    for (int i = 0; i < 3 * 64; i++) cr_expect_float_eq(got[i], want[i], 1e-5, "at %d", i);
    cr_expect(wk_is_none(wk_affine(c, x, wk_track(c, w), WK_NONE)));
    cr_expect_neq(wk_ctx_status(c), WK_OK);
    wk_tape_end(c);
    wk_ctx_free(c);
    free(v);
    free(got);
    free(want);
}

Test(affine, what_is_not_a_number_shows)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t f = 0; f < FORMATS; f++)
        for (int i = 0; i < 3; i++) {
            wk_ctx *c = wk_ctx_new("cpu");
            float  *v = random_values(8 * 256, 10);
            v[77] = bad[i];
            wk_tensor w = wk_cast(c, wk_make(c, v + 256, WK_f32, WK_SHAPE(7, 256)), formats[f]);
            float    *y = read_f32(c, wk_affine(c, wk_make(c, v, WK_f32, WK_SHAPE(1, 256)), w, WK_NONE));
            for (int j = 0; j < 7; j++)
                cr_expect(!isfinite(y[j]), "%s: %g hides %g", wk_dtype_name(formats[f]), (double)y[j],
                          (double)bad[i]);
            wk_ctx_free(c);
            free(v);
            free(y);
        }
}

static void expect_error(wk_ctx *c, wk_tensor y, wk_status s, const char *message)
{
    cr_expect(wk_is_none(y));
    cr_expect_eq(wk_ctx_status(c), s);
    cr_expect_str_eq(wk_ctx_message(c), message);
    wk_ctx_clear(c);
}

Test(affine, errors_say_what_came)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(2, 3)), w = wk_zeros(c, WK_f32, WK_SHAPE(3, 4));
    wk_tensor i = wk_zeros(c, WK_i32, WK_SHAPE(2, 4));
    expect_error(c, wk_affine(c, x, w, WK_NONE), WK_ESHAPE, "affine: x has 3 columns, weight is [3, 4]");
    expect_error(c, wk_affine(c, i, w, WK_NONE), WK_EDTYPE,
                 "affine: x is i32, weight f32; real ones, or integers of one dtype, are wanted");
    expect_error(c, wk_affine(c, wk_transpose(c, w, 0, 1), x, w), WK_ESHAPE,
                 "affine: bias is [3, 4], weight [2, 3]");
    expect_error(c, wk_affine(c, x, WK_NONE, WK_NONE), WK_EARG, "affine: an operand is empty");
    expect_error(c, wk_matmul(c, x, x), WK_ESHAPE, "matmul: [2, 3] times [2, 3]: inner sizes differ");
    expect_error(c,
                 wk_matmul(c, wk_zeros(c, WK_f32, WK_SHAPE(2, 2, 3)), wk_zeros(c, WK_f32, WK_SHAPE(3, 3, 3))),
                 WK_ESHAPE, "matmul: [2, 2, 3] times [3, 3, 3]: leading dims do not broadcast");
    expect_error(c, wk_matmul(c, wk_zeros(c, WK_bool, WK_SHAPE(2, 2)), x), WK_EDTYPE,
                 "matmul: bool times f32 is not supported");
    wk_tensor out[9];
    wk_affine_n(c, x, 9, &w, NULL, out);
    cr_expect_eq(wk_ctx_status(c), WK_EARG);
    wk_ctx_free(c);
}

Test(affine, openblas_has_a_name_or_is_not_there)
{
    const char *core = wk_blas_core();
    cr_assert_not_null(core);
    char    text[1024];
    wk_ctx *c = wk_ctx_new("cpu");
    wk_ctx_describe(c, text, sizeof text);
    cr_expect_not_null(strstr(text, *core ? core : "openblas: none"));
    wk_ctx_free(c);
}

Test(affine, experts_have_the_same_bits_for_one_and_two_threads)
{
    enum { ROWS = 40, EACH = 4, EXPERTS = 6, N = 150, K = 512 };
    float  *v = random_values(EXPERTS * N * K, 8), *y[2];
    int64_t id[ROWS * EACH];
    for (int i = 0; i < ROWS * EACH; i++) id[i] = i * i % EXPERTS;
    for (int threads = 1; threads <= 2; threads++) {
        wk_ctx *c = wk_ctx_new("cpu");
        wk_set_threads(c, threads);
        wk_tensor w = wk_cast(c, wk_make(c, v, WK_f32, WK_SHAPE(EXPERTS, N, K)), WK_q4_k);
        wk_tensor x = wk_make(c, v, WK_f32, WK_SHAPE(ROWS, K));
        wk_tensor ids = wk_make(c, id, WK_i64, WK_SHAPE(ROWS, EACH));
        y[threads - 1] = read_f32(c, wk_affine_experts(c, x, w, WK_NONE, ids));
        wk_ctx_free(c);
    }
    cr_expect_arr_eq(y[0], y[1], ROWS * EACH * N * sizeof(float));
    free(y[0]);
    free(y[1]);
    free(v);
}

Test(affine, experts_say_what_came)
{
    wk_ctx   *c = wk_ctx_new("cpu");
    wk_tensor x = wk_zeros(c, WK_f32, WK_SHAPE(2, 32)), w = wk_zeros(c, WK_f32, WK_SHAPE(4, 3, 32));
    wk_tensor ids = wk_make(c, (int64_t[]){0, 4}, WK_i64, WK_SHAPE(2, 1));
    wk_tensor two = wk_reshape(c, w, WK_SHAPE(12, 32)), q = wk_cast(c, w, WK_q8_0);
    cr_expect(wk_is_none(wk_affine_experts(c, x, w, WK_NONE, ids)));
    cr_expect_eq(wk_ctx_status(c), WK_EINDEX);
    cr_expect(strstr(wk_ctx_message(c), "expert 4 at position 1 is outside of size 4"), "%s",
              wk_ctx_message(c));
    wk_ctx_clear(c);
    expect_error(c, wk_affine_experts(c, x, two, WK_NONE, ids), WK_ESHAPE,
                 "affine_experts: x is [2, 32], weight [12, 32]");
    expect_error(c, wk_affine_experts(c, x, w, x, ids), WK_ESHAPE,
                 "affine_experts: bias is [2, 32], weight [4, 3, 32]");
    expect_error(c, wk_affine_experts(c, x, w, WK_NONE, x), WK_EDTYPE,
                 "affine_experts: indices are f32, not integers");
    expect_error(c, wk_affine_experts(c, x, w, WK_NONE, wk_transpose(c, ids, 0, 1)), WK_ESHAPE,
                 "affine_experts: x is [2, 32], indices [1, 2]");
    expect_error(c, wk_affine_experts(c, x, w, WK_NONE, WK_NONE), WK_EARG,
                 "affine_experts: an operand is empty");
    wk_tape_begin(c);
    cr_expect(wk_is_none(wk_affine_experts(c, x, wk_track(c, q), WK_NONE, ids)));
    cr_expect_neq(wk_ctx_status(c), WK_OK); /* blocks have no gradient */
    wk_ctx_clear(c);
    /* real weights have gradients: here each expert's rows add up */
    wk_tensor some = wk_track(c, wk_full(c, 1, WK_f32, WK_SHAPE(2, 3, 4)));
    wk_tensor rows = wk_full(c, 2, WK_f32, WK_SHAPE(3, 4));
    wk_tensor to = wk_make(c, (int64_t[]){1, 0, 1}, WK_i64, WK_SHAPE(3, 1));
    wk_tensor y = wk_sum(c, wk_affine_experts(c, rows, some, WK_NONE, to), WK_ALL_DIMS, false);
    cr_assert_eq(wk_backward(c, y), WK_OK, "%s", wk_ctx_message(c));
    float *g = read_f32(c, wk_grad(c, some));
    for (int i = 0; i < 24; i++)
        cr_expect_float_eq(g[i], i < 12 ? 2.0f : 4.0f, 1e-6f, "%d: %g", i, (double)g[i]);
    free(g);
    wk_tape_end(c);
    wk_ctx_free(c);
}
