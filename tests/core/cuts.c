/* Where PyTorch has no gradient, a tracked operand is an error that names the op, and never cut silently. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <string.h>

static void refused(wk_ctx *c, wk_tensor y, const char *message)
{
    cr_assert(wk_is_none(y), "%s", message);
    cr_assert_eq(wk_ctx_status(c), WK_ENOGRAD, "%s: %s", message, wk_ctx_message(c));
    cr_assert(strstr(wk_ctx_message(c), message), "%s, not %s", wk_ctx_message(c), message);
    wk_ctx_clear(c);
}

static wk_tensor values(wk_ctx *c)
{
    return wk_make(c, (float[]){2, 1, 2, 0}, WK_f32, WK_SHAPE(4));
}

static wk_tensor places(wk_ctx *c)
{
    return wk_make(c, (int64_t[]){0, 2, 2, 1}, WK_i64, WK_SHAPE(4));
}

Test(cuts, different_values)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_tape_begin(c);
    const wk_tensor x = wk_track(c, values(c));
    wk_tensor       inverse, counts;
    refused(c, wk_unique(c, x, &inverse, &counts), "unique: has no gradient by x");
    cr_assert(wk_is_none(inverse) && wk_is_none(counts));
    refused(c, wk_unique_dim(c, x, 0, NULL, NULL), "unique_dim: has no gradient by x");
    refused(c, wk_unique_consecutive(c, x, NULL, NULL), "unique_consecutive: has no gradient by x");
    refused(c, wk_unique_consecutive_dim(c, x, 0, NULL, NULL), "unique_consecutive_dim: has no gradient");
    cr_assert_eq(wk_count(wk_unique(c, wk_detach(c, x), NULL, NULL)), 3);
    const bool was = wk_no_grad(c, true);
    cr_assert_eq(wk_count(wk_unique(c, x, NULL, NULL)), 3);
    wk_no_grad(c, was);
    wk_tape_end(c);
    cr_assert_eq(wk_count(wk_unique(c, x, NULL, NULL)), 3, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(cuts, counts)
{
    wk_ctx *c = wk_ctx_new("cpu");
    wk_tape_begin(c);
    const wk_tensor x = values(c), w = wk_track(c, x),
                    e = wk_make(c, (float[]){0, 1, 2}, WK_f32, WK_SHAPE(3));
    refused(c, wk_bincount(c, places(c), w, 0), "bincount: has no gradient by weights");
    refused(c, wk_histogram(c, w, e, WK_NONE, false), "histogram: has no gradient by x");
    refused(c, wk_histogram(c, x, e, w, true), "histogram: has no gradient by weight");
    refused(c, wk_histogram(c, x, wk_track(c, e), WK_NONE, true), "histogram: has no gradient by edges");
    double sums[3];
    wk_read(c, wk_cast(c, wk_bincount(c, places(c), wk_detach(c, w), 0), WK_f64), sums);
    cr_assert(sums[0] == 2 && sums[1] == 0 && sums[2] == 3, "%s", wk_ctx_message(c));
    cr_assert_eq(wk_item(c, wk_sum(c, wk_histc(c, w, 2, 0, 2), WK_ALL_DIMS, false)), 4,
                 "counts are constants, as in PyTorch");
    wk_ctx_free(c);
}

Test(cuts, blocks_and_other_contexts)
{
    wk_ctx *c = wk_ctx_new("cpu"), *other = wk_ctx_new("cpu");
    wk_tape_begin(c);
    const wk_tensor x = wk_track(c, wk_ones(c, WK_f32, WK_SHAPE(2, 32)));
    refused(c, wk_cast(c, x, WK_q8_0), "cast to blocks: has no gradient by x");
    refused(other, wk_transfer(other, c, x), "transfer: has no gradient by x");
    wk_transfer_into(other, wk_zeros(other, WK_f32, WK_SHAPE(2, 32)), c, x);
    refused(other, WK_NONE, "transfer: has no gradient by x");
    wk_transfer_into(c, x, other, wk_zeros(other, WK_f32, WK_SHAPE(2, 32)));
    refused(c, WK_NONE, "transfer: has no gradient by what it writes over");
    const wk_tensor y = wk_transfer(other, c, wk_detach(c, x));
    cr_assert_eq(wk_item(other, wk_sum(other, y, WK_ALL_DIMS, false)), 64, "%s", wk_ctx_message(other));
    wk_ctx_free(other);
    wk_ctx_free(c);
}
