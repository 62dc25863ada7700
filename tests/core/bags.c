/* Embedding bags, padding, padded sequences and norms over channels, against formulas in double. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static void expect(wk_ctx *c, wk_tensor x, int64_t n, const double *want)
{
    double got[64];
    cr_assert_eq(wk_count(x), n, "%lld values: %s", (long long)wk_count(x), wk_ctx_message(c));
    cr_assert_eq(wk_read(c, wk_cast(c, x, WK_f64), got), WK_OK, "%s", wk_ctx_message(c));
    for (int64_t i = 0; i < n; i++)
        cr_assert(fabs(got[i] - want[i]) <= 1e-13, "value %lld: %g, not %g", (long long)i, got[i], want[i]);
}
#define EXPECT(x, ...)                                                                                       \
    expect(c, x, (int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__})
#define REFUSED(call, text)                                                                                  \
    cr_assert(wk_is_none(call) && strstr(wk_ctx_message(c), text), "%s: %s", #call, wk_ctx_message(c));      \
    wk_ctx_clear(c)

static wk_tensor table_of(wk_ctx *c)
{
    return wk_make(c, (double[]){1, -1, 2, -4, 3, 9, 4, -16}, WK_f64, WK_SHAPE(4, 2));
}
static wk_tensor whole(wk_ctx *c, const int64_t *v, int64_t n)
{
    return wk_make(c, v, WK_i64, WK_SHAPE(n));
}

Test(bags, of_rows)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor t = table_of(c), at = whole(c, (int64_t[]){0, 3, 2, 3, 1}, 5);
    const wk_tensor from = whole(c, (int64_t[]){0, 2, 2}, 3);
    const wk_tensor w = wk_make(c, (double[]){1, 0.5, 2, -1, 3}, WK_f64, WK_SHAPE(5));
    EXPECT(wk_embedding_bag(c, t, at, from, (wk_bag_opts){0}), 5, -17, 0, 0, 9, -11);
    EXPECT(wk_embedding_bag(c, t, at, from, (wk_bag_opts){.weights = w}), 3, -9, 0, 0, 8, 22);
    EXPECT(wk_embedding_bag(c, t, at, from, (wk_bag_opts){.mode = WK_BAG_MEAN}), 2.5, -8.5, 0, 0, 3,
           -11.0 / 3);
    EXPECT(wk_embedding_bag(c, t, at, from, (wk_bag_opts){.mode = WK_BAG_MAX}), 4, -1, 0, 0, 4, 9);
    const wk_bag_opts less = {.mode = WK_BAG_MEAN, .has_padding = true, .padding = -1};
    EXPECT(wk_embedding_bag(c, t, at, from, less), 1, -1, 0, 0, 2.5, 2.5);
    const wk_tensor ends = whole(c, (int64_t[]){0, 2, 5}, 3);
    EXPECT(wk_embedding_bag(c, t, at, ends, (wk_bag_opts){.last_offset = true}), 5, -17, 9, -11);
    const wk_tensor rows = wk_reshape(c, wk_narrow(c, at, 0, 0, 4), WK_SHAPE(2, 2));
    EXPECT(wk_embedding_bag(c, t, rows, WK_NONE, (wk_bag_opts){0}), 5, -17, 7, -7);
    cr_assert_eq(wk_embedding_bag(c, wk_cast(c, t, WK_bf16), rows, WK_NONE, (wk_bag_opts){0})->dtype,
                 WK_bf16);
    REFUSED(wk_embedding_bag(c, t, at, WK_NONE, (wk_bag_opts){0}), "embedding_bag: tokens i64 [5]");
    REFUSED(wk_embedding_bag(c, t, at, whole(c, (int64_t[]){1, 2}, 2), (wk_bag_opts){0}), "offsets from 1");
    REFUSED(wk_embedding_bag(c, t, at, whole(c, (int64_t[]){0, 6}, 2), (wk_bag_opts){0}),
            "offsets from 0 to 6");
    REFUSED(wk_embedding_bag(c, t, at, from, (wk_bag_opts){.mode = WK_BAG_MAX, .weights = w}), "sums alone");
    REFUSED(wk_embedding_bag(c, t, at, from, (wk_bag_opts){.has_padding = true, .padding = 4}), "padding 4");
    REFUSED(wk_embedding_bag(c, w, at, from, (wk_bag_opts){0}), "the table is [5]");
    wk_ctx_free(c);
}

Test(bags, padding_learns_nothing)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor at = whole(c, (int64_t[]){0, 3, 0, 2}, 4);
    wk_tape_begin(c);
    const wk_tensor t = wk_track(c, table_of(c)), y = wk_embedding_padded(c, t, at, -4);
    EXPECT(y, 1, -1, 4, -16, 1, -1, 3, 9);
    wk_backward(c, wk_sum(c, y, WK_ALL_DIMS, false));
    EXPECT(wk_grad(c, t), 0, 0, 0, 0, 1, 1, 1, 1);
    wk_tape_end(c);
    REFUSED(wk_embedding_padded(c, wk_detach(c, t), at, 4), "embedding_padded: padding 4 of a table of 4");
    wk_ctx_free(c);
}

Test(bags, sequences)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x[] = {wk_arange(c, 1, 3, 1, WK_f64), wk_arange(c, 3, 6, 1, WK_f64),
                           wk_arange(c, 6, 7, 1, WK_f64)};
    EXPECT(wk_pad_sequence(c, 3, x, true, -1, false), 1, 2, -1, 3, 4, 5, 6, -1, -1);
    EXPECT(wk_pad_sequence(c, 3, x, true, 0, true), 0, 1, 2, 3, 4, 5, 0, 0, 6);
    EXPECT(wk_pad_sequence(c, 3, x, false, 0, false), 1, 3, 6, 2, 4, 0, 0, 5, 0);
    const wk_tensor wide[] = {table_of(c), wk_narrow(c, table_of(c), 0, 0, 1)};
    const wk_tensor y = wk_pad_sequence(c, 2, wide, false, 7, false);
    cr_assert(y->ndim == 3 && y->shape[0] == 4 && y->shape[1] == 2 && y->shape[2] == 2);
    EXPECT(wk_select(c, y, 1, 1), 1, -1, 7, 7, 7, 7, 7, 7);
    REFUSED(wk_pad_sequence(c, 0, x, true, 0, false), "pad_sequence: 0 sequences");
    REFUSED(wk_pad_sequence(c, 2, (wk_tensor[]){x[0], wide[0]}, true, 0, false), "sequence 1 is f64 [4, 2]");
    wk_ctx_free(c);
}

Test(bags, local_response_norm)
{
    enum { C = 5, L = 3 };
    wk_ctx *c = wk_ctx_new("cpu");
    double  x[C * L], want[C * L];
    for (int i = 0; i < C * L; i++) x[i] = sin(i + 1);
    const wk_tensor t = wk_make(c, x, WK_f64, WK_SHAPE(1, C, L));
    for (int size = 1; size < 7; size++) {
        for (int i = 0; i < C * L; i++) {
            double sum = 0;
            for (int k = i / L - size / 2; k <= i / L + (size - 1) / 2; k++)
                if (k >= 0 && k < C) sum += x[k * L + i % L] * x[k * L + i % L];
            want[i] = x[i] / pow(1.5 + 0.3 * sum / size, 0.75);
        }
        expect(c, wk_local_response_norm(c, t, size, 0.3, 0.75, 1.5), C * L, want);
    }
    REFUSED(wk_local_response_norm(c, wk_select(c, t, 0, 0), 2, 1, 1, 1), "over 2 channels of [5, 3]");
    REFUSED(wk_local_response_norm(c, t, 0, 1, 1, 1), "over 0 channels");
    REFUSED(wk_local_response_norm(c, wk_cast(c, t, WK_bool), 2, 1, 1, 1), "x is bool");
    wk_ctx_free(c);
}

static void every(wk_ctx *c, void *arg, const wk_tensor *x, wk_tensor *y)
{
    const wk_tensor from = whole(c, (int64_t[]){0, 2}, 2), at = arg;
    y[0] = wk_embedding_bag(c, x[0], at, from, (wk_bag_opts){.weights = x[1]});
    y[1] = wk_embedding_bag(c, x[0], at, from, (wk_bag_opts){.mode = WK_BAG_MEAN});
    y[2] = wk_embedding_bag(c, x[0], at, from, (wk_bag_opts){.mode = WK_BAG_MAX});
    y[3] = wk_pad_sequence(c, 2, (wk_tensor[]){x[0], wk_narrow(c, x[0], 0, 1, 2)}, true, 0, false);
    y[4] = wk_local_response_norm(c, wk_unsqueeze(c, x[0], 0), 3, 0.5, 0.75, 1);
}

Test(bags, gradients)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor at = whole(c, (int64_t[]){0, 3, 2, 1}, 4);
    const wk_tensor x[] = {table_of(c), wk_make(c, (double[]){1, 0.5, 2, -1}, WK_f64, WK_SHAPE(4))};
    cr_assert_eq(wk_gradcheck(c, every, (void *)(uintptr_t)at, 2, x, (wk_gradcheck_opts){.n_out = 5}), WK_OK,
                 "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}
