/* Options with an entry for each dim: what an entry left out means. x counts up, a weight is a single 1 (the
 * value at a corner of its window), so that results are places. */
#include "core/wick.h"

#include <criterion/criterion.h>
#include <string.h>

/* [1, 1, 6, 6]: 10 row + column. */
static wk_tensor picture(wk_ctx *c)
{
    double v[36];
    for (int i = 0; i < 36; i++) v[i] = 10.0 * (i / 6) + i % 6;
    return wk_make(c, v, WK_f64, WK_SHAPE(1, 1, 6, 6));
}

/* A kernel that is 0 but for the last place. */
static wk_tensor last_of(wk_ctx *c, int64_t h, int64_t w)
{
    double v[16] = {0};
    v[h * w - 1] = 1;
    return wk_make(c, v, WK_f64, WK_SHAPE(1, 1, h, w));
}

/* Is x [1, 1, h, w] with `first` at the upper left and steps of down and right? */
static void grid(wk_ctx *c, wk_tensor x, int64_t h, int64_t w, double first, double down, double right)
{
    double v[64];
    cr_assert_eq(wk_ctx_status(c), WK_OK, "%s", wk_ctx_message(c));
    cr_assert(x->ndim == 4 && x->shape[2] == h && x->shape[3] == w, "%lld x %lld", (long long)x->shape[2],
              (long long)x->shape[3]);
    wk_read(c, x, v);
    for (int64_t i = 0; i < h * w; i++) {
        const double want = first + down * (double)(i / w) + right * (double)(i % w);
        cr_assert_eq(v[i], want, "%lld: %g, not %g", (long long)i, v[i], want);
    }
}

Test(option_entries, entries_left_out_of_a_convolution_are_as_the_first)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = picture(c), one = last_of(c, 1, 1), two = last_of(c, 2, 2);
    grid(c, wk_conv2d(c, x, one, WK_NONE, (wk_conv_opts){.stride = {2}}), 3, 3, 0, 20, 2);
    grid(c, wk_conv2d(c, x, one, WK_NONE, (wk_conv_opts){.stride = {2, 1}}), 3, 6, 0, 20, 1);
    grid(c, wk_conv2d(c, x, one, WK_NONE, (wk_conv_opts){.stride = {0, 2}}), 6, 3, 0, 10, 2);
    grid(c, wk_conv2d(c, x, two, WK_NONE, (wk_conv_opts){.dilation = {3}}), 3, 3, 33, 10, 1);
    grid(c, wk_conv2d(c, x, two, WK_NONE, (wk_conv_opts){.dilation = {3, 1}}), 3, 5, 31, 10, 1);
    /* 0 is a padding: of the rows alone */
    const wk_tensor y = wk_conv2d(c, x, one, WK_NONE, (wk_conv_opts){.padding = {1}});
    cr_assert(y->shape[2] == 8 && y->shape[3] == 6);
    const wk_conv_opts wide = {.stride = {2}, .output_padding = {1}};
    const wk_tensor    z = wk_conv_transpose2d(c, x, one, WK_NONE, wide);
    cr_assert(z->shape[2] == 12 && z->shape[3] == 11);
    wk_conv2d(c, x, one, WK_NONE, (wk_conv_opts){.stride = {-1}});
    cr_assert(strstr(wk_ctx_message(c), "conv2d: stride -1"), "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(option_entries, entries_left_out_of_a_pooling_are_as_the_first)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = picture(c);
    grid(c, wk_max_pool2d(c, x, (wk_pool_opts){.kernel = {2}}, NULL), 3, 3, 11, 20, 2);
    grid(c, wk_max_pool2d(c, x, (wk_pool_opts){.kernel = {3, 2}}, NULL), 2, 3, 21, 30, 2);
    grid(c, wk_max_pool2d(c, x, (wk_pool_opts){.kernel = {3, 2}, .stride = {1}}, NULL), 4, 5, 21, 10, 1);
    grid(c, wk_max_pool2d(c, x, (wk_pool_opts){.kernel = {2}, .stride = {1}, .dilation = {3}}, NULL), 3, 3,
         33, 10, 1);
    grid(c, wk_avg_pool2d(c, x, (wk_pool_opts){.kernel = {3}, .stride = {0, 1}}), 2, 4, 11, 30, 1);
    grid(c, wk_lp_pool2d(c, x, 1, (wk_pool_opts){.kernel = {2}}), 3, 3, 4 * 5.5, 80, 8);
    wk_tensor       at;
    const wk_tensor most = wk_max_pool2d(c, x, (wk_pool_opts){.kernel = {2}}, &at);
    const wk_tensor back = wk_max_unpool2d(c, most, at, (wk_pool_opts){.kernel = {2}}, (wk_shape){0});
    cr_assert(back->shape[2] == 6 && back->shape[3] == 6, "%s", wk_ctx_message(c));
    wk_max_pool2d(c, x, (wk_pool_opts){.kernel = {0, 2}}, NULL);
    cr_assert(strstr(wk_ctx_message(c), "max_pool2d: kernel 0"), "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}

Test(option_entries, entries_left_out_of_columns_are_as_the_first)
{
    wk_ctx         *c = wk_ctx_new("cpu");
    const wk_tensor x = picture(c);
    wk_tensor       y = wk_im2col(c, x, (wk_fold_opts){.kernel = {2}, .stride = {4}});
    double          v[16];
    cr_assert(y->shape[1] == 4 && y->shape[2] == 4, "%s", wk_ctx_message(c));
    wk_read(c, y, v);
    for (int i = 0; i < 16; i++) {
        const int tap = i / 4, window = i % 4;
        cr_assert_eq(v[i], 10 * (tap / 2 + 4 * (window / 2)) + tap % 2 + 4 * (window % 2));
    }
    y = wk_im2col(c, x, (wk_fold_opts){.kernel = {2}, .dilation = {5}});
    wk_read(c, y, v);
    cr_assert(wk_count(y) == 4 && v[1] == 5 && v[3] == 55, "%s", wk_ctx_message(c));
    wk_ctx_free(c);
}
